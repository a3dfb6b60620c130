//! How a batch reaches its sink, and what the answer means.
//!
//! Nothing is repeated here: an answer becomes a [`Class`] and words about it, and the caller
//! decides. An answer of 2xx that is no answer of OTLP still is a yes; Loki has two of them. A page
//! for people (of a login, of another port) is none whatever its status is, and refuses no record;
//! anything that cannot be understood is never a yes.

use crate::config::{Compression, HeaderValue, Remote, SinkKind};
use base64::Engine as _;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue as Value, Method};
use pipeline::batch::{Class, classify_grpc, classify_http};
use std::borrow::Cow;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use wire::{Body, Bytes, Channel, ChannelOptions, Message, Protocol};

use super::file::Appender;
use crate::encode::Encoder;

/// Bytes of a file with the value of a header.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// A shorter secret would be found in words where it is none.
const SECRET_BYTES_MIN: usize = 4;
/// What stands in place of a secret.
const HIDDEN: &str = "[hidden]";
/// Where OTLP over HTTP takes logs.
const OTLP_PATH: &str = "/v1/logs";
/// The statuses with which Loki takes a batch. It answers 260 for a tenant that is blocked, and
/// stores nothing then.
const LOKI_TOOK: [u16; 2] = [200, 204];
/// Bytes of an answer's text that are told.
const TOLD_BYTES_MAX: usize = 256;
/// Bytes of an answer that was compressed.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What came of sending.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) class: Class,
    /// Why, for people; empty when all is well.
    pub(crate) words: String,
    /// Records that an accepting server threw away all the same.
    pub(crate) rejected: u64,
    /// Whether an accepting server said something that cannot be read, maybe of such records.
    pub(crate) is_unread: bool,
    /// Bytes that went out.
    pub(crate) wire_bytes: u64,
    /// What Loki refuses because of its time.
    pub(crate) untimely: Option<Untimely>,
}

impl Answer {
    fn of(class: Class, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { class, words, rejected: 0, is_unread: false, wire_bytes: 0, untimely: None }
    }

    pub(crate) fn retry(words: impl Into<String>) -> Self {
        Self::of(Class::Retry { after: None }, words)
    }
}

/// What Loki refuses because of its time; everything else in the push it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untimely {
    /// So many entries of one stream, which has others that are over an hour later (half of
    /// `max_chunk_age`); 0 when it does not say how many.
    Behind(u64),
    /// Older or newer than it takes at all (`reject_old_samples_max_age`, `creation_grace_period`).
    Beyond,
}

impl Untimely {
    /// What an answer says (Loki's `pkg/ingester/stream.go` and `pkg/validation`).
    fn read(said: &str) -> Option<Self> {
        if said.contains("entry too far behind") {
            let count = said.split_once("total ignored: ").map_or("", |(_, rest)| rest);
            let count = count.split_once(' ').map_or("", |(count, _)| count);
            return Some(Self::Behind(count.parse().unwrap_or(0)));
        }
        let beyond = ["has timestamp too old", "has timestamp too new"];
        beyond.iter().any(|words| said.contains(words)).then_some(Self::Beyond)
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
            SinkKind::Stdout(_) => Self::File(Appender::stdout()),
        })
    }

    /// Sends the body of a request.
    pub(crate) async fn send(&self, packed: Packed) -> Answer {
        match self {
            Self::Http { channel, remote, path, loki } => {
                http(channel, remote, path, *loki, packed).await
            }
            Self::Grpc { channel, remote } => grpc(channel, remote, packed).await,
            Self::File(appender) => written(appender, [&*packed.body.bytes()].into_iter()),
        }
    }

    /// Sends lines as they lie in a batch, in pieces, when this is a file.
    pub(crate) fn write<'l>(&self, lines: impl Iterator<Item = &'l [u8]>) -> Option<Answer> {
        match self {
            Self::File(appender) => Some(written(appender, lines)),
            _ => None,
        }
    }
}

fn written<'l>(appender: &Appender, lines: impl Iterator<Item = &'l [u8]>) -> Answer {
    match appender.append(lines) {
        Ok(wire_bytes) => Answer { wire_bytes, ..Answer::of(Class::Accepted, String::new()) },
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
    let secrets = secrets(&headers);
    headers.push((CONTENT_TYPE, Value::from_static("application/x-protobuf")));
    let Packed { body, encoding, is_alone, .. } = packed;
    // Snappy is part of Loki's format and not an encoding of HTTP.
    if let Some(encoding) = encoding.filter(|_| !loki) {
        headers.push((CONTENT_ENCODING, Value::from_static(encoding)));
    }
    let wire_bytes = body.len();
    let message = Message { method: Method::POST, path: path.to_owned(), headers, body };
    let received = match channel.exchange(message).await {
        Ok(received) => received,
        Err(error) => return Answer { wire_bytes, ..Answer::retry(error.to_string()) },
    };
    let said = if loki { told(&received.body) } else { status_text(&received.body) };
    let after = received.retry_after(SystemTime::now());
    let mut class = classify_http(received.status, after, &said);
    if loki && class == Class::Accepted && !LOKI_TOOK.contains(&received.status) {
        class = Class::Misdirected;
    }
    let is_page = is_html(&received.headers);
    if is_page {
        class = of_another(class, is_alone);
    }
    let mut answer = Answer { wire_bytes, ..Answer::of(class, String::new()) };
    if class == Class::Accepted {
        if !loki && let Ok(partial) = otlp::response::PartialSuccess::read(&received.body) {
            answer.rejected = partial.rejected;
            answer.words = without(partial.message, &secrets);
        }
    } else {
        answer.words = format!("{} answered {}", channel.shown(), received.status);
        if is_page {
            answer.words.push_str(" with a page of HTML");
        }
        if loki && class == Class::Poisoned {
            answer.untimely = Untimely::read(&String::from_utf8_lossy(&received.body));
        }
        let said = without(said, &secrets);
        if !said.is_empty() {
            answer.words.push_str(": ");
            answer.words.push_str(&said);
        }
    }
    answer
}

/// The class of an answer that is not from the server that we mean, but of a proxy or a login: it
/// is never a yes, and no word about a record. What has a limit on sizes may take smaller parts.
const fn of_another(class: Class, is_alone: bool) -> Class {
    match class {
        Class::Accepted | Class::Poisoned => Class::Misdirected,
        Class::TooLarge if is_alone => Class::Misdirected,
        class => class,
    }
}

/// Whether a body is HTML, which no server of a protocol for logs answers with.
fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.as_bytes().first_chunk::<9>());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
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
    let secrets = secrets(&headers);
    let Packed { mut body, encoding, is_alone, .. } = packed;
    let length = usize::try_from(body.len()).unwrap_or(usize::MAX);
    let Some(prefix) = otlp::grpc::prefix(encoding.is_some(), length) else {
        return Answer::of(Class::TooLarge, "a message of gRPC has less than 4 GiB");
    };
    body.push_front(Bytes::copy_from_slice(&prefix));
    let wire_bytes = body.len();
    let path = otlp::grpc::LOGS_EXPORT_PATH;
    let answered = match wire::grpc_call(channel, path, encoding, headers, body).await {
        Ok(answered) => answered,
        Err(wire::WireError::Status { shown, status, after }) => {
            let words = format!("{shown} answered {status}, which is no answer of gRPC");
            let class = of_another(classify_http(status, after, ""), is_alone);
            return Answer { wire_bytes, ..Answer::of(class, words) };
        }
        Err(error) => return Answer { wire_bytes, ..Answer::retry(error.to_string()) },
    };
    let code = otlp::grpc::status_code(&answered.status);
    let said = otlp::grpc::decode_message(&answered.message);
    let class = classify_grpc(code, retry_delay(&answered.details), &said);
    let mut answer = Answer { wire_bytes, ..Answer::of(class, String::new()) };
    if class == Class::Accepted {
        let message = unpacked(&answered.framed);
        match message.and_then(|message| otlp::response::PartialSuccess::read(&message).ok()) {
            Some(partial) => {
                answer.rejected = partial.rejected;
                answer.words = without(partial.message, &secrets);
            }
            None => answer.is_unread = true,
        }
    } else {
        let said = without(said, &secrets);
        answer.words = format!("{} answered with gRPC status {code}: {said}", channel.shown());
    }
    answer
}

/// The message in an answer, which a server may compress as the request was: nothing when it cannot
/// be read. With zstd it can when there is nothing to compress in it.
fn unpacked(framed: &[u8]) -> Option<Cow<'_, [u8]>> {
    let message = framed.get(otlp::grpc::PREFIX_BYTES..).unwrap_or_default();
    if framed.first().is_none_or(|flag| *flag == 0) || message.is_empty() {
        return Some(message.into());
    }
    if let Some(plain) = super::zstd::stored(message, ANSWER_BYTES_MAX) {
        return Some(plain.into());
    }
    let mut plain = Vec::new();
    let gzip = flate2::bufread::GzDecoder::new(message);
    gzip.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= ANSWER_BYTES_MAX).then_some(plain.into())
}

/// The pause in the details of a status, which come in base64, with or without its padding.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let trimmed: Vec<u8> = details.iter().copied().filter(|byte| *byte != b'=').collect();
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(trimmed).ok()?;
    otlp::response::Status::read(&bytes).ok()?.retry_delay
}

/// What of the headers proves who we are.
fn secrets(headers: &[(HeaderName, Value)]) -> Vec<Value> {
    let values = headers.iter().map(|(_, value)| value);
    values.filter(|value| value.is_sensitive()).cloned().collect()
}

/// Foreign words without secrets, which a server may repeat: the whole value, what is behind its
/// scheme (`Bearer `), and a beginning of them where the words were cut. A secret that is too short
/// to be found for sure leaves no words.
fn without(mut words: String, secrets: &[Value]) -> String {
    for value in secrets.iter().filter_map(|value| value.to_str().ok()) {
        let value = value.trim();
        let behind = value.split_once(' ').map_or("", |(_, behind)| behind.trim());
        for secret in [value, behind].into_iter().filter(|secret| !secret.is_empty()) {
            if secret.len() < SECRET_BYTES_MIN {
                return String::new();
            }
            words = words.replace(secret, HIDDEN);
            let beginnings = (SECRET_BYTES_MIN..secret.len()).rev();
            let mut beginnings = beginnings.filter_map(|length| secret.get(..length));
            if let Some(kept) = beginnings.find_map(|beginning| words.strip_suffix(beginning)) {
                words = format!("{kept}{HIDDEN}");
            }
        }
    }
    words
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
            SinkKind::File(_) | SinkKind::Stdout(_) => Compression::None,
        })
    }

    /// A part of a batch as it is sent.
    pub(crate) fn pack(
        self,
        batch: &Arc<Encoder>,
        (part, in_parts): (Range<usize>, bool),
        buffers: &Buffers,
    ) -> Result<Packed, String> {
        let failed = |error: std::io::Error| format!("cannot compress: {error}");
        let is_alone = part.len() == 1;
        let mut copy = Buffer::default();
        let (bytes, body, encoding) = match self.0 {
            Compression::None => {
                let body = Body::from(batch.shared(part));
                (body.len(), body, None)
            }
            Compression::Gzip => {
                let level = flate2::Compression::new(crate::config::GZIP_LEVEL);
                let (plain, mut encoder) = (
                    plain(batch, part, buffers, &mut copy),
                    flate2::write::GzEncoder::new(Vec::new(), level),
                );
                encoder.write_all(plain).map_err(failed)?;
                let made = Bytes::from(encoder.finish().map_err(failed)?);
                (plain.len() as u64, made.into(), Some("gzip"))
            }
            Compression::Zstd => {
                let plain = plain(batch, part, buffers, &mut copy);
                let mut made = buffers.packed.body();
                super::zstd::compress(plain, &mut made.bytes).map_err(failed)?;
                (plain.len() as u64, Bytes::from_owner(made).into(), Some("zstd"))
            }
            Compression::Snappy => {
                copy = buffers.plain.body();
                let plain = &mut copy.bytes;
                match in_parts {
                    false => batch.body(part, plain),
                    true => batch.body_in_parts(part, plain),
                }
                let made = otlp::loki::compress(plain);
                let made = Bytes::from(made.ok_or("a push has less than 4 GiB")?);
                (plain.len() as u64, made.into(), Some("snappy"))
            }
        };
        Ok(Packed { bytes, body, encoding, is_alone })
    }
}

/// A part of a batch as it is before it is compressed; copied when it does not lie there like that.
fn plain<'p>(
    batch: &'p Encoder,
    part: Range<usize>,
    buffers: &Buffers,
    copy: &'p mut Buffer,
) -> &'p [u8] {
    if let Some(whole) = batch.whole(&part) {
        return whole;
    }
    *copy = buffers.plain.body();
    batch.body(part, &mut copy.bytes);
    &copy.bytes
}

/// Memory that is used for one batch after the other.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    plain: Spare,
    packed: Spare,
}

/// The buffer of the last body, to be used again: a new one costs a page fault for every 4 KiB.
#[derive(Debug, Default, Clone)]
struct Spare(Arc<Mutex<Vec<u8>>>);

impl Spare {
    /// An empty body.
    fn body(&self) -> Buffer {
        let mut bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        bytes.clear();
        Buffer { bytes, home: self.clone() }
    }
}

/// A body before or after it is compressed. When nobody needs it any more its buffer goes home.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    home: Spare,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        *self.home.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }
}

/// The body of a request as it is sent, and what its compression is called.
#[derive(Debug)]
pub(crate) struct Packed {
    /// How many bytes it had before it was compressed.
    pub(crate) bytes: u64,
    body: Body,
    encoding: Option<&'static str>,
    /// Whether it has one record only, of which there is no smaller part.
    is_alone: bool,
}

/// The pauses of a sink.
pub(crate) fn backoff_max(kind: &SinkKind) -> Duration {
    match kind {
        SinkKind::OtlpHttp(remote) | SinkKind::OtlpGrpc(remote) | SinkKind::Loki(remote, _) => {
            remote.backoff_max
        }
        SinkKind::File(_) | SinkKind::Stdout(_) => crate::config::BACKOFF_MAX_DEFAULT,
    }
}

/// How many requests may be under way.
pub(crate) fn in_flight_max(kind: &SinkKind) -> usize {
    match kind {
        SinkKind::OtlpHttp(remote) | SinkKind::OtlpGrpc(remote) | SinkKind::Loki(remote, _) => {
            remote.in_flight
        }
        SinkKind::File(_) | SinkKind::Stdout(_) => 1,
    }
}

#[cfg(test)]
mod tests;
