//! Public keys and the four signature schemes, all of it done by `ring`.
//!
//! Input: key material and signatures as big-endian integers without leading zeros. Output: yes,
//! no, or a [`Fault`] that names what is not accepted. Limits: RSA from [`RSA_BITS_MIN`] to
//! [`RSA_BITS_MAX`] bits; SHA-256, SHA-384 and SHA-512 only.

use crate::bytes::padded;
use crate::verdict::Fault;
use ring::{digest, signature};

/// Shorter RSA keys are refused.
pub(crate) const RSA_BITS_MIN: usize = 2048;
/// Longer RSA keys are refused: their cost is the signer's choice.
pub(crate) const RSA_BITS_MAX: usize = 8192;

/// The hash functions that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// The curves of ECDSA that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// Bytes of one coordinate, and of each half of a signature.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }
}

/// A public key that can verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519([u8; 32]),
    Ecdsa { curve: Curve, point: Vec<u8> },
}

impl PublicKey {
    /// An RSA key of an accepted size.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, Fault> {
        let bits = bits(modulus);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(Fault::unsupported(format!(
                "an RSA key of {bits} bits (accepted are {RSA_BITS_MIN} to {RSA_BITS_MAX})"
            )));
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// A point of a curve in its uncompressed form.
    pub(crate) fn ecdsa(curve: Curve, point: &[u8]) -> Result<Self, Fault> {
        match point {
            [4, coordinates @ ..] if coordinates.len() == 2 * curve.width() => {
                Ok(Self::Ecdsa { curve, point: point.to_vec() })
            }
            _ => Err(Fault::unsupported("an ECDSA key that is not an uncompressed point")),
        }
    }
}

/// Whether an RSA signature (PKCS #1 v1.5) holds.
pub(crate) fn rsa_holds(
    (modulus, exponent): (&[u8], &[u8]),
    hash: Hash,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let parameters = match hash {
        Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    };
    let key = signature::RsaPublicKeyComponents { n: modulus, e: exponent };
    // A signature is as long as the modulus; integers lose their zeros on the way.
    padded(signature, modulus.len())
        .is_some_and(|signature| key.verify(parameters, message, &signature).is_ok())
}

/// Whether an Ed25519 signature holds.
pub(crate) fn ed25519_holds(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
}

/// Whether an ECDSA signature holds.
pub(crate) fn ecdsa_holds(
    (curve, point): (Curve, &[u8]),
    hash: Hash,
    message: &[u8],
    (r, s): (&[u8], &[u8]),
) -> Result<bool, Fault> {
    let algorithm: &dyn signature::VerificationAlgorithm = match (curve, hash) {
        (Curve::P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_FIXED,
        (Curve::P384, Hash::Sha384) => &signature::ECDSA_P384_SHA384_FIXED,
        _ => {
            let what = format!("ECDSA on {} with {}", curve.name(), hash.name());
            return Err(Fault::unsupported(what));
        }
    };
    let (Some(mut fixed), Some(s)) = (padded(r, curve.width()), padded(s, curve.width())) else {
        return Ok(false);
    };
    fixed.extend(s);
    Ok(signature::UnparsedPublicKey::new(algorithm, point).verify(message, &fixed).is_ok())
}

/// The length of an integer in bits.
fn bits(integer: &[u8]) -> usize {
    integer
        .first()
        .map_or(0, |first| 8 * integer.len() - usize::try_from(first.leading_zeros()).unwrap_or(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_16_rsa_keys_are_accepted_from_2048_to_8192_bits() {
        let of = |bits: usize| {
            let mut modulus = vec![0xff; bits.div_ceil(8)];
            if let (Some(first), 1..) = (modulus.first_mut(), bits % 8) {
                *first = (1 << (bits % 8)) - 1;
            }
            PublicKey::rsa(&modulus, &[1, 0, 1]).is_ok()
        };
        assert!(of(RSA_BITS_MIN) && of(RSA_BITS_MAX));
        assert!(!of(RSA_BITS_MIN - 1) && !of(RSA_BITS_MAX + 1) && !of(1024) && !of(0));
    }
}
