//! One request, one answer.
//!
//! Input: a method, an address, headers, a body. Output: status and body, bounded in bytes and
//! time. Nothing is repeated here: the caller knows whether a second try does harm.

use crate::body::Body;
use crate::error::WireError;
use crate::roots;
use http::header::{CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Response, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// From sending a request to the last byte of its answer.
pub const REQUEST_TIMEOUT_SECONDS: u64 = 10;
/// Making a connection, TLS excluded.
pub const CONNECT_TIMEOUT_SECONDS: u64 = 5;
/// Bytes of an answer that are read.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// An idle connection is closed after this time.
const IDLE_SECONDS: u64 = 30;
/// Connections to one host that are kept while idle.
const IDLE_PER_HOST_MAX: usize = 2;
/// A server that asks for more patience than this is not believed.
const RETRY_AFTER_SECONDS_MAX: u64 = 3_600;

type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Body>;

/// How to speak.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What we call ourselves.
    pub user_agent: String,
    /// Certificates to trust beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's and of those of the file, in PEM; none when
    /// empty.
    pub ca_pem: Vec<u8>,
    /// Time for a whole request.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("orlop/", env!("CARGO_PKG_VERSION")).to_owned(),
            ca_file: None,
            ca_pem: Vec::new(),
            timeout: Duration::from_secs(REQUEST_TIMEOUT_SECONDS),
        }
    }
}

/// A header that proves who we are, and the only host that may see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `host` or `host:port`, as in the address.
    pub host: String,
    /// The header, as in `authorization`.
    pub header: HeaderName,
    /// Its value, as in `Bearer …`.
    value: String,
}

impl Credential {
    /// A header for one host.
    pub fn new(host: impl Into<String>, header: HeaderName, value: impl Into<String>) -> Self {
        Self { host: host.into(), header, value: value.into() }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("host", &self.host).finish_non_exhaustive()
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// `GET`, `POST`.
    pub method: Method,
    /// Where to.
    pub address: String,
    /// Beside those that we set ourselves.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What to prove.
    pub credential: Option<Credential>,
    /// JSON, or nothing.
    pub json: Option<Vec<u8>>,
}

impl Outgoing {
    /// A POST of JSON.
    pub fn post(address: impl Into<String>, json: Vec<u8>) -> Self {
        Self { method: Method::POST, json: Some(json), ..Self::get(address) }
    }

    /// A GET.
    pub fn get(address: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            address: address.into(),
            headers: Vec::new(),
            credential: None,
            json: None,
        }
    }
}

/// An answer of the 2xx kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// A client; clones share its connections.
#[derive(Clone)]
pub struct Client {
    options: Arc<ClientOptions>,
    /// Made with the first request: reading the system's certificates takes milliseconds.
    http: Arc<OnceLock<Http>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client that has read nothing yet.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        Self { options: Arc::new(options), http: Arc::default() }
    }

    /// Sends one request. Anything but a 2xx is an error.
    ///
    /// # Errors
    /// [`WireError`]; [`model::Explain::retry`] says whether another try may help.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Answer, WireError> {
        let uri = address(&outgoing.address)?;
        let shown = shown(&uri);
        let request = self.request(outgoing, uri, &shown)?;
        let http = self.http()?;
        let exchange = async {
            let response = http.request(request).await.map_err(|error| WireError::Unreachable {
                shown: shown.clone(),
                reason: model::chain(&error),
            })?;
            read(response, &shown).await
        };
        let after = self.options.timeout;
        tokio::time::timeout(after, exchange)
            .await
            .unwrap_or_else(|_| Err(WireError::TimedOut { shown: shown.clone(), after }))
    }

    fn http(&self) -> Result<&Http, WireError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let tls = match self.options.ca_pem.as_slice() {
            [] => roots::tls(self.options.ca_file.as_deref())?,
            pem => roots::tls_of(pem)?,
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_TIMEOUT_SECONDS)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector);
        Ok(self.http.get_or_init(|| http))
    }

    fn request(
        &self,
        outgoing: &Outgoing,
        uri: Uri,
        shown: &str,
    ) -> Result<http::Request<Body>, WireError> {
        let unusable = || WireError::Address { shown: shown.to_owned() };
        let proof = match &outgoing.credential {
            Some(credential) => {
                let refused = || WireError::Credential {
                    host: credential.host.clone(),
                    shown: shown.to_owned(),
                };
                if !may_see(&uri, &credential.host) {
                    return Err(refused());
                }
                let mut value = HeaderValue::from_str(&credential.value).map_err(|_| refused())?;
                value.set_sensitive(true);
                Some((credential.header.clone(), value))
            }
            None => None,
        };
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        let body = Body::from(Bytes::from(outgoing.json.clone().unwrap_or_default()));
        let mut request = http::Request::new(body);
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.extend(outgoing.headers.iter().cloned());
        let host = host.as_deref().map(HeaderValue::from_str).transpose();
        if let Some(host) = host.map_err(|_| unusable())? {
            headers.insert(HOST, host);
        }
        let agent = HeaderValue::from_str(&self.options.user_agent).map_err(|_| unusable())?;
        headers.insert(USER_AGENT, agent);
        if outgoing.json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some((name, value)) = proof {
            headers.insert(name, value);
        }
        Ok(request)
    }
}

async fn read(response: Response<Incoming>, shown: &str) -> Result<Answer, WireError> {
    let status = response.status();
    if status.is_redirection() {
        let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = to.and_then(|text| text.parse::<Uri>().ok());
        let to = to.as_ref().and_then(Uri::host).unwrap_or("another path of it").to_owned();
        return Err(WireError::Redirected { shown: shown.to_owned(), to });
    }
    if !status.is_success() {
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = seconds
            .and_then(|text| text.parse().ok())
            .map(|seconds: u64| Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)));
        return Err(WireError::Status { shown: shown.to_owned(), status: status.as_u16(), after });
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            WireError::TooLarge { shown: shown.to_owned(), limit: ANSWER_BYTES_MAX }
        } else {
            WireError::Unreachable { shown: shown.to_owned(), reason: error.to_string() }
        }
    })?;
    Ok(Answer { status: status.as_u16(), body: body.to_bytes().to_vec() })
}

/// An address with http or https, a host, and no user information.
pub(crate) fn address(text: &str) -> Result<Uri, WireError> {
    let unusable = || WireError::Address { shown: "the address".to_owned() };
    let uri: Uri = text.parse().map_err(|_| unusable())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if !known || !plain || uri.host().is_none_or(str::is_empty) {
        return Err(unusable());
    }
    Ok(uri)
}

/// Scheme, host and path.
pub(crate) fn shown(uri: &Uri) -> String {
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

/// Whether a credential for `host` may be sent there: the same host, over https or to ourselves.
fn may_see(uri: &Uri, host: &str) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let same = authority.as_str().eq_ignore_ascii_case(host)
        || (authority.port_u16().is_none() && authority.host().eq_ignore_ascii_case(host));
    same && (uri.scheme_str() == Some("https") || is_this_machine(authority.host()))
}

pub(crate) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitops_15_a_credential_goes_to_its_host_only_and_never_over_an_open_line() {
        let sees = |address: &str, host: &str| may_see(&address.parse().unwrap(), host);
        assert!(sees("https://forge.example/api", "forge.example"));
        assert!(sees("https://forge.example:8443/api", "forge.example:8443"));
        assert!(sees("http://127.0.0.1:80/", "127.0.0.1:80"));
        assert!(sees("http://[::1]:80/", "[::1]:80"));
        assert!(!sees("https://forge.example:8443/api", "forge.example"));
        assert!(!sees("http://forge.example/api", "forge.example"));
        assert!(!sees("https://forge.example.evil/api", "forge.example"));
        assert!(!sees("https://evil/forge.example", "forge.example"));
    }

    #[test]
    fn addresses_are_shown_without_what_could_be_a_secret() {
        assert_eq!(shown(&address("https://h:1/p?token=CANARY").unwrap()), "https://h:1/p");
        for text in ["https://CANARY@h/", "ftp://h/", "CANARY", "https://", "//h/x", ""] {
            let error = address(text).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("CANARY"), "{error:?}");
        }
        let credential = Credential::new("h", http::header::AUTHORIZATION, "Bearer CANARY");
        assert!(!format!("{credential:?}").contains("CANARY"));
    }
}
