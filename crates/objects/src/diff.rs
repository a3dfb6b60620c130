//! Which fields differ between two states of one object, in a form for people and plans.
//!
//! The comparison is normalised: what the server alone writes (`status`, `managedFields`,
//! `resourceVersion` and the like) is left out, `null` equals an absent field, quantities are
//! compared by value where the field is one, and a Secret's `stringData` is shown as the `data`
//! it becomes. Lists of maps are matched by the key that the API merges them by, so a container
//! that moved is not shown as two changed ones; a list whose items only changed places is one
//! change of the whole list.
//!
//! Paths print as kubectl prints them: `.spec.template.spec.containers[name="web"].image`.
//! The result is sorted by position and depends on nothing but the two documents.

use crate::builtin::{self, Place};
use crate::fields::PathElement;
use crate::{GroupKind, Object};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Fields of `metadata` that only the server writes.
const SERVER_METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Fields by which the items of a list are matched, by the name of the list. The first row
/// whose fields every item has, with no two items alike, is used.
const LIST_KEYS: [(&str, &[&str]); 9] = [
    ("ports", &["containerPort", "protocol"]),
    ("ports", &["port", "protocol"]),
    ("ports", &["port"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("hostAliases", &["ip"]),
    ("ownerReferences", &["uid"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("conditions", &["type"]),
];

/// Fields tried for a list of any name, after [`LIST_KEYS`].
const ANY_LIST_KEYS: [&[&str]; 9] = [
    &["name"],
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["key"],
    &["type"],
    &["ip"],
    &["topologyKey"],
    &["id"],
];

/// One field that differs. `before` is absent for an added field, `after` for a removed one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field, as kubectl prints it.
    pub path: String,
    /// The value that goes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value that comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// The fields that differ between two states of one object, normalised; see the module's text.
///
/// Values of Secrets are in it: pass every change through [`crate::mask::mask_change`] before
/// it is shown.
#[must_use]
pub fn diff(before: &Object, after: &Object) -> Vec<FieldChange> {
    let kind = after.gvk().group_kind().canonical();
    let (before, after) = (normalised(before, &kind), normalised(after, &kind));
    let mut walk = Walk { kind, trail: Vec::new(), changes: Vec::new() };
    walk.maps(&before, &after);
    walk.changes
}

/// The document without what only the server writes, in the form in which it is stored.
fn normalised(object: &Object, kind: &GroupKind) -> Map<String, Value> {
    let mut map = object.as_map().clone();
    map.remove("status");
    map.remove("apiVersion");
    map.remove("kind");
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        for field in SERVER_METADATA {
            metadata.remove(field);
        }
        for field in ["labels", "annotations"] {
            if metadata.get(field).is_some_and(builtin::is_empty) {
                metadata.remove(field);
            }
        }
    }
    if kind.group.is_empty() && kind.kind == "Secret" {
        merge_string_data(&mut map);
    }
    map
}

fn merge_string_data(map: &mut Map<String, Value>) {
    let Some(Value::Object(plain)) = map.remove("stringData") else { return };
    let data = map.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Value::Object(data) = data else { return };
    for (key, value) in plain {
        let encoded = match value {
            Value::String(text) => {
                Value::String(base64::engine::general_purpose::STANDARD.encode(text))
            }
            other => other,
        };
        data.insert(key, encoded);
    }
}

struct Walk {
    kind: GroupKind,
    trail: Vec<PathElement>,
    changes: Vec<FieldChange>,
}

impl Walk {
    fn maps(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            self.trail.push(PathElement::field(name));
            self.values(before.get(name), after.get(name));
            self.trail.pop();
        }
    }

    fn values(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let before = before.filter(|value| !value.is_null());
        let after = after.filter(|value| !value.is_null());
        match (before, after) {
            (None, None) => {}
            (Some(Value::Object(a)), Some(Value::Object(b))) => self.maps(a, b),
            (Some(Value::Array(a)), Some(Value::Array(b))) => self.lists(a, b),
            (Some(a), Some(b)) => {
                let names = builtin::names(&self.trail);
                let built_in = builtin::is_built_in(&self.kind);
                if !Place::new(&self.kind, built_in, &names).same_meaning(a, b) {
                    self.changed(Some(a), Some(b));
                }
            }
            (before, after) => self.changed(before, after),
        }
    }

    fn changed(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let path = PathElement::print(&self.trail);
        self.changes.push(FieldChange { path, before: before.cloned(), after: after.cloned() });
    }

    fn lists(&mut self, before: &[Value], after: &[Value]) {
        let name = match self.trail.last() {
            Some(PathElement::Field(name)) => &**name,
            _ => "",
        };
        if let Some((a, b)) = keyed(name, before, after) {
            return self.keyed_lists(before, after, &a, &b);
        }
        let maps = |items: &[Value]| items.iter().all(Value::is_object);
        if before.len() != after.len() && !(maps(before) && maps(after)) {
            return self.changed(
                Some(&Value::Array(before.to_vec())),
                Some(&Value::Array(after.to_vec())),
            );
        }
        for index in 0..before.len().max(after.len()) {
            self.trail.push(PathElement::index(index));
            self.values(before.get(index), after.get(index));
            self.trail.pop();
        }
    }

    fn keyed_lists(&mut self, before: &[Value], after: &[Value], a: &Keys, b: &Keys) {
        let shared = |keys: &Keys, other: &Keys| -> Vec<PathElement> {
            keys.order.iter().filter(|key| other.items.contains_key(*key)).cloned().collect()
        };
        if shared(a, b) != shared(b, a) {
            let (before, after) = (before.to_vec(), after.to_vec());
            return self.changed(Some(&Value::Array(before)), Some(&Value::Array(after)));
        }
        let removed = a.order.iter().filter(|key| !b.items.contains_key(*key));
        for key in b.order.iter().chain(removed) {
            let item = |keys: &Keys, items: &[Value]| {
                keys.items.get(key).and_then(|index| items.get(*index)).cloned()
            };
            let (x, y) = (item(a, before), item(b, after));
            self.trail.push(key.clone());
            self.values(x.as_ref(), y.as_ref());
            self.trail.pop();
        }
    }
}

/// The keys of a list's items, in order and by position.
struct Keys {
    order: Vec<PathElement>,
    items: BTreeMap<PathElement, usize>,
}

/// The keys of both lists under the first candidate that tells all items apart.
fn keyed(name: &str, before: &[Value], after: &[Value]) -> Option<(Keys, Keys)> {
    if before.is_empty() && after.is_empty() {
        return None;
    }
    let own = LIST_KEYS.iter().filter(|(list, _)| *list == name).map(|(_, fields)| *fields);
    own.chain(ANY_LIST_KEYS).find_map(|fields| Some((keys(before, fields)?, keys(after, fields)?)))
}

fn keys(items: &[Value], fields: &[&str]) -> Option<Keys> {
    let mut keys = Keys { order: Vec::with_capacity(items.len()), items: BTreeMap::new() };
    for (index, item) in items.iter().enumerate() {
        let key = PathElement::key_of(item.as_object()?, fields)?;
        keys.order.push(key.clone());
        if keys.items.insert(key, index).is_some() {
            return None;
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests;
