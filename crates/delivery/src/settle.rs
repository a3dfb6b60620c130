//! After the writes: waiting until what was delivered is healthy.

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

/// Waits until nothing is pending, the time is over, everything left has failed for good, or the
/// person has enough. What is left stays in `pending` with its last verdict.
pub(crate) async fn settle(
    client: &Client,
    selector: &str,
    pending: &mut BTreeMap<ObjectRef, Pending>,
    until: Instant,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) {
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
            answer = tokio::time::timeout_at(until, watches.next()) => answer,
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
