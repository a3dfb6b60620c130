//! `/metrics`, `/healthz` and `/readyz` over HTTP/1.
//!
//! Nothing secret is served and nothing can be changed here, so there is no authentication; the
//! default address is reachable from this machine only. Connections, header size and header time
//! are bounded; requests past the bound are turned away at once.

use crate::ControllerError;
use cluster::{Metrics, OPENMETRICS_CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 32;
/// A connection that sends no whole header within this time is closed.
pub const HEADER_READ_SECONDS: u64 = 10;
/// Bytes of a request's header.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// The pause after an error of `accept`, such as too many open files.
const ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// What is served.
#[derive(Clone)]
pub(crate) struct Served {
    /// The numbers.
    pub(crate) metrics: Metrics,
    /// Whether the API server has answered.
    pub(crate) ready: Arc<AtomicBool>,
}

/// Opens the address.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, ControllerError> {
    TcpListener::bind(address).await.map_err(|source| ControllerError::Listen { address, source })
}

/// Serves until `shutdown`.
pub(crate) async fn serve(listener: TcpListener, served: Served, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS)).await;
            continue;
        };
        // Past the bound the stream is dropped here, which closes it.
        let Ok(permit) = permits.clone().try_acquire_owned() else { continue };
        let (served, shutdown) = (served.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, served) => {}
                () = shutdown.cancelled() => {}
            }
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, served: Served) {
    let service = service_fn(move |request| {
        let response = answer(&request, &served);
        async move { Ok::<_, Infallible>(response) }
    });
    let result = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_READ_SECONDS))
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = result {
        tracing::debug!(%error, "a connection for metrics or probes ended early");
    }
}

fn answer(request: &Request<Incoming>, served: &Served) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let plain = |status, text: &str| response(status, TEXT, text.to_owned());
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    }
    match request.uri().path() {
        "/metrics" => response(StatusCode::OK, OPENMETRICS_CONTENT_TYPE, served.metrics.render()),
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" if served.ready.load(Ordering::Relaxed) => plain(StatusCode::OK, "ok\n"),
        "/readyz" => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "the API server has not answered yet\n")
        }
        _ => plain(StatusCode::NOT_FOUND, "known: /metrics /healthz /readyz\n"),
    }
}

fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
