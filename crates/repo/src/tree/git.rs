//! One commit's tree, read from an object database: no work tree, no file but those asked for.

use super::{Collector, Commit, Entry, EntryPlace, LeftOut, Tag, join};
use crate::RepoError;
use crate::error::Cause;
use crate::limits::PATH_BYTES_MAX;
use crate::names::{self, Name};
use gix_hash::ObjectId;
use gix_object::tree::EntryKind;
use gix_object::{CommitRef, Data, Find, FindHeader, Kind, TagRef, TreeRefIter};
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Bytes of a commit or tag object that is read.
const COMMIT_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of one tree object that is read: about a million entries.
const TREE_OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Annotated tags that point to each other before a commit.
const TAG_DEPTH_MAX: usize = 8;

/// An object database that may be used by one thread after another.
pub(crate) type Objects = gix_odb::HandleArc;

/// Opens the database in a folder.
pub(crate) fn open(folder: &Path) -> Result<Objects, Cause> {
    let handle = gix_odb::at(folder, gix_hash::Kind::Sha1).map_err(|e| Cause::of(&e))?;
    handle.into_arc().map_err(|e| Cause::of(&e))
}

/// Reads a commit, checked against its id.
pub(crate) fn read_commit(objects: &Objects, id: ObjectId) -> Result<Commit, Cause> {
    let mut buffer = Vec::new();
    let data = bounded(objects, id, Kind::Commit, COMMIT_BYTES_MAX, &mut buffer)?;
    Commit::read(id, data)
}

/// Everything that commits and tags lead to, their parents left aside: commits, trees, and the
/// names of files, whether these are here or not.
pub(crate) fn reachable(objects: &Objects, tips: &[ObjectId]) -> Result<HashSet<ObjectId>, Cause> {
    let mut seen = HashSet::new();
    let (mut trees, mut buffer) = (Vec::new(), Vec::new());
    for tip in tips {
        let (id, tags) = peel(objects, *tip)?;
        seen.insert(*tip);
        for tag in tags {
            let target = ObjectId::from_hex(tag.target.as_bytes()).map_err(|e| Cause::of(&e))?;
            seen.insert(target);
        }
        let data = bounded(objects, id, Kind::Commit, COMMIT_BYTES_MAX, &mut buffer)?;
        let commit =
            CommitRef::from_bytes(data, gix_hash::Kind::Sha1).map_err(|e| Cause::of(&e))?;
        let root = commit.tree();
        if seen.insert(root) {
            trees.push(root);
        }
    }
    while let Some(id) = trees.pop() {
        for entry in entries(objects, id, &mut buffer)? {
            let is_new = entry.kind != EntryKind::Commit && seen.insert(entry.id);
            if is_new && entry.kind == EntryKind::Tree {
                trees.push(entry.id);
            }
        }
    }
    Ok(seen)
}

/// The tree of one commit, with what keeps its objects in place.
pub(crate) struct GitTree {
    objects: Mutex<Objects>,
    root: ObjectId,
    id: ObjectId,
    pub(super) commit: Commit,
    /// The annotated tags on the way to the commit, the outermost first.
    pub(super) tags: Vec<Tag>,
    /// Blobs may be missing because the server left large ones out.
    filtered: bool,
    /// Held as long as the tree lives, so that nobody deletes its objects.
    in_use: Option<File>,
    /// A file that is deleted when an object turns out to be damaged, so that the next fetch
    /// starts afresh.
    sound: Option<PathBuf>,
}

impl GitTree {
    /// Reads the commit that `id` is, or that the tag `id` points to.
    pub(crate) fn open(objects: &Path, id: ObjectId, filtered: bool) -> Result<Self, Cause> {
        let objects = open(objects)?;
        let (id, tags) = peel(&objects, id)?;
        let mut buffer = Vec::new();
        let data = bounded(&objects, id, Kind::Commit, COMMIT_BYTES_MAX, &mut buffer)?;
        let root = CommitRef::from_bytes(data, gix_hash::Kind::Sha1).map_err(|e| Cause::of(&e))?;
        let (root, commit) = (root.tree(), Commit::read(id, data)?);
        let objects = Mutex::new(objects);
        Ok(Self { objects, root, id, commit, tags, filtered, in_use: None, sound: None })
    }

    /// The commit's id.
    pub(crate) fn commit_id(&self) -> ObjectId {
        self.id
    }

    /// The same tree, holding `in_use` open and deleting `sound` when it finds damage.
    pub(crate) fn in_cache(mut self, in_use: File, sound: PathBuf) -> Self {
        self.in_use = Some(in_use);
        self.sound = Some(sound);
        self
    }

    /// Reads every tree object once, so that a damaged or partial cache is found before it is
    /// used.
    pub(crate) fn check(&self) -> Result<(), Cause> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = Vec::new();
        let mut todo = vec![self.root];
        let mut seen = HashSet::new();
        while let Some(id) = todo.pop() {
            for entry in entries(&objects, id, &mut buffer)? {
                if entry.kind == EntryKind::Tree && seen.insert(entry.id) {
                    todo.push(entry.id);
                }
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &str, collector: &mut Collector<'_>) -> Result<(), RepoError> {
        let from = collector.tree.from.clone();
        let failed = |source| self.damaged(source, format!("the tree below `{path}`"), &from);
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let found = lookup(&objects, self.root, path).map_err(failed)?;
        let not_found = || RepoError::PathNotFound { from: from.clone(), path: path.to_owned() };
        let start = found.ok_or_else(not_found)?;
        match start.kind {
            EntryKind::Tree => {}
            EntryKind::Blob | EntryKind::BlobExecutable => {
                let name = path.rsplit('/').next().unwrap_or(path);
                let entry = self.file(&objects, &start, name).map_err(failed)?;
                collector.file(entry);
                return Ok(());
            }
            EntryKind::Link | EntryKind::Commit => return Err(not_found()),
        }
        let mut buffer = Vec::new();
        let mut folders = vec![(start.id, String::new(), 0_usize)];
        while let Some((id, folder, depth)) = folders.pop() {
            collector.enter(depth)?;
            for entry in entries(&objects, id, &mut buffer).map_err(failed)? {
                collector.count()?;
                let name = match names::name(&entry.name) {
                    Name::Usable(name) => name,
                    Name::Hidden => continue,
                    Name::Refused(reason) => {
                        let path = join(&folder, &String::from_utf8_lossy(&entry.name));
                        collector.left_out(LeftOut::Name(reason), &path);
                        continue;
                    }
                };
                let below = join(&folder, name);
                match entry.kind {
                    EntryKind::Tree => folders.push((entry.id, below, depth + 1)),
                    EntryKind::Commit => collector.left_out(LeftOut::Submodule, &below),
                    EntryKind::Link => {
                        let link = Link { id: entry.id, folder: join(path, &folder), below };
                        self.link(&objects, &link, collector).map_err(failed)?;
                    }
                    EntryKind::Blob | EntryKind::BlobExecutable => {
                        collector.file(self.file(&objects, &entry, &below).map_err(failed)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn file(&self, objects: &Objects, entry: &Raw, path: &str) -> Result<Entry, Cause> {
        let header = objects.try_header(&entry.id).map_err(|e| Cause::of(&e))?;
        let size = match header {
            Some(header) => Some(header.size),
            None if self.filtered => None,
            None => return Err(Cause::new(format!("the object {} is missing", entry.id))),
        };
        let executable = entry.kind == EntryKind::BlobExecutable;
        Ok(Entry { path: path.to_owned(), size, executable, place: EntryPlace::Blob(entry.id) })
    }

    fn link(
        &self,
        objects: &Objects,
        link: &Link,
        collector: &mut Collector<'_>,
    ) -> Result<(), Cause> {
        let mut buffer = Vec::new();
        let limit = u64::try_from(PATH_BYTES_MAX).unwrap_or(u64::MAX);
        let target = bounded(objects, link.id, Kind::Blob, limit, &mut buffer)?;
        let target = String::from_utf8_lossy(target);
        let Some(target) = names::link_target(&link.folder, &target) else {
            collector.left_out(LeftOut::LinkLeavesTree, &link.below);
            return Ok(());
        };
        let left_out = match lookup(objects, self.root, &target)? {
            None => LeftOut::LinkToNothing,
            Some(found) => match found.kind {
                EntryKind::Blob | EntryKind::BlobExecutable => {
                    collector.file(self.file(objects, &found, &link.below)?);
                    return Ok(());
                }
                EntryKind::Tree => LeftOut::LinkToFolder,
                EntryKind::Link => LeftOut::LinkToLink,
                EntryKind::Commit => LeftOut::Submodule,
            },
        };
        collector.left_out(left_out, &link.below);
        Ok(())
    }

    /// The content of a file, checked against its id.
    pub(super) fn read(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, Cause> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = Vec::new();
        let read = bounded(&objects, id, Kind::Blob, limit, &mut buffer).map(<[u8]>::len);
        match read {
            Ok(length) => {
                buffer.truncate(length);
                Ok(buffer)
            }
            Err(cause) => {
                self.forget();
                Err(cause)
            }
        }
    }

    fn damaged(&self, source: Cause, what: String, from: &str) -> RepoError {
        self.forget();
        RepoError::ReadTree { what, from: from.to_owned(), source }
    }

    /// Makes the next fetch start afresh. Best effort: this runs while an error is reported.
    fn forget(&self) {
        if let Some(sound) = &self.sound {
            let _ = std::fs::remove_file(sound);
        }
    }
}

struct Link {
    id: ObjectId,
    /// The link's folder, from the root of the tree.
    folder: String,
    /// The link itself, from the listed path.
    below: String,
}

/// One entry of a tree object.
struct Raw {
    name: Vec<u8>,
    kind: EntryKind,
    id: ObjectId,
}

/// Reads an object whose size is looked at first, and checks it against its id.
fn bounded<'a>(
    objects: &Objects,
    id: ObjectId,
    kind: Kind,
    limit: u64,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], Cause> {
    let missing = || Cause::new(format!("the object {id} is missing"));
    let header = objects.try_header(&id).map_err(|e| Cause::of(&e))?.ok_or_else(missing)?;
    if header.kind != kind {
        return Err(Cause::new(format!("the object {id} is a {}, not a {kind}", header.kind)));
    }
    if header.size > limit {
        return Err(Cause::new(format!(
            "the object {id} has {}, the limit is {}",
            model::ByteSize(header.size),
            model::ByteSize(limit)
        )));
    }
    let data: Data<'a> =
        objects.try_find(&id, buffer).map_err(|e| Cause::of(&e))?.ok_or_else(missing)?;
    data.verify_checksum(&id).map_err(|e| Cause::of(&e))?;
    Ok(data.data)
}

fn entries(objects: &Objects, id: ObjectId, buffer: &mut Vec<u8>) -> Result<Vec<Raw>, Cause> {
    let data = bounded(objects, id, Kind::Tree, TREE_OBJECT_BYTES_MAX, buffer)?;
    TreeRefIter::from_bytes(data, gix_hash::Kind::Sha1)
        .map(|entry| {
            let entry = entry.map_err(|e| Cause::of(&e))?;
            Ok(Raw {
                name: entry.filename.to_vec(),
                kind: entry.mode.kind(),
                id: entry.oid.to_owned(),
            })
        })
        .collect()
}

/// The entry at a path; the empty path is the root.
fn lookup(objects: &Objects, root: ObjectId, path: &str) -> Result<Option<Raw>, Cause> {
    let mut at = Raw { name: Vec::new(), kind: EntryKind::Tree, id: root };
    let mut buffer = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if at.kind != EntryKind::Tree {
            return Ok(None);
        }
        let found = entries(objects, at.id, &mut buffer)?
            .into_iter()
            .find(|entry| entry.name == part.as_bytes());
        match found {
            Some(found) => at = found,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The commit that a tag stands for, and the tags on the way to it.
fn peel(objects: &Objects, mut id: ObjectId) -> Result<(ObjectId, Vec<Tag>), Cause> {
    let mut tags = Vec::new();
    for _ in 0..=TAG_DEPTH_MAX {
        let header = objects.try_header(&id).map_err(|e| Cause::of(&e))?;
        let header = header.ok_or_else(|| Cause::new(format!("the object {id} is missing")))?;
        if header.kind != Kind::Tag {
            return Ok((id, tags));
        }
        let mut buffer = Vec::new();
        let data = bounded(objects, id, Kind::Tag, COMMIT_BYTES_MAX, &mut buffer)?;
        let tag = TagRef::from_bytes(data, gix_hash::Kind::Sha1).map_err(|e| Cause::of(&e))?;
        tags.push(Tag::read(id, data)?);
        id = tag.target();
    }
    Err(Cause::new("too many tags point to each other"))
}
