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
use crate::record::{Flags, Piece, Records, Span, narrow};
use crate::state::{File, Stream, Streams};
use crate::window::{Clean, Window};

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
    /// Records with a malformed container framing.
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
    window: Window,
    counters: Counters,
}

/// A line of a file, and later what it became: the content of its framing, after joins.
#[derive(Clone, Copy, Default)]
struct Line<'l> {
    bytes: &'l [u8],
    /// The same, when they are known to be clean.
    clean: Option<Clean<'l>>,
    /// Where what was looked at with it lies in the arena, when it does.
    lies: Option<u32>,
    /// What its framing says of when it was written; 0 for none.
    time: u64,
    now: u64,
    /// How many bytes are missing at its end.
    lost: u64,
    flags: Flags,
    /// Where it is, and which pieces of it are in earlier files.
    piece: Piece,
    earlier: &'l [Piece],
}

impl Line<'_> {
    /// Where its text lies in the arena, when it does.
    #[inline]
    fn place(&self) -> Option<Span> {
        let (lies, range) = (self.lies?, self.clean?.range());
        Some(Span { start: lies + narrow(range.start), len: narrow(range.len()) })
    }
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
        self.scratch.expected.follow(plan.number);
        self.place(plan, file, streams, chunk, out);
        streams.excuse(plan, chunk);
        let mut rest = self.skip_hole(file, chunk);
        if let Some(wide) = plan.encoding.wide_newline() {
            rest = self.feed_wide(plan, file, streams, chunk, (out, wide, rest));
        } else {
            let mut window = std::mem::take(&mut self.window);
            while !out.is_full() && !rest.is_empty() {
                rest = self.feed_window(plan, file, streams, chunk, (out, &mut window, rest));
            }
            self.window = window;
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
        self.scratch.expected.follow(plan.number);
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
        self.scratch.expected.follow(plan.number);
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

    /// Takes the lines that end in a window, or the whole next one when it is longer than that.
    #[inline]
    fn feed_window<'c>(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        chunk: &Chunk<'c>,
        rest: (&mut Records, &mut Window, &'c [u8]),
    ) -> &'c [u8] {
        let (out, window, rest) = rest;
        if file.is_open() {
            return self.go_on(plan, file, streams, chunk, (out, rest));
        }
        let base = chunk.offset + (chunk.bytes.len() - rest.len()) as u64;
        let seen = window.look(rest);
        let copied = seen.clean(out.left()).filter(|_| plan.keeps_lines());
        let mut lies = copied.and_then(|text| out.texts.push_lines(text));
        let copied = copied.map_or(0, str::len);
        let mut lines = seen.lines();
        // Lines that lie in the block already go into it.
        while !out.is_full() || (lies.is_some() && out.left() > 0) {
            let (bytes, clean) = match lines.next() {
                Some(line) => line,
                None if lines.start() > 0 => break,
                None => match lines.long(rest) {
                    Some(line) => (line, None),
                    None => {
                        file.extend(rest, plan.line_bytes_max);
                        return &[];
                    }
                },
            };
            // One line that gives no record lets one in that was not copied.
            lies = lies.filter(|_| lines.start() <= copied);
            let end = base + lines.start() as u64;
            let flags = if file.continued { Flags::PARTIAL } else { Flags::default() };
            if bytes.len() > plan.line_bytes_max {
                file.extend(bytes, plan.line_bytes_max);
                self.carried(plan, file, streams, (end, flags, chunk.source, chunk.now), out);
                continue;
            }
            let piece = Piece { source: chunk.source, start: file.start, end };
            let now = chunk.now;
            let mut line = Line { bytes, clean, lies, flags, piece, now, ..Line::default() };
            self.line(plan, streams, &mut line, out);
            file.start = end;
            file.continued = false;
        }
        rest.get(lines.start()..).unwrap_or_default()
    }

    /// Takes the end of the open line, or more of it.
    #[inline(never)]
    fn go_on<'c>(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        chunk: &Chunk<'c>,
        (out, rest): (&mut Records, &'c [u8]),
    ) -> &'c [u8] {
        let Some(at) = memchr::memchr(b'\n', rest) else {
            file.extend(rest, plan.line_bytes_max);
            return &[];
        };
        let (line, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        file.extend(line, plan.line_bytes_max);
        let after = after.get(1..).unwrap_or_default();
        let end = chunk.offset + (chunk.bytes.len() - after.len()) as u64;
        let flags = if file.continued { Flags::PARTIAL } else { Flags::default() };
        self.carried(plan, file, streams, (end, flags, chunk.source, chunk.now), out);
        after
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
            let flags = if file.continued { Flags::PARTIAL } else { Flags::default() };
            let end = base + at as u64 + 1;
            self.carried(plan, file, streams, (end, flags, chunk.source, chunk.now), out);
        }
        rest
    }

    /// Emits the open line of a file, of which nothing more is known.
    fn cut(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        (source, now): (u32, u64),
        out: &mut Records,
    ) {
        if file.is_open() {
            let end = file.position.unwrap_or(file.start);
            self.carried(plan, file, streams, (end, Flags::PARTIAL, source, now), out);
        }
    }

    /// A line ended that is in the file's buffer.
    #[inline(never)]
    fn carried(
        &mut self,
        plan: &Plan,
        file: &mut File,
        streams: &mut Streams,
        (end, flags, source, now): (u64, Flags, u32, u64),
        out: &mut Records,
    ) {
        let carry = std::mem::take(&mut file.carry);
        let piece = Piece { source, start: file.start, end };
        let mut line =
            Line { bytes: &carry, lost: file.lost, flags, piece, now, ..Line::default() };
        self.line(plan, streams, &mut line, out);
        file.carry = carry;
        file.restart(end);
    }

    /// Takes a line out of its framing.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    fn line(&mut self, plan: &Plan, streams: &mut Streams, line: &mut Line<'_>, out: &mut Records) {
        self.counters.lines += 1;
        if line.piece.start == 0
            && let Some(rest) = line.bytes.strip_prefix(plan.encoding.byte_order_mark())
        {
            line.bytes = rest;
        }
        match plan.framing {
            Framing::Raw => self.raw(plan, streams, line, out),
            Framing::Cri => match cri::parse(line.bytes, &mut self.scratch.calendar) {
                Some(entry) => {
                    let stream =
                        if entry.stderr { &mut streams.stderr } else { &mut streams.stdout };
                    self.entry(plan, stream, line, &entry, out);
                }
                None => self.malformed(plan, streams, line, out),
            },
            Framing::Docker => self.docker(plan, streams, line, out),
        }
    }

    #[inline(never)]
    fn docker(
        &mut self,
        plan: &Plan,
        streams: &mut Streams,
        line: &mut Line<'_>,
        out: &mut Records,
    ) {
        let mut content = std::mem::take(&mut self.scratch.value);
        let text = std::str::from_utf8(line.bytes).ok().filter(|_| line.lost == 0);
        let found = text.and_then(|text| docker::parse(text, &mut self.index, &mut content));
        match found {
            Some(entry) => {
                let stream = if entry.stderr { &mut streams.stderr } else { &mut streams.stdout };
                let docker::Entry { time, stderr, partial } = entry;
                let entry = cri::Entry { time, stderr, partial, content: content.as_bytes() };
                let mut line = Line { clean: None, ..*line };
                self.entry(plan, stream, &mut line, &entry, out);
            }
            None => self.malformed(plan, streams, line, out),
        }
        self.scratch.value = content;
    }

    /// A line whose framing is malformed is kept as it is, as standard output's.
    #[cold]
    fn malformed(
        &mut self,
        plan: &Plan,
        streams: &mut Streams,
        line: &mut Line<'_>,
        out: &mut Records,
    ) {
        line.flags.set(Flags::MALFORMED);
        self.raw(plan, streams, line, out);
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    fn raw(&mut self, plan: &Plan, streams: &mut Streams, line: &mut Line<'_>, out: &mut Records) {
        self.whole(plan, &mut streams.stdout.group, line, out);
    }

    /// An entry of a container's log: it may be a part of a line. When its line is clean, its
    /// content is the end of it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    fn entry<'l>(
        &mut self,
        plan: &Plan,
        stream: &mut Stream,
        line: &mut Line<'l>,
        entry: &cri::Entry<'l>,
        out: &mut Records,
    ) {
        if entry.stderr {
            line.flags.set(Flags::STDERR);
        }
        line.bytes = entry.content;
        line.clean = line.clean.and_then(|clean| clean.last(entry.content.len()));
        line.time = entry.time;
        // An entry that was cut, or whose end is not known, goes on in no other one.
        let partial = entry.partial && !line.flags.has(Flags::PARTIAL);
        if partial || stream.chain.pieces.current.is_some() {
            self.part(plan, stream, partial, line, out);
        } else {
            self.whole(plan, &mut stream.group, line, out);
        }
    }

    /// An entry that goes on with a chain or begins one.
    #[inline(never)]
    fn part(
        &mut self,
        plan: &Plan,
        stream: &mut Stream,
        partial: bool,
        content: &Line<'_>,
        out: &mut Records,
    ) {
        let Line { bytes, time, lost, now, mut flags, piece, .. } = *content;
        let chain = &mut stream.chain;
        if chain.pieces.current.is_none() {
            chain.time = time;
            chain.flags = flags;
        }
        chain.extend(bytes, plan.line_bytes_max, lost);
        chain.since = now;
        chain.pieces.add(piece);
        if partial && chain.pieces.is_full() {
            flags.set(Flags::PARTIAL);
        } else if partial {
            return;
        }
        self.end_chain(plan, stream, flags, now, out);
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
        let mut line = Line {
            bytes: &bytes,
            clean: None,
            lies: None,
            time: chain.time,
            now,
            lost: chain.lost,
            flags,
            piece: pieces.current.unwrap_or_default(),
            earlier: &pieces.earlier,
        };
        self.whole(plan, group, &mut line, out);
        chain.reset(bytes);
    }
}

#[cfg(test)]
mod tests;
