//! A certificate authority for one test, and a server certificate of it for loopback.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What a server needs, and what its clients must trust.
pub(crate) struct ServerTls {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate in PEM.
    pub(crate) ca_pem: String,
}

/// Makes an authority and a certificate for `localhost` and `127.0.0.1`.
pub(crate) fn server() -> io::Result<ServerTls> {
    let failed = |error: rcgen::Error| io::Error::other(error);
    let ca_key = KeyPair::generate().map_err(failed)?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "test authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).map_err(failed)?.pem();
    let issuer = Issuer::new(ca, ca_key);
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().map_err(failed)?;
    let leaf = CertificateParams::new(names).map_err(failed)?;
    let leaf = leaf.signed_by(&key, &issuer).map_err(failed)?;
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes());
    let key = key.map_err(io::Error::other)?;
    let chain = vec![CertificateDer::from(leaf.der().to_vec())];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    Ok(ServerTls { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem })
}
