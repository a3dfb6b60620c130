//! Which items have a say in the order of a run, when most are as they should be.
//!
//! Of ten thousand objects a push changes one, and the order of ten thousand is not worth making
//! for it. An item that is as it should be waits for nobody and nobody waits for it, so that it
//! can be left out, unless it may move others to another stage. Kept are:
//!
//! - whatever is not as it should be;
//! - namespaces, definitions of kinds, and items that depend on others by their own word: what
//!   they need is theirs to say, and every circle goes through one of them (a reference alone
//!   leads to a lower rank, and never back);
//! - whatever a kept item needs, and so on;
//! - one item of each namespace, kind and wave: it pulls its namespace and its definition into
//!   its wave, as all others of its sort would.
//!
//! Linear in the items, without a copy of any. No I/O, no errors.

use crate::schedule::Index;
use objects::{GroupVersionKind, ObjectRef};
use std::collections::HashSet;

/// What is looked at of an item.
#[derive(Debug, Clone, Copy)]
pub struct Glance<'a> {
    /// Its identity.
    pub id: &'a ObjectRef,
    /// Its kind, where it is shared. Equal kinds at different addresses cost time and nothing else.
    pub kind: Option<&'a GroupVersionKind>,
    /// Its wave.
    pub wave: i32,
    /// Objects that it names.
    pub needs: &'a [ObjectRef],
    /// Objects that have to be ready first, because the document says so.
    pub after: &'a [ObjectRef],
    /// It is as it should be and ready, and defines no kind.
    pub is_settled: bool,
}

impl Glance<'_> {
    fn kind_address(&self) -> Option<*const GroupVersionKind> {
        self.kind.map(std::ptr::from_ref)
    }

    fn may_be_left_out(&self) -> bool {
        let is_home = self.id.kind == "Namespace" && self.id.group.is_empty();
        self.is_settled && self.after.is_empty() && !is_home
    }

    /// Whether two items pull the same others into the same wave.
    fn pulls_as(&self, other: &Self) -> bool {
        self.wave == other.wave
            && self.kind_address() == other.kind_address()
            && self.id.namespace == other.id.namespace
    }
}

/// The places of the items that have a say, ascending, out of `count` items. `find` gives the
/// place of an object.
pub fn with_a_say<'a>(
    count: usize,
    glance: impl Fn(Index) -> Option<Glance<'a>>,
    find: impl Fn(&ObjectRef) -> Option<Index>,
) -> Vec<Index> {
    let mut kept = vec![false; count];
    let mut open: Vec<Index> = Vec::new();
    let mut keep = |index: Index, open: &mut Vec<Index>| {
        if let Some(slot) = kept.get_mut(index).filter(|kept| !**kept) {
            *slot = true;
            open.push(index);
        }
    };
    let mut sorts: HashSet<(Option<*const GroupVersionKind>, &str, i32)> = HashSet::new();
    let mut before: Option<Glance<'a>> = None;
    for (index, item) in (0..count).filter_map(|index| Some((index, glance(index)?))) {
        // Neighbours are mostly of one sort.
        let is_new_sort = !before.is_some_and(|before| before.pulls_as(&item))
            && sorts.insert((item.kind_address(), &item.id.namespace, item.wave));
        if is_new_sort || !item.may_be_left_out() {
            keep(index, &mut open);
        }
        before = Some(item);
    }
    while let Some(index) = open.pop() {
        let Some(item) = glance(index) else { continue };
        for id in item.needs {
            find(id).into_iter().for_each(|target| keep(target, &mut open));
        }
        for id in item.after {
            let own = ObjectRef::new(id.group_kind(), &item.id.namespace, &id.name);
            let own = find(&own).filter(|_| id.namespace.is_empty());
            find(id).or(own).into_iter().for_each(|target| keep(target, &mut open));
        }
    }
    (0..count).filter(|index| kept.get(*index).is_some_and(|kept| *kept)).collect()
}

#[cfg(test)]
mod tests;
