//! Why the cluster could not do something.

use model::{Explain, Hint, Retry};
use std::path::PathBuf;
use std::time::Duration;

/// Why raising, using or clearing a cluster failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestbedError {
    /// A file or folder could not be used.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried: `read`, `write`, `create`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{command} failed; it said:\n{tail}")]
    Command {
        /// The program with its first words.
        command: String,
        /// The end of what it wrote.
        tail: String,
    },
    /// A component could not be built.
    #[error("cannot build {component}; the build log ends with:\n{tail}")]
    Build {
        /// The module that is built.
        component: &'static str,
        /// The end of the build log.
        tail: String,
    },
    /// There is no Go, and it could not be fetched.
    #[error("cannot get Go {wanted}: {reason}")]
    NoGo {
        /// The version that is fetched.
        wanted: &'static str,
        /// What was tried and how it failed.
        reason: String,
    },
    /// There is no such peer.
    #[error("there is no peer `{name}` (there are {known})")]
    NoPeer {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The sandbox image could not be made.
    #[error("cannot make the image {image}")]
    Image {
        /// Its name.
        image: &'static str,
        /// What failed.
        #[source]
        source: Box<crate::images::ImageError>,
    },
    /// The name cannot be a cluster's.
    #[error("`{name}` cannot be a cluster's name")]
    Name {
        /// What was asked for.
        name: String,
    },
    /// Every address range is taken.
    #[error("all {tried} address ranges for clusters are taken on this host")]
    NoRange {
        /// How many ranges there are.
        tried: u8,
    },
    /// More nodes than a cluster can have.
    #[error("a cluster has 1 to {limit} nodes, not {asked}")]
    Nodes {
        /// What was asked for.
        asked: u8,
        /// The limit.
        limit: u8,
    },
    /// Pods were asked for without being root.
    #[error("nodes with pods need root")]
    NeedsRoot,
    /// This host cannot make the namespaces that nodes live in.
    #[error("nodes with pods need namespaces, and this host refuses them: {reason}")]
    NoNamespaces {
        /// What was tried and how it failed.
        reason: String,
    },
    /// Something did not become ready in time, or died on the way.
    #[error("{what} {how}; {log} ends with:\n{tail}")]
    NotReady {
        /// What was waited for.
        what: String,
        /// `is not ready after 60s` or `ended`.
        how: String,
        /// The log file.
        log: PathBuf,
        /// Its end.
        tail: String,
    },
    /// A request to the API server failed on the way.
    #[error("cannot {operation}")]
    Request {
        /// Verb and path.
        operation: String,
        /// What failed.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The API server refused a request.
    #[error("cannot {operation}: status {status}: {message}")]
    Refused {
        /// Verb and path.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// The server's own words.
        message: String,
    },
    /// A certificate or a key could not be made.
    #[error("cannot make the certificate of {subject}")]
    Certificate {
        /// Whose.
        subject: String,
        /// What failed.
        #[source]
        source: rcgen::Error,
    },
    /// A file of the cluster is not what was written.
    #[error("{path} is not readable as this tool wrote it")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such cluster.
    #[error("there is no cluster `{name}`")]
    NoCluster {
        /// The name.
        name: String,
    },
    /// There is no such component in the cluster.
    #[error("cluster `{cluster}` has no component `{name}` (it has {known})")]
    NoComponent {
        /// The cluster.
        cluster: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Something is still there after the clean-up.
    #[error("cannot clear {what} of cluster `{cluster}` within {}s", .limit.as_secs())]
    Left {
        /// What is left.
        what: String,
        /// The cluster.
        cluster: String,
        /// How long was tried.
        limit: Duration,
    },
}

impl TestbedError {
    /// Puts the action and the file to what the system said.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    fn disk_is_full(&self) -> bool {
        match self {
            Self::File { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Build { tail, .. } | Self::Command { tail, .. } | Self::NotReady { tail, .. } => {
                tail.contains("no space left on device")
            }
            _ => false,
        }
    }
}

impl Explain for TestbedError {
    fn hint(&self) -> Option<Hint> {
        if self.disk_is_full() {
            return Some(Hint::new(
                "free some disk space (the components and Go's build cache take about 8 GB), \
                 then run the same command again: it goes on where it stopped",
            ));
        }
        Some(match self {
            Self::Build { .. } => Hint::new("run the same command again: what is compiled is kept"),
            Self::NoGo { .. } => Hint::new(
                "install Go 1.26.6 or later and put it on PATH, or python3-pip to have it fetched",
            ),
            Self::Name { .. } => {
                Hint::new("use 1 to 30 lower-case letters, digits and `-`, beginning with a letter")
            }
            Self::NoRange { .. } => Hint::new("`cargo xtask cluster down --all` frees them"),
            Self::NeedsRoot => Hint::new(
                "run it with sudo, or raise the control plane only: \
                 `cargo xtask cluster up --control-plane`",
            ),
            Self::NoNamespaces { .. } => {
                Hint::new("run it on a host, a virtual machine or in a privileged container")
            }
            Self::NotReady { .. } => {
                Hint::new("`cargo xtask cluster logs COMPONENT` shows the whole log")
            }
            Self::NoCluster { name } => {
                Hint::new(format!("`cargo xtask cluster up --name {name}` raises it"))
            }
            Self::Left { .. } => Hint::new("run `cargo xtask cluster down` again"),
            _ => return None,
        })
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Left { .. } | Self::Build { .. } | Self::NotReady { .. } => Retry::Now,
            _ => Retry::Never,
        }
    }
}

/// The last `lines` lines of `text`, each indented by two blanks.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let rest = all.iter().skip(all.len().saturating_sub(lines));
    rest.map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
