//! What is told of a GitSync: its status, events, the audit log, the log, metrics.

use super::{Syncer, TROUBLE_PAUSE};
use crate::error::ReconcileError;
use crate::numbers::Phase;
use cluster::News;
use gitops::audit::{AuditEvent, EventType};
use gitops::decide::Decision;
use gitops::notify;
use gitops::spec::{
    HealthCounts, InventorySummary, NotifyEvent, Operation, Outcome, Period, Status, Trigger,
    Valid, condition, reason,
};
use std::time::Duration;
use sync::Action;
use tokio::time::Instant;

/// Drift from one revision is notified at most once in this time.
const DRIFT_PAUSE: Duration = Duration::from_secs(600);
/// Bytes of a note in an event; the whole stands in the status.
const NOTE_BYTES_MAX: usize = 900;

impl Syncer {
    /// Brings the status up to date with what is known, in memory.
    pub(super) fn note(&mut self, decision: &Decision) {
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
        self.note_health();
        let ready = self.status.condition(condition::READY);
        let ready = ready.is_some_and(|ready| ready.status == true.into());
        self.shared.numbers.ready(&self.key, ready);
    }

    fn note_health(&mut self) {
        let Some(health) = self.health() else { return };
        let counts = health.counts;
        if self.health.is_none() {
            return;
        }
        self.shared.numbers.objects(&self.key, &counts);
        let HealthCounts { healthy, suspended, progressing, missing, degraded, unknown } = counts;
        let all = [healthy, suspended, progressing, missing, degraded, unknown];
        let total = all.into_iter().fold(0, u32::saturating_add);
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
            self.status.record(last);
        }
    }

    /// Writes the status when it changed; gives the pause when that failed.
    pub(super) async fn write_status(&mut self) -> Option<Duration> {
        if self.written.as_ref() == Some(&self.status) {
            return None;
        }
        if !self.shared.home.may_act() || self.mailbox.ends() {
            return Some(TROUBLE_PAUSE);
        }
        let (turned, status) = (self.turned(), self.status.clone());
        let result = self.shared.home.write_status(&self.sync, &status).await;
        self.wrote_status(result, status, turned).await
    }

    /// Acts, and writes meanwhile what the status is before that.
    pub(super) async fn act_and_write(
        &mut self,
        valid: &Valid,
        decision: &Decision,
    ) -> Option<Duration> {
        if self.written.as_ref() == Some(&self.status) || self.mailbox.ends() {
            return self.act(valid, decision).await;
        }
        let (turned, status) = (self.turned(), self.status.clone());
        let (home, sync) = (self.shared.home.clone(), self.sync.clone());
        let write = home.write_status(&sync, &status);
        let (result, pause) = tokio::join!(write, self.act(valid, decision));
        self.wrote_status(result, status, turned).await.or(pause)
    }

    pub(super) async fn wrote_status(
        &mut self,
        result: Result<(), ReconcileError>,
        status: Status,
        turned: Option<News>,
    ) -> Option<Duration> {
        match result {
            Ok(()) => {
                self.shared.publish(&self.key, &status);
                self.written = Some(status);
                self.notify();
                if let Some(news) = turned {
                    self.shared.home.tell(&self.sync, news).await;
                }
                None
            }
            Err(error) => Some(self.trouble(&error)),
        }
    }

    /// Tells the receivers of `spec.notify` what the status says and they do not know yet: the
    /// state of a revision once, drift of one revision once in a while.
    fn notify(&mut self) {
        if self.letters.is_empty() {
            return;
        }
        let uid = self.sync.metadata.uid.clone().unwrap_or_default();
        let status = &self.status;
        if let Some(state) = notify::state(status).filter(|state| self.told.as_ref() != Some(state))
            && let Some(letter) = notify::letter(&self.key, &uid, state.event, status)
        {
            self.letters.send(letter, Some(state.clone()));
            self.told = Some(state);
        }
        let revision = status.applied_revision.clone().unwrap_or_default();
        let known = self
            .told_drift
            .as_ref()
            .is_some_and(|(known, at)| *known == revision && at.elapsed() < DRIFT_PAUSE);
        if status.drift_total > 0
            && !known
            && let Some(letter) = notify::letter(&self.key, &uid, NotifyEvent::Drift, status)
        {
            self.letters.send(letter, None);
            self.told_drift = Some((revision, Instant::now()));
        }
    }

    /// News when `Ready` is another than it was.
    pub(super) fn turned(&self) -> Option<News> {
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
        let r#type = if well { cluster::EventType::Normal } else { cluster::EventType::Warning };
        let end = message.floor_char_boundary(NOTE_BYTES_MAX);
        let note = message.get(..end).unwrap_or_default().to_owned();
        Some(News { r#type, reason: why, action: "Reconcile".to_owned(), note })
    }

    /// An operation ended.
    pub(super) fn finish(&mut self, valid: &Valid, operation: Operation) {
        let outcome = outcome_name(operation.outcome);
        self.shared.numbers.operation(&self.key, outcome);
        tracing::info!(
            sync = %self.key, revision = operation.revision, outcome, reason = operation.reason,
            created = operation.counts.created, updated = operation.counts.updated,
            pruned = operation.counts.pruned, failed = operation.counts.failed,
            message = operation.message, "an operation ended"
        );
        let r#type = match operation.outcome {
            Outcome::Refused => EventType::RevisionRefused,
            _ => EventType::SyncFinished,
        };
        self.audit(valid, r#type, &operation);
        self.status.record(operation);
    }

    /// The line of the audit log about the beginning of an operation.
    pub(super) fn started(&self, valid: &Valid, operation: &Operation) -> AuditEvent {
        self.about(valid, EventType::SyncStarted, operation)
    }

    /// One line of the audit log about the GitSync as a whole.
    pub(super) fn audit(&self, valid: &Valid, r#type: EventType, operation: &Operation) {
        self.shared.options.audit.event(&self.about(valid, r#type, operation));
    }

    fn about(&self, valid: &Valid, r#type: EventType, operation: &Operation) -> AuditEvent {
        let mut event = self.event(valid, r#type, "sync", operation);
        event.outcome = operation.outcome;
        gitops::spec::KIND.clone_into(&mut event.resource_kind);
        event.namespace.clone_from(&self.key.namespace);
        event.name.clone_from(&self.key.name);
        event.resource_uid = self.sync.metadata.uid.clone().unwrap_or_default();
        event.message.clone_from(&operation.message);
        event
    }

    /// One line of the audit log about one object.
    pub(super) fn audit_object(
        &self,
        valid: &Valid,
        operation: &Operation,
        done: &delivery::Outcome,
    ) {
        let outcome = match done.result {
            delivery::OutcomeResult::Done => Outcome::Succeeded,
            delivery::OutcomeResult::Failed => Outcome::Failed,
            _ => return,
        };
        let r#type = match (operation.trigger, done.action) {
            (_, Action::Prune) => EventType::ObjectPruned,
            (Trigger::Drift, _) => EventType::ObjectHealed,
            _ => EventType::ObjectApplied,
        };
        let mut event = self.event(valid, r#type, &done.action.to_string(), operation);
        event.outcome = outcome;
        event.resource_kind = done.object.group_kind().to_string();
        event.namespace.clone_from(&done.object.namespace);
        event.name.clone_from(&done.object.name);
        event.resource_uid = done.uid.clone().unwrap_or_default();
        event.message = done.reason.clone().unwrap_or_default();
        self.shared.options.audit.event(&event);
    }

    fn event(
        &self,
        valid: &Valid,
        r#type: EventType,
        action: &str,
        operation: &Operation,
    ) -> AuditEvent {
        let mut event = AuditEvent::new(r#type, action, operation.outcome, self.now());
        event.user.clone_from(&operation.author);
        event.service_account = self.shared.home.actor(valid);
        event.revision.clone_from(&operation.revision);
        event.sync = self.key.to_string();
        event
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
