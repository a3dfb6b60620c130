//! The config file as a tree with places: text → nodes, each with its line and column from 1.
//!
//! Maps, lists and scalars, nothing else: tags and aliases have no use here, and an alias is how
//! a small file becomes a large one. Bounds: [`CONFIG_BYTES_MAX`], [`DEPTH_MAX`], [`NODES_MAX`].

use super::{MISTAKES_MAX, Mistake};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// Bytes of a config file.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;
/// Levels of maps and lists.
pub const DEPTH_MAX: usize = 16;
/// Scalars, lists and maps of one file.
pub const NODES_MAX: usize = 100_000;

/// A value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// Text, and whether it was written with quotes.
    Scalar { text: String, quoted: bool },
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file.
    Map(Vec<Entry>),
}

/// One field of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

impl Node {
    /// What is there, in words.
    pub(crate) fn what(&self) -> &'static str {
        match &self.content {
            Content::Scalar { text, quoted: false } if is_null(text) => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// An unquoted nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, quoted: false } if is_null(text))
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null")
}

/// A list or map that is not closed yet.
struct Open {
    line: usize,
    content: Content,
    key: Option<(String, usize)>,
    /// The lines of a map's keys.
    keys: HashMap<String, usize>,
}

/// Reads a text. An empty one is an empty map.
pub(crate) fn parse(text: &str) -> Result<Node, Vec<Mistake>> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                reader.wrong(error.marker().line(), error.info());
                break;
            }
        };
        if !reader.take(event, span.start.line()) {
            break;
        }
    }
    let empty = Node { line: 1, content: Content::Map(Vec::new()) };
    let root = reader.root.filter(|root| !root.is_null()).unwrap_or(empty);
    if reader.mistakes.is_empty() { Ok(root) } else { Err(reader.mistakes) }
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn wrong(&mut self, line: usize, message: &str) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(Mistake { line, message: message.to_owned(), near: None });
        }
    }

    /// Takes an event; false when reading cannot go on.
    fn take(&mut self, event: Event<'_>, line: usize) -> bool {
        match event {
            Event::Scalar(text, style, ..) => {
                let quoted = style != ScalarStyle::Plain;
                self.value(line, Content::Scalar { text: text.into_owned(), quoted })
            }
            Event::MappingStart(..) => self.start(line, Content::Map(Vec::new())),
            Event::SequenceStart(..) => self.start(line, Content::List(Vec::new())),
            Event::MappingEnd | Event::SequenceEnd => match self.open.pop() {
                Some(closed) => self.value(closed.line, closed.content),
                None => true,
            },
            Event::Alias(_) => {
                self.wrong(line, "aliases have no place in this file: write the value again");
                false
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                self.wrong(line, "one document is expected, a second one begins here");
                false
            }
            _ => true,
        }
    }

    fn start(&mut self, line: usize, content: Content) -> bool {
        if self.open.len() >= DEPTH_MAX {
            self.wrong(line, &format!("nested deeper than {DEPTH_MAX} levels"));
            return false;
        }
        let waits_for_key = self
            .open
            .last()
            .is_some_and(|open| matches!(open.content, Content::Map(_)) && open.key.is_none());
        if waits_for_key {
            self.wrong(line, "a key must be text, this is a map or a list");
            return false;
        }
        self.open.push(Open { line, content, key: None, keys: HashMap::new() });
        true
    }

    fn value(&mut self, line: usize, content: Content) -> bool {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.wrong(line, &format!("more than {NODES_MAX} values"));
            return false;
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(Node { line, content });
            return true;
        };
        let node = Node { line, content };
        match (&mut open.content, open.key.take()) {
            (Content::List(items), _) => items.push(node),
            (Content::Map(_), None) => {
                if let Content::Scalar { text, .. } = node.content {
                    open.key = Some((text, line));
                }
            }
            (Content::Map(entries), Some((key, key_line))) => {
                if let Some(first) = open.keys.get(&key) {
                    let message = format!("`{key}` is given twice, first on line {first}");
                    self.wrong(key_line, &message);
                } else {
                    open.keys.insert(key.clone(), key_line);
                    entries.push(Entry { key, line: key_line, value: node });
                }
            }
            (Content::Scalar { .. }, _) => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_lines_and_quotes_are_remembered() {
        let root = parse("a: 1\nb:\n  - 'x'\n  - {c: d}\n").unwrap();
        let Content::Map(entries) = root.content else { panic!() };
        assert_eq!(
            entries.iter().map(|e| (e.key.as_str(), e.line)).collect::<Vec<_>>(),
            [("a", 1), ("b", 2)]
        );
        let Content::List(items) = &entries[1].value.content else { panic!() };
        let quoted = Content::Scalar { text: "x".into(), quoted: true };
        assert_eq!((items[0].line, &items[0].content), (3, &quoted));
    }

    #[test]
    fn no_text_makes_the_reader_panic_or_grow() {
        assert!(parse(&"[".repeat(DEPTH_MAX + 1)).is_err());
        assert!(parse(&"- 1\n".repeat(NODES_MAX + 1)).is_err());
        for text in ["a: &x b\nc: *x\n", "? [a]\n: b\n", "a: 1\n---\nb: 2\n", "a: 'x"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        for text in ["", "---\n", "# only a comment\n", "~\n"] {
            assert_eq!(parse(text).unwrap().content, Content::Map(Vec::new()), "{text:?}");
        }
        let twice = parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!((twice[0].line, twice.len()), (2, 1));
        assert_eq!(parse(&"a: 1\n".repeat(1_000)).unwrap_err().len(), MISTAKES_MAX);
    }
}
