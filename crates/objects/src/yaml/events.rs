//! A document as a stream of events with positions, from YAML or from JSON text.

use super::diagnostic::{Fault, Mark};
use super::split;
use saphyr_parser::{Parser, StrInput};
use std::borrow::Cow;

pub(super) use saphyr_parser::{Event, ScalarStyle};

/// A problem and its place, counted from the first line of the chunk.
pub(super) type Problem = (Mark, Fault);

/// Where events come from. After a problem the source is not asked again.
pub(super) trait Events<'a> {
    /// The next event; `None` behind the last.
    fn next_event(&mut self) -> Option<Result<(Event<'a>, Mark), Problem>>;
}

/// Events of YAML text.
pub(super) struct YamlEvents<'a> {
    parser: Parser<'a, StrInput<'a>>,
    forbidden: Option<Problem>,
}

impl<'a> YamlEvents<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { parser: Parser::new_from_str(text), forbidden: split::forbidden_character(text) }
    }
}

impl<'a> Events<'a> for YamlEvents<'a> {
    fn next_event(&mut self) -> Option<Result<(Event<'a>, Mark), Problem>> {
        if let Some(problem) = self.forbidden.take() {
            return Some(Err(problem));
        }
        Some(match self.parser.next_event()? {
            Ok((event, span)) => Ok((event, mark(&span.start))),
            Err(error) => {
                let message = error.info().to_owned();
                Err((mark(error.marker()), Fault::Syntax { message }))
            }
        })
    }
}

fn mark(marker: &saphyr_parser::Marker) -> Mark {
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Mark { line: narrow(marker.line().max(1)), column: narrow(marker.col().saturating_add(1)) }
}

/// Events of JSON text: one value, or several in a row as kubectl accepts them.
///
/// YAML contains almost all of JSON, but not tabs as indentation and not surrogate pairs, so JSON
/// is read on its own.
pub(super) struct JsonEvents<'a> {
    text: &'a str,
    at: usize,
    /// Where `mark` stands; it only moves forward, so that a long line costs linear time.
    marked_at: usize,
    mark: Mark,
    open: Vec<Open>,
    expect: Expect,
}

#[derive(Clone, Copy, PartialEq)]
enum Open {
    Object,
    Array,
}

#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Document,
    Value,
    FirstItem,
    NextItem,
    DocumentEnd,
    Nothing,
}

impl<'a> JsonEvents<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mark = Mark { line: 1, column: 1 };
        Self { text, at: 0, marked_at: 0, mark, open: Vec::new(), expect: Expect::Document }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The position of the next byte.
    fn here(&mut self) -> Mark {
        let passed = self.text.as_bytes().get(self.marked_at..self.at).unwrap_or_default();
        for byte in passed {
            match byte {
                b'\n' => self.mark = Mark { line: self.mark.line + 1, column: 1 },
                // Only the first byte of a character counts.
                0x80..=0xbf => {}
                _ => self.mark.column += 1,
            }
        }
        self.marked_at = self.at;
        self.mark
    }

    fn fail<T>(&mut self, message: &str) -> Result<T, Problem> {
        Err((self.here(), Fault::Syntax { message: message.to_owned() }))
    }

    fn step(&mut self) -> Result<(Event<'a>, Mark), Problem> {
        self.skip_space();
        match self.expect {
            Expect::Document if self.peek().is_none() => {
                self.expect = Expect::Nothing;
                Ok((Event::StreamEnd, self.here()))
            }
            Expect::Document => {
                self.expect = Expect::Value;
                Ok((Event::DocumentStart(false), self.here()))
            }
            Expect::Value => self.value(),
            Expect::FirstItem | Expect::NextItem => self.item(),
            Expect::DocumentEnd | Expect::Nothing => {
                self.expect = Expect::Document;
                Ok((Event::DocumentEnd, self.here()))
            }
        }
    }

    /// Behind an opening bracket or an item: the closing one, or the next item.
    fn item(&mut self) -> Result<(Event<'a>, Mark), Problem> {
        let object = self.open.last() == Some(&Open::Object);
        let (close, end) =
            if object { (b'}', Event::MappingEnd) } else { (b']', Event::SequenceEnd) };
        if self.peek() == Some(close) {
            let mark = self.here();
            self.at += 1;
            self.open.pop();
            self.after_value();
            return Ok((end, mark));
        }
        if self.expect == Expect::NextItem {
            if self.peek() != Some(b',') {
                return self.fail(if object {
                    "expected `,` or `}`"
                } else {
                    "expected `,` or `]`"
                });
            }
            self.at += 1;
            self.skip_space();
        }
        if !object {
            return self.value();
        }
        let mark = self.here();
        if self.peek() != Some(b'"') {
            return self.fail("expected a key in double quotes");
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("expected `:` behind the key");
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok((Event::Scalar(key, ScalarStyle::DoubleQuoted, 0, None), mark))
    }

    fn value(&mut self) -> Result<(Event<'a>, Mark), Problem> {
        let mark = self.here();
        let event = match self.peek() {
            Some(b'{') => {
                return Ok((self.enter(Open::Object, Event::MappingStart(0, None)), mark));
            }
            Some(b'[') => {
                return Ok((self.enter(Open::Array, Event::SequenceStart(0, None)), mark));
            }
            Some(b'"') => Event::Scalar(self.string()?, ScalarStyle::DoubleQuoted, 0, None),
            _ => Event::Scalar(self.bare()?, ScalarStyle::Plain, 0, None),
        };
        self.after_value();
        Ok((event, mark))
    }

    fn enter(&mut self, open: Open, event: Event<'a>) -> Event<'a> {
        self.at += 1;
        self.open.push(open);
        self.expect = Expect::FirstItem;
        event
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::DocumentEnd } else { Expect::NextItem };
    }

    /// A string literal; without escapes it is not copied.
    fn string(&mut self) -> Result<Cow<'a, str>, Problem> {
        let rest = self.rest();
        let mut escaped = false;
        let mut escapes = false;
        for (index, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => (escaped, escapes) = (true, true),
                b'"' => {
                    let literal = rest.get(..=index).unwrap_or_default();
                    let inside = rest.get(1..index).unwrap_or_default();
                    let text = match escapes {
                        false => Some(Cow::Borrowed(inside)),
                        true => serde_json::from_str(literal).ok().map(Cow::Owned),
                    };
                    let Some(text) = text else {
                        return self.fail("unknown escape in this string");
                    };
                    self.at += index + 1;
                    return Ok(text);
                }
                0..0x20 => {
                    self.at += index;
                    return self.fail("control character in a string");
                }
                _ => {}
            }
        }
        self.fail("the string is not closed")
    }

    /// `true`, `false`, `null` or a number.
    fn bare(&mut self) -> Result<Cow<'a, str>, Problem> {
        let rest = self.rest();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        if !matches!(text, "true" | "false" | "null") && !is_number(text) {
            return self.fail("expected a JSON value");
        }
        self.at += end;
        Ok(Cow::Borrowed(text))
    }
}

impl<'a> Events<'a> for JsonEvents<'a> {
    fn next_event(&mut self) -> Option<Result<(Event<'a>, Mark), Problem>> {
        if self.expect == Expect::Nothing {
            return None;
        }
        Some(self.step())
    }
}

/// A JSON number in the range of a float.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = matches!(unsigned.as_bytes(), [b'0', b'0'..=b'9', ..]);
    let starts = unsigned.starts_with(|c: char| c.is_ascii_digit());
    starts
        && !leading_zero
        && !text.contains(".e")
        && !text.contains(".E")
        && !text.ends_with('.')
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}
