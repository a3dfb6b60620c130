//! What a delivery has in a cluster, and which deliveries a cluster has.

use crate::error::DeliveryError;
use crate::report::{DeliverySummary, ObjectHealth, STATUS_SCHEMA, Status};
use crate::store::{self, Store};
use cluster::{Client, ClusterError, ListOptions, Resource};
use futures_util::stream::{self, StreamExt};
use objects::health::{self, Health, HealthStatus};
use objects::{GroupKind, Object, ObjectRef, Uid};
use std::collections::{BTreeMap, BTreeSet};
use sync::{DeliveryName, Inventory};

/// Objects in one page.
const PAGE_OBJECTS: u32 = 250;
/// Objects that are looked up by name at once, because the list by label lacks them.
const LOOKUPS_AT_ONCE: usize = 16;

/// The recorded objects with their health. One request per kind, and one for each object that
/// has lost its label.
///
/// # Errors
/// [`DeliveryError::NotFound`], and when the cluster cannot be asked.
pub async fn status(
    client: &Client,
    name: &DeliveryName,
    inventory_namespace: &str,
) -> Result<Status, DeliveryError> {
    let mut store = Store::read(client, name, inventory_namespace).await?;
    if !store.exists() {
        return Err(not_found(client, name, inventory_namespace).await);
    }
    store.inventory.without_hooks();
    let mut found: BTreeMap<ObjectRef, Health> = BTreeMap::new();
    let kinds: BTreeSet<GroupKind> =
        store.inventory.iter().map(|(id, _)| id.group_kind()).collect();
    for kind in kinds {
        let ids: Vec<&ObjectRef> =
            store.inventory.iter().map(|(id, _)| id).filter(|id| id.group_kind() == kind).collect();
        match client.resolve_kind(&kind).await {
            Ok(resource) => {
                look(client, name, &resource, &ids, &store.inventory, &mut found).await?;
            }
            Err(
                error @ (ClusterError::NoSuchKind { .. } | ClusterError::ApiUnavailable { .. }),
            ) => {
                let status = match error {
                    ClusterError::NoSuchKind { .. } => HealthStatus::Missing,
                    _ => HealthStatus::Unknown,
                };
                let health = Health::new(status, error.to_string());
                found.extend(ids.into_iter().map(|id| (id.clone(), health.clone())));
            }
            Err(source) => {
                let operation = format!("discover the kind {kind}");
                return Err(DeliveryError::Cluster { operation, source });
            }
        }
    }
    let worst = found.values().map(|health| health.status).max().unwrap_or(HealthStatus::Healthy);
    Ok(Status {
        schema: STATUS_SCHEMA.to_owned(),
        delivery: name.to_string(),
        inventory_namespace: inventory_namespace.to_owned(),
        source: store.source.clone(),
        objects: found.into_iter().map(|(id, health)| ObjectHealth::new(id, health)).collect(),
        health: worst,
    })
}

async fn look(
    client: &Client,
    name: &DeliveryName,
    resource: &Resource,
    ids: &[&ObjectRef],
    recorded: &Inventory,
    found: &mut BTreeMap<ObjectRef, Health>,
) -> Result<(), DeliveryError> {
    let wanted: BTreeSet<&ObjectRef> = ids.iter().copied().collect();
    let namespaces: BTreeSet<&str> = ids.iter().map(|id| id.namespace.as_str()).collect();
    let namespace = match namespaces.len() {
        1 => namespaces.first().copied().unwrap_or_default(),
        _ => "",
    };
    let options = ListOptions {
        namespace: namespace.to_owned(),
        page_objects: PAGE_OBJECTS,
        ..ListOptions::with_labels(name.selector())
    };
    let mut pages = client.pages(resource, options);
    loop {
        let mut see = |live: Object| {
            let id = live.id();
            if wanted.contains(&id) {
                let health = judge(recorded, &id, Some(&live));
                found.insert(id, health);
            }
        };
        match pages.next_each(&mut see).await {
            Ok(Some(_)) => {}
            // Single objects may be readable all the same.
            Ok(None) | Err(ClusterError::Forbidden(_)) => break,
            Err(source) => {
                let operation = format!("list {}", resource.subject(namespace, ""));
                return Err(DeliveryError::Cluster { operation, source });
            }
        }
    }
    let missing: Vec<&ObjectRef> =
        wanted.into_iter().filter(|id| !found.contains_key(*id)).collect();
    let mut lives = stream::iter(missing)
        .map(|id| async move { (id, client.get(resource, &id.namespace, &id.name).await) })
        .buffer_unordered(LOOKUPS_AT_ONCE);
    while let Some((id, live)) = lives.next().await {
        let health = match live {
            Ok(live) => judge(recorded, id, live.as_ref()),
            Err(error @ ClusterError::Forbidden(_)) => {
                Health::new(HealthStatus::Unknown, error.to_string())
            }
            Err(source) => {
                let operation = format!("read {id}");
                return Err(DeliveryError::Cluster { operation, source });
            }
        };
        found.insert(id.clone(), health);
    }
    Ok(())
}

/// The health of a recorded object; another object of its name is not it.
fn judge(recorded: &Inventory, id: &ObjectRef, live: Option<&Object>) -> Health {
    let Some(live) = live else {
        return Health::new(HealthStatus::Missing, "it is recorded and does not exist");
    };
    let uid = recorded.get(id).and_then(|entry| entry.uid.as_ref());
    if uid.is_some_and(|uid| *uid != Uid::of(live)) {
        return Health::new(HealthStatus::Missing, "another object has its name now");
    }
    health::assess(live)
}

/// Every delivery of the cluster; of one namespace where more may not be listed.
///
/// # Errors
/// When the cluster cannot be asked.
pub async fn list(client: &Client, namespace: &str) -> Result<Vec<DeliverySummary>, DeliveryError> {
    let found = store::find(client, namespace).await?;
    Ok(found
        .into_iter()
        .map(|((inventory_namespace, name), (objects, source))| DeliverySummary {
            name,
            inventory_namespace,
            objects,
            source,
        })
        .collect())
}

pub(crate) async fn not_found(
    client: &Client,
    name: &DeliveryName,
    namespace: &str,
) -> DeliveryError {
    let known = match store::find(client, namespace).await {
        Ok(found) => found.into_keys().map(|(home, name)| format!("{home}/{name}")).collect(),
        Err(_) => Vec::new(),
    };
    DeliveryError::NotFound { name: name.to_string(), namespace: namespace.to_owned(), known }
}
