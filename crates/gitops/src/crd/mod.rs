//! The CustomResourceDefinition of `GitSync` as a document.
//!
//! It is built by code next to the structs it describes, and a test holds the two together: every
//! field of a struct is in the schema, and every field of the schema is in a struct. The strict
//! reader of files ([`crate::file`]) walks the same schema, so a field means the same in a file
//! and in the cluster.

mod schema;
mod status;

pub(crate) use schema::agent_spec;

use crate::spec::{CRD_NAME, GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION};
use serde_json::{Value, json};

/// The whole document.
#[must_use]
pub fn document() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": "GitSyncList",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["orlop"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": openapi()},
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
            }],
        },
    })
}

/// The schema of one object.
#[must_use]
pub fn openapi() -> Value {
    json!({
        "type": "object",
        "description": "GitSync keeps a part of the cluster equal to a tree of a Git repository.",
        "required": ["spec"],
        "x-kubernetes-validations": [{
            "rule": "self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",
            "message": "the name must have at most 63 characters and no dot: it is a label's value",
        }],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": schema::spec(),
            "status": status::status(),
        },
    })
}

fn columns() -> Value {
    let condition = |path: &str| format!(".status.conditions[?(@.type==\"Ready\")].{path}");
    json!([
        {"name": "Ready", "type": "string", "jsonPath": condition("status")},
        {"name": "Revision", "type": "string", "jsonPath": ".status.appliedRevision"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Status", "type": "string", "jsonPath": condition("message")},
        {"name": "URL", "type": "string", "jsonPath": ".spec.source.url", "priority": 1},
        {"name": "Suspended", "type": "boolean", "jsonPath": ".spec.suspend", "priority": 1},
    ])
}

#[cfg(test)]
mod tests;
