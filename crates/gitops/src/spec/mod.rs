//! The custom resource `GitSync` as plain data: what a team asks for ([`Spec`]) and what is seen
//! of it ([`Status`]).
//!
//! Reading is lenient, because the server has checked the document against the schema of
//! [`crate::crd`] and an older program must go on when a newer schema has more fields. A file is
//! read strictly by [`crate::file`]. A [`Spec`] that parses may still make no sense;
//! [`Valid`] is the stage behind the checks, and only that one is worked with.
//!
//! Durations are texts with a unit (`30s`, `1m30s`), times are RFC 3339. Nothing in a spec is a
//! secret: credentials are named by Secret, and a URL that holds some is refused.

mod notify;
mod period;
mod policy;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod valid;

pub use notify::{
    GITHUB_URL_DEFAULT, GITLAB_URL_DEFAULT, NOTIFY_CA_BYTES_MAX, NOTIFY_CA_KEY, NOTIFY_KEY,
    NOTIFY_MAX, Notify, NotifyEvent, NotifyKind, REPOSITORY_BYTES_MAX,
};
pub use period::Period;
pub use policy::{
    Conflicts, Decryption, Dependency, Force, HealthRule, IgnoreRule, OnDelete,
    PRUNE_OBJECTS_DEFAULT, PRUNE_PERCENT_DEFAULT, Prune, RETRY_PAUSE_DEFAULT,
    RETRY_PAUSE_MAX_DEFAULT, Retry, SelfHeal, WEBHOOK_KEY_DEFAULT, Webhook, WebhookProvider,
};
pub use source::{
    ALLOWED_SIGNERS_KEY_DEFAULT, Engine, Helm, KeySource, KeySourceKind, LocalRef,
    PGP_KEYS_KEY_DEFAULT, RefSpec, Render, Source, Verify, VerifyMode,
};
pub use status::{
    Condition, ConditionStatus, Counts, DRIFT_FIELDS_MAX, Drift, HealthCounts, InventorySummary,
    MESSAGE_BYTES_MAX, Next, Notified, Operation, Outcome, STATUS_DRIFT_MAX, STATUS_HISTORY_MAX,
    SignatureVerdict, Status, Timings, Trigger, bounded, condition, reason,
};
pub use valid::{
    CONFIRM_KINDS_MAX, DEPENDENCIES_MAX, EXPRESSION_BYTES_MAX, HEALTH_RULES_MAX,
    IGNORE_ENTRIES_MAX, IGNORE_RULES_MAX, NAME_CHARS_MAX, PATH_BYTES_MAX, READY_VARIABLES,
    REFERENCE_BYTES_MAX, RETRY_LIMIT_MAX, RETRY_PAUSE_MAX, Reference, SpecProblem, Tenancy,
    URL_BYTES_MAX, VALUES_FILES_MAX, Valid,
};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The API group.
pub const GROUP: &str = "orlop.dev";
/// The only version so far.
pub const VERSION: &str = "v1alpha1";
/// Group and version, as documents write them.
pub const API_VERSION: &str = "orlop.dev/v1alpha1";
/// The kind.
pub const KIND: &str = "GitSync";
/// The resource in URLs.
pub const PLURAL: &str = "gitsyncs";
/// One of them, for `kubectl get gitsync`.
pub const SINGULAR: &str = "gitsync";
/// The short name, for `kubectl get gs`.
pub const SHORT_NAME: &str = "gs";
/// Name of the CustomResourceDefinition.
pub const CRD_NAME: &str = "gitsyncs.orlop.dev";
/// Keeps a GitSync until what it made is pruned or released.
pub const FINALIZER: &str = "orlop.dev/gitsync";
/// An annotation whose value, when it changes, asks for a run at once.
pub const RECONCILE_ANNOTATION: &str = "orlop.dev/reconcile-at";
/// An annotation on a delivered object; the value `disabled` keeps drift on it from being
/// reverted.
pub const SELF_HEAL_ANNOTATION: &str = "orlop.dev/self-heal";
/// An annotation on a desired object; the value `recreate` lets `force: annotated` recreate it.
pub const RECREATE_ANNOTATION: &str = "orlop.dev/force";

/// How often a source is asked for news unless told otherwise.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// No source is polled more often.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// No source is polled less often.
pub const INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long an applied revision may take to become healthy unless told otherwise.
pub const HEALTH_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);
/// No health timeout is longer.
pub const HEALTH_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// One `GitSync`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GitSync {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Name, namespace, generation.
    pub metadata: Metadata,
    /// What is asked for.
    pub spec: Spec,
    /// What is seen; written through the status subresource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What is used of an object's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace; empty in a file that leaves it out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Unique over all time; absent in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Counts the changes of the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The version to write against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// When its deletion was asked for, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Who has to agree to its deletion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is asked for. Absent fields have the defaults of [`Spec::default`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Where the tree is and which revision of it is wanted.
    pub source: Source,
    /// How often the source is asked for news; a webhook makes it faster.
    pub interval: Period,
    /// Pushes that the sender tells about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// What happens to objects that left the tree.
    pub prune: Prune,
    /// The namespace of objects that name none; the GitSync's own unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// The service account in the GitSync's namespace that every write is made as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// What must be ready before this one is applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Fields that are neither compared nor written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
    /// Whether an object is recreated when a field of it cannot be changed.
    pub force: Force,
    /// What happens to fields that another manager owns.
    pub conflicts: Conflicts,
    /// How long an applied revision may take to become healthy.
    pub health_timeout: Period,
    /// Health of kinds that have no rule, or another one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<HealthRule>,
    /// Whether drift is reverted when it is seen.
    pub self_heal: SelfHeal,
    /// Stops everything: no poll, no apply, no healing.
    pub suspend: bool,
    /// How encrypted files are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// How the tree becomes objects.
    pub render: Render,
    /// How often a failed revision is tried again.
    pub retry: Retry,
    /// Who is told what happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            source: Source::default(),
            interval: Period(INTERVAL_DEFAULT),
            webhook: None,
            prune: Prune::default(),
            target_namespace: None,
            service_account_name: None,
            depends_on: Vec::new(),
            ignore: Vec::new(),
            force: Force::default(),
            conflicts: Conflicts::default(),
            health_timeout: Period(HEALTH_TIMEOUT_DEFAULT),
            health: Vec::new(),
            self_heal: SelfHeal::default(),
            suspend: false,
            decryption: None,
            render: Render::default(),
            retry: Retry::default(),
            notify: Vec::new(),
        }
    }
}

/// Namespace and name of a `GitSync`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SyncKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl SyncKey {
    /// A key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for SyncKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl GitSync {
    /// Reads one from a document of the server.
    ///
    /// # Errors
    /// When a known field has another type than the schema allows.
    pub fn from_value(value: serde_json::Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> SyncKey {
        SyncKey::new(self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    /// The value of [`RECONCILE_ANNOTATION`], if it asks for a run that was not made yet.
    #[must_use]
    pub fn reconcile_request(&self) -> Option<&str> {
        let asked = self.metadata.annotations.get(RECONCILE_ANNOTATION)?;
        let handled = self.status.as_ref().and_then(|s| s.last_handled_reconcile_at.as_deref());
        (handled != Some(asked)).then_some(asked)
    }
}
