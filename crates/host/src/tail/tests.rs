//! Tests on the real file system: one file per family of requirements.

mod bad;
mod bases;
mod copies;
mod gone;
mod holes;
mod identity;
mod idle;
mod links;
mod model;
mod moved;
mod own;
mod reload;
mod rotation;
mod unseen;

use super::*;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A directory, a tailer over it, and all that came out of it.
pub(super) struct Desk {
    pub(super) dir: tempfile::TempDir,
    pub(super) inputs: Vec<Input>,
    pub(super) limits: Limits,
    pub(super) now: Instant,
    pub(super) tailer: Option<Tailer>,
    /// What was read under each key, in order of the first byte.
    pub(super) keys: Vec<FileKey>,
    pub(super) read: HashMap<FileKey, Vec<u8>>,
    /// Everything in the order in which it came.
    pub(super) all: Vec<u8>,
    pub(super) ended: Vec<FileKey>,
    pub(super) rewritten: Vec<FileKey>,
    pub(super) next: HashMap<FileKey, u64>,
    pub(super) commit: bool,
    /// When the process ended, for the next start.
    pub(super) left_ns: Option<u64>,
}

impl Desk {
    /// A desk whose pattern is relative to its directory.
    pub(super) fn new(patterns: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = Self {
            dir,
            inputs: Vec::new(),
            limits: Limits::default(),
            now: Instant::now(),
            tailer: None,
            keys: Vec::new(),
            read: HashMap::new(),
            all: Vec::new(),
            ended: Vec::new(),
            rewritten: Vec::new(),
            next: HashMap::new(),
            commit: true,
            left_ns: None,
        };
        desk.inputs = vec![desk.input(patterns)];
        desk
    }

    pub(super) fn input(&self, patterns: &[&str]) -> Input {
        let whole: Vec<String> =
            patterns.iter().map(|p| format!("{}/{p}", self.dir.path().display())).collect();
        Input::globs("test", &whole.iter().map(String::as_str).collect::<Vec<_>>(), &[]).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        append(&path, text.as_ref());
    }

    pub(super) fn start_with(&mut self, resumes: Vec<Resume>) -> &mut Self {
        let (inputs, limits) = (self.inputs.clone(), self.limits.clone());
        let tailer = Tailer::new(inputs, limits, resumes, self.left_ns, self.now).unwrap();
        self.tailer = Some(tailer);
        self.run()
    }

    pub(super) fn start(&mut self) -> &mut Self {
        self.start_with(Vec::new())
    }

    pub(super) fn tail(&mut self) -> &mut Tailer {
        self.tailer.as_mut().unwrap()
    }

    /// Takes turns until nothing is ready.
    pub(super) fn run(&mut self) -> &mut Self {
        while self.turn() {}
        self
    }

    /// One turn; whether there was something.
    pub(super) fn turn(&mut self) -> bool {
        let Some(chunk) = self.tailer.as_mut().unwrap().turn(self.now) else { return false };
        let key = chunk.key;
        if !self.read.contains_key(&key) {
            self.keys.push(key);
            self.next.insert(key, chunk.start);
        }
        let expected = self.next[&key];
        assert!(
            chunk.start == expected || (chunk.flags.hole_skipped && chunk.start > expected),
            "{key:?} at {} and not {expected}",
            chunk.start
        );
        assert!(!self.ended.contains(&key), "{key:?} goes on after its end");
        let end = chunk.start + chunk.bytes.len() as u64;
        self.next.insert(key, end);
        self.read.entry(key).or_default().extend_from_slice(chunk.bytes);
        self.all.extend_from_slice(chunk.bytes);
        if chunk.flags.last {
            self.ended.push(key);
        }
        if chunk.flags.rewritten {
            self.rewritten.push(key);
        }
        if self.commit {
            self.tailer.as_mut().unwrap().commit(key, end);
        }
        true
    }

    /// Time goes by, in steps of a tick.
    pub(super) fn pass(&mut self, time: Duration) -> &mut Self {
        let until = self.now + time;
        while self.now < until {
            self.now += TICK;
            self.run();
        }
        self
    }

    /// The process ends and begins anew with its checkpoint.
    pub(super) fn restart(&mut self) -> &mut Self {
        let records = self.tail().records().collect::<Vec<_>>();
        self.restart_with(records)
    }

    pub(super) fn restart_with(&mut self, records: Vec<Resume>) -> &mut Self {
        self.tailer = None;
        // Keys of another process mean nothing here.
        self.keys.clear();
        self.read.clear();
        self.next.clear();
        self.ended.clear();
        self.rewritten.clear();
        self.start_with(records)
    }

    /// The process ends; gives its checkpoint.
    pub(super) fn leave(&mut self) -> Vec<Resume> {
        let records = self.tail().records().collect();
        self.tailer = None;
        self.left_ns = Some(self.later());
        records
    }

    /// Waits until files are made later than all that are there, and gives the time.
    pub(super) fn later(&self) -> u64 {
        let mut made = std::iter::repeat_with(|| {
            let file = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap();
            Identity::of(file.as_file().as_fd()).unwrap().0.birth_ns
        });
        let now = made.next().unwrap();
        made.find(|next| *next > now).unwrap()
    }

    /// All that came so far.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.all.clone()).unwrap()
    }

    /// What came since the last call.
    pub(super) fn take(&mut self) -> String {
        let text = self.text();
        self.all.clear();
        text
    }

    pub(super) fn stats(&self) -> Stats {
        self.tailer.as_ref().unwrap().stats()
    }

    pub(super) fn notices(&mut self) -> Vec<Notice> {
        let tailer = self.tail();
        std::iter::from_fn(|| tailer.take_notice()).collect()
    }
}

/// Takes these from what this thread may do.
pub(super) fn give_up(these: CapabilitySet) {
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(these);
    set_capabilities(None, sets).unwrap();
}

pub(super) fn append(path: &Path, text: &[u8]) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text).unwrap();
}

#[test]
fn what_is_written_is_read_once_and_what_comes_later_too() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "one\n");
    desk.write("b.txt", "no\n");
    desk.start();
    assert_eq!(desk.take(), "one\n");
    desk.write("a.log", "two\n");
    desk.write("new.log", "three\n");
    desk.run();
    let mut lines: Vec<String> = desk.take().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["three", "two"]);
    assert_eq!(desk.restart().take(), "");
    assert_eq!(desk.stats().possible_losses, 0);
}

#[test]
fn directories_that_come_later_are_entered_and_those_that_go_are_forgotten() {
    let mut desk = Desk::new(&["**/*.log"]);
    desk.start();
    desk.write("x/y/z/deep.log", "deep\n");
    assert_eq!(desk.run().take(), "deep\n");
    std::fs::rename(desk.path("x"), desk.path("w")).unwrap();
    desk.run();
    desk.write("w/y/z/deep.log", "moved\n");
    assert_eq!(desk.run().take(), "moved\n");
    std::fs::remove_dir_all(desk.path("w")).unwrap();
    desk.pass(Duration::from_secs(5));
    assert_eq!((desk.stats().files, desk.stats().directories), (0, 1));
    assert_eq!(desk.take(), "");
}

#[test]
fn a_base_that_comes_later_is_found() {
    let mut desk = Desk::new(&["later/*.log"]);
    desk.start();
    desk.write("later/a.log", "a\n");
    desk.pass(Duration::from_secs(6));
    assert_eq!(desk.take(), "a\n");
    // And found again when it was made anew.
    std::fs::remove_dir_all(desk.path("later")).unwrap();
    desk.write("later/a.log", "b\n");
    desk.pass(Duration::from_secs(6));
    assert_eq!(desk.take(), "b\n");
}

#[test]
fn a_chunk_is_aligned_for_vector_loads_and_no_longer_than_it_says() {
    let desk = Desk::new(&["*.log"]);
    desk.write("a.log", vec![b'x'; CHUNK_BYTES_MAX * 2 + 5]);
    let tailer = Tailer::new(desk.inputs.clone(), Limits::default(), Vec::new(), None, desk.now);
    let mut tailer = tailer.unwrap();
    let mut lengths = Vec::new();
    while let Some(chunk) = tailer.turn(desk.now) {
        assert_eq!(chunk.bytes.as_ptr().align_offset(64), 0);
        lengths.push((chunk.bytes.len(), chunk.flags.end_of_file));
    }
    let full = CHUNK_BYTES_MAX;
    assert_eq!(lengths, [(full, false), (full, false), (5, true)]);
}

#[test]
fn start_at_end_begins_after_the_last_whole_line_and_only_in_files_of_before() {
    let mut desk = Desk::new(&["*.log"]);
    desk.inputs[0].start_at = StartAt::End;
    desk.write("a.log", "old\nhal");
    desk.start();
    desk.write("a.log", "f\n");
    desk.write("new.log", "new\n");
    desk.run();
    assert_eq!(desk.read.values().map(Vec::len).sum::<usize>(), 9);
    assert!(desk.text().contains("half\n") && desk.text().contains("new\n"));
}

#[test]
fn a_wait_ends_with_an_event_a_waker_or_the_time() {
    let mut desk = Desk::new(&["*.log"]);
    desk.start();
    let now = desk.now;
    assert_eq!(desk.tail().wait(now, Duration::ZERO), Woken::Timeout);
    desk.tail().waker().wake();
    assert_eq!(desk.tail().wait(now, Duration::from_secs(600)), Woken::Waker);
    desk.write("a.log", "a\n");
    assert_eq!(desk.tail().wait(now, Duration::from_secs(600)), Woken::Events);
    assert_eq!(desk.run().take(), "a\n");
}

#[test]
fn reading_a_file_does_not_change_when_it_was_read_last() {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, stat, utimensat};
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "a\n");
    // Longer ago than the last write: a read would tell, also where the file system is lazy.
    let old = Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = Timestamps { last_access: old, last_modification: old };
    utimensat(CWD, desk.path("a.log"), &times, AtFlags::empty()).unwrap();
    desk.write("a.log", "b\n");
    assert_eq!(desk.start().take(), "a\nb\n");
    assert_eq!(stat(desk.path("a.log")).unwrap().st_atime, 1);
}

#[test]
fn a_file_of_somebody_else_is_read_all_the_same() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "a\n");
    let nobody = Some(65_534);
    if std::os::unix::fs::chown(desk.path("a.log"), nobody, nobody).is_err() {
        eprintln!("SKIP a_file_of_somebody_else_is_read: this user may not give files away");
        return;
    }
    // Of this thread alone: without it only the owner may leave no trace.
    give_up(CapabilitySet::FOWNER);
    assert_eq!(desk.start().take(), "a\n");
}

fn rest(desk: &mut Desk, time: Duration) -> Woken {
    let now = desk.now;
    desk.tail().rest(now, time)
}

#[test]
fn a_rest_is_not_ended_by_writes_and_ended_at_once_by_what_happens_to_a_name() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "a\n");
    desk.start();
    desk.write("a.log", "b\n");
    assert_eq!(rest(&mut desk, Duration::ZERO), Woken::Timeout);
    std::fs::rename(desk.path("a.log"), desk.path("a.log.1")).unwrap();
    assert_eq!(rest(&mut desk, Duration::from_secs(600)), Woken::Events);
    assert_eq!(desk.run().take(), "a\nb\n");
    desk.tail().waker().wake();
    assert_eq!(rest(&mut desk, Duration::from_secs(600)), Woken::Waker);
}

#[test]
fn a_directory_with_many_writes_is_looked_at_until_it_is_quiet_or_a_name_changes() {
    let mut desk = Desk::new(&["*.log"]);
    for name in ["a.log", "b.log"] {
        desk.write(name, "0\n");
    }
    desk.start().take();
    let long = Duration::from_millis(60);
    let burst = |desk: &mut Desk| {
        for round in 0..8 {
            desk.write(if round % 2 == 0 { "a.log" } else { "b.log" }, "1\n");
        }
        assert_eq!(desk.run().take().lines().count(), 8);
    };
    let muted = |desk: &mut Desk| desk.tail().muted.len();
    // Seven events are few, and a short rest changes nothing.
    desk.write("a.log", "1\n1\n");
    assert_eq!(desk.run().take(), "1\n1\n");
    rest(&mut desk, long);
    assert_eq!(muted(&mut desk), 0);
    burst(&mut desk);
    rest(&mut desk, Duration::from_millis(49));
    assert_eq!(muted(&mut desk), 0);
    burst(&mut desk);
    rest(&mut desk, long);
    assert_eq!(muted(&mut desk), 1);
    // No event tells of this one.
    desk.write("b.log", "2\n");
    assert_eq!(desk.run().take(), "2\n");
    // A rest in two pieces is one look: nothing could be read between them.
    rest(&mut desk, Duration::ZERO);
    rest(&mut desk, Duration::ZERO);
    assert_eq!((desk.run().take().as_str(), muted(&mut desk)), ("", 1));
    let now = desk.now;
    // Nothing came since then: writes are watched again, with a look after that.
    assert_eq!(desk.tail().wait(now, Duration::from_secs(600)), Woken::Timeout);
    assert_eq!((desk.run().take().as_str(), muted(&mut desk)), ("", 0));
    desk.write("b.log", "3\n");
    assert_eq!(desk.tail().wait(now, Duration::from_secs(600)), Woken::Events);
    assert_eq!(desk.run().take(), "3\n");
    // A name that changes ends it, too, and nothing is missed.
    burst(&mut desk);
    rest(&mut desk, long);
    assert_eq!(muted(&mut desk), 1);
    desk.write("a.log", "4\n");
    std::fs::rename(desk.path("a.log"), desk.path("a.log.1")).unwrap();
    desk.write("a.log", "5\n");
    assert_eq!(rest(&mut desk, Duration::from_secs(600)), Woken::Events);
    assert_eq!(desk.run().take(), "4\n5\n");
    let now = desk.now;
    rest(&mut desk, Duration::ZERO);
    assert_eq!(muted(&mut desk), 0);
    desk.write("b.log", "6\n");
    assert_eq!(desk.tail().wait(now, Duration::from_secs(600)), Woken::Events);
    assert_eq!(desk.run().take(), "6\n");
}

#[test]
fn names_are_settled_a_second_after_the_last_change_and_never_where_they_are_polled() {
    let mut desk = Desk::new(&["*.log"]);
    desk.limits.open_idle_max = 2;
    desk.write("a.log", "a\n");
    desk.start();
    let settled = |desk: &mut Desk| {
        let now = desk.now;
        desk.run().tail().is_settled(now)
    };
    assert!(settled(&mut desk));
    desk.write("a.log", "b\n");
    assert!(settled(&mut desk), "a write changes no name");
    desk.write("b.log", "b\n");
    assert!(!settled(&mut desk));
    desk.now += Duration::from_millis(999);
    assert!(!settled(&mut desk));
    desk.now += Duration::from_millis(1);
    assert!(settled(&mut desk));
    // One file more than are held open: it is closed, and could go unseen.
    desk.write("c.log", "c\n");
    desk.run();
    desk.now += Duration::from_secs(2);
    assert!(!settled(&mut desk));
    let mut desk = Desk::new(&["*.log"]);
    desk.limits.watches_max = 0;
    desk.start();
    assert!(!settled(&mut desk));
}

#[test]
fn r20_a_caller_that_takes_nothing_can_pause_and_still_knows_how_much_waits() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "a\n");
    desk.start();
    desk.write("a.log", "more\n");
    desk.now += TICK;
    let now = desk.now;
    desk.tail().tend(now);
    desk.write("a.log", "and more\n");
    desk.now += TICK;
    let now = desk.now;
    desk.tail().tend(now);
    assert_eq!(desk.stats().lag_bytes, 14);
    assert_eq!(desk.tail().pause(Duration::ZERO), Woken::Timeout);
    desk.tail().waker().wake();
    assert_eq!(desk.tail().pause(Duration::from_secs(600)), Woken::Waker);
    // Were it truncated now, this is what would be told.
    std::fs::File::create(desk.path("a.log")).unwrap();
    desk.run();
    assert_eq!(desk.stats().possible_loss_bytes, 14);
}

#[test]
fn r26_bytes_that_were_read_can_be_read_again_while_the_file_holds_them() {
    let mut desk = Desk::new(&["*.log"]);
    desk.limits.open_idle_max = 0;
    desk.write("a.log", "one\ntwo\n");
    desk.start();
    let (key, now, mut buffer) = (desk.keys[0], desk.now, [0; 16]);
    assert_eq!(desk.stats().open, 0);
    assert_eq!(desk.tail().read_again(key, 4, &mut buffer, now), 4);
    assert_eq!(&buffer[..4], b"two\n");
    assert_eq!(desk.tail().read_again(key, 9, &mut buffer, now), 0);
    std::fs::write(desk.path("a.log"), "ONE\nTWO\n").unwrap();
    assert_eq!(desk.tail().read_again(key, 4, &mut buffer, now), 0);
}

#[test]
fn r30_other_inputs_keep_offset_descriptor_and_key_of_files_that_are_still_meant() {
    let mut desk = Desk::new(&["*.log", "sub/*.txt"]);
    desk.write("a.log", "a1\n");
    desk.write("b.log", "b1\n");
    desk.write("sub/c.txt", "c1\n");
    desk.start().take();
    let key = |desk: &Desk, name: &str| {
        let path = desk.path(name);
        let tailer = desk.tailer.as_ref().unwrap();
        tailer.files().find(|file| file.path == path).map(|file| file.key)
    };
    let before = key(&desk, "a.log").unwrap();
    let opens = desk.stats().open;
    let inputs = vec![desk.input(&["none/*"]), desk.input(&["a.*", "d.log"])];
    let now = desk.now;
    desk.tail().reconfigure(inputs, now);
    desk.run();
    assert_eq!(key(&desk, "a.log"), Some(before));
    assert_eq!((opens, desk.stats().open, desk.stats().files), (3, 1, 1));
    assert_eq!(desk.ended.len(), 2);
    desk.write("a.log", "a2\n");
    desk.write("b.log", "b2\n");
    desk.write("sub/c.txt", "c2\n");
    desk.write("d.log", "d1\n");
    assert_eq!(desk.run().take(), "a2\nd1\n");
    assert_eq!(desk.tail().files().next().unwrap().input, 1);
    // What left the inputs comes back where it was, in this process and in the next.
    let inputs = vec![desk.input(&["sub/*.txt", "a.*"])];
    desk.tail().reconfigure(inputs, now);
    assert_eq!(desk.run().take(), "c2\n");
    let (records, inputs) =
        (desk.tail().records().collect::<Vec<_>>(), vec![desk.input(&["*.log"])]);
    desk.inputs = inputs;
    desk.restart_with(records);
    assert_eq!(desk.take(), "b2\n");
}
