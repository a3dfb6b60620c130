//! What `crates/pipeline/src/sync.rs` is for the product, made of the checker's pieces.

use loom::cell::UnsafeCell;
use std::time::Duration;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    mutex.try_lock().ok()
}

/// Waits for ever: a model in which nobody tells has a deadlock, and the checker says so.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    _timeout: Duration,
) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap()
}

#[derive(Debug)]
pub(crate) struct Place<T>(UnsafeCell<T>);

impl<T> Place<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) fn with_mut<R>(&self, use_it: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(use_it)
    }
}
