//! Signatures of Git commits and tags: verified against trusted keys, judged by a policy. Pure.
//!
//! A commit or tag object goes in as Git stores it, with a [`Trust`] (allowed SSH signers and
//! OpenPGP key rings) and the time; a [`Verdict`] comes out, and [`policy`] makes a decision of
//! the verdicts of a whole revision. Only verification is here, so the parsers are small and
//! every length in them is bounded: objects up to [`OBJECT_BYTES_MAX`], signatures up to
//! [`SIGNATURE_BYTES_MAX`], key material up to the constants in [`trust`].
//!
//! Nothing here reads a file, a clock or a random number, and no bytes make it panic.

mod armor;
pub mod bytes;
mod crypto;
pub mod fuzzing;
mod object;
mod pgp;
pub mod policy;
mod ssh;
pub mod trust;
mod verdict;

pub use object::{OBJECT_BYTES_MAX, ObjectKind, SIGNATURE_BYTES_MAX};
pub use ssh::public::{SshPublicKey, ssh_fingerprint};
pub use trust::{CommitterRule, Diagnostic, Place, Trust};
pub use verdict::{Scheme, Verdict};

use object::{Format, Signed};
use verdict::Fault;

/// Verifies the signature of one commit or annotated tag, as Git stores the object (without the
/// `commit 123\0` header), at a time in seconds since 1970.
///
/// ```
/// use signature::{ObjectKind, Trust, Verdict, verify};
///
/// let commit = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
/// author A <a@example.com> 0 +0000\n\
/// committer A <a@example.com> 0 +0000\n\nno signature\n";
/// assert_eq!(verify(commit, ObjectKind::Commit, &Trust::new(), 0), Verdict::Unsigned);
/// ```
#[must_use]
pub fn verify(object: &[u8], kind: ObjectKind, trust: &Trust, at_unix_seconds: i64) -> Verdict {
    let signed = match object::split(object, kind) {
        Ok(Some(signed)) => signed,
        Ok(None) => return Verdict::Unsigned,
        Err(fault) => return fault.into_verdict(),
    };
    let outcome = match Format::of(&signed.signature) {
        Format::Ssh => ssh::verify(&signed, trust, at_unix_seconds),
        Format::Pgp => pgp::verify(&signed, trust, at_unix_seconds),
        Format::X509 => Err(Fault::unsupported("an X.509 signature (S/MIME)")),
        Format::PgpMessage => Err(Fault::unsupported("an OpenPGP message as a signature")),
        Format::Unknown => Err(Fault::unsupported("a signature of an unknown format")),
    };
    match outcome {
        Ok(verdict) => check_committer(verdict, &signed, trust),
        Err(fault) => fault.into_verdict(),
    }
}

/// A good signature is not enough where the policy asks that the committer is the signer.
fn check_committer(found: verdict::Found, signed: &Signed, trust: &Trust) -> Verdict {
    match found {
        verdict::Found::Other(verdict) => verdict,
        verdict::Found::Good { signer, key, scheme, is_committer } => {
            match trust.committer_rule() {
                CommitterRule::MustMatch if !is_committer => Verdict::WrongCommitter {
                    key,
                    signer,
                    committer: verdict::printable(&signed.committer),
                },
                _ => Verdict::Good { signer, key, scheme },
            }
        }
    }
}

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
