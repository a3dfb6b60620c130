//! `/metrics`, `/healthz` and `/readyz`.
//!
//! Nothing secret is served and nothing can be changed here, so there is no authentication; the
//! default address is reachable from this machine only. Bounds: see [`wire::serve`].

use cluster::{Metrics, OPENMETRICS_CONTENT_TYPE};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wire::{Handler, Reply, Request};

/// What is served.
#[derive(Clone)]
pub(crate) struct Served {
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// Whether the API server has answered.
    pub(crate) ready: Arc<AtomicBool>,
}

impl Handler for Served {
    fn body_bytes_max(&self, _: &Method, _: &str) -> usize {
        0
    }

    fn answer(&self, request: &Request) -> Reply {
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
            _ => Reply::text(StatusCode::NOT_FOUND, "known: /metrics /healthz /readyz\n"),
        }
    }
}
