//! The plan: what a delivery would do to a cluster, as data.
//!
//! The JSON form is stable (`orlop.dev/plan/v1`): fields are added, never renamed or removed. A
//! saved plan can be executed later; [`Plan::moved`] names what changed in between. Values of
//! Secrets are masked before they get here.

mod summary;

pub use summary::Summary;

use crate::directives::Phase;
use model::Exit;
use objects::ObjectRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The schema that this release writes and reads.
pub const PLAN_SCHEMA: &str = "orlop.dev/plan/v1";

/// What a delivery would do. Unchanged objects are counted, not listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Always [`PLAN_SCHEMA`].
    pub schema: String,
    /// The delivery's name.
    pub delivery: String,
    /// What is delivered.
    pub source: PlanSource,
    /// Where to.
    pub cluster: ClusterIdentity,
    /// What the plan was made with; a saved plan is executed with the same.
    pub options: PlanOptions,
    /// What would be done or cannot be done, in the order of execution.
    pub operations: Vec<Operation>,
    /// How many of each.
    pub summary: Summary,
    /// Documents of the tree that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Why nothing at all would be pruned although pruning was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Problem>,
    /// Worth knowing; nothing is stopped by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Problem>,
}

/// Which revision of which tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSource {
    /// A directory, or the URL of a repository without credentials.
    pub location: String,
    /// The folder inside the repository, empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The commit, for a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The digest of every file read: what makes two sources the same.
    pub digest: String,
}

impl fmt::Display for PlanSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        match &self.commit {
            Some(commit) => write!(f, " at {}", commit.get(..12).unwrap_or(commit)),
            None => Ok(()),
        }
    }
}

/// Which cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterIdentity {
    /// The API server's URL.
    pub server: String,
    /// The uid of the namespace `kube-system`, empty when it may not be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The options that decide what a plan contains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanOptions {
    /// Where namespaced objects without a namespace go.
    pub namespace: String,
    /// Where the inventory is kept.
    pub inventory_namespace: String,
    /// Whether objects that left the tree are deleted.
    pub prune: bool,
    /// Whether fields of other managers are taken.
    pub force_conflicts: bool,
    /// How many objects may go at most.
    pub prune_objects_max: usize,
    /// What share of the inventory may go at most, in percent.
    pub prune_percent_max: u8,
    /// Whether an empty tree may prune everything.
    pub prune_allow_empty: bool,
    /// The guarded kinds that may be pruned all the same, as `Kind.group`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prune_kinds: Vec<String>,
    /// Whether everything is pruned last, after health.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prune_last: bool,
    /// Rules about fields that are left to others, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether an immutable change may delete an object and make it again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub force_recreate: ForceRecreate,
    /// The service account that is acted as, `namespace/name`; empty for the caller's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_account: String,
}

/// Whether an object that cannot be changed in place is deleted and made again. Never one that
/// holds others or data: a Namespace, a definition, a volume or its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForceRecreate {
    /// Never; the annotation counts for nothing.
    Never,
    /// An object with the annotation `orlop.dev/force: recreate`.
    #[default]
    Annotated,
    /// Every object.
    Always,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One object and what would be done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What.
    pub action: Action,
    /// The object.
    pub object: ObjectRef,
    /// As the tree writes it; absent for objects that left the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// `file:line` in the tree; absent for objects that left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Its wave.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wave: i32,
    /// The phase in which it runs, for a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The live object's uid, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The live object's resourceVersion, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Field by field, secrets masked; empty for a create.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Fields that others own with another value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Field managers whose ownership passes to this delivery.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes_over_from: Vec<String>,
    /// Why, where the action alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Operation {
    /// An operation with nothing but its action and its object.
    #[must_use]
    pub fn new(action: Action, object: ObjectRef) -> Self {
        Self {
            action,
            object,
            api_version: None,
            origin: None,
            wave: 0,
            phase: None,
            uid: None,
            resource_version: None,
            changes: Vec::new(),
            conflicts: Vec::new(),
            takes_over_from: Vec::new(),
            reason: None,
            hint: None,
        }
    }
}

/// What is done with one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// It does not exist and is made.
    Create,
    /// Fields of it change.
    Update,
    /// Fields that a client such as `kubectl apply` owns pass to this delivery; values may change.
    Takeover,
    /// It cannot be changed in place: it is deleted and made again.
    Recreate,
    /// It is a hook and runs.
    Hook,
    /// It left the tree and is deleted.
    Prune,
    /// It left the tree and belongs to another delivery now: only the record of it goes.
    HandOver,
    /// It left the tree and stays; the reason says why.
    Keep,
    /// It waits for something that is broken; the reason names it.
    Hold,
    /// Others own fields of it with other values; nothing is done without force.
    Conflict,
    /// It cannot be applied as written; the reason says why.
    Invalid,
}

impl Action {
    /// Whether something is written to the cluster for it.
    #[must_use]
    pub fn is_change(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Update
                | Self::Takeover
                | Self::Recreate
                | Self::Hook
                | Self::Prune
                | Self::HandOver
        )
    }

    /// Whether it stands in the way of a complete delivery.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Hold | Self::Conflict | Self::Invalid)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Takeover => "takeover",
            Self::Recreate => "recreate",
            Self::Hook => "hook",
            Self::Prune => "prune",
            Self::HandOver => "handOver",
            Self::Keep => "keep",
            Self::Hold => "hold",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
        })
    }
}

/// One field that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// As kubectl prints it: `.spec.replicas`.
    pub path: String,
    /// The live value, absent when the field is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after, absent when the field goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// As kubectl prints it: `.spec.replicas`.
    pub path: String,
    /// Who owns it.
    pub manager: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is owned by {}", self.path, self.manager)
    }
}

/// Something to tell a person, with its place in the tree where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `file:line` or `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What is wrong; may have further lines (an excerpt).
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why a text is not a plan that this release can execute.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Not JSON, or not of the schema's shape.
    #[error("the plan cannot be read")]
    Read(#[source] serde_json::Error),
    /// Another schema, most likely of another release.
    #[error("the plan has the schema `{found}`, this release reads `{PLAN_SCHEMA}`")]
    Schema {
        /// What stands in the file.
        found: String,
    },
}

impl model::Explain for PlanError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new("make a new plan with `orlop sync plan -o json`"))
    }
}

impl Plan {
    /// Reads a saved plan.
    ///
    /// # Errors
    /// [`PlanError`] when it is not JSON of this schema.
    pub fn from_json(bytes: &[u8]) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            schema: String,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(PlanError::Read)?;
        if head.schema != PLAN_SCHEMA {
            return Err(PlanError::Schema { found: head.schema });
        }
        serde_json::from_slice(bytes).map_err(PlanError::Read)
    }

    /// 2 when something cannot be delivered, 1 when there is something to do, else 0.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let stopped = self.operations.iter().any(|operation| operation.action.is_failure());
        if stopped || !self.problems.is_empty() || !self.refusals.is_empty() {
            Exit::CouldNot
        } else if self.summary.changes() > 0 {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }

    /// What is no longer as this saved plan says, one sentence each; empty when `now` does the
    /// same to the same objects.
    #[must_use]
    pub fn moved(&self, now: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        let mut differ = |what: &str, saved: &dyn fmt::Display, now: &dyn fmt::Display| {
            let (saved, now) = (saved.to_string(), now.to_string());
            if saved != now {
                moved.push(format!("{what} was `{saved}` and is `{now}`"));
            }
        };
        differ("the delivery", &self.delivery, &now.delivery);
        differ("the cluster's uid", &self.cluster.uid, &now.cluster.uid);
        if self.cluster.uid.is_empty() {
            differ("the API server", &self.cluster.server, &now.cluster.server);
        }
        let commit = |plan: &Self| plan.source.commit.clone().unwrap_or_default();
        differ("the commit", &commit(self), &commit(now));
        if self.source.digest != now.source.digest {
            moved.push("the files of the source have changed".to_owned());
        }
        if self.options != now.options {
            moved.push("the options differ".to_owned());
        }
        moved.extend(self.moved_operations(now));
        moved
    }

    fn moved_operations(&self, now: &Self) -> Vec<String> {
        let index = |plan: &'_ Self| -> BTreeMap<ObjectRef, Operation> {
            plan.operations.iter().map(|op| (op.object.clone(), op.clone())).collect()
        };
        let (mut saved, now) = (index(self), index(now));
        let mut moved = Vec::new();
        for (id, current) in now {
            match saved.remove(&id) {
                None => {
                    moved.push(format!("{id}: was to be left as it is, now: {}", current.action));
                }
                Some(before) => moved.extend(moved_operation(&before, &current)),
            }
        }
        moved.extend(saved.into_iter().map(|(id, before)| {
            format!("{id}: {} was planned, now there is nothing to do", before.action)
        }));
        moved
    }
}

/// The first difference between a planned operation and the one that would be planned now.
fn moved_operation(before: &Operation, current: &Operation) -> Option<String> {
    let id = &before.object;
    if before.action != current.action {
        return Some(format!("{id}: {} was planned, now: {}", before.action, current.action));
    }
    if before.uid != current.uid {
        return Some(format!("{id}: was deleted and made again"));
    }
    if before.resource_version != current.resource_version {
        let version = |op: &Operation| op.resource_version.clone().unwrap_or_default();
        return Some(format!(
            "{id}: was changed (resourceVersion {} is now {})",
            version(before),
            version(current)
        ));
    }
    // Masks carry a salt of their run, so values are not compared: the digest of the source and
    // the resourceVersion of the live object already are.
    let paths = |op: &Operation| op.changes.iter().map(|c| c.path.clone()).collect::<Vec<_>>();
    (paths(before) != paths(current)).then(|| format!("{id}: other fields would change"))
}

#[cfg(test)]
mod tests;
