//! The task of one GitSync: facts in, a decision of [`gitops::decide`], one action, again.
//!
//! What is decided is pure and stands there; here facts are collected and actions are carried
//! out. The status is written only when it changed, so that nothing is written at rest.

mod asked;
mod base;
mod calls;
mod deliver;
mod end;
mod facts;
mod fetch;
pub(crate) mod record;
mod rest;
mod tell;

pub(crate) use fetch::on_a_thread;

use crate::MATERIAL_SECONDS;
use crate::engine::{Hook, Inner, Mail, Mailbox, lock};
use crate::folders::Local;
use crate::home::MaterialKind;
use crate::letters::Letters;
use crate::names::delivery_name;
use crate::source::Keys;
use cluster::Client;
use delivery::{Live, LiveEvent};
use futures_util::FutureExt;
use gitops::decide::fight::{Drifted, Fights};
use gitops::decide::{Action, Attempt, Awaited, Decision, Failure, decide};
use gitops::spec::{
    Drift, GitSync, HealthCounts, Notified, Outcome, Status, SyncKey, Trigger, Valid, condition,
    reason,
};
use jiff::Timestamp;
use model::chain;
use objects::ObjectRef;
use record::Past;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use sync::DeliveryName;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

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
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) commit: repo::Commit,
    /// The annotated tags that stand for it.
    pub(crate) tags: Vec<repo::Tag>,
    /// What it was fetched with.
    pub(crate) fetch: repo::Fetch,
    /// The tree, or why it cannot be made into objects.
    tree: Result<Arc<delivery::Tree>, String>,
    /// Tells the keys that it was read with from others.
    keys: Option<[u8; 32]>,
    detected: SystemTime,
    took: Duration,
    /// Whether a push was told before it was fetched.
    pushed: bool,
}

/// What is known about the source.
#[derive(Default)]
struct SourceState {
    head: Option<String>,
    asked: Option<Instant>,
    /// When the last look ended that a push had asked for.
    pushed: Option<Instant>,
    /// The generation of the spec at that look.
    generation: Option<i64>,
    news: bool,
    failure: Option<Failure>,
    /// The commit that a push named and that no look has found yet.
    awaited: Option<Awaited>,
    /// Whether the news were waited for after a push.
    told: bool,
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
    /// Delivered objects that were gone when the memory was aimed; no watch tells of those.
    missing: BTreeMap<ObjectRef, Instant>,
    /// When each drift was noticed, to count one that comes again.
    noticed: BTreeMap<ObjectRef, Instant>,
    touched: bool,
}

/// A delivery that is followed, as somebody.
struct Following {
    account: Option<String>,
    client: Client,
    live: Arc<Live>,
    /// Ends the task that reads its events.
    _reader: DropGuard,
}

/// The task.
pub(crate) struct Syncer {
    pub(crate) shared: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    pub(crate) key: SyncKey,
    name: Option<DeliveryName>,
    sync: Arc<GitSync>,
    pub(crate) status: Status,
    /// The repository, when it is a folder of this host.
    local: Local,
    /// Those who are told what happens.
    letters: Letters,
    /// What they were told last; of drift, of which revision and when.
    told: Option<Notified>,
    told_drift: Option<(String, Instant)>,
    /// As it was written last; `None` makes the next look write.
    written: Option<Status>,
    keys: Keys,
    /// What is there, remembered and followed; of the connection that acts.
    live: Option<Following>,
    /// Whether the memory has been aimed at the tree.
    looking: bool,
    /// Health as it was told last; it stands while a watch is opened again.
    health: Option<(HealthCounts, String)>,
    source: SourceState,
    loaded: Option<Loaded>,
    /// The last revision that was applied, for the time when the newest one is refused.
    good: Option<Loaded>,
    /// When it was tried to get it.
    recalled: Option<Instant>,
    /// What goes further back than the status.
    past: Past,
    attempt: Option<AttemptState>,
    drift: DriftState,
    fights: Fights,
    /// The oldest push that no look has begun after, and the commit that all of them name.
    push: Option<(Instant, Option<String>)>,
    manual: Option<Instant>,
    /// When the oldest thing that asks for work was heard of, by the wall clock.
    heard: Option<SystemTime>,
    /// When the secret of the webhook was read.
    hooked: Option<Instant>,
    held: bool,
    gone: bool,
    trouble: Option<Instant>,
    /// When nothing but looks of the interval is due.
    resting: Option<rest::Resting>,
    born: Instant,
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Inner>, mailbox: Arc<Mailbox>, sync: Arc<GitSync>) -> Self {
        AT_WORK.fetch_add(1, Ordering::AcqRel);
        let key = sync.key();
        let name = delivery_name(&key).ok();
        let status = sync.status.clone().unwrap_or_default();
        let mut syncer = Self {
            shared,
            mailbox,
            key,
            name,
            written: sync.status.clone(),
            local: Local::default(),
            letters: Letters::new(),
            told: status.notified.clone(),
            told_drift: None,
            sync,
            status,
            keys: Keys::default(),
            live: None,
            looking: false,
            health: None,
            source: SourceState::default(),
            loaded: None,
            good: None,
            recalled: None,
            past: Past::default(),
            attempt: None,
            drift: DriftState::default(),
            fights: Fights::default(),
            push: None,
            manual: None,
            heard: None,
            hooked: None,
            held: false,
            gone: false,
            trouble: None,
            resting: None,
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
                let mut pause = self.turn().boxed().await;
                while !pause.is_zero() {
                    tokio::select! {
                        biased;
                        () = self.mailbox.wait() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = self.glance().boxed().await.unwrap_or_default();
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
        self.resting = None;
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
        self.letters.aim(&valid, &self.shared, &self.mailbox);
        self.local.aim(&valid, &self.mailbox);
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
        let age = self.hooked.map(|at| at.elapsed());
        if valid.spec().webhook.is_some()
            && age.is_none_or(|age| age > Duration::from_secs(MATERIAL_SECONDS))
        {
            self.refresh_hook(&valid).await;
        }
        let facts = self.facts(&valid);
        let decision = decide(&valid, &facts);
        self.note(&decision);
        if decision.is_due() && self.shared.home.may_act() {
            let done = match decision.action {
                // It writes down by itself that it begins, together with all of this.
                Action::Apply => self.act(&valid, &decision).await,
                // What only reads does not wait for that.
                Action::Poll | Action::Fetch => self.act_and_write(&valid, &decision).await,
                _ => match self.write_status().await {
                    Some(pause) => Some(pause),
                    None => self.act(&valid, &decision).await,
                },
            };
            return done.unwrap_or(Duration::ZERO);
        }
        if let Some(pause) = self.write_status().await {
            return pause;
        }
        self.write_history(&valid).await;
        if decision.is_due() {
            return TROUBLE_PAUSE;
        }
        self.rest(valid, &decision)
    }

    /// Gives a pause when it could not be begun.
    async fn act(&mut self, valid: &Valid, decision: &Decision) -> Option<Duration> {
        let shared = self.shared.clone();
        let _place = shared.places.take(&self.key.namespace).await;
        match decision.action {
            Action::Poll => self.poll(valid).await,
            Action::Fetch => self.fetch(valid).await,
            Action::Apply => return self.apply(valid, decision.trigger).await,
            Action::Heal => self.heal(valid).await,
            Action::Wait | Action::Nothing => {}
        }
        None
    }

    fn receive(&mut self) {
        let Mail { sync, triggers, pushed, touched, news: _, gone, notified } = self.mailbox.take();
        // Of what was told meanwhile only the newest is worth a write.
        if let Some(notified) = notified.filter(|notified| self.told.as_ref() == Some(notified)) {
            self.status.notified = Some(notified);
        }
        self.gone |= gone;
        self.drift.touched |= touched;
        if let Some(sync) = sync {
            let account = |sync: &GitSync| sync.spec.service_account_name.clone();
            let rules = |sync: &GitSync| sync.spec.health.clone();
            if account(&sync) != account(&self.sync) || rules(&sync) != rules(&self.sync) {
                self.close_eyes();
            }
            // What was found to be as asked was found so under the rules of that time.
            if sync.spec.ignore != self.sync.spec.ignore
                || sync.spec.conflicts != self.sync.spec.conflicts
            {
                self.close_eyes();
            }
            if sync.spec.source != self.sync.spec.source {
                self.keys.forget();
                self.source = SourceState::default();
                (self.loaded, self.good) = (None, None);
            }
            if !asked::reads_alike(&sync.spec, &self.sync.spec) {
                (self.loaded, self.good) = (None, None);
            }
            if sync.spec.webhook != self.sync.spec.webhook
                || sync.spec.source != self.sync.spec.source
            {
                self.hooked = None;
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
                    let revision = pushed.clone().flatten();
                    if self.has(revision.as_deref()) {
                        continue;
                    }
                    self.push = Some(match self.push.take() {
                        Some((since, known)) => {
                            (since, known.filter(|known| Some(known) == revision.as_ref()))
                        }
                        None => (Instant::now(), revision),
                    });
                    self.heard.get_or_insert(at);
                }
                _ => {}
            }
        }
    }

    /// Whether a push tells of nothing but the commit that is at hand.
    fn has(&self, revision: Option<&str>) -> bool {
        let loaded = self.loaded.as_ref().map(|loaded| loaded.commit.id.as_str());
        let head = self.source.head.as_deref();
        revision.is_some()
            && revision == head
            && revision == loaded
            && self.source.failure.is_none()
    }

    /// Reads the secret of the webhook; who calls without it is not believed.
    async fn refresh_hook(&mut self, valid: &Valid) {
        let hook = match &valid.spec().webhook {
            None => None,
            Some(webhook) => {
                let home = self.shared.home.clone();
                let name = &webhook.secret_ref.name;
                match home.material(&self.key, MaterialKind::Secret, name).await {
                    Ok(material) => {
                        let key = gitops::spec::WEBHOOK_KEY_DEFAULT;
                        let secret = material.as_ref().and_then(|material| material.text(key));
                        if secret.is_none() {
                            tracing::warn!(sync = %self.key, name, key, "no webhook secret");
                        }
                        secret.map(|secret| Hook {
                            secret: secret.as_bytes().to_vec(),
                            provider: webhook.provider,
                            url: valid.spec().source.url.clone(),
                            reference: valid.reference().clone(),
                        })
                    }
                    Err(error) => {
                        tracing::warn!(sync = %self.key, error = chain(&error), "webhook secret");
                        return;
                    }
                }
            }
        };
        self.hooked = Some(Instant::now());
        let mut hooks = lock(&self.shared.hooks);
        match hook {
            Some(hook) => hooks.insert(self.key.clone(), Arc::new(hook)),
            None => hooks.remove(&self.key),
        };
    }

    fn close_eyes(&mut self) {
        self.live = None;
        self.looking = false;
        self.drift = DriftState::default();
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
        let text = chain(error);
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

    /// The memory of what is there, with the connection that acts.
    async fn follow(
        &mut self,
        valid: &Valid,
    ) -> Result<(Client, Arc<Live>), crate::ReconcileError> {
        let account = valid.spec().service_account_name.clone();
        if let Some(known) = self.live.as_ref().filter(|known| known.account == account) {
            return Ok((known.client.clone(), known.live.clone()));
        }
        let client = self.shared.home.client(valid).await?;
        let name =
            delivery_name(&self.key).map_err(|error| crate::ReconcileError::MaterialMissing {
                kind: gitops::spec::KIND,
                namespace: self.key.namespace.clone(),
                name: self.key.name.clone(),
                problem: error.to_string(),
            })?;
        let live = if valid.spec().health.is_empty() {
            Live::new(&client, &name)
        } else {
            let rules = valid.health().clone();
            let judge = move |object: &objects::Object| Some(rules.assess(object));
            Live::with_health(&client, &name, Box::new(judge))
        };
        let live = Arc::new(live);
        let reader = CancellationToken::new();
        let (mut events, letters) = (live.events(), self.mailbox.clone());
        let stop = reader.clone();
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                let Some(event) = event else { return };
                letters.post(|mail| {
                    mail.touched |= !matches!(event, LiveEvent::Health { .. });
                    mail.news = true;
                });
            }
        });
        let _reader = reader.drop_guard();
        let (client_too, live_too) = (client.clone(), live.clone());
        self.live = Some(Following { account, client, live, _reader });
        Ok((client_too, live_too))
    }
}
