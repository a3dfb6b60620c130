//! The life of one controller process: connect, serve probes, compete for the Lease, reconcile
//! while leading, and end in good order.

use crate::numbers::Numbers;
use crate::options::Config;
use crate::reconcilers::{RECONCILERS, Scope};
use crate::server::Served;
use crate::{ControllerError, FIELD_OWNER};
use cluster::{Client, Events, Leadership, LeaseOptions};
use futures_util::future::join_all;
use model::{Build, Clock, Exit, SystemClock};
use reconcile::{Audit, CONCURRENCY, EngineOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// More threads do not help: the work is waiting for the API server.
const WORKER_THREADS: usize = 2;
/// The Lease that the leader holds.
const LEASE_NAME: &str = "orlop-controller";
/// The pause between questions to an API server that does not answer yet.
const READY_PAUSE_SECONDS: u64 = 2;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: Config, build: Build) -> Result<Exit, ControllerError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(ControllerError::Runtime)?
        .block_on(live(config, build))
}

async fn live(config: Config, build: Build) -> Result<Exit, ControllerError> {
    let shutdown = CancellationToken::new();
    listen_for_signals(&shutdown);
    let client = Client::connect(&config.connect)
        .await
        .map_err(|error| ControllerError::Cluster(Box::new(error)))?;
    let numbers = Numbers::register(client.metrics(), &build);
    let listener = wire::listen(config.listen).await.map_err(ControllerError::Listen)?;
    let address = listener.local_addr().unwrap_or(config.listen);
    tracing::info!(%address, server = client.address(), version = build.version, "started");
    let ready = Arc::new(AtomicBool::new(false));
    let webhooks = Arc::default();
    let served = Served {
        metrics: client.metrics().clone(),
        ready: ready.clone(),
        webhooks: Arc::clone(&webhooks),
    };
    let serving = tokio::spawn(wire::serve(listener, Arc::new(served), shutdown.clone()));
    tokio::spawn(watch_readiness(client.clone(), ready, shutdown.clone()));

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let events = Events::new(client.clone(), clock.clone(), FIELD_OWNER, config.identity.clone());
    let lease = LeaseOptions {
        namespace: config.namespace.clone(),
        name: match config.shard {
            (_, 1) => LEASE_NAME.to_owned(),
            (index, _) => format!("{LEASE_NAME}-{index}"),
        },
        identity: config.identity.clone(),
        times: config.times,
    };
    let deliveries = reconcile::Numbers::register(client.metrics());
    // What is asked for as somebody else is counted in the same table.
    let metrics = Some(client.metrics().clone());
    let connect = cluster::ConnectOptions { metrics, ..config.connect.clone() };
    let engine = Arc::new(EngineOptions {
        concurrency: CONCURRENCY,
        cache: config.cache.clone(),
        tenancy: config.tenancy,
        clock: clock.clone(),
        audit: Audit::stdout(),
        shard: config.shard,
    });
    let work = |leadership: Leadership| {
        let scope = Scope {
            client: client.clone(),
            events: events.clone(),
            numbers: numbers.clone(),
            leadership,
            connect: connect.clone(),
            engine: engine.clone(),
            deliveries: deliveries.clone(),
            webhooks: webhooks.clone(),
            cluster_name: config.cluster_name.clone(),
        };
        async move {
            tracing::info!(fence = scope.leadership.fence(), "leading");
            join_all(RECONCILERS.iter().map(|reconciler| (reconciler.run)(scope.clone()))).await;
            tracing::info!("no longer leading");
        }
    };
    client.lead(lease, clock, shutdown.clone(), work).await;
    let _ = serving.await;
    tracing::info!("ended");
    Ok(Exit::Clean)
}

/// The first signal ends in good order, the second at once.
fn listen_for_signals(shutdown: &CancellationToken) {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let Ok(mut signals) = signal(kind) else { continue };
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if shutdown.is_cancelled() {
                    std::process::exit(i32::from(Exit::Terminated.code()));
                }
                shutdown.cancel();
            }
        });
    }
}

/// Ready from the first answer of the API server on.
async fn watch_readiness(client: Client, ready: Arc<AtomicBool>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        match client.server_version().await {
            Ok(version) => {
                tracing::info!(version = %version.git_version, "the API server answers");
                ready.store(true, Ordering::Relaxed);
                return;
            }
            Err(error) => tracing::warn!(%error, "the API server does not answer"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(READY_PAUSE_SECONDS)) => {}
        }
    }
}
