//! Chunks of files in, records out: splitting, container framing, joins, groups, parsing.
//!
//! [`Intake::feed`] takes the bytes of a chunk until the block is full and says how many it took;
//! the caller hands the block on and feeds the rest. Every byte ends in a record, in the state
//! that is kept, or in a counter.

use crate::cri;
use crate::docker;
use crate::draft::Scratch;
use crate::json::scan::Index;
use crate::plan::{CHAIN_PAUSE, Framing, Plan};
use crate::record::{Flags, Piece, Records};
use crate::state::{File, Pieces, Stream, Streams};

mod emit;

/// Consecutive bytes of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunk<'a> {
    /// The slot of the file.
    pub source: u32,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they begin in the file.
    pub offset: u64,
    /// When they were read, nanoseconds since the epoch.
    pub now: u64,
    /// Nothing will follow: the file was rotated or deleted, and is drained.
    pub last: bool,
    /// A hole lies before them: NULs at their start are not content.
    pub after_hole: bool,
    /// When everything that there was had been read; none when that is now. What waited longer
    /// than that to be read is no sign of a pause of its writer.
    pub caught_up: Option<u64>,
}

/// What was seen; numbers only grow.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Bytes taken.
    pub bytes: u64,
    /// Lines of files, entries of containers included.
    pub lines: u64,
    /// Records emitted.
    pub records: u64,
    /// Records that no parser fitted.
    pub unparsed: u64,
    /// Lines with a malformed container framing.
    pub malformed: u64,
    /// Records cut at the limit.
    pub truncated: u64,
    /// Bytes that were cut off.
    pub truncated_bytes: u64,
    /// Records with bytes that their encoding does not know.
    pub repaired: u64,
    /// Records whose end was not seen.
    pub partial: u64,
    /// Records of several lines.
    pub multiline: u64,
    /// Empty lines that were passed over.
    pub empty: u64,
    /// NULs of holes that were passed over.
    pub hole_bytes: u64,
    /// Records with more fields than are kept.
    pub fields_cut: u64,
    /// Records that a redaction rule changed.
    pub redacted: u64,
}

/// Turns chunks into records. Holds only memory to use again, so one serves all files.
#[derive(Debug, Default)]
pub struct Intake {
    scratch: Scratch,
    /// What the scanner of JSON found.
    index: Index,
    counters: Counters,
}

/// A line of a file.
struct Line<'l> {
    bytes: &'l [u8],
    /// How many bytes are missing at its end.
    lost: u64,
    flags: Flags,
    /// Where it is: one piece.
    pieces: Pieces,
    now: u64,
}

impl Line<'_> {
    fn piece(&self) -> Piece {
        self.pieces.current.unwrap_or_default()
    }
}

/// A whole text, after joins.
#[derive(Clone, Copy)]
struct Meta {
    time: u64,
    now: u64,
    lost: u64,
    flags: Flags,
}

impl Intake {
    /// An intake.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was seen so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What was seen since this was last asked.
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Takes bytes of a chunk until the block is full; gives how many. Feed the rest as a chunk
    /// of its own, with the same flags.
    pub fn feed(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        chunk: &Chunk<'_>,
        out: &mut Records,
    ) -> usize {
        self.scratch.expected.clear();
        self.place(plan, file, streams, chunk, out);
        streams.excuse(plan, chunk);
        let mut rest = self.skip_hole(file, chunk);
        if let Some(wide) = plan.encoding.wide_newline() {
            rest = self.feed_wide(plan, file, streams, chunk, (out, wide, rest));
        } else {
            while !out.is_full() {
                let Some(at) = memchr::memchr(b'\n', rest) else {
                    file.extend(rest, plan.line_bytes_max);
                    rest = &[];
                    break;
                };
                let (line, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
                rest = after.get(1..).unwrap_or_default();
                let end = chunk.offset + (chunk.bytes.len() - rest.len()) as u64;
                self.ended(plan, file, streams, (line, end, chunk), out);
            }
        }
        let taken = chunk.bytes.len() - rest.len();
        self.counters.bytes += taken as u64;
        file.position = Some(chunk.offset + taken as u64);
        if file.is_open() {
            file.since = chunk.now;
        }
        if let Some(last) = chunk.bytes.get(..taken).and_then(<[u8]>::last) {
            file.last = *last;
        }
        if chunk.last && rest.is_empty() {
            self.cut(plan, file, streams, (chunk.source, chunk.now), out);
        }
        taken
    }

    /// Emits what waited too long: the open line of a file when the plan says so, chains, groups.
    pub fn tick(
        &mut self,
        plan: &Plan,
        file: Option<(&mut File, u32)>,
        streams: &mut Streams,
        now: u64,
        out: &mut Records,
    ) {
        self.scratch.expected.clear();
        if let (Some((file, source)), Some(pause), Framing::Raw) =
            (file, plan.partial_after, plan.framing)
            && file.is_open()
            && file.since.saturating_add(pause) <= now
        {
            self.cut(plan, file, streams, (source, now), out);
            file.continued = true;
        }
        for stream in [&mut streams.stdout, &mut streams.stderr] {
            if stream.chain.since.saturating_add(CHAIN_PAUSE) <= now {
                self.break_chain(plan, stream, now, out);
            }
            let pause = plan.multiline.as_ref().map_or(0, |multiline| multiline.pause);
            if stream.group.since.saturating_add(pause) <= now {
                self.close_group(plan, &mut stream.group, Flags::default(), out);
            }
        }
    }

    /// Emits all that is unfinished: the container or the path is gone, or the agent stops.
    pub fn close(&mut self, plan: &Plan, streams: &mut Streams, now: u64, out: &mut Records) {
        self.scratch.expected.clear();
        for stream in [&mut streams.stdout, &mut streams.stderr] {
            self.break_chain(plan, stream, now, out);
            self.close_group(plan, &mut stream.group, Flags::default(), out);
        }
    }

    /// Prepares for bytes at the chunk's offset: an open line that does not end there is cut.
    fn place(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        chunk: &Chunk<'_>,
        out: &mut Records,
    ) {
        if file.position == Some(chunk.offset) {
            file.after_hole |= chunk.after_hole;
            return;
        }
        if file.is_open() {
            self.cut(plan, file, streams, (chunk.source, chunk.now), out);
        }
        file.restart(chunk.offset);
        file.position = Some(chunk.offset);
        file.after_hole = chunk.after_hole;
    }

    /// The bytes of the chunk without the NULs that a hole left before a line.
    fn skip_hole<'c>(&mut self, file: &mut File, chunk: &Chunk<'c>) -> &'c [u8] {
        if !file.after_hole || file.is_open() {
            return chunk.bytes;
        }
        let nuls = chunk.bytes.iter().take_while(|byte| **byte == 0).count();
        file.after_hole = nuls == chunk.bytes.len();
        self.counters.hole_bytes += nuls as u64;
        file.start += nuls as u64;
        chunk.bytes.get(nuls..).unwrap_or_default()
    }

    /// [`Intake::feed`] for characters of two bytes: a newline is two bytes on an even offset.
    fn feed_wide<'c>(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        chunk: &Chunk<'c>,
        rest: (&mut Records, [u8; 2], &'c [u8]),
    ) -> &'c [u8] {
        let (out, wide, mut rest) = rest;
        while !out.is_full() {
            let base = chunk.offset + (chunk.bytes.len() - rest.len()) as u64;
            let mut before = file.last;
            let newline = rest.iter().enumerate().position(|(at, byte)| {
                let found = (base + at as u64) % 2 == 1 && [before, *byte] == wide;
                before = *byte;
                found
            });
            let Some(at) = newline else {
                file.last = before;
                file.extend(rest, plan.line_bytes_max);
                return &[];
            };
            let (line, after) = rest.split_at_checked(at + 1).unwrap_or((rest, &[]));
            rest = after;
            file.last = wide[1];
            file.extend(line, plan.line_bytes_max);
            // The newline's own bytes are the last ones.
            let beyond = file.lost.min(2);
            file.lost -= beyond;
            file.carry.truncate(file.carry.len().saturating_sub(2 - beyond as usize));
            self.ended(plan, file, streams, (&[], base + at as u64 + 1, chunk), out);
        }
        rest
    }

    /// A line ended: what is in the file's buffer and then `line`.
    #[inline]
    fn ended(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        line: (&[u8], u64, &Chunk<'_>),
        out: &mut Records,
    ) {
        let (bytes, end, chunk) = line;
        let pieces = Pieces::one(Piece { source: chunk.source, start: file.start, end });
        let flags = if file.continued { Flags::PARTIAL } else { Flags::default() };
        if file.is_open() || bytes.len() > plan.line_bytes_max {
            file.extend(bytes, plan.line_bytes_max);
            let carry = std::mem::take(&mut file.carry);
            let line = Line { bytes: &carry, lost: file.lost, flags, pieces, now: chunk.now };
            self.line(plan, streams, &line, out);
            file.carry = carry;
        } else {
            let line = Line { bytes, lost: 0, flags, pieces, now: chunk.now };
            self.line(plan, streams, &line, out);
        }
        file.restart(end);
    }

    /// Emits the open line of a file, of which nothing more is known.
    fn cut(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        of: (u32, u64),
        out: &mut Records,
    ) {
        if !file.is_open() {
            return;
        }
        let end = file.position.unwrap_or(file.start);
        let carry = std::mem::take(&mut file.carry);
        let pieces = Pieces::one(Piece { source: of.0, start: file.start, end });
        let (lost, flags) = (file.lost, Flags::PARTIAL);
        let line = Line { bytes: &carry, lost, flags, pieces, now: of.1 };
        self.line(plan, streams, &line, out);
        file.carry = carry;
        file.restart(end);
    }

    /// Takes a line out of its framing.
    #[inline]
    fn line(&mut self, plan: &Plan, streams: &mut Streams, line: &Line<'_>, out: &mut Records) {
        self.counters.lines += 1;
        let mut bytes = line.bytes;
        if line.piece().start == 0 {
            bytes = bytes.strip_prefix(plan.encoding.byte_order_mark()).unwrap_or(bytes);
        }
        match plan.framing {
            Framing::Raw => self.raw(plan, streams, line, bytes, out),
            Framing::Cri => match cri::parse(bytes, &mut self.scratch.calendar) {
                Some(entry) => {
                    let stream =
                        if entry.stderr { &mut streams.stderr } else { &mut streams.stdout };
                    self.entry(plan, stream, line, &entry, out);
                }
                None => self.malformed(plan, streams, line, bytes, out),
            },
            Framing::Docker => self.docker(plan, streams, line, bytes, out),
        }
    }

    fn docker(
        &mut self,
        plan: &Plan,
        streams: &mut Streams,
        line: &Line<'_>,
        bytes: &[u8],
        out: &mut Records,
    ) {
        let mut content = std::mem::take(&mut self.scratch.value);
        let text = std::str::from_utf8(bytes).ok().filter(|_| line.lost == 0);
        let found = text.and_then(|text| docker::parse(text, &mut self.index, &mut content));
        match found {
            Some(entry) => {
                let stream = if entry.stderr { &mut streams.stderr } else { &mut streams.stdout };
                let docker::Entry { time, stderr, partial } = entry;
                let entry = cri::Entry { time, stderr, partial, content: content.as_bytes() };
                self.entry(plan, stream, line, &entry, out);
            }
            None => self.malformed(plan, streams, line, bytes, out),
        }
        self.scratch.value = content;
    }

    /// A line whose framing is malformed is kept as it is, as standard output's.
    #[cold]
    fn malformed(
        &mut self,
        plan: &Plan,
        streams: &mut Streams,
        line: &Line<'_>,
        bytes: &[u8],
        out: &mut Records,
    ) {
        let flags = line.flags | Flags::MALFORMED;
        let framed = Line { bytes, flags, pieces: line.pieces.clone(), ..*line };
        self.counters.malformed += 1;
        self.raw(plan, streams, &framed, bytes, out);
    }

    #[inline]
    fn raw(
        &mut self,
        plan: &Plan,
        streams: &mut Streams,
        line: &Line<'_>,
        bytes: &[u8],
        out: &mut Records,
    ) {
        let meta = Meta { time: 0, now: line.now, lost: line.lost, flags: line.flags };
        self.whole(plan, &mut streams.stdout.group, (bytes, meta, &line.pieces), out);
    }

    /// An entry of a container's log: it may be a part of a line.
    #[inline]
    fn entry(
        &mut self,
        plan: &Plan,
        stream: &mut Stream,
        line: &Line<'_>,
        entry: &cri::Entry<'_>,
        out: &mut Records,
    ) {
        let mut flags = line.flags;
        if entry.stderr {
            flags.set(Flags::STDERR);
        }
        // An entry that was cut, or whose end is not known, goes on in no other one.
        let partial = entry.partial && !line.flags.has(Flags::PARTIAL);
        let Stream { chain, group } = stream;
        if !partial && chain.pieces.current.is_none() {
            let meta = Meta { time: entry.time, now: line.now, lost: line.lost, flags };
            self.whole(plan, group, (entry.content, meta, &line.pieces), out);
            return;
        }
        if chain.pieces.current.is_none() {
            chain.time = entry.time;
            chain.flags = flags;
        }
        chain.extend(entry.content, plan.line_bytes_max, line.lost);
        chain.since = line.now;
        chain.pieces.add(line.piece());
        if partial && chain.pieces.is_full() {
            flags.set(Flags::PARTIAL);
        } else if partial {
            return;
        }
        self.end_chain(plan, stream, flags, line.now, out);
    }

    /// Emits a chain that gets no more entries.
    fn break_chain(&mut self, plan: &Plan, stream: &mut Stream, now: u64, out: &mut Records) {
        if stream.chain.pieces.current.is_some() {
            let flags = stream.chain.flags | Flags::PARTIAL;
            self.end_chain(plan, stream, flags, now, out);
        }
    }

    fn end_chain(
        &mut self,
        plan: &Plan,
        stream: &mut Stream,
        flags: Flags,
        now: u64,
        out: &mut Records,
    ) {
        let Stream { chain, group } = stream;
        let bytes = std::mem::take(&mut chain.bytes);
        let pieces = std::mem::take(&mut chain.pieces);
        let meta = Meta { time: chain.time, now, lost: chain.lost, flags };
        self.whole(plan, group, (&bytes, meta, &pieces), out);
        chain.reset(bytes);
    }
}

#[cfg(test)]
mod tests;
