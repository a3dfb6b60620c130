//! The task of one GitSync: facts in, a decision of [`gitops::decide`], one action, again.
//!
//! What is decided is pure and stands there; here facts are collected and actions are carried
//! out. The status is written only when it changed, so that nothing is written at rest.

mod calls;
mod deliver;
mod end;
mod facts;
mod tell;

use crate::engine::{Inner, Mail, Mailbox};
use crate::eyes::{Eyes, Judge, Sight};
use crate::names::delivery_name;
use crate::source::Keys;
use cluster::Client;
use futures_util::FutureExt;
use gitops::decide::fight::{Drifted, Fights};
use gitops::decide::{Action, Attempt, Decision, Failure, decide};
use gitops::spec::{Drift, GitSync, Outcome, Status, SyncKey, Trigger, Valid, condition, reason};
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use sync::DeliveryName;
use tokio::time::Instant;

/// The pause after a failure around the work itself, such as a status that was not written.
const TROUBLE_PAUSE: Duration = Duration::from_secs(2);
/// An invalid spec is looked at again when it is written; this is for an event that was lost.
const INVALID_RECHECK: Duration = Duration::from_secs(600);

/// The outcomes that operations are counted by.
pub(crate) const OUTCOMES: [&str; 4] = ["Succeeded", "Failed", "Refused", "Cancelled"];

/// Tasks that have not ended yet, in all engines of this process.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn at_work() -> usize {
    AT_WORK.load(Ordering::Acquire)
}

/// One revision that is at hand.
pub(crate) struct Loaded {
    revision: String,
    author: String,
    committer: String,
    /// The tree, or why it cannot be made into objects.
    tree: Result<Arc<delivery::Tree>, String>,
    detected: SystemTime,
    took: Duration,
}

/// What is known about the source.
#[derive(Default)]
struct SourceState {
    head: Option<String>,
    asked: Option<Instant>,
    news: bool,
    failure: Option<Failure>,
}

/// The last try to apply.
struct AttemptState {
    attempt: Attempt,
    ended: Instant,
    /// When the revision was applied; health is waited for from here.
    applied: Option<Instant>,
}

/// What drifted, as the last look found it.
#[derive(Default)]
struct DriftState {
    drifted: Vec<Drifted>,
    told: Vec<Drift>,
    touched: bool,
}

/// The task.
pub(crate) struct Syncer {
    shared: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    key: SyncKey,
    name: Option<DeliveryName>,
    sync: Arc<GitSync>,
    status: Status,
    /// As it was written last; `None` makes the next look write.
    written: Option<Status>,
    keys: Keys,
    eyes: Eyes,
    /// Whether the eyes have been told what to look at.
    looking: bool,
    client: Option<(Option<String>, Client)>,
    source: SourceState,
    loaded: Option<Loaded>,
    attempt: Option<AttemptState>,
    drift: DriftState,
    fights: Fights,
    push: Option<Instant>,
    manual: Option<Instant>,
    /// When the oldest thing that asks for work was heard of, by the wall clock.
    heard: Option<SystemTime>,
    held: bool,
    gone: bool,
    trouble: Option<Instant>,
    born: Instant,
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Inner>, mailbox: Arc<Mailbox>, sync: Arc<GitSync>) -> Self {
        AT_WORK.fetch_add(1, Ordering::AcqRel);
        let key = sync.key();
        let name = delivery_name(&key).ok();
        let selector = name.as_ref().map(DeliveryName::selector).unwrap_or_default();
        let letters = mailbox.clone();
        let judge: Judge = Arc::new(objects::health::assess);
        let eyes = Eyes::new(selector, judge, move |sight| {
            letters.post(|mail| match sight {
                Sight::Touched => mail.touched = true,
                Sight::Health => mail.health = true,
            });
        });
        let status = sync.status.clone().unwrap_or_default();
        let mut syncer = Self {
            shared,
            mailbox,
            key,
            name,
            written: sync.status.clone(),
            sync,
            status,
            keys: Keys::default(),
            eyes,
            looking: false,
            client: None,
            source: SourceState::default(),
            loaded: None,
            attempt: None,
            drift: DriftState::default(),
            fights: Fights::default(),
            push: None,
            manual: None,
            heard: None,
            held: false,
            gone: false,
            trouble: None,
            born: Instant::now(),
        };
        syncer.remember();
        syncer
    }

    /// The last try, as an earlier process wrote it down.
    fn remember(&mut self) {
        let Some(last) = &self.status.last_operation else { return };
        let failure = (self.status.failures > 0).then(|| Failure {
            failures: self.status.failures,
            retry_after: None,
            reason: last.reason.clone(),
            message: last.message.clone(),
        });
        let attempt = Attempt {
            revision: last.revision.clone(),
            generation: self.status.observed_generation.unwrap_or(0),
            outcome: last.outcome,
            age: Duration::ZERO,
            failure,
        };
        let applied = (last.outcome == Outcome::Succeeded).then(Instant::now);
        self.attempt = Some(AttemptState { attempt, ended: Instant::now(), applied });
    }

    /// Works until the GitSync is gone or the process stops.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        let worked = async {
            while !self.gone {
                let pause = self.turn().boxed().await;
                if pause.is_zero() {
                    continue;
                }
                tokio::select! {
                    () = self.mailbox.wait() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        };
        tokio::select! {
            () = worked => {}
            () = stop.cancelled() => {}
        }
        let shared = self.shared.clone();
        drop(self);
        AT_WORK.fetch_sub(1, Ordering::AcqRel);
        shared.left();
    }

    /// One look and at most one action; gives the pause until the next one.
    async fn turn(&mut self) -> Duration {
        self.receive();
        if self.gone {
            return Duration::ZERO;
        }
        if self.sync.metadata.deletion_timestamp.is_some() {
            return self.end().await;
        }
        let valid = match Valid::new(GitSync::clone(&self.sync), self.shared.options.tenancy) {
            Ok(valid) => valid,
            Err(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                self.stall(reason::INVALID_SPEC, &all.join("; "));
                return self.write_status().await.unwrap_or(INVALID_RECHECK);
            }
        };
        if !self.held {
            match self.shared.home.hold(&self.sync, true).await {
                Ok(()) => self.held = true,
                Err(error) => return self.trouble(&error),
            }
        }
        if valid.spec().suspend {
            self.close_eyes();
        } else {
            self.look(&valid).await;
        }
        let facts = self.facts(&valid);
        let decision = decide(&valid, &facts);
        self.note(&valid, &decision);
        if let Some(pause) = self.write_status().await {
            return pause;
        }
        if !decision.is_due() {
            return decision.after.max(Duration::from_millis(1));
        }
        if !self.shared.home.may_act() {
            return TROUBLE_PAUSE;
        }
        self.act(&valid, &decision).await;
        Duration::ZERO
    }

    async fn act(&mut self, valid: &Valid, decision: &Decision) {
        let shared = self.shared.clone();
        // The semaphore is never closed; without a place the work simply goes on.
        let _place = shared.permits.acquire().await;
        match decision.action {
            Action::Poll | Action::Fetch => self.fetch(valid).await,
            Action::Apply => self.apply(valid, decision.trigger).await,
            Action::Heal => self.heal(valid).await,
            Action::Wait | Action::Nothing => {}
        }
    }

    fn receive(&mut self) {
        let Mail { sync, triggers, touched, health: _, dependency: _, gone } = self.mailbox.take();
        self.gone |= gone;
        self.drift.touched |= touched;
        if let Some(sync) = sync {
            let account = |sync: &GitSync| sync.spec.service_account_name.clone();
            if account(&sync) != account(&self.sync) {
                self.client = None;
                self.close_eyes();
            }
            if sync.spec.source != self.sync.spec.source {
                self.keys.forget();
                self.source = SourceState::default();
                self.loaded = None;
            }
            self.sync = sync;
        }
        if self
            .sync
            .reconcile_request()
            .is_some_and(|asked| self.status.last_handled_reconcile_at.as_deref() != Some(asked))
        {
            self.status.last_handled_reconcile_at =
                self.sync.reconcile_request().map(str::to_owned);
            self.wish(self.shared.options.clock.now());
        }
        for (trigger, at) in triggers.into_values() {
            match trigger {
                Trigger::Manual => self.wish(at),
                Trigger::Webhook => {
                    self.push.get_or_insert_with(Instant::now);
                    self.heard.get_or_insert(at);
                }
                _ => {}
            }
        }
    }

    fn close_eyes(&mut self) {
        self.eyes.close();
        self.looking = false;
    }

    /// A person asked for a run.
    fn wish(&mut self, at: SystemTime) {
        self.manual = Some(Instant::now());
        self.heard.get_or_insert(at);
        self.keys.forget();
        self.fights.forgive();
        self.drift.touched = true;
    }

    /// Nothing can be done before a person changes something.
    fn stall(&mut self, reason: &str, message: &str) {
        let generation = self.sync.metadata.generation;
        let make = |kind: &str, status: bool| gitops::spec::Condition {
            r#type: kind.to_owned(),
            status: status.into(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: generation,
            last_transition_time: None,
        };
        let conditions = vec![
            make(condition::READY, false),
            make(condition::RECONCILING, false),
            make(condition::STALLED, true),
        ];
        let now = self.now();
        gitops::decide::merge(&mut self.status.conditions, conditions, now);
        self.status.observed_generation = generation;
        self.status.next = None;
    }

    /// Something around the work failed; the pause until it is tried again.
    fn trouble(&mut self, error: &dyn std::error::Error) -> Duration {
        let text = tell::chain(error);
        tracing::warn!(sync = %self.key, error = text, "a GitSync is held up");
        self.trouble = Some(Instant::now());
        TROUBLE_PAUSE
    }

    fn now(&self) -> Timestamp {
        let now = self.shared.options.clock.now();
        let exact = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        // The API keeps whole seconds in some places and ours are for people: milliseconds do.
        Timestamp::from_millisecond(exact.as_millisecond()).unwrap_or(exact)
    }

    async fn client(&mut self, valid: &Valid) -> Result<Client, crate::ReconcileError> {
        let account = valid.spec().service_account_name.clone();
        if let Some((known, client)) = &self.client
            && *known == account
        {
            return Ok(client.clone());
        }
        let client = self.shared.home.client(valid).await?;
        self.client = Some((account, client.clone()));
        Ok(client)
    }
}
