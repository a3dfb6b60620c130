//! Withholds fields from an apply, so that it neither sets nor deletes them.
//!
//! Server-Side Apply has two ways to touch a field: naming it with another value, and no longer
//! naming it after having been its only owner, which deletes it. A field that a rule ignores must
//! suffer neither, so what is applied is changed to fit the live object:
//!
//! - what we own alone is named with its live value and stays as it is;
//! - everything else is not named: it has another owner, or none, and stays as well.
//!
//! A part of an atomic value has no owner of its own; it takes its live value. A field whose
//! parent does not exist yet is new and is left as desired.
//!
//! Input: the desired object, the live one with its `managedFields`, our manager. Output: the
//! desired object as it may be applied. Cost: linear in both documents for each rule; no deeper
//! than a pointer or a `fieldsV1` may be.

use super::pointer::PointerStep;
use super::{FieldPointer, FieldSet, ManagedFields, Node, PathElement};
use crate::Object;
use serde_json::{Map, Value};

/// Takes the fields that `pointers` point to, and all fields that managers for which `ignores` is
/// true own, out of what is applied; see the module's text.
pub fn withhold(
    desired: &mut Object,
    live: &Object,
    manager: &str,
    pointers: &[FieldPointer],
    ignores: &dyn Fn(&str) -> bool,
) {
    // What cannot be read has no owner that we know of: everything pointed to is left out.
    let fields = ManagedFields::of(live).unwrap_or_default();
    let (mut ours, mut others) = (FieldSet::default(), FieldSet::default());
    let mut ignored = FieldSet::default();
    for entry in &fields.entries {
        if entry.manager == manager && entry.subresource.is_empty() {
            ours = ours.union(&entry.fields);
        } else {
            others = others.union(&entry.fields);
            if ignores(&entry.manager) {
                ignored = ignored.union(&entry.fields);
            }
        }
    }
    if !ignored.is_empty() {
        strip_map(desired.as_map_mut(), &ignored, Some(&ours), &[]);
    }
    let alone = ours.difference(&others);
    let any = ours.union(&others);
    for pointer in pointers {
        let owned = Owned { alone: Some(&alone), any: Some(&any), atomic: false };
        hold_in_map(desired.as_map_mut(), Some(live.as_map()), owned, &pointer.steps);
    }
}

/// Who owns the place that is looked at.
#[derive(Clone, Copy)]
struct Owned<'a> {
    /// What we own alone below it.
    alone: Option<&'a FieldSet>,
    /// What anybody owns below it.
    any: Option<&'a FieldSet>,
    /// It lies inside of a value that is owned as a whole.
    atomic: bool,
}

impl<'a> Owned<'a> {
    fn below(self, find: &dyn Fn(&'a FieldSet) -> Option<&'a Node>) -> Self {
        let any = self.any.and_then(find);
        Self {
            alone: self.alone.and_then(find).map(|node| &node.below),
            any: any.map(|node| &node.below),
            atomic: self.atomic,
        }
    }

    fn field(self, name: &str) -> Self {
        self.below(&|set| set.nodes.iter().find(|node| is_field(node, name)))
    }

    fn item(self, item: &Value) -> Self {
        self.below(&|set| set.nodes.iter().find(|node| names(&node.element, item)))
    }

    /// Whether what is below this place is owned as a whole.
    fn into_inside(self, is_leaf: bool) -> Self {
        Self { atomic: self.atomic || is_leaf, ..self }
    }
}

fn is_field(node: &Node, name: &str) -> bool {
    matches!(&node.element, PathElement::Field(field) if **field == *name)
}

/// Whether an element of a list's set names this item.
fn names(element: &PathElement, item: &Value) -> bool {
    match element {
        PathElement::Key(json) => {
            let Ok(key) = serde_json::from_str::<Map<String, Value>>(json) else { return false };
            key.iter().all(|(field, value)| match item.get(field) {
                None => field == "protocol" && value == "TCP",
                Some(found) => found == value,
            })
        }
        PathElement::Value(json) => {
            serde_json::from_str::<Value>(json).is_ok_and(|value| value == *item)
        }
        PathElement::Field(_) | PathElement::Index(_) => false,
    }
}

/// What is applied in place of a field that is pointed to.
fn held(live: Option<&Value>, owned: Owned<'_>, is_member: bool) -> Option<Value> {
    let live = live?;
    match owned.alone {
        _ if owned.atomic => Some(live.clone()),
        Some(set) if set.is_empty() && is_member => {
            owned.any.is_none_or(FieldSet::is_empty).then(|| live.clone())
        }
        Some(set) if !set.is_empty() => project(live, set),
        _ => None,
    }
}

/// Whether we alone are a member of exactly this node.
fn member(set: Option<&FieldSet>, find: &dyn Fn(&Node) -> bool) -> bool {
    set.is_some_and(|set| set.nodes.iter().any(|node| node.member && find(node)))
}

/// Whether somebody owns exactly this place, and nobody anything below it.
fn is_leaf(set: Option<&FieldSet>, find: &dyn Fn(&Node) -> bool) -> bool {
    set.is_some_and(|set| set.nodes.iter().any(|node| find(node) && node.below.is_empty()))
}

fn hold_in_map(
    desired: &mut Map<String, Value>,
    live: Option<&Map<String, Value>>,
    owned: Owned<'_>,
    steps: &[PointerStep],
) {
    let Some((step, rest)) = steps.split_first() else { return };
    let Some(live) = live else { return };
    let chosen: Vec<String> = match step {
        PointerStep::Name(name) => vec![name.clone()],
        PointerStep::Any => {
            let mut all: Vec<String> = desired.keys().chain(live.keys()).cloned().collect();
            all.sort_unstable();
            all.dedup();
            all
        }
        PointerStep::Item(_) => return,
    };
    for name in chosen {
        let find = |node: &Node| is_field(node, &name);
        let inside = owned.field(&name).into_inside(is_leaf(owned.any, &find) && !rest.is_empty());
        let before = desired.remove(&name);
        let after = if rest.is_empty() {
            held(live.get(&name), inside, member(owned.alone, &find))
        } else {
            hold_below(before, live.get(&name), inside, rest)
        };
        if let Some(after) = after {
            desired.insert(name, after);
        }
    }
}

/// Walks on; what was not empty and has become so is not applied at all, because an empty map
/// or list would be owned itself.
fn hold_below(
    desired: Option<Value>,
    live: Option<&Value>,
    owned: Owned<'_>,
    steps: &[PointerStep],
) -> Option<Value> {
    let Some(live) = live else { return desired };
    match (desired, live) {
        (Some(Value::Object(mut map)), Value::Object(live)) => {
            let was_empty = map.is_empty();
            hold_in_map(&mut map, Some(live), owned, steps);
            (was_empty || !map.is_empty()).then_some(Value::Object(map))
        }
        (None, Value::Object(live)) => {
            let mut map = Map::new();
            hold_in_map(&mut map, Some(live), owned, steps);
            (!map.is_empty()).then_some(Value::Object(map))
        }
        (Some(Value::Array(mut items)), Value::Array(live)) => {
            let was_empty = items.is_empty();
            hold_in_list(&mut items, live, owned, steps);
            (was_empty || !items.is_empty()).then_some(Value::Array(items))
        }
        (None, Value::Array(live)) => {
            let mut items = Vec::new();
            hold_in_list(&mut items, live, owned, steps);
            (!items.is_empty()).then_some(Value::Array(items))
        }
        (desired, _) => desired,
    }
}

fn hold_in_list(desired: &mut Vec<Value>, live: &[Value], owned: Owned<'_>, steps: &[PointerStep]) {
    let Some((step, rest)) = steps.split_first() else { return };
    let is_same = |a: &Value, b: &Value| same_item(owned, a, b);
    // Chosen by a rule, but not there any more, or new: the first are left out.
    if rest.is_empty() && !matches!(step, PointerStep::Name(_)) {
        let mut index = 0;
        desired.retain(|item| {
            let gone = step.chooses(index, item) && !live.iter().any(|live| is_same(live, item));
            index += 1;
            !gone
        });
    }
    for (index, item) in live.iter().enumerate().filter(|(index, item)| step.chooses(*index, item))
    {
        let find = |node: &Node| names(&node.element, item);
        let inside = owned.item(item).into_inside(is_leaf(owned.any, &find) && !rest.is_empty());
        let place = desired.iter().position(|wanted| is_same(item, wanted));
        let before = place.and_then(|place| desired.get(place).cloned());
        let after = if rest.is_empty() {
            held(Some(item), inside, member(owned.alone, &find))
        } else {
            // An item that left the tree goes with the fields in it that a rule is about.
            before.and_then(|before| hold_below(Some(before), Some(item), inside, rest))
        };
        match (place, after) {
            (Some(place), Some(after)) => {
                if let Some(slot) = desired.get_mut(place) {
                    *slot = after;
                }
            }
            (Some(place), None) => {
                desired.remove(place);
            }
            (None, Some(mut after)) => {
                copy_keys(owned, item, &mut after);
                let later = |wanted: &Value| {
                    live.iter().position(|live| is_same(live, wanted)).is_none_or(|at| at > index)
                };
                let place = desired.iter().position(later).unwrap_or(desired.len());
                desired.insert(place, after);
            }
            (None, None) => {}
        }
    }
}

/// Whether two items of one list are the same: by the keys that owners name, else by a `name`,
/// else by their whole value.
fn same_item(owned: Owned<'_>, one: &Value, other: &Value) -> bool {
    for node in owned.any.map(|set| set.nodes.as_slice()).unwrap_or_default() {
        if names(&node.element, one) {
            return names(&node.element, other);
        }
    }
    match (one.get("name"), other.get("name")) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// An item of a list is applied with the fields that name it.
fn copy_keys(owned: Owned<'_>, live: &Value, item: &mut Value) {
    let nodes = owned.any.map(|set| set.nodes.as_slice()).unwrap_or_default();
    let Some(node) = nodes.iter().find(|node| names(&node.element, live)) else { return };
    with_keys(&node.element, live, item);
}

fn with_keys(element: &PathElement, live: &Value, item: &mut Value) {
    let (PathElement::Key(json), Value::Object(item)) = (element, item) else { return };
    let key: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    for field in key.keys() {
        if let Some(value) = live.get(field) {
            item.insert(field.clone(), value.clone());
        }
    }
}

/// The part of a live value that a set names.
fn project(live: &Value, set: &FieldSet) -> Option<Value> {
    match live {
        Value::Object(live) => {
            let mut map = Map::new();
            for node in &set.nodes {
                let PathElement::Field(name) = &node.element else { continue };
                let Some(value) = live.get(&**name) else { continue };
                let part = match node.below.is_empty() {
                    true => Some(value.clone()),
                    false => project(value, &node.below),
                };
                if let Some(part) = part {
                    map.insert(name.to_string(), part);
                }
            }
            (!map.is_empty()).then_some(Value::Object(map))
        }
        Value::Array(live) => {
            let mut items = Vec::new();
            for item in live {
                let Some(node) = set.nodes.iter().find(|node| names(&node.element, item)) else {
                    continue;
                };
                let part = match node.below.is_empty() {
                    true => Some(item.clone()),
                    false => project(item, &node.below),
                };
                if let Some(mut part) = part {
                    with_keys(&node.element, item, &mut part);
                    items.push(part);
                }
            }
            (!items.is_empty()).then_some(Value::Array(items))
        }
        _ => None,
    }
}

/// Takes the members of a set out of a document. `kept` are the fields that name it in its list;
/// where we own something below a leaf of the set, the leaf does not mean the whole value.
fn strip_map(
    desired: &mut Map<String, Value>,
    set: &FieldSet,
    ours: Option<&FieldSet>,
    kept: &[String],
) {
    for node in &set.nodes {
        let PathElement::Field(name) = &node.element else { continue };
        if kept.iter().any(|kept| **kept == **name) {
            continue;
        }
        let ours = ours.and_then(|ours| ours.nodes.iter().find(|own| is_field(own, name)));
        let ours = ours.map(|own| &own.below);
        let is_gone = match desired.get_mut(&**name) {
            Some(_) if node.below.is_empty() => ours.is_none_or(FieldSet::is_empty),
            Some(Value::Object(map)) => {
                let was_empty = map.is_empty();
                strip_map(map, &node.below, ours, &[]);
                map.is_empty() && !was_empty
            }
            Some(Value::Array(items)) => {
                let was_empty = items.is_empty();
                strip_list(items, &node.below, ours);
                items.is_empty() && !was_empty
            }
            _ => false,
        };
        if is_gone {
            desired.remove(&**name);
        }
    }
}

fn strip_list(desired: &mut Vec<Value>, set: &FieldSet, ours: Option<&FieldSet>) {
    for node in &set.nodes {
        let Some(place) = desired.iter().position(|item| names(&node.element, item)) else {
            continue;
        };
        let own = ours.and_then(|ours| ours.nodes.iter().find(|own| own.element == node.element));
        let is_gone = match (&node.element, desired.get_mut(place)) {
            (PathElement::Key(json), Some(Value::Object(item))) => {
                let key: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
                let keys: Vec<String> = key.keys().cloned().collect();
                strip_map(item, &node.below, own.map(|own| &own.below), &keys);
                node.member && item.keys().all(|field| key.contains_key(field))
            }
            _ => true,
        };
        if is_gone {
            desired.remove(place);
        }
    }
}

#[cfg(test)]
mod tests;
