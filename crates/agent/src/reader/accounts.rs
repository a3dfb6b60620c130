//! What becomes of every record, by file and by sink (R25): `read = sent + sampled_out +
//! quarantined + oversize + in_flight`.
//!
//! Records count as read and on their way to every sink when their block is finished, before a
//! sink can see it; the sinks count what becomes of them. A sink that joins later has its own
//! balance from then on. The counts of a file go into the sink's total when every sink is done
//! with it.

use super::commit::SinkHandle;
use super::feed::Core;
use super::sampling::Dropped;
use crate::block::Block;
use crate::numbers::SinkNumbers;
use pipeline::sampling::Rule;
use std::time::Instant;

/// Which rule is thought to have dropped a record that is wanted after all, the likeliest first.
const RECALLED: [Rule; 3] = [Rule::Ratio, Rule::HotKey, Rule::HotTrace];

/// How many records of each file a block has behind each other.
fn runs(block: &Block, from: usize, to: usize) -> Vec<(u32, u64)> {
    let mut runs: Vec<(u32, u64)> = Vec::new();
    for record in block.records.records().get(from..to).unwrap_or_default() {
        match runs.last_mut() {
            Some((slot, count)) if *slot == record.source => *count += 1,
            _ => runs.push((record.source, 1)),
        }
    }
    runs
}

/// What a finished block adds to the balances of every sink.
pub(super) struct Entry {
    kept: Vec<(u32, u64)>,
    recalled: Vec<(u32, u64)>,
}

impl Entry {
    /// Of a block whose first records were left out before and are wanted after all.
    pub(super) fn of(block: &Block, rescued: usize) -> Self {
        let all = block.records.len();
        let rescued = rescued.min(all);
        Self { kept: runs(block, rescued, all), recalled: runs(block, 0, rescued) }
    }

    /// The records are on their way to this sink.
    pub(super) fn enter(&self, sink: &SinkHandle, dropped: &[Dropped]) {
        let mut balances = sink.numbers.balances();
        let mut in_flight = 0;
        for (slot, records) in &self.kept {
            balances.file(*slot).kept(*records);
            in_flight += records;
        }
        for (slot, records) in &self.recalled {
            let balance = balances.file(*slot);
            let mut left = *records;
            for rule in RECALLED {
                left -= balance.recalled(rule, left);
            }
            // It was dropped before this sink was there.
            balance.kept(left);
            in_flight += records;
        }
        for (slot, counts) in dropped {
            for (rule, records) in Rule::ALL.iter().zip(counts) {
                balances.file(*slot).dropped(*rule, *records);
            }
        }
        sink.numbers.in_flight.add(in_flight);
    }
}

impl Entry {
    /// A sink that is not wanted any more will not be given these records.
    pub(super) fn leave(&self, numbers: &SinkNumbers) {
        let mut balances = numbers.balances();
        for (slot, records) in self.kept.iter().chain(&self.recalled) {
            let balance = balances.file(*slot);
            balance.in_flight = balance.in_flight.saturating_sub(*records);
            balance.read = balance.read.saturating_sub(*records);
            numbers.in_flight.sub(*records);
        }
    }
}

impl Core {
    /// Lets go sinks that are not wanted any more, when they have delivered what they had or their
    /// time for that is over. Until then offsets wait for them, so a crash loses nothing; and
    /// offsets go on waiting for one whose records no other sink has ([`Core::begins_again`]).
    pub(crate) fn release_retired(&mut self, now: Instant) {
        if !self.books.sinks.iter().any(|sink| sink.is_over(now)) || self.begins_again(now) {
            return;
        }
        let books = &mut self.books;
        for sink in books.sinks.iter().filter(|sink| sink.is_over(now)) {
            let name = &sink.sink.name;
            let left = sink.numbers.in_flight.get();
            if sink.is_done() {
                tracing::info!(sink = name, "a sink that was removed has taken what it had");
            } else {
                sink.give_up();
                self.numbers.given_up.add(left);
                self.say.warn(&format!(
                    "sink `{name}` was removed and did not take {left} records in time: they are \
                     given up for it"
                ));
            }
            self.numbers.forget(&sink.numbers);
        }
        let keep = move |running: &mut Vec<SinkHandle>| running.retain(|sink| !sink.is_over(now));
        self.change_sinks(Box::new(keep));
    }
}
