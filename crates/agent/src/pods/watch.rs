//! List, then watch, then list again when the watch cannot go on.
//!
//! Whatever ends at once, well or not, is followed by a pause. Pauses grow until there is an event
//! or a watch that lasted: a server that lists but does not watch is not asked all the time.

use super::parse::{EventBody, ListBody, Wanted};
use super::{EVENT_BYTES_MAX, LIST_BYTES_MAX, Table};
use crate::config::Kubernetes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method};
use pipeline::batch::{Backoff, BackoffPolicy};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use wire::{Body, Channel, ChannelOptions, Message, TlsFiles, WireError};

/// The server ends a watch after this time, and it is begun again where it stood.
pub(crate) const WATCH_SECONDS: u64 = 300;
/// How long a watch may say nothing: until a while after the server should have ended it, and when
/// the server sends bookmarks for it, which it then does each minute, until two are missing.
const SILENCES: (Duration, Duration) =
    (Duration::from_secs(WATCH_SECONDS + WATCH_SECONDS / 2), Duration::from_secs(150));
/// The first pause after what failed or ended at once.
pub(crate) const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause in a row; a watch of this length has lasted.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Where to ask, and for what.
#[derive(Debug, Clone)]
pub(crate) struct WatchOptions {
    pub(crate) address: String,
    pub(crate) node: String,
    pub(crate) token_file: PathBuf,
    pub(crate) ca_file: PathBuf,
    pub(crate) wanted: Wanted,
    /// The first and the longest pause in a row.
    pub(crate) pauses: (Duration, Duration),
    /// How long a watch may say nothing, without bookmarks and with them.
    pub(crate) silences: (Duration, Duration),
}

impl WatchOptions {
    /// From the config and the variables of a Pod.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn new(
        config: &Kubernetes,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let node = config.node_name.clone().or_else(|| variable("NODE_NAME"));
        let node = node.ok_or(
            "the name of this node is not known: set NODE_NAME from spec.nodeName, or `node_name`",
        )?;
        let of_pod = || {
            let host = variable("KUBERNETES_SERVICE_HOST")?;
            let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            Some(format!("https://{host}:{port}"))
        };
        let address = config.api_server.clone().or_else(of_pod);
        let address = address.ok_or("not in a Pod, and `api_server` is not set")?;
        let wanted =
            Wanted { labels: config.labels.clone(), annotations: config.annotations.clone() };
        let (token_file, ca_file) = (config.token_file.clone(), config.ca_file.clone());
        let pauses = (PAUSE_FIRST, PAUSE_MAX);
        Ok(Self { address, node, token_file, ca_file, wanted, pauses, silences: SILENCES })
    }
}

impl WatchOptions {
    /// Whether it asks without TLS.
    fn is_plain(&self) -> bool {
        self.address.starts_with("http:")
    }
}

/// Why the pods cannot be followed.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("cannot use the token in {}: {reason}", path.display())]
    Token { path: PathBuf, reason: String },
}

/// Why a round ended.
enum Ended {
    /// The version is too old: list again.
    Expired,
    /// The server ended the watch in good order; it goes on from here.
    Timeout(String),
}

/// Keeps the table equal to the pods of the node until `stop`.
pub(crate) async fn run(options: WatchOptions, table: Arc<Table>, stop: CancellationToken) {
    let mut pace = Pace::new(&options);
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow(&options, &table, &mut pace) => {}
    }
}

/// Where a watch stands.
struct Place {
    version: String,
    /// A server that says nothing for so long is gone.
    silence: Duration,
}

/// What is known of the rounds before.
struct Pace {
    backoff: Backoff,
    random: u64,
    /// The version expired, and there was no list since.
    expired: bool,
}

impl Pace {
    fn new(options: &WatchOptions) -> Self {
        let (first, max) = options.pauses;
        let backoff = Backoff::new(BackoffPolicy { first, max });
        Self { backoff, random: crate::run::seed(&options.node), expired: false }
    }

    async fn pause(&mut self) {
        self.random = pipeline::hash::mix(self.random, 1);
        tokio::time::sleep(self.backoff.after_failure(None, self.random)).await;
    }
}

async fn follow(options: &WatchOptions, table: &Table, pace: &mut Pace) {
    loop {
        if let Err(error) = round(options, table, pace).await {
            table.numbers().failures.fetch_add(1, Ordering::Relaxed);
            table.set_failing(Some(error.to_string()));
            if table.is_synced() {
                tracing::warn!(%error, "cannot follow the pods of this node; records go without what is new of them");
            } else {
                tracing::warn!(%error, "cannot list the pods of this node; records go without what the API knows of them");
            }
        }
        pace.pause().await;
    }
}

/// One list and the watches that follow it; well when the version expired.
async fn round(options: &WatchOptions, table: &Table, pace: &mut Pace) -> Result<(), WatchError> {
    let channel = Channel::new(ChannelOptions {
        tls: TlsFiles { ca: Some(options.ca_file.clone()), ..TlsFiles::default() },
        answer_bytes_max: LIST_BYTES_MAX,
        ..ChannelOptions::to(options.address.clone())
    })?;
    let mut version = list(&channel, options, table, pace.expired).await?;
    pace.expired = false;
    loop {
        let begun = Instant::now();
        let ended = watch(&channel, options, table, &version, &mut pace.backoff).await;
        let lasted = begun.elapsed() >= options.pauses.1;
        if lasted {
            pace.backoff.succeeded();
        }
        match ended? {
            Ended::Timeout(next) => version = next,
            Ended::Expired => {
                pace.expired = true;
                return Ok(());
            }
        }
        if !lasted {
            pace.pause().await;
        }
    }
}

async fn list(
    channel: &Channel,
    options: &WatchOptions,
    table: &Table,
    expired: bool,
) -> Result<String, WatchError> {
    // Version 0 is answered from the server's memory, which knows pods by their node, but may give
    // the version again that has just expired. None is the most recent.
    let version = if expired { "" } else { "&resourceVersion=0" };
    let path = format!("/api/v1/pods?{}{version}", selector(&options.node));
    let received = channel.exchange(message(channel, options, path)?).await?;
    if received.status != 200 || received.cut {
        let shown = format!("{}/api/v1/pods", channel.shown());
        let error = if received.cut {
            WireError::TooLarge { shown, limit: LIST_BYTES_MAX }
        } else {
            WireError::Status { shown, status: received.status, after: None }
        };
        return Err(error.into());
    }
    let body: ListBody = serde_json::from_slice(&received.body)
        .map_err(|error| garbage(channel, &format!("no list of pods: {error}")))?;
    let pods = body.items.into_iter().filter_map(|pod| pod.kept(&options.wanted)).collect();
    table.replace(pods);
    table.set_failing(None);
    table.numbers().lists.fetch_add(1, Ordering::Relaxed);
    Ok(body.metadata.resource_version)
}

async fn watch(
    channel: &Channel,
    options: &WatchOptions,
    table: &Table,
    version: &str,
    backoff: &mut Backoff,
) -> Result<Ended, WatchError> {
    let path = format!(
        "/api/v1/pods?{}&watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}\
         &resourceVersion={version}",
        selector(&options.node)
    );
    let mut stream = channel.open(message(channel, options, path)?).await?;
    match stream.status {
        200 => {}
        410 => return Ok(Ended::Expired),
        status => {
            let shown = format!("{}/api/v1/pods", channel.shown());
            return Err(WireError::Status { shown, status, after: None }.into());
        }
    }
    let mut place = Place { version: version.to_owned(), silence: options.silences.0 };
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let next = tokio::time::timeout(place.silence, stream.next()).await.map_err(|_| {
            WireError::TimedOut { shown: channel.shown().to_owned(), after: place.silence }
        })?;
        let Some(bytes) = next? else { return Ok(Ended::Timeout(place.version)) };
        pending.extend_from_slice(&bytes);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            if !event(channel, options, table, &line, &mut place)? {
                return Ok(Ended::Expired);
            }
            backoff.succeeded();
        }
        if pending.len() > EVENT_BYTES_MAX {
            let shown = channel.shown().to_owned();
            return Err(WireError::TooLarge { shown, limit: EVENT_BYTES_MAX }.into());
        }
    }
}

/// Takes one event; false when the watch cannot go on.
fn event(
    channel: &Channel,
    options: &WatchOptions,
    table: &Table,
    line: &[u8],
    place: &mut Place,
) -> Result<bool, WireError> {
    if line.trim_ascii().is_empty() {
        return Ok(true);
    }
    let event: EventBody = serde_json::from_slice(line)
        .map_err(|error| garbage(channel, &format!("no event: {error}")))?;
    table.numbers().events.fetch_add(1, Ordering::Relaxed);
    if event.kind == "ERROR" {
        return match event.object.code {
            Some(410) => Ok(false),
            code => Err(garbage(channel, &format!("error {}", code.unwrap_or_default()))),
        };
    }
    if !event.object.metadata.resource_version.is_empty() {
        place.version.clone_from(&event.object.metadata.resource_version);
    }
    match (event.kind.as_str(), event.object.kept(&options.wanted)) {
        ("ADDED" | "MODIFIED", Some(pod)) => table.put(pod),
        ("DELETED", Some(pod)) => table.delete(&pod.folder),
        // The next ones follow, whether there is an event or not.
        ("BOOKMARK", _) => place.silence = options.silences.1,
        _ => {}
    }
    Ok(true)
}

fn garbage(channel: &Channel, reason: &str) -> WireError {
    WireError::Unreachable { shown: channel.shown().to_owned(), reason: reason.to_owned() }
}

/// `spec.nodeName=NODE` as part of a query.
fn selector(node: &str) -> String {
    let mut text = String::from("fieldSelector=spec.nodeName%3D");
    for byte in node.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn message(channel: &Channel, options: &WatchOptions, path: String) -> Result<Message, WatchError> {
    let mut headers = vec![(ACCEPT, HeaderValue::from_static("application/json"))];
    if let Some(token) = token(options)? {
        if channel.is_open_line() {
            let (host, shown) = (options.address.clone(), channel.shown().to_owned());
            return Err(WireError::Credential { host, shown }.into());
        }
        headers.push((AUTHORIZATION, token));
    }
    Ok(Message { method: Method::GET, path, headers, body: Body::default() })
}

/// The token as a header; none without TLS, when there is none (behind `kubectl proxy`).
fn token(options: &WatchOptions) -> Result<Option<HeaderValue>, WatchError> {
    let path = &options.token_file;
    let wrong = |reason: String| WatchError::Token { path: path.clone(), reason };
    // The kubelet replaces the token every hour or so: it is read for each request.
    let token = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && options.is_plain() => return Ok(None),
        read => read.map_err(|error| wrong(error.to_string()))?,
    };
    if token.len() > TOKEN_BYTES_MAX {
        return Err(wrong(format!("it is larger than {TOKEN_BYTES_MAX} bytes")));
    }
    let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut value = value.map_err(|_| wrong("it is no token".to_owned()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
