//! The frames and trailers of gRPC, as pure functions.
//!
//! A frame is one byte (1 when compressed), four bytes of length, big end first, and the message.
//! Trailers carry `grpc-status` as a decimal and `grpc-message` with percent signs.

use crate::error::DecodeError;
use crate::response;

/// Bytes in front of each message.
pub const PREFIX_BYTES: usize = 5;

/// The path of the call that takes logs.
pub const LOGS_EXPORT_PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// The prefix of a message; nothing when it has 4 GiB or more.
#[must_use]
pub fn prefix(compressed: bool, length: usize) -> Option<[u8; PREFIX_BYTES]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some([u8::from(compressed), a, b, c, d])
}

/// One message of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether it is compressed as `grpc-encoding` says.
    pub compressed: bool,
    /// The message.
    pub message: &'a [u8],
}

/// Takes one frame from the start of `bytes`: the frame and the bytes behind it, or nothing when
/// it is not complete yet.
///
/// # Errors
/// When the flag is unknown, or more than `message_bytes_max` bytes are announced: before any of
/// them are waited for.
pub fn frame(
    bytes: &[u8],
    message_bytes_max: usize,
) -> Result<Option<(Frame<'_>, &[u8])>, DecodeError> {
    let Some(([flag, a, b, c, d], rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    if *flag > 1 {
        return Err(DecodeError::FrameFlag { flag: *flag });
    }
    let length = u64::from(u32::from_be_bytes([*a, *b, *c, *d]));
    let limit = message_bytes_max as u64;
    if length > limit {
        return Err(DecodeError::TooLarge { length, limit });
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let taken = rest.split_at_checked(length);
    Ok(taken.map(|(message, rest)| (Frame { compressed: *flag == 1, message }, rest)))
}

/// The code in a `grpc-status` trailer. What is no number is `UNKNOWN` (2), as the protocol says.
#[must_use]
pub fn status_code(trailer: &[u8]) -> u32 {
    const UNKNOWN: u32 = 2;
    let text = std::str::from_utf8(trailer).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return UNKNOWN;
    }
    text.parse().unwrap_or(UNKNOWN)
}

/// The text of a `grpc-message` trailer: percent signs resolved, broken ones left as they are,
/// then bounded and without control characters like every foreign message.
#[must_use]
pub fn decode_message(trailer: &[u8]) -> String {
    // Three bytes make one at most, so nothing that is kept lies behind this.
    let mut rest = trailer.get(..3 * response::MESSAGE_BYTES_MAX).unwrap_or(trailer);
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if let (b'%', Some(([high, low], behind))) = (*byte, rest.split_first_chunk::<2>())
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            plain.push(high << 4 | low);
            rest = behind;
            continue;
        }
        plain.push(*byte);
    }
    response::told(&plain)
}

/// A text as it may stand in a `grpc-message` trailer.
#[must_use]
pub fn encode_message(text: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_taken_whole_or_not_at_all() {
        let mut bytes = prefix(true, 3).unwrap().to_vec();
        bytes.extend_from_slice(b"abcrest");
        let (taken, rest) = frame(&bytes, 3).unwrap().unwrap();
        assert_eq!((taken.compressed, taken.message, rest), (true, &b"abc"[..], &b"rest"[..]));
        for cut in 0..8 {
            assert_eq!(frame(&bytes[..cut], 3), Ok(None), "{cut}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_its_bytes_arrive() {
        let bytes = prefix(false, 4).unwrap();
        assert_eq!(frame(&bytes, 3), Err(DecodeError::TooLarge { length: 4, limit: 3 }));
        assert_eq!(frame(&[2, 0, 0, 0, 0], 3), Err(DecodeError::FrameFlag { flag: 2 }));
        assert_eq!(prefix(false, 1 << 32), None);
    }

    #[test]
    fn a_status_that_is_no_number_is_unknown() {
        assert_eq!(status_code(b"14"), 14);
        for odd in [&b""[..], b"+1", b"-1", b"ok", b"99999999999", b"\xff"] {
            assert_eq!(status_code(odd), 2);
        }
    }

    #[test]
    fn broken_percent_signs_stay_and_control_characters_go() {
        assert_eq!(decode_message(b"100%, %2, %zz, a%20b%0A%1b[0m%"), "100%, %2, %zz, a b  [0m%");
    }

    proptest! {
        #[test]
        fn a_message_comes_back(text in "[^\\p{Cc}]{0,200}") {
            let encoded = encode_message(&text);
            prop_assert!(encoded.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(decode_message(encoded.as_bytes()), text);
        }
    }
}
