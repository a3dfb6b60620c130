//! How far everything was delivered, durably.
//!
//! The file is written whole beside the old one, made durable, and takes its name; the old one is
//! kept as the previous generation. Every record has a checksum of its own and the header says how
//! many there are, so a file that was cut or damaged is known as such: then the records that are
//! whole are taken, and those that are missing come from the previous generation, whose older
//! offsets cost duplicates and no loss. [`Outcome`] says which of this happened; a caller that got
//! anything but a whole checkpoint must not begin unknown files at their end.
//!
//! To wait for the disk costs more than all the rest. Between two durable ones a checkpoint may be
//! saved softly: into one of two files in turns, in place, without a wait. The death of the process
//! does not touch what the kernel was given; after that of the machine the soft ones count if they
//! are whole and newer, and are else as if they had never been.
//!
//! Layout, little-endian: magic (8 bytes), generation (u64), when it was written in nanoseconds
//! since 1970 (u64), count (u32), CRC-32 of these (u32); then for each record its length (u32),
//! CRC-32 of the generation and its bytes (u32), and bytes. With the magic of before, the time is
//! missing.
//! So pages of two generations, which a file written in place can have after a power cut, are not
//! taken for one.

use crate::state::write_all;
use crate::{State, StoreError};
use rustix::fs::{OFlags, SeekFrom, ftruncate};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// The most records of one checkpoint.
pub const RECORDS_MAX: usize = 200_000;
/// The longest path and the longest value, in bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// The file with the offsets, in the state folder.
pub const CHECKPOINT: &str = "checkpoint";
const PREVIOUS: &str = "checkpoint.1";
/// Generations with an even and with an odd number that the disk was not waited for.
const SOFT: [&str; 2] = ["checkpoint.soft.0", "checkpoint.soft.1"];
const MAGIC: [u8; 8] = *b"orlopck3";
const MAGIC_WITHOUT_TIME: [u8; 8] = *b"orlopck2";
const HEADER_BYTES: usize = 32;
const HEADER_BYTES_WITHOUT_TIME: usize = 24;
/// Bytes of records that are written at once.
const PIECE_BYTES: usize = 64 << 10;
const KIND_FILE: u8 = 1;
const KIND_CURSOR: u8 = 2;

/// Where reading a file goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Where the file was seen last.
    pub path: Arc<Path>,
    /// The device of its file system.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970; 0 when unknown.
    pub birth_ns: u64,
    /// A hash of its handle; 0 when there is none.
    pub handle: u64,
    /// Everything before this byte was delivered.
    pub offset: u64,
    /// How many bytes of its beginning were fingerprinted.
    pub head_len: u16,
    /// Their fingerprint.
    pub head: u64,
    /// How many bytes before the offset were fingerprinted.
    pub marker_len: u8,
    /// Their fingerprint.
    pub marker: u64,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Of a file.
    File(FileRecord),
    /// Of a source that has a cursor of its own, such as the journal.
    Cursor {
        /// The source.
        name: String,
        /// Its cursor.
        value: Vec<u8>,
    },
}

/// How a checkpoint was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is none: this is the first start.
    Absent,
    /// It is whole.
    Whole,
    /// It was missing or damaged beyond use; the previous generation is whole.
    Previous,
    /// Some records are from a damaged file, the rest from the previous generation.
    Salvaged,
    /// There was something, and nothing of it could be used.
    Lost,
}

/// What a checkpoint held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The records.
    pub entries: Vec<Entry>,
    /// How they were found.
    pub outcome: Outcome,
}

/// What bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The number of the generation; 0 when the header is damaged.
    pub generation: u64,
    /// When it was written, in nanoseconds since 1970, if it says so.
    pub written_ns: Option<u64>,
    /// The records that are whole.
    pub entries: Vec<Entry>,
    /// Whether that is all of them.
    pub is_whole: bool,
}

/// The checkpoint of a state directory.
#[derive(Debug)]
pub struct Checkpoint {
    generation: u64,
    saved: u64,
    /// The files of [`SOFT`], once they were written to.
    soft: [Option<SoftFile>; 2],
    written_ns: Option<u64>,
}

#[derive(Debug)]
struct SoftFile {
    file: OwnedFd,
    length: u64,
}

impl Checkpoint {
    /// Reads what is there.
    ///
    /// # Errors
    /// [`StoreError::Read`] when a file is there and the disk does not give it. What is damaged
    /// is no error; see [`Outcome`].
    pub fn load(state: &State) -> Result<(Self, Loaded), StoreError> {
        let read = |name| -> Result<_, StoreError> {
            let Some(bytes) = state.read(name, FILE_BYTES_MAX)? else { return Ok(None) };
            let mut decoded = decode(&bytes);
            // The earlier of both hides nothing that was made since.
            let changed_ns = state.changed_ns(name);
            let written_ns = decoded.written_ns.map_or(changed_ns, |said| said.min(changed_ns));
            decoded.written_ns = Some(written_ns);
            Ok(Some(decoded))
        };
        let found = [read(CHECKPOINT)?, read(PREVIOUS)?, read(SOFT[0])?, read(SOFT[1])?];
        let generation = found.iter().flatten().map(|decoded| decoded.generation).max();
        let [current, previous, soft @ ..] = found;
        let soft = soft.into_iter().flatten().filter(|soft| soft.is_whole);
        let soft = soft.max_by_key(|soft| soft.generation);
        let (loaded, written_ns) = choose(current, previous, soft);
        let generation = generation.unwrap_or(0);
        Ok((Self { generation, saved: 0, soft: [None, None], written_ns }, loaded))
    }

    /// When what was loaded was written, in nanoseconds since 1970; none when there was nothing, of
    /// several parts when the oldest was. The clock may have been set back since.
    #[must_use]
    pub fn written_ns(&self) -> Option<u64> {
        self.written_ns
    }

    /// Replaces the checkpoint, durably, at a time in nanoseconds since 1970. When that fails the
    /// one before is still there, and the next call tries again. Returns the number of bytes.
    ///
    /// # Errors
    /// [`StoreError::Write`] when the disk does not take it, [`StoreError::Full`] when there are
    /// too many records or one of them is too long.
    pub fn save(
        &mut self,
        state: &State,
        now_ns: u64,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<usize, StoreError> {
        let generation = self.generation.saturating_add(1);
        let mut bytes = 0;
        state.replace(CHECKPOINT, Some(PREVIOUS), |file| {
            bytes = write((state, CHECKPOINT), file, (generation, now_ns), entries)?;
            Ok(bytes)
        })?;
        self.generation = generation;
        self.saved += 1;
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Saves a checkpoint that outlives this process at once, and the machine when the kernel got
    /// round to writing it. The last durable one stays as it is.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_softly(
        &mut self,
        state: &State,
        now_ns: u64,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), StoreError> {
        let generation = self.generation.saturating_add(1);
        let [even, odd] = &mut self.soft;
        let (name, place) =
            if generation.is_multiple_of(2) { (SOFT[0], even) } else { (SOFT[1], odd) };
        // What fails half-way is not written to again: it is made anew.
        let (file, before) = match place.take() {
            Some(soft) => (soft.file, soft.length),
            None => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
                let file = state.open_file(name, flags);
                (file.map_err(|errno| state.cannot_write(name, errno))?, 0)
            }
        };
        let failed = |errno| state.cannot_write(name, errno);
        rustix::fs::seek(&file, SeekFrom::Start(0)).map_err(failed)?;
        let length = write((state, name), &file, (generation, now_ns), entries)?;
        if length < before {
            ftruncate(&file, length).map_err(failed)?;
        }
        *place = Some(SoftFile { file, length });
        self.generation = generation;
        self.saved += 1;
        Ok(())
    }

    /// How often it was saved by this process.
    #[must_use]
    pub fn saved(&self) -> u64 {
        self.saved
    }
}

/// Writes records piece by piece, and then the header, which says how many there are.
fn write(
    (state, name): (&State, &str),
    file: &OwnedFd,
    (generation, now_ns): (u64, u64),
    entries: impl IntoIterator<Item = Entry>,
) -> Result<u64, StoreError> {
    let failed = |errno| state.cannot_write(name, errno);
    let mut piece = vec![0; HEADER_BYTES];
    let (mut count, mut bytes) = (0, 0);
    for entry in entries {
        count += 1;
        if count > RECORDS_MAX {
            return Err(full("the checkpoint", RECORDS_MAX, "records"));
        }
        if !encode(generation, &entry, &mut piece) {
            return Err(full("a path or value", TEXT_BYTES_MAX, "bytes"));
        }
        if piece.len() >= PIECE_BYTES {
            write_all(file, &piece).map_err(failed)?;
            bytes += piece.len() as u64;
            piece.clear();
        }
    }
    let header = header(generation, Some(now_ns), count);
    if bytes == 0 {
        // All of it is one piece.
        piece.splice(..HEADER_BYTES, header);
        write_all(file, &piece).map_err(failed)?;
    } else {
        write_all(file, &piece).and_then(|()| write_first(file, &header)).map_err(failed)?;
    }
    Ok(bytes + piece.len() as u64)
}

/// Writes at the start of a file.
fn write_first(file: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<()> {
    rustix::fs::seek(file, SeekFrom::Start(0))?;
    write_all(file, bytes)
}

fn full(what: &'static str, limit: usize, unit: &'static str) -> StoreError {
    StoreError::Full { what, limit: limit as u64, unit }
}

/// Takes the best of what there is, and when the oldest of that was written. The soft one is whole.
fn choose(
    current: Option<Decoded>,
    previous: Option<Decoded>,
    soft: Option<Decoded>,
) -> (Loaded, Option<u64>) {
    let newer = |than: &Decoded| soft.as_ref().is_some_and(|s| s.generation > than.generation);
    let previous = match previous {
        Some(previous) if previous.is_whole && !newer(&previous) => Some(previous),
        previous => soft.clone().or(previous),
    };
    let oldest_ns = current.iter().chain(&previous).filter_map(|decoded| decoded.written_ns).min();
    let damaged = match current {
        Some(current) if current.is_whole => {
            let newest = soft.filter(|soft| soft.generation > current.generation);
            let Decoded { entries, written_ns, .. } = newest.unwrap_or(current);
            return (Loaded { entries, outcome: Outcome::Whole }, written_ns);
        }
        Some(current) => current.entries,
        None if previous.is_none() => {
            return (Loaded { entries: Vec::new(), outcome: Outcome::Absent }, None);
        }
        None => Vec::new(),
    };
    let is_whole = previous.as_ref().is_some_and(|previous| previous.is_whole);
    let previous = previous.map(|previous| previous.entries).unwrap_or_default();
    let outcome = match (damaged.is_empty(), is_whole) {
        (true, true) => Outcome::Previous,
        (true, false) if previous.is_empty() => Outcome::Lost,
        _ => Outcome::Salvaged,
    };
    let mut entries = damaged;
    let known: std::collections::HashSet<_> = entries.iter().map(identity).collect();
    let older: Vec<Entry> =
        previous.into_iter().filter(|entry| !known.contains(&identity(entry))).collect();
    drop(known);
    entries.extend(older);
    (Loaded { entries, outcome }, oldest_ns)
}

/// What a record is about, whatever it says.
fn identity(entry: &Entry) -> (u64, u64, u64, u64, Vec<u8>) {
    match entry {
        Entry::File(file) => (file.device, file.inode, file.birth_ns, file.handle, Vec::new()),
        Entry::Cursor { name, .. } => (0, 0, 0, 0, name.clone().into_bytes()),
    }
}

fn header(generation: u64, written_ns: Option<u64>, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(written_ns.map_or(&MAGIC_WITHOUT_TIME, |_| &MAGIC));
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend(written_ns.into_iter().flat_map(u64::to_le_bytes));
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The checksum of a record.
fn checksum(generation: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Appends a record; whether it keeps to the bounds.
fn encode(generation: u64, entry: &Entry, out: &mut Vec<u8>) -> bool {
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    let kept = match entry {
        Entry::File(file) => {
            out.push(KIND_FILE);
            for number in [file.device, file.inode, file.birth_ns, file.handle, file.offset] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&file.head_len.to_le_bytes());
            out.extend_from_slice(&file.head.to_le_bytes());
            out.push(file.marker_len);
            out.extend_from_slice(&file.marker.to_le_bytes());
            text(file.path.as_os_str().as_bytes(), out)
        }
        Entry::Cursor { name, value } => {
            out.push(KIND_CURSOR);
            text(name.as_bytes(), out) && text(value, out)
        }
    };
    let body = out.get(at + 8..).unwrap_or_default();
    let (len, crc) = (u32::try_from(body.len()).unwrap_or(u32::MAX), checksum(generation, body));
    if let Some(room) = out.get_mut(at..at + 4) {
        room.copy_from_slice(&len.to_le_bytes());
    }
    if let Some(room) = out.get_mut(at + 4..at + 8) {
        room.copy_from_slice(&crc.to_le_bytes());
    }
    kept
}

fn text(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
    bytes.len() <= TEXT_BYTES_MAX
}

/// Reads the bytes of a checkpoint, whoever wrote them. Pure.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded {
    let mut decoded =
        Decoded { generation: 0, written_ns: None, entries: Vec::new(), is_whole: false };
    let has_time = bytes.starts_with(&MAGIC);
    let length = if has_time { HEADER_BYTES } else { HEADER_BYTES_WITHOUT_TIME };
    let mut reader = Reader(bytes);
    let Some(head) = reader.take(length - 4) else { return decoded };
    let Some(crc) = reader.u32() else { return decoded };
    let mut fields = Reader(head);
    let magic = fields.take(MAGIC.len());
    let is_ours = has_time || magic == Some(&MAGIC_WITHOUT_TIME);
    if !is_ours || crc32fast::hash(head) != crc {
        return decoded;
    }
    let generation = fields.u64().unwrap_or(0);
    let written_ns = if has_time { fields.u64() } else { None };
    let count = fields.u32().unwrap_or(0);
    (decoded.generation, decoded.written_ns) = (generation, written_ns);
    let mut whole = 0;
    while let (Some(len), Some(crc)) = (reader.u32(), reader.u32()) {
        // A length that is damaged leads nowhere; what follows cannot be found.
        let Some(body) = reader.take(len as usize) else { break };
        let entry = (checksum(generation, body) == crc).then(|| entry(body)).flatten();
        if let Some(entry) = entry {
            decoded.entries.push(entry);
            whole += 1;
        }
        if decoded.entries.len() >= RECORDS_MAX {
            break;
        }
    }
    decoded.is_whole = whole == count && reader.0.is_empty();
    decoded
}

/// A checkpoint whose checksums hold, with these bodies of records whatever they are: past the
/// checksums, no fuzzer comes by itself.
#[must_use]
pub(crate) fn sealed(written_ns: Option<u64>, bodies: &[&[u8]]) -> Vec<u8> {
    let mut out = header(1, written_ns, bodies.len());
    for body in bodies {
        out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&checksum(1, body).to_le_bytes());
        out.extend_from_slice(body);
    }
    out
}

fn entry(body: &[u8]) -> Option<Entry> {
    let mut reader = Reader(body);
    let entry = match reader.u8()? {
        KIND_FILE => Entry::File(FileRecord {
            device: reader.u64()?,
            inode: reader.u64()?,
            birth_ns: reader.u64()?,
            handle: reader.u64()?,
            offset: reader.u64()?,
            head_len: reader.u16()?,
            head: reader.u64()?,
            marker_len: reader.u8()?,
            marker: reader.u64()?,
            path: Path::new(OsStr::from_bytes(reader.text()?)).into(),
        }),
        KIND_CURSOR => Entry::Cursor {
            name: String::from_utf8(reader.text()?.to_vec()).ok()?,
            value: reader.text()?.to_vec(),
        },
        _ => return None,
    };
    reader.0.is_empty().then_some(entry)
}

/// Takes numbers and texts off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        Some(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        (len <= TEXT_BYTES_MAX).then(|| self.take(len)).flatten()
    }
}

/// The bytes of a checkpoint with these records, for tests and fuzzing.
#[must_use]
pub fn encode_all(generation: u64, written_ns: Option<u64>, entries: &[Entry]) -> Vec<u8> {
    let mut out = header(generation, written_ns, entries.len());
    for entry in entries {
        encode(generation, entry, &mut out);
    }
    out
}

#[cfg(test)]
mod tests;
