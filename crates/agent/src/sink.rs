//! One sink: a thread that takes blocks, makes batches of them, sends each until it is taken, and
//! tells the reader which offsets may be committed.
//!
//! Nothing is dropped here but records that the server refuses when they are sent alone (they go
//! to the dead letters) and records that fit into no request. A dead server is asked again after
//! growing pauses, for ever; meanwhile no block is taken, so the ring fills and reading stops
//! (R20). So it does when one batch is not taken, once much was that came after it (R19). Memory:
//! one batch more than are under way, each bounded by the config.

mod desk;
mod file;
mod transport;
pub(crate) mod zstd;

use crate::block::Block;
use crate::config::{Sink, SinkKind};
use crate::encode::{Encoder, Pushed};
use crate::numbers::SinkNumbers;
use crate::say::Say;
use crate::tracker::Tracker;
use desk::{Current, Desk};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pipeline::ledger::{Batch, FileId};
use pipeline::ring::{Consumer, Lease};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use store::{DeadLetters, State};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transport::Transport;

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

impl Letterbox {
    /// The letters, when nobody else writes one.
    pub(crate) fn letters(&self) -> MutexGuard<'_, DeadLetters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// Whether the sink has not come for it yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).is_some()
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

/// Whether a write to the one that hangs keeps nobody from writing to the other.
pub(crate) fn is_elsewhere(one: &SinkKind, other: &SinkKind) -> bool {
    match (one, other) {
        (SinkKind::File(one), SinkKind::File(other)) => one.path != other.path,
        (SinkKind::Stdout(_), SinkKind::Stdout(_)) => false,
        _ => one != other,
    }
}

/// What a sink's thread is given.
pub(crate) struct SinkTask {
    pub(crate) consumer: Consumer<Block>,
    pub(crate) moves: Arc<Moves>,
    pub(crate) numbers: Arc<SinkNumbers>,
    pub(crate) letterbox: Arc<Letterbox>,
    pub(crate) swap: Arc<Swap>,
    /// Cancelled when nothing more will come and it has a bounded time for what it has.
    pub(crate) last_call: CancellationToken,
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

/// The thread of a sink that waits for its task. Nothing can fail any more when it comes; without
/// one the thread ends.
pub(crate) struct Ready {
    pub(crate) sink: Sink,
    thread: mpsc::Sender<SinkTask>,
}

impl Ready {
    /// Begins.
    pub(crate) fn start(self, task: SinkTask) {
        // It waits for nothing else.
        let _ = self.thread.send(task);
    }
}

/// Makes the thread of a sink.
///
/// # Errors
/// When the sink cannot be used or the thread cannot be started, in words.
pub(crate) fn prepare(sink: &Sink) -> Result<Ready, String> {
    let current = Current::new(sink.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (thread, tasks) = mpsc::channel::<SinkTask>();
    std::thread::Builder::new()
        .name(format!("sink {}", sink.name).chars().take(15).collect())
        .spawn(move || {
            let Ok(task) = tasks.recv() else { return };
            let numbers = task.numbers.clone();
            runtime.block_on(run(current, task));
            numbers.ended.store(true, Ordering::Release);
            // A name that is looked up cannot be told to stop, and nobody waits for it any more.
            runtime.shutdown_background();
        })
        .map_err(|error| error.to_string())?;
    Ok(Ready { sink: sink.clone(), thread })
}

async fn run(current: Current, task: SinkTask) {
    let (mut consumer, moves, abandon) = (task.consumer, task.moves, task.abandon);
    let (numbers, letterbox, swap) = (task.numbers, task.letterbox, task.swap);
    let (last_call, closed_output) = (task.last_call, task.closed_output);
    let changes = Arc::clone(&swap);
    let desk = Desk::new(current, numbers, letterbox, swap, last_call, closed_output, task.say);
    let mut filling = Filling::new(&desk);
    let mut under_way = FuturesUnordered::new();
    let mut moved = Vec::new();
    let mut open = true;
    // A write that hung may end when nobody waits for the sink any more.
    while !abandon.is_cancelled() {
        // It comes for another server at once: one that does not hangs.
        let changed = changes.changed.notified();
        desk.now();
        // Everything that can be done without waiting.
        filling.fill(&desk);
        let may_send =
            under_way.len() < desk.in_flight() && !filling.tracker.is_far_ahead(desk.in_flight());
        if may_send && let Some(sealed) = filling.seal_when(&desk, !open) {
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
            () = changed => {}
            block = poll_fn(|context| consumer.poll_next(context)), if open && filling.wants() => {
                match block {
                    Some(block) => filling.take(block),
                    None => open = false,
                }
            }
            Some(done) = under_way.next(), if !under_way.is_empty() => {
                filling.tracker.acknowledge(done.batch, done.bytes, &mut moved);
                moves.put(&mut moved);
                desk.give_back(done);
            }
            () = sleep_until(due), if due.is_some() && may_send => {
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

/// The batch that is being filled.
struct Filling {
    tracker: Tracker,
    encoder: Encoder,
    /// What the encoder was made for.
    current: Rc<Current>,
    /// The slots of the records' files, each with how many behind each other are its.
    owners: Vec<(u32, u64)>,
    /// How many bytes of files they are.
    bytes: u64,
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
    bytes: u64,
}

impl Filling {
    fn new(desk: &Desk) -> Self {
        Self {
            tracker: Tracker::default(),
            encoder: desk.encoder(),
            current: desk.current(),
            owners: Vec::new(),
            bytes: 0,
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
        while let Some(record) = records.get(at) {
            let Some(source) = block.source(record.source) else {
                at += 1;
                continue;
            };
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
            let rest = records.get(at..).unwrap_or_default();
            let (added, pushed) = self.encoder.push_row(&block, rest, source);
            match self.owners.last_mut() {
                Some((slot, count)) if *slot == record.source => *count += added as u64,
                _ if added > 0 => self.owners.push((record.source, added as u64)),
                _ => {}
            }
            let mut row = rest.get(..added).unwrap_or_default();
            if pushed == Pushed::TooLarge
                && let (Some(with), Some(record)) = (rest.get(..=added), rest.get(added))
            {
                desk.too_large(record.source, record.original_len);
                row = with;
            }
            self.bytes += self.tracker.note(&block, row, batch);
            at += row.len();
            if pushed == Pushed::Full {
                self.full = true;
                break;
            }
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
        let made_for = std::mem::replace(&mut self.current, desk.current());
        (std::mem::replace(&mut self.encoder, desk.encoder()), made_for)
    }

    /// Whether nothing will join the batch before it is due: then there is no point in waiting.
    fn is_alone(&self, block: &Block) -> bool {
        let due = self.due.map(Instant::into_std);
        due.zip(block.quiet_until).is_some_and(|(due, quiet_until)| due <= quiet_until)
    }

    /// The batch, when it should be sent.
    fn seal_when(&mut self, desk: &Desk, end: bool) -> Option<Sealed> {
        let batch = self.batch?;
        if !(self.full || self.overdue || (end && self.block.is_none())) {
            return None;
        }
        (self.batch, self.due) = (None, None);
        (self.full, self.overdue) = (false, false);
        let (mut encoder, current) = self.renew(desk);
        let (mut owners, bytes) =
            (std::mem::take(&mut self.owners), std::mem::take(&mut self.bytes));
        if let Some(order) = encoder.seal() {
            owners = reordered(&owners, &order);
        }
        Some(Sealed { batch, encoder: Arc::new(encoder), current, owners, bytes })
    }
}

/// Whose records are, once they lie in this order.
fn reordered(owners: &[(u32, u64)], order: &[usize]) -> Vec<(u32, u64)> {
    let each = owners.iter().flat_map(|(slot, count)| (0..*count).map(move |_| *slot));
    let each: Vec<u32> = each.collect();
    let slots: Vec<u32> = order.iter().filter_map(|at| each.get(*at)).copied().collect();
    let runs = slots.chunk_by(|one, next| one == next);
    runs.filter_map(|run| Some((*run.first()?, run.len() as u64))).collect()
}

#[cfg(test)]
mod tests;
