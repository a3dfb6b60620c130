//! Continuous delivery by a process on a host, from a file.

use crate::bed::{Bed, config_map};
use crate::running::{Running, WAIT};
use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;
use testkit::cluster::ControlPlane;
use testkit::git::{GitServer, Repository};

/// A cluster that does not know the kind, and a repository that is a folder.
fn bed() -> Option<Bed> {
    let cluster = ControlPlane::start()?;
    let mut desk = crate::support::Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    let server = GitServer::start().unwrap();
    let repository = Repository::create(&desk.dir.path().join("demo.git")).unwrap();
    Some(Bed { cluster, desk, server, repository })
}

/// The file with GitSyncs that ask for news once an hour.
fn file(bed: &Bed, syncs: &[(&str, &str)]) {
    let mut text = "apiVersion: orlop.dev/v1alpha1\nkind: AgentConfig\nmetadata: {name: host}\n\
                    spec: {listen: '127.0.0.1:0', secretsPath: secrets}\n"
        .to_owned();
    for (name, more) in syncs {
        let url = bed.repository.path().display();
        let _ = write!(
            text,
            "---\napiVersion: orlop.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: {name}}}\n\
             spec:\n  interval: 1h\n  source: {{url: 'file://{url}', ref: {{branch: main}}, \
             path: {name}}}\n{more}"
        );
    }
    bed.desk.file("agent.yaml", &text);
}

fn run(bed: &Bed) -> Running {
    Running::start_line(&bed.desk, &["sync", "run", "--config", "agent.yaml"])
}

/// The GitSyncs as the command shows them, until one of them is as wanted.
fn shown(bed: &Bed, name: &str, field: &str, value: &str) {
    let end = Instant::now() + WAIT;
    loop {
        let ran = bed.desk.run(&["sync", "get", name, "-n", "default", "-o", "json"]);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        if json.pointer(&format!("/0/status/{field}")).is_some_and(|known| known == value) {
            return;
        }
        assert!(Instant::now() < end, "{field} is not {value}: {}", ran.show());
    }
}

#[test]
fn a_file_is_delivered_a_local_push_is_seen_at_once_and_a_changed_file_is_followed() {
    let Some(bed) = bed() else { return };
    let push = |folder: &str, name: &str, value: &str| {
        let text = config_map(name, value);
        let path = format!("{folder}/{name}.yaml");
        bed.repository.push(&[(&path, text.as_bytes())], value).unwrap()
    };
    let first = push("web", "one", "a");
    file(&bed, &[("web", "")]);
    let process = run(&bed);
    shown(&bed, "web", "healthyRevision", &first);
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    // The interval is an hour: only the folder itself can have told.
    let second = push("web", "one", "b");
    shown(&bed, "web", "healthyRevision", &second);
    assert_eq!(bed.get("cm/one", ".data.value"), "b");

    // Another GitSync comes, and the first one rests; a file with a mistake changes nothing.
    push("other", "two", "a");
    file(&bed, &[("web", "  suspend: true\n"), ("other", "")]);
    bed.until("cm/two", ".data.value", "a");
    process.line_with("its spec was changed");
    bed.desk.file("agent.yaml", "kind: [\n");
    process.line_with("the changed file is not used");
    push("other", "two", "b");
    bed.until("cm/two", ".data.value", "b");

    let text = process.get("/metrics").2;
    assert!(text.contains("orlop_api_requests_total{verb="), "{text}");
    let ran = bed.desk.run(&["sync", "report", "-n", "default", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(report["total"]["deployments"].as_u64().unwrap() >= 3, "{}", ran.show());
    let ran = bed.desk.run(&["sync", "suspend", "web", "-n", "default"]);
    assert_eq!(ran.code, Some(2), "{}", ran.show());
    assert!(ran.stderr.contains("from a file"), "{}", ran.show());
}

#[test]
fn a_changed_agent_config_is_used_without_a_restart_and_what_cannot_be_used_is_named() {
    let Some(bed) = bed() else { return };
    let Some(other) = ControlPlane::start() else { return };
    let text = config_map("one", "a");
    let first = bed.repository.push(&[("web/one.yaml", text.as_bytes())], "a").unwrap();
    let write = |listen: &str, audit: &str, cluster: &ControlPlane| {
        let (kubeconfig, url) = (cluster.kubeconfig(), bed.repository.path().display());
        let text = format!(
            "apiVersion: orlop.dev/v1alpha1\nkind: AgentConfig\nmetadata: {{name: host}}\n\
             spec: {{listen: '{listen}', auditPath: {audit}, kubeconfig: '{}'}}\n---\n\
             apiVersion: orlop.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: web}}\n\
             spec:\n  interval: 1h\n  source: {{url: 'file://{url}', ref: {{branch: main}}, \
             path: web}}\n",
            kubeconfig.display()
        );
        bed.desk.file("agent.yaml", &text);
    };
    let lines = |name: &str| {
        let text = std::fs::read_to_string(bed.desk.dir.path().join(name)).unwrap_or_default();
        text.lines().count()
    };
    // Both are held until both are known, so they differ.
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [one, two] = held.each_ref().map(|held| held.local_addr().unwrap().to_string());
    drop(held);
    write(&one, "one.jsonl", &bed.cluster);
    let mut process = run(&bed);
    shown(&bed, "web", "healthyRevision", &first);
    let audited = lines("one.jsonl");
    assert!(audited > 0);

    // Another address, another audit file, another cluster.
    write(&two, "two.jsonl", &other);
    process.line_with("its cluster is another one");
    process.line_with("the changed AgentConfig is used");
    let end = Instant::now() + WAIT;
    let value = ["get", "cm", "one", "--ignore-not-found", "-o", "jsonpath={.data.value}"];
    while other.kubectl_ok(&value) != "a" {
        assert!(Instant::now() < end, "it did not come to the other cluster");
    }
    process.line_with("an operation ended");
    assert!(TcpStream::connect(&one).is_err(), "the old address is served still");
    process.address.clone_from(&two);
    assert_eq!(process.get("/healthz").0, 200);
    assert_eq!(bed.get("cm/one", ".data.value"), "a", "what was delivered stays");
    assert_eq!(lines("one.jsonl"), audited);
    assert!(lines("two.jsonl") > 0);

    // What cannot be used is named, and what was is kept.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    write(&taken.local_addr().unwrap().to_string(), "no/folder/x.jsonl", &other);
    assert!(process.line_with("cannot be used").contains("auditPath"));
    assert!(process.line_with("cannot be used").contains("\"listen\""));
    assert_eq!(process.get("/healthz").0, 200);
}
