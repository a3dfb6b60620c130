//! The audit log: one JSON line for each thing that was done, in a form that does not change.
//!
//! The fields and their order are those of [`AuditEvent`]; all of them are always there, empty
//! when they say nothing, so that a reader needs no cases. New ones come at the end. A line never
//! holds a line break, whatever names people choose, and texts are cut at [`TEXT_BYTES_MAX`].
//!
//! Lines are chained: each ends with a SHA-256 over the chain before it and its own text, so a
//! line that was changed, removed or put in is found by [`verify`]. Who can write the file can
//! also write a new chain; keep the newest hash elsewhere to notice that.

use crate::spec::Outcome;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Bytes of a text in a line.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 64;
/// What stands between the fields and the hash of a line.
const CHAIN_KEY: &str = ",\"chain\":\"";

/// What kind of thing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// An operation of a GitSync began.
    SyncStarted,
    /// An operation of a GitSync ended.
    SyncFinished,
    /// An object was written.
    ObjectApplied,
    /// An object was deleted.
    ObjectPruned,
    /// Drift on an object was reverted.
    ObjectHealed,
    /// A revision was refused: signature, rendering, validation, guard.
    RevisionRefused,
    /// A push was believed.
    WebhookAccepted,
    /// A push was not believed.
    WebhookRejected,
    /// A person suspended, resumed, rolled back or asked for a run.
    Command,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// What kind of thing.
    pub event_type: EventType,
    /// `Kind` or `Kind.group` of the object.
    pub resource_kind: String,
    /// Its namespace; empty when cluster-scoped.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, where the server told one.
    pub resource_uid: String,
    /// Who wanted it: the commit's author, or the person behind a command.
    pub user: String,
    /// Who did it: the service account that was acted as.
    pub service_account: String,
    /// When, RFC 3339.
    pub timestamp: Timestamp,
    /// The commit.
    pub revision: String,
    /// What was done: `create`, `update`, `delete`, `sync`, `suspend`.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The GitSync, as `namespace/name`.
    pub sync: String,
    /// Why, for people; never the value of a field.
    pub message: String,
}

impl AuditEvent {
    /// An event about a GitSync itself; the other fields are empty.
    #[must_use]
    pub fn new(event_type: EventType, action: &str, outcome: Outcome, now: Timestamp) -> Self {
        let empty = String::new;
        Self {
            event_type,
            resource_kind: empty(),
            namespace: empty(),
            name: empty(),
            resource_uid: empty(),
            user: empty(),
            service_account: empty(),
            timestamp: now,
            revision: empty(),
            action: action.to_owned(),
            outcome,
            sync: empty(),
            message: empty(),
        }
    }

    fn bounded(&self) -> Self {
        let mut event = self.clone();
        let texts = [
            &mut event.resource_kind,
            &mut event.namespace,
            &mut event.name,
            &mut event.resource_uid,
            &mut event.user,
            &mut event.service_account,
            &mut event.revision,
            &mut event.action,
            &mut event.sync,
            &mut event.message,
        ];
        for text in texts {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        }
        event
    }
}

/// The end of a chain of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(String);

impl Default for Chain {
    /// The begin of a log.
    fn default() -> Self {
        Self("0".repeat(HASH_DIGITS))
    }
}

/// A line that does not continue the chain before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the audit log does not continue the chain")]
pub struct ChainError {
    /// Which, from 1.
    pub line: usize,
}

impl model::Explain for ChainError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new("this line or the one before it was changed, removed or put in"))
    }
}

impl Chain {
    /// The chain behind the last line of a log that goes on; none when that line has no hash.
    #[must_use]
    pub fn after(last_line: &str) -> Option<Self> {
        split(last_line).map(|(_, hash)| Self(hash.to_owned()))
    }

    /// The hash at the end, to be kept elsewhere.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.0
    }

    /// The next line, with its line break.
    pub fn line(&mut self, event: &AuditEvent) -> String {
        // The event is made of texts, a time and words: it always has a JSON form.
        let json = serde_json::to_string(&event.bounded()).unwrap_or_default();
        let fields = json.strip_suffix('}').unwrap_or(&json);
        self.0 = link(&self.0, fields);
        format!("{fields}{CHAIN_KEY}{}\"}}\n", self.0)
    }
}

/// Checks a log from its begin, or from where `chain` ends; gives the chain at its end.
///
/// # Errors
/// The first line that does not continue the chain.
pub fn verify<'a>(
    mut chain: Chain,
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<Chain, ChainError> {
    for (index, line) in lines.into_iter().enumerate() {
        let error = ChainError { line: index + 1 };
        let (fields, hash) = split(line).ok_or(error)?;
        if link(&chain.0, fields) != hash {
            return Err(error);
        }
        chain = Chain(hash.to_owned());
    }
    Ok(chain)
}

/// The fields and the hash of a line.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end_matches(['\n', '\r']).strip_suffix("\"}")?;
    let (fields, hash) = line.rsplit_once(CHAIN_KEY)?;
    let hex = hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then_some((fields, hash))
}

fn link(before: &str, fields: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(before.as_bytes());
    context.update(b"\n");
    context.update(fields.as_bytes());
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    fn event() -> AuditEvent {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        AuditEvent {
            resource_kind: "Deployment.apps".into(),
            namespace: "shop".into(),
            name: "web".into(),
            resource_uid: "u-1".into(),
            user: "Ann <ann@example.com>".into(),
            service_account: "shop/deploy".into(),
            revision: "abc".into(),
            sync: "shop/web".into(),
            ..AuditEvent::new(EventType::ObjectApplied, "update", Outcome::Succeeded, now)
        }
    }

    #[test]
    fn a_line_has_the_documented_fields_in_their_order() {
        let line = Chain::default().line(&event());
        let (fields, _) = split(&line).unwrap();
        expect![[r#"{"event_type":"object_applied","resource_kind":"Deployment.apps","namespace":"shop","name":"web","resource_uid":"u-1","user":"Ann <ann@example.com>","service_account":"shop/deploy","timestamp":"2027-01-15T08:00:00Z","revision":"abc","action":"update","outcome":"Succeeded","sync":"shop/web","message":"""#]]
        .assert_eq(fields);
        assert_eq!(serde_json::from_str::<AuditEvent>(&line).unwrap(), event());
    }

    #[test]
    fn a_changed_a_removed_and_an_inserted_line_are_found() {
        let mut chain = Chain::default();
        let lines: Vec<String> = (0..5).map(|_| chain.line(&event())).collect();
        let check = |lines: &[&str]| verify(Chain::default(), lines.iter().copied());
        let good: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(check(&good).unwrap(), chain);
        assert_eq!(Chain::after(&lines[4]).unwrap(), chain);
        let changed = lines[2].replace("Ann", "Bob");
        let with = |index: usize, line: &str| {
            let mut all: Vec<&str> = good.clone();
            all[index] = line;
            check(&all).unwrap_err().line
        };
        assert_eq!(with(2, &changed), 3);
        assert_eq!(with(1, "{}"), 2);
        assert_eq!(check(&[good[0], good[2]]).unwrap_err().line, 2);
        assert_eq!(check(&[good[0], good[0]]).unwrap_err().line, 2);
        assert_eq!(check(&good[1..]).unwrap_err().line, 1);
    }

    proptest! {
        #[test]
        fn no_name_breaks_a_line_or_the_chain(
            name in any::<String>(), message in "\\PC{0,30}[\n\r\"\\\\]{0,4}",
        ) {
            let mut chain = Chain::default();
            let event = AuditEvent { name, message, ..event() };
            let line = chain.line(&event);
            prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
            prop_assert!(verify(Chain::default(), [line.as_str()]).is_ok());
            prop_assert_eq!(serde_json::from_str::<AuditEvent>(&line).unwrap(), event);
        }
    }

    #[test]
    fn texts_are_cut_at_the_bound() {
        let long = AuditEvent { message: "ä".repeat(TEXT_BYTES_MAX), ..event() };
        let line = Chain::default().line(&long);
        let read: AuditEvent = serde_json::from_str(&line).unwrap();
        assert_eq!(read.message.len(), TEXT_BYTES_MAX);
    }
}
