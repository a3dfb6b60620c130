//! The identities of an installation: the secret halves of age recipients.
//!
//! Input: the text of a key file as `age-keygen` writes it, one `AGE-SECRET-KEY-1…` a line, `#`
//! for comments. Output: [`Identities`] and a [`Diagnostic`] with its line for each line that is
//! not accepted. No message holds a part of a key.

use super::bech32;
use curve25519_dalek::MontgomeryPoint;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// More identities are refused: each is tried on each recipient.
pub const IDENTITIES_MAX: usize = 64;

/// A line of a key file that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: &'static str,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// One X25519 identity. Memory is cleared on drop.
#[derive(Clone)]
pub(super) struct Identity {
    secret: [u8; 32],
    public: [u8; 32],
}

impl Identity {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let upper = text.to_ascii_uppercase();
        let upper = Zeroizing::new(upper);
        if upper.starts_with("AGE-SECRET-KEY-PQ-1") {
            return Err("post-quantum identities are not accepted");
        }
        if upper.starts_with("AGE-PLUGIN-") {
            return Err("identities of plugins are not accepted");
        }
        if upper.starts_with("AGE1") {
            return Err("this is a recipient; the identity begins with AGE-SECRET-KEY-1");
        }
        match bech32::decode(text) {
            Some((prefix, bytes)) if prefix == "age-secret-key-" => {
                let secret =
                    bytes.as_slice().try_into().map_err(|_| "the identity is not whole")?;
                Ok(Self { secret, public: MontgomeryPoint::mul_base_clamped(secret).0 })
            }
            _ => Err("this is no age identity (AGE-SECRET-KEY-1…), or it was changed"),
        }
    }

    /// The shared secret with a public share; nothing for a share of low order.
    pub(super) fn agree(&self, share: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let shared = Zeroizing::new(MontgomeryPoint(*share).mul_clamped(self.secret).0);
        let all = shared.iter().fold(0, |all, byte| all | byte);
        (all != 0).then_some(shared)
    }

    pub(super) fn public(&self) -> &[u8; 32] {
        &self.public
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The identities that files are tried with. `Debug` shows how many there are.
#[derive(Clone, Default)]
pub struct Identities {
    all: Vec<Identity>,
}

impl Identities {
    /// Reads a key file; gives what in it is not accepted.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<Diagnostic>) {
        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = match all.len() {
                IDENTITIES_MAX => Err("there are more identities than are accepted"),
                _ => Identity::parse(line),
            };
            match read {
                Ok(identity) => all.push(identity),
                Err(message) => wrong.push(Diagnostic { line: number, message }),
            }
        }
        (Self { all }, wrong)
    }

    /// The public halves, `age1…`, in order.
    #[must_use]
    pub fn recipients(&self) -> Vec<String> {
        self.all.iter().map(|identity| bech32::encode("age", identity.public())).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.all.iter()
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({}, masked)", self.all.len())
    }
}
