//! Which part of a refused batch to send next, so that exactly the bad records are put aside.
//!
//! A batch is a range of records. A part that is refused is halved, down to one record; a part
//! that is taken is done. With `k` bad records among `n` that takes at most
//! `1 + 2k (log2 n + 1)` requests. Parts go out in the order of their records.

use std::ops::Range;

/// What came of sending a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Accepted,
    /// Something in it is not acceptable.
    Poisoned,
    /// It is too large.
    TooLarge,
    /// It must be sent again as it is.
    Again,
}

/// What to do about a record that cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The part is taken, or split; go on with the next.
    Continue,
    /// This record is refused when it is sent alone: put it aside.
    Quarantine(usize),
    /// This record is too large when it is sent alone.
    Oversize(usize),
}

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bisect {
    /// What is left, the next part last.
    parts: Vec<Range<usize>>,
    requests: u64,
    accepted: usize,
    put_aside: usize,
}

impl Bisect {
    /// Records nothing of which was sent.
    #[must_use]
    pub fn new(records: Range<usize>) -> Self {
        let parts = if records.is_empty() { Vec::new() } else { vec![records] };
        Self { parts, requests: 0, accepted: 0, put_aside: 0 }
    }

    /// The part to send now; nothing when all is done and the batch can be acknowledged.
    #[must_use]
    pub fn next(&self) -> Option<Range<usize>> {
        self.parts.last().cloned()
    }

    /// Notes what came of sending the part that [`Bisect::next`] gave.
    pub fn report(&mut self, outcome: Outcome) -> Verdict {
        self.requests += 1;
        if outcome == Outcome::Again {
            return Verdict::Continue;
        }
        let Some(part) = self.parts.pop() else { return Verdict::Continue };
        if outcome == Outcome::Accepted {
            self.accepted += part.len();
            return Verdict::Continue;
        }
        if part.len() > 1 {
            let middle = part.start + part.len() / 2;
            self.parts.push(middle..part.end);
            self.parts.push(part.start..middle);
            return Verdict::Continue;
        }
        self.put_aside += 1;
        if outcome == Outcome::TooLarge {
            Verdict::Oversize(part.start)
        } else {
            Verdict::Quarantine(part.start)
        }
    }

    /// How many requests were answered.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// How many records were taken.
    #[must_use]
    pub const fn accepted(&self) -> usize {
        self.accepted
    }

    /// How many records were put aside. When that grows while nothing is accepted, the receiver or
    /// the configuration may be wrong and not the records: the caller should go on slowly.
    #[must_use]
    pub const fn put_aside(&self) -> usize {
        self.put_aside
    }
}
