//! Where GitSyncs live: what they point to is read there, and what is seen of them goes there.

pub(crate) mod cluster;
pub(crate) mod host;

use crate::ReconcileError;
use ::cluster::{Client, News};
use futures_util::future::BoxFuture;
use gitops::spec::{GitSync, Status, SyncKey, Valid};
use std::collections::BTreeMap;
use std::fmt;

/// What was read of a Secret or a ConfigMap is used for this long before it is read again.
pub const MATERIAL_SECONDS: u64 = 30;

/// What kind of object holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaterialKind {
    /// Nobody else may see it.
    Secret,
    /// No secret.
    ConfigMap,
}

impl MaterialKind {
    /// The kind as documents write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// Keys and values of a Secret or a ConfigMap. Not printed by accident.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Material(pub BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Material {
    /// A value as text without surrounding white space; `None` when absent, empty or not UTF-8.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let text = std::str::from_utf8(self.0.get(key)?).ok()?.trim();
        (!text.is_empty()).then_some(text)
    }
}

/// Where GitSyncs live.
pub trait Home: Send + Sync {
    /// The connection that acts for a GitSync: as its service account, to its cluster.
    fn client<'a>(&'a self, sync: &'a Valid) -> BoxFuture<'a, Result<Client, ReconcileError>>;

    /// A Secret or ConfigMap of the GitSync's namespace; `None` when there is none of that name.
    fn material<'a>(
        &'a self,
        sync: &'a SyncKey,
        kind: MaterialKind,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>>;

    /// What a notification is proven with: a Secret of the GitSync's namespace, read with the
    /// rights of its own account.
    fn own_secret<'a>(
        &'a self,
        sync: &'a Valid,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Material>, ReconcileError>>;

    /// What people call the cluster of a GitSync; empty when it has no name.
    fn cluster_name(&self, sync: &SyncKey) -> String;

    /// Writes the status; called only when it changed.
    fn write_status<'a>(
        &'a self,
        sync: &'a GitSync,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), ReconcileError>>;

    /// Makes the GitSync wait for us at its deletion, or lets it go.
    fn hold<'a>(
        &'a self,
        sync: &'a GitSync,
        hold: bool,
    ) -> BoxFuture<'a, Result<(), ReconcileError>>;

    /// Tells news about a GitSync.
    fn tell<'a>(&'a self, sync: &'a GitSync, news: News) -> BoxFuture<'a, ()>;

    /// Whether anything may be written now.
    fn may_act(&self) -> bool;

    /// Who acts, for the audit log.
    fn actor(&self, sync: &Valid) -> String;
}
