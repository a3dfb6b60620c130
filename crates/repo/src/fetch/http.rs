//! Git's smart HTTP: a GET that announces and POSTs that ask, over a client of our own.
//!
//! Ours and not the library's because of what must hold: the first failure keeps its kind, every
//! wait can be cancelled, credentials go only to the server they were given for, a redirect is
//! followed only for the announcement and never from https to http.

mod client;

pub(super) use client::Client;

use super::watch::{Incoming, Watch};
use crate::error::Cause;
use crate::{Fetch, RepoError};
use base64::Engine;
use client::{Head, Pending, Request};
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use std::any::Any;
use std::io::{self, Cursor, Read};
use std::str::FromStr;
use std::time::Duration;

/// Redirects that are followed before the announcement.
pub(super) const REDIRECTS_MAX: usize = 5;

/// What follows the repository's URL in the first request.
const ANNOUNCEMENT: &str = "info/refs?service=git-upload-pack";

/// The longest pause that a server may ask for and that is passed on.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// One conversation with one server.
pub(super) struct Conversation<'a> {
    client: Client,
    watch: Watch<'a>,
    origin: Url,
    authorization: Option<HeaderValue>,
    redirected: Option<String>,
}

impl<'a> Conversation<'a> {
    /// Prepares a conversation; nothing is sent yet.
    pub(super) fn new(url: &Url, spec: &Fetch, watch: Watch<'a>) -> Result<Self, RepoError> {
        let authorization = authorization(url, spec)?;
        let client = Client::start(url, spec)?;
        Ok(Self { client, watch, origin: url.clone(), authorization, redirected: None })
    }

    /// Sends a request; credentials only to the server they were given for.
    fn send(&self, url: &Url, headers: HeaderMap, body: Option<Vec<u8>>) -> Pending {
        let mut headers = headers;
        if let (Some(value), true) = (&self.authorization, same_server(url, &self.origin)) {
            headers.insert(AUTHORIZATION, value.clone());
        }
        self.client.send(Request { url: url.clone(), headers, body })
    }

    fn sent_credentials_to(&self, url: &Url) -> bool {
        self.authorization.is_some() && same_server(url, &self.origin)
    }

    fn keep(&self, error: RepoError) -> gix::Error {
        gix::Error::from_error(self.watch.failure.keep(error))
    }

    /// Follows redirects until the announcement.
    fn announcement(
        &self,
        first: Url,
        headers: &HeaderMap,
    ) -> Result<(Url, Answer<'a>), RepoError> {
        let mut url = first;
        for _ in 0..=REDIRECTS_MAX {
            let pending = self.send(&url, headers.clone(), None);
            let sent = self.sent_credentials_to(&url);
            let mut answer = Answer::new(self.watch.clone(), pending, &url, sent);
            let head = answer.wait()?;
            let Some(to) = redirect(head) else {
                answer.accept()?;
                return Ok((url, answer));
            };
            url = redirect_target(&url, &to)?;
        }
        let shown = base_of(&url);
        Err(RepoError::Redirect {
            url: base_of(&self.origin),
            to: shown,
            reason: "there are too many redirects",
        })
    }
}

impl<'a> Http for Conversation<'a> {
    type Headers = Headers<'a>;
    type ResponseBody = Incoming<'a>;
    type PostBody = PostBody;

    fn get(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Headers<'a>, Incoming<'a>>> {
        let url = Url::parse(url).map_err(gix::Error::from_error)?;
        let headers = header_map(headers);
        let (last, answer) =
            self.announcement(url.clone(), &headers).map_err(|error| self.keep(error))?;
        if last != url {
            self.redirected = Some(base_of(&last));
        }
        let (headers, body) = answer.split();
        Ok(GetResponse { headers, body })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Headers<'a>, Incoming<'a>, PostBody>> {
        let url = Url::parse(url).map_err(gix::Error::from_error)?;
        let mut headers = header_map(headers);
        let sent = self.sent_credentials_to(&url);
        if let (Some(value), true) = (&self.authorization, sent) {
            headers.insert(AUTHORIZATION, value.clone());
        }
        let (request, pending) = self.client.prepare(url.clone(), headers);
        let (headers, body) = Answer::new(self.watch.clone(), pending, &url, sent).split();
        let post_body = PostBody { bytes: Vec::new(), request: Some(request) };
        Ok(PostResponse { post_body, headers, body })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

/// The body of a POST; the request is sent when this is dropped, as the protocol code does
/// between writing and reading.
pub(super) struct PostBody {
    bytes: Vec<u8>,
    request: Option<client::Prepared>,
}

impl io::Write for PostBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PostBody {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            request.send(std::mem::take(&mut self.bytes));
        }
    }
}

/// An answer of which perhaps nothing is here yet.
struct Answer<'a> {
    watch: Watch<'a>,
    pending: Pending,
    url: Url,
    sent_credentials: bool,
    head: Option<Head>,
}

impl<'a> Answer<'a> {
    fn new(watch: Watch<'a>, pending: Pending, url: &Url, sent_credentials: bool) -> Self {
        Self { watch, pending, url: url.clone(), sent_credentials, head: None }
    }

    fn wait(&mut self) -> Result<&Head, RepoError> {
        let kept = |watch: &Watch<'_>, url: &Url| {
            watch.failure.take().unwrap_or_else(|| RepoError::Connect {
                url: base_of(url),
                source: Cause::new("the connection was closed"),
            })
        };
        let head = match self.watch.next(&self.pending.head) {
            Ok(Some(Ok(head))) => head,
            Ok(Some(Err(error))) => return Err(client::classify(&error, &base_of(&self.url))),
            Ok(None) | Err(_) => return Err(kept(&self.watch, &self.url)),
        };
        Ok(self.head.insert(head))
    }

    /// Whether the status is the wanted one.
    fn accept(&self) -> Result<(), RepoError> {
        let Some(head) = &self.head else { return Ok(()) };
        let url = base_of(&self.url);
        let source = Cause::new(format!("HTTP status {}", head.status));
        Err(match head.status {
            200 => return Ok(()),
            401 => RepoError::Authenticate { url, sent: self.sent_credentials, source },
            403 => RepoError::Forbidden { url, source },
            404 | 410 => RepoError::RepositoryNotFound { url, source },
            status => RepoError::Server { url, status, retry_after: retry_after(&head.headers) },
        })
    }

    fn split(self) -> (Headers<'a>, Incoming<'a>) {
        let Self { watch, pending, url, sent_credentials, head } = self;
        let Pending { head: head_receiver, chunks, alive } = pending;
        let ready = head.as_ref().map(|head| Cursor::new(head.lines()));
        let headers =
            Headers { watch: watch.clone(), head: head_receiver, url, sent_credentials, ready };
        (headers, Incoming::new(watch, chunks, Some(alive)))
    }
}

/// The headers of an answer, line by line; reading them waits for the answer.
pub(super) struct Headers<'a> {
    watch: Watch<'a>,
    head: std::sync::mpsc::Receiver<Result<Head, reqwest::Error>>,
    url: Url,
    sent_credentials: bool,
    ready: Option<Cursor<Vec<u8>>>,
}

impl Headers<'_> {
    fn ready(&mut self) -> io::Result<&mut Cursor<Vec<u8>>> {
        if self.ready.is_none() {
            let (_, chunks) = std::sync::mpsc::channel();
            let (alive, _) = tokio::sync::oneshot::channel();
            let (_, unused) = std::sync::mpsc::channel();
            let head = std::mem::replace(&mut self.head, unused);
            let pending = Pending { head, chunks, alive };
            let mut answer =
                Answer::new(self.watch.clone(), pending, &self.url, self.sent_credentials);
            let keep = |error| self.watch.failure.keep(error);
            let lines = answer.wait().map_err(keep)?.lines();
            if let Some(to) = answer.head.as_ref().and_then(redirect) {
                return Err(keep(RepoError::Redirect {
                    url: base_of(&self.url),
                    to: without_user(&to),
                    reason: "only the first request may be redirected",
                }));
            }
            answer.accept().map_err(keep)?;
            self.ready = Some(Cursor::new(lines));
        }
        Ok(self.ready.get_or_insert_default())
    }
}

impl Read for Headers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready()?.read(buffer)
    }
}

impl io::BufRead for Headers<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.ready()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Some(ready) = &mut self.ready {
            ready.consume(amount);
        }
    }
}

/// The value of the header that proves who we are; refused where others could read it.
fn authorization(url: &Url, spec: &Fetch) -> Result<Option<HeaderValue>, RepoError> {
    let Some(credentials) = spec.credentials.as_ref().or(spec.url.credentials()) else {
        return Ok(None);
    };
    if url.scheme() != "https" && !is_loopback(url) {
        return Err(RepoError::InsecureCredentials { url: spec.url.to_string() });
    }
    let pair = format!("{}:{}", credentials.username, credentials.password.reveal());
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let mut value = HeaderValue::from_str(&text).map_err(|_| RepoError::InvalidUrl {
        url: spec.url.to_string(),
        reason: "its credentials cannot be sent",
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn same_server(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Header lines as the protocol code gives them.
fn header_map(lines: impl IntoIterator<Item = impl AsRef<str>>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.as_ref().split_once(':') else { continue };
        let name = HeaderName::from_str(name.trim());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value.trim())) {
            map.append(name, value);
        }
    }
    map
}

fn redirect(head: &Head) -> Option<String> {
    let to = head.headers.get(LOCATION)?.to_str().ok()?;
    matches!(head.status, 301 | 302 | 303 | 307 | 308).then(|| to.to_owned())
}

/// Where a redirect of the announcement leads, when it may be followed.
fn redirect_target(from: &Url, to: &str) -> Result<Url, RepoError> {
    let refused = |reason| {
        let url = base_of(from);
        Err(RepoError::Redirect { url, to: without_user(to), reason })
    };
    let Ok(mut target) = from.join(to) else { return refused("it is not a valid URL") };
    if !matches!(target.scheme(), "https" | "http") {
        return refused("it is neither https nor http");
    }
    if from.scheme() == "https" && target.scheme() != "https" {
        return refused("it leaves https");
    }
    // A redirect may not bring credentials of its own.
    if target.set_username("").is_err() || target.set_password(None).is_err() {
        return refused("it is not a valid URL");
    }
    if !target.as_str().ends_with(&format!("/{ANNOUNCEMENT}")) {
        return refused("it does not lead to a Git repository");
    }
    Ok(target)
}

/// The repository's URL of a request's URL, without user part.
fn base_of(url: &Url) -> String {
    let text = without_user(url.as_str());
    let text = text.strip_suffix(&format!("/{ANNOUNCEMENT}")).unwrap_or(&text);
    text.strip_suffix("/git-upload-pack").unwrap_or(text).to_owned()
}

/// A URL from a server, for a message: without user part, query and control characters.
fn without_user(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(s, r)| (s, r));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let separator = if scheme.is_empty() { "" } else { "://" };
    let text = format!("{scheme}{separator}{host}/{path}");
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The pause in seconds; the form with a date is not read, its senders are rare.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
