//! A work queue by key: a key is worked on by one worker at a time, waits in the queue at most
//! once, and comes back later and later while it fails.
//!
//! The pause of a failing key belongs to the key: triggers that arrive meanwhile (a watch that
//! was listed again, an event that our own write caused) neither shorten it nor make it start
//! over. Success resets it. Memory: keys that are queued, delayed or at work, nothing else.

use crate::backoff::{Backoff, Jitter};
use crate::metrics::Metrics;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The pause after the first failure of a key.
pub const QUEUE_BACKOFF_BASE_MILLISECONDS: u64 = 500;
/// The longest pause of a failing key.
pub const QUEUE_BACKOFF_CAP_SECONDS: u64 = 300;

/// How a queue behaves.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// The label of its metrics.
    pub name: String,
    /// Pauses of failing keys.
    pub backoff: Backoff,
    /// Where the chance in pauses comes from.
    pub seed: u64,
}

impl QueueOptions {
    /// The usual pauses.
    pub fn new(name: impl Into<String>, seed: u64) -> Self {
        let backoff = Backoff {
            base: Duration::from_millis(QUEUE_BACKOFF_BASE_MILLISECONDS),
            cap: Duration::from_secs(QUEUE_BACKOFF_CAP_SECONDS),
        };
        Self { name: name.into(), backoff, seed }
    }
}

/// How the work on a key ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing left to do until something changes.
    Done,
    /// Well so far; look again after this time.
    Again(Duration),
    /// Failed: try again after the key's pause.
    Failed,
    /// Failed, and the other side named a pause: not before it, and not before the key's own.
    FailedAfter(Duration),
}

/// The queue; clones share it.
#[derive(Debug)]
pub struct Queue<K: Hash + Eq>(Arc<Shared<K>>);

impl<K: Hash + Eq> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct Shared<K: Hash + Eq> {
    state: Mutex<State<K>>,
    changed: Notify,
    options: QueueOptions,
    jitter: Jitter,
    metrics: Metrics,
}

/// A key to work on. Say how it ended with [`Work::finish`]; dropping it says "failed".
#[derive(Debug)]
pub struct Work<K: Hash + Eq + Clone> {
    queue: Queue<K>,
    key: K,
    failures: u32,
    finished: bool,
}

impl<K: Hash + Eq + Clone> Queue<K> {
    /// An empty queue.
    #[must_use]
    pub fn new(options: QueueOptions, metrics: Metrics) -> Self {
        let jitter = Jitter::seeded(options.seed);
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { state, changed: Notify::new(), options, jitter, metrics }))
    }

    /// Something about the key may have changed. A key at work is worked on again afterwards; a
    /// key that failed waits for its pause all the same.
    pub fn add(&self, key: K) {
        self.change(|state| state.add(key, Trigger::Changed));
    }

    /// A person changed the key's input: worked on at once even if it failed before. The pause
    /// after a further failure still grows.
    pub fn add_now(&self, key: K) {
        self.change(|state| state.add(key, Trigger::Urgent));
    }

    /// Look at the key after a time; an earlier date that it already has stays.
    pub fn add_after(&self, key: K, after: Duration) {
        let due = Instant::now() + after;
        self.change(|state| state.add(key, Trigger::At(due)));
    }

    /// The key no longer exists: its waiting and its failures are forgotten.
    pub fn forget(&self, key: &K) {
        self.change(|state| state.forget(key));
    }

    /// Keys that wait for a worker now.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lock().ready.len()
    }

    /// No more keys are handed out; work that has begun goes on.
    pub fn shut_down(&self) {
        self.change(|state| state.closed = true);
    }

    /// The next key; `None` after [`Queue::shut_down`]. May be cancelled without losing a key.
    pub async fn next(&self) -> Option<Work<K>> {
        loop {
            let changed = self.0.changed.notified();
            let (taken, wake) = {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                let taken = state.take(Instant::now());
                (taken, state.next_due())
            };
            self.measure();
            if let Some((key, failures)) = taken {
                // Others may have work too.
                self.0.changed.notify_one();
                return Some(Work { queue: self.clone(), key, failures, finished: false });
            }
            match wake {
                Some(due) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Works on keys with at most `workers` at once until [`Queue::shut_down`], then waits for
    /// the work that has begun. A worker that panics counts as a failure of its key.
    pub async fn run<F, W>(&self, workers: usize, work: F)
    where
        F: Fn(K) -> W,
        W: Future<Output = Outcome> + Send + 'static,
        K: Send + Sync + 'static,
    {
        let mut running = JoinSet::new();
        loop {
            if running.len() >= workers.max(1) {
                running.join_next().await;
                continue;
            }
            let next = tokio::select! {
                next = self.next() => next,
                Some(_) = running.join_next(), if !running.is_empty() => continue,
            };
            let Some(next) = next else { break };
            let outcome = work(next.key.clone());
            running.spawn(async move { next.finish(outcome.await) });
        }
        while running.join_next().await.is_some() {}
    }

    fn change(&self, with: impl FnOnce(&mut State<K>)) {
        with(&mut self.lock());
        self.measure();
        self.0.changed.notify_one();
    }

    fn measure(&self) {
        self.0.metrics.set_queue_depth(&self.0.options.name, self.depth());
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> Work<K> {
    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// How often the key has failed in a row before this.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The work is over.
    pub fn finish(mut self, outcome: Outcome) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let shared = self.queue.0.clone();
        let now = Instant::now();
        let own = shared.options.backoff.pause(self.failures + 1, shared.jitter.fraction());
        let end = match outcome {
            Outcome::Done => Finish::Done,
            Outcome::Again(after) => Finish::Again(now + after),
            Outcome::Failed => Finish::Failed(now + own),
            Outcome::FailedAfter(asked) => Finish::Failed(now + own.max(asked)),
        };
        self.queue.change(|state| state.finish(&self.key, end));
    }
}

impl<K: Hash + Eq + Clone> Drop for Work<K> {
    fn drop(&mut self) {
        self.settle(Outcome::Failed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Changed,
    Urgent,
    At(Instant),
}

#[derive(Debug, Clone, Copy)]
enum Finish {
    Done,
    Again(Instant),
    Failed(Instant),
}

/// Where a key stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Ready,
    /// Waits; `failed` waits cannot be cut short by a mere change.
    Delayed {
        due: Instant,
        number: u64,
        failed: bool,
    },
    /// At work; the trigger that came meanwhile.
    Active(Option<Trigger>),
}

#[derive(Debug)]
struct Entry {
    place: Place,
    failures: u32,
}

/// The decisions, without waiting: time comes in as an argument.
#[derive(Debug)]
struct State<K: Hash + Eq> {
    entries: HashMap<K, Entry>,
    ready: VecDeque<K>,
    delayed: BTreeMap<(Instant, u64), K>,
    numbers: u64,
    closed: bool,
}

impl<K: Hash + Eq> Default for State<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            ready: VecDeque::new(),
            delayed: BTreeMap::new(),
            numbers: 0,
            closed: false,
        }
    }
}

impl<K: Hash + Eq + Clone> State<K> {
    fn add(&mut self, key: K, trigger: Trigger) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return self.place(key, 0, trigger, false);
        };
        match entry.place {
            Place::Ready => {}
            Place::Active(waiting) => entry.place = Place::Active(Some(stronger(waiting, trigger))),
            Place::Delayed { due, number, failed } => {
                let sooner = match trigger {
                    Trigger::Urgent => true,
                    Trigger::Changed => !failed,
                    Trigger::At(at) => !failed && at < due,
                };
                if sooner {
                    let failures = entry.failures;
                    self.delayed.remove(&(due, number));
                    self.place(key, failures, trigger, false);
                }
            }
        }
    }

    /// Puts a key that stands nowhere into its place.
    fn place(&mut self, key: K, failures: u32, trigger: Trigger, failed: bool) {
        let place = match trigger {
            Trigger::Changed | Trigger::Urgent => {
                self.ready.push_back(key.clone());
                Place::Ready
            }
            Trigger::At(due) => {
                self.numbers += 1;
                self.delayed.insert((due, self.numbers), key.clone());
                Place::Delayed { due, number: self.numbers, failed }
            }
        };
        self.entries.insert(key, Entry { place, failures });
    }

    fn take(&mut self, now: Instant) -> Option<(K, u32)> {
        while let Some(((due, _), _)) = self.delayed.first_key_value() {
            if *due > now {
                break;
            }
            let Some((_, key)) = self.delayed.pop_first() else { break };
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.place = Place::Ready;
                self.ready.push_back(key);
            }
        }
        let key = self.ready.pop_front()?;
        let entry = self.entries.get_mut(&key)?;
        entry.place = Place::Active(None);
        Some((key, entry.failures))
    }

    fn next_due(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|((due, _), _)| *due)
    }

    fn finish(&mut self, key: &K, end: Finish) {
        let Some(Entry { place: Place::Active(waiting), failures }) = self.entries.remove(key)
        else {
            return;
        };
        let key = key.clone();
        match (end, waiting) {
            (Finish::Done, None) => {}
            (Finish::Done, Some(trigger)) => self.place(key, 0, trigger, false),
            (Finish::Again(due), waiting) => {
                let trigger = stronger(waiting, Trigger::At(due));
                self.place(key, 0, trigger, false);
            }
            (Finish::Failed(_), Some(Trigger::Urgent)) => {
                self.place(key, failures.saturating_add(1), Trigger::Urgent, false);
            }
            (Finish::Failed(due), _) => {
                self.place(key, failures.saturating_add(1), Trigger::At(due), true);
            }
        }
    }

    fn forget(&mut self, key: &K) {
        match self.entries.get_mut(key) {
            // What is at work ends as if it were new.
            Some(entry @ Entry { place: Place::Active(_), .. }) => {
                *entry = Entry { place: Place::Active(None), failures: 0 };
            }
            Some(_) => {
                if let Some(Entry { place: Place::Delayed { due, number, .. }, .. }) =
                    self.entries.remove(key)
                {
                    self.delayed.remove(&(due, number));
                } else {
                    self.ready.retain(|waiting| waiting != key);
                }
            }
            None => {}
        }
    }
}

/// The trigger that acts sooner.
fn stronger(left: Option<Trigger>, right: Trigger) -> Trigger {
    match (left, right) {
        (None, only) => only,
        (Some(Trigger::Urgent), _) | (_, Trigger::Urgent) => Trigger::Urgent,
        (Some(Trigger::Changed), _) | (_, Trigger::Changed) => Trigger::Changed,
        (Some(Trigger::At(left)), Trigger::At(right)) => Trigger::At(left.min(right)),
    }
}

#[cfg(test)]
mod tests;
