//! Why state could not be kept.

use model::{Explain, Hint, Retry};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The pause before a full disk is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Why state could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory cannot be used.
    #[error("cannot use the state directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the state directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be written; what was there before is still whole.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bound would be passed.
    #[error("{what} would have more than {limit} {unit}")]
    Full {
        /// What is full.
        what: &'static str,
        /// Its bound.
        limit: u64,
        /// The bound's unit.
        unit: &'static str,
    },
    /// A bound would be passed, or something let go that is to be kept.
    #[error("{what} have no room within {limit} bytes beside those that sink `{sink}` refused")]
    Kept {
        /// What is full.
        what: &'static str,
        /// Its bound.
        limit: u64,
        /// For whom something is kept.
        sink: String,
    },
}

impl Explain for StoreError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Directory { .. } => Hint::new(
                "give a directory that the agent owns: `state_dir`, or StateDirectory= in systemd",
            ),
            Self::InUse { .. } => Hint::new(
                "stop the other agent (one that was just killed is gone in a moment), or give each its \
                 own `state_dir`",
            ),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Hint::new("free space on the disk of the state directory")
            }
            Self::Write { .. } | Self::Read { .. } => {
                Hint::new("check owner and mode of the state directory and its disk")
            }
            Self::Full { .. } => Hint::new("raise the bound, or mend the sink that takes nothing"),
            Self::Kept { .. } => Hint::new(
                "mend the sink, or move `dead-letter.jsonl.1` away; a raised bound needs a restart",
            ),
        })
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Write { .. } | Self::Full { .. } | Self::Kept { .. } => Retry::After(PAUSE),
            Self::Directory { .. } | Self::InUse { .. } | Self::Read { .. } => Retry::Never,
        }
    }
}
