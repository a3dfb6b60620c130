//! The files that are read, by numbers of our own.
//!
//! The tailer may use a place again while records of the file that had it are still on their way;
//! our numbers are used again only when every sink is done with them. Lines that go on after a
//! rotation share their state by path, or by instance for containers (R13, R16).
//!
//! There may be ten thousand files with nothing to say (R10), so what is only needed while a file
//! is read is not kept for all of them: the joining state only while something is unfinished in
//! it, and what the records have in common for [`WARM_MAX`] files. It is rendered again when it is
//! needed again.

use crate::block::{Origin, Source};
use host::tail::FileKey;
use lines::{File, Plan, Streams};
use pipeline::ledger::FileId;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Weak};

/// Places of keys above this one are of what no tailer follows.
const MADE_HERE_ABOVE: u32 = u32::MAX - 16;
/// Files of which it is kept what their records have in common, with the records under way aside.
pub(crate) const WARM_MAX: usize = 512;

/// By what lines that go on in another file are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// By the path of the file.
    Path,
    /// By the instance of a container: its folder and the number that its files begin with.
    Instance,
    /// By the path, apart from the file that has it now.
    Aside,
}

/// Offsets of sinks, in their order. There is one sink most of the time.
#[derive(Debug)]
pub(crate) enum Moved {
    One(u64),
    Many(Box<[u64]>),
}

impl Moved {
    pub(crate) fn new(offsets: impl IntoIterator<Item = u64>) -> Self {
        let all: Box<[u64]> = offsets.into_iter().collect();
        match *all {
            [one] => Self::One(one),
            _ => Self::Many(all),
        }
    }

    pub(crate) fn all(&self) -> &[u64] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(all) => all,
        }
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut u64> {
        match self {
            Self::One(one) => (at == 0).then_some(one),
            Self::Many(all) => all.get_mut(at),
        }
    }
}

/// A file while it is read.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read on its own")]
pub(crate) struct SourceState {
    pub(crate) key: FileKey,
    pub(crate) id: FileId,
    pub(crate) input: usize,
    pub(crate) path: Arc<Path>,
    /// A number that no other file of this process has.
    pub(crate) serial: u32,
    pub(crate) plan: Arc<Plan>,
    /// What its records have in common, while anybody has it. While its records are under way, no
    /// other one comes to its address.
    origin: Weak<Origin>,
    /// The same of what is made here, and of files whose input is gone.
    kept: Option<Arc<Origin>>,
    /// It was asked for since the last look at who keeps it.
    used: bool,
    pub(crate) lines: File,
    joined: Joined,
    /// What the tailer was told.
    pub(crate) committed: u64,
    /// Up to where it was read when the last block was finished.
    pub(crate) base: u64,
    /// The last block said so, and where the oldest unfinished piece begins.
    pub(crate) told: bool,
    pub(crate) hold: Option<u64>,
    /// Up to where each sink has it.
    pub(crate) moved: Moved,
    /// Some sink does not have it up to where it was read.
    pub(crate) waits: bool,
    /// Nothing will follow.
    pub(crate) ended: bool,
    /// The end was told to the sinks.
    pub(crate) closing: bool,
    /// Whether it holds its pod in a table.
    pub(crate) holds_pod: bool,
    pub(crate) touched: bool,
}

impl SourceState {
    /// What sinks need to know of it.
    pub(crate) fn shared(&self, origin: Arc<Origin>) -> Source {
        Source { file: self.id, serial: self.serial, origin, base: self.begin() }
    }

    /// Where the next records are from at the earliest.
    pub(crate) fn begin(&self) -> u64 {
        self.hold.map_or(self.base, |hold| hold.min(self.base))
    }

    /// Whether it is no file that a tailer follows: a journal, a packed file, what was kept aside,
    /// records of our own.
    pub(crate) fn is_made_here(&self) -> bool {
        self.key.slot > MADE_HERE_ABOVE
    }

    /// Up to where every sink has it.
    pub(crate) fn lowest(&self) -> u64 {
        self.moved.all().iter().copied().min().unwrap_or(self.base)
    }

    /// The folder of the pod that it holds in a table.
    pub(crate) fn pod(&self) -> Option<&str> {
        if self.holds_pod { crate::pods::folder(&self.path) } else { None }
    }

    /// What its records have in common, when anybody still has it.
    pub(crate) fn origin(&self) -> Option<Arc<Origin>> {
        self.origin.upgrade()
    }

    /// Gives back what is left of it, unless records with it are under way.
    fn forget_origin(&mut self) {
        if !self.waits && self.origin.strong_count() == 0 {
            self.origin = Weak::new();
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Each by itself: what grows as a whole leaves holes behind.
    slots: Vec<Option<Box<SourceState>>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    /// The slots by the places of keys, which are as small as there are files.
    by_place: Vec<Option<(u32, u32)>>,
    /// The same of what is made here; few, so they are searched.
    made_here: Vec<(FileKey, u32)>,
    serials: HashMap<u32, u32>,
    next_serial: u32,
    /// Streams in which something is unfinished, by what files share them.
    unfinished: HashMap<Box<Path>, Box<Streams>>,
    /// What records of files have in common; those that were not used for longest come first.
    warm: VecDeque<(FileId, Arc<Origin>)>,
}

/// What a new source is made of.
pub(crate) struct NewSource {
    pub(crate) key: FileKey,
    pub(crate) input: usize,
    pub(crate) path: Arc<Path>,
    pub(crate) plan: Arc<Plan>,
    /// Of what is made here.
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) holds_pod: bool,
    pub(crate) base: u64,
    pub(crate) sinks: usize,
    pub(crate) joined: Joined,
}

/// By what the files with a path are joined.
fn name(joined: Joined, path: &Path) -> Cow<'_, Path> {
    match joined {
        Joined::Path => path.into(),
        Joined::Instance => instance(path).into(),
        Joined::Aside => {
            let mut name = path.as_os_str().to_owned();
            name.push(" (kept aside)");
            std::path::PathBuf::from(name).into()
        }
    }
}

/// The path up to the first dot of its name: what is behind it is of a rotation. A container that
/// was started again writes to other files and goes on with no line of the one before it.
fn instance(path: &Path) -> &Path {
    let length = |name: Option<&OsStr>| name.map_or(0, OsStr::len);
    let bytes = path.as_os_str().as_bytes();
    let behind = length(path.file_name()) - length(path.file_prefix());
    Path::new(OsStr::from_bytes(bytes.get(..bytes.len() - behind).unwrap_or(bytes)))
}

impl Sources {
    /// The slot of a file.
    pub(crate) fn find(&self, key: FileKey) -> Option<u32> {
        if key.slot > MADE_HERE_ABOVE {
            let found = self.made_here.iter().find(|(of, _)| *of == key);
            return found.map(|(_, slot)| *slot);
        }
        let (generation, slot) = (*self.by_place.get(key.slot as usize)?)?;
        (generation == key.generation).then_some(slot)
    }

    /// The number of a file.
    pub(crate) fn id(&self, key: FileKey) -> Option<FileId> {
        self.get(self.find(key)?).map(|source| source.id)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&SourceState> {
        self.slots.get(slot as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut SourceState> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// Lends a file together with the streams that it shares, and keeps these afterwards when
    /// something is unfinished in them.
    pub(crate) fn with_streams<T>(
        &mut self,
        slot: u32,
        work: impl FnOnce(&mut SourceState, &mut Streams) -> T,
    ) -> Option<T> {
        let source = self.slots.get_mut(slot as usize)?.as_mut()?;
        let path = Arc::clone(&source.path);
        let name = name(source.joined, &path);
        // Most of the time nothing is unfinished anywhere.
        let mut known =
            if self.unfinished.is_empty() { None } else { self.unfinished.remove(&*name) };
        let mut fresh = Streams::default();
        let streams = known.as_deref_mut().unwrap_or(&mut fresh);
        let done = work(source, streams);
        if !streams.is_idle() {
            self.unfinished.insert(name.into(), known.unwrap_or_else(|| Box::new(fresh)));
        }
        Some(done)
    }

    /// Where the oldest piece of a file begins that is unfinished in its streams.
    pub(crate) fn hold(&self, slot: u32) -> Option<u64> {
        if self.unfinished.is_empty() {
            return None;
        }
        let source = self.get(slot)?;
        self.unfinished.get(&*name(source.joined, &source.path))?.hold(slot)
    }

    /// What the records of a file have in common, when anybody still has it.
    pub(crate) fn origin(&mut self, slot: u32) -> Option<Arc<Origin>> {
        let source = self.slots.get_mut(slot as usize)?.as_mut()?;
        source.used = true;
        source.origin()
    }

    /// What the records of a file have in common from now on. It is kept for a while, and that of
    /// the file that had no use for it for longest is let go.
    pub(crate) fn set_origin(&mut self, slot: u32, origin: &Arc<Origin>) {
        let Some(Some(source)) = self.slots.get_mut(slot as usize) else { return };
        source.origin = Arc::downgrade(origin);
        source.used = true;
        if source.is_made_here() || source.input == usize::MAX {
            source.kept = Some(Arc::clone(origin));
            return;
        }
        let id = source.id;
        for _ in 0..self.warm.len() {
            if self.warm.len() < WARM_MAX {
                break;
            }
            let Some((file, oldest)) = self.warm.pop_front() else { break };
            let Some(Some(source)) = self.slots.get_mut(file.slot as usize) else { continue };
            if source.id != file || !std::ptr::eq(source.origin.as_ptr(), Arc::as_ptr(&oldest)) {
                continue;
            }
            if std::mem::take(&mut source.used) && source.id != id {
                self.warm.push_back((file, oldest));
                continue;
            }
            drop(oldest);
            source.forget_origin();
        }
        self.warm.push_back((id, Arc::clone(origin)));
    }

    /// Every sink has all of a file.
    pub(crate) fn settle(&mut self, slot: u32) {
        let Some(source) = self.get_mut(slot) else { return };
        source.waits = false;
        source.forget_origin();
    }

    /// Every file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SourceState> {
        self.slots.iter().flatten().map(|source| &**source)
    }

    /// Every file, to change it.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SourceState> {
        self.slots.iter_mut().flatten().map(|source| &mut **source)
    }

    /// The slots of all files.
    pub(crate) fn slots(&self) -> Vec<u32> {
        self.iter().map(|source| source.id.slot).collect()
    }

    /// Begins a file.
    pub(crate) fn add(&mut self, new: NewSource) -> u32 {
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
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.serials.insert(serial, slot);
        let state = SourceState {
            key: new.key,
            id: FileId { slot, generation },
            input: new.input,
            path: new.path,
            serial,
            plan: new.plan,
            origin: Weak::new(),
            kept: None,
            used: false,
            lines: File::default(),
            joined: new.joined,
            committed: new.base,
            base: new.base,
            told: false,
            hold: None,
            moved: Moved::new(std::iter::repeat_n(new.base, new.sinks)),
            waits: false,
            ended: false,
            closing: false,
            holds_pod: new.holds_pod,
            touched: false,
        };
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(Box::new(state));
        }
        self.link(new.key, slot);
        if let Some(origin) = new.origin {
            self.set_origin(slot, &origin);
        }
        slot
    }

    /// From now on the key leads to this slot. A tailer that uses a place again is done with the
    /// file that had it: nothing will be asked for by its key.
    fn link(&mut self, key: FileKey, slot: u32) {
        if key.slot > MADE_HERE_ABOVE {
            self.made_here.push((key, slot));
            return;
        }
        let at = key.slot as usize;
        if at >= self.by_place.len() {
            self.by_place.resize(at + 1, None);
        }
        if let Some(place) = self.by_place.get_mut(at) {
            *place = Some((key.generation, slot));
        }
    }

    fn unlink(&mut self, key: FileKey) {
        self.made_here.retain(|(of, _)| *of != key);
        let place = self.by_place.get_mut(key.slot as usize);
        if let Some(place) = place.filter(|place| place.is_some_and(|(of, _)| of == key.generation))
        {
            *place = None;
        }
    }

    /// Forgets a file that every sink is done with.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<SourceState>> {
        let state = self.slots.get_mut(slot as usize)?.take()?;
        self.unlink(state.key);
        self.serials.remove(&state.serial);
        self.free.push(slot);
        Some(state)
    }

    /// The file with this number, while it is read.
    pub(crate) fn by_serial(&self, serial: u32) -> Option<&SourceState> {
        self.get(*self.serials.get(&serial)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sources: &mut Sources, number: u32) -> u32 {
        sources.add(NewSource {
            key: FileKey { slot: number, generation: 0 },
            input: 0,
            path: Path::new("/l/a.log").into(),
            plan: Arc::new(Plan::new(lines::Settings::default()).unwrap()),
            origin: None,
            holds_pod: false,
            base: 0,
            sinks: 1,
            joined: Joined::Path,
        })
    }

    fn origin() -> Arc<Origin> {
        Arc::new(Origin::new([], "/l/a.log", None))
    }

    #[test]
    fn r10_what_records_have_in_common_is_kept_for_so_many_files_and_for_those_in_use() {
        let mut sources = Sources::default();
        let under_way = origin();
        let files = u32::try_from(WARM_MAX).unwrap() * 3;
        for number in 0..files {
            let slot = add(&mut sources, number);
            let origin = if number == 0 { Arc::clone(&under_way) } else { origin() };
            sources.set_origin(slot, &origin);
            // One that is asked for again and again stays.
            assert!(sources.origin(1.min(number)).is_some(), "{number}");
        }
        let kept = sources.iter().filter(|source| source.origin().is_some()).count();
        assert_eq!(kept, WARM_MAX + 1, "and the one that is under way");
        assert!(Arc::ptr_eq(&sources.origin(0).unwrap(), &under_way));
        assert!(sources.origin(files - 1).is_some() && sources.origin(2).is_none());
    }

    #[test]
    fn r13_a_container_that_was_started_again_goes_on_with_no_line_of_the_one_before_it() {
        let settings = lines::Settings {
            framing: lines::Framing::Cri,
            parsers: vec!["json".to_owned()],
            ..lines::Settings::default()
        };
        let plan = Arc::new(Plan::new(settings).unwrap());
        let (mut sources, mut intake) = (Sources::default(), lines::Intake::new());
        let mut out = lines::Records::new();
        let names = ["0.log.20260101-000000.gz", "0.log.20260102-000000", "0.log", "1.log"];
        let mut number = 0;
        let [oldest, older, first, second] = names.map(|name| {
            number += 1;
            let slot = add(&mut sources, number);
            let source = sources.get_mut(slot).unwrap();
            source.path = Path::new("/pods/shop_web-1_0af3/app").join(name).into();
            (source.plan, source.joined) = (plan.clone(), Joined::Instance);
            slot
        });
        for (slot, entry) in [
            (oldest, "P a li"),
            (older, "P ne in "),
            (first, "F three files"),
            (first, "P Segmentation fault"),
            (second, "F {\"level\":\"error\",\"msg\":\"cannot start\"}"),
        ] {
            let bytes = format!("2026-01-02T03:04:05Z stdout {entry}\n").into_bytes();
            sources.with_streams(slot, |source, streams| {
                let (offset, lines) = (source.lines.settled(), &mut source.lines);
                let chunk =
                    lines::Chunk { source: slot, bytes: &bytes, offset, ..lines::Chunk::default() };
                intake.feed(&source.plan, lines, streams, &chunk, &mut out)
            });
        }
        assert!(sources.hold(first).is_some(), "its last words are lost");
        sources.with_streams(first, |source, streams| {
            intake.tick(&source.plan, None, streams, lines::CHAIN_PAUSE, &mut out);
        });
        let found: Vec<_> =
            out.records().iter().map(|one| (one.source, out.body(one), one.severity)).collect();
        let wanted = [
            (first, "a line in three files", 0),
            (second, "cannot start", 17),
            (first, "Segmentation fault", 0),
        ];
        assert_eq!(found, wanted);
        assert_eq!(sources.hold(first), None);
    }

    #[test]
    fn what_no_input_can_render_again_is_kept() {
        let mut sources = Sources::default();
        let slot = add(&mut sources, u32::MAX - 1);
        sources.set_origin(slot, &origin());
        for number in 0..u32::try_from(WARM_MAX).unwrap() * 2 {
            let other = add(&mut sources, number);
            sources.set_origin(other, &origin());
        }
        assert!(sources.origin(slot).is_some());
    }

    #[test]
    fn a_key_leads_to_its_file_until_another_one_has_its_place() {
        let mut sources = Sources::default();
        let old = add(&mut sources, 7);
        let key = FileKey { slot: 7, generation: 1 };
        assert_eq!(
            (sources.find(FileKey { generation: 0, ..key }), sources.find(key)),
            (Some(old), None)
        );
        sources.link(key, 9);
        assert!(sources.remove(old).is_some());
        assert_eq!(
            (sources.find(FileKey { generation: 0, ..key }), sources.find(key)),
            (None, Some(9))
        );
    }
}
