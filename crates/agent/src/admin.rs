//! The thread that answers: metrics and probes for everybody who may reach the address, status
//! and tap for the owner of the socket, signals, and the config file's changes.
//!
//! `/healthz`: the reader answers questions. `/readyz`: it reads, and no sink has left a batch
//! untaken, or not answered while something waits for it, for longer than [`READY_GRACE`]. A
//! restart helps with neither, so it is no matter of health. Log lines are only served over the
//! socket, which its owner alone may use: metrics and probes hold no content.

mod status;

use crate::AgentError;
use crate::config::Config;
use crate::numbers::SinkNumbers;
use crate::options::RunOptions;
use crate::reader::Control;
use crate::run::reload::Running;
use crate::run::{SOCKET, Shared};
use crate::tap::{Stage, Wish};
use host::changes::Changes;
use http::{Method, StatusCode};
use model::Build;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::{Handler, Reply, Request};

/// How long a sink may fail, or leave a batch without any answer (a write that never returns),
/// before the agent says that it is not ready.
pub(crate) const READY_GRACE: Duration = Duration::from_secs(60);
/// How often the config file is looked at while the kernel tells of no change.
pub(crate) const CONFIG_LOOK: Duration = Duration::from_secs(2);
/// The same while it does: some file systems change without a word.
const CONFIG_LOOK_WATCHED: Duration = Duration::from_secs(60);
/// Signals within this time are one reload.
const SETTLE: Duration = Duration::from_millis(100);
/// The media type of `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The thread.
pub(crate) struct Admin {
    handle: tokio::runtime::Handle,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
    ready: Arc<AtomicBool>,
    running: Arc<Mutex<Running>>,
    closed_output: CancellationToken,
    socket: PathBuf,
}

impl Admin {
    /// Opens address and socket and starts to answer.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn start(
        config: &Config,
        options: &RunOptions,
        shared: Shared,
        build: Build,
        closed_output: CancellationToken,
    ) -> Result<Self, AgentError> {
        let failed = |source| AgentError::Start { what: "the runtime", source };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let ready = Arc::new(AtomicBool::new(false));
        let served = Arc::new(Served {
            shared: shared.clone(),
            ready: ready.clone(),
            build,
            config: options.place.config.clone(),
            state_dir: config.state_dir.clone(),
            started: Instant::now(),
        });
        let shutdown = CancellationToken::new();
        let socket = config.state_dir.join(SOCKET);
        let (options, config_in_use) = (options.clone(), config.clone());
        let (path, control) = (options.place.config.clone(), shared.control.clone());
        let running = Running { options, config: config_in_use, shared, spawner: None };
        let running = Arc::new(Mutex::new(running));
        let tasks = Tasks {
            running: running.clone(),
            path,
            control,
            shutdown: shutdown.clone(),
            closed_output: closed_output.clone(),
        };
        {
            let _inside = runtime.enter();
            let local = wire::listen_local(&socket).map_err(AgentError::Listen)?;
            let private = Arc::new(Private(served.clone()));
            runtime.spawn(wire::serve_local(local, private, shutdown.clone()));
            if let Some(address) = config.listen {
                let listener =
                    runtime.block_on(wire::listen(address)).map_err(AgentError::Listen)?;
                if let Ok(address) = listener.local_addr() {
                    tracing::info!(%address, "metrics and probes");
                }
                runtime.spawn(wire::serve(listener, served, shutdown.clone()));
            }
            tasks.spawn().map_err(failed)?;
        }
        let handle = runtime.handle().clone();
        let wait = shutdown.clone();
        let thread = std::thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || {
                runtime.block_on(wait.cancelled());
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        let thread = Some(thread);
        Ok(Self { handle, shutdown, thread, ready, running, closed_output, socket })
    }

    /// For watches of pods.
    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.handle.clone()
    }

    /// Cancelled when standard output is closed on the other side.
    pub(crate) fn closed_output(&self) -> CancellationToken {
        self.closed_output.clone()
    }

    /// What runs, and how it is changed.
    pub(crate) fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reading begins.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Ends.
    pub(crate) fn end(mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Signals and the config file.
struct Tasks {
    running: Arc<Mutex<Running>>,
    /// The config file.
    path: Option<PathBuf>,
    control: Arc<Control>,
    shutdown: CancellationToken,
    closed_output: CancellationToken,
}

impl Tasks {
    fn spawn(self) -> std::io::Result<()> {
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind)?;
            let control = self.control.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    tracing::info!("stopping: what was read is delivered; a second signal ends it");
                    control.stop();
                }
            });
        }
        let (control, closed) = (self.control.clone(), self.closed_output.clone());
        tokio::spawn(async move {
            closed.cancelled().await;
            // Nobody reads what we write: a second stop does not wait for it.
            control.stop();
            control.stop();
        });
        let hangups = signal(SignalKind::hangup())?;
        tokio::spawn(self.reload(hangups));
        Ok(())
    }

    async fn reload(self, mut hangups: Signal) {
        let path = self.path;
        let mut seen = path.as_deref().map(stamp);
        let mut watch = path.as_deref().and_then(watch);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                asked = hangups.recv() => {
                    if asked.is_none() {
                        return;
                    }
                    // A hundred signals are one reload, after the last of them.
                    loop {
                        let more = tokio::time::timeout(SETTLE, hangups.recv()).await;
                        if !matches!(more, Ok(Some(()))) {
                            break;
                        }
                    }
                    seen = path.as_deref().map(stamp);
                }
                () = changed(&mut watch) => {
                    // What replaces a file does it in several steps.
                    tokio::time::sleep(SETTLE).await;
                    if watch.is_none() {
                        watch = path.as_deref().and_then(self::watch);
                    }
                    let now = path.as_deref().map(stamp);
                    if now == seen {
                        continue;
                    }
                    seen = now;
                    tracing::info!("the config file has changed");
                }
            }
            while !self.running.lock().unwrap_or_else(PoisonError::into_inner).reload() {
                tokio::time::sleep(SETTLE).await;
            }
        }
    }
}

/// Tells when the config file may have changed; none when the kernel gives no watch. It ends when
/// the file's folder is gone.
fn watch(path: &Path) -> Option<mpsc::Receiver<()>> {
    let changes = Changes::of(path);
    let mut changes = changes
        .inspect_err(|error| tracing::debug!(%error, "no watch over the config file"))
        .ok()?;
    let (sender, receiver) = mpsc::channel(1);
    let run = move || {
        while let Ok(()) = changes.wait() {
            // One that waits to be taken says the same.
            if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
                return;
            }
        }
    };
    // It sleeps until something happens, and ends with the process.
    std::thread::Builder::new().name("config".to_owned()).spawn(run).ok()?;
    Some(receiver)
}

/// Ends when the file may have changed, or it is time to look again.
async fn changed(watch: &mut Option<mpsc::Receiver<()>>) {
    let Some(changes) = watch else { return tokio::time::sleep(CONFIG_LOOK).await };
    if let Ok(None) = tokio::time::timeout(CONFIG_LOOK_WATCHED, changes.recv()).await {
        *watch = None;
    }
}

type Stamp = Option<(u64, i64, i64, u64)>;

/// What a file looks like; one behind a link that was pointed elsewhere looks different.
fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}

/// What is served.
struct Served {
    shared: Shared,
    ready: Arc<AtomicBool>,
    build: Build,
    config: Option<PathBuf>,
    state_dir: PathBuf,
    started: Instant,
}

impl Served {
    fn public(&self, path: &str) -> Option<Reply> {
        Some(match path {
            "/metrics" => {
                self.shared.control.ask();
                let (files, _) = self.shared.control.files();
                let (version, commit) = (self.build.version, self.build.commit);
                let text = self.shared.numbers.render(version, commit, &files);
                Reply { content_type: OPENMETRICS, ..Reply::text(StatusCode::OK, text) }
            }
            "/healthz" if self.shared.control.is_well() => Reply::text(StatusCode::OK, "ok\n"),
            "/healthz" => {
                Reply::text(StatusCode::SERVICE_UNAVAILABLE, "the reader does not answer\n")
            }
            "/readyz" => match self.not_ready() {
                None => Reply::text(StatusCode::OK, "ok\n"),
                Some(reason) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            _ => return None,
        })
    }

    /// Why the agent is not ready.
    fn not_ready(&self) -> Option<String> {
        if !self.ready.load(Ordering::Acquire) {
            return Some("starting\n".to_owned());
        }
        if self.shared.control.stopped() {
            return Some("stopping\n".to_owned());
        }
        let mut text = String::new();
        for sink in self.shared.numbers.sinks() {
            if let Some((what, time)) = not_taking(&sink, Instant::now()) {
                let (name, seconds) = (&sink.name, time.as_secs());
                text.push_str(&format!("sink {name} has {what} for {seconds} s\n"));
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// What a sink does for how long, when it is too long.
fn not_taking(sink: &SinkNumbers, now: Instant) -> Option<(&'static str, Duration)> {
    let failing = sink.failing().map(|(since, _)| now.saturating_duration_since(since));
    let failing = failing.map(|time| ("not taken a batch", time));
    let silent = sink.silent(now).map(|time| ("not answered", time));
    [failing, silent].into_iter().flatten().find(|(_, time)| *time >= READY_GRACE)
}

fn is_reading(request: &Request) -> bool {
    request.method == Method::GET || request.method == Method::HEAD
}

impl Handler for Served {
    fn body_bytes_max(&self, _: &Method, _: &str) -> usize {
        0
    }

    fn answer(&self, request: &Request) -> Reply {
        if !is_reading(request) {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        self.public(&request.path).unwrap_or_else(|| {
            Reply::text(StatusCode::NOT_FOUND, "known: /metrics /healthz /readyz\n")
        })
    }
}

/// What is served over the socket: also content.
struct Private(Arc<Served>);

impl Handler for Private {
    fn body_bytes_max(&self, _: &Method, _: &str) -> usize {
        0
    }

    fn answer(&self, request: &Request) -> Reply {
        if !is_reading(request) {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match request.path.as_str() {
            "/status" => {
                self.0.shared.control.ask();
                let text = status::render(&self.0).to_string();
                Reply { content_type: "application/json", ..Reply::text(StatusCode::OK, text) }
            }
            "/tap" => self.tap(&request.query),
            path => self.0.public(path).unwrap_or_else(|| {
                let known = "known: /status /tap /metrics /healthz /readyz\n";
                Reply::text(StatusCode::NOT_FOUND, known)
            }),
        }
    }
}

impl Private {
    fn tap(&self, query: &str) -> Reply {
        let value = |name: &str| {
            query.split('&').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then(|| unescaped(value))
            })
        };
        let stage = value("stage").and_then(|name| Stage::named(&name));
        let id = value("session").and_then(|text| text.parse().ok());
        let (Some(stage), Some(id)) = (stage, id) else {
            return Reply::text(StatusCode::BAD_REQUEST, "needs session and stage\n");
        };
        let wish = Wish { stage, file: value("file"), pod: value("pod") };
        match self.0.shared.tap.poll(id, wish, Instant::now()) {
            Some(text) => {
                Reply { content_type: "application/jsonl", ..Reply::text(StatusCode::OK, text) }
            }
            None => Reply::text(StatusCode::TOO_MANY_REQUESTS, "too many sessions\n"),
        }
    }
}

/// A value of a query; what is not UTF-8 is replaced.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let pair = (byte == b'%').then(|| {
            let mut ahead = rest.clone();
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            Some((digit(ahead.next())? * 16 + digit(ahead.next())?, ahead))
        });
        match pair.flatten() {
            Some((value, ahead)) => {
                bytes.push(value as u8);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Failing;

    #[test]
    fn a_sink_that_fails_or_does_not_answer_for_as_long_as_that_is_not_ready() {
        let (sink, second) = (SinkNumbers::new("s"), Duration::from_secs(1));
        let what = |then| not_taking(&sink, then).map(|(what, _)| what);
        let soon = Instant::now() + READY_GRACE - second;
        assert_eq!(what(soon + 2 * second), None);
        sink.asked();
        assert_eq!((what(soon), what(soon + 2 * second)), (None, Some("not answered")));
        sink.failed(Failing::Refusals, "no");
        assert_eq!((what(soon), what(soon + 2 * second)), (None, Some("not taken a batch")));
        sink.answered();
        sink.succeeded(Failing::Refusals, true);
        assert_eq!(what(soon + 2 * second), None);
    }

    #[test]
    fn a_query_is_read_whatever_it_is() {
        for (text, plain) in
            [("a%2fb", "a/b"), ("%", "%"), ("%zz%4", "%zz%4"), ("%c3%a4", "ä"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(unescaped(text), plain);
        }
    }
}
