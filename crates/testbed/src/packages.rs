//! The Debian packages that the cluster and the tests need: what is missing, and installing it.
//!
//! A package counts as present when its programs are found, so a host of another distribution
//! passes as soon as the same programs are there. Missing ones are installed with `apt-get` as
//! root, the lists renewed at most once; without root, or without apt, the caller learns what is
//! missing and what that disables. Services of installed packages are not started.
//!
//! Input: a [`Scope`]. Output: an [`Outcome`]. Effects: packages of the host's own archive.
//! Errors: [`PackagesError`], with the end of what apt said.

use model::{Explain, Hint, Retry};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Folders of programs that are looked at besides `PATH`, which often lacks the sbin folders.
const PROGRAM_DIRS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Lines of apt's output that an error repeats.
const APT_TAIL_LINES: usize = 12;

/// What a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Nodes with pods: `cargo xtask up`, `cluster up`.
    Nodes,
    /// The tests besides: `cargo xtask test`.
    Tests,
}

/// One package of the host.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name in Debian.
    pub name: &'static str,
    /// What it must put on the machine: program names, or absolute paths.
    pub programs: &'static [&'static str],
    /// What needs it.
    pub scope: Scope,
    /// What does not work without it.
    pub without: &'static str,
}

/// Every package, in the order in which they are installed.
pub const PACKAGES: [Package; 12] = [
    Package {
        name: "runc",
        programs: &["runc"],
        scope: Scope::Nodes,
        without: "pods cannot run (containers need a runtime)",
    },
    Package {
        name: "containernetworking-plugins",
        programs: &[
            "/usr/lib/cni/bridge",
            "/usr/lib/cni/host-local",
            "/usr/lib/cni/portmap",
            "/usr/lib/cni/loopback",
        ],
        scope: Scope::Nodes,
        without: "pods cannot run (no pod network)",
    },
    Package {
        name: "iptables",
        programs: &["iptables"],
        scope: Scope::Nodes,
        without: "pods cannot run (the pod network masquerades with it)",
    },
    Package {
        name: "nftables",
        programs: &["nft"],
        scope: Scope::Nodes,
        without: "Services do not answer (kube-proxy writes nftables rules)",
    },
    Package {
        name: "iproute2",
        programs: &["ip", "tc"],
        scope: Scope::Nodes,
        without: "nodes cannot be raised (namespaces, links and routes)",
    },
    Package {
        name: "util-linux",
        programs: &["unshare", "nsenter"],
        scope: Scope::Nodes,
        without: "nodes cannot be raised (namespaces)",
    },
    Package {
        name: "git",
        programs: &["git"],
        scope: Scope::Nodes,
        without: "the demo's Git server cannot run; tests that fetch from one are skipped",
    },
    Package {
        name: "openssh-client",
        programs: &["ssh-add", "ssh-agent", "ssh-keygen"],
        scope: Scope::Tests,
        without: "tests that fetch over ssh are skipped",
    },
    Package {
        name: "gnupg",
        programs: &["gpg", "gpgconf", "gpg-agent"],
        scope: Scope::Tests,
        without: "tests that compare OpenPGP verdicts with those of git are skipped",
    },
    Package {
        name: "age",
        programs: &["age"],
        scope: Scope::Tests,
        without: "tests that decrypt files of the real age are skipped",
    },
    Package {
        name: "openssh-server",
        programs: &["sshd"],
        scope: Scope::Tests,
        without: "tests that fetch over ssh are skipped",
    },
    Package {
        name: "faketime",
        programs: &["faketime"],
        scope: Scope::Tests,
        without: "tests in which the wall clock jumps are skipped",
    },
];

/// What [`ensure`] found and did.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything of the scope is there; these packages were installed just now.
    Ready {
        /// Names of packages that were missing before.
        installed: Vec<&'static str>,
    },
    /// These are missing and were not installed.
    Without {
        /// The missing packages.
        missing: Vec<&'static Package>,
        /// Why nothing was installed, with what to do.
        reason: String,
    },
}

/// Why packages could not be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackagesError {
    /// A program of apt could not be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// apt ended with an error.
    #[error("apt-get {verb} failed for {packages}; it said:\n{tail}")]
    Apt {
        /// The verb that failed.
        verb: &'static str,
        /// The packages that were asked for.
        packages: String,
        /// The end of apt's output.
        tail: String,
    },
    /// apt succeeded, and yet the programs are not there.
    #[error("{package} is installed, but {program} is nowhere to be found")]
    StillMissing {
        /// The package.
        package: &'static str,
        /// The first of its programs that is missing.
        program: &'static str,
    },
}

impl Explain for PackagesError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Start { .. } => Hint::new("install the listed programs by hand"),
            Self::Apt { verb: "update", .. } => {
                Hint::new("check that this machine reaches its package archive")
            }
            Self::Apt { packages, .. } => {
                Hint::new(format!("try it by hand: apt-get install {packages}"))
            }
            Self::StillMissing { .. } => Hint::new("add its folder to PATH"),
        })
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Apt { .. } => Retry::Now,
            _ => Retry::Never,
        }
    }
}

/// The packages of `scope` (and of the scopes below it) whose programs are not on this host.
#[must_use]
pub fn missing(scope: Scope) -> Vec<&'static Package> {
    missing_from(scope, &|program| find_program(program).is_some())
}

/// Finds a program by name in `PATH` and the usual folders, or checks an absolute path.
#[must_use]
pub fn find_program(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(program.into()).filter(|path: &PathBuf| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(PROGRAM_DIRS.map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Installs what `scope` needs and lacks, telling `say` what it does. Does nothing on a host
/// that has everything; says what is missing and why nothing was installed where it may not.
///
/// # Errors
/// When apt cannot be run or fails, or when a package does not bring its programs.
pub fn ensure(scope: Scope, say: &mut dyn FnMut(&str)) -> Result<Outcome, PackagesError> {
    let missing = missing(scope);
    if missing.is_empty() {
        return Ok(Outcome::Ready { installed: Vec::new() });
    }
    let names: Vec<&'static str> = missing.iter().map(|package| package.name).collect();
    if find_program("apt-get").is_none() {
        return Ok(Outcome::Without { reason: by_hand(&missing), missing });
    }
    if !rustix::process::geteuid().is_root() {
        let reason = format!("installing needs root: sudo apt-get install {}", names.join(" "));
        return Ok(Outcome::Without { missing, reason });
    }
    say(&format!("packages: renewing the package lists ({} missing)", names.len()));
    apt("update", &names, &["update", "-q"])?;
    say(&format!("packages: installing {}", names.join(", ")));
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(&names);
    apt("install", &names, &arguments)?;
    for package in &missing {
        if let Some(program) = absent(package, &|program| find_program(program).is_some()) {
            return Err(PackagesError::StillMissing { package: package.name, program });
        }
    }
    Ok(Outcome::Ready { installed: names })
}

fn missing_from(scope: Scope, present: &dyn Fn(&str) -> bool) -> Vec<&'static Package> {
    PACKAGES
        .iter()
        .filter(|package| package.scope <= scope && absent(package, present).is_some())
        .collect()
}

/// The first program of `package` that is not there.
fn absent(package: &Package, present: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    package.programs.iter().copied().find(|program| !present(program))
}

/// What to say on a host without apt.
fn by_hand(missing: &[&'static Package]) -> String {
    let programs: Vec<&str> =
        missing.iter().flat_map(|package| package.programs.iter().copied()).collect();
    format!(
        "this host has no apt-get: install the programs {} with its own package manager",
        programs.join(", ")
    )
}

/// Runs apt-get so that it asks nothing and starts no service.
fn apt(verb: &'static str, names: &[&str], arguments: &[&str]) -> Result<(), PackagesError> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("SYSTEMD_OFFLINE", "1")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| PackagesError::Start { program: "apt-get", source })?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(APT_TAIL_LINES));
    Err(PackagesError::Apt {
        verb,
        packages: names.join(" "),
        tail: tail.map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: &[&'static Package]) -> Vec<&'static str> {
        packages.iter().map(|package| package.name).collect()
    }

    #[test]
    fn a_package_is_missing_when_one_of_its_programs_is() {
        let present = |program: &str| program != "/usr/lib/cni/portmap" && program != "sshd";
        assert_eq!(names(&missing_from(Scope::Nodes, &present)), ["containernetworking-plugins"]);
        assert_eq!(
            names(&missing_from(Scope::Tests, &present)),
            ["containernetworking-plugins", "openssh-server"]
        );
        assert!(missing_from(Scope::Tests, &|_| true).is_empty());
    }

    #[test]
    fn a_host_without_apt_is_told_the_programs_it_needs() {
        let missing = missing_from(Scope::Nodes, &|program| program != "nft" && program != "tc");
        let text = by_hand(&missing);
        assert!(text.contains("install the programs nft, ip, tc with"), "{text}");
    }

    #[test]
    fn programs_are_found_outside_path_and_by_absolute_path() {
        assert!(find_program("sh").is_some());
        assert!(find_program("/bin/sh").is_some());
        assert!(find_program("no-such-program-here").is_none());
        assert!(find_program("/bin").is_none());
    }

    #[test]
    fn every_package_says_what_fails_without_it() {
        for package in &PACKAGES {
            assert!(!package.without.is_empty() && !package.programs.is_empty());
        }
    }
}
