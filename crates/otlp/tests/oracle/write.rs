//! From prost's messages to our writer's calls.

use crate::messages::{AnyValue, Kind, LogRecord, Request, ResourceLogs};
use otlp::{Origin, Pushed, RecordHead, RequestLimits, Value};

pub(crate) const WIDE: RequestLimits = RequestLimits { records_max: 1_000_000, bytes_max: 1 << 30 };

/// Calls `then` with our value of a prost value; lists live as long as the call.
pub(crate) fn with_value<R>(value: Option<&AnyValue>, then: &mut dyn FnMut(&Value<'_>) -> R) -> R {
    match value.and_then(|value| value.value.as_ref()) {
        None => then(&Value::Empty),
        Some(Kind::Str(text)) => then(&Value::Str(text)),
        Some(Kind::Bool(value)) => then(&Value::Bool(*value)),
        Some(Kind::Int(value)) => then(&Value::Int(*value)),
        Some(Kind::Double(value)) => then(&Value::Double(*value)),
        Some(Kind::Bytes(bytes)) => then(&Value::Bytes(bytes)),
        Some(Kind::Array(array)) => {
            let mut made = Vec::new();
            with_array(&array.values, &mut made, then)
        }
        Some(Kind::Map(map)) => {
            let pairs: Vec<_> =
                map.values.iter().map(|pair| (pair.key.as_str(), pair.value.as_ref())).collect();
            let mut made = Vec::new();
            with_map(&pairs, &mut made, then)
        }
    }
}

fn with_array<R>(
    rest: &[AnyValue],
    made: &mut Vec<Value<'_>>,
    then: &mut dyn FnMut(&Value<'_>) -> R,
) -> R {
    let Some((first, rest)) = rest.split_first() else { return then(&Value::Array(made)) };
    with_value(Some(first), &mut |value| {
        let mut longer = made.clone();
        longer.push(*value);
        with_array(rest, &mut longer, then)
    })
}

fn with_map<R>(
    rest: &[(&str, Option<&AnyValue>)],
    made: &mut Vec<(&str, Value<'_>)>,
    then: &mut dyn FnMut(&Value<'_>) -> R,
) -> R {
    let Some(((key, first), rest)) = rest.split_first() else { return then(&Value::Map(made)) };
    with_value(*first, &mut |value| {
        let mut longer = made.clone();
        longer.push((key, *value));
        with_map(rest, &mut longer, then)
    })
}

pub(crate) fn origin(part: &ResourceLogs) -> Origin {
    let attributes = &part.resource.as_ref().unwrap().attributes;
    let pairs: Vec<_> =
        attributes.iter().map(|pair| (pair.key.as_str(), pair.value.as_ref())).collect();
    let scope = part.scope_logs[0].scope.as_ref().unwrap();
    with_map(&pairs, &mut Vec::new(), &mut |map| match map {
        Value::Map(pairs) => Origin::new(pairs.iter().copied())
            .with_scope(&scope.name, &scope.version)
            .with_schema(&part.schema_url),
        other => panic!("a map became {other:?}"),
    })
}

pub(crate) fn record(request: &mut otlp::Request, record: &LogRecord) -> Pushed {
    let head = RecordHead {
        time_ns: record.time_unix_nano,
        observed_ns: record.observed_time_unix_nano,
        severity: u8::try_from(record.severity_number).unwrap(),
        trace_id: record.trace_id.clone().try_into().unwrap_or([0; 16]),
        span_id: record.span_id.clone().try_into().unwrap_or([0; 8]),
        flags: record.flags,
        dropped_attributes: record.dropped_attributes_count,
    };
    request.push(&head, |fields| {
        let mut fields =
            Some(fields).and_then(|fields| fields.severity_text(&record.severity_text));
        if let Some(body) = &record.body {
            with_value(Some(body), &mut |value| {
                fields = fields.take().and_then(|fields| fields.body(value));
            });
        }
        for pair in &record.attributes {
            with_value(pair.value.as_ref(), &mut |value| {
                fields = fields.take().and_then(|fields| fields.attribute(&pair.key, value));
            });
        }
        fields?.event_name(&record.event_name)
    })
}

/// The request that our writer makes of it.
pub(crate) fn request(message: &Request) -> otlp::Request {
    let mut request = otlp::Request::new(WIDE);
    for part in &message.resource_logs {
        request.origin(&origin(part));
        for one in &part.scope_logs[0].log_records {
            assert_eq!(record(&mut request, one), Pushed::Added);
        }
    }
    request
}
