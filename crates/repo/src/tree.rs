//! The files of one revision, or of one local folder, behind one interface.
//!
//! [`Tree::list`] gives names and sizes in a stable order (by path, as bytes) without reading a
//! file; the caller chooses by name and reads those with [`Tree::read`]. Both come from foreign
//! bytes, so every name is checked and everything is bounded (see [`Limits`]).
//!
//! What is left out, and how it is told:
//! - names that start with a dot: left out silently, as custom has it;
//! - submodules, links that leave the tree, links to folders or to nothing, names that cannot be
//!   used, devices and sockets: left out with a finding, and the listing is not
//!   [complete](Listing::complete), so that nobody prunes what was merely not seen;
//! - a link to a file inside the tree is followed, once.
//!
//! Names that differ only in case are reported as a warning: one of them is lost on a file system
//! that ignores case.

mod commit;
mod directory;
mod git;

pub use commit::{Commit, HEADER_CHARS_MAX, Person, Tag};
pub(crate) use git::{GitTree, Objects, open, reachable, read_commit};

use crate::error::Refusal;
use crate::limits::{Limits, TREE_DEPTH_MAX};
use crate::{RepoError, lfs};
use directory::Directory;
use gix_hash::ObjectId;
use model::{Finding, Hint, Severity, Subject};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The files of one revision or of one local folder.
pub struct Tree {
    content: Content,
    from: String,
    path: String,
    limits: Limits,
    read_bytes: AtomicU64,
}

enum Content {
    Git(Box<GitTree>),
    Directory(Directory),
}

/// One file that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path relative to the listed path, with `/` between names.
    pub path: String,
    /// Its size in bytes; `None` when the server left the content out because it is larger than
    /// the limit on one file.
    pub size: Option<u64>,
    /// Whether it may be executed.
    pub executable: bool,
    place: EntryPlace,
}

impl Entry {
    /// The id of its Git blob: the same id, the same bytes. None for a file of a folder.
    #[must_use]
    pub fn content_id(&self) -> Option<[u8; 20]> {
        match &self.place {
            EntryPlace::Blob(id) => id.as_bytes().try_into().ok(),
            EntryPlace::File(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum EntryPlace {
    Blob(ObjectId),
    File(PathBuf),
}

/// The id of a file's content: the same bytes have the same id in every commit and repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 20]);

impl BlobId {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// Forty hexadecimal digits.
impl std::fmt::Display for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Entry {
    /// The id of its content, by which a caller can keep what it made of the file; `None` in a
    /// local folder, where only reading tells. It is checked when the file is read.
    #[must_use]
    pub fn blob_id(&self) -> Option<BlobId> {
        match &self.place {
            EntryPlace::Blob(id) => id.as_bytes().try_into().ok().map(BlobId),
            EntryPlace::File(_) => None,
        }
    }
}

/// What is below a path.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The files, by path.
    pub entries: Vec<Entry>,
    /// What was left out, and what is odd.
    pub findings: Vec<Finding>,
    /// Nothing was left out: what is not here is not in the tree. When false, nothing may be
    /// pruned because it is missing here.
    pub complete: bool,
}

impl Tree {
    pub(crate) fn git(git: GitTree, from: String, path: String, limits: Limits) -> Self {
        Self::new(Content::Git(Box::new(git)), from, path, limits)
    }

    /// A local folder, or a single file, as a tree.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn directory(path: &Path, limits: Limits) -> Result<Self, RepoError> {
        let directory = Directory::open(path)?;
        let from = path.display().to_string();
        Ok(Self::new(Content::Directory(directory), from, String::new(), limits))
    }

    fn new(content: Content, from: String, path: String, limits: Limits) -> Self {
        Self { content, from, path, limits, read_bytes: AtomicU64::new(0) }
    }

    /// The commit; none for a local folder.
    #[must_use]
    pub fn commit(&self) -> Option<&Commit> {
        match &self.content {
            Content::Git(git) => Some(&git.commit),
            Content::Directory(_) => None,
        }
    }

    /// The annotated tags that lead to the commit, the outermost first; none for a branch, a
    /// lightweight tag or a local folder.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        match &self.content {
            Content::Git(git) => &git.tags,
            Content::Directory(_) => &[],
        }
    }

    /// Where it comes from, for people: the URL without credentials, or the folder.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.from
    }

    /// The files below the path, without reading them.
    ///
    /// # Errors
    /// When the path is not there, a tree object cannot be read, or there is too much of it.
    pub fn list(&self, cancel: &AtomicBool) -> Result<Listing, RepoError> {
        let mut collector = Collector::new(self, cancel);
        match &self.content {
            Content::Git(git) => git.list(&self.path, &mut collector)?,
            Content::Directory(directory) => directory.list(&mut collector)?,
        }
        Ok(collector.finish())
    }

    /// As [`Tree::list`], of the whole revision: paths are relative to its root.
    ///
    /// # Errors
    /// As [`Tree::list`].
    pub fn list_whole(&self, cancel: &AtomicBool) -> Result<Listing, RepoError> {
        let mut collector = Collector::new(self, cancel);
        match &self.content {
            Content::Git(git) => git.list("", &mut collector)?,
            Content::Directory(directory) => directory.list(&mut collector)?,
        }
        Ok(collector.finish())
    }

    /// The bytes of one listed file.
    ///
    /// # Errors
    /// When it is larger than the limit, a Git LFS pointer, or cannot be read; and when all files
    /// read from this tree together are larger than the limit.
    pub fn read(&self, entry: &Entry) -> Result<Vec<u8>, RepoError> {
        let limit = self.limits.file_bytes;
        let refused = |refusal| RepoError::FileRefused { path: entry.path.clone(), refusal };
        let Some(size) = entry.size.filter(|size| *size <= limit) else {
            return Err(refused(Refusal::TooLarge { bytes: entry.size, limit }));
        };
        let before = self.read_bytes.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > self.limits.tree_bytes {
            return Err(refused(Refusal::TreeTooLarge { limit: self.limits.tree_bytes }));
        }
        let bytes = match (&self.content, &entry.place) {
            (Content::Git(git), EntryPlace::Blob(id)) => {
                git.read(*id, limit).map_err(|source| RepoError::ReadTree {
                    what: format!("the file {}", entry.path),
                    from: self.from.clone(),
                    source,
                })?
            }
            (Content::Directory(_), EntryPlace::File(path)) => {
                directory::read(path, limit).map_err(|e| e.about(path, &entry.path))?
            }
            _ => return Err(refused(Refusal::NotAFile)),
        };
        if lfs::is_pointer(&bytes) {
            return Err(refused(Refusal::LfsPointer));
        }
        Ok(bytes)
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("from", &self.from)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The digest of files that were read, for a saved plan: it changes with every name and byte.
/// Files are added in the order of the listing.
#[derive(Debug, Clone, Default)]
pub struct ContentDigest(Sha256);

impl ContentDigest {
    /// Adds one file.
    pub fn add(&mut self, path: &str, bytes: &[u8]) {
        self.add_hashed(path, &Self::hash(bytes));
    }

    /// Adds one file whose bytes were hashed before, by [`Self::hash`]. Lengths go before texts,
    /// so that no two sets of files look alike.
    pub fn add_hashed(&mut self, path: &str, hash: &[u8; 32]) {
        self.0.update(path.len().to_le_bytes());
        self.0.update(path.as_bytes());
        self.0.update(hash);
    }

    /// The hash of one file's bytes.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    /// `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        let digits: String = self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    }
}

/// What a walk has met so far, and the bounds on it.
struct Collector<'a> {
    tree: &'a Tree,
    cancel: &'a AtomicBool,
    seen: usize,
    listing: Listing,
}

impl<'a> Collector<'a> {
    fn new(tree: &'a Tree, cancel: &'a AtomicBool) -> Self {
        let listing = Listing { complete: true, ..Listing::default() };
        Self { tree, cancel, seen: 0, listing }
    }

    /// Called for every name that is met, before anything is done with it.
    fn count(&mut self) -> Result<(), RepoError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(RepoError::Cancelled { url: self.tree.from.clone() });
        }
        self.seen += 1;
        let limit = self.tree.limits.tree_files;
        if self.seen > limit { Err(self.too_many("files", limit)) } else { Ok(()) }
    }

    /// Called before a folder is entered.
    fn enter(&self, depth: usize) -> Result<(), RepoError> {
        if depth > TREE_DEPTH_MAX {
            return Err(self.too_many("levels of folders", TREE_DEPTH_MAX));
        }
        Ok(())
    }

    fn too_many(&self, what: &'static str, limit: usize) -> RepoError {
        let path = self.tree.path.clone();
        RepoError::TooMany { from: self.tree.from.clone(), what, limit, path }
    }

    fn file(&mut self, entry: Entry) {
        self.listing.entries.push(entry);
    }

    /// Something that is left out although the tree has it.
    fn left_out(&mut self, left_out: LeftOut, path: &str) {
        let (id, message, hint) = left_out.words();
        let clean: String =
            path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let subject = Subject::File { path: clean, line: None, column: None };
        let finding = Finding::new(id, Severity::Error, subject, message);
        self.listing.findings.push(match hint {
            Some(hint) => finding.with_hint(&Hint::new(hint)),
            None => finding,
        });
        self.listing.complete = false;
    }

    fn finish(mut self) -> Listing {
        self.listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut folded: HashMap<String, &str> = HashMap::new();
        for entry in &self.listing.entries {
            let Some(first) = folded.insert(entry.path.to_lowercase(), &entry.path) else {
                continue;
            };
            let subject = Subject::File { path: entry.path.clone(), line: None, column: None };
            let message = format!("differs from {first} only in case");
            let hint = Hint::new("rename one: file systems that ignore case lose one of them");
            let finding = Finding::new("case-collision", Severity::Warning, subject, message);
            self.listing.findings.push(finding.with_hint(&hint));
        }
        self.listing
    }
}

/// Why something of the tree is not in the listing.
#[derive(Debug, Clone, Copy)]
enum LeftOut {
    Submodule,
    LinkLeavesTree,
    LinkToFolder,
    LinkToLink,
    LinkToNothing,
    SpecialFile,
    Name(&'static str),
}

impl LeftOut {
    /// The finding's id, message and hint.
    fn words(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Submodule => (
                "submodule",
                "is a submodule; its files are not part of this tree",
                Some("deliver the submodule's repository by itself"),
            ),
            Self::LinkLeavesTree => (
                "symlink-leaves-tree",
                "is a symbolic link that leaves the tree",
                Some("put the file itself here"),
            ),
            Self::LinkToFolder => (
                "symlink-to-folder",
                "is a symbolic link to a folder, which is not followed",
                Some("deliver the folder by its own path"),
            ),
            Self::LinkToLink => (
                "symlink-to-symlink",
                "is a symbolic link to another link, which is not followed",
                Some("link to the file itself"),
            ),
            Self::LinkToNothing => {
                ("symlink-dangling", "is a symbolic link to nothing in this tree", None)
            }
            Self::SpecialFile => ("special-file", "is neither a file nor a folder", None),
            Self::Name(reason) => ("unusable-name", reason, Some("rename it")),
        }
    }
}

/// A path below another one.
fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests;
