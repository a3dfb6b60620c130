//! OpenPGP public keys, version 4.
//!
//! Input: the body of a key packet. Output: a [`Key`] with its fingerprint. A key of an
//! algorithm that cannot verify here (encryption, DSA, other curves) is kept under its name: a
//! ring may hold it, only its signatures are refused. Errors: other versions, by name.

use crate::bytes::{Cursor, hex};
use crate::crypto::{Curve, PublicKey};
use crate::verdict::Fault;
use ring::digest;

const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// Algorithms by their number in packets.
pub(crate) const RSA: u8 = 1;
pub(crate) const RSA_SIGN_ONLY: u8 = 3;
pub(crate) const ECDSA: u8 = 19;
pub(crate) const EDDSA_LEGACY: u8 = 22;
pub(crate) const ED25519: u8 = 27;

/// A primary key or a subkey.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// 20 bytes.
    pub(crate) fingerprint: [u8; 20],
    /// Seconds since 1970.
    pub(crate) created: i64,
    /// The number of its algorithm.
    pub(crate) algorithm: u8,
    /// What verifies, or why nothing can.
    pub(crate) public: Result<PublicKey, Fault>,
    /// The packet's body, as signatures over the key hash it.
    body: Vec<u8>,
}

impl Key {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Fault> {
        let malformed = || Fault::bad("the OpenPGP key is not well formed");
        let mut cursor = Cursor::new(body);
        let version = cursor.u8().ok_or_else(malformed)?;
        if version != 4 {
            return Err(Fault::unsupported(format!("an OpenPGP key of version {version}")));
        }
        let length = u16::try_from(body.len()).map_err(|_| malformed())?;
        let created = i64::from(cursor.u32().ok_or_else(malformed)?);
        let algorithm = cursor.u8().ok_or_else(malformed)?;
        let public = material(algorithm, &mut cursor).ok_or_else(malformed)?;
        let mut hashed = vec![0x99];
        hashed.extend_from_slice(&length.to_be_bytes());
        hashed.extend_from_slice(body);
        // SHA-1 is only the key's name here; what is trusted comes from the ring, byte by byte.
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &hashed);
        let fingerprint = digest.as_ref().try_into().map_err(|_| malformed())?;
        Ok(Self { fingerprint, created, algorithm, public, body: hashed })
    }

    /// The key as signatures over it hash it.
    pub(crate) fn hashed(&self) -> &[u8] {
        &self.body
    }

    /// The last 8 bytes of the fingerprint.
    pub(crate) fn id(&self) -> &[u8] {
        self.fingerprint.get(12..).unwrap_or_default()
    }

    /// The fingerprint in hexadecimal.
    pub(crate) fn name(&self) -> String {
        hex(&self.fingerprint)
    }
}

/// `None` when the material is cut or has something behind it.
fn material(algorithm: u8, cursor: &mut Cursor<'_>) -> Option<Result<PublicKey, Fault>> {
    let public = match algorithm {
        RSA | RSA_SIGN_ONLY => PublicKey::rsa(cursor.mpi()?, cursor.mpi()?),
        ECDSA | EDDSA_LEGACY => {
            let length = cursor.u8()?;
            let oid = cursor.take(usize::from(length))?;
            let point = cursor.mpi()?;
            curve_point(algorithm, oid, point)?
        }
        ED25519 => Ok(PublicKey::Ed25519(cursor.array()?)),
        other => return Some(Err(Fault::unsupported(algorithm_name(other)))),
    };
    cursor.is_empty().then_some(public)
}

fn curve_point(algorithm: u8, oid: &[u8], point: &[u8]) -> Option<Result<PublicKey, Fault>> {
    Some(match (algorithm, oid) {
        (ECDSA, OID_P256) => PublicKey::ecdsa(Curve::P256, point),
        (ECDSA, OID_P384) => PublicKey::ecdsa(Curve::P384, point),
        (EDDSA_LEGACY, OID_ED25519) => match point {
            [0x40, key @ ..] => Ok(PublicKey::Ed25519(key.try_into().ok()?)),
            _ => return None,
        },
        _ => {
            let what = format!("an OpenPGP key on the curve with the identifier {}", hex(oid));
            Err(Fault::unsupported(what))
        }
    })
}

fn algorithm_name(number: u8) -> String {
    match number {
        2 => "an RSA key for encryption only".to_owned(),
        16 => "an ElGamal key".to_owned(),
        17 => "a DSA key".to_owned(),
        18 | 25 | 26 => "a key for key agreement".to_owned(),
        28 => "an Ed448 key".to_owned(),
        other => format!("an OpenPGP key of algorithm {other}"),
    }
}
