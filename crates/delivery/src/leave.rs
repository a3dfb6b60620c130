//! Objects that left the tree: deleted in reverse order and awaited, or handed over.

use crate::apply::Runner;
use crate::decided::{Leaving, going};
use crate::deliver::Failure;
use crate::progress::Event;
use crate::report::{Outcome, OutcomeResult};
use crate::wait;
use cluster::{Client, ClusterError, DeleteOptions, Deleted, Resource};
use futures_util::stream::{self, StreamExt};
use objects::{GroupKind, ObjectRef, order};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync::Action;
use sync::schedule;
use tokio::time::Instant;

/// How a deletion ended.
enum End {
    /// It is gone, or was before.
    Gone,
    /// Another object has its name; ours is gone.
    Replaced,
    /// It is still there when the time is over.
    Stuck(String),
    /// The server said no.
    Failed(Failure),
}

impl Runner<'_> {
    /// Hands over and prunes. After a failure or a stop nothing is deleted: what replaces it may
    /// not be there.
    pub(crate) async fn leave(&mut self) {
        for leaving in std::mem::take(&mut self.decided.hand_over) {
            if !self.stopped {
                self.hand_over(leaving).await;
            }
        }
        let prune = std::mem::take(&mut self.decided.prune);
        let failed = self
            .outcomes
            .iter()
            .any(|outcome| matches!(outcome.result, OutcomeResult::Failed | OutcomeResult::Held));
        if self.stopped || failed {
            for Leaving { id, .. } in prune {
                let (result, reason) = match self.stopped {
                    true => (OutcomeResult::NotStarted, "the run was stopped before its turn"),
                    false => (OutcomeResult::Kept, "left alone: this run has failures"),
                };
                self.left(Action::Prune, id, result, Some(reason.to_owned()));
            }
            return;
        }
        let ranked = prune
            .iter()
            .map(|leaving| (order::install_rank(&leaving.id.group_kind()), leaving.id.clone()));
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
            for Leaving { id, .. } in stage {
                let reason = Some("the run was stopped before its turn".to_owned());
                self.left(Action::Prune, id, OutcomeResult::NotStarted, reason);
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
                        tokio::select! {
                            end = delete(&client, &resource, &leaving, until) => end,
                            () = cancel.cancelled() => {
                                End::Stuck("deletion has begun, and nobody waited for its end".to_owned())
                            }
                        }
                    }
                    None => End::Failed(Failure::new("its kind is not served", true)),
                };
                (leaving.id, end)
            });
        }
        let mut ends = stream::iter(jobs).buffer_unordered(self.options.concurrency.max(1));
        while let Some((id, end)) = ends.next().await {
            match end {
                End::Gone | End::Replaced => {
                    self.inventory.forget(&id);
                    let action = Some(Action::Prune);
                    self.progress.event(&Event::Done { action, object: id.clone() });
                    self.left(Action::Prune, id, OutcomeResult::Done, None);
                }
                End::Stuck(reason) => self.left_failed(Action::Prune, id, reason),
                End::Failed(failure) => {
                    self.left_failed(Action::Prune, id, failure.problem.message);
                }
            }
        }
    }

    /// The other delivery has it: our ownership of its fields goes, and the record.
    async fn hand_over(&mut self, leaving: Leaving) {
        let Leaving { id, live } = leaving;
        let Some(resource) = self.found.resources.get(&id.group_kind()).cloned() else { return };
        let place = (id.namespace.as_str(), id.name.as_str());
        let released = self.writer.release(&resource, place, &live.uid, None).await;
        match released {
            Ok(()) => {
                self.inventory.forget(&id);
                let action = Some(Action::HandOver);
                self.progress.event(&Event::Done { action, object: id.clone() });
                self.left(Action::HandOver, id, OutcomeResult::Done, None);
            }
            Err(error) => {
                self.left_failed(Action::HandOver, id, Failure::of(error).problem.message);
            }
        }
    }

    fn left_failed(&mut self, action: Action, id: ObjectRef, reason: String) {
        let event = Event::Failed { object: id.clone(), held: false, reason: reason.clone() };
        self.progress.event(&event);
        self.left(action, id, OutcomeResult::Failed, Some(reason));
    }

    fn left(
        &mut self,
        action: Action,
        id: ObjectRef,
        result: OutcomeResult,
        reason: Option<String>,
    ) {
        self.outcomes.push(Outcome { reason, ..Outcome::new(action, id, result) });
    }
}

/// Deletes one object, the one that was looked at and no other, and waits until it is gone.
async fn delete(
    client: &Client,
    resource: &Arc<Resource>,
    leaving: &Leaving,
    until: Instant,
) -> End {
    let Leaving { id, live } = leaving;
    let options = DeleteOptions { uid: Some(live.uid.clone()), ..DeleteOptions::default() };
    match client.delete(resource, &id.namespace, &id.name, &options).await {
        Ok(Deleted::Absent) => return End::Gone,
        // A namespace answers like an object without finalizers and goes when it is empty.
        Ok(Deleted::Gone) if id.group_kind() != GroupKind::new("", "Namespace") => {
            return End::Gone;
        }
        Ok(Deleted::Gone | Deleted::Pending(_)) => {}
        // The precondition did not hold: the object we made is gone.
        Err(ClusterError::Changed { .. }) => return End::Replaced,
        Err(error) => return End::Failed(Failure::of(error)),
    }
    let place = (id.namespace.as_str(), id.name.as_str());
    let gone = wait::watch_until(client, resource, place, until, |state| {
        state.is_none_or(|object| object.uid() != Some(&live.uid))
    })
    .await;
    match gone {
        Ok(None) => End::Gone,
        Ok(Some(_)) => {
            let last = client.get_metadata(resource, &id.namespace, &id.name).await.ok().flatten();
            let finalizers =
                last.map(|object| sync::decide::Live::of(&object).finalizers).unwrap_or_default();
            End::Stuck(going(&finalizers))
        }
        Err(error) => End::Failed(Failure::of(error)),
    }
}
