//! Records as lines of a file: the body alone, or JSON:
//! `{"time":"…","observed":"…","severity":"…","body":"…","attributes":{…},"resource":{…}}`.
//!
//! Times are RFC 3339 in UTC with nanoseconds. A line of JSON is always valid and holds no
//! control character, so it is safe to print.

use super::{Pushed, flags};
use crate::block::Origin;
use crate::config::{Batch, Format};
use lines::{Flags, Record, Records, Value};
use std::io::Write as _;
use std::ops::Range;

/// Lines that grow.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    limits: Batch,
    format: Format,
    /// The second that was last written as text: most records share it with the one before.
    second: (u64, [u8; 19]),
}

impl Lines {
    pub(super) fn new(limits: Batch, format: Format) -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), limits, format, second: (u64::MAX, [0; 19]) }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn body(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let (start, end) = self.span(range);
        out.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
    }

    /// The lines as they lie here.
    pub(crate) fn lines(&self, range: Range<usize>) -> &[u8] {
        let (start, end) = self.span(range);
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn span(&self, range: Range<usize>) -> (usize, usize) {
        let before =
            |at: usize| at.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let end = range.end.min(self.ends.len());
        (before(range.start.min(end)), before(end))
    }

    pub(super) fn push(&mut self, records: &Records, record: &Record, origin: &Origin) -> Pushed {
        if self.ends.len() >= self.limits.records {
            return Pushed::Full;
        }
        let start = self.bytes.len();
        match self.format {
            Format::Json => self.write(records, record, origin),
            Format::Text => {
                self.bytes.extend_from_slice(records.body(record).as_bytes());
                self.bytes.push(b'\n');
            }
        }
        let length = self.bytes.len() - start;
        if self.bytes.len() > self.limits.bytes && start > 0 {
            self.bytes.truncate(start);
            return Pushed::Full;
        }
        // A single line that is longer than a batch is sent alone: a file has no bound.
        debug_assert!(length > 0);
        self.ends.push(self.bytes.len());
        Pushed::Added
    }

    fn write(&mut self, records: &Records, record: &Record, origin: &Origin) {
        self.bytes.extend_from_slice(b"{\"time\":\"");
        self.time(super::time(record));
        self.bytes.extend_from_slice(b"\"");
        let out = &mut self.bytes;
        if record.severity != 0 {
            out.extend_from_slice(b",\"severity_number\":");
            decimal(out, u64::from(record.severity));
        }
        if !record.severity_text.is_empty() {
            out.extend_from_slice(b",\"severity\":");
            string(out, records.text(record.severity_text));
        }
        out.extend_from_slice(b",\"body\":");
        string(out, records.body(record));
        if record.has_trace() {
            out.extend_from_slice(b",\"trace_id\":\"");
            hex(out, &record.trace_id);
            out.push(b'"');
        }
        if record.span_id != [0; 8] {
            out.extend_from_slice(b",\"span_id\":\"");
            hex(out, &record.span_id);
            out.push(b'"');
        }
        attributes(out, records, record);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(origin.json.as_bytes());
        out.extend_from_slice(b"}\n");
    }

    fn time(&mut self, nanoseconds: u64) {
        let (second, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        if self.second.0 != second {
            self.second = (second, date(second));
        }
        self.bytes.extend_from_slice(&self.second.1);
        self.bytes.extend_from_slice(&fraction(rest as u32));
    }
}

fn attributes(out: &mut Vec<u8>, records: &Records, record: &Record) {
    let fields = records.fields(record);
    if fields.is_empty() && record.flags == Flags::default() && record.adjusted == 1.0 {
        return;
    }
    out.extend_from_slice(b",\"attributes\":{");
    let mut first = true;
    let mut name = |out: &mut Vec<u8>, name: &str| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        string(out, name);
        out.push(b':');
    };
    for field in fields {
        name(out, records.text(field.key));
        value(out, records, field.value);
    }
    if record.flags.has(Flags::STDERR) {
        name(out, "log.iostream");
        out.extend_from_slice(b"\"stderr\"");
    }
    for (flag, _) in flags(record) {
        name(out, flag);
        out.extend_from_slice(b"true");
    }
    if record.flags.has(Flags::TRUNCATED) {
        name(out, "log.original_length");
        decimal(out, record.original_len);
    }
    if record.adjusted != 1.0 {
        name(out, "sampling.adjusted_count");
        let _ = write!(out, "{}", record.adjusted);
    }
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, records: &Records, value: Value) {
    match value {
        Value::Str(span) => string(out, records.text(span)),
        // Valid JSON by contract, but maybe with line breaks between its parts.
        Value::Json(span) => out.extend(records.text(span).bytes().map(|byte| match byte {
            b'\n' | b'\r' | b'\t' => b' ',
            other => other,
        })),
        Value::Int(number) => {
            if number < 0 {
                out.push(b'-');
            }
            decimal(out, number.unsigned_abs());
        }
        Value::UInt(number) => decimal(out, number),
        Value::Number(span) => out.extend_from_slice(records.text(span).as_bytes()),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

/// A text in quotes. What a terminal could take as a command is escaped.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escaped(out, bytes);
    }
    out.push(b'"');
}

/// Whether no byte has to be escaped. The last bytes are looked at as a whole word, too, some of
/// them a second time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let word = if let Some(last) = bytes.last_chunk() {
        let (words, _) = bytes.as_chunks::<WORD>();
        let found = words.iter().fold(0, |found, word| found | specials(*word));
        return found | specials(*last) == 0;
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) =
        (bytes.first_chunk(), bytes.last_chunk())
    {
        [*a, *b, *c, *d, *e, *f, *g, *h]
    } else {
        let at = |index: usize| bytes.get(index).copied().unwrap_or(b' ');
        [at(0), at(1), at(2), b' ', b' ', b' ', b' ', b' ']
    };
    specials(word) == 0
}

/// Bytes that are looked at together.
const WORD: usize = 8;

/// Not 0 if and only if one of the bytes is below 0x20, a quote, a backslash or DEL.
#[inline]
fn specials(word: [u8; WORD]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(word);
    let below = |word: u64, bound: u64| word.wrapping_sub(EACH * bound);
    let equal = |byte: u64| below(word ^ (EACH * byte), 1);
    (below(word, 0x20) | equal(0x22) | equal(0x5c) | equal(0x7f)) & !word & (EACH * 0x80)
}

/// Runs of plain bytes are copied at once.
fn escaped(out: &mut Vec<u8>, mut bytes: &[u8]) {
    let is_special = |byte: &u8| matches!(*byte, 0..0x20 | b'"' | b'\\' | 0x7f);
    loop {
        let (words, _) = bytes.as_chunks::<WORD>();
        let whole = WORD * words.iter().take_while(|word| specials(**word) == 0).count();
        let more = bytes.iter().skip(whole).take_while(|byte| !is_special(byte)).count();
        let (run, rest) = bytes.split_at_checked(whole + more).unwrap_or((bytes, &[]));
        out.extend_from_slice(run);
        let Some((byte, rest)) = rest.split_first() else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => escape(out, *other),
        }
        bytes = rest;
    }
}

/// A control character.
#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        other => {
            out.extend_from_slice(b"\\u00");
            hex(out, &[other]);
        }
    }
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        out.extend_from_slice(&hex4(*four));
    }
    for byte in rest {
        let [high, low, ..] = hex4([*byte, 0, 0, 0]);
        out.extend_from_slice(&[high, low]);
    }
}

/// The eight digits of four bytes.
#[inline]
fn hex4(bytes: [u8; 4]) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let bytes = u64::from(u32::from_le_bytes(bytes));
    let twos = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff;
    let ones = (twos | twos << 8) & 0x00ff_00ff_00ff_00ff;
    // The higher half of a byte comes first.
    let digits = (ones >> 4 | ones << 8) & (EACH * 0x0f);
    let letters = (digits + EACH * 6) >> 4 & EACH;
    (digits + EACH * u64::from(b'0') + letters * 39).to_le_bytes()
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        if let Some(place) = digits.get_mut(at) {
            *place = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// `.123456789Z` of nanoseconds.
#[inline]
fn fraction(nanoseconds: u32) -> [u8; 11] {
    let two = |number: u32| [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
    let (high, low) = (nanoseconds / 10_000, nanoseconds % 10_000);
    let ([a], [b, c], [d, e]) =
        ([b'0' + (high / 10_000) as u8], two(high / 100 % 100), two(high % 100));
    let ([f, g], [h, i]) = (two(low / 100), two(low % 100));
    [b'.', a, b, c, d, e, f, g, h, i, b'Z']
}

/// `2026-01-02T03:04:05` of seconds since 1970.
fn date(second: u64) -> [u8; 19] {
    let (days, clock) = (second / 86_400, second % 86_400);
    // Years are counted from March, in eras of 400 years, so that the leap day is the last one.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00";
    let parts = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, clock / 3_600),
        (14, 2, clock / 60 % 60),
        (17, 2, clock % 60),
    ];
    for (start, width, number) in parts {
        let mut rest = number;
        for place in text.iter_mut().skip(start).take(width).rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(records: usize, bytes: usize) -> Batch {
        Batch { records, bytes, ..Batch::default() }
    }

    fn records(bodies: &[&str]) -> Records {
        let mut records = Records::new();
        for body in bodies {
            let (key, number) = (records.push_name("n\n"), Value::Int(-7));
            records.push_field(key, number);
            let body = records.push_text(body);
            let time = 1_700_000_000_000_000_042;
            records.push(Record { body, line: body, time, severity: 9, ..Record::default() });
        }
        records
    }

    #[test]
    fn a_line_is_json_with_the_names_of_the_page() {
        let records = records(&["say \"hi\"\u{1b}[31m"]);
        let mut lines = Lines::new(limits(10, 10_000), Format::Json);
        let origin = Origin::new([("a".to_owned(), "b".to_owned())], "/p", None);
        assert_eq!(lines.push(&records, &records.records()[0], &origin), Pushed::Added);
        let text = std::str::from_utf8(lines.lines(0..1)).unwrap();
        assert_eq!(
            text,
            "{\"time\":\"2023-11-14T22:13:20.000000042Z\",\"severity_number\":9,\
             \"body\":\"say \\\"hi\\\"\\u001b[31m\",\"attributes\":{\"n\\n\":-7},\
             \"resource\":{\"a\":\"b\"}}\n"
        );
    }

    #[test]
    fn a_line_of_text_is_the_body_as_it_is() {
        let records = records(&["say \"hi\"\u{1b}[31m", ""]);
        let mut lines = Lines::new(limits(10, 10_000), Format::Text);
        for record in records.records() {
            assert_eq!(lines.push(&records, record, &Origin::default()), Pushed::Added);
        }
        assert_eq!(lines.lines(0..2), b"say \"hi\"\x1b[31m\n\n");
    }

    #[test]
    fn a_batch_is_full_at_its_bounds_and_any_range_can_be_taken_out() {
        let records = records(&["a", "b", "c"]);
        let origin = Origin::new([], "/p", None);
        let push =
            |lines: &mut Lines, at: usize| lines.push(&records, &records.records()[at], &origin);
        let mut lines = Lines::new(limits(2, 10_000), Format::Json);
        assert_eq!(
            [0, 1, 2].map(|at| push(&mut lines, at)),
            [Pushed::Added, Pushed::Added, Pushed::Full]
        );
        assert!(lines.lines(1..2).starts_with(b"{") && lines.lines(1..2).ends_with(b"}\n"));
        assert_eq!(lines.lines(5..9), b"");
        let mut small = Lines::new(limits(10, 10), Format::Json);
        assert_eq!([0, 1].map(|at| push(&mut small, at)), [Pushed::Added, Pushed::Full]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (4_102_444_799, "2099-12-31T23:59:59"),
        ] {
            assert_eq!(std::str::from_utf8(&date(second)).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn a_string_is_what_serde_json_reads_back(text in "\\PC{0,40}[\\x00-\\x1f\"\\\\\\x7f]{0,3}\\PC{0,40}") {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert!(out.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
            let back: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
