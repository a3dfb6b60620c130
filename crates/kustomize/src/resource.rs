//! An object on its way through a build, with the names it had before.

use crate::id::{self, Gvk, Id};
use crate::node::{Map, Node};
use objects::Origin;

/// The annotation that keeps an object out of the output.
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

/// What a generator does when the object is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

/// A name that an object had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kind: String,
}

/// One object of a build.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// A map, or null when a patch deleted it.
    pub(crate) node: Node,
    pub(crate) origin: Origin,
    pub(crate) previous: Vec<Previous>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Behavior,
    pub(crate) needs_hash: bool,
}

impl Resource {
    pub(crate) fn new(node: Node, origin: Origin) -> Self {
        Self {
            node,
            origin,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Unspecified,
            needs_hash: false,
        }
    }

    /// The text of a member of the object itself.
    fn own(&self, key: &str) -> &str {
        self.node.get(key).and_then(Node::text).unwrap_or_default()
    }

    fn metadata_text(&self, key: &str) -> &str {
        let value = self.node.at(&["metadata", key]).filter(|node| !node.is_null());
        value.and_then(Node::text).unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.own("kind")
    }

    pub(crate) fn api_version(&self) -> &str {
        self.own("apiVersion")
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata_text("name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.metadata_text("namespace")
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// Whether a selector, with its empty parts open, takes its kind in.
    pub(crate) fn is_selected(&self, selector: &Gvk) -> bool {
        let (group, version) = id::parts(self.api_version());
        selector.selects(group, version, self.kind())
    }

    /// The namespace that counts, of [`Id::effective_namespace`].
    pub(crate) fn effective_namespace(&self) -> &str {
        let api_version = self.api_version();
        let api_version = api_version.strip_prefix('/').unwrap_or(api_version);
        id::effective(api_version, self.kind(), self.namespace())
    }

    /// What it is called now.
    pub(crate) fn id(&self) -> Id {
        Id { gvk: self.gvk(), name: self.name().to_owned(), namespace: self.namespace().to_owned() }
    }

    /// What it was called before, the oldest first.
    pub(crate) fn previous_ids(&self) -> Vec<Id> {
        let gvk = self.gvk();
        let id = |previous: &Previous| Id {
            gvk: Gvk { kind: previous.kind.clone(), ..gvk.clone() },
            name: previous.name.clone(),
            namespace: previous.namespace.clone(),
        };
        self.previous.iter().map(id).collect()
    }

    /// What it is called in its file.
    pub(crate) fn original_id(&self) -> Id {
        self.previous_ids().into_iter().next().unwrap_or_else(|| self.id())
    }

    /// Remembers the present name before it changes.
    pub(crate) fn store_previous(&mut self) {
        let id = self.id();
        let namespace = id.effective_namespace().to_owned();
        let kind = id.gvk.kind.clone();
        self.previous.push(Previous { name: id.name, namespace, kind });
    }

    /// `metadata`, made when it is absent.
    pub(crate) fn metadata_mut(&mut self) -> Option<&mut Map> {
        self.node.child_map("metadata")
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        if let Some(metadata) = self.metadata_mut() {
            metadata.insert("name".to_owned(), Node::string(name));
        }
    }

    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        let Some(metadata) = self.metadata_mut() else { return };
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), Node::string(namespace));
        }
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        if let Some(map) = self.node.as_map_mut() {
            map.insert("kind".to_owned(), Node::string(kind));
        }
    }

    /// Labels or annotations as text.
    pub(crate) fn texts(&self, field: &str) -> Vec<(&str, &str)> {
        let map = self.node.at(&["metadata", field]).and_then(Node::as_map);
        let pairs = map.into_iter().flatten();
        pairs.map(|(key, value)| (key.as_str(), value.text().unwrap_or_default())).collect()
    }

    /// Whether it only configures local tools.
    pub(crate) fn is_local(&self) -> bool {
        let path = ["metadata", "annotations", LOCAL_CONFIG];
        let value = self.node.at(&path).and_then(Node::text);
        value.is_some_and(|value| value != "false")
    }
}

/// Annotations as kustomize leaves them after each step: as strings, and none when there are none.
pub(crate) fn tidy_annotations(node: &mut Node) {
    let Some(metadata) = node.as_map_mut().and_then(|map| map.get_mut("metadata")) else { return };
    let Some(metadata) = metadata.as_map_mut() else { return };
    let Some(Node::Map(annotations)) = metadata.get_mut("annotations") else { return };
    for value in annotations.values_mut() {
        *value = Node::string(value.text().unwrap_or_default());
    }
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}
