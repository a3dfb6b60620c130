//! Who may work at once: a bounded number of GitSyncs, and not all of one namespace.
//!
//! A source that answers a byte at a time holds a place for as long as a fetch may take. Without a
//! share the sources of one team could so keep the work of all others waiting, healing included.
//! A namespace at work therefore leaves a quarter of the places to those that have none.
//!
//! Input: a namespace. Output: a [`Place`], given back when it is dropped. Waiting ends as soon as
//! a place is free that the namespace may have; it is never refused.

use crate::engine::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The places; clones share them.
#[derive(Clone)]
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    given_back: Notify,
}

struct State {
    free: usize,
    /// So many are for namespaces that have none.
    kept: usize,
    /// Places of each namespace that has any.
    held: HashMap<String, usize>,
}

/// A place of a namespace.
pub(crate) struct Place {
    places: Places,
    namespace: String,
}

impl Places {
    /// So many places, at least one.
    pub(crate) fn new(count: usize) -> Self {
        let free = count.max(1);
        let state = Mutex::new(State { free, kept: free / 4, held: HashMap::new() });
        Self(Arc::new(Shared { state, given_back: Notify::new() }))
    }

    /// Waits for a place.
    pub(crate) async fn take(&self, namespace: &str) -> Place {
        loop {
            let given_back = self.0.given_back.notified();
            tokio::pin!(given_back);
            // From here on nothing is missed that is given back.
            given_back.as_mut().enable();
            if let Some(place) = self.take_now(namespace) {
                return place;
            }
            given_back.await;
        }
    }

    fn take_now(&self, namespace: &str) -> Option<Place> {
        let mut state = lock(&self.0.state);
        let kept = if state.held.contains_key(namespace) { state.kept } else { 0 };
        if state.free <= kept {
            return None;
        }
        state.free -= 1;
        *state.held.entry(namespace.to_owned()).or_default() += 1;
        Some(Place { places: self.clone(), namespace: namespace.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.places.0.state);
        state.free += 1;
        if let Some(held) = state.held.get_mut(&self.namespace) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.namespace);
            }
        }
        drop(state);
        self.places.0.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Poll;

    #[test]
    fn a_namespace_leaves_a_quarter_to_those_that_have_none() {
        let places = Places::new(8);
        let of_a: Vec<Place> = std::iter::from_fn(|| places.take_now("a")).collect();
        assert_eq!(of_a.len(), 6);
        let of_b = places.take_now("b").unwrap();
        assert!(places.take_now("b").is_none() && places.take_now("a").is_none());
        let of_c = places.take_now("c").unwrap();
        assert!(places.take_now("d").is_none(), "there are eight");
        drop(of_c);
        assert!(places.take_now("a").is_none());
        drop(of_b);
        assert!(places.take_now("a").is_none());
        drop(of_a);
        assert_eq!(lock(&places.0.state).free, 8);
        assert!(lock(&places.0.state).held.is_empty());
    }

    #[test]
    fn few_places_are_for_everybody() {
        for count in [0, 1, 3] {
            let places = Places::new(count);
            let all: Vec<Place> = std::iter::from_fn(|| places.take_now("a")).collect();
            assert_eq!(all.len(), count.max(1));
        }
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_a_place_is_given_back() {
        let places = Places::new(1);
        let first = places.take("a").await;
        let mut second = Box::pin(places.take("b"));
        let pending =
            std::future::poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending()));
        assert!(pending.await);
        drop(first);
        let _place = second.await;
        assert!(places.take_now("a").is_none());
    }

    proptest! {
        /// Whatever is taken and given back: never more places than there are, and a namespace
        /// without one gets one as long as any is free.
        #[test]
        fn places_are_never_more_and_nobody_is_without_one_for_another_s_sake(
            count in 1_usize..10,
            steps in proptest::collection::vec((0_u8..4, any::<bool>(), 0_usize..10), 0..60),
        ) {
            let places = Places::new(count);
            let mut held: Vec<(u8, Place)> = Vec::new();
            for (namespace, takes, which) in steps {
                if takes {
                    let has = held.iter().any(|(one, _)| *one == namespace);
                    let free = count - held.len();
                    let place = places.take_now(&namespace.to_string());
                    let due = free > if has { count / 4 } else { 0 };
                    prop_assert_eq!(place.is_some(), due);
                    held.extend(place.map(|place| (namespace, place)));
                } else if !held.is_empty() {
                    let _given_back = held.remove(which % held.len());
                }
                prop_assert!(held.len() <= count);
            }
        }
    }
}
