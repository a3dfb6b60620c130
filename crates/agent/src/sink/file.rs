//! JSON lines in a file or on standard output.
//!
//! What could not be written whole is taken back, so that the next try begins at a line's start.
//! A file is on the disk before its lines count as delivered (unless told otherwise) and is begun
//! anew at a size. Input: whole lines. Errors: those of the disk; the caller tries again.

use crate::config::FileSink;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who may read the file: its owner and group. It holds what was logged.
const MODE: u32 = 0o640;
/// A write reaches to the next multiple of so many bytes of the file: whole pages, few calls, and
/// no larger piece of the page cache at once, which a full machine has to make room for first.
const PIECE_BYTES: usize = 256 * 1024;

/// Appends lines.
#[derive(Debug)]
pub(crate) struct Appender(RefCell<State>);

#[derive(Debug)]
enum State {
    Stdout,
    File { config: FileSink, open: Option<(File, u64)> },
}

impl Appender {
    /// To standard output.
    pub(crate) fn stdout() -> Self {
        Self(RefCell::new(State::Stdout))
    }

    /// To a file.
    pub(crate) fn file(config: FileSink) -> Self {
        Self(RefCell::new(State::File { config, open: None }))
    }

    /// Appends whole lines.
    pub(crate) fn append(&self, lines: &[u8]) -> io::Result<()> {
        match &mut *self.0.borrow_mut() {
            State::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            State::File { config, open } => {
                let (mut file, length) = match open.take() {
                    Some(known) => known,
                    None => begin(config)?,
                };
                if let Err(error) = write(&mut file, length, lines, config.fsync) {
                    let _ = file.set_len(length);
                    return Err(error);
                }
                let length = length + lines.len() as u64;
                if config.rotate_bytes > 0 && length >= config.rotate_bytes {
                    drop(file);
                    return rotate(config);
                }
                *open = Some((file, length));
                Ok(())
            }
        }
    }
}

/// Appends to a file of this length.
fn write(file: &mut File, length: u64, mut lines: &[u8], fsync: bool) -> io::Result<()> {
    let mut most = PIECE_BYTES - (length % PIECE_BYTES as u64) as usize;
    while !lines.is_empty() {
        let (piece, rest) = lines.split_at_checked(most).unwrap_or((lines, &[]));
        file.write_all(piece)?;
        (lines, most) = (rest, PIECE_BYTES);
    }
    if fsync { file.sync_data() } else { Ok(()) }
}

fn begin(config: &FileSink) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).read(true).create(true).mode(MODE).open(&config.path)?;
    let mut length = file.metadata()?.len();
    // A crash in the middle of a write leaves half a line; what follows must not be glued to it.
    if length > 0 && !ends_with_line_feed(&file, length)? {
        file.write_all(b"\n")?;
        length += 1;
    }
    Ok((file, length))
}

fn ends_with_line_feed(file: &File, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    if !file.metadata()?.is_file() {
        return Ok(true);
    }
    let mut last = [0_u8];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// `records.jsonl` becomes `records.jsonl.1`, and so on.
fn rotate(config: &FileSink) -> io::Result<()> {
    if config.rotate_keep == 0 {
        return std::fs::remove_file(&config.path);
    }
    for number in (1..config.rotate_keep).rev() {
        let from = numbered(&config.path, number);
        if from.exists() {
            std::fs::rename(from, numbered(&config.path, number + 1))?;
        }
    }
    std::fs::rename(&config.path, numbered(&config.path, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Format;

    fn sink(path: PathBuf, rotate_bytes: u64, rotate_keep: u64) -> FileSink {
        FileSink { path, format: Format::Json, rotate_bytes, rotate_keep, fsync: true }
    }

    #[test]
    fn a_file_is_begun_anew_at_its_size_and_old_ones_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let appender = Appender::file(sink(path.clone(), 10, 2));
        for number in 0..5 {
            appender.append(format!("line {number} of it\n").as_bytes()).unwrap();
        }
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names(), 2);
        assert_eq!(std::fs::read_to_string(numbered(&path, 1)).unwrap(), "line 4 of it\n");
        assert_eq!(std::fs::read_to_string(numbered(&path, 2)).unwrap(), "line 3 of it\n");
    }

    #[test]
    fn what_is_longer_than_a_piece_is_written_whole_wherever_the_file_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let appender = Appender::file(sink(path.clone(), 0, 0));
        let line = |number: usize| format!("{number}{}\n", "x".repeat(number * 7_919));
        let mut wanted = String::new();
        for count in [1, 40, 0, 90, 1, 120] {
            let lines: String = (0..count).map(line).collect();
            appender.append(lines.as_bytes()).unwrap();
            wanted.push_str(&lines);
        }
        assert!(wanted.len() > 8 * PIECE_BYTES);
        assert!(std::fs::read_to_string(&path).unwrap() == wanted);
    }

    #[test]
    fn half_a_line_of_before_is_ended_and_not_glued_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        std::fs::write(&path, "{\"half\":").unwrap();
        Appender::file(sink(path.clone(), 0, 0)).append(b"{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"half\":\n{}\n");
    }

    #[test]
    fn a_disk_that_is_full_loses_no_line_and_leaves_no_half_one() {
        let full = PathBuf::from("/dev/full");
        if !full.exists() {
            return;
        }
        let appender = Appender::file(sink(full, 0, 0));
        let error = appender.append(b"{}\n").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
    }
}
