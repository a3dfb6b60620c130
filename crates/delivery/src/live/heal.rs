//! Reverting what somebody else changed: the objects that are named, and nothing else.

use super::{DriftKind, Live};
use crate::deliver::{Failure, Job, Writer, Written};
use crate::desired::Desired;
use crate::error::DeliveryError;
use crate::options::DeliveryOptions;
use crate::progress::{Event, Progress};
use crate::report::{Outcome, OutcomeResult};
use crate::takeover;
use cluster::{ApplyOptions, ClusterError};
use futures_util::stream::{self, StreamExt};
use objects::{ObjectRef, Uid};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use sync::inventory::Entry;
use sync::{Action, Digest};
use tokio_util::sync::CancellationToken;

impl Live {
    /// Applies the named objects of the last tree again, one request each. An object that has
    /// `orlop.dev/self-heal: disabled`, or that the tree does not name, is left alone and says so.
    /// Fields that other writers than people's clients hold are a conflict, as in every delivery.
    ///
    /// # Errors
    /// When an object that had to be made anew cannot be recorded; [`DeliveryError::Stopped`] when
    /// cancelled before anything was written. What fails for single objects stands in the
    /// outcomes, in the order of completion.
    pub async fn heal(
        &self,
        objects: &[ObjectRef],
        options: &DeliveryOptions,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Vec<Outcome>, DeliveryError> {
        let _turn = self.turn.lock().await;
        self.is_of(options)?;
        if cancel.is_cancelled() {
            return Err(DeliveryError::Stopped);
        }
        let (set, mut outcomes) = (self.memory.desired(), Vec::new());
        let mut jobs: Vec<Arc<Desired>> = Vec::new();
        for id in objects {
            let left_alone = match set.get(id) {
                None => "the tree does not name it",
                Some(_) if !self.memory.heals(id) => "it has orlop.dev/self-heal: disabled",
                Some(desired) => {
                    jobs.push(desired.clone());
                    continue;
                }
            };
            let reason = Some(format!("left alone: {left_alone}"));
            let kept = Outcome::new(Action::Keep, id.clone(), OutcomeResult::Kept);
            outcomes.push(Outcome { reason, ..kept });
        }
        let mut made = BTreeMap::new();
        {
            let mut writes = stream::iter(jobs)
                .map(|desired| self.mend(desired, options, progress, cancel))
                .buffer_unordered(options.concurrency.max(1));
            while let Some((desired, result)) = writes.next().await {
                if let Ok(Some(written)) = &result
                    && written.action == Some(Action::Create)
                {
                    let uid = written.object.uid().map(Uid::parse);
                    made.insert(desired.id.clone(), (uid, desired.digest));
                }
                outcomes.push(outcome(&desired, result, progress));
            }
        }
        if !made.is_empty() {
            self.record_made(made, options).await?;
        }
        Ok(outcomes)
    }

    /// Writes one object; `None` when the run was stopped before its turn.
    async fn mend(
        &self,
        desired: Arc<Desired>,
        options: &DeliveryOptions,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> (Arc<Desired>, Result<Option<Box<Written>>, Failure>) {
        if cancel.is_cancelled() {
            return (desired, Ok(None));
        }
        let version = self.memory.version(&desired.id);
        let action = if version.is_some() { Action::Update } else { Action::Create };
        progress.event(&Event::Started { action, object: desired.id.clone() });
        let result = self.write(&desired, action, version, options).await;
        if let Ok(written) = &result {
            self.memory.wrote(&desired.gvk, &written.object);
            if written.action.is_none() {
                self.memory.confirm(&desired, &written.object);
            }
        }
        (desired, result.map(|written| Some(Box::new(written))))
    }

    async fn write(
        &self,
        desired: &Desired,
        action: Action,
        version: Option<String>,
        options: &DeliveryOptions,
    ) -> Result<Written, Failure> {
        let writer = Writer {
            client: self.client.clone(),
            manager: options.name.manager(),
            force: options.force_conflicts,
        };
        let job = Job::of(desired, action, version.clone())?;
        let client = |_: &String| self.only_clients_changed(&desired.id);
        // What is left to others depends on the live object: the writer looks at it.
        if let Some(version) = version.filter(client).filter(|_| desired.ignored().is_none())
            && let Some(resource) = desired.resource.as_ref()
        {
            // Taken back at once what a person's client took, as long as it is in this state.
            let mut object = job.object.clone();
            object
                .metadata_mut()
                .insert("resourceVersion".to_owned(), Value::String(version.clone()));
            let how = ApplyOptions::new(&writer.manager).force();
            match self.client.apply(resource, &object, &how).await {
                Ok(applied) => {
                    let changed = applied.object.resource_version() != Some(version.as_str());
                    return Ok(Written {
                        action: changed.then_some(Action::Update),
                        health: self.memory.unhealthy(&applied.object),
                        object: applied.object,
                        warnings: applied.warnings,
                        resource: resource.clone(),
                    });
                }
                Err(ClusterError::Changed { .. } | ClusterError::NotFound { .. }) => {}
                Err(error) => return Err(Failure::of(error)),
            }
        }
        writer.write(job).await
    }

    /// Whether the drift is known and nobody but people's clients owns fields of it.
    fn only_clients_changed(&self, id: &ObjectRef) -> bool {
        let drifts = self.memory.drifts_of(id);
        drifts.is_some_and(|drift| match &drift.kind {
            DriftKind::Changed(_) | DriftKind::Differs => {
                drift.managers.iter().all(|manager| takeover::is_client(manager))
            }
            DriftKind::Gone => false,
        })
    }

    /// An object that was made anew has another uid: only that one may be pruned later.
    async fn record_made(
        &self,
        made: BTreeMap<ObjectRef, (Option<Uid>, Digest)>,
        options: &DeliveryOptions,
    ) -> Result<(), DeliveryError> {
        let mut store = self.store(options.inventory_namespace()).await?;
        let mut inventory = store.inventory.clone();
        for (id, (uid, digest)) in made {
            inventory.record(&id, Entry { uid, digest: Some(digest), ..Entry::default() });
        }
        let source = store.source.clone();
        store.write(&self.client, inventory, &source).await?;
        self.keep(store);
        Ok(())
    }
}

fn outcome(
    desired: &Desired,
    result: Result<Option<Box<Written>>, Failure>,
    progress: &dyn Progress,
) -> Outcome {
    let object = desired.id.clone();
    let origin = Some(desired.origin.to_string());
    match result {
        Ok(Some(written)) => {
            let action = written.action;
            progress.event(&Event::Done { action, object: object.clone() });
            let action = action.unwrap_or(Action::Update);
            Outcome { origin, ..Outcome::new(action, object, OutcomeResult::Done) }
        }
        Ok(None) => {
            let reason = Some("the run was stopped before its turn".to_owned());
            let outcome = Outcome::new(Action::Update, object, OutcomeResult::NotStarted);
            Outcome { origin, reason, ..outcome }
        }
        Err(failure) => {
            let reason = failure.problem.message.clone();
            let event = Event::Failed { object: object.clone(), held: false, reason };
            progress.event(&event);
            let conflict = !failure.conflicts.is_empty();
            let action = if conflict { Action::Conflict } else { Action::Update };
            Outcome {
                origin,
                reason: Some(failure.problem.message),
                hint: failure.problem.hint,
                ..Outcome::new(action, object, OutcomeResult::Failed)
            }
        }
    }
}
