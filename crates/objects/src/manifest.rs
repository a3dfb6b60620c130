//! An object together with the place it was read from.

use crate::Object;
use std::fmt;
use std::sync::Arc;

/// Where a document begins: the file relative to the source's root, and the line from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Path relative to the root of the source, with `/`.
    pub file: Arc<str>,
    /// First line of the document, from 1.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One desired object and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The document.
    pub object: Object,
    /// Where it stands.
    pub origin: Origin,
}
