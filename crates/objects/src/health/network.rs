//! Kinds that need an address.

use super::Health;
use crate::Object;
use serde_json::Value;

pub(super) fn service(object: &Object) -> Health {
    if object.str_at(&["spec", "type"]) == Some("LoadBalancer") {
        return with_address(object);
    }
    Health::healthy()
}

pub(super) fn ingress(object: &Object) -> Health {
    with_address(object)
}

fn with_address(object: &Object) -> Health {
    let addresses = object.at(&["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
    if addresses.is_none_or(Vec::is_empty) {
        return Health::progressing("no load balancer has given it an address yet");
    }
    Health::healthy()
}
