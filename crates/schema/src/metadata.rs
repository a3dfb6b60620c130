//! `metadata` of an object, by hand: the server reads it the same way for every kind.
//!
//! What only the server writes is tolerated, because a manifest that was copied from a cluster has
//! it. Names are checked as strictly as the kind's rule is known for certain, else only for what
//! no name may contain.

use crate::names::{is_key, is_label, is_label_value, is_path_segment, is_subdomain};
use crate::validate::Walk;
use crate::violation::{Rule, Step};
use objects::GroupVersionKind;
use serde_json::Value;

/// Bytes of all annotations of an object together.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;

/// Fields that are text or a map of text.
const FIELDS: [(&str, Shape); 15] = [
    ("annotations", Shape::Annotations),
    ("creationTimestamp", Shape::Any),
    ("deletionGracePeriodSeconds", Shape::Any),
    ("deletionTimestamp", Shape::Any),
    ("finalizers", Shape::Any),
    ("generateName", Shape::Text),
    ("generation", Shape::Any),
    ("labels", Shape::Labels),
    ("managedFields", Shape::Any),
    ("name", Shape::Text),
    ("namespace", Shape::Text),
    ("ownerReferences", Shape::Any),
    ("resourceVersion", Shape::Any),
    ("selfLink", Shape::Any),
    ("uid", Shape::Any),
];

/// Kinds whose names are one DNS label; the group is empty for core.
const LABEL_NAMES: [(&str, &str); 2] = [("", "Namespace"), ("", "Service")];
/// Kinds whose names are DNS subdomains.
const SUBDOMAIN_NAMES: [(&str, &str); 19] = [
    ("", "ConfigMap"),
    ("", "LimitRange"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("", "ResourceQuota"),
    ("", "Secret"),
    ("", "ServiceAccount"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
];

#[derive(Clone, Copy)]
enum Shape {
    Any,
    Text,
    Labels,
    Annotations,
}

/// How the name of a kind is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameRule {
    Segment,
    Label,
    Subdomain,
}

impl NameRule {
    pub(crate) fn of(gvk: &GroupVersionKind, structural: bool) -> Self {
        let is = |(group, kind): &(&str, &str)| *group == gvk.group && *kind == gvk.kind;
        if LABEL_NAMES.iter().any(is) {
            Self::Label
        } else if structural || SUBDOMAIN_NAMES.iter().any(is) {
            Self::Subdomain
        } else {
            Self::Segment
        }
    }

    /// What is expected, when the name is not so.
    pub(crate) fn refuse(self, name: &str) -> Option<&'static str> {
        let (good, expected) = match self {
            Self::Segment => (is_path_segment(name), "a name without `/` and `%`"),
            Self::Label => {
                (is_label(name), "lower-case letters, digits and `-`, 63 characters at most")
            }
            Self::Subdomain => (
                is_subdomain(name),
                "lower-case letters, digits, `-` and `.`, 253 characters at most",
            ),
        };
        (!good && !name.is_empty()).then_some(expected)
    }
}

/// The `metadata` at the walk's place.
pub(crate) fn check<'a>(walk: &mut Walk<'a>, value: &'a Value) {
    let map = match value {
        Value::Object(map) => map,
        Value::Null => return,
        _ => {
            let allowed = Some("a map".to_owned());
            return walk.found(Rule::Type, "has another type".to_owned(), allowed, None);
        }
    };
    for (key, value) in map {
        let known = FIELDS.iter().find(|(field, _)| field == key);
        match known.map(|(_, shape)| *shape) {
            None => unknown(walk, key),
            Some(Shape::Any) => {}
            Some(Shape::Text) => text(walk, key, value),
            Some(Shape::Labels) => entries(walk, key, value, true),
            Some(Shape::Annotations) => entries(walk, key, value, false),
        }
    }
}

fn unknown<'a>(walk: &mut Walk<'a>, key: &'a str) {
    let suggestion = model::nearest(key, FIELDS.iter().map(|(field, _)| *field));
    walk.suggest(Step::Key(key), Rule::UnknownField, "unknown field", suggestion);
}

fn text<'a>(walk: &mut Walk<'a>, key: &'a str, value: &'a Value) {
    if !value.is_string() && !value.is_null() {
        walk.at(Step::Key(key), Rule::Type, "is no string", Some("a string"));
    }
}

/// Labels or annotations.
fn entries<'a>(walk: &mut Walk<'a>, field: &'a str, value: &'a Value, labels: bool) {
    let map = match value {
        Value::Object(map) => map,
        Value::Null => return,
        _ => return walk.at(Step::Key(field), Rule::Type, "is no map", Some("a map of strings")),
    };
    walk.enter(Step::Key(field));
    let mut bytes = 0_usize;
    for (key, value) in map {
        bytes = bytes.saturating_add(key.len()).saturating_add(value.as_str().map_or(0, str::len));
        if !is_key(key, !labels) {
            let allowed = "`name` or `prefix/name` of letters, digits, `-`, `_` and `.`, \
                           63 characters at most";
            walk.at(Step::Key(key), Rule::Metadata, "the key is not valid", Some(allowed));
        }
        match value {
            Value::String(text) if labels && !is_label_value(text) => {
                let allowed = "letters, digits, `-`, `_` and `.`, 63 characters at most, \
                               a letter or digit at both ends";
                walk.at(Step::Key(key), Rule::Metadata, "the value is not valid", Some(allowed));
            }
            Value::String(_) | Value::Null => {}
            _ => walk.at(Step::Key(key), Rule::Type, "is no string", Some("a string, in quotes")),
        }
    }
    if !labels && bytes > ANNOTATIONS_BYTES_MAX {
        let message = format!("the annotations have {bytes} bytes");
        let allowed = Some(format!("{ANNOTATIONS_BYTES_MAX} at most"));
        walk.found(Rule::Metadata, message, allowed, None);
    }
    walk.leave();
}
