//! What became of a signature, in words for people.
//!
//! Input: what the parsers found. Output: [`Verdict`]. Text that comes from the object (names,
//! addresses) is cut to [`TEXT_CHARS_MAX`] and loses its control characters, because verdicts
//! end up on terminals, in events and in logs.

use std::fmt;

/// Longer names and addresses are cut in verdicts.
pub(crate) const TEXT_CHARS_MAX: usize = 200;

/// Which kind of key and signature it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// An SSH signature, checked against the allowed signers.
    Ssh,
    /// An OpenPGP signature, checked against the key rings.
    OpenPgp,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "SSH",
            Self::OpenPgp => "OpenPGP",
        })
    }
}

/// The verdict on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Signed by a trusted key that was and is valid.
    Good {
        /// The SSH principal or the OpenPGP user id.
        signer: String,
        /// The fingerprint of the key: `SHA256:…` for SSH, hexadecimal for OpenPGP.
        key: String,
        /// Which kind of signature.
        scheme: Scheme,
    },
    /// There is no signature.
    Unsigned,
    /// Signed, and the key is none of the trusted ones.
    UnknownKey {
        /// The fingerprint or key id that the signature names.
        key: String,
    },
    /// The signature holds, and the key or the signature is outside of its time.
    Expired {
        /// The fingerprint.
        key: String,
        /// What is expired or not yet valid.
        what: String,
    },
    /// The signature holds, and its key, subkey or last user id is revoked.
    Revoked {
        /// The fingerprint.
        key: String,
        /// What is revoked.
        what: String,
    },
    /// Signed by a trusted key whose owner is not the committer (or the tagger).
    WrongCommitter {
        /// The fingerprint.
        key: String,
        /// Whose key it is.
        signer: String,
        /// The e-mail address in the object.
        committer: String,
    },
    /// The signature does not hold, or is not well formed, or its key may not sign.
    Bad {
        /// Why.
        reason: String,
    },
    /// The signature uses something that is not accepted here.
    Unsupported {
        /// What it uses.
        what: String,
    },
}

impl Verdict {
    /// Whether the object is signed by a trusted key.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { signer, key, scheme } => {
                write!(f, "good {scheme} signature of {signer} with key {key}")
            }
            Self::Unsigned => f.write_str("not signed"),
            Self::UnknownKey { key } => write!(f, "signed with key {key}, which is not trusted"),
            Self::Expired { key, what } | Self::Revoked { key, what } => {
                write!(f, "signed with key {key}, but {what}")
            }
            Self::WrongCommitter { key, signer, committer } => {
                write!(f, "signed by {signer} with key {key}, but committed by {committer}")
            }
            Self::Bad { reason } => write!(f, "bad signature: {reason}"),
            Self::Unsupported { what } => write!(f, "signature not accepted: {what}"),
        }
    }
}

/// The outcome before the committer is looked at.
#[derive(Debug)]
pub(crate) enum Found {
    /// A good signature, and whether the committer's address is one of the signer's.
    Good { signer: String, key: String, scheme: Scheme, is_committer: bool },
    /// Anything else is final.
    Other(Verdict),
}

/// Why something could not be read or does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Bad(String),
    Unsupported(String),
}

impl Fault {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad(reason.into())
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    pub(crate) fn into_verdict(self) -> Verdict {
        match self {
            Self::Bad(reason) => Verdict::Bad { reason },
            Self::Unsupported(what) => Verdict::Unsupported { what },
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Bad(text) | Self::Unsupported(text) => text,
        }
    }
}

/// Foreign text for a message: no control characters, no direction marks, bounded.
pub(crate) fn printable(text: &str) -> String {
    let visible = |c: char| {
        // Marks that are not seen or turn the direction of what is behind them.
        let unseen = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{2069}'];
        let hidden = c.is_control() || unseen.iter().any(|range| range.contains(&c));
        if hidden { '\u{fffd}' } else { c }
    };
    let mut cut: String = text.chars().take(TEXT_CHARS_MAX).map(visible).collect();
    if text.chars().nth(TEXT_CHARS_MAX).is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_in_a_verdict_is_bounded_and_has_no_control_characters() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}b"), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(printable(&"x".repeat(TEXT_CHARS_MAX)).chars().count(), TEXT_CHARS_MAX);
        assert_eq!(printable(&"x".repeat(TEXT_CHARS_MAX + 1)).chars().count(), TEXT_CHARS_MAX + 1);
    }
}
