//! Who needs whom, and the stage in which each object therefore comes.
//!
//! A stage is a wave and a rank in it ([`objects::order`]). Three kinds of edges move objects:
//!
//! - **definitions**: a namespace, or the definition of a kind, is pulled into the earliest wave
//!   of those that need it;
//! - **explicit dependencies** move the object that has them behind what it depends on;
//! - **references** (a ConfigMap that a Pod mounts) do so inside of one wave. Across waves they
//!   count for nothing when they point backwards: waves are written by people, references are
//!   inferred.
//!
//! After that every edge points to the same stage or an earlier one. A circle is found before
//! anything waits for ever in it, and its objects are named. Linear in objects and edges.

use crate::schedule::{Index, Item};
use objects::{GroupKind, ObjectRef};
use std::collections::{HashMap, VecDeque};

/// A wave, and a rank in it.
pub(crate) type Stage = (i32, u16);

/// What an edge waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The target was written.
    Applied,
    /// The target is ready.
    Ready,
}

/// The objects with their stages and their edges.
pub(crate) struct Graph {
    pub(crate) stages: Vec<Stage>,
    /// By index: what it needs.
    pub(crate) needs: Vec<Vec<(Index, Need)>>,
    /// Objects that wait for each other, in the order of waiting.
    pub(crate) circles: Vec<Vec<Index>>,
    /// Dependencies that are not in the list.
    pub(crate) unknown: Vec<(Index, ObjectRef)>,
}

impl Graph {
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut graph = Self {
            stages: items.iter().map(|item| (item.wave, item.rank)).collect(),
            needs: vec![Vec::new(); items.len()],
            circles: Vec::new(),
            unknown: Vec::new(),
        };
        graph.definitions(items);
        // Most objects name no other one, and most trees are large.
        if items.iter().any(|item| !item.after.is_empty() || !item.needs.is_empty()) {
            let by_id: HashMap<&ObjectRef, Index> =
                items.iter().enumerate().map(|(index, item)| (&item.id, index)).collect();
            graph.references(items, &by_id);
        }
        let order = graph.find_circles();
        for index in order {
            graph.lift(index);
        }
        graph
    }

    fn stage(&self, index: Index) -> Stage {
        self.stages.get(index).copied().unwrap_or_default()
    }

    fn need(&mut self, index: Index, target: Index, need: Need) {
        if let Some(needs) = self.needs.get_mut(index) {
            needs.push((target, need));
        }
    }

    fn definitions(&mut self, items: &[Item]) {
        let is_namespace = |id: &ObjectRef| {
            id.kind == "Namespace" && id.group.is_empty() && id.namespace.is_empty()
        };
        let namespaces: HashMap<&str, Index> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| is_namespace(&item.id))
            .map(|(index, item)| (item.id.name.as_str(), index))
            .collect();
        let by_kind: HashMap<&GroupKind, Index> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((item.defines.as_ref()?, index)))
            .collect();
        for (index, item) in items.iter().enumerate() {
            let kind = || by_kind.get(&item.id.group_kind());
            let defined = if by_kind.is_empty() { None } else { kind() };
            let found = [namespaces.get(item.id.namespace.as_str()), defined];
            for target in found.into_iter().flatten().filter(|target| **target != index) {
                self.need(index, *target, Need::Ready);
                if let Some(stage) = self.stages.get_mut(*target) {
                    stage.0 = stage.0.min(item.wave);
                }
            }
        }
    }

    fn references(&mut self, items: &[Item], by_id: &HashMap<&ObjectRef, Index>) {
        for (index, item) in items.iter().enumerate() {
            for id in &item.after {
                let own = ObjectRef::new(id.group_kind(), &item.id.namespace, &id.name);
                let own = by_id.get(&own).filter(|_| id.namespace.is_empty());
                match by_id.get(id).or(own) {
                    Some(target) => self.need(index, *target, Need::Ready),
                    None => self.unknown.push((index, id.clone())),
                }
            }
            for target in item.needs.iter().filter_map(|id| by_id.get(id)) {
                let ((wave, rank), (its_wave, its_rank)) = (self.stage(index), self.stage(*target));
                if its_wave <= wave && its_rank < rank {
                    self.need(index, *target, Need::Applied);
                }
            }
        }
    }

    /// Names circles and gives everything else in an order in which needs come first.
    fn find_circles(&mut self) -> Vec<Index> {
        let mut open: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut needed_by: Vec<Vec<Index>> = vec![Vec::new(); self.needs.len()];
        for (index, needs) in self.needs.iter().enumerate() {
            for (target, _) in needs {
                if let Some(list) = needed_by.get_mut(*target) {
                    list.push(index);
                }
            }
        }
        let mut order = Vec::with_capacity(open.len());
        let free = open.iter().enumerate().filter(|(_, open)| **open == 0);
        let mut queue: VecDeque<Index> = free.map(|(index, _)| index).collect();
        let mut left = vec![true; open.len()];
        let mut first_left = 0;
        loop {
            while let Some(index) = queue.pop_front() {
                if let Some(left) = left.get_mut(index) {
                    *left = false;
                }
                order.push(index);
                for dependant in needed_by.get(index).into_iter().flatten() {
                    if let Some(open) = open.get_mut(*dependant) {
                        *open -= 1;
                        if *open == 0 {
                            queue.push_back(*dependant);
                        }
                    }
                }
            }
            let next = left.iter().skip(first_left).position(|left| *left);
            let Some(next) = next else { return order };
            first_left += next;
            let start = first_left;
            let circle = self.circle_from(start, &left);
            // Its members count as done, so that what hangs on it is ordered all the same.
            for index in &circle {
                if let Some(open) = open.get_mut(*index) {
                    *open = usize::MAX / 2;
                }
                queue.push_back(*index);
            }
            self.circles.push(circle);
        }
    }

    /// Follows needs among what is left until an object comes again.
    fn circle_from(&self, start: Index, left: &[bool]) -> Vec<Index> {
        let mut path: Vec<Index> = Vec::new();
        let mut at: HashMap<Index, usize> = HashMap::new();
        let mut current = start;
        loop {
            if let Some(first) = at.get(&current) {
                return path.split_off(*first);
            }
            at.insert(current, path.len());
            path.push(current);
            let needs = self.needs.get(current).into_iter().flatten();
            // Everything that is left needs something that is left.
            let is_left = |target: &Index| left.get(*target).is_some_and(|left| *left);
            match needs.map(|(target, _)| *target).find(is_left) {
                Some(next) => current = next,
                None => return path,
            }
        }
    }

    /// Moves an object behind what it needs.
    fn lift(&mut self, index: Index) {
        let mut stage = self.stage(index);
        for (target, need) in self.needs.get(index).into_iter().flatten() {
            let target = self.stage(*target);
            if *need == Need::Ready || target.0 == stage.0 {
                stage = stage.max(target);
            }
        }
        // A reference whose target was moved into a later wave counts for nothing any more.
        let stages = &self.stages;
        if let Some(needs) = self.needs.get_mut(index) {
            needs.retain(|(target, _)| stages.get(*target).is_some_and(|target| *target <= stage));
        }
        if let Some(slot) = self.stages.get_mut(index) {
            *slot = stage;
        }
    }
}
