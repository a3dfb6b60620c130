//! Deleted files that were read to their end although not all of their bytes have arrived: a crash
//! would lose what is on its way, because nobody finds such a file again. So who keeps bytes
//! elsewhere can have them before they are closed.

use super::file::{FileKey, State};
use super::identity::read_at;
use super::tailer::Tailer;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// So many wait to be taken; further ones are closed.
pub const GONE_MAX: usize = 256;

/// A deleted file whose end was reached.
#[derive(Debug)]
pub struct Gone {
    /// Its key, under which nothing more is read.
    pub key: FileKey,
    /// Up to where it was read.
    pub end: u64,
    file: OwnedFd,
}

impl Gone {
    /// Reads bytes from an offset on; how many.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> usize {
        read_at(self.file.as_fd(), buffer, start)
    }
}

impl Tailer {
    /// Closes a file. When it is deleted and not all that was read of it has arrived, it is kept
    /// for [`Tailer::take_gone`].
    pub(super) fn part_with(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        let Some(fd) = file.fd.take() else { return };
        let is_missed = file.state == State::Deleted && file.committed < file.offset;
        if is_missed && self.gone.len() < GONE_MAX {
            self.gone.push(Gone { key, end: file.offset, file: fd });
        }
    }

    /// The deleted files that were read to their end since this was last asked and of which not
    /// everything had arrived then. They occupy the disk until they are dropped.
    pub fn take_gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// The files that are still read and have no name any more, each with its offset. Of a renamed
    /// file no event tells that, so it is looked for here, not only with each tick.
    pub fn deleted(&mut self, now: Instant) -> Vec<(FileKey, u64)> {
        let mut deleted = Vec::new();
        for key in &self.attended {
            if let Some(file) = self.files.get_mut(*key)
                && file.look_at_links(now) == Some(0)
            {
                deleted.push((*key, file.offset));
            }
        }
        deleted
    }
}
