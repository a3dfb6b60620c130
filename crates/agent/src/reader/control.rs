//! What other threads want of the reader.

use super::inputs::Intent;
use super::{SinkHandle, Stage};
use crate::journal::Meaning;
use host::tail::Waker;
use pipeline::balance::Balance;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a question to the reader waits for an answer.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_millis(250);
/// A reader that has answered no question for so long is not well.
pub(crate) const WELL_WITHIN: Duration = Duration::from_secs(30);

/// Changes how sinks are made; called on the reader's thread between two blocks.
pub(crate) type MakeSinks = Box<dyn FnOnce(&mut Vec<SinkHandle>) + Send>;

/// A change.
pub(crate) enum Order {
    /// Other inputs, what all records have in common, what lines of journals mean, and how what is
    /// read is thinned.
    Inputs {
        intents: Vec<Intent>,
        common: Vec<(String, String)>,
        journals: Vec<Meaning>,
        stage: Option<Box<Stage>>,
    },
    /// Other sinks.
    Sinks { make: MakeSinks },
}

/// A file as `status` shows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileLine {
    pub(crate) path: String,
    pub(crate) input: String,
    pub(crate) offset: u64,
    pub(crate) committed: u64,
    pub(crate) size: u64,
    pub(crate) deleted: bool,
    pub(crate) possible_loss_bytes: u64,
    /// What became of its records, by sink.
    pub(crate) balances: Vec<(String, Balance)>,
}

/// What the reader was asked and has answered.
#[derive(Debug, Default)]
struct Exchange {
    answered: u64,
    files: Vec<FileLine>,
    files_left_out: usize,
}

/// Shared by all threads.
#[derive(Default)]
pub(crate) struct Control {
    stop: AtomicBool,
    hurry: AtomicBool,
    orders: Mutex<VecDeque<Order>>,
    asked: AtomicU64,
    exchange: Mutex<Exchange>,
    answer: Condvar,
    waker: Mutex<Option<Waker>>,
    shutdown_ms: AtomicU64,
    /// When the reader last answered, and since when a question waits.
    waiting_since: Mutex<Option<Instant>>,
}

impl Control {
    /// How the reader is woken.
    pub(crate) fn set_waker(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
    }

    pub(crate) fn set_shutdown_timeout(&self, timeout: Duration) {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.shutdown_ms.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms.load(Ordering::Relaxed))
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake();
        }
    }

    /// Ends the reader in good order; a second time at once.
    pub(crate) fn stop(&self) {
        if self.stop.swap(true, Ordering::AcqRel) {
            self.hurry.store(true, Ordering::Release);
        }
        self.wake();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn hurried(&self) -> bool {
        self.hurry.load(Ordering::Acquire)
    }

    /// Sends changes; they are carried out in their order.
    pub(crate) fn order(&self, orders: impl IntoIterator<Item = Order>) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).extend(orders);
        self.wake();
    }

    pub(crate) fn take_order(&self) -> Option<Order> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Whether somebody waits for fresh numbers.
    pub(crate) fn is_asked(&self) -> bool {
        let answered = self.exchange.lock().unwrap_or_else(PoisonError::into_inner).answered;
        self.asked.load(Ordering::Acquire) > answered
    }

    /// The reader answers.
    pub(crate) fn answer(&self, files: Vec<FileLine>, files_left_out: usize) {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        exchange.answered = self.asked.load(Ordering::Acquire);
        (exchange.files, exchange.files_left_out) = (files, files_left_out);
        drop(exchange);
        *self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.answer.notify_all();
    }

    /// Asks the reader for fresh numbers and waits a little; says whether they came.
    pub(crate) fn ask(&self) -> bool {
        let question = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.waiting_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        self.wake();
        let exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let (exchange, _) = self
            .answer
            .wait_timeout_while(exchange, ANSWER_WAIT, |exchange| exchange.answered < question)
            .unwrap_or_else(PoisonError::into_inner);
        exchange.answered >= question
    }

    /// Whether the reader answers questions.
    pub(crate) fn is_well(&self) -> bool {
        self.ask();
        let since = *self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_none_or(|since| since.elapsed() < WELL_WITHIN)
    }

    /// The files of the last answer, and how many more there are.
    pub(crate) fn files(&self) -> (Vec<FileLine>, usize) {
        let exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        (exchange.files.clone(), exchange.files_left_out)
    }
}
