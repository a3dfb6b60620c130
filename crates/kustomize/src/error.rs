//! Why a tree could not be built: each with the file, and the field or line where it is known.

use model::{Explain, Hint};
use std::fmt;

/// One thing that is wrong with the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KustomizeError {
    /// A file that is named could not be read.
    #[error("cannot read {path}, which `{field}` of {file} names: {reason}")]
    Read {
        /// The file that was asked for.
        path: String,
        /// The field that names it.
        field: String,
        /// The kustomization file.
        file: String,
        /// Why, in words.
        reason: String,
    },
    /// The root or a folder that is named has no kustomization file.
    #[error("there is no kustomization file in {folder}")]
    NoKustomization {
        /// The folder.
        folder: String,
    },
    /// A folder has more than one kustomization file.
    #[error("{folder} has more than one kustomization file: {names}")]
    Several {
        /// The folder.
        folder: String,
        /// Their names.
        names: String,
    },
    /// A path leaves the tree, or a file leaves the folder of its kustomization.
    #[error("`{field}` of {file} names {path}, which is outside of {outside_of}")]
    Outside {
        /// As written.
        path: String,
        /// The field that names it.
        field: String,
        /// The kustomization file.
        file: String,
        /// What it may not leave.
        outside_of: String,
    },
    /// A file is not YAML that means something.
    #[error("{file}:{line}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// From 1.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// A field that no kustomization has.
    #[error("{file}:{line}: unknown field `{field}`")]
    UnknownField {
        /// The kustomization file.
        file: String,
        /// Where the nearest top-level field stands, from 1.
        line: u32,
        /// Path of the field.
        field: String,
        /// The field that was probably meant.
        meant: Option<String>,
    },
    /// A field with a value that it cannot have.
    #[error("{file}:{line}: `{field}` {message}")]
    Field {
        /// The kustomization file.
        file: String,
        /// Where the nearest top-level field stands, from 1.
        line: u32,
        /// Path of the field.
        field: String,
        /// What is wrong, continuing the sentence.
        message: String,
    },
    /// A feature that needs more than files of the tree.
    #[error("{file}:{line}: `{field}` is not supported: {reason}")]
    Unsupported {
        /// The kustomization file.
        file: String,
        /// Where the field stands, from 1.
        line: u32,
        /// The field.
        field: String,
        /// Why not.
        reason: String,
    },
    /// Folders that need each other.
    #[error("the folders need each other: {chain}")]
    Cycle {
        /// The folders with ` -> ` between them, the first one repeated.
        chain: String,
    },
    /// The tree is larger than allowed.
    #[error("{what} exceeds the limit of {limit}")]
    TooMuch {
        /// What was counted, and where.
        what: String,
        /// The limit with its unit.
        limit: String,
    },
    /// A document is not an object.
    #[error("{file}:{line}: {message}")]
    Object {
        /// The file.
        file: String,
        /// Where the document begins, from 1.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// A step cannot be applied to the objects.
    #[error("{file}: `{field}`: {message}")]
    Apply {
        /// The kustomization file.
        file: String,
        /// The field that asks for the step.
        field: String,
        /// What is wrong, with the object.
        message: String,
    },
}

impl Explain for KustomizeError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::UnknownField { meant: Some(meant), .. } => {
                Hint::new(format!("did you mean `{meant}`?"))
            }
            Self::NoKustomization { .. } => {
                Hint::new("add a kustomization.yaml, or name the files instead of the folder")
            }
            Self::Several { .. } => Hint::new("keep one of them"),
            Self::Outside { .. } => Hint::new(
                "move the file into the folder, or make its folder a base with a kustomization file",
            ),
            Self::Unsupported { .. } => {
                Hint::new("render it with `kustomize build` beforehand and commit the result")
            }
            Self::Cycle { .. } => Hint::new("take one of them out of `resources` or `components`"),
            _ => return None,
        })
    }
}

/// Everything that is wrong with the tree, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KustomizeErrors(pub Vec<KustomizeError>);

impl fmt::Display for KustomizeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for KustomizeErrors {}

impl Explain for KustomizeErrors {
    fn hint(&self) -> Option<Hint> {
        self.0.iter().find_map(Explain::hint)
    }
}

impl From<KustomizeError> for KustomizeErrors {
    fn from(error: KustomizeError) -> Self {
        Self(vec![error])
    }
}
