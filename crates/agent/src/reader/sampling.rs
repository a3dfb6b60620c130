//! Sampling of a block: the sampler decides, dropped lines of a trace are remembered, and an error
//! brings them back (R22–R26).
//!
//! Lines of the trace that follow the error are never sampled, so each stands for itself. Others
//! stand for those that are brought back already, so these stand for none: their count is 0.

use crate::block::Block;
use crate::config::Sampling;
use crate::encode::json::{DIGITS, digits};
use crate::numbers::Numbers;
use lines::{Flags, Record, Role, Value};
use pipeline::deferred::{Deferred, Place};
use pipeline::sampling::{
    NeverSample, RULES, RateRule, Ratio, Rule, Rules, Sampler, Subject, Summary,
};

/// The mark of a record whose trace had an error a short time ago.
const WANTED: u64 = 1;
/// Adjusted count and threshold of a record that was left out before.
const RESCUED: (f64, u64) = (0.0, 0);

/// A record that was left out and is wanted after all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recalled {
    /// Where it stands, maybe with lines of another stream between its parts.
    pub(crate) place: Place,
    trace_id: [u8; 16],
}

impl Recalled {
    /// Whether it is this one.
    pub(crate) fn is(&self, record: &Record) -> bool {
        let length = record.end.saturating_sub(record.start);
        record.trace_id == self.trace_id
            && record.start == self.place.offset
            && length == u64::from(self.place.length)
    }
}

/// Records of one file that were dropped, by rule.
pub(crate) type Dropped = (u32, [u64; RULES]);

/// The rules of the config with what they remember.
#[derive(Debug)]
pub(crate) struct Stage {
    sampler: Sampler,
    deferred: Option<Deferred>,
    key: Option<(String, Option<Role>)>,
    keeps_all: bool,
    decisions: Vec<Option<(f64, u64)>>,
    /// What was dropped of the last block, by file.
    pub(crate) dropped: Vec<Dropped>,
    /// The slot of our own records, which are never left out.
    pub(crate) own: Option<u32>,
    /// What is to be read again.
    pub(crate) recalled: Vec<Recalled>,
    /// How many of them could not be read.
    pub(crate) unread: u64,
}

impl Stage {
    /// From the config.
    pub(crate) fn new(sampling: &Sampling, seed: u64) -> Self {
        let mut rules = Rules {
            hot_trace: sampling.hot_trace.and_then(|rate| rule(&rate)),
            hot_key: sampling.rate.as_ref().and_then(|(_, rate)| rule(rate)),
            ratio: Ratio::percent(sampling.keep_percent).unwrap_or(Ratio::ALL),
            ..Rules::default()
        };
        rules.never.push(NeverSample::Marks(WANTED));
        debug_assert!(rules.never.contains(&NeverSample::StatusAtLeast(500)));
        let deferred = sampling.rescue.filter(|_| !sampling.keeps_all()).map(|window| {
            let memory = usize::try_from(sampling.rescue_memory_bytes).unwrap_or(usize::MAX);
            Deferred::new(memory, nanoseconds(window), seed)
        });
        Self {
            sampler: Sampler::new(&rules, seed, nanoseconds(sampling.summary)),
            deferred,
            key: sampling.rate.as_ref().map(|(field, _)| (field.clone(), lines::role(field))),
            keeps_all: sampling.keeps_all(),
            decisions: Vec::new(),
            dropped: Vec::new(),
            own: None,
            recalled: Vec::new(),
            unread: 0,
        }
    }

    /// What was left out since the last time, when its window is over.
    pub(crate) fn summary(&mut self, now_ns: u64) -> Option<Summary> {
        if self.keeps_all { None } else { self.sampler.summary(now_ns) }
    }

    /// The same, whatever the time.
    pub(crate) fn last_summary(&mut self, now_ns: u64) -> Option<Summary> {
        (!self.keeps_all).then(|| self.sampler.last_summary(now_ns))
    }

    /// When a summary is due.
    pub(crate) fn summary_due(&self) -> Option<u64> {
        self.sampler.summary_due()
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.sampler.memory() + self.deferred.as_ref().map_or(0, Deferred::memory)
    }

    /// Thins a block, but for so many records at its start.
    pub(crate) fn thin(
        &mut self,
        block: &mut Block,
        spared: usize,
        now_ns: u64,
        numbers: &Numbers,
    ) {
        let records = (block.records.len() - spared.min(block.records.len())) as u64;
        numbers.read.add(records);
        self.dropped.clear();
        if self.keeps_all || block.records.is_empty() {
            return;
        }
        self.decisions.clear();
        self.decisions.resize(spared, Some(RESCUED));
        for record in block.records.records().iter().skip(spared) {
            let decision = self.decide(block, record, now_ns);
            self.decisions.push(decision);
        }
        for (_, dropped) in &self.dropped {
            for (count, number) in numbers.sampled_out.iter().zip(dropped) {
                count.add(*number);
            }
        }
        let mut decisions = self.decisions.iter();
        block.records.retain(|record| match decisions.next() {
            Some(Some((adjusted, threshold))) => {
                (record.adjusted, record.threshold) = (*adjusted, *threshold);
                true
            }
            Some(None) => false,
            None => true,
        });
        if let Some(deferred) = &self.deferred {
            let misses = deferred.misses();
            numbers.rescue_missed.set(misses.lines + misses.traces + misses.unfit + self.unread);
        }
    }

    fn decide(&mut self, block: &Block, record: &Record, now_ns: u64) -> Option<(f64, u64)> {
        if self.own == Some(record.source) {
            return Some((1.0, 0));
        }
        let mut number = [0; DIGITS];
        let key = match &self.key {
            Some((name, role)) => key(block, record, (name, *role), &mut number),
            None => &[],
        };
        let mut subject = Subject {
            now_ns,
            severity: record.severity,
            status: record.status,
            marks: 0,
            trace_id: record.trace_id,
            key,
            record_hash: if record.has_trace() { 0 } else { hash(block, record) },
        };
        if let Some(deferred) = &self.deferred
            && record.has_trace()
            && deferred.is_wanted(&record.trace_id, now_ns)
            && !self.sampler.is_never_sampled(&subject)
        {
            subject.marks = WANTED;
        }
        let decision = self.sampler.decide(&subject);
        if decision.keep {
            // Only an error itself makes its trace wanted.
            if let (Rule::Never, true, 0, Some(deferred)) =
                (decision.rule, record.has_trace(), subject.marks, &mut self.deferred)
            {
                let (trace_id, mut places) = (record.trace_id, Vec::new());
                deferred.recall(&trace_id, now_ns, &mut places);
                let recalled = places.into_iter().map(|place| Recalled { place, trace_id });
                self.recalled.extend(recalled);
            }
            return Some((decision.adjusted_count, decision.threshold.value().unwrap_or(0)));
        }
        if let (true, Some(deferred)) = (record.has_trace(), &mut self.deferred) {
            // Of one with parts in earlier files the last would be read alone: it does not fit.
            let length = record.end.saturating_sub(record.start);
            let length = u32::try_from(length).ok().filter(|_| !record.flags.has(Flags::JOINED));
            let place = Place {
                file: block.source(record.source)?.serial,
                offset: record.start,
                length: length.unwrap_or(u32::MAX),
            };
            let _ = deferred.remember(&record.trace_id, place, now_ns);
        }
        self.drop_one(record.source, decision.rule);
        None
    }

    /// Counts a record that is left out; those of one file mostly come in a row.
    fn drop_one(&mut self, slot: u32, rule: Rule) {
        let at = match self.dropped.last() {
            Some((last, _)) if *last == slot => self.dropped.len() - 1,
            _ => self.dropped.iter().position(|(known, _)| *known == slot).unwrap_or_else(|| {
                self.dropped.push((slot, [0; RULES]));
                self.dropped.len() - 1
            }),
        };
        let count = self.dropped.get_mut(at).and_then(|(_, counts)| counts.get_mut(rule.index()));
        if let Some(count) = count {
            *count += 1;
        }
    }
}

/// The same for the same line when it is read again after a crash.
fn hash(block: &Block, record: &Record) -> u64 {
    let file = block.source(record.source).map_or(0, |source| source.origin.hash);
    pipeline::hash::position(0, file, record.start)
}

fn nanoseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The value of a record that a rate limits; nothing when it has none. What became the body or the
/// severity is there under its usual names.
#[inline(never)]
fn key<'b>(
    block: &'b Block,
    record: &Record,
    (name, role): (&str, Option<Role>),
    number: &'b mut [u8; DIGITS],
) -> &'b [u8] {
    match block.records.field(record, name) {
        Some(Value::Str(span) | Value::Number(span) | Value::Json(span)) => {
            block.records.text(span).as_bytes()
        }
        Some(Value::Bool(true)) => b"true",
        Some(Value::Bool(false)) => b"false",
        Some(value) => digits(value, number).unwrap_or_default(),
        None => match role {
            Some(Role::Message) => block.records.body(record).as_bytes(),
            Some(Role::Severity) => block.records.text(record.severity_text).as_bytes(),
            _ => &[],
        },
    }
}

fn rule(rate: &crate::config::KeyRate) -> Option<RateRule> {
    let burst = u16::try_from(rate.lines_per_second).ok()?;
    let one_in = (100.0 / rate.keep_percent).round();
    let most = f64::from(pipeline::sampling::rate::RULE_MAX);
    RateRule::new(burst, one_in.clamp(1.0, most) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KeyRate;
    use lines::Records;

    /// A stage that leaves out nearly all but the first line with one value of the field `n`.
    fn stage() -> Stage {
        let rate = KeyRate { lines_per_second: 1, keep_percent: 0.1 };
        let rescue = Some(std::time::Duration::from_secs(30));
        let rate = Some(("n".to_owned(), rate));
        Stage::new(&Sampling { rate, rescue, ..Sampling::default() }, 7)
    }

    /// Equal records, all of one trace.
    fn block(number: usize, value: impl Fn(&mut Records) -> Value, record: Record) -> Block {
        let mut block = Block::default();
        for _ in 0..number {
            let (key, value) = (block.records.push_name("n"), value(&mut block.records));
            block.records.push_field(key, value);
            block.records.push(&record);
        }
        block
    }

    #[test]
    fn r25_the_key_of_a_number_is_its_digits() {
        type Make = fn(&mut Records) -> Value;
        let values: [(Make, &str); 8] = [
            (|_| Value::Int(0), "0"),
            (|_| Value::Int(200), "200"),
            (|_| Value::Int(i64::MIN), "-9223372036854775808"),
            (|_| Value::UInt(u64::MAX), "18446744073709551615"),
            (|records| Value::Number(records.push_text("1.50")), "1.50"),
            (|records| Value::Str(records.push_text("200")), "200"),
            (|_| Value::Bool(true), "true"),
            (|_| Value::Bool(false), "false"),
        ];
        for (value, wanted) in values {
            let mut stage = stage();
            let mut block = block(10, value, Record::default());
            stage.thin(&mut block, 0, 1, &Numbers::default());
            assert_eq!(block.records.len(), 1, "{wanted}");
            let summary = stage.last_summary(2).unwrap();
            let rule = summary.rules.iter().find(|rule| rule.rule == Rule::HotKey).unwrap();
            assert_eq!(String::from_utf8_lossy(&rule.top[0].key), wanted);
        }
    }

    #[test]
    fn the_message_and_the_severity_have_a_rate_under_their_usual_names() {
        for (field, wanted) in [("msg", "equal"), ("level", "info"), ("n", "")] {
            let rate = KeyRate { lines_per_second: 1, keep_percent: 0.1 };
            let rate = Some((field.to_owned(), rate));
            let mut stage = Stage::new(&Sampling { rate, ..Sampling::default() }, 7);
            let mut block = Block::default();
            for number in 0..10 {
                let body = block.records.push_text("equal");
                let severity_text = block.records.push_text("info");
                block.records.push(&Record {
                    body,
                    severity_text,
                    start: number,
                    ..Record::default()
                });
            }
            stage.thin(&mut block, 0, 1, &Numbers::default());
            assert_eq!(block.records.len(), if wanted.is_empty() { 10 } else { 1 }, "{field}");
            let summary = stage.last_summary(2).unwrap();
            let rule = summary.rules.iter().find(|rule| rule.rule == Rule::HotKey);
            let key = rule.map_or(Default::default(), |rule| rule.top[0].key.clone());
            assert_eq!(String::from_utf8_lossy(&key), wanted);
        }
    }

    #[test]
    fn r26_a_record_with_parts_in_earlier_files_is_not_remembered_and_counts_as_missed() {
        for (flags, recalled, missed) in [(Flags::default(), 8, 0), (Flags::JOINED, 0, 8)] {
            let (mut stage, numbers) = (stage(), Numbers::default());
            let record = Record { trace_id: [1; 16], end: 9, flags, ..Record::default() };
            let mut block = block(10, |_| Value::Int(1), record);
            let file = pipeline::ledger::FileId { slot: 0, generation: 0 };
            let origin = std::sync::Arc::default();
            block.sources.push(crate::block::Source { file, serial: 3, origin, base: 0 });
            // The last one is an error.
            block.records.records_mut()[9].severity = 17;
            stage.thin(&mut block, 0, 1, &numbers);
            assert_eq!(block.records.len(), 2);
            assert_eq!((stage.recalled.len(), numbers.rescue_missed.get()), (recalled, missed));
            assert!(stage.recalled.iter().all(|one| one.is(&record)));
        }
    }
}
