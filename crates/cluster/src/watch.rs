//! A stream of what happens to the objects of one resource, which never loses a deletion.
//!
//! A watch lists first, then follows. When the stream breaks it goes on from the last version; when
//! the server no longer has that version (410) it lists again and reports the difference, so that
//! an object that went away in the gap is reported as deleted. A stream on which nothing arrives,
//! not even a bookmark, for [`WATCH_IDLE_SECONDS`] is taken for dead.
//!
//! A watch made by [`Client::watch_exact`] goes on from its last version only when the server
//! ended the stream in good order. After anything else it lists again, so that
//! [`WatchPosition::is_in_sync`] can say whether what was reported is what the cluster has.
//!
//! Memory: one small entry per object, its name and at most 64 bytes. Errors of the network and the
//! server are retried for ever with growing pauses and reported when they persist.

mod tracker;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::ClusterError;
use crate::list::{Freshness, ListOptions};
use crate::operations::{METADATA_ONLY, shaped};
use crate::request::{Call, JSON};
use crate::resource::Resource;
use crate::status::Status;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use objects::{Object, ObjectRef};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracker::Tracker;

/// A stream without any event or bookmark for this long is opened again (bookmarks come about
/// once in a minute).
pub const WATCH_IDLE_SECONDS: u64 = 150;
/// The server is asked to end a watch after a random time from here ...
pub const WATCH_TIMEOUT_MIN_SECONDS: u64 = 240;
/// ... to here, so that not all watches of all clients come back together.
pub const WATCH_TIMEOUT_MAX_SECONDS: u64 = 480;
/// A stream that is silent for this long is not trusted until it speaks again: a bookmark comes
/// at the latest after 75 seconds.
pub const WATCH_QUIET_SECONDS: u64 = 90;
/// No single event may be larger; the server's own limit for an object is about 1.5 MiB.
pub const WATCH_EVENT_BYTES_MAX: usize = 16 << 20;
/// After this many failures in a row the list is read again, and errors that may pass by
/// themselves are reported.
pub const WATCH_FAILURES_SILENT: u32 = 4;

/// Events that wait for the reader; a slow reader slows the stream down.
const EVENTS_BUFFERED: usize = 64;
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(30) };
/// A stream that ends sooner than this counts as a failure.
const STREAM_MIN_MILLISECONDS: u64 = 1_000;

/// Something happened.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent {
    /// An object that was not known.
    Added(Box<Object>),
    /// A known object in another version.
    Modified(Box<Object>),
    /// A known object is gone.
    Deleted(Box<Deletion>),
    /// Everything that existed has been reported; comes after every list.
    Synced,
}

/// An object that is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletion {
    /// Which.
    pub id: ObjectRef,
    /// Its UID.
    pub uid: String,
    /// Its last state; `None` when it went away while no watch was open.
    pub object: Option<Object>,
}

/// An open watch; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<Result<WatchEvent, ClusterError>>,
    task: tokio::task::JoinHandle<()>,
    position: WatchPosition,
}

/// How far a watch is; copies follow it.
#[derive(Debug, Clone)]
pub struct WatchPosition(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    /// Lists that were needed so far.
    needed: AtomicU64,
    /// Lists whose end the reader has taken.
    taken: AtomicU64,
    /// Milliseconds from `since` to the last bytes of the server.
    heard: AtomicU64,
    since: Instant,
}

impl WatchPosition {
    fn new() -> Self {
        Self(Arc::new(Progress {
            needed: AtomicU64::new(1),
            taken: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            since: Instant::now(),
        }))
    }

    /// Whether the reader has taken everything up to the last list, the stream after it was not
    /// cut, and the server spoke within [`WATCH_QUIET_SECONDS`]. True only for a watch made by
    /// [`Client::watch_exact`] means that nothing is missing but what is on its way right now.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        let quiet = self.0.now().saturating_sub(self.0.heard.load(Ordering::Acquire));
        self.is_listed() && quiet <= WATCH_QUIET_SECONDS * 1000
    }

    /// How many whole lists the reader has taken.
    #[must_use]
    pub fn lists_taken(&self) -> u64 {
        self.0.taken.load(Ordering::Acquire)
    }

    /// Whether the reader has taken a whole list and no other one has become necessary since.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        let needed = self.0.needed.load(Ordering::Acquire);
        self.0.taken.load(Ordering::Acquire) == needed
    }

    fn list_needed(&self) {
        self.0.needed.fetch_add(1, Ordering::AcqRel);
    }

    fn heard(&self) {
        self.0.heard.store(self.0.now(), Ordering::Release);
    }
}

impl Progress {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Client {
    /// Watches a resource. Must run inside a tokio runtime.
    #[must_use]
    pub fn watch(&self, resource: &Resource, options: ListOptions) -> Watch {
        self.begin_watch(resource, options, false)
    }

    /// As [`Client::watch`], for who decides by what was reported instead of asking: after a cut
    /// the objects are listed again, and [`Watch::position`] says when that is over.
    #[must_use]
    pub fn watch_exact(&self, resource: &Resource, options: ListOptions) -> Watch {
        self.begin_watch(resource, options, true)
    }

    fn begin_watch(&self, resource: &Resource, options: ListOptions, exact: bool) -> Watch {
        let (sender, events) = mpsc::channel(EVENTS_BUFFERED);
        let position = WatchPosition::new();
        let follower = Follower {
            client: self.clone(),
            tracker: Tracker::new(resource.clone()),
            resource: resource.clone(),
            options,
            sender,
            failures: 0,
            exact,
            position: position.clone(),
        };
        Watch { events, task: tokio::spawn(follower.run()), position }
    }
}

impl Watch {
    /// The next event. May be cancelled without losing one.
    ///
    /// # Errors
    /// What keeps the watch from going on. It is tried again all the same: call again to wait for
    /// better times, or drop the watch.
    pub async fn next(&mut self) -> Result<WatchEvent, ClusterError> {
        match self.events.recv().await {
            Some(event) => {
                if matches!(event, Ok(WatchEvent::Synced)) {
                    self.position.0.taken.fetch_add(1, Ordering::AcqRel);
                }
                event
            }
            None => Err(ClusterError::BadRequest {
                subject: "a watch".to_owned(),
                message: "its task ended with the runtime".to_owned(),
            }),
        }
    }

    /// How far it is, for others than its reader.
    #[must_use]
    pub fn position(&self) -> WatchPosition {
        self.position.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The reader is gone.
struct ReaderGone;

/// Why a stream ended.
enum End {
    /// The server ended it in good order: go on from the last version.
    Closed,
    /// It was cut or fell silent; going on from the last version misses nothing unless the server
    /// has another store now.
    Cut,
    /// The server no longer has the version.
    Gone,
    Failed(ClusterError),
}

struct Follower {
    client: Client,
    resource: Resource,
    options: ListOptions,
    tracker: Tracker,
    sender: mpsc::Sender<Result<WatchEvent, ClusterError>>,
    failures: u32,
    exact: bool,
    position: WatchPosition,
}

impl Follower {
    async fn run(mut self) {
        let mut version = None;
        // Ends when the reader is gone.
        while self.step(&mut version).await.is_ok() {}
    }

    /// One list or one stream. `version` is where the next stream begins; `None` asks for a list.
    async fn step(&mut self, version: &mut Option<String>) -> Result<(), ReaderGone> {
        let Some(from) = version.as_mut() else {
            match self.list().await? {
                Ok(listed) => *version = Some(listed),
                Err(error) => self.failed(error).await?,
            }
            return Ok(());
        };
        let opened = Instant::now();
        let end = self.follow(from).await?;
        let lost = match end {
            End::Closed => false,
            End::Cut => self.exact,
            End::Gone => true,
            // A version that keeps failing may be one of a restored or other store.
            End::Failed(_) => self.exact || self.failures >= WATCH_FAILURES_SILENT,
        };
        if lost {
            self.position.list_needed();
            *version = None;
        }
        self.client.metrics().watch_restarted();
        match end {
            End::Closed | End::Cut => {
                if opened.elapsed() >= Duration::from_millis(STREAM_MIN_MILLISECONDS) {
                    self.failures = 0;
                } else {
                    self.failures = self.failures.saturating_add(1);
                    self.pause().await;
                }
            }
            End::Gone => {}
            End::Failed(error) => self.failed(error).await?,
        }
        Ok(())
    }

    async fn failed(&mut self, error: ClusterError) -> Result<(), ReaderGone> {
        self.failures = self.failures.saturating_add(1);
        if !error.is_transient() || self.failures > WATCH_FAILURES_SILENT {
            self.report(Err(error)).await?;
        } else {
            tracing::debug!(resource = %self.resource.name(), %error, "the watch will go on");
        }
        self.pause().await;
        Ok(())
    }

    async fn pause(&self) {
        let fraction = self.client.inner.jitter.fraction();
        tokio::time::sleep(BACKOFF.pause(self.failures, fraction)).await;
    }

    async fn report(&self, event: Result<WatchEvent, ClusterError>) -> Result<(), ReaderGone> {
        self.sender.send(event).await.map_err(|_| ReaderGone)
    }

    async fn report_all(&self, events: Vec<WatchEvent>) -> Result<(), ReaderGone> {
        for event in events {
            self.report(Ok(event)).await?;
        }
        Ok(())
    }

    /// Reads the whole list and reports what differs from what is known.
    async fn list(&mut self) -> Result<Result<String, ClusterError>, ReaderGone> {
        let mut options = self.options.clone();
        if self.tracker.listed_before() {
            // An old list could report the deletion of what was just created.
            options.freshness = Freshness::Latest;
        }
        let mut pages = self.client.pages(&self.resource, options);
        let mut version = String::new();
        loop {
            match pages.next().await {
                Ok(Some(page)) => {
                    if page.first {
                        self.tracker.begin();
                    }
                    version = page.resource_version;
                    for object in page.objects {
                        let events = self.tracker.seen(object);
                        self.report_all(events).await?;
                    }
                }
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        self.position.heard();
        let deleted = self.tracker.end();
        self.report_all(deleted).await?;
        self.report(Ok(WatchEvent::Synced)).await?;
        Ok(Ok(version))
    }

    /// Opens one stream and reads it to its end; moves `version` along.
    async fn follow(&mut self, version: &mut String) -> Result<End, ReaderGone> {
        let call = match self.watch_call(version) {
            Ok(call) => call,
            Err(error) => return Ok(End::Failed(error)),
        };
        let mut body = match self.client.inner.open(&call).await {
            Ok(response) => response.into_body(),
            Err(ClusterError::Expired { .. }) => return Ok(End::Gone),
            Err(error) => return Ok(End::Failed(error)),
        };
        let mut lines = Lines::default();
        loop {
            let chunk = match next_chunk(&mut body).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(End::Closed),
                Err(Cut) => return Ok(End::Cut),
            };
            self.position.heard();
            lines.push(&chunk);
            while let Some(line) = lines.next() {
                if let Some(end) = self.event(&line, version, &call).await? {
                    return Ok(end);
                }
            }
            if lines.waiting() > WATCH_EVENT_BYTES_MAX {
                return Ok(End::Failed(ClusterError::TooLarge {
                    subject: call.about.subject,
                    message: format!("one event is over {} MiB", WATCH_EVENT_BYTES_MAX >> 20),
                }));
            }
        }
    }

    fn watch_call(&self, version: &str) -> Result<Call, ClusterError> {
        let namespace = self.options.namespace.as_str();
        let mut call =
            self.client.call("watch", Method::GET, &self.resource, namespace, "", None)?;
        call.accept = if self.options.metadata_only { METADATA_ONLY } else { JSON };
        let timeout = self.client.inner.jitter.between(
            Duration::from_secs(WATCH_TIMEOUT_MIN_SECONDS),
            Duration::from_secs(WATCH_TIMEOUT_MAX_SECONDS),
        );
        call.query = self.options.query();
        call.query.extend([
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("resourceVersion", version.to_owned()),
            ("timeoutSeconds", timeout.as_secs().to_string()),
        ]);
        Ok(call)
    }

    /// Handles one line of the stream; gives the end when it is the last.
    async fn event(
        &mut self,
        line: &[u8],
        version: &mut String,
        call: &Call,
    ) -> Result<Option<End>, ReaderGone> {
        let subject = &call.about.subject;
        let bad = |message: &str| {
            let message = message.to_owned();
            Some(End::Failed(ClusterError::BadAnswer { subject: subject.clone(), message }))
        };
        let Ok(entry) = serde_json::from_slice::<Line>(line) else {
            return Ok(bad("a watch event is not JSON"));
        };
        if entry.kind == "ERROR" {
            let body = serde_json::to_vec(&entry.object).unwrap_or_default();
            let status = Status::read(StatusCode::INTERNAL_SERVER_ERROR, &body);
            return Ok(Some(match status.into_error(&call.about, None) {
                ClusterError::Expired { .. } => End::Gone,
                error => End::Failed(error),
            }));
        }
        let object = match shaped(entry.object, &self.resource, subject) {
            Ok(object) => object,
            Err(error) => return Ok(Some(End::Failed(error))),
        };
        let Some(next) = object.resource_version().map(str::to_owned) else {
            return Ok(bad("a watch event has no resourceVersion"));
        };
        let events = match entry.kind.as_str() {
            "ADDED" | "MODIFIED" => self.tracker.seen(object),
            "DELETED" => self.tracker.removed(object),
            // Bookmarks, and whatever may come, only move the version.
            _ => Vec::new(),
        };
        self.report_all(events).await?;
        *version = next;
        self.failures = 0;
        Ok(None)
    }
}

/// A stream that did not end in good order.
struct Cut;

/// The next bytes; `None` when the server ended the stream.
async fn next_chunk(body: &mut Body) -> Result<Option<Vec<u8>>, Cut> {
    let idle = Duration::from_secs(WATCH_IDLE_SECONDS);
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| Cut)?;
        let Some(frame) = frame else { return Ok(None) };
        // Trailers carry nothing for us.
        if let Ok(data) = frame.map_err(|_| Cut)?.into_data() {
            return Ok(Some(data.to_vec()));
        }
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

/// Cuts bytes into lines without looking at any byte twice.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    searched: usize,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
    }

    /// The next whole line that is not empty.
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let unsearched = self.bytes.get(self.searched..)?;
            let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.bytes.len();
                return None;
            };
            let rest = self.bytes.split_off(self.searched + at + 1);
            let mut line = std::mem::replace(&mut self.bytes, rest);
            self.searched = 0;
            line.pop();
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    fn waiting(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
