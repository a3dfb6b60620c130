//! What this host offers a cluster and its tests: limits, cgroups, namespaces, qdiscs,
//! netfilter, BPF, the kernel's lockdown.
//!
//! A test that needs a [`Piece`] asks [`require`] and skips with the reason it gets back. Each
//! finding says how it was found: *tried* in a namespace that is thrown away at once, *read*
//! from the kernel, or taken from the kernel's *configuration*, which says only that the code
//! is there. What cannot be found out is `Unknown`, never assumed.
//!
//! Input: the host. Output: a [`Host`], as a table or JSON. Effects: short-lived processes in
//! namespaces of their own, and one empty cgroup folder that is removed again. Nothing fails: a
//! probe that cannot run is a finding.

mod checks;
mod kernel;

use serde::Serialize;
use std::fmt;

/// Something that a host has or lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Piece {
    /// The process is root.
    Root,
    /// Enough open files for a kubelet and a containerd.
    OpenFiles,
    /// Enough processes for a node.
    Processes,
    /// Locked memory for BPF maps on old kernels.
    LockedMemory,
    /// inotify instances for a kubelet.
    InotifyInstances,
    /// A cgroup tree that a kubelet can use.
    CgroupTree,
    /// The controllers that limits of pods need: cpu, memory, pids.
    CgroupControllers,
    /// A process may lower an OOM score below its own.
    OomScoreAdj,
    /// The overlay file system, for container images.
    Overlayfs,
    /// Network, mount and PID namespaces of one's own.
    Namespaces,
    /// veth pairs and a bridge.
    VethAndBridge,
    /// The token bucket qdisc: bandwidth limits.
    QdiscTbf,
    /// The hierarchical token bucket qdisc.
    QdiscHtb,
    /// The classifier hook qdisc of tc programs.
    QdiscClsact,
    /// The network emulator qdisc: delay and loss.
    QdiscNetem,
    /// The fair queue qdisc: paced sending.
    QdiscFq,
    /// Fair queueing with controlled delay.
    QdiscFqCodel,
    /// nftables with the maps and numbers that kube-proxy uses.
    Nftables,
    /// iptables with masquerading, for the pod network.
    Iptables,
    /// iptables' statistic match: drop every n-th packet.
    IptablesStatistic,
    /// iptables' queue to user space.
    IptablesQueue,
    /// IPVS, for kube-proxy's ipvs mode.
    Ipvs,
    /// The kernel's own types, for portable BPF programs.
    Btf,
    /// BPF programs on tracepoints.
    BpfTracepoint,
    /// BPF programs on user-space functions.
    BpfUprobe,
    /// BPF programs on kernel functions by kprobe.
    BpfKprobe,
    /// BPF programs at entry and exit of kernel functions.
    BpfFentry,
    /// BPF programs at cgroups.
    BpfCgroup,
    /// BPF programs in the traffic classifier.
    BpfTc,
    /// BPF programs at the network driver.
    BpfXdp,
    /// BPF programs at security hooks.
    BpfLsm,
    /// The kernel is not locked down.
    NoLockdown,
    /// The kernel's log can be read.
    Kmsg,
}

/// Whether a piece is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there.
    Present,
    /// It is not there, or less than needed.
    Missing,
    /// It could not be found out.
    Unknown,
}

/// How a finding came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// It was done, in a namespace that is gone again.
    Tried,
    /// The kernel says so.
    Read,
    /// The kernel's build configuration says so; that it works was not tried.
    Configured,
}

/// What was found out about one piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which piece.
    pub piece: Piece,
    /// Whether it is there.
    pub state: State,
    /// How that was found out.
    pub method: Method,
    /// The value, or the reason.
    pub detail: String,
    /// What needs the piece.
    pub needed_for: &'static str,
}

/// Everything that was found out about this host.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The architecture, as `uname -m` prints it.
    pub machine: String,
    /// The distribution, from os-release.
    pub system: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Memory of the host in MiB.
    pub memory_mib: u64,
    /// One finding a piece, in the order of the table.
    pub findings: Vec<Finding>,
}

/// A piece that a caller needs and this host lacks. Display is one line for a skipped test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this host lacks {piece}: {reason}")]
pub struct Missing {
    /// Which piece.
    pub piece: Piece,
    /// Why it counts as missing.
    pub reason: String,
}

/// One line of the table of probes.
struct Probe {
    piece: Piece,
    needed_for: &'static str,
    method: Method,
    check: fn() -> Answer,
}

/// What a check found.
type Answer = (State, String);

/// Probes everything. Takes about a second: most checks start a process or two.
#[must_use]
pub fn host() -> Host {
    let uname = rustix::system::uname();
    Host {
        kernel: uname.release().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
        system: kernel::distribution(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_mib: kernel::memory_mib(),
        findings: checks::PROBES.iter().map(Probe::run).collect(),
    }
}

/// Asks for one piece. A piece of which nothing is known counts as missing, with that reason.
///
/// # Errors
/// [`Missing`], with the reason.
pub fn require(piece: Piece) -> Result<(), Missing> {
    let Some(probe) = checks::PROBES.iter().find(|probe| probe.piece == piece) else {
        return Err(Missing { piece, reason: "nothing probes it".to_owned() });
    };
    let finding = probe.run();
    match finding.state {
        State::Present => Ok(()),
        State::Missing | State::Unknown => Err(Missing { piece, reason: finding.detail }),
    }
}

impl Probe {
    fn run(&self) -> Finding {
        let (state, detail) = (self.check)();
        Finding {
            piece: self.piece,
            state,
            method: self.method,
            detail,
            needed_for: self.needed_for,
        }
    }
}

impl Host {
    /// The rows of a table: piece, state, how, detail, what needs it.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<String>> {
        let heading = ["PIECE", "STATE", "HOW", "DETAIL", "NEEDED FOR"].map(str::to_owned);
        let findings = self.findings.iter().map(|finding| {
            vec![
                finding.piece.to_string(),
                word(&finding.state),
                word(&finding.method),
                finding.detail.clone(),
                finding.needed_for.to_owned(),
            ]
        });
        std::iter::once(heading.to_vec()).chain(findings).collect()
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

/// The name that serde gives a variant.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::from("?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_answers_on_this_host_and_names_what_needs_it() {
        let host = host();
        assert_eq!(host.findings.len(), checks::PROBES.len());
        for finding in &host.findings {
            assert!(!finding.detail.is_empty(), "{finding:?}");
            assert!(!finding.needed_for.is_empty(), "{finding:?}");
            assert!(!finding.detail.contains('\n'), "{finding:?}");
        }
        assert!(host.memory_mib > 0 && host.cpus > 0);
    }

    #[test]
    fn every_piece_is_probed_once() {
        for (index, one) in checks::PROBES.iter().enumerate() {
            let twice = checks::PROBES.iter().skip(index + 1).any(|two| two.piece == one.piece);
            assert!(!twice, "{} is probed twice", one.piece);
        }
    }

    #[test]
    fn a_missing_piece_says_why_in_one_line() {
        let missing =
            Missing { piece: Piece::QdiscNetem, reason: "qdisc kind is unknown".to_owned() };
        assert_eq!(missing.to_string(), "this host lacks qdisc-netem: qdisc kind is unknown");
    }

    #[test]
    fn what_is_required_agrees_with_the_report() {
        for finding in host().findings {
            let required = require(finding.piece);
            assert_eq!(
                required.is_ok(),
                finding.state == State::Present,
                "{required:?}: {finding:?}"
            );
        }
    }

    #[test]
    fn probes_at_the_same_time_do_not_disturb_each_other() {
        let ask = |_| std::thread::spawn(|| require(Piece::CgroupControllers));
        let asked: Vec<_> = (0..8).map(ask).collect();
        let answers: Vec<_> = asked.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    }
}
