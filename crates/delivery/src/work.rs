//! The writes of a run: the schedule driven to its end, or to a stop.

use crate::apply::Runner;
use crate::decided;
use crate::deliver::{Failure, Job, Written};
use crate::hook::HookRun;
use crate::hook_run::Begun;
use crate::progress::Event;
use crate::report::{Outcome, OutcomeResult};
use crate::settle::Pending;
use crate::wait::Readiness;
use cluster::Resource;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use objects::{GroupKind, Object, ObjectRef, Uid};
use std::sync::Arc;
use std::time::Duration;
use sync::inventory::Entry;
use sync::{Action, Problem};
use tokio::time::Instant;

/// How long writes that were under way when the person stopped the run may take to end.
const STOP_GRACE_SECONDS: u64 = 10;

/// What was written.
pub(crate) enum Work {
    Object(Box<Written>),
    Hook(Box<Begun>),
}

/// One write that ended.
pub(crate) struct Ended {
    pub(crate) index: usize,
    pub(crate) result: Result<Work, Failure>,
}

/// One wait that ended.
pub(crate) struct Ready {
    index: usize,
    result: Result<(), Failure>,
    /// The hook that was waited for.
    hook: Option<Box<Begun>>,
}

impl Runner<'_> {
    /// Runs the schedule to its end, or to a stop.
    pub(crate) async fn write_all(&mut self) {
        let mut writes: FuturesUnordered<BoxFuture<'static, Ended>> = FuturesUnordered::new();
        let mut waits: FuturesUnordered<BoxFuture<'static, Ready>> = FuturesUnordered::new();
        let mut grace: Option<Instant> = None;
        for index in self.decided.schedule.awaited_from_the_start() {
            waits.extend(self.wait_for_seen(index));
        }
        loop {
            while !self.stopped && writes.len() < self.options.concurrency.max(1) {
                let Some(index) = self.decided.schedule.next() else { break };
                writes.push(self.start(index));
            }
            self.report_held();
            if writes.is_empty() && (waits.is_empty() || self.stopped) {
                break;
            }
            let stop = async {
                match grace {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => self.cancel.cancelled().await,
                }
            };
            tokio::select! {
                Some(ended) = writes.next() => self.ended(ended, &mut waits),
                Some(ready) = waits.next() => self.ready(ready),
                () = stop => {
                    if grace.is_some() {
                        break;
                    }
                    self.stopped = true;
                    grace = Some(Instant::now() + Duration::from_secs(STOP_GRACE_SECONDS));
                    self.progress.event(&Event::Stopping { in_flight: writes.len() });
                }
            }
        }
        self.report_not_started();
    }

    pub(crate) fn start(&self, index: usize) -> BoxFuture<'static, Ended> {
        if let Some(run) = self.sync_hook(index) {
            let job = self.hook_job(run);
            let (action, object) = (Action::Hook, run.id.clone());
            self.progress.event(&Event::Started { action, object });
            return async move {
                let result = match job {
                    Ok(job) => job.begin().await.map(|begun| Work::Hook(Box::new(begun))),
                    Err(failure) => Err(failure),
                };
                Ended { index, result }
            }
            .boxed();
        }
        let operation = self.decided.by_index.get(index).and_then(Option::as_deref);
        let (Some(desired), Some(operation)) = (self.set.objects.get(index), operation) else {
            let result = Err(Failure::new("it is not part of the plan", true));
            return async move { Ended { index, result } }.boxed();
        };
        let (action, object) = (operation.action, operation.object.clone());
        self.progress.event(&Event::Started { action, object });
        let job = Job::of(desired, action, operation.resource_version.clone()).map(|mut job| {
            job.from = self.options.takes(&desired.id);
            job.recreate_until = decided::may_recreate(desired, self.options)
                .then(|| Instant::now() + self.options.timeout);
            job
        });
        let writer = self.writer.clone();
        async move {
            let result = match job {
                Ok(job) => writer.write(job).await.map(|done| Work::Object(Box::new(done))),
                Err(failure) => Err(failure),
            };
            Ended { index, result }
        }
        .boxed()
    }

    /// The Sync hook at a place of the schedule.
    fn sync_hook(&self, index: usize) -> Option<&HookRun> {
        self.decided.sync_hooks().find(|(at, _)| *at == index).map(|(_, run)| run)
    }

    pub(crate) fn ended(
        &mut self,
        ended: Ended,
        waits: &mut FuturesUnordered<BoxFuture<'static, Ready>>,
    ) {
        let Ended { index, result } = ended;
        if let Some(run) = self.sync_hook(index).cloned() {
            return self.hook_written(index, &run, result, waits);
        }
        let Some(desired) = self.set.objects.get(index) else { return };
        let (id, origin) = (desired.id.clone(), desired.origin.to_string());
        let mut written = match result {
            Ok(Work::Object(written)) => written,
            Ok(Work::Hook(_)) => return,
            Err(failure) => {
                self.decided.schedule.failed(index);
                self.failed(index, &failure);
                return;
            }
        };
        let uid = written.object.uid().map(str::to_owned);
        let known = written.object.uid().map(Uid::parse);
        let entry = Entry { uid: known, digest: Some(desired.digest), ..Entry::default() };
        self.inventory.record(&id, entry);
        for message in &written.warnings {
            let (origin, message) = (Some(origin.clone()), format!("{id}: {message}"));
            self.warnings.push(Problem { origin, message, hint: None });
        }
        if let Some(live) = self.live {
            live.wrote(desired, &mut written);
        }
        self.progress.event(&Event::Done { action: written.action, object: id.clone() });
        match written.action {
            Some(action) => self.outcomes.push(Outcome {
                uid,
                origin: Some(origin),
                ..Outcome::new(action, id.clone(), OutcomeResult::Done)
            }),
            None => self.decided.unchanged += 1,
        }
        if let Some(health) = &written.health {
            let pending = Pending { resource: written.resource.clone(), health: health.clone() };
            self.pending.insert(id.clone(), pending);
        }
        self.decided.schedule.applied(index);
        if self.decided.schedule.is_awaited(index) {
            self.progress.event(&Event::WaitingReady { object: id });
            let Written { resource, object, .. } = *written;
            waits.push(self.wait_ready(index, resource, Some(object)));
        } else if let Some(slot) = self.decided.by_index.get_mut(index) {
            // It stands in the outcomes now; nothing asks for what was planned any more.
            *slot = None;
        }
    }

    fn hook_written(
        &mut self,
        index: usize,
        run: &HookRun,
        result: Result<Work, Failure>,
        waits: &mut FuturesUnordered<BoxFuture<'static, Ready>>,
    ) {
        match result {
            Ok(Work::Hook(begun)) => {
                self.hook_begun(run, &begun);
                self.decided.schedule.applied(index);
                let (client, until) = (self.client.clone(), Instant::now() + self.options.timeout);
                let wait = async move {
                    let result = begun.finish(&client, until).await;
                    Ready { index, result, hook: Some(begun) }
                };
                waits.push(wait.boxed());
            }
            Ok(Work::Object(_)) => {}
            Err(failure) => {
                self.decided.schedule.failed(index);
                self.hook_ended(run, None, Err(failure));
            }
        }
    }

    /// Waits for something that needs no work, because others wait for it.
    fn wait_for_seen(&self, index: usize) -> Option<BoxFuture<'static, Ready>> {
        let resource = self.set.objects.get(index)?.resource.clone()?;
        Some(self.wait_ready(index, resource, None))
    }

    fn wait_ready(
        &self,
        index: usize,
        resource: Arc<Resource>,
        object: Option<Object>,
    ) -> BoxFuture<'static, Ready> {
        let desired = self.set.objects.get(index);
        let id = desired.map(|desired| desired.id.clone());
        let id = id.unwrap_or_else(|| ObjectRef::new(resource.gvk.group_kind(), "", ""));
        let defines = desired.and_then(|desired| desired.defines.clone());
        let objects = self.set.objects.iter().filter(|_| defines.is_some());
        let mut kinds: Vec<_> = objects
            .filter(|desired| defines.as_ref() == Some(&desired.id.group_kind()))
            .map(|desired| (*desired.gvk).clone())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let pods = id.group_kind() == GroupKind::new("", "Namespace")
            && self.set.objects.iter().any(|desired| {
                let pod = &desired.id;
                pod.namespace == id.name && pod.group.is_empty() && pod.kind == "Pod"
            });
        let readiness = Readiness {
            client: self.client.clone(),
            resource,
            id,
            object,
            kinds,
            pods,
            until: Instant::now() + self.options.timeout,
        };
        async move { Ready { index, result: readiness.wait().await, hook: None } }.boxed()
    }

    pub(crate) fn ready(&mut self, ready: Ready) {
        let Ready { index, result, hook } = ready;
        match &result {
            Ok(()) => self.decided.schedule.ready(index),
            // It was written; only those that need it cannot go on.
            Err(_) => self.decided.schedule.failed(index),
        }
        match (hook, self.sync_hook(index).cloned(), result) {
            (Some(begun), Some(run), result) => self.hook_ended(&run, Some(*begun), result),
            (_, _, Err(failure)) => self.failed(index, &failure),
            (_, _, Ok(())) => {}
        }
    }

    fn failed(&mut self, index: usize, failure: &Failure) {
        let Some(desired) = self.set.objects.get(index) else { return };
        let id = desired.id.clone();
        let known = self.store.inventory.get(&id).is_some();
        let unmade = self.inventory.get(&id).is_some_and(|entry| entry.uid.is_none());
        if failure.definite && unmade && !known {
            self.inventory.forget(&id);
        }
        let mut hint = failure.problem.hint.clone();
        if failure.immutable {
            hint = decided::recreate_hint(desired, self.options);
        }
        let reason = failure.problem.message.clone();
        let event = Event::Failed { object: id.clone(), held: false, reason: reason.clone() };
        self.progress.event(&event);
        let action = self.action(index).unwrap_or(Action::Update);
        let action = if failure.conflicts.is_empty() { action } else { Action::Conflict };
        self.outcomes.push(Outcome {
            uid: self.inventory.get(&id).and_then(|entry| Some(entry.uid.as_ref()?.to_string())),
            origin: Some(desired.origin.to_string()),
            reason: Some(reason),
            hint,
            ..Outcome::new(action, id, OutcomeResult::Failed)
        });
    }

    fn report_held(&mut self) {
        for held in self.decided.schedule.take_held() {
            let Some(cause) = self.decided.id_at(&self.set, held.because_of) else { continue };
            let reason = format!("waits for {cause}, which failed");
            self.not_done(held.index, OutcomeResult::Held, reason);
        }
    }

    /// Nothing is applied, because a hook before it failed or the run was stopped.
    pub(crate) fn hold_all(&mut self) {
        let left: Vec<usize> = self.decided.schedule.not_started().collect();
        for index in left {
            let (result, reason) = match self.stopped {
                true => (OutcomeResult::NotStarted, "the run was stopped before its turn"),
                false => (OutcomeResult::Held, "waits for the PreSync hooks, of which one failed"),
            };
            self.not_done(index, result, reason.to_owned());
        }
    }

    fn report_not_started(&mut self) {
        let left: Vec<usize> = self.decided.schedule.not_started().collect();
        for index in left {
            let reason = "the run was stopped before its turn".to_owned();
            self.not_done(index, OutcomeResult::NotStarted, reason);
        }
        if !self.stopped {
            return;
        }
        // Hooks that were made and that nobody waits for any more.
        let has_ended = |run: &HookRun| {
            let is_it =
                |outcome: &Outcome| outcome.object == run.id && outcome.action == Action::Hook;
            self.outcomes.iter().any(is_it)
        };
        let open: Vec<HookRun> = self
            .decided
            .sync_hooks()
            .map(|(_, run)| run)
            .filter(|run| !has_ended(run))
            .cloned()
            .collect();
        for run in open {
            self.hook_not_run(&run);
        }
    }

    /// An object that was never tried: it is recorded only if it was before.
    fn not_done(&mut self, index: usize, result: OutcomeResult, reason: String) {
        if let Some(run) = self.sync_hook(index).cloned() {
            let reason = Some(format!("{} hook: {reason}", run.phase));
            let outcome = Outcome { reason, ..Outcome::new(Action::Hook, run.id, result) };
            self.outcomes.push(outcome);
            return;
        }
        let Some(desired) = self.set.objects.get(index) else { return };
        let id = desired.id.clone();
        if self.store.inventory.get(&id).is_none_or(|entry| entry == &Entry::default())
            && self.inventory.get(&id).is_some_and(|entry| entry.uid.is_none())
        {
            self.inventory.forget(&id);
        }
        let held = result == OutcomeResult::Held;
        if held {
            let (object, reason) = (id.clone(), reason.clone());
            self.progress.event(&Event::Failed { object, held, reason });
        }
        self.outcomes.push(Outcome {
            origin: Some(desired.origin.to_string()),
            reason: Some(reason),
            ..Outcome::new(self.action(index).unwrap_or(Action::Update), id, result)
        });
    }
}
