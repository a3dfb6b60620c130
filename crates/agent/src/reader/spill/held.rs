//! Deleted files that were read to their end, while not every sink has all of them: they are held
//! until that is so or the rest is kept aside.

use super::{Aside, Core};
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
}

impl Aside {
    /// Whether one waits to be kept aside.
    pub(in crate::reader) fn is_holding(&self) -> bool {
        !self.held.is_empty()
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
                let held = Held { file, gone, since: now, tried: now, left: 0 };
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
            if outcome.left > 0 && held.left == 0 {
                let why = if self.aside.has_room() {
                    "it cannot be read any more"
                } else {
                    "`spill_bytes` has no room"
                };
                let reason = outcome.refused.as_deref().unwrap_or(why);
                self.cannot_keep(outcome.left, &outcome.path, reason);
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

    /// Tells how much of deleted files is in memory alone.
    pub(in crate::reader) fn count_memory_only(&self) {
        let vanished = self.vanished.as_ref().map_or(0, |one| one.bytes.len() as u64);
        let held: u64 = self.aside.held.iter().map(|held| held.left).sum();
        self.numbers.memory_only_bytes.set(vanished + held);
    }

    /// Nothing waits in memory any more.
    pub(in crate::reader) fn forget_vanishing(&mut self) {
        self.aside.held.clear();
        self.take_vanished();
    }
}
