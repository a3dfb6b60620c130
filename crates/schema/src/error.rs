//! Why a document gives no schema.

use model::{Explain, Hint, Retry};
use objects::GroupVersionKind;

/// Why a schema could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The document is not an OpenAPI v3 document.
    #[error("cannot read the OpenAPI document")]
    Document(#[source] serde_json::Error),
    /// A definition has another shape than schemas have.
    #[error("cannot read the definition {name}")]
    Definition {
        /// Its name, or the kind that a CRD defines.
        name: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A definition refers to another one that is not there.
    #[error("the definition {name} is referred to and is not there")]
    Dangling {
        /// The missing one.
        name: String,
    },
    /// Several definitions claim the kind.
    #[error("{gvk} is defined by {first} and by {second}")]
    Ambiguous {
        /// The kind.
        gvk: GroupVersionKind,
        /// One definition.
        first: String,
        /// The other.
        second: String,
    },
    /// The schema has more places than any real one.
    #[error("the schema has more than {} places", crate::NODES_MAX)]
    TooLarge,
    /// The schema is nested deeper than any real one.
    #[error("the schema is nested deeper than {} levels", crate::DEPTH_MAX)]
    TooDeep,
    /// The document is no CustomResourceDefinition.
    #[error("the document is no CustomResourceDefinition")]
    NotADefinition,
}

impl Explain for SchemaError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Document(_) | Self::Dangling { .. } | Self::Ambiguous { .. } => {
                Some(Hint::new("the API server, or an aggregated one behind it, publishes this"))
            }
            _ => None,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}
