//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic.

use crate::spec::{Reference, WebhookProvider};
use crate::webhook::{Authentic, Event};

/// Reading a push that is taken for authentic: no panic, and what it names is in its bounds. The
/// first byte chooses the sender.
///
/// # Panics
/// When the promise is broken.
pub fn webhook(bytes: &[u8]) {
    const SENDERS: [(WebhookProvider, &str); 8] = [
        (WebhookProvider::GitHub, "push"),
        (WebhookProvider::Gitea, "delete"),
        (WebhookProvider::GitLab, "Push Hook"),
        (WebhookProvider::Forgejo, "push"),
        (WebhookProvider::Bitbucket, "repo:push"),
        (WebhookProvider::Bitbucket, "repo:refs_changed"),
        (WebhookProvider::Generic, ""),
        (WebhookProvider::Gogs, "create"),
    ];
    let Some((first, body)) = bytes.split_first() else { return };
    let Some((provider, event)) = SENDERS.get(usize::from(*first) % SENDERS.len()) else { return };
    if let Ok(Event::Push(push)) = Authentic::unproven(*provider, event, body).read() {
        assert!(push.changes.len() <= crate::webhook::CHANGES_MAX);
        for change in &push.changes {
            assert!(!change.name.is_empty() && (change.after.is_none() || !change.deleted));
        }
        let _ = push.concerns("https://git.example/a.git", &Reference::Branch("main".to_owned()));
    }
}

/// Compiling and evaluating an expression over a document with a value of each kind: no panic.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(expression) = crate::expression::Expression::compile(text, &["self"]) else { return };
    let document = serde_json::json!({
        "a": {"a": [1, -2, 2.5, u64::MAX, null, true, "ä"], "x": "1Gi"}, "x": "",
    });
    let _ = expression.evaluate(&[("self", &document)]);
    let _ = expression.evaluate(&[]);
}
