//! The table of reconcilers. A new one is a new file with `pub(crate) const RECONCILER` and a line
//! here; its roles in `deploy/` follow from the rules that it states.

mod git_sync;
mod inventory;

use crate::numbers::Numbers;
use cluster::{Client, ConnectOptions, Events, Leadership};
use reconcile::{Engine, EngineOptions};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// What one reconciler needs to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// API groups; empty for core.
    pub groups: &'static [&'static str],
    /// Resources, as RBAC names them.
    pub resources: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
}

/// One reconciler.
pub struct Reconciler {
    /// Its id: file stem, metric label, page.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// The kind that it reconciles, as `Kind.group`.
    pub kind: &'static str,
    /// What it watches beside that kind, in words.
    pub watches: &'static str,
    /// What it may do in the whole cluster.
    pub rules: &'static [Rule],
    pub(crate) run: fn(Scope) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The reconcilers.
pub const RECONCILERS: &[Reconciler] = &[inventory::RECONCILER, git_sync::RECONCILER];

/// What a reconciler works with while this process leads.
#[derive(Clone)]
pub(crate) struct Scope {
    /// The cluster.
    pub(crate) client: Client,
    /// News.
    pub(crate) events: Events,
    /// Metrics.
    pub(crate) numbers: Numbers,
    /// The right to act.
    pub(crate) leadership: Leadership,
    /// How to connect, for connections as somebody else.
    pub(crate) connect: ConnectOptions,
    /// How GitSyncs are worked on.
    pub(crate) engine: Arc<EngineOptions>,
    /// Metrics of GitSyncs.
    pub(crate) deliveries: reconcile::Numbers,
    /// Who takes webhooks while this process leads.
    pub(crate) webhooks: Arc<Mutex<Option<Engine>>>,
    /// What people call the cluster.
    pub(crate) cluster_name: String,
}
