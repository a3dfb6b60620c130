//! Resource quantities (`100m`, `1Gi`, `12e6`) exactly as the API server reads and prints them.
//!
//! Two manifests that say `1Gi` and `1024Mi` ask for the same thing, and a tool that compares the
//! texts reports drift for ever. [`Quantity`] compares by value without floats and prints the
//! form that the API server stores, so a planned value can be told from a live one.
//!
//! Input: a quantity of at most [`QUANTITY_BYTES_MAX`] bytes. Values finer than a nano (10^-9) are
//! rounded away from zero, binary quantities end at 2^63-1. Decimal ones have no end, as in Go.

use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

mod decimal;
#[cfg(test)]
mod tests;

use decimal::Decimal;

/// A longer text is refused: no real quantity comes near, and arithmetic is by the digit.
pub const QUANTITY_BYTES_MAX: usize = 256;
/// Digits that Go keeps in its fast form, which remembers how the quantity was written.
const FAST_DECIMAL_DIGITS: usize = 18;
/// The same for binary quantities, before the size of the suffix is taken off.
const FAST_BINARY_DIGITS: usize = 14;
/// The finest exponent: nano.
const EXPONENT_MIN: i64 = -9;

/// Decimal suffixes with their power of ten.
const DECIMAL_SUFFIXES: [(&str, i64); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Binary suffixes with their power of 1024.
const BINARY_SUFFIXES: [(&str, u32); 6] =
    [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Empty, or characters that no quantity has.
    #[error("`{0}` is not a quantity")]
    Format(String),
    /// The number cannot be read.
    #[error("`{0}` has no number before its suffix")]
    Number(String),
    /// The suffix is not known.
    #[error("`{suffix}` in `{text}` is not a suffix of a quantity")]
    Suffix {
        /// The whole text.
        text: String,
        /// The suffix.
        suffix: String,
    },
    /// Longer than [`QUANTITY_BYTES_MAX`].
    #[error("a quantity of {0} bytes is too long")]
    TooLong(usize),
}

impl model::Explain for QuantityError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new(
            "write a number with one of the suffixes n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an \
             exponent such as e6",
        ))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    DecimalSi,
    DecimalExponent,
    BinarySi,
}

/// A fixed-point number that remembers which family of suffixes it was written with.
///
/// Equality, order and hash are those of the value: `1Gi == 1024Mi`, `0.1 == 100m`.
#[derive(Debug, Clone)]
pub struct Quantity {
    amount: Decimal,
    format: Format,
    /// Go keeps a text that it takes for canonical, and prints it again unchanged.
    verbatim: Option<String>,
}

impl Quantity {
    /// Reads a quantity, as `resource.ParseQuantity` does.
    ///
    /// # Errors
    /// [`QuantityError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.len() > QUANTITY_BYTES_MAX {
            return Err(QuantityError::TooLong(text.len()));
        }
        let parts = Parts::split(text)?;
        let suffix = Suffix::find(parts.suffix).ok_or_else(|| QuantityError::Suffix {
            text: text.to_owned(),
            suffix: parts.suffix.to_owned(),
        })?;
        let fast = parts.is_fast(suffix);
        if !fast && parts.digits_written == 0 {
            return Err(QuantityError::Number(text.to_owned()));
        }
        let number = Decimal::new(parts.negative, parts.whole, parts.fraction);
        let (mut amount, mut format) = match suffix {
            Suffix::Decimal(exponent) => (number.shifted(exponent), Format::DecimalSi),
            Suffix::Exponent(exponent) => (number.shifted(exponent), Format::DecimalExponent),
            Suffix::Binary(power) => (number.times_1024(power), Format::BinarySi),
        };
        amount = amount.rounded_away(EXPONENT_MIN);
        if format == Format::BinarySi {
            amount = amount.capped(i64::MAX);
            let (zero, one) = (Decimal::integer(0), Decimal::integer(1));
            let magnitude = amount.clone().magnitude();
            if magnitude > zero && magnitude < one {
                format = Format::DecimalSi;
            }
        }
        let verbatim = (fast && parts.is_kept(suffix)).then(|| text.to_owned());
        Ok(Self { amount, format, verbatim })
    }

    /// Reads a quantity of a document: a string, or a number such as `cpu: 0.5`.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text.trim()).ok(),
            Value::Number(number) => Self::parse(&number.to_string()).ok(),
            _ => None,
        }
    }

    /// The text that the API server stores and shows for this quantity.
    ///
    /// Faithful to two oddities of Go: some texts that are not in canonical form stay as written
    /// (`1.500`, `+5`), and a decimal quantity too large for its suffixes loses its exponent
    /// (`1000E` prints as `1`). Compare quantities by value, never by this text. It may be two
    /// bytes longer than what was read: exponents are multiples of three.
    #[must_use]
    pub fn canonical(&self) -> String {
        if let Some(text) = &self.verbatim {
            return text.clone();
        }
        if self.amount.is_zero() {
            return "0".to_owned();
        }
        let small = {
            let magnitude = self.amount.clone().magnitude();
            magnitude < Decimal::integer(1024)
        };
        if self.format == Format::BinarySi && !small && self.amount.is_whole() {
            let (digits, power) = self.amount.without_factors_of_1024();
            let suffix = BINARY_SUFFIXES.iter().find(|(_, known)| *known == power);
            return format!("{digits}{}", suffix.map_or("", |(name, _)| name));
        }
        let (digits, exponent) = self.amount.with_exponent_of_thousands();
        if self.format == Format::DecimalExponent {
            return match exponent {
                0 => digits,
                _ => format!("{digits}e{exponent}"),
            };
        }
        let suffix = DECIMAL_SUFFIXES.iter().find(|(_, known)| *known == exponent);
        format!("{digits}{}", suffix.map_or("", |(name, _)| name))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.amount == other.amount
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.cmp(&other.amount)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.amount.hash(state);
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

/// Whether two values of a field that holds a quantity are the same amount; values that are no
/// quantities are compared as they are.
#[must_use]
pub fn same_quantity(left: &Value, right: &Value) -> bool {
    left == right
        || match (Quantity::from_value(left), Quantity::from_value(right)) {
            (Some(left), Some(right)) => left == right,
            _ => false,
        }
}

/// Whether two values of an int-or-string field (a port, `maxSurge`) mean the same: `80` and
/// `"80"` do, `"25%"` equals only itself.
#[must_use]
pub fn same_int_or_string(left: &Value, right: &Value) -> bool {
    let as_text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        _ => None,
    };
    left == right || (as_text(left).is_some() && as_text(left) == as_text(right))
}

#[derive(Debug, Clone, Copy)]
enum Suffix {
    /// Power of ten.
    Decimal(i64),
    /// Power of ten, written as `e6`.
    Exponent(i64),
    /// Power of 1024.
    Binary(u32),
}

impl Suffix {
    fn find(text: &str) -> Option<Self> {
        let decimal = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == text);
        let binary = BINARY_SUFFIXES.iter().find(|(name, _)| *name == text);
        match (decimal, binary) {
            (Some((_, exponent)), _) => Some(Self::Decimal(*exponent)),
            (None, Some((_, power))) => Some(Self::Binary(*power)),
            (None, None) => {
                // Go reads 64 bits here and keeps the low 32; what does not fit is an error to us.
                let digits = text.strip_prefix(['e', 'E'])?;
                digits.parse::<i32>().ok().map(|exponent| Self::Exponent(exponent.into()))
            }
        }
    }
}

/// A text in its parts; all but the suffix may be empty.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    /// How many digits the text has before its suffix.
    digits_written: usize,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Format(text.to_owned());
        if text.is_empty() {
            return Err(wrong());
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = take_while(unsigned, |c| c.is_ascii_digit());
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => take_while(rest, |c| c.is_ascii_digit()),
            None => ("", rest),
        };
        let (_, exponent) = take_while(suffix, |c| "eEinumkKMGTP".contains(c));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        Ok(Self {
            negative: text.starts_with('-'),
            whole: whole.trim_start_matches('0'),
            fraction,
            suffix,
            digits_written: whole.len() + fraction.len(),
        })
    }

    /// Go's digits before the point: `0` when there are none.
    fn counted_whole(&self) -> &str {
        if self.whole.is_empty() { "0" } else { self.whole }
    }

    /// Whether Go keeps this quantity as a scaled 64-bit integer.
    fn is_fast(&self, suffix: Suffix) -> bool {
        let whole = self.counted_whole().len();
        match suffix {
            Suffix::Decimal(exponent) | Suffix::Exponent(exponent) => {
                let places = i64::try_from(self.fraction.len()).unwrap_or(i64::MAX);
                whole + self.fraction.len() <= FAST_DECIMAL_DIGITS
                    && exponent - places >= EXPONENT_MIN
            }
            Suffix::Binary(power) => {
                let taken = usize::try_from(power).unwrap_or(usize::MAX).saturating_mul(3);
                self.fraction.is_empty() && whole.saturating_add(taken) <= FAST_BINARY_DIGITS
            }
        }
    }

    /// Whether Go takes the text for canonical and keeps it. Only for fast quantities.
    fn is_kept(&self, suffix: Suffix) -> bool {
        match suffix {
            Suffix::Binary(_) => {
                self.whole.parse::<u64>().is_ok_and(|value| value.trailing_zeros() < 3)
            }
            Suffix::Decimal(exponent) | Suffix::Exponent(exponent) => {
                let places = i64::try_from(self.fraction.len()).unwrap_or(i64::MAX);
                let last = if self.fraction.is_empty() { self.whole } else { self.fraction };
                let zeros = last.len() - last.trim_end_matches('0').len();
                let zeros = if zeros == self.fraction.len() {
                    zeros + self.whole.len() - self.whole.trim_end_matches('0').len()
                } else {
                    zeros
                };
                (exponent - places) % 3 == 0 && !self.whole.is_empty() && zeros < 3
            }
        }
    }
}

fn take_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
