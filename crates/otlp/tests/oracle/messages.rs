//! The messages, and how to make random ones.

use proptest::prelude::*;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyValue {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(crate) value: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Kind {
    #[prost(string, tag = "1")]
    Str(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(Array),
    #[prost(message, tag = "6")]
    Map(Map),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Array {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Map {
    #[prost(message, repeated, tag = "1")]
    pub(crate) values: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    pub(crate) dropped_attributes_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Scope {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) version: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "4")]
    pub(crate) dropped_attributes_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub(crate) time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    pub(crate) severity_number: i32,
    #[prost(string, tag = "3")]
    pub(crate) severity_text: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "7")]
    pub(crate) dropped_attributes_count: u32,
    #[prost(fixed32, tag = "8")]
    pub(crate) flags: u32,
    #[prost(bytes, tag = "9")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes, tag = "10")]
    pub(crate) span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    pub(crate) observed_time_unix_nano: u64,
    #[prost(string, tag = "12")]
    pub(crate) event_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    pub(crate) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) log_records: Vec<LogRecord>,
    #[prost(string, tag = "3")]
    pub(crate) schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scope_logs: Vec<ScopeLogs>,
    #[prost(string, tag = "3")]
    pub(crate) schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(crate) rejected_log_records: i64,
    #[prost(string, tag = "2")]
    pub(crate) error_message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(crate) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Push {
    #[prost(message, repeated, tag = "1")]
    pub(crate) streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stream {
    #[prost(string, tag = "1")]
    pub(crate) labels: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<Entry>,
    #[prost(uint64, tag = "3")]
    pub(crate) hash: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(message, optional, tag = "1")]
    pub(crate) timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    pub(crate) line: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) structured_metadata: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        60 => "\\PC{0,20}",
        8 => "[\\x00-\\x7f]{0,200}",
        1 => (16_000..17_000_usize).prop_map(|length| "a".repeat(length)),
    ]
}

pub(crate) fn any_value() -> impl Strategy<Value = AnyValue> {
    let plain = prop_oneof![
        text().prop_map(Kind::Str),
        any::<bool>().prop_map(Kind::Bool),
        any::<i64>().prop_map(Kind::Int),
        (-1e12..1e12_f64).prop_map(Kind::Double),
        prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MIN_POSITIVE)]
            .prop_map(Kind::Double),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Kind::Bytes),
    ];
    let plain = plain.prop_map(Some).boxed();
    let leaf = prop_oneof![12 => plain, 1 => Just(None)].prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 24, 6, |inner| {
        let pairs = proptest::collection::vec(("\\PC{1,9}", inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..6)
                .prop_map(|values| AnyValue { value: Some(Kind::Array(Array { values })) }),
            pairs.prop_map(|pairs| AnyValue {
                value: Some(Kind::Map(Map { values: keyed(pairs) }))
            }),
        ]
    })
}

fn keyed(pairs: Vec<(String, AnyValue)>) -> Vec<KeyValue> {
    pairs.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }).collect()
}

pub(crate) fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    proptest::collection::vec(("\\PC{1,30}", any_value()), 0..4).prop_map(keyed)
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let some = proptest::collection::vec(1..=u8::MAX, length);
    prop_oneof![3 => some, 1 => Just(Vec::new())]
}

pub(crate) fn log_record() -> impl Strategy<Value = LogRecord> {
    let numbers = (any::<u64>(), any::<u64>(), 0..=24_i32, any::<u32>(), any::<u32>());
    let texts = (text(), text(), proptest::option::of(any_value()), attributes());
    (numbers, texts, id(16), id(8)).prop_map(|(numbers, texts, trace_id, span_id)| LogRecord {
        time_unix_nano: numbers.0,
        observed_time_unix_nano: numbers.1,
        severity_number: numbers.2,
        dropped_attributes_count: numbers.3,
        flags: numbers.4,
        severity_text: texts.0,
        event_name: texts.1,
        body: texts.2,
        attributes: texts.3,
        trace_id,
        span_id,
    })
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    ("\\PC{0,9}", "[0-9.]{0,9}").prop_map(|(name, version)| Scope {
        name,
        version,
        ..Scope::default()
    })
}

/// Resources with one scope and at least one record each, as our writer makes them.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    let records = proptest::collection::vec(log_record(), 1..5);
    let part = (attributes(), scope(), records, "[a-z:/]{0,9}").prop_map(
        |(attributes, scope, log_records, schema_url)| ResourceLogs {
            resource: Some(Resource { attributes, dropped_attributes_count: 0 }),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope),
                log_records,
                schema_url: String::new(),
            }],
            schema_url,
        },
    );
    proptest::collection::vec(part, 0..4).prop_map(|resource_logs| Request { resource_logs })
}
