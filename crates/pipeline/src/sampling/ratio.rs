//! A fixed share, decided the same way by everybody: consistent probability sampling.
//!
//! A trace id carries 56 random bits in its last seven bytes. A record is kept when they are not
//! below the threshold `(1 - share) × 2^56`; so whoever samples a trace at a larger share keeps
//! all that one with a smaller share keeps, be it logs or spans. The threshold travels with the
//! record as `ot=th:…` in OpenTelemetry's tracestate: hex digits, zeros at the end left out.

use model::{Explain, Hint};
use std::fmt;

/// Bits of randomness.
pub const RANDOM_BITS: u32 = 56;
/// One more than the largest value of them.
const RANDOM_END: u64 = 1 << RANDOM_BITS;
/// Hex digits of a threshold that is written out.
const DIGITS: usize = 14;

/// The share is not more than 0 and at most 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{percent} % is no share to keep")]
pub struct RatioError {
    /// What was asked for, in percent.
    pub percent: f64,
}

impl Explain for RatioError {
    fn hint(&self) -> Option<Hint> {
        Some(Hint::new("write a number above 0 and up to 100"))
    }
}

/// The share of records to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(Threshold);

impl Ratio {
    /// Keeps everything.
    pub const ALL: Self = Self(Threshold(0));

    /// Keeps this many of a hundred.
    ///
    /// # Errors
    /// When it is not above 0 and at most 100, or so small that it would keep nothing.
    pub fn percent(percent: f64) -> Result<Self, RatioError> {
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(RatioError { percent });
        }
        // 2^56 is exact as a float, and a share of it is rounded once.
        let kept = (RANDOM_END as f64 * (percent / 100.0)).round() as u64;
        if kept == 0 {
            return Err(RatioError { percent });
        }
        Ok(Self(Threshold(RANDOM_END.saturating_sub(kept))))
    }

    /// The threshold that keeps this share.
    #[must_use]
    pub const fn threshold(self) -> Threshold {
        self.0
    }
}

/// The smallest randomness that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u64);

impl Threshold {
    /// No ratio was asked: the record was kept for another reason, and no `th` may be written.
    pub const NONE: Self = Self(u64::MAX);

    /// A threshold as another sampler wrote it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=DIGITS).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let digits = u64::from_str_radix(text, 16).ok()?;
        let missing = u32::try_from(DIGITS - text.len()).ok()?;
        Some(Self(digits << (4 * missing)))
    }

    /// The number, out of 2^56; nothing for [`Threshold::NONE`].
    #[must_use]
    pub const fn value(self) -> Option<u64> {
        if self.0 < RANDOM_END { Some(self.0) } else { None }
    }

    /// Whether a record with this randomness is kept; only its low 56 bits count.
    #[inline]
    #[must_use]
    pub const fn keeps(self, randomness: u64) -> bool {
        match self.value() {
            Some(threshold) => randomness & (RANDOM_END - 1) >= threshold,
            None => true,
        }
    }

    /// How many records a kept one stands for.
    #[inline]
    #[must_use]
    pub fn adjusted_count(self) -> f64 {
        self.value().map_or(1.0, |value| RANDOM_END as f64 / (RANDOM_END - value) as f64)
    }
}

/// As in `th:…`; empty for [`Threshold::NONE`].
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(value) = self.value() else { return Ok(()) };
        let text = format!("{value:014x}");
        let short = text.trim_end_matches('0');
        f.write_str(if short.is_empty() { "0" } else { short })
    }
}

/// The random bits of a trace id.
#[inline]
#[must_use]
pub const fn trace_randomness(id: &[u8; 16]) -> u64 {
    (u128::from_be_bytes(*id) as u64) & (RANDOM_END - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn r22_thresholds_are_those_of_the_specification() {
        let written = |percent| Ratio::percent(percent).unwrap().threshold().to_string();
        assert_eq!(written(100.0), "0");
        assert_eq!(written(50.0), "8");
        assert_eq!(written(25.0), "c");
        assert_eq!(written(1.0), "fd70a3d70a3d71");
        assert_eq!(Threshold::NONE.to_string(), "");
    }

    #[test]
    fn r22_a_share_of_nothing_or_more_than_all_is_refused() {
        for percent in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY, 1e-16] {
            assert!(Ratio::percent(percent).is_err(), "{percent}");
        }
        assert!(Ratio::percent(1e-14).is_ok());
    }

    #[test]
    fn a_threshold_reads_back_and_nonsense_does_not() {
        for percent in [1.0, 10.0, 33.3, 99.0, 100.0] {
            let threshold = Ratio::percent(percent).unwrap().threshold();
            assert_eq!(Threshold::parse(&threshold.to_string()), Some(threshold));
        }
        for odd in ["", "g", "+1", "123456789012345"] {
            assert_eq!(Threshold::parse(odd), None);
        }
    }

    proptest! {
        /// Whatever a small share keeps, a larger one keeps too: agents agree.
        #[test]
        fn r22_a_larger_share_keeps_all_that_a_smaller_one_keeps(
            id in any::<[u8; 16]>(), one in 0.001_f64..100.0, other in 0.001_f64..100.0,
        ) {
            let keeps = |percent| {
                Ratio::percent(percent).unwrap().threshold().keeps(trace_randomness(&id))
            };
            prop_assert!(!keeps(one.min(other)) || keeps(one.max(other)));
            prop_assert!(keeps(100.0));
        }

        /// Only the last seven bytes count, as for spans.
        #[test]
        fn r22_the_first_nine_bytes_of_a_trace_id_do_not_count(
            head in any::<[u8; 9]>(), tail in any::<[u8; 7]>(),
        ) {
            let mut id = [0; 16];
            id[9..].copy_from_slice(&tail);
            let plain = trace_randomness(&id);
            id[..9].copy_from_slice(&head);
            prop_assert_eq!(trace_randomness(&id), plain);
        }
    }
}
