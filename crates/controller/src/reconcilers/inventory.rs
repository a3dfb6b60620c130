//! Watches over deliveries: counts their objects by health, and tells when one turns bad or well.
//!
//! One watch on the inventories, and one per kind that they name, narrowed to labelled objects,
//! so that memory follows what was delivered and not what is in the cluster. In steady state
//! nothing is written and nothing is told. A kind that may not be read is counted as `Unknown`
//! and asked for again; Secrets are never read at all.

mod board;

use super::{Reconciler, Rule, Scope};
use board::{Board, Key, Next, Verdict};
use cluster::{EventType, ListOptions, News, Outcome, Queue, QueueOptions, WatchEvent};
use objects::{GroupKind, GroupVersionKind, Object, health};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use sync::name::{DELIVERY_LABEL, INVENTORY_LABEL};
use tokio_util::sync::CancellationToken;

/// The key of the lines in an inventory's ConfigMap.
const OBJECTS_KEY: &str = "objects";
/// The id of this reconciler.
const NAME: &str = "inventory";
/// Deliveries looked at at once.
const WORKERS: usize = 4;
/// A kind that could not be read is asked for again after this time.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(60);

const READ: &[&str] = &["get", "list", "watch"];

/// The reconciler.
pub(crate) const RECONCILER: Reconciler = Reconciler {
    name: NAME,
    about: "Health of every delivery as metrics and events",
    kind: "ConfigMap",
    watches: "the kinds that inventories name, narrowed to objects with the delivery's label",
    rules: &[
        Rule {
            groups: &[""],
            resources: &[
                "configmaps",
                "limitranges",
                "namespaces",
                "persistentvolumeclaims",
                "persistentvolumes",
                "pods",
                "replicationcontrollers",
                "resourcequotas",
                "serviceaccounts",
                "services",
            ],
            verbs: READ,
        },
        Rule {
            groups: &["apps"],
            resources: &["daemonsets", "deployments", "replicasets", "statefulsets"],
            verbs: READ,
        },
        Rule { groups: &["batch"], resources: &["cronjobs", "jobs"], verbs: READ },
        Rule { groups: &["autoscaling"], resources: &["horizontalpodautoscalers"], verbs: READ },
        Rule {
            groups: &["networking.k8s.io"],
            resources: &["ingressclasses", "ingresses", "networkpolicies"],
            verbs: READ,
        },
        Rule { groups: &["policy"], resources: &["poddisruptionbudgets"], verbs: READ },
        Rule {
            groups: &["rbac.authorization.k8s.io"],
            resources: &["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
            verbs: READ,
        },
        Rule { groups: &["scheduling.k8s.io"], resources: &["priorityclasses"], verbs: READ },
        Rule { groups: &["storage.k8s.io"], resources: &["storageclasses"], verbs: READ },
        Rule {
            groups: &["apiextensions.k8s.io"],
            resources: &["customresourcedefinitions"],
            verbs: READ,
        },
        Rule { groups: &["apiregistration.k8s.io"], resources: &["apiservices"], verbs: READ },
        Rule { groups: &["events.k8s.io"], resources: &["events"], verbs: &["create", "patch"] },
    ],
    run: |scope| Box::pin(run(scope)),
};

/// What the tasks of this reconciler share.
#[derive(Clone)]
struct Shared {
    scope: Scope,
    board: Arc<Mutex<Board>>,
    queue: Queue<Key>,
    /// The running watch of each kind; dropping its guard ends it.
    watches: Arc<Mutex<BTreeMap<GroupKind, tokio_util::sync::DropGuard>>>,
    /// The first ConfigMap of each delivery: what events are about.
    subjects: Arc<Mutex<BTreeMap<Key, Object>>>,
}

async fn run(scope: Scope) {
    let seed = cluster::Jitter::process_seed();
    let metrics = scope.client.metrics().clone();
    let queue = Queue::new(QueueOptions::new(NAME, seed), metrics.clone());
    let stop = scope.leadership.token().clone();
    let shared = Shared {
        scope,
        board: Arc::default(),
        queue: queue.clone(),
        watches: Arc::default(),
        subjects: Arc::default(),
    };
    let inventories = tokio::spawn(shared.clone().follow_inventories(stop.clone()));
    let worker = shared.clone();
    let work = queue.run(WORKERS, move |key| {
        let worker = worker.clone();
        async move { worker.reconcile(&key).await }
    });
    let end = async {
        stop.cancelled().await;
        queue.shut_down();
    };
    tokio::join!(work, end);
    inventories.abort();
    lock(&shared.watches).clear();
    // Another process counts from now on.
    for key in lock(&shared.subjects).keys() {
        shared.scope.numbers.remove_objects(&key.namespace, &key.name);
    }
    metrics.remove_queue(NAME);
}

impl Shared {
    /// Keeps the board's records equal to the ConfigMaps.
    async fn follow_inventories(self, stop: CancellationToken) {
        let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
        let resource = loop {
            match self.scope.client.resolve(&gvk).await {
                Ok(resource) => break resource,
                Err(error) => {
                    tracing::warn!(%error, "inventories cannot be watched yet");
                    if pause(&stop, UNREADABLE_PAUSE).await {
                        return;
                    }
                }
            }
        };
        let mut watch =
            self.scope.client.watch(&resource, ListOptions::with_labels(INVENTORY_LABEL));
        loop {
            match watch.next().await {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    self.inventory_is(*object, &stop);
                }
                Ok(WatchEvent::Deleted(deletion)) => {
                    self.inventory_gone(&deletion.id.namespace, &deletion.id.name);
                }
                Ok(WatchEvent::Synced) => {}
                Err(error) => tracing::warn!(%error, "inventories cannot be watched"),
            }
        }
    }

    fn inventory_is(&self, object: Object, stop: &CancellationToken) {
        let Some(name) = object.label(INVENTORY_LABEL) else { return };
        let key = Key { namespace: object.namespace().to_owned(), name: name.to_owned() };
        let text = object.str_at(&["data", OBJECTS_KEY]).unwrap_or_default();
        lock(&self.board).recorded(&key, object.name(), text);
        {
            let mut subjects = lock(&self.subjects);
            // The shards of one inventory sort behind its first ConfigMap.
            let is_first = subjects.get(&key).is_none_or(|known| object.name() <= known.name());
            if is_first {
                subjects.insert(key.clone(), without_data(object));
            }
        }
        self.adjust_watches(stop);
        self.queue.add(key);
    }

    fn inventory_gone(&self, namespace: &str, config_map: &str) {
        let owner = lock(&self.subjects)
            .keys()
            .find(|key| {
                key.namespace == namespace
                    && key
                        .name
                        .parse::<sync::DeliveryName>()
                        .is_ok_and(|name| is_shard_of(&name, config_map))
            })
            .cloned();
        let Some(key) = owner else { return };
        lock(&self.board).unrecorded(&key, config_map);
        self.queue.add(key);
        self.drop_watches();
    }

    /// Begins the watches that are needed.
    fn adjust_watches(&self, stop: &CancellationToken) {
        self.drop_watches();
        let wanted = lock(&self.board).wanted_kinds();
        let mut watches = lock(&self.watches);
        for kind in wanted {
            watches.entry(kind.clone()).or_insert_with(|| {
                let token = stop.child_token();
                tokio::spawn(self.clone().follow_kind(kind, token.clone()));
                token.drop_guard()
            });
        }
    }

    /// Ends the watches that nobody needs.
    fn drop_watches(&self) {
        let wanted = lock(&self.board).wanted_kinds();
        lock(&self.watches).retain(|kind, _| wanted.contains(kind));
    }

    /// Keeps the board's health of one kind equal to the cluster's.
    async fn follow_kind(self, kind: GroupKind, stop: CancellationToken) {
        loop {
            let resource = self.scope.client.resolve_kind(&kind).await;
            match resource {
                Ok(resource) if resource.supports("watch") => {
                    let options = ListOptions::with_labels(DELIVERY_LABEL);
                    let mut watch = self.scope.client.watch(&resource, options);
                    loop {
                        let event = tokio::select! {
                            () = stop.cancelled() => return,
                            event = watch.next() => event,
                        };
                        match event {
                            Ok(event) => self.kind_event(&kind, event),
                            Err(error) => self.kind_unreadable(&kind, &error.to_string()),
                        }
                    }
                }
                Ok(_) => self.kind_unreadable(&kind, "it cannot be watched"),
                Err(error) => self.kind_unreadable(&kind, &error.to_string()),
            }
            if pause(&stop, UNREADABLE_PAUSE).await {
                return;
            }
        }
    }

    fn kind_event(&self, kind: &GroupKind, event: WatchEvent) {
        let keys = {
            let mut board = lock(&self.board);
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    let id = object.id();
                    if !board.seen(id.clone(), health::assess(&object)) {
                        return;
                    }
                    board.with_object(&id)
                }
                WatchEvent::Deleted(deletion) => {
                    board.gone(&deletion.id);
                    board.with_object(&deletion.id)
                }
                WatchEvent::Synced => {
                    board.listed(kind);
                    board.with_kind(kind)
                }
            }
        };
        for key in keys {
            self.queue.add(key);
        }
    }

    fn kind_unreadable(&self, kind: &GroupKind, reason: &str) {
        tracing::warn!(%kind, reason, "a kind of a delivery cannot be watched");
        let keys = {
            let mut board = lock(&self.board);
            board.unreadable(kind);
            board.with_kind(kind)
        };
        for key in keys {
            self.queue.add(key);
        }
    }

    /// One look at one delivery.
    async fn reconcile(&self, key: &Key) -> Outcome {
        let numbers = &self.scope.numbers;
        let (tally, next) = {
            let mut board = lock(&self.board);
            if !board.has(key) {
                drop(board);
                numbers.remove_objects(&key.namespace, &key.name);
                lock(&self.subjects).remove(key);
                self.queue.forget(key);
                numbers.pass(NAME, "gone");
                return Outcome::Done;
            }
            let Some(tally) = board.tally(key) else {
                numbers.pass(NAME, "incomplete");
                return Outcome::Done;
            };
            let next = board.judge(key, &tally, Instant::now());
            (tally, next)
        };
        numbers.set_objects(&key.namespace, &key.name, &tally.counts);
        numbers.pass(NAME, "done");
        match next {
            Next::Quiet => Outcome::Done,
            Next::Wait(pause) => Outcome::Again(pause),
            Next::Tell(verdict) => {
                if !self.scope.leadership.holds() {
                    return Outcome::Done;
                }
                self.tell(key, verdict, &tally).await;
                lock(&self.board).told(key, verdict);
                Outcome::Done
            }
        }
    }

    /// An event on the delivery's first ConfigMap.
    async fn tell(&self, key: &Key, verdict: Verdict, tally: &board::Tally) {
        let Some(subject) = lock(&self.subjects).get(key).cloned() else { return };
        let (r#type, reason, note) = match (verdict, &tally.worst) {
            (Verdict::Degraded, Some((id, health))) => {
                (EventType::Warning, "Degraded", format!("{id} is {health}"))
            }
            (Verdict::Degraded, None) => (EventType::Warning, "Degraded", String::new()),
            (Verdict::Healthy, _) => {
                let objects: usize = tally.counts.values().sum();
                (EventType::Normal, "Healthy", format!("{objects} objects are well again"))
            }
        };
        tracing::info!(delivery = %key.name, namespace = %key.namespace, reason, note, "health turned");
        let news =
            News { r#type, reason: reason.to_owned(), action: "AssessHealth".to_owned(), note };
        self.scope.events.tell(&subject, news).await;
    }
}

/// Whether the ConfigMap is one of the delivery's inventory.
fn is_shard_of(name: &sync::DeliveryName, config_map: &str) -> bool {
    let first = name.inventory_object(0);
    match config_map.strip_prefix(&first) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('-')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())),
        None => false,
    }
}

/// Identity is all that an event needs.
fn without_data(mut object: Object) -> Object {
    let map = object.as_map_mut();
    map.remove("data");
    object.metadata_mut().remove("managedFields");
    object
}

/// Waits; true when it was told to stop.
async fn pause(stop: &CancellationToken, time: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(time) => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_belong_to_the_delivery_whose_name_they_carry() {
        let name: sync::DeliveryName = "web".parse().unwrap();
        assert!(is_shard_of(&name, "orlop-inventory-web"));
        assert!(is_shard_of(&name, "orlop-inventory-web-12"));
        assert!(!is_shard_of(&name, "orlop-inventory-web-a"));
        assert!(!is_shard_of(&name, "orlop-inventory-webs"));
    }

    #[test]
    fn nothing_but_events_may_be_written_and_secrets_may_not_be_read() {
        for rule in RECONCILER.rules {
            let writes = rule.verbs.iter().any(|verb| !READ.contains(verb));
            assert!(!writes || rule.resources == ["events"], "{rule:?}");
            assert!(!rule.resources.contains(&"secrets"), "{rule:?}");
            assert!(!rule.verbs.contains(&"*") && !rule.resources.contains(&"*"), "{rule:?}");
        }
    }
}
