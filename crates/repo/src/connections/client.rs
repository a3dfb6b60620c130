//! Requests go in, heads and chunks come out, on the runtime of the connections. When the reader of
//! an answer goes away, its connection is closed at once.
//!
//! A connection that was kept open may be closed by the server just when it is used again. All
//! requests here only read, so such a request is sent once more, on another connection.

use super::connector::{Connector, Proxies, connector};
use crate::RepoError;
use crate::error::Cause;
use http::{HeaderMap, Method, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

/// Chunks of an answer that wait for their reader.
const CHUNKS_WAITING_MAX: usize = 8;

/// Connections that may turn out to be closed before a new one is made.
const CLOSED_CONNECTIONS_MAX: usize = super::IDLE_PER_HOST_MAX + 1;

type Http = legacy::Client<Connector, Full<Bytes>>;

/// A client; clones share its connections.
#[derive(Clone)]
pub(crate) struct Client {
    handle: Handle,
    http: Http,
    proxies: Proxies,
}

/// How an answer starts.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

/// The body of an answer that was taken whole.
pub(crate) enum Whole {
    Bytes(Bytes),
    /// It is longer than the caller wants to hold.
    TooLong,
    /// It ended too early.
    Broken(Cause),
}

/// An answer that is on its way.
pub(crate) struct Pending {
    pub(crate) head: Receiver<Result<Head, Failed>>,
    pub(crate) body: Body,
}

/// The rest of an answer. Dropping it before its end closes the connection.
pub(crate) struct Body {
    pub(crate) chunks: Receiver<io::Result<Bytes>>,
    credit: Arc<Semaphore>,
    _alive: oneshot::Sender<()>,
}

impl Body {
    /// A chunk was taken, so another one may come.
    pub(crate) fn taken(&self) {
        self.credit.add_permits(1);
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failed {
    phase: Phase,
    source: Cause,
}

#[derive(Debug)]
enum Phase {
    Resolve,
    Connect,
    Tls,
}

impl Failed {
    pub(crate) fn about(self, url: &str) -> RepoError {
        let (url, source) = (url.to_owned(), self.source);
        match self.phase {
            Phase::Resolve => RepoError::Resolve { url, source },
            Phase::Connect => RepoError::Connect { url, source },
            Phase::Tls => RepoError::Tls { url, source },
        }
    }
}

/// The other ends of a [`Pending`].
struct Reply {
    head: Sender<Result<Head, Failed>>,
    chunks: Sender<io::Result<Bytes>>,
    credit: Arc<Semaphore>,
    gone: oneshot::Receiver<()>,
}

struct Request {
    url: Uri,
    headers: HeaderMap,
    /// A POST when given, else a GET.
    body: Option<Bytes>,
}

impl Client {
    pub(super) fn new(
        handle: Handle,
        tls: rustls::ClientConfig,
        proxies: Proxies,
        connect_timeout: Duration,
    ) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(super::IDLE_PER_HOST_MAX)
            .pool_idle_timeout(super::IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .build(connector(tls, proxies.clone(), connect_timeout));
        Self { handle, http, proxies }
    }

    /// Sends a request: a POST when there is a body, else a GET.
    pub(crate) fn send(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Pending, Cause> {
        let request = self.request(url, headers, body)?;
        let (head_sender, head) = channel();
        let (chunk_sender, chunks) = channel();
        let (alive, gone) = oneshot::channel();
        let credit = Arc::new(Semaphore::new(CHUNKS_WAITING_MAX));
        let body = Body { chunks, credit: credit.clone(), _alive: alive };
        let reply = Reply { head: head_sender, chunks: chunk_sender, credit, gone };
        let http = self.http.clone();
        self.handle.spawn(async move {
            let Reply { head, chunks, credit, gone } = reply;
            tokio::select! {
                () = answer(&http, &request, &head, &chunks, &credit) => {}
                _ = gone => {}
            }
        });
        Ok(Pending { head, body })
    }

    /// Sends a POST and takes its answer whole, without a thread that waits. It has no limit on
    /// its time.
    pub(crate) async fn whole(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<(Head, Whole), Failed> {
        let request = self
            .request(url, headers, Some(body))
            .map_err(|source| Failed { phase: Phase::Connect, source })?;
        let (parts, body) = send(&self.http, &request).await?.into_parts();
        let whole = match Limited::new(body, bytes_max).collect().await {
            Ok(collected) => Whole::Bytes(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Whole::TooLong,
            Err(error) => Whole::Broken(Cause::new(error.to_string())),
        };
        Ok((Head { status: parts.status.as_u16(), headers: parts.headers }, whole))
    }

    fn request(
        &self,
        url: &str,
        mut headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Request, Cause> {
        let url: Uri = url.parse().map_err(|e: http::uri::InvalidUri| Cause::of(&e))?;
        if let Some(value) = self.proxies.authorization(&url) {
            headers.insert(http::header::PROXY_AUTHORIZATION, value);
        }
        Ok(Request { url, headers, body: body.map(Bytes::from) })
    }
}

async fn answer(
    http: &Http,
    request: &Request,
    head: &Sender<Result<Head, Failed>>,
    chunks: &Sender<io::Result<Bytes>>,
    credit: &Semaphore,
) {
    let response = match send(http, request).await {
        Ok(response) => response,
        Err(failed) => {
            let _ = head.send(Err(failed));
            return;
        }
    };
    let (parts, mut body) = response.into_parts();
    let status = parts.status.as_u16();
    if head.send(Ok(Head { status, headers: parts.headers })).is_err() {
        return;
    }
    while let Some(frame) = body.frame().await {
        let chunk = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(chunk)) if chunk.is_empty() => continue,
            Ok(Ok(chunk)) => Ok(chunk),
            // Trailers.
            Ok(Err(_)) => continue,
            Err(error) => Err(io::Error::other(error)),
        };
        let Ok(permit) = credit.acquire().await else { return };
        permit.forget();
        let last = chunk.is_err();
        if chunks.send(chunk).is_err() || last {
            return;
        }
    }
}

async fn send(http: &Http, request: &Request) -> Result<http::Response<Incoming>, Failed> {
    let mut closed = 0;
    loop {
        let mut message = http::Request::new(Full::new(request.body.clone().unwrap_or_default()));
        *message.method_mut() = if request.body.is_some() { Method::POST } else { Method::GET };
        *message.uri_mut() = request.url.clone();
        *message.headers_mut() = request.headers.clone();
        match http.request(message).await {
            Ok(response) => return Ok(response),
            Err(error) if closed < CLOSED_CONNECTIONS_MAX && was_closed(&error) => closed += 1,
            Err(error) => return Err(classify(&error)),
        }
    }
}

/// Whether the server closed a connection that existed before it sent anything of an answer.
fn was_closed(error: &legacy::Error) -> bool {
    if error.is_connect() {
        return false;
    }
    causes(error).any(|cause| {
        let hyper = cause.downcast_ref::<hyper::Error>();
        hyper.is_some_and(|e| e.is_incomplete_message() || e.is_canceled() || e.is_closed())
            || cause.downcast_ref::<io::Error>().is_some_and(|e| {
                matches!(e.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
            })
    })
}

/// The phase in which a request failed.
fn classify(error: &legacy::Error) -> Failed {
    let source = Cause::of(error);
    let text = source.to_string();
    let phase = if causes(error).any(is_tls_error) {
        Phase::Tls
    } else if text.contains("dns error") || text.contains("failed to lookup address") {
        Phase::Resolve
    } else {
        Phase::Connect
    };
    Failed { phase, source }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
}

fn is_tls_error(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| {
        let inner: &(dyn Error + 'static) = inner;
        causes(inner).any(is_tls_error)
    })
}
