//! A push to Loki: a `PushRequest` in snappy's block format.
//!
//! Entries are collected in the order they are read and written stream by stream, sorted by time
//! inside of each, because a stream that goes back in time is refused by older servers. Any range
//! of entries is a push of its own; each stream should be one ([`Push::streams`]). Ids (traces,
//! pods) belong to the structured metadata of an entry, never to labels: each set of labels is a
//! stream that the server keeps open.
//!
//! Limits: [`PushLimits`], [`STREAMS_MAX`], [`LABEL_VALUE_BYTES_MAX`].

use crate::json;
use crate::proto::{self, Field, Fields};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;

/// Most streams of one push.
pub const STREAMS_MAX: usize = 1_024;
/// Longest value of a label in bytes; servers refuse longer ones by default.
pub const LABEL_VALUE_BYTES_MAX: usize = 2_048;
/// Parts that a stream may be sent in; see [`Push::encode_in_parts`].
pub const STREAM_PARTS: u8 = 16;
/// The label that tells these parts from each other and from the stream.
pub const PART_LABEL: &str = "orlop_late";
/// The path that takes pushes.
pub const PUSH_PATH: &str = "/loki/api/v1/push";

/// How large a push may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// Most entries.
    pub entries_max: usize,
    /// Most bytes of the encoded push, before compression.
    pub bytes_max: usize,
}

/// The labels of a stream as Loki's selector: `{app="web", namespace="shop"}`.
///
/// Names are made valid (`k8s.pod` becomes `k8s_pod`), values are cut at
/// [`LABEL_VALUE_BYTES_MAX`], empty values are left out (to Loki they mean that there is no such
/// label), of equal names the first one counts. The order of the input does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Labels(String);

impl Labels {
    /// The selector of these labels.
    #[must_use]
    pub fn new<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut pairs: Vec<(String, &str)> = labels
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (label_name(name), value))
            .collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        let mut text = String::from("{");
        for (at, (name, value)) in pairs.iter().enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            text.push_str(name);
            text.push('=');
            quote(&mut text, cut(value, LABEL_VALUE_BYTES_MAX));
        }
        text.push('}');
        Self(text)
    }

    /// The selector.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Another name for structured metadata when Loki does not take this one: of ASCII letters, digits
/// and `_`. One with neither letter nor digit is `field_` and its bytes in hexadecimal digits, an
/// empty one `field`: of these Loki (3.7) makes nothing, and the whole push is a failure to it.
#[must_use]
pub fn metadata_name(name: &str) -> Option<String> {
    if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        let mut made = String::from(if name.is_empty() { "field" } else { "field_" });
        for byte in name.bytes() {
            // Writing into a string does not fail.
            let _ = write!(made, "{byte:02x}");
        }
        return Some(made);
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_valid = name.chars().all(valid);
    (!is_valid).then(|| name.chars().map(|c| if valid(c) { c } else { '_' }).collect())
}

/// A name as Prometheus allows it: letters, digits and `_`, no digit first.
fn label_name(name: &str) -> String {
    let mut made = metadata_name(name).unwrap_or_else(|| name.to_owned());
    if made.starts_with(|c: char| c.is_ascii_digit()) {
        made.insert(0, '_');
    }
    made
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or_default()
}

/// A text in quotes with the escapes of Go, which is what Loki reads labels with.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' => {
                // Writing into a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A stream of one push; made by [`Push::stream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    index: u32,
    part: u8,
}

impl Stream {
    /// The same stream; entries are of this part of it, of [`STREAM_PARTS`], when it is sent in
    /// parts.
    #[must_use]
    pub const fn part(self, part: u64) -> Self {
        let part = (part % STREAM_PARTS as u64) as u8;
        Self { index: self.index, part }
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It is in the push.
    Added,
    /// The push is full: send it and write the entry again into an empty one.
    Full,
    /// It would not fit into an empty push either; this is its encoded size in bytes.
    TooLarge(usize),
}

#[derive(Debug, Clone)]
struct Entry {
    stream: u32,
    part: u8,
    time_ns: u64,
    /// Where it is in `entries`, tag and length included.
    bytes: Range<usize>,
}

#[derive(Debug, Clone)]
struct StreamLabels {
    /// Field 1 of the stream, tag included.
    field: Vec<u8>,
    /// Whether it has an entry; only then it counts and is written.
    used: bool,
}

/// A push that grows.
#[derive(Debug, Clone)]
pub struct Push {
    limits: PushLimits,
    streams: HashMap<Labels, u32>,
    labels: Vec<StreamLabels>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Upper bound of the encoded size: entries, labels and their frames.
    size: usize,
}

/// Tag and longest length in front of a stream.
const STREAM_FRAME_BYTES: usize = 6;

impl Push {
    /// An empty push.
    #[must_use]
    pub fn new(limits: PushLimits) -> Self {
        Self {
            limits,
            streams: HashMap::new(),
            labels: Vec::new(),
            entries: Vec::new(),
            bytes: Vec::new(),
            size: 0,
        }
    }

    /// Empties it and keeps its memory. Streams must be asked for again.
    pub fn clear(&mut self) {
        self.streams.clear();
        self.labels.clear();
        self.entries.clear();
        self.bytes.clear();
        self.size = 0;
    }

    /// How many entries it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The encoded size in bytes, or a few bytes for each stream more.
    #[must_use]
    pub const fn encoded_len_max(&self) -> usize {
        self.size
    }

    /// The stream with these labels; nothing when [`STREAMS_MAX`] others are there: send what is
    /// there and clear it first.
    #[must_use]
    pub fn stream(&mut self, labels: &Labels) -> Option<Stream> {
        if let Some(known) = self.streams.get(labels) {
            return Some(Stream { index: *known, part: 0 });
        }
        if self.labels.len() >= STREAMS_MAX {
            return None;
        }
        let made = u32::try_from(self.labels.len()).ok()?;
        let mut field = Vec::with_capacity(labels.0.len() + STREAM_FRAME_BYTES);
        proto::bytes(&mut field, 1, labels.0.as_bytes());
        self.labels.push(StreamLabels { field, used: false });
        self.streams.insert(labels.clone(), made);
        Some(Stream { index: made, part: 0 })
    }

    /// Adds an entry. A time over the year 2554 does not fit nanoseconds; 0 is the year 1970. Of
    /// entries of a stream with the same time and line a server keeps one, and tells nobody.
    pub fn entry<'a>(
        &mut self,
        stream: Stream,
        time_ns: u64,
        line: &str,
        metadata: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Pushed {
        let start = self.bytes.len();
        let out = &mut self.bytes;
        let open = proto::open(out, 2);
        let time = proto::open(out, 1);
        proto::number(out, 1, time_ns / 1_000_000_000);
        proto::number(out, 2, time_ns % 1_000_000_000);
        proto::close(out, time);
        proto::bytes(out, 2, line.as_bytes());
        for (name, value) in metadata {
            out.push(proto::tag(3, proto::BYTES));
            proto::length(out, proto::bytes_len(name.len()) + proto::bytes_len(value.len()));
            proto::bytes(out, 1, name.as_bytes());
            proto::bytes(out, 2, value.as_bytes());
        }
        proto::close(out, open);
        let bytes = start..out.len();
        let verdict = self.judge(stream, bytes.len());
        if verdict == Pushed::Added {
            let Stream { index, part } = stream;
            self.entries.push(Entry { stream: index, part, time_ns, bytes });
        } else {
            self.bytes.truncate(start);
        }
        verdict
    }

    /// Whether an entry of this length may stay; if so, it is counted.
    fn judge(&mut self, stream: Stream, length: usize) -> Pushed {
        let index = usize::try_from(stream.index).unwrap_or(usize::MAX);
        let Some(labels) = self.labels.get_mut(index) else {
            // A stream from before a clear: as if the push were full, so that it is asked for anew.
            return Pushed::Full;
        };
        let around = labels.field.len() + STREAM_FRAME_BYTES;
        if around + length > self.limits.bytes_max || self.limits.entries_max == 0 {
            return Pushed::TooLarge(around + length);
        }
        let size = self.size + length + if labels.used { 0 } else { around };
        if size > self.limits.bytes_max || self.entries.len() >= self.limits.entries_max {
            return Pushed::Full;
        }
        labels.used = true;
        self.size = size;
        Pushed::Added
    }

    /// Puts the entries of each stream beside each other; says of each which one it was before.
    pub fn group(&mut self) -> Vec<usize> {
        let stream_of = |at: &usize| self.entries.get(*at).map(|entry| entry.stream);
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(stream_of);
        self.entries.sort_by_key(|entry| entry.stream);
        order
    }

    /// The entries of each stream, when they are beside each other. Each should be a push of its
    /// own: of a push of several, Loki answers for the last one only, and what it did not take of
    /// the others (too far behind, over the stream's rate, one stream too many) it does not tell.
    pub fn streams(&self) -> impl Iterator<Item = Range<usize>> {
        let mut end = 0;
        self.entries.chunk_by(|one, next| one.stream == next.stream).map(move |stream| {
            end += stream.len();
            end - stream.len()..end
        })
    }

    /// Appends a range of entries, counted as they lie, as a push of its own. What is outside of
    /// the push is left out.
    pub fn encode(&self, entries: Range<usize>, out: &mut Vec<u8>) {
        self.write(entries, false, out);
    }

    /// The same, each part of a stream with a label of its own ([`PART_LABEL`]), for entries that a
    /// server refuses because its stream has far later ones: of which part no later ones came, it
    /// takes them. It is a few bytes for each part larger than [`Push::encoded_len_max`].
    pub fn encode_in_parts(&self, entries: Range<usize>, out: &mut Vec<u8>) {
        self.write(entries, true, out);
    }

    fn write(&self, entries: Range<usize>, in_parts: bool, out: &mut Vec<u8>) {
        let end = entries.end.min(self.entries.len());
        let chosen = self.entries.get(entries.start.min(end)..end).unwrap_or_default();
        let mut sorted: Vec<&Entry> = chosen.iter().collect();
        let stream = |entry: &Entry| (entry.stream, if in_parts { entry.part } else { 0 });
        sorted.sort_by_key(|entry| (stream(entry), entry.time_ns, entry.bytes.start));
        for stream in sorted.chunk_by(|one, next| stream(one) == stream(next)) {
            let Some(first) = stream.first() else { continue };
            let labels = usize::try_from(first.stream).ok().and_then(|at| self.labels.get(at));
            let labels = labels.map(|labels| labels.field.as_slice()).unwrap_or_default();
            let own = if in_parts { of_part(labels, first.part) } else { Vec::new() };
            let labels = if in_parts { &own } else { labels };
            let lines: usize = stream.iter().map(|entry| entry.bytes.len()).sum();
            out.push(proto::tag(1, proto::BYTES));
            proto::length(out, labels.len() + lines);
            out.extend_from_slice(labels);
            for entry in stream {
                out.extend_from_slice(self.bytes.get(entry.bytes.clone()).unwrap_or_default());
            }
        }
    }

    /// Appends one entry, counted as it was added, and a line break: a push of its own in Loki's
    /// JSON, which people can read and send again. Nothing when there is no such entry.
    pub fn write_json_line(&self, entry: usize, out: &mut Vec<u8>) {
        let Some(entry) = self.entries.get(entry) else { return };
        let labels = usize::try_from(entry.stream).ok().and_then(|at| self.labels.get(at));
        out.extend_from_slice(b"{\"streams\":[{\"stream\":");
        for field in labels.into_iter().flat_map(|labels| fields(&labels.field)) {
            members(field.text().unwrap_or_default(), out);
        }
        let message = self.bytes.get(entry.bytes.clone()).unwrap_or_default();
        let inside = fields(message).next().and_then(|field| field.bytes().ok());
        let (mut line, mut metadata) = ("", Vec::new());
        for field in fields(inside.unwrap_or_default()) {
            match field.number {
                2 => line = field.text().unwrap_or_default(),
                3 => metadata.push(field.bytes().unwrap_or_default()),
                _ => {}
            }
        }
        // Writing into memory does not fail.
        let _ = write!(out, ",\"values\":[[\"{}\",", entry.time_ns);
        json::string(out, line);
        out.extend_from_slice(b",{");
        for (at, pair) in metadata.into_iter().enumerate() {
            for (text, before) in fields(pair).zip([if at > 0 { "," } else { "" }, ":"]) {
                out.extend_from_slice(before.as_bytes());
                json::string(out, text.text().unwrap_or_default());
            }
        }
        out.extend_from_slice(b"}]]}]}\n");
    }
}

/// The labels of a part of a stream, as field 1 of it.
fn of_part(labels: &[u8], part: u8) -> Vec<u8> {
    let mut made = Vec::with_capacity(labels.len() + 2 * PART_LABEL.len());
    let selector = fields(labels).next().and_then(|field| field.text().ok());
    let selector = selector.and_then(|selector| selector.strip_suffix('}')).unwrap_or("{");
    let comma = if selector == "{" { "" } else { ", " };
    let selector = format!("{selector}{comma}{PART_LABEL}=\"{part}\"}}");
    proto::bytes(&mut made, 1, selector.as_bytes());
    made
}

/// The fields of a message that was written here.
fn fields(message: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || fields.next().ok().flatten())
}

/// `{a="x", b="y"}` as `{"a":"x","b":"y"}`: the escapes of [`quote`] are JSON's, too.
fn members(selector: &str, out: &mut Vec<u8>) {
    let (mut in_value, mut is_escaped) = (false, false);
    for (at, byte) in selector.bytes().enumerate() {
        match byte {
            b' ' if !in_value => {}
            b'=' if !in_value => out.extend_from_slice(b"\":"),
            b'{' | b',' if !in_value && selector.as_bytes().get(at + 1) != Some(&b'}') => {
                out.extend_from_slice(&[byte, b'"']);
            }
            _ => out.push(byte),
        }
        in_value ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
    }
}

/// Compresses a push as Loki wants it: one snappy block, without the frames of a stream. Nothing
/// when the input has 4 GiB or more, which snappy cannot say.
#[must_use]
pub fn compress(push: &[u8]) -> Option<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(push).ok()
}
