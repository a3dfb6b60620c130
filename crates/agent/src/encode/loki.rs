//! Records as Loki's push: few labels, everything else as structured metadata (R27: ids of pods
//! and traces are never labels).
//!
//! Of entries of a stream with the same time and line Loki keeps one, whatever their metadata is,
//! and says that it took them all. So each record gets a time of its own: see [`own_time`].

use super::{ADJUSTED, Pushed, THRESHOLD, attributes, flags, hex, text_of, threshold, time};
use crate::block::Origin;
use crate::config::{Batch, LokiLabels};
use lines::{Flags, Record, Records};
use otlp::loki::{Labels, Push, PushLimits};
use std::borrow::Cow;
use std::sync::Arc;

/// A push that grows.
#[derive(Debug)]
pub(crate) struct LokiPush {
    pub(super) push: Push,
    labels: LokiLabels,
    /// The last origin and its labels: records come file by file.
    last: Option<(Arc<Origin>, Labels)>,
}

impl LokiPush {
    pub(super) fn new(batch: Batch, labels: LokiLabels) -> Self {
        let limits = PushLimits { entries_max: batch.records, bytes_max: batch.bytes };
        Self { push: Push::new(limits), labels, last: None }
    }

    pub(super) fn clear(&mut self) {
        self.push.clear();
        self.last = None;
    }

    pub(super) fn push(
        &mut self,
        records: &Records,
        record: &Record,
        origin: &Arc<Origin>,
    ) -> Pushed {
        let last = match self.last.take().filter(|(known, _)| Arc::ptr_eq(known, origin)) {
            Some(last) => last,
            None => (origin.clone(), self.selector(origin)),
        };
        let stream = self.push.stream(&last.1);
        self.last = Some(last);
        let Some(stream) = stream else {
            return if self.push.is_empty() { Pushed::TooLarge } else { Pushed::Full };
        };
        let metadata = metadata(records, record, origin, &self.labels);
        let pairs = metadata.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let time = own_time(record, origin);
        match self.push.entry(stream.part(origin.hash), time, records.body(record), pairs) {
            otlp::loki::Pushed::Added => Pushed::Added,
            otlp::loki::Pushed::Full => Pushed::Full,
            _ => Pushed::TooLarge,
        }
    }

    fn selector(&self, origin: &Origin) -> Labels {
        let fixed = self.labels.fixed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let from = attributes(origin).filter(|(name, _)| self.is_label(name));
        // To Loki a label with an empty value is none, and it refuses a stream without any.
        let all = fixed.chain(from).filter(|(_, value)| !value.is_empty());
        let mut all: Vec<(&str, &str)> = all.collect();
        if all.is_empty() {
            all.push(("agent", "orlop"));
        }
        Labels::new(all)
    }

    fn is_label(&self, name: &str) -> bool {
        self.labels.from.iter().any(|wanted| wanted == name)
    }
}

/// A time in whole seconds, and one of when a record was read, is made later by less than this, in
/// nanoseconds. Less than what it does not state: where others of its stream state more, it stays
/// near to where it was.
const ROUGH_NS: u64 = 100_000_000;

/// When a record happened, with digits that its time does not state (below the second, the
/// millisecond, the microsecond; of one without a time, below the tenth of a second) made of where
/// it begins and in which file. So no two records have the same time, those of a file stay in
/// order but once in so many bytes of it, and one that is delivered again has the time it had,
/// unless that is when it was read.
fn own_time(record: &Record, origin: &Origin) -> u64 {
    let unstated = match record.time {
        time if time % 1_000_000_000 == 0 => ROUGH_NS,
        time if time % 1_000_000 == 0 => 1_000_000,
        time if time % 1_000 == 0 => 1_000,
        _ => return record.time,
    };
    time(record).saturating_add(record.start.wrapping_add(origin.hash) % unstated)
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn metadata<'a>(
    records: &'a Records,
    record: &Record,
    origin: &'a Origin,
    labels: &LokiLabels,
) -> Vec<Pair<'a>> {
    let rest = attributes(origin).filter(|(name, _)| !labels.from.iter().any(|own| own == name));
    let mut pairs: Vec<Pair<'a>> = rest.map(|(name, value)| (name.into(), value.into())).collect();
    let severity = records.text(record.severity_text);
    if !severity.is_empty() {
        pairs.push(("severity_text".into(), severity.into()));
    }
    if record.severity != 0 {
        pairs.push(("severity_number".into(), record.severity.to_string().into()));
    }
    if record.has_trace() {
        pairs.push(("trace_id".into(), hex(&record.trace_id).into()));
    }
    if record.span_id != [0; 8] {
        pairs.push(("span_id".into(), hex(&record.span_id).into()));
    }
    for field in records.fields(record) {
        pairs.push((records.text(field.key).into(), text_of(records, field.value)));
    }
    if record.flags.has(Flags::STDERR) {
        pairs.push(("log.iostream".into(), "stderr".into()));
    }
    pairs.extend(flags(record).map(|(name, _)| (name.into(), "true".into())));
    if record.flags.has(Flags::TRUNCATED) {
        pairs.push(("log.original_length".into(), record.original_len.to_string().into()));
    }
    if record.adjusted != 1.0 {
        pairs.push((ADJUSTED.into(), record.adjusted.to_string().into()));
    }
    if record.threshold != 0 {
        pairs.push((THRESHOLD.into(), threshold(record).into()));
    }
    // Names that Loki does not know are made valid here; it refuses the whole push otherwise.
    for (name, _) in &mut pairs {
        if let Some(made) = otlp::loki::metadata_name(name) {
            *name = made.into();
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SECOND: u64 = 1_000_000_000;

    /// A push with these records of files with these paths, all of one stream.
    fn push(files: &[&str], list: &[Record]) -> LokiPush {
        let mut records = Records::new();
        let body = records.push_text("the same text");
        list.iter().for_each(|record| records.push(&Record { body, ..*record }));
        let batch = Batch { records: 10_000, ..Batch::default() };
        let mut push = LokiPush::new(batch, LokiLabels { from: Vec::new(), fixed: Vec::new() });
        for path in files {
            let origin = Arc::new(Origin::new([], path, None));
            for record in records.records() {
                assert_eq!(push.push(&records, record, &origin), Pushed::Added);
            }
        }
        push
    }

    /// Entries as Loki takes them in JSON: the time, the line, the metadata.
    fn entries(push: &LokiPush) -> Vec<serde_json::Value> {
        let entry = |at| {
            let mut line = Vec::new();
            push.push.write_json_line(at, &mut line);
            let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
            value["streams"][0]["values"][0].clone()
        };
        (0..push.push.len()).map(entry).collect()
    }

    fn times(push: &LokiPush) -> Vec<u64> {
        let time = |entry: &serde_json::Value| entry[0].as_str().unwrap().parse().unwrap();
        entries(push).iter().map(time).collect()
    }

    #[test]
    fn r20_a_time_says_no_more_than_it_stated_and_differs_from_record_to_record() {
        let now = 1_770_000_000 * SECOND;
        for (time, unit, count) in [
            (0, SECOND / 10, 1_000),
            (now, SECOND / 10, 1_000),
            (now + SECOND / 10, SECOND / 1_000, 1_000),
            (now + 1_000, SECOND / 1_000_000, 5),
            (now + 1, 1, 1),
        ] {
            let read = |observed| {
                let record =
                    |at: u64| Record { time, observed, start: at * 90, ..Record::default() };
                let list: Vec<Record> = (0..count).map(record).collect();
                times(&push(&["/a.log", "/b.log"], &list))
            };
            let (first, again) = (read(now + 7), read(now + 9 * SECOND + 7));
            let stated = if time == 0 { now + 7 } else { time };
            assert!(first.iter().all(|one| (stated..stated + unit).contains(one)), "{time}");
            let different: BTreeSet<u64> = first.iter().copied().collect();
            let wanted = if unit == 1 { 1 } else { first.len() };
            assert_eq!(different.len(), wanted, "of {time}");
            // What is delivered a second time Loki takes for what it is.
            assert_eq!(first == again, time != 0, "{time}");
        }
    }

    #[test]
    fn r20_a_stream_has_a_label_also_when_all_that_were_meant_are_empty() {
        let labels = |from: &[&str], fixed: &[(&str, &str)]| LokiLabels {
            from: from.iter().map(|name| (*name).to_owned()).collect(),
            fixed: fixed.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        let origin = Origin::new([("team".into(), String::new())], "/a.log", None);
        let selector = |labels| {
            let push = LokiPush::new(Batch::default(), labels);
            push.selector(&origin).as_str().to_owned()
        };
        assert_eq!(selector(labels(&["team"], &[("app", "")])), "{agent=\"orlop\"}");
        assert_eq!(selector(labels(&[], &[])), "{agent=\"orlop\"}");
        assert_eq!(selector(labels(&["team"], &[("app", "web")])), "{app=\"web\"}");
    }

    #[test]
    fn r20_a_field_has_a_name_that_loki_takes_whatever_it_is_called() {
        let (mut records, value) = (Records::new(), lines::Value::Int(7));
        for name in ["", "_", "é", "переменная", "a.b", "7"] {
            let key = records.push_text(name);
            records.push_field(key, value);
        }
        records.push(&Record::default());
        let labels = LokiLabels { from: Vec::new(), fixed: Vec::new() };
        let mut push = LokiPush::new(Batch::default(), labels);
        let origin = Arc::new(Origin::new([], "/a.log", None));
        assert_eq!(push.push(&records, &records.records()[0], &origin), Pushed::Added);
        let metadata = entries(&push)[0][2].as_object().unwrap().clone();
        assert_eq!(
            metadata.keys().collect::<Vec<_>>(),
            [
                "7",
                "a_b",
                "field",
                "field_5f",
                "field_c3a9",
                "field_d0bfd0b5d180d0b5d0bcd0b5d0bdd0bdd0b0d18f"
            ]
        );
    }

    #[test]
    fn what_was_cut_and_what_was_sampled_is_in_the_metadata_as_in_otlp() {
        let mut flags = Flags::default();
        flags.set(Flags::TRUNCATED);
        let (original_len, adjusted, threshold) = (7_000_000, 2.0, 0x80_0000_0000_0000);
        let record = Record { flags, original_len, adjusted, threshold, ..Record::default() };
        let metadata = &entries(&push(&["/a.log"], &[record]))[0][2];
        for (name, wanted) in [
            ("log_truncated", "true"),
            ("log_original_length", "7000000"),
            ("sampling_adjusted_count", "2"),
            ("sampling_threshold", "8"),
        ] {
            assert_eq!(metadata[name], wanted, "{name} of {metadata}");
        }
        let whole = &entries(&push(&["/a.log"], &[Record::default()]))[0][2];
        assert_eq!(*whole, serde_json::json!({}));
    }
}
