//! The decision about one object: pure, so that the plan and the execution cannot disagree.

use crate::digest::Digest;
use crate::directives::{self, PruneRule};
use crate::guard::PruneGuards;
use crate::inventory::Entry;
use crate::name::{DELIVERY_LABEL, DeliveryName, PRUNE_ANNOTATION};
use objects::{Object, ObjectRef, Uid, Version};

/// What the engine needs to know of a live object; the rest of it is dropped at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: Version,
    /// The delivery that its label names.
    pub delivery: Option<String>,
    /// Whether deletion has begun.
    pub terminating: bool,
    /// What its annotations say about its pruning.
    pub prune: PruneRule,
    /// Whether it is pruned after everything else has ended well.
    pub prune_last: bool,
    /// Its wave: it is pruned in the reverse order.
    pub wave: i32,
    /// What keeps it from going away, when deletion has begun.
    pub finalizers: Vec<String>,
}

impl Live {
    /// Reads the facts from a live object.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let finalizers = object.at(&["metadata", "finalizers"]).and_then(|list| list.as_array());
        Self {
            uid: Uid::of(object),
            resource_version: Version::of(object),
            delivery: object.label(DELIVERY_LABEL).map(str::to_owned),
            terminating: object.is_terminating(),
            prune: PruneRule::of(object),
            prune_last: directives::prunes_last(object),
            wave: directives::wave_of(object),
            finalizers: finalizers
                .into_iter()
                .flatten()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
        }
    }
}

/// Whether a run looks or acts. Looking asks the server for every field; acting asks only when
/// that saves a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For `plan` and `diff`.
    Look,
    /// For `apply`.
    Act,
}

/// What to do next about a desired object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: proven equal.
    Unchanged,
    /// Ask the server with a dry run; write only if that shows a difference.
    DryRun,
    /// Write: Git changed it, so a difference is certain.
    Write,
    /// It is absent: make it.
    Create,
    /// It is being deleted: wait for that.
    Hold,
}

/// The next step for a desired object.
///
/// `proven` is the verdict from managedFields ([`objects::proof`]); `recorded` the inventory's
/// line; `take_over` whether a client's field ownership has to be rewritten first.
#[must_use]
pub fn step(
    mode: Mode,
    desired: Digest,
    recorded: Option<&Entry>,
    live: Option<&Live>,
    proven: bool,
    take_over: bool,
) -> Step {
    let Some(live) = live else { return Step::Create };
    if live.terminating {
        return Step::Hold;
    }
    if proven {
        return Step::Unchanged;
    }
    let known = recorded
        .filter(|entry| entry.uid.as_ref() == Some(&live.uid))
        .and_then(|entry| entry.digest);
    let certain = take_over || known != Some(desired);
    if mode == Mode::Act && certain { Step::Write } else { Step::DryRun }
}

/// What happens to an object that left the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    /// It may be deleted, with this uid as precondition.
    Prune,
    /// It is what a hook left behind and may be deleted as well; no limit is about it.
    CleanUp,
    /// It is being deleted already; the finalizers that hold it are named.
    Going(Vec<String>),
    /// Another delivery has it now.
    HandOver(String),
    /// It stays and stays recorded, for this reason.
    Keep(String),
    /// It is gone, or another object has its name: only the record goes, for this reason.
    Forget(String),
}

/// Decides about an object that is recorded and no longer desired. `claimed` is the delivery that
/// has it in its own tree or record now, as far as that is known.
#[must_use]
pub fn candidate(
    name: &DeliveryName,
    id: &ObjectRef,
    entry: &Entry,
    live: Option<&Live>,
    claimed: Option<&str>,
    prune: bool,
    guards: &PruneGuards,
) -> Candidate {
    let Some(live) = live else { return Candidate::Forget("it is gone".to_owned()) };
    match (&entry.uid, &live.delivery) {
        (Some(uid), _) if *uid != live.uid => {
            return Candidate::Forget("another object has its name now".to_owned());
        }
        (_, Some(other)) if other != name.as_str() => return Candidate::HandOver(other.clone()),
        // Recorded before it was made, and the run was cut, or it was never ours to change: only
        // the label tells ours from one that was there before.
        (uid, None) if uid.is_none() || entry.digest.is_none() => {
            return Candidate::Forget("this delivery never applied it".to_owned());
        }
        _ => {}
    }
    if live.terminating {
        return Candidate::Going(live.finalizers.clone());
    }
    if let Some(claimed) = claimed {
        return Candidate::HandOver(claimed.to_owned());
    }
    if !prune && !entry.hook {
        return Candidate::Keep("left alone: prune is off".to_owned());
    }
    let kind = id.group_kind();
    match live.prune {
        PruneRule::Disabled => {
            Candidate::Keep(format!("left alone: it has {PRUNE_ANNOTATION}: disabled"))
        }
        PruneRule::Confirm => Candidate::Keep(format!(
            "left alone: it asks for a confirmation, the annotation {PRUNE_ANNOTATION}=confirmed"
        )),
        PruneRule::Allowed if guards.holds_back(&kind) => Candidate::Keep(format!(
            "left alone: a {kind} is pruned only when named, \
             or confirmed with the annotation {PRUNE_ANNOTATION}=confirmed"
        )),
        PruneRule::Allowed | PruneRule::Confirmed if entry.hook => Candidate::CleanUp,
        PruneRule::Allowed | PruneRule::Confirmed => Candidate::Prune,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::GroupKind;
    use serde_json::json;

    fn live() -> Live {
        Live { uid: "u1".into(), delivery: Some("shop".into()), ..Live::default() }
    }

    fn entry(uid: &str) -> Entry {
        Entry {
            uid: (!uid.is_empty()).then(|| uid.into()),
            digest: Some(digest("a")),
            ..Entry::default()
        }
    }

    fn digest(text: &str) -> Digest {
        Digest::of(&json!(text))
    }

    fn decide(entry: &Entry, live: Option<&Live>, prune: bool) -> Candidate {
        let id = ObjectRef::new(GroupKind::new("", "ConfigMap"), "a", "b");
        let name = "shop".parse().unwrap();
        candidate(&name, &id, entry, live, None, prune, &PruneGuards::default())
    }

    #[test]
    fn gitops_1_a_proven_object_needs_nothing_in_either_mode() {
        for mode in [Mode::Look, Mode::Act] {
            let next = step(mode, digest("b"), None, Some(&live()), true, false);
            assert_eq!(next, Step::Unchanged);
        }
    }

    #[test]
    fn gitops_5_an_unproven_object_that_git_did_not_change_is_asked_for_before_it_is_written() {
        let act = |desired, entry: &Entry, take_over| {
            step(Mode::Act, digest(desired), Some(entry), Some(&live()), false, take_over)
        };
        assert_eq!(act("a", &entry("u1"), false), Step::DryRun);
        assert_eq!(act("b", &entry("u1"), false), Step::Write);
        assert_eq!(act("a", &entry("other"), false), Step::Write, "made again by someone");
        assert_eq!(act("a", &entry("u1"), true), Step::Write);
        let look = step(Mode::Look, digest("b"), None, Some(&live()), false, true);
        assert_eq!(look, Step::DryRun, "a plan never writes");
    }

    #[test]
    fn an_object_that_is_going_away_is_waited_for() {
        let going = Live { terminating: true, ..live() };
        assert_eq!(step(Mode::Act, digest("a"), None, Some(&going), true, false), Step::Hold);
        assert_eq!(step(Mode::Act, digest("a"), None, None, false, false), Step::Create);
    }

    #[test]
    fn gitops_8_only_an_object_that_this_delivery_made_is_pruned() {
        assert_eq!(decide(&entry("u1"), Some(&live()), true), Candidate::Prune);
        assert!(matches!(decide(&entry("u1"), None, true), Candidate::Forget(_)));
        assert!(matches!(decide(&entry("u2"), Some(&live()), true), Candidate::Forget(_)));
        let unlabelled = Live { delivery: None, ..live() };
        assert_eq!(decide(&entry("u1"), Some(&unlabelled), true), Candidate::Prune);
        assert!(matches!(decide(&entry(""), Some(&unlabelled), true), Candidate::Forget(_)));
        assert_eq!(decide(&entry(""), Some(&live()), true), Candidate::Prune);
    }

    #[test]
    fn gitops_8_a_moved_object_is_handed_over_and_a_protected_one_is_kept() {
        let moved = Live { delivery: Some("other".into()), ..live() };
        assert_eq!(
            decide(&entry("u1"), Some(&moved), true),
            Candidate::HandOver("other".to_owned())
        );
        let protected = Live { prune: PruneRule::Disabled, ..live() };
        assert!(matches!(decide(&entry("u1"), Some(&protected), true), Candidate::Keep(_)));
        assert!(matches!(decide(&entry("u1"), Some(&live()), false), Candidate::Keep(_)));
        let going = Live { terminating: true, finalizers: vec!["example.com/x".into()], ..live() };
        assert_eq!(
            decide(&entry("u1"), Some(&going), true),
            Candidate::Going(vec!["example.com/x".to_owned()])
        );
    }

    #[test]
    fn gitops_8_an_object_that_was_never_applied_is_forgotten_and_a_claimed_one_handed_over() {
        let refused = Entry { uid: Some("u1".into()), ..Entry::default() };
        let foreign = Live { delivery: None, ..live() };
        assert!(matches!(decide(&refused, Some(&foreign), true), Candidate::Forget(_)));
        assert_eq!(decide(&refused, Some(&live()), true), Candidate::Prune, "the run was cut");
        let id = ObjectRef::new(GroupKind::new("", "ConfigMap"), "a", "b");
        let name = "shop".parse().unwrap();
        let guards = PruneGuards::default();
        for prune in [true, false] {
            let fate =
                candidate(&name, &id, &entry("u1"), Some(&live()), Some("b"), prune, &guards);
            assert_eq!(fate, Candidate::HandOver("b".to_owned()));
        }
    }

    #[test]
    fn gitops_8_a_guarded_kind_and_an_object_that_asks_for_it_go_when_confirmed() {
        let fate = |kind: &str, rule| {
            let id = ObjectRef::new(GroupKind::new("", kind), "", "b");
            let live = Live { prune: rule, ..live() };
            let (name, guards) = ("shop".parse().unwrap(), PruneGuards::default());
            candidate(&name, &id, &entry("u1"), Some(&live), None, true, &guards)
        };
        assert!(matches!(fate("ConfigMap", PruneRule::Confirm), Candidate::Keep(_)));
        assert_eq!(fate("ConfigMap", PruneRule::Confirmed), Candidate::Prune);
        assert!(matches!(fate("Namespace", PruneRule::Allowed), Candidate::Keep(_)));
        assert_eq!(fate("Namespace", PruneRule::Confirmed), Candidate::Prune);
    }

    #[test]
    fn gitops_11_what_a_hook_left_behind_is_cleaned_up_without_prune() {
        let hook = Entry { hook: true, ..entry("u1") };
        assert_eq!(decide(&hook, Some(&live()), false), Candidate::CleanUp);
        let moved = Live { delivery: Some("other".into()), ..live() };
        assert!(matches!(decide(&hook, Some(&moved), false), Candidate::HandOver(_)));
    }

    #[test]
    fn the_facts_of_a_live_object_are_read_from_its_metadata() {
        let object = Object::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "7",
                "labels": {DELIVERY_LABEL: "shop"}, "annotations": {PRUNE_ANNOTATION: "disabled"},
                "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
        }))
        .unwrap();
        let expected = Live {
            uid: "u".into(),
            resource_version: "7".into(),
            delivery: Some("shop".into()),
            terminating: true,
            prune: PruneRule::Disabled,
            prune_last: false,
            wave: 0,
            finalizers: vec!["x/y".into()],
        };
        assert_eq!(Live::of(&object), expected);
    }
}
