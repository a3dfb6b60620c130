//! The journal of systemd as an input: entries become lines of JSON with the usual names.
//!
//! One thread for each input reads entries ([`host::journal`]); the cursor of an entry is written
//! down once its record and all before it are acknowledged, so a restart goes on after it. Before
//! the first one that is the cursor of the entry that was the newest at the first start, or, until
//! that is known or when there was none, the time of that start. When the program behind it ends it
//! is started again after a growing pause. Bounds: [`PIECES_MAX`] pieces wait for the reader; then
//! the pipe fills and the journal is the queue.

use crate::AgentError;
use crate::block::Origin;
use crate::config::{Config, Input, InputKind, Journald, StartAt};
use crate::encode::json::string;
use crate::packed::Packed;
use crate::reader::Core;
use crate::reader::sources::{Joined, NewSource};
use crate::reader::{Piece, wall_ns};
use crate::say::Say;
use crate::service;
use host::journal::{From, JournalError, Source};
use host::tail::{FileKey, Waker};
use lines::Plan;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use store::Entry;

/// Pieces that wait for the reader.
pub(crate) const PIECES_MAX: usize = 4;
/// Bytes of a piece; one line more may follow.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;
/// How long the thread waits for an entry before it looks whether it should end.
const LOOK: Duration = Duration::from_millis(250);
/// So many of these waits the newest entry at the first start may take.
const NEWEST_LOOKS: usize = 20;
/// The first and the longest pause before the program is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Keys of journals have this place and the number of the journal; see `Aside` for the other one.
const OWN_SLOT: u32 = u32::MAX - 1;

/// The longest value of a field beside the message, as JSON in bytes; a unit's name has 255.
const SHORT_BYTES_MAX: usize = 1024;
/// Room for the marks of a line of which something was cut off, in bytes.
const MARKS_BYTES: usize = 80;
/// So much of a long text is written at once, in bytes.
const STEP_BYTES: usize = 4096;

/// Lines of a journal; none when only the place is new.
struct Lines {
    bytes: Vec<u8>,
    /// Where reading goes on after them.
    place: From,
    cut: Cut,
}

/// What was cut off.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cut {
    lines: u64,
    bytes: u64,
}

/// All journals.
#[derive(Default)]
pub(crate) struct Journals {
    list: Vec<Journal>,
    /// The other inputs that nobody follows: compressed files.
    pub(crate) packed: Packed,
}

/// What the lines of a journal mean; a reload changes it.
pub(crate) struct Meaning {
    /// The name of the input.
    name: String,
    plan: Arc<Plan>,
    origin: Arc<Origin>,
}

impl Meaning {
    fn new(config: &Config, input: &Input, host_name: &str) -> Result<Self, AgentError> {
        let attributes = crate::reader::inputs::attributes(config, input, host_name);
        let origin = Origin::new(attributes, &source_name(&input.name), None);
        let plan = crate::reader::inputs::journal_plan(config, input)?;
        Ok(Self { name: input.name.clone(), plan, origin: Arc::new(origin) })
    }

    /// That of every journal of the config.
    ///
    /// # Errors
    /// When the lines cannot be read as configured.
    pub(crate) fn all(config: &Config, host_name: &str) -> Result<Vec<Self>, AgentError> {
        let journals = config.inputs.iter().filter(|input| input.kind.is_journal());
        journals.map(|input| Self::new(config, input, host_name)).collect()
    }
}

struct Journal {
    meaning: Meaning,
    lines: Receiver<Lines>,
    slot: Option<u32>,
    number: u32,
    /// Bytes so far; they stand for offsets.
    read: u64,
    /// Places by where the lines before them end.
    marks: VecDeque<(u64, From)>,
    committed: From,
    stop: Arc<AtomicBool>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Journals {
    /// Starts the journals of the config; `place` gives what was written down of one.
    ///
    /// # Errors
    /// When the lines cannot be read as configured, or a thread cannot be started.
    pub(crate) fn start(
        config: &Config,
        host_name: &str,
        place: impl Fn(&str) -> Option<String>,
        waker: &Waker,
        say: &Say,
    ) -> Result<Self, AgentError> {
        let mut list = Vec::new();
        for input in &config.inputs {
            let InputKind::Journald(journald) = &input.kind else { continue };
            let place = place(&input.name).map(place_of);
            let number = u32::try_from(list.len()).unwrap_or(u32::MAX);
            list.push(start(config, input, journald, host_name, (number, place), waker, say)?);
        }
        Ok(Self { list, packed: Packed::default() })
    }

    /// From now on the lines mean this, also those of a journal that has no source yet.
    pub(crate) fn replan(&mut self, meanings: Vec<Meaning>, core: &mut Core) {
        for meaning in meanings {
            let is_it = |journal: &&mut Journal| journal.meaning.name == meaning.name;
            let Some(journal) = self.list.iter_mut().find(is_it) else { continue };
            if let Some(slot) = journal.slot {
                if let Some(source) = core.sources.get_mut(slot) {
                    source.plan = meaning.plan.clone();
                }
                core.sources.set_origin(slot, &meaning.origin);
            }
            journal.meaning = meaning;
        }
    }

    /// Gives the reader what has come; false when nothing has.
    pub(crate) fn feed(&mut self, core: &mut Core) -> bool {
        for journal in &mut self.list {
            let Ok(lines) = journal.lines.try_recv() else { continue };
            if lines.bytes.is_empty() {
                journal.committed = lines.place;
                core.books.note();
                return true;
            }
            let slot = match journal.slot {
                Some(slot) => slot,
                None => {
                    let meaning = &journal.meaning;
                    let path = PathBuf::from(source_name(&meaning.name));
                    let slot = core.sources.add(NewSource {
                        key: FileKey { slot: OWN_SLOT, generation: journal.number },
                        input: usize::MAX,
                        path: path.as_path().into(),
                        plan: meaning.plan.clone(),
                        origin: Some(meaning.origin.clone()),
                        holds_pod: false,
                        base: 0,
                        sinks: core.books.sinks.len(),
                        joined: Joined::Path,
                    });
                    *journal.slot.insert(slot)
                }
            };
            core.counters.truncated += lines.cut.lines;
            core.counters.truncated_bytes += lines.cut.bytes;
            let offset = journal.read;
            journal.read += lines.bytes.len() as u64;
            journal.marks.push_back((journal.read, lines.place));
            core.take(&Piece {
                slot,
                offset,
                bytes: &lines.bytes,
                now: wall_ns(),
                last: false,
                after_hole: false,
            });
            return true;
        }
        false
    }

    /// A source moved; says whether it is a journal.
    pub(crate) fn commit(&mut self, slot: u32, offset: u64) -> bool {
        let Some(journal) = self.list.iter_mut().find(|one| one.slot == Some(slot)) else {
            return false;
        };
        while let Some((_, place)) = journal.marks.pop_front_if(|(end, _)| *end <= offset) {
            journal.committed = place;
        }
        true
    }

    /// What is written down.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let journals = self.list.iter().filter_map(|journal| {
            let value = text_of(&journal.committed)?.into_bytes();
            Some(Entry::Cursor { name: source_name(&journal.meaning.name), value })
        });
        journals.chain(self.packed.entries())
    }
}

/// What a journal is called in a checkpoint.
pub(crate) fn source_name(input: &str) -> String {
    format!("journald:{input}")
}

/// The place of a journal of which all is to be read.
pub(crate) const BEGINNING: &str = "@0";

/// A place as it is written down: a cursor, or a time, whose `@` no cursor has.
fn text_of(place: &From) -> Option<String> {
    match place {
        From::After(cursor) => Some(cursor.clone()),
        From::Since(time) => Some(format!("@{time}")),
        From::Beginning | From::Newest => None,
    }
}

/// The place that was written down.
fn place_of(text: String) -> From {
    let time = text.strip_prefix('@').and_then(|time| time.parse().ok());
    time.map_or(From::After(text), From::Since)
}

fn start(
    config: &Config,
    input: &Input,
    journald: &Journald,
    host_name: &str,
    (number, written): (u32, Option<From>),
    waker: &Waker,
    say: &Say,
) -> Result<Journal, AgentError> {
    let meaning = Meaning::new(config, input, host_name)?;
    let (sender, lines) = sync_channel(PIECES_MAX);
    let stop = Arc::new(AtomicBool::new(false));
    let is_first = written.is_none() && input.reading.start_at == StartAt::End;
    let place = match written {
        Some(place) => place,
        // What comes from now on is read, whenever the journal can be.
        None if is_first => From::Since(wall_ns() / 1000),
        None => From::Beginning,
    };
    let run = Follower {
        journald: journald.clone(),
        line_bytes_max: usize::try_from(input.reading.line_max_bytes).unwrap_or(usize::MAX),
        is_first,
        place: place.clone(),
        own: service::Own::find(),
        sender,
        waker: waker.clone(),
        stop: stop.clone(),
        say: say.clone(),
        name: input.name.clone(),
    };
    std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || run.run())
        .map_err(|source| AgentError::Start { what: "the journal's thread", source })?;
    Ok(Journal {
        meaning,
        lines,
        slot: None,
        number,
        read: 0,
        marks: VecDeque::new(),
        committed: place,
        stop,
    })
}

/// The thread that reads one journal.
struct Follower {
    journald: Journald,
    line_bytes_max: usize,
    /// Nothing was read yet, and nothing that is there is to be read.
    is_first: bool,
    place: From,
    /// What this process wrote itself is passed over (R31).
    own: Option<service::Own>,
    sender: SyncSender<Lines>,
    waker: Waker,
    stop: Arc<AtomicBool>,
    say: Say,
    name: String,
}

impl Follower {
    #[expect(clippy::disallowed_methods, reason = "the pause before the program is tried again")]
    fn run(mut self) {
        let mut pause = PAUSES.0;
        while !self.stop.load(Ordering::Acquire) {
            let mut any = false;
            if let Err(error) = self.follow(&mut any) {
                self.say.warn(&format!("input `{}`: {error}; it is tried again", self.name));
            }
            if any {
                pause = PAUSES.0;
            }
            let mut left = pause;
            while !left.is_zero() && !self.stop.load(Ordering::Acquire) {
                let step = left.min(LOOK);
                std::thread::sleep(step);
                left -= step;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn start(&self, from: From) -> Result<host::journal::Journal, JournalError> {
        host::journal::Journal::start(&Source {
            program: self.journald.program.clone(),
            directory: self.journald.directory.clone(),
            units: self.journald.units.clone(),
            from,
        })
    }

    /// Takes the newest entry of before the first start as the place, when it can be had soon. To
    /// follow it no clock counts: it may be set back, and entries of other machines come late.
    fn find_end(&mut self) -> Result<(), JournalError> {
        let From::Since(start) = self.place else { return Ok(()) };
        let mut journal = self.start(From::Newest)?;
        for _ in 0..NEWEST_LOOKS {
            let Some(entry) = journal.next(LOOK)? else { continue };
            if let Some(cursor) = entry.cursor().filter(|_| entry.realtime_us() < start) {
                self.place = From::After(cursor.to_owned());
                self.send(Vec::new(), Cut::default());
            }
            break;
        }
        Ok(())
    }

    /// Reads until the program ends; notes whether it gave an entry.
    fn follow(&mut self, any: &mut bool) -> Result<(), JournalError> {
        if std::mem::take(&mut self.is_first) {
            // When it fails, so does what follows, which tells it.
            let _ = self.find_end();
        }
        let mut journal = self.start(self.place.clone())?;
        let (mut bytes, mut cut) = (Vec::new(), Cut::default());
        loop {
            // What waits is sent on as soon as nothing more is there at once.
            let patience = if bytes.is_empty() { LOOK } else { Duration::ZERO };
            let entry = match journal.next(patience) {
                Ok(entry) => entry,
                Err(error) => {
                    self.send_some(&mut bytes, &mut cut);
                    return Err(error);
                }
            };
            let Some(entry) = entry else {
                if self.stop.load(Ordering::Acquire) || !self.send_some(&mut bytes, &mut cut) {
                    return Ok(());
                }
                continue;
            };
            let Some(cursor) = entry.cursor() else { continue };
            self.place = From::After(cursor.to_owned());
            *any = true;
            if self.own.as_ref().is_some_and(|own| own.wrote(&entry)) {
                continue;
            }
            let lost = line(&entry, self.line_bytes_max, &mut bytes);
            cut.lines += u64::from(lost > 0);
            cut.bytes += lost;
            if bytes.len() >= PIECE_BYTES && !self.send_some(&mut bytes, &mut cut) {
                return Ok(());
            }
        }
    }

    /// Hands lines on when there are some; false when nobody takes them.
    fn send_some(&self, bytes: &mut Vec<u8>, cut: &mut Cut) -> bool {
        bytes.is_empty() || self.send(std::mem::take(bytes), std::mem::take(cut))
    }

    /// Hands on the place, and lines when there are some before it.
    fn send(&self, bytes: Vec<u8>, cut: Cut) -> bool {
        let sent = self.sender.send(Lines { bytes, place: self.place.clone(), cut }).is_ok();
        self.waker.wake();
        sent
    }
}

/// Fields that have a meaning for every record beside the message, with the names that the parser
/// knows.
const MEANINGS: [(&str, &str); 3] = [
    ("SYSLOG_IDENTIFIER", "syslog.identifier"),
    ("_SYSTEMD_UNIT", "systemd.unit"),
    ("_PID", "process.pid"),
];

/// Priorities of syslog as words.
const PRIORITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// An entry as a line of JSON of at most so many bytes; how many bytes of its text found no room.
fn line(entry: &host::journal::Entry<'_>, bytes_max: usize, out: &mut Vec<u8>) -> u64 {
    let end = out.len() + bytes_max;
    out.extend_from_slice(b"{\"timestamp\":\"");
    out.extend_from_slice(entry.realtime_us().to_string().as_bytes());
    out.push(b'"');
    let mut lost = 0;
    let mut put = |out: &mut Vec<u8>, name: &str, field: &str, room: usize| {
        let Some(value) = entry.get(field) else { return };
        out.push(b',');
        string(out, name);
        out.push(b':');
        let text = String::from_utf8_lossy(value);
        let left = text.len() - string_within(out, &text, room);
        lost += entry.lost(field) + left as u64;
    };
    for (field, name) in MEANINGS {
        put(out, name, field, SHORT_BYTES_MAX);
    }
    let word = entry.priority().and_then(|priority| PRIORITIES.get(usize::from(priority)));
    if let Some(word) = word {
        out.extend_from_slice(b",\"level\":");
        string(out, word);
    }
    // The message comes last: it has the room that is left.
    let room = end.saturating_sub(out.len() + MARKS_BYTES);
    put(out, "message", "MESSAGE", room);
    if lost > 0 {
        let length = entry.message().len() as u64 + entry.lost("MESSAGE");
        let marks = format!(",\"log.truncated\":true,\"log.original_length\":{length}");
        out.extend_from_slice(marks.as_bytes());
    }
    out.extend_from_slice(b"}\n");
    lost
}

/// A text in quotes, as much of it as so many bytes of JSON hold; how many bytes of it.
fn string_within(out: &mut Vec<u8>, text: &str, room: usize) -> usize {
    // A byte has six at most when it is escaped.
    if text.len() * 6 + 2 <= room {
        string(out, text);
        return text.len();
    }
    let end = out.len() + room.saturating_sub(1);
    let (mut taken, mut step, mut piece) = (0, STEP_BYTES, Vec::new());
    out.push(b'"');
    while step > 0 && taken < text.len() {
        let next = text.floor_char_boundary(taken + step);
        piece.clear();
        string(&mut piece, text.get(taken..next).unwrap_or_default());
        let escaped = piece.get(1..piece.len() - 1).unwrap_or_default();
        if next > taken && out.len() + escaped.len() <= end {
            out.extend_from_slice(escaped);
            taken = next;
        } else {
            step /= 2;
        }
    }
    out.push(b'"');
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::journal::Export;

    #[test]
    fn an_entry_is_a_line_with_time_level_message_and_unit() {
        let mut export = Export::default();
        let text = b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000000000\nPRIORITY=3\n\
                     _SYSTEMD_UNIT=a.service\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nb\xff\"\n\n";
        assert!(export.feed(text).complete);
        let mut out = Vec::new();
        assert_eq!(line(&export.entry(), 1 << 20, &mut out), 0);
        assert_eq!(export.entry().cursor(), Some("s=1;i=2"));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["message"], "a\nb\u{fffd}\"");
        assert_eq!(
            (&value["level"], &value["systemd.unit"]),
            (&"error".into(), &"a.service".into())
        );
        assert_eq!(value["timestamp"], "1700000000000000");
    }

    /// An entry with these fields.
    fn entry(fields: &[(&str, &str)]) -> Export {
        let mut export = Export::default();
        let mut bytes = b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1700000000000000\n".to_vec();
        for (name, value) in fields {
            bytes.extend_from_slice(format!("{name}\n").as_bytes());
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        assert!(export.feed(&bytes).complete);
        export
    }

    #[test]
    fn r14_a_message_is_cut_at_any_bound_so_that_the_line_keeps_it_and_all_else_is_whole() {
        for text in ["x", "\n", "\u{1b}", "\u{e9}", "\u{1f980}", "ab\n\u{1f980}\u{e9}\"\u{1}"] {
            let message = text.repeat(3000 / text.len());
            let fields = [("PRIORITY", "3"), ("MESSAGE", &message), ("_PID", "7")];
            let export = entry(&fields);
            for bound in 1000..1100 {
                let mut out = b"before\n".to_vec();
                let lost = line(&export.entry(), bound, &mut out);
                let line = out.strip_prefix(b"before\n").and_then(|l| l.strip_suffix(b"\n"));
                let line = line.unwrap();
                // A character and the marks are what may be missing.
                assert!(line.len() <= bound && line.len() + MARKS_BYTES + 12 > bound);
                let value: serde_json::Value = serde_json::from_slice(line).unwrap();
                let kept = value["message"].as_str().unwrap();
                assert!(message.starts_with(kept), "{text:?} at {bound}");
                assert_eq!(lost, (message.len() - kept.len()) as u64);
                assert_eq!(
                    (&value["level"], &value["process.pid"]),
                    (&"error".into(), &"7".into())
                );
                assert_eq!(value["log.truncated"], true);
                assert_eq!(value["log.original_length"], message.len());
            }
        }
    }

    #[test]
    fn what_the_reader_of_the_format_cut_off_counts_too_and_no_field_takes_the_room_of_another() {
        let long = "\u{1}".repeat(host::journal::VALUE_BYTES_MAX + 5);
        let export = entry(&[
            ("SYSLOG_IDENTIFIER", &long),
            ("_SYSTEMD_UNIT", &long),
            ("_PID", &long),
            ("MESSAGE", &"x".repeat(host::journal::VALUE_BYTES_MAX + 5)),
            ("PRIORITY", "4"),
        ]);
        let mut out = Vec::new();
        let lost = line(&export.entry(), 1 << 20, &mut out);
        assert!(out.len() <= (1 << 20) + 1 && out.capacity() <= 3 << 20);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let length = |name: &str| value[name].as_str().unwrap().len();
        assert!(length("message") > 1 << 18);
        assert!((1..SHORT_BYTES_MAX).contains(&length("systemd.unit")));
        assert_eq!(value["log.original_length"], host::journal::VALUE_BYTES_MAX + 5);
        assert_eq!(value["level"], "warning");
        let kept: usize = ["message", "syslog.identifier", "systemd.unit", "process.pid"]
            .map(length)
            .iter()
            .sum();
        assert_eq!(lost as usize, 4 * (host::journal::VALUE_BYTES_MAX + 5) - kept);
    }

    #[test]
    fn a_place_that_is_written_down_is_read_as_it_was() {
        for place in [From::Since(0), From::Since(u64::MAX), From::After("s=1;i=2".to_owned())] {
            assert_eq!(text_of(&place).map(place_of), Some(place));
        }
        assert_eq!(text_of(&From::Beginning), None);
    }
}
