//! Git's smart HTTP: a GET that greets and POSTs that ask.
//!
//! The first failure keeps its kind, every wait can be cancelled, credentials go only to the
//! server they were given for, a redirect is followed only for the greeting and never from https
//! to http.

use super::watch::{Incoming, Source, Watch};
use crate::connections::{Body, Connections, Head, Pending, Whole};
use crate::error::Cause;
use crate::url::HttpUrl;
use crate::wire::AGENT;
use crate::{Fetch, RepoError};
use base64::Engine;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use hyper::body::Bytes;
use std::time::Duration;

/// Redirects that are followed before the greeting.
pub(super) const REDIRECTS_MAX: usize = 5;

/// What follows the repository's URL in the first request.
const ANNOUNCEMENT: &str = "/info/refs?service=git-upload-pack";

/// What follows it in all others.
const SERVICE: &str = "/git-upload-pack";

/// What the answer to that is.
const RESULT: &str = "application/x-git-upload-pack-result";

/// The longest pause that a server may ask for and that is passed on.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// One conversation with one server.
pub(super) struct Http<'a> {
    connections: &'a Connections,
    spec: &'a Fetch,
    watch: Watch<'a>,
    origin: HttpUrl,
    /// Where the repository is after redirects.
    base: HttpUrl,
    authorization: Option<HeaderValue>,
    answer: Option<Incoming<'a>>,
}

impl<'a> Http<'a> {
    /// Prepares a conversation; nothing is sent yet.
    pub(super) fn new(
        connections: &'a Connections,
        url: &HttpUrl,
        spec: &'a Fetch,
        watch: Watch<'a>,
    ) -> Result<Self, RepoError> {
        let authorization = authorization(url, spec)?;
        let (origin, base) = (url.clone(), url.clone());
        Ok(Self { connections, spec, watch, origin, base, authorization, answer: None })
    }

    /// Another conversation with the same server about the same repository.
    pub(super) fn beside(&self, watch: Watch<'a>) -> Self {
        let (origin, base) = (self.origin.clone(), self.base.clone());
        let authorization = self.authorization.clone();
        Self { watch, origin, base, authorization, answer: None, ..*self }
    }

    /// Where the repository is after redirects.
    pub(super) fn base(&self) -> &HttpUrl {
        &self.base
    }

    /// Goes on where an earlier conversation found the repository.
    pub(super) fn continue_at(&mut self, base: HttpUrl) {
        self.base = base;
    }

    /// Asks for the greeting, after redirects.
    pub(super) fn greet(&mut self) -> Result<&mut Incoming<'a>, RepoError> {
        // An answer that is not read to its end takes its connection with it.
        self.answer = None;
        self.base = self.origin.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut headers = self.headers();
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
            let (head, body) = self.send(ANNOUNCEMENT, headers, None)?;
            let Some(to) = redirect(&head) else {
                self.accept(&head, "application/x-git-upload-pack-advertisement")?;
                return Ok(self.incoming(body));
            };
            self.base = redirect_target(&self.base, &to)?;
        }
        Err(RepoError::Redirect {
            url: self.origin.to_string(),
            to: self.base.to_string(),
            reason: "there are too many redirects",
        })
    }

    /// Asks for something.
    pub(super) fn ask(&mut self, request: Vec<u8>) -> Result<&mut Incoming<'a>, RepoError> {
        self.answer = None;
        let (head, body) = self.send(SERVICE, self.asking(), Some(request))?;
        self.accept_result(&head)?;
        Ok(self.incoming(body))
    }

    /// Asks for something and takes the answer whole, without a thread that waits; `None` when it
    /// is longer than so many bytes. It has no limit on its time.
    pub(super) async fn ask_whole(
        self,
        request: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, RepoError> {
        let headers = self.authorized(self.asking());
        let client = self.connections.client(&self.base, self.spec)?;
        let url = format!("{}{SERVICE}", self.base);
        let (head, whole) = client
            .whole(&url, headers, request, bytes_max)
            .await
            .map_err(|failed| failed.about(&self.base.to_string()))?;
        self.accept_result(&head)?;
        match whole {
            Whole::Bytes(bytes) => Ok(Some(bytes)),
            Whole::TooLong => Ok(None),
            Whole::Broken(source) => {
                Err(RepoError::ListReferences { url: self.base.to_string(), source })
            }
        }
    }

    fn accept_result(&self, head: &Head) -> Result<(), RepoError> {
        if let Some(to) = redirect(head) {
            return Err(RepoError::Redirect {
                url: self.base.to_string(),
                to: without_user(&to),
                reason: "only the first request may be redirected",
            });
        }
        self.accept(head, RESULT)
    }

    fn incoming(&mut self, body: Body) -> &mut Incoming<'a> {
        self.answer.insert(Incoming::new(self.watch.clone(), Source::Http(body)))
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert("git-protocol", HeaderValue::from_static("version=2"));
        headers
    }

    fn asking(&self) -> HeaderMap {
        let mut headers = self.headers();
        let kind = HeaderValue::from_static("application/x-git-upload-pack-request");
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(ACCEPT, HeaderValue::from_static(RESULT));
        headers
    }

    /// With the credentials, where they may be sent.
    fn authorized(&self, mut headers: HeaderMap) -> HeaderMap {
        if let (Some(value), true) = (&self.authorization, self.sends_credentials()) {
            headers.insert(AUTHORIZATION, value.clone());
        }
        headers
    }

    /// Sends a request and waits for the start of its answer; credentials go only to the server
    /// they were given for.
    fn send(
        &self,
        what: &str,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<(Head, Body), RepoError> {
        let headers = self.authorized(headers);
        let shown = || self.base.to_string();
        let failed = |source| RepoError::Connect { url: shown(), source };
        let client = self.connections.client(&self.base, self.spec)?;
        let url = format!("{}{what}", self.base);
        let Pending { head, body } = client.send(&url, headers, body).map_err(failed)?;
        match self.watch.next(&head) {
            Ok(Some(Ok(head))) => Ok((head, body)),
            Ok(Some(Err(error))) => Err(error.about(&shown())),
            Ok(None) | Err(_) => Err(self
                .watch
                .failure
                .take()
                .unwrap_or_else(|| failed(Cause::new("the connection was closed")))),
        }
    }

    fn sends_credentials(&self) -> bool {
        self.authorization.is_some() && self.base.same_server(&self.origin)
    }

    /// Whether the status and the kind of the answer are the wanted ones.
    fn accept(&self, head: &Head, kind: &str) -> Result<(), RepoError> {
        let url = self.base.to_string();
        let source = Cause::new(format!("HTTP status {}", head.status));
        match head.status {
            200 => {}
            401 => {
                let sent = self.sends_credentials();
                return Err(RepoError::Authenticate { url, sent, source });
            }
            403 => return Err(RepoError::Forbidden { url, source }),
            404 | 410 => return Err(RepoError::RepositoryNotFound { url, source }),
            status => {
                let retry_after = retry_after(&head.headers);
                return Err(RepoError::Server { url, status, retry_after });
            }
        }
        let said = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let said = said.unwrap_or_default();
        if said.split(';').next().unwrap_or_default().trim() == kind {
            return Ok(());
        }
        let short: String = said.chars().take(100).collect();
        let source = Cause::new(format!("it is no Git server: it answers with `{short}`"));
        Err(RepoError::ListReferences { url, source })
    }
}

/// The value of the header that proves who we are; refused where others could read it.
fn authorization(url: &HttpUrl, spec: &Fetch) -> Result<Option<HeaderValue>, RepoError> {
    let Some(credentials) = spec.credentials.as_ref().or(spec.url.credentials()) else {
        return Ok(None);
    };
    if !url.is_https() && !url.is_loopback() {
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

fn redirect(head: &Head) -> Option<String> {
    let to = head.headers.get(LOCATION)?.to_str().ok()?;
    matches!(head.status, 301 | 302 | 303 | 307 | 308).then(|| to.to_owned())
}

/// Where a redirect of the greeting leads, when it may be followed.
fn redirect_target(from: &HttpUrl, to: &str) -> Result<HttpUrl, RepoError> {
    let refused = |reason| {
        let url = from.to_string();
        Err(RepoError::Redirect { url, to: without_user(to), reason })
    };
    let Some(base) = to.strip_suffix(ANNOUNCEMENT) else {
        return refused("it does not lead to a Git repository");
    };
    let Some(target) = from.join(base) else { return refused("it is not a usable URL") };
    if from.is_https() && !target.is_https() {
        return refused("it leaves https");
    }
    Ok(target)
}

/// A URL from a server, for a message: without user part, query and control characters.
fn without_user(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(s, r)| (s, r));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let separator = if scheme.is_empty() { "" } else { "://" };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let text = format!("{scheme}{separator}{host}/{path}");
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The pause in seconds; the form with a date is not read, its senders are rare.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
