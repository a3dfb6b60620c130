//! What a receiver of OTLP answers: a partial success, or a `google.rpc.Status`.
//!
//! Bounds: a message keeps [`MESSAGE_BYTES_MAX`] bytes of text, control characters are replaced
//! (it goes into logs and terminals), and at most [`DETAILS_MAX`] details are looked at. Text that
//! is not UTF-8 is mended, not refused: what matters is the verdict.

use crate::error::DecodeError;
use crate::proto::Fields;
use std::time::Duration;

/// Most bytes of a receiver's message that are kept.
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Most details of a status that are looked at.
pub const DETAILS_MAX: usize = 16;
/// Longest pause that is believed.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The type of the detail that asks for a pause.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

/// What an accepted request was told besides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialSuccess {
    /// Records that were not taken. They must not be sent again.
    pub rejected: u64,
    /// What a person should read; may be empty.
    pub message: String,
}

impl PartialSuccess {
    /// Whether everything was taken without a remark.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.rejected == 0 && self.message.is_empty()
    }

    /// Reads an `ExportLogsServiceResponse`.
    ///
    /// # Errors
    /// When the bytes are no message.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            if field.number != 1 {
                continue;
            }
            let mut inner = Fields::new(field.bytes()?);
            while let Some(field) = inner.next()? {
                match field.number {
                    // A negative count would be nonsense and means none.
                    1 => {
                        let count = field.varint()?.cast_signed();
                        read.rejected = u64::try_from(count).unwrap_or(0);
                    }
                    2 => read.message = told(field.bytes()?),
                    _ => {}
                }
            }
        }
        Ok(read)
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The code, as gRPC numbers them.
    pub code: i32,
    /// What a person should read; may be empty.
    pub message: String,
    /// The pause that was asked for.
    pub retry_delay: Option<Duration>,
}

impl Status {
    /// Reads a `google.rpc.Status`.
    ///
    /// # Errors
    /// When the bytes are no message.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        let mut details = 0;
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => read.code = (field.varint()? as u32).cast_signed(),
                2 => read.message = told(field.bytes()?),
                3 if details < DETAILS_MAX => {
                    details += 1;
                    if let Some(delay) = retry_delay(field.bytes()?)? {
                        read.retry_delay = Some(delay);
                    }
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

/// The pause in a `google.protobuf.Any`, when it is a `RetryInfo`.
fn retry_delay(detail: &[u8]) -> Result<Option<Duration>, DecodeError> {
    let (mut kind, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(detail);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => kind = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    if kind.rsplit(|byte| *byte == b'/').next() != Some(RETRY_INFO) {
        return Ok(None);
    }
    let mut fields = Fields::new(value);
    let mut delay = None;
    while let Some(field) = fields.next()? {
        if field.number == 1 {
            delay = duration(field.bytes()?)?;
        }
    }
    Ok(delay)
}

/// A `google.protobuf.Duration`; a negative one is none, a very long one is cut.
fn duration(message: &[u8]) -> Result<Option<Duration>, DecodeError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => seconds = field.varint()?.cast_signed(),
            2 => nanos = (field.varint()? as u32).cast_signed(),
            _ => {}
        }
    }
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
        return Ok(None);
    };
    let whole = Duration::from_secs(seconds.min(RETRY_DELAY_MAX.as_secs()));
    let delay = whole + Duration::from_nanos(u64::from(nanos.min(999_999_999)));
    Ok(Some(delay.min(RETRY_DELAY_MAX)))
}

/// A foreign message as it may be shown.
pub(crate) fn told(bytes: &[u8]) -> String {
    let cut = bytes.get(..MESSAGE_BYTES_MAX).unwrap_or(bytes);
    let text = String::from_utf8_lossy(cut);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if shown.len() + c.len_utf8() > MESSAGE_BYTES_MAX {
            break;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
