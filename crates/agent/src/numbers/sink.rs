//! What one sink counts, and since when it fails.

use super::Count;
use pipeline::balance::Balances;
use pipeline::ledger::Batch;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of an error that are kept for the status.
const ERROR_BYTES_MAX: usize = 512;
/// Ways to fail that are told of one outage.
const TOLD_MAX: usize = 8;

/// What fails of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// A part of a batch of those under way, by where it begins.
    Batch(Batch, usize),
    /// Very many records in a row are refused, whichever batches they are of.
    Refusals,
}

/// What one sink counts.
#[derive(Debug, Default)]
pub(crate) struct SinkNumbers {
    pub(crate) name: String,
    /// Records that it took.
    pub(crate) sent: Count,
    /// Records that it refuses for good.
    pub(crate) quarantined: Count,
    /// Of these, how many were written to the dead-letter file.
    pub(crate) letters: Count,
    /// Older letters, of any sink, that were rotated away for one of this sink.
    pub(crate) expired: Count,
    /// Records that fit into no request.
    pub(crate) oversize: Count,
    /// Records on their way.
    pub(crate) in_flight: Count,
    /// Requests, tries included.
    pub(crate) requests: Count,
    /// Requests that failed.
    pub(crate) failures: Count,
    /// Bytes before compression.
    pub(crate) bytes: Count,
    /// Bytes that were sent.
    pub(crate) wire_bytes: Count,
    /// What fails, since when, and why it did the last time; the oldest first.
    failing: Mutex<Vec<(Failing, Instant, String)>>,
    /// How it failed since all was well, as far as it was told; hashes.
    told: Mutex<Vec<u64>>,
    /// Requests without an answer, and when the last answer came, or the first of them was sent.
    waiting: Mutex<(u64, Option<Instant>)>,
    /// What became of the records of each file, since this sink is there (R25).
    balances: Mutex<Balances>,
    /// It ended.
    pub(crate) ended: AtomicBool,
}

impl SinkNumbers {
    /// Numbers of a sink.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// What became of the records of each file.
    pub(crate) fn balances(&self) -> MutexGuard<'_, Balances> {
        self.balances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is sent.
    pub(crate) fn asked(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.0 == 0 {
            waiting.1 = Some(Instant::now());
        }
        waiting.0 += 1;
    }

    /// It is answered, whatever the answer is.
    pub(crate) fn answered(&self) {
        self.requests.add(1);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = (waiting.0.saturating_sub(1), Some(Instant::now()));
    }

    /// For how long no request was answered while one waits for it; none when none waits.
    pub(crate) fn silent(&self, now: Instant) -> Option<Duration> {
        let waiting = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1.filter(|_| waiting.0 > 0).map(|since| now.saturating_duration_since(since))
    }

    /// A request failed; says whether that is news: all was well before, or it failed in other ways
    /// since then. Of two ways in turns each is news once.
    pub(crate) fn failed(&self, what: Failing, reason: &str) -> bool {
        self.failures.add(1);
        let way = pipeline::hash::bytes(0, way(reason).as_bytes());
        let mut cut = reason.len().min(ERROR_BYTES_MAX);
        while !reason.is_char_boundary(cut) {
            cut -= 1;
        }
        let reason: String = reason.get(..cut).unwrap_or_default().to_owned();
        let mut failing = self.lock_failing();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_empty() {
            told.clear();
        }
        let is_news = told.len() < TOLD_MAX && !told.contains(&way);
        if is_news {
            told.push(way);
        }
        match failing.iter_mut().find(|(known, _, _)| *known == what) {
            Some((_, _, last)) => *last = reason,
            None => failing.push((what, Instant::now(), reason)),
        }
        is_news
    }

    /// A part of a batch goes on, and with it a run of refusals may be over; says whether something
    /// failed before and nothing does now.
    pub(crate) fn succeeded(&self, this: Failing, is_run_over: bool) -> bool {
        let mut failing = self.lock_failing();
        let before = failing.len();
        failing.retain(|(what, _, _)| match what {
            Failing::Batch(..) => *what != this,
            Failing::Refusals => !is_run_over,
        });
        before > 0 && failing.is_empty()
    }

    /// Since when a batch, of all that fail the oldest, is not taken, and why.
    pub(crate) fn failing(&self) -> Option<(Instant, String)> {
        self.lock_failing().first().map(|(_, since, reason)| (*since, reason.clone()))
    }

    fn lock_failing(&self) -> MutexGuard<'_, Vec<(Failing, Instant, String)>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In which way something failed: a reason without what a server said, which may differ each time.
fn way(reason: &str) -> &str {
    let answer = reason.find(" answered ").unwrap_or(reason.len());
    let said = reason.get(answer..).and_then(|answer| answer.find(": "));
    said.and_then(|said| reason.get(..answer + said)).unwrap_or(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::ledger::Ledger;

    #[test]
    fn a_sink_is_silent_while_a_request_waits_and_none_is_answered() {
        let sink = SinkNumbers::new("s");
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(sink.silent(later(9)), None);
        sink.asked();
        sink.asked();
        assert!(sink.silent(later(9)) > Some(Duration::from_secs(8)));
        sink.answered();
        assert!(sink.silent(later(9)) > Some(Duration::from_secs(8)), "the other one waits");
        sink.answered();
        assert_eq!((sink.silent(later(9)), sink.requests.get()), (None, 2));
    }

    #[test]
    fn a_sink_fails_while_any_batch_is_not_taken_since_the_oldest_of_them_was_not() {
        let (sink, mut ledger) = (SinkNumbers::new("s"), Ledger::default());
        let [one, two, three] = [(); 3].map(|()| ledger.begin().unwrap());
        let fails = |batch, reason| sink.failed(Failing::Batch(batch, 0), reason);
        let takes = |batch, is_run_over| sink.succeeded(Failing::Batch(batch, 0), is_run_over);
        let reason = || sink.failing().map(|(_, reason)| reason);
        assert!(fails(one, "no") && fails(two, "full") && !fails(one, "no"));
        assert!(fails(one, "still no"));
        let since = sink.failing();
        assert_eq!(reason().as_deref(), Some("still no"));
        // Others are taken, also the one that failed later: the oldest one still is not.
        assert!(!takes(three, true) && !takes(two, true));
        assert_eq!(sink.failing(), since);
        assert!(!fails(two, "full") && !takes(one, true));
        assert_eq!(reason().as_deref(), Some("full"));
        assert!(takes(two, true) && !takes(two, true));
        assert_eq!((sink.failing(), sink.failures.get()), (None, 5));
        // A run of refusals is of no batch.
        assert!(sink.failed(Failing::Refusals, &"ä".repeat(ERROR_BYTES_MAX)));
        assert!(reason().unwrap().len() <= ERROR_BYTES_MAX);
        assert!(fails(one, "full") && !takes(one, false) && takes(one, true));
    }

    #[test]
    fn each_way_to_fail_is_news_once_until_all_is_well() {
        let (sink, batch) = (SinkNumbers::new("s"), Ledger::default().begin().unwrap());
        let fails = |reason: &str| sink.failed(Failing::Batch(batch, 0), reason);
        for _ in 0..2 {
            assert!(fails("cannot connect to http://a: refused"));
            for number in 0..10 {
                let is_first = number == 0;
                assert_eq!(fails(&format!("http://a answered 401: try {number}")), is_first);
                assert_eq!(fails(&format!("http://a answered 404: try {number}")), is_first);
                assert!(!fails("cannot connect to http://a: refused"));
            }
            assert!(fails("http://a answered 401 with a page of HTML: x"));
            assert!(sink.succeeded(Failing::Batch(batch, 0), true));
        }
        let news = (0..100).filter(|number| fails(&format!("reason {number}"))).count();
        assert_eq!(news, TOLD_MAX);
    }
}
