//! Following a file from now on: telling which one it is, and where to begin.

use super::config::StartAt;
use super::discover::{Candidate, Found};
use super::file::{File, FileKey, Home};
use super::identity::{HEAD_BYTES_MAX, Head, Resume, nuls_at_end, read_at};
use super::tailer::Tailer;
use rustix::fs::{SeekFrom, seek};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// How far back the beginning of a line is looked for, in bytes.
const LINE_LOOK_BACK: u64 = 64 << 10;
/// How far back the end of what was written is looked for, in bytes, where no hole tells it.
const TEXT_LOOK_BACK: u64 = 16 << 20;

impl Tailer {
    /// Follows a new file.
    pub(super) fn admit(&mut self, found: &Candidate, now: Instant) -> Option<FileKey> {
        if self.files.len() >= self.limits.files_max {
            self.too_many(&found.path);
            return None;
        }
        let (fd, identity, stat) =
            self.open_regular(&found.path, Some(found.dir), found.link, now)?;
        if !self.may_read_for(found.of.as_ref(), &stat) {
            return None;
        }
        let at = (found.dir, &*found.name);
        if self.is_own(found.input, at, found.link.is_some(), &identity) {
            self.unreadable.remove(&found.path);
            return None;
        }
        let mut beginning = [0; HEAD_BYTES_MAX];
        let read = read_at(fd.as_fd(), &mut beginning, 0);
        let beginning = beginning.get(..read).unwrap_or_default();
        let group = self.group_of(found);
        if found.unless_copy && self.has_copy(group, &fd, stat.stx_size, beginning) {
            return None;
        }
        let mut file = File::new(found.path.as_path().into(), found.input, identity, now);
        file.called =
            found.of.as_ref().and_then(|(dir, name)| Some(self.path_in(*dir, name)?.into()));
        file.group = group;
        file.head = Head::of(beginning);
        file.size = stat.stx_size;
        file.size_of_content = file.size;
        file.written = (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec.into());
        file.homes =
            vec![Home { directory: found.dir, name: found.name.clone(), wanted: found.wanted }];
        let was_there = self.first_scan || self.was_before_its_input(&file);
        let offset = self.first_offset(&mut file, &fd, beginning, was_there);
        file.fd = Some(fd);
        file.begin_at(offset);
        if was_there {
            file.backlog_end = file.size;
        } else if offset == 0 {
            let likeness = self.likeness(&file);
            file.hold(likeness, now + self.limits.copy_grace);
        }
        let key = self.files.insert(file);
        self.can_read(&found.path);
        if let Some(told) = self.known(&identity) {
            let mut earlier = self.resumed.get(&told).cloned().unwrap_or_default();
            earlier.push(told);
            self.resumed.insert(key, earlier);
        }
        self.by_place.insert(identity.place(), key);
        self.groups.insert((group, key));
        if let Some(Some(dir)) = self.dirs.get_mut(found.dir as usize) {
            dir.entries.insert(found.name.clone(), key);
        }
        if found.link.is_some() {
            self.watch_target(key, found, now);
        }
        if !found.wanted {
            self.unnamed.push(key);
        }
        if self.file(key).is_some_and(|file| file.hold_until.is_some()) {
            self.attended.push(key);
        }
        if was_there {
            let written = (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
            self.fresh.push(Found { group, written, key });
        } else {
            self.ready(key);
        }
        Some(key)
    }

    /// Where reading a file begins: after what a checkpoint knows, or what was read of it as the
    /// copy of another, or as its input says.
    fn first_offset(
        &mut self,
        file: &mut File,
        fd: &OwnedFd,
        beginning: &[u8],
        was_there: bool,
    ) -> u64 {
        if let Some(offset) = self.resumed_offset(file, fd, beginning) {
            return offset;
        }
        let claimed = self.claimed.remove(&file.identity.place());
        if let Some(copy) = claimed.filter(|copy| copy.record.identity.same(&file.identity)) {
            return copy.record.offset.min(file.size);
        }
        let start = self.inputs.get(file.input as usize).map(|input| input.start_at);
        let is_old = was_there && !file.rewritten && !self.may_be_unseen(file);
        if is_old && start == Some(StartAt::End) {
            return after_last_line(fd, file.size);
        }
        0
    }

    /// Whether a file was made while nobody watched. Where directories are polled, what was made
    /// just before that may be missing in a checkpoint, too. Where a file system does not say when
    /// a file was made, one that was written to since then may be one.
    pub(super) fn may_be_unseen(&self, file: &File) -> bool {
        let directory = file.homes.first().map_or(0, |home| home.directory as usize);
        let known = self.dirs.get(directory).and_then(Option::as_ref);
        let poll = known.and_then(|known| known.poll).map(|_| self.limits.poll_every.1);
        let late = u64::try_from(poll.unwrap_or_default().as_nanos()).unwrap_or(0);
        let (seconds, nanoseconds) = file.written;
        let made = match file.identity.birth_ns {
            0 => u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000) + nanoseconds,
            made => made,
        };
        self.unseen_since.is_some_and(|since| made.saturating_add(late) >= since)
    }

    /// Whether a file was made before a reload that made the inputs mean it.
    fn was_before_its_input(&self, file: &File) -> bool {
        self.before_reload.as_ref().is_some_and(|(inputs, at)| {
            file.identity.birth_ns < *at && !inputs.iter().any(|input| input.means(&file.path))
        })
    }

    /// Reading goes on where a checkpoint says, when the file is still the one that it meant. A
    /// record that is of this file and does not fit it is kept for a search of the copy.
    fn resumed_offset(&mut self, file: &mut File, fd: &OwnedFd, beginning: &[u8]) -> Option<u64> {
        let inode = file.identity.inode;
        let is_own = |record: &Resume| {
            record.identity.same(&file.identity)
                || (record.path == file.path && record.identity.same_but_for_device(&file.identity))
        };
        let records = self.resumes.remove(&inode).unwrap_or_default();
        let (mut own, others): (Vec<_>, Vec<_>) = records.into_iter().partition(is_own);
        if !others.is_empty() {
            self.resumes.insert(inode, others);
        }
        // What was not there, or not wanted, is back.
        self.dormant.retain(|dormant| {
            let is_back = is_own(&dormant.record);
            if is_back {
                own.push(dormant.record.clone());
            }
            !is_back
        });
        // Its end was told because the inputs did not mean it, and now they do again.
        if let Some(told) = self.known(&file.identity).and_then(|key| self.files.get(key)) {
            own.push(told.reached());
        }
        let mut best = None;
        for record in own {
            if best.is_none() && record.fits(fd.as_fd(), file.size, beginning) {
                best = Some(record.offset);
            } else {
                self.orphans.push(record);
                file.rewritten = best.is_none();
            }
        }
        file.rewritten &= best.is_none();
        self.stats.rewritten += u64::from(file.rewritten);
        best
    }
}

/// The end of the last whole line, or of what was written when none is near.
pub(super) fn after_last_line(fd: &OwnedFd, size: u64) -> u64 {
    let (mut end, mut bytes) = (size, before(fd, size));
    if nuls_at_end(&bytes) > 0 {
        end = end_of_text(fd, size);
        bytes = before(fd, end);
    }
    let from = end.saturating_sub(LINE_LOOK_BACK);
    let newline = memchr::memrchr(b'\n', &bytes);
    newline.map_or(end, |at| from + at as u64 + 1)
}

/// The end of what was written of a file, without room that its writer took ahead.
pub(super) fn end_of_text(fd: &OwnedFd, size: u64) -> u64 {
    // From the end of the last data on there is only a hole, wherever one looks.
    let (mut from, mut end) = (0, size);
    while from < end {
        let middle = from + (end - from) / 2;
        match seek(fd, SeekFrom::Data(middle)) {
            Ok(data) => from = data.max(middle) + 1,
            Err(_) => end = middle,
        }
    }
    let most = end.saturating_sub(TEXT_LOOK_BACK);
    loop {
        let nuls = nuls_at_end(&before(fd, end)) as u64;
        end -= nuls;
        if end == 0 || nuls < LINE_LOOK_BACK {
            return end;
        }
        if end <= most {
            return size;
        }
    }
}

/// The bytes before an offset, as many as are looked back.
fn before(fd: &OwnedFd, end: u64) -> Vec<u8> {
    let from = end.saturating_sub(LINE_LOOK_BACK);
    let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(0)];
    let read = read_at(fd.as_fd(), &mut bytes, from);
    bytes.truncate(read);
    bytes
}
