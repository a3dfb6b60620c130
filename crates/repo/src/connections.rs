//! Connections that are kept open and shared: by fetches, and by the polls of an agent that asks a
//! hundred servers every few seconds.
//!
//! HTTP's are driven by the runtime they were made for, or by a thread of their own, which starts
//! with the first request and ends when the last [`Connections`] is dropped. At most
//! [`IDLE_PER_HOST_MAX`] connections to a host wait for their next use, for at most [`IDLE_TIME`].
//! What a server said of itself is remembered for [`GREETING_TIME`], so that a poll is one request.
//! Trusted certificates are read once and again after [`TRUST_TIME`], or as soon as the caller's
//! file is another one. Those of ssh are in [`session`] and need no thread.

mod client;
mod connector;
mod session;
mod trust;

pub(crate) use client::{Body, Client, Head, Pending, Whole};
pub(crate) use session::{Broken, Session, SessionKey};

use crate::error::Cause;
use crate::url::HttpUrl;
use crate::wire::Greeting;
use crate::{Fetch, RepoError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use trust::TrustKey;

/// Connections to one host that wait for their next use.
pub const IDLE_PER_HOST_MAX: usize = 4;

/// How long a connection waits for its next use.
pub const IDLE_TIME: Duration = Duration::from_secs(90);

/// How long it is believed what a server said of itself, and where it redirected to.
pub const GREETING_TIME: Duration = Duration::from_secs(600);

/// How long the system's certificates are used before they are read again.
pub const TRUST_TIME: Duration = Duration::from_secs(3600);

/// Repositories whose greeting is remembered; beyond it, all are forgotten and asked again.
pub const GREETINGS_MAX: usize = 4096;

/// Sets of trusted certificates in use at the same time; beyond it, the oldest is forgotten.
const CLIENTS_MAX: usize = 32;

/// Open connections and what is known of their servers. Clones share them.
#[derive(Clone, Default)]
pub struct Connections {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Who drives them, when that is not the thread.
    runtime: Option<Handle>,
    thread: Mutex<Option<Thread>>,
    clients: Mutex<Vec<Known<TrustKey, Client>>>,
    greetings: Mutex<HashMap<String, Known<HttpUrl, Greeting>>>,
    proxies: connector::Proxies,
    sessions: Mutex<Vec<session::Idle>>,
}

/// A thread that runs until this is dropped.
struct Thread {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

struct Known<K, V> {
    key: K,
    value: V,
    since: Instant,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// No connection yet; proxies as the environment says (`HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections that a runtime drives, which must run as long as they are used: nobody waits
    /// for another thread then when [`Self::glance`] is called there.
    #[must_use]
    pub fn on(runtime: Handle) -> Self {
        Self { shared: Arc::new(Shared { runtime: Some(runtime), ..Shared::default() }) }
    }

    /// The client for a server, with what `spec` trusts.
    pub(crate) fn client(&self, url: &HttpUrl, spec: &Fetch) -> Result<Client, RepoError> {
        let key = TrustKey::of(url, spec)?;
        let mut clients = lock(&self.shared.clients);
        clients.retain(|known| known.since.elapsed() < TRUST_TIME);
        if let Some(known) = clients.iter().find(|known| known.key == key) {
            return Ok(known.value.clone());
        }
        let handle = self.handle(&spec.url.to_string())?;
        let tls = trust::tls(spec, url.is_https())?;
        let connect_timeout = spec.limits.connect_timeout;
        let client = Client::new(handle, tls, self.shared.proxies.clone(), connect_timeout);
        // A file that changed leaves nothing behind that trusts its old content.
        clients.retain(|known| !known.key.same_file(&key));
        if clients.len() >= CLIENTS_MAX {
            clients.remove(0);
        }
        clients.push(Known { key, value: client.clone(), since: Instant::now() });
        Ok(client)
    }

    fn handle(&self, url: &str) -> Result<Handle, RepoError> {
        if let Some(runtime) = &self.shared.runtime {
            return Ok(runtime.clone());
        }
        let mut thread = lock(&self.shared.thread);
        if let Some(thread) = &*thread {
            return Ok(thread.handle.clone());
        }
        let failed =
            |e: std::io::Error| RepoError::Connect { url: url.to_owned(), source: Cause::of(&e) };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("git-http".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        *thread = Some(Thread { handle: handle.clone(), _stop: stop });
        Ok(handle)
    }

    /// What the server of this repository said, and where it is after redirects.
    pub(crate) fn greeting(&self, url: &str) -> Option<(HttpUrl, Greeting)> {
        let greetings = lock(&self.shared.greetings);
        let known = greetings.get(url).filter(|known| known.since.elapsed() < GREETING_TIME)?;
        Some((known.key.clone(), known.value.clone()))
    }

    pub(crate) fn remember(&self, url: &str, base: HttpUrl, greeting: Greeting) {
        let mut greetings = lock(&self.shared.greetings);
        if greetings.len() >= GREETINGS_MAX && !greetings.contains_key(url) {
            greetings.clear();
        }
        let known = Known { key: base, value: greeting, since: Instant::now() };
        greetings.insert(url.to_owned(), known);
    }

    pub(crate) fn forget(&self, url: &str) {
        lock(&self.shared.greetings).remove(url);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
