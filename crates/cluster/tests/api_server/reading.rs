//! Lists, watches, discovery and what is counted.

use crate::{PATIENCE, apply, cluster, config_map, definition, kind, letters, object, told};
use cluster::{ApplyOptions, ClusterError, DeleteOptions, ListOptions};
use futures_util::StreamExt;
use objects::{GroupKind, GroupVersionKind};
use serde_json::json;

#[tokio::test]
async fn a_list_of_two_thousand_objects_comes_in_pages() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let resource = kind(&client, "v1", "ConfigMap").await;
    futures_util::stream::iter(0..2_000)
        .map(|number| {
            let map = object(config_map(ns, &format!("c{number}"), &json!({"n": "1"})));
            let (client, resource) = (client.clone(), resource.clone());
            async move { client.apply(&resource, &map, &ApplyOptions::new("t")).await.unwrap() }
        })
        .buffer_unordered(client.in_flight_max())
        .collect::<Vec<_>>()
        .await;
    let options = ListOptions {
        namespace: ns.to_owned(),
        metadata_only: true,
        ..ListOptions::with_labels("t=1")
    };
    let mut pages = client.pages(&resource, options.clone());
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        for one in &page.objects {
            assert_eq!((one.kind(), one.api_version()), ("ConfigMap", "v1"));
            assert_eq!(one.at(&["data"]), None, "only metadata was asked for");
        }
        sizes.push(page.objects.len());
    }
    assert!(sizes.len() >= 4 && sizes.iter().all(|size| *size <= 500), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 2_000);
    let all = ListOptions { metadata_only: false, page_objects: 0, ..options };
    let listed = client.list(&resource, &all).await.unwrap();
    assert_eq!(listed.objects.len(), 2_000);
    assert_eq!(listed.objects[0].str_at(&["data", "n"]), Some("1"));
    let applied: u64 = client
        .metrics()
        .requests()
        .iter()
        .filter(|count| count.verb == "apply" && count.resource == "configmaps")
        .map(|count| count.count)
        .sum();
    assert!(applied >= 2_000, "{applied}");
}

#[tokio::test]
async fn a_watch_tells_what_happens_to_objects() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let resource = kind(&client, "v1", "ConfigMap").await;
    apply(&client, "t", config_map(ns, "before", &json!({}))).await;
    let options = ListOptions {
        namespace: ns.to_owned(),
        metadata_only: true,
        ..ListOptions::with_labels("t=1")
    };
    let mut watch = client.watch(&resource, options);
    assert_eq!([told(&mut watch).await, told(&mut watch).await], ["+before", "="]);
    apply(&client, "t", config_map(ns, "later", &json!({}))).await;
    assert_eq!(told(&mut watch).await, "+later");
    apply(&client, "t", config_map(ns, "later", &json!({"a": "1"}))).await;
    assert_eq!(told(&mut watch).await, "~later");
    client.delete(&resource, ns, "before", &DeleteOptions::default()).await.unwrap();
    assert_eq!(told(&mut watch).await, "-before");
}

#[tokio::test]
async fn gitops_7_a_kind_is_found_right_after_its_definition() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let plural = format!("w{}", letters(ns));
    let (gvk, definition) = definition("orlop.test", &plural);
    let error = client.resolve(&gvk).await.unwrap_err();
    assert!(matches!(error, ClusterError::NoSuchKind { .. }), "{error}");
    apply(&client, "t", definition).await;
    let found = client.wait_for_kind(&gvk, PATIENCE).await.unwrap();
    assert!(found.namespaced && found.plural == plural);
    let made = json!({"apiVersion": "orlop.test/v1", "kind": gvk.kind,
        "metadata": {"namespace": ns, "name": "one"}, "spec": {"a": 1}});
    apply(&client, "t", made).await;
    let definitions = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
    let definitions = client.resolve_kind(&definitions).await.unwrap();
    let name = format!("{plural}.orlop.test");
    client.delete(&definitions, "", &name, &DeleteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn gitops_20_one_silent_aggregated_api_costs_only_its_own_kinds() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let group = format!("g{}.orlop.test", letters(ns));
    let name = format!("v1.{group}");
    let service = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name},
        "spec": {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 1,
            "insecureSkipTLSVerify": true, "service": {"namespace": ns, "name": "absent"}}});
    apply(&client, "t", service).await;
    let end = std::time::Instant::now() + PATIENCE;
    let silent = loop {
        client.refresh_discovery().await.unwrap();
        let silent = client.unavailable_apis().await.unwrap();
        if let Some(api) = silent.into_iter().find(|api| api.group == group) {
            break api;
        }
        assert!(std::time::Instant::now() < end, "the API never appeared");
        tokio::task::yield_now().await;
    };
    assert!(!silent.reason.is_empty());
    let gvk = GroupVersionKind::from_api_version(&format!("{group}/v1"), "Thing");
    let error = client.resolve(&gvk).await.unwrap_err();
    assert!(matches!(error, ClusterError::ApiUnavailable { .. }), "{error}");
    kind(&client, "apps/v1", "Deployment").await;
    let services = kind(&client, "apiregistration.k8s.io/v1", "APIService").await;
    client.delete(&services, "", &name, &DeleteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn our_request_counts_are_those_of_the_api_server() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    // A kind that nobody else reads or writes.
    let plural = format!("m{}", letters(ns));
    let (gvk, definition) = definition("counts.orlop.test", &plural);
    apply(&client, "t", definition).await;
    let resource = client.wait_for_kind(&gvk, PATIENCE).await.unwrap();
    for number in 0..7 {
        let one = json!({"apiVersion": "counts.orlop.test/v1", "kind": gvk.kind,
            "metadata": {"namespace": ns, "name": format!("c{number}")}});
        apply(&client, "t", one).await;
        client.get(&resource, ns, "absent").await.unwrap();
    }
    client.delete(&resource, ns, "c0", &DeleteOptions::default()).await.unwrap();
    let ours: Vec<(&str, u16, u64)> = client
        .metrics()
        .requests()
        .into_iter()
        .filter(|count| count.resource == resource.name())
        .map(|count| (count.verb, count.code, count.count))
        .collect();
    assert_eq!(ours, [("apply", 201, 7), ("delete", 200, 1), ("get", 404, 7)]);

    let text = namespace.cluster().kubectl_ok(&["get", "--raw", "/metrics"]);
    for (verb, code, count) in [("APPLY", 201, 7), ("DELETE", 200, 1), ("GET", 404, 7)] {
        let line = text.lines().find(|line| {
            line.starts_with("apiserver_request_total{")
                && line.contains(&format!("resource=\"{plural}\""))
                && line.contains(&format!("verb=\"{verb}\""))
                && line.contains(&format!("code=\"{code}\""))
        });
        assert_eq!(line.unwrap().rsplit_once(' ').unwrap().1, count.to_string(), "{line:?}");
    }
    let definitions = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
    let definitions = client.resolve_kind(&definitions).await.unwrap();
    let name = format!("{plural}.counts.orlop.test");
    client.delete(&definitions, "", &name, &DeleteOptions::default()).await.unwrap();
}
