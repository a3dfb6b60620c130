//! The actions: fetch a revision, apply it, look for drift, heal it.

use super::tell::{chain, rounded};
use super::{AttemptState, Loaded, Syncer, calls};
use crate::numbers::Phase;
use cluster::Client;
use delivery::{DeliveryOptions, Event, OutcomeResult, Progress, Report};
use gitops::decide::fight::Drifted;
use gitops::decide::{Attempt, Failure};
use gitops::spec::{Conflicts, Counts, Drift, Operation, Outcome, Period, Trigger, Valid, reason};
use model::{Explain, Retry};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use sync::{Action, Plan, Problem};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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

impl Syncer {
    /// Brings the wanted revision here, with its tree.
    pub(super) async fn fetch(&mut self, valid: &Valid) {
        let heard = self.heard.take();
        let began = Instant::now();
        let found = Box::pin(self.fetched(valid)).await;
        self.source.asked = Some(Instant::now());
        // Pushes that came while this look was under way may be newer than what it found.
        if self.push.is_some_and(|at| at <= began) {
            self.push = None;
        }
        match found {
            Ok(Some(mut loaded)) => {
                self.shared.numbers.git("changed");
                self.source.news = self.source.head.as_deref() != Some(&loaded.revision);
                self.source.head = Some(loaded.revision.clone());
                self.source.failure = None;
                self.status.fetched_revision = Some(loaded.revision.clone());
                loaded.detected = heard.unwrap_or(loaded.detected);
                self.shared.numbers.took(Phase::Fetch, loaded.took);
                self.loaded = Some(loaded);
            }
            Ok(None) => {
                self.shared.numbers.git("unchanged");
                self.source.news = false;
                self.source.failure = None;
            }
            Err((message, retry_after)) => {
                self.shared.numbers.git("failed");
                self.keys.forget();
                let failures = self.source.failure.as_ref().map_or(0, |failure| failure.failures);
                let reason = reason::FETCH_FAILED.to_owned();
                let failures = failures.saturating_add(1);
                self.source.failure = Some(Failure { failures, retry_after, reason, message });
            }
        }
    }

    /// The wanted revision; `None` when it is at hand already.
    async fn fetched(
        &mut self,
        valid: &Valid,
    ) -> Result<Option<Loaded>, (String, Option<Duration>)> {
        let told = |error: &dyn Explain| {
            let after = match error.retry() {
                Retry::After(pause) => Some(pause),
                _ => None,
            };
            (with_hint(chain(error), error), after)
        };
        let shared = self.shared.clone();
        let cache = shared.options.cache.clone();
        let fetch = self.keys.fetch(shared.home.as_ref(), valid, &cache).await;
        let fetch = fetch.map_err(|error| told(&error))?;
        let detected = shared.options.clock.now();
        let began = Instant::now();
        let (location, path) = (fetch.url.to_string(), fetch.path.clone());
        let files = on_a_thread(&shared.stop, move |cancel| {
            repo::fetch(&fetch, &cache, cancel, &|step| tracing::debug!(?step, "fetching"))
        })
        .await;
        let files = files.map_err(|error| (error, None))?.map_err(|error| told(&error))?;
        let Some(commit) = files.commit().cloned() else {
            return Err(("the source has no commit".to_owned(), None));
        };
        if self.loaded.as_ref().is_some_and(|loaded| loaded.revision == commit.id) {
            return Ok(None);
        }
        let tree = match delivery::load_files(files, location, path, &shared.stop).await {
            Ok(tree) => Ok(Arc::new(tree)),
            // The source as such failed; everything else is the revision's own fault.
            Err(
                error @ (delivery::DeliveryError::Source(_) | delivery::DeliveryError::Stopped),
            ) => {
                return Err(told(&error));
            }
            Err(error) => Err(with_hint(chain(&error), &error)),
        };
        let person = |person: &repo::Person| format!("{} <{}>", person.name, person.email);
        Ok(Some(Loaded {
            revision: commit.id,
            author: person(&commit.author),
            committer: person(&commit.committer),
            tree,
            detected,
            took: began.elapsed(),
        }))
    }

    /// Applies the revision that is at hand, unless something refuses it.
    pub(super) async fn apply(&mut self, valid: &Valid, trigger: Trigger) {
        let Some(loaded) = self.loaded.take() else { return };
        self.manual = None;
        let mut operation = Operation {
            revision: loaded.revision.clone(),
            author: loaded.author.clone(),
            committer: loaded.committer.clone(),
            trigger,
            started_at: Some(self.now()),
            detected_at: jiff::Timestamp::try_from(loaded.detected).ok(),
            ..Operation::default()
        };
        operation.timings.fetch = Some(Period(rounded(loaded.took)));
        let is_new = self.attempt.as_ref().is_none_or(|state| {
            state.attempt.revision != loaded.revision || state.attempt.outcome != Outcome::Succeeded
        });
        if is_new {
            self.begin(operation.clone()).await;
        }
        let began = Instant::now();
        let end = Box::pin(self.deliver(valid, &loaded, &operation)).await;
        let took = began.elapsed();
        operation.timings.apply = Some(Period(rounded(took)));
        self.shared.numbers.took(Phase::Apply, took);
        let now = self.shared.options.clock.now();
        if let Ok(whole) = now.duration_since(loaded.detected) {
            self.shared.numbers.took(Phase::Detection, whole);
        }
        self.loaded = Some(loaded);
        self.fights.forgive();
        self.ended(valid, operation, end);
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
            message: end.message.clone(),
        });
        self.status.failures = failure.as_ref().map_or(0, |failure| failure.failures);
        if succeeded {
            self.status.applied_revision = Some(revision.clone());
        }
        let outcome = end.outcome;
        let attempt = Attempt { revision, generation, outcome, age: Duration::ZERO, failure };
        let ended = Instant::now();
        self.attempt = Some(AttemptState { attempt, ended, applied: succeeded.then_some(ended) });
        self.finish(valid, "Apply", operation);
    }

    async fn deliver(&mut self, valid: &Valid, loaded: &Loaded, operation: &Operation) -> End {
        let tree = match &loaded.tree {
            Ok(tree) if tree.problems().is_empty() => tree.clone(),
            Ok(tree) => return End::refused(reason::RENDER_FAILED, sentence(tree.problems())),
            Err(message) => return End::refused(reason::RENDER_FAILED, message.clone()),
        };
        let client = match self.client(valid).await {
            Ok(client) => client,
            Err(error) => return End::failed(&error),
        };
        let Some(options) = self.options(valid) else {
            return End::refused(reason::INVALID_SPEC, "its name is no label".to_owned());
        };
        let cancel = self.shared.stop.child_token();
        match calls::plan(&client, &tree, &options, &cancel).await {
            Ok(plan) => {
                if let Some(refusal) = refusal(&plan) {
                    return refusal;
                }
            }
            Err(error) => return End::failed(&error),
        }
        let progress = Log { sync: self.key.to_string() };
        let report = calls::apply(&client, &tree, &options, progress, &cancel).await;
        match report {
            Ok(report) => {
                for done in &report.outcomes {
                    self.audit_object(valid, operation, done);
                }
                if let Err(error) = self.look_at_what_is_there(&client, &options).await {
                    return End::failed(&error);
                }
                end_of(&report)
            }
            Err(error) => End::failed(&error),
        }
    }

    /// Opens the eyes for everything that is recorded now.
    async fn look_at_what_is_there(
        &mut self,
        client: &Client,
        options: &DeliveryOptions,
    ) -> Result<(), delivery::DeliveryError> {
        let ids: BTreeSet<_> = match calls::status(client, options).await {
            Ok(status) => status.objects.into_iter().map(|object| object.object).collect(),
            Err(delivery::DeliveryError::NotFound { .. }) => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        self.eyes.look_at(client, ids);
        self.looking = true;
        Ok(())
    }

    pub(super) fn options(&self, valid: &Valid) -> Option<DeliveryOptions> {
        let spec = valid.spec();
        let mut options = DeliveryOptions::new(self.name.clone()?);
        valid.target_namespace().clone_into(&mut options.namespace);
        options.inventory_namespace = Some(self.key.namespace.clone());
        options.prune = spec.prune.enabled;
        options.guards.objects_max = usize::try_from(spec.prune.max_objects).unwrap_or(usize::MAX);
        options.guards.percent_max = spec.prune.max_percent;
        options.guards.allow_empty = spec.prune.allow_empty;
        options.guards.kinds = spec.prune.kinds().collect();
        options.force_conflicts = spec.conflicts == Conflicts::Force;
        options.wait = false;
        options.timeout = spec.health_timeout.0;
        Some(options)
    }

    /// After a restart the eyes are opened; after a touch the touched are compared with the tree.
    pub(super) async fn look(&mut self, valid: &Valid) {
        let current = self.attempt.as_ref().is_some_and(|state| {
            state.attempt.outcome == Outcome::Succeeded
                && self.loaded.as_ref().is_some_and(|l| l.revision == state.attempt.revision)
        });
        if !current {
            return;
        }
        let Some(options) = self.options(valid) else { return };
        let client = match self.client(valid).await {
            Ok(client) => client,
            Err(error) => {
                self.trouble(&error);
                return;
            }
        };
        if !self.looking {
            if let Err(error) = self.look_at_what_is_there(&client, &options).await {
                self.trouble(&error);
            }
            return;
        }
        if !self.drift.touched || !self.eyes.wellness().complete {
            return;
        }
        self.drift.touched = false;
        let Some(Loaded { tree: Ok(tree), .. }) = &self.loaded else { return };
        let cancel = self.shared.stop.child_token();
        let planned = calls::plan(&client, tree, &options, &cancel).await;
        match planned {
            Ok(plan) => self.drifted(&plan),
            Err(error) => {
                // Looked at again with the next turn.
                self.drift.touched = true;
                self.trouble(&error);
            }
        }
    }

    fn drifted(&mut self, plan: &Plan) {
        let now = self.now();
        let age = self.born.elapsed();
        let before = std::mem::take(&mut self.drift.told);
        let mut drifted = Vec::new();
        for operation in plan.operations.iter().filter(|operation| is_drift(operation.action)) {
            let id = &operation.object;
            let manager = operation.takes_over_from.first().cloned();
            let manager = manager.or_else(|| Some(operation.conflicts.first()?.manager.clone()));
            self.fights.flipped(id, manager.as_deref(), age);
            let known = before.iter().find(|known| {
                known.kind == id.kind && known.name == id.name && known.namespace == id.namespace
            });
            self.drift.told.push(Drift {
                group: id.group.clone(),
                kind: id.kind.clone(),
                namespace: id.namespace.clone(),
                name: id.name.clone(),
                fields: operation.changes.iter().map(|change| change.path.clone()).collect(),
                manager,
                held: None,
                since: known.and_then(|known| known.since).or(Some(now)),
            });
            drifted.push(Drifted { id: id.clone(), opted_out: false });
        }
        self.drift.drifted = drifted;
    }

    /// Reverts drift.
    pub(super) async fn heal(&mut self, valid: &Valid) {
        let Some(loaded) = self.loaded.take() else { return };
        let healed: Vec<_> = self.drift.drifted.iter().map(|drifted| drifted.id.clone()).collect();
        let names: Vec<String> = self
            .drift
            .told
            .iter()
            .take(PROBLEMS_NAMED_MAX)
            .map(|drift| format!("{} {} ({})", drift.kind, drift.name, drift.fields.join(", ")))
            .collect();
        let mut operation = Operation {
            revision: loaded.revision.clone(),
            author: loaded.author.clone(),
            committer: loaded.committer.clone(),
            trigger: Trigger::Drift,
            started_at: Some(self.now()),
            detected_at: self.drift.told.iter().filter_map(|drift| drift.since).min(),
            ..Operation::default()
        };
        let end = Box::pin(self.deliver(valid, &loaded, &operation)).await;
        self.loaded = Some(loaded);
        let age = self.born.elapsed();
        for id in &healed {
            self.fights.healed(id, age);
        }
        self.drift.drifted.clear();
        self.drift.told.clear();
        operation.outcome = end.outcome;
        operation.finished_at = Some(self.now());
        operation.counts = end.counts;
        if end.outcome == Outcome::Succeeded {
            operation.message = format!("reverted {}", names.join("; "));
            self.finish(valid, "Heal", operation);
        } else {
            self.ended(valid, operation, end);
        }
    }
}

/// What a live object that differs is planned as; what is held or in conflict is drift, too.
fn is_drift(action: Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Takeover | Action::Conflict)
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
    let counts = counts(report);
    let failed: Vec<Problem> = report
        .outcomes
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
        .collect();
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

fn counts(report: &Report) -> Counts {
    let mut counts = Counts {
        unchanged: u32::try_from(report.unchanged).unwrap_or(u32::MAX),
        ..Counts::default()
    };
    for outcome in &report.outcomes {
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
    counts
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

fn with_hint(text: String, error: &dyn Explain) -> String {
    match error.hint() {
        Some(hint) => format!("{text} ({})", hint.as_str()),
        None => text,
    }
}

/// Blocking work that a stop ends soon.
pub(super) async fn on_a_thread<T: Send + 'static>(
    stop: &CancellationToken,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, String> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let mut work = tokio::task::spawn_blocking(move || work(&seen));
    let joined = tokio::select! {
        joined = &mut work => joined,
        () = stop.cancelled() => {
            flag.store(true, Ordering::Relaxed);
            work.await
        }
    };
    joined.map_err(|error| format!("an internal task failed: {error}"))
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
