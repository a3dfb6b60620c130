//! What is known about the kinds of Kubernetes itself, where a document alone does not tell:
//! which fields are quantities, which zero values the server drops, what it fills in inside an
//! atomic field, which maps and lists are owned as a whole.
//!
//! Every table here may be incomplete, never wrong: a missing row costs a dry run (the proof
//! says "unproven"), a wrong row would hide drift. Nothing here applies to custom resources,
//! which are stored as they are sent.

use crate::fields::PathElement;
use crate::quantity::Quantity;
use crate::{GroupKind, order};
use base64::Engine as _;
use serde_json::Value;

/// Largest text compared as a quantity, in bytes.
const MAX_QUANTITY_BYTES: usize = 64;

/// Fields that the server drops when they hold the zero value (`false`, `0`, `""`), because
/// their Go type is not a pointer and says `omitempty`.
const DROPPED_WHEN_ZERO: [&str; 29] = [
    "apiGroup",
    "description",
    "generateName",
    "host",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "hostname",
    "initialDelaySeconds",
    "medium",
    "message",
    "minReadySeconds",
    "name",
    "namespace",
    "nodeName",
    "nodePort",
    "paused",
    "prefix",
    "preserveUnknownFields",
    "priorityClassName",
    "publishNotReadyAddresses",
    "readOnly",
    "serviceAccountName",
    "stdin",
    "stdinOnce",
    "subPath",
    "tty",
    "value",
];

/// Maps that the server drops when they are empty: maps of strings. An empty struct, such as
/// `securityContext: {}`, is kept, so its absence is a difference.
const DROPPED_WHEN_EMPTY: [&str; 13] = [
    "annotations",
    "binaryData",
    "capacity",
    "data",
    "hard",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "overhead",
    "parameters",
    "requests",
    "stringData",
];

/// Maps that are owned as a whole, by the field that holds them: every field of the OpenAPI
/// document of Kubernetes 1.37 whose type says `x-kubernetes-map-type: atomic`. The names are
/// specific enough that a custom resource that uses one of them embeds the type of that name.
const ATOMIC_MAPS: [&str; 33] = [
    "claimRef",
    "configMapKeyRef",
    "controllerExpandSecretRef",
    "controllerPublishSecretRef",
    "dataSource",
    "fieldRef",
    "fileKeyRef",
    "involvedObject",
    "labelSelector",
    "matchConstraints",
    "matchResources",
    "namespaceSelector",
    "nodeExpandSecretRef",
    "nodePublishSecretRef",
    "nodeSelector",
    "nodeStageSecretRef",
    "nodeTopology",
    "objectSelector",
    "paramKind",
    "paramRef",
    "podSelector",
    "preference",
    "regarding",
    "related",
    "required",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "resourceFieldRef",
    "roleRef",
    "scopeSelector",
    "secretKeyRef",
    "secretRef",
    "selector",
    "targetRef",
];

/// Ends of the names that custom resources give to the atomic types of Kubernetes that they embed:
/// label selectors, and references to a key of a Secret or a `ConfigMap`.
const ATOMIC_SUFFIXES: [&str; 2] = ["Selector", "KeyRef"];

/// As [`ATOMIC_MAPS`], for names that are merged field by field elsewhere: the field that holds
/// the map and the one above it.
const ATOMIC_MAPS_BELOW: [(&str, &str); 4] = [
    ("service", "port"),
    ("backend", "resource"),
    ("defaultBackend", "resource"),
    ("metric", "selector"),
];

/// Lists that the API merges item by item, so that an empty one owns nothing. Only for kinds
/// with a pod template, pods and services.
const MERGED_LISTS: [&str; 14] = [
    "containers",
    "env",
    "ephemeralContainers",
    "hostAliases",
    "imagePullSecrets",
    "initContainers",
    "ports",
    "resourceClaims",
    "schedulingGates",
    "secrets",
    "topologySpreadConstraints",
    "volumeDevices",
    "volumeMounts",
    "volumes",
];

/// Kinds to which [`MERGED_LISTS`] and the granular maps of a pod apply.
const POD_KINDS: [(&str, &str); 11] = [
    ("", "Pod"),
    ("", "PodTemplate"),
    ("", "ReplicationController"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
];

/// What the server fills in inside a field that is owned as a whole: the map's field, the
/// filled-in field, its value as JSON text.
const FILLED_IN: [(&str, &str, &str); 10] = [
    ("fieldRef", "apiVersion", "\"v1\""),
    ("resourceFieldRef", "divisor", "\"0\""),
    ("roleRef", "apiGroup", "\"rbac.authorization.k8s.io\""),
    ("serviceAccountToken", "expirationSeconds", "3600"),
    ("ports", "protocol", "\"TCP\""),
    ("rules", "scope", "\"*\""),
    ("volumeClaimTemplates", "apiVersion", "\"v1\""),
    ("volumeClaimTemplates", "kind", "\"PersistentVolumeClaim\""),
    ("volumeClaimTemplates", "status", "{\"phase\":\"Pending\"}"),
    ("spec", "volumeMode", "\"Filesystem\""),
];

/// A place in an object: its kind and the names of the fields on the way, list items left out.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    kind: &'a GroupKind,
    built_in: bool,
    names: &'a [&'a str],
}

impl<'a> Place<'a> {
    pub(crate) fn new(kind: &'a GroupKind, built_in: bool, names: &'a [&'a str]) -> Self {
        Self { kind, built_in, names }
    }

    fn last(&self) -> &'a str {
        self.names.last().copied().unwrap_or_default()
    }

    fn is_core(&self, kind: &str) -> bool {
        self.kind.group.is_empty() && self.kind.kind == kind
    }

    fn has_pods(&self) -> bool {
        POD_KINDS.iter().any(|(group, kind)| *group == self.kind.group && *kind == self.kind.kind)
    }

    /// Inside `labels`, `annotations` or `data`, where names are the user's.
    fn is_free_text(&self) -> bool {
        let Some((_, above)) = self.names.split_last() else { return false };
        above.iter().any(|name| matches!(*name, "labels" | "annotations" | "matchLabels"))
            || above.first().is_some_and(|name| matches!(*name, "data" | "stringData"))
    }

    /// Whether the server stores both values in the same way.
    pub(crate) fn same_scalar(&self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::String(x), Value::String(y)) if x == y => true,
            (Value::Number(x), Value::Number(y)) if x == y => true,
            (Value::Number(x), Value::Number(y)) if x.is_f64() || y.is_f64() => {
                x.as_f64() == y.as_f64()
            }
            (Value::String(x), Value::String(y)) if self.is_base64() => same_bytes(x, y),
            _ if a == b => true,
            _ => self.built_in && self.is_quantity() && same_quantity(a, b),
        }
    }

    /// As [`Place::same_scalar`], and quantities of `resources` in custom resources too:
    /// a controller that rewrote `0.1` as `100m` did not change anything.
    pub(crate) fn same_meaning(&self, a: &Value, b: &Value) -> bool {
        self.same_scalar(a, b) || (self.is_resources() && same_quantity(a, b))
    }

    fn is_base64(&self) -> bool {
        match self.names {
            ["data", _] => self.is_core("Secret"),
            ["binaryData", _] => self.is_core("ConfigMap"),
            _ => false,
        }
    }

    fn is_resources(&self) -> bool {
        matches!(self.names, ["spec", .., "resources", "requests" | "limits", _])
    }

    fn is_quantity(&self) -> bool {
        if self.is_free_text() {
            return false;
        }
        match self.names {
            ["spec", .., "emptyDir", "sizeLimit"]
            | ["spec", .., "resourceFieldRef", "divisor"]
            | ["spec", .., "overhead", _]
            | ["overhead", "podFixed", _] => true,
            ["spec", "capacity", _] => self.is_core("PersistentVolume"),
            ["spec", "hard", _] => self.is_core("ResourceQuota"),
            ["spec", "limits", _, _] => self.is_core("LimitRange"),
            ["spec", .., "averageValue" | "value"] => {
                self.kind.group == "autoscaling" && self.kind.kind == "HorizontalPodAutoscaler"
            }
            _ => self.is_resources(),
        }
    }

    /// Whether a desired zero value and an absent live one are the same to the server.
    pub(crate) fn is_dropped(&self, desired: &Value) -> bool {
        if let ["metadata", "labels" | "annotations" | "finalizers" | "ownerReferences"] =
            self.names
        {
            return is_empty(desired);
        }
        if !self.built_in || self.is_free_text() {
            return false;
        }
        let zero = match desired {
            Value::Null => return true,
            Value::Array(items) => return items.is_empty(),
            Value::Object(map) => {
                return map.is_empty() && DROPPED_WHEN_EMPTY.contains(&self.last());
            }
            Value::Bool(on) => !on,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
        };
        zero && DROPPED_WHEN_ZERO.contains(&self.last())
    }

    /// Whether the server fills in this field with this value where it is absent, inside a field
    /// that is owned as a whole. The place is the one of the map that holds the field.
    pub(crate) fn is_filled_in(&self, holder: &Value, field: &str, live: &Value) -> bool {
        if live.is_null() {
            return true;
        }
        if !self.built_in || self.is_free_text() {
            return false;
        }
        if (self.last(), field) == ("subjects", "apiGroup") {
            let is_account = holder.get("kind").and_then(Value::as_str) == Some("ServiceAccount");
            return live.as_str()
                == Some(if is_account { "" } else { "rbac.authorization.k8s.io" });
        }
        if field == "volumeMode" && !self.names.contains(&"volumeClaimTemplates") {
            return false;
        }
        let live = live.to_string();
        FILLED_IN
            .iter()
            .any(|(map, name, value)| *map == self.last() && *name == field && *value == live)
    }

    /// Whether a map in this place is owned as a whole when its only owned path is itself.
    pub(crate) fn is_atomic_map(&self) -> bool {
        let is_below = match self.names {
            [.., above, last] => self.built_in && ATOMIC_MAPS_BELOW.contains(&(*above, *last)),
            _ => false,
        };
        let last = self.last();
        let is_embedded = ATOMIC_SUFFIXES.iter().any(|suffix| last.ends_with(suffix));
        !self.is_free_text() && (is_below || is_embedded || ATOMIC_MAPS.contains(&last))
    }

    /// Whether a list in this place is merged item by item.
    pub(crate) fn is_merged_list(&self) -> bool {
        match self.names {
            ["metadata", "finalizers" | "ownerReferences"] => true,
            ["imagePullSecrets"] => false,
            _ => self.has_pods() && !self.is_free_text() && MERGED_LISTS.contains(&self.last()),
        }
    }

    /// Whether an empty map in this place says nothing about what the map holds, because it is
    /// merged field by field.
    pub(crate) fn is_merged_map(&self) -> bool {
        match self.names {
            ["metadata", "labels" | "annotations"] => true,
            ["spec", "strategy" | "updateStrategy"]
            | ["spec", .., "template", "metadata"]
            | ["spec", .., "template", "metadata", "labels" | "annotations"]
            | ["spec", .., "spec", "securityContext"]
            | ["spec", .., "containers" | "initContainers", "securityContext" | "resources"] => {
                self.has_pods()
            }
            ["spec", "securityContext"] => self.is_core("Pod"),
            _ => false,
        }
    }

    /// Whether the server ignores this field of an apply: `status` has its own endpoint.
    pub(crate) fn is_reset(&self) -> bool {
        self.built_in && matches!(self.names, ["status"])
    }
}

/// The names of the fields of a path.
pub(crate) fn names(path: &[PathElement]) -> Vec<&str> {
    path.iter()
        .filter_map(|element| match element {
            PathElement::Field(name) => Some(&**name),
            _ => None,
        })
        .collect()
}

/// Whether the kind is one of Kubernetes' own.
pub(crate) fn is_built_in(kind: &GroupKind) -> bool {
    order::is_built_in(kind)
}

/// Null, or a list or map without anything in it.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn same_quantity(a: &Value, b: &Value) -> bool {
    let parse = |value: &Value| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if text.len() > MAX_QUANTITY_BYTES {
            return None;
        }
        Quantity::parse(&text).ok()
    };
    matches!((parse(a), parse(b)), (Some(a), Some(b)) if a == b)
}

fn same_bytes(a: &str, b: &str) -> bool {
    let decode = |text: &str| {
        let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        base64::engine::general_purpose::STANDARD.decode(text).ok()
    };
    matches!((decode(a), decode(b)), (Some(a), Some(b)) if a == b)
}
