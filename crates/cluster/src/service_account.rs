//! The identity of the Pod that this process runs in.
//!
//! Input: two environment variables and a folder with `token`, `ca.crt` and `namespace`, which the
//! kubelet keeps up to date. Output: where the server is, whom to trust and which token to show.
//! Errors name the file and never its content.

use crate::error::ClusterError;
use crate::token_file::TokenFile;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where the kubelet puts a Pod's identity.
pub const SERVICE_ACCOUNT_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// Where a Pod finds the API server and its own identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Name or address of the API server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The folder with `token`, `ca.crt` and `namespace`.
    pub folder: PathBuf,
}

impl ServiceAccount {
    /// Reads the variables that the kubelet sets in every container; `None` when this is no Pod,
    /// which is when they are not set or hold no port.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        folder: impl Into<PathBuf>,
    ) -> Option<Self> {
        let host = variable(HOST).filter(|host| !host.is_empty())?;
        let port = variable(PORT)?.parse().ok()?;
        Some(Self { host, port, folder: folder.into() })
    }

    /// What this process has, if it runs in a Pod.
    pub(crate) fn of_this_pod() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok(), SERVICE_ACCOUNT_FOLDER)
    }

    /// The connection, and the token to show on it.
    pub(crate) fn load(&self) -> Result<(kube::Config, TokenFile), ClusterError> {
        let url = self.url();
        let mut config = kube::Config::new(
            url.parse().map_err(|_| failed(Path::new(HOST), "it is no name of a host"))?,
        );
        config.default_namespace = self.text("namespace")?.trim().to_owned();
        config.root_cert = Some(self.authority()?);
        let path = self.folder.join("token");
        let token = TokenFile::open(&path).map_err(|why| failed(&path, &why))?;
        Ok((config, token))
    }

    fn url(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("https://[{address}]:{}", self.port),
            _ => format!("https://{}:{}", self.host, self.port),
        }
    }

    fn authority(&self) -> Result<Vec<Vec<u8>>, ClusterError> {
        let text = self.text("ca.crt")?;
        let path = self.folder.join("ca.crt");
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        match all {
            Ok(all) if !all.is_empty() => {
                Ok(all.into_iter().map(|certificate| certificate.to_vec()).collect())
            }
            _ => Err(failed(&path, "it holds no certificate in PEM")),
        }
    }

    fn text(&self, name: &str) -> Result<String, ClusterError> {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| failed(&path, &error.to_string()))
    }
}

fn failed(path: &Path, message: &str) -> ClusterError {
    ClusterError::ServiceAccount { path: path.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Explain;

    fn of(host: &'static str, port: &'static str) -> Option<ServiceAccount> {
        let variable = |name: &str| match name {
            HOST => Some(host.to_owned()),
            PORT => Some(port.to_owned()),
            _ => None,
        };
        ServiceAccount::from_variables(variable, "/folder")
    }

    #[test]
    fn a_pod_is_known_by_both_variables() {
        assert_eq!(of("10.0.0.1", "443").unwrap().url(), "https://10.0.0.1:443");
        assert_eq!(of("fd00::1", "6443").unwrap().url(), "https://[fd00::1]:6443");
        assert_eq!(of("api.example", "443").unwrap().url(), "https://api.example:443");
        assert_eq!(of("", "443"), None);
        assert_eq!(of("10.0.0.1", ""), None);
        assert_eq!(of("10.0.0.1", "65536"), None);
        assert_eq!(ServiceAccount::from_variables(|_| None, "/folder"), None);
    }

    #[test]
    fn a_missing_or_broken_file_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let account = ServiceAccount { folder: folder.path().into(), ..of("h", "443").unwrap() };
        let refused = |account: &ServiceAccount| {
            let error = account.load().err().unwrap();
            assert!(error.hint().is_some_and(|hint| hint.as_str().contains("automount")));
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("CANARY"), "{shown}");
            error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER")
        };
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(refused(&account).contains("FOLDER/namespace: No such file"));
        put("namespace", "shop\n");
        put("ca.crt", "CANARY");
        assert_eq!(
            refused(&account),
            "the service account of this Pod cannot be used: FOLDER/ca.crt: \
             it holds no certificate in PEM"
        );
        put("ca.crt", testkit::certificates::Authority::new("any").unwrap().pem());
        assert!(refused(&account).contains("FOLDER/token: No such file"));
        put("token", "CANARY\nCANARY");
        assert!(refused(&account).ends_with("FOLDER/token: it holds no token"));
        put("token", "CANARY\n");
        let (config, _) = account.load().unwrap();
        assert_eq!(config.default_namespace, "shop");
    }
}
