//! What happens to objects that left the tree.

use crate::decided::{Decided, Leaving, going};
use crate::observe::{Left, Observation};
use crate::options::DeliveryOptions;
use objects::ObjectRef;
use std::collections::BTreeMap;
use sync::decide::{self, Candidate, Live};
use sync::guard::{self, TreeFacts};
use sync::inventory::Inventory;
use sync::{Action, Operation, Problem};

/// Objects that other deliveries claim, by the name of the delivery.
pub(crate) type Claims = BTreeMap<ObjectRef, String>;

impl Decided {
    /// Objects that left the tree.
    pub(crate) fn leave(
        &mut self,
        found: &Observation,
        recorded: &Inventory,
        options: &DeliveryOptions,
        facts: TreeFacts,
        claims: &Claims,
    ) {
        let (mut candidates, mut left_behind) = (Vec::new(), Vec::new());
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
            let moved = options.moves.to.get(id).filter(|to| **to != options.name);
            let claimed = moved
                .map(sync::DeliveryName::as_str)
                .or_else(|| claims.get(id).map(String::as_str));
            let (name, prune, guards) = (&options.name, options.prune, &options.guards);
            let fate = decide::candidate(name, id, entry, live, claimed, prune, guards);
            match (fate, live) {
                (Candidate::Prune, Some(live)) => {
                    candidates.push(Leaving { id: id.clone(), live: live.clone() });
                }
                (Candidate::CleanUp, Some(live)) => {
                    left_behind.push(Leaving { id: id.clone(), live: live.clone() });
                }
                (Candidate::HandOver(to), Some(live)) => {
                    let reason = format!("it belongs to the delivery {to} now");
                    self.others.push(left_operation(Action::HandOver, id, live, reason));
                    let leaving = Leaving { id: id.clone(), live: live.clone() };
                    self.hand_over.push((leaving, to));
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
                (Candidate::Prune | Candidate::CleanUp | Candidate::HandOver(_), None) => {}
            }
        }
        self.clean_up(left_behind, options, facts);
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

    /// What hooks of earlier trees left behind goes whenever the tree is whole.
    fn clean_up(&mut self, left: Vec<Leaving>, options: &DeliveryOptions, facts: TreeFacts) {
        let is_whole = facts.broken == 0
            && !facts.partial
            && (facts.objects > 0 || options.guards.allow_empty);
        for leaving in left {
            if is_whole {
                let reason = "a hook left it behind".to_owned();
                let gone = left_operation(Action::Prune, &leaving.id, &leaving.live, reason);
                self.others.push(gone);
                self.clean_up.push(leaving);
            } else {
                let reason = "left alone: the tree is not whole".to_owned();
                self.keep(&leaving.id, Some(&leaving.live), reason);
            }
        }
    }

    fn keep(&mut self, id: &ObjectRef, live: Option<&Live>, reason: String) {
        let mut operation = Operation::new(Action::Keep, id.clone());
        operation.uid = live.map(|live| live.uid.to_string());
        operation.reason = Some(reason);
        self.others.push(operation);
    }
}

fn left_operation(action: Action, id: &ObjectRef, live: &Live, reason: String) -> Operation {
    Operation {
        uid: Some(live.uid.to_string()),
        resource_version: Some(live.resource_version.to_string()),
        reason: Some(reason),
        ..Operation::new(action, id.clone())
    }
}
