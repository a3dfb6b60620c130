//! Own messages, at a bounded rate: whatever the input does, our own log stays small (R31).
//!
//! A bucket of tokens for each level; what finds none is counted. Errors at start and end are not
//! limited.

use crate::numbers::Numbers;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Messages that may come at once.
pub(crate) const BURST: u32 = 50;
/// After a burst, one message in this time.
pub(crate) const PAUSE: Duration = Duration::from_secs(2);

/// Says things, not too often; clones share the bound.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    bucket: Arc<Mutex<Bucket>>,
    numbers: Arc<Numbers>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    since: Instant,
    silenced: u64,
}

impl Bucket {
    /// Whether a message may be said now, and how many were not since the last one.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let earned = now.saturating_duration_since(self.since).as_millis() / PAUSE.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(BURST);
            self.since += PAUSE * earned.min(BURST);
            if earned > BURST {
                self.since = now;
            }
        }
        if self.tokens == 0 {
            self.silenced += 1;
            return None;
        }
        self.tokens -= 1;
        Some(std::mem::take(&mut self.silenced))
    }
}

impl Say {
    /// A fresh bucket.
    pub(crate) fn new(numbers: Arc<Numbers>) -> Self {
        let bucket = Bucket { tokens: BURST, since: Instant::now(), silenced: 0 };
        Self { bucket: Arc::new(Mutex::new(bucket)), numbers }
    }

    fn may(&self) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = bucket.take(Instant::now());
        drop(bucket);
        match taken {
            Some(0) => true,
            Some(silenced) => {
                tracing::warn!(silenced, "messages were not said because there were too many");
                true
            }
            None => {
                self.numbers.silenced.add(1);
                false
            }
        }
    }

    /// Something that a person should look at.
    pub(crate) fn warn(&self, message: &str) {
        if self.may() {
            tracing::warn!("{message}");
        }
    }

    /// Something that is good to know.
    pub(crate) fn info(&self, message: &str) {
        if self.may() {
            tracing::info!("{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r31_own_messages_are_bounded_and_what_is_not_said_is_counted() {
        let start = Instant::now();
        let mut bucket = Bucket { tokens: BURST, since: start, silenced: 0 };
        let said = (0..10_000).filter(|_| bucket.take(start).is_some()).count();
        assert_eq!(said, BURST as usize);
        assert_eq!(bucket.take(start + PAUSE), Some(10_000 - u64::from(BURST)));
        assert_eq!(bucket.take(start + PAUSE), None);
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..1_000).filter(|_| bucket.take(later).is_some()).count(), BURST as usize);
    }
}
