//! A connection to one API server: cheap to clone, bounded in concurrency, every request counted.
//!
//! A clone shares connections, discovery, limits and metrics. Nothing here waits without a limit:
//! requests have a timeout, tries are bounded in number and time, and a watch that hears nothing
//! is opened again.

use crate::backoff::{Backoff, Jitter};
use crate::config::{self, ConnectOptions, Impersonate};
use crate::discovery::Discovery;
use crate::error::ClusterError;
use crate::metrics::Metrics;
use crate::openapi::OpenApi;
use crate::request::{Call, JSON};
use crate::status::About;
use crate::token_file::TokenFile;
use crate::transport;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests about leases under way at once: one process competes for one.
const LEASE_IN_FLIGHT_MAX: usize = 2;
/// The first pause after a failed try.
const BACKOFF_BASE_MILLISECONDS: u64 = 100;
/// The longest pause that we choose ourselves.
const BACKOFF_CAP_SECONDS: u64 = 10;

/// A connection to one API server; clones share it.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    /// Who the requests are made as, when that is not the user of the credentials.
    pub(crate) identity: Option<Arc<Impersonate>>,
}

pub(crate) struct Inner {
    pub(crate) http: kube::Client,
    pub(crate) address: String,
    pub(crate) metrics: Metrics,
    pub(crate) permits: Semaphore,
    /// Places for requests about leases: who has a thousand writes under way must not lose the
    /// right to write because the renewal of it waits behind them.
    pub(crate) lease_permits: Semaphore,
    pub(crate) in_flight_max: usize,
    pub(crate) jitter: Jitter,
    pub(crate) backoff: Backoff,
    pub(crate) request_timeout: Duration,
    pub(crate) tries_max: u32,
    pub(crate) tries_total: Duration,
    pub(crate) user_agent: String,
    /// The token of each request, when it comes from a file.
    pub(crate) token: Option<TokenFile>,
    namespace: String,
    discovery: Discovery,
    openapi: OpenApi,
}

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerVersion {
    /// `v1.37.2`.
    pub git_version: String,
    /// `linux/amd64`.
    #[serde(default)]
    pub platform: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the configuration and prepares the connection; sends nothing yet. Must run inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`ClusterError::Kubeconfig`], [`ClusterError::NoConfiguration`],
    /// [`ClusterError::Credentials`], [`ClusterError::ServiceAccount`].
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ClusterError> {
        let (mut config, token) = config::load(options).await?;
        // Per request, so that one connection can act as several.
        let groups = config.auth_info.impersonate_groups.take().unwrap_or_default();
        let user = config.auth_info.impersonate.take();
        let identity = user.map(|user| Arc::new(Impersonate { user, groups }));
        let address = server_address(&config.cluster_url);
        let namespace = config.default_namespace.clone();
        let http =
            kube::Client::try_from(config).map_err(|error| transport::setup(&address, &error))?;
        let inner = Inner {
            http,
            address,
            metrics: options.metrics.clone().unwrap_or_default(),
            permits: Semaphore::new(options.in_flight_max.max(1)),
            lease_permits: Semaphore::new(LEASE_IN_FLIGHT_MAX),
            in_flight_max: options.in_flight_max.max(1),
            jitter: Jitter::seeded(options.seed),
            backoff: Backoff {
                base: Duration::from_millis(BACKOFF_BASE_MILLISECONDS),
                cap: Duration::from_secs(BACKOFF_CAP_SECONDS),
            },
            request_timeout: options.request_timeout,
            tries_max: options.tries_max.max(1),
            tries_total: options.tries_total,
            user_agent: options.user_agent.clone(),
            token,
            namespace,
            discovery: Discovery::default(),
            openapi: OpenApi::default(),
        };
        Ok(Self { inner: Arc::new(inner), identity })
    }

    /// The same connection, acting as somebody else: every request that is made with what this
    /// gives. The user of the credentials needs the verb `impersonate`; the groups of a service
    /// account need not be named. What the cluster serves is looked up once for all identities.
    #[must_use]
    pub fn acting_as(&self, identity: Impersonate) -> Self {
        Self { inner: self.inner.clone(), identity: Some(Arc::new(identity)) }
    }

    /// The server: `https://127.0.0.1:6443`, without user information.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// The namespace of the context, or `default`.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// The numbers of this connection.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// How many requests may be under way at once: more tasks than this only wait.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        self.inner.in_flight_max
    }

    /// Asks for the server's version: the cheapest question that any user may ask.
    ///
    /// # Errors
    /// Everything that can be wrong with the connection.
    pub async fn server_version(&self) -> Result<ServerVersion, ClusterError> {
        let call = self.plain_get("/version", "version", JSON);
        self.inner.send(&call).await?.json("version")
    }

    pub(crate) fn discovery_cache(&self) -> &Discovery {
        &self.inner.discovery
    }

    pub(crate) fn openapi_cache(&self) -> &OpenApi {
        &self.inner.openapi
    }

    /// A GET of a path that is no resource.
    pub(crate) fn plain_get(&self, path: &str, label: &str, accept: &'static str) -> Call {
        let about = About {
            verb: "get",
            subject: path.to_owned(),
            resource: label.to_owned(),
            gvk: None,
            address: self.inner.address.clone(),
        };
        Call {
            about,
            label: label.to_owned(),
            method: http::Method::GET,
            path: path.to_owned(),
            query: Vec::new(),
            accept,
            content_type: JSON,
            body: Vec::new(),
            repeatable: true,
            identity: self.identity.clone(),
        }
    }
}

/// The URL without user information, path kept, no trailing slash.
fn server_address(url: &http::Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let host = url.host().unwrap_or_default();
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{}", url.path().trim_end_matches('/'))
}
