//! What vanishes while no sink takes anything: bytes of deleted files are kept aside on the disk
//! until there is room (R20).
//!
//! Only deleted files are kept aside, and at a stop those that no start finds, because every other
//! file is its own queue. Frames are read back before anything else, so the order within a file
//! stays. What an earlier process left behind is read back first.
//!
//! What was read of a deleted file already and no sink has is kept aside, too, before the rest of
//! it: the next process would not find it after a crash. This process has it in memory, so such a
//! frame is passed over when it is read back, and only waits until every sink has its bytes.
//!
//! A frame has the path at which its file was first read, however it is called now, and a number
//! of the file: the next process joins what belongs together, and does not join two files that
//! were deleted at one path.

mod held;

pub(super) use held::PATIENCE;

use super::feed::{Core, Piece};
use super::sources::{Joined, NewSource, SourceState, Sources};
use crate::say::Say;
use held::Held;
use host::tail::{CHUNK_BYTES_MAX, FileKey, Tailer};
use pipeline::ledger::FileId;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use store::{Frame, Spill, State, Token};

/// A frame is the last of its file.
const LAST: u8 = 1;
/// A frame begins within a line whose beginning is in the frame before it.
const WITHIN: u8 = 1 << 1;
/// Chunks that are kept aside between two looks at the ring.
const CHUNKS_AT_ONCE: usize = 16;
/// Keys of files that only exist here have this place; the tailer never comes so far.
pub(super) const OWN_SLOT: u32 = u32::MAX;

/// What became of the bytes of a deleted file that no sink has.
struct Outcome {
    path: Arc<Path>,
    is_kept: bool,
    /// Up to there they were to be kept.
    end: u64,
    /// So many are neither on the disk nor wait in memory by themselves.
    left: u64,
    /// Whether that is all of them.
    is_whole: bool,
    refused: Option<String>,
}

/// A frame of this process.
struct Kept {
    /// The number of its file.
    number: u64,
    range: Range<u64>,
    file: FileId,
    /// Its bytes are on their way to the sinks.
    is_read: bool,
}

impl Kept {
    /// Whether it is this frame.
    fn is_of(&self, frame: &Frame) -> bool {
        Some(self.number) == frame.file && self.range.start == frame.start
    }
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
    /// Where the last frame of each file ends, and whether a line does.
    ends: Vec<(FileId, u64, bool)>,
    /// Deleted files that were read to their end, in the order in which they were tried.
    held: VecDeque<Held>,
    /// Deleted files of which there was no room for all while they were read, which was told, and
    /// where what was read of them ended then.
    short: HashMap<FileId, u64>,
    /// So much of that neither every sink has nor the disk.
    short_bytes: u64,
    /// Files of earlier processes that may go on, by path and number.
    own: Vec<(PathBuf, Option<u64>, FileId)>,
    own_keys: u32,
    /// Tells numbers of files of this process from those of others.
    seed: u64,
    waiting: bool,
    /// How often something of it was damaged, and how many bytes.
    damages: u64,
    damaged_bytes: u64,
    /// Files of which something was refused in this turn: nothing that comes after it is kept.
    refused: Vec<FileId>,
    /// That something cannot be let go was told, and it still is so.
    is_held: bool,
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
            ends: Vec::new(),
            held: VecDeque::new(),
            short: HashMap::new(),
            short_bytes: 0,
            own: Vec::new(),
            own_keys: 0,
            seed: super::wall_ns(),
            waiting,
            damages: 0,
            damaged_bytes: 0,
            refused: Vec::new(),
            is_held: false,
        }
    }

    fn has_room(&self) -> bool {
        let used = self.spill.as_ref().map_or(u64::MAX, |spill| spill.stats().bytes);
        used.saturating_add(2 * CHUNK_BYTES_MAX as u64) <= self.bytes_max
    }

    /// Keeps a piece of a file aside, unless one before it was refused in this turn: a start goes
    /// on behind the last piece that was kept.
    fn push(
        &mut self,
        path: &Path,
        start: u64,
        (last, is_read): (bool, bool),
        bytes: &[u8],
        file: FileId,
    ) -> Result<(), String> {
        if self.refused.contains(&file) {
            return Err("there was no room for what comes before them".to_owned());
        }
        let Some(spill) = &mut self.spill else { return Err("it is not open".to_owned()) };
        if self.pushed.is_empty() && self.read.is_empty() {
            self.ends.clear();
        }
        let is_within = self.ends.contains(&(file, start, false));
        let flags = if last { LAST } else { 0 } | if is_within { WITHIN } else { 0 };
        let number = u64::from(file.generation) << 32 | u64::from(file.slot);
        let number = pipeline::hash::mix(number, self.seed);
        if let Err(error) = spill.push(&self.state, (path, number), start, flags, bytes) {
            self.refused.push(file);
            return Err(model::chain(&error));
        }
        let range = start..start + bytes.len() as u64;
        self.ends.retain(|(of, ..)| *of != file);
        self.ends.push((file, range.end, bytes.last() == Some(&b'\n')));
        self.pushed.push_back(Kept { number, range, file, is_read });
        self.waiting = true;
        Ok(())
    }

    /// Whether something waits to be read back.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Where in a file that begins which neither every sink has nor the disk.
    fn begin(&self, source: &SourceState) -> u64 {
        let lowest = source.lowest();
        self.kept(source.id).map_or(lowest, |kept| kept.end.max(lowest))
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
        self.tell_damage(say);
        match next {
            Some(Ok(Some(found))) => return Some(found),
            Some(Err(error)) => say.warn(&format!("cannot read what was kept aside: {error}")),
            _ => {}
        }
        self.waiting = false;
        None
    }

    /// What is known of a frame of this process. Those before it that did not come were damaged.
    fn take_kept(&mut self, frame: &Frame) -> Option<Kept> {
        let at = self.pushed.iter().position(|kept| kept.is_of(frame))?;
        self.pushed.drain(..at);
        self.pushed.pop_front()
    }

    /// What is damaged cannot be read again: it is lost.
    fn tell_damage(&mut self, say: &Say) {
        let damaged = self.spill.as_ref().map_or(0, |spill| spill.stats().damaged_bytes);
        let more = damaged - self.damaged_bytes.min(damaged);
        if more > 0 {
            self.damages += 1;
            self.damaged_bytes = damaged;
            say.warn(&format!(
                "{more} bytes of what was kept aside of deleted files in {} are damaged: their \
                 lines are lost",
                self.state.path("").display()
            ));
        }
    }

    /// Counts among what may be lost what was damaged.
    pub(super) fn add_damage(&self, stats: &mut host::tail::Stats) {
        stats.possible_losses += self.damages;
        stats.possible_loss_bytes += self.damaged_bytes;
    }

    /// Lets go what every sink has.
    pub(crate) fn acknowledge(&mut self, sources: &Sources, say: &Say) {
        let mut done = None;
        while let Some((_, _, token)) =
            self.read.pop_front_if(|(file, range, _)| has_all(sources, *file, range))
        {
            done = Some(token);
        }
        if let (Some(spill), Some(token)) = (&mut self.spill, done) {
            tell_held(spill.acknowledge(&self.state, token), &mut self.is_held, say);
        }
    }

    /// Lets go what could not be when every sink had it; whether nothing of that is left.
    pub(super) fn let_go(&mut self, say: &Say) -> bool {
        let Some(spill) = &mut self.spill else { return true };
        tell_held(spill.note(&self.state), &mut self.is_held, say);
        spill.is_noted()
    }

    /// Lets go frames that were never read back because this process had their bytes in memory,
    /// as far as they come first and every sink has them.
    fn settle(&mut self, sources: &Sources, say: &Say) {
        self.acknowledge(sources, say);
        while self.read.is_empty()
            && self
                .pushed
                .front()
                .is_some_and(|kept| kept.is_read && has_all(sources, kept.file, &kept.range))
        {
            let Some((frame, token)) = self.next(say) else { return };
            // What an earlier process left behind comes first: it is for the next one.
            let Some(kept) = self.take_kept(&frame) else { return };
            self.read.push_back((kept.file, kept.range, token));
            self.acknowledge(sources, say);
        }
    }
}

/// Tells once that something cannot be let go, until it could.
fn tell_held(let_go: Result<(), store::StoreError>, is_held: &mut bool, say: &Say) {
    let was_held = std::mem::replace(is_held, let_go.is_err());
    if let Err(error) = let_go
        && !was_held
    {
        say.warn(&format!(
            "cannot let go what was kept aside: {}; a restart now would deliver it twice",
            model::chain(&error)
        ));
    }
}

/// Whether every sink has this range of a file.
fn has_all(sources: &Sources, file: FileId, range: &Range<u64>) -> bool {
    let source = sources.get(file.slot).filter(|source| source.id == file);
    source.is_none_or(|source| source.lowest() >= range.end)
}

impl Core {
    /// Keeps aside what was read of deleted files that are still read.
    fn keep_deleted(&mut self, tailer: &mut Tailer, now: Instant) -> bool {
        let mut is_kept = false;
        for (key, offset) in tailer.deleted(now) {
            let read = &mut |start, room: &mut [u8]| tailer.read_again(key, start, room, now);
            let Some(file) = self.sources.id(key) else { continue };
            let Some(outcome) = self.keep_read(file, offset, false, read) else { continue };
            is_kept |= outcome.is_kept;
            // One that ended meanwhile is held, and tried there.
            let is_short = outcome.left > 0 && !self.aside.holds(file);
            if is_short && self.aside.short.insert(file, outcome.end).is_none() {
                self.tell_short(&outcome);
            }
        }
        self.count_short();
        is_kept
    }

    /// Lets go what was kept aside and every sink has, also what was not read back.
    pub(super) fn settle_aside(&mut self) {
        self.aside.settle(&self.sources, &self.say);
    }

    /// Keeps aside what was read of a deleted file, up to `end`, and no sink has; nothing when
    /// every sink is done with the file. `is_whole` says that nothing follows. A piece that waits
    /// in memory alone is not among it: it comes next.
    fn keep_read(
        &mut self,
        file: FileId,
        end: u64,
        is_whole: bool,
        read: &mut dyn FnMut(u64, &mut [u8]) -> usize,
    ) -> Option<Outcome> {
        let source = self.sources.get(file.slot).filter(|source| source.id == file)?;
        let (id, path) = (source.id, Arc::clone(&source.path));
        let begin = self.aside.begin(source);
        let alone = self.vanished.as_ref().filter(|one| one.slot == id.slot);
        let until = alone.map_or(end, |one| one.offset.min(end));
        let (mut start, mut refused, mut buffer) = (begin, None, Vec::new());
        while start < until && self.aside.has_room() {
            buffer.resize(CHUNK_BYTES_MAX, 0);
            let most = usize::try_from(until - start).unwrap_or(usize::MAX).min(CHUNK_BYTES_MAX);
            let count = read(start, buffer.get_mut(..most).unwrap_or_default());
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            let next = start + bytes.len() as u64;
            let last = is_whole && alone.is_none() && next >= end;
            if let Err(reason) = self.aside.push(&path, start, (last, true), bytes, id) {
                refused = Some(reason);
                break;
            }
            self.numbers.spilled_bytes.add(bytes.len() as u64);
            start = next;
        }
        let left = until.saturating_sub(start);
        let (is_kept, is_whole) = (start > begin, start >= end);
        Some(Outcome { path, is_kept, end: until, left, is_whole, refused })
    }

    /// Tells that not all of a deleted file can be kept aside.
    fn tell_short(&self, outcome: &Outcome) {
        let why = if self.aside.has_room() {
            "it cannot be read any more"
        } else {
            "`spill_bytes` has no room"
        };
        self.cannot_keep(outcome.left, &outcome.path, outcome.refused.as_deref().unwrap_or(why));
    }

    fn cannot_keep(&self, bytes: u64, path: &Path, reason: &str) {
        self.say.warn(&format!(
            "cannot keep {bytes} bytes of the deleted file {} aside: {reason}; they are lost if \
             the agent ends before there is room or a sink takes them",
            path.display()
        ));
    }

    /// Keeps bytes of deleted files aside while the ring is full.
    #[inline(never)]
    pub(crate) fn keep_vanishing(&mut self, tailer: &mut Tailer, now: Instant) {
        tailer.tend(now);
        self.keep_gone(tailer, now, PATIENCE);
        // What was read of a file comes before the rest of it.
        let is_kept = self.keep_deleted(tailer, now);
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
            let Some(source) = self.sources.get(slot) else { continue };
            let (start, last) = (chunk.start, chunk.flags.last);
            match self.aside.push(&source.path, start, (last, false), chunk.bytes, source.id) {
                Ok(()) => {
                    self.numbers.spilled_bytes.add(chunk.bytes.len() as u64);
                    kept.push((chunk.key, start + chunk.bytes.len() as u64));
                }
                Err(reason) => {
                    // It was read and cannot be read again: it waits in memory, alone.
                    if self.aside.short.insert(source.id, start).is_none() {
                        self.cannot_keep(chunk.bytes.len() as u64, chunk.path, &reason);
                    }
                    let bytes = chunk.bytes.to_vec();
                    self.put_vanished(Vanished { slot, offset: start, bytes, last });
                    break;
                }
            }
        }
        if (is_kept || !kept.is_empty()) && self.aside.sync() {
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
        // A start goes on behind the last piece that was kept.
        if self.aside.begin(source) < offset
            || !self.aside.has_room()
            || self.aside.push(&path, offset, (last, false), &vanished.bytes, id).is_err()
        {
            return Err(vanished);
        }
        self.numbers.spilled_bytes.add(vanished.bytes.len() as u64);
        kept.push((key, offset + vanished.bytes.len() as u64));
        Ok(())
    }

    /// Feeds the next frame that was kept aside; false when there is none.
    pub(crate) fn feed_spilled(&mut self) -> bool {
        let Some((mut frame, token)) = self.aside.next(&self.say) else { return false };
        let end = frame.start + frame.bytes.len() as u64;
        let kept = self.aside.take_kept(&frame);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_read) {
            self.aside.read.push_back((kept.file, frame.start..end, token));
            return true;
        }
        let file = kept.map(|kept| kept.file).or_else(|| self.left_behind(&mut frame));
        let Some(file) = file else { return true };
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

    /// The file of a frame that an earlier process kept aside. When it is the first one of it that
    /// was not acknowledged, a line that it begins within was: it is cut off.
    fn left_behind(&mut self, frame: &mut Frame) -> Option<FileId> {
        let sources = &self.sources;
        self.aside.own.retain(|(.., file)| {
            sources.get(file.slot).is_some_and(|source| source.id == *file && !source.ended)
        });
        let is_known = |(path, number, _): &&(PathBuf, Option<u64>, FileId)| {
            *number == frame.file && *path == frame.path
        };
        if let Some((.., file)) = self.aside.own.iter().find(is_known) {
            return Some(*file);
        }
        if frame.flags & WITHIN != 0 {
            let end = frame.bytes.iter().position(|byte| *byte == b'\n');
            let cut = end.map_or(frame.bytes.len(), |end| end + 1);
            frame.bytes.drain(..cut);
            frame.start += cut as u64;
        }
        let input = super::inputs::meant(&self.intents, &frame.path).unwrap_or(0);
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
        self.aside.own.push((frame.path.clone(), frame.file, file));
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r20_two_files_that_were_deleted_at_one_path_are_two_also_of_two_processes() {
        let dir = tempfile::tempdir().unwrap();
        let path = Path::new("/l/a.log");
        let open = || {
            let state = Arc::new(State::open(dir.path()).unwrap());
            let spill = Spill::open(&state, 1 << 20).unwrap();
            Aside::new(spill, state, 1 << 20)
        };
        // One slot after the other, and one slot again.
        let first = [(0, 1), (1, 1), (0, 1), (0, 2)];
        let mut aside = open();
        for (slot, generation) in first {
            aside.push(path, 0, (false, false), b"x", FileId { slot, generation }).unwrap();
        }
        drop(aside);
        let mut aside = open();
        aside.push(path, 0, (false, false), b"x", FileId { slot: 0, generation: 1 }).unwrap();
        let numbers: Vec<_> = std::iter::from_fn(|| {
            let spill = aside.spill.as_mut()?;
            spill.next(&aside.state).unwrap().map(|(frame, _)| frame.file.unwrap())
        })
        .collect();
        assert_eq!(numbers.len(), 5);
        for (at, number) in numbers.iter().enumerate() {
            let first_of_it = numbers.iter().position(|known| known == number);
            assert_eq!(first_of_it, Some(if at == 2 { 0 } else { at }), "{numbers:?}");
        }
    }

    #[test]
    fn r20_nothing_of_a_file_is_kept_behind_a_piece_of_it_that_was_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(dir.path()).unwrap());
        let spill = Spill::open(&state, 256).unwrap();
        let mut aside = Aside::new(spill, state, 256);
        let path = Path::new("/l/a.log");
        let mut push = |start, bytes: &[u8], slot| {
            let file = FileId { slot, generation: 1 };
            aside.push(path, start, (false, false), bytes, file).is_ok()
        };
        assert!(!push(0, &[b'x'; 300], 0), "it has room for too much");
        assert!(!push(300, b"x", 0), "what was before it is missing at the next start");
        assert!(push(0, b"x", 1), "another file has no part in it");
        aside.refused.clear();
        let file = FileId { slot: 0, generation: 1 };
        assert!(aside.push(path, 300, (false, false), b"x", file).is_ok());
    }

    #[test]
    fn r20_what_cannot_be_let_go_is_told_once_until_it_could_be() {
        let numbers = Arc::new(crate::numbers::Numbers::default());
        let (say, mut is_held) = (Say::new(Arc::clone(&numbers)), false);
        for _ in 0..1_000 {
            let refused = store::StoreError::Full { what: "the spill", limit: 1, unit: "bytes" };
            tell_held(Err(refused), &mut is_held, &say);
        }
        assert!(is_held);
        assert_eq!(numbers.silenced.get(), 0, "more was said than may be");
        tell_held(Ok(()), &mut is_held, &say);
        assert!(!is_held);
    }
}
