//! The first process of a pod's sandbox, the only program of the image `local.test/pause`.
//!
//! It holds the pod's namespaces open and, where a pod shares its process namespace, reaps the
//! processes that lose their parent. It takes no input, writes nothing and never ends by itself:
//! the container runtime ends a sandbox with SIGKILL.
//!
//! Built static (`-C target-feature=+crt-static`), because the image holds nothing else.

use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::{Timespec, nanosleep};

/// How long to wait before looking again when there is no child. Orphans that end meanwhile stay
/// as zombies for at most this long; while there is a child, the wait ends with it.
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

fn main() {
    loop {
        if waitid(WaitId::All, WaitIdOptions::EXITED).is_err() {
            // No child to wait for, or a signal: neither needs an answer.
            let _ = nanosleep(&LOOK_AGAIN);
        }
    }
}
