//! Kubernetes schemas: OpenAPI v3 documents and CRDs compiled per kind, objects checked against
//! them. Pure.
//!
//! In: the text of an API server's `/openapi/v3/…` document, or a CustomResourceDefinition, and
//! objects. Out: every finding at once, with its path, what is allowed and what was meant. The
//! guarantee is one-sided: what the API server accepts is never refused here; what is accepted
//! here the server may still refuse (see the README for what is not checked).
//!
//! Limits: [`NODES_MAX`], [`DEPTH_MAX`], [`VALUE_DEPTH_MAX`], [`STEPS_MAX`], [`VIOLATIONS_MAX`],
//! [`PATTERN_BYTES_MAX`]. Errors: [`SchemaError`].

mod arena;
mod compile;
mod defaults;
mod error;
mod format;
pub mod fuzzing;
mod metadata;
mod names;
mod openapi;
mod pattern;
mod raw;
mod required;
mod said;
mod validate;
mod violation;

pub use error::SchemaError;
pub use metadata::ANNOTATIONS_BYTES_MAX;
pub use openapi::{compile, of_definition};
pub use pattern::PATTERN_BYTES_MAX;
pub use validate::Checked;
pub use violation::{Rule, Violation};

use arena::{Arena, NodeId};
use objects::{GroupVersionKind, Object};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Places of all kinds that are compiled together. The largest real definitions have some 20,000.
pub const NODES_MAX: usize = 1 << 18;
/// Levels of a schema as it is written, without references.
pub const DEPTH_MAX: usize = 100;
/// Levels of an object.
pub const VALUE_DEPTH_MAX: usize = 128;
/// Places that are looked at for one object, alternatives included.
pub const STEPS_MAX: usize = 2_000_000;
/// Findings for one object.
pub const VIOLATIONS_MAX: usize = 50;

#[cfg(test)]
mod tests;

/// Who reads the values of a kind on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Go types: nulls are absent, empty words are absent, most rules are not in the schema.
    Decoded,
    /// A CustomResourceDefinition's structural schema: defaults first, then every rule.
    Structural,
}

/// The schema of one kind.
#[derive(Clone)]
pub struct Schema {
    gvk: GroupVersionKind,
    arena: Arc<Arena>,
    root: NodeId,
    dialect: Dialect,
    name_rule: metadata::NameRule,
    rules: usize,
    defaults: bool,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("gvk", &self.gvk)
            .field("nodes", &self.arena.nodes.len())
            .finish_non_exhaustive()
    }
}

impl Schema {
    /// The kind.
    #[must_use]
    pub fn gvk(&self) -> &GroupVersionKind {
        &self.gvk
    }

    /// How many CEL rules (`x-kubernetes-validations`) only the server evaluates.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules
    }

    /// What the compiled form takes in memory, in bytes, shared with the kinds that were compiled
    /// together with this one, without regular expressions.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.arena.len_bytes()
    }

    /// Checks an object of this kind. Its `status` is not looked at.
    #[must_use]
    pub fn check(&self, object: &Object) -> Checked {
        let map = object.as_map();
        let map = if self.dialect == Dialect::Structural && self.needs_defaults(map) {
            let mut filled = map.clone();
            defaults::Defaults::new(&self.arena).root(self.root, &mut filled);
            Cow::Owned(filled)
        } else {
            Cow::Borrowed(map)
        };
        let secret = self.gvk.group.is_empty() && self.gvk.kind == "Secret";
        let mut walk = validate::Walk::new(&self.arena, self.dialect, secret);
        walk.root(self.root, &map);
        if let Some(expected) = self.name_rule.refuse(object.name()) {
            walk.name(expected);
        }
        walk.finish()
    }

    fn needs_defaults(&self, object: &serde_json::Map<String, Value>) -> bool {
        let written = |(key, value): (&String, &Value)| {
            !matches!(key.as_str(), "metadata" | "status")
                && defaults::has_null(value, VALUE_DEPTH_MAX)
        };
        self.defaults || object.iter().any(written)
    }
}
