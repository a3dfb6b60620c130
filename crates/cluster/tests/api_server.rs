//! The port against a real API server: `ORLOP_TEST_KUBECONFIG` names an administrator's
//! kubeconfig. Without it every test says that it is skipped.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use cluster::{
    ApplyOptions, CertificateProblem, Client, ClusterError, ConnectOptions, DeleteOptions, Deleted,
    FieldConflict, FieldValidation, Impersonate, LeaseOptions, LeaseTimes, ListOptions,
    PatchOptions, Propagation, Resource, WatchEvent,
};
use futures_util::StreamExt;
use model::Explain;
use objects::{GroupKind, GroupVersionKind, Object};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The administrator's client and a namespace of its own; `None` skips the test.
async fn cluster(test: &str) -> Option<(Client, Namespace)> {
    let Some(path) = std::env::var_os("ORLOP_TEST_KUBECONFIG") else {
        eprintln!("SKIP {test}: ORLOP_TEST_KUBECONFIG is not set");
        return None;
    };
    let client = Client::connect(&ConnectOptions::from_kubeconfig(path)).await.unwrap();
    let unique = format!("{:x}", cluster::Jitter::process_seed());
    let namespace = format!("t-{}-{unique}", test.replace('_', "-"));
    let namespace: String = namespace.chars().take(60).collect();
    apply(
        &client,
        "t",
        json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace}}),
    )
    .await;
    Some((client, Namespace(namespace)))
}

/// A namespace of one test; deleted when the test ends, however it ends.
#[derive(serde::Serialize)]
struct Namespace(String);

impl std::ops::Deref for Namespace {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let name = self.0.clone();
        // The test's own runtime cannot be waited for here.
        let deletion = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(
                async {
                    let path = std::env::var_os("ORLOP_TEST_KUBECONFIG").unwrap();
                    let options = ConnectOptions::from_kubeconfig(path);
                    let client = Client::connect(&options).await.unwrap();
                    let resource = kind(&client, "v1", "Namespace").await;
                    client.delete(&resource, "", &name, &DeleteOptions::default()).await.unwrap();
                },
            );
        });
        if deletion.join().is_err() {
            eprintln!("namespace {self} could not be deleted");
        }
    }
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

fn kubeconfig_of(change: impl FnOnce(&mut Value)) -> tempfile::NamedTempFile {
    let path = PathBuf::from(std::env::var_os("ORLOP_TEST_KUBECONFIG").unwrap());
    let merged = kube::config::Kubeconfig::read_from(path).unwrap();
    let mut value = serde_json::to_value(merged).unwrap();
    change(&mut value);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{value}").unwrap();
    file
}

async fn client_of(change: impl FnOnce(&mut Value)) -> Client {
    let file = kubeconfig_of(change);
    Client::connect(&ConnectOptions::from_kubeconfig(file.path())).await.unwrap()
}

#[tokio::test]
async fn operator_20_writers_keep_their_fields_and_conflicts_name_field_and_owner() {
    let Some((client, ns)) = cluster("writers").await else { return };
    apply(&client, "first", config_map(&ns, "c", &json!({"a": "1", "b": "1"}))).await;
    apply(
        &client,
        "second",
        json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": ns, "name": "c"}, "data": {"c": "2"}}),
    )
    .await;
    let clash = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": ns, "name": "c"}, "data": {"a": "2", "b": "2", "c": "2"}});
    let error = try_apply(&client, "second", clash.clone()).await.unwrap_err();
    let ClusterError::Conflict { conflicts, .. } = &error else { panic!("{error}") };
    let owned = |field: &str| FieldConflict { manager: "first".into(), field: field.into() };
    assert_eq!(*conflicts, [owned(".data.a"), owned(".data.b")]);
    // A field that its writer no longer names goes away; the other writer's stays.
    let after = apply(&client, "first", config_map(&ns, "c", &json!({"b": "1"}))).await;
    assert_eq!(after.at(&["data"]), Some(&json!({"b": "1", "c": "2"})));
    let resource = kind(&client, "v1", "ConfigMap").await;
    let options = ApplyOptions::new("second").force();
    let taken = client.apply(&resource, &object(clash), &options.dry_run()).await.unwrap();
    assert_eq!(taken.object.str_at(&["data", "b"]), Some("2"));
    let live = client.get(&resource, &ns, "c").await.unwrap().unwrap();
    assert_eq!(live.str_at(&["data", "b"]), Some("1"), "a dry run changes nothing");
}

#[tokio::test]
async fn gitops_8_a_delete_with_the_uid_of_another_object_is_refused() {
    let Some((client, ns)) = cluster("delete").await else { return };
    let resource = kind(&client, "v1", "ConfigMap").await;
    let live = apply(&client, "t", config_map(&ns, "c", &json!({}))).await;
    let with_uid = |uid: &str| DeleteOptions { uid: Some(uid.into()), ..DeleteOptions::default() };
    let error = client.delete(&resource, &ns, "c", &with_uid("other")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Changed { .. }), "{error}");
    assert!(client.get(&resource, &ns, "c").await.unwrap().is_some());
    let right = with_uid(live.uid().unwrap());
    assert_eq!(client.delete(&resource, &ns, "c", &right).await.unwrap(), Deleted::Gone);
    assert_eq!(client.delete(&resource, &ns, "c", &right).await.unwrap(), Deleted::Absent);

    let mut held = config_map(&ns, "held", &json!({}));
    held["metadata"]["finalizers"] = json!(["orlop.dev/test"]);
    let live = apply(&client, "t", held).await;
    let options =
        DeleteOptions { propagation: Propagation::Foreground, ..with_uid(live.uid().unwrap()) };
    let deleted = client.delete(&resource, &ns, "held", &options).await.unwrap();
    assert!(matches!(&deleted, Deleted::Pending(object) if object.is_terminating()), "{deleted:?}");
    let patch = json!({"metadata": {"finalizers": null}});
    let options = PatchOptions { field_manager: "t".into(), ..PatchOptions::default() };
    client.patch_merge(&resource, &ns, "held", &patch, &options).await.unwrap();
    assert_eq!(client.get(&resource, &ns, "held").await.unwrap(), None);
}

#[tokio::test]
async fn a_patch_of_an_object_that_moved_on_is_refused() {
    let Some((client, ns)) = cluster("patch").await else { return };
    let resource = kind(&client, "v1", "ConfigMap").await;
    let old = apply(&client, "t", config_map(&ns, "c", &json!({"a": "1"}))).await;
    let options = PatchOptions {
        field_manager: "t".into(),
        resource_version: old.resource_version().map(str::to_owned),
        ..PatchOptions::default()
    };
    let patch = json!({"data": {"a": "2"}});
    client.patch_merge(&resource, &ns, "c", &patch, &options).await.unwrap();
    let error = client.patch_merge(&resource, &ns, "c", &patch, &options).await.unwrap_err();
    assert!(matches!(error, ClusterError::Changed { .. }), "{error}");
    let operations = [json!({"op": "add", "path": "/data/b", "value": "3"})];
    let error = client.patch_json(&resource, &ns, "c", &operations, &options).await.unwrap_err();
    assert_eq!(error.retry(), model::Retry::Never, "{error}");
    let now = PatchOptions { resource_version: None, ..options };
    let live = client.patch_json(&resource, &ns, "c", &operations, &now).await.unwrap();
    assert_eq!(live.at(&["data"]), Some(&json!({"a": "2", "b": "3"})));
}

#[tokio::test]
async fn refusals_of_bad_objects_name_their_fields() {
    let Some((client, ns)) = cluster("refusals").await else { return };
    let error = try_apply(&client, "t", config_map(&ns, "Not_A_Name", &json!({}))).await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, ClusterError::Invalid { causes, .. } if causes[0].field == "metadata.name"),
        "{error}"
    );

    let error = try_apply(&client, "t", config_map("missing", "c", &json!({}))).await.unwrap_err();
    assert_eq!(error.to_string(), "namespace missing of ConfigMap missing/c does not exist");

    apply(&client, "t", deployment(&ns, 0, "a")).await;
    let error = try_apply(&client, "t", deployment(&ns, 0, "b")).await.unwrap_err();
    let ClusterError::Immutable { causes, .. } = &error else { panic!("{error}") };
    assert_eq!(causes[0].field, "spec.selector");

    let mut unknown = deployment(&ns, 0, "a");
    unknown["spec"]["replcias"] = json!(3);
    let error = try_apply(&client, "t", unknown.clone()).await.unwrap_err();
    let ClusterError::Invalid { causes, .. } = &error else { panic!("{error:?}") };
    assert_eq!(causes[0].field, ".spec.replcias");
    assert_eq!(causes[0].message, "field not declared in schema");

    let mut wrong = deployment(&ns, 0, "a");
    wrong["spec"]["replicas"] = json!("many");
    let error = try_apply(&client, "t", wrong).await.unwrap_err();
    assert!(matches!(error, ClusterError::Invalid { .. }), "{error:?}");

    let resource = kind(&client, "v1", "ConfigMap").await;
    let small = object(config_map(&ns, "small", &json!({"a": "1"})));
    let options = ApplyOptions::new("t");
    assert!(client.create(&resource, &small, &options).await.unwrap().created);
    let error = client.create(&resource, &small, &options).await.unwrap_err();
    assert!(matches!(error, ClusterError::AlreadyExists { .. }), "{error}");
    let big = config_map(&ns, "big", &json!({"a": "x".repeat(4 << 20)}));
    let error = try_apply(&client, "t", big).await.unwrap_err();
    assert!(
        matches!(error, ClusterError::TooLarge { .. } | ClusterError::Invalid { .. }),
        "{error:?}"
    );

    let quiet = ApplyOptions { validation: FieldValidation::Warn, ..ApplyOptions::new("t") };
    let resource = kind(&client, "apps/v1", "Deployment").await;
    let mut unknown = object(unknown);
    unknown.metadata_mut().insert("name".into(), json!("web2"));
    match client.apply(&resource, &unknown, &quiet).await {
        Ok(applied) => assert!(applied.warnings[0].contains("replcias"), "{:?}", applied.warnings),
        Err(error) => assert!(error.to_string().contains("replcias"), "{error}"),
    }
}

/// A ServiceAccount and a token of it that lives `seconds`.
async fn token(client: &Client, namespace: &str, name: &str) -> String {
    apply(
        client,
        "t",
        json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"namespace": namespace, "name": name}}),
    )
    .await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"namespace": namespace, "name": name,
            "annotations": {"kubernetes.io/service-account.name": name}}});
    apply(client, "t", secret).await;
    let resource = kind(client, "v1", "Secret").await;
    let options = ListOptions {
        namespace: namespace.to_owned(),
        fields: format!("metadata.name={name}"),
        ..ListOptions::default()
    };
    let mut watch = client.watch(&resource, options);
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), watch.next());
        let event = next.await.expect("the token controller fills the Secret").unwrap();
        if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event
            && let Some(encoded) = object.str_at(&["data", "token"])
        {
            return decoded(encoded);
        }
    }
}

/// Base64, as far as a token needs it.
fn decoded(text: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for letter in text.chars().filter_map(|letter| alphabet.find(letter)) {
        bits = (bits << 6) | u32::try_from(letter).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_forbidden_verb_is_told_with_verb_resource_namespace_and_subject() {
    let Some((client, ns)) = cluster("forbidden").await else { return };
    let token = token(&client, &ns, "poor").await;
    let poor = client_of(|config| config["users"][0]["user"] = json!({"token": token})).await;
    let resource = kind(&client, "apps/v1", "Deployment").await;
    let error = poor.list(&resource, &ListOptions::default()).await.unwrap_err();
    let user = format!("system:serviceaccount:{ns}:poor");
    assert_eq!(
        error.to_string(),
        format!("user {user} may not list deployments.apps at cluster scope")
    );
    let web = object(deployment(&ns, 0, "a"));
    let error = poor.apply(&resource, &web, &ApplyOptions::new("t")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("user {user} may not patch deployments.apps in namespace {ns}")
    );
    assert_eq!(
        error.hint().unwrap().as_str(),
        format!("grant the verb `patch` on `deployments.apps` to {user} with a RoleBinding")
    );
    assert!(!format!("{error:?} {poor:?}").contains(&token));
    let counted = poor.metrics().requests();
    assert!(counted.iter().any(|c| (c.verb, c.code, c.count) == ("apply", 403, 1)), "{counted:?}");

    // A token that was good and is not any more. The server may remember it for a moment.
    let accounts = kind(&client, "v1", "ServiceAccount").await;
    client.delete(&accounts, &ns, "poor", &DeleteOptions::default()).await.unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let error = poor.get(&resource, &ns, "web").await.unwrap_err();
        if let ClusterError::Unauthorized { .. } = &error {
            assert!(error.hint().unwrap().as_str().contains("expired"), "{error}");
            break;
        }
        assert!(std::time::Instant::now() < end, "the token is still good: {error}");
    }
}

#[tokio::test]
async fn our_request_counts_are_those_of_the_api_server() {
    let Some((client, ns)) = cluster("counts").await else { return };
    // A kind that nobody else reads or writes.
    let plural: String =
        format!("m{}", ns.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    let gvk = GroupVersionKind::from_api_version("counts.orlop.test/v1", &format!("K{plural}"));
    apply(&client, "t", json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.counts.orlop.test")},
        "spec": {"group": "counts.orlop.test", "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural, "kind": gvk.kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema":
                {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}
    }))
    .await;
    let resource = client.wait_for_kind(&gvk, Duration::from_secs(20)).await.unwrap();
    for number in 0..7 {
        let one = json!({"apiVersion": "counts.orlop.test/v1", "kind": gvk.kind,
            "metadata": {"namespace": ns, "name": format!("c{number}")}});
        apply(&client, "t", one).await;
        client.get(&resource, &ns, "absent").await.unwrap();
    }
    client.delete(&resource, &ns, "c0", &DeleteOptions::default()).await.unwrap();
    let ours: Vec<(&str, u16, u64)> = client
        .metrics()
        .requests()
        .into_iter()
        .filter(|count| count.resource == resource.name())
        .map(|count| (count.verb, count.code, count.count))
        .collect();
    assert_eq!(ours, [("apply", 201, 7), ("delete", 200, 1), ("get", 404, 7)]);

    let path = std::env::var_os("ORLOP_TEST_KUBECONFIG").unwrap();
    let config = kube::config::Kubeconfig::read_from(path).unwrap();
    let raw = kube::Client::try_from(kube::Config::try_from(config).unwrap()).unwrap();
    let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
    let text = raw.request_text(request).await.unwrap();
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

#[tokio::test]
async fn impersonation_acts_as_somebody_else() {
    let Some((_, ns)) = cluster("impersonate").await else { return };
    let path = std::env::var_os("ORLOP_TEST_KUBECONFIG").unwrap();
    let mut options = ConnectOptions::from_kubeconfig(PathBuf::from(path));
    options.impersonate = Some(Impersonate { user: "jane".into(), groups: vec!["dev".into()] });
    let jane = Client::connect(&options).await.unwrap();
    let pods = Resource { plural: "pods".into(), ..(*kind(&jane, "v1", "Pod").await).clone() };
    let error = jane.get(&pods, &ns, "p").await.unwrap_err();
    assert_eq!(error.to_string(), format!("user jane may not get pods in namespace {ns}"));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_and_a_certificate_that_is_not_trusted_are_told_apart() {
    let Some((client, _)) = cluster("trust").await else { return };
    let wrong = client_of(|c| c["users"][0]["user"] = json!({"token": "CANARY"})).await;
    let error = wrong.server_version().await.unwrap_err();
    // Some servers let anybody read the version.
    let error = match error {
        ClusterError::Unauthorized { .. } => error,
        other => panic!("{other:?}"),
    };
    assert!(!format!("{error} {error:?}").contains("CANARY"));

    let other_ca = rcgen_ca();
    let stranger = client_of(|config| {
        let cluster = config["clusters"][0]["cluster"].as_object_mut().unwrap();
        cluster.remove("certificate-authority-data");
        cluster.insert("certificate-authority".into(), json!(other_ca.path()));
    })
    .await;
    let error = stranger.server_version().await.unwrap_err();
    let ClusterError::Certificate { problem, address } = &error else { panic!("{error:?}") };
    assert_eq!(*problem, CertificateProblem::UnknownIssuer);
    assert_eq!(address, client.address());

    let renamed = client_of(|config| {
        config["clusters"][0]["cluster"]["tls-server-name"] = json!("elsewhere.example");
    })
    .await;
    let error = renamed.server_version().await.unwrap_err();
    let ClusterError::Certificate { problem, .. } = &error else { panic!("{error:?}") };
    assert!(
        matches!(problem, CertificateProblem::WrongName { expected, presented }
            if expected == "elsewhere.example" && !presented.is_empty()),
        "{problem:?}"
    );
}

/// The certificate of an authority that signed nothing here.
fn rcgen_ca() -> tempfile::NamedTempFile {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn a_list_of_two_thousand_objects_comes_in_pages() {
    let Some((client, ns)) = cluster("pages").await else { return };
    let resource = kind(&client, "v1", "ConfigMap").await;
    futures_util::stream::iter(0..2_000)
        .map(|number| {
            let map = object(config_map(&ns, &format!("c{number}"), &json!({"n": "1"})));
            let (client, resource) = (client.clone(), resource.clone());
            async move { client.apply(&resource, &map, &ApplyOptions::new("t")).await.unwrap() }
        })
        .buffer_unordered(client.in_flight_max())
        .collect::<Vec<_>>()
        .await;
    let options = ListOptions {
        namespace: ns.clone(),
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
async fn gitops_7_a_kind_is_found_right_after_its_definition() {
    let Some((client, ns)) = cluster("discovery").await else { return };
    let plural: String =
        format!("w{}", ns.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    let gvk = GroupVersionKind::from_api_version("orlop.test/v1", &format!("K{plural}"));
    let error = client.resolve(&gvk).await.unwrap_err();
    assert!(matches!(error, ClusterError::NoSuchKind { .. }), "{error}");
    apply(&client, "t", json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.orlop.test")},
        "spec": {"group": "orlop.test", "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural, "kind": gvk.kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema":
                {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}
    }))
    .await;
    let found = client.wait_for_kind(&gvk, Duration::from_secs(20)).await.unwrap();
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
    let Some((client, ns)) = cluster("aggregated").await else { return };
    let group =
        format!("g{}.orlop.test", ns.chars().filter(char::is_ascii_hexdigit).collect::<String>());
    let name = format!("v1.{group}");
    apply(
        &client,
        "t",
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name},
        "spec": {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 1,
            "insecureSkipTLSVerify": true, "service": {"namespace": ns, "name": "absent"}}}),
    )
    .await;
    let end = std::time::Instant::now() + Duration::from_secs(20);
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
async fn two_candidates_share_a_lease_one_after_the_other() {
    let Some((client, ns)) = cluster("lease").await else { return };
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let times = LeaseTimes::new(3, Duration::from_secs(2), Duration::from_millis(200)).unwrap();
    let mut stops = Vec::new();
    for identity in ["a", "b"] {
        let stop = tokio_util::sync::CancellationToken::new();
        stops.push((identity, stop.clone()));
        let options = LeaseOptions {
            namespace: ns.clone(),
            name: "leader".into(),
            identity: identity.into(),
            times,
        };
        let (client, sender) = (client.clone(), sender.clone());
        tokio::spawn(async move {
            let clock = Arc::new(model::SystemClock);
            client
                .lead(options, clock, stop, move |leadership| {
                    let sender = sender.clone();
                    async move {
                        assert!(leadership.holds());
                        sender.send((identity, leadership.fence(), true)).unwrap();
                        leadership.token().cancelled().await;
                        assert!(!leadership.holds());
                        sender.send((identity, leadership.fence(), false)).unwrap();
                    }
                })
                .await;
        });
    }
    let mut next =
        async || tokio::time::timeout(Duration::from_secs(20), told.recv()).await.unwrap().unwrap();
    let (first, fence, leads) = next().await;
    assert!(leads && client.metrics().render().contains("orlop_leader 1"));
    stops.iter().find(|(identity, _)| *identity == first).unwrap().1.cancel();
    assert_eq!(next().await, (first, fence, false));
    let (second, later, leads) = next().await;
    assert!(leads && second != first && later > fence, "{second} {later}");
    stops.iter().for_each(|(_, stop)| stop.cancel());
}

#[tokio::test]
async fn events_are_written_once_and_repeated_warnings_counted() {
    let Some((client, ns)) = cluster("events").await else { return };
    let map = apply(&client, "t", config_map(&ns, "c", &json!({}))).await;
    let clock = Arc::new(model::SystemClock);
    let events = cluster::Events::new(client.clone(), clock, "orlop.dev/test", "one");
    let news = |kind, note: &str| cluster::News {
        r#type: kind,
        reason: "Tested".into(),
        action: "Test".into(),
        note: note.into(),
    };
    let mut written = Vec::new();
    for _ in 0..4 {
        written.push(events.tell(&map, news(cluster::EventType::Normal, "fine")).await);
        written.push(events.tell(&map, news(cluster::EventType::Warning, "bad")).await);
    }
    assert_eq!(written, [true, true, false, true, false, false, false, true]);
    let resource = kind(&client, "events.k8s.io/v1", "Event").await;
    let options = ListOptions { namespace: ns.clone(), ..ListOptions::default() };
    let all = client.list(&resource, &options).await.unwrap().objects;
    let bad = all.iter().find(|event| event.str_at(&["note"]) == Some("bad")).unwrap();
    assert_eq!(bad.at(&["series", "count"]), Some(&json!(4)));
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn a_watch_tells_what_happens_to_objects() {
    let Some((client, ns)) = cluster("watch").await else { return };
    let resource = kind(&client, "v1", "ConfigMap").await;
    apply(&client, "t", config_map(&ns, "before", &json!({}))).await;
    let options = ListOptions {
        namespace: ns.clone(),
        metadata_only: true,
        ..ListOptions::with_labels("t=1")
    };
    let mut watch = client.watch(&resource, options);
    let mut next = async || {
        let next = tokio::time::timeout(Duration::from_secs(20), watch.next());
        match next.await.expect("an event in time").unwrap() {
            WatchEvent::Added(object) => format!("+{} {}", object.kind(), object.name()),
            WatchEvent::Modified(object) => format!("~{} {}", object.kind(), object.name()),
            WatchEvent::Deleted(gone) => format!("-{}", gone.id),
            WatchEvent::Synced => "=".to_owned(),
        }
    };
    assert_eq!([next().await, next().await], ["+ConfigMap before", "="]);
    apply(&client, "t", config_map(&ns, "later", &json!({}))).await;
    assert_eq!(next().await, "+ConfigMap later");
    apply(&client, "t", config_map(&ns, "later", &json!({"a": "1"}))).await;
    assert_eq!(next().await, "~ConfigMap later");
    client.delete(&resource, &ns, "before", &DeleteOptions::default()).await.unwrap();
    assert_eq!(next().await, format!("-ConfigMap {ns}/before"));
}
