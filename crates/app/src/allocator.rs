//! How much memory a process that goes on for ever keeps for later.
//!
//! glibc gives each thread an arena of its own, and none of them gives back what a list of ten
//! thousand objects needed for a moment. One arena that returns what is free at its end holds a
//! delivery in half of that; the price, a lock between two threads, was measured as a few
//! milliseconds of a push. Whoever sets one of glibc's own variables is not overruled. With
//! another C library this does nothing.

#[cfg(target_env = "gnu")]
use std::env::var_os;

/// Free bytes at the end of the heap from which on they are given back.
#[cfg(target_env = "gnu")]
const TRIM_BYTES: i32 = 128 * 1024;
/// Heaps of one process.
#[cfg(target_env = "gnu")]
const ARENAS: i32 = 1;
/// What glibc reads by itself, as `MALLOC_…` or among these.
#[cfg(target_env = "gnu")]
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Keeps little memory. To be called before there are other threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "`mallopt` has no safe wrapper")]
pub(crate) fn keep_little() {
    if var_os(TUNABLES).is_some() {
        return;
    }
    for (variable, parameter, value) in [
        ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, ARENAS),
        ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, TRIM_BYTES),
    ] {
        if var_os(variable).is_none() {
            // SAFETY: it takes two numbers and touches the allocator's own settings only, under
            // its lock. It answers 0 for a parameter that it does not know, which changes nothing.
            let _ = unsafe { libc::mallopt(parameter, value) };
        }
    }
}

/// Nothing is known to do here.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn keep_little() {}
