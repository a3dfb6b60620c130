//! Why a GitSync could not be looked after. What is wrong with its tree or its objects is no
//! error here: it stands in the status.

use cluster::ClusterError;
use gitops::spec::SyncKey;
use model::{Explain, Hint, Retry};
use std::path::PathBuf;

/// Why something around a GitSync failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Something that the GitSync points to could not be read.
    #[error("cannot read the {kind} {namespace}/{name}")]
    Material {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something that the GitSync points to does not exist, or lacks a key.
    #[error("the {kind} {namespace}/{name} {problem}")]
    MaterialMissing {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is missing.
        problem: String,
    },
    /// The cluster could not be asked or told.
    #[error("cannot {operation}")]
    Cluster {
        /// What was tried, as an infinitive.
        operation: String,
        /// The cluster's answer.
        #[source]
        source: Box<ClusterError>,
    },
    /// The source is not usable.
    #[error("cannot use the source of {sync}")]
    Source {
        /// Whose.
        sync: SyncKey,
        /// Why.
        #[source]
        source: Box<repo::RepoError>,
    },
    /// The address of webhooks, metrics and probes cannot be used.
    #[error(transparent)]
    Listen(wire::WireError),
    /// A file of ours cannot be written.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ReconcileError {
    /// For `map_err`: the cluster failed on this operation.
    pub(crate) fn cluster(operation: impl Into<String>) -> impl FnOnce(ClusterError) -> Self {
        let operation = operation.into();
        move |source| Self::Cluster { operation, source: Box::new(source) }
    }
}

impl Explain for ReconcileError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Cluster { source, .. } => source.hint(),
            Self::Source { source, .. } => source.hint(),
            Self::MaterialMissing { .. } => {
                Some(Hint::new("make it, or correct the reference in the GitSync"))
            }
            Self::Listen(error) => error.hint(),
            Self::Material { .. } | Self::File { .. } => None,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Cluster { source, .. } => source.retry(),
            Self::Source { source, .. } => source.retry(),
            _ => Retry::Never,
        }
    }
}
