//! The journal of systemd, read through `journalctl --output=json --follow`.
//!
//! Its file format has several compressions and changes; the program that belongs to it reads it
//! best. One thread for each input reads its output line by line; a line's cursor is written down
//! once its record and all before it are acknowledged, so a restart goes on after it. When the
//! program ends it is started again after a growing pause. Bounds: [`PIECES_MAX`] pieces wait for
//! the reader; then the pipe fills and the journal is the queue.

use crate::AgentError;
use crate::block::Origin;
use crate::config::{Config, Input, InputKind, Journald, StartAt};
use crate::reader::Core;
use crate::reader::sources::NewSource;
use crate::reader::{Piece, wall_ns};
use crate::say::Say;
use host::tail::{FileKey, Waker};
use lines::Plan;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Entry;

/// Pieces that wait for the reader.
pub const PIECES_MAX: usize = 4;
/// Bytes of a piece; one line more may follow.
pub const PIECE_BYTES: usize = 64 * 1024;
/// Bytes of one line of JSON; a longer one is passed over and told.
pub const JOURNAL_LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The first and the longest pause before the program is started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Keys of journals have this place and the number of the journal; see `Aside` for the other one.
const OWN_SLOT: u32 = u32::MAX - 1;
/// Bytes of a cursor.
const CURSOR_BYTES_MAX: usize = 1_024;

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
    child: Arc<Mutex<Option<Child>>>,
    stop: Arc<AtomicBool>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let _ = child.kill();
        }
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
        Ok(Self { list })
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
                        path: &path,
                        plan: journal.plan.clone(),
                        origin: journal.origin.clone(),
                        pod: None,
                        base: 0,
                        sinks: core.books.sinks.len(),
                        group: path.clone(),
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
        self.list.iter().filter_map(|journal| {
            let cursor = journal.committed.clone()?;
            Some(Entry::Cursor { source: source_name(&journal.name), cursor })
        })
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
    let (child, stop) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let run = Follower {
        journald: journald.clone(),
        from_end: input.reading.start_at == StartAt::End,
        cursor: cursor.clone(),
        sender,
        waker: waker.clone(),
        child: child.clone(),
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
        child,
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
    child: Arc<Mutex<Option<Child>>>,
    stop: Arc<AtomicBool>,
    say: Say,
    name: String,
}

impl Follower {
    fn run(mut self) {
        let mut pause = PAUSES.0;
        while !self.stop.load(Ordering::Acquire) {
            match self.follow() {
                Ok(true) => pause = PAUSES.0,
                Ok(false) => {}
                Err(error) => {
                    let program = self.journald.program.display();
                    self.say.warn(&format!(
                        "input `{}`: cannot run {program}: {error}; it is tried again",
                        self.name
                    ));
                }
            }
            let mut left = pause;
            while !left.is_zero() && !self.stop.load(Ordering::Acquire) {
                let step = left.min(Duration::from_millis(100));
                std::thread::sleep(step);
                left -= step;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut all: Vec<String> =
            ["--output=json", "--follow", "--quiet", "--no-pager"].map(str::to_owned).to_vec();
        match &self.cursor {
            Some(cursor) => all.push(format!("--after-cursor={cursor}")),
            None if self.from_end => all.push("--lines=0".to_owned()),
            None => {}
        }
        if self.cursor.is_some() || !self.from_end {
            all.push("--no-tail".to_owned());
        }
        all.extend(self.journald.units.iter().map(|unit| format!("--unit={unit}")));
        if let Some(directory) = &self.journald.directory {
            all.push(format!("--directory={}", directory.display()));
        }
        all
    }

    /// Runs the program until it ends; says whether it gave a line.
    fn follow(&mut self) -> std::io::Result<bool> {
        let mut command = Command::new(&self.journald.program);
        command.args(self.arguments()).stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let Some(output) = child.stdout.take() else { return Ok(false) };
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let read = self.read(output);
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
        }
        read
    }

    fn read(&mut self, output: impl Read) -> std::io::Result<bool> {
        let mut reader = BufReader::with_capacity(PIECE_BYTES, output);
        let mut any = false;
        let mut bytes = Vec::new();
        loop {
            let start = bytes.len();
            let length = (&mut reader).take(JOURNAL_LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
            let line = bytes.get(start..).unwrap_or_default();
            let ended = line.last() == Some(&b'\n');
            match cursor(line).filter(|_| ended) {
                Some(cursor) => self.cursor = Some(cursor),
                None => bytes.truncate(start),
            }
            if length > 0 && !ended {
                self.say.warn(&format!("input `{}`: a line of the journal is cut off", self.name));
            }
            let more = reader.buffer().contains(&b'\n') && bytes.len() < PIECE_BYTES;
            if !bytes.is_empty() && (!more || length == 0) {
                any = true;
                let cursor = self.cursor.clone().unwrap_or_default();
                let lines = Lines { bytes: std::mem::take(&mut bytes), cursor };
                if self.sender.send(lines).is_err() {
                    return Ok(any);
                }
                self.waker.wake();
            }
            if length == 0 {
                return Ok(any);
            }
        }
    }
}

/// The cursor in a line of JSON; a line without one is none of the journal's.
fn cursor(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Cursor {
        #[serde(rename = "__CURSOR")]
        cursor: String,
    }
    let found: Cursor = serde_json::from_slice(line).ok()?;
    Some(found.cursor).filter(|text| text.len() <= CURSOR_BYTES_MAX && !text.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;

    #[test]
    fn a_line_has_its_cursor_and_garbage_has_none() {
        assert_eq!(cursor(b"{\"__CURSOR\":\"s=1;i=2\",\"MESSAGE\":\"x\"}\n"), Some("s=1;i=2".into()));
        for line in [&b""[..], b"{}", b"\xff\xfe", b"{\"__CURSOR\":7}", b"[1]"] {
            assert_eq!(cursor(line), None);
        }
    }

    #[test]
    fn lines_come_in_pieces_with_the_cursor_of_the_last_one_and_garbage_is_passed_over() {
        let (sender, receiver) = sync_channel(PIECES_MAX);
        let tailer = host::tail::Tailer::new(
            Vec::new(),
            host::tail::Limits::default(),
            Vec::new(),
            std::time::Instant::now(),
        );
        let mut follower = Follower {
            journald: Journald { units: vec!["a".into()], directory: None, program: "/x".into() },
            from_end: true,
            cursor: None,
            sender,
            waker: tailer.unwrap().waker(),
            child: Arc::default(),
            stop: Arc::default(),
            say: Say::new(Arc::new(Numbers::default())),
            name: "j".into(),
        };
        assert!(follower.arguments().contains(&"--lines=0".to_owned()));
        let text = "{\"__CURSOR\":\"1\"}\nnonsense\n{\"__CURSOR\":\"2\"}\n{\"__CURSOR\":\"3\"";
        assert!(follower.read(text.as_bytes()).unwrap());
        let lines = receiver.try_recv().unwrap();
        assert_eq!(lines.bytes, b"{\"__CURSOR\":\"1\"}\n{\"__CURSOR\":\"2\"}\n");
        assert_eq!(lines.cursor, "2");
        assert!(follower.arguments().contains(&"--after-cursor=2".to_owned()));
        assert!(receiver.try_recv().is_err());
    }
}
