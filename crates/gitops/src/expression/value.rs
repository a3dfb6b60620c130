//! The values of an evaluation. What comes from a document is looked at in place, not copied.

use jiff::Timestamp;
use objects::quantity::Quantity;
use serde_json::{Map as JsonMap, Value as Json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value; `'a` is the life of the documents.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    List(List<'a>),
    Map(Map<'a>),
    /// Nanoseconds.
    Duration(i128),
    Timestamp(Timestamp),
    Quantity(Arc<Quantity>),
}

/// A list of a document, or a made one.
#[derive(Debug, Clone)]
pub(super) enum List<'a> {
    Json(&'a [Json]),
    Own(Arc<Vec<Value<'a>>>),
}

/// A map of a document, or a made one.
#[derive(Debug, Clone)]
pub(super) enum Map<'a> {
    Json(&'a JsonMap<String, Json>),
    Own(Arc<BTreeMap<String, Value<'a>>>),
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(uint)) => Self::Uint(uint),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(items) => Self::List(List::Json(items)),
            Json::Object(map) => Self::Map(Map::Json(map)),
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Own(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Value::from),
            Self::Own(items) => items.get(index).cloned(),
        }
    }
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(map) => map.len(),
            Self::Own(map) => map.len(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(map) => map.get(key).map(Value::from),
            Self::Own(map) => map.get(key).cloned(),
        }
    }

    pub(super) fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Self::Json(map) => map.keys().map(|key| Value::Text(Cow::Borrowed(key))).collect(),
            Self::Own(map) => map.keys().map(|key| Value::text(key.clone())).collect(),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    pub(super) fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Own(Arc::new(items)))
    }

    /// The name of the type, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an int",
            Self::Uint(_) => "a uint",
            Self::Double(_) => "a double",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Duration(_) => "a duration",
            Self::Timestamp(_) => "a timestamp",
            Self::Quantity(_) => "a quantity",
        }
    }

    /// How much work one look at it is, in units.
    pub(super) fn weight(&self) -> u64 {
        let len = match self {
            Self::Text(text) => text.len() / 16,
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            _ => 0,
        };
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    /// The order of two values of one kind; numbers are one kind.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(l), Self::Bool(r)) => Some(l.cmp(r)),
            (Self::Text(l), Self::Text(r)) => Some(l.cmp(r)),
            (Self::Duration(l), Self::Duration(r)) => Some(l.cmp(r)),
            (Self::Timestamp(l), Self::Timestamp(r)) => Some(l.cmp(r)),
            (Self::Quantity(l), Self::Quantity(r)) => Some(l.cmp(r)),
            (Self::Double(l), Self::Double(r)) => l.partial_cmp(r),
            (Self::Double(double), _) => Some(compare(*double, other.integer()?)?),
            (_, Self::Double(double)) => Some(compare(*double, self.integer()?)?.reverse()),
            _ => Some(self.integer()?.cmp(&other.integer()?)),
        }
    }

    /// The number in it, if it is a whole one by type.
    pub(super) fn integer(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(i128::from(*number)),
            Self::Uint(number) => Some(i128::from(*number)),
            _ => None,
        }
    }
}

/// A double next to a whole number, without rounding; none for what is no number.
fn compare(double: f64, integer: i128) -> Option<Ordering> {
    /// Larger than any whole number of CEL; below it a double without its fraction is exact.
    const BEYOND: f64 = 1e20;
    if double.is_nan() {
        return None;
    }
    if double.abs() >= BEYOND {
        return Some(if double > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 1e20, so it fits")]
    let whole = double.trunc() as i128;
    let fraction = double.fract().partial_cmp(&0.0)?;
    Some(whole.cmp(&integer).then(fraction))
}
