//! A request of logs, read where it lies.
//!
//! [`LogsRequest::read`] walks the whole message once and checks it: lengths, UTF-8, ids, depth.
//! Everything else then borrows from the bytes, copies nothing and cannot fail. Of a field that
//! may be there once the last one counts; fields that we do not know are passed over; groups,
//! which no version of OTLP has, are refused.
//!
//! Input: one message, without frame or compression. Time: linear in its length, times the depth
//! of nested values, which is at most [`VALUE_DEPTH_MAX`]. Memory: none.

use crate::error::DecodeError;
use crate::proto::{Content, Field, Fields};
use crate::value::VALUE_DEPTH_MAX;

/// A request that was checked.
#[derive(Debug, Clone, Copy)]
pub struct LogsRequest<'a> {
    bytes: &'a [u8],
    records: usize,
}

impl<'a> LogsRequest<'a> {
    /// Checks a message.
    ///
    /// # Errors
    /// When the bytes are no request of logs; see [`DecodeError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut records = 0;
        each(bytes, |field| match field.number {
            1 => check_resource_logs(field.bytes()?, &mut records),
            _ => Ok(()),
        })?;
        Ok(Self { bytes, records })
    }

    /// How many records a message has, without a look into them: for a sink that only counts.
    ///
    /// # Errors
    /// When the parts around the records are no message.
    pub fn count(bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut records = 0;
        each(bytes, |part| match part.number {
            1 => each(part.bytes()?, |scope| match scope.number {
                2 => each(scope.bytes()?, |record| {
                    records += usize::from(record.number == 2);
                    Ok(())
                }),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })?;
        Ok(records)
    }

    /// How many records it has.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.records
    }

    /// Its parts by resource.
    #[must_use]
    pub const fn resource_logs(&self) -> ResourceLogsIter<'a> {
        ResourceLogsIter(Fields::new(self.bytes))
    }
}

fn each<'a>(
    message: &'a [u8],
    mut take: impl FnMut(Field<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        take(field)?;
    }
    Ok(())
}

fn check_resource_logs(message: &[u8], records: &mut usize) -> Result<(), DecodeError> {
    each(message, |field| match field.number {
        1 => each(field.bytes()?, |field| match field.number {
            1 => check_key_value(field.bytes()?, 0),
            2 => field.varint().map(drop),
            _ => Ok(()),
        }),
        2 => check_scope_logs(field.bytes()?, records),
        3 => field.text().map(drop),
        _ => Ok(()),
    })
}

fn check_scope_logs(message: &[u8], records: &mut usize) -> Result<(), DecodeError> {
    each(message, |field| match field.number {
        1 => each(field.bytes()?, |field| match field.number {
            1 | 2 => field.text().map(drop),
            3 => check_key_value(field.bytes()?, 0),
            4 => field.varint().map(drop),
            _ => Ok(()),
        }),
        2 => {
            *records += 1;
            check_record(field.bytes()?)
        }
        3 => field.text().map(drop),
        _ => Ok(()),
    })
}

fn check_record(message: &[u8]) -> Result<(), DecodeError> {
    each(message, |field| match field.number {
        1 | 11 => field.fixed64().map(drop),
        2 | 7 => field.varint().map(drop),
        3 | 12 => field.text().map(drop),
        5 => check_value(field.bytes()?, 0),
        6 => check_key_value(field.bytes()?, 0),
        8 => field.fixed32().map(drop),
        9 => check_id(field.bytes()?, 16),
        10 => check_id(field.bytes()?, 8),
        _ => Ok(()),
    })
}

const fn check_id(id: &[u8], length: usize) -> Result<(), DecodeError> {
    if id.is_empty() || id.len() == length {
        return Ok(());
    }
    Err(DecodeError::IdLength { length: id.len() })
}

fn check_key_value(message: &[u8], depth: usize) -> Result<(), DecodeError> {
    each(message, |field| match field.number {
        1 => field.text().map(drop),
        2 => check_value(field.bytes()?, depth),
        _ => Ok(()),
    })
}

fn check_value(message: &[u8], depth: usize) -> Result<(), DecodeError> {
    if depth >= VALUE_DEPTH_MAX {
        return Err(DecodeError::Depth);
    }
    each(message, |field| match field.number {
        1 => field.text().map(drop),
        2 | 3 => field.varint().map(drop),
        4 => field.fixed64().map(drop),
        5 => each(field.bytes()?, |field| match field.number {
            1 => check_value(field.bytes()?, depth + 1),
            _ => Ok(()),
        }),
        6 => each(field.bytes()?, |field| match field.number {
            1 => check_key_value(field.bytes()?, depth + 1),
            _ => Ok(()),
        }),
        7 => field.bytes().map(drop),
        _ => Ok(()),
    })
}

/// The contents of the next field with this number that has a length.
fn next_bytes<'a>(fields: &mut Fields<'a>, number: u32) -> Option<&'a [u8]> {
    while let Ok(Some(field)) = fields.next() {
        if let (true, Content::Bytes(bytes)) = (field.number == number, field.content) {
            return Some(bytes);
        }
    }
    None
}

/// The contents of the last such field; empty when there is none.
fn last_bytes(message: &[u8], number: u32) -> &[u8] {
    let mut fields = Fields::new(message);
    let mut last: &[u8] = &[];
    while let Some(bytes) = next_bytes(&mut fields, number) {
        last = bytes;
    }
    last
}

fn last_text(message: &[u8], number: u32) -> &str {
    std::str::from_utf8(last_bytes(message, number)).unwrap_or_default()
}

/// The parts of a request by resource; made by [`LogsRequest::resource_logs`].
#[derive(Debug, Clone)]
pub struct ResourceLogsIter<'a>(Fields<'a>);

impl<'a> Iterator for ResourceLogsIter<'a> {
    type Item = ResourceLogs<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_bytes(&mut self.0, 1).map(ResourceLogs)
    }
}

/// The records of one resource.
#[derive(Debug, Clone, Copy)]
pub struct ResourceLogs<'a>(&'a [u8]);

impl<'a> ResourceLogs<'a> {
    /// The attributes of the resource.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { fields: Fields::new(last_bytes(self.0, 1)), number: 1 }
    }

    /// The address of the schema that the attributes follow; may be empty.
    #[must_use]
    pub fn schema_url(&self) -> &'a str {
        last_text(self.0, 3)
    }

    /// Its parts by scope.
    #[must_use]
    pub const fn scope_logs(&self) -> ScopeLogsIter<'a> {
        ScopeLogsIter(Fields::new(self.0))
    }
}

/// The parts of a resource by scope; made by [`ResourceLogs::scope_logs`].
#[derive(Debug, Clone)]
pub struct ScopeLogsIter<'a>(Fields<'a>);

impl<'a> Iterator for ScopeLogsIter<'a> {
    type Item = ScopeLogs<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_bytes(&mut self.0, 2).map(ScopeLogs)
    }
}

/// The records of one scope.
#[derive(Debug, Clone, Copy)]
pub struct ScopeLogs<'a>(&'a [u8]);

impl<'a> ScopeLogs<'a> {
    /// The name of the scope; may be empty.
    #[must_use]
    pub fn name(&self) -> &'a str {
        last_text(last_bytes(self.0, 1), 1)
    }

    /// The version of the scope; may be empty.
    #[must_use]
    pub fn version(&self) -> &'a str {
        last_text(last_bytes(self.0, 1), 2)
    }

    /// The attributes of the scope.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { fields: Fields::new(last_bytes(self.0, 1)), number: 3 }
    }

    /// The address of the schema that the records follow; may be empty.
    #[must_use]
    pub fn schema_url(&self) -> &'a str {
        last_text(self.0, 3)
    }

    /// The records.
    #[must_use]
    pub const fn records(&self) -> Records<'a> {
        Records(Fields::new(self.0))
    }
}

/// The records of a scope; made by [`ScopeLogs::records`].
#[derive(Debug, Clone)]
pub struct Records<'a>(Fields<'a>);

impl<'a> Iterator for Records<'a> {
    type Item = LogRecord<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_bytes(&mut self.0, 2).map(LogRecord::view)
    }
}

/// One record. Fields that are absent are 0, empty or all zero.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// When it happened, in nanoseconds since the epoch.
    pub time_ns: u64,
    /// When it was observed, in nanoseconds since the epoch.
    pub observed_ns: u64,
    /// As OTLP numbers severities; may be a number that no version of it knows.
    pub severity: i32,
    /// The severity as the source wrote it.
    pub severity_text: &'a str,
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// Flags of W3C Trace Context in the low eight bits.
    pub flags: u32,
    /// How many attributes were left out.
    pub dropped_attributes: u32,
    /// The name of the event.
    pub event_name: &'a str,
    body: &'a [u8],
    message: &'a [u8],
}

impl<'a> LogRecord<'a> {
    fn view(message: &'a [u8]) -> Self {
        let mut record = Self {
            time_ns: 0,
            observed_ns: 0,
            severity: 0,
            severity_text: "",
            trace_id: [0; 16],
            span_id: [0; 8],
            flags: 0,
            dropped_attributes: 0,
            event_name: "",
            body: &[],
            message,
        };
        let mut fields = Fields::new(message);
        while let Ok(Some(field)) = fields.next() {
            record.take(&field);
        }
        record
    }

    fn take(&mut self, field: &Field<'a>) {
        match (field.number, field.content) {
            (1, Content::Fixed64(value)) => self.time_ns = value,
            (11, Content::Fixed64(value)) => self.observed_ns = value,
            // An enum and a uint32 keep the low 32 bits, as every decoder does.
            (2, Content::Varint(value)) => self.severity = (value as u32).cast_signed(),
            (7, Content::Varint(value)) => self.dropped_attributes = value as u32,
            (8, Content::Fixed32(value)) => self.flags = value,
            (3, Content::Bytes(_)) => self.severity_text = field.text().unwrap_or_default(),
            (12, Content::Bytes(_)) => self.event_name = field.text().unwrap_or_default(),
            (5, Content::Bytes(bytes)) => self.body = bytes,
            (9, Content::Bytes(bytes)) => self.trace_id = bytes.try_into().unwrap_or([0; 16]),
            (10, Content::Bytes(bytes)) => self.span_id = bytes.try_into().unwrap_or([0; 8]),
            _ => {}
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> AnyValue<'a> {
        AnyValue::view(self.body)
    }

    /// The attributes.
    #[must_use]
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes { fields: Fields::new(self.message), number: 6 }
    }
}

/// Names and values, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, AnyValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let message = next_bytes(&mut self.fields, self.number)?;
        let (mut key, mut value) = ("", AnyValue::Empty);
        let mut fields = Fields::new(message);
        while let Ok(Some(field)) = fields.next() {
            match (field.number, field.content) {
                (1, Content::Bytes(_)) => key = field.text().unwrap_or_default(),
                (2, Content::Bytes(bytes)) => value = AnyValue::view(bytes),
                _ => {}
            }
        }
        Some((key, value))
    }
}

/// Values in their order.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a>(Fields<'a>);

impl<'a> Iterator for Values<'a> {
    type Item = AnyValue<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_bytes(&mut self.0, 1).map(AnyValue::view)
    }
}

/// A value of a body or an attribute, where it lies.
#[derive(Debug, Clone, Copy)]
pub enum AnyValue<'a> {
    /// No value.
    Empty,
    /// Text.
    Str(&'a str),
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A float.
    Double(f64),
    /// A list.
    Array(Values<'a>),
    /// Names and values.
    Map(Attributes<'a>),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> AnyValue<'a> {
    fn view(message: &'a [u8]) -> Self {
        let mut value = Self::Empty;
        let mut fields = Fields::new(message);
        while let Ok(Some(field)) = fields.next() {
            value = match (field.number, field.content) {
                (1, Content::Bytes(_)) => Self::Str(field.text().unwrap_or_default()),
                (2, Content::Varint(bits)) => Self::Bool(bits != 0),
                (3, Content::Varint(bits)) => Self::Int(bits.cast_signed()),
                (4, Content::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
                (5, Content::Bytes(bytes)) => Self::Array(Values(Fields::new(bytes))),
                (6, Content::Bytes(bytes)) => {
                    Self::Map(Attributes { fields: Fields::new(bytes), number: 1 })
                }
                (7, Content::Bytes(bytes)) => Self::Bytes(bytes),
                _ => continue,
            };
        }
        value
    }
}
