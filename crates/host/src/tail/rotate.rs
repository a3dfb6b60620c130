//! What becomes of a file whose name or content was taken away.
//!
//! *Renamed*: it is read on until it was quiet for a while. *Deleted*: it is read to its end and
//! let go, or given up when it occupies too much for too long. *Truncated or written anew*: what
//! was not read of it is looked for in the copy beside it and read from there, under the old key;
//! the new content begins under a new key, after that.

use super::config::{is_no_text, stem};
use super::copies::Wanted;
use super::discover::{Found, group};
use super::file::{Ending, File, FileKey, State};
use super::identity::{HEAD_BYTES_MAX, Marker, Resume, changed_ns, look, look_at, read_at};
use super::links::Meant;
use super::open::{Opened, entries, first_of, open_as};
use super::stats::Notice;
use super::tailer::{DORMANT_KEPT, DORMANT_MAX, Dormant, Tailer};
use rustix::fs::Statx;
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

impl Tailer {
    /// Whether a start looks for a file by a name because of what a rotation has appended to it.
    pub(super) fn is_rotated(&self, dir: u32, name: &[u8]) -> bool {
        self.rotated_from(dir, name).is_some_and(|meant| meant.link.is_none())
    }

    /// By what a name is meant without what a rotation has appended to it.
    pub(super) fn rotated_from(&self, dir: u32, name: &[u8]) -> Option<Meant> {
        let live = stem(name);
        let is_rotated = live.len() < name.len() && !is_no_text(name);
        if is_rotated { self.meant(dir, live) } else { None }
    }

    /// `new` is read after `old` was read to its end.
    pub(super) fn queue_after(&mut self, old: FileKey, new: FileKey) {
        let Some(first) = self.files.get_mut(old) else { return };
        if first.ending == Ending::Told {
            return;
        }
        first.drained = false;
        let displaced = first.before.replace(new).filter(|other| *other != new);
        self.ready(old);
        if let Some(file) = self.files.get_mut(new) {
            file.after = Some(old);
            file.before = file.before.or(displaced);
        }
        // Who waited for the old one waits for the new one from here on.
        if let Some(file) = displaced.and_then(|other| self.files.get_mut(other)) {
            file.after = Some(new);
        }
    }

    /// `key` waits for nobody, and nobody waits for it; who did waits for who it waited for.
    pub(super) fn leave_queue(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        let (after, before) = (file.after.take(), file.before.take());
        let first = after.and_then(|first| self.files.get_mut(first));
        if let Some(first) = first.filter(|first| first.before == Some(key)) {
            first.before = before;
        }
        if let Some(next) = before {
            let file = self.files.get_mut(next);
            if let Some(file) = file.filter(|file| file.after == Some(key)) {
                file.after = after;
            }
            self.ready(next);
        }
    }

    /// Lets go of files whose end was told and of which nothing needs to be remembered.
    pub(super) fn collect_told(&mut self) {
        for key in std::mem::take(&mut self.told) {
            self.let_go(key);
        }
    }

    /// Lets go of a file whose end was told, once all of it has arrived. What is there and not
    /// wanted may be wanted soon, so its record is kept for a while.
    pub(super) fn let_go(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        let is_closed = file.state == State::Deleted && file.fd.is_none();
        let is_done = is_closed || file.committed >= file.offset;
        if file.ending != Ending::Told || !is_done {
            return;
        }
        // Unless it is read on under another key already.
        let is_last = self.by_place.get(&file.identity.place()) == Some(&key);
        let room = match file.state {
            State::Retired => DORMANT_MAX,
            State::Renamed => DORMANT_MAX / 2,
            _ => 0,
        };
        if is_last && self.dormant.len() < room {
            let until = file.since.max(file.grown) + DORMANT_KEPT;
            let is_saved = file.state == State::Retired;
            self.dormant.push(Dormant { until, record: file.resume(), is_saved });
        }
        self.forget(key);
    }

    /// The content of a file is not the one that was read: `key` becomes what it held before, and
    /// the file itself goes on under a new key.
    pub(super) fn start_again(&mut self, key: FileKey, size: u64, now: Instant) {
        self.stats.rewritten += 1;
        let Some(old) = self.files.get_mut(key) else { return };
        let mut file = File::new(Arc::clone(&old.path), old.input, old.identity, now);
        file.called = old.called.clone();
        // The marker of what was committed can be taken no more.
        if old.committed == old.offset {
            old.resume();
        }
        file.fd = old.fd.take();
        file.meet();
        let stat = file.fd.as_ref().and_then(|fd| look_at(fd.as_fd()).ok());
        let changed_ns = stat.map_or(u64::MAX, |stat| changed_ns(&stat));
        let since = (old.state == State::Live).then(|| old.unread_since());
        file.homes = std::mem::take(&mut old.homes);
        file.group = old.group;
        file.state = old.state;
        file.size = size;
        file.rewritten = true;
        if file.state != State::Live {
            file.since = old.since;
        }
        let (path, place) = (Arc::clone(&old.path), old.identity);
        // A size that its old content cannot have had says nothing of what is lost.
        if size >= old.offset {
            old.size = old.size_of_content;
        }
        let lost = old.lag();
        let group = old.group;
        let wanted = Wanted {
            head: old.head,
            marker: Marker::of(old.tail.bytes()),
            offset: old.offset,
            is_saved: false,
            changed_ns,
            not: place,
        };
        let next = old.before.take();
        old.state = State::Copy;
        old.since = now;
        let copy = self.find_copy(&path, &wanted);
        let homes = file.homes.clone();
        let new = self.files.insert(file);
        for home in homes {
            if let Some(Some(dir)) = self.dirs.get_mut(home.directory as usize) {
                dir.entries.insert(home.name, new);
            }
        }
        self.by_place.insert(place.place(), new);
        self.groups.insert((group, new));
        let recovered = self.become_copy(key, copy, lost);
        self.claim_held(key, wanted.offset);
        if recovered.is_none() {
            self.remember_copy(key);
        }
        self.notices.say(Notice::Rewritten { path: path.to_path_buf(), recovered });
        self.queue_after(key, new);
        if let Some(next) = next {
            self.queue_after(new, next);
        }
        if let Some(since) = since {
            self.read_copies_since((since, changed_ns), &path, Some(new), now);
        }
        if self.files.get(new).is_some_and(|file| file.state != State::Live) {
            self.attended.push(new);
        }
        self.ready(new);
    }

    /// Looks after files that no event tells of: renamed, deleted, and held back.
    pub(super) fn attend(&mut self, now: Instant) {
        let mut kept = Vec::with_capacity(self.attended.len());
        self.attended.sort_unstable();
        self.attended.dedup();
        for key in std::mem::take(&mut self.attended) {
            let Some(file) = self.files.get_mut(key) else { continue };
            if file.hold_until.is_some() {
                if self.is_held(key, now) {
                    kept.push(key);
                } else {
                    self.ready(key);
                }
                continue;
            }
            // Of one that ends, not all has arrived while it is known, or open.
            let is_held = match file.state {
                State::Renamed => true,
                State::Deleted => file.fd.is_some(),
                _ => false,
            };
            if file.state == State::Live || (file.ending != Ending::Open && !is_held) {
                continue;
            }
            if file.look_at_links(now).is_none() && file.state == State::Renamed {
                self.unnamed.push(key);
            }
            let waits = self.waits_for_room(key);
            let Some(file) = self.files.get_mut(key) else { continue };
            if file.ending != Ending::Open {
                if file.state == State::Deleted && !waits {
                    self.part_with(key);
                    self.let_go(key);
                } else {
                    kept.push(key);
                }
                continue;
            }
            let quiet = match file.state {
                State::Deleted => self.limits.deleted_quiet,
                _ => self.limits.renamed_quiet,
            };
            let is_quiet = now.saturating_duration_since(file.grown) >= quiet;
            let is_open = file.state == State::Deleted || file.fd.is_some();
            let has_changed = file.lag() > 0 || file.size < file.offset;
            let ends = file.drained && file.lag() == 0 && is_quiet && !waits;
            if ends {
                file.ending = Ending::Pending { dropped: 0 };
                // Its room is given back even while nobody asks for the end.
                if file.state == State::Deleted {
                    self.part_with(key);
                }
            }
            kept.push(key);
            if is_open || has_changed || ends {
                self.ready(key);
            }
        }
        self.attended = kept;
        self.drop_deleted(now);
    }

    /// Gives up deleted files that nobody reads, or takes once more, the oldest first, until the
    /// bounds hold.
    fn drop_deleted(&mut self, now: Instant) {
        let mut held: Vec<(Instant, FileKey, u64)> = Vec::new();
        let mut total = 0;
        for key in &self.attended {
            let Some(file) = self.files.get(*key) else { continue };
            let is_held = file.ending == Ending::Open || file.fd.is_some();
            if file.state == State::Deleted && is_held {
                held.push((file.since, *key, file.disk));
                total += file.disk;
            }
        }
        held.sort_unstable();
        for (since, key, disk) in held {
            let waits = self.waits_for_room(key);
            let too_old = now.saturating_duration_since(since) >= self.limits.deleted_age_max;
            let Some(file) = self.files.get_mut(key) else { continue };
            let unread = file.lag();
            let too_much = total > self.limits.deleted_bytes_max
                || file.fd.as_ref().is_some_and(|fd| {
                    over_percent(fd.as_fd(), total, self.limits.deleted_percent_max)
                });
            if unread == 0 && waits && (too_old || too_much) {
                // It is given back, and nobody keeps elsewhere what of it has not arrived.
                if file.ending == Ending::Open {
                    file.ending = Ending::Pending { dropped: 0 };
                }
                file.fd = None;
                total -= disk;
                self.tell_not_held(key);
                self.ready(key);
                self.let_go(key);
            } else if unread > 0 && (too_old || too_much) {
                file.ending = Ending::Pending { dropped: unread };
                file.fd = None;
                let path = file.path.to_path_buf();
                total -= disk;
                self.stats.dropped_files += 1;
                self.stats.dropped_bytes += unread;
                self.notices.say(Notice::Dropped { path, bytes: unread });
                self.ready(key);
            }
        }
    }

    /// Files that were there before us: of each group the oldest is read first.
    fn order_fresh(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_by_cached_key(|found| {
            let birth = self.files.get(found.key).map(|file| file.identity.birth_ns);
            (found.group, found.written, birth, self.path_of(found.key))
        });
        let mut before: Option<(u64, FileKey)> = None;
        for found in &fresh {
            let unread = self.files.get(found.key).is_some_and(|file| file.lag() > 0);
            if let Some((_, first)) = before.filter(|(group, _)| *group == found.group) {
                self.queue_after(first, found.key);
            }
            if unread {
                self.ready(found.key);
                before = Some((found.group, found.key));
            } else {
                self.at_end(found.key);
            }
        }
    }

    /// Records of a checkpoint that fit no file: the file was renamed out of the patterns or
    /// truncated while we were away, or is not there. Then all that there is to read has its order.
    pub(super) fn settle_orphans(&mut self, now: Instant) {
        let unmatched = std::mem::take(&mut self.resumes);
        let mut rewritten = std::mem::take(&mut self.orphans);
        let mut listings = Listings::new();
        for record in unmatched.into_values().flatten() {
            match self.find_renamed(&record, &mut listings) {
                // It is where it was, so it is no longer meant; unless a rotation gave it this name
                // a while ago.
                Ok((at, _)) if self.is_at(&record, &at) && self.was_meant_by(&at).is_none() => {
                    self.keep_dormant(record, now);
                }
                Ok((at, (fd, identity, stat))) => {
                    let mut beginning = [0; HEAD_BYTES_MAX];
                    let read = read_at(fd.as_fd(), &mut beginning, 0);
                    let beginning = beginning.get(..read).unwrap_or_default();
                    if record.fits(fd.as_fd(), stat.stx_size, beginning) {
                        self.adopt(&record, &at, (fd, identity, stat), now);
                    } else {
                        rewritten.push(record);
                    }
                }
                Err(Errno::NOENT) if record.path.exists() => rewritten.push(record),
                Err(_) => self.keep_dormant(record, now),
            }
        }
        self.order_fresh();
        for record in rewritten {
            self.look_for_copy(&record, now);
        }
        // Copies that were found with that have their place.
        self.fresh.clear();
    }

    /// Looks for the file of a record beside its path, and beside what that leads to as a link.
    pub(super) fn find_renamed(
        &mut self,
        record: &Resume,
        listings: &mut Listings,
    ) -> rustix::io::Result<Renamed> {
        let folders = self.within_bound(|it| it.folders(&record.path))?.into_iter();
        first_of(folders.map(|place| self.find_renamed_in(place, record, listings)))
    }

    /// The same in a folder, given with the owner of the link that led there. One that a rotation
    /// changed since it was listed is listed anew, a few times.
    fn find_renamed_in(
        &mut self,
        (folder, owner): (PathBuf, Option<u32>),
        record: &Resume,
        listings: &mut Listings,
    ) -> rustix::io::Result<Renamed> {
        let inode = record.identity.inode;
        for is_last in [false, false, false, true] {
            if !listings.contains_key(&folder) {
                self.looks += 1;
                let by_inode = self.within_bound(|_| list(&folder))?;
                listings.insert(folder.clone(), by_inode);
            }
            let at = listings.get(&folder).and_then(|by_inode| by_inode.get(&inode));
            let at = at.ok_or(Errno::NOENT)?.clone();
            let opened = self.within_bound(|_| open_as(&at, &record.identity, owner));
            let is_there = || look(&at, false).is_ok_and(|stat| stat.stx_ino == inode);
            if is_last || opened.as_ref().err() != Some(&Errno::NOENT) || is_there() {
                return opened.map(|opened| (at, opened));
            }
            listings.remove(&folder);
        }
        Err(Errno::NOENT)
    }

    /// Whether the path of a record is this one, or leads there.
    fn is_at(&self, record: &Resume, at: &Path) -> bool {
        let target = || self.target_of(&record.path).ok().flatten();
        *at == *record.path || target().is_some_and(|target| target.path == at)
    }

    /// The input of a file that a start looks for in the directory of this path.
    pub(super) fn looks_for(&self, path: &Path) -> Option<u32> {
        self.meant_by(path).or_else(|| self.was_meant_by(path))
    }

    /// The input that means a path.
    fn meant_by(&self, path: &Path) -> Option<u32> {
        let at = self.inputs.iter().position(|input| input.means(path))?;
        u32::try_from(at).ok()
    }

    /// The input that means the name without what a rotation appends.
    fn was_meant_by(&self, path: &Path) -> Option<u32> {
        let (parent, name) = (path.parent()?, path.file_name()?.as_bytes());
        let stem = Some(stem(name)).filter(|stem| stem.len() < name.len())?;
        self.meant_by(&parent.join(OsStr::from_bytes(stem)))
    }

    /// Keeps a record for a while: what it is of may come back.
    fn keep_dormant(&mut self, record: Resume, now: Instant) {
        if self.dormant.len() < DORMANT_MAX {
            self.dormant.push(Dormant { until: now + DORMANT_KEPT, record, is_saved: true });
        }
    }

    /// A file that was renamed is read on, and until it was quiet for a while: its writer may not
    /// know.
    fn adopt(&mut self, record: &Resume, at: &Path, (fd, identity, stat): Opened, now: Instant) {
        let size = stat.stx_size;
        if self.known(&identity).is_some() {
            return;
        }
        let Some(input) = self.looks_for(&record.path) else {
            return self.keep_dormant(record.clone(), now);
        };
        let mut file = File::new(Arc::clone(&record.path), input, identity, now);
        file.go_by(at.into(), *at == *record.path);
        file.state = State::Renamed;
        file.head = record.head;
        file.size = size;
        file.backlog_end = size;
        file.fd = Some(fd);
        file.group = self.group_at(&record.path, file.input).unwrap_or_default();
        file.begin_at(record.offset);
        let written = |stat: &Statx| (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
        // Its writer may not know yet that another file has its name; it comes before that one.
        let next = look(&record.path, true).map_or(written(&stat), |next| written(&next));
        let written = written(&stat).min(next);
        file.written = (written.0, written.1.into());
        let (group, key) = (file.group, self.files.insert(file));
        self.by_place.insert(identity.place(), key);
        self.attended.push(key);
        self.fresh.push(Found { group, written, key });
    }

    /// Whose rotations a file at this path takes part in; nothing in a directory that is not known.
    fn group_at(&self, path: &Path, input: u32) -> Option<u64> {
        let (dir, name) = (self.directory_at(path.parent()?)?, path.file_name()?);
        let by_directory = self.inputs.get(input as usize)?.directory_is_source;
        Some(group(dir, if by_directory { b"" } else { name.as_bytes() }))
    }

    /// The file that is known at a path.
    pub(super) fn key_at(&self, path: &Path) -> Option<FileKey> {
        let dir = self.directory_at(path.parent()?)?;
        let dir = self.dirs.get(dir as usize)?.as_ref()?;
        dir.entries.get(path.file_name()?.as_bytes()).copied()
    }

    /// `key` is read before the file that has its name now, and before what that waits for and was
    /// written to later.
    pub(super) fn put_before(&mut self, key: FileKey, live: Option<FileKey>) {
        self.ready(key);
        let Some(mut next) = live else { return };
        let written = self.files.get(key).map_or((0, 0), |file| file.written);
        let mut earlier = self.files.get(next).and_then(|file| file.after);
        for _ in 0..self.files.len() {
            let Some(first) = earlier.and_then(|first| self.files.get(first)) else { break };
            if first.ending == Ending::Told || first.written <= written {
                break;
            }
            next = earlier.unwrap_or(next);
            earlier = first.after;
        }
        self.queue_after(key, next);
        if let Some(earlier) = earlier
            && let Some(first) = self.files.get_mut(earlier)
            && first.ending != Ending::Told
        {
            first.before = Some(key);
            if let Some(file) = self.files.get_mut(key) {
                file.after = Some(earlier);
            }
        }
    }
}

/// Directories with their files by inode number.
pub(super) type Listings = HashMap<PathBuf, HashMap<u64, PathBuf>>;
/// Where a file is now, and the open file.
pub(super) type Renamed = (PathBuf, Opened);

/// The regular files of a directory by inode number.
fn list(directory: &Path) -> rustix::io::Result<HashMap<u64, PathBuf>> {
    let texts = entries(directory)?.filter(|entry| !is_no_text(entry.file_name().as_bytes()));
    Ok(texts.map(|entry| (entry.ino(), entry.path())).collect())
}

/// Whether so many bytes are more than a part of the file system.
fn over_percent(file: BorrowedFd<'_>, bytes: u64, percent: u8) -> bool {
    let Ok(stat) = rustix::fs::fstatvfs(file) else { return false };
    let whole = u128::from(stat.f_blocks) * u128::from(stat.f_frsize);
    whole > 0 && u128::from(bytes) * 100 > whole * u128::from(percent)
}
