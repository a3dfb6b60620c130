//! How kustomize tells objects apart: group, version, kind, name and namespace, and whether a
//! kind is known to have no namespace.

use crate::schema;
use std::borrow::Cow;
use std::fmt;

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";
/// Stands for the namespace of what has none.
const NO_NAMESPACE: &str = "_non_namespaceable_";

/// Group, version and kind; in a selector an empty part matches anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl Gvk {
    pub(crate) fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = parts(api_version);
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    pub(crate) fn api_version(&self) -> Cow<'_, str> {
        match self.group.as_str() {
            "" => Cow::Borrowed(&self.version),
            group => Cow::Owned(format!("{group}/{}", self.version)),
        }
    }

    /// Whether `selector`, with its empty parts open, takes this kind in.
    pub(crate) fn is_selected(&self, selector: &Self) -> bool {
        selector.selects(&self.group, &self.version, &self.kind)
    }

    /// Whether this, with its empty parts open, takes a kind in.
    pub(crate) fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        let part = |own: &str, asked: &str| asked.is_empty() || own == asked;
        part(kind, &self.kind) && part(group, &self.group) && part(version, &self.version)
    }

    pub(crate) fn is_cluster_scoped(&self) -> bool {
        schema::is_cluster_scoped(&self.api_version(), &self.kind)
    }
}

/// Group and version of an `apiVersion`.
pub(crate) fn parts(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The namespace that counts: none for cluster-wide kinds, `default` where none is named.
pub(crate) fn effective<'a>(api_version: &str, kind: &str, namespace: &'a str) -> &'a str {
    if schema::is_cluster_scoped(api_version, kind) {
        NO_NAMESPACE
    } else if namespace.is_empty() {
        DEFAULT_NAMESPACE
    } else {
        namespace
    }
}

/// The identity of an object at one step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Id {
    /// The namespace that counts: none for cluster-wide kinds, `default` where none is named.
    pub(crate) fn effective_namespace(&self) -> &str {
        effective(&self.gvk.api_version(), &self.gvk.kind, &self.namespace)
    }

    pub(crate) fn is_same_namespace(&self, other: &Self) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    /// Whether both mean the same object.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk == other.gvk && self.is_same_namespace(other)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.gvk.kind)?;
        if !self.gvk.group.is_empty() {
            write!(f, ".{}", self.gvk.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}
