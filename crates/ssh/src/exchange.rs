//! The key exchange itself (RFC 5656, RFC 8731): our half, the server's answer, the keys.
//!
//! Input: what both sides said so far, and the server's reply. Output: the exchange hash, proven by
//! the server's host key, and the keys of both directions. A point that is not on its curve and a
//! shared secret of zeros are refused by `ring`.

use crate::cipher::{Cipher, Opener, Sealer};
use crate::negotiate::{Agreement, Exchange};
use crate::wire::{Reader, Writer};
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::digest;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

/// `SSH_MSG_KEX_ECDH_INIT`.
pub(crate) const ECDH_INIT: u8 = 30;

/// `SSH_MSG_KEX_ECDH_REPLY`.
pub(crate) const ECDH_REPLY: u8 = 31;

impl Exchange {
    fn curve(self) -> &'static agreement::Algorithm {
        match self {
            Self::Curve25519 => &agreement::X25519,
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
        }
    }

    fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Curve25519 | Self::P256 => &digest::SHA256,
            Self::P384 => &digest::SHA384,
        }
    }
}

/// Our half of an exchange.
pub(crate) struct Half {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl Half {
    /// A key that is used once.
    pub(crate) fn new(exchange: Exchange, random: &dyn SecureRandom) -> Option<Self> {
        let private = EphemeralPrivateKey::generate(exchange.curve(), random).ok()?;
        let public = private.compute_public_key().ok()?.as_ref().to_vec();
        Some(Self { private, public })
    }

    /// The message that opens the exchange.
    pub(crate) fn message(&self) -> Vec<u8> {
        Writer::message(ECDH_INIT).string(&self.public).into_vec()
    }
}

/// What both sides said before; all of it is part of the hash.
pub(crate) struct Said<'a> {
    pub(crate) our_identification: &'a [u8],
    pub(crate) their_identification: &'a [u8],
    pub(crate) our_offer: &'a [u8],
    pub(crate) their_offer: &'a [u8],
}

/// The server's answer.
pub(crate) struct Reply<'a> {
    pub(crate) host_key: &'a [u8],
    pub(crate) public: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Reads what is behind the message's number.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let reply = Self {
            host_key: reader.string()?,
            public: reader.string()?,
            signature: reader.string()?,
        };
        reader.is_empty().then_some(reply)
    }
}

/// A shared secret with its hash. Nothing of it may be used before the host key has signed it.
pub(crate) struct Shared {
    secret: Zeroizing<Vec<u8>>,
    hash: Vec<u8>,
    algorithm: &'static digest::Algorithm,
}

impl Shared {
    /// The secret of both halves, and the hash over everything.
    pub(crate) fn new(
        exchange: Exchange,
        half: Half,
        said: &Said<'_>,
        reply: &Reply<'_>,
    ) -> Option<Self> {
        let theirs = UnparsedPublicKey::new(exchange.curve(), reply.public);
        let public = half.public;
        let secret = agreement::agree_ephemeral(half.private, &theirs, |secret| {
            Zeroizing::new(secret.to_vec())
        })
        .ok()?;
        if secret.iter().all(|byte| *byte == 0) {
            return None;
        }
        let all = Writer::default()
            .string(said.our_identification)
            .string(said.their_identification)
            .string(said.our_offer)
            .string(said.their_offer)
            .string(reply.host_key)
            .string(&public)
            .string(reply.public)
            .integer(&secret);
        let algorithm = exchange.hash();
        let hash = digest::digest(algorithm, all.as_slice()).as_ref().to_vec();
        Some(Self { secret, hash, algorithm })
    }

    /// What the host key signs.
    pub(crate) fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// The keys of both directions (RFC 4253, 7.2); the session is named by its first hash.
    pub(crate) fn keys(&self, session: &[u8], agreement: &Agreement) -> Option<(Sealer, Opener)> {
        let keys = |cipher: Cipher, iv: u8, key: u8| {
            let (key_bytes, iv_bytes) = cipher.key_bytes();
            (self.derive(key, session, key_bytes), self.derive(iv, session, iv_bytes))
        };
        let (key, iv) = keys(agreement.outward, b'A', b'C');
        let sealer = Sealer::new(agreement.outward, &key, &iv)?;
        let (key, iv) = keys(agreement.inward, b'B', b'D');
        Some((sealer, Opener::new(agreement.inward, &key, &iv)?))
    }

    fn derive(&self, letter: u8, session: &[u8], count: usize) -> Zeroizing<Vec<u8>> {
        let start = || Writer::default().integer(&self.secret).raw(&self.hash);
        let first = start().u8(letter).raw(session);
        let first = digest::digest(self.algorithm, first.as_slice());
        let mut bytes = Zeroizing::new(first.as_ref().to_vec());
        while bytes.len() < count {
            let next = start().raw(&bytes);
            let next = digest::digest(self.algorithm, next.as_slice());
            // A new buffer, so that no old one is left behind uncleared.
            let mut longer = Zeroizing::new(Vec::with_capacity(bytes.len() + next.as_ref().len()));
            longer.extend_from_slice(&bytes);
            longer.extend_from_slice(next.as_ref());
            bytes = longer;
        }
        bytes.truncate(count);
        bytes
    }
}

/// The server's side, for tests.
#[cfg(test)]
impl Shared {
    pub(crate) fn of(secret: &[u8], hash: Vec<u8>) -> Self {
        let algorithm = &digest::SHA256;
        Self { secret: Zeroizing::new(secret.to_vec()), hash, algorithm }
    }

    pub(crate) fn peer_keys(&self, session: &[u8], agreement: &Agreement) -> (Sealer, Opener) {
        let key = |cipher: Cipher, iv: u8, key: u8| {
            let (key_bytes, iv_bytes) = cipher.key_bytes();
            (self.derive(key, session, key_bytes), self.derive(iv, session, iv_bytes))
        };
        let (inward, iv) = key(agreement.inward, b'B', b'D');
        let sealer = Sealer::new(agreement.inward, &inward, &iv).unwrap();
        let (outward, iv) = key(agreement.outward, b'A', b'C');
        (sealer, Opener::new(agreement.outward, &outward, &iv).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    const SAID: Said<'static> = Said {
        our_identification: b"SSH-2.0-a",
        their_identification: b"SSH-2.0-b",
        our_offer: b"a",
        their_offer: b"b",
    };

    #[test]
    fn a_shared_secret_of_zeros_and_a_point_off_the_curve_are_refused() {
        let shared = |exchange, public: &[u8]| {
            let half = Half::new(exchange, &SystemRandom::new()).unwrap();
            Shared::new(exchange, half, &SAID, &Reply { host_key: b"", public, signature: b"" })
        };
        // Points of small order: any secret makes zeros of them.
        let mut one = [0; 32];
        one[0] = 1;
        assert!(shared(Exchange::Curve25519, &[0; 32]).is_none());
        assert!(shared(Exchange::Curve25519, &one).is_none());
        assert!(shared(Exchange::Curve25519, &[9; 31]).is_none());
        let mut point = [7; 65];
        point[0] = 4;
        assert!(shared(Exchange::P256, &point).is_none());
        assert!(shared(Exchange::P384, &point).is_none());
        assert!(shared(Exchange::P256, &[]).is_none());
        let mut nine = [0; 32];
        nine[0] = 9;
        assert!(shared(Exchange::Curve25519, &nine).is_some());
    }

    #[test]
    fn a_secret_goes_into_the_hash_as_an_integer_and_long_keys_are_chained() {
        let shared = Shared {
            secret: Zeroizing::new(vec![0x80, 1]),
            hash: vec![2; 32],
            algorithm: &digest::SHA256,
        };
        let first = [&[0, 0, 0, 3, 0, 0x80, 1][..], &[2; 32], b"C", b"id"].concat();
        let first = digest::digest(&digest::SHA256, &first).as_ref().to_vec();
        let second = [&[0, 0, 0, 3, 0, 0x80, 1][..], &[2; 32], &first].concat();
        let second = digest::digest(&digest::SHA256, &second).as_ref().to_vec();
        assert_eq!(*shared.derive(b'C', b"id", 64), [first.clone(), second].concat());
        assert_eq!(*shared.derive(b'C', b"id", 16), first[..16]);
        assert!(shared.derive(b'C', b"id", 0).is_empty());
    }
}
