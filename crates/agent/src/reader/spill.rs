//! What vanishes while no sink takes anything: bytes of deleted files are kept aside on the disk
//! until there is room (R20).
//!
//! Only deleted files are kept aside, because every other file is its own queue. Frames are read
//! back before anything else, so the order within a file stays. What an earlier process left
//! behind is read back first.

use super::feed::{Core, Piece};
use super::sources::{Joined, NewSource, Sources};
use crate::say::Say;
use host::tail::{CHUNK_BYTES_MAX, FileKey, Tailer};
use pipeline::ledger::FileId;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use store::{Frame, Spill, State, Token};

/// A frame is the last of its file.
const LAST: u8 = 1;
/// Chunks that are kept aside between two looks at the ring.
const CHUNKS_AT_ONCE: usize = 16;
/// Keys of files that only exist here have this place; the tailer never comes so far.
const OWN_SLOT: u32 = u32::MAX;

/// A frame of this process.
struct Kept {
    path: PathBuf,
    range: Range<u64>,
    file: FileId,
}

/// A piece of a deleted file that could not be kept aside and waits in memory.
pub(super) struct Vanished {
    pub(super) slot: u32,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) last: bool,
}

/// What is kept aside.
pub(crate) struct Aside {
    spill: Option<Spill>,
    state: Arc<State>,
    bytes_max: u64,
    /// Frames of this process that wait.
    pushed: VecDeque<Kept>,
    /// Frames that were read back and are not acknowledged.
    read: VecDeque<(FileId, Range<u64>, Token)>,
    /// Files of an earlier process.
    own: Vec<(PathBuf, FileId)>,
    own_keys: u32,
    waiting: bool,
}

impl Aside {
    /// With what an earlier process left behind.
    pub(crate) fn new(spill: Spill, state: Arc<State>, bytes_max: u64) -> Self {
        let waiting = spill.stats().bytes > 0;
        Self {
            spill: Some(spill),
            state,
            bytes_max,
            pushed: VecDeque::new(),
            read: VecDeque::new(),
            own: Vec::new(),
            own_keys: 0,
            waiting,
        }
    }

    fn has_room(&self) -> bool {
        let used = self.spill.as_ref().map_or(u64::MAX, |spill| spill.stats().bytes);
        used.saturating_add(2 * CHUNK_BYTES_MAX as u64) <= self.bytes_max
    }

    fn push(
        &mut self,
        path: &Path,
        start: u64,
        last: bool,
        bytes: &[u8],
        file: FileId,
    ) -> Result<(), String> {
        let Some(spill) = &mut self.spill else { return Err("it is not open".to_owned()) };
        let flags = if last { LAST } else { 0 };
        let words = |error: store::StoreError| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        spill.push(&self.state, path, start, flags, bytes).map_err(words)?;
        let range = start..start + bytes.len() as u64;
        self.pushed.push_back(Kept { path: path.to_owned(), range, file });
        self.waiting = true;
        Ok(())
    }

    /// Whether something waits to be read back.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// What of a file is on the disk and not acknowledged: pieces behind each other.
    pub(super) fn kept(&self, file: FileId) -> Option<Range<u64>> {
        let read = self.read.iter().filter(|(of, ..)| *of == file).map(|(_, range, _)| range);
        let pushed = self.pushed.iter().filter(|kept| kept.file == file).map(|kept| &kept.range);
        read.chain(pushed)
            .cloned()
            .reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))
    }

    fn sync(&self) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.sync(&self.state).is_ok())
    }

    fn next(&mut self, say: &Say) -> Option<(Frame, Token)> {
        if !self.waiting {
            return None;
        }
        let next = self.spill.as_mut().map(|spill| spill.next(&self.state));
        match next {
            Some(Ok(Some(found))) => return Some(found),
            Some(Err(error)) => say.warn(&format!("cannot read what was kept aside: {error}")),
            _ => {}
        }
        self.waiting = false;
        None
    }

    /// Lets go what every sink has.
    pub(crate) fn acknowledge(&mut self, sources: &Sources, say: &Say) {
        while let Some((file, range, _)) = self.read.front() {
            let source = sources.get(file.slot).filter(|source| source.id == *file);
            if source.is_some_and(|source| source.lowest() < range.end) {
                return;
            }
            let Some((_, _, token)) = self.read.pop_front() else { return };
            let done = self.spill.as_mut().map(|spill| spill.acknowledge(&self.state, token));
            if let Some(Err(error)) = done {
                say.warn(&format!("cannot let go what was kept aside: {error}"));
            }
        }
    }
}

impl Core {
    /// Keeps bytes of deleted files aside while the ring is full.
    pub(crate) fn keep_vanishing(&mut self, tailer: &mut Tailer, now: Instant) {
        let mut kept: Vec<(FileKey, u64)> = Vec::new();
        // The disk may have room again.
        if let Some(vanished) = self.take_vanished()
            && let Err(vanished) = self.keep_vanished(vanished, &mut kept)
        {
            self.put_vanished(vanished);
        }
        for _ in 0..CHUNKS_AT_ONCE {
            if !self.aside.has_room() || !self.has_room_for_vanished() {
                break;
            }
            let Some(chunk) = tailer.turn_vanishing(now) else { break };
            let input = chunk.input as usize;
            let Some(slot) = self.source_of(chunk.key, input, chunk.path, chunk.start) else {
                continue;
            };
            let Some(id) = self.sources.get(slot).map(|source| source.id) else { continue };
            let (start, last) = (chunk.start, chunk.flags.last);
            match self.aside.push(chunk.path, start, last, chunk.bytes, id) {
                Ok(()) => {
                    self.numbers.spilled_bytes.add(chunk.bytes.len() as u64);
                    kept.push((chunk.key, start + chunk.bytes.len() as u64));
                }
                Err(reason) => {
                    // It was read and cannot be read again: it waits in memory, alone.
                    self.say.warn(&format!(
                        "cannot keep {} bytes of the deleted file {} aside: {reason}; they are \
                         lost if the agent ends before there is room or a sink takes them",
                        chunk.bytes.len(),
                        chunk.path.display()
                    ));
                    let bytes = chunk.bytes.to_vec();
                    self.put_vanished(Vanished { slot, offset: start, bytes, last });
                    break;
                }
            }
        }
        if kept.is_empty() {
            tailer.tend(now);
        } else if self.aside.sync() {
            for (key, end) in kept {
                tailer.commit(key, end);
            }
        }
    }

    /// Keeps a piece aside that could not be before; gives it back when it still cannot.
    fn keep_vanished(
        &mut self,
        vanished: Vanished,
        kept: &mut Vec<(FileKey, u64)>,
    ) -> Result<(), Vanished> {
        let Some(source) = self.sources.get(vanished.slot) else { return Err(vanished) };
        let (key, id, path) = (source.key, source.id, source.path.clone());
        let Vanished { offset, last, .. } = vanished;
        if !self.aside.has_room()
            || self.aside.push(&path, offset, last, &vanished.bytes, id).is_err()
        {
            return Err(vanished);
        }
        self.numbers.spilled_bytes.add(vanished.bytes.len() as u64);
        kept.push((key, offset + vanished.bytes.len() as u64));
        Ok(())
    }

    /// Feeds the next frame that was kept aside; false when there is none.
    pub(crate) fn feed_spilled(&mut self) -> bool {
        let Some((frame, token)) = self.aside.next(&self.say) else { return false };
        let ours = self
            .aside
            .pushed
            .front()
            .is_some_and(|kept| kept.path == frame.path && kept.range.start == frame.start);
        let file = if ours {
            self.aside.pushed.pop_front().map(|kept| kept.file)
        } else {
            self.left_behind(&frame)
        };
        let Some(file) = file else { return true };
        let end = frame.start + frame.bytes.len() as u64;
        let piece = Piece {
            slot: file.slot,
            offset: frame.start,
            bytes: &frame.bytes,
            now: super::wall_ns(),
            last: frame.flags & LAST != 0,
            after_hole: false,
        };
        self.take(&piece);
        self.aside.read.push_back((file, frame.start..end, token));
        true
    }

    /// The file of a frame that an earlier process kept aside.
    fn left_behind(&mut self, frame: &Frame) -> Option<FileId> {
        let known = self.aside.own.iter().find(|(path, _)| *path == frame.path);
        if let Some((_, file)) = known
            && self.sources.get(file.slot).is_some_and(|source| source.id == *file && !source.ended)
        {
            return Some(*file);
        }
        let meant = |intent: &super::inputs::Intent| {
            intent.tail.include.iter().any(|pattern| pattern.matches(&frame.path))
        };
        let input = self.intents.iter().position(meant).unwrap_or(0);
        let intent = self.intents.get(input)?;
        let origin = Arc::new(intent.origin(&frame.path, None));
        let plan = intent.plan.clone();
        self.aside.own_keys += 1;
        let key = FileKey { slot: OWN_SLOT, generation: self.aside.own_keys };
        let slot = self.sources.add(NewSource {
            key,
            input,
            path: frame.path.as_path().into(),
            plan,
            origin: Some(origin),
            holds_pod: false,
            base: frame.start,
            sinks: self.books.sinks.len(),
            joined: Joined::Aside,
        });
        let file = self.sources.get(slot)?.id;
        self.aside.own.retain(|(path, _)| *path != frame.path);
        self.aside.own.push((frame.path.clone(), file));
        Some(file)
    }
}
