//! The journal of systemd as an input: entries become lines of JSON with the usual names.
//!
//! systemd gives the priority info to whatever a unit prints. So the first line of a message is
//! read as lines of a file are, too, for its severity, status and ids; it stays the message.
//!
//! One thread for each input reads entries ([`host::journal`]); the cursor of an entry is written
//! down once its record and all before it are acknowledged, so a restart goes on after it. Before
//! the first one that is the cursor of the entry that was the newest at the first start, or, until
//! that is known or when there was none, the time of that start. When the program behind it ends it
//! is started again after a growing pause. Bounds: [`PIECES_MAX`] pieces wait for the reader; then
//! the pipe fills and the journal is the queue.

mod line;

use crate::AgentError;
use crate::block::Origin;
use crate::config::{Config, Input, InputKind, Journald, StartAt};
use crate::packed::Packed;
use crate::reader::Core;
use crate::reader::sources::{Joined, NewSource};
use crate::reader::{Piece, wall_ns};
use crate::say::Say;
use crate::service;
use host::journal::{From, JournalError, Source};
use host::tail::{FileKey, Waker};
use line::{Said, line};
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
    let failed = |reason: String| AgentError::Input { input: input.name.clone(), reason };
    let said = Said::new().map_err(|error| failed(model::chain(&error)))?;
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
        said,
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
    said: Said,
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
            let said = self.said.of(entry.message());
            let lost = line(&entry, &said, self.line_bytes_max, &mut bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_written_down_is_read_as_it_was() {
        for place in [From::Since(0), From::Since(u64::MAX), From::After("s=1;i=2".to_owned())] {
            assert_eq!(text_of(&place).map(place_of), Some(place));
        }
        assert_eq!(text_of(&From::Beginning), None);
    }
}
