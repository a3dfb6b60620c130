//! From the bytes of a file to nodes with the line of each document.
//!
//! Documents are cut at `---` by the parser. Anchors and aliases are copied, `<<` is merged, a
//! key given twice is refused with both lines. Limits: [`DEPTH_MAX`] levels, [`ALIAS_NODES_MAX`]
//! nodes copied per file. Errors: line and sentence.

use crate::node::{Map, Node, Scalar, Tag};
use crate::scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use std::collections::HashMap;

/// Levels of maps and lists in one document.
pub(crate) const DEPTH_MAX: usize = 100;
/// Nodes that aliases of one file may copy.
pub(crate) const ALIAS_NODES_MAX: usize = 100_000;

/// A document and the line it begins on, from 1.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) node: Node,
    pub(crate) line: u32,
    /// Lines of the members of a top-level map.
    pub(crate) lines: HashMap<String, u32>,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: u32,
    pub(crate) message: String,
}

/// Reads every document of a file. Empty ones are null.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Document>, Fault> {
    let fault = |line, message: &str| Fault { line, message: message.to_owned() };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        fault(u32::try_from(lines).unwrap_or(u32::MAX), "the file is not UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    let mut builder = Builder::default();
    let mut documents = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let line = u32::try_from(error.marker().line().max(1)).unwrap_or(u32::MAX);
            fault(line, error.info())
        })?;
        let line = u32::try_from(span.start.line().max(1)).unwrap_or(u32::MAX);
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) => builder.reset(),
            Event::DocumentEnd => {
                if let Some((node, line)) = builder.root.take() {
                    let lines = std::mem::take(&mut builder.lines);
                    documents.push(Document { node, line, lines });
                }
            }
            event => {
                // The parser writes `~` for a value that is not there.
                let absent = span.start.index() == span.end.index();
                let event = match event {
                    Event::Scalar(_, ScalarStyle::Plain, anchor, None) if absent => {
                        Event::Scalar("".into(), ScalarStyle::Plain, anchor, None)
                    }
                    event => event,
                };
                builder.take(event, line).map_err(|message| fault(line, &message))?;
            }
        }
    }
    Ok(documents)
}

enum Frame {
    List {
        items: Vec<Node>,
        anchor: usize,
    },
    Map {
        map: Map,
        merged: Vec<Node>,
        key: Option<String>,
        lines: HashMap<String, u32>,
        anchor: usize,
    },
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    root: Option<(Node, u32)>,
    start: u32,
    anchors: HashMap<usize, Node>,
    copied: usize,
    lines: HashMap<String, u32>,
}

impl Builder {
    fn reset(&mut self) {
        self.stack.clear();
        self.root = None;
        self.start = 0;
        self.anchors.clear();
        self.lines.clear();
    }

    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), String> {
        if self.start == 0 && !matches!(event, Event::Nothing | Event::StreamStart) {
            self.start = line;
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(Frame::Map { key: key @ None, map, lines, .. }) = self.stack.last_mut()
                {
                    let plain = style == ScalarStyle::Plain;
                    let name = text.into_owned();
                    if map.contains_key(&name) {
                        let first = lines.get(&name).copied().unwrap_or(line);
                        return Err(format!("key `{name}` is given twice, first on line {first}"));
                    }
                    if plain && name != "<<" && scalar::resolve_v3(&name).tag() != Tag::Str {
                        return Err(format!("key `{name}` is not a string: put it in quotes"));
                    }
                    if !plain && name == "<<" {
                        return Err("a quoted key `<<` is not supported".to_owned());
                    }
                    lines.insert(name.clone(), line);
                    *key = Some(name);
                    return Ok(());
                }
                let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
                let scalar = typed(text.into_owned(), style, tag.as_deref())?;
                self.finish(Node::Scalar(scalar), anchor)
            }
            Event::MappingStart(anchor, _) => {
                self.open()?;
                let lines = HashMap::new();
                let merged = Vec::new();
                self.stack.push(Frame::Map { map: Map::new(), merged, key: None, lines, anchor });
                Ok(())
            }
            Event::SequenceStart(anchor, _) => {
                self.open()?;
                self.stack.push(Frame::List { items: Vec::new(), anchor });
                Ok(())
            }
            Event::MappingEnd => match self.stack.pop() {
                Some(Frame::Map { mut map, merged, lines, anchor, .. }) => {
                    for node in merged {
                        merge_into(&mut map, node)?;
                    }
                    if self.stack.is_empty() {
                        self.lines = lines;
                    }
                    self.finish(Node::Map(map), anchor)
                }
                _ => Err("a map ends where none began".to_owned()),
            },
            Event::SequenceEnd => match self.stack.pop() {
                Some(Frame::List { items, anchor }) => self.finish(Node::List(items), anchor),
                _ => Err("a list ends where none began".to_owned()),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err("an alias refers to an anchor that holds it".to_owned());
                };
                self.copied = self.copied.saturating_add(size(&node));
                if self.copied > ALIAS_NODES_MAX {
                    return Err(format!("aliases copy more than {ALIAS_NODES_MAX} values"));
                }
                self.finish(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&self) -> Result<(), String> {
        if let Some(Frame::Map { key: None, .. }) = self.stack.last() {
            return Err("a map or a list is no key".to_owned());
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(format!("the document is more than {DEPTH_MAX} levels deep"));
        }
        Ok(())
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.copied = self.copied.saturating_add(size(&node));
            if self.copied > ALIAS_NODES_MAX {
                return Err(format!("anchors hold more than {ALIAS_NODES_MAX} values"));
            }
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some((node, self.start)),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { map, merged, key, .. }) => match key.take() {
                Some(key) if key == "<<" => merged.push(node),
                Some(key) => {
                    map.insert(key, node);
                }
                None => return Err("a map or a list is no key".to_owned()),
            },
        }
        Ok(())
    }
}

/// What `<<` brings: keys that the map does not have itself.
fn merge_into(map: &mut Map, node: Node) -> Result<(), String> {
    match node {
        Node::Map(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Node::List(list) => list.into_iter().try_for_each(|node| merge_into(map, node)),
        Node::Scalar(_) => Err("`<<` takes a map or a list of maps".to_owned()),
    }
}

fn typed(text: String, style: ScalarStyle, tag: Option<&str>) -> Result<Scalar, String> {
    let plain = style == ScalarStyle::Plain;
    let tag = match tag {
        None if plain => scalar::resolve_v3(&text).tag(),
        None | Some("!" | "tag:yaml.org,2002:str") => Tag::Str,
        Some("tag:yaml.org,2002:int") => Tag::Int,
        Some("tag:yaml.org,2002:float") => Tag::Float,
        Some("tag:yaml.org,2002:bool") => Tag::Bool,
        Some("tag:yaml.org,2002:null") => Tag::Null,
        Some(other) => return Err(format!("the tag `{other}` is not supported")),
    };
    Ok(Scalar { text, tag, quoted: !plain && tag == Tag::Str })
}

/// Values in a tree, itself included.
fn size(node: &Node) -> usize {
    match node {
        Node::Scalar(_) => 1,
        Node::List(list) => 1 + list.iter().map(size).sum::<usize>(),
        Node::Map(map) => 1 + map.values().map(size).sum::<usize>(),
    }
}
