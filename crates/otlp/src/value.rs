//! A value of a body or an attribute, and how it is written as an `AnyValue`.
//!
//! Limit: values nested more deeply than [`VALUE_DEPTH_MAX`] are written as empty ones.

use crate::proto;
use crate::room::Room;

/// How deeply values may be nested, when written and when read.
pub const VALUE_DEPTH_MAX: usize = 32;

/// A value that is borrowed from wherever it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Empty,
    /// Text.
    Str(&'a str),
    /// A truth value.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number. OTLP has none: one that fits is written as a number, a larger one as
    /// its decimal digits, because a float would lose some of them.
    UInt(u64),
    /// A float.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list.
    Array(&'a [Value<'a>]),
    /// Names and values.
    Map(&'a [(&'a str, Value<'a>)]),
}

/// Writes field `field`, an `AnyValue`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each value of each record")]
pub(crate) fn any_value<'b>(room: Room<'b>, field: u8, value: &Value<'_>) -> Option<Room<'b>> {
    match borrowed(value) {
        Some((inner, content)) => {
            room.head(field, proto::bytes_len(content.len()))?.field(inner, content)
        }
        None => other(room, field, value, 0),
    }
}

/// Writes field `field`, a `KeyValue`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each value of each record")]
pub(crate) fn key_value<'b>(
    room: Room<'b>,
    field: u8,
    key: &str,
    value: &Value<'_>,
) -> Option<Room<'b>> {
    let content = borrowed(value).map(|(_, content)| proto::bytes_len(content.len()));
    let content = content.unwrap_or_else(|| other_len(value, 0));
    let room = room.head(field, proto::bytes_len(key.len()) + proto::bytes_len(content))?;
    any_value(room.field(1, key.as_bytes())?, 2, value)
}

/// The field in an `AnyValue` and the content of what is only copied.
#[inline]
const fn borrowed<'a>(value: &Value<'a>) -> Option<(u8, &'a [u8])> {
    match value {
        Value::Str(text) => Some((1, text.as_bytes())),
        Value::Bytes(bytes) => Some((7, bytes)),
        _ => None,
    }
}

/// How long the content of an `AnyValue` is that so many others are around.
fn value_len(value: &Value<'_>, depth: usize) -> usize {
    match borrowed(value) {
        Some((_, content)) => proto::bytes_len(content.len()),
        None => other_len(value, depth),
    }
}

/// The same for what is not only copied.
#[inline]
fn other_len(value: &Value<'_>, depth: usize) -> usize {
    match value {
        Value::Bool(_) => 2,
        Value::Int(value) => 1 + proto::varint_len(value.cast_unsigned()),
        Value::UInt(value) if *value <= i64::MAX as u64 => 1 + proto::varint_len(*value),
        // All numbers beyond have 19 or 20 digits.
        Value::UInt(value) => 2 + if *value < 10_000_000_000_000_000_000 { 19 } else { 20 },
        Value::Double(_) => 9,
        Value::Array(_) | Value::Map(_) if depth + 1 < VALUE_DEPTH_MAX => {
            proto::bytes_len(list_len(value, depth + 1))
        }
        _ => 0,
    }
}

/// How long the elements of a list or a map are.
fn list_len(value: &Value<'_>, depth: usize) -> usize {
    match value {
        Value::Array(values) => {
            values.iter().map(|value| proto::bytes_len(value_len(value, depth))).sum()
        }
        Value::Map(pairs) => {
            pairs.iter().map(|(key, value)| proto::bytes_len(pair_len(key, value, depth))).sum()
        }
        _ => 0,
    }
}

/// How long a `KeyValue` is.
fn pair_len(key: &str, value: &Value<'_>, depth: usize) -> usize {
    proto::bytes_len(key.len()) + proto::bytes_len(value_len(value, depth))
}

/// Writes field `field`, an `AnyValue` that is not only copied.
#[inline]
fn other<'b>(room: Room<'b>, field: u8, value: &Value<'_>, depth: usize) -> Option<Room<'b>> {
    let tag = proto::tag(field, proto::BYTES);
    match *value {
        Value::Bool(value) => room.array(&[tag, 2, proto::tag(2, proto::VARINT), u8::from(value)]),
        Value::Int(value) => whole(room, tag, value.cast_unsigned()),
        Value::UInt(value) if value <= i64::MAX as u64 => whole(room, tag, value),
        Value::UInt(value) => {
            let digits = value.to_string();
            room.head(field, proto::bytes_len(digits.len()))?.field(1, digits.as_bytes())
        }
        Value::Double(value) => {
            let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
            let inner = proto::tag(4, proto::FIXED64);
            room.array(&[tag, 9, inner, a, b, c, d, e, f, g, h])
        }
        Value::Array(_) | Value::Map(_) => nested(room, field, value, depth),
        _ => room.array(&[tag, 0]),
    }
}

/// The whole number of an `AnyValue`.
#[inline]
fn whole(room: Room<'_>, tag: u8, value: u64) -> Option<Room<'_>> {
    let (bytes, used) = proto::varint_bytes(value);
    let [a, b, c, d, e, f, g, h, i, j] = bytes;
    let inner = proto::tag(3, proto::VARINT);
    room.some(&[tag, 1 + used, inner, a, b, c, d, e, f, g, h, i, j], 3 + usize::from(used))
}

/// Writes an `AnyValue` with a list or a map in it.
#[inline(never)]
fn nested<'b>(room: Room<'b>, field: u8, value: &Value<'_>, depth: usize) -> Option<Room<'b>> {
    let mut room = room.head(field, other_len(value, depth))?;
    let depth = depth + 1;
    if depth >= VALUE_DEPTH_MAX {
        return Some(room);
    }
    match value {
        Value::Array(values) => {
            room = room.head(5, list_len(value, depth))?;
            for value in *values {
                room = at_depth(room, 1, value, depth)?;
            }
        }
        Value::Map(pairs) => {
            room = room.head(6, list_len(value, depth))?;
            for (key, value) in *pairs {
                room = room.head(1, pair_len(key, value, depth))?.field(1, key.as_bytes())?;
                room = at_depth(room, 2, value, depth)?;
            }
        }
        _ => {}
    }
    Some(room)
}

/// Writes field `field`, an `AnyValue` that so many others are around.
fn at_depth<'b>(room: Room<'b>, field: u8, value: &Value<'_>, depth: usize) -> Option<Room<'b>> {
    match value {
        Value::Array(_) | Value::Map(_) => nested(room, field, value, depth),
        plain => any_value(room, field, plain),
    }
}
