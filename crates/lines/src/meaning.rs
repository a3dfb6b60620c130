//! What a text means for a record: a severity, a trace id, an HTTP status.
//!
//! Severities are OpenTelemetry's numbers (1 to 24). Syslog's levels map as its specification
//! says: notice is INFO2, critical ERROR2, alert ERROR3, emergency FATAL.

use crate::hex;

/// Begins a colour of a terminal.
const ESCAPE: u8 = 0x1b;

/// The severity that a word, a letter or a number stands for, whatever its case, its colours and
/// the blanks around it.
#[must_use]
#[inline(never)]
pub fn severity(bytes: &[u8]) -> Option<u8> {
    let bytes = bytes.trim_ascii();
    if bytes.first() == Some(&ESCAPE) {
        return severity(uncoloured(bytes)?);
    }
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let mut lower = [0; 16];
    for (to, from) in lower.iter_mut().zip(bytes) {
        *to = from.to_ascii_lowercase();
    }
    let lower = lower.get(..bytes.len())?;
    word(lower).or_else(|| match lower.iter().position(|byte| b"+-".contains(byte)) {
        Some(at) => counted(lower.get(..at)?, lower.get(at..)?),
        None => std::str::from_utf8(lower).ok()?.parse().ok().and_then(number),
    })
}

fn word(lower: &[u8]) -> Option<u8> {
    Some(match lower {
        b"trace" | b"trc" | b"finest" | b"verbose" | b"t" => 1,
        b"debug" | b"dbug" | b"dbg" | b"fine" | b"finer" | b"d" => 5,
        b"info" | b"information" | b"informational" | b"inf" | b"i" => 9,
        b"notice" => 10,
        b"warn" | b"warning" | b"wrn" | b"w" => 13,
        b"error" | b"err" | b"eror" | b"fail" | b"severe" | b"e" => 17,
        b"critical" | b"crit" => 18,
        b"alert" => 19,
        b"fatal" | b"emerg" | b"emergency" | b"panic" | b"ftl" | b"f" | b"dpanic" => 21,
        _ => return None,
    })
}

/// Go's slog counts on from a name (`ERROR+4`, `DEBUG-4`) in the steps of OpenTelemetry.
fn counted(name: &[u8], steps: &[u8]) -> Option<u8> {
    let steps: i32 = std::str::from_utf8(steps).ok()?.parse().ok()?;
    let severity = i32::from(word(name)?).saturating_add(steps);
    u8::try_from(severity.clamp(1, 24)).ok()
}

/// The text that a severity was read from, without its colours and the blanks around it.
pub(crate) fn plain(text: &str) -> &str {
    let text = text.trim_ascii();
    let inside =
        text.starts_with(char::from(ESCAPE)).then(|| uncoloured(text.as_bytes())).flatten();
    inside.and_then(|inside| std::str::from_utf8(inside).ok()).unwrap_or(text)
}

/// The text among the colours of a terminal (`ESC[31m`), without blanks around it; `None` when
/// there is anything else.
fn uncoloured(text: &[u8]) -> Option<&[u8]> {
    let mut parts = text.split(|byte| *byte == ESCAPE);
    let mut inside = parts.next()?;
    for part in parts {
        let colour = part.strip_prefix(b"[")?;
        let end = colour.iter().position(|byte| !b"0123456789;".contains(byte))?;
        let behind = colour.get(end..)?.strip_prefix(b"m")?;
        if inside.is_empty() {
            inside = behind;
        } else if !behind.is_empty() {
            return None;
        }
    }
    Some(inside.trim_ascii())
}

/// The severity that was read last: most lines have that of the line before.
#[derive(Debug, Default)]
pub(crate) struct Severities {
    /// The first four bytes of its text and the last four, which may be the same ones.
    ends: u64,
    /// How many bytes it has; 0 at first.
    length: usize,
    number: u8,
}

impl Severities {
    /// [`severity`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each severity of each line")]
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<u8> {
        let (Some(first), Some(last), 4..=8) = (text.first_chunk(), text.last_chunk(), text.len())
        else {
            return severity(text);
        };
        let four = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        let ends = four(first) << 32 | four(last);
        if (ends, text.len()) != (self.ends, self.length) {
            *self = Self { ends, length: text.len(), number: severity(text)? };
        }
        Some(self.number)
    }
}

/// The severity of the levels that pino and bunyan write (10, 20 to 60), syslog and GELF (2 to 7)
/// or Monolog (100 to 600). 0 and 1 are left open: more programs count the verbosity of what is no
/// error from 0 on (Go's logr) than tell an emergency or an alert.
#[must_use]
pub fn number(level: u64) -> Option<u8> {
    Some(match level {
        2..=7 => syslog(u32::try_from(level).ok()?),
        10 => 1,
        20 | 100 => 5,
        30 | 200 => 9,
        250 => 10,
        40 | 300 => 13,
        50 | 400 => 17,
        500 => 18,
        550 => 19,
        60 | 600 => 21,
        _ => return None,
    })
}

/// The severity of a syslog level, 0 to 7.
#[must_use]
pub fn syslog(level: u32) -> u8 {
    match level & 7 {
        0 => 21,
        1 => 19,
        2 => 18,
        3 => 17,
        4 => 13,
        5 => 10,
        6 => 9,
        _ => 5,
    }
}

/// Reads exactly `N` bytes of hex, a multiple of eight, that are not all zero. Dashes of a UUID
/// are passed over.
#[must_use]
#[inline]
pub fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    if bytes.len() == N * 2 { hex(bytes) } else { dashed(bytes) }
}

/// The same with the dashes of a UUID.
#[inline(never)]
fn dashed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut plain = [0; 36];
    let mut digits = bytes.iter().filter(|byte| **byte != b'-');
    let count = plain.iter_mut().zip(&mut digits).map(|(to, from)| *to = *from).count();
    let dashed = count == N * 2 && bytes.len() == count + 4 && digits.next().is_none();
    if dashed { hex(plain.get(..count)?) } else { None }
}

/// The value of each hex digit; 255 for other bytes.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let (mut value, digits) = (0, b"0123456789abcdef");
    while value < 16 {
        let digit = digits[value as usize];
        table[digit as usize] = value;
        table[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
};

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "run for each id of each line; a result of 16 bytes is slow"
)]
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (mut out, mut any) = ([0; N], 0);
    let (sixteens, rest) = digits.as_chunks::<{ hex::DIGITS }>();
    let (eights, more) = out.as_chunks_mut::<8>();
    for (eight, sixteen) in eights.iter_mut().zip(sixteens) {
        *eight = hex::read(*sixteen)?;
        any |= u64::from_le_bytes(*eight);
    }
    let whole = rest.is_empty() && more.is_empty() && sixteens.len() == eights.len();
    (whole && any != 0).then_some(out)
}

/// Reads a W3C `traceparent`: trace id, span id and flags.
#[must_use]
pub fn traceparent(text: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.trim().split('-');
    let version = parts.next()?;
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let [high, low] = *flags.as_bytes() else { return None };
    nibble(version.bytes().next()?)?;
    let plain = trace.len() == 32 && span.len() == 16;
    plain.then_some((
        id(trace.as_bytes())?,
        id(span.as_bytes())?,
        nibble(high)? << 4 | nibble(low)?,
    ))
}

/// Reads an HTTP status, 100 to 599.
#[must_use]
#[inline]
pub fn status(text: &[u8]) -> Option<u16> {
    let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *text else {
        return None;
    };
    let digit = |byte: u8| u16::from(byte - b'0');
    Some(digit(a) * 100 + digit(b) * 10 + digit(c))
}

fn nibble(byte: u8) -> Option<u8> {
    NIBBLES.get(usize::from(byte)).copied().filter(|value| *value < 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_read_in_any_case_and_as_numbers() {
        for (text, wanted) in [
            ("INFO", Some(9)),
            ("Warning", Some(13)),
            ("error", Some(17)),
            ("CRITICAL", Some(18)),
            ("Fatal", Some(21)),
            ("30", Some(9)),
            ("60", Some(21)),
            ("3", Some(17)),
            ("8", None),
            ("0", None),
            ("1", None),
            ("400", Some(17)),
            // Go's slog counts on from a name.
            ("ERROR+4", Some(21)),
            ("info+2", Some(11)),
            ("DEBUG-4", Some(1)),
            ("DEBUG-90", Some(1)),
            ("ERROR+2147483647", Some(24)),
            ("ERROR+", None),
            ("ERROR-x", None),
            ("+4", None),
            ("30+4", None),
            ("odd+4", None),
            // Colours of a terminal.
            ("\u{1b}[31merror\u{1b}[39m", Some(17)),
            ("\u{1b}[1m\u{1b}[38;5;196mWARNING\u{1b}[0m\u{1b}[22m", Some(13)),
            ("\u{1b}[31m50\u{1b}[39m", Some(17)),
            ("\u{1b}[32m INFO \u{1b}[0m", Some(9)),
            // Padded.
            ("ERROR ", Some(17)),
            (" info", Some(9)),
            ("\tWARN\t ", Some(13)),
            ("error               ", Some(17)),
            (" \u{1b}[31mERROR \u{1b}[39m ", Some(17)),
            ("err or", None),
            (" ", None),
            ("\u{1b}[31m\u{1b}[39m", None),
            ("\u{1b}[31", None),
            ("\u{1b}[31x error\u{1b}[39m", None),
            ("error\u{1b}[39m!", None),
            ("\u{1b}", None),
            ("", None),
            ("informationally", None),
            ("a text that is far too long", None),
        ] {
            assert_eq!(severity(text.as_bytes()), wanted, "{text}");
        }
        assert_eq!((0..8).map(syslog).collect::<Vec<_>>(), [21, 19, 18, 17, 13, 10, 9, 5]);
    }

    #[test]
    fn numbers_are_levels_of_pino_and_bunyan_of_syslog_and_gelf_or_of_monolog() {
        for (numbers, wanted) in [
            ([10, 20, 30, 40, 50, 60, 70, 0], [1, 5, 9, 13, 17, 21, 0, 0]),
            ([1, 2, 3, 4, 5, 6, 7, 8], [0, 18, 17, 13, 10, 9, 5, 0]),
            ([100, 200, 250, 300, 400, 500, 550, 600], [5, 9, 10, 13, 17, 18, 19, 21]),
        ] {
            assert_eq!(numbers.map(|level| number(level).unwrap_or(0)), wanted);
        }
    }

    #[test]
    fn what_was_read_before_changes_no_severity() {
        let mut severities = Severities::default();
        let texts =
            ["INFO", "info", "in", "infinfo", "warn", "warning", "WARN ", "errors", "", "critical"];
        for text in texts.iter().chain(&texts).chain(texts.iter().rev()) {
            for _ in 0..2 {
                let text = text.as_bytes();
                assert_eq!(severities.read(text), severity(text), "{text:?}");
            }
        }
    }

    #[test]
    fn ids_are_hex_of_the_right_length_and_not_zero() {
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        let trace: [u8; 16] = id(text.as_bytes()).unwrap();
        assert_eq!(trace[..2], [0x4b, 0xf9]);
        assert_eq!(id::<16>(b"4BF92F35-77B3-4DA6-A3CE-929D0E0E4736"), Some(trace));
        for text in ["", "00000000000000000000000000000000", "4bf92f3577b34da6", "4bf9-2f35", "é"]
        {
            assert_eq!(id::<16>(text.as_bytes()), None, "{text}");
        }
        assert_eq!(id::<16>(b"4bf92f3577b34da6a3ce929d0e0e473g"), None);
        assert_eq!(id::<16>(b"-4bf92f3577b34da6a3ce929d0e0e4736"), None);
    }

    #[test]
    fn a_traceparent_gives_both_ids_and_the_flags() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace, span, flags) = traceparent(text.as_bytes()).unwrap();
        assert_eq!((trace[0], span[1], flags), (0x4b, 0xf0, 1));
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        ] {
            assert_eq!(traceparent(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_status_has_three_digits() {
        assert_eq!(status(b"500"), Some(500));
        assert_eq!(status(b"099"), None);
        assert_eq!(status(b"600"), None);
        assert_eq!(status(b"2000"), None);
    }
}
