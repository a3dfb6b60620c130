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
use crate::room::Room;
use crate::value::{self, Value};
use std::ops::Range;

/// What a record without body, text and attributes takes at most, its own length included.
pub const RECORD_OVERHEAD_BYTES: usize = 96;

/// Bytes before a record: its tag, and a length of two bytes as nearly all have it.
const FRAME_BYTES: usize = 3;
/// What is written beyond the end of a number before it is taken back.
const VARINT_ROOM: usize = 16;
/// Room that is made first.
const ROOM_BYTES_MIN: usize = 64 * 1024;

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

/// A part of an encoded request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'r> {
    /// Tags, lengths and what an origin has: few bytes.
    Around(&'r [u8]),
    /// Records, as a range of [`Request::records`].
    Records(Range<usize>),
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
    /// Records as field 2 of `ScopeLogs`, one after the other, and room for more.
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
        self.ends.clear();
        self.complete = 0;
        let most = self.most();
        if self.records.len() > most {
            // A huge record made it grow.
            self.records.truncate(most);
            self.records.shrink_to_fit();
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
        if self.groups.is_empty() {
            self.origin(&Origin::default());
        }
        let start = self.start_of(self.ends.len());
        loop {
            let content = self.records.get_mut(start + FRAME_BYTES..).unwrap_or_default();
            let written = head.write(Room::new(content)).map(Fields).and_then(&fill);
            if let Some(left) = written.map(|fields| fields.0.left()) {
                let end = self.frame(start, self.records.len() - left);
                let pushed = self.judge(start, end);
                if pushed == Pushed::Added {
                    self.ends.push(end);
                }
                return pushed;
            }
            if start > 0 && self.records.len() >= self.most() {
                return Pushed::Full;
            }
            self.grow();
        }
    }

    /// More room; not more than a full request needs, unless a record needs it.
    #[cold]
    fn grow(&mut self) {
        let (length, most) = (self.records.len(), self.most());
        let doubled = (length * 2).max(ROOM_BYTES_MIN);
        self.records.resize(if length < most { doubled.min(most) } else { doubled }, 0);
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
        let place = self.records.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
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
        if self.records.len() < to + content {
            self.records.resize(to + content, 0);
        }
        self.records.copy_within(start + FRAME_BYTES..end, to);
        if let Some(place) = self.records.get_mut(start..to) {
            place.copy_from_slice(&frame);
        }
        to + content
    }

    /// Appends a range of records as a request of its own. What is outside of the request is left
    /// out.
    pub fn encode(&self, records: Range<usize>, out: &mut Vec<u8>) {
        // At once: growing step by step would copy most of it twice.
        out.reserve(self.encoded_len_of(records.clone()));
        self.pieces(records, &mut |piece| match piece {
            Piece::Around(bytes) => out.extend_from_slice(bytes),
            Piece::Records(range) => out.extend_from_slice(self.records(range)),
        });
    }

    /// Encoded records. What is outside of the request is left out.
    #[must_use]
    pub fn records(&self, range: Range<usize>) -> &[u8] {
        self.records.get(range).unwrap_or_default()
    }

    /// The same in pieces, so that records can be sent from where they lie.
    pub fn pieces(&self, records: Range<usize>, each: &mut dyn FnMut(Piece<'_>)) {
        let mut around = Vec::with_capacity(64);
        for (at, group) in self.groups.iter().enumerate() {
            let next = self.groups.get(at + 1).map_or(self.ends.len(), |group| group.first);
            let (from, to) = (group.first.max(records.start), next.min(records.end));
            if from >= to {
                continue;
            }
            let lines = self.start_of(from)..self.start_of(to);
            let (resource, scope) = (self.piece(&group.resource), self.piece(&group.scope));
            let schema = self.piece(&group.schema);
            let scope_logs = scope.len() + lines.len();
            around.clear();
            around.push(proto::tag(1, proto::BYTES));
            let rest = resource.len() + proto::bytes_len(scope_logs) + schema.len();
            proto::length(&mut around, rest);
            around.extend_from_slice(resource);
            around.push(proto::tag(2, proto::BYTES));
            proto::length(&mut around, scope_logs);
            around.extend_from_slice(scope);
            each(Piece::Around(&around));
            each(Piece::Records(lines));
            each(Piece::Around(schema));
        }
    }

    /// Size in bytes of what [`Request::encode`] appends.
    #[must_use]
    pub fn encoded_len_of(&self, records: Range<usize>) -> usize {
        let mut length = 0;
        self.pieces(records, &mut |piece| {
            length += match piece {
                Piece::Around(bytes) => bytes.len(),
                Piece::Records(range) => range.len(),
            };
        });
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
