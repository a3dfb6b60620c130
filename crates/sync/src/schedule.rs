//! In which order work may start, and who waits for whom.
//!
//! Pure bookkeeping over indices: the caller starts what [`Schedule::next`] gives, as many at once
//! as it likes, and says how each ended. Two rules decide:
//!
//! - **stages**: a rank ([`objects::order`]) starts when every lower one has ended, well or not;
//! - **edges**: an item waits until what it needs is *ready* (a namespace active, a CRD served)
//!   or *applied* (a ConfigMap that a Pod mounts); when that fails, the item is held, and what
//!   needs the item as well, each with the name of the broken one.
//!
//! A failed item fails only itself and those that need it (gitops 7).

use objects::{GroupKind, ObjectRef};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// An item's place in the list that the schedule was made from.
pub type Index = usize;

/// One object of the tree.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its identity.
    pub id: ObjectRef,
    /// Its rank: lower ones first.
    pub rank: u16,
    /// The kind that it defines, for a CustomResourceDefinition.
    pub defines: Option<GroupKind>,
    /// Objects that it names; those outside the list are taken to exist.
    pub needs: Vec<ObjectRef>,
    /// What is known before anything starts.
    pub state: ItemState,
}

/// What is known of an item before anything starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    /// There is something to do.
    Work,
    /// It is as it should be and ready.
    Satisfied,
    /// It cannot be done; what needs it is held.
    Broken,
}

/// An item that is held, and the item whose failure holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Who.
    pub index: Index,
    /// Because of whom: the item that failed, not one that is itself held.
    pub because_of: Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Running,
    Applied,
    Ready,
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Applied,
    Ready,
}

struct Node {
    rank: u16,
    phase: Phase,
    open_needs: usize,
    needed_by: Vec<(Index, Need)>,
}

/// The order of one run.
pub struct Schedule {
    nodes: Vec<Node>,
    /// Per rank: how many items have not ended yet.
    stages: BTreeMap<u16, usize>,
    /// Per rank: items whose needs are met.
    startable: BTreeMap<u16, VecDeque<Index>>,
    held: Vec<Held>,
    running: usize,
}

impl Schedule {
    /// The order in which items are applied.
    #[must_use]
    pub fn for_apply(items: &[Item]) -> Self {
        let mut schedule = Self {
            nodes: items.iter().map(Node::of).collect(),
            stages: BTreeMap::new(),
            startable: BTreeMap::new(),
            held: Vec::new(),
            running: 0,
        };
        for item in items {
            if item.state == ItemState::Work {
                *schedule.stages.entry(item.rank).or_default() += 1;
            }
        }
        schedule.connect(items);
        for (index, item) in items.iter().enumerate() {
            if item.state == ItemState::Broken {
                schedule.hold_dependants(index);
            }
        }
        for index in 0..schedule.nodes.len() {
            schedule.offer(index);
        }
        schedule
    }

    /// The next item that may start now; `None` when everything that is left waits for running
    /// items, or nothing is left.
    #[expect(clippy::should_implement_trait, reason = "more comes after None when items end")]
    pub fn next(&mut self) -> Option<Index> {
        let (rank, _) = self.stages.iter().find(|(_, left)| **left > 0)?;
        let index = self.startable.get_mut(rank)?.pop_front()?;
        let node = self.nodes.get_mut(index)?;
        node.phase = Phase::Running;
        self.running += 1;
        Some(index)
    }

    /// Starts one item before its stage, when it needs nothing: the home of the inventory has to
    /// exist before anything is recorded. False when it may not start.
    pub fn begin(&mut self, index: Index) -> bool {
        let Some(node) = self.nodes.get_mut(index) else { return false };
        if node.phase != Phase::Waiting || node.open_needs > 0 {
            return false;
        }
        node.phase = Phase::Running;
        let rank = node.rank;
        if let Some(queue) = self.startable.get_mut(&rank) {
            queue.retain(|queued| *queued != index);
        }
        self.running += 1;
        true
    }

    /// How many items were started and have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether an item has dependants that wait until it is ready.
    #[must_use]
    pub fn is_awaited(&self, index: Index) -> bool {
        self.nodes
            .get(index)
            .is_some_and(|node| node.needed_by.iter().any(|(_, need)| *need == Need::Ready))
    }

    /// The item was written. Its stage goes on; those that need it ready still wait.
    pub fn applied(&mut self, index: Index) {
        self.end(index, Phase::Applied);
        self.release(index, Need::Applied);
        if !self.is_awaited(index) {
            self.ready(index);
        }
    }

    /// The item is ready for those that need it.
    pub fn ready(&mut self, index: Index) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        if node.phase == Phase::Applied {
            node.phase = Phase::Ready;
            self.release(index, Need::Ready);
        }
    }

    /// The item failed, or never became ready. Those that are held because of it are told by
    /// [`Schedule::take_held`].
    pub fn failed(&mut self, index: Index) {
        self.end(index, Phase::Broken);
        self.hold_dependants(index);
    }

    /// Items that were held since the last call.
    pub fn take_held(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.held)
    }

    /// Items that have neither been started nor held: what is left after a stop.
    pub fn not_started(&self) -> impl Iterator<Item = Index> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.phase == Phase::Waiting)
            .map(|(index, _)| index)
    }

    fn connect(&mut self, items: &[Item]) {
        let by_id: HashMap<&ObjectRef, Index> =
            items.iter().enumerate().map(|(index, item)| (&item.id, index)).collect();
        let by_kind: HashMap<&GroupKind, Index> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((item.defines.as_ref()?, index)))
            .collect();
        // What is as it should be waits for nobody.
        let work = items.iter().enumerate().filter(|(_, item)| item.state == ItemState::Work);
        for (index, item) in work {
            let namespace = ObjectRef::new(GroupKind::new("", "Namespace"), "", &item.id.namespace);
            let needed = by_id
                .get(&namespace)
                .into_iter()
                .chain(by_kind.get(&item.id.group_kind()))
                .map(|target| (*target, Need::Ready))
                .chain(
                    item.needs
                        .iter()
                        .filter_map(|id| by_id.get(id))
                        .map(|target| (*target, Need::Applied)),
                );
            for (target, need) in needed {
                self.edge(index, target, need);
            }
        }
    }

    /// An edge against the ranks, or to oneself, would wait for ever: stages already order it.
    fn edge(&mut self, index: Index, target: Index, need: Need) {
        let Some(rank) = self.nodes.get(index).map(|node| node.rank) else { return };
        let Some(node) = self.nodes.get_mut(target) else { return };
        let forward = node.rank < rank || (node.rank == rank && need == Need::Ready);
        if index == target || !forward || node.phase == Phase::Ready {
            return;
        }
        node.needed_by.push((index, need));
        if let Some(node) = self.nodes.get_mut(index) {
            node.open_needs += 1;
        }
    }

    fn offer(&mut self, index: Index) {
        let Some(node) = self.nodes.get(index) else { return };
        if node.phase == Phase::Waiting && node.open_needs == 0 {
            self.startable.entry(node.rank).or_default().push_back(index);
        }
    }

    fn end(&mut self, index: Index, phase: Phase) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let before = std::mem::replace(&mut node.phase, phase);
        let rank = node.rank;
        if before == Phase::Running {
            self.running -= 1;
        }
        if matches!(before, Phase::Running | Phase::Waiting)
            && let Some(left) = self.stages.get_mut(&rank)
        {
            *left = left.saturating_sub(1);
        }
    }

    fn release(&mut self, index: Index, met: Need) {
        let Some(node) = self.nodes.get(index) else { return };
        let freed: Vec<Index> = node
            .needed_by
            .iter()
            .filter(|(_, need)| *need == met)
            .map(|(dependant, _)| *dependant)
            .collect();
        for dependant in freed {
            if let Some(node) = self.nodes.get_mut(dependant) {
                node.open_needs = node.open_needs.saturating_sub(1);
            }
            self.offer(dependant);
        }
    }

    fn hold_dependants(&mut self, broken: Index) {
        let mut queue = VecDeque::from([broken]);
        while let Some(index) = queue.pop_front() {
            let Some(node) = self.nodes.get(index) else { continue };
            let dependants: Vec<Index> = node.needed_by.iter().map(|(index, _)| *index).collect();
            for dependant in dependants {
                let waits =
                    self.nodes.get(dependant).is_some_and(|node| node.phase == Phase::Waiting);
                if waits {
                    self.end(dependant, Phase::Broken);
                    self.held.push(Held { index: dependant, because_of: broken });
                    queue.push_back(dependant);
                }
            }
        }
    }
}

impl Node {
    fn of(item: &Item) -> Self {
        let phase = match item.state {
            ItemState::Work => Phase::Waiting,
            ItemState::Satisfied => Phase::Ready,
            ItemState::Broken => Phase::Broken,
        };
        Self { rank: item.rank, phase, open_needs: 0, needed_by: Vec::new() }
    }
}

/// The groups in which objects are deleted: what was applied last goes first. Objects of one
/// group may go at the same time.
#[must_use]
pub fn deletion_stages(mut objects: Vec<(u16, ObjectRef)>) -> Vec<Vec<ObjectRef>> {
    objects.sort_by(|(left_rank, left), (right_rank, right)| {
        right_rank.cmp(left_rank).then_with(|| left.cmp(right))
    });
    let mut stages: Vec<(u16, Vec<ObjectRef>)> = Vec::new();
    for (rank, id) in objects {
        match stages.last_mut() {
            Some((last, stage)) if *last == rank => stage.push(id),
            _ => stages.push((rank, vec![id])),
        }
    }
    stages.into_iter().map(|(_, stage)| stage).collect()
}

#[cfg(test)]
mod tests;
