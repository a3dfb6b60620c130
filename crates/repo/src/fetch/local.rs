//! A repository on this machine: read in place, without a copy, a lock or a `git` program.
//!
//! It is opened without the user's and the system's configuration, and nothing in it is executed.

use crate::error::Cause;
use crate::fetch::Fetch;
use crate::tree::GitTree;
use crate::{Reference, RepoError};
use gix::ObjectId;
use std::path::Path;

/// Opens the repository and finds the revision in it.
pub(super) fn open(path: &Path, spec: &Fetch) -> Result<GitTree, RepoError> {
    let url = spec.url.to_string();
    let repository = gix::open_opts(path, gix::open::Options::isolated()).map_err(|error| {
        RepoError::RepositoryNotFound { url: url.clone(), source: Cause::of(&error) }
    })?;
    let id = resolve(&repository, spec)?;
    let objects = repository.objects.store_ref().path().to_owned();
    GitTree::open(&objects, id, false).map_err(|source| match &spec.reference {
        Reference::Commit(commit) => {
            RepoError::CommitNotFound { url: url.clone(), commit: commit.clone(), source }
        }
        _ => RepoError::ReadTree { what: format!("the commit {id}"), from: url.clone(), source },
    })
}

fn resolve(repository: &gix::Repository, spec: &Fetch) -> Result<ObjectId, RepoError> {
    let url = || spec.url.to_string();
    if let Reference::Commit(id) = &spec.reference {
        return ObjectId::from_hex(id.as_bytes()).map_err(|_| RepoError::InvalidReference {
            reference: id.clone(),
            reason: "it is not a commit id",
        });
    }
    let failed = |source| RepoError::ListReferences { url: url(), source };
    let mut found = Vec::new();
    for name in spec.reference.candidates() {
        let reference = repository.try_find_reference(name.as_str());
        let Some(reference) = reference.map_err(|e| failed(Cause::of(&e)))? else { continue };
        // A short form must not be found by Git's own guessing.
        if reference.name().as_bstr() == name.as_str() {
            let id = reference.into_fully_peeled_id().map_err(|e| failed(Cause::of(&e)))?;
            found.push(id.detach());
        }
    }
    match (found.as_slice(), &spec.reference) {
        ([id], _) => Ok(*id),
        ([_, _, ..], Reference::Name(name)) => {
            Err(RepoError::AmbiguousReference { url: url(), name: name.clone() })
        }
        _ => Err(RepoError::ReferenceNotFound {
            url: url(),
            reference: spec.reference.clone(),
            near: super::near_names(&spec.reference, &names(repository)),
        }),
    }
}

/// The full names of all branches and tags; empty when they cannot be read, as this only helps an
/// error message.
fn names(repository: &gix::Repository) -> Vec<String> {
    let Ok(platform) = repository.references() else { return Vec::new() };
    let Ok(all) = platform.all() else { return Vec::new() };
    all.filter_map(Result::ok).map(|reference| reference.name().as_bstr().to_string()).collect()
}
