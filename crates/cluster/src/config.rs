//! Which cluster, and as whom: kubeconfig files, a context, or the service account of a Pod.
//!
//! A kubeconfig may name a credential plugin, which is run as a program of this user: only use
//! kubeconfigs that you trust. Messages from here name files and places in them, never content.

use crate::backoff::Jitter;
use crate::error::{ClusterError, KubeconfigProblem};
use crate::metrics::Metrics;
use crate::service_account::ServiceAccount;
use crate::token_file::TokenFile;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError as KubeError, LoadDataError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one request may take, from sending it to the end of its answer.
pub const REQUEST_TIMEOUT_SECONDS: u64 = 30;
/// How long making a connection may take, TLS included.
pub const CONNECT_TIMEOUT_SECONDS: u64 = 10;
/// Requests under way at once; the server's priority and fairness gives one client about as many.
pub const IN_FLIGHT_MAX: usize = 16;
/// Tries of one request, the first included.
pub const TRIES_MAX: u32 = 6;
/// Time for all tries of one request and the pauses between them.
pub const TRIES_TOTAL_SECONDS: u64 = 60;
/// What we call ourselves.
pub const USER_AGENT: &str = concat!("orlop/", env!("CARGO_PKG_VERSION"));

const KUBECONFIG: &str = "KUBECONFIG";

/// Another identity to act as; the configured user needs the verb `impersonate`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impersonate {
    /// User name: `system:serviceaccount:shop:deployer`.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// One kubeconfig. `None`: the files of `KUBECONFIG`, else `~/.kube/config`, else the service
    /// account of the Pod this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// With no kubeconfig named: this service account, and nothing else is looked for.
    pub service_account: Option<ServiceAccount>,
    /// A context other than the current one.
    pub context: Option<String>,
    /// Act as somebody else.
    pub impersonate: Option<Impersonate>,
    /// Time for one request, watches excepted.
    pub request_timeout: Duration,
    /// Time for one connection.
    pub connect_timeout: Duration,
    /// Requests under way at once.
    pub in_flight_max: usize,
    /// Tries of one request, the first included; 1 turns repetition off.
    pub tries_max: u32,
    /// Time for all tries of one request.
    pub tries_total: Duration,
    /// Where the chance in pauses comes from.
    pub seed: u64,
    /// What we call ourselves in the server's logs.
    pub user_agent: String,
    /// Where requests are counted; a table of its own when absent.
    pub metrics: Option<Metrics>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            service_account: None,
            context: None,
            impersonate: None,
            request_timeout: Duration::from_secs(REQUEST_TIMEOUT_SECONDS),
            connect_timeout: Duration::from_secs(CONNECT_TIMEOUT_SECONDS),
            in_flight_max: IN_FLIGHT_MAX,
            tries_max: TRIES_MAX,
            tries_total: Duration::from_secs(TRIES_TOTAL_SECONDS),
            seed: Jitter::process_seed(),
            user_agent: USER_AGENT.to_owned(),
            metrics: None,
        }
    }
}

impl ConnectOptions {
    /// The defaults with one kubeconfig.
    pub fn from_kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: Some(path.into()), ..Self::default() }
    }
}

/// What `options` points to: the connection, and the file of its token if that has one.
pub(crate) async fn load(
    options: &ConnectOptions,
) -> Result<(kube::Config, Option<TokenFile>), ClusterError> {
    let (mut config, token) = match files(options)? {
        Source::Files(files) => {
            let mut config = from_files(&files, options.context.as_deref()).await?;
            without_needless_proxy(&mut config);
            if let Some(proxy) = &config.proxy_url {
                let scheme = proxy.scheme_str().unwrap_or("unknown").to_owned();
                let problem = KubeconfigProblem::UnsupportedProxy(scheme);
                return Err(ClusterError::Kubeconfig { files, problem });
            }
            let token = token_file(&mut config)
                .map_err(|problem| ClusterError::Kubeconfig { files, problem })?;
            (config, token)
        }
        Source::ServiceAccount(account) => {
            let (config, token) = account.load()?;
            (config, Some(token))
        }
    };
    config.connect_timeout = Some(options.connect_timeout);
    // Our own deadlines are per request; a read timeout here would also cut quiet watches.
    config.read_timeout = None;
    config.default_retry = false;
    if let Some(Impersonate { user, groups }) = &options.impersonate {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = (!groups.is_empty()).then(|| groups.clone());
    }
    Ok((config, token))
}

/// The token file of a kubeconfig's user, unless something else goes before it.
fn token_file(config: &mut kube::Config) -> Result<Option<TokenFile>, KubeconfigProblem> {
    let user = &mut config.auth_info;
    if user.token.is_some() || user.password.is_some() || user.auth_provider.is_some() {
        return Ok(None);
    }
    let Some(path) = user.token_file.take() else { return Ok(None) };
    let problem = |why| KubeconfigProblem::BadCredentials(format!("tokenFile: {path}: {why}"));
    TokenFile::open(Path::new(&path)).map(Some).map_err(problem)
}

enum Source {
    Files(Vec<PathBuf>),
    ServiceAccount(ServiceAccount),
}

fn files(options: &ConnectOptions) -> Result<Source, ClusterError> {
    if let Some(file) = &options.kubeconfig {
        return Ok(Source::Files(vec![file.clone()]));
    }
    if let Some(account) = &options.service_account {
        return Ok(Source::ServiceAccount(account.clone()));
    }
    if let Some(list) = std::env::var_os(KUBECONFIG) {
        let all: Vec<PathBuf> =
            std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
        // As kubectl: files that do not exist are passed over unless none does.
        let present: Vec<PathBuf> = all.iter().filter(|path| path.exists()).cloned().collect();
        if !all.is_empty() {
            return Ok(Source::Files(if present.is_empty() { all } else { present }));
        }
    }
    let home = std::env::home_dir().map(|home| home.join(".kube/config"));
    if let Some(file) = home.as_ref().filter(|file| file.exists()) {
        return Ok(Source::Files(vec![file.clone()]));
    }
    if let Some(account) = ServiceAccount::of_this_pod() {
        return Ok(Source::ServiceAccount(account));
    }
    let home = home.map_or_else(|| "~/.kube/config".to_owned(), |file| file.display().to_string());
    Err(ClusterError::NoConfiguration {
        looked_for: vec![KUBECONFIG.to_owned(), home, "a Pod's service account".to_owned()],
    })
}

async fn from_files(
    files: &[PathBuf],
    context: Option<&str>,
) -> Result<kube::Config, ClusterError> {
    let mut merged = Kubeconfig::default();
    for file in files {
        let next = Kubeconfig::read_from(file).map_err(|error| in_file(file, &error))?;
        merged = merged.merge(next).map_err(|error| in_file(file, &error))?;
    }
    let known: Vec<String> = merged.contexts.iter().map(|named| named.name.clone()).collect();
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), cluster: None, user: None };
    kube::Config::from_custom_kubeconfig(merged, &options).await.map_err(|error| {
        let problem = match error {
            KubeError::LoadContext(context) => KubeconfigProblem::UnknownContext { context, known },
            other => problem(&other),
        };
        ClusterError::Kubeconfig { files: files.to_vec(), problem }
    })
}

/// A proxy from the environment is for the world outside: not for this machine, and not for what
/// `NO_PROXY` names.
fn without_needless_proxy(config: &mut kube::Config) {
    let variable = |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok());
    let from_environment =
        variable(["HTTPS_PROXY", "https_proxy"]).and_then(|url| url.parse().ok());
    if config.proxy_url.is_none() || config.proxy_url != from_environment {
        return;
    }
    let no_proxy = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    if goes_direct(config.cluster_url.host().unwrap_or_default(), &no_proxy) {
        config.proxy_url = None;
    }
}

/// Whether a host is reached without a proxy: loopback, `*`, the host itself, or a parent domain.
fn goes_direct(host: &str, no_proxy: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let loopback = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback
        || no_proxy.split(',').map(|entry| entry.trim().to_lowercase()).any(|entry| {
            let domain = entry.trim_start_matches("*.").trim_start_matches('.');
            entry == "*"
                || !domain.is_empty() && (host == domain || host.ends_with(&format!(".{domain}")))
        })
}

fn in_file(file: &Path, error: &KubeError) -> ClusterError {
    ClusterError::Kubeconfig { files: vec![file.to_owned()], problem: problem(error) }
}

/// What is wrong, without a word of the file's content.
fn problem(error: &KubeError) -> KubeconfigProblem {
    match error {
        KubeError::ReadConfig(source, _) => KubeconfigProblem::Unreadable(source.to_string()),
        KubeError::Parse(yaml) => KubeconfigProblem::Malformed(match yaml.location() {
            Some(at) => format!("line {}, column {}", at.line(), at.column()),
            None => "its YAML cannot be read".to_owned(),
        }),
        KubeError::KindMismatch | KubeError::ApiVersionMismatch => {
            KubeconfigProblem::Malformed("it is of another kind or version than the first".into())
        }
        KubeError::CurrentContextNotSet => KubeconfigProblem::NoCurrentContext,
        KubeError::LoadClusterOfContext(cluster) => {
            KubeconfigProblem::UnknownCluster(cluster.clone())
        }
        KubeError::MissingClusterUrl => KubeconfigProblem::BadServer("there is none".to_owned()),
        KubeError::ParseClusterUrl(source) => KubeconfigProblem::BadServer(source.to_string()),
        KubeError::ParseProxyUrl(_) => KubeconfigProblem::UnsupportedProxy("unknown".to_owned()),
        KubeError::LoadCertificateAuthority(source) => data("certificate-authority", source),
        KubeError::LoadClientCertificate(source) => data("client-certificate", source),
        KubeError::LoadClientKey(source) => data("client-key", source),
        KubeError::ParseCertificates(_) => {
            KubeconfigProblem::BadCredentials("certificate-authority is not PEM".to_owned())
        }
        _ => KubeconfigProblem::Malformed("it cannot be used".to_owned()),
    }
}

fn data(field: &str, error: &LoadDataError) -> KubeconfigProblem {
    KubeconfigProblem::BadCredentials(match error {
        LoadDataError::DecodeBase64(_) => format!("{field}-data is not base64"),
        LoadDataError::ReadFile(source, path) => {
            format!("{field}: {}: {source}", path.display())
        }
        LoadDataError::NoBase64DataOrFile => format!("{field} is missing"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_what_no_proxy_names_are_reached_directly() {
        for (host, no_proxy, direct) in [
            ("127.0.0.1", "", true),
            ("[::1]", "", true),
            ("localhost", "", true),
            ("api.example.com", "", false),
            ("api.example.com", "other, .example.com", true),
            ("api.example.com", "EXAMPLE.com", true),
            ("badexample.com", "example.com", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("api.example.com", "*", true),
            ("api.example.com", ",", false),
        ] {
            assert_eq!(goes_direct(host, no_proxy), direct, "{host} {no_proxy}");
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_asked_for_is_refused_and_never_passed_by() {
        use std::io::Write;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text = "{apiVersion: v1, kind: Config, current-context: x,
            contexts: [{name: x, context: {cluster: c}}],
            clusters: [{name: c, cluster: {server: 'https://h', proxy-url: 'http://u:CANARY@p'}}]}";
        file.write_all(text.as_bytes()).unwrap();
        let error = load(&ConnectOptions::from_kubeconfig(file.path())).await.err().unwrap();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("unsupported http proxy") && !shown.contains("CANARY"), "{shown}");
    }
}
