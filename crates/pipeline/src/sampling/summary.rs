//! What was dropped, by rule and by key, in a window: a record for whoever reads the logs.
//!
//! Sums are exact. Keys are found with a space-saving sketch of [`KEYS`] places: every key that
//! had more than 1/64 of what its rule dropped is in it, and its count is too high by at most
//! `error`.

use super::{Decision, RULES, Rule, Subject};
use crate::hash;
use std::cmp::Reverse;

/// Places of the sketch of one rule.
pub const KEYS: usize = 64;
/// Keys of one rule in a summary.
pub const TOP_KEYS: usize = 10;
/// Bytes of a key that are shown.
pub const KEY_BYTES_MAX: usize = 64;

/// What happened in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// When it began, in nanoseconds.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
    /// One for each rule that decided about something.
    pub rules: Vec<RuleSummary>,
}

/// What one rule did.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSummary {
    /// The rule.
    pub rule: Rule,
    /// Records that it let pass; a rule that comes later may have dropped some of them.
    pub kept: u64,
    /// Records that it dropped.
    pub dropped: u64,
    /// The keys that it dropped most of, largest first: trace ids or what the rate counts by. The
    /// ratio has none.
    pub top: Vec<TopKey>,
}

/// A key of which much was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopKey {
    /// A trace id (16 bytes) or the start of the caller's key.
    pub key: Vec<u8>,
    /// How many were dropped, at most.
    pub dropped: u64,
    /// How many less it may have been.
    pub error: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    count: u64,
    error: u64,
    length: usize,
    key: [u8; KEY_BYTES_MAX],
}

/// A space-saving sketch. Under a flood it is asked for every record, so the hashes that are
/// searched lie together, and the place with the lowest count is not searched from the start.
#[derive(Debug)]
struct Sketch {
    /// Which key has the place with this number; keys with equal hashes share it.
    hashes: [u32; KEYS],
    places: Vec<Place>,
    /// No count is lower.
    least: u64,
    /// Where the search for a place with the lowest count goes on.
    cursor: usize,
    /// The place that was last found: floods of one key come in a row.
    last: usize,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { hashes: [0; KEYS], places: Vec::new(), least: 0, cursor: 0, last: 0 }
    }
}

impl Sketch {
    fn offer(&mut self, key: &[u8]) {
        // 0 is the hash of a place that is free.
        let hash = ((hash::bytes(0, key) >> 32) as u32).max(1);
        if let (Some(known), Some(place)) =
            (self.hashes.get(self.last), self.places.get_mut(self.last))
            && *known == hash
        {
            place.count += 1;
            return;
        }
        // Without an early end, so that the compiler compares several at once.
        let mut found = KEYS;
        for (at, known) in self.hashes.iter().enumerate() {
            found = if *known == hash { at } else { found };
        }
        if let Some(place) = self.places.get_mut(found) {
            place.count += 1;
            self.last = found;
            return;
        }
        let mut made = Place { count: 1, error: 0, length: 0, key: [0; KEY_BYTES_MAX] };
        made.length = key.len().min(KEY_BYTES_MAX);
        if let (Some(room), Some(text)) = (made.key.get_mut(..made.length), key.get(..made.length))
        {
            room.copy_from_slice(text);
        }
        let at = if self.places.len() < KEYS { self.places.len() } else { self.lowest() };
        if let Some(place) = self.places.get_mut(at) {
            // The newcomer may have been dropped as often as the one that it pushes out.
            made.error = place.count;
            made.count += place.count;
            *place = made;
        } else {
            self.places.push(made);
        }
        if let Some(known) = self.hashes.get_mut(at) {
            *known = hash;
        }
    }

    /// The number of a place with the lowest count. Counts only grow, so places that were passed
    /// are looked at again only when no lowest one is left.
    fn lowest(&mut self) -> usize {
        let from = self.cursor;
        let lowest = |place: &Place| place.count <= self.least;
        if let Some(step) = self.places.iter().skip(from).position(lowest) {
            self.cursor = from + step;
            return self.cursor;
        }
        self.least = self.places.iter().map(|place| place.count).min().unwrap_or(0);
        let lowest = |place: &Place| place.count <= self.least;
        self.cursor = self.places.iter().position(lowest).unwrap_or(0);
        self.cursor
    }

    fn take(&mut self) -> Vec<TopKey> {
        self.places.sort_by_key(|place| Reverse(place.count));
        let top = self.places.iter().take(TOP_KEYS).map(|place| TopKey {
            key: place.key.get(..place.length).unwrap_or_default().to_vec(),
            dropped: place.count,
            error: place.error,
        });
        let top = top.collect();
        self.places.clear();
        (self.hashes, self.least, self.cursor, self.last) = ([0; KEYS], 0, 0, 0);
        top
    }
}

/// What the sampler counts.
#[derive(Debug)]
pub(super) struct Counters {
    window_ns: u64,
    from_ns: Option<u64>,
    kept: [u64; RULES],
    dropped: [u64; RULES],
    traces: Sketch,
    keys: Sketch,
}

impl Counters {
    pub(super) fn new(window_ns: u64) -> Self {
        Self {
            window_ns: window_ns.max(1),
            from_ns: None,
            kept: [0; RULES],
            dropped: [0; RULES],
            traces: Sketch::default(),
            keys: Sketch::default(),
        }
    }

    /// A rule lets a record pass to those that come later.
    #[inline]
    pub(super) fn pass(&mut self, rule: Rule) {
        if let Some(count) = self.kept.get_mut(rule.index()) {
            *count += 1;
        }
    }

    #[inline]
    pub(super) fn count(&mut self, decision: &Decision, subject: &Subject<'_>) {
        if self.from_ns.is_none() {
            self.from_ns = Some(subject.now_ns);
        }
        let counts = if decision.keep { &mut self.kept } else { &mut self.dropped };
        if let Some(count) = counts.get_mut(decision.rule.index()) {
            *count += 1;
        }
        if !decision.keep {
            match decision.rule {
                Rule::HotTrace => self.traces.offer(&subject.trace_id),
                Rule::HotKey => self.keys.offer(subject.key),
                Rule::Never | Rule::Ratio => {}
            }
        }
    }

    /// When the window that runs is over; none while nothing was decided.
    pub(super) fn due(&self) -> Option<u64> {
        self.from_ns.map(|from| from.saturating_add(self.window_ns))
    }

    pub(super) fn roll(&mut self, now_ns: u64) -> Option<Summary> {
        let from = self.from_ns?;
        (now_ns.saturating_sub(from) >= self.window_ns).then(|| self.take(now_ns))
    }

    pub(super) fn take(&mut self, now_ns: u64) -> Summary {
        let mut rules = Vec::new();
        for rule in Rule::ALL {
            let at = rule.index();
            let (kept, dropped) = (self.kept.get(at), self.dropped.get(at));
            let (kept, dropped) = (kept.copied().unwrap_or(0), dropped.copied().unwrap_or(0));
            if kept + dropped > 0 {
                let top = match rule {
                    Rule::HotTrace => self.traces.take(),
                    Rule::HotKey => self.keys.take(),
                    Rule::Never | Rule::Ratio => Vec::new(),
                };
                rules.push(RuleSummary { rule, kept, dropped, top });
            }
        }
        self.kept = [0; RULES];
        self.dropped = [0; RULES];
        let from_ns = self.from_ns.take().unwrap_or(now_ns);
        Summary { from_ns, to_ns: now_ns, rules }
    }

    pub(super) fn memory(&self) -> usize {
        (self.traces.places.capacity() + self.keys.places.capacity()) * size_of::<Place>()
    }
}
