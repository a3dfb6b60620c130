//! Thinning what floods: the first few of a window pass, then one of so many.
//!
//! A fixed table of [`SLOTS`] × 8 bytes. A slot holds 36 bits of a hash, the number of its window
//! and how many records it saw; another hash in the same place takes the slot over and starts at
//! one, so that a collision keeps too much, never too little (two ids whose 52 bits of hash are
//! equal are one to us: with a million ids in a second the odds of that are one in nine thousand).
//! Windows are one second and not aligned with anything outside.
//!
//! Of what exceeds the burst, exactly every tenth (or as the rule says) is kept, and stands for
//! ten. With which one of the first ten that begins depends on the hash and the window, so that
//! the counts of kept records add up to the truth on average even for floods that end early.

use crate::hash;

/// Places in the table.
pub const SLOTS: usize = 1 << 16;
/// Length of a window in nanoseconds.
pub const WINDOW_NS: u64 = 1_000_000_000;
/// Largest burst and largest divisor of a rule.
pub const RULE_MAX: u16 = 1_000;

const SLOT_BITS: u32 = 16;
const COUNT_BITS: u32 = 16;
const WINDOW_BITS: u32 = 12;
/// Windows after which their numbers repeat; the table is emptied then.
const WINDOWS: u64 = 1 << WINDOW_BITS;
const COUNT_MAX: u16 = u16::MAX;

/// How much of a key passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRule {
    /// Records a second that all pass.
    burst: u16,
    /// Of what is over, one of so many passes.
    one_in: u16,
}

impl RateRule {
    /// More than five a second are thinned to a tenth.
    pub const HOT_TRACE: Self = Self { burst: 5, one_in: 10 };

    /// A rule: `burst` records a second pass, then one of `one_in`. Nothing when one of them is 0
    /// or over [`RULE_MAX`].
    #[must_use]
    pub fn new(burst: u16, one_in: u16) -> Option<Self> {
        let fits = |number: u16| (1..=RULE_MAX).contains(&number);
        (fits(burst) && fits(one_in)).then_some(Self { burst, one_in })
    }
}

/// The counts of one rule.
#[derive(Debug)]
pub(crate) struct RateTable {
    rule: RateRule,
    seed: u64,
    /// Which run of [`WINDOWS`] windows the table is about.
    epoch: u64,
    slots: Box<[u64]>,
}

impl RateTable {
    pub(crate) fn new(rule: RateRule, seed: u64) -> Self {
        Self { rule, seed, epoch: 0, slots: vec![0; SLOTS].into_boxed_slice() }
    }

    pub(crate) const fn memory(&self) -> usize {
        self.slots.len() * size_of::<u64>()
    }

    /// For how many the record stands when it passes; nothing when it is dropped.
    #[inline]
    pub(crate) fn admit(&mut self, hash: u64, now_ns: u64) -> Option<u16> {
        let window = now_ns / WINDOW_NS;
        if window / WINDOWS != self.epoch {
            self.epoch = window / WINDOWS;
            self.slots.fill(0);
        }
        let place = usize::try_from(hash & (SLOTS as u64 - 1)).unwrap_or(0);
        let slot = self.slots.get_mut(place)?;
        // Tag and window in front of the count: equal for records that count together.
        let tag = hash >> SLOT_BITS << (WINDOW_BITS + COUNT_BITS);
        let key = tag | (window % WINDOWS) << COUNT_BITS;
        let seen = if *slot & !u64::from(COUNT_MAX) == key { *slot as u16 } else { 0 };
        let count = if seen == COUNT_MAX { self.rule.wrapped() } else { seen + 1 };
        *slot = key | u64::from(count);
        self.rule.judge(count, hash, window, self.seed)
    }
}

impl RateRule {
    /// The count after the largest one: much smaller, at the same place of the cycle.
    const fn wrapped(self) -> u16 {
        let next = COUNT_MAX as u32 + 1;
        let over = next - self.burst as u32;
        let cycles = over / self.one_in as u32 - 1;
        (next - cycles * self.one_in as u32) as u16
    }

    #[inline]
    fn judge(self, count: u16, hash: u64, window: u64, seed: u64) -> Option<u16> {
        if count <= self.burst {
            return Some(1);
        }
        let random = hash::mix(hash ^ seed, window) >> 32;
        let phase = (random * u64::from(self.one_in)) >> 32;
        let over = u64::from(count - self.burst - 1);
        (over % u64::from(self.one_in) == phase).then_some(self.one_in)
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;
