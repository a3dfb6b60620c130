//! What a tailer counts, and what it has to say.

use super::discover::ODD_MAX;
use super::file::FileKey;
use super::links::Meant;
use super::tailer::Tailer;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A shorter hole is not told.
pub(super) const HOLE_TOLD_BYTES: u64 = 1 << 20;
/// Notices that are kept for the caller; further ones are counted.
pub const NOTICES_MAX: usize = 256;

/// Sums over all files since the start, and gauges of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Gauge: files that are followed.
    pub files: u64,
    /// Gauge: of these, how many are open.
    pub open: u64,
    /// Gauge: directories that are looked into.
    pub directories: u64,
    /// Gauge: of these, how many have a watch.
    pub watches: u64,
    /// Gauge: of these, how many are polled because no watch was to be had.
    pub polled: u64,
    /// Gauge: files that cannot be read at the moment.
    pub unreadable: u64,
    /// Gauge: bytes on disk of deleted files that we hold open.
    pub deleted_bytes: u64,
    /// Gauge: bytes known to be there and not yet read.
    pub lag_bytes: u64,
    /// Bytes that were handed out.
    pub read_bytes: u64,
    /// Reads that handed out something.
    pub chunks: u64,
    /// Times that a name went to another file.
    pub rotated: u64,
    /// Files that were truncated or written anew in place, and offsets of a checkpoint that did
    /// not fit their file.
    pub rewritten: u64,
    /// Times that bytes may have been lost with a truncation or deletion.
    pub possible_losses: u64,
    /// Bytes that were known to be unread then.
    pub possible_loss_bytes: u64,
    /// Bytes that were read from the copy that was made before a truncation.
    pub recovered_bytes: u64,
    /// Deleted files that were let go unread because of a bound.
    pub dropped_files: u64,
    /// Their unread bytes.
    pub dropped_bytes: u64,
    /// Bytes of holes and long runs of NULs that were stepped over.
    pub hole_bytes: u64,
    /// Times that the kernel dropped events; everything was compared with the disk then.
    pub overflows: u64,
    /// Times that a file or directory could not be opened or read.
    pub failures: u64,
    /// Names that fit a pattern and are no regular file.
    pub special: u64,
    /// Links that were not followed because of their owner.
    pub links_refused: u64,
    /// Links that lead to themselves or to a directory that they lie in.
    pub loops: u64,
    /// Files and directories that were passed over because this process writes them.
    pub own: u64,
    /// Files and directories that were not followed because of a bound.
    pub refused: u64,
    /// Notices that nobody took in time.
    pub notices_lost: u64,
}

/// A file or directory that could not be read, and when it is tried again.
pub(crate) struct Retry {
    pub(super) at: Instant,
    pub(super) pause: Duration,
    /// What was wrong last.
    pub(super) errno: Errno,
    /// By what it is meant when it was renamed meanwhile.
    pub(super) meant: Option<Meant>,
}

impl Tailer {
    /// Counts on from the sums of a tailer that was there before.
    pub fn count_on(&mut self, before: &Stats) {
        let stats = &mut self.stats;
        stats.read_bytes += before.read_bytes;
        stats.chunks += before.chunks;
        stats.rotated += before.rotated;
        stats.rewritten += before.rewritten;
        stats.possible_losses += before.possible_losses;
        stats.possible_loss_bytes += before.possible_loss_bytes;
        stats.recovered_bytes += before.recovered_bytes;
        stats.dropped_files += before.dropped_files;
        stats.dropped_bytes += before.dropped_bytes;
        stats.hole_bytes += before.hole_bytes;
        stats.overflows += before.overflows;
        stats.failures += before.failures;
        stats.special += before.special;
        stats.links_refused += before.links_refused;
        stats.loops += before.loops;
        stats.own += before.own;
        stats.refused += before.refused;
        self.notices.lost += before.notices_lost;
    }

    /// A file or directory could not be read: told once, tried again with growing pauses.
    pub(super) fn cannot_read(&mut self, path: &Path, errno: Errno, now: Instant) {
        self.stats.failures += 1;
        let (first, longest) = self.limits.retry_every;
        if let Some(retry) = self.unreadable.get_mut(path) {
            retry.pause = (retry.pause * 2).min(longest);
            (retry.at, retry.errno) = (now + retry.pause, errno);
            return;
        }
        if self.unreadable.len() >= self.limits.files_max {
            return;
        }
        let retry = Retry { at: now + first, pause: first, errno, meant: None };
        self.unreadable.insert(path.to_owned(), retry);
        self.say_unreadable(path, errno);
    }

    /// The same of a file that had this path: told once; it is tried again with every look at it.
    pub(super) fn cannot_read_nameless(&mut self, path: &Path, errno: Errno) {
        self.stats.failures += 1;
        if self.odd.len() < ODD_MAX && self.odd.insert(path.to_owned()) {
            self.say_unreadable(path, errno);
        }
    }

    fn say_unreadable(&mut self, path: &Path, errno: Errno) {
        let reason = std::io::Error::from(errno).to_string();
        self.notices.say(Notice::Unreadable { path: path.to_owned(), reason });
    }

    pub(super) fn can_read(&mut self, path: &Path) {
        if !self.unreadable.is_empty() && self.unreadable.remove(path).is_some() {
            self.notices.say(Notice::Readable { path: path.to_owned() });
        }
    }

    /// A hole was stepped over.
    pub(super) fn tell_hole(&mut self, key: FileKey, bytes: u64) {
        let path = self.path_of(key);
        if self.is_odd(&path) {
            self.notices.say(Notice::Hole { path: path.to_path_buf(), bytes });
        }
    }

    /// Remembers a path of which something is told once; whether it is the first time.
    pub(super) fn is_odd(&mut self, path: &Path) -> bool {
        self.odd.len() < ODD_MAX && self.odd.insert(path.to_owned())
    }

    /// A link leads back to where it lies, or to itself.
    pub(super) fn tell_loop(&mut self, path: &Path) {
        if self.is_odd(path) {
            self.stats.loops += 1;
            self.notices.say(Notice::Loop { path: path.to_owned() });
        }
    }

    pub(super) fn too_many(&mut self, path: &Path) {
        self.stats.refused += 1;
        if self.is_odd(path) {
            self.notices.say(Notice::TooMany { path: path.to_owned() });
        }
    }
}

/// One file, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStat<'a> {
    /// Its key.
    pub key: FileKey,
    /// Where it was seen last.
    pub path: &'a Path,
    /// The number of its input.
    pub input: u32,
    /// Up to where it was read.
    pub offset: u64,
    /// Up to where it was committed.
    pub committed: u64,
    /// Its size when it was seen last, without NULs that reach to its end.
    pub size: u64,
    /// Whether it is deleted and held open.
    pub deleted: bool,
    /// Bytes that were handed out.
    pub read_bytes: u64,
    /// Bytes that may have been lost.
    pub possible_loss_bytes: u64,
}

impl FileStat<'_> {
    /// Bytes known to be there and not yet read.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.size.saturating_sub(self.offset)
    }
}

/// What happened to a file, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// It cannot be read, and will be tried again.
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It could not be read before, and now it can.
    Readable {
        /// The file or directory.
        path: PathBuf,
    },
    /// It is a pipe, a device or a socket.
    Special {
        /// Its path.
        path: PathBuf,
    },
    /// A link belongs to somebody else than what it points to.
    LinkRefused {
        /// The link.
        path: PathBuf,
    },
    /// A link leads to itself, or to a directory that it lies in.
    Loop {
        /// The link.
        path: PathBuf,
    },
    /// This process writes it.
    Own {
        /// The file, or the directory of all such files in it.
        path: PathBuf,
    },
    /// It was truncated or written anew; reading begins at 0.
    Rewritten {
        /// The file.
        path: PathBuf,
        /// The unread bytes of before that were found in a copy, if one was found.
        recovered: Option<u64>,
    },
    /// A hole, or NULs, were stepped over. Told once of a path.
    Hole {
        /// The file.
        path: PathBuf,
        /// How long it is.
        bytes: u64,
    },
    /// Another file has its name since nobody watched, and it is not found, nor a copy of it.
    Replaced {
        /// Its path.
        path: PathBuf,
        /// Up to where it was read.
        offset: u64,
    },
    /// Unread bytes are gone.
    PossibleLoss {
        /// The file.
        path: PathBuf,
        /// How many are known of.
        bytes: u64,
    },
    /// A deleted file was let go unread because it occupied too much for too long.
    Dropped {
        /// The file.
        path: PathBuf,
        /// Its unread bytes.
        bytes: u64,
    },
    /// It is gone and was not held open, because of a bound, although not all that was read of it
    /// has arrived.
    NotHeld {
        /// The file.
        path: PathBuf,
        /// What was read and has not arrived.
        bytes: u64,
    },
    /// There is no watch to be had for a directory, so it is polled.
    Polling {
        /// The directory; when a limit of the system is reached, the first one.
        path: PathBuf,
        /// Why, and what may be done.
        reason: String,
    },
    /// The kernel dropped events.
    Overflow,
    /// A bound on files or directories is reached.
    TooMany {
        /// What is not followed.
        path: PathBuf,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, reason } => {
                write!(f, "cannot read {}: {reason}; it is tried again", path.display())
            }
            Self::Readable { path } => write!(f, "{} can be read again", path.display()),
            Self::Special { path } => write!(f, "{} is no regular file", path.display()),
            Self::LinkRefused { path } => write!(
                f,
                "{} is a link of somebody who does not own what it points to, and is not followed",
                path.display()
            ),
            Self::Loop { path } => write!(
                f,
                "{} leads back to where it lies: nothing is read twice for that",
                path.display()
            ),
            Self::Own { path } => write!(
                f,
                "{} is not read, because this process writes it: exclude it from what is read, or \
                 write elsewhere",
                path.display()
            ),
            Self::Rewritten { path, recovered: Some(bytes) } => write!(
                f,
                "{} was truncated; its last {bytes} bytes are read from the copy beside it",
                path.display()
            ),
            Self::Rewritten { path, recovered: None } => {
                write!(f, "{} was truncated or written anew and is read from 0", path.display())
            }
            Self::Hole { path, bytes } => write!(
                f,
                "{} has a hole of {bytes} bytes, or as many NULs: it is stepped over",
                path.display()
            ),
            Self::Replaced { path, offset } => write!(
                f,
                "{} is another file than before; what was written to that one after byte {offset}, \
                 if anything, cannot be found as text",
                path.display()
            ),
            Self::PossibleLoss { path, bytes } => write!(
                f,
                "{} lost at least {bytes} bytes before they were read; rotate by renaming",
                path.display()
            ),
            Self::Dropped { path, bytes } => write!(
                f,
                "{} is deleted and was let go with {bytes} unread bytes, to free the disk",
                path.display()
            ),
            Self::NotHeld { path, bytes } => write!(
                f,
                "{} is gone and is not held open, because of a bound: {bytes} bytes of it have \
                 not arrived, and are lost if this process ends before they do",
                path.display()
            ),
            Self::Polling { path, reason } => {
                write!(f, "no watch for {}, so it is polled: {reason}", path.display())
            }
            Self::Overflow => f.write_str(
                "the kernel dropped events, and everything was compared with the disk; raise \
                 fs.inotify.max_queued_events",
            ),
            Self::TooMany { path } => {
                write!(f, "{} is not followed: a bound is reached", path.display())
            }
        }
    }
}

/// Notices that wait for the caller.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: VecDeque<Notice>,
    pub(crate) lost: u64,
}

impl Notices {
    pub(crate) fn say(&mut self, notice: Notice) {
        if self.waiting.len() < NOTICES_MAX {
            self.waiting.push_back(notice);
        } else {
            self.lost += 1;
        }
    }

    pub(crate) fn take(&mut self) -> Option<Notice> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_that_nobody_takes_are_bounded_and_counted() {
        let mut notices = Notices::default();
        for _ in 0..NOTICES_MAX + 3 {
            notices.say(Notice::Overflow);
        }
        assert_eq!(notices.lost, 3);
        assert_eq!(std::iter::from_fn(|| notices.take()).count(), NOTICES_MAX);
    }
}
