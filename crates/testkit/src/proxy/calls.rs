//! What was asked of an API server, counted.

use hyper::{Method, Request};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests of which path and agent are kept; counting goes on beyond.
const RECORDS_MAX: usize = 1_000_000;

/// What a request asks for, in the words of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `apply` (a patch by Server-Side
    /// Apply), `delete` or `deletecollection`.
    pub verb: String,
    /// `pods`, `deployments.apps`, `deployments.apps/status`; the path for what is no resource.
    pub resource: String,
    /// Whether nothing shall be stored.
    pub dry_run: bool,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it asks for.
    pub call: Call,
    /// Path and query.
    pub target: String,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// All requests so far.
#[derive(Debug, Default)]
pub struct Recorder {
    seen: Mutex<Seen>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    counts: BTreeMap<Call, u64>,
    records: Vec<Record>,
}

impl Call {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let content_type = request.headers().get("content-type").and_then(|v| v.to_str().ok());
        let apply = content_type.is_some_and(|text| text.starts_with("application/apply-patch"));
        let query = request.uri().query().unwrap_or_default();
        Self::parse(request.method(), request.uri().path(), query, apply)
    }

    fn parse(method: &Method, path: &str, query: &str, apply: bool) -> Self {
        let has = |key: &str, good: &dyn Fn(&str) -> bool| {
            let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.any(|(name, value)| name == key && good(value))
        };
        let dry_run = has("dryRun", &|value| value == "All");
        let watch = has("watch", &|value| matches!(value, "true" | "1" | ""));
        let (resource, named) = resource(path);
        let one = named || resource.starts_with('/');
        let verb = match method.as_str() {
            "GET" | "HEAD" if watch => "watch",
            "GET" | "HEAD" if one => "get",
            "GET" | "HEAD" => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" if apply => "apply",
            "PATCH" => "patch",
            "DELETE" if one => "delete",
            "DELETE" => "deletecollection",
            other => other,
        };
        Self { verb: verb.to_owned(), resource, dry_run }
    }

    /// Whether it changes something when it succeeds.
    #[must_use]
    pub fn writes(&self) -> bool {
        !self.dry_run && !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// The resource of a path, and whether one object of it is named.
fn resource(path: &str) -> (String, bool) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _version, rest @ ..] => ("", rest),
        ["apis", group, _version, rest @ ..] => (*group, rest),
        _ => return (path.to_owned(), false),
    };
    let (plural, name, sub) = match rest {
        [] => return (path.to_owned(), false),
        ["namespaces", _, plural @ ("finalize" | "status")] => ("namespaces", true, Some(*plural)),
        ["namespaces", _, plural, _name] => (*plural, true, None),
        ["namespaces", _, plural, _name, sub, ..] => (*plural, true, Some(*sub)),
        ["namespaces", _, plural] | [plural] => (*plural, false, None),
        [plural, _name] => (*plural, true, None),
        [plural, _name, sub, ..] => (*plural, true, Some(*sub)),
    };
    let mut text = plural.to_owned();
    if !group.is_empty() {
        text = format!("{text}.{group}");
    }
    if let Some(sub) = sub {
        text = format!("{text}/{sub}");
    }
    (text, name)
}

impl Recorder {
    pub(super) fn add<B>(&self, call: &Call, request: &Request<B>) {
        let agent = request.headers().get("user-agent").and_then(|v| v.to_str().ok());
        let mut seen = self.lock();
        *seen.counts.entry(call.clone()).or_default() += 1;
        if seen.records.len() < RECORDS_MAX {
            let target = request.uri().path_and_query().map(ToString::to_string);
            seen.records.push(Record {
                call: call.clone(),
                target: target.unwrap_or_default(),
                user_agent: agent.unwrap_or_default().to_owned(),
            });
        }
        drop(seen);
        self.more.notify_all();
    }

    /// How often each thing was asked for.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Call, u64> {
        self.lock().counts.clone()
    }

    /// How often a verb was used on a resource, dry runs included; `*` is any.
    #[must_use]
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.sum(|call| fits(verb, &call.verb) && fits(resource, &call.resource))
    }

    /// Requests that could change something: neither reads nor dry runs.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.sum(Call::writes)
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sum(|_| true)
    }

    /// Every request in order, at most a million of them.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// Starts counting afresh.
    pub fn reset(&self) {
        *self.lock() = Seen::default();
    }

    /// Waits until a verb was used on a resource so often; false when it was not in time.
    #[must_use]
    pub fn wait_for(&self, verb: &str, resource: &str, count: u64, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut seen = self.lock();
        loop {
            let fitting = |call: &Call| fits(verb, &call.verb) && fits(resource, &call.resource);
            if sum(&seen.counts, fitting) >= count {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            seen = match self.more.wait_timeout(seen, left) {
                Ok((seen, _)) => seen,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn sum(&self, fitting: impl Fn(&Call) -> bool) -> u64 {
        sum(&self.lock().counts, fitting)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum(counts: &BTreeMap<Call, u64>, fitting: impl Fn(&Call) -> bool) -> u64 {
    counts.iter().filter(|(call, _)| fitting(call)).map(|(_, count)| count).sum()
}

/// Whether a word of a rule fits; `*` fits everything.
pub(super) fn fits(wanted: &str, word: &str) -> bool {
    wanted == "*" || wanted == word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_verb_and_resource() {
        let told = |method: Method, target: &str, apply: bool| {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let call = Call::parse(&method, path, query, apply);
            let dry = if call.dry_run { " dry" } else { "" };
            format!("{} {}{dry}", call.verb, call.resource)
        };
        let get = |target: &str| told(Method::GET, target, false);
        assert_eq!(get("/api/v1/namespaces/x/pods"), "list pods");
        assert_eq!(get("/api/v1/namespaces/x/pods/p"), "get pods");
        assert_eq!(get("/api/v1/namespaces/x/pods/p/log"), "get pods/log");
        assert_eq!(get("/api/v1/namespaces"), "list namespaces");
        assert_eq!(get("/api/v1/namespaces/x"), "get namespaces");
        assert_eq!(get("/api/v1/namespaces/x/status"), "get namespaces/status");
        assert_eq!(get("/apis/apps/v1/deployments?watch=true"), "watch deployments.apps");
        assert_eq!(get("/apis/apps/v1"), "list /apis/apps/v1".replace("list", "get"));
        assert_eq!(get("/version"), "get /version");
        assert_eq!(get("/api/v1/nodes/n"), "get nodes");
        let patch = |target: &str, apply| told(Method::PATCH, target, apply);
        let one = "/apis/apps/v1/namespaces/x/deployments/d";
        assert_eq!(patch(one, true), "apply deployments.apps");
        assert_eq!(
            patch(&format!("{one}?dryRun=All&force=true"), true),
            "apply deployments.apps dry"
        );
        assert_eq!(patch(&format!("{one}/status"), false), "patch deployments.apps/status");
        let delete = |target: &str| told(Method::DELETE, target, false);
        assert_eq!(delete("/api/v1/namespaces/x/pods/p"), "delete pods");
        assert_eq!(delete("/api/v1/namespaces/x/pods"), "deletecollection pods");
        assert_eq!(told(Method::POST, "/api/v1/namespaces/x/pods", false), "create pods");
        assert_eq!(told(Method::PUT, "/api/v1/namespaces/x/pods/p", false), "update pods");
    }
}
