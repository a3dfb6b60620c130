//! One object written: ownership repaired where needed, applied, refused with its reason.

use crate::desired::Desired;
use crate::look;
use crate::observe::unhealthy;
use crate::remove;
use crate::source::problem;
use crate::takeover::{self, Deliveries};
use cluster::{Applied, ApplyOptions, Client, ClusterError, PatchOptions, Resource};
use objects::health::Health;
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::sync::Arc;
use sync::name::DELIVERY_LABEL;
use sync::plan::Conflict;
use sync::{Action, DeliveryName, Ignored, Problem};
use tokio::time::Instant;

/// An object that changes between being read and being written is read again this many times.
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
    /// Whether it cannot be changed in place.
    pub(crate) immutable: bool,
}

impl Failure {
    pub(crate) fn of(error: ClusterError) -> Self {
        let definite = !error.is_transient() && !look::concerns_everything(&error);
        let mut problem = problem(None, &error);
        let immutable = matches!(error, ClusterError::Immutable { .. });
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
        Self { problem, definite, conflicts, immutable }
    }

    pub(crate) fn new(message: impl Into<String>, definite: bool) -> Self {
        let problem = Problem { origin: None, message: message.into(), hint: None };
        Self { problem, definite, conflicts: Vec::new(), immutable: false }
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
    /// What is left to others.
    pub(crate) ignored: Option<Ignored>,
    /// The other deliveries whose fields are taken.
    pub(crate) from: Deliveries,
    /// Until when it may be deleted and made again, if it may be at all.
    pub(crate) recreate_until: Option<Instant>,
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
            ignored: desired.ignored().cloned(),
            from: Deliveries::None,
            recreate_until: None,
        })
    }

    /// The document to apply now, and the version of the live object that it was made for.
    fn payload(&self, live: Option<&Object>, manager: &str) -> Object {
        let mut object = self.object.clone();
        if let (Some(ignored), Some(live)) = (&self.ignored, live) {
            let label = object.label(DELIVERY_LABEL).map(str::to_owned);
            let ignores = |manager: &str| ignored.manager(manager);
            objects::fields::withhold(&mut object, live, manager, &ignored.pointers, &ignores);
            if let Some(label) = label {
                object.set_label(DELIVERY_LABEL, &label);
            }
            if let Some(version) = live.resource_version() {
                let version = Value::String(version.to_owned());
                object.metadata_mut().insert("resourceVersion".to_owned(), version);
            }
        }
        object
    }
}

impl Writer {
    /// Writes one object.
    pub(crate) async fn write(&self, job: Job) -> Result<Written, Failure> {
        let resource = match &job.resource {
            Some(resource) => resource.clone(),
            None => self.client.resolve(&job.gvk).await.map_err(Failure::of)?,
        };
        let mut action = job.action;
        if action == Action::Takeover {
            self.take_over(&resource, &job).await.map_err(Failure::of)?;
        }
        let applied = match self.apply(&resource, &job, self.force).await {
            Err(ClusterError::Conflict { conflicts, .. }) if job.from.give_all(&conflicts) => {
                action = Action::Takeover;
                self.apply(&resource, &job, true).await
            }
            other => other,
        };
        let applied = match (applied, job.recreate_until) {
            (Err(ClusterError::Immutable { .. }), Some(until)) => {
                action = Action::Recreate;
                self.recreate(&resource, &job, until).await?
            }
            (applied, _) => applied.map_err(Failure::of)?,
        };
        let same = job.resource_version.is_some()
            && applied.object.resource_version() == job.resource_version.as_deref();
        let created = applied.created && action != Action::Recreate;
        Ok(Written {
            health: unhealthy(&applied.object),
            action: (!same).then_some(if created { Action::Create } else { action }),
            object: applied.object,
            warnings: applied.warnings,
            resource,
        })
    }

    /// Applies once. What is left to others needs the live object first, and the write holds only
    /// for exactly that one.
    async fn apply(
        &self,
        resource: &Resource,
        job: &Job,
        force: bool,
    ) -> Result<Applied, ClusterError> {
        let options = ApplyOptions { force, ..ApplyOptions::new(&self.manager) };
        if job.ignored.is_none() {
            return self.client.apply(resource, &job.object, &options).await;
        }
        let mut tries = 0;
        loop {
            let place = (job.object.namespace(), job.object.name());
            let live = self.client.get(resource, place.0, place.1).await?;
            let payload = job.payload(live.as_ref(), &self.manager);
            tries += 1;
            match self.client.apply(resource, &payload, &options).await {
                Err(ClusterError::Changed { .. }) if tries < TAKEOVER_TRIES_MAX => {}
                other => return other,
            }
        }
    }

    /// Deletes an object that cannot be changed in place, waits until it is gone, and makes it.
    async fn recreate(
        &self,
        resource: &Resource,
        job: &Job,
        until: Instant,
    ) -> Result<Applied, Failure> {
        let id = job.object.id();
        let live = self.client.get_metadata(resource, &id.namespace, &id.name).await;
        if let Some(uid) = live.map_err(Failure::of)?.as_ref().and_then(Object::uid) {
            let propagation = remove::propagation(&id.group_kind());
            let end = remove::remove(&self.client, resource, (&id, uid), propagation, until).await;
            end.freed()?;
        }
        let options = ApplyOptions::new(&self.manager);
        self.client.apply(resource, &job.object, &options).await.map_err(Failure::of)
    }

    /// Rewrites the entries of clients into ours; refused and tried again when the object moved.
    async fn take_over(&self, resource: &Resource, job: &Job) -> Result<(), ClusterError> {
        let place = (job.object.namespace(), job.object.name());
        self.repair(resource, place, |live| {
            takeover::rewritten(live, &self.manager, &job.from).map(|fields| vec![replace(&fields)])
        })
        .await
    }

    /// Gives an object to another delivery: first its label, then everything that we own.
    pub(crate) async fn transfer(
        &self,
        resource: &Resource,
        place: (&str, &str),
        uid: &str,
        to: &DeliveryName,
    ) -> Result<(), ClusterError> {
        self.repair(resource, place, |live| {
            let is_other = live.uid() != Some(uid);
            if is_other || live.label(DELIVERY_LABEL) == Some(to.as_str()) {
                return None;
            }
            live.label(DELIVERY_LABEL)?;
            let path = format!("/metadata/labels/{}", escaped(DELIVERY_LABEL));
            Some(vec![json!({"op": "replace", "path": path, "value": to.as_str()})])
        })
        .await?;
        self.repair(resource, place, |live| {
            let fields = takeover::transferred(live, &self.manager, &to.manager());
            fields.filter(|_| live.uid() == Some(uid)).map(|fields| vec![replace(&fields)])
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
                let path = format!("/metadata/labels/{}", escaped(label));
                patch.push(json!({"op": "remove", "path": path}));
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

/// A key as a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn replace(fields: &Value) -> Value {
    json!({"op": "replace", "path": "/metadata/managedFields", "value": fields})
}
