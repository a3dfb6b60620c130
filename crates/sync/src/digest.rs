//! What was applied, in 128 bits: two documents have one digest exactly when they are the same
//! JSON, whatever the order of their keys.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Bytes of a digest; half of a SHA-256, enough against accidents and against a birthday attack
/// on one's own repository.
pub const DIGEST_BYTES: usize = 16;

/// The digest of one desired object, or of a whole tree of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// The digest of a JSON value with its keys in order.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let mut hasher = Hasher::default();
        hasher.value(value);
        hasher.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At once: an inventory has as many as there are objects.
        let mut text = String::with_capacity(2 * DIGEST_BYTES);
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        f.write_str(&text)
    }
}

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; DIGEST_BYTES];
        if text.len() != 2 * DIGEST_BYTES || !text.is_ascii() {
            return Err(());
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2).ok_or(())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| ())?;
        }
        Ok(Self(bytes))
    }
}

/// A digest in the making, for a stream of byte strings or values.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds a byte string with its length, so that no two streams run into each other.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Adds a JSON value; keys are taken in order.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"n"),
            Value::Bool(true) => self.0.update(b"t"),
            Value::Bool(false) => self.0.update(b"f"),
            Value::Number(number) => {
                self.0.update(b"#");
                self.bytes(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.0.update(b"\"");
                self.bytes(text.as_bytes());
            }
            Value::Array(items) => {
                self.0.update(b"[");
                self.0.update((items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(map) => {
                self.0.update(b"{");
                self.0.update((map.len() as u64).to_be_bytes());
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                for (key, item) in entries {
                    self.bytes(key.as_bytes());
                    self.value(item);
                }
            }
        }
    }

    /// The digest of everything added.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut bytes = [0; DIGEST_BYTES];
        for (to, from) in bytes.iter_mut().zip(self.0.finalize()) {
            *to = from;
        }
        Digest(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_digest_is_stable_across_releases() {
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": [1, null, true]}});
        expect_test::expect!["d498e145bc7fbe88abec3b1d68dd9f31"]
            .assert_eq(&Digest::of(&value).to_string());
    }

    #[test]
    fn neighbouring_values_never_run_into_each_other() {
        let different = [
            json!(["ab", "c"]),
            json!(["a", "bc"]),
            json!([["ab"], "c"]),
            json!({"a": "b"}),
            json!(["a", "b"]),
            json!("1"),
            json!(1),
            json!(null),
            json!({}),
            json!([]),
        ];
        let digests: std::collections::BTreeSet<_> = different.iter().map(Digest::of).collect();
        assert_eq!(digests.len(), different.len());
    }

    proptest! {
        #[test]
        fn a_digest_survives_being_printed(text in ".*") {
            let digest = Digest::of(&Value::String(text));
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<Digest>();
        }
    }
}
