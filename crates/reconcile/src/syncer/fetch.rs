//! The actions on the source: ask it for news, and bring a revision here with its tree.

use super::deliver::with_hint;
use super::{Loaded, Syncer};
use crate::numbers::Phase;
use delivery::LoadOptions;
use gitops::decide::{Awaited, Failure};
use gitops::spec::{Valid, reason};
use model::{Explain, Retry, chain};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

impl Syncer {
    /// Asks the source which commit the reference names.
    pub(super) async fn poll(&mut self, valid: &Valid) {
        let began = Instant::now();
        let shared = self.shared.clone();
        let cache = &shared.options.cache;
        let found = match self.keys.fetch(shared.home.as_ref(), valid, cache).await {
            Ok(fetch) => {
                let connections = shared.connections.clone();
                on_a_thread(&shared.stop, move |cancel| connections.poll(&fetch, cancel)).await
            }
            Err(error) => return self.asked(began, Err(told(&error))),
        };
        let found = match found {
            Ok(Ok(head)) => Ok((head.commit, Some(head.reference))),
            Ok(Err(error)) => Err(told(&error)),
            Err(message) => Err((message, None)),
        };
        self.asked(began, found);
    }

    /// A look at the source ended: with the commit and where it was found, or with a failure.
    pub(super) fn asked(&mut self, began: Instant, found: Result<(String, Option<String>), Told>) {
        self.source.asked = Some(Instant::now());
        self.source.generation = self.sync.metadata.generation;
        // Pushes that came while this look was under way may be newer than what it found.
        let answered = self.push.take_if(|(at, _)| *at <= began);
        if answered.is_some() {
            self.source.pushed = self.source.asked;
        }
        let named = answered.and_then(|(_, revision)| revision);
        let before = self.source.awaited.take();
        match found {
            Ok((commit, reference)) => {
                self.source.news = self.source.head.as_deref() != Some(&commit);
                let result = if self.source.news { "changed" } else { "unchanged" };
                self.shared.numbers.git(result);
                if self.source.news {
                    self.heard.get_or_insert_with(|| self.shared.options.clock.now());
                }
                self.source.told |= self.source.news && before.is_some();
                let (news, waited) = (self.source.news, before.is_some());
                self.source.awaited = Awaited::after_look(before, named.as_deref(), &commit, news);
                if waited && !news && self.source.awaited.is_none() {
                    // It never came: what is found later was not heard of by that push.
                    self.heard = None;
                }
                self.source.head = Some(commit);
                self.source.failure = None;
                if reference.is_some() {
                    self.status.fetched_ref = reference;
                }
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

    /// Brings the wanted revision here, with its tree.
    pub(super) async fn fetch(&mut self, valid: &Valid) {
        let began = Instant::now();
        let pushed = self.push.is_some() || std::mem::take(&mut self.source.told);
        if matches!(valid.reference(), gitops::spec::Reference::Semver(_)) {
            // Only a poll tells which tag it was.
            self.poll(valid).await;
        }
        match Box::pin(self.fetched(valid)).await {
            Ok(loaded) => {
                let commit = loaded.as_ref().map(|loaded| loaded.commit.id.clone());
                let commit = commit.or_else(|| Some(self.loaded.as_ref()?.commit.id.clone()));
                let reference = match valid.reference() {
                    gitops::spec::Reference::Branch(name) => Some(format!("refs/heads/{name}")),
                    gitops::spec::Reference::Tag(name) => Some(format!("refs/tags/{name}")),
                    _ => None,
                };
                self.asked(began, Ok((commit.clone().unwrap_or_default(), reference)));
                // What this look found is here with it.
                self.source.told = false;
                self.status.fetched_revision = commit;
                let heard = match self.source.awaited {
                    None => self.heard.take(),
                    Some(_) => None,
                };
                if let Some(mut loaded) = loaded {
                    loaded.detected = heard.unwrap_or(loaded.detected);
                    loaded.pushed = pushed;
                    self.shared.numbers.took(Phase::Fetch, loaded.took);
                    self.loaded = Some(loaded);
                }
            }
            Err(failure) => self.asked(began, Err(failure)),
        }
    }

    /// The wanted revision; `None` when it is at hand already.
    async fn fetched(&mut self, valid: &Valid) -> Result<Option<Loaded>, Told> {
        let shared = self.shared.clone();
        let cache = shared.options.cache.clone();
        let fetch = self.keys.fetch(shared.home.as_ref(), valid, &cache).await;
        let mut fetch = fetch.map_err(|error| told(&error))?;
        // A push mostly tells of what the reference names now.
        fetch.expected = self.push.as_ref().and_then(|(_, revision)| revision.clone());
        let known = self.loaded.as_ref().map(|loaded| loaded.commit.id.clone());
        self.brought(valid, fetch, known).await
    }

    /// What a fetch brings, with its tree; `None` when it is the commit that is known.
    pub(super) async fn brought(
        &self,
        valid: &Valid,
        fetch: repo::Fetch,
        known: Option<String>,
    ) -> Result<Option<Loaded>, Told> {
        let shared = self.shared.clone();
        let cache = shared.options.cache.clone();
        let detected = shared.options.clock.now();
        let began = Instant::now();
        let (mut spec, path) = (fetch.clone(), fetch.path.clone());
        spec.expected = None;
        let connections = shared.connections.clone();
        let files = on_a_thread(&shared.stop, move |cancel| {
            connections.fetch(&fetch, &cache, cancel, &|step| tracing::debug!(?step, "fetching"))
        })
        .await;
        let files = files.map_err(|error| (error, None))?.map_err(|error| told(&error))?;
        let Some(commit) = files.commit().cloned() else {
            return Err(("the source has no commit".to_owned(), None));
        };
        if known.as_ref() == Some(&commit.id) {
            return Ok(None);
        }
        let tags = files.tags().to_vec();
        let files = Arc::new(files);
        let found = self.identities(valid).await.map_err(|error| told(&error))?;
        let load = LoadOptions {
            cache: Some(shared.trees.clone()),
            render: Self::rendering(valid),
            keys: found.keys,
        };
        let read = match found.problem {
            Some(problem) => Ok(Err(problem)),
            None => delivery::read(files, &path, &load, &shared.stop).await.map(Ok),
        };
        let tree = match read {
            Ok(tree) => tree.map(Arc::new),
            // The source as such failed; everything else is the revision's own fault.
            Err(
                error @ (delivery::DeliveryError::Source(_) | delivery::DeliveryError::Stopped),
            ) => {
                return Err(told(&error));
            }
            Err(error) => Err(with_hint(chain(&error), &error)),
        };
        let (keys, took) = (found.digest, began.elapsed());
        let pushed = false;
        Ok(Some(Loaded { commit, tags, fetch: spec, tree, keys, detected, took, pushed }))
    }

    /// Whether the tree at hand was read with other keys than there are now.
    pub(super) async fn has_other_keys(&self, valid: &Valid) -> bool {
        let Some(loaded) = &self.loaded else { return false };
        match self.identities(valid).await {
            Ok(found) => found.digest != loaded.keys,
            Err(error) => {
                tracing::warn!(sync = %self.key, error = chain(&error), "keys were not read");
                false
            }
        }
    }
}

/// A sentence, and the pause that the other side asked for.
pub(super) type Told = (String, Option<Duration>);

pub(super) fn told(error: &dyn Explain) -> Told {
    let after = match error.retry() {
        Retry::After(pause) => Some(pause),
        _ => None,
    };
    (with_hint(chain(error), error), after)
}

/// Blocking work that a stop ends soon.
pub(crate) async fn on_a_thread<T: Send + 'static>(
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
