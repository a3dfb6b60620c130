//! A proxy in front of a real API server: it counts every request by verb and resource, and makes
//! things go wrong when a test says so.
//!
//! The client is given [`Proxy::kubeconfig`]; the proxy shows the server the credentials of the
//! kubeconfig that it was started with, unless the client brings an `Authorization` of its own.
//! Answers are streamed, so watches work; upgrades (exec, attach, port-forward) do not.

mod calls;
mod faults;
mod kubeconfig;

pub use calls::{Call, Record, Recorder};
pub use faults::{Fault, Release, Rule};

use crate::serve::{Answer, AnswerBody, Cut, Handler, Serve, channel_body, plain};
use crate::{serve, tls};
use faults::{Faults, Lines};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kubeconfig::Upstream;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    /// Moves when all watches shall be cut; true while the server plays dead.
    state: watch::Sender<State>,
    kubeconfig: PathBuf,
    url: String,
    _dir: TempDir,
    _serve: Serve,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    cuts: u64,
    down: bool,
}

#[derive(Debug)]
struct Shared {
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    upstream: Upstream,
    recorder: Recorder,
    faults: Faults,
    state: watch::Receiver<State>,
}

impl Proxy {
    /// Starts a proxy that speaks plain HTTP, in front of the kubeconfig's current context.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read or used, or no port can be listened on.
    pub fn start(kubeconfig: &Path) -> io::Result<Self> {
        Self::start_as(kubeconfig, false)
    }

    /// Starts a proxy that speaks TLS with an authority of its own.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn start_tls(kubeconfig: &Path) -> io::Result<Self> {
        Self::start_as(kubeconfig, true)
    }

    fn start_as(kubeconfig: &Path, with_tls: bool) -> io::Result<Self> {
        let upstream = Upstream::read(kubeconfig)?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(upstream.tls()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(https);
        let (state, seen) = watch::channel(State::default());
        let (recorder, faults) = (Recorder::default(), Faults::default());
        let shared = Arc::new(Shared { client, upstream, recorder, faults, state: seen });
        let for_requests = shared.clone();
        let handler: Handler = Arc::new(move |request| {
            let shared = for_requests.clone();
            Box::pin(async move { answer(&shared, request).await })
        });
        let server_tls = with_tls.then(tls::server).transpose()?;
        let ca_pem = server_tls.as_ref().map(|server_tls| server_tls.ca_pem.clone());
        let serve = Serve::start(handler, server_tls.map(|server_tls| server_tls.acceptor))?;
        let scheme = if with_tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", serve.address);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("kubeconfig");
        let text = kubeconfig::text_for(&url, ca_pem.as_deref(), shared.upstream.namespace());
        std::fs::write(&path, text)?;
        Ok(Self { shared, state, kubeconfig: path, url, _dir: dir, _serve: serve })
    }

    /// The kubeconfig for clients of the proxy.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The proxy's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked so far.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Lets something go wrong; the first rule that fits a request is used for it.
    pub fn fault(&self, rule: Rule) {
        self.shared.faults.add(rule);
    }

    /// Takes all rules back.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Cuts all watches that are open now, in the middle.
    pub fn cut_watches(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Plays a server that went away: watches are cut and requests get no answer, until
    /// [`Proxy::up`].
    pub fn down(&self) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.down = true;
        });
    }

    /// The server is back.
    pub fn up(&self) {
        self.state.send_modify(|state| state.down = false);
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Answer {
    let call = Call::of(&request);
    shared.recorder.add(&call, &request);
    if shared.state.borrow().down {
        return Err(Cut);
    }
    let mut lines = Lines::default();
    match shared.faults.take(&call) {
        None => {}
        Some(Fault::Status { code, retry_after_seconds }) => {
            return Ok(refusal(code, retry_after_seconds));
        }
        Some(Fault::Cut) => return Err(Cut),
        Some(Fault::Delay(gate)) => gate.wait().await,
        Some(Fault::CutAfterEvents(events)) => lines.cut_after = Some(events),
        Some(Fault::GoneAfterEvents(events)) => lines.gone_after = Some(events),
        Some(Fault::DropBookmarks) => lines.drop_bookmarks = true,
    }
    let state = shared.state.clone();
    let response = forward(shared, request).await?;
    let (head, body) = response.into_parts();
    if call.verb != "watch" {
        return Ok(Response::from_parts(head, body.map_err(|_| Cut).boxed()));
    }
    let (sender, watched) = channel_body();
    tokio::spawn(pump(body, sender, lines, state));
    Ok(Response::from_parts(head, watched))
}

async fn forward(shared: &Shared, request: Request<Incoming>) -> Result<Response<Incoming>, Cut> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("{}{path}", shared.upstream.server()).parse().map_err(|_| Cut)?;
    for name in ["host", "connection", "upgrade", "te"] {
        head.headers.remove(name);
    }
    if let (None, Some(token)) = (head.headers.get("authorization"), shared.upstream.token()) {
        let value = http::HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Cut)?;
        head.headers.insert("authorization", value);
    }
    shared.client.request(Request::from_parts(head, body)).await.map_err(|_| Cut)
}

/// Hands a watch on, line by line, until it ends, is cut, or its reader goes away.
async fn pump(
    mut body: Incoming,
    to: mpsc::Sender<Result<Bytes, Cut>>,
    mut lines: Lines,
    mut state: watch::Receiver<State>,
) {
    // What happened before this watch began does not concern it.
    state.mark_unchanged();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = to.closed() => return,
            () = asked_to_cut(&mut state) => {
                serve::cut(&to).await;
                return;
            }
        };
        let bytes = match frame {
            None => return,
            Some(Err(_)) => {
                serve::cut(&to).await;
                return;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        let (passed, ended) = lines.pass(&bytes);
        if !passed.is_empty() && to.send(Ok(passed)).await.is_err() {
            return;
        }
        match ended {
            None => {}
            Some(faults::End::Clean) => return,
            Some(faults::End::Cut) => {
                serve::cut(&to).await;
                return;
            }
        }
    }
}

async fn asked_to_cut(state: &mut watch::Receiver<State>) {
    let before = state.borrow().cuts;
    let _ = state.wait_for(|state| state.cuts != before).await;
}

/// An answer as the API server words its refusals.
fn refusal(code: u16, retry_after_seconds: Option<u32>) -> Response<AnswerBody> {
    let mut response = plain(code, &faults::status_text(code));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert("retry-after", http::HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests;
