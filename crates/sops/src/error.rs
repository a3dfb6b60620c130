//! Why a file cannot be decrypted. No message holds a value, a key or plain text.

use crate::age::AgeError;
use crate::{DEPTH_MAX, FILE_BYTES_MAX, Format};
use model::{Explain, Hint};

/// Why a file cannot be decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SopsError {
    /// The format is not one of those that are read.
    #[error("cannot decrypt a SOPS file of the format {format}")]
    Format {
        /// The format.
        format: Format,
    },
    /// The file is too large.
    #[error("cannot decrypt a SOPS file over {} MiB", FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// The file is not well formed, or uses what SOPS does not write.
    #[error("cannot read the SOPS file at line {line}, column {column}: {what}")]
    Parse {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// The mapping `sops` is missing or not whole.
    #[error("cannot use the SOPS metadata of document {document}: {what}")]
    Metadata {
        /// Counted from 1.
        document: usize,
        /// What is wrong.
        what: String,
    },
    /// The key is shared among groups of recipients.
    #[error("cannot decrypt a SOPS file whose key is shared among key groups (Shamir)")]
    Shamir,
    /// None of the identities is a recipient of the file.
    #[error("no age key fits: {}", audience(.recipients, .services))]
    NoKey {
        /// The file's age recipients.
        recipients: Vec<String>,
        /// Other key services that the file names.
        services: Vec<&'static str>,
    },
    /// The entry of a recipient cannot be decrypted.
    #[error("cannot decrypt the data key for the age recipient {recipient}")]
    DataKey {
        /// The recipient, as the file names it.
        recipient: String,
        /// Why.
        #[source]
        source: AgeError,
    },
    /// What the entry of a recipient holds is no key for AES-256.
    #[error("the data key for the age recipient {recipient} does not have 32 bytes")]
    DataKeyLength {
        /// The recipient, as the file names it.
        recipient: String,
    },
    /// A value cannot be decrypted.
    #[error("cannot decrypt {path} in document {document}")]
    Value {
        /// Counted from 1.
        document: usize,
        /// Where the value is: `stringData.password`, `data.list[3]`.
        path: String,
        /// Why.
        #[source]
        source: ValueError,
    },
    /// The message authentication code itself cannot be decrypted.
    #[error("cannot decrypt the message authentication code (`sops.mac`)")]
    MacValue {
        /// Why.
        #[source]
        source: ValueError,
    },
    /// The file is not as its writer left it.
    #[error(
        "the message authentication code does not hold: values were changed, moved, added or removed"
    )]
    Mac,
}

/// Why one value cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The rules of the file say that the value is encrypted, and it is not.
    #[error("the value should be encrypted and is not")]
    NotEncrypted,
    /// The value is not in the form that SOPS writes.
    #[error("the encrypted value is not well formed")]
    Malformed,
    /// The value was changed, or moved here from another key or file.
    #[error("the value was changed, or belongs to another key or file")]
    Forged,
    /// The plain value is not of the type that it is said to be.
    #[error("the value is not of its type")]
    Type,
    /// The type is not one of SOPS.
    #[error("the value has a type that is not known")]
    UnknownType,
    /// The value can be written in YAML and in no JSON document.
    #[error("the value cannot be part of a Kubernetes object (not finite, or over 64 bits)")]
    NotExpressible,
    /// A time without quotes, whose code SOPS makes of another text than the file's.
    #[error("the value is a time without quotes")]
    Time,
}

fn audience(recipients: &[String], services: &[&'static str]) -> String {
    let list = |names: &[String]| match names {
        [] => "nobody with an age key".to_owned(),
        names => names.join(", "),
    };
    match services {
        [] => format!("the file is encrypted for {}", list(recipients)),
        services => format!(
            "the file is encrypted for {} and by {}, which cannot be asked",
            list(recipients),
            services.join(", ")
        ),
    }
}

impl Explain for SopsError {
    fn hint(&self) -> Option<Hint> {
        let text = match self {
            Self::Format { .. } => "keep the secret in a YAML or JSON file",
            Self::TooLarge => "split the file",
            Self::Parse { what, .. } if what.contains("levels") => {
                return Some(Hint::new(format!("nest at most {DEPTH_MAX} levels")));
            }
            Self::Parse { .. } => "encrypt the file again with `sops encrypt`",
            Self::Metadata { .. } => "restore the file from the commit that encrypted it",
            Self::Shamir => "encrypt the file for age recipients without key groups",
            Self::NoKey { .. } => {
                "add the age recipient of this installation and run `sops updatekeys`"
            }
            Self::DataKey { .. } | Self::DataKeyLength { .. } => "run `sops updatekeys`",
            Self::Value { source, .. } => return source.hint(),
            Self::MacValue { .. } | Self::Mac => "change encrypted files only with `sops edit`",
        };
        Some(Hint::new(text))
    }
}

impl Explain for ValueError {
    fn hint(&self) -> Option<Hint> {
        Some(Hint::new(match self {
            Self::NotEncrypted => "encrypt the value with `sops edit`; do not write it by hand",
            Self::Time => "put the time into quotes",
            Self::NotExpressible => "put the number into quotes",
            Self::Malformed | Self::Forged | Self::Type | Self::UnknownType => {
                "change encrypted files only with `sops edit`"
            }
        }))
    }
}

impl Explain for AgeError {
    fn hint(&self) -> Option<Hint> {
        Some(Hint::new(match self {
            Self::NoMatch { .. } => "encrypt the file for a recipient of this installation",
            _ => "write the file again with `age` or `sops updatekeys`",
        }))
    }
}
