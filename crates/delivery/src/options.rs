//! What a delivery is asked to do, with every default named.

use crate::takeover::Deliveries;
use cluster::{Client, Impersonate};
use objects::ObjectRef;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use sync::plan::PlanOptions;
use sync::{DeliveryName, ForceRecreate, IgnoreRule, PruneGuards};

/// How long readiness and health are waited for unless told otherwise.
pub const TIMEOUT_SECONDS: u64 = 300;
/// Operations under way at once; the client's own limit of requests holds as well.
pub const CONCURRENCY: usize = 16;
/// The longest namespace or name of a service account, in characters.
pub const SERVICE_ACCOUNT_CHARS_MAX: usize = 253;
/// The namespace of namespaced objects that name none.
pub const NAMESPACE: &str = "default";

/// A service account by its namespace and name; as text `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAccountName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccountName {
    /// The user that the API server knows it as. Its groups follow from that.
    #[must_use]
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceAccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for ServiceAccountName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |part: &str| {
            let usable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !part.is_empty() && part.len() <= SERVICE_ACCOUNT_CHARS_MAX && part.chars().all(usable)
        };
        match text.split_once('/') {
            Some((namespace, name)) if plain(namespace) && plain(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("expected NAMESPACE/NAME of a service account".to_owned()),
        }
    }
}

/// Objects that move between deliveries in one commit. The caller knows it who sees the trees of
/// all of them; with it the object is handed over in whichever order the deliveries run. Without
/// it the inventories of the cluster tell as much as they have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    /// Objects that left this tree, and the delivery whose tree has them now.
    pub to: BTreeMap<ObjectRef, DeliveryName>,
    /// Objects that came into this tree, and the delivery whose tree has them no more.
    pub from: BTreeMap<ObjectRef, DeliveryName>,
}

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
    /// Prune everything last, after what was delivered is healthy.
    pub prune_last: bool,
    /// Take fields that other managers own with other values.
    pub force_conflicts: bool,
    /// Fields that are left to others.
    pub ignore: Vec<IgnoreRule>,
    /// Whether an immutable change may delete an object and make it again.
    pub force_recreate: ForceRecreate,
    /// Act as this service account: everything that is read or written for the delivery.
    pub act_as: Option<ServiceAccountName>,
    /// A run that nobody asked for: what others changed in objects with
    /// `orlop.dev/self-heal: disabled` is told and left alone until Git changes them.
    pub automatic: bool,
    /// Objects that move between deliveries, as far as the caller knows it.
    pub moves: Moves,
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
            prune_last: false,
            guards: PruneGuards::default(),
            force_conflicts: false,
            ignore: Vec::new(),
            force_recreate: ForceRecreate::default(),
            act_as: None,
            automatic: false,
            moves: Moves::default(),
            concurrency: CONCURRENCY,
            wait: true,
            timeout: Duration::from_secs(TIMEOUT_SECONDS),
        }
    }

    /// The connection as the identity that the delivery acts as.
    pub(crate) fn client(&self, client: &Client) -> Client {
        match &self.act_as {
            Some(account) => {
                client.acting_as(Impersonate { user: account.user(), groups: Vec::new() })
            }
            None => client.clone(),
        }
    }

    /// The other deliveries whose fields of an object are taken.
    pub(crate) fn takes(&self, id: &ObjectRef) -> Deliveries {
        match self.moves.from.get(id) {
            _ if self.force_conflicts => Deliveries::All,
            Some(delivery) if *delivery != self.name => Deliveries::One(delivery.clone()),
            _ => Deliveries::None,
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
            prune_last: self.prune_last,
            ignore: self.ignore.iter().flat_map(IgnoreRule::texts).collect(),
            force_recreate: self.force_recreate,
            service_account: self.act_as.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..PlanOptions::default()
        };
        self.guards.describe(&mut options);
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_is_written_as_namespace_and_name() {
        let account: ServiceAccountName = "shop/deployer".parse().unwrap();
        assert_eq!(account.user(), "system:serviceaccount:shop:deployer");
        assert_eq!(account.to_string(), "shop/deployer");
        let long = |chars: usize| format!("a/{}", "x".repeat(chars)).parse::<ServiceAccountName>();
        assert!(long(SERVICE_ACCOUNT_CHARS_MAX).is_ok());
        assert!(long(SERVICE_ACCOUNT_CHARS_MAX + 1).is_err());
        for text in ["", "shop", "/x", "shop/", "a/b/c", "a:b/c", "A/b"] {
            assert!(text.parse::<ServiceAccountName>().is_err(), "{text}");
        }
    }
}
