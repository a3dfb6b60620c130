//! The end of a GitSync: its objects are pruned or released, then it is let go.

use super::{Syncer, TROUBLE_PAUSE, calls};
use crate::engine::lock;
use delivery::{DeletePolicy, DeliveryError};
use gitops::audit::EventType;
use gitops::spec::{FINALIZER, GitSync, OnDelete, Operation, Outcome, Trigger, Valid, reason};
use model::chain;
use std::time::Duration;

/// Between two looks at a GitSync whose objects do not go.
const STUCK_PAUSE: Duration = Duration::from_secs(10);
/// A GitSync that was let go waits for the watch to tell so.
const GONE_RECHECK: Duration = Duration::from_secs(60);

impl Syncer {
    /// One try to end it; gives the pause until the next one.
    pub(super) async fn end(&mut self) -> Duration {
        if !self.sync.metadata.finalizers.iter().any(|one| one == FINALIZER) {
            return GONE_RECHECK;
        }
        if !self.shared.home.may_act() {
            return TROUBLE_PAUSE;
        }
        self.close_eyes();
        lock(&self.shared.hooks).remove(&self.key);
        let tenancy = self.shared.options.tenancy;
        let valid = Valid::new(GitSync::clone(&self.sync), tenancy).ok();
        match &valid {
            // One that was never valid has delivered nothing that it could be asked about.
            None if self.status.applied_revision.is_none() => {}
            None => {
                let message = "its spec is invalid, so nothing can be pruned; correct it first";
                self.stall(reason::INVALID_SPEC, message);
                let _ = self.write_status().await;
                return STUCK_PAUSE;
            }
            Some(valid) => {
                if let Err(message) = self.clear(valid).await {
                    self.stall(reason::APPLY_FAILED, &message);
                    let _ = self.write_status().await;
                    return STUCK_PAUSE;
                }
            }
        }
        match self.shared.home.hold(&self.sync, false).await {
            Ok(()) => GONE_RECHECK,
            Err(error) => self.trouble(&error),
        }
    }

    /// Prunes or releases everything that was made; an error is a sentence for people.
    async fn clear(&mut self, valid: &Valid) -> Result<(), String> {
        let shared = self.shared.clone();
        let _place = shared.places.take(&self.key.namespace).await;
        let client = shared.home.client(valid).await.map_err(|error| chain(&error))?;
        let options = self.options(valid, Trigger::Spec)?;
        let policy = match valid.spec().prune.on_delete {
            OnDelete::Prune => DeletePolicy::Delete,
            OnDelete::Orphan => DeletePolicy::Orphan,
        };
        let cancel = shared.stop.child_token();
        let report = calls::delete(&client, &options, policy, &cancel).await;
        let report = match report {
            Ok(report) => report,
            Err(DeliveryError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(chain(&error)),
        };
        let operation = Operation {
            revision: self.status.applied_revision.clone().unwrap_or_default(),
            outcome: Outcome::Succeeded,
            ..Operation::default()
        };
        for done in &report.outcomes {
            self.audit_object(valid, &operation, done);
        }
        let failed: Vec<String> = report
            .outcomes
            .iter()
            .filter(|outcome| outcome.result == delivery::OutcomeResult::Failed)
            .take(3)
            .map(|outcome| {
                format!("{}: {}", outcome.object, outcome.reason.as_deref().unwrap_or_default())
            })
            .collect();
        if report.interrupted {
            return Err("it was stopped".to_owned());
        }
        if !failed.is_empty() {
            return Err(failed.join("; "));
        }
        self.audit(valid, EventType::SyncFinished, &operation);
        Ok(())
    }
}
