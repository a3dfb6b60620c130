//! Continuous delivery by a process on a host, from a file of GitSyncs.
//!
//! The file is read once; a process that is started again goes on where the status in the cluster
//! says. What the file takes for the generation of a GitSync is a digest of its spec, so that a
//! changed line is another generation.

use crate::ReconcileError;
use crate::audit::Audit;
use crate::engine::{CONCURRENCY, Engine, EngineOptions};
use crate::home::host::HostHome;
use crate::numbers::Numbers;
use crate::syncer::chain;
use crate::webhook::WEBHOOK_BODY_BYTES_MAX;
use cluster::{ConnectOptions, Metrics, OPENMETRICS_CONTENT_TYPE};
use gitops::file::Config;
use gitops::spec::{GitSync, Tenancy};
use http::{Method, StatusCode};
use model::SystemClock;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::{Handler, Reply, Request};

/// The pause between tries to read what an earlier process left.
const READ_PAUSE: Duration = Duration::from_secs(2);

/// Delivers until `stop` is cancelled. Relative paths of the file start from `base`.
///
/// # Errors
/// When its address or its audit file cannot be used; everything else is told in the log and in
/// the statuses, and tried again.
pub async fn run_host(
    config: Config,
    base: PathBuf,
    connect: ConnectOptions,
    cache: PathBuf,
    stop: CancellationToken,
) -> Result<(), ReconcileError> {
    let audit = match &config.agent.audit_path {
        Some(path) => Audit::file(&base.join(path))?,
        None => Audit::nowhere(),
    };
    let metrics = Metrics::new();
    let numbers = Numbers::register(&metrics);
    let home = Arc::new(HostHome::new(config.agent.clone(), base, connect, stop.clone()));
    let options = EngineOptions {
        concurrency: CONCURRENCY,
        cache,
        tenancy: Tenancy::Single,
        clock: Arc::new(SystemClock),
        audit,
        shard: (0, 1),
    };
    let engine = Engine::new(home.clone(), options, numbers, stop.clone());
    if let Some(listen) = &config.agent.listen {
        let address: SocketAddr = listen.parse().map_err(|_| {
            ReconcileError::Listen(wire::WireError::Address { shown: listen.clone() })
        })?;
        let listener = wire::listen(address).await.map_err(ReconcileError::Listen)?;
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(%address, "webhooks, metrics and probes are served");
        let served = Arc::new(Served { metrics, engine: engine.clone() });
        tokio::spawn(wire::serve(listener, served, stop.clone()));
    }
    for valid in &config.syncs {
        let sync = numbered(GitSync::clone(valid.sync()));
        tokio::spawn(begin(home.clone(), engine.clone(), sync, stop.clone()));
    }
    tracing::info!(syncs = config.syncs.len(), "started");
    stop.cancelled().await;
    engine.ended().await;
    Ok(())
}

/// Begins with the status that an earlier process left, as soon as it can be read.
async fn begin(home: Arc<HostHome>, engine: Engine, mut sync: GitSync, stop: CancellationToken) {
    let key = sync.key();
    loop {
        match home.read_status(&key).await {
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
