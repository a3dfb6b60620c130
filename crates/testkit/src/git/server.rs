//! The smart-HTTP server.

use super::{Repository, git};
use crate::serve::{
    Answer, AnswerBody, Cut, Handler, LOOPBACK, Serve, channel_body, full_body, plain,
};
use crate::{serve, tls};
use base64::Engine;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct GitServerOptions {
    /// User name and password that every request must show.
    pub credentials: Option<(String, String)>,
    /// Whether it speaks TLS, with an authority of its own.
    pub tls: bool,
    /// Whether it knows only the first protocol of Git, as servers before 2018 did.
    pub old_protocol: bool,
    /// The address of this host that it listens on, when not on loopback: pods reach a host at
    /// the address of their cluster's bridge.
    pub listen: Option<std::net::IpAddr>,
}

/// One request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Git-Protocol` header.
    pub protocol: Option<String>,
    /// The body, as text where it is text.
    pub body: String,
}

/// What goes wrong with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitFault {
    /// A status instead of the answer, with a pause in seconds to ask for.
    Status(u16, Option<u32>),
    /// The connection is closed after so many bytes of the body.
    Truncate(usize),
    /// Nothing more comes after so many bytes of the body, and the connection stays open.
    Stall(usize),
    /// One byte of the body at a time, with so many milliseconds between them.
    Trickle(u64),
    /// A redirect to this base, with the rest of the target appended.
    Redirect(String),
    /// One byte of the body, counted from the start of the pack in it, is another one.
    Corrupt(usize),
    /// The connection is closed instead of an answer.
    Drop,
    /// These bytes instead of the body, under the headers of the real answer.
    Replace(Vec<u8>),
}

/// A running server with its repositories.
#[derive(Debug)]
pub struct GitServer {
    shared: Arc<Shared>,
    serve: Serve,
    root: TempDir,
    ca_file: Option<PathBuf>,
}

/// What happens once before a request is answered.
struct Hook(Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

#[derive(Debug, Default)]
struct Shared {
    root: PathBuf,
    authorization: Option<String>,
    old_protocol: bool,
    requests: Mutex<Vec<GitRequest>>,
    /// Part of the target or the body, and what goes wrong once.
    faults: Mutex<VecDeque<(String, GitFault)>>,
    /// Part of the target or the body, and what happens before.
    hooks: Mutex<VecDeque<(String, Hook)>>,
}

impl GitServer {
    /// Starts a server without authentication and without TLS.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start() -> io::Result<Self> {
        Self::start_with(&GitServerOptions::default())
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When no port can be listened on or no certificate can be made.
    pub fn start_with(options: &GitServerOptions) -> io::Result<Self> {
        let root = tempfile::tempdir()?;
        let encode = |(user, password): &(String, String)| {
            let pair = format!("{user}:{password}");
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        };
        let shared = Arc::new(Shared {
            root: root.path().to_owned(),
            authorization: options.credentials.as_ref().map(encode),
            old_protocol: options.old_protocol,
            ..Shared::default()
        });
        let server_tls = options.tls.then(tls::server).transpose()?;
        let ca_file = match &server_tls {
            Some(server_tls) => {
                let path = root.path().join("ca.pem");
                std::fs::write(&path, &server_tls.ca_pem)?;
                Some(path)
            }
            None => None,
        };
        let for_requests = shared.clone();
        let handler: Handler = Arc::new(move |request| {
            let shared = for_requests.clone();
            Box::pin(async move { answer(&shared, request).await })
        });
        let acceptor = server_tls.map(|server_tls| server_tls.acceptor);
        let serve = Serve::start_on(options.listen.unwrap_or(LOOPBACK), handler, acceptor)?;
        Ok(Self { shared, serve, root, ca_file })
    }

    /// Makes a repository that is served; `name` ends in `.git` by custom.
    ///
    /// # Errors
    /// When `git` is missing.
    pub fn repository(&self, name: &str) -> io::Result<Repository> {
        Repository::create(&self.root.path().join(name))
    }

    /// The URL of a repository.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.base())
    }

    /// The server's URL.
    #[must_use]
    pub fn base(&self) -> String {
        let scheme = if self.ca_file.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.serve.address)
    }

    /// The authority's certificate to trust, when the server speaks TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// What goes wrong with the next request whose target or body contains `part`; used once.
    /// Rules wait in the order they are given.
    pub fn fault(&self, part: &str, fault: GitFault) {
        lock(&self.shared.faults).push_back((part.to_owned(), fault));
    }

    /// What happens, once, before the next request whose target or body contains `part` is
    /// answered; a push, for example.
    pub fn before(&self, part: &str, hook: impl FnOnce() + Send + 'static) {
        lock(&self.shared.hooks).push_back((part.to_owned(), Hook(Box::new(hook))));
    }

    /// Connections that were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.serve.accepted.load(Ordering::Relaxed)
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<GitRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        lock(&self.shared.requests).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Answer {
    let header =
        |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let target = request.uri().to_string();
    let (method, authorization) = (request.method().to_string(), header("authorization"));
    let (protocol, content_type) = (header("git-protocol"), header("content-type"));
    let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
    lock(&shared.requests).push(GitRequest {
        method: method.clone(),
        target: target.clone(),
        authorization: authorization.clone(),
        protocol: protocol.clone(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let text = String::from_utf8_lossy(&body);
    let fault = take(&shared.faults, &target, &text);
    if let Some(Hook(hook)) = take(&shared.hooks, &target, &text) {
        tokio::task::spawn_blocking(hook).await.map_err(|_| Cut)?;
    }
    match &fault {
        Some(GitFault::Status(status, pause)) => return Ok(refusal(*status, *pause)),
        Some(GitFault::Redirect(base)) => return Ok(redirect(&format!("{base}{target}"))),
        Some(GitFault::Drop) => return Err(Cut),
        _ => {}
    }
    if shared.authorization.is_some() && shared.authorization != authorization {
        let mut response = plain(401, "who are you?");
        let challenge = http::HeaderValue::from_static("Basic realm=\"test\"");
        response.headers_mut().insert("www-authenticate", challenge);
        return Ok(response);
    }
    let mut backend = backend(&shared.root, &method, &target);
    backend.env("CONTENT_TYPE", content_type.unwrap_or_default());
    backend.env("CONTENT_LENGTH", body.len().to_string());
    if let Some(protocol) = protocol.filter(|_| !shared.old_protocol) {
        backend.env("GIT_PROTOCOL", protocol);
    }
    let output = tokio::task::spawn_blocking(move || run(backend, &body)).await;
    let output = output.map_err(|_| Cut)?.map_err(|_| Cut)?;
    Ok(cgi_answer(&output, fault.as_ref()))
}

/// The first rule that fits, which is used up.
fn take<T>(rules: &Mutex<VecDeque<(String, T)>>, target: &str, body: &str) -> Option<T> {
    let mut rules = lock(rules);
    let at = rules
        .iter()
        .position(|(part, _)| target.contains(part.as_str()) || body.contains(part.as_str()))?;
    rules.remove(at).map(|(_, rule)| rule)
}

fn refusal(status: u16, pause: Option<u32>) -> Response<AnswerBody> {
    let mut response = plain(status, "a fault of the test");
    if let Some(seconds) = pause {
        response.headers_mut().insert("retry-after", http::HeaderValue::from(seconds));
    }
    response
}

fn redirect(to: &str) -> Response<AnswerBody> {
    let mut response = plain(302, "elsewhere");
    if let Ok(value) = http::HeaderValue::from_str(to) {
        response.headers_mut().insert("location", value);
    }
    response
}

fn backend(root: &Path, method: &str, target: &str) -> Command {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = git();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("REMOTE_ADDR", "127.0.0.1");
    command
}

fn run(mut command: Command, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut writing = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || writing.as_mut().map(|to| to.write_all(input)));
        child.wait_with_output()
    })?;
    Ok(output.stdout)
}

/// Turns a CGI answer (headers, empty line, body) into one of HTTP.
fn cgi_answer(output: &[u8], fault: Option<&GitFault>) -> Response<AnswerBody> {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n");
    let Some((head, body)) = end.and_then(|end| output.split_at_checked(end)) else {
        return plain(500, "git http-backend gave no answer");
    };
    let body = Bytes::copy_from_slice(body.get(4..).unwrap_or_default());
    let mut response = Response::new(faulty_body(body, fault));
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            if let Some(code) = code {
                *response.status_mut() = code;
            }
            continue;
        }
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A body that comes byte by byte, until nobody takes it any more.
fn trickling(body: Bytes, pause: Duration) -> AnswerBody {
    let (sender, answer) = channel_body();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(pause);
        for at in 0..body.len() {
            ticks.tick().await;
            if sender.send(Ok(body.slice(at..=at))).await.is_err() {
                return;
            }
        }
    });
    answer
}

fn faulty_body(body: Bytes, fault: Option<&GitFault>) -> AnswerBody {
    let (bytes, stays_open) = match fault {
        Some(GitFault::Corrupt(offset)) => {
            let mut bytes = body.to_vec();
            let pack = bytes.windows(4).position(|four| four == b"PACK").unwrap_or(0);
            if let Some(byte) = bytes.get_mut(pack + offset) {
                *byte ^= 0xff;
            }
            return full_body(bytes);
        }
        Some(GitFault::Replace(bytes)) => return full_body(bytes.clone()),
        Some(GitFault::Trickle(millis)) => {
            return trickling(body, Duration::from_millis(*millis));
        }
        Some(GitFault::Truncate(bytes)) => (*bytes, false),
        Some(GitFault::Stall(bytes)) => (*bytes, true),
        _ => return full_body(body),
    };
    let (sender, answer) = channel_body();
    tokio::spawn(async move {
        let _ = sender.send(Ok(body.slice(..bytes.min(body.len())))).await;
        if stays_open {
            sender.closed().await;
        } else {
            serve::cut(&sender).await;
        }
    });
    answer
}
