use super::*;
use proptest::prelude::*;

fn id(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(GroupKind::new("", kind), namespace, name)
}

fn item(id: ObjectRef, rank: u16) -> Item {
    Item { id, rank, defines: None, needs: vec![], state: ItemState::Work }
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

#[test]
fn deletion_runs_in_reverse() {
    let objects = tree().into_iter().map(|item| (item.rank, item.id)).collect();
    let stages: Vec<usize> = deletion_stages(objects).iter().map(Vec::len).collect();
    assert_eq!(stages, [1, 1, 2, 1, 1]);
}

/// A random tree: namespaces, CRDs, objects in and of them, with references among them.
fn trees() -> impl Strategy<Value = Vec<Item>> {
    proptest::collection::vec((0_u16..6, 0_u8..4, 0_usize..12, any::<bool>()), 1..40).prop_map(
        |seeds| {
            let mut items: Vec<Item> = Vec::new();
            for (n, (rank, namespace, needs, work)) in seeds.into_iter().enumerate() {
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
                items.push(Item { id, rank, defines, needs, state });
            }
            items
        },
    )
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
