//! Deleted files that were read to their end, while not every sink has all of them: they are held
//! until that is so or the rest is kept aside.

use super::{Aside, Core, Sources};
use host::tail::{Gone, Tailer};
use pipeline::ledger::FileId;
use std::time::{Duration, Instant};

/// So long the sinks may take for what was read of a deleted file before it is kept aside.
pub(in crate::reader) const PATIENCE: Duration = Duration::from_secs(1);

/// So long a deleted file that was read and cannot be kept aside is held, which occupies the disk.
/// After that what no sink has of it is in memory alone.
const HELD_MAX: Duration = Duration::from_secs(300);

/// A deleted file that was read to its end.
pub(super) struct Held {
    file: FileId,
    gone: Gone,
    since: Instant,
    /// When it was tried last to keep it aside.
    tried: Instant,
    /// So many bytes could not be kept aside then.
    left: u64,
    is_told: bool,
}

impl Aside {
    /// Whether one waits to be kept aside.
    pub(in crate::reader) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether this file is among them.
    pub(super) fn holds(&self, file: FileId) -> bool {
        self.held.iter().any(|held| held.file == file)
    }

    /// So much that was read of a file, which was deleted then, is in memory alone.
    fn short_of(&self, file: FileId, sources: &Sources) -> u64 {
        let end = self.short.get(&file).copied().unwrap_or(0);
        let source = sources.get(file.slot).filter(|source| source.id == file);
        source.map_or(0, |source| end.saturating_sub(self.begin(source)))
    }
}

impl Core {
    /// Keeps aside what was read of deleted files that were read to their end, when the sinks have
    /// not taken it within `patience`. What there is no room for is tried again after that time.
    #[inline(never)]
    pub(crate) fn keep_gone(&mut self, tailer: &mut Tailer, now: Instant, patience: Duration) {
        self.aside.refused.clear();
        let open = self.aside.held.iter().filter(|held| held.gone.is_open()).count();
        for gone in tailer.take_gone(open) {
            // Its key is that of no file soon. When there is none, every sink is done with it.
            if let Some(file) = self.sources.id(gone.key) {
                let left = self.aside.short_of(file, &self.sources);
                let is_told = self.aside.short.remove(&file).is_some();
                let held = Held { file, gone, since: now, tried: now, left, is_told };
                self.aside.held.push_back(held);
            }
        }
        let is_due = |one: &&Held| now.saturating_duration_since(one.tried) >= patience;
        let due = self.aside.held.iter().take_while(is_due).count();
        let mut is_kept = false;
        for _ in 0..due {
            let Some(mut held) = self.aside.held.pop_front() else { break };
            if now.saturating_duration_since(held.since) >= HELD_MAX {
                held.gone.close();
            }
            let gone = &held.gone;
            let read = &mut |start, room: &mut [u8]| gone.read(start, room);
            let Some(outcome) = self.keep_read(held.file, gone.end, true, read) else { continue };
            is_kept |= outcome.is_kept;
            if outcome.left > 0 && !std::mem::replace(&mut held.is_told, true) {
                self.tell_short(&outcome);
            }
            if !outcome.is_whole {
                self.aside.held.push_back(Held { tried: now, left: outcome.left, ..held });
            }
            // The others are tried at the next looks, one at each while the disk is full.
            if outcome.refused.is_some() && !patience.is_zero() {
                break;
            }
        }
        if is_kept {
            self.aside.sync();
        }
        if due > 0 {
            self.count_memory_only();
        }
    }

    /// Counts what of deleted files that are still read is in memory alone; no sink may have had
    /// it, or only some, when it was counted last.
    pub(in crate::reader) fn count_short(&mut self) {
        let (aside, sources) = (&mut self.aside, &self.sources);
        if aside.short.is_empty() && aside.short_bytes == 0 {
            return;
        }
        aside.short.retain(|file, _| sources.get(file.slot).is_some_and(|one| one.id == *file));
        aside.short_bytes = aside.short.keys().map(|file| aside.short_of(*file, sources)).sum();
        self.count_memory_only();
    }

    /// Tells how much of deleted files is in memory alone.
    pub(in crate::reader) fn count_memory_only(&self) {
        let vanished = self.vanished.as_ref().map_or(0, |one| one.bytes.len() as u64);
        let held: u64 = self.aside.held.iter().map(|held| held.left).sum();
        self.numbers.memory_only_bytes.set(vanished + held + self.aside.short_bytes);
    }

    /// Nothing waits in memory any more.
    pub(in crate::reader) fn forget_vanishing(&mut self) {
        self.aside.held.clear();
        (self.aside.short, self.aside.short_bytes) = Default::default();
        self.take_vanished();
    }
}
