//! Real clusters: what they can do, and that nothing of them stays behind.
//!
//! Needs root, namespaces and the packages of [`testbed::packages`]; elsewhere each test prints
//! why it is skipped.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use testbed::cluster::state_dir;
use testbed::packages::{self, Scope};
use testbed::{Cluster, Spec, Tier, components, images, wait};

/// For what a busy machine does within seconds.
const LIMIT: Duration = Duration::from_secs(120);
/// Asks the child process of a test to raise a cluster: its name and its number of nodes.
const RAISE: &str = "ORLOP_TESTBED_RAISE";

/// Whether nodes can run here; prints why not.
fn skipped() -> bool {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test").to_owned();
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIP {name}: nodes need root");
        return true;
    }
    if let Some(package) = packages::missing(Scope::Nodes).first() {
        eprintln!("SKIP {name}: {} is not installed: {}", package.name, package.without);
        return true;
    }
    false
}

fn spec(name: &str, nodes: u8) -> Spec {
    let tier = if nodes == 0 { Tier::ControlPlane } else { Tier::Full { nodes } };
    Spec { name: name.to_owned(), tier, audit: nodes == 0 }
}

fn raise(name: &str, nodes: u8) -> Cluster {
    Cluster::up(&spec(name, nodes), &mut |line| eprintln!("{line}")).unwrap().0
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All files in these folders. Those of other clusters may go while they are looked at.
fn files(folders: &[&str]) -> String {
    let found = Command::new("find").args(folders).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&found.stderr);
    assert!(told.lines().all(|line| line.ends_with("No such file or directory")), "{told}");
    String::from_utf8_lossy(&found.stdout).into_owned()
}

/// Everything on this host that a cluster could leave: one line each. `mine` keeps what other
/// clusters of the same moment do out of it.
fn traces(mine: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |kind: &str, text: &str| {
        let lines = text.lines().filter(|line| mine(line));
        found.extend(lines.map(|line| format!("{kind}: {}", line.trim())));
    };
    add("mount", &std::fs::read_to_string("/proc/self/mounts").unwrap());
    add("link", &output("ip", &["-brief", "link"]));
    add("route", &output("ip", &["route", "show", "table", "all"]));
    add("netns", &output("ip", &["netns", "list"]));
    add("nft", &output("nft", &["list", "tables"]));
    let folders = ["/sys/fs/cgroup", "/var/lib/orlop", "/run/netns", "/var/log/containers"];
    let folders: Vec<&str> = folders.into_iter().filter(|one| Path::new(one).exists()).collect();
    add("file", &files(&folders));
    for pid in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| std::fs::read(pid.path().join(file)).unwrap_or_default();
        let (group, words) = (read("cgroup"), read("cmdline"));
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.is_empty() {
            continue; // kernel threads and zombies that wait for their parent
        }
        add("process", &words);
        add("process", &format!("{words} {}", String::from_utf8_lossy(&group).replace('\n', " ")));
    }
    found
}

/// What belongs to the cluster called `name` on the address range `index`.
fn belongs(name: &str, index: &str) -> impl Fn(&str) -> bool {
    let marks = [
        format!("orlop-{name}"),
        format!("clusters/{name}"),
        format!("orlop{index}"),
        format!("172.31.{index}."),
        format!("10.{}.0", 100 + index.parse::<u32>().unwrap()),
        format!("10.{}.0", 200 + index.parse::<u32>().unwrap()),
    ];
    move |line| marks.iter().any(|mark| line.contains(mark))
}

fn index_of(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(state_dir().join(name).join("cluster.json")).ok()?;
    let record: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(record.get("index")?.to_string())
}

/// Kinds of traces that no cluster, whichever it is, may leave on the host.
fn host_wide() -> BTreeSet<String> {
    let all = traces(&|_| true);
    all.into_iter().filter(|line| line.starts_with("nft") || line.starts_with("netns")).collect()
}

#[test]
fn the_child_of_a_crash_test_raises_what_it_is_asked_for() {
    let Ok(asked) = std::env::var(RAISE) else { return };
    let (name, nodes) = asked.split_once(' ').unwrap();
    raise(name, nodes.parse().unwrap());
}

/// Kills an `up` with SIGKILL as soon as `point` holds for the folder, then clears it.
fn crash(name: &str, nodes: u8, point: &dyn Fn(&Path) -> bool) {
    let before = host_wide();
    let dir = state_dir().join(name);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_of_a_crash_test_raises_what_it_is_asked_for"])
        .env(RAISE, format!("{name} {nodes}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let reached =
        wait::until(LIMIT, || Ok::<_, ()>((point(&dir) || !runs(&mut child)).then_some(())));
    assert_eq!(reached, Ok(Some(())));
    child.kill().unwrap();
    child.wait().unwrap();
    let index = index_of(name);
    Cluster::down(name, &mut |_| {}).unwrap();
    if let Some(index) = index {
        assert_eq!(traces(&belongs(name, &index)), BTreeSet::new());
    }
    assert_eq!(host_wide().difference(&before).count(), 0);
}

/// Whether the child still runs.
fn runs(child: &mut std::process::Child) -> bool {
    child.try_wait().unwrap().is_none()
}

#[test]
fn an_up_that_is_killed_at_any_point_is_cleared_without_a_trace() {
    if skipped() {
        return;
    }
    components::ensure(components::Need::Nodes, &mut |line| eprintln!("{line}")).unwrap();
    let has = |file: &'static str| move |dir: &Path| dir.join(file).exists();
    let bridge = |dir: &Path| {
        let index = index_of(&dir.file_name().unwrap().to_string_lossy()).unwrap_or_default();
        Path::new("/sys/class/net").join(format!("orlop{index}")).exists() && !index.is_empty()
    };
    let inited = |dir: &Path| {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let groups = ["freezer/", "unified/", ""].map(|root| {
            PathBuf::from(format!("/sys/fs/cgroup/{root}orlop-{name}/control/system/cgroup.procs"))
        });
        groups.iter().any(|file| std::fs::read_to_string(file).is_ok_and(|all| !all.is_empty()))
    };
    let own = std::process::id();
    let name = |point: &str| format!("crash-{own}-{point}");
    crash(&name("record"), 0, &has("cluster.json"));
    crash(&name("keys"), 0, &has("kubeconfig"));
    crash(&name("bridge"), 1, &bridge);
    crash(&name("init"), 1, &inited);
    crash(&name("etcd"), 1, &has("logs/etcd.log"));
    crash(&name("containerd"), 2, &has("node1/containerd.sock"));
    crash(&name("kubelet"), 2, &has("logs/kubelet-node1.log"));
    crash(&name("volumes"), 2, &has("node2/volumes/3"));
}

#[test]
fn clusters_stand_side_by_side_and_a_second_up_changes_nothing() {
    if skipped() {
        return;
    }
    let own = std::process::id();
    let (one, other) = (format!("side-{own}-a"), format!("side-{own}-b"));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| raise(&one, 0));
        let second = scope.spawn(|| raise(&other, 0));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_ne!(first.server(), second.server());
    kubectl(&first, &["create", "configmap", "kept", "--from-literal=a=b"]);
    let pids = |cluster: &Cluster| {
        let all = cluster.status().components;
        all.iter().map(|one| one.pid).collect::<Vec<_>>()
    };
    let before = pids(&first);
    assert!(before.iter().all(Option::is_some), "{before:?}");
    let again = raise(&one, 0);
    assert_eq!(pids(&again), before);
    kubectl(&again, &["get", "configmap", "kept"]);
    let log = std::fs::read_to_string(again.dir().join("logs/audit.log")).unwrap();
    assert!(log.contains("\"name\":\"kept\""));
    assert!(Cluster::down(&one, &mut |_| {}).unwrap());
    kubectl(&second, &["get", "namespaces"]);
    assert!(Cluster::down(&other, &mut |_| {}).unwrap());
    assert!(!Cluster::down(&other, &mut |_| {}).unwrap());
}

#[test]
fn a_controller_manager_that_gave_up_on_a_slow_start_is_started_again() {
    if skipped() {
        return;
    }
    let name = format!("slow-{}", std::process::id());
    let cluster = std::thread::scope(|scope| {
        let up = scope.spawn(|| raise(&name, 0));
        let folder = state_dir().join(&name).to_string_lossy().into_owned();
        let killed = wait::until(LIMIT, || Ok::<_, ()>(kill_manager(&folder).then_some(())));
        assert_eq!(killed, Ok(Some(())));
        up.join().unwrap()
    });
    kubectl(&cluster, &["get", "serviceaccount", "default"]);
    assert!(Cluster::down(&name, &mut |_| {}).unwrap());
}

/// Ends the controller manager of the cluster in this folder; says whether there was one.
fn kill_manager(folder: &str) -> bool {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = all.filter(|entry| {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        let program = words.split('\0').next().unwrap_or_default();
        program.ends_with("/kube-controller-manager") && words.contains(folder)
    });
    let Some(pid) = pids.next() else { return false };
    let kill = Command::new("kill").arg("-9").arg(pid.file_name()).status();
    kill.unwrap().success()
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = cluster.kubectl().args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "kubectl {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A static shell as an image.
const SHELL: images::Spec = images::Spec {
    reference: "local.test/shell:1",
    entrypoint: &["/bin/busybox"],
    arguments: &["sleep", "3600"],
    writable: &[],
    workdir: "/",
    ports: &[8080],
};

const WORKLOAD: &str = include_str!("workload.yaml");

fn await_output(cluster: &Cluster, arguments: &[&str], wanted: &dyn Fn(&str) -> bool) -> String {
    let mut last = String::new();
    let found = wait::until(LIMIT, || {
        let output = cluster.kubectl().args(arguments).stdin(Stdio::null()).output()?;
        last = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok::<_, std::io::Error>((output.status.success() && wanted(&last)).then_some(()))
    });
    assert!(matches!(found, Ok(Some(()))), "kubectl {arguments:?} gives {last}");
    last
}

#[test]
fn two_nodes_run_pods_with_services_dns_and_volumes_and_leave_no_trace() {
    if skipped() {
        return;
    }
    let before = host_wide();
    let name = format!("full-{}", std::process::id());
    let cluster = raise(&name, 2);
    let index = index_of(&name).unwrap();
    let cache = components::cache_dir();
    let shell = images::of_packages(&cache, &SHELL, &["busybox-static"], &mut |_| {}).unwrap();
    cluster.load(&shell.archive).unwrap();
    let file = cluster.dir().join("workload.yaml");
    std::fs::write(&file, WORKLOAD).unwrap();
    kubectl(&cluster, &["apply", "-f", &file.to_string_lossy()]);
    kubectl(&cluster, &["rollout", "status", "deployment/web", "--timeout=120s"]);
    kubectl(&cluster, &["rollout", "status", "statefulset/disk", "--timeout=120s"]);

    names_and_services_resolve_everywhere(&cluster);
    volumes_honour_fs_group_and_are_renewed(&cluster);
    no_packet_leaves(&index);
    a_node_can_be_frozen_cut_off_and_killed(&cluster, &index);

    assert!(Cluster::down(&name, &mut |_| {}).unwrap());
    assert_eq!(traces(&belongs(&name, &index)), BTreeSet::new());
    assert_eq!(host_wide().difference(&before).count(), 0);
}

fn names_and_services_resolve_everywhere(cluster: &Cluster) {
    let nodes = kubectl(cluster, &["get", "pods", "-l", "app=web", "-o", "wide"]);
    assert!(nodes.contains("node1") && nodes.contains("node2"), "{nodes}");
    let ask = ["exec", "disk-0", "--", "/bin/busybox", "wget", "-q", "-O", "-", "http://web/"];
    assert_eq!(await_output(cluster, &ask, &|said| said.contains("hello")).trim(), "hello");
    let address = kubectl(cluster, &["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    // The host reaches Services by their address, over its route to the first node.
    let address: std::net::SocketAddr = format!("{address}:80").parse().unwrap();
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
    kubectl(cluster, &["logs", "deployment/web"]);
}

fn volumes_honour_fs_group_and_are_renewed(cluster: &Cluster) {
    let list = ["exec", "disk-0", "--", "/bin/busybox", "ls", "-ln", "/data/written"];
    let owner = await_output(cluster, &list, &|text| text.contains("written"));
    assert!(owner.contains(" 2000 "), "the file belongs to the pod's fsGroup: {owner}");
    let volume = ["get", "pvc", "data-disk-0", "-o", "jsonpath={.spec.volumeName}"];
    let volume = kubectl(cluster, &volume);
    kubectl(cluster, &["delete", "statefulset/disk", "pvc/data-disk-0", "--wait=true"]);
    let phase = ["get", "pv", &volume, "-o", "jsonpath={.status.phase}"];
    await_output(cluster, &phase, &|phase| phase == "Available");
    let path = kubectl(cluster, &["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"]);
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
}

/// Addresses of every range of the cluster: node, pod of each node, unused pod range, Service.
fn no_packet_leaves(index: &str) {
    let (pods, services) =
        (100 + index.parse::<u32>().unwrap(), 200 + index.parse::<u32>().unwrap());
    let bridge = format!("dev orlop{index}");
    for address in [
        format!("172.31.{index}.11"),
        format!("172.31.{index}.200"),
        format!("10.{pods}.1.7"),
        format!("10.{pods}.77.7"),
        format!("10.{services}.0.1"),
    ] {
        let route = Command::new("ip").args(["route", "get", &address]).output().unwrap();
        let said = String::from_utf8_lossy(&route.stdout);
        // Over the bridge, or refused: never by the default route.
        assert!(!route.status.success() || said.contains(&bridge), "{address}: {said}");
    }
}

fn a_node_can_be_frozen_cut_off_and_killed(cluster: &Cluster, index: &str) {
    let node = cluster.node(2).unwrap();
    let jsonpath = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    let ready = ["get", "node", "node2", "-o", jsonpath];
    node.freeze();
    await_output(cluster, &ready, &|status| status == "Unknown");
    node.thaw();
    await_output(cluster, &ready, &|status| status == "True");
    node.cut_off().unwrap();
    no_packet_leaves(index);
    await_output(cluster, &ready, &|status| status == "Unknown");
    node.reconnect().unwrap();
    await_output(cluster, &ready, &|status| status == "True");
    node.kill().unwrap();
    no_packet_leaves(index);
    node.start().unwrap();
    kubectl(cluster, &["rollout", "status", "deployment/web", "--timeout=120s"]);
}
