//! SSH public keys for other users of SSH than signatures of commits: servers and agents.
//!
//! Input: a key in its wire form, a message and a signature blob. Output: yes or no. The kinds of
//! keys, the algorithms and the sizes that are accepted are those of signatures of commits.

use super::key::{Key, fingerprint};
use super::key_holds;
use crate::bytes::Cursor;
use std::fmt;

/// A public key as SSH sends it and as files hold it in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublicKey {
    key: Key,
    blob: Vec<u8>,
}

impl SshPublicKey {
    /// Reads a key in its wire form.
    ///
    /// # Errors
    /// What is wrong with it, or why it is not accepted.
    pub fn read(blob: &[u8]) -> Result<Self, String> {
        let key = Key::read(blob).map_err(|fault| fault.text().to_owned())?;
        Ok(Self { key, blob: blob.to_vec() })
    }

    /// The kind as SSH names it, for example `ssh-ed25519`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.key.name()
    }

    /// The wire form.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }

    /// Whether `signature` (the algorithm's name, then the value) is one of this key over these
    /// bytes with exactly this algorithm. Keys in security keys make no such signatures.
    #[must_use]
    pub fn holds(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let mut cursor = Cursor::new(signature);
        let (Some(name), Some(value)) = (cursor.ssh_string(), cursor.ssh_string()) else {
            return false;
        };
        cursor.is_empty()
            && name == algorithm.as_bytes()
            && matches!(self.key, Key::Plain(_))
            && key_holds(&self.key, name, value, message) == Ok(true)
    }
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshPublicKey({} {})", self.kind(), self.fingerprint())
    }
}

/// The fingerprint of a key in its wire form, of whatever kind it is.
#[must_use]
pub fn ssh_fingerprint(blob: &[u8]) -> String {
    fingerprint(blob)
}
