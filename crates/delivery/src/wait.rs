//! Waiting for objects by watch: ready, gone, healthy. Never by a fixed pause.

use crate::deliver::Failure;
use cluster::{Client, ClusterError, ListOptions, Resource, WatchEvent};
use objects::health::{self, HealthStatus};
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef};
use std::sync::Arc;
use tokio::time::Instant;

/// The account without which no Pod of a namespace is admitted.
const DEFAULT_ACCOUNT: &str = "default";

/// What an awaited object's dependants need of it.
pub(crate) struct Readiness {
    pub(crate) client: Client,
    pub(crate) resource: Arc<Resource>,
    pub(crate) id: ObjectRef,
    /// As it was seen last, where that is worth a look.
    pub(crate) object: Option<Object>,
    /// Kinds that the tree uses of a CustomResourceDefinition.
    pub(crate) kinds: Vec<GroupVersionKind>,
    /// Whether the tree has bare Pods in this namespace.
    pub(crate) pods: bool,
    pub(crate) until: Instant,
}

impl Readiness {
    /// Waits until dependants can be applied.
    pub(crate) async fn wait(self) -> Result<(), Failure> {
        if self.object.as_ref().and_then(is_ready) != Some(Ok(())) {
            let place = (self.id.namespace.as_str(), self.id.name.as_str());
            let seen = watch_for(&self.client, &self.resource, place, self.until, |state| {
                state.and_then(is_ready)
            })
            .await;
            match seen {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(reason)) | Err(reason)) => {
                    return Err(Failure::new(format!("it did not become ready: {reason}"), true));
                }
                Err(error) => return Err(Failure::of(error)),
            }
        }
        for gvk in &self.kinds {
            let left = self.until.saturating_duration_since(Instant::now());
            self.client.wait_for_kind(gvk, left).await.map_err(Failure::of)?;
        }
        if self.pods {
            self.account().await.map_err(Failure::of)?;
        }
        Ok(())
    }

    /// Waits for the namespace's default account; Pods are refused without it.
    async fn account(&self) -> Result<(), ClusterError> {
        let gvk = GroupVersionKind::from_api_version("v1", "ServiceAccount");
        let resource = self.client.resolve(&gvk).await?;
        let place = (self.id.name.as_str(), DEFAULT_ACCOUNT);
        watch_until(&self.client, &resource, place, self.until, |state| state.is_some())
            .await
            .map(|_| ())
    }
}

/// Whether dependants can be applied, as far as the object itself says it; an error when it never
/// will be.
fn is_ready(object: &Object) -> Option<Result<(), String>> {
    if object.is_terminating() {
        return None;
    }
    let kind = object.gvk().group_kind();
    if kind == GroupKind::new("", "Namespace") {
        return (object.str_at(&["status", "phase"]) == Some("Active")).then_some(Ok(()));
    }
    if kind == GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition") {
        let conditions = object.at(&["status", "conditions"]).and_then(|list| list.as_array());
        let established = conditions.into_iter().flatten().any(|condition| {
            let is = |key: &str, value: &str| {
                condition.get(key).and_then(|text| text.as_str()) == Some(value)
            };
            is("type", "Established") && is("status", "True")
        });
        return established.then_some(Ok(()));
    }
    let health = health::assess(object);
    match health.status {
        status if status <= HealthStatus::Suspended => Some(Ok(())),
        // A Job that failed does not come back.
        HealthStatus::Degraded if kind == GroupKind::new("batch", "Job") => {
            Some(Err(described(Some(object))))
        }
        _ => None,
    }
}

/// Watches one object until `done` is content with its state (`None` is absent). Gives `None`
/// then, and what was seen last when the time is over.
pub(crate) async fn watch_until(
    client: &Client,
    resource: &Resource,
    place: (&str, &str),
    until: Instant,
    done: impl Fn(Option<&Object>) -> bool,
) -> Result<Option<String>, ClusterError> {
    let seen = watch_for(client, resource, place, until, |state| done(state).then_some(())).await?;
    Ok(seen.err())
}

/// Watches one object until `judge` makes something of its state (`None` is absent). What was
/// seen last when the time is over is the inner error.
pub(crate) async fn watch_for<T>(
    client: &Client,
    resource: &Resource,
    (namespace, name): (&str, &str),
    until: Instant,
    judge: impl Fn(Option<&Object>) -> Option<T>,
) -> Result<Result<T, String>, ClusterError> {
    let options = ListOptions {
        namespace: namespace.to_owned(),
        fields: format!("metadata.name={name}"),
        ..ListOptions::default()
    };
    let mut watch = client.watch(resource, options);
    let mut state: Option<Object> = None;
    loop {
        let Ok(event) = tokio::time::timeout_at(until, watch.next()).await else {
            return Ok(Err(described(state.as_ref())));
        };
        match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => state = Some(*object),
            Ok(WatchEvent::Deleted(_)) => state = None,
            Ok(WatchEvent::Synced) => {}
            // The watch goes on by itself; only the deadline ends it.
            Err(error) if error.is_transient() => continue,
            Err(error) => return Err(error),
        }
        if let Some(seen) = judge(state.as_ref()) {
            return Ok(Ok(seen));
        }
    }
}

fn described(state: Option<&Object>) -> String {
    let Some(object) = state else { return HealthStatus::Missing.to_string() };
    let health = health::assess(object);
    if health.message.is_empty() {
        health.status.to_string()
    } else {
        format!("{}: {}", health.status, health.message)
    }
}
