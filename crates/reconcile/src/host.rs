//! Continuous delivery by a process on a host, from a file of GitSyncs.
//!
//! The file is read again when it changes; one that cannot be read changes nothing. What its
//! `AgentConfig` says is used at once, too: a GitSync whose cluster is another one begins there,
//! and an address or an audit file that cannot be used is named, and the one before is kept. A
//! process that is started again goes on where the status in the cluster says. What the file takes
//! for the generation of a GitSync is a digest of its spec, so that a changed line is another
//! generation.

use crate::ReconcileError;
use crate::audit::Audit;
use crate::engine::{CONCURRENCY, Engine, EngineOptions};
use crate::folders::{self, Folders};
use crate::home::host::HostHome;
use crate::numbers::Numbers;
use crate::webhook::WEBHOOK_BODY_BYTES_MAX;
use cluster::{ConnectOptions, Metrics, OPENMETRICS_CONTENT_TYPE};
use gitops::file::{AgentSpec, Config};
use gitops::spec::{GitSync, SyncKey, Tenancy, Valid};
use http::{Method, StatusCode};
use model::{SystemClock, chain};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::{Handler, Reply, Request};

/// The pause between tries to read what an earlier process left.
const READ_PAUSE: Duration = Duration::from_secs(2);

/// Delivers what `path` says until `stop` is cancelled; `config` is what it says now. Relative
/// paths of the file start from its folder.
///
/// # Errors
/// When its address or its audit file cannot be used; everything else is told in the log and in
/// the statuses, and tried again.
pub async fn run_host(
    path: PathBuf,
    config: Config,
    mut connect: ConnectOptions,
    cache: PathBuf,
    stop: CancellationToken,
) -> Result<(), ReconcileError> {
    let base = path.parent().map(PathBuf::from).unwrap_or_default();
    let audit = audit_of(&config.agent, &base)?;
    let metrics = Metrics::new();
    let numbers = Numbers::register(&metrics);
    connect.metrics = Some(metrics.clone());
    let agent = config.agent.clone();
    let home = Arc::new(HostHome::new(agent, base.clone(), connect, stop.clone()));
    let options = EngineOptions {
        concurrency: CONCURRENCY,
        cache,
        tenancy: Tenancy::Single,
        clock: Arc::new(SystemClock),
        audit: audit.clone(),
        shard: (0, 1),
    };
    let engine = Engine::new(home.clone(), options, numbers, stop.clone());
    let served = Arc::new(Served { metrics, engine: engine.clone() });
    let mut serving = Serving { served, stop: stop.clone(), now: None };
    let shown = match &config.agent.listen {
        Some(listen) => serving.begin(listen).await?.to_string(),
        None => String::new(),
    };
    let mut file = Watched {
        path,
        base,
        home,
        engine: engine.clone(),
        audit,
        serving,
        stop: stop.clone(),
        known: config,
        beginning: BTreeMap::new(),
    };
    for valid in file.known.syncs.clone() {
        file.begin(&valid);
    }
    tracing::info!(syncs = file.known.syncs.len(), address = shown, "started");
    tokio::select! {
        () = stop.cancelled() => {}
        () = file.follow() => stop.cancelled().await,
    }
    engine.ended().await;
    Ok(())
}

/// The file, and what it said last.
struct Watched {
    path: PathBuf,
    /// What relative paths start from.
    base: PathBuf,
    home: Arc<HostHome>,
    engine: Engine,
    audit: Audit,
    serving: Serving,
    stop: CancellationToken,
    known: Config,
    /// Ends the beginning of a GitSync whose status is not read yet.
    beginning: BTreeMap<SyncKey, CancellationToken>,
}

impl Watched {
    fn begin(&mut self, valid: &Valid) {
        let sync = numbered(GitSync::clone(valid.sync()));
        let (home, engine) = (self.home.clone(), self.engine.clone());
        let stop = self.stop.child_token();
        if let Some(other) = self.beginning.insert(valid.key(), stop.clone()) {
            other.cancel();
        }
        tokio::spawn(begin(home, engine, sync, stop));
    }

    /// Reads the file again whenever something in its folder changes, for ever.
    async fn follow(&mut self) {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_owned();
        let mut bytes = Vec::new();
        loop {
            match Folders::watch(std::slice::from_ref(&folder), folders::ANY) {
                Ok(folders) => {
                    // What changed before the watch began is seen by this reading.
                    self.look(&mut bytes).await;
                    folders.changed().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "the file is not watched; restart to read it again");
                    return;
                }
            }
        }
    }

    async fn look(&mut self, bytes: &mut Vec<u8>) {
        let Ok(now) = std::fs::read(&self.path) else { return };
        if now == *bytes {
            return;
        }
        *bytes = now;
        match gitops::file::read(&self.path.display().to_string(), bytes) {
            Ok(config) => self.change(config).await,
            Err(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let problems = all.join("; ");
                tracing::error!(problems, "the changed file is not used");
            }
        }
    }

    async fn change(&mut self, config: Config) {
        if config == self.known {
            return;
        }
        let before = std::mem::replace(&mut self.known, config);
        let agent = self.known.agent.clone();
        let is_other = |key: &SyncKey| agent.connection(key) != before.agent.connection(key);
        for valid in &before.syncs {
            let key = valid.key();
            if !self.known.syncs.iter().any(|other| other.key() == key) {
                tracing::info!(sync = %key, "it left the file; what it delivered stays");
                self.end(&key);
            } else if is_other(&key) {
                tracing::info!(sync = %key, "its cluster is another one; what it delivered stays");
                self.end(&key);
            }
        }
        // Only after that, so that nothing of the old clusters is written to new ones.
        if agent != before.agent {
            self.known.agent = self.change_agent(&before.agent, agent.clone()).await;
        }
        for valid in &self.known.syncs.clone() {
            let known = before.syncs.iter().find(|other| other.key() == valid.key());
            match known.filter(|_| !is_other(&valid.key())) {
                None => self.begin(valid),
                Some(other) if other != valid => {
                    tracing::info!(sync = %valid.key(), "its spec was changed");
                    if self.engine.0.look_up(&valid.key()).is_some() {
                        self.engine.set(numbered(GitSync::clone(valid.sync())));
                    } else {
                        self.begin(valid);
                    }
                }
                Some(_) => {}
            }
        }
    }
}

impl Watched {
    /// What was begun for a GitSync ends; what it delivered stays.
    fn end(&mut self, key: &SyncKey) {
        if let Some(begun) = self.beginning.remove(key) {
            begun.cancel();
        }
        self.engine.remove(key);
    }

    /// Uses another `AgentConfig`; gives what is in use then: a field that cannot be used keeps
    /// its value, and is named.
    async fn change_agent(&mut self, before: &AgentSpec, mut agent: AgentSpec) -> AgentSpec {
        if agent.audit_path != before.audit_path {
            match audit_of(&agent, &self.base) {
                Ok(audit) => self.audit.switch(audit),
                Err(error) => {
                    kept("auditPath", &error);
                    agent.audit_path.clone_from(&before.audit_path);
                }
            }
        }
        if agent.listen != before.listen {
            match self.serving.change(before.listen.as_deref(), agent.listen.as_deref()).await {
                Ok(Some(address)) => tracing::info!(%address, "served at another address"),
                Ok(None) => tracing::info!("nothing is served any more"),
                Err(error) => {
                    kept("listen", &error);
                    agent.listen.clone_from(&before.listen);
                }
            }
        }
        self.home.change(agent.clone());
        tracing::info!("the changed AgentConfig is used");
        agent
    }
}

fn kept(field: &str, error: &ReconcileError) {
    let error = chain(error);
    tracing::error!(
        field,
        error,
        "a changed field of AgentConfig cannot be used; it stays as it was"
    );
}

/// Where audit lines go.
fn audit_of(agent: &AgentSpec, base: &Path) -> Result<Audit, ReconcileError> {
    match &agent.audit_path {
        Some(path) => Audit::file(&base.join(path)),
        None => Ok(Audit::nowhere()),
    }
}

/// The server, at the address that the file names now.
struct Serving {
    served: Arc<Served>,
    stop: CancellationToken,
    now: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Serving {
    async fn begin(&mut self, listen: &str) -> Result<SocketAddr, ReconcileError> {
        let address: SocketAddr = listen.parse().map_err(|_| {
            ReconcileError::Listen(wire::WireError::Address { shown: listen.to_owned() })
        })?;
        let listener = wire::listen(address).await.map_err(ReconcileError::Listen)?;
        let address = listener.local_addr().unwrap_or(address);
        let end = self.stop.child_token();
        self.end().await;
        let task = tokio::spawn(wire::serve(listener, self.served.clone(), end.clone()));
        self.now = Some((end, task));
        Ok(address)
    }

    async fn end(&mut self) {
        let Some((end, task)) = self.now.take() else { return };
        end.cancel();
        // It ended in whichever way.
        let _ = task.await;
    }

    /// Serves at `listen` instead of `before`, which is kept when that cannot be.
    async fn change(
        &mut self,
        before: Option<&str>,
        listen: Option<&str>,
    ) -> Result<Option<SocketAddr>, ReconcileError> {
        let Some(listen) = listen else {
            self.end().await;
            return Ok(None);
        };
        if let Ok(address) = self.begin(listen).await {
            return Ok(Some(address));
        }
        // The one before may be in the way, as with the same port on all addresses.
        self.end().await;
        match (self.begin(listen).await, before) {
            (Ok(address), _) => Ok(Some(address)),
            (Err(error), Some(before)) => {
                self.begin(before).await?;
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }
}

/// Begins with the status that an earlier process left, as soon as it can be read.
async fn begin(home: Arc<HostHome>, engine: Engine, mut sync: GitSync, stop: CancellationToken) {
    let key = sync.key();
    loop {
        let read = tokio::select! {
            () = stop.cancelled() => return,
            read = home.read_status(&key) => read,
        };
        match read {
            Ok(status) => {
                sync.status = status;
                engine.set(sync);
                return;
            }
            Err(error) => {
                tracing::warn!(sync = %key, error = chain(&error), "its cluster does not answer");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(READ_PAUSE) => {}
        }
    }
}

/// A GitSync of a file with a generation.
fn numbered(mut sync: GitSync) -> GitSync {
    let text = serde_json::to_string(&sync.spec).unwrap_or_default();
    let digest = Sha256::digest(text);
    let number = digest.iter().take(7).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte));
    sync.metadata.generation = Some(number);
    sync
}

/// What is served on a host.
struct Served {
    metrics: Metrics,
    engine: Engine,
}

impl Handler for Served {
    fn body_bytes_max(&self, method: &Method, path: &str) -> usize {
        if method == Method::POST && Engine::is_webhook(path) { WEBHOOK_BODY_BYTES_MAX } else { 0 }
    }

    fn answer(&self, request: &Request) -> Reply {
        if Engine::is_webhook(&request.path) {
            return self.engine.webhook(request);
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match request.path.as_str() {
            "/metrics" => Reply {
                content_type: OPENMETRICS_CONTENT_TYPE,
                ..Reply::text(StatusCode::OK, self.metrics.render())
            },
            "/healthz" | "/readyz" => Reply::text(StatusCode::OK, "ok\n"),
            _ => Reply::text(StatusCode::NOT_FOUND, "known: /metrics /healthz /readyz /webhook\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_another_generation_and_the_same_file_the_same() {
        let one = numbered(GitSync::default());
        let mut changed = GitSync::default();
        changed.spec.suspend = true;
        assert_eq!(one.metadata.generation, numbered(GitSync::default()).metadata.generation);
        assert_ne!(one.metadata.generation, numbered(changed).metadata.generation);
    }
}
