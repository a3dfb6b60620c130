//! The tools that tests and benches compare Orlop with, built once from pinned Go modules.
//!
//! The pins are `cluster/peers/NAME/go.mod` and `go.sum`; they are part of this library. A peer
//! lies beside the cluster's components in the cache, keyed by pins, flags and Go version, and
//! appears complete or not at all.
//!
//! Input: a peer's name. Output: the path of its program. [`peer`] only looks, so that a test
//! never builds for minutes; [`ensure`] builds. Cost of a build, cold, on two cores: about 140 s
//! for kustomize, 150 s for Helm, 20 s for kubeconform, 120 s for the OpenTelemetry Collector.
//! Errors: [`MissingPeer`], whose text is the reason of a skipped test; [`TestbedError`].

use crate::components::{Module, cache_dir, pins};
use crate::{TestbedError, files, golang};
use std::path::{Path, PathBuf};

/// A peer and the crates whose tests ask for it.
struct Peer {
    module: Module,
    used_by: &'static [&'static str],
}

const PEERS: [Peer; 4] = [
    Peer {
        module: Module {
            name: "kustomize",
            go_mod: pins!("peers/kustomize", "go.mod"),
            go_sum: pins!("peers/kustomize", "go.sum"),
            tools: pins!("peers/kustomize", "tools.go"),
            pinned: "sigs.k8s.io/kustomize/kustomize/v5",
            programs: &[("kustomize", "sigs.k8s.io/kustomize/kustomize/v5")],
            tags: "",
            stamped: &[],
        },
        used_by: &["kustomize", "delivery"],
    },
    Peer {
        module: Module {
            name: "helm",
            go_mod: pins!("peers/helm", "go.mod"),
            go_sum: pins!("peers/helm", "go.sum"),
            tools: pins!("peers/helm", "tools.go"),
            pinned: "helm.sh/helm/v4",
            programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
            tags: "",
            stamped: &[],
        },
        used_by: &["helm", "delivery"],
    },
    Peer {
        module: Module {
            name: "kubeconform",
            go_mod: pins!("peers/kubeconform", "go.mod"),
            go_sum: pins!("peers/kubeconform", "go.sum"),
            tools: pins!("peers/kubeconform", "tools.go"),
            pinned: "github.com/yannh/kubeconform",
            programs: &[("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform")],
            tags: "",
            stamped: &[],
        },
        used_by: &["schema"],
    },
    Peer {
        module: Module {
            name: "otelcol",
            go_mod: pins!("peers/otelcol", "go.mod"),
            go_sum: pins!("peers/otelcol", "go.sum"),
            tools: pins!("peers/otelcol", "tools.go"),
            pinned: "go.opentelemetry.io/collector/otelcol",
            // A collector is put together from its parts: the program is the module itself.
            programs: &[("otelcol", "orlop.dev/cluster/peers/otelcol")],
            tags: "",
            stamped: &[],
        },
        used_by: &["agent"],
    },
];

/// A peer that is not there. Display is one line for a skipped test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the peer {name} is not there: {reason}")]
pub struct MissingPeer {
    /// Which.
    pub name: String,
    /// Why it counts as missing.
    pub reason: String,
}

/// The program of a peer that was built before.
///
/// # Errors
/// [`MissingPeer`], with the reason.
pub fn peer(name: &str) -> Result<PathBuf, MissingPeer> {
    peer_in(&cache_dir(), name)
}

fn peer_in(cache: &Path, name: &str) -> Result<PathBuf, MissingPeer> {
    let missing = |reason: &str| MissingPeer { name: name.to_owned(), reason: reason.to_owned() };
    let peer = find(name).ok_or_else(|| missing("nothing pins it"))?;
    let go = golang::present(cache).ok_or_else(|| missing("there is no Go to have built it"))?;
    let program = peer.module.folder(&cache.join("components"), &go).join(name);
    if program.is_file() {
        return Ok(program);
    }
    Err(missing("`cargo xtask peers` builds it"))
}

/// Builds a peer that is not there and says where its program is.
///
/// # Errors
/// [`MissingPeer`] for a name that nothing pins; [`TestbedError`] when Go cannot be had, when the
/// build fails, or when the cache cannot be written.
pub fn ensure(name: &str, say: &mut dyn FnMut(&str)) -> Result<PathBuf, TestbedError> {
    let Some(peer) = find(name) else {
        return Err(TestbedError::NoPeer { name: name.to_owned(), known: names().join(", ") });
    };
    let cache = cache_dir();
    let go = golang::ensure(&cache, say)?;
    let root = cache.join("components");
    files::create_dir(&root)?;
    Ok(peer.module.ensure(&root, &go, say)?.join(name))
}

/// Every pinned peer.
#[must_use]
pub fn names() -> Vec<&'static str> {
    PEERS.iter().map(|peer| peer.module.name).collect()
}

/// The peers that the tests of a crate ask for.
#[must_use]
pub fn used_by(package: &str) -> Vec<&'static str> {
    let asked = PEERS.iter().filter(|peer| peer.used_by.contains(&package));
    asked.map(|peer| peer.module.name).collect()
}

/// The peers' versions, by name.
#[must_use]
pub fn versions() -> Vec<(&'static str, &'static str)> {
    PEERS.iter().map(|peer| (peer.module.name, peer.module.version())).collect()
}

fn find(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.module.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_pinned_to_the_version_that_tests_are_written_for() {
        let expected = [
            ("kustomize", "v5.8.1"),
            ("helm", "v4.3.1"),
            ("kubeconform", "v0.8.0"),
            ("otelcol", "v0.149.0"),
        ];
        assert_eq!(versions(), expected);
    }

    #[test]
    fn a_peer_that_is_not_built_says_how_to_build_it() {
        let cache = tempfile::tempdir().unwrap();
        let missing = peer_in(cache.path(), "helm").unwrap_err();
        assert_eq!(missing.name, "helm");
        assert_eq!(peer_in(cache.path(), "tiller").unwrap_err().reason, "nothing pins it");
        assert!(ensure("tiller", &mut |_| {}).unwrap_err().to_string().contains("kubeconform"));
    }
}
