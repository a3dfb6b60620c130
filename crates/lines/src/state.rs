//! What is unfinished: the open line of a file, and per stream of a container (or per path) the
//! chain of partial entries and the open multi-line group.
//!
//! A caller keeps one [`File`] for each file it reads and one [`Streams`] for each instance of a
//! container or path, so that what began before a rotation ends after it. Both tell where the
//! oldest unfinished piece begins: no file may be committed beyond it.

use crate::intake::Chunk;
use crate::multiline::Trace;
use crate::plan::Plan;
use crate::record::{Flags, Piece};

/// A record has pieces in at most this many files; with more it is emitted as it is.
pub const FILES_OF_A_RECORD_MAX: usize = 8;
/// A buffer that grew beyond this many bytes is given back when its line is done.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The reading state of one file.
#[derive(Debug, Default, Clone)]
pub struct File {
    /// The open line so far, up to the limit.
    pub(crate) carry: Vec<u8>,
    /// How many of its bytes were beyond the limit.
    pub(crate) lost: u64,
    /// Where it begins.
    pub(crate) start: u64,
    /// The offset that is expected next; `None` before the first chunk.
    pub(crate) position: Option<u64>,
    /// When it last grew.
    pub(crate) since: u64,
    /// The last byte that was seen, for newlines of two bytes.
    pub(crate) last: u8,
    /// Its beginning was emitted already.
    pub(crate) continued: bool,
    /// NULs that begin a line are the rest of a hole.
    pub(crate) after_hole: bool,
}

impl File {
    /// Where the open line begins, when there is one.
    #[must_use]
    pub fn hold(&self) -> Option<u64> {
        self.is_open().then_some(self.start)
    }

    /// All bytes before this offset are in records that were emitted, in [`Streams`], or were
    /// passed over on purpose.
    #[must_use]
    pub fn settled(&self) -> u64 {
        if self.is_open() { self.start } else { self.position.unwrap_or(0) }
    }

    /// Bytes of memory that it holds beside itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.carry.capacity()
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.carry.is_empty() || self.lost > 0
    }

    /// Adds bytes to the open line; what is beyond the limit is only counted.
    pub(crate) fn extend(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.carry.len()).min(bytes.len());
        let (kept, lost) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.carry.extend_from_slice(kept);
        self.lost += lost.len() as u64;
    }

    /// The next line begins at this offset.
    pub(crate) fn restart(&mut self, start: u64) {
        self.carry.clear();
        if self.carry.capacity() > KEPT_BYTES_MAX {
            self.carry = Vec::new();
        }
        self.lost = 0;
        self.start = start;
        self.continued = false;
    }
}

/// The joining state of an instance of a container, which a restart ends (or of a path).
#[derive(Debug, Default, Clone)]
pub struct Streams {
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
}

impl Streams {
    /// Lines that could not be read before now are no pause in the groups that wait for them.
    pub(crate) fn excuse(&mut self, plan: &Plan, chunk: &Chunk<'_>) {
        let (Some(multiline), Some(caught_up)) = (&plan.multiline, chunk.caught_up) else { return };
        for group in [&mut self.stdout.group, &mut self.stderr.group] {
            if group.since.saturating_add(multiline.pause) > caught_up {
                group.excused = chunk.now;
            }
        }
    }

    /// Calls `each` with every piece that is unfinished: its file must not be committed beyond
    /// the piece's start.
    pub fn holds(&self, mut each: impl FnMut(Piece)) {
        for stream in [&self.stdout, &self.stderr] {
            stream.chain.pieces.each(&mut each);
            stream.group.pieces.each(&mut each);
        }
    }

    /// Where the oldest unfinished piece of this file begins, when there is one. The open line is
    /// the [`File`]'s own; see [`hold`].
    #[must_use]
    pub fn hold(&self, source: u32) -> Option<u64> {
        let mut oldest = None;
        self.holds(|piece| {
            if piece.source == source {
                oldest = Some(oldest.map_or(piece.start, |start: u64| start.min(piece.start)));
            }
        });
        oldest
    }

    /// Whether nothing is unfinished.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        [&self.stdout, &self.stderr].iter().all(|stream| {
            stream.chain.pieces.current.is_none() && stream.group.pieces.current.is_none()
        })
    }

    /// Bytes of memory that it holds beside itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        let of = |stream: &Stream| {
            stream.chain.bytes.capacity()
                + stream.group.text.capacity()
                + (stream.chain.pieces.earlier.capacity() + stream.group.pieces.earlier.capacity())
                    * size_of::<Piece>()
        };
        of(&self.stdout) + of(&self.stderr)
    }
}

/// Up to where a file may be committed at most: the start of the oldest unfinished piece, or all
/// that was read. The start of records that are not acknowledged is the caller's to know.
#[must_use]
pub fn hold(file: &File, streams: &Streams, source: u32) -> u64 {
    let settled = file.settled();
    streams.hold(source).map_or(settled, |start| start.min(settled))
}

/// One stream of a container.
#[derive(Debug, Default, Clone)]
pub(crate) struct Stream {
    pub(crate) chain: Chain,
    pub(crate) group: Group,
}

/// Partial entries whose end has not come yet.
#[derive(Debug, Default, Clone)]
pub(crate) struct Chain {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lost: u64,
    pub(crate) time: u64,
    pub(crate) since: u64,
    pub(crate) flags: Flags,
    pub(crate) pieces: Pieces,
}

impl Chain {
    /// Adds the content of an entry; what is beyond the limit is only counted.
    pub(crate) fn extend(&mut self, content: &[u8], limit: usize, lost: u64) {
        let room = limit.saturating_sub(self.bytes.len()).min(content.len());
        let (kept, beyond) = content.split_at_checked(room).unwrap_or((content, &[]));
        // Once something is missing, nothing that follows it may be put in its place.
        if self.lost == 0 {
            self.bytes.extend_from_slice(kept);
            self.lost = beyond.len() as u64 + lost;
        } else {
            self.lost += content.len() as u64 + lost;
        }
    }

    pub(crate) fn reset(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        if bytes.capacity() > KEPT_BYTES_MAX {
            bytes = Vec::new();
        }
        *self = Self { bytes, ..Self::default() };
    }
}

/// Lines that belong together.
#[derive(Debug, Default, Clone)]
pub(crate) struct Group {
    pub(crate) text: String,
    pub(crate) lines: usize,
    pub(crate) original: u64,
    pub(crate) time: u64,
    pub(crate) since: u64,
    /// Until then the next line may have been there and not read.
    pub(crate) excused: u64,
    pub(crate) flags: Flags,
    pub(crate) trace: Trace,
    pub(crate) pieces: Pieces,
}

impl Group {
    pub(crate) fn reset(&mut self, mut text: String) {
        text.clear();
        if text.capacity() > KEPT_BYTES_MAX {
            text = String::new();
        }
        *self = Self { text, ..Self::default() };
    }
}

/// The pieces of something that may span files.
#[derive(Debug, Default, Clone)]
pub(crate) struct Pieces {
    pub(crate) earlier: Vec<Piece>,
    pub(crate) current: Option<Piece>,
}

impl Pieces {
    pub(crate) fn add(&mut self, piece: Piece) {
        match &mut self.current {
            Some(current) if current.source == piece.source && current.start <= piece.start => {
                current.end = piece.end;
            }
            current => self.earlier.extend(current.replace(piece)),
        }
    }

    /// Whether a piece of another file is one too many.
    pub(crate) fn is_full(&self) -> bool {
        self.earlier.len() + 1 >= FILES_OF_A_RECORD_MAX
    }

    fn each(&self, each: &mut impl FnMut(Piece)) {
        for piece in self.earlier.iter().chain(&self.current) {
            each(*piece);
        }
    }
}
