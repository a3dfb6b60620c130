//! A record while a parser fills it: every parser hands its fields to [`Draft::take`], which
//! knows roles, duplicates and bounds, so that they are the same for all formats.
//!
//! The last of several fields with the same name counts, as `serde_json` and most readers have it.

use crate::json::scan::Index;
use crate::meaning;
use crate::options::{Body, Keep, Options, ROLES, Role};
use crate::record::{Flags, Record, Records, Span, Value, narrow};
use crate::time;

/// A record keeps at most this many fields; with more, its body is the whole line.
pub const FIELDS_MAX: usize = 256;

/// Memory that parsers use again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Marks of a JSON line.
    pub(crate) index: Index,
    /// Decoded texts of one field.
    pub(crate) key: String,
    pub(crate) value: String,
    /// A whole line in UTF-8, when its bytes were in another encoding or wrong.
    pub(crate) line: String,
}

/// A value as a parser found it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Raw<'t> {
    /// Text, and where it is in the arena when it is there already.
    Text(&'t str, Option<Span>),
    /// The digits of a JSON number, whole or not, and where they are.
    Number(&'t str, bool, Span),
    Bool(bool),
    Null,
    /// JSON, and where it is.
    Json(Span),
}

/// What a field is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    role: Role,
    name: u8,
}

impl Wanted {
    /// Whether it is for nothing but to be a field.
    #[inline]
    pub(crate) fn is_plain_field(self) -> bool {
        self.role == Role::Kept
    }
}

/// The record that a parser fills.
pub(crate) struct Draft<'a> {
    /// The line, after joins.
    pub(crate) line: &'a str,
    /// The record, without its fields.
    pub(crate) record: &'a mut Record,
    pub(crate) options: &'a Options,
    pub(crate) block: &'a mut Records,
    pub(crate) scratch: &'a mut Scratch,
    /// For each role the number of the name that filled it.
    filled: [u8; ROLES],
    /// One bit for each kind of key so far: a new bit is no duplicate.
    seen: [u64; 4],
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        line: &'a str,
        record: &'a mut Record,
        options: &'a Options,
        block: &'a mut Records,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self { line, record, options, block, scratch, filled: [0; ROLES], seen: [0; 4] }
    }

    /// The arena's span of a part of the line.
    #[inline]
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        self.record.line.part(start, end)
    }

    /// A part of the line as text, with its span.
    #[inline]
    pub(crate) fn text(&self, start: usize, end: usize) -> Raw<'a> {
        Raw::Text(self.line.get(start..end).unwrap_or_default(), Some(self.span(start, end)))
    }

    /// Where a part of the line begins in it. The part must be a slice of the line.
    #[inline]
    pub(crate) fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.line.as_ptr() as usize)
    }

    /// A slice of the line as text, with its span.
    #[inline]
    pub(crate) fn slice(&self, part: &'a str) -> Raw<'a> {
        let start = self.offset(part);
        Raw::Text(part, Some(self.span(start, start + part.len())))
    }

    /// What a field of this name is for; `None` when nobody wants it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    pub(crate) fn wants(&self, key: &str) -> Option<Wanted> {
        match self.options.role(key) {
            Some((role, name)) => Some(Wanted { role, name }),
            None if self.options.keep == Keep::All => Some(Wanted { role: Role::Kept, name: 0 }),
            None => None,
        }
    }

    /// Takes a field that is wanted. `at` is where its key is in the arena, when it is there.
    #[inline]
    pub(crate) fn give(&mut self, wanted: Wanted, key: &str, at: Option<Span>, raw: Raw<'_>) {
        let Wanted { role, name } = wanted;
        if role != Role::Kept && self.fill(role, name, raw) && role != Role::Status {
            return;
        }
        self.push(key, at, raw);
    }

    /// Takes a field, if it is wanted.
    pub(crate) fn take(&mut self, key: &str, at: Option<Span>, raw: Raw<'_>) {
        if let Some(wanted) = self.wants(key) {
            self.give(wanted, key, at, raw);
        }
    }

    /// Takes a field whose key is a constant of the parser.
    #[inline]
    pub(crate) fn constant(&mut self, key: &str, raw: Raw<'_>) {
        self.take(key, None, raw);
    }

    /// Gives the role its value. Not when another name has filled it: that one stays a field.
    fn fill(&mut self, role: Role, name: u8, raw: Raw<'_>) -> bool {
        let Some(filled) = self.filled.get_mut(role as usize) else { return false };
        if *filled != 0 && *filled != name {
            return false;
        }
        let record = &mut *self.record;
        let done = match (role, raw) {
            (Role::Time, Raw::Text(text, _)) => set(&mut record.time, time::any(text)),
            (Role::Time, Raw::Number(digits, ..)) => set(&mut record.time, time::epoch(digits)),
            (Role::Severity, Raw::Text(text, at)) => match meaning::severity(text) {
                Some(number) => {
                    record.severity = number;
                    record.severity_text = at.unwrap_or_else(|| self.block.push_name(text));
                    true
                }
                None => false,
            },
            (Role::Severity, Raw::Number(digits, _, at)) => {
                let number = digits.parse().ok().and_then(meaning::number);
                record.severity_text = at;
                set(&mut record.severity, number)
            }
            (Role::Message, Raw::Text(text, at)) => {
                if self.options.body == Body::Message {
                    record.body = at.unwrap_or_else(|| self.block.push_text(text));
                }
                true
            }
            (Role::TraceId, Raw::Text(text, _)) => set(&mut record.trace_id, meaning::id(text)),
            (Role::SpanId, Raw::Text(text, _)) => set(&mut record.span_id, meaning::id(text)),
            (Role::Traceparent, Raw::Text(text, _)) => match meaning::traceparent(text) {
                Some((trace, span, flags)) => {
                    (record.trace_id, record.span_id) = (trace, span);
                    record.trace_flags = flags;
                    true
                }
                None => false,
            },
            (Role::Status, Raw::Text(text, _) | Raw::Number(text, ..)) => {
                set(&mut record.status, meaning::status(text))
            }
            _ => false,
        };
        if done {
            *filled = name;
        }
        done
    }

    /// Adds a field of any kind.
    fn push(&mut self, key: &str, at: Option<Span>, raw: Raw<'_>) {
        let value = match raw {
            Raw::Text(_, Some(span)) => Value::Str(span),
            Raw::Text(text, None) => Value::Str(self.block.push_text(text)),
            Raw::Number(digits, whole, span) => number(digits, whole, span),
            Raw::Bool(value) => Value::Bool(value),
            Raw::Null => Value::Null,
            Raw::Json(span) => Value::Json(span),
        };
        let key_span = at.unwrap_or_else(|| self.block.push_name(key));
        self.put(key, key_span, value);
    }

    /// Adds a field of the record, or replaces the one with the same key.
    #[inline]
    pub(crate) fn put(&mut self, key: &str, key_span: Span, value: Value) {
        if self.block.open_fields_len() >= FIELDS_MAX {
            self.record.flags.set(Flags::FIELDS_CUT);
            return;
        }
        if self.is_new(key) {
            self.block.push_field(key_span, value);
            return;
        }
        // The bit was set already: look for the key itself.
        match self.block.open_field(key) {
            Some(field) => field.value = value,
            None => self.block.push_field(key_span, value),
        }
    }

    /// Whether no key so far can be this one. Sets the bit of its kind.
    #[inline]
    fn is_new(&mut self, key: &str) -> bool {
        let bytes = key.as_bytes();
        let at = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
        let middle = bytes.len() / 2;
        let hash = narrow(bytes.len())
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(at(0) << 16 | at(middle) << 8 | at(bytes.len().saturating_sub(1)))
            .wrapping_mul(0x85eb_ca6b);
        let (word, bit) = ((hash >> 30) as usize, 1_u64 << (hash >> 24 & 63));
        let Some(word) = self.seen.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

#[inline]
fn set<T>(place: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            *place = value;
            true
        }
        None => false,
    }
}

/// A number in the variant that holds it exactly.
#[inline]
fn number(digits: &str, whole: bool, span: Span) -> Value {
    if whole && digits != "-0" {
        if let Ok(value) = digits.parse::<i64>() {
            return Value::Int(value);
        }
        return digits.parse().map_or(Value::Json(span), Value::UInt);
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => Value::Double(value),
        _ => Value::Json(span),
    }
}
