//! Bringing one revision of a repository here.
//!
//! A repository on this machine is read in place. A remote one is fetched shallow (one commit
//! deep) into a bare cache of its own, which a second fetch uses; the cache can be deleted at any
//! time.

mod cache;
mod conversation;
mod http;
mod local;
mod pack;
mod poll;
mod range;
mod ssh;
mod transport;
mod watch;

pub(crate) use pack::scan_anything;
pub use poll::Head;
pub use range::CommitRange;

use crate::connections::Connections;
use crate::error::Cause;
use crate::limits::Limits;
use crate::names::tree_path;
use crate::tree::{GitTree, Tree};
use crate::url::Place;
use crate::{Credentials, Reference, RepoError, RepoUrl, Ssh};
use cache::{Cache, Generation};
use conversation::Conversation;

use http::Http;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use transport::Transport;
use watch::{Failure, Pace, Watch};

/// Names that are shown beside one that was not found.
const NEAR_NAMES_MAX: usize = 3;

/// What to fetch, and with what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetch {
    /// The repository.
    pub url: RepoUrl,
    /// The revision.
    pub reference: Reference,
    /// The commit that the reference probably names, as 40 hexadecimal digits: somebody said so.
    /// Over http it is asked for while the server says what the reference names. Nothing is taken
    /// that the reference does not name.
    pub expected: Option<String>,
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
            expected: None,
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

/// Fetches one revision and gives its tree, over connections of its own.
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
    Connections::new().fetch(spec, cache_dir, cancel, progress)
}

/// Asks where a reference is now, over connections of its own; see [`Connections::poll`].
///
/// # Errors
/// By phase, see [`RepoError`].
pub fn poll(spec: &Fetch, cancel: &AtomicBool) -> Result<Head, RepoError> {
    Connections::new().poll(spec, cancel)
}

impl Connections {
    /// Fetches one revision and gives its tree; see [`fetch`].
    ///
    /// # Errors
    /// By phase, see [`RepoError`].
    pub fn fetch(
        &self,
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
                let remote =
                    Remote { connections: self, spec, watch: watch(spec, cancel), progress };
                remote.fetch(cache_dir)?
            }
        };
        Ok(Tree::git(git, from, path, spec.limits.clone()))
    }
}

fn watch<'a>(spec: &Fetch, cancel: &'a AtomicBool) -> Watch<'a> {
    let (stall_timeout, url) = (spec.limits.stall_timeout, spec.url.to_string());
    Watch { cancel, stall_timeout, pace: Pace::new(&spec.limits), url, failure: Failure::default() }
}

/// A conversation with another machine.
struct Remote<'a> {
    connections: &'a Connections,
    spec: &'a Fetch,
    watch: Watch<'a>,
    progress: &'a (dyn Fn(Step) + Sync),
}

impl Remote<'_> {
    fn fetch(&self, cache_dir: &Path) -> Result<GitTree, RepoError> {
        (self.progress)(Step::Lock);
        let cache = Cache::lock(cache_dir, self.spec, &self.watch)?;
        let generation = cache.generation(self.watch.cancel)?;
        let fresh = generation.state.tips.is_empty();
        match self.fetch_into(generation) {
            // What is here may be the reason: damaged, or half of it deleted.
            Err(error) if !fresh && may_be_the_cache(&error) => {
                tracing::debug!(%error, "the Git cache is made afresh");
                self.fetch_into(cache.new_generation()?)
            }
            // Somebody pushed between the question and the answer: asking again is enough.
            Err(RepoError::ReferenceMoved { .. }) => {
                self.fetch_into(cache.generation(self.watch.cancel)?)
            }
            result => result,
        }
    }

    fn fetch_into(&self, mut generation: Generation) -> Result<GitTree, RepoError> {
        let tip =
            self.greeted(|conversation, greeting| conversation.run(greeting, &mut generation))?;
        (self.progress)(Step::Check);
        let failed = |source| RepoError::ReadTree {
            what: format!("the commit {tip}"),
            from: self.watch.url.clone(),
            source,
        };
        let (filtered, sound) = (generation.state.filtered, generation.state_path());
        let tree = GitTree::open(&generation.objects(), tip, filtered).map_err(failed)?;
        tree.check().map_err(failed)?;
        Ok(tree.in_cache(generation.into_lock(), sound))
    }

    /// Opens a conversation and leads it.
    fn converse<R>(
        &self,
        lead: impl FnOnce(&mut Conversation<'_>) -> Result<R, RepoError>,
    ) -> Result<R, RepoError> {
        let (spec, progress) = (self.spec, self.progress);
        let watch = Watch { pace: Pace::new(&spec.limits), ..self.watch.clone() };
        let transport = match &spec.url.place {
            Place::Http { url } => {
                let http = Http::new(self.connections, url, spec, watch.clone())?;
                Transport::Http(Box::new(http))
            }
            Place::Ssh { user, host, port, path } => {
                let place = (user.as_deref(), host.as_str(), *port, path.as_str());
                let server = ssh::connect(self.connections, spec, place, watch.clone())?;
                Transport::Ssh(Box::new(server))
            }
            Place::Local { path } => {
                return Err(RepoError::RepositoryNotFound {
                    url: path.display().to_string(),
                    source: Cause::new("it is on this machine and not fetched"),
                });
            }
        };
        let mut conversation = Conversation { transport, spec, watch, progress };
        let result = lead(&mut conversation);
        match (result, conversation.transport) {
            (
                Err(error @ (RepoError::ListReferences { .. } | RepoError::Negotiate { .. })),
                Transport::Ssh(mut server),
            ) => Err(server.explain(spec, &self.watch.failure).unwrap_or(error)),
            (Ok(result), Transport::Ssh(server)) => {
                server.keep(self.connections);
                Ok(result)
            }
            (result, _) => result,
        }
    }
}

/// Whether a fetch into an empty cache could succeed where this one failed.
fn may_be_the_cache(error: &RepoError) -> bool {
    matches!(
        error,
        RepoError::ReadTree { .. }
            | RepoError::ReceivePack { .. }
            | RepoError::Negotiate { .. }
            | RepoError::Cache { .. }
    )
}

/// The short names that are nearest to the wanted one, for a hint.
fn near_names(wanted: &Reference, names: &[String]) -> Vec<String> {
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
