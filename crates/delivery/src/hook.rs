//! Hooks as they stand in a tree: when each of them runs, and what it is called.

use crate::desired::{Desired, DesiredSet};
use crate::error::DeliveryError;
use objects::{Object, ObjectRef};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync::directives::{Directives, Hook, Phase};
use sync::inventory::Inventory;
use sync::{Action, Operation, Problem, hooks};

/// A document that runs as a hook, in one of its phases.
#[derive(Debug)]
pub(crate) struct HookObject {
    pub(crate) desired: Desired,
    pub(crate) hook: Hook,
    /// By phase: its identity there. A hook with only a `generateName` has one for each.
    pub(crate) runs: BTreeMap<Phase, ObjectRef>,
}

impl HookObject {
    pub(crate) fn new(desired: Desired) -> Self {
        let hook = desired.directives.as_deref().and_then(|directives| directives.hook.clone());
        Self { desired, hook: hook.unwrap_or_default(), runs: BTreeMap::new() }
    }

    /// The document to make in a phase.
    pub(crate) fn object(&self, phase: Phase) -> Result<Object, DeliveryError> {
        let mut object = self.desired.object()?;
        if let Some(id) = self.runs.get(&phase) {
            let metadata = object.metadata_mut();
            metadata.remove("generateName");
            metadata.insert("name".to_owned(), Value::String(id.name.clone()));
        }
        Ok(object)
    }

    /// The operation of running it.
    pub(crate) fn operation(&self, phase: Phase, id: &ObjectRef) -> Operation {
        Operation {
            object: id.clone(),
            phase: Some(phase),
            reason: Some(format!("{phase} hook")),
            ..self.desired.operation(Action::Hook)
        }
    }
}

/// One hook in one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookRun {
    /// Its place in the set's hooks.
    pub(crate) index: usize,
    pub(crate) phase: Phase,
    pub(crate) id: ObjectRef,
    pub(crate) wave: i32,
    pub(crate) rank: u16,
}

/// Tells about phases that are not run here; true when there is no other.
pub(crate) fn is_skipped(set: &mut DesiredSet, id: &ObjectRef, directives: &Directives) -> bool {
    let Some(hook) = &directives.hook else { return false };
    if !hook.skipped.is_empty() {
        let skipped = hook.skipped.join(", ");
        let message = match hook.phases.is_empty() {
            true => format!("{id} is not delivered: its only hook is {skipped}"),
            false => format!("{id} runs as a hook, but not for {skipped}"),
        };
        let hint = "a delivery runs the hooks PreSync, Sync, PostSync and SyncFail".to_owned();
        set.warnings.push(Problem { origin: None, message, hint: Some(hint) });
    }
    hook.phases.is_empty()
}

/// Gives every hook its identity in each phase, and the set its digest.
pub(crate) fn name_all(set: &mut DesiredSet) {
    if set.hooks.is_empty() {
        return;
    }
    let hooks = set.hooks.iter().map(|hook| hook.desired.digest);
    let digests = set.objects.iter().map(|desired| desired.digest).chain(hooks);
    let tree = hooks::tree_digest(digests.collect());
    set.digest = Some(tree);
    let mut numbers: BTreeMap<(String, Phase), usize> = BTreeMap::new();
    for hook in &mut set.hooks {
        let id = hook.desired.id.clone();
        let prefix = hook
            .desired
            .object()
            .ok()
            .and_then(|object| object.str_at(&["metadata", "generateName"]).map(str::to_owned));
        for phase in hook.hook.phases.clone() {
            let run = match (&prefix, id.name.is_empty()) {
                (Some(prefix), true) => {
                    let number = numbers.entry((prefix.clone(), phase)).or_default();
                    let name = hooks::generated_name(prefix, tree, phase, *number);
                    *number += 1;
                    ObjectRef::new(id.group_kind(), id.namespace.as_str(), name)
                }
                _ => id.clone(),
            };
            Arc::make_mut(&mut set.named).insert(run.clone());
            hook.runs.insert(phase, run);
        }
    }
}

/// The hooks that have not run for this tree, in the order of running.
pub(crate) fn due(set: &DesiredSet, recorded: &Inventory) -> Vec<HookRun> {
    let Some(tree) = set.digest else { return Vec::new() };
    let mut due = Vec::new();
    for (index, hook) in set.hooks.iter().enumerate() {
        for (phase, id) in &hook.runs {
            if !ran(tree, id, recorded).contains(phase) {
                due.push(HookRun {
                    index,
                    phase: *phase,
                    id: id.clone(),
                    wave: hook.desired.wave(),
                    rank: hook.desired.rank,
                });
            }
        }
    }
    due.sort_by(|a, b| (a.phase, a.wave, a.rank, &a.id).cmp(&(b.phase, b.wave, b.rank, &b.id)));
    due
}

/// In which phases a hook has run for a tree.
pub(crate) fn ran(tree: sync::Digest, id: &ObjectRef, recorded: &Inventory) -> BTreeSet<Phase> {
    let entry = recorded.get(id).filter(|entry| entry.hook);
    hooks::ran(tree, entry.and_then(|entry| entry.digest))
}
