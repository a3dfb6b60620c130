//! JSON text to a tree. `serde_json` reads; this keeps the order of keys and refuses doubles.

use super::{DEPTH_MAX, Node};
use crate::SopsError;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

pub(super) fn read(text: &str) -> Result<Node, SopsError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Level(0).deserialize(&mut deserializer);
    read.and_then(|node| deserializer.end().map(|()| node)).map_err(|error| {
        // Only our own messages and a fixed one: serde's may repeat a value.
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                let text = error.to_string();
                let ours = [TWICE, DEEP].into_iter().find(|ours| text.starts_with(ours));
                ours.unwrap_or("the JSON is not accepted")
            }
            serde_json::error::Category::Eof => "the JSON ends too early",
            _ => "the JSON is not well formed",
        };
        let (line, column) = (error.line().max(1), error.column().max(1));
        SopsError::Parse { line, column, what: what.to_owned() }
    })
}

const TWICE: &str = "a key is given twice";
const DEEP: &str = "there are too many levels";

/// How many collections are open around the value.
struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.0 == DEPTH_MAX { Err(E::custom(DEEP)) } else { Ok(self.0 + 1) }
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "SOPS reads every JSON number as a float")]
    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Float(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "SOPS reads every JSON number as a float")]
    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let level = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Level(level))? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let level = self.deeper()?;
        let (mut fields, mut names) = (Vec::new(), HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(TWICE));
            }
            fields.push((name, map.next_value_seed(Level(level))?));
        }
        Ok(Node::Map(fields))
    }
}
