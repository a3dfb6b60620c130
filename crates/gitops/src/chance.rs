//! Numbers that look random and are a function of their arguments: hashes and jitter.
//!
//! They are the same in every process and version, because replicas must agree on them. Not for
//! secrets.

use std::time::Duration;

/// FNV-1a, 64 bits: offset and prime.
const FNV: (u64, u64) = (0xCBF2_9CE4_8422_2325, 0x0000_0100_0000_01B3);

/// A hash of a text.
#[must_use]
pub fn hash(text: &str) -> u64 {
    mix(text.bytes().fold(FNV.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV.1)))
}

/// Spreads a change of one bit over all of them (the finish of SplitMix64).
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A duration in `from..=to`, chosen by the seed.
#[must_use]
pub fn between(from: Duration, to: Duration, seed: u64) -> Duration {
    // 32 of the bits are fine enough and exact in a double.
    let share = f64::from(u32::try_from(mix(seed) >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    from + to.saturating_sub(from).mul_f64(share)
}

/// The pause after `failures` failures in a row (from 1): between half and all of
/// `base * 2^(failures-1)`, at most `cap`.
#[must_use]
pub fn pause(base: Duration, cap: Duration, failures: u32, seed: u64) -> Duration {
    /// Doubling stops here; every cap is reached before.
    const DOUBLINGS_MAX: u32 = 30;
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    let full = base.saturating_mul(1 << doublings).min(cap);
    between(full / 2, full, seed ^ u64::from(failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_never_below_half() {
        let (base, cap) = (Duration::from_secs(1), Duration::from_secs(60));
        for seed in 0..100 {
            let third = pause(base, cap, 3, seed);
            assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&third));
            let last = pause(base, cap, u32::MAX, seed);
            assert!((cap / 2..=cap).contains(&last));
        }
    }

    #[test]
    fn hashes_are_the_same_in_every_version() {
        assert_eq!(hash(""), mix(FNV.0));
        assert_eq!(hash("default/shop"), 0xCDA0_2D05_5D77_AC9C);
    }
}
