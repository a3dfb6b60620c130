//! Sets of fields, as `metadata.managedFields` stores them (`fieldsV1`), with set algebra.
//!
//! A set is a trie of [`PathElement`]s: a map's field (`f:name`), a list item chosen by its key
//! fields (`k:{"name":"web"}`), an item of a set by its value (`v:"a"`) or by position (`i:0`).
//! An element can be a member itself (`.`, or a leaf) and have members below it. What a leaf
//! means is the schema's matter: a scalar, or a whole atomic map or list; [`FieldSet::covers`]
//! reads it the second way.
//!
//! Input: the JSON of `fieldsV1`, foreign bytes: depth and size are bounded. Output: the same
//! JSON in canonical order, or paths as kubectl prints them.

mod element;
mod managed;
mod pointer;
mod withhold;

pub use element::PathElement;
pub(crate) use element::write_key;
pub use managed::{ManagedEntry, ManagedFields, Operation};
pub use pointer::{
    FieldPointer, POINTER_BYTES_MAX, POINTER_STEPS_MAX, PointerError, split_pointers,
};
pub use withhold::withhold;

use model::{Explain, Hint};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// Deepest path that is read, in elements; no real schema comes near it.
pub const MAX_DEPTH_ELEMENTS: usize = 100;

/// Most elements in one set. An object is at most 1.5 MiB in etcd, and an element takes more
/// than ten bytes.
pub const MAX_SET_ELEMENTS: usize = 200_000;

/// Why a `fieldsV1` or a `managedFields` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldsError {
    /// Something that must be a map is not.
    #[error("managedFields: {path} is not a map")]
    NotAMap {
        /// The place, as printed by kubectl; empty for the root.
        path: String,
    },
    /// An element has none of the four known forms.
    #[error("managedFields: cannot read the path element {element:?}")]
    Element {
        /// The element as stored, shortened.
        element: String,
    },
    /// Deeper than [`MAX_DEPTH_ELEMENTS`].
    #[error("managedFields: deeper than {MAX_DEPTH_ELEMENTS} elements")]
    TooDeep,
    /// More than [`MAX_SET_ELEMENTS`].
    #[error("managedFields: more than {MAX_SET_ELEMENTS} elements")]
    TooLarge,
    /// An entry lacks a field or has one of the wrong type.
    #[error("managedFields: entry {index} has no usable `{field}`")]
    Entry {
        /// Position of the entry, from 0.
        index: usize,
        /// The field.
        field: &'static str,
    },
}

impl Explain for FieldsError {
    fn hint(&self) -> Option<Hint> {
        Some(Hint::new("look at the object with `kubectl get -o yaml --show-managed-fields`"))
    }
}

/// A set of fields of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Sorted by element, each element once, none without members.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    element: PathElement,
    member: bool,
    below: FieldSet,
}

impl FieldSet {
    /// Reads a `fieldsV1`.
    ///
    /// # Errors
    /// [`FieldsError`] for anything that the API server would not have written, and past the
    /// limits of this module.
    pub fn from_fields_v1(value: &Value) -> Result<Self, FieldsError> {
        let mut budget = MAX_SET_ELEMENTS;
        let root = value.as_object().ok_or(FieldsError::NotAMap { path: String::new() })?;
        Self::read(root, 0, &mut budget)
    }

    fn read(
        map: &Map<String, Value>,
        depth: usize,
        budget: &mut usize,
    ) -> Result<Self, FieldsError> {
        if depth > MAX_DEPTH_ELEMENTS {
            return Err(FieldsError::TooDeep);
        }
        let mut nodes = Vec::with_capacity(map.len());
        for (key, value) in map {
            if key == "." {
                continue;
            }
            *budget = budget.checked_sub(1).ok_or(FieldsError::TooLarge)?;
            let element = PathElement::parse(key)?;
            let Some(children) = value.as_object() else {
                return Err(FieldsError::NotAMap { path: element.to_string() });
            };
            let below = Self::read(children, depth + 1, budget)?;
            let member = children.contains_key(".") || below.is_empty();
            nodes.push(Node { element, member, below });
        }
        nodes.sort_by(|a, b| a.element.cmp(&b.element));
        nodes.dedup_by(|later, first| {
            let same = later.element == first.element;
            if same {
                first.member |= later.member;
                first.below = first.below.union(&later.below);
            }
            same
        });
        Ok(Self { nodes })
    }

    /// The `fieldsV1` of this set.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.write(false))
    }

    fn write(&self, member: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if member && !self.nodes.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for node in &self.nodes {
            map.insert(node.element.stored(), Value::Object(node.below.write(node.member)));
        }
        map
    }

    /// Adds one path; the empty path changes nothing.
    pub fn insert(&mut self, path: &[PathElement]) {
        let Some((first, rest)) = path.split_first() else { return };
        let index = match self.nodes.binary_search_by(|node| node.element.cmp(first)) {
            Ok(index) => index,
            Err(index) => {
                let node = Node { element: first.clone(), member: false, below: Self::default() };
                self.nodes.insert(index, node);
                index
            }
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.member |= rest.is_empty();
            node.below.insert(rest);
        }
    }

    /// Fields in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a || b)
    }

    /// Fields in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a && b)
    }

    /// Fields of this set that are not in the other one.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a && !b)
    }

    /// Whether the set has no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Number of fields that are members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.below.len()).sum()
    }

    /// Whether exactly this path is a member.
    #[must_use]
    pub fn contains(&self, path: &[PathElement]) -> bool {
        self.find(path).is_some_and(|node| node.member)
    }

    /// Whether this path is a member or lies below a leaf (a member with nothing below it, such
    /// as an atomic list).
    #[must_use]
    pub fn covers(&self, path: &[PathElement]) -> bool {
        self.contains(path)
            || (1..path.len()).any(|length| {
                path.get(..length)
                    .and_then(|ancestor| self.find(ancestor))
                    .is_some_and(|node| node.member && node.below.is_empty())
            })
    }

    /// Every member as kubectl prints it, in canonical order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.visit(&mut Vec::new(), &mut |path, _| paths.push(PathElement::print(path)));
        paths
    }

    /// Whether the field that prints as `printed` is a member or lies below a leaf; for matching
    /// the paths of messages and of [`crate::diff`].
    #[must_use]
    pub fn covers_printed(&self, printed: &str) -> bool {
        let mut found = false;
        self.visit(&mut Vec::new(), &mut |path, leaf| {
            let member = PathElement::print(path);
            found |= match printed.strip_prefix(member.as_str()) {
                Some("") => true,
                Some(rest) => leaf && rest.starts_with(['.', '[']),
                None => false,
            };
        });
        found
    }

    /// Calls `member(path, is_leaf)` for every member in canonical order.
    pub(crate) fn visit(
        &self,
        path: &mut Vec<PathElement>,
        member: &mut dyn FnMut(&[PathElement], bool),
    ) {
        for node in &self.nodes {
            path.push(node.element.clone());
            if node.member {
                member(path, node.below.is_empty());
            }
            node.below.visit(path, member);
            path.pop();
        }
    }

    fn find(&self, path: &[PathElement]) -> Option<&Node> {
        let (first, rest) = path.split_first()?;
        let index = self.nodes.binary_search_by(|node| node.element.cmp(first)).ok()?;
        let node = self.nodes.get(index)?;
        if rest.is_empty() { Some(node) } else { node.below.find(rest) }
    }

    fn merge(&self, other: &Self, keep: fn(bool, bool) -> bool) -> Self {
        let empty = Self::default();
        let mut nodes = Vec::new();
        let (mut left, mut right) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Self { nodes },
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.element.cmp(&b.element),
            };
            let a = if order == Ordering::Greater { None } else { left.next() };
            let b = if order == Ordering::Less { None } else { right.next() };
            let Some(element) = a.or(b).map(|node| &node.element) else { return Self { nodes } };
            let below = a.map_or(&empty, |node| &node.below);
            let below = below.merge(b.map_or(&empty, |node| &node.below), keep);
            let is_member = |node: Option<&Node>| node.is_some_and(|node| node.member);
            let member = keep(is_member(a), is_member(b));
            if member || !below.is_empty() {
                nodes.push(Node { element: element.clone(), member, below });
            }
        }
    }
}

#[cfg(test)]
mod tests;
