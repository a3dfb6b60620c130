//! Deleted files that were read to their end although not all of their bytes have arrived: a crash
//! would lose what is on its way, because nobody finds such a file again. So who keeps bytes
//! elsewhere can have them before they are closed. When the process ends, the same is true of files
//! that were renamed to where the next start does not look.

use super::file::{File, FileKey, State};
use super::identity::read_at;
use super::stats::Notice;
use super::tailer::{Chunk, Given, Tailer};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// So many wait to be taken; further ones stay open until these were.
pub const GONE_MAX: usize = 256;

/// A deleted file whose end was reached.
#[derive(Debug)]
pub struct Gone {
    /// Its key, under which nothing more is read.
    pub key: FileKey,
    /// Up to where it was read.
    pub end: u64,
    file: Option<OwnedFd>,
}

/// Why the next start does not read on in a file behind what has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfound {
    /// It is deleted, or has no name that a start looks for.
    Gone,
    /// It was truncated or written anew, and no copy has what it held.
    Rewritten,
    /// No input means it any more.
    Unmeant,
}

impl Gone {
    /// Reads bytes from an offset on; how many.
    pub fn read(&self, start: u64, buffer: &mut [u8]) -> usize {
        self.file.as_ref().map_or(0, |file| read_at(file.as_fd(), buffer, start))
    }

    /// Whether it has its room on the disk still.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Gives its room on the disk back: nothing of it can be read any more.
    pub fn close(&mut self) {
        self.file = None;
    }
}

impl Tailer {
    /// The next bytes of a file that is deleted, or that no start finds ([`Tailer::prepare_end`]):
    /// nobody will find them again. For keeping them elsewhere while the way out is blocked: files
    /// that are still there, and whose turn it would be before, are not waited for. Which files
    /// are deleted is what [`Tailer::tend`] has seen: who keeps what was read of a file before the
    /// rest of it must not meet one here that [`Tailer::deleted`] did not tell.
    pub fn turn_vanishing(&mut self, now: Instant) -> Option<Chunk<'_>> {
        let vanishing: Vec<FileKey> = self
            .attended
            .iter()
            .copied()
            .filter(|key| self.files.get(*key).is_some_and(File::is_vanishing))
            .collect();
        // Nothing is found yet where NULs are looked through.
        let is_told = |given: &Given| given.len > 0 || given.flags.last;
        let mut given = vanishing
            .iter()
            .find_map(|key| std::iter::from_fn(|| self.read(*key, now)).find(is_told));
        if given.is_none() {
            // What is left waits for files that are there later, too.
            given = vanishing
                .iter()
                .find_map(|key| std::iter::from_fn(|| self.read_now(*key, now)).find(is_told));
        }
        let given = given?;
        Some(self.chunk(&given))
    }

    /// Closes a file, unless not all that was read of it has arrived. When it is deleted then, it
    /// is kept for [`Tailer::take_gone`]; when it is renamed, it stays open, because it may be
    /// deleted yet, or be where no start finds it. So does a deleted one while too many are kept.
    pub(super) fn part_with(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        let is_missed = file.committed < file.offset;
        let is_full = self.gone.len() + self.gone_held >= GONE_MAX;
        match file.state {
            State::Renamed if is_missed => {}
            State::Deleted if is_missed && is_full => {}
            State::Deleted if is_missed => {
                let gone = file.fd.take().map(|fd| Gone { key, end: file.offset, file: Some(fd) });
                self.gone.extend(gone);
            }
            _ => file.fd = None,
        }
    }

    /// Whether a deleted file has to stay open until those were taken that wait for that.
    pub(super) fn waits_for_room(&self, key: FileKey) -> bool {
        self.gone.len() + self.gone_held >= GONE_MAX
            && self.files.get(key).is_some_and(|file| {
                let is_missed = file.fd.is_some() && file.committed < file.offset;
                file.state == State::Deleted && is_missed
            })
    }

    /// Tells that a file that is gone cannot be read once more, although not all that was read of
    /// it has arrived.
    pub(super) fn tell_not_held(&mut self, key: FileKey) {
        let Some(file) = self.files.get(key) else { return };
        let bytes = file.offset.saturating_sub(file.committed);
        if bytes > 0 {
            self.notices.say(Notice::NotHeld { path: file.path.to_path_buf(), bytes });
        }
    }

    /// The deleted files that were read to their end since this was last asked and of which not
    /// everything had arrived then. They occupy the disk until they are dropped; `held` is how
    /// many of those that were taken before are not.
    pub fn take_gone(&mut self, held: usize) -> Vec<Gone> {
        self.gone_held = held;
        std::mem::take(&mut self.gone)
    }

    /// This process ends soon. Renamed files that the next start would not find are like deleted
    /// ones from now on, but for their records. Of both, what is written after this is not read any
    /// more, so that keeping them has an end.
    pub fn prepare_end(&mut self, now: Instant) {
        self.tend(now);
        // What was a copy then may be compressed or deleted by now.
        let is_remembered = |file: &File| file.copied.is_some_and(|end| end < u64::MAX);
        let remembered = self.files.iter().filter(|(_, file)| is_remembered(file));
        for key in remembered.map(|(key, _)| key).collect::<Vec<_>>() {
            self.remember_copy(key);
        }
        for key in self.attended.clone() {
            self.files.get_mut(key).and_then(|file| file.look_at_links(now));
            let end = self.files.get(key).filter(|file| !self.finds(file)).map(|file| file.size);
            if let Some(file) = self.files.get_mut(key) {
                file.last_end = end;
            }
        }
    }

    /// Why the next start does not read on behind what has arrived of a file, unless it does, and
    /// from which offset on it does not. Only a deleted file is not known any more before all of it
    /// has arrived.
    #[must_use]
    pub fn unfound(&self, key: FileKey) -> Option<(Unfound, u64)> {
        let Some(file) = self.files.get(key) else { return Some((Unfound::Gone, 0)) };
        if let Some(from) = file.lost_from() {
            return Some((Unfound::Rewritten, from));
        }
        // Should an input mean it again, it is read on under another key.
        let is_last = self.by_place.get(&file.identity.place()) == Some(&key);
        match file.state {
            State::Retired if is_last => Some((Unfound::Unmeant, 0)),
            _ => file.stat(key).deleted.then_some((Unfound::Gone, 0)),
        }
    }

    /// Whether the next start finds a file.
    fn finds(&self, file: &File) -> bool {
        match file.state {
            State::Live | State::Copy | State::Retired => true,
            State::Renamed => self.finds_renamed(file),
            State::Deleted => false,
        }
    }

    /// The same of a file that has no name that is meant.
    pub(super) fn finds_renamed(&self, file: &File) -> bool {
        let is_looked_for = self.looks_for(file.called()).is_some();
        is_looked_for && self.folders(file.called()).is_ok_and(|folders| file.lies_in(&folders))
    }

    /// The files that are still held and have no name any more, or none that a start finds, each
    /// with its offset. Of a renamed file no event tells that it is deleted, so it is looked for
    /// here, not only with each tick.
    pub fn deleted(&mut self, now: Instant) -> Vec<(FileKey, u64)> {
        let mut deleted = Vec::new();
        for key in &self.attended {
            if let Some(file) = self.files.get_mut(*key)
                && (file.look_at_links(now) == Some(0) || file.last_end.is_some())
            {
                deleted.push((*key, file.offset));
            }
        }
        deleted
    }
}
