//! Records as OTLP.

use super::{ADJUSTED, Pushed, THRESHOLD, is_usual};
use crate::block::Origin;
use crate::config::Batch;
use lines::{Flags, Record, Records, Value};
use otlp::{Fields, RecordHead, Request, RequestLimits};
use std::borrow::Cow;
use std::sync::Arc;

/// A request that grows.
#[derive(Debug)]
pub(crate) struct OtlpLogs {
    pub(super) request: Request,
    /// Where the last record comes from.
    origin: Option<Arc<Origin>>,
}

impl OtlpLogs {
    pub(super) fn new(batch: Batch) -> Self {
        let limits = RequestLimits { records_max: batch.records, bytes_max: batch.bytes };
        Self { request: Request::new(limits), origin: None }
    }

    pub(super) fn clear(&mut self) {
        self.request.clear();
        self.origin = None;
    }

    #[inline]
    pub(super) fn push(
        &mut self,
        records: &Records,
        record: &Record,
        origin: &Arc<Origin>,
    ) -> Pushed {
        if !self.origin.as_ref().is_some_and(|last| Arc::ptr_eq(last, origin)) {
            self.request.origin(&origin.otlp);
            self.origin = Some(origin.clone());
        }
        let head = RecordHead {
            time_ns: record.time,
            observed_ns: record.observed,
            severity: record.severity,
            trace_id: record.trace_id,
            span_id: record.span_id,
            flags: u32::from(record.trace_flags),
            dropped_attributes: 0,
        };
        let pushed = self.request.push(&head, |fields| {
            let mut fields = fields.severity_text(records.text(record.severity_text))?;
            fields = fields.body(&otlp::Value::Str(records.body(record)))?;
            for field in records.fields(record) {
                let mut nested = Cow::Borrowed("");
                let value = value(records, field.value, &mut nested);
                fields = fields.attribute(records.text(field.key), &value)?;
            }
            if is_usual(record) { Some(fields) } else { marks(fields, record) }
        });
        match pushed {
            otlp::Pushed::Added => Pushed::Added,
            otlp::Pushed::Full => Pushed::Full,
            _ => Pushed::TooLarge,
        }
    }
}

/// Attributes that few records have.
#[inline(never)]
fn marks<'r>(mut fields: Fields<'r>, record: &Record) -> Option<Fields<'r>> {
    use otlp::Value::{Bool, Double, Str, UInt};
    if record.flags.has(Flags::STDERR) {
        fields = mark(fields, "log.iostream", Str("stderr"))?;
    }
    for (name, truth) in super::flags(record) {
        fields = mark(fields, name, Bool(truth))?;
    }
    if record.flags.has(Flags::TRUNCATED) {
        fields = mark(fields, "log.original_length", UInt(record.original_len))?;
    }
    if record.adjusted != 1.0 {
        fields = mark(fields, ADJUSTED, Double(record.adjusted))?;
    }
    if record.threshold != 0 {
        fields = mark(fields, THRESHOLD, Str(&super::threshold(record)))?;
    }
    Some(fields)
}

#[inline(never)]
fn mark<'r>(fields: Fields<'r>, name: &str, value: otlp::Value<'_>) -> Option<Fields<'r>> {
    fields.attribute(name, &value)
}

#[inline]
fn value<'v, 'r: 'v>(
    records: &'r Records,
    value: Value,
    nested: &'v mut Cow<'r, str>,
) -> otlp::Value<'v> {
    match value {
        Value::Str(span) => otlp::Value::Str(records.text(span)),
        Value::Json(span) => {
            *nested = records.json(span);
            otlp::Value::Str(nested)
        }
        Value::Int(number) => otlp::Value::Int(number),
        Value::UInt(number) => otlp::Value::UInt(number),
        Value::Number(span) => {
            let text = records.text(span);
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => otlp::Value::Double(number),
                _ => otlp::Value::Str(text),
            }
        }
        Value::Bool(truth) => otlp::Value::Bool(truth),
        Value::Null => otlp::Value::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_a_double_and_one_that_no_double_holds_stays_as_it_was_written() {
        let mut records = Records::new();
        for (text, wanted) in [
            ("1.5", otlp::Value::Double(1.5)),
            ("-0", otlp::Value::Double(-0.0)),
            ("1E2", otlp::Value::Double(100.0)),
            ("1e400", otlp::Value::Str("1e400")),
        ] {
            let span = records.push_text(text);
            let mut nested = Cow::default();
            assert_eq!(value(&records, Value::Number(span), &mut nested), wanted, "{text}");
        }
    }

    #[test]
    fn r17_a_surrogate_without_its_partner_is_mended_in_nested_values_as_text() {
        let mut records = Records::new();
        let span = records.push_text(r#"["cut \ud83d"]"#);
        let mut nested = Cow::default();
        let wanted = r#"["cut \ufffd"]"#;
        let json = Value::Json(span);
        assert_eq!(value(&records, json, &mut nested), otlp::Value::Str(wanted));
        assert_eq!(crate::encode::text_of(&records, json), wanted, "for Loki and `tap`");
    }

    #[test]
    fn a_threshold_is_written_without_the_zeros_at_its_end() {
        for (threshold, wanted) in [
            (0x80_0000_0000_0000, "8"),
            (0xe6_6666_6666_6668, "e6666666666668"),
            (0x00_4000_0000_0001, "00400000000001"),
        ] {
            let mut records = Records::new();
            let body = records.push_text("x");
            records.push(&Record { body, threshold, adjusted: 2.0, ..Record::default() });
            let mut one = OtlpLogs::new(Batch::default());
            let origin = Arc::new(Origin::default());
            assert_eq!(one.push(&records, &records.records()[0], &origin), Pushed::Added);
            let mut bytes = Vec::new();
            one.request.encode(0..1, &mut bytes);
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                text.contains(&format!("{THRESHOLD}\u{12}{}", char::from(wanted.len() as u8 + 2)))
            );
            assert!(
                text.ends_with(&format!("{}{wanted}", char::from(wanted.len() as u8))),
                "{text:?}"
            );
        }
    }
}
