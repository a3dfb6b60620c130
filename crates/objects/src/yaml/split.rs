//! From bytes to documents: encoding, and the cut at `---` lines that keeps one broken document
//! from hiding the others.

use super::FILE_BYTES_MAX;
use super::diagnostic::{Fault, Mark};

/// One document's text, or several when `...` separates them, with the line it begins on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) text: &'a str,
    /// Line of its first character in the file, from 1.
    pub(super) first_line: u32,
}

/// Checks size and encoding.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, (Mark, Fault)> {
    let start = Mark { line: 1, column: 1 };
    if bytes.len() > FILE_BYTES_MAX {
        return Err((start, Fault::FileTooLarge { bytes: bytes.len() }));
    }
    if let Some(encoding) = wide_encoding(bytes) {
        return Err((start, Fault::WrongEncoding { encoding }));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let before = std::str::from_utf8(before).unwrap_or_default();
        (position(before), Fault::NotUtf8)
    })
}

/// Cuts a file into chunks at the lines that begin with `---`. Chunks without content are left
/// out; directives (`%YAML 1.1`) stay with the document they belong to.
pub(super) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let mut start = Cut { at: 0, line: 1 };
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let here = Cut { at, line: u32::try_from(index + 1).unwrap_or(u32::MAX) };
        at += line.len();
        let Some(rest) = line.strip_prefix("---") else { continue };
        if !rest.is_empty() && !rest.starts_with([' ', '\t', '\r', '\n']) {
            continue;
        }
        let before = text.get(start.at..here.at).unwrap_or_default();
        if is_directives_only(before) {
            continue;
        }
        push(&mut chunks, before, start.line);
        let rest = rest.trim();
        // Behind `---` there can be content of the new document.
        start = if rest.is_empty() || rest.starts_with('#') {
            Cut { at, line: here.line.saturating_add(1) }
        } else {
            here
        };
    }
    push(&mut chunks, text.get(start.at..).unwrap_or_default(), start.line);
    chunks
}

/// The first character that YAML does not allow, if any.
pub(super) fn forbidden_character(text: &str) -> Option<(Mark, Fault)> {
    let suspicious = |byte: u8| {
        (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'))
            || matches!(byte, 0x7f | 0xc2 | 0xef)
    };
    if !text.bytes().any(suspicious) {
        return None;
    }
    let forbidden = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    let (index, c) = text.char_indices().find(|(_, c)| forbidden(*c))?;
    let mark = position(text.get(..index).unwrap_or_default());
    Some((mark, Fault::ControlCharacter { code: u32::from(c) }))
}

/// The `line`th line of a text, from 1, without its end.
pub(super) fn line_text(text: &str, line: u32) -> &str {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    text.split('\n').nth(index).unwrap_or_default().trim_end_matches('\r')
}

#[derive(Clone, Copy)]
struct Cut {
    at: usize,
    line: u32,
}

fn push<'a>(chunks: &mut Vec<Chunk<'a>>, text: &'a str, first_line: u32) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.lines().any(|line| !is_blank(line) && line.trim_end() != "...") {
        chunks.push(Chunk { text, first_line });
    }
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '\r']);
    line.is_empty() || line.starts_with('#')
}

fn is_directives_only(text: &str) -> bool {
    let mut content = text.lines().filter(|line| !is_blank(line)).peekable();
    content.peek().is_some() && content.all(|line| line.starts_with('%'))
}

fn position(before: &str) -> Mark {
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Mark { line: narrow(line), column: narrow(column) }
}

/// UTF-16 and UTF-32 by their byte order mark, or by the zero bytes that ASCII has in them.
fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, _, ..] | [_, 0, 0, 0, ..] => {
            Some("UTF-32")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, 0, _, ..] | [_, 0, _, 0, ..] => Some("UTF-16"),
        _ => None,
    }
}
