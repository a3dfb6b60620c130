//! The four conditions of a GitSync, from its facts.
//!
//! `Ready` is for people and for other GitSyncs: the newest generation and the newest known
//! commit are applied and healthy. `Reconciling` and `Stalled` follow the convention of kstatus:
//! at most one of them is true, and both are false when all is done.

use super::{Facts, blocked_message, generation, graph, is_exhausted};
use crate::spec::{Condition, ConditionStatus, Outcome, Valid, bounded, condition, reason};
use jiff::Timestamp;

/// What a `Ready` would say.
struct Verdict {
    ready: ConditionStatus,
    reason: String,
    message: String,
    stalled: bool,
}

impl Verdict {
    fn new(ready: bool, reason: &str, message: impl Into<String>) -> Self {
        let (ready, reason) = (ready.into(), reason.to_owned());
        Self { ready, reason, message: message.into(), stalled: false }
    }

    fn progressing(message: impl Into<String>) -> Self {
        let verdict = Self::new(false, reason::PROGRESSING, message);
        Self { ready: ConditionStatus::Unknown, ..verdict }
    }

    fn stalled(mut self) -> Self {
        self.stalled = true;
        self
    }
}

/// The conditions that hold, without times.
#[must_use]
pub fn conditions(sync: &Valid, facts: &Facts) -> Vec<Condition> {
    let verdict = verdict(sync, facts);
    let suspended = sync.spec().suspend;
    let done = verdict.ready == ConditionStatus::True || suspended;
    let make = |kind: &str, status: ConditionStatus, reason: &str, message: &str| Condition {
        r#type: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: bounded(message.to_owned()),
        observed_generation: sync.sync().metadata.generation,
        last_transition_time: None,
    };
    let Verdict { ready, reason: why, message, stalled } = &verdict;
    let reconciling = !done && !stalled;
    let (healthy, health_reason, health_message) = health(sync, facts);
    let told = |holds: bool| if holds { message.as_str() } else { "" };
    vec![
        make(condition::READY, *ready, why, message),
        make(condition::RECONCILING, reconciling.into(), why, told(reconciling)),
        make(condition::STALLED, (*stalled).into(), why, told(*stalled)),
        make(condition::HEALTHY, healthy, health_reason, &health_message),
    ]
}

fn verdict(sync: &Valid, facts: &Facts) -> Verdict {
    if sync.spec().suspend {
        return Verdict::new(false, reason::SUSPENDED, "it is suspended");
    }
    if let Some(cycle) = &facts.cycle {
        let message = format!("GitSyncs depend on each other: {}", graph::print_cycle(cycle));
        return Verdict::new(false, reason::DEPENDENCY_CYCLE, message).stalled();
    }
    if let Some(failure) = &facts.source.failure {
        let why = if failure.reason.is_empty() { reason::FETCH_FAILED } else { &failure.reason };
        return Verdict::new(false, why, failure.message.clone());
    }
    if let Some(message) = blocked_message(facts) {
        return Verdict::new(false, reason::DEPENDENCY_NOT_READY, message);
    }
    let Some(attempt) = &facts.attempt else { return Verdict::progressing("not applied yet") };
    let current = facts.source.fetched.as_deref() == Some(attempt.revision.as_str())
        && facts.source.head == facts.source.fetched
        && attempt.generation == generation(sync);
    if !current {
        return Verdict::progressing("a newer revision or spec is being delivered");
    }
    match attempt.outcome {
        Outcome::Running | Outcome::Cancelled => Verdict::progressing("being applied"),
        Outcome::Failed | Outcome::Refused => {
            let failure = attempt.failure.as_ref();
            let why = failure.map_or("", |failure| failure.reason.as_str());
            let why = if why.is_empty() { reason::APPLY_FAILED } else { why };
            let message = failure.map(|failure| failure.message.clone()).unwrap_or_default();
            if is_exhausted(sync, attempt) {
                let message = format!("no retry is left: {message}");
                return Verdict::new(false, reason::RETRIES_EXHAUSTED, message).stalled();
            }
            Verdict::new(false, why, message)
        }
        Outcome::Succeeded => applied(sync, facts, &attempt.revision),
    }
}

/// The verdict on a revision that is applied: drift and health decide.
fn applied(sync: &Valid, facts: &Facts, revision: &str) -> Verdict {
    let (healthy, why, message) = health(sync, facts);
    if healthy != ConditionStatus::True {
        let verdict = Verdict::new(false, why, message);
        return if healthy == ConditionStatus::Unknown {
            Verdict { ready: ConditionStatus::Unknown, ..verdict }
        } else {
            verdict
        };
    }
    if let Some(fight) = &facts.drift.fight {
        return Verdict::new(false, reason::FIGHTING, fight.clone()).stalled();
    }
    if facts.drift.due > 0 || facts.drift.next.is_some() {
        let message = "live objects differ from the tree and are being healed";
        return Verdict::progressing(message);
    }
    if facts.drift.held > 0 {
        let message = format!(
            "applied {revision}; {} objects differ and are not to be healed",
            facts.drift.held
        );
        return Verdict::new(true, reason::DRIFTED, message);
    }
    Verdict::new(true, reason::SUCCEEDED, format!("applied {revision}"))
}

fn health(sync: &Valid, facts: &Facts) -> (ConditionStatus, &'static str, String) {
    let Some(health) = &facts.health else {
        return (ConditionStatus::Unknown, reason::PENDING, "nothing was applied yet".to_owned());
    };
    let message = || health.message.clone();
    if health.is_healthy() {
        return (ConditionStatus::True, reason::SUCCEEDED, String::new());
    }
    if health.counts.degraded > 0 {
        return (ConditionStatus::False, reason::DEGRADED, message());
    }
    if health.age > sync.spec().health_timeout.0 {
        return (ConditionStatus::False, reason::HEALTH_TIMEOUT, message());
    }
    (ConditionStatus::Unknown, reason::PROGRESSING, message())
}

/// Puts the conditions that hold now into those that were written; true when anything has to be
/// written. The transition time moves only when the status does; conditions of other writers
/// stay.
pub fn merge(written: &mut Vec<Condition>, now_hold: Vec<Condition>, now: Timestamp) -> bool {
    // The API keeps whole seconds.
    let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let mut changed = false;
    for mut next in now_hold {
        match written.iter_mut().find(|known| known.r#type == next.r#type) {
            Some(known) => {
                next.last_transition_time = match known.last_transition_time {
                    Some(time) if known.status == next.status => Some(time),
                    _ => Some(second),
                };
                changed |= *known != next;
                *known = next;
            }
            None => {
                next.last_transition_time = Some(second);
                written.push(next);
                changed = true;
            }
        }
    }
    changed
}
