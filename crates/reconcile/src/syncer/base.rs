//! The last good tree: what drift is measured against and healed to while the newest revision is
//! refused or the source gives none.
//!
//! A process that applied it has it; one that was started again gets it by its commit, under the
//! same spec only: with another one it would be a tree that never was applied. Its signature is
//! judged again, because a status is no proof.

use super::fetch::told;
use super::{Loaded, Syncer};
use gitops::spec::{Operation, Outcome, Valid};
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries to get the last good revision.
const RECALL_PAUSE: Duration = Duration::from_secs(60);

impl Syncer {
    /// The revision that the live objects are of, if its tree is at hand.
    pub(super) fn base(&self) -> Option<&Loaded> {
        let attempt = &self.attempt.as_ref()?.attempt;
        let current = self.loaded.as_ref().filter(|loaded| loaded.commit.id == attempt.revision);
        match attempt.outcome {
            Outcome::Succeeded if current.is_some() => current,
            Outcome::Succeeded if self.loaded.is_some() => None,
            Outcome::Succeeded | Outcome::Refused => self
                .good
                .as_ref()
                .filter(|good| self.status.applied_revision.as_ref() == Some(&good.commit.id)),
            _ => None,
        }
    }

    /// Whether nothing but the last good tree can tell drift now.
    fn needs_recall(&self) -> bool {
        let Some(state) = &self.attempt else { return false };
        let same = self.status.applied_generation.is_some()
            && self.status.applied_generation == self.sync.metadata.generation;
        let refused = state.attempt.outcome == Outcome::Refused;
        let cut_off = state.attempt.outcome == Outcome::Succeeded
            && self.loaded.is_none()
            && self.source.failure.is_some();
        let paused = self.recalled.is_some_and(|at| at.elapsed() < RECALL_PAUSE);
        same && (refused || cut_off) && self.base().is_none() && !paused
    }

    /// Gets the last good revision, once in a while.
    pub(super) async fn recall(&mut self, valid: &Valid) {
        if !self.needs_recall() {
            return;
        }
        self.recalled = Some(Instant::now());
        let Some(applied) = self.status.applied_revision.clone() else { return };
        match Box::pin(self.recalled(valid, &applied)).await {
            Ok(good) => {
                tracing::info!(sync = %self.key, revision = applied, "healing goes on");
                self.good = Some(good);
                self.looking = false;
            }
            Err(error) => {
                tracing::warn!(sync = %self.key, revision = applied, error, "cannot be healed to");
            }
        }
    }

    async fn recalled(&mut self, valid: &Valid, commit: &str) -> Result<Loaded, String> {
        let shared = self.shared.clone();
        let _place = shared.places.take(&self.key.namespace).await;
        let cache = shared.options.cache.clone();
        let fetch = self.keys.fetch(shared.home.as_ref(), valid, &cache).await;
        let mut fetch = fetch.map_err(|error| told(&error).0)?;
        fetch.reference = repo::Reference::Commit(commit.to_owned());
        let loaded = self.brought(valid, fetch, None).await.map_err(|(error, _)| error)?;
        let loaded = loaded.ok_or("the source has no such commit")?;
        if let Some(refusal) = self.verify(valid, &loaded, &mut Operation::default()).await {
            return Err(refusal);
        }
        match &loaded.tree {
            Ok(tree) if tree.problems().is_empty() => Ok(loaded),
            Ok(_) => Err("its tree has problems".to_owned()),
            Err(error) => Err(error.clone()),
        }
    }
}
