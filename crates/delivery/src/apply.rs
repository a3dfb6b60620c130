//! Apply: record first, write in order, prune last, record again, wait for health.
//!
//! The inventory is written before the first create with everything that may exist afterwards,
//! so a crash at any point leaves no object that the next run does not know of.

use crate::decided::Decided;
use crate::deliver::{Failure, Job, Writer, Written};
use crate::desired::DesiredSet;
use crate::error::DeliveryError;
use crate::live::Live;
use crate::observe::Observation;
use crate::options::DeliveryOptions;
use crate::prepared::{self, Prepared};
use crate::progress::{Event, Progress};
use crate::report::{ObjectHealth, Outcome, OutcomeResult, REPORT_SCHEMA, Report};
use crate::settle::{self, Pending, Settle};
use crate::source::Tree;
use crate::store::Store;
use crate::wait::Readiness;
use cluster::Client;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use objects::{GroupKind, ObjectRef};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use sync::decide::Mode;
use sync::inventory::{Entry, Inventory};
use sync::plan::PlanSource;
use sync::{Action, Operation, Plan, Problem};
use tokio::sync::MutexGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long writes that were under way when the person stopped the run may take to end.
const STOP_GRACE_SECONDS: u64 = 10;

/// Delivers a tree. With `saved`, only when exactly that plan would be made now.
///
/// # Errors
/// When nothing could be begun, or the inventory not be written. What fails for single objects
/// stands in the report.
pub async fn apply(
    client: &Client,
    tree: &Tree,
    options: &DeliveryOptions,
    saved: Option<&Plan>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, DeliveryError> {
    apply_with(client, None, tree, options, saved, progress, cancel).await
}

/// What is remembered, and the turn to write.
pub(crate) type Turn<'a> = (&'a Live, MutexGuard<'a, ()>);

/// As [`apply`], with what is remembered.
pub(crate) async fn apply_with(
    client: &Client,
    live: Option<Turn<'_>>,
    tree: &Tree,
    options: &DeliveryOptions,
    saved: Option<&Plan>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, DeliveryError> {
    let started = Instant::now();
    let mode = if saved.is_some() { Mode::Look } else { Mode::Act };
    let known = live.as_ref().map(|(live, _)| *live);
    let prepared = prepared::prepare(client, known, tree, options, mode, progress, cancel).await?;
    if let Some(saved) = saved {
        let moved = saved.moved(&prepared.plan(tree, options));
        if !moved.is_empty() {
            return Err(DeliveryError::PlanMoved { moved });
        }
    }
    progress.event(&Event::Planned { summary: prepared.decided.summary() });
    let mut runner = Runner::new(client, &tree.source, options, prepared, progress, cancel);
    runner.problems.clone_from(&tree.problems);
    runner.live = live;
    Box::pin(runner.run(started)).await
}

/// One write that ended.
struct Ended {
    index: usize,
    result: Result<Box<Written>, Failure>,
}

/// One wait for readiness that ended.
struct Ready {
    index: usize,
    result: Result<(), Failure>,
}

pub(crate) struct Runner<'a> {
    pub(crate) client: &'a Client,
    pub(crate) options: &'a DeliveryOptions,
    pub(crate) writer: Writer,
    pub(crate) set: Arc<DesiredSet>,
    pub(crate) found: Observation,
    pub(crate) decided: Decided,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) inventory: Inventory,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) stopped: bool,
    pub(crate) problems: Vec<Problem>,
    source: PlanSource,
    cluster: sync::plan::ClusterIdentity,
    store: Store,
    recorded: bool,
    pending: BTreeMap<ObjectRef, Pending>,
    warnings: Vec<Problem>,
    live: Option<Turn<'a>>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(
        client: &'a Client,
        source: &PlanSource,
        options: &'a DeliveryOptions,
        prepared: Prepared,
        progress: &'a dyn Progress,
        cancel: &'a CancellationToken,
    ) -> Self {
        let Prepared { cluster, store, set, found, decided } = prepared;
        let writer = Writer {
            client: client.clone(),
            manager: options.name.manager(),
            force: options.force_conflicts,
        };
        Self {
            client,
            options,
            writer,
            set,
            found,
            progress,
            cancel,
            inventory: store.inventory.clone(),
            outcomes: Vec::new(),
            stopped: false,
            problems: Vec::new(),
            source: source.clone(),
            cluster,
            store,
            recorded: false,
            pending: BTreeMap::new(),
            warnings: decided.warnings.clone(),
            live: None,
            decided,
        }
    }

    pub(crate) async fn run(mut self, started: Instant) -> Result<Report, DeliveryError> {
        self.note_what_is_not_done();
        self.note_what_is_there();
        self.home().await?;
        self.record().await?;
        self.write_all().await;
        self.leave().await;
        let source = self.source.to_string();
        self.store.write(self.client, std::mem::take(&mut self.inventory), &source).await?;
        let apply_time = started.elapsed();
        let started = Instant::now();
        let live = self.live.take().map(|(live, turn)| {
            live.keep(self.store);
            // Others may write while this run waits.
            drop(turn);
            live
        });
        let mut unhealthy = Vec::new();
        if self.options.wait && !self.stopped {
            let until = started + self.options.timeout;
            let how = Settle { client: self.client, live, until };
            let selector = self.options.name.selector();
            settle::settle(&how, &selector, &mut self.pending, self.progress, self.cancel).await;
            self.stopped = self.cancel.is_cancelled() && !self.pending.is_empty();
            let pending = self.pending.into_iter();
            unhealthy = pending.map(|(id, one)| ObjectHealth::new(id, one.health)).collect();
        }
        Ok(Report {
            schema: REPORT_SCHEMA.to_owned(),
            delivery: self.options.name.to_string(),
            source: self.source,
            cluster: self.cluster,
            outcomes: self.outcomes,
            unchanged: self.decided.unchanged,
            problems: self.problems,
            refusals: self.decided.refusals,
            warnings: self.warnings,
            unhealthy,
            interrupted: self.stopped,
            apply_milliseconds: milliseconds(apply_time),
            wait_milliseconds: milliseconds(started.elapsed()),
        })
    }

    /// Outcomes that are known before anything is done.
    fn note_what_is_not_done(&mut self) {
        for operation in self.decided.operations() {
            let result = match operation.action {
                Action::Keep => OutcomeResult::Kept,
                Action::Hold => OutcomeResult::Held,
                Action::Invalid | Action::Conflict => OutcomeResult::Failed,
                _ => continue,
            };
            let reason = reason_of(operation);
            if operation.action.is_failure() {
                let held = operation.action == Action::Hold;
                let (object, reason) = (operation.object.clone(), reason.clone());
                self.progress.event(&Event::Failed { object, held, reason });
            }
            self.outcomes.push(Outcome {
                reason: Some(reason).filter(|reason| !reason.is_empty()),
                hint: operation.hint.clone(),
                origin: operation.origin.clone(),
                ..Outcome::new(operation.action, operation.object.clone(), result)
            });
        }
    }

    /// What is unchanged is recorded with its uid and digest; what will be made, without.
    fn note_what_is_there(&mut self) {
        let same = self.recorded_as_seen();
        for (index, desired) in self.set.objects.iter().enumerate() {
            let action = self.action(index);
            let seen = self.found.seen.get(index).and_then(Option::as_ref);
            match (action, seen) {
                (None, Some(seen)) => {
                    if !same.contains(&index) {
                        let uid = Some(seen.uid.clone());
                        let entry = Entry { uid, digest: Some(desired.digest) };
                        self.inventory.record(&desired.id, entry);
                    }
                    if let (Some(health), Some(resource)) = (&seen.health, &desired.resource) {
                        let pending =
                            Pending { resource: resource.clone(), health: health.clone() };
                        self.pending.insert(desired.id.clone(), pending);
                    }
                }
                (Some(Action::Create), _) => self.inventory.expect(&desired.id),
                (Some(action), Some(seen)) if action.is_change() => {
                    let known = self.inventory.get(&desired.id).and_then(|entry| entry.digest);
                    let entry = Entry { uid: Some(seen.uid.clone()), digest: known };
                    self.inventory.record(&desired.id, entry);
                }
                _ => {}
            }
        }
        for id in std::mem::take(&mut self.decided.forget) {
            self.inventory.forget(&id);
        }
    }

    /// Objects whose line in the record is right already. Most are, and going through the record
    /// once is cheaper than looking each one up.
    fn recorded_as_seen(&self) -> HashSet<usize> {
        let right = |(id, entry): (&ObjectRef, &Entry)| {
            let index = *self.set.by_id.get(id)?;
            let (desired, seen) = (self.set.objects.get(index)?, self.found.seen.get(index)?);
            let uid = seen.as_ref().map(|seen| &seen.uid)?;
            let is_right = entry.digest == Some(desired.digest) && entry.uid.as_ref() == Some(uid);
            is_right.then_some(index)
        };
        self.inventory.iter().filter_map(right).collect()
    }

    fn action(&self, index: usize) -> Option<Action> {
        self.decided.by_index.get(index)?.as_ref().map(|operation| operation.action)
    }

    /// Makes the namespace of the inventory first when this tree brings it.
    async fn home(&mut self) -> Result<(), DeliveryError> {
        let namespace = self.options.inventory_namespace();
        let id = ObjectRef::new(GroupKind::new("", "Namespace"), "", namespace);
        let Some(index) = self.set.by_id.get(&id).copied() else { return Ok(()) };
        if self.action(index) != Some(Action::Create) || !self.decided.schedule.begin(index) {
            return Ok(());
        }
        let write = self.start(index);
        let ended = write.await;
        if let Err(failure) = &ended.result {
            return Err(DeliveryError::Home {
                namespace: namespace.to_owned(),
                reason: failure.problem.message.clone(),
            });
        }
        let mut waits = FuturesUnordered::new();
        self.ended(ended, &mut waits);
        while let Some(ready) = waits.next().await {
            self.ready(ready);
        }
        Ok(())
    }

    /// Writes down everything that may exist after this run, when that is more than is known.
    async fn record(&mut self) -> Result<(), DeliveryError> {
        if !self.inventory.is_within(&self.store.inventory) {
            let mut union = self.store.inventory.clone();
            for (id, entry) in self.inventory.iter() {
                union.expect(id);
                // A uid that is known now tells ours from a later one, should this run be cut.
                if union.get(id).is_some_and(|known| known.uid.is_none()) && entry.uid.is_some() {
                    union.record(id, entry.clone());
                }
            }
            let source = self.source.to_string();
            self.store.write(self.client, union, &source).await?;
        }
        self.recorded = true;
        Ok(())
    }

    /// Runs the schedule to its end, or to a stop.
    async fn write_all(&mut self) {
        let mut writes: FuturesUnordered<BoxFuture<'static, Ended>> = FuturesUnordered::new();
        let mut waits: FuturesUnordered<BoxFuture<'static, Ready>> = FuturesUnordered::new();
        let mut grace: Option<Instant> = None;
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

    fn start(&self, index: usize) -> BoxFuture<'static, Ended> {
        let operation = self.decided.by_index.get(index).and_then(Option::as_deref);
        let (Some(desired), Some(operation)) = (self.set.objects.get(index), operation) else {
            let result = Err(Failure::new("it is not part of the plan", true));
            return async move { Ended { index, result } }.boxed();
        };
        let (action, object) = (operation.action, operation.object.clone());
        self.progress.event(&Event::Started { action, object });
        let job = Job::of(desired, action, operation.resource_version.clone());
        let writer = self.writer.clone();
        async move {
            let result = match job {
                Ok(job) => writer.write(job).await.map(Box::new),
                Err(failure) => Err(failure),
            };
            Ended { index, result }
        }
        .boxed()
    }

    fn ended(&mut self, ended: Ended, waits: &mut FuturesUnordered<BoxFuture<'static, Ready>>) {
        let Ended { index, result } = ended;
        let Some(desired) = self.set.objects.get(index) else { return };
        let (id, origin) = (desired.id.clone(), desired.origin.to_string());
        let mut written = match result {
            Ok(written) => written,
            Err(failure) => {
                self.decided.schedule.failed(index);
                self.failed(index, &failure);
                return;
            }
        };
        let uid = written.object.uid().map(str::to_owned);
        self.inventory.record(&id, Entry { uid, digest: Some(desired.digest) });
        for message in &written.warnings {
            let (origin, message) = (Some(origin.clone()), format!("{id}: {message}"));
            self.warnings.push(Problem { origin, message, hint: None });
        }
        if let Some((live, _)) = &self.live {
            live.wrote(desired, &mut written);
        }
        self.progress.event(&Event::Done { action: written.action, object: id.clone() });
        match written.action {
            Some(action) => self.outcomes.push(Outcome {
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
            waits.push(self.wait_ready(index, *written));
        } else if let Some(slot) = self.decided.by_index.get_mut(index) {
            // It stands in the outcomes now; nothing asks for what was planned any more.
            *slot = None;
        }
    }

    fn wait_ready(&self, index: usize, written: Written) -> BoxFuture<'static, Ready> {
        let defines = self.set.objects.get(index).and_then(|desired| desired.defines.clone());
        let mut kinds: Vec<_> = self
            .set
            .objects
            .iter()
            .filter(|desired| defines.as_ref() == Some(&desired.id.group_kind()))
            .map(|desired| (*desired.gvk).clone())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let name = written.object.name().to_owned();
        let namespace = written.object.kind() == "Namespace";
        let pods = namespace
            && self.set.objects.iter().any(|desired| {
                desired.id.namespace == name && desired.id.group_kind() == GroupKind::new("", "Pod")
            });
        let readiness = Readiness {
            client: self.client.clone(),
            resource: written.resource,
            object: written.object,
            kinds,
            pods,
            until: Instant::now() + self.options.timeout,
        };
        async move { Ready { index, result: readiness.wait().await } }.boxed()
    }

    fn ready(&mut self, ready: Ready) {
        match ready.result {
            Ok(()) => self.decided.schedule.ready(ready.index),
            Err(failure) => {
                // It was written; only those that need it cannot go on.
                self.decided.schedule.failed(ready.index);
                self.failed(ready.index, &failure);
            }
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
        let reason = failure.problem.message.clone();
        let event = Event::Failed { object: id.clone(), held: false, reason: reason.clone() };
        self.progress.event(&event);
        let action = self.action(index).unwrap_or(Action::Update);
        let action = if failure.conflicts.is_empty() { action } else { Action::Conflict };
        self.outcomes.push(Outcome {
            origin: Some(desired.origin.to_string()),
            reason: Some(reason),
            hint: failure.problem.hint.clone(),
            ..Outcome::new(action, id, OutcomeResult::Failed)
        });
    }

    fn report_held(&mut self) {
        for held in self.decided.schedule.take_held() {
            let Some(cause) = self.set.objects.get(held.because_of) else { continue };
            let reason = format!("waits for {}, which failed", cause.id);
            self.not_done(held.index, OutcomeResult::Held, reason);
        }
    }

    fn report_not_started(&mut self) {
        let left: Vec<usize> = self.decided.schedule.not_started().collect();
        for index in left {
            let reason = "the run was stopped before its turn".to_owned();
            self.not_done(index, OutcomeResult::NotStarted, reason);
        }
    }

    /// An object that was never tried: it is recorded only if it was before.
    fn not_done(&mut self, index: usize, result: OutcomeResult, reason: String) {
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

/// Why an operation is not done, with the owners of fields in conflict.
fn reason_of(operation: &Operation) -> String {
    let mut reason = operation.reason.clone().unwrap_or_default();
    let conflicts: Vec<String> = operation.conflicts.iter().map(ToString::to_string).collect();
    if !conflicts.is_empty() {
        reason = format!("{reason}: {}", conflicts.join(", "));
    }
    reason
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
