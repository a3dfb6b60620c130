//! Observed against desired: every object's action, in the order of execution.

use crate::desired::{Desired, DesiredSet};
use crate::look::Verdict;
use crate::observe::{Left, Observation, Seen};
use crate::options::DeliveryOptions;
use crate::source::Tree;
use objects::{GroupKind, ObjectRef, order};
use std::cmp::Ordering;
use sync::decide::{self, Candidate, Live};
use sync::guard::{self, TreeFacts};
use sync::inventory::Inventory;
use sync::schedule::{Item, ItemState, Schedule};
use sync::{Action, Operation, Problem, Summary};

/// An object that left the tree and is deleted or handed over.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    pub(crate) id: ObjectRef,
    pub(crate) live: Live,
}

/// What will be done.
pub(crate) struct Decided {
    /// By index of the desired object; `None` is unchanged.
    pub(crate) by_index: Vec<Option<Box<Operation>>>,
    /// Documents that could not be resolved, and objects that left the tree.
    pub(crate) others: Vec<Operation>,
    pub(crate) schedule: Schedule,
    /// To be deleted.
    pub(crate) prune: Vec<Leaving>,
    /// To be released to other deliveries.
    pub(crate) hand_over: Vec<Leaving>,
    /// To be taken off the record without touching anything.
    pub(crate) forget: Vec<ObjectRef>,
    pub(crate) refusals: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) unchanged: usize,
}

impl Decided {
    /// Every operation in the order of execution.
    pub(crate) fn operations(&self) -> Vec<&Operation> {
        let planned = self.by_index.iter().flatten().map(Box::as_ref);
        let mut operations: Vec<&Operation> = planned.chain(&self.others).collect();
        operations.sort_by(|left, right| in_execution(left, right));
        operations
    }

    /// As [`Self::operations`], without a copy: a plan of ten thousand is megabytes.
    pub(crate) fn take_operations(&mut self) -> Vec<Operation> {
        let planned = std::mem::take(&mut self.by_index).into_iter().flatten();
        let others = std::mem::take(&mut self.others);
        let mut operations: Vec<Operation> =
            planned.map(|operation| *operation).chain(others).collect();
        operations.sort_by(in_execution);
        operations
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary::of(self.operations(), self.unchanged)
    }
}

/// Decides about every desired and every recorded object.
pub(crate) fn decide(
    tree: &Tree,
    set: &DesiredSet,
    found: &Observation,
    recorded: &Inventory,
    options: &DeliveryOptions,
) -> Decided {
    let mut by_index: Vec<Option<Box<Operation>>> = set
        .objects
        .iter()
        .enumerate()
        .map(|(index, desired)| operation(index, desired, set, found, recorded).map(Box::new))
        .collect();
    let items: Vec<Item> = set
        .objects
        .iter()
        .zip(&by_index)
        .map(|(desired, operation)| item(desired, operation.as_deref()))
        .chain(set.invalid.iter().map(broken))
        .collect();
    let mut schedule = Schedule::for_apply(&items);
    for held in schedule.take_held() {
        let Some(cause) = items.get(held.because_of).map(|item| &item.id) else { continue };
        if let Some(operation) = by_index.get_mut(held.index).and_then(Option::as_mut) {
            operation.action = Action::Hold;
            operation.changes.clear();
            operation.reason = Some(format!("waits for {cause}, which cannot be applied"));
        }
    }
    let mut decided = Decided {
        unchanged: by_index.iter().filter(|operation| operation.is_none()).count(),
        by_index,
        others: set.invalid.clone(),
        schedule,
        prune: Vec::new(),
        hand_over: Vec::new(),
        forget: Vec::new(),
        refusals: Vec::new(),
        warnings: tree.warnings.clone(),
    };
    let facts = TreeFacts {
        objects: set.named.len(),
        broken: tree.problems.len() + set.invalid.len(),
        partial: tree.partial,
    };
    decided.leave(found, recorded, options, facts);
    decided
}

/// What the tree names comes first, lower ranks before higher ones; then what left the tree, the
/// other way round.
fn in_execution(one: &Operation, other: &Operation) -> Ordering {
    let left = |operation: &Operation| operation.origin.is_none();
    let rank = |operation: &Operation| order::install_rank(&operation.object.group_kind());
    let ranks = rank(one).cmp(&rank(other));
    left(one)
        .cmp(&left(other))
        .then(if left(one) { ranks.reverse() } else { ranks })
        .then_with(|| one.object.cmp(&other.object))
}

fn item(desired: &Desired, operation: Option<&Operation>) -> Item {
    let state = match operation.map(|operation| operation.action) {
        None => ItemState::Satisfied,
        Some(Action::Create | Action::Update | Action::Takeover) => ItemState::Work,
        Some(_) => ItemState::Broken,
    };
    Item {
        id: desired.id.clone(),
        rank: desired.rank,
        defines: desired.defines.clone(),
        needs: desired.needs.clone(),
        state,
    }
}

fn broken(operation: &Operation) -> Item {
    Item {
        rank: order::install_rank(&operation.object.group_kind()),
        id: operation.object.clone(),
        defines: None,
        needs: Vec::new(),
        state: ItemState::Broken,
    }
}

fn operation(
    index: usize,
    desired: &Desired,
    set: &DesiredSet,
    found: &Observation,
    recorded: &Inventory,
) -> Option<Operation> {
    match found.seen.get(index).and_then(Option::as_ref) {
        None => Some(create(index, desired, set, found, recorded)),
        Some(seen) => change(desired, seen),
    }
}

fn create(
    index: usize,
    desired: &Desired,
    set: &DesiredSet,
    found: &Observation,
    recorded: &Inventory,
) -> Operation {
    let mut operation = desired.operation(Action::Create);
    let namespace = &desired.id.namespace;
    let home = ObjectRef::new(GroupKind::new("", "Namespace"), "", namespace.as_str());
    if found.absent_namespaces.contains(namespace) && !set.named.contains(&home) {
        operation.action = Action::Invalid;
        operation.reason = Some(format!("the namespace {namespace} does not exist"));
        operation.hint = Some("add a Namespace to the tree, or make it first".to_owned());
    } else if let Some(Verdict::Refused(problem)) = found.creates.get(&index) {
        operation.action = Action::Invalid;
        operation.reason = Some(problem.message.clone());
        operation.hint.clone_from(&problem.hint);
    } else if recorded.get(&desired.id).is_some_and(|entry| entry.uid.is_some()) {
        operation.reason = Some("it was delivered before and is gone".to_owned());
    }
    operation
}

fn change(desired: &Desired, seen: &Seen) -> Option<Operation> {
    let mut operation = desired.operation(Action::Update);
    operation.uid = Some(seen.uid.clone());
    operation.resource_version = Some(seen.resource_version.clone());
    match &seen.verdict {
        Verdict::Unchanged => return None,
        Verdict::Write { takes_over_from } => {
            operation.takes_over_from.clone_from(takes_over_from);
        }
        Verdict::Differs { changes, takes_over_from } => {
            operation.changes.clone_from(changes);
            operation.takes_over_from.clone_from(takes_over_from);
        }
        Verdict::Conflict { changes, conflicts } => {
            operation.action = Action::Conflict;
            operation.changes.clone_from(changes);
            operation.conflicts.clone_from(conflicts);
            operation.reason = Some("others own fields of it with other values".to_owned());
            operation.hint = Some(
                "leave these fields out of the tree, or take them with --force-conflicts"
                    .to_owned(),
            );
        }
        Verdict::Refused(problem) => {
            operation.action = Action::Invalid;
            operation.reason = Some(problem.message.clone());
            operation.hint.clone_from(&problem.hint);
        }
        Verdict::Going(finalizers) => {
            operation.action = Action::Hold;
            operation.reason = Some(going(finalizers));
        }
    }
    if operation.action == Action::Update && !operation.takes_over_from.is_empty() {
        operation.action = Action::Takeover;
    }
    Some(operation)
}

/// Why an object that is being deleted is still there.
pub(crate) fn going(finalizers: &[String]) -> String {
    match finalizers {
        [] => "it is being deleted".to_owned(),
        names => format!("it is being deleted and held by the finalizers {}", names.join(", ")),
    }
}

impl Decided {
    /// Objects that left the tree.
    fn leave(
        &mut self,
        found: &Observation,
        recorded: &Inventory,
        options: &DeliveryOptions,
        facts: TreeFacts,
    ) {
        let mut candidates = Vec::new();
        for (id, left) in &found.left {
            let Some(entry) = recorded.get(id) else { continue };
            let live = match left {
                Left::Unknown(reason) => {
                    self.keep(id, None, format!("left alone: {reason}"));
                    continue;
                }
                Left::Gone => None,
                Left::Live(live) => Some(live.as_ref()),
            };
            let fate =
                decide::candidate(&options.name, id, entry, live, options.prune, &options.guards);
            match (fate, live) {
                (Candidate::Prune, Some(live)) => {
                    candidates.push(Leaving { id: id.clone(), live: live.clone() });
                }
                (Candidate::HandOver(to), Some(live)) => {
                    let reason = format!("it belongs to the delivery {to} now");
                    self.others.push(left_operation(Action::HandOver, id, live, reason));
                    self.hand_over.push(Leaving { id: id.clone(), live: live.clone() });
                }
                (Candidate::Keep(reason), live) => self.keep(id, live, reason),
                (Candidate::Going(finalizers), live) => self.keep(id, live, going(&finalizers)),
                (Candidate::Forget(reason), live) => {
                    if live.is_some() {
                        let message = format!("{id} is no longer recorded: {reason}");
                        self.warnings.push(Problem { origin: None, message, hint: None });
                    }
                    self.forget.push(id.clone());
                }
                (Candidate::Prune | Candidate::HandOver(_), None) => {}
            }
        }
        let ids: Vec<ObjectRef> = candidates.iter().map(|leaving| leaving.id.clone()).collect();
        self.refusals = guard::refusals(&options.guards, facts, recorded.len(), &ids);
        for leaving in candidates {
            if self.refusals.is_empty() {
                let reason = "it left the tree".to_owned();
                let pruned = left_operation(Action::Prune, &leaving.id, &leaving.live, reason);
                self.others.push(pruned);
                self.prune.push(leaving);
            } else {
                let reason = "left alone: pruning was refused".to_owned();
                self.keep(&leaving.id, Some(&leaving.live), reason);
            }
        }
    }

    fn keep(&mut self, id: &ObjectRef, live: Option<&Live>, reason: String) {
        let mut operation = Operation::new(Action::Keep, id.clone());
        operation.uid = live.map(|live| live.uid.clone());
        operation.reason = Some(reason);
        self.others.push(operation);
    }
}

fn left_operation(action: Action, id: &ObjectRef, live: &Live, reason: String) -> Operation {
    Operation {
        uid: Some(live.uid.clone()),
        resource_version: Some(live.resource_version.clone()),
        reason: Some(reason),
        ..Operation::new(action, id.clone())
    }
}
