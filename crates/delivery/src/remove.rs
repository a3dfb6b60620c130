//! One object deleted: the one that was looked at and no other, and awaited until it is gone.

use crate::decided::going;
use crate::deliver::Failure;
use crate::wait;
use cluster::{Client, ClusterError, DeleteOptions, Deleted, Propagation, Resource};
use objects::{GroupKind, ObjectRef};
use tokio::time::Instant;

/// Kinds whose Pods or Jobs have to be gone before another object of the name may come.
const FOREGROUND_KINDS: [(&str, &str); 7] = [
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"),
    ("", "ReplicationController"),
    ("batch", "Job"),
    ("batch", "CronJob"),
];

/// How a deletion ended.
pub(crate) enum End {
    /// It is gone, or was before.
    Gone,
    /// Another object has its name; ours is gone.
    Replaced,
    /// It is still there when the time is over.
    Stuck(String),
    /// The server said no.
    Failed(Failure),
}

impl End {
    /// For those who need the name free.
    pub(crate) fn freed(self) -> Result<(), Failure> {
        match self {
            Self::Gone => Ok(()),
            Self::Replaced => Err(Failure::new("it was made again by somebody else", true)),
            Self::Stuck(reason) => Err(Failure::new(reason, true)),
            Self::Failed(failure) => Err(failure),
        }
    }
}

/// How an object of a kind is deleted when another one takes its place.
pub(crate) fn propagation(kind: &GroupKind) -> Propagation {
    let waits =
        FOREGROUND_KINDS.iter().any(|(group, name)| kind.group == *group && kind.kind == *name);
    if waits { Propagation::Foreground } else { Propagation::Background }
}

/// Deletes the object with this uid and waits until it is gone.
pub(crate) async fn remove(
    client: &Client,
    resource: &Resource,
    (id, uid): (&ObjectRef, &str),
    propagation: Propagation,
    until: Instant,
) -> End {
    let options =
        DeleteOptions { uid: Some(uid.to_owned()), propagation, ..DeleteOptions::default() };
    match client.delete(resource, &id.namespace, &id.name, &options).await {
        Ok(Deleted::Absent) => return End::Gone,
        // A namespace answers like an object without finalizers and goes when it is empty.
        Ok(Deleted::Gone) if id.group_kind() != GroupKind::new("", "Namespace") => {
            return End::Gone;
        }
        Ok(Deleted::Gone | Deleted::Pending(_)) => {}
        // The precondition did not hold: the object we made is gone.
        Err(ClusterError::Changed { .. }) => return End::Replaced,
        Err(error) => return End::Failed(Failure::of(error)),
    }
    let place = (id.namespace.as_str(), id.name.as_str());
    let gone = wait::watch_until(client, resource, place, until, |state| {
        state.is_none_or(|object| object.uid() != Some(uid))
    })
    .await;
    match gone {
        Ok(None) => End::Gone,
        Ok(Some(_)) => {
            let last = client.get_metadata(resource, &id.namespace, &id.name).await.ok().flatten();
            let finalizers =
                last.map(|object| sync::decide::Live::of(&object).finalizers).unwrap_or_default();
            End::Stuck(going(&finalizers))
        }
        Err(error) => End::Failed(Failure::of(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_19_what_has_dependants_is_deleted_after_them_when_it_is_made_again() {
        assert_eq!(propagation(&GroupKind::new("apps", "Deployment")), Propagation::Foreground);
        assert_eq!(propagation(&GroupKind::new("", "Service")), Propagation::Background);
        assert_eq!(propagation(&GroupKind::new("x.example", "Job")), Propagation::Background);
    }
}
