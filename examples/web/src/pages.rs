//! What each path answers.

use crate::http::{Request, Response};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// `/slow` waits no longer than this.
pub(crate) const SLOW_MILLIS_MAX: u64 = 60_000;
/// `/slow` without `ms=`.
const SLOW_MILLIS: u64 = 1_000;
/// No more of the mounted file is shown.
const NOTE_BYTES_MAX: u64 = 4 * 1024;
/// The greeting when `GREETING` is not set.
const GREETING: &str = "Hello";
/// Where the demo mounts its ConfigMap, unless `NOTE_FILE` says otherwise.
const NOTE_FILE: &str = "/etc/web/note";

/// The pages and what they show.
pub(crate) struct Pages {
    greeting: String,
    /// Read on every request, so that a changed ConfigMap shows without a restart.
    note_file: PathBuf,
    pod: String,
    counts: Mutex<BTreeMap<u16, u64>>,
}

impl Pages {
    pub(crate) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let pod = variable("POD_NAME").or_else(|| variable("HOSTNAME"));
        Self::new(
            variable("GREETING").unwrap_or_else(|| GREETING.to_owned()),
            variable("NOTE_FILE").unwrap_or_else(|| NOTE_FILE.to_owned()).into(),
            pod.unwrap_or_else(|| "unknown".to_owned()),
        )
    }

    pub(crate) fn new(greeting: String, note_file: PathBuf, pod: String) -> Self {
        Self { greeting, note_file, pod, counts: Mutex::default() }
    }

    /// The answer to one request.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Response::text(405, "only GET and HEAD\n");
        }
        match request.path.as_str() {
            "/" => self.front(),
            "/healthz" => Response::text(200, "ok\n"),
            "/slow" => slow(&request.query),
            "/error" => Response::text(500, "this page always fails\n"),
            "/metrics" => self.metrics(),
            _ => Response::text(404, "no such page\n"),
        }
    }

    /// Counts a response for `/metrics`.
    pub(crate) fn count(&self, status: u16) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(status).or_default() += 1;
    }

    fn front(&self) -> Response {
        let version = env!("CARGO_PKG_VERSION");
        let mut body = format!("{}\npod: {}\nversion: {version}\n", self.greeting, self.pod);
        if let Some(note) = self.note() {
            body.push_str(&format!("note: {}\n", note.trim()));
        }
        Response::text(200, body)
    }

    fn note(&self) -> Option<String> {
        let file = std::fs::File::open(&self.note_file).ok()?;
        let mut note = Vec::new();
        file.take(NOTE_BYTES_MAX).read_to_end(&mut note).ok()?;
        Some(String::from_utf8_lossy(&note).into_owned())
    }

    fn metrics(&self) -> Response {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut body =
            "# TYPE web_requests counter\n# HELP web_requests Answered requests.\n".to_owned();
        for (status, count) in counts.iter() {
            body.push_str(&format!("web_requests_total{{code=\"{status}\"}} {count}\n"));
        }
        body.push_str("# EOF\n");
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Response { status: 200, content_type, body }
    }
}

/// Waits as long as the query says, then answers.
fn slow(query: &str) -> Response {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("ms="));
    let millis = match asked.map(str::parse) {
        None => SLOW_MILLIS,
        Some(Ok(millis)) if millis <= SLOW_MILLIS_MAX => millis,
        Some(_) => {
            return Response::text(400, format!("ms must be a number up to {SLOW_MILLIS_MAX}\n"));
        }
    };
    // Nobody sends: the wait is the work this page stands for.
    let (_sender, receiver) = mpsc::channel::<()>();
    let _ = receiver.recv_timeout(Duration::from_millis(millis));
    Response::text(200, format!("waited {millis} ms\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, query: &str) -> Response {
        let request = Request {
            method: "GET".into(),
            path: path.into(),
            query: query.into(),
            keep_alive: true,
        };
        let pages = Pages::new("Ahoy".into(), "/nonexistent".into(), "web-1".into());
        pages.count(200);
        pages.answer(&request)
    }

    #[test]
    fn every_page_answers_with_its_status() {
        assert!(get("/", "").body.starts_with("Ahoy\npod: web-1\nversion: "));
        assert_eq!(get("/healthz", "").status, 200);
        assert_eq!(get("/error", "").status, 500);
        assert_eq!(get("/nowhere", "").status, 404);
        assert!(get("/metrics", "").body.contains("web_requests_total{code=\"200\"} 1"));
    }

    #[test]
    fn the_bound_of_the_slow_page_is_exact() {
        assert_eq!(get("/slow", "ms=1").body, "waited 1 ms\n");
        assert_eq!(get("/slow", "ms=60001").status, 400);
        assert_eq!(get("/slow", "ms=-1").status, 400);
    }
}
