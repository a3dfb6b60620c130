//! What can go wrong between us and an API server, told apart by what a person can do about it.
//!
//! Every refusal of the server keeps the server's own message; nothing here ever holds a bearer
//! token, the output of a credential plugin or a line of a kubeconfig.

use model::{Explain, Hint, Retry};
use objects::GroupVersionKind;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The pause that is suggested when a busy or failing server did not name one.
const RETRY_PAUSE_SECONDS: u64 = 5;
/// At most this many names are listed in a message.
const NAMES_LISTED_MAX: usize = 8;

/// A cause that may be shown: it never carries credentials.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One field that another manager owns with a different value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldConflict {
    /// The manager that owns the field.
    pub manager: String,
    /// The field, as the server prints it: `.spec.replicas`.
    pub field: String,
}

/// One field that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCause {
    /// The field, as the server prints it: `spec.replicas`; may be empty.
    pub field: String,
    /// Why, in the server's words.
    pub message: String,
}

/// Who may not do what, as far as the server said it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forbidden {
    /// The verb: `list`, `patch`.
    pub verb: String,
    /// The resource with its group: `deployments.apps`, `pods/log`.
    pub resource: String,
    /// The namespace; `None` at cluster scope.
    pub namespace: Option<String>,
    /// The user that the server saw: `system:serviceaccount:shop:deployer`.
    pub user: String,
}

/// What is wrong with a TLS connection to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// The certificate is not signed by the configured authority.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName {
        /// The name that was connected to.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The certificate is past its end.
    Expired,
    /// The certificate is not valid yet (or a clock is wrong).
    NotYetValid,
    /// The other side does not speak TLS.
    NotTls,
    /// The server refused our client certificate.
    ClientCertificateRefused,
    /// Anything else, in the TLS library's words.
    Other(String),
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIssuer => {
                f.write_str("its certificate is not signed by the configured certificate authority")
            }
            Self::WrongName { expected, presented } => write!(
                f,
                "its certificate is for {}, not for {expected}",
                listed(presented.iter().map(String::as_str))
            ),
            Self::Expired => f.write_str("its certificate has expired"),
            Self::NotYetValid => f.write_str("its certificate is not valid yet"),
            Self::NotTls => f.write_str("it does not speak TLS"),
            Self::ClientCertificateRefused => f.write_str("it refused our client certificate"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// What is wrong with a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KubeconfigProblem {
    /// The file cannot be read.
    Unreadable(String),
    /// The file is not a kubeconfig; the text names the place, never the content.
    Malformed(String),
    /// No `current-context` and none was asked for.
    NoCurrentContext,
    /// The context is not defined.
    UnknownContext {
        /// What was asked for.
        context: String,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// The context names a cluster that is not defined.
    UnknownCluster(String),
    /// The cluster has no usable `server` address.
    BadServer(String),
    /// A certificate or key in it, or a file that it names, cannot be used.
    BadCredentials(String),
    /// It, or the environment, asks for a proxy, and proxies are not supported; the URL's scheme.
    UnsupportedProxy(String),
}

impl fmt::Display for KubeconfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Malformed(why) => write!(f, "is not a kubeconfig: {why}"),
            Self::NoCurrentContext => f.write_str("has no current-context"),
            Self::UnknownContext { context, .. } => write!(f, "has no context `{context}`"),
            Self::UnknownCluster(cluster) => write!(f, "has no cluster `{cluster}`"),
            Self::BadServer(why) => write!(f, "has no usable server address: {why}"),
            Self::BadCredentials(why) => write!(f, "has unusable credentials: {why}"),
            Self::UnsupportedProxy(scheme) => {
                write!(f, "or HTTPS_PROXY asks for an unsupported {scheme} proxy")
            }
        }
    }
}

/// Why an operation on a cluster failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A kubeconfig cannot be used.
    #[error("kubeconfig {} {problem}", listed_paths(files))]
    Kubeconfig {
        /// The files that were merged, in order.
        files: Vec<PathBuf>,
        /// What is wrong.
        problem: KubeconfigProblem,
    },
    /// Neither a kubeconfig nor a Pod's service account was found.
    #[error("no cluster is configured: looked for {}", looked_for.join(", "))]
    NoConfiguration {
        /// The places that were tried.
        looked_for: Vec<String>,
    },
    /// The files that a Pod finds its identity in cannot be used.
    #[error("the service account of this Pod cannot be used: {}: {message}", path.display())]
    ServiceAccount {
        /// The file.
        path: PathBuf,
        /// Why; without its content.
        message: String,
    },
    /// A credential plugin or token file gave no credentials.
    #[error("cannot get credentials for {address}: {message}")]
    Credentials {
        /// The server.
        address: String,
        /// Why; without the plugin's output.
        message: String,
    },
    /// No connection could be made, or it broke.
    #[error("cannot reach the API server at {address}")]
    Unreachable {
        /// The server.
        address: String,
        /// The network's reason.
        #[source]
        source: Cause,
        /// True when the request was certainly not sent.
        before_send: bool,
    },
    /// The TLS handshake failed.
    #[error("cannot trust the API server at {address}: {problem}")]
    Certificate {
        /// The server.
        address: String,
        /// What is wrong.
        problem: CertificateProblem,
    },
    /// 401: the credentials are missing, wrong or expired.
    #[error("the API server at {address} does not accept the credentials")]
    Unauthorized {
        /// The server.
        address: String,
    },
    /// 403 by the authoriser.
    #[error(
        "{} may not {} {}{}",
        user_or_we(&.0.user), .0.verb, .0.resource, scope(.0.namespace.as_deref())
    )]
    Forbidden(Box<Forbidden>),
    /// 403 by admission: a policy, a webhook, a quota, a terminating namespace.
    #[error("{subject} was denied: {message}")]
    Denied {
        /// The object.
        subject: String,
        /// The server's message.
        message: String,
    },
    /// 404 for an object.
    #[error("{subject} does not exist")]
    NotFound {
        /// The object.
        subject: String,
    },
    /// 404 because the namespace is missing.
    #[error("namespace {namespace} of {subject} does not exist")]
    NamespaceNotFound {
        /// The object.
        subject: String,
        /// The missing namespace.
        namespace: String,
    },
    /// The server does not serve this kind.
    #[error("the cluster does not know the kind {gvk}")]
    NoSuchKind {
        /// What was asked for.
        gvk: GroupVersionKind,
        /// Kinds that were probably meant: same kind in another version or group, or a near name.
        near: Vec<GroupVersionKind>,
    },
    /// The group exists, but the aggregated API behind it does not answer.
    #[error("the API {group_version} is registered but does not answer: {reason}")]
    ApiUnavailable {
        /// `group/version`.
        group_version: String,
        /// Why, as far as known.
        reason: String,
    },
    /// 409 of Server-Side Apply: other managers own fields with other values.
    #[error("{subject} has fields that others own: {}", conflicts_listed(conflicts))]
    Conflict {
        /// The object.
        subject: String,
        /// Field and owner, in order.
        conflicts: Vec<FieldConflict>,
    },
    /// 409: the object is not the one that was looked at (resourceVersion or UID differ).
    #[error("{subject} changed meanwhile: {message}")]
    Changed {
        /// The object.
        subject: String,
        /// The server's message.
        message: String,
    },
    /// 409: an object of this name exists.
    #[error("{subject} already exists")]
    AlreadyExists {
        /// The object.
        subject: String,
    },
    /// 422 or 400: the object is not valid.
    #[error("{subject} is not valid: {}", causes_listed(causes, message))]
    Invalid {
        /// The object.
        subject: String,
        /// Each refused field.
        causes: Vec<FieldCause>,
        /// The server's message, shown when there are no causes.
        message: String,
    },
    /// 422: a field that cannot change was changed.
    #[error("{subject} cannot be changed in place: {}", causes_listed(causes, message))]
    Immutable {
        /// The object.
        subject: String,
        /// The immutable fields.
        causes: Vec<FieldCause>,
        /// The server's message, shown when there are no causes.
        message: String,
    },
    /// 410: the resource version or continue token is too old.
    #[error("the server no longer has the requested state of {subject}")]
    Expired {
        /// What was listed or watched.
        subject: String,
    },
    /// The object is larger than the server accepts, or an answer larger than we accept.
    #[error("{subject} is too large: {message}")]
    TooLarge {
        /// The object or list.
        subject: String,
        /// The limit, in words.
        message: String,
    },
    /// No answer in time.
    #[error("no answer to {verb} {subject} within {} s", .after.as_secs_f32())]
    Timeout {
        /// The verb.
        verb: &'static str,
        /// The object or list.
        subject: String,
        /// How long was waited.
        after: Duration,
    },
    /// 429 to the end of all tries.
    #[error("the API server is too busy for {subject}: {message}")]
    Busy {
        /// The object or list.
        subject: String,
        /// The server's message.
        message: String,
        /// The pause that the server asked for.
        after: Option<Duration>,
    },
    /// 5xx to the end of all tries.
    #[error("the API server failed on {subject} with {code}: {message}")]
    Server {
        /// The object or list.
        subject: String,
        /// The HTTP status.
        code: u16,
        /// The server's message.
        message: String,
    },
    /// Any other refusal.
    #[error("the API server refused {subject} with {code}: {message}")]
    Refused {
        /// The object or list.
        subject: String,
        /// The HTTP status.
        code: u16,
        /// The server's message.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("the answer about {subject} cannot be read: {message}")]
    BadAnswer {
        /// The object or list.
        subject: String,
        /// Why.
        message: String,
    },
    /// The request cannot be written: a name or an option is not allowed in one.
    #[error("cannot ask for {subject}: {message}")]
    BadRequest {
        /// The object or list.
        subject: String,
        /// Why.
        message: String,
    },
}

impl ClusterError {
    /// Whether the object or its namespace is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NamespaceNotFound { .. })
    }

    /// Whether the failure says nothing about the request itself: the network or the server.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Busy { .. }
                | Self::Server { .. }
                | Self::Expired { .. }
                | Self::ApiUnavailable { .. }
        )
    }

    fn certificate_hint(problem: &CertificateProblem) -> Hint {
        Hint::new(match problem {
            CertificateProblem::UnknownIssuer => {
                "check certificate-authority(-data) of this cluster in the kubeconfig; it may belong to another cluster"
            }
            CertificateProblem::WrongName { .. } => {
                "use one of the certificate's names as server address, or set tls-server-name in the kubeconfig"
            }
            CertificateProblem::Expired => "renew the API server's certificate",
            CertificateProblem::NotYetValid => "check the clocks of this machine and of the server",
            CertificateProblem::NotTls => "check scheme and port of the server address",
            CertificateProblem::ClientCertificateRefused => {
                "check client-certificate and client-key of this user in the kubeconfig"
            }
            CertificateProblem::Other(_) => "check the cluster entry of the kubeconfig",
        })
    }

    fn kubeconfig_hint(problem: &KubeconfigProblem) -> Option<Hint> {
        Some(match problem {
            KubeconfigProblem::UnknownContext { context, known } => {
                match model::nearest(context, known.iter().map(String::as_str)) {
                    Some(near) => Hint::new(format!("did you mean `{near}`?")),
                    None if known.is_empty() => Hint::new("the file defines no context"),
                    None => Hint::new(format!(
                        "known contexts: {}",
                        listed(known.iter().map(String::as_str))
                    )),
                }
            }
            KubeconfigProblem::NoCurrentContext => Hint::new("name one with --context"),
            KubeconfigProblem::Unreadable(_) => {
                Hint::new("check --kubeconfig or the KUBECONFIG variable")
            }
            KubeconfigProblem::UnsupportedProxy(_) => Hint::new(
                "remove proxy-url, or name the server in NO_PROXY, if it can be reached directly",
            ),
            _ => return None,
        })
    }
}

impl Explain for ClusterError {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Kubeconfig { problem, .. } => return Self::kubeconfig_hint(problem),
            Self::NoConfiguration { .. } => Hint::new("give --kubeconfig FILE or set KUBECONFIG"),
            Self::ServiceAccount { .. } => {
                Hint::new("check the Pod's automountServiceAccountToken, or give --kubeconfig FILE")
            }
            Self::Credentials { .. } => {
                Hint::new("run the credential command of the kubeconfig's user by hand to see why")
            }
            Self::Unreachable { .. } => {
                Hint::new("check that the server runs and that this machine has a route to it")
            }
            Self::Certificate { problem, .. } => Self::certificate_hint(problem),
            Self::Unauthorized { .. } => Hint::new(
                "the token or client certificate is expired or belongs to another cluster; log in again",
            ),
            Self::Forbidden(forbidden) => Hint::new(format!(
                "grant the verb `{}` on `{}` to {} with a {}",
                forbidden.verb,
                forbidden.resource,
                if forbidden.user.is_empty() { "the user" } else { &forbidden.user },
                if forbidden.namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
            )),
            Self::NamespaceNotFound { namespace, .. } => Hint::new(format!(
                "create the namespace {namespace} first, or deliver it in the same tree"
            )),
            Self::NoSuchKind { near, .. } if !near.is_empty() => {
                Hint::new(format!("did you mean {}?", kinds_listed(near)))
            }
            Self::NoSuchKind { .. } => {
                Hint::new("install the CustomResourceDefinition of this kind first")
            }
            Self::ApiUnavailable { .. } => {
                Hint::new("look at the APIService of this group: kubectl get apiservices")
            }
            Self::Conflict { .. } => {
                Hint::new("leave these fields out, or take them over with --force-conflicts")
            }
            Self::Immutable { .. } => {
                Hint::new("delete the object and let it be created again, if its data allows that")
            }
            Self::Changed { .. } => Hint::new("read the object again and repeat"),
            _ => return None,
        })
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Busy { after, .. } => {
                Retry::After(after.unwrap_or(Duration::from_secs(RETRY_PAUSE_SECONDS)))
            }
            Self::Changed { .. } | Self::Expired { .. } => Retry::Now,
            _ if self.is_transient() => Retry::After(Duration::from_secs(RETRY_PAUSE_SECONDS)),
            _ => Retry::Never,
        }
    }
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let total = names.len();
    let mut shown: Vec<&str> = names.take(NAMES_LISTED_MAX).collect();
    let more = format!("{} more", total.saturating_sub(NAMES_LISTED_MAX));
    if total > NAMES_LISTED_MAX {
        shown.push(&more);
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn listed_paths(files: &[PathBuf]) -> String {
    let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    shown.join(":")
}

fn kinds_listed(kinds: &[GroupVersionKind]) -> String {
    let shown: Vec<String> =
        kinds.iter().take(NAMES_LISTED_MAX).map(|kind| format!("`{kind}`")).collect();
    shown.join(" or ")
}

fn user_or_we(user: &str) -> String {
    if user.is_empty() { "the user".to_owned() } else { format!("user {user}") }
}

fn scope(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None => " at cluster scope".to_owned(),
    }
}

fn conflicts_listed(conflicts: &[FieldConflict]) -> String {
    let mut shown: Vec<String> = conflicts
        .iter()
        .take(NAMES_LISTED_MAX)
        .map(|conflict| format!("{} ({})", conflict.field, conflict.manager))
        .collect();
    if conflicts.len() > NAMES_LISTED_MAX {
        shown.push(format!("{} more", conflicts.len() - NAMES_LISTED_MAX));
    }
    shown.join(", ")
}

fn causes_listed(causes: &[FieldCause], message: &str) -> String {
    if causes.is_empty() {
        return message.to_owned();
    }
    let mut shown: Vec<String> = causes
        .iter()
        .take(NAMES_LISTED_MAX)
        .map(|cause| match cause.field.as_str() {
            "" | "<nil>" => cause.message.clone(),
            field => format!("{field}: {}", cause.message),
        })
        .collect();
    if causes.len() > NAMES_LISTED_MAX {
        shown.push(format!("{} more", causes.len() - NAMES_LISTED_MAX));
    }
    shown.join("; ")
}
