//! Kinds without a rule of their own: the conventions that most controllers follow.

use super::{Condition, Health, conditions, is_stale, not_observed};
use crate::Object;

/// Conditions that mean failure when true.
const FAILED_WHEN_TRUE: [&str; 3] = ["Stalled", "Failed", "Degraded"];

/// Conditions that mean work in progress when true.
const BUSY_WHEN_TRUE: [&str; 2] = ["Reconciling", "Progressing"];

/// Conditions that say whether the object is as asked, the most telling first.
const READY: [&str; 4] = ["Ready", "Available", "Established", "Healthy"];

/// Judged by observed generation and conditions; without either there is nothing to wait for.
///
/// 1. A status or a condition about an older generation: progressing.
/// 2. `Stalled`, `Failed` or `Degraded` true: degraded.
/// 3. `Reconciling` true: progressing.
/// 4. `Ready`, else `Available` and so on: true is healthy, anything else progressing.
/// 5. `Progressing` true without any of these: progressing.
pub(super) fn any(object: &Object) -> Health {
    let reports_generation = object.at(&["status", "observedGeneration"]).is_some();
    if reports_generation && is_stale(object) {
        return not_observed();
    }
    let generation = object.generation().unwrap_or(0);
    let current = |condition: &Condition| {
        condition.observed_generation.is_none_or(|observed| observed >= generation)
    };
    let find = |kind: &str| conditions(object).find(|condition| condition.kind == kind);
    let true_one = |kinds: &[&str]| {
        kinds.iter().find_map(|kind| find(kind).filter(|c| c.is_true() && current(c)))
    };
    if let Some(failed) = true_one(&FAILED_WHEN_TRUE) {
        return Health::degraded(failed.text());
    }
    let ready = READY.iter().find_map(|kind| find(kind));
    if let Some(ready) = ready {
        if !current(&ready) {
            return not_observed();
        }
        let reconciling = find("Reconciling").filter(|c| c.is_true() && current(c));
        return match reconciling {
            Some(reconciling) => Health::progressing(reconciling.text()),
            None if ready.is_true() => Health::healthy(),
            None => Health::progressing(ready.text()),
        };
    }
    if let Some(busy) = true_one(&BUSY_WHEN_TRUE) {
        return Health::progressing(busy.text());
    }
    let has_old_news = conditions(object).any(|condition| !current(&condition));
    if has_old_news { not_observed() } else { Health::healthy() }
}

/// Nothing to wait for, whatever the status says.
pub(super) fn always_healthy(_: &Object) -> Health {
    Health::healthy()
}
