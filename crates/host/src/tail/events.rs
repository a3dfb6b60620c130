//! What the kernel tells, and what is done from time to time because it does not tell everything.

use super::discover::wall_ns;
use super::file::{Ending, FileKey, State};
use super::identity::{from_stat, look};
use super::links::Meant;
use super::open::is_short;
use super::stats::{Notice, Retry};
use super::tailer::{Moves, TICK, Tailer};
use super::watch::{ReadFlags, Watch};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events that are taken before a file gets its turn.
pub(crate) const EVENTS_PER_TURN_MAX: usize = 4096;
/// Names that were left alone for so long are taken to be so for a while.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// Files that wait for a turn and are looked at with every tick.
const WAITING_LOOKS_MAX: usize = 1024;

impl Tailer {
    /// Takes the events that wait.
    pub(super) fn pump(&mut self, now: Instant) {
        // What the directories that are left have still to tell is of other paths by now.
        self.take_ways();
        self.follow_ways(now);
        let Some((queues, mut buffer)) = self.watch.lend() else { return };
        // Writes come first: what is told of a name after it was moved belongs to a file that the
        // event of the move makes ready anyway.
        let all_writes =
            Watch::drain(&queues.writes, &mut buffer, EVENTS_PER_TURN_MAX, |wd, mask, _, name| {
                self.written(wd, mask, name);
            });
        let synced = wall_ns();
        let all_names =
            Watch::drain(&queues.names, &mut buffer, EVENTS_PER_TURN_MAX, |wd, mask, id, name| {
                self.event(wd, mask, id, name, now);
            });
        self.watch.give_back(buffer);
        self.events_wait = !(all_writes && all_names);
        self.follow_ways(now);
        self.visit_all(now);
        if all_names {
            if !self.overflow {
                self.synced_ns = synced;
            }
            // Both halves of a rename are in one batch or in two that follow each other.
            if !self.moves.is_empty() || !self.earlier_moves.is_empty() {
                self.earlier_moves = std::mem::take(&mut self.moves);
            }
        }
    }

    /// A file was written to.
    fn written(&mut self, wd: i32, mask: ReadFlags, name: &[u8]) {
        if mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            // Nothing but writes can be missing: whatever was written to is found by a look.
            self.stats.overflows += 1;
            for key in self.files.keys() {
                self.ready(key);
            }
            return;
        }
        let Some(dir) = self.dir_by_writes.get(&wd).copied() else { return };
        self.count_write(dir);
        let known = self.dirs.get(dir as usize).and_then(Option::as_ref);
        if let Some(key) = known.and_then(|known| known.entries.get(name).copied()) {
            self.ready(key);
        }
    }

    fn event(&mut self, wd: i32, mask: ReadFlags, cookie: u32, name: &[u8], now: Instant) {
        if mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.stats.overflows += 1;
            self.notices.say(Notice::Overflow);
            self.overflow = true;
            return;
        }
        let Some(dir) = self.dir_by_watch.get(&wd).copied() else { return };
        if mask.contains(ReadFlags::IGNORED) {
            let gone = self.dirs.get(dir as usize).and_then(Option::as_ref);
            if let Some(path) = gone.map(|gone| Arc::clone(&gone.path)) {
                self.is_gone_from_way(&path);
            }
            self.drop_directory(dir, false);
            return;
        }
        if name.is_empty() {
            return;
        }
        self.unsettled_until = now + SETTLED_AFTER;
        self.listed.remove(&dir);
        let is_gone = mask.intersects(ReadFlags::MOVED_FROM | ReadFlags::DELETE);
        if mask.contains(ReadFlags::ISDIR) && is_gone {
            let known = self.dirs.get(dir as usize).and_then(Option::as_ref);
            if let Some(path) = known.map(|known| known.path.join(OsStr::from_bytes(name))) {
                self.drop_tree(&path);
            }
            return;
        }
        if mask.contains(ReadFlags::MOVED_FROM) {
            let stands_for = self.take_moved_name(dir, name).or_else(|| self.meant(dir, name));
            let stands_for = stands_for.or_else(|| self.retry_at(dir, name)?.meant.clone());
            if let Some(meant) = stands_for {
                self.moves.cookies.insert(cookie, meant);
            }
        }
        let mut adopt = None;
        if mask.contains(ReadFlags::MOVED_TO) {
            let earlier = self.earlier_moves.cookies.remove(&cookie);
            adopt = self.moves.cookies.remove(&cookie).or(earlier);
            if let Some(meant) = adopt.clone() {
                self.moves.names.insert((dir, name.into()), meant);
            }
        }
        self.refresh(dir, name, adopt.clone(), now);
        self.refresh_links(dir, name, now);
        if let Some(retry) = self.retry_at(dir, name) {
            retry.meant = adopt.or_else(|| retry.meant.take());
        }
    }

    /// When what has this name is tried again, if it was not opened for want of descriptors.
    fn retry_at(&mut self, dir: u32, name: &[u8]) -> Option<&mut Retry> {
        if self.unreadable.is_empty() {
            return None;
        }
        let path = self.path_in(dir, name)?;
        let retry = self.unreadable.get_mut(&path)?;
        is_short(retry.errno).then_some(retry)
    }

    /// What meant the file that was renamed to this name a moment ago.
    fn take_moved_name(&mut self, dir: u32, name: &[u8]) -> Option<Meant> {
        if self.moves.names.is_empty() && self.earlier_moves.names.is_empty() {
            return None;
        }
        let name = (dir, Arc::from(name));
        let earlier = self.earlier_moves.names.remove(&name);
        self.moves.names.remove(&name).or(earlier)
    }

    /// A directory was renamed away or deleted, with all below.
    pub(super) fn drop_tree(&mut self, path: &Path) {
        let below: Vec<u32> = self
            .dirs
            .iter()
            .zip(0..)
            .filter(|(dir, _)| dir.as_ref().is_some_and(|dir| dir.path.starts_with(path)))
            .map(|(_, index)| index)
            .collect();
        for dir in below {
            self.drop_directory(dir, true);
        }
    }

    /// Forgets a directory; files that are open are read to their end.
    pub(super) fn drop_directory(&mut self, dir: u32, watched: bool) {
        let Some(known) = self.dirs.get_mut(dir as usize).and_then(Option::take) else { return };
        self.dir_by_place.remove(&known.place);
        self.polled -= usize::from(known.poll.is_some());
        if let Some(watch) = known.watch {
            self.dir_by_watch.remove(&watch.names);
            self.dir_by_writes.remove(&watch.writes);
            if watched {
                self.watch.remove(watch);
            }
        }
        for (name, key) in known.entries {
            self.detach(key, dir, &name);
        }
    }

    /// Decides what became of files that lost their last wanted name.
    pub(super) fn settle(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.unnamed) {
            let Some(file) = self.files.get(key) else { continue };
            if file.is_wanted() || (file.state != State::Live && !file.has_moved()) {
                continue;
            }
            // One that cannot be opened is there, and looked for again.
            let is_there = file.fd.is_some() || self.find_closed(key) != Err(Errno::NOENT);
            let Some(file) = self.files.get_mut(key) else { continue };
            let links = file.fd.as_ref().and_then(|fd| rustix::fs::fstat(fd).ok());
            match links {
                Some(stat) if stat.st_nlink > 0 => file.state = State::Renamed,
                Some(stat) => {
                    file.state = State::Deleted;
                    file.size = u64::try_from(stat.st_size).unwrap_or(0);
                    file.disk = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
                }
                None if is_there => file.state = State::Renamed,
                None => {
                    file.state = State::Deleted;
                    if file.ending == Ending::Open {
                        file.ending = Ending::Pending { dropped: 0 };
                    }
                }
            }
            file.since = now;
            file.grown = now;
            file.drained = false;
            file.hold_until = None;
            if !is_there {
                // Most of the time nothing: it was idle when it was closed.
                let unread = file.lag();
                self.tell_not_held(key);
                if unread > 0 {
                    self.lose(key, unread);
                }
                self.let_go(key);
            }
            self.attended.push(key);
            self.ready(key);
        }
    }

    /// Whether something is looked at with every tick.
    pub(super) fn needs_ticks(&self) -> bool {
        !self.attended.is_empty()
            || !self.unreadable.is_empty()
            || self.ways.is_missing
            || self.polled > 0
    }

    /// Whether what happens to names is told at once, and nothing happens to them: then no file
    /// can go unread because nobody looks for a while.
    #[must_use]
    pub fn is_settled(&self, now: Instant) -> bool {
        self.polled == 0
            && !self.overflow
            && now >= self.unsettled_until
            // A file that is closed while it is idle could be written to and deleted.
            && self.files.len() <= self.limits.open_idle_max
    }

    /// Looks at what no event tells.
    pub(super) fn tick(&mut self, now: Instant) {
        self.next_tick = now + TICK.min(self.limits.poll_every.0);
        self.listed.clear();
        self.attend(now);
        self.measure_waiting();
        if self.ways.is_missing && now >= self.next_base {
            self.visit_bases(now);
        }
        self.retry_unreadable(now);
        self.poll_directories(now);
        self.dormant.retain(|dormant| now < dormant.until);
        if now >= self.next_reconcile {
            self.reconcile(now);
        }
        self.settle(now);
    }

    /// Files that wait for a turn grow meanwhile, and how much is unread is asked for.
    fn measure_waiting(&mut self) {
        for key in self.live.iter().chain(&self.backlog).take(WAITING_LOOKS_MAX) {
            let Some(file) = self.files.get_mut(*key) else { continue };
            let stat = file.fd.as_ref().and_then(|fd| rustix::fs::fstat(fd).ok());
            let size = stat.and_then(|stat| u64::try_from(stat.st_size).ok());
            // A size below the offset is a truncation, which the turn itself has to find.
            file.size = size.filter(|size| *size >= file.offset).unwrap_or(file.size);
        }
    }

    fn retry_unreadable(&mut self, now: Instant) {
        let due = self.unreadable.iter().filter(|(_, retry)| now >= retry.at);
        let due = due.map(|(path, retry)| (path.clone(), retry.meant.clone()));
        for (path, meant) in due.collect::<Vec<_>>() {
            if let Some(dir) = self.directory_at(&path) {
                self.scan(dir, now);
            } else if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                match self.directory_at(parent) {
                    Some(dir) => self.refresh(dir, name.as_bytes(), meant, now),
                    None => drop(self.unreadable.remove(&path)),
                }
            }
            self.visit_all(now);
        }
    }

    /// The number of a directory that is known by this path.
    pub(super) fn directory_at(&self, path: &Path) -> Option<u32> {
        let place = from_stat(&look(path, true).ok()?).place();
        self.dir_by_place.get(&place).copied()
    }

    /// Looks into all directories that are polled, before a last checkpoint says that all was seen.
    pub fn look_at_polled(&mut self, now: Instant) {
        for dir in self.dirs.iter_mut().flatten() {
            dir.poll = dir.poll.map(|(pause, _)| (pause, now));
        }
        self.poll_directories(now);
        self.settle(now);
    }

    fn poll_directories(&mut self, now: Instant) {
        let due: Vec<u32> = self
            .dirs
            .iter()
            .zip(0..)
            .filter(|(dir, _)| {
                dir.as_ref().and_then(|dir| dir.poll).is_some_and(|(_, at)| now >= at)
            })
            .map(|(_, index)| index)
            .collect();
        let (shortest, longest) = self.limits.poll_every;
        for index in due {
            let before = (self.live.len(), self.backlog.len(), self.files.len());
            let seen = wall_ns();
            let known = self.dirs.get(index as usize).and_then(Option::as_ref);
            // A file that was renamed during a look may have been missed by it.
            self.unseen_since = known.map(|dir| dir.seen_ns.0);
            self.rescan(index, now);
            self.unseen_since = None;
            let quiet = before == (self.live.len(), self.backlog.len(), self.files.len());
            if let Some(Some(dir)) = self.dirs.get_mut(index as usize) {
                dir.seen_ns = (dir.seen_ns.1, seen);
                if let Some((pause, at)) = &mut dir.poll {
                    *pause = if quiet { (*pause * 2).min(longest) } else { shortest };
                    *at = now + *pause;
                }
            }
        }
        // A base that is another directory by now.
        self.follow_ways(now);
    }

    /// Compares a known directory with the disk, and forgets it when it is another one now.
    fn rescan(&mut self, index: u32, now: Instant) {
        let Some(Some(dir)) = self.dirs.get(index as usize) else { return };
        let (path, place) = (Arc::clone(&dir.path), dir.place);
        let is_same = look(&path, true).is_ok_and(|stat| from_stat(&stat).place() == place);
        if is_same {
            self.scan(index, now);
        } else {
            self.is_gone_from_way(&path);
            self.drop_directory(index, true);
        }
        self.visit_all(now);
    }

    /// Compares everything with the disk.
    pub(super) fn reconcile(&mut self, now: Instant) {
        self.next_reconcile = now + self.limits.reconcile_every;
        self.unseen_since = Some(self.synced_ns);
        let begun = wall_ns();
        for index in 0..u32::try_from(self.dirs.len()).unwrap_or(u32::MAX) {
            self.rescan(index, now);
        }
        self.visit_bases(now);
        self.unseen_since = None;
        // A file that was renamed meanwhile may have been missed: the next comparison finds it.
        self.synced_ns = std::mem::replace(&mut self.compared_ns, begun).max(self.synced_ns);
        self.claimed.retain(|_, copy| !std::mem::replace(&mut copy.is_old, true));
        self.forget_links();
        let all = self.files.keys();
        for key in all {
            let Some(file) = self.files.get(key) else { continue };
            if file.state != State::Live {
                self.ready(key);
            }
        }
    }

    /// After a change of the inputs: files that are meant now go on, those that are no longer meant
    /// end, rotated ones of a name that is still meant when they were read to their end, and so
    /// does the interest in directories that nothing leads into.
    pub(super) fn rejudge(&mut self, now: Instant) {
        for index in 0..u32::try_from(self.dirs.len()).unwrap_or(u32::MAX) {
            let Some(Some(dir)) = self.dirs.get(index as usize) else { continue };
            let names: Vec<(Arc<[u8]>, FileKey)> =
                dir.entries.iter().map(|(name, key)| (name.clone(), *key)).collect();
            for (name, key) in names {
                let Some(identity) = self.files.get(key).map(|file| file.identity) else {
                    continue;
                };
                let input = self.wanted(index, &name);
                let input =
                    input.filter(|input| !self.is_own(*input, (index, &name), false, &identity));
                let Some(file) = self.files.get_mut(key) else { continue };
                for home in &mut file.homes {
                    if home.directory == index && home.name == name {
                        home.wanted = input.is_some();
                    }
                }
                file.input = input.unwrap_or(file.input);
            }
        }
        for key in self.files.keys() {
            self.rejudge_file(key, now);
        }
        let empty: Vec<u32> = self
            .dirs
            .iter()
            .zip(0..)
            .filter(|(dir, _)| dir.as_ref().is_some_and(|dir| dir.reach.is_empty() && !dir.by_link))
            .map(|(_, index)| index)
            .collect();
        for index in empty {
            self.drop_directory(index, true);
        }
    }

    fn rejudge_file(&mut self, key: FileKey, now: Instant) {
        let Some(file) = self.files.get(key) else { return };
        let (is_live, is_wanted) = (file.state == State::Live, file.is_wanted());
        let mut homes = file.homes.iter().filter(|_| !is_wanted && file.hold_until.is_none());
        let rotated = homes.find_map(|home| self.rotated_from(home.directory, &home.name));
        let Some(file) = self.files.get_mut(key) else { return };
        file.input = rotated.as_ref().map_or(file.input, |meant| meant.input);
        if is_wanted {
            file.revive(now);
        }
        if is_wanted == is_live {
            return;
        }
        if is_live {
            file.since = now;
            file.hold_until = None;
            if rotated.is_some() {
                // As if the rotation had taken it out of the patterns.
                file.state = State::Renamed;
                file.drained = false;
                self.attended.push(key);
            } else {
                file.state = State::Retired;
                file.ending = Ending::Pending { dropped: 0 };
            }
        }
        self.ready(key);
    }
}

impl Moves {
    fn is_empty(&self) -> bool {
        self.cookies.is_empty() && self.names.is_empty()
    }
}
