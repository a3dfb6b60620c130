//! A bounded queue between one thread that pushes and one that pops, without locks.
//!
//! Two counters that only grow: `tail` is moved by the pusher alone, `head` by the popper alone. A
//! slot between them belongs to the popper, every other one to the pusher. The capacity is a power
//! of two. The only `unsafe` of this crate is here.

#![expect(unsafe_code, reason = "two threads use the slots in turn, as two counters say")]

use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, Place};

/// Most slots of one queue.
pub(crate) const SLOTS_MAX: usize = 1 << 16;

/// Two counters on one cache line would travel between the cores with every push and pop.
#[derive(Debug)]
#[repr(align(128))]
struct Alone<T>(T);

#[derive(Debug)]
struct Shared<T> {
    slots: Box<[Place<Option<T>>]>,
    head: Alone<AtomicUsize>,
    tail: Alone<AtomicUsize>,
    pusher_gone: AtomicBool,
    popper_gone: AtomicBool,
}

// SAFETY: a `Place` is what makes `Shared` not `Sync` by itself. Each is used by one thread at a
// time: by the pusher while its number is not in head..tail, by the popper while it is. The
// counter that hands it over is stored with `Release` and read with `Acquire`. Values move between
// threads, so `T: Send` is needed and enough.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above; whoever drops the last handle is alone with the slots.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    /// The place of a counter's value.
    fn slot(&self, at: usize) -> Option<&Place<Option<T>>> {
        self.slots.get(at & (self.slots.len() - 1))
    }
}

/// The end that pushes.
#[derive(Debug)]
pub(crate) struct Pusher<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    /// What `head` was when last looked at: it is only read again when the queue looks full.
    head: usize,
}

/// The end that pops.
#[derive(Debug)]
pub(crate) struct Popper<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    tail: usize,
}

/// A queue of at least `slots` places, at least 1 and at most [`SLOTS_MAX`].
pub(crate) fn queue<T>(slots: usize) -> (Pusher<T>, Popper<T>) {
    let slots = slots.clamp(1, SLOTS_MAX).next_power_of_two();
    let shared = Arc::new(Shared {
        slots: (0..slots).map(|_| Place::new(None)).collect(),
        head: Alone(AtomicUsize::new(0)),
        tail: Alone(AtomicUsize::new(0)),
        pusher_gone: AtomicBool::new(false),
        popper_gone: AtomicBool::new(false),
    });
    let popper = Popper { shared: Arc::clone(&shared), head: 0, tail: 0 };
    (Pusher { shared, tail: 0, head: 0 }, popper)
}

impl<T> Pusher<T> {
    /// Whether a push would find room now. Only this end takes room away, so it stays true.
    pub(crate) fn has_room(&mut self) -> bool {
        let slots = self.shared.slots.len();
        if self.tail.wrapping_sub(self.head) < slots {
            return true;
        }
        self.head = self.shared.head.0.load(Ordering::Acquire);
        self.tail.wrapping_sub(self.head) < slots
    }

    /// Whether nobody will pop any more.
    pub(crate) fn popper_gone(&self) -> bool {
        self.shared.popper_gone.load(Ordering::Acquire)
    }

    /// How many values wait.
    pub(crate) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.shared.head.0.load(Ordering::Acquire))
    }

    /// Adds a value, or gives it back when there is no room.
    pub(crate) fn push(&mut self, value: T) -> Result<(), T> {
        if !self.has_room() {
            return Err(value);
        }
        let Some(slot) = self.shared.slot(self.tail) else { return Err(value) };
        slot.with_mut(|place| {
            // SAFETY: `has_room` said that this slot is not in head..tail, so it is ours; the
            // popper's `Release` of `head` was read with `Acquire`, so its reading is over.
            unsafe { *place = Some(value) };
        });
        self.tail = self.tail.wrapping_add(1);
        self.shared.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// Says that nothing will be pushed any more.
    pub(crate) fn leave(&mut self) {
        self.shared.pusher_gone.store(true, Ordering::Release);
    }
}

impl<T> Popper<T> {
    /// Takes the oldest value.
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.head == self.tail {
            self.tail = self.shared.tail.0.load(Ordering::Acquire);
            if self.head == self.tail {
                return None;
            }
        }
        let value = self.shared.slot(self.head)?.with_mut(|place| {
            // SAFETY: the slot is in head..tail, so it is ours; the pusher's `Release` of `tail`
            // was read with `Acquire`, so its writing is over.
            unsafe { (*place).take() }
        });
        self.head = self.head.wrapping_add(1);
        self.shared.head.0.store(self.head, Ordering::Release);
        value
    }

    /// Whether nobody will push any more. What was pushed before is seen by a pop after this.
    pub(crate) fn pusher_gone(&self) -> bool {
        self.shared.pusher_gone.load(Ordering::Acquire)
    }

    /// Says that nothing will be popped any more, and lets go of what is there: what nobody will
    /// read must not wait for the pusher's end.
    pub(crate) fn leave(&mut self) {
        while self.pop().is_some() {}
        self.shared.popper_gone.store(true, Ordering::Release);
    }
}
