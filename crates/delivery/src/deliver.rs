//! One object written: ownership repaired where needed, applied, refused with its reason.

use crate::desired::Desired;
use crate::look;
use crate::observe::unhealthy;
use crate::source::problem;
use crate::takeover;
use cluster::{ApplyOptions, Client, ClusterError, PatchOptions, Resource};
use objects::health::Health;
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::sync::Arc;
use sync::plan::Conflict;
use sync::{Action, Problem};

/// An object that changes while its ownership is rewritten is read again this many times.
const TAKEOVER_TRIES_MAX: usize = 5;

/// How objects are written in this run.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) client: Client,
    pub(crate) manager: String,
    pub(crate) force: bool,
}

/// An object after it was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Object,
    /// What it came to; `None` when the server had nothing to change.
    pub(crate) action: Option<Action>,
    /// Its health when it is not healthy.
    pub(crate) health: Option<Health>,
    pub(crate) warnings: Vec<String>,
    pub(crate) resource: Arc<Resource>,
}

/// Why an object was not written.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) problem: Problem,
    /// Whether the server said no, rather than the network or nobody.
    pub(crate) definite: bool,
    pub(crate) conflicts: Vec<Conflict>,
}

impl Failure {
    pub(crate) fn of(error: ClusterError) -> Self {
        let definite = !error.is_transient() && !look::concerns_everything(&error);
        let mut problem = problem(None, &error);
        let conflicts = match error {
            ClusterError::Conflict { conflicts, .. } => look::conflict_list(conflicts),
            _ => Vec::new(),
        };
        if !conflicts.is_empty() {
            let list: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
            problem.message = format!("others own fields of it: {}", list.join(", "));
            problem.hint = Some(
                "leave these fields out of the tree, or take them with --force-conflicts"
                    .to_owned(),
            );
        }
        Self { problem, definite, conflicts }
    }

    pub(crate) fn new(message: impl Into<String>, definite: bool) -> Self {
        let problem = Problem { origin: None, message: message.into(), hint: None };
        Self { problem, definite, conflicts: Vec::new() }
    }
}

/// What one write needs of a desired object; owned, so that it can run beside others.
pub(crate) struct Job {
    pub(crate) gvk: Arc<GroupVersionKind>,
    pub(crate) resource: Option<Arc<Resource>>,
    pub(crate) object: Object,
    pub(crate) action: Action,
    /// The live object's version before, to tell a write from nothing.
    pub(crate) resource_version: Option<String>,
}

impl Job {
    pub(crate) fn of(
        desired: &Desired,
        action: Action,
        version: Option<String>,
    ) -> Result<Self, Failure> {
        let object = desired.object().map_err(|error| Failure::new(error.to_string(), true))?;
        Ok(Self {
            gvk: desired.gvk.clone(),
            resource: desired.resource.clone(),
            object,
            action,
            resource_version: version,
        })
    }
}

impl Writer {
    /// Writes one object.
    pub(crate) async fn write(&self, job: Job) -> Result<Written, Failure> {
        let resource = match job.resource {
            Some(resource) => resource,
            None => self.client.resolve(&job.gvk).await.map_err(Failure::of)?,
        };
        let mut action = job.action;
        if action == Action::Takeover {
            self.take_over(&resource, &job.object).await.map_err(Failure::of)?;
        }
        let options = ApplyOptions { force: self.force, ..ApplyOptions::new(&self.manager) };
        let applied = match self.client.apply(&resource, &job.object, &options).await {
            Err(ClusterError::Conflict { conflicts, .. }) if takeover::only_clients(&conflicts) => {
                action = Action::Takeover;
                self.client.apply(&resource, &job.object, &options.force()).await
            }
            other => other,
        }
        .map_err(Failure::of)?;
        let same = job.resource_version.is_some()
            && applied.object.resource_version() == job.resource_version.as_deref();
        Ok(Written {
            health: unhealthy(&applied.object),
            action: (!same).then_some(if applied.created { Action::Create } else { action }),
            object: applied.object,
            warnings: applied.warnings,
            resource,
        })
    }

    /// Rewrites the entries of clients into ours; refused and tried again when the object moved.
    async fn take_over(&self, resource: &Resource, desired: &Object) -> Result<(), ClusterError> {
        let place = (desired.namespace(), desired.name());
        self.repair(resource, place, |live| {
            takeover::rewritten(live, &self.manager, self.force)
                .map(|fields| vec![replace(&fields)])
        })
        .await
    }

    /// Gives an object up: our ownership goes, and our label when `label` names it.
    pub(crate) async fn release(
        &self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        uid: &str,
        label: Option<&str>,
    ) -> Result<(), ClusterError> {
        self.repair(resource, (namespace, name), |live| {
            if live.uid() != Some(uid) {
                return None;
            }
            let mut patch: Vec<Value> = Vec::new();
            if let Some(label) = label.filter(|label| live.label(label).is_some()) {
                let key = label.replace('~', "~0").replace('/', "~1");
                patch.push(json!({"op": "remove", "path": format!("/metadata/labels/{key}")}));
            }
            patch.extend(takeover::released(live, &self.manager).as_ref().map(replace));
            (!patch.is_empty()).then_some(patch)
        })
        .await
    }

    /// Reads an object and patches exactly what was read.
    async fn repair(
        &self,
        resource: &Resource,
        (namespace, name): (&str, &str),
        patch: impl Fn(&Object) -> Option<Vec<Value>>,
    ) -> Result<(), ClusterError> {
        let mut tries = 0;
        loop {
            let Some(live) = self.client.get(resource, namespace, name).await? else {
                return Ok(());
            };
            let Some(operations) = patch(&live) else { return Ok(()) };
            let options = PatchOptions {
                field_manager: self.manager.clone(),
                resource_version: live.resource_version().map(str::to_owned),
                ..PatchOptions::default()
            };
            let patched =
                self.client.patch_json(resource, namespace, name, &operations, &options).await;
            tries += 1;
            match patched {
                Ok(_) => return Ok(()),
                Err(ClusterError::Changed { .. } | ClusterError::Invalid { .. })
                    if tries < TAKEOVER_TRIES_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn replace(fields: &Value) -> Value {
    json!({"op": "replace", "path": "/metadata/managedFields", "value": fields})
}
