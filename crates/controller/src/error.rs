//! What keeps the controller from running, and the exit code of each.

use model::{Exit, Explain, Hint, Retry};
use std::net::SocketAddr;

/// Why the controller does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The command line is wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What was probably meant.
        hint: Option<Hint>,
    },
    /// The runtime cannot be started.
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    /// The address for metrics and probes cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no way to reach a cluster.
    #[error(transparent)]
    Cluster(Box<cluster::ClusterError>),
}

impl ControllerError {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        let hint = Hint::new("`orlop controller --help` lists the options");
        Self::Usage { message: message.into(), hint: Some(hint) }
    }

    /// The exit code of this failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Runtime(_) | Self::Listen { .. } | Self::Cluster(_) => Exit::CouldNot,
        }
    }
}

impl Explain for ControllerError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Runtime(_) => Some(Hint::new("raise the limit on open files or threads")),
            Self::Listen { source, .. } => match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    Some(Hint::new("choose another address with --listen; port 0 takes a free one"))
                }
                _ => Some(Hint::new("choose an address of this machine with --listen")),
            },
            Self::Cluster(error) => error.hint(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Cluster(error) => error.retry(),
            _ => Retry::Never,
        }
    }
}
