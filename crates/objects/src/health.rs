//! Is an object doing what it was asked to: health from the object alone.
//!
//! Each kind has its rule; a kind without one is judged by the conventions that most
//! controllers follow (`status.observedGeneration` and conditions), and an object without any
//! status is healthy because there is nothing to wait for. Two things hold for every kind: a
//! status that speaks of an older generation never counts as healthy, and an object that is
//! being deleted is progressing.
//!
//! The rules follow those that users know from Argo CD; where they differ is in the crate's
//! README. Input: a live object. [`HealthStatus::Missing`] is for the caller, who knows that an
//! object is not there.

mod batch;
mod definitions;
mod generic;
mod network;
mod pods;
mod storage;
mod workloads;

use crate::{GroupKind, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// How an object is doing; the worst of several is the greatest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum HealthStatus {
    /// It is as asked.
    #[default]
    Healthy,
    /// Someone asked it to stand still.
    Suspended,
    /// On its way.
    Progressing,
    /// Not there.
    Missing,
    /// It failed, or will not get there by itself.
    Degraded,
    /// The status cannot be read.
    Unknown,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        })
    }
}

/// The health of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Why, for people; may be empty when healthy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Health {
    /// A verdict with its reason.
    pub fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn healthy() -> Self {
        Self::default()
    }

    fn progressing(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Progressing, message)
    }

    fn degraded(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Degraded, message)
    }

    fn suspended(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Suspended, message)
    }

    fn unknown(message: impl Into<String>) -> Self {
        Self::new(HealthStatus::Unknown, message)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

type Rule = fn(&Object) -> Health;

/// Group, kind, rule.
const RULES: [(&str, &str, Rule); 20] = [
    ("", "Namespace", definitions::namespace),
    ("", "PersistentVolume", storage::volume),
    ("", "PersistentVolumeClaim", storage::claim),
    ("", "Pod", pods::pod),
    ("", "ReplicationController", workloads::replica_set),
    ("", "Service", network::service),
    ("apiextensions.k8s.io", "CustomResourceDefinition", definitions::custom_resource_definition),
    ("apiregistration.k8s.io", "APIService", definitions::api_service),
    ("apps", "DaemonSet", workloads::daemon_set),
    ("apps", "Deployment", workloads::deployment),
    ("apps", "ReplicaSet", workloads::replica_set),
    ("apps", "StatefulSet", workloads::stateful_set),
    ("autoscaling", "HorizontalPodAutoscaler", workloads::autoscaler),
    ("batch", "CronJob", batch::cron_job),
    ("batch", "Job", batch::job),
    ("networking.k8s.io", "Ingress", network::ingress),
    ("policy", "PodDisruptionBudget", workloads::disruption_budget),
    // Their conditions are not about readiness.
    ("", "Node", generic::always_healthy),
    ("coordination.k8s.io", "Lease", generic::always_healthy),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", generic::always_healthy),
];

/// The health of a live object; see the module's text.
#[must_use]
pub fn assess(object: &Object) -> Health {
    if object.is_terminating() {
        return Health::progressing("being deleted");
    }
    let kind: GroupKind = object.gvk().group_kind().canonical();
    let rule = RULES
        .iter()
        .find(|(group, name, _)| *group == kind.group && *name == kind.kind)
        .map_or(generic::any as Rule, |(_, _, rule)| *rule);
    rule(object)
}

/// One entry of `status.conditions`, borrowed.
#[derive(Clone, Copy)]
struct Condition<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
    observed_generation: Option<i64>,
}

impl Condition<'_> {
    fn is_true(&self) -> bool {
        self.status == "True"
    }

    fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// The message, or what stands for it when there is none.
    fn text(&self) -> String {
        match (self.message, self.reason) {
            ("", "") => format!("{} is {}", self.kind, self.status),
            ("", reason) => reason.to_owned(),
            (message, _) => message.to_owned(),
        }
    }
}

/// The conditions in their order; entries that are not conditions are left out.
fn conditions(object: &Object) -> impl Iterator<Item = Condition<'_>> {
    let list = object.at(&["status", "conditions"]).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| {
        let text = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = entry.get("type")?.as_str()?;
        let observed_generation = entry.get("observedGeneration").and_then(Value::as_i64);
        Some(Condition {
            kind,
            status: text("status"),
            reason: text("reason"),
            message: text("message"),
            observed_generation,
        })
    })
}

fn condition<'a>(object: &'a Object, kind: &str) -> Option<Condition<'a>> {
    conditions(object).find(|condition| condition.kind == kind)
}

/// A number in the object, if it is there.
fn number(object: &Object, path: &[&str]) -> Option<i64> {
    object.at(path)?.as_i64()
}

/// A count in `status`; an absent one is zero, as Go's encoding leaves zeroes out.
fn count(object: &Object, field: &str) -> i64 {
    number(object, &["status", field]).unwrap_or(0)
}

/// Whether the controller has not seen the newest generation; an absent `observedGeneration`
/// means that it has seen none.
fn is_stale(object: &Object) -> bool {
    object.generation().unwrap_or(0) > count(object, "observedGeneration")
}

fn not_observed() -> Health {
    Health::progressing("the controller has not seen the newest generation")
}

#[cfg(test)]
mod tests;
