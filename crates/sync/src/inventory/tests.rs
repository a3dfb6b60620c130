use super::*;
use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

fn id(kind: &str, namespace: &str, name: &str) -> ObjectRef {
    let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
    ObjectRef::new(GroupKind::new(group, kind), namespace, name)
}

fn inventory(count: usize) -> Inventory {
    let mut inventory = Inventory::default();
    for n in 0..count {
        inventory.expect(&id("ConfigMap", "shop", &format!("settings-{n}")));
    }
    inventory
}

fn is_same(stored: &String, text: &str) -> bool {
    stored == text
}

fn stored(shards: &[String]) -> BTreeMap<usize, String> {
    shards.iter().cloned().enumerate().collect()
}

/// What a reader finds after the first `done` of `writes`.
fn after(stored: &BTreeMap<usize, String>, writes: &[ShardWrite]) -> BTreeMap<usize, String> {
    let mut stored = stored.clone();
    for write in writes {
        match write {
            ShardWrite::Put { shard, text } => stored.insert(*shard, text.clone()),
            ShardWrite::Remove { shard } => stored.remove(shard),
        };
    }
    stored
}

fn read(stored: &BTreeMap<usize, String>) -> Inventory {
    let mut inventory = Inventory::default();
    stored.values().for_each(|text| inventory.read(text).unwrap());
    inventory
}

#[test]
fn the_text_is_one_line_an_object() {
    let mut inventory = Inventory::default();
    let entry =
        Entry { uid: Some("u-1".into()), digest: Some(Digest::of(&json!({}))), ..Entry::default() };
    inventory.record(&id("apps/Deployment", "shop", "web"), entry);
    inventory.expect(&id("Namespace", "", "shop"));
    inventory.expect(&id("rbac.authorization.k8s.io/ClusterRole", "", "system:a"));
    inventory.expect_hook(&id("batch/Job", "shop", "migrate"));
    expect![[r#"
        Namespace /shop - -
        Deployment.apps shop/web u-1 5a3590fbe3ffbfe0a65167de3111dcd0
        Job.batch shop/migrate - - hook
        ClusterRole.rbac.authorization.k8s.io /system:a - -
    "#]]
    .assert_eq(&inventory.shards().unwrap().concat());
}

#[test]
fn a_line_that_was_edited_is_refused_with_its_number() {
    let digest = Digest::of(&json!(1));
    for bad in [
        "x",
        "ConfigMap a/b -",
        "ConfigMap ab - -",
        "ConfigMap a/ - -",
        "ConfigMap a/b - 12",
        "ConfigMap a/b - - -",
        "",
    ] {
        let text = format!("ConfigMap a/b u {digest}\n{bad}\n");
        let error = Inventory::default().read(&text).unwrap_err();
        assert_eq!(error, InventoryError::Line { line: 2 }, "{bad}");
    }
}

#[test]
fn an_empty_inventory_has_no_shard_and_removes_the_old_ones() {
    let old = stored(&inventory(3).shards().unwrap());
    let writes = Inventory::default().writes(&old, is_same).unwrap();
    assert_eq!(writes, [ShardWrite::Remove { shard: 0 }]);
}

#[test]
fn equal_shards_are_not_written() {
    let inventory = inventory(9_000);
    let shards = stored(&inventory.shards().unwrap());
    assert_eq!(shards.len(), 4);
    assert_eq!(inventory.writes(&shards, is_same).unwrap(), []);
}

#[test]
fn a_shard_holds_its_limit_and_not_one_more() {
    assert_eq!(inventory(SHARD_OBJECTS_MAX).shards().unwrap().len(), 1);
    assert_eq!(inventory(SHARD_OBJECTS_MAX + 1).shards().unwrap().len(), 2);
}

#[test]
fn more_objects_than_the_shards_hold_are_refused() {
    let mut inventory = Inventory::default();
    let long = "n".repeat(SHARD_BYTES_MAX);
    inventory.expect(&id("ConfigMap", "shop", &long));
    assert_eq!(inventory.shards(), Err(InventoryError::TooLarge { objects: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn gitops_8_a_crash_between_any_two_writes_loses_no_object(
        before in 0_usize..14_000, kept in 0_usize..14_000, added in 0_usize..6_000,
    ) {
        let old = inventory(before);
        let mut new = inventory(kept.min(before));
        for n in 0..added {
            new.expect(&id("Secret", "shop", &format!("s-{n}")));
        }
        let store = stored(&old.shards().unwrap());
        let writes = new.writes(&store, is_same).unwrap();
        for done in 0..=writes.len() {
            let found = read(&after(&store, &writes[..done]));
            let both = old.iter().filter(|(id, _)| new.get(id).is_some());
            for (id, _) in both {
                prop_assert!(found.get(id).is_some(), "{id} lost after {done} writes");
            }
        }
        prop_assert_eq!(read(&after(&store, &writes)), new);
    }

    #[test]
    fn an_inventory_survives_being_written(
        names in proptest::collection::btree_set("[a-z][a-z0-9.:-]{0,20}", 0..40),
        uid in proptest::option::of("[0-9a-f-]{1,36}".prop_filter("a dash means none", |u| u != "-")),
    ) {
        let mut inventory = Inventory::default();
        for name in names {
            let entry = Entry {
                uid: uid.as_deref().map(Uid::from),
                digest: Some(Digest::of(&json!(name))),
                hook: uid.is_none(),
            };
            inventory.record(&id("example.com/Widget", "shop", &name), entry);
        }
        prop_assert_eq!(read(&stored(&inventory.shards().unwrap())), inventory);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,200}") {
        let _ = Inventory::default().read(&text);
    }
}

#[test]
fn an_inventory_is_within_another_when_that_names_all_its_objects() {
    let of = |names: &[&str]| {
        let mut inventory = Inventory::default();
        for name in names {
            inventory.expect(&ObjectRef::new(GroupKind::new("", "ConfigMap"), "a", *name));
        }
        inventory
    };
    assert!(of(&[]).is_within(&of(&[])) && of(&[]).is_within(&of(&["a"])));
    assert!(of(&["a", "c"]).is_within(&of(&["a", "b", "c"])));
    assert!(!of(&["a", "d"]).is_within(&of(&["a", "b", "c"])));
    assert!(!of(&["a"]).is_within(&of(&[])) && !of(&["0", "a"]).is_within(&of(&["a"])));
}

#[test]
fn an_inventory_that_shares_identities_says_the_same() {
    let mut shared = inventory(3);
    let known = id("ConfigMap", "shop", "settings-1");
    shared.share(|id| (*id == known).then(|| known.clone()));
    assert_eq!(shared, inventory(3));
    let texts = |id: &ObjectRef| std::ptr::eq(&raw const **id, &raw const *known);
    assert_eq!(shared.iter().filter(|(id, _)| texts(id)).count(), 1);
}

#[test]
fn a_copy_stays_as_it_was_whatever_becomes_of_the_other() {
    let mut first = inventory(3);
    let copy = first.clone();
    let text = copy.shards().unwrap();
    // What changes nothing makes no copy.
    let known = id("ConfigMap", "shop", "settings-1");
    first.expect(&known);
    first.record(&known, Entry::default());
    first.forget(&id("ConfigMap", "shop", "absent"));
    assert!(Arc::ptr_eq(&first.entries, &copy.entries));
    first.record(&known, Entry { uid: Some("u".into()), ..Entry::default() });
    first.expect_hook(&id("Job", "shop", "hook"));
    first.forget(&id("ConfigMap", "shop", "settings-0"));
    assert_eq!(copy.shards().unwrap(), text);
    assert_eq!((first.len(), copy.len()), (3, 3));
    assert!(first.get(&known).is_some_and(|entry| entry.uid.is_some()));
    assert!(!first.is_within(&copy) && copy.is_within(&copy.clone()));
    let mut without = first.clone();
    without.without_hooks();
    assert_eq!((first.len(), without.len()), (3, 2));
}
