//! Zero false "clean" from memory: whatever others do, and however the watch fares.

use crate::bed::{Bed, config_map};
use crate::prove::{deployment, mutations};
use cluster::{ApplyOptions, Client, ConnectOptions, PatchOptions};
use delivery::{Check, DeliveryOptions, Live, Silent, Source};
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef, diff};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::time::Duration;
use testkit::cluster::ControlPlane;
use tokio_util::sync::CancellationToken;

/// Edits that are made and asked about.
const CASES: usize = 60;
/// How long something that is certain to happen may take.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn gitops_1_nothing_is_remembered_as_clean_that_the_server_would_change() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.options.force_conflicts = true;
    let namespace = bed.namespace.name().to_owned();
    bed.write("web.json", &deployment(&namespace).to_string());
    let (tree, token) = (bed.load().await, CancellationToken::new());
    let live = Live::new(&bed.client, &bed.options.name);
    let gvk = GroupVersionKind::from_api_version("apps/v1", "Deployment");
    let resource = bed.client.resolve(&gvk).await.unwrap();
    let mut desired = Object::from_value(deployment(&namespace)).unwrap();
    desired.set_label("orlop.dev/delivery", bed.options.name.as_str());
    let asking = ApplyOptions::new(bed.options.name.manager()).force().dry_run();
    let mut runner = TestRunner::deterministic();
    let strategy =
        (mutations(), prop_oneof!["kubectl-edit", "injector", "kube-controller-manager"]);
    let (mut clean, mut changed) = (0, 0);
    for case in 0..CASES {
        live.apply(&tree, &bed.options, None, &Silent, &token).await.unwrap();
        let (patch, manager) = strategy.new_tree(&mut runner).unwrap().current();
        let patching = PatchOptions { field_manager: manager, ..PatchOptions::default() };
        let patched = bed.client.patch_merge(&resource, &namespace, "web", &patch, &patching).await;
        if patched.is_err() {
            continue;
        }
        let get = || bed.client.get(&resource, &namespace, "web");
        let id = desired.id();
        // The Deployment's controller writes as well: only a verdict about the state that the
        // memory has, and that did not move under the question, counts.
        let (says_clean, same) = loop {
            let state = get().await.unwrap().unwrap();
            let version = state.resource_version().map(str::to_owned);
            // An object without the label is none of the watch's.
            let labelled = state.label("orlop.dev/delivery").is_some();
            let expected = version.clone().filter(|_| labelled);
            let end = tokio::time::Instant::now() + PATIENCE;
            while live.seen(&id) != expected
                && get().await.unwrap().unwrap().resource_version() == version.as_deref()
            {
                assert!(tokio::time::Instant::now() < end, "the memory never came so far");
                tokio::task::yield_now().await;
            }
            let says_clean = live.check() == Check { clean: 1, ..Check::default() };
            let after = bed.client.apply(&resource, &desired, &asking).await.unwrap().object;
            let now = get().await.unwrap().unwrap();
            if live.seen(&id) == expected && now.resource_version() == version.as_deref() {
                break (says_clean, diff::diff(&state, &after).is_empty());
            }
        };
        assert!(!says_clean || same, "case {case}: {patch} was remembered as clean");
        clean += usize::from(says_clean);
        changed += usize::from(!same);
    }
    assert!(clean > 5 && changed > 5, "the test is of no use: {clean} clean, {changed} changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_20_after_a_crash_of_the_api_server_a_memo_counts_only_when_it_was_listed_again() {
    let Some(plane) = tokio::task::block_in_place(ControlPlane::start) else { return };
    let connect = ConnectOptions::from_kubeconfig(plane.kubeconfig());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::connect(&connect).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..20).map(|n| config_map(&format!("c{n}"), "x")).collect();
    std::fs::write(folder.path().join("many.yaml"), text).unwrap();
    let mut options = DeliveryOptions::new("shop".parse().unwrap());
    options.wait = false;
    let (source, token) = (Source::Directory(folder.path().to_owned()), CancellationToken::new());
    let tree = delivery::load(&source, &delivery::LoadOptions::default(), &token).await.unwrap();
    let live = Live::new(&client, &options.name);
    live.apply(&tree, &options, None, &Silent, &token).await.unwrap();
    for round in 0..3 {
        let name = format!("c{round}");
        tokio::task::block_in_place(|| plane.kill_api_server());
        let end = tokio::time::Instant::now() + PATIENCE;
        while live.is_in_sync() {
            assert!(tokio::time::Instant::now() < end, "the cut was never noticed");
            tokio::task::yield_now().await;
        }
        assert_eq!(live.check(), Check { unknown: 20, ..Check::default() });
        let version = tokio::task::block_in_place(|| {
            plane.start_api_server();
            let patch = r#"{"data":{"key":"drift"}}"#;
            let path = "jsonpath={.metadata.resourceVersion}";
            let patch = ["patch", "configmap", &name, "--type=merge", "-p", patch, "-o", path];
            plane.kubectl_ok(&patch)
        });
        // All may have been listed again before the change; what a watch is about to tell then is
        // no matter of the crash.
        let id = ObjectRef::new(GroupKind::new("", "ConfigMap"), "default", &name);
        let end = tokio::time::Instant::now() + PATIENCE;
        while live.is_in_sync() && live.seen(&id).as_ref() != Some(&version) {
            assert!(tokio::time::Instant::now() < end, "the change was never told");
            tokio::task::yield_now().await;
        }
        let report = live.apply(&tree, &options, None, &Silent, &token).await.unwrap();
        assert_eq!((report.done(), report.unchanged), (1, 19), "{:#?}", report.outcomes);
        let path = "jsonpath={.data.key}";
        let value = tokio::task::block_in_place(|| {
            plane.kubectl_ok(&["get", "configmap", &name, "-o", path])
        });
        assert_eq!(value, "x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_may_not_be_watched_is_listed_and_told() {
    let Some(bed) = Bed::start().await else { return };
    let file = bed.path().join("..restricted");
    let namespace = bed.namespace.name().to_owned();
    tokio::task::block_in_place(|| {
        let kubectl = || bed.namespace.cluster().kubectl();
        let verbs = ["get", "list", "create", "patch", "update", "delete"];
        let account = "deliverer";
        testkit::cluster::restricted_kubeconfig(
            &kubectl,
            &namespace,
            account,
            &verbs,
            &["configmaps"],
            &file,
        );
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::connect(&ConnectOptions::from_kubeconfig(&file)).await.unwrap();
    bed.write("a.yaml", &config_map("a", "x"));
    let (tree, token) = (bed.load().await, CancellationToken::new());
    let live = Live::new(&client, &bed.options.name);
    let first = live.apply(&tree, &bed.options, None, &Silent, &token).await.unwrap();
    assert_eq!(first.done(), 1, "{:#?}", first.outcomes);
    // Its list is allowed and comes in sync, its stream is not.
    let second = live.apply(&tree, &bed.options, None, &Silent, &token).await.unwrap();
    assert_eq!((second.done(), second.unchanged), (0, 1));
    let end = tokio::time::Instant::now() + PATIENCE;
    while live.unwatched().is_empty() {
        assert!(tokio::time::Instant::now() < end, "it was never told");
        tokio::task::yield_now().await;
    }
    assert!(live.unwatched()[0].reason.contains("may not watch"), "{:?}", live.unwatched());
    assert_eq!(live.check().clean, 0, "nothing is believed of what is not watched");
}
