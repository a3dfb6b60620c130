//! A repository on this machine: read in place, without a copy, a lock or a `git` program.
//!
//! Its configuration and the user's are not read, and nothing in it is executed. A linked work
//! tree leads to its repository. References are read as Git writes them: one file each, or a line
//! of `packed-refs`; the newer `reftable` format is refused.

use super::conversation::Found;
use crate::error::Cause;
use crate::fetch::Fetch;
use crate::reference::TAGS;
use crate::tree::GitTree;
use crate::{Reference, RepoError};
use gix_hash::ObjectId;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Symbolic references that point to each other.
const SYMBOLIC_DEPTH_MAX: usize = 5;

/// Bytes of a file that holds one reference or one path.
const SMALL_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of `packed-refs`.
const PACKED_REFS_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Folders inside each other below `refs`.
const REFS_DEPTH_MAX: usize = 64;

/// A repository that was found.
pub(super) struct Repository {
    /// What belongs to this work tree: `HEAD`.
    git_dir: PathBuf,
    /// What all work trees share: objects and references.
    common_dir: PathBuf,
    url: String,
}

/// Opens the repository and finds the revision in it.
pub(super) fn open(path: &Path, spec: &Fetch) -> Result<GitTree, RepoError> {
    let repository = Repository::find(path, spec)?;
    let found = repository.resolve(spec)?;
    let objects = repository.objects_dir();
    let id = found.id;
    GitTree::open(&objects, id, false).map_err(|source| match &spec.reference {
        Reference::Commit(commit) => {
            let url = repository.url.clone();
            RepoError::CommitNotFound { url, commit: commit.clone(), source }
        }
        _ => {
            let from = repository.url.clone();
            RepoError::ReadTree { what: format!("the commit {id}"), from, source }
        }
    })
}

impl Repository {
    pub(super) fn find(path: &Path, spec: &Fetch) -> Result<Self, RepoError> {
        let url = spec.url.to_string();
        let none = |source| RepoError::RepositoryNotFound { url: url.clone(), source };
        let inside = path.join(".git");
        let git_dir = if inside.is_dir() {
            inside
        } else if inside.is_file() {
            let text = small(&inside).map_err(|e| none(Cause::of(&e)))?;
            let to = text.strip_prefix("gitdir:").map(str::trim);
            path.join(to.ok_or_else(|| none(Cause::new("its .git file names no folder")))?)
        } else {
            path.to_owned()
        };
        let common_dir = match small(&git_dir.join("commondir")) {
            Ok(text) => git_dir.join(text.trim()),
            Err(_) => git_dir.clone(),
        };
        let whole = git_dir.join("HEAD").is_file()
            && common_dir.join("objects").is_dir()
            && common_dir.join("refs").is_dir();
        if !whole {
            return Err(none(Cause::new("there is no HEAD, objects or refs in it")));
        }
        if common_dir.join("reftable").is_dir() {
            let source = Cause::new("it keeps its references as reftable, which is not read");
            return Err(RepoError::ListReferences { url, source });
        }
        Ok(Self { git_dir, common_dir, url })
    }

    pub(super) fn objects_dir(&self) -> PathBuf {
        self.common_dir.join("objects")
    }

    /// Commits whose parents are not here.
    pub(super) fn shallow(&self) -> Vec<ObjectId> {
        let text = small(&self.common_dir.join("shallow")).unwrap_or_default();
        text.lines().filter_map(|line| ObjectId::from_hex(line.trim().as_bytes()).ok()).collect()
    }

    pub(super) fn resolve(&self, spec: &Fetch) -> Result<Found, RepoError> {
        let url = || self.url.clone();
        if let Reference::Commit(id) = &spec.reference {
            let name = id.clone();
            return match ObjectId::from_hex(id.as_bytes()) {
                Ok(id) => Ok(Found { name, id, peeled: None }),
                Err(_) => Err(RepoError::InvalidReference {
                    reference: name,
                    reason: "it is not a commit id",
                }),
            };
        }
        let failed = |e: io::Error| RepoError::ListReferences { url: url(), source: Cause::of(&e) };
        let mut wanted = spec.reference.prefixes();
        if let Reference::Versions(range) = &spec.reference {
            let names = self.names(spec.limits.references)?;
            let tags = names.iter().map(String::as_str).filter(|name| name.starts_with(TAGS));
            wanted = range.highest(tags).map(str::to_owned).into_iter().collect();
        }
        let mut found = Vec::new();
        for name in wanted {
            if let Some((name, id)) = self.reference(name).map_err(failed)? {
                found.push(Found { name, id, peeled: None });
            }
        }
        match (found.len(), &spec.reference) {
            (0, reference) => {
                let near = self.names(spec.limits.references).unwrap_or_default();
                let near = super::near_names(reference, &near);
                let reference = reference.clone();
                Err(RepoError::ReferenceNotFound { url: url(), reference, near })
            }
            (2.., Reference::Name(name)) => {
                Err(RepoError::AmbiguousReference { url: url(), name: name.clone() })
            }
            _ => Ok(found.swap_remove(0)),
        }
    }

    /// What a name stands for after symbolic references, and the last name on the way.
    fn reference(&self, name: String) -> io::Result<Option<(String, ObjectId)>> {
        let mut name = name;
        for _ in 0..=SYMBOLIC_DEPTH_MAX {
            let text = match self.loose(&name)? {
                Some(text) => text,
                None => {
                    let id = self.packed()?.remove(&name);
                    return Ok(id.map(|id| (name, id)));
                }
            };
            match text.strip_prefix("ref:") {
                Some(next) if is_plain(next.trim()) => name = next.trim().to_owned(),
                Some(_) => return Err(io::Error::other(format!("{name} points out of refs"))),
                None => {
                    let id = ObjectId::from_hex(text.trim().as_bytes());
                    let id =
                        id.map_err(|_| io::Error::other(format!("{name} has no object id")))?;
                    return Ok(Some((name, id)));
                }
            }
        }
        Err(io::Error::other("too many symbolic references point to each other"))
    }

    fn loose(&self, name: &str) -> io::Result<Option<String>> {
        let dir = if name == "HEAD" { &self.git_dir } else { &self.common_dir };
        match small(&dir.join(name)) {
            Ok(text) => Ok(Some(text)),
            // A branch `a` while another is called `a/b`, or the other way round.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::IsADirectory => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn packed(&self) -> io::Result<BTreeMap<String, ObjectId>> {
        let path = self.common_dir.join("packed-refs");
        let text = match bounded(&path, PACKED_REFS_BYTES_MAX) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(e) => return Err(e),
        };
        let lines = text.lines().filter(|line| !line.starts_with(['#', '^']));
        let pair = |line: &str| {
            let (id, name) = line.split_once(' ')?;
            Some((name.to_owned(), ObjectId::from_hex(id.as_bytes()).ok()?))
        };
        Ok(lines.filter_map(pair).collect())
    }

    /// The full names of all branches and tags.
    fn names(&self, limit: usize) -> Result<Vec<String>, RepoError> {
        let failed = |e: io::Error| RepoError::ListReferences {
            url: self.url.clone(),
            source: Cause::of(&e),
        };
        let mut names: Vec<String> = self.packed().map_err(failed)?.into_keys().collect();
        let mut folders = vec![("refs/heads".to_owned(), 0), ("refs/tags".to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = match fs::read_dir(self.common_dir.join(&folder)) {
                Ok(entries) if depth <= REFS_DEPTH_MAX => entries,
                _ => continue,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                if entry.file_type().map_err(failed)?.is_dir() {
                    folders.push((name, depth + 1));
                } else {
                    names.push(name);
                }
                if names.len() + folders.len() > limit {
                    let (from, path) = (self.url.clone(), "refs/".to_owned());
                    return Err(RepoError::TooMany { from, what: "references", limit, path });
                }
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

/// A full name that leads to a file below the repository.
fn is_plain(name: &str) -> bool {
    name.starts_with("refs/") && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn small(path: &Path) -> io::Result<String> {
    bounded(path, SMALL_FILE_BYTES_MAX)
}

fn bounded(path: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limit {
        return Err(io::Error::other(format!("{} is too large", path.display())));
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}
