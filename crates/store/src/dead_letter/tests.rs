//! What dead letters look like, and which of them are kept.

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
         \"record\":\"tab\\u0009here \\u001b[31m\""
    );
    assert!(line(&letter(b"\xff")).ends_with(",\"record_base64\":\"/w==\""));
    assert!(line(&letter(b"\xff\xfe\xfd\xfc")).ends_with(",\"record_base64\":\"//79/A==\""));
    assert!(line(&letter(b"\xff\xfe")).ends_with("//4=\""));
    let long = vec![b'x'; RECORD_BYTES_MAX + 1];
    let text = line(&letter(&long));
    assert!(text.contains(",\"original_bytes\":1048577,"));
    assert!(text.len() < RECORD_BYTES_MAX + 200);
}

/// A state folder with room for `room` letters in each of the two files.
struct Desk {
    dir: tempfile::TempDir,
    state: State,
    bytes_max: u64,
}

impl Desk {
    fn new(room: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(dir.path()).unwrap();
        let desk = Self { dir, state, bytes_max: 1 << 20 };
        let mut letters = desk.open();
        letters.write(&desk.state, &from("b")).unwrap();
        // While two sinks are in a run a line names both.
        let bytes_max = 2 * room * (letters.bytes() + 6);
        std::fs::remove_file(desk.dir.path().join(NAME)).unwrap();
        Self { bytes_max, ..desk }
    }

    fn open(&self) -> DeadLetters {
        DeadLetters::open(&self.state, self.bytes_max, ["a", "b"]).unwrap()
    }

    /// How many letters of a sink are in each file, the older one first.
    fn count(&self, sink: &str) -> [usize; 2] {
        let of_sink = format!("\"sink\":\"{sink}\"");
        [ROTATED, NAME].map(|name| {
            let text = std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
            text.lines().filter(|line| line.contains(&of_sink)).count()
        })
    }

    /// Writes for `b`, which takes something in between, until nothing more goes or many went.
    fn fill(&self, letters: &mut DeadLetters) -> Result<(), StoreError> {
        (0..100).try_for_each(|_| {
            letters.taken("b");
            letters.write(&self.state, &from("b"))
        })
    }
}

fn from(sink: &str) -> DeadLetter<'_> {
    DeadLetter { sink, ..letter(b"record") }
}

fn is_kept_for(sink: &str, refused: &Result<(), StoreError>) -> bool {
    matches!(refused, Err(StoreError::Kept { sink: kept_for, .. }) if kept_for == sink)
}

#[test]
fn r20_letters_of_a_run_of_refusals_go_for_no_letter_of_any_sink() {
    let desk = Desk::new(3);
    let mut letters = desk.open();
    // Older ones may go.
    for _ in 0..4 {
        letters.write(&desk.state, &from("a")).unwrap();
    }
    letters.taken("a");
    letters.write(&desk.state, &from("a")).unwrap();
    let refused = desk.fill(&mut letters);
    assert!(is_kept_for("a", &refused), "{refused:?}");
    assert_eq!((desk.count("a"), desk.count("b")), ([2, 0], [1, 3]));
    // Nor for one of its own.
    let refused = letters.write(&desk.state, &from("a"));
    assert!(is_kept_for("a", &refused), "{refused:?}");
    assert_eq!((letters.written, letters.expired, letters.failed), (9, 3, 2));
    letters.taken("a");
    assert!(desk.fill(&mut letters).is_ok());
    assert_eq!(desk.count("a"), [0, 0]);
}

#[test]
fn r20_a_run_of_refusals_goes_on_over_restarts_whenever_they_come() {
    let desk = Desk::new(3);
    for restarts in 0..8 {
        let mut letters = desk.open();
        let written = letters.write(&desk.state, &from(if restarts < 2 { "a" } else { "b" }));
        assert!(written.is_ok() || is_kept_for("a", &written), "{written:?}");
        letters.taken("b");
        assert_eq!(desk.count("a").iter().sum::<usize>(), 2.min(restarts + 1));
    }
    // Also when it was killed between the two steps of a rotation, or within a line.
    let path = |name: &str| desk.dir.path().join(name);
    std::fs::rename(path(NAME), path("away")).unwrap();
    for rest in ["", "{\"time_unix"] {
        std::fs::write(path(NAME), rest).unwrap();
        let refused = desk.fill(&mut desk.open());
        assert!(is_kept_for("a", &refused), "{refused:?}");
    }
    let mut letters = desk.open();
    letters.taken("a");
    assert!(desk.fill(&mut letters).is_ok());
}

#[test]
fn r20_half_a_letter_that_a_crash_left_is_cut_off_however_long_it_is() {
    let desk = Desk::new(3);
    let path = desk.dir.path().join(NAME);
    for half in [1, TAIL_BYTES - 1, TAIL_BYTES, 3 * TAIL_BYTES] {
        desk.open().write(&desk.state, &from("a")).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        let half = "x".repeat(usize::try_from(half).unwrap());
        std::fs::write(&path, whole.clone() + &half).unwrap();
        let mut letters = desk.open();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        assert_eq!(letters.bytes(), whole.len() as u64);
        assert!(is_kept_for("a", &desk.fill(&mut letters)), "its run goes on");
        std::fs::remove_file(&path).unwrap();
        let _ = std::fs::remove_file(desk.dir.path().join(ROTATED));
        // Without any whole line nothing is left.
        std::fs::write(&path, &half).unwrap();
        assert_eq!(desk.open().bytes(), 0);
    }
}

#[test]
fn r20_letters_go_on_in_a_file_of_their_own_name_when_somebody_took_theirs_away() {
    let desk = Desk::new(3);
    let (path, away) = (desk.dir.path().join(NAME), desk.dir.path().join("away"));
    let mut letters = desk.open();
    for take_away in
        [&|| std::fs::remove_file(&path).unwrap() as (), &|| std::fs::rename(&path, &away).unwrap()]
            as [&dyn Fn(); 2]
    {
        letters.write(&desk.state, &from("a")).unwrap();
        letters.write(&desk.state, &from("b")).unwrap();
        take_away();
        letters.write(&desk.state, &from("b")).unwrap();
        assert_eq!((desk.count("a"), desk.count("b")), ([0, 0], [0, 1]));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(letters.bytes(), text.len() as u64);
        // Those of the run of `a` are in somebody's hands.
        assert!(!text.contains("\"a\":"), "{text}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn r20_letters_that_somebody_moved_away_or_of_sinks_that_are_gone_hold_nobody_up() {
    let desk = Desk::new(3);
    let mut letters = desk.open();
    letters.write(&desk.state, &from("a")).unwrap();
    assert!(is_kept_for("a", &desk.fill(&mut letters)));
    std::fs::remove_file(desk.dir.path().join(ROTATED)).unwrap();
    assert!(desk.fill(&mut letters).is_ok());
    letters.write(&desk.state, &from("a")).unwrap();
    assert!(is_kept_for("a", &desk.fill(&mut letters)));
    letters.serve(["b"]);
    letters.write(&desk.state, &from("a")).unwrap();
    assert!(desk.fill(&mut letters).is_ok());
    // Nor does one that a record only speaks of.
    let record = br#"r","runs":{"a":3}}"#;
    letters.write(&desk.state, &letter(record)).unwrap();
    assert!(desk.fill(&mut desk.open()).is_ok());
}

#[test]
fn r20_letters_that_are_rotated_away_are_counted_whichever_process_wrote_them() {
    let desk = Desk::new(3);
    let write = |letters: &mut DeadLetters| {
        letters.taken("a");
        letters.write(&desk.state, &from("a")).unwrap();
        letters.taken("a");
    };
    let mut expired = 0;
    for written in 1..=20 {
        let mut letters = desk.open();
        write(&mut letters);
        expired += letters.expired;
        assert_eq!(expired, written - desk.count("a").iter().sum::<usize>() as u64);
    }
    assert!(expired > 10);
    // What somebody took away is not gone.
    std::fs::remove_file(desk.dir.path().join(ROTATED)).unwrap();
    let mut letters = desk.open();
    (0..3).for_each(|_| write(&mut letters));
    assert_eq!((letters.expired, desk.count("a")), (0, [3, 2]));
}

#[test]
fn r20_dead_letters_are_rotated_once_and_never_pass_their_bound() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::open(dir.path()).unwrap();
    let size = (line(&letter(b"record")) + RUNS + "}}\n").len() as u64;
    let mut letters = DeadLetters::open(&state, size * 6, []).unwrap();
    let sizes = || {
        let len = |name| std::fs::metadata(dir.path().join(name)).map_or(0, |m| m.len());
        (len(NAME), len(ROTATED))
    };
    for _ in 0..3 {
        letters.write(&state, &letter(b"record")).unwrap();
    }
    assert_eq!(sizes(), (size * 3, 0));
    letters.write(&state, &letter(b"record")).unwrap();
    assert_eq!(sizes(), (size, size * 3));
    for _ in 0..3 {
        letters.write(&state, &letter(b"record")).unwrap();
    }
    assert_eq!(sizes(), (size, size * 3));
    assert_eq!((letters.written, letters.expired), (7, 3));
    let big = vec![b'x'; usize::try_from(size * 3).unwrap()];
    let refused = letters.write(&state, &letter(&big));
    assert!(matches!(refused, Err(StoreError::Full { .. })));
    assert_eq!(letters.failed, 1);
    // The next process goes on where this one stopped.
    drop(letters);
    assert_eq!(DeadLetters::open(&state, size * 6, []).unwrap().bytes(), size);
}
