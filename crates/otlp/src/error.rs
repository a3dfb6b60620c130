//! Why bytes of another program could not be read.

use model::{Explain, Hint};

/// Why a message could not be decoded. Nothing of the message's content is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// A variable-length number has more than ten bytes or does not fit 64 bits.
    #[error("a number is longer than 64 bits")]
    Varint,
    /// A tag has the field number 0 or one over 2^29 - 1.
    #[error("a field has no valid number")]
    FieldNumber,
    /// A known field has another wire type than it should, or a group, which no OTLP has.
    #[error("field {field} has wire type {wire_type}")]
    WireType {
        /// The field's number.
        field: u32,
        /// What was found.
        wire_type: u8,
    },
    /// A text is not UTF-8.
    #[error("field {field} is not valid UTF-8")]
    Utf8 {
        /// The field's number.
        field: u32,
    },
    /// A trace id has neither 0 nor 16 bytes, or a span id neither 0 nor 8.
    #[error("an id of {length} bytes")]
    IdLength {
        /// What was found.
        length: usize,
    },
    /// Values are nested more deeply than [`crate::VALUE_DEPTH_MAX`].
    #[error("values are nested more deeply than {} levels", crate::VALUE_DEPTH_MAX)]
    Depth,
    /// A frame or message is larger than allowed.
    #[error("{length} bytes are more than the {limit} that are allowed")]
    TooLarge {
        /// What was announced.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// The first byte of a gRPC frame is neither 0 nor 1.
    #[error("a frame has the flag {flag}, which is neither 0 nor 1")]
    FrameFlag {
        /// What was found.
        flag: u8,
    },
}

impl Explain for DecodeError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Utf8 { .. } => Some(Hint::new("the sender must send text as UTF-8")),
            Self::TooLarge { .. } => Some(Hint::new("let the sender make smaller batches")),
            _ => Some(Hint::new("check that the other side speaks OTLP")),
        }
    }
}
