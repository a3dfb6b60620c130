//! The main job: plan, apply, no-op, change, prune, status, list, delete, and a saved plan.

use crate::support::Desk;
use serde_json::Value;
use testkit::cluster::{Namespace, SharedCluster, shared};
use testkit::git::GitServer;
use testkit::proxy::Proxy;

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: {value}}}\n")
}

/// A desk with a tree of two ConfigMaps and a kubeconfig whose namespace is the test's own.
fn desk(cluster: &SharedCluster, proxy: &Proxy, namespace: &Namespace) -> Desk {
    let _ = cluster;
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", proxy.kubeconfig());
    desk.file("app/one.yaml", &config_map("one", "a"));
    desk.file("app/two.yaml", &config_map("two", "a"));
    let config =
        format!("sync:\n  namespace: {}\n  name: {}\n", namespace.name(), namespace.name());
    desk.file(".config/orlop/config.yaml", &config);
    desk
}

#[test]
fn gitops_5_a_delivery_from_first_plan_to_deletion_has_the_documented_exit_codes() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&cluster, &proxy, &namespace);
    let name = namespace.name();

    let plan = desk.run(&["sync", "plan", "app"]);
    assert_eq!(plan.code, Some(1), "{}", plan.show());
    assert!(plan.stdout.contains("2 to create"), "{}", plan.show());
    assert_eq!(proxy.recorder().writes(), 0, "a plan must not write");

    let apply = desk.run(&["sync", "apply", "app"]);
    assert_eq!(apply.code, Some(0), "{}", apply.show());
    assert!(apply.stdout.contains("2 created"), "{}", apply.show());
    assert!(apply.stderr.contains("created   ConfigMap"), "{}", apply.show());

    proxy.recorder().reset();
    let again = desk.run(&["sync", "apply", "app"]);
    assert_eq!(again.code, Some(0), "{}", again.show());
    assert!(again.stdout.contains("2 unchanged"), "{}", again.show());
    assert_eq!(proxy.recorder().writes(), 0, "{:?}", proxy.recorder().counts());
    assert_eq!(desk.run(&["sync", "plan", "app"]).code, Some(0));

    desk.file("app/one.yaml", &config_map("one", "b"));
    std::fs::remove_file(desk.path().join("app/two.yaml")).unwrap();
    let diff = desk.run(&["sync", "diff", "app", "--prune"]);
    assert_eq!(diff.code, Some(1), "{}", diff.show());
    for part in ["- .data.key: a", "+ .data.key: b", "- prune"] {
        assert!(diff.stdout.contains(part), "`{part}` is not in:\n{}", diff.show());
    }
    let pruned = desk.run(&["sync", "apply", "app", "--prune"]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.show());
    assert!(pruned.stdout.contains("1 updated, 1 deleted"), "{}", pruned.show());

    let status = desk.run(&["sync", "status", "-o", "json"]);
    assert_eq!(status.code, Some(0), "{}", status.show());
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["health"], "Healthy");
    assert_eq!(status["objects"].as_array().unwrap().len(), 1);
    let list = desk.run(&["sync", "list", "-o", "yaml"]);
    assert!(list.stdout.contains(&format!("name: {name}\n")), "{}", list.show());

    let deleted = desk.run(&["sync", "delete", name, "--yes"]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.show());
    let gone = desk.run(&["sync", "status", name]);
    assert_eq!(gone.code, Some(2), "{}", gone.show());
    assert!(gone.stderr.contains("no delivery"), "{}", gone.show());
}

#[test]
fn a_saved_plan_is_executed_once_and_refused_when_the_cluster_moved_on() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&cluster, &proxy, &namespace);
    assert_eq!(desk.run(&["sync", "plan", "app", "--out", "p.json"]).code, Some(1));
    let applied = desk.run(&["sync", "apply", "app", "--plan", "p.json"]);
    assert_eq!(applied.code, Some(0), "{}", applied.show());
    proxy.recorder().reset();
    let late = desk.run(&["sync", "apply", "app", "--plan", "p.json"]);
    assert_eq!(late.code, Some(2), "{}", late.show());
    assert!(
        late.stderr.contains("out of date") && late.stderr.contains("hint:"),
        "{}",
        late.stderr
    );
    assert_eq!(proxy.recorder().writes(), 0);
    desk.file("p.json", "{\"schema\": \"orlop.dev/plan/v9\"}");
    let other = desk.run(&["sync", "apply", "app", "--plan", "p.json"]);
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("orlop.dev/plan/v9"), "{}", other.stderr);
}

#[test]
fn a_plan_as_yaml_is_the_plan_as_json() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&cluster, &proxy, &namespace);
    let json = desk.run(&["sync", "plan", "app", "-o", "json"]);
    let value: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value["schema"], "orlop.dev/plan/v1");
    let yaml = desk.run(&["sync", "plan", "app", "-o", "yaml"]);
    assert!(yaml.stdout.contains("schema: orlop.dev/plan/v1\n"), "{}", yaml.stdout);
    assert!(yaml.stdout.contains("- action: create\n"), "{}", yaml.stdout);
}

#[test]
fn a_repository_is_delivered_by_branch_and_path_and_named_after_itself() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let server = GitServer::start().unwrap();
    let repository = server.repository(&format!("{}.git", namespace.name())).unwrap();
    let file = config_map("from-git", "a");
    let commit = repository.push(&[("deploy/a.yaml", file.as_bytes())], "first").unwrap();
    let url = server.url(&format!("{}.git", namespace.name()));
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    let line =
        ["sync", "apply", "--git", &url, "--path", "deploy", "-n", namespace.name(), "-o", "json"];
    let ran = desk.run(&line);
    assert_eq!(ran.code, Some(0), "{}", ran.show());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["source"]["commit"], commit.as_str());
    assert_eq!(report["delivery"], namespace.name());
    assert!(ran.stderr.contains("--name gives another name"), "{}", ran.stderr);
}

#[test]
fn gitops_6_an_ignored_field_is_left_to_others_by_flag_and_by_config_file() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&cluster, &proxy, &namespace);
    let ignore = "ConfigMap:/data/key";
    assert_eq!(desk.run(&["sync", "apply", "app", "--ignore", ignore]).code, Some(0));
    let patch = r#"{"data":{"key":"theirs"}}"#;
    let name = namespace.name();
    cluster.kubectl_ok(&["-n", name, "patch", "configmap", "one", "--type=merge", "-p", patch]);
    let plan = desk.run(&["sync", "plan", "app"]);
    assert_eq!(plan.code, Some(1), "without the rule it is a difference: {}", plan.show());
    let plan = desk.run(&["sync", "plan", "app", "--ignore", ignore]);
    assert_eq!(plan.code, Some(0), "{}", plan.show());
    let config = format!("sync: {{namespace: {name}, name: {name}, ignore: '{ignore}'}}\n");
    desk.file(".config/orlop/config.yaml", &config);
    let plan = desk.run(&["sync", "plan", "app"]);
    assert_eq!(plan.code, Some(0), "{}", plan.show());
    let wrong = desk.run(&["sync", "plan", "app", "--ignore", "ConfigMap"]);
    assert_eq!(wrong.code, Some(64), "{}", wrong.show());
    assert!(wrong.stderr.contains("KIND[.GROUP]"), "{}", wrong.show());
}

#[test]
fn gitops_19_an_immutable_change_is_made_again_only_with_the_flag() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&cluster, &proxy, &namespace);
    let sealed = |value: &str| format!("immutable: true\n{}", config_map("one", value));
    desk.file("app/one.yaml", &sealed("a"));
    assert_eq!(desk.run(&["sync", "apply", "app"]).code, Some(0));
    desk.file("app/one.yaml", &sealed("b"));
    let refused = desk.run(&["sync", "apply", "app"]);
    assert_eq!(refused.code, Some(2), "{}", refused.show());
    assert!(refused.stderr.contains("immutable"), "{}", refused.show());
    assert!(refused.stderr.contains("orlop.dev/force: recreate"), "{}", refused.show());
    let plan = desk.run(&["sync", "plan", "app", "--force-recreate", "always"]);
    assert!(plan.stdout.contains("1 to make again"), "{}", plan.show());
    let made = desk.run(&["sync", "apply", "app", "--force-recreate", "always"]);
    assert_eq!(made.code, Some(0), "{}", made.show());
    assert!(made.stdout.contains("1 made again"), "{}", made.show());
}

#[test]
fn a_delivery_as_a_service_account_is_refused_with_verb_resource_and_subject() {
    let Some(cluster) = shared() else { return };
    let (namespace, proxy) = (cluster.namespace(), Proxy::start(cluster.kubeconfig()).unwrap());
    let desk = desk(&cluster, &proxy, &namespace);
    let account = format!("{}/default", namespace.name());
    let refused = desk.run(&["sync", "apply", "app", "--as-service-account", &account]);
    assert_eq!(refused.code, Some(2), "{}", refused.show());
    let subject = format!("system:serviceaccount:{}:default may not list", namespace.name());
    assert!(refused.stderr.contains(&subject), "{}", refused.show());
    assert!(refused.stderr.contains("configmaps"), "{}", refused.show());
}
