//! How one thread or task waits for another without missing what happens meanwhile.
//!
//! Who waits raises a flag and then looks again; who changes something looks at the flag
//! afterwards. A fence on both sides makes sure that at least one of them sees the other. As long
//! as nobody waits, telling costs a fence and a load.

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering, fence, lock, wait};
use std::task::Waker;
use std::time::Duration;

/// One waiter at a time: a thread or a task.
#[derive(Debug)]
pub(crate) struct Signal {
    waits: AtomicBool,
    waker: Mutex<Option<Waker>>,
    condvar: Condvar,
}

impl Signal {
    pub(crate) fn new() -> Self {
        Self { waits: AtomicBool::new(false), waker: Mutex::new(None), condvar: Condvar::new() }
    }

    /// Says that something changed.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        if !self.waits.load(Ordering::Relaxed) {
            return;
        }
        let mut waker = lock(&self.waker);
        self.waits.store(false, Ordering::Relaxed);
        self.condvar.notify_all();
        let waker_found = waker.take();
        drop(waker);
        if let Some(waker) = waker_found {
            waker.wake();
        }
    }

    /// What `ready` finds, after waiting once when it found nothing.
    pub(crate) fn wait<R>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        if let Some(found) = ready() {
            return Some(found);
        }
        if timeout.is_zero() {
            return None;
        }
        self.waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // No lock is held while looking: what `ready` drops on its way may tell this very signal.
        let found = ready();
        if found.is_some() {
            self.waits.store(false, Ordering::Relaxed);
            return found;
        }
        let mut guard = lock(&self.waker);
        // Lowered since: we were told between the look and the lock.
        if self.waits.load(Ordering::Relaxed) {
            guard = wait(&self.condvar, guard, timeout);
        }
        self.waits.store(false, Ordering::Relaxed);
        drop(guard);
        ready()
    }

    /// What `ready` finds; otherwise the waker is called when something changed.
    pub(crate) fn poll<R>(&self, waker: &Waker, mut ready: impl FnMut() -> Option<R>) -> Option<R> {
        if let Some(found) = ready() {
            return Some(found);
        }
        *lock(&self.waker) = Some(waker.clone());
        self.waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        ready()
    }
}
