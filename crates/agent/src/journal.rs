//! The journal of systemd as an input: entries become lines of JSON with the usual names.
//!
//! One thread for each input reads entries ([`host::journal`]); the cursor of an entry is written
//! down once its record and all before it are acknowledged, so a restart goes on after it. When
//! the program behind it ends it is started again after a growing pause. Bounds: [`PIECES_MAX`]
//! pieces wait for the reader; then the pipe fills and the journal is the queue.

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
/// The first and the longest pause before the program is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Keys of journals have this place and the number of the journal; see `Aside` for the other one.
const OWN_SLOT: u32 = u32::MAX - 1;

/// Lines of a journal.
struct Lines {
    bytes: Vec<u8>,
    /// The cursor of the last line.
    cursor: String,
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
    /// Cursors by where their line ends.
    marks: VecDeque<(u64, String)>,
    committed: Option<String>,
    stop: Arc<AtomicBool>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Journals {
    /// Starts the journals of the config; `cursor` gives what was written down of one.
    ///
    /// # Errors
    /// When the lines cannot be read as configured, or a thread cannot be started.
    pub(crate) fn start(
        config: &Config,
        host_name: &str,
        cursor: impl Fn(&str) -> Option<String>,
        waker: &Waker,
        say: &Say,
    ) -> Result<Self, AgentError> {
        let mut list = Vec::new();
        for input in &config.inputs {
            let InputKind::Journald(journald) = &input.kind else { continue };
            let cursor = cursor(&input.name);
            let number = u32::try_from(list.len()).unwrap_or(u32::MAX);
            list.push(start(config, input, journald, host_name, (number, cursor), waker, say)?);
        }
        Ok(Self { list, packed: Packed::default() })
    }

    /// Gives the reader what has come; false when nothing has.
    pub(crate) fn feed(&mut self, core: &mut Core) -> bool {
        for journal in &mut self.list {
            let Ok(lines) = journal.lines.try_recv() else { continue };
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
            journal.marks.push_back((journal.read, lines.cursor));
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
        while journal.marks.front().is_some_and(|(end, _)| *end <= offset) {
            journal.committed = journal.marks.pop_front().map(|(_, cursor)| cursor);
        }
        true
    }

    /// What is written down.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let journals = self.list.iter().filter_map(|journal| {
            let cursor = journal.committed.clone()?;
            Some(Entry::Cursor { name: source_name(&journal.name), value: cursor.into_bytes() })
        });
        journals.chain(self.packed.entries())
    }
}

/// What a journal is called in a checkpoint.
pub(crate) fn source_name(input: &str) -> String {
    format!("journald:{input}")
}

fn start(
    config: &Config,
    input: &Input,
    journald: &Journald,
    host_name: &str,
    (number, cursor): (u32, Option<String>),
    waker: &Waker,
    say: &Say,
) -> Result<Journal, AgentError> {
    let plan = crate::reader::inputs::journal_plan(config, input)?;
    let attributes = crate::reader::inputs::attributes(config, input, host_name);
    let path = source_name(&input.name);
    let origin = Arc::new(Origin::new(attributes, &path, None));
    let (sender, lines) = sync_channel(PIECES_MAX);
    let stop = Arc::new(AtomicBool::new(false));
    let run = Follower {
        journald: journald.clone(),
        from_end: input.reading.start_at == StartAt::End,
        cursor: cursor.clone(),
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
        committed: cursor,
        stop,
    })
}

/// The thread that reads one journal.
struct Follower {
    journald: Journald,
    from_end: bool,
    cursor: Option<String>,
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

    /// Reads until the program ends; notes whether it gave an entry.
    fn follow(&mut self, any: &mut bool) -> Result<(), JournalError> {
        let mut journal = host::journal::Journal::start(&Source {
            program: self.journald.program.clone(),
            directory: self.journald.directory.clone(),
            units: self.journald.units.clone(),
            from: match &self.cursor {
                Some(cursor) => From::After(cursor.clone()),
                None if self.from_end => From::End,
                None => From::Beginning,
            },
        })?;
        let mut bytes = Vec::new();
        loop {
            // What waits is sent on as soon as nothing more is there at once.
            let patience = if bytes.is_empty() { LOOK } else { Duration::ZERO };
            let entry = match journal.next(patience) {
                Ok(entry) => entry,
                Err(error) => {
                    self.send(&mut bytes);
                    return Err(error);
                }
            };
            let Some(entry) = entry else {
                if self.stop.load(Ordering::Acquire) || !self.send(&mut bytes) {
                    return Ok(());
                }
                continue;
            };
            let Some(cursor) = entry.cursor() else { continue };
            self.cursor = Some(cursor.to_owned());
            *any = true;
            line(&entry, &mut bytes);
            if bytes.len() >= PIECE_BYTES && !self.send(&mut bytes) {
                return Ok(());
            }
        }
    }

    /// Hands lines on; false when nobody takes them.
    fn send(&self, bytes: &mut Vec<u8>) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let cursor = self.cursor.clone().unwrap_or_default();
        let sent = self.sender.send(Lines { bytes: std::mem::take(bytes), cursor }).is_ok();
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
