//! The tailer: what a caller does with it, and the state that the other files work on.
//!
//! One thread owns it. [`Tailer::turn`] gives the next bytes of some file, [`Tailer::wait`] blocks
//! until there is something, [`Tailer::commit`] and [`Tailer::records`] make a checkpoint. Time is
//! an argument. A caller that does not want more bytes stops calling `turn` and calls
//! [`Tailer::tend`] instead, so that bounds on deleted files hold all the same.

use super::bases::Ways;
use super::config::{Input, Limits};
use super::copies::{Claimed, Listing};
use super::discover::{Dir, Found, Place, Reach};
use super::file::{Ending, File, FileKey, State, Table};
use super::gone::Gone;
use super::identity::{Identity, MARKER_BYTES_MAX, Marker, Resume, read_at};
use super::links::{Meant, Targets};
use super::mute::LOOK_EVERY;
use super::open::Via;
use super::stats::{FileStat, Notice, Notices, Retry, Stats};
use super::watch::{Waker, Watch, Woken};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most bytes of one chunk.
pub const CHUNK_BYTES_MAX: usize = 256 << 10;
/// The pause between two looks at what no event tells: ages, pauses, files without a name.
pub const TICK: Duration = Duration::from_millis(500);
/// How long the record of a file that is not there is kept, for its disk to be mounted.
pub const DORMANT_KEPT: Duration = Duration::from_secs(3600);
/// How many such records are kept.
pub const DORMANT_MAX: usize = 10_000;
/// While files are ready, events are taken before every so many turns.
const TURNS_PER_TEND: u64 = 32;
/// … and after so much time, because a caller may take long over a chunk.
const TEND_EVERY: Duration = Duration::from_millis(5);
/// The buffer begins at a multiple of this, in bytes.
const ALIGNMENT: usize = 64;

/// Why there is no tailer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TailError {
    /// The kernel gave no descriptor for wake-ups.
    #[error("cannot make an event descriptor")]
    EventDescriptor(#[source] std::io::Error),
}

impl model::Explain for TailError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new("raise the limit on open files, LimitNOFILE= in systemd"))
    }

    fn retry(&self) -> model::Retry {
        model::Retry::After(Duration::from_secs(5))
    }
}

/// What a chunk says beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags of one chunk")]
pub struct Flags {
    /// The file has no more bytes at the moment.
    pub end_of_file: bool,
    /// Nothing will follow under this key.
    pub last: bool,
    /// The file was truncated or written anew: this is its beginning, under a new key.
    pub rewritten: bool,
    /// A hole was stepped over right before these bytes.
    pub hole_skipped: bool,
    /// Bytes that a bound made us give up, with [`Flags::last`].
    pub dropped: u64,
}

/// Some bytes of one file, right after those of the chunk before it under the same key.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// Which file.
    pub key: FileKey,
    /// Where it was seen last, by a name that is meant or that a rotation gives.
    pub path: &'a Arc<Path>,
    /// The number of its input.
    pub input: u32,
    /// Where the bytes lie in the file.
    pub start: u64,
    /// The bytes, at most [`CHUNK_BYTES_MAX`]; none when only a flag is told, and when a run of
    /// NULs is looked through.
    pub bytes: &'a [u8],
    /// What else is to be said.
    pub flags: Flags,
}

/// What is told of a chunk before its bytes are borrowed.
pub(crate) struct Given {
    pub(crate) key: FileKey,
    pub(crate) start: u64,
    /// Where the bytes lie in the buffer, after its margin.
    pub(crate) from: usize,
    pub(crate) len: usize,
    pub(crate) flags: Flags,
}

/// The one buffer that all reads share: a margin for the bytes that were read before, then a
/// chunk, aligned for vector loads.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

impl Buffer {
    fn new() -> Self {
        let bytes = vec![0; ALIGNMENT + MARKER_BYTES_MAX + CHUNK_BYTES_MAX];
        let at = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, at }
    }

    /// Room for `before` bytes that are known and at most `len` new ones.
    pub(crate) fn room(&mut self, before: usize, len: usize) -> &mut [u8] {
        let chunk = self.at + MARKER_BYTES_MAX;
        self.bytes.get_mut(chunk.saturating_sub(before)..chunk + len).unwrap_or_default()
    }

    /// New bytes.
    pub(crate) fn chunk(&self, from: usize, len: usize) -> &[u8] {
        let chunk = self.at + MARKER_BYTES_MAX + from;
        self.bytes.get(chunk..chunk + len).unwrap_or_default()
    }
}

/// The record of a file that is not followed, and until when it is kept.
pub(crate) struct Dormant {
    pub(crate) until: Instant,
    pub(crate) record: Resume,
    /// Whether a checkpoint has it. Of a file that was renamed it has not: the next start would
    /// take what has its name by then for what is left of it.
    pub(crate) is_saved: bool,
}

/// Renames whose other half has not been seen, and names that stand for a wanted one.
#[derive(Default)]
pub(crate) struct Moves {
    pub(crate) cookies: HashMap<u32, Meant>,
    pub(crate) names: HashMap<Place, Meant>,
}

/// Follows files. See the module.
pub struct Tailer {
    pub(super) inputs: Vec<Input>,
    pub(super) limits: Limits,
    pub(super) watch: Watch,
    pub(super) buffer: Buffer,
    pub(super) files: Table,
    pub(super) by_place: HashMap<(u64, u64), FileKey>,
    /// Each file with the group that it is of; most groups have one file.
    pub(super) groups: BTreeSet<(u64, FileKey)>,
    pub(super) dirs: Vec<Option<Dir>>,
    pub(super) dir_by_place: HashMap<(u64, u64), u32>,
    pub(super) dir_by_watch: HashMap<i32, u32>,
    pub(super) dir_by_writes: HashMap<i32, u32>,
    /// Directories with writes since the last rest, and those whose writes are not watched.
    pub(super) busy: Vec<u32>,
    pub(super) muted: Vec<u32>,
    pub(super) to_visit: Vec<(PathBuf, Vec<Reach>, Option<Via>)>,
    pub(super) live: VecDeque<FileKey>,
    pub(super) backlog: VecDeque<FileKey>,
    pub(super) turns: u64,
    pub(super) tokens: i64,
    pub(super) tokens_at: Instant,
    pub(super) lru: BTreeMap<u64, FileKey>,
    pub(super) uses: u64,
    pub(super) open: super::open::Open,
    /// Files that lost their last wanted name.
    pub(super) unnamed: Vec<FileKey>,
    /// Files whose end was told with the last chunk.
    pub(super) told: Vec<FileKey>,
    /// Deleted files whose bytes have not all arrived.
    pub(super) gone: Vec<Gone>,
    pub(super) gone_held: usize,
    /// Files that are looked at with every tick.
    pub(super) attended: Vec<FileKey>,
    pub(super) resumes: HashMap<u64, Vec<Resume>>,
    pub(super) orphans: Vec<Resume>,
    pub(super) dormant: Vec<Dormant>,
    /// Files that are read on under another key, with the keys of before.
    pub(super) resumed: HashMap<FileKey, Vec<FileKey>>,
    /// Copies that were read for the file that they are a copy of, and up to where.
    pub(super) claimed: HashMap<(u64, u64), Claimed>,
    /// The directories in which copies were looked for since the last tick.
    pub(super) listed: HashMap<u32, Listing>,
    /// How often a directory was listed, or a file opened or looked at, in the search of copies and
    /// of what was renamed.
    pub(super) looks: u64,
    /// Targets that nobody saw before, beside which nobody looked yet.
    pub(super) unseen_targets: Targets,
    pub(super) fresh: Vec<Found>,
    pub(super) first_scan: bool,
    /// During a reload: the inputs before it, and when it was, in nanoseconds since 1970.
    pub(super) before_reload: Option<(Vec<Input>, u64)>,
    pub(super) unreadable: HashMap<PathBuf, Retry>,
    pub(super) odd: HashSet<PathBuf>,
    pub(super) passed: super::own::Passed,
    pub(super) moves: Moves,
    pub(super) earlier_moves: Moves,
    pub(super) overflow: bool,
    /// Something happened to names not long before this.
    pub(super) unsettled_until: Instant,
    /// Whether not all events were taken yet.
    pub(super) events_wait: bool,
    /// Files born after this, in nanoseconds since 1970, may have been missed.
    pub(super) unseen_since: Option<u64>,
    pub(super) synced_ns: u64,
    /// When the last comparison with the disk began, in nanoseconds since 1970.
    pub(super) compared_ns: u64,
    /// Directories that are polled.
    pub(super) polled: usize,
    pub(super) polling_told: bool,
    pub(super) ways: Ways,
    pub(super) next_tend: Instant,
    pub(super) next_tick: Instant,
    pub(super) next_reconcile: Instant,
    pub(super) next_base: Instant,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    /// The path of what has none.
    nowhere: Arc<Path>,
}

impl std::fmt::Debug for Tailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tailer").field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// The records of a checkpoint, by the number of their inode.
fn by_inode(resumes: Vec<Resume>) -> HashMap<u64, Vec<Resume>> {
    let mut by_inode: HashMap<u64, Vec<Resume>> = HashMap::new();
    for resume in resumes {
        by_inode.entry(resume.identity.inode).or_default().push(resume);
    }
    by_inode
}

impl Tailer {
    /// Looks for the files of the inputs and begins where `resumes` say. What was made since
    /// `unseen_since` (nanoseconds since 1970: when the resumes were written down) was made while
    /// nobody watched: it is read from its beginning, also when its input begins at the end, and
    /// when a rotation has given it a name since that no pattern means. Nothing at a first start.
    ///
    /// # Errors
    /// [`TailError`] when the kernel has no descriptors left. What is wrong with files is no
    /// error; it is counted and told as a [`Notice`].
    pub fn new(
        inputs: Vec<Input>,
        limits: Limits,
        resumes: Vec<Resume>,
        unseen_since: Option<u64>,
        now: Instant,
    ) -> Result<Self, TailError> {
        let (watch, refused) = Watch::new(limits.watches_max > 0)
            .map_err(|errno| TailError::EventDescriptor(errno.into()))?;
        let mut tailer = Self {
            next_reconcile: now + limits.reconcile_every,
            inputs,
            limits,
            watch,
            buffer: Buffer::new(),
            files: Table::default(),
            by_place: HashMap::new(),
            groups: BTreeSet::new(),
            dirs: Vec::new(),
            dir_by_place: HashMap::new(),
            dir_by_watch: HashMap::new(),
            dir_by_writes: HashMap::new(),
            busy: Vec::new(),
            muted: Vec::new(),
            to_visit: Vec::new(),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            turns: 0,
            tokens: 0,
            tokens_at: now,
            lru: BTreeMap::new(),
            uses: 0,
            open: super::open::Open::default(),
            unnamed: Vec::new(),
            told: Vec::new(),
            gone: Vec::new(),
            gone_held: 0,
            attended: Vec::new(),
            resumes: by_inode(resumes),
            orphans: Vec::new(),
            dormant: Vec::new(),
            resumed: HashMap::new(),
            claimed: HashMap::new(),
            listed: HashMap::new(),
            looks: 0,
            unseen_targets: Targets::new(),
            fresh: Vec::new(),
            first_scan: true,
            before_reload: None,
            unreadable: HashMap::new(),
            odd: HashSet::new(),
            passed: super::own::Passed::default(),
            moves: Moves::default(),
            earlier_moves: Moves::default(),
            overflow: false,
            unsettled_until: now,
            events_wait: false,
            unseen_since,
            synced_ns: super::discover::wall_ns(),
            compared_ns: 0,
            polled: 0,
            polling_told: false,
            ways: Ways::default(),
            next_tend: now,
            next_tick: now + TICK,
            next_base: now,
            stats: Stats::default(),
            notices: Notices::default(),
            nowhere: Path::new("").into(),
        };
        refused.into_iter().for_each(|errno| tailer.tell_polling(Path::new("/"), errno));
        tailer.visit_bases(now);
        tailer.settle_orphans(now);
        (tailer.first_scan, tailer.unseen_since) = (false, None);
        tailer.settle(now);
        Ok(tailer)
    }

    /// The next bytes of some file, each file in its turn; `None` when there is nothing to read.
    pub fn turn(&mut self, now: Instant) -> Option<Chunk<'_>> {
        let mut is_tended = false;
        let given = loop {
            // While files are ready, asking the kernel each time would cost as much as a read.
            let due = self.live.is_empty()
                || self.turns.is_multiple_of(TURNS_PER_TEND)
                || now >= self.next_tend;
            if due && !is_tended {
                self.tend(now);
                is_tended = true;
            }
            let Some(key) = self.next_ready(now) else {
                if is_tended && !self.events_wait {
                    return None;
                }
                self.tend(now);
                is_tended = true;
                continue;
            };
            if let Some(given) = self.read(key, now) {
                break given;
            }
        };
        Some(self.chunk(&given))
    }

    pub(super) fn chunk(&self, given: &Given) -> Chunk<'_> {
        let file = self.files.get(given.key);
        Chunk {
            key: given.key,
            path: file.map_or(&self.nowhere, File::called),
            input: file.map_or(0, |file| file.input),
            start: given.start,
            bytes: self.buffer.chunk(given.from, given.len),
            flags: given.flags,
        }
    }

    /// Takes what the kernel has to tell and keeps the bounds, without reading a file.
    pub fn tend(&mut self, now: Instant) {
        self.next_tend = now + TEND_EVERY;
        self.collect_told();
        self.pump(now);
        if std::mem::take(&mut self.overflow) {
            self.reconcile(now);
        }
        self.settle(now);
        if !self.orphans.is_empty() {
            self.settle_orphans(now);
        }
        if now >= self.next_tick {
            self.tick(now);
        }
    }

    /// Blocks until there may be something to read, somebody wakes us, or the time is over.
    pub fn wait(&mut self, now: Instant, timeout: Duration) -> Woken {
        if !self.live.is_empty() || (!self.backlog.is_empty() && self.backlog_pause(now).is_zero())
        {
            return Woken::Events;
        }
        let mut until = self.next_reconcile.saturating_duration_since(now);
        if self.needs_ticks() {
            until = until.min(self.next_tick.saturating_duration_since(now));
        }
        if !self.backlog.is_empty() {
            until = until.min(self.backlog_pause(now));
        }
        if !self.muted.is_empty() {
            until = until.min(LOOK_EVERY);
        }
        let woken = self.wait_for(timeout.min(until), Watch::wait);
        self.look_at_muted(now);
        woken
    }

    /// Blocks while the caller wants no bytes, until somebody wakes us or the time is over, but
    /// no longer than a [`TICK`]. [`Tailer::tend`] comes next.
    pub fn pause(&self, timeout: Duration) -> Woken {
        self.watch.wait_for_waker(timeout.min(TICK))
    }

    /// Blocks while files grow, until something happens to a name, somebody wakes us or the time
    /// is over, but no longer than a [`TICK`]. [`Tailer::turn`] comes next; [`Tailer::is_settled`]
    /// says whether it is well to rest for long.
    pub fn rest(&mut self, now: Instant, timeout: Duration) -> Woken {
        self.mute(timeout, now);
        let woken = self.wait_for(timeout.min(TICK), Watch::wait_for_names);
        self.look_at_muted(now);
        woken
    }

    /// Reads bytes that were given before once more, as far as the file still has them; how many.
    /// The key must still be known, and nothing before its offset may have been written anew.
    pub fn read_again(
        &mut self,
        key: FileKey,
        start: u64,
        buffer: &mut [u8],
        now: Instant,
    ) -> usize {
        if self.ensure_open(key, now).is_none() {
            return 0;
        }
        let Some(file) = self.files.get(key) else { return 0 };
        let Some(fd) = &file.fd else { return 0 };
        let most = usize::try_from(file.offset.saturating_sub(start)).unwrap_or(usize::MAX);
        let len = buffer.len().min(most);
        let room = buffer.get_mut(..len).unwrap_or_default();
        let read = read_at(fd.as_fd(), room, start);
        let is_same = Marker::of(file.tail.bytes()).fits(fd.as_fd(), file.offset);
        if file.drained && file.state == State::Live {
            self.touch(key);
        }
        if is_same { read } else { 0 }
    }

    /// A handle that ends [`Tailer::wait`] from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.watch.waker()
    }

    /// Everything before `offset` of this file has arrived. A key that names nothing any more is
    /// no error: the file is gone or was written anew.
    pub fn commit(&mut self, key: FileKey, offset: u64) {
        let Some(file) = self.files.get_mut(key) else { return };
        file.committed = file.committed.max(offset.min(file.offset));
        if file.ending == Ending::Told {
            self.let_go(key);
        } else if file.drained && file.state == State::Live && file.fd.is_some() {
            self.touch(key);
        }
    }

    /// The records for a checkpoint: where reading may go on in each file that will be there
    /// after a restart. Deleted files are not among them.
    pub fn records(&mut self) -> impl Iterator<Item = Resume> {
        // The record of the first key counts until all that was read under it has arrived.
        self.resumed.retain(|_, earlier| {
            earlier.retain(|key| self.files.get(*key).is_some());
            !earlier.is_empty()
        });
        self.files
            .iter_mut()
            .filter(|(_, file)| file.state != State::Deleted && !file.is_beyond_recall())
            .filter(|(key, _)| !self.resumed.contains_key(key))
            .map(|(_, file)| file.resume())
            .chain(self.dormant.iter().filter(|one| one.is_saved).map(|one| one.record.clone()))
            .chain(self.orphans.iter().cloned())
            .chain(self.claimed.values().map(|copy| copy.record.clone()))
    }

    /// What was counted, with the gauges of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |number: usize| number as u64;
        let mut stats = self.stats;
        stats.files = count(self.files.len());
        stats.directories = count(self.dir_by_place.len());
        stats.watches = count(self.dir_by_watch.len());
        stats.polled = count(self.polled);
        stats.unreadable = count(self.unreadable.len());
        stats.notices_lost = self.notices.lost;
        for (_, file) in self.files.iter() {
            stats.open += u64::from(file.fd.is_some());
            stats.lag_bytes += file.lag();
            if file.state == State::Deleted && file.fd.is_some() {
                stats.deleted_bytes += file.disk;
            }
        }
        stats
    }

    /// Each file that is followed.
    pub fn files(&self) -> impl Iterator<Item = FileStat<'_>> {
        self.files.iter().map(|(key, file)| file.stat(key))
    }

    /// A file that is followed.
    #[must_use]
    pub fn file_stat(&self, key: FileKey) -> Option<FileStat<'_>> {
        self.files.get(key).map(|file| file.stat(key))
    }

    /// The next thing to say to people, oldest first.
    pub fn take_notice(&mut self) -> Option<Notice> {
        self.notices.take()
    }

    /// Other inputs from now on. Files that are still meant keep their descriptor, offset and
    /// key; the others end, and their records are kept for a while.
    pub fn reconfigure(&mut self, inputs: Vec<Input>, now: Instant) {
        let before = std::mem::replace(&mut self.inputs, inputs);
        self.before_reload = Some((before, super::discover::wall_ns()));
        for dir in self.dirs.iter_mut().flatten() {
            dir.reach.clear();
        }
        self.visit_bases(now);
        self.before_reload = None;
        self.settle_orphans(now);
        self.settle(now);
        self.rejudge(now);
        self.settle(now);
    }

    /// Puts a file into its queue, unless it stands there.
    pub(super) fn ready(&mut self, key: FileKey) {
        let Some(file) = self.files.get_mut(key) else { return };
        if file.queued || file.ending == Ending::Told {
            return;
        }
        file.queued = true;
        if file.offset < file.backlog_end {
            self.backlog.push_back(key);
        } else {
            self.live.push_back(key);
        }
    }

    /// Takes a file out of all tables but keeps its names to others.
    pub(super) fn forget(&mut self, key: FileKey) {
        let Some(file) = self.files.remove(key) else { return };
        self.lru.remove(&file.used);
        let place = file.identity.place();
        if self.by_place.get(&place) == Some(&key) {
            self.by_place.remove(&place);
        }
        for home in &file.homes {
            if let Some(Some(dir)) = self.dirs.get_mut(home.directory as usize)
                && dir.entries.get(&home.name) == Some(&key)
            {
                dir.entries.remove(&home.name);
            }
        }
        self.groups.remove(&(file.group, key));
    }

    /// The file with this identity. An inode is used again as soon as nobody has it open: what is
    /// known of a place may be another file, whose end was not told yet.
    pub(super) fn known(&self, identity: &Identity) -> Option<FileKey> {
        let key = self.by_place.get(&identity.place()).copied()?;
        self.files.get(key).is_some_and(|file| file.identity.same(identity)).then_some(key)
    }

    /// The files of a group.
    pub(super) fn keys_of(&self, group: u64) -> impl Iterator<Item = FileKey> {
        let key = |number| FileKey { slot: number, generation: number };
        let keys = self.groups.range((group, key(0))..=(group, key(u32::MAX)));
        keys.map(|(_, key)| *key)
    }

    pub(super) fn path_of(&self, key: FileKey) -> Arc<Path> {
        Arc::clone(self.files.get(key).map_or(&self.nowhere, |file| &file.path))
    }

    pub(super) fn file(&mut self, key: FileKey) -> Option<&mut File> {
        self.files.get_mut(key)
    }
}
