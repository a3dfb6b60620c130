//! Records as Loki's push: few labels, everything else as structured metadata (R27: ids of pods
//! and traces are never labels).

use super::{Pushed, attributes, flags, hex, text_of, time};
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
        match self.push.entry(stream, time(record), records.body(record), pairs) {
            otlp::loki::Pushed::Added => Pushed::Added,
            otlp::loki::Pushed::Full => Pushed::Full,
            _ => Pushed::TooLarge,
        }
    }

    fn selector(&self, origin: &Origin) -> Labels {
        let fixed = self.labels.fixed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let from = attributes(origin).filter(|(name, _)| self.is_label(name));
        let mut all: Vec<(&str, &str)> = fixed.chain(from).collect();
        if all.is_empty() {
            // Loki refuses a stream without labels.
            all.push(("agent", "orlop"));
        }
        Labels::new(all)
    }

    fn is_label(&self, name: &str) -> bool {
        self.labels.from.iter().any(|wanted| wanted == name)
    }
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
    if record.adjusted != 1.0 {
        pairs.push(("sampling.adjusted_count".into(), record.adjusted.to_string().into()));
    }
    // Names that Loki does not know are made valid here; it refuses the whole push otherwise.
    for (name, _) in &mut pairs {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(valid) {
            let made: String = name.chars().map(|c| if valid(c) { c } else { '_' }).collect();
            *name = made.into();
        }
    }
    pairs
}
