//! How fast the subject's core is, while the subject runs on it.
//!
//! The processor of a virtual machine is shared: when another tenant is busy on the other thread
//! of the same core, each instruction takes up to 1.6 times as long, and that is counted as CPU
//! time of whoever runs. It comes in bursts of 10 to 1,000 ms, so neither more runs nor their
//! median take it out. A probe sees it: a fixed loop of [`ROUNDS`] that runs on the same core
//! every few milliseconds and measures its own CPU time. The fastest tenth of all its turns is the
//! full pace; the pace of a run is the mean of the turns that fell into it, as a share of that.
//!
//! A run that was disturbed tells of others. So there are more runs, within limits, until enough
//! were left alone, and those at the best pace count: [`RULE`].

use super::super::pause;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rounds of the loop in one turn: about 0.15 ms.
const ROUNDS: u64 = 150_000;
/// Between two turns: 2 % of the core.
const BUSY: Duration = Duration::from_millis(8);
/// The same while the subject mostly rests, so that the core does, too.
const CALM: Duration = Duration::from_millis(100);
/// What is done about that.
pub(super) const RULE: &str = "A run at less than 95 % of it is disturbed. There are more runs \
    until enough are not, for up to 150 s, and those at the best pace count, whatever they cost; \
    B6 is watched for up to 180 s until 20 seconds are not disturbed, and the 20 at the best pace \
    count.";
/// Full pace is that of the fastest one in so many turns.
const FASTEST: usize = 10;
/// A run below this share of the full pace was disturbed.
const UNDISTURBED: f64 = 0.95;
/// After those that were asked for, more runs of a workload are begun for so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);
/// A run begins when the core was calm for so long.
const CALM_BEFORE: Duration = Duration::from_millis(300);
/// Or when that did not come about.
const CALM_WAIT: Duration = Duration::from_secs(3);

/// One turn of the loop: when it ended, and its CPU time in nanoseconds.
type Turn = (Instant, f64);

/// The loop, on a thread of its own until this is dropped.
pub(super) struct Probe {
    turns: Arc<Mutex<Vec<Turn>>>,
    is_calm: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Probe {
    /// On this core.
    pub(super) fn new(core: usize) -> Self {
        let turns = Arc::<Mutex<Vec<Turn>>>::default();
        let (is_calm, is_over) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (all, calm, over) = (Arc::clone(&turns), Arc::clone(&is_calm), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            // On another core it would tell of that one: better nothing.
            if pin(core).is_err() {
                return;
            }
            while !over.load(Ordering::Relaxed) {
                let nanoseconds = turn();
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((Instant::now(), nanoseconds));
                drop(all);
                pause(if calm.load(Ordering::Relaxed) { CALM } else { BUSY });
            }
        });
        Self { turns, is_calm, is_over, thread: Some(thread) }
    }

    /// Whether the subject mostly rests from now on.
    pub(super) fn calm(&self, is_calm: bool) {
        self.is_calm.store(is_calm, Ordering::Relaxed);
    }

    /// Waits until others leave the core alone, for a while.
    pub(super) fn wait_for_calm(&self) {
        let start = Instant::now();
        self.calm(false);
        while start.elapsed() < CALM_WAIT {
            pause(CALM_BEFORE);
            let now = Instant::now();
            let before = now.checked_sub(CALM_BEFORE).unwrap_or(now);
            if is_undisturbed(of(self.speed(before, now), self.full())) {
                return;
            }
        }
    }

    /// Turns for each nanosecond of CPU time between two moments.
    pub(super) fn speed(&self, from: Instant, to: Instant) -> Option<f64> {
        speed(&self.turns.lock().unwrap_or_else(PoisonError::into_inner), from, to)
    }

    /// The same at full pace, as far as it was seen.
    pub(super) fn full(&self) -> Option<f64> {
        full(&self.turns.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The calling thread, and those that it makes, run on this core only.
pub(super) fn pin(core: usize) -> rustix::io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
}

/// The share of the full pace that a speed is; 1 when one of them is not known.
pub(super) fn of(speed: Option<f64>, full: Option<f64>) -> f64 {
    speed.zip(full).map_or(1.0, |(speed, full)| speed / full)
}

/// Whether this is the pace of a run that others left alone.
fn is_undisturbed(pace: f64) -> bool {
    pace >= UNDISTURBED
}

/// Whether so many of these were left alone.
pub(super) fn is_enough<T>(all: &[T], count: usize, pace: impl Fn(&T) -> f64) -> bool {
    all.iter().filter(|one| is_undisturbed(pace(one))).count() >= count
}

/// So many of these, at most: those at the best pace. What they cost is not looked at.
pub(super) fn calmest<T>(all: &[T], count: usize, pace: impl Fn(&T) -> f64) -> Vec<&T> {
    let mut all: Vec<&T> = all.iter().collect();
    all.sort_by(|one, other| pace(other).total_cmp(&pace(one)));
    all.truncate(count);
    all
}

/// One turn; its CPU time in nanoseconds.
fn turn() -> f64 {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    };
    let start = now();
    // As many independent steps as a core can take at once: those a second thread takes away.
    let mut lanes = [1_u64, 2, 3, 4, 5, 6];
    for round in 0..ROUNDS {
        let [a, b, c, d, e, f] = lanes;
        lanes = [
            a.wrapping_add(round) ^ 0x55,
            b.wrapping_add(round) ^ 0x77,
            c.wrapping_add(a) ^ 1,
            d.wrapping_add(b) ^ 2,
            e.wrapping_add(round) ^ 9,
            f.wrapping_add(round) ^ 7,
        ];
        black_box(());
    }
    black_box(lanes);
    (now().saturating_sub(start)).as_secs_f64() * 1e9
}

fn speed(turns: &[Turn], from: Instant, to: Instant) -> Option<f64> {
    let speeds = turns.iter().filter(|(at, _)| (from..=to).contains(at)).map(|turn| 1.0 / turn.1);
    let (count, sum) = speeds.fold((0, 0.0), |(count, sum), speed| (count + 1, sum + speed));
    (count > 0).then(|| sum / f64::from(count))
}

fn full(turns: &[Turn]) -> Option<f64> {
    let mut times: Vec<f64> = turns.iter().map(|turn| turn.1).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / FASTEST).map(|time| 1.0 / time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_of_a_run_is_that_of_the_turns_in_it() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        // Twice as slow for half of the time is three quarters of the work.
        let turns = [(at(0), 100.0), (at(1), 100.0), (at(2), 200.0), (at(3), 400.0)];
        assert_eq!(speed(&turns, at(1), at(2)), Some(0.0075));
        assert_eq!(speed(&turns, at(4), at(5)), None);
        assert_eq!(full(&turns), Some(0.01));
        assert_eq!(full(&[]), None);
        assert!((of(speed(&turns, at(1), at(2)), full(&turns)) - 0.75).abs() < 1e-9);
        assert!((of(None, Some(1.0)) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn full_pace_is_that_of_the_fastest_tenth_and_not_of_one_lucky_turn() {
        let now = Instant::now();
        let turns: Vec<Turn> = (0..40).map(|turn| (now, f64::from(100 + turn))).collect();
        assert_eq!(full(&turns), Some(1.0 / 104.0));
    }

    #[test]
    fn only_what_others_left_alone_is_enough() {
        let is_enough = |paces: &[f64], count| is_enough(paces, count, |pace| *pace);
        assert!(is_enough(&[0.5, 0.95, 1.0], 2));
        assert!(!is_enough(&[0.5, 0.94, 1.0], 2));
        assert!(!is_enough(&[], 1));
    }

    #[test]
    fn the_calmest_of_all_are_those_at_the_best_pace() {
        assert_eq!(calmest(&[0.7, 0.99, 0.8], 2, |pace| *pace), [&0.99, &0.8]);
        assert_eq!(calmest(&[0.7], 2, |pace| *pace), [&0.7]);
    }

    #[test]
    fn a_probe_measures_until_it_is_dropped() {
        let probe = Probe::new(0);
        let start = Instant::now();
        while probe.full().is_none() {
            std::thread::yield_now();
        }
        let (full, speed) = (probe.full().unwrap(), probe.speed(start, Instant::now()).unwrap());
        assert!(full > 0.0 && speed > 0.0);
        probe.calm(true);
        drop(probe);
    }
}
