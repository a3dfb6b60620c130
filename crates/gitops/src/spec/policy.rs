//! What a GitSync may do and how it goes about it: pruning, conflicts, healing, waiting.

use super::{LocalRef, Period};
use objects::{GroupKind, ObjectRef};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many objects one run prunes at most unless told otherwise.
pub const PRUNE_OBJECTS_DEFAULT: u32 = 100;
/// What share of the inventory one run prunes at most unless told otherwise, in percent.
pub const PRUNE_PERCENT_DEFAULT: u8 = 50;
/// The first pause after a failure unless told otherwise.
pub const RETRY_PAUSE_DEFAULT: Duration = Duration::from_secs(5);
/// The longest pause after failures unless told otherwise.
pub const RETRY_PAUSE_MAX_DEFAULT: Duration = Duration::from_secs(300);
/// The key of a webhook's Secret unless told otherwise.
pub const WEBHOOK_KEY_DEFAULT: &str = "token";

/// What happens to objects when their GitSync is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnDelete {
    /// They go with it, under the same guards.
    #[default]
    Prune,
    /// They stay, without our labels.
    Orphan,
}

/// What happens to objects that left the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Prune {
    /// Whether they are deleted at all.
    pub enabled: bool,
    /// How many may go in one run.
    pub max_objects: u32,
    /// What share of the inventory may go in one run, in percent.
    pub max_percent: u8,
    /// Whether an empty tree may prune everything.
    pub allow_empty: bool,
    /// Guarded kinds (`Namespace`, `PersistentVolumeClaim`, …) that may go all the same, as
    /// `Kind` or `Kind.group`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confirm_kinds: Vec<String>,
    /// What happens when the GitSync itself is deleted.
    pub on_delete: OnDelete,
}

impl Default for Prune {
    fn default() -> Self {
        Self {
            enabled: true,
            max_objects: PRUNE_OBJECTS_DEFAULT,
            max_percent: PRUNE_PERCENT_DEFAULT,
            allow_empty: false,
            confirm_kinds: Vec::new(),
            on_delete: OnDelete::default(),
        }
    }
}

impl Prune {
    /// The confirmed kinds, read.
    pub fn kinds(&self) -> impl Iterator<Item = GroupKind> + '_ {
        self.confirm_kinds.iter().map(|text| {
            let (kind, group) = text.split_once('.').unwrap_or((text, ""));
            GroupKind::new(group, kind).canonical()
        })
    }
}

/// Who sends pushes, when it is not to be found out from the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookProvider {
    /// GitHub.
    GitHub,
    /// GitLab, with a token or with a signature.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo.
    Forgejo,
    /// Gogs.
    Gogs,
    /// Bitbucket, cloud and server.
    Bitbucket,
    /// Anything that signs its body or sends a bearer token.
    Generic,
}

/// Pushes that the sender tells about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// The Secret that holds the shared secret, under [`WEBHOOK_KEY_DEFAULT`].
    pub secret_ref: LocalRef,
    /// The only sender that is listened to; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<WebhookProvider>,
}

/// Another GitSync that must be ready first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its namespace; the own one when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A CEL expression over `dep` (the other one) and `self` that says when it is ready; without
    /// one the condition `Ready` of its newest generation decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_expr: Option<String>,
}

/// Fields of some objects that are neither compared nor written.
///
/// Absent selectors match everything; `*` in a name or a namespace stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreRule {
    /// API group; the empty text is the core group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// JSON pointers of fields, with all below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pointers: Vec<String>,
    /// Field managers whose fields are left to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managers: Vec<String>,
}

impl IgnoreRule {
    /// Whether the rule speaks of this object.
    #[must_use]
    pub fn matches(&self, id: &ObjectRef) -> bool {
        let equal = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|w| w == is);
        let like = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|w| glob(w, is));
        let wanted_group = self.group.as_ref().map(|group| {
            let kind = self.kind.clone().unwrap_or_else(|| id.kind.clone());
            GroupKind::new(group.clone(), kind).canonical().group
        });
        equal(&wanted_group, &id.group)
            && equal(&self.kind, &id.kind)
            && like(&self.name, &id.name)
            && like(&self.namespace, &id.namespace)
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text. Linear in both: after a star
/// only the last one can move.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some((_, behind)) = text.split_once(part) else { return false };
        text = behind;
    }
    true
}

/// Whether an object is deleted and made again when a field of it cannot be changed.
///
/// Namespaces and claims on volumes are never recreated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Force {
    /// No; the operation fails and names the field.
    #[default]
    Never,
    /// Only objects that say so by [`super::RECREATE_ANNOTATION`].
    Annotated,
    /// Yes.
    Always,
}

/// What happens to a field that another manager owns with another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Conflicts {
    /// The object fails; the message names the field and its owner.
    #[default]
    Refuse,
    /// The field is taken.
    Force,
}

/// Health of one kind in CEL over `self`, the live object. The first of `degraded`,
/// `progressing` and `healthy` that is true decides; when none is, the object is progressing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthRule {
    /// API group; empty for core.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// True when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// True while it is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progressing: Option<String>,
    /// True when it is as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<String>,
    /// A text that explains the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether drift is reverted when it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelfHeal {
    /// Whether it is; drift is reported either way.
    pub enabled: bool,
}

impl Default for SelfHeal {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// How encrypted files are read: those that SOPS encrypted for age keys, of Secrets only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decryption {
    /// The Secret with age identities; every key of it that ends in `.agekey` holds some.
    pub secret_ref: LocalRef,
}

/// How often a failed revision is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// The first pause; every further one is twice as long.
    pub pause: Period,
    /// No pause is longer.
    pub pause_max: Period,
    /// How many tries follow the first one; without a limit when absent, none when 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            pause: Period(RETRY_PAUSE_DEFAULT),
            pause_max: Period(RETRY_PAUSE_MAX_DEFAULT),
            limit: None,
        }
    }
}
