//! A tree and its record side by side: both are gone through once, in the order of identities.
//!
//! That is cheaper than looking each object of one up in the other, by far when they share their
//! identities ([`crate::store::Store::share`]).

use super::{Desired, DesiredSet};
use objects::ObjectRef;
use std::sync::{Arc, OnceLock};
use sync::Inventory;
use sync::inventory::Entry;

/// The indices of all objects in the order of their identities; made when it is asked for. A tree
/// with the same objects in the same places has it from the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct Order(Arc<OnceLock<Box<[usize]>>>);

impl Order {
    fn of(&self, objects: &[Arc<Desired>]) -> &[usize] {
        self.0.get_or_init(|| {
            let mut indices: Vec<usize> = (0..objects.len()).collect();
            let id = |index: &usize| objects.get(*index).map(|desired| &desired.id);
            indices.sort_by(|one, other| id(one).cmp(&id(other)));
            indices.into()
        })
    }
}

impl DesiredSet {
    /// Everything that is recorded, with the index of its object when the tree has it.
    pub(crate) fn beside<'a>(
        &'a self,
        recorded: &'a Inventory,
    ) -> impl Iterator<Item = (&'a ObjectRef, &'a Entry, Option<usize>)> {
        let mut indices = self.order.of(&self.objects).iter().copied().peekable();
        recorded.iter().map(move |(id, entry)| {
            loop {
                let next = indices.peek().and_then(|index| self.objects.get(*index));
                match next.map(|desired| &desired.id) {
                    Some(own) if own == id => return (id, entry, indices.next()),
                    Some(own) if own < id => {
                        indices.next();
                    }
                    _ => return (id, entry, None),
                }
            }
        })
    }

    /// What is recorded and not named by the tree.
    pub(crate) fn unnamed(&self, recorded: &Inventory) -> Vec<ObjectRef> {
        self.beside(recorded)
            .filter(|(id, _, index)| index.is_none() && !self.named.contains(*id))
            .map(|(id, _, _)| id.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::Object;
    use proptest::prelude::*;
    use serde_json::json;

    fn desired(name: u8) -> Desired {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{name}")},
        });
        Desired::of(&Object::from_value(object).unwrap(), "shop")
    }

    proptest! {
        #[test]
        fn a_tree_beside_its_record_says_what_looking_up_says(
            tree in proptest::collection::btree_set(0_u8..30, 0..20),
            turn in any::<usize>(),
            record in proptest::collection::btree_set(0_u8..30, 0..20),
        ) {
            let mut names: Vec<u8> = tree.into_iter().collect();
            let by = turn.checked_rem(names.len()).unwrap_or(0);
            names.rotate_left(by);
            let set = DesiredSet::of(names.into_iter().map(desired).collect());
            let mut recorded = Inventory::default();
            for name in record {
                let id = desired(name).id;
                // Some share their identity with the tree, others only are equal.
                let shared = set.by_id.get_key_value(&id).filter(|_| name % 2 == 0);
                let id = shared.map_or(id, |(id, _)| id.clone());
                recorded.record(&id, Entry::default());
            }
            let found: Vec<_> = set.beside(&recorded).map(|(id, _, at)| (id.clone(), at)).collect();
            let looked_up: Vec<_> = recorded
                .iter()
                .map(|(id, _)| (id.clone(), set.by_id.get(id).copied()))
                .collect();
            prop_assert_eq!(found, looked_up);
            let unnamed: Vec<_> = recorded
                .iter()
                .map(|(id, _)| id.clone())
                .filter(|id| !set.named.contains(id))
                .collect();
            prop_assert_eq!(set.unnamed(&recorded), unnamed);
        }
    }
}
