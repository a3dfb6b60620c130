//! Kinds that run to completion.

use super::{Condition, Health, condition, is_stale, not_observed};
use crate::Object;

pub(super) fn job(object: &Object) -> Health {
    if let Some(failed) = condition(object, "Failed").filter(Condition::is_true) {
        return Health::degraded(failed.text());
    }
    if condition(object, "Complete").is_some_and(|c| c.is_true()) {
        return Health::healthy();
    }
    if let Some(suspended) = condition(object, "Suspended").filter(Condition::is_true) {
        return Health::suspended(suspended.text());
    }
    // The controller fails or completes a job a moment before its last pod is gone.
    if let Some(failing) = condition(object, "FailureTarget").filter(Condition::is_true) {
        return Health::progressing(failing.text());
    }
    let active = super::count(object, "active");
    Health::progressing(format!("running, {active} active pods"))
}

/// A schedule is healthy while it is not suspended; each of its jobs has its own health.
pub(super) fn cron_job(object: &Object) -> Health {
    if object.at(&["spec", "suspend"]).is_some_and(|suspend| suspend == true) {
        return Health::suspended("the schedule is suspended");
    }
    let observed = object.at(&["status", "observedGeneration"]).is_some();
    if observed && is_stale(object) {
        return not_observed();
    }
    Health::healthy()
}
