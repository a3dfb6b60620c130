//! The directories where walks begin, and the ways to them.
//!
//! A base may be renamed away, deleted, made anew or made later, and so may every directory on the
//! way to it; a link on the way may be pointed elsewhere. No directory that is looked into tells
//! that. So each directory that a way goes through is watched for the one name that leads on, there
//! or not. When something happened to it, bases that are another directory by now are left, as when
//! a directory is renamed, and all are visited. What is not told, as when something is mounted, is
//! found when bases that are missing are looked for, and with each comparison with the disk.

use super::config::Input;
use super::events::{EVENTS_PER_TURN_MAX, SETTLED_AFTER};
use super::glob::Pattern;
use super::identity::{from_stat, look};
use super::tailer::Tailer;
use super::watch::{ReadFlags, Watch, Woken};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most links on one way, as the kernel has it.
pub(super) const LINKS_MAX: usize = 40;
/// So often the ways are looked at until they stay the same while they are watched.
const LOOKS_MAX: usize = 8;

/// The directories that ways go through, each with the names that lead on.
type Steps = BTreeMap<PathBuf, BTreeSet<OsString>>;

/// What is watched on the ways: the numbers of the watches, and the names that lead on there.
#[derive(Default)]
pub(crate) struct Ways {
    names: HashMap<i32, BTreeSet<OsString>>,
    /// Whether something happened to one of them.
    changed: bool,
    /// Whether a base is missing, which is looked for from time to time, too.
    pub(crate) is_missing: bool,
}

impl Tailer {
    /// Walks from the bases of all patterns.
    pub(super) fn visit_bases(&mut self, now: Instant) {
        self.ways.is_missing = false;
        self.next_base = now + self.limits.retry_every.0;
        // Watched first, looked at then: what happens meanwhile is told.
        self.watch_ways();
        self.leave_bases();
        let mut bases = Vec::new();
        for (input, i) in self.inputs.iter().zip(0_u16..) {
            for (pattern, p) in input.include.iter().zip(0_u16..) {
                bases.push((pattern.base().to_owned(), vec![(i, p, pattern.start())], None));
            }
        }
        for base in bases {
            self.ways.is_missing |= !base.0.is_dir();
            self.to_visit.push(base);
            self.visit_all(now);
        }
    }

    /// Takes what happened in the directories that ways go through; whether a way is another now.
    pub(super) fn take_ways(&mut self) -> bool {
        if let Some((queues, mut buffer)) = self.watch.lend() {
            let ways = &mut self.ways;
            Watch::drain(&queues.ways, &mut buffer, EVENTS_PER_TURN_MAX, |wd, mask, _, name| {
                let names = ways.names.get(&wd);
                ways.changed |= mask.contains(ReadFlags::QUEUE_OVERFLOW)
                    || names.is_some_and(|names| names.contains(OsStr::from_bytes(name)));
            });
            self.watch.give_back(buffer);
        }
        self.ways.changed
    }

    /// A directory is gone; it may be made anew already.
    pub(super) fn is_gone_from_way(&mut self, directory: &Path) {
        self.ways.changed |= bases(&self.inputs).any(|base| base == directory);
    }

    /// Waits; what happens beside the ways to bases does not end that.
    pub(super) fn wait_for(
        &mut self,
        timeout: Duration,
        wait: impl Fn(&Watch, Duration) -> Option<Woken>,
    ) -> Woken {
        let begun = Instant::now();
        loop {
            if let Some(woken) = wait(&self.watch, timeout.saturating_sub(begun.elapsed())) {
                return woken;
            }
            if self.take_ways() {
                return Woken::Events;
            }
            if begun.elapsed() >= timeout {
                return Woken::Timeout;
            }
        }
    }

    /// Visits the bases again when something happened on the ways to them.
    pub(super) fn follow_ways(&mut self, now: Instant) {
        if !std::mem::take(&mut self.ways.changed) {
            return;
        }
        self.unsettled_until = now + SETTLED_AFTER;
        self.unseen_since = Some(self.synced_ns);
        self.visit_bases(now);
        self.unseen_since = None;
    }

    fn watch_ways(&mut self) {
        let bases: BTreeSet<&Path> = bases(&self.inputs).collect();
        let look = || steps(bases.iter().copied());
        let (mut steps, mut names) = (look(), HashMap::new());
        let mut before = std::mem::take(&mut self.ways.names);
        for _ in 0..LOOKS_MAX {
            before.extend(names.drain());
            for (directory, on) in &steps {
                if let Ok(wd) = self.watch.add_way(directory) {
                    names.insert(wd, on.clone());
                }
            }
            let by_now = look();
            if by_now == steps {
                break;
            }
            steps = by_now;
        }
        for wd in before.keys().filter(|wd| !names.contains_key(wd)) {
            self.watch.remove_way(*wd);
        }
        self.ways.names = names;
    }

    /// Leaves bases that are another directory by now, with all below. Files that are open are read
    /// to their end.
    fn leave_bases(&mut self) {
        let bases: HashSet<&OsStr> = bases(&self.inputs).map(Path::as_os_str).collect();
        let is_there = |path: &Path, place| {
            look(path, true).is_ok_and(|stat| from_stat(&stat).place() == place)
        };
        let left: Vec<Arc<Path>> = self
            .dirs
            .iter()
            .flatten()
            .filter(|dir| bases.contains(dir.path.as_os_str()) && !is_there(&dir.path, dir.place))
            .map(|dir| Arc::clone(&dir.path))
            .collect();
        for path in left {
            self.drop_tree(&path);
        }
    }
}

fn bases(inputs: &[Input]) -> impl Iterator<Item = &Path> {
    inputs.iter().flat_map(|input| &input.include).map(Pattern::base)
}

/// What the ways to these bases go through, as far as it is there.
fn steps<'a>(bases: impl Iterator<Item = &'a Path>) -> Steps {
    let mut steps = Steps::new();
    for base in bases {
        walk(base, &mut steps);
    }
    steps
}

/// Goes one way as the kernel does, name by name.
fn walk(base: &Path, steps: &mut Steps) {
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    let mut rest = names(base);
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        steps.entry(at.clone()).or_default().insert(name);
        match std::fs::read_link(&next) {
            Ok(target) if links < LINKS_MAX => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(names(&target));
            }
            // It is there, and no link.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => at = next,
            _ => return,
        }
    }
}

/// The names of a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.iter().filter(|name| *name != "/" && *name != ".");
    names.rev().map(OsStr::to_owned).collect()
}
