//! How a batch reaches its sink, and what the answer means.
//!
//! Nothing is repeated here: an answer becomes a [`Class`] and words about it, and the caller
//! decides. An answer of 2xx that is no answer of the protocol still is a yes; anything that
//! cannot be understood is never one.

use crate::config::{Compression, HeaderValue, Remote, SinkKind};
use base64::Engine as _;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue as Value, Method};
use pipeline::batch::{Class, classify_grpc, classify_http};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use wire::{Bytes, Channel, ChannelOptions, Message, Protocol};

use super::file::Appender;

/// Bytes of a file with the value of a header.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Where OTLP over HTTP takes logs.
const OTLP_PATH: &str = "/v1/logs";
/// Bytes of an answer's text that are told.
const TOLD_BYTES_MAX: usize = 256;

/// What came of sending.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) class: Class,
    /// Why, for people; empty when all is well.
    pub(crate) words: String,
    /// Records that an accepting server threw away all the same.
    pub(crate) rejected: u64,
    /// Bytes that went out.
    pub(crate) wire_bytes: u64,
}

impl Answer {
    fn of(class: Class, words: impl Into<String>) -> Self {
        Self { class, words: words.into(), rejected: 0, wire_bytes: 0 }
    }

    pub(crate) fn retry(words: impl Into<String>) -> Self {
        Self::of(Class::Retry { after: None }, words)
    }
}

/// A way to a sink.
#[derive(Debug)]
pub(crate) enum Transport {
    Http { channel: Channel, remote: Remote, path: &'static str, loki: bool },
    Grpc { channel: Channel, remote: Remote },
    File(Appender),
}

impl Transport {
    /// The way to a sink of the config.
    ///
    /// # Errors
    /// When the config is wrong after all, in words.
    pub(crate) fn new(kind: &SinkKind) -> Result<Self, String> {
        let channel = |remote: &Remote, protocol| {
            Channel::new(ChannelOptions {
                protocol,
                tls: remote.tls.clone(),
                timeout: remote.timeout,
                user_agent: concat!("orlop-agent/", env!("CARGO_PKG_VERSION")).to_owned(),
                ..ChannelOptions::to(remote.endpoint.clone())
            })
            .map_err(|error| error.to_string())
        };
        Ok(match kind {
            SinkKind::OtlpHttp(remote) => Self::Http {
                channel: channel(remote, Protocol::Http1)?,
                path: path_for(&remote.endpoint, OTLP_PATH),
                remote: remote.clone(),
                loki: false,
            },
            SinkKind::Loki(remote, _) => Self::Http {
                channel: channel(remote, Protocol::Http1)?,
                path: path_for(&remote.endpoint, otlp::loki::PUSH_PATH),
                remote: remote.clone(),
                loki: true,
            },
            SinkKind::OtlpGrpc(remote) => {
                Self::Grpc { channel: channel(remote, Protocol::Http2)?, remote: remote.clone() }
            }
            SinkKind::File(file) => Self::File(Appender::file(file.clone())),
            SinkKind::Stdout => Self::File(Appender::stdout()),
        })
    }

    /// Sends the body of a request.
    pub(crate) async fn send(&self, packed: Packed) -> Answer {
        match self {
            Self::Http { channel, remote, path, loki } => {
                http(channel, remote, path, *loki, packed).await
            }
            Self::Grpc { channel, remote } => grpc(channel, remote, packed).await,
            Self::File(appender) => written(appender, &packed.body),
        }
    }

    /// Sends lines as they lie in a batch, when this is a file.
    pub(crate) fn write(&self, lines: &[u8]) -> Option<Answer> {
        match self {
            Self::File(appender) => Some(written(appender, lines)),
            _ => None,
        }
    }
}

fn written(appender: &Appender, lines: &[u8]) -> Answer {
    match appender.append(lines) {
        Ok(()) => {
            Answer { wire_bytes: lines.len() as u64, ..Answer::of(Class::Accepted, String::new()) }
        }
        Err(error) => Answer::retry(error.to_string()),
    }
}

/// The path of the protocol, unless the address has one of its own.
fn path_for(endpoint: &str, usual: &'static str) -> &'static str {
    let after_host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let own = after_host.split_once('/').map_or("", |(_, path)| path);
    if own.trim_matches('/').is_empty() { usual } else { "" }
}

async fn http(
    channel: &Channel,
    remote: &Remote,
    path: &str,
    loki: bool,
    packed: Packed,
) -> Answer {
    let mut headers = match headers(remote) {
        Ok(headers) => headers,
        Err(words) => return Answer::of(Class::Denied, words),
    };
    headers.push((CONTENT_TYPE, Value::from_static("application/x-protobuf")));
    let Packed { body, encoding } = packed;
    // Snappy is part of Loki's format and not an encoding of HTTP.
    if let Some(encoding) = encoding.filter(|_| !loki) {
        headers.push((CONTENT_ENCODING, Value::from_static(encoding)));
    }
    let wire_bytes = body.len() as u64;
    let message = Message { method: Method::POST, path: path.to_owned(), headers, body };
    let received = match channel.exchange(message).await {
        Ok(received) => received,
        Err(error) => return Answer { wire_bytes, ..Answer::retry(error.to_string()) },
    };
    let class = classify_http(received.status, received.retry_after(SystemTime::now()));
    let mut answer = Answer { wire_bytes, ..Answer::of(class, String::new()) };
    if class == Class::Accepted {
        if !loki && let Ok(partial) = otlp::response::PartialSuccess::read(&received.body) {
            answer.rejected = partial.rejected;
            answer.words = partial.message;
        }
    } else {
        answer.words = format!("{} answered {}", channel.shown(), received.status);
        let said = if loki { told(&received.body) } else { status_text(&received.body) };
        if !said.is_empty() {
            answer.words.push_str(": ");
            answer.words.push_str(&said);
        }
    }
    answer
}

/// The words of a `google.rpc.Status`, or of whatever text it is.
fn status_text(body: &[u8]) -> String {
    match otlp::response::Status::read(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => told(body),
    }
}

/// Foreign text as it may be shown: short, one line, no control characters.
fn told(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..TOLD_BYTES_MAX).unwrap_or(body));
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

async fn grpc(channel: &Channel, remote: &Remote, packed: Packed) -> Answer {
    let headers = match headers(remote) {
        Ok(headers) => headers,
        Err(words) => return Answer::of(Class::Denied, words),
    };
    let Packed { body, encoding } = packed;
    let Some(prefix) = otlp::grpc::prefix(encoding.is_some(), body.len()) else {
        return Answer::of(Class::TooLarge, "a message of gRPC has less than 4 GiB");
    };
    let framed = Bytes::from([&prefix[..], &body].concat());
    let wire_bytes = framed.len() as u64;
    let path = otlp::grpc::LOGS_EXPORT_PATH;
    let answered = match wire::grpc_call(channel, path, encoding, headers, framed).await {
        Ok(answered) => answered,
        Err(wire::WireError::Status { shown, status, after }) => {
            let words = format!("{shown} answered {status}, which is no answer of gRPC");
            // A proxy that has no way to the server answers as HTTP does; it is never a yes.
            let class = match classify_http(status, after) {
                Class::Accepted | Class::Poisoned => Class::Misdirected,
                class => class,
            };
            return Answer { wire_bytes, ..Answer::of(class, words) };
        }
        Err(error) => return Answer { wire_bytes, ..Answer::retry(error.to_string()) },
    };
    let code = otlp::grpc::status_code(&answered.status);
    let class = classify_grpc(code, retry_delay(&answered.details));
    let mut answer = Answer { wire_bytes, ..Answer::of(class, String::new()) };
    if class == Class::Accepted {
        let message = answered.framed.get(otlp::grpc::PREFIX_BYTES..).unwrap_or_default();
        if let Ok(partial) = otlp::response::PartialSuccess::read(message) {
            (answer.rejected, answer.words) = (partial.rejected, partial.message);
        }
    } else {
        let said = otlp::grpc::decode_message(&answered.message);
        answer.words = format!("{} answered with gRPC status {code}: {said}", channel.shown());
    }
    answer
}

/// The pause in the details of a status, which come in base64, with or without its padding.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let trimmed: Vec<u8> = details.iter().copied().filter(|byte| *byte != b'=').collect();
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(trimmed).ok()?;
    otlp::response::Status::read(&bytes).ok()?.retry_delay
}

/// The headers of a request; what stands in files is read each time, so that a new secret needs
/// no restart.
fn headers(remote: &Remote) -> Result<Vec<(HeaderName, Value)>, String> {
    let mut headers = Vec::new();
    for (name, value) in &remote.headers {
        let known = HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|_| format!("`{name}` is no name of a header"))?;
        headers.push((
            known,
            match value {
                HeaderValue::Text(text) => Value::from_str(text)
                    .map_err(|_| format!("the value of `{name}` is no header"))?,
                HeaderValue::File(path) => secret(path, "")?,
            },
        ));
    }
    if let Some(path) = &remote.bearer_file {
        headers.push((AUTHORIZATION, secret(path, "Bearer ")?));
    }
    Ok(headers)
}

fn secret(path: &Path, before: &str) -> Result<Value, String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut value = Value::from_str(&format!("{before}{}", text.trim()))
        .map_err(|_| format!("what stands in {} is no header", path.display()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Compresses bodies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compressor(Compression);

impl Compressor {
    /// The compression of a sink.
    pub(crate) fn new(kind: &SinkKind) -> Self {
        Self(match kind {
            SinkKind::OtlpHttp(remote) | SinkKind::OtlpGrpc(remote) => remote.compression,
            SinkKind::Loki(..) => Compression::Snappy,
            SinkKind::File(_) | SinkKind::Stdout => Compression::None,
        })
    }

    /// The body as it is sent; what zstd makes of it comes into the buffer of `spare`.
    pub(crate) fn pack(self, body: Body, spare: &Spare) -> Result<Packed, String> {
        let failed = |error: std::io::Error| format!("cannot compress: {error}");
        let (made, encoding) = match self.0 {
            Compression::None => {
                return Ok(Packed { body: Bytes::from_owner(body), encoding: None });
            }
            Compression::Gzip => {
                let level = flate2::Compression::new(crate::config::GZIP_LEVEL);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&body.bytes).map_err(failed)?;
                (encoder.finish().map_err(failed)?, Some("gzip"))
            }
            Compression::Zstd => {
                let mut made = spare.body();
                super::zstd::compress(&body.bytes, &mut made.bytes).map_err(failed)?;
                return Ok(Packed { body: Bytes::from_owner(made), encoding: Some("zstd") });
            }
            Compression::Snappy => {
                let made = otlp::loki::compress(&body.bytes).ok_or("a push has less than 4 GiB")?;
                (made, Some("snappy"))
            }
        };
        Ok(Packed { body: Bytes::from(made), encoding })
    }
}

/// The buffer of the last body, to be used again: a new one costs a page fault for every 4 KiB.
#[derive(Debug, Default, Clone)]
pub(crate) struct Spare(Arc<Mutex<Vec<u8>>>);

impl Spare {
    /// An empty body.
    pub(crate) fn body(&self) -> Body {
        let mut bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        bytes.clear();
        Body { bytes, home: self.clone() }
    }
}

/// A body before it is compressed. When nobody sends it any more its buffer goes home.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    home: Spare,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }
}

/// The body of a request as it is sent, and what its compression is called.
#[derive(Debug)]
pub(crate) struct Packed {
    body: Bytes,
    encoding: Option<&'static str>,
}

/// The pauses of a sink.
pub(crate) fn backoff_max(kind: &SinkKind) -> Duration {
    match kind {
        SinkKind::OtlpHttp(remote) | SinkKind::OtlpGrpc(remote) | SinkKind::Loki(remote, _) => {
            remote.backoff_max
        }
        SinkKind::File(_) | SinkKind::Stdout => crate::config::BACKOFF_MAX_DEFAULT,
    }
}

/// How many requests may be under way.
pub(crate) fn in_flight_max(kind: &SinkKind) -> usize {
    match kind {
        SinkKind::OtlpHttp(remote) | SinkKind::OtlpGrpc(remote) | SinkKind::Loki(remote, _) => {
            remote.in_flight
        }
        SinkKind::File(_) | SinkKind::Stdout => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_protocol_is_put_behind_an_address_without_one() {
        assert_eq!(path_for("http://h:1", OTLP_PATH), OTLP_PATH);
        assert_eq!(path_for("http://h:1/", OTLP_PATH), OTLP_PATH);
        assert_eq!(path_for("http://h:1/otlp/v1/logs", OTLP_PATH), "");
    }

    #[test]
    fn the_buffer_of_a_body_that_was_sent_is_used_again() {
        let spare = Spare::default();
        let mut body = spare.body();
        body.bytes.extend_from_slice(&[7; 1_000]);
        let place = body.bytes.as_ptr();
        let packed = Compressor(Compression::None).pack(body, &Spare::default()).unwrap();
        let clone = packed.body.clone();
        drop(packed);
        assert_eq!((clone.as_ref(), clone.as_ptr()), ([7; 1_000].as_slice(), place));
        drop(clone);
        let again = spare.body();
        assert!(again.bytes.is_empty());
        assert_eq!((again.bytes.as_ptr(), spare.body().bytes.capacity()), (place, 0));
    }

    #[test]
    fn foreign_words_are_short_and_hold_no_control_characters() {
        let text = told(&b"\x1b[31m\r\nno".repeat(1_000));
        assert!(text.len() <= TOLD_BYTES_MAX && !text.chars().any(char::is_control));
    }
}
