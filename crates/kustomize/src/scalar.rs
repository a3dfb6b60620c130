//! What a plain scalar means: to kustomize's own reader (YAML 1.2 booleans, both octals), and to
//! the older reader that its output must not confuse (YAML 1.1). Numbers are printed as Go does.

use crate::node::Tag;
use serde_json::Number;

/// Words that the older reader takes for a boolean.
const OLD_BOOLEANS: [&str; 16] = [
    "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
    "OFF",
];
/// Exponents from which Go prints a float of JSON with an `e`.
const JSON_EXPONENT: std::ops::Range<i32> = -6..21;
/// The same for a float of YAML.
const YAML_EXPONENT: std::ops::Range<i32> = -4..6;

/// A scalar with its meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(Number),
    Float(f64),
    /// A date or a time, as it is printed.
    Time(String),
    Str,
}

impl Resolved {
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Bool(_) => Tag::Bool,
            Self::Int(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Time(_) => Tag::Time,
            Self::Str => Tag::Str,
        }
    }
}

/// The meaning of a plain scalar to kustomize.
pub(crate) fn resolve_v3(text: &str) -> Resolved {
    resolve(text)
}

/// Whether the reader behind `kubectl` takes a plain scalar for a string.
pub(crate) fn is_string_to_v2(text: &str) -> bool {
    !OLD_BOOLEANS.contains(&text) && resolve(text) == Resolved::Str
}

/// A boolean as the reader of kustomization files understands it.
pub(crate) fn v2_bool(text: &str) -> Option<bool> {
    if let Some(at) = OLD_BOOLEANS.iter().position(|word| *word == text) {
        return Some(at < OLD_BOOLEANS.len() / 2);
    }
    match resolve(text) {
        Resolved::Bool(value) => Some(value),
        _ => None,
    }
}

fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => pointed_float(text).map_or(Resolved::Str, Resolved::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            if let Some(time) = timestamp(text) {
                return Resolved::Time(time);
            }
            let plain = text.replace('_', "");
            if let Some(number) = integer(&plain) {
                return Resolved::Int(number);
            }
            if is_yaml_float(&plain)
                && let Some(float) = plain.parse::<f64>().ok().filter(|float| float.is_finite())
            {
                return Resolved::Float(float);
            }
            Resolved::Str
        }
        _ => Resolved::Str,
    }
}

/// A float that begins with a point, as Go's own parser takes it.
fn pointed_float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('.')?;
    digits.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    text.parse::<f64>().ok().filter(|float| float.is_finite())
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at).unwrap_or_default(), unsigned.get(at + 1..)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", after)) => !after.is_empty() && digits(after),
        Some((before, after)) => digits(before) && digits(after),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_ok && exponent_ok
}

/// An integer with its base prefix; `0644` is octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (lower.get(1..)?, 8)
    } else {
        (lower.as_str(), 10)
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        // The smallest one has no positive twin.
        let value = i128::from(value);
        return i64::try_from(-value).ok().map(Number::from);
    }
    let plus = text.starts_with('+');
    if plus && i64::try_from(value).is_err() {
        return None;
    }
    Some(Number::from(value))
}

/// A date or time as kustomize prints it, when the text is one.
fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let year = text.get(..4)?;
    if !year.bytes().all(|byte| byte.is_ascii_digit()) || bytes.get(4) != Some(&b'-') {
        return None;
    }
    let rest = text.get(5..)?;
    let (month, rest) = rest.split_once('-')?;
    let month = number(month, 1, 12)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let day = number(rest.get(..end)?, 1, days(year.parse().ok()?, month))?;
    let date = format!("{year}-{month:02}-{day:02}");
    let rest = rest.get(end..)?;
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let separator = rest.chars().next()?;
    let clock = rest.get(1..)?;
    match separator {
        ' ' => Some(format!("{date}T{}Z", clock_time(clock)?)),
        'T' | 't' => {
            let at = clock.find(['Z', '+', '-'])?;
            let time = clock_time(clock.get(..at)?)?;
            let zone = clock.get(at..)?;
            if zone == "Z" || zone == "+00:00" || zone == "-00:00" {
                return Some(format!("{date}T{time}Z"));
            }
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let whole = hours.len() == 2 && minutes.len() == 2;
            (whole && number(hours, 0, 24).is_some() && number(minutes, 0, 60).is_some())
                .then(|| format!("{date}T{time}{zone}"))
        }
        _ => None,
    }
}

/// `15:4:5.999` with two digits each and a fraction without trailing zeros.
fn clock_time(text: &str) -> Option<String> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?, 0, 23)?;
    let minute = number(parts.next()?, 0, 59)?;
    let seconds = parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    let (second, fraction) = match seconds.split_once(['.', ',']) {
        Some((second, fraction)) => (second, fraction),
        None => (seconds, ""),
    };
    let second = number(second, 0, 59)?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || seconds.ends_with(['.', ',']) {
        return None;
    }
    let fraction = fraction.get(..fraction.len().min(9))?.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{hour:02}:{minute:02}:{second:02}{dot}{fraction}"))
}

/// A number of one or two digits in a range.
fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    let fits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| fits && (least..=most).contains(value))
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// A number as Go's JSON encoder prints it.
pub(crate) fn go_json_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let text = go_float_text(float, &JSON_EXPONENT);
            // One digit of exponent: Go writes 1e-7 and 1e+21 in JSON.
            text.replace("e-0", "e-")
        }
        _ => number.to_string(),
    }
}

/// A number of JSON text as the output has it: read again by the older reader.
pub(crate) fn go_yaml_number(number: &Number) -> String {
    let json = go_json_number(number);
    match resolve(&json) {
        Resolved::Int(number) => number.to_string(),
        Resolved::Float(float) => go_float_text(float, &YAML_EXPONENT),
        _ => json,
    }
}

/// A float as Go's YAML encoder prints it.
pub(crate) fn go_float(float: f64) -> String {
    go_float_text(float, &YAML_EXPONENT)
}

/// The shortest digits that read back the same, with an exponent outside of `plain`.
fn go_float_text(float: f64, plain: &std::ops::Range<i32>) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float == 0.0 || plain.contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_to_kustomize() {
        let int = |value: i64| Resolved::Int(value.into());
        for (text, expected) in [
            ("0644", int(420)),
            ("0o17", int(15)),
            ("0x1F", int(31)),
            ("-0b11", int(-3)),
            ("1_000", int(1000)),
            ("08", Resolved::Float(8.0)),
            ("1e3", Resolved::Float(1000.0)),
            ("yes", Resolved::Str),
            ("2001-12-14", Resolved::Time("2001-12-14T00:00:00Z".into())),
            ("2001-02-30", Resolved::Str),
            ("1.2.3", Resolved::Str),
            ("-", Resolved::Str),
        ] {
            assert_eq!(resolve_v3(text), expected, "{text}");
        }
        assert!(!is_string_to_v2("yes") && is_string_to_v2("yess"));
        assert_eq!(
            (v2_bool("on"), v2_bool("off"), v2_bool("maybe")),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        let float = |value: f64| Number::from_f64(value).unwrap();
        assert_eq!(go_yaml_number(&float(1e20)), "1e+20");
        assert_eq!(go_yaml_number(&float(1e3)), "1000");
        assert_eq!(go_yaml_number(&float(0.1)), "0.1");
        assert_eq!(go_yaml_number(&float(1e-7)), "1e-07");
        assert_eq!(go_yaml_number(&float(0.00001)), "1e-05");
    }
}
