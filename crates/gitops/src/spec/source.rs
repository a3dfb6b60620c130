//! Where a tree comes from, who must have signed it, and how it becomes objects.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The key of a ConfigMap or Secret with allowed SSH signers unless told otherwise.
pub const ALLOWED_SIGNERS_KEY_DEFAULT: &str = "allowed_signers";
/// The key of a ConfigMap or Secret with PGP keys unless told otherwise.
pub const PGP_KEYS_KEY_DEFAULT: &str = "keys.asc";

/// A tree of a Git repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// https, http, ssh (also as `user@host:path`) or file; without credentials.
    pub url: String,
    /// Which revision is wanted.
    pub r#ref: RefSpec,
    /// The directory in the tree, relative to its root; the root when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The Secret with `username` and `password`, `token`, `identity` and `known_hosts`, `ca.crt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
    /// Whose signature is asked for.
    pub verify: Verify,
}

/// An object of the GitSync's own namespace, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalRef {
    /// Its name.
    pub name: String,
}

/// Exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefSpec {
    /// A branch by its short name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A tag by its short name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The highest tag that is a version in this range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A commit by its full id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Which commits must carry a good signature.
///
/// The word for nobody is `none` and not `off`, which YAML 1.1 reads as a boolean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VerifyMode {
    /// None.
    #[default]
    #[serde(rename = "none", alias = "off")]
    Off,
    /// The commit (or the tag) that is wanted.
    #[serde(rename = "head")]
    Head,
    /// Every commit between the last applied one and the one that is wanted.
    #[serde(rename = "everyCommit")]
    EveryCommit,
}

/// Whose signature is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verify {
    /// Which commits are looked at.
    pub mode: VerifyMode,
    /// SSH keys, in the form of `ssh-keygen`'s allowed signers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_signers: Option<KeySource>,
    /// PGP keys, armoured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgp_keys: Option<KeySource>,
    /// Whether the signing key must belong to the committer's address.
    pub require_committer_match: bool,
}

/// What kind of object holds keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum KeySourceKind {
    /// Public keys are no secret.
    #[default]
    ConfigMap,
    /// For teams that keep all keys in Secrets.
    Secret,
}

/// One key of a ConfigMap or a Secret in the GitSync's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeySource {
    /// Which kind of object.
    pub kind: KeySourceKind,
    /// Its name.
    pub name: String,
    /// Its key; see [`Verify::signers_key`] and [`Verify::pgp_key`] for the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Verify {
    /// The key with the allowed signers in it.
    #[must_use]
    pub fn signers_key(&self) -> &str {
        let source = self.allowed_signers.as_ref();
        source.and_then(|s| s.key.as_deref()).unwrap_or(ALLOWED_SIGNERS_KEY_DEFAULT)
    }

    /// The key with the PGP keys in it.
    #[must_use]
    pub fn pgp_key(&self) -> &str {
        let source = self.pgp_keys.as_ref();
        source.and_then(|s| s.key.as_deref()).unwrap_or(PGP_KEYS_KEY_DEFAULT)
    }
}

/// What makes objects of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Engine {
    /// Helm where there is a `Chart.yaml`, Kustomize where there is a kustomization, else plain.
    #[default]
    Auto,
    /// Every YAML and JSON file as it stands; a folder for another tool is refused.
    Plain,
    /// A kustomization.
    Kustomize,
    /// A Helm chart in the tree.
    Helm,
}

/// How the tree becomes objects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Render {
    /// What makes objects of files.
    pub engine: Engine,
    /// What the chart is rendered with; only with `auto` and `helm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Helm>,
}

/// What a chart is rendered with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Helm {
    /// The release's name; the GitSync's unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_name: Option<String>,
    /// Files of values, relative to `source.path`; later ones win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Values; they win over all files.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// Whether the chart's `crds/` are delivered too.
    pub include_crds: bool,
}

impl Default for Helm {
    fn default() -> Self {
        let (values_files, values) = (Vec::new(), Map::new());
        Self { release_name: None, values_files, values, include_crds: true }
    }
}
