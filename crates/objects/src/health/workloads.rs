//! Kinds that keep pods running, and the two that watch over them.

use super::{Condition, Health, condition, conditions, count, is_stale, not_observed, number};
use crate::Object;

/// Replicas when the field is absent: the server's default.
const DEFAULT_REPLICAS: i64 = 1;

/// Conditions of an autoscaler that say it cannot work: type, reason.
const AUTOSCALER_FAILURES: [(&str, &str); 5] = [
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedGetResourceMetric"),
    ("ScalingActive", "InvalidMetricSourceType"),
    ("ScalingActive", "InvalidSelector"),
];

/// Conditions of an autoscaler that say it works: type, reason.
const AUTOSCALER_SUCCESSES: [(&str, &str); 4] = [
    ("AbleToScale", "SucceededRescale"),
    ("ScalingLimited", "DesiredWithinRange"),
    ("ScalingLimited", "TooFewReplicas"),
    ("ScalingLimited", "TooManyReplicas"),
];

fn replicas(object: &Object) -> i64 {
    number(object, &["spec", "replicas"]).unwrap_or(DEFAULT_REPLICAS)
}

pub(super) fn deployment(object: &Object) -> Health {
    if object.at(&["spec", "paused"]).is_some_and(|paused| paused == true) {
        return Health::suspended("the rollout is paused");
    }
    if is_stale(object) {
        return not_observed();
    }
    let progressing = condition(object, "Progressing");
    if let Some(late) = progressing.filter(|c| c.reason == "ProgressDeadlineExceeded") {
        return Health::degraded(late.text());
    }
    let (wanted, updated) = (replicas(object), count(object, "updatedReplicas"));
    let (all, available) = (count(object, "replicas"), count(object, "availableReplicas"));
    if updated < wanted {
        return Health::progressing(format!("{updated} of {wanted} replicas are updated"));
    }
    if all > updated {
        return Health::progressing(format!("{} old replicas are still there", all - updated));
    }
    if available < updated {
        return Health::progressing(format!("{available} of {updated} replicas are available"));
    }
    Health::healthy()
}

pub(super) fn stateful_set(object: &Object) -> Health {
    if count(object, "observedGeneration") == 0 || is_stale(object) {
        return not_observed();
    }
    let (wanted, ready) = (replicas(object), count(object, "readyReplicas"));
    if ready < wanted {
        return Health::progressing(format!("{ready} of {wanted} replicas are ready"));
    }
    let strategy = object.str_at(&["spec", "updateStrategy", "type"]).unwrap_or("RollingUpdate");
    if strategy == "OnDelete" {
        return Health::healthy();
    }
    let updated = count(object, "updatedReplicas");
    let partition = number(object, &["spec", "updateStrategy", "rollingUpdate", "partition"]);
    if let Some(partition) = partition.filter(|partition| *partition > 0) {
        let wanted = (wanted - partition).max(0);
        if updated < wanted {
            return Health::progressing(format!(
                "{updated} of {wanted} replicas above the partition are updated"
            ));
        }
        return Health::healthy();
    }
    let revision = |field| object.str_at(&["status", field]).unwrap_or_default();
    if revision("updateRevision") != revision("currentRevision") {
        return Health::progressing(format!("{updated} of {wanted} replicas are updated"));
    }
    Health::healthy()
}

pub(super) fn daemon_set(object: &Object) -> Health {
    if is_stale(object) {
        return not_observed();
    }
    if object.str_at(&["spec", "updateStrategy", "type"]) == Some("OnDelete") {
        return Health::healthy();
    }
    let wanted = count(object, "desiredNumberScheduled");
    let updated = count(object, "updatedNumberScheduled");
    if updated < wanted {
        return Health::progressing(format!("{updated} of {wanted} pods are updated"));
    }
    let available = count(object, "numberAvailable");
    if available < wanted {
        return Health::progressing(format!("{available} of {wanted} pods are available"));
    }
    Health::healthy()
}

pub(super) fn replica_set(object: &Object) -> Health {
    if is_stale(object) {
        return not_observed();
    }
    if let Some(failure) = condition(object, "ReplicaFailure").filter(Condition::is_true) {
        return Health::degraded(failure.text());
    }
    let (wanted, available) = (replicas(object), count(object, "availableReplicas"));
    if available < wanted {
        return Health::progressing(format!("{available} of {wanted} replicas are available"));
    }
    Health::healthy()
}

pub(super) fn autoscaler(object: &Object) -> Health {
    let observed = number(object, &["status", "observedGeneration"]);
    if observed.is_some_and(|observed| observed < object.generation().unwrap_or(0)) {
        return not_observed();
    }
    for condition in conditions(object) {
        if AUTOSCALER_FAILURES.contains(&(condition.kind, condition.reason)) {
            return Health::degraded(condition.text());
        }
    }
    for condition in conditions(object) {
        if AUTOSCALER_SUCCESSES.contains(&(condition.kind, condition.reason)) {
            return Health::new(super::HealthStatus::Healthy, condition.text());
        }
    }
    Health::progressing("waiting for the first scaling decision")
}

pub(super) fn disruption_budget(object: &Object) -> Health {
    if is_stale(object) {
        return not_observed();
    }
    let allowed = condition(object, "DisruptionAllowed");
    if let Some(failure) = allowed.filter(|c| c.reason == "SyncFailed") {
        return Health::degraded(failure.text());
    }
    let (current, desired) = (count(object, "currentHealthy"), count(object, "desiredHealthy"));
    if current < desired {
        return Health::progressing(format!("{current} of {desired} pods are healthy"));
    }
    Health::healthy()
}
