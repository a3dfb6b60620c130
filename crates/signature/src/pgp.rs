//! OpenPGP signatures of Git objects, verified against the certificates of a [`Trust`].
//!
//! Input: the parts of an object. Output: what was found. Accepted are keys of version 4 with
//! RSA, Ed25519 (in both forms) and ECDSA on P-256 and P-384, with SHA-256, SHA-384 and SHA-512;
//! everything else is refused by name. A key that is expired or revoked at the caller's time is
//! refused whenever the signature was made, as GnuPG does it: who holds such a key can write any
//! date into an object.

pub(crate) mod certificate;
pub(crate) mod key;
pub(crate) mod packet;
pub(crate) mod signature;

use crate::armor;
use crate::bytes::hex;
use crate::object::Signed;
use crate::trust::Trust;
use crate::verdict::{Fault, Found, Scheme, Verdict};
use certificate::{Certificate, Status, Subkey};
use key::Key;
use signature::{Kind, Signature};

/// How far a signature may lie in the future of the caller's clock, in seconds.
pub(crate) const CLOCK_SKEW_SECONDS_MAX: i64 = 600;

/// Verifies an OpenPGP signature.
pub(crate) fn verify(signed: &Signed, trust: &Trust, at: i64) -> Result<Found, Fault> {
    let bytes = armor::only(&signed.signature, "PGP SIGNATURE")?;
    let packets = packet::all(&bytes)?;
    let signature = match packets.as_slice() {
        [packet] if packet.tag == packet::SIGNATURE => Signature::read(packet.body)?,
        [_] => return Err(Fault::bad("the OpenPGP block holds no signature")),
        _ => return Err(Fault::unsupported("more than one OpenPGP packet in a signature")),
    };
    match signature.kind {
        Kind::Binary => {}
        Kind::Other(1) => return Err(Fault::unsupported("an OpenPGP signature of text")),
        _ => return Err(Fault::bad("the OpenPGP signature is not one of a document")),
    }
    if signature.info.issuers.is_empty() && signature.info.issuer_ids.is_empty() {
        return Err(Fault::unsupported("an OpenPGP signature that does not name its key"));
    }
    let mut worst = None;
    for certificate in trust.certificates() {
        for (key, subkey) in keys(certificate).filter(|(key, _)| signature.names(key)) {
            // Two keys may share a short id; one of them is enough.
            match judge(signed, &signature, certificate, (key, subkey), at) {
                good @ Ok(Found::Good { .. }) => return good,
                other => worst = worst.or(Some(other)),
            }
        }
    }
    worst.unwrap_or_else(|| {
        let named = signature.info.issuers.first().map(|issuer| hex(issuer));
        let id = signature.info.issuer_ids.first().map(|id| hex(id));
        let key = named.or(id).unwrap_or_default();
        Ok(Found::Other(Verdict::UnknownKey { key }))
    })
}

fn keys(certificate: &Certificate) -> impl Iterator<Item = (&Key, Option<&Subkey>)> {
    let subkeys = certificate.subkeys.iter().map(|subkey| (&subkey.key, Some(subkey)));
    std::iter::once((&certificate.primary, None)).chain(subkeys)
}

fn judge(
    signed: &Signed,
    signature: &Signature,
    certificate: &Certificate,
    (key, subkey): (&Key, Option<&Subkey>),
    at: i64,
) -> Result<Found, Fault> {
    let name = key.name();
    if !signature.holds(key, &[&signed.payload])? {
        return Err(Fault::bad(format!("it is not one of key {name} over this object")));
    }
    match certificate.status(subkey, at) {
        Status::Valid => {}
        Status::Revoked(what) => return Ok(Found::Other(Verdict::Revoked { key: name, what })),
        Status::Expired(what) => return Ok(Found::Other(Verdict::Expired { key: name, what })),
        Status::MayNotSign(why) => return Err(Fault::bad(format!("key {name}: {why}"))),
    }
    let made = signature.info.created;
    let what = if signature.is_expired(at) {
        Some("the signature is expired")
    } else if made > at.saturating_add(CLOCK_SKEW_SECONDS_MAX) {
        Some("the signature is made in the future")
    } else if made < key.created {
        Some("the signature is older than its key")
    } else {
        None
    };
    if let Some(what) = what {
        return Ok(Found::Other(Verdict::Expired { key: name, what: what.to_owned() }));
    }
    let users = certificate.valid_users(at);
    let committer = users.iter().find(|user| user.has_address(&signed.committer));
    let signer = committer.or(users.first()).map(|user| user.name()).unwrap_or_default();
    let is_committer = committer.is_some();
    Ok(Found::Good { signer, key: name, scheme: Scheme::OpenPgp, is_committer })
}

#[cfg(test)]
mod tests;
