//! A request of logs, written record by record.
//!
//! Records are appended to one buffer in their final form, and what their origin has before them:
//! only lengths and what follows the records are written when the request is asked for
//! ([`Request::seal`]). So it can be sent and compressed from where it lies ([`Request::whole`]),
//! and any range of records is a request of its own at the price of a copy ([`Request::encode`]),
//! which is what a batch that was refused needs.
//!
//! The lengths of `ResourceLogs` and `ScopeLogs` have four bytes each, whatever they are; a reader
//! of protocol buffers takes a varint that is longer than it has to be. All others are as short as
//! they can be.
//!
//! Limits: [`RequestLimits`]. A record that does not fit leaves the request as it was.

use crate::origin::Origin;
use crate::proto;
use crate::room::Room;
use crate::value::{self, Value};
use std::ops::Range;

/// What a record without body, text and attributes takes at most, its own length included.
pub const RECORD_OVERHEAD_BYTES: usize = 96;

/// Bytes before a record: its tag, and a length of two bytes as nearly all have it.
const FRAME_BYTES: usize = 3;
/// What is written beyond the end of a number before it is taken back.
const VARINT_ROOM: usize = 16;
/// Bytes of the lengths around records, and the largest such length.
const LENGTH_BYTES: usize = 4;
const LENGTH_MAX: usize = (1 << (7 * LENGTH_BYTES)) - 1;
/// Room that is made first.
const ROOM_BYTES_MIN: usize = 64 * 1024;

/// How large a request may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Most records.
    pub records_max: usize,
    /// Most bytes of the encoded request, before compression; 256 MiB at most count.
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
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each record")]
    fn write<'b>(&self, mut room: Room<'b>) -> Option<Room<'b>> {
        if self.time_ns != 0 {
            room = room.fixed64(1, self.time_ns)?;
        }
        if self.severity != 0 {
            room = room.array(&[proto::tag(2, proto::VARINT), self.severity & 0x7f])?;
        }
        if self.flags != 0 {
            let [a, b, c, d] = self.flags.to_le_bytes();
            room = room.array(&[proto::tag(8, proto::FIXED32), a, b, c, d])?;
        }
        if u128::from_ne_bytes(self.trace_id) != 0 {
            room = room.array(&[proto::tag(9, proto::BYTES), 16])?.array(&self.trace_id)?;
        }
        if u64::from_ne_bytes(self.span_id) != 0 {
            room = room.array(&[proto::tag(10, proto::BYTES), 8])?.array(&self.span_id)?;
        }
        if self.observed_ns != 0 {
            room = room.fixed64(11, self.observed_ns)?;
        }
        if self.dropped_attributes != 0 {
            room = room.number(7, u64::from(self.dropped_attributes))?;
        }
        Some(room)
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
    /// Where it begins in the buffer, and where its first record does.
    start: usize,
    records: usize,
}

/// A request that grows.
#[derive(Debug, Clone)]
pub struct Request {
    limits: RequestLimits,
    /// Encoded origins, one after the other.
    origins: Vec<u8>,
    groups: Vec<Group>,
    /// The request as far as it is written, and room for more. Records are field 2 of `ScopeLogs`.
    buffer: Vec<u8>,
    /// Where each record ends in the buffer.
    ends: Vec<usize>,
    is_sealed: bool,
}

impl Request {
    /// An empty request.
    #[must_use]
    pub const fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            origins: Vec::new(),
            groups: Vec::new(),
            buffer: Vec::new(),
            ends: Vec::new(),
            is_sealed: false,
        }
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.origins.clear();
        self.groups.clear();
        self.ends.clear();
        self.is_sealed = false;
        let most = self.most();
        if self.buffer.len() > most {
            // A huge record made it grow.
            self.buffer.truncate(most);
            self.buffer.shrink_to_fit();
        }
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
        let Some(group) = self.groups.last() else { return 0 };
        if group.first == self.ends.len() {
            return group.start;
        }
        self.start_of(self.ends.len()) + group.schema.len()
    }

    /// Bytes of memory that it keeps, for a ceiling.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.origins.capacity()
            + self.buffer.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.groups.capacity() * size_of::<Group>()
    }

    /// The records that follow come from here. Cheap when it is the same as before.
    pub fn origin(&mut self, origin: &Origin) {
        if let Some(last) = self.groups.last()
            && self.piece(&last.resource) == origin.resource
            && self.piece(&last.scope) == origin.scope
            && self.piece(&last.schema) == origin.resource_schema
        {
            return;
        }
        self.close();
        let start = self.encoded_len();
        if let Some(last) = self.groups.pop_if(|last| last.first == self.ends.len()) {
            // Nothing was written for it.
            self.origins.truncate(last.resource.start);
        }
        let mut append = |bytes: &[u8]| {
            let start = self.origins.len();
            self.origins.extend_from_slice(bytes);
            start..self.origins.len()
        };
        let (resource, scope) = (append(&origin.resource), append(&origin.scope));
        let schema = append(&origin.resource_schema);
        let records = start + before_len(&resource, &scope);
        if self.buffer.len() < records {
            self.buffer.resize(records, 0);
        }
        let first = self.ends.len();
        self.groups.push(Group { resource, scope, schema, first, start, records });
    }

    /// Writes what the last group has around its records.
    #[inline(never)]
    fn close(&mut self) {
        let Some(group) = self.groups.last().filter(|group| group.first < self.ends.len()) else {
            return;
        };
        let end = self.start_of(self.ends.len());
        let (schema, origins) = (group.schema.clone(), &self.origins);
        let part = |range: &Range<usize>| origins.get(range.clone()).unwrap_or_default();
        let mut around = Vec::with_capacity(group.records - group.start);
        before(
            &mut around,
            part(&group.resource),
            part(&group.scope),
            (end - group.records, schema.len()),
        );
        if let Some(place) = self.buffer.get_mut(group.start..group.records) {
            place.copy_from_slice(&around);
        }
        self.buffer.resize(self.buffer.len().max(end + schema.len()), 0);
        if let Some(place) = self.buffer.get_mut(end..end + schema.len()) {
            place.copy_from_slice(part(&schema));
        }
    }

    /// Completes it, for [`Request::whole`]. No record can follow but after [`Request::clear`].
    pub fn seal(&mut self) {
        self.close();
        self.is_sealed = true;
    }

    /// The encoded request, when it is sealed.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        self.is_sealed.then(|| self.buffer.get(..self.encoded_len()).unwrap_or_default())
    }

    /// Writes a record of the last origin; one that does not fit leaves the request as it was.
    ///
    /// `fill` writes what it has besides its head. When it gives nothing back there was too little
    /// room, and it is called again with more: it must pass on what [`Fields`] gave and stop for no
    /// other reason.
    #[inline]
    pub fn push(
        &mut self,
        head: &RecordHead,
        fill: impl for<'r> Fn(Fields<'r>) -> Option<Fields<'r>>,
    ) -> Pushed {
        if self.is_sealed {
            return Pushed::Full;
        }
        if self.groups.is_empty() {
            self.origin(&Origin::default());
        }
        let start = self.start_of(self.ends.len());
        loop {
            let content = self.buffer.get_mut(start + FRAME_BYTES..).unwrap_or_default();
            let written = head.write(Room::new(content)).map(Fields).and_then(&fill);
            if let Some(left) = written.map(|fields| fields.0.left()) {
                let end = self.frame(start, self.buffer.len() - left);
                let pushed = self.judge(start, end);
                if pushed == Pushed::Added {
                    self.ends.push(end);
                }
                return pushed;
            }
            if !self.ends.is_empty() && self.buffer.len() >= self.most() {
                return Pushed::Full;
            }
            self.grow();
        }
    }

    /// More room; not more than a full request needs, unless a record needs it.
    #[cold]
    fn grow(&mut self) {
        let (length, most) = (self.buffer.len(), self.most());
        let doubled = (length * 2).max(ROOM_BYTES_MIN);
        self.buffer.resize(if length < most { doubled.min(most) } else { doubled }, 0);
    }

    /// Room for a full request.
    const fn most(&self) -> usize {
        self.limits.bytes_max.saturating_add(FRAME_BYTES).saturating_add(VARINT_ROOM)
    }

    /// Writes the tag and the length in front of a record that lies from `start` to `end`; gives
    /// where it ends then.
    #[inline]
    fn frame(&mut self, start: usize, end: usize) -> usize {
        let content = end - start - FRAME_BYTES;
        if !(0x80..0x4000).contains(&content) {
            return self.frame_unusual(start, end, content);
        }
        let [a, b] = proto::two(content);
        let place = self.buffer.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
        if let Some(place) = place {
            *place = [proto::tag(2, proto::BYTES), a, b];
        }
        end
    }

    /// The same for a record whose length does not have two bytes.
    #[cold]
    fn frame_unusual(&mut self, start: usize, end: usize, content: usize) -> usize {
        let mut frame = vec![proto::tag(2, proto::BYTES)];
        proto::length(&mut frame, content);
        let to = start + frame.len();
        if self.buffer.len() < to + content {
            self.buffer.resize(to + content, 0);
        }
        self.buffer.copy_within(start + FRAME_BYTES..end, to);
        if let Some(place) = self.buffer.get_mut(start..to) {
            place.copy_from_slice(&frame);
        }
        to + content
    }

    /// Appends a range of records as a request of its own. What is outside of the request is left
    /// out.
    #[inline(never)]
    pub fn encode(&self, records: Range<usize>, out: &mut Vec<u8>) {
        // At once: growing step by step would copy most of it twice.
        out.reserve(self.encoded_len_of(records.clone()));
        for (group, lines) in self.parts(records) {
            let schema = self.piece(&group.schema);
            let (resource, scope) = (self.piece(&group.resource), self.piece(&group.scope));
            before(out, resource, scope, (lines.len(), schema.len()));
            out.extend_from_slice(self.buffer.get(lines).unwrap_or_default());
            out.extend_from_slice(schema);
        }
    }

    /// Groups with some of these records, and where those are in the buffer.
    fn parts(&self, records: Range<usize>) -> impl Iterator<Item = (&Group, Range<usize>)> {
        let nexts = self.groups.iter().skip(1).map(|group| group.first);
        let groups = self.groups.iter().zip(nexts.chain([self.ends.len()]));
        groups.filter_map(move |(group, next)| {
            let (from, to) = (group.first.max(records.start), next.min(records.end));
            let start = if from == group.first { group.records } else { self.end_of(from) };
            (from < to).then(|| (group, start..self.end_of(to)))
        })
    }

    /// Size in bytes of what [`Request::encode`] appends.
    #[must_use]
    pub fn encoded_len_of(&self, records: Range<usize>) -> usize {
        self.parts(records).map(|(group, lines)| group_len(group, lines.len())).sum()
    }

    fn piece(&self, range: &Range<usize>) -> &[u8] {
        self.origins.get(range.clone()).unwrap_or_default()
    }

    /// Where so many records end.
    fn end_of(&self, records: usize) -> usize {
        records.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0)
    }

    /// Where a record of the last group begins.
    #[inline]
    fn start_of(&self, record: usize) -> usize {
        match self.groups.last() {
            Some(group) if group.first == record => group.records,
            _ => self.end_of(record),
        }
    }

    /// Whether the record that ends at `end` may stay, and the size it would bring us to.
    fn judge(&self, start: usize, end: usize) -> Pushed {
        let Some(group) = self.groups.last() else { return Pushed::Full };
        let most = self.limits.bytes_max.min(LENGTH_MAX);
        if self.ends.len() < self.limits.records_max && end + group.schema.len() <= most {
            return Pushed::Added;
        }
        let alone = group_len(group, end - start);
        if alone > most || self.limits.records_max == 0 {
            return Pushed::TooLarge(alone);
        }
        Pushed::Full
    }
}

/// Bytes that a group has before its records.
const fn before_len(resource: &Range<usize>, scope: &Range<usize>) -> usize {
    let parts = resource.end - resource.start + scope.end - scope.start;
    2 * (1 + LENGTH_BYTES) + parts
}

/// Size of a group whose records have `lines` bytes.
const fn group_len(group: &Group, lines: usize) -> usize {
    before_len(&group.resource, &group.scope) + lines + group.schema.end - group.schema.start
}

/// Appends what a group has before its records, which have so many bytes, as its schema has.
fn before(out: &mut Vec<u8>, resource: &[u8], scope: &[u8], (lines, schema): (usize, usize)) {
    let scope_logs = scope.len() + lines;
    out.push(proto::tag(1, proto::BYTES));
    out.extend_from_slice(&padded(resource.len() + 1 + LENGTH_BYTES + scope_logs + schema));
    out.extend_from_slice(resource);
    out.push(proto::tag(2, proto::BYTES));
    out.extend_from_slice(&padded(scope_logs));
    out.extend_from_slice(scope);
}

/// The varint of a length below 256 MiB, with as many bytes as any such length.
const fn padded(length: usize) -> [u8; LENGTH_BYTES] {
    [
        proto::low(length) | 0x80,
        proto::low(length >> 7) | 0x80,
        proto::low(length >> 14) | 0x80,
        proto::low(length >> 21) & 0x7f,
    ]
}

/// A record that is being written; each call gives it back, or nothing when the room is too small.
#[derive(Debug)]
#[must_use]
pub struct Fields<'b>(Room<'b>);

impl Fields<'_> {
    /// The severity as the source wrote it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each record")]
    pub fn severity_text(self, text: &str) -> Option<Self> {
        self.text(3, text)
    }

    /// The body. Written once.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each record")]
    pub fn body(self, value: &Value<'_>) -> Option<Self> {
        value::any_value(self.0, 5, value).map(Fields)
    }

    /// One more attribute. Keys must differ; that is not checked here.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each attribute of each record")]
    pub fn attribute(self, key: &str, value: &Value<'_>) -> Option<Self> {
        value::key_value(self.0, 6, key, value).map(Fields)
    }

    /// The name of the event that the record is. Written once.
    pub fn event_name(self, name: &str) -> Option<Self> {
        self.text(12, name)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each record")]
    fn text(self, field: u8, text: &str) -> Option<Self> {
        if text.is_empty() { Some(self) } else { self.0.field(field, text.as_bytes()).map(Fields) }
    }
}
