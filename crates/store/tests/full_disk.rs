//! R18, R20: a full disk under the checkpoint, the spill and the dead letters.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use store::{
    Checkpoint, DeadLetter, DeadLetters, Entry, FileRecord, Outcome, Spill, State, StoreError,
};

/// A small file system of its own, which only root can have.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
            .arg(dir.path())
            .output();
        let reason = match mounted {
            Ok(output) if output.status.success() => return Some(Self(dir)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("SKIP {test}: no file system of its own: {reason}");
        None
    }

    fn fill(&self) {
        let _ = std::fs::write(self.0.path().join("ballast"), vec![0; 1 << 20]);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

fn file(number: u64, offset: u64) -> Entry {
    Entry::File(FileRecord {
        path: Path::new("/l/a.log").into(),
        device: 1,
        inode: number,
        birth_ns: 0,
        handle: 0,
        offset,
        head_len: 0,
        head: 0,
        marker_len: 0,
        marker: 0,
    })
}

fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Write { source, .. }
        if source.kind() == std::io::ErrorKind::StorageFull)
}

#[test]
fn r18_a_full_disk_leaves_the_checkpoint_of_before() {
    let Some(disk) = SmallDisk::mount("r18_a_full_disk") else { return };
    let path = disk.0.path().join("state");
    let state = State::open(&path).unwrap();
    let (mut checkpoint, _) = Checkpoint::load(&state).unwrap();
    let records = |offset| (0..500).map(move |number| file(number, offset));
    checkpoint.save(&state, 1, records(1)).unwrap();
    disk.fill();
    let error = checkpoint.save(&state, 1, records(2)).unwrap_err();
    assert!(is_full(&error), "{error:?}");
    assert!(model::Explain::hint(&error).is_some());
    drop(state);
    let state = State::open(&path).unwrap();
    let (mut checkpoint, loaded) = Checkpoint::load(&state).unwrap();
    assert_eq!(loaded.outcome, Outcome::Whole);
    assert!(loaded.entries == records(1).collect::<Vec<_>>());
    disk.free();
    // The kernel may say for a moment yet that there is no room.
    let mut saves = (0..100_000).map(|_| checkpoint.save(&state, 1, records(3)));
    assert!(saves.any(|saved| saved.inspect_err(|error| assert!(is_full(error))).is_ok()));
    let (_, loaded) = Checkpoint::load(&state).unwrap();
    assert!(loaded.entries == records(3).collect::<Vec<_>>());
}

#[test]
fn r20_a_full_disk_refuses_a_frame_and_keeps_those_before() {
    let Some(disk) = SmallDisk::mount("r20_a_full_disk_refuses_a_frame") else { return };
    let state = State::open(&disk.0.path().join("state")).unwrap();
    let mut spill = Spill::open(&state, 1 << 30).unwrap();
    let mut pushed = 0_u64;
    let error = loop {
        match spill.push(&state, (Path::new("/l/a"), 7), pushed, 0, &[7; 10_000]) {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
    };
    assert!(is_full(&error) && pushed > 3, "{error:?} after {pushed}");
    let mut last = None;
    for number in 0..pushed {
        let (frame, token) = spill.next(&state).unwrap().unwrap();
        assert_eq!((frame.start, frame.bytes.len()), (number, 10_000));
        last = Some(token);
    }
    assert!(spill.next(&state).unwrap().is_none());
    assert_eq!(spill.stats().damaged_bytes, 0);
    // The place of the acknowledgement needs room itself; what is done with goes all the same.
    let _ = spill.acknowledge(&state, last.unwrap());
    assert_eq!(spill.stats().bytes, 0);
    assert!(!state.path("spill-0000000000000001").exists());
}

#[test]
fn r19_what_a_full_disk_does_not_let_go_is_let_go_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("r19_what_a_full_disk_does_not") else { return };
    let path = disk.0.path().join("state");
    let push = |starts: std::ops::Range<u64>| {
        let state = State::open(&path).unwrap();
        let mut spill = Spill::open(&state, 1 << 30).unwrap();
        for start in starts {
            spill.push(&state, (Path::new("/l/a"), 7), start, 0, &[7; 1_000]).unwrap();
        }
        (state, spill)
    };
    drop(push(0..2));
    // Of two segments, the first one and half of the second one are delivered.
    let (state, mut spill) = push(2..4);
    let tokens: Vec<_> = (0..3).map(|_| spill.next(&state).unwrap().unwrap().1).collect();
    disk.fill();
    // A segment that goes makes room.
    let _ = spill.acknowledge(&state, tokens[1]);
    assert!(!state.path("spill-0000000000000001").exists());
    disk.fill();
    let error = spill.acknowledge(&state, tokens[2]).unwrap_err();
    assert!(is_full(&error), "{error:?}");
    assert!(is_full(&spill.note(&state).unwrap_err()));
    disk.free();
    // The kernel may say for a moment yet that there is no room.
    assert!((0..100_000).any(|_| spill.note(&state).is_ok()));
    assert!(spill.is_noted());
    drop((state, spill));
    let (state, mut spill) = push(0..0);
    let (frame, _) = spill.next(&state).unwrap().unwrap();
    assert_eq!((frame.start, spill.next(&state).unwrap()), (3, None));
    assert_eq!(spill.stats().damaged_bytes, 0);
}

#[test]
fn r20_a_full_disk_takes_a_dead_letter_whole_or_not_at_all() {
    let Some(disk) = SmallDisk::mount("r20_a_full_disk_takes_a_dead_letter") else { return };
    let state = State::open(&disk.0.path().join("state")).unwrap();
    let mut letters = DeadLetters::open(&state, 1 << 30, ["s"]).unwrap();
    let record = [b'x'; 3000];
    let letter = DeadLetter { time_ns: 0, sink: "s", reason: "r", record: &record };
    let error = loop {
        if let Err(error) = letters.write(&state, &letter) {
            break error;
        }
    };
    assert!(is_full(&error), "{error:?}");
    let text = std::fs::read_to_string(state.path("dead-letter.jsonl")).unwrap();
    assert_eq!(text.lines().count() as u64, letters.written);
    assert!(text.ends_with("}\n"));
    assert_eq!(letters.failed, 1);
}
