//! In which order work may start, and who waits for whom.
//!
//! Pure bookkeeping over indices: the caller starts what [`Schedule::next`] gives, as many at once
//! as it likes, and says how each ended. Three rules decide:
//!
//! - **waves**: a wave begins when everything of the earlier ones is ready; when something of them
//!   fails, all later ones are held;
//! - **stages** of a wave: a rank ([`objects::order`]) starts when every lower one has ended, well
//!   or not;
//! - **edges**: an item waits until what it needs is *ready* (a namespace active, a CRD served, an
//!   explicit dependency healthy) or *applied* (a ConfigMap that a Pod mounts); when that fails,
//!   the item is held, and what needs the item as well, each with the name of the broken one.
//!
//! A failed item fails only itself, those that need it and later waves (gitops 7). Objects that
//! depend on each other in a circle are broken from the start ([`Schedule::circles`]).
//!
//! Most items of a run are as they should be. [`Schedule::of_part`] is made of those alone that
//! have a say ([`crate::part`]), and goes as the one of all would.

use crate::graph::{Graph, Need, Stage};
use objects::{GroupKind, ObjectRef};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An item's place in the list that the schedule was made from.
pub type Index = usize;

/// One object of the tree.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its identity.
    pub id: ObjectRef,
    /// Its wave: lower ones first.
    pub wave: i32,
    /// Its rank in the wave: lower ones first.
    pub rank: u16,
    /// The kind that it defines, for a CustomResourceDefinition.
    pub defines: Option<GroupKind>,
    /// Objects that it names; those outside the list are taken to exist.
    pub needs: Vec<ObjectRef>,
    /// Objects that have to be ready first, because the document says so.
    pub after: Vec<ObjectRef>,
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
    /// It is as it should be and not ready yet.
    Unready,
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

struct Node {
    stage: Stage,
    phase: Phase,
    open_needs: usize,
    needed_by: Vec<(Index, Need)>,
}

/// The order of one run. Inside, items are known by their slot: their place among those that the
/// schedule was made of.
pub struct Schedule {
    /// By slot: the item's index, ascending.
    places: Vec<Index>,
    nodes: Vec<Node>,
    /// Per stage: how many items have not ended yet.
    stages: BTreeMap<Stage, usize>,
    /// Per stage: items whose needs are met.
    startable: BTreeMap<Stage, VecDeque<Index>>,
    /// Per wave: how many items are not ready and may become so. Empty with a single wave.
    unready: BTreeMap<i32, usize>,
    /// Waves after this one are held.
    stopped_after: Option<i32>,
    /// By slot.
    held: Vec<Held>,
    running: usize,
    circles: Vec<Vec<Index>>,
    unknown: Vec<(Index, ObjectRef)>,
}

impl Schedule {
    /// The order in which items are applied.
    #[must_use]
    pub fn for_apply(items: &[Item]) -> Self {
        Self::of_part((0..items.len()).collect(), items)
    }

    /// As [`Schedule::for_apply`] of a list of which these items are a part; `places` says where
    /// in it each of them stands, in ascending order.
    ///
    /// It goes as the schedule of the whole list when the part is that of
    /// [`crate::part::with_a_say`] and has no [`Schedule::circles`]: where a circle is entered
    /// depends on those that hang on it.
    #[must_use]
    pub fn of_part(places: Vec<Index>, items: &[Item]) -> Self {
        let Graph { stages, needs, circles, unknown } = Graph::of(items);
        let mut nodes: Vec<Node> =
            items.iter().zip(&stages).map(|(item, stage)| Node::of(item, *stage)).collect();
        let hopeless = circles.iter().flatten().chain(unknown.iter().map(|(index, _)| index));
        for index in hopeless {
            if let Some(node) = nodes.get_mut(*index) {
                node.phase = Phase::Broken;
            }
        }
        let mut schedule = Self {
            places,
            nodes,
            stages: BTreeMap::new(),
            startable: BTreeMap::new(),
            unready: BTreeMap::new(),
            stopped_after: None,
            held: Vec::new(),
            running: 0,
            circles,
            unknown,
        };
        schedule.count();
        for (index, needs) in needs.into_iter().enumerate() {
            // What is as it should be waits for nobody.
            if schedule.nodes.get(index).is_some_and(|node| node.phase == Phase::Waiting) {
                needs.into_iter().for_each(|(target, need)| schedule.edge(index, target, need));
            }
        }
        for index in 0..schedule.nodes.len() {
            if schedule.nodes.get(index).is_some_and(|node| node.phase == Phase::Broken) {
                schedule.hold_dependants(index);
            }
        }
        for index in 0..schedule.nodes.len() {
            schedule.offer(index);
        }
        schedule.place_all();
        schedule
    }

    /// What is told of circles and unknown dependencies is told by index.
    fn place_all(&mut self) {
        let places = &self.places;
        let place = |slot: &mut Index| *slot = places.get(*slot).copied().unwrap_or(usize::MAX);
        self.circles.iter_mut().flatten().for_each(place);
        self.unknown.iter_mut().for_each(|(slot, _)| place(slot));
    }

    /// The index of the item in a slot.
    fn place(&self, slot: usize) -> Option<Index> {
        self.places.get(slot).copied()
    }

    /// The slot of an item; none when it is not part of this schedule.
    fn slot(&self, index: Index) -> Option<usize> {
        if self.places.get(index) == Some(&index) {
            return Some(index);
        }
        self.places.binary_search(&index).ok()
    }

    /// Objects that depend on each other in a circle, in the order of waiting.
    #[must_use]
    pub fn circles(&self) -> &[Vec<Index>] {
        &self.circles
    }

    /// Objects that depend on one that is not in the list.
    #[must_use]
    pub fn unknown(&self) -> &[(Index, ObjectRef)] {
        &self.unknown
    }

    /// Items that need no work but are waited for by others.
    #[must_use]
    pub fn awaited_from_the_start(&self) -> Vec<Index> {
        let applied =
            self.nodes.iter().enumerate().filter(|(_, node)| node.phase == Phase::Applied);
        let awaited = applied.map(|(slot, _)| slot).filter(|slot| self.is_waited_for(*slot));
        awaited.filter_map(|slot| self.place(slot)).collect()
    }

    fn count(&mut self) {
        let waves: BTreeSet<i32> = self.nodes.iter().map(|node| node.stage.0).collect();
        for node in &self.nodes {
            if node.phase == Phase::Waiting {
                *self.stages.entry(node.stage).or_default() += 1;
            }
            if waves.len() > 1 && node.is_open() {
                *self.unready.entry(node.stage.0).or_default() += 1;
            }
        }
    }

    /// The next item that may start now; `None` when everything that is left waits for running
    /// items or for readiness, or nothing is left.
    #[expect(clippy::should_implement_trait, reason = "more comes after None when items end")]
    pub fn next(&mut self) -> Option<Index> {
        let (stage, _) = self.stages.iter().find(|(_, left)| **left > 0)?;
        if self.unready.range(..stage.0).any(|(_, unready)| *unready > 0) {
            return None;
        }
        let slot = self.startable.get_mut(stage)?.pop_front()?;
        let node = self.nodes.get_mut(slot)?;
        node.phase = Phase::Running;
        self.running += 1;
        self.place(slot)
    }

    /// Starts one item before its stage, when it needs nothing: the home of the inventory has to
    /// exist before anything is recorded. False when it may not start.
    pub fn begin(&mut self, index: Index) -> bool {
        let Some(slot) = self.slot(index) else { return false };
        let Some(node) = self.nodes.get_mut(slot) else { return false };
        if node.phase != Phase::Waiting || node.open_needs > 0 {
            return false;
        }
        node.phase = Phase::Running;
        let stage = node.stage;
        if let Some(queue) = self.startable.get_mut(&stage) {
            queue.retain(|queued| *queued != slot);
        }
        self.running += 1;
        true
    }

    /// How many items were started and have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether others wait until an item is ready: dependants, or later waves.
    #[must_use]
    pub fn is_awaited(&self, index: Index) -> bool {
        self.slot(index).is_some_and(|slot| self.is_waited_for(slot))
    }

    fn is_waited_for(&self, slot: usize) -> bool {
        self.nodes.get(slot).is_some_and(|node| {
            node.needed_by.iter().any(|(_, need)| *need == Need::Ready)
                || !self.unready.is_empty()
                    && self.stages.iter().any(|(stage, left)| stage.0 > node.stage.0 && *left > 0)
        })
    }

    /// The item was written. Its stage goes on; those that need it ready still wait.
    pub fn applied(&mut self, index: Index) {
        let Some(slot) = self.slot(index) else { return };
        self.end(slot, Phase::Applied);
        self.release(slot, Need::Applied);
        if !self.is_waited_for(slot) {
            self.turned_ready(slot);
        }
    }

    /// The item is ready for those that need it.
    pub fn ready(&mut self, index: Index) {
        if let Some(slot) = self.slot(index) {
            self.turned_ready(slot);
        }
    }

    /// The item failed, or never became ready. Those that are held because of it are told by
    /// [`Schedule::take_held`].
    pub fn failed(&mut self, index: Index) {
        let Some(slot) = self.slot(index) else { return };
        self.end(slot, Phase::Broken);
        self.hold_dependants(slot);
    }

    /// Items that were held since the last call.
    pub fn take_held(&mut self) -> Vec<Held> {
        let held = std::mem::take(&mut self.held).into_iter();
        held.filter_map(|Held { index, because_of }| {
            Some(Held { index: self.place(index)?, because_of: self.place(because_of)? })
        })
        .collect()
    }

    /// Items that have neither been started nor held: what is left after a stop.
    pub fn not_started(&self) -> impl Iterator<Item = Index> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.phase == Phase::Waiting)
            .filter_map(|(slot, _)| self.place(slot))
    }

    fn turned_ready(&mut self, slot: usize) {
        let Some(node) = self.nodes.get_mut(slot) else { return };
        if node.phase == Phase::Applied {
            node.phase = Phase::Ready;
            let wave = node.stage.0;
            self.no_longer_unready(wave);
            self.release(slot, Need::Ready);
        }
    }

    /// What is ready already need not be waited for.
    fn edge(&mut self, index: Index, target: Index, need: Need) {
        let Some(node) = self.nodes.get_mut(target) else { return };
        let met = match node.phase {
            Phase::Ready => true,
            Phase::Applied => need == Need::Applied,
            _ => false,
        };
        if met || index == target {
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
            self.startable.entry(node.stage).or_default().push_back(index);
        }
    }

    fn end(&mut self, index: Index, phase: Phase) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let was_open = node.is_open();
        let before = std::mem::replace(&mut node.phase, phase);
        let (stage, is_open) = (node.stage, node.is_open());
        if before == Phase::Running {
            self.running -= 1;
        }
        if matches!(before, Phase::Running | Phase::Waiting)
            && let Some(left) = self.stages.get_mut(&stage)
        {
            *left = left.saturating_sub(1);
        }
        if was_open && !is_open {
            self.no_longer_unready(stage.0);
        }
    }

    fn no_longer_unready(&mut self, wave: i32) {
        if let Some(unready) = self.unready.get_mut(&wave) {
            *unready = unready.saturating_sub(1);
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
                if self.hold(dependant, broken) {
                    queue.push_back(dependant);
                }
            }
        }
        self.hold_later_waves(broken);
    }

    fn hold_later_waves(&mut self, broken: Index) {
        let Some(wave) = self.nodes.get(broken).map(|node| node.stage.0) else { return };
        if self.stages.last_key_value().is_none_or(|(stage, _)| stage.0 <= wave)
            || self.stopped_after.is_some_and(|stopped| stopped <= wave)
        {
            return;
        }
        self.stopped_after = Some(wave);
        for index in 0..self.nodes.len() {
            if self.nodes.get(index).is_some_and(|node| node.stage.0 > wave) {
                self.hold(index, broken);
            }
        }
    }

    fn hold(&mut self, index: Index, because_of: Index) -> bool {
        let waits = self.nodes.get(index).is_some_and(|node| node.phase == Phase::Waiting);
        if waits {
            self.end(index, Phase::Broken);
            self.held.push(Held { index, because_of });
        }
        waits
    }
}

impl Node {
    fn of(item: &Item, stage: Stage) -> Self {
        let phase = match item.state {
            ItemState::Work => Phase::Waiting,
            ItemState::Satisfied => Phase::Ready,
            ItemState::Unready => Phase::Applied,
            ItemState::Broken => Phase::Broken,
        };
        Self { stage, phase, open_needs: 0, needed_by: Vec::new() }
    }

    /// It is not ready and may become so.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Running | Phase::Applied)
    }
}

/// The groups in which objects are deleted: what was applied last goes first, by wave and rank.
/// Objects of one group may go at the same time.
#[must_use]
pub fn deletion_stages(mut objects: Vec<((i32, u16), ObjectRef)>) -> Vec<Vec<ObjectRef>> {
    objects.sort_by(|(left_stage, left), (right_stage, right)| {
        right_stage.cmp(left_stage).then_with(|| left.cmp(right))
    });
    let mut stages: Vec<((i32, u16), Vec<ObjectRef>)> = Vec::new();
    for (at, id) in objects {
        match stages.last_mut() {
            Some((last, stage)) if *last == at => stage.push(id),
            _ => stages.push((at, vec![id])),
        }
    }
    stages.into_iter().map(|(_, stage)| stage).collect()
}

#[cfg(test)]
mod tests;
