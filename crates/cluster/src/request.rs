//! One request to the API server, with its tries.
//!
//! Only what may safely be sent twice is sent twice: reads, Server-Side Apply, deletes with a UID.
//! Anything else is repeated only when it certainly was not carried out (no connection, 429).
//! Cancelling (dropping the future) at any point leaves no state behind here.

use crate::client::Inner;
use crate::config::Impersonate;
use crate::error::ClusterError;
use crate::status::{About, Status};
use crate::transport;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT, WARNING,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use serde::de::{DeserializeOwned, DeserializeSeed};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// No single answer may be larger; a page of 500 objects is about 2 MiB.
pub(crate) const ANSWER_BYTES_MAX: usize = 128 << 20;
/// Whom a request is made as.
const IMPERSONATE_USER: &str = "Impersonate-User";
/// And in which groups, one header for each.
const IMPERSONATE_GROUP: &str = "Impersonate-Group";
/// The label of requests about leases.
const LEASES: &str = "leases.coordination.k8s.io";
/// Plain JSON.
pub(crate) const JSON: &str = "application/json";

/// A request before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) about: About,
    /// The metric's label: `deployments.apps/status`.
    pub(crate) label: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) accept: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Sending it twice has the effect of sending it once.
    pub(crate) repeatable: bool,
    /// Who it is made as, when that is not the user of the credentials.
    pub(crate) identity: Option<Arc<Impersonate>>,
}

/// The whole answer to a request that succeeded.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Sent more than once: an earlier try may have been carried out.
    pub(crate) repeated: bool,
}

impl Call {
    /// Whether it is about who may act.
    fn is_of_lease(&self) -> bool {
        self.label == LEASES
    }
}

impl Answer {
    /// The server's warnings (RFC 7234 code 299).
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.headers
            .get_all(WARNING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .filter_map(|text| {
                let (_, rest) = text.split_once('"')?;
                let (inside, _) = rest.rsplit_once('"')?;
                Some(inside.replace("\\\"", "\""))
            })
            .collect()
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, subject: &str) -> Result<T, ClusterError> {
        self.json_seed(subject, PhantomData)
    }

    /// The body as JSON, read by a seed that need not keep all of it.
    pub(crate) fn json_seed<'a, S: DeserializeSeed<'a>>(
        &'a self,
        subject: &str,
        seed: S,
    ) -> Result<S::Value, ClusterError> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.body);
        let read = seed.deserialize(&mut deserializer);
        read.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            ClusterError::BadAnswer {
                subject: subject.to_owned(),
                message: format!("line {line}, column {column}: {}", kind(&error)),
            }
        })
    }
}

/// The class of a JSON error: its text may quote the document.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Io => "cannot be read",
        serde_json::error::Category::Syntax => "is not JSON",
        serde_json::error::Category::Data => "has another shape than the API promises",
        serde_json::error::Category::Eof => "ends too early",
    }
}

/// One try that failed.
struct Failure {
    error: ClusterError,
    /// The pause that the server asked for.
    after: Option<Duration>,
    /// May be tried again when the call may be sent twice.
    passing: bool,
    /// Certainly not carried out.
    refused: bool,
}

impl Inner {
    /// Sends a call until it succeeds, fails for good, or the tries or their time are used up.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ClusterError> {
        let end = Instant::now() + self.tries_total;
        let mut failures = 0;
        loop {
            match self.send_once(call).await {
                Ok(mut answer) => {
                    answer.repeated = failures > 0;
                    return Ok(answer);
                }
                Err(failure) => {
                    failures += 1;
                    let pause = self.pause(call, &failure, failures, end);
                    let Some(pause) = pause else { return Err(failure.error) };
                    tracing::debug!(
                        subject = %call.about.subject,
                        verb = call.about.verb,
                        error = %failure.error,
                        pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                        "trying again"
                    );
                    self.metrics.retried();
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// How long to wait before the next try; `None` gives up.
    fn pause(
        &self,
        call: &Call,
        failure: &Failure,
        failures: u32,
        end: Instant,
    ) -> Option<Duration> {
        let again = failure.refused || (failure.passing && call.repeatable);
        if !again || failures >= self.tries_max {
            return None;
        }
        let fraction = self.jitter.fraction();
        let own = self.backoff.pause(failures, fraction);
        // Never earlier than asked, and spread over a quarter of the pause behind it.
        let pause = match failure.after {
            Some(asked) => own.max(asked + asked.mul_f64(fraction / 4.0)),
            None => own,
        };
        (Instant::now() + pause < end).then_some(pause)
    }

    async fn send_once(&self, call: &Call) -> Result<Answer, Failure> {
        let lasting = |error| Failure { error, after: None, passing: false, refused: false };
        let request = self.request(call).map_err(lasting)?;
        let permits = if call.is_of_lease() { &self.lease_permits } else { &self.permits };
        let Ok(_permit) = permits.acquire().await else {
            return Err(lasting(ClusterError::BadRequest {
                subject: call.about.subject.clone(),
                message: "the client is closed".to_owned(),
            }));
        };
        let _under_way = self.metrics.in_flight();
        let start = Instant::now();
        let outcome =
            tokio::time::timeout(self.request_timeout, self.exchange(call, request)).await;
        let took = start.elapsed();
        let (code, result) = match outcome {
            Ok((code, result)) => (code, result),
            Err(_) => (0, Err(self.timed_out(call))),
        };
        self.metrics.request_done(call.about.verb, &call.label, code, took);
        result
    }

    fn timed_out(&self, call: &Call) -> Failure {
        let error = ClusterError::Timeout {
            verb: call.about.verb,
            subject: call.about.subject.clone(),
            after: self.request_timeout,
        };
        Failure { error, after: None, passing: true, refused: false }
    }

    /// Headers and body of one try, with the code for the metric.
    async fn exchange(
        &self,
        call: &Call,
        request: Request<Body>,
    ) -> (u16, Result<Answer, Failure>) {
        let shown = request.headers().get(AUTHORIZATION).cloned();
        let response = match self.http.send(request).await {
            Ok(response) => response,
            Err(error) => return (0, Err(self.broken(&error))),
        };
        let (parts, body) = response.into_parts();
        let code = parts.status.as_u16();
        let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(collected) => Vec::from(collected.to_bytes()),
            Err(error) => return (code, Err(self.cut(call, &*error))),
        };
        if parts.status.is_success() {
            let (status, headers) = (parts.status, parts.headers);
            return (code, Ok(Answer { status, headers, body, repeated: false }));
        }
        let mut failure = failure(&call.about, parts.status, &parts.headers, &body);
        // With a new token a request that was turned away at the door is worth another try.
        failure.refused |= self.has_newer_token(&failure.error, shown.as_ref());
        (code, Err(failure))
    }

    fn has_newer_token(&self, error: &ClusterError, shown: Option<&HeaderValue>) -> bool {
        let (ClusterError::Unauthorized { .. }, Some(shown), Some(token)) =
            (error, shown, &self.token)
        else {
            return false;
        };
        token.refused(shown, std::time::Instant::now())
    }

    /// No answer at all.
    fn broken(&self, error: &kube::Error) -> Failure {
        let error = transport::error(&self.address, error);
        let refused = matches!(error, ClusterError::Unreachable { before_send: true, .. });
        let passing = matches!(error, ClusterError::Unreachable { .. });
        Failure { error, after: None, passing, refused }
    }

    /// The answer broke off.
    fn cut(&self, call: &Call, error: &(dyn std::error::Error + 'static)) -> Failure {
        let subject = call.about.subject.clone();
        if error.is::<http_body_util::LengthLimitError>() {
            let message = format!("the answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20);
            let error = ClusterError::TooLarge { subject, message };
            return Failure { error, after: None, passing: false, refused: false };
        }
        let error = ClusterError::Unreachable {
            address: self.address.clone(),
            source: "the connection was cut in the middle of an answer".into(),
            before_send: false,
        };
        Failure { error, after: None, passing: true, refused: false }
    }

    /// Opens a streamed answer (watch): the time limit is for the headers only.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response<Body>, ClusterError> {
        let request = self.request(call)?;
        let shown = request.headers().get(AUTHORIZATION).cloned();
        match self.open_once(call, request).await {
            Err(error) if self.has_newer_token(&error, shown.as_ref()) => {
                self.open_once(call, self.request(call)?).await
            }
            opened => opened,
        }
    }

    async fn open_once(
        &self,
        call: &Call,
        request: Request<Body>,
    ) -> Result<Response<Body>, ClusterError> {
        let start = Instant::now();
        let sent = tokio::time::timeout(self.request_timeout, self.http.send(request)).await;
        let done = |code| {
            self.metrics.request_done(call.about.verb, &call.label, code, start.elapsed());
        };
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                done(0);
                return Err(transport::error(&self.address, &error));
            }
            Err(_) => {
                done(0);
                return Err(self.timed_out(call).error);
            }
        };
        done(response.status().as_u16());
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(
            self.request_timeout,
            Limited::new(body, ANSWER_BYTES_MAX).collect(),
        );
        let body = match body.await {
            Ok(Ok(collected)) => Vec::from(collected.to_bytes()),
            _ => Vec::new(),
        };
        Err(failure(&call.about, parts.status, &parts.headers, &body).error)
    }

    fn request(&self, call: &Call) -> Result<Request<Body>, ClusterError> {
        let mut uri = call.path.clone();
        for (index, (key, value)) in call.query.iter().enumerate() {
            uri.push(if index == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            uri.push_str(&crate::resource::encoded(value));
        }
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(USER_AGENT, &self.user_agent)
            // One gzip member per watch event trips decoders; loopback and LAN gain nothing.
            .header(ACCEPT_ENCODING, "identity")
            .header(ACCEPT, call.accept);
        if let Some(token) = &self.token {
            builder = builder.header(AUTHORIZATION, token.header(std::time::Instant::now()));
        }
        if let Some(Impersonate { user, groups }) = call.identity.as_deref() {
            builder = builder.header(IMPERSONATE_USER, user);
            for group in groups {
                builder = builder.header(IMPERSONATE_GROUP, group);
            }
        }
        if !call.body.is_empty() {
            builder = builder.header(CONTENT_TYPE, call.content_type);
        }
        builder.body(Body::from(call.body.clone())).map_err(|error| ClusterError::BadRequest {
            subject: call.about.subject.clone(),
            message: error.to_string(),
        })
    }
}

/// What an error answer means for the next try.
fn failure(about: &About, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let status = Status::read(code, body);
    let after = retry_after(headers).or_else(|| status.retry_after());
    let refused = code == StatusCode::TOO_MANY_REQUESTS;
    let error = status.into_error(about, after);
    let passing = refused
        || matches!(&error, ClusterError::Server { .. })
        || code == StatusCode::REQUEST_TIMEOUT;
    Failure { error, after, passing, refused }
}

/// `Retry-After` in seconds; the API server never sends a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
