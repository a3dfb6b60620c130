//! Promises of this module.

use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn deployment(pod: &Value) -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "template": {"spec": pod}},
    }))
}

fn custom(spec: &Value) -> Object {
    object(json!({"apiVersion": "example.com/v1", "kind": "Thing",
        "metadata": {"name": "x"}, "spec": spec}))
}

fn check(before: &Object, after: &Object, expected: &Expect) {
    let side = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
    let lines: Vec<String> = diff(before, after)
        .into_iter()
        .map(|change| format!("{}: {} -> {}", change.path, side(change.before), side(change.after)))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn sync_d2_changes_are_named_field_by_field_as_kubectl_prints_them() {
    let before = deployment(&json!({"containers": [
        {"name": "web", "image": "a:1", "ports": [{"containerPort": 80}, {"containerPort": 81}]},
        {"name": "old", "image": "b"},
    ]}));
    let after = deployment(&json!({"containers": [
        {"name": "new", "image": "c"},
        {"name": "web", "image": "a:2",
         "ports": [{"containerPort": 81, "name": "m"}, {"containerPort": 82}]},
    ]}));
    check(
        &before,
        &after,
        &expect![[r#"
            .spec.template.spec.containers[name="new"]: - -> {"image":"c","name":"new"}
            .spec.template.spec.containers[name="web"].image: "a:1" -> "a:2"
            .spec.template.spec.containers[name="web"].ports[containerPort=81,protocol="TCP"].name: - -> "m"
            .spec.template.spec.containers[name="web"].ports[containerPort=82,protocol="TCP"]: - -> {"containerPort":82}
            .spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]: {"containerPort":80} -> -
            .spec.template.spec.containers[name="old"]: {"image":"b","name":"old"} -> -"#]],
    );
}

#[test]
fn what_only_the_server_writes_is_left_out() {
    let before = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}));
    let after = object(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "uid": "u", "resourceVersion": "1", "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [], "labels": {}},
        "status": {"phase": "Running"}}));
    assert_eq!(diff(&before, &after), []);
}

#[test]
fn gitops_4_quantities_nulls_and_empty_labels_are_no_drift() {
    let pod = |cpu: Value, memory: &str| json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]});
    let (git, live) = (pod(json!(0.1), "1024Mi"), pod(json!("100m"), "1Gi"));
    assert_eq!(diff(&deployment(&git), &deployment(&live)), []);
    assert_eq!(diff(&custom(&git), &custom(&live)), []);
    assert_eq!(diff(&custom(&json!({"a": null})), &custom(&json!({}))), []);
    assert_eq!(diff(&custom(&json!({"a": 1})), &custom(&json!({"a": 1.0}))), []);
}

#[test]
fn gitops_4_text_that_looks_like_a_quantity_is_text() {
    let config = |value: &str| {
        object(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "labels": {"limits": value}}, "data": {"requests": value}}))
    };
    assert_eq!(diff(&config("1Gi"), &config("1024Mi")).len(), 2);
    let env = |value: &str| {
        deployment(&json!({"containers": [{"name": "a", "env": [{"name": "A", "value": value}]}]}))
    };
    assert_eq!(diff(&env("1Gi"), &env("1024Mi")).len(), 1);
    let port = |port: Value| custom(&json!({"targetPort": port}));
    assert_eq!(diff(&port(json!(80)), &port(json!("80"))).len(), 1);
}

#[test]
fn string_data_is_compared_as_the_data_it_becomes() {
    let secret = |extra: Value| {
        let mut value = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        object(value)
    };
    let git = secret(json!({"stringData": {"a": "hello"}}));
    assert_eq!(diff(&git, &secret(json!({"data": {"a": "aGVsbG8="}}))), []);
    check(
        &secret(json!({"data": {"a": "eA=="}})),
        &git,
        &expect![[r#".data.a: "eA==" -> "aGVsbG8=""#]],
    );
}

#[test]
fn a_changed_order_is_one_change_of_the_list() {
    let init = |names: [&str; 2]| {
        deployment(&json!({"initContainers": names.map(|name| json!({"name": name}))}))
    };
    check(
        &init(["a", "b"]),
        &init(["b", "a"]),
        &expect![[
            r#".spec.template.spec.initContainers: [{"name":"a"},{"name":"b"}] -> [{"name":"b"},{"name":"a"}]"#
        ]],
    );
}

#[test]
fn lists_of_scalars_are_compared_by_position_or_as_a_whole() {
    let args = |args: Value| custom(&json!({"args": args}));
    check(&args(json!([1, 2])), &args(json!([1, 3])), &expect![".spec.args[1]: 2 -> 3"]);
    check(&args(json!([1, 2])), &args(json!([1])), &expect![".spec.args: [1,2] -> [1]"]);
}

#[test]
fn items_that_no_key_tells_apart_are_compared_by_position() {
    let list = |items: Value| custom(&json!({"list": items}));
    check(
        &list(json!([{"name": "a", "v": 1}, {"name": "a", "v": 2}])),
        &list(json!([{"name": "a", "v": 1}, {"name": "a", "v": 3}, {"name": "b"}])),
        &expect![[r#"
            .spec.list[1].v: 2 -> 3
            .spec.list[2]: - -> {"name":"b"}"#]],
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!("a")), Just(json!(true)), Just(json!(null))];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map("name|key|a|b", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_object_does_not_differ_from_itself(spec in any_value()) {
        prop_assert_eq!(diff(&custom(&spec), &custom(&spec)), []);
    }

    #[test]
    fn the_way_back_shows_the_same_fields_the_other_way_round(a in any_value(), b in any_value()) {
        let sorted = |mut changes: Vec<FieldChange>| {
            changes.sort_by(|a, b| a.path.cmp(&b.path));
            changes
        };
        let there = sorted(diff(&custom(&a), &custom(&b)));
        let back = sorted(diff(&custom(&b), &custom(&a)));
        let turned: Vec<FieldChange> = back
            .into_iter()
            .map(|c| FieldChange { path: c.path, before: c.after, after: c.before })
            .collect();
        prop_assert_eq!(there, turned);
    }
}
