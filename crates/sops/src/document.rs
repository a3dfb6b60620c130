//! The documents of a file as trees that keep the order of keys, which the code is made over.
//!
//! Input: text. Output: [`Documents`]. Scalars mean what they mean to SOPS, which reads YAML with
//! Go's `yaml.v3`: `yes` is a text, `0644` is 420. In JSON every number is a 64-bit float.
//! Refused: anchors and aliases, tags, keys that are no texts, duplicate keys, more than
//! [`DEPTH_MAX`] levels.

mod json;
mod scalar;
mod yaml;

use crate::{SopsError, ValueError};
use serde_json::{Map, Number, Value};
use zeroize::Zeroize;

/// Deeper documents are refused.
pub const DEPTH_MAX: usize = 100;

/// Integers up to here are the same in a float.
const EXACT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// A time without quotes, as written.
    Time(String),
    /// An integer over 64 bits.
    Large,
}

impl Node {
    /// The text of a text (or of a time: metadata has them without quotes).
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Time(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Map(fields) => fields.iter_mut().for_each(|(_, node)| node.clear()),
            Self::List(items) => items.iter_mut().for_each(Self::clear),
            Self::Text(text) | Self::Time(text) => text.zeroize(),
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Float(_) | Self::Large => {}
        }
    }

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(match self {
            Self::Map(fields) => {
                let fields = fields.iter().map(|(key, node)| Ok((key.clone(), node.to_value()?)));
                Value::Object(fields.collect::<Result<Map<_, _>, _>>()?)
            }
            Self::List(items) => {
                Value::Array(items.iter().map(Self::to_value).collect::<Result<_, ValueError>>()?)
            }
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Integer(value) => Value::from(*value),
            Self::Float(value) => Value::Number(number(*value)?),
            Self::Text(text) => Value::String(text.clone()),
            Self::Time(_) => return Err(ValueError::Time),
            Self::Large => return Err(ValueError::NotExpressible),
        })
    }
}

/// A float as SOPS prints it: without a fraction where it has none.
fn number(value: f64) -> Result<Number, ValueError> {
    if value.fract() == 0.0 && value.abs() <= EXACT_INTEGER_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "an integer of at most 53 bits")]
        return Ok(Number::from(value as i64));
    }
    Number::from_f64(value).ok_or(ValueError::NotExpressible)
}

/// The documents of a file. Memory is cleared on drop.
pub(crate) struct Documents(pub(crate) Vec<Node>);

impl Documents {
    pub(crate) fn from_yaml(bytes: &[u8]) -> Result<Self, SopsError> {
        yaml::read(text(bytes)?).map(Self)
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, SopsError> {
        json::read(text(bytes)?).map(|document| Self(vec![document]))
    }

    pub(crate) fn to_values(&self) -> Result<Vec<Value>, SopsError> {
        let value = |(node, document): (&Node, usize)| {
            let path = String::new();
            node.to_value().map_err(|source| SopsError::Value { document, path, source })
        };
        self.0.iter().zip(1..).map(value).collect()
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Node::clear);
    }
}

fn text(bytes: &[u8]) -> Result<&str, SopsError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        SopsError::Parse { line, column: 1, what: "the file is not UTF-8".to_owned() }
    })
}
