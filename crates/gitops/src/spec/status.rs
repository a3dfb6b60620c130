//! What is seen of a GitSync. Everything in it is bounded, and nothing in it changes while
//! nothing happens: a poll that finds no news writes no status.

use super::{NotifyEvent, Period};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Operations that the status keeps, newest first.
pub const STATUS_HISTORY_MAX: usize = 10;
/// Objects with drift that the status lists.
pub const STATUS_DRIFT_MAX: usize = 20;
/// Fields that are listed for one drifted object.
pub const DRIFT_FIELDS_MAX: usize = 10;
/// Bytes of a message in the status; longer ones are cut.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// The types of conditions.
pub mod condition {
    /// The newest generation is applied and healthy.
    pub const READY: &str = "Ready";
    /// Work is under way or due.
    pub const RECONCILING: &str = "Reconciling";
    /// It cannot go on without a person.
    pub const STALLED: &str = "Stalled";
    /// All delivered objects are healthy.
    pub const HEALTHY: &str = "Healthy";
}

/// The reasons of conditions.
pub mod reason {
    /// Applied, and everything is healthy.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Applied; health is being waited for, or work is under way.
    pub const PROGRESSING: &str = "Progressing";
    /// Nothing was done yet.
    pub const PENDING: &str = "Pending";
    /// The spec makes no sense.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The source did not answer or refused.
    pub const FETCH_FAILED: &str = "FetchFailed";
    /// A signature is missing or bad.
    pub const VERIFICATION_FAILED: &str = "VerificationFailed";
    /// The tree could not be made into objects.
    pub const RENDER_FAILED: &str = "RenderFailed";
    /// Objects do not fit the cluster's schemas.
    pub const VALIDATION_FAILED: &str = "ValidationFailed";
    /// Some objects could not be applied.
    pub const APPLY_FAILED: &str = "ApplyFailed";
    /// A guard refused the prune.
    pub const PRUNE_REFUSED: &str = "PruneRefused";
    /// Some objects are degraded.
    pub const DEGRADED: &str = "Degraded";
    /// The health timeout ran out.
    pub const HEALTH_TIMEOUT: &str = "HealthTimeout";
    /// Another GitSync must be ready first.
    pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
    /// GitSyncs depend on each other in a circle.
    pub const DEPENDENCY_CYCLE: &str = "DependencyCycle";
    /// It is suspended.
    pub const SUSPENDED: &str = "Suspended";
    /// Live objects differ and are not to be healed.
    pub const DRIFTED: &str = "Drifted";
    /// Another writer changes back what was healed.
    pub const FIGHTING: &str = "Fighting";
    /// The limit of retries is used up.
    pub const RETRIES_EXHAUSTED: &str = "RetriesExhausted";
}

/// The status of a GitSync.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation of the spec that the status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `Healthy`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The full name of the reference that was fetched: `refs/heads/main`, `refs/tags/v1.2.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_ref: Option<String>,
    /// The commit that was fetched last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_revision: Option<String>,
    /// The commit that was applied without a failure last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_revision: Option<String>,
    /// The generation of the spec that it was applied under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_generation: Option<i64>,
    /// The commit that became healthy last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_revision: Option<String>,
    /// What is managed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventorySummary>,
    /// Objects that differ from the tree, at most [`STATUS_DRIFT_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// How many objects differ, listed or not.
    #[serde(skip_serializing_if = "is_zero")]
    pub drift_total: u32,
    /// What was done last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<Operation>,
    /// What was done before, newest first, at most [`STATUS_HISTORY_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Operation>,
    /// Failed tries of the wanted revision in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// The value of the reconcile annotation that was answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What will be done next, when it is anything but the regular poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// What the receivers of `spec.notify` were told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notified: Option<Notified>,
}

impl Status {
    /// The condition of this type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == kind)
    }

    /// Puts an operation at the front of the history, without the oldest one too many, and makes
    /// it the last operation. The same operation told again (by its start) replaces itself.
    pub fn record(&mut self, operation: Operation) {
        self.history.retain(|known| known.started_at != operation.started_at);
        self.history.insert(0, operation.clone());
        self.history.truncate(STATUS_HISTORY_MAX);
        self.last_operation = Some(operation);
    }

    /// Lists drift within the bounds.
    pub fn set_drift(&mut self, mut drift: Vec<Drift>) {
        self.drift_total = u32::try_from(drift.len()).unwrap_or(u32::MAX);
        drift.truncate(STATUS_DRIFT_MAX);
        for entry in &mut drift {
            entry.fields.truncate(DRIFT_FIELDS_MAX);
        }
        self.drift = drift;
    }
}

/// Cuts a message at [`MESSAGE_BYTES_MAX`].
#[must_use]
pub fn bounded(mut message: String) -> String {
    let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
    message.truncate(end);
    message
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    #[default]
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// One condition, as the API writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// One of [`condition`].
    pub r#type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One of [`reason`].
    pub reason: String,
    /// For people.
    pub message: String,
    /// The generation of the spec that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
}

/// What is managed, in numbers; the list is in ConfigMaps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InventorySummary {
    /// The delivery's name: the value of the label on the inventory's ConfigMaps and on every
    /// delivered object.
    pub delivery: String,
    /// The namespace of those ConfigMaps.
    pub namespace: String,
    /// Objects in it.
    pub objects: u32,
    /// The same by health.
    pub health: HealthCounts,
}

/// Objects by health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthCounts {
    /// As asked.
    pub healthy: u32,
    /// Standing still on request.
    pub suspended: u32,
    /// On their way.
    pub progressing: u32,
    /// Not there.
    pub missing: u32,
    /// Failed.
    pub degraded: u32,
    /// Unreadable.
    pub unknown: u32,
}

/// One object that differs from the tree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Drift {
    /// API group; empty for core.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty when cluster-scoped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The paths that differ, without values; empty when the object is gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Who wrote them, where the server knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Why it is not healed, when it is not: opted out, fighting, suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// When it was seen first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What set an operation off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Trigger {
    /// The regular look at the source.
    #[default]
    Poll,
    /// A push.
    Webhook,
    /// Another generation of the spec.
    Spec,
    /// A live object that differs.
    Drift,
    /// A failure before.
    Retry,
    /// A person.
    Manual,
    /// A dependency that became ready.
    Dependency,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Outcome {
    /// It is under way.
    #[default]
    Running,
    /// Everything is applied; health included once `healthy_at` is set.
    Succeeded,
    /// Some objects or all failed.
    Failed,
    /// Nothing was written: a signature, the rendering or the validation refused it.
    Refused,
    /// It was stopped before its end.
    Cancelled,
}

/// What was found about the signature of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SignatureVerdict {
    /// Nobody asked.
    #[default]
    NotChecked,
    /// Good, by an allowed key.
    Good,
    /// There is none.
    Unsigned,
    /// Good, by a key that is not allowed.
    UnknownKey,
    /// By a key that was not valid at that time.
    Expired,
    /// By a key that was revoked.
    Revoked,
    /// By an allowed key of somebody who is not the committer.
    WrongCommitter,
    /// It does not fit the commit.
    Bad,
}

/// Objects by what was done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Made.
    pub created: u32,
    /// Changed.
    pub updated: u32,
    /// Left as they are.
    pub unchanged: u32,
    /// Deleted because they left the tree.
    pub pruned: u32,
    /// Failed.
    pub failed: u32,
    /// Held because of another one.
    pub held: u32,
}

/// How long the parts of an operation took; absent parts did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timings {
    /// From the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Period>,
    /// To objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub render: Option<Period>,
    /// To the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<Period>,
    /// Until healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Period>,
}

impl Timings {
    /// Whether nothing took place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One delivery of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// The commit.
    pub revision: String,
    /// Who wrote it: `Name <address>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Who committed it: `Name <address>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub committer: String,
    /// What was found about its signature.
    pub signature: SignatureVerdict,
    /// Whose key it was, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// What set it off.
    pub trigger: Trigger,
    /// When the revision was first heard of: the start of a deploy's duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detected_at: Option<Timestamp>,
    /// When work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the last object was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When everything was healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// One of [`reason`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Objects by what was done with them.
    pub counts: Counts,
    /// How long its parts took. Not written while empty: where an apply gives up all fields of a
    /// map and names the map, the server makes a null of it, and then refuses that.
    #[serde(skip_serializing_if = "Timings::is_empty")]
    pub timings: Timings,
}

/// What will be done next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Next {
    /// The action, as [`crate::decide::Action`] prints it.
    pub action: String,
    /// Why.
    pub reason: String,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What receivers were told last, so that a restart neither repeats nor loses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notified {
    /// The commit.
    pub revision: String,
    /// What was told of it.
    pub event: NotifyEvent,
}
