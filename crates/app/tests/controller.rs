//! The controller plane through the real binary, in front of a real API server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "controller/in_cluster.rs"]
mod in_cluster;
#[path = "support/running.rs"]
#[expect(dead_code, reason = "shared with tests that look at more")]
mod running;
mod support;

use running::{Running, WAIT};
use std::collections::BTreeMap;
use std::time::Instant;
use support::{Desk, signal};
use testkit::cluster::ControlPlane;
use testkit::proxy::Proxy;

fn desk_for(kubeconfig: &std::path::Path) -> Desk {
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", kubeconfig);
    desk
}

fn config_map_tree(desk: &Desk) {
    for name in ["one", "two"] {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\n"
        );
        desk.file(&format!("app/{name}.yaml"), &text);
    }
}

/// The counter's series, by verb and resource, all codes together.
fn request_counts(metrics: &str) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    let label = |line: &str, name: &str| {
        let rest = line.split_once(&format!("{name}=\"")).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    for line in metrics.lines().filter(|line| line.starts_with("orlop_api_requests_total{")) {
        let value: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        *counts.entry((label(line, "verb"), label(line, "resource"))).or_default() += value;
    }
    counts
}

#[test]
fn operator_17_metrics_equal_what_the_server_saw_and_steady_state_writes_nothing() {
    let Some(cluster) = ControlPlane::start() else { return };
    let desk = desk_for(&cluster.kubeconfig());
    config_map_tree(&desk);
    let apply = desk.run(&["sync", "apply", "app", "-n", "default"]);
    assert_eq!(apply.code, Some(0), "{}", apply.show());

    let proxy = Proxy::start(&cluster.kubeconfig()).unwrap();
    let desk = desk_for(proxy.kubeconfig());
    let controller = Running::start(&desk, "one");
    let healthy =
        "orlop_delivery_objects{namespace=\"default\",delivery=\"app\",health=\"Healthy\"} 2";
    controller.metrics_until("the delivery's gauge", |text| text.contains(healthy));
    assert_eq!(controller.get("/healthz").0, 200);
    assert_eq!(controller.get("/readyz").0, 200);
    assert_eq!(controller.get("/nothing").0, 404);
    let (_, head, text) = controller.get("/metrics");
    assert!(head.to_lowercase().contains("application/openmetrics-text"), "{head}");
    assert!(text.ends_with("# EOF\n"));

    // Several renewals of the lease later there was still nothing to write.
    let renewals = proxy.recorder().count("patch", "leases.coordination.k8s.io");
    let later = renewals + 5;
    assert!(proxy.recorder().wait_for("patch", "leases.coordination.k8s.io", later, WAIT));
    let lease = |resource: &str| resource.starts_with("leases");
    let counts = proxy.recorder().counts();
    let writes: Vec<_> =
        counts.iter().filter(|(call, _)| call.writes() && !lease(&call.resource)).collect();
    assert!(writes.is_empty(), "{writes:?}");

    // Everything but the lease stands still now, so that both sides can be compared.
    let seen: BTreeMap<(String, String), u64> = proxy
        .recorder()
        .counts()
        .into_iter()
        .filter(|(call, _)| !lease(&call.resource) && !call.resource.starts_with('/'))
        .map(|(call, count)| ((call.verb, call.resource), count))
        .collect();
    let told: BTreeMap<(String, String), u64> = request_counts(&controller.get("/metrics").2)
        .into_iter()
        .filter(|((_, resource), _)| seen.keys().any(|(_, known)| known == resource))
        .collect();
    assert!(!seen.is_empty());
    assert_eq!(told, seen);
}

#[test]
fn operator_26_a_delivery_that_turns_bad_is_told_once_and_its_series_go_with_it() {
    let Some(cluster) = ControlPlane::start() else { return };
    let desk = desk_for(&cluster.kubeconfig());
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: default}\n\
               spec: {containers: [{name: c, image: x}]}\n";
    desk.file("app/p.yaml", pod);
    let apply = desk.run(&["sync", "apply", "app", "-n", "default", "--no-wait"]);
    assert_eq!(apply.code, Some(0), "{}", apply.show());
    let controller = Running::start(&desk, "one");
    controller.metrics_until("the delivery's gauge", |text| {
        text.contains("delivery=\"app\",health=\"Progressing\"} 1")
    });
    let status = |patch: &str| {
        let line = ["patch", "pod", "p", "--subresource=status", "--type=merge", "--patch", patch];
        cluster.kubectl_ok(&line);
    };
    status("{\"status\": {\"phase\": \"Failed\", \"message\": \"it fell over\"}}");
    controller.metrics_until("the bad health", |text| {
        text.contains("delivery=\"app\",health=\"Degraded\"} 1")
    });
    let turned = controller.line_with("health turned");
    assert!(turned.contains("Degraded"), "{turned}");
    let events = || {
        let select = "--field-selector=reportingComponent=orlop.dev/controller";
        cluster.kubectl_ok(&["get", "events", select, "-o", "jsonpath={.items[*].reason}"])
    };
    let end = Instant::now() + WAIT;
    while events() != "Degraded" {
        assert!(Instant::now() < end, "events: {}", events());
    }
    let deleted = desk.run(&["sync", "delete", "app", "-n", "default", "--yes"]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.show());
    let text = controller
        .metrics_until("the end of the series", |text| !text.contains("delivery=\"app\""));
    assert!(text.contains("orlop_build_info"));
}

#[test]
fn operator_19_one_of_two_leads_and_the_other_takes_over_after_a_kill() {
    let Some(cluster) = ControlPlane::start() else { return };
    let desk = desk_for(&cluster.kubeconfig());
    let mut first = Running::start(&desk, "one");
    first.line_with("\"leading\"");
    let mut second = Running::start(&desk, "two");
    second.line_with("the API server answers");
    assert!(first.leads() && !second.leads());
    first.child.kill().unwrap();
    second.line_with("\"leading\"");
    assert!(second.leads());

    // In good order the lease is released, so that the next one need not wait.
    signal(&second.child, "TERM");
    assert_eq!(second.child.wait().unwrap().code(), Some(0));
    let line = ["get", "lease", "orlop-controller", "-o", "jsonpath={.spec.holderIdentity}"];
    assert_eq!(cluster.kubectl_ok(&line), "");
}

#[test]
fn the_generated_roles_are_enough_and_the_generated_files_are_accepted() {
    let Some(cluster) = ControlPlane::start() else { return };
    let desk = desk_for(&cluster.kubeconfig());
    assert_eq!(desk.run(&["generate", "made"]).code, Some(0));
    let line = ["sync", "apply", "made/deploy/controller", "--no-wait", "-n", "default"];
    let apply = desk.run(&line);
    assert_eq!(apply.code, Some(0), "{}", apply.show());
    let again = desk.run(&line);
    assert_eq!(
        (again.code, again.stdout.contains(" unchanged in ")),
        (Some(0), true),
        "{}",
        again.show()
    );

    let account = ["create", "token", "orlop-controller", "-n", "orlop-system"];
    let token = cluster.kubectl_ok(&account);
    let config = ["config", "view", "--raw", "--minify", "--flatten", "-o", "json"];
    let mut config: serde_json::Value = serde_json::from_str(&cluster.kubectl_ok(&config)).unwrap();
    *config.pointer_mut("/users/0/user").unwrap() = serde_json::json!({"token": token.trim()});
    let config = desk.file("k", &config.to_string());
    let desk = desk_for(&config);
    let controller = Running::start_in(&desk, "one", "orlop-system");
    let delivery = "orlop_delivery_objects{namespace=\"default\",delivery=\"controller\",health=";
    let text = controller.metrics_until("the gauge", |text| text.contains(delivery));
    let unreadable = format!("{delivery}\"Unknown\"}} 0");
    assert!(text.contains(&unreadable), "{text}");
    let forbidden = text.lines().filter(|line| line.contains("code=\"403\""));
    assert_eq!(forbidden.count(), 0, "{text}");
}

#[test]
fn help_and_mistakes_need_no_cluster() {
    let desk = Desk::new();
    let help = desk.run(&["controller", "--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("orlop controller run [OPTIONS]"), "{}", help.stdout);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = "{\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://127.0.0.1:1\"}}],\
                  \"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"c\",\"user\":\"u\"}}],\
                  \"users\":[{\"name\":\"u\",\"user\":{}}],\"current-context\":\"c\"}";
    desk.file("k", config);
    let ran = desk.run(&["controller", "run", "--kubeconfig", "k", "--listen", &address]);
    assert_eq!(ran.code, Some(2), "{}", ran.show());
    assert!(ran.stderr.contains("cannot listen on"), "{}", ran.show());
    assert!(ran.stderr.contains("hint:"), "{}", ran.show());
}
