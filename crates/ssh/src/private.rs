//! Private keys in files, and their signatures.
//!
//! Input: a file's text. Output: a [`PrivateKey`], which shows nothing but its kind and
//! fingerprint. Read are the format of `ssh-keygen` (Ed25519, ECDSA on P-256 and P-384, RSA from
//! 2048 to 4096 bits), PKCS #8 and, for RSA, PKCS #1. A key with a passphrase is not read, because
//! the key derivation of OpenSSH is not in `ring`: the error says so, and has the public key where
//! the file shows it, with which an agent can be asked. Limit: [`PRIVATE_KEY_BYTES_MAX`].

mod openssh;
mod rsa;

use crate::limits::PRIVATE_KEY_BYTES_MAX;
use crate::wire::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use signature::SshPublicKey;
use std::fmt;
use zeroize::Zeroizing;

/// Why a file gives no key. No text holds anything of a private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It has a passphrase.
    #[error("the key has a passphrase")]
    Encrypted {
        /// The public key in its wire form, where the file shows it.
        public: Option<Vec<u8>>,
    },
    /// It is of a kind or in a format that is not accepted.
    #[error("{what} cannot be used")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// It cannot be read.
    #[error("{reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Encrypted { .. } => {
                "add the key to an ssh-agent (ssh-add FILE), or use a key without a passphrase"
            }
            Self::Unsupported { .. } => "make one that is: ssh-keygen -t ed25519",
            Self::Malformed { .. } => {
                "give a private key as ssh-keygen writes it, whole and with its last line end"
            }
        }
    }
}

fn malformed(reason: &'static str) -> KeyError {
    KeyError::Malformed { reason }
}

/// A private key.
pub struct PrivateKey {
    pair: Pair,
    public: SshPublicKey,
}

/// What signs.
enum Pair {
    Ed25519(Box<Ed25519KeyPair>),
    Ecdsa(Box<EcdsaKeyPair>, Curve),
    Rsa(Box<RsaKeyPair>),
}

/// The curves of ECDSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

impl Curve {
    const ALL: [Self; 2] = [Self::P256, Self::P384];

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::P256 => ("ecdsa-sha2-nistp256", "nistp256"),
            Self::P384 => ("ecdsa-sha2-nistp384", "nistp384"),
        }
    }

    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn signing(self) -> &'static ring::signature::EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }
}

impl PrivateKey {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// When there is no key in it that can be used.
    pub fn read(text: &[u8], random: &dyn SecureRandom) -> Result<Self, KeyError> {
        if text.len() > PRIVATE_KEY_BYTES_MAX {
            return Err(malformed("it is too long to be a private key"));
        }
        let text = std::str::from_utf8(text).map_err(|_| malformed("it is not a text"))?;
        let (label, bytes) = unarmoured(text)?;
        match label {
            "OPENSSH PRIVATE KEY" => openssh::read(&bytes, random),
            "PRIVATE KEY" => pkcs8(&bytes, random),
            "RSA PRIVATE KEY" => {
                let pair = RsaKeyPair::from_der(&bytes);
                Self::rsa(pair.map_err(|rejected| refused_rsa(&rejected.to_string()))?)
            }
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted { public: None }),
            "EC PRIVATE KEY" | "DSA PRIVATE KEY" => {
                Err(KeyError::Unsupported { what: format!("a key in the old form `{label}`") })
            }
            _ => Err(malformed("it is no private key")),
        }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &SshPublicKey {
        &self.public
    }

    /// A signature with the algorithm's name in front; nothing when the key has no such algorithm.
    pub(crate) fn sign(
        &self,
        algorithm: &str,
        data: &[u8],
        random: &dyn SecureRandom,
    ) -> Option<Vec<u8>> {
        let value = match (&self.pair, algorithm) {
            (Pair::Ed25519(pair), "ssh-ed25519") => pair.sign(data).as_ref().to_vec(),
            (Pair::Ecdsa(pair, curve), name) if name == curve.names().0 => {
                let fixed = pair.sign(random, data).ok()?;
                let (r, s) = fixed.as_ref().split_at_checked(curve.width())?;
                Writer::default().integer(r).integer(s).into_vec()
            }
            (Pair::Rsa(pair), "rsa-sha2-256" | "rsa-sha2-512") => {
                let padding =
                    if algorithm == "rsa-sha2-256" { &RSA_PKCS1_SHA256 } else { &RSA_PKCS1_SHA512 };
                let mut value = vec![0; pair.public().modulus_len()];
                pair.sign(padding, random, data, &mut value).ok()?;
                value
            }
            _ => return None,
        };
        Some(Writer::default().string(algorithm.as_bytes()).string(&value).into_vec())
    }

    fn ed25519(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let blob = Writer::default().string(b"ssh-ed25519").string(pair.public_key().as_ref());
        Self::with_public(Pair::Ed25519(Box::new(pair)), blob.as_slice())
    }

    fn ecdsa(pair: EcdsaKeyPair, curve: Curve) -> Result<Self, KeyError> {
        let (kind, name) = curve.names();
        let blob = Writer::default()
            .string(kind.as_bytes())
            .string(name.as_bytes())
            .string(pair.public_key().as_ref());
        Self::with_public(Pair::Ecdsa(Box::new(pair), curve), blob.as_slice())
    }

    fn rsa(pair: RsaKeyPair) -> Result<Self, KeyError> {
        let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
        let blob = Writer::default().string(b"ssh-rsa").integer(&public.e).integer(&public.n);
        Self::with_public(Pair::Rsa(Box::new(pair)), blob.as_slice())
    }

    fn with_public(pair: Pair, blob: &[u8]) -> Result<Self, KeyError> {
        let public = SshPublicKey::read(blob);
        let public = public.map_err(|what| KeyError::Unsupported { what })?;
        Ok(Self { pair, public })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({} {})", self.public.kind(), self.public.fingerprint())
    }
}

/// The label and the bytes of the first block between dashed lines.
fn unarmoured(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), KeyError> {
    let mut lines = text.lines().map(str::trim);
    let label = lines
        .find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .ok_or_else(|| malformed("it is no private key"))?;
    let mut base64 = Zeroizing::new(String::with_capacity(text.len()));
    for line in lines {
        if let Some(end) = line.strip_prefix("-----END ") {
            if end.strip_suffix("-----") != Some(label) {
                break;
            }
            let bytes = STANDARD.decode(base64.as_bytes());
            let bytes = bytes.map_err(|_| malformed("its base64 is not valid"))?;
            return Ok((label, Zeroizing::new(bytes)));
        }
        if line.starts_with("Proc-Type:") && line.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted { public: None });
        }
        if !line.contains(':') {
            base64.push_str(line);
        }
    }
    Err(malformed("its end is missing"))
}

/// A key of any kind in PKCS #8.
fn pkcs8(bytes: &[u8], random: &dyn SecureRandom) -> Result<PrivateKey, KeyError> {
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes) {
        return PrivateKey::ed25519(pair);
    }
    for curve in Curve::ALL {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve.signing(), bytes, random) {
            return PrivateKey::ecdsa(pair, curve);
        }
    }
    match RsaKeyPair::from_pkcs8(bytes) {
        Ok(pair) => PrivateKey::rsa(pair),
        Err(rejected) => Err(KeyError::Unsupported { what: format!("the key ({rejected})") }),
    }
}

fn refused_rsa(why: &str) -> KeyError {
    KeyError::Unsupported { what: format!("the RSA key ({why}; accepted are 2048 to 4096 bits)") }
}

#[cfg(test)]
mod tests;
