//! What one sink knows of the files whose records it has: from batches that were taken to offsets
//! that may be committed.
//!
//! Around [`pipeline::ledger::Ledger`] for what it leaves open: files are opened when they are
//! first seen, and a record that ends before one that was noted earlier (a group of one stream
//! that was closed after lines of the other) or that has pieces in earlier files pins those files
//! at its pieces until its batch is acknowledged (R12).

use crate::block::{Block, End, Source};
use crate::reader::WINDOW_BYTES;
use lines::{Flags, Record};
use pipeline::ledger::{Batch, FileId, Ledger, LedgerError};
use std::collections::VecDeque;

/// The acknowledgements of one sink.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    ledger: Ledger,
    ahead: Ahead,
    files: Vec<Option<Known>>,
    pins: Vec<Pin>,
    closing: Vec<End>,
    /// The file and the batch of the last record, when the ledger does not know that record yet:
    /// of many in a row it is told the last one only.
    open: Option<(u32, Batch)>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    file: FileId,
    noted: u64,
    hold: Option<u64>,
}

/// A file that must not be committed beyond `start` until the batch is acknowledged.
#[derive(Debug, Clone, Copy)]
struct Pin {
    batch: Batch,
    file: FileId,
    start: u64,
}

/// Batches that were taken while an older one was not: nothing of them can be written down yet.
#[derive(Debug, Default)]
struct Ahead {
    /// From the oldest batch on that was not taken; of those that were, their bytes.
    batches: VecDeque<(Batch, Option<u64>)>,
    taken: usize,
    bytes: u64,
}

impl Ahead {
    fn take(&mut self, batch: Batch, bytes: u64) {
        let at = self.batches.binary_search_by_key(&batch, |(batch, _)| *batch);
        if let Some((_, taken)) = at.ok().and_then(|at| self.batches.get_mut(at)) {
            *taken = Some(bytes);
            self.taken += 1;
            self.bytes += bytes;
        }
        while let Some((_, Some(bytes))) = self.batches.front() {
            self.taken -= 1;
            self.bytes -= bytes;
            self.batches.pop_front();
        }
    }
}

impl Tracker {
    /// Begins a batch.
    pub(crate) fn begin(&mut self) -> Result<Batch, LedgerError> {
        self.tell();
        let batch = self.ledger.begin()?;
        self.ahead.batches.push_back((batch, None));
        Ok(batch)
    }

    /// Whether so much was taken behind a batch that was not that no more may be sent: when the
    /// process dies, all of that is repeated (R19). That is more than a window, and as many batches
    /// as may be under way: so one that is answered last of many holds nobody up.
    pub(crate) fn is_far_ahead(&self, in_flight: usize) -> bool {
        self.ahead.bytes > WINDOW_BYTES && self.ahead.taken >= in_flight
    }

    /// How many batches wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.ledger.waiting()
    }

    /// A block has come: its files are opened when they are new.
    pub(crate) fn see(&mut self, block: &Block) {
        self.tell();
        for source in &block.sources {
            self.open(source);
        }
    }

    fn open(&mut self, source: &Source) {
        let at = source.file.slot as usize;
        if at >= self.files.len() {
            self.files.resize(at + 1, None);
        }
        let Some(place) = self.files.get_mut(at) else { return };
        if place.is_some_and(|known| known.file == source.file) {
            return;
        }
        if self.ledger.open(source.file, source.base).is_ok() {
            *place = Some(Known { file: source.file, noted: source.base, hold: None });
        }
    }

    /// Records of the block go into a batch; all are of one file. Gives how many bytes of it they
    /// are.
    pub(crate) fn note(&mut self, block: &Block, records: &[Record], batch: Batch) -> u64 {
        let Some(source) = records.first().map(|record| record.source) else { return 0 };
        if self.open != Some((source, batch)) {
            self.tell();
            self.open = Some((source, batch));
        }
        let mut nobody = None;
        let known = self.files.get_mut(source as usize).unwrap_or(&mut nobody);
        let (mut noted, mut bytes, mut flags) = (known.map_or(0, |known| known.noted), 0, 0);
        for record in records {
            if let (true, Some(known)) = (record.start < noted, &known) {
                self.pins.push(Pin { batch, file: known.file, start: record.start });
            }
            noted = noted.max(record.end);
            bytes += record.end.saturating_sub(record.start);
            flags |= record.flags.bits();
        }
        if let Some(known) = known {
            known.noted = noted;
        }
        if flags & Flags::JOINED.bits() != 0 {
            for record in records.iter().filter(|record| record.flags.has(Flags::JOINED)) {
                self.pin_joins(block, record, batch);
            }
        }
        bytes
    }

    /// Pins the earlier files that have pieces of the record.
    #[cold]
    fn pin_joins(&mut self, block: &Block, record: &Record, batch: Batch) {
        for piece in block.records.joins(record) {
            if let Some(Some(known)) = self.files.get(piece.source as usize) {
                self.pins.push(Pin { batch, file: known.file, start: piece.start });
            }
        }
    }

    /// Tells the ledger of the last records.
    #[inline(never)]
    fn tell(&mut self) {
        if let Some((slot, batch)) = self.open.take()
            && let Some(Some(known)) = self.files.get(slot as usize)
        {
            // What the ledger refuses is a file that is gone: nothing of it can be committed.
            let _ = self.ledger.sent(known.file, known.noted, batch);
        }
    }

    /// All records of the block were noted.
    pub(crate) fn finish(&mut self, block: &Block) {
        self.tell();
        for end in &block.ends {
            let Some(Some(known)) = self.files.get_mut(end.file.slot as usize) else { continue };
            if known.file != end.file {
                continue;
            }
            known.noted = known.noted.max(end.settled);
            known.hold = end.hold;
            let noted = known.noted;
            let _ = self.ledger.skipped(end.file, noted);
            self.hold(end.file);
            if end.closed {
                self.closing.push(*end);
            }
        }
    }

    /// The lowest of the reader's hold and our own pins.
    fn hold(&mut self, file: FileId) {
        let Some(Some(known)) = self.files.get(file.slot as usize) else { return };
        let pins = self.pins.iter().filter(|pin| pin.file == file).map(|pin| pin.start);
        let lowest = pins.chain(known.hold).min();
        let _ = self.ledger.hold(file, lowest);
    }

    /// A batch was taken that has so many bytes of files. Appends the offsets that moved, also
    /// those of files that are over.
    pub(crate) fn acknowledge(&mut self, batch: Batch, bytes: u64, moved: &mut Vec<(FileId, u64)>) {
        self.tell();
        if self.ledger.acknowledge(batch).is_err() {
            return;
        }
        self.ahead.take(batch, bytes);
        if self.pins.iter().any(|pin| pin.batch == batch) {
            let freed: Vec<FileId> =
                self.pins.iter().filter(|pin| pin.batch == batch).map(|pin| pin.file).collect();
            self.pins.retain(|pin| pin.batch != batch);
            for file in freed {
                self.hold(file);
            }
        }
        self.moves(moved);
    }

    /// Appends the offsets that moved.
    pub(crate) fn moves(&mut self, moved: &mut Vec<(FileId, u64)>) {
        self.tell();
        self.ledger.commits(|file, offset| moved.push((file, offset)));
        let ledger = &mut self.ledger;
        let files = &mut self.files;
        self.closing.retain(|end| {
            let done = match ledger.commit(end.file) {
                Ok(offset) => offset >= end.settled,
                Err(_) => true,
            };
            if done {
                ledger.close(end.file);
                if let Some(place) = files.get_mut(end.file.slot as usize)
                    && place.is_some_and(|known| known.file == end.file)
                {
                    *place = None;
                }
            }
            !done
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Origin;
    use std::sync::Arc;

    fn file(slot: u32) -> FileId {
        FileId { slot, generation: 1 }
    }

    fn record(slot: u32, start: u64, end: u64) -> Record {
        Record { source: slot, start, end, ..Record::default() }
    }

    fn block(ends: &[End]) -> Block {
        let sources = (0..2)
            .map(|slot| Source {
                file: file(slot),
                serial: slot,
                origin: Arc::new(Origin::default()),
                base: 0,
            })
            .collect();
        Block { sources, ends: ends.to_vec(), ..Block::default() }
    }

    fn end(slot: u32, settled: u64, hold: Option<u64>) -> End {
        End { file: file(slot), settled, hold, closed: false }
    }

    #[test]
    fn r12_a_group_that_ends_late_holds_its_file_until_its_own_batch_is_acknowledged() {
        let mut tracker = Tracker::default();
        let mut moved = Vec::new();
        // A line of stderr from 150 to 300 ends before the group of stdout from 100 to 200.
        let first = block(&[end(0, 300, Some(100))]);
        tracker.see(&first);
        let one = tracker.begin().unwrap();
        tracker.note(&first, &[record(0, 0, 100), record(0, 150, 300)], one);
        tracker.finish(&first);
        tracker.acknowledge(one, 1, &mut moved);
        assert_eq!(moved, [(file(0), 100)]);
        let second = block(&[end(0, 300, None)]);
        tracker.see(&second);
        let two = tracker.begin().unwrap();
        tracker.note(&second, &[record(0, 100, 200)], two);
        tracker.finish(&second);
        moved.clear();
        tracker.moves(&mut moved);
        assert_eq!(moved, []);
        tracker.acknowledge(two, 1, &mut moved);
        assert_eq!(moved, [(file(0), 300)]);
    }

    #[test]
    fn r12_a_row_of_records_holds_its_file_as_each_of_them_alone_does() {
        let row =
            [record(0, 0, 100), record(0, 150, 300), record(0, 100, 200), record(0, 300, 310)];
        let noted = |parts: &[&[Record]]| {
            let mut tracker = Tracker::default();
            let whole = block(&[]);
            tracker.see(&whole);
            let batch = tracker.begin().unwrap();
            let bytes: u64 = parts.iter().map(|part| tracker.note(&whole, part, batch)).sum();
            let pins: Vec<u64> = tracker.pins.iter().map(|pin| pin.start).collect();
            (bytes, pins, tracker.files[0].unwrap().noted)
        };
        assert_eq!(noted(&[&row]), (360, vec![100], 310));
        let each: Vec<&[Record]> = row.chunks(1).collect();
        assert_eq!(noted(&each), noted(&[&row]));
    }

    #[test]
    fn r18_batches_that_are_acknowledged_out_of_order_move_no_offset_too_far() {
        let mut tracker = Tracker::default();
        let mut moved = Vec::new();
        let whole = block(&[end(0, 30, None), end(1, 7, None)]);
        tracker.see(&whole);
        let batches: Vec<Batch> = (0..3).map(|_| tracker.begin().unwrap()).collect();
        for (index, batch) in (0..3_u64).zip(&batches) {
            tracker.note(&whole, &[record(0, index * 10, index * 10 + 10)], *batch);
        }
        tracker.finish(&whole);
        tracker.acknowledge(batches[2], 1, &mut moved);
        // Nothing of file 1 was a record: it moves at once.
        assert_eq!(moved, [(file(1), 7)]);
        tracker.acknowledge(batches[0], 1, &mut moved);
        assert_eq!(moved.pop(), Some((file(0), 10)));
        tracker.acknowledge(batches[1], 1, &mut moved);
        assert_eq!(moved.pop(), Some((file(0), 30)));
        assert_eq!(tracker.waiting(), 0);
    }

    #[test]
    fn a_file_that_is_over_is_forgotten_and_its_slot_can_be_used_again() {
        let mut tracker = Tracker::default();
        let mut moved = Vec::new();
        let last = block(&[End { closed: true, ..end(0, 10, None) }]);
        tracker.see(&last);
        let batch = tracker.begin().unwrap();
        tracker.note(&last, &[record(0, 0, 10)], batch);
        tracker.finish(&last);
        tracker.acknowledge(batch, 1, &mut moved);
        assert_eq!(moved, [(file(0), 10)]);
        let next = FileId { slot: 0, generation: 2 };
        let mut again = block(&[End { file: next, settled: 5, hold: None, closed: false }]);
        again.sources[0].file = next;
        tracker.see(&again);
        tracker.finish(&again);
        moved.clear();
        tracker.moves(&mut moved);
        assert_eq!(moved, [(next, 5)]);
    }

    #[test]
    fn r19_what_was_taken_behind_a_batch_that_was_not_is_bounded_and_what_is_under_way_is_not() {
        let mut tracker = Tracker::default();
        let mut begin =
            |number| -> Vec<Batch> { (0..number).map(|_| tracker.begin().unwrap()).collect() };
        let (first, batches) = (begin(16), begin(6));
        let mut take = |batch: Batch, bytes, in_flight| {
            tracker.acknowledge(batch, bytes, &mut Vec::new());
            tracker.is_far_ahead(in_flight)
        };
        // In their order, or with the oldest one last of all.
        for batch in first[..8].iter().chain(first[9..].iter().rev()).chain([&first[8]]) {
            assert!(!take(*batch, WINDOW_BYTES / 2, 16));
        }
        // A window is not too much, and neither are fewer batches than may be under way.
        assert!(!take(batches[2], WINDOW_BYTES, 1));
        assert!(!take(batches[1], 1, 3));
        assert!(take(batches[4], 1, 3));
        // Once the oldest one is taken, all before the next that is not may be written down.
        assert!(!take(batches[0], 1, 1));
        assert!(take(batches[5], WINDOW_BYTES, 2));
        assert!(!take(batches[3], 1, 1));
        assert_eq!((tracker.ahead.bytes, tracker.ahead.taken, tracker.waiting()), (0, 0, 0));
    }

    proptest::proptest! {
        /// Records of two files, in batches that are acknowledged in any order: no offset goes
        /// beyond a record whose batch is not, and in the end all of them are there.
        #[test]
        fn r18_no_offset_moves_beyond_a_record_that_waits(
            steps in proptest::collection::vec((0_u32..2, 0_u8..4, 0_usize..8), 1..60),
        ) {
            let mut tracker = Tracker::default();
            let mut moved = Vec::new();
            let whole = block(&[]);
            tracker.see(&whole);
            let mut ends = [0_u64; 2];
            let mut waiting: Vec<(Batch, [Option<u64>; 2])> = Vec::new();
            let mut filling = None;
            for (slot, what, which) in steps {
                if what < 3 {
                    let at = match filling {
                        Some(at) => at,
                        None => {
                            waiting.push((tracker.begin().unwrap(), [None; 2]));
                            waiting.len() - 1
                        }
                    };
                    filling = Some(at);
                    let start = ends[slot as usize];
                    ends[slot as usize] += 10;
                    waiting[at].1[slot as usize].get_or_insert(start);
                    tracker.note(&whole, &[record(slot, start, start + 10)], waiting[at].0);
                } else if !waiting.is_empty() {
                    filling = None;
                    let (batch, _) = waiting.remove(which % waiting.len());
                    tracker.acknowledge(batch, 1, &mut moved);
                }
                for (file, offset) in moved.drain(..) {
                    let firsts = waiting.iter().filter_map(|(_, at)| at[file.slot as usize]);
                    proptest::prop_assert!(firsts.min().is_none_or(|first| offset <= first));
                }
            }
            for (batch, _) in waiting {
                tracker.acknowledge(batch, 1, &mut moved);
            }
            for slot in 0..2 {
                proptest::prop_assert_eq!(
                    tracker.ledger.commit(file(slot)).unwrap(),
                    ends[slot as usize]
                );
            }
        }
    }
}
