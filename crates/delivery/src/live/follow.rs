//! The watches of one delivery: one for each kind, in one namespace where that is enough.
//!
//! A watch that is not in sync is not asked; whoever needs its kind waits a little and lists it
//! as a run without a memory does. A kind that cannot be watched is told once and listed always.

use super::memory::Memory;
use super::{LiveEvent, Unwatched};
use cluster::{Client, ClusterError, ListOptions, Resource, WatchEvent, WatchPosition};
use objects::GroupVersionKind;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a run waits for watches that are being listed, before it lists by itself.
pub const LIVE_SYNC_SECONDS: u64 = 30;
/// Objects in one page of the list that a watch begins with; a page is held parsed, and all kinds
/// are listed at once.
pub const LIVE_PAGE_OBJECTS: u32 = 100;

/// A watch that was refused is trusted again when it has gone on for this long.
const PROBATION: Duration = Duration::from_secs(5);

/// A kind that is needed, with the namespaces in which it is.
pub(crate) type Needed = BTreeMap<Arc<GroupVersionKind>, (Arc<Resource>, BTreeSet<String>)>;

/// The running watches.
pub(crate) struct Watches {
    client: Client,
    selector: String,
    memory: Arc<Memory>,
    kinds: Mutex<HashMap<GroupVersionKind, Vec<Place>>>,
    /// Changes when a watch has listed or failed.
    turned: watch::Sender<u64>,
}

/// Kinds whose watch is in sync, with its namespace; an empty one is all of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct InSync(BTreeSet<(GroupVersionKind, String)>);

impl InSync {
    /// These, for tests.
    #[cfg(test)]
    pub(crate) fn of(places: impl IntoIterator<Item = (GroupVersionKind, String)>) -> Self {
        Self(places.into_iter().collect())
    }

    /// Whether a kind in a namespace is.
    pub(crate) fn has(&self, gvk: &GroupVersionKind, namespace: &str) -> bool {
        let fits = |(kind, place): &(GroupVersionKind, String)| {
            (place.is_empty() || place == namespace) && kind == gvk
        };
        self.0.iter().any(fits)
    }
}

/// One watch.
struct Place {
    namespace: String,
    position: WatchPosition,
    /// Lists whose end the memory has worked in.
    lists: Arc<AtomicU64>,
    refusal: Arc<Mutex<Option<Refusal>>>,
    task: JoinHandle<()>,
}

/// Why a kind cannot be watched.
#[derive(Debug, Clone)]
struct Refusal {
    reason: String,
    forbidden: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Place {
    fn refusal(&self) -> Option<Refusal> {
        lock(&self.refusal).clone()
    }

    fn is_in_sync(&self) -> bool {
        self.position.is_in_sync() && self.is_worked_in() && self.refusal().is_none()
    }

    fn is_worked_in(&self) -> bool {
        self.lists.load(Ordering::Acquire) == self.position.lists_taken()
    }

    /// Nothing more is to be waited for.
    fn is_decided(&self) -> bool {
        (self.position.is_listed() && self.is_worked_in()) || self.refusal().is_some()
    }
}

impl Watches {
    pub(crate) fn new(client: &Client, selector: String, memory: &Arc<Memory>) -> Self {
        let (turned, _) = watch::channel(0);
        Self {
            client: client.clone(),
            selector,
            memory: memory.clone(),
            kinds: Mutex::default(),
            turned,
        }
    }

    /// Begins the watches that are needed, ends the others, and waits until each is in sync or
    /// refused, at most [`LIVE_SYNC_SECONDS`].
    pub(crate) async fn adjust(&self, needed: &Needed) {
        let until = Instant::now() + Duration::from_secs(LIVE_SYNC_SECONDS);
        let mut turned = self.turned.subscribe();
        self.begin(needed);
        loop {
            // A kind that may not be read everywhere may be readable where it is needed.
            self.narrow(needed);
            if self.all(Place::is_decided) {
                return;
            }
            if !matches!(tokio::time::timeout_at(until, turned.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Begins a watch of a kind that was not known before, without waiting.
    pub(crate) fn add(&self, resource: &Arc<Resource>, namespace: &str) {
        let mut kinds = lock(&self.kinds);
        let places = kinds.entry(resource.gvk.clone()).or_default();
        if places.is_empty() {
            places.push(self.place(resource, namespace));
        }
    }

    fn begin(&self, needed: &Needed) {
        let mut kinds = lock(&self.kinds);
        kinds.retain(|gvk, places| {
            let keep = needed.contains_key(gvk);
            if !keep {
                places.clear();
                self.memory.forget(&gvk.group_kind(), "");
            }
            keep
        });
        for (gvk, (resource, namespaces)) in needed {
            let places = kinds.entry(GroupVersionKind::clone(gvk)).or_default();
            if covers(places, namespaces) || places.iter().any(|place| place.refusal().is_some()) {
                continue;
            }
            let namespace = match namespaces.first() {
                Some(only) if namespaces.len() == 1 => only.as_str(),
                _ => "",
            };
            // What went away between the old watch and the new one would never be told.
            places.clear();
            self.memory.forget(&gvk.group_kind(), "");
            places.push(self.place(resource, namespace));
        }
    }

    fn narrow(&self, needed: &Needed) {
        let mut kinds = lock(&self.kinds);
        for (gvk, (resource, namespaces)) in needed {
            let Some(places) = kinds.get_mut(&**gvk) else { continue };
            let everywhere = places.iter().any(|place| {
                place.namespace.is_empty() && place.refusal().is_some_and(|why| why.forbidden)
            });
            let missing = !everywhere && !covers(places, namespaces);
            if resource.namespaced && (everywhere || missing) {
                places.retain(|place| !place.namespace.is_empty());
                for namespace in namespaces {
                    if !places.iter().any(|place| place.namespace == *namespace) {
                        places.push(self.place(resource, namespace));
                    }
                }
            }
        }
    }

    fn place(&self, resource: &Arc<Resource>, namespace: &str) -> Place {
        let options = ListOptions {
            namespace: namespace.to_owned(),
            page_objects: LIVE_PAGE_OBJECTS,
            ..ListOptions::with_labels(self.selector.clone())
        };
        let refusal: Arc<Mutex<Option<Refusal>>> = Arc::default();
        let lists = Arc::<AtomicU64>::default();
        let follower = Follower {
            lists: lists.clone(),
            gvk: resource.gvk.clone(),
            namespace: namespace.to_owned(),
            memory: self.memory.clone(),
            refusal: refusal.clone(),
            turned: self.turned.clone(),
        };
        let watch = self.client.watch_exact(resource, options);
        let position = watch.position();
        let task = if resource.supports("watch") {
            tokio::spawn(follower.run(watch))
        } else {
            follower.refused("the server offers no watch of it".to_owned(), false);
            tokio::spawn(async {})
        };
        Place { namespace: namespace.to_owned(), position, lists, refusal, task }
    }

    fn all(&self, is: impl Fn(&Place) -> bool) -> bool {
        lock(&self.kinds).values().flatten().all(is)
    }

    /// Whether what the memory says of a kind in these namespaces is what the cluster has.
    pub(crate) fn is_in_sync(&self, gvk: &GroupVersionKind, namespaces: &BTreeSet<String>) -> bool {
        let kinds = lock(&self.kinds);
        let Some(places) = kinds.get(gvk) else { return false };
        let in_sync = |namespace: &str| {
            places.iter().any(|place| {
                (place.namespace.is_empty() || place.namespace == namespace) && place.is_in_sync()
            })
        };
        !places.is_empty() && namespaces.iter().all(|namespace| in_sync(namespace))
    }

    /// Which watches are in sync at this moment.
    pub(crate) fn in_sync(&self) -> InSync {
        let kinds = lock(&self.kinds);
        let all = kinds.iter().flat_map(|(gvk, places)| places.iter().map(move |at| (gvk, at)));
        let in_sync = all.filter(|(_, place)| place.is_in_sync());
        InSync(in_sync.map(|(gvk, place)| (gvk.clone(), place.namespace.clone())).collect())
    }

    /// Whether every watch is in sync.
    pub(crate) fn all_in_sync(&self) -> bool {
        self.all(Place::is_in_sync)
    }

    /// What is not watched, and why.
    pub(crate) fn unwatched(&self) -> Vec<Unwatched> {
        let kinds = lock(&self.kinds);
        let mut found: Vec<Unwatched> = kinds
            .iter()
            .flat_map(|(gvk, places)| places.iter().map(move |place| (gvk, place)))
            .filter_map(|(gvk, place)| {
                let Refusal { reason, .. } = place.refusal()?;
                let namespace = place.namespace.clone();
                Some(Unwatched { kind: gvk.group_kind(), namespace, reason })
            })
            .collect();
        found.sort();
        found
    }
}

/// Whether the places see everything in these namespaces.
fn covers(places: &[Place], namespaces: &BTreeSet<String>) -> bool {
    let sees = |namespace: &String| {
        places.iter().any(|place| place.namespace.is_empty() || place.namespace == *namespace)
    };
    !places.is_empty() && namespaces.iter().all(sees)
}

/// The reader of one watch.
struct Follower {
    lists: Arc<AtomicU64>,
    gvk: GroupVersionKind,
    namespace: String,
    memory: Arc<Memory>,
    refusal: Arc<Mutex<Option<Refusal>>>,
    turned: watch::Sender<u64>,
}

impl Follower {
    async fn run(self, mut watch: cluster::Watch) {
        let position = watch.position();
        loop {
            let refused = lock(&self.refusal).is_some();
            let event = match refused {
                false => watch.next().await,
                // A list can be allowed where the stream is not: only time tells.
                true => match tokio::time::timeout(PROBATION, watch.next()).await {
                    Ok(event) => event,
                    Err(_) => {
                        if position.is_listed() {
                            *lock(&self.refusal) = None;
                            self.turn();
                        }
                        continue;
                    }
                },
            };
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    self.memory.seen(&self.gvk, &object, !position.is_listed());
                }
                Ok(WatchEvent::Deleted(deletion)) => {
                    self.memory.gone(&deletion.id, &deletion.uid);
                }
                Ok(WatchEvent::Synced) => {
                    self.memory.listed(&self.gvk.group_kind(), &self.namespace);
                    self.lists.fetch_add(1, Ordering::AcqRel);
                    self.turn();
                }
                // The watch goes on by itself.
                Err(error) if error.is_transient() => {
                    tracing::debug!(kind = %self.gvk, %error, "a watch will go on");
                }
                Err(error) => {
                    let forbidden = matches!(error, ClusterError::Forbidden(_));
                    self.refused(error.to_string(), forbidden);
                }
            }
        }
    }

    fn refused(&self, reason: String, forbidden: bool) {
        let new = lock(&self.refusal).replace(Refusal { reason: reason.clone(), forbidden });
        self.turn();
        // Told once, not with every try.
        if new.is_some_and(|before| before.reason == reason) {
            return;
        }
        let kind = self.gvk.group_kind();
        tracing::warn!(%kind, namespace = self.namespace, reason, "a kind is listed, not watched");
        let namespace = self.namespace.clone();
        self.memory.tell(LiveEvent::Unwatched(Unwatched { kind, namespace, reason }));
    }

    fn turn(&self) {
        self.turned.send_modify(|turn| *turn = turn.wrapping_add(1));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
