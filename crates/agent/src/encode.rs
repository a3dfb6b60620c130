//! From records to requests: OTLP, Loki, JSON lines.
//!
//! An [`Encoder`] takes records of blocks until it is full and gives any range of them as the body
//! of a request, which is what bisecting a refused batch needs.

pub(crate) mod json;
mod loki;
mod otlp_logs;

use crate::block::{Block, Origin, Source};
use crate::config::{Batch, Format, LokiLabels};
use lines::{Flags, Record, Records, Value};
use std::ops::Range;

pub(crate) use json::Lines;
pub(crate) use loki::LokiPush;
pub(crate) use otlp_logs::OtlpLogs;

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
        Self::Lines(Lines::new(batch, format))
    }

    /// Takes a record.
    #[inline]
    pub(crate) fn push(&mut self, block: &Block, record: &Record, source: &Source) -> Pushed {
        match self {
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
        }
    }

    /// Forgets the records and keeps the memory.
    pub(crate) fn clear(&mut self) {
        match self {
            Self::Otlp(one) => one.clear(),
            Self::Loki(one) => one.clear(),
            Self::Lines(one) => one.clear(),
        }
    }

    /// The body of a request with some of the records.
    pub(crate) fn body(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Otlp(one) => one.request.encode(range, out),
            Self::Loki(one) => one.push.encode(range, out),
            Self::Lines(one) => one.body(range, out),
        }
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
            Self::Lines(_) => out.extend_from_slice(&body),
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
    fn bytes_of_any_number_have_two_digits_each() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            let wanted: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex(&bytes), wanted);
        }
    }
}
