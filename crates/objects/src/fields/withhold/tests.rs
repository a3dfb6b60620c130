use super::*;
use crate::proof::{Proof, prove};
use proptest::prelude::*;
use serde_json::json;

const OURS: &str = "orlop-sync-shop";

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn deployment(spec: &Value, entries: &[Value]) -> Object {
    Object::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "managedFields": entries}, "spec": spec
    }))
    .unwrap()
}

fn desired(spec: &Value) -> Object {
    let mut object = deployment(spec, &[]);
    object.metadata_mut().remove("managedFields");
    object
}

fn held(desired: &Object, live: &Object, pointers: &[&str]) -> Value {
    let pointers: Vec<FieldPointer> = pointers.iter().map(|text| text.parse().unwrap()).collect();
    let mut object = desired.clone();
    withhold(&mut object, live, OURS, &pointers, &|_| false);
    object.at(&["spec"]).cloned().unwrap_or(Value::Null)
}

#[test]
fn gitops_6_an_ignored_field_that_we_alone_own_keeps_its_live_value() {
    let ours = entry(OURS, "Apply", &json!({"f:spec": {"f:replicas": {}, "f:paused": {}}}));
    let live = deployment(&json!({"replicas": 7, "paused": false}), &[ours]);
    let wanted = desired(&json!({"replicas": 2, "paused": false}));
    assert_eq!(held(&wanted, &live, &["/spec/replicas"]), json!({"replicas": 7, "paused": false}));
    let gone = desired(&json!({"paused": false}));
    assert_eq!(
        held(&gone, &live, &["/spec/replicas"]),
        json!({"replicas": 7, "paused": false}),
        "it left the tree, and no longer naming it would delete it"
    );
}

#[test]
fn gitops_6_an_ignored_field_of_another_owner_is_not_named() {
    let ours = entry(OURS, "Apply", &json!({"f:spec": {"f:paused": {}, "f:replicas": {}}}));
    let theirs = entry("autoscaler", "Update", &json!({"f:spec": {"f:replicas": {}}}));
    let live = deployment(&json!({"replicas": 7, "paused": false}), &[ours, theirs.clone()]);
    let wanted = desired(&json!({"replicas": 2, "paused": false}));
    assert_eq!(held(&wanted, &live, &["/spec/replicas"]), json!({"paused": false}));
    // What would be an empty map is not named either: it would be owned.
    let live = deployment(&json!({"replicas": 7}), &[theirs]);
    let wanted = desired(&json!({"replicas": 2}));
    assert_eq!(held(&wanted, &live, &["/spec/replicas"]), Value::Null);
}

#[test]
fn gitops_6_what_an_ignored_map_shares_with_others_is_told_apart_field_by_field() {
    let ours = entry(
        OURS,
        "Apply",
        &json!({"f:spec": {"f:template": {"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b": {}}}}}}),
    );
    let theirs = entry(
        "injector",
        "Update",
        &json!({"f:spec": {"f:template": {"f:metadata": {"f:labels": {"f:b": {}, "f:c": {}}}}}}),
    );
    let labels = json!({"a": "1", "b": "2", "c": "3"});
    let live = deployment(&json!({"template": {"metadata": {"labels": labels}}}), &[ours, theirs]);
    let wanted =
        desired(&json!({"template": {"metadata": {"labels": {"a": "x", "b": "2", "d": "4"}}}}));
    assert_eq!(
        held(&wanted, &live, &["/spec/template/metadata/labels"]),
        json!({"template": {"metadata": {"labels": {"a": "1"}}}})
    );
}

fn containers(entries: &[Value], live: &Value) -> Object {
    deployment(&json!({"template": {"spec": {"containers": live}}}), entries)
}

fn owned_containers(manager: &str, names: &[&str]) -> Value {
    let mut items = Map::new();
    for name in names {
        let key = format!("k:{{\"name\":\"{name}\"}}");
        items.insert(key, json!({".": {}, "f:name": {}, "f:image": {}}));
    }
    entry(manager, "Apply", &json!({"f:spec": {"f:template": {"f:spec": {"f:containers": items}}}}))
}

#[test]
fn gitops_6_a_field_of_a_list_item_is_chosen_by_its_key() {
    let ours = owned_containers(OURS, &["web", "log"]);
    let list = json!([{"name": "web", "image": "w:2"}, {"name": "log", "image": "l:2"}]);
    let live = containers(&[ours], &list);
    let wanted = desired(&json!({"template": {"spec": {"containers": [
        {"name": "log", "image": "l:1"}, {"name": "web", "image": "w:1"},
        {"name": "new", "image": "n:1"}]}}}));
    let pointer = "/spec/template/spec/containers/[name=web]/image";
    assert_eq!(
        held(&wanted, &live, &[pointer])["template"]["spec"]["containers"],
        json!([{"name": "log", "image": "l:1"}, {"name": "web", "image": "w:2"},
            {"name": "new", "image": "n:1"}])
    );
    let all = held(&wanted, &live, &["/spec/template/spec/containers/*/image"]);
    assert_eq!(
        all["template"]["spec"]["containers"],
        json!([{"name": "log", "image": "l:2"}, {"name": "web", "image": "w:2"},
            {"name": "new", "image": "n:1"}]),
        "a new item has no live value to keep"
    );
}

#[test]
fn gitops_6_an_ignored_list_item_is_kept_in_its_place_when_it_is_ours_and_left_out_otherwise() {
    let list = json!([{"name": "proxy", "image": "p:1"}, {"name": "web", "image": "w:1"}]);
    let live = containers(&[owned_containers(OURS, &["proxy", "web"])], &list);
    let wanted =
        desired(&json!({"template": {"spec": {"containers": [{"name": "web", "image": "w:1"}]}}}));
    let pointer = "/spec/template/spec/containers/[name=proxy]";
    assert_eq!(held(&wanted, &live, &[pointer])["template"]["spec"]["containers"], list);
    let entries = [owned_containers(OURS, &["web"]), owned_containers("injector", &["proxy"])];
    let live = containers(&entries, &list);
    assert_eq!(
        held(&wanted, &live, &[pointer])["template"]["spec"]["containers"],
        json!([{"name": "web", "image": "w:1"}])
    );
}

#[test]
fn gitops_6_a_part_of_an_atomic_value_takes_its_live_value() {
    let ours = entry(OURS, "Apply", &json!({"f:spec": {"f:selector": {}}}));
    let live = deployment(&json!({"selector": {"matchLabels": {"a": "1", "x": "live"}}}), &[ours]);
    let wanted = desired(&json!({"selector": {"matchLabels": {"a": "2"}}}));
    assert_eq!(
        held(&wanted, &live, &["/spec/selector/matchLabels/x"]),
        json!({"selector": {"matchLabels": {"a": "2", "x": "live"}}})
    );
}

#[test]
fn gitops_6_the_fields_of_an_ignored_manager_are_not_named() {
    let ours = owned_containers(OURS, &["web"]);
    let theirs = entry(
        "kube-scaler",
        "Update",
        &json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"web\"}": {"f:image": {}}}}}}}),
    );
    let list = json!([{"name": "web", "image": "w:9"}]);
    let live = containers(&[ours, theirs], &list);
    let mut object = desired(&json!({"replicas": 1, "paused": true, "template": {"spec":
        {"containers": [{"name": "web", "image": "w:1"}]}}}));
    withhold(&mut object, &live, OURS, &[], &|manager| manager.starts_with("kube-"));
    assert_eq!(
        object.at(&["spec"]),
        Some(&json!({"paused": true, "template": {"spec": {"containers": [{"name": "web"}]}}}))
    );
}

#[test]
fn a_live_object_whose_owners_cannot_be_read_is_not_touched_where_a_rule_points() {
    let live = deployment(&json!({"replicas": 7}), &[json!({"operation": "?"})]);
    let wanted = desired(&json!({"replicas": 2, "paused": true}));
    assert_eq!(held(&wanted, &live, &["/spec/replicas"]), json!({"paused": true}));
}

proptest! {
    /// The proof knows the rules of apply: with every difference ignored nothing may be left.
    #[test]
    fn gitops_6_an_object_whose_every_difference_is_ignored_is_proven_clean(
        live in proptest::collection::btree_map("[a-d]", 0_u8..3, 1..5),
        wanted in proptest::collection::btree_map("[a-d]", 0_u8..3, 0..5),
    ) {
        let data = |map: &std::collections::BTreeMap<String, u8>| -> Map<String, Value> {
            map.iter().map(|(key, value)| (key.clone(), json!(value.to_string()))).collect()
        };
        let owned: Map<String, Value> =
            live.keys().map(|key| (format!("f:{key}"), json!({}))).collect();
        let object = |data: &Map<String, Value>, fields: Value| {
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a", "managedFields": fields}, "data": data})).unwrap()
        };
        let entry = json!([{"manager": OURS, "operation": "Apply", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": owned}}]);
        let live = object(&data(&live), entry);
        let mut wanted = object(&data(&wanted), Value::Null);
        withhold(&mut wanted, &live, OURS, &["/data".parse().unwrap()], &|_| false);
        prop_assert_eq!(prove(&wanted, &live, OURS), Proof::Clean);
    }
}
