//! Failures below HTTP (connection, TLS, credentials), read into [`ClusterError`].

use crate::error::{CertificateProblem, ClusterError};
use hyper_util::client::legacy::Error as PoolError;
use kube::client::AuthError;
use std::error::Error;

/// Turns the library's error into ours. Texts are taken only from network and TLS errors, never
/// from credential plugins, because their output may hold tokens.
pub(crate) fn error(address: &str, error: &kube::Error) -> ClusterError {
    let address = address.to_owned();
    let chain = || links(error);
    if let Some(auth) = chain().find_map(|link| link.downcast_ref::<AuthError>()) {
        return ClusterError::Credentials { address, message: credentials(auth) };
    }
    if let Some(tls) = chain().find_map(|link| link.downcast_ref::<rustls::Error>()) {
        return ClusterError::Certificate { address, problem: certificate(tls) };
    }
    let before_send = chain()
        .find_map(|link| link.downcast_ref::<PoolError>())
        .is_some_and(PoolError::is_connect);
    let deepest = chain().last().map_or_else(|| error.to_string(), ToString::to_string);
    ClusterError::Unreachable { address, source: deepest.into(), before_send }
}

/// Building the HTTP stack failed: certificates, keys or a proxy of the kubeconfig.
pub(crate) fn setup(address: &str, error: &kube::Error) -> ClusterError {
    let message = match error {
        kube::Error::Auth(auth) => credentials(auth),
        kube::Error::ProxyProtocolDisabled { proxy_url, .. }
        | kube::Error::ProxyProtocolUnsupported { proxy_url } => {
            let scheme = proxy_url.scheme_str().unwrap_or("unknown");
            format!("a proxy of the kind `{scheme}` is configured, which is not supported")
        }
        // Texts of the TLS library name the fault of a certificate or key, not its content.
        kube::Error::RustlsTls(tls) => tls.to_string(),
        _ => "the connection cannot be set up".to_owned(),
    };
    ClusterError::Credentials { address: address.to_owned(), message }
}

/// What a credential plugin or token file did wrong, without its output.
fn credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(source) => format!("the plugin cannot be started: {source}"),
        AuthError::AuthExecRun { cmd, out } => {
            let program = cmd.split_whitespace().next().unwrap_or("the plugin");
            format!("{} ended with {}", program.trim_matches('"'), out.status)
        }
        AuthError::AuthExecParse(_) => "the plugin's output cannot be read".to_owned(),
        AuthError::ExecPluginFailed => "the plugin's output has no status".to_owned(),
        AuthError::MissingCommand => "the plugin has no command".to_owned(),
        AuthError::ReadTokenFile(source, path) => format!("{}: {source}", path.display()),
        AuthError::InvalidBearerToken(_) => "the token holds characters a header cannot".to_owned(),
        AuthError::InvalidBasicAuth(_) => {
            "the password holds characters a header cannot".to_owned()
        }
        AuthError::NoValidNativeRootCA(source) => format!("no system certificates: {source}"),
        _ => "the credentials in the kubeconfig cannot be used".to_owned(),
    }
}

fn certificate(error: &rustls::Error) -> CertificateProblem {
    use rustls::CertificateError as Fault;
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(fault) => match fault {
            Fault::UnknownIssuer | Fault::BadSignature => CertificateProblem::UnknownIssuer,
            Fault::Expired | Fault::ExpiredContext { .. } => CertificateProblem::Expired,
            Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
                CertificateProblem::NotYetValid
            }
            Fault::NotValidForNameContext { expected, presented } => {
                CertificateProblem::WrongName {
                    expected: expected.to_str().into_owned(),
                    presented: presented.iter().map(|name| plain_name(name)).collect(),
                }
            }
            Fault::NotValidForName => CertificateProblem::WrongName {
                expected: "the name in the kubeconfig".to_owned(),
                presented: Vec::new(),
            },
            other => CertificateProblem::Other(other.to_string()),
        },
        Tls::InvalidMessage(_) => CertificateProblem::NotTls,
        Tls::AlertReceived(
            rustls::AlertDescription::BadCertificate
            | rustls::AlertDescription::UnknownCA
            | rustls::AlertDescription::CertificateUnknown
            | rustls::AlertDescription::CertificateExpired
            | rustls::AlertDescription::CertificateRequired,
        ) => CertificateProblem::ClientCertificateRefused,
        other => CertificateProblem::Other(other.to_string()),
    }
}

/// `DnsName("kubernetes")` and `IpAddress(127.0.0.1)` as a person writes them.
fn plain_name(printed: &str) -> String {
    let inner = printed.split_once('(').map_or(printed, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

/// The error and its sources. An `io::Error` hides the error it wraps from `source()`.
fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| {
        let link: &'a (dyn Error + 'static) = *link;
        let wrapped = link
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        wrapped.or_else(|| link.source())
    })
}
