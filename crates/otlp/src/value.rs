//! A value of a body or an attribute, and how it is written as an `AnyValue`.
//!
//! Limit: values nested more deeply than [`VALUE_DEPTH_MAX`] are written as empty ones.

use crate::proto;

/// How deeply values may be nested, when written and when read.
pub const VALUE_DEPTH_MAX: usize = 32;

/// Longest decimal of a `u64`.
const DIGITS_MAX: usize = 20;
/// Longest content of an `AnyValue` with a number in it: tag, length, digits.
const SCALAR_BYTES_MAX: usize = DIGITS_MAX + 2;

/// Tag and longest length.
const FRAME_BYTES_MAX: usize = 24;

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
        let scalar = Scalar::new(value);
        proto::bytes(out, field, scalar.as_slice());
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
        let scalar = Scalar::new(value);
        let length = key_len + proto::bytes_len(scalar.as_slice().len());
        out.reserve(length + FRAME_BYTES_MAX);
        proto::frame_and_bytes(out, field, length, key.as_bytes());
        proto::bytes(out, 2, scalar.as_slice());
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

/// The content of an `AnyValue` that is neither text nor bytes nor nested.
struct Scalar {
    room: [u8; SCALAR_BYTES_MAX],
    used: usize,
}

impl Scalar {
    fn new(value: &Value<'_>) -> Self {
        let mut scalar = Self { room: [0; SCALAR_BYTES_MAX], used: 0 };
        match *value {
            Value::Bool(value) => scalar.push(&[proto::tag(2, proto::VARINT), u8::from(value)]),
            Value::Int(value) => scalar.number(value),
            Value::UInt(value) => match i64::try_from(value) {
                Ok(value) => scalar.number(value),
                Err(_) => scalar.digits(value),
            },
            Value::Double(value) => {
                scalar.push(&[proto::tag(4, proto::FIXED64)]);
                scalar.push(&value.to_le_bytes());
            }
            _ => {}
        }
        scalar
    }

    fn number(&mut self, value: i64) {
        self.push(&[proto::tag(3, proto::VARINT)]);
        let mut rest = value.cast_unsigned();
        while rest >= 0x80 {
            self.push(&[rest.to_le_bytes()[0] | 0x80]);
            rest >>= 7;
        }
        self.push(&[rest.to_le_bytes()[0]]);
    }

    /// The decimal of a number with all of its 19 or 20 digits, as text.
    fn digits(&mut self, value: u64) {
        let mut digits = [0_u8; DIGITS_MAX];
        let (mut rest, mut used) = (value, 0);
        for place in digits.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *place = b'0' + (rest % 10).to_le_bytes()[0];
            rest /= 10;
            used += 1;
        }
        self.push(&[proto::tag(1, proto::BYTES), usize::to_le_bytes(used)[0]]);
        self.push(digits.get(DIGITS_MAX - used..).unwrap_or_default());
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room.get_mut(self.used..self.used + bytes.len()) {
            room.copy_from_slice(bytes);
            self.used += bytes.len();
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }
}
