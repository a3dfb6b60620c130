//! Looks of the interval while nothing else is due. Each is one request, made without a thread that
//! waits, and together with those of other GitSyncs; one that finds what the last one found needs
//! no facts, no decision and no status after it. Everything else is for a whole turn: mail, the end
//! of the rest, a server that must be greeted anew, another commit, a failure.

use super::Syncer;
use super::fetch::told;
use crate::MATERIAL_SECONDS;
use gitops::decide::{Decision, Rest};
use gitops::spec::Valid;
use std::time::Duration;
use tokio::time::Instant;

/// A rest that a turn has found.
pub(super) struct Resting {
    valid: Valid,
    rest: Rest,
    /// The origin of common moments.
    born: Instant,
    /// When the next look is due.
    due: Instant,
    /// No look is made later without a turn.
    until: Instant,
}

impl Resting {
    /// The moment of the next look.
    fn at(&self) -> Instant {
        let due = self.due.saturating_duration_since(self.born);
        self.born + self.rest.moment(due)
    }
}

impl Syncer {
    /// Begins to rest, if that was decided; gives the pause until the next look or turn.
    pub(super) fn rest(&mut self, valid: Valid, decision: &Decision) -> Duration {
        let pause = decision.after.max(Duration::from_millis(1));
        let Some(rest) = decision.rest else { return pause };
        let now = Instant::now();
        // Secrets are read anew by turns.
        let lasts = match &valid.spec().webhook {
            Some(_) => rest.lasts.min(Duration::from_secs(MATERIAL_SECONDS)),
            None => rest.lasts,
        };
        let born = Instant::from_std(self.shared.born);
        let resting = Resting { valid, rest, born, due: now + pause, until: now + lasts };
        let at = resting.at();
        if at > resting.until {
            return pause;
        }
        self.resting = Some(resting);
        at.saturating_duration_since(now)
    }

    /// The look that is due in a rest; gives the pause until the next one, none when a turn is due.
    pub(super) async fn glance(&mut self) -> Option<Duration> {
        let mut resting = self.resting.take()?;
        if !self.shared.home.may_act() {
            return None;
        }
        let began = Instant::now();
        let shared = self.shared.clone();
        let _place = shared.places.take(&self.key.namespace).await;
        let (home, cache) = (shared.home.as_ref(), &shared.options.cache);
        let fetch = self.keys.fetch(home, &resting.valid, cache).await.ok()?;
        let found = match shared.connections.glance(&fetch).await {
            Ok(head) => head.map(|head| Ok((head.commit, Some(head.reference))))?,
            Err(error) => Err(told(&error)),
        };
        let reference = self.status.fetched_ref.clone();
        self.asked(began, found);
        let source = &self.source;
        if source.news || source.failure.is_some() || self.status.fetched_ref != reference {
            return None;
        }
        let ended = Instant::now();
        let since = |at: Instant| at.saturating_duration_since(resting.born);
        let due = resting.rest.after(since(resting.due), since(began), since(ended));
        resting.due = resting.born + due;
        let at = resting.at();
        self.resting = (at <= resting.until).then_some(resting);
        self.resting.as_ref().map(|_| at.saturating_duration_since(ended))
    }
}
