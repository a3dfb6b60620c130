//! The age file format, version 1, for X25519 identities: just enough to read the keys that SOPS
//! keeps in it.
//!
//! Input: an armoured or binary age file and [`Identities`]. Output: its plain content, which is
//! given out only when the header's code and every chunk hold. Stanzas of other kinds (scrypt,
//! SSH, plugins, post-quantum) are skipped and named when nothing else fits.
//!
//! Limits: [`FILE_BYTES_MAX`], [`STANZAS_MAX`] stanzas, [`IDENTITIES_MAX`] identities.

mod armor;
mod bech32;
mod header;
mod identity;
mod payload;

pub use identity::{Diagnostic, IDENTITIES_MAX, Identities};

use header::Header;
use zeroize::Zeroizing;

/// Larger age files are refused, in bytes: a data key with a hundred recipients has 30 KiB.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// More stanzas are refused.
pub const STANZAS_MAX: usize = 256;

/// Why an age file cannot be decrypted. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgeError {
    /// It is too large.
    #[error("the age file is larger than {} KiB", FILE_BYTES_MAX >> 10)]
    TooLarge,
    /// It is not well formed.
    #[error("the age file is not well formed: {0}")]
    Malformed(&'static str),
    /// It is of another version of the format.
    #[error("the age file is not of version 1")]
    Version,
    /// No identity fits one of its recipients.
    #[error("no identity fits the age file, which is for recipients of the kinds {}", .kinds.join(", "))]
    NoMatch {
        /// The kinds of its stanzas.
        kinds: Vec<String>,
    },
    /// The header was changed.
    #[error("the code of the age header does not hold")]
    HeaderCode,
    /// The content was changed or cut.
    #[error("the content of the age file was changed or cut")]
    Payload,
}

/// Decrypts an age file.
///
/// # Errors
/// When it is not well formed, no identity fits, or something in it was changed.
pub fn decrypt(file: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    if file.len() > FILE_BYTES_MAX {
        return Err(AgeError::TooLarge);
    }
    let binary;
    let file = if armor::is_armoured(file) {
        binary = armor::decode(file)?;
        binary.as_slice()
    } else {
        file
    };
    let (header, payload) = Header::read(file)?;
    let file_key = header.file_key(identities)?;
    header.check(&file_key)?;
    payload::open(&file_key, payload)
}

#[cfg(test)]
mod tests;
