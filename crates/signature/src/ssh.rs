//! SSH signatures (`SSHSIG`) of Git objects.
//!
//! Input: the parts of an object and the allowed signers of a [`Trust`]. Output: what was found.
//! Accepted are Ed25519, ECDSA on P-256 and P-384, RSA with SHA-2, and the two kinds of security
//! keys with a touch; certificates, DSA, P-521 and SHA-1 are refused by name. As in Git, a signer
//! must have been allowed at the time that the object gives; a time in the future of the
//! caller's clock does not start a signer's time early.

pub(crate) mod allowed;
pub(crate) mod key;
pub(crate) mod public;

use crate::armor;
use crate::bytes::Cursor;
use crate::crypto::{self, Hash, PublicKey};
use crate::object::Signed;
use crate::trust::Trust;
use crate::verdict::{Fault, Found, Scheme, Verdict, printable};
use allowed::AllowedSigner;
use key::Key;
use ring::digest;

/// The namespace that Git signs in.
const NAMESPACE: &[u8] = b"git";
/// The first bytes of a signature and of what is signed.
const MAGIC: &[u8] = b"SSHSIG";
/// The only version there is.
const VERSION: u32 = 1;
/// The flag of a security key that somebody touched it.
const USER_PRESENT: u8 = 1;

/// Verifies an SSH signature.
pub(crate) fn verify(signed: &Signed, trust: &Trust, at: i64) -> Result<Found, Fault> {
    let bytes = armor::only(&signed.signature, "SSH SIGNATURE")?;
    let signature = Signature::read(&bytes)?;
    let fingerprint = key::fingerprint(signature.public_key);
    let key = Key::read(signature.public_key)?;
    if signature.namespace != NAMESPACE {
        let name = printable(&String::from_utf8_lossy(signature.namespace));
        return Err(Fault::bad(format!("it is for the namespace `{name}`, not for `git`")));
    }
    let signers: Vec<&AllowedSigner> =
        trust.allowed_signers().iter().filter(|signer| signer.key == key).collect();
    if !signature.holds(&key, &signed.payload)? {
        return Err(Fault::bad(format!("it is not one of key {fingerprint} over this object")));
    }
    let for_git = signers.into_iter().filter(|signer| signer.allows_namespace("git"));
    let mut outside = None;
    let mut good: Option<Found> = None;
    for signer in for_git {
        if let Some(what) = signer.outside_of_its_time(signed.made_at, at) {
            outside = Some(what);
            continue;
        }
        let is_committer = signer.matches(&signed.committer);
        let name = if is_committer { &signed.committer } else { &signer.principals };
        if is_committer || good.is_none() {
            let (signer, key) = (printable(name), fingerprint.clone());
            good = Some(Found::Good { signer, key, scheme: Scheme::Ssh, is_committer });
        }
        if is_committer {
            break;
        }
    }
    Ok(match (good, outside) {
        (Some(good), _) => good,
        (None, Some(what)) => Found::Other(Verdict::Expired { key: fingerprint, what }),
        (None, None) => Found::Other(Verdict::UnknownKey { key: fingerprint }),
    })
}

/// The parts of a signature.
struct Signature<'a> {
    public_key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash_name: &'a [u8],
    blob: &'a [u8],
}

impl<'a> Signature<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        Self::parse(bytes).ok_or_else(|| Fault::bad("the SSH signature is not well formed"))?
    }

    fn parse(bytes: &'a [u8]) -> Option<Result<Self, Fault>> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let version = cursor.u32()?;
        if version != VERSION {
            let what = format!("version {version} of SSH signatures");
            return Some(Err(Fault::unsupported(what)));
        }
        let signature = Self {
            public_key: cursor.ssh_string()?,
            namespace: cursor.ssh_string()?,
            reserved: cursor.ssh_string()?,
            hash_name: cursor.ssh_string()?,
            blob: cursor.ssh_string()?,
        };
        cursor.is_empty().then_some(Ok(signature))
    }

    /// Whether it is a signature of this key over these bytes.
    fn holds(&self, key: &Key, payload: &[u8]) -> Result<bool, Fault> {
        let hash = match self.hash_name {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            other => {
                let name = printable(&String::from_utf8_lossy(other));
                return Err(Fault::unsupported(format!("the hash `{name}` in an SSH signature")));
            }
        };
        let mut message = MAGIC.to_vec();
        for part in [self.namespace, self.reserved, self.hash_name, &hash.digest(payload)] {
            put_string(&mut message, part);
        }
        let malformed = || Fault::bad("the SSH signature's inner part is not well formed");
        let mut cursor = Cursor::new(self.blob);
        let name = cursor.ssh_string().ok_or_else(malformed)?;
        let value = cursor.ssh_string().ok_or_else(malformed)?;
        if let Key::Security { application, .. } = key {
            let counter = cursor.array::<5>().ok_or_else(malformed)?;
            let [flags, ..] = counter;
            if flags & USER_PRESENT == 0 {
                return Err(Fault::bad("nobody touched the security key"));
            }
            let inner = digest::digest(&digest::SHA256, &message);
            message = digest::digest(&digest::SHA256, application).as_ref().to_vec();
            message.extend_from_slice(&counter);
            message.extend_from_slice(inner.as_ref());
        }
        if !cursor.is_empty() {
            return Err(malformed());
        }
        key_holds(key, name, value, &message)
    }
}

fn key_holds(key: &Key, name: &[u8], value: &[u8], message: &[u8]) -> Result<bool, Fault> {
    let expected = key.signature_names();
    let name = std::str::from_utf8(name).unwrap_or_default();
    if name == "ssh-rsa" {
        return Err(Fault::unsupported("an RSA signature with SHA-1 (`ssh-rsa`)"));
    }
    if !expected.contains(&name) {
        return Err(Fault::bad(format!(
            "a key of kind {} does not make signatures of kind `{}`",
            key.name(),
            printable(name)
        )));
    }
    match key.public() {
        PublicKey::Rsa { modulus, exponent } => {
            let hash = if name == "rsa-sha2-256" { Hash::Sha256 } else { Hash::Sha512 };
            Ok(crypto::rsa_holds((modulus, exponent), hash, message, value))
        }
        PublicKey::Ed25519(key) => Ok(crypto::ed25519_holds(key, message, value)),
        PublicKey::Ecdsa { curve, point } => {
            let mut cursor = Cursor::new(value);
            let (Some(r), Some(s)) = (cursor.ssh_integer(), cursor.ssh_integer()) else {
                return Ok(false);
            };
            let hash = match curve {
                crypto::Curve::P256 => Hash::Sha256,
                crypto::Curve::P384 => Hash::Sha384,
            };
            if !cursor.is_empty() {
                return Ok(false);
            }
            crypto::ecdsa_holds((*curve, point), hash, message, (r, s))
        }
    }
}

fn put_string(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

#[cfg(test)]
mod tests;
