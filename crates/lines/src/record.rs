//! The block that all stages pass on: records whose texts and fields are spans of one arena.
//!
//! A reader fills a [`Records`], a sampler thins it, encoders read it. Nothing is allocated per
//! line once the block has grown to its usual size: [`Records::clear`] keeps the memory.
//! Times are nanoseconds since the Unix epoch (0 is "none"), offsets are bytes of the file.
//! Texts are valid UTF-8. No accessor fails: a span that is not one of the block is empty text.

use crate::texts::Texts;
use std::borrow::Cow;

/// A block is full at this many records; a consumer is handed that many at once.
pub const BLOCK_RECORDS: usize = 1_000;
/// A block is full at this many bytes of text. One more line may still be written beyond it, or
/// short ones of 8 KiB together.
pub const BLOCK_BYTES: usize = 512 * 1024;
/// An arena never grows beyond this many bytes; what does not fit becomes empty text.
pub const ARENA_BYTES_MAX: usize = 1 << 30;

/// A piece of text in the arena, or a range of fields: the first and how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Index of the first byte (or field).
    pub start: u32,
    /// How many there are.
    pub len: u32,
}

impl Span {
    /// The range as `usize`, for slices.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The span from `start` (inclusive) to `end` (exclusive) of this one, which has both.
    #[must_use]
    #[inline]
    pub(crate) fn part(self, start: u32, end: u32) -> Self {
        Self { start: self.start + start, len: end.saturating_sub(start) }
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Text.
    Str(Span),
    /// A whole number that fits.
    Int(i64),
    /// A whole number beyond `i64::MAX`.
    UInt(u64),
    /// A number with a fraction or an exponent, as it was written: valid JSON, of any size.
    Number(Span),
    /// True or false.
    Bool(bool),
    /// JSON's null.
    Null,
    /// The raw text of a JSON object or array, or of a whole number beyond 64 bits. It is valid
    /// JSON; [`Records::json`] mends what readers of it may refuse.
    Json(Span),
}

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Its name.
    pub key: Span,
    /// Its value.
    pub value: Value,
}

/// What is special about a record; a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Written to standard error.
    pub const STDERR: Self = Self(1);
    /// Its end was not seen: emitted by a timeout, a rotation or a bound.
    pub const PARTIAL: Self = Self(1 << 1);
    /// Longer than the limit and cut; `original_len` says how long it was.
    pub const TRUNCATED: Self = Self(1 << 2);
    /// Fitted no parser; the body is the line as it was written.
    pub const UNPARSED: Self = Self(1 << 3);
    /// Joined from several lines.
    pub const MULTILINE: Self = Self(1 << 4);
    /// Its container framing was malformed; the body is the whole line with it.
    pub const MALFORMED: Self = Self(1 << 5);
    /// Bytes that its encoding does not know became U+FFFD.
    pub const REPAIRED: Self = Self(1 << 6);
    /// It had more fields than are kept; the body is the whole line.
    pub const FIELDS_CUT: Self = Self(1 << 7);
    /// A redaction rule changed it.
    pub const REDACTED: Self = Self(1 << 8);
    /// Pieces of it are in earlier files; see [`Records::joins`].
    pub const JOINED: Self = Self(1 << 9);

    /// Whether all of `other` are set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets all of `other`.
    pub fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Clears all of `other`.
    pub fn clear(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// The bits, in the order of the constants.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One log record. Everything in it that is text is a span of its block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    /// The message, or the whole line.
    pub body: Span,
    /// The whole text after joins, before parsing; after redaction it is the redacted body.
    pub line: Span,
    /// The severity as it was written.
    pub severity_text: Span,
    /// Its fields, as indexes into those of the block.
    pub fields: Span,
    /// When it happened, nanoseconds since the epoch; 0 when the record does not say.
    pub time: u64,
    /// When it was read, nanoseconds since the epoch.
    pub observed: u64,
    /// Where its (first) line begins in the file of `source`.
    pub start: u64,
    /// Where reading may go on once this record and all before it are acknowledged.
    pub end: u64,
    /// How many bytes of text it had before it was cut.
    pub original_len: u64,
    /// The sampling threshold, 56 bits: 0 keeps everything. Set by the sampler.
    pub threshold: u64,
    /// How many records this one stands for. Set by the sampler.
    pub adjusted: f64,
    /// The slot of the file it ends in.
    pub source: u32,
    /// HTTP status, 100 to 599; 0 when there is none.
    pub status: u16,
    /// What is special about it.
    pub flags: Flags,
    /// W3C trace id; zero when there is none.
    pub trace_id: [u8; 16],
    /// W3C span id; zero when there is none.
    pub span_id: [u8; 8],
    /// W3C trace flags.
    pub trace_flags: u8,
    /// OpenTelemetry severity number, 1 to 24; 0 when there is none.
    pub severity: u8,
    /// The line is JSON in which no backslash, no control character and no DEL is: what the parser
    /// took out of it (fields, severity, a body that is not the line) can be written between
    /// quotes as it is.
    pub plain: bool,
    /// A newline lies behind its line in the block: lines that lie one behind the other can be
    /// written from there; see [`Records::arena`].
    pub ended: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            body: Span::default(),
            line: Span::default(),
            severity_text: Span::default(),
            fields: Span::default(),
            time: 0,
            observed: 0,
            start: 0,
            end: 0,
            original_len: 0,
            threshold: 0,
            adjusted: 1.0,
            source: 0,
            status: 0,
            flags: Flags::default(),
            trace_id: [0; 16],
            span_id: [0; 8],
            trace_flags: 0,
            severity: 0,
            plain: false,
            ended: false,
        }
    }
}

impl Record {
    /// Forgets what a parser set, except the time.
    pub(crate) fn forget_parsed(&mut self) {
        self.body = self.line;
        self.severity_text = Span::default();
        self.flags.clear(Flags::FIELDS_CUT);
        (self.trace_id, self.span_id, self.trace_flags) = ([0; 16], [0; 8], 0);
        (self.severity, self.status, self.plain) = (0, 0, false);
    }

    /// Whether it belongs to a trace.
    #[must_use]
    pub fn has_trace(&self) -> bool {
        self.trace_id != [0; 16]
    }
}

/// A piece of one file that is part of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Piece {
    /// The slot of the file.
    pub source: u32,
    /// Where the piece begins.
    pub start: u64,
    /// Where what follows it begins.
    pub end: u64,
}

/// A block of records.
#[derive(Debug, Default, Clone)]
pub struct Records {
    pub(crate) texts: Texts,
    records: Vec<Record>,
}

impl Records {
    /// An empty block that has not reserved anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the content and keeps the memory, unless one huge line made it grow.
    pub fn clear(&mut self) {
        self.records.clear();
        self.texts.clear();
    }

    /// Whether it should be handed on before more is written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.records.len() >= BLOCK_RECORDS || self.text_bytes() >= BLOCK_BYTES
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.texts.memory() + self.records.capacity() * size_of::<Record>()
    }

    /// Bytes of text in it.
    #[must_use]
    #[inline]
    pub fn text_bytes(&self) -> usize {
        self.texts.bytes()
    }

    /// The records, in the order in which they ended.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records, for who sets thresholds or enriches.
    pub fn records_mut(&mut self) -> &mut [Record] {
        &mut self.records
    }

    /// Drops the records that `keep` refuses; it may change those it keeps.
    pub fn retain(&mut self, keep: impl FnMut(&mut Record) -> bool) {
        self.records.retain_mut(keep);
    }

    /// The text of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.texts.text(span)
    }

    /// The text of nested JSON. A surrogate without its partner is U+FFFD in it, as in other texts.
    #[must_use]
    pub fn json(&self, span: Span) -> Cow<'_, str> {
        crate::json::text::mended(self.text(span))
    }

    /// The body of a record.
    #[must_use]
    pub fn body(&self, record: &Record) -> &str {
        self.text(record.body)
    }

    /// The text of a span and what follows it in the arena, `N` bytes in all. None when the span
    /// is longer or the arena ends before: who copies a short text can copy so many bytes at once
    /// and take back what is too much.
    #[must_use]
    #[inline]
    pub fn ahead<const N: usize>(&self, span: Span) -> Option<&[u8; N]> {
        self.texts.ahead(span)
    }

    /// The fields of a record.
    #[must_use]
    #[inline]
    pub fn fields(&self, record: &Record) -> &[Field] {
        self.texts.fields(record.fields)
    }

    /// The value of the field `key` of a record.
    #[must_use]
    pub fn field(&self, record: &Record, key: &str) -> Option<Value> {
        self.fields(record).iter().find(|field| self.text(field.key) == key).map(|one| one.value)
    }

    /// The pieces of a record that are in earlier files, oldest first.
    pub fn joins(&self, record: &Record) -> impl Iterator<Item = Piece> + '_ {
        self.texts.joins(record.line)
    }

    /// Calls `each` with every piece of every record: no file may be committed beyond the start
    /// of a piece whose record is not acknowledged.
    pub fn pieces(&self, mut each: impl FnMut(Piece)) {
        self.texts.all_joins().for_each(&mut each);
        for record in &self.records {
            each(Piece { source: record.source, start: record.start, end: record.end });
        }
    }

    /// Texts as they lie one behind the other.
    #[must_use]
    pub fn arena(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.texts.arena(range)
    }

    /// Writes text into the arena.
    pub fn push_text(&mut self, text: &str) -> Span {
        self.texts.push_text(text)
    }

    /// Writes a name that many records share; a name that was written lately is not written again.
    pub fn push_name(&mut self, name: &str) -> Span {
        self.texts.push_name(name)
    }

    /// Adds a field to the record that is pushed next.
    pub fn push_field(&mut self, key: Span, value: Value) {
        self.texts.push_field(key, value);
    }

    /// How many records may be written before it is full.
    pub(crate) fn left(&self) -> usize {
        BLOCK_RECORDS.saturating_sub(self.records.len())
    }

    /// Adds a record. Its fields are those that were pushed since the last one.
    pub fn push(&mut self, record: &Record) {
        self.write(*record, |_, _| {});
    }

    /// The same; the record is finished by `finish` where it lies.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    pub(crate) fn write(&mut self, record: Record, finish: impl FnOnce(&mut Texts, &mut Record)) {
        self.records.push(record);
        if let Some(record) = self.records.last_mut() {
            finish(&mut self.texts, record);
            record.fields = self.texts.end_fields();
        }
    }
}

/// A length as `u32`; every length here is bounded by [`ARENA_BYTES_MAX`].
pub(crate) fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
