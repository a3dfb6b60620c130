//! Bringing one revision of a repository here.
//!
//! A repository on this machine is read in place. A remote one is fetched shallow (one commit
//! deep) into a bare cache of its own, which a second fetch uses; the cache can be deleted at any
//! time.

mod local;

use crate::error::Cause;
use crate::limits::Limits;
use crate::names::tree_path;
use crate::tree::Tree;
use crate::url::Place;
use crate::{Credentials, Reference, RepoError, RepoUrl, Ssh};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What to fetch, and with what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetch {
    /// The repository.
    pub url: RepoUrl,
    /// The revision.
    pub reference: Reference,
    /// The folder (or the single file) inside the tree; empty is the root.
    pub path: String,
    /// User name and password for https; they win over those in the URL.
    pub credentials: Option<Credentials>,
    /// Certificates to trust beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Key and known hosts for ssh.
    pub ssh: Ssh,
    /// The bounds.
    pub limits: Limits,
}

impl Fetch {
    /// The default branch's, tag's or commit's root, with default bounds and no credentials.
    #[must_use]
    pub fn new(url: RepoUrl, reference: Reference) -> Self {
        Self {
            url,
            reference,
            path: String::new(),
            credentials: None,
            ca_file: None,
            ssh: Ssh::default(),
            limits: Limits::default(),
        }
    }
}

/// How far a fetch is; told to the caller's progress function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Waiting for another process that fetches the same repository.
    Lock,
    /// Reaching the server and asking for the reference.
    ListReferences,
    /// Asking for the objects.
    Negotiate,
    /// Receiving them.
    Receive {
        /// Bytes of the pack so far.
        bytes: u64,
    },
    /// Checking what is here.
    Check,
}

/// Fetches one revision and gives its tree.
///
/// `cache_dir` holds one bare repository per URL, and is made when it is not there; concurrent
/// processes may share it. `cancel` is looked at all the time; `progress` is called from this
/// thread and others.
///
/// # Errors
/// By phase, see [`RepoError`].
pub fn fetch(
    spec: &Fetch,
    cache_dir: &Path,
    cancel: &AtomicBool,
    progress: &(dyn Fn(Step) + Sync),
) -> Result<Tree, RepoError> {
    let path = tree_path(&spec.path)?;
    let from = format!("{} at {}", spec.url, spec.reference);
    let git = match &spec.url.place {
        Place::Local { path } => local::open(path, spec)?,
        Place::Http { .. } | Place::Ssh { .. } => {
            let _ = (cache_dir, cancel, progress);
            return Err(RepoError::Connect {
                url: spec.url.to_string(),
                source: Cause::new("only local repositories are read yet"),
            });
        }
    };
    Ok(Tree::git(git, from, path, spec.limits.clone()))
}

/// Names that are shown beside one that was not found.
const NEAR_NAMES_MAX: usize = 3;

/// The short names that are nearest to the wanted one, for a hint.
fn near_names(wanted: &Reference, names: Vec<String>) -> Vec<String> {
    let short = |name: &str| {
        ["refs/heads/", "refs/tags/"].iter().find_map(|p| name.strip_prefix(p)).map(str::to_owned)
    };
    let text = wanted.to_string();
    let text = short(&text).unwrap_or(text);
    let mut known: Vec<String> = names.iter().filter_map(|name| short(name)).collect();
    let mut near = Vec::new();
    while near.len() < NEAR_NAMES_MAX {
        let Some(name) = model::nearest(&text, known.iter().map(String::as_str)) else { break };
        let name = name.to_owned();
        known.retain(|other| *other != name);
        near.push(name);
    }
    near
}
