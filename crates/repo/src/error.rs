//! Why a tree could not be had, by phase: naming it, reaching the server, proving who we are,
//! finding the revision, receiving it, keeping it, reading it.
//!
//! No message carries a credential: URLs are printed without their user part, and causes are
//! flattened to text that never saw one.

use crate::Reference;
use model::{ByteSize, Explain, Hint, Retry};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The pause after a failure that is likely to pass by itself.
pub const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// A cause as text, with its own causes joined by `: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(String);

impl Cause {
    /// Flattens an error and its sources into one line; a source that the text above it already
    /// ends with is not repeated.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let below = cause.to_string();
            if !text.ends_with(&below) {
                text = format!("{text}: {below}");
            }
            source = cause.source();
        }
        Self::new(text)
    }

    /// A cause in our own words. Control characters, which a server may send to a terminal, are
    /// replaced.
    pub fn new(text: impl Into<String>) -> Self {
        let text: String = text.into();
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.trim().chars().map(clean).collect())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

/// Why one file of a tree was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Larger than the limit on one file, both in bytes; the size is unknown where the server
    /// left the file out because of it.
    TooLarge {
        /// Its size.
        bytes: Option<u64>,
        /// The limit.
        limit: u64,
    },
    /// A Git LFS pointer instead of the file itself.
    LfsPointer,
    /// All files together are larger than the limit, in bytes.
    TreeTooLarge {
        /// The limit.
        limit: u64,
    },
    /// It became something else than a plain file since it was listed.
    NotAFile,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes: Some(bytes), limit } => {
                write!(f, "it has {}, the limit is {}", ByteSize(*bytes), ByteSize(*limit))
            }
            Self::TooLarge { bytes: None, limit } => {
                write!(f, "it is larger than the limit of {}", ByteSize(*limit))
            }
            Self::LfsPointer => f.write_str("it is a Git LFS pointer, not the file itself"),
            Self::TreeTooLarge { limit } => {
                write!(f, "with it, more than {} would be read", ByteSize(*limit))
            }
            Self::NotAFile => f.write_str("it is no longer a plain file"),
        }
    }
}

/// Why a tree could not be fetched or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepoError {
    /// The URL cannot be used.
    #[error("cannot use the Git URL {url}: {reason}")]
    InvalidUrl {
        /// The URL without its user part.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The reference is not a name that Git allows.
    #[error("cannot use the Git reference `{reference}`: {reason}")]
    InvalidReference {
        /// As it was written.
        reference: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The path inside the tree cannot be used.
    #[error("cannot use the path `{path}` inside a tree: {reason}")]
    InvalidPath {
        /// As it was written.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file with a credential cannot be read.
    #[error("cannot read the credential file {}", path.display())]
    CredentialFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A credential would be sent where others can read it.
    #[error("refusing to send credentials to {url} in clear text")]
    InsecureCredentials {
        /// The URL.
        url: String,
    },
    /// The certificates to trust cannot be loaded.
    #[error("cannot load the trusted certificates from {from}")]
    Certificates {
        /// A file, or the system's store.
        from: String,
        /// Why.
        source: Cause,
    },
    /// The host name has no address.
    #[error("cannot resolve the host of {url}")]
    Resolve {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
    },
    /// The server cannot be reached.
    #[error("cannot connect to {url}")]
    Connect {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
    },
    /// The server's certificate is not trusted, or TLS failed in another way.
    #[error("cannot establish TLS with {url}")]
    Tls {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
    },
    /// The private key for ssh cannot be used.
    #[error("cannot use the private key {}", path.display())]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Cause,
        /// What to do about it.
        hint: &'static str,
    },
    /// The known hosts cannot be read.
    #[error("cannot read the known hosts of {}", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Cause,
    },
    /// What answers does not speak ssh as it must.
    #[error("cannot establish ssh with {url}")]
    Ssh {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
        /// Whether it is likely to pass by itself.
        passing: bool,
    },
    /// The server's host key is marked as revoked.
    #[error("cannot verify the host key of {url}: it is revoked")]
    HostKeyRevoked {
        /// The URL.
        url: String,
        /// Which key, and where it is marked.
        source: Cause,
    },
    /// The server's host key is not the known one, or not known at all.
    #[error("cannot verify the host key of {url}: {}", if *changed { "it has changed" } else { "it is not known" })]
    HostKey {
        /// The URL.
        url: String,
        /// Known under another key: an attack, or a new server.
        changed: bool,
        /// Which key it shows, and what is known.
        source: Cause,
    },
    /// The server wants to know who we are, or does not accept who we are.
    #[error(
        "{url} {}",
        if *sent { "does not accept the credentials" } else { "asks for credentials and none were given" }
    )]
    Authenticate {
        /// The URL.
        url: String,
        /// Whether credentials were sent.
        sent: bool,
        /// What the server said.
        source: Cause,
    },
    /// We are known, but may not read this repository.
    #[error("{url} does not allow reading the repository")]
    Forbidden {
        /// The URL.
        url: String,
        /// What the server said.
        source: Cause,
    },
    /// There is no such repository, or the server hides it from us.
    #[error("there is no Git repository at {url}")]
    RepositoryNotFound {
        /// The URL.
        url: String,
        /// What the server said.
        source: Cause,
    },
    /// The server answered with an error.
    #[error("{url} answered with HTTP status {status}")]
    Server {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
        /// The pause that the server asked for.
        retry_after: Option<Duration>,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects to {to}, which is not followed: {reason}")]
    Redirect {
        /// The URL.
        url: String,
        /// Where to.
        to: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// The handshake or the list of references failed.
    #[error("cannot list the references of {url}")]
    ListReferences {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
    },
    /// No branch or tag has this name.
    #[error("{url} has no branch or tag `{reference}`")]
    ReferenceNotFound {
        /// The URL.
        url: String,
        /// What was asked for.
        reference: Reference,
        /// Names that are near.
        near: Vec<String>,
    },
    /// A branch and a tag have this name.
    #[error("`{name}` of {url} is both a branch (refs/heads/{name}) and a tag (refs/tags/{name})")]
    AmbiguousReference {
        /// The URL.
        url: String,
        /// The short name.
        name: String,
    },
    /// The server does not have the commit, or does not give it out by its id.
    #[error("{url} does not give out the commit {commit}")]
    CommitNotFound {
        /// The URL.
        url: String,
        /// The commit's id.
        commit: String,
        /// What the server said.
        source: Cause,
    },
    /// What the reference named a moment ago is not at the server any more: somebody pushed.
    #[error("`{reference}` of {url} moved while it was fetched")]
    ReferenceMoved {
        /// The URL.
        url: String,
        /// What was asked for.
        reference: Reference,
        /// What the server said.
        source: Cause,
    },
    /// The range of versions cannot be read.
    #[error("cannot use the range of versions `{range}`: {reason}")]
    InvalidRange {
        /// As it was written.
        range: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Client and server do not agree on what to send.
    #[error("cannot agree with {url} on what to send")]
    Negotiate {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
    },
    /// The pack was cut off or is damaged.
    #[error("cannot receive the objects from {url}")]
    ReceivePack {
        /// The URL.
        url: String,
        /// Why.
        source: Cause,
    },
    /// The pack is larger than the limit.
    #[error("{url} sends more than {}", ByteSize(*limit))]
    PackTooLarge {
        /// The URL.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// An object of the pack, packed or not, is larger than the limit.
    #[error("{url} sends an object of {}, the limit is {}", ByteSize(*bytes), ByteSize(*limit))]
    ObjectTooLarge {
        /// The URL.
        url: String,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Nothing came from the server for too long.
    #[error("{url} sent nothing for {} s", after.as_secs_f32())]
    Stalled {
        /// The URL.
        url: String,
        /// For how long.
        after: Duration,
    },
    /// The server sends a little now and then, and too little in all.
    #[error("{url} is too slow: it sent {} in {} s", ByteSize(*bytes), after.as_secs_f32())]
    TooSlow {
        /// The URL.
        url: String,
        /// What came.
        bytes: u64,
        /// The time that we waited for it.
        after: Duration,
    },
    /// The file system is full.
    #[error("no space left on the file system of {}", path.display())]
    DiskFull {
        /// The cache.
        path: PathBuf,
    },
    /// The cache cannot be used.
    #[error("cannot use the Git cache {}", path.display())]
    Cache {
        /// The cache.
        path: PathBuf,
        /// Why.
        source: Cause,
    },
    /// The caller asked to stop.
    #[error("the fetch of {url} was cancelled")]
    Cancelled {
        /// The URL, or the folder.
        url: String,
    },
    /// The commit or one of its trees cannot be read.
    #[error("cannot read {what} of {from}")]
    ReadTree {
        /// Which object.
        what: String,
        /// The tree's source.
        from: String,
        /// Why.
        source: Cause,
    },
    /// The path is not in the tree.
    #[error("{from} has no folder `{path}`")]
    PathNotFound {
        /// The tree's source.
        from: String,
        /// The path.
        path: String,
    },
    /// More files than the limit, or folders deeper than the limit.
    #[error("{from} has more than {limit} {what} below `{path}`")]
    TooMany {
        /// The tree's source.
        from: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// The path.
        path: String,
    },
    /// One file is refused.
    #[error("refusing to read {path}: {refusal}")]
    FileRefused {
        /// The file, relative to the listed path.
        path: String,
        /// Why.
        refusal: Refusal,
    },
    /// One file of a local folder cannot be read.
    #[error("cannot read {}", path.display())]
    ReadFile {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for RepoError {
    fn hint(&self) -> Option<Hint> {
        if let Self::ReferenceNotFound { near, .. } = self {
            return (!near.is_empty()).then(|| {
                Hint::new(format!("there is: {}; names are case-sensitive", near.join(", ")))
            });
        }
        self.fixed_hint().map(Hint::new)
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Server { retry_after: Some(pause), .. } => Retry::After(*pause),
            Self::Server { status, .. } if *status >= 500 || *status == 429 => {
                Retry::After(RETRY_PAUSE)
            }
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Ssh { passing: true, .. }
            | Self::ReceivePack { .. }
            | Self::ReferenceMoved { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. } => Retry::After(RETRY_PAUSE),
            _ => Retry::Never,
        }
    }
}

impl RepoError {
    fn fixed_hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::InvalidUrl { .. } => {
                "write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, file:///PATH or /PATH"
            }
            Self::InsecureCredentials { .. } => "use https:// or ssh://",
            Self::Resolve { .. } => "check the host name and this machine's DNS",
            Self::Connect { .. } => "check host, port, proxy settings and whether the server runs",
            Self::Tls { .. } => {
                "if the server uses a private certificate authority, give its certificate file"
            }
            Self::IdentityFile { hint, .. } => hint,
            Self::KnownHosts { .. } => {
                "give a file of known hosts, as ssh-keyscan writes it and somebody has verified it"
            }
            Self::Ssh { .. } => {
                "check host and port, and update the server: old algorithms are not accepted"
            }
            Self::HostKeyRevoked { .. } => {
                "do not connect: the holder of a revoked key can pretend to be this host"
            }
            Self::HostKey { changed: false, .. } => {
                "verify the key's fingerprint with the host's owner, then add it to the known hosts"
            }
            Self::HostKey { changed: true, .. } => {
                "somebody may be listening: verify the new fingerprint before you replace the known key"
            }
            Self::Authenticate { sent: false, .. } => {
                "give a user name and a token, or an ssh key; the repository may be private or not exist"
            }
            Self::Authenticate { sent: true, .. } => {
                "check user name, token or key, and whether the token has expired"
            }
            Self::Forbidden { .. } => "give the account read access to the repository",
            Self::RepositoryNotFound { .. } => {
                "check the path; servers also say this when the account may not see the repository"
            }
            Self::InvalidRange { .. } => {
                "write comparators like `>=1.2.0 <2.0.0`, `1.x`, `~1.4` or `^2`, alternatives with ||"
            }
            Self::AmbiguousReference { .. } => {
                "give the full name, refs/heads/NAME or refs/tags/NAME"
            }
            Self::CommitNotFound { .. } => {
                "check the id, or name a branch or tag: some servers give out only tips of branches"
            }
            Self::PackTooLarge { .. } | Self::ObjectTooLarge { .. } => {
                "keep large files in Git LFS or elsewhere, or use a server that supports partial clone"
            }
            Self::DiskFull { .. } => "free some space and run again; nothing half-written is kept",
            Self::Cache { .. } => "check permissions; the cache folder can be deleted at any time",
            Self::PathNotFound { .. } => "check the path; names are case-sensitive",
            Self::FileRefused { refusal: Refusal::LfsPointer, .. } => {
                "take the file out of Git LFS: manifests are small texts"
            }
            _ => return None,
        })
    }
}
