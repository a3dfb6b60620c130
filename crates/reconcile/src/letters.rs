//! Letters to those whom `spec.notify` names: one queue and one task for each receiver, so that
//! one that is slow or gone holds up neither the delivery nor the others.
//!
//! Input: what [`gitops::notify`] makes of a status. A letter that does not arrive is sent again
//! after a pause that grows from 1 s to 5 min, 10 times at most; then it is given up, which the
//! log, the metrics and an event tell. A queue holds 32 letters, and the oldest goes first; of
//! letters about one commit a forge gets only the newest. Secrets are read for each try, as the
//! GitSync's own account, and kept nowhere. When all receivers of a letter are served, the
//! syncer is told, and writes it down: a process that is started again repeats nothing, and what
//! was not sent before a crash is sent after it, under the same id.

use crate::engine::{Inner, Mailbox, lock};
use crate::home::Material;
use cluster::{EventType, News};
use gitops::chance;
use gitops::notify::{self, Letter};
use gitops::spec::{
    NOTIFY_CA_BYTES_MAX, NOTIFY_CA_KEY, NOTIFY_KEY, Notified, Notify, NotifyKind, Valid,
};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use model::{Explain, Retry, chain};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Letters that wait for one receiver.
const QUEUE_LETTERS_MAX: usize = 32;
/// Tries of one letter.
const TRIES_MAX: u32 = 10;
/// The first pause.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Bytes of a note in an event.
const NOTE_BYTES_MAX: usize = 900;

/// The receivers of one GitSync.
pub(crate) struct Letters {
    /// What they are made for.
    made: Option<Made>,
    receivers: Vec<Receiver>,
}

/// What receivers depend on; other specs need others.
#[derive(PartialEq)]
struct Made {
    notify: Vec<Notify>,
    url: String,
    account: Option<String>,
}

struct Receiver {
    post: Arc<Post>,
    /// Ends its task.
    _task: DropGuard,
}

/// One receiver, seen by its task.
struct Post {
    shared: Arc<Inner>,
    mailbox: Arc<Mailbox>,
    valid: Valid,
    to: Notify,
    queue: Mutex<VecDeque<Arc<Sending>>>,
    filled: tokio::sync::Notify,
    /// Connections that trust the authority of this receiver, and that authority.
    own: Mutex<Option<(Vec<u8>, wire::Client)>>,
}

/// A letter on its way to all receivers.
struct Sending {
    letter: Letter,
    /// What is written down when it has arrived; nothing for drift.
    told: Option<Notified>,
    /// Receivers that do not have it yet.
    left: AtomicUsize,
}

impl Letters {
    pub(crate) fn new() -> Self {
        Self { made: None, receivers: Vec::new() }
    }

    /// Makes the receivers those of a spec. Letters to receivers that are there no more are lost.
    pub(crate) fn aim(&mut self, valid: &Valid, shared: &Arc<Inner>, mailbox: &Arc<Mailbox>) {
        let spec = valid.spec();
        let wanted = Made {
            notify: spec.notify.clone(),
            url: spec.source.url.clone(),
            account: spec.service_account_name.clone(),
        };
        if self.made.as_ref() == Some(&wanted) {
            return;
        }
        self.receivers.clear();
        for to in &spec.notify {
            let post = Arc::new(Post::new(shared, mailbox, valid, to));
            let stop: CancellationToken = shared.stop.child_token();
            let (own, end) = (post.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = own.work() => {}
                }
            });
            self.receivers.push(Receiver { post, _task: stop.drop_guard() });
        }
        self.made = Some(wanted);
    }

    /// Whether there is anybody to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    /// Puts a letter into the queues of those who want it; `told` is written down when all of
    /// them have it.
    pub(crate) fn send(&self, letter: Letter, told: Option<Notified>) {
        let wanting: Vec<&Arc<Post>> = self
            .receivers
            .iter()
            .map(|receiver| &receiver.post)
            .filter(|post| post.to.wants(letter.event))
            .collect();
        let left = AtomicUsize::new(wanting.len() + 1);
        let sending = Arc::new(Sending { letter, told, left });
        for post in &wanting {
            post.push(sending.clone());
        }
        if let Some(receiver) = self.receivers.first() {
            receiver.post.served(&sending);
        }
    }
}

impl Post {
    fn new(shared: &Arc<Inner>, mailbox: &Arc<Mailbox>, valid: &Valid, to: &Notify) -> Self {
        Self {
            shared: shared.clone(),
            mailbox: mailbox.clone(),
            valid: valid.clone(),
            to: to.clone(),
            queue: Mutex::default(),
            filled: tokio::sync::Notify::new(),
            own: Mutex::default(),
        }
    }

    fn push(&self, sending: Arc<Sending>) {
        let mut lost = Vec::new();
        {
            let mut queue = lock(&self.queue);
            if self.to.kind != NotifyKind::Webhook {
                // The status of a commit is one thing; what it was before is nobody's news.
                let revision = &sending.letter.operation.revision;
                let (same, others) = std::mem::take(&mut *queue)
                    .into_iter()
                    .partition(|known| known.letter.operation.revision == *revision);
                *queue = others;
                let same: VecDeque<Arc<Sending>> = same;
                lost.extend(same);
            }
            queue.push_back(sending);
            if queue.len() > QUEUE_LETTERS_MAX {
                lost.extend(queue.pop_front());
                self.shared.numbers.notification("dropped");
                tracing::warn!(sync = %self.valid.key(), "a notification too many was dropped");
            }
        }
        for sending in lost {
            self.served(&sending);
        }
        self.filled.notify_one();
    }

    /// One receiver less waits for a letter.
    fn served(&self, sending: &Sending) {
        if sending.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(told) = &sending.told
        {
            self.mailbox.post(|mail| mail.notified = Some(told.clone()));
        }
    }

    /// Sends what is in the queue, for ever.
    async fn work(&self) {
        loop {
            let next = lock(&self.queue).front().cloned();
            let Some(sending) = next else {
                self.filled.notified().await;
                continue;
            };
            let arrived = self.deliver(&sending).await;
            let result = if arrived { "sent" } else { "failed" };
            self.shared.numbers.notification(result);
            let mut queue = lock(&self.queue);
            // It may have been overtaken meanwhile.
            if queue.front().is_some_and(|front| Arc::ptr_eq(front, &sending)) {
                queue.pop_front();
                drop(queue);
                self.served(&sending);
            }
        }
    }

    /// Whether a letter is the next one still.
    fn is_next(&self, sending: &Arc<Sending>) -> bool {
        lock(&self.queue).front().is_some_and(|front| Arc::ptr_eq(front, sending))
    }

    /// Tries until the letter has arrived, is overtaken, or is given up.
    async fn deliver(&self, sending: &Arc<Sending>) -> bool {
        let key = self.valid.key();
        let seed = chance::hash(&sending.letter.id);
        let mut tries = 0;
        while self.is_next(sending) {
            if !self.shared.home.may_act() {
                tokio::time::sleep(PAUSE_MIN).await;
                continue;
            }
            tries += 1;
            let Err(Problem { message, retry }) = self.attempt(&sending.letter).await else {
                return true;
            };
            let event = sending.letter.event.name();
            tracing::warn!(sync = %key, event, tries, error = message, "nobody was notified");
            let after = match retry {
                Retry::Never => None,
                Retry::After(pause) => Some(pause),
                Retry::Now => Some(Duration::ZERO),
            };
            let Some(after) = after.filter(|_| tries < TRIES_MAX) else {
                let note = format!("`{event}` could not be told: {message}");
                let note = note.get(..note.floor_char_boundary(NOTE_BYTES_MAX));
                let news = News {
                    r#type: EventType::Warning,
                    reason: "NotificationFailed".to_owned(),
                    action: "Notify".to_owned(),
                    note: note.unwrap_or_default().to_owned(),
                };
                self.shared.home.tell(self.valid.sync(), news).await;
                return false;
            };
            let own = chance::pause(PAUSE_MIN, PAUSE_MAX, tries, seed);
            tokio::time::sleep(own.max(after.min(PAUSE_MAX))).await;
        }
        false
    }

    async fn attempt(&self, letter: &Letter) -> Result<(), Problem> {
        let (key, home) = (self.valid.key(), &self.shared.home);
        let name = &self.to.secret_ref.name;
        let found = home.own_secret(&self.valid, name).await;
        let found = found.map_err(|error| Problem::later(chain(&error)))?;
        let found = found.unwrap_or_default();
        let secret = found.text(NOTIFY_KEY);
        let missing = || format!("the Secret {}/{name} has no `{NOTIFY_KEY}`", key.namespace);
        let secret = secret.ok_or_else(|| Problem::later(missing()))?;
        let now = Timestamp::try_from(self.shared.options.clock.now());
        let now = now.unwrap_or(Timestamp::UNIX_EPOCH);
        let source = &self.valid.spec().source.url;
        let (cluster, proof) = (home.cluster_name(&key), secret.as_bytes());
        let request = notify::request(&self.to, source, &key, &cluster, letter, proof, now);
        let request = request.map_err(|error| Problem::never(error.to_string()))?;
        let outgoing = outgoing(self.to.base(), request, secret)?;
        let wire = self.wire(&found)?;
        let Ok(_place) = self.shared.posts.acquire().await else { return Ok(()) };
        let sent = wire.send(&outgoing).await;
        sent.map(drop).map_err(|error| Problem {
            message: chain(&error),
            retry: match error.retry() {
                // A token or a repository that is not right today may be tomorrow, but a
                // thousand tries would be a nuisance: the limit of tries holds.
                Retry::Never => Retry::After(PAUSE_MIN),
                other => other,
            },
        })
    }

    /// The connections for a try. Those that trust a receiver's own authority are for this
    /// receiver alone, and go when the Secret has another one.
    fn wire(&self, secret: &Material) -> Result<wire::Client, Problem> {
        let pem = secret.0.get(NOTIFY_CA_KEY).filter(|pem| !pem.is_empty());
        let Some(pem) = pem else { return Ok(self.shared.wire.clone()) };
        if pem.len() > NOTIFY_CA_BYTES_MAX {
            let name = &self.to.secret_ref.name;
            let message = format!("`{NOTIFY_CA_KEY}` of the Secret {name} is larger than 64 KiB");
            return Err(Problem::later(message));
        }
        let mut own = lock(&self.own);
        if let Some((_, wire)) = own.as_ref().filter(|(known, _)| known == pem) {
            return Ok(wire.clone());
        }
        let options = wire::ClientOptions { ca_pem: pem.clone(), ..Default::default() };
        let wire = wire::Client::new(options);
        *own = Some((pem.clone(), wire.clone()));
        Ok(wire)
    }
}

/// Why a letter did not arrive; without any secret.
struct Problem {
    message: String,
    retry: Retry,
}

impl Problem {
    fn later(message: String) -> Self {
        Self { message, retry: Retry::After(PAUSE_MIN) }
    }

    fn never(message: String) -> Self {
        Self { message, retry: Retry::Never }
    }
}

/// The request with its address and what proves us.
fn outgoing(base: &str, request: notify::Request, secret: &str) -> Result<wire::Outgoing, Problem> {
    let mut outgoing = wire::Outgoing::post(format!("{base}{}", request.path), request.body);
    for (name, value) in request.headers {
        let unusable = || Problem::never(format!("the header `{name}` cannot be sent"));
        let value = HeaderValue::from_str(&value).map_err(|_| unusable())?;
        outgoing.headers.push((HeaderName::from_static(name), value));
    }
    if let Some((header, before)) = request.credential {
        let host = base.split_once("://").map_or(base, |(_, rest)| rest);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        let value = format!("{before}{secret}");
        let header = HeaderName::from_static(header);
        outgoing.credential = Some(wire::Credential::new(host, header, value));
    }
    Ok(outgoing)
}

#[cfg(test)]
mod tests;
