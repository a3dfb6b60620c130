//! Records as JSON lines:
//! `{"time":"…","observed":"…","severity":"…","body":"…","attributes":{…},"resource":{…}}`.
//!
//! Times are RFC 3339 in UTC with nanoseconds. A line of JSON is always valid and holds no
//! control character of ASCII, but for DEL in nested values.

use super::{Pushed, flags, is_usual};
use crate::block::Origin;
use crate::config::{Batch, Members};
use lines::{Field, Flags, Record, Records, Span, Value};
use otlp::Room;
use std::ops::Range;

/// A line that does not fit gets a larger buffer, and the first one this.
const GROWTH_BYTES_MIN: usize = 64 * 1024;

/// Texts of at most so many bytes are copied as if they had all of them.
const SHORT: usize = 32;
/// Texts of at most so many bytes are, too, apart from the others.
const AHEAD: usize = 96;

/// Lines that grow.
#[derive(Debug)]
pub(crate) struct Lines {
    /// What is written and room for more.
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
    limits: Batch,
    members: Members,
    second: Second,
}

/// The second that was last written as text: most records share it with the one before.
#[derive(Debug)]
struct Second {
    number: u64,
    text: [u8; 19],
}

impl Lines {
    pub(super) fn new(limits: Batch, members: Members) -> Self {
        let second = Second { number: u64::MAX, text: [0; 19] };
        Self { bytes: Vec::new(), ends: Vec::new(), limits, members, second }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        let most = self.limits.bytes + AHEAD;
        if self.bytes.len() > most {
            // A huge line made it grow.
            self.bytes.truncate(most);
            self.bytes.shrink_to_fit();
        }
    }

    /// The lines as they lie here.
    pub(crate) fn lines(&self, range: Range<usize>) -> &[u8] {
        let before =
            |at: usize| at.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let end = range.end.min(self.ends.len());
        self.bytes.get(before(range.start.min(end))..before(end)).unwrap_or_default()
    }

    pub(super) fn push(&mut self, records: &Records, record: &Record, origin: &Origin) -> Pushed {
        if self.ends.len() >= self.limits.records {
            return Pushed::Full;
        }
        let start = self.ends.last().copied().unwrap_or(0);
        loop {
            let room = Room::new(self.bytes.get_mut(start..).unwrap_or_default());
            let second = &mut self.second;
            let written = line(room, records, record, (origin, self.members), second);
            let end = written.map(|room| room.left()).map(|left| self.bytes.len() - left);
            match end {
                // A single line that is longer than a batch is sent alone: a file has no bound.
                Some(end) if end <= self.limits.bytes || start == 0 => {
                    self.ends.push(end);
                    return Pushed::Added;
                }
                None if start == 0 || self.bytes.len() < self.limits.bytes + AHEAD => {
                    self.grow(start);
                }
                _ => return Pushed::Full,
            }
        }
    }

    /// A larger buffer; not larger than a batch, but for a line that is alone in it.
    #[cold]
    fn grow(&mut self, start: usize) {
        let most = if start > 0 { self.limits.bytes + AHEAD } else { usize::MAX };
        let length = (self.bytes.len() * 2).max(GROWTH_BYTES_MIN).min(most);
        self.bytes.resize(length, 0);
    }
}

/// Apart from the loop that calls it, so that what does not change in that is not made ahead.
#[inline(never)]
fn line<'b>(
    room: Room<'b>,
    records: &Records,
    record: &Record,
    (origin, members): (&Origin, Members),
    second: &mut Second,
) -> Option<Room<'b>> {
    let (mut room, mut before) = (room, b'{');
    if members.has(Members::TIME) {
        let named = room.array(&after(&mut before, *b",\"time\":\""))?;
        room = time(named, super::time(record), second)?;
    }
    let plain = record.plain;
    if members.has(Members::SEVERITY) {
        room = severity(room, records, record, &mut before)?;
    }
    if members.has(Members::BODY) {
        let plain = plain && record.body != record.line;
        let named = room.array(&after(&mut before, *b",\"body\":"))?;
        room = body(named, records, record.body, plain)?;
    }
    if members.has(Members::TRACE) {
        if record.has_trace() {
            let named = room.array(&after(&mut before, *b",\"trace_id\":\""))?;
            room = hex(named, &record.trace_id)?.array(b"\"")?;
        }
        if record.span_id != [0; 8] {
            let named = room.array(&after(&mut before, *b",\"span_id\":\""))?;
            room = hex(named, &record.span_id)?.array(b"\"")?;
        }
    }
    if members.has(Members::ATTRIBUTES) {
        room = attributes(room, records, record, &mut before)?;
    }
    if members.has(Members::RESOURCE) {
        let named = room.array(&after(&mut before, *b",\"resource\":"))?;
        room = named.bytes(origin.json.as_bytes())?;
    }
    if before == b'{' {
        // Nothing of what is wanted is there.
        room = room.array(b"{")?;
    }
    room.array(b"}\n")
}

/// The name of a member behind what comes before it, a brace or a comma.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each member of each record")]
fn after<const N: usize>(before: &mut u8, mut name: [u8; N]) -> [u8; N] {
    if let Some(first) = name.first_mut() {
        *first = std::mem::replace(before, b',');
    }
    name
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each record")]
fn severity<'b>(
    mut room: Room<'b>,
    records: &Records,
    record: &Record,
    before: &mut u8,
) -> Option<Room<'b>> {
    if record.severity != 0 {
        room = room.array(&after(before, *b",\"severity_number\":"))?;
        room = match (record.severity / 10, b'0' + record.severity % 10) {
            (0, ones) => room.array(&[ones])?,
            (tens @ 1..10, ones) => room.array(&[b'0' + tens, ones])?,
            _ => decimal(room, u64::from(record.severity))?,
        };
    }
    if !record.severity_text.is_empty() {
        let named = room.array(&after(before, *b",\"severity\":"))?;
        room = text(named, records, record.severity_text, record.plain)?;
    }
    Some(room)
}

/// A time up to its closing quote.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each record")]
fn time<'b>(room: Room<'b>, nanoseconds: u64, second: &mut Second) -> Option<Room<'b>> {
    let (number, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    if second.number != number {
        *second = Second { number, text: date(number) };
    }
    room.array(&second.text)?.array(&fraction(rest as u32))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each record")]
fn attributes<'b>(
    mut room: Room<'b>,
    records: &Records,
    record: &Record,
    before: &mut u8,
) -> Option<Room<'b>> {
    let fields = records.fields(record);
    let is_usual = is_usual(record);
    if fields.is_empty() && is_usual {
        return Some(room);
    }
    room = room.array(&after(before, *b",\"attributes\":"))?;
    let mut lead = b'{';
    for field in fields {
        room = room.array(&[lead])?;
        lead = b',';
        if record.plain {
            if let Some(member) = as_written(*field) {
                room = copy(room, records, member)?;
                continue;
            }
            if let Some((bytes, length)) = number_as_written(records, *field) {
                room = room.some(bytes, length)?;
                continue;
            }
        }
        room = text(room, records, field.key, record.plain)?;
        room = value(room.array(b":")?, records, field.value, record.plain)?;
    }
    if !is_usual {
        room = marks(room, record, lead)?;
    }
    room.array(b"}")
}

/// Where the name and the value of a field stand in the line as they are written here, when they
/// do. Both are of one JSON text, so what lies between them can be nothing but a quote, a colon and
/// maybe another quote when it has as many bytes.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each field of each record")]
fn as_written(field: Field) -> Option<Span> {
    let (value, quote) = match field.value {
        Value::Str(value) => (value, 1),
        Value::Number(value) => (value, 0),
        _ => return None,
    };
    let start = field.key.start.checked_sub(1)?;
    let between = value.start.checked_sub(field.key.start)?.checked_sub(field.key.len)?;
    (between == 2 + quote).then(|| Span { start, len: value.start + value.len + quote - start })
}

/// The name and the whole number of a field, with more behind them, when they stand in the line as
/// they are written here: the digits behind the name say whether they do. How many bytes they are.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each field of each record")]
fn number_as_written(records: &Records, field: Field) -> Option<(&[u8; SHORT], usize)> {
    let Value::Int(number) = field.value else { return None };
    // The name with its quotes and the colon.
    let named = Span { start: field.key.start.checked_sub(1)?, len: field.key.len + 3 };
    let (bytes, length) = (records.ahead::<SHORT>(named)?, named.len as usize);
    let (name, rest) = bytes.split_at_checked(length)?;
    let word = u64::from_le_bytes(*rest.first_chunk()?);
    let count = lines::digits::count(word);
    let is_it = name.ends_with(b"\":")
        && (1..8).contains(&count)
        && i64::from(lines::digits::number(word, count)) == number;
    is_it.then_some((bytes, length + count as usize))
}

/// Attributes that few records have.
#[inline(never)]
fn marks<'b>(mut room: Room<'b>, record: &Record, mut before: u8) -> Option<Room<'b>> {
    let mut name = |room: Room<'b>, name: &str| {
        let room = room.array(&[std::mem::replace(&mut before, b',')])?;
        quoted(room, name)?.array(b":")
    };
    if record.flags.has(Flags::STDERR) {
        room = quoted(name(room, "log.iostream")?, "stderr")?;
    }
    for (flag, _) in flags(record) {
        room = name(room, flag)?.array(b"true")?;
    }
    if record.flags.has(Flags::TRUNCATED) {
        room = decimal(name(room, "log.original_length")?, record.original_len)?;
    }
    if record.adjusted != 1.0 {
        room = name(room, "sampling.adjusted_count")?;
        room = room.bytes(record.adjusted.to_string().as_bytes())?;
    }
    Some(room)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each field of each record")]
fn value<'b>(room: Room<'b>, records: &Records, value: Value, plain: bool) -> Option<Room<'b>> {
    match value {
        Value::Str(span) => text(room, records, span, plain),
        Value::Json(span) => nested(room, &records.json(span)),
        Value::Int(number) => integer(room, number),
        Value::UInt(number) => decimal(room, number),
        Value::Number(span) => copy(room, records, span),
        Value::Bool(true) => room.array(b"true"),
        Value::Bool(false) => room.array(b"false"),
        Value::Null => room.array(b"null"),
    }
}

/// Valid JSON by contract, but maybe with line breaks between its parts.
#[inline(never)]
fn nested<'b>(mut room: Room<'b>, json: &str) -> Option<Room<'b>> {
    for (index, part) in json.split(['\n', '\r', '\t']).enumerate() {
        if index > 0 {
            room = room.array(b" ")?;
        }
        room = room.bytes(part.as_bytes())?;
    }
    Some(room)
}

/// A text of the block in quotes; `plain` when it is known that nothing in it has to be escaped.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each text of each record")]
fn text<'b>(room: Room<'b>, records: &Records, span: Span, plain: bool) -> Option<Room<'b>> {
    if !plain {
        return quoted(room, records.text(span));
    }
    copy(room.array(b"\"")?, records, span)?.array(b"\"")
}

/// The same for the body, which is longer than most.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each record")]
fn body<'b>(room: Room<'b>, records: &Records, span: Span, plain: bool) -> Option<Room<'b>> {
    match records.ahead(span).filter(|_| plain) {
        Some(bytes) => {
            let room = room.array(b"\"")?.some::<AHEAD>(bytes, span.len as usize)?;
            room.array(b"\"")
        }
        None => text(room, records, span, plain),
    }
}

/// A text of the block as it is. Most are short: a fixed number of bytes is copied faster than a
/// few that have to be counted first.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each text of each record")]
fn copy<'b>(room: Room<'b>, records: &Records, span: Span) -> Option<Room<'b>> {
    match records.ahead(span) {
        Some(bytes) => room.some::<SHORT>(bytes, span.len as usize),
        None => copy_long(room, records, span),
    }
}

#[inline(never)]
fn copy_long<'b>(room: Room<'b>, records: &Records, span: Span) -> Option<Room<'b>> {
    match records.ahead(span) {
        Some(bytes) => room.some::<AHEAD>(bytes, span.len as usize),
        None => room.bytes(records.text(span).as_bytes()),
    }
}

/// A text in quotes. What a terminal could take as a command is escaped.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    // A byte has six at most when it is escaped.
    out.resize(start + text.len() * 6 + 2, 0);
    let room = Room::new(out.get_mut(start..).unwrap_or_default());
    let left = quoted(room, text).map_or(0, |room| room.left());
    out.truncate(out.len() - left);
}

#[inline(never)]
fn quoted<'b>(room: Room<'b>, text: &str) -> Option<Room<'b>> {
    let (room, bytes) = (room.array(b"\"")?, text.as_bytes());
    let room = if is_plain(bytes) { room.bytes(bytes)? } else { escaped(room, bytes)? };
    room.array(b"\"")
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
fn escaped<'b>(mut room: Room<'b>, mut bytes: &[u8]) -> Option<Room<'b>> {
    let is_special = |byte: &u8| matches!(*byte, 0..0x20 | b'"' | b'\\' | 0x7f);
    loop {
        let (words, _) = bytes.as_chunks::<WORD>();
        let whole = WORD * words.iter().take_while(|word| specials(**word) == 0).count();
        let more = bytes.iter().skip(whole).take_while(|byte| !is_special(byte)).count();
        let (run, rest) = bytes.split_at_checked(whole + more).unwrap_or((bytes, &[]));
        room = room.bytes(run)?;
        let Some((byte, rest)) = rest.split_first() else { return Some(room) };
        room = match byte {
            b'"' => room.array(b"\\\"")?,
            b'\\' => room.array(b"\\\\")?,
            other => escape(room, *other)?,
        };
        bytes = rest;
    }
}

/// A control character.
#[cold]
fn escape(room: Room<'_>, byte: u8) -> Option<Room<'_>> {
    match byte {
        b'\n' => room.array(b"\\n"),
        b'\r' => room.array(b"\\r"),
        b'\t' => room.array(b"\\t"),
        other => {
            let [high, low, ..] = lines::hex::digits([other, 0, 0, 0, 0, 0, 0, 0]);
            room.array(b"\\u00")?.array(&[high, low])
        }
    }
}

/// The digits of an id, whose length is a multiple of eight.
#[inline]
fn hex<'b>(mut room: Room<'b>, bytes: &[u8]) -> Option<Room<'b>> {
    let (eights, _) = bytes.as_chunks::<8>();
    for eight in eights {
        room = room.array(&lines::hex::digits(*eight))?;
    }
    Some(room)
}

/// Bytes that a whole number takes, with room to write eight digits where few are left.
pub(crate) const DIGITS: usize = 32;

/// The digits of a whole number, when the value is one.
pub(crate) fn digits(value: Value, out: &mut [u8; DIGITS]) -> Option<&[u8]> {
    let room = Room::new(out);
    let left = match value {
        Value::Int(number) => integer(room, number)?.left(),
        Value::UInt(number) => decimal(room, number)?.left(),
        _ => return None,
    };
    out.get(..DIGITS - left)
}

#[inline]
fn integer(room: Room<'_>, number: i64) -> Option<Room<'_>> {
    let room = if number < 0 { room.array(b"-")? } else { room };
    decimal(room, number.unsigned_abs())
}

/// A number.
#[inline]
fn decimal(room: Room<'_>, number: u64) -> Option<Room<'_>> {
    const EIGHT: u64 = 100_000_000;
    if number >= EIGHT {
        return decimal_of_many(room, number);
    }
    let digits = u64::from_le_bytes(eight(number as u32));
    // Zeros before the number are its lowest bytes.
    let zeros = ((digits & !0x3030_3030_3030_3030).trailing_zeros() / 8).min(7);
    room.some(&(digits >> (zeros * 8)).to_le_bytes(), 8 - zeros as usize)
}

#[inline(never)]
fn decimal_of_many(room: Room<'_>, number: u64) -> Option<Room<'_>> {
    room.bytes(number.to_string().as_bytes())
}

/// `.123456789Z"` of nanoseconds.
#[inline]
fn fraction(nanoseconds: u32) -> [u8; 12] {
    let [b, c, d, e, f, g, h, i] = eight(nanoseconds % 100_000_000);
    [b'.', b'0' + (nanoseconds / 100_000_000) as u8, b, c, d, e, f, g, h, i, b'Z', b'"']
}

/// The digits of a number below 100,000,000, all at once: the halves, pairs and digits of a number
/// become fields of a word, the first one lowest.
#[inline]
fn eight(number: u32) -> [u8; 8] {
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // By 100 and by 10: exact for numbers of four and of two digits.
    let high = ((fours * 5_243) >> 19) & 0x0000_007f_0000_007f;
    let twos = high | ((fours - high * 100) << 16);
    let high = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = high | ((twos - high * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

/// `2026-01-02T03:04:05` of seconds since 1970.
#[cold]
fn date(second: u64) -> [u8; 19] {
    let (year, month, day) = lines::time::date(second.saturating_mul(lines::time::SECOND));
    let clock = (second % 86_400) as u32;
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    let [a, b, c, d, e, f, g, h] = eight(year as u32 * 10_000 + month * 100 + day);
    let [_, _, i, j, k, l, m, n] = eight(hour * 10_000 + minute * 100 + second);
    [a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n]
}

#[cfg(test)]
mod tests;
