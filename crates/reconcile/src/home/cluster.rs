//! GitSyncs as objects of the cluster that this process runs in.

use super::{Home, Material, MaterialKind};
use crate::ReconcileError;
use crate::names::user_of;
use cluster::{
    ApplyOptions, Client, ConnectOptions, Events, Leadership, News, PatchOptions, Resource,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gitops::spec::{API_VERSION, FINALIZER, GROUP, GitSync, KIND, Status, SyncKey, VERSION, Valid};
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// Connections as service accounts that are kept.
const CLIENTS_MAX: usize = 256;

/// The cluster itself.
pub struct ClusterHome {
    client: Client,
    connect: ConnectOptions,
    events: Events,
    leadership: Leadership,
    owner: &'static str,
    /// What people call the cluster.
    name: String,
    /// By user; a connection keeps its discovery and its sockets.
    clients: std::sync::Mutex<BTreeMap<String, Client>>,
}

impl ClusterHome {
    /// A home for the time of one leadership. `owner` is the field manager of what we write,
    /// `name` what people call the cluster.
    #[must_use]
    pub fn new(
        client: Client,
        connect: ConnectOptions,
        events: Events,
        leadership: Leadership,
        owner: &'static str,
        name: String,
    ) -> Self {
        let clients = std::sync::Mutex::default();
        Self { client, connect, events, leadership, owner, name, clients }
    }

    async fn resource(&self, kind: &GroupVersionKind) -> Result<Arc<Resource>, ReconcileError> {
        let found = self.client.resolve(kind).await;
        found.map_err(ReconcileError::cluster(format!("discover the kind {}", kind.kind)))
    }

    async fn act_as(&self, sync: &Valid) -> Result<Client, ReconcileError> {
        let Some(account) = &sync.spec().service_account_name else {
            return Ok(self.client.clone());
        };
        let who = user_of(&sync.key().namespace, account);
        let lock = || self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&who.user) {
            return Ok(known.clone());
        }
        let user = who.user.clone();
        let options = ConnectOptions { impersonate: Some(who), ..self.connect.clone() };
        let client = Client::connect(&options)
            .await
            .map_err(ReconcileError::cluster(format!("connect as {user}")))?;
        let mut clients = lock();
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(user, client.clone());
        Ok(client)
    }

    async fn read(
        &self,
        client: &Client,
        kind: MaterialKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Material>, ReconcileError> {
        let gvk = GroupVersionKind::from_api_version("v1", kind.name());
        let resource = self.resource(&gvk).await?;
        let found = client.get(&resource, namespace, name).await;
        let found = found.map_err(|source| ReconcileError::Material {
            kind: kind.name(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        Ok(found.map(|object| material(kind, &object)))
    }

    async fn status(&self, sync: &GitSync, status: &Status) -> Result<(), ReconcileError> {
        let resource = self.resource(&gvk()).await?;
        let (namespace, name) = (&sync.metadata.namespace, &sync.metadata.name);
        let document = json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"namespace": namespace, "name": name, "uid": sync.metadata.uid},
            "status": status,
        });
        let operation = || format!("write the status of {}", sync.key());
        let object = Object::from_value(document).map_err(|error| ReconcileError::Cluster {
            operation: operation(),
            source: Box::new(cluster::ClusterError::BadRequest {
                subject: sync.key().to_string(),
                message: error.to_string(),
            }),
        })?;
        let options = ApplyOptions::new(self.owner).force();
        let written = self.client.apply_status(&resource, &object, &options).await;
        written.map(drop).map_err(ReconcileError::cluster(operation()))
    }

    async fn finalizer(&self, sync: &GitSync, hold: bool) -> Result<(), ReconcileError> {
        let resource = self.resource(&gvk()).await?;
        let key = sync.key();
        let operation = format!("write the finalizer of {key}");
        let live = self.client.get_metadata(&resource, &key.namespace, &key.name).await;
        let live = live.map_err(ReconcileError::cluster(operation.clone()))?;
        let Some(live) = live.filter(|live| live.uid() == sync.metadata.uid.as_deref()) else {
            return Ok(());
        };
        let known: Vec<String> = live
            .at(&["metadata", "finalizers"])
            .and_then(Value::as_array)
            .map(|all| all.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect())
            .unwrap_or_default();
        if known.iter().any(|one| one == FINALIZER) == hold {
            return Ok(());
        }
        let mut wanted: Vec<String> = known.into_iter().filter(|one| one != FINALIZER).collect();
        if hold {
            wanted.push(FINALIZER.to_owned());
        }
        let options = PatchOptions {
            field_manager: self.owner.to_owned(),
            resource_version: live.resource_version().map(str::to_owned),
            ..PatchOptions::default()
        };
        let patch = json!({"metadata": {"finalizers": wanted}});
        let (namespace, name) = (&key.namespace, &key.name);
        let patched = self.client.patch_merge(&resource, namespace, name, &patch, &options).await;
        match patched {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop).map_err(ReconcileError::cluster(operation)),
        }
    }
}

pub(crate) fn gvk() -> GroupVersionKind {
    GroupVersionKind::from_api_version(&format!("{GROUP}/{VERSION}"), KIND)
}

/// Values of a Secret come in base64.
pub(crate) fn material(kind: MaterialKind, object: &Object) -> Material {
    let entries = object.at(&["data"]).and_then(Value::as_object);
    let decode = |text: &str| match kind {
        MaterialKind::ConfigMap => Some(text.as_bytes().to_vec()),
        MaterialKind::Secret => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).ok()
        }
    };
    Material(
        entries
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), decode(value.as_str()?)?)))
            .collect(),
    )
}

/// A GitSync as the object that events are about.
pub(crate) fn subject(sync: &GitSync) -> Option<Object> {
    Object::from_value(json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {
            "namespace": sync.metadata.namespace, "name": sync.metadata.name,
            "uid": sync.metadata.uid,
        },
    }))
    .ok()
}

impl Home for ClusterHome {
    fn client<'a>(&'a self, sync: &'a Valid) -> BoxFuture<'a, Result<Client, ReconcileError>> {
        self.act_as(sync).boxed()
    }

    fn material<'a>(
        &'a self,
        sync: &'a SyncKey,
        kind: MaterialKind,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>> {
        self.read(&self.client, kind, &sync.namespace, name).boxed()
    }

    fn own_secret<'a>(
        &'a self,
        sync: &'a Valid,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>> {
        async move {
            let client = self.act_as(sync).await?;
            self.read(&client, MaterialKind::Secret, &sync.key().namespace, name).await
        }
        .boxed()
    }

    fn cluster_name(&self, _: &SyncKey) -> String {
        self.name.clone()
    }

    fn write_status<'a>(
        &'a self,
        sync: &'a GitSync,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        self.status(sync, status).boxed()
    }

    fn hold<'a>(
        &'a self,
        sync: &'a GitSync,
        hold: bool,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        self.finalizer(sync, hold).boxed()
    }

    fn tell<'a>(&'a self, sync: &'a GitSync, news: News) -> BoxFuture<'a, ()> {
        async move {
            if let Some(subject) = subject(sync).filter(|_| self.leadership.holds()) {
                self.events.tell(&subject, news).await;
            }
        }
        .boxed()
    }

    fn may_act(&self) -> bool {
        self.leadership.holds()
    }

    fn actor(&self, sync: &Valid) -> String {
        match &sync.spec().service_account_name {
            Some(account) => user_of(&sync.key().namespace, account).user,
            None => self.owner.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_13_what_is_read_of_a_secret_is_not_in_its_debug_form() {
        let object = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"password": "Q0FOQVJZ", "broken": "*"},
        }))
        .unwrap();
        let read = material(MaterialKind::Secret, &object);
        assert_eq!(read.text("password"), Some("CANARY"));
        assert_eq!((read.text("broken"), read.text("absent")), (None, None));
        assert_eq!(format!("{read:?}"), "{\"password\"}");
    }
}
