//! Finding files: directories are walked and watched, and each name is compared with what is
//! known about it.
//!
//! Directories are known by device and inode, so a loop of links, or one directory that is
//! mounted twice, is entered once. A name is judged by what it is now, not by what an event said
//! about it: events may be late, doubled or missing, and the outcome is the same.

use super::config::{Symlinks, is_no_text, stem};
use super::file::{Ending, FileKey, Home};
use super::glob::Progress;
use super::identity::{Identity, from_stat, look};
use super::links::Meant;
use super::mute::Writes;
use super::open::Via;
use super::remote::is_remote;
use super::stats::Notice;
use super::tailer::Tailer;
use super::watch::Watches;
use crate::hash::Fnv;
use rustix::fs::{FileType, Statx};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many odd names are remembered, so that each is told once.
pub(super) const ODD_MAX: usize = 1024;
/// File systems say of a file that it was made up to so much earlier, in nanoseconds.
pub(super) const BIRTH_LATE_NS: u64 = 10_000_000;

/// How far one pattern has come: the numbers of input and pattern, and what matched.
pub(crate) type Reach = (u16, u16, Progress);

/// A name in a directory of this number.
pub(crate) type Place = (u32, Arc<[u8]>);

/// A directory that is looked into.
pub(crate) struct Dir {
    pub(crate) path: Arc<Path>,
    pub(crate) place: (u64, u64),
    pub(crate) watch: Option<Watches>,
    pub(crate) writes: Writes,
    /// The pause between two looks, and when the next one is due.
    pub(crate) poll: Option<(Duration, Instant)>,
    /// When it was looked into the last two times, in nanoseconds since 1970.
    pub(crate) seen_ns: (u64, u64),
    pub(crate) reach: Vec<Reach>,
    /// Names of files that are followed.
    pub(crate) entries: HashMap<Arc<[u8]>, FileKey>,
    /// Whether it is here because a link points into it.
    pub(crate) by_link: bool,
    /// Names that links lead to, with directory and name of each link.
    pub(crate) links: HashMap<Arc<[u8]>, Vec<Place>>,
}

/// A file that was there before us, to be put in order.
pub(crate) struct Found {
    pub(crate) group: u64,
    pub(crate) written: (i64, u32),
    pub(crate) key: FileKey,
}

/// A name that may become a file that is followed.
pub(crate) struct Candidate {
    pub(crate) dir: u32,
    pub(crate) name: Arc<[u8]>,
    pub(crate) path: PathBuf,
    pub(crate) input: u32,
    pub(crate) wanted: bool,
    /// The owner of the link that led here.
    pub(crate) link: Option<u32>,
    /// The link whose target had this file's place.
    pub(crate) of: Option<Place>,
    /// Whether a copy of a known file is to be left alone.
    pub(crate) unless_copy: bool,
}

/// Now, in nanoseconds since 1970.
pub(crate) fn wall_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// The files that one rotation may mix up: those of one directory and stem.
pub(crate) fn group(dir: u32, name: &[u8]) -> u64 {
    let mut hash = Fnv::default();
    hash.add(&dir.to_ne_bytes());
    hash.add(stem(name));
    hash.value()
}

impl Tailer {
    /// Enters the directories that were found. Their first files may have been renamed before that.
    pub(super) fn visit_all(&mut self, now: Instant) {
        let unseen_since = self.unseen_since;
        if !self.first_scan && self.before_reload.is_none() {
            let synced = self.synced_ns.saturating_sub(BIRTH_LATE_NS);
            self.unseen_since = unseen_since.or(Some(synced));
        }
        while let Some((path, reach, via)) = self.to_visit.pop() {
            if let Some(dir) = self.enter(&path, &reach, via, false, now) {
                self.scan(dir, now);
            }
        }
        self.look_beside_targets(now);
        self.unseen_since = unseen_since;
    }

    /// Knows a directory from now on; its number when there is something new to look for in it.
    pub(super) fn enter(
        &mut self,
        path: &Path,
        reach: &[Reach],
        via: Option<Via>,
        by_link: bool,
        now: Instant,
    ) -> Option<u32> {
        let stat = look(path, true);
        let known = stat.ok().and_then(|stat| self.dir_by_place.get(&from_stat(&stat).place()));
        if let Some(known) = known {
            let dir = self.dirs.get_mut(*known as usize)?.as_mut()?;
            dir.by_link |= by_link;
            let is_loop = *path != *dir.path && path.starts_with(&dir.path);
            let is_news = is_news(&dir.reach, reach);
            if is_loop {
                self.tell_loop(path);
            }
            if !is_news {
                return None;
            }
        }
        let stat = match via.map_or(stat, |via| self.look_through(path, via)) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR) => return None,
            Err(errno) => {
                self.cannot_read(path, errno, now);
                return None;
            }
        };
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
            return None;
        }
        let place = from_stat(&stat).place();
        if let Some(known) = self.dir_by_place.get(&place) {
            let dir = self.dirs.get_mut(*known as usize)?.as_mut()?;
            merge(&mut dir.reach, reach);
            return Some(*known);
        }
        if self.dir_by_place.len() >= self.limits.directories_max {
            self.too_many(path);
            return None;
        }
        let has_gap = self.dir_by_place.len() < self.dirs.len();
        let gap = has_gap.then(|| self.dirs.iter().position(Option::is_none)).flatten();
        let number = gap.unwrap_or(self.dirs.len());
        if number == self.dirs.len() {
            self.dirs.push(None);
        }
        let index = u32::try_from(number).ok()?;
        let (watch, poll) = self.watch_or_poll(path, now);
        if let Some(watch) = watch {
            self.dir_by_watch.insert(watch.names, index);
            self.dir_by_writes.insert(watch.writes, index);
        }
        self.dir_by_place.insert(place, index);
        self.polled += usize::from(poll.is_some());
        if let Some(room) = self.dirs.get_mut(number) {
            *room = Some(Dir {
                path: path.into(),
                place,
                watch,
                writes: Writes::default(),
                poll,
                seen_ns: (self.synced_ns, self.synced_ns),
                reach: reach.to_vec(),
                entries: HashMap::new(),
                by_link,
                links: HashMap::new(),
            });
        }
        Some(index)
    }

    fn watch_or_poll(
        &mut self,
        path: &Path,
        now: Instant,
    ) -> (Option<Watches>, Option<(Duration, Instant)>) {
        let pause = self.limits.poll_every.0;
        let polled = Some((pause, now + pause));
        if self.dir_by_watch.len() >= self.limits.watches_max {
            self.tell_polling(path, Errno::NOSPC);
            return (None, polled);
        }
        match self.watch.add(path) {
            // Two paths of one directory have one watch; the first owner keeps it.
            Ok(watch) if self.dir_by_watch.contains_key(&watch.names) => (None, polled),
            Ok(watch) => (Some(watch), polled.filter(|_| is_remote(path))),
            Err(errno) => {
                self.tell_polling(path, errno);
                (None, polled)
            }
        }
    }

    /// Tells why a directory is polled: of what holds for all of them once, else of each.
    pub(super) fn tell_polling(&mut self, path: &Path, errno: Errno) {
        let is_news = match errno {
            Errno::NOSPC | Errno::MFILE | Errno::NFILE | Errno::NOSYS => {
                !std::mem::replace(&mut self.polling_told, true)
            }
            // It is gone again.
            Errno::NOENT | Errno::NOTDIR => false,
            _ => self.is_odd(path),
        };
        if is_news {
            let mut reason = std::io::Error::from(errno).to_string();
            if matches!(errno, Errno::NOSPC | Errno::MFILE | Errno::NFILE) {
                reason += "; raise fs.inotify.max_user_watches or max_user_instances";
            }
            self.notices.say(Notice::Polling { path: path.to_owned(), reason });
        }
    }

    /// Compares a directory with the disk; directories below are entered by the caller.
    pub(super) fn scan(&mut self, dir: u32, now: Instant) {
        let Some(Some(known)) = self.dirs.get(dir as usize) else { return };
        let path = Arc::clone(&known.path);
        let mut names: Vec<Arc<[u8]>> = known.entries.keys().cloned().collect();
        let tracked = names.len();
        let by_link = known.by_link && known.reach.is_empty();
        // What is renamed beside a target is told by an event, where there are any.
        if !by_link || known.poll.is_some() {
            match std::fs::read_dir(&path) {
                Ok(listing) => {
                    self.can_read(&path);
                    let found = listing.flatten().map(|entry| entry.file_name());
                    let known = self.dirs.get(dir as usize).and_then(Option::as_ref);
                    let is_new = |name: &std::ffi::OsString| {
                        let name = name.as_bytes();
                        known.is_some_and(|known| {
                            let is_meant = !by_link || known.links.contains_key(stem(name));
                            is_meant && !known.entries.contains_key(name)
                        })
                    };
                    names.extend(found.filter(is_new).map(|name| Arc::from(name.as_bytes())));
                }
                Err(error) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    if errno != Errno::NOENT {
                        self.cannot_read(&path, errno, now);
                    }
                }
            }
        }
        // Names that are known come first, so that a file which moved is not taken for new.
        if let Some(new) = names.get_mut(tracked..) {
            new.sort_unstable();
        }
        for name in names {
            self.refresh(dir, &name, None, now);
        }
    }

    /// Compares one name with what is known about it. `adopt` is what meant a file that is renamed
    /// to this name.
    pub(super) fn refresh(&mut self, dir: u32, name: &[u8], adopt: Option<Meant>, now: Instant) {
        let Some(Some(known)) = self.dirs.get(dir as usize) else { return };
        let path = known.path.join(OsStr::from_bytes(name));
        let tracked = known.entries.contains_key(name);
        let (wanted, deeper) = (self.wanted(dir, name), self.deeper(dir, name));
        let nothing = wanted.is_none() && deeper.is_empty() && adopt.is_none();
        if nothing && !tracked && self.by_place.is_empty() && self.unseen_since.is_none() {
            return;
        }
        let mut link = None;
        let mut stat = match look(&path, false) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR) => return self.gone(dir, name, &path),
            Err(errno) => return self.cannot_read(&path, errno, now),
        };
        if kind(&stat) == FileType::Symlink {
            if nothing && !tracked {
                return;
            }
            link = Some(stat.stx_uid);
            stat = match look(&path, true) {
                Ok(stat) => stat,
                Err(Errno::NOENT | Errno::NOTDIR) => return self.gone(dir, name, &path),
                Err(Errno::LOOP) => {
                    self.tell_loop(&path);
                    return self.no_file(dir, name);
                }
                Err(errno) => return self.cannot_read(&path, errno, now),
            };
            let input = wanted.or(deeper.first().map(|(input, ..)| u32::from(*input)));
            if !self.may_follow(&path, input, link, &stat) {
                return self.no_file(dir, name);
            }
        }
        match kind(&stat) {
            FileType::RegularFile => {
                let is_meant = wanted.is_some() || adopt.is_some();
                let mut found = Candidate {
                    dir,
                    name: name.into(),
                    path,
                    input: 0,
                    wanted: wanted.is_some(),
                    link,
                    of: None,
                    unless_copy: false,
                };
                found.is_for(wanted.map(|input| Meant { input, link: None }).or(adopt));
                self.regular(found, &stat, is_meant, now);
            }
            FileType::Directory => {
                self.no_file(dir, name);
                if !deeper.is_empty() {
                    self.to_visit.push((path, deeper, Some((dir, link))));
                }
            }
            _ => {
                self.no_file(dir, name);
                if wanted.is_some() && self.is_odd(&path) {
                    self.stats.special += 1;
                    self.notices.say(Notice::Special { path });
                }
            }
        }
    }

    fn may_follow(
        &mut self,
        path: &Path,
        input: Option<u32>,
        link: Option<u32>,
        to: &Statx,
    ) -> bool {
        let rule = input.and_then(|input| self.inputs.get(input as usize)).map(|i| i.symlinks);
        if rule == Some(Symlinks::Owned) && (link == Some(0) || link == Some(to.stx_uid)) {
            return true;
        }
        if self.is_odd(path) {
            self.stats.links_refused += 1;
            if rule == Some(Symlinks::Owned) {
                self.notices.say(Notice::LinkRefused { path: path.to_owned() });
            }
        }
        false
    }

    /// A name leads to a regular file.
    fn regular(&mut self, mut found: Candidate, stat: &Statx, admit: bool, now: Instant) {
        let seen = from_stat(stat);
        let Some(Some(dir)) = self.dirs.get(found.dir as usize) else { return };
        let current = dir.entries.get(&found.name).copied();
        let known = self.by_place.get(&seen.place()).copied().filter(|key| {
            self.files
                .get(*key)
                .is_some_and(|file| file.ending != Ending::Told && file.identity.same(&seen))
        });
        if let (Some(key), Some(current)) = (known, current)
            && key == current
        {
            return self.still_there(key, &found, stat.stx_size);
        }
        if let Some(old) = current {
            self.detach(old, found.dir, &found.name);
        }
        let new = match known {
            Some(key) => {
                self.attach(key, &found, now);
                return;
            }
            None if admit => self.admit(&found, now),
            None if self.is_unseen_rotation(&mut found, &seen) => {
                found.unless_copy = true;
                self.admit(&found, now)
            }
            None => None,
        };
        let Some(new) = new else { return };
        if let Some(old) = current.or_else(|| self.left_by(&found)) {
            self.stats.rotated += 1;
            self.queue_after(old, new);
        }
    }

    /// The files that one rotation may mix up with this one.
    pub(super) fn group_of(&self, found: &Candidate) -> u64 {
        let input = self.inputs.get(found.input as usize);
        let by_directory = input.is_some_and(|input| input.directory_is_source);
        let (dir, name) = found.of.as_ref().map_or((found.dir, &found.name), |of| (of.0, &of.1));
        group(dir, if by_directory { b"" } else { name })
    }

    /// The file that had a name last, when nobody had it since.
    fn left_by(&mut self, found: &Candidate) -> Option<FileKey> {
        let left = |key: &FileKey| {
            let place = self.files.get(*key).and_then(|file| file.left.as_deref());
            place.is_some_and(|(dir, name)| *dir == found.dir && *name == found.name)
        };
        let old = self.keys_of(self.group_of(found)).find(left)?;
        self.files.get_mut(old)?.left = None;
        Some(old)
    }

    /// Whether a name that no pattern means holds a file that was made, written and renamed
    /// while nobody watched.
    fn is_unseen_rotation(&self, found: &mut Candidate, seen: &Identity) -> bool {
        let meant = self.rotated_from(found.dir, &found.name).filter(|_| self.is_unseen(seen));
        let is_meant = meant.is_some();
        found.is_for(meant);
        is_meant
    }

    /// Whether a file was made while nobody watched.
    pub(super) fn is_unseen(&self, file: &Identity) -> bool {
        self.unseen_since.is_some_and(|since| file.birth_ns >= since)
    }

    /// The same file at the same name: it may have grown, and its input may have changed.
    fn still_there(&mut self, key: FileKey, found: &Candidate, size: u64) {
        let Some(file) = self.files.get_mut(key) else { return };
        if found.wanted {
            file.input = found.input;
        }
        for home in &mut file.homes {
            if home.directory == found.dir && home.name == found.name {
                home.wanted = found.wanted;
            }
        }
        let grown = file.fd.is_none() && file.size != size;
        file.size = size;
        if grown || size != file.offset {
            self.ready(key);
        }
    }

    /// A known file has one more name.
    fn attach(&mut self, key: FileKey, found: &Candidate, now: Instant) {
        self.left_by(found);
        let is_looked_for = found.wanted || self.is_rotated(found.dir, &found.name);
        let Some(Some(dir)) = self.dirs.get_mut(found.dir as usize) else { return };
        dir.entries.insert(found.name.clone(), key);
        let Some(file) = self.files.get_mut(key) else { return };
        let was_wanted = file.is_wanted();
        let (directory, name) = (found.dir, found.name.clone());
        file.homes.push(Home { directory, name, wanted: found.wanted });
        if file.homes.len() == 1 || (found.wanted && !was_wanted) {
            file.go_by(found.path.as_path().into(), is_looked_for);
        }
        file.revive(now);
        if !file.is_wanted() {
            self.unnamed.push(key);
        }
        if found.link.is_some() {
            self.watch_target(key, found, now);
        }
        self.ready(key);
    }

    /// A name leads elsewhere or is gone. When it was that of its path, a file goes by another one
    /// that it has.
    pub(super) fn detach(&mut self, key: FileKey, dir: u32, name: &[u8]) {
        let lost = self.path_in(dir, name);
        if let Some(Some(known)) = self.dirs.get_mut(dir as usize) {
            known.entries.remove(name);
        }
        let Some(file) = self.files.get_mut(key) else { return };
        file.homes.retain(|home| home.directory != dir || &*home.name != name);
        if !file.is_wanted() {
            self.unnamed.push(key);
        }
        if lost.is_none_or(|lost| *lost != *file.path) {
            return;
        }
        let Some(home) = file.homes.first().cloned() else { return };
        let is_looked_for = home.wanted || self.is_rotated(home.directory, &home.name);
        let path = self.path_in(home.directory, &home.name);
        if let (Some(path), Some(file)) = (path, self.files.get_mut(key)) {
            file.go_by(path.into(), is_looked_for);
        }
    }

    /// The path of a name in a directory that is known.
    pub(super) fn path_in(&self, dir: u32, name: &[u8]) -> Option<PathBuf> {
        let known = self.dirs.get(dir as usize)?.as_ref()?;
        Some(known.path.join(OsStr::from_bytes(name)))
    }

    /// A name is gone.
    fn gone(&mut self, dir: u32, name: &[u8], path: &Path) {
        self.unreadable.remove(path);
        self.odd.remove(path);
        self.no_file(dir, name);
    }

    /// A name is no file that is followed.
    fn no_file(&mut self, dir: u32, name: &[u8]) {
        let Some(Some(known)) = self.dirs.get(dir as usize) else { return };
        if let Some(key) = known.entries.get(name).copied() {
            self.detach(key, dir, name);
            if let Some(file) = self.files.get_mut(key) {
                file.left = Some(Box::new((dir, name.into())));
            }
        }
    }

    /// The input whose patterns mean this name.
    pub(super) fn wanted(&self, dir: u32, name: &[u8]) -> Option<u32> {
        if is_no_text(name) {
            return None;
        }
        let known = self.dirs.get(dir as usize)?.as_ref()?;
        let mut best: Option<u32> = None;
        for (i, p, progress) in &known.reach {
            let Some(input) = self.inputs.get(usize::from(*i)) else { continue };
            let Some(pattern) = input.include.get(usize::from(*p)) else { continue };
            if best.is_some_and(|best| best <= u32::from(*i))
                || !pattern.accepts(pattern.step(*progress, name))
            {
                continue;
            }
            let path = || known.path.join(OsStr::from_bytes(name));
            if input.exclude.is_empty() || !input.exclude.iter().any(|out| out.matches(&path())) {
                best = Some(u32::from(*i));
            }
        }
        best
    }

    /// How far the patterns come with a directory of this name.
    fn deeper(&self, dir: u32, name: &[u8]) -> Vec<Reach> {
        let Some(Some(known)) = self.dirs.get(dir as usize) else { return Vec::new() };
        let mut reach = Vec::new();
        for (i, p, progress) in &known.reach {
            let input = self.inputs.get(usize::from(*i));
            let Some(pattern) = input.and_then(|input| input.include.get(usize::from(*p))) else {
                continue;
            };
            let next = pattern.step(*progress, name);
            if pattern.goes_on(next) {
                reach.push((*i, *p, next));
            }
        }
        reach
    }
}

impl Candidate {
    /// For whom it is read, when that is known.
    fn is_for(&mut self, meant: Option<Meant>) {
        if let Some(meant) = meant {
            (self.input, self.of) = (meant.input, meant.link);
        }
    }
}

pub(super) fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

/// Whether this adds to how far the patterns have come.
fn is_news(known: &[Reach], more: &[Reach]) -> bool {
    let has = |(i, p, progress): &Reach| {
        known.iter().any(|(a, b, have)| (a, b) == (i, p) && have | progress == *have)
    };
    !more.iter().all(has)
}

fn merge(known: &mut Vec<Reach>, more: &[Reach]) {
    for (i, p, progress) in more {
        match known.iter_mut().find(|(a, b, _)| (a, b) == (i, p)) {
            Some((.., have)) => *have |= progress,
            None => known.push((*i, *p, *progress)),
        }
    }
}
