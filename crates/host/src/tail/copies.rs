//! Copies of files that are truncated: which one holds what was not read, and who reads it.

use super::admit::{after_last_line, end_of_text};
use super::config::{is_no_text, live_name, stem};
use super::discover::{BIRTH_LATE_NS, kind, wall_ns};
use super::file::{Ending, File, FileKey, State, Tail};
use super::identity::{
    HEAD_BYTES_MAX, Head, Identity, Marker, Resume, changed_ns, from_stat, look, read_at,
};
use super::open::{may_lead, peek, peek_in};
use super::stats::Notice;
use super::tailer::Tailer;
use rustix::fs::FileType;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How many names of a directory are compared in the search of a copy.
const COPY_LOOKS_MAX: usize = 10_000;

/// The names of a directory, by the names that they are rotated names of.
type Names = HashMap<Vec<u8>, Vec<OsString>>;

/// What a directory held when it was listed for the search of a copy. Many files of one may be
/// truncated at once, so it serves all of those that were changed before that.
pub(super) struct Listing {
    /// In nanoseconds since 1970.
    at_ns: u64,
    names: Names,
    /// Nothing before it was asked for.
    others: Option<Others>,
}

/// What may be a copy although its name does not say so, the longest first.
struct Others {
    /// For whom, as [`Wanted`] has it.
    is_saved: bool,
    sizes: Vec<u64>,
    names: Vec<OsString>,
}

/// What a copy must look like.
pub(super) struct Wanted {
    pub(super) head: Head,
    pub(super) marker: Marker,
    pub(super) offset: u64,
    /// Whether a checkpoint wants it: what that says of a copy was not read in this process.
    pub(super) is_saved: bool,
    /// When the file was changed last, in nanoseconds since 1970: its copy was made before that.
    pub(super) changed_ns: u64,
    /// The file itself is no copy of itself.
    pub(super) not: Identity,
}

/// A copy that holds what was truncated away.
pub(super) struct Copied {
    path: PathBuf,
    fd: OwnedFd,
    identity: Identity,
    size: u64,
    written: (i64, u64),
}

/// How a new file resembles one that may be truncated.
#[derive(Clone, Copy)]
pub(crate) enum Likeness {
    /// That one has all that it holds.
    CopyOf(FileKey),
    /// One may have had all that it holds, or it holds nothing yet.
    MayBeCopy,
}

/// A copy that was read for the file that it is a copy of.
pub(super) struct Claimed {
    /// Up to where. It is no file that is followed, but the next start must not take it for one
    /// that was made meanwhile.
    pub(super) record: Resume,
    /// Whether everything was compared with the disk since; the copy may be found after that.
    pub(super) is_old: bool,
}

impl Tailer {
    /// Copies beside a file that were made since a time, and that nobody knows, hold what it held
    /// between two truncations, the last of which was not later than its last change: they are read
    /// before `live`, which has its path. Of a link they lie beside what it leads to, or beside it.
    pub(super) fn read_copies_since(
        &mut self,
        (since, changed_ns): (u64, u64),
        path: &Path,
        live: Option<FileKey>,
        now: Instant,
    ) {
        let times = (since, changed_ns);
        let mut copies = self.copies_since(times, path, now);
        if let Ok(Some(target)) = self.within_bound(|it| it.target_of(path)) {
            copies.append(&mut self.copies_since(times, &target.path, now));
        }
        copies.sort_unstable();
        for (_, copy) in copies {
            self.leave_queue(copy);
            self.put_before(copy, live);
        }
        self.settle(now);
    }

    /// Such copies in the directory of a path, each with the time when it was made.
    fn copies_since(
        &mut self,
        (since, changed_ns): (u64, u64),
        path: &Path,
        now: Instant,
    ) -> Vec<(u64, FileKey)> {
        let mut copies = Vec::new();
        let (Some(parent), Some(own)) = (path.parent(), path.file_name()) else { return copies };
        let Some(dir) = self.directory_at(parent) else { return copies };
        let is_copy = |name: &&OsString| *name != own && stem(name.as_bytes()) == own.as_bytes();
        let listing = self.listing(dir, parent, changed_ns);
        let names = listing.names.get(own.as_bytes()).into_iter().flatten();
        let names: Vec<OsString> = names.filter(is_copy).cloned().collect();
        self.listed.insert(dir, listing);
        let unseen_since = self.unseen_since.replace(since);
        for name in names {
            self.refresh(dir, name.as_bytes(), None, now);
            let entry = self.dirs.get(dir as usize).and_then(Option::as_ref);
            let key = entry.and_then(|known| known.entries.get(name.as_bytes()).copied());
            let file = key.and_then(|key| Some((key, self.files.get(key)?)));
            let Some((key, file)) = file else { continue };
            if file.offset == 0 && file.identity.birth_ns >= since {
                copies.push((file.identity.birth_ns, key));
            }
        }
        self.unseen_since = unseen_since;
        copies
    }

    /// What a file held before it was truncated is read from its copy, or is at its end; the
    /// number of bytes that the copy has.
    pub(super) fn become_copy(
        &mut self,
        key: FileKey,
        copy: Option<Copied>,
        lost: u64,
    ) -> Option<u64> {
        let file = self.files.get_mut(key)?;
        file.state = State::Copy;
        file.hold_until = None;
        if let Some(copy) = copy {
            let recovered = end_of_text(&copy.fd, copy.size).saturating_sub(file.offset);
            file.size = copy.size;
            file.nuls = 0;
            file.copied = Some(u64::MAX);
            let record = Resume {
                path: copy.path.into(),
                identity: copy.identity,
                offset: copy.size,
                head: file.head,
                marker: Marker::of(Tail::load(&copy.fd, copy.size).bytes()),
            };
            file.fd = Some(copy.fd);
            self.claim(record);
            self.ready(key);
            return Some(recovered);
        }
        file.ending = Ending::Pending { dropped: 0 };
        file.size = file.offset;
        self.lose(key, lost);
        self.ready(key);
        None
    }

    /// A copy that ends before what was read of a file is for the next start: it has what of that
    /// has not arrived, up to there.
    pub(super) fn remember_copy(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key).filter(|file| file.committed < file.offset) else {
            return;
        };
        let (path, record) = (Arc::clone(&file.path), file.resume());
        let wanted = Wanted::saved(&record, false);
        let copied = self.find_copy(&path, &wanted).map(|copy| copy.size);
        if let Some(file) = self.files.get_mut(key) {
            file.copied = copied;
        }
    }

    /// A copy is read as the file that it was made of, not once more as a file of its own.
    fn claim(&mut self, record: Resume) {
        if let Some(key) = self.known(&record.identity) {
            self.pass_over(key, record.offset);
        } else {
            self.claimed.insert(record.identity.place(), Claimed { record, is_old: false });
        }
    }

    /// What a copy has before this was read of the file that it is a copy of.
    fn pass_over(&mut self, copy: FileKey, end: u64) {
        let Some(file) = self.files.get_mut(copy) else { return };
        file.meet();
        file.begin_at(end);
        file.hold_until = None;
    }

    /// Copies that were held back when the file was truncated that they were compared with. When
    /// more of it was read than they have, no search finds them, and nothing of them is unread but
    /// what came since they were compared. What has not arrived of the file, which no start finds
    /// any more, is read once more from them.
    pub(super) fn claim_held(&mut self, whole: FileKey, offset: u64) {
        let arrived = self.files.get(whole).map_or(0, |file| file.committed);
        let same = |key: FileKey| {
            let copy = self.files.get(key).filter(|copy| copy.hold_until.is_some())?;
            let (_, same) = copy.copied_from.filter(|(of, _)| *of == whole)?;
            let fd = copy.fd.as_ref()?;
            let size = u64::try_from(rustix::fs::fstat(fd).ok()?.st_size).ok()?;
            let end = if size == same { same } else { after_last_line(fd, same) };
            (same <= offset.min(size)).then_some((key, end.min(arrived)))
        };
        let held: Vec<_> = self.attended.iter().filter_map(|key| same(*key)).collect();
        for (key, end) in held {
            self.pass_over(key, end);
            self.ready(key);
        }
    }

    /// Whether a file holds nothing but what another one of its group has, or had before it was
    /// truncated.
    pub(super) fn has_copy(&self, group: u64, copy: &OwnedFd, size: u64, beginning: &[u8]) -> bool {
        !beginning.is_empty()
            && self.keys_of(group).any(|key| self.compare(key, copy, size, beginning).is_some())
    }

    /// How a new file resembles a neighbour that is about to be truncated: its name is that of a
    /// rotated file, and it holds nothing but what the neighbour has. An empty one may become a
    /// copy of the file whose rotated name it has.
    pub(super) fn likeness(&self, file: &File) -> Option<Likeness> {
        let (home, copy) = (file.homes.first()?, file.fd.as_ref()?);
        let name = live_name(&home.name)?;
        let is_read = |key: &FileKey| {
            self.files.get(*key).is_some_and(|file| {
                file.state == State::Live && file.is_wanted() && file.offset > 0
            })
        };
        let dir = self.dirs.get(home.directory as usize).and_then(Option::as_ref);
        let live = dir.and_then(|dir| dir.entries.get(&*name).copied()).filter(is_read);
        let mut beginning = [0; HEAD_BYTES_MAX];
        let read = read_at(copy.as_fd(), &mut beginning, 0);
        let beginning = beginning.get(..read).unwrap_or_default();
        if beginning.is_empty() {
            return live.map(|_| Likeness::MayBeCopy);
        }
        let mut others = live.into_iter().chain(self.keys_of(file.group).filter(is_read));
        others.find_map(|key| self.compare(key, copy, file.size, beginning))
    }

    /// Whether `copy` holds nothing but what a file has. Many files begin with the same header, so
    /// the end of the copy is compared, too. Of a file that was truncated only what was read is
    /// known: when that is noticed, all copies of it are found.
    fn compare(
        &self,
        key: FileKey,
        copy: &OwnedFd,
        size: u64,
        beginning: &[u8],
    ) -> Option<Likeness> {
        let file = self.files.get(key)?;
        if usize::from(file.head.len) <= beginning.len() && !file.head.fits(beginning) {
            return None;
        }
        let closed = file.fd.is_none().then(|| peek(&file.path).ok()).flatten();
        let opened = closed.filter(|(_, found, _)| found.same(&file.identity)).map(|(fd, ..)| fd);
        let whole = file.fd.as_ref().or(opened.as_ref());
        let read = Marker::of(file.tail.bytes());
        if let Some(whole) = whole.filter(|whole| read.fits(whole.as_fd(), file.offset)) {
            let mut bytes = [0; HEAD_BYTES_MAX];
            let room = bytes.get_mut(..beginning.len()).unwrap_or_default();
            let is_same = read_at(whole.as_fd(), room, 0) == beginning.len()
                && room == beginning
                && Marker::of(Tail::load(copy, size).bytes()).fits(whole.as_fd(), size);
            return is_same.then_some(Likeness::CopyOf(key));
        }
        let is_like = file.offset > 0
            && file.head.fits_read(beginning)
            && (size < file.offset || read.fits(copy.as_fd(), file.offset));
        is_like.then_some(Likeness::MayBeCopy)
    }

    /// Whether a file that may be a copy is held back still: until it has not grown for a while, or
    /// holds what its neighbour has not.
    pub(super) fn is_held(&mut self, key: FileKey, now: Instant) -> bool {
        let Some(file) = self.files.get_mut(key) else { return false };
        let stat = file.fd.as_ref().and_then(|fd| rustix::fs::fstat(fd).ok());
        file.size = stat.and_then(|stat| u64::try_from(stat.st_size).ok()).unwrap_or(file.size);
        let has_grown = std::mem::replace(&mut file.size_of_content, file.size) != file.size;
        file.hold_until = file.hold_until.filter(|until| now < *until);
        let likeness = self.files.get(key).filter(|_| has_grown).map(|file| self.likeness(file));
        let Some(file) = self.files.get_mut(key) else { return false };
        if let Some(likeness) = likeness {
            file.hold(likeness, now + self.limits.copy_grace);
        }
        file.hold_until.is_some()
    }

    /// Looks for a copy of what a file held beside what its path leads to as a link, and beside it:
    /// first among the rotated names that it may have.
    pub(super) fn find_copy(&mut self, path: &Path, wanted: &Wanted) -> Option<Copied> {
        // A file that was never read is known by its beginning alone, one that begins with a hole
        // by what stands before the offset.
        if wanted.marker.len == 0 && (wanted.head.len == 0 || wanted.offset > 0) {
            return None;
        }
        let target = self.within_bound(|it| it.target_of(path));
        target
            .ok()
            .flatten()
            .and_then(|to| self.find_copy_beside((&to.path, Some(to.owner)), wanted))
            .or_else(|| self.find_copy_beside((path, None), wanted))
    }

    /// The same in one directory, for the owner of the link that leads there.
    fn find_copy_beside(
        &mut self,
        (path, owner): (&Path, Option<u32>),
        wanted: &Wanted,
    ) -> Option<Copied> {
        let (parent, number) = (path.parent()?, self.directory_at(path.parent()?)?);
        // The copies of a file that was renamed right behind its truncation have its name before.
        let own = stem(path.file_name()?.as_bytes());
        if *self.dirs.get(number as usize)?.as_ref()?.path != *parent {
            return None;
        }
        let dir = self.within_bound(|it| it.open_dir(number)).ok()?;
        let mut listing = self.listing(number, parent, wanted.changed_ns);
        let named = listing.names.get(own);
        let mut best = named.and_then(|names| self.newest_copy((path, &dir, owner), names, wanted));
        if best.is_none() {
            let others = listing.others.take().filter(|it| it.is_saved == wanted.is_saved);
            let others =
                others.unwrap_or_else(|| self.others((number, parent), &listing.names, wanted));
            let long = others.sizes.partition_point(|size| *size >= wanted.offset);
            let long = others.names.get(..long).unwrap_or_default();
            best = self.newest_copy((path, &dir, owner), long, wanted);
            listing.others = Some(others);
        }
        self.listed.insert(number, listing);
        best
    }

    /// What a directory holds, listed after a file in it was changed.
    fn listing(&mut self, number: u32, dir: &Path, changed_ns: u64) -> Listing {
        let is_later = |listing: &Listing| changed_ns.saturating_add(BIRTH_LATE_NS) < listing.at_ns;
        if let Some(listing) = self.listed.remove(&number).filter(is_later) {
            return listing;
        }
        self.looks += 1;
        let (at_ns, mut names) = (wall_ns(), Names::new());
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten().take(COPY_LOOKS_MAX) {
            let name = entry.file_name();
            if !is_no_text(name.as_bytes()) {
                let live = live_name(name.as_bytes()).unwrap_or_else(|| name.as_bytes().to_vec());
                names.entry(live).or_default().push(name);
            }
        }
        Listing { at_ns, names, others: None }
    }

    /// The files that are neither called as a rotation calls those that are followed, nor read as
    /// files of their own, the longest first.
    fn others(&mut self, (number, parent): (u32, &Path), names: &Names, wanted: &Wanted) -> Others {
        self.looks += 1;
        let dir = self.dirs.get(number as usize).and_then(Option::as_ref);
        let is_followed = |live: &[u8]| dir.is_some_and(|dir| dir.entries.contains_key(live));
        let mut others = Vec::new();
        for (live, names) in names {
            let of_itself = is_followed(live);
            for name in names.iter().filter(|name| !of_itself || name.as_bytes() == live.as_slice())
            {
                let Ok(seen) = look(&parent.join(name), false) else { continue };
                // Nothing else has its inode while it is open, nor was made at its time.
                let is_read = self
                    .reads(&from_stat(&seen), wanted)
                    .is_some_and(|file| file.fd.is_some() || file.identity.birth_ns != 0);
                if kind(&seen) == FileType::RegularFile && !is_read {
                    others.push((seen.stx_size, name.clone()));
                }
            }
        }
        others.sort_unstable_by(|one, other| other.cmp(one));
        let (sizes, names) = others.into_iter().unzip();
        Others { is_saved: wanted.is_saved, sizes, names }
    }

    /// Of these names the copy that was written to last.
    fn newest_copy(
        &mut self,
        (path, dir, owner): (&Path, &OwnedFd, Option<u32>),
        names: &[OsString],
        wanted: &Wanted,
    ) -> Option<Copied> {
        let mut best: Option<Copied> = None;
        for name in names.iter().filter(|name| Some(name.as_os_str()) != path.file_name()) {
            let Ok(seen) = look(&path.with_file_name(name), false) else { continue };
            // While it is open, nothing else has its inode.
            let known = self.reads(&from_stat(&seen), wanted);
            let is_file = kind(&seen) == FileType::RegularFile && seen.stx_size >= wanted.offset;
            if !is_file || known.is_some_and(|file| file.fd.is_some()) {
                continue;
            }
            self.looks += 1;
            self.open.files += 1;
            let opened = peek_in(dir.as_fd(), name.as_bytes());
            let Ok((fd, identity, stat)) = opened else { continue };
            let is_read = self.reads(&identity, wanted).is_some();
            if is_read || identity.same(&wanted.not) || !may_lead(owner, &stat) {
                continue;
            }
            if !wanted.fits(fd.as_fd(), stat.stx_size) {
                continue;
            }
            let written = (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec.into());
            if best.as_ref().is_none_or(|best| best.written < written) {
                let (path, size) = (path.with_file_name(name), stat.stx_size);
                best = Some(Copied { path, fd, identity, size, written });
            }
        }
        best
    }

    /// The file of this identity when it is read as a file of its own.
    fn reads(&self, identity: &Identity, wanted: &Wanted) -> Option<&File> {
        let known = self.known(identity).and_then(|key| self.files.get(key));
        known.filter(|file| file.offset > 0 && (file.read_bytes > 0 || !wanted.is_saved))
    }

    /// What a record meant was truncated away, once or several times, or its file is gone, since
    /// nobody watched or read.
    pub(super) fn look_for_copy(&mut self, record: &Resume, now: Instant) {
        let wanted = Wanted::saved(record, true);
        let live = self.key_at(&record.path);
        let copy = self.find_copy(&record.path, &wanted);
        let mut file = File::new(Arc::clone(&record.path), 0, record.identity, now);
        file.input = live.and_then(|key| self.files.get(key)).map_or(0, |file| file.input);
        file.state = State::Copy;
        file.head = record.head;
        file.offset = record.offset;
        file.committed = record.offset;
        file.saved = (record.offset, record.marker);
        file.size = record.offset;
        let key = self.files.insert(file);
        if let (Some(copy), Some(file)) = (&copy, self.files.get_mut(key)) {
            file.tail = Tail::load(&copy.fd, record.offset);
            file.backlog_end = copy.size;
            file.written = copy.written;
        }
        let made = copy.as_ref().map(|copy| copy.identity.birth_ns);
        let recovered = self.become_copy(key, copy, 0);
        let path = record.path.to_path_buf();
        let found = live.and_then(|key| self.files.get(key)).map(|file| file.identity);
        let found = found.or_else(|| Some(from_stat(&look(&path, true).ok()?)));
        let is_there = found.is_some_and(|it| {
            it.same(&record.identity) || it.same_but_for_device(&record.identity)
        });
        self.notices.say(match recovered {
            None if !is_there => Notice::Replaced { path, offset: record.offset },
            _ => Notice::Rewritten { path, recovered },
        });
        self.put_before(key, live);
        if let Some(made) = made {
            let times = (made + 1, wanted.changed_ns);
            self.read_copies_since(times, &record.path, live, now);
        }
    }
}

impl Wanted {
    /// What a record says, perhaps one of a checkpoint.
    fn saved(record: &Resume, is_saved: bool) -> Self {
        Self {
            head: record.head,
            marker: record.marker,
            offset: record.offset,
            is_saved,
            changed_ns: look(&record.path, true).map_or(u64::MAX, |stat| changed_ns(&stat)),
            not: record.identity,
        }
    }

    fn fits(&self, file: BorrowedFd<'_>, size: u64) -> bool {
        let mut beginning = [0; HEAD_BYTES_MAX];
        let read = read_at(file, &mut beginning, 0);
        let beginning = beginning.get(..read).unwrap_or_default();
        size >= self.offset && self.head.fits_read(beginning) && self.marker.fits(file, self.offset)
    }
}
