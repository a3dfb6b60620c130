//! Apply: record first, write in order, prune last, record again, wait for health.
//!
//! The inventory is written before the first create with everything that may exist afterwards,
//! so a crash at any point leaves no object that the next run does not know of.

use crate::decided::Decided;
use crate::deliver::{Failure, Writer};
use crate::desired::{Desired, DesiredSet};
use crate::drift;
use crate::error::DeliveryError;
use crate::hook::HookRun;
use crate::hook_run::EndedHook;
use crate::live::Live;
use crate::observe::Observation;
use crate::options::DeliveryOptions;
use crate::prepared::{self, Prepared};
use crate::progress::{Event, Progress};
use crate::report::{ObjectHealth, Outcome, OutcomeResult, REPORT_SCHEMA, Report};
use crate::settle::{self, Pending, Settle};
use crate::source::Tree;
use crate::store::Store;
use cluster::Client;
use futures_util::stream::{FuturesUnordered, StreamExt};
use objects::{GroupKind, ObjectRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use sync::decide::Mode;
use sync::directives::Phase;
use sync::inventory::{Entry, Inventory};
use sync::plan::PlanSource;
use sync::{Action, Operation, Plan, Problem};
use tokio::sync::MutexGuard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
    let condition = saved.map_or(Condition::None, Condition::Saved);
    apply_with(client, None, tree, options, condition, progress, cancel).await?.ok_or_else(unjudged)
}

/// What has to hold before anything is written.
pub(crate) enum Condition<'a> {
    /// Nothing.
    None,
    /// Exactly this plan would be made now.
    Saved(&'a Plan),
    /// Whoever asked wants what would be done.
    Judged(Judge<'a>),
}

/// Says of a plan whether it is to be carried out.
pub(crate) type Judge<'a> = &'a mut (dyn FnMut(&Plan) -> bool + Send);

pub(crate) fn unjudged() -> DeliveryError {
    DeliveryError::Internal("a run that nobody judges was refused".to_owned())
}

/// What is remembered, and the turn to write.
pub(crate) type Turn<'a> = (&'a Live, MutexGuard<'a, ()>);

/// As [`apply`], with what is remembered. `None`: the plan was judged, and not wanted.
pub(crate) async fn apply_with(
    client: &Client,
    live: Option<Turn<'_>>,
    tree: &Tree,
    options: &DeliveryOptions,
    condition: Condition<'_>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Option<Report>, DeliveryError> {
    let started = Instant::now();
    let client = &options.client(client);
    let mode = if matches!(condition, Condition::None) { Mode::Act } else { Mode::Look };
    let known = live.as_ref().map(|(live, _)| *live);
    let prepared = prepared::prepare(client, known, tree, options, mode, progress, cancel).await?;
    match condition {
        Condition::None => {}
        Condition::Saved(saved) => {
            let moved = saved.moved(&prepared.plan(tree, options));
            if !moved.is_empty() {
                return Err(DeliveryError::PlanMoved { moved });
            }
        }
        Condition::Judged(judge) => {
            if !judge(&prepared.plan(tree, options)) {
                if let Some((live, _)) = live {
                    live.keep(prepared.store);
                }
                return Ok(None);
            }
        }
    }
    progress.event(&Event::Planned { summary: prepared.decided.summary() });
    let mut runner = Runner::new(client, &tree.source, options, prepared, progress, cancel);
    runner.problems.clone_from(&tree.problems);
    if let Some((live, turn)) = live {
        (runner.live, runner.turn) = (Some(live), Some(turn));
    }
    Box::pin(runner.run(started)).await.map(Some)
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
    pub(crate) warnings: Vec<Problem>,
    pub(crate) pending: BTreeMap<ObjectRef, Pending>,
    pub(crate) store: Store,
    /// Hooks of the phase that runs now that have ended.
    pub(crate) ended_hooks: Vec<EndedHook>,
    source: PlanSource,
    cluster: sync::plan::ClusterIdentity,
    pub(crate) live: Option<&'a Live>,
    /// Given back as soon as nothing is left to write.
    turn: Option<MutexGuard<'a, ()>>,
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
            ended_hooks: Vec::new(),
            pending: BTreeMap::new(),
            warnings: decided.warnings.clone(),
            live: None,
            turn: None,
            decided,
        }
    }

    pub(crate) async fn run(mut self, started: Instant) -> Result<Report, DeliveryError> {
        self.note_what_is_not_done();
        self.note_what_is_there();
        self.home().await?;
        self.record().await?;
        self.define_for_hooks().await;
        if self.run_hooks(Phase::PreSync).await {
            self.write_all().await;
            self.clean_hooks().await;
        } else {
            self.hold_all();
        }
        self.leave().await;
        self.write_record().await?;
        let apply_time = started.elapsed();
        // Others may write while this run waits, unless it has something to write after that.
        if !self.has_an_end() {
            self.give_back();
        }
        let started = Instant::now();
        let unhealthy =
            if self.waits_for_health() && !self.stopped { self.settle().await } else { vec![] };
        let wait_time = started.elapsed();
        self.end(unhealthy.is_empty()).await?;
        self.give_back();
        let done = |outcome: &Outcome| outcome.result == OutcomeResult::Done;
        Ok(Report {
            schema: REPORT_SCHEMA.to_owned(),
            delivery: self.options.name.to_string(),
            source: self.source,
            cluster: self.cluster,
            written: self.outcomes.iter().any(done),
            outcomes: self.outcomes,
            unchanged: self.decided.unchanged,
            problems: self.problems,
            refusals: self.decided.refusals,
            warnings: self.warnings,
            unhealthy,
            drifted: self.found.drift.list,
            drifted_total: self.found.drift.total,
            interrupted: self.stopped,
            apply_milliseconds: milliseconds(apply_time),
            wait_milliseconds: milliseconds(wait_time),
        })
    }

    /// Hooks after success, what is pruned last, and hooks after a failure.
    async fn end(&mut self, is_healthy: bool) -> Result<(), DeliveryError> {
        if self.stopped {
            return self.write_record().await;
        }
        if is_healthy && !self.has_failed() {
            self.run_hooks(Phase::PostSync).await;
        }
        let is_fine = is_healthy && !self.has_failed();
        if is_fine {
            self.leave_last().await;
        } else {
            self.keep_last();
        }
        if !self.stopped && (!is_fine || self.has_failed()) {
            let is_due = |run: &&HookRun| run.phase == Phase::SyncFail;
            let due: Vec<ObjectRef> =
                self.decided.hooks.iter().filter(is_due).map(|run| run.id.clone()).collect();
            if !due.is_empty() {
                due.iter().for_each(|id| self.inventory.expect_hook(id));
                self.write_record().await?;
                self.run_hooks(Phase::SyncFail).await;
            }
        }
        self.forget_unmade_hooks();
        self.write_record().await
    }

    /// Whether anything failed or was held.
    pub(crate) fn has_failed(&self) -> bool {
        let failed = |outcome: &Outcome| {
            matches!(outcome.result, OutcomeResult::Failed | OutcomeResult::Held)
        };
        self.outcomes.iter().any(failed)
    }

    /// Hooks after success and a prune that comes last need health, asked for or not.
    fn waits_for_health(&self) -> bool {
        let hooks = self.decided.hooks.iter().any(|run| run.phase == Phase::PostSync);
        self.options.wait || (!self.has_failed() && (hooks || !self.decided.prune.is_empty()))
    }

    fn forget_unmade_hooks(&mut self) {
        for run in &self.decided.hooks {
            let unmade = Entry { hook: true, ..Entry::default() };
            if self.inventory.get(&run.id) == Some(&unmade) {
                self.inventory.forget(&run.id);
            }
        }
    }

    /// Whether something may be written after the wait for health.
    fn has_an_end(&self) -> bool {
        let late = |run: &HookRun| matches!(run.phase, Phase::PostSync | Phase::SyncFail);
        self.decided.hooks.iter().any(late) || !self.decided.prune.is_empty()
    }

    /// Lets the memory keep the record, and others have the turn.
    fn give_back(&mut self) {
        if let (Some(live), Some(turn)) = (self.live, self.turn.take()) {
            live.keep(self.store.clone());
            drop(turn);
        }
    }

    async fn write_record(&mut self) -> Result<(), DeliveryError> {
        if self.store.inventory == self.inventory {
            return Ok(());
        }
        let source = self.source.to_string();
        self.store.write(self.client, self.inventory.clone(), &source).await
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
                uid: operation.uid.clone(),
                reason: Some(reason).filter(|reason| !reason.is_empty()),
                hint: operation.hint.clone(),
                origin: operation.origin.clone(),
                ..Outcome::new(operation.action, operation.object.clone(), result)
            });
        }
    }

    /// What is unchanged is recorded with its uid and digest; what will be made, without.
    fn note_what_is_there(&mut self) {
        let is_same = self.recorded_as_seen();
        for (index, desired) in self.set.objects.iter().enumerate() {
            let action = self.action(index);
            let seen = self.found.seen.get(index).and_then(Option::as_ref);
            match (action, seen) {
                // Made once by somebody else: it is not ours.
                (None, Some(seen))
                    if !seen.labelled
                        && desired.says(|directives| directives.once)
                        && self.inventory.get(&desired.id).is_none() => {}
                (None, Some(seen)) => {
                    if !is_same.get(index).copied().unwrap_or(false) {
                        let uid = Some(seen.uid.clone());
                        let left = self.found.left_alone.contains(&index);
                        let known = self.inventory.get(&desired.id).and_then(|entry| entry.digest);
                        let digest = if left { known } else { Some(desired.digest) };
                        let entry = Entry { uid, digest, ..Entry::default() };
                        self.inventory.record(&desired.id, entry);
                    }
                    if let (Some(health), Some(resource)) = (&seen.health, &desired.resource) {
                        let pending =
                            Pending { resource: resource.clone(), health: health.clone() };
                        self.pending.insert(desired.id.clone(), pending);
                    }
                }
                (Some(Action::Create | Action::Keep), _) => {
                    let made = self.store.inventory.get(&desired.id);
                    if made.is_some_and(|entry| entry.uid.is_some() && !entry.hook) {
                        self.found.drift.add(drift::missing(desired));
                    }
                    self.inventory.expect(&desired.id);
                }
                (Some(action), Some(seen)) if action.is_change() => {
                    let known = self.inventory.get(&desired.id).and_then(|entry| entry.digest);
                    let uid = Some(seen.uid.clone());
                    let entry = Entry { uid, digest: known, ..Entry::default() };
                    self.inventory.record(&desired.id, entry);
                }
                _ => {}
            }
        }
        for id in std::mem::take(&mut self.decided.forget) {
            self.inventory.forget(&id);
        }
        for run in self.decided.hooks.iter().filter(|run| run.phase != Phase::SyncFail) {
            self.inventory.expect_hook(&run.id);
        }
    }

    /// Objects whose line in the record is right already. Most are, and going through the record
    /// once is cheaper than looking each one up.
    fn recorded_as_seen(&self) -> Vec<bool> {
        let right = |(_, entry, index): (&ObjectRef, &Entry, Option<usize>)| {
            let index = index?;
            let (desired, seen) = (self.set.objects.get(index)?, self.found.seen.get(index)?);
            let uid = seen.as_ref().map(|seen| &seen.uid)?;
            let is_right = entry.digest == Some(desired.digest)
                && entry.uid.as_ref() == Some(uid)
                && !entry.hook;
            is_right.then_some(index)
        };
        let mut is_same = vec![false; self.set.objects.len()];
        for index in self.set.beside(&self.inventory).filter_map(right) {
            if let Some(slot) = is_same.get_mut(index) {
                *slot = true;
            }
        }
        is_same
    }

    pub(crate) fn action(&self, index: usize) -> Option<Action> {
        self.decided.by_index.get(index)?.as_ref().map(|operation| operation.action)
    }

    /// Makes the namespace of the inventory first when this tree brings it.
    async fn home(&mut self) -> Result<(), DeliveryError> {
        let namespace = self.options.inventory_namespace();
        let id = ObjectRef::new(GroupKind::new("", "Namespace"), "", namespace);
        let Some(index) = self.set.by_id.get(&id).copied() else { return Ok(()) };
        if self.action(index) != Some(Action::Create) {
            return Ok(());
        }
        self.early(index).await.map_err(|failure| DeliveryError::Home {
            namespace: namespace.to_owned(),
            reason: failure.problem.message,
        })
    }

    /// Makes one object before its turn, and waits until it is ready.
    async fn early(&mut self, index: usize) -> Result<(), Failure> {
        if !self.decided.schedule.begin(index) {
            return Ok(());
        }
        let write = self.start(index);
        let ended = write.await;
        let failure = ended.result.as_ref().err().cloned();
        let mut waits = FuturesUnordered::new();
        self.ended(ended, &mut waits);
        while let Some(ready) = waits.next().await {
            self.ready(ready);
        }
        failure.map_or(Ok(()), Err)
    }

    /// Namespaces and definitions without which the first hooks cannot even be made.
    async fn define_for_hooks(&mut self) {
        let mut needed = BTreeSet::new();
        for run in self.decided.hooks.iter().filter(|run| run.phase == Phase::PreSync) {
            let kind = GroupKind::new("", "Namespace");
            let namespace = ObjectRef::new(kind, "", run.id.namespace.as_str());
            needed.extend(self.set.by_id.get(&namespace));
            let defines = |desired: &Arc<Desired>| desired.defines == Some(run.id.group_kind());
            needed.extend(self.set.objects.iter().position(defines));
        }
        for index in needed {
            // What fails here stands in the outcomes; the hook will say the rest.
            let _ = self.early(index).await;
        }
    }

    /// Writes down everything that may exist after this run, when that is more than is known.
    async fn record(&mut self) -> Result<(), DeliveryError> {
        if !self.inventory.is_within(&self.store.inventory) {
            let mut union = self.store.inventory.clone();
            for (id, entry) in self.inventory.iter() {
                if entry.hook {
                    union.expect_hook(id);
                } else {
                    union.expect(id);
                }
                // A uid that is known now tells ours from a later one, should this run be cut.
                if union.get(id).is_some_and(|known| known.uid.is_none()) && entry.uid.is_some() {
                    union.record(id, entry.clone());
                }
            }
            let source = self.source.to_string();
            self.store.write(self.client, union, &source).await?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Vec<ObjectHealth> {
        let until = Instant::now() + self.options.timeout;
        let mut pending = std::mem::take(&mut self.pending);
        let selector = self.options.name.selector();
        let how = Settle { client: self.client, live: self.live, until };
        settle::settle(&how, &selector, &mut pending, self.progress, self.cancel).await;
        self.stopped = self.cancel.is_cancelled() && !pending.is_empty();
        let unhealthy = pending.into_iter();
        unhealthy.map(|(id, pending)| ObjectHealth::new(id, pending.health)).collect()
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
