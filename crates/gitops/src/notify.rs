//! What is told to others: signed webhooks and commit statuses, as requests that somebody else
//! sends.
//!
//! A notification is signed as Standard Webhooks say: `webhook-signature` is `v1,` and the base64
//! of HMAC-SHA256 over id, time and body. A commit status has the shape that GitHub, GitLab or
//! Gitea (and Forgejo) take. Credentials are not part of a request; [`Request::credential`] says
//! into which header they go.

use crate::spec::{
    Notified, Notify, NotifyEvent, NotifyKind, Operation, Outcome, Status, SyncKey, Trigger,
    condition, reason,
};
use crate::webhook::standard_key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Bytes of a message in a notification.
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Characters of a status's description at GitHub; the others take more.
pub const DESCRIPTION_CHARS_MAX: usize = 140;
/// Bytes of the digest that an id is made of.
const ID_BYTES: usize = 16;
/// Drifted objects that a message names.
const DRIFT_NAMED_MAX: usize = 5;
/// Characters of a commit's id in a message.
const SHORT_CHARS: usize = 12;
/// What a notification's `type` begins with.
const TYPE_PREFIX: &str = "gitsync.";

/// Why nothing can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The key is empty, too short, or no base64 behind `whsec_`.
    #[error("cannot sign a notification: the secret is too short or has no form")]
    Sign,
    /// The repository's path is not `owner/name` (or deeper, at GitLab).
    #[error("cannot tell the status of a commit: `{0}` is no path of a repository")]
    Repository(String),
    /// The commit is no full id.
    #[error("cannot tell the status of a commit: it has no full id")]
    Commit,
}

impl model::Explain for NotifyError {
    fn hint(&self) -> Option<model::Hint> {
        match self {
            Self::Sign => Some(model::Hint::new(
                "use `whsec_` and the base64 of at least 8 random bytes; 24 to 64 are usual",
            )),
            _ => None,
        }
    }
}

/// An HTTP request without host and credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: &'static str,
    /// The path, percent-encoded, to be put behind the server's base URL; empty when the URL is
    /// the receiver's own.
    pub path: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The header that the credential goes into, and what stands before it there.
    pub credential: Option<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    r#type: String,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    namespace: &'a str,
    name: &'a str,
    cluster: &'a str,
    revision: &'a str,
    author: &'a str,
    outcome: Outcome,
    reason: &'a str,
    message: &'a str,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    healthy_at: Option<Timestamp>,
    counts: crate::spec::Counts,
}

/// One thing to tell, for every receiver the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// What happened.
    pub event: NotifyEvent,
    /// The operation that it is about.
    pub operation: Operation,
    /// A sentence for people.
    pub message: String,
    /// The same when it is sent again, also by another process.
    pub id: String,
}

/// What a status says of its newest revision; none while nothing was begun, or while what is
/// seen says nothing new about it.
#[must_use]
pub fn state(status: &Status) -> Option<Notified> {
    let operation = operation(status)?;
    let ready = status.condition(condition::READY);
    let ready = ready.map_or("", |ready| ready.reason.as_str());
    let event = match operation.outcome {
        Outcome::Running => NotifyEvent::Progressing,
        Outcome::Failed | Outcome::Refused | Outcome::Cancelled => NotifyEvent::Failed,
        Outcome::Succeeded => match ready {
            reason::SUCCEEDED => NotifyEvent::Succeeded,
            reason::DEGRADED | reason::HEALTH_TIMEOUT => NotifyEvent::Degraded,
            _ if operation.healthy_at.is_none() => NotifyEvent::Progressing,
            _ => return None,
        },
    };
    Some(Notified { revision: operation.revision.clone(), event })
}

/// The newest operation that was about a revision, and not about drift from it.
fn operation(status: &Status) -> Option<&Operation> {
    let mut all = status.last_operation.iter().chain(&status.history);
    all.find(|operation| operation.trigger != Trigger::Drift)
}

/// The letter about an event that a status shows; none when nothing was delivered yet. `uid`
/// tells apart GitSyncs of one name that follow each other.
#[must_use]
pub fn letter(key: &SyncKey, uid: &str, event: NotifyEvent, status: &Status) -> Option<Letter> {
    let operation = operation(status)?.clone();
    let ready = status.condition(condition::READY);
    let since = status.drift.iter().filter_map(|drift| drift.since).min();
    let (message, moment) = match event {
        NotifyEvent::Drift => (drifted(status), since),
        NotifyEvent::Failed => (operation.message.clone(), operation.started_at),
        NotifyEvent::Progressing => {
            (format!("{} is being delivered", short(&operation.revision)), operation.started_at)
        }
        NotifyEvent::Succeeded | NotifyEvent::Degraded => (
            ready.map(|ready| ready.message.clone()).unwrap_or_default(),
            ready.and_then(|ready| ready.last_transition_time).or(operation.started_at),
        ),
    };
    let parts = [
        &key.namespace,
        &key.name,
        uid,
        &operation.revision,
        event.name(),
        &moment.map(|moment| moment.to_string()).unwrap_or_default(),
    ];
    let digest = ring::digest::digest(&ring::digest::SHA256, parts.join("/").as_bytes());
    let id = digest.as_ref().iter().take(ID_BYTES).fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    });
    Some(Letter { event, operation, message, id })
}

/// What differs, without values.
fn drifted(status: &Status) -> String {
    let named: Vec<String> = status
        .drift
        .iter()
        .take(DRIFT_NAMED_MAX)
        .map(|drift| match drift.fields.as_slice() {
            [] => format!("{} {}", drift.kind, drift.name),
            fields => format!("{} {} ({})", drift.kind, drift.name, fields.join(", ")),
        })
        .collect();
    format!("{} objects differ from the tree: {}", status.drift_total, named.join("; "))
}

fn short(revision: &str) -> &str {
    revision.get(..SHORT_CHARS).unwrap_or(revision)
}

/// What a receiver is sent. `cluster` names the cluster for people and may be empty; `source` is
/// the URL of the tree.
///
/// # Errors
/// [`NotifyError`].
pub fn request(
    to: &Notify,
    source: &str,
    key: &SyncKey,
    cluster: &str,
    letter: &Letter,
    secret: &[u8],
    now: Timestamp,
) -> Result<Request, NotifyError> {
    let forge = match to.kind {
        NotifyKind::Webhook => return notification(key, cluster, letter, secret, now),
        NotifyKind::GitHub => Forge::GitHub,
        NotifyKind::GitLab => Forge::GitLab,
        NotifyKind::Gitea => Forge::Gitea,
    };
    let context = match cluster {
        "" => format!("orlop/{key}"),
        cluster => format!("orlop/{cluster}/{key}"),
    };
    let status = CommitStatus {
        repository: &to.repository(source).unwrap_or_default(),
        commit: &letter.operation.revision,
        state: CommitState::of(letter.event),
        context: &context,
        description: &letter.message,
        target_url: None,
    };
    commit_status(forge, &status)
}

/// A signed notification.
///
/// # Errors
/// [`NotifyError::Sign`].
pub fn notification(
    key: &SyncKey,
    cluster: &str,
    letter: &Letter,
    secret: &[u8],
    now: Timestamp,
) -> Result<Request, NotifyError> {
    let Letter { event, operation, message, id } = letter;
    let message = message.get(..message.floor_char_boundary(MESSAGE_BYTES_MAX));
    let payload = Payload {
        r#type: format!("{TYPE_PREFIX}{}", event.name()),
        timestamp: now,
        data: Data {
            namespace: &key.namespace,
            name: &key.name,
            cluster,
            revision: &operation.revision,
            author: &operation.author,
            outcome: operation.outcome,
            reason: &operation.reason,
            message: message.unwrap_or_default(),
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            healthy_at: operation.healthy_at,
            counts: operation.counts,
        },
    };
    // Texts, times and numbers: there is always a JSON form.
    let body = serde_json::to_vec(&payload).unwrap_or_default();
    let headers = sign(secret, id, now, &body)?;
    Ok(Request { method: "POST", path: String::new(), headers, credential: None, body })
}

/// The headers of a Standard Webhooks request.
///
/// # Errors
/// [`NotifyError::Sign`].
pub fn sign(
    secret: &[u8],
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, NotifyError> {
    let key = standard_key(secret).ok_or(NotifyError::Sign)?;
    // The parts are joined by dots, so an id must not have one; nor may it break a header.
    let id: String = id.chars().filter(|c| c.is_ascii_graphic() && *c != '.').collect();
    let time = now.as_second().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let mut context = hmac::Context::with_key(&key);
    for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
        context.update(part);
    }
    let tag = STANDARD.encode(context.sign());
    Ok(vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", time),
        ("webhook-signature", format!("v1,{tag}")),
    ])
}

/// Who is told the status of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// GitHub; the base URL is that of its API.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
}

/// The state of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitState {
    /// It is being delivered.
    Pending,
    /// It is live and healthy.
    Success,
    /// It failed or was refused.
    Failure,
}

impl CommitState {
    /// The state that an event gives its commit.
    #[must_use]
    pub fn of(event: NotifyEvent) -> Self {
        match event {
            NotifyEvent::Progressing => Self::Pending,
            NotifyEvent::Succeeded | NotifyEvent::Drift => Self::Success,
            NotifyEvent::Failed | NotifyEvent::Degraded => Self::Failure,
        }
    }
}

/// What is told about a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus<'a> {
    /// The path of the repository: `owner/name`, at GitLab with any number of groups.
    pub repository: &'a str,
    /// The full id.
    pub commit: &'a str,
    /// The state.
    pub state: CommitState,
    /// What tells statuses of one commit apart: `orlop/CLUSTER/NAMESPACE/NAME`.
    pub context: &'a str,
    /// A sentence; cut at [`DESCRIPTION_CHARS_MAX`].
    pub description: &'a str,
    /// Where more can be read.
    pub target_url: Option<&'a str>,
}

/// The request that tells a server about a commit.
///
/// # Errors
/// When repository or commit could lead elsewhere.
pub fn commit_status(forge: Forge, status: &CommitStatus<'_>) -> Result<Request, NotifyError> {
    let commit = status.commit;
    if ![40, 64].contains(&commit.len()) || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(NotifyError::Commit);
    }
    let parts: Vec<&str> = status.repository.trim_matches('/').split('/').collect();
    let bad = |part: &&str| part.is_empty() || *part == "." || *part == "..";
    let depth = if forge == Forge::GitLab { 2..=20 } else { 2..=2 };
    if parts.iter().any(bad) || !depth.contains(&parts.len()) {
        return Err(NotifyError::Repository(status.repository.to_owned()));
    }
    let encoded: Vec<String> = parts.iter().map(|part| encode(part)).collect();
    let description: String = status.description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let word = match (status.state, forge) {
        (CommitState::Pending, _) => "pending",
        (CommitState::Success, _) => "success",
        (CommitState::Failure, Forge::GitLab) => "failed",
        (CommitState::Failure, _) => "failure",
    };
    let mut body = json!({"state": word, "context": status.context, "description": description});
    let mut headers = vec![("content-type", "application/json".to_owned())];
    let (path, credential) = match forge {
        Forge::GitHub => {
            headers.push(("accept", "application/vnd.github+json".to_owned()));
            headers.push(("x-github-api-version", "2022-11-28".to_owned()));
            let path = format!("/repos/{}/statuses/{commit}", encoded.join("/"));
            (path, ("authorization", "Bearer "))
        }
        Forge::GitLab => {
            let path = format!("/api/v4/projects/{}/statuses/{commit}", encoded.join("%2F"));
            (path, ("private-token", ""))
        }
        Forge::Gitea => {
            let path = format!("/api/v1/repos/{}/statuses/{commit}", encoded.join("/"));
            (path, ("authorization", "token "))
        }
    };
    if let (Some(url), Value::Object(fields)) = (status.target_url, &mut body) {
        fields.insert("target_url".to_owned(), url.into());
    }
    let body = body.to_string().into_bytes();
    Ok(Request { method: "POST", path, headers, credential: Some(credential), body })
}

/// One segment of a path, percent-encoded.
fn encode(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Headers, verify};

    const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const SECRET: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn now() -> Timestamp {
        Timestamp::from_second(1_614_265_330).unwrap()
    }

    #[test]
    fn the_published_vector_of_standard_webhooks_is_signed_as_published() {
        let headers =
            sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", now(), b"{\"test\": 2432232314}").unwrap();
        assert_eq!(headers[3].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(sign(b"whsec_AAAA", "a", now(), b""), Err(NotifyError::Sign));
    }

    fn operation(revision: &str, outcome: Outcome) -> Operation {
        Operation {
            revision: revision.into(),
            outcome,
            message: "why".into(),
            started_at: Some(now()),
            ..Operation::default()
        }
    }

    fn seen(operation: Operation, ready: &str) -> Status {
        let condition = crate::spec::Condition {
            r#type: condition::READY.into(),
            reason: ready.into(),
            message: "ä".repeat(MESSAGE_BYTES_MAX),
            ..crate::spec::Condition::default()
        };
        let mut status = Status { conditions: vec![condition], ..Status::default() };
        status.record(operation);
        status
    }

    #[test]
    fn a_notification_is_believed_by_our_own_receiver() {
        let key = SyncKey::new("shop", "web");
        let status = seen(operation(COMMIT, Outcome::Succeeded), reason::SUCCEEDED);
        let letter = letter(&key, "uid", NotifyEvent::Succeeded, &status).unwrap();
        let to = Notify { url: Some("https://h/".into()), ..Notify::default() };
        let request = request(&to, "", &key, "prod", &letter, SECRET, now()).unwrap();
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let authentic = verify(Headers(&headers), &request.body, &[SECRET], None, now()).unwrap();
        assert_eq!(authentic.delivery(), Some(letter.id.as_str()));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["cluster"]),
            (&json!("gitsync.succeeded"), &json!("prod"))
        );
        assert_eq!(body["data"]["message"].as_str().unwrap().len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn the_state_of_a_revision_is_told_and_drift_does_not_change_it() {
        let told = |status: &Status| state(status).map(|told| (told.revision, told.event));
        assert_eq!(told(&Status::default()), None);
        for (outcome, ready, event) in [
            (Outcome::Running, reason::PROGRESSING, NotifyEvent::Progressing),
            (Outcome::Succeeded, reason::PROGRESSING, NotifyEvent::Progressing),
            (Outcome::Succeeded, reason::SUCCEEDED, NotifyEvent::Succeeded),
            (Outcome::Succeeded, reason::DEGRADED, NotifyEvent::Degraded),
            (Outcome::Succeeded, reason::HEALTH_TIMEOUT, NotifyEvent::Degraded),
            (Outcome::Failed, reason::APPLY_FAILED, NotifyEvent::Failed),
            (Outcome::Refused, reason::RENDER_FAILED, NotifyEvent::Failed),
        ] {
            let mut status = seen(operation("a", outcome), ready);
            assert_eq!(told(&status), Some(("a".into(), event)));
            let trigger = Trigger::Drift;
            let mut healed = Operation { trigger, ..operation("b", Outcome::Failed) };
            healed.started_at = None;
            status.record(healed);
            assert_eq!(told(&status), Some(("a".into(), event)));
        }
        // The source does not answer: nothing new about the revision.
        let well = Operation { healthy_at: Some(now()), ..operation("a", Outcome::Succeeded) };
        assert_eq!(told(&seen(well, reason::FETCH_FAILED)), None);
    }

    #[test]
    fn an_id_is_that_of_one_event_of_one_gitsync() {
        let key = SyncKey::new("shop", "web");
        let status = seen(operation(COMMIT, Outcome::Failed), reason::APPLY_FAILED);
        let id = |key: &SyncKey, uid: &str, event, status: &Status| {
            letter(key, uid, event, status).unwrap().id
        };
        let one = id(&key, "u", NotifyEvent::Failed, &status);
        assert_eq!(one, id(&key, "u", NotifyEvent::Failed, &status));
        assert_ne!(one, id(&key, "v", NotifyEvent::Failed, &status));
        assert_ne!(one, id(&SyncKey::new("shop", "x"), "u", NotifyEvent::Failed, &status));
        assert_ne!(one, id(&key, "u", NotifyEvent::Degraded, &status));
        let other = seen(operation("b", Outcome::Failed), reason::APPLY_FAILED);
        assert_ne!(one, id(&key, "u", NotifyEvent::Failed, &other));
    }

    fn status(forge: Forge, repository: &str) -> Result<Request, NotifyError> {
        commit_status(
            forge,
            &CommitStatus {
                repository,
                commit: COMMIT,
                state: CommitState::Failure,
                context: "orlop/prod/shop/web",
                description: &"ä".repeat(200),
                target_url: Some("https://orlop.example/x"),
            },
        )
    }

    #[test]
    fn a_status_has_the_shape_of_its_server() {
        let hub = status(Forge::GitHub, "team/shop.x").unwrap();
        assert_eq!(hub.path, format!("/repos/team/shop.x/statuses/{COMMIT}"));
        assert_eq!(hub.credential, Some(("authorization", "Bearer ")));
        let body: Value = serde_json::from_slice(&hub.body).unwrap();
        assert_eq!(
            (&body["state"], &body["context"]),
            (&json!("failure"), &json!("orlop/prod/shop/web"))
        );
        assert_eq!(body["description"].as_str().unwrap().chars().count(), DESCRIPTION_CHARS_MAX);
        assert_eq!(body["target_url"], "https://orlop.example/x");
        let lab = status(Forge::GitLab, "a/b c/shop").unwrap();
        assert_eq!(lab.path, format!("/api/v4/projects/a%2Fb%20c%2Fshop/statuses/{COMMIT}"));
        assert_eq!(lab.credential, Some(("private-token", "")));
        let body: Value = serde_json::from_slice(&lab.body).unwrap();
        assert_eq!(body["state"], "failed");
        let tea = status(Forge::Gitea, "/team/shop/").unwrap();
        assert_eq!(tea.path, format!("/api/v1/repos/team/shop/statuses/{COMMIT}"));
    }

    #[test]
    fn a_repository_or_a_commit_cannot_lead_elsewhere() {
        for repository in ["", "shop", "a/b/c", "../shop", "a/..", "a//b", "./a"] {
            assert!(status(Forge::GitHub, repository).is_err(), "{repository}");
        }
        let request = status(Forge::GitHub, "a?x/b#y").unwrap();
        assert!(request.path.starts_with("/repos/a%3Fx/b%23y/"));
        let short = CommitStatus {
            repository: "a/b",
            commit: "abc",
            state: CommitState::Pending,
            context: "",
            description: "",
            target_url: None,
        };
        assert_eq!(commit_status(Forge::Gitea, &short), Err(NotifyError::Commit));
    }
}
