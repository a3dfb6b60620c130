//! Connections to one server that are kept: what a sink sends its batches over, and a watch reads.
//!
//! Input: a method, a path, headers, a body. Output: status, headers, body and trailers, whatever
//! the status is; the caller knows which of them means what. Nothing is sent twice, with one
//! exception: a request that a kept connection took back unsent goes over a new one. Files with
//! certificates and keys are read again when they change. Bounds: time to connect, time for an
//! exchange, bytes of an answer (what is longer is cut, and said to be), idle connections. A
//! connection ends with the exchange that did not send its whole request or read its whole answer.

use crate::body::Body;
use crate::dial::dial;
use crate::error::WireError;
use crate::roots::{Identity, Stamp, client_tls};
use http::header::{HOST, RETRY_AFTER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Idle connections of one channel that are kept.
pub const IDLE_CONNECTIONS_MAX: usize = 4;
/// A connection that was idle for longer is not used again.
pub const IDLE_CONNECTION_SECONDS: u64 = 60;
/// Time for connecting, TLS included, unless told otherwise.
pub const CHANNEL_CONNECT_SECONDS: u64 = 10;
/// Time for an exchange unless told otherwise.
pub const CHANNEL_TIMEOUT_SECONDS: u64 = 30;
/// Bytes of an answer that are kept unless told otherwise.
pub const CHANNEL_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A pause that a server asks for is not believed beyond this.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;
/// A silent HTTP/2 connection is asked for a sign of life this often.
const PING_SECONDS: u64 = 20;

/// Which HTTP is spoken. There is no upgrade: what is configured is what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1, one exchange at a time over each connection.
    #[default]
    Http1,
    /// HTTP/2, also without TLS (with prior knowledge), as gRPC needs it.
    Http2,
}

/// Files that say whom to trust and who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's, in PEM.
    pub ca: Option<PathBuf>,
    /// Our certificate chain in PEM.
    pub certificate: Option<PathBuf>,
    /// Its key in PEM.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must have, when it is not the host of the address.
    pub server_name: Option<String>,
}

/// How to speak to one server.
#[derive(Debug, Clone)]
pub struct ChannelOptions {
    /// `http://host:port` or `https://host:port`; a path in it is put before every path.
    pub address: String,
    /// What we call ourselves.
    pub user_agent: String,
    /// HTTP/1.1 or HTTP/2.
    pub protocol: Protocol,
    /// Whom to trust.
    pub tls: TlsFiles,
    /// Time for connecting, TLS included.
    pub connect_timeout: Duration,
    /// Time from sending to the last byte of the answer.
    pub timeout: Duration,
    /// Bytes of an answer that are kept.
    pub answer_bytes_max: usize,
}

impl ChannelOptions {
    /// The defaults for an address.
    pub fn to(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            user_agent: concat!("orlop/", env!("CARGO_PKG_VERSION")).to_owned(),
            protocol: Protocol::Http1,
            tls: TlsFiles::default(),
            connect_timeout: Duration::from_secs(CHANNEL_CONNECT_SECONDS),
            timeout: Duration::from_secs(CHANNEL_TIMEOUT_SECONDS),
            answer_bytes_max: CHANNEL_ANSWER_BYTES_MAX,
        }
    }
}

/// One request over a channel.
#[derive(Clone)]
pub struct Message {
    /// `GET`, `POST`.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Beside those that we set ourselves. A value that is a secret is marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Body,
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body, up to the bound.
    pub body: Bytes,
    /// Whether there was more of it.
    pub cut: bool,
    /// What came behind the body.
    pub trailers: HeaderMap,
}

impl Received {
    /// The pause that the server asks for: seconds, or a date seen from `now`.
    #[must_use]
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wanted = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => crate::date::parse(text)?.duration_since(now).unwrap_or(Duration::ZERO),
        };
        Some(wanted.min(Duration::from_secs(RETRY_AFTER_SECONDS_MAX)))
    }
}

/// An answer that is read while it comes.
pub struct Streamed {
    /// The HTTP status.
    pub status: u16,
    body: Incoming,
    shown: String,
    /// An answer that goes on owns its connection.
    _sender: Sender,
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Streamed {
    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// [`WireError::Unreachable`] when the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, WireError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| WireError::unreachable(&self.shown, &error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// A connection as one exchange has it.
struct Sender {
    speaker: Speaker,
    line: Arc<Line>,
    /// What of its request was not sent yet.
    unsent: Weak<()>,
}

enum Speaker {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// A connection, which ends with its last sender, whatever it is still writing.
struct Line {
    /// An exchange ended before its request did: what is left of it would lie there for ever.
    worn: AtomicBool,
    _end: DropGuard,
}

impl Sender {
    fn is_usable(&self) -> bool {
        !self.line.worn.load(Ordering::Relaxed)
            && match &self.speaker {
                Speaker::One(sender) => sender.is_ready(),
                Speaker::Two(sender) => !sender.is_closed(),
            }
    }

    /// Another one of the same connection, where many exchanges share one.
    fn shared(&self) -> Option<Self> {
        let Speaker::Two(sender) = &self.speaker else { return None };
        let (speaker, line) = (Speaker::Two(sender.clone()), self.line.clone());
        Some(Self { speaker, line, unsent: Weak::new() })
    }

    /// The answer, or the request when it was never sent, or why there is no answer.
    async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, (hyper::Error, Option<Request<Body>>)> {
        let sent = match &mut self.speaker {
            Speaker::One(sender) => sender.try_send_request(request).await,
            Speaker::Two(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut error| {
            let message = error.take_message();
            (error.into_error(), message)
        })
    }

    fn is_sent(&self) -> bool {
        self.unsent.strong_count() == 0
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.is_sent() {
            self.line.worn.store(true, Ordering::Relaxed);
        }
    }
}

/// Spawns what belongs to a connection and ends with it.
#[derive(Clone)]
struct Tied(CancellationToken);

impl<F> Executor<F> for Tied
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let end = self.0.clone();
        tokio::spawn(async move {
            // How it ended is told to whoever waits for an answer.
            let _ = end.run_until_cancelled(future).await;
        });
    }
}

struct Idle {
    sender: Sender,
    since: Instant,
}

/// Connections to one server.
pub struct Channel {
    options: ChannelOptions,
    target: Target,
    idle: Mutex<Vec<Idle>>,
    tls: Mutex<Option<(Stamp, Arc<rustls::ClientConfig>)>>,
}

struct Target {
    https: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
    prefix: String,
    shown: String,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("to", &self.target.shown).finish_non_exhaustive()
    }
}

impl Channel {
    /// A channel that is not connected yet.
    ///
    /// # Errors
    /// [`WireError::Address`].
    pub fn new(options: ChannelOptions) -> Result<Self, WireError> {
        let uri = crate::client::address(&options.address)?;
        let shown = crate::client::shown(&uri);
        let unusable = || WireError::Address { shown: shown.clone() };
        let authority = uri.authority().ok_or_else(unusable)?;
        let https = uri.scheme_str() == Some("https");
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let target = Target {
            https,
            host,
            port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| unusable())?,
            prefix: uri.path().trim_end_matches('/').to_owned(),
            shown: shown.trim_end_matches('/').to_owned(),
        };
        Ok(Self { options, target, idle: Mutex::default(), tls: Mutex::default() })
    }

    /// The address as it may be shown.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.target.shown
    }

    /// Whether what is said can be overheard: not over https, and not to this machine itself.
    #[must_use]
    pub fn is_open_line(&self) -> bool {
        !self.target.https && !crate::client::is_this_machine(&self.target.host)
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`WireError`] when there is no answer; any status is an answer.
    pub async fn exchange(&self, message: Message) -> Result<Received, WireError> {
        let after = self.options.timeout;
        let shown = self.show(&message.path);
        let whole = async {
            let (response, sender) = self.send(message).await?;
            let (received, whole) = read(response, self.options.answer_bytes_max, &shown).await?;
            // A connection with a rest that is unread or unsent is not used again.
            if whole && sender.is_sent() {
                self.keep(sender);
            }
            Ok(received)
        };
        tokio::time::timeout(after, whole)
            .await
            .unwrap_or_else(|_| Err(WireError::TimedOut { shown: shown.clone(), after }))
    }

    /// Sends one request and gives back the answer as soon as its header is there. The bound on
    /// time is for the header only.
    ///
    /// # Errors
    /// As [`Channel::exchange`].
    pub async fn open(&self, message: Message) -> Result<Streamed, WireError> {
        let after = self.options.timeout;
        let shown = self.show(&message.path);
        let (response, sender) = tokio::time::timeout(after, self.send(message))
            .await
            .map_err(|_| WireError::TimedOut { shown: shown.clone(), after })??;
        let status = response.status().as_u16();
        Ok(Streamed { status, body: response.into_body(), shown, _sender: sender })
    }

    /// Closes what is idle: the next request makes a new connection.
    pub fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn show(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap_or_default();
        format!("{}{path}", self.target.shown)
    }

    async fn send(&self, message: Message) -> Result<(Response<Incoming>, Sender), WireError> {
        let shown = self.show(&message.path);
        let mut request = self.request(message)?;
        let unsent = request.body_mut().unsent();
        while let Some(mut sender) = self.take_idle() {
            sender.unsent = unsent.clone();
            match sender.send(request).await {
                Ok(response) => return Ok((response, sender)),
                // It was closed in the meantime and nothing went out.
                Err((_, Some(unsent))) => request = unsent,
                Err((error, None)) => return Err(WireError::unreachable(&shown, &error)),
            }
        }
        let mut sender = self.connect().await?;
        sender.unsent = unsent;
        match sender.send(request).await {
            Ok(response) => Ok((response, sender)),
            Err((error, _)) => Err(WireError::unreachable(&shown, &error)),
        }
    }

    fn request(&self, message: Message) -> Result<Request<Body>, WireError> {
        let unusable = || WireError::Address { shown: self.target.shown.clone() };
        let path = format!("{}{}", self.target.prefix, message.path);
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path.parse::<PathAndQuery>().map_err(|_| unusable())?);
        if self.options.protocol == Protocol::Http2 {
            let scheme = if self.target.https { "https" } else { "http" };
            parts.scheme = Some(scheme.parse().map_err(|_| unusable())?);
            let authority = self.target.authority.to_str().unwrap_or_default();
            parts.authority = Some(authority.parse().map_err(|_| unusable())?);
        }
        let mut request = Request::new(message.body);
        *request.method_mut() = message.method;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| unusable())?;
        let headers = request.headers_mut();
        headers.extend(message.headers);
        let agent = HeaderValue::from_str(&self.options.user_agent).map_err(|_| unusable())?;
        headers.insert(USER_AGENT, agent);
        if self.options.protocol == Protocol::Http1 {
            headers.insert(HOST, self.target.authority.clone());
        }
        Ok(request)
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let young = Duration::from_secs(IDLE_CONNECTION_SECONDS);
        while let Some(next) = idle.pop() {
            if next.since.elapsed() >= young || !next.sender.is_usable() {
                continue;
            }
            // Many exchanges share one connection of HTTP/2.
            if let Some(sender) = next.sender.shared() {
                idle.push(Idle { sender, since: next.since });
            }
            return Some(next.sender);
        }
        None
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(sender.speaker, Speaker::Two(_)) {
            idle.clear();
        }
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    async fn connect(&self) -> Result<Sender, WireError> {
        let after = self.options.connect_timeout;
        let shown = self.target.shown.clone();
        tokio::time::timeout(after, self.connect_at_leisure())
            .await
            .unwrap_or_else(|_| Err(WireError::TimedOut { shown, after }))
    }

    async fn connect_at_leisure(&self) -> Result<Sender, WireError> {
        let target = &self.target;
        let failed = |error: &dyn std::error::Error| WireError::unreachable(&target.shown, error);
        let stream = dial(&target.host, target.port).await.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        if !target.https {
            return self.greet(TokioIo::new(stream)).await;
        }
        let name = self.options.tls.server_name.clone().unwrap_or_else(|| target.host.clone());
        let name = ServerName::try_from(name)
            .map_err(|_| WireError::Address { shown: target.shown.clone() })?;
        let connector = TlsConnector::from(self.tls()?);
        let stream = connector.connect(name, stream).await.map_err(|error| failed(&error))?;
        self.greet(TokioIo::new(stream)).await
    }

    async fn greet<S>(&self, stream: TokioIo<S>) -> Result<Sender, WireError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| WireError::unreachable(&self.target.shown, &error);
        let tied = Tied(CancellationToken::new());
        let line = Line { worn: AtomicBool::new(false), _end: tied.0.clone().drop_guard() };
        let speaker = match self.options.protocol {
            Protocol::Http1 => {
                let (sender, connection) =
                    http1::Builder::new().handshake(stream).await.map_err(failed)?;
                tied.execute(connection);
                Speaker::One(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::Builder::new(tied.clone())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(Duration::from_secs(PING_SECONDS))
                    .adaptive_window(true)
                    .handshake(stream)
                    .await
                    .map_err(failed)?;
                tied.execute(connection);
                Speaker::Two(sender)
            }
        };
        Ok(Sender { speaker, line: Arc::new(line), unsent: Weak::new() })
    }

    /// TLS as the files say now; they are read again when one of them changed.
    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, WireError> {
        let files = &self.options.tls;
        let paths = [&files.ca, &files.certificate, &files.key];
        let stamp = Stamp::of(paths.into_iter().flatten());
        let mut known = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, config)) = known.as_ref()
            && *seen == stamp
        {
            return Ok(config.clone());
        }
        let identity = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            _ => None,
        };
        let mut config = client_tls(files.ca.as_deref(), identity)?;
        config.alpn_protocols = match self.options.protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        let config = Arc::new(config);
        *known = Some((stamp, config.clone()));
        Ok(config)
    }
}

/// The answer up to `limit` bytes, and whether it was read to its end.
async fn read(
    response: Response<Incoming>,
    limit: usize,
    shown: &str,
) -> Result<(Received, bool), WireError> {
    let (parts, mut body) = response.into_parts();
    let (mut kept, mut cut, mut trailers) = (Vec::new(), false, HeaderMap::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| WireError::unreachable(shown, &error))?;
        match frame.into_data() {
            Ok(data) => {
                let room = limit.saturating_sub(kept.len());
                kept.extend_from_slice(data.get(..room).unwrap_or(&data));
                if data.len() > room {
                    cut = true;
                    break;
                }
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    let status = parts.status.as_u16();
    let body = Bytes::from(kept);
    Ok((Received { status, headers: parts.headers, body, cut, trailers }, !cut))
}
