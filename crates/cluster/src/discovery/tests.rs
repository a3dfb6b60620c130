use super::*;
use serde_json::json;

fn catalog() -> Catalog {
    let list: Root = serde_json::from_value(json!({
        "kind": "APIGroupDiscoveryList",
        "items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Current",
                "resources": [{
                    "resource": "deployments", "scope": "Namespaced", "verbs": ["get", "list"],
                    "responseKind": {"group": "", "version": "", "kind": "Deployment"},
                    "singularResource": "deployment", "shortNames": ["deploy"],
                    "subresources": [{"subresource": "status"}, {"subresource": "scale"}],
                }]}]},
            {"metadata": {"name": "example.com"}, "versions": [
                {"version": "v2", "freshness": "Current", "resources": [{
                    "resource": "caches", "scope": "Cluster", "verbs": ["get"],
                    "responseKind": {"group": "example.com", "version": "v2", "kind": "Cache"}}]},
                {"version": "v1", "freshness": "Current", "resources": [{
                    "resource": "caches", "scope": "Cluster", "verbs": ["get"],
                    "responseKind": {"group": "example.com", "version": "v1", "kind": "Cache"}}]}]},
            {"metadata": {"name": "metrics.k8s.io"},
             "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
        ],
    }))
    .unwrap();
    let mut catalog = Catalog::default();
    catalog.add_aggregated(list.items);
    catalog
}

fn gvk(api_version: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind::from_api_version(api_version, kind)
}

#[test]
fn aggregated_discovery_gives_scope_verbs_and_subresources() {
    let catalog = catalog();
    let deployment = &catalog.by_kind[&gvk("apps/v1", "Deployment")];
    assert!(deployment.namespaced && deployment.supports("list") && !deployment.supports("watch"));
    assert_eq!(deployment.subresources, ["status", "scale"]);
    assert_eq!(deployment.name(), "deployments.apps");
}

#[test]
fn the_first_version_of_a_group_is_the_preferred_one() {
    let kind = GroupKind::new("example.com", "Cache");
    assert_eq!(catalog().preferred[&kind], gvk("example.com/v2", "Cache"));
}

#[test]
fn a_wrong_api_version_or_a_typing_error_gets_the_right_kind_as_advice() {
    use model::Explain;
    let hint =
        |api_version, kind| catalog().missing(&gvk(api_version, kind)).hint().unwrap().to_string();
    assert_eq!(hint("extensions/v1beta1", "Deployment"), "did you mean `apps/v1 Deployment`?");
    assert_eq!(hint("apps/v1", "Deploymnet"), "did you mean `apps/v1 Deployment`?");
    assert_eq!(hint("example.com/v3", "Cache"), "did you mean `example.com/v2 Cache`?");
    assert_eq!(
        hint("example.com/v3", "Elephant"),
        "install the CustomResourceDefinition of this kind first"
    );
}

#[test]
fn gitops_20_a_silent_aggregated_api_is_never_read_as_no_such_kind() {
    let mut now = catalog();
    let error = now.missing(&gvk("metrics.k8s.io/v1beta1", "PodMetrics"));
    assert!(matches!(error, ClusterError::ApiUnavailable { .. }), "{error}");
    let mut before = Catalog::default();
    before.add(Resource {
        gvk: gvk("metrics.k8s.io/v1beta1", "PodMetrics"),
        plural: "pods".to_owned(),
        singular: String::new(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: vec!["get".to_owned()],
        subresources: Vec::new(),
    });
    now.keep_unavailable_kinds(&before);
    assert!(now.by_kind.contains_key(&gvk("metrics.k8s.io/v1beta1", "PodMetrics")));
    assert_eq!(now.unavailable.len(), 1);
}

#[test]
fn per_group_discovery_gives_the_same_resources() {
    let list: ResourceList = serde_json::from_value(json!({"resources": [
        {"name": "deployments", "singularName": "deployment", "namespaced": true,
         "kind": "Deployment", "verbs": ["get", "list"], "shortNames": ["deploy"]},
        {"name": "deployments/status", "namespaced": true, "kind": "Deployment", "verbs": ["get"]},
        {"name": "deployments/scale", "namespaced": true, "group": "autoscaling",
         "version": "v1", "kind": "Scale", "verbs": ["get"]},
    ]}))
    .unwrap();
    let found = list.into_resources("apps", "v1");
    assert_eq!(found.len(), 1);
    assert_eq!(&found[0], catalog().by_kind[&gvk("apps/v1", "Deployment")].as_ref());
}
