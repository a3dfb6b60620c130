//! Whose signatures count: allowed SSH signers and OpenPGP key rings.
//!
//! Input: the text of an `allowed_signers` file and rings of public keys, armoured or binary.
//! Output: a [`Trust`], and a [`Diagnostic`] with its place for everything in them that is not
//! accepted; what is not accepted allows nobody, and the rest still counts.
//!
//! Limits: [`RING_BYTES_MAX`] and [`CERTIFICATES_MAX`]; lines and signers of `allowed_signers`
//! and the parts of one key are bounded in their own modules.

use crate::armor;
use crate::pgp::certificate::{self, Certificate};
use crate::ssh::allowed::{self, AllowedSigner};
use crate::verdict::Fault;
use std::fmt;

/// Larger rings and signer files are refused, in bytes.
pub const RING_BYTES_MAX: usize = 8 << 20;
/// More OpenPGP keys are refused.
pub const CERTIFICATES_MAX: usize = 10_000;

/// What is asked of the committer (of a tag: the tagger) besides a good signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitterRule {
    /// Any trusted key may sign for any committer, as for `git verify-commit`.
    #[default]
    Ignore,
    /// The committer's e-mail address must be one of the signer's: an SSH principal that matches
    /// it, or a valid user id with it.
    MustMatch,
}

/// Where in a file something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line, counted from 1. For armoured keys the line where the block begins.
    Line(u32),
    /// The file as a whole: it is binary.
    Whole,
}

/// Something in a file of keys that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the caller named it.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Line(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            Place::Whole => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Whose signatures count.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    signers: Vec<AllowedSigner>,
    certificates: Vec<Certificate>,
    committer_rule: CommitterRule,
}

impl Trust {
    /// Nobody is trusted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same trust with another rule for committers.
    #[must_use]
    pub fn with_committer_rule(mut self, rule: CommitterRule) -> Self {
        self.committer_rule = rule;
        self
    }

    /// Adds the signers of an `allowed_signers` file; gives what in it is not accepted.
    pub fn add_allowed_signers(&mut self, file: &str, text: &str) -> Vec<Diagnostic> {
        if text.len() > RING_BYTES_MAX {
            return vec![too_large(file)];
        }
        let (signers, wrong) = allowed::read(text);
        self.signers.extend(signers);
        let place = |(line, message)| Diagnostic {
            file: file.to_owned(),
            place: Place::Line(line),
            message,
        };
        wrong.into_iter().map(place).collect()
    }

    /// Adds the public keys of an OpenPGP ring, armoured (any number of blocks) or binary; gives
    /// what in it is not accepted.
    pub fn add_key_ring(&mut self, file: &str, bytes: &[u8]) -> Vec<Diagnostic> {
        if bytes.len() > RING_BYTES_MAX {
            return vec![too_large(file)];
        }
        let mut diagnostics = Vec::new();
        let mut note = |place, message| {
            diagnostics.push(Diagnostic { file: file.to_owned(), place, message });
        };
        let armoured = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN"));
        let pieces = match armoured {
            Some(text) => armor::all(text, "PGP PUBLIC KEY BLOCK")
                .into_iter()
                .map(|block| (Place::Line(block.line), block.bytes))
                .collect(),
            None => vec![(Place::Whole, Ok(bytes.to_vec()))],
        };
        if pieces.is_empty() || bytes.is_empty() {
            note(Place::Whole, "there is no OpenPGP public key in it".to_owned());
            return diagnostics;
        }
        for (place, piece) in pieces {
            match piece.and_then(|bytes| certificate::read(&bytes)) {
                Ok((certificates, wrong)) => {
                    wrong.into_iter().for_each(|message| note(place, message));
                    let room = CERTIFICATES_MAX.saturating_sub(self.certificates.len());
                    if certificates.len() > room {
                        note(place, format!("there are more than {CERTIFICATES_MAX} keys"));
                    }
                    self.certificates.extend(certificates.into_iter().take(room));
                }
                Err(Fault::Bad(message)) => note(place, message),
                Err(Fault::Unsupported(what)) => note(place, format!("not accepted: {what}")),
            }
        }
        diagnostics
    }

    /// How many SSH signers and OpenPGP keys are trusted.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.signers.len(), self.certificates.len())
    }

    pub(crate) fn allowed_signers(&self) -> &[AllowedSigner] {
        &self.signers
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    pub(crate) fn committer_rule(&self) -> CommitterRule {
        self.committer_rule
    }
}

fn too_large(file: &str) -> Diagnostic {
    let message = format!("it is larger than {} MiB", RING_BYTES_MAX >> 20);
    Diagnostic { file: file.to_owned(), place: Place::Whole, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_no_ring_is_told_and_trusts_nobody() {
        let mut trust = Trust::new();
        for (bytes, part) in [
            (&b""[..], "no OpenPGP public key"),
            (b"-----BEGIN CERTIFICATE-----\n", "no OpenPGP public key"),
            (b"garbage", "not well formed"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n", "no `END"),
            (&[0x94, 0], "secret key"),
        ] {
            let diagnostics = trust.add_key_ring("ring", bytes);
            assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
            assert!(diagnostics[0].to_string().contains(part), "{}", diagnostics[0]);
        }
        assert_eq!(trust.counts(), (0, 0));
    }

    #[test]
    fn the_bound_of_a_file_is_exact() {
        let text = "#".repeat(RING_BYTES_MAX);
        assert!(Trust::new().add_allowed_signers("a", &text).is_empty());
        assert_eq!(Trust::new().add_allowed_signers("a", &format!("{text}#")).len(), 1);
        let told = Trust::new().add_key_ring("a", format!("{text}#").as_bytes());
        assert!(told[0].message.contains("larger than 8 MiB"));
    }
}
