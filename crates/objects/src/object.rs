//! One Kubernetes object as the JSON document that the API server sees.

use crate::{GroupVersionKind, ObjectRef};
use serde_json::{Map, Value};

/// Why a document is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The document is a scalar or a list.
    #[error("the document is {found}, not a Kubernetes object")]
    NotAMap {
        /// What it is, with its article.
        found: &'static str,
    },
    /// A field that every object needs is absent or empty.
    #[error("`{field}` is missing")]
    Missing {
        /// Path of the field, without a leading dot.
        field: &'static str,
    },
    /// A field of every object has the wrong type.
    #[error("`{field}` is {found}, expected {expected}")]
    WrongType {
        /// Path of the field, without a leading dot.
        field: &'static str,
        /// What it must be, with its article.
        expected: &'static str,
        /// What it is, with its article.
        found: &'static str,
    },
}

/// A document with an `apiVersion`, a `kind` and a `metadata` map; nothing else is promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(pub(crate) Map<String, Value>);

impl Object {
    /// Checks the shape that every object has: `apiVersion` and `kind` non-empty strings,
    /// `metadata` a map (an absent one becomes empty).
    ///
    /// # Errors
    /// [`ShapeError`] names the field.
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        let Value::Object(mut map) = value else {
            return Err(ShapeError::NotAMap { found: article(&value) });
        };
        for field in ["apiVersion", "kind"] {
            match map.get(field) {
                None | Some(Value::Null) => return Err(ShapeError::Missing { field }),
                Some(Value::String(text)) if text.is_empty() => {
                    return Err(ShapeError::Missing { field });
                }
                Some(Value::String(_)) => {}
                Some(other) => {
                    let found = article(other);
                    return Err(ShapeError::WrongType { field, expected: "a string", found });
                }
            }
        }
        match map.entry("metadata").or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(_) => {}
            other => {
                let found = article(other);
                return Err(ShapeError::WrongType { field: "metadata", expected: "a map", found });
            }
        }
        Ok(Self(map))
    }

    /// The whole document.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The whole document, for rewriting. Keep `apiVersion`, `kind` and `metadata` in shape.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// The whole document as a JSON value.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// The value at a path of map keys: `object.at(&["spec", "replicas"])`.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.get(*first)?, |value, key| value.get(key))
    }

    /// The string at a path of map keys.
    #[must_use]
    pub fn str_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.str_at(&["apiVersion"]).unwrap_or_default()
    }

    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.str_at(&["kind"]).unwrap_or_default()
    }

    /// Group, version and kind as written.
    #[must_use]
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::from_api_version(self.api_version(), self.kind())
    }

    /// `metadata.name`, empty when absent.
    #[must_use]
    pub fn name(&self) -> &str {
        self.str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// `metadata.namespace`, empty when absent.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.str_at(&["metadata", "namespace"]).unwrap_or_default()
    }

    /// `metadata.uid` of a live object.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.str_at(&["metadata", "uid"])
    }

    /// `metadata.resourceVersion` of a live object.
    #[must_use]
    pub fn resource_version(&self) -> Option<&str> {
        self.str_at(&["metadata", "resourceVersion"])
    }

    /// `metadata.generation` of a live object.
    #[must_use]
    pub fn generation(&self) -> Option<i64> {
        self.at(&["metadata", "generation"])?.as_i64()
    }

    /// Whether deletion has begun (`metadata.deletionTimestamp`).
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.at(&["metadata", "deletionTimestamp"]).is_some_and(|value| !value.is_null())
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.str_at(&["metadata", "labels", key])
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.str_at(&["metadata", "annotations", key])
    }

    /// The identity, with the namespace as written.
    #[must_use]
    pub fn id(&self) -> ObjectRef {
        ObjectRef::new(self.gvk().group_kind(), self.namespace(), self.name())
    }

    /// The `metadata` map, for rewriting.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        let slot = self.0.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        match slot {
            Value::Object(map) => map,
            _ => unreachable!("the slot was made a map above"),
        }
    }

    /// Sets `metadata.namespace`; an empty one removes the field.
    pub fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            self.metadata_mut().remove("namespace");
        } else {
            self.metadata_mut().insert("namespace".to_owned(), Value::String(namespace.to_owned()));
        }
    }

    /// Sets one label.
    pub fn set_label(&mut self, key: &str, value: &str) {
        let labels =
            self.metadata_mut().entry("labels").or_insert_with(|| Value::Object(Map::new()));
        if !labels.is_object() {
            *labels = Value::Object(Map::new());
        }
        if let Value::Object(labels) = labels {
            labels.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    }
}

/// A JSON value's type with its article, for messages.
fn article(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_missing_or_misshapen_field_is_named() {
        let error = |value: Value| Object::from_value(value).unwrap_err().to_string();
        assert_eq!(error(json!([1])), "the document is a list, not a Kubernetes object");
        assert_eq!(error(json!({"kind": "Pod"})), "`apiVersion` is missing");
        assert_eq!(error(json!({"apiVersion": "v1", "kind": ""})), "`kind` is missing");
        assert_eq!(
            error(json!({"apiVersion": 1, "kind": "Pod"})),
            "`apiVersion` is a number, expected a string"
        );
        assert_eq!(
            error(json!({"apiVersion": "v1", "kind": "Pod", "metadata": []})),
            "`metadata` is a list, expected a map"
        );
    }

    #[test]
    fn labels_and_namespace_can_be_set_on_a_bare_object() {
        let mut object = Object::from_value(json!({"apiVersion": "v1", "kind": "Pod"})).unwrap();
        object.set_namespace("shop");
        object.set_label("a", "b");
        assert_eq!((object.namespace(), object.label("a")), ("shop", Some("b")));
        object.set_namespace("");
        assert_eq!(object.at(&["metadata", "namespace"]), None);
    }
}
