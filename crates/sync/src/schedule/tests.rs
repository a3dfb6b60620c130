use super::*;
use proptest::prelude::*;

fn id(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(GroupKind::new("", kind), namespace, name)
}

fn item(id: ObjectRef, rank: u16) -> Item {
    Item { id, wave: 0, rank, defines: None, needs: vec![], after: vec![], state: ItemState::Work }
}

/// A namespace, a CRD, an object of it in the namespace, a ConfigMap and a Pod that mounts it.
fn tree() -> Vec<Item> {
    let widget = ObjectRef::new(GroupKind::new("example.com", "Widget"), "shop", "w");
    let crd = ObjectRef::new(GroupKind::new("x", "CustomResourceDefinition"), "", "widgets");
    vec![
        Item {
            needs: vec![id("ConfigMap", "shop", "settings")],
            ..item(id("Pod", "shop", "web"), 30)
        },
        item(widget, 40),
        item(id("ConfigMap", "shop", "settings"), 20),
        Item { defines: Some(GroupKind::new("example.com", "Widget")), ..item(crd, 10) },
        item(id("Namespace", "", "shop"), 0),
        item(id("ConfigMap", "other", "free"), 20),
    ]
}

const POD: Index = 0;
const WIDGET: Index = 1;
const SETTINGS: Index = 2;
const CRD: Index = 3;
const NAMESPACE: Index = 4;
const FREE: Index = 5;
const NONE: [Index; 0] = [];

fn all(schedule: &mut Schedule) -> Vec<Index> {
    std::iter::from_fn(|| schedule.next()).collect()
}

#[test]
fn dependants_start_only_when_what_they_need_is_ready() {
    let mut schedule = Schedule::for_apply(&tree());
    assert_eq!(all(&mut schedule), [NAMESPACE]);
    schedule.applied(NAMESPACE);
    assert_eq!(all(&mut schedule), [CRD], "the next stage does not wait for readiness");
    schedule.applied(CRD);
    assert_eq!(all(&mut schedule), [FREE], "settings waits for its namespace to be active");
    schedule.ready(NAMESPACE);
    assert_eq!(all(&mut schedule), [SETTINGS]);
    schedule.applied(FREE);
    assert_eq!(all(&mut schedule), NONE, "the stage of settings has not ended");
    schedule.applied(SETTINGS);
    assert_eq!(all(&mut schedule), [POD]);
    schedule.applied(POD);
    assert_eq!(all(&mut schedule), NONE, "the widget waits for its kind to be served");
    schedule.ready(CRD);
    assert_eq!(all(&mut schedule), [WIDGET]);
    schedule.applied(WIDGET);
    assert_eq!((schedule.running(), schedule.not_started().count()), (0, 0));
}

#[test]
fn gitops_7_a_broken_object_holds_only_those_that_need_it() {
    let mut schedule = Schedule::for_apply(&tree());
    all(&mut schedule);
    schedule.applied(NAMESPACE);
    schedule.ready(NAMESPACE);
    assert_eq!(all(&mut schedule), [CRD]);
    schedule.failed(CRD);
    assert_eq!(schedule.take_held(), [Held { index: WIDGET, because_of: CRD }]);
    assert_eq!(all(&mut schedule), [FREE, SETTINGS]);
    schedule.failed(SETTINGS);
    assert_eq!(schedule.take_held(), [Held { index: POD, because_of: SETTINGS }]);
    schedule.applied(FREE);
    assert_eq!((all(&mut schedule), schedule.running()), (vec![], 0));
}

#[test]
fn gitops_7_the_reason_names_the_broken_object_and_not_one_that_is_held_itself() {
    let mut schedule = Schedule::for_apply(&tree());
    all(&mut schedule);
    schedule.failed(NAMESPACE);
    let mut held = schedule.take_held();
    held.sort_by_key(|held| held.index);
    let because = |index| Held { index, because_of: NAMESPACE };
    assert_eq!(held, [because(POD), because(WIDGET), because(SETTINGS)]);
    assert_eq!(all(&mut schedule), [CRD]);
}

#[test]
fn what_is_known_to_be_broken_or_ready_needs_no_work() {
    let mut items = tree();
    items[NAMESPACE].state = ItemState::Satisfied;
    items[CRD].state = ItemState::Broken;
    let mut schedule = Schedule::for_apply(&items);
    assert_eq!(schedule.take_held(), [Held { index: WIDGET, because_of: CRD }]);
    assert_eq!(all(&mut schedule), [SETTINGS, FREE]);
}

/// Three ConfigMaps of the waves -1, 0 and 2, and one of wave 0 that is not ready.
fn waves() -> Vec<Item> {
    let map = |name: &str, wave| Item { wave, ..item(id("ConfigMap", "", name), 20) };
    let unready = Item { state: ItemState::Unready, ..map("slow", 0) };
    vec![map("late", 2), map("middle", 0), map("early", -1), unready]
}

const SLOW: Index = 3;

#[test]
fn gitops_11_a_wave_begins_when_everything_of_the_earlier_ones_is_ready() {
    let mut schedule = Schedule::for_apply(&waves());
    assert_eq!(schedule.awaited_from_the_start(), [SLOW]);
    assert_eq!(all(&mut schedule), [2]);
    schedule.applied(2);
    assert!(schedule.is_awaited(2));
    assert_eq!(all(&mut schedule), NONE, "applied is not ready");
    schedule.ready(2);
    assert_eq!(all(&mut schedule), [1]);
    schedule.applied(1);
    schedule.ready(1);
    assert_eq!(all(&mut schedule), NONE, "what needed no work is not ready either");
    schedule.ready(SLOW);
    assert_eq!(all(&mut schedule), [0]);
    assert!(!schedule.is_awaited(0), "nobody waits for the last wave");
    schedule.applied(0);
    assert_eq!((schedule.running(), schedule.not_started().count()), (0, 0));
}

#[test]
fn gitops_11_a_failure_holds_later_waves_and_says_because_of_whom() {
    let mut schedule = Schedule::for_apply(&waves());
    all(&mut schedule);
    schedule.applied(2);
    schedule.ready(2);
    assert_eq!(all(&mut schedule), [1]);
    schedule.failed(1);
    assert_eq!(schedule.take_held(), [Held { index: 0, because_of: 1 }]);
    let mut items = waves();
    items[2].state = ItemState::Broken;
    let mut schedule = Schedule::for_apply(&items);
    let held: Vec<Index> = schedule.take_held().iter().map(|held| held.index).collect();
    assert_eq!(held, [0, 1]);
}

#[test]
fn gitops_11_a_namespace_is_pulled_into_the_wave_of_its_first_user() {
    let namespace = Item { wave: 5, ..item(id("Namespace", "", "shop"), 0) };
    let user = Item { wave: -5, ..item(id("ConfigMap", "shop", "a"), 20) };
    let mut schedule = Schedule::for_apply(&[user, namespace]);
    assert_eq!(all(&mut schedule), [1]);
    schedule.applied(1);
    schedule.ready(1);
    assert_eq!(all(&mut schedule), [0]);
}

#[test]
fn a_dependency_goes_against_ranks_and_waves_and_waits_until_it_is_ready() {
    let job = Item { wave: 1, ..item(id("Job", "shop", "schema"), 540) };
    let after = vec![id("Job", "", "schema")];
    let web = Item { after, ..item(id("Deployment", "shop", "web"), 520) };
    let needs = vec![web.id.clone()];
    let reader = Item { needs, wave: 1, ..item(id("Pod", "shop", "reader"), 530) };
    let mut schedule = Schedule::for_apply(&[web, job, reader]);
    assert_eq!(all(&mut schedule), [1]);
    schedule.applied(1);
    assert_eq!(all(&mut schedule), NONE);
    schedule.ready(1);
    assert_eq!(all(&mut schedule), [0], "and what references it goes behind it as well");
    schedule.applied(0);
    assert_eq!(all(&mut schedule), [2]);
}

#[test]
fn a_circle_is_named_and_holds_only_what_hangs_on_it() {
    let map = |name: &str, after: &[&str]| {
        let after = after.iter().map(|name| id("ConfigMap", "", name)).collect();
        Item { after, ..item(id("ConfigMap", "", name), 20) }
    };
    let items = [
        map("a", &["b"]),
        map("b", &["c"]),
        map("c", &["a"]),
        map("hangs", &["b"]),
        map("free", &[]),
        map("self", &["self"]),
        map("typo", &["nobody"]),
    ];
    let mut schedule = Schedule::for_apply(&items);
    assert_eq!(schedule.circles(), [vec![0, 1, 2], vec![5]]);
    assert_eq!(schedule.unknown(), [(6, id("ConfigMap", "", "nobody"))]);
    assert_eq!(all(&mut schedule), [4]);
    assert_eq!(schedule.take_held(), [Held { index: 3, because_of: 1 }]);
}

#[test]
fn deletion_runs_in_reverse() {
    let objects = tree().into_iter().map(|item| ((0, item.rank), item.id)).collect();
    let stages: Vec<usize> = deletion_stages(objects).iter().map(Vec::len).collect();
    assert_eq!(stages, [1, 1, 2, 1, 1]);
}

/// A random tree: namespaces, CRDs, objects in and of them, with references among them.
fn trees() -> impl Strategy<Value = Vec<Item>> {
    proptest::collection::vec((0_u16..6, 0_u8..4, 0_usize..12, any::<bool>(), -1_i32..2), 1..40)
        .prop_map(|seeds| {
            let mut items: Vec<Item> = Vec::new();
            for (n, (rank, namespace, needs, work, wave)) in seeds.into_iter().enumerate() {
                let id = match rank {
                    0 => id("Namespace", "", &format!("n{namespace}")),
                    1 => id("CustomResourceDefinition", "", &format!("c{n}")),
                    5 => id("Widget", &format!("n{namespace}"), &format!("w{n}")),
                    _ => id("ConfigMap", &format!("n{namespace}"), &format!("m{n}")),
                };
                if items.iter().any(|item| item.id == id) {
                    continue;
                }
                let defines = (rank == 1).then(|| GroupKind::new("", "Widget"));
                let needs = items.get(needs).map(|item| item.id.clone()).into_iter().collect();
                let state = if work { ItemState::Work } else { ItemState::Satisfied };
                items.push(Item { defines, needs, state, wave, ..item(id, rank) });
            }
            items
        })
}

proptest! {
    #[test]
    fn every_item_ends_once_whatever_fails_and_in_whatever_order(
        items in trees(), fates in proptest::collection::vec((any::<bool>(), any::<u8>()), 80),
    ) {
        let mut schedule = Schedule::for_apply(&items);
        let (mut running, mut unready) = (Vec::new(), Vec::new());
        let mut ended = vec![0; items.len()];
        let mut ready = vec![false; items.len()];
        let mut fates = fates.into_iter().cycle();
        loop {
            for index in std::iter::from_fn(|| schedule.next()) {
                let namespace = id("Namespace", "", &items[index].id.namespace);
                let home = items.iter().position(|item| item.id == namespace);
                if let Some(home) = home && items[home].state == ItemState::Work {
                    prop_assert!(ready[home], "started before its namespace was ready");
                }
                running.push(index);
            }
            for held in schedule.take_held() {
                ended[held.index] += 1;
            }
            let (fine, pick) = fates.next().unwrap_or((true, 0));
            if !running.is_empty() {
                let index = running.swap_remove(usize::from(pick) % running.len());
                ended[index] += 1;
                if fine {
                    schedule.applied(index);
                    unready.push(index);
                } else {
                    schedule.failed(index);
                }
            } else if let Some(index) = unready.pop() {
                ready[index] = true;
                schedule.ready(index);
            } else {
                break;
            }
        }
        for (index, item) in items.iter().enumerate() {
            let expected = usize::from(item.state == ItemState::Work);
            prop_assert_eq!(ended[index], expected, "{} ended", item.id);
        }
        prop_assert_eq!(schedule.not_started().count(), 0);
    }
}
