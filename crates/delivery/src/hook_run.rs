//! Hooks run: what an earlier run left is deleted, the object is made and awaited by watch, and
//! deleted as its policy says when its phase has ended.
//!
//! A Job has ended when it is complete or has failed, a Pod when all of its containers have; any
//! other object when it is healthy. A Job with a time to live may be gone before anybody looks:
//! that counts as complete, because a failure would have been seen.

use crate::apply::Runner;
use crate::deliver::{Failure, Writer};
use crate::hook::{self, HookRun};
use crate::progress::Event;
use crate::remove::{self, End};
use crate::report::{Outcome, OutcomeResult};
use crate::wait;
use cluster::{ApplyOptions, Client, Propagation, Resource};
use futures_util::stream::{self, StreamExt};
use objects::health::{self, HealthStatus};
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef, Uid};
use std::sync::Arc;
use sync::directives::Phase;
use sync::guard::GUARDED_KINDS;
use sync::hooks;
use sync::inventory::Entry;
use sync::name::DELIVERY_LABEL;
use sync::{Action, Problem};
use tokio::time::Instant;

/// One hook before it is made; owned, so that it can run beside others.
pub(crate) struct HookJob {
    writer: Writer,
    gvk: Arc<GroupVersionKind>,
    resource: Option<Arc<Resource>>,
    id: ObjectRef,
    object: Object,
    delivery: String,
    /// What an earlier run made.
    known_uid: Option<Uid>,
    until: Instant,
}

/// A hook that was made.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) object: Object,
    resource: Arc<Resource>,
    warnings: Vec<String>,
}

/// A hook that has ended, until its phase has.
pub(crate) struct EndedHook {
    run: HookRun,
    uid: String,
    resource: Arc<Resource>,
    succeeded: bool,
}

impl HookJob {
    /// Frees the name and makes the object.
    pub(crate) async fn begin(self) -> Result<Begun, Failure> {
        let client = &self.writer.client;
        let resource = match self.resource {
            Some(resource) => resource,
            None => client.resolve(&self.gvk).await.map_err(Failure::of)?,
        };
        let (namespace, name) = (&self.id.namespace, &self.id.name);
        let live = client.get_metadata(&resource, namespace, name).await.map_err(Failure::of)?;
        let guarded = |id: &ObjectRef| {
            GUARDED_KINDS.iter().any(|(group, kind)| id.group == *group && id.kind == *kind)
        };
        if let Some(live) = &live
            && let Some(uid) = live.uid()
            && !guarded(&self.id)
        {
            let is_ours = live.label(DELIVERY_LABEL) == Some(&self.delivery)
                || self.known_uid.as_ref() == Some(&Uid::parse(uid));
            if !is_ours {
                let mut failure =
                    Failure::new("an object of its name exists that no hook has made", true);
                failure.problem.hint =
                    Some("delete that object, or give the hook another name".to_owned());
                return Err(failure);
            }
            let object = (&self.id, uid);
            let background = Propagation::Background;
            let end = remove::remove(client, &resource, object, background, self.until).await;
            end.freed()?;
        }
        let options = ApplyOptions::new(&self.writer.manager);
        let applied = client.apply(&resource, &self.object, &options).await.map_err(Failure::of)?;
        Ok(Begun { object: applied.object, warnings: applied.warnings, resource })
    }
}

impl Begun {
    /// Waits until the hook has ended.
    pub(crate) async fn finish(&self, client: &Client, until: Instant) -> Result<(), Failure> {
        let place = (self.object.namespace(), self.object.name());
        let seen = wait::watch_for(client, &self.resource, place, until, |state| {
            judge(&self.object, state)
        })
        .await;
        match seen {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(reason))) => Err(Failure::new(reason, true)),
            Ok(Err(last)) => Err(Failure::new(format!("it did not end in time: {last}"), true)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}

/// Whether a hook has ended, and how; `state` is `None` when it is not there.
fn judge(made: &Object, state: Option<&Object>) -> Option<Result<(), String>> {
    let Some(state) = state.filter(|state| state.uid() == made.uid()) else {
        let expires =
            made.at(&["spec", "ttlSecondsAfterFinished"]).is_some_and(|ttl| !ttl.is_null());
        let is_job = made.gvk().group_kind() == GroupKind::new("batch", "Job");
        return Some(match expires && is_job {
            true => Ok(()),
            false => Err("it was deleted before it had ended".to_owned()),
        });
    };
    let text = |message: String, fallback: &str| match message.is_empty() {
        true => fallback.to_owned(),
        false => message,
    };
    if state.gvk().group_kind() == GroupKind::new("", "Pod") {
        let message = state.str_at(&["status", "message"]).unwrap_or_default().to_owned();
        return match state.str_at(&["status", "phase"]) {
            Some("Succeeded") => Some(Ok(())),
            Some("Failed") => Some(Err(text(message, "its containers failed"))),
            _ => None,
        };
    }
    let health = health::assess(state);
    match health.status {
        HealthStatus::Healthy => Some(Ok(())),
        HealthStatus::Degraded => Some(Err(text(health.message, "it failed"))),
        _ => None,
    }
}

impl Runner<'_> {
    /// Runs the due hooks of one phase, wave by wave; false when one of them failed.
    pub(crate) async fn run_hooks(&mut self, phase: Phase) -> bool {
        let is_due = |run: &&HookRun| run.phase == phase;
        let mut runs: Vec<HookRun> = self.decided.hooks.iter().filter(is_due).cloned().collect();
        runs.reverse();
        let mut failed = false;
        while let Some(first) = runs.last() {
            let stage = (first.wave, first.rank);
            let mut together = Vec::new();
            while runs.last().is_some_and(|run| (run.wave, run.rank) == stage) {
                together.extend(runs.pop());
            }
            if self.cancel.is_cancelled() {
                self.stopped = true;
            }
            if failed || self.stopped {
                for run in together {
                    self.hook_not_run(&run);
                }
                continue;
            }
            failed |= !self.run_together(together).await;
        }
        self.clean_hooks().await;
        !failed && !self.stopped
    }

    async fn run_together(&mut self, runs: Vec<HookRun>) -> bool {
        let jobs: Vec<_> = runs
            .into_iter()
            .map(|run| {
                let job = self.hook_job(&run);
                self.progress
                    .event(&Event::Started { action: Action::Hook, object: run.id.clone() });
                async move {
                    match job {
                        Ok(job) => (run, job.begin().await),
                        Err(failure) => (run, Err(failure)),
                    }
                }
            })
            .collect();
        let mut begins = stream::iter(jobs).buffer_unordered(self.options.concurrency.max(1));
        let (mut waits, mut fine) = (Vec::new(), true);
        while let Some((run, begun)) = begins.next().await {
            match begun {
                Ok(begun) => {
                    self.hook_begun(&run, &begun);
                    waits.push((run, begun));
                }
                Err(failure) => {
                    fine = false;
                    self.hook_ended(&run, None, Err(failure));
                }
            }
        }
        drop(begins);
        let until = Instant::now() + self.options.timeout;
        let (client, cancel) = (self.client.clone(), self.cancel.clone());
        let mut ends = stream::iter(waits)
            .map(|(run, begun)| {
                let (client, cancel) = (&client, &cancel);
                async move {
                    let result = tokio::select! {
                        result = begun.finish(client, until) => Some(result),
                        () = cancel.cancelled() => None,
                    };
                    (run, begun, result)
                }
            })
            .buffer_unordered(self.options.concurrency.max(1));
        while let Some((run, begun, result)) = ends.next().await {
            match result {
                Some(result) => {
                    fine &= result.is_ok();
                    self.hook_ended(&run, Some(begun), result);
                }
                None => {
                    self.stopped = true;
                    self.hook_not_run(&run);
                }
            }
        }
        fine
    }

    /// What it takes to make a hook.
    pub(crate) fn hook_job(&self, run: &HookRun) -> Result<HookJob, Failure> {
        let hook = self.set.hooks.get(run.index);
        let hook = hook.ok_or_else(|| Failure::new("it is not part of the plan", true))?;
        let object =
            hook.object(run.phase).map_err(|error| Failure::new(error.to_string(), true))?;
        Ok(HookJob {
            writer: self.writer.clone(),
            gvk: hook.desired.gvk.clone(),
            resource: hook.desired.resource.clone(),
            id: run.id.clone(),
            object,
            delivery: self.options.name.to_string(),
            known_uid: self.inventory.get(&run.id).and_then(|entry| entry.uid.clone()),
            until: Instant::now() + self.options.timeout,
        })
    }

    /// It was made: from now on it can be told from another object of its name.
    pub(crate) fn hook_begun(&mut self, run: &HookRun, begun: &Begun) {
        let digest = self.hook_mark(run, false);
        let uid = begun.object.uid().map(Uid::parse);
        self.inventory.record(&run.id, Entry { uid, digest, hook: true });
        for message in &begun.warnings {
            let message = format!("{}: {message}", run.id);
            self.warnings.push(Problem { origin: None, message, hint: None });
        }
        self.progress.event(&Event::WaitingReady { object: run.id.clone() });
    }

    /// What is recorded of a hook for this tree.
    fn hook_mark(&self, run: &HookRun, has_run: bool) -> Option<sync::Digest> {
        let tree = self.set.digest?;
        let mut ran = hook::ran(tree, &run.id, &self.inventory);
        if has_run {
            ran.insert(run.phase);
        }
        (!ran.is_empty()).then(|| hooks::mark(tree, &ran))
    }

    /// It has ended, well or not.
    pub(crate) fn hook_ended(
        &mut self,
        run: &HookRun,
        begun: Option<Begun>,
        result: Result<(), Failure>,
    ) {
        let succeeded = result.is_ok();
        let uid = begun.as_ref().and_then(|begun| begun.object.uid().map(Uid::parse));
        // A hook for failures runs once for a tree, even when it fails itself.
        let has_run = succeeded || run.phase == Phase::SyncFail;
        let digest = self.hook_mark(run, has_run);
        let known = self.inventory.get(&run.id).and_then(|entry| entry.uid.clone());
        let entry = Entry { uid: uid.clone().or(known), digest, hook: true };
        self.inventory.record(&run.id, entry);
        let mut outcome = self.hook_outcome(run, OutcomeResult::Done);
        outcome.uid = uid.as_ref().map(Uid::to_string);
        match result {
            Ok(()) => {
                let action = Some(Action::Hook);
                self.progress.event(&Event::Done { action, object: run.id.clone() });
            }
            Err(failure) => {
                let reason = format!("the {} hook failed: {}", run.phase, failure.problem.message);
                let object = run.id.clone();
                self.progress.event(&Event::Failed { object, held: false, reason: reason.clone() });
                outcome.result = OutcomeResult::Failed;
                outcome.reason = Some(reason);
                outcome.hint = failure.problem.hint;
            }
        }
        self.outcomes.push(outcome);
        if let (Some(uid), Some(begun)) = (uid, begun) {
            let resource = begun.resource;
            self.ended_hooks.push(EndedHook {
                run: run.clone(),
                uid: uid.to_string(),
                resource,
                succeeded,
            });
        }
    }

    fn hook_outcome(&self, run: &HookRun, result: OutcomeResult) -> Outcome {
        let hook = self.set.hooks.get(run.index);
        Outcome {
            origin: hook.map(|hook| hook.desired.origin.to_string()),
            reason: Some(format!("{} hook", run.phase)),
            ..Outcome::new(Action::Hook, run.id.clone(), result)
        }
    }

    /// It never ended: an earlier one failed, or the run was stopped.
    pub(crate) fn hook_not_run(&mut self, run: &HookRun) {
        let (result, reason) = match self.stopped {
            true => (OutcomeResult::NotStarted, "the run was stopped before it had ended"),
            false => (OutcomeResult::Held, "waits for an earlier hook, which failed"),
        };
        let mut outcome = self.hook_outcome(run, result);
        outcome.reason = Some(format!("{} hook: {reason}", run.phase));
        self.outcomes.push(outcome);
    }

    /// Deletes the hooks of the phase that has ended as their policies say. Not before: others of
    /// the phase may use them.
    pub(crate) async fn clean_hooks(&mut self) {
        for ended in std::mem::take(&mut self.ended_hooks) {
            let Some(hook) = self.set.hooks.get(ended.run.index).map(|hook| &hook.hook) else {
                continue;
            };
            let goes = if ended.succeeded { hook.delete_succeeded } else { hook.delete_failed };
            if !goes {
                continue;
            }
            let id = &ended.run.id;
            let until = Instant::now() + self.options.timeout;
            let object = (id, ended.uid.as_str());
            let (client, background) = (self.client, Propagation::Background);
            let end = remove::remove(client, &ended.resource, object, background, until).await;
            match end {
                // What is known of it stays, so that it does not run again.
                End::Gone | End::Replaced => {
                    let digest = self.inventory.get(id).and_then(|entry| entry.digest);
                    self.inventory.record(id, Entry { uid: None, digest, hook: true });
                }
                End::Stuck(reason) => self.hook_stays(id, &reason),
                End::Failed(failure) => self.hook_stays(id, &failure.problem.message),
            }
        }
    }

    fn hook_stays(&mut self, id: &ObjectRef, reason: &str) {
        let message = format!("{id} has ended and could not be deleted: {reason}");
        self.warnings.push(Problem { origin: None, message, hint: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(api_version: &str, kind: &str, rest: &Value) -> Object {
        let mut value = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": "a", "uid": "u"}});
        value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        Object::from_value(value).unwrap()
    }

    fn job(spec: &Value, condition: &str) -> Object {
        let conditions = match condition {
            "" => json!([]),
            name => json!([{"type": name, "status": "True", "reason": "why"}]),
        };
        object("batch/v1", "Job", &json!({"spec": spec, "status": {"conditions": conditions}}))
    }

    #[test]
    fn gitops_11_a_job_has_ended_when_it_is_complete_or_has_failed() {
        let made = job(&json!({}), "");
        assert_eq!(judge(&made, Some(&made)), None);
        assert_eq!(judge(&made, Some(&job(&json!({}), "Complete"))), Some(Ok(())));
        assert!(judge(&made, Some(&job(&json!({}), "Failed"))).unwrap().is_err());
        assert_eq!(judge(&made, Some(&job(&json!({}), "Suspended"))), None);
    }

    #[test]
    fn gitops_11_a_job_with_a_time_to_live_that_vanished_is_done_and_another_one_is_not() {
        let expiring = job(&json!({"ttlSecondsAfterFinished": 0}), "");
        assert_eq!(judge(&expiring, None), Some(Ok(())));
        assert!(judge(&job(&json!({}), ""), None).unwrap().is_err());
        let mut other = job(&json!({}), "Complete");
        other.metadata_mut().insert("uid".to_owned(), json!("another"));
        assert!(judge(&job(&json!({}), ""), Some(&other)).unwrap().is_err(), "not the one we made");
    }

    #[test]
    fn gitops_11_a_pod_has_ended_with_its_containers_and_anything_else_when_it_is_healthy() {
        let pod = |phase: &str| object("v1", "Pod", &json!({"status": {"phase": phase}}));
        let made = pod("Pending");
        assert_eq!(judge(&made, Some(&pod("Running"))), None);
        assert_eq!(judge(&made, Some(&pod("Succeeded"))), Some(Ok(())));
        assert!(judge(&made, Some(&pod("Failed"))).unwrap().is_err());
        let map = object("v1", "ConfigMap", &json!({}));
        assert_eq!(judge(&map, Some(&map)), Some(Ok(())));
    }
}
