//! What is seen of a delivery's live objects: their health, and that somebody touched them.
//!
//! One watch per kind, narrowed to the delivery's label, so that memory follows what was delivered
//! and not what is in the cluster. A change of nothing but status and bookkeeping is no touch.
//! Events come as bits to the owner's mailbox: what was touched is looked at by a plan.

use cluster::{Client, ListOptions, WatchEvent};
use objects::health::{self, HealthStatus};
use objects::{GroupKind, Object, ObjectRef};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A kind that cannot be watched is asked for again after this time.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(30);

/// What woke the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// An object's content changed, or it is gone.
    Touched,
    /// Health of an object changed, or a kind was listed.
    Health,
}

/// Health of all recorded objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wellness {
    pub(crate) counts: BTreeMap<HealthStatus, u32>,
    /// Objects that are neither healthy nor suspended, with the reason, the worst first.
    pub(crate) unwell: Vec<(HealthStatus, ObjectRef, String)>,
    /// Whether every kind was listed.
    pub(crate) complete: bool,
}

/// Judges an object: the built-in rules, or those of a GitSync.
pub(crate) type Judge = Arc<dyn Fn(&Object) -> health::Health + Send + Sync>;

/// The watches of one delivery.
pub(crate) struct Eyes {
    shared: Arc<Shared>,
    watches: BTreeMap<GroupKind, DropGuard>,
}

struct Shared {
    selector: String,
    judge: Judge,
    seen: Mutex<Seen>,
    tell: Box<dyn Fn(Sight) + Send + Sync>,
}

#[derive(Default)]
struct Seen {
    recorded: BTreeSet<ObjectRef>,
    objects: BTreeMap<ObjectRef, Look>,
    listed: BTreeSet<GroupKind>,
    unreadable: BTreeMap<GroupKind, String>,
}

struct Look {
    content: u64,
    status: HealthStatus,
    message: String,
}

impl Eyes {
    pub(crate) fn new(
        selector: String,
        judge: Judge,
        tell: impl Fn(Sight) + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared { selector, judge, seen: Mutex::default(), tell: Box::new(tell) };
        Self { shared: Arc::new(shared), watches: BTreeMap::new() }
    }

    /// Looks at exactly these objects from now on.
    pub(crate) fn look_at(&mut self, client: &Client, recorded: BTreeSet<ObjectRef>) {
        let kinds: BTreeSet<GroupKind> = recorded.iter().map(ObjectRef::group_kind).collect();
        self.watches.retain(|kind, _| kinds.contains(kind));
        {
            let mut seen = lock(&self.shared.seen);
            seen.objects.retain(|id, _| kinds.contains(&id.group_kind()));
            seen.listed.retain(|kind| kinds.contains(kind));
            seen.unreadable.retain(|kind, _| kinds.contains(kind));
            seen.recorded = recorded;
        }
        for kind in kinds {
            self.watches.entry(kind.clone()).or_insert_with(|| {
                let stop = CancellationToken::new();
                let (shared, client) = (self.shared.clone(), client.clone());
                tokio::spawn(follow(shared, client, kind, stop.clone()));
                stop.drop_guard()
            });
        }
    }

    /// Looks at nothing any more.
    pub(crate) fn close(&mut self) {
        self.watches.clear();
        *lock(&self.shared.seen) = Seen::default();
    }

    pub(crate) fn wellness(&self) -> Wellness {
        lock(&self.shared.seen).wellness()
    }
}

impl Seen {
    fn wellness(&self) -> Wellness {
        let mut wellness = Wellness { complete: true, ..Wellness::default() };
        for id in &self.recorded {
            let kind = id.group_kind();
            let (status, message) = match (self.objects.get(id), self.unreadable.get(&kind)) {
                (Some(look), _) => (look.status, look.message.clone()),
                (None, Some(reason)) => (HealthStatus::Unknown, reason.clone()),
                (None, None) if self.listed.contains(&kind) => {
                    (HealthStatus::Missing, "it does not exist".to_owned())
                }
                (None, None) => {
                    wellness.complete = false;
                    continue;
                }
            };
            *wellness.counts.entry(status).or_default() += 1;
            if status > HealthStatus::Suspended {
                wellness.unwell.push((status, id.clone(), message));
            }
        }
        wellness.unwell.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        wellness
    }
}

async fn follow(shared: Arc<Shared>, client: Client, kind: GroupKind, stop: CancellationToken) {
    loop {
        let resource = tokio::select! {
            () = stop.cancelled() => return,
            resource = client.resolve_kind(&kind) => resource,
        };
        match resource {
            Ok(resource) if resource.supports("watch") => {
                let options = ListOptions::with_labels(shared.selector.clone());
                let mut watch = client.watch(&resource, options);
                loop {
                    let event = tokio::select! {
                        () = stop.cancelled() => return,
                        event = watch.next() => event,
                    };
                    match event {
                        Ok(event) => shared.event(&kind, event),
                        Err(error) => shared.unreadable(&kind, &error.to_string()),
                    }
                }
            }
            Ok(_) => shared.unreadable(&kind, "it cannot be watched"),
            Err(error) => shared.unreadable(&kind, &error.to_string()),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UNREADABLE_PAUSE) => {}
        }
    }
}

impl Shared {
    fn event(&self, kind: &GroupKind, event: WatchEvent) {
        let sight = {
            let mut seen = lock(&self.seen);
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    seen.saw(&object, &(self.judge)(&object))
                }
                WatchEvent::Deleted(deletion) => {
                    let known = seen.objects.remove(&deletion.id).is_some();
                    (known && seen.recorded.contains(&deletion.id)).then_some(Sight::Touched)
                }
                WatchEvent::Synced => {
                    seen.unreadable.remove(kind);
                    // Whatever happened before this list is looked for once.
                    Some(if seen.listed.insert(kind.clone()) {
                        Sight::Touched
                    } else {
                        Sight::Health
                    })
                }
            }
        };
        if let Some(sight) = sight {
            (self.tell)(sight);
        }
    }

    fn unreadable(&self, kind: &GroupKind, reason: &str) {
        let news = lock(&self.seen).unreadable.insert(kind.clone(), reason.to_owned());
        if news.as_deref() != Some(reason) {
            tracing::warn!(%kind, reason, "a kind of a delivery cannot be watched");
            (self.tell)(Sight::Health);
        }
    }
}

impl Seen {
    fn saw(&mut self, object: &Object, health: &health::Health) -> Option<Sight> {
        let id = object.id();
        let listed = self.listed.contains(&id.group_kind());
        let content = content(object);
        let look = Look { content, status: health.status, message: health.message.clone() };
        let known = self.objects.insert(id, look);
        match known {
            Some(known) if known.content != content => Some(Sight::Touched),
            Some(known) if known.status != health.status || known.message != health.message => {
                Some(Sight::Health)
            }
            Some(_) => None,
            None if listed => Some(Sight::Touched),
            None => None,
        }
    }
}

/// What somebody wrote, without what only the server and the object's own controller write.
fn content(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (key, value) in object.as_map() {
        match (key.as_str(), value.as_object()) {
            ("status", _) => {}
            ("metadata", Some(metadata)) => {
                for (key, value) in metadata {
                    if !matches!(key.as_str(), "resourceVersion" | "managedFields" | "generation") {
                        (key, value.to_string()).hash(&mut hasher);
                    }
                }
            }
            (key, _) => (key, value.to_string()).hash(&mut hasher),
        }
    }
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str, replicas: u32, phase: &str) -> Object {
        Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "resourceVersion": version},
            "spec": {"replicas": replicas}, "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn a_change_of_status_alone_is_no_touch() {
        let mut seen = Seen::default();
        let mut saw = |object: &Object| seen.saw(object, &health::assess(object));
        assert_eq!(saw(&object("1", 1, "Pending")), None);
        assert_eq!(saw(&object("2", 1, "Pending")), None);
        assert_eq!(saw(&object("3", 1, "Failed")), Some(Sight::Health));
        assert_eq!(saw(&object("4", 2, "Failed")), Some(Sight::Touched));
    }

    #[test]
    fn an_object_that_was_not_seen_is_missing_only_after_the_list() {
        let id = object("1", 1, "").id();
        let mut seen = Seen { recorded: BTreeSet::from([id.clone()]), ..Seen::default() };
        assert!(!seen.wellness().complete);
        seen.listed.insert(id.group_kind());
        let wellness = seen.wellness();
        assert!(wellness.complete);
        assert_eq!(wellness.counts, BTreeMap::from([(HealthStatus::Missing, 1)]));
    }
}
