//! The entries of `metadata.managedFields`: who owns which fields.

use super::{FieldSet, FieldsError};
use crate::Object;
use serde_json::Value;
use std::fmt;

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Server-side apply: the manager says which fields it wants.
    Apply,
    /// Create, update or patch: the server noticed which fields it changed.
    Update,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        })
    }
}

/// One entry of `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedEntry {
    /// Name of the manager.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// The `apiVersion` in which the fields are named.
    pub api_version: String,
    /// The subresource it wrote through, empty for the object itself.
    pub subresource: String,
    /// What it owns.
    pub fields: FieldSet,
}

/// All entries of one object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ManagedFields {
    /// In the order of the object.
    pub entries: Vec<ManagedEntry>,
}

impl ManagedFields {
    /// Reads `metadata.managedFields`; an absent one has no entries.
    ///
    /// # Errors
    /// [`FieldsError`] when it is not what an API server writes.
    pub fn of(object: &Object) -> Result<Self, FieldsError> {
        let stored = match object.at(&["metadata", "managedFields"]) {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(stored)) => stored,
            Some(_) => return Err(FieldsError::Entry { index: 0, field: "managedFields" }),
        };
        let entries = stored.iter().enumerate().map(|(index, entry)| read_entry(index, entry));
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    /// The Apply entry of a manager on the object itself.
    #[must_use]
    pub fn applied_by(&self, manager: &str) -> Option<&ManagedEntry> {
        self.entries.iter().find(|entry| {
            entry.manager == manager
                && entry.operation == Operation::Apply
                && entry.subresource.is_empty()
        })
    }

    /// The entries that own the field which prints as `path` (see
    /// [`FieldSet::covers_printed`]).
    #[must_use]
    pub fn owners_of(&self, path: &str) -> Vec<&ManagedEntry> {
        self.entries.iter().filter(|entry| entry.fields.covers_printed(path)).collect()
    }
}

fn read_entry(index: usize, entry: &Value) -> Result<ManagedEntry, FieldsError> {
    let text = |field: &'static str| match entry.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(FieldsError::Entry { index, field }),
    };
    let operation = match text("operation")?.as_str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(FieldsError::Entry { index, field: "operation" }),
    };
    let fields = match entry.get("fieldsV1") {
        None | Some(Value::Null) => FieldSet::default(),
        Some(fields) => FieldSet::from_fields_v1(fields)?,
    };
    Ok(ManagedEntry {
        manager: text("manager")?,
        operation,
        api_version: text("apiVersion")?,
        subresource: text("subresource")?,
        fields,
    })
}
