//! A delivery that goes on: what the cluster has of it, followed by watch and remembered.
//!
//! A [`Live`] keeps one watch for each kind of the delivery, narrowed to its label, and of each
//! object a memo ([`LIVE_MEMO_BYTES_MAX`]) that says in which version it was proven equal to which
//! document. From it [`Live::plan`] and [`Live::apply`] know without any request what is
//! unchanged; what somebody else changes is told as soon as its event comes, and
//! [`Live::heal`] reverts exactly that. The same events say how healthy everything is.
//!
//! **A memo counts only while the watch of its kind is in sync.** After a cut, a 410 or a restart
//! of the API server the kind is listed again first, and a run that cannot wait for that lists it
//! itself. What has no label of ours is looked up by name as ever.
//!
//! Requests in a steady state: none but the watches. Memory: the memos and at most
//! [`KEPT_BYTES_MAX`] of objects that are not as they should be.

mod drift;
mod follow;
mod heal;
mod health;
mod memo;
mod memory;
mod record;

pub use drift::{DRIFT_FIELDS_MAX, DRIFT_VALUE_BYTES_MAX, Drift, DriftField, DriftKind};
pub use follow::{LIVE_PAGE_OBJECTS, LIVE_SYNC_SECONDS};
pub(crate) use memo::Version;
pub use memory::{DRIFTS_MAX, KEPT_BYTES_MAX, KEPT_OBJECTS_MAX, LIVE_EVENTS_MAX};
pub(crate) use memory::{Memory, Recalled};

use crate::apply::{self, Condition};
use crate::deliver::Written;
use crate::desired::{self, Desired, DesiredSet, Resolved};
use crate::error::DeliveryError;
use crate::look;
use crate::options::DeliveryOptions;
use crate::prepared;
use crate::progress::Progress;
use crate::report::{ObjectHealth, Report};
use crate::source::Tree;
use crate::store::{self, Store};
use cluster::Client;
use follow::{Needed, Watches};
use health::{Answers, KnownHealth};
use memo::{MEMO_BYTES_MAX, Standing};
use objects::health::{Health, HealthStatus};
use objects::{GroupKind, Object, ObjectRef};
use record::Record;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use sync::plan::ClusterIdentity;
use sync::{DeliveryName, Inventory, Plan};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// What is remembered of one object, in bytes, without the reason why it is not healthy.
pub const LIVE_MEMO_BYTES_MAX: usize = MEMO_BYTES_MAX;

/// A health rule that goes before the built-in ones; `None` leaves the object to them.
pub type HealthRule = Box<dyn Fn(&Object) -> Option<Health> + Send + Sync>;

/// A delivery that goes on; see the module's text. Dropping it ends its watches.
pub struct Live {
    client: Client,
    name: DeliveryName,
    memory: Arc<Memory>,
    watches: Watches,
    resolved: tokio::sync::Mutex<Resolved>,
    record: Mutex<Option<Record>>,
    identity: Mutex<Option<ClusterIdentity>>,
    health: KnownHealth,
    /// Only one run writes at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Something that happened to the objects of a delivery.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LiveEvent {
    /// An object is not as it was delivered any more, or in another way than told before.
    Drift(Arc<Drift>),
    /// An object's health is this now.
    Health {
        /// Of what.
        object: ObjectRef,
        /// The verdict.
        health: Health,
    },
    /// A kind cannot be watched: it is listed by every run, and neither drift nor health of it
    /// is told.
    Unwatched(Unwatched),
    /// The reader was too slow and so many events are lost: look at [`Live::drifted`] and
    /// [`Live::health`] instead.
    Missed(u64),
}

/// A kind that cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unwatched {
    /// Which.
    pub kind: GroupKind,
    /// In which namespace; empty for all.
    pub namespace: String,
    /// Why.
    pub reason: String,
}

/// The events from now on.
#[derive(Debug)]
pub struct LiveEvents(broadcast::Receiver<LiveEvent>);

impl LiveEvents {
    /// The next event; `None` when the [`Live`] is gone. May be cancelled without losing one.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(LiveEvent::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// What is known of all desired objects, without a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// Proven equal.
    pub clean: usize,
    /// Not as they were delivered.
    pub drifted: usize,
    /// Not as the tree wants them, and not delivered so before either.
    pub pending: usize,
    /// Not there, or without our label.
    pub missing: usize,
    /// Of kinds that are not watched or not in sync.
    pub unknown: usize,
}

impl Check {
    /// Whether everything is proven equal.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self { clean: self.clean, ..Self::default() }
    }
}

/// The health of a delivery.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LiveHealth {
    /// Desired objects by health; those that are not there are [`HealthStatus::Missing`], those of
    /// kinds that cannot be watched [`HealthStatus::Unknown`].
    pub counts: BTreeMap<HealthStatus, usize>,
    /// The objects that are neither healthy nor suspended, in order.
    pub unhealthy: Vec<ObjectHealth>,
}

impl Live {
    /// Remembers nothing yet; the watches begin with the first tree. Must be used inside a tokio
    /// runtime.
    #[must_use]
    pub fn new(client: &Client, name: &DeliveryName) -> Self {
        Self::start(client, name, None)
    }

    /// As [`Live::new`], with health rules of its own.
    #[must_use]
    pub fn with_health(client: &Client, name: &DeliveryName, rule: HealthRule) -> Self {
        Self::start(client, name, Some(rule))
    }

    fn start(client: &Client, name: &DeliveryName, rule: Option<HealthRule>) -> Self {
        let memory = Arc::new(Memory::new(name.manager(), look::masker(), rule));
        Self {
            client: client.clone(),
            name: name.clone(),
            watches: Watches::new(client, name.selector(), &memory),
            memory,
            resolved: tokio::sync::Mutex::default(),
            record: Mutex::default(),
            identity: Mutex::default(),
            health: KnownHealth::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// As [`crate::plan()`]; what is remembered costs no request.
    ///
    /// # Errors
    /// As [`crate::plan()`].
    pub async fn plan(
        &self,
        tree: &Tree,
        options: &DeliveryOptions,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Plan, DeliveryError> {
        let _turn = self.turn.lock().await;
        self.is_of(options)?;
        prepared::plan_with(&self.client, Some(self), tree, options, progress, cancel).await
    }

    /// As [`crate::apply()`]; what is remembered costs no request, and what changed in Git one.
    ///
    /// # Errors
    /// As [`crate::apply()`].
    pub async fn apply(
        &self,
        tree: &Tree,
        options: &DeliveryOptions,
        saved: Option<&Plan>,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Report, DeliveryError> {
        let condition = saved.map_or(Condition::None, Condition::Saved);
        self.run(tree, options, condition, progress, cancel).await?.ok_or_else(apply::unjudged)
    }

    /// As [`Live::plan`], and then as [`Live::apply`] without looking again, if `judge` wants the
    /// plan. `None`: it does not, and nothing was written.
    ///
    /// # Errors
    /// As [`crate::apply()`].
    pub async fn apply_if(
        &self,
        tree: &Tree,
        options: &DeliveryOptions,
        judge: &mut (dyn FnMut(&Plan) -> bool + Send),
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Option<Report>, DeliveryError> {
        self.run(tree, options, Condition::Judged(judge), progress, cancel).await
    }

    async fn run(
        &self,
        tree: &Tree,
        options: &DeliveryOptions,
        condition: Condition<'_>,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Option<Report>, DeliveryError> {
        let turn = self.turn.lock().await;
        self.is_of(options)?;
        let live = Some((self, turn));
        apply::apply_with(&self.client, live, tree, options, condition, progress, cancel).await
    }

    /// What happens from now on: drifts and health, as soon as their events come.
    #[must_use]
    pub fn events(&self) -> LiveEvents {
        LiveEvents(self.memory.listen())
    }

    /// Every object that is not as it was delivered, in order; those beyond [`DRIFTS_MAX`] without
    /// their fields.
    #[must_use]
    pub fn drifted(&self) -> Vec<Drift> {
        self.memory.drifts()
    }

    /// Looks at every object of the last tree, without a request.
    #[must_use]
    pub fn check(&self) -> Check {
        let in_sync = self.watches.in_sync();
        let (mut check, mut sync) = (Check::default(), Answers::new(&in_sync));
        self.memory.each(|desired, memo| {
            let slot = match memo {
                _ if !sync.of(desired) => &mut check.unknown,
                None => &mut check.missing,
                Some((memo, _))
                    if memo.standing == Standing::Clean && memo.digest == Some(desired.digest) =>
                {
                    &mut check.clean
                }
                Some((_, true)) => &mut check.drifted,
                Some(_) => &mut check.pending,
            };
            *slot += 1;
        });
        check
    }

    /// How healthy the objects of the last tree are, without a request.
    #[must_use]
    pub fn health(&self) -> LiveHealth {
        self.health.of(&self.memory, self.watches.in_sync())
    }

    /// The version in which an object was seen last; `None` when it is not there or not watched.
    /// Who has just read or written it knows from this whether the memory is as far.
    #[must_use]
    pub fn seen(&self, object: &ObjectRef) -> Option<String> {
        self.memory.version(object)
    }

    /// Whether every watch has told everything: what is remembered is what the cluster has.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        self.watches.all_in_sync()
    }

    /// Kinds that cannot be watched, with the reason; each run lists them.
    #[must_use]
    pub fn unwatched(&self) -> Vec<Unwatched> {
        self.watches.unwatched()
    }

    fn is_of(&self, options: &DeliveryOptions) -> Result<(), DeliveryError> {
        if options.name == self.name {
            return Ok(());
        }
        let message = format!("the memory of {} was asked for {}", self.name, options.name);
        Err(DeliveryError::Internal(message))
    }

    /// An object was written: what the server answered is remembered.
    pub(crate) fn wrote(&self, desired: &Desired, written: &mut Written) {
        written.health = self.memory.unhealthy(&written.object);
        // A kind that this run made.
        self.watches.add(&written.resource, &desired.id.namespace);
        self.memory.wrote(&desired.gvk, &written.object);
        if written.action.is_none() {
            self.memory.confirm(desired, &written.object);
        }
    }

    /// Whether the health of this object is told by its watch.
    pub(crate) fn follows(&self, gvk: &objects::GroupVersionKind, id: &ObjectRef) -> bool {
        self.watches.is_in_sync(gvk, &BTreeSet::from([id.namespace.clone()]))
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The inventory: remembered, or read.
    pub(crate) async fn store(&self, namespace: &str) -> Result<Store, DeliveryError> {
        let known = {
            let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.as_ref().filter(|record| record.is_of(namespace)).map(Record::take)
        };
        match known {
            Some(Some(store)) => return Ok(store),
            Some(None) => {}
            None => {
                let resource = store::config_maps(&self.client).await?;
                let record = Record::watch(&self.client, &resource, &self.name, namespace);
                *self.record.lock().unwrap_or_else(PoisonError::into_inner) = Some(record);
            }
        }
        Store::read(&self.client, &self.name, namespace).await
    }

    /// Keeps the inventory as it is after a run.
    pub(crate) fn keep(&self, store: Store) {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = record.as_ref().filter(|record| record.is_of(store.namespace())) {
            record.keep(store);
        }
    }

    /// Which cluster this is; asked once.
    pub(crate) async fn identity(&self) -> Result<ClusterIdentity, DeliveryError> {
        let known = self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = prepared::identity(&self.client).await?;
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }

    /// Resolves the tree, follows its kinds, and waits until they are in sync. Gives what is
    /// recorded and not named by the tree, too.
    pub(crate) async fn aim(
        &self,
        tree: &Tree,
        options: &DeliveryOptions,
        recorded: &Inventory,
    ) -> Result<(Arc<DesiredSet>, Vec<ObjectRef>), DeliveryError> {
        let mut resolved = self.resolved.lock().await;
        let set = desired::resolve(&self.client, tree, options, &mut resolved).await?;
        self.memory.aim(&set);
        let mut needed = Needed::new();
        let mut before: Option<&Arc<Desired>> = None;
        for desired in &set.objects {
            let Some(resource) = &desired.resource else { continue };
            // Neighbours are mostly of one kind and namespace.
            if !before.is_some_and(|before| {
                Arc::ptr_eq(&before.gvk, &desired.gvk)
                    && before.id.namespace == desired.id.namespace
            }) {
                need(&mut needed, &desired.gvk, resource, &desired.id.namespace);
            }
            before = Some(desired);
        }
        let mut left: HashMap<GroupKind, BTreeSet<String>> = HashMap::new();
        let gone = set.unnamed(recorded);
        for id in &gone {
            left.entry(id.group_kind()).or_default().insert(id.namespace.clone());
        }
        for (kind, namespaces) in left {
            // A kind that is not served is the observer's matter.
            let Ok(resource) = self.client.resolve_kind(&kind).await else { continue };
            let gvk = Arc::new(resource.gvk.clone());
            for namespace in namespaces {
                need(&mut needed, &gvk, &resource, &namespace);
            }
        }
        self.watches.adjust(&needed).await;
        self.memory.recorded(recorded);
        Ok((set, gone))
    }
}

fn need(
    needed: &mut Needed,
    gvk: &Arc<objects::GroupVersionKind>,
    resource: &Arc<cluster::Resource>,
    namespace: &str,
) {
    if let Some((_, namespaces)) = needed.get_mut(gvk) {
        if !namespaces.contains(namespace) {
            namespaces.insert(namespace.to_owned());
        }
        return;
    }
    let namespaces = BTreeSet::from([namespace.to_owned()]);
    needed.insert(gvk.clone(), (resource.clone(), namespaces));
}
