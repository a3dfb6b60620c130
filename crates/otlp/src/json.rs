//! A request of logs as one line of OTLP/JSON.
//!
//! As the OTLP specification writes it: names in camel case, ids in hex, 64-bit numbers as decimal
//! text, enums as numbers, bytes in base64, floats that JSON has no number for as text. Fields
//! that are not set are left out. No line break is in the output but the last one, so a file of
//! such lines can be read line by line.

use crate::view::{AnyValue, Attributes, LogRecord, LogsRequest, ResourceLogs, ScopeLogs};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;

/// Appends the request and a line break.
pub fn write_line(request: &LogsRequest<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"resourceLogs\":");
    list(out, request.resource_logs(), |out, logs| resource_logs(out, &logs));
    out.extend_from_slice(b"}\n");
}

fn list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, each: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(b']');
}

fn resource_logs(out: &mut Vec<u8>, logs: &ResourceLogs<'_>) {
    out.extend_from_slice(b"{\"resource\":{\"attributes\":");
    attributes(out, logs.attributes());
    out.extend_from_slice(b"},\"scopeLogs\":");
    list(out, logs.scope_logs(), |out, logs| scope_logs(out, &logs));
    text_field(out, "schemaUrl", logs.schema_url());
    out.push(b'}');
}

fn scope_logs(out: &mut Vec<u8>, logs: &ScopeLogs<'_>) {
    out.extend_from_slice(b"{\"scope\":{\"name\":");
    string(out, logs.name());
    text_field(out, "version", logs.version());
    if logs.attributes().next().is_some() {
        out.extend_from_slice(b",\"attributes\":");
        attributes(out, logs.attributes());
    }
    out.extend_from_slice(b"},\"logRecords\":");
    list(out, logs.records(), |out, record| log_record(out, &record));
    text_field(out, "schemaUrl", logs.schema_url());
    out.push(b'}');
}

fn log_record(out: &mut Vec<u8>, record: &LogRecord<'_>) {
    // The first field is always there, so that each other one begins with a comma.
    out.extend_from_slice(b"{\"timeUnixNano\":");
    quoted(out, record.time_ns);
    if record.observed_ns != 0 {
        out.extend_from_slice(b",\"observedTimeUnixNano\":");
        quoted(out, record.observed_ns);
    }
    number_field(out, "severityNumber", i64::from(record.severity));
    text_field(out, "severityText", record.severity_text);
    text_field(out, "eventName", record.event_name);
    if !matches!(record.body(), AnyValue::Empty) {
        out.extend_from_slice(b",\"body\":");
        value(out, &record.body());
    }
    if record.attributes().next().is_some() {
        out.extend_from_slice(b",\"attributes\":");
        attributes(out, record.attributes());
    }
    number_field(out, "droppedAttributesCount", i64::from(record.dropped_attributes));
    number_field(out, "flags", i64::from(record.flags));
    id_field(out, "traceId", &record.trace_id);
    id_field(out, "spanId", &record.span_id);
    out.push(b'}');
}

fn attributes(out: &mut Vec<u8>, attributes: Attributes<'_>) {
    list(out, attributes, |out, (key, content)| {
        out.extend_from_slice(b"{\"key\":");
        string(out, key);
        out.extend_from_slice(b",\"value\":");
        value(out, &content);
        out.push(b'}');
    });
}

fn value(out: &mut Vec<u8>, content: &AnyValue<'_>) {
    match content {
        AnyValue::Empty => out.extend_from_slice(b"{}"),
        AnyValue::Str(text) => {
            out.extend_from_slice(b"{\"stringValue\":");
            string(out, text);
            out.push(b'}');
        }
        AnyValue::Bool(true) => out.extend_from_slice(b"{\"boolValue\":true}"),
        AnyValue::Bool(false) => out.extend_from_slice(b"{\"boolValue\":false}"),
        AnyValue::Int(number) => {
            out.extend_from_slice(b"{\"intValue\":");
            quoted(out, number);
            out.push(b'}');
        }
        AnyValue::Double(number) => {
            out.extend_from_slice(b"{\"doubleValue\":");
            float(out, *number);
            out.push(b'}');
        }
        AnyValue::Array(values) => {
            out.extend_from_slice(b"{\"arrayValue\":{\"values\":");
            list(out, *values, |out, inner| value(out, &inner));
            out.extend_from_slice(b"}}");
        }
        AnyValue::Map(pairs) => {
            out.extend_from_slice(b"{\"kvlistValue\":{\"values\":");
            attributes(out, *pairs);
            out.extend_from_slice(b"}}");
        }
        AnyValue::Bytes(bytes) => {
            out.extend_from_slice(b"{\"bytesValue\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

fn text_field(out: &mut Vec<u8>, name: &str, text: &str) {
    if !text.is_empty() {
        name_field(out, name);
        string(out, text);
    }
}

fn number_field(out: &mut Vec<u8>, name: &str, number: i64) {
    if number != 0 {
        name_field(out, name);
        plain(out, number);
    }
}

fn id_field(out: &mut Vec<u8>, name: &str, id: &[u8]) {
    if id.iter().any(|byte| *byte != 0) {
        name_field(out, name);
        out.push(b'"');
        for byte in id {
            out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
        }
        out.push(b'"');
    }
}

fn name_field(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn plain(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    // Writing into memory does not fail.
    let _ = write!(out, "{number}");
}

fn quoted(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    let _ = write!(out, "\"{number}\"");
}

fn float(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        // The form for debugging is the shortest one that reads back, with an exponent when long.
        let _ = write!(out, "{number:?}");
    } else if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if number > 0.0 {
        out.extend_from_slice(b"\"Infinity\"");
    } else {
        out.extend_from_slice(b"\"-Infinity\"");
    }
}

const fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

/// Appends a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (plain, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((byte, behind)) = behind.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex(other >> 4), hex(other & 15)]);
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// DEL is no control character to JSON, but it is to a terminal.
const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f
}
