//! A value of a body or an attribute, and how it is written as an `AnyValue`.
//!
//! Limit: values nested more deeply than [`VALUE_DEPTH_MAX`] are written as empty ones.

use crate::proto;

/// How deeply values may be nested, when written and when read.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Tags and lengths, or a number, around what is copied.
const FRAME_BYTES_MAX: usize = 32;

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

/// Appends field `field`, an `AnyValue`.
#[inline]
pub(crate) fn any_value(out: &mut Vec<u8>, field: u8, value: &Value<'_>) {
    if let Some((inner_field, content)) = borrowed(value) {
        out.reserve(content.len() + FRAME_BYTES_MAX);
        proto::bytes_in_bytes(out, field, inner_field, content);
    } else if matches!(value, Value::Array(_) | Value::Map(_)) {
        nested(out, field, value, 0);
    } else {
        scalar(out, field, value);
    }
}

/// Appends field `field`, a `KeyValue`.
#[inline]
pub(crate) fn key_value(out: &mut Vec<u8>, field: u8, key: &str, value: &Value<'_>) {
    key_value_at(out, field, key, value, 0);
}

#[inline]
fn key_value_at(out: &mut Vec<u8>, field: u8, key: &str, value: &Value<'_>, depth: usize) {
    let key_len = proto::bytes_len(key.len());
    if let Some((inner_field, content)) = borrowed(value) {
        let length = key_len + proto::bytes_len(proto::bytes_len(content.len()));
        out.reserve(length + FRAME_BYTES_MAX);
        proto::frame_and_bytes(out, field, length, key.as_bytes());
        proto::bytes_in_bytes(out, 2, inner_field, content);
    } else if matches!(value, Value::Array(_) | Value::Map(_)) {
        let open = proto::open(out, field);
        proto::bytes(out, 1, key.as_bytes());
        nested(out, 2, value, depth);
        proto::close(out, open);
    } else {
        let length = key_len + proto::bytes_len(scalar_len(value));
        out.reserve(length + FRAME_BYTES_MAX);
        proto::frame_and_bytes(out, field, length, key.as_bytes());
        scalar(out, 2, value);
    }
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

/// Appends an `AnyValue` with a list or a map in it.
fn nested(out: &mut Vec<u8>, field: u8, value: &Value<'_>, depth: usize) {
    let open = proto::open(out, field);
    if depth + 1 < VALUE_DEPTH_MAX {
        match value {
            Value::Array(values) => {
                let list = proto::open(out, 5);
                for value in *values {
                    match value {
                        Value::Array(_) | Value::Map(_) => nested(out, 1, value, depth + 1),
                        plain => any_value(out, 1, plain),
                    }
                }
                proto::close(out, list);
            }
            Value::Map(pairs) => {
                let list = proto::open(out, 6);
                for (key, value) in *pairs {
                    key_value_at(out, 1, key, value, depth + 1);
                }
                proto::close(out, list);
            }
            _ => {}
        }
    }
    proto::close(out, open);
}

/// How long the content of an `AnyValue` is that is neither text nor bytes nor nested.
#[inline]
const fn scalar_len(value: &Value<'_>) -> usize {
    match *value {
        Value::Bool(_) => 2,
        Value::Int(value) => 1 + proto::varint_len(value.cast_unsigned()),
        Value::UInt(value) if value <= i64::MAX as u64 => 1 + proto::varint_len(value),
        // All numbers beyond have 19 or 20 digits.
        Value::UInt(value) => 2 + if value < 10_000_000_000_000_000_000 { 19 } else { 20 },
        Value::Double(_) => 9,
        _ => 0,
    }
}

/// Appends field `field`, an `AnyValue` that is neither text nor bytes nor nested.
#[inline]
fn scalar(out: &mut Vec<u8>, field: u8, value: &Value<'_>) {
    let tag = proto::tag(field, proto::BYTES);
    match *value {
        Value::Bool(value) => {
            out.extend_from_slice(&[tag, 2, proto::tag(2, proto::VARINT), u8::from(value)]);
        }
        Value::Int(value) => whole(out, tag, value.cast_unsigned()),
        Value::UInt(value) if value <= i64::MAX as u64 => whole(out, tag, value),
        Value::UInt(value) => {
            let digits = value.to_string();
            out.push(tag);
            proto::length(out, 2 + digits.len());
            proto::bytes(out, 1, digits.as_bytes());
        }
        Value::Double(value) => {
            let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
            let inner = proto::tag(4, proto::FIXED64);
            out.extend_from_slice(&[tag, 9, inner, a, b, c, d, e, f, g, h]);
        }
        _ => out.extend_from_slice(&[tag, 0]),
    }
}

/// The whole number of an `AnyValue`, written in one piece of which the end is taken back.
#[inline]
fn whole(out: &mut Vec<u8>, tag: u8, value: u64) {
    let end = out.len() + 3 + proto::varint_len(value);
    let (bytes, used) = proto::varint_bytes(value);
    let [a, b, c, d, e, f, g, h, i, j] = bytes;
    let inner = proto::tag(3, proto::VARINT);
    out.extend_from_slice(&[tag, 1 + used, inner, a, b, c, d, e, f, g, h, i, j]);
    out.truncate(end);
}
