//! What goes wrong, and when.

use super::calls::{Call, fits};
use hyper::body::Bytes;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A status instead of the answer, for example 429, 500 or 503, with a pause to ask for.
    Status {
        /// The status; 410 says `Expired`, as the API server does.
        code: u16,
        /// The pause in seconds.
        retry_after_seconds: Option<u32>,
    },
    /// The connection is closed without an answer; the server never sees the request.
    Cut,
    /// A watch is cut after so many events.
    CutAfterEvents(u64),
    /// A watch ends after so many events with an `ERROR` event that says 410.
    GoneAfterEvents(u64),
    /// A watch loses its bookmarks.
    DropBookmarks,
    /// The request waits until the test lets it go; see [`Fault::delay`].
    Delay(Gate),
}

impl Fault {
    /// A fault that holds requests back, and what lets them go.
    #[must_use]
    pub fn delay() -> (Self, Release) {
        let (sender, receiver) = watch::channel(false);
        (Self::Delay(Gate(receiver)), Release(sender))
    }
}

/// What a request waits at.
#[derive(Debug, Clone)]
pub struct Gate(watch::Receiver<bool>);

impl Gate {
    pub(super) async fn wait(mut self) {
        // A dropped release lets the requests go as well.
        let _ = self.0.wait_for(|open| *open).await;
    }
}

/// Lets delayed requests go, now or when it is dropped.
#[derive(Debug)]
pub struct Release(watch::Sender<bool>);

impl Release {
    /// Lets all requests go that wait or will come.
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

/// A fault and the requests it is for.
#[derive(Debug, Clone)]
pub struct Rule {
    verb: String,
    resource: String,
    skip: u64,
    times: u64,
    fault: Fault,
}

impl Rule {
    /// For the next request with this verb on this resource; `*` is any.
    #[must_use]
    pub fn new(verb: &str, resource: &str, fault: Fault) -> Self {
        let (verb, resource) = (verb.to_owned(), resource.to_owned());
        Self { verb, resource, skip: 0, times: 1, fault }
    }

    /// Only from the n-th fitting request on, counted from 1.
    #[must_use]
    pub fn from_nth(mut self, n: u64) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// For so many fitting requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// For all fitting requests, until the rules are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    pub(super) fn add(&self, rule: Rule) {
        self.lock().push(rule);
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// The fault for this request, and one use less of its rule.
    pub(super) fn take(&self, call: &Call) -> Option<Fault> {
        let mut rules = self.lock();
        let mut taken = None;
        for rule in rules.iter_mut() {
            if !fits(&rule.verb, &call.verb) || !fits(&rule.resource, &call.resource) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times = rule.times.saturating_sub(1);
            taken = Some(rule.fault.clone());
            break;
        }
        rules.retain(|rule| rule.times > 0);
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a watch ends by a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Clean,
    Cut,
}

/// A watch as lines of JSON, one event each.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) cut_after: Option<u64>,
    pub(super) gone_after: Option<u64>,
    pub(super) drop_bookmarks: bool,
    partial: Vec<u8>,
    events: u64,
}

impl Lines {
    fn is_plain(&self) -> bool {
        self.cut_after.is_none() && self.gone_after.is_none() && !self.drop_bookmarks
    }

    /// What of these bytes goes on, and whether the watch ends after it.
    pub(super) fn pass(&mut self, bytes: &Bytes) -> (Bytes, Option<End>) {
        if self.is_plain() {
            return (bytes.clone(), None);
        }
        self.partial.extend_from_slice(bytes);
        let mut passed = Vec::new();
        if let Some(end) = self.end(&mut passed) {
            return (passed.into(), Some(end));
        }
        while let Some(at) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=at).collect();
            if self.drop_bookmarks && is_bookmark(&line) {
                continue;
            }
            passed.extend_from_slice(&line);
            self.events += 1;
            if let Some(end) = self.end(&mut passed) {
                return (passed.into(), Some(end));
            }
        }
        (passed.into(), None)
    }

    fn end(&self, passed: &mut Vec<u8>) -> Option<End> {
        if self.cut_after.is_some_and(|limit| self.events >= limit) {
            return Some(End::Cut);
        }
        if self.gone_after.is_some_and(|limit| self.events >= limit) {
            let event = serde_json::json!({ "type": "ERROR", "object": status(410) });
            passed.extend_from_slice(event.to_string().as_bytes());
            passed.push(b'\n');
            return Some(End::Clean);
        }
        None
    }
}

fn is_bookmark(line: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    value.is_some_and(|value| value.get("type").is_some_and(|kind| kind == "BOOKMARK"))
}

fn status(code: u16) -> serde_json::Value {
    let (reason, message) = match code {
        410 => ("Expired", "too old resource version"),
        429 => ("TooManyRequests", "too many requests, please try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        _ => ("InternalError", "a fault of the test"),
    };
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

pub(super) fn status_text(code: u16) -> String {
    status(code).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(verb: &str, resource: &str) -> Call {
        Call { verb: verb.into(), resource: resource.into(), dry_run: false }
    }

    #[test]
    fn a_rule_is_used_for_its_requests_and_so_often() {
        let faults = Faults::default();
        faults.add(Rule::new("apply", "pods", Fault::Cut).from_nth(2).times(2));
        let used = |verb, resource| faults.take(&call(verb, resource)).is_some();
        assert!(!used("apply", "pods"));
        assert!(!used("get", "pods"));
        assert!(used("apply", "pods") && used("apply", "pods"));
        assert!(!used("apply", "pods"));
        faults.add(Rule::new("*", "*", Fault::Cut).always());
        assert!(used("get", "x") && used("list", "y"));
        faults.clear();
        assert!(!used("get", "x"));
    }

    #[test]
    fn a_watch_is_cut_at_a_line_however_its_bytes_come() {
        let text = b"{\"type\":\"ADDED\"}\n{\"type\":\"BOOKMARK\"}\n{\"type\":\"DELETED\"}\n";
        for size in 1..text.len() {
            let mut lines = Lines { cut_after: Some(2), drop_bookmarks: true, ..Lines::default() };
            let mut passed = Vec::new();
            let mut end = None;
            for chunk in text.chunks(size) {
                let (bytes, ended) = lines.pass(&Bytes::copy_from_slice(chunk));
                passed.extend_from_slice(&bytes);
                end = end.or(ended);
            }
            assert_eq!(passed, b"{\"type\":\"ADDED\"}\n{\"type\":\"DELETED\"}\n");
            assert_eq!(end, Some(End::Cut));
        }
    }
}
