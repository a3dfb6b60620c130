//! From records to requests: OTLP, Loki, JSON lines.
//!
//! An [`Encoder`] takes records of blocks until it is full and gives any range of them as the body
//! of a request, which is what bisecting a refused batch needs.

pub(crate) mod json;
mod loki;
mod otlp_logs;
mod text;

use crate::block::{Block, Origin, Source};
use crate::config::{Batch, Format, LokiLabels};
use lines::{Flags, Record, Records, Value};
use pipeline::ring::Lease;
use std::ops::Range;
use std::sync::Arc;
use wire::Bytes;

pub(crate) use json::Lines;
pub(crate) use loki::LokiPush;
pub(crate) use otlp_logs::OtlpLogs;
pub(crate) use text::Text;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is in the batch.
    Added,
    /// The batch is full: seal it, and push the record again.
    Full,
    /// It fits into no batch.
    TooLarge,
}

/// A batch in some format.
#[derive(Debug)]
pub(crate) enum Encoder {
    Otlp(OtlpLogs),
    Loki(LokiPush),
    Lines(Lines),
    Text(Text),
}

impl Encoder {
    /// OTLP.
    pub(crate) fn otlp(batch: Batch) -> Self {
        Self::Otlp(OtlpLogs::new(batch))
    }

    /// Loki.
    pub(crate) fn loki(batch: Batch, labels: LokiLabels) -> Self {
        Self::Loki(LokiPush::new(batch, labels))
    }

    /// Lines of a file.
    pub(crate) fn lines(batch: Batch, format: Format) -> Self {
        match format {
            Format::Json(members) => Self::Lines(Lines::new(batch, members)),
            Format::Text => Self::Text(Text::new(batch)),
        }
    }

    /// Takes the first records, as long as they are of this file and added. Gives how many they
    /// are, and what became of the next one of the file, when there is one.
    pub(crate) fn push_row(
        &mut self,
        block: &Arc<Lease<Block>>,
        records: &[Record],
        source: &Source,
    ) -> (usize, Pushed) {
        let slot = source.file.slot;
        let row = records.iter().take_while(|record| record.source == slot);
        let (texts, origin) = (&block.records, &source.origin);
        match self {
            Self::Text(one) => add(row, |record| one.push(block, record)),
            Self::Otlp(one) => add(row, |record| one.push(texts, record, origin)),
            Self::Loki(one) => add(row, |record| one.push(texts, record, origin)),
            Self::Lines(one) => add(row, |record| one.push(texts, record, origin)),
        }
    }

    /// How many records it has.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Otlp(one) => one.request.len(),
            Self::Loki(one) => one.push.len(),
            Self::Lines(one) => one.len(),
            Self::Text(one) => one.len(),
        }
    }

    /// Forgets the records and keeps the memory.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Otlp(one) => one.clear(),
            Self::Loki(one) => one.clear(),
            Self::Lines(one) => one.clear(),
            Self::Text(one) => one.clear(),
        }
    }

    /// The body of a request with some of the records.
    #[inline(never)]
    pub(crate) fn body(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Otlp(one) => one.request.encode(range, out),
            Self::Loki(one) => one.push.encode(range, out),
            Self::Lines(one) => out.extend_from_slice(one.lines(range)),
            Self::Text(one) => one.pieces(range).for_each(|piece| out.extend_from_slice(piece)),
        }
    }

    /// The body of a request to Loki with some of the records, in streams of their own.
    pub(crate) fn body_in_parts(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Loki(one) => one.push.encode_in_parts(range, out),
            _ => self.body(range, out),
        }
    }

    /// Nothing follows: all that it has can be sent as it lies, where that is possible. When
    /// records lie in another order from now on, it says of each which one it was.
    pub(crate) fn seal(&mut self) -> Option<Vec<usize>> {
        match self {
            Self::Otlp(one) => one.request.seal(),
            Self::Loki(one) => return Some(one.push.group()),
            Self::Lines(_) | Self::Text(_) => {}
        }
        None
    }

    /// The parts that are requests of their own at least.
    pub(crate) fn parts(&self) -> Vec<Range<usize>> {
        match self {
            Self::Loki(one) => one.push.streams().collect(),
            _ => std::iter::once(0..self.len()).collect(),
        }
    }

    /// The body of a request with all of the records, when it lies here as it is sent.
    pub(crate) fn whole(&self, range: &Range<usize>) -> Option<&[u8]> {
        match self {
            Self::Otlp(one) if *range == (0..one.request.len()) => one.request.whole(),
            _ => None,
        }
    }

    /// The body of a request with some of the records, without a copy when it lies in the encoder
    /// as it is sent.
    #[inline(never)]
    pub(crate) fn shared(self: &Arc<Self>, range: Range<usize>) -> Bytes {
        if self.whole(&range).is_some() {
            return Bytes::from_owner(Whole(self.clone()));
        }
        let mut body = Vec::new();
        self.body(range, &mut body);
        Bytes::from(body)
    }

    /// One record as a line of JSON for a dead-letter file: where it can be, a request that can be
    /// sent again.
    pub(crate) fn letter(&self, at: usize, out: &mut Vec<u8>) {
        match self {
            Self::Otlp(one) => {
                let mut body = Vec::new();
                one.request.encode(at..at + 1, &mut body);
                if let Ok(request) = ::otlp::LogsRequest::read(&body) {
                    ::otlp::json::write_line(&request, out);
                }
            }
            Self::Loki(one) => one.push.write_json_line(at, out),
            Self::Lines(_) | Self::Text(_) => self.body(at..at + 1, out),
        }
    }
}

/// Pushes records up to the first one that is not added.
#[inline]
fn add<'r>(
    records: impl Iterator<Item = &'r Record>,
    mut push: impl FnMut(&Record) -> Pushed,
) -> (usize, Pushed) {
    let mut added = 0;
    for record in records {
        let pushed = push(record);
        if pushed != Pushed::Added {
            return (added, pushed);
        }
        added += 1;
    }
    (added, Pushed::Added)
}

/// All of an encoder as it is sent.
#[derive(Debug)]
struct Whole(Arc<Encoder>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        self.0.whole(&(0..self.0.len())).unwrap_or_default()
    }
}

/// Whether a record has no attributes beside its fields. Two of its flags are never written.
#[inline]
pub(crate) fn is_usual(record: &Record) -> bool {
    let mut written = record.flags;
    written.clear(Flags::MULTILINE | Flags::JOINED);
    written == Flags::default() && record.adjusted == 1.0
}

/// What a record says beside its fields: its flags as attributes.
pub(crate) fn flags(record: &Record) -> impl Iterator<Item = (&'static str, bool)> {
    const NAMES: [(Flags, &str); 7] = [
        (Flags::PARTIAL, "log.partial"),
        (Flags::TRUNCATED, "log.truncated"),
        (Flags::UNPARSED, "log.unparsed"),
        (Flags::MALFORMED, "log.malformed"),
        (Flags::REPAIRED, "log.repaired"),
        (Flags::FIELDS_CUT, "log.fields_cut"),
        (Flags::REDACTED, "log.redacted"),
    ];
    let set = record.flags;
    NAMES.into_iter().filter(move |(flag, _)| set.has(*flag)).map(|(_, name)| (name, true))
}

/// Sampled records say how many they stand for.
const ADJUSTED: &str = "sampling.adjusted_count";
/// And their threshold.
const THRESHOLD: &str = "sampling.threshold";

/// The sampling threshold as OpenTelemetry writes it: its 56 bits as 14 digits, without the zeros
/// at their end.
fn threshold(record: &Record) -> String {
    let digits = hex(&record.threshold.to_be_bytes());
    digits.get(2..).unwrap_or_default().trim_end_matches('0').to_owned()
}

/// When a record happened, or was read when it does not say.
pub(crate) fn time(record: &Record) -> u64 {
    if record.time == 0 { record.observed } else { record.time }
}

/// Bytes as hex digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * 2);
    for part in bytes.chunks(8) {
        let mut eight = [0; 8];
        eight.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        let digits = lines::hex::digits(eight);
        text.extend_from_slice(digits.get(..part.len() * 2).unwrap_or_default());
    }
    String::from_utf8(text).unwrap_or_default()
}

/// A value as text.
pub(crate) fn text_of(records: &Records, value: Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Str(span) | Value::Number(span) => records.text(span).into(),
        Value::Json(span) => records.json(span),
        Value::Int(number) => number.to_string().into(),
        Value::UInt(number) => number.to_string().into(),
        Value::Bool(truth) => if truth { "true" } else { "false" }.into(),
        Value::Null => "null".into(),
    }
}

/// The attributes of a record's origin.
pub(crate) fn attributes(origin: &Origin) -> impl Iterator<Item = (&str, &str)> {
    origin.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_body_is_the_same_and_the_whole_lies_in_the_encoder() {
        let mut records = Records::new();
        for number in 0..3_000 {
            let body = records.push_text(&format!("a message with the number {number}"));
            records.push(&Record { body, line: body, ..Record::default() });
        }
        let mut one = OtlpLogs::new(Batch { records: 10_000, ..Batch::default() });
        for (at, record) in records.records().iter().enumerate() {
            // One origin with many records, and many with few.
            let number = if at < 2_000 { 0 } else { at / 100 };
            let attributes = vec![("number".to_owned(), number.to_string())];
            let origin = Arc::new(Origin::new(attributes, "/a.log", None));
            assert_eq!(one.push(&records, record, &origin), Pushed::Added);
        }
        let mut encoder = Encoder::Otlp(one);
        assert!(encoder.whole(&(0..3_000)).is_none(), "it is not complete");
        encoder.seal();
        let encoder = Arc::new(encoder);
        for range in [0..3_000, 0..2_000, 10..1_900, 1_999..2_001, 2_150..2_750, 7..8, 5..5] {
            let mut wanted = Vec::new();
            encoder.body(range.clone(), &mut wanted);
            assert!(encoder.shared(range.clone()) == wanted, "{range:?}");
        }
        let sent = encoder.shared(0..3_000);
        assert_eq!(Arc::strong_count(&encoder), 2, "nothing is copied");
        drop(sent);
        assert!(Arc::into_inner(encoder).is_some());
    }

    #[test]
    fn a_row_ends_where_another_file_begins_and_where_a_record_is_not_added() {
        use pipeline::ring::{Limits, Mode, Next, ring};
        let mut block = Block::default();
        for slot in [0, 0, 1, 0] {
            let body = block.records.push_text("a line");
            block.records.push(&Record { body, source: slot, ..Record::default() });
        }
        let file = |slot| pipeline::ledger::FileId { slot, generation: 0 };
        let source = |slot| Source { file: file(slot), serial: 0, origin: Arc::default(), base: 0 };
        let (mut producer, subscriber) = ring(Limits::for_memory(1 << 20, 1));
        let mut consumer = subscriber.subscribe(Mode::Lossless);
        producer.try_push(block, 1).unwrap();
        let Next::Block(lease) = consumer.try_next() else { panic!("it is there") };
        let block = Arc::new(lease);
        for format in [Format::Text, Format::Json(crate::config::Members::ALL)] {
            let mut encoder = Encoder::lines(Batch { records: 3, ..Batch::default() }, format);
            let mut push = |from: usize, slot| {
                encoder.push_row(&block, &block.records.records()[from..], &source(slot))
            };
            assert_eq!(push(0, 0), (2, Pushed::Added));
            assert_eq!(push(2, 1), (1, Pushed::Added));
            assert_eq!(push(3, 0), (0, Pushed::Full));
            assert_eq!(encoder.len(), 3);
        }
        let mut small = Encoder::otlp(Batch { bytes: 1, ..Batch::default() });
        let pushed = small.push_row(&block, block.records.records(), &source(0));
        assert_eq!(pushed, (0, Pushed::TooLarge));
    }

    #[test]
    fn bytes_of_any_number_have_two_digits_each() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            let wanted: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex(&bytes), wanted);
        }
    }
}
