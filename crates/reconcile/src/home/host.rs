//! GitSyncs of a file, run by a process on a host.
//!
//! What a GitSync points to is in files below `secretsPath`, `NAMESPACE/NAME/KEY`, or, where there
//! is no such folder, in the cluster that it is delivered to, read with the kubeconfig's own
//! rights. Its status is a ConfigMap beside its inventory, so that nothing has to be kept on the
//! host. Limits: [`FILE_BYTES_MAX`], [`FILES_MAX`].

use super::cluster::material;
use super::{Home, Material, MaterialKind};
use crate::ReconcileError;
use crate::names::{delivery_name, user_of};
use cluster::{ApplyOptions, Client, ConnectOptions, EventType, News, Resource};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gitops::file::AgentSpec;
use gitops::spec::{GitSync, Status, SyncKey, Valid};
use objects::{GroupVersionKind, Object};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// Bytes of a file that stands for a key of a Secret; a Secret holds no more.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Files that stand for the keys of one Secret.
const FILES_MAX: usize = 64;
/// The key of the status in its ConfigMap.
pub const STATUS_KEY: &str = "status.json";
/// The key of the spec in it, for those who look from elsewhere.
pub const SPEC_KEY: &str = "spec.json";
/// The label of the ConfigMap; its value is the GitSync's name.
pub const STATUS_LABEL: &str = "orlop.dev/gitsync-status";
/// The field manager of statuses.
const MANAGER: &str = "orlop-status";

/// A file of GitSyncs.
pub struct HostHome {
    /// As the file says it now.
    agent: RwLock<Arc<AgentSpec>>,
    /// What relative paths start from: the folder of the file.
    base: PathBuf,
    connect: ConnectOptions,
    /// By kubeconfig, context and user.
    clients: Mutex<BTreeMap<(String, String, String), Client>>,
    stop: CancellationToken,
}

impl HostHome {
    /// The home of a file's GitSyncs until `stop` is cancelled.
    #[must_use]
    pub fn new(
        agent: AgentSpec,
        base: PathBuf,
        connect: ConnectOptions,
        stop: CancellationToken,
    ) -> Self {
        let agent = RwLock::new(Arc::new(agent));
        Self { agent, base, connect, clients: Mutex::default(), stop }
    }

    fn agent(&self) -> Arc<AgentSpec> {
        self.agent.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file says something else now. Connections are made anew: a kubeconfig of the same name
    /// may be another one.
    pub(crate) fn change(&self, agent: AgentSpec) {
        *self.agent.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(agent);
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A connection to the cluster of a GitSync, as the kubeconfig's user or as somebody else.
    async fn connect(
        &self,
        key: &SyncKey,
        account: Option<&str>,
    ) -> Result<Client, ReconcileError> {
        let agent = self.agent();
        let (kubeconfig, context) = agent.connection(key);
        let who = account.map(|account| user_of(&key.namespace, account));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let user = who.as_ref().map(|who| who.user.as_str());
        let known = (text(kubeconfig), text(context), text(user));
        let lock = || self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = lock().get(&known) {
            return Ok(client.clone());
        }
        let mut options = self.connect.clone();
        if let Some(path) = kubeconfig {
            options.kubeconfig = Some(self.base.join(Path::new(path)));
        }
        if let Some(context) = context {
            options.context = Some(context.to_owned());
        }
        options.impersonate = who;
        let client = Client::connect(&options)
            .await
            .map_err(ReconcileError::cluster(format!("connect to the cluster of {key}")))?;
        lock().insert(known, client.clone());
        Ok(client)
    }

    async fn read(
        &self,
        sync: &SyncKey,
        kind: MaterialKind,
        name: &str,
    ) -> Result<Option<Material>, ReconcileError> {
        if let Some(files) = self.files(sync, name)? {
            return Ok(Some(files));
        }
        let client = self.connect(sync, None).await?;
        Self::read_object(&client, sync, kind, name).await
    }

    /// What stands in files; none when there is no folder of that name.
    fn files(&self, sync: &SyncKey, name: &str) -> Result<Option<Material>, ReconcileError> {
        let agent = self.agent();
        let Some(path) = &agent.secrets_path else { return Ok(None) };
        let folder = self.base.join(path).join(&sync.namespace).join(name);
        read_files(&folder).map_err(|source| ReconcileError::Material {
            kind: MaterialKind::Secret.name(),
            namespace: sync.namespace.clone(),
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    async fn read_object(
        client: &Client,
        sync: &SyncKey,
        kind: MaterialKind,
        name: &str,
    ) -> Result<Option<Material>, ReconcileError> {
        let namespace = &sync.namespace;
        let resource = resource(client, kind.name()).await?;
        let found = client.get(&resource, namespace, name).await;
        let found = found.map_err(|source| ReconcileError::Material {
            kind: kind.name(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        Ok(found.map(|object| material(kind, &object)))
    }

    /// The status that an earlier process left.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn read_status(&self, key: &SyncKey) -> Result<Option<Status>, ReconcileError> {
        let client = self.connect(key, None).await?;
        let resource = resource(&client, "ConfigMap").await?;
        let Some(name) = status_object(key) else { return Ok(None) };
        let operation = format!("read the status of {key}");
        let found = client.get(&resource, &key.namespace, &name).await;
        let found = found.map_err(ReconcileError::cluster(operation))?;
        let text = found.as_ref().and_then(|object| object.str_at(&["data", STATUS_KEY]));
        // One that cannot be read any more is made anew.
        Ok(text.and_then(|text| serde_json::from_str(text).ok()))
    }

    async fn store(&self, sync: &GitSync, status: &Status) -> Result<(), ReconcileError> {
        let key = sync.key();
        let client = self.connect(&key, None).await?;
        let resource = resource(&client, "ConfigMap").await?;
        let Some(name) = status_object(&key) else { return Ok(()) };
        let text = serde_json::to_string(status).unwrap_or_default();
        let spec = serde_json::to_string(&sync.spec).unwrap_or_default();
        let document = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "namespace": key.namespace, "name": name, "labels": {STATUS_LABEL: key.name},
            },
            "data": {STATUS_KEY: text, SPEC_KEY: spec},
        });
        let Ok(object) = Object::from_value(document) else { return Ok(()) };
        let options = ApplyOptions::new(MANAGER).force();
        let written = client.apply(&resource, &object, &options).await;
        let operation = format!("write the status of {key}");
        written.map(drop).map_err(ReconcileError::cluster(operation))
    }
}

/// Every file of a folder by its name; none when there is no such folder.
fn read_files(folder: &Path) -> io::Result<Option<Material>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        // A link is followed: that is how Secrets are mounted.
        if !std::fs::metadata(&path)?.is_file() {
            continue;
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if found.len() >= FILES_MAX {
            return Err(io::Error::other("the folder has more than 64 files"));
        }
        let mut bytes = Vec::new();
        let read = File::open(&path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if u64::try_from(read).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            return Err(io::Error::other("a file is larger than 1 MiB"));
        }
        found.insert(name.to_owned(), bytes);
    }
    Ok(Some(Material(found)))
}

/// The ConfigMap with the status of a GitSync that a process on a host delivers.
#[must_use]
pub fn status_object(key: &SyncKey) -> Option<String> {
    delivery_name(key).ok().map(|name| format!("orlop-status-{}", name.as_str()))
}

async fn resource(client: &Client, kind: &str) -> Result<Arc<Resource>, ReconcileError> {
    let gvk = GroupVersionKind::from_api_version("v1", kind);
    let found = client.resolve(&gvk).await;
    found.map_err(ReconcileError::cluster("discover what the cluster serves"))
}

impl Home for HostHome {
    fn client<'a>(&'a self, sync: &'a Valid) -> BoxFuture<'a, Result<Client, ReconcileError>> {
        async move {
            let account = sync.spec().service_account_name.as_deref();
            self.connect(&sync.key(), account).await
        }
        .boxed()
    }

    fn material<'a>(
        &'a self,
        sync: &'a SyncKey,
        kind: MaterialKind,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>> {
        self.read(sync, kind, name).boxed()
    }

    fn own_secret<'a>(
        &'a self,
        sync: &'a Valid,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>> {
        async move {
            let key = sync.key();
            if let Some(files) = self.files(&key, name)? {
                return Ok(Some(files));
            }
            let account = sync.spec().service_account_name.as_deref();
            let client = self.connect(&key, account).await?;
            Self::read_object(&client, &key, MaterialKind::Secret, name).await
        }
        .boxed()
    }

    fn cluster_name(&self, sync: &SyncKey) -> String {
        let agent = self.agent();
        let (_, context) = agent.connection(sync);
        context.or(self.connect.context.as_deref()).unwrap_or_default().to_owned()
    }

    fn write_status<'a>(
        &'a self,
        sync: &'a GitSync,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        self.store(sync, status).boxed()
    }

    fn hold<'a>(&'a self, _: &'a GitSync, _: bool) -> BoxFuture<'a, Result<(), ReconcileError>> {
        // A line that leaves a file takes nothing with it: there is nobody to ask.
        std::future::ready(Ok(())).boxed()
    }

    fn tell<'a>(&'a self, sync: &'a GitSync, news: News) -> BoxFuture<'a, ()> {
        // An event needs an object that it is about; here the log has what it would say.
        let News { r#type, reason, action, note } = news;
        let sync = sync.key();
        match r#type {
            EventType::Normal => tracing::info!(%sync, reason, action, note, "event"),
            EventType::Warning => tracing::warn!(%sync, reason, action, note, "event"),
        }
        std::future::ready(()).boxed()
    }

    fn may_act(&self) -> bool {
        !self.stop.is_cancelled()
    }

    fn actor(&self, sync: &Valid) -> String {
        match &sync.spec().service_account_name {
            Some(account) => user_of(&sync.key().namespace, account).user,
            None => "kubeconfig".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_keys_of_a_secret_up_to_their_bounds() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_files(&folder.path().join("absent")).unwrap(), None);
        std::fs::create_dir(folder.path().join("..data")).unwrap();
        std::fs::write(folder.path().join("token"), "CANARY\n").unwrap();
        let read = read_files(folder.path()).unwrap().unwrap();
        assert_eq!((read.text("token"), read.0.len()), (Some("CANARY"), 1));
        assert!(!format!("{read:?}").contains("CANARY"));
        let size = usize::try_from(FILE_BYTES_MAX).unwrap();
        std::fs::write(folder.path().join("token"), vec![b'x'; size]).unwrap();
        assert!(read_files(folder.path()).is_ok());
        std::fs::write(folder.path().join("token"), vec![b'x'; size + 1]).unwrap();
        assert!(read_files(folder.path()).is_err());
        std::fs::write(folder.path().join("token"), "x").unwrap();
        for n in 1..FILES_MAX {
            std::fs::write(folder.path().join(n.to_string()), "x").unwrap();
        }
        assert!(read_files(folder.path()).is_ok());
        std::fs::write(folder.path().join("more"), "x").unwrap();
        assert!(read_files(folder.path()).is_err());
    }
}
