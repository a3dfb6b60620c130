//! The files that are read, by numbers of our own.
//!
//! The tailer may use a place again while records of the file that had it are still on their way;
//! our numbers are used again only when every sink is done with them. Lines that go on after a
//! rotation share their state by path, or by directory for containers (R13, R16).

use crate::block::{Origin, Source};
use host::tail::FileKey;
use lines::{File, Plan, Streams};
use pipeline::ledger::FileId;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Places of keys above this one are of what no tailer follows.
const MADE_HERE_ABOVE: u32 = u32::MAX - 16;

/// A file while it is read.
#[derive(Debug)]
pub(crate) struct SourceState {
    pub(crate) key: FileKey,
    pub(crate) id: FileId,
    pub(crate) input: usize,
    pub(crate) path: PathBuf,
    /// A number that no other file of this process has.
    pub(crate) serial: u32,
    pub(crate) plan: Arc<Plan>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) lines: File,
    /// Where its streams are.
    pub(crate) group: u32,
    /// What the tailer was told.
    pub(crate) committed: u64,
    /// Up to where it was read when the last block was finished.
    pub(crate) base: u64,
    /// What the last block said about it.
    pub(crate) told: Option<(u64, Option<u64>)>,
    /// Up to where each sink has it, in the order of sinks.
    pub(crate) moved: Vec<u64>,
    /// Nothing will follow.
    pub(crate) ended: bool,
    /// The end was told to the sinks.
    pub(crate) closing: bool,
    /// The pod that it holds in a table.
    pub(crate) pod: Option<String>,
    pub(crate) touched: bool,
}

impl SourceState {
    /// What sinks need to know of it.
    pub(crate) fn shared(&self) -> Source {
        Source { file: self.id, serial: self.serial, origin: self.origin.clone(), base: self.base }
    }

    /// Whether it is no file that a tailer follows: a journal, a packed file, what was kept aside,
    /// records of our own.
    pub(crate) fn is_made_here(&self) -> bool {
        self.key.slot > MADE_HERE_ABOVE
    }

    /// Up to where every sink has it.
    pub(crate) fn lowest(&self) -> u64 {
        self.moved.iter().copied().min().unwrap_or(self.base)
    }
}

/// Streams that files share.
#[derive(Debug)]
pub(crate) struct Group {
    /// Only while something is unfinished: most files are at rest, and there may be many.
    pub(crate) streams: Option<Box<Streams>>,
    name: PathBuf,
    users: usize,
}

impl Group {
    /// Lends the streams, and keeps them afterwards when something is unfinished in them.
    pub(crate) fn with_streams<T>(&mut self, work: impl FnOnce(&mut Streams) -> T) -> T {
        let mut streams = self.streams.take().unwrap_or_default();
        let done = work(&mut streams);
        self.streams = (!streams.is_idle()).then_some(streams);
        done
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    slots: Vec<Option<SourceState>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    by_key: HashMap<FileKey, u32>,
    serials: HashMap<u32, u32>,
    next_serial: u32,
    groups: Vec<Option<Group>>,
    free_groups: Vec<u32>,
    by_name: HashMap<PathBuf, u32>,
}

/// What a new source is made of.
pub(crate) struct NewSource<'a> {
    pub(crate) key: FileKey,
    pub(crate) input: usize,
    pub(crate) path: &'a Path,
    pub(crate) plan: Arc<Plan>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) pod: Option<String>,
    pub(crate) base: u64,
    pub(crate) sinks: usize,
    /// What its lines are joined by.
    pub(crate) group: PathBuf,
}

impl Sources {
    /// The slot of a file.
    pub(crate) fn find(&self, key: FileKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&SourceState> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut SourceState> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// A file together with the streams that it shares.
    pub(crate) fn both(&mut self, slot: u32) -> Option<(&mut SourceState, &mut Group)> {
        let source = self.slots.get_mut(slot as usize)?.as_mut()?;
        let group = self.groups.get_mut(source.group as usize)?.as_mut()?;
        Some((source, group))
    }

    /// The streams of a file.
    pub(crate) fn group(&self, number: u32) -> Option<&Group> {
        self.groups.get(number as usize)?.as_ref()
    }

    /// Every file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SourceState> {
        self.slots.iter().flatten()
    }

    /// Every file, to change it.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SourceState> {
        self.slots.iter_mut().flatten()
    }

    /// Begins a file.
    pub(crate) fn add(&mut self, new: NewSource<'_>) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let at = slot as usize;
        let generation = self.generations.get_mut(at).map_or(0, |generation| {
            *generation += 1;
            *generation
        });
        let group = self.join(new.group);
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.serials.insert(serial, slot);
        let state = SourceState {
            key: new.key,
            id: FileId { slot, generation },
            input: new.input,
            path: new.path.to_owned(),
            serial,
            plan: new.plan,
            origin: new.origin,
            lines: File::default(),
            group,
            committed: new.base,
            base: new.base,
            told: None,
            moved: vec![new.base; new.sinks],
            ended: false,
            closing: false,
            pod: new.pod,
            touched: false,
        };
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(state);
        }
        self.by_key.insert(new.key, slot);
        slot
    }

    fn join(&mut self, name: PathBuf) -> u32 {
        if let Some(number) = self.by_name.get(&name)
            && let Some(Some(group)) = self.groups.get_mut(*number as usize)
        {
            group.users += 1;
            return *number;
        }
        let number = self.free_groups.pop().unwrap_or_else(|| {
            self.groups.push(None);
            u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_name.insert(name.clone(), number);
        if let Some(place) = self.groups.get_mut(number as usize) {
            *place = Some(Group { streams: None, name, users: 1 });
        }
        number
    }

    /// Forgets a file that every sink is done with.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<SourceState> {
        let state = self.slots.get_mut(slot as usize)?.take()?;
        self.by_key.remove(&state.key);
        self.serials.remove(&state.serial);
        self.free.push(slot);
        if let Some(place) = self.groups.get_mut(state.group as usize)
            && let Some(group) = place
        {
            group.users = group.users.saturating_sub(1);
            if group.users == 0 {
                self.by_name.remove(&group.name);
                *place = None;
                self.free_groups.push(state.group);
            }
        }
        Some(state)
    }

    /// The file with this number, while it is read.
    pub(crate) fn by_serial(&self, serial: u32) -> Option<&SourceState> {
        self.get(*self.serials.get(&serial)?)
    }
}
