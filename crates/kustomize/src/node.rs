//! A document as kustomize holds it: maps, lists, and scalars that keep the text they were
//! written with.
//!
//! A scalar's type is decided when it is printed, because a replacement may put another text
//! into a field and keep the field's type. Maps are sorted: what is printed is sorted anyway.
//! No I/O; nesting is bounded where nodes are read.

use crate::scalar::{self, Resolved};
use serde_json::{Map as JsonMap, Number, Value};
use std::collections::BTreeMap;

/// The members of a map.
pub(crate) type Map = BTreeMap<String, Node>;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Scalar(Scalar),
    Map(Map),
    List(Vec<Node>),
}

/// A scalar's type as far as it is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Whatever its text looks like when it is printed.
    Auto,
    Str,
    Int,
    Float,
    Bool,
    Null,
    Time,
}

/// A scalar with its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) tag: Tag,
    /// It stood in quotes or in a block, so that it stays a string whatever its text.
    pub(crate) quoted: bool,
}

impl Scalar {
    /// A string.
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self { text: text.into(), tag: Tag::Str, quoted: false }
    }

    /// Puts another text into the place of this scalar, as kustomize's setters do: quotes stay,
    /// the type does not.
    pub(crate) fn set(&mut self, text: String, tag: Tag) {
        self.text = text;
        self.tag = tag;
    }

    fn to_json(&self) -> Result<Value, String> {
        let quoted = self.quoted || self.tag == Tag::Str;
        if quoted {
            return Ok(Value::String(self.text.clone()));
        }
        let resolved = scalar::resolve_v3(&self.text);
        let found = resolved.tag();
        let value = match (self.tag, resolved) {
            (Tag::Float, Resolved::Int(number)) => {
                let float = number.as_f64().and_then(Number::from_f64);
                return float.map(Value::Number).ok_or_else(|| self.mismatch());
            }
            (tag, _) if tag != Tag::Auto && tag != found => return Err(self.mismatch()),
            (_, Resolved::Null) => Value::Null,
            (_, Resolved::Bool(value)) => Value::Bool(value),
            (_, Resolved::Int(number)) => Value::Number(number),
            (_, Resolved::Float(float)) => match Number::from_f64(float) {
                Some(number) => Value::Number(number),
                None => return Err(format!("`{}` is not a number that JSON has", self.text)),
            },
            (_, Resolved::Time(text)) => Value::String(text),
            (_, Resolved::Str) => Value::String(self.text.clone()),
        };
        Ok(value)
    }

    fn mismatch(&self) -> String {
        let wanted = match self.tag {
            Tag::Int => "an integer",
            Tag::Float => "a number",
            Tag::Bool => "a boolean",
            Tag::Null => "empty",
            Tag::Time => "a time",
            Tag::Auto | Tag::Str => "a string",
        };
        format!("`{}` was put where the value is {wanted}", self.text)
    }
}

impl Node {
    /// A string.
    pub(crate) fn string(text: impl Into<String>) -> Self {
        Self::Scalar(Scalar::string(text))
    }

    /// An empty map.
    pub(crate) fn map() -> Self {
        Self::Map(Map::new())
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(scalar) if scalar.tag == Tag::Null)
    }

    /// Null, or a map or list without members.
    pub(crate) fn is_nil_or_empty(&self) -> bool {
        match self {
            Self::Scalar(scalar) => scalar.tag == Tag::Null,
            Self::Map(map) => map.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// A member of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    /// The value at a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The member of a map, made as a map when it is absent or null. `None`: it is another thing.
    pub(crate) fn child_map(&mut self, key: &str) -> Option<&mut Map> {
        let map = self.as_map_mut()?;
        let slot = map.entry(key.to_owned()).or_insert_with(Self::map);
        if slot.is_null() {
            *slot = Self::map();
        }
        slot.as_map_mut()
    }

    /// What is wrong with it for a message: its type with the article.
    pub(crate) fn article(&self) -> &'static str {
        match self {
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
            Self::Scalar(scalar) => match scalar.tag {
                Tag::Null => "empty",
                Tag::Int | Tag::Float => "a number",
                Tag::Bool => "a boolean",
                Tag::Auto | Tag::Str | Tag::Time => "a string",
            },
        }
    }

    /// The value that is printed.
    ///
    /// # Errors
    /// A text that does not fit the type of its field, in words.
    pub(crate) fn to_json(&self) -> Result<Value, String> {
        Ok(match self {
            Self::Scalar(scalar) => scalar.to_json()?,
            Self::List(list) => {
                Value::Array(list.iter().map(Self::to_json).collect::<Result<_, _>>()?)
            }
            Self::Map(map) => {
                let mut out = JsonMap::new();
                for (key, child) in map {
                    let value = child.to_json().map_err(|error| format!("{key}: {error}"))?;
                    out.insert(key.clone(), value);
                }
                Value::Object(out)
            }
        })
    }

    /// The value as the reader of kustomization files and JSON patches sees it: `yes` is true.
    ///
    /// # Errors
    /// A number that JSON does not have.
    pub(crate) fn to_json_v2(&self) -> Result<Value, String> {
        match self {
            Self::Scalar(scalar) => match scalar.tag {
                Tag::Time => Ok(Value::String(scalar.text.clone())),
                Tag::Str if !scalar.quoted => Ok(match scalar::v2_bool(&scalar.text) {
                    Some(value) => Value::Bool(value),
                    None => Value::String(scalar.text.clone()),
                }),
                _ => scalar.to_json(),
            },
            Self::List(list) => {
                list.iter().map(Self::to_json_v2).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Map(map) => map
                .iter()
                .map(|(key, child)| Ok((key.clone(), child.to_json_v2()?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
        }
    }

    /// A node from a JSON value that went through kustomize's JSON patch: numbers are floats.
    pub(crate) fn from_json(value: &Value) -> Self {
        let scalar = |text: String, tag| Self::Scalar(Scalar { text, tag, quoted: false });
        match value {
            Value::Null => scalar("null".to_owned(), Tag::Null),
            Value::Bool(value) => scalar(value.to_string(), Tag::Bool),
            Value::Number(number) => {
                let text = scalar::go_float(number.as_f64().unwrap_or_default());
                let tag = scalar::resolve_v3(&text).tag();
                scalar(text, tag)
            }
            Value::String(text) => {
                let plain = scalar::is_string_to_v2(text)
                    && scalar::resolve_v3(text).tag() == Tag::Str
                    && !text.contains('\n');
                Self::Scalar(Scalar { text: text.clone(), tag: Tag::Str, quoted: !plain })
            }
            Value::Array(list) => Self::List(list.iter().map(Self::from_json).collect()),
            Value::Object(map) => Self::Map(
                map.iter().map(|(key, value)| (key.clone(), Self::from_json(value))).collect(),
            ),
        }
    }

    /// Puts every string in quotes, as the members of a `List` have them.
    pub(crate) fn quote_strings(&mut self) {
        match self {
            Self::Scalar(scalar) => {
                if let Resolved::Time(time) = scalar::resolve_v3(&scalar.text)
                    && scalar.tag == Tag::Time
                {
                    (scalar.text, scalar.tag) = (time, Tag::Str);
                }
                scalar.quoted = scalar.tag == Tag::Str;
            }
            Self::List(list) => list.iter_mut().for_each(Self::quote_strings),
            Self::Map(map) => map.values_mut().for_each(Self::quote_strings),
        }
    }
}
