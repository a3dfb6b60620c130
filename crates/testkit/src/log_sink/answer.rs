//! How the sink answers a request: over HTTP as OTLP and Loki do, or as gRPC does.

use super::{Answers, BODY_BYTES_MAX, Keep, Reply, Shared, lock, micros_now, records};
use crate::serve::{Answer, AnswerBody, Cut, Instead, full_body, plain};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

/// Bytes before a message of gRPC: whether it is packed, and its length.
const PREFIX_BYTES: usize = 5;
/// The empty message, which says that all is well.
const EMPTY_FRAME: [u8; PREFIX_BYTES] = [0; PREFIX_BYTES];

/// What a request is answered from.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) answers: Option<Answers>,
    pub(super) keep: Keep,
    pub(super) grpc: bool,
}

/// What stands before a body.
struct Head {
    path: String,
    encoding: Option<String>,
    kind: String,
    all: Vec<(String, String)>,
}

impl Desk {
    pub(super) async fn answer(self, request: Request<Incoming>) -> Answer {
        if let Some(answer) = self.command(&request) {
            return Ok(answer);
        }
        let instead = request.extensions().get::<Instead>().cloned();
        let head = head(&request);
        let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
        let reply = self.take(&head, &body);
        self.shared.changed.notify_all();
        match reply {
            Reply::TakeInSilence => Err(Cut),
            Reply::Raw(bytes) => {
                if let Some(instead) = instead {
                    instead.say(bytes);
                }
                Ok(plain(200, "never written"))
            }
            Reply::Framed(bytes) => Ok(grpc(0, bytes)),
            Reply::Take if self.grpc => Ok(grpc(0, &EMPTY_FRAME)),
            Reply::Grpc(0) => Ok(grpc(0, &EMPTY_FRAME)),
            Reply::Grpc(status) => Ok(grpc(status, &[])),
            Reply::Status(status) => Ok(plain(status, "")),
            Reply::Said(status, words) => Ok(plain(status, words)),
            Reply::Take => Ok(taken(&head.kind)),
        }
    }

    /// What is asked of the sink itself.
    fn command(&self, request: &Request<Incoming>) -> Option<Response<AnswerBody>> {
        let mut counts = lock(&self.shared.counts);
        let path = request.uri().path();
        match (request.method().as_str(), path) {
            ("GET", "/stats") => {
                let stats = serde_json::to_vec(&counts.summary()).unwrap_or_default();
                return Some(Response::new(full_body(stats)));
            }
            ("POST", "/reset") => *counts = super::Counts::default(),
            ("POST", "/down" | "/up") => counts.down = path == "/down",
            _ => return None,
        }
        Some(plain(200, ""))
    }

    /// Counts and keeps a request, and decides how it is answered.
    fn take(&self, head: &Head, body: &[u8]) -> Reply {
        if lock(&self.shared.counts).down {
            lock(&self.shared.counts).stats.refused += 1;
            return Reply::Status(503);
        }
        let Some(text) = self.unpacked(head, body) else { return Reply::Status(400) };
        let wanted = self.keep > Keep::Numbers || self.answers.is_some();
        let records = if wanted {
            let Some(records) = records::read(&head.path, &head.kind, &text) else {
                return Reply::Status(400);
            };
            records::with_headers(records, &head.all)
        } else {
            Vec::new()
        };
        let mut counts = lock(&self.shared.counts);
        let number = counts.asked;
        counts.asked += 1;
        drop(counts);
        let reply = self.answers.as_ref().map_or(Reply::Take, |answers| {
            let bodies: Vec<String> = records.iter().map(|record| record.body.clone()).collect();
            answers(number, &bodies)
        });
        if matches!(reply, Reply::Take | Reply::TakeInSilence | Reply::Grpc(0) | Reply::Framed(_)) {
            let mut counts = lock(&self.shared.counts);
            counts.stats.requests += 1;
            counts.stats.wire_bytes += body.len() as u64;
            counts.count(&text, micros_now());
            counts.keep(records, self.keep);
        }
        reply
    }

    fn unpacked<'a>(&self, head: &Head, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if !self.grpc {
            return unpacked(body, head.encoding.as_deref());
        }
        let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
        let (packed, length) = prefix.split_first()?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        if usize::try_from(length).ok()? != message.len() {
            return None;
        }
        unpacked(message, head.encoding.as_deref().filter(|_| *packed == 1))
    }
}

fn head(request: &Request<Incoming>) -> Head {
    let text = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let all = request.headers().iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    Head {
        path: request.uri().path().to_owned(),
        encoding: text("grpc-encoding").or_else(|| text("content-encoding")),
        kind: text("content-type").unwrap_or_default(),
        all: all.collect(),
    }
}

/// The empty message is a whole OTLP answer; `{}` is one in JSON.
fn taken(kind: &str) -> Response<AnswerBody> {
    let json = kind.contains("json");
    let mut response = plain(200, if json { "{}" } else { "" });
    let kind = if json { "application/json" } else { "application/x-protobuf" };
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
    response
}

/// An answer of gRPC: a message with its prefix, or none, and the status behind it.
fn grpc(status: u32, framed: &'static [u8]) -> Response<AnswerBody> {
    let message = Bytes::from_static(framed);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from(status));
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    let kind = http::HeaderValue::from_static("application/grpc+proto");
    response.headers_mut().insert("content-type", kind);
    response
}

/// The body as it was before it was packed.
fn unpacked<'a>(body: &'a [u8], encoding: Option<&str>) -> Option<Cow<'a, [u8]>> {
    let read = |reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        reader.take(BODY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes.into())
    };
    match encoding {
        None | Some("" | "identity") => Some(body.into()),
        Some("gzip") => read(&mut flate2::read::MultiGzDecoder::new(body)),
        Some("zstd") => read(&mut zstd::stream::read::Decoder::new(body).ok()?),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bodies_are_unpacked_and_unknown_ones_refused() {
        let packed = zstd::encode_all(b"seq=1;".as_slice(), 1).unwrap();
        assert_eq!(unpacked(&packed, Some("zstd")).unwrap().as_ref(), b"seq=1;");
        assert_eq!(unpacked(b"a", None).unwrap().as_ref(), b"a");
        assert_eq!(unpacked(b"a", Some("br")), None);
        assert_eq!(unpacked(b"a", Some("gzip")), None);
    }
}
