//! What records have in common: the resource they come from and the scope that made them.
//!
//! Encoded once and kept by the caller (one for each container, file or unit), because a request
//! then only copies it.

use crate::proto;
use crate::room;
use crate::value::{self, Value};

/// A resource and a scope, as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Field 1 of `ResourceLogs`, tag included.
    pub(crate) resource: Vec<u8>,
    /// Field 1 of `ScopeLogs`, tag included.
    pub(crate) scope: Vec<u8>,
    /// Field 3 of `ResourceLogs`, tag included; may be empty.
    pub(crate) resource_schema: Vec<u8>,
}

impl Origin {
    /// A resource with these attributes and a scope without a name.
    #[must_use]
    pub fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Self {
        let attributes: Vec<(&str, Value<'_>)> = attributes.into_iter().collect();
        let content = room::grown(|mut room| {
            for (key, value) in &attributes {
                room = value::key_value(room, 1, key, value)?;
            }
            Some(room)
        });
        let mut resource = Vec::new();
        proto::bytes(&mut resource, 1, &content);
        Self { resource, scope: Vec::new(), resource_schema: Vec::new() }
    }

    /// With the name and version of the scope, for example the program that reads the lines.
    #[must_use]
    pub fn with_scope(mut self, name: &str, version: &str) -> Self {
        self.scope.clear();
        let open = proto::open(&mut self.scope, 1);
        for (field, text) in [(1, name), (2, version)] {
            if !text.is_empty() {
                proto::bytes(&mut self.scope, field, text.as_bytes());
            }
        }
        proto::close(&mut self.scope, open);
        self
    }

    /// With the address of the schema that the resource's attributes follow.
    #[must_use]
    pub fn with_schema(mut self, url: &str) -> Self {
        self.resource_schema.clear();
        if !url.is_empty() {
            proto::bytes(&mut self.resource_schema, 3, url.as_bytes());
        }
        self
    }

    /// How many bytes it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.resource.len() + self.scope.len() + self.resource_schema.len()
    }
}
