//! Timestamps as log lines write them, to nanoseconds since the Unix epoch.
//!
//! RFC 3339 with 0 to 9 fraction digits (more are read and dropped), with `T` or a space, a dot or
//! a comma, `Z`, `+08:00` or `+0800`; numbers of seconds, milli-, micro- or nanoseconds. What is
//! before 1970 or after 2554 is not a time here, because `u64` nanoseconds do not hold it. Numbers
//! below [`EPOCH_SECONDS_MIN`] are durations and counts.

use crate::digits;

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
/// The least number that is a time, in seconds since the epoch: 3 March 1973.
pub const EPOCH_SECONDS_MIN: u64 = 100_000_000;
const DAY_SECONDS: i64 = 86_400;
/// The last nanosecond of a second.
const LAST_NANOS: u32 = 999_999_999;
/// The highest bit of each byte, and all others.
const EACH_HIGH: u64 = 0x8080_8080_8080_8080;
const EACH_LOW: u64 = !EACH_HIGH;

/// Reads an RFC 3339 time at the start of `text`; gives the time and how many bytes it took.
///
/// A time without a zone is read as UTC when `zoneless` allows it.
#[must_use]
#[inline]
pub fn rfc3339(text: &[u8], zoneless: bool) -> Option<(u64, usize)> {
    Calendar::default().rfc3339(text, zoneless)
}

/// The second that was read last: most lines have that of the line before, or its date at least.
#[derive(Debug)]
pub(crate) struct Calendar {
    /// `2024-02-29T13:04:05`.
    text: [u8; 19],
    /// When that second began if its zone is UTC, in seconds since the epoch.
    second: i64,
    /// When its day began.
    began: i64,
    /// The second in nanoseconds, when all of it can be counted in them.
    nanos: Option<u64>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { text: *b"1970-01-01T00:00:00", second: 0, began: 0, nanos: Some(0) }
    }
}

impl Calendar {
    /// [`rfc3339`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each time of each line")]
    pub(crate) fn rfc3339(&mut self, text: &[u8], zoneless: bool) -> Option<(u64, usize)> {
        let (time, taken) = self.read(text, zoneless);
        (taken > 0).then_some((time, taken))
    }

    /// The same, with 0 bytes taken for none: two numbers are given back in registers.
    #[inline(never)]
    fn read(&mut self, text: &[u8], zoneless: bool) -> (u64, usize) {
        match self.again(text) {
            Some(found) => found,
            None => self.time(text, zoneless).unwrap_or((0, 0)),
        }
    }

    /// The same second once more, with one to nine digits behind it and a `Z`, as nearly all are.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each time of each line")]
    fn again(&self, text: &[u8]) -> Option<(u64, usize)> {
        if text.first_chunk() != Some(&self.text) || text.get(19) != Some(&b'.') {
            return None;
        }
        let bytes = eight_bytes(text, 20)?;
        let count = digits::count(bytes);
        let (nanos, end) = match count {
            0 => return None,
            8 => (digits::number(bytes, 8) * 10 + text.get(28).copied().and_then(digit)?, 29),
            _ => (digits::scaled(bytes, count) * 10, 20 + count as usize),
        };
        (text.get(end) == Some(&b'Z')).then_some((self.nanos? + u64::from(nanos), end + 1))
    }

    #[inline(never)]
    fn time(&mut self, text: &[u8], zoneless: bool) -> Option<(u64, usize)> {
        let whole = text.first_chunk()?;
        if *whole != self.text {
            self.turn(whole)?;
        }
        let seconds = self.second;
        let (nanos, mut at) = fraction(text, 19);
        let offset = match text.get(at) {
            Some(b'Z' | b'z') => {
                at += 1;
                0
            }
            Some(sign @ (b'+' | b'-')) => {
                let (minutes, taken) = zone(text.get(at + 1..)?)?;
                at += 1 + taken;
                if *sign == b'-' { -minutes } else { minutes }
            }
            _ if zoneless => 0,
            _ => return None,
        };
        Some((nanoseconds(seconds - offset * 60, nanos)?, at))
    }

    /// Reads another second.
    #[inline(never)]
    fn turn(&mut self, text: &[u8; 19]) -> Option<()> {
        let (date, clock): (&[u8; 10], _) = (text.first_chunk()?, text.last_chunk()?);
        let [.., mark, _, _, _, _, _, _, _, _] = text;
        if !matches!(mark, b'T' | b't' | b' ') {
            return None;
        }
        let is_same_day = self.text.first_chunk() == Some(date);
        let began = if is_same_day { self.began } else { day(*date)? };
        let clock = pairs(*clock, *b"00:00:00")?;
        let second = began + i64::from(self::clock(clock(0), clock(3), clock(6))?);
        let nanos = nanoseconds(second, LAST_NANOS).map(|last| last - u64::from(LAST_NANOS));
        *self = Self { text: *text, second, began, nanos };
        Some(())
    }

    /// [`any`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each time of each line")]
    pub(crate) fn any(&mut self, text: &[u8]) -> Option<u64> {
        match self.rfc3339(text, true) {
            Some((time, taken)) if taken == text.len() => Some(time),
            _ => any_trimmed(std::str::from_utf8(text).ok()?.trim()),
        }
    }
}

/// When the day began, in seconds since the epoch.
fn day(date: [u8; 10]) -> Option<i64> {
    let [.., tens, ones] = date;
    // `0000-00-`, its digits two by two.
    let date = pairs(*date.first_chunk()?, *b"0000-00-")?;
    let (year, month, day) = (date(0) * 100 + date(2), date(5), pair(tens, ones)?);
    Some(days(year.into(), month, day)? * DAY_SECONDS)
}

/// Eight bytes against a pattern in which `0` stands for a digit and anything else for itself;
/// gives the number that two digits from a place on are.
#[inline]
fn pairs(bytes: [u8; 8], pattern: [u8; 8]) -> Option<impl Fn(u32) -> u32> {
    // Now a digit is its value, and what equals the pattern is 0.
    let values = u64::from_le_bytes(bytes) ^ u64::from_le_bytes(pattern);
    let limits = pattern.map(|byte| if byte == b'0' { 0x76 } else { 0x7f });
    // A byte beyond its limit reaches the highest bit, with or without its neighbour's carry.
    let beyond = (values & EACH_LOW).wrapping_add(u64::from_le_bytes(limits)) | values;
    let tens = values.wrapping_mul(10).wrapping_add(values >> 8);
    (beyond & EACH_HIGH == 0).then_some(move |place: u32| (tens >> (8 * place)) as u32 & 0xff)
}

/// Reads a whole text as RFC 3339 (a time without a zone is UTC) or as a number of the epoch.
#[must_use]
pub fn any(text: &str) -> Option<u64> {
    Calendar::default().any(text.as_bytes())
}

#[cold]
fn any_trimmed(text: &str) -> Option<u64> {
    let whole = rfc3339(text.as_bytes(), true).filter(|(_, taken)| *taken == text.len());
    whole.map(|(time, _)| time).or_else(|| epoch(text))
}

/// Reads a number of the epoch: its size says whether it counts seconds, milliseconds,
/// microseconds or nanoseconds. Fractions are exact, because they never become a float. One below
/// [`EPOCH_SECONDS_MIN`] is no time.
#[must_use]
pub fn epoch(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 20 || !digits(whole) || !digits(decimals) {
        return None;
    }
    let count: u64 = whole.parse().ok()?;
    let unit = match count {
        ..EPOCH_SECONDS_MIN => return None,
        EPOCH_SECONDS_MIN..100_000_000_000 => SECOND,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    let mut part = unit;
    let mut rest = 0;
    for digit in decimals.bytes() {
        part /= 10;
        rest += u64::from(digit - b'0') * part;
    }
    count.checked_mul(unit)?.checked_add(rest)
}

/// The time of the given date and clock in UTC, plus nanoseconds; `None` when there is none such.
#[must_use]
pub fn civil(date: (i64, u32, u32), hms: (u32, u32, u32), nanos: u32) -> Option<u64> {
    let (year, month, day) = date;
    let (hour, minute, second) = hms;
    let clock = clock(hour, minute, second)?;
    nanoseconds(days(year, month, day)? * DAY_SECONDS + i64::from(clock), nanos)
}

/// The year, month and day of a time, in UTC.
#[must_use]
pub fn date(time: u64) -> (i64, u32, u32) {
    let days = i64::try_from(time / SECOND).unwrap_or(0) / DAY_SECONDS;
    // Years that begin in March have their leap day at the end.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// The time of a date without a year in UTC: the latest one that is at most a day after `now`.
/// In January a line of December is one of last year; 29 February may be one of eight years ago.
pub(crate) fn yearless(
    date: (u32, u32),
    hms: (u32, u32, u32),
    nanos: u32,
    now: u64,
) -> Option<u64> {
    let (year, ..) = self::date(now);
    let at = |year: i64| civil((year, date.0, date.1), hms, nanos);
    let latest = now.saturating_add(86_400 * SECOND);
    let found = (-1..9).filter_map(|back| at(year - back)).find(|time| *time <= latest);
    found.or_else(|| at(year))
}

/// Reads `.123` or `,123` at `at`; gives nanoseconds and where it ended.
#[inline]
pub(crate) fn fraction(text: &[u8], at: usize) -> (u32, usize) {
    if !matches!(text.get(at), Some(b'.' | b',')) {
        return (0, at);
    }
    let (mut nanos, mut unit, mut end) = (0, 100_000_000, at + 1);
    if let Some(bytes) = eight_bytes(text, end) {
        let count = digits::count(bytes);
        let number = digits::scaled(bytes, count);
        end += count as usize;
        if count < 8 {
            return if count == 0 { (0, at) } else { (number * 10, end) };
        }
        (nanos, unit) = (number * 10, 1);
    }
    while let Some(digit) = text.get(end).copied().and_then(digit) {
        nanos += digit * unit;
        unit /= 10;
        end += 1;
    }
    if end == at + 1 { (0, at) } else { (nanos, end) }
}

/// The eight bytes at `at`, the first one lowest. What is beyond the text's end is 0.
#[inline]
fn eight_bytes(text: &[u8], at: usize) -> Option<u64> {
    let rest = text.get(at..)?;
    match rest.first_chunk() {
        Some(bytes) => Some(u64::from_le_bytes(*bytes)),
        None => u64::from_le_bytes(*text.last_chunk()?).checked_shr(64 - 8 * rest.len() as u32),
    }
}

/// Reads `08:00` or `0800`; gives minutes and how many bytes it took.
pub(crate) fn zone(text: &[u8]) -> Option<(i64, usize)> {
    let (hours, minutes, taken) = match *text {
        [h1, h2, b':', m1, m2, ..] => (pair(h1, h2)?, pair(m1, m2)?, 5),
        [h1, h2, m1, m2, ..] => (pair(h1, h2)?, pair(m1, m2)?, 4),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some((i64::from(hours * 60 + minutes), taken))
}

/// Two digits.
#[inline]
pub(crate) fn pair(tens: u8, ones: u8) -> Option<u32> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[inline]
fn digit(byte: u8) -> Option<u32> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u32::from(digit))
}

/// Seconds of the day. A leap second is the last second before it.
#[inline]
fn clock(hour: u32, minute: u32, second: u32) -> Option<u32> {
    let possible = hour < 24 && minute < 60 && second <= 60;
    possible.then(|| hour * 3_600 + minute * 60 + second.min(59))
}

/// Days from 1970-01-01 to the date.
#[inline]
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    const LAST: [u32; 13] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let year = u32::try_from(year).ok().filter(|year| (1..100_000).contains(year))?;
    let leap = || year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = *LAST.get(month as usize)?;
    if day == 0 || day > last || (day == 29 && month == 2 && !leap()) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, shifted) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let century = year / 100;
    let leaps = year / 4 - century + century / 4;
    Some(i64::from(year * 365 + leaps + of_year) - 719_468)
}

#[inline]
fn nanoseconds(seconds: i64, nanos: u32) -> Option<u64> {
    u64::try_from(seconds).ok()?.checked_mul(SECOND)?.checked_add(nanos.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn r13_timestamps_have_offsets_and_up_to_nine_fraction_digits() {
        let cases = [
            ("1970-01-01T00:00:01Z", 1_000_000_000),
            ("2016-10-06T00:17:09.669794202Z", 1_475_713_029_669_794_202),
            ("2016-10-06T08:17:09.669794202+08:00", 1_475_713_029_669_794_202),
            ("2016-10-05T18:47:09.6-0530", 1_475_713_029_600_000_000),
            ("2024-02-29 23:59:60,5", 1_709_251_199_500_000_000),
            ("2024-01-01t00:00:00.1234567891234z", 1_704_067_200_123_456_789),
            ("2554-07-21T23:34:33Z", 18_446_744_073_000_000_000),
        ];
        for (text, time) in cases {
            assert_eq!(rfc3339(text.as_bytes(), true), Some((time, text.len())), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let cases = [
            "",
            "2024-01-01",
            "2024-13-01T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+1",
            "2024-01-01T00:00:00.Z",
            "1969-12-31T23:59:59Z",
            "2555-01-01T00:00:00Z",
            "２024-01-01T00:00:00Z",
        ];
        for text in cases {
            assert_eq!(rfc3339(text.as_bytes(), false), None, "{text}");
        }
    }

    #[test]
    fn a_calendar_gives_what_the_text_says_whatever_it_read_before() {
        let mut calendar = Calendar::default();
        let texts = [
            "\0\0\0\0\0\0\0\0\0\0T00:00:00Z",
            "2024-02-29T13:04:05.123456789Z",
            "2024-02-29T13:04:06+08:00",
            "2024-02-30T13:04:05Z",
            "2024-02-29T25:04:05Z",
            "2024-02-29T00:00:00Z",
            "1970-01-01T00:00:07Z",
            " 2024-02-29 00:00:00 ",
            "1700000000",
        ];
        for text in texts.iter().chain(texts.iter().rev()) {
            let fresh = rfc3339(text.as_bytes(), true);
            assert_eq!(calendar.rfc3339(text.as_bytes(), true), fresh, "{text}");
            assert_eq!(calendar.any(text.as_bytes()), any(text), "{text}");
        }
        assert_eq!(any(texts[0]), None);
        assert_eq!(any(texts[7]), any(texts[5]));
    }

    /// The definition, one number after the other.
    fn slow(text: &[u8]) -> Option<u64> {
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
            String::from_utf8(digits.to_vec()).ok()?.parse::<u32>().ok()
        };
        let marks = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":"), (19, "."), (29, "Z")];
        if marks.iter().any(|(at, mark)| !mark.as_bytes().contains(&text[*at])) {
            return None;
        }
        let date = (i64::from(number(0..4)?), number(5..7)?, number(8..10)?);
        civil(date, (number(11..13)?, number(14..16)?, number(17..19)?), number(20..29)?)
    }

    #[test]
    fn every_byte_is_part_of_a_time_or_not_at_every_place() {
        for byte in 0..=255_u8 {
            for place in (0..30).filter(|place| ![19, 29].contains(place)) {
                let mut text = *b"2024-02-29T13:04:05.123456789Z";
                let mut calendar = Calendar::default();
                calendar.rfc3339(&text, false).unwrap();
                text[place] = byte;
                let found = rfc3339(&text, false).filter(|found| found.1 == text.len());
                assert_eq!(found.map(|found| found.0), slow(&text), "{byte} at {place}");
                // Whether this second was the one before or not.
                let again = calendar.rfc3339(&text, false).filter(|found| found.1 == text.len());
                assert_eq!(again, found, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn a_number_of_the_epoch_is_read_by_its_size_and_exactly() {
        let second = 1_700_000_000 * SECOND;
        for (text, time) in [
            ("1700000000", second),
            ("1700000000.123456789", second + 123_456_789),
            ("1700000000.1234567899", second + 123_456_789),
            ("1700000000123", second + 123_000_000),
            ("1700000000123.5", second + 123_500_000),
            ("1700000000123456", second + 123_456_000),
            ("1700000000123456789", second + 123_456_789),
        ] {
            assert_eq!(any(text), Some(time), "{text}");
        }
        for text in ["100000000", "100000000.0"] {
            assert_eq!(any(text), Some(EPOCH_SECONDS_MIN * SECOND), "{text}");
        }
        for text in ["99999999", "99999999.9", "35", "1.5", "1"] {
            assert_eq!(any(text), None, "{text}");
        }
        for text in ["", "0", "-1", "1e9", "99999999999999999999999", "1.x", ".5", "1700000000s"] {
            assert_eq!(any(text), None, "{text}");
        }
    }

    #[test]
    fn the_second_of_the_line_before_has_any_fraction_and_zone() {
        let mut calendar = Calendar::default();
        for second in ["2024-02-29T13:04:05", "2554-07-21T23:34:33", "1970-01-01T00:00:00"] {
            calendar.rfc3339(format!("{second}Z").as_bytes(), false).unwrap();
            for digits in 0..=12 {
                let fraction: String = "987654321012".chars().take(digits).collect();
                for mark in [".", ",", ""] {
                    for rest in ["Z", "z", "", "+08:00", "-0530", "x", ":", "Z9"] {
                        let text = format!("{second}{mark}{fraction}{rest}");
                        let fresh = rfc3339(text.as_bytes(), false);
                        let again = calendar.rfc3339(text.as_bytes(), false);
                        assert_eq!(again, fresh, "{text}");
                    }
                }
            }
        }
        // Not all of this second can be counted.
        for text in ["2554-07-21T23:34:33Z", "2554-07-21T23:34:33.8Z", "2554-07-21T23:34:33.5Z"] {
            let last = "2554-07-21T23:34:33.709551615Z";
            let _ = calendar.rfc3339(text.as_bytes(), false);
            assert_eq!(calendar.rfc3339(last.as_bytes(), false), Some((u64::MAX, 30)));
            assert_eq!(calendar.rfc3339(text.as_bytes(), false), rfc3339(text.as_bytes(), false));
        }
    }

    proptest! {
        #[test]
        fn a_date_is_found_again(time in 0u64..18_446_744_073_000_000_000) {
            let (year, month, day) = date(time);
            let midnight = civil((year, month, day), (0, 0, 0), 0).unwrap();
            prop_assert_eq!(midnight, time / SECOND / 86_400 * 86_400 * SECOND);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in "[0-9TZ:.+, -]{0,40}") {
            let _ = rfc3339(bytes.as_bytes(), true);
            let _ = any(&bytes);
        }
    }
}
