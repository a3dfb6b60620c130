//! One step of a path through an object.

use super::FieldsError;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};

/// Longest element quoted in an error, in characters.
const MAX_QUOTED_CHARS: usize = 80;

/// One step of a path. The order is the canonical one: fields, keys, values, positions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathElement {
    /// A field of a map.
    Field(Box<str>),
    /// The item of a list with these key fields: canonical JSON of a map of scalars.
    Key(Box<str>),
    /// The item of a set with this value: canonical JSON.
    Value(Box<str>),
    /// The item of a list at this position.
    Index(i64),
}

impl PathElement {
    /// A field of a map.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// The item of a list at this position, from 0.
    #[must_use]
    pub fn index(index: usize) -> Self {
        Self::Index(i64::try_from(index).unwrap_or(i64::MAX))
    }

    /// The item of a set with this value.
    #[must_use]
    pub fn value(value: &Value) -> Self {
        Self::Value(value.to_string().into())
    }

    /// The element that names `item` by these fields (given in alphabetical order), or `None`
    /// when one of them is absent or not a scalar. An absent `protocol` is `TCP`: it is the only
    /// key field for which the server has a default.
    #[must_use]
    pub fn key_of(item: &Map<String, Value>, fields: &[&str]) -> Option<Self> {
        let mut text = String::new();
        write_key(&mut text, item, fields)?;
        Some(Self::Key(text.into()))
    }

    /// Reads the stored form: `f:name`, `k:{…}`, `v:…`, `i:0`.
    pub(crate) fn parse(stored: &str) -> Result<Self, FieldsError> {
        let unreadable =
            || FieldsError::Element { element: stored.chars().take(MAX_QUOTED_CHARS).collect() };
        match stored.split_once(':') {
            Some(("f", name)) => Ok(Self::field(name)),
            Some(("k", json)) => {
                let map: Map<String, Value> =
                    serde_json::from_str(json).map_err(|_| unreadable())?;
                let mut fields: Vec<(&String, &Value)> = map.iter().collect();
                fields.sort_by_key(|(name, _)| *name);
                let mut text = String::from("{");
                for (index, (name, value)) in fields.into_iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    write_json_string(&mut text, name);
                    let _ = write!(text, ":{value}");
                }
                text.push('}');
                Ok(Self::Key(text.into()))
            }
            Some(("v", json)) => {
                let value: Value = serde_json::from_str(json).map_err(|_| unreadable())?;
                Ok(Self::value(&value))
            }
            Some(("i", index)) => index.parse().map(Self::Index).map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }

    /// The stored form.
    pub(super) fn stored(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(json) => format!("k:{json}"),
            Self::Value(json) => format!("v:{json}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// A whole path as kubectl prints it: `.spec.containers[name="web"].image`.
    #[must_use]
    pub fn print(path: &[Self]) -> String {
        let mut text = String::new();
        for element in path {
            let _ = write!(text, "{element}");
        }
        text
    }
}

impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(json) => {
                let map: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
                let mut fields: Vec<(&String, &Value)> = map.iter().collect();
                fields.sort_by_key(|(name, _)| *name);
                f.write_char('[')?;
                for (index, (name, value)) in fields.into_iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_char(']')
            }
            Self::Value(json) => write!(f, "[={json}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Appends the canonical JSON of an item's key fields; see [`PathElement::key_of`].
pub(crate) fn write_key(
    out: &mut String,
    item: &Map<String, Value>,
    fields: &[impl AsRef<str>],
) -> Option<()> {
    out.push('{');
    for (index, field) in fields.iter().enumerate() {
        let field = field.as_ref();
        if index > 0 {
            out.push(',');
        }
        write_json_string(out, field);
        out.push(':');
        match item.get(field) {
            None if field == "protocol" => out.push_str("\"TCP\""),
            Some(Value::String(value)) => write_json_string(out, value),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                let _ = write!(out, "{value}");
            }
            _ => return None,
        }
    }
    out.push('}');
    Some(())
}

/// Appends a JSON string; the usual one, without anything to escape, without an allocation.
fn write_json_string(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        let _ = write!(out, "{}", Value::String(text.to_owned()));
    }
}
