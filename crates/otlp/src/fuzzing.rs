//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic.

use crate::view::{AnyValue, LogsRequest};
use crate::{grpc, json, response};

/// Reading a request: what passes the check can be walked to its end, has as many records as were
/// counted, and becomes one line of JSON.
///
/// # Panics
/// When the promise is broken.
pub fn logs_request(bytes: &[u8]) {
    let Ok(request) = LogsRequest::read(bytes) else { return };
    let mut records = 0;
    for resource in request.resource_logs() {
        for scope in resource.scope_logs() {
            for record in scope.records() {
                records += 1;
                walk(&record.body(), 0);
                record.attributes().for_each(|(_, value)| walk(&value, 0));
            }
        }
    }
    assert_eq!(records, request.records());
    assert_eq!(LogsRequest::count(bytes), Ok(records));
    let mut line = Vec::new();
    json::write_line(&request, &mut line);
    let breaks = line.iter().filter(|byte| **byte == b'\n').count();
    assert!(breaks == 1 && std::str::from_utf8(&line).is_ok());
}

fn walk(value: &AnyValue<'_>, depth: usize) {
    assert!(depth < crate::VALUE_DEPTH_MAX);
    match value {
        AnyValue::Array(values) => values.for_each(|value| walk(&value, depth + 1)),
        AnyValue::Map(pairs) => pairs.for_each(|(_, value)| walk(&value, depth + 1)),
        _ => {}
    }
}

/// Reading what a receiver answers: no panic, and nothing over its bound.
///
/// # Panics
/// When the promise is broken.
pub fn receiver_answer(bytes: &[u8]) {
    if let Ok(partial) = response::PartialSuccess::read(bytes) {
        assert!(partial.message.len() <= response::MESSAGE_BYTES_MAX);
    }
    if let Ok(status) = response::Status::read(bytes) {
        assert!(status.message.len() <= response::MESSAGE_BYTES_MAX);
        assert!(status.retry_delay.is_none_or(|delay| delay <= response::RETRY_DELAY_MAX));
    }
    assert!(grpc::decode_message(bytes).len() <= response::MESSAGE_BYTES_MAX);
    let _ = grpc::status_code(bytes);
    let mut rest = bytes;
    while let Ok(Some((frame, behind))) = grpc::frame(rest, 1 << 20) {
        assert!(frame.message.len() <= 1 << 20 && behind.len() < rest.len());
        rest = behind;
    }
}
