//! Opening files so that nobody has us read what he may not read himself.
//!
//! Names are looked at by their whole path, and whoever owns a directory of it may point the path
//! elsewhere at any moment. So what is new is opened in its directory, which must be the one that
//! is known, and the owner of a link is that of the very link whose target is opened. What is
//! opened once more is compared with what it was.

use super::discover::kind;
use super::identity::{Identity, from_stat, look_at};
use super::tailer::Tailer;
use rustix::fs::{CWD, FileType, Mode, OFlags, Statx, readlinkat};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

/// Open files are counted after so many were opened.
pub(super) const OPENS_PER_COUNT: u64 = 64;

/// A directory by its number, and the owner of the link when a name in it is one.
pub(crate) type Via = (u32, Option<u32>);

impl Tailer {
    /// Opens a path that was seen to be a regular file, in a directory of this number. It may have
    /// become something else meanwhile, so nothing that could block or act is done with it.
    pub(super) fn open_regular(
        &mut self,
        path: &Path,
        dir: Option<u32>,
        link: Option<u32>,
        now: Instant,
    ) -> Option<(OwnedFd, Identity, Statx)> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.opens += 1;
        if self.opens.is_multiple_of(OPENS_PER_COUNT) {
            self.bound_open(self.limits.open_max);
        }
        let mut opened = self.open_path(path, dir, link, flags);
        if matches!(opened, Err(Errno::MFILE | Errno::NFILE)) {
            self.bound_open(self.files.len() / 2);
            opened = self.open_path(path, dir, link, flags);
        }
        let (fd, link) = match opened {
            Ok(opened) => opened,
            // It changed under our hands; the event of that comes.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return None,
            Err(errno) => {
                self.cannot_read(path, errno, now);
                return None;
            }
        };
        let (identity, stat) = Identity::of(fd.as_fd()).ok()?;
        (kind(&stat) == FileType::RegularFile && may_lead(link, &stat))
            .then_some((fd, identity, stat))
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

/// Opens a file read-only for a comparison, without following a link.
pub(super) fn peek(path: &Path) -> Option<(OwnedFd, Identity, Statx)> {
    peek_in(CWD, path.as_os_str().as_bytes())
}

/// The same in a directory.
pub(super) fn peek_in(dir: BorrowedFd<'_>, name: &[u8]) -> Option<(OwnedFd, Identity, Statx)> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let fd = open(dir, name, flags).ok()?;
    let (identity, stat) = Identity::of(fd.as_fd()).ok()?;
    (kind(&stat) == FileType::RegularFile).then_some((fd, identity, stat))
}
