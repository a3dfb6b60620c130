//! The format of `ssh-keygen` (`openssh-key-v1`): a public part in clear, and a private part.

use super::{Curve, KeyError, PrivateKey, malformed, rsa};
use crate::wire::Reader;
use ring::rand::SecureRandom;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";

const BROKEN: &str = "the private key is not well formed";

/// Reads the one key of a file.
pub(super) fn read(bytes: &[u8], random: &dyn SecureRandom) -> Result<PrivateKey, KeyError> {
    let outer = Outer::read(bytes).ok_or_else(|| malformed(BROKEN))?;
    if outer.cipher != b"none" {
        return Err(KeyError::Encrypted { public: Some(outer.public.to_vec()) });
    }
    let key = inner(outer.private, random).ok_or_else(|| malformed(BROKEN))??;
    if key.public().blob() != outer.public {
        return Err(malformed("its public part is of another key"));
    }
    Ok(key)
}

struct Outer<'a> {
    cipher: &'a [u8],
    public: &'a [u8],
    private: &'a [u8],
}

impl<'a> Outer<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let (cipher, _derivation, _options) =
            (reader.string()?, reader.string()?, reader.string()?);
        if reader.u32()? != 1 {
            return None;
        }
        Some(Self { cipher, public: reader.string()?, private: reader.string()? })
    }
}

fn inner(bytes: &[u8], random: &dyn SecureRandom) -> Option<Result<PrivateKey, KeyError>> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != reader.u32()? {
        return None;
    }
    let key = match reader.text()? {
        "ssh-ed25519" => {
            let (public, private) = (reader.string()?, reader.string()?);
            let (seed, again) = private.split_at_checked(32)?;
            if public != again {
                return None;
            }
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
            PrivateKey::ed25519(pair)
        }
        "ssh-rsa" => {
            let mut integer = || reader.integer();
            let (n, e, d) = (integer()?, integer()?, integer()?);
            let (q_inverse, p, q) = (integer()?, integer()?, integer()?);
            rsa::pair(&rsa::Parts { n, e, d, q_inverse, p, q }).and_then(PrivateKey::rsa)
        }
        kind => match Curve::ALL.into_iter().find(|curve| curve.names().0 == kind) {
            Some(curve) => {
                if reader.text()? != curve.names().1 {
                    return None;
                }
                let point = reader.string()?;
                let scalar = padded(reader.integer()?, curve.width())?;
                let signing = curve.signing();
                let pair =
                    EcdsaKeyPair::from_private_key_and_public_key(signing, &scalar, point, random);
                PrivateKey::ecdsa(pair.ok()?, curve)
            }
            None => {
                let kind = crate::error::printable(kind.as_bytes());
                return Some(Err(KeyError::Unsupported { what: format!("a key of kind {kind}") }));
            }
        },
    };
    let _comment = reader.string()?;
    // The padding counts up from one; another one is not what was written.
    let counts = reader.rest().iter().zip(1_u8..=u8::MAX).all(|(byte, number)| *byte == number);
    counts.then_some(key)
}

fn padded(bytes: &[u8], width: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(width));
    out.resize(width.checked_sub(bytes.len())?, 0);
    out.extend_from_slice(bytes);
    Some(out)
}
