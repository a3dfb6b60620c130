//! Requests of logs: writer, reader, ranges, bounds, OTLP/JSON.

use crate::messages::{self, AnyValue, Kind, PartialSuccess, Request, Response};
use crate::{read, write};
use otlp::{LogsRequest, Origin, Pushed, RecordHead, RequestLimits, Value, fuzzing};
use proptest::prelude::*;
use prost::Message;
use std::ops::Range;

/// An empty body is written as an absent one by our views, and the other way round.
fn plain(mut request: Request) -> Request {
    for part in &mut request.resource_logs {
        for scope in &mut part.scope_logs {
            for record in &mut scope.log_records {
                record.body = record.body.take().filter(|body| body.value.is_some());
            }
        }
    }
    request
}

/// The records of a range, groups that are empty left out.
fn slice(request: &Request, range: &Range<usize>) -> Request {
    let mut at = 0;
    let mut sliced = request.clone();
    for part in &mut sliced.resource_logs {
        part.scope_logs[0].log_records.retain(|_| {
            at += 1;
            range.contains(&(at - 1))
        });
    }
    sliced.resource_logs.retain(|part| !part.scope_logs[0].log_records.is_empty());
    sliced
}

/// Neighbours of one origin become one group.
fn joined(request: Request) -> Request {
    let mut joined = Request::default();
    for part in request.resource_logs {
        match joined.resource_logs.last_mut() {
            Some(last)
                if last.resource == part.resource
                    && last.schema_url == part.schema_url
                    && last.scope_logs[0].scope == part.scope_logs[0].scope =>
            {
                let records = part.scope_logs[0].log_records.iter().cloned();
                last.scope_logs[0].log_records.extend(records);
            }
            _ => joined.resource_logs.push(part),
        }
    }
    joined
}

fn count(request: &Request) -> usize {
    request.resource_logs.iter().map(|part| part.scope_logs[0].log_records.len()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_we_write_prost_reads_as_the_same_and_so_do_we(message in messages::request()) {
        let message = joined(message);
        let mut request = write::request(&message);
        let mut bytes = Vec::new();
        request.encode(0..request.len(), &mut bytes);
        prop_assert_eq!(bytes.len(), request.encoded_len());
        prop_assert_eq!(request.whole(), None);
        request.seal();
        prop_assert_eq!(request.whole(), Some(&bytes[..]));
        // Two lengths of each part have four bytes, whatever they are.
        let longer = 6 * message.resource_logs.len();
        prop_assert!((bytes.len() - longer..=bytes.len()).contains(&message.encoded_len()));
        prop_assert_eq!(&Request::decode(&bytes[..]).unwrap(), &message);
        let view = LogsRequest::read(&bytes).unwrap();
        prop_assert_eq!(view.records(), count(&message));
        prop_assert_eq!(read::request(&view), plain(message));
    }

    #[test]
    fn what_prost_writes_we_read_as_the_same(message in messages::request()) {
        let bytes = message.encode_to_vec();
        let view = LogsRequest::read(&bytes).unwrap();
        prop_assert_eq!(read::request(&view), plain(message));
        fuzzing::logs_request(&bytes);
    }

    #[test]
    fn r20_any_range_of_records_is_a_request_of_its_own(
        message in messages::request(), start in 0..20_usize, length in 0..20_usize,
    ) {
        let message = joined(message);
        let request = write::request(&message);
        let range = start..start + length;
        let mut bytes = b"before".to_vec();
        request.encode(range.clone(), &mut bytes);
        prop_assert_eq!(bytes.len() - 6, request.encoded_len_of(range.clone()));
        prop_assert_eq!(Request::decode(&bytes[6..]).unwrap(), slice(&message, &range));
    }

    #[test]
    fn r20_a_request_never_grows_over_its_bounds_and_loses_nothing_that_it_took(
        message in messages::request(), bytes_max in 0..4_000_usize, records_max in 0..6_usize,
    ) {
        let mut request = otlp::Request::new(RequestLimits { records_max, bytes_max });
        let mut taken = Request::default();
        for part in &message.resource_logs {
            request.origin(&write::origin(part));
            let mut kept = part.clone();
            kept.scope_logs[0].log_records.retain(|record| {
                let before = (request.len(), request.encoded_len());
                let pushed = write::record(&mut request, record);
                let after = (request.len(), request.encoded_len());
                assert!(pushed == Pushed::Added || before == after);
                if let Pushed::TooLarge(size) = pushed {
                    assert!(size > bytes_max || records_max == 0);
                }
                pushed == Pushed::Added
            });
            if !kept.scope_logs[0].log_records.is_empty() {
                taken.resource_logs.push(kept);
            }
        }
        prop_assert!(request.len() <= records_max && request.encoded_len() <= bytes_max);
        let mut bytes = Vec::new();
        request.encode(0..request.len(), &mut bytes);
        prop_assert_eq!(bytes.len(), request.encoded_len());
        request.seal();
        prop_assert_eq!(request.whole(), Some(&bytes[..]));
        prop_assert_eq!(Request::decode(&bytes[..]).unwrap(), joined(taken));
    }

    #[test]
    fn a_line_of_json_is_read_back_by_another_reader(message in messages::request()) {
        let bytes = message.encode_to_vec();
        let mut line = Vec::new();
        otlp::json::write_line(&LogsRequest::read(&bytes).unwrap(), &mut line);
        let json: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let parts = json["resourceLogs"].as_array().unwrap();
        prop_assert_eq!(parts.len(), message.resource_logs.len());
        for (part, expected) in parts.iter().zip(&message.resource_logs) {
            let records = part["scopeLogs"][0]["logRecords"].as_array().unwrap();
            for (record, expected) in records.iter().zip(&expected.scope_logs[0].log_records) {
                let time = expected.time_unix_nano.to_string();
                prop_assert_eq!(record["timeUnixNano"].as_str(), Some(time.as_str()));
                let text = record["severityText"].as_str().unwrap_or_default();
                prop_assert_eq!(text, expected.severity_text.as_str());
                if let Some(AnyValue { value: Some(Kind::Str(body)) }) = &expected.body {
                    prop_assert_eq!(record["body"]["stringValue"].as_str(), Some(body.as_str()));
                }
                if let Some(AnyValue { value: Some(Kind::Double(body)) }) = &expected.body
                    && body.is_finite()
                {
                    prop_assert_eq!(record["body"]["doubleValue"].as_f64(), Some(*body));
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        raw in proptest::collection::vec(any::<u8>(), 0..300),
        message in messages::request(),
        flips in proptest::collection::vec(any::<(u16, u8)>(), 0..6),
    ) {
        fuzzing::logs_request(&raw);
        fuzzing::receiver_answer(&raw);
        let mut bytes = message.encode_to_vec();
        for (at, change) in flips {
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(usize::from(at) % length) {
                *byte ^= change;
            }
        }
        fuzzing::logs_request(&bytes);
        fuzzing::receiver_answer(&bytes);
    }

    #[test]
    fn what_prost_writes_as_an_answer_we_read(rejected in 0..=i64::MAX, error in "\\PC{0,99}") {
        let error_message = error.clone();
        let partial = PartialSuccess { rejected_log_records: rejected, error_message };
        let bytes = Response { partial_success: Some(partial) }.encode_to_vec();
        let read = otlp::response::PartialSuccess::read(&bytes).unwrap();
        prop_assert_eq!(read.rejected, rejected.cast_unsigned());
        prop_assert_eq!(read.message, error);
    }
}

fn nested(depth: usize) -> Vec<u8> {
    let mut value = AnyValue { value: Some(Kind::Bool(true)) };
    for _ in 1..depth {
        value = AnyValue { value: Some(Kind::Array(messages::Array { values: vec![value] })) };
    }
    let record = messages::LogRecord { body: Some(value), ..Default::default() };
    let scope = messages::ScopeLogs { log_records: vec![record], ..Default::default() };
    let part = messages::ResourceLogs { scope_logs: vec![scope], ..Default::default() };
    Request { resource_logs: vec![part] }.encode_to_vec()
}

#[test]
fn values_are_read_to_the_depth_of_the_bound_and_no_deeper() {
    assert!(LogsRequest::read(&nested(otlp::VALUE_DEPTH_MAX)).is_ok());
    let deeper = nested(otlp::VALUE_DEPTH_MAX + 1);
    assert_eq!(LogsRequest::read(&deeper).err(), Some(otlp::DecodeError::Depth));
    // A bomb of 10,000 levels by hand: each level is a list with one value.
    let mut bomb = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(bomb.len() as u64, &mut outer);
        outer.extend_from_slice(&bomb);
        bomb = outer;
    }
    assert!(LogsRequest::read(&bomb).is_err());
}

#[test]
fn what_is_written_too_deep_is_empty_and_can_be_read() {
    fn wrap(depth: usize, value: &Value<'_>, then: &mut dyn FnMut(&Value<'_>)) {
        if depth == 0 { then(value) } else { wrap(depth - 1, &Value::Array(&[*value]), then) }
    }
    for depth in [otlp::VALUE_DEPTH_MAX - 1, otlp::VALUE_DEPTH_MAX, otlp::VALUE_DEPTH_MAX + 40] {
        wrap(depth, &Value::Bool(true), &mut |value| {
            let mut request = otlp::Request::new(write::WIDE);
            let pushed = request.push(&RecordHead::default(), |fields| {
                fields.body(value)?.attribute("deep", value)
            });
            assert_eq!(pushed, Pushed::Added);
            let mut bytes = Vec::new();
            request.encode(0..1, &mut bytes);
            assert!(LogsRequest::read(&bytes).is_ok(), "{depth}");
            let found = Request::decode(&bytes[..]).unwrap().encode_to_vec();
            let kept = found.ends_with(&[0x10, 1]);
            assert_eq!(kept, depth < otlp::VALUE_DEPTH_MAX, "{depth}");
        });
    }
}

#[test]
fn r17_numbers_over_63_bits_keep_all_of_their_digits() {
    let mut request = otlp::Request::new(write::WIDE);
    let pushed = request.push(&RecordHead::default(), |fields| {
        let fields = fields.attribute("fits", &Value::UInt(i64::MAX.cast_unsigned()))?;
        let fields = fields.attribute("over", &Value::UInt(1 << 63))?;
        fields.attribute("most", &Value::UInt(u64::MAX))
    });
    assert_eq!(pushed, Pushed::Added);
    let mut bytes = Vec::new();
    request.encode(0..1, &mut bytes);
    let read = Request::decode(&bytes[..]).unwrap();
    let kinds: Vec<_> = read.resource_logs[0].scope_logs[0].log_records[0]
        .attributes
        .iter()
        .map(|pair| pair.value.clone().unwrap().value.unwrap())
        .collect();
    let digits = |text: &str| Kind::Str(text.to_owned());
    let expected =
        [Kind::Int(i64::MAX), digits("9223372036854775808"), digits("18446744073709551615")];
    assert_eq!(kinds, expected);
}

#[test]
fn an_empty_key_and_an_empty_text_come_back() {
    let mut request = otlp::Request::new(write::WIDE);
    let pushed = request.push(&RecordHead::default(), |fields| {
        fields.body(&Value::Str(""))?.attribute("", &Value::Empty)
    });
    assert_eq!(pushed, Pushed::Added);
    let mut bytes = Vec::new();
    request.encode(0..1, &mut bytes);
    let read = Request::decode(&bytes[..]).unwrap();
    let record = &read.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(record.body.clone().unwrap().value, Some(Kind::Str(String::new())));
    assert_eq!(record.attributes[0].value, Some(AnyValue { value: None }));
}

#[test]
fn an_id_of_another_length_and_text_that_is_not_utf8_are_refused_by_name() {
    let with = |record: messages::LogRecord| {
        let scope = messages::ScopeLogs { log_records: vec![record], ..Default::default() };
        let part = messages::ResourceLogs { scope_logs: vec![scope], ..Default::default() };
        Request { resource_logs: vec![part] }.encode_to_vec()
    };
    let bytes = with(messages::LogRecord { trace_id: vec![1; 8], ..Default::default() });
    let error = LogsRequest::read(&bytes).unwrap_err();
    assert_eq!(error, otlp::DecodeError::IdLength { length: 8 });
    let mut bytes = with(messages::LogRecord { severity_text: "xx".into(), ..Default::default() });
    let at = bytes.len() - 1;
    bytes[at] = 0xff;
    assert_eq!(LogsRequest::read(&bytes).unwrap_err(), otlp::DecodeError::Utf8 { field: 3 });
}

#[test]
fn a_record_that_does_not_fit_was_never_there_and_memory_is_kept_over_a_clear() {
    let limits = RequestLimits { records_max: 10, bytes_max: 200_000 };
    let mut request = otlp::Request::new(limits);
    request.origin(&Origin::new([("a", Value::Int(1))]));
    let push = |request: &mut otlp::Request, length: usize| {
        let body = "x".repeat(length);
        request.push(&RecordHead::default(), |fields| fields.body(&Value::Str(&body)))
    };
    assert!(matches!(push(&mut request, 1_000_000), Pushed::TooLarge(1_000_000..1_000_100)));
    assert!(request.is_empty() && request.encoded_len() == 0);
    assert!(request.memory() > 1_000_000);
    request.clear();
    assert!((200_000..201_000).contains(&request.memory()), "what a huge record took is back");
    assert_eq!(push(&mut request, 150_000), Pushed::Added);
    assert_eq!(push(&mut request, 150_000), Pushed::Full);
    assert_eq!(push(&mut request, 10), Pushed::Added);
    let memory = request.memory();
    request.clear();
    assert_eq!((request.len(), request.encoded_len(), request.memory()), (0, 0, memory));
}

#[test]
fn the_overhead_of_a_record_is_at_most_what_is_said() {
    let head = RecordHead {
        time_ns: u64::MAX,
        observed_ns: u64::MAX,
        severity: 24,
        trace_id: [1; 16],
        span_id: [1; 8],
        flags: u32::MAX,
        dropped_attributes: u32::MAX,
    };
    let mut request = otlp::Request::new(write::WIDE);
    assert_eq!(request.push(&head, |fields| Some(fields)), Pushed::Added);
    let first = request.encoded_len();
    assert_eq!(request.push(&head, |fields| Some(fields)), Pushed::Added);
    assert!(request.encoded_len() - first <= otlp::RECORD_OVERHEAD_BYTES);
}
