//! When pruning is refused as a whole, and which kinds go only by name.
//!
//! A wrong prune is the worst thing a delivery can do, so every sign that the tree is not whole
//! stops it: an empty tree, a document that could not be read, a fetch that was cut. What is
//! refused stays in the inventory and is offered again by the next run.

use crate::plan::{PlanOptions, Problem};
use objects::{GroupKind, ObjectRef};
use std::collections::BTreeSet;

/// How many objects one run may prune unless told otherwise.
pub const PRUNE_OBJECTS_MAX: usize = 100;
/// What share of the inventory one run may prune unless told otherwise, in percent.
pub const PRUNE_PERCENT_MAX: u8 = 50;
/// Inventories below this number of objects are too small for a share to mean anything.
pub const PRUNE_PERCENT_FROM_OBJECTS: usize = 10;
/// Deleting one of these deletes data or objects that no tree ever named.
pub const GUARDED_KINDS: [(&str, &str); 4] = [
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

/// The limits of pruning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneGuards {
    /// How many objects may go at most.
    pub objects_max: usize,
    /// What share of the inventory may go at most, in percent.
    pub percent_max: u8,
    /// Whether an empty tree may prune everything.
    pub allow_empty: bool,
    /// The guarded kinds that may be pruned all the same.
    pub kinds: BTreeSet<GroupKind>,
}

impl Default for PruneGuards {
    fn default() -> Self {
        Self {
            objects_max: PRUNE_OBJECTS_MAX,
            percent_max: PRUNE_PERCENT_MAX,
            allow_empty: false,
            kinds: BTreeSet::new(),
        }
    }
}

impl PruneGuards {
    /// Writes the limits into a plan's options.
    pub fn describe(&self, options: &mut PlanOptions) {
        options.prune_objects_max = self.objects_max;
        options.prune_percent_max = self.percent_max;
        options.prune_allow_empty = self.allow_empty;
        options.prune_kinds = self.kinds.iter().map(ToString::to_string).collect();
    }

    /// Whether this kind needs a word and has none.
    #[must_use]
    pub fn holds_back(&self, kind: &GroupKind) -> bool {
        let guarded =
            GUARDED_KINDS.iter().any(|(group, name)| kind.group == *group && kind.kind == *name);
        guarded && !self.kinds.contains(kind)
    }
}

/// How whole the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeFacts {
    /// Objects that were read.
    pub objects: usize,
    /// Documents that could not be read or resolved.
    pub broken: usize,
    /// Whether the fetch or the walk was cut short.
    pub partial: bool,
}

/// Why nothing may be pruned; empty when `candidates` out of `recorded` objects may go.
#[must_use]
pub fn refusals(
    guards: &PruneGuards,
    tree: TreeFacts,
    recorded: usize,
    candidates: &[ObjectRef],
) -> Vec<Problem> {
    let mut refusals = Vec::new();
    if candidates.is_empty() {
        return refusals;
    }
    let count = candidates.len();
    let mut refuse = |message: String, hint: &str| {
        refusals.push(Problem { origin: None, message, hint: Some(hint.to_owned()) });
    };
    if tree.objects == 0 && !guards.allow_empty {
        refuse(
            format!("nothing is pruned: the source holds no object, and {count} would go"),
            "check the path; if the tree is meant to be empty, allow it with --prune-empty",
        );
    }
    if tree.broken > 0 {
        refuse(
            format!(
                "nothing is pruned: {} of the source could not be read",
                documents(tree.broken)
            ),
            "mend the errors above first: what could not be read would look removed",
        );
    }
    if tree.partial {
        refuse(
            "nothing is pruned: the source was read only in part".to_owned(),
            "fetch again; what was not fetched would look removed",
        );
    }
    if count > guards.objects_max {
        refuse(
            format!(
                "nothing is pruned: {count} objects would go, the limit is {}",
                guards.objects_max
            ),
            "raise the limit with --prune-limit N if that is meant",
        );
    }
    // Above, not at, the share; without rounding.
    if recorded >= PRUNE_PERCENT_FROM_OBJECTS
        && count * 100 > recorded * usize::from(guards.percent_max)
    {
        refuse(
            format!(
                "nothing is pruned: {count} of {recorded} objects would go, the limit is {} %",
                guards.percent_max
            ),
            "raise the limit with --prune-limit N% if that is meant",
        );
    }
    refusals
}

fn documents(count: usize) -> String {
    match count {
        1 => "one document".to_owned(),
        _ => format!("{count} documents"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(count: usize) -> Vec<ObjectRef> {
        (0..count)
            .map(|n| ObjectRef::new(GroupKind::new("", "ConfigMap"), "a", n.to_string()))
            .collect()
    }

    fn whole(objects: usize) -> TreeFacts {
        TreeFacts { objects, ..TreeFacts::default() }
    }

    #[test]
    fn gitops_8_an_empty_source_prunes_nothing_unless_allowed() {
        let mut guards = PruneGuards::default();
        assert_eq!(refusals(&guards, whole(0), 3, &objects(3)).len(), 1);
        guards.allow_empty = true;
        assert_eq!(refusals(&guards, whole(0), 3, &objects(3)), []);
    }

    #[test]
    fn gitops_8_a_broken_document_or_a_partial_fetch_prunes_nothing() {
        let guards = PruneGuards::default();
        let broken = TreeFacts { broken: 1, ..whole(5) };
        let partial = TreeFacts { partial: true, ..whole(5) };
        assert_eq!(refusals(&guards, broken, 5, &objects(1)).len(), 1);
        assert_eq!(refusals(&guards, partial, 5, &objects(1)).len(), 1);
        assert_eq!(refusals(&guards, whole(5), 5, &objects(1)), []);
    }

    #[test]
    fn gitops_8_the_limits_hold_at_their_bounds() {
        let guards = PruneGuards { objects_max: 6, percent_max: 50, ..PruneGuards::default() };
        assert_eq!(refusals(&guards, whole(6), 12, &objects(6)), []);
        assert_eq!(refusals(&guards, whole(6), 14, &objects(7)).len(), 1, "one object too many");
        assert_eq!(refusals(&guards, whole(6), 11, &objects(6)).len(), 1, "more than half");
        let small = PRUNE_PERCENT_FROM_OBJECTS - 1;
        assert_eq!(refusals(&guards, whole(6), small, &objects(6)), [], "too few for a share");
    }

    #[test]
    fn gitops_8_guarded_kinds_go_only_by_name() {
        let mut guards = PruneGuards::default();
        let namespace = GroupKind::new("", "Namespace");
        assert!(guards.holds_back(&namespace));
        assert!(!guards.holds_back(&GroupKind::new("", "ConfigMap")));
        assert!(!guards.holds_back(&GroupKind::new("example.com", "Namespace")));
        guards.kinds.insert(namespace.clone());
        assert!(!guards.holds_back(&namespace));
    }
}
