//! Observed against desired: every object's action, in the order of execution.

use crate::desired::{Desired, DesiredSet};
use crate::fate::Claims;
use crate::hook::{self, HookRun};
use crate::look::Verdict;
use crate::observe::{Observation, Seen};
use crate::options::DeliveryOptions;
use crate::source::Tree;
use objects::{GroupKind, ObjectRef, order};
use std::cmp::Ordering;
use sync::decide::Live;
use sync::directives::Phase;
use sync::guard::{GUARDED_KINDS, TreeFacts};
use sync::inventory::Inventory;
use sync::part::{self, Glance};
use sync::plan::ForceRecreate;
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
    /// Left behind by hooks of earlier trees, to be deleted.
    pub(crate) clean_up: Vec<Leaving>,
    /// To be given to other deliveries.
    pub(crate) hand_over: Vec<(Leaving, String)>,
    /// Hooks that have not run for this tree.
    pub(crate) hooks: Vec<HookRun>,
    /// The place in the schedule of the first Sync hook; the others follow in order.
    pub(crate) first_hook: usize,
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
    claims: &Claims,
) -> Decided {
    let by_index: Vec<Option<Box<Operation>>> = set
        .objects
        .iter()
        .enumerate()
        .map(|(index, desired)| {
            let seen = found.seen.get(index).and_then(Option::as_ref);
            match seen {
                None => Some(create(index, desired, set, found, recorded, options)),
                Some(seen) => change(desired, seen, options),
            }
            .map(Box::new)
        })
        .collect();
    let hooks = hook::due(set, recorded);
    let schedule = Ordered::new(set, &by_index, &found.seen, &hooks).schedule();
    let mut warnings = tree.warnings.clone();
    warnings.extend(set.warnings.iter().cloned());
    let mut decided = Decided {
        unchanged: 0,
        by_index,
        others: set.invalid.clone(),
        schedule,
        prune: Vec::new(),
        clean_up: Vec::new(),
        hand_over: Vec::new(),
        forget: Vec::new(),
        refusals: Vec::new(),
        warnings,
        first_hook: set.objects.len() + set.invalid.len(),
        hooks,
    };
    decided.plan_hooks(set);
    decided.hold(set);
    decided.unchanged = decided.by_index.iter().filter(|operation| operation.is_none()).count();
    let facts = TreeFacts {
        objects: set.named.len(),
        broken: tree.problems.len() + set.invalid.len(),
        partial: tree.partial,
    };
    decided.leave(found, recorded, options, facts, claims);
    decided
}

impl Decided {
    /// The Sync hooks in the order of the schedule.
    pub(crate) fn sync_hooks(&self) -> impl Iterator<Item = (usize, &HookRun)> {
        let hooks = self.hooks.iter().filter(|run| run.phase == Phase::Sync);
        (self.first_hook..).zip(hooks)
    }

    /// The identity at a place of the schedule: objects, then what cannot be delivered, then hooks.
    pub(crate) fn id_at(&self, set: &DesiredSet, index: usize) -> Option<ObjectRef> {
        if let Some(desired) = set.objects.get(index) {
            return Some(desired.id.clone());
        }
        if let Some(invalid) = set.invalid.get(index.checked_sub(set.objects.len())?) {
            return Some(invalid.object.clone());
        }
        self.sync_hooks().find(|(at, _)| *at == index).map(|(_, run)| run.id.clone())
    }

    /// What runs when all goes well.
    fn plan_hooks(&mut self, set: &DesiredSet) {
        for run in self.hooks.iter().filter(|run| run.phase != Phase::SyncFail) {
            if let Some(hook) = set.hooks.get(run.index) {
                self.others.push(hook.operation(run.phase, &run.id));
            }
        }
    }

    /// What cannot be done because of others, and what waits for itself.
    fn hold(&mut self, set: &DesiredSet) {
        let name = |index: usize| self.id_at(set, index).map(|id| id.to_string());
        let mut hopeless: Vec<(usize, String)> = Vec::new();
        for circle in self.schedule.circles() {
            let first = circle.first().copied();
            let names: Vec<String> = circle.iter().copied().chain(first).filter_map(name).collect();
            let reason = format!("its dependencies form a circle: {}", names.join(" → "));
            hopeless.extend(circle.iter().map(|index| (*index, reason.clone())));
        }
        for (index, id) in self.schedule.unknown() {
            hopeless.push((*index, format!("depends on {id}, which is not in the tree")));
        }
        for (index, reason) in hopeless {
            let hint = "look at the annotation orlop.dev/depends-on".to_owned();
            self.block(set, index, Action::Invalid, (reason, Some(hint)));
        }
        for held in self.schedule.take_held() {
            let Some(cause) = self.id_at(set, held.because_of) else { continue };
            let reason = format!("waits for {cause}, which cannot be applied");
            self.block(set, held.index, Action::Hold, (reason, None));
        }
    }

    fn block(
        &mut self,
        set: &DesiredSet,
        index: usize,
        action: Action,
        (reason, hint): (String, Option<String>),
    ) {
        let hook = self.sync_hooks().find(|(at, _)| *at == index).map(|(_, run)| run.id.clone());
        let operation = match (set.objects.get(index), self.by_index.get_mut(index), hook) {
            (Some(desired), Some(slot), _) => {
                slot.get_or_insert_with(|| Box::new(desired.operation(action))).as_mut()
            }
            (_, _, Some(id)) => {
                let is_run = |operation: &&mut Operation| {
                    operation.object == id && operation.phase == Some(Phase::Sync)
                };
                let Some(operation) = self.others.iter_mut().find(is_run) else { return };
                operation
            }
            _ => return,
        };
        operation.action = action;
        operation.changes.clear();
        operation.reason = Some(reason);
        operation.hint = hint;
    }
}

/// What the tree names comes first, lower ranks before higher ones; then what left the tree, the
/// other way round.
fn in_execution(one: &Operation, other: &Operation) -> Ordering {
    let left = |operation: &Operation| operation.origin.is_none();
    let rank = |operation: &Operation| {
        let rank = order::install_rank(&operation.object.group_kind());
        (operation.phase.unwrap_or(Phase::Sync), operation.wave, rank)
    };
    let ranks = rank(one).cmp(&rank(other));
    left(one)
        .cmp(&left(other))
        .then(if left(one) { ranks.reverse() } else { ranks })
        .then_with(|| one.object.cmp(&other.object))
}

/// What the order of execution is made of: objects, then what cannot be delivered, then hooks.
struct Ordered<'a> {
    set: &'a DesiredSet,
    by_index: &'a [Option<Box<Operation>>],
    seen: &'a [Option<Seen>],
    others: Vec<Item>,
}

impl<'a> Ordered<'a> {
    fn new(
        set: &'a DesiredSet,
        by_index: &'a [Option<Box<Operation>>],
        seen: &'a [Option<Seen>],
        hooks: &[HookRun],
    ) -> Self {
        let mut others: Vec<Item> = set.invalid.iter().map(broken).collect();
        let in_schedule = hooks.iter().filter(|run| run.phase == Phase::Sync);
        others.extend(in_schedule.filter_map(|run| hook_item(set, run)));
        Self { set, by_index, seen, others }
    }

    /// The order, made of those that have a say in it.
    fn schedule(&self) -> Schedule {
        let find = |id: &ObjectRef| self.set.by_id.get(id).copied();
        let schedule = self.of(part::with_a_say(self.len(), |index| self.glance(index), find));
        match schedule.circles().is_empty() {
            true => schedule,
            // Rare, and told by name: the whole says where each circle is entered.
            false => self.of((0..self.len()).collect()),
        }
    }

    fn of(&self, places: Vec<usize>) -> Schedule {
        let items: Vec<Item> = places.iter().filter_map(|index| self.item(*index)).collect();
        Schedule::of_part(places, &items)
    }

    fn len(&self) -> usize {
        self.set.objects.len() + self.others.len()
    }

    fn other(&self, index: usize) -> Option<&Item> {
        self.others.get(index.checked_sub(self.set.objects.len())?)
    }

    fn state(&self, index: usize) -> ItemState {
        let operation = self.by_index.get(index).and_then(Option::as_deref);
        state(operation, self.seen.get(index).and_then(Option::as_ref))
    }

    fn item(&self, index: usize) -> Option<Item> {
        match self.set.objects.get(index) {
            Some(desired) => Some(item(desired, self.state(index))),
            None => self.other(index).cloned(),
        }
    }

    fn glance(&self, index: usize) -> Option<Glance<'_>> {
        let Some(desired) = self.set.objects.get(index) else {
            let Item { id, wave, needs, after, .. } = self.other(index)?;
            let (kind, wave, is_settled) = (None, *wave, false);
            return Some(Glance { id, kind, wave, needs, after, is_settled });
        };
        Some(Glance {
            id: &desired.id,
            kind: Some(&desired.gvk),
            wave: desired.wave(),
            needs: &desired.needs,
            after: desired.directives.as_deref().map_or(&[], |said| &said.depends_on),
            is_settled: desired.defines.is_none() && self.state(index) == ItemState::Satisfied,
        })
    }
}

fn state(operation: Option<&Operation>, seen: Option<&Seen>) -> ItemState {
    match operation.map(|operation| operation.action) {
        None if seen.is_some_and(|seen| seen.health.is_some()) => ItemState::Unready,
        None | Some(Action::Keep) => ItemState::Satisfied,
        Some(Action::Create | Action::Update | Action::Takeover | Action::Recreate) => {
            ItemState::Work
        }
        Some(_) => ItemState::Broken,
    }
}

fn item(desired: &Desired, state: ItemState) -> Item {
    let after = desired.directives.as_deref().map(|directives| directives.depends_on.clone());
    Item {
        id: desired.id.clone(),
        wave: desired.wave(),
        rank: desired.rank,
        defines: desired.defines.clone(),
        needs: desired.needs.clone(),
        after: after.unwrap_or_default(),
        state,
    }
}

fn hook_item(set: &DesiredSet, run: &HookRun) -> Option<Item> {
    let desired = &set.hooks.get(run.index)?.desired;
    Some(Item { id: run.id.clone(), ..item(desired, ItemState::Work) })
}

fn broken(operation: &Operation) -> Item {
    Item {
        wave: operation.wave,
        rank: order::install_rank(&operation.object.group_kind()),
        id: operation.object.clone(),
        defines: None,
        needs: Vec::new(),
        after: Vec::new(),
        state: ItemState::Broken,
    }
}

fn create(
    index: usize,
    desired: &Desired,
    set: &DesiredSet,
    found: &Observation,
    recorded: &Inventory,
    options: &DeliveryOptions,
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
    } else if let Some(entry) = recorded.get(&desired.id).filter(|entry| entry.uid.is_some()) {
        operation.reason = Some("it was delivered before and is gone".to_owned());
        let is_as_applied = entry.digest == Some(desired.digest);
        if options.automatic && is_as_applied && desired.says(|directives| directives.keeps_drift) {
            operation.action = Action::Keep;
            operation.reason = Some("left alone: it was deleted, and is not healed".to_owned());
        }
    }
    operation
}

fn change(desired: &Desired, seen: &Seen, options: &DeliveryOptions) -> Option<Operation> {
    if matches!(seen.verdict, Verdict::Unchanged) {
        return None;
    }
    let mut operation = desired.operation(Action::Update);
    operation.uid = Some(seen.uid.to_string());
    operation.resource_version = Some(seen.resource_version.to_string());
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
        Verdict::Immutable(problem) => {
            let recreates = may_recreate(desired, options);
            operation.action = if recreates { Action::Recreate } else { Action::Invalid };
            operation.reason = Some(problem.message.clone());
            operation.hint = if recreates { None } else { recreate_hint(desired, options) };
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

/// Whether objects of a kind hold others or data, so that no change is worth deleting them.
fn is_guarded(desired: &Desired) -> bool {
    let id = &desired.id;
    GUARDED_KINDS.iter().any(|(group, kind)| id.group == *group && id.kind == *kind)
}

/// Whether an object may be deleted and made again when it cannot be changed in place.
pub(crate) fn may_recreate(desired: &Desired, options: &DeliveryOptions) -> bool {
    let wanted = match options.force_recreate {
        ForceRecreate::Never => false,
        ForceRecreate::Annotated => desired.says(|directives| directives.recreate),
        ForceRecreate::Always => true,
    };
    wanted && !is_guarded(desired)
}

/// What to do about an object that cannot be changed in place.
pub(crate) fn recreate_hint(desired: &Desired, options: &DeliveryOptions) -> Option<String> {
    Some(if is_guarded(desired) {
        format!("undo the change: a {} is never deleted to be made again", desired.id.kind)
    } else if options.force_recreate == ForceRecreate::Never {
        "undo the change, or allow it with --force-recreate annotated".to_owned()
    } else {
        "undo the change, or let the object be deleted and made again with the annotation \
         orlop.dev/force: recreate"
            .to_owned()
    })
}

/// Why an object that is being deleted is still there.
pub(crate) fn going(finalizers: &[String]) -> String {
    match finalizers {
        [] => "it is being deleted".to_owned(),
        names => format!("it is being deleted and held by the finalizers {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
