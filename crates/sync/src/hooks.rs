//! Which hooks have run for which tree, and how a hook without a name is called.
//!
//! A hook runs once for each content of the tree: the inventory keeps one digest for it, made of
//! the tree and of the phases in which it has run for it. A tree that did not change finds every
//! digest as it is and runs nothing, whatever others did to the cluster meanwhile; a delivery that
//! failed half way finds which hooks have run already.

use crate::digest::{Digest, Hasher};
use crate::directives::Phase;
use std::collections::BTreeSet;

/// The longest name of a Job, which is a label value too, in characters.
const NAME_CHARS_MAX: usize = 63;
/// Hexadecimal digits of the tree's digest in a made name.
const TREE_CHARS: usize = 7;

/// The digest of a tree's content, from the digests of its documents in any order.
#[must_use]
pub fn tree_digest(mut documents: Vec<Digest>) -> Digest {
    documents.sort_unstable();
    let mut hasher = Hasher::default();
    for digest in documents {
        hasher.bytes(digest.to_string().as_bytes());
    }
    hasher.finish()
}

/// What is recorded of a hook that has run in these phases for this tree.
#[must_use]
pub fn mark(tree: Digest, ran: &BTreeSet<Phase>) -> Digest {
    let mut hasher = Hasher::default();
    hasher.bytes(tree.to_string().as_bytes());
    for phase in ran {
        hasher.bytes(phase.slug().as_bytes());
    }
    hasher.finish()
}

/// In which phases a hook has run for this tree, by what is recorded of it.
#[must_use]
pub fn ran(tree: Digest, recorded: Option<Digest>) -> BTreeSet<Phase> {
    let Some(recorded) = recorded else { return BTreeSet::new() };
    let subsets = (1_u8..1 << Phase::ALL.len()).map(|bits| {
        let chosen = Phase::ALL.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, phase)| *phase).collect::<BTreeSet<_>>()
    });
    subsets.into_iter().find(|subset| mark(tree, subset) == recorded).unwrap_or_default()
}

/// The name of a hook that has only a `generateName`: the same for the same tree, so that a run
/// that is repeated finds it, and another one for another tree. `number` counts hooks of one
/// prefix and phase from 0.
#[must_use]
pub fn generated_name(prefix: &str, tree: Digest, phase: Phase, number: usize) -> String {
    let tree: String = tree.to_string().chars().take(TREE_CHARS).collect();
    let end = format!("{tree}-{}-{number}", phase.slug());
    let room = NAME_CHARS_MAX.saturating_sub(end.len());
    let prefix: String = prefix.chars().take(room).collect();
    format!("{prefix}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(text: &str) -> Digest {
        Digest::of(&json!(text))
    }

    #[test]
    fn gitops_11_what_has_run_is_told_apart_by_tree_and_phase() {
        let phases = BTreeSet::from([Phase::PreSync, Phase::SyncFail]);
        let recorded = Some(mark(tree("a"), &phases));
        assert_eq!(ran(tree("a"), recorded), phases);
        assert_eq!(ran(tree("b"), recorded), BTreeSet::new());
        assert_eq!(ran(tree("a"), None), BTreeSet::new());
        for phase in Phase::ALL {
            let one = BTreeSet::from([phase]);
            assert_eq!(ran(tree("a"), Some(mark(tree("a"), &one))), one);
        }
    }

    #[test]
    fn gitops_11_made_names_are_the_same_for_the_same_tree_and_no_longer_than_allowed() {
        let name = |prefix: &str, text: &str| generated_name(prefix, tree(text), Phase::PreSync, 0);
        assert_eq!(name("migrate-", "a"), name("migrate-", "a"));
        assert_ne!(name("migrate-", "a"), name("migrate-", "b"));
        assert!(name("migrate-", "a").ends_with("-presync-0"));
        assert_eq!(name(&"x".repeat(300), "a").len(), NAME_CHARS_MAX);
    }

    #[test]
    fn the_order_of_documents_makes_no_other_tree() {
        let (a, b) = (tree("a"), tree("b"));
        assert_eq!(tree_digest(vec![a, b]), tree_digest(vec![b, a]));
        assert_ne!(tree_digest(vec![a]), tree_digest(vec![a, b]));
    }
}
