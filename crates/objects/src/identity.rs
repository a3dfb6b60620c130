//! What makes two documents the same object: group, kind, namespace and name; never the version.
//!
//! Kinds that moved from the `extensions` group are the same object under their new group, so a
//! manifest that changes from `extensions/v1beta1` to `apps/v1` is a change and not a
//! create-and-prune.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// Kinds that once lived in `extensions`, with the group they live in now.
const MOVED_FROM_EXTENSIONS: [(&str, &str); 7] = [
    ("DaemonSet", "apps"),
    ("Deployment", "apps"),
    ("ReplicaSet", "apps"),
    ("Ingress", "networking.k8s.io"),
    ("NetworkPolicy", "networking.k8s.io"),
    ("PodSecurityPolicy", "policy"),
    ("Event", ""),
];

/// An API group and a kind in it; the core group is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// The group, empty for core.
    pub group: String,
    /// The kind, as in `Deployment`.
    pub kind: String,
}

impl GroupKind {
    /// A group and a kind.
    pub fn new(group: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), kind: kind.into() }
    }

    /// The group this kind has moved to; see the module's text.
    #[must_use]
    pub fn canonical(self) -> Self {
        let moved_to = match self.group.as_str() {
            "extensions" => MOVED_FROM_EXTENSIONS.iter().find(|(kind, _)| *kind == self.kind),
            "events.k8s.io" => Some(&("Event", "")),
            _ => None,
        };
        match moved_to {
            Some((_, group)) => Self { group: (*group).to_owned(), kind: self.kind },
            None => self,
        }
    }
}

impl fmt::Display for GroupKind {
    /// `Deployment.apps`, `Service`: the form that kubectl accepts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// A group, a version in it and a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// The group, empty for core.
    pub group: String,
    /// The version, as in `v1`.
    pub version: String,
    /// The kind, as in `Deployment`.
    pub kind: String,
}

impl GroupVersionKind {
    /// Splits an `apiVersion` such as `apps/v1` or `v1`.
    #[must_use]
    pub fn from_api_version(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// The `apiVersion` of this kind.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Without the version, as written (not canonical).
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(self.group.clone(), self.kind.clone())
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

/// The identity of an object in one cluster. A run keeps it in many places (the tree, the plan,
/// the inventory, the report), so copies share one text: a clone costs 8 bytes and no allocation.
///
/// Its hash is computed once, keyed as those of the standard library's maps are: each run looks
/// up every object several times.
#[derive(Clone)]
pub struct ObjectRef(Arc<Hashed>);

/// An identity with its hash in this process.
struct Hashed {
    hash: u64,
    identity: Identity,
}

/// The key of all hashes, so that nobody outside can choose names that collide.
static HASH_KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What an [`ObjectRef`] is made of. The group is canonical; the namespace is empty for
/// cluster-scoped objects.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Canonical API group, empty for core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty when cluster-scoped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// The identity of `namespace`/`name` of this kind.
    pub fn new(kind: GroupKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let GroupKind { group, kind } = kind.canonical();
        Self::of(Identity { group, kind, namespace: namespace.into(), name: name.into() })
    }

    fn of(identity: Identity) -> Self {
        Self(Arc::new(Hashed { hash: HASH_KEY.hash_one(&identity), identity }))
    }

    /// Group and kind.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }
}

impl Deref for ObjectRef {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0.identity
    }
}

impl PartialEq for ObjectRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.hash == other.0.hash && **self == **other)
    }
}

impl Eq for ObjectRef {}

impl Hash for ObjectRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for ObjectRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ObjectRef {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { (**self).cmp(&**other) }
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.identity.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Identity::deserialize(deserializer).map(Self::of)
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.identity, f)
    }
}

impl fmt::Display for ObjectRef {
    /// `Deployment.apps shop/web`, `Namespace shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(api_version: &str) -> ObjectRef {
        let kind = GroupVersionKind::from_api_version(api_version, "Deployment").group_kind();
        ObjectRef::new(kind, "shop", "web")
    }

    #[test]
    fn gitops_10_a_renamed_api_group_is_the_same_object() {
        assert_eq!(deployment("extensions/v1beta1"), deployment("apps/v1"));
        assert_ne!(deployment("example.com/v1"), deployment("apps/v1"));
    }

    #[test]
    fn identities_print_in_the_form_that_kubectl_accepts() {
        assert_eq!(deployment("apps/v1").to_string(), "Deployment.apps shop/web");
        let namespace = ObjectRef::new(GroupKind::new("", "Namespace"), "", "shop");
        assert_eq!(namespace.to_string(), "Namespace shop");
    }

    #[test]
    fn a_copy_of_an_identity_shares_its_text() {
        let web = deployment("apps/v1");
        assert_eq!(size_of_val(&web), size_of::<usize>());
        assert!(std::ptr::eq(&raw const *web, &raw const *web.clone()));
        let json = r#"{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"}"#;
        assert_eq!(serde_json::to_string(&web).unwrap(), json);
        assert_eq!(serde_json::from_str::<ObjectRef>(json).unwrap(), web);
    }

    #[test]
    fn identities_that_were_made_apart_are_found_by_each_other() {
        let (one, other) = (deployment("apps/v1"), deployment("extensions/v1beta1"));
        assert!(!std::ptr::eq(&raw const *one, &raw const *other));
        let mut found = std::collections::HashSet::from([one.clone()]);
        assert!(found.contains(&other) && !found.insert(other.clone()));
        assert_eq!(one.cmp(&other), Ordering::Equal);
        assert!(!found.contains(&deployment("example.com/v1")));
        assert!(deployment("apps/v1") < deployment("example.com/v1"), "ordered by their text");
    }

    #[test]
    fn an_api_version_survives_being_split() {
        for api_version in ["v1", "apps/v1", "example.com/v1alpha1"] {
            assert_eq!(
                GroupVersionKind::from_api_version(api_version, "X").api_version(),
                api_version
            );
        }
    }
}
