//! Promises of this module.

use super::*;
use crate::diff::diff;
use serde_json::json;

const CANARY: &str = "canary-5f2b";

fn masker(salt: u8) -> Masker {
    Masker::new([salt; SALT_BYTES])
}

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn encoded(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn secret(value: &str) -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "annotations": {
            LAST_APPLIED: format!("{{\"stringData\":{{\"a\":\"{value}\"}}}}"), "note": "kept"}},
        "data": {"a": encoded(value), "other": encoded("x")},
        "stringData": {"b": value},
    }))
}

fn shows(text: &str, value: &str) -> bool {
    text.contains(value) || text.contains(&encoded(value))
}

#[test]
fn gitops_13_no_value_of_a_secret_is_shown() {
    let masked = mask(&secret(CANARY), &masker(1));
    let text = masked.clone().into_value().to_string();
    assert!(!shows(&text, CANARY), "{text}");
    assert_eq!(masked.annotation("note"), Some("kept"));
    assert_eq!(masked.name(), "s");
}

#[test]
fn gitops_13_equal_values_show_equal_masks_in_data_and_string_data() {
    let masked = mask(&secret(CANARY), &masker(1));
    let at = |path: &[&str]| masked.str_at(path).unwrap().to_owned();
    assert_eq!(at(&["data", "a"]), at(&["stringData", "b"]));
    assert_ne!(at(&["data", "a"]), at(&["data", "other"]));
}

#[test]
fn gitops_13_masks_of_two_runs_cannot_be_compared() {
    assert_ne!(masker(1).bytes(b"x"), masker(2).bytes(b"x"));
}

#[test]
fn gitops_13_a_mask_does_not_tell_the_length() {
    let lengths = ["", "a", &"a".repeat(1000)].map(|text| masker(1).bytes(text.as_bytes()).len());
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
}

#[test]
fn gitops_13_secrets_inside_lists_are_masked() {
    let bare = json!({"metadata": {"name": "s"}, "data": {"a": encoded(CANARY)}});
    for (kind, item) in [("List", secret(CANARY).into_value()), ("SecretList", bare)] {
        let list = object(json!({"apiVersion": "v1", "kind": kind, "items": [item]}));
        let text = mask(&list, &masker(1)).into_value().to_string();
        assert!(!shows(&text, CANARY), "{text}");
    }
}

#[test]
fn other_kinds_come_back_as_they_are() {
    let config = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {},
        "data": {"a": "b"}}));
    assert_eq!(mask(&config, &masker(1)), config);
    let same_name = object(json!({"apiVersion": "example.com/v1", "kind": "Secret",
        "metadata": {}, "data": {"a": "b"}}));
    assert_eq!(mask(&same_name, &masker(1)), same_name);
}

#[test]
fn gitops_13_changes_of_a_secret_are_masked_at_every_depth() {
    let kind = GroupKind::new("", "Secret");
    let holders = [
        (".data", json!({"a": encoded(CANARY)})),
        (".data.a", json!(encoded(CANARY))),
        (".stringData", json!({"a": CANARY})),
        (".stringData.a", json!(CANARY)),
        (
            "",
            json!({"data": {"a": encoded(CANARY)}, "metadata": {"annotations": {LAST_APPLIED: CANARY}}}),
        ),
        (".metadata", json!({"annotations": {LAST_APPLIED: CANARY}})),
        (".metadata.annotations", json!({LAST_APPLIED: CANARY})),
        (".metadata.annotations.kubectl.kubernetes.io/last-applied-configuration", json!(CANARY)),
    ];
    for (path, value) in holders {
        let change = FieldChange { path: path.to_owned(), before: None, after: Some(value) };
        let masked = mask_change(&kind, &change, &masker(1));
        assert!(!shows(&masked.after.unwrap().to_string(), CANARY), "{path}");
    }
}

#[test]
fn gitops_13_a_diff_of_secrets_shows_that_a_value_changed_but_not_what() {
    let kind = GroupKind::new("", "Secret");
    let changes = diff(&secret(CANARY), &secret("another-canary"));
    assert!(!changes.is_empty());
    for change in &changes {
        let masked = mask_change(&kind, change, &masker(1));
        let text = serde_json::to_string(&masked).unwrap();
        assert!(!shows(&text, CANARY) && !shows(&text, "another-canary"), "{text}");
        assert_ne!(masked.before, masked.after);
    }
}
