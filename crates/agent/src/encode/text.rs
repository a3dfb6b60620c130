//! Records as lines of a file: the body alone.
//!
//! Lines that lie one behind the other in a block are written from there; few of them, and bodies
//! that are not whole lines, are copied. A batch holds on to blocks of at most
//! [`HELD_MAX`] times its own limit.

use super::Pushed;
use crate::block::Block;
use crate::config::Batch;
use lines::Record;
use pipeline::ring::Lease;
use std::ops::Range;
use std::sync::Arc;

/// Lines of so many bytes are written from where they lie; fewer are copied, so that a batch has
/// few pieces.
const SHARED_BYTES_MIN: usize = 16 * 1024;
/// How many bytes of blocks a batch may hold on to for each byte that may be in it.
const HELD_MAX: u64 = 2;

/// Lines that grow.
#[derive(Debug)]
pub(crate) struct Text {
    /// Lines that were copied.
    own: Vec<u8>,
    /// All lines, in their order.
    parts: Vec<Part>,
    /// Where each line ends.
    ends: Vec<usize>,
    /// Bytes of memory of the blocks that are held.
    held: u64,
    limits: Batch,
}

/// Some lines, and where they are.
#[derive(Debug)]
enum Part {
    Own(Range<usize>),
    Block(Arc<Lease<Block>>, Range<usize>),
}

impl Part {
    fn range(&self) -> &Range<usize> {
        match self {
            Self::Own(range) | Self::Block(_, range) => range,
        }
    }
}

impl Text {
    pub(super) fn new(limits: Batch) -> Self {
        Self { own: Vec::new(), parts: Vec::new(), ends: Vec::new(), held: 0, limits }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn clear(&mut self) {
        self.held = 0;
        self.ends.clear();
        self.parts.clear();
        self.own.clear();
        // A huge line made it grow.
        self.own.shrink_to(self.limits.bytes);
    }

    #[inline]
    pub(super) fn push(&mut self, block: &Arc<Lease<Block>>, record: &Record) -> Pushed {
        let (start, length) = (self.bytes(), record.body.len as usize + 1);
        let end = start + length;
        // A single line that is longer than a batch is sent alone: a file has no bound.
        if self.ends.len() >= self.limits.records || (end > self.limits.bytes && start > 0) {
            return Pushed::Full;
        }
        let is_line = record.ended && record.body == record.line;
        match self.parts.last_mut() {
            Some(Part::Block(known, lines))
                if is_line
                    && lines.end == record.body.start as usize
                    && Arc::ptr_eq(known, block) =>
            {
                lines.end += length;
            }
            _ => self.begin(block, record, is_line),
        }
        self.ends.push(end);
        Pushed::Added
    }

    /// A line that does not lie behind the one before.
    #[inline(never)]
    fn begin(&mut self, block: &Arc<Lease<Block>>, record: &Record, is_line: bool) {
        self.settle();
        let memory = block.memory();
        if is_line && self.held + memory <= HELD_MAX * self.limits.bytes as u64 {
            let start = record.body.start as usize;
            let range = start..start + record.body.len as usize + 1;
            self.parts.push(Part::Block(block.clone(), range));
            self.held += memory;
        } else {
            self.copy(block.records.body(record).as_bytes());
            self.copy(b"\n");
        }
    }

    /// Lets go of the block of the last lines when they are few.
    fn settle(&mut self) {
        if let Some(part) = self.parts.pop_if(|part| part.range().len() < SHARED_BYTES_MIN) {
            match part {
                Part::Own(_) => self.parts.push(part),
                Part::Block(block, range) => {
                    self.held -= block.memory();
                    self.copy(block.records.arena(range));
                }
            }
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        match self.parts.last_mut() {
            Some(Part::Own(range)) => range.end = self.own.len(),
            _ => self.parts.push(Part::Own(start..self.own.len())),
        }
    }

    fn bytes(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Some of the lines, in pieces.
    pub(crate) fn pieces(&self, lines: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let before =
            |at: usize| at.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(0);
        let end = lines.end.min(self.ends.len());
        let (from, to) = (before(lines.start.min(end)), before(end));
        let mut begin = 0;
        self.parts.iter().filter_map(move |part| {
            let range = part.range();
            let (first, last) = (from.max(begin), to.min(begin + range.len()));
            let within = first.saturating_sub(begin)..last.saturating_sub(begin);
            begin += range.len();
            let bytes = match part {
                Part::Own(range) => self.own.get(range.clone()).unwrap_or_default(),
                Part::Block(block, range) => block.records.arena(range.clone()),
            };
            bytes.get(within).filter(|bytes| !bytes.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lines::{Chunk, File, Intake, Plan, Records, Settings, Span, Streams};
    use pipeline::ring::{Limits, Mode, Next, ring};
    use proptest::prelude::*;

    fn limits(records: usize, bytes: usize) -> Batch {
        Batch { records, bytes, ..Batch::default() }
    }

    /// Blocks as a sink gets them.
    fn leased(blocks: Vec<Records>) -> Vec<Arc<Lease<Block>>> {
        let (mut producer, subscriber) = ring(Limits::for_memory(1 << 30, 64));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        let blocks = blocks.into_iter().map(|records| Block { records, ..Block::default() });
        let leases = blocks.map(|block| {
            let bytes = block.memory();
            producer.try_push(block, bytes).unwrap();
            match consumer.try_next() {
                Next::Block(lease) => Arc::new(lease),
                other => panic!("{other:?}"),
            }
        });
        leases.collect()
    }

    fn records(text: &str) -> Records {
        read(text, Settings::default())
    }

    fn read(text: &str, settings: Settings) -> Records {
        let (mut file, mut streams, mut records) = <(File, Streams, Records)>::default();
        let chunk = Chunk { bytes: text.as_bytes(), now: 1, ..Chunk::default() };
        let plan = Plan::new(settings).unwrap();
        assert_eq!(
            Intake::new().feed(&plan, &mut file, &mut streams, &chunk, &mut records),
            text.len()
        );
        records
    }

    fn written(lines: &Text, range: Range<usize>) -> Vec<u8> {
        lines.pieces(range).flatten().copied().collect()
    }

    #[test]
    fn many_lines_are_written_from_where_they_lie_and_few_are_copied() {
        let line = format!("{}\n", "x".repeat(99));
        let blocks = leased([300, 3, 300].map(|count| records(&line.repeat(count))).into());
        let mut lines = Text::new(limits(1_000, 1 << 20));
        for block in &blocks {
            for record in block.records.records() {
                assert_eq!(lines.push(block, record), Pushed::Added);
            }
        }
        assert_eq!(written(&lines, 0..603), line.repeat(603).as_bytes());
        assert_eq!(lines.own, line.repeat(3).as_bytes());
        let place = blocks[2].records.arena(0..1).as_ptr();
        assert!(lines.pieces(0..603).any(|piece| piece.as_ptr() == place));
        assert_eq!(blocks.iter().map(Arc::strong_count).collect::<Vec<_>>(), [2, 1, 2]);
        assert_eq!(lines.held, blocks[0].memory() + blocks[2].memory());
        lines.clear();
        assert_eq!((lines.len(), lines.held, Arc::strong_count(&blocks[0])), (0, 0, 1));
    }

    #[test]
    fn a_line_that_was_redacted_has_no_newline_behind_it_in_its_block_and_gets_one() {
        let redaction = Some(lines::Redaction::builtin(["email"]).unwrap());
        let settings = Settings { redaction, ..Settings::default() };
        let text = "a\nto b@c.de\nd\nb@c.de\nb@c.de\n\nlast\n";
        let blocks = leased(vec![read(text, settings)]);
        let records = &blocks[0].records;
        let mut lines = Text::new(limits(10, 1_000));
        let mut wanted = String::new();
        for record in records.records() {
            assert_eq!(lines.push(&blocks[0], record), Pushed::Added);
            wanted += &format!("{}\n", records.body(record));
        }
        assert!(!wanted.contains('@') && wanted.lines().count() == 7, "{wanted}");
        assert_eq!(String::from_utf8_lossy(&written(&lines, 0..7)), wanted);
    }

    #[test]
    fn no_more_memory_of_blocks_is_held_than_twice_a_batch() {
        let line = format!("{}\n", "x".repeat(99));
        let blocks = leased((0..20).map(|_| records(&line.repeat(200))).collect());
        let mut lines = Text::new(limits(10_000, 40_000 * 4));
        let mut pushed = 0;
        for block in &blocks {
            for record in block.records.records() {
                pushed += usize::from(lines.push(block, record) == Pushed::Added);
                assert!(lines.held <= HELD_MAX * 160_000);
            }
        }
        assert_eq!((pushed, lines.len()), (1_600, 1_600), "then it is full");
        assert_eq!(written(&lines, 0..1_600), line.repeat(1_600).as_bytes());
        assert!(lines.held > 0 && !lines.own.is_empty());
    }

    #[test]
    fn a_batch_is_full_at_its_bounds_and_a_longer_line_is_alone_in_one() {
        let blocks = leased(vec![records("a\nb\nlonger\n")]);
        let push =
            |lines: &mut Text, at: usize| lines.push(&blocks[0], &blocks[0].records.records()[at]);
        let mut lines = Text::new(limits(2, 100));
        let pushed = [0, 1, 2].map(|at| push(&mut lines, at));
        assert_eq!(pushed, [Pushed::Added, Pushed::Added, Pushed::Full]);
        let mut small = Text::new(limits(9, 3));
        let pushed = [0, 2].map(|at| push(&mut small, at));
        assert_eq!(pushed, [Pushed::Added, Pushed::Full]);
        small.clear();
        assert_eq!(push(&mut small, 2), Pushed::Added);
        assert_eq!(written(&small, 0..1), b"longer\n");
    }

    proptest! {
        #[test]
        fn each_line_is_the_body_of_its_record_whatever_lies_where(
            blocks in prop::collection::vec(
                prop::collection::vec(("[a-z]{0,9}|[a-z]{4000}", 0..6_u8), 1..30),
                1..5,
            ),
            ranges in prop::collection::vec((0..150_usize, 0..150_usize), 4),
        ) {
            let mut wanted = Vec::new();
            let mut all = Vec::new();
            for lines in &blocks {
                let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
                let mut records = records(&text);
                let mut kinds = lines.iter().map(|(_, kind)| *kind);
                // Some are left out, of some a part is taken.
                records.retain(|record| {
                    let kind = kinds.next().unwrap();
                    if kind == 1 {
                        record.body = Span { len: record.body.len / 2, ..record.body };
                    }
                    kind != 0
                });
                wanted.extend(records.records().iter().map(|one| format!("{}\n", records.body(one))));
                all.push(records);
            }
            let mut lines = Text::new(limits(1_000, 1 << 20));
            for block in &leased(all) {
                for record in block.records.records() {
                    prop_assert_eq!(lines.push(block, record), Pushed::Added);
                }
            }
            prop_assert_eq!(lines.len(), wanted.len());
            for (from, to) in ranges.into_iter().chain([(0, wanted.len())]) {
                let range = from.min(wanted.len())..to.min(wanted.len());
                let text = wanted.get(range.clone()).unwrap_or_default().concat();
                prop_assert_eq!(written(&lines, range), text.as_bytes());
            }
        }
    }
}
