//! How a server is reached: directly, or through the proxy that the environment names.

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::Service;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Socket = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Proxies by destination.
#[derive(Clone)]
pub(super) struct Proxies(Arc<Matcher>);

impl Default for Proxies {
    fn default() -> Self {
        Self(Arc::new(Matcher::from_env()))
    }
}

impl Proxies {
    #[cfg(test)]
    pub(super) fn all(proxy: &str) -> Self {
        Self(Arc::new(Matcher::builder().all(proxy).no("direct.invalid").build()))
    }

    /// Who we are to the proxy, where the request itself goes to it.
    pub(super) fn authorization(&self, to: &Uri) -> Option<http::HeaderValue> {
        let proxy = self.0.intercept(to).filter(|_| to.scheme_str() == Some("http"))?;
        let mut value = proxy.basic_auth()?.clone();
        value.set_sensitive(true);
        Some(value)
    }
}

/// What connects, and gives up after a while, TLS included.
pub(super) type Connector = Timed<HttpsConnector<Dialer>>;

pub(super) fn connector(tls: ClientConfig, proxies: Proxies, limit: Duration) -> Connector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(limit));
    let tls = Arc::new(tls);
    let dialer = Dialer { http, tls: tls.clone(), proxies };
    Timed { inner: HttpsConnector::from((dialer, tls)), limit }
}

/// Connects to a server, or to the proxy before it.
#[derive(Clone)]
pub(super) struct Dialer {
    http: HttpConnector,
    tls: Arc<ClientConfig>,
    proxies: Proxies,
}

impl Service<Uri> for Dialer {
    type Response = Dialed;
    type Error = BoxError;
    type Future = Connecting<Dialed>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.0.intercept(&to) else {
            let connecting = self.http.call(to);
            return Box::pin(async move {
                let socket = MaybeHttpsStream::Http(connecting.await?);
                Ok(Dialed { socket, proxied: false })
            });
        };
        if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
            let failed =
                io::Error::other("the environment names a proxy that is not http or https");
            return Box::pin(async move { Err(failed.into()) });
        }
        let mut to_proxy = HttpsConnector::from((self.http.clone(), self.tls.clone()));
        if to.scheme_str() != Some("https") {
            let connecting = to_proxy.call(proxy.uri().clone());
            return Box::pin(
                async move { Ok(Dialed { socket: connecting.await?, proxied: true }) },
            );
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        if let Some(value) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(value.clone());
        }
        let connecting = tunnel.call(to);
        Box::pin(async move { Ok(Dialed { socket: connecting.await?, proxied: false }) })
    }
}

/// A connection; through a proxy without a tunnel, requests name the whole URL.
pub(super) struct Dialed {
    socket: Socket,
    proxied: bool,
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        self.socket.connected().proxy(self.proxied)
    }
}

impl hyper::rt::Read for Dialed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Dialed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, parts)
    }
}

/// Another connector, with a limit on its time.
#[derive(Clone)]
pub(super) struct Timed<S> {
    inner: S,
    limit: Duration,
}

impl<S> Service<Uri> for Timed<S>
where
    S: Service<Uri, Error = BoxError>,
    S::Response: Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Connecting<S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (connecting, limit) = (self.inner.call(to), self.limit);
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(result) => result,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}
