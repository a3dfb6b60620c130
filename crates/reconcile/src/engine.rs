//! All GitSyncs of one process: one task each, a bound on how many work at once, and a board on
//! which they see each other's readiness.
//!
//! A failing or slow GitSync delays nobody: it waits in its own task, and a place among the
//! workers is held only while a source is read or a cluster is written to.

use crate::audit::Audit;
use crate::home::Home;
use crate::numbers::Numbers;
use crate::places::Places;
use crate::syncer::{self, Syncer};
use delivery::TreeCache;
use gitops::shard;
use gitops::spec::{
    GitSync, Notified, Reference, Status, SyncKey, Tenancy, Trigger, WebhookProvider, condition,
};
use gitops::webhook::Deliveries;
use model::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// GitSyncs that read a source or write to a cluster at once unless told otherwise.
pub const CONCURRENCY: usize = 8;
/// Notifications that are sent at once.
const POSTS_MAX: usize = 16;

/// How an engine works.
#[derive(Clone)]
pub struct EngineOptions {
    /// GitSyncs at work at once.
    pub concurrency: usize,
    /// Where fetched Git objects are kept.
    pub cache: PathBuf,
    /// Who may write GitSyncs.
    pub tenancy: Tenancy,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where audit lines go.
    pub audit: Audit,
    /// Which share of the GitSyncs is this process's: index and number of shards.
    pub shard: (u32, u32),
}

/// A webhook of a GitSync, and the secret that proves it.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) secret: Vec<u8>,
    pub(crate) provider: Option<WebhookProvider>,
    pub(crate) url: String,
    pub(crate) reference: Reference,
}

/// The engine; clones share it.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) home: Arc<dyn Home>,
    pub(crate) options: EngineOptions,
    pub(crate) numbers: Numbers,
    /// Connections to Git servers, kept between polls.
    pub(crate) connections: repo::Connections,
    /// Parsed files, shared by GitSyncs of one repository.
    pub(crate) trees: TreeCache,
    /// Webhooks by GitSync.
    pub(crate) hooks: Mutex<BTreeMap<SyncKey, Arc<Hook>>>,
    /// Deliveries of webhooks that were taken already.
    pub(crate) taken: Mutex<Deliveries>,
    pub(crate) born: Instant,
    /// Who may work at once.
    pub(crate) places: Places,
    /// How many notifications are sent at once.
    pub(crate) posts: Semaphore,
    /// Connections to those who are notified.
    pub(crate) wire: wire::Client,
    pub(crate) stop: CancellationToken,
    running: Mutex<BTreeMap<SyncKey, Running>>,
    /// The newest known state of every GitSync, also of those of other shards.
    board: Mutex<BTreeMap<SyncKey, Arc<GitSync>>>,
    idle: Notify,
}

/// One GitSync at work.
struct Running {
    mailbox: Arc<Mailbox>,
    uid: Option<String>,
    depends_on: BTreeSet<SyncKey>,
}

/// What happened since its owner looked last.
#[derive(Default)]
pub(crate) struct Mail {
    /// The GitSync was written.
    pub(crate) sync: Option<Arc<GitSync>>,
    /// Something asks for a look at the source, since when.
    pub(crate) triggers: BTreeMap<u8, (Trigger, SystemTime)>,
    /// Of the pushes among these the commit that all of them name, if they do.
    pub(crate) pushed: Option<Option<String>>,
    /// A live object was touched.
    pub(crate) touched: bool,
    /// Health of a live object or a dependency changed.
    pub(crate) news: bool,
    /// It exists no more.
    pub(crate) gone: bool,
    /// What all receivers of notifications have by now.
    pub(crate) notified: Option<Notified>,
}

/// Mail for a task; any number of letters are one.
#[derive(Default)]
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
    changed: Notify,
}

impl Mail {
    /// A push was told, which may name the commit that the reference names now.
    pub(crate) fn push(&mut self, at: SystemTime, revision: Option<&str>) {
        let webhook = Trigger::Webhook;
        self.triggers.entry(rank(webhook)).or_insert((webhook, at));
        let same = |known: Option<String>| known.filter(|known| Some(known.as_str()) == revision);
        self.pushed = Some(match self.pushed.take() {
            Some(known) => same(known),
            None => revision.map(str::to_owned),
        });
    }
}

impl Mailbox {
    pub(crate) fn post(&self, write: impl FnOnce(&mut Mail)) {
        write(&mut lock(&self.mail));
        self.changed.notify_one();
    }

    pub(crate) fn take(&self) -> Mail {
        std::mem::take(&mut lock(&self.mail))
    }

    /// Whether its owner is to end.
    pub(crate) fn ends(&self) -> bool {
        lock(&self.mail).gone
    }

    pub(crate) async fn wait(&self) {
        self.changed.notified().await;
    }
}

impl Engine {
    /// An engine without GitSyncs; it works until `stop` is cancelled.
    #[must_use]
    pub fn new(
        home: Arc<dyn Home>,
        options: EngineOptions,
        numbers: Numbers,
        stop: CancellationToken,
    ) -> Self {
        let places = Places::new(options.concurrency);
        Self(Arc::new(Inner {
            home,
            options,
            numbers,
            connections: match tokio::runtime::Handle::try_current() {
                Ok(runtime) => repo::Connections::on(runtime),
                Err(_) => repo::Connections::new(),
            },
            trees: TreeCache::default(),
            hooks: Mutex::default(),
            taken: Mutex::default(),
            born: Instant::now(),
            places,
            posts: Semaphore::new(POSTS_MAX),
            wire: wire::Client::new(wire::ClientOptions::default()),
            stop,
            running: Mutex::default(),
            board: Mutex::default(),
            idle: Notify::new(),
        }))
    }

    /// A GitSync exists, or was written.
    pub fn set(&self, sync: GitSync) {
        let inner = &self.0;
        let (key, sync) = (sync.key(), Arc::new(sync));
        let before = lock(&inner.board).get(&key).cloned();
        let own = inner.is_ours(&key);
        if own {
            inner.keep_status(&key, &sync);
        } else {
            lock(&inner.board).insert(key.clone(), sync.clone());
            inner.tell_dependants(&key);
            return;
        }
        let depends_on: BTreeSet<SyncKey> = sync
            .spec
            .depends_on
            .iter()
            .map(|dependency| {
                let namespace = dependency.namespace.as_ref().unwrap_or(&key.namespace);
                SyncKey::new(namespace.clone(), dependency.name.clone())
            })
            .collect();
        let mut running = lock(&inner.running);
        match running.get_mut(&key) {
            Some(known) if known.uid == sync.metadata.uid => {
                known.depends_on = depends_on;
                if before.is_none_or(|before| is_news(&before, &sync)) {
                    known.mailbox.post(|mail| mail.sync = Some(sync));
                }
            }
            known => {
                // Another object of the same name: the old task ends, a new one begins.
                if let Some(old) = known {
                    old.mailbox.post(|mail| mail.gone = true);
                }
                let mailbox = Arc::new(Mailbox::default());
                let uid = sync.metadata.uid.clone();
                running.insert(key, Running { mailbox: mailbox.clone(), uid, depends_on });
                let syncer = Syncer::new(inner.clone(), mailbox.clone(), sync);
                tokio::spawn(syncer.run());
            }
        }
    }

    /// A GitSync exists no more.
    pub fn remove(&self, key: &SyncKey) {
        lock(&self.0.board).remove(key);
        lock(&self.0.hooks).remove(key);
        if let Some(running) = lock(&self.0.running).remove(key) {
            running.mailbox.post(|mail| mail.gone = true);
        }
        self.0.numbers.remove(key);
        self.0.tell_dependants(key);
    }

    /// Asks for a look at the source of a GitSync; false when there is none of that name here.
    pub fn request(&self, key: &SyncKey, trigger: Trigger) -> bool {
        self.0.request(key, trigger)
    }

    /// The GitSyncs of this process, as they are now.
    #[must_use]
    pub fn syncs(&self) -> Vec<Arc<GitSync>> {
        let keys: Vec<SyncKey> = lock(&self.0.running).keys().cloned().collect();
        let board = lock(&self.0.board);
        keys.iter().filter_map(|key| board.get(key).cloned()).collect()
    }

    /// Waits until every task has ended; `stop` must be cancelled, or everything removed.
    pub async fn ended(&self) {
        loop {
            let idle = self.0.idle.notified();
            if Arc::strong_count(&self.0) <= 1 || syncer::at_work() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Inner {
    fn is_ours(&self, key: &SyncKey) -> bool {
        let (index, shards) = self.options.shard;
        shard::owns(key, index, shards)
    }

    /// What a task has told about its status is newer than what a watch brings.
    fn keep_status(&self, key: &SyncKey, sync: &Arc<GitSync>) {
        let mut board = lock(&self.board);
        let merged = match board.get(key) {
            Some(known) if known.metadata.uid == sync.metadata.uid && known.status.is_some() => {
                let mut merged = GitSync::clone(sync);
                merged.status.clone_from(&known.status);
                Arc::new(merged)
            }
            _ => sync.clone(),
        };
        board.insert(key.clone(), merged);
    }

    /// A task tells its status.
    pub(crate) fn publish(&self, key: &SyncKey, status: &Status) {
        let changed = {
            let mut board = lock(&self.board);
            let Some(known) = board.get_mut(key) else { return };
            let ready = |status: Option<&Status>| {
                let ready = status.and_then(|status| status.condition(condition::READY)).cloned();
                (ready, status.and_then(|status| status.applied_revision.clone()))
            };
            let changed = ready(known.status.as_ref()) != ready(Some(status));
            Arc::make_mut(known).status = Some(status.clone());
            changed
        };
        if changed {
            self.tell_dependants(key);
        }
    }

    pub(crate) fn look_up(&self, key: &SyncKey) -> Option<Arc<GitSync>> {
        lock(&self.board).get(key).cloned()
    }

    fn tell_dependants(&self, key: &SyncKey) {
        for running in lock(&self.running).values() {
            if running.depends_on.contains(key) {
                running.mailbox.post(|mail| mail.news = true);
            }
        }
    }

    pub(crate) fn request(&self, key: &SyncKey, trigger: Trigger) -> bool {
        let now = self.options.clock.now();
        let running = lock(&self.running);
        let Some(running) = running.get(key) else { return false };
        running.mailbox.post(|mail| match trigger {
            Trigger::Webhook => mail.push(now, None),
            _ => drop(mail.triggers.entry(rank(trigger)).or_insert((trigger, now))),
        });
        true
    }

    /// A push to the source of a GitSync was told.
    pub(crate) fn pushed(&self, key: &SyncKey, revision: Option<&str>) {
        let now = self.options.clock.now();
        if let Some(running) = lock(&self.running).get(key) {
            running.mailbox.post(|mail| mail.push(now, revision));
        }
    }

    /// A task ended.
    pub(crate) fn left(&self) {
        self.idle.notify_waiters();
    }
}

/// Which of the things that set a run off is told: the most telling one.
pub(crate) fn rank(trigger: Trigger) -> u8 {
    match trigger {
        Trigger::Manual => 0,
        Trigger::Webhook => 1,
        Trigger::Spec => 2,
        Trigger::Dependency => 3,
        Trigger::Drift => 4,
        Trigger::Retry => 5,
        Trigger::Poll => 6,
    }
}

/// Whether a write was more than one of our own to the status.
fn is_news(before: &GitSync, after: &GitSync) -> bool {
    let asked = |sync: &GitSync| sync.reconcile_request().map(str::to_owned);
    before.metadata.generation != after.metadata.generation
        || before.metadata.deletion_timestamp != after.metadata.deletion_timestamp
        || before.metadata.finalizers != after.metadata.finalizers
        || before.spec != after.spec
        || asked(before) != asked(after)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_14_a_thousand_pushes_at_once_are_one_letter() {
        let mailbox = Mailbox::default();
        for n in 0..1_000 {
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n);
            mailbox.post(|mail| mail.push(at, Some("a")));
        }
        let mail = mailbox.take();
        assert_eq!(mail.pushed, Some(Some("a".to_owned())));
        let first = (Trigger::Webhook, SystemTime::UNIX_EPOCH);
        assert_eq!(mail.triggers.into_values().collect::<Vec<_>>(), [first]);
        assert!(mailbox.take().triggers.is_empty());
    }

    #[test]
    fn gitops_14_pushes_name_a_commit_while_all_of_them_name_the_same() {
        let at = SystemTime::UNIX_EPOCH;
        for (revisions, told) in [
            ([Some("a"), Some("a"), Some("a")], Some("a")),
            ([Some("a"), Some("b"), Some("b")], None),
            ([Some("a"), None, Some("a")], None),
            ([None, Some("a"), Some("a")], None),
        ] {
            let mut mail = Mail::default();
            revisions.into_iter().for_each(|revision| mail.push(at, revision));
            assert_eq!(mail.pushed, Some(told.map(str::to_owned)), "{revisions:?}");
        }
    }

    #[test]
    fn a_write_of_our_own_status_is_no_news() {
        let mut sync = GitSync::default();
        sync.metadata.generation = Some(1);
        let mut after = sync.clone();
        after.metadata.resource_version = Some("7".to_owned());
        after.status = Some(Status::default());
        assert!(!is_news(&sync, &after));
        let asked = (gitops::spec::RECONCILE_ANNOTATION.to_owned(), "now".to_owned());
        after.metadata.annotations.extend([asked]);
        assert!(is_news(&sync, &after));
        after.status =
            Some(Status { last_handled_reconcile_at: Some("now".to_owned()), ..Status::default() });
        assert!(!is_news(&sync, &after));
    }
}
