//! Pauses between tries: exponential, with a share of chance so that many clients do not come
//! back in the same moment. The chance comes from a seed that the caller gives.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Odd constant of the SplitMix64 sequence.
const SPLITMIX_STEP: u64 = 0x9E37_79B9_7F4A_7C15;
/// Doubling stops here; the cap is reached long before.
const DOUBLINGS_MAX: u32 = 30;

/// A sequence of chance from a seed (SplitMix64). Not for secrets.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// The sequence of this seed; the same seed gives the same sequence.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A seed that differs between processes.
    #[must_use]
    pub fn process_seed() -> u64 {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    }

    /// The next number in 0..1.
    pub fn fraction(&self) -> f64 {
        let mut z = self.0.fetch_add(SPLITMIX_STEP, Ordering::Relaxed).wrapping_add(SPLITMIX_STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // 53 bits fit a double exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a double")]
        let fraction = (z >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }

    /// A duration in `from..to`.
    pub fn between(&self, from: Duration, to: Duration) -> Duration {
        from + to.saturating_sub(from).mul_f64(self.fraction())
    }
}

/// Doubling pauses with a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub base: Duration,
    /// No pause is longer.
    pub cap: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row (from 1): between half and all of
    /// `base * 2^(failures-1)`, at most `cap`. `fraction` is chance in 0..1.
    #[must_use]
    pub fn pause(&self, failures: u32, fraction: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let full = self.base.saturating_mul(1_u32 << doublings).min(self.cap);
        full.mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(5) };

    #[test]
    fn pauses_double_up_to_the_cap_and_never_below_half() {
        assert_eq!(BACKOFF.pause(1, 1.0), Duration::from_millis(100));
        assert_eq!(BACKOFF.pause(1, 0.0), Duration::from_millis(50));
        assert_eq!(BACKOFF.pause(4, 1.0), Duration::from_millis(800));
        assert_eq!(BACKOFF.pause(u32::MAX, 1.0), Duration::from_secs(5));
        assert_eq!(BACKOFF.pause(0, 1.0), Duration::from_millis(100));
    }

    #[test]
    fn the_same_seed_gives_the_same_chance_and_all_of_it_is_in_range() {
        let (left, right) = (Jitter::seeded(7), Jitter::seeded(7));
        let mut sum = 0.0;
        for _ in 0..1000 {
            let fraction = left.fraction();
            assert!((0.0..1.0).contains(&fraction));
            assert!((fraction - right.fraction()).abs() < f64::EPSILON);
            sum += fraction;
        }
        assert!((450.0..550.0).contains(&sum), "{sum}");
    }
}
