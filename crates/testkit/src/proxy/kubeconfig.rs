//! The kubeconfig that the proxy uses, and the one that it gives to its clients.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The server behind the proxy, and how to be known there.
pub(super) struct Upstream {
    server: String,
    namespace: Option<String>,
    token: Option<String>,
    ca: Option<Vec<u8>>,
    /// Certificate and key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Reads the current context.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let failed = |what: &str| io::Error::other(format!("{}: {what}", path.display()));
        let config = parse(&std::fs::read(path)?);
        let config = config.ok_or_else(|| failed("it is not a kubeconfig"))?;
        let current = text(&config, "current-context").ok_or_else(|| failed("no context"))?;
        let context = named(&config, "contexts", &current, "context");
        let context = context.ok_or_else(|| failed("the current context is missing"))?;
        let part = |list: &str, key: &str| {
            text(&context, key).and_then(|name| named(&config, list, &name, key))
        };
        let cluster = part("clusters", "cluster").ok_or_else(|| failed("no cluster"))?;
        let user = part("users", "user").unwrap_or(Value::Null);
        let dir = path.parent().unwrap_or(Path::new("."));
        let server = text(&cluster, "server").ok_or_else(|| failed("the cluster has no server"))?;
        let certificate = data(&user, "client-certificate", dir)?;
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            namespace: text(&context, "namespace"),
            token: text(&user, "token"),
            ca: data(&cluster, "certificate-authority", dir)?,
            identity: certificate.zip(data(&user, "client-key", dir)?),
        })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn tls(&self) -> io::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(self.ca.as_deref().unwrap_or_default())? {
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let Some((certificate, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
        builder.with_client_auth_cert(certificates(certificate)?, key).map_err(io::Error::other)
    }
}

/// A kubeconfig for the proxy's clients, in JSON, which is YAML too.
pub(super) fn text_for(url: &str, ca_pem: Option<&str>, namespace: Option<&str>) -> String {
    let mut cluster = json!({ "server": url });
    if let (Some(pem), Some(map)) = (ca_pem, cluster.as_object_mut()) {
        map.insert("certificate-authority-data".to_owned(), json!(STANDARD.encode(pem)));
    }
    let namespace = namespace.unwrap_or("default");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "proxy", "cluster": cluster }],
        "users": [{ "name": "proxy", "user": {} }],
        "contexts": [{
            "name": "proxy",
            "context": { "cluster": "proxy", "user": "proxy", "namespace": namespace },
        }],
        "current-context": "proxy",
    });
    config.to_string()
}

/// JSON, or YAML as it is written by tools: a block of top-level keys. The reader of manifests
/// wants a name, which a kubeconfig does not have.
fn parse(bytes: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Some(value);
    }
    let mut text = bytes.to_vec();
    text.extend_from_slice(b"\nmetadata: {name: kubeconfig}\n");
    let manifest = objects::yaml::parse("kubeconfig", &text).manifests.into_iter().next();
    manifest.map(|manifest| manifest.object.into_value())
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// The entry of a list of named things.
fn named(config: &Value, list: &str, name: &str, key: &str) -> Option<Value> {
    let entries = config.get(list)?.as_array()?;
    let entry = entries.iter().find(|entry| entry.get("name").is_some_and(|n| n == name))?;
    entry.get(key).cloned()
}

/// A value that stands in the kubeconfig or in a file beside it.
fn data(value: &Value, key: &str, dir: &Path) -> io::Result<Option<Vec<u8>>> {
    if let Some(encoded) = text(value, &format!("{key}-data")) {
        return STANDARD.decode(encoded).map(Some).map_err(io::Error::other);
    }
    text(value, key).map(|path| std::fs::read(dir.join(path))).transpose()
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(io::Error::other)
}
