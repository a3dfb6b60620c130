//! The actions on the cluster: apply a revision, look for drift, heal it.

use super::facts::name_of;
use super::tell::rounded;
use super::{AttemptState, Loaded, Syncer, TROUBLE_PAUSE, calls};
use crate::engine::lock;
use crate::numbers::Phase;
use delivery::{DriftKind, Event, Live, OutcomeResult, Progress, Report};
use gitops::decide::fight::Drifted;
use gitops::decide::{Attempt, Failure};
use gitops::spec::{Counts, Drift, Operation, Outcome, Period, Trigger, Valid, reason};
use model::{Explain, Retry, chain};
use objects::ObjectRef;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use sync::{Action, Plan, Problem};
use tokio::time::Instant;

/// Problems that one message names.
const PROBLEMS_NAMED_MAX: usize = 5;

/// What an operation came to.
struct End {
    outcome: Outcome,
    reason: &'static str,
    message: String,
    counts: Counts,
    retry_after: Option<Duration>,
}

impl End {
    fn refused(reason: &'static str, message: String) -> Self {
        let counts = Counts::default();
        Self { outcome: Outcome::Refused, reason, message, counts, retry_after: None }
    }

    /// It was not written down that the operation begins: nothing was done.
    fn unwritten() -> Self {
        Self::refused(reason::PROGRESSING, "its beginning could not be written down".to_owned())
    }

    fn failed(error: &dyn Explain) -> Self {
        let retry_after = match error.retry() {
            Retry::After(pause) => Some(pause),
            _ => None,
        };
        Self {
            outcome: Outcome::Failed,
            reason: reason::APPLY_FAILED,
            message: with_hint(chain(error), error),
            counts: Counts::default(),
            retry_after,
        }
    }
}

/// Whether it is written down that an operation begins; a thread waits for that.
struct Begun(Mutex<Receiver<bool>>);

impl Begun {
    fn later() -> (Sender<bool>, Self) {
        let (written, begun) = channel();
        (written, Self(Mutex::new(begun)))
    }

    fn already() -> Self {
        let (written, begun) = Self::later();
        // It is there to be taken.
        let _ = written.send(true);
        begun
    }

    /// False when it could not be written, or nobody is there any more who would write it.
    fn is_written(&self) -> bool {
        lock(&self.0).recv().unwrap_or(false)
    }
}

impl Syncer {
    fn operation(&self, loaded: &Loaded, trigger: Trigger) -> Operation {
        let person = |person: &repo::Person| format!("{} <{}>", person.name, person.email);
        Operation {
            revision: loaded.commit.id.clone(),
            author: person(&loaded.commit.author),
            committer: person(&loaded.commit.committer),
            trigger,
            started_at: Some(self.now()),
            ..Operation::default()
        }
    }

    /// Applies the revision that is at hand, unless something refuses it.
    /// Gives a pause when it could not be written down that it begins.
    pub(super) async fn apply(&mut self, valid: &Valid, trigger: Trigger) -> Option<Duration> {
        if self.has_other_keys(valid).await {
            self.loaded = None;
            self.fetch(valid).await;
        }
        let loaded = self.loaded.take()?;
        // The fetch has answered the push that brought it.
        let told = trigger == Trigger::Poll && loaded.pushed;
        let trigger = if told { Trigger::Webhook } else { trigger };
        let mut operation = self.operation(&loaded, trigger);
        operation.detected_at = jiff::Timestamp::try_from(loaded.detected).ok();
        operation.timings.fetch = Some(Period(rounded(loaded.took)));
        let is_new = self.attempt.as_ref().is_none_or(|state| {
            state.attempt.revision != loaded.commit.id
                || state.attempt.outcome != Outcome::Succeeded
        });
        let began = Instant::now();
        let (pause, end) = match is_new {
            true => self.begin_and_deliver(valid, &loaded, &mut operation).await,
            false => match self.write_status().await {
                Some(pause) => (Some(pause), End::unwritten()),
                None => {
                    let begun = Begun::already();
                    (None, Box::pin(self.deliver(valid, &loaded, &mut operation, begun)).await)
                }
            },
        };
        if pause.is_some() {
            self.loaded = Some(loaded);
            return pause;
        }
        self.manual = None;
        let took = began.elapsed();
        operation.timings.apply = Some(Period(rounded(took)));
        self.shared.numbers.took(Phase::Apply, took);
        let now = self.shared.options.clock.now();
        if let Ok(whole) = now.duration_since(loaded.detected) {
            self.shared.numbers.took(Phase::Detection, whole);
        }
        if end.outcome == Outcome::Succeeded {
            self.good = Some(loaded.clone());
        }
        self.loaded = Some(loaded);
        self.fights.forgive();
        self.ended(valid, operation, end);
        None
    }

    /// Writes down how an operation on the whole tree ended.
    fn ended(&mut self, valid: &Valid, mut operation: Operation, end: End) {
        operation.finished_at = Some(self.now());
        operation.outcome = end.outcome;
        end.reason.clone_into(&mut operation.reason);
        operation.message.clone_from(&end.message);
        operation.counts = end.counts;
        let generation = self.sync.metadata.generation.unwrap_or(0);
        let revision = operation.revision.clone();
        let succeeded = end.outcome == Outcome::Succeeded;
        let same = self.attempt.as_ref().is_some_and(|state| {
            state.attempt.revision == revision && state.attempt.generation == generation
        });
        let before = self.attempt.as_ref().filter(|_| same);
        let failures = before.and_then(|state| state.attempt.failure.as_ref());
        let failures = failures.map_or(0, |failure| failure.failures).saturating_add(1);
        let failure = (!succeeded).then(|| Failure {
            failures,
            retry_after: end.retry_after,
            reason: end.reason.to_owned(),
            message: end.message,
        });
        self.status.failures = failure.as_ref().map_or(0, |failure| failure.failures);
        if succeeded {
            self.status.applied_revision = Some(revision.clone());
            self.status.applied_generation = Some(generation);
        }
        let outcome = end.outcome;
        let attempt = Attempt { revision, generation, outcome, age: Duration::ZERO, failure };
        let ended = Instant::now();
        self.attempt = Some(AttemptState { attempt, ended, applied: succeeded.then_some(ended) });
        self.finish(valid, operation);
    }

    /// Writes down that an operation begins and, meanwhile, finds out what it has to do. Nothing
    /// is done before that is written, so that a crash is seen. Gives a pause when it was not.
    async fn begin_and_deliver(
        &mut self,
        valid: &Valid,
        loaded: &Loaded,
        operation: &mut Operation,
    ) -> (Option<Duration>, End) {
        self.status.record(operation.clone());
        if !self.shared.home.may_act() || self.mailbox.ends() {
            return (Some(TROUBLE_PAUSE), End::unwritten());
        }
        let started = self.started(valid, operation);
        let (turned, status) = (self.turned(), self.status.clone());
        let (shared, sync) = (self.shared.clone(), self.sync.clone());
        let (written, begun) = Begun::later();
        let write = async {
            let result = shared.home.write_status(&sync, &status).await;
            if result.is_ok() {
                shared.options.audit.event(&started);
            }
            // Who waits for it may have found a reason to do nothing.
            let _ = written.send(result.is_ok());
            result
        };
        let deliver = Box::pin(self.deliver(valid, loaded, operation, begun));
        // The work first: it begins on another thread while this one writes.
        let (end, result) = tokio::join!(deliver, write);
        (self.wrote_status(result, status, turned).await, end)
    }

    async fn deliver(
        &mut self,
        valid: &Valid,
        loaded: &Loaded,
        operation: &mut Operation,
        begun: Begun,
    ) -> End {
        if let Some(refusal) = self.verify(valid, loaded, operation).await {
            return End::refused(reason::VERIFICATION_FAILED, refusal);
        }
        let tree = match &loaded.tree {
            Ok(tree) if tree.problems().is_empty() => tree.clone(),
            Ok(tree) => return End::refused(reason::RENDER_FAILED, sentence(tree.problems())),
            Err(message) => return End::refused(reason::RENDER_FAILED, message.clone()),
        };
        let (_, live) = match self.follow(valid).await {
            Ok(following) => following,
            Err(error) => return End::failed(&error),
        };
        let options = match self.options(valid, operation.trigger) {
            Ok(options) => options,
            Err(problem) => return End::refused(reason::INVALID_SPEC, problem),
        };
        let cancel = self.shared.stop.child_token();
        // From here on the memory is aimed at this tree; a refusal aims it back.
        self.looking = false;
        let progress = Log { sync: self.key.to_string() };
        let refuse =
            move |plan: &Plan| refusal(plan).or_else(|| (!begun.is_written()).then(End::unwritten));
        let report = calls::apply(&live, &tree, &options, refuse, progress, &cancel).await;
        match report {
            Ok(Err(refusal)) => refusal,
            Ok(Ok(report)) => {
                self.looking = true;
                for done in &report.outcomes {
                    self.audit_object(valid, operation, done);
                }
                end_of(&report)
            }
            Err(error) => End::failed(&error),
        }
    }

    /// After a restart the memory is aimed at the tree; after that drift is read from it.
    pub(super) async fn look(&mut self, valid: &Valid) {
        self.recall(valid).await;
        let Some(Loaded { tree: Ok(tree), .. }) = self.base() else { return };
        let tree = tree.clone();
        let Ok(options) = self.options(valid, Trigger::Poll) else { return };
        let live = match self.follow(valid).await {
            Ok((_, live)) => live,
            Err(error) => {
                self.trouble(&error);
                return;
            }
        };
        if !self.looking {
            let cancel = self.shared.stop.child_token();
            match calls::plan(&live, &tree, &options, &cancel).await {
                Ok(plan) => {
                    self.looking = true;
                    self.drift.touched = true;
                    let now = Instant::now();
                    // The tree was applied before, so what would be made was there once.
                    let gone = plan.operations.into_iter().filter(|operation| {
                        operation.action == Action::Create && operation.phase.is_none()
                    });
                    self.drift.missing = gone.map(|gone| (gone.object, now)).collect();
                }
                Err(error) => {
                    self.trouble(&error);
                    return;
                }
            }
        }
        if std::mem::take(&mut self.drift.touched) {
            self.drifted(&live);
        }
    }

    fn drifted(&mut self, live: &Live) {
        let (now, age) = (self.now(), self.born.elapsed());
        let before = std::mem::take(&mut self.drift.told);
        let known = std::mem::take(&mut self.drift.noticed);
        self.drift.drifted.clear();
        let mut drifted = live.drifted();
        self.drift.missing.retain(|id, _| live.seen(id).is_none());
        let known_by_watch: BTreeSet<ObjectRef> =
            drifted.iter().map(|drift| drift.object.clone()).collect();
        for (id, noticed) in &self.drift.missing {
            if known_by_watch.contains(id) {
                continue;
            }
            let (object, noticed) = (id.clone(), *noticed);
            let (kind, managers, heals) = (DriftKind::Gone, Vec::new(), true);
            drifted.push(delivery::Drift { object, kind, managers, heals, noticed });
        }
        let since: HashMap<_, _> = before.iter().map(|one| (name_of(one), one.since)).collect();
        for drift in drifted {
            let id = &drift.object;
            let manager = drift.managers.first().cloned();
            if known.get(id) != Some(&drift.noticed) {
                self.fights.flipped(id, manager.as_deref(), age);
            }
            self.drift.noticed.insert(id.clone(), drift.noticed);
            let fields = match &drift.kind {
                DriftKind::Changed(fields) => fields.iter().map(|f| f.path.clone()).collect(),
                _ => Vec::new(),
            };
            let name = (&*id.group, &*id.kind, &*id.namespace, &*id.name);
            let earlier = since.get(&name).copied().flatten();
            self.drift.told.push(Drift {
                group: id.group.clone(),
                kind: id.kind.clone(),
                namespace: id.namespace.clone(),
                name: id.name.clone(),
                fields,
                manager,
                held: None,
                since: earlier.or(Some(now)),
            });
            self.drift.drifted.push(Drifted { id: id.clone(), opted_out: !drift.heals });
        }
    }

    /// Reverts drift.
    pub(super) async fn heal(&mut self, valid: &Valid) {
        let Some(loaded) = self.base() else { return };
        let mut operation = self.operation(loaded, Trigger::Drift);
        // A revision that was refused stays the last try, whatever becomes of the one before.
        let refused =
            self.attempt.as_ref().is_some_and(|state| state.attempt.revision != operation.revision);
        operation.detected_at = self.drift.told.iter().filter_map(|drift| drift.since).min();
        let due = self.fights.plan(&self.drift.drifted, true, self.born.elapsed()).now;
        let reverted = reverted(&self.drift.told);
        let Ok(options) = self.options(valid, Trigger::Drift) else { return };
        let end = match self.follow(valid).await {
            Ok((_, live)) => {
                let cancel = self.shared.stop.child_token();
                let progress = Log { sync: self.key.to_string() };
                match calls::heal(&live, due.clone(), &options, progress, &cancel).await {
                    Ok(outcomes) => {
                        for done in &outcomes {
                            self.audit_object(valid, &operation, done);
                        }
                        end_of_heal(&outcomes)
                    }
                    Err(error) => End::failed(&error),
                }
            }
            Err(error) => End::failed(&error),
        };
        let age = self.born.elapsed();
        due.iter().for_each(|id| self.fights.healed(id, age));
        // What still differs is told again by its event, and counted then.
        let due: BTreeSet<ObjectRef> = due.into_iter().collect();
        self.drift.drifted.retain(|drifted| !due.contains(&drifted.id));
        self.drift.told.retain(|drift| drift.held.is_some());
        self.drift.touched = true;
        operation.outcome = end.outcome;
        operation.finished_at = Some(self.now());
        operation.counts = end.counts;
        if end.outcome == Outcome::Succeeded {
            operation.message = reverted;
            self.finish(valid, operation);
        } else if refused {
            operation.message = end.message;
            end.reason.clone_into(&mut operation.reason);
            self.finish(valid, operation);
        } else {
            self.ended(valid, operation, end);
        }
    }
}

/// A sentence about what is reverted: the first ones by name, of the others their number.
fn reverted(told: &[Drift]) -> String {
    let due = || told.iter().filter(|drift| drift.held.is_none());
    let mut names: Vec<String> = due()
        .take(PROBLEMS_NAMED_MAX)
        .map(|drift| match drift.fields.as_slice() {
            [] => format!("{} {}", drift.kind, drift.name),
            fields => format!("{} {} ({})", drift.kind, drift.name, fields.join(", ")),
        })
        .collect();
    let more = due().count().saturating_sub(PROBLEMS_NAMED_MAX);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    format!("reverted {}", names.join("; "))
}

fn end_of_heal(outcomes: &[delivery::Outcome]) -> End {
    let mut counts = Counts::default();
    count(&mut counts, outcomes);
    let failed = failures(outcomes);
    let (outcome, reason) = if failed.is_empty() {
        (Outcome::Succeeded, reason::SUCCEEDED)
    } else {
        (Outcome::Failed, reason::APPLY_FAILED)
    };
    End { outcome, reason, message: sentence(&failed), counts, retry_after: None }
}

/// Why a planned revision is not applied at all; none when it may be.
fn refusal(plan: &Plan) -> Option<End> {
    if !plan.problems.is_empty() {
        return Some(End::refused(reason::RENDER_FAILED, sentence(&plan.problems)));
    }
    let invalid: Vec<Problem> = plan
        .operations
        .iter()
        .filter(|operation| operation.action == Action::Invalid)
        .map(|operation| Problem {
            origin: operation.origin.clone(),
            message: format!(
                "{}: {}",
                operation.object,
                operation.reason.as_deref().unwrap_or("it is invalid")
            ),
            hint: operation.hint.clone(),
        })
        .collect();
    (!invalid.is_empty()).then(|| End::refused(reason::VALIDATION_FAILED, sentence(&invalid)))
}

fn end_of(report: &Report) -> End {
    let unchanged = u32::try_from(report.unchanged).unwrap_or(u32::MAX);
    let mut counts = Counts { unchanged, ..Counts::default() };
    count(&mut counts, &report.outcomes);
    let failed = failures(&report.outcomes);
    let (outcome, reason, message) = if report.interrupted {
        (Outcome::Cancelled, reason::PROGRESSING, "it was stopped".to_owned())
    } else if !failed.is_empty() || counts.held > 0 {
        (Outcome::Failed, reason::APPLY_FAILED, sentence(&failed))
    } else if !report.refusals.is_empty() {
        (Outcome::Failed, reason::PRUNE_REFUSED, sentence(&report.refusals))
    } else {
        (Outcome::Succeeded, reason::SUCCEEDED, String::new())
    };
    End { outcome, reason, message, counts, retry_after: None }
}

fn failures(outcomes: &[delivery::Outcome]) -> Vec<Problem> {
    outcomes
        .iter()
        .filter(|outcome| outcome.result == OutcomeResult::Failed)
        .map(|outcome| Problem {
            origin: outcome.origin.clone(),
            message: format!(
                "{}: {}",
                outcome.object,
                outcome.reason.as_deref().unwrap_or("it failed")
            ),
            hint: outcome.hint.clone(),
        })
        .collect()
}

fn count(counts: &mut Counts, outcomes: &[delivery::Outcome]) {
    for outcome in outcomes {
        let slot = match (outcome.result, outcome.action) {
            (OutcomeResult::Done, Action::Create) => &mut counts.created,
            (OutcomeResult::Done, Action::Prune) => &mut counts.pruned,
            (OutcomeResult::Done, _) => &mut counts.updated,
            (OutcomeResult::Failed, _) => &mut counts.failed,
            (OutcomeResult::Held | OutcomeResult::NotStarted, _) => &mut counts.held,
            _ => continue,
        };
        *slot = slot.saturating_add(1);
    }
}

/// The first problems in one sentence.
fn sentence(problems: &[Problem]) -> String {
    let mut parts: Vec<String> = problems
        .iter()
        .take(PROBLEMS_NAMED_MAX)
        .map(|problem| match &problem.origin {
            Some(origin) => format!("{origin}: {}", problem.message),
            None => problem.message.clone(),
        })
        .collect();
    let more = problems.len().saturating_sub(PROBLEMS_NAMED_MAX);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    parts.join("; ")
}

pub(super) fn with_hint(text: String, error: &dyn Explain) -> String {
    match error.hint() {
        Some(hint) => format!("{text} ({})", hint.as_str()),
        None => text,
    }
}

/// What happens, in the log.
struct Log {
    sync: String,
}

impl Progress for Log {
    fn event(&self, event: &Event) {
        match event {
            Event::Done { action: Some(action), object } => {
                tracing::info!(sync = self.sync, %action, %object, "done");
            }
            Event::Failed { object, held, reason } => {
                tracing::warn!(sync = self.sync, %object, held, reason, "not done");
            }
            _ => {}
        }
    }
}
