//! Which records are kept, and how many each of them stands for.
//!
//! Always in this order: what must never be sampled (errors, status ≥ 500, marks of the caller) is
//! kept; a trace that floods is thinned ([`rate`]); a key that floods is thinned; what is left is
//! kept at a fixed ratio that all agents agree on ([`ratio`]). A kept record carries the number of
//! records that it stands for, so that sums over kept records estimate sums over all of them
//! without bias; and the threshold of the ratio as OpenTelemetry writes it.
//!
//! Input: plain values of one record ([`Subject`]). Time: constant. Memory: two tables of 512 KiB
//! at most, and a few KiB for the [`summary`]. The clock is an argument, in nanoseconds.

pub mod rate;
pub mod ratio;
pub mod summary;

pub use rate::RateRule;
pub use ratio::{Ratio, RatioError, Threshold};
pub use summary::{RuleSummary, Summary, TopKey};

use crate::hash;
use rate::RateTable;
use summary::Counters;

/// The lowest severity that is an error, as OTLP numbers them.
pub const SEVERITY_ERROR: u8 = 17;
/// The lowest HTTP status that is an error of the server.
pub const STATUS_ERROR: u16 = 500;
/// Most conditions of a set of rules.
pub const NEVER_SAMPLE_MAX: usize = 32;

/// One condition under which a record is never sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NeverSample {
    /// Its severity is this or higher.
    SeverityAtLeast(u8),
    /// Its HTTP status is this or higher.
    StatusAtLeast(u16),
    /// Its HTTP status is this one.
    Status(u16),
    /// The caller set one of these bits in [`Subject::marks`]: a condition of its own was met.
    Marks(u64),
}

/// The rules, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Any of them keeps the record. More than [`NEVER_SAMPLE_MAX`] are not looked at, so the
    /// reader of the configuration must refuse them.
    pub never: Vec<NeverSample>,
    /// How a trace is thinned that has many records.
    pub hot_trace: Option<RateRule>,
    /// How a key is thinned that has many records.
    pub hot_key: Option<RateRule>,
    /// The share that is kept of the rest.
    pub ratio: Ratio,
}

impl Default for Rules {
    /// Everything is kept.
    fn default() -> Self {
        let never = vec![
            NeverSample::SeverityAtLeast(SEVERITY_ERROR),
            NeverSample::StatusAtLeast(STATUS_ERROR),
        ];
        Self { never, hot_trace: None, hot_key: None, ratio: Ratio::ALL }
    }
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subject<'a> {
    /// Now, in nanoseconds since any fixed point; it should not go back.
    pub now_ns: u64,
    /// As OTLP numbers severities; 0 when unknown.
    pub severity: u8,
    /// The HTTP status; 0 when there is none.
    pub status: u16,
    /// Conditions of the caller that this record meets, one bit each.
    pub marks: u64,
    /// The trace; all zero when there is none.
    pub trace_id: [u8; 16],
    /// What the rate rule counts by, for example a logger or a path; empty when there is none.
    pub key: &'a [u8],
    /// A hash of the record for the ratio when it has no trace: [`hash::position`] is made for
    /// that. 0 means that there is none, and then a number of the sampler's own is taken.
    pub record_hash: u64,
}

/// Which rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// It must never be sampled.
    Never,
    /// Its trace flooded.
    HotTrace,
    /// Its key flooded.
    HotKey,
    /// The fixed ratio.
    Ratio,
}

/// How many rules there are.
pub const RULES: usize = 4;

impl Rule {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; RULES] = [Self::Never, Self::HotTrace, Self::HotKey, Self::Ratio];

    /// Its place in tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in metrics and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never-sample",
            Self::HotTrace => "hot-trace",
            Self::HotKey => "hot-key",
            Self::Ratio => "ratio",
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Whether it is kept.
    pub keep: bool,
    /// Which rule had the last word.
    pub rule: Rule,
    /// How many records it stands for; at least 1. Means nothing when it is dropped.
    pub adjusted_count: f64,
    /// The threshold of the ratio it passed; [`Threshold::NONE`] when that was not asked.
    pub threshold: Threshold,
}

/// The rules with what they remember.
#[derive(Debug)]
pub struct Sampler {
    severity_min: u8,
    status_min: u16,
    marks: u64,
    statuses: Vec<u16>,
    hot_trace: Option<RateTable>,
    hot_key: Option<RateTable>,
    ratio: Ratio,
    /// How many records one stands for that the ratio keeps.
    stands_for: f64,
    seed: u64,
    /// Numbers records without any hash.
    unnamed: u64,
    counters: Counters,
}

impl Sampler {
    /// A sampler that has seen nothing. The seed should differ from host to host, so that nobody
    /// can choose ids that share a place; the ratio by trace does not depend on it.
    #[must_use]
    pub fn new(rules: &Rules, seed: u64, summary_window_ns: u64) -> Self {
        let mut sampler = Self {
            severity_min: u8::MAX,
            status_min: u16::MAX,
            marks: 0,
            statuses: Vec::new(),
            hot_trace: rules.hot_trace.map(|rule| RateTable::new(rule, seed)),
            hot_key: rules.hot_key.map(|rule| RateTable::new(rule, seed ^ 1)),
            ratio: rules.ratio,
            stands_for: rules.ratio.threshold().adjusted_count(),
            seed,
            unnamed: 0,
            counters: Counters::new(summary_window_ns),
        };
        for condition in rules.never.iter().take(NEVER_SAMPLE_MAX) {
            match *condition {
                NeverSample::SeverityAtLeast(least) => {
                    sampler.severity_min = sampler.severity_min.min(least.max(1));
                }
                NeverSample::StatusAtLeast(least) => {
                    sampler.status_min = sampler.status_min.min(least.max(1));
                }
                NeverSample::Status(status) => sampler.statuses.push(status),
                NeverSample::Marks(marks) => sampler.marks |= marks,
            }
        }
        sampler
    }

    /// Decides about one record.
    #[inline]
    pub fn decide(&mut self, subject: &Subject<'_>) -> Decision {
        let decision = self.judge(subject);
        self.counters.count(&decision, subject);
        decision
    }

    /// Whether this record must never be sampled.
    #[inline]
    #[must_use]
    pub fn is_never_sampled(&self, subject: &Subject<'_>) -> bool {
        subject.severity >= self.severity_min
            || subject.status >= self.status_min
            || subject.marks & self.marks != 0
            || (subject.status != 0
                && !self.statuses.is_empty()
                && self.statuses.contains(&subject.status))
    }

    #[inline]
    fn judge(&mut self, subject: &Subject<'_>) -> Decision {
        let mut decision = Decision {
            keep: true,
            rule: Rule::Never,
            adjusted_count: 1.0,
            threshold: Threshold::NONE,
        };
        if self.is_never_sampled(subject) {
            return decision;
        }
        let traced = subject.trace_id != [0; 16];
        if let (true, Some(table)) = (traced, &mut self.hot_trace) {
            decision.rule = Rule::HotTrace;
            let hash = hash::trace(self.seed, &subject.trace_id);
            let Some(count) = table.admit(hash, subject.now_ns) else {
                decision.keep = false;
                return decision;
            };
            self.counters.pass(Rule::HotTrace);
            decision.adjusted_count *= f64::from(count);
        }
        if let (false, Some(table)) = (subject.key.is_empty(), &mut self.hot_key) {
            decision.rule = Rule::HotKey;
            let hash = hash::bytes(self.seed, subject.key);
            let Some(count) = table.admit(hash, subject.now_ns) else {
                decision.keep = false;
                return decision;
            };
            self.counters.pass(Rule::HotKey);
            decision.adjusted_count *= f64::from(count);
        }
        decision.rule = Rule::Ratio;
        if self.ratio == Ratio::ALL {
            decision.threshold = self.ratio.threshold();
            return decision;
        }
        let randomness = if traced {
            ratio::trace_randomness(&subject.trace_id)
        } else {
            self.record_randomness(subject.record_hash)
        };
        let threshold = self.ratio.threshold();
        decision.keep = threshold.keeps(randomness);
        decision.threshold = threshold;
        decision.adjusted_count *= self.stands_for;
        decision
    }

    /// Mixed once more: the caller's hash may be a plain number.
    fn record_randomness(&mut self, record_hash: u64) -> u64 {
        if record_hash != 0 {
            return hash::mix(record_hash, self.seed);
        }
        self.unnamed = self.unnamed.wrapping_add(1);
        hash::mix(self.unnamed, self.seed)
    }

    /// What happened since the last summary, when its window is over.
    pub fn summary(&mut self, now_ns: u64) -> Option<Summary> {
        self.counters.roll(now_ns)
    }

    /// When the next summary is due; none while nothing was decided since the last one.
    #[must_use]
    pub fn summary_due(&self) -> Option<u64> {
        self.counters.due()
    }

    /// What happened since the last summary, whatever the time: for the end.
    pub fn last_summary(&mut self, now_ns: u64) -> Summary {
        self.counters.take(now_ns)
    }

    /// Bytes of memory that it keeps.
    #[must_use]
    pub fn memory(&self) -> usize {
        let tables = [&self.hot_trace, &self.hot_key];
        tables.into_iter().flatten().map(RateTable::memory).sum::<usize>()
            + self.counters.memory()
            + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests;
