//! A JSON object on one line. Whole numbers stay exact, nested values are kept as their raw text.
//!
//! A line is of this format if and only if it is one JSON object as RFC 8259 has it, nested at
//! most 128 levels. A surrogate without its partner is the one thing that is mended.

use super::Parser;
use crate::draft::{Draft, Raw};
use crate::json::text::unescape;
use crate::json::walk::{self, Kind, Token};
use crate::record::Value;

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "json", about: "a JSON object on one line, at most 128 levels deep", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let line = draft.line;
    if !line.starts_with('{') && !line.trim_start().starts_with('{') {
        return None;
    }
    let mut index = std::mem::take(&mut draft.scratch.index);
    let outcome = index
        .scan(line.as_bytes())
        .and_then(|()| walk::object(line, &index, |key, value| member(draft, key, value)));
    draft.scratch.index = index;
    outcome
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each field of each line")]
fn member(draft: &mut Draft<'_>, key: Token, value: Token) {
    if key.kind == Kind::Escaped || value.kind == Kind::Escaped {
        escaped(draft, key, value);
        return;
    }
    let name = draft.line.get(key.start..key.end).unwrap_or_default();
    if let Some(wanted) = draft.wants(name) {
        let at = draft.span(key.start, key.end);
        if value.kind == Kind::Plain && wanted.is_plain_field() {
            let text = draft.span(value.start, value.end);
            draft.put(name, at, Value::Str(text));
        } else {
            let raw = plain(draft, value);
            draft.give(wanted, name, Some(at), raw);
        }
    }
}

/// A member with escapes: what they stand for is written to the arena.
#[cold]
fn escaped(draft: &mut Draft<'_>, key: Token, value: Token) {
    let line = draft.line;
    let inside = |token: Token| line.get(token.start..token.end).unwrap_or_default();
    let (mut name, mut text) =
        (std::mem::take(&mut draft.scratch.key), std::mem::take(&mut draft.scratch.value));
    name.clear();
    text.clear();
    let (key_text, at) = if key.kind == Kind::Escaped {
        let _valid = unescape(inside(key), &mut name);
        (name.as_str(), None)
    } else {
        (inside(key), Some(draft.span(key.start, key.end)))
    };
    let raw = if value.kind == Kind::Escaped {
        let _valid = unescape(inside(value), &mut text);
        Raw::Text(&text, None)
    } else {
        plain(draft, value)
    };
    draft.take(key_text, at, raw);
    (draft.scratch.key, draft.scratch.value) = (name, text);
}

#[inline]
fn plain<'a>(draft: &Draft<'a>, value: Token) -> Raw<'a> {
    let (start, end) = (value.start, value.end);
    match value.kind {
        Kind::Plain | Kind::Escaped => draft.text(start, end),
        Kind::Whole | Kind::Number => {
            let digits = draft.line.get(start..end).unwrap_or_default();
            Raw::Number(digits, value.kind == Kind::Whole, draft.span(start, end))
        }
        Kind::True => Raw::Bool(true),
        Kind::False => Raw::Bool(false),
        Kind::Null => Raw::Null,
        Kind::Nested => Raw::Json(draft.span(start, end)),
    }
}
