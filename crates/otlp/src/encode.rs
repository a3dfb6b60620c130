//! A request of logs, written record by record.
//!
//! Records are appended to one buffer in their final form; only the few bytes of lengths and
//! resources around them are made when the request is asked for. So any range of records is a
//! request of its own at the price of a copy ([`Request::encode`]) or of none
//! ([`Request::pieces`]), which is what a batch that was refused needs.
//!
//! Limits: [`RequestLimits`]. A record that does not fit leaves the request as it was.

use crate::origin::Origin;
use crate::proto;
use crate::value::{self, Value};
use std::ops::Range;

/// What a record without body, text and attributes takes at most, its own length included.
pub const RECORD_OVERHEAD_BYTES: usize = 96;

/// Bytes of the fixed part of a record: see [`RecordHead::write`].
const HEAD_BYTES_MAX: usize = 72;

/// How large a request may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Most records.
    pub records_max: usize,
    /// Most bytes of the encoded request, before compression.
    pub bytes_max: usize,
}

/// What every record has besides text: numbers and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordHead {
    /// When it happened, in nanoseconds since the epoch; 0 when unknown.
    pub time_ns: u64,
    /// When it was read, in nanoseconds since the epoch.
    pub observed_ns: u64,
    /// 1 to 24 as OTLP numbers severities; 0 when unknown.
    pub severity: u8,
    /// The trace; all zero when there is none.
    pub trace_id: [u8; 16],
    /// The span; all zero when there is none.
    pub span_id: [u8; 8],
    /// Flags of W3C Trace Context in the low eight bits.
    pub flags: u32,
    /// How many attributes were left out.
    pub dropped_attributes: u32,
}

impl RecordHead {
    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        out.reserve(HEAD_BYTES_MAX);
        if self.time_ns != 0 {
            proto::fixed64(out, 1, self.time_ns);
        }
        if self.severity != 0 {
            out.extend_from_slice(&[proto::tag(2, proto::VARINT), self.severity & 0x7f]);
        }
        if self.flags != 0 {
            let [a, b, c, d] = self.flags.to_le_bytes();
            out.extend_from_slice(&[proto::tag(8, proto::FIXED32), a, b, c, d]);
        }
        if u128::from_ne_bytes(self.trace_id) != 0 {
            out.extend_from_slice(&[proto::tag(9, proto::BYTES), 16]);
            out.extend_from_slice(&self.trace_id);
        }
        if u64::from_ne_bytes(self.span_id) != 0 {
            out.extend_from_slice(&[proto::tag(10, proto::BYTES), 8]);
            out.extend_from_slice(&self.span_id);
        }
        if self.observed_ns != 0 {
            proto::fixed64(out, 11, self.observed_ns);
        }
        if self.dropped_attributes != 0 {
            proto::number(out, 7, u64::from(self.dropped_attributes));
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It is in the request.
    Added,
    /// The request is full: send it and write the record again into an empty one.
    Full,
    /// It would not fit into an empty request either; this is its encoded size in bytes.
    TooLarge(usize),
}

/// Records of one origin in a row.
#[derive(Debug, Clone)]
struct Group {
    /// Where its resource, scope and schema are in `origins`.
    resource: Range<usize>,
    scope: Range<usize>,
    schema: Range<usize>,
    /// Its first record.
    first: usize,
}

/// A request that grows.
#[derive(Debug, Clone)]
pub struct Request {
    limits: RequestLimits,
    /// Encoded origins, one after the other.
    origins: Vec<u8>,
    groups: Vec<Group>,
    /// Records as field 2 of `ScopeLogs`, one after the other.
    records: Vec<u8>,
    /// Where each record ends in `records`.
    ends: Vec<usize>,
    /// Size of the groups that are complete, in bytes.
    complete: usize,
}

impl Request {
    /// An empty request.
    #[must_use]
    pub const fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            origins: Vec::new(),
            groups: Vec::new(),
            records: Vec::new(),
            ends: Vec::new(),
            complete: 0,
        }
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.origins.clear();
        self.groups.clear();
        self.records.clear();
        self.ends.clear();
        self.complete = 0;
    }

    /// How many records it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Size of the encoded request in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.complete + self.open_group_len()
    }

    /// Bytes of memory that it keeps, for a ceiling.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.origins.capacity()
            + self.records.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.groups.capacity() * size_of::<Group>()
    }

    /// The records that follow come from here. Cheap when it is the same as before.
    pub fn origin(&mut self, origin: &Origin) {
        if let Some(last) = self.groups.last() {
            if self.piece(&last.resource) == origin.resource
                && self.piece(&last.scope) == origin.scope
                && self.piece(&last.schema) == origin.resource_schema
            {
                return;
            }
            if last.first == self.ends.len() {
                // Nothing was written for it.
                let start = last.resource.start;
                self.groups.pop();
                self.origins.truncate(start);
            } else {
                self.complete += self.open_group_len();
            }
        }
        let mut append = |bytes: &[u8]| {
            let start = self.origins.len();
            self.origins.extend_from_slice(bytes);
            start..self.origins.len()
        };
        let group = Group {
            resource: append(&origin.resource),
            scope: append(&origin.scope),
            schema: append(&origin.resource_schema),
            first: self.ends.len(),
        };
        self.groups.push(group);
    }

    /// Begins a record of the last origin; nothing of it counts before
    /// [`RecordWriter::finish`].
    #[inline]
    pub fn record(&mut self, head: &RecordHead) -> RecordWriter<'_> {
        if self.groups.is_empty() {
            self.origin(&Origin::default());
        }
        let start = self.records.len();
        let open = proto::open(&mut self.records, 2);
        head.write(&mut self.records);
        RecordWriter { request: self, start, open, finished: false }
    }

    /// Appends a range of records as a request of its own. What is outside of the request is left
    /// out.
    pub fn encode(&self, records: Range<usize>, out: &mut Vec<u8>) {
        // At once: growing step by step would copy most of it twice.
        out.reserve(self.encoded_len_of(records.clone()));
        self.pieces(records, |piece| out.extend_from_slice(piece));
    }

    /// The same in pieces, for a compressor: nothing is copied but a few bytes per origin.
    pub fn pieces(&self, records: Range<usize>, mut each: impl FnMut(&[u8])) {
        let mut frame = Vec::with_capacity(32);
        for (at, group) in self.groups.iter().enumerate() {
            let next = self.groups.get(at + 1).map_or(self.ends.len(), |group| group.first);
            let (from, to) = (group.first.max(records.start), next.min(records.end));
            if from >= to {
                continue;
            }
            let lines = self.records.get(self.start_of(from)..self.start_of(to));
            let lines = lines.unwrap_or_default();
            let (resource, scope) = (self.piece(&group.resource), self.piece(&group.scope));
            let schema = self.piece(&group.schema);
            let scope_logs = scope.len() + lines.len();
            frame.clear();
            frame.push(proto::tag(1, proto::BYTES));
            proto::length(&mut frame, resource.len() + proto::bytes_len(scope_logs) + schema.len());
            each(&frame);
            each(resource);
            frame.clear();
            frame.push(proto::tag(2, proto::BYTES));
            proto::length(&mut frame, scope_logs);
            each(&frame);
            each(scope);
            each(lines);
            each(schema);
        }
    }

    /// Size in bytes of what [`Request::encode`] appends.
    #[must_use]
    pub fn encoded_len_of(&self, records: Range<usize>) -> usize {
        let mut length = 0;
        self.pieces(records, |piece| length += piece.len());
        length
    }

    fn piece(&self, range: &Range<usize>) -> &[u8] {
        self.origins.get(range.clone()).unwrap_or_default()
    }

    fn start_of(&self, record: usize) -> usize {
        record.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0)
    }

    /// Size of the last group as far as it is written; 0 when it has no record.
    fn open_group_len(&self) -> usize {
        let Some(group) = self.groups.last() else { return 0 };
        if group.first == self.ends.len() {
            return 0;
        }
        let end = self.ends.last().copied().unwrap_or(0);
        group_len(group, end.saturating_sub(self.start_of(group.first)))
    }

    /// Whether the record that ends at `end` may stay, and the size it would bring us to.
    fn judge(&self, start: usize, end: usize) -> Pushed {
        let Some(group) = self.groups.last() else { return Pushed::Full };
        let with = self.complete + group_len(group, end - self.start_of(group.first));
        if self.ends.len() < self.limits.records_max && with <= self.limits.bytes_max {
            return Pushed::Added;
        }
        let alone = group_len(group, end - start);
        if alone > self.limits.bytes_max || self.limits.records_max == 0 {
            return Pushed::TooLarge(alone);
        }
        Pushed::Full
    }
}

/// Size of a group whose records have `lines` bytes.
const fn group_len(group: &Group, lines: usize) -> usize {
    let scope_logs = group.scope.end - group.scope.start + lines;
    let around = group.resource.end - group.resource.start + group.schema.end - group.schema.start;
    proto::bytes_len(around + proto::bytes_len(scope_logs))
}

/// A record that is being written. Dropped unfinished, it was never there.
#[derive(Debug)]
#[must_use]
pub struct RecordWriter<'a> {
    request: &'a mut Request,
    start: usize,
    open: proto::Open,
    finished: bool,
}

impl RecordWriter<'_> {
    /// The severity as the source wrote it.
    #[inline]
    pub fn severity_text(&mut self, text: &str) {
        if !text.is_empty() {
            proto::bytes(&mut self.request.records, 3, text.as_bytes());
        }
    }

    /// The body. Written once.
    #[inline]
    pub fn body(&mut self, value: &Value<'_>) {
        value::any_value(&mut self.request.records, 5, value);
    }

    /// One more attribute. Keys must differ; that is not checked here.
    #[inline]
    pub fn attribute(&mut self, key: &str, value: &Value<'_>) {
        value::key_value(&mut self.request.records, 6, key, value);
    }

    /// The name of the event.
    pub fn event_name(&mut self, name: &str) {
        if !name.is_empty() {
            proto::bytes(&mut self.request.records, 12, name.as_bytes());
        }
    }

    /// Ends the record; when it does not fit, the request is as before.
    #[inline]
    pub fn finish(mut self) -> Pushed {
        proto::close(&mut self.request.records, self.open);
        let end = self.request.records.len();
        let pushed = self.request.judge(self.start, end);
        if pushed == Pushed::Added {
            self.request.ends.push(end);
            self.finished = true;
        }
        pushed
    }
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.request.records.truncate(self.start);
        }
    }
}
