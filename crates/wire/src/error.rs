//! Why something could not be said or heard over HTTP. Addresses in messages have neither user
//! information nor query, where credentials could be.

use model::{Explain, Hint, Retry};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The pause after an answer that asks for patience without saying how long.
const PAUSE: Duration = Duration::from_secs(5);

/// Why a request or a server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The address of a server cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The socket of a server cannot be used.
    #[error("cannot listen on {}", path.display())]
    ListenLocal {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no address of ours.
    #[error("`{shown}` is no address with http or https and a host")]
    Address {
        /// The text, without what could be a secret.
        shown: String,
    },
    /// Certificates or a key cannot be used.
    #[error("cannot use {} for TLS: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A credential would have gone to a host that it is not for, or over an open line.
    #[error("the credential for {host} is not sent to {shown}")]
    Credential {
        /// What it is for.
        host: String,
        /// Where it would have gone.
        shown: String,
    },
    /// The server could not be reached, or the conversation broke.
    #[error("no answer from {shown}: {reason}")]
    Unreachable {
        /// The address.
        shown: String,
        /// Why, causes included.
        reason: String,
    },
    /// No whole answer came in time.
    #[error("{shown} did not answer within {} s", after.as_secs())]
    TimedOut {
        /// The address.
        shown: String,
        /// The limit.
        after: Duration,
    },
    /// The answer points elsewhere.
    #[error("{shown} redirects to {to}, which is not followed")]
    Redirected {
        /// The address.
        shown: String,
        /// The host that it points to.
        to: String,
    },
    /// The answer is larger than it may be.
    #[error("the answer of {shown} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        shown: String,
        /// The limit.
        limit: usize,
    },
    /// The server said no.
    #[error("{shown} answered {status}")]
    Status {
        /// The address.
        shown: String,
        /// The HTTP status.
        status: u16,
        /// How long it asked us to wait.
        after: Option<Duration>,
    },
}

impl WireError {
    /// No answer, with the reason and its causes.
    pub(crate) fn unreachable(shown: &str, error: &dyn std::error::Error) -> Self {
        Self::Unreachable { shown: shown.to_owned(), reason: model::chain(error) }
    }
}

impl Explain for WireError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Listen { source, .. } => Some(match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    Hint::new("choose another address; port 0 takes a free one")
                }
                _ => Hint::new("choose an address of this machine"),
            }),
            Self::ListenLocal { .. } => {
                Some(Hint::new("check that its folder exists and may be written by this user"))
            }
            Self::Address { .. } => Some(Hint::new("write it as https://host/path")),
            Self::Certificates { .. } => {
                Some(Hint::new("give files in PEM: certificates, or the key of the first one"))
            }
            Self::Credential { .. } => Some(Hint::new(
                "use https, and write the address with the host that the credential is for",
            )),
            Self::Redirected { .. } => Some(Hint::new("write the address that it points to")),
            Self::Status { status: 401 | 403, .. } => {
                Some(Hint::new("check the credential and what it is allowed to do"))
            }
            _ => None,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => Retry::After(PAUSE),
            Self::Status { status: 429 | 500..=599, after, .. } => {
                Retry::After(after.unwrap_or(PAUSE))
            }
            _ => Retry::Never,
        }
    }
}
