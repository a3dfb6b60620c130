//! What a delivery is asked to do, with every default named.

use std::time::Duration;
use sync::plan::PlanOptions;
use sync::{DeliveryName, PruneGuards};

/// How long readiness and health are waited for unless told otherwise.
pub const TIMEOUT_SECONDS: u64 = 300;
/// Operations under way at once; the client's own limit of requests holds as well.
pub const CONCURRENCY: usize = 16;
/// The namespace of namespaced objects that name none.
pub const NAMESPACE: &str = "default";

/// The options of every verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOptions {
    /// The delivery's name: its inventory, its label, its field manager.
    pub name: DeliveryName,
    /// Where namespaced objects without a namespace go.
    pub namespace: String,
    /// Where the inventory is kept; the default namespace above when absent.
    pub inventory_namespace: Option<String>,
    /// Delete objects that left the tree.
    pub prune: bool,
    /// The limits of pruning.
    pub guards: PruneGuards,
    /// Take fields that other managers own with other values.
    pub force_conflicts: bool,
    /// Operations under way at once.
    pub concurrency: usize,
    /// Wait until everything delivered is healthy.
    pub wait: bool,
    /// The longest wait for readiness, for deletions and for health, each.
    pub timeout: Duration,
}

impl DeliveryOptions {
    /// The defaults under a name.
    #[must_use]
    pub fn new(name: DeliveryName) -> Self {
        Self {
            name,
            namespace: NAMESPACE.to_owned(),
            inventory_namespace: None,
            prune: false,
            guards: PruneGuards::default(),
            force_conflicts: false,
            concurrency: CONCURRENCY,
            wait: true,
            timeout: Duration::from_secs(TIMEOUT_SECONDS),
        }
    }

    /// Where the inventory is kept.
    #[must_use]
    pub fn inventory_namespace(&self) -> &str {
        self.inventory_namespace.as_deref().unwrap_or(&self.namespace)
    }

    /// The options that decide what a plan contains.
    #[must_use]
    pub fn describe(&self) -> PlanOptions {
        let mut options = PlanOptions {
            namespace: self.namespace.clone(),
            inventory_namespace: self.inventory_namespace().to_owned(),
            prune: self.prune,
            force_conflicts: self.force_conflicts,
            ..PlanOptions::default()
        };
        self.guards.describe(&mut options);
        options
    }
}
