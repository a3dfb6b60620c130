//! Documents encrypted by SOPS with age keys: decrypted, and checked to be whole. Pure.
//!
//! The bytes of a YAML or JSON file and the age [`Identities`] go in; the plain documents come
//! out as [`Decrypted`], or a [`SopsError`] that says what is wrong and where. Nothing comes out
//! of a file whose message authentication code does not hold, and nothing is written anywhere:
//! no files, no logs, no clock, no randomness.
//!
//! Limits: files up to [`FILE_BYTES_MAX`], [`DEPTH_MAX`] levels; the bounds of keys are in
//! [`age`]. Values live in memory that is cleared when [`Decrypted`] is dropped.

pub mod age;
mod cipher;
mod document;
mod error;
pub mod fuzzing;
mod metadata;
mod rules;
mod walk;

pub use age::{Diagnostic, Identities};
pub use document::DEPTH_MAX;
pub use error::{SopsError, ValueError};

use document::Documents;
use metadata::Metadata;
use serde_json::Value;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Larger files are refused, in bytes. An etcd object has at most 1.5 MiB.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// The format of an encrypted file. SOPS tells it from the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One or more YAML documents.
    Yaml,
    /// One JSON object.
    Json,
    /// `KEY=value` lines: refused by name.
    Dotenv,
    /// An INI file: refused by name.
    Ini,
    /// Any other file, in an envelope: refused by name.
    Binary,
}

impl Format {
    /// The format of a file as SOPS tells it from the name.
    #[must_use]
    pub fn of_file(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("env") => Self::Dotenv,
            Some("ini") => Self::Ini,
            _ => Self::Binary,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Dotenv => "dotenv",
            Self::Ini => "INI",
            Self::Binary => "binary",
        })
    }
}

/// The plain documents of a file. Memory is cleared on drop, and `Debug` shows no value.
#[derive(PartialEq, Eq)]
pub struct Decrypted {
    documents: Vec<Value>,
}

impl Decrypted {
    /// The documents in their order in the file, without the key `sops`.
    #[must_use]
    pub fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// Hands the documents over; from here on the caller keeps the secrets.
    #[must_use]
    pub fn into_documents(mut self) -> Vec<Value> {
        std::mem::take(&mut self.documents)
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted({} documents, masked)", self.documents.len())
    }
}

impl Drop for Decrypted {
    fn drop(&mut self) {
        self.documents.iter_mut().for_each(clear);
    }
}

fn clear(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(clear),
        Value::Object(fields) => fields.values_mut().for_each(clear),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a document that was read as it is looks like one encrypted by SOPS: it has a mapping
/// `sops` with a `mac` in it, or with key material.
#[must_use]
pub fn is_encrypted(document: &Value) -> bool {
    let sops = document.get("sops").and_then(Value::as_object);
    sops.is_some_and(|sops| {
        ["mac", "lastmodified", "age", "key_groups"].iter().any(|key| sops.contains_key(*key))
    })
}

/// Decrypts a file and checks that it is as its writer left it.
///
/// # Errors
/// When the format is not accepted, the file cannot be read, no identity fits one of its
/// recipients, a value was changed or moved, or the message authentication code does not hold.
pub fn decrypt(bytes: &[u8], format: Format, keys: &Identities) -> Result<Decrypted, SopsError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(SopsError::TooLarge);
    }
    let mut documents = match format {
        Format::Yaml => Documents::from_yaml(bytes)?,
        Format::Json => Documents::from_json(bytes)?,
        Format::Dotenv | Format::Ini | Format::Binary => return Err(SopsError::Format { format }),
    };
    let metadata = Metadata::take(&mut documents)?;
    let key = data_key(&metadata, keys)?;
    walk::decrypt(&mut documents, &metadata, &key)?;
    Ok(Decrypted { documents: documents.to_values()? })
}

/// The key of the file's values, from the first recipient that one of the identities fits.
fn data_key(metadata: &Metadata, keys: &Identities) -> Result<Zeroizing<[u8; 32]>, SopsError> {
    let mut failed = None;
    for recipient in &metadata.recipients {
        let name = || recipient.name.clone();
        match age::decrypt(recipient.armoured.as_bytes(), keys) {
            Ok(key) => {
                return <[u8; 32]>::try_from(key.as_slice())
                    .map(Zeroizing::new)
                    .map_err(|_| SopsError::DataKeyLength { recipient: name() });
            }
            Err(age::AgeError::NoMatch { .. }) => {}
            // A broken entry does not hide a good one behind it.
            Err(source) => {
                failed = failed.or(Some(SopsError::DataKey { recipient: name(), source }));
            }
        }
    }
    Err(failed.unwrap_or_else(|| SopsError::NoKey {
        recipients: metadata.recipients.iter().map(|recipient| recipient.name.clone()).collect(),
        services: metadata.services.clone(),
    }))
}

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_18_a_debug_print_shows_no_value() {
        let decrypted = Decrypted { documents: vec![serde_json::json!({"a": "canary"})] };
        assert_eq!(format!("{decrypted:?}"), "Decrypted(1 documents, masked)");
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        for (name, word) in
            [("a.env", "dotenv"), ("b.ini", "INI"), ("c.txt", "binary"), ("d", "binary")]
        {
            let format = Format::of_file(name);
            let error = decrypt(b"x", format, &Identities::default()).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(Format::of_file("a.b.yml"), Format::Yaml);
        assert_eq!(Format::of_file("a.json"), Format::Json);
    }

    #[test]
    fn the_bound_of_a_file_is_exact() {
        let of = |length| {
            decrypt(&vec![b'#'; length], Format::Yaml, &Identities::default()).unwrap_err()
        };
        assert!(!matches!(of(FILE_BYTES_MAX), SopsError::TooLarge));
        assert!(matches!(of(FILE_BYTES_MAX + 1), SopsError::TooLarge));
    }

    #[test]
    fn encrypted_documents_are_told_from_plain_ones() {
        assert!(is_encrypted(&serde_json::json!({"sops": {"mac": "x"}})));
        assert!(!is_encrypted(&serde_json::json!({"sops": {"description": "x"}})));
        assert!(!is_encrypted(&serde_json::json!({"sops": "x", "mac": 1})));
    }
}
