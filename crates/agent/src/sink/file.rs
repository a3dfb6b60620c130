//! Lines in a file or on standard output.
//!
//! What could not be written whole is taken back, so that the next try begins at a line's start;
//! standard output takes nothing back: half a line is ended there before the next one.
//! A file is on the disk before its lines count as delivered (unless told otherwise) and is begun
//! anew at a size, or when somebody renamed or removed it, which is looked for before each batch.
//! A pipe or a device is written to as it is, and waited for when it has no room.
//! Input: whole lines. Errors: those of the disk; the caller tries again.

use crate::config::FileSink;
use host::tail::RemoteFile;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Who may read the file: its owner and group. It holds what was logged.
const MODE: u32 = 0o640;
/// A write reaches to the next multiple of so many bytes of the file: whole pages, few calls, and
/// no larger piece of the page cache at once, which a full machine has to make room for first.
const PIECE_BYTES: usize = 256 * 1024;
/// A file takes room ahead for this part of its length,
const AHEAD_PART: u64 = 8;
/// for so many bytes at most,
const AHEAD_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// and none when it would be fewer than those
const AHEAD_BYTES_MIN: u64 = 1024 * 1024;
/// or more than this part of what is free.
const AHEAD_OF_FREE: u64 = 16;

/// Appends lines.
#[derive(Debug)]
pub(crate) struct Appender(RefCell<State>);

#[derive(Debug)]
enum State {
    Stdout,
    File {
        config: FileSink,
        remote: Arc<RemoteFile>,
        open: Option<Open>,
        /// The last rotation failed, which was told.
        stuck: bool,
        /// Its file system knows no fsync, which was told.
        unsynced: bool,
    },
}

impl Appender {
    /// To standard output.
    pub(crate) fn stdout() -> Self {
        Self(RefCell::new(State::Stdout))
    }

    /// To a file.
    pub(crate) fn file(config: FileSink) -> Self {
        let remote = RemoteFile::of(&config.path);
        let (open, stuck, unsynced) = (None, false, false);
        Self(RefCell::new(State::File { config, remote, open, stuck, unsynced }))
    }

    /// Appends whole lines, which come in pieces; gives how many bytes they are.
    pub(crate) fn append<'l>(&self, lines: impl Iterator<Item = &'l [u8]>) -> io::Result<u64> {
        match &mut *self.0.borrow_mut() {
            State::Stdout => {
                // Past its buffer, which does not say how much was written when that fails.
                let stdout = io::stdout().lock();
                let mut torn = TORN.lock().unwrap_or_else(PoisonError::into_inner);
                print(&stdout, lines, &mut torn)
            }
            State::File { config, remote, open, stuck, unsynced } => {
                let _turn = Turn::take(&config.path)?;
                let known = open.take().filter(|known| known.is_at(&config.path));
                let mut file = match known {
                    Some(known) => known,
                    None => {
                        remote.check(&config.path);
                        let file = Open::new(config)?;
                        remote.tell(&config.path, &file.file);
                        file
                    }
                };
                let before = file.length;
                let written = file.write(lines, config).and_then(|()| file.sync(config, unsynced));
                if let Err(error) = written {
                    let _ = file.file.set_len(before);
                    return Err(error);
                }
                let length = file.length;
                *open = Some(file);
                if config.rotate_bytes > 0 && length >= config.rotate_bytes {
                    // The lines are written whatever comes of this: a failure must not repeat them.
                    match rotate(config) {
                        Ok(()) => (*open, *stuck) = (None, false),
                        Err(error) if !std::mem::replace(stuck, true) => {
                            let path = config.path.display();
                            tracing::warn!(%path, %error, "a file cannot be rotated, it grows on");
                        }
                        Err(_) => {}
                    }
                }
                Ok(length - before)
            }
        }
    }
}

/// Standard output ends within a line, whichever sink wrote it.
static TORN: Mutex<bool> = Mutex::new(false);

/// Writes whole lines to where nothing can be taken back; gives how many bytes they are. When that
/// fails within a line (a full disk takes a part), the next try ends it first.
fn print<'l>(
    to: impl AsFd,
    lines: impl Iterator<Item = &'l [u8]>,
    torn: &mut bool,
) -> io::Result<u64> {
    let mut length = 0;
    let end = torn.then_some(b"\n".as_slice());
    for piece in end.into_iter().chain(lines) {
        let mut left = piece;
        let written = write_all(&to, &mut left);
        let taken = piece.strip_suffix(left).unwrap_or_default();
        *torn = taken.last().map_or(*torn, |last| *last != b'\n');
        written?;
        length += piece.len() as u64;
    }
    Ok(length)
}

/// Paths that are being written to.
static IN_USE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The right to write to a path. A sink that a reload removed may still have something for it while
/// another one begins, or hang in a write.
struct Turn<'p>(&'p Path);

impl<'p> Turn<'p> {
    fn take(path: &'p Path) -> io::Result<Self> {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        if in_use.iter().any(|one| one == path) {
            return Err(io::Error::other("a sink that was removed is still writing to it"));
        }
        in_use.push(path.to_owned());
        Ok(Self(path))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|one| one != self.0);
    }
}

/// A file that lines are appended to.
#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode.
    id: (u64, u64),
    length: u64,
    /// It is a regular file.
    is_file: bool,
    /// Up to where it has room on the disk; none when it gets none ahead.
    room: Option<u64>,
}

impl Open {
    fn new(config: &FileSink) -> io::Result<Self> {
        let (file, length) = begin(config)?;
        let meta = file.metadata()?;
        let is_file = meta.is_file();
        if is_file && length == 0 && config.fsync {
            // A new file must be found after a crash; not every folder can be read or synced.
            let folder = config.path.parent().map(File::open);
            let _ = folder.map(|folder| folder.and_then(|folder| folder.sync_all()));
        }
        let id = (meta.dev(), meta.ino());
        Ok(Self { file, id, length, is_file, room: is_file.then_some(length) })
    }

    /// Whether the path still leads to this file, and nobody cut or grew it.
    fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|now| {
            let is_same = (now.dev(), now.ino()) == self.id;
            is_same && (!now.is_file() || now.len() == self.length)
        })
    }

    fn write<'l>(
        &mut self,
        lines: impl Iterator<Item = &'l [u8]>,
        config: &FileSink,
    ) -> io::Result<()> {
        for mut lines in lines {
            self.reserve(self.length + lines.len() as u64, config.rotate_bytes);
            let mut most = PIECE_BYTES - (self.length % PIECE_BYTES as u64) as usize;
            while !lines.is_empty() {
                let (mut piece, rest) = lines.split_at_checked(most).unwrap_or((lines, &[]));
                let length = piece.len() as u64;
                write_all(&self.file, &mut piece)?;
                self.length += length;
                (lines, most) = (rest, PIECE_BYTES);
            }
        }
        Ok(())
    }

    /// Brings what was written to the disk. A pipe or a device has none, and not every file system
    /// knows how: then there is nothing to wait for.
    fn sync(&self, config: &FileSink, unsynced: &mut bool) -> io::Result<()> {
        if !config.fsync || !self.is_file {
            return Ok(());
        }
        match self.file.sync_data() {
            Err(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) =>
            {
                if !std::mem::replace(unsynced, true) {
                    let path = config.path.display();
                    tracing::warn!(%path, %error, "its file system knows no fsync");
                }
                Ok(())
            }
            done => done,
        }
    }

    /// Takes room on the disk ahead when the file grows to this length: blocks that are taken one
    /// by one cost a third of a write. What is not used is given back when the file is closed.
    fn reserve(&mut self, length: u64, rotate_bytes: u64) {
        let Some(room) = self.room.filter(|room| length > *room) else { return };
        let free = rustix::fs::fstatvfs(&self.file)
            .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let ahead = ahead(length, rotate_bytes, free.unwrap_or(0));
        if ahead > 0 {
            let (keep, wanted) = (FallocateFlags::KEEP_SIZE, length - room + ahead);
            let taken = rustix::fs::fallocate(&self.file, keep, room, wanted);
            // Not every disk knows of it; what is wrong with the disk the write itself will tell.
            self.room = taken.ok().map(|()| room + wanted);
        }
    }
}

/// Writes all of it; what is left when that fails stays. What does not block when it has no room (a
/// pipe, when anybody who has it wants it so) is waited for as if it did: what it took already must
/// not be written again.
fn write_all(to: impl AsFd, bytes: &mut &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => *bytes = bytes.get(taken..).unwrap_or_default(),
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// How much room a file of this length takes ahead on a disk with so many bytes free.
fn ahead(length: u64, rotate_bytes: u64, free: u64) -> u64 {
    let left = if rotate_bytes > 0 { rotate_bytes.saturating_sub(length) } else { u64::MAX };
    let ahead = (length / AHEAD_PART).min(AHEAD_BYTES_MAX).min(left);
    if ahead < AHEAD_BYTES_MIN || ahead > free / AHEAD_OF_FREE { 0 } else { ahead }
}

impl Drop for Open {
    /// Gives back the room that the file has ahead, also what one that was killed left, unless
    /// somebody made the file longer.
    fn drop(&mut self) {
        let Ok(known) = self.file.metadata() else { return };
        let has_room = known.blocks() * 512 >= self.length + AHEAD_BYTES_MIN;
        if known.is_file() && known.len() == self.length && has_room {
            let _ = self.file.set_len(self.length);
        }
    }
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
        FileSink {
            path,
            format: Format::Json(crate::config::Members::ALL),
            rotate_bytes,
            rotate_keep,
            fsync: true,
        }
    }

    #[test]
    fn a_file_is_begun_anew_at_its_size_and_old_ones_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let appender = Appender::file(sink(path.clone(), 10, 2));
        for number in 0..5 {
            appender.append([format!("line {number} of it\n").as_bytes()].into_iter()).unwrap();
        }
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names(), 2);
        assert_eq!(std::fs::read_to_string(numbered(&path, 1)).unwrap(), "line 4 of it\n");
        assert_eq!(std::fs::read_to_string(numbered(&path, 2)).unwrap(), "line 3 of it\n");
    }

    #[test]
    fn r30_two_that_write_to_one_file_take_turns_and_tear_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let line = |name: &str| format!("{}\n", name.repeat(100_000));
        let write = |name: &str| {
            let appender = Appender::file(sink(path.clone(), 0, 0));
            for _ in 0..50 {
                let text = line(name);
                while appender.append([text.as_bytes()].into_iter()).is_err() {
                    std::thread::yield_now();
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| write("a"));
            scope.spawn(|| write("b"));
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let count =
            |name: &str| text.split_inclusive('\n').filter(|one| *one == line(name)).count();
        assert_eq!((text.lines().count(), count("a"), count("b")), (100, 50, 50));
        // Who hangs in a write keeps the other one waiting, and no other file.
        let turn = Turn::take(&path).unwrap();
        let appender = Appender::file(sink(path.clone(), 0, 0));
        assert!(appender.append([b"x\n".as_slice()].into_iter()).is_err());
        let other = Appender::file(sink(dir.path().join("other"), 0, 0));
        other.append([b"x\n".as_slice()].into_iter()).unwrap();
        drop(turn);
        appender.append([b"x\n".as_slice()].into_iter()).unwrap();
    }

    #[test]
    fn a_file_that_somebody_renamed_removed_or_cut_is_begun_anew_and_holds_every_later_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        let appender = Appender::file(sink(path.clone(), 0, 0));
        let append = |line: &str| appender.append([line.as_bytes()].into_iter()).unwrap();
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        append("1\n");
        append("2\n");
        std::fs::rename(&path, numbered(&path, 1)).unwrap();
        append("3\n");
        assert_eq!((text(&numbered(&path, 1)), text(&path)), ("1\n2\n".into(), "3\n".into()));
        // As logrotate does it with `create`.
        std::fs::rename(&path, numbered(&path, 2)).unwrap();
        std::fs::write(&path, "").unwrap();
        append("4\n");
        append("5\n");
        assert_eq!((text(&numbered(&path, 2)), text(&path)), ("3\n".into(), "4\n5\n".into()));
        std::fs::remove_file(&path).unwrap();
        append("6\n");
        assert_eq!(text(&path), "6\n");
        // And with `copytruncate`: a write that fails is taken back to where the file ends now.
        OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        assert_eq!(append("7\n"), 2);
        let State::File { open: Some(open), .. } = &*appender.0.borrow() else { panic!() };
        assert_eq!((text(&path), open.length), ("7\n".into(), 2));
    }

    #[test]
    fn a_rotation_that_fails_repeats_no_line_and_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.jsonl");
        std::fs::create_dir(numbered(&path, 1)).unwrap();
        let appender = Appender::file(sink(path.clone(), 2, 1));
        let append = |line: &str| appender.append([line.as_bytes()].into_iter()).unwrap();
        append("1\n");
        append("2\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
        std::fs::remove_dir(numbered(&path, 1)).unwrap();
        append("3\n");
        append("4\n");
        assert_eq!(std::fs::read_to_string(numbered(&path, 1)).unwrap(), "4\n");
        assert!(!path.exists());
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
            appender.append([lines.as_bytes()].into_iter()).unwrap();
            wanted.push_str(&lines);
        }
        assert!(wanted.len() > 8 * PIECE_BYTES);
        assert!(std::fs::read_to_string(&path).unwrap() == wanted);
    }

    #[test]
    fn room_is_taken_ahead_of_a_file_that_grows_and_given_back_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let line = [b'x'; 64 * 1024];
        let size = |path: &Path| {
            let known = std::fs::metadata(path).unwrap();
            (known.len(), known.blocks() * 512)
        };
        let taken = |blocks: u64, length: u64| blocks.saturating_sub(length);
        let appender = Appender::file(sink(path.clone(), 0, 0));
        // Other file systems have no room ahead; then there is nothing to give back.
        let other = File::create(dir.path().join("other")).unwrap();
        let knows = rustix::fs::fallocate(&other, FallocateFlags::KEEP_SIZE, 0, 4096).is_ok();
        let mut appended = 0;
        loop {
            assert_eq!(appender.append([line.as_slice()].into_iter()).unwrap(), 64 * 1024);
            appended += 64 * 1024;
            let (length, blocks) = size(&path);
            let taken = taken(blocks, length);
            assert!(taken <= length / AHEAD_PART + 2 * PIECE_BYTES as u64);
            if length > 16 << 20 && (taken > AHEAD_BYTES_MIN || !knows) {
                break;
            }
            assert!(length < 64 << 20, "no room was taken");
        }
        // One that is killed gives nothing back, the next one does, also when it takes none.
        std::mem::forget(appender);
        let (length, blocks) = size(&path);
        assert!(!knows || taken(blocks, length) > AHEAD_BYTES_MIN);
        let next = Appender::file(sink(path.clone(), length + 1_000, 1));
        next.append([b"y".as_slice()].into_iter()).unwrap();
        drop(next);
        let (length, blocks) = size(&path);
        assert_eq!(length, appended + 2, "half a line was ended");
        assert!(taken(blocks, length) < AHEAD_BYTES_MIN);
        // And one that ends in good order gives it back itself.
        let appender = Appender::file(sink(path.clone(), 0, 0));
        appender.append([line.as_slice()].into_iter()).unwrap();
        assert!(!knows || taken(size(&path).1, length) > AHEAD_BYTES_MIN);
        drop(appender);
        let (length, blocks) = size(&path);
        assert!(taken(blocks, length) < AHEAD_BYTES_MIN);
    }

    #[test]
    fn a_small_file_and_a_full_disk_and_the_end_of_a_file_get_no_room_ahead() {
        const MIB: u64 = 1024 * 1024;
        for (length, rotate, free, wanted) in [
            (8 * MIB, 0, 1 << 40, MIB),
            (8 * MIB - 1, 0, 1 << 40, 0),
            (10_000 * MIB, 0, 1 << 40, 64 * MIB),
            (10_000 * MIB, 0, 1_024 * MIB, 64 * MIB),
            (10_000 * MIB, 0, 1_023 * MIB, 0),
            (10_000 * MIB, 0, 0, 0),
            (100 * MIB, 104 * MIB, 1 << 40, 4 * MIB),
            (100 * MIB, 100 * MIB, 1 << 40, 0),
            (100 * MIB, 50 * MIB, 1 << 40, 0),
        ] {
            assert_eq!(ahead(length, rotate, free), wanted, "{length} {rotate} {free}");
        }
    }

    #[test]
    fn nothing_that_somebody_else_wrote_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let appender = Appender::file(sink(path.clone(), 0, 0));
        let line = vec![b'x'; 16 * 1024 * 1024];
        appender.append([line.as_slice(), b"\n"].into_iter()).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"other\n").unwrap();
        drop(appender);
        assert!(std::fs::read(&path).unwrap().ends_with(b"x\nother\n"));
    }

    #[test]
    fn half_a_line_of_before_is_ended_and_not_glued_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        std::fs::write(&path, "{\"half\":").unwrap();
        Appender::file(sink(path.clone(), 0, 0)).append([b"{}\n".as_slice()].into_iter()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"half\":\n{}\n");
    }

    #[test]
    fn r20_what_cannot_be_brought_to_a_disk_takes_its_lines_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        // The last one is a regular file that knows no fsync, as some of FUSE are.
        for path in [Path::new("/dev/null"), &pipe, Path::new("/proc/thread-self/comm")] {
            let appender = Appender::file(sink(path.to_owned(), 0, 0));
            for _ in 0..2 {
                assert_eq!(appender.append([b"{}\n".as_slice()].into_iter()).unwrap(), 3);
            }
        }
    }

    #[test]
    fn r20_what_follows_half_a_line_on_standard_output_is_not_glued_to_it() {
        use std::io::Read;
        use std::os::unix::net::UnixStream;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let line = format!("{}\n", "x".repeat(4 << 20));
        let mut torn = false;
        // It takes a part, and then no more, as a full disk.
        let (writer, mut reader) = UnixStream::pair().unwrap();
        let written = std::thread::scope(|scope| {
            scope.spawn(|| {
                reader.read_exact(&mut [0; 10]).unwrap();
                drop(reader);
            });
            print(&writer, [b"1\n".as_slice(), line.as_bytes()].into_iter(), &mut torn)
        });
        assert!(written.is_err() && torn);
        // It is still full.
        let full = File::options().write(true).open("/dev/full").unwrap();
        print(&full, [b"1\n".as_slice()].into_iter(), &mut torn).unwrap_err();
        let file = File::create(&path).unwrap();
        for number in ["1\n", "2\n"] {
            print(&file, [number.as_bytes()].into_iter(), &mut torn).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\n1\n2\n");
        // What was refused as a whole left no half line.
        print(&full, [b"3\n".as_slice()].into_iter(), &mut torn).unwrap_err();
        assert!(!torn);
    }

    #[test]
    fn a_disk_that_is_full_loses_no_line_and_leaves_no_half_one() {
        let full = PathBuf::from("/dev/full");
        if !full.exists() {
            return;
        }
        let appender = Appender::file(sink(full, 0, 0));
        let error = appender.append([b"{}\n".as_slice()].into_iter()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
    }
}
