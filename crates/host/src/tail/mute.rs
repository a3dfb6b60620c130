//! Directories that are written to so much that being told of each write costs more than looking.
//!
//! Every write makes an event that is allocated, queued, read and dispatched. Where far more came
//! than there are files, the watch of writes is taken away and the files are looked at whenever a
//! rest or a wait ends; when such a look finds that nothing grew, or as soon as something happens
//! to a name anywhere, writes are watched again. The watch comes first and the look after it, so
//! no write goes unseen. Names are watched all the time.

use super::file::FileKey;
use super::tailer::Tailer;
use std::time::{Duration, Instant};

/// A rest shorter than this is no time to change watches.
const REST_MIN: Duration = Duration::from_millis(50);
/// Fewer events of a directory since the last rest are not many.
pub(crate) const EVENTS_MIN: u32 = 8;
/// As many events for each file are many.
pub(crate) const EVENTS_PER_FILE: u32 = 4;
/// A directory with more files is not looked through.
const FILES_MAX: usize = 256;
/// Files that are looked at are looked at so often, at least.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(90);

/// How the writes to a directory come to be known.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Events since the last rest.
    pub(crate) events: u32,
    /// Without a watch: bytes that had been read of its files at the last look.
    pub(crate) muted: Option<u64>,
}

impl Tailer {
    /// Counts an event of a directory.
    pub(super) fn count_write(&mut self, dir: u32) {
        let Some(Some(known)) = self.dirs.get_mut(dir as usize) else { return };
        known.writes.events += 1;
        if known.writes.events == 1 {
            self.busy.push(dir);
        }
    }

    /// A rest begins: where there were many events, there will be none.
    pub(super) fn mute(&mut self, rest: Duration, now: Instant) {
        let may = rest >= REST_MIN && self.is_settled(now);
        for index in std::mem::take(&mut self.busy) {
            let Some(Some(dir)) = self.dirs.get_mut(index as usize) else { continue };
            let events = std::mem::take(&mut dir.writes.events);
            let files = dir.entries.len();
            let many =
                EVENTS_MIN.max(EVENTS_PER_FILE * u32::try_from(files).unwrap_or(u32::MAX / 8));
            let Some(watch) = dir.watch.filter(|_| may && files <= FILES_MAX && events >= many)
            else {
                continue;
            };
            dir.writes.muted = Some(0);
            self.watch.remove_writes(watch);
            self.dir_by_writes.remove(&watch.writes);
            self.muted.push(index);
        }
    }

    /// A rest or a wait is over: files without a watch of their writes are looked at.
    pub(super) fn look_at_muted(&mut self, now: Instant) {
        // A rest may come in pieces; what the end of one made ready was not read yet.
        if self.muted.is_empty() || !self.live.is_empty() {
            return;
        }
        let settled = self.is_settled(now);
        for index in std::mem::take(&mut self.muted) {
            let Some(Some(dir)) = self.dirs.get(index as usize) else { continue };
            let Some(before) = dir.writes.muted else { continue };
            let keys: Vec<FileKey> = dir.entries.values().copied().collect();
            let path = std::sync::Arc::clone(&dir.path);
            let files = keys.iter().filter_map(|key| self.files.get(*key));
            // One more, so that the first look is never taken for one that found nothing.
            let read = 1 + files.map(|file| file.read_bytes).sum::<u64>();
            let unmuted = (!settled || read == before).then(|| self.watch.add_writes(&path).ok());
            if let Some(Some(dir)) = self.dirs.get_mut(index as usize) {
                dir.writes.muted = Some(read);
                match (unmuted.flatten(), &mut dir.watch) {
                    (Some(writes), Some(watch)) => {
                        watch.writes = writes;
                        dir.writes.muted = None;
                        self.dir_by_writes.insert(writes, index);
                    }
                    _ => self.muted.push(index),
                }
            }
            for key in keys {
                self.ready(key);
            }
        }
    }
}
