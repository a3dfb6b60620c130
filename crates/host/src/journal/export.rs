//! The journal's export format, piece by piece. Pure.
//!
//! An entry is a list of fields and ends with an empty line. A field is `NAME=text` and a newline,
//! or `NAME` and a newline, the length as 64 bits little-endian, so many bytes, and a newline.
//! Bytes may arrive cut anywhere. Whatever they are, an entry holds at most [`ENTRY_BYTES_MAX`]
//! bytes and [`FIELDS_MAX`] fields; what is beyond is skipped in constant memory, and the entry
//! says that it was cut. Long values leave room for short ones.

use std::ops::Range;

/// The longest name of a field, in bytes; systemd allows 64.
pub const NAME_BYTES_MAX: usize = 256;
/// The most bytes that are kept of one value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// The most bytes that are kept of one entry.
pub const ENTRY_BYTES_MAX: usize = 4 << 20;
/// The most fields that are kept of one entry.
pub const FIELDS_MAX: usize = 1024;
/// So many bytes of each value are kept, however long the others are.
const SHORT_BYTES: usize = 256;
/// The room in an entry that long values leave for short ones and for names, in bytes.
const SHORTS_BYTES: usize = FIELDS_MAX * (NAME_BYTES_MAX + SHORT_BYTES);
/// The room that is kept between two entries, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Name,
    /// A line that is no field.
    Junk,
    Text,
    Length {
        seen: u8,
        value: u64,
    },
    Binary {
        left: u64,
    },
    BinaryEnd,
    /// The entry is complete; the next byte begins another.
    Complete,
}

#[derive(Debug, Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
    /// How many bytes a bound cut off the value.
    lost: u64,
}

/// What became of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// How many were taken.
    pub consumed: usize,
    /// Whether an entry is complete; the rest is of the next ones.
    pub complete: bool,
}

/// Reads the export format.
#[derive(Debug)]
pub struct Export {
    state: State,
    bytes: Vec<u8>,
    fields: Vec<Field>,
    name: Range<usize>,
    /// How many bytes a bound cut off the value that is read.
    lost: u64,
    is_cut: bool,
    damaged: u64,
}

impl Default for Export {
    fn default() -> Self {
        Self {
            state: State::Name,
            bytes: Vec::new(),
            fields: Vec::new(),
            name: 0..0,
            lost: 0,
            is_cut: false,
            damaged: 0,
        }
    }
}

impl Export {
    /// Takes bytes up to the end of an entry.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.state == State::Complete {
                self.begin();
            }
            let taken = self.step(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if self.state == State::Complete {
                return Fed { consumed: bytes.len() - rest.len(), complete: true };
            }
        }
        Fed { consumed: bytes.len(), complete: false }
    }

    /// The entry that is complete.
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        Entry { export: self }
    }

    /// Lines that were no fields.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn begin(&mut self) {
        self.state = State::Name;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.fields.clear();
        self.name = 0..0;
        self.is_cut = false;
    }

    /// Takes at least one byte of what is there; how many.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.state {
            State::Name | State::Complete => self.name(bytes),
            State::Junk => {
                let (_, taken, ended) = line(bytes);
                if ended {
                    self.state = State::Name;
                    self.name = self.bytes.len()..self.bytes.len();
                }
                taken
            }
            State::Text => {
                let (text, taken, ended) = line(bytes);
                self.keep(text);
                if ended {
                    self.end_field();
                }
                taken
            }
            State::Length { seen, value } => {
                let byte = u64::from(bytes.first().copied().unwrap_or(0));
                let value = value | byte << (8 * seen);
                self.state = match seen {
                    7 if value == 0 => State::BinaryEnd,
                    7 => State::Binary { left: value },
                    _ => State::Length { seen: seen + 1, value },
                };
                1
            }
            State::Binary { left } => {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                self.keep(bytes.get(..len).unwrap_or_default());
                self.state = match left - len as u64 {
                    0 => State::BinaryEnd,
                    left => State::Binary { left },
                };
                len
            }
            State::BinaryEnd => {
                self.end_field();
                if bytes.first() != Some(&b'\n') {
                    self.damaged += 1;
                    self.state = State::Junk;
                }
                1
            }
        }
    }

    fn name(&mut self, bytes: &[u8]) -> usize {
        let stop = memchr::memchr2(b'=', b'\n', bytes);
        let part = bytes.get(..stop.unwrap_or(bytes.len())).unwrap_or_default();
        let taken = part.len() + usize::from(stop.is_some());
        if self.name.len() + part.len() > NAME_BYTES_MAX {
            self.damaged += 1;
            self.bytes.truncate(self.name.start);
            // The end of the line may be what stopped us.
            let is_over = stop.and_then(|at| bytes.get(at)) == Some(&b'\n');
            self.name = self.bytes.len()..self.bytes.len();
            self.state = if is_over { State::Name } else { State::Junk };
            return taken;
        }
        self.bytes.extend_from_slice(part);
        self.name.end = self.bytes.len();
        match stop.and_then(|at| bytes.get(at)) {
            Some(b'=') if self.name.is_empty() => {
                self.damaged += 1;
                self.state = State::Junk;
            }
            Some(b'=') => self.state = State::Text,
            Some(_) if self.name.is_empty() && self.fields.is_empty() => {}
            Some(_) if self.name.is_empty() => self.state = State::Complete,
            Some(_) => self.state = State::Length { seen: 0, value: 0 },
            None => {}
        }
        taken
    }

    /// Keeps bytes of a value as far as the bounds allow.
    fn keep(&mut self, bytes: &[u8]) {
        let held = self.bytes.len() - self.name.end;
        let entry = (ENTRY_BYTES_MAX - SHORTS_BYTES).saturating_sub(self.bytes.len());
        let room =
            entry.max(SHORT_BYTES.saturating_sub(held)).min(VALUE_BYTES_MAX.saturating_sub(held));
        let room = if self.fields.len() < FIELDS_MAX { room } else { 0 };
        let lost = bytes.len().saturating_sub(room);
        self.lost += lost as u64;
        self.is_cut |= lost > 0;
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn end_field(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if self.fields.len() < FIELDS_MAX && self.bytes.len() <= ENTRY_BYTES_MAX {
            let value = self.name.end..self.bytes.len();
            self.fields.push(Field { name: self.name.clone(), value, lost });
        } else {
            self.is_cut = true;
            self.bytes.truncate(self.name.start);
        }
        self.name = self.bytes.len()..self.bytes.len();
        self.state = State::Name;
    }
}

/// The part of a line that is here, how many bytes that takes, and whether the line ends.
fn line(bytes: &[u8]) -> (&[u8], usize, bool) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => (bytes.get(..at).unwrap_or_default(), at + 1, true),
        None => (bytes, bytes.len(), false),
    }
}

/// One entry of the journal.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    export: &'a Export,
}

impl<'a> Entry<'a> {
    /// Its fields in the order in which they came; one name may come more than once.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let export = self.export;
        let part = |range: &Range<usize>| export.bytes.get(range.clone()).unwrap_or_default();
        export.fields.iter().map(move |field| (part(&field.name), part(&field.value)))
    }

    /// The first field of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| value)
    }

    /// How many bytes a bound cut off that field.
    #[must_use]
    pub fn lost(&self, name: &str) -> u64 {
        let mut fields = self.fields().zip(&self.export.fields);
        fields.find(|((own, _), _)| *own == name.as_bytes()).map_or(0, |(_, field)| field.lost)
    }

    /// Where reading goes on after this entry.
    #[must_use]
    pub fn cursor(&self) -> Option<&'a str> {
        self.text("__CURSOR")
    }

    /// What was logged.
    #[must_use]
    pub fn message(&self) -> &'a [u8] {
        self.get("MESSAGE").unwrap_or_default()
    }

    /// When it came, in microseconds since 1970; 0 when that is not said.
    #[must_use]
    pub fn realtime_us(&self) -> u64 {
        self.text("__REALTIME_TIMESTAMP").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The severity as syslog has it, 0 to 7.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        self.text("PRIORITY")?.parse().ok().filter(|priority| *priority <= 7)
    }

    /// Whether a bound cut something off.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.export.is_cut
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }
}
