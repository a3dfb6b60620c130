//! One sink: a thread that takes blocks, makes batches of them, sends each until it is taken, and
//! tells the reader which offsets may be committed.
//!
//! Nothing is dropped here but records that the server refuses when they are sent alone (they go
//! to the dead letters) and records that fit into no request. A dead server is asked again after
//! growing pauses, for ever; meanwhile no block is taken, so the ring fills and reading stops
//! (R20). Memory: one batch more than are under way, each bounded by the config.

mod file;
mod transport;
mod zstd;

use crate::block::Block;
use crate::config::{self, Format, Sink, SinkKind};
use crate::encode::{Encoder, Pushed};
use crate::numbers::SinkNumbers;
use crate::say::Say;
use crate::tracker::Tracker;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pipeline::batch::{Backoff, BackoffPolicy, Bisect, Class, Outcome, Verdict};
use pipeline::ledger::{Batch, FileId};
use pipeline::ring::{Consumer, Lease};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use store::{DeadLetter, DeadLetters, State};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transport::{Answer, Buffers, Compressor, Transport};

/// Records put aside in a row, with none taken between them, from which on the server is taken to
/// be wrong and not the records.
pub(crate) const PUT_ASIDE_RUN_MAX: u64 = 100;

/// Offsets that a sink has moved, for the reader to collect.
#[derive(Debug, Default)]
pub(crate) struct Moves(Mutex<Vec<(FileId, u64)>>);

impl Moves {
    /// What moved since the last time.
    pub(crate) fn take(&self, into: &mut Vec<(FileId, u64)>) {
        into.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn put(&self, moved: &mut Vec<(FileId, u64)>) {
        if !moved.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).append(moved);
        }
    }
}

/// Where letters go.
#[derive(Debug)]
pub(crate) struct Letterbox {
    pub(crate) state: Arc<State>,
    pub(crate) letters: Mutex<DeadLetters>,
}

/// Another server for a sink that goes on: what is under way goes there with its next try.
#[derive(Debug, Default)]
pub(crate) struct Swap {
    next: Mutex<Option<Sink>>,
    changed: Notify,
}

impl Swap {
    /// From now on records go there.
    pub(crate) fn set(&self, sink: Sink) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
        self.changed.notify_waiters();
    }

    fn take(&self) -> Option<Sink> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether batches for one kind of sink are batches for the other, too.
pub(crate) fn same_format(one: &SinkKind, other: &SinkKind) -> bool {
    use SinkKind::{File, Loki, OtlpGrpc, OtlpHttp, Stdout};
    match (one, other) {
        (OtlpHttp(_) | OtlpGrpc(_), OtlpHttp(_) | OtlpGrpc(_))
        | (File(_) | Stdout(_), File(_) | Stdout(_)) => true,
        (Loki(_, one), Loki(_, other)) => one == other,
        _ => false,
    }
}

/// What a sink's thread is given.
pub(crate) struct SinkTask {
    pub(crate) sink: Sink,
    pub(crate) consumer: Consumer<Block>,
    pub(crate) moves: Arc<Moves>,
    pub(crate) numbers: Arc<SinkNumbers>,
    pub(crate) letterbox: Arc<Letterbox>,
    pub(crate) swap: Arc<Swap>,
    /// Ends it, whatever is under way.
    pub(crate) abandon: CancellationToken,
    /// Cancelled when standard output is closed on the other side.
    pub(crate) closed_output: CancellationToken,
    pub(crate) say: Say,
}

/// Whether a sink can be used.
///
/// # Errors
/// When it cannot, in words.
pub(crate) fn check(sink: &Sink) -> Result<(), String> {
    Transport::new(&sink.kind).map(drop)
}

/// Starts the thread of a sink.
///
/// # Errors
/// When the sink cannot be used or the thread cannot be started, in words.
pub(crate) fn start(task: SinkTask) -> Result<(), String> {
    // Tried here, so that what is wrong is told at once; made again there, where it lives.
    check(&task.sink)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    std::thread::Builder::new()
        .name(format!("sink {}", task.sink.name).chars().take(15).collect())
        .spawn(move || {
            let numbers = task.numbers.clone();
            runtime.block_on(run(task));
            numbers.ended.store(true, Ordering::Release);
            // A name that is looked up cannot be told to stop, and nobody waits for it any more.
            runtime.shutdown_background();
        })
        .map(drop)
        .map_err(|error| error.to_string())
}

async fn run(task: SinkTask) {
    let Some(current) = Current::new(task.sink) else { return };
    let (mut consumer, moves, abandon) = (task.consumer, task.moves, task.abandon);
    let desk = Desk {
        name: current.sink.name.clone(),
        current: RefCell::new(Rc::new(current)),
        numbers: task.numbers,
        letterbox: task.letterbox,
        swap: task.swap,
        closed_output: task.closed_output,
        say: task.say,
        run_of_refusals: Cell::new(0),
        random: Cell::new(seed()),
        spare: RefCell::default(),
        buffers: Buffers::default(),
    };
    let mut filling = Filling::new(&desk);
    let mut under_way = FuturesUnordered::new();
    let mut moved = Vec::new();
    let mut open = true;
    loop {
        // Everything that can be done without waiting.
        filling.fill(&desk);
        if let Some(sealed) = filling.seal_when(&desk, under_way.len(), !open) {
            under_way.push(desk.deliver(sealed));
            continue;
        }
        filling.tracker.moves(&mut moved);
        moves.put(&mut moved);
        if !open && filling.is_empty() && under_way.is_empty() {
            return;
        }
        let due = filling.due;
        tokio::select! {
            () = abandon.cancelled() => return,
            block = poll_fn(|context| consumer.poll_next(context)), if open && filling.wants() => {
                match block {
                    Some(block) => filling.take(block),
                    None => open = false,
                }
            }
            Some(done) = under_way.next(), if !under_way.is_empty() => {
                filling.tracker.acknowledge(done.batch, &mut moved);
                moves.put(&mut moved);
                desk.give_back(done);
            }
            () = sleep_until(due), if due.is_some() && under_way.len() < desk.in_flight() => {
                filling.overdue = true;
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Differs from process to process; only spreads retries over time.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    pipeline::hash::mix(now.as_nanos() as u64, u64::from(std::process::id()))
}

/// The batch that is being filled.
struct Filling {
    tracker: Tracker,
    encoder: Encoder,
    /// What the encoder was made for.
    current: Rc<Current>,
    /// The slots of the records' files, each with how many behind each other are its.
    owners: Vec<(u32, u64)>,
    batch: Option<Batch>,
    /// When it is sent although it is not full.
    due: Option<Instant>,
    /// A block that is not used up, and the next record of it.
    block: Option<(Arc<Lease<Block>>, usize)>,
    full: bool,
    overdue: bool,
}

/// A batch on its way.
struct Sealed {
    batch: Batch,
    /// Shared with a body that is being sent.
    encoder: Arc<Encoder>,
    current: Rc<Current>,
    owners: Vec<(u32, u64)>,
}

impl Filling {
    fn new(desk: &Desk) -> Self {
        Self {
            tracker: Tracker::default(),
            encoder: desk.encoder(),
            current: desk.current.borrow().clone(),
            owners: Vec::new(),
            batch: None,
            due: None,
            block: None,
            full: false,
            overdue: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.block.is_none() && self.encoder.len() == 0
    }

    /// Whether another block can be taken.
    fn wants(&self) -> bool {
        self.block.is_none() && !self.full
    }

    fn take(&mut self, block: Lease<Block>) {
        self.tracker.see(&block);
        self.block = Some((Arc::new(block), 0));
    }

    /// Moves records of the block into the batch.
    fn fill(&mut self, desk: &Desk) {
        if self.full {
            return;
        }
        let Some((block, mut at)) = self.block.take() else { return };
        let records = block.records.records();
        let mut source = None;
        while let Some(record) = records.get(at) {
            let known = match source.take() {
                Some(known) if slot_of(known) == record.source => Some(known),
                _ => block.source(record.source),
            };
            let Some(known) = known else {
                at += 1;
                continue;
            };
            source = Some(known);
            if self.batch.is_none() {
                // With too many batches that wait, this one waits to be begun.
                let Ok(batch) = self.tracker.begin() else { break };
                self.batch = Some(batch);
                let now = desk.now();
                self.due = Some(Instant::now() + now.sink.batch.wait);
                if !Rc::ptr_eq(&now, &self.current) {
                    self.renew(desk);
                }
            }
            let Some(batch) = self.batch else { break };
            match self.encoder.push(&block, record, known) {
                Pushed::Added => match self.owners.last_mut() {
                    Some((slot, count)) if *slot == record.source => *count += 1,
                    _ => self.owners.push((record.source, 1)),
                },
                Pushed::Full => {
                    self.full = true;
                    break;
                }
                Pushed::TooLarge => desk.too_large(record.source, record.original_len),
            }
            self.tracker.note(&block, record, batch);
            at += 1;
        }
        if at >= records.len() {
            self.tracker.finish(&block);
            self.overdue |= self.is_alone(&block);
        } else {
            self.block = Some((block, at));
        }
    }

    /// An encoder for where records go now, and the one before with what that was made for.
    fn renew(&mut self, desk: &Desk) -> (Encoder, Rc<Current>) {
        let made_for = std::mem::replace(&mut self.current, desk.current.borrow().clone());
        (std::mem::replace(&mut self.encoder, desk.encoder()), made_for)
    }

    /// Whether nothing will join the batch before it is due: then there is no point in waiting.
    fn is_alone(&self, block: &Block) -> bool {
        let due = self.due.map(Instant::into_std);
        due.zip(block.quiet_until).is_some_and(|(due, quiet_until)| due <= quiet_until)
    }

    /// The batch, when it should be sent and may be.
    fn seal_when(&mut self, desk: &Desk, under_way: usize, end: bool) -> Option<Sealed> {
        let batch = self.batch?;
        let wanted = self.full || self.overdue || (end && self.block.is_none());
        if !wanted || under_way >= desk.in_flight() {
            return None;
        }
        (self.batch, self.due) = (None, None);
        (self.full, self.overdue) = (false, false);
        let (mut encoder, current) = self.renew(desk);
        encoder.seal();
        let owners = std::mem::take(&mut self.owners);
        Some(Sealed { batch, encoder: Arc::new(encoder), current, owners })
    }
}

/// Whose the records in a part of a batch are.
fn owners(runs: &[(u32, u64)], part: Range<usize>) -> impl Iterator<Item = (u32, u64)> {
    let (from, to) = (part.start as u64, part.end as u64);
    let mut start = 0;
    runs.iter().filter_map(move |(slot, count)| {
        let (begin, end) = (start.max(from), (start + count).min(to));
        start += count;
        (begin < end).then(|| (*slot, end - begin))
    })
}

fn slot_of(source: &crate::block::Source) -> u32 {
    source.file.slot
}

/// Where records go now, and how.
struct Current {
    sink: Sink,
    transport: Transport,
    compressor: Compressor,
    backoff: BackoffPolicy,
}

impl Current {
    fn new(sink: Sink) -> Option<Self> {
        Some(Self {
            transport: Transport::new(&sink.kind).ok()?,
            compressor: Compressor::new(&sink.kind),
            backoff: BackoffPolicy {
                first: config::BACKOFF_FIRST,
                max: transport::backoff_max(&sink.kind),
            },
            sink,
        })
    }
}

/// What deliveries share.
struct Desk {
    name: String,
    current: RefCell<Rc<Current>>,
    numbers: Arc<SinkNumbers>,
    letterbox: Arc<Letterbox>,
    swap: Arc<Swap>,
    closed_output: CancellationToken,
    say: Say,
    /// Records put aside since the last one that was taken.
    run_of_refusals: Cell<u64>,
    random: Cell<u64>,
    spare: RefCell<Vec<Encoder>>,
    buffers: Buffers,
}

impl Desk {
    /// Where records go now; a reload may have said otherwise.
    fn now(&self) -> Rc<Current> {
        if let Some(current) = self.swap.take().and_then(Current::new) {
            *self.current.borrow_mut() = Rc::new(current);
            self.run_of_refusals.set(0);
            self.spare.borrow_mut().clear();
        }
        self.current.borrow().clone()
    }

    fn in_flight(&self) -> usize {
        transport::in_flight_max(&self.current.borrow().sink.kind)
    }

    fn encoder(&self) -> Encoder {
        if let Some(spare) = self.spare.borrow_mut().pop() {
            return spare;
        }
        let sink = &self.current.borrow().sink;
        match &sink.kind {
            SinkKind::OtlpHttp(_) | SinkKind::OtlpGrpc(_) => Encoder::otlp(sink.batch),
            SinkKind::Loki(_, labels) => Encoder::loki(sink.batch, labels.clone()),
            SinkKind::File(file) => Encoder::lines(sink.batch, file.format),
            SinkKind::Stdout(members) => Encoder::lines(sink.batch, Format::Json(*members)),
        }
    }

    /// An encoder is used again, unless a reload has said otherwise since it was made.
    fn give_back(&self, sealed: Sealed) {
        if !Rc::ptr_eq(&sealed.current, &*self.current.borrow()) {
            return;
        }
        // A body that was answered before it was sent may still be somewhere.
        let Some(mut encoder) = Arc::into_inner(sealed.encoder) else { return };
        encoder.clear();
        if self.spare.borrow().len() < self.in_flight() {
            self.spare.borrow_mut().push(encoder);
        }
    }

    fn too_large(&self, slot: u32, bytes: u64) {
        self.numbers.oversize.add(1);
        self.numbers.in_flight.sub(1);
        self.numbers.balances().file(slot).too_large(1);
        let sink = &self.name;
        self.say.warn(&format!(
            "sink `{sink}`: a record of {bytes} bytes fits into no request and is left out; raise \
             `batch.bytes`"
        ));
    }

    /// A number for spreading pauses.
    fn random(&self) -> u64 {
        let next = pipeline::hash::mix(self.random.get(), 1);
        self.random.set(next);
        next
    }

    /// Sends a batch until every record of it is taken or put aside.
    async fn deliver(&self, sealed: Sealed) -> Sealed {
        let mut bisect = Bisect::new(sealed.encoder.len());
        let mut backoff = Backoff::new(self.now().backoff);
        while let Some(part) = bisect.next() {
            let answer = self.send(&sealed.encoder, part.clone()).await;
            self.numbers.requests.add(1);
            self.numbers.wire_bytes.add(answer.wire_bytes);
            let class = self.believed(answer.class);
            let outcome = match class {
                Class::Accepted => {
                    self.accepted(&sealed, part, &answer);
                    backoff.succeeded();
                    Outcome::Accepted
                }
                Class::Poisoned => Outcome::Poisoned,
                Class::TooLarge => Outcome::TooLarge,
                Class::Retry { after } => self.pause(&mut backoff, after, &answer).await,
                _ => self.pause(&mut backoff, Some(self.now().backoff.max), &answer).await,
            };
            match bisect.report(outcome) {
                Verdict::Continue => {}
                Verdict::Quarantine(at) | Verdict::Oversize(at) => {
                    self.put_aside(&sealed, at, &answer.words);
                }
            }
        }
        sealed
    }

    async fn send(&self, encoder: &Arc<Encoder>, part: Range<usize>) -> Answer {
        let now = self.now();
        let written = match &**encoder {
            Encoder::Lines(one) => now.transport.write([one.lines(part.clone())].into_iter()),
            Encoder::Text(one) => now.transport.write(one.pieces(part.clone())),
            Encoder::Otlp(_) | Encoder::Loki(_) => None,
        };
        if let Some(answer) = written {
            return answer;
        }
        match now.compressor.pack(encoder, part, &self.buffers) {
            Ok(packed) => {
                self.numbers.bytes.add(packed.bytes);
                now.transport.send(packed).await
            }
            Err(words) => Answer::retry(words),
        }
    }

    /// A server that refuses one record after the other and takes none is not what we think it
    /// is: that is a mistake in a config, and must not cost records.
    fn believed(&self, class: Class) -> Class {
        let refuses = matches!(class, Class::Poisoned | Class::TooLarge);
        if refuses && self.run_of_refusals.get() >= PUT_ASIDE_RUN_MAX {
            return Class::Misdirected;
        }
        class
    }

    fn accepted(&self, sealed: &Sealed, part: Range<usize>, answer: &Answer) {
        self.run_of_refusals.set(0);
        let (sink, records) = (&self.name, part.len() as u64);
        let rejected = answer.rejected.min(records);
        self.numbers.sent.add(records - rejected);
        self.numbers.quarantined.add(rejected);
        self.numbers.in_flight.sub(records);
        // A server does not say which records it left out: the first ones count as those.
        let mut left_out = rejected;
        let mut balances = self.numbers.balances();
        for (slot, count) in owners(&sealed.owners, part) {
            let aside = left_out.min(count);
            left_out -= aside;
            let balance = balances.file(slot);
            balance.put_aside(aside);
            balance.acknowledged(count - aside);
        }
        drop(balances);
        if rejected > 0 {
            self.say.warn(&format!(
                "sink `{sink}` took a batch and left out {rejected} records of it: {}",
                answer.words
            ));
        }
        if self.numbers.succeeded() {
            self.say.info(&format!("sink `{sink}` takes records again"));
        }
    }

    async fn pause(
        &self,
        backoff: &mut Backoff,
        asked: Option<Duration>,
        answer: &Answer,
    ) -> Outcome {
        let sink = &self.name;
        if matches!(self.current.borrow().sink.kind, SinkKind::Stdout(_))
            && answer.words.contains("roken pipe")
        {
            self.closed_output.cancel();
        }
        if self.numbers.failed(&answer.words) {
            self.say.warn(&format!(
                "sink `{sink}` takes nothing now: {}; it is tried again, and reading waits",
                answer.words
            ));
        }
        let pause = backoff.after_failure(asked, self.random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Another server may be well.
            () = self.swap.changed.notified() => {}
        }
        Outcome::Again
    }

    fn put_aside(&self, sealed: &Sealed, at: usize, reason: &str) {
        self.run_of_refusals.set(self.run_of_refusals.get() + 1);
        self.numbers.quarantined.add(1);
        self.numbers.in_flight.sub(1);
        if let Some((slot, _)) = owners(&sealed.owners, at..at + 1).next() {
            self.numbers.balances().file(slot).put_aside(1);
        }
        let mut record = Vec::new();
        sealed.encoder.letter(at, &mut record);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let letter = DeadLetter {
            time_ns: now.as_nanos() as u64,
            sink: &self.name,
            reason,
            record: record.trim_ascii_end(),
        };
        let mut letters = self.letterbox.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let sink = &self.name;
        match letters.write(&self.letterbox.state, &letter) {
            Ok(()) => {
                self.numbers.letters.add(1);
                self.say.warn(&format!(
                    "sink `{sink}` refuses a record for good, it is in the dead letters: {reason}"
                ));
            }
            Err(error) => self
                .say
                .warn(&format!("sink `{sink}` refuses a record for good, and it is lost: {error}")),
        }
    }
}

#[cfg(test)]
mod tests;
