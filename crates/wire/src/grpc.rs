//! Unary gRPC over a channel: one message out, one status and one message back.
//!
//! A message has a prefix of five bytes (compressed or not, length), the verdict stands in the
//! trailers, or in the headers when there is no body. Everything else of gRPC is left out: no
//! streams, no deadlines on the wire, no load balancing. The caller compresses.

use crate::channel::{Channel, Message, Received};
use crate::error::WireError;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::Bytes;

/// Bytes before each message.
pub const GRPC_PREFIX_BYTES: usize = 5;
/// Characters of a server's message that are kept.
const MESSAGE_CHARS_MAX: usize = 512;
/// The status of an answer that has none, in the words of gRPC.
const UNKNOWN: u32 = 2;

/// What a server answered to a unary call.
#[derive(Debug, Clone)]
pub struct GrpcAnswer {
    /// The status: 0 is well, the others are those of gRPC.
    pub code: u32,
    /// The server's words about it.
    pub message: String,
    /// `grpc-status-details-bin` as it came, in base64.
    pub details: Option<String>,
    /// The pause in `grpc-retry-pushback-ms`, when the server named one.
    pub pushback_milliseconds: Option<u64>,
    /// The answer without its prefix; empty when there is none.
    pub body: Bytes,
}

/// The prefix of a message.
#[must_use]
pub fn grpc_prefix(compressed: bool, length: u32) -> [u8; GRPC_PREFIX_BYTES] {
    let [a, b, c, d] = length.to_be_bytes();
    [u8::from(compressed), a, b, c, d]
}

/// Calls `path` (`/package.Service/Method`). `framed` is the message with its prefix.
///
/// # Errors
/// [`WireError`] when there is no answer of gRPC: any HTTP status but 200 is an error.
pub async fn grpc_call(
    channel: &Channel,
    path: &str,
    encoding: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    framed: Bytes,
) -> Result<GrpcAnswer, WireError> {
    let mut headers = headers;
    headers.push((CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto")));
    headers.push((http::header::TE, HeaderValue::from_static("trailers")));
    if let Some(encoding) = encoding {
        let name = HeaderName::from_static("grpc-encoding");
        headers.push((name, HeaderValue::from_static(encoding)));
    }
    let message = Message { method: Method::POST, path: path.to_owned(), headers, body: framed };
    let received = channel.exchange(message).await?;
    if received.status != 200 {
        let after = received.retry_after(std::time::SystemTime::now());
        let shown = channel.shown().to_owned();
        return Err(WireError::Status { shown, status: received.status, after });
    }
    Ok(answer(&received))
}

fn answer(received: &Received) -> GrpcAnswer {
    let verdict = if received.trailers.contains_key("grpc-status") {
        &received.trailers
    } else {
        &received.headers
    };
    let text = |name: &str| verdict.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|text| text.parse().ok());
    let message = match code {
        Some(_) => decoded(text("grpc-message").unwrap_or_default()),
        None => "the answer has no grpc-status".to_owned(),
    };
    GrpcAnswer {
        code: code.unwrap_or(UNKNOWN),
        message,
        details: text("grpc-status-details-bin").map(str::to_owned),
        pushback_milliseconds: pushback(verdict),
        body: received
            .body
            .get(GRPC_PREFIX_BYTES..)
            .map(Bytes::copy_from_slice)
            .unwrap_or_default(),
    }
}

fn pushback(verdict: &HeaderMap) -> Option<u64> {
    verdict.get("grpc-retry-pushback-ms")?.to_str().ok()?.parse().ok()
}

/// Percent-decodes, replaces what is no text, and cuts.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MESSAGE_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(trailers: &[(&'static str, &'static str)]) -> Received {
        let trailers = trailers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"\0\0\0\0\x02hi"));
        Received { status: 200, headers, body, cut: false, trailers }
    }

    #[test]
    fn a_verdict_is_read_from_the_trailers_and_a_missing_one_is_unknown() {
        let well = answer(&received(&[("grpc-status", "0")]));
        assert_eq!((well.code, &well.body[..]), (0, &b"hi"[..]));
        let full = answer(&received(&[
            ("grpc-status", "8"),
            ("grpc-message", "no%20room%0a%ZZ"),
            ("grpc-retry-pushback-ms", "250"),
        ]));
        assert_eq!((full.code, full.message.as_str()), (8, "no room %ZZ"));
        assert_eq!(full.pushback_milliseconds, Some(250));
        assert_eq!(answer(&received(&[])).code, UNKNOWN);
        assert_eq!(answer(&received(&[("grpc-status", "x")])).code, UNKNOWN);
    }

    #[test]
    fn a_message_of_a_server_is_bounded_and_holds_no_control_characters() {
        let text = decoded(&"%1b[31m".repeat(1_000));
        assert_eq!(text.chars().count(), MESSAGE_CHARS_MAX);
        assert!(!text.contains('\u{1b}'));
    }
}
