//! The port against a real API server: that of `ORLOP_TEST_KUBECONFIG`, or the test cluster of
//! this machine. A test that cannot have one says that it is skipped and why.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod identity;
mod lease;
mod outage;
mod reading;
mod schema;
mod writing;

use cluster::{ApplyOptions, Client, ClusterError, ConnectOptions, Resource, Watch, WatchEvent};
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use testkit::cluster::Namespace;

/// How long something that is certain to happen may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// The administrator's client and a namespace of the test's own; `None` skips the test.
async fn cluster() -> Option<(Client, Namespace)> {
    let shared = testkit::cluster::shared()?;
    let options = ConnectOptions::from_kubeconfig(shared.kubeconfig());
    let client = Client::connect(&options).await.unwrap();
    Some((client, shared.namespace()))
}

async fn kind(client: &Client, api_version: &str, kind: &str) -> Arc<Resource> {
    client.resolve(&GroupVersionKind::from_api_version(api_version, kind)).await.unwrap()
}

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

async fn apply(client: &Client, manager: &str, value: Value) -> Object {
    try_apply(client, manager, value).await.unwrap()
}

async fn try_apply(client: &Client, manager: &str, value: Value) -> Result<Object, ClusterError> {
    let object = object(value);
    let resource = client.resolve(&object.gvk()).await.unwrap();
    let applied = client.apply(&resource, &object, &ApplyOptions::new(manager)).await;
    applied.map(|applied| applied.object)
}

fn config_map(namespace: &str, name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
           "metadata": {"namespace": namespace, "name": name, "labels": {"t": "1"}}})
}

fn deployment(namespace: &str, replicas: u32, app: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": "web", "image": "local.test/web:1"}]}}}})
}

/// A definition of a kind that no other test has: plural, kind and the object to apply.
fn definition(group: &str, plural: &str) -> (GroupVersionKind, Value) {
    let gvk = GroupVersionKind::from_api_version(&format!("{group}/v1"), &format!("K{plural}"));
    let schema = json!({"openAPIV3Schema":
        {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let names = json!({"plural": plural, "singular": plural, "kind": gvk.kind});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": schema}]);
    let value = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions}});
    (gvk, value)
}

/// The name of a namespace as far as it may stand in the name of a kind or group.
fn letters(namespace: &str) -> String {
    namespace.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The next event, written short: `+name`, `~name`, `-name`, `=` when all was told.
async fn told(watch: &mut Watch) -> String {
    loop {
        let next = tokio::time::timeout(PATIENCE, watch.next());
        return match next.await.expect("an event in time") {
            Ok(WatchEvent::Added(object)) => format!("+{}", object.name()),
            Ok(WatchEvent::Modified(object)) => format!("~{}", object.name()),
            Ok(WatchEvent::Deleted(gone)) => format!("-{}", gone.id.name),
            Ok(WatchEvent::Synced) => "=".to_owned(),
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                continue;
            }
        };
    }
}
