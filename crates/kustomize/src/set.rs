//! The objects of a build in their order: appended, absorbed from generators, selected.

use crate::id::{self, Id};
use crate::labels::Selector;
use crate::node::{Map, Node};
use crate::pattern::Pattern;
use crate::resource::{Behavior, Resource};
use crate::spec::Target;
use std::collections::HashSet;

/// Appends objects; each identity may be there once.
///
/// # Errors
/// The identity that is there already, with both places.
pub(crate) fn append(all: &mut Vec<Resource>, more: Vec<Resource>) -> Result<(), String> {
    all.extend(more);
    unique(all)
}

/// Checks that no two objects are the same one.
///
/// # Errors
/// The identity, with both places.
pub(crate) fn unique(all: &[Resource]) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(all.len());
    for resource in all {
        let id = key(resource);
        if !seen.insert(id) {
            let same = |other: &&Resource| key(other) == id;
            let first = all.iter().find(same).map_or_else(String::new, |r| r.origin.to_string());
            return Err(format!(
                "{} of {} is there already, from {first}",
                resource.id(),
                resource.origin
            ));
        }
    }
    Ok(())
}

fn key(resource: &Resource) -> [&str; 5] {
    let (group, version) = id::parts(resource.api_version());
    [group, version, resource.kind(), resource.effective_namespace(), resource.name()]
}

/// Where the objects are that are or were called so.
pub(crate) fn with_any_id(all: &[Resource], id: &Id) -> Vec<usize> {
    let is_or_was = |resource: &Resource| {
        resource.id().is_same(id) || resource.previous_ids().iter().any(|own| own.is_same(id))
    };
    let found = all.iter().enumerate().filter(|(_, r)| !r.node.is_nil_or_empty() && is_or_was(r));
    found.map(|(index, _)| index).collect()
}

/// Takes in what a generator made, as its behavior says.
///
/// # Errors
/// An object that is there, or not there, against the behavior.
pub(crate) fn absorb(all: &mut Vec<Resource>, mut made: Resource) -> Result<(), String> {
    let id = made.id();
    let matches = with_any_id(all, &id);
    let index = match (matches.as_slice(), made.behavior) {
        ([], Behavior::Merge | Behavior::Replace) => {
            return Err(format!("there is no {id} to merge with or to replace"));
        }
        ([], _) => return append(all, vec![made]),
        ([index], Behavior::Merge | Behavior::Replace) => *index,
        ([_], _) => {
            return Err(format!("{id} exists; the behavior must be `merge` or `replace`"));
        }
        _ => return Err(format!("several objects could be {id}")),
    };
    let Some(old) = all.get(index) else { return Ok(()) };
    for field in ["labels", "annotations"] {
        let mut merged: Map = Map::new();
        for (key, value) in old.texts(field).into_iter().chain(made.texts(field)) {
            merged.insert(key.to_owned(), Node::string(value));
        }
        if let Some(metadata) = made.metadata_mut() {
            metadata.remove(field);
            if !merged.is_empty() {
                metadata.insert(field.to_owned(), Node::Map(merged));
            }
        }
    }
    if made.behavior == Behavior::Merge {
        for field in ["data", "binaryData"] {
            let mut merged = Map::new();
            for node in [&old.node, &made.node] {
                for (key, value) in node.get(field).and_then(Node::as_map).into_iter().flatten() {
                    let text = value.text().unwrap_or_default();
                    merged.insert(key.clone(), Node::string(text));
                }
            }
            if let Some(map) = made.node.as_map_mut() {
                map.remove(field);
                if !merged.is_empty() {
                    map.insert(field.to_owned(), Node::Map(merged));
                }
            }
        }
    }
    let (name, namespace) = (old.name().to_owned(), old.namespace().to_owned());
    made.set_name(&name);
    made.set_namespace(&namespace);
    made.previous.clone_from(&old.previous);
    made.prefixes.clone_from(&old.prefixes);
    made.suffixes.clone_from(&old.suffixes);
    made.behavior = old.behavior;
    made.needs_hash &= old.needs_hash;
    if let Some(slot) = all.get_mut(index) {
        *slot = made;
    }
    Ok(())
}

/// A compiled [`Target`].
pub(crate) struct Select {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Selector,
    annotations: Selector,
}

impl Select {
    /// # Errors
    /// A pattern or a selector that is none.
    pub(crate) fn new(target: &Target) -> Result<Self, String> {
        Ok(Self {
            group: Pattern::whole(&target.gvk.group)?,
            version: Pattern::whole(&target.gvk.version)?,
            kind: Pattern::whole(&target.gvk.kind)?,
            name: Pattern::whole(&target.name)?,
            namespace: Pattern::whole(&target.namespace)?,
            labels: Selector::parse(&target.labels)?,
            annotations: Selector::parse(&target.annotations)?,
        })
    }

    /// Whether a patch with this target is for the object.
    pub(crate) fn takes(&self, resource: &Resource) -> bool {
        let (now, before) = (resource.id(), resource.original_id());
        let namespace = |id: &Id| self.namespace.matches(id.effective_namespace());
        (namespace(&before) || namespace(&now))
            && (self.name.matches(&before.name) || self.name.matches(&now.name))
            && self.takes_kind(&now)
            && self.takes_labels(resource)
    }

    fn takes_kind(&self, id: &Id) -> bool {
        self.group.matches(&id.gvk.group)
            && self.version.matches(&id.gvk.version)
            && self.kind.matches(&id.gvk.kind)
    }

    /// Whether kind, name and namespace of one identity fit, with the namespace as written.
    pub(crate) fn takes_id(&self, id: &Id) -> bool {
        self.takes_kind(id) && self.name.matches(&id.name) && self.namespace.matches(&id.namespace)
    }

    /// Whether labels and annotations fit.
    pub(crate) fn takes_labels(&self, resource: &Resource) -> bool {
        self.labels.matches(&resource.texts("labels"))
            && self.annotations.matches(&resource.texts("annotations"))
    }
}
