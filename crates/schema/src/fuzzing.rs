//! The bodies of the fuzz targets in `fuzz/`, run by the property tests too.

use crate::{VIOLATIONS_MAX, compile, of_definition};
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};

/// Any bytes as an OpenAPI document, and any JSON as the schema of a CRD: no panic, no endless
/// work, no more findings than the bound.
///
/// # Panics
/// When the promise is broken.
pub fn compile_schema(bytes: &[u8]) {
    let gvk = GroupVersionKind::from_api_version("g/v1", "K");
    let mut schemas = Vec::new();
    if let Ok(found) = compile(bytes, std::slice::from_ref(&gvk)) {
        schemas.extend(found.into_values().flatten());
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ks.g"},
        "spec": {"group": "g", "names": {"kind": "K"}, "versions": [
            {"name": "v1", "served": true, "schema": {"openAPIV3Schema": value.clone()}}]}
    });
    if let Ok(definition) = Object::from_value(definition) {
        schemas.extend(of_definition(&definition).unwrap_or_default());
    }
    // The bytes are an object of the kind as well.
    let object = json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a"},
        "spec": value.clone(), "status": null, "a": value});
    let Ok(object) = Object::from_value(object) else { return };
    for schema in schemas {
        let checked = schema.check(&object);
        assert!(checked.violations.len() <= VIOLATIONS_MAX);
    }
}
