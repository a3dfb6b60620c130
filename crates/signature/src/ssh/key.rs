//! SSH public keys in their wire form.
//!
//! Input: the bytes behind `ssh-ed25519 AAAA…`. Output: a [`Key`]. Errors: a [`Fault`] that names
//! a kind of key that is not accepted.

use crate::bytes::Cursor;
use crate::crypto::{Curve, PublicKey};
use crate::verdict::{Fault, printable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::digest;

/// Kinds of keys that exist; those behind the first six are refused with their name.
pub(crate) const KINDS: [&str; 9] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ecdsa-sha2-nistp521",
    "ssh-dss",
    "ssh-ed448",
];

/// A key that can verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// A key in a file or an agent.
    Plain(PublicKey),
    /// A key in a security key, with the application that it is bound to.
    Security { public: PublicKey, application: Vec<u8> },
}

impl Key {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::new(bytes);
        let malformed = || Fault::bad("the SSH key is not well formed");
        let kind = cursor.ssh_string().ok_or_else(malformed)?;
        let kind = std::str::from_utf8(kind).map_err(|_| malformed())?;
        let key = match kind {
            "ssh-ed25519" => Self::Plain(ed25519(&mut cursor).ok_or_else(malformed)?),
            "ssh-rsa" => {
                let exponent = cursor.ssh_integer().ok_or_else(malformed)?;
                let modulus = cursor.ssh_integer().ok_or_else(malformed)?;
                Self::Plain(PublicKey::rsa(modulus, exponent)?)
            }
            "ecdsa-sha2-nistp256" => Self::Plain(ecdsa(&mut cursor, Curve::P256)?),
            "ecdsa-sha2-nistp384" => Self::Plain(ecdsa(&mut cursor, Curve::P384)?),
            "sk-ssh-ed25519@openssh.com" => {
                let public = ed25519(&mut cursor).ok_or_else(malformed)?;
                let application = cursor.ssh_string().ok_or_else(malformed)?.to_vec();
                Self::Security { public, application }
            }
            "sk-ecdsa-sha2-nistp256@openssh.com" => {
                let public = ecdsa(&mut cursor, Curve::P256)?;
                let application = cursor.ssh_string().ok_or_else(malformed)?.to_vec();
                Self::Security { public, application }
            }
            other if other.contains("-cert-v01@") => {
                return Err(Fault::unsupported("a signature with an SSH certificate"));
            }
            other => {
                let what = format!("an SSH key of kind `{}`", printable(other));
                return Err(Fault::unsupported(what));
            }
        };
        if cursor.is_empty() { Ok(key) } else { Err(malformed()) }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        match self {
            Self::Plain(public) | Self::Security { public, .. } => public,
        }
    }

    /// The kind as SSH names it.
    pub(crate) fn name(&self) -> &'static str {
        match (self, self.public()) {
            (_, PublicKey::Rsa { .. }) => "ssh-rsa",
            (Self::Plain(_), PublicKey::Ed25519(_)) => "ssh-ed25519",
            (Self::Plain(_), PublicKey::Ecdsa { curve: Curve::P256, .. }) => "ecdsa-sha2-nistp256",
            (_, PublicKey::Ecdsa { curve: Curve::P384, .. }) => "ecdsa-sha2-nistp384",
            (Self::Security { .. }, PublicKey::Ed25519(_)) => "sk-ssh-ed25519@openssh.com",
            (Self::Security { .. }, PublicKey::Ecdsa { .. }) => {
                "sk-ecdsa-sha2-nistp256@openssh.com"
            }
        }
    }

    /// The kinds of signatures that this key makes.
    pub(crate) fn signature_names(&self) -> Vec<&'static str> {
        match self.public() {
            PublicKey::Rsa { .. } => vec!["rsa-sha2-256", "rsa-sha2-512"],
            _ => vec![self.name()],
        }
    }
}

/// The fingerprint as `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest::digest(&digest::SHA256, bytes)))
}

fn ed25519(cursor: &mut Cursor<'_>) -> Option<PublicKey> {
    Some(PublicKey::Ed25519(cursor.ssh_string()?.try_into().ok()?))
}

fn ecdsa(cursor: &mut Cursor<'_>, curve: Curve) -> Result<PublicKey, Fault> {
    let malformed = || Fault::bad("the SSH key is not well formed");
    let name: &[u8] = match curve {
        Curve::P256 => b"nistp256",
        Curve::P384 => b"nistp384",
    };
    if cursor.ssh_string() != Some(name) {
        return Err(malformed());
    }
    PublicKey::ecdsa(curve, cursor.ssh_string().ok_or_else(malformed)?)
}
