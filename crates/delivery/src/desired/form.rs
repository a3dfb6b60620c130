//! The form in which a document of the tree is applied.

use cluster::Resource;
use objects::Object;
use serde_json::Value;
use sync::name::DELIVERY_LABEL;

/// Metadata that the server writes; a manifest that was copied from a cluster carries it.
const SERVER_METADATA: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// What a document of the tree becomes before it is applied: in its namespace, labelled, and
/// without what only the server writes, so that a manifest copied from a cluster can be used.
pub(super) fn form(
    object: &mut Object,
    namespace: &str,
    resource: Option<&Resource>,
    delivery: &str,
) {
    if object.namespace().is_empty() && !namespace.is_empty() {
        object.set_namespace(namespace);
    }
    let metadata = object.metadata_mut();
    for field in SERVER_METADATA {
        metadata.remove(field);
    }
    // The server drops these when they are empty, and would give us the field as soon as somebody
    // else fills it: a write for nothing.
    for field in ["labels", "annotations"] {
        if metadata.get(field).is_some_and(is_nothing) {
            metadata.remove(field);
        }
    }
    let has_status =
        resource.is_some_and(|resource| resource.subresources.iter().any(|name| name == "status"));
    if has_status {
        object.as_map_mut().remove("status");
    }
    object.set_label(DELIVERY_LABEL, delivery);
}
