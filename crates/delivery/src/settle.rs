//! After the writes: waiting until what was delivered is healthy.

use crate::live::{Live, LiveEvent};
use crate::progress::{Event, Progress};
use cluster::{Client, ClusterError, ListOptions, Resource, WatchEvent};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use objects::ObjectRef;
use objects::health::{self, Health, HealthStatus};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Objects in one page of the list that a watch begins with; a page is held parsed.
const PAGE_OBJECTS: u32 = 100;
/// A Job that failed does not come back.
const FINAL_WHEN_DEGRADED: &str = "Job";

/// An object that is waited for.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) resource: Arc<Resource>,
    pub(crate) health: Health,
}

type Next = BoxFuture<'static, (cluster::Watch, Result<WatchEvent, ClusterError>)>;

/// How to wait.
pub(crate) struct Settle<'a> {
    pub(crate) client: &'a Client,
    /// Watches that are there already.
    pub(crate) live: Option<&'a Live>,
    pub(crate) until: Instant,
}

/// Waits until nothing is pending, the time is over, everything left has failed for good, or the
/// person has enough. What is left stays in `pending` with its last verdict.
pub(crate) async fn settle(
    Settle { client, live, until }: &Settle<'_>,
    selector: &str,
    pending: &mut BTreeMap<ObjectRef, Pending>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) {
    if let Some(live) = live
        && pending.iter().all(|(id, one)| live.follows(&one.resource.gvk, id))
    {
        return by_memory(live, pending, *until, progress, cancel).await;
    }
    let mut watches: FuturesUnordered<Next> = places(pending)
        .into_iter()
        .map(|(resource, namespace)| {
            let options = ListOptions {
                namespace,
                page_objects: PAGE_OBJECTS,
                ..ListOptions::with_labels(selector.to_owned())
            };
            next(client.watch(&resource, options))
        })
        .collect();
    while pending.iter().any(|(id, pending)| !is_final(id, &pending.health)) {
        let answer = tokio::select! {
            answer = tokio::time::timeout_at(*until, watches.next()) => answer,
            () = cancel.cancelled() => return,
        };
        let Ok(Some((watch, event))) = answer else { return };
        match event {
            Ok(event) => {
                follow(event, pending, progress);
                watches.push(next(watch));
            }
            Err(error) if error.is_transient() => watches.push(next(watch)),
            Err(error) => tracing::warn!(%error, "health cannot be watched"),
        }
    }
}

/// As [`settle`], by the watches that are there.
async fn by_memory(
    live: &Live,
    pending: &mut BTreeMap<ObjectRef, Pending>,
    until: Instant,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) {
    let mut events = live.events();
    let missing = || Health::new(HealthStatus::Missing, "it was deleted");
    let now = |pending: &mut BTreeMap<ObjectRef, Pending>| {
        let ids: Vec<ObjectRef> = pending.keys().cloned().collect();
        for id in ids {
            let health = live.memory().health(&id).unwrap_or_else(missing);
            turned(id, health, pending, progress);
        }
    };
    // What came between the write and here.
    now(pending);
    while pending.iter().any(|(id, pending)| !is_final(id, &pending.health)) {
        let answer = tokio::select! {
            answer = tokio::time::timeout_at(until, events.next()) => answer,
            () = cancel.cancelled() => return,
        };
        match answer {
            Ok(Some(LiveEvent::Health { object, health })) => {
                turned(object, health, pending, progress);
            }
            Ok(Some(LiveEvent::Missed(_))) => now(pending),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

fn is_final(id: &ObjectRef, health: &Health) -> bool {
    health.status == HealthStatus::Degraded && id.kind == FINAL_WHEN_DEGRADED
}

fn next(mut watch: cluster::Watch) -> Next {
    async move {
        let event = watch.next().await;
        (watch, event)
    }
    .boxed()
}

/// One watch per kind, in one namespace where that is enough.
fn places(pending: &BTreeMap<ObjectRef, Pending>) -> Vec<(Arc<Resource>, String)> {
    let mut places: BTreeMap<String, (Arc<Resource>, String)> = BTreeMap::new();
    for (id, Pending { resource, .. }) in pending {
        let place = places
            .entry(format!("{}/{}", resource.gvk.version, resource.name()))
            .or_insert_with(|| (resource.clone(), id.namespace.clone()));
        if place.1 != id.namespace {
            place.1.clear();
        }
    }
    places.into_values().collect()
}

fn follow(event: WatchEvent, pending: &mut BTreeMap<ObjectRef, Pending>, progress: &dyn Progress) {
    let (id, health) = match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            (object.id(), health::assess(&object))
        }
        WatchEvent::Deleted(deletion) => {
            (deletion.id, Health::new(HealthStatus::Missing, "it was deleted"))
        }
        WatchEvent::Synced => return,
    };
    turned(id, health, pending, progress);
}

fn turned(
    id: ObjectRef,
    health: Health,
    pending: &mut BTreeMap<ObjectRef, Pending>,
    progress: &dyn Progress,
) {
    let Some(known) = pending.get_mut(&id) else { return };
    if known.health == health {
        return;
    }
    known.health = health.clone();
    if health.status <= HealthStatus::Suspended {
        pending.remove(&id);
    }
    progress.event(&Event::Health { object: id, health, pending: pending.len() });
}
