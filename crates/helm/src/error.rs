//! Why a chart was not rendered.

use model::{Explain, Hint, Retry};
use std::path::PathBuf;
use std::time::Duration;

/// Why a chart was not rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelmError {
    /// There is no helm program.
    #[error("there is no `helm` {looked}")]
    NotFound {
        /// Where it was looked for.
        looked: String,
    },
    /// A word of the request cannot be what it should be.
    #[error("`{value}` cannot be {what}")]
    Word {
        /// What it should be, with its article.
        what: &'static str,
        /// What was asked for.
        value: String,
    },
    /// A file of the chart has a path that cannot be.
    #[error("the chart's file `{path}` would lie outside of the chart")]
    Path {
        /// The path.
        path: String,
    },
    /// The chart or its output is larger than allowed.
    #[error("{what} exceeds the limit of {limit}")]
    TooMuch {
        /// What was counted.
        what: &'static str,
        /// The limit with its unit.
        limit: String,
    },
    /// The private folder could not be used.
    #[error("cannot {action} {path}")]
    Folder {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Helm could not be started or waited for.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Helm took too long and was killed with everything it had started.
    #[error("helm did not end within {}s", .limit.as_secs_f64())]
    Timeout {
        /// How long it was waited for.
        limit: Duration,
    },
    /// A signal ended helm: a limit of memory, CPU time or file size.
    #[error("helm was ended by signal {signal}")]
    Killed {
        /// The signal.
        signal: i32,
    },
    /// A template is wrong.
    #[error("{file}:{line}: {message}")]
    Template {
        /// The template, relative to the chart.
        file: String,
        /// From 1.
        line: u32,
        /// What helm said of it.
        message: String,
    },
    /// Helm refused the chart.
    #[error("helm says: {message}")]
    Refused {
        /// The end of what helm said.
        message: String,
    },
    /// Helm printed what is not text.
    #[error("helm printed bytes that are not UTF-8")]
    NotText,
    /// Two renderings of the same input differ.
    #[error("two renderings of the same chart differ, first in {document}, line {line}")]
    NotDeterministic {
        /// The template of the first differing document, or its number.
        document: String,
        /// The line in that document, from 1.
        line: usize,
    },
}

impl HelmError {
    pub(crate) fn folder(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { action, path, source }
    }
}

impl Explain for HelmError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::NotFound { .. } => Hint::new("install Helm and put it on PATH"),
            Self::NotDeterministic { .. } => Hint::new(
                "the chart uses `randAlphaNum`, `now`, `genCA` or the like: give the value yourself",
            ),
            Self::Timeout { .. } | Self::Killed { .. } => {
                Hint::new("render the chart by hand to see what takes so much")
            }
            _ => return None,
        })
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Timeout { .. } | Self::Folder { .. } | Self::Start { .. } => Retry::Now,
            _ => Retry::Never,
        }
    }
}
