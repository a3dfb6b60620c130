use super::*;
use crate::hook::HookObject;
use objects::{GroupKind, Object};
use proptest::prelude::*;
use serde_json::json;
use sync::Directives;

/// One document of a random tree: namespace, wave, what it needs, what it depends on, what is to be
/// done about it.
type Seed = (u8, i32, Option<usize>, Option<usize>, Option<Action>);

fn seeds() -> impl Strategy<Value = Seed> {
    let other = |weight| proptest::option::weighted(weight, 0_usize..30);
    let action = prop_oneof![
        6 => Just(None),
        2 => Just(Some(Action::Update)),
        1 => Just(Some(Action::Create)),
        1 => Just(Some(Action::Invalid)),
        1 => Just(Some(Action::Keep)),
    ];
    (0_u8..3, prop_oneof![4 => Just(0), 1 => -1_i32..2], other(0.3), other(0.15), action)
}

fn id(kind: &str, n: usize) -> ObjectRef {
    ObjectRef::new(GroupKind::new("", kind), "default", format!("o{n}"))
}

/// The namespace, objects in it, documents that cannot be delivered, and hooks.
fn tree(objects: &[Seed], hooks: &[Seed], invalid: usize) -> (DesiredSet, Vec<HookRun>) {
    let desired = |n: usize, kind: &str, seed: &Seed| {
        let (_, wave, needs, after, _) = *seed;
        let document =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": format!("o{n}")}});
        let mut desired = Desired::of(&Object::from_value(document).unwrap(), "shop");
        desired.rank = u16::from(seed.0);
        desired.needs = needs.map(|n| id("ConfigMap", n)).into_iter().collect();
        let depends_on = after.map(|n| id("ConfigMap", n)).into_iter().collect();
        let directives = Directives { wave, depends_on, ..Directives::default() };
        desired.directives = (directives != Directives::default()).then(|| Box::new(directives));
        desired
    };
    let all = objects.iter().enumerate();
    let mut set = DesiredSet::of(all.map(|(n, seed)| desired(n, "ConfigMap", seed)).collect());
    for n in 0..invalid {
        set.invalid.push(Operation::new(Action::Invalid, id("Secret", n)));
    }
    let mut runs = Vec::new();
    for (index, seed) in hooks.iter().enumerate() {
        let hook = HookObject::new(desired(index, "Job", seed));
        let (id, wave, rank) = (hook.desired.id.clone(), seed.1, hook.desired.rank);
        runs.push(HookRun { index, phase: Phase::Sync, id, wave, rank });
        set.hooks.push(hook);
    }
    (set, runs)
}

/// What starts after what, who is held because of whom, when every third one fails.
fn led(mut schedule: Schedule) -> (Vec<usize>, Vec<sync::schedule::Held>) {
    let (mut started, mut held) = (Vec::new(), schedule.take_held());
    loop {
        let Some(index) = schedule.next() else { return (started, held) };
        started.push(index);
        if index % 3 == 2 {
            schedule.failed(index);
        } else {
            schedule.applied(index);
            schedule.ready(index);
        }
        held.extend(schedule.take_held());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn the_order_of_those_with_a_say_is_the_order_of_all(
        objects in proptest::collection::vec(seeds(), 0..30),
        hooks in proptest::collection::vec(seeds(), 0..3),
        invalid in 0_usize..3,
    ) {
        let (set, runs) = tree(&objects, &hooks, invalid);
        let operation = |(n, seed): (usize, &Seed)| {
            seed.4.map(|action| Box::new(Operation::new(action, id("ConfigMap", n))))
        };
        let by_index: Vec<_> = objects.iter().enumerate().map(operation).collect();
        let seen: Vec<Option<Seen>> = objects.iter().map(|_| None).collect();
        let ordered = Ordered::new(&set, &by_index, &seen, &runs);
        let (part, whole) = (ordered.schedule(), ordered.of((0..ordered.len()).collect()));
        prop_assert_eq!(part.circles(), whole.circles());
        prop_assert_eq!(part.unknown(), whole.unknown());
        prop_assert_eq!(led(part), led(whole));
    }
}
