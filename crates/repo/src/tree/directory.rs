//! A local folder as a tree, under the same rules as a revision: links may not leave it.

use super::{Collector, Entry, EntryPlace, LeftOut, join};
use crate::RepoError;
use crate::error::Refusal;
use crate::names::{self, Name};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(super) struct Directory {
    /// Without links in it, so that a prefix comparison decides what is inside.
    root: PathBuf,
}

/// Why a file could not be read.
pub(super) enum ReadError {
    Io(std::io::Error),
    Refused(Refusal),
}

impl ReadError {
    pub(super) fn about(self, path: &Path, shown: &str) -> RepoError {
        match self {
            Self::Io(source) => RepoError::ReadFile { path: path.to_owned(), source },
            Self::Refused(refusal) => RepoError::FileRefused { path: shown.to_owned(), refusal },
        }
    }
}

/// A folder on the way, and how deep it is.
struct Folder {
    place: PathBuf,
    path: String,
    depth: usize,
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, RepoError> {
        let failed = |source| RepoError::ReadFile { path: path.to_owned(), source };
        let root = path.canonicalize().map_err(failed)?;
        // Said now and not when the listing starts: the commonest mistake is a wrong name.
        fs::metadata(&root).map_err(failed)?;
        Ok(Self { root })
    }

    pub(super) fn list(&self, collector: &mut Collector<'_>) -> Result<(), RepoError> {
        let failed = |source| RepoError::ReadFile { path: self.root.clone(), source };
        let metadata = fs::metadata(&self.root).map_err(failed)?;
        if !metadata.is_dir() {
            let name = self.root.file_name().map(|name| name.to_string_lossy().into_owned());
            return self.entry(&self.root, &name.unwrap_or_default(), collector);
        }
        let mut folders = vec![Folder { place: self.root.clone(), path: String::new(), depth: 0 }];
        while let Some(folder) = folders.pop() {
            collector.enter(folder.depth)?;
            let failed = |source| RepoError::ReadFile { path: folder.place.clone(), source };
            for entry in fs::read_dir(&folder.place).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                collector.count()?;
                let file_name = entry.file_name();
                let name = match names::name(file_name.as_bytes()) {
                    Name::Usable(name) => name,
                    // Git's own folder is part of every work tree here, and not odd.
                    Name::Hidden => continue,
                    Name::Refused(_) if file_name == ".git" => continue,
                    Name::Refused(reason) => {
                        let path = join(&folder.path, &file_name.to_string_lossy());
                        collector.left_out(LeftOut::Name(reason), &path);
                        continue;
                    }
                };
                let path = join(&folder.path, name);
                let place = entry.path();
                if entry.file_type().map_err(failed)?.is_dir() {
                    folders.push(Folder { place, path, depth: folder.depth + 1 });
                } else {
                    self.entry(&place, &path, collector)?;
                }
            }
        }
        Ok(())
    }

    /// Anything but a folder.
    fn entry(
        &self,
        place: &Path,
        path: &str,
        collector: &mut Collector<'_>,
    ) -> Result<(), RepoError> {
        let failed = |source| RepoError::ReadFile { path: place.to_owned(), source };
        let metadata = fs::symlink_metadata(place).map_err(failed)?;
        if metadata.is_symlink() {
            return self.link(place, path, collector);
        }
        if !metadata.is_file() {
            collector.left_out(LeftOut::SpecialFile, path);
            return Ok(());
        }
        collector.file(file_entry(path, place.to_owned(), &metadata));
        Ok(())
    }

    fn link(
        &self,
        place: &Path,
        path: &str,
        collector: &mut Collector<'_>,
    ) -> Result<(), RepoError> {
        let Ok(target) = place.canonicalize() else {
            collector.left_out(LeftOut::LinkToNothing, path);
            return Ok(());
        };
        let left_out = if !target.starts_with(&self.root) {
            LeftOut::LinkLeavesTree
        } else {
            let failed = |source| RepoError::ReadFile { path: target.clone(), source };
            let metadata = fs::symlink_metadata(&target).map_err(failed)?;
            if metadata.is_file() {
                collector.file(file_entry(path, target, &metadata));
                return Ok(());
            }
            if metadata.is_dir() { LeftOut::LinkToFolder } else { LeftOut::SpecialFile }
        };
        collector.left_out(left_out, path);
        Ok(())
    }
}

fn file_entry(path: &str, place: PathBuf, metadata: &fs::Metadata) -> Entry {
    Entry {
        path: path.to_owned(),
        size: Some(metadata.len()),
        executable: metadata.permissions().mode() & 0o111 != 0,
        place: EntryPlace::File(place),
    }
}

/// Reads a file that may have changed since it was listed, and never more than the limit.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let metadata = fs::symlink_metadata(path).map_err(ReadError::Io)?;
    if !metadata.is_file() {
        return Err(ReadError::Refused(Refusal::NotAFile));
    }
    let file = fs::File::open(path).map_err(ReadError::Io)?;
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > limit {
        return Err(ReadError::Refused(Refusal::TooLarge { bytes: None, limit }));
    }
    Ok(bytes)
}
