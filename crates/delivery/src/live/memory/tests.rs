use super::*;
use crate::live::{DriftKind, LiveEvents};
use serde_json::json;

const NAME: &str = "shop";
const OURS: &str = "orlop-sync-shop";

fn memory() -> (Memory, LiveEvents) {
    let memory = Memory::new(OURS.to_owned(), Masker::new([7; 32]), None);
    let events = LiveEvents(memory.listen());
    (memory, events)
}

fn document(name: &str, value: &str) -> Object {
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name}, "data": {"k": value}}))
    .unwrap()
}

fn desired(name: &str, value: &str) -> Desired {
    Desired::of(&document(name, value), NAME)
}

fn aim(memory: &Memory, objects: Vec<Desired>) -> Arc<DesiredSet> {
    let set = Arc::new(DesiredSet::of(objects));
    memory.aim(&set);
    set
}

/// A live object that we applied; `value` is what it has now.
fn live(name: &str, value: &str, version: u64) -> Object {
    let label = "orlop.dev/delivery";
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string(), "labels": {label: NAME},
            "managedFields": [{"manager": OURS, "operation": "Apply", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "time": format!("{version}"), "fieldsV1": {
                    "f:data": {"f:k": {}}, "f:metadata": {"f:labels": {format!("f:{label}"): {}}}}}]},
        "data": {"k": value}}))
    .unwrap()
}

fn gvk() -> GroupVersionKind {
    GroupVersionKind::from_api_version("v1", "ConfigMap")
}

fn is_clean(memory: &Memory, desired: &Desired) -> bool {
    matches!(memory.recall(desired), Recalled::Clean(..))
}

/// The drifts that were told so far.
fn told(events: &mut LiveEvents) -> Vec<Arc<Drift>> {
    let mut drifts = Vec::new();
    while let Ok(event) = events.0.try_recv() {
        if let LiveEvent::Drift(drift) = event {
            drifts.push(drift);
        }
    }
    drifts
}

#[test]
fn a_proven_object_is_clean_for_exactly_the_document_it_was_proven_for() {
    let (memory, mut events) = memory();
    let set = aim(&memory, vec![desired("a", "1")]);
    assert!(matches!(memory.recall(&set.objects[0]), Recalled::Unseen));
    memory.seen(&gvk(), &live("a", "1", 5), true);
    assert!(is_clean(&memory, &set.objects[0]));
    let next = aim(&memory, vec![desired("a", "2")]);
    assert!(!is_clean(&memory, &next.objects[0]));
    assert_eq!(told(&mut events), [], "what Git changed has not drifted");
    memory.wrote(&gvk(), &live("a", "2", 6));
    assert!(is_clean(&memory, &next.objects[0]));
}

#[test]
fn gitops_22_a_drift_is_told_once_until_it_changes_and_ends_with_the_revert() {
    let (memory, mut events) = memory();
    let set = aim(&memory, vec![desired("a", "1")]);
    memory.seen(&gvk(), &live("a", "1", 5), true);
    memory.seen(&gvk(), &live("a", "x", 6), false);
    let drifts = told(&mut events);
    let DriftKind::Changed(fields) = &drifts[0].kind else { unreachable!("{drifts:?}") };
    assert_eq!((fields[0].path.as_str(), &fields[0].found), (".data.k", &Some(json!("x"))));
    memory.seen(&gvk(), &live("a", "x", 7), false);
    assert_eq!(told(&mut events), [], "the same again");
    memory.seen(&gvk(), &live("a", "y", 8), false);
    assert_eq!(told(&mut events).len(), 1, "another value");
    assert_eq!(memory.drifts().len(), 1);
    memory.wrote(&gvk(), &live("a", "1", 9));
    assert!(memory.drifts().is_empty() && is_clean(&memory, &set.objects[0]));
    memory.gone(&set.objects[0].id, "uid-a");
    assert_eq!(told(&mut events)[0].kind, DriftKind::Gone);
    assert!(matches!(memory.recall(&set.objects[0]), Recalled::Unseen));
}

#[test]
fn an_event_from_before_our_write_is_ignored_unless_it_comes_with_a_list() {
    let (memory, mut events) = memory();
    let set = aim(&memory, vec![desired("a", "1")]);
    memory.seen(&gvk(), &live("a", "1", 5), true);
    memory.wrote(&gvk(), &live("a", "1", 9));
    memory.seen(&gvk(), &live("a", "x", 7), false);
    assert!(is_clean(&memory, &set.objects[0]) && told(&mut events).is_empty());
    // A store that was restored: what is listed is what is.
    memory.seen(&gvk(), &live("a", "x", 7), true);
    assert!(!is_clean(&memory, &set.objects[0]));
    // After the event of our own write nothing is older by chance.
    memory.wrote(&gvk(), &live("a", "1", 11));
    memory.seen(&gvk(), &live("a", "1", 11), false);
    memory.seen(&gvk(), &live("a", "x", 10), false);
    assert!(!is_clean(&memory, &set.objects[0]));
}

#[test]
fn an_answer_that_comes_after_a_newer_event_changes_nothing() {
    let (memory, _events) = memory();
    let set = aim(&memory, vec![desired("a", "1")]);
    memory.seen(&gvk(), &live("a", "x", 12), false);
    memory.wrote(&gvk(), &live("a", "1", 11));
    assert!(!is_clean(&memory, &set.objects[0]));
}

#[test]
fn gitops_1_the_servers_word_holds_for_the_same_content_and_owners_only() {
    let (memory, _events) = memory();
    // Nobody can prove this without the server: it is stored in another form.
    let set = aim(&memory, vec![desired("a", "wanted")]);
    let stored = live("a", "stored", 5);
    memory.seen(&gvk(), &stored, true);
    assert!(!is_clean(&memory, &set.objects[0]));
    memory.confirm(&set.objects[0], &live("a", "stored", 4));
    assert!(!is_clean(&memory, &set.objects[0]), "a word about another version");
    memory.confirm(&set.objects[0], &stored);
    assert!(is_clean(&memory, &set.objects[0]));
    let mut status = live("a", "stored", 6);
    status.as_map_mut().insert("status".to_owned(), json!({"ready": true}));
    memory.seen(&gvk(), &status, false);
    assert!(is_clean(&memory, &set.objects[0]), "only its status changed");
    let mut owner = live("a", "stored", 7);
    let entries = owner.metadata_mut()["managedFields"].as_array_mut().unwrap();
    entries.push(json!({"manager": "x", "operation": "Update", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:k": {}}}}));
    memory.seen(&gvk(), &owner, false);
    assert!(!is_clean(&memory, &set.objects[0]), "another owner may mean a conflict");
}

#[test]
fn what_had_drifted_before_this_process_began_is_told_by_the_record() {
    let (memory, mut events) = memory();
    let (a, b) = (desired("a", "1"), desired("b", "new"));
    let mut record = Inventory::default();
    let entry = |uid: &str, digest| sync::inventory::Entry {
        uid: Some(uid.into()),
        digest,
        ..Default::default()
    };
    record.record(&a.id, entry("uid-a", Some(a.digest)));
    record.record(&b.id, entry("uid-b", Some(desired("b", "old").digest)));
    aim(&memory, vec![a, b]);
    memory.seen(&gvk(), &live("a", "x", 5), true);
    memory.seen(&gvk(), &live("b", "old", 5), true);
    assert_eq!(told(&mut events), []);
    memory.recorded(&record);
    let names: Vec<String> =
        told(&mut events).iter().map(|drift| drift.object.name.clone()).collect();
    assert_eq!(names, ["a"], "b was changed in Git");
}

#[test]
fn no_more_is_kept_than_the_bounds() {
    let (memory, _events) = memory();
    let objects = DRIFTS_MAX + 1;
    aim(&memory, (0..objects).map(|n| desired(&format!("c{n}"), "1")).collect());
    for n in 0..objects {
        memory.seen(&gvk(), &live(&format!("c{n}"), "1", 5), true);
        memory.seen(&gvk(), &live(&format!("c{n}"), "x", 6), false);
    }
    let with_fields = |drift: &Drift| matches!(drift.kind, DriftKind::Changed(_));
    let drifts = memory.drifts();
    assert_eq!(drifts.iter().filter(|drift| with_fields(drift)).count(), DRIFTS_MAX);
    let state = memory.state();
    assert_eq!(state.kept.len(), KEPT_OBJECTS_MAX);
    let bytes: usize = state.kept.values().map(Packed::len_bytes).sum();
    assert_eq!(state.kept_bytes, bytes);
}

#[test]
fn gitops_22_any_number_of_objects_is_told_as_drifted_once_and_settles_when_it_is_reverted() {
    let (memory, mut events) = memory();
    let objects = DRIFTS_MAX + 300;
    let set = aim(&memory, (0..objects).map(|n| desired(&format!("c{n:04}"), "1")).collect());
    for n in 0..objects {
        memory.seen(&gvk(), &live(&format!("c{n:04}"), "1", 5), true);
    }
    let mut heard = |version: u64| {
        let each = |n: usize| {
            memory.seen(&gvk(), &live(&format!("c{n:04}"), "x", version), false);
            told(&mut events).len()
        };
        (0..objects).map(each).sum::<usize>()
    };
    assert_eq!(heard(6), objects);
    assert_eq!(heard(7), 0, "the same again");
    let drifts = memory.drifts();
    assert_eq!(drifts.len(), objects);
    let last = drifts.last().unwrap();
    assert_eq!((last.object.name.as_str(), &last.kind), ("c1299", &DriftKind::Differs));
    let mut drifted = 0;
    memory.each(|_, memo| drifted += usize::from(memo.is_some_and(|(_, drifted)| drifted)));
    assert_eq!(drifted, objects);
    // Whoever reverts takes them from there, and then nothing is left.
    for one in &set.objects {
        memory.wrote(&gvk(), &live(&one.id.name, "1", 9));
    }
    assert!(memory.drifts().is_empty());
}

#[test]
fn more_objects_than_are_kept_that_drifted_before_this_process_began_are_told_by_the_record() {
    let objects = KEPT_OBJECTS_MAX + 44;
    let record_of = |value: &str| {
        let mut record = Inventory::default();
        for n in 0..objects {
            let one = desired(&format!("c{n:03}"), value);
            let uid = Some(format!("uid-{}", one.id.name).as_str().into());
            let entry = sync::inventory::Entry {
                uid,
                digest: Some(one.digest),
                ..sync::inventory::Entry::default()
            };
            record.record(&one.id, entry);
        }
        record
    };
    let wanted = |value: &str| (0..objects).map(|n| desired(&format!("c{n:03}"), value)).collect();
    let begin = || {
        let (memory, events) = memory();
        aim(&memory, wanted("1"));
        for n in 0..objects {
            memory.seen(&gvk(), &live(&format!("c{n:03}"), "x", 5), true);
        }
        (memory, events)
    };
    let (first, mut events) = begin();
    first.recorded(&record_of("1"));
    assert_eq!(told(&mut events).len(), objects);
    let drifts = first.drifts();
    assert_eq!(drifts.len(), objects);
    let kept = drifts.iter().filter(|drift| matches!(drift.kind, DriftKind::Changed(_))).count();
    assert_eq!(kept, KEPT_OBJECTS_MAX);
    assert!(first.state().open.is_empty(), "what is told is not kept twice");

    // What was applied was another document: Git changed it, or it is judged by the wrong tree.
    let (other, mut events) = begin();
    other.recorded(&record_of("2"));
    assert_eq!(told(&mut events), []);
    aim(&other, wanted("2"));
    other.recorded(&record_of("2"));
    let names: Vec<_> = told(&mut events).iter().map(|drift| drift.object.clone()).collect();
    assert_eq!(names.len(), KEPT_OBJECTS_MAX, "only what is kept can be judged again");
}

#[test]
fn objects_are_kept_up_to_so_many_bytes() {
    let (memory, _events) = memory();
    let each = KEPT_BYTES_MAX / 4;
    aim(&memory, (0..6).map(|n| desired(&format!("c{n}"), "1")).collect());
    for n in 0..6 {
        memory.seen(&gvk(), &live(&format!("c{n}"), &"x".repeat(each), 5), true);
    }
    let state = memory.state();
    assert!(state.kept.len() == 3 && state.kept_bytes <= KEPT_BYTES_MAX, "{}", state.kept_bytes);
}

#[tokio::test]
async fn a_slow_reader_hears_that_events_are_missing() {
    let (memory, mut events) = memory();
    let health = || LiveEvent::Health { object: desired("a", "1").id, health: Health::default() };
    for _ in 0..LIVE_EVENTS_MAX {
        memory.tell(health());
    }
    assert!(matches!(events.next().await, Some(LiveEvent::Health { .. })), "all of them fit");
    memory.tell(health());
    memory.tell(health());
    assert!(matches!(events.next().await, Some(LiveEvent::Missed(1))));
    drop(memory);
    while events.next().await.is_some() {}
}

#[test]
fn what_nobody_watches_is_forgotten() {
    let (memory, _events) = memory();
    let set = aim(&memory, vec![desired("a", "1")]);
    memory.seen(&gvk(), &live("a", "1", 5), true);
    memory.forget(&GroupKind::new("", "ConfigMap"), "elsewhere");
    assert!(is_clean(&memory, &set.objects[0]));
    memory.forget(&GroupKind::new("", "ConfigMap"), "");
    assert!(matches!(memory.recall(&set.objects[0]), Recalled::Unseen));
}

#[test]
fn what_a_list_has_and_a_write_did_not_change_is_believed_when_the_list_ends() {
    let (memory, _events) = memory();
    let set = aim(&memory, vec![desired("a", "1"), desired("b", "1"), desired("c", "1")]);
    memory.seen(&gvk(), &live("a", "1", 5), true);
    memory.wrote(&gvk(), &live("a", "1", 5));
    memory.wrote(&gvk(), &live("b", "1", 6));
    memory.seen(&gvk(), &live("b", "1", 6), true);
    memory.wrote(&gvk(), &live("b", "1", 6));
    memory.seen(&gvk(), &live("c", "0", 7), true);
    memory.wrote(&gvk(), &live("c", "1", 8));
    memory.listed(&GroupKind::new("", "ConfigMap"), "");
    let [a, b, c] = set.objects.as_slice() else { panic!("{:?}", set.objects) };
    // No event will come for those two: nothing has changed.
    assert!(is_clean(&memory, a));
    assert!(is_clean(&memory, b));
    assert!(matches!(memory.recall(c), Recalled::Unseen), "its event comes");
}

#[test]
fn what_was_written_while_a_list_was_read_is_believed_only_when_its_event_comes() {
    let (memory, _events) = memory();
    let set = aim(&memory, vec![desired("a", "1"), desired("b", "1")]);
    memory.wrote(&gvk(), &live("a", "1", 5));
    memory.wrote(&gvk(), &live("b", "1", 6));
    memory.seen(&gvk(), &live("b", "1", 6), true);
    memory.listed(&GroupKind::new("", "ConfigMap"), "");
    assert!(matches!(memory.recall(&set.objects[0]), Recalled::Unseen), "it may be gone again");
    assert!(is_clean(&memory, &set.objects[1]));
}
