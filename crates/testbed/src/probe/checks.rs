//! The table of probes. A new one is a variant of [`Piece`](super::Piece) and a line here.

use super::kernel::{self, Cgroups};
use super::{Answer, Method, Piece, Probe, State};
use crate::packages::find_program;
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// A kubelet refuses to start far below this; both components keep about 500 files open.
const OPEN_FILES_MIN: u64 = 8_192;
/// A node with a handful of pods has about 400 threads.
const PROCESSES_MIN: u64 = 2_048;
/// What ring buffers of BPF programs need on kernels that charge locked memory.
const LOCKED_MEMORY_BYTES_MIN: u64 = 1 << 20;
/// A kubelet alone takes about 30 instances.
const INOTIFY_INSTANCES_MIN: u64 = 100;

/// Every probe.
pub(super) const PROBES: &[Probe] = &[
    read(Piece::Root, "pods, nodes, installing packages", root),
    read(Piece::OpenFiles, "kubelet, containerd", open_files),
    read(Piece::Processes, "nodes with pods", processes),
    read(Piece::LockedMemory, "BPF maps on kernels before 5.11", locked_memory),
    read(Piece::InotifyInstances, "kubelet", inotify_instances),
    read(Piece::CgroupTree, "kubelet", cgroup_tree),
    tried(Piece::CgroupControllers, "limits of pods", cgroup_controllers),
    tried(Piece::OomScoreAdj, "guaranteed pods survive the OOM killer", oom_score_adj),
    tried(Piece::Overlayfs, "container images", overlayfs),
    tried(Piece::Namespaces, "nodes", namespaces),
    tried(Piece::VethAndBridge, "the network of nodes and pods", veth_and_bridge),
    tried(Piece::QdiscTbf, "tests of slow networks", || {
        qdisc("tbf rate 1mbit burst 10k limit 10k")
    }),
    tried(Piece::QdiscHtb, "tests of shared bandwidth", || qdisc("htb")),
    tried(Piece::QdiscClsact, "BPF programs in tc", || qdisc("clsact")),
    tried(Piece::QdiscNetem, "tests of delay and loss", || qdisc("netem delay 1ms")),
    tried(Piece::QdiscFq, "paced sending", || qdisc("fq")),
    tried(Piece::QdiscFqCodel, "tests of fair queueing", || qdisc("fq_codel")),
    tried(Piece::Nftables, "kube-proxy", nftables),
    tried(Piece::Iptables, "the pod network's masquerading", || {
        iptables("-t nat -A POSTROUTING -j MASQUERADE")
    }),
    tried(Piece::IptablesStatistic, "tests that drop some packets", || {
        iptables("-A INPUT -m statistic --mode nth --every 3 --packet 0 -j DROP")
    }),
    tried(Piece::IptablesQueue, "tests that hold packets", || {
        iptables("-A INPUT -j NFQUEUE --queue-bypass")
    }),
    configured(Piece::Ipvs, "kube-proxy in ipvs mode", || option("CONFIG_IP_VS")),
    read(Piece::Btf, "portable BPF programs", btf),
    configured(Piece::BpfTracepoint, "network and process events", || option("CONFIG_BPF_EVENTS")),
    configured(Piece::BpfUprobe, "TLS plaintext, runtimes", || option("CONFIG_UPROBE_EVENTS")),
    configured(Piece::BpfKprobe, "kernel functions by name", || option("CONFIG_KPROBE_EVENTS")),
    configured(Piece::BpfFentry, "cheap kernel function probes", bpf_fentry),
    configured(Piece::BpfCgroup, "traffic by pod", || option("CONFIG_CGROUP_BPF")),
    configured(Piece::BpfTc, "traffic by interface", || option("CONFIG_NET_CLS_BPF")),
    configured(Piece::BpfXdp, "dropping packets early", || option("CONFIG_BPF_JIT")),
    tried(Piece::BpfLsm, "security hooks", bpf_lsm),
    tried(Piece::NoLockdown, "BPF programs that read kernel memory", no_lockdown),
    read(Piece::Kmsg, "kubelet's OOM watcher", kmsg),
];

const fn read(piece: Piece, needed_for: &'static str, check: fn() -> Answer) -> Probe {
    Probe { piece, needed_for, method: Method::Read, check }
}

const fn tried(piece: Piece, needed_for: &'static str, check: fn() -> Answer) -> Probe {
    Probe { piece, needed_for, method: Method::Tried, check }
}

const fn configured(piece: Piece, needed_for: &'static str, check: fn() -> Answer) -> Probe {
    Probe { piece, needed_for, method: Method::Configured, check }
}

fn root() -> Answer {
    let uid = rustix::process::geteuid();
    verdict(uid.is_root(), format!("uid {}", uid.as_raw()))
}

fn open_files() -> Answer {
    limit(Resource::Nofile, OPEN_FILES_MIN, "files")
}

fn processes() -> Answer {
    limit(Resource::Nproc, PROCESSES_MIN, "processes")
}

fn locked_memory() -> Answer {
    limit(Resource::Memlock, LOCKED_MEMORY_BYTES_MIN, "bytes")
}

/// Compares the hard limit, which a process may raise its own limit to.
fn limit(resource: Resource, least: u64, unit: &str) -> Answer {
    match getrlimit(resource).maximum {
        None => (State::Present, "unlimited".to_owned()),
        Some(most) => {
            let detail = format!("hard limit {most} {unit}, at least {least} needed");
            verdict(most >= least, detail)
        }
    }
}

fn inotify_instances() -> Answer {
    let path = "/proc/sys/fs/inotify/max_user_instances";
    match fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(most) => verdict(
            most >= INOTIFY_INSTANCES_MIN,
            format!("{most} for each user, at least {INOTIFY_INSTANCES_MIN} needed"),
        ),
        None => (State::Unknown, format!("cannot read {path}")),
    }
}

fn cgroup_tree() -> Answer {
    match kernel::cgroups() {
        Cgroups::V2 { root } => (State::Present, format!("v2 at {root}")),
        Cgroups::Hybrid { unified, .. } => {
            (State::Present, format!("hybrid: v1 limits, v2 at {unified}"))
        }
        Cgroups::V1 { .. } => (State::Present, "v1 only".to_owned()),
        Cgroups::None => (State::Missing, "no cgroup file system is mounted".to_owned()),
    }
}

/// Reads which of cpu, memory and pids exist, and makes and removes a folder in the tree.
fn cgroup_controllers() -> Answer {
    let (available, folder) = match kernel::cgroups() {
        Cgroups::V2 { root } => {
            let text = fs::read_to_string(format!("{root}/cgroup.controllers")).unwrap_or_default();
            (text.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), root)
        }
        Cgroups::Hybrid { trees, .. } | Cgroups::V1 { trees } => {
            let memory = trees.get("memory").cloned().unwrap_or_default();
            (trees.into_keys().collect(), memory)
        }
        Cgroups::None => return (State::Missing, "no cgroup file system is mounted".to_owned()),
    };
    let lacking: Vec<&str> = ["cpu", "memory", "pids"]
        .into_iter()
        .filter(|name| !available.iter().any(|known| known == name))
        .collect();
    if !lacking.is_empty() {
        return (State::Missing, format!("no controller {}", lacking.join(", ")));
    }
    // Two threads may probe at once: a name of the process alone would refuse the second.
    static PROBED: AtomicU64 = AtomicU64::new(0);
    let number = PROBED.fetch_add(1, Ordering::Relaxed);
    let own = format!("{folder}/orlop-probe-{}-{number}", std::process::id());
    match fs::create_dir(&own).and_then(|()| fs::remove_dir(&own)) {
        Ok(()) => (State::Present, available.join(" ")),
        Err(error) => (State::Missing, format!("no folder can be made in {folder}: {error}")),
    }
}

fn oom_score_adj() -> Answer {
    let script = "echo -998 > /proc/self/oom_score_adj && cat /proc/self/oom_score_adj";
    match shell(script) {
        Ok(_) => (State::Present, "-998 was accepted".to_owned()),
        Err(_) => (
            State::Missing,
            "-998 was refused (CAP_SYS_RESOURCE is missing): \
             containerd runs with restrict_oom_score_adj"
                .to_owned(),
        ),
    }
}

fn overlayfs() -> Answer {
    apart(
        &["--mount"],
        "mount -t tmpfs none /tmp && cd /tmp && mkdir lower upper work merged && \
         mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged",
        "mounted in a private namespace",
    )
}

fn namespaces() -> Answer {
    apart(
        &["--net", "--mount", "--pid", "--fork", "--mount-proc"],
        "test \"$(ls -d /proc/[0-9]* | wc -l)\" -le 8",
        "net, mount and pid",
    )
}

fn veth_and_bridge() -> Answer {
    needing(
        "ip",
        "iproute2",
        "ip link add p0 type veth peer name p1 && ip link add b0 type bridge && \
         ip link set p1 master b0",
        "made in a private namespace",
    )
}

fn qdisc(kind: &str) -> Answer {
    let parent = if kind == "clsact" { "" } else { "root" };
    needing("tc", "iproute2", &format!("tc qdisc add dev lo {parent} {kind}"), "added to lo")
}

fn nftables() -> Answer {
    needing(
        "nft",
        "nftables",
        "nft 'table ip t { map m { type ipv4_addr : verdict; }; chain c { \
         type nat hook prerouting priority -100; numgen random mod 2 0 accept; \
         fib daddr type local accept; ip daddr vmap @m; }; }'",
        "vmap, numgen and fib rules load",
    )
}

fn iptables(rule: &str) -> Answer {
    needing("iptables", "iptables", &format!("iptables -w {rule}"), "the rule loads")
}

fn btf() -> Answer {
    let path = "/sys/kernel/btf/vmlinux";
    match fs::metadata(path) {
        Ok(file) => (State::Present, format!("{path}, {} bytes", file.len())),
        Err(error) => (State::Missing, format!("{path}: {error}")),
    }
}

/// Lockdown refuses these programs even where the kernel was built with them.
fn bpf_fentry() -> Answer {
    unless_locked_down(option("CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"))
}

/// Built in is not enough: `bpf` must be among the active security modules.
fn bpf_lsm() -> Answer {
    match security_file("lsm") {
        Ok(active) if active.split(',').any(|name| name == "bpf") => {
            unless_locked_down((State::Present, format!("active security modules: {active}")))
        }
        Ok(active) => (State::Missing, format!("active security modules: {active}")),
        Err(reason) => (State::Unknown, reason),
    }
}

/// What is present becomes unknown on a kernel that is locked down.
fn unless_locked_down(answer: Answer) -> Answer {
    match (answer, no_lockdown()) {
        ((State::Present, detail), (State::Missing, lockdown)) => {
            (State::Unknown, format!("{detail}; may be refused: {lockdown}"))
        }
        (answer, _) => answer,
    }
}

fn no_lockdown() -> Answer {
    match security_file("lockdown") {
        Ok(modes) => verdict(modes.contains("[none]"), format!("lockdown modes: {modes}")),
        Err(reason) => (State::Unknown, reason),
    }
}

/// A file of securityfs, which is mounted privately where the host does not mount it.
fn security_file(name: &str) -> Result<String, String> {
    if let Ok(text) = fs::read_to_string(format!("/sys/kernel/security/{name}")) {
        return Ok(text.trim().to_owned());
    }
    let script = format!("mount -t securityfs none /tmp && cat /tmp/{name}");
    unshared(&["--mount"], &script)
}

fn kmsg() -> Answer {
    match fs::File::open("/dev/kmsg") {
        Ok(_) => (State::Present, "/dev/kmsg opens".to_owned()),
        Err(error) => (State::Missing, format!("/dev/kmsg: {error}")),
    }
}

fn option(name: &str) -> Answer {
    match kernel::configuration() {
        Some(text) if kernel::is_configured(&text, name) => {
            (State::Present, format!("{name} is set; not tried"))
        }
        Some(_) => (State::Missing, format!("{name} is not set")),
        None => (State::Unknown, format!("{name}: this kernel shows no build configuration")),
    }
}

fn verdict(present: bool, detail: String) -> Answer {
    (if present { State::Present } else { State::Missing }, detail)
}

/// Tries a script in a network namespace of its own, if `program` is installed.
fn needing(program: &str, package: &str, script: &str, good: &str) -> Answer {
    if find_program(program).is_none() {
        return (State::Unknown, format!("{program} is not installed (package {package})"));
    }
    apart(&["--net"], script, good)
}

/// Tries a script in namespaces of its own, which end with it.
fn apart(namespaces: &[&str], script: &str, good: &str) -> Answer {
    if find_program("unshare").is_none() {
        return (State::Unknown, "unshare is not installed (package util-linux)".to_owned());
    }
    match unshared(namespaces, script) {
        Ok(_) => (State::Present, good.to_owned()),
        Err(reason) => (State::Missing, reason),
    }
}

/// Runs a shell script in new namespaces; without root in a user namespace besides.
fn unshared(namespaces: &[&str], script: &str) -> Result<String, String> {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(namespaces).args(["sh", "-c", script]);
    finish(command)
}

fn shell(script: &str) -> Result<String, String> {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    finish(command)
}

/// The output, or the last line of what went wrong.
fn finish(mut command: Command) -> Result<String, String> {
    let path = format!(
        "{}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
        std::env::var("PATH").unwrap_or_default()
    );
    let output = command
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = text.lines().find(|line| !line.trim().is_empty());
    Err(first.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned()))
}
