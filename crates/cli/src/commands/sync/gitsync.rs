//! What the verbs about GitSyncs share: which one, how it is read and how it is written.

use super::arguments::{ClusterArgs, Settings};
use super::session::Session;
use crate::CliError;
use clap::Args;
use cluster::{Client, ClusterError, ListOptions, PatchOptions, Resource};
use gitops::spec::{GROUP, GitSync, KIND, VERSION};
use model::nearest;
use objects::GroupVersionKind;
use serde_json::Value;
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

/// The GitSyncs of a cluster.
pub(super) struct Syncs {
    pub(super) client: Client,
    pub(super) resource: Arc<Resource>,
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
            match client.resolve(&gvk).await {
                Ok(resource) => Ok(resource),
                Err(ClusterError::NoSuchKind { .. }) => Err(CliError::NoGitSyncs),
                Err(error) => Err(CliError::Cluster(Box::new(error))),
            }
        });
        let resource = found.await?;
        let known = namespace.or(settings.namespace.as_ref()).cloned();
        let namespace = known.unwrap_or_else(|| client.default_namespace().to_owned());
        Ok(Self { client, resource, namespace })
    }

    /// All of them, or those of the namespace, by namespace and name.
    pub(super) async fn list(&self, everywhere: bool) -> Result<Vec<GitSync>, CliError> {
        let namespace = if everywhere { String::new() } else { self.namespace.clone() };
        let options = ListOptions { namespace, ..ListOptions::default() };
        let listed = self.client.list(&self.resource, &options).await.map_err(failed)?;
        let mut syncs = Vec::new();
        for object in listed.objects {
            syncs.push(GitSync::from_value(object.into_value()).map_err(CliError::Json)?);
        }
        syncs.sort_by_key(GitSync::key);
        Ok(syncs)
    }

    /// One of them, by name.
    pub(super) async fn get(&self, name: &str) -> Result<GitSync, CliError> {
        let found = self.client.get(&self.resource, &self.namespace, name).await;
        match found.map_err(failed)? {
            Some(object) => GitSync::from_value(object.into_value()).map_err(CliError::Json),
            None => {
                let known = self.list(false).await.unwrap_or_default();
                let names = known.iter().map(|sync| sync.metadata.name.as_str());
                Err(CliError::NoSuchGitSync {
                    name: name.to_owned(),
                    namespace: self.namespace.clone(),
                    near: nearest(name, names).map(str::to_owned),
                })
            }
        }
    }

    /// Changes one by a JSON merge patch.
    pub(super) async fn patch(
        &self,
        name: &str,
        patch: &Value,
        dry_run: bool,
    ) -> Result<GitSync, CliError> {
        let options =
            PatchOptions { field_manager: MANAGER.to_owned(), dry_run, ..PatchOptions::default() };
        let (resource, namespace) = (&self.resource, &self.namespace);
        let patched = self.client.patch_merge(resource, namespace, name, patch, &options).await;
        GitSync::from_value(patched.map_err(failed)?.into_value()).map_err(CliError::Json)
    }
}

pub(super) fn failed(error: ClusterError) -> CliError {
    CliError::Cluster(Box::new(error))
}
