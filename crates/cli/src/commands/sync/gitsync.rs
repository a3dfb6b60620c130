//! What the verbs about GitSyncs share: which one, how it is read and how it is written.

use super::arguments::{ClusterArgs, OutputArgs, Settings};
use super::session::Session;
use crate::CliError;
use clap::Args;
use cluster::{Client, ClusterError, ListOptions, PatchOptions, Resource};
use gitops::history::History;
use gitops::spec::{API_VERSION, GROUP, GitSync, KIND, Operation, SyncKey, VERSION};
use model::{Hint, nearest};
use objects::{GroupVersionKind, Object};
use reconcile::{
    HISTORY_KEY, HISTORY_LABEL, SPEC_KEY, STATUS_KEY, STATUS_LABEL, history_object, status_object,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The field manager of what a person writes with these verbs.
const MANAGER: &str = "orlop-cli";
/// What a rollback replaced, as JSON, so that `resume` can put it back.
pub(super) const ROLLBACK_FROM: &str = "orlop.dev/rollback-from";
/// Why somebody rolled back.
pub(super) const ROLLBACK_REASON: &str = "orlop.dev/rollback-reason";

/// Which GitSync.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// Name of the GitSync
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Namespace of the GitSync [default: the context's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// What would be done, without doing it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Changes")]
pub(crate) struct DryRunArgs {
    /// Let the server check the change and keep nothing of it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A look at one GitSync.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    #[command(flatten)]
    pub(crate) sync: NamedArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A change of one GitSync.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) sync: NamedArgs,
    #[command(flatten)]
    pub(crate) change: DryRunArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The GitSyncs of a cluster: objects of it, and those that a process on a host delivers from a
/// file, which it tells about in ConfigMaps.
pub(super) struct Syncs {
    pub(super) client: Client,
    /// None where the cluster has no such kind.
    resource: Option<Arc<Resource>>,
    maps: Arc<Resource>,
    pub(super) namespace: String,
}

impl Syncs {
    /// Connects, and finds the kind.
    pub(super) async fn connect(
        session: &Session,
        cluster: &ClusterArgs,
        namespace: Option<&String>,
    ) -> Result<Self, CliError> {
        let settings = Settings::new(cluster, None, &session.config)?;
        let client = session.connect(&settings).await?;
        let gvk = GroupVersionKind::from_api_version(&format!("{GROUP}/{VERSION}"), KIND);
        let found = session.unless_stopped(async {
            let maps = GroupVersionKind::from_api_version("v1", "ConfigMap");
            let maps = client.resolve(&maps).await.map_err(failed)?;
            match client.resolve(&gvk).await {
                Ok(resource) => Ok((Some(resource), maps)),
                Err(ClusterError::NoSuchKind { .. }) => Ok((None, maps)),
                Err(error) => Err(failed(error)),
            }
        });
        let (resource, maps) = found.await?;
        let known = namespace.or(settings.namespace.as_ref()).cloned();
        let namespace = known.unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Self { client, resource, maps, namespace })
    }

    /// The kind, where it is asked for alone.
    pub(super) fn kind(&self) -> Result<&Arc<Resource>, CliError> {
        self.resource.as_ref().ok_or(CliError::NoGitSyncs)
    }

    /// The ConfigMaps with this label.
    async fn maps(&self, label: &str, everywhere: bool) -> Result<Vec<Object>, CliError> {
        let namespace = if everywhere { String::new() } else { self.namespace.clone() };
        let labels = label.to_owned();
        let options = ListOptions { namespace, labels, ..ListOptions::default() };
        Ok(self.client.list(&self.maps, &options).await.map_err(failed)?.objects)
    }

    /// The histories that go further back than the statuses, as lines by GitSync.
    pub(super) async fn histories(
        &self,
        everywhere: bool,
    ) -> Result<BTreeMap<SyncKey, String>, CliError> {
        let maps = self.maps(HISTORY_LABEL, everywhere).await?;
        let lines = maps.into_iter().filter_map(|map| {
            let name = map.str_at(&["metadata", "labels", HISTORY_LABEL])?.to_owned();
            let key = SyncKey::new(map.namespace(), name);
            // A label is anybody's to copy; the name is the GitSync's.
            let own = history_object(&key).as_deref() == Some(map.name());
            own.then(|| Some((key, map.str_at(&["data", HISTORY_KEY])?.to_owned())))?
        });
        Ok(lines.collect())
    }

    /// All of them, or those of the namespace, by namespace and name.
    pub(super) async fn list(&self, everywhere: bool) -> Result<Vec<GitSync>, CliError> {
        let namespace = if everywhere { String::new() } else { self.namespace.clone() };
        let options = ListOptions { namespace, ..ListOptions::default() };
        let mut syncs = BTreeMap::new();
        for map in self.maps(STATUS_LABEL, everywhere).await? {
            syncs.extend(of_a_host(&map).map(|sync| (sync.key(), sync)));
        }
        if let Some(resource) = &self.resource {
            for object in self.client.list(resource, &options).await.map_err(failed)?.objects {
                let sync = GitSync::from_value(object.into_value()).map_err(CliError::Json)?;
                syncs.insert(sync.key(), sync);
            }
        } else if syncs.is_empty() {
            return Err(CliError::NoGitSyncs);
        }
        Ok(syncs.into_values().collect())
    }

    /// One of them, by name.
    pub(super) async fn get(&self, name: &str) -> Result<GitSync, CliError> {
        let found = match &self.resource {
            Some(resource) => self.client.get(resource, &self.namespace, name).await,
            None => Ok(None),
        };
        if let Some(object) = found.map_err(failed)? {
            return GitSync::from_value(object.into_value()).map_err(CliError::Json);
        }
        if let Some(sync) = self.host(name).await? {
            return Ok(sync);
        }
        let known = self.list(false).await?;
        let names = known.iter().map(|sync| sync.metadata.name.as_str());
        Err(CliError::NoSuchGitSync {
            name: name.to_owned(),
            namespace: self.namespace.clone(),
            near: nearest(name, names).map(str::to_owned),
        })
    }

    /// What was delivered, newest first: the operations of the status, then those that only the
    /// history knows.
    pub(super) async fn past(&self, sync: &GitSync) -> Result<Vec<Operation>, CliError> {
        let mut past = sync.status.clone().unwrap_or_default().history;
        let key = sync.key();
        let Some(map) = history_object(&key) else { return Ok(past) };
        let found = self.client.get(&self.maps, &key.namespace, &map).await.map_err(failed)?;
        let lines = found.as_ref().and_then(|map| map.str_at(&["data", HISTORY_KEY]));
        let older = History::from_lines(lines.unwrap_or_default());
        let known: BTreeSet<_> = past.iter().map(|operation| operation.started_at).collect();
        let older = older.records().rev().map(Operation::from);
        past.extend(older.filter(|operation| !known.contains(&operation.started_at)));
        past.sort_by_key(|operation| std::cmp::Reverse(operation.started_at));
        Ok(past)
    }

    /// One that a process on a host delivers.
    async fn host(&self, name: &str) -> Result<Option<GitSync>, CliError> {
        let key = SyncKey::new(self.namespace.clone(), name);
        let Some(map) = status_object(&key) else { return Ok(None) };
        let found = self.client.get(&self.maps, &self.namespace, &map).await.map_err(failed)?;
        Ok(found.as_ref().and_then(of_a_host))
    }

    /// Changes one by a JSON merge patch.
    pub(super) async fn patch(
        &self,
        name: &str,
        patch: &Value,
        dry_run: bool,
    ) -> Result<GitSync, CliError> {
        let resource = match &self.resource {
            Some(resource) => resource,
            None if self.host(name).await?.is_some() => return Err(of_a_file(name)),
            None => return Err(CliError::NoGitSyncs),
        };
        let options =
            PatchOptions { field_manager: MANAGER.to_owned(), dry_run, ..PatchOptions::default() };
        let namespace = &self.namespace;
        let patched = self.client.patch_merge(resource, namespace, name, patch, &options).await;
        if patched.as_ref().is_err_and(ClusterError::is_not_found)
            && self.host(name).await?.is_some()
        {
            return Err(of_a_file(name));
        }
        GitSync::from_value(patched.map_err(failed)?.into_value()).map_err(CliError::Json)
    }
}

/// A GitSync as a process on a host tells about it.
fn of_a_host(map: &Object) -> Option<GitSync> {
    let mut sync = GitSync::default();
    API_VERSION.clone_into(&mut sync.api_version);
    KIND.clone_into(&mut sync.kind);
    map.str_at(&["metadata", "labels", STATUS_LABEL])?.clone_into(&mut sync.metadata.name);
    map.namespace().clone_into(&mut sync.metadata.namespace);
    if status_object(&sync.key()).as_deref() != Some(map.name()) {
        return None;
    }
    let created = map.str_at(&["metadata", "creationTimestamp"]);
    sync.metadata.creation_timestamp = created.map(str::to_owned);
    let text = |key| map.str_at(&["data", key]);
    sync.spec = text(SPEC_KEY).and_then(|text| serde_json::from_str(text).ok())?;
    sync.status = text(STATUS_KEY).and_then(|text| serde_json::from_str(text).ok());
    let seen = sync.status.as_ref().and_then(|status| status.observed_generation);
    sync.metadata.generation = seen;
    Some(sync)
}

fn of_a_file(name: &str) -> CliError {
    CliError::NotNow {
        message: format!("{name} is delivered by a process on a host, from a file"),
        hint: Some(Hint::new("change the file of its `orlop sync run --config`")),
    }
}

pub(super) fn failed(error: ClusterError) -> CliError {
    CliError::Cluster(Box::new(error))
}
