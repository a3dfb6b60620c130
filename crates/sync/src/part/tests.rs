use super::*;
use crate::schedule::{Held, Item, ItemState, Schedule};
use objects::GroupKind;
use proptest::prelude::*;
use std::collections::HashMap;

/// An item with its kind.
#[derive(Debug, Clone)]
struct One {
    item: Item,
    kind: usize,
}

const KINDS: [&str; 5] = ["Namespace", "CustomResourceDefinition", "Widget", "ConfigMap", "Pod"];

fn kinds() -> Vec<GroupVersionKind> {
    KINDS.iter().map(|kind| GroupVersionKind::from_api_version("v1", kind)).collect()
}

fn id(kind: usize, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(GroupKind::new("", KINDS[kind]), namespace, name)
}

/// What one item of a random tree is made of.
#[derive(Debug, Clone)]
struct Seed {
    kind: usize,
    namespace: u8,
    rank: u16,
    wave: i32,
    needs: Option<usize>,
    after: Option<usize>,
    state: ItemState,
}

fn seeds() -> impl Strategy<Value = Seed> {
    let state = prop_oneof![
        8 => Just(ItemState::Satisfied),
        2 => Just(ItemState::Work),
        1 => Just(ItemState::Unready),
        1 => Just(ItemState::Broken),
    ];
    let wave = prop_oneof![6 => Just(0), 2 => -1_i32..3];
    let needs = proptest::option::weighted(0.4, 0_usize..40);
    let after = proptest::option::weighted(0.1, 0_usize..40);
    (0_usize..5, 0_u8..3, 0_u16..4, wave, needs, after, state).prop_map(
        |(kind, namespace, rank, wave, needs, after, state)| Seed {
            kind,
            namespace,
            rank,
            wave,
            needs,
            after,
            state,
        },
    )
}

/// Random trees, also with circles and with dependencies on what is not there.
fn trees() -> impl Strategy<Value = Vec<One>> {
    proptest::collection::vec(seeds(), 1..40).prop_map(|seeds| {
        let identity = |n: usize, seed: &Seed| match seed.kind {
            0 => id(0, "", &format!("n{}", seed.namespace)),
            1 => id(1, "", &format!("c{n}")),
            kind => id(kind, &format!("n{}", seed.namespace), &format!("o{n}")),
        };
        let ids: Vec<ObjectRef> =
            seeds.iter().enumerate().map(|(n, seed)| identity(n, seed)).collect();
        let other = |n: usize| ids.get(n).cloned().unwrap_or_else(|| id(3, "n0", "absent"));
        let mut all: Vec<One> = Vec::new();
        for (n, seed) in seeds.iter().enumerate() {
            let id = ids[n].clone();
            if all.iter().any(|one| one.item.id == id) {
                continue;
            }
            let item = Item {
                id,
                wave: seed.wave,
                // Namespaces and definitions come first, as in every tree.
                rank: if seed.kind < 2 { u16::from(seed.kind == 1) } else { 10 + seed.rank },
                defines: (seed.kind == 1).then(|| GroupKind::new("", "Widget")),
                needs: seed.needs.map(other).into_iter().collect(),
                after: seed.after.map(other).into_iter().collect(),
                state: seed.state.clone(),
            };
            all.push(One { item, kind: seed.kind });
        }
        all
    })
}

fn part(tree: &[One], kinds: &[GroupVersionKind]) -> Vec<Index> {
    let by_id: HashMap<&ObjectRef, Index> =
        tree.iter().enumerate().map(|(index, one)| (&one.item.id, index)).collect();
    let glance = |index: Index| {
        let One { item, kind } = tree.get(index)?;
        Some(Glance {
            id: &item.id,
            kind: kinds.get(*kind),
            wave: item.wave,
            needs: &item.needs,
            after: &item.after,
            is_settled: item.state == ItemState::Satisfied && item.defines.is_none(),
        })
    };
    with_a_say(tree.len(), glance, |id| by_id.get(id).copied())
}

/// Everything that a schedule says while it is led through `fates`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Started(Index),
    Held(Held),
    Awaited(Index, bool),
}

fn led(mut schedule: Schedule, fates: &[(bool, bool, u8)]) -> Vec<Said> {
    let mut said: Vec<Said> = schedule
        .awaited_from_the_start()
        .into_iter()
        .map(|index| Said::Awaited(index, true))
        .collect();
    let mut unready = schedule.awaited_from_the_start();
    let mut running = Vec::new();
    let mut fates = fates.iter().cycle();
    loop {
        while let Some(index) = schedule.next() {
            said.push(Said::Started(index));
            running.push(index);
        }
        said.extend(schedule.take_held().into_iter().map(Said::Held));
        let (fine, ready_first, pick) = *fates.next().unwrap_or(&(true, false, 0));
        if !unready.is_empty() && (ready_first || running.is_empty()) {
            let index = unready.swap_remove(usize::from(pick) % unready.len());
            if fine { schedule.ready(index) } else { schedule.failed(index) }
        } else if !running.is_empty() {
            let index = running.swap_remove(usize::from(pick) % running.len());
            if fine {
                schedule.applied(index);
                let awaited = schedule.is_awaited(index);
                said.push(Said::Awaited(index, awaited));
                unready.extend(awaited.then_some(index));
            } else {
                schedule.failed(index);
            }
        } else {
            break;
        }
    }
    said.extend(schedule.not_started().map(Said::Started));
    said
}

#[test]
fn of_a_large_tree_with_one_change_a_handful_of_items_has_a_say() {
    let kinds = kinds();
    let mut tree: Vec<One> = (0..10_000)
        .map(|n| {
            let kind = if n % 2 == 0 { 3 } else { 4 };
            let item = Item {
                id: id(kind, "shop", &format!("o{n}")),
                wave: 0,
                rank: 10,
                defines: None,
                needs: vec![id(3, "shop", "o0")],
                after: Vec::new(),
                state: ItemState::Satisfied,
            };
            One { item, kind }
        })
        .collect();
    tree[7_000].item.state = ItemState::Work;
    assert_eq!(part(&tree, &kinds), [0, 1, 7_000]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_part_goes_as_the_whole_whatever_fails_and_in_whatever_order(
        tree in trees(),
        fates in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<u8>()), 60),
    ) {
        let kinds = kinds();
        let items: Vec<Item> = tree.iter().map(|one| one.item.clone()).collect();
        let places = part(&tree, &kinds);
        let kept: Vec<Item> = places.iter().map(|index| items[*index].clone()).collect();
        let whole = Schedule::for_apply(&items);
        let of_part = Schedule::of_part(places, &kept);
        prop_assert_eq!(of_part.circles().is_empty(), whole.circles().is_empty());
        if whole.circles().is_empty() {
            prop_assert_eq!(of_part.unknown(), whole.unknown());
            prop_assert_eq!(led(of_part, &fates), led(whole, &fates));
        }
    }
}
