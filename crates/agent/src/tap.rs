//! Looking into the data path of a running agent: what a stage sees, for a while, lossily.
//!
//! A session belongs to one client that polls it; it has a stage and filters, keeps the latest
//! [`SESSION_RECORDS_MAX`] records and is forgotten when nobody polled it for
//! [`SESSION_SECONDS`]. Without a session the data path reads one atomic number for each block.
//! With one it never waits: when a session is being read at that moment, the block is not shown.

use crate::block::{Block, Origin};
use crate::encode::json::string;
use lines::{Record, Records};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Sessions at once.
pub const SESSIONS_MAX: usize = 8;
/// Records that wait in a session.
pub const SESSION_RECORDS_MAX: usize = 1_000;
/// Bytes that wait in a session.
pub const SESSION_BYTES_MAX: usize = 1024 * 1024;
/// A session that nobody polls for so long is forgotten.
pub const SESSION_SECONDS: u64 = 5;
/// Bytes of one line that are shown.
pub const SHOWN_BYTES_MAX: usize = 8 * 1024;

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Lines as they were written.
    Raw,
    /// Records before sampling.
    Parsed,
    /// Records that go to the sinks.
    Sampled,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Raw, Self::Parsed, Self::Sampled];

    /// The stage of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Parsed => "parsed",
            Self::Sampled => "sampled",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a client wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) stage: Stage,
    pub(crate) file: Option<String>,
    pub(crate) pod: Option<String>,
}

impl Wish {
    fn wants(&self, origin: &Origin) -> bool {
        let file = self.file.as_ref().is_none_or(|text| origin.path.contains(text.as_str()));
        let pod = self
            .pod
            .as_ref()
            .is_none_or(|text| origin.pod.as_ref().is_some_and(|pod| pod.contains(text.as_str())));
        file && pod
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// Stages that somebody looks at.
    stages: AtomicU8,
    sessions: Mutex<Vec<Session>>,
}

#[derive(Debug)]
struct Session {
    id: u64,
    wish: Wish,
    polled: Instant,
    waiting: VecDeque<String>,
    bytes: usize,
    missed: u64,
}

impl Session {
    fn put(&mut self, line: String) {
        self.bytes += line.len();
        self.waiting.push_back(line);
        while self.waiting.len() > SESSION_RECORDS_MAX || self.bytes > SESSION_BYTES_MAX {
            let Some(old) = self.waiting.pop_front() else { break };
            self.bytes -= old.len();
            self.missed += 1;
        }
    }
}

impl Tap {
    /// Whether anybody looks at this stage.
    #[inline]
    pub(crate) fn looks_at(&self, stage: Stage) -> bool {
        self.stages.load(Ordering::Relaxed) & stage.bit() != 0
    }

    /// Lines as they were written: the whole ones of these bytes.
    pub(crate) fn raw(&self, origin: &Origin, bytes: &[u8]) {
        let Ok(mut sessions) = self.sessions.try_lock() else { return };
        for session in sessions.iter_mut() {
            if session.wish.stage != Stage::Raw || !session.wish.wants(origin) {
                continue;
            }
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                session.put(shown(Stage::Raw, origin, &text(line), None));
            }
        }
    }

    /// Records of a block.
    pub(crate) fn block(&self, stage: Stage, block: &Block) {
        let Ok(mut sessions) = self.sessions.try_lock() else { return };
        for session in sessions.iter_mut().filter(|session| session.wish.stage == stage) {
            let mut source = None;
            for record in block.records.records() {
                let known: Option<&crate::block::Source> = source
                    .filter(|one: &&crate::block::Source| one.file.slot == record.source)
                    .or_else(|| block.source(record.source));
                source = known;
                let Some(known) = known.filter(|one| session.wish.wants(&one.origin)) else {
                    continue;
                };
                let body = text(block.records.body(record).as_bytes());
                let more = Some((&block.records, record));
                session.put(shown(stage, &known.origin, &body, more));
            }
        }
    }

    /// What waits for a client, as JSON lines; makes its session when there is none. Nothing when
    /// there are too many.
    pub(crate) fn poll(&self, id: u64, wish: Wish, now: Instant) -> Option<String> {
        let mut sessions = self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        forget_old(&mut sessions, now);
        let at = match sessions.iter().position(|one| one.id == id && one.wish == wish) {
            Some(at) => at,
            None if sessions.len() < SESSIONS_MAX => {
                let waiting = VecDeque::new();
                sessions.push(Session { id, wish, polled: now, waiting, bytes: 0, missed: 0 });
                sessions.len() - 1
            }
            None => return None,
        };
        let mut text = String::new();
        if let Some(session) = sessions.get_mut(at) {
            session.polled = now;
            session.bytes = 0;
            for line in session.waiting.drain(..) {
                text.push_str(&line);
            }
            if session.missed > 0 {
                let _ = writeln!(text, "{{\"missed\":{}}}", std::mem::take(&mut session.missed));
            }
        }
        self.mark(&sessions);
        Some(text)
    }

    /// Forgets sessions that nobody polls; called now and then.
    pub(crate) fn tidy(&self, now: Instant) {
        if self.stages.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Ok(mut sessions) = self.sessions.try_lock() {
            forget_old(&mut sessions, now);
            self.mark(&sessions);
        }
    }

    fn mark(&self, sessions: &[Session]) {
        let stages = sessions.iter().fold(0, |bits, session| bits | session.wish.stage.bit());
        self.stages.store(stages, Ordering::Relaxed);
    }
}

fn forget_old(sessions: &mut Vec<Session>, now: Instant) {
    let age = Duration::from_secs(SESSION_SECONDS);
    sessions.retain(|session| now.saturating_duration_since(session.polled) < age);
}

/// Bytes as text, cut. Control characters beyond ASCII and those that turn the direction of text
/// are replaced; those of ASCII are escaped by JSON.
fn text(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let c1 = |c: char| matches!(c, '\u{80}'..='\u{9f}');
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let odd = |c: char| c1(c) || turns(c);
    let text = String::from_utf8_lossy(cut);
    text.chars().map(|c| if odd(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A line of the answer. Everything is escaped as JSON, so no sequence of a container reaches a
/// terminal.
fn shown(stage: Stage, origin: &Origin, body: &str, record: Option<(&Records, &Record)>) -> String {
    let mut out = Vec::with_capacity(body.len() + 128);
    out.extend_from_slice(b"{\"stage\":\"");
    out.extend_from_slice(stage.name().as_bytes());
    out.extend_from_slice(b"\",\"file\":");
    string(&mut out, &origin.path);
    if let Some(pod) = &origin.pod {
        out.extend_from_slice(b",\"pod\":");
        string(&mut out, pod);
    }
    out.extend_from_slice(b",\"body\":");
    string(&mut out, body);
    if let Some((records, record)) = record {
        let severity = records.text(record.severity_text);
        if !severity.is_empty() {
            out.extend_from_slice(b",\"severity\":");
            string(&mut out, severity);
        }
        out.extend_from_slice(b",\"attributes\":{");
        for (index, field) in records.fields(record).iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            string(&mut out, records.text(field.key));
            out.push(b':');
            let value = crate::encode::text_of(records, field.value);
            string(&mut out, &text(value.as_bytes()));
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(stage: Stage, file: Option<&str>) -> Wish {
        Wish { stage, file: file.map(str::to_owned), pod: None }
    }

    fn origin(path: &str) -> Origin {
        Origin::new([], path, Some("shop/web".to_owned()))
    }

    #[test]
    fn a_session_sees_its_stage_and_files_and_is_forgotten_when_nobody_polls() {
        let (tap, now) = (Tap::default(), Instant::now());
        assert!(!tap.looks_at(Stage::Raw));
        tap.poll(1, wish(Stage::Raw, Some("web")), now).unwrap();
        assert!(tap.looks_at(Stage::Raw) && !tap.looks_at(Stage::Parsed));
        tap.raw(&origin("/var/log/web.log"), b"one\ntwo\n");
        tap.raw(&origin("/var/log/db.log"), b"three\n");
        let text = tap.poll(1, wish(Stage::Raw, Some("web")), now).unwrap();
        assert_eq!(text.lines().count(), 2);
        tap.tidy(now + Duration::from_secs(SESSION_SECONDS));
        assert!(!tap.looks_at(Stage::Raw));
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_what_was_missed_is_told() {
        let (tap, now) = (Tap::default(), Instant::now());
        tap.poll(1, wish(Stage::Raw, None), now).unwrap();
        for _ in 0..SESSION_RECORDS_MAX + 7 {
            tap.raw(&origin("/p"), b"x\n");
        }
        let text = tap.poll(1, wish(Stage::Raw, None), now).unwrap();
        assert_eq!(text.lines().count(), SESSION_RECORDS_MAX + 1);
        assert!(text.ends_with("{\"missed\":7}\n"));
        for id in 2..=SESSIONS_MAX as u64 {
            assert!(tap.poll(id, wish(Stage::Raw, None), now).is_some());
        }
        assert!(tap.poll(99, wish(Stage::Raw, None), now).is_none());
    }

    #[test]
    fn no_escape_sequence_of_a_container_reaches_a_terminal() {
        let (tap, now) = (Tap::default(), Instant::now());
        tap.poll(1, wish(Stage::Raw, None), now).unwrap();
        tap.raw(&origin("/p"), b"\x1b[2J\x1b]0;owned\x07 \xff \xc2\x9b2J \xe2\x80\xae\n");
        let text = tap.poll(1, wish(Stage::Raw, None), now).unwrap();
        assert!(text.bytes().all(|byte| byte >= 0x20 && byte != 0x7f || byte == b'\n'));
        assert!(!text.contains(['\u{9b}', '\u{202e}']));
    }
}
