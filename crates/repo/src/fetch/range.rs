//! Every commit between two revisions, merges included: what has to be looked at when each of them
//! must be signed.
//!
//! Only commits are asked for where the server can leave trees and files out (`filter`); elsewhere
//! they come along and are thrown away, within the limit on a pack. Nothing is kept. More commits
//! than the limit are refused, before they are received where the server can filter.

use super::cache::Cache;
use super::{Remote, local, watch};
use crate::connections::Connections;
use crate::tree::{self, Objects};
use crate::url::Place;
use crate::wire::Request;
use crate::{Cause, Commit, Fetch, RepoError};
use gix_hash::ObjectId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Commits before the older revision that are looked at in a repository on this machine.
const HISTORY_COMMITS_MAX: usize = 1_000_000;

/// The commits that the newer revision has and the older one does not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitRange {
    /// Each before its parents, so the newer revision comes first.
    pub commits: Vec<Commit>,
    /// The newer revision comes from the older one. When false, somebody rewrote the branch or
    /// took it back, and the commits prove nothing about how it came from one to the other.
    pub descends: bool,
    /// Parents outside of the range beside the older revision itself: the server says that they
    /// are older. A branch that forked before the older revision and was merged after it has one.
    /// That such a parent is older can be proven: `commits_between(parent, older)` descends.
    pub older: Vec<String>,
}

impl Connections {
    /// Every commit of `old..new`; both are full ids. `cache_dir` holds the answer while it is
    /// read.
    ///
    /// # Errors
    /// By phase, see [`RepoError`]; `TooMany` beyond the limit on commits.
    pub fn commits_between(
        &self,
        spec: &Fetch,
        (old, new): (&str, &str),
        cache_dir: &Path,
        cancel: &AtomicBool,
    ) -> Result<CommitRange, RepoError> {
        let ends = (commit_id(old)?, commit_id(new)?);
        let limit = spec.limits.range_commits;
        let from = spec.url.to_string();
        if let Place::Local { path } = &spec.url.place {
            let repository = local::Repository::find(path, spec)?;
            let objects = tree::open(&repository.objects_dir());
            let objects = objects.map_err(|source| unreadable(&from, source))?;
            let shallow = repository.shallow().into_iter().collect();
            let walk = Walk { from, objects, shallow, limit, cancel };
            return walk.local(ends);
        }
        let watch = watch(spec, cancel);
        let remote = Remote { connections: self, spec, watch, progress: &|_| {} };
        let cache = Cache::lock(cache_dir, spec, &remote.watch)?;
        let scratch = cache.scratch()?;
        let shallow = remote.converse(|conversation| {
            let greeting = conversation.greet()?;
            if !greeting.gives_out(ends.1) {
                let source = Cause::new("the server gives out only the tips of branches and tags");
                let (url, commit) = (from.clone(), ends.1.to_string());
                return Err(RepoError::CommitNotFound { url, commit, source });
            }
            let request = Request {
                want: ends.1,
                haves: vec![ends.0],
                shallow: Vec::new(),
                // One deeper, so that a range that is too long is seen to be.
                depth: Some(limit.saturating_add(1)),
                filter: Some("tree:0".to_owned()),
                thin: false,
            };
            let only_commits = request.is_filtered(&greeting).then_some((limit, "commits"));
            let objects = scratch.objects();
            conversation.receive(&greeting, &request, &objects, None, only_commits)
        });
        let shallow = shallow.map_err(|error| match error {
            RepoError::ReferenceMoved { url, source, .. } => {
                RepoError::CommitNotFound { url, commit: ends.1.to_string(), source }
            }
            error => error,
        })?;
        let objects = tree::open(&scratch.objects());
        let objects = objects.map_err(|source| unreadable(&from, source))?;
        let shallow = shallow.shallow.into_iter().collect();
        Walk { from, objects, shallow, limit, cancel }.received(ends)
    }
}

fn commit_id(text: &str) -> Result<ObjectId, RepoError> {
    ObjectId::from_hex(text.as_bytes()).map_err(|_| RepoError::InvalidReference {
        reference: text.chars().filter(|c| !c.is_control()).take(100).collect(),
        reason: "it is not a full commit id",
    })
}

fn unreadable(from: &str, source: Cause) -> RepoError {
    RepoError::ReadTree { what: "the commits".to_owned(), from: from.to_owned(), source }
}

/// A walk from the newer revision to its ancestors.
struct Walk<'a> {
    from: String,
    objects: Objects,
    /// Commits whose parents are not here.
    shallow: HashSet<ObjectId>,
    limit: usize,
    cancel: &'a AtomicBool,
}

impl Walk<'_> {
    /// The range is what was received; a parent that was not is older.
    fn received(&self, (old, new): (ObjectId, ObjectId)) -> Result<CommitRange, RepoError> {
        let here = |id: ObjectId| gix_object::Exists::exists(&self.objects, &id);
        self.range(old, new, &|id| !here(id))
    }

    /// The range is what the older revision does not lead to.
    fn local(&self, (old, new): (ObjectId, ObjectId)) -> Result<CommitRange, RepoError> {
        let mut older = HashSet::from([old]);
        let mut todo = vec![old];
        while let Some(id) = todo.pop() {
            for parent in self.parents(&self.commit(id)?)? {
                if older.insert(parent) {
                    todo.push(parent);
                }
            }
            if older.len() > HISTORY_COMMITS_MAX {
                return Err(self.too_many(HISTORY_COMMITS_MAX));
            }
        }
        self.range(old, new, &|id| older.contains(&id))
    }

    fn range(
        &self,
        old: ObjectId,
        new: ObjectId,
        is_older: &dyn Fn(ObjectId) -> bool,
    ) -> Result<CommitRange, RepoError> {
        let mut range =
            CommitRange { commits: Vec::new(), descends: old == new, older: Vec::new() };
        let mut found: HashMap<ObjectId, Commit> = HashMap::new();
        let mut children: HashMap<ObjectId, usize> = HashMap::new();
        let mut outside = HashSet::new();
        let mut todo = vec![new];
        while let Some(id) = todo.pop() {
            if found.contains_key(&id) {
                continue;
            }
            if id == old || is_older(id) {
                range.descends |= id == old;
                outside.insert(id);
                continue;
            }
            if found.len() >= self.limit || self.shallow.contains(&id) {
                return Err(self.too_many(self.limit));
            }
            let commit = self.commit(id)?;
            for parent in self.parents(&commit)? {
                *children.entry(parent).or_default() += 1;
                todo.push(parent);
            }
            found.insert(id, commit);
        }
        outside.remove(&old);
        if !found.is_empty() {
            range.older = outside.iter().map(ToString::to_string).collect();
            range.older.sort();
        }
        range.commits = self.in_order(new, found, children)?;
        Ok(range)
    }

    /// Each commit before its parents.
    fn in_order(
        &self,
        new: ObjectId,
        mut found: HashMap<ObjectId, Commit>,
        mut children: HashMap<ObjectId, usize>,
    ) -> Result<Vec<Commit>, RepoError> {
        let mut commits = Vec::with_capacity(found.len());
        let mut ready = VecDeque::from([new]);
        while let Some(id) = ready.pop_front() {
            let Some(commit) = found.remove(&id) else { continue };
            for parent in self.parents(&commit)? {
                let left = children.entry(parent).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.push_back(parent);
                }
            }
            commits.push(commit);
        }
        Ok(commits)
    }

    fn commit(&self, id: ObjectId) -> Result<Commit, RepoError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(RepoError::Cancelled { url: self.from.clone() });
        }
        tree::read_commit(&self.objects, id).map_err(|source| RepoError::ReadTree {
            what: format!("the commit {id}"),
            from: self.from.clone(),
            source,
        })
    }

    fn parents(&self, commit: &Commit) -> Result<Vec<ObjectId>, RepoError> {
        let id = commit_id(&commit.id)?;
        if self.shallow.contains(&id) {
            return Ok(Vec::new());
        }
        commit.parents.iter().map(|parent| commit_id(parent)).collect()
    }

    fn too_many(&self, limit: usize) -> RepoError {
        let (from, path) = (self.from.clone(), "refs/".to_owned());
        RepoError::TooMany { from, what: "commits", limit, path }
    }
}
