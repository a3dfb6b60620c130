//! Leader election on a `coordination.k8s.io/v1` Lease.
//!
//! At most one process acts, whatever the clocks of the machines say: a candidate takes a lease
//! only after it has seen it unchanged for the lease's duration on its own monotonic clock, and a
//! leader stops acting a shorter time after the start of its last successful renewal. Wall clocks
//! are written into the Lease for people and never compared between machines.
//!
//! A candidate watches the Lease: it sees each renewal when it happens, looks at the moment when
//! the last one runs out, and at once when a leader gives it back. Only where the watch does not
//! work does it look every now and then.
//!
//! A leader counts the time that its machine sleeps, in which the monotonic clock may stand still.
//! Work that can reach the server late should carry [`Leadership::fence`], which grows with every
//! change of leader.

mod election;

use crate::client::Client;
use crate::error::ClusterError;
use crate::list::ListOptions;
use crate::operations::{ApplyOptions, PatchOptions};
use crate::resource::Resource;
use crate::watch::{Watch, WatchEvent};
use election::{Election, Next, Reading};
use model::Clock;
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub use election::{LeaseTimes, LeaseTimesError};

/// The writer of the Lease.
const FIELD_MANAGER: &str = "orlop/lease";
/// Work that does not end after its token is cancelled is dropped after this time.
const STOP_MILLISECONDS: u64 = 1_000;
/// A candidate looks this much after a lease has run out, at least: then it has.
const SPREAD_MIN: Duration = Duration::from_millis(1);
/// And at most this part of the pause between looks later.
const SPREAD_SHARE: u32 = 4;

/// What to compete for, and as whom.
#[derive(Debug, Clone)]
pub struct LeaseOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Unique among all candidates: `host_pod-uid`.
    pub identity: String,
    /// How long is what.
    pub times: LeaseTimes,
}

/// The right to act, for as long as it lasts.
#[derive(Clone)]
pub struct Leadership {
    token: CancellationToken,
    fence: i64,
    state: Arc<Mutex<Election>>,
    clock: Arc<dyn Clock>,
}

impl Leadership {
    /// Whether acting is still allowed: ask before every write.
    #[must_use]
    pub fn holds(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !self.token.is_cancelled() && state.leads(reading(&*self.clock))
    }

    /// Cancelled when acting is no longer allowed, before anybody else may act.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Grows with every change of leader: an action with a smaller one is late.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.fence
    }
}

impl Client {
    /// Competes for a Lease until `shutdown` is cancelled, and calls `lead` each time it is won.
    /// The work must end soon after [`Leadership::token`] is cancelled; after a second it is
    /// dropped. When the work ends by itself the lease is given up and competed for again.
    /// On shutdown the work is ended first and then the Lease is released.
    ///
    /// Errors of the API are logged and retried, never returned.
    pub async fn lead<F, W>(
        &self,
        options: LeaseOptions,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
        lead: F,
    ) where
        F: Fn(Leadership) -> W,
        W: Future<Output = ()>,
    {
        let state = Arc::new(Mutex::new(Election::new(&options.identity, options.times)));
        let candidate =
            Candidate { client: self.clone(), options, state, clock, resource: lease_resource() };
        while !shutdown.is_cancelled() {
            let fence = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                fence = candidate.win() => fence,
            };
            candidate.serve(fence, &shutdown, &lead).await;
        }
    }
}

struct Candidate {
    client: Client,
    options: LeaseOptions,
    state: Arc<Mutex<Election>>,
    clock: Arc<dyn Clock>,
    resource: Resource,
}

impl Candidate {
    /// Tries until the Lease is ours; gives the fence.
    async fn win(&self) -> i64 {
        let LeaseOptions { namespace, name, .. } = &self.options;
        let mut watch: Option<Watch> = None;
        loop {
            self.attempt().await;
            if let Some(fence) = self.with(|state, now| state.leads(now).then(|| state.fence())) {
                return fence;
            }
            let watch = watch.get_or_insert_with(|| {
                let (namespace, fields) = (namespace.clone(), format!("metadata.name={name}"));
                let options = ListOptions { namespace, fields, ..ListOptions::default() };
                self.client.watch_exact(&self.resource, options)
            });
            self.wait(watch).await;
        }
    }

    /// Waits until a look at the Lease is worth it: it was given back, or nobody renewed it for
    /// its duration, or nothing is told and it is time to ask.
    async fn wait(&self, watch: &mut Watch) {
        let rest = self.rest();
        tokio::pin!(rest);
        let mut rested = false;
        loop {
            let held_up = self.with(|state, now| state.held_up(now));
            if rested && (held_up.is_none() || !watch.position().is_in_sync()) {
                return;
            }
            let free = async {
                match held_up {
                    Some(left) => tokio::time::sleep(left + self.spread()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut rest, if !rested => rested = true,
                () = free => return,
                given_back = self.hear(watch) => if given_back { return },
            }
        }
    }

    /// Takes in one event of the watch; true when the Lease is nobody's now. Who may not watch it
    /// looks at it in time.
    async fn hear(&self, watch: &mut Watch) -> bool {
        match watch.next().await {
            Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => {
                let record = election::Record::from_object(&lease);
                self.with(|state, now| state.heard(now, &record));
                record.holder.is_empty()
            }
            Ok(WatchEvent::Deleted(_)) => true,
            Ok(WatchEvent::Synced) => false,
            Err(error) => {
                tracing::debug!(%error, "the lease cannot be watched");
                false
            }
        }
    }

    /// Runs the work while the Lease is renewed; ends it before the Lease can be lost.
    async fn serve<F, W>(&self, fence: i64, shutdown: &CancellationToken, lead: &F)
    where
        F: Fn(Leadership) -> W,
        W: Future<Output = ()>,
    {
        let token = CancellationToken::new();
        // If this future itself is dropped the work must stop, too.
        let _guard = token.clone().drop_guard();
        let leadership = Leadership {
            token: token.clone(),
            fence,
            state: self.state.clone(),
            clock: self.clock.clone(),
        };
        self.client.metrics().set_leader(true);
        let work = lead(leadership);
        tokio::pin!(work);
        let ended = tokio::select! {
            biased;
            () = self.keep() => false,
            () = shutdown.cancelled() => false,
            () = &mut work => true,
        };
        token.cancel();
        if !ended {
            let stop = Duration::from_millis(STOP_MILLISECONDS);
            if tokio::time::timeout(stop, &mut work).await.is_err() {
                tracing::warn!("work was cut off because leadership ended");
            }
        }
        self.client.metrics().set_leader(false);
        self.release().await;
    }

    /// Renews until the right to act ends.
    async fn keep(&self) {
        loop {
            let left = self.with(|state, now| state.remaining(now));
            if left.is_zero() {
                return;
            }
            let renewal = async {
                self.rest().await;
                self.attempt().await;
            };
            // The deadline may move while a renewal succeeds: then look again.
            let _ = tokio::time::timeout(left, renewal).await;
        }
    }

    /// One look at the Lease and, where allowed, one write. Who leads writes without a look: the
    /// version that it wrote last is the one that is there unless somebody else was.
    async fn attempt(&self) {
        let limit = self.options.times.renew_deadline;
        match tokio::time::timeout(limit, self.exchange()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = %self.options.name, %error, "lease not renewed");
            }
            Err(_) => tracing::warn!(lease = %self.options.name, "no answer about the lease"),
        }
    }

    async fn exchange(&self) -> Result<(), ClusterError> {
        let LeaseOptions { namespace, name, .. } = &self.options;
        let leads = self.with(|state, now| state.leads(now).then(|| state.next(now)));
        if let Some(Next::Update { spec, version }) = leads {
            let started = reading(&*self.clock);
            match self.write(spec, version).await {
                Ok(live) => {
                    self.written(started, &live);
                    return Ok(());
                }
                // Somebody else wrote it, or it is gone: a look will tell.
                Err(ClusterError::Changed { .. } | ClusterError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let live = self.client.get(&self.resource, namespace, name).await?;
        let record = live.as_ref().map(election::Record::from_object);
        let next = self.with(|state, now| {
            state.observe(now, record.as_ref());
            state.next(now)
        });
        // Read before the request leaves: the lease cannot begin earlier than this.
        let started = reading(&*self.clock);
        match next {
            Next::Stand => Ok(()),
            Next::Create(spec) => self
                .client
                .create(&self.resource, &self.object(&spec)?, &ApplyOptions::new(FIELD_MANAGER))
                .await
                .map(|applied| self.written(started, &applied.object)),
            Next::Update { spec, version } => {
                self.write(spec, version).await.map(|live| self.written(started, &live))
            }
        }
    }

    /// Gives the Lease back so that the next leader need not wait.
    async fn release(&self) {
        let Some((spec, version)) = self.with(Election::release) else { return };
        let limit = self.options.times.retry_period;
        match tokio::time::timeout(limit, self.write(spec, version)).await {
            Ok(Ok(_)) => {}
            _ => tracing::warn!(lease = %self.options.name, "the lease will run out by itself"),
        }
    }

    async fn write(&self, spec: Value, version: String) -> Result<Object, ClusterError> {
        let options = PatchOptions {
            field_manager: FIELD_MANAGER.to_owned(),
            resource_version: Some(version),
            ..PatchOptions::default()
        };
        let LeaseOptions { namespace, name, .. } = &self.options;
        let patch = json!({"spec": spec});
        self.client.patch_merge(&self.resource, namespace, name, &patch, &options).await
    }

    fn written(&self, started: Reading, live: &Object) {
        let record = election::Record::from_object(live);
        self.with(|state, now| state.written(started, now, &record));
    }

    fn object(&self, spec: &Value) -> Result<Object, ClusterError> {
        let LeaseOptions { namespace, name, .. } = &self.options;
        Object::from_value(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"namespace": namespace, "name": name}, "spec": spec,
        }))
        .map_err(|error| ClusterError::BadRequest {
            subject: name.clone(),
            message: error.to_string(),
        })
    }

    /// The pause between looks, spread so that candidates do not meet.
    async fn rest(&self) {
        let period = self.options.times.retry_period;
        tokio::time::sleep(self.client.inner.jitter.between(period, period.mul_f64(1.2))).await;
    }

    /// A little time, so that candidates do not meet at the moment when a lease runs out.
    fn spread(&self) -> Duration {
        let most = self.options.times.retry_period / SPREAD_SHARE;
        self.client.inner.jitter.between(SPREAD_MIN, most.max(SPREAD_MIN))
    }

    fn with<T>(&self, with: impl FnOnce(&mut Election, Reading) -> T) -> T {
        let now = reading(&*self.clock);
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

fn reading(clock: &dyn Clock) -> Reading {
    let (monotonic, since_boot) = (clock.monotonic(), clock.since_boot());
    Reading { monotonic, since_boot, wall: clock.now() }
}

fn lease_resource() -> Resource {
    Resource {
        gvk: GroupVersionKind::from_api_version("coordination.k8s.io/v1", "Lease"),
        plural: "leases".to_owned(),
        singular: "lease".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: ["get", "create", "patch"].map(str::to_owned).to_vec(),
        subresources: Vec::new(),
    }
}
