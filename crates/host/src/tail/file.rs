//! One file that is followed, and the table of all of them.

use super::config::is_no_text;
use super::copies::Likeness;
use super::discover::Place;
use super::identity::{
    HEAD_BYTES_MAX, Head, Identity, MARKER_BYTES_MAX, Marker, Resume, from_stat, look, look_at,
    read_at,
};
use super::open::may_lead;
use super::stats::FileStat;
use rustix::fs::Statx;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Names a file for as long as it is followed. What comes to the same path after a rotation, and
/// the same file after a truncation, has another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Its place in the table; small, and used again.
    pub slot: u32,
    /// How often the place was used before.
    pub generation: u32,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has a name that the inputs mean.
    Live,
    /// It was renamed to one that they do not mean.
    Renamed,
    /// What it held before a truncation, read from the copy beside it.
    Copy,
    /// It has no name.
    Deleted,
    /// It is no longer wanted.
    Retired,
}

/// How far the end of a file was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Open,
    Pending { dropped: u64 },
    Told,
}

/// The bytes before the offset, to notice that a file was written anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    bytes: [u8; MARKER_BYTES_MAX],
    len: u8,
}

impl Default for Tail {
    fn default() -> Self {
        Self { bytes: [0; MARKER_BYTES_MAX], len: 0 }
    }
}

impl Tail {
    pub(crate) fn bytes(&self) -> &[u8] {
        let from = MARKER_BYTES_MAX - usize::from(self.len);
        self.bytes.get(from..).unwrap_or_default()
    }

    /// Takes what was read after them.
    pub(crate) fn push(&mut self, read: &[u8]) {
        let from = read.len().saturating_sub(MARKER_BYTES_MAX);
        let new = read.get(from..).unwrap_or_default();
        self.bytes.rotate_left(new.len());
        if let Some(room) = self.bytes.get_mut(MARKER_BYTES_MAX - new.len()..) {
            room.copy_from_slice(new);
        }
        let len = (usize::from(self.len) + new.len()).min(MARKER_BYTES_MAX);
        self.len = u8::try_from(len).unwrap_or(0);
    }

    /// Reads them from the file.
    pub(crate) fn load(file: &OwnedFd, offset: u64) -> Self {
        let len = offset.min(MARKER_BYTES_MAX as u64);
        let mut bytes = [0; MARKER_BYTES_MAX];
        let room = bytes.get_mut(..usize::try_from(len).unwrap_or(0)).unwrap_or_default();
        let read = read_at(file.as_fd(), room, offset - len);
        let mut tail = Self::default();
        // A short read leaves a gap before the offset: then nothing is known.
        if read as u64 == len {
            tail.push(bytes.get(..read).unwrap_or_default());
        }
        tail
    }
}

/// A name under which a file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) directory: u32,
    pub(crate) name: Arc<[u8]>,
    /// Whether the inputs mean it.
    pub(crate) wanted: bool,
}

/// A file that is followed.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read on its own")]
pub(crate) struct File {
    pub(crate) path: Arc<Path>,
    /// Where it was before it was renamed to a path that no start looks for.
    pub(crate) called: Option<Arc<Path>>,
    pub(crate) input: u32,
    pub(crate) identity: Identity,
    pub(crate) fd: Option<OwnedFd>,
    pub(crate) homes: Vec<Home>,
    /// The files that one rotation may mix up.
    pub(crate) group: u64,
    pub(crate) state: State,
    /// Up to where it was read.
    pub(crate) offset: u64,
    /// Up to where everything has arrived.
    pub(crate) committed: u64,
    /// The size when it was seen last, in bytes, and on disk.
    pub(crate) size: u64,
    /// Its size when its content was last seen to be the one that is read.
    pub(crate) size_of_content: u64,
    pub(crate) disk: u64,
    pub(crate) head: Head,
    pub(crate) tail: Tail,
    /// The marker before the offset that was saved last.
    pub(crate) saved: (u64, Marker),
    /// Whether it stands in a queue.
    pub(crate) queued: bool,
    /// Whether it was read to its end since it was opened or rotated.
    pub(crate) drained: bool,
    /// Whether the caller must be told that it begins anew.
    pub(crate) rewritten: bool,
    /// NULs after the offset that were looked at, while nothing is known to stand behind them, and
    /// whether they reached to the end.
    pub(crate) nuls: u64,
    pub(crate) nuls_to_end: bool,
    /// When it was written to, as it said when it was read last.
    pub(crate) written: (i64, u64),
    pub(crate) ending: Ending,
    /// The name that it lost last, while nobody else has it.
    pub(crate) left: Option<Box<Place>>,
    /// Whose end comes first, and who waits for ours.
    pub(crate) after: Option<FileKey>,
    pub(crate) before: Option<FileKey>,
    /// Up to here it was written before we came.
    pub(crate) backlog_end: u64,
    /// When the state changed, and when bytes came last.
    pub(crate) since: Instant,
    pub(crate) grown: Instant,
    /// It may be a copy; until then it is not read.
    pub(crate) hold_until: Option<Instant>,
    /// The file that had all that this one holds, up to an offset, when they were compared last.
    pub(crate) copied_from: Option<(FileKey, u64)>,
    pub(crate) used: u64,
    /// This process ends, and nobody finds it after that: it is read up to here and no further.
    pub(crate) last_end: Option<u64>,
    /// Up to where a copy has what it held before it was truncated, if there is one; the maximum
    /// when it is read from there.
    pub(crate) copied: Option<u64>,
    pub(crate) read_bytes: u64,
    pub(crate) possible_loss_bytes: u64,
}

impl File {
    pub(crate) fn new(path: Arc<Path>, input: u32, identity: Identity, now: Instant) -> Self {
        Self {
            path,
            called: None,
            input,
            identity,
            fd: None,
            homes: Vec::new(),
            group: 0,
            state: State::Live,
            offset: 0,
            committed: 0,
            size: 0,
            size_of_content: 0,
            disk: 0,
            head: Head::default(),
            tail: Tail::default(),
            saved: (0, Marker::default()),
            queued: false,
            drained: false,
            rewritten: false,
            nuls: 0,
            nuls_to_end: false,
            written: (0, 0),
            ending: Ending::Open,
            left: None,
            after: None,
            before: None,
            backlog_end: 0,
            since: now,
            grown: now,
            hold_until: None,
            copied_from: None,
            used: 0,
            last_end: None,
            copied: None,
            read_bytes: 0,
            possible_loss_bytes: 0,
        }
    }

    pub(crate) fn stat(&self, key: FileKey) -> FileStat<'_> {
        FileStat {
            key,
            path: &self.path,
            input: self.input,
            offset: self.offset,
            committed: self.committed,
            size: self.end(),
            deleted: self.state == State::Deleted || self.last_end.is_some(),
            read_bytes: self.read_bytes,
            possible_loss_bytes: self.possible_loss_bytes,
        }
    }

    pub(crate) fn lag(&self) -> u64 {
        self.end().saturating_sub(self.offset)
    }

    /// Where it ends as far as is known: NULs that reach to its end are room that its writer took
    /// ahead, and not written yet.
    fn end(&self) -> u64 {
        self.size.saturating_sub(self.nuls)
    }

    /// Whether it ended in NULs when it was read last; whatever its size is by now, something may
    /// stand in their place.
    pub(crate) fn has_room(&self) -> bool {
        self.nuls > 0 && self.nuls_to_end
    }

    /// What was made after this, in nanoseconds since 1970, may hold what was never read of it.
    pub(crate) fn unread_since(&self) -> u64 {
        let (seconds, nanos) = self.written;
        u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000) + nanos + 1
    }

    /// Whether the inputs mean one of its names.
    pub(crate) fn is_wanted(&self) -> bool {
        self.homes.iter().any(|home| home.wanted)
    }

    /// Whether it is read although nobody will find it again.
    pub(crate) fn is_vanishing(&self) -> bool {
        let is_gone = self.state == State::Deleted || self.last_end.is_some();
        is_gone && self.ending == Ending::Open && self.last_end.is_none_or(|end| self.offset < end)
    }

    /// Whether its name leads to it, as far as is known, and it can be opened again by that.
    pub(crate) fn has_its_name(&self) -> bool {
        self.state == State::Live && self.hold_until.is_none() && self.is_wanted()
    }

    /// It is opened again when it is read again. A marker before an offset that was committed by
    /// now must be taken while it is open.
    pub(crate) fn close(&mut self) {
        self.resume();
        self.fd = None;
    }

    /// What its path says of it, when it leads to it.
    fn look(&self) -> Option<Statx> {
        let stat = look(&self.path, false).ok()?;
        from_stat(&stat).same(&self.identity).then_some(stat)
    }

    /// Whether it was renamed and closed, and is not where it was then.
    pub(crate) fn has_moved(&self) -> bool {
        self.state == State::Renamed && self.fd.is_none() && self.look().is_none()
    }

    /// Whether it lies in one of these directories by a name that may be text, and the owner of
    /// the link that leads there may have it read.
    pub(crate) fn lies_in(&self, folders: &[(PathBuf, Option<u32>)]) -> bool {
        let is_text = |name: &OsStr| !is_no_text(name.as_bytes());
        let folder = folders.iter().find(|(folder, _)| self.path.parent() == Some(folder));
        self.path.file_name().is_some_and(is_text)
            && folder.zip(self.look()).is_some_and(|((_, owner), stat)| may_lead(*owner, &stat))
    }

    /// It has another path now; `is_looked_for` says whether a start looks for that.
    pub(crate) fn go_by(&mut self, path: Arc<Path>, is_looked_for: bool) {
        let before = std::mem::replace(&mut self.path, path);
        if is_looked_for {
            self.called = None;
        } else {
            self.called.get_or_insert(before);
        }
    }

    /// The path that it had last of those that a start looks for.
    pub(crate) fn called(&self) -> &Arc<Path> {
        self.called.as_ref().unwrap_or(&self.path)
    }

    /// Reading goes on when the inputs mean a name of it again before its end was told.
    pub(crate) fn revive(&mut self, now: Instant) {
        if self.is_wanted() {
            self.called = None;
        }
        let ends = !matches!(self.state, State::Live | State::Copy);
        if ends && self.ending != Ending::Told && self.is_wanted() {
            self.state = State::Live;
            self.since = now;
            self.ending = Ending::Open;
            self.last_end = None;
        }
    }

    /// How many names a file has, when it is open, or was renamed and lies where it was when it was
    /// closed; one that was renamed and has none any more is deleted.
    pub(crate) fn look_at_links(&mut self, now: Instant) -> Option<u32> {
        let stat = match &self.fd {
            Some(fd) => look_at(fd.as_fd()).ok()?,
            None if self.state == State::Renamed => self.look()?,
            None => return None,
        };
        if self.state != State::Live && self.ending != Ending::Told {
            self.size = stat.stx_size;
            self.disk = stat.stx_blocks.saturating_mul(512);
            // Room may have been filled while nobody read.
            let written = (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec.into());
            if self.has_room() && self.written != written {
                self.nuls = 0;
            }
        }
        if stat.stx_nlink == 0 && self.state == State::Renamed {
            self.state = State::Deleted;
            self.since = now;
        }
        Some(stat.stx_nlink)
    }

    /// Whether it was truncated and there is no copy: nothing of it can be read again.
    pub(crate) fn is_beyond_recall(&self) -> bool {
        self.state == State::Copy && self.fd.is_none() && self.copied.is_none()
    }

    /// From where on nothing of a file that was truncated can be read again.
    pub(crate) fn lost_from(&self) -> Option<u64> {
        let is_truncated = self.state == State::Copy && self.fd.is_none();
        let from = is_truncated.then(|| self.copied.unwrap_or(0));
        from.filter(|from| *from < self.offset)
    }

    /// It is not read until then, when it is like another file.
    pub(crate) fn hold(&mut self, likeness: Option<Likeness>, until: Instant) {
        self.hold_until = likeness.map(|_| until);
        if let Some(Likeness::CopyOf(whole)) = likeness {
            self.copied_from = Some((whole, self.size));
        }
    }

    /// Before it is read, its beginning tells one content from another.
    pub(crate) fn meet(&mut self) {
        let Some(fd) = &self.fd else { return };
        let stat = rustix::fs::fstat(fd);
        self.written = stat.map_or(self.written, |stat| (stat.st_mtime, stat.st_mtime_nsec));
        let mut beginning = [0; HEAD_BYTES_MAX];
        let read = read_at(fd.as_fd(), &mut beginning, 0);
        self.head = Head::of(beginning.get(..read).unwrap_or_default());
    }

    /// Reading begins at this offset of the open file.
    pub(crate) fn begin_at(&mut self, offset: u64) {
        self.offset = offset;
        self.committed = offset;
        self.nuls = 0;
        self.tail = self.fd.as_ref().map(|fd| Tail::load(fd, offset)).unwrap_or_default();
        self.saved = (offset, Marker::of(self.tail.bytes()));
    }

    /// The record of up to where it was read, whatever has arrived of that.
    pub(crate) fn reached(&self) -> Resume {
        Resume {
            path: Arc::clone(self.called()),
            identity: self.identity,
            offset: self.offset,
            head: self.head,
            marker: Marker::of(self.tail.bytes()),
        }
    }

    /// The record for a checkpoint. The marker is taken from the file only while the file still
    /// holds what was read; otherwise the record that was saved before is given once more, whose
    /// older offset costs duplicates and no loss.
    pub(crate) fn resume(&mut self) -> Resume {
        if self.saved.0 != self.committed {
            if self.committed == self.offset {
                self.saved = (self.offset, Marker::of(self.tail.bytes()));
            } else if let Some(fd) = &self.fd {
                let tail = Tail::load(fd, self.committed);
                let holds = Marker::of(self.tail.bytes()).fits(fd.as_fd(), self.offset);
                if holds && (tail.len > 0 || self.committed == 0) {
                    self.saved = (self.committed, Marker::of(tail.bytes()));
                }
            }
        }
        Resume { offset: self.saved.0, marker: self.saved.1, ..self.reached() }
    }
}

struct Slot {
    generation: u32,
    file: Option<Box<File>>,
}

/// All files that are followed.
#[derive(Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    len: usize,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, file: File) -> FileKey {
        self.len += 1;
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            place.file = Some(Box::new(file));
            return FileKey { slot, generation: place.generation };
        }
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot { generation: 0, file: Some(Box::new(file)) });
        FileKey { slot, generation: 0 }
    }

    pub(crate) fn remove(&mut self, key: FileKey) -> Option<Box<File>> {
        let place = self.slots.get_mut(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        let file = place.file.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.len -= 1;
        Some(file)
    }

    pub(crate) fn get(&self, key: FileKey) -> Option<&File> {
        let place = self.slots.get(key.slot as usize)?;
        place.file.as_deref().filter(|_| place.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: FileKey) -> Option<&mut File> {
        let place = self.slots.get_mut(key.slot as usize)?;
        place.file.as_deref_mut().filter(|_| place.generation == key.generation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FileKey, &File)> {
        self.slots.iter().zip(0..).filter_map(|(place, slot)| {
            let key = FileKey { slot, generation: place.generation };
            place.file.as_deref().map(|file| (key, file))
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (FileKey, &mut File)> {
        self.slots.iter_mut().zip(0..).filter_map(|(place, slot)| {
            let key = FileKey { slot, generation: place.generation };
            place.file.as_deref_mut().map(|file| (key, file))
        })
    }

    pub(crate) fn keys(&self) -> Vec<FileKey> {
        self.iter().map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_before_an_offset_are_kept_over_reads_of_any_size() {
        let text: Vec<u8> = (0..300_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut tail = Tail::default();
        let mut at = 0;
        for size in [1, 3, 0, 63, 64, 65, 100, 4] {
            tail.push(&text[at..at + size]);
            at += size;
            assert_eq!(tail.bytes(), &text[at.saturating_sub(MARKER_BYTES_MAX)..at]);
        }
    }

    #[test]
    fn a_key_of_a_file_that_is_gone_names_nothing() {
        let mut table = Table::default();
        let file = || File::new(Path::new("/a").into(), 0, Identity::default(), Instant::now());
        let first = table.insert(file());
        assert!(table.remove(first).is_some());
        let second = table.insert(file());
        assert_eq!(first.slot, second.slot);
        assert!(table.get(first).is_none() && table.get(second).is_some());
        assert!(table.remove(first).is_none());
        assert_eq!(table.len(), 1);
    }
}
