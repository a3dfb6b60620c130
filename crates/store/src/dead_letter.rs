//! Records that a sink will never take, as JSON lines for people.
//!
//! Each line has the time, the sink, its reason, where the record came from, and the record: as
//! text when it is UTF-8, otherwise as base64, so that nothing of it is lost. The file is bounded:
//! at half of the bound it becomes `dead-letter.jsonl.1`, and what had that name goes and is
//! counted, unless the caller wants it kept: then nothing more is written.

use crate::state::write_all;
use crate::{State, StoreError};
use rustix::fs::{OFlags, ftruncate};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// The most bytes of one record; the rest is cut off, and the line says so.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

const NAME: &str = "dead-letter.jsonl";
const ROTATED: &str = "dead-letter.jsonl.1";
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

/// The file of dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    file: OwnedFd,
    bytes: u64,
    bytes_max: u64,
    lines: u64,
    rotated_lines: u64,
    /// Lines that were written.
    pub written: u64,
    /// Lines of this process that went with a file that was rotated away.
    pub expired: u64,
    /// Lines that could not be written.
    pub failed: u64,
}

impl DeadLetters {
    /// Opens the file of a state directory; both generations together have at most `bytes_max`.
    ///
    /// # Errors
    /// [`StoreError::Write`] when it cannot be opened.
    pub fn open(state: &State, bytes_max: u64) -> Result<Self, StoreError> {
        let file = open(state)?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| state.cannot_write(NAME, errno))?;
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Self {
            file,
            bytes,
            bytes_max,
            lines: 0,
            rotated_lines: 0,
            written: 0,
            expired: 0,
            failed: 0,
        })
    }

    /// Writes one line, whole or not at all. What was written since [`Self::written`] was `keep` is
    /// not let go for it; with `u64::MAX` everything may be.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the line alone is more than half of the bound,
    /// [`StoreError::Kept`] when there is no room beside what is to be kept,
    /// [`StoreError::Write`] when the disk refuses.
    pub fn write(
        &mut self,
        state: &State,
        letter: &DeadLetter<'_>,
        keep: u64,
    ) -> Result<(), StoreError> {
        let written = self.append(state, letter, keep);
        match written {
            Ok(()) => self.written += 1,
            Err(_) => self.failed += 1,
        }
        written
    }

    fn append(
        &mut self,
        state: &State,
        letter: &DeadLetter<'_>,
        keep: u64,
    ) -> Result<(), StoreError> {
        let line = line(letter);
        let half = self.bytes_max / 2;
        if line.len() as u64 > half {
            return Err(StoreError::Full { what: "a dead letter", limit: half, unit: "bytes" });
        }
        if self.bytes + line.len() as u64 > half {
            // What the rotation lets go was written before what the file has.
            if self.written.saturating_sub(keep) > self.lines {
                return Err(StoreError::Kept { what: "the dead letters", limit: self.bytes_max });
            }
            match state.rename(NAME, ROTATED) {
                // Somebody took it away, or the last rotation ended here.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(state.cannot_write(ROTATED, errno)),
            }
            self.expired += std::mem::replace(&mut self.rotated_lines, self.lines);
            self.file = open(state)?;
            (self.bytes, self.lines) = (0, 0);
        }
        if let Err(errno) = write_all(&self.file, line.as_bytes()) {
            // Half a line is no JSON.
            let _ = ftruncate(&self.file, self.bytes);
            return Err(state.cannot_write(NAME, errno));
        }
        self.bytes += line.len() as u64;
        self.lines += 1;
        Ok(())
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

/// One line of JSON.
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
    line.push_str("}\n");
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
mod tests {
    use super::*;

    fn letter(record: &[u8]) -> DeadLetter<'_> {
        DeadLetter { time_ns: 7, sink: "otlp", reason: "400 \"bad\"\n", record }
    }

    #[test]
    fn r20_a_dead_letter_is_one_line_of_json_whatever_the_record_holds() {
        let text = line(&letter("tab\there \u{1b}[31m".as_bytes()));
        assert_eq!(
            text,
            "{\"time_unix_nano\":\"7\",\"sink\":\"otlp\",\"reason\":\"400 \\\"bad\\\"\\n\",\
             \"record\":\"tab\\u0009here \\u001b[31m\"}\n"
        );
        assert!(line(&letter(b"\xff")).ends_with(",\"record_base64\":\"/w==\"}\n"));
        assert!(line(&letter(b"\xff\xfe\xfd\xfc")).ends_with(",\"record_base64\":\"//79/A==\"}\n"));
        assert!(line(&letter(b"\xff\xfe")).ends_with("//4=\"}\n"));
        let long = vec![b'x'; RECORD_BYTES_MAX + 1];
        let text = line(&letter(&long));
        assert!(text.contains(",\"original_bytes\":1048577,"));
        assert!(text.len() < RECORD_BYTES_MAX + 200);
    }

    #[test]
    fn r20_what_is_to_be_kept_is_not_rotated_away_and_older_letters_are() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let size = line(&letter(b"record")).len() as u64;
        let mut letters = DeadLetters::open(&state, size * 6).unwrap();
        for _ in 0..4 {
            letters.write(&state, &letter(b"record"), u64::MAX).unwrap();
        }
        // From the fourth on: two more fill the file, three the next one.
        for _ in 0..5 {
            letters.write(&state, &letter(b"record"), 3).unwrap();
        }
        let refused = letters.write(&state, &letter(b"record"), 3);
        assert!(matches!(refused, Err(StoreError::Kept { .. })), "{refused:?}");
        assert_eq!((letters.written, letters.expired), (9, 3));
        // Also after somebody took the file away.
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        letters.write(&state, &letter(b"record"), u64::MAX).unwrap();
        assert_eq!((letters.bytes(), letters.written), (size, 10));
    }

    #[test]
    fn r20_dead_letters_are_rotated_once_and_never_pass_their_bound() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let size = line(&letter(b"record")).len() as u64;
        let mut letters = DeadLetters::open(&state, size * 6).unwrap();
        let sizes = || {
            let len = |name| std::fs::metadata(dir.path().join(name)).map_or(0, |m| m.len());
            (len(NAME), len(ROTATED))
        };
        for _ in 0..3 {
            letters.write(&state, &letter(b"record"), u64::MAX).unwrap();
        }
        assert_eq!(sizes(), (size * 3, 0));
        letters.write(&state, &letter(b"record"), u64::MAX).unwrap();
        assert_eq!(sizes(), (size, size * 3));
        for _ in 0..3 {
            letters.write(&state, &letter(b"record"), u64::MAX).unwrap();
        }
        assert_eq!(sizes(), (size, size * 3));
        assert_eq!((letters.written, letters.expired), (7, 3));
        let big = vec![b'x'; usize::try_from(size * 3).unwrap()];
        let refused = letters.write(&state, &letter(&big), u64::MAX);
        assert!(matches!(refused, Err(StoreError::Full { .. })));
        assert_eq!(letters.failed, 1);
        // The next process goes on where this one stopped.
        drop(letters);
        assert_eq!(DeadLetters::open(&state, size * 6).unwrap().bytes(), size);
    }
}
