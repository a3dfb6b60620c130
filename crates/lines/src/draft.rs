//! A record while a parser fills it: every parser hands its fields to [`Draft::take`], which
//! knows roles, duplicates and bounds, so that they are the same for all formats.
//!
//! The last of several fields with the same name counts, as `serde_json` and most readers have it.

use crate::expected::Expected;
use crate::json::scan::Index;
use crate::meaning::{self, Severities};
use crate::options::{Body, Keep, NAMES_MAX, Options, ROLES, Role, Shape};
use crate::record::{Flags, Record, Span, Value, narrow};
use crate::texts::Texts;
use crate::time::{self, Calendar};
use crate::window::Clean;

/// A record keeps at most this many fields; with more, its body is the whole line.
pub const FIELDS_MAX: usize = 256;

/// The first bit for names that have no meaning. Those that have one count from 1.
const OTHERS_MIN: u8 = 128;
const _: () = assert!(NAMES_MAX <= OTHERS_MIN as usize);
/// Stands for several names that gave a role the same value. No name has this number.
const NAMES: u8 = u8::MAX;

/// Memory that parsers use again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Names that a JSON object is expected to have.
    pub(crate) expected: Expected,
    /// The date that was read last.
    pub(crate) calendar: Calendar,
    /// The severity that was read last.
    pub(crate) severities: Severities,
    /// Decoded texts of one field.
    pub(crate) key: String,
    pub(crate) value: String,
    /// The name of the last record's message, of equal names the first; empty when it has none.
    pub(crate) message: Span,
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

impl Raw<'_> {
    /// The value of a field; a text that is not in the arena yet is written there.
    #[inline]
    pub(crate) fn value(self, block: &mut Texts) -> Value {
        match self {
            Self::Text(_, Some(span)) => Value::Str(span),
            Self::Text(text, None) => Value::Str(block.push_text(text)),
            Self::Number(digits, whole, span) => number(digits, whole, span),
            Self::Bool(value) => Value::Bool(value),
            Self::Null => Value::Null,
            Self::Json(span) => Value::Json(span),
        }
    }
}

/// What a field is for.
#[derive(Debug, Clone, Copy)]
// It is copied at once.
#[repr(align(4))]
pub(crate) struct Wanted {
    role: Role,
    /// It is a field also when it has filled its role.
    stays: bool,
    name: u8,
    /// The bit of its name in [`Draft::seen`].
    bit: u8,
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
    pub(crate) block: &'a mut Texts,
    pub(crate) scratch: &'a mut Scratch,
    /// The line, when it is known to be clean.
    pub(crate) clean: Option<&'a Clean<'a>>,
    /// Memory of the scanner of JSON, until it is used.
    pub(crate) index: Option<&'a mut Index>,
    /// For each role the number of the name that filled it.
    filled: [u8; ROLES],
    /// Which keys there were so far: 128 bits for the names that have a meaning, one each, and 128
    /// for all others, which share them: a new bit is no duplicate.
    seen: [u64; 4],
    /// A field took the place of another one with its key and another value.
    pub(crate) replaced: bool,
    /// Pairs may be part of a text, such as a statement of SQL.
    pub(crate) loose: bool,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        (line, clean): (&'a str, Option<&'a Clean<'a>>),
        record: &'a mut Record,
        options: &'a Options,
        block: &'a mut Texts,
        memory: (&'a mut Scratch, &'a mut Index),
    ) -> Self {
        let (scratch, index) = (memory.0, Some(memory.1));
        // What a full arena did not take is not there.
        let is_there = record.line.len as usize == line.len();
        let (line, clean) = if is_there { (line, clean) } else { ("", None) };
        let (filled, seen) = ([0; ROLES], [0; 4]);
        let (replaced, loose) = (false, false);
        scratch.message = Span::default();
        Self { line, record, options, block, scratch, clean, index, filled, seen, replaced, loose }
    }

    /// The arena's span of a part of the line.
    #[inline]
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        self.record.line.part(narrow(start), narrow(end))
    }

    /// The arena's span of a part of the line that is already counted in 32 bits.
    #[inline]
    pub(crate) fn place(&self, start: u32, end: u32) -> Span {
        self.record.line.part(start, end)
    }

    /// A part of the line as text, with its span.
    #[inline]
    pub(crate) fn text(&self, start: usize, end: usize) -> Raw<'a> {
        let span = self.span(start, end);
        Raw::Text(self.line.get(start..end).unwrap_or_default(), Some(span))
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
    pub(crate) fn wants(&self, key: &[u8]) -> Option<Wanted> {
        let shape = Shape::of(key);
        match self.options.role(key, shape) {
            Some((role, stays, name)) => {
                Some(Wanted { role, stays, name, bit: name.wrapping_sub(1) })
            }
            None if self.options.keep == Keep::All => {
                let bit = OTHERS_MIN | shape.spread();
                Some(Wanted { role: Role::Kept, stays: true, name: 0, bit })
            }
            None => None,
        }
    }

    /// Takes a field that is wanted.
    #[inline]
    pub(crate) fn give(&mut self, wanted: Wanted, key: Span, raw: Raw<'_>) {
        let filled = match raw {
            Raw::Text(text, at) => self.fill_text(wanted, key, text.as_bytes(), |block| {
                match (wanted.role, at) {
                    // The same word again and again.
                    (Role::Severity, at) => {
                        let plain = meaning::plain(text);
                        at.filter(|_| plain.len() == text.len())
                            .unwrap_or_else(|| block.push_name(plain))
                    }
                    (_, Some(at)) => at,
                    (_, None) => block.push_text(text),
                }
            }),
            Raw::Number(digits, _, at) => self.fill_number(wanted, digits, at),
            Raw::Bool(_) | Raw::Null | Raw::Json(_) => false,
        };
        if !filled {
            let value = raw.value(self.block);
            self.put(wanted, key, value);
        }
    }

    /// Takes a field, if it is wanted. `at` is where its key is in the arena, when it is there.
    pub(crate) fn take(&mut self, key: &str, at: Option<Span>, raw: Raw<'_>) {
        if let Some(wanted) = self.wants(key.as_bytes()) {
            let key = at.unwrap_or_else(|| self.block.push_name(key));
            self.give(wanted, key, raw);
        }
    }

    /// The same where a value that is said again must not hide the first one; gives its role. A
    /// text gives no time, and no severity by a number.
    pub(crate) fn take_anew(&mut self, key: &str, at: Span, raw: Raw<'_>) -> Option<Role> {
        let mut wanted = self.wants(key.as_bytes())?;
        let is_doubtful = match (wanted.role, raw) {
            (Role::Time, _) => true,
            (Role::Severity, Raw::Text(text, _)) => {
                text.trim_ascii_start().starts_with(|at: char| at.is_ascii_digit())
            }
            _ => false,
        };
        if self.loose && is_doubtful {
            wanted.role = Role::Kept;
        }
        let filled = self.filled.get(wanted.role as usize);
        if wanted.role != Role::Kept && filled.is_some_and(|filled| *filled == wanted.name) {
            self.give_again(wanted, at, raw);
        } else {
            self.give(wanted, at, raw);
        }
        Some(wanted.role)
    }

    /// Takes a field whose name has filled its role already.
    #[cold]
    fn give_again(&mut self, wanted: Wanted, key: Span, raw: Raw<'_>) {
        let before = *self.record;
        self.give(wanted, key, raw);
        let Record { body, severity_text, .. } = before;
        // Most of them stay as they were, and may be as long as the line.
        let is_same = |one, other| one == other || self.block.text(one) == self.block.text(other);
        self.replaced |= !is_same(body, self.record.body)
            || !is_same(severity_text, self.record.severity_text)
            || Record { body, severity_text, ..*self.record } != before;
    }

    /// Takes a field whose key is a constant of the parser.
    #[inline]
    pub(crate) fn constant(&mut self, key: &str, raw: Raw<'_>) {
        self.take(key, None, raw);
    }

    /// The line says more than its fields, so that it is the body as a whole. A message that was
    /// found in it is a field like others.
    #[cold]
    pub(crate) fn keep_line(&mut self) {
        let message = std::mem::replace(&mut self.record.body, self.record.line);
        // A message that is the rest of a line has no name.
        if message != self.record.line && !self.scratch.message.is_empty() {
            let name = self.filled.get(Role::Message as usize).copied().unwrap_or(0);
            let bit = name.wrapping_sub(1);
            let wanted = Wanted { role: Role::Kept, stays: true, name, bit };
            self.put(wanted, self.scratch.message, Value::Str(message));
        }
    }

    /// Whether a role that this name has was not given a value by another name.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    fn is_open(&self, wanted: Wanted) -> bool {
        let filled = self.filled.get(wanted.role as usize);
        filled.is_some_and(|filled| *filled == 0 || *filled == wanted.name)
    }

    /// The name has given its role a value; says whether the field needs no other place.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    fn fills(&mut self, wanted: Wanted, done: bool) -> bool {
        if done && let Some(filled) = self.filled.get_mut(wanted.role as usize) {
            *filled = wanted.name;
        }
        done && !wanted.stays
    }

    /// Gives the role of a text its value; false when the text is to be a field. `place` says where
    /// it is in the arena, or writes it there.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    pub(crate) fn fill_text(
        &mut self,
        wanted: Wanted,
        key: Span,
        text: &[u8],
        place: impl FnOnce(&mut Texts) -> Span,
    ) -> bool {
        if !self.is_open(wanted) {
            return false;
        }
        let record = &mut *self.record;
        let done = match wanted.role {
            Role::Time => set(&mut record.time, self.scratch.calendar.any(text)),
            Role::Severity => {
                let done = set(&mut record.severity, self.scratch.severities.read(text));
                if done {
                    record.severity_text = without_blanks(place(self.block), text);
                }
                done
            }
            Role::Message => {
                if self.options.body == Body::Message {
                    record.body = place(self.block);
                    if self.scratch.message == Span::default() {
                        self.scratch.message = key;
                    }
                }
                true
            }
            Role::TraceId => set(&mut record.trace_id, meaning::id(text)),
            Role::SpanId => set(&mut record.span_id, meaning::id(text)),
            Role::Traceparent => self.fill_parent(wanted, text),
            Role::Status => set(&mut record.status, meaning::status(text)),
            Role::Kept => false,
        };
        self.fills(wanted, done)
    }

    /// Gives both ids their values, unless another name gave one of them another value.
    #[inline(never)]
    fn fill_parent(&mut self, wanted: Wanted, text: &[u8]) -> bool {
        let Some((trace, span, flags)) = meaning::traceparent(text) else { return false };
        let record = &mut *self.record;
        let ids =
            [(Role::TraceId, record.trace_id == trace), (Role::SpanId, record.span_id == span)];
        let filled = |role| self.filled.get(role as usize).copied().unwrap_or(0);
        let by_others = ids.map(|(role, _)| ![0, wanted.name].contains(&filled(role)));
        if std::iter::zip(ids, by_others).any(|((_, is_same), other)| other && !is_same) {
            return false;
        }
        (record.trace_id, record.span_id, record.trace_flags) = (trace, span, flags);
        // What two names said no third one changes.
        for ((role, _), other) in std::iter::zip(ids, by_others) {
            if let Some(filled) = self.filled.get_mut(role as usize) {
                *filled = if other { NAMES } else { wanted.name };
            }
        }
        true
    }

    /// The same for a number; `at` is where its digits are in the arena.
    #[inline]
    fn fill_number(&mut self, wanted: Wanted, digits: &str, at: Span) -> bool {
        if !self.is_open(wanted) {
            return false;
        }
        let record = &mut *self.record;
        let done = match wanted.role {
            Role::Time => set(&mut record.time, time::epoch(digits)),
            Role::Severity => {
                let number = digits.parse().ok().and_then(meaning::number);
                let done = set(&mut record.severity, number);
                if done {
                    record.severity_text = at;
                }
                done
            }
            Role::Status => set(&mut record.status, meaning::status(digits.as_bytes())),
            _ => false,
        };
        self.fills(wanted, done)
    }

    /// Gives the status a whole number and says whether that is a field besides; false when it is
    /// none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each number of each line")]
    pub(crate) fn fill_status(&mut self, wanted: Wanted, number: i64) -> bool {
        if wanted.role != Role::Status || !self.is_open(wanted) {
            return false;
        }
        let Some(status) = u16::try_from(number).ok().filter(|one| (100..=599).contains(one))
        else {
            return false;
        };
        self.record.status = status;
        !self.fills(wanted, true)
    }

    /// Adds a field of the record, or replaces the one with the same key.
    pub(crate) fn put(&mut self, wanted: Wanted, key: Span, value: Value) {
        if self.block.open_fields_len() >= FIELDS_MAX {
            self.record.flags.set(Flags::FIELDS_CUT);
        } else if self.is_new(wanted) {
            self.block.push_field(key, value);
        } else {
            self.replace(key, value);
        }
    }

    /// Adds a field whose key may be there already.
    #[cold]
    fn replace(&mut self, key: Span, value: Value) {
        match self.block.open_field(key) {
            Some(field) => {
                let old = std::mem::replace(&mut field.value, value);
                self.replaced |= match (old, value) {
                    (Value::Str(old), Value::Str(value)) => {
                        self.block.text(old) != self.block.text(value)
                    }
                    _ => old != value,
                };
            }
            None => self.block.push_field(key, value),
        }
    }

    /// Whether no key so far can be this one; it is one of them from now on.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    pub(crate) fn is_new(&mut self, wanted: Wanted) -> bool {
        let (word, bit) = (usize::from(wanted.bit >> 6), 1_u64 << (wanted.bit & 63));
        let Some(word) = self.seen.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// Where a text is in the arena, without the blanks around it, unless it was written there anew.
#[inline]
fn without_blanks(at: Span, text: &[u8]) -> Span {
    let (trimmed, rest) = (text.trim_ascii().len(), text.trim_ascii_start().len());
    if trimmed == text.len() || at.len as usize != text.len() {
        return at;
    }
    let lead = narrow(text.len() - rest);
    at.part(lead, lead + narrow(trimmed))
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
    if !whole || digits == "-0" {
        return Value::Number(span);
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Value::Int(value);
    }
    digits.parse().map_or(Value::Json(span), Value::UInt)
}
