//! `format`: what a string or a number has to look like, as the API server checks it.
//!
//! A check never assumes a type: a value of another type is the type check's business. Two servers
//! hide behind one word. Built-in kinds are decoded by Go, which checks times and base64 and
//! nothing else; custom resources are checked by the list of formats of their own validator. A
//! format that is not in the list is accepted, as there. Where the exact rule is long (e-mail,
//! ISBN) only what no reading accepts is refused.

use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a text has a format.
type Holds = fn(&str) -> bool;

/// A format that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    None,
    Int32,
    /// Base64 with padding.
    Byte,
    DateTime,
    Date,
    Duration,
    Ipv4,
    Ipv6,
    Cidr,
    Mac,
    Uuid,
    Uri,
    Email,
    Hostname,
    ShortName,
    LongName,
    BsonObjectId,
}

/// Formats of custom resources.
const STRUCTURAL: [(&str, Format); 20] = [
    ("int32", Format::Int32),
    ("byte", Format::Byte),
    ("date-time", Format::DateTime),
    ("datetime", Format::DateTime),
    ("date", Format::Date),
    ("duration", Format::Duration),
    ("ipv4", Format::Ipv4),
    ("ipv6", Format::Ipv6),
    ("cidr", Format::Cidr),
    ("mac", Format::Mac),
    ("uuid", Format::Uuid),
    ("uuid3", Format::Uuid),
    ("uuid4", Format::Uuid),
    ("uuid5", Format::Uuid),
    ("uri", Format::Uri),
    ("email", Format::Email),
    ("hostname", Format::Hostname),
    ("k8s-short-name", Format::ShortName),
    ("k8s-long-name", Format::LongName),
    ("bsonobjectid", Format::BsonObjectId),
];

impl Format {
    /// The format of a field of a custom resource.
    pub(crate) fn structural(name: &str) -> Self {
        let found = STRUCTURAL.iter().find(|(known, _)| *known == name);
        found.map_or(Self::None, |(_, format)| *format)
    }

    /// The format of a field that Go decodes.
    pub(crate) fn decoded(name: &str) -> Self {
        match name {
            "date-time" => Self::DateTime,
            "byte" => Self::Byte,
            _ => Self::None,
        }
    }

    /// What is expected, when the value does not have it.
    pub(crate) fn refuse(self, value: &Value) -> Option<&'static str> {
        match (self, value) {
            (Self::Int32, Value::Number(number)) => {
                let range = f64::from(i32::MIN)..=f64::from(i32::MAX);
                let fits = number.as_f64().is_none_or(|number| range.contains(&number));
                (!fits).then_some("a 32-bit integer")
            }
            (_, Value::String(text)) => {
                let (holds, expected) = self.rule()?;
                (!holds(text)).then_some(expected)
            }
            _ => None,
        }
    }

    fn rule(self) -> Option<(Holds, &'static str)> {
        Some(match self {
            Self::None | Self::Int32 => return None,
            Self::Byte => (is_base64, "base64 with padding"),
            Self::DateTime => (is_date_time, "a time such as 2006-01-02T15:04:05Z"),
            Self::Date => (is_date, "a date such as 2006-01-02"),
            Self::Duration => (is_duration, "a duration such as 1h30m"),
            Self::Ipv4 => (is_ipv4, "an IPv4 address"),
            Self::Ipv6 => (is_ipv6, "an IPv6 address"),
            Self::Cidr => (is_cidr, "a network such as 10.0.0.0/8"),
            Self::Mac => (is_mac, "a hardware address such as 00:00:5e:00:53:01"),
            Self::Uuid => (is_uuid, "a UUID"),
            Self::Uri => (is_uri, "a URI"),
            Self::Email => (|text| text.contains('@'), "an e-mail address"),
            Self::Hostname => (is_hostname, "a host name"),
            Self::ShortName => (
                crate::names::is_label,
                "lower-case letters, digits and `-`, 63 characters at most",
            ),
            Self::LongName => (
                crate::names::is_subdomain,
                "lower-case letters, digits, `-` and `.`, 253 characters at most",
            ),
            Self::BsonObjectId => (
                |text| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "24 hexadecimal digits",
            ),
        })
    }
}

/// As Go's decoder: the standard alphabet with padding, line breaks ignored.
fn is_base64(text: &str) -> bool {
    let mut digits = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    (digits + padding).is_multiple_of(4) && padding <= 2 && (padding == 0 || digits > 0)
}

/// Two digits from `low` to `high` at the front; the rest behind them.
fn two(text: &str, low: u8, high: u8) -> Option<&str> {
    let (digits, rest) = text.split_at_checked(2)?;
    let digits = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
    (low..=high).contains(&digits.parse().ok()?).then_some(rest)
}

/// A date at the front; the rest behind it.
fn date(text: &str) -> Option<&str> {
    let (year, rest) = text.split_at_checked(4)?;
    let year: u16 = year.bytes().all(|byte| byte.is_ascii_digit()).then_some(year)?.parse().ok()?;
    let rest = rest.strip_prefix('-')?;
    let month: u8 = rest.get(..2)?.parse().ok()?;
    let rest = two(rest, 1, 12)?.strip_prefix('-')?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    two(rest, 1, days)
}

fn is_date(text: &str) -> bool {
    date(text) == Some("")
}

/// A generous reading of RFC 3339: what Go's parser accepts is accepted.
fn is_date_time(text: &str) -> bool {
    let read = || {
        let rest = date(text)?.strip_prefix(['T', 't', ' '])?;
        // Go takes an hour of one digit.
        let rest = match two(rest, 0, 23) {
            Some(rest) => rest,
            None => rest.strip_prefix(|c: char| c.is_ascii_digit())?,
        };
        let rest = two(rest.strip_prefix(':')?, 0, 59)?;
        let rest = two(rest.strip_prefix(':')?, 0, 60)?;
        let rest = match rest.strip_prefix(['.', ',']) {
            Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        if matches!(rest, "Z" | "z") {
            return Some("");
        }
        let rest = two(rest.strip_prefix(['+', '-'])?, 0, 24)?;
        two(rest.strip_prefix(':').unwrap_or(rest), 0, 60)
    };
    read() == Some("")
}

/// Go's durations (`1h30m`) and the words of the validator (`2 days`): a number, then a unit.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 33] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "us",
        "µs",
        "μs",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "ms",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "m",
        "min",
        "mins",
        "minute",
        "minutes",
        "h",
        "hr",
        "hour",
        "hours",
        "d",
        "w",
    ];
    const MORE: [&str; 4] = ["day", "days", "week", "weeks"];
    let mut rest = text.trim().trim_start_matches(['+', '-']);
    if rest == "0" {
        return true;
    }
    let mut pairs = 0;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if number.len() == rest.len() {
            return false;
        }
        let unit_and_rest = number.trim_start();
        let after = unit_and_rest.trim_start_matches(|c: char| c.is_alphabetic());
        let unit = unit_and_rest.strip_suffix(after).unwrap_or_default().to_lowercase();
        if !UNITS.contains(&unit.as_str()) && !MORE.contains(&unit.as_str()) && unit != "hrs" {
            return false;
        }
        pairs += 1;
        rest = after.trim_start();
    }
    pairs > 0
}

/// Leading zeros are accepted, as in the server's own reader.
fn is_ipv4(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 4
        && parts.iter().all(|part| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            digits && part.parse::<u16>().is_ok_and(|number| number <= 255)
        })
}

fn is_ipv6(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((head, tail)) if tail.contains('.') => {
            is_ipv4(tail) && format!("{head}:{}", Ipv4Addr::UNSPECIFIED).parse::<Ipv6Addr>().is_ok()
        }
        _ => text.parse::<Ipv6Addr>().is_ok(),
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let length = length.bytes().all(|byte| byte.is_ascii_digit()).then(|| length.parse::<u16>());
    let Some(Ok(length)) = length else { return false };
    (is_ipv4(address) && length <= 32) || (is_ipv6(address) && length <= 128)
}

/// As Go's `net.ParseMAC`: 6, 8 or 20 bytes, with `:`, `-` or dots between four digits.
fn is_mac(text: &str) -> bool {
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let dotted: Vec<&str> = text.split('.').collect();
    if dotted.len() > 1 {
        return matches!(dotted.len(), 3 | 4 | 10) && dotted.iter().all(|part| hex(part, 4));
    }
    [':', '-'].iter().any(|separator| {
        let parts: Vec<&str> = text.split(*separator).collect();
        matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|part| hex(part, 2))
    })
}

/// With or without dashes, braces and `urn:uuid:`: the readers differ in these.
fn is_uuid(text: &str) -> bool {
    let text = text
        .get(..9)
        .filter(|head| head.eq_ignore_ascii_case("urn:uuid:"))
        .map_or(text, |head| text.strip_prefix(head).unwrap_or(text));
    let bare: String = text.chars().filter(|c| !matches!(c, '-' | '{' | '}')).collect();
    bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A URI or an absolute path, as Go's `url.ParseRequestURI` wants; only the beginning is judged.
fn is_uri(text: &str) -> bool {
    if text.starts_with('/') {
        return true;
    }
    text.split_once(':').is_some_and(|(scheme, _)| {
        let mut bytes = scheme.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Without spaces and not longer than a name can be; other alphabets are allowed.
fn is_hostname(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 4 * 255
        && !text.contains(|c: char| c.is_whitespace() || c == '/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn gitops_25_a_format_assumes_no_type() {
        for (_, format) in STRUCTURAL {
            for value in [json!(null), json!(true), json!(1), json!([1]), json!({"a": 1})] {
                assert_eq!(format.refuse(&value), None, "{format:?} {value}");
            }
        }
        assert_eq!(Format::Int32.refuse(&json!("a")), None);
    }

    #[test]
    fn formats_accept_and_refuse_what_the_server_does() {
        let table: [(&str, &[&str], &[&str]); 13] = [
            ("byte", &["", "YQ==", "YWJj", "YW\nJj"], &["a", "YQ=", "Y=Q=", "é", "===="]),
            (
                "date-time",
                &["2006-01-02T15:04:05Z", "2006-01-02T15:04:05.123+02:00", "2024-02-29T0:00:00Z"],
                &["2006-01-02", "x", "", "2006-13-02T15:04:05Z", "2023-02-29T15:04:05Z"],
            ),
            ("date", &["2006-01-02"], &["2006-1-2", "2006-01-02T15:04:05Z", "2006-02-30"]),
            ("duration", &["1h30m", "0", "1.5s", "-2m", "2 days", "1w"], &["", "1", "h", "1 x"]),
            ("ipv4", &["1.2.3.4", "010.0.0.1"], &["1.2.3", "1.2.3.256", "::1", ""]),
            ("ipv6", &["::1", "::ffff:1.2.3.4", "fe80::1"], &["1.2.3.4", ":", "::g"]),
            ("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0", "10.0.0.0/33", "/8", "::/129"]),
            ("mac", &["00:00:5e:00:53:01", "0000.5e00.5301"], &["00:00", "zz:00:5e:00:53:01"]),
            ("uuid", &["123e4567-e89b-12d3-a456-426614174000"], &["123e4567", ""]),
            ("uri", &["https://a/b", "/a", "urn:x"], &["a b", "", "1:a"]),
            ("email", &["a@b"], &["a"]),
            ("hostname", &["a.example", "ä"], &["", "a b"]),
            ("no-such-format", &["", "x"], &[]),
        ];
        for (name, good, bad) in table {
            let format = Format::structural(name);
            for text in good {
                assert_eq!(format.refuse(&json!(text)), None, "{name} {text}");
            }
            for text in bad {
                assert!(format.refuse(&json!(text)).is_some(), "{name} {text}");
            }
        }
        assert_eq!(Format::Int32.refuse(&json!(i32::MAX)), None);
        assert!(Format::Int32.refuse(&json!(i64::from(i32::MAX) + 1)).is_some());
    }
}
