//! Proves, without any request, that applying an object would change nothing.
//!
//! A run over an unchanged tree would otherwise cost a dry run per object, and with it every
//! admission webhook of the cluster. What the API server would answer can be read from the live
//! object: our Apply entry in `metadata.managedFields` says which fields we asked for last time.
//! The object is clean exactly when
//!
//! 1. that entry exists and is written in the version of the desired object,
//! 2. its fields are the fields of the desired object, no more and no fewer, and
//! 3. every one of them still has the desired value.
//!
//! No schema is at hand, so `fieldsV1` itself says what a field is: a leaf that holds a map or a
//! list is owned as a whole, `k:` chooses items of a list by their key fields, `v:` items of a
//! set by their value.
//!
//! **The one property that matters is that nothing is called clean wrongly.** Whatever is in
//! doubt is [`Proof::Unproven`], which costs a dry run and nothing else. The knowledge of what
//! the server normalises is in tables that may be incomplete but not wrong (`builtin`).
//!
//! Cost: a few microseconds for an object of a Deployment's size; nothing is copied while
//! everything matches. Bounded: [`MAX_DEPTH_ELEMENTS`] deep, [`MAX_REASONS`] reasons.

mod lists;

use crate::builtin::{self, Place};
use crate::fields::{MAX_DEPTH_ELEMENTS, PathElement};
use crate::{GroupKind, Object};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// Most reasons that are collected for one object.
pub const MAX_REASONS: usize = 100;

/// Fields of `metadata` that are never owned by anyone: identity, and what the server sets.
const UNOWNED_METADATA: [&str; 9] = [
    "clusterName",
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The verdict on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Applying the desired object would change nothing.
    Clean,
    /// It might change something; a dry run can tell.
    Unproven {
        /// Why, at least one, at most [`MAX_REASONS`].
        reasons: Vec<Reason>,
    },
}

impl Proof {
    /// Whether this is [`Proof::Clean`].
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Clean)
    }
}

/// One thing that keeps an object from being proven clean. It never holds a value, so it may be
/// printed for Secrets too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The field, as kubectl prints it.
    pub path: String,
    /// What is the matter with it.
    pub kind: ReasonKind,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

/// What is the matter with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ReasonKind {
    /// We own it and its live value is another one.
    ValueDiffers,
    /// It is desired, and we do not own it.
    NotOwned,
    /// We own it, and it is not desired any more.
    OwnedButRemoved,
    /// The live object or our entry is in another version than the desired object.
    WrongVersion,
    /// We never applied this object.
    NoEntry,
    /// The desired object, the live one and our entry do not fit together; nothing can be said.
    Structure,
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ValueDiffers => "the live value differs",
            Self::NotOwned => "not owned by this delivery yet",
            Self::OwnedButRemoved => "owned by this delivery but no longer in the source",
            Self::WrongVersion => "written in another API version",
            Self::NoEntry => "never applied by this delivery",
            Self::Structure => "cannot be compared without the server",
        })
    }
}

/// Whether applying `desired` as `manager` would leave `live` as it is. Both documents are of
/// the same object; `live` comes from the API server with its `managedFields`.
#[must_use]
pub fn prove(desired: &Object, live: &Object, manager: &str) -> Proof {
    let reasons = match our_fields(desired, live, manager) {
        Err(reason) => vec![reason],
        Ok(fields) => {
            let empty = Map::new();
            let mut walk = Walk::new(desired, live, &empty);
            walk.map(desired.as_map(), fields.unwrap_or(&empty), Some(live.as_map()));
            walk.reasons
        }
    };
    if reasons.is_empty() { Proof::Clean } else { Proof::Unproven { reasons } }
}

/// The `fieldsV1` of our only Apply entry, once it is sure that it speaks of this object in this
/// version.
fn our_fields<'a>(
    desired: &Object,
    live: &'a Object,
    manager: &str,
) -> Result<Option<&'a Map<String, Value>>, Reason> {
    let reason = |path: &str, kind| Err(Reason { path: path.to_owned(), kind });
    if desired.api_version() != live.api_version() {
        return reason(".apiVersion", ReasonKind::WrongVersion);
    }
    if desired.kind() != live.kind() || desired.name() != live.name() {
        return reason(".metadata.name", ReasonKind::Structure);
    }
    if !desired.namespace().is_empty() && desired.namespace() != live.namespace() {
        return reason(".metadata.namespace", ReasonKind::Structure);
    }
    if live.is_terminating() {
        return reason(".metadata.deletionTimestamp", ReasonKind::Structure);
    }
    for field in ["uid", "resourceVersion"] {
        let wanted = desired.at(&["metadata", field]).filter(|value| !value.is_null());
        if wanted.is_some_and(|wanted| Some(wanted) != live.at(&["metadata", field])) {
            return reason(&format!(".metadata.{field}"), ReasonKind::ValueDiffers);
        }
    }
    if desired.at(&["metadata", "managedFields"]).is_some_and(|value| !value.is_null()) {
        return reason(".metadata.managedFields", ReasonKind::Structure);
    }
    let entries = live.at(&["metadata", "managedFields"]).and_then(Value::as_array);
    let mut ours = entries.into_iter().flatten().filter(|entry| {
        let text = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        text("manager") == manager && text("operation") == "Apply" && text("subresource").is_empty()
    });
    let Some(entry) = ours.next() else {
        return reason(".metadata.managedFields", ReasonKind::NoEntry);
    };
    if ours.next().is_some() {
        return reason(".metadata.managedFields", ReasonKind::Structure);
    }
    if entry.get("apiVersion").and_then(Value::as_str) != Some(desired.api_version()) {
        return reason(".metadata.managedFields", ReasonKind::WrongVersion);
    }
    match entry.get("fieldsV1") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => reason(".metadata.managedFields", ReasonKind::Structure),
    }
}

/// One step of the current path, borrowed from the documents.
#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    /// An element of `fieldsV1` as stored: `k:{…}` or `v:…`.
    Stored(&'a str),
    Index(usize),
}

/// The walk over desired object, owned fields and live object at once.
struct Walk<'a> {
    kind: GroupKind,
    built_in: bool,
    is_secret: bool,
    live_data: Option<&'a Map<String, Value>>,
    empty: &'a Map<String, Value>,
    path: Vec<Step<'a>>,
    names: Vec<&'a str>,
    key: String,
    reasons: Vec<Reason>,
}

impl<'a> Walk<'a> {
    fn new(desired: &Object, live: &'a Object, empty: &'a Map<String, Value>) -> Self {
        let kind = desired.gvk().group_kind().canonical();
        Self {
            built_in: builtin::is_built_in(&kind),
            is_secret: kind.group.is_empty() && kind.kind == "Secret",
            live_data: live.at(&["data"]).and_then(Value::as_object),
            kind,
            empty,
            path: Vec::with_capacity(16),
            names: Vec::with_capacity(16),
            key: String::with_capacity(64),
            reasons: Vec::new(),
        }
    }

    fn place(&self) -> Place<'_> {
        Place::new(&self.kind, self.built_in, &self.names)
    }

    fn doubt(&mut self, kind: ReasonKind) {
        if self.reasons.len() >= MAX_REASONS {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            let element = match step {
                Step::Field(name) => PathElement::field(name),
                Step::Index(index) => PathElement::index(*index),
                Step::Stored(stored) => {
                    PathElement::parse(stored).unwrap_or_else(|_| PathElement::field(stored))
                }
            };
            path.push_str(&element.to_string());
        }
        self.reasons.push(Reason { path, kind });
    }

    fn doubt_field(&mut self, name: &'a str, kind: ReasonKind) {
        self.path.push(Step::Field(name));
        self.doubt(kind);
        self.path.pop();
    }

    /// The child that `owned` has for a field.
    fn owned_field(&mut self, owned: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        if owned.is_empty() {
            return None;
        }
        self.key.clear();
        self.key.push_str("f:");
        self.key.push_str(name);
        owned.get(self.key.as_str())
    }

    /// Fields that no entry ever names: identity and what the server sets.
    fn is_never_owned(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [] => matches!(name, "apiVersion" | "kind"),
            [Step::Field("metadata")] => UNOWNED_METADATA.contains(&name),
            _ => false,
        }
    }

    /// A map that is merged field by field.
    fn map(
        &mut self,
        desired: &'a Map<String, Value>,
        owned: &'a Map<String, Value>,
        live: Option<&'a Map<String, Value>>,
    ) {
        let mut matched = usize::from(owned.contains_key("."));
        for (name, value) in desired {
            if self.is_never_owned(name) {
                continue;
            }
            let field = self.owned_field(owned, name);
            matched += usize::from(field.is_some());
            let live = live.and_then(|live| live.get(name));
            self.path.push(Step::Field(name));
            self.names.push(name);
            match field {
                _ if self.path.len() > MAX_DEPTH_ELEMENTS => self.doubt(ReasonKind::Structure),
                Some(field) if self.is_secret && self.names == ["stringData"] => {
                    self.string_data(value, field);
                }
                Some(field) => self.owned(value, field, live),
                None => self.not_owned(value, live),
            }
            self.names.pop();
            self.path.pop();
        }
        if matched != owned.len() {
            self.removed_from_map(desired, owned);
        }
    }

    /// A desired field that our entry does not name.
    fn not_owned(&mut self, desired: &'a Value, live: Option<&'a Value>) {
        match desired {
            _ if self.place().is_reset() => {}
            Value::Array(items) if items.is_empty() && self.place().is_merged_list() => {}
            Value::Object(map) if !map.is_empty() => {
                let empty = self.empty;
                self.map(map, empty, live.and_then(Value::as_object));
            }
            _ => self.doubt(ReasonKind::NotOwned),
        }
    }

    /// A desired field that our entry names.
    fn owned(&mut self, desired: &'a Value, owned: &'a Value, live: Option<&'a Value>) {
        let Some(children) = owned.as_object() else { return self.doubt(ReasonKind::Structure) };
        let is_leaf = children.is_empty();
        let live = live.filter(|value| !value.is_null());
        match (desired, live) {
            (Value::Null, Some(Value::Object(_))) if is_leaf && self.place().is_merged_map() => {}
            (Value::Object(map), _) if map.is_empty() => self.empty_map(children, live),
            (Value::Array(items), _) if items.is_empty() && !is_leaf => {
                self.removed_from_list(&[], children);
            }
            (Value::Object(_), _) if is_leaf => {
                if self.place().is_atomic_map() && !self.place().is_merged_map() {
                    self.same(desired, live);
                } else {
                    self.doubt(ReasonKind::Structure);
                }
            }
            (Value::Array(items), _) if is_leaf => {
                if self.place().is_merged_list() && !items.is_empty() {
                    self.doubt(ReasonKind::Structure);
                } else {
                    self.same(desired, live);
                }
            }
            (Value::Object(map), None) => self.map(map, children, None),
            (Value::Object(map), Some(Value::Object(live))) => {
                self.map(map, children, Some(live));
            }
            (Value::Array(items), None) => self.list(items, children, &[]),
            (Value::Array(items), Some(Value::Array(live))) => self.list(items, children, live),
            (Value::Object(_) | Value::Array(_), Some(_)) => self.doubt(ReasonKind::ValueDiffers),
            _ if is_leaf => self.same(desired, live),
            _ => self.doubt(ReasonKind::Structure),
        }
    }

    fn empty_map(&mut self, owned: &'a Map<String, Value>, live: Option<&'a Value>) {
        if !owned.is_empty() {
            return self.removed_from_map(self.empty, owned);
        }
        let clean = match live {
            None => self.place().is_dropped(&Value::Object(Map::new())),
            Some(Value::Object(map)) => map.is_empty() || self.place().is_merged_map(),
            Some(_) => false,
        };
        if !clean {
            self.doubt(ReasonKind::ValueDiffers);
        }
    }

    /// `stringData` of a Secret is write-only: the server stores it as `data`.
    fn string_data(&mut self, desired: &'a Value, owned: &'a Value) {
        let (Some(desired), Some(owned)) = (desired.as_object(), owned.as_object()) else {
            return self.doubt(ReasonKind::Structure);
        };
        let mut matched = usize::from(owned.contains_key("."));
        for (name, value) in desired {
            let Some(field) = self.owned_field(owned, name) else {
                self.doubt_field(name, ReasonKind::NotOwned);
                continue;
            };
            matched += 1;
            let is_leaf = field.as_object().is_some_and(Map::is_empty);
            let live = self.live_data.and_then(|data| data.get(name)).and_then(Value::as_str);
            let same = match (value.as_str(), live) {
                (Some(text), Some(live)) => {
                    base64::engine::general_purpose::STANDARD.encode(text) == live
                }
                _ => false,
            };
            match (is_leaf, same) {
                (true, true) => {}
                (true, false) => self.doubt_field(name, ReasonKind::ValueDiffers),
                (false, _) => self.doubt_field(name, ReasonKind::Structure),
            }
        }
        if matched != owned.len() {
            self.removed_from_map(desired, owned);
        }
    }

    /// A field that is owned as a whole: both values must be stored in the same way.
    fn same(&mut self, desired: &'a Value, live: Option<&'a Value>) {
        if self.path.len() > MAX_DEPTH_ELEMENTS {
            return self.doubt(ReasonKind::Structure);
        }
        match (desired, live) {
            (Value::Object(desired_map), Some(Value::Object(live))) => {
                for (name, value) in desired_map {
                    self.path.push(Step::Field(name));
                    self.names.push(name);
                    self.same(value, live.get(name));
                    self.names.pop();
                    self.path.pop();
                }
                for (name, value) in live {
                    if !desired_map.contains_key(name)
                        && !self.place().is_filled_in(desired, name, value)
                    {
                        self.doubt_field(name, ReasonKind::ValueDiffers);
                    }
                }
            }
            (Value::Array(desired), Some(Value::Array(live))) => {
                if desired.len() != live.len() {
                    return self.doubt(ReasonKind::ValueDiffers);
                }
                for (index, (desired, live)) in desired.iter().zip(live).enumerate() {
                    self.path.push(Step::Index(index));
                    self.same(desired, Some(live));
                    self.path.pop();
                }
            }
            (Value::Null, None | Some(Value::Null)) => {}
            (desired, None | Some(Value::Null)) => {
                if !self.place().is_dropped(desired) {
                    self.doubt(ReasonKind::ValueDiffers);
                }
            }
            (desired, Some(live)) => {
                if !self.place().same_scalar(desired, live) {
                    self.doubt(ReasonKind::ValueDiffers);
                }
            }
        }
    }

    /// Names what our entry has and the desired map has not.
    fn removed_from_map(&mut self, desired: &Map<String, Value>, owned: &'a Map<String, Value>) {
        for stored in owned.keys() {
            match stored.split_once(':') {
                Some(("f", name)) => {
                    let is_kept = desired.contains_key(name) && !self.is_never_owned(name);
                    if !is_kept {
                        self.doubt_field(name, ReasonKind::OwnedButRemoved);
                    }
                }
                _ if stored == "." => {}
                _ => self.doubt(ReasonKind::Structure),
            }
        }
    }
}

#[cfg(test)]
mod tests;
