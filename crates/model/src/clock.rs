//! Where the time comes from: engines take it as an argument, ports ask a [`Clock`].

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// Wall-clock and monotonic time.
///
/// Wall-clock time may jump (NTP, suspend, a skewed host); decisions about elapsed time use
/// [`Clock::monotonic`], or [`Clock::since_boot`] where the sleep of the machine counts, too.
pub trait Clock: Send + Sync {
    /// The wall clock: for timestamps that other machines read.
    fn now(&self) -> SystemTime;
    /// A clock that never goes back: for deadlines and ages.
    fn monotonic(&self) -> Instant;
    /// Since the machine was started: never goes back, never jumps, and goes on while the machine
    /// sleeps, when [`Clock::monotonic`] may stand still. For promises to other machines.
    fn since_boot(&self) -> Duration;
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

    fn since_boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let whole = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(whole, u32::try_from(time.tv_nsec).unwrap_or_default())
    }
}

/// A clock that moves only when a test says so; the readings can be moved apart to play a skewed
/// wall clock, or a machine that sleeps.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    state: Mutex<Moment>,
}

/// What the clocks show: the wall's, and the other two as durations since the start.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: SystemTime,
    awake: Duration,
    since_boot: Duration,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        let moment = Moment { wall: now, awake: Duration::ZERO, since_boot: Duration::ZERO };
        Self { start: Instant::now(), state: Mutex::new(moment) }
    }

    /// All readings move forward together.
    pub fn advance(&self, by: Duration) {
        self.sleep(by);
        self.lock().awake += by;
    }

    /// The machine sleeps: the monotonic reading stands still.
    pub fn sleep(&self, by: Duration) {
        let mut state = self.lock();
        state.wall += by;
        state.since_boot += by;
    }

    /// Only the wall clock jumps, as after an NTP correction. `back` says in which direction.
    pub fn jump(&self, by: Duration, back: bool) {
        let mut state = self.lock();
        if back {
            state.wall -= by;
        } else {
            state.wall += by;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Moment> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.lock().wall
    }

    fn monotonic(&self) -> Instant {
        self.start + self.lock().awake
    }

    fn since_boot(&self) -> Duration {
        self.lock().since_boot
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
        assert_eq!(clock.since_boot(), Duration::from_secs(5));
    }

    #[test]
    fn the_time_since_boot_goes_on_while_the_machine_sleeps() {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
        let before = clock.monotonic();
        clock.sleep(Duration::from_secs(60));
        assert_eq!((clock.monotonic(), clock.since_boot()), (before, Duration::from_secs(60)));
        let real = SystemClock;
        let (one, other) = (real.since_boot(), real.since_boot());
        assert!(Duration::ZERO < one && one <= other);
    }
}
