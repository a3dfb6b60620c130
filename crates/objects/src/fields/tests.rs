//! Promises of this module.

use super::*;
use crate::Object;
use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

fn set(value: &Value) -> FieldSet {
    FieldSet::from_fields_v1(value).unwrap()
}

/// What kube-apiserver 1.37 stored for a Deployment with a Service port, cut down.
fn stored() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app.kubernetes.io/name": {}}, "f:finalizers": {"v:\"a.b/c\"": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"web\"}": {
                    ".": {}, "f:args": {}, "f:image": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                },
            }}},
        },
    })
}

#[test]
fn objects_c1_fields_print_as_kubectl_prints_them() {
    expect![[r#"
        .metadata.finalizers[="a.b/c"]
        .metadata.labels.app.kubernetes.io/name
        .spec.replicas
        .spec.template.spec.containers[name="web"]
        .spec.template.spec.containers[name="web"].args
        .spec.template.spec.containers[name="web"].image
        .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]
        .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].containerPort"#]]
    .assert_eq(&set(&stored()).paths().join("\n"));
}

#[test]
fn objects_c1_what_the_server_stored_survives_a_round_trip() {
    assert_eq!(set(&stored()).to_fields_v1(), stored());
    assert_eq!(set(&json!({})).to_fields_v1(), json!({}));
}

#[test]
fn elements_that_the_server_escapes_in_another_way_are_the_same() {
    let escaped = set(&json!({"k:{\"name\":\"x\\u003cy\", \"a\": 1}": {".": {}}}));
    let plain = set(&json!({"k:{\"a\":1,\"name\":\"x<y\"}": {}}));
    assert_eq!(escaped, plain);
    assert_eq!(escaped.paths(), [r#"[a=1,name="x<y"]"#]);
}

#[test]
fn a_leaf_covers_everything_below_it_and_a_merged_map_does_not() {
    let set = set(&stored());
    let web = ".spec.template.spec.containers[name=\"web\"]";
    assert!(set.covers_printed(&format!("{web}.args[0]")));
    assert!(set.covers_printed(&format!("{web}.image")));
    assert!(!set.covers_printed(&format!("{web}.imagePullPolicy")));
    assert!(!set.covers_printed(".spec.replicasX"));
    let args = |rest: &[PathElement]| -> Vec<PathElement> {
        let container = json!({"name": "web"});
        let key = PathElement::key_of(container.as_object().unwrap(), &["name"]).unwrap();
        let fields = ["spec", "template", "spec", "containers"].map(PathElement::field);
        fields.into_iter().chain([key, PathElement::field("args")]).chain(rest.to_vec()).collect()
    };
    assert!(set.contains(&args(&[])) && set.covers(&args(&[])));
    assert!(!set.contains(&args(&[PathElement::index(0)])));
    assert!(set.covers(&args(&[PathElement::index(0)])));
}

#[test]
fn an_absent_protocol_is_tcp_and_no_other_key_has_a_default() {
    let item = json!({"containerPort": 80});
    let key = |fields: &[&str]| {
        PathElement::key_of(item.as_object().unwrap(), fields).map(|key| key.to_string())
    };
    let with_default = key(&["containerPort", "protocol"]);
    assert_eq!(with_default.as_deref(), Some("[containerPort=80,protocol=\"TCP\"]"));
    assert_eq!(key(&["name"]), None);
}

#[test]
fn what_no_server_writes_is_refused_with_the_place() {
    let error = |value: Value| FieldSet::from_fields_v1(&value).unwrap_err().to_string();
    expect![[r#"managedFields:  is not a map"#]].assert_eq(&error(json!([])));
    assert_eq!(error(json!({"f:a": 1})), "managedFields: .a is not a map");
    for element in ["a", "x:a", "k:[]", "k:{", "v:", "i:x"] {
        let expected = format!("managedFields: cannot read the path element {element:?}");
        assert_eq!(error(json!({element: {}})), expected);
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!({}), |below, _| json!({"f:a": below}));
    assert!(FieldSet::from_fields_v1(&nested(MAX_DEPTH_ELEMENTS)).is_ok());
    assert_eq!(
        FieldSet::from_fields_v1(&nested(MAX_DEPTH_ELEMENTS + 1)),
        Err(FieldsError::TooDeep)
    );
}

#[test]
fn size_is_bounded() {
    let wide = |width: usize| {
        Value::Object((0..width).map(|index| (format!("f:{index}"), json!({}))).collect())
    };
    assert_eq!(FieldSet::from_fields_v1(&wide(MAX_SET_ELEMENTS)).unwrap().len(), MAX_SET_ELEMENTS);
    assert_eq!(FieldSet::from_fields_v1(&wide(MAX_SET_ELEMENTS + 1)), Err(FieldsError::TooLarge));
}

#[test]
fn owners_of_a_field_are_found_by_its_printed_path() {
    let object = Object::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "managedFields": [
            {"manager": "orlop", "operation": "Apply", "apiVersion": "apps/v1",
             "fieldsType": "FieldsV1", "fieldsV1": stored()},
            {"manager": "hpa", "operation": "Update", "apiVersion": "apps/v1",
             "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ]},
    }))
    .unwrap();
    let managed = ManagedFields::of(&object).unwrap();
    let owners: Vec<&str> =
        managed.owners_of(".spec.replicas").iter().map(|entry| entry.manager.as_str()).collect();
    assert_eq!(owners, ["orlop", "hpa"]);
    assert_eq!(managed.applied_by("orlop").unwrap().fields, set(&stored()));
    assert_eq!(managed.applied_by("hpa"), None);
}

#[test]
fn an_entry_without_an_operation_is_refused() {
    let object = Object::from_value(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"managedFields": [{"manager": "x"}]}}))
    .unwrap();
    assert_eq!(
        ManagedFields::of(&object),
        Err(FieldsError::Entry { index: 0, field: "operation" })
    );
}

fn element() -> impl Strategy<Value = PathElement> {
    prop_oneof![
        "[a-c]".prop_map(|name| PathElement::field(&name)),
        (0..3_i64).prop_map(PathElement::Index),
        "[a-c\"<\\\\é]{0,2}".prop_map(|text| PathElement::value(&Value::String(text))),
        "[a-c\"<]{1,2}".prop_map(|name| {
            let item = json!({"name": name});
            PathElement::key_of(item.as_object().unwrap(), &["name"]).unwrap()
        }),
    ]
}

fn any_set() -> impl Strategy<Value = FieldSet> {
    proptest::collection::vec(proptest::collection::vec(element(), 1..4), 0..8).prop_map(|paths| {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(&path);
        }
        set
    })
}

proptest! {
    #[test]
    fn every_set_survives_a_round_trip(set in any_set()) {
        prop_assert_eq!(FieldSet::from_fields_v1(&set.to_fields_v1()).unwrap(), set);
    }

    #[test]
    fn the_algebra_is_that_of_sets(a in any_set(), b in any_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert!(a.difference(&a).is_empty());
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert_eq!(a.union(&b).len() + a.intersection(&b).len(), a.len() + b.len());
    }

    #[test]
    fn membership_follows_the_algebra(
        a in any_set(), b in any_set(), path in proptest::collection::vec(element(), 1..4),
    ) {
        let (in_a, in_b) = (a.contains(&path), b.contains(&path));
        prop_assert_eq!(a.union(&b).contains(&path), in_a || in_b);
        prop_assert_eq!(a.intersection(&b).contains(&path), in_a && in_b);
        prop_assert_eq!(a.difference(&b).contains(&path), in_a && !in_b);
    }

    #[test]
    fn any_map_of_elements_is_read_or_refused_without_a_panic(keys in proptest::collection::vec("[fkvi.]?:?.{0,6}", 0..6)) {
        let map = keys.into_iter().map(|key| (key, json!({}))).collect();
        let _ = FieldSet::from_fields_v1(&Value::Object(map));
    }
}
