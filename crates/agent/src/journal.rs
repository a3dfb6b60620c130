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

/// Lines of a journal; none when only the place is new.
struct Lines {
    bytes: Vec<u8>,
    /// Where reading goes on after them.
    place: From,
}

/// All journals.
#[derive(Default)]
pub(crate) struct Journals {
    list: Vec<Journal>,
    /// The other inputs that nobody follows: compressed files.
    pub(crate) packed: Packed,
}

struct Journal {
    name: String,
    plan: Arc<Plan>,
    origin: Arc<Origin>,
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
                    let path = PathBuf::from(format!("journald:{}", journal.name));
                    let slot = core.sources.add(NewSource {
                        key: FileKey { slot: OWN_SLOT, generation: journal.number },
                        input: usize::MAX,
                        path: path.as_path().into(),
                        plan: journal.plan.clone(),
                        origin: Some(journal.origin.clone()),
                        holds_pod: false,
                        base: 0,
                        sinks: core.books.sinks.len(),
                        joined: Joined::Path,
                    });
                    *journal.slot.insert(slot)
                }
            };
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
            Some(Entry::Cursor { name: source_name(&journal.name), value })
        });
        journals.chain(self.packed.entries())
    }
}

/// What a journal is called in a checkpoint.
pub(crate) fn source_name(input: &str) -> String {
    format!("journald:{input}")
}

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
    let plan = crate::reader::inputs::journal_plan(config, input)?;
    let attributes = crate::reader::inputs::attributes(config, input, host_name);
    let path = source_name(&input.name);
    let origin = Arc::new(Origin::new(attributes, &path, None));
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
        is_first,
        place: place.clone(),
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
        name: input.name.clone(),
        plan,
        origin,
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
    /// Nothing was read yet, and nothing that is there is to be read.
    is_first: bool,
    place: From,
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
                self.send(Vec::new());
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
        let mut bytes = Vec::new();
        loop {
            // What waits is sent on as soon as nothing more is there at once.
            let patience = if bytes.is_empty() { LOOK } else { Duration::ZERO };
            let entry = match journal.next(patience) {
                Ok(entry) => entry,
                Err(error) => {
                    self.send_some(&mut bytes);
                    return Err(error);
                }
            };
            let Some(entry) = entry else {
                if self.stop.load(Ordering::Acquire) || !self.send_some(&mut bytes) {
                    return Ok(());
                }
                continue;
            };
            let Some(cursor) = entry.cursor() else { continue };
            self.place = From::After(cursor.to_owned());
            *any = true;
            line(&entry, &mut bytes);
            if bytes.len() >= PIECE_BYTES && !self.send_some(&mut bytes) {
                return Ok(());
            }
        }
    }

    /// Hands lines on when there are some; false when nobody takes them.
    fn send_some(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.is_empty() || self.send(std::mem::take(bytes))
    }

    /// Hands on the place, and lines when there are some before it.
    fn send(&self, bytes: Vec<u8>) -> bool {
        let sent = self.sender.send(Lines { bytes, place: self.place.clone() }).is_ok();
        self.waker.wake();
        sent
    }
}

/// Fields that have a meaning for every record, with the names that the parser knows.
const MEANINGS: [(&str, &str); 4] = [
    ("MESSAGE", "message"),
    ("SYSLOG_IDENTIFIER", "syslog.identifier"),
    ("_SYSTEMD_UNIT", "systemd.unit"),
    ("_PID", "process.pid"),
];

/// Priorities of syslog as words.
const PRIORITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// An entry as a line of JSON.
fn line(entry: &host::journal::Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"timestamp\":\"");
    out.extend_from_slice(entry.realtime_us().to_string().as_bytes());
    out.push(b'"');
    let mut put = |name: &str, value: &str| {
        out.push(b',');
        string(out, name);
        out.push(b':');
        string(out, value);
    };
    for (field, name) in MEANINGS {
        if let Some(value) = entry.get(field) {
            put(name, &String::from_utf8_lossy(value));
        }
    }
    let word = entry.priority().and_then(|priority| PRIORITIES.get(usize::from(priority)));
    if let Some(word) = word {
        put("level", word);
    }
    out.extend_from_slice(b"}\n");
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
        line(&export.entry(), &mut out);
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
}
