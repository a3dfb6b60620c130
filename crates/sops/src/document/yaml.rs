//! YAML text to trees, without recursion and with a place for every problem.

use super::{DEPTH_MAX, Node, scalar};
use crate::SopsError;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashSet;

/// A collection that is being read.
enum Open {
    Map { fields: Vec<(String, Node)>, names: HashSet<String>, key: Option<String> },
    List(Vec<Node>),
}

pub(super) fn read(text: &str) -> Result<Vec<Node>, SopsError> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| problem(error.marker(), error.info().to_owned()))?;
        let fail = |what: &str| Err(problem(&span.start, what.to_owned()));
        let done = match event {
            Event::Alias(_) => return fail("aliases are not accepted"),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return fail("anchors are not accepted");
            }
            Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return fail("tags are not accepted");
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEPTH_MAX => {
                return fail(&format!("there are more than {DEPTH_MAX} levels"));
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                let (fields, names) = (Vec::new(), HashSet::new());
                open.push(Open::Map { fields, names, key: None });
                continue;
            }
            Event::Scalar(text, style, _, tag) => match node(text, style, tag.as_deref()) {
                Some(node) => node,
                None => return fail("tags other than `!!str` are not accepted"),
            },
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::Map { fields, .. }) => Node::Map(fields),
                Some(Open::List(items)) => Node::List(items),
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(done),
            Some(open) => {
                if let Err(what) = put(open, done) {
                    return fail(&what);
                }
            }
        }
    }
    Ok(documents)
}

fn node(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Option<Node> {
    match tag {
        None if style == ScalarStyle::Plain => Some(scalar::resolve(&text)),
        None => Some(Node::Text(text.into_owned())),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => {
            Some(Node::Text(text.into_owned()))
        }
        Some(_) => None,
    }
}

fn put(open: &mut Open, done: Node) -> Result<(), String> {
    match open {
        Open::List(items) => items.push(done),
        Open::Map { fields, names, key } => match key.take() {
            Some(key) => fields.push((key, done)),
            None => match done {
                Node::Text(name) if name == "<<" => {
                    return Err("merge keys are not accepted".to_owned());
                }
                Node::Text(name) if names.contains(&name) => {
                    return Err("a key is given twice".to_owned());
                }
                Node::Text(name) => {
                    names.insert(name.clone());
                    *key = Some(name);
                }
                _ => return Err("a key is not a text".to_owned()),
            },
        },
    }
    Ok(())
}

fn problem(marker: &Marker, what: String) -> SopsError {
    SopsError::Parse { line: marker.line().max(1), column: marker.col() + 1, what }
}
