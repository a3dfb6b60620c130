//! Opening files so that nobody has us read what he may not read himself.
//!
//! Names are looked at by their whole path, and whoever owns a directory of it may point the path
//! elsewhere at any moment. So what is new is opened in its directory, which must be the one that
//! is known, and the owner of a link is that of the very link whose target is opened. What is
//! opened once more is compared with what it was.

use super::discover::kind;
use super::file::{FileKey, State};
use super::identity::{Identity, from_stat, look, look_at};
use super::tailer::Tailer;
use rustix::fs::{CWD, FileType, Mode, OFlags, Statx, readlinkat};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::DirEntry;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A directory by its number, and the owner of the link when a name in it is one.
pub(crate) type Via = (u32, Option<u32>);

/// Descriptors to look up where a link leads: one of its directory, and one of itself.
const SPARE: usize = 2;

/// What is open.
#[derive(Default)]
pub(crate) struct Open {
    /// So many files, or fewer.
    pub(super) files: usize,
    /// Kept for when there are no other descriptors.
    spare: Vec<OwnedFd>,
}

impl Open {
    /// Gives the spare descriptors away.
    pub(super) fn spend(&mut self) {
        self.spare.clear();
    }

    /// Has spare descriptors, as far as there are any.
    pub(super) fn save(&mut self) {
        while self.spare.len() < SPARE
            && let Ok(fd) = open(CWD, b"/", OFlags::PATH | OFlags::DIRECTORY)
        {
            self.spare.push(fd);
        }
    }
}

impl Tailer {
    /// Opens a path that was seen to be a regular file, in a directory of this number. It may have
    /// become something else meanwhile, so nothing that could block or act is done with it.
    pub(super) fn open_regular(
        &mut self,
        path: &Path,
        dir: Option<u32>,
        link: Option<u32>,
        now: Instant,
    ) -> Option<Opened> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let (fd, link) = match self.within_bound(|it| it.open_path(path, dir, link, flags)) {
            Ok(opened) => opened,
            // It changed under our hands; the event of that comes.
            Err(errno) if is_elsewhere(errno) => return None,
            Err(errno) => {
                self.cannot_read(path, errno, now);
                return None;
            }
        };
        let (identity, stat) = Identity::of(fd.as_fd()).ok()?;
        (kind(&stat) == FileType::RegularFile && may_lead(link, &stat))
            .then_some((fd, identity, stat))
    }

    /// Opens a file that was closed, when its name still leads to it, or it can be found again.
    pub(super) fn ensure_open(&mut self, key: FileKey, now: Instant) -> Option<()> {
        let file = self.files.get(key)?;
        if file.fd.is_some() {
            return Some(());
        }
        let (path, identity) = (Arc::clone(&file.path), file.identity);
        if file.state == State::Renamed {
            let errno = self.find_closed(key).err();
            if let Some(errno) = errno {
                if errno != Errno::NOENT {
                    self.cannot_read_nameless(&path, errno);
                }
                self.unnamed.push(key);
                self.at_end(key);
            }
            return errno.is_none().then_some(());
        }
        let links = std::fs::symlink_metadata(&path).ok();
        let link = links
            .filter(|meta| meta.file_type().is_symlink())
            .map(|meta| std::os::unix::fs::MetadataExt::uid(&meta));
        match self.open_regular(&path, None, link, now) {
            Some((fd, found, _)) if found.same(&identity) => {
                self.files.get_mut(key)?.fd = Some(fd);
                return Some(());
            }
            Some(_) => {
                // Another file under the same inode number: the name was taken over.
                let homes = self.files.get(key)?.homes.clone();
                for home in homes {
                    self.detach(key, home.directory, &home.name);
                    self.refresh(home.directory, &home.name, None, now);
                }
                self.settle(now);
            }
            None => {}
        }
        // Nobody waits for a file that cannot be read.
        self.at_end(key);
        None
    }

    /// Opens a file that was closed and has lost its name, or was renamed before: it is looked for
    /// at its path, by the name that it has, in the directory where it was, and beside what its
    /// name leads to as a link.
    ///
    /// # Errors
    /// `NOENT` when it is not there; any other one says nothing of that.
    pub(super) fn find_closed(&mut self, key: FileKey) -> rustix::io::Result<()> {
        let file = self.files.get(key).ok_or(Errno::NOENT)?;
        let (path, identity) = (Arc::clone(&file.path), file.identity);
        let home = file.homes.first();
        let named = home.and_then(|home| self.path_in(home.directory, &home.name));
        let (fd, ..) = self.within_bound(|tailer| {
            let named = [Some(&*path), named.as_deref()].into_iter().flatten();
            let named = named.map(|at| open_as(at, &identity, None));
            let listed = std::iter::once_with(|| {
                first_of(tailer.folders(&path)?.into_iter().map(|(folder, owner)| {
                    open_as(&at_inode(&folder, identity.inode)?, &identity, owner)
                }))
            });
            first_of(named.chain(listed))
        })?;
        self.files.get_mut(key).ok_or(Errno::NOENT)?.fd = Some(fd);
        Ok(())
    }

    /// Opens a file, or what it is looked for in, with no more open than the bound allows, and once
    /// more with half as many when no descriptor is left.
    pub(super) fn within_bound<T>(
        &mut self,
        open: impl Fn(&Self) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        self.open.files += 1;
        if self.open.files > self.limits.open_max {
            self.bound_open(self.limits.open_max.saturating_sub(1));
        }
        let opened = open(self);
        if opened.as_ref().is_err_and(|errno| is_short(*errno)) {
            self.bound_open(self.count_open() / 2);
            return open(self);
        }
        opened
    }

    /// What a path leads to that was just looked at, when its directory is still the known one and
    /// the owner of the link allows it.
    pub(super) fn look_through(&self, path: &Path, (dir, link): Via) -> rustix::io::Result<Statx> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let (fd, link) = self.open_path(path, Some(dir), link, flags)?;
        let stat = look_at(fd.as_fd())?;
        may_lead(link, &stat).then_some(stat).ok_or(Errno::NOENT)
    }

    /// Opens a path; with the owner of the link that it is.
    fn open_path(
        &self,
        path: &Path,
        dir: Option<u32>,
        link: Option<u32>,
        flags: OFlags,
    ) -> rustix::io::Result<(OwnedFd, Option<u32>)> {
        let nofollow = if link.is_none() { OFlags::NOFOLLOW } else { OFlags::empty() };
        let Some(dir) = dir else {
            return Ok((open(CWD, path.as_os_str().as_bytes(), flags | nofollow)?, link));
        };
        let (dir, name) = (self.open_dir(dir)?, path.file_name().ok_or(Errno::NOENT)?.as_bytes());
        if link.is_none() {
            return Ok((open(dir.as_fd(), name, flags | nofollow)?, None));
        }
        let (target, owner) = read_link(dir.as_fd(), name)?;
        Ok((open(dir.as_fd(), target.as_bytes(), flags)?, Some(owner)))
    }

    /// Where a link in a known directory leads, and whose it is.
    pub(super) fn read_link(&self, dir: u32, name: &[u8]) -> rustix::io::Result<(CString, u32)> {
        read_link(self.open_dir(dir)?.as_fd(), name)
    }

    /// A known directory; nothing when its path leads elsewhere by now.
    pub(super) fn open_dir(&self, dir: u32) -> rustix::io::Result<OwnedFd> {
        let known = self.dirs.get(dir as usize).and_then(Option::as_ref).ok_or(Errno::NOENT)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let fd = open(CWD, known.path.as_os_str().as_bytes(), flags)?;
        let is_same = from_stat(&look_at(fd.as_fd())?).place() == known.place;
        is_same.then_some(fd).ok_or(Errno::NOENT)
    }
}

/// Whether a link of this owner may lead to this.
pub(super) fn may_lead(link: Option<u32>, to: &Statx) -> bool {
    link.is_none_or(|owner| owner == 0 || owner == to.stx_uid)
}

fn read_link(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<(CString, u32)> {
    let link = open(dir, name, OFlags::PATH | OFlags::NOFOLLOW)?;
    Ok((readlinkat(&link, "", Vec::new())?, look_at(link.as_fd())?.stx_uid))
}

/// Opens a file so that reading it does not change when it was read last: else nearly every read
/// of a file that grows would write its inode. Only the owner of a file may ask for that.
fn open(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(dir, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// Whether there was no descriptor left.
pub(super) fn is_short(errno: Errno) -> bool {
    matches!(errno, Errno::MFILE | Errno::NFILE)
}

/// Whether this says that a file is not there, and nothing of whether it can be opened.
pub(super) fn is_elsewhere(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO)
}

/// A file that is open, and what it is.
pub(super) type Opened = (OwnedFd, Identity, Statx);

/// A file of a directory with this inode number.
fn at_inode(directory: &Path, inode: u64) -> rustix::io::Result<PathBuf> {
    let found = entries(directory)?.find(|entry| entry.ino() == inode);
    found.map(|entry| entry.path()).ok_or(Errno::NOENT)
}

pub(super) fn entries(directory: &Path) -> rustix::io::Result<impl Iterator<Item = DirEntry>> {
    let entries = std::fs::read_dir(directory);
    Ok(entries.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?.flatten())
}

/// Opens what lies at a path when it is this file, and the owner of a link may have it read.
pub(super) fn open_as(
    at: &Path,
    identity: &Identity,
    owner: Option<u32>,
) -> rustix::io::Result<Opened> {
    // That another file cannot be opened says nothing of this one.
    if !from_stat(&look(at, false)?).same(identity) {
        return Err(Errno::NOENT);
    }
    let opened = peek(at)?;
    let is_it = identity.same(&opened.1) && may_lead(owner, &opened.2);
    is_it.then_some(opened).ok_or(Errno::NOENT)
}

/// The first that is found; when none is, what went wrong but for that they are not there.
pub(super) fn first_of<T>(
    found: impl Iterator<Item = rustix::io::Result<T>>,
) -> rustix::io::Result<T> {
    let mut failed = Errno::NOENT;
    for one in found {
        match one {
            Ok(one) => return Ok(one),
            Err(errno) if is_elsewhere(errno) => {}
            Err(errno) => failed = errno,
        }
    }
    Err(failed)
}

/// Opens a file read-only for a comparison, without following a link.
pub(super) fn peek(path: &Path) -> rustix::io::Result<Opened> {
    peek_in(CWD, path.as_os_str().as_bytes())
}

/// The same in a directory.
pub(super) fn peek_in(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Opened> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let fd = open(dir, name, flags)?;
    let (identity, stat) = Identity::of(fd.as_fd())?;
    let is_file = kind(&stat) == FileType::RegularFile;
    is_file.then_some((fd, identity, stat)).ok_or(Errno::NOENT)
}
