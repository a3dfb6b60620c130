//! The state directory: made private, locked for one process, and written to atomically.

use crate::StoreError;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, fsync, ftruncate, open,
    openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that is locked.
const LOCK: &str = "lock";

/// A directory for the state of one process.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    directory: OwnedFd,
    lock: OwnedFd,
}

impl Drop for State {
    fn drop(&mut self) {
        // Closing would not do: a process that is being started by another thread has the lock
        // too, until it becomes another program.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

impl State {
    /// Makes the directory if it is not there, and takes it for this process.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it, [`StoreError::Directory`] when it
    /// cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source: io::Error| StoreError::Directory { path: path.to_owned(), source };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(path).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = openat(&directory, LOCK, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| failed(errno.into()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), directory, lock }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse { path: path.to_owned() }),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// The path of a file in it, for messages.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file in it; links are not followed.
    pub(crate) fn open_file(&self, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR)
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> rustix::io::Result<()> {
        renameat(&self.directory, from, &self.directory, to)
    }

    /// Whether there is something of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let stat = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        !matches!(stat, Err(Errno::NOENT))
    }

    /// Whether the name still is that of an open file, as far as can be told.
    pub(crate) fn is_at(&self, name: &str, file: &OwnedFd) -> bool {
        let there = statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        match (there, fstat(file)) {
            (Ok(there), Ok(open)) => (there.st_dev, there.st_ino) == (open.st_dev, open.st_ino),
            (Err(Errno::NOENT), _) => false,
            _ => true,
        }
    }

    /// When a file was written to, in nanoseconds since 1970; 0 when nobody can tell.
    pub(crate) fn changed_ns(&self, name: &str) -> u64 {
        let changed = std::fs::symlink_metadata(self.path(name)).and_then(|meta| meta.modified());
        let since = changed.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn remove(&self, name: &str) -> rustix::io::Result<()> {
        unlinkat(&self.directory, name, AtFlags::empty())
    }

    /// Makes names durable.
    pub(crate) fn sync(&self) -> rustix::io::Result<()> {
        fsync(&self.directory)
    }

    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.path)?.flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    /// Why a file could not be written.
    pub(crate) fn cannot_write(&self, name: &str, source: impl Into<io::Error>) -> StoreError {
        StoreError::Write { path: self.path(name), source: source.into() }
    }

    /// Why a file could not be read.
    pub(crate) fn cannot_read(&self, name: &str, source: impl Into<io::Error>) -> StoreError {
        StoreError::Read { path: self.path(name), source: source.into() }
    }

    /// Replaces a file whole or leaves it as it is: a new file beside it, made durable, takes its
    /// name. `write` fills it from its start and says how long it is. With `keep`, the old one
    /// gets that name, and the one that had it is written over the next time: to make a file and
    /// to delete another each time costs more than to write it.
    pub(crate) fn replace(
        &self,
        name: &str,
        keep: Option<&str>,
        write: impl FnOnce(&OwnedFd) -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        let new = format!("{name}.new");
        let failed = |errno: Errno| self.cannot_write(&new, errno);
        let written = self
            .open_file(&new, OFlags::WRONLY | OFlags::CREATE)
            .map_err(failed)
            .and_then(|file| {
                let length = write(&file)?;
                ftruncate(&file, length).and_then(|()| fsync(&file)).map_err(failed)
            });
        if let Err(error) = written {
            // Half a file is of no use; the room that it takes may be.
            let _ = self.remove(&new);
            return Err(error);
        }
        self.take_name(&new, name, keep)
            .and_then(|()| self.sync())
            .map_err(|errno| self.cannot_write(name, errno))
    }

    fn take_name(&self, new: &str, name: &str, keep: Option<&str>) -> rustix::io::Result<()> {
        let Some(keep) = keep else { return self.rename(new, name) };
        self.pass_on([new, name, keep], |one, other| {
            renameat_with(&self.directory, one, &self.directory, other, RenameFlags::EXCHANGE)
        })
    }

    /// Each of three files gets the next one's name, the last one the first one's where files can
    /// be exchanged. At each moment `name` or `keep` is a whole file.
    fn pass_on(
        &self,
        [new, name, keep]: [&str; 3],
        exchange: impl Fn(&str, &str) -> rustix::io::Result<()>,
    ) -> rustix::io::Result<()> {
        if exchange(new, name).is_ok() {
            // `new` is the old one from here on.
            return exchange(new, keep).or_else(|_| self.rename(new, keep));
        }
        // There is no old one, or the file system cannot do that.
        match self.rename(name, keep) {
            Ok(()) | Err(Errno::NOENT) => self.rename(new, name),
            Err(errno) => Err(errno),
        }
    }

    /// Reads a file of at most `limit` bytes; `None` when there is none.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let file = match self.open_file(name, OFlags::RDONLY) {
            Ok(file) => std::fs::File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.cannot_read(name, errno)),
        };
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, limit), &mut bytes)
            .map_err(|error| self.cannot_read(name, error))?;
        Ok(Some(bytes))
    }
}

/// Writes all bytes or says why not.
pub(crate) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_a_state_directory_and_nobody_else_may_look() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/state");
        let first = State::open(&path).unwrap();
        assert!(matches!(State::open(&path), Err(StoreError::InUse { .. })));
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&path).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o700);
        drop(first);
        State::open(&path).unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(State::open(&file), Err(StoreError::Directory { .. })));
    }

    #[test]
    fn r18_generations_pass_on_also_where_files_cannot_be_exchanged() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        let mut at = [None, None];
        for generation in 0..4 {
            let text_of_it = format!("generation {generation}");
            std::fs::write(dir.path().join("new"), &text_of_it).unwrap();
            state.pass_on(["new", "name", "keep"], |_, _| Err(Errno::INVAL)).unwrap();
            at = [Some(text_of_it), std::mem::take(&mut at[0])];
            assert_eq!(([text("name"), text("keep")], text("new")), (at.clone(), None));
        }
        // Where they can, the oldest one stays to be written over.
        std::fs::write(dir.path().join("new"), "generation 4").unwrap();
        state.take_name("new", "name", Some("keep")).unwrap();
        let all = [text("name"), text("keep"), text("new")];
        let wanted = ["generation 4", "generation 3", "generation 2"];
        assert_eq!(all, wanted.map(|text| Some(text.to_owned())));
    }
}
