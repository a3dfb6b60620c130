//! A server with a bound on everything that a stranger decides.
//!
//! The handler says from method and path how many bytes of body it takes, before one is read, and
//! answers at once: whatever takes time is put on a queue of its own. Bodies are received by a
//! bounded number of connections at once, so that memory is bounded by their number times the
//! handler's limit; who waits too long for a turn is asked to come again (429).
//!
//! A newcomer always gets in: past the bound on connections the oldest one that waits for a request
//! makes room, so that strangers who hold connections cannot keep probes out.

use crate::{Body, WireError};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections at once; for a further one the oldest that waits for a request is closed.
pub const CONNECTIONS_MAX: usize = 1_024;
/// A connection that sends no whole header within this time is closed.
pub const HEADER_READ_SECONDS: u64 = 10;
/// A connection takes no further request after this time,
pub const CONNECTION_SECONDS: u64 = 60;
/// and is closed after this time more, whether or not its answer was read.
pub const CONNECTION_END_SECONDS: u64 = 20;
/// Bytes of a request's header.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Bodies that are received at once.
pub const BODIES_MAX: usize = 64;
/// How long receiving a body may take.
pub const BODY_READ_SECONDS: u64 = 10;
/// How long a request waits until its body is received.
pub const BODY_WAIT_SECONDS: u64 = 5;
/// Who may use a socket in the file system: its owner.
const LOCAL_MODE: u32 = 0o600;
/// The pause after an error of `accept`, such as too many open files.
const ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// A request that was received whole.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query, without its `?`, as it was sent; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
}

impl Request {
    /// A header's value, when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub text: String,
}

impl Reply {
    /// A line of text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", text: text.into() }
    }
}

/// What is served.
pub trait Handler: Send + Sync + 'static {
    /// How many bytes of body a request may have.
    fn body_bytes_max(&self, method: &Method, path: &str) -> usize;
    /// The answer. Must not wait.
    fn answer(&self, request: &Request) -> Reply;
}

/// Opens the address.
///
/// # Errors
/// [`WireError::Listen`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, WireError> {
    TcpListener::bind(address).await.map_err(|source| WireError::Listen { address, source })
}

/// Opens a socket in the file system that only its owner may use. One that a dead process left
/// behind is replaced.
///
/// # Errors
/// [`WireError::ListenLocal`].
pub fn listen_local(path: &Path) -> Result<UnixListener, WireError> {
    let failed = |source| WireError::ListenLocal { path: path.to_owned(), source };
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(failed(std::io::ErrorKind::AddrInUse.into()));
    }
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => std::fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(failed(std::io::ErrorKind::AlreadyExists.into())),
        Err(_) => {}
    }
    // Bound under a name of its own and renamed with its final rights: at no moment can another
    // user connect.
    let mut own = path.as_os_str().to_owned();
    own.push(format!(".{}", std::process::id()));
    let own = PathBuf::from(own);
    let _ = std::fs::remove_file(&own);
    let listener = UnixListener::bind(&own).map_err(failed)?;
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(LOCAL_MODE))
        .and_then(|()| std::fs::rename(&own, path))
        .map_err(failed)?;
    Ok(listener)
}

/// Serves until `shutdown`.
pub async fn serve(listener: TcpListener, handler: Arc<dyn Handler>, shutdown: CancellationToken) {
    serve_all(listener, handler, shutdown).await;
}

/// As [`serve`], for a socket in the file system.
pub async fn serve_local(
    listener: UnixListener,
    handler: Arc<dyn Handler>,
    shutdown: CancellationToken,
) {
    serve_all(listener, handler, shutdown).await;
}

/// Where connections come from.
trait Door {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn poll(&self, context: &mut Context<'_>) -> Poll<std::io::Result<Self::Stream>>;
}

impl Door for TcpListener {
    type Stream = TcpStream;
    fn poll(&self, context: &mut Context<'_>) -> Poll<std::io::Result<TcpStream>> {
        self.poll_accept(context).map_ok(|(stream, _)| stream)
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;
    fn poll(&self, context: &mut Context<'_>) -> Poll<std::io::Result<UnixStream>> {
        self.poll_accept(context).map_ok(|(stream, _)| stream)
    }
}

async fn serve_all<D: Door>(door: D, handler: Arc<dyn Handler>, shutdown: CancellationToken) {
    let mut seats = VecDeque::new();
    let desk = Desk { handler, bodies: Arc::new(Semaphore::new(BODIES_MAX)) };
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = poll_fn(|context| door.poll(context)) => accepted,
        };
        seats.retain(|seat: &Seat| !seat.task.is_finished());
        let Ok(stream) = accepted else {
            // It may be that there are too many open files.
            end_oldest(&mut seats);
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS)).await;
            continue;
        };
        if seats.len() >= CONNECTIONS_MAX {
            end_oldest(&mut seats);
        }
        let busy = Arc::<AtomicBool>::default();
        let task = tokio::spawn(connection(stream, desk.clone(), busy.clone(), LIFE));
        seats.push_back(Seat { busy, task: task.abort_handle() });
    }
}

/// How long a connection takes requests, and how long it may take to end then.
const LIFE: (Duration, Duration) =
    (Duration::from_secs(CONNECTION_SECONDS), Duration::from_secs(CONNECTION_END_SECONDS));

/// A connection; without its seat it ends.
struct Seat {
    /// A request was received and is being answered.
    busy: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends the oldest connection that waits for a request, or the oldest of all when none does.
fn end_oldest(seats: &mut VecDeque<Seat>) {
    let waits = seats.iter().position(|seat| !seat.busy.load(Ordering::Relaxed));
    drop(seats.remove(waits.unwrap_or(0)));
}

/// What the connections share.
#[derive(Clone)]
struct Desk {
    handler: Arc<dyn Handler>,
    bodies: Arc<Semaphore>,
}

async fn connection<S>(
    stream: S,
    desk: Desk,
    busy: Arc<AtomicBool>,
    (life, end): (Duration, Duration),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (desk, busy) = (desk.clone(), busy.clone());
        async move {
            busy.store(true, Ordering::Relaxed);
            let reply = desk.exchange(request).await;
            busy.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(response(reply))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_READ_SECONDS))
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let mut result = timeout(life, serving.as_mut()).await;
    if result.is_err() {
        serving.as_mut().graceful_shutdown();
        result = timeout(end, serving).await;
    }
    if let Ok(Err(error)) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

impl Desk {
    async fn exchange(&self, request: http::Request<Incoming>) -> Reply {
        let (parts, body) = request.into_parts();
        let limit = self.handler.body_bytes_max(&parts.method, parts.uri.path());
        let body = match self.receive(body, limit).await {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let request = Request {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body,
        };
        self.handler.answer(&request)
    }

    async fn receive(&self, body: Incoming, limit: usize) -> Result<Bytes, Reply> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let announced = body.size_hint().lower();
        if limit == 0 || announced > u64::try_from(limit).unwrap_or(u64::MAX) {
            return Err(too_large(limit));
        }
        let wait = Duration::from_secs(BODY_WAIT_SECONDS);
        let Ok(Ok(_permit)) = timeout(wait, self.bodies.acquire()).await else {
            let text = "too many requests at once, come again\n";
            return Err(Reply::text(StatusCode::TOO_MANY_REQUESTS, text));
        };
        let time = Duration::from_secs(BODY_READ_SECONDS);
        match timeout(time, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
            Ok(Err(_)) => Err(Reply::text(StatusCode::BAD_REQUEST, "the body broke off\n")),
            Err(_) => Err(Reply::text(StatusCode::REQUEST_TIMEOUT, "the body did not come\n")),
        }
    }
}

fn too_large(limit: usize) -> Reply {
    Reply::text(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {limit} bytes here\n"))
}

fn response(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(reply.text)));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if reply.status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests;
