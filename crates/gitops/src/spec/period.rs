//! A duration as Kubernetes writes one: read from `1m30s`, written back without any loss.
//!
//! Units are `ns`, `us`, `ms`, `s`, `m`, `h`; a number without a unit is refused.

use model::{Span, UnitError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Nanoseconds in a second.
const SECOND_NANOS: u128 = 1_000_000_000;
/// Units of a written period, largest first, in nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600 * SECOND_NANOS),
    ("m", 60 * SECOND_NANOS),
    ("s", SECOND_NANOS),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Period(
    /// The duration itself.
    pub Duration,
);

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.contains('d') {
            // The server's own durations know no days, so neither does the schema.
            return Err(UnitError::UnknownUnit { text: text.to_owned(), unit: "d".to_owned() });
        }
        text.parse().map(|Span(duration)| Self(duration))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, nanos) in UNITS {
            let whole = rest / nanos;
            rest %= nanos;
            if whole > 0 {
                write!(f, "{whole}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
