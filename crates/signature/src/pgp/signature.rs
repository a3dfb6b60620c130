//! OpenPGP signatures, version 4, and their subpackets.
//!
//! Input: the body of a signature packet. Output: a [`Signature`] that can be checked against a
//! key. Only hashed subpackets are believed; who issued the signature and an embedded signature
//! may stand outside, because they are checked in their own way. Errors name what is refused:
//! other versions, SHA-1, MD5 and other hashes, critical subpackets that are not known.
//!
//! Limit: [`SUBPACKETS_MAX`] subpackets.

use super::key::{self, Key};
use crate::bytes::{Cursor, padded};
use crate::crypto::{self, Hash, PublicKey};
use crate::verdict::Fault;

/// More subpackets in one signature are refused.
pub(crate) const SUBPACKETS_MAX: usize = 256;

/// The flag that a key may sign data.
pub(crate) const FLAG_SIGN: u8 = 0x02;

/// Subpackets that may be critical: those whose meaning is followed here, and those that say
/// nothing about whether the signature holds.
const UNDERSTOOD: [u8; 19] =
    [2, 3, 4, 7, 9, 11, 12, 16, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 33];
const EMBEDDED_SIGNATURE: u8 = 32;

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Binary,
    Certification,
    SubkeyBinding,
    PrimaryKeyBinding,
    DirectKey,
    KeyRevocation,
    SubkeyRevocation,
    CertificationRevocation,
    Other(u8),
}

impl Kind {
    fn of(number: u8) -> Self {
        match number {
            0x00 => Self::Binary,
            0x10..=0x13 => Self::Certification,
            0x18 => Self::SubkeyBinding,
            0x19 => Self::PrimaryKeyBinding,
            0x1f => Self::DirectKey,
            0x20 => Self::KeyRevocation,
            0x28 => Self::SubkeyRevocation,
            0x30 => Self::CertificationRevocation,
            other => Self::Other(other),
        }
    }
}

/// A signature that has been read, not yet checked.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) kind: Kind,
    pub(crate) info: Info,
    algorithm: u8,
    /// The hash, or why the signature cannot be accepted whatever the key says.
    hash: Result<Hash, Fault>,
    /// Version to hashed subpackets, as the signature hashes itself.
    hashed: Vec<u8>,
    value: Vec<u8>,
}

/// What the subpackets say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Info {
    /// Seconds since 1970.
    pub(crate) created: i64,
    /// Seconds after `created`.
    pub(crate) expires_after: Option<u32>,
    /// Seconds after the creation of the key.
    pub(crate) key_expires_after: Option<u32>,
    pub(crate) key_flags: Option<u8>,
    pub(crate) primary_user: bool,
    pub(crate) signer_user: Option<Vec<u8>>,
    /// Key ids and fingerprints that the signature names as its issuer.
    pub(crate) issuer_ids: Vec<[u8; 8]>,
    pub(crate) issuers: Vec<[u8; 20]>,
    /// Fingerprints of keys that may revoke this one.
    pub(crate) revokers: Vec<[u8; 20]>,
    pub(crate) embedded: Option<Vec<u8>>,
    has_created: bool,
    critical_unknown: Option<u8>,
}

impl Signature {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Fault> {
        let malformed = || Fault::bad("the OpenPGP signature is not well formed");
        match body.first() {
            Some(4) => Self::parse(body).ok_or_else(malformed),
            Some(version) => {
                Err(Fault::unsupported(format!("an OpenPGP signature of version {version}")))
            }
            None => Err(malformed()),
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let [_, kind, algorithm, hash] = cursor.array()?;
        let length = usize::from(cursor.u16()?);
        let hashed = body.get(..6 + length)?.to_vec();
        let mut info = Info::default();
        info.read(cursor.take(length)?, true)?;
        let length = usize::from(cursor.u16()?);
        info.read(cursor.take(length)?, false)?;
        // The first two bytes of the digest only help to find a wrong one early.
        cursor.u16()?;
        let mut hash = read_hash(hash);
        if let Some(number) = info.critical_unknown {
            let what = format!("an OpenPGP signature with the critical subpacket {number}");
            hash = Err(Fault::unsupported(what));
        } else if !info.has_created {
            hash = Err(Fault::bad("the OpenPGP signature has no creation time"));
        }
        let value = cursor.rest().to_vec();
        Some(Self { kind: Kind::of(kind), info, algorithm, hash, hashed, value })
    }

    /// Whether this key could have made it, by what the signature says.
    pub(crate) fn names(&self, key: &Key) -> bool {
        let Info { issuers, issuer_ids, .. } = &self.info;
        if issuers.is_empty() {
            return issuer_ids.iter().any(|id| id == key.id());
        }
        issuers.contains(&key.fingerprint)
    }

    /// Whether its own time is over.
    pub(crate) fn is_expired(&self, at: i64) -> bool {
        let after = self.info.expires_after.filter(|after| *after != 0);
        after.is_some_and(|after| self.info.created + i64::from(after) <= at)
    }

    /// Whether it is a signature of `key` over `data`.
    pub(crate) fn holds(&self, key: &Key, data: &[&[u8]]) -> Result<bool, Fault> {
        let hash = self.hash.clone()?;
        let public = key.public.clone()?;
        let mut message = data.concat();
        message.extend_from_slice(&self.hashed);
        message.extend_from_slice(&[4, 0xff]);
        let length = u32::try_from(self.hashed.len()).unwrap_or(u32::MAX);
        message.extend_from_slice(&length.to_be_bytes());
        let mut cursor = Cursor::new(&self.value);
        let malformed = || Fault::bad("the OpenPGP signature's value is not well formed");
        match (&public, self.algorithm) {
            (PublicKey::Rsa { modulus, exponent }, key::RSA | key::RSA_SIGN_ONLY) => {
                let value = cursor.mpi().ok_or_else(malformed)?;
                Ok(cursor.is_empty()
                    && crypto::rsa_holds((modulus, exponent), hash, &message, value))
            }
            (PublicKey::Ecdsa { curve, point }, key::ECDSA) => {
                let r = cursor.mpi().ok_or_else(malformed)?;
                let s = cursor.mpi().ok_or_else(malformed)?;
                let holds = crypto::ecdsa_holds((*curve, point), hash, &message, (r, s))?;
                Ok(cursor.is_empty() && holds)
            }
            (PublicKey::Ed25519(bytes), key::EDDSA_LEGACY | key::ED25519)
                if key.algorithm == self.algorithm =>
            {
                let value = ed25519_value(self.algorithm, &mut cursor).ok_or_else(malformed)?;
                let digest = hash.digest(&message);
                Ok(cursor.is_empty() && crypto::ed25519_holds(bytes, &digest, &value))
            }
            _ => Err(Fault::bad("the signature is of another algorithm than its key")),
        }
    }
}

/// 64 bytes: as they are, or as two integers in the older form.
fn ed25519_value(algorithm: u8, cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    if algorithm == key::ED25519 {
        return cursor.take(64).map(<[u8]>::to_vec);
    }
    let (r, s) = (cursor.mpi()?, cursor.mpi()?);
    Some([padded(r, 32)?, padded(s, 32)?].concat())
}

fn read_hash(number: u8) -> Result<Hash, Fault> {
    let name = match number {
        8 => return Ok(Hash::Sha256),
        9 => return Ok(Hash::Sha384),
        10 => return Ok(Hash::Sha512),
        1 => "MD5".to_owned(),
        2 => "SHA-1".to_owned(),
        3 => "RIPEMD-160".to_owned(),
        11 => "SHA-224".to_owned(),
        other => format!("hash function {other}"),
    };
    Err(Fault::unsupported(format!("an OpenPGP signature with {name}")))
}

impl Info {
    /// Adds an area of subpackets; `None` when it is not well formed.
    fn read(&mut self, area: &[u8], hashed: bool) -> Option<()> {
        let mut cursor = Cursor::new(area);
        let mut count = 0;
        while !cursor.is_empty() {
            count += 1;
            if count > SUBPACKETS_MAX {
                return None;
            }
            let first = cursor.u8()?;
            let length = match first {
                0..=191 => u32::from(first),
                192..=254 => ((u32::from(first) - 192) << 8) + u32::from(cursor.u8()?) + 192,
                255 => cursor.u32()?,
            };
            let (kind, body) = cursor.take(usize::try_from(length).ok()?)?.split_first()?;
            let (critical, kind) = (kind & 0x80 != 0, kind & 0x7f);
            if hashed {
                self.put(kind, body, critical)?;
            }
            if matches!(kind, 16 | 33 | EMBEDDED_SIGNATURE) {
                self.put_hint(kind, body)?;
            }
        }
        Some(())
    }

    fn put(&mut self, kind: u8, body: &[u8], critical: bool) -> Option<()> {
        let number = |body: &[u8]| Some(u32::from_be_bytes(body.try_into().ok()?));
        match kind {
            2 if self.has_created => return None,
            2 => (self.created, self.has_created) = (i64::from(number(body)?), true),
            3 => self.expires_after = Some(number(body)?),
            9 => self.key_expires_after = Some(number(body)?),
            12 => self.revokers.push(Cursor::new(body.get(2..)?).array()?),
            25 => self.primary_user = body.first().is_some_and(|byte| *byte != 0),
            27 => self.key_flags = Some(body.first().copied().unwrap_or(0)),
            28 => self.signer_user = Some(body.to_vec()),
            _ => {}
        }
        if critical && !UNDERSTOOD.contains(&kind) && kind != EMBEDDED_SIGNATURE {
            self.critical_unknown = Some(kind);
        }
        Some(())
    }

    /// What is believed outside of the hashed area too, because it is checked by itself.
    fn put_hint(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        match (kind, body) {
            (16, _) => self.issuer_ids.push(body.try_into().ok()?),
            (33, [4, fingerprint @ ..]) => self.issuers.push(fingerprint.try_into().ok()?),
            (EMBEDDED_SIGNATURE, _) => self.embedded = Some(body.to_vec()),
            _ => {}
        }
        Some(())
    }
}
