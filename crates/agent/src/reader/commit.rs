//! From what sinks have taken to what is written down.
//!
//! A file is committed up to the lowest offset of all sinks. The checkpoint is written durably when
//! something moved, not more often than configured, and at the end; and softly in between, with
//! each window of bytes.

use super::feed::Core;
use super::sources::{Moved, SourceState, Sources};
use super::wall_ns;
use crate::block::Block;
use crate::config::Sink;
use crate::journal::Journals;
use crate::numbers::SinkNumbers;
use crate::sink::{Moves, Swap, is_elsewhere};
use host::tail::{Head, Identity, Marker, Resume, Tailer};
use pipeline::ledger::FileId;
use pipeline::ring::Retirement;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::{Checkpoint, Entry, FileRecord, Loaded, Outcome, State};
use tokio_util::sync::CancellationToken;

/// A checkpoint is due, whatever the time, when as many bytes were delivered since the last one:
/// when the process dies, no more than these and what is on its way is repeated (R19). The disk is
/// not waited for, which would be a wait for as many bytes; so when the machine dies, it is what
/// was delivered since the interval's last checkpoint.
pub(crate) const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// The pause after a checkpoint that could not be written.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// A running sink.
#[derive(Debug)]
pub(crate) struct SinkHandle {
    pub(crate) sink: Sink,
    pub(crate) moves: Arc<Moves>,
    pub(crate) numbers: Arc<SinkNumbers>,
    pub(crate) swap: Arc<Swap>,
    /// Until then it has to come for another place to write to.
    pub(crate) redirected: Option<Instant>,
    /// Nothing more will come: it tries once more at once what it waits with.
    pub(crate) last_call: CancellationToken,
    pub(crate) abandon: CancellationToken,
    /// Ends it in good order.
    pub(crate) retirement: Retirement<Block>,
    /// It is not wanted any more, and has until then to deliver what it was given.
    pub(crate) retired: Option<Instant>,
    /// Where each file stood when it was added by a reload: it is not given what is before that.
    /// Files that are missing were begun after it.
    pub(crate) begins: HashMap<FileId, u64>,
}

impl SinkHandle {
    /// Goes on with another server. Its thread comes for that at once, unless it hangs in a write.
    pub(crate) fn redirect(&mut self, heir: &Sink, at_most: Duration) {
        self.redirected = self.redirected.filter(|_| self.swap.is_waiting());
        if is_elsewhere(&self.sink.kind, &heir.kind) {
            self.redirected.get_or_insert(Instant::now() + at_most);
        }
        self.swap.set(heir.clone());
        self.sink = heir.clone();
    }

    /// Whether it did not come in time for another place to write to.
    pub(crate) fn hangs(&self, now: Instant) -> bool {
        self.retired.is_none()
            && self.redirected.is_some_and(|until| now >= until)
            && self.swap.is_waiting()
    }

    /// Not wanted any more: it is given nothing further, and delivers what it has within a time.
    pub(crate) fn retire(&mut self, at_most: Duration) {
        self.retirement.retire();
        self.last_call.cancel();
        self.retired = Some(Instant::now() + at_most);
    }

    /// Ends it, whatever is under way, and takes back what it did not come for: its thread may hang
    /// in a write for ever, and the others need the room.
    pub(crate) fn give_up(&self) {
        self.abandon.cancel();
        self.retirement.take_back();
    }

    /// Whether its thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.numbers.ended.load(Ordering::Acquire)
    }

    /// Whether it ended because it has delivered all that it was given.
    pub(crate) fn is_done(&self) -> bool {
        self.has_ended() && !self.abandon.is_cancelled()
    }

    /// Whether it is not wanted any more, and done or out of time.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.retired.is_some_and(|until| now >= until || self.is_done())
    }
}

/// Sinks, and what is written down.
pub(crate) struct Books {
    pub(crate) sinks: Vec<SinkHandle>,
    pub(crate) state: Arc<State>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) interval: Duration,
    pub(crate) block_bytes_max: u64,
    /// Files that some sink does not have up to where they were read.
    waiting: Vec<u32>,
    /// Whether there may be news of them.
    news: bool,
    dirty: bool,
    next: Instant,
    /// Bytes that were delivered and are not written down.
    unwritten: u64,
    failed: bool,
    moved: Vec<(FileId, u64)>,
}

impl Books {
    /// Books with nothing in them.
    pub(crate) fn new(
        sinks: Vec<SinkHandle>,
        state: Arc<State>,
        checkpoint: Checkpoint,
        interval: Duration,
        block_bytes_max: u64,
    ) -> Self {
        Self {
            sinks,
            state,
            checkpoint,
            interval,
            block_bytes_max,
            waiting: Vec::new(),
            news: false,
            dirty: false,
            next: Instant::now(),
            unwritten: 0,
            failed: false,
            moved: Vec::new(),
        }
    }

    /// Something changed that is to be written down.
    pub(crate) fn note(&mut self) {
        self.dirty = true;
    }

    /// Sinks that are wanted.
    pub(crate) fn active(&self) -> impl Iterator<Item = &SinkHandle> {
        self.sinks.iter().filter(|sink| sink.retired.is_none())
    }

    /// Whether one of the sinks that are not wanted any more, and are meant, has something left of
    /// a file that no sink has that is wanted.
    fn has_no_heir(&self, sources: &Sources, is_meant: impl Fn(&SinkHandle) -> bool) -> bool {
        let is_missing = |at: usize, slot: u32| {
            let Some(source) = sources.get(slot) else { return false };
            let place = source.moved.all().get(at).copied().unwrap_or_else(|| source.begin());
            let begin = |heir: &SinkHandle| heir.begins.get(&source.id).copied().unwrap_or(0);
            place < source.begin() && !self.active().any(|heir| begin(heir) <= place)
        };
        let gone = self.sinks.iter().enumerate().filter(|(_, sink)| sink.retired.is_some());
        let mut meant = gone.filter(|(_, sink)| is_meant(sink));
        meant.any(|(at, _)| self.waiting.iter().any(|slot| is_missing(at, *slot)))
    }

    /// A file was read further.
    pub(crate) fn wait_for(&mut self, source: &mut SourceState) {
        self.news = true;
        if !std::mem::replace(&mut source.waits, true) {
            self.waiting.push(source.id.slot);
        }
    }

    /// Other sinks. What stays keeps its place in the files' books; what is new begins where the
    /// first records are from that it is given: where reading is, the oldest piece that is not
    /// finished, or a block that is still to be handed on.
    pub(crate) fn change(
        &mut self,
        make: super::control::MakeSinks,
        sources: &mut Sources,
        stuck: Option<&Block>,
    ) {
        let before: Vec<Arc<Moves>> = self.sinks.iter().map(|sink| sink.moves.clone()).collect();
        make(&mut self.sinks);
        let places: Vec<Option<usize>> = self
            .sinks
            .iter()
            .map(|sink| before.iter().position(|moves| Arc::ptr_eq(moves, &sink.moves)))
            .collect();
        let is_new = |place: &Option<usize>| place.is_none();
        for source in sources.iter_mut() {
            let begin = source.begin();
            let known = |place: &Option<usize>| {
                place.and_then(|at| source.moved.all().get(at)).copied().unwrap_or(begin)
            };
            source.moved = Moved::new(places.iter().map(known));
            self.wait_for(source);
        }
        for before in stuck.into_iter().flat_map(|block| &block.sources) {
            let source = sources.get_mut(before.file.slot).filter(|one| one.id == before.file);
            let Some(source) = source else { continue };
            for (at, _) in places.iter().enumerate().filter(|(_, place)| is_new(place)) {
                if let Some(place) = source.moved.get_mut(at) {
                    *place = (*place).min(before.base);
                }
            }
        }
        let new = self.sinks.iter_mut().zip(&places).enumerate();
        for (at, (sink, _)) in new.filter(|(_, (_, place))| is_new(place)) {
            let begin = |source: &SourceState| Some((source.id, *source.moved.all().get(at)?));
            sink.begins = sources.iter().filter_map(begin).collect();
        }
        self.dirty = true;
    }
}

impl Core {
    /// Takes what the sinks have moved.
    pub(crate) fn collect(&mut self, tailer: &mut Tailer, journals: &mut Journals) {
        self.release_retired(Instant::now());
        let books = &mut self.books;
        for (at, sink) in books.sinks.iter().enumerate() {
            sink.moves.take(&mut books.moved);
            books.news |= !books.moved.is_empty();
            for (file, offset) in books.moved.drain(..) {
                let source = self.sources.get_mut(file.slot).filter(|one| one.id == file);
                if let Some(place) = source.and_then(|source| source.moved.get_mut(at)) {
                    *place = (*place).max(offset);
                }
            }
        }
        self.aside.acknowledge(&self.sources, &self.say);
        if !std::mem::take(&mut books.news) {
            return;
        }
        let (mut done, mut settled) = (Vec::new(), Vec::new());
        books.waiting.retain(|slot| {
            let Some(source) = self.sources.get_mut(*slot) else { return false };
            let lowest = source.lowest();
            if lowest > source.committed {
                books.unwritten += lowest - source.committed;
                source.committed = lowest;
                books.dirty = true;
                if !journals.commit(*slot, lowest) && !journals.packed.commit(source.key, lowest) {
                    tailer.commit(source.key, lowest);
                }
            }
            if source.closing && lowest >= source.base {
                done.push(*slot);
                return false;
            }
            let waits = lowest < source.begin();
            if !waits {
                settled.push(*slot);
            }
            waits
        });
        for slot in settled {
            self.sources.settle(slot);
        }
        for slot in done {
            let Some(source) = self.sources.remove(slot) else { continue };
            for sink in &self.books.sinks {
                sink.numbers.balances().forget(slot);
            }
            self.release_pod(&source);
        }
    }

    /// The file does not need what is known of its pod any more.
    fn release_pod(&self, source: &SourceState) {
        let table = self.intents.get(source.input).and_then(|intent| intent.pods.as_ref());
        if let (Some(table), Some(folder)) = (table, source.pod()) {
            table.release(folder);
        }
    }

    /// Forgets all files; gives what is written down of them, as if it were loaded.
    pub(crate) fn into_known(
        mut self,
        tailer: &mut Tailer,
        journals: &Journals,
    ) -> (Checkpoint, Loaded) {
        self.forget_vanishing();
        self.sources.iter().for_each(|source| self.release_pod(source));
        let entries = tailer.records().map(record).chain(journals.entries()).collect();
        (self.books.checkpoint, Loaded { entries, outcome: Outcome::Whole })
    }

    /// Whether a sink that is not wanted any more is the only one that was given what it did not
    /// deliver yet.
    pub(crate) fn has_no_heir(&self) -> bool {
        self.books.has_no_heir(&self.sources, |old| !old.is_done())
    }

    /// Whether such a sink is out of time, or one that hangs was given another place to write to:
    /// what it did not deliver has to be read again.
    pub(crate) fn begins_again(&self, now: Instant) -> bool {
        self.books.sinks.iter().any(|sink| sink.hangs(now))
            || self.books.has_no_heir(&self.sources, |old| old.is_over(now) && !old.is_done())
    }

    /// Whether sinks have not taken everything yet.
    pub(crate) fn is_waiting_for_sinks(&self) -> bool {
        let books = &self.books;
        !books.waiting.is_empty() || books.sinks.iter().any(|sink| sink.retired.is_some())
    }

    /// When a checkpoint is to be written: `now` when a window of bytes has arrived since the last.
    pub(crate) fn checkpoint_due(&self, now: Instant) -> Option<Instant> {
        let books = &self.books;
        let full = books.unwritten >= WINDOW_BYTES && !books.failed;
        books.dirty.then_some(if full { now } else { books.next })
    }

    /// Writes a checkpoint when one is due.
    pub(crate) fn checkpoint_when_due(
        &mut self,
        tailer: &mut Tailer,
        journals: &mut Journals,
        now: Instant,
    ) {
        if self.checkpoint_due(now).is_some_and(|due| now >= due) {
            self.save(tailer, journals, now >= self.books.next);
        }
    }

    /// Writes a durable checkpoint.
    pub(crate) fn checkpoint(&mut self, tailer: &mut Tailer, journals: &mut Journals) {
        self.save(tailer, journals, true);
    }

    fn save(&mut self, tailer: &mut Tailer, journals: &mut Journals, is_durable: bool) {
        let files = tailer.records().map(record);
        let entries = files.chain(journals.entries());
        let books = &mut self.books;
        if !is_durable {
            if books.checkpoint.save_softly(&books.state, wall_ns(), entries).is_ok() {
                books.unwritten = 0;
                self.numbers.checkpoints.add(1);
            } else {
                // On a full disk there may be room where the oldest durable one is.
                self.save(tailer, journals, true);
            }
            return;
        }
        // It may make room.
        let is_let_go = self.aside.let_go(&self.say);
        match books.checkpoint.save(&books.state, wall_ns(), entries) {
            Ok(_) => {
                (books.dirty, books.failed, books.unwritten) = (!is_let_go, false, 0);
                books.next = Instant::now() + books.interval;
                self.numbers.checkpoints.add(1);
            }
            Err(error) => {
                books.failed = true;
                books.next = Instant::now() + FAILURE_PAUSE;
                self.numbers.checkpoint_failures.add(1);
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                self.say.warn(&format!(
                    "{error}{cause}; a restart now would deliver lines twice, none is lost"
                ));
            }
        }
    }

    /// Has every sink try at once what it waits with.
    pub(crate) fn call_sinks(&self) {
        self.books.sinks.iter().for_each(|sink| sink.last_call.cancel());
    }

    /// Whether every sink has ended.
    pub(crate) fn sinks_ended(&self) -> bool {
        self.books.sinks.iter().all(SinkHandle::has_ended)
    }

    /// Whether nothing that was handed on is without an answer.
    pub(super) fn sinks_have_all(&self) -> bool {
        self.books.sinks.iter().all(|sink| sink.numbers.in_flight.get() == 0)
    }

    /// Ends every sink, whatever is under way. Nobody waits for their threads without a bound: one
    /// may hang in a write for ever. It ends with the process, and what it may still deliver was
    /// not acknowledged: it is delivered twice then, and not lost.
    pub(crate) fn abandon_sinks(&self) {
        for sink in self.books.sinks.iter().filter(|sink| !sink.has_ended()) {
            sink.give_up();
        }
    }
}

fn record(resume: Resume) -> Entry {
    Entry::File(FileRecord {
        path: resume.path,
        device: resume.identity.device,
        inode: resume.identity.inode,
        birth_ns: resume.identity.birth_ns,
        handle: resume.identity.handle,
        offset: resume.offset,
        head_len: resume.head.len,
        head: resume.head.hash,
        marker_len: resume.marker.len,
        marker: resume.marker.hash,
    })
}

/// Where a file goes on, as it was written down.
pub(crate) fn resume(record: FileRecord) -> Resume {
    Resume {
        path: record.path,
        identity: Identity {
            device: record.device,
            inode: record.inode,
            birth_ns: record.birth_ns,
            handle: record.handle,
        },
        offset: record.offset,
        head: Head { len: record.head_len, hash: record.head },
        marker: Marker { len: record.marker_len, hash: record.marker },
    }
}
