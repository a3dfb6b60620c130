//! Bytes of files that are about to vanish, kept until they are delivered.
//!
//! A log file is its own queue; only what is deleted while a sink does not take it has to be
//! written a second time. Frames are appended to segments of a few megabytes and read back in
//! order; a segment goes when all of it was acknowledged. Frames are written when they are pushed
//! and durable after [`Spill::sync`]. The sum of all segments is bounded: a push beyond the bound,
//! or one that the disk does not take, is refused and leaves the queue as it was.
//!
//! Layout of a frame, little-endian: CRC-32 of the rest (u32), length of the name (u16), flags
//! (u8), length of the bytes (u32), start offset (u64), name, bytes. The name is the path, and
//! behind it a zero byte and the number of the file (u64); frames of older versions have the path
//! alone.

use crate::state::write_all;
use crate::{State, StoreError};
use rustix::fs::{OFlags, SeekFrom, fsync, ftruncate, seek};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A segment is closed when it has as many bytes.
pub const SEGMENT_BYTES: u64 = 8 << 20;
/// The most bytes of one frame.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

const HEADER_BYTES: usize = 4 + 2 + 1 + 4 + 8;
/// What stands behind the path.
const FILE_BYTES: usize = 1 + 8;
const NAME_BYTES_MAX: usize = PATH_BYTES_MAX + FILE_BYTES;
const ACKED: &str = "spill-acked";
/// The largest segment that is read: a full one and the frame that closed it.
const SEGMENT_READ_MAX: u64 =
    SEGMENT_BYTES + (FRAME_BYTES_MAX + NAME_BYTES_MAX + HEADER_BYTES) as u64;

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where the file was.
    pub path: PathBuf,
    /// Which of all files that were there; unknown in frames of older versions.
    pub file: Option<u64>,
    /// Where the bytes lay in it.
    pub start: u64,
    /// What the caller wants to know when it reads them back.
    pub flags: u8,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Frame {
    fn size(&self) -> u64 {
        let file = self.file.map_or(0, |_| FILE_BYTES);
        (HEADER_BYTES + self.path.as_os_str().len() + file + self.bytes.len()) as u64
    }
}

/// A place in the queue: right after a frame that was read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Token {
    segment: u64,
    end: u64,
}

/// What lies in the queue, and what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpillStats {
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that were read back and could not be used.
    pub damaged_bytes: u64,
    /// Frames that were refused.
    pub refused: u64,
}

struct Segment {
    number: u64,
    bytes: u64,
}

/// The queue.
pub struct Spill {
    bytes_max: u64,
    segments: VecDeque<Segment>,
    writing: Option<OwnedFd>,
    next_number: u64,
    /// Frames of the segment that is being read, and where the next one ends.
    reading: VecDeque<(Frame, Token)>,
    read: Token,
    acked: Token,
    /// What of that is written down.
    noted: Token,
    stats: SpillStats,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").field("stats", &self.stats).finish_non_exhaustive()
    }
}

impl Spill {
    /// Opens the queue of a state directory, with what an earlier process left in it.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be read.
    pub fn open(state: &State, bytes_max: u64) -> Result<Self, StoreError> {
        let names = state.names().map_err(|error| state.cannot_read("", error))?;
        let mut segments = Vec::new();
        for number in names.iter().filter_map(|name| number_of(name)) {
            let name = name_of(number);
            let file = state.open_file(&name, OFlags::RDONLY);
            let stat = file.and_then(|file| rustix::fs::fstat(&file));
            let stat = stat.map_err(|errno| state.cannot_read(&name, errno))?;
            segments.push(Segment { number, bytes: u64::try_from(stat.st_size).unwrap_or(0) });
        }
        segments.sort_by_key(|segment| segment.number);
        let acked = state.read(ACKED, 64)?.and_then(|bytes| token(&bytes)).unwrap_or_default();
        let mut spill = Self {
            bytes_max,
            // What an earlier process wrote is not appended to: its end may be torn.
            next_number: segments.last().map_or(0, |last| last.number).max(acked.segment) + 1,
            stats: SpillStats {
                bytes: segments.iter().map(|s| s.bytes).sum(),
                ..Default::default()
            },
            segments: segments.into(),
            writing: None,
            reading: VecDeque::new(),
            read: acked,
            acked,
            noted: acked,
        };
        spill.remove_acked(state)?;
        Ok(spill)
    }

    /// Appends a frame of a file, which has a path and a number that no other file at this path
    /// ever has; see [`Spill::sync`].
    ///
    /// # Errors
    /// [`StoreError::Full`] at the bound and [`StoreError::Write`] when the disk refuses; the
    /// queue is as it was before.
    pub fn push(
        &mut self,
        state: &State,
        file: (&Path, u64),
        start: u64,
        flags: u8,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let pushed = self.append(state, file, start, flags, bytes);
        self.stats.refused += u64::from(pushed.is_err());
        pushed
    }

    fn append(
        &mut self,
        state: &State,
        (path, file): (&Path, u64),
        start: u64,
        flags: u8,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let path = path.as_os_str().as_bytes();
        if bytes.len() > FRAME_BYTES_MAX || path.len() > PATH_BYTES_MAX {
            let limit = FRAME_BYTES_MAX as u64;
            return Err(StoreError::Full { what: "a spilled frame", limit, unit: "bytes" });
        }
        let name = [path, &[0], &file.to_le_bytes()].concat();
        let frame = encode(&name, start, flags, bytes);
        let size = frame.len() as u64;
        if self.stats.bytes + size > self.bytes_max {
            let limit = self.bytes_max;
            return Err(StoreError::Full { what: "the spill", limit, unit: "bytes" });
        }
        if self.writing.is_none() || self.segments.back().is_none_or(|s| s.bytes >= SEGMENT_BYTES) {
            self.sync(state)?;
            self.begin_segment(state)?;
        }
        let (Some(file), Some(segment)) = (&self.writing, self.segments.back_mut()) else {
            return Ok(());
        };
        if let Err(errno) = write_all(file, &frame) {
            // Half a frame at the end would hide those that come after it.
            let whole = ftruncate(file, segment.bytes)
                .and_then(|()| seek(file, SeekFrom::Start(segment.bytes)).map(drop));
            if whole.is_err() {
                self.writing = None;
            }
            return Err(state.cannot_write(&name_of(segment.number), errno));
        }
        segment.bytes += size;
        self.stats.bytes += size;
        Ok(())
    }

    fn begin_segment(&mut self, state: &State) -> Result<(), StoreError> {
        // One whose name could be made, and not be made durable, is not tried again.
        let number = self.next_number;
        self.next_number += 1;
        let name = name_of(number);
        let file = state
            .open_file(&name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
            .and_then(|file| state.sync().map(|()| file))
            .map_err(|errno| state.cannot_write(&name, errno))?;
        self.segments.push_back(Segment { number, bytes: 0 });
        self.writing = Some(file);
        Ok(())
    }

    /// Makes durable what was pushed. Before it returns, a file must not be let go.
    ///
    /// # Errors
    /// [`StoreError::Write`] when the disk refuses.
    pub fn sync(&self, state: &State) -> Result<(), StoreError> {
        let Some(file) = &self.writing else { return Ok(()) };
        let name = self.segments.back().map(|segment| name_of(segment.number)).unwrap_or_default();
        fsync(file).map_err(|errno| state.cannot_write(&name, errno))
    }

    /// The next frame that was not read back yet, and the place after it; `None` at the end.
    /// What an earlier process read back and did not acknowledge is read again.
    ///
    /// # Errors
    /// [`StoreError::Read`] when the disk does not give it.
    pub fn next(&mut self, state: &State) -> Result<Option<(Frame, Token)>, StoreError> {
        loop {
            if let Some((frame, token)) = self.reading.pop_front() {
                self.read = token;
                return Ok(Some((frame, token)));
            }
            let Some(segment) = self.segments.iter().find(|s| {
                s.number > self.read.segment
                    || (s.number == self.read.segment && s.bytes > self.read.end)
            }) else {
                return Ok(None);
            };
            let (number, size) = (segment.number, segment.bytes);
            let from = if number == self.read.segment { self.read.end } else { 0 };
            let bytes = state.read(&name_of(number), SEGMENT_READ_MAX)?.unwrap_or_default();
            let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..));
            let frames = decode(rest.unwrap_or_default());
            let used: u64 = frames.iter().map(|(frame, _)| frame.size()).sum();
            self.stats.damaged_bytes += size.saturating_sub(from + used);
            for (frame, end) in frames {
                let end = from + end as u64;
                self.reading.push_back((frame, Token { segment: number, end }));
            }
            // What is damaged at the end goes with the frame before it.
            let end = Token { segment: number, end: size };
            if let Some((_, last)) = self.reading.back_mut() {
                *last = end.max(*last);
                continue;
            }
            // Nothing of the rest can be used; the next segment may be whole.
            let is_first = self.read == self.acked;
            self.read = end;
            if is_first {
                // What follows can be read all the same, and this is tried again.
                let _ = self.acknowledge(state, end);
            }
        }
    }

    /// Everything up to this place was delivered: segments that are done go, and where the rest
    /// begins is written down. What fails is tried again by [`Spill::note`].
    ///
    /// # Errors
    /// [`StoreError::Write`] when the disk refuses; frames may then come twice.
    pub fn acknowledge(&mut self, state: &State, token: Token) -> Result<(), StoreError> {
        self.acked = self.acked.max(token);
        self.note(state)
    }

    /// Whether all that was acknowledged is written down.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        self.noted == self.acked
    }

    /// Lets go what was acknowledged and could not be before. A full disk has room for the place
    /// of the rest when segments have gone; should that not be written down, the next process
    /// reads what is there.
    ///
    /// # Errors
    /// [`StoreError::Write`] when the disk refuses; frames may then come twice.
    pub fn note(&mut self, state: &State) -> Result<(), StoreError> {
        if self.is_noted() {
            return Ok(());
        }
        let removed = self.remove_acked(state);
        let token = self.acked;
        let mut bytes = token.segment.to_le_bytes().to_vec();
        bytes.extend_from_slice(&token.end.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        state.replace(ACKED, None, |file| {
            let written = write_all(file, &bytes);
            written.map_err(|errno| state.cannot_write(ACKED, errno))?;
            Ok(bytes.len() as u64)
        })?;
        removed?;
        self.noted = token;
        Ok(())
    }

    fn remove_acked(&mut self, state: &State) -> Result<(), StoreError> {
        while let Some(first) = self.segments.front() {
            let is_written = self.writing.is_some() && self.segments.len() == 1;
            let is_done = first.number < self.acked.segment
                || (first.number == self.acked.segment && first.bytes <= self.acked.end);
            if !is_done {
                return Ok(());
            }
            let name = name_of(first.number);
            state.remove(&name).map_err(|errno| state.cannot_write(&name, errno))?;
            self.stats.bytes = self.stats.bytes.saturating_sub(first.bytes);
            if is_written {
                self.writing = None;
            }
            self.segments.pop_front();
        }
        Ok(())
    }

    /// What lies in the queue.
    #[must_use]
    pub fn stats(&self) -> SpillStats {
        self.stats
    }
}

fn name_of(number: u64) -> String {
    format!("spill-{number:016}")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("spill-").filter(|digits| digits.len() == 16)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn token(bytes: &[u8]) -> Option<Token> {
    let (body, crc) = bytes.split_at_checked(16)?;
    if crc32fast::hash(body).to_le_bytes() != crc {
        return None;
    }
    let (segment, end) = body.split_at_checked(8)?;
    Some(Token {
        segment: u64::from_le_bytes(segment.try_into().ok()?),
        end: u64::from_le_bytes(end.try_into().ok()?),
    })
}

fn encode(name: &[u8], start: u64, flags: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + name.len() + bytes.len());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
    frame.push(flags);
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
    frame.extend_from_slice(&start.to_le_bytes());
    frame.extend_from_slice(name);
    frame.extend_from_slice(bytes);
    let crc = crc32fast::hash(frame.get(4..).unwrap_or_default());
    if let Some(room) = frame.get_mut(..4) {
        room.copy_from_slice(&crc.to_le_bytes());
    }
    frame
}

/// The frames of these bytes that are whole, and where each ends. The lengths of one that is not
/// lead to the next, unless it is they that are damaged. Pure.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<(Frame, usize)> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some((frame, size)) = bytes.get(at..).and_then(first) {
        at += size;
        frames.extend(frame.map(|frame| (frame, at)));
    }
    frames
}

/// The first frame, none when it is damaged, and its size.
fn first(bytes: &[u8]) -> Option<(Option<Frame>, usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let number = |at: usize, len: usize| {
        let field = header.get(at..at + len)?;
        Some(field.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let name_len = usize::try_from(number(4, 2)?).ok()?;
    let len = usize::try_from(number(7, 4)?).ok()?;
    if name_len > NAME_BYTES_MAX || len > FRAME_BYTES_MAX {
        return None;
    }
    let (name, rest) = rest.split_at_checked(name_len)?;
    let data = rest.get(..len)?;
    let size = HEADER_BYTES + name_len + len;
    if u64::from(crc32fast::hash(bytes.get(4..size)?)) != number(0, 4)? {
        return Some((None, size));
    }
    let zero = name.iter().position(|byte| *byte == 0);
    let numbered = zero.and_then(|at| {
        let (path, file) = name.split_at_checked(at)?;
        Some((path, u64::from_le_bytes(file.get(1..)?.try_into().ok()?)))
    });
    let (path, file) = numbered.map_or((name, None), |(path, file)| (path, Some(file)));
    let frame = Frame {
        path: PathBuf::from(OsStr::from_bytes(path)),
        file,
        start: number(11, 8)?,
        flags: *header.get(6)?,
        bytes: data.to_vec(),
    };
    Some((Some(frame), size))
}

#[cfg(test)]
mod tests;
