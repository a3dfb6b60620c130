//! Deliveries that were taken already.

use crate::spec::WebhookProvider;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Deliveries that are remembered.
pub const DELIVERIES_MAX: usize = 4096;
/// For how long a delivery is remembered, as long as there is room.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Who sent it, and its id.
type Id = (WebhookProvider, Box<str>);

/// The ids of the deliveries that were taken: the newest [`DELIVERIES_MAX`] within
/// [`REPLAY_WINDOW`].
#[derive(Debug, Default)]
pub struct Deliveries {
    order: VecDeque<(Duration, Id)>,
    known: BTreeSet<Id>,
}

impl Deliveries {
    /// Remembers a delivery; false when it was taken before. Only authentic ones belong here,
    /// otherwise anybody could push real ones out. `now` is a duration since any fixed moment.
    pub fn take(&mut self, provider: WebhookProvider, delivery: &str, now: Duration) -> bool {
        let old = |then: Duration| now.saturating_sub(then) >= REPLAY_WINDOW;
        while let Some((_, id)) = self.order.pop_front_if(|(then, _)| old(*then)) {
            self.known.remove(&id);
        }
        let id = (provider, delivery.into());
        if !self.known.insert(id.clone()) {
            return false;
        }
        self.order.push_back((now, id));
        if self.order.len() > DELIVERIES_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_14_a_delivery_is_taken_once_within_the_window_and_the_bound() {
        let mut deliveries = Deliveries::default();
        let provider = WebhookProvider::GitHub;
        assert!(deliveries.take(provider, "1", Duration::ZERO));
        assert!(!deliveries.take(provider, "1", REPLAY_WINDOW - Duration::from_nanos(1)));
        assert!(deliveries.take(WebhookProvider::Gitea, "1", Duration::ZERO));
        assert!(deliveries.take(provider, "1", REPLAY_WINDOW));
        for n in 0..DELIVERIES_MAX + 10 {
            assert!(deliveries.take(provider, &format!("n{n}"), REPLAY_WINDOW));
        }
        assert_eq!((deliveries.len(), deliveries.known.len()), (DELIVERIES_MAX, DELIVERIES_MAX));
        assert!(!deliveries.take(provider, "n10", REPLAY_WINDOW));
        assert!(deliveries.take(provider, "n9", REPLAY_WINDOW));
    }
}
