//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code: a target that no longer holds
//! fails `cargo test`, not only a fuzzer that nobody has started. Each takes any bytes and
//! returns; what must not happen is a panic.

use crate::fields::{FieldPointer, FieldSet, withhold};
use crate::mask::{Masker, SALT_BYTES, mask};
use crate::quantity::{QUANTITY_BYTES_MAX, Quantity};
use crate::{Object, yaml};
use serde_json::Value;

/// Reading a file: no panic, and every place it names is in the file.
///
/// # Panics
/// When the promise is broken.
pub fn yaml_parse(bytes: &[u8]) {
    let parsed = yaml::parse("fuzz.yaml", bytes);
    let lines = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(1);
    for diagnostic in &parsed.diagnostics {
        assert!((1..=lines).contains(&diagnostic.line) && diagnostic.column >= 1, "{diagnostic}");
    }
    for manifest in &parsed.manifests {
        assert!((1..=lines).contains(&manifest.origin.line), "{}", manifest.origin);
        assert!(!manifest.object.kind().is_empty());
    }
}

/// Reading a quantity: no panic, and the printed form of a value that has one reads back, unless
/// the digits that its exponent gave up make it longer than a text may be.
///
/// # Panics
/// When the promise is broken.
pub fn quantity_parse(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(quantity) = Quantity::parse(text) else { return };
    assert_eq!(quantity, quantity.clone());
    let printed = quantity.canonical();
    let fits = printed.len() <= QUANTITY_BYTES_MAX;
    assert!(!fits || Quantity::parse(&printed).is_ok(), "{text}");
}

/// Reading managed fields: no panic, and a set that was read survives being written.
///
/// # Panics
/// When the promise is broken.
pub fn fields_v1(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(fields) = FieldSet::from_fields_v1(&value) else { return };
    assert_eq!(FieldSet::from_fields_v1(&fields.to_fields_v1()).as_ref(), Ok(&fields));
    assert_eq!(fields.union(&fields), fields);
    assert!(fields.difference(&fields).is_empty());
}

/// Masking a Secret whose only value is these bytes as text: the value is nowhere in the result.
///
/// # Panics
/// When the promise is broken.
pub fn mask_secret(bytes: &[u8]) {
    // Text that the rest of the object has anyway cannot be told from a leak.
    let secret = format!("canary-{}", String::from_utf8_lossy(bytes));
    let inside = serde_json::json!({"stringData": {"k": secret.as_str()}}).to_string();
    let document = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "a",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": inside},
        },
        "data": {"k": secret.as_str()},
        "stringData": {"k": secret.as_str()},
    });
    let Ok(object) = Object::from_value(document) else { return };
    let masked = mask(&object, &Masker::new([7; SALT_BYTES])).into_value();
    assert!(!masked.to_string().contains("canary-"), "{masked}");
}

/// Withholding fields: the first line is a pointer, the rest the `fieldsV1` of a live object. No
/// panic, and withholding twice is withholding once.
///
/// # Panics
/// When the promise is broken.
pub fn withhold_fields(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pointer, fields) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(pointer) = pointer.parse::<FieldPointer>() else { return };
    let Ok(fields) = serde_json::from_str::<Value>(fields) else { return };
    let document = |image: &str, fields: Value| {
        serde_json::json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "managedFields": fields},
            "spec": {"a": {"b": image}, "list": [{"name": "x", "image": image}, {"name": "y"}]}})
    };
    let entry = serde_json::json!([{"manager": "me", "operation": "Apply", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields}]);
    let live = Object::from_value(document("live", entry));
    let (Ok(live), Ok(mut once)) = (live, Object::from_value(document("wanted", Value::Null)))
    else {
        return;
    };
    let pointers = [pointer];
    withhold(&mut once, &live, "me", &pointers, &|_| false);
    let mut twice = once.clone();
    withhold(&mut twice, &live, "me", &pointers, &|_| false);
    assert_eq!(once, twice);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn managed_fields_survive_being_read_and_written(
            keys in prop::collection::vec(
                prop_oneof!["f:[a-z]{1,3}", Just(".".into()), "i:[0-9]{1,3}", "v:\"[a-z]\"", "\\PC{0,6}",
                    Just("k:{\"name\":\"a\"}".to_owned())], 0..8),
            raw in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let nested = keys.iter().rev().fold(serde_json::json!({}), |below, key: &String| {
                serde_json::json!({ key: below, "f:z": {} })
            });
            fields_v1(nested.to_string().as_bytes());
            fields_v1(&raw);
        }

        #[test]
        fn gitops_6_withholding_twice_is_withholding_once(
            steps in prop::collection::vec("spec|a|b|list|\\*|\\[name=[xy]\\]|image|0|1", 1..5),
            fields in prop_oneof![
                Just(r#"{"f:spec":{"f:a":{},"f:list":{"k:{\"name\":\"x\"}":{".":{},"f:name":{},"f:image":{}}}}}"#),
                Just(r#"{"f:spec":{"f:a":{"f:b":{}},"f:list":{}}}"#),
                Just("{}"),
            ],
        ) {
            withhold_fields(format!("/spec/{}\n{fields}", steps.join("/")).as_bytes());
        }

        #[test]
        fn gitops_13_no_secret_survives_masking(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            mask_secret(&bytes);
        }
    }
}
