//! Where a reference is now: the question that an agent asks again and again.
//!
//! Over http it is one request when the server is known from an earlier poll: protocol 2 asks for
//! the exact name, and what the server can do does not change from one poll to the next. A server
//! that answers in an unexpected way is greeted anew. That one request needs no thread that waits
//! for its answer: [`Connections::glance`]. Over ssh the command greets each time, on a
//! connection that is kept. Nothing is written anywhere.

use super::conversation::{Conversation, Found, chosen, list_failed};
use super::http::Http;
use super::transport::Transport;
use super::{Remote, local, watch};
use crate::connections::Connections;
use crate::tree::GitTree;
use crate::url::Place;
use crate::wire::{self, Greeting};
use crate::{Cause, Fetch, Reference, RepoError};
use std::sync::atomic::AtomicBool;

/// Bytes of an answer that a glance holds; that of one name has less than a hundred.
const GLANCE_BYTES_MAX: usize = 256 * 1024;

/// A glance ends when it is dropped.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Where a reference is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The full name that was found: `refs/heads/NAME` or `refs/tags/NAME`; for the default branch
    /// the branch it stands for, for a commit its id.
    pub reference: String,
    /// The commit, also behind an annotated tag, as 40 hexadecimal digits.
    pub commit: String,
    /// The object of an annotated tag.
    pub tag: Option<String>,
}

impl Connections {
    /// Asks where the reference of `spec` is now. A commit's id is answered without asking
    /// anybody: it cannot move.
    ///
    /// # Errors
    /// By phase, see [`RepoError`].
    pub fn poll(&self, spec: &Fetch, cancel: &AtomicBool) -> Result<Head, RepoError> {
        if let Reference::Commit(id) = &spec.reference {
            return Ok(Head { reference: id.clone(), commit: id.clone(), tag: None });
        }
        if let Place::Local { path } = &spec.url.place {
            return poll_local(path, spec);
        }
        let watch = watch(spec, cancel);
        let remote = Remote { connections: self, spec, watch, progress: &|_| {} };
        let found =
            remote.greeted(|conversation, greeting| conversation.resolve(greeting, false))?;
        Ok(head(&found))
    }

    /// Like [`Self::poll`], without a thread that waits, where one question over http to a server
    /// that was greeted a while ago is enough; `None` where it is not, and `poll` must tell. To be
    /// called on the runtime of these connections, see [`Self::on`]. Takes at most
    /// [`crate::Limits::stall_timeout`] and holds at most 256 KiB of an answer.
    ///
    /// # Errors
    /// By phase, see [`RepoError`]; none that greeting the server anew could mend.
    pub async fn glance(&self, spec: &Fetch) -> Result<Option<Head>, RepoError> {
        let Place::Http { url } = &spec.url.place else { return Ok(None) };
        // What is fixed needs no look, and a list of versions may be long.
        if matches!(spec.reference, Reference::Commit(_) | Reference::Versions(_)) {
            return Ok(None);
        }
        let watch = watch(spec, &NEVER);
        let name = watch.url.clone();
        let Some((base, greeting)) = self.greeting(&name) else { return Ok(None) };
        let mut http = Http::new(self, url, spec, watch)?;
        http.continue_at(base);
        let request = wire::listing_request(&greeting, &spec.reference.prefixes());
        let (after, asked) = (spec.limits.stall_timeout, http.ask_whole(request, GLANCE_BYTES_MAX));
        let answer = match tokio::time::timeout(after, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(RepoError::Stalled { url: name.clone(), after }),
        };
        let found = answer.and_then(|bytes| {
            let Some(bytes) = bytes else { return Ok(None) };
            let mut found = Vec::new();
            wire::listing(&mut bytes.as_ref(), spec.limits.references, &mut |reference| {
                if spec.reference.names(&reference.name) {
                    found.push(reference);
                }
                true
            })
            .map_err(|error| list_failed(&name, &error))?;
            chosen(&spec.reference, found, &name).map(Some)
        });
        match found {
            Ok(found) => Ok(found.as_ref().map(head)),
            Err(error) if may_be_the_greeting(&error) => {
                tracing::debug!(%error, "the Git server is to be greeted anew");
                self.forget(&name);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Remote<'_> {
    /// Leads a conversation with a server that was greeted, now or a while ago. When what is
    /// remembered may be the reason for a failure, the server is greeted anew.
    pub(super) fn greeted<R>(
        &self,
        mut lead: impl FnMut(&mut Conversation<'_>, &Greeting) -> Result<R, RepoError>,
    ) -> Result<R, RepoError> {
        let key = &self.watch.url;
        if let Some((base, greeting)) = self.connections.greeting(key) {
            let result = self.converse(|conversation| {
                if let Transport::Http(http) = &mut conversation.transport {
                    http.continue_at(base);
                }
                lead(conversation, &greeting)
            });
            match result {
                Err(error) if may_be_the_greeting(&error) => {
                    tracing::debug!(%error, "the Git server is greeted anew");
                    self.connections.forget(key);
                }
                result => return result,
            }
        }
        self.converse(|conversation| {
            let greeting = conversation.greet()?;
            if let (Transport::Http(http), true) = (&conversation.transport, greeting.version2) {
                self.connections.remember(key, http.base().clone(), greeting.clone());
            }
            lead(conversation, &greeting)
        })
    }
}

/// Whether greeting the server anew could change the answer. A server in trouble is not asked
/// twice.
fn may_be_the_greeting(error: &RepoError) -> bool {
    matches!(
        error,
        RepoError::Redirect { .. }
            | RepoError::RepositoryNotFound { .. }
            | RepoError::Authenticate { .. }
            | RepoError::Forbidden { .. }
            | RepoError::ListReferences { .. }
            | RepoError::Negotiate { .. }
            | RepoError::Connect { .. }
            | RepoError::Resolve { .. }
            | RepoError::Tls { .. }
    )
}

fn head(found: &Found) -> Head {
    let tag = found.peeled.map(|_| found.id.to_string());
    let commit = found.peeled.unwrap_or(found.id).to_string();
    Head { reference: found.name.clone(), commit, tag }
}

fn poll_local(path: &std::path::Path, spec: &Fetch) -> Result<Head, RepoError> {
    let repository = local::Repository::find(path, spec)?;
    let found = repository.resolve(spec)?;
    let failed = |source: Cause| RepoError::ReadTree {
        what: format!("the commit {}", found.id),
        from: spec.url.to_string(),
        source,
    };
    let tree = GitTree::open(&repository.objects_dir(), found.id, false).map_err(failed)?;
    let commit = tree.commit_id();
    let peeled = (commit != found.id).then_some(commit);
    Ok(head(&Found { peeled, ..found }))
}
