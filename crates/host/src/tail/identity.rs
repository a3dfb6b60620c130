//! What makes a file the same file: where it lies, when it was born, how it begins, and what
//! stands before the offset that was reached.

use crate::hash::Fnv;
use crate::sys;
use rustix::fs::{AtFlags, Statx, StatxFlags};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

/// How much of a file's beginning is fingerprinted, in bytes.
pub const HEAD_BYTES_MAX: usize = 1024;
/// How much before an offset is fingerprinted, in bytes.
pub const MARKER_BYTES_MAX: usize = 64;

/// Where a file lies and which of all files at that place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// The device of the file system. Inode numbers mean nothing without it.
    pub device: u64,
    /// The inode number, which the next file may get.
    pub inode: u64,
    /// When the file was made, in nanoseconds since 1970; 0 when the file system does not say.
    pub birth_ns: u64,
    /// A hash of the file handle, which holds the inode's generation; 0 when there is none.
    pub handle: u64,
}

impl Identity {
    /// Whether both are one file, as far as can be said without its content.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode && self.same_life(other)
    }

    /// The same but for the device, whose number may change when the machine starts again.
    #[must_use]
    pub(crate) fn same_but_for_device(&self, other: &Self) -> bool {
        self.inode == other.inode && self.birth_ns != 0 && self.same_life(other)
    }

    fn same_life(&self, other: &Self) -> bool {
        let agree = |a: u64, b: u64| a == 0 || b == 0 || a == b;
        agree(self.handle, other.handle) && agree(self.birth_ns, other.birth_ns)
    }

    /// The key of tables of files.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// The identity of an open file.
    pub(crate) fn of(file: BorrowedFd<'_>) -> rustix::io::Result<(Self, Statx)> {
        let stat = look_at(file)?;
        let mut identity = from_stat(&stat);
        identity.handle = sys::handle_of(file.as_fd());
        Ok((identity, stat))
    }
}

/// What is asked about a file.
fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

/// Looks at a path; `follow` decides whose properties of a link are meant.
pub(crate) fn look(path: &Path, follow: bool) -> rustix::io::Result<Statx> {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    rustix::fs::statx(rustix::fs::CWD, path, flags, wanted())
}

/// Looks at what is open.
pub(crate) fn look_at(file: BorrowedFd<'_>) -> rustix::io::Result<Statx> {
    rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted())
}

/// When a file was changed last, its content or what is known of it, in nanoseconds since 1970.
pub(crate) fn changed_ns(stat: &Statx) -> u64 {
    let seconds = u64::try_from(stat.stx_ctime.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + u64::from(stat.stx_ctime.tv_nsec)
}

/// The identity without the handle.
pub(crate) fn from_stat(stat: &Statx) -> Identity {
    Identity {
        device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        birth_ns: if stat.stx_mask & StatxFlags::BTIME.bits() == 0 {
            0
        } else {
            let seconds = u64::try_from(stat.stx_btime.tv_sec).unwrap_or(0);
            seconds.saturating_mul(1_000_000_000) + u64::from(stat.stx_btime.tv_nsec)
        },
        handle: 0,
    }
}

/// The fingerprint of how a file begins; it grows with the file up to [`HEAD_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// How many bytes were taken.
    pub len: u16,
    /// Their hash.
    pub hash: u64,
}

impl Head {
    /// The fingerprint of these bytes, or of as many as count. NULs at their end may be room that
    /// is written later, so they do not.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let taken = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
        let taken = taken.get(..taken.len() - nuls_at_end(taken)).unwrap_or_default();
        Self { len: u16::try_from(taken.len()).unwrap_or(0), hash: Fnv::of(taken) }
    }

    /// Takes what follows in the file; `start` is where `bytes` lie.
    pub(crate) fn grow(&mut self, start: u64, bytes: &[u8]) {
        let len = usize::from(self.len);
        let known = u64::from(self.len);
        if len >= HEAD_BYTES_MAX || start > known {
            return;
        }
        let Some(more) = usize::try_from(known - start).ok().and_then(|at| bytes.get(at..)) else {
            return;
        };
        let more = more.get(..HEAD_BYTES_MAX - len).unwrap_or(more);
        let mut hash = if len == 0 { Fnv::default() } else { Fnv::from_value(self.hash) };
        hash.add(more);
        self.hash = hash.value();
        self.len += u16::try_from(more.len()).unwrap_or(0);
    }

    /// Whether a file that begins with these bytes may be the one with this fingerprint.
    pub(crate) fn fits(&self, beginning: &[u8]) -> bool {
        self.len == 0
            || beginning.get(..usize::from(self.len)).is_some_and(|b| Fnv::of(b) == self.hash)
    }

    /// The same when something was read of the file: one of whose beginning nothing is known then
    /// begins with a hole.
    pub(crate) fn fits_read(&self, beginning: &[u8]) -> bool {
        if self.len == 0 { beginning.first() == Some(&0) } else { self.fits(beginning) }
    }
}

/// The fingerprint of what stands before an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marker {
    /// How many bytes were taken; 0 when nothing is known.
    pub len: u8,
    /// Their hash.
    pub hash: u64,
}

impl Marker {
    /// The fingerprint of the end of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let from = bytes.len().saturating_sub(MARKER_BYTES_MAX);
        let taken = bytes.get(from..).unwrap_or_default();
        Self { len: u8::try_from(taken.len()).unwrap_or(0), hash: Fnv::of(taken) }
    }

    /// Whether this stands before the offset in the file.
    pub(crate) fn fits(&self, file: BorrowedFd<'_>, offset: u64) -> bool {
        if self.len == 0 {
            return true;
        }
        let Some(start) = offset.checked_sub(u64::from(self.len)) else { return false };
        let mut bytes = [0; MARKER_BYTES_MAX];
        let Some(room) = bytes.get_mut(..usize::from(self.len)) else { return false };
        read_at(file, room, start) == room.len() && Fnv::of(room) == self.hash
    }
}

/// How many NULs end these bytes.
pub(crate) fn nuls_at_end(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| **byte == 0).count()
}

/// Reads until the buffer is full, the file ends or an error comes; the number of bytes.
pub(crate) fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> usize {
    let mut done = 0;
    while let Some(room) = buffer.get_mut(done..).filter(|room| !room.is_empty()) {
        match rustix::io::pread(file, room, offset + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    done
}

/// Where reading a file may go on, as a checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Where the file was seen last, by a name that is meant or that a rotation gives.
    pub path: Arc<Path>,
    /// Which file it is.
    pub identity: Identity,
    /// Everything before this byte has arrived.
    pub offset: u64,
    /// How the file begins.
    pub head: Head,
    /// What stands before the offset.
    pub marker: Marker,
}

impl Resume {
    /// Whether the open file is the one that was meant, so that the offset can be trusted:
    /// it is long enough, begins in the same way and has the same bytes before the offset.
    pub(crate) fn fits(&self, file: BorrowedFd<'_>, size: u64, beginning: &[u8]) -> bool {
        self.offset <= size && self.head.fits(beginning) && self.marker.fits(file, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_a_head_grows_with_its_file_and_fits_every_longer_one() {
        let text: Vec<u8> = (0..3000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut head = Head::default();
        head.grow(0, &text[..10]);
        assert!(head.fits(&text[..10]) && head.fits(&text) && !head.fits(&text[..9]));
        head.grow(5, &text[5..100]);
        assert_eq!(head, Head::of(&text[..100]));
        head.grow(200, &text[200..]);
        assert_eq!(head.len, 100, "a gap is not jumped over");
        head.grow(100, &text[100..]);
        assert_eq!(head, Head::of(&text));
        assert_eq!(usize::from(head.len), HEAD_BYTES_MAX);
    }

    #[test]
    fn r1_a_head_does_not_count_room_that_is_written_later() {
        let head = Head::of(b"one\n\0\0\0");
        assert_eq!(head, Head::of(b"one\n"));
        assert!(head.fits(b"one\ntwo\n"));
        assert_eq!(Head::of(&[0; HEAD_BYTES_MAX]).len, 0);
    }

    #[test]
    fn r3_equal_inode_numbers_on_two_devices_are_two_files() {
        let one = Identity { device: 1, inode: 7, birth_ns: 9, handle: 3 };
        assert!(!one.same(&Identity { device: 2, ..one }));
        assert!(!one.same(&Identity { handle: 4, ..one }));
        assert!(!one.same(&Identity { birth_ns: 8, ..one }));
        assert!(one.same(&Identity { handle: 0, ..one }));
    }
}
