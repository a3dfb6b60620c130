//! Hides the values of Secrets in everything that a person or a log can see.
//!
//! A mask shows that a value is there and whether two values are equal, nothing else: not its
//! length, not its beginning. It is a keyed hash, so a short password cannot be guessed from
//! it without the salt, and masks of two runs cannot be compared.
//!
//! What is masked: `data` and `stringData` of every Secret and the copy of both that kubectl
//! leaves in its last-applied annotation, also inside a List. `data` is decoded first, so the
//! same value shows the same mask in `data` and in `stringData`. Kubernetes stores no other
//! field as a secret; a custom resource that holds one in plain text is not recognised.

use crate::diff::FieldChange;
use crate::{GroupKind, Object};
use base64::Engine as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Bytes of salt: as many as the hash can use without being longer than a guess is worth.
pub const SALT_BYTES: usize = 32;

/// Bytes of the keyed hash that are shown: two values of one run collide once in 2^32.
const SHOWN_BYTES: usize = 4;

/// The annotation in which `kubectl apply` keeps a copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Fields of a Secret whose every value is secret.
const SECRET_FIELDS: [&str; 2] = ["data", "stringData"];

/// Makes the masks of one run. Not `Debug`: the salt must not be printed.
#[derive(Clone)]
pub struct Masker {
    salt: [u8; SALT_BYTES],
}

impl Masker {
    /// A masker with a salt that the caller draws at random for each run and keeps nowhere.
    #[must_use]
    pub fn new(salt: [u8; SALT_BYTES]) -> Self {
        Self { salt }
    }

    /// The mask of some bytes: `(secret 5f2b90aa)`.
    #[must_use]
    pub fn bytes(&self, secret: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(secret);
        let mut mask = String::from("(secret ");
        for byte in hash.finalize().iter().take(SHOWN_BYTES) {
            let _ = write!(mask, "{byte:02x}");
        }
        mask.push(')');
        mask
    }

    /// Every scalar below `value` masked; `decode` says that strings are base64.
    fn value(&self, value: &Value, decode: bool) -> Value {
        match value {
            Value::Null => Value::Null,
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(item, decode)).collect())
            }
            Value::Object(map) => Value::Object(
                map.iter().map(|(name, value)| (name.clone(), self.value(value, decode))).collect(),
            ),
            Value::String(text) => {
                let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                let decoded = if decode {
                    base64::engine::general_purpose::STANDARD.decode(compact).ok()
                } else {
                    None
                };
                Value::String(self.bytes(decoded.as_deref().unwrap_or(text.as_bytes())))
            }
            scalar => Value::String(self.bytes(scalar.to_string().as_bytes())),
        }
    }
}

/// Whether objects of this kind hold secret values.
#[must_use]
pub fn is_secret(kind: &GroupKind) -> bool {
    kind.group.is_empty() && kind.kind == "Secret"
}

/// A copy of the object in which every secret value is masked; other kinds come back as they
/// are, Lists with their Secrets masked.
#[must_use]
pub fn mask(object: &Object, masker: &Masker) -> Object {
    let mut masked = object.clone();
    mask_map(masked.as_map_mut(), masker);
    masked
}

/// The same change with secret values masked; `kind` is the changed object's.
#[must_use]
pub fn mask_change(kind: &GroupKind, change: &FieldChange, masker: &Masker) -> FieldChange {
    if !is_secret(kind) {
        return change.clone();
    }
    let path = change.path.as_str();
    let side = |value: &Option<Value>| value.as_ref().map(|value| mask_at(path, value, masker));
    FieldChange {
        path: change.path.clone(),
        before: side(&change.before),
        after: side(&change.after),
    }
}

fn mask_map(map: &mut Map<String, Value>, masker: &Masker) {
    let text = |field: &str| map.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") == "v1" && text("kind") == "Secret" {
        return mask_secret(map, masker);
    }
    let of_secrets = text("apiVersion") == "v1" && text("kind") == "SecretList";
    if !text("kind").ends_with("List") {
        return;
    }
    let Some(Value::Array(items)) = map.get_mut("items") else { return };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        if of_secrets { mask_secret(item, masker) } else { mask_map(item, masker) }
    }
}

fn mask_secret(secret: &mut Map<String, Value>, masker: &Masker) {
    for field in SECRET_FIELDS {
        if let Some(values) = secret.get_mut(field) {
            *values = masker.value(values, field == "data");
        }
    }
    if let Some(copy) = secret
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
        .and_then(|annotations| annotations.get_mut(LAST_APPLIED))
    {
        *copy = masker.value(copy, false);
    }
}

/// Masks what is secret in the value at a printed path of a Secret.
fn mask_at(path: &str, value: &Value, masker: &Masker) -> Value {
    let below = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let annotation = path.strip_prefix(".metadata.annotations");
    if below(".data") {
        masker.value(value, true)
    } else if below(".stringData") || annotation.is_some_and(|rest| rest.contains(LAST_APPLIED)) {
        masker.value(value, false)
    } else if path.is_empty() || path == ".metadata" || path == ".metadata.annotations" {
        mask_holder(path, value, masker)
    } else {
        value.clone()
    }
}

/// Masks a value that holds secret fields: the object, its metadata or its annotations.
fn mask_holder(path: &str, value: &Value, masker: &Masker) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    let fields = map
        .iter()
        .map(|(name, value)| (name.clone(), mask_at(&format!("{path}.{name}"), value, masker)));
    Value::Object(fields.collect())
}

#[cfg(test)]
mod tests;
