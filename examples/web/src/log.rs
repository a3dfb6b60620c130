//! One JSON line per event on stdout, as a container runtime expects it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// Writes one line with the time and these fields. A closed stdout is not an error.
pub(crate) fn line(fields: &[(&str, &str)]) {
    let text = render(SystemTime::now(), fields);
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn render(now: SystemTime, fields: &[(&str, &str)]) -> String {
    let mut out = format!("{{\"time\":\"{}\"", timestamp(now));
    for (name, value) in fields {
        out.push_str(",\"");
        escape(&mut out, name);
        out.push_str("\":\"");
        escape(&mut out, value);
        out.push('"');
    }
    out.push_str("}\n");
    out
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
fn timestamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / SECONDS_PER_DAY, since.as_secs() % SECONDS_PER_DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_is_json_whatever_the_request_said() {
        let now = UNIX_EPOCH + Duration::from_millis(1_709_210_096_007);
        assert_eq!(
            render(now, &[("path", "/\"x\\\n\u{1}")]),
            "{\"time\":\"2024-02-29T12:34:56.007Z\",\"path\":\"/\\\"x\\\\\\u000a\\u0001\"}\n"
        );
    }

    #[test]
    fn dates_are_right_at_the_ends_of_months_and_years() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (364, (1970, 12, 31)),
            (11_016, (2000, 2, 29)),
            (20_088, (2024, 12, 31)),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
