//! How long reading rests after everything was read.
//!
//! Lines come one by one, and a look at a file costs the same for one line as for a hundred. So
//! when everything was read, nothing is for a while: [`REST`] when little came and no file is
//! being renamed, copied or deleted, [`PACE`] otherwise. What happens to a name ends either at
//! once, because such a file may soon be gone.

use std::time::{Duration, Instant};

/// The pause after having read everything: what comes meanwhile is taken together.
pub(crate) const PACE: Duration = Duration::from_millis(10);
/// The pause when little comes. Longer than the usual wait for a batch, so that one that ends
/// with it is sent at once: a line waits for one of the two only.
pub(crate) const REST: Duration = Duration::from_millis(250);
/// So many bytes since the last pause are not little: the next ones are read soon, because less
/// is unread then when a file is truncated, and because reading must keep up.
pub(crate) const LITTLE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// What was read since the last pause, and until when the present one lasts.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    worked: bool,
    bytes: u64,
    until: Option<Instant>,
}

impl Pace {
    /// Something was done, with so many bytes.
    pub(crate) fn worked(&mut self, bytes: u64) {
        self.worked = true;
        self.bytes += bytes;
    }

    /// Everything was read: begins a pause and gives how long it is, unless nothing was done since
    /// the last one.
    pub(crate) fn begin(&mut self, now: Instant, is_settled: bool) -> Option<Duration> {
        if !std::mem::take(&mut self.worked) {
            return None;
        }
        let is_little = std::mem::take(&mut self.bytes) < LITTLE_BYTES_MAX;
        let pause = if is_settled && is_little { REST } else { PACE };
        self.until = Some(now + pause);
        Some(pause)
    }

    /// What is left of the pause.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Reading goes on.
    pub(crate) fn end(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_rests_for_long_only_when_little_came_and_names_are_settled() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert_eq!(pace.begin(now, true), None);
        for (bytes, is_settled, pause) in [
            (0, true, REST),
            (LITTLE_BYTES_MAX - 1, true, REST),
            (LITTLE_BYTES_MAX, true, PACE),
            (1, false, PACE),
        ] {
            pace.worked(bytes);
            assert_eq!(pace.begin(now, is_settled), Some(pause), "{bytes} {is_settled}");
            assert_eq!(pace.begin(now, is_settled), None, "nothing was read since");
            assert_eq!(pace.left(now), Some(pause));
            assert_eq!(pace.left(now + pause), None);
        }
        pace.worked(LITTLE_BYTES_MAX / 2);
        pace.worked(LITTLE_BYTES_MAX / 2);
        assert_eq!(pace.begin(now, true), Some(PACE), "bytes add up");
        pace.end();
        assert_eq!(pace.left(now), None);
    }
}
