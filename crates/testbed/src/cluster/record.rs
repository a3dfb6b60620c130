//! What is written down about a cluster before its first process starts, and what follows from
//! it: every address, name and path, so that a clean-up needs nothing else.

use crate::components::Components;
use crate::{TestbedError, files};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Most nodes that a cluster can have.
pub const NODES_LIMIT: u8 = 3;
/// Highest index of a cluster: its Service range is `10.(200 + index).0.0/16`.
pub(crate) const INDEX_LIMIT: u8 = 55;
/// Longest name of a cluster, in bytes.
pub(crate) const NAME_LIMIT_BYTES: usize = 30;
/// The record's file in the cluster's folder.
pub(crate) const RECORD_FILE: &str = "cluster.json";

/// How the cluster is kept apart from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Control plane and nodes in namespaces of their own: needs root.
    Namespaces,
    /// Plain processes on loopback ports: the control plane only.
    Processes,
}

/// How far raising it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// `up` has begun; if nobody is at it, what there is must be cleared.
    Rising,
    /// `up` came to its end.
    Ready,
}

/// Ports of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) api: u16,
}

/// The port inside a network namespace of its own, where nothing can be taken.
pub(crate) const OWN_PORTS: Ports = Ports { api: 6443 };

/// Where a component runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Control,
    /// 1 to [`NODES_LIMIT`].
    Node(u8),
}

/// The record of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) index: u8,
    pub(crate) isolation: Isolation,
    pub(crate) phase: Phase,
    pub(crate) nodes: u8,
    pub(crate) audit: bool,
    pub(crate) ports: Ports,
    /// The process that raises it, for telling a crashed `up` from a running one.
    pub(crate) owner: u32,
    pub(crate) components: Components,
    /// The cluster's folder; where the record was read from.
    #[serde(skip)]
    pub(crate) dir: PathBuf,
}

impl Record {
    /// Reads the record in `dir`; nothing when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, TestbedError> {
        let path = dir.join(RECORD_FILE);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let mut record: Self = serde_json::from_str(&text)
            .map_err(|source| TestbedError::Content { path, source: source.into() })?;
        dir.clone_into(&mut record.dir);
        Ok(Some(record))
    }

    pub(crate) fn write(&self) -> Result<(), TestbedError> {
        let path = self.dir.join(RECORD_FILE);
        let text = serde_json::to_string_pretty(self).map_err(|source| TestbedError::Content {
            path: path.clone(),
            source: source.into(),
        })?;
        files::write(&path, text)
    }

    /// The places that are expected to run.
    pub(crate) fn places(&self) -> Vec<Place> {
        std::iter::once(Place::Control).chain((1..=self.nodes).map(Place::Node)).collect()
    }

    /// The folder of a place's files.
    pub(crate) fn place_dir(&self, place: Place) -> PathBuf {
        self.dir.join(place.name())
    }

    pub(crate) fn pki(&self, file: &str) -> PathBuf {
        self.dir.join("pki").join(file)
    }

    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        match user {
            "admin" => self.dir.join("kubeconfig"),
            other => self.dir.join(format!("{other}.kubeconfig")),
        }
    }

    pub(crate) fn log(&self, component: &str, place: Place) -> PathBuf {
        let logs = self.dir.join("logs");
        match place {
            Place::Control => logs.join(format!("{component}.log")),
            Place::Node(_) => logs.join(format!("{component}-{}.log", place.name())),
        }
    }

    /// The URL at which the host reaches the API server.
    pub(crate) fn server(&self) -> String {
        let address = match self.isolation {
            Isolation::Namespaces => address(self.index, Place::Control),
            Isolation::Processes => Ipv4Addr::LOCALHOST,
        };
        format!("https://{address}:{}", self.ports.api)
    }

    /// The cluster's cgroup below every root.
    pub(crate) fn cgroup(&self) -> String {
        cgroup(&self.name)
    }

    /// The cgroup of a place; its pods are below it, its components in `system` below it.
    pub(crate) fn place_cgroup(&self, place: Place) -> String {
        format!("{}/{}", self.cgroup(), place.name())
    }
}

impl Place {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Control => "control".to_owned(),
            Self::Node(number) => format!("node{number}"),
        }
    }
}

/// The cgroup of the cluster called `name`.
pub(crate) fn cgroup(name: &str) -> String {
    format!("orlop-{name}")
}

/// The bridge between the nodes; it carries the host's address.
pub(crate) fn bridge(index: u8) -> String {
    format!("orlop{index}")
}

/// The host's end of a place's link.
pub(crate) fn link(index: u8, place: Place) -> String {
    match place {
        Place::Control => format!("orlop{index}-c"),
        Place::Node(number) => format!("orlop{index}-n{number}"),
    }
}

/// The host's address on the bridge.
pub(crate) fn host_address(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 31, index, 1)
}

pub(crate) fn address(index: u8, place: Place) -> Ipv4Addr {
    let last = match place {
        Place::Control => 2,
        Place::Node(number) => 10 + number,
    };
    Ipv4Addr::new(172, 31, index, last)
}

/// The range of the nodes' addresses: network and prefix length.
pub(crate) fn node_range(index: u8) -> (Ipv4Addr, u8) {
    (Ipv4Addr::new(172, 31, index, 0), 24)
}

pub(crate) fn service_range(index: u8) -> (Ipv4Addr, u8) {
    (Ipv4Addr::new(10, 200 + index.min(INDEX_LIMIT), 0, 0), 16)
}

/// The address of the cluster's name server.
pub(crate) fn dns_address(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 200 + index.min(INDEX_LIMIT), 0, 10)
}

/// The address of the Service `kubernetes`.
pub(crate) fn api_service_address(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 200 + index.min(INDEX_LIMIT), 0, 1)
}

pub(crate) fn pod_range(index: u8) -> (Ipv4Addr, u8) {
    (Ipv4Addr::new(10, 100 + index, 0, 0), 16)
}

/// The range of one node's pods.
pub(crate) fn node_pod_range(index: u8, node: u8) -> (Ipv4Addr, u8) {
    (Ipv4Addr::new(10, 100 + index, node, 0), 24)
}

/// `network/length`.
pub(crate) fn cidr((network, length): (Ipv4Addr, u8)) -> String {
    format!("{network}/{length}")
}

/// Whether two ranges have an address in common.
pub(crate) fn overlap(one: (Ipv4Addr, u8), other: (Ipv4Addr, u8)) -> bool {
    let length = one.1.min(other.1).min(32);
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    u32::from(one.0) & mask == u32::from(other.0) & mask
}

/// Whether `name` can be a cluster's: it becomes part of paths and of a cgroup's name.
pub(crate) fn valid_name(name: &str) -> bool {
    name.len() <= NAME_LIMIT_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_clusters_never_overlap() {
        for one in 0..=INDEX_LIMIT {
            for other in 0..=INDEX_LIMIT {
                let ranges = |index| [node_range(index), service_range(index), pod_range(index)];
                for (i, a) in ranges(one).iter().enumerate() {
                    for (j, b) in ranges(other).iter().enumerate() {
                        assert_eq!(overlap(*a, *b), one == other && i == j, "{a:?} {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn overlap_sees_the_wider_range() {
        let range = |a, b, c, d, length| (Ipv4Addr::new(a, b, c, d), length);
        assert!(overlap(range(10, 0, 0, 0, 8), range(10, 200, 0, 0, 16)));
        assert!(overlap(range(0, 0, 0, 0, 0), range(10, 200, 0, 0, 16)));
        assert!(!overlap(range(172, 31, 1, 0, 24), range(172, 31, 2, 0, 24)));
        assert!(overlap(range(172, 31, 0, 0, 16), range(172, 31, 2, 0, 24)));
    }

    #[test]
    fn names_are_bounded_and_cannot_leave_their_folder() {
        assert!(valid_name("a") && valid_name("test-1") && valid_name(&"a".repeat(30)));
        for bad in ["", "1a", "-a", "A", "a/b", "..", "a b", "ä", &"a".repeat(31)] {
            assert!(!valid_name(bad), "{bad}");
        }
    }

    #[test]
    fn link_names_fit_the_kernels_15_bytes() {
        for index in 0..=INDEX_LIMIT {
            for place in [Place::Control, Place::Node(NODES_LIMIT)] {
                assert!(link(index, place).len() <= 15 && bridge(index).len() <= 15);
            }
        }
    }
}
