//! Fields that Go's own validation wants, of those that OpenAPI calls required.
//!
//! For a built-in kind "required" in the published document says only that the field is always
//! *written*; many of these the server fills in or does without (`roleRef.apiGroup`, the
//! `podSelector` of a NetworkPolicy). This list holds those that it refuses to miss; a test takes
//! each one from an object and asks a real API server.

/// A definition, without what all of them begin with, and its fields.
pub(crate) const ENFORCED: [(&str, &[&str]); 0] = [];

/// Whether the server refuses an object that lacks the field.
pub(crate) fn is_enforced(definition: &str, field: &str) -> bool {
    let name = definition.strip_prefix("io.k8s.api.").unwrap_or(definition);
    let found = ENFORCED.iter().find(|(definition, _)| *definition == name);
    found.is_some_and(|(_, fields)| fields.contains(&field))
}
