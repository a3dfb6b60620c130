//! What is told of a GitSync: its status, events, the audit log, the log, metrics.

use super::{Syncer, TROUBLE_PAUSE};
use crate::numbers::Phase;
use cluster::{EventType, News};
use gitops::decide::Decision;
use gitops::spec::{
    HealthCounts, InventorySummary, Operation, Outcome, Period, Status, Valid, condition, reason,
};
use serde_json::json;
use std::time::Duration;

/// Bytes of a note in an event; the whole stands in the status.
const NOTE_BYTES_MAX: usize = 900;

impl Syncer {
    /// Brings the status up to date with what is known, in memory.
    pub(super) fn note(&mut self, valid: &Valid, decision: &Decision) {
        let now = self.now();
        gitops::decide::merge(&mut self.status.conditions, decision.conditions.clone(), now);
        self.status.observed_generation = self.sync.metadata.generation;
        self.status.next = decision.next(now).map(|next| {
            // A time that moves with every look would be written with every look.
            let known = self
                .status
                .next
                .take()
                .filter(|known| known.action == next.action && known.reason == next.reason);
            known.unwrap_or(next)
        });
        self.status.set_drift(self.drift.told.clone());
        self.shared.numbers.drift(&self.key, self.status.drift_total);
        self.note_health(valid);
        let ready = self.status.condition(condition::READY);
        let ready = ready.is_some_and(|ready| ready.status == true.into());
        self.shared.numbers.ready(&self.key, ready);
    }

    fn note_health(&mut self, valid: &Valid) {
        let Some(health) = self.health() else { return };
        let counts = health.counts;
        if self.health.is_none() {
            return;
        }
        self.shared.numbers.objects(&self.key, &counts);
        let HealthCounts { healthy, suspended, progressing, missing, degraded, unknown } = counts;
        let total = healthy + suspended + progressing + missing + degraded + unknown;
        self.status.inventory = self.name.as_ref().map(|name| InventorySummary {
            delivery: name.as_str().to_owned(),
            namespace: self.key.namespace.clone(),
            objects: total,
            health: counts,
        });
        if !health.is_healthy() {
            return;
        }
        let Some(state) = &self.attempt else { return };
        let revision = state.attempt.revision.clone();
        let took = state.applied.map(|at| at.elapsed()).unwrap_or_default();
        self.status.healthy_revision = Some(revision.clone());
        let now = self.now();
        let Some(last) = self.status.last_operation.clone() else { return };
        if last.revision == revision && last.healthy_at.is_none() {
            let mut last = last;
            last.healthy_at = Some(now);
            last.timings.health = Some(Period(rounded(took)));
            self.shared.numbers.took(Phase::Health, took);
            self.audit(valid, "Health", &last, "Healthy");
            self.status.record(last);
        }
    }

    /// Writes the status when it changed; gives the pause when that failed.
    pub(super) async fn write_status(&mut self) -> Option<Duration> {
        if self.written.as_ref() == Some(&self.status) {
            return None;
        }
        if !self.shared.home.may_act() {
            return Some(TROUBLE_PAUSE);
        }
        let turned = self.turned();
        match self.shared.home.write_status(&self.sync, &self.status).await {
            Ok(()) => {
                self.written = Some(self.status.clone());
                self.shared.publish(&self.key, &self.status);
                if let Some(news) = turned {
                    self.shared.home.tell(&self.sync, news).await;
                }
                None
            }
            Err(error) => Some(self.trouble(&error)),
        }
    }

    /// News when `Ready` is another than it was.
    fn turned(&self) -> Option<News> {
        let ready = |status: &Status| {
            let ready = status.condition(condition::READY)?;
            Some((ready.status, ready.reason.clone(), ready.message.clone()))
        };
        let now = ready(&self.status)?;
        let before = self.written.as_ref().and_then(ready);
        if before.as_ref().is_some_and(|before| (before.0, &before.1) == (now.0, &now.1)) {
            return None;
        }
        let (status, why, message) = now;
        if why == reason::PROGRESSING || why == reason::PENDING {
            return None;
        }
        tracing::info!(sync = %self.key, reason = why, message, "a GitSync turned");
        let well = status == true.into() || why == reason::SUSPENDED;
        let r#type = if well { EventType::Normal } else { EventType::Warning };
        let end = message.floor_char_boundary(NOTE_BYTES_MAX);
        let note = message.get(..end).unwrap_or_default().to_owned();
        Some(News { r#type, reason: why, action: "Reconcile".to_owned(), note })
    }

    /// An operation begins: written down before anything is done, so that a crash is seen.
    pub(super) async fn begin(&mut self, operation: Operation) {
        self.status.record(operation);
        let _ = self.write_status().await;
    }

    /// An operation ended.
    pub(super) fn finish(&mut self, valid: &Valid, action: &str, operation: Operation) {
        let outcome = outcome_name(operation.outcome);
        self.shared.numbers.operation(&self.key, outcome);
        tracing::info!(
            sync = %self.key, revision = operation.revision, outcome, reason = operation.reason,
            created = operation.counts.created, updated = operation.counts.updated,
            pruned = operation.counts.pruned, failed = operation.counts.failed,
            message = operation.message, "an operation ended"
        );
        self.audit(valid, action, &operation, outcome);
        self.status.record(operation);
    }

    /// One line of the audit log about the GitSync as a whole.
    pub(super) fn audit(&self, valid: &Valid, action: &str, operation: &Operation, outcome: &str) {
        let line = json!({
            "event_type": "operation",
            "timestamp": self.now().to_string(),
            "resource_kind": gitops::spec::KIND,
            "namespace": self.key.namespace,
            "name": self.key.name,
            "resource_uid": self.sync.metadata.uid,
            "user": {
                "commit_author": operation.author,
                "service_account": self.shared.home.actor(valid),
            },
            "revision": operation.revision,
            "action": action,
            "outcome": outcome,
            "reason": operation.reason,
        });
        self.shared.options.audit.line(&line.to_string());
    }

    /// One line of the audit log about one object.
    pub(super) fn audit_object(
        &self,
        valid: &Valid,
        operation: &Operation,
        done: &delivery::Outcome,
    ) {
        let outcome = match done.result {
            delivery::OutcomeResult::Done => "Succeeded",
            delivery::OutcomeResult::Failed => "Failed",
            _ => return,
        };
        let line = json!({
            "event_type": "object",
            "timestamp": self.now().to_string(),
            "resource_kind": done.object.group_kind().to_string(),
            "namespace": done.object.namespace,
            "name": done.object.name,
            "resource_uid": null,
            "user": {
                "commit_author": operation.author,
                "service_account": self.shared.home.actor(valid),
            },
            "sync": self.key.to_string(),
            "revision": operation.revision,
            "action": done.action.to_string(),
            "outcome": outcome,
            "reason": done.reason,
        });
        self.shared.options.audit.line(&line.to_string());
    }
}

pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Running => "Running",
        Outcome::Succeeded => "Succeeded",
        Outcome::Failed => "Failed",
        Outcome::Refused => "Refused",
        Outcome::Cancelled => "Cancelled",
    }
}

/// To milliseconds, as a status shows it.
pub(super) fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
