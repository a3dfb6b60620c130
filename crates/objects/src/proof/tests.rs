//! Promises of this module.

mod model;

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// A Deployment as people write it, with what usually trips a comparison.
fn desired() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "creationTimestamp": null,
            "labels": {}, "annotations": null},
        "spec": {
            "replicas": 2, "strategy": {}, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"creationTimestamp": null, "labels": {"app": "web"}},
                "spec": {
                    "hostNetwork": false, "initContainers": [], "imagePullSecrets": [{"name": "r"}],
                    "securityContext": {}, "nodeSelector": {},
                    "containers": [{
                        "name": "web", "image": "a:1", "args": [], "command": ["a", "b"],
                        "resources": {"requests": {"cpu": 0.1, "memory": "1024Mi"}, "limits": {}},
                        "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                        "env": [
                            {"name": "A", "value": ""},
                            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "x<y", "value": "1"},
                        ],
                        "volumeMounts": [{"name": "t", "mountPath": "/t", "readOnly": false}],
                    }],
                    "volumes": [{"name": "t", "emptyDir": {"medium": "", "sizeLimit": "1024Mi"}}],
                },
            },
        },
        "status": {},
    })
}

/// The entry that kube-apiserver 1.37 writes when [`desired`] is applied.
fn fields() -> Value {
    json!({
        "f:metadata": {"f:annotations": {}, "f:labels": {}},
        "f:spec": {
            "f:replicas": {}, "f:selector": {}, "f:strategy": {},
            "f:template": {
                "f:metadata": {"f:creationTimestamp": {}, "f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:hostNetwork": {}, "f:securityContext": {}, "f:nodeSelector": {},
                    "f:imagePullSecrets": {"k:{\"name\":\"r\"}": {}},
                    "f:containers": {"k:{\"name\":\"web\"}": {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {}, "f:command": {},
                        "f:resources": {"f:limits": {}, "f:requests": {"f:cpu": {}, "f:memory": {}}},
                        "f:ports": {
                            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}},
                            "k:{\"containerPort\":80,\"protocol\":\"UDP\"}":
                                {".": {}, "f:containerPort": {}, "f:protocol": {}},
                        },
                        "f:env": {
                            "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}},
                            "k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}},
                            "k:{\"name\":\"x\\u003cy\"}": {".": {}, "f:name": {}, "f:value": {}},
                        },
                        "f:volumeMounts": {"k:{\"mountPath\":\"/t\"}":
                            {".": {}, "f:mountPath": {}, "f:name": {}, "f:readOnly": {}}},
                    }},
                    "f:volumes": {"k:{\"name\":\"t\"}":
                        {".": {}, "f:name": {}, "f:emptyDir": {"f:medium": {}, "f:sizeLimit": {}}}},
                },
            },
        },
    })
}

/// What it stores then, with its defaults.
fn live() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7",
            "generation": 1, "annotations": {"deployment.kubernetes.io/revision": "1"},
            "managedFields": [
                {"manager": "orlop", "operation": "Apply", "apiVersion": "apps/v1",
                 "fieldsType": "FieldsV1", "fieldsV1": fields()},
                {"manager": "kube-controller-manager", "operation": "Update",
                 "apiVersion": "apps/v1", "subresource": "status", "fieldsV1": {"f:status": {}}},
            ]},
        "spec": {
            "replicas": 2, "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "dnsPolicy": "ClusterFirst", "securityContext": {},
                    "imagePullSecrets": [{"name": "r"}],
                    "containers": [{
                        "name": "web", "image": "a:1", "command": ["a", "b"],
                        "imagePullPolicy": "IfNotPresent",
                        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}},
                        "ports": [{"containerPort": 80, "protocol": "TCP"},
                                  {"containerPort": 80, "protocol": "UDP"}],
                        "env": [
                            {"name": "A"},
                            {"name": "B", "valueFrom": {"fieldRef":
                                {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                            {"name": "x<y", "value": "1"},
                        ],
                        "volumeMounts": [{"name": "t", "mountPath": "/t"}],
                    }],
                    "volumes": [{"name": "t", "emptyDir": {"sizeLimit": "1Gi"}}],
                },
            },
        },
        "status": {"replicas": 2},
    })
}

const POD: &str = "/spec/template/spec";
const WEB: &str = "/spec/template/spec/containers/0";

fn verdict(desired: Value, live: Value) -> String {
    match prove(&object(desired), &object(live), "orlop") {
        Proof::Clean => "clean".to_owned(),
        Proof::Unproven { reasons } => {
            reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
    }
}

/// The verdict after `field` of the map at `pointer` was set (or removed) in one document.
fn edited(mut document: Value, pointer: &str, field: &str, value: Option<Value>) -> Value {
    let map = document.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => map.insert(field.to_owned(), value),
        None => map.remove(field),
    };
    document
}

fn after_git(pointer: &str, field: &str, value: Option<Value>, expected: &Expect) {
    expected.assert_eq(&verdict(edited(desired(), pointer, field, value), live()));
}

fn after_drift(pointer: &str, field: &str, value: Option<Value>, expected: &Expect) {
    expected.assert_eq(&verdict(desired(), edited(live(), pointer, field, value)));
}

#[test]
fn gitops_1_an_unchanged_object_is_clean_without_any_request() {
    assert_eq!(verdict(desired(), live()), "clean");
}

#[test]
fn gitops_1_a_changed_value_in_git_is_unproven() {
    after_git(
        "/spec",
        "replicas",
        Some(json!(3)),
        &expect![".spec.replicas: the live value differs"],
    );
    after_git(
        WEB,
        "image",
        Some(json!("a:2")),
        &expect![[r#".spec.template.spec.containers[name="web"].image: the live value differs"#]],
    );
    after_git(
        WEB,
        "command",
        Some(json!(["b", "a"])),
        &expect![[r#"
            .spec.template.spec.containers[name="web"].command[0]: the live value differs
            .spec.template.spec.containers[name="web"].command[1]: the live value differs"#]],
    );
    after_git(
        "/spec/selector",
        "matchLabels",
        Some(json!({"app": "web", "b": "c"})),
        &expect![".spec.selector.matchLabels.b: the live value differs"],
    );
}

#[test]
fn gitops_1_a_new_field_in_git_is_unproven_even_when_live_has_its_value() {
    after_git(
        "/spec",
        "progressDeadlineSeconds",
        Some(json!(600)),
        &expect![".spec.progressDeadlineSeconds: not owned by this delivery yet"],
    );
    after_git(
        "/spec",
        "strategy",
        Some(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}})),
        &expect![".spec.strategy: cannot be compared without the server"],
    );
    after_git(
        &format!("{WEB}/ports/0"),
        "protocol",
        Some(json!("TCP")),
        &expect![[
            r#".spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].protocol: not owned by this delivery yet"#
        ]],
    );
}

#[test]
fn gitops_3_a_field_removed_from_git_is_unproven() {
    after_git(
        "/spec",
        "replicas",
        None,
        &expect![".spec.replicas: owned by this delivery but no longer in the source"],
    );
    after_git(
        WEB,
        "ports",
        Some(json!([{"containerPort": 80}])),
        &expect![[
            r#".spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="UDP"]: owned by this delivery but no longer in the source"#
        ]],
    );
    after_git(
        POD,
        "volumes",
        Some(json!([])),
        &expect![[
            r#".spec.template.spec.volumes[name="t"]: owned by this delivery but no longer in the source"#
        ]],
    );
}

#[test]
fn gitops_1_drift_of_an_owned_value_is_unproven() {
    after_drift(
        "/spec",
        "replicas",
        Some(json!(5)),
        &expect![".spec.replicas: the live value differs"],
    );
    after_drift("/spec", "replicas", None, &expect![".spec.replicas: the live value differs"]);
    after_drift(
        POD,
        "containers",
        Some(json!([])),
        &expect![[r#".spec.template.spec.containers[name="web"]: the live value differs"#]],
    );
    after_drift(
        POD,
        "nodeSelector",
        Some(json!({"a": "b"})),
        &expect![".spec.template.spec.nodeSelector: the live value differs"],
    );
    after_drift(
        &format!("{WEB}/env/1/valueFrom/fieldRef"),
        "apiVersion",
        Some(json!("v2")),
        &expect![[
            r#".spec.template.spec.containers[name="web"].env[name="B"].valueFrom.fieldRef.apiVersion: the live value differs"#
        ]],
    );
}

#[test]
fn gitops_1_an_empty_struct_that_is_absent_live_is_unproven() {
    // Found with a real server: it stores `securityContext: {}` and keeps it.
    after_drift(
        POD,
        "securityContext",
        None,
        &expect![".spec.template.spec.securityContext: the live value differs"],
    );
}

#[test]
fn gitops_1_another_order_of_our_list_items_is_unproven() {
    let env = |order: [usize; 3]| {
        let items = live().pointer(&format!("{WEB}/env")).unwrap().clone();
        Value::Array(order.iter().map(|index| items[index].clone()).collect())
    };
    after_drift(WEB, "env", Some(env([0, 1, 2])), &expect!["clean"]);
    after_drift(
        WEB,
        "env",
        Some(env([1, 0, 2])),
        &expect![[
            r#".spec.template.spec.containers[name="web"].env[name="B"]: the live value differs"#
        ]],
    );
    after_drift(
        WEB,
        "env",
        Some(json!([{"name": "A"}, {"name": "A"}])),
        &expect![[r#"
            .spec.template.spec.containers[name="web"].env[name="A"]: cannot be compared without the server
            .spec.template.spec.containers[name="web"].env[name="B"]: the live value differs
            .spec.template.spec.containers[name="web"].env[name="x<y"]: the live value differs"#]],
    );
}

#[test]
fn gitops_5_what_others_added_is_no_drift() {
    after_drift("/metadata", "labels", Some(json!({"team": "x"})), &expect!["clean"]);
    after_drift(WEB, "terminationMessagePath", Some(json!("/x")), &expect!["clean"]);
    let mut with_sidecar = live();
    let containers = with_sidecar.pointer_mut(&format!("{POD}/containers")).unwrap();
    containers.as_array_mut().unwrap().insert(0, json!({"name": "sidecar", "image": "s"}));
    assert_eq!(verdict(desired(), with_sidecar), "clean");
}

#[test]
fn gitops_4_other_spellings_of_a_quantity_are_clean_and_other_values_are_not() {
    let limit = |value: &str| {
        let pointer = format!("{POD}/volumes/0/emptyDir");
        verdict(edited(desired(), &pointer, "sizeLimit", Some(json!(value))), live())
    };
    assert_eq!(limit("1Gi"), "clean");
    assert_eq!(limit("1073741824"), "clean");
    assert!(limit("1G").ends_with("the live value differs"));
}

#[test]
fn gitops_1_an_object_we_never_applied_is_unproven() {
    let entries = |entries: Value| {
        verdict(desired(), edited(live(), "/metadata", "managedFields", Some(entries)))
    };
    let ours = |operation: &str, api_version: &str, subresource: &str| {
        json!({"manager": "orlop", "operation": operation, "apiVersion": api_version,
            "subresource": subresource, "fieldsV1": fields()})
    };
    let never = ".metadata.managedFields: never applied by this delivery";
    assert_eq!(entries(json!([])), never);
    assert_eq!(entries(json!([ours("Update", "apps/v1", "")])), never);
    assert_eq!(entries(json!([ours("Apply", "apps/v1", "scale")])), never);
    assert_eq!(
        entries(json!([ours("Apply", "apps/v1beta1", "")])),
        ".metadata.managedFields: written in another API version"
    );
    let twice = json!([ours("Apply", "apps/v1", ""), ours("Apply", "apps/v1", "")]);
    assert_eq!(entries(twice), ".metadata.managedFields: cannot be compared without the server");
    assert_eq!(entries(json!([ours("Apply", "apps/v1", "")])), "clean");
}

#[test]
fn another_version_another_object_or_one_being_deleted_is_unproven() {
    after_git(
        "",
        "apiVersion",
        Some(json!("apps/v1beta1")),
        &expect![".apiVersion: written in another API version"],
    );
    after_git(
        "/metadata",
        "name",
        Some(json!("x")),
        &expect![".metadata.name: cannot be compared without the server"],
    );
    after_git(
        "/metadata",
        "namespace",
        Some(json!("x")),
        &expect![".metadata.namespace: cannot be compared without the server"],
    );
    after_git("/metadata", "namespace", None, &expect!["clean"]);
    after_git(
        "/metadata",
        "uid",
        Some(json!("v")),
        &expect![".metadata.uid: the live value differs"],
    );
    after_drift(
        "/metadata",
        "deletionTimestamp",
        Some(json!("2026-01-01T00:00:00Z")),
        &expect![".metadata.deletionTimestamp: cannot be compared without the server"],
    );
}

fn secret(extra: &Value, fields: &Value, data: &Value) -> String {
    let mut desired = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    desired.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let live = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
        "metadata": {"name": "s", "managedFields": [{"manager": "orlop", "operation": "Apply",
            "apiVersion": "v1", "fieldsV1": fields}]}});
    verdict(desired, live)
}

#[test]
fn gitops_4_string_data_is_compared_with_the_data_it_became() {
    let fields = json!({"f:stringData": {"f:a": {}}});
    let git = json!({"stringData": {"a": "hello"}});
    assert_eq!(secret(&git, &fields, &json!({"a": "aGVsbG8="})), "clean");
    expect![".stringData.a: the live value differs"].assert_eq(&secret(
        &git,
        &fields,
        &json!({"a": "eA=="}),
    ));
    expect![".stringData.a: the live value differs"].assert_eq(&secret(&git, &fields, &json!({})));
    expect![".stringData.b: not owned by this delivery yet"].assert_eq(&secret(
        &json!({"stringData": {"a": "hello", "b": "x"}}),
        &fields,
        &json!({"a": "aGVsbG8=", "b": "eA=="}),
    ));
    expect![".stringData.a: owned by this delivery but no longer in the source"].assert_eq(
        &secret(
            &json!({"stringData": {"c": "x"}}),
            &json!({"f:stringData": {"f:a": {}, "f:c": {}}}),
            &json!({"a": "eA==", "c": "eA=="}),
        ),
    );
}

#[test]
fn gitops_13_reasons_never_hold_values() {
    let text = secret(
        &json!({"stringData": {"a": "canary"}, "data": {"b": "Y2FuYXJ5"}}),
        &json!({"f:stringData": {"f:a": {}}, "f:data": {"f:b": {}}}),
        &json!({"a": "bGl2ZQ==", "b": "bGl2ZQ=="}),
    );
    for value in ["canary", "Y2FuYXJ5", "bGl2ZQ"] {
        assert!(!text.contains(value), "{text}");
    }
}

#[test]
fn custom_resources_are_compared_as_they_are_stored() {
    let check = |git: Value, live: Value| {
        let desired = json!({"apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": {"name": "x"}, "spec": git});
        let live = json!({"apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": {"name": "x", "managedFields": [{"manager": "orlop", "operation": "Apply",
                "apiVersion": "example.com/v1", "fieldsV1": {"f:spec": {
                    "f:resources": {"f:limits": {"f:cpu": {}}}, "f:on": {}, "f:list": {}}}}]},
            "spec": live});
        verdict(desired, live)
    };
    let git = json!({"resources": {"limits": {"cpu": "0.1"}}, "on": false, "list": []});
    assert_eq!(check(git.clone(), git.clone()), "clean");
    let live = json!({"resources": {"limits": {"cpu": "100m"}}});
    expect![[r"
        .spec.list: the live value differs
        .spec.on: the live value differs
        .spec.resources.limits.cpu: the live value differs"]]
    .assert_eq(&check(git, live));
}

#[test]
fn reasons_are_bounded() {
    let labels = |count: usize| -> Value {
        Value::Object((0..count).map(|index| (format!("l{index}"), json!("v"))).collect())
    };
    let git = edited(desired(), "/spec/template/metadata", "labels", Some(labels(MAX_REASONS + 1)));
    match prove(&object(git), &object(live()), "orlop") {
        Proof::Unproven { reasons } => assert_eq!(reasons.len(), MAX_REASONS),
        Proof::Clean => panic!("labels that nobody applied cannot be clean"),
    }
}

#[test]
fn depth_is_bounded() {
    let check = |depth: usize| {
        let value = (0..depth).fold(json!(1), |below, _| json!({"a": below}));
        let fields = (0..depth).fold(json!({}), |below, _| json!({"f:a": below}));
        let desired = json!({"apiVersion": "e.com/v1", "kind": "T", "metadata": {"name": "x"},
            "spec": value});
        let mut live = desired.clone();
        live["metadata"]["managedFields"] = json!([{"manager": "orlop", "operation": "Apply",
            "apiVersion": "e.com/v1", "fieldsV1": {"f:spec": fields}}]);
        prove(&object(desired), &object(live), "orlop").is_clean()
    };
    assert!(check(MAX_DEPTH_ELEMENTS - 1));
    assert!(!check(MAX_DEPTH_ELEMENTS));
}
