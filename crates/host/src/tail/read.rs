//! Whose turn it is, and the read itself.
//!
//! Each read begins with the bytes before the offset that are known from the read before. When
//! they are not the same any more, the file was written anew, however long it is now; this check
//! costs no call of its own. A file whose predecessor at the same path is not read to its end
//! waits for it.
//!
//! A hole, or as many NULs as fill a chunk, is stepped over when something stands behind it, so
//! that a writer that goes on at its old offset after a truncation makes no records of NULs. NULs
//! that reach to the end of a file are not read: there the file ends, and a writer that took room
//! ahead of itself will write there. The first of these NULs may be of its text.

use super::file::{Ending, File, FileKey, State, Tail};
use super::identity::{MARKER_BYTES_MAX, nuls_at_end};
use super::stats::{HOLE_TOLD_BYTES, Notice};
use super::tailer::{CHUNK_BYTES_MAX, Flags, Given, Tailer};
use rustix::fs::{SeekFrom, Stat, seek};
use rustix::io::Errno;
use std::cmp::Reverse;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Of so many turns one is for the backlog, even while live files have something to say.
const BACKLOG_TURN: u64 = 8;
/// Fewer NULs than this may be the end of a character of wide text …
const WIDE_NULS: usize = 4;
/// … when they follow the end of a line, or there is another one among so many bytes before them.
const WIDE_LOOK_BACK: usize = 256;

impl Tailer {
    /// The file whose turn it is.
    pub(super) fn next_ready(&mut self, now: Instant) -> Option<FileKey> {
        self.turns = self.turns.wrapping_add(1);
        let allowed = !self.backlog.is_empty() && self.backlog_pause(now).is_zero();
        let backlog_first = self.turns.is_multiple_of(BACKLOG_TURN);
        if allowed && (backlog_first || self.live.is_empty()) {
            return self.backlog.pop_front();
        }
        self.live.pop_front()
    }

    /// How long the backlog must wait for its rate.
    pub(super) fn backlog_pause(&mut self, now: Instant) -> Duration {
        let Some(rate) = self.limits.backlog_bytes_per_s.map(|rate| rate.max(1)) else {
            return Duration::ZERO;
        };
        let rate = i64::try_from(rate).unwrap_or(i64::MAX);
        let passed = now.saturating_duration_since(self.tokens_at).as_nanos();
        let earned = i64::try_from(passed * rate.unsigned_abs() as u128 / 1_000_000_000);
        let earned = earned.unwrap_or(i64::MAX);
        if earned > 0 {
            // What was not used for a second is not used later.
            self.tokens = self.tokens.saturating_add(earned).min(rate);
            self.tokens_at = now;
        }
        if self.tokens > 0 {
            return Duration::ZERO;
        }
        let missing = u128::from(self.tokens.unsigned_abs()) + 1;
        let nanos = missing * 1_000_000_000 / u128::from(rate.unsigned_abs());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(Duration::from_micros(1))
    }

    /// Reads one chunk of a file; `None` when there is nothing to tell.
    pub(super) fn read(&mut self, key: FileKey, now: Instant) -> Option<Given> {
        let file = self.files.get_mut(key)?;
        file.queued = false;
        if file.ending == Ending::Open && self.must_wait(key) {
            return None;
        }
        self.read_now(key, now)
    }

    /// As [`Self::read`], whatever has to be read before.
    pub(super) fn read_now(&mut self, key: FileKey, now: Instant) -> Option<Given> {
        let file = self.files.get_mut(key)?;
        if let Ending::Pending { dropped } = file.ending {
            return Some(self.tell_end(key, dropped));
        }
        let is_held = file.hold_until.is_some();
        if file.ending == Ending::Told || (is_held && self.is_held(key, now)) {
            return None;
        }
        self.ensure_open(key, now)?;
        let file = self.files.get_mut(key)?;
        let stat = match rustix::fs::fstat(file.fd.as_ref()?) {
            Ok(stat) => stat,
            Err(errno) => return self.failed(key, errno, now),
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if file.state == State::Deleted {
            file.disk = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        }
        if size < file.offset {
            self.start_again(key, size, now);
            return None;
        }
        file.size = size;
        self.read_extent(key, &stat, now)
    }

    fn read_extent(&mut self, key: FileKey, stat: &Stat, now: Instant) -> Option<Given> {
        let file = self.files.get_mut(key)?;
        let fd = file.fd.as_ref()?;
        let (offset, size) = (file.offset, file.size);
        let waits = file.has_room() && file.lag() == 0;
        let from = if file.has_room() { offset } else { offset + file.nuls };
        let (start, most) = extent(fd, stat, from, file);
        let known = if start > offset { 0 } else { file.tail.bytes().len() };
        let room = self.buffer.room(known, most);
        let read = match rustix::io::pread(fd.as_fd(), &mut *room, start - known as u64) {
            Ok(read) => read,
            Err(Errno::INTR) => {
                self.ready(key);
                return None;
            }
            Err(errno) => return self.failed(key, errno, now),
        };
        let room = room.get(..read).unwrap_or_default();
        let before = file.tail.bytes().get(..known);
        // Of a file that was never read, its beginning is known.
        let begins = start > 0 || file.head.fits(room);
        if read < known || room.get(..known) != before || !begins {
            self.start_again(key, size, now);
            return None;
        }
        file.size_of_content = size;
        let len = read - known;
        let fills = file.has_room() && file.nuls >= WIDE_NULS as u64;
        let nuls = room_at_end(room, known, fills).min(len);
        if self.unreadable.contains_key(&*file.path) && self.has_its_path(key) {
            let path = self.path_of(key);
            self.can_read(&path);
        }
        let file = self.files.get_mut(key)?;
        let written = (stat.st_mtime, stat.st_mtime_nsec);
        let is_quiet = waits && file.written == written;
        if from == offset {
            file.written = written;
        }
        self.take(key, start, (len, nuls), (waits, is_quiet), now)
    }

    /// Takes `len` bytes that were read at `start`, of which `nuls` at their end are none of the
    /// text: it must be known first whether something stands behind them.
    fn take(
        &mut self,
        key: FileKey,
        start: u64,
        (len, nuls): (usize, usize),
        (waits, is_quiet): (bool, bool),
        now: Instant,
    ) -> Option<Given> {
        let file = self.files.get_mut(key)?;
        let (offset, size) = (file.offset, file.size);
        // Where nothing is read, the file ends, whatever its size is.
        let seen = if len == 0 { size.max(start) } else { start + len as u64 };
        let text = self.buffer.chunk(0, len - nuls);
        let lead = text.iter().take_while(|byte| **byte == 0).count();
        // Fewer where room was belong to the text that fills it.
        let steps = start > offset || (file.has_room() && lead >= WIDE_NULS);
        let lead = if steps { lead } else { 0 };
        let (at, len) = (start + lead as u64, text.len() - lead);
        if at > offset && (len > 0 || seen >= size) && !self.is_still(key, at - offset, now)? {
            return None;
        }
        let file = self.files.get_mut(key)?;
        if len == 0 {
            // What was room is not looked through once more because the file is longer.
            let looked = if file.has_room() && !waits { file.nuls } else { 0 };
            file.nuls = if is_quiet { size - offset } else { looked.max(seen - offset) };
            file.nuls_to_end = offset + file.nuls >= size;
            return self.took(key, (offset, offset), 0, 0, now);
        }
        if at > offset {
            file.tail = Tail::default();
        }
        file.offset = at + len as u64;
        file.nuls_to_end = nuls > 0 && (waits || seen >= size);
        file.nuls = if file.nuls_to_end { size.max(seen) - file.offset } else { 0 };
        self.took(key, (offset, at), lead, len, now)
    }

    /// Whether, before so many NULs are stepped over or taken for the end, what was read is still
    /// there and nothing came after it; otherwise all is looked at once more.
    pub(super) fn is_still(&mut self, key: FileKey, nuls: u64, now: Instant) -> Option<bool> {
        let file = self.files.get_mut(key)?;
        let known = file.tail.bytes();
        // The first ones may be of the text that came.
        let nuls = usize::try_from(nuls).map_or(WIDE_NULS, |nuls| nuls.min(WIDE_NULS));
        let mut bytes = [0; MARKER_BYTES_MAX + WIDE_NULS];
        let room = bytes.get_mut(..known.len() + nuls)?;
        let at = file.offset - known.len() as u64;
        match rustix::io::pread(file.fd.as_ref()?, &mut *room, at) {
            Ok(_) => {}
            Err(Errno::INTR) => {
                self.ready(key);
                return None;
            }
            Err(errno) => {
                self.failed(key, errno, now);
                return None;
            }
        }
        if !room.starts_with(known) {
            let size = file.size;
            self.start_again(key, size, now);
            return Some(false);
        }
        let is_still = room.iter().rev().take(nuls).all(|byte| *byte == 0);
        if !is_still {
            file.nuls = 0;
            self.ready(key);
        }
        Some(is_still)
    }

    /// Accounts for `len` bytes of data at `start`, which lie in the buffer at `from`; what is
    /// before them from `offset` on was stepped over.
    fn took(
        &mut self,
        key: FileKey,
        (offset, start): (u64, u64),
        from: usize,
        len: usize,
        now: Instant,
    ) -> Option<Given> {
        if start - offset >= HOLE_TOLD_BYTES {
            self.tell_hole(key, start - offset);
        }
        let file = self.files.get_mut(key)?;
        let bytes = self.buffer.chunk(from, len);
        file.tail.push(bytes);
        file.head.grow(start, bytes);
        let end_of_file = file.lag() == 0;
        let mut flags = Flags { end_of_file, hole_skipped: start > offset, ..Flags::default() };
        self.stats.hole_bytes += start - offset;
        if len > 0 {
            flags.rewritten = std::mem::take(&mut file.rewritten);
            file.grown = now;
            file.read_bytes += len as u64;
            self.stats.read_bytes += len as u64;
            self.stats.chunks += 1;
            if file.state == State::Copy {
                self.stats.recovered_bytes += len as u64;
            }
            if start < file.backlog_end && self.limits.backlog_bytes_per_s.is_some() {
                self.tokens = self.tokens.saturating_sub(i64::try_from(len).unwrap_or(i64::MAX));
            }
        }
        if end_of_file {
            // Room behind it was no backlog.
            file.backlog_end = file.backlog_end.min(file.offset);
            self.at_end(key);
        } else {
            self.ready(key);
        }
        (len > 0 || !end_of_file).then_some(Given { key, start, from, len, flags })
    }

    /// Whether a file is the one at its path. One that was renamed to where nobody looks is not.
    fn has_its_path(&self, key: FileKey) -> bool {
        self.files
            .get(key)
            .is_some_and(|file| file.state == State::Live || self.key_at(&file.path) == Some(key))
    }

    /// Reading a file failed. Nobody waits for it. It is tried again, but for a copy, which is
    /// looked for only once: what is unread of one is lost. A path that is not its own any more is
    /// not to be called unreadable: another file may have it.
    fn failed(&mut self, key: FileKey, errno: Errno, now: Instant) -> Option<Given> {
        let file = self.files.get_mut(key)?;
        if file.state == State::Copy {
            let lost = file.lag();
            file.size = file.offset;
            self.stats.failures += 1;
            self.lose(key, lost);
        } else {
            let path = self.path_of(key);
            if self.has_its_path(key) {
                self.cannot_read(&path, errno, now);
            } else {
                self.cannot_read_nameless(&path, errno);
            }
        }
        self.at_end(key);
        None
    }

    /// Tells that unread bytes of a file are gone.
    pub(super) fn lose(&mut self, key: FileKey, bytes: u64) {
        let Some(file) = self.files.get_mut(key) else { return };
        file.possible_loss_bytes += bytes;
        self.stats.possible_losses += 1;
        self.stats.possible_loss_bytes += bytes;
        if bytes > 0 {
            self.notices.say(Notice::PossibleLoss { path: file.path.to_path_buf(), bytes });
        }
    }

    /// A file was read to its end: who waited for it may begin.
    pub(super) fn at_end(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        file.drained = true;
        let next = file.before.take();
        let is_idle = file.state == State::Live && file.fd.is_some();
        if file.state == State::Copy && file.ending == Ending::Open {
            file.ending = Ending::Pending { dropped: 0 };
            self.ready(key);
        }
        if is_idle {
            self.touch(key);
        }
        if let Some(next) = next {
            self.ready(next);
        }
    }

    /// Tells that nothing follows under this key, and lets the file go.
    fn tell_end(&mut self, key: FileKey, dropped: u64) -> Given {
        let mut start = 0;
        self.part_with(key);
        if let Some(file) = self.files.get_mut(key) {
            file.ending = Ending::Told;
            start = file.offset;
            let place = file.identity.place();
            if matches!(file.state, State::Deleted | State::Copy)
                && self.by_place.get(&place) == Some(&key)
            {
                self.by_place.remove(&place);
            }
        }
        self.at_end(key);
        self.told.push(key);
        let flags = Flags { end_of_file: true, last: true, dropped, ..Flags::default() };
        Given { key, start, from: 0, len: 0, flags }
    }

    /// Whether a file before this one at the same path is not read to its end.
    fn must_wait(&mut self, key: FileKey) -> bool {
        let Some(file) = self.files.get(key) else { return false };
        let Some(after) = file.after else { return false };
        // At the end only what nobody will find is read, and there is no time for the rest.
        let is_read = |first: &File| file.last_end.is_none() || first.is_vanishing();
        let waits = self
            .files
            .get(after)
            .is_some_and(|first| !first.drained && first.ending == Ending::Open && is_read(first));
        if waits {
            self.ready(after);
        } else if let Some(file) = self.files.get_mut(key) {
            file.after = None;
        }
        waits
    }

    /// The file may have become idle just now; the files that are idle for longest are closed.
    pub(super) fn touch(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        self.lru.remove(&file.used);
        if file.committed < file.offset {
            return;
        }
        self.uses += 1;
        file.used = self.uses;
        self.lru.insert(self.uses, key);
        let over = self.lru.len().saturating_sub(self.limits.open_idle_max);
        self.close_idle(over);
    }

    /// Leaves at most so many files open, as far as they can be found again: idle ones are closed
    /// first, then those that were read, then those that wait for a turn, and last of all those
    /// that were renamed, the last ones first, because the others are deleted before them. What of
    /// them has not arrived or was not read cannot be had again when they are deleted meanwhile.
    pub(super) fn bound_open(&mut self, most: usize) {
        let open = self.count_open();
        if open > most {
            self.open.spend();
            // A quarter less, so that this is not done again at once.
            self.close(open - most / 4 * 3);
        }
        self.open.save();
        // Where they cannot be closed, that is not tried with each one more.
        let most = self.limits.open_max;
        self.open.files = self.count_open().min(most - most / 16);
    }

    /// So many files are open, also deleted ones that others hold.
    pub(super) fn count_open(&self) -> usize {
        let open = self.files.iter().filter(|(_, file)| file.fd.is_some()).count();
        open + self.gone.len() + self.gone_held
    }

    fn close(&mut self, mut over: usize) {
        let idle = self.lru.len().min(over);
        self.close_idle(idle);
        over -= idle;
        for is_read in [true, false] {
            let may_close = |file: &File| {
                file.fd.is_some() && file.has_its_name() && (file.lag() == 0) == is_read
            };
            let mut closed = 0;
            for (_, file) in self.files.iter_mut().filter(|(_, file)| may_close(file)).take(over) {
                file.close();
                closed += 1;
            }
            over -= closed;
        }
        if over == 0 {
            return;
        }
        // Also those that were just now, which is not settled.
        let is_renamed = |file: &File| match file.state {
            State::Live => file.hold_until.is_none() && !file.is_wanted(),
            state => state == State::Renamed,
        };
        let renamed = self.files.iter().filter(|(_, file)| file.fd.is_some() && is_renamed(file));
        let mut renamed: Vec<_> =
            renamed.map(|(key, file)| (file.lag() > 0, Reverse(file.since), key)).collect();
        renamed.sort_unstable();
        for (.., key) in renamed {
            if over > 0
                && self.files.get(key).is_some_and(|file| self.finds_renamed(file))
                && let Some(file) = self.files.get_mut(key)
            {
                file.close();
                over -= 1;
            }
        }
    }

    /// Closes the idle files that were not used for longest. A file with bytes that are unread or
    /// have not arrived, or one that could not be found again by its name, stays open.
    pub(super) fn close_idle(&mut self, count: usize) {
        for _ in 0..count {
            let Some((_, key)) = self.lru.pop_first() else { return };
            let Some(file) = self.files.get_mut(key) else { continue };
            let is_done = file.lag() == 0 && file.committed >= file.offset;
            let idle = file.drained && !file.queued && is_done;
            if idle && file.has_its_name() {
                file.close();
            }
        }
    }
}

/// Where data begins from an offset on, and how many bytes of it are read. A file that occupies as
/// much as its size and has no NULs at its offset is not asked for holes.
fn extent(fd: &OwnedFd, stat: &Stat, from: u64, file: &File) -> (u64, usize) {
    // One byte more than there seems to be, so that a read tells whether the file has grown.
    let whole = (from, CHUNK_BYTES_MAX);
    let disk = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if from >= file.size || (disk >= file.size && file.nuls == 0) {
        return whole;
    }
    let start = match seek(fd, SeekFrom::Data(from)) {
        Ok(start) => start.max(from),
        Err(Errno::NXIO) => return (file.size, 0),
        Err(_) => return whole,
    };
    let hole = seek(fd, SeekFrom::Hole(start)).unwrap_or(file.size);
    let most = (CHUNK_BYTES_MAX as u64).min(hole.saturating_sub(start));
    (start, usize::try_from(most).unwrap_or(0))
}

/// How many NULs end what was read after `known` bytes, but for those that end a character of wide
/// text. Where it fills room, those after a line may be what is left of that.
fn room_at_end(bytes: &[u8], known: usize, fills: bool) -> usize {
    let nuls = nuls_at_end(bytes);
    let text = bytes.get(..bytes.len() - nuls).unwrap_or_default();
    let ends_line = !fills && text.len() > known && text.ends_with(b"\n");
    let mut before = text.iter().rev().take(WIDE_LOOK_BACK);
    let is_wide = (1..WIDE_NULS).contains(&nuls) && (ends_line || before.any(|byte| *byte == 0));
    if is_wide { 0 } else { nuls }
}

const _: () = assert!(MARKER_BYTES_MAX <= 64, "the margin of the buffer holds the marker");
