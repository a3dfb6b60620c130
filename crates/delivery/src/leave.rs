//! Objects that left the tree: deleted in reverse order and awaited, or handed over.

use crate::apply::Runner;
use crate::decided::Leaving;
use crate::deliver::Failure;
use crate::progress::Event;
use crate::remove::{End, remove};
use crate::report::{Outcome, OutcomeResult};
use cluster::Propagation;
use futures_util::stream::{self, StreamExt};
use objects::{ObjectRef, Uid, order};
use std::collections::BTreeMap;
use sync::Action;
use sync::schedule;
use tokio::time::Instant;

/// Why an object is left behind when the run is stopped while it waits.
const UNAWAITED: &str = "deletion has begun, and nobody waited for its end";

impl Runner<'_> {
    /// Hands over, cleans up after hooks and prunes. After a failure or a stop nothing is deleted:
    /// what replaces it may not be there.
    pub(crate) async fn leave(&mut self) {
        for (leaving, to) in std::mem::take(&mut self.decided.hand_over) {
            if !self.stopped {
                self.hand_over(leaving, &to).await;
            }
        }
        let prune = std::mem::take(&mut self.decided.prune);
        let all_last = self.options.prune_last;
        let (last, now): (Vec<_>, Vec<_>) =
            prune.into_iter().partition(|leaving| all_last || leaving.live.prune_last);
        let now = now.into_iter().chain(std::mem::take(&mut self.decided.clean_up)).collect();
        self.decided.prune = last;
        self.prune(now).await;
    }

    /// What is pruned when everything else has ended well.
    pub(crate) async fn leave_last(&mut self) {
        let last = std::mem::take(&mut self.decided.prune);
        self.prune(last).await;
    }

    /// What would have been pruned last stays when something failed.
    pub(crate) fn keep_last(&mut self) {
        for Leaving { id, live } in std::mem::take(&mut self.decided.prune) {
            let reason = Some("left alone: this run has failures".to_owned());
            self.left(Action::Prune, (id, live.uid), OutcomeResult::Kept, reason);
        }
    }

    async fn prune(&mut self, prune: Vec<Leaving>) {
        if self.stopped || self.has_failed() {
            for Leaving { id, live } in prune {
                let (result, reason) = match self.stopped {
                    true => (OutcomeResult::NotStarted, "the run was stopped before its turn"),
                    false => (OutcomeResult::Kept, "left alone: this run has failures"),
                };
                self.left(Action::Prune, (id, live.uid), result, Some(reason.to_owned()));
            }
            return;
        }
        let ranked = prune.iter().map(|leaving| {
            let rank = order::install_rank(&leaving.id.group_kind());
            ((leaving.live.wave, rank), leaving.id.clone())
        });
        let stages = schedule::deletion_stages(ranked.collect());
        let mut lives: BTreeMap<ObjectRef, Leaving> =
            prune.into_iter().map(|leaving| (leaving.id.clone(), leaving)).collect();
        for stage in stages {
            let stage = stage.iter().filter_map(|id| lives.remove(id)).collect();
            self.delete_stage(stage).await;
        }
    }

    async fn delete_stage(&mut self, stage: Vec<Leaving>) {
        if self.cancel.is_cancelled() {
            self.stopped = true;
            for Leaving { id, live } in stage {
                let reason = Some("the run was stopped before its turn".to_owned());
                self.left(Action::Prune, (id, live.uid), OutcomeResult::NotStarted, reason);
            }
            return;
        }
        let until = Instant::now() + self.options.timeout;
        let mut jobs = Vec::new();
        for leaving in stage {
            let object = leaving.id.clone();
            self.progress.event(&Event::Started { action: Action::Prune, object });
            let resource = self.found.resources.get(&leaving.id.group_kind()).cloned();
            let (client, cancel) = (self.client.clone(), self.cancel.clone());
            jobs.push(async move {
                let end = match resource {
                    Some(resource) => {
                        let uid = leaving.live.uid.to_string();
                        let object = (&leaving.id, uid.as_str());
                        let way = Propagation::Background;
                        tokio::select! {
                            end = remove(&client, &resource, object, way, until) => end,
                            () = cancel.cancelled() => End::Stuck(UNAWAITED.to_owned()),
                        }
                    }
                    None => End::Failed(Failure::new("its kind is not served", true)),
                };
                ((leaving.id, leaving.live.uid), end)
            });
        }
        let mut ends = stream::iter(jobs).buffer_unordered(self.options.concurrency.max(1));
        while let Some((object, end)) = ends.next().await {
            match end {
                End::Gone | End::Replaced => {
                    self.inventory.forget(&object.0);
                    let done =
                        Event::Done { action: Some(Action::Prune), object: object.0.clone() };
                    self.progress.event(&done);
                    self.left(Action::Prune, object, OutcomeResult::Done, None);
                }
                End::Stuck(reason) => self.left_failed(Action::Prune, object, reason),
                End::Failed(failure) => {
                    self.left_failed(Action::Prune, object, failure.problem.message);
                }
            }
        }
    }

    /// The other delivery has it, or will: our ownership of its fields goes to it, and the record
    /// of it goes. What has our label still gets that of the other one, so that its fields never
    /// are without an owner and its next run finds nothing to do.
    async fn hand_over(&mut self, leaving: Leaving, to: &str) {
        let Leaving { id, live } = leaving;
        let Some(resource) = self.found.resources.get(&id.group_kind()).cloned() else { return };
        let place = (id.namespace.as_str(), id.name.as_str());
        let uid = live.uid.to_string();
        let is_ours = live.delivery.as_deref() == Some(self.options.name.as_str());
        let handed = match to.parse::<sync::DeliveryName>() {
            Ok(to) if is_ours => self.writer.transfer(&resource, place, &uid, &to).await,
            _ => self.writer.release(&resource, place, &uid, None).await,
        };
        let object = (id.clone(), live.uid);
        match handed {
            Ok(()) => {
                self.inventory.forget(&id);
                let action = Some(Action::HandOver);
                self.progress.event(&Event::Done { action, object: id });
                let reason = Some(format!("it belongs to the delivery {to} now"));
                self.left(Action::HandOver, object, OutcomeResult::Done, reason);
            }
            Err(error) => {
                self.left_failed(Action::HandOver, object, Failure::of(error).problem.message);
            }
        }
    }

    fn left_failed(&mut self, action: Action, object: (ObjectRef, Uid), reason: String) {
        let event = Event::Failed { object: object.0.clone(), held: false, reason: reason.clone() };
        self.progress.event(&event);
        self.left(action, object, OutcomeResult::Failed, Some(reason));
    }

    fn left(
        &mut self,
        action: Action,
        (id, uid): (ObjectRef, Uid),
        result: OutcomeResult,
        reason: Option<String>,
    ) {
        self.outcomes.push(Outcome {
            reason,
            uid: Some(uid.to_string()),
            ..Outcome::new(action, id, result)
        });
    }
}
