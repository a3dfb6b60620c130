//! The bare cache of one repository: only objects, and a note of what is whole.
//!
//! ```text
//! CACHE/KEY/fetch.lock     held by the one process that fetches
//! CACHE/KEY/g1/objects/    packs
//! CACHE/KEY/g1/state       which commits are here with all their trees, and which of them without
//!                          their parents; its absence means that nothing in this generation can
//!                          be relied on
//! CACHE/KEY/g1/use.lock    held shared by every tree that reads from here
//! ```
//!
//! KEY is a digest of the URL without credentials. A damaged cache is not mended: a new generation
//! is made beside it, and the old one is deleted when nobody reads from it. When a generation has
//! too many packs, a new one takes over its largest pack and what is still reachable of the others
//! (see `gather.rs`); when it has too many bytes or too much garbage, a new one is fetched afresh.
//! A crash of the process at any moment leaves either the old state or the new one; one of the
//! whole machine perhaps a half one, which is none. Nothing waits for the disk: what is here can
//! be fetched again, and a push would wait for it.
//!
//! At most [`REPOSITORIES_MAX`] repositories are kept; beyond it, those that were not fetched for
//! the longest time go, unless somebody uses them.

mod gather;

use super::watch::{Pace, Watch};
use crate::error::Cause;
use crate::wire::Answer;
use crate::{Fetch, RepoError};
use gix_hash::ObjectId;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;

/// Packs in one generation before a new one is made of them.
pub(super) const PACKS_MAX: usize = 16;

/// Bytes of all packs in one generation before a new one is fetched afresh, in largest packs.
const GENERATION_PACKS_MAX: u64 = 2;

/// Repositories in one cache.
const REPOSITORIES_MAX: usize = 1024;

/// Commits that are remembered; only the newest are told to the server.
pub(super) const TIPS_MAX: usize = 8;

/// The first line of a state file; another line is another format.
const FORMAT: &str = "orlop git cache 3";

/// The last line: without it the file is not whole.
const END: &str = "end";

/// The cache of one repository, locked for fetching.
pub(super) struct Cache {
    dir: PathBuf,
    /// The limit on one pack.
    pack_bytes: u64,
    _lock: File,
}

/// One generation of it.
pub(super) struct Generation {
    pub(super) dir: PathBuf,
    pub(super) state: State,
    /// Held while the generation is in use.
    in_use: File,
}

/// Objects that are only looked at; deleted when this is dropped, before the lock is let go.
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    pub(super) fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// What is known to be whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Large files may be missing, because the server was asked to leave them out.
    pub(super) filtered: bool,
    /// Commits that are here, the newest last.
    pub(super) tips: Vec<ObjectId>,
    /// Commits whose parents are not here. A server that is not told so would leave out objects
    /// that it takes for known.
    pub(super) shallow: Vec<ObjectId>,
}

impl Cache {
    /// Waits until no other process fetches the same repository.
    pub(super) fn lock(root: &Path, spec: &Fetch, watch: &Watch<'_>) -> Result<Self, RepoError> {
        let dir = root.join(key(spec));
        let failed = |error: &io::Error| cache_error(&dir, error);
        if !dir.is_dir() {
            sweep(root, REPOSITORIES_MAX - 1);
        }
        loop {
            fs::create_dir_all(&dir).map_err(|e| failed(&e))?;
            private(&dir).map_err(|e| failed(&e))?;
            let path = dir.join("fetch.lock");
            let file = open_lock(&path).map_err(|e| failed(&e))?;
            let lock = Self::wait(file, &dir, watch)?;
            // While we waited, another process may have deleted the folder with its lock.
            let ours = lock.metadata().map_err(|e| failed(&e))?.ino();
            if fs::metadata(&path).is_ok_and(|now| now.ino() == ours) {
                // When it was fetched last, for the choice of what goes first.
                let _ = lock.set_modified(std::time::SystemTime::now());
                let pack_bytes = spec.limits.pack_bytes;
                return Ok(Self { dir, pack_bytes, _lock: lock });
            }
        }
    }

    fn wait(file: File, dir: &Path, watch: &Watch<'_>) -> Result<File, RepoError> {
        // Mostly nobody has it.
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        let (sender, locked) = channel();
        // A lock cannot be waited for and given up in one thread. When we give up, this thread
        // lets the lock go as soon as it has it.
        std::thread::spawn(move || {
            let result = file.lock();
            let _ = sender.send(result.map(|()| file));
        });
        let stall_timeout = std::time::Duration::MAX;
        let patient = Watch { stall_timeout, pace: Pace::endless(), ..watch.clone() };
        match patient.next(&locked) {
            Ok(Some(Ok(lock))) => Ok(lock),
            Ok(Some(Err(error))) => Err(cache_error(dir, &error)),
            Ok(None) | Err(_) => Err(watch.failure.take().unwrap_or_else(|| RepoError::Cache {
                path: dir.to_owned(),
                source: Cause::new("the lock cannot be had"),
            })),
        }
    }

    /// The generation to fetch into: the newest whole one, one that is made of it, or a new one.
    pub(super) fn generation(&self, cancel: &AtomicBool) -> Result<Generation, RepoError> {
        let failed = |error: io::Error| cache_error(&self.dir, &error);
        let mut whole = None;
        for (_, dir) in self.generations().map_err(failed)? {
            match (&whole, state(&dir)) {
                (None, Some(state)) => whole = Some((dir, state)),
                _ => delete_unused(&dir),
            }
        }
        let Some((dir, state)) = whole else { return self.new_generation() };
        let (count, bytes) = packs(&dir);
        if count > PACKS_MAX || bytes > self.pack_bytes.saturating_mul(GENERATION_PACKS_MAX) {
            let mut new = self.new_generation()?;
            let small = bytes <= self.pack_bytes.saturating_mul(GENERATION_PACKS_MAX);
            match small.then(|| gather::gather(&dir, &state, &mut new, cancel)) {
                Some(Ok(true)) => {
                    write_state(&new.dir, &new.state).map_err(failed)?;
                    delete_unused(&dir);
                    return Ok(new);
                }
                Some(Err(error)) => tracing::debug!(%error, "the Git cache cannot be gathered"),
                Some(Ok(false)) | None => {}
            }
            delete_unused(&dir);
            return self.new_generation();
        }
        clean(&dir).map_err(failed)?;
        let in_use = use_lock(&dir).map_err(failed)?;
        Ok(Generation { dir, state, in_use })
    }

    /// A place for objects that are only looked at; what a crash left there is deleted.
    pub(super) fn scratch(&self) -> Result<Scratch, RepoError> {
        let dir = self.dir.join("scratch");
        let failed = |error: io::Error| cache_error(&dir, &error);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir_all(dir.join("objects").join("pack")).map_err(failed)?;
        Ok(Scratch { dir })
    }

    /// An empty generation, newer than all others.
    pub(super) fn new_generation(&self) -> Result<Generation, RepoError> {
        let failed = |error: io::Error| cache_error(&self.dir, &error);
        let newest = self.generations().map_err(failed)?.first().map_or(0, |(number, _)| *number);
        let dir = self.dir.join(format!("g{}", newest.saturating_add(1)));
        fs::create_dir_all(dir.join("objects").join("pack")).map_err(failed)?;
        let in_use = use_lock(&dir).map_err(failed)?;
        Ok(Generation { dir, state: State::default(), in_use })
    }

    /// All generations, the newest first.
    fn generations(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|n| n.strip_prefix('g')?.parse().ok());
            if let Some(number) = number {
                found.push((number, entry.path()));
            }
        }
        found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(found)
    }
}

impl Generation {
    pub(super) fn objects(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(super) fn state_path(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Notes that a commit is here.
    pub(super) fn add_tip(
        &mut self,
        tip: ObjectId,
        filtered: bool,
        answer: &Answer,
    ) -> Result<(), RepoError> {
        self.state.filtered |= filtered;
        self.state
            .shallow
            .retain(|id| !answer.unshallow.contains(id) && !answer.shallow.contains(id));
        self.state.shallow.extend(&answer.shallow);
        self.state.tips.retain(|other| *other != tip);
        self.state.tips.push(tip);
        let surplus = self.state.tips.len().saturating_sub(TIPS_MAX);
        self.state.tips.drain(..surplus);
        write_state(&self.dir, &self.state).map_err(|e| cache_error(&self.dir, &e))
    }

    /// What a tree holds while it reads from here.
    pub(super) fn into_lock(self) -> File {
        self.in_use
    }
}

/// An error of the cache, or of a full disk.
pub(super) fn cache_error(path: &Path, error: &io::Error) -> RepoError {
    if error.kind() == io::ErrorKind::StorageFull {
        return RepoError::DiskFull { path: path.to_owned() };
    }
    RepoError::Cache { path: path.to_owned(), source: Cause::of(error) }
}

/// The digest of what a cache depends on. Another limit on files is another cache, because what
/// the server left out depends on it.
fn key(spec: &Fetch) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{FORMAT}\n{}\n{}\n", spec.limits.file_bytes, spec.url));
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Private repositories are cached here: others have no business in it.
fn private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

fn use_lock(dir: &Path) -> io::Result<File> {
    let file = open_lock(&dir.join("use.lock"))?;
    file.lock_shared()?;
    Ok(file)
}

/// Deletes a generation unless somebody reads from it; what is left is deleted by a later fetch.
fn delete_unused(dir: &Path) {
    let Ok(lock) = open_lock(&dir.join("use.lock")) else { return };
    match lock.try_lock() {
        Ok(()) => {
            let _ = fs::remove_dir_all(dir);
        }
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
    }
}

/// Deletes the repositories that were not fetched for the longest time, until so many are left.
/// Best effort: those that somebody uses stay.
fn sweep(root: &Path, limit: usize) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let lock_of = |dir: PathBuf| {
        let lock = dir.join("fetch.lock");
        let used = fs::metadata(&lock).and_then(|metadata| metadata.modified()).ok()?;
        Some((used, dir, lock))
    };
    let mut all: Vec<_> =
        entries.filter_map(Result::ok).filter_map(|entry| lock_of(entry.path())).collect();
    all.sort();
    let surplus = all.len().saturating_sub(limit);
    for (_, dir, lock) in all.into_iter().take(surplus) {
        let Ok(lock) = open_lock(&lock) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        let Ok(inside) = fs::read_dir(&dir) else { continue };
        for entry in inside.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
            delete_unused(&entry.path());
        }
        let left = |entry: fs::DirEntry| entry.path().is_dir();
        let Ok(mut inside) = fs::read_dir(&dir) else { continue };
        if !inside.any(|entry| entry.is_ok_and(left)) {
            let _ = fs::remove_dir_all(&dir);
        }
    }
}

/// How many packs there are, and their bytes.
fn packs(dir: &Path) -> (usize, u64) {
    let Ok(entries) = fs::read_dir(dir.join("objects").join("pack")) else { return (0, 0) };
    let packs = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "pack"));
    packs.fold((0, 0), |(count, bytes), entry| {
        (count + 1, bytes + entry.metadata().map_or(0, |metadata| metadata.len()))
    })
}

/// Deletes what a crash left behind; the fetch lock is ours.
fn clean(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir.join("objects").join("pack"))? {
        let path = entry?.path();
        let kept = path.extension().is_some_and(|e| e == "pack" || e == "idx");
        if !kept {
            fs::remove_file(path)?;
        }
    }
    match fs::remove_file(dir.join("state.new")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn state(dir: &Path) -> Option<State> {
    parse_state(&fs::read_to_string(dir.join("state")).ok()?)
}

fn parse_state(text: &str) -> Option<State> {
    let mut lines = text.lines();
    if lines.next()? != FORMAT {
        return None;
    }
    let mut state = State::default();
    loop {
        let line = lines.next()?;
        if line == END {
            return lines.next().is_none().then_some(state);
        }
        match line.split_once(' ')? {
            ("filtered", value) => state.filtered = value.parse().ok()?,
            ("tip", id) => state.tips.push(ObjectId::from_hex(id.as_bytes()).ok()?),
            ("shallow", id) => state.shallow.push(ObjectId::from_hex(id.as_bytes()).ok()?),
            _ => return None,
        }
    }
}

fn print_state(state: &State) -> String {
    let mut text = format!("{FORMAT}\nfiltered {}\n", state.filtered);
    for tip in &state.tips {
        text.push_str(&format!("tip {tip}\n"));
    }
    for id in &state.shallow {
        text.push_str(&format!("shallow {id}\n"));
    }
    text.push_str(END);
    text.push('\n');
    text
}

fn write_state(dir: &Path, state: &State) -> io::Result<()> {
    let new = dir.join("state.new");
    fs::write(&new, print_state(state))?;
    fs::rename(new, dir.join("state"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_state_survives_its_file_and_another_format_is_no_state() {
        let tip = ObjectId::from_hex(b"0123456789abcdef0123456789abcdef01234567").unwrap();
        let state = State { filtered: true, tips: vec![tip], shallow: vec![tip] };
        let text = print_state(&state);
        assert_eq!(parse_state(&text), Some(state));
        // Half of it, as a crash of the machine may leave it.
        for end in 0..text.len() - 1 {
            assert_eq!(parse_state(text.get(..end).unwrap()), None, "{end}");
        }
        assert_eq!(parse_state("orlop git cache 0\n"), None);
        assert_eq!(parse_state(""), None);
        assert_eq!(parse_state(&format!("{FORMAT}\ntip 012\n")), None);
    }

    #[test]
    fn repositories_are_kept_up_to_the_bound_and_the_oldest_goes_unless_it_is_used() {
        let root = tempfile::tempdir().unwrap();
        let start = std::time::SystemTime::UNIX_EPOCH;
        let dir = |number: u64| root.path().join(number.to_string());
        for number in 0..6 {
            fs::create_dir_all(dir(number).join("g1")).unwrap();
            let lock = open_lock(&dir(number).join("fetch.lock")).unwrap();
            lock.set_modified(start + std::time::Duration::from_secs(number)).unwrap();
        }
        let reading = use_lock(&dir(0).join("g1")).unwrap();
        let fetching = open_lock(&dir(1).join("fetch.lock")).unwrap();
        fetching.lock().unwrap();
        sweep(root.path(), 6);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 6);
        sweep(root.path(), 3);
        let left: Vec<bool> = (0..6).map(|number| dir(number).exists()).collect();
        assert_eq!(left, [true, true, false, true, true, true]);
        drop((reading, fetching));
        sweep(root.path(), 3);
        let left: Vec<bool> = (0..6).map(|number| dir(number).exists()).collect();
        assert_eq!(left, [false, false, false, true, true, true]);
    }

    proptest! {
        #[test]
        fn any_state_file_is_a_state_or_none(text in "\\PC{0,200}") {
            let _ = parse_state(&text);
            let _ = parse_state(&format!("{FORMAT}\n{text}"));
        }
    }
}
