//! Why there is no connection, or no more: by phase. Texts of the server are cut and lose their
//! control characters; no text holds a secret.

use crate::limits::TEXT_CHARS_MAX;
use model::{Explain, Hint, Retry};
use std::fmt;
use std::time::Duration;

/// The pause after a failure that is likely to pass by itself.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// What answers is not an SSH server that we can speak with.
    #[error("cannot speak SSH with {host}: {reason}")]
    Identify {
        /// The server.
        host: String,
        /// What it sent.
        reason: String,
    },
    /// Client and server have nothing in common.
    #[error("{host} offers no {what} that is accepted here: it has {theirs}")]
    Negotiate {
        /// The server.
        host: String,
        /// Key exchange, host key algorithm, cipher or compression.
        what: &'static str,
        /// What it offers.
        theirs: String,
    },
    /// The key exchange was not done as it must be.
    #[error("cannot agree on keys with {host}: {reason}")]
    ExchangeKeys {
        /// The server.
        host: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// No known key for this host.
    #[error(
        "the host key of {host} is not known: it shows {kind} {fingerprint}{}",
        known.as_ref().map(|known| format!("; {known}")).unwrap_or_default()
    )]
    UnknownHostKey {
        /// The server as known hosts name it.
        host: String,
        /// The kind of the key that it shows.
        kind: &'static str,
        /// Its fingerprint.
        fingerprint: String,
        /// What is known of the host that does not help.
        known: Option<String>,
    },
    /// Another key than the known one.
    #[error("the host key of {host} has changed: it shows {kind} {fingerprint}, known is {known}")]
    ChangedHostKey {
        /// The server as known hosts name it.
        host: String,
        /// The kind of the key that it shows.
        kind: &'static str,
        /// Its fingerprint.
        fingerprint: String,
        /// The known fingerprint, with file and line.
        known: String,
    },
    /// A key that is marked as revoked.
    #[error("the host key of {host} is revoked: it shows {kind} {fingerprint}, revoked at {at}")]
    RevokedHostKey {
        /// The server as known hosts name it.
        host: String,
        /// The kind of the key that it shows.
        kind: &'static str,
        /// Its fingerprint.
        fingerprint: String,
        /// File and line.
        at: String,
    },
    /// The server does not let us in.
    #[error("{host} does not let in `{user}`: {reason}")]
    Authenticate {
        /// The server.
        host: String,
        /// The name.
        user: String,
        /// Keys that were offered.
        offered: usize,
        /// What was tried, and what the server would take.
        reason: String,
    },
    /// The server ended the connection and said why.
    #[error("{host} ended the connection (reason {code}): {reason}")]
    Disconnected {
        /// The server.
        host: String,
        /// The number of RFC 4253, 11.1.
        code: u32,
        /// What it said.
        reason: String,
    },
    /// The server broke the rules of the protocol; the connection cannot be used any more.
    #[error("{host} does not keep to the protocol: {reason}")]
    Protocol {
        /// The server.
        host: String,
        /// Which rule.
        reason: &'static str,
    },
    /// There are no random numbers.
    #[error("there are no random numbers on this machine")]
    Random,
}

impl Explain for SshError {
    fn hint(&self) -> Option<Hint> {
        let text = match self {
            Self::Identify { .. } => "check host and port: something else may listen there",
            Self::Negotiate { .. } => {
                "update the server: CBC ciphers, SHA-1 and Diffie-Hellman groups are not accepted"
            }
            Self::UnknownHostKey { .. } => {
                "verify the fingerprint with the host's owner, then add the key to the known hosts"
            }
            Self::ChangedHostKey { .. } => {
                "somebody may be listening: verify the new fingerprint before you replace the known key"
            }
            Self::RevokedHostKey { .. } => {
                "do not connect: the holder of a revoked key can pretend to be this host"
            }
            Self::Authenticate { .. } => "check the user name and that its account has the key",
            _ => return None,
        };
        Some(Hint::new(text))
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Disconnected { .. } => Retry::After(RETRY_PAUSE),
            _ => Retry::Never,
        }
    }
}

/// Foreign text for a message: no control characters, no direction marks, bounded.
pub(crate) fn printable(text: &[u8]) -> String {
    let visible = |c: char| {
        let unseen = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{2069}'];
        let hidden = c.is_control() || unseen.iter().any(|range| range.contains(&c));
        if hidden { ' ' } else { c }
    };
    let text = String::from_utf8_lossy(text);
    let mut cut: String = text.trim().chars().take(TEXT_CHARS_MAX).map(visible).collect();
    if text.trim().chars().nth(TEXT_CHARS_MAX).is_some() {
        cut.push('…');
    }
    cut
}

/// A server's name as known hosts write it: the port only where it is not 22.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: u16,
}

/// The port where nothing else is said.
pub const PORT: u16 = 22;

impl Host {
    /// A host and its port; names are compared in lower case.
    #[must_use]
    pub fn new(name: &str, port: u16) -> Self {
        Self { name: name.to_ascii_lowercase(), port }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.port == PORT {
            return f.write_str(&self.name);
        }
        write!(f, "[{}]:{}", self.name, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_bounded_and_has_no_control_characters() {
        assert_eq!(printable(b" a\x1b[2Jb\r\n"), "a [2Jb");
        assert_eq!(printable(&vec![b'x'; TEXT_CHARS_MAX]).chars().count(), TEXT_CHARS_MAX);
        assert_eq!(printable(&vec![b'x'; TEXT_CHARS_MAX + 1]).chars().count(), TEXT_CHARS_MAX + 1);
        assert_eq!(printable(&[0xff]), "\u{fffd}");
    }

    #[test]
    fn a_host_is_named_as_known_hosts_name_it() {
        assert_eq!(Host::new("Git.Example", 22).to_string(), "git.example");
        assert_eq!(Host::new("::1", 2222).to_string(), "[::1]:2222");
    }
}
