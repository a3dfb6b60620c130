//! Blocks from one reader to several sinks, within a memory ceiling.
//!
//! Each consumer has a queue of its own and sees every block from when it joined; a block is
//! shared, not copied, and goes back to the reader for reuse when the last one lets go of it.
//! A *lossless* consumer holds the reader up when it is slow or dead; a *lossy* one (somebody who
//! watches) never does: what finds no room is counted and not given to it.
//!
//! Passing a block waits for nobody. Locks are taken to sleep, to wake, to join and to give memory
//! back: each is held for a few instructions. The taking end of a queue is its consumer's until
//! what waits there is taken back ([`Retirement::take_back`]), and a consumer never waits for that.
//!
//! The ceiling: blocks that are alive anywhere, those in a sink's hands included, have at most
//! [`Limits::bytes_max`] bytes together, and with the blocks that wait for reuse at most
//! [`Limits::free_bytes_max`] more. The block that the reader fills is the only one beside. While
//! the reader has much to do, a run of blocks comes back and goes out again without a page of it
//! being given to the system and taken anew; once it rests ([`Producer::rest`]), no more than
//! [`Limits::free_bytes_max`] bytes wait. Sizes are what the reader says when it pushes. No clock:
//! a wait ends when something happened or after about its timeout, sometimes earlier.

use crate::signal::Signal;
use crate::spsc::{self, Popper, Pusher};
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, lock, try_lock};
use std::fmt;
use std::ops::Deref;
use std::task::{Context, Poll};
use std::time::Duration;

/// Most blocks that wait for reuse, whatever their size.
pub const FREE_BLOCKS_MAX: usize = 64;
/// Most blocks in a lossy consumer's queue.
pub const LOSSY_BLOCKS_MAX: usize = 64;

/// How much may be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most blocks in the queue of one consumer; rounded up to a power of two, at most 65,536.
    pub blocks_max: usize,
    /// Most bytes of all blocks that are alive.
    pub bytes_max: u64,
    /// Most bytes of those that lossy consumers hold, each holder counted.
    pub lossy_bytes_max: u64,
    /// Most bytes of blocks that wait for reuse while the reader rests, and most of them beyond
    /// `bytes_max` together with those that are alive.
    pub free_bytes_max: u64,
}

impl Limits {
    /// Limits that keep to one ceiling: an eighth of it is for reuse, the rest for blocks that are
    /// alive, a quarter of which may be held by lossy consumers.
    #[must_use]
    pub const fn for_memory(memory_max_bytes: u64, blocks_max: usize) -> Self {
        let free_bytes_max = memory_max_bytes / 8;
        let bytes_max = memory_max_bytes - free_bytes_max;
        Self { blocks_max, bytes_max, lossy_bytes_max: bytes_max / 4, free_bytes_max }
    }

    /// The largest block that can be pushed at any time: lossy consumers can never take its room.
    #[must_use]
    pub const fn block_bytes_max(&self) -> u64 {
        self.bytes_max.saturating_sub(self.lossy_bytes_max)
    }
}

/// How a consumer is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It sees every block; the reader waits for it.
    Lossless,
    /// Nobody waits for it; what it misses is counted.
    Lossy,
}

/// What all ends share.
struct Core<T: Default> {
    limits: Limits,
    /// Bytes of blocks that are alive. Only the producer adds.
    live: AtomicU64,
    /// Bytes that lossy consumers hold. Only the producer adds.
    lossy: AtomicU64,
    space: Signal,
    free: Mutex<Free<T>>,
    joining: Mutex<Joining<T>>,
    somebody_joins: AtomicBool,
}

struct Free<T> {
    blocks: Vec<(T, u64)>,
    bytes: u64,
    /// Whether the reader has nothing to do.
    rests: bool,
}

impl<T> Free<T> {
    /// How many bytes may wait for reuse beside those of blocks that are alive.
    fn bytes_max(&self, limits: &Limits, live: u64) -> u64 {
        let most = limits.free_bytes_max;
        if self.rests {
            return most;
        }
        limits.bytes_max.saturating_sub(live).saturating_add(most)
    }

    /// Takes out what is more than that.
    fn excess(&mut self, most: u64) -> Vec<(T, u64)> {
        let mut excess = Vec::new();
        while self.bytes > most
            && let Some(block) = self.blocks.pop()
        {
            self.bytes -= block.1;
            excess.push(block);
        }
        excess
    }
}

struct Joining<T: Default> {
    outlets: Vec<Outlet<T>>,
    closed: bool,
}

/// A value and what it counts for.
struct Block<T: Default> {
    value: T,
    bytes: u64,
    core: Arc<Core<T>>,
}

impl<T: Default> Drop for Block<T> {
    fn drop(&mut self) {
        self.core.give_back(std::mem::take(&mut self.value), self.bytes);
        self.core.live.fetch_sub(self.bytes, Ordering::AcqRel);
        self.core.space.notify();
    }
}

impl<T: Default> Core<T> {
    /// A block that still counts as alive goes back.
    fn give_back(&self, value: T, bytes: u64) {
        let mut free = lock(&self.free);
        let live = self.live.load(Ordering::Acquire).saturating_sub(bytes);
        let most = free.bytes_max(&self.limits, live);
        let fits = free.bytes.saturating_add(bytes) <= most;
        if fits && free.blocks.len() < FREE_BLOCKS_MAX {
            free.bytes += bytes;
            free.blocks.push((value, bytes));
            return;
        }
        drop(free);
        drop(value);
    }
}

/// A block in somebody's hands; its memory counts until the last lease of it is dropped.
pub struct Lease<T: Default> {
    block: Arc<Block<T>>,
    lossy: bool,
}

impl<T: Default> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.block.value
    }
}

impl<T: Default> Drop for Lease<T> {
    fn drop(&mut self) {
        if self.lossy {
            self.block.core.lossy.fetch_sub(self.block.bytes, Ordering::AcqRel);
        }
    }
}

impl<T: Default + fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block.value.fmt(f)
    }
}

/// The producer's end of one queue.
struct Outlet<T: Default> {
    pusher: Pusher<Lease<T>>,
    items: Arc<Signal>,
    missed: Arc<AtomicU64>,
    mode: Mode,
    retired: Arc<AtomicBool>,
}

/// Ends a consumer in good order: it is given no further blocks, sees those that it has, and then
/// the end. Or without it: what waits for it is taken back.
pub struct Retirement<T: Default> {
    core: Arc<Core<T>>,
    popper: Arc<Mutex<Popper<Lease<T>>>>,
    retired: Arc<AtomicBool>,
}

impl<T: Default> Retirement<T> {
    /// From the producer's next look on.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Retires it and lets go of all blocks in its queue: its thread may hang and never come for
    /// them. What it took before is still its own.
    pub fn take_back(&self) {
        self.retire();
        lock(&self.popper).leave();
        self.core.space.notify();
    }
}

impl<T: Default> fmt::Debug for Retirement<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Retirement").field(&self.retired).finish()
    }
}

impl<T: Default> Drop for Outlet<T> {
    fn drop(&mut self) {
        self.pusher.leave();
        self.items.notify();
    }
}

/// Why a block was not taken; it is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// A lossless consumer's queue or the memory is full: wait and try again.
    Full(T),
    /// It is larger than [`Limits::block_bytes_max`] and would never fit.
    TooLarge(T),
}

/// Who got a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Lossless consumers.
    pub lossless: usize,
    /// Lossy consumers.
    pub lossy: usize,
    /// Lossy consumers that had no room.
    pub missed: usize,
}

/// The reader's end. When it is dropped, consumers see what is left and then the end.
pub struct Producer<T: Default> {
    core: Arc<Core<T>>,
    outlets: Vec<Outlet<T>>,
    lossless_gone: usize,
}

/// A handle that lets consumers join from any thread.
pub struct Subscriber<T: Default>(Arc<Core<T>>);

impl<T: Default> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A ring without consumers.
#[must_use]
pub fn ring<T: Default + Send + Sync>(limits: Limits) -> (Producer<T>, Subscriber<T>) {
    let core = Arc::new(Core {
        limits,
        live: AtomicU64::new(0),
        lossy: AtomicU64::new(0),
        space: Signal::new(),
        free: Mutex::new(Free {
            blocks: Vec::with_capacity(FREE_BLOCKS_MAX),
            bytes: 0,
            rests: true,
        }),
        joining: Mutex::new(Joining { outlets: Vec::new(), closed: false }),
        somebody_joins: AtomicBool::new(false),
    });
    let subscriber = Subscriber(Arc::clone(&core));
    (Producer { core, outlets: Vec::new(), lossless_gone: 0 }, subscriber)
}

impl<T: Default> Subscriber<T> {
    /// A consumer that sees what is pushed from now on. After the producer's end it sees the end.
    #[must_use]
    pub fn subscribe(&self, mode: Mode) -> Consumer<T> {
        let blocks = self.0.limits.blocks_max;
        let (pusher, popper) = spsc::queue(match mode {
            Mode::Lossless => blocks,
            Mode::Lossy => blocks.min(LOSSY_BLOCKS_MAX),
        });
        let (items, missed) = (Arc::new(Signal::new()), Arc::new(AtomicU64::new(0)));
        let retired = Arc::new(AtomicBool::new(false));
        let outlet = Outlet {
            pusher,
            items: Arc::clone(&items),
            missed: Arc::clone(&missed),
            mode,
            retired: Arc::clone(&retired),
        };
        let mut joining = lock(&self.0.joining);
        if joining.closed {
            drop(joining);
            drop(outlet);
        } else {
            joining.outlets.push(outlet);
            drop(joining);
            self.0.somebody_joins.store(true, Ordering::Release);
        }
        let popper = Arc::new(Mutex::new(popper));
        Consumer { core: Arc::clone(&self.0), popper, items, missed, retired }
    }

    /// Bytes of all blocks that are alive now.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.0.live.load(Ordering::Acquire)
    }

    /// Bytes of blocks that wait for reuse now.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        lock(&self.0.free).bytes
    }
}

impl<T: Default> Producer<T> {
    /// A block to fill: one that was used before, or a new one. What is in it is not cleared.
    #[must_use]
    pub fn buffer(&mut self) -> T {
        let mut free = lock(&self.core.free);
        let Some((value, bytes)) = free.blocks.pop() else {
            drop(free);
            return T::default();
        };
        free.bytes -= bytes;
        value
    }

    /// Whether a block of this size would be taken now.
    pub fn has_room(&mut self, bytes: u64) -> bool {
        self.admit();
        let live = self.core.live.load(Ordering::Acquire);
        live.saturating_add(bytes) <= self.core.limits.bytes_max
            && self
                .outlets
                .iter_mut()
                .filter(|outlet| outlet.mode == Mode::Lossless)
                .all(|outlet| outlet.pusher.has_room())
    }

    /// Waits for room for a block of this size and says whether there is some.
    pub fn wait_for_room(&mut self, bytes: u64, timeout: Duration) -> bool {
        let core = Arc::clone(&self.core);
        core.space.wait(timeout, || self.has_room(bytes).then_some(())).is_some()
    }

    /// Gives a block to all consumers; `bytes` is the memory that it keeps.
    ///
    /// # Errors
    /// When there is no room, or never will be; the block comes back.
    pub fn try_push(&mut self, value: T, bytes: u64) -> Result<Delivered, Refused<T>> {
        if bytes > self.core.limits.block_bytes_max() {
            return Err(Refused::TooLarge(value));
        }
        if !self.has_room(bytes) {
            return Err(Refused::Full(value));
        }
        let live = self.core.live.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes);
        self.settle(live, false);
        let block = Arc::new(Block { value, bytes, core: Arc::clone(&self.core) });
        let mut delivered = Delivered::default();
        for outlet in &mut self.outlets {
            let lossy = outlet.mode == Mode::Lossy;
            if lossy {
                let held = self.core.lossy.load(Ordering::Acquire);
                let fits = held.saturating_add(bytes) <= self.core.limits.lossy_bytes_max;
                if !fits || !outlet.pusher.has_room() {
                    outlet.missed.fetch_add(1, Ordering::Relaxed);
                    delivered.missed += 1;
                    continue;
                }
                self.core.lossy.fetch_add(bytes, Ordering::AcqRel);
            }
            let lease = Lease { block: Arc::clone(&block), lossy };
            if outlet.pusher.push(lease).is_ok() {
                outlet.items.notify();
                *(if lossy { &mut delivered.lossy } else { &mut delivered.lossless }) += 1;
            }
        }
        Ok(delivered)
    }

    /// The same, after waiting for room at most about this long.
    ///
    /// # Errors
    /// As [`Producer::try_push`].
    pub fn push(
        &mut self,
        value: T,
        bytes: u64,
        timeout: Duration,
    ) -> Result<Delivered, Refused<T>> {
        if bytes <= self.core.limits.block_bytes_max() {
            self.wait_for_room(bytes, timeout);
        }
        self.try_push(value, bytes)
    }

    /// The reader has nothing to do for now: what waits for reuse beyond [`Limits::free_bytes_max`]
    /// is let go, now and when it comes back. The next push ends the rest.
    pub fn rest(&mut self) {
        self.settle(0, true);
    }

    fn settle(&self, live: u64, rests: bool) {
        let mut free = lock(&self.core.free);
        free.rests = rests;
        let most = free.bytes_max(&self.core.limits, live);
        let excess = free.excess(most);
        drop(free);
        drop(excess);
    }

    /// How many blocks the fullest lossless queue has.
    #[must_use]
    pub fn depth(&self) -> usize {
        let lossless = self.outlets.iter().filter(|outlet| outlet.mode == Mode::Lossless);
        lossless.map(|outlet| outlet.pusher.len()).max().unwrap_or(0)
    }

    /// Bytes of all blocks: of those that are alive and of those that wait for reuse.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        // Before those that are alive: a block that comes back meanwhile is counted once at most.
        let free = lock(&self.core.free).bytes;
        free + self.core.live.load(Ordering::Acquire)
    }

    /// How many lossless consumers were dropped. A sink that ended on purpose is known to whoever
    /// ended it; any other means that blocks were thrown away unread.
    #[must_use]
    pub const fn lossless_gone(&self) -> usize {
        self.lossless_gone
    }

    /// Takes in who joined and lets go who left or is retired; every push does that, too.
    pub fn look(&mut self) {
        self.admit();
    }

    /// Takes in who joined and forgets who left.
    fn admit(&mut self) {
        if self.core.somebody_joins.load(Ordering::Acquire) {
            let mut joining = lock(&self.core.joining);
            self.core.somebody_joins.store(false, Ordering::Relaxed);
            self.outlets.append(&mut joining.outlets);
        }
        let gone = &mut self.lossless_gone;
        self.outlets.retain(|outlet| {
            let leaves = outlet.pusher.popper_gone();
            let retired = outlet.retired.load(Ordering::Acquire);
            *gone += usize::from(leaves && !retired && outlet.mode == Mode::Lossless);
            !leaves && !retired
        });
    }
}

impl<T: Default> Drop for Producer<T> {
    fn drop(&mut self) {
        let mut joining = lock(&self.core.joining);
        joining.closed = true;
        let late = std::mem::take(&mut joining.outlets);
        drop(joining);
        drop(late);
    }
}

/// What a consumer gets.
#[derive(Debug)]
pub enum Next<T: Default> {
    /// The next block.
    Block(Lease<T>),
    /// Nothing yet.
    Empty,
    /// Everything was seen and nothing will follow.
    Closed,
}

/// One reader of the ring.
pub struct Consumer<T: Default> {
    core: Arc<Core<T>>,
    popper: Arc<Mutex<Popper<Lease<T>>>>,
    items: Arc<Signal>,
    missed: Arc<AtomicU64>,
    retired: Arc<AtomicBool>,
}

impl<T: Default> Consumer<T> {
    /// Ends it, from wherever.
    #[must_use]
    pub fn retirement(&self) -> Retirement<T> {
        let (core, popper) = (Arc::clone(&self.core), Arc::clone(&self.popper));
        Retirement { core, popper, retired: Arc::clone(&self.retired) }
    }

    /// The next block, without waiting.
    pub fn try_next(&mut self) -> Next<T> {
        // It is taken back just now; the producer tells of the end when it lets go of the queue.
        let Some(mut popper) = try_lock(&self.popper) else { return Next::Empty };
        if let Some(lease) = popper.pop() {
            drop(popper);
            self.core.space.notify();
            return Next::Block(lease);
        }
        if !popper.pusher_gone() {
            return Next::Empty;
        }
        // What was pushed before the producer left is visible now.
        match popper.pop() {
            Some(lease) => Next::Block(lease),
            None => Next::Closed,
        }
    }

    /// The next block; [`Next::Empty`] when nothing came in about this time.
    pub fn next(&mut self, timeout: Duration) -> Next<T> {
        let items = Arc::clone(&self.items);
        let found = items.wait(timeout, || match self.try_next() {
            Next::Empty => None,
            next => Some(next),
        });
        found.unwrap_or(Next::Empty)
    }

    /// The next block for a task; nothing at the end.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Lease<T>>> {
        let items = Arc::clone(&self.items);
        let found = items.poll(context.waker(), || match self.try_next() {
            Next::Empty => None,
            Next::Block(lease) => Some(Some(lease)),
            Next::Closed => Some(None),
        });
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// How many blocks a lossy consumer missed since it joined.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl<T: Default> Drop for Consumer<T> {
    fn drop(&mut self) {
        lock(&self.popper).leave();
        self.core.space.notify();
    }
}

#[cfg(test)]
mod tests;
