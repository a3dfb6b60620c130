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
use otlp::Piece;
use pipeline::ring::Lease;
use std::ops::Range;
use std::sync::Arc;
use wire::Bytes;

pub(crate) use json::Lines;
pub(crate) use loki::LokiPush;
pub(crate) use otlp_logs::OtlpLogs;
pub(crate) use text::Text;

/// Records of so many bytes are sent from where they lie; fewer are copied, so that a body has few
/// pieces.
const SHARED_BYTES_MIN: usize = 16 * 1024;

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
            Format::Json => Self::Lines(Lines::new(batch)),
            Format::Text => Self::Text(Text::new(batch)),
        }
    }

    /// Takes a record.
    #[inline]
    pub(crate) fn push(
        &mut self,
        block: &Arc<Lease<Block>>,
        record: &Record,
        source: &Source,
    ) -> Pushed {
        match self {
            Self::Text(one) => one.push(block, record),
            Self::Otlp(one) => one.push(&block.records, record, &source.origin),
            Self::Loki(one) => one.push(&block.records, record, &source.origin),
            Self::Lines(one) => one.push(&block.records, record, &source.origin),
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

    /// The same without a copy of what is large: pieces of it lie in the encoder until they are
    /// dropped.
    #[inline(never)]
    pub(crate) fn shared(self: &Arc<Self>, range: Range<usize>) -> wire::Body {
        let mut body = wire::Body::default();
        let mut before = Vec::new();
        match &**self {
            Self::Otlp(one) => one.request.pieces(range, &mut |piece| match piece {
                Piece::Records(range) if range.len() >= SHARED_BYTES_MIN => {
                    body.push(Bytes::from(std::mem::take(&mut before)));
                    body.push(Bytes::from_owner(Shared { encoder: self.clone(), range }));
                }
                Piece::Records(range) => before.extend_from_slice(one.request.records(range)),
                Piece::Around(bytes) => before.extend_from_slice(bytes),
            }),
            Self::Loki(_) | Self::Lines(_) | Self::Text(_) => self.body(range, &mut before),
        }
        body.push(Bytes::from(before));
        body
    }

    /// One record as a line of a dead-letter file.
    pub(crate) fn letter(&self, at: usize, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        self.body(at..at + 1, &mut body);
        match self {
            Self::Otlp(_) => {
                if let Ok(request) = ::otlp::LogsRequest::read(&body) {
                    ::otlp::json::write_line(&request, out);
                }
            }
            Self::Loki(_) => {
                out.extend_from_slice(b"{\"loki_push_hex\":\"");
                out.extend_from_slice(hex(&body).as_bytes());
                out.extend_from_slice(b"\"}\n");
            }
            Self::Lines(_) | Self::Text(_) => out.extend_from_slice(&body),
        }
    }
}

/// Records in an encoder.
#[derive(Debug)]
struct Shared {
    encoder: Arc<Encoder>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        match &*self.encoder {
            Encoder::Otlp(one) => one.request.records(self.range.clone()),
            Encoder::Loki(_) | Encoder::Lines(_) | Encoder::Text(_) => &[],
        }
    }
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

/// When a record happened, or was read when it does not say.
pub(crate) fn time(record: &Record) -> u64 {
    if record.time == 0 { record.observed } else { record.time }
}

/// Bytes as hex digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for part in bytes.chunks(8) {
        let mut eight = [0; 8];
        eight.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        text.extend(lines::hex::digits(eight).iter().take(part.len() * 2).copied().map(char::from));
    }
    text
}

/// A value as text.
pub(crate) fn text_of(records: &Records, value: Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Str(span) | Value::Number(span) | Value::Json(span) => records.text(span).into(),
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
    fn a_shared_body_is_the_same_and_what_is_large_lies_in_the_encoder() {
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
        let encoder = Arc::new(Encoder::Otlp(one));
        for range in [0..3_000, 0..2_000, 10..1_900, 1_999..2_001, 2_150..2_750, 7..8, 5..5] {
            let mut wanted = Vec::new();
            encoder.body(range.clone(), &mut wanted);
            let shared = encoder.shared(range);
            assert_eq!((shared.len(), shared.bytes().as_ref()), (wanted.len() as u64, &wanted[..]));
        }
        let sent = encoder.shared(0..2_000);
        assert_eq!(Arc::strong_count(&encoder), 2, "the records are not copied");
        drop(sent);
        assert!(Arc::into_inner(encoder).is_some());
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
