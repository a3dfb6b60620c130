//! What it must survive. Each of these is short here; `ORLOP_SOAK_SECONDS` makes it as long as the
//! figure says.

use crate::bed::{Bed, config_map, ready_reason, ready_status};
use std::time::{Duration, Instant};
use testkit::git::{Change, GitFault, Zeros};
use testkit::proxy::Proxy;
use testkit::soak;

/// Lets time pass: what a soak is about.
#[expect(clippy::disallowed_methods, reason = "a soak waits for nothing to happen")]
fn rest(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn gitops_20_the_api_server_is_killed_again_and_again_while_pushes_go_on() {
    const KILLS: usize = 3;
    const BETWEEN: Duration = Duration::from_secs(20);
    let Some(bed) = Bed::new() else { return };
    let kept = bed.push(&[("one", "0"), ("kept", "x")]);
    bed.sync("web", "app", "  prune: {maxPercent: 100}\n");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &kept);
    let uid = bed.get("cm/kept", ".metadata.uid");
    let (began, long) = (Instant::now(), soak::length());
    let mut round = 0;
    loop {
        round += 1;
        bed.cluster.kill_api_server();
        bed.push(&[("one", &format!("{round} while it is away")), ("kept", "x")]);
        bed.cluster.start_api_server();
        let name = format!("round-{round}");
        let next = bed.push(&[("one", &round.to_string()), ("kept", "x"), (&name, "x")]);
        bed.wait("web", ".status.healthyRevision", &next);
        assert_eq!(bed.get("cm/one", ".data.value"), round.to_string());
        assert_eq!(bed.get(&format!("cm/{name}"), ".data.value"), "x");
        assert_eq!(bed.get("cm/kept", ".metadata.uid"), uid, "it was made again");
        match long {
            Some(long) if began.elapsed() < long => rest(BETWEEN),
            None if round < KILLS => {}
            _ => break,
        }
    }
    let gone = format!("cm/round-{}", round - 1);
    assert_eq!(bed.get(&gone, ".data.value"), "", "what left the tree is pruned");
    drop(controller);
}

#[test]
fn gitops_15_whatever_the_git_server_does_nothing_is_pruned_and_the_next_good_commit_comes() {
    let Some(bed) = Bed::new() else { return };
    let first = bed.push(&[("one", "a"), ("kept", "x")]);
    bed.sync("web", "app", "  prune: {maxPercent: 100}\n  retry: {pause: 1s, pauseMax: 2s}\n");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    let uid = bed.get("cm/kept", ".metadata.uid");
    let delivered = |commit: &str, value: &str| {
        bed.wait("web", ".status.healthyRevision", commit);
        assert_eq!(bed.get("cm/one", ".data.value"), value);
        assert_eq!(bed.get("cm/kept", ".metadata.uid"), uid, "it was pruned");
    };
    bed.server.fault("command=ls-refs", GitFault::Status(503, None));
    bed.wait("web", ready_reason(), "FetchFailed");
    delivered(&bed.push(&[("one", "b"), ("kept", "x")]), "b");
    // The pack of the next commit is cut, and comes whole with the next try.
    bed.server.fault("command=fetch", GitFault::Truncate(60));
    delivered(&bed.push(&[("one", "c"), ("kept", "x")]), "c");
    let (one, kept) = (config_map("one", "d"), config_map("kept", "x"));
    let files = [("app/one.yaml", one.as_bytes()), ("app/kept.yaml", kept.as_bytes())];
    let forced = bed.repository.force_push(&files, "another history").unwrap();
    delivered(&forced, "d");
    bed.repository.delete_branch("main").unwrap();
    bed.wait("web", ready_reason(), "FetchFailed");
    assert_eq!(bed.get("cm/kept", ".metadata.uid"), uid, "it was pruned");
    bed.repository.set_branch("main", &forced).unwrap();
    delivered(&bed.push(&[("one", "e"), ("kept", "x")]), "e");
    // A tree without an object is a mistake, and so is one that cannot be read.
    for broken in [Change::RemoveAll, Change::File("app/one.yaml", b"kind: [")] {
        let changes = [broken, Change::File("README", b"no object")];
        bed.repository.commit("main", &changes, "a mistake").unwrap();
        bed.wait("web", ready_status(), "False");
        assert_eq!(bed.get("cm/kept", ".metadata.uid"), uid, "it was pruned");
        delivered(&bed.push(&[("one", "f"), ("kept", "x")]), "f");
    }
    drop(controller);
}

/// The most memory that a process has had so far, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn gitops_15_a_file_beyond_the_limit_is_refused_in_memory_that_does_not_grow_with_it() {
    const RSS_KIB_MAX: u64 = 64 * 1024;
    let Some(bed) = Bed::new() else { return };
    let (zeros, shown_size) = match soak::length() {
        Some(_) => (Zeros::LONG, "10 GiB"),
        None => (Zeros::SHORT, "288 MiB"),
    };
    let other = bed.server.repository("other.git").unwrap();
    let beside = |value: &str| {
        other.push(&[("app/beside.yaml", config_map("beside", value).as_bytes())], value).unwrap()
    };
    let (good, first) = (bed.push(&[("one", "a")]), beside("a"));
    bed.sync("web", "app", "");
    bed.sync_from("other.git", "beside", "app");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &good);
    bed.wait("beside", ".status.healthyRevision", &first);
    let began = Instant::now();
    let huge = bed.repository.push_zeros("app/huge.yaml", zeros, "huge").unwrap();
    let pushed = began.elapsed();
    bed.wait("web", ready_reason(), "FetchFailed");
    let refused = began.elapsed();
    let shown = bed.get("gitsync/web", ".status.conditions[?(@.type==\"Ready\")].message");
    let told = format!("sends an object of {shown_size}, the limit is 32 MiB");
    assert!(shown.contains(&told), "{shown}");
    assert_ne!(bed.get("gitsync/web", ".status.appliedRevision"), huge);
    // Neither what is there nor the other GitSync suffers.
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    bed.wait("beside", ".status.healthyRevision", &beside("b"));
    assert_eq!(bed.get("cm/beside", ".data.value"), "b");
    let peak = peak_kib(controller.child.id());
    eprintln!("{shown_size}: pushed in {pushed:?}, refused after {refused:?}, peak {peak} KiB");
    assert!(peak < RSS_KIB_MAX, "{peak} KiB for {shown_size}");
    let mended = bed.push(&[("one", "b")]);
    bed.wait("web", ".status.healthyRevision", &mended);
}

#[test]
fn gitops_5_many_objects_with_a_mutating_policy_and_an_autoscaler_rest_without_a_write() {
    const SHORT_OBJECTS: usize = 100;
    const LONG_OBJECTS: usize = 1000;
    /// Looks at the source in the short form; one a second.
    const LOOKS: u64 = 5;
    let Some(mut bed) = Bed::new() else { return };
    let objects = if soak::length().is_some() { LONG_OBJECTS } else { SHORT_OBJECTS };
    let served = ["v1", "v1beta1", "v1alpha1"].into_iter().any(|version| {
        let text = POLICY.replace("k8s.io/v1", &format!("k8s.io/{version}"));
        let policy = bed.desk.file("policy.yaml", &text);
        let line = ["apply", "--server-side", "-f", policy.to_str().unwrap()];
        bed.cluster.kubectl().args(line).output().unwrap().status.success()
    });
    if !served {
        testkit::cluster::skip("MutatingAdmissionPolicy is not served");
        return;
    }
    // The policy is in force when it has changed something.
    let end = Instant::now() + crate::running::WAIT;
    loop {
        bed.cluster.kubectl_ok(&["create", "configmap", "probe"]);
        let injected = bed.get("cm/probe", ".metadata.annotations.injected") == "yes";
        bed.cluster.kubectl_ok(&["delete", "configmap", "probe"]);
        if injected {
            break;
        }
        assert!(Instant::now() < end, "the policy never came into force");
    }
    let proxy = Proxy::start(&bed.cluster.kubeconfig()).unwrap();
    bed.desk.variable("KUBECONFIG", proxy.kubeconfig());
    let maps: Vec<(String, String)> = (0..objects)
        .map(|n| (format!("app/c{n}.yaml"), config_map(&format!("c{n}"), "1")))
        .collect();
    let mut files: Vec<(&str, &[u8])> =
        maps.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    files.push(("app/scaled.yaml", SCALED.as_bytes()));
    let first = bed.repository.push(&files, "many").unwrap();
    let rule = "{group: apps, kind: Deployment, pointers: [/spec/replicas]}";
    bed.sync("web", "app", &format!("  ignore: [{rule}]\n  healthTimeout: 1s\n"));
    // The lease is not what this is about, and a busy machine must not take it away.
    let controller = bed.controller_with(&["--lease-seconds", "30"]);
    bed.wait_within("--timeout=600s", "web", ".status.appliedRevision", &first);
    // Nobody measures anything here, which the autoscaler says.
    bed.wait("web", ready_reason(), "Degraded");
    // The delivery as such is told once, too, which may take longer.
    controller.line_with("health turned");
    // What an autoscaler does: it writes the scale as itself.
    let scale = "{\"spec\":{\"replicas\":3}}";
    let line =
        ["patch", "deployment", "scaled", "--subresource=scale", "--type=merge", "-p", scale];
    bed.cluster.kubectl_ok(&line);
    assert_eq!(bed.get("cm/c0", ".metadata.annotations.injected"), "yes");
    let looks = |text: &str| {
        let line = text.lines().find(|line| line.contains("orlop_git_requests_total{result=\"unc"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let settled = looks(&controller.get("/metrics").2) + 2;
    controller.metrics_until("a look", |text| looks(text) > settled);
    proxy.recorder().reset();
    match soak::length() {
        Some(long) => rest(long),
        None => drop(controller.metrics_until("looks", |text| looks(text) > settled + LOOKS)),
    }
    let lease = "leases.coordination.k8s.io";
    let counts = proxy.recorder().counts();
    let writes: Vec<_> =
        counts.iter().filter(|(call, _)| call.writes() && call.resource != lease).collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(bed.get("deployment/scaled", ".spec.replicas"), "3");
}

const POLICY: &str = r#"apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: inject}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: 'Object{metadata: Object.metadata{annotations: {"injected": "yes"}}}'
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: inject}
spec: {policyName: inject}
"#;

const SCALED: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: scaled}
spec:
  replicas: 1
  # Nothing runs it, and that it is late would be news after ten minutes.
  progressDeadlineSeconds: 86400
  selector: {matchLabels: {app: scaled}}
  template:
    metadata: {labels: {app: scaled}}
    spec: {containers: [{name: c, image: example.org/none}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaled}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: scaled}
  minReplicas: 1
  maxReplicas: 5
";
