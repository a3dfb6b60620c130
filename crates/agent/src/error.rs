//! What keeps the agent from running, and the exit code of each.

use crate::config::ConfigError;
use model::{Exit, Explain, Hint, Retry};
use std::path::PathBuf;

/// Why the agent does not run, or a command of it fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The command line is wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What was probably meant.
        hint: Option<Hint>,
    },
    /// The config file cannot be used.
    #[error(transparent)]
    Config(ConfigError),
    /// A runtime or a thread cannot be started.
    #[error("cannot start {what}")]
    Start {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The state folder cannot be used.
    #[error(transparent)]
    State(store::StoreError),
    /// An address or socket cannot be used.
    #[error(transparent)]
    Listen(wire::WireError),
    /// An input cannot be read as configured.
    #[error("cannot read the input `{input}`: {reason}")]
    Input {
        /// Its name.
        input: String,
        /// Why.
        reason: String,
    },
    /// A sink cannot be used as configured.
    #[error("cannot use the sink `{sink}`: {reason}")]
    Sink {
        /// Its name.
        sink: String,
        /// Why.
        reason: String,
    },
    /// No agent answers.
    #[error("no agent answers at {}", socket.display())]
    NoAgent {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An agent answers with something else than asked for.
    #[error("the agent at {} answers {what}", socket.display())]
    Answer {
        /// Its socket.
        socket: PathBuf,
        /// What came.
        what: String,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    /// What was read could not be delivered in the time that a stop may take.
    #[error("stopped with records that no sink has taken; {}", fate(*lost_bytes))]
    Undelivered {
        /// Bytes that the next start does not find.
        lost_bytes: u64,
    },
}

fn fate(lost_bytes: u64) -> String {
    match lost_bytes {
        0 => "the next start reads them again".to_owned(),
        lost => {
            format!(
                "the next start reads them again, but {lost} bytes are lost that it does not find"
            )
        }
    }
}

impl AgentError {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        let hint = Hint::new("`orlop agent --help` lists the commands and options");
        Self::Usage { message: message.into(), hint: Some(hint) }
    }

    /// The exit code of this failure.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Clean,
            Self::Undelivered { .. } => Exit::Findings,
            _ => Exit::CouldNot,
        }
    }
}

impl Explain for AgentError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Config(error) => error.hint(),
            Self::Start { .. } => Some(Hint::new("raise the limit on open files or threads")),
            Self::State(error) => error.hint(),
            Self::Listen(error) => error.hint(),
            Self::NoAgent { .. } => Some(Hint::new(
                "start one with `orlop agent run`, or name its state folder with --state-dir",
            )),
            Self::Undelivered { .. } => Some(Hint::new(
                "`orlop_agent_sink_*` in /metrics tell which sink was behind; raise \
                 `shutdown_timeout` to wait longer",
            )),
            _ => None,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}
