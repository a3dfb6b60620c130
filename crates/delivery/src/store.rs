//! Where the inventory is kept: ConfigMaps in one namespace, written only by their own manager.
//!
//! Every write names the resourceVersion that was read, so that two runs of one delivery cannot
//! both believe that they know what is recorded.

use crate::desired::DesiredSet;
use crate::error::DeliveryError;
use crate::fate::Claims;
use crate::live::Version;
use cluster::{ApplyOptions, Client, ClusterError, DeleteOptions, Deleted, ListOptions, Resource};
use objects::{GroupVersionKind, Object, ObjectRef};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync::inventory::{SHARDS_MAX, ShardWrite};
use sync::name::{INVENTORY_LABEL, INVENTORY_MANAGER};
use sync::{DeliveryName, Inventory};

/// The key of the lines in a ConfigMap.
const OBJECTS_KEY: &str = "objects";
/// The key of the source that was applied last, in the first ConfigMap.
const SOURCE_KEY: &str = "source";

/// An inventory as it stands in the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    name: DeliveryName,
    namespace: String,
    resource: Arc<Resource>,
    shards: BTreeMap<usize, Shard>,
    /// What is recorded.
    pub(crate) inventory: Inventory,
    /// Where from, as recorded.
    pub(crate) source: String,
    /// Whether the inventory's identities are those of the tree.
    is_shared: bool,
}

#[derive(Debug, Clone)]
struct Shard {
    /// The hash of its text: as long as the inventory itself, and only needed to see a difference.
    hash: [u8; 32],
    resource_version: String,
    uid: String,
}

/// Inventories of all deliveries, by namespace and name.
pub(crate) type Found = BTreeMap<(String, String), (usize, String)>;

impl Store {
    /// Reads the inventory; one request.
    pub(crate) async fn read(
        client: &Client,
        name: &DeliveryName,
        namespace: &str,
    ) -> Result<Self, DeliveryError> {
        let resource = config_maps(client).await?;
        let options = ListOptions {
            namespace: namespace.to_owned(),
            ..ListOptions::with_labels(format!("{INVENTORY_LABEL}={name}"))
        };
        let listed = client
            .list(&resource, &options)
            .await
            .map_err(DeliveryError::cluster(format!("read the inventory in {namespace}")))?;
        let mut store = Self {
            name: name.clone(),
            namespace: namespace.to_owned(),
            resource,
            shards: BTreeMap::new(),
            inventory: Inventory::default(),
            source: String::new(),
            is_shared: false,
        };
        for object in &listed.objects {
            store.add(object)?;
        }
        Ok(store)
    }

    /// Where it is kept.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The version of each ConfigMap.
    pub(crate) fn versions(&self) -> BTreeMap<String, Version> {
        let version = |shard: &Shard| Version::parse(&shard.resource_version);
        let shards = self.shards.iter();
        shards.map(|(index, shard)| (self.name.inventory_object(*index), version(shard))).collect()
    }

    /// Lets what was just read share its identities with the tree, of which it has most.
    pub(crate) fn share(&mut self, set: &DesiredSet) {
        if !std::mem::replace(&mut self.is_shared, true) {
            let known = |id: &ObjectRef| set.by_id.get_key_value(id).map(|(id, _)| id.clone());
            self.inventory.share(known);
        }
    }

    /// Whether anything is stored at all.
    pub(crate) fn exists(&self) -> bool {
        !self.shards.is_empty()
    }

    fn add(&mut self, object: &Object) -> Result<(), DeliveryError> {
        let index =
            (0..SHARDS_MAX).find(|index| self.name.inventory_object(*index) == object.name());
        let Some(index) = index else {
            tracing::warn!(name = object.name(), "a ConfigMap with an inventory's label is none");
            return Ok(());
        };
        let text = object.str_at(&["data", OBJECTS_KEY]).unwrap_or_default();
        self.inventory.read(text).map_err(|source| DeliveryError::Inventory {
            namespace: self.namespace.clone(),
            object: object.name().to_owned(),
            source,
        })?;
        if let Some(source) = object.str_at(&["data", SOURCE_KEY]) {
            source.clone_into(&mut self.source);
        }
        let shard = Shard {
            hash: hash(text),
            resource_version: object.resource_version().unwrap_or_default().to_owned(),
            uid: object.uid().unwrap_or_default().to_owned(),
        };
        self.shards.insert(index, shard);
        Ok(())
    }

    /// Makes the stored inventory equal to `wanted`. Equal shards are not written.
    pub(crate) async fn write(
        &mut self,
        client: &Client,
        wanted: Inventory,
        source: &str,
    ) -> Result<(), DeliveryError> {
        let is_same = |shard: &Shard, text: &str| shard.hash == hash(text);
        let writes = wanted.writes(&self.shards, is_same);
        let writes = writes.map_err(|error| DeliveryError::Inventory {
            namespace: self.namespace.clone(),
            object: self.name.inventory_object(0),
            source: error,
        })?;
        for write in writes {
            match write {
                ShardWrite::Put { shard, text } => self.put(client, shard, text, source).await?,
                ShardWrite::Remove { shard } => self.remove(client, shard).await?,
            }
        }
        self.inventory = wanted;
        Ok(())
    }

    async fn put(
        &mut self,
        client: &Client,
        index: usize,
        text: String,
        source: &str,
    ) -> Result<(), DeliveryError> {
        let (name, hash) = (self.name.inventory_object(index), hash(&text));
        let data = match index {
            0 => json!({OBJECTS_KEY: text, SOURCE_KEY: source}),
            _ => json!({OBJECTS_KEY: text}),
        };
        let mut object = Object::from_value(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {INVENTORY_LABEL: self.name.as_str()},
            },
            "data": data,
        }))
        .map_err(|error| DeliveryError::Internal(error.to_string()))?;
        let known = self.shards.get(&index);
        if let Some(shard) = known {
            let version = json!(shard.resource_version);
            object.metadata_mut().insert("resourceVersion".to_owned(), version);
        }
        let options = ApplyOptions::new(INVENTORY_MANAGER).force();
        let written = match known {
            Some(_) => client.apply(&self.resource, &object, &options).await,
            None => client.create(&self.resource, &object, &options).await,
        };
        let applied = written.map_err(|error| self.failed(&name, error))?;
        let shard = Shard {
            hash,
            resource_version: applied.object.resource_version().unwrap_or_default().to_owned(),
            uid: applied.object.uid().unwrap_or_default().to_owned(),
        };
        self.shards.insert(index, shard);
        Ok(())
    }

    async fn remove(&mut self, client: &Client, index: usize) -> Result<(), DeliveryError> {
        let Some(shard) = self.shards.get(&index) else { return Ok(()) };
        let name = self.name.inventory_object(index);
        let options = DeleteOptions {
            uid: Some(shard.uid.clone()),
            resource_version: Some(shard.resource_version.clone()),
            ..DeleteOptions::default()
        };
        let deleted: Result<Deleted, ClusterError> =
            client.delete(&self.resource, &self.namespace, &name, &options).await;
        deleted.map_err(|error| self.failed(&name, error))?;
        self.shards.remove(&index);
        Ok(())
    }

    fn failed(&self, object: &str, source: ClusterError) -> DeliveryError {
        match source {
            ClusterError::Changed { .. } | ClusterError::AlreadyExists { .. } => {
                DeliveryError::Concurrent { name: self.name.to_string(), source }
            }
            source => DeliveryError::Cluster {
                operation: format!("write the inventory {}/{object}", self.namespace),
                source,
            },
        }
    }
}

fn hash(text: &str) -> [u8; 32] {
    repo::ContentDigest::hash(text.as_bytes())
}

impl Store {
    /// Which of these objects other inventories have, with the name of the delivery.
    pub(crate) async fn claims(
        &self,
        client: &Client,
        ids: &BTreeSet<&ObjectRef>,
    ) -> Result<Claims, DeliveryError> {
        let mut claims = Claims::new();
        for object in inventories(client, &self.namespace).await? {
            let Some(name) = object.label(INVENTORY_LABEL) else { continue };
            if name == self.name.as_str() && object.namespace() == self.namespace {
                continue;
            }
            let mut other = Inventory::default();
            // One that cannot be read is its own delivery's trouble.
            if other.read(object.str_at(&["data", OBJECTS_KEY]).unwrap_or_default()).is_err() {
                continue;
            }
            let claimed = other.iter().filter(|(id, entry)| ids.contains(id) && !entry.hook);
            claims.extend(claimed.map(|(id, _)| (id.clone(), name.to_owned())));
        }
        Ok(claims)
    }
}

/// All inventories of a cluster, or of one namespace where the whole may not be listed.
pub(crate) async fn find(client: &Client, namespace: &str) -> Result<Found, DeliveryError> {
    let mut found = Found::new();
    for object in &inventories(client, namespace).await? {
        let Some(name) = object.label(INVENTORY_LABEL) else { continue };
        let key = (object.namespace().to_owned(), name.to_owned());
        let (objects, source) = found.entry(key).or_default();
        let lines = object.str_at(&["data", OBJECTS_KEY]).unwrap_or_default().lines();
        *objects += lines.filter(|line| !line.ends_with(" hook")).count();
        if let Some(text) = object.str_at(&["data", SOURCE_KEY]) {
            text.clone_into(source);
        }
    }
    Ok(found)
}

async fn inventories(client: &Client, namespace: &str) -> Result<Vec<Object>, DeliveryError> {
    let resource = config_maps(client).await?;
    let everywhere = ListOptions::with_labels(INVENTORY_LABEL);
    let listed = match client.list(&resource, &everywhere).await {
        Err(ClusterError::Forbidden(_)) if !namespace.is_empty() => {
            let here = ListOptions { namespace: namespace.to_owned(), ..everywhere };
            client.list(&resource, &here).await
        }
        other => other,
    };
    Ok(listed.map_err(DeliveryError::cluster("list the inventories"))?.objects)
}

pub(crate) async fn config_maps(client: &Client) -> Result<Arc<Resource>, DeliveryError> {
    let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
    client.resolve(&gvk).await.map_err(DeliveryError::cluster("discover what the cluster serves"))
}
