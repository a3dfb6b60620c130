//! Servers with TLS for one test, with certificates of an authority that the test made.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
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
    let acceptor = acceptor(&authority, None, &[])?;
    Ok(ServerTls { acceptor, ca_pem: authority.pem().to_owned() })
}

/// A server at `localhost` and `127.0.0.1` with a certificate of `authority`; with `clients` it
/// lets in nobody without a certificate of that one.
pub(crate) fn acceptor(
    authority: &Authority,
    clients: Option<&Authority>,
    protocols: &[&[u8]],
) -> io::Result<TlsAcceptor> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let server = authority.issue("test server", "", &["localhost"], &loopback);
    let server = server.map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).map_err(io::Error::other)?;
    let chain = vec![certificate(&server.certificate)?];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate(clients.pem())?).map_err(io::Error::other)?;
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificate(pem: &str) -> io::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)
}
