//! Reading and writing single objects: `get`, `create`, `apply`, `patch`, `delete`.
//!
//! Objects go in and out as JSON documents, never through typed structs, so nothing that the
//! server knows and we do not is lost.

use crate::client::Client;
use crate::error::ClusterError;
use crate::request::{Call, JSON};
use crate::resource::Resource;
use crate::status::About;
use http::{Method, StatusCode};
use objects::Object;
use serde_json::{Value, json};

/// The server's limit on a field manager's name.
pub const FIELD_MANAGER_CHARS_MAX: usize = 128;

pub(crate) const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// What the server does with fields that it does not know or that are given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Refuses the object.
    #[default]
    Strict,
    /// Drops them and warns.
    Warn,
    /// Drops them silently.
    Ignore,
}

/// How to apply.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// Who owns the fields; one name per writer.
    pub field_manager: String,
    /// Take fields over from other managers.
    pub force: bool,
    /// Let the server do everything but keep the result.
    pub dry_run: bool,
    /// Unknown and repeated fields.
    pub validation: FieldValidation,
}

impl ApplyOptions {
    /// Strict, without force, for real.
    pub fn new(field_manager: impl Into<String>) -> Self {
        Self {
            field_manager: field_manager.into(),
            force: false,
            dry_run: false,
            validation: FieldValidation::Strict,
        }
    }

    /// The same as a dry run.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// The same, taking fields over.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}

/// What came of an apply or create.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object as the server has it now.
    pub object: Object,
    /// True when it did not exist before.
    pub created: bool,
    /// What the server warned of.
    pub warnings: Vec<String>,
}

/// How to patch.
#[derive(Debug, Clone, Default)]
pub struct PatchOptions {
    /// Who owns the fields.
    pub field_manager: String,
    /// Refuse when the object is no longer at this version.
    pub resource_version: Option<String>,
    /// Let the server do everything but keep the result.
    pub dry_run: bool,
    /// `status`, `scale`.
    pub subresource: Option<&'static str>,
}

/// What becomes of the objects that belong to a deleted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Refuse when the object has another UID: the name was taken by somebody else.
    pub uid: Option<String>,
    /// Refuse when the object is no longer at this version.
    pub resource_version: Option<String>,
    /// What becomes of dependants.
    pub propagation: Propagation,
    /// Let the server do everything but the deletion.
    pub dry_run: bool,
}

/// What came of a delete.
#[derive(Debug, Clone, PartialEq)]
pub enum Deleted {
    /// The object is gone.
    Gone,
    /// Deletion has begun; finalizers or dependants hold the object.
    Pending(Box<Object>),
    /// There was nothing to delete.
    Absent,
}

impl Client {
    /// Reads one object; `None` when it does not exist.
    ///
    /// # Errors
    /// Any [`ClusterError`] but `NotFound`.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, ClusterError> {
        self.read(resource, namespace, name, JSON).await
    }

    /// Reads the metadata of one object; `None` when it does not exist.
    ///
    /// # Errors
    /// Any [`ClusterError`] but `NotFound`.
    pub async fn get_metadata(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, ClusterError> {
        self.read(resource, namespace, name, METADATA_ONLY).await
    }

    /// Creates an object that must not exist. Repeated only when certainly not carried out.
    ///
    /// # Errors
    /// [`ClusterError::AlreadyExists`] and any other.
    pub async fn create(
        &self,
        resource: &Resource,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let mut call = self.call("create", Method::POST, resource, object.namespace(), "", None)?;
        call.about.subject = resource.subject(object.namespace(), object.name());
        call.query = write_query(&options.field_manager, options.dry_run);
        call.query.push(validation(options.validation));
        call.body = bytes(&Value::Object(object.as_map().clone()), &call)?;
        call.repeatable = false;
        self.applied(resource, &call).await
    }

    /// Server-Side Apply: makes the object have these fields, owned by the manager, and removes
    /// those that the manager applied before and no longer names.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] with every field and its owner, and any other.
    pub async fn apply(
        &self,
        resource: &Resource,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        self.apply_to(resource, object, options, None).await
    }

    /// Server-Side Apply of the `status` subresource.
    ///
    /// # Errors
    /// As [`Client::apply`].
    pub async fn apply_status(
        &self,
        resource: &Resource,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        self.apply_to(resource, object, options, Some("status")).await
    }

    /// JSON merge patch: maps are merged, `null` removes, everything else replaces.
    ///
    /// # Errors
    /// [`ClusterError::Changed`] when the object is at another version, and any other.
    pub async fn patch_merge(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, ClusterError> {
        let mut patch = patch.clone();
        if let (Some(version), Some(map)) = (&options.resource_version, patch.as_object_mut()) {
            let metadata = map.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("resourceVersion".to_owned(), Value::String(version.clone()));
            }
        }
        // With a version a second try would refuse what the first one did.
        let repeatable = options.resource_version.is_none();
        self.patch((resource, namespace, name), &patch, options, (MERGE_PATCH, repeatable)).await
    }

    /// JSON patch (RFC 6902). A resource version becomes a `test` operation in front.
    ///
    /// # Errors
    /// [`ClusterError::Invalid`] when a test fails, and any other.
    pub async fn patch_json(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        operations: &[Value],
        options: &PatchOptions,
    ) -> Result<Object, ClusterError> {
        let test = options.resource_version.as_ref().map(
            |version| json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}),
        );
        let patch = Value::Array(test.into_iter().chain(operations.iter().cloned()).collect());
        self.patch((resource, namespace, name), &patch, options, (JSON_PATCH, false)).await
    }

    /// Merge patch of the `status` subresource.
    ///
    /// # Errors
    /// As [`Client::patch_merge`].
    pub async fn patch_status(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        status: &Value,
        options: &PatchOptions,
    ) -> Result<Object, ClusterError> {
        let options = PatchOptions { subresource: Some("status"), ..options.clone() };
        let patch = json!({"status": status});
        self.patch_merge(resource, namespace, name, &patch, &options).await
    }

    /// Deletes one object. With a UID it is safe to repeat and is repeated.
    ///
    /// # Errors
    /// [`ClusterError::Changed`] when a precondition does not hold, and any other.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        let mut call = self.call("delete", Method::DELETE, resource, namespace, name, None)?;
        if name.is_empty() {
            return Err(ClusterError::BadRequest {
                subject: call.about.subject,
                message: "the object to delete has no name".to_owned(),
            });
        }
        let policy = match options.propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let mut body =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
        let mut preconditions = serde_json::Map::new();
        for (key, value) in [("uid", &options.uid), ("resourceVersion", &options.resource_version)]
        {
            if let Some(value) = value {
                preconditions.insert(key.to_owned(), Value::String(value.clone()));
            }
        }
        if let Some(map) = body.as_object_mut().filter(|_| !preconditions.is_empty()) {
            map.insert("preconditions".to_owned(), Value::Object(preconditions));
        }
        if options.dry_run {
            call.query.push(("dryRun", "All".to_owned()));
        }
        call.body = bytes(&body, &call)?;
        call.repeatable = options.uid.is_some();
        self.deleted(resource, &call).await
    }

    async fn deleted(&self, resource: &Resource, call: &Call) -> Result<Deleted, ClusterError> {
        let answer = match self.inner.send(call).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => return Ok(Deleted::Absent),
            Err(error) => return Err(error),
        };
        let value: Value = answer.json(&call.about.subject)?;
        let is_status = value.get("kind").is_some_and(|kind| kind == "Status");
        if is_status && value.get("apiVersion").is_some_and(|version| version == "v1") {
            return Ok(Deleted::Gone);
        }
        let object = shaped(value, resource, &call.about.subject)?;
        // A terminating object with nothing left to wait for is the last state of a gone one.
        let held = object
            .at(&["metadata", "finalizers"])
            .and_then(Value::as_array)
            .is_some_and(|all| !all.is_empty());
        let grace = object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
        if held || grace.is_some_and(|seconds| seconds > 0) {
            Ok(Deleted::Pending(Box::new(object)))
        } else {
            Ok(Deleted::Gone)
        }
    }

    async fn read(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        accept: &'static str,
    ) -> Result<Option<Object>, ClusterError> {
        let mut call = self.call("get", Method::GET, resource, namespace, name, None)?;
        if name.is_empty() {
            return Err(ClusterError::BadRequest {
                subject: call.about.subject,
                message: "the object to read has no name".to_owned(),
            });
        }
        call.accept = accept;
        match self.inner.send(&call).await {
            Ok(answer) => {
                let value = answer.json(&call.about.subject)?;
                shaped(value, resource, &call.about.subject).map(Some)
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn apply_to(
        &self,
        resource: &Resource,
        object: &Object,
        options: &ApplyOptions,
        subresource: Option<&'static str>,
    ) -> Result<Applied, ClusterError> {
        let (namespace, name) = (object.namespace(), object.name());
        let mut call = self.call("apply", Method::PATCH, resource, namespace, name, subresource)?;
        let bad = |message: &str| ClusterError::BadRequest {
            subject: call.about.subject.clone(),
            message: message.to_owned(),
        };
        if name.is_empty() {
            return Err(bad("the object to apply has no name"));
        }
        if object.at(&["metadata", "managedFields"]).is_some() {
            return Err(bad("metadata.managedFields must not be in an applied object"));
        }
        call.query = write_query(&options.field_manager, options.dry_run);
        call.query.push(("force", options.force.to_string()));
        call.query.push(validation(options.validation));
        call.content_type = APPLY_PATCH;
        call.body = bytes(&Value::Object(object.as_map().clone()), &call)?;
        self.applied(resource, &call).await
    }

    async fn applied(&self, resource: &Resource, call: &Call) -> Result<Applied, ClusterError> {
        check_manager(call)?;
        let answer = self.inner.send(call).await?;
        let object = shaped(answer.json(&call.about.subject)?, resource, &call.about.subject)?;
        let warnings = answer.warnings();
        Ok(Applied { object, created: answer.status == StatusCode::CREATED, warnings })
    }

    async fn patch(
        &self,
        (resource, namespace, name): (&Resource, &str, &str),
        patch: &Value,
        options: &PatchOptions,
        (content_type, repeatable): (&'static str, bool),
    ) -> Result<Object, ClusterError> {
        let mut call =
            self.call("patch", Method::PATCH, resource, namespace, name, options.subresource)?;
        call.query = write_query(&options.field_manager, options.dry_run);
        call.content_type = content_type;
        call.repeatable = repeatable;
        call.body = bytes(patch, &call)?;
        check_manager(&call)?;
        let answer = self.inner.send(&call).await?;
        shaped(answer.json(&call.about.subject)?, resource, &call.about.subject)
    }

    /// A request on one object or collection, safe to repeat unless said otherwise.
    pub(crate) fn call(
        &self,
        verb: &'static str,
        method: Method,
        resource: &Resource,
        namespace: &str,
        name: &str,
        subresource: Option<&'static str>,
    ) -> Result<Call, ClusterError> {
        let path = resource.path(namespace, name, subresource)?;
        let label = match subresource {
            Some(subresource) => format!("{}/{subresource}", resource.name()),
            None => resource.name(),
        };
        let namespace = if resource.namespaced { namespace } else { "" };
        let about = About {
            verb,
            subject: resource.subject(namespace, name),
            resource: resource.name(),
            gvk: Some(resource.gvk.clone()),
            address: self.inner.address.clone(),
        };
        Ok(Call {
            about,
            label,
            method,
            path,
            query: Vec::new(),
            accept: JSON,
            content_type: JSON,
            body: Vec::new(),
            repeatable: true,
            identity: self.identity.clone(),
        })
    }
}

fn write_query(field_manager: &str, dry_run: bool) -> Vec<(&'static str, String)> {
    let mut query = vec![("fieldManager", field_manager.to_owned())];
    if dry_run {
        query.push(("dryRun", "All".to_owned()));
    }
    query
}

fn validation(validation: FieldValidation) -> (&'static str, String) {
    let word = match validation {
        FieldValidation::Strict => "Strict",
        FieldValidation::Warn => "Warn",
        FieldValidation::Ignore => "Ignore",
    };
    ("fieldValidation", word.to_owned())
}

/// A writer without a name, or with one the server cuts off, is a fault of ours.
fn check_manager(call: &Call) -> Result<(), ClusterError> {
    let manager = call.query.iter().find(|(key, _)| *key == "fieldManager");
    let chars = manager.map_or(0, |(_, value)| value.chars().count());
    if (1..=FIELD_MANAGER_CHARS_MAX).contains(&chars) {
        return Ok(());
    }
    Err(ClusterError::BadRequest {
        subject: call.about.subject.clone(),
        message: format!(
            "a field manager has 1 to {FIELD_MANAGER_CHARS_MAX} characters, not {chars}"
        ),
    })
}

fn bytes(value: &Value, call: &Call) -> Result<Vec<u8>, ClusterError> {
    serde_json::to_vec(value).map_err(|error| ClusterError::BadRequest {
        subject: call.about.subject.clone(),
        message: error.to_string(),
    })
}

/// Makes an [`Object`] of an answer; metadata-only answers and list items get their kind back.
pub(crate) fn shaped(
    mut value: Value,
    resource: &Resource,
    subject: &str,
) -> Result<Object, ClusterError> {
    if let Some(map) = value.as_object_mut() {
        let partial = map.get("kind").is_some_and(|kind| kind == "PartialObjectMetadata");
        if partial || !map.contains_key("kind") {
            map.insert("apiVersion".to_owned(), Value::String(resource.gvk.api_version()));
            map.insert("kind".to_owned(), Value::String(resource.gvk.kind.clone()));
        }
    }
    Object::from_value(value).map_err(|error| ClusterError::BadAnswer {
        subject: subject.to_owned(),
        message: error.to_string(),
    })
}
