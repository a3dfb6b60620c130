//! What an unquoted word means: YAML 1.1 as the Go library behind kubectl resolves it.
//!
//! A manifest must mean to us what it means to kubectl, so the rules here follow that library
//! and not the YAML 1.2 specification: `0644` is 420, `yes` is true, `1_000` is 1000, `08` is 8,
//! `1:30` and timestamps are strings. The vectors that prove it come from kubectl itself
//! (`testdata/yaml-scalars.json`).

use super::diagnostic::Fault;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// Prefix of the tags that YAML itself defines; `!!int` is short for it.
const YAML_TAG: &str = "tag:yaml.org,2002:";

/// No whole number from here on is an `i64`.
const I64_DIGITS_END: f64 = 1e19;

/// Standard alphabet, padding required, as Go's `base64.StdEncoding`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// A resolved scalar, before it becomes JSON: a key needs to know more than JSON keeps.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`; kubectl hands it on as a float.
    Uint(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// The JSON value that reaches the API server.
    pub(super) fn into_value(self) -> Result<Value, Fault> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::from(value),
            Self::Uint(value) => Value::from(value as f64),
            Self::Float(value) if !value.is_finite() => return Err(Fault::NotFinite),
            // Go writes 8.0 as `8`, and the reader of that text sees an integer. The text has
            // the fewest digits that tell the float from its neighbours, as in Rust.
            Self::Float(value) if value.fract() == 0.0 && value.abs() < I64_DIGITS_END => {
                value.to_string().parse().map_or(Value::from(value), |whole: i64| whole.into())
            }
            Self::Float(value) => Value::from(value),
            Self::Text(value) => Value::String(value),
        })
    }

    /// The JSON key that kubectl makes of a key that is not a string.
    pub(super) fn into_key(self) -> Result<String, Fault> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Int(value) => Ok(value.to_string()),
            Self::Float(value) => Ok(go_float32_text(value)),
            Self::Null => Err(Fault::KeyType { found: "null" }),
            Self::Uint(_) => Err(Fault::KeyType { found: "a number above 2^63-1" }),
        }
    }
}

/// Resolves a scalar's text. `tag` is the whole tag with its handle resolved.
pub(super) fn resolve(text: String, plain: bool, tag: Option<&str>) -> Result<Scalar, Fault> {
    let Some(tag) = tag else {
        return Ok(if plain { resolve_plain(text) } else { Scalar::Text(text) });
    };
    match tag.strip_prefix(YAML_TAG) {
        Some("binary") => binary(&text),
        Some(kind @ ("bool" | "int" | "float" | "null" | "timestamp")) => tagged(text, kind),
        _ => Ok(Scalar::Text(text)),
    }
}

/// Whether a key stands for "merge the value into this map".
pub(super) fn is_merge_key(text: &str, plain: bool, tag: Option<&str>) -> bool {
    let tagged = matches!(tag, Some(tag) if tag.strip_prefix(YAML_TAG) == Some("merge"));
    text == "<<" && (tagged || matches!(tag, Some("!")) || (plain && tag.is_none()))
}

fn resolve_plain(text: String) -> Scalar {
    let resolved = match text.as_bytes().first() {
        None => Some(Scalar::Null),
        Some(b'+' | b'-') => word(&text).or_else(|| number(&text)),
        Some(b'0'..=b'9') => number(&text),
        Some(b'.') => word(&text).or_else(|| fraction(&text)),
        Some(_) => word(&text),
    };
    resolved.unwrap_or(Scalar::Text(text))
}

/// An explicit tag of YAML's own: the text must resolve to that kind.
fn tagged(text: String, kind: &str) -> Result<Scalar, Fault> {
    let mismatch = || Fault::TagMismatch { tag: format!("!!{kind}") };
    if kind == "timestamp" {
        return if is_timestamp(&text) { Ok(Scalar::Text(text)) } else { Err(mismatch()) };
    }
    let scalar = resolve_plain(text);
    match (kind, scalar) {
        ("null", Scalar::Null) => Ok(Scalar::Null),
        ("bool", scalar @ Scalar::Bool(_))
        | ("int", scalar @ (Scalar::Int(_) | Scalar::Uint(_)))
        | ("float", scalar @ Scalar::Float(_)) => Ok(scalar),
        ("float", Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        _ => Err(mismatch()),
    }
}

/// The words that are not strings.
fn word(text: &str) -> Option<Scalar> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// What begins with a digit or a sign: an integer in one of four bases, or a float.
fn number(text: &str) -> Option<Scalar> {
    let without;
    let plain = if text.contains('_') {
        without = text.replace('_', "");
        without.as_str()
    } else {
        text
    };
    integer(plain).or_else(|| if is_float(plain) { finite(plain) } else { None })
}

/// `0b`, `0o`, `0x` or a leading zero choose the base, as in Go's `ParseInt` with base 0.
fn integer(plain: &str) -> Option<Scalar> {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, unsigned.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, unsigned.get(2..)?),
        [b'0', b'x' | b'X', _, ..] => (16, unsigned.get(2..)?),
        [b'0'] => (10, unsigned),
        [b'0', ..] => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match plain.as_bytes().first()? {
        b'-' => 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int),
        b'+' => i64::try_from(magnitude).ok().map(Scalar::Int),
        _ => Some(i64::try_from(magnitude).map_or(Scalar::Uint(magnitude), Scalar::Int)),
    }
}

/// Digits with at most one point and an optional exponent; an optional sign.
fn is_float(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_ok = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    // `.5` and `5.` are floats, a lone point is not.
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_ok
}

/// A float that begins with its point; an underscore may stand between two digits.
fn fraction(text: &str) -> Option<Scalar> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let misplaced = |(index, byte): (usize, &u8)| {
        *byte == b'_' && !(digit(bytes.get(index.wrapping_sub(1))) && digit(bytes.get(index + 1)))
    };
    if bytes.iter().enumerate().any(misplaced) {
        return None;
    }
    finite(&text.replace('_', ""))
}

/// A float in range. Out of range (`1e400`) it stays a string, as with kubectl.
fn finite(text: &str) -> Option<Scalar> {
    let text = text.strip_prefix('+').unwrap_or(text);
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Scalar::Float)
}

fn binary(text: &str) -> Result<Scalar, Fault> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let bytes = BASE64.decode(compact).map_err(|_| Fault::Binary)?;
    String::from_utf8(bytes).map(Scalar::Text).map_err(|_| Fault::BinaryNotText)
}

/// A date (`2001-1-2`), or a date and a time behind `T`, `t` or a space.
fn is_timestamp(text: &str) -> bool {
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, time) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut parts = date.split('-');
    let in_range = |part: Option<&str>, digits: std::ops::RangeInclusive<usize>, max: u32| {
        part.filter(|part| digits.contains(&part.len()))
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|part| part.parse::<u32>().ok())
            .is_some_and(|value| (1..=max).contains(&value))
    };
    let date_ok = in_range(parts.next(), 4..=4, 9999)
        && in_range(parts.next(), 1..=2, 12)
        && in_range(parts.next(), 1..=2, 31)
        && parts.next().is_none();
    let time = time.strip_prefix(['T', 't', ' ']);
    date_ok
        && time.is_none_or(|time| {
            let known = |byte: u8| byte.is_ascii_digit() || b":.Zz+-".contains(&byte);
            !time.is_empty() && time.bytes().all(known)
        })
}

/// A float key as the Go converter prints it: shortest text that reads back as the same 32-bit
/// float, with an exponent below 1e-4 and from 1e6 on.
fn go_float32_text(value: f64) -> String {
    let narrow = value as f32;
    if narrow.is_nan() {
        return ".nan".to_owned();
    }
    if narrow.is_infinite() {
        return if narrow > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{narrow:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{narrow}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_floats_print_as_go_prints_them() {
        let texts = [1.5, 0.1, 1e5, 1e6, 123_456_789.0, 1e-4, 1e-5, 16_777_217.0, 1e300, -0.5]
            .map(go_float32_text);
        assert_eq!(
            texts,
            [
                "1.5",
                "0.1",
                "100000",
                "1e+06",
                "1.2345679e+08",
                "0.0001",
                "1e-05",
                "1.6777216e+07",
                ".inf",
                "-0.5"
            ]
        );
    }

    #[test]
    fn only_dates_pass_for_timestamps() {
        for text in
            ["2001-01-02", "2001-1-2", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43"]
        {
            assert!(is_timestamp(text), "{text}");
        }
        for text in ["2001", "2001-13-01", "2001-01-02T", "12-01-01", "2001-01-02-03", "x"] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
