//! Sizes and durations as people write them, with their units.

use serde::{Deserialize, Deserializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a size or a duration could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitError {
    /// Nothing, or no digit where a number must begin.
    NoNumber(String),
    /// A number without a unit, where one is needed.
    NoUnit(String),
    /// A unit that is not known.
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The unit in it.
        unit: String,
    },
    /// Larger than the type can hold.
    TooLarge(String),
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber(text) => write!(f, "`{text}` does not begin with a number"),
            Self::NoUnit(text) => write!(f, "`{text}` has no unit: write for example `{text}s`"),
            Self::UnknownUnit { text, unit } => write!(f, "unknown unit `{unit}` in `{text}`"),
            Self::TooLarge(text) => write!(f, "`{text}` is too large"),
        }
    }
}

impl std::error::Error for UnitError {}

/// A number of bytes. Written with binary (`Ki`, `Mi`, `Gi`, `Ti`) or decimal (`k`, `M`, `G`,
/// `T`) units, an optional `B` behind them, or as a bare number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(
    /// Bytes.
    pub u64,
);

const BYTE_UNITS: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let (number, rest) = leading_number(text)?;
        let unit = rest.trim().strip_suffix('B').unwrap_or(rest.trim());
        let factor = match unit {
            "" => 1,
            "K" => 1_000,
            _ => BYTE_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, factor)| *factor)
                .ok_or_else(|| UnitError::UnknownUnit {
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                })?,
        };
        number.scaled(factor).map(Self).ok_or_else(|| UnitError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    /// One decimal and the largest binary unit that keeps the number at 1 or more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, factor) in BYTE_UNITS.iter().take(4) {
            if self.0 >= *factor {
                let (whole, rest) = (self.0 / factor, self.0 % factor);
                let tenth = u128::from(rest) * 10 / u128::from(*factor);
                return if tenth == 0 {
                    write!(f, "{whole} {name}B")
                } else {
                    write!(f, "{whole}.{tenth} {name}B")
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A duration as Go and Kubernetes write one: `300ms`, `1m30s`, `1.5h`. A unit is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(
    /// The duration itself.
    pub Duration,
);

const TIME_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let whole = text.trim();
        if whole == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let mut rest = whole;
        let mut nanos: u64 = 0;
        loop {
            let (number, tail) =
                leading_number(rest).map_err(|_| UnitError::NoNumber(whole.to_owned()))?;
            let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(end).unwrap_or((tail, ""));
            if unit.is_empty() {
                return Err(UnitError::NoUnit(whole.to_owned()));
            }
            let factor = TIME_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .map(|(_, factor)| *factor)
                .ok_or_else(|| UnitError::UnknownUnit {
                    text: whole.to_owned(),
                    unit: unit.to_owned(),
                })?;
            nanos = number
                .scaled(factor)
                .and_then(|part| nanos.checked_add(part))
                .ok_or_else(|| UnitError::TooLarge(whole.to_owned()))?;
            rest = tail;
            if rest.is_empty() {
                return Ok(Self(Duration::from_nanos(nanos)));
            }
        }
    }
}

impl fmt::Display for Span {
    /// Three significant digits for what a person reads in a progress line: `850ms`, `4.12s`,
    /// `1m30s`, `2h5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match secs {
            0 if self.0.is_zero() => f.write_str("0s"),
            0 if millis == 0 => write!(f, "{}µs", self.0.as_micros()),
            0 => write!(f, "{millis}ms"),
            1..=9 => write!(f, "{secs}.{:02}s", millis / 10),
            10..=59 => write!(f, "{secs}.{}s", millis / 100),
            60..=3599 => write!(f, "{}m{}s", secs / 60, secs % 60),
            _ => write!(f, "{}h{}m", secs / 3600, secs % 3600 / 60),
        }
    }
}

/// A decimal number without sign or exponent: digits before and behind the point.
struct Decimal {
    whole: u64,
    fraction: u64,
    fraction_scale: u64,
}

impl Decimal {
    /// The number times `factor`, rounded down.
    fn scaled(&self, factor: u64) -> Option<u64> {
        let fraction =
            u128::from(self.fraction) * u128::from(factor) / u128::from(self.fraction_scale);
        self.whole.checked_mul(factor)?.checked_add(u64::try_from(fraction).ok()?)
    }
}

/// Reads the number at the start of `text`; gives the rest back.
fn leading_number(text: &str) -> Result<(Decimal, &str), UnitError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    let too_large = |_| UnitError::TooLarge(text.to_owned());
    // Past nine digits a fraction is finer than a nanosecond or a byte of a tebibyte needs.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let whole = if whole.is_empty() { 0 } else { whole.parse().map_err(too_large)? };
    let fraction_scale = (0..fraction.len()).fold(1, |scale: u64, _| scale * 10);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse().map_err(too_large)? };
    Ok((Decimal { whole, fraction, fraction_scale }, rest))
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        let read = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(read("512"), Ok(512));
        assert_eq!(read("1Ki"), Ok(1024));
        assert_eq!(read("1.5 MiB"), Ok(1_572_864));
        assert_eq!(read("2k"), Ok(2000));
        assert_eq!(read("10GB"), Ok(10_000_000_000));
        assert!(matches!(read("12 parsecs"), Err(UnitError::UnknownUnit { .. })));
        assert!(matches!(read("Mi"), Err(UnitError::NoNumber(_))));
        assert!(matches!(read("99999999999Ti"), Err(UnitError::TooLarge(_))));
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let read = |text: &str| text.parse::<Span>().map(|span| span.0);
        assert_eq!(read("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(read("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(read("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(read("0"), Ok(Duration::ZERO));
        assert_eq!(read("30"), Err(UnitError::NoUnit("30".into())));
        assert!(matches!(read("5 minutes"), Err(UnitError::UnknownUnit { .. })));
        assert!(matches!(read(""), Err(UnitError::NoNumber(_))));
        assert!(matches!(read("400000000d"), Err(UnitError::TooLarge(_))));
    }

    #[test]
    fn durations_print_with_three_significant_digits() {
        let print = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(print(0), "0s");
        assert_eq!(print(850), "850ms");
        assert_eq!(print(4_123), "4.12s");
        assert_eq!(print(41_230), "41.2s");
        assert_eq!(print(90_000), "1m30s");
        assert_eq!(print(7_500_000), "2h5m");
        assert_eq!(Span(Duration::from_micros(7)).to_string(), "7µs");
    }

    #[test]
    fn sizes_print_with_one_decimal() {
        assert_eq!(ByteSize(12).to_string(), "12 B");
        assert_eq!(ByteSize(1 << 20).to_string(), "1 MiB");
        assert_eq!(ByteSize(1_600_000).to_string(), "1.5 MiB");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Span>();
        }
    }
}
