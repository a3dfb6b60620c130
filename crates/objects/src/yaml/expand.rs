//! From documents to manifests: lists are taken apart, and what every object needs is checked.

use super::build::Document;
use super::diagnostic::{Fault, Mark};
use super::events::{Event, Events};
use crate::{GroupVersionKind, Object, ShapeError};
use serde_json::{Map, Value};

/// The group of files that configure kustomize; they have no name and never reach a cluster.
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io";

/// An object or what is wrong with it.
pub(super) enum Expanded {
    /// The object and the line it begins on, in the chunk.
    Object(Object, u32),
    /// The fault and the path it is about; where that stands is found by [`locate`].
    Fault { fault: Fault, path: Vec<String>, mark: Mark },
}

/// Takes one document apart. List kinds give their items, in order; all else is one object.
pub(super) fn expand(document: Document, mut sink: impl FnMut(Expanded)) {
    let Document { value, mark, item_lines, .. } = document;
    let mut open = vec![(value, Vec::new(), mark)];
    while let Some((value, path, mark)) = open.pop() {
        match list_items(value) {
            Listed::Items { items, defaults } => {
                let top = path.is_empty();
                for (index, mut item) in items.into_iter().enumerate().rev() {
                    defaults.fill(&mut item);
                    let line = item_lines.get(index).copied().filter(|_| top);
                    let mark = Mark { line: line.unwrap_or(mark.line), ..mark };
                    let mut path = path.clone();
                    path.extend(["items".to_owned(), index.to_string()]);
                    open.push((item, path, mark));
                }
            }
            Listed::Broken { fault } => {
                let mut path = path;
                path.push("items".to_owned());
                sink(Expanded::Fault { fault, path, mark });
            }
            Listed::No(value) => object(value, &path, mark, &mut sink),
        }
    }
}

enum Listed {
    Items { items: Vec<Value>, defaults: Defaults },
    Broken { fault: Fault },
    No(Value),
}

/// What the members of a typed list (`ConfigMapList`) may leave out.
struct Defaults {
    api_version: Option<String>,
    kind: Option<String>,
}

impl Defaults {
    fn fill(&self, item: &mut Value) {
        let Value::Object(map) = item else { return };
        let absent = |map: &Map<String, Value>, key| {
            matches!(map.get(key), None | Some(Value::Null)) || map.get(key) == Some(&"".into())
        };
        if let (Some(kind), true) = (&self.kind, absent(map, "kind")) {
            map.insert("kind".to_owned(), Value::String(kind.clone()));
            if let Some(api_version) = &self.api_version {
                map.insert("apiVersion".to_owned(), Value::String(api_version.clone()));
            }
        }
    }
}

/// A kind that ends in `List` and has `items`, or is `List` itself.
fn list_items(value: Value) -> Listed {
    let Value::Object(mut map) = value else { return Listed::No(value) };
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(item_kind) = kind.strip_suffix("List") else { return Listed::No(Value::Object(map)) };
    let (kind, item_kind) = (kind.to_owned(), item_kind.to_owned());
    let api_version = map.get("apiVersion").and_then(Value::as_str).map(ToOwned::to_owned);
    match map.remove("items") {
        Some(Value::Array(items)) => {
            let kind = Some(item_kind).filter(|kind| !kind.is_empty());
            Listed::Items { items, defaults: Defaults { api_version, kind } }
        }
        Some(Value::Null) => Listed::Items {
            items: Vec::new(),
            defaults: Defaults { api_version: None, kind: None },
        },
        None if item_kind.is_empty() => Listed::Broken { fault: Fault::ItemsNotAList { kind } },
        None => Listed::No(Value::Object(map)),
        Some(_) => Listed::Broken { fault: Fault::ItemsNotAList { kind } },
    }
}

fn object(value: Value, path: &[String], mark: Mark, sink: &mut impl FnMut(Expanded)) {
    let below =
        |field: &str| path.iter().cloned().chain(field.split('.').map(str::to_owned)).collect();
    let object = match Object::from_value(value) {
        Ok(object) => object,
        Err(shape) => {
            let path = match &shape {
                ShapeError::WrongType { field, .. } => below(field),
                _ => path.to_vec(),
            };
            sink(Expanded::Fault { fault: Fault::Shape(shape), path, mark });
            return;
        }
    };
    let mut sound = true;
    let mut fail = |fault, path| {
        sound = false;
        sink(Expanded::Fault { fault, path, mark });
    };
    for field in ["name", "namespace"] {
        let named = format!("metadata.{field}");
        match object.at(&["metadata", field]) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => fail(wrong(named.clone(), "a string", other), below(&named)),
        }
    }
    let given = |field| match object.at(&["metadata", field]) {
        None | Some(Value::Null) => false,
        Some(value) => *value != "",
    };
    // Whether a generated name will do is for the one to say who knows what the object is for.
    if !given("name") && !given("generateName") && !is_kustomize(&object.gvk()) {
        fail(Fault::NameMissing, below("metadata"));
    }
    for field in ["labels", "annotations"] {
        let named = format!("metadata.{field}");
        match object.at(&["metadata", field]) {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                    if !value.is_string() {
                        let mut path: Vec<String> = below(&named);
                        path.push(key.clone());
                        fail(wrong(format!("{named}.{key}"), "a string", value), path);
                    }
                }
            }
            Some(other) => fail(wrong(named.clone(), "a map", other), below(&named)),
        }
    }
    if sound {
        sink(Expanded::Object(object, mark.line));
    }
}

fn is_kustomize(gvk: &GroupVersionKind) -> bool {
    gvk.group == KUSTOMIZE_GROUP
}

fn wrong(field: String, expected: &'static str, found: &Value) -> Fault {
    let found = match found {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    Fault::MetadataType { field, expected, found }
}

/// Where a path stands in the text: its key, or the member of a list. Only walked when something
/// is wrong. `None` when the path came through an alias or a merge.
pub(super) fn locate<'a>(
    mut events: impl Events<'a>,
    document: usize,
    path: &[String],
) -> Option<Mark> {
    let mut walk = Walk { stack: Vec::new(), matched: 0 };
    let mut seen = 0;
    while let Some(Ok((event, mark))) = events.next_event() {
        let here = match &event {
            Event::DocumentEnd if seen == document => return None,
            Event::DocumentEnd => {
                seen += 1;
                continue;
            }
            _ if seen < document => continue,
            Event::Scalar(text, ..) => walk.child(Some(text), path),
            Event::Alias(_) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                walk.child(None, path)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                walk.leave();
                continue;
            }
            _ => continue,
        };
        if here && walk.matched == path.len() {
            return Some(mark);
        }
        match event {
            Event::SequenceStart(..) => {
                walk.stack.push(Level { next: Next::Item(0), inside: here });
            }
            Event::MappingStart(..) => walk.stack.push(Level { next: Next::Key, inside: here }),
            _ => {}
        }
    }
    None
}

struct Walk {
    stack: Vec<Level>,
    /// How many segments of the path the open levels have matched.
    matched: usize,
}

struct Level {
    next: Next,
    /// This container is the one at the matched part of the path.
    inside: bool,
}

enum Next {
    Key,
    /// The value of a key; whether the key matched.
    Value(bool),
    Item(usize),
}

impl Walk {
    /// A child begins. True when it is the value at the path matched so far, or a key or member
    /// that has just extended the match.
    fn child(&mut self, text: Option<&str>, path: &[String]) -> bool {
        let wanted = path.get(self.matched);
        let Some(level) = self.stack.last_mut() else { return self.matched == 0 };
        match level.next {
            Next::Key => {
                let hit = level.inside && text.is_some() && text == wanted.map(String::as_str);
                level.next = Next::Value(hit);
                self.matched += usize::from(hit);
                hit && self.matched == path.len()
            }
            Next::Value(hit) => {
                level.next = Next::Key;
                hit
            }
            Next::Item(index) => {
                level.next = Next::Item(index + 1);
                let hit = level.inside && wanted.is_some_and(|name| *name == index.to_string());
                self.matched += usize::from(hit);
                hit
            }
        }
    }

    fn leave(&mut self) {
        self.stack.pop();
    }
}
