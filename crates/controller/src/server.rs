//! `/metrics`, `/healthz`, `/readyz` and `/webhook`.
//!
//! Nothing secret is served, so there is no authentication for reading; the default address is
//! reachable from this machine only. A webhook is authenticated by the engine, and only by the
//! process that leads: the others ask the forge to come again. Bounds: see [`wire::serve`].

use cluster::{Metrics, OPENMETRICS_CONTENT_TYPE};
use http::{Method, StatusCode};
use reconcile::{Engine, WEBHOOK_BODY_BYTES_MAX};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wire::{Handler, Reply, Request};

/// What is served.
#[derive(Clone)]
pub(crate) struct Served {
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// Whether the API server has answered.
    pub(crate) ready: Arc<AtomicBool>,
    /// Who takes webhooks.
    pub(crate) webhooks: Arc<Mutex<Option<Engine>>>,
}

impl Handler for Served {
    fn body_bytes_max(&self, method: &Method, path: &str) -> usize {
        if method == Method::POST && Engine::is_webhook(path) { WEBHOOK_BODY_BYTES_MAX } else { 0 }
    }

    fn answer(&self, request: &Request) -> Reply {
        if Engine::is_webhook(&request.path) {
            let engine = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner).clone();
            return match engine {
                Some(engine) => engine.webhook(request),
                None => Reply::text(StatusCode::SERVICE_UNAVAILABLE, "another replica leads\n"),
            };
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match request.path.as_str() {
            "/metrics" => Reply {
                content_type: OPENMETRICS_CONTENT_TYPE,
                ..Reply::text(StatusCode::OK, self.metrics.render())
            },
            "/healthz" => Reply::text(StatusCode::OK, "ok\n"),
            "/readyz" if self.ready.load(Ordering::Relaxed) => Reply::text(StatusCode::OK, "ok\n"),
            "/readyz" => Reply::text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the API server has not answered yet\n",
            ),
            _ => Reply::text(StatusCode::NOT_FOUND, "known: /metrics /healthz /readyz /webhook\n"),
        }
    }
}
