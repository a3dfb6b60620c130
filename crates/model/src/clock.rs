//! Where the time comes from: engines take it as an argument, ports ask a [`Clock`].

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// Wall-clock and monotonic time.
///
/// Wall-clock time may jump (NTP, suspend, a skewed host); decisions about elapsed time use
/// [`Clock::monotonic`] only.
pub trait Clock: Send + Sync {
    /// The wall clock: for timestamps that other machines read.
    fn now(&self) -> SystemTime;
    /// A clock that never goes back: for deadlines and ages.
    fn monotonic(&self) -> Instant;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when a test says so; the two readings can be moved apart to play a
/// skewed wall clock.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    state: Mutex<(SystemTime, Duration)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        Self { start: Instant::now(), state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Both readings move forward together.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.0 += by;
        state.1 += by;
    }

    /// Only the wall clock jumps, as after an NTP correction. `back` says in which direction.
    pub fn jump(&self, by: Duration, back: bool) {
        let mut state = self.lock();
        if back {
            state.0 -= by;
        } else {
            state.0 += by;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (SystemTime, Duration)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.lock().0
    }

    fn monotonic(&self) -> Instant {
        self.start + self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_leaves_elapsed_time_alone() {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(100));
        let before = clock.monotonic();
        clock.advance(Duration::from_secs(5));
        clock.jump(Duration::from_secs(30), true);
        assert_eq!(clock.monotonic() - before, Duration::from_secs(5));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(75));
        clock.jump(Duration::from_secs(60), false);
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(135));
    }
}
