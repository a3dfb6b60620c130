//! What can stop a command, and the exit code of each: the only place where the two meet.

use crate::config::ConfigError;
use delivery::DeliveryError;
use model::{Exit, Explain, Hint, Retry};
use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The command line is wrong in a way that its grammar cannot express.
    #[error("{message}")]
    Usage {
        /// What is wrong; never repeats a value that may hold a secret.
        message: String,
        /// What to write instead.
        hint: Option<Hint>,
    },
    /// The config file cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Stdout cannot be written.
    #[error("cannot write to stdout")]
    Stdout(#[source] std::io::Error),
    /// A file that was named cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder that was named cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A saved plan cannot be used.
    #[error("cannot use the plan {}", path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sync::plan::PlanError,
    },
    /// The runtime for network work cannot be started.
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    /// A value cannot be written as JSON: a defect.
    #[error("cannot write the result as JSON")]
    Json(#[source] serde_json::Error),
    /// A credential for Git cannot be read.
    #[error(transparent)]
    Credential(Box<repo::RepoError>),
    /// There is no connection to a cluster.
    #[error(transparent)]
    Cluster(Box<cluster::ClusterError>),
    /// The cluster does not know GitSyncs.
    #[error("the cluster does not serve GitSyncs")]
    NoGitSyncs,
    /// There is no such GitSync.
    #[error("there is no GitSync {name} in namespace {namespace}")]
    NoSuchGitSync {
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// Something cannot be done to a GitSync as it is now.
    #[error("{message}")]
    NotNow {
        /// What, and why not.
        message: String,
        /// What to do instead.
        hint: Option<Hint>,
    },
    /// A file of GitSyncs has mistakes; each is told on a line of its own.
    #[error("cannot use {}:\n{}", path.display(), problems.join("\n"))]
    GitSyncFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problems: Vec<String>,
    },
    /// Continuous delivery cannot begin.
    #[error(transparent)]
    Reconcile(Box<reconcile::ReconcileError>),
    /// The delivery failed as a whole.
    #[error(transparent)]
    Delivery(Box<DeliveryError>),
}

impl CliError {
    /// A usage error with advice.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(Hint::new(hint.into())) }
    }

    /// The exit code of this failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Config(_) | Self::GitSyncFile { .. } => Exit::Usage,
            Self::Stdout(source) if source.kind() == std::io::ErrorKind::BrokenPipe => Exit::Clean,
            Self::Stdout(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Plan { .. }
            | Self::Runtime(_)
            | Self::Json(_)
            | Self::Credential(_)
            | Self::Cluster(_)
            | Self::NoGitSyncs
            | Self::NoSuchGitSync { .. }
            | Self::NotNow { .. }
            | Self::Reconcile(_)
            | Self::Delivery(_) => Exit::CouldNot,
        }
    }

    /// Whether there is anything to tell: a reader that went away is not a failure.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.exit() == Exit::Clean
    }
}

impl From<DeliveryError> for CliError {
    fn from(error: DeliveryError) -> Self {
        Self::Delivery(Box::new(error))
    }
}

impl Explain for CliError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Usage { hint, .. } | Self::NotNow { hint, .. } => hint.clone(),
            Self::Config(error) => error.hint(),
            Self::Read { source, .. } | Self::Write { source, .. } | Self::Stdout(source) => {
                io_hint(source)
            }
            Self::Plan { source, .. } => source.hint(),
            Self::Credential(error) => error.hint(),
            Self::Cluster(error) => error.hint(),
            Self::Delivery(error) => error.hint().or_else(|| io_hint(io_cause(error.as_ref())?)),
            Self::Runtime(_) => Some(Hint::new("raise the limit on open files or threads")),
            Self::NoGitSyncs => Some(Hint::new(
                "apply deploy/controller to the cluster first; `orlop generate DIR` writes it",
            )),
            Self::NoSuchGitSync { near: Some(near), .. } => {
                Some(Hint::new(format!("did you mean `{near}`?")))
            }
            Self::NoSuchGitSync { .. } => {
                Some(Hint::new("`orlop sync get --all-namespaces` lists all of them"))
            }
            Self::Reconcile(error) => error.hint(),
            Self::GitSyncFile { .. } | Self::Json(_) => None,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Credential(error) => error.retry(),
            Self::Cluster(error) => error.retry(),
            Self::Reconcile(error) => error.retry(),
            Self::Delivery(error) => error.retry(),
            _ => Retry::Never,
        }
    }
}

/// The first file error among the causes.
fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Advice for the file errors that people meet.
fn io_hint(error: &std::io::Error) -> Option<Hint> {
    use std::io::ErrorKind;
    Some(Hint::new(match error.kind() {
        ErrorKind::NotFound => "check the path; it is relative to the current folder",
        ErrorKind::PermissionDenied => "run as a user that may do this, or choose another path",
        ErrorKind::StorageFull => "free some space, or choose another file system",
        ErrorKind::ReadOnlyFilesystem => "choose a path on a writable file system",
        _ => return None,
    }))
}
