//! Whom to trust: the system's certificates and those of one file.

use crate::WireError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// TLS with one provider, named here, so that nothing depends on what the process has installed.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, WireError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(Path::new("the TLS library"), &error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), WireError> {
    let mut count = 0_usize;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| failed(path, &e))? {
        roots.add(certificate.map_err(|e| failed(path, &e))?).map_err(|e| failed(path, &e))?;
        count += 1;
    }
    if count == 0 {
        return Err(failed(path, &"there is no certificate in it"));
    }
    Ok(())
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> WireError {
    WireError::Certificates { path: path.to_owned(), reason: reason.to_string() }
}
