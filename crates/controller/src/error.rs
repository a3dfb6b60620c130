//! What keeps the controller from running, and the exit code of each.

use model::{Exit, Explain, Hint, Retry};

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
    /// The address for metrics, probes and webhooks cannot be used.
    #[error(transparent)]
    Listen(wire::WireError),
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
            Self::Runtime(_) | Self::Listen(_) | Self::Cluster(_) => Exit::CouldNot,
        }
    }
}

impl Explain for ControllerError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Runtime(_) => Some(Hint::new("raise the limit on open files or threads")),
            Self::Listen(error) => error.hint(),
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
