//! Pairs of `key=value`, as logfmt and many loggers write them.
//!
//! A value in double or single quotes may contain anything, with the escapes of JSON in double
//! ones; a bare value ends at white space, or at one comma before it, which parts pairs. A key
//! without `=` is true when it is behind a pair. A line is of this format when it has a pair and
//! every quote is closed. Words that are no field (`ERROR charge failed order=17`) may be among the
//! pairs; they make the whole line the body, and its message (`msg=declined`) a field. So do a key
//! that repeats with another value, and words behind a message without quotes (`msg=moved to b`) or
//! behind such a comma (`ids=1, 2`), which may belong to it. Of several lines the first one counts,
//! up to the end of its last value, when it has a pair: in a trace a pair may be anything. The body
//! has all. Pairs of a line that begins with words may be part of a text (`SELECT … WHERE
//! time='…'`) and give no time, and a severity only by its name; such a pair is a field.

use super::Parser;
use crate::draft::{Draft, Raw};
use crate::json::text::unescape;
use crate::options::Role;
use crate::record::Flags;

/// The parser.
pub(super) const PARSER: Parser =
    Parser { name: "logfmt", about: "key=value pairs with quotes and escapes", parse };

fn parse(draft: &mut Draft<'_>) -> Option<()> {
    let line = draft.line;
    let bytes = line.as_bytes();
    let mut at = skip_white(bytes, 0);
    let (mut pairs, mut is_prose, mut may_go_on) = (0, false, false);
    let several = draft.record.flags.has(Flags::MULTILINE);
    let mut first_end = if several { end_of_line(bytes, at) } else { bytes.len() };
    while at < bytes.len() {
        if at > first_end {
            if pairs > 0 {
                is_prose = true;
                break;
            }
            first_end = bytes.len();
        }
        let start = at;
        at = end_of_word(bytes, at);
        let key = line.get(start..at)?;
        if bytes.get(at) != Some(&b'=') || !is_key(key) {
            // A bare word. What follows it up to white space belongs to it.
            let end = end_of_bare(bytes, at);
            if pairs > 0 && end == at && is_key(key) {
                draft.take_anew(key, draft.span(start, at), Raw::Bool(true));
                is_prose |= may_go_on;
            } else {
                is_prose = true;
            }
            at = skip_white(bytes, end);
            continue;
        }
        draft.loose |= pairs == 0 && is_prose;
        pairs += 1;
        let key_span = draft.span(start, at);
        at += 1;
        may_go_on = false;
        at = match bytes.get(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let (end, escaped) = closing(bytes, at + 1, *quote)?;
                let inside = line.get(at + 1..end)?;
                if escaped {
                    let mut text = std::mem::take(&mut draft.scratch.value);
                    decode(inside, *quote, &mut text);
                    draft.take_anew(key, key_span, Raw::Text(&text, None));
                    draft.scratch.value = text;
                } else {
                    draft.take_anew(key, key_span, draft.text(at + 1, end));
                }
                if end > first_end {
                    first_end = end_of_line(bytes, end);
                }
                end + 1
            }
            _ => {
                let end = end_of_bare(bytes, at);
                let has_comma = line.get(at..end).is_some_and(is_parted);
                let value = draft.text(at, end - usize::from(has_comma));
                let role = draft.take_anew(key, key_span, value);
                may_go_on = has_comma || role == Some(Role::Message);
                end
            }
        };
        at = skip_white(bytes, at);
    }
    if is_prose || draft.replaced {
        draft.keep_line();
    }
    (pairs > 0).then_some(())
}

fn is_key(key: &str) -> bool {
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_.-@/:#$".contains(&byte);
    !key.is_empty() && key.bytes().all(known)
}

/// Whether the last byte is a comma that parts this value from the next pair. One that is the
/// whole value, or is behind another one, belongs to it.
fn is_parted(value: &str) -> bool {
    value.strip_suffix(',').is_some_and(|value| !value.is_empty() && !value.ends_with(','))
}

fn skip_white(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b',').count()
}

fn end_of_word(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let word = |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(**byte, b'=' | b'"' | b',');
    at + rest.iter().take_while(word).count()
}

fn end_of_bare(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| !byte.is_ascii_whitespace()).count()
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |end| at + end)
}

/// Where the quote is closed, and whether there is an escape before.
pub(crate) fn closing(bytes: &[u8], start: usize, quote: u8) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (start, false);
    loop {
        at += memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&quote) {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Decodes escapes; one that is unknown stays as it was written.
fn decode(inside: &str, quote: u8, out: &mut String) {
    out.clear();
    if quote == b'"' && unescape(inside, out).is_some() {
        return;
    }
    out.clear();
    let mut chars = inside.chars();
    while let Some(one) = chars.next() {
        if one != '\\' {
            out.push(one);
            continue;
        }
        match chars.next() {
            Some(same) if same == char::from(quote) || same == '\\' => out.push(same),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
}
