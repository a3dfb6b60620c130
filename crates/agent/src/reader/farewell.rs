//! The end of a reader: deleted files are read to their end or kept aside, and what no sink has
//! and no start will find again is told, file by file.
//!
//! Every other file is its own queue: the next start reads on from its offset. Of a deleted file
//! only what was kept aside is there for the next start. The same is done with a file that was
//! moved to where no start looks; should one find it all the same, it goes on after what was kept
//! aside. Of a file that was truncated without a copy, or that no input means any more, what was
//! read and not delivered is lost. Messages at the end are not limited by rate; at most
//! [`LOST_TOLD_MAX`] files are named.

use super::feed::Core;
use super::{LOOK, Reader, wall_ns};
use host::tail::{FileStat, Tailer, Unfound};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Files that are named as lost.
pub(crate) const LOST_TOLD_MAX: usize = 20;

impl Reader {
    /// Deleted files are read to their end while there is room, and kept aside otherwise.
    pub(super) fn read_vanishing(&mut self, deadline: Instant) {
        self.tailer.prepare_end(Instant::now());
        loop {
            let now = Instant::now();
            if now >= deadline || self.control.hurried() {
                return;
            }
            if self.core.is_stuck() {
                self.keep_vanishing(now);
                if !self.core.unstick(LOOK) {
                    // The other bytes that wait are of files that the next start reads.
                    return;
                }
                self.core.collect(&mut self.tailer, &mut self.journals);
                continue;
            }
            if self.core.resume_rest() {
                continue;
            }
            if self.core.aside.is_waiting() {
                // What was kept aside comes first, at the next start; this is put behind it.
                self.keep_vanishing(now);
                return;
            }
            if self.core.resume_vanished() {
                continue;
            }
            self.tailer.tend(now);
            let Some(chunk) = self.tailer.turn_vanishing(now) else { return };
            self.core.accept(&chunk, wall_ns());
        }
    }

    /// Keeps all aside that is unread of deleted files.
    fn keep_vanishing(&mut self, now: Instant) {
        let kept = |core: &Core| core.numbers.spilled_bytes.get();
        loop {
            let before = kept(&self.core);
            self.core.keep_vanishing(&mut self.tailer, now);
            if kept(&self.core) == before {
                return;
            }
        }
    }

    /// Nothing is delivered any more: what of deleted files some sink does not have is kept aside,
    /// and what was kept aside and every sink has is let go.
    pub(super) fn keep_the_rest(&mut self) {
        let now = Instant::now();
        // More may have been written or moved since this was asked first.
        self.tailer.prepare_end(now);
        self.core.settle_aside();
        self.keep_vanishing(now);
        self.core.keep_gone(&mut self.tailer, now, Duration::ZERO);
        self.core.commit_kept(&mut self.tailer);
    }

    /// Tells what is lost with this process; how many bytes.
    pub(super) fn tell_lost(&mut self) -> u64 {
        let mut lost = self.core.lost(&self.tailer);
        lost.sort_by_key(|(_, bytes, _)| std::cmp::Reverse(*bytes));
        for (path, bytes, unfound) in lost.iter().take(LOST_TOLD_MAX) {
            let fate = match unfound {
                Unfound::Gone => {
                    "was deleted or moved to where no start looks, did not reach every sink and could \
                     not be kept aside: they are lost"
                }
                Unfound::Rewritten => {
                    "was truncated or written anew and has no copy with them, did not reach every sink: \
                     they are lost"
                }
                Unfound::Unmeant => {
                    "no input means any more, did not reach every sink: they are lost, unless one means \
                     it again"
                }
            };
            tracing::warn!("{bytes} bytes of {}, which {fate}", path.display());
        }
        if lost.len() > LOST_TOLD_MAX {
            let more = lost.len() - LOST_TOLD_MAX;
            tracing::warn!("… and bytes of {more} further files");
        }
        let bytes = lost.iter().map(|(_, bytes, _)| bytes).sum();
        self.core.numbers.lost_bytes.add(bytes);
        bytes
    }
}

impl Core {
    /// What was kept aside is not read from its file as well, should the next start find that.
    fn commit_kept(&self, tailer: &mut Tailer) {
        for source in self.sources.iter().filter(|source| !source.is_made_here()) {
            let kept = self.aside.kept(source.id);
            if let Some(kept) = kept.filter(|kept| kept.start <= source.lowest()) {
                tailer.commit(source.key, kept.end);
            }
        }
    }

    /// Files that the next start does not find, with what of each neither every sink has nor the
    /// disk.
    fn lost(&self, tailer: &Tailer) -> Vec<(PathBuf, u64, Unfound)> {
        let end = |file: &FileStat<'_>| file.size.max(file.offset);
        let mut lost = Vec::new();
        for file in tailer.files() {
            let end = end(&file);
            if file.deleted && self.sources.find(file.key).is_none() && end > file.committed {
                lost.push((file.path.to_path_buf(), end - file.committed, Unfound::Gone));
            }
        }
        for source in self.sources.iter().filter(|source| !source.is_made_here()) {
            let Some((unfound, from)) = tailer.unfound(source.key) else { continue };
            // What was not read of another file was told before, or is not wanted.
            let file = tailer.file_stat(source.key).filter(|file| file.deleted);
            let end = file.map_or(0, |file| end(&file));
            let slot = source.id.slot;
            let whole = source.lowest().max(from)..end.max(source.base).max(self.waiting_end(slot));
            let bytes = missing(&whole, self.aside.kept(source.id));
            if bytes > 0 {
                lost.push((source.path.to_path_buf(), bytes, unfound));
            }
        }
        lost
    }
}

/// How much of a range is not in another one.
fn missing(whole: &Range<u64>, kept: Option<Range<u64>>) -> u64 {
    let length = |range: &Range<u64>| range.end.saturating_sub(range.start);
    let kept = kept.unwrap_or_default();
    let both = whole.start.max(kept.start)..whole.end.min(kept.end);
    length(whole) - length(&both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_aside_is_not_missing() {
        for (whole, kept, bytes) in [
            (10..30, None, 20),
            (10..30, Some(10..30), 0),
            (10..30, Some(0..40), 0),
            (10..30, Some(15..20), 15),
            (10..30, Some(20..30), 10),
            (10..30, Some(0..10), 20),
            (10..30, Some(30..40), 20),
            (30..30, Some(0..40), 0),
        ] {
            assert_eq!(missing(&whole, kept.clone()), bytes, "{whole:?} {kept:?}");
        }
    }
}
