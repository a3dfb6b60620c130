//! Records that a sink will never take, as JSON lines for people.
//!
//! Each line has the time, the sink, its reason, where the record came from, and the record: as
//! text when it is UTF-8, otherwise as base64, so that nothing of it is lost. The file is bounded:
//! at half of the bound it becomes `dead-letter.jsonl.1`, and what had that name goes and is
//! counted.
//!
//! A sink that refuses one record after the other and takes none may be a wrong server. Letters of
//! such a run are not let go, whoever writes: then nothing more is written until the sink takes a
//! record, or somebody moves `dead-letter.jsonl.1` away. Each line says which sinks were in a run
//! and where its letters are (1: in this file, 2: in the one before, 3: in both), so that a run
//! goes on over a restart.

use crate::state::write_all;
use crate::{State, StoreError};
use rustix::fs::{OFlags, fdatasync, ftruncate};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;

/// The most bytes of one record; the rest is cut off, and the line says so.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

const NAME: &str = "dead-letter.jsonl";
const ROTATED: &str = "dead-letter.jsonl.1";
/// What is before the runs in a line. No text has it: each quote in one is behind a backslash.
const RUNS: &str = ",\"runs\":{";
/// The file that is written to, among those of a run.
const HERE: u8 = 1;
/// The file that was rotated.
const BEFORE: u8 = 2;
/// Bytes of the end of a file that are looked at for its last runs.
const TAIL_BYTES: u64 = 64 * 1024;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A record that a sink refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Which sink.
    pub sink: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The record.
    pub record: &'a [u8],
}

/// A sink, and what it refused since it took a record.
#[derive(Debug)]
struct Run {
    sink: String,
    /// Where its letters are: [`HERE`], [`BEFORE`], both or neither.
    files: u8,
}

/// The file of dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    file: OwnedFd,
    runs: Vec<Run>,
    bytes: u64,
    bytes_max: u64,
    /// Lines that were written.
    pub written: u64,
    /// Lines that went with a file that was rotated away, whichever process wrote them.
    pub expired: u64,
    /// Lines that could not be written.
    pub failed: u64,
}

impl DeadLetters {
    /// Opens the file of a state directory; both generations together have at most `bytes_max`.
    /// Runs of refusals that these sinks were in go on.
    ///
    /// # Errors
    /// [`StoreError::Write`] when it cannot be opened.
    pub fn open<'s>(
        state: &State,
        bytes_max: u64,
        sinks: impl IntoIterator<Item = &'s str>,
    ) -> Result<Self, StoreError> {
        let file = open(state)?;
        let bytes = whole_lines(state).map_err(|error| state.cannot_write(NAME, error))?;
        // Half a line, which a crash may leave, is no JSON, and the next one would be part of it.
        ftruncate(&file, bytes).map_err(|errno| state.cannot_write(NAME, errno))?;
        let mut letters =
            Self { file, runs: Vec::new(), bytes, bytes_max, written: 0, expired: 0, failed: 0 };
        letters.serve(sinks);
        letters.remember(state);
        Ok(letters)
    }

    /// From now on these are the sinks: nothing is kept for others.
    pub fn serve<'s>(&mut self, sinks: impl IntoIterator<Item = &'s str>) {
        let known = std::mem::take(&mut self.runs);
        for sink in sinks {
            let files = known.iter().find(|run| run.sink == sink).map_or(0, |run| run.files);
            self.runs.push(Run { sink: sink.to_owned(), files });
        }
    }

    /// A sink took a record: its run of refusals is over.
    pub fn taken(&mut self, sink: &str) {
        if let Some(run) = self.run(sink) {
            run.files = 0;
        }
    }

    /// Writes one line, whole or not at all, and waits for the disk: nobody reads the record again.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the line alone is more than half of the bound,
    /// [`StoreError::Kept`] when there is no room beside what is to be kept,
    /// [`StoreError::Write`] when the disk refuses.
    pub fn write(&mut self, state: &State, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        let written = self.append(state, letter);
        match written {
            Ok(()) => self.written += 1,
            Err(_) => self.failed += 1,
        }
        written
    }

    fn append(&mut self, state: &State, letter: &DeadLetter<'_>) -> Result<(), StoreError> {
        let mut line = line(letter);
        let half = self.bytes_max / 2;
        // A rotation makes no run longer.
        let bytes_most = (line.len() + self.runs_with(letter.sink).len()) as u64;
        if bytes_most > half {
            return Err(StoreError::Full { what: "a dead letter", limit: half, unit: "bytes" });
        }
        if !state.is_at(NAME, &self.file) {
            // Somebody has taken the letters away, or the last rotation ended half way.
            self.begin(state)?;
            self.runs.iter_mut().for_each(|run| run.files &= !HERE);
        }
        if self.bytes + bytes_most > half {
            self.rotate(state)?;
        }
        line.push_str(&self.runs_with(letter.sink));
        if let Err(errno) =
            write_all(&self.file, line.as_bytes()).and_then(|()| fdatasync(&self.file))
        {
            // Half a line is no JSON.
            let _ = ftruncate(&self.file, self.bytes);
            return Err(state.cannot_write(NAME, errno));
        }
        self.bytes += line.len() as u64;
        if let Some(run) = self.run(letter.sink) {
            run.files |= HERE;
        }
        Ok(())
    }

    /// Begins a new file, and keeps the one there is now as the older one.
    fn rotate(&mut self, state: &State) -> Result<(), StoreError> {
        if let Some(run) = self.runs.iter().find(|run| run.files & BEFORE != 0)
            && state.has(ROTATED)
        {
            let (what, sink) = ("the dead letters", run.sink.clone());
            return Err(StoreError::Kept { what, limit: self.bytes_max, sink });
        }
        let expired = count_lines(state, ROTATED);
        state.rename(NAME, ROTATED).map_err(|errno| state.cannot_write(ROTATED, errno))?;
        self.pass_on();
        self.expired += expired;
        self.begin(state)
    }

    /// Goes on with the file that has the name, or a new one.
    fn begin(&mut self, state: &State) -> Result<(), StoreError> {
        self.file = open(state)?;
        state.sync().map_err(|errno| state.cannot_write(NAME, errno))?;
        self.bytes = whole_lines(state).map_err(|error| state.cannot_write(NAME, error))?;
        Ok(())
    }

    /// What was in the file that is written to is in the other one now.
    fn pass_on(&mut self) {
        for run in &mut self.runs {
            run.files = if run.files & HERE == 0 { 0 } else { BEFORE };
        }
    }

    /// Takes the runs from the last line. What cannot be read keeps nothing.
    fn remember(&mut self, state: &State) {
        let here = last_line(state, NAME);
        let is_rotated = here.is_none();
        let last = here.or_else(|| last_line(state, ROTATED)).unwrap_or_default();
        let known = last.rsplit_once(RUNS).map_or("", |(_, known)| known);
        for run in &mut self.runs {
            let is_known = |files: &u8| known.contains(&in_json(&run.sink, *files));
            run.files = (HERE..=HERE | BEFORE).find(is_known).unwrap_or(0);
        }
        if is_rotated {
            self.pass_on();
        }
    }

    fn run(&mut self, sink: &str) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.sink == sink)
    }

    /// The end of a line that this sink writes: all runs, with its own.
    fn runs_with(&self, sink: &str) -> String {
        let files = |run: &Run| run.files | if run.sink == sink { HERE } else { 0 };
        let runs = self.runs.iter().map(|run| (run, files(run))).filter(|(_, files)| *files > 0);
        let runs: Vec<String> = runs.map(|(run, files)| in_json(&run.sink, files)).collect();
        format!("{RUNS}{}}}}}\n", runs.join(","))
    }

    /// Bytes of the file that is written to.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn open(state: &State) -> Result<OwnedFd, StoreError> {
    state
        .open_file(NAME, OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND)
        .map_err(|errno: Errno| state.cannot_write(NAME, errno))
}

/// Bytes of the file that is written to, up to the end of its last whole line.
fn whole_lines(state: &State) -> std::io::Result<u64> {
    let mut file = std::fs::File::from(state.open_file(NAME, OFlags::RDONLY)?);
    let mut end = file.metadata()?.len();
    let mut bytes = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(start))?;
        bytes.clear();
        Read::by_ref(&mut file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// How many lines a file has, as far as it can be read.
fn count_lines(state: &State, name: &str) -> u64 {
    let Ok(file) = state.open_file(name, OFlags::RDONLY) else { return 0 };
    let (mut file, mut bytes) = (std::fs::File::from(file), vec![0; TAIL_BYTES as usize]);
    let mut lines = 0;
    while let Ok(length @ 1..) = file.read(&mut bytes) {
        let read = bytes.get(..length).unwrap_or_default();
        lines += read.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    lines
}

/// The end of the last whole line of a file.
fn last_line(state: &State, name: &str) -> Option<String> {
    let mut file = std::fs::File::from(state.open_file(name, OFlags::RDONLY).ok()?);
    let start = file.metadata().ok()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
    String::from_utf8_lossy(&tail).rsplit('\n').nth(1).map(str::to_owned)
}

/// A run as a member of JSON.
fn in_json(sink: &str, files: u8) -> String {
    let mut text = String::new();
    quote(sink, &mut text);
    let _ = write!(text, ":{files}");
    text
}

/// One line of JSON but for its runs.
fn line(letter: &DeadLetter<'_>) -> String {
    let record = letter.record.get(..RECORD_BYTES_MAX).unwrap_or(letter.record);
    let mut line = format!("{{\"time_unix_nano\":\"{}\",\"sink\":", letter.time_ns);
    quote(letter.sink, &mut line);
    line.push_str(",\"reason\":");
    quote(letter.reason, &mut line);
    if record.len() < letter.record.len() {
        let _ = write!(line, ",\"original_bytes\":{}", letter.record.len());
    }
    match std::str::from_utf8(record) {
        Ok(text) => {
            line.push_str(",\"record\":");
            quote(text, &mut line);
        }
        Err(_) => {
            line.push_str(",\"record_base64\":\"");
            base64(record, &mut line);
            line.push('"');
        }
    }
    line
}

/// A text as JSON; control characters are escaped, so that none reaches a terminal.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            char if char.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

fn base64(bytes: &[u8], out: &mut String) {
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let digit = BASE64.get(index as usize).copied().unwrap_or(b'=');
            out.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
}

#[cfg(test)]
mod tests;
