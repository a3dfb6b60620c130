//! A JSON object on one line. Whole numbers stay exact, nested values are kept as their raw text.
//!
//! A line is of this format if and only if it is one JSON object as RFC 8259 has it, nested at
//! most 128 levels. A surrogate without its partner is the one thing that is mended.

use super::Parser;
use crate::draft::{Draft, Raw, Wanted};
use crate::json::scan::Marks;
use crate::json::text::unescape;
use crate::json::walk::{self, Kind, Member, Members, Part, Step, Token};
use crate::record::{Span, Value};

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "json", about: "a JSON object on one line, at most 128 levels deep", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let Some(clean) = draft.clean else { return scanned(draft) };
    draft.record.plain = true;
    // A window is small.
    let start = clean.range().start as u32;
    let base = draft.record.line.start.wrapping_sub(start);
    clean.members(Fields { draft, start, base })
}

/// A line that is not known to be clean.
#[inline(never)]
fn scanned(draft: &mut Draft<'_>) -> Option<()> {
    let (line, index) = (draft.line, draft.index.take()?);
    let base = draft.record.line.start;
    let outcome = walk::object(line, index, Fields { draft, start: 0, base });
    draft.record.plain = index.is_plain();
    outcome
}

/// Members become fields.
struct Fields<'d, 'a> {
    draft: &'d mut Draft<'a>,
    /// Where the line begins in the bytes that are walked.
    start: u32,
    /// Where those would begin in the arena.
    base: u32,
}

impl Fields<'_, '_> {
    /// The arena's span of some of the bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    fn place(&self, part: Part) -> Span {
        Span { start: self.base.wrapping_add(part.start), len: part.len }
    }

    /// A token of the line.
    fn of_line(&self, token: Token) -> Token {
        let count = |place: u32| place.saturating_sub(self.start);
        Token { kind: token.kind, start: count(token.start), end: count(token.end) }
    }
}

impl Members for Fields<'_, '_> {
    type Known = Option<Wanted>;

    #[inline(always)]
    fn expected(
        &self,
        place: usize,
        rest: &[u8],
        marks: impl Marks,
    ) -> Option<&Step<Option<Wanted>>> {
        self.draft.scratch.expected.step(place, rest, marks)
    }

    #[inline(never)]
    fn learn(&mut self, place: usize, gap: &[u8], step: Step<()>) {
        let Step { key, length, is_text, .. } = step;
        let name = gap.get(key.range()).unwrap_or_default();
        let known = self.draft.wants(name);
        let step = Step { key, length, is_text, known };
        self.draft.scratch.expected.learn(place, gap, step);
    }

    #[inline(always)]
    fn text<A: Marks>(&mut self, wanted: Option<Wanted>, key: Part, value: Part, text: &[u8]) {
        let Some(wanted) = wanted else { return };
        let (key, value) = (self.place(key), self.place(value));
        let draft = &mut *self.draft;
        if !wanted.is_plain_field() {
            if !A::ARE_QUOTES {
                give_text(draft, wanted, text, key, value);
            } else if !draft.fill_text(wanted, key, text, |_| value) {
                draft.put(wanted, key, Value::Str(value));
            }
        } else if draft.is_new(wanted) {
            draft.block.push_field(key, Value::Str(value));
        } else {
            draft.put(wanted, key, Value::Str(value));
        }
    }

    #[inline(always)]
    fn number(&mut self, wanted: Option<Wanted>, key: Part, value: Token, number: i64) {
        let Some(wanted) = wanted else { return };
        let key = self.place(key);
        let is_status = value.kind == Kind::Int && self.draft.fill_status(wanted, number);
        let is_plain = (is_status || wanted.is_plain_field()) && value.kind != Kind::Whole;
        if !is_plain || !self.draft.is_new(wanted) {
            let value = self.of_line(value);
            give(self.draft, wanted, key, value);
        } else if value.kind == Kind::Int {
            self.draft.block.push_field(key, Value::Int(number));
        } else {
            let len = value.end.wrapping_sub(value.start);
            let value = self.place(Part { start: value.start, len });
            self.draft.block.push_field(key, Value::Number(value));
        }
    }

    #[inline(never)]
    fn any(&mut self, member: Member) {
        let (key, value) = (self.of_line(member.key), self.of_line(member.value));
        let draft = &mut *self.draft;
        if key.kind == Kind::Escaped || value.kind == Kind::Escaped {
            escaped(draft, key, value);
        } else if let Some(wanted) = draft.wants(key.text(draft.line).as_bytes()) {
            give(draft, wanted, draft.place(key.start, key.end), value);
        }
    }
}

/// A text that has a role, in a line that is not clean. In others it is a part of the walk.
#[inline(never)]
fn give_text(draft: &mut Draft<'_>, wanted: Wanted, text: &[u8], key: Span, value: Span) {
    if !draft.fill_text(wanted, key, text, |_| value) {
        draft.put(wanted, key, Value::Str(value));
    }
}

/// A member that is wanted and has no escapes.
#[inline(never)]
fn give(draft: &mut Draft<'_>, wanted: Wanted, at: Span, value: Token) {
    let raw = plain(draft, value);
    draft.give(wanted, at, raw);
}

/// A member with escapes: what they stand for is written to the arena.
#[cold]
fn escaped(draft: &mut Draft<'_>, key: Token, value: Token) {
    let line = draft.line;
    let (mut name, mut text) =
        (std::mem::take(&mut draft.scratch.key), std::mem::take(&mut draft.scratch.value));
    name.clear();
    text.clear();
    let (key_text, at) = if key.kind == Kind::Escaped {
        let _valid = unescape(key.text(line), &mut name);
        (name.as_str(), None)
    } else {
        (key.text(line), Some(draft.place(key.start, key.end)))
    };
    let raw = if value.kind == Kind::Escaped {
        let _valid = unescape(value.text(line), &mut text);
        Raw::Text(&text, None)
    } else {
        plain(draft, value)
    };
    draft.take(key_text, at, raw);
    (draft.scratch.key, draft.scratch.value) = (name, text);
}

#[inline]
fn plain<'a>(draft: &Draft<'a>, value: Token) -> Raw<'a> {
    let (text, span) = (value.text(draft.line), draft.place(value.start, value.end));
    match value.kind {
        Kind::Plain | Kind::Escaped => Raw::Text(text, Some(span)),
        Kind::Int | Kind::Whole => Raw::Number(text, true, span),
        Kind::Number => Raw::Number(text, false, span),
        Kind::True => Raw::Bool(true),
        Kind::False => Raw::Bool(false),
        Kind::Null => Raw::Null,
        Kind::Nested => Raw::Json(span),
    }
}
