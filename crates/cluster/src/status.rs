//! The server's `Status` answers, read into [`ClusterError`].
//!
//! The server explains itself partly in fields and partly in fixed sentences; both are read here
//! and nowhere else. An answer that is not a `Status` (a proxy's page) is kept to its first line.

use crate::error::{ClusterError, FieldCause, FieldConflict, Forbidden};
use http::StatusCode;
use objects::GroupVersionKind;
use serde::Deserialize;
use std::time::Duration;

/// The server's sentence for a Server-Side Apply document that does not fit the schema.
const UNTYPED: &str = "failed to create typed patch object";
/// A message that is not a `Status` is cut here.
const FOREIGN_MESSAGE_CHARS_MAX: usize = 200;

/// What a request was about, for messages.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) verb: &'static str,
    /// The printed object or list.
    pub(crate) subject: String,
    /// `deployments.apps`.
    pub(crate) resource: String,
    pub(crate) gvk: Option<GroupVersionKind>,
    pub(crate) address: String,
}

/// `metav1.Status`, as far as we read it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) code: u16,
    pub(crate) details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Details {
    name: String,
    kind: String,
    causes: Vec<CauseEntry>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CauseEntry {
    reason: String,
    message: String,
    field: String,
}

impl Status {
    /// Reads an error answer; anything that is not a `Status` becomes a message.
    pub(crate) fn read(code: StatusCode, body: &[u8]) -> Self {
        let read: Option<Self> =
            serde_json::from_slice(body).ok().filter(|status: &Self| status.kind == "Status");
        let mut status = read.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(body);
            let line = text.lines().next().unwrap_or_default().trim();
            let message = line.chars().take(FOREIGN_MESSAGE_CHARS_MAX).collect();
            Self { message, ..Self::default() }
        });
        if status.code == 0 {
            status.code = code.as_u16();
        }
        if status.message.is_empty() {
            status.message = code.canonical_reason().unwrap_or("no reason given").to_owned();
        }
        status
    }

    /// The pause that the body asks for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.details.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// The error that this answer means.
    pub(crate) fn into_error(self, about: &About, retry_after: Option<Duration>) -> ClusterError {
        let subject = about.subject.clone();
        let message = self.message.clone();
        match self.code {
            401 => ClusterError::Unauthorized { address: about.address.clone() },
            403 => self.refusal(about),
            404 => self.absence(about),
            409 => self.conflict(about),
            410 => ClusterError::Expired { subject },
            413 => ClusterError::TooLarge { subject, message },
            422 => self.invalid(about),
            429 => {
                let after = retry_after.or_else(|| self.retry_after());
                ClusterError::Busy { subject, message, after }
            }
            // A patch that does not fit the schema is the document's fault, although it arrives
            // as 500 and would be tried again.
            400 | 500 if message.contains(UNTYPED) => {
                ClusterError::Invalid { subject, causes: untyped_causes(&message), message }
            }
            // The API server's own limits are refusals, although they arrive as 500.
            500 if message.contains("request is too large") || message.contains("too large") => {
                ClusterError::TooLarge { subject, message }
            }
            400 if self.reason == "Invalid" => self.invalid(about),
            400 if self.reason == "BadRequest" && decoding_failed(&message) => {
                ClusterError::Invalid { subject, causes: Vec::new(), message }
            }
            code @ 500..=599 => ClusterError::Server { subject, code, message },
            code => ClusterError::Refused { subject, code, message },
        }
    }

    /// 403: by the authoriser ("User ... cannot ...") or by admission.
    fn refusal(self, about: &About) -> ClusterError {
        match forbidden(&self.message, about) {
            Some(forbidden) => ClusterError::Forbidden(Box::new(forbidden)),
            None => ClusterError::Denied { subject: about.subject.clone(), message: self.message },
        }
    }

    /// 404: the object, its namespace, or the whole resource.
    fn absence(self, about: &About) -> ClusterError {
        let subject = about.subject.clone();
        if self.reason == "NotFound" && !self.details.name.is_empty() {
            let of_namespace = self.details.kind == "namespaces" && about.resource != "namespaces";
            return if of_namespace {
                ClusterError::NamespaceNotFound { subject, namespace: self.details.name }
            } else {
                ClusterError::NotFound { subject }
            };
        }
        match &about.gvk {
            Some(gvk) => ClusterError::NoSuchKind { gvk: gvk.clone(), near: Vec::new() },
            None => ClusterError::NotFound { subject },
        }
    }

    /// 409: Server-Side Apply, a precondition, or a name that is taken.
    fn conflict(self, about: &About) -> ClusterError {
        let subject = about.subject.clone();
        if self.reason == "AlreadyExists" {
            return ClusterError::AlreadyExists { subject };
        }
        let mut conflicts: Vec<FieldConflict> = self
            .details
            .causes
            .iter()
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| FieldConflict {
                manager: quoted(&cause.message).unwrap_or(&cause.message).to_owned(),
                field: cause.field.clone(),
            })
            .collect();
        conflicts.sort();
        if conflicts.is_empty() {
            ClusterError::Changed { subject, message: self.message }
        } else {
            ClusterError::Conflict { subject, conflicts }
        }
    }

    fn invalid(self, about: &About) -> ClusterError {
        let subject = about.subject.clone();
        // A claim says that its spec is immutable, or that it can not be less than before.
        let immutable = self.message.contains("is immutable")
            || self.message.contains("can not be less than")
            || self.message.contains("may not be changed")
            || self.message.contains("are forbidden") && self.message.contains("updates to")
            || self.message.contains("may not change once set");
        let causes = self
            .details
            .causes
            .into_iter()
            .map(|cause| FieldCause { field: cause.field, message: cause.message })
            .collect();
        if immutable {
            ClusterError::Immutable { subject, causes, message: self.message }
        } else {
            ClusterError::Invalid { subject, causes, message: self.message }
        }
    }
}

/// Sentences of a 400 that blame the document and not the request.
fn decoding_failed(message: &str) -> bool {
    ["strict decoding error", "unknown field", "cannot be handled as", "json: cannot unmarshal"]
        .iter()
        .any(|sentence| message.contains(sentence))
        || message.contains("does not match the")
}

/// Reads `... typed patch object (ns/name; apps/v1, Kind=X): .spec.a: field not declared in
/// schema`, or `...): errors:` with one such line for each field.
fn untyped_causes(message: &str) -> Vec<FieldCause> {
    let (_, faults) = message.split_once("): ").unwrap_or_default();
    let lines = faults.strip_prefix("errors:").unwrap_or(faults).lines();
    lines
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(field, message)| FieldCause { field: field.into(), message: plain_value(message) })
        .collect()
}

/// `expected string, got &value.valueUnstructured{Value:420}` without the server's own type.
fn plain_value(message: &str) -> String {
    match message.split_once("&value.valueUnstructured{Value:") {
        Some((before, rest)) => format!("{before}{}", rest.strip_suffix('}').unwrap_or(rest)),
        None => message.to_owned(),
    }
}

/// Reads `User "u" cannot VERB resource "r" in API group "g" in the namespace "n"`.
fn forbidden(message: &str, about: &About) -> Option<Forbidden> {
    let (_, rest) = message.split_once("User \"")?;
    let (user, rest) = rest.split_once('"')?;
    let rest = rest.trim_start().strip_prefix("cannot ")?;
    let (verb, rest) = rest.split_once(' ')?;
    let (resource, rest) = match rest.strip_prefix("resource ") {
        Some(rest) => (quoted(rest)?.to_owned(), rest),
        // `cannot get path "/metrics"`: no resource.
        None => {
            return Some(Forbidden {
                verb: verb.to_owned(),
                resource: quoted(rest).unwrap_or(&about.resource).to_owned(),
                namespace: None,
                user: user.to_owned(),
            });
        }
    };
    let after = |marker: &str| rest.split_once(marker).and_then(|(_, rest)| rest.split_once('"'));
    let group = after("in API group \"").map_or("", |(group, _)| group);
    let namespace = after("in the namespace \"").map(|(namespace, _)| namespace.to_owned());
    let resource = match (group, resource.split_once('/')) {
        ("", _) => resource,
        (group, None) => format!("{resource}.{group}"),
        (group, Some((resource, subresource))) => format!("{resource}.{group}/{subresource}"),
    };
    Some(Forbidden { verb: verb.to_owned(), resource, namespace, user: user.to_owned() })
}

/// The text between the first two double quotes.
fn quoted(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('"')?;
    rest.split_once('"').map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests;
