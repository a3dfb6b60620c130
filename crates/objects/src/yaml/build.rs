//! From events to JSON values: maps with their duplicate keys found, aliases, merges, bounds.
//!
//! There is no tree of nodes in between: a value is built once, in place, and only what carries
//! an anchor is copied.

use super::diagnostic::{Fault, Mark};
use super::events::{Event, Events, Problem, ScalarStyle};
use super::scalar::{self, Scalar};
use super::{ALIAS_BYTES_MAX, DEPTH_MAX};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a value costs besides its text when it is copied for an alias, in bytes.
const VALUE_BYTES: usize = 64;

/// One document that was read to its end.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    /// Where its content begins.
    pub(super) mark: Mark,
    /// Which document of its chunk it is, from 0.
    pub(super) index: usize,
    /// First lines of the members of a top-level list `items`.
    pub(super) item_lines: Vec<u32>,
}

/// What came out of a chunk.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) documents: Vec<Document>,
    pub(super) problems: Vec<Problem>,
    /// The text could not be read to its end.
    pub(super) broken: bool,
}

/// Reads all documents. One that has a problem is not among the results. `alias_bytes` counts
/// what aliases and anchors copied so far in this file.
pub(super) fn build<'a>(mut events: impl Events<'a>, alias_bytes: &mut usize) -> Built {
    let mut built = Built::default();
    let mut builder = Builder::new(alias_bytes);
    let mut index = 0;
    while let Some(next) = events.next_event() {
        let (event, mark) = match next {
            Ok(next) => next,
            Err(problem) => {
                builder.problems.push(problem);
                built.broken = true;
                break;
            }
        };
        match event {
            Event::DocumentStart(_) => builder.reset(),
            Event::DocumentEnd => {
                let sound = builder.problems.is_empty();
                built.problems.append(&mut builder.problems);
                if let Some((value, mark)) = builder.root.take().filter(|_| sound) {
                    let item_lines = std::mem::take(&mut builder.item_lines);
                    built.documents.push(Document { value, mark, index, item_lines });
                }
                index += 1;
            }
            Event::StreamEnd => break,
            event => {
                if let Err(fault) = builder.handle(event, mark) {
                    // Depth and expansion: reading on would be the harm they bound.
                    builder.problems.push((mark, fault));
                    break;
                }
            }
        }
    }
    built.problems.append(&mut builder.problems);
    built
}

enum Frame {
    List { items: Vec<Value>, anchor: usize },
    Map { entries: Map<String, Value>, explicit: Vec<(u64, u32)>, key: Option<Key>, anchor: usize },
}

enum Key {
    Name(String),
    Merge(Mark),
    /// A key with a problem of its own: its value is read and dropped.
    Bad,
}

/// What an anchor holds. A scalar is kept as one, because as a key it can differ from its value.
#[derive(Clone)]
enum Anchored {
    Scalar(Scalar),
    Tree { value: Value, size: Size },
}

/// A finished value on its way into its parent.
enum Finished {
    Tree { value: Value, aliased: bool },
    Scalar(Scalar),
}

struct Builder<'b> {
    stack: Vec<Frame>,
    root: Option<(Value, Mark)>,
    start: Option<Mark>,
    anchors: HashMap<usize, Anchored>,
    item_lines: Vec<u32>,
    in_items: bool,
    problems: Vec<Problem>,
    alias_bytes: &'b mut usize,
}

impl<'b> Builder<'b> {
    fn new(alias_bytes: &'b mut usize) -> Self {
        Self {
            stack: Vec::new(),
            root: None,
            start: None,
            anchors: HashMap::new(),
            item_lines: Vec::new(),
            in_items: false,
            problems: Vec::new(),
            alias_bytes,
        }
    }

    fn reset(&mut self) {
        self.stack.clear();
        self.root = None;
        self.start = None;
        self.anchors.clear();
        self.item_lines.clear();
        self.in_items = false;
    }

    /// Takes one event of a document. An error ends the reading.
    fn handle(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.begin(mark);
                let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
                let plain = style == ScalarStyle::Plain;
                if self.wants_key() && scalar::is_merge_key(&text, plain, tag.as_deref()) {
                    self.set_key(Key::Merge(mark));
                    return Ok(());
                }
                // The parser over-allocates.
                let mut text = text.into_owned();
                text.shrink_to_fit();
                let scalar = scalar::resolve(text, plain, tag.as_deref()).unwrap_or_else(|fault| {
                    self.problems.push((mark, fault));
                    Scalar::Null
                });
                if anchor > 0 {
                    self.anchors.insert(anchor, Anchored::Scalar(scalar.clone()));
                }
                self.place(Finished::Scalar(scalar), mark)
            }
            Event::SequenceStart(anchor, _) => {
                self.begin(mark);
                self.in_items |= self.is_at_items();
                self.push(Frame::List { items: Vec::new(), anchor })
            }
            Event::MappingStart(anchor, _) => {
                self.begin(mark);
                let (entries, explicit) = (Map::new(), Vec::new());
                self.push(Frame::Map { entries, explicit, key: None, anchor })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(mark),
            Event::Alias(anchor) => {
                self.begin(mark);
                self.alias(anchor, mark)
            }
            _ => Ok(()),
        }
    }

    /// Notes where the document and the members of a top-level `items` begin.
    fn begin(&mut self, mark: Mark) {
        self.start.get_or_insert(mark);
        if self.in_items && self.stack.len() == 2 {
            self.item_lines.push(mark.line);
        }
    }

    fn is_at_items(&self) -> bool {
        matches!(
            self.stack.as_slice(),
            [Frame::Map { key: Some(Key::Name(name)), .. }] if name == "items"
        )
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame::Map { key: None, .. }))
    }

    fn set_key(&mut self, new: Key) {
        if let Some(Frame::Map { key, .. }) = self.stack.last_mut() {
            *key = Some(new);
        }
    }

    fn push(&mut self, frame: Frame) -> Result<(), Fault> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        self.stack.push(frame);
        Ok(())
    }

    fn end(&mut self, mark: Mark) -> Result<(), Fault> {
        let (value, anchor) = match self.stack.pop() {
            Some(Frame::List { mut items, anchor }) => {
                items.shrink_to_fit();
                (Value::Array(items), anchor)
            }
            Some(Frame::Map { entries, anchor, .. }) => (Value::Object(entries), anchor),
            None => return Ok(()),
        };
        if self.stack.len() == 1 {
            self.in_items = false;
        }
        if anchor > 0 {
            let size = measure(&value);
            self.spend(size.bytes)?;
            self.anchors.insert(anchor, Anchored::Tree { value: value.clone(), size });
        }
        self.place(Finished::Tree { value, aliased: false }, mark)
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), Fault> {
        let finished = match self.anchors.get(&anchor) {
            Some(Anchored::Scalar(scalar)) => {
                let text = if let Scalar::Text(text) = scalar { text.len() } else { 0 };
                let scalar = scalar.clone();
                self.spend(VALUE_BYTES + text)?;
                Finished::Scalar(scalar)
            }
            Some(Anchored::Tree { size, .. }) => {
                let size = *size;
                if self.stack.len() + size.depth > DEPTH_MAX {
                    return Err(Fault::TooDeep);
                }
                self.spend(size.bytes)?;
                let Some(Anchored::Tree { value, .. }) = self.anchors.get(&anchor) else {
                    return Ok(());
                };
                Finished::Tree { value: value.clone(), aliased: true }
            }
            None => {
                self.problems.push((mark, Fault::UnknownAlias));
                Finished::Scalar(Scalar::Null)
            }
        };
        self.place(finished, mark)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        *self.alias_bytes = self.alias_bytes.saturating_add(bytes);
        if *self.alias_bytes > ALIAS_BYTES_MAX { Err(Fault::AliasesTooLarge) } else { Ok(()) }
    }

    /// Puts a value where it belongs: the document, a list, a key or a key's value.
    fn place(&mut self, finished: Finished, mark: Mark) -> Result<(), Fault> {
        if self.wants_key() {
            let key = self.key(finished, mark);
            self.set_key(key);
            return Ok(());
        }
        let (value, aliased) = match finished {
            Finished::Tree { value, aliased } => (value, aliased),
            Finished::Scalar(scalar) => match scalar.into_value() {
                Ok(value) => (value, false),
                Err(fault) => {
                    self.problems.push((mark, fault));
                    (Value::Null, false)
                }
            },
        };
        match self.stack.last_mut() {
            None => self.root = Some((value, self.start.unwrap_or(mark))),
            Some(Frame::List { items, .. }) => items.push(value),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                Some(Key::Name(name)) => {
                    entries.insert(name, value);
                }
                Some(Key::Merge(at)) => {
                    if !merge(entries, value, aliased) {
                        self.problems.push((at, Fault::MergeValue));
                    }
                }
                Some(Key::Bad) | None => {}
            },
        }
        Ok(())
    }

    /// Makes a key of a value; a duplicate is a problem that names both lines.
    fn key(&mut self, finished: Finished, mark: Mark) -> Key {
        let name = match finished {
            Finished::Tree { .. } => Err(Fault::ComplexKey),
            Finished::Scalar(scalar) => scalar.into_key(),
        };
        let name = match name {
            Ok(name) => name,
            Err(fault) => {
                self.problems.push((mark, fault));
                return Key::Bad;
            }
        };
        let Some(Frame::Map { entries, explicit, .. }) = self.stack.last_mut() else {
            return Key::Bad;
        };
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = hasher.finish();
        if entries.contains_key(&name) {
            // A merged key may be given again; one that is written twice may not.
            if let Some((_, first_line)) = explicit.iter().find(|(seen, _)| *seen == hash) {
                let fault = Fault::DuplicateKey { key: name, first_line: *first_line };
                self.problems.push((mark, fault));
                return Key::Bad;
            }
        }
        explicit.push((hash, mark.line));
        Key::Name(name)
    }
}

/// Puts the entries of a map, or of a list of maps, into `entries`. As in the library behind
/// kubectl a later `<<` overrides keys that stand before it, and in a list the first map wins.
fn merge(entries: &mut Map<String, Value>, value: Value, aliased: bool) -> bool {
    match value {
        Value::Object(map) => entries.extend(map),
        Value::Array(maps) if !aliased && maps.iter().all(Value::is_object) => {
            for map in maps.into_iter().rev() {
                if let Value::Object(map) = map {
                    entries.extend(map);
                }
            }
        }
        _ => return false,
    }
    true
}

/// How much a value takes when it is copied.
#[derive(Clone, Copy)]
struct Size {
    bytes: usize,
    /// Levels of maps and lists.
    depth: usize,
}

/// Measures a value; it is no deeper than the builder allows.
fn measure(value: &Value) -> Size {
    let leaf = Size { bytes: VALUE_BYTES, depth: 0 };
    let inside = |size: Size, text: usize, child: &Value| {
        let child = measure(child);
        Size { bytes: size.bytes + text + child.bytes, depth: size.depth.max(child.depth + 1) }
    };
    match value {
        Value::String(text) => Size { bytes: leaf.bytes + text.len(), ..leaf },
        Value::Array(items) => {
            let empty = Size { depth: 1, ..leaf };
            items.iter().fold(empty, |size, item| inside(size, 0, item))
        }
        Value::Object(map) => {
            let empty = Size { depth: 1, ..leaf };
            map.iter().fold(empty, |size, (key, value)| inside(size, key.len(), value))
        }
        _ => leaf,
    }
}
