//! Why a delivery could not be planned, made or looked at, by phase.
//!
//! What is wrong with single documents or objects is no error of the delivery: it stands in the
//! plan and in the report, so that everything else goes on.

use crate::render::RenderError;
use cluster::ClusterError;
use model::{Explain, Hint, Retry};
use repo::RepoError;
use sync::ignore::IgnoreError;
use sync::inventory::InventoryError;

/// Why an operation on a whole delivery failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The source could not be read.
    #[error("cannot read the source")]
    Source(#[source] RepoError),
    /// The source is for kustomize or Helm and cannot be rendered.
    #[error("cannot render the source")]
    Render(#[source] RenderError),
    /// The source holds folders for other tools below folders of objects.
    #[error("{file} makes its folder the input of another tool, and the path is above it")]
    NeedsRender {
        /// The first such file.
        file: String,
    },
    /// The cluster could not be asked or told something that everything else needs.
    #[error("cannot {operation}")]
    Cluster {
        /// What was tried, as an infinitive: `list ConfigMaps in shop`.
        operation: String,
        /// The cluster's answer.
        #[source]
        source: ClusterError,
    },
    /// The inventory in the cluster cannot be used.
    #[error("cannot use the inventory {namespace}/{object}")]
    Inventory {
        /// Its namespace.
        namespace: String,
        /// Its ConfigMap.
        object: String,
        /// Why.
        #[source]
        source: InventoryError,
    },
    /// The namespace in which the inventory has to be kept could not be made.
    #[error("cannot make the namespace {namespace}, which is to hold the inventory: {reason}")]
    Home {
        /// The namespace.
        namespace: String,
        /// The server's reason.
        reason: String,
    },
    /// Another run of the same delivery wrote the inventory meanwhile.
    #[error("another run of the delivery {name} is writing to this cluster")]
    Concurrent {
        /// The delivery.
        name: String,
        /// The cluster's answer.
        #[source]
        source: ClusterError,
    },
    /// There is no such delivery.
    #[error("there is no delivery {name} with an inventory in namespace {namespace}")]
    NotFound {
        /// The delivery.
        name: String,
        /// Where its inventory was looked for.
        namespace: String,
        /// Deliveries that exist, as `namespace/name`.
        known: Vec<String>,
    },
    /// The cluster or the source is no longer as the saved plan says.
    #[error("the plan is out of date:\n{}", moved.join("\n"))]
    PlanMoved {
        /// What moved, one sentence each.
        moved: Vec<String>,
    },
    /// The rules about fields that are left to others cannot be used.
    #[error("the ignore rules cannot be used")]
    Ignore(#[source] IgnoreError),
    /// It was stopped before anything was written.
    #[error("stopped before anything was written")]
    Stopped,
    /// A task of ours ended without an answer.
    #[error("an internal task failed: {0}")]
    Internal(String),
}

impl DeliveryError {
    /// For `map_err`: the cluster failed on this operation.
    pub(crate) fn cluster(operation: impl Into<String>) -> impl FnOnce(ClusterError) -> Self {
        let operation = operation.into();
        move |source| Self::Cluster { operation, source }
    }
}

impl Explain for DeliveryError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Source(source) => source.hint(),
            Self::Cluster { source, .. } => source.hint(),
            Self::Inventory { source, .. } => source.hint(),
            Self::Ignore(source) => source.hint(),
            Self::Render(source) => source.hint(),
            Self::NeedsRender { .. } => Some(Hint::new(
                "give the path of that folder, or one without such files: each is a delivery; \
                 with the engine `plain` there may be none at all",
            )),
            Self::Concurrent { .. } => Some(Hint::new(
                "wait for the other run to end, then run this again; two runs must not share a name",
            )),
            Self::NotFound { known, .. } if known.is_empty() => {
                Some(Hint::new("nothing has been delivered to this cluster yet"))
            }
            Self::NotFound { known, .. } => {
                Some(Hint::new(format!("deliveries of this cluster: {}", known.join(", "))))
            }
            Self::PlanMoved { .. } => {
                Some(Hint::new("make a new plan, look at it, and apply that one"))
            }
            Self::Stopped => Some(Hint::new("run it again: nothing has to be cleaned up")),
            Self::Home { .. } => Some(Hint::new(
                "keep the inventory in a namespace that exists, with --inventory-namespace",
            )),
            Self::Internal(_) => None,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Source(source) => source.retry(),
            Self::Render(source) => source.retry(),
            Self::Cluster { source, .. } => source.retry(),
            Self::Concurrent { .. } | Self::Stopped => Retry::Now,
            _ => Retry::Never,
        }
    }
}
