//! One object compared by the server itself: a dry run, told as masked field changes.

use crate::error::DeliveryError;
use crate::source::problem;
use crate::takeover::{self, Deliveries};
use cluster::{ApplyOptions, Client, ClusterError, FieldConflict, Resource};
use objects::Object;
use objects::diff::{self, FieldChange};
use objects::fields::ManagedFields;
use objects::mask::{self, Masker, SALT_BYTES};
use serde_json::Value;
use std::hash::{BuildHasher, RandomState};
use sync::{Change, Conflict, Problem};

/// Stands for a value that goes away together with its owner.
const GONE_WITH_OWNER: &str = "(removed with its former owner)";

/// What the server would do with an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing.
    Unchanged,
    /// It has to be written; found without asking, so the fields are not known.
    Write { takes_over_from: Vec<String> },
    /// It would change.
    Differs { changes: Vec<Change>, takes_over_from: Vec<String> },
    /// Others own fields of it with other values.
    Conflict { changes: Vec<Change>, conflicts: Vec<Conflict> },
    /// It cannot be changed in place.
    Immutable(Problem),
    /// It would be refused.
    Refused(Problem),
    /// It is being deleted; these finalizers hold it.
    Going(Vec<String>),
}

/// What the server would make of an object.
pub(crate) type Answer = Result<Object, ClusterError>;

/// How to look.
pub(crate) struct Lens<'a> {
    pub(crate) client: &'a Client,
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
    pub(crate) masker: &'a Masker,
}

/// Makes the masks of one run: equal values look equal in one output, and nowhere else.
pub(crate) fn masker() -> Masker {
    let mut salt = [0; SALT_BYTES];
    for (index, chunk) in salt.chunks_mut(8).enumerate() {
        // Keyed by 128 random bits of the operating system.
        let bytes = RandomState::new().hash_one(index).to_le_bytes();
        for (to, from) in chunk.iter_mut().zip(bytes) {
            *to = from;
        }
    }
    Masker::new(salt)
}

impl Lens<'_> {
    /// Asks the server what applying `desired` would do; `live` is the object as it is now.
    ///
    /// # Errors
    /// When the server cannot be asked at all. A refusal is a verdict.
    pub(crate) async fn look(
        &self,
        resource: &Resource,
        desired: &Object,
        live: Option<&Object>,
        from: &Deliveries,
    ) -> Result<Verdict, DeliveryError> {
        let answer = self.ask(resource, desired).await;
        self.judge(answer, resource, desired, live, from).await
    }

    /// The question alone: what the server would make of `desired`.
    pub(crate) async fn ask(&self, resource: &Resource, desired: &Object) -> Answer {
        self.dry_run(resource, desired, self.force).await
    }

    /// What the answer to [`Lens::ask`] means for the object as it is. One of the two may be a
    /// moment older than the other: they are equal only when applying would change nothing.
    ///
    /// # Errors
    /// As [`Lens::look`].
    pub(crate) async fn judge(
        &self,
        answer: Answer,
        resource: &Resource,
        desired: &Object,
        live: Option<&Object>,
        from: &Deliveries,
    ) -> Result<Verdict, DeliveryError> {
        let taken =
            live.map(|live| takeover::managers(live, self.manager, from)).unwrap_or_default();
        match answer {
            Ok(after) => Ok(self.compare(live, &after, taken)),
            Err(ClusterError::Conflict { conflicts, .. }) => {
                let (clients, others): (Vec<_>, Vec<_>) =
                    conflicts.into_iter().partition(|conflict| from.gives(&conflict.manager));
                let forced = self.dry_run(resource, desired, true).await.ok();
                Ok(match forced {
                    Some(after) if others.is_empty() => {
                        let clients = clients.into_iter().map(|conflict| conflict.manager);
                        self.compare(live, &after, taken.into_iter().chain(clients).collect())
                    }
                    after => Verdict::Conflict {
                        changes: live
                            .zip(after.as_ref())
                            .map(|(live, after)| self.changes(live, after))
                            .unwrap_or_default(),
                        conflicts: conflict_list(others),
                    },
                })
            }
            Err(error) if concerns_everything(&error) => {
                let id = desired.id();
                Err(DeliveryError::Cluster { operation: format!("compare {id}"), source: error })
            }
            Err(error @ ClusterError::Immutable { .. }) => {
                Ok(Verdict::Immutable(problem(None, &error)))
            }
            Err(error) => Ok(Verdict::Refused(problem(None, &error))),
        }
    }

    async fn dry_run(
        &self,
        resource: &Resource,
        desired: &Object,
        force: bool,
    ) -> Result<Object, ClusterError> {
        let options = ApplyOptions { force, ..ApplyOptions::new(self.manager).dry_run() };
        self.client.apply(resource, desired, &options).await.map(|applied| applied.object)
    }

    fn compare(&self, live: Option<&Object>, after: &Object, mut from: Vec<String>) -> Verdict {
        let Some(live) = live else {
            return Verdict::Differs { changes: Vec::new(), takes_over_from: from };
        };
        from.sort_unstable();
        from.dedup();
        let mut changes = self.changes(live, after);
        for path in takeover::removed(live, after, self.manager, &from) {
            if !changes.iter().any(|change| change.path == path) {
                let before = Some(Value::String(GONE_WITH_OWNER.to_owned()));
                changes.push(Change { path, before, after: None });
            }
        }
        if changes.is_empty() && from.is_empty() && same_ownership(live, after, self.manager) {
            return Verdict::Unchanged;
        }
        Verdict::Differs { changes, takes_over_from: from }
    }

    fn changes(&self, live: &Object, after: &Object) -> Vec<Change> {
        let kind = live.gvk().group_kind();
        diff::diff(live, after)
            .iter()
            .map(|change| {
                let FieldChange { path, before, after } =
                    mask::mask_change(&kind, change, self.masker);
                Change { path, before, after }
            })
            .collect()
    }
}

/// Whether the server would not even write a new owner.
fn same_ownership(live: &Object, after: &Object, manager: &str) -> bool {
    let (Ok(before), Ok(after)) = (ManagedFields::of(live), ManagedFields::of(after)) else {
        return false;
    };
    match (before.applied_by(manager), after.applied_by(manager)) {
        (Some(before), Some(after)) => {
            before.fields == after.fields && before.api_version == after.api_version
        }
        (before, after) => before.is_none() && after.is_none(),
    }
}

/// Field and owner, as the plan writes them.
pub(crate) fn conflict_list(conflicts: Vec<FieldConflict>) -> Vec<Conflict> {
    let mut list: Vec<Conflict> = conflicts
        .into_iter()
        .map(|conflict| Conflict { path: conflict.field, manager: conflict.manager })
        .collect();
    list.sort();
    list.dedup();
    list
}

/// Whether an error is not about one object but about the whole run.
pub(crate) fn concerns_everything(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::Unreachable { .. }
            | ClusterError::Certificate { .. }
            | ClusterError::Unauthorized { .. }
            | ClusterError::Credentials { .. }
    )
}
