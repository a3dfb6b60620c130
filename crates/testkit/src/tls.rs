//! A certificate authority for one test, and a server certificate of it for loopback.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use testbed::certificates::Authority;
use tokio_rustls::TlsAcceptor;

/// What a server needs, and what its clients must trust.
pub(crate) struct ServerTls {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate in PEM.
    pub(crate) ca_pem: String,
}

/// Makes an authority and a certificate for `localhost` and `127.0.0.1`.
pub(crate) fn server() -> io::Result<ServerTls> {
    let authority = Authority::new("test authority").map_err(io::Error::other)?;
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let server = authority.issue("test server", "", &["localhost"], &loopback);
    let server = server.map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).map_err(io::Error::other)?;
    let leaf = CertificateDer::from_pem_slice(server.certificate.as_bytes());
    let chain = vec![leaf.map_err(io::Error::other)?];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    let ca_pem = authority.pem().to_owned();
    Ok(ServerTls { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem })
}
