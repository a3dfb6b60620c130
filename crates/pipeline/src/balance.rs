//! What became of every record: nothing is lost without a number.
//!
//! For each file and in total: `read = sent + sampled_out + quarantined + oversize + in_flight`.
//! `in_flight` is counted by itself and not computed, so that the equation is a check
//! ([`Balance::is_exact`]) and not a definition.

use crate::sampling::{RULES, Rule};

/// The counts of one file, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Records that were read.
    pub read: u64,
    /// Records that a sink has acknowledged.
    pub sent: u64,
    /// Records that were dropped, by the rule that dropped them.
    pub sampled_out: [u64; RULES],
    /// Records that were put aside because a sink refuses them.
    pub quarantined: u64,
    /// Records that no request can hold.
    pub oversize: u64,
    /// Records that are on their way.
    pub in_flight: u64,
}

impl Balance {
    /// Records were read and kept.
    pub const fn kept(&mut self, records: u64) {
        self.read += records;
        self.in_flight += records;
    }

    /// Records were read and dropped by a rule.
    pub fn dropped(&mut self, rule: Rule, records: u64) {
        self.read += records;
        if let Some(count) = self.sampled_out.get_mut(rule.index()) {
            *count += records;
        }
    }

    /// Records that a rule had dropped are wanted after all. Says how many of them there were: no
    /// more than that rule dropped.
    pub fn recalled(&mut self, rule: Rule, records: u64) -> u64 {
        let Some(count) = self.sampled_out.get_mut(rule.index()) else { return 0 };
        let moved = records.min(*count);
        *count -= moved;
        self.in_flight += moved;
        moved
    }

    /// Records that were on their way were acknowledged.
    pub const fn acknowledged(&mut self, records: u64) {
        self.sent += records;
        self.leave(records);
    }

    /// Records that were on their way were put aside.
    pub const fn put_aside(&mut self, records: u64) {
        self.quarantined += records;
        self.leave(records);
    }

    /// Records that were on their way are too large for any request.
    pub const fn too_large(&mut self, records: u64) {
        self.oversize += records;
        self.leave(records);
    }

    /// An underflow must show as an imbalance, and not wrap.
    const fn leave(&mut self, records: u64) {
        self.in_flight = self.in_flight.saturating_sub(records);
    }

    /// All that was dropped.
    #[must_use]
    pub fn sampled_out_total(&self) -> u64 {
        self.sampled_out.iter().sum()
    }

    /// Whether the equation holds.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let rest = self.sent + self.quarantined + self.oversize + self.in_flight;
        self.read == rest + self.sampled_out_total()
    }

    /// Adds the counts of another file, for example of one that is gone.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.sent += other.sent;
        self.quarantined += other.quarantined;
        self.oversize += other.oversize;
        self.in_flight += other.in_flight;
        for (count, more) in self.sampled_out.iter_mut().zip(other.sampled_out) {
            *count += more;
        }
    }
}

/// The counts of all files: one for each slot, and one for those that are gone.
#[derive(Debug, Default)]
pub struct Balances {
    files: Vec<Balance>,
    gone: Balance,
}

impl Balances {
    /// The counts of a slot; a slot over [`crate::ledger::FILES_MAX`] counts with those that are
    /// gone, so that the total stays exact.
    pub fn file(&mut self, slot: u32) -> &mut Balance {
        let at = usize::try_from(slot).unwrap_or(usize::MAX);
        if at < crate::ledger::FILES_MAX && at >= self.files.len() {
            self.files.resize(at + 1, Balance::default());
        }
        self.files.get_mut(at).unwrap_or(&mut self.gone)
    }

    /// The counts of a slot, as they are.
    #[must_use]
    pub fn get(&self, slot: u32) -> Balance {
        let at = usize::try_from(slot).unwrap_or(usize::MAX);
        self.files.get(at).copied().unwrap_or_default()
    }

    /// For how many files the equation does not hold; those that are gone count as one.
    #[must_use]
    pub fn inexact(&self) -> usize {
        self.files.iter().chain([&self.gone]).filter(|balance| !balance.is_exact()).count()
    }

    /// A file is gone and its slot free: its counts stay in the total.
    pub fn forget(&mut self, slot: u32) {
        let at = usize::try_from(slot).unwrap_or(usize::MAX);
        if let Some(balance) = self.files.get_mut(at) {
            self.gone.add(&std::mem::take(balance));
        }
    }

    /// The counts of everything since the start.
    #[must_use]
    pub fn total(&self) -> Balance {
        let mut total = self.gone;
        self.files.iter().for_each(|balance| total.add(balance));
        total
    }
}

#[cfg(test)]
mod tests;
