//! Unary gRPC over a channel: one message out, one status and one message back.
//!
//! A message has a prefix of five bytes (compressed or not, length), the verdict stands in the
//! trailers, or in the headers when there is no body. Everything else of gRPC is left out: no
//! streams, no deadlines on the wire, no load balancing. The caller compresses.

use crate::body::Body;
use crate::channel::{Channel, Message, Received};
use crate::error::WireError;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use hyper::body::Bytes;

/// Bytes before each message.
pub const GRPC_PREFIX_BYTES: usize = 5;
/// What a server answered to a unary call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrpcAnswer {
    /// The trailer `grpc-status` as it came; empty when there is none.
    pub status: Vec<u8>,
    /// The trailer `grpc-message` as it came, with its percent signs.
    pub message: Vec<u8>,
    /// The trailer `grpc-status-details-bin` as it came, in base64.
    pub details: Vec<u8>,
    /// The answer, with its prefix; empty when there is none.
    pub framed: Bytes,
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
    framed: Body,
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
    let raw = |name: &str| verdict.get(name).map(|value| value.as_bytes().to_vec());
    GrpcAnswer {
        status: raw("grpc-status").unwrap_or_default(),
        message: raw("grpc-message").unwrap_or_default(),
        details: raw("grpc-status-details-bin").unwrap_or_default(),
        framed: received.body.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn received(trailers: &[(&'static str, &'static str)]) -> Received {
        let trailers = trailers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"\0\0\0\0\x02hi"));
        Received { status: 200, headers, body, cut: false, trailers }
    }

    #[test]
    fn a_verdict_is_read_from_the_trailers_or_from_the_headers_and_may_be_missing() {
        let well = answer(&received(&[("grpc-status", "0"), ("grpc-message", "a%20b")]));
        assert_eq!((well.status, well.message), (b"0".to_vec(), b"a%20b".to_vec()));
        assert_eq!(answer(&received(&[])).status, b"");
        let mut alone = received(&[]);
        alone.headers.insert("grpc-status", HeaderValue::from_static("14"));
        assert_eq!(answer(&alone).status, b"14");
    }
}
