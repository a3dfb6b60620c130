//! Rotated files that are compressed with gzip, read once where an input asks for it (R7).
//!
//! What is read of them goes by the offset in their text, which is written down like that of any
//! file. At the first start everything is history and is read. Later, a compressed file is read
//! on where it stood; one that a known file has become is read from where that one stood; one that
//! was written to after the last checkpoint was never seen, and is read; every other one was read
//! as text while it grew. Live files come first, and `backfill_bytes_per_second` holds.
//!
//! Memory is constant whatever a file becomes when it is unpacked; a text beyond
//! [`TEXT_BYTES_MAX`] is not read further. A damaged file gives what can be unpacked of it, also
//! behind a part whose checksum alone is wrong, and is told when it ends.

use crate::reader::sources::{Joined, NewSource};
use crate::reader::{Core, Piece, wall_ns};
use crate::say::Say;
use flate2::bufread::GzDecoder;
use host::tail::{
    FileKey, HEAD_BYTES_MAX, Head, Identity, Input, MARKER_BYTES_MAX, Marker, PackedFile, Resume,
    packed,
};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Entry;

/// Bytes of text that are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of the text of one file.
pub(crate) const TEXT_BYTES_MAX: u64 = 1 << 40;
/// Keys of these files have this place and the number of the file; see `Aside` and the journals.
const OWN_SLOT: u32 = u32::MAX - 3;
/// What names of their offsets in a checkpoint begin with.
const NAME: &str = "gzip:";
/// Files of the checkpoint that one may have been.
const KNOWN_MAX: usize = 32;
/// The value of one that is done with.
const DONE: &[u8] = b"done";

/// One file.
struct Progress {
    file: PackedFile,
    /// The name of the input that means it; numbers change with a config.
    input: String,
    /// Up to where every sink has its text.
    delivered: u64,
    /// The length of its text, once that is known.
    end: Option<u64>,
    done: bool,
    /// Where files of the checkpoint stood that begin as it does: it may be one of them that was
    /// compressed meanwhile. Which one is seen when its turn comes, and written down is until then
    /// what is needed to see it.
    known: Vec<Resume>,
}

/// The file that is read now.
struct Open {
    number: usize,
    text: Text,
    slot: Option<u32>,
    offset: u64,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Packed {
    files: Vec<Progress>,
    waiting: VecDeque<usize>,
    open: Option<Open>,
    rate: Option<u64>,
    next: Option<Instant>,
}

/// What is known from before.
pub(crate) struct Before<'a> {
    pub(crate) files: &'a [Resume],
    pub(crate) cursors: &'a [(String, Vec<u8>)],
    /// When the checkpoint that is used was written, in nanoseconds since 1970; none when none is.
    pub(crate) written_ns: Option<u64>,
}

fn name(file: &PackedFile) -> String {
    let (id, size) = (&file.identity, file.size);
    format!("{NAME}{}:{}:{size}:{}", id.device, id.inode, file.written_ns)
}

impl Packed {
    /// Finds what these inputs ask for.
    pub(crate) fn find<'a>(
        inputs: impl IntoIterator<Item = (usize, &'a Input)>,
        before: &Before<'_>,
        rate: Option<u64>,
    ) -> Self {
        let mut all = Self { rate, ..Self::default() };
        let mut records: HashMap<&Path, Vec<&Resume>> = HashMap::new();
        for record in before.files {
            let directory = record.path.parent().unwrap_or(&record.path);
            records.entry(directory).or_default().push(record);
        }
        let cursors: HashMap<&str, &[u8]> =
            before.cursors.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let inputs: Vec<(usize, &Input)> = inputs.into_iter().collect();
        for file in packed(inputs.iter().copied()) {
            let input = inputs.iter().find(|(number, _)| *number == file.input);
            let input = input.map(|(_, input)| input.name.clone()).unwrap_or_default();
            let value = cursors.get(name(&file).as_str()).copied();
            let is_unseen = before.written_ns.is_none_or(|then| file.written_ns >= then);
            let beside = file.path.parent().and_then(|parent| records.get(parent));
            let (delivered, known) = match value {
                Some(value) => written(value, &file.path).unwrap_or((u64::MAX, Vec::new())),
                None => {
                    let beside = beside.filter(|_| before.written_ns.is_some());
                    let known = beside.map(|beside| alike(&file, beside)).unwrap_or_default();
                    (if is_unseen { 0 } else { u64::MAX }, known)
                }
            };
            let done = delivered == u64::MAX && known.is_empty();
            if !done {
                all.waiting.push_back(all.files.len());
            }
            all.files.push(Progress { file, input, delivered, end: None, done, known });
        }
        all
    }

    /// How long the rate asks to wait; none when nothing waits.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.open.is_none() && self.waiting.is_empty() {
            return None;
        }
        Some(self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now)))
    }

    /// Gives the reader a piece of text; false when there is none now.
    pub(crate) fn feed(&mut self, core: &mut Core, now: Instant) -> bool {
        if self.pause(now) != Some(Duration::ZERO) {
            return false;
        }
        if self.open.is_none() {
            self.open_next(&core.say);
            return true;
        }
        let Some(open) = &mut self.open else { return false };
        let mut bytes = Vec::new();
        let read = (&mut open.text).take(PIECE_BYTES as u64).read_to_end(&mut bytes);
        let ended = bytes.is_empty() || open.offset >= TEXT_BYTES_MAX;
        let damage = read.err().or_else(|| open.text.damage.take_if(|_| ended));
        if let Some(error) = damage {
            tell(&core.say, self.files.get(open.number), &error);
        }
        let Some(progress) = self.files.get_mut(open.number) else { return false };
        let slot = open.slot.or_else(|| begin(core, progress, open.number, open.offset));
        // Its input is not configured any more.
        let Some(slot) = slot else {
            self.open = None;
            return true;
        };
        open.slot = Some(slot);
        let piece = Piece {
            slot,
            offset: open.offset,
            bytes: &bytes,
            now: wall_ns(),
            last: ended,
            after_hole: false,
        };
        core.take(&piece);
        open.offset += bytes.len() as u64;
        if let Some(rate) = self.rate {
            let nanos = (bytes.len() as u64).saturating_mul(1_000_000_000) / rate.max(1);
            self.next = Some(now + Duration::from_nanos(nanos));
        }
        if ended {
            progress.end = Some(open.offset);
            progress.done |= progress.delivered >= open.offset;
            self.open = None;
        }
        true
    }

    fn open_next(&mut self, say: &Say) {
        let Some(number) = self.waiting.pop_front() else { return };
        let Some(progress) = self.files.get_mut(number) else { return };
        let started = start(progress);
        progress.known.clear();
        match started {
            Ok(Some((text, offset))) => {
                progress.delivered = offset;
                self.open = Some(Open { number, text, slot: None, offset });
            }
            Ok(None) => progress.done = true,
            Err(error) => {
                progress.done = true;
                tell(say, self.files.get(number), &error);
            }
        }
    }

    /// A source moved; says whether it is one of these files.
    pub(crate) fn commit(&mut self, key: FileKey, offset: u64) -> bool {
        if key.slot != OWN_SLOT {
            return false;
        }
        if let Some(progress) = self.files.get_mut(key.generation as usize) {
            progress.delivered = offset;
            progress.done = progress.end.is_some_and(|end| offset >= end);
        }
        true
    }

    /// What is written down.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.files.iter().map(|progress| {
            let value = if progress.done { DONE.to_vec() } else { value(progress).into_bytes() };
            Entry::Cursor { name: name(&progress.file), value }
        })
    }
}

/// Up to where a file is delivered, and behind it, with five numbers each, where those stood that
/// it may have been.
fn value(progress: &Progress) -> String {
    let mut value = progress.delivered.to_string();
    for Resume { offset, head, marker, .. } in &progress.known {
        let (head_len, head, marker_len, marker) = (head.len, head.hash, marker.len, marker.hash);
        let _ = write!(value, " {offset} {head_len} {head} {marker_len} {marker}");
    }
    value
}

/// What [`value`] wrote; none when it is done with.
fn written(value: &[u8], path: &Path) -> Option<(u64, Vec<Resume>)> {
    let text = std::str::from_utf8(value).ok()?;
    let numbers: Option<Vec<u64>> = text.split(' ').map(|number| number.parse().ok()).collect();
    let numbers = numbers?;
    let (delivered, known) = numbers.split_first()?;
    let known = known.chunks_exact(5).filter_map(|numbers| {
        let [offset, head_len, head, marker_len, marker] = *numbers else { return None };
        Some(Resume {
            path: path.into(),
            identity: Identity::default(),
            offset,
            head: Head { len: head_len.try_into().ok()?, hash: head },
            marker: Marker { len: marker_len.try_into().ok()?, hash: marker },
        })
    });
    Some((*delivered, known.collect()))
}

/// The files of the checkpoint that began as the text of this one does. Those whose name it has,
/// with something behind, come first.
fn alike(file: &PackedFile, beside: &[&Resume]) -> Vec<Resume> {
    let mut beginning = Vec::new();
    // What is damaged fits no file that was read.
    let text = Text::open(file);
    let _ = text.map(|text| text.take(HEAD_BYTES_MAX as u64).read_to_end(&mut beginning));
    let is_alike = |one: &&&Resume| one.may_be_text(&file.path, &beginning);
    let mut known: Vec<Resume> = beside.iter().filter(is_alike).map(|one| (*one).clone()).collect();
    let own = file.path.file_name().unwrap_or_default().as_bytes();
    known.sort_by_key(|one| {
        !one.path.file_name().is_some_and(|name| own.starts_with(name.as_bytes()))
    });
    known.truncate(KNOWN_MAX);
    known
}

fn tell(say: &Say, progress: Option<&Progress>, error: &io::Error) {
    let path = progress.map(|progress| progress.file.path.display().to_string());
    let path = path.unwrap_or_default();
    say.warn(&format!("cannot unpack all of {path}: {error}; what can be unpacked is delivered"));
}

fn begin(core: &mut Core, progress: &Progress, number: usize, offset: u64) -> Option<u32> {
    let path = &progress.file.path;
    let input = core.intents.iter().position(|intent| intent.name == progress.input)?;
    let intent = core.intents.get(input)?;
    let (plan, origin) = (intent.plan.clone(), Arc::new(intent.origin(path, None)));
    let slot = core.sources.add(NewSource {
        key: FileKey { slot: OWN_SLOT, generation: u32::try_from(number).unwrap_or(u32::MAX) },
        input,
        path: path.as_path().into(),
        plan,
        origin: Some(origin),
        holds_pod: false,
        base: offset,
        sinks: core.books.sinks.len(),
        joined: Joined::Path,
    });
    Some(slot)
}

type Started = (Text, u64);

/// The text of a file, which has one member or several behind each other.
struct Text {
    member: Option<GzDecoder<BufReader<File>>>,
    /// What was wrong first. It is no error to read on.
    damage: Option<io::Error>,
}

impl Text {
    fn open(file: &PackedFile) -> io::Result<Self> {
        let member = Some(GzDecoder::new(BufReader::new(file.open()?)));
        Ok(Self { member, damage: None })
    }
}

impl Read for Text {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(room) {
                Ok(0) if room.is_empty() => return Ok(0),
                Ok(0) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    self.damage.get_or_insert(error);
                    // Only behind a wrong checksum a member is at its end.
                    if member.header().is_none() || !matches!(member.read(room), Ok(0)) {
                        self.member = None;
                    }
                }
                read => return read,
            }
            let file = self.member.take().map(GzDecoder::into_inner);
            if let Some(mut file) = file
                && !file.fill_buf()?.is_empty()
            {
                self.member = Some(GzDecoder::new(file));
            }
        }
        Ok(0)
    }
}

/// Opens a file where reading goes on; none when all of it was read as text.
fn start(progress: &Progress) -> io::Result<Option<Started>> {
    for record in &progress.known {
        let mut text = Text::open(&progress.file)?;
        let last = skip(&mut text, record.offset)?;
        if last.is_some_and(|last| record.stands_before(&last)) {
            return Ok(Some((text, record.offset)));
        }
    }
    if progress.delivered == u64::MAX {
        return Ok(None);
    }
    let mut text = Text::open(&progress.file)?;
    let whole = skip(&mut text, progress.delivered)?.is_some();
    Ok(whole.then_some((text, progress.delivered)))
}

/// Passes over so many bytes of text; gives the last of them, none when there are fewer.
fn skip(text: &mut Text, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let (mut left, mut buffer, mut last) = (bytes, vec![0; PIECE_BYTES], Vec::new());
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..wanted) else { return Ok(None) };
        let read = text.read(room)?;
        if read == 0 {
            return text.damage.take().map_or(Ok(None), Err);
        }
        last.extend_from_slice(room.get(..read).unwrap_or_default());
        let over = last.len().saturating_sub(MARKER_BYTES_MAX);
        last.drain(..over);
        left -= read as u64;
    }
    Ok(Some(last))
}
