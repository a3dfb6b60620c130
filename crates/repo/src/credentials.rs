//! What proves who we are to a Git server, kept so that it cannot be printed by accident.
//!
//! A [`Secret`] has no `Display`, its `Debug` is redacted, and it is written nowhere: not into the
//! cache, not into an argument list, not into an error. Credentials are sent over https, over ssh
//! (as a key), and over http only to this machine itself.

use crate::RepoError;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest credential that is read from a file; a longer file is not a token.
pub const CREDENTIAL_BYTES_MAX: usize = 64 * 1024;

/// The user name that goes with a bare token, as GitHub, GitLab and Gitea accept it.
pub const TOKEN_USERNAME: &str = "oauth2";

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The first line of a file, without its line end.
    ///
    /// # Errors
    /// When the file cannot be read, is not UTF-8, is empty or is longer than
    /// [`CREDENTIAL_BYTES_MAX`].
    pub fn from_file(path: &Path) -> Result<Self, RepoError> {
        let refused = |reason: &str| RepoError::CredentialFile {
            path: path.to_owned(),
            source: std::io::Error::other(reason.to_owned()),
        };
        let file = std::fs::File::open(path)
            .map_err(|source| RepoError::CredentialFile { path: path.to_owned(), source })?;
        let mut bytes = Vec::new();
        let limit = u64::try_from(CREDENTIAL_BYTES_MAX).unwrap_or(u64::MAX);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| RepoError::CredentialFile { path: path.to_owned(), source })?;
        if bytes.len() > CREDENTIAL_BYTES_MAX {
            return Err(refused("the file is too long to be a credential"));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("the file is not UTF-8"))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Self::new(line)),
            _ => Err(refused("the first line is empty")),
        }
    }

    /// The text itself. Every caller of this is a place to review.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A user name and its password or token, for http and https.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name; some servers accept a token here, so it is not shown either.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

impl Credentials {
    /// A user name with its password.
    pub fn new(username: impl Into<String>, password: Secret) -> Self {
        Self { username: username.into(), password }
    }

    /// A bare token, under the user name that the large forges accept.
    #[must_use]
    pub fn token(token: Secret) -> Self {
        Self::new(TOKEN_USERNAME, token)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<secret>)")
    }
}

/// How ssh proves who we are and checks who the server is. Paths only: no secret is in here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssh {
    /// The private key, and the only one that is offered; without it, the agent's keys and those
    /// of `~/.ssh` are.
    pub identity_file: Option<PathBuf>,
    /// The file of known host keys; without it, `~/.ssh/known_hosts` and
    /// `/etc/ssh/ssh_known_hosts`. The host key is always checked.
    pub known_hosts: Option<PathBuf>,
    /// The agent's socket; without it, the one of `SSH_AUTH_SOCK`.
    pub agent_socket: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-7f3a";

    #[test]
    fn gitops_15_a_credential_is_never_in_debug_output() {
        let credentials = Credentials::new(CANARY, Secret::new(CANARY));
        for text in [format!("{credentials:?}"), format!("{:?}", credentials.password)] {
            assert!(!text.contains(CANARY), "{text}");
        }
    }

    #[test]
    fn a_credential_file_is_its_first_line_up_to_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "abc\nnext\n").unwrap();
        assert_eq!(Secret::from_file(&path).unwrap().reveal(), "abc");
        std::fs::write(&path, "x".repeat(CREDENTIAL_BYTES_MAX)).unwrap();
        assert_eq!(Secret::from_file(&path).unwrap().reveal().len(), CREDENTIAL_BYTES_MAX);
        std::fs::write(&path, "x".repeat(CREDENTIAL_BYTES_MAX + 1)).unwrap();
        assert!(Secret::from_file(&path).is_err());
        std::fs::write(&path, "\n").unwrap();
        assert!(Secret::from_file(&path).is_err());
        assert!(Secret::from_file(&dir.path().join("absent")).is_err());
    }
}
