//! The history of a GitSync beyond its status: a ConfigMap beside the inventory, so that figures
//! over weeks outlive every process.
//!
//! It is read once per process and written when an operation has ended and when its revision
//! became healthy, never at rest, as the GitSync's own account, which writes the inventory there
//! too. Reverted drift is left out: a neighbour that changes an object every minute would push
//! the deployments out. What cannot be written now is written later, and stops no delivery.

use super::Syncer;
use crate::ReconcileError;
use crate::names::delivery_name;
use cluster::{ApplyOptions, Client, Resource};
use gitops::history::{History, Record};
use gitops::spec::{API_VERSION, KIND, Status, SyncKey, Trigger, Valid};
use model::chain;
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The label of the ConfigMap; its value is the GitSync's name.
pub const HISTORY_LABEL: &str = "orlop.dev/gitsync-history";
/// The key of the lines in it.
pub const HISTORY_KEY: &str = "history.jsonl";
/// The field manager of histories.
const MANAGER: &str = "orlop-history";
/// Between two tries to write it.
const TRY_PAUSE: Duration = Duration::from_secs(30);

/// What is known of the history.
#[derive(Default)]
pub(super) struct Past {
    /// As it is in the cluster; none before it was read.
    history: Option<History>,
    /// The records of the status that are in it.
    kept: Vec<Record>,
    failed: Option<Instant>,
}

/// The ConfigMap of a GitSync's history.
#[must_use]
pub fn history_object(key: &SyncKey) -> Option<String> {
    delivery_name(key).ok().map(|name| format!("orlop-history-{}", name.as_str()))
}

/// A history as it was read, with the operations that the status knows; oldest first.
#[must_use]
pub fn whole_history(lines: &str, status: &Status) -> History {
    let mut history = History::from_lines(lines);
    worth_keeping(status).into_iter().for_each(|record| history.append(record));
    history
}

/// The operations of a status that are kept, oldest first: all but reverted drift, unless that is
/// how a revision became healthy.
fn worth_keeping(status: &Status) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::new();
    for record in status.history.iter().rev().filter_map(Record::of) {
        let open = kept
            .last()
            .is_some_and(|last| last.healthy_at.is_none() && last.revision == record.revision);
        if record.trigger != Trigger::Drift || (open && record.healthy_at.is_some()) {
            kept.push(record);
        }
    }
    kept
}

impl Syncer {
    /// Writes the history when an operation is not in it yet.
    pub(super) async fn write_history(&mut self, valid: &Valid) {
        let records = worth_keeping(&self.status);
        let paused = self.past.failed.is_some_and(|at| at.elapsed() < TRY_PAUSE);
        if records.is_empty() || records == self.past.kept || paused {
            return;
        }
        if !self.shared.home.may_act() {
            return;
        }
        match self.append(valid, &records).await {
            Ok(()) => (self.past.kept, self.past.failed) = (records, None),
            Err(error) => {
                tracing::warn!(sync = %self.key, error = chain(&error), "history is not written");
                self.past.failed = Some(Instant::now());
            }
        }
    }

    async fn append(&mut self, valid: &Valid, records: &[Record]) -> Result<(), ReconcileError> {
        let client = self.shared.home.client(valid).await?;
        let Some(name) = history_object(&self.key) else { return Ok(()) };
        let resource = resource(&client).await?;
        let known = match self.past.history.take() {
            Some(known) => known,
            None => read(&client, &resource, &self.key, &name).await?,
        };
        let mut history = known.clone();
        records.iter().for_each(|record| history.append(record.clone()));
        if history == known {
            self.past.history = Some(known);
            return Ok(());
        }
        let mut metadata = json!({
            "namespace": self.key.namespace, "name": name,
            "labels": {HISTORY_LABEL: self.key.name},
        });
        if let (Some(uid), Some(fields)) = (&self.sync.metadata.uid, metadata.as_object_mut()) {
            // It goes with its GitSync.
            let owner = json!([{
                "apiVersion": API_VERSION, "kind": KIND, "name": self.key.name, "uid": uid,
            }]);
            fields.insert("ownerReferences".to_owned(), owner);
        }
        let document = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": {HISTORY_KEY: history.to_lines()},
        });
        let Ok(object) = Object::from_value(document) else { return Ok(()) };
        let options = ApplyOptions::new(MANAGER).force();
        let written = client.apply(&resource, &object, &options).await;
        let operation = format!("write the history of {}", self.key);
        written.map_err(ReconcileError::cluster(operation))?;
        self.past.history = Some(history);
        Ok(())
    }
}

async fn resource(client: &Client) -> Result<Arc<Resource>, ReconcileError> {
    let gvk = GroupVersionKind::from_api_version("v1", "ConfigMap");
    let found = client.resolve(&gvk).await;
    found.map_err(ReconcileError::cluster("discover what the cluster serves"))
}

async fn read(
    client: &Client,
    resource: &Resource,
    key: &SyncKey,
    name: &str,
) -> Result<History, ReconcileError> {
    let found = client.get(resource, &key.namespace, name).await;
    let found = found.map_err(ReconcileError::cluster(format!("read the history of {key}")))?;
    let text = found.as_ref().and_then(|object| object.at(&["data", HISTORY_KEY]));
    Ok(History::from_lines(text.and_then(Value::as_str).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitops::spec::{Operation, Outcome};
    use jiff::Timestamp;

    fn operation(second: i64, trigger: Trigger, healthy: bool) -> Operation {
        let time = Timestamp::from_second(second).unwrap();
        Operation {
            revision: "a".to_owned(),
            trigger,
            outcome: Outcome::Succeeded,
            started_at: Some(time),
            finished_at: Some(time),
            healthy_at: healthy.then_some(time),
            ..Operation::default()
        }
    }

    #[test]
    fn reverted_drift_pushes_no_deployment_out_of_the_history() {
        let mut status = Status::default();
        status.record(operation(1, Trigger::Webhook, true));
        (2..9).for_each(|second| status.record(operation(second, Trigger::Drift, true)));
        assert_eq!(whole_history("", &status).records().len(), 1);
        // Unless it is how the revision became healthy.
        let mut status = Status::default();
        status.record(operation(1, Trigger::Webhook, false));
        status.record(operation(2, Trigger::Drift, false));
        status.record(operation(3, Trigger::Drift, true));
        status.record(operation(4, Trigger::Drift, true));
        let history = whole_history("", &status);
        assert_eq!(history.records().len(), 2);
        assert!(history.records().any(|record| record.healthy_at.is_some()));
    }

    #[test]
    fn what_was_kept_and_what_the_status_knows_are_one_list_without_doubles() {
        let mut status = Status::default();
        (1..=3).for_each(|second| status.record(operation(second, Trigger::Poll, true)));
        let lines = whole_history("", &status).to_lines();
        status.record(operation(4, Trigger::Poll, true));
        assert_eq!(whole_history(&lines, &status).records().len(), 4);
    }
}
