//! A push that is told too early: the forge has told us of a commit, and the server that we ask
//! does not show it yet. It is looked for again, a bounded number of times.

use std::time::Duration;

/// The pauses before the looks for a commit that a push named and that the reference does not name
/// yet; after the last one the interval is good enough.
pub const AWAIT_PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A commit that a push named and that the source does not show yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Awaited {
    /// The commit.
    pub revision: String,
    /// The looks that did not find it, from 1.
    pub looks: usize,
}

impl Awaited {
    /// What is awaited after a look that succeeded. `named` is the commit of the pushes that it
    /// answers, when they name one; `head` is what it found, and `news` whether that is another
    /// commit than the look before found.
    #[must_use]
    pub fn after_look(
        before: Option<Self>,
        named: Option<&str>,
        head: &str,
        news: bool,
    ) -> Option<Self> {
        let before = before.filter(|before| named.is_none_or(|named| named == before.revision));
        let looked = match (before, named) {
            (Some(before), _) => Self { looks: before.looks.saturating_add(1), ..before },
            (None, Some(named)) => Self { revision: named.to_owned(), looks: 1 },
            (None, None) => return None,
        };
        let goes_on = !news && looked.revision != head && looked.looks <= AWAIT_PAUSES.len();
        goes_on.then_some(looked)
    }

    /// The pause before the next look.
    pub(super) fn pause(&self) -> Duration {
        let [.., last] = AWAIT_PAUSES;
        AWAIT_PAUSES.get(self.looks.saturating_sub(1)).copied().unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_awaited_until_it_or_another_one_comes_or_the_looks_are_used_up() {
        let mut awaited = Awaited::after_look(None, Some("x"), "old", false);
        for looks in 1..=AWAIT_PAUSES.len() {
            let known = awaited.clone().unwrap();
            assert_eq!((known.looks, known.pause()), (looks, AWAIT_PAUSES[looks - 1]));
            assert_eq!(Awaited::after_look(awaited.clone(), None, "x", true), None);
            assert_eq!(Awaited::after_look(awaited.clone(), None, "another", true), None);
            let fresh = Awaited::after_look(awaited.clone(), Some("y"), "old", false);
            assert_eq!(fresh, Some(Awaited { revision: "y".into(), looks: 1 }));
            // That the same commit is told once more does not begin anew.
            awaited = Awaited::after_look(awaited, Some("x"), "old", false);
        }
        assert_eq!(awaited, None);
        assert_eq!(Awaited::after_look(None, None, "old", false), None);
        assert_eq!(Awaited::after_look(None, Some("x"), "x", false), None);
    }
}
