//! Pushes that a forge tells about.
//!
//! `POST /webhook/NAMESPACE/NAME` speaks of one GitSync, `POST /webhook` of every one whose secret
//! proves it and whose repository the body names. Authentication comes before anything is
//! parsed; what is told is only that it is worth looking: the commit comes from the source
//! itself. The answer is 202 at once, and any number of pushes for one GitSync are one look.

use crate::Engine;
use crate::engine::{Hook, lock};
use gitops::spec::{SyncKey, WebhookProvider};
use gitops::webhook::{Event, Headers, WebhookError, verify};
use http::{Method, StatusCode};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::{Reply, Request};

/// Where webhooks are received.
pub const WEBHOOK_PATH: &str = "/webhook";
/// Bytes of a delivery.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Different secrets that one delivery without a name is checked with.
const SECRETS_TRIED_MAX: usize = 64;

impl Engine {
    /// Whether a path is one of webhooks.
    #[must_use]
    pub fn is_webhook(path: &str) -> bool {
        path == WEBHOOK_PATH || path.strip_prefix(WEBHOOK_PATH).is_some_and(|p| p.starts_with('/'))
    }

    /// Answers a webhook delivery.
    #[must_use]
    pub fn webhook(&self, request: &Request) -> Reply {
        let reply = self.receive(request);
        self.0.numbers.webhook(reply.status.as_u16());
        reply
    }

    fn receive(&self, request: &Request) -> Reply {
        if request.method != Method::POST {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
        }
        let named = named(&request.path);
        let hooks: Vec<(SyncKey, Arc<Hook>)> = match &named {
            Some(key) => {
                let hook = lock(&self.0.hooks).get(key).cloned();
                hook.map(|hook| (key.clone(), hook)).into_iter().collect()
            }
            None if request.path == WEBHOOK_PATH => {
                lock(&self.0.hooks).iter().map(|(k, h)| (k.clone(), h.clone())).collect()
            }
            None => Vec::new(),
        };
        let pairs: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let now = self.0.options.clock.now();
        let now = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut refused = None;
        let mut tried: BTreeSet<(&[u8], Option<WebhookProvider>)> = BTreeSet::new();
        for (_, hook) in &hooks {
            if tried.len() >= SECRETS_TRIED_MAX
                || !tried.insert((hook.secret.as_slice(), hook.provider))
            {
                continue;
            }
            let headers = Headers(&pairs);
            match verify(headers, &request.body, &[hook.secret.as_slice()], hook.provider, now) {
                Ok(authentic) => {
                    let known = |other: &Hook| {
                        other.secret == hook.secret
                            && other.provider.is_none_or(|only| only == authentic.provider())
                    };
                    let proven: Vec<_> = hooks.iter().filter(|(_, other)| known(other)).collect();
                    if let Some(id) = authentic.delivery() {
                        let mut taken = lock(&self.0.taken);
                        if !taken.take(authentic.provider(), id, self.0.born.elapsed()) {
                            return Reply::text(StatusCode::OK, "known already\n");
                        }
                    }
                    return match authentic.read() {
                        Ok(event) => self.told(&event, &proven),
                        Err(error) => refusal(&error),
                    };
                }
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) => {
                tracing::warn!(path = request.path, %error, "a webhook was refused");
                refusal(&error)
            }
            // Whether there is a GitSync of that name is nobody's business.
            None => Reply::text(StatusCode::UNAUTHORIZED, "not believed\n"),
        }
    }

    fn told(&self, event: &Event, proven: &[&(SyncKey, Arc<Hook>)]) -> Reply {
        let concerned: Vec<(&SyncKey, Option<String>)> = match event {
            Event::Ping => return Reply::text(StatusCode::OK, "pong\n"),
            Event::Push(push) => proven
                .iter()
                .filter_map(|(key, hook)| {
                    let concern = push.concerns(&hook.url, &hook.reference)?;
                    Some((key, concern.revision().map(str::to_owned)))
                })
                .collect(),
            Event::Nudge => proven.iter().map(|(key, _)| (key, None)).collect(),
            _ => Vec::new(),
        };
        for (key, revision) in &concerned {
            self.0.pushed(key, revision.as_deref());
        }
        let text = format!("{} told\n", concerned.len());
        Reply::text(StatusCode::ACCEPTED, text)
    }
}

fn refusal(error: &WebhookError) -> Reply {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let text = match error {
        WebhookError::Unauthorized(_) => "not believed\n".to_owned(),
        error => format!("{error}\n"),
    };
    Reply::text(status, text)
}

/// The GitSync that a path names.
fn named(path: &str) -> Option<SyncKey> {
    let rest = path.strip_prefix(WEBHOOK_PATH)?.strip_prefix('/')?;
    let (namespace, name) = rest.trim_end_matches('/').split_once('/')?;
    (!name.is_empty() && !name.contains('/')).then(|| SyncKey::new(namespace, name))
}
