//! JSON values as the YAML that `kustomize build` prints, byte for byte.
//!
//! The layout is that of the Go library behind it: lists at the level of their key, keys in
//! natural order (`a2` before `a10`), long text folded behind column 80, quotes only where the
//! YAML 1.1 reader would see another type. Input is bounded by the caller's value; no errors.

use crate::scalar;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Spaces per level.
const INDENT: usize = 2;
/// Text is folded at the first space behind this column.
const WIDTH: usize = 80;
/// A longer key stands behind `? `.
const SIMPLE_KEY_BYTES: usize = 128;

/// One document, ending in a newline.
pub(crate) fn map(map: &Map<String, Value>) -> String {
    let mut emitter = Emitter { out: String::new(), column: 0, open: false };
    emitter.map(map, None);
    emitter.out.push('\n');
    emitter.out
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Behind `key:`.
    Value,
    /// Behind `- `, or behind the `:` of a long key: a block begins on the same line.
    Inline,
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

struct Emitter {
    out: String,
    /// Characters on the current line.
    column: usize,
    /// The last thing was an indicator with its blank (`- `, `? `): a block goes on there.
    open: bool,
}

impl Emitter {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn new_line(&mut self, indent: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.column = indent;
    }

    /// The place of a block's next line: the current one behind an indicator, else a new one.
    fn line(&mut self, indent: usize) {
        if self.open || self.out.is_empty() {
            self.open = false;
        } else {
            self.new_line(indent);
        }
    }

    /// A node whose parent's content stands at `indent`; `None` at the root.
    fn node(&mut self, value: &Value, indent: Option<usize>, place: Place) {
        match value {
            Value::Object(map) if !map.is_empty() => self.map(map, indent),
            Value::Array(list) if !list.is_empty() => {
                // Behind a key the dash stands at the key's own level.
                let inner = match (indent, place) {
                    (None, _) => 0,
                    (Some(indent), Place::Value) => indent,
                    (Some(indent), _) => indent + INDENT,
                };
                for item in list {
                    self.line(inner);
                    self.put("-");
                    self.behind_indicator(item, inner);
                }
            }
            leaf => {
                if place == Place::Value {
                    self.put(" ");
                }
                self.open = false;
                self.leaf(leaf, indent.map_or(0, |indent| indent + INDENT));
            }
        }
    }

    fn map(&mut self, map: &Map<String, Value>, indent: Option<usize>) {
        let inner = indent.map_or(0, |indent| indent + INDENT);
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        entries.sort_by(|(a, _), (b, _)| natural(a, b));
        for (key, value) in entries {
            self.line(inner);
            self.entry(key, value, inner);
        }
    }

    fn behind_indicator(&mut self, value: &Value, indent: usize) {
        self.put(" ");
        self.open = true;
        self.node(value, Some(indent), Place::Inline);
        self.open = false;
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        let seen = Scalar::of(key);
        if key.len() > SIMPLE_KEY_BYTES || seen.breaks {
            self.put("? ");
            self.string(key, &seen, indent + INDENT, false);
            self.new_line(indent);
            self.put(":");
            self.behind_indicator(value, indent);
            return;
        }
        self.string(key, &seen, indent, true);
        self.put(":");
        self.node(value, Some(indent), Place::Value);
    }

    fn leaf(&mut self, value: &Value, indent: usize) {
        match value {
            Value::String(text) => self.string(text, &Scalar::of(text), indent, false),
            Value::Object(_) => self.put("{}"),
            Value::Array(_) => self.put("[]"),
            Value::Number(number) => self.put(&scalar::go_yaml_number(number)),
            other => self.put(&other.to_string()),
        }
    }

    fn string(&mut self, text: &str, seen: &Scalar, indent: usize, simple_key: bool) {
        let fold = !simple_key;
        match style(text, seen, simple_key) {
            Style::Plain => self.plain(text, indent, fold),
            Style::Single => self.single(text, indent, fold),
            Style::Double => self.double(text, indent, fold),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, fold: bool) {
        if !text.contains(' ') {
            self.put(text);
            return;
        }
        let mut chars = text.chars().peekable();
        let mut spaces = false;
        while let Some(c) = chars.next() {
            if c == ' ' {
                let next = chars.peek() == Some(&' ');
                if fold && !spaces && self.column > WIDTH && !next {
                    self.new_line(indent);
                } else {
                    self.put(" ");
                }
                spaces = true;
            } else {
                self.out.push(c);
                self.column += 1;
                spaces = false;
            }
        }
    }

    fn single(&mut self, text: &str, indent: usize, fold: bool) {
        self.put("'");
        let chars: Vec<char> = text.chars().collect();
        let (mut spaces, mut breaks) = (false, false);
        for (at, c) in chars.iter().enumerate() {
            if *c == ' ' {
                let inner = at > 0 && at + 1 < chars.len();
                let next = chars.get(at + 1) == Some(&' ');
                if fold && !spaces && self.column > WIDTH && inner && !next {
                    self.new_line(indent);
                } else {
                    self.put(" ");
                }
                spaces = true;
            } else if is_break(*c) {
                if !breaks && *c == '\n' {
                    self.out.push('\n');
                }
                self.out.push(*c);
                self.column = 0;
                breaks = true;
            } else {
                if breaks {
                    self.out.extend(std::iter::repeat_n(' ', indent));
                    self.column = indent;
                }
                if *c == '\'' {
                    self.put("'");
                }
                self.out.push(*c);
                self.column += 1;
                (spaces, breaks) = (false, false);
            }
        }
        self.put("'");
    }

    fn double(&mut self, text: &str, indent: usize, fold: bool) {
        self.put("\"");
        let chars: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (at, c) in chars.iter().enumerate() {
            // Behind a byte order mark the library escapes everything.
            let all = chars.first() == Some(&'\u{feff}');
            if let Some(escape) = escape(*c, all) {
                self.put(&escape);
                spaces = false;
            } else if *c == ' ' {
                let inner = at > 0 && at + 1 < chars.len();
                if fold && !spaces && self.column > WIDTH && inner {
                    self.new_line(indent);
                    if chars.get(at + 1) == Some(&' ') {
                        self.put("\\");
                    }
                } else {
                    self.put(" ");
                }
                spaces = true;
            } else {
                self.out.push(*c);
                self.column += 1;
                spaces = false;
            }
        }
        self.put("\"");
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with([' ', '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            self.put(&INDENT.to_string());
        }
        let mut last = text.chars().rev();
        match (last.next(), last.next()) {
            (Some(c), _) if !is_break(c) => self.put("-"),
            (Some(_), None) => self.put("+"),
            (Some(_), Some(c)) if is_break(c) => self.put("+"),
            _ => {}
        }
        self.out.push('\n');
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.out.push(c);
                breaks = true;
            } else {
                if breaks {
                    self.out.extend(std::iter::repeat_n(' ', indent));
                }
                self.out.push(c);
                breaks = false;
            }
        }
        // The block ended its line itself; the next line must not begin another one.
        if breaks {
            self.out.pop();
        }
        self.column = 0;
    }
}

fn style(text: &str, seen: &Scalar, simple_key: bool) -> Style {
    let mut style = if text.contains('\n') {
        Style::Literal
    } else if scalar::is_string_to_v2(text) && !is_base60(text) {
        Style::Plain
    } else {
        Style::Double
    };
    if simple_key && seen.breaks {
        style = Style::Double;
    }
    if style == Style::Plain && !seen.plain {
        style = Style::Single;
    }
    if style == Style::Single && !seen.single {
        style = Style::Double;
    }
    if style == Style::Literal && (!seen.block || simple_key) {
        style = Style::Double;
    }
    style
}

/// What the text of a scalar allows.
struct Scalar {
    breaks: bool,
    plain: bool,
    single: bool,
    block: bool,
}

impl Scalar {
    fn of(text: &str) -> Self {
        let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
            return Self { breaks: false, plain: true, single: true, block: false };
        };
        let mut chars = text.chars().peekable();
        let mut at_start = true;
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut breaks, mut special) = (false, false);
        let (mut break_space, mut space_break) = (false, false);
        let (mut was_space, mut was_break, mut after_blank) = (false, false, true);
        while let Some(c) = chars.next() {
            let before_blank = matches!(chars.peek(), None | Some(' ' | '\t'));
            indicators |= match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`'
                    if at_start =>
                {
                    true
                }
                '?' | '-' if at_start => before_blank,
                ':' => before_blank,
                '#' => after_blank,
                _ => false,
            };
            at_start = false;
            special |= !is_printable(c);
            if c == ' ' {
                break_space |= was_break;
                (was_space, was_break) = (true, false);
            } else if is_break(c) {
                breaks = true;
                space_break |= was_space;
                (was_space, was_break) = (false, true);
            } else {
                (was_space, was_break) = (false, false);
            }
            after_blank = matches!(c, ' ' | '\t') || is_break(c);
        }
        let edge = |c: char| c == ' ' || is_break(c);
        let edges = edge(first) || edge(last);
        let broken = space_break || special;
        Self {
            breaks,
            plain: !(edges || break_space || broken || breaks || indicators),
            single: !(break_space || broken),
            block: !(broken || last == ' '),
        }
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    match c {
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        '\n' | ' '..='~' | '\u{a0}'..='\u{ffff}' => true,
        _ => false,
    }
}

/// How a character stands in double quotes, when not as itself.
fn escape(c: char, all: bool) -> Option<String> {
    let short = match c {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' if all => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        c if is_printable(c) && !all => return None,
        c => {
            let code = u32::from(c);
            return Some(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Some(short.to_owned())
}

/// `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`
fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (unsigned, ""),
    };
    let loose = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut count = 0;
    let sixty = |part: &str| match part.as_bytes() {
        [digit] | [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && loose(first)
        && loose(fraction)
        && parts.all(|part| {
            count += 1;
            sixty(part)
        })
        && count > 0
}

/// The order of keys: numbers inside of them by value, other signs before letters.
fn natural(a: &str, b: &str) -> Ordering {
    let mut pairs = a.char_indices().zip(b.chars());
    let differ = pairs.find(|((_, l), r)| l != r);
    // One is the beginning of the other.
    let Some(((at, l), r)) = differ else { return a.len().cmp(&b.len()) };
    match (l.is_alphabetic(), r.is_alphabetic()) {
        (true, true) => return l.cmp(&r),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let mut start: i64 = 0;
    if l == '0' || r == '0' {
        // Digits before decide whether a zero leads.
        let same = a.get(..at).unwrap_or_default();
        if same.chars().rev().take_while(|c| c.is_numeric()).any(|c| c != '0') {
            start = 1;
        }
    }
    let number = |text: &str| {
        let rest = text.get(at..).unwrap_or_default();
        let digits = rest.chars().take_while(|c| c.is_numeric());
        digits.fold((start, 0_usize), |(value, count), c| {
            let digit = i64::from(u32::from(c)) - i64::from(u32::from('0'));
            (value.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    let ((ln, lc), (rn, rc)) = (number(a), number(b));
    ln.cmp(&rn).then(lc.cmp(&rc)).then(l.cmp(&r))
}
