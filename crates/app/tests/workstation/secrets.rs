//! No output shows a secret, whatever is asked for.

use crate::support::{Desk, Ran};
use testkit::cluster::shared;

/// What must not be seen, plain and as base64 of it.
const CANARIES: [&str; 4] = [
    "canary-string-7f3a",
    "Y2FuYXJ5LXN0cmluZy03ZjNh",
    "canary-data-9c1e",
    "Y2FuYXJ5LWRhdGEtOWMxZQ==",
];

fn secret(plain: &str, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{a: {plain}}}\ndata: {{b: {data}}}\n"
    )
}

fn clean(ran: &Ran, what: &str) {
    for canary in CANARIES {
        assert!(!ran.stdout.contains(canary), "{what} shows {canary} on stdout:\n{}", ran.stdout);
        assert!(!ran.stderr.contains(canary), "{what} shows {canary} on stderr:\n{}", ran.stderr);
    }
}

#[test]
fn gitops_13_planted_secrets_appear_in_no_output() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    desk.variable("ORLOP_LOG", "trace");
    let config = format!("sync:\n  namespace: {0}\n  name: {0}\n", namespace.name());
    desk.file(".config/orlop/config.yaml", &config);
    desk.file("app/s.yaml", &secret("before", "YmVmb3Jl"));
    let first = desk.run(&["sync", "apply", "app"]);
    assert_eq!(first.code, Some(0), "{}", first.show());

    desk.file("app/s.yaml", &secret(CANARIES[0], CANARIES[3]));
    for line in [
        vec!["sync", "plan", "app", "--out", "p.json"],
        vec!["sync", "plan", "app", "-o", "json"],
        vec!["sync", "plan", "app", "-o", "yaml"],
        vec!["sync", "diff", "app"],
    ] {
        let ran = desk.run(&line);
        assert_eq!(ran.code, Some(1), "{line:?}: {}", ran.show());
        clean(&ran, &line.join(" "));
    }
    let plan = std::fs::read_to_string(desk.path().join("p.json")).unwrap();
    assert!(CANARIES.iter().all(|canary| !plan.contains(canary)), "{plan}");
    let apply = desk.run(&["sync", "apply", "app", "-o", "json"]);
    assert_eq!(apply.code, Some(0), "{}", apply.show());
    clean(&apply, "apply");

    // What is in the cluster now must not be seen on its way out either.
    desk.file("app/s.yaml", &secret("after", "YWZ0ZXI="));
    clean(&desk.run(&["sync", "diff", "app"]), "diff away from the canary");
    // A Secret that the server refuses is quoted by it; a broken document is excerpted by us.
    desk.file("app/s.yaml", &secret(CANARIES[0], "canary-data-9c1e"));
    clean(&desk.run(&["sync", "apply", "app"]), "a refused Secret");
    desk.file("app/s.yaml", &secret(CANARIES[0], "[canary-data-9c1e"));
    clean(&desk.run(&["sync", "plan", "app"]), "a broken document");
    clean(&desk.run(&["sync", "status"]), "status");
    clean(&desk.run(&["sync", "delete", namespace.name(), "--yes"]), "delete");
}
