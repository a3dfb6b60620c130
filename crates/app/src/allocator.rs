//! How much memory a process that goes on for ever keeps for later.
//!
//! glibc gives each thread an arena of its own, and none of them gives back what a list of ten
//! thousand objects needed for a moment. One arena that returns what is free at its end holds a
//! delivery in half of that; the price, a lock between two threads, was measured as a few
//! milliseconds of a push.
//!
//! The agent has its tables of files and its batches instead. What is large is a mapping of its
//! own, which a table that grows leaves without a hole; glibc would take such sizes from the heap
//! once it saw one come back. That is a tenth of the memory of ten thousand files.
//!
//! Whoever sets one of glibc's own variables is not overruled. With another C library this does
//! nothing.

#[cfg(target_env = "gnu")]
use std::env::var_os;

/// What glibc reads by itself, as `MALLOC_…` or among these.
#[cfg(target_env = "gnu")]
const TUNABLES: &str = "GLIBC_TUNABLES";

/// A variable of glibc, the parameter that it sets, and the value to set instead.
#[cfg(target_env = "gnu")]
type Setting = (&'static str, i32, i32);

/// One heap, of which more than 128 KiB at its end are given back.
#[cfg(all(target_env = "gnu", any(feature = "cli", feature = "controller")))]
const LITTLE: [Setting; 2] = [
    ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, 1),
    ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, 128 * 1024),
];
/// From 128 KiB on each piece is a mapping of its own. The heap is rarely cut, because what is
/// read comes and goes many times a second.
#[cfg(all(target_env = "gnu", feature = "agent"))]
const APART: [Setting; 2] = [
    ("MALLOC_MMAP_THRESHOLD_", libc::M_MMAP_THRESHOLD, 128 * 1024),
    ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, 4 * 1024 * 1024),
];

/// Keeps little memory. To be called before there are other threads.
#[cfg(any(feature = "cli", feature = "controller"))]
pub(crate) fn keep_little() {
    #[cfg(target_env = "gnu")]
    set(LITTLE);
}

/// Keeps what is large apart from the rest. To be called before there are other threads.
#[cfg(feature = "agent")]
pub(crate) fn keep_large_apart() {
    #[cfg(target_env = "gnu")]
    set(APART);
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "`mallopt` has no safe wrapper")]
fn set(settings: [Setting; 2]) {
    if var_os(TUNABLES).is_some() {
        return;
    }
    for (variable, parameter, value) in settings {
        if var_os(variable).is_none() {
            // SAFETY: it takes two numbers and touches the allocator's own settings only, under
            // its lock. It answers 0 for a parameter that it does not know, which changes nothing.
            let _ = unsafe { libc::mallopt(parameter, value) };
        }
    }
}
