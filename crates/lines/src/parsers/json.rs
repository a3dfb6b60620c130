//! A JSON object on one line. Whole numbers stay exact, nested values are kept as their raw text.
//!
//! A line is of this format if and only if it is one JSON object as RFC 8259 has it, nested at
//! most 128 levels. A surrogate without its partner is the one thing that is mended.

use super::Parser;
use crate::draft::{Draft, Raw, Wanted};
use crate::json::text::unescape;
use crate::json::walk::{self, Kind, Member, Members, Part, Step, Token};
use crate::record::{Span, Value};

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "json", about: "a JSON object on one line, at most 128 levels deep", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let (line, index) = (draft.line, draft.index.take()?);
    let outcome = walk::object(line, index, Fields(draft));
    draft.record.plain = index.is_plain();
    outcome
}

/// Members become fields.
struct Fields<'d, 'a>(&'d mut Draft<'a>);

impl Members for Fields<'_, '_> {
    type Known = Option<Wanted>;

    #[inline(always)]
    fn expected(&self, place: usize, rest: &[u8]) -> Option<&Step<Option<Wanted>>> {
        self.0.scratch.expected.step(place, rest)
    }

    #[inline(never)]
    fn learn(&mut self, place: usize, gap: &[u8], step: Step<()>) {
        let draft = &mut *self.0;
        let Step { key, length, is_text, .. } = step;
        let name = gap.get(key.start as usize..key.end as usize).unwrap_or_default();
        let known = draft.wants(name);
        let step = Step { key, length, is_text, known };
        draft.scratch.expected.learn(place, gap, step);
    }

    #[inline(always)]
    fn text(&mut self, wanted: Option<Wanted>, key: Part, value: Part) {
        let draft = &mut *self.0;
        let Some(wanted) = wanted else { return };
        if wanted.is_plain_field() {
            let at = draft.place(key.start, key.end);
            let value = draft.place(value.start, value.end);
            if draft.admits(wanted) {
                draft.block.push_field(at, Value::Str(value));
            } else {
                draft.put(wanted, at, Value::Str(value));
            }
        } else {
            give_text(draft, wanted, key, value);
        }
    }

    #[inline(always)]
    fn number(&mut self, wanted: Option<Wanted>, key: Part, value: Token, number: i64) {
        let draft = &mut *self.0;
        let Some(wanted) = wanted else { return };
        let at = draft.place(key.start, key.end);
        let is_plain = wanted.is_plain_field() && value.kind != Kind::Whole;
        if !is_plain || !draft.admits(wanted) {
            give(draft, wanted, at, value);
        } else if value.kind == Kind::Int {
            draft.block.push_field(at, Value::Int(number));
        } else {
            let value = draft.place(value.start, value.end);
            draft.block.push_field(at, Value::Number(value));
        }
    }

    #[inline(never)]
    fn any(&mut self, member: Member) {
        let Member { key, value, .. } = member;
        let draft = &mut *self.0;
        if key.kind == Kind::Escaped || value.kind == Kind::Escaped {
            escaped(draft, key, value);
        } else if let Some(wanted) = draft.wants(key.text(draft.line).as_bytes()) {
            give(draft, wanted, draft.place(key.start, key.end), value);
        }
    }
}

/// A text that has a role.
#[inline(never)]
fn give_text(draft: &mut Draft<'_>, wanted: Wanted, key: Part, value: Part) {
    let line = draft.line.as_bytes();
    let text = line.get(value.start as usize..value.end as usize).unwrap_or_default();
    let at = draft.place(value.start, value.end);
    if !draft.fill_text(wanted, text, |_| at) {
        draft.put(wanted, draft.place(key.start, key.end), Value::Str(at));
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
