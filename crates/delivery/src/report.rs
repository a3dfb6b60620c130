//! What came of an apply or a deletion, and what a delivery has in a cluster.

use model::Exit;
use objects::ObjectRef;
use objects::health::{Health, HealthStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use sync::plan::{ClusterIdentity, PlanSource};
use sync::{Action, Problem};

/// The schema of a report's JSON form.
pub const REPORT_SCHEMA: &str = "orlop.dev/report/v1";
/// Most drifted objects in one report.
pub const DRIFTED_MAX: usize = 100;
/// Most fields of one drifted object.
pub const DRIFTED_FIELDS_MAX: usize = 20;
/// The schema of a status's JSON form.
pub const STATUS_SCHEMA: &str = "orlop.dev/status/v1";

/// What came of an apply. Unchanged objects are counted, not listed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Always [`REPORT_SCHEMA`].
    pub schema: String,
    /// The delivery's name.
    pub delivery: String,
    /// What was delivered.
    pub source: PlanSource,
    /// Where to.
    pub cluster: ClusterIdentity,
    /// Everything that was done, tried, held or left alone, in the order of completion.
    pub outcomes: Vec<Outcome>,
    /// How many objects were found equal.
    pub unchanged: usize,
    /// Documents of the tree that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Why nothing at all was pruned although pruning was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Problem>,
    /// Worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Problem>,
    /// Objects that were not healthy when the wait ended; empty when nobody waited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy: Vec<ObjectHealth>,
    /// Objects that others changed although Git did not, at most [`DRIFTED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifted: Vec<Drifted>,
    /// How many there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drifted_total: usize,
    /// Whether anything was written to the cluster.
    #[serde(default)]
    pub written: bool,
    /// Whether the person stopped it; a rerun converges.
    pub interrupted: bool,
    /// Milliseconds from observing to the last write.
    pub apply_milliseconds: u64,
    /// Milliseconds of waiting for health.
    pub wait_milliseconds: u64,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An object that somebody else changed or deleted, although Git did not ask for it. In an object
/// that a delivery changes anyway, drift is not looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drifted {
    /// The object.
    pub object: ObjectRef,
    /// Its uid; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Whether it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// Whether this delivery reverts it; false with `orlop.dev/self-heal: disabled`.
    pub self_heal: bool,
    /// Which fields, at most [`DRIFTED_FIELDS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<DriftedField>,
}

/// A field that is not as Git has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftedField {
    /// As kubectl prints it: `.spec.replicas`.
    pub path: String,
    /// Who owns it now, besides this delivery; nobody when it was removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
}

/// What came of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What was done or tried.
    pub action: Action,
    /// To what.
    pub object: ObjectRef,
    /// The live object's uid, when there is or was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `file:line` in the tree; absent for objects that left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How it ended.
    pub result: OutcomeResult,
    /// Why, where the result alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Outcome {
    /// An outcome with nothing to add.
    #[must_use]
    pub fn new(action: Action, object: ObjectRef, result: OutcomeResult) -> Self {
        Self { action, object, uid: None, origin: None, result, reason: None, hint: None }
    }
}

/// How work on one object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum OutcomeResult {
    /// Written (or deleted and gone).
    Done,
    /// Refused or failed.
    Failed,
    /// Not tried, because something it needs failed.
    Held,
    /// Not tried, because the run was stopped before its turn.
    NotStarted,
    /// Left alone on purpose.
    Kept,
}

/// A managed object's health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectHealth {
    /// The object.
    pub object: ObjectRef,
    /// Its health; `Missing` when it is gone.
    pub status: HealthStatus,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl ObjectHealth {
    /// An object with its verdict.
    #[must_use]
    pub fn new(object: ObjectRef, health: Health) -> Self {
        Self { object, status: health.status, message: health.message }
    }
}

impl Report {
    /// How many objects were written or deleted.
    #[must_use]
    pub fn done(&self) -> usize {
        self.count(OutcomeResult::Done)
    }

    /// How many objects ended this way.
    #[must_use]
    pub fn count(&self, result: OutcomeResult) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.result == result).count()
    }

    /// 130 when it was stopped, 2 when anything failed, was held or is not healthy, else 0.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let failed = |outcome: &Outcome| {
            matches!(
                outcome.result,
                OutcomeResult::Failed | OutcomeResult::Held | OutcomeResult::NotStarted
            )
        };
        if self.interrupted {
            Exit::Interrupted
        } else if self.outcomes.iter().any(failed)
            || !(self.problems.is_empty() && self.refusals.is_empty() && self.unhealthy.is_empty())
        {
            Exit::CouldNot
        } else {
            Exit::Clean
        }
    }

    /// How long the writes took.
    #[must_use]
    pub fn apply_time(&self) -> Duration {
        Duration::from_millis(self.apply_milliseconds)
    }
}

/// What a delivery has in a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Always [`STATUS_SCHEMA`].
    pub schema: String,
    /// The delivery's name.
    pub delivery: String,
    /// Where the inventory is kept.
    pub inventory_namespace: String,
    /// Where from, as the last run that changed something recorded it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Every recorded object with its health, in order.
    pub objects: Vec<ObjectHealth>,
    /// The worst of them.
    pub health: HealthStatus,
}

impl Status {
    /// 0 when everything is healthy or suspended, else 1.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.health <= HealthStatus::Suspended { Exit::Clean } else { Exit::Findings }
    }
}

/// One delivery found in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliverySummary {
    /// Its name.
    pub name: String,
    /// Where its inventory is kept.
    pub inventory_namespace: String,
    /// How many objects are recorded.
    pub objects: usize,
    /// Where from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}
