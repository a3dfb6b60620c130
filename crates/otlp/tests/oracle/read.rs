//! From our views to prost's messages.

use crate::messages::{
    AnyValue, Array, KeyValue, Kind, LogRecord, Map, Request, Resource, ResourceLogs, Scope,
    ScopeLogs,
};

fn value(view: &otlp::AnyValue<'_>) -> AnyValue {
    let kind = match view {
        otlp::AnyValue::Empty => None,
        otlp::AnyValue::Str(text) => Some(Kind::Str((*text).to_owned())),
        otlp::AnyValue::Bool(value) => Some(Kind::Bool(*value)),
        otlp::AnyValue::Int(value) => Some(Kind::Int(*value)),
        otlp::AnyValue::Double(value) => Some(Kind::Double(*value)),
        otlp::AnyValue::Array(values) => {
            Some(Kind::Array(Array { values: values.map(|inner| value(&inner)).collect() }))
        }
        otlp::AnyValue::Map(pairs) => Some(Kind::Map(Map { values: attributes(*pairs) })),
        otlp::AnyValue::Bytes(bytes) => Some(Kind::Bytes(bytes.to_vec())),
    };
    AnyValue { value: kind }
}

fn attributes(pairs: otlp::Attributes<'_>) -> Vec<KeyValue> {
    pairs.map(|(key, inner)| KeyValue { key: key.to_owned(), value: Some(value(&inner)) }).collect()
}

fn id(id: &[u8]) -> Vec<u8> {
    if id.iter().all(|byte| *byte == 0) { Vec::new() } else { id.to_vec() }
}

fn record(view: &otlp::LogRecord<'_>) -> LogRecord {
    let body = value(&view.body());
    LogRecord {
        time_unix_nano: view.time_ns,
        severity_number: view.severity,
        severity_text: view.severity_text.to_owned(),
        body: body.value.is_some().then_some(body),
        attributes: attributes(view.attributes()),
        dropped_attributes_count: view.dropped_attributes,
        flags: view.flags,
        trace_id: id(&view.trace_id),
        span_id: id(&view.span_id),
        observed_time_unix_nano: view.observed_ns,
        event_name: view.event_name.to_owned(),
    }
}

/// The message as our views show it.
pub(crate) fn request(view: &otlp::LogsRequest<'_>) -> Request {
    let scope_logs = |logs: otlp::ScopeLogs<'_>| ScopeLogs {
        scope: Some(Scope {
            name: logs.name().to_owned(),
            version: logs.version().to_owned(),
            attributes: attributes(logs.attributes()),
            dropped_attributes_count: 0,
        }),
        log_records: logs.records().map(|view| record(&view)).collect(),
        schema_url: logs.schema_url().to_owned(),
    };
    let resource_logs = view.resource_logs().map(|logs| ResourceLogs {
        resource: Some(Resource {
            attributes: attributes(logs.attributes()),
            dropped_attributes_count: 0,
        }),
        scope_logs: logs.scope_logs().map(scope_logs).collect(),
        schema_url: logs.schema_url().to_owned(),
    });
    Request { resource_logs: resource_logs.collect() }
}
