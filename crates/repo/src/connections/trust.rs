//! Which certificates are trusted: the system's and those in the caller's file.

use crate::error::Cause;
use crate::url::HttpUrl;
use crate::{Fetch, RepoError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a client depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrustKey {
    https: bool,
    connect_timeout: Duration,
    file: Option<(PathBuf, Stamp)>,
}

/// Changes when a file is written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl TrustKey {
    pub(super) fn of(url: &HttpUrl, spec: &Fetch) -> Result<Self, RepoError> {
        let https = url.is_https();
        let file = match spec.ca_file.as_ref().filter(|_| https) {
            Some(path) => Some((path.clone(), stamp(path)?)),
            None => None,
        };
        Ok(Self { https, connect_timeout: spec.limits.connect_timeout, file })
    }

    /// The same file, perhaps with another content.
    pub(super) fn same_file(&self, other: &Self) -> bool {
        let path = |key: &Self| key.file.as_ref().map(|(path, _)| path.clone());
        self.https == other.https
            && self.connect_timeout == other.connect_timeout
            && path(self) == path(other)
    }
}

fn stamp(path: &Path) -> Result<Stamp, RepoError> {
    let metadata = std::fs::metadata(path).map_err(|error| RepoError::Certificates {
        from: path.display().to_string(),
        source: Cause::of(&error),
    })?;
    let (bytes, inode) = (metadata.len(), metadata.ino());
    Ok(Stamp { modified: metadata.modified().ok(), bytes, inode })
}

/// TLS with the system's roots and those of the caller; one provider, named here, so that nothing
/// depends on what the process has installed.
pub(super) fn tls(spec: &Fetch, wanted: bool) -> Result<ClientConfig, RepoError> {
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
