//! Clusters that cannot be reached, trusted or used, and objects that they refuse.

use crate::support::Desk;
use expect_test::expect;
use serde_json::{Value, json};
use testkit::cluster::{restricted_kubeconfig, shared};
use testkit::proxy::Proxy;

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n";

fn kubeconfig(server: &str, user: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    })
    .to_string()
}

#[test]
fn an_api_server_that_does_not_answer_is_named() {
    let desk = Desk::new();
    desk.file("app/a.yaml", CONFIG_MAP);
    desk.file("k", &kubeconfig("https://127.0.0.1:1", &json!({})));
    let ran = desk.run(&["sync", "plan", "app", "--kubeconfig", "k", "--timeout", "1s"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    for part in ["cannot reach the API server at https://127.0.0.1:1", "refused", "hint:"] {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
}

#[test]
fn a_missing_kubeconfig_and_a_mistyped_context_are_told_with_what_there_is() {
    let desk = Desk::new();
    let ran = desk.run(&["sync", "list"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no cluster is configured"), "{}", ran.stderr);
    desk.file("k", &kubeconfig("https://127.0.0.1:1", &json!({})));
    let ran = desk.run(&["sync", "list", "--kubeconfig", "k", "--context", "d"]);
    expect![[r"
        exit: 2
        --- stdout
        --- stderr
        error: kubeconfig k has no context `d`
          hint: did you mean `c`?
    "]]
    .assert_eq(&ran.show());
}

#[test]
fn a_wrong_certificate_is_not_trusted_and_the_reason_is_given() {
    let Some(cluster) = shared() else { return };
    let desk = Desk::new();
    let proxy = Proxy::start_tls(cluster.kubeconfig()).unwrap();
    // The right server, but nothing that says whom to trust.
    desk.file("k", &kubeconfig(proxy.url(), &json!({})));
    let ran = desk.run(&["sync", "list", "--kubeconfig", "k"]);
    assert_eq!(ran.code, Some(2));
    for part in ["cannot trust the API server at", proxy.url(), "hint:", "certificate-authority"] {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
}

#[test]
fn an_expired_token_is_told_apart_from_a_forbidden_verb() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let desk = Desk::new();
    desk.file("app/a.yaml", CONFIG_MAP);
    let config = desk.path().join("k");
    restricted_kubeconfig(
        &|| cluster.kubectl(),
        namespace.name(),
        "reader",
        &["get", "list"],
        &["configmaps"],
        &config,
    );
    let line = ["sync", "apply", "app", "--kubeconfig", "k", "-n", namespace.name(), "--no-wait"];
    let ran = desk.run(&line);
    assert_eq!(ran.code, Some(2), "{}", ran.show());
    let subject = format!("system:serviceaccount:{}:reader", namespace.name());
    for part in ["may not", "configmaps", subject.as_str(), "hint:"] {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
    let text = std::fs::read_to_string(&config).unwrap();
    let mut parsed: Value = serde_json::from_str(&text).unwrap();
    parsed["users"][0]["user"] = json!({"token": "canary-expired"});
    desk.file("expired", &parsed.to_string());
    let ran = desk.run(&["sync", "plan", "app", "--kubeconfig", "expired"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("does not accept the credentials"), "{}", ran.stderr);
    assert!(ran.stderr.contains("expired or belongs"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
}

#[test]
fn gitops_7_every_bad_document_is_listed_and_the_good_one_is_delivered() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    desk.file("app/good.yaml", CONFIG_MAP);
    desk.file("app/broken.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n a: c\n");
    desk.file("app/twice.yaml", "apiVersion: v1\nkind: ConfigMap\nkind: Secret\n");
    desk.file("app/kind.yaml", "apiVersion: v1\nkind: ConfigMapp\nmetadata: {name: b}\n");
    desk.file("app/version.yaml", "apiVersion: apps/v2\nkind: Deployment\nmetadata: {name: c}\n");
    let elsewhere =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d, namespace: no-such-one}\n";
    desk.file("app/elsewhere.yaml", elsewhere);
    let line = ["sync", "apply", "app", "--name", "bad", "-n", namespace.name(), "--no-wait"];
    let ran = desk.run(&line);
    assert_eq!(ran.code, Some(2), "{}", ran.show());
    for part in [
        "broken.yaml:5",
        "twice.yaml:3",
        "ConfigMapp",
        "apps/v2",
        "no-such-one",
        "did you mean",
        "hint:",
    ] {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
    assert!(ran.stdout.contains("1 created"), "{}", ran.show());
    let there =
        cluster.kubectl_ok(&["get", "configmap", "a", "-n", namespace.name(), "-o", "name"]);
    assert_eq!(there.trim(), "configmap/a");
}
