//! Whom to trust, and who we are: the system's certificates, those of a file, a client's own.

use crate::WireError;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A client's certificate chain and key, both in PEM.
pub(crate) struct Identity<'a> {
    pub(crate) certificate: &'a Path,
    pub(crate) key: &'a Path,
}

/// What some files looked like when they were read; a changed one has another stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(Option<SystemTime>, u64)>);

impl Stamp {
    /// The stamp of files; one that cannot be looked at counts as empty.
    pub(crate) fn of<'a>(files: impl Iterator<Item = &'a PathBuf>) -> Self {
        let look = |path: &PathBuf| {
            std::fs::metadata(path).map_or((None, 0), |meta| (meta.modified().ok(), meta.len()))
        };
        Self(files.map(look).collect())
    }
}

/// Whether a certificate can be for this name or address.
#[must_use]
pub fn is_server_name(text: &str) -> bool {
    ServerName::try_from(text).is_ok()
}

/// TLS with one provider, named here, so that nothing depends on what the process has installed.
/// The file is trusted beside the system's certificates.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, WireError> {
    let mut roots = system();
    if let Some(path) = ca_file {
        add(&mut roots, path)?;
    }
    config(roots, None)
}

/// As [`tls`], but these certificates are trusted instead of the system's.
pub(crate) fn tls_of(pem: &[u8]) -> Result<ClientConfig, WireError> {
    let given = Path::new("what was given as `ca.crt`");
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| failed(given, &error))?;
    if all.is_empty() {
        return Err(failed(given, &"there is no certificate in it"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in all {
        roots.add(certificate).map_err(|error| failed(given, &error))?;
    }
    config(roots, None)
}

/// As [`tls`], but a file is trusted instead of the system's certificates: who names an authority
/// for one server does not want that every other one can play it.
pub(crate) fn client_tls(
    ca_file: Option<&Path>,
    identity: Option<Identity<'_>>,
) -> Result<ClientConfig, WireError> {
    let roots = match ca_file {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add(&mut roots, path)?;
            roots
        }
        None => system(),
    };
    config(roots, identity)
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn config(roots: RootCertStore, identity: Option<Identity<'_>>) -> Result<ClientConfig, WireError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(Path::new("the TLS library"), &error))?
        .with_root_certificates(roots);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(identity.certificate)?;
    let key = PrivateKeyDer::from_pem_file(identity.key).map_err(|error| match error {
        pem::Error::NoItemsFound => failed(identity.key, &"there is no key in it"),
        error => failed(identity.key, &error),
    })?;
    builder.with_client_auth_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let reason = format!("it does not belong to the key in {}", identity.key.display());
            failed(identity.certificate, &reason)
        }
        error => failed(identity.certificate, &error),
    })
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), WireError> {
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|e| failed(path, &e))?;
    }
    Ok(())
}

/// The certificates of a file; none is an error.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| failed(path, &e))?;
    if all.is_empty() {
        return Err(failed(path, &"there is no certificate in it"));
    }
    Ok(all)
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> WireError {
    WireError::Certificates { path: path.to_owned(), reason: reason.to_string() }
}
