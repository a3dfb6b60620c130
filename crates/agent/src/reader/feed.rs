//! From bytes to blocks.

use super::LINGER;
use super::accounts::Entry;
use super::commit::Books;
use super::control::MakeSinks;
use super::inputs::Intent;
use super::late::Waiting;
use super::odd::Odd;
use super::sampling::Stage;
use super::sources::{Joined, NewSource, Sources};
use super::spill::{Aside, Vanished};
use crate::block::{Block, End, Origin};
use crate::numbers::Numbers;
use crate::say::Say;
use crate::tap::{self, Tap};
use host::tail::{Chunk, FileKey};
use lines::{Counters, Intake};
use pipeline::ring::{Producer, Refused};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything of the reader but the tailer, from which chunks are borrowed.
pub(crate) struct Core {
    pub(crate) intents: Vec<Intent>,
    /// Attributes of records of our own.
    pub(super) common: Vec<(String, String)>,
    pub(crate) sources: Sources,
    pub(crate) books: Books,
    pub(crate) aside: Aside,
    pub(super) intake: Intake,
    pub(super) stage: Box<Stage>,
    pub(super) producer: Option<Producer<Block>>,
    pub(super) block: Block,
    since: Option<Instant>,
    /// A finished block that found no room.
    stuck: Option<(Block, u64)>,
    /// Pieces that wait, oldest first: what of a chunk found no room.
    rest: VecDeque<Rest>,
    /// A piece of a deleted file that could not be kept aside: it comes after all that was.
    pub(super) vanished: Option<Vanished>,
    /// How many records at the start of the block were left out before and are back.
    pub(super) rescued: usize,
    touched: Vec<u32>,
    /// Files with unfinished pieces.
    open: Vec<u32>,
    pub(crate) counters: Counters,
    pub(super) odd: Odd,
    pub(crate) numbers: Arc<Numbers>,
    tap: Arc<Tap>,
    pub(crate) say: Say,
    pub(super) waiting: Waiting,
    /// Bytes of our own records so far.
    pub(super) own_offset: u64,
    /// When everything was read, nanoseconds since 1970.
    caught_up: u64,
}

/// What is left of a chunk when the ring is full.
struct Rest {
    slot: u32,
    offset: u64,
    bytes: Vec<u8>,
    now: u64,
    last: bool,
    after_hole: bool,
}

/// A piece of a file, whoever read it.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) slot: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) now: u64,
    pub(crate) last: bool,
    pub(crate) after_hole: bool,
}

/// What a core is made of.
pub(crate) struct Parts {
    pub(crate) intents: Vec<Intent>,
    pub(crate) common: Vec<(String, String)>,
    pub(crate) books: Books,
    pub(crate) aside: Aside,
    pub(crate) stage: Box<Stage>,
    pub(crate) producer: Producer<Block>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) tap: Arc<Tap>,
    pub(crate) say: Say,
}

impl Core {
    /// A core that has read nothing.
    pub(crate) fn new(parts: Parts) -> Self {
        let mut producer = parts.producer;
        let block = producer.buffer();
        Self {
            intents: parts.intents,
            common: parts.common,
            sources: Sources::default(),
            books: parts.books,
            aside: parts.aside,
            intake: Intake::new(),
            stage: parts.stage,
            producer: Some(producer),
            block,
            since: None,
            stuck: None,
            rest: VecDeque::new(),
            vanished: None,
            rescued: 0,
            touched: Vec::new(),
            open: Vec::new(),
            counters: parts.numbers.published().0,
            odd: Odd::default(),
            numbers: parts.numbers,
            tap: parts.tap,
            say: parts.say,
            waiting: Waiting::new(Instant::now()),
            own_offset: 0,
            caught_up: 0,
        }
    }

    /// Takes a chunk of the tailer.
    pub(crate) fn accept(&mut self, chunk: &Chunk<'_>, now: u64) {
        let input = chunk.input as usize;
        let Some(slot) = self.source_of(chunk.key, input, chunk.path, chunk.start) else {
            return;
        };
        let piece = Piece {
            slot,
            offset: chunk.start,
            bytes: chunk.bytes,
            now,
            last: chunk.flags.last,
            after_hole: chunk.flags.hole_skipped,
        };
        self.take(&piece);
    }

    /// Takes a piece; what finds no room in the ring, and what belongs to a pod that is not known
    /// yet, is kept for later.
    pub(crate) fn take(&mut self, piece: &Piece<'_>) {
        if self.waiting.keep(piece) {
            return;
        }
        self.take_now(piece);
    }

    /// Takes a piece, whatever is known of its pod.
    pub(super) fn take_now(&mut self, piece: &Piece<'_>) {
        if self.tap.looks_at(tap::Stage::Raw)
            && let Some(origin) = self.origin(piece.slot)
        {
            self.tap.raw(&origin, piece.bytes);
        }
        // What waits already comes first: it may be of the same file.
        let taken = if self.may_read() { self.feed(piece) } else { 0 };
        if taken < piece.bytes.len() {
            let rest = piece.bytes.get(taken..).unwrap_or_default();
            self.rest.push_back(Rest {
                slot: piece.slot,
                offset: piece.offset + taken as u64,
                bytes: rest.to_vec(),
                now: piece.now,
                last: piece.last,
                after_hole: piece.after_hole && taken == 0,
            });
        }
    }

    /// Goes on with a chunk that found no room before.
    pub(crate) fn resume_rest(&mut self) -> bool {
        let Some(rest) = self.rest.pop_front() else { return false };
        let Rest { slot, offset, bytes, now, last, after_hole } = rest;
        let piece = Piece { slot, offset, bytes: &bytes, now, last, after_hole };
        let taken = self.feed(&piece);
        if taken < bytes.len() {
            let offset = offset + taken as u64;
            let bytes = bytes.get(taken..).unwrap_or_default().to_vec();
            let after_hole = after_hole && taken == 0;
            self.rest.push_front(Rest { slot, offset, bytes, now, last, after_hole });
        }
        true
    }

    /// Feeds bytes into blocks; gives how many were taken before the ring was full.
    fn feed(&mut self, piece: &Piece<'_>) -> usize {
        let mut taken = 0;
        loop {
            let bytes = piece.bytes.get(taken..).unwrap_or_default();
            let chunk = lines::Chunk {
                source: piece.slot,
                bytes,
                offset: piece.offset + taken as u64,
                now: piece.now,
                last: piece.last,
                after_hole: piece.after_hole && taken == 0,
                caught_up: Some(self.caught_up),
            };
            let before = self.block.records.len();
            let (intake, out) = (&mut self.intake, &mut self.block.records);
            let fed = self.sources.with_streams(piece.slot, |source, streams| {
                intake.feed(&source.plan, &mut source.lines, streams, &chunk, out)
            });
            let Some(fed) = fed else { return piece.bytes.len() };
            taken += fed;
            if before == 0 && !self.block.records.is_empty() {
                self.since.get_or_insert_with(Instant::now);
            }
            self.touch(piece.slot);
            if taken >= piece.bytes.len() {
                break;
            }
            if !self.finish() {
                return taken;
            }
        }
        if piece.last
            && let Some(source) = self.sources.get_mut(piece.slot)
        {
            source.ended = true;
        }
        taken
    }

    /// Remembers that the sinks must be told how far this file was read.
    pub(super) fn touch(&mut self, slot: u32) {
        if let Some(source) = self.sources.get_mut(slot)
            && !std::mem::replace(&mut source.touched, true)
        {
            self.touched.push(slot);
        }
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether a piece of a deleted file can wait in memory.
    pub(crate) fn has_room_for_vanished(&self) -> bool {
        self.vanished.is_none()
    }

    /// A piece of a deleted file waits until everything that was kept aside is read back.
    pub(super) fn put_vanished(&mut self, vanished: Vanished) {
        self.vanished = Some(vanished);
        self.count_memory_only();
    }

    pub(super) fn take_vanished(&mut self) -> Option<Vanished> {
        let vanished = self.vanished.take();
        self.count_memory_only();
        vanished
    }

    /// Goes on with that piece; false when there is none.
    pub(crate) fn resume_vanished(&mut self) -> bool {
        let Some(Vanished { slot, offset, bytes, last }) = self.take_vanished() else {
            return false;
        };
        let now = super::wall_ns();
        self.rest.push_back(Rest { slot, offset, bytes, now, last, after_hole: false });
        self.resume_rest()
    }

    /// Where the pieces of a file end that wait in memory.
    pub(super) fn waiting_end(&self, slot: u32) -> u64 {
        let rest = self.rest.iter().map(|rest| (rest.slot, rest.offset, rest.bytes.len()));
        let vanished = self.vanished.iter().map(|one| (one.slot, one.offset, one.bytes.len()));
        let of_file = rest.chain(vanished).filter(|(of, ..)| *of == slot);
        of_file.map(|(_, offset, length)| offset + length as u64).max().unwrap_or(0)
    }

    /// The slot of a file; a new one when it is new. None when no input has it.
    pub(crate) fn source_of(
        &mut self,
        key: FileKey,
        input: usize,
        path: &Arc<Path>,
        start: u64,
    ) -> Option<u32> {
        if let Some(slot) = self.sources.find(key) {
            return Some(slot);
        }
        let intent = self.intents.get(input)?;
        let folder = crate::pods::folder(path).filter(|_| intent.kubernetes);
        let pod = intent.pods.as_ref().zip(folder);
        let is_late = pod.is_some_and(|(table, folder)| {
            table.hold(folder);
            table.get(folder).is_none()
        });
        let slot = self.sources.add(NewSource {
            key,
            input,
            path: Arc::clone(path),
            plan: intent.plan.clone(),
            origin: None,
            holds_pod: pod.is_some(),
            base: start,
            sinks: self.books.sinks.len(),
            joined: if intent.kubernetes { Joined::Instance } else { Joined::Path },
        });
        if is_late {
            self.waiting.begin(slot, Instant::now());
        }
        Some(slot)
    }

    /// What the records of a file have in common. What is known of its pod may have changed since
    /// the last ones.
    fn origin(&mut self, slot: u32) -> Option<Arc<Origin>> {
        let known = self.sources.origin(slot);
        let source = self.sources.get(slot)?;
        let intent = self.intents.get(source.input);
        let table = intent.and_then(|intent| intent.pods.as_ref());
        let pod = table.and_then(|table| table.get(source.pod()?));
        if let Some(known) = known
            && pod.as_ref().is_none_or(|pod| known.is_of(pod))
        {
            return Some(known);
        }
        let origin = Arc::new(intent?.origin(&source.path, pod.as_ref()));
        self.sources.set_origin(slot, &origin);
        Some(origin)
    }

    /// Hands on what there is, when it has waited long enough.
    pub(crate) fn flush_when_due(&mut self, now: Instant) {
        if self.flush_due().is_some_and(|due| now >= due) {
            self.finish();
        }
    }

    /// Everything was read. When it was handed on, too, memory of blocks is let go until more.
    pub(crate) fn rest(&mut self) {
        if self.since.is_none()
            && self.stuck.is_none()
            && let Some(producer) = &mut self.producer
        {
            producer.rest();
        }
    }

    /// When the block that is not full must be handed on.
    pub(crate) fn flush_due(&self) -> Option<Instant> {
        self.since.map(|since| since + LINGER)
    }

    /// Hands on what there is, and when something may follow, as far as that is known.
    pub(crate) fn flush(&mut self, quiet_until: Option<Instant>) {
        if !self.block.records.is_empty() || !self.touched.is_empty() {
            self.block.quiet_until = quiet_until;
            self.finish();
        }
    }

    /// Thins the block, adds how far files were read, and pushes it; false when it is stuck.
    fn finish(&mut self) -> bool {
        self.since = None;
        self.tell_odd();
        self.list_sources();
        let now = super::wall_ns();
        if self.tap.looks_at(tap::Stage::Parsed) {
            self.tap.block(tap::Stage::Parsed, &self.block);
        }
        let rescued = std::mem::take(&mut self.rescued);
        self.stage.thin(&mut self.block, rescued, now, &self.numbers);
        if self.tap.looks_at(tap::Stage::Sampled) {
            self.tap.block(tap::Stage::Sampled, &self.block);
        }
        let entry = Entry::of(&self.block, rescued);
        for sink in self.books.sinks.iter().filter(|sink| sink.retired.is_none()) {
            entry.enter(sink, &self.stage.dropped);
        }
        if self.block.is_empty() {
            self.block.clear();
            return true;
        }
        let Some(producer) = &mut self.producer else { return false };
        let next = producer.buffer();
        let block = std::mem::replace(&mut self.block, next);
        self.block.clear();
        let bytes = block.memory();
        self.push(block, bytes)
    }

    fn push(&mut self, block: Block, bytes: u64) -> bool {
        let Some(producer) = &mut self.producer else { return false };
        match producer.try_push(block, bytes) {
            Ok(_) => {
                // On one core a sink takes it now, while it is in the cache, not after many others.
                std::thread::yield_now();
                true
            }
            Err(Refused::Full(block)) => {
                self.stuck = Some((block, bytes));
                false
            }
            // A single huge line: it goes alone, counted as the largest that can be.
            Err(Refused::TooLarge(block)) => {
                let most = self.books.block_bytes_max;
                self.stuck = Some((block, most));
                false
            }
        }
    }

    /// Tries again to push the block that found no room, waiting for it for a while.
    pub(crate) fn unstick(&mut self, timeout: Duration) -> bool {
        let Some((block, bytes)) = self.stuck.take() else { return true };
        if let Some(producer) = &mut self.producer
            && !producer.has_room(bytes)
        {
            self.numbers.stalls.add(1);
            producer.wait_for_room(bytes, timeout);
        }
        self.push(block, bytes)
    }

    /// Whether a block waits for room.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// Files of the block's records, and how far each touched file was read.
    fn list_sources(&mut self) {
        let mut slots = std::mem::take(&mut self.touched);
        // Files that were held and may not be any more.
        for slot in std::mem::take(&mut self.open) {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        for slot in slots.drain(..) {
            let held = self.sources.hold(slot);
            let Some(source) = self.sources.get_mut(slot) else { continue };
            let touched = std::mem::take(&mut source.touched);
            let settled = source.lines.settled().max(source.base);
            let hold = match (source.lines.hold(), held) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            if hold.is_some() {
                self.open.push(slot);
            }
            let closed = source.ended && hold.is_none() && !source.closing;
            let is_told = source.told && source.base == settled && source.hold == hold;
            let news = !is_told || closed;
            if touched || news {
                let origin = self.origin(slot).unwrap_or_default();
                let shared = self.sources.get(slot).map(|source| source.shared(origin));
                self.block.sources.extend(shared);
            }
            let Some(source) = self.sources.get_mut(slot).filter(|_| news) else { continue };
            (source.told, source.hold, source.base) = (true, hold, settled);
            source.closing |= closed;
            self.block.ends.push(End { file: source.id, settled, hold, closed });
            self.books.wait_for(source);
        }
        self.touched = slots;
    }

    /// Whether lines of a trace with an error are to be read again.
    pub(crate) fn has_recalled(&self) -> bool {
        !self.stage.recalled.is_empty()
    }

    /// Everything that could be read was read.
    pub(crate) fn caught_up(&mut self, now: u64) {
        self.caught_up = now;
    }

    /// Emits what waited too long. Only what we have caught up with can: the end of a line that
    /// seems to be missing may be among what is not read yet.
    pub(crate) fn tick(&mut self, now: u64) {
        let now = now.min(self.caught_up);
        self.tap.tidy(Instant::now());
        let open = std::mem::take(&mut self.open);
        for slot in &open {
            let before = self.block.records.len();
            let (intake, out) = (&mut self.intake, &mut self.block.records);
            self.sources.with_streams(*slot, |source, streams| {
                let file = Some((&mut source.lines, *slot));
                intake.tick(&source.plan, file, streams, now, out);
            });
            if self.block.records.len() > before {
                self.touch(*slot);
            }
        }
        for slot in open {
            if !self.open.contains(&slot) {
                self.open.push(slot);
            }
        }
        if self.block.records.is_full() {
            self.finish();
        }
    }

    /// Whether something is unfinished.
    pub(crate) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether reading may go on.
    pub(super) fn may_read(&self) -> bool {
        self.stuck.is_none() && self.rest.is_empty()
    }

    /// Other sinks, from the next block on.
    pub(crate) fn change_sinks(&mut self, make: MakeSinks) {
        let before: Vec<_> = self.books.active().map(|sink| sink.numbers.clone()).collect();
        let stuck = self.stuck.as_ref().map(|(block, _)| block);
        self.books.change(make, &mut self.sources, stuck);
        if let Some(producer) = &mut self.producer {
            producer.look();
        }
        // A block that found no room goes to those who are there now.
        let Some((block, _)) = &self.stuck else { return };
        let entry = Entry::of(block, 0);
        for sink in self.books.active() {
            if !before.iter().any(|known| Arc::ptr_eq(known, &sink.numbers)) {
                entry.enter(sink, &[]);
            }
        }
        for gone in
            before.iter().filter(|one| !self.books.active().any(|s| Arc::ptr_eq(&s.numbers, one)))
        {
            entry.leave(gone);
        }
    }

    /// Nothing will follow.
    pub(crate) fn close_ring(&mut self) {
        self.producer = None;
    }
}
