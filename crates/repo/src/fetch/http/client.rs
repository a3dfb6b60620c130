//! One thread with one HTTP client; requests go in, heads and chunks come out. When the reader of
//! an answer goes away, its connection is closed at once.

use crate::error::Cause;
use crate::{Fetch, RepoError};
use reqwest::Url;
use reqwest::header::HeaderMap;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::{mpsc, oneshot};

/// Chunks of an answer that wait for their reader.
const CHUNKS_WAITING_MAX: usize = 8;

pub(in crate::fetch) struct Client {
    jobs: mpsc::UnboundedSender<Job>,
}

pub(super) struct Request {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// A POST when given, else a GET.
    pub(super) body: Option<Vec<u8>>,
}

pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

impl Head {
    pub(super) fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        for (name, value) in &self.headers {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        lines
    }
}

/// An answer that is on its way.
pub(super) struct Pending {
    pub(super) head: Receiver<Result<Head, reqwest::Error>>,
    pub(super) chunks: Receiver<io::Result<Vec<u8>>>,
    /// Dropping it closes the connection.
    pub(super) alive: oneshot::Sender<()>,
}

/// A POST that waits for its body.
pub(super) struct Prepared {
    jobs: mpsc::UnboundedSender<Job>,
    job: Job,
}

impl Prepared {
    pub(super) fn send(mut self, body: Vec<u8>) {
        self.job.request.body = Some(body);
        // A client that is gone shows when the answer is read.
        let _ = self.jobs.send(self.job);
    }
}

struct Job {
    request: Request,
    head: SyncSender<Result<Head, reqwest::Error>>,
    chunks: SyncSender<io::Result<Vec<u8>>>,
    gone: oneshot::Receiver<()>,
}

impl Client {
    pub(super) fn start(url: &Url, spec: &Fetch) -> Result<Self, RepoError> {
        let shown = || spec.url.to_string();
        let tls = tls(spec, url.scheme() == "https")?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(spec.limits.connect_timeout)
            .build()
            .map_err(|error| classify(&error, &shown()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| RepoError::Connect { url: shown(), source: Cause::of(&e) })?;
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        let run = async move {
            while let Some(job) = waiting.recv().await {
                run(&client, job).await;
            }
        };
        std::thread::Builder::new()
            .name("git-http".to_owned())
            .spawn(move || runtime.block_on(run))
            .map_err(|e| RepoError::Connect { url: shown(), source: Cause::of(&e) })?;
        Ok(Self { jobs })
    }

    pub(super) fn send(&self, request: Request) -> Pending {
        let (job, pending) = job(request);
        // A client that is gone shows when the answer is read.
        let _ = self.jobs.send(job);
        pending
    }

    pub(super) fn prepare(&self, url: Url, headers: HeaderMap) -> (Prepared, Pending) {
        let (job, pending) = job(Request { url, headers, body: None });
        (Prepared { jobs: self.jobs.clone(), job }, pending)
    }
}

fn job(request: Request) -> (Job, Pending) {
    let (head_sender, head) = sync_channel(1);
    let (chunk_sender, chunks) = sync_channel(CHUNKS_WAITING_MAX);
    let (alive, gone) = oneshot::channel();
    let job = Job { request, head: head_sender, chunks: chunk_sender, gone };
    (job, Pending { head, chunks, alive })
}

async fn run(client: &reqwest::Client, job: Job) {
    let Job { request, head, chunks, gone } = job;
    tokio::select! {
        () = answer(client, request, &head, &chunks) => {}
        _ = gone => {}
    }
}

async fn answer(
    client: &reqwest::Client,
    request: Request,
    head: &SyncSender<Result<Head, reqwest::Error>>,
    chunks: &SyncSender<io::Result<Vec<u8>>>,
) {
    let builder = match request.body {
        Some(body) => client.post(request.url).body(body),
        None => client.get(request.url),
    };
    let mut response = match builder.headers(request.headers).send().await {
        Ok(response) => response,
        Err(error) => {
            let _ = head.send(Err(error.without_url()));
            return;
        }
    };
    let status = response.status().as_u16();
    if head.send(Ok(Head { status, headers: response.headers().clone() })).is_err() {
        return;
    }
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) if chunk.is_empty() => continue,
            Ok(Some(chunk)) => Ok(chunk.to_vec()),
            Ok(None) => return,
            Err(error) => Err(io::Error::other(error.without_url())),
        };
        let last = chunk.is_err();
        if chunks.send(chunk).is_err() || last {
            return;
        }
    }
}

/// TLS with the system's roots and those of the caller; one provider, named here, so that nothing
/// depends on what the process has installed.
fn tls(spec: &Fetch, wanted: bool) -> Result<ClientConfig, RepoError> {
    let mut roots = RootCertStore::empty();
    if wanted {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &spec.ca_file {
            add_roots(&mut roots, path)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| RepoError::Certificates {
        from: "the TLS library".to_owned(),
        source: Cause::of(&error),
    })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), RepoError> {
    let failed = |source| RepoError::Certificates { from: path.display().to_string(), source };
    let mut count = 0_usize;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| failed(Cause::of(&e)))? {
        let certificate = certificate.map_err(|e| failed(Cause::of(&e)))?;
        roots.add(certificate).map_err(|e| failed(Cause::of(&e)))?;
        count += 1;
    }
    if count == 0 {
        return Err(failed(Cause::new("there is no certificate in it")));
    }
    Ok(())
}

/// The phase in which a request failed.
pub(super) fn classify(error: &reqwest::Error, url: &str) -> RepoError {
    let url = url.to_owned();
    let source = Cause::of(error);
    let text = source.to_string();
    if has_tls_error(error) {
        RepoError::Tls { url, source }
    } else if text.contains("dns error") || text.contains("failed to lookup address") {
        RepoError::Resolve { url, source }
    } else {
        RepoError::Connect { url, source }
    }
}

fn has_tls_error(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = inner {
            let inner: &(dyn Error + 'static) = inner;
            if has_tls_error(inner) {
                return true;
            }
        }
        next = error.source();
    }
    false
}
