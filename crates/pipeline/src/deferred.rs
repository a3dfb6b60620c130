//! The tail decision for lines: what was dropped of a trace is fetched again once it has an error.
//!
//! The file still has the line, so only its place is remembered: file, offset and length, with a
//! link to the line of the same trace before it, in 16 bytes. When an error of the trace comes in
//! time, [`Deferred::recall`] gives the places to read again, and lines of the trace that follow
//! are to be kept ([`Deferred::is_wanted`]).
//!
//! Memory is fixed at the start. What finds no room is counted ([`Misses`]): lines that newer
//! ones pushed out before an error came, traces that others pushed out, lines whose place does not
//! fit (offsets of 1 TiB and more, lines of 16 MiB and more). Times are in nanoseconds and should
//! not go back. Two traces with equal 64-bit hashes are one to us: too much may be read again.

use crate::hash;

/// Lowest and highest number of lines that can be remembered; the number is a power of two.
pub const LINES_MIN: usize = 1 << 10;
/// See [`LINES_MIN`].
pub const LINES_MAX: usize = 1 << 24;
/// Bytes of a line that is remembered.
pub const LINE_BYTES: usize = 16;
/// Most lines that one error fetches; what is over is counted as missed.
pub const RECALL_MAX: usize = 4_096;

const OFFSET_BITS: u32 = 40;
const LENGTH_BITS: u32 = 24;
/// Offsets that fit.
pub const OFFSET_END: u64 = 1 << OFFSET_BITS;
/// Lengths that fit.
pub const LENGTH_END: u64 = 1 << LENGTH_BITS;

/// Places that are searched for a trace.
const PROBES: usize = 8;
/// Parts of the time for which lines are kept; lines of one part grow old together.
const TICKS_KEPT: u64 = 32;
/// Parts whose first line is known; more than are kept, so that none is missing.
const TICKS: usize = 64;

/// A line to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, by a number of the caller's that no other file has while lines are remembered.
    pub file: u32,
    /// Where the line begins.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u32,
}

/// What could not be fetched, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Misses {
    /// Lines of a trace with an error that were not remembered any more.
    pub lines: u64,
    /// Traces that were forgotten because others needed their place.
    pub traces: u64,
    /// Lines whose offset or length does not fit.
    pub unfit: u64,
}

/// Offset and length in one word, file and link in the other.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    place: u64,
    file: u32,
    /// Number of the line before in the same trace; 0 when there is none.
    before: u32,
}

const _: () = assert!(size_of::<Line>() == LINE_BYTES);

#[derive(Debug, Clone, Copy, Default)]
struct Trace {
    /// 0 when the place is free.
    hash: u64,
    /// Number of the last line; 0 when there is none.
    last: u32,
    /// How many lines were noted.
    lines: u32,
    /// When it was last touched, in ticks.
    tick: u64,
    /// Until when its lines are wanted, in nanoseconds; 0 when it had no error.
    wanted_until: u64,
}

/// What became of a line that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Noted {
    /// Its trace had an error a short time ago: keep it instead.
    Wanted,
    /// It is remembered.
    Remembered,
    /// Its place does not fit and is not remembered.
    Unfit,
}

/// The lines that were dropped.
#[derive(Debug)]
pub struct Deferred {
    seed: u64,
    keep_ns: u64,
    tick_ns: u64,
    /// The latest tick that was seen.
    tick: u64,
    /// A ring: the line with number `n` is at `n % len`.
    lines: Box<[Line]>,
    /// Number of the next line.
    next: u64,
    traces: Box<[Trace]>,
    /// No trace is wanted from then on.
    wanted_until: u64,
    /// Ticks and the number of the first line in each.
    ticks: [(u64, u64); TICKS],
    misses: Misses,
}

impl Deferred {
    /// Remembers lines for `keep_ns` (and up to a thirtieth longer) in at most `memory_max_bytes`,
    /// or the memory of [`LINES_MIN`] lines and traces when that is more: two thirds for lines,
    /// the rest for traces, each rounded down to a power of two.
    #[must_use]
    pub fn new(memory_max_bytes: usize, keep_ns: u64, seed: u64) -> Self {
        let fit = |bytes: usize, size: usize| {
            let number = (bytes / size).clamp(LINES_MIN, LINES_MAX);
            1_usize << number.ilog2()
        };
        let lines = fit(memory_max_bytes / 3 * 2, LINE_BYTES);
        let traces = fit(memory_max_bytes / 3, size_of::<Trace>());
        Self {
            seed,
            keep_ns: keep_ns.max(1),
            tick_ns: (keep_ns / TICKS_KEPT).max(1),
            tick: 0,
            lines: vec![Line::default(); lines].into_boxed_slice(),
            next: 1,
            traces: vec![Trace::default(); traces].into_boxed_slice(),
            wanted_until: 0,
            ticks: [(0, 1); TICKS],
            misses: Misses::default(),
        }
    }

    /// Bytes of memory that its tables take.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.lines.len() * LINE_BYTES + self.traces.len() * size_of::<Trace>()
    }

    /// What could not be fetched.
    #[must_use]
    pub const fn misses(&self) -> Misses {
        self.misses
    }

    /// Remembers a line that a rule has dropped, unless it is wanted: then the rules should not
    /// have been asked about it.
    #[inline]
    pub fn remember(&mut self, trace_id: &[u8; 16], place: Place, now_ns: u64) -> Noted {
        let unfit = place.offset >= OFFSET_END || u64::from(place.length) >= LENGTH_END;
        self.advance(now_ns);
        if self.next.trailing_zeros() >= u32::BITS {
            // The low half of a number is its link, and 0 means none.
            self.next += 1;
        }
        let number = self.next;
        let Some(trace) = self.trace_for(trace_id, now_ns) else { return Noted::Unfit };
        if trace.wanted_until > now_ns {
            return Noted::Wanted;
        }
        if unfit {
            self.misses.unfit += 1;
            return Noted::Unfit;
        }
        let before = trace.last;
        trace.last = number as u32;
        trace.lines = trace.lines.saturating_add(1);
        let at = slot(number, self.lines.len());
        if let Some(room) = self.lines.get_mut(at) {
            let word = place.offset << LENGTH_BITS | u64::from(place.length);
            *room = Line { place: word, file: place.file, before };
        }
        self.next += 1;
        Noted::Remembered
    }

    /// An error of the trace has come: appends the places of its lines, in the order of files and
    /// offsets, and forgets them. Until the time for which lines are kept is over, its lines are
    /// wanted. Says how many lines were missed.
    pub fn recall(&mut self, trace_id: &[u8; 16], now_ns: u64, places: &mut Vec<Place>) -> u64 {
        self.advance(now_ns);
        let wanted_until = now_ns.saturating_add(self.keep_ns);
        self.wanted_until = self.wanted_until.max(wanted_until);
        let Some(trace) = self.trace_for(trace_id, now_ns) else { return 0 };
        trace.wanted_until = wanted_until;
        let (mut link, lines) = (trace.last, u64::from(trace.lines));
        (trace.last, trace.lines) = (0, 0);
        let (oldest, first) = (self.oldest(), places.len());
        let mut behind = self.next;
        while link != 0 && places.len() - first < RECALL_MAX {
            // The number with this low half that lies nearest before the one after it.
            let number = behind - u64::from((behind as u32).wrapping_sub(link));
            if number < oldest || number >= behind {
                break;
            }
            let Some(line) = self.lines.get(slot(number, self.lines.len())) else { break };
            places.push(Place {
                file: line.file,
                offset: line.place >> LENGTH_BITS,
                length: (line.place & (LENGTH_END - 1)) as u32,
            });
            (behind, link) = (number, line.before);
        }
        if let Some(found) = places.get_mut(first..) {
            found.sort_unstable();
        }
        let missed = lines.saturating_sub((places.len() - first) as u64);
        self.misses.lines += missed;
        missed
    }

    /// Whether the trace had an error a short time ago, so that its lines are to be kept. While no
    /// trace has, that is seen at once.
    #[inline]
    #[must_use]
    pub fn is_wanted(&self, trace_id: &[u8; 16], now_ns: u64) -> bool {
        self.wanted_until > now_ns && self.is_one_wanted(trace_id, now_ns)
    }

    fn is_one_wanted(&self, trace_id: &[u8; 16], now_ns: u64) -> bool {
        let hash = self.hash(trace_id);
        let found = self.probes(hash).find_map(|at| self.traces.get(at).filter(|t| t.hash == hash));
        found.is_some_and(|trace| trace.wanted_until > now_ns)
    }

    fn hash(&self, trace_id: &[u8; 16]) -> u64 {
        hash::trace(self.seed, trace_id).max(1)
    }

    fn probes(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let traces = self.traces.len();
        let start = hash >> 20;
        (0..PROBES as u64).map(move |step| slot(start.wrapping_add(step), traces))
    }

    /// Follows the clock; it never goes back.
    #[inline]
    fn advance(&mut self, now_ns: u64) {
        let tick = now_ns / self.tick_ns;
        if tick > self.tick {
            self.tick = tick;
            let at = slot(tick, TICKS);
            if let Some(place) = self.ticks.get_mut(at) {
                *place = (tick, self.next);
            }
        }
    }

    /// The number of the oldest line that is neither too old nor overwritten.
    fn oldest(&self) -> u64 {
        let from = self.tick.saturating_sub(TICKS_KEPT);
        let young = self.ticks.iter().filter(|(tick, _)| *tick >= from);
        let by_time = young.map(|(_, first)| *first).min().unwrap_or(self.next);
        by_time.max(self.next.saturating_sub(self.lines.len() as u64))
    }

    /// The entry of a trace: its own, a free one, or that of the trace untouched for longest.
    #[inline]
    fn trace_for(&mut self, trace_id: &[u8; 16], now_ns: u64) -> Option<&mut Trace> {
        let hash = self.hash(trace_id);
        let (mut chosen, mut own, mut oldest) = (None, false, u64::MAX);
        for at in self.probes(hash) {
            let Some(trace) = self.traces.get(at) else { continue };
            if trace.hash == hash {
                (chosen, own) = (Some(at), true);
                break;
            }
            let age = if trace.hash == 0 { 0 } else { trace.tick + 1 };
            if age < oldest {
                (chosen, oldest) = (Some(at), age);
            }
        }
        let (tick, from) = (self.tick, self.tick.saturating_sub(TICKS_KEPT));
        let trace = self.traces.get_mut(chosen?)?;
        if !own {
            let alive = trace.hash != 0 && trace.tick >= from;
            if alive && (trace.lines > 0 || trace.wanted_until > now_ns) {
                self.misses.traces += 1;
            }
            *trace = Trace { hash, ..Trace::default() };
        } else if trace.tick < from {
            // All its lines are too old to be fetched, and were not missed by anybody.
            (trace.last, trace.lines) = (0, 0);
        }
        trace.tick = tick;
        Some(trace)
    }
}

fn slot(number: u64, slots: usize) -> usize {
    usize::try_from(number & (slots as u64 - 1)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
