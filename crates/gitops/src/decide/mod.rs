//! What to do about a GitSync now: spec and facts in, one action out.
//!
//! Time comes in as *ages*, measured by the caller with a clock that never goes back, so a jump
//! of the wall clock changes nothing here. One operation of a GitSync runs at a time; the caller
//! decides again when it ends, when a fact changes, and when [`Decision::after`] has passed.
//!
//! The rules:
//! - A fetched revision that was never tried is applied before the source is asked again, so that
//!   pushes that keep coming cannot starve the work; then the source, then retries and changes of
//!   the spec, then healing.
//! - The same revision is not applied again without a reason: another generation, drift, a
//!   person, a retry.
//! - Pushes coalesce: those that come while an operation runs are one, and unless it names one
//!   commit and the look before found news, it waits until [`PUSH_SPACING`] after the last look
//!   that a push asked for. Looks of the interval hold up no push.
//! - A forge may tell of a push before its servers show it. A commit that a push named and that the
//!   look did not find is looked for again after each of [`AWAIT_PAUSES`], until the reference
//!   names another commit than before.
//! - A source or a revision that fails waits longer and longer whatever triggers it; only a
//!   person is served at once, and even then not before the server's `Retry-After`.

mod awaited;
pub mod conditions;
pub mod fight;
pub mod graph;
mod rest;
#[cfg(test)]
mod tests;

pub use awaited::{AWAIT_PAUSES, Awaited};
pub use conditions::{conditions, merge};
pub use rest::{INTERVAL_SLACK_PERCENT, Rest};

use crate::chance::{between, pause};
use crate::spec::{Condition, HealthCounts, Next, Outcome, SyncKey, Trigger, Valid, reason};
use rest::slack;
use std::fmt;
use std::time::Duration;

/// Looks at the source that pushes ask for are this far apart, unless each of them finds news.
pub const PUSH_SPACING: Duration = Duration::from_secs(1);
/// No server's `Retry-After` is honoured for longer.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Between two polls lies the interval and up to this share of it, in percent, so that many
/// GitSyncs of one age do not ask in the same moment.
pub const INTERVAL_JITTER_PERCENT: u32 = 10;
/// How long an event is waited for before the facts are looked at again without one.
pub const RECHECK: Duration = Duration::from_secs(60);
/// A suspended GitSync is looked at this often, in case that an event was lost.
pub const SUSPENDED_RECHECK: Duration = Duration::from_secs(600);

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the source which commit the reference names.
    Poll,
    /// Get the commit that the reference names (and learn which it is in the same conversation).
    Fetch,
    /// Render and apply the fetched revision.
    Apply,
    /// Revert drift on the objects that [`fight::HealPlan`] names.
    Heal,
    /// Wait for an event, at most for [`Decision::after`].
    Wait,
    /// Nothing until a person changes something.
    Nothing,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "Poll",
            Self::Fetch => "Fetch",
            Self::Apply => "Apply",
            Self::Heal => "Heal",
            Self::Wait => "Wait",
            Self::Nothing => "Nothing",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known about one GitSync. Durations are ages: how long ago.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Tells this GitSync's jitter from that of others: a hash of its uid or key.
    pub seed: u64,
    /// The source.
    pub source: SourceFacts,
    /// The oldest push that no fetch has begun after.
    pub push: Option<Push>,
    /// The oldest wish of a person that no apply has begun after.
    pub manual: Option<Duration>,
    /// The last try to apply, since this process or another one knows.
    pub attempt: Option<Attempt>,
    /// The dependencies, in the order of the spec.
    pub dependencies: Vec<DependencyFact>,
    /// A circle of dependencies that this GitSync waits for; see [`graph::find_cycle`].
    pub cycle: Option<Vec<SyncKey>>,
    /// Drift, as [`fight::HealPlan`] sums it up.
    pub drift: DriftFacts,
    /// Health of the applied objects; none while nothing was applied.
    pub health: Option<HealthFacts>,
    /// The revision that the live objects are of, where its tree is at hand to heal to.
    pub base: Option<String>,
}

/// What is known about the source. A revision whose signature is refused is no failure of the
/// source but an [`Attempt`] with [`Outcome::Refused`], so that the next one goes at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceFacts {
    /// The commit that the reference named at the last successful look.
    pub head: Option<String>,
    /// The commit whose tree is at hand.
    pub fetched: Option<String>,
    /// Since the last look (poll or fetch, failed or not) ended; none before the first.
    pub asked: Option<Duration>,
    /// The generation of the spec that it was made with; none to leave changes of the spec to the
    /// caller.
    pub generation: Option<i64>,
    /// Whether it found another head than the one before.
    pub news: bool,
    /// Since the last look that a push asked for ended; none before the first.
    pub pushed: Option<Duration>,
    /// The commit that a push named and that no look has found yet.
    pub awaited: Option<Awaited>,
    /// The failure, when the last look failed.
    pub failure: Option<Failure>,
}

/// Tries that failed in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// How many, from 1.
    pub failures: u32,
    /// What the server asked for, counted from the end of the last try.
    pub retry_after: Option<Duration>,
    /// One of [`reason`].
    pub reason: String,
    /// For people, free of secrets.
    pub message: String,
}

/// A push that was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Push {
    /// Its age.
    pub age: Duration,
    /// The commit that it named, when all pending pushes name the same one.
    pub revision: Option<String>,
}

impl Push {
    /// Two pending pushes as one.
    #[must_use]
    pub fn join(self, other: &Self) -> Self {
        let revision = if self.revision == other.revision { self.revision } else { None };
        Self { age: self.age.max(other.age), revision }
    }
}

/// A try to apply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    /// The commit.
    pub revision: String,
    /// The generation of the spec.
    pub generation: i64,
    /// How it ended; [`Outcome::Running`] is for one that another process did not finish.
    pub outcome: Outcome,
    /// Since it ended.
    pub age: Duration,
    /// The failures in a row of this revision and generation, when it failed.
    pub failure: Option<Failure>,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyFact {
    /// Which.
    pub key: SyncKey,
    /// None when it is ready; otherwise why not, for people.
    pub blocked: Option<String>,
}

/// Drift in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriftFacts {
    /// Objects that may be healed at once.
    pub due: u32,
    /// The pause until another one may be healed.
    pub next: Option<Duration>,
    /// Objects that are not healed: opted out, fighting without an end, healing switched off.
    pub held: u32,
    /// A sentence about one that another manager fights over, when there is one.
    pub fight: Option<String>,
}

/// Health of what was applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthFacts {
    /// Objects by health.
    pub counts: HealthCounts,
    /// Since the revision was applied.
    pub age: Duration,
    /// A sentence about the worst object.
    pub message: String,
}

impl HealthFacts {
    /// Whether nothing is left to wait for.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let HealthCounts { progressing, missing, degraded, unknown, .. } = self.counts;
        progressing == 0 && missing == 0 && degraded == 0 && unknown == 0
    }
}

/// What to do, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub action: Action,
    /// After this pause; zero is now. Any change of a fact comes first.
    pub after: Duration,
    /// One of [`reason`], or what set the action off.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
    /// What an operation that follows is set off by.
    pub trigger: Trigger,
    /// The conditions that hold, without times; see [`merge`].
    pub conditions: Vec<Condition>,
    /// When the regular look at the source is all there is to do.
    pub rest: Option<Rest>,
}

impl Decision {
    /// Whether to act at once.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.after.is_zero() && !matches!(self.action, Action::Wait | Action::Nothing)
    }

    /// What the status says about it: nothing for the regular poll, so that a status at rest
    /// never changes. `now` is the wall clock.
    #[must_use]
    pub fn next(&self, now: jiff::Timestamp) -> Option<Next> {
        if self.action == Action::Poll || self.is_due() {
            return None;
        }
        let retry = matches!(self.action, Action::Fetch | Action::Apply | Action::Heal);
        let at = retry.then(|| now.checked_add(self.after).ok()).flatten();
        let action = self.action.to_string();
        Some(Next { action, reason: self.message.clone(), at })
    }
}

/// Something to do, before the conditions are known.
struct Step {
    action: Action,
    after: Duration,
    reason: &'static str,
    message: String,
    trigger: Trigger,
}

impl Step {
    fn new(action: Action, after: Duration, trigger: Trigger, message: impl Into<String>) -> Self {
        Self { action, after, reason: reason::PROGRESSING, message: message.into(), trigger }
    }

    fn because(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }
}

/// What to do about a GitSync.
#[must_use]
pub fn decide(sync: &Valid, facts: &Facts) -> Decision {
    let (step, rest) = step(sync, facts);
    let conditions = conditions(sync, facts);
    let Step { action, after, reason, message, trigger } = step;
    Decision { action, after, reason, message, trigger, conditions, rest }
}

fn step(sync: &Valid, facts: &Facts) -> (Step, Option<Rest>) {
    if sync.spec().suspend {
        let step = Step::new(Action::Nothing, SUSPENDED_RECHECK, Trigger::Spec, "it is suspended");
        return (step.because(reason::SUSPENDED), None);
    }
    let source = source(sync, facts);
    let blocked = blocked(facts);
    let apply = apply(sync, facts).filter(|_| blocked.is_none());
    let fresh = apply.as_ref().is_some_and(|step| step.after.is_zero()) && is_fresh(facts);
    let heal = heal(sync, facts).filter(|_| blocked.is_none());
    let candidates = if fresh {
        [apply, Some(source), heal, blocked, settling(sync, facts)]
    } else {
        [Some(source), apply, heal, blocked, settling(sync, facts)]
    };
    // The earliest; of several at the same time the first in the list.
    let mut steps: Vec<Step> = candidates.into_iter().flatten().collect();
    steps.sort_by_key(|step| step.after);
    let rest = Rest::of(sync, facts, &steps);
    let nothing = || Step::new(Action::Wait, RECHECK, Trigger::Poll, "nothing is due");
    (steps.into_iter().next().unwrap_or_else(nothing), rest)
}

/// From the end of a regular look at the source to the next one.
fn interval(sync: &Valid, seed: u64) -> Duration {
    let interval = sync.spec().interval.0;
    let (slack, longest) = (slack(interval), interval + interval * INTERVAL_JITTER_PERCENT / 100);
    between(interval + slack, longest.saturating_sub(slack), seed)
}

/// Whether the fetched revision was never tried with this process's knowledge.
fn is_fresh(facts: &Facts) -> bool {
    let tried = facts.attempt.as_ref().map(|attempt| attempt.revision.as_str());
    facts.source.fetched.is_some() && facts.source.fetched.as_deref() != tried
}

/// The pause that a failure still asks for, and that of the server alone.
fn pauses(sync: &Valid, failure: Option<&Failure>, age: Duration, seed: u64) -> [Duration; 2] {
    let Some(failure) = failure else { return [Duration::ZERO; 2] };
    let retry = &sync.spec().retry;
    let server = failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    let own = pause(retry.pause.0, retry.pause_max.0, failure.failures, seed);
    [own.max(server).saturating_sub(age), server.saturating_sub(age)]
}

/// When to ask the source, and how.
fn source(sync: &Valid, facts: &Facts) -> Step {
    let source = &facts.source;
    let Some(age) = source.asked else {
        return Step::new(Action::Fetch, Duration::ZERO, Trigger::Poll, "it was never fetched");
    };
    let [pause, server] = pauses(sync, source.failure.as_ref(), age, facts.seed);
    if source.generation.is_some_and(|known| known != generation(sync)) {
        let message = "the spec was changed";
        return Step::new(Action::Fetch, Duration::ZERO, Trigger::Spec, message);
    }
    if facts.manual.is_some_and(|asked| asked < age) {
        return Step::new(Action::Fetch, server, Trigger::Manual, "a person asked for it");
    }
    // A push that names the next commit goes through; others may be part of a storm.
    let named = facts.push.as_ref().is_some_and(|push| push.revision.is_some());
    let wait = match source.pushed {
        Some(age) if source.failure.is_none() && !(source.news && named) => {
            PUSH_SPACING.saturating_sub(age)
        }
        _ => Duration::ZERO,
    };
    let push = facts.push.as_ref().filter(|push| {
        source.failure.is_some()
            || push.revision.is_none()
            || push.revision != source.head
            || source.head != source.fetched
    });
    if push.is_some() {
        let message = "a push was told";
        return Step::new(Action::Fetch, pause.max(wait), Trigger::Webhook, message);
    }
    if let Some(failure) = &source.failure {
        let message = format!("the source failed ({}): {}", failure.failures, failure.message);
        let step = Step::new(Action::Fetch, pause, Trigger::Retry, message);
        return step.because(reason::FETCH_FAILED);
    }
    if source.head.is_some() && source.head != source.fetched {
        let message = "the reference names another commit";
        return Step::new(Action::Fetch, Duration::ZERO, Trigger::Poll, message);
    }
    let due = interval(sync, facts.seed).saturating_sub(age);
    let awaited = source.awaited.as_ref().map(|awaited| awaited.pause().saturating_sub(age));
    if let Some(rest) = awaited.filter(|rest| *rest < due) {
        let message = "a push named a commit that the source does not show yet";
        return Step::new(Action::Poll, rest, Trigger::Webhook, message);
    }
    Step::new(Action::Poll, due, Trigger::Poll, "the interval").because(reason::SUCCEEDED)
}

/// The newest generation of the spec; 0 in a file.
pub(crate) fn generation(sync: &Valid) -> i64 {
    sync.sync().metadata.generation.unwrap_or(0)
}

/// When to apply the fetched revision; none when there is no reason to.
fn apply(sync: &Valid, facts: &Facts) -> Option<Step> {
    let fetched = facts.source.fetched.as_deref()?;
    let now =
        |trigger, message: &str| Some(Step::new(Action::Apply, Duration::ZERO, trigger, message));
    let Some(attempt) = &facts.attempt else { return now(Trigger::Poll, "it was never applied") };
    if attempt.revision != fetched {
        let told = facts.push.is_some();
        let trigger = if told { Trigger::Webhook } else { Trigger::Poll };
        return now(trigger, "another commit was fetched");
    }
    if attempt.generation != generation(sync) {
        return now(Trigger::Spec, "the spec was changed");
    }
    let [pause, server] = pauses(sync, attempt.failure.as_ref(), attempt.age, facts.seed);
    // The source was asked after the wish came (or cannot be), so what is at hand is the newest.
    if let Some(asked) = facts.manual
        && facts.source.failure.is_none()
        && facts.source.asked.is_some_and(|age| age <= asked)
    {
        return Some(Step::new(Action::Apply, server, Trigger::Manual, "a person asked for it"));
    }
    match attempt.outcome {
        Outcome::Succeeded => None,
        Outcome::Running | Outcome::Cancelled => now(Trigger::Retry, "it was not finished"),
        Outcome::Failed | Outcome::Refused if is_exhausted(sync, attempt) => None,
        Outcome::Failed | Outcome::Refused => {
            let message = attempt.failure.as_ref().map_or_else(
                || "the last try failed".to_owned(),
                |f| format!("the last try failed ({}): {}", f.failures, f.message),
            );
            let step = Step::new(Action::Apply, pause, Trigger::Retry, message);
            Some(step.because(reason::APPLY_FAILED))
        }
    }
}

/// Whether no retry is left; another commit, a change of the spec or a person starts anew.
pub(crate) fn is_exhausted(sync: &Valid, attempt: &Attempt) -> bool {
    let failures = attempt.failure.as_ref().map_or(1, |failure| failure.failures);
    let failed = matches!(attempt.outcome, Outcome::Failed | Outcome::Refused);
    failed && sync.spec().retry.limit.is_some_and(|limit| failures > limit)
}

/// When to revert drift: on top of a revision that was applied and is still the wanted one, or on
/// top of the last good one while the wanted one is refused or the source gives none. Never on
/// top of one that was applied in part: then the tree is not what the objects should be.
fn heal(sync: &Valid, facts: &Facts) -> Option<Step> {
    let attempt = facts.attempt.as_ref()?;
    let current = facts.source.fetched.as_deref() == Some(attempt.revision.as_str())
        && attempt.outcome == Outcome::Succeeded;
    let based = facts.base.is_some()
        && match attempt.outcome {
            Outcome::Refused => true,
            Outcome::Succeeded => facts.source.fetched.is_none() && facts.source.failure.is_some(),
            _ => false,
        };
    if !(current || based) || !sync.spec().self_heal.enabled {
        return None;
    }
    let (due, next) = (facts.drift.due, facts.drift.next);
    let after = if due > 0 { Some(Duration::ZERO) } else { next };
    let message = format!("{due} objects differ from the tree");
    after.map(|after| Step::new(Action::Heal, after, Trigger::Drift, message))
}

/// The wait for a dependency, when one is not ready.
fn blocked(facts: &Facts) -> Option<Step> {
    if let Some(cycle) = &facts.cycle {
        let message = format!("GitSyncs depend on each other: {}", graph::print_cycle(cycle));
        let step = Step::new(Action::Wait, RECHECK, Trigger::Dependency, message);
        return Some(step.because(reason::DEPENDENCY_CYCLE));
    }
    let message = blocked_message(facts)?;
    let step = Step::new(Action::Wait, RECHECK, Trigger::Dependency, message);
    Some(step.because(reason::DEPENDENCY_NOT_READY))
}

/// Why it is blocked, for people.
pub(crate) fn blocked_message(facts: &Facts) -> Option<String> {
    let blocked: Vec<String> = facts
        .dependencies
        .iter()
        .filter_map(|fact| Some(format!("{}: {}", fact.key, fact.blocked.as_ref()?)))
        .collect();
    (!blocked.is_empty()).then(|| format!("waits for {}", blocked.join("; ")))
}

/// The wait for health, up to its timeout.
fn settling(sync: &Valid, facts: &Facts) -> Option<Step> {
    let health = facts.health.as_ref().filter(|health| !health.is_healthy())?;
    let rest = sync.spec().health_timeout.0.checked_sub(health.age)?;
    Some(Step::new(Action::Wait, rest, Trigger::Poll, health.message.clone()))
}
