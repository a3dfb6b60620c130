//! Zero false "clean": whatever others do to an object, what is proven clean the server finds
//! unchanged as well.

use crate::bed::Bed;
use cluster::{ApplyOptions, PatchOptions};
use objects::{GroupVersionKind, Object, proof};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Objects that are mutated and asked about.
const CASES: usize = 120;
const MANAGER: &str = "orlop-sync-prove";

pub(crate) fn deployment(namespace: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace, "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [
                    {"name": "web", "image": "registry.test/web:1", "args": ["a", "b"],
                        "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
                        "ports": [{"containerPort": 8080}],
                        "resources": {"limits": {"memory": "1Gi", "cpu": 0.5}}},
                    {"name": "side", "image": "registry.test/side:1"}
                ]}
            }
        }
    })
}

/// Merge patches as people, autoscalers and injectors make them.
pub(crate) fn mutations() -> impl Strategy<Value = Value> {
    let container = |patch: Value| json!({"spec": {"template": {"spec": {"containers": patch}}}});
    prop_oneof![
        (0_i64..4).prop_map(|n| json!({"spec": {"replicas": n}})),
        "[a-c]{1,2}".prop_map(|v| json!({"metadata": {"labels": {"app": v}}})),
        "[a-c]{1,2}".prop_map(|v| json!({"metadata": {"labels": {"other": v}}})),
        Just(json!({"metadata": {"labels": null}})),
        Just(json!({"metadata": {"annotations": {"note": "x"}}})),
        (0_i64..3).prop_map(|n| json!({"spec": {"revisionHistoryLimit": n}})),
        (1_i64..700).prop_map(|n| json!({"spec": {"progressDeadlineSeconds": n + 60}})),
        Just(json!({"spec": {"template": {"metadata": {"annotations": {"at": "1"}}}}})),
        Just(json!({"spec": {"paused": true}})),
        Just(container(json!([{"name": "web", "image": "registry.test/web:1"}]))),
        Just(container(json!([
            {"name": "side", "image": "registry.test/side:1"},
            {"name": "web", "image": "registry.test/web:1", "args": ["b", "a"]},
            {"name": "injected", "image": "registry.test/proxy:1"}
        ]))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_1_nothing_is_proven_clean_that_the_server_would_change() {
    let Some(bed) = Bed::start().await else { return };
    let namespace = bed.namespace.name().to_owned();
    let gvk = GroupVersionKind::from_api_version("apps/v1", "Deployment");
    let resource = bed.client.resolve(&gvk).await.unwrap();
    let desired = Object::from_value(deployment(&namespace)).unwrap();
    let options = ApplyOptions::new(MANAGER).force();
    let mut runner = TestRunner::deterministic();
    let strategy =
        (mutations(), prop_oneof!["kubectl-edit", "injector", "kube-controller-manager"]);
    let (mut clean, mut changed) = (0, 0);
    for case in 0..CASES {
        bed.client.apply(&resource, &desired, &options).await.unwrap();
        let (patch, manager) = strategy.new_tree(&mut runner).unwrap().current();
        let patching = PatchOptions { field_manager: manager, ..PatchOptions::default() };
        let patched = bed.client.patch_merge(&resource, &namespace, "web", &patch, &patching).await;
        // A selector that no longer fits is refused; nothing changed then.
        if patched.is_err() {
            continue;
        }
        // The Deployment's controller writes as well: only a verdict on a state that did not move
        // under the question counts.
        let get = || bed.client.get(&resource, &namespace, "web");
        let (proven, same) = loop {
            let live = get().await.unwrap().unwrap();
            let proven = proof::prove(&desired, &live, MANAGER).is_clean();
            let asking = options.clone().dry_run();
            let after = bed.client.apply(&resource, &desired, &asking).await.unwrap().object;
            let now = get().await.unwrap().unwrap();
            if now.resource_version() == live.resource_version() {
                break (proven, objects::diff::diff(&live, &after).is_empty());
            }
        };
        assert!(!proven || same, "case {case}: {patch} was called clean");
        clean += usize::from(proven);
        changed += usize::from(!same);
    }
    assert!(clean > 10 && changed > 10, "the test is of no use: {clean} clean, {changed} changed");
}
