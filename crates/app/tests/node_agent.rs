//! The node agent as a DaemonSet of a real cluster, from the manifests that are committed: pods
//! log, agents are replaced and killed, every line arrives with what is known of its pod.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with tests that look at more")]
mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use support::{Desk, ORLOP};
use testbed::{Cluster, images};
use testkit::cluster::{SharedCluster, shared_with_pods, skip};
use testkit::log_sink::{Keep, LogSink, LogSinkOptions, Received};

/// How long a step may take.
const LIMIT: Duration = Duration::from_secs(120);
/// The same for kubectl.
const TIMEOUT: &str = "--timeout=120s";
/// Where the manifests put the agent, and what they call it.
const AGENT: &str = "orlop-agent";
/// Lines of the pod that logs all the time.
const LINES: usize = 3_000;

/// A static shell as an image.
const SHELL: images::Spec = images::Spec {
    reference: "local.test/shell:1",
    entrypoint: &["/bin/busybox"],
    arguments: &["sleep", "3600"],
    writable: &[],
    workdir: "/",
    ports: &[8080],
};

/// Takes the agent out of the cluster that other tests share.
struct Installed<'a>(&'a SharedCluster);

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        for what in [
            ["namespace", AGENT].as_slice(),
            &["clusterrole", AGENT],
            &["clusterrolebinding", AGENT],
        ] {
            let mut kubectl = self.0.kubectl();
            kubectl.args(["delete", "--ignore-not-found", "--wait=false"]).args(what);
            let _ = kubectl.output();
        }
    }
}

/// The committed manifests with another sink, and with folders of a node that is a part of this
/// host, where nothing may stay behind.
fn manifests(desk: &Desk, bed: &Cluster, namespace: &str, sink: &str) {
    assert_eq!(desk.run(&["generate", "made"]).code, Some(0));
    let made = desk.dir.path().join("made/deploy/agent");
    let logs = bed.node(1).unwrap().pod_logs();
    for name in ["namespace.yaml", "config.yaml", "roles.yaml", "daemonset.yaml"] {
        let text = std::fs::read_to_string(made.join(name)).unwrap();
        let state = desk.dir.path().join("state");
        let text = text
            .replace("path: /var/log/pods\n", &format!("path: {}\n", logs.display()))
            .replace("path: /var/lib/orlop/agent\n", &format!("path: {}\n", state.display()))
            .replace(
                "exclude_namespaces: [orlop-agent]",
                &format!("namespaces: [{namespace}]\n        annotations: [note]"),
            )
            .replace("- type: stdout", &format!("- type: otlp_http\n        endpoint: {sink}"));
        desk.file(&format!("agent/{name}"), &text);
    }
}

fn pod(namespace: &str, name: &str, script: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels: {{app.kubernetes.io/name: teapot, tier: {name}}}\n  \
         annotations: {{note: of {name}}}\n\
         spec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 0\n  containers:\n  \
         - name: main\n    image: local.test/shell:1\n    imagePullPolicy: Never\n    \
         args: [sh, -c, '{script}']\n"
    )
}

/// How often each line of a pod came.
fn lines_of(records: &[Received], pod: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let own = records.iter().filter(|one| one.resource.get("k8s.pod.name") == Some(&pod.into()));
    for record in own {
        *lines.entry(record.body.clone()).or_default() += 1;
    }
    lines
}

fn until(sink: &LogSink, pod: &str, number: usize) {
    let well = testbed::wait::until(LIMIT, || {
        let came = lines_of(&sink.records(), pod).len();
        Ok::<_, Infallible>((came >= number).then_some(()))
    });
    let came = lines_of(&sink.records(), pod).len();
    assert!(well.unwrap().is_some(), "{came} of {number} lines of {pod} came");
}

/// Ends the agent's pod and waits for the next one.
fn replace_agent(cluster: &SharedCluster, how: &[&str]) {
    let name = ["-n", AGENT, "get", "pods", "-o", "jsonpath={.items[0].metadata.name}"];
    let old = cluster.kubectl_ok(&name);
    cluster.kubectl_ok(&[["-n", AGENT, "delete", "pod", old.trim()].as_slice(), how].concat());
    cluster.kubectl_ok(&["-n", AGENT, "rollout", "status", "daemonset", AGENT, TIMEOUT]);
    assert_ne!(cluster.kubectl_ok(&name), old);
}

#[test]
fn r27_r28_the_daemon_set_delivers_every_line_with_its_pod_also_when_agents_are_replaced() {
    let Some(cluster) = shared_with_pods() else { return };
    let Some(bed) = cluster.testbed() else {
        skip("images can only be loaded into a cluster of our own");
        return;
    };
    let cache = testbed::components::cache_dir();
    let image = images::of_linked_program(&cache, &images::ORLOP, Path::new(ORLOP)).unwrap();
    bed.load(&image.archive).unwrap();
    let shell = images::of_packages(&cache, &SHELL, &["busybox-static"], &mut |_| {}).unwrap();
    bed.load(&shell.archive).unwrap();
    let listener = TcpListener::bind((bed.host_address(), 0)).unwrap();
    let options = LogSinkOptions { keep: Keep::Records, ..LogSinkOptions::default() };
    let sink = LogSink::start_with(listener, &options).unwrap();
    let namespace = cluster.namespace();
    let name = namespace.name();
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    manifests(&desk, bed, name, &sink.url());
    let _installed = Installed(&cluster);
    let apply = desk.run(&["sync", "apply", "agent", "--name", AGENT, "--timeout", "2m"]);
    assert_eq!(apply.code, Some(0), "{}", apply.show());

    let apply = |pod: &str| {
        let file = desk.file("pod.yaml", pod);
        cluster.kubectl_ok(&["apply", "-f", file.to_str().unwrap()]);
    };
    // Some at once, then a hundred a second at most.
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do echo \"line $i of the writer\"; i=$((i+1)); \
         [ $i -lt 100 ] || sleep 0.01; done; sleep 3600"
    );
    apply(&pod(name, "writer", &script));
    until(&sink, "writer", 200);
    replace_agent(&cluster, &["--wait=true"]);
    // A pod that is over before anybody looks.
    apply(&pod(name, "brief", "for i in 1 2 3; do echo \"brief $i\"; done"));
    until(&sink, "brief", 3);
    let orderly = sink.records();
    assert!(
        lines_of(&orderly, "writer").values().all(|times| *times == 1),
        "an orderly stop repeats nothing"
    );
    replace_agent(&cluster, &["--grace-period=0", "--force"]);
    until(&sink, "writer", LINES);
    assert_eq!(lines_of(&sink.records(), "writer").len(), LINES, "no line was invented");

    let uid = ["-n", name, "get", "pod", "writer", "-o", "jsonpath={.metadata.uid}"];
    let uid = cluster.kubectl_ok(&uid);
    let (records, mut late) = (sink.records(), 0);
    for record in &records {
        let known = |key: &str| record.resource.get(key).and_then(|value| value.as_str());
        let pod = known("k8s.pod.name").unwrap();
        assert_eq!(known("k8s.namespace.name"), Some(name));
        assert_eq!(known("k8s.container.name"), Some("main"));
        assert!(pod != "writer" || known("k8s.pod.uid") == Some(uid.trim()));
        assert!(known("host.name").is_some());
        // No line waits for the API server for longer than two seconds, however slow it is.
        let Some(tier) = known("k8s.pod.label.tier") else {
            late += 1;
            continue;
        };
        assert_eq!(tier, pod);
        assert_eq!(known("k8s.pod.annotation.note"), Some(format!("of {pod}").as_str()));
        assert_eq!(known("service.name"), Some("teapot"));
        assert!(known("container.image.name").is_some());
    }
    assert!(late * 10 < records.len(), "{late} of {} lines came without labels", records.len());
}
