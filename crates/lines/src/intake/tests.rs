//! Input bytes → exact records, however the bytes are cut into chunks.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::plan::{LINE_BYTES_MIN, Settings};
use crate::record::{BLOCK_BYTES, BLOCK_RECORDS, Record, Value};
use crate::{Multiline, hold};

const SECOND: u64 = 1_000_000_000;

fn plan(settings: Settings) -> Plan {
    Plan::new(settings).unwrap()
}

fn cri() -> Settings {
    Settings { framing: Framing::Cri, ..Settings::default() }
}

/// An intake with its states, fed by hand.
struct Rig {
    plan: Plan,
    intake: Intake,
    file: File,
    streams: Streams,
    out: Records,
    source: u32,
    offset: u64,
    now: u64,
    caught_up: Option<u64>,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        Self {
            plan: plan(settings),
            intake: Intake::new(),
            file: File::default(),
            streams: Streams::default(),
            out: Records::new(),
            source: 1,
            offset: 0,
            now: SECOND,
            caught_up: None,
        }
    }

    fn feed_with(&mut self, bytes: &[u8], last: bool, after_hole: bool) {
        let chunk = Chunk {
            source: self.source,
            bytes,
            offset: self.offset,
            now: self.now,
            last,
            after_hole,
            caught_up: self.caught_up,
        };
        let Self { plan, intake, file, streams, out, .. } = self;
        let taken = intake.feed(plan, file, streams, &chunk, out);
        assert_eq!(taken, bytes.len(), "the block is full");
        self.offset += taken as u64;
    }

    fn feed(&mut self, text: &str) -> &mut Self {
        self.feed_with(text.as_bytes(), false, false);
        self
    }

    fn last(&mut self) -> &mut Self {
        self.feed_with(b"", true, false);
        self
    }

    fn rotate(&mut self) -> &mut Self {
        self.last();
        self.file = File::default();
        self.source += 1;
        self.offset = 0;
        self
    }

    fn tick(&mut self, now: u64) -> &mut Self {
        self.now = now;
        let file = Some((&mut self.file, self.source));
        self.intake.tick(&self.plan, file, &mut self.streams, now, &mut self.out);
        self
    }

    fn close(&mut self) -> &mut Self {
        self.intake.close(&self.plan, &mut self.streams, self.now, &mut self.out);
        self
    }

    /// What each record says, wherever in the block its texts are.
    fn told(&self) -> Vec<(Record, Vec<String>)> {
        let one = |record: &Record| {
            let fields = self.out.fields(record).iter();
            let mut texts: Vec<_> = [record.body, record.line, record.severity_text]
                .map(|span| self.out.text(span).to_owned())
                .into();
            texts.extend(fields.map(|field| match field.value {
                Value::Str(value) | Value::Number(value) | Value::Json(value) => {
                    format!("{}: {}", self.out.text(field.key), self.out.text(value))
                }
                other => format!("{}: {other:?}", self.out.text(field.key)),
            }));
            let nowhere = Span::default();
            let (body, line, severity_text, fields) = (nowhere, nowhere, nowhere, nowhere);
            (Record { body, line, severity_text, fields, ..*record }, texts)
        };
        self.out.records().iter().map(one).collect()
    }

    fn bodies(&self) -> Vec<&str> {
        self.out.records().iter().map(|record| self.out.body(record)).collect()
    }

    fn flags(&self, at: usize) -> Flags {
        self.out.records()[at].flags
    }

    fn hold(&self) -> u64 {
        hold(&self.file, &self.streams, self.source)
    }
}

#[test]
fn r15_input_bytes_become_exactly_these_texts() {
    let cases: [(&str, &[u8], &[&str]); 17] = [
        ("utf-8", b"", &[]),
        ("utf-8", b"a\nb\n", &["a", "b"]),
        ("utf-8", b"a\r\nb\r\r\n", &["a", "b\r"]),
        ("utf-8", b"\n\na\n", &["", "", "a"]),
        ("utf-8", b"a\0b\n\0\n", &["a\0b", "\0"]),
        ("utf-8", b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", &["a", "\u{feff}b"]),
        ("utf-8", b"a\xff\xfeb\n\xc3\n", &["a\u{fffd}\u{fffd}b", "\u{fffd}"]),
        ("utf-8", "é€😀\n".as_bytes(), &["é€😀"]),
        ("utf-8", b"a\nlast", &["a", "last"]),
        ("utf-16le", b"\xff\xfea\0\r\0\n\0\x0a\x0a\n\0", &["a", "\u{a0a}"]),
        ("utf-16le", b"\x00\x0a\x0a\x00b\0", &["\u{a00}", "b"]),
        ("utf-16be", b"\xfe\xff\0a\0\r\0\n\x0a\x0a\0\n", &["a", "\u{a0a}"]),
        ("utf-16be", b"\x0a\x00\0\n\0b", &["\u{a00}", "b"]),
        ("utf-16be", b"\0\n\0\n", &["", ""]),
        ("gbk", b"\xc4\xe3\xba\xc3\r\n\xc4\xe3\n", &["你好", "你"]),
        ("shift_jis", b"\x83\x8d\x83\x4f\n\x83\n", &["ログ", "\u{fffd}"]),
        ("latin1", b"caf\xe9\n", &["café"]),
    ];
    for (label, bytes, wanted) in cases {
        for size in [1, 2, 3, 1_000] {
            let mut rig =
                Rig::new(Settings { encoding: Some(label.to_owned()), ..Settings::default() });
            for piece in bytes.chunks(size) {
                rig.feed_with(piece, false, false);
            }
            rig.last();
            assert_eq!(rig.bodies(), wanted, "{label} by {size}: {bytes:?}");
            assert_eq!(rig.file.settled(), bytes.len() as u64);
        }
    }
}

#[test]
fn r12_a_line_without_its_newline_waits_and_holds_its_start() {
    let mut rig = Rig::new(Settings::default());
    rig.feed("one\ntwo");
    assert_eq!(rig.bodies(), ["one"]);
    assert_eq!((rig.hold(), rig.file.hold()), (4, Some(4)));
    rig.tick(1_000 * SECOND);
    assert_eq!(rig.bodies(), ["one"]);
    rig.feed("+\n");
    assert_eq!(rig.bodies(), ["one", "two+"]);
    let record = rig.out.records()[1];
    assert_eq!((record.start, record.end, record.source), (4, 9, 1));
    assert_eq!((rig.hold(), rig.file.hold()), (9, None));
    assert_eq!(record.flags, Flags::default());
}

#[test]
fn r12_a_flush_timeout_marks_both_parts_partial() {
    let mut rig = Rig::new(Settings { partial_after: Some(5 * SECOND), ..Settings::default() });
    rig.feed("pass").tick(6 * SECOND - 1);
    assert!(rig.bodies().is_empty());
    rig.tick(6 * SECOND).feed("word: x\nnext\nhalf").tick(20 * SECOND).feed("\nend\n");
    assert_eq!(rig.bodies(), ["pass", "word: x", "next", "half", "end"]);
    let partial = (0..5).map(|at| rig.flags(at).has(Flags::PARTIAL)).collect::<Vec<_>>();
    assert_eq!(partial, [true, true, false, true, false]);
    assert_eq!(rig.intake.counters().partial, 3);
}

#[test]
fn r12_a_rotation_ends_the_last_line_and_a_jump_too() {
    let mut rig = Rig::new(Settings::default());
    rig.feed("a\nb").rotate().feed("c\nd");
    rig.offset = 0;
    rig.feed("e\n");
    assert_eq!(rig.bodies(), ["a", "b", "c", "d", "e"]);
    assert!(rig.flags(1).has(Flags::PARTIAL) && rig.flags(3).has(Flags::PARTIAL));
    let ends = rig.out.records().iter().map(|record| (record.source, record.end));
    assert_eq!(ends.collect::<Vec<_>>(), [(1, 2), (1, 3), (2, 2), (2, 3), (2, 2)]);
}

#[test]
fn r5_nuls_after_a_hole_are_no_line() {
    let mut rig = Rig::new(Settings::default());
    rig.feed("a\n");
    rig.offset = 4096;
    rig.feed_with(b"\0\0", false, true);
    rig.feed("\0b\0\nc\n");
    assert_eq!(rig.bodies(), ["a", "b\0", "c"]);
    assert_eq!(rig.out.records()[1].start, 4099);
    assert_eq!(rig.intake.counters().hole_bytes, 3);
}

#[test]
fn r14_a_line_beyond_the_limit_takes_constant_memory_and_the_next_is_whole() {
    let limit = LINE_BYTES_MIN as usize;
    for (length, size) in [(limit, 7), (limit + 1, 7), (10_000, 64), (limit, 99_999), (200, 99_999)]
    {
        let settings = Settings { line_bytes_max: Some(LINE_BYTES_MIN), ..Settings::default() };
        let mut rig = Rig::new(settings);
        let text = format!("{}\nnext\n", "é".repeat(length / 2) + &"x".repeat(length % 2));
        for piece in text.as_bytes().chunks(size) {
            rig.feed_with(piece, false, false);
            assert!(rig.file.memory() <= 2 * limit);
        }
        let record = rig.out.records()[0];
        assert_eq!(rig.bodies()[1], "next");
        assert_eq!(record.original_len, length as u64);
        assert_eq!(rig.bodies()[0].len(), length.min(limit));
        assert_eq!(record.flags.has(Flags::TRUNCATED), length > limit);
        assert_eq!(record.end, length as u64 + 1);
        let lost = length.saturating_sub(limit) as u64;
        assert_eq!(rig.intake.counters().truncated_bytes, lost);
    }
}

#[test]
fn r13_entries_of_both_streams_are_joined_on_their_own() {
    let mut rig = Rig::new(cri());
    rig.feed("1970-01-01T00:00:01Z stdout P a\n1970-01-01T00:00:02Z stderr P x\n")
        .feed("1970-01-01T00:00:03Z stdout P b\n1970-01-01T00:00:04Z stderr F y\n");
    assert_eq!((rig.bodies(), rig.hold()), (vec!["xy"], 0));
    rig.feed("1970-01-01T00:00:05Z stdout F c\n1970-01-01T00:00:06Z stdout F d\n");
    assert_eq!(rig.bodies(), ["xy", "abc", "d"]);
    let seen = rig.out.records().iter();
    let seen =
        seen.map(|one| (one.time / SECOND, one.flags.has(Flags::STDERR), one.start, one.end));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [(2, true, 32, 128), (1, false, 0, 160), (6, false, 160, 192)]
    );
    assert_eq!(rig.hold(), 192);
    assert!(rig.streams.is_idle());
}

#[test]
fn r13_a_partial_joins_across_rotation() {
    let mut rig = Rig::new(cri());
    rig.feed("1970-01-01T00:00:01Z stdout F a\n1970-01-01T00:00:02Z stdout P b\n");
    let held = rig.streams.hold(1);
    assert_eq!(held, Some(32));
    rig.rotate().feed("1970-01-01T00:00:03Z stderr F e\n");
    assert_eq!((rig.streams.hold(1), rig.streams.hold(2)), (held, None));
    rig.feed("1970-01-01T00:00:04Z stdout F c\n");
    let record = rig.out.records()[2];
    assert_eq!(rig.bodies(), ["a", "e", "bc"]);
    assert!(record.flags.has(Flags::JOINED));
    assert_eq!((record.source, record.start, record.end), (2, 32, 64));
    let joins = rig.out.joins(&record).collect::<Vec<_>>();
    assert_eq!((joins.len(), joins[0].source, joins[0].start), (1, 1, 32));
    assert_eq!(rig.streams.hold(1), None);
}

#[test]
fn r13_a_character_cut_between_entries_is_whole_again() {
    let mut rig = Rig::new(cri());
    rig.feed_with(b"1970-01-01T00:00:01Z stdout P a\xe2\x82\n", false, false);
    rig.feed_with(b"1970-01-01T00:00:01Z stdout F \xac\r\n", false, false);
    assert_eq!(rig.bodies(), ["a€"]);
    assert_eq!(rig.flags(0), Flags::default());
}

#[test]
fn r13_a_malformed_header_is_kept_and_counted() {
    let mut rig = Rig::new(cri());
    rig.feed("not cri\n\n1970-01-01T00:00:01Z stdout F ok\n1970-01-01T00:00:01Z stdout Q x\n")
        .last();
    assert_eq!(rig.bodies(), ["not cri", "", "ok", "1970-01-01T00:00:01Z stdout Q x"]);
    assert!(rig.flags(0).has(Flags::MALFORMED) && !rig.flags(2).has(Flags::MALFORMED));
    assert_eq!(rig.intake.counters().malformed, 3);
}

#[test]
fn r13_a_chain_that_never_ends_is_emitted_and_bounded() {
    let mut rig = Rig::new(Settings { line_bytes_max: Some(LINE_BYTES_MIN), ..cri() });
    for _ in 0..100 {
        rig.feed("1970-01-01T00:00:01Z stderr P 0123456789\n");
    }
    assert!(rig.streams.memory() < 1_024);
    rig.tick(SECOND + CHAIN_PAUSE - 1);
    assert!(rig.out.is_empty());
    rig.tick(SECOND + CHAIN_PAUSE);
    let flags = Flags::PARTIAL | Flags::TRUNCATED | Flags::STDERR;
    assert_eq!(rig.flags(0), flags);
    assert_eq!(rig.out.records()[0].original_len, 1_000);
    assert_eq!(rig.bodies()[0].len(), LINE_BYTES_MIN as usize);
    rig.feed("1970-01-01T00:00:01Z stderr P z\n").close();
    assert_eq!(rig.bodies()[1], "z");
}

#[test]
fn r13_a_chain_over_too_many_files_is_emitted() {
    let mut rig = Rig::new(cri());
    for _ in 0..crate::FILES_OF_A_RECORD_MAX {
        assert!(rig.out.is_empty());
        rig.feed("1970-01-01T00:00:01Z stdout P a\n").rotate();
    }
    assert_eq!(rig.bodies(), ["a".repeat(crate::FILES_OF_A_RECORD_MAX)]);
    assert!(rig.streams.is_idle());
}

#[test]
fn r13_docker_pieces_of_16_kib_are_joined_across_rotation() {
    let mut rig = Rig::new(Settings { framing: Framing::Docker, ..Settings::default() });
    let long = "x".repeat(16 * 1024);
    rig.feed(&format!(
        "{{\"log\":\"{long}\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:01Z\"}}\n"
    ))
    .feed("{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:02Z\"}\n")
    .rotate()
    .feed(
        "{\"log\":\"\\u00e9\\n\",\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:03Z\"}\nbad\n",
    );
    assert_eq!(rig.bodies(), ["out", format!("{long}é").as_str(), "bad"]);
    assert!(rig.flags(1).has(Flags::STDERR | Flags::JOINED));
    assert_eq!(rig.out.records()[1].time, SECOND);
    assert!(rig.flags(2).has(Flags::MALFORMED));
}

fn traces(names: &[&str]) -> Settings {
    let multiline = Multiline::presets(names.iter().copied()).unwrap();
    Settings { multiline: Some(multiline), ..Settings::default() }
}

#[test]
fn r16_traces_of_each_language_are_one_record() {
    let java = "10:00 ERROR failed\njava.lang.IllegalStateException: bad\n\tat a.B.c(B.java:1)\n\t... 3 more\nCaused by: java.io.IOException: x\n\tat d.E.f(E.java:2)";
    let bare = "Exception in thread \"main\" java.lang.Error: x\n\tat a.B.c(B.java:1)";
    let go = "panic: boom [recovered]\n\tpanic: boom\n[signal SIGSEGV: segmentation violation]\n\ngoroutine 1 [running]:\nmain.(*T).f(0xc0, {0x1, 0x2})\n\t/a/main.go:5 +0x1d\nmain.main()\n\t/a/main.go:9 +0x1d\ncreated by net/http.Serve in goroutine 1\n\t/b.go:3\nexit status 2";
    let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: bad\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"b.py\", line 2\nKeyError: 'x'";
    let logged = "2024 ERROR no\nTraceback (most recent call last):\n  File \"a.py\", line 1\nValueError: bad";
    let dotnet = "Unhandled exception. System.InvalidOperationException: bad\n ---> System.IO.IOException: x\n   at A.B() in /a.cs:line 1\n   --- End of inner exception stack trace ---\n   at A.C()";
    let info = "INFO one";
    for (preset, trace) in [
        ("java", java),
        ("java", bare),
        ("go", go),
        ("python", python),
        ("python", logged),
        ("dotnet", dotnet),
    ] {
        for presets in [&[preset][..], &["java", "go", "python", "dotnet"]] {
            let mut rig = Rig::new(traces(presets));
            rig.feed(&format!("{info}\n{trace}\n{info}\n{trace}\n{trace}\n")).close();
            assert_eq!(rig.bodies(), [info, trace, info, trace, trace], "{presets:?}");
            assert!(rig.flags(1).has(Flags::MULTILINE) && !rig.flags(0).has(Flags::MULTILINE));
            assert_eq!(rig.intake.counters().multiline, 3);
        }
    }
}

#[test]
fn r16_a_start_pattern_groups_what_follows() {
    let multiline = Some(Multiline::starting_with(r"^\d{4}-").unwrap());
    let mut rig = Rig::new(Settings { multiline, ..Settings::default() });
    rig.feed("lost\nhead\n2024-1\n more\n2024-2\n");
    assert_eq!(rig.bodies(), ["lost\nhead", "2024-1\n more"]);
    let record = rig.out.records()[1];
    assert_eq!((record.start, record.end, rig.hold()), (10, 23, 23));
    assert_eq!(record.original_len, 12);
    rig.close();
    assert_eq!(rig.bodies()[2], "2024-2");
}

#[test]
fn r16_a_group_ends_after_a_pause_and_joins_across_rotation() {
    let mut rig = Rig::new(traces(&["java"]));
    rig.feed("a\n  b\n").rotate().feed("  c\n");
    assert_eq!((rig.streams.hold(1), rig.streams.hold(2)), (Some(0), Some(0)));
    rig.tick(2 * SECOND - 1);
    assert!(rig.out.is_empty());
    rig.tick(2 * SECOND);
    assert_eq!(rig.bodies(), ["a\n  b\n  c"]);
    assert!(rig.flags(0).has(Flags::JOINED | Flags::MULTILINE));
    rig.feed("  d\n");
    rig.now = 9 * SECOND;
    rig.feed("  e\n").close();
    assert_eq!(rig.bodies()[1..], ["  d", "  e"]);
}

#[test]
fn r16_time_in_which_the_next_line_waited_to_be_read_is_no_pause() {
    // A pause of a second; the group's line is read at 1 s, the next one an hour later.
    let hour = 3_600 * SECOND;
    for (caught_up, whole) in [
        (None, false),
        (Some(0), true),
        (Some(SECOND), true),
        (Some(2 * SECOND - 1), true),
        (Some(2 * SECOND), false),
    ] {
        let mut rig = Rig::new(traces(&["java"]));
        rig.feed("a\n");
        (rig.now, rig.caught_up) = (hour, caught_up);
        rig.feed("  b\n").close();
        let bodies = rig.bodies();
        assert_eq!(bodies.len(), if whole { 1 } else { 2 }, "{caught_up:?} {bodies:?}");
        assert_eq!(rig.out.records()[0].observed, if whole { hour } else { SECOND });
    }
    // What is excused is over with the group, and a group that is excused can still be late.
    let mut rig = Rig::new(traces(&["java"]));
    rig.feed("a\n");
    (rig.now, rig.caught_up) = (hour, Some(0));
    rig.feed("");
    (rig.now, rig.caught_up) = (hour + SECOND - 1, None);
    rig.feed("  b\n");
    rig.now += SECOND;
    rig.feed("  c\n").close();
    assert_eq!(rig.bodies(), ["a\n  b", "  c"]);
}

#[test]
fn r16_a_group_is_bounded_in_lines_and_bytes_and_loses_none() {
    let multiline = Multiline::presets(["java"]).unwrap().with_lines(3);
    let mut rig = Rig::new(Settings {
        multiline: Some(multiline),
        line_bytes_max: Some(LINE_BYTES_MIN),
        ..Settings::default()
    });
    rig.feed("a\n 1\n 2\n 3\n 4\n");
    let long = format!(" {}\n", "y".repeat(60));
    rig.feed(&long).feed(&long).close();
    assert_eq!(rig.bodies()[..2], ["a\n 1\n 2", " 3\n 4"]);
    assert_eq!(rig.bodies()[2..].concat().len(), 122);
    assert!(rig.flags(0).has(Flags::PARTIAL) && rig.streams.memory() < 1_024);
}

#[test]
fn r16_streams_are_grouped_on_their_own() {
    let mut settings = traces(&["java"]);
    settings.framing = Framing::Cri;
    let mut rig = Rig::new(settings);
    rig.feed("1970-01-01T00:00:01Z stdout F a\n1970-01-01T00:00:02Z stderr F x\n")
        .feed("1970-01-01T00:00:03Z stdout F  b\n1970-01-01T00:00:04Z stderr F  y\n")
        .close();
    assert_eq!(rig.bodies(), ["a\n b", "x\n y"]);
    assert_eq!(rig.out.records()[1].time, 2 * SECOND);
}

#[test]
fn a_full_block_stops_at_a_line_and_goes_on_there() {
    let mut rig = Rig::new(Settings::default());
    let text = "line\n".repeat(BLOCK_RECORDS + 1);
    let chunk = Chunk { bytes: text.as_bytes(), ..Chunk::default() };
    let Rig { plan, intake, file, streams, out, .. } = &mut rig;
    let taken = intake.feed(plan, file, streams, &chunk, out);
    assert_eq!((taken, out.len()), (5 * BLOCK_RECORDS, BLOCK_RECORDS));
    assert_eq!(intake.feed(plan, file, streams, &chunk_from(&chunk, taken), out), 0);
    out.clear();
    assert_eq!(intake.feed(plan, file, streams, &chunk_from(&chunk, taken), out), 5);
    assert_eq!(out.records()[0].end, text.len() as u64);
}

fn chunk_from<'c>(chunk: &Chunk<'c>, taken: usize) -> Chunk<'c> {
    Chunk { bytes: &chunk.bytes[taken..], offset: taken as u64, ..*chunk }
}

#[test]
fn nothing_is_allocated_once_a_block_has_grown() {
    let mut rig = Rig::new(Settings { parsers: vec!["json".to_owned()], ..cri() });
    let line = "1970-01-01T00:00:01Z stdout F {\"a\":1,\"msg\":\"x\",\"b\":[1],\"c\":\"\\n\"}\n";
    rig.feed(&line.repeat(500));
    let memory = rig.out.memory();
    for _ in 0..3 {
        rig.out.clear();
        rig.feed(&line.repeat(500));
        assert_eq!(rig.out.memory(), memory);
    }
    assert_eq!(rig.out.field(&rig.out.records()[9], "a"), Some(Value::Int(1)));
}

#[test]
fn lines_of_a_file_lie_one_behind_the_other_also_where_a_chunk_ends_in_one() {
    let lines: String =
        (0..900).map(|number| format!("a line with the number {number}\n")).collect();
    let mut rig = Rig::new(Settings::default());
    for piece in lines.as_bytes().chunks(10_007) {
        rig.feed(std::str::from_utf8(piece).unwrap());
    }
    let records = rig.out.records();
    for (one, next) in records.iter().zip(&records[1..]) {
        assert_eq!(one.line.start + one.line.len + 1, next.line.start);
    }
    assert_eq!(rig.out.arena(0..lines.len()), lines.as_bytes());
    // Nothing is there that is in no record.
    assert_eq!((records.len(), rig.out.text_bytes()), (900, lines.len()));
}

#[test]
fn lines_that_a_block_has_no_records_for_are_not_written_to_it() {
    let long = "x".repeat(1_500) + "\n";
    // Full of records, and full of text: with the lines of a window more than that at most.
    for (line, full) in [("x\n", 2 * BLOCK_RECORDS), (long.as_str(), BLOCK_BYTES)] {
        let mut rig = Rig::new(Settings::default());
        let text = line.repeat(BLOCK_RECORDS + 9);
        let chunk = Chunk { bytes: text.as_bytes(), ..Chunk::default() };
        let Rig { plan, intake, file, streams, out, .. } = &mut rig;
        let taken = intake.feed(plan, file, streams, &chunk, out);
        assert!((full..full + 8 * 1_024).contains(&taken), "{taken}");
        assert_eq!((out.text_bytes(), out.len()), (taken, taken / line.len()));
    }
}

#[test]
fn empty_lines_can_be_passed_over() {
    let mut rig = Rig::new(Settings { skip_empty_lines: true, ..Settings::default() });
    rig.feed("\n\r\na\n\n");
    assert_eq!((rig.bodies(), rig.file.settled(), rig.intake.counters().empty), (vec!["a"], 6, 3));
}

/// Bodies of a text that is fed at once, block by block.
fn in_blocks(settings: Settings, text: &str) -> Vec<String> {
    let (mut rig, mut taken, mut bodies) = (Rig::new(settings), 0, Vec::new());
    while taken < text.len() {
        let chunk = Chunk { bytes: text.as_bytes(), ..Chunk::default() };
        let Rig { plan, intake, file, streams, out, .. } = &mut rig;
        taken += intake.feed(plan, file, streams, &chunk_from(&chunk, taken), out);
        bodies.extend(rig.bodies().into_iter().map(str::to_owned));
        rig.out.clear();
    }
    bodies
}

#[test]
fn r12_lines_that_give_no_record_take_no_text_from_those_behind_them() {
    let wanted: Vec<_> = (0..3 * BLOCK_RECORDS).map(|line| format!("line {line}")).collect();
    let sparse = Settings { skip_empty_lines: true, ..Settings::default() };
    assert_eq!(in_blocks(sparse, &(wanted.join("\n\n\n") + "\n")), wanted);
    let entry = |mark| format!("\n1970-01-01T00:00:01Z stdout {mark} ");
    let text = wanted.join(&entry("P")).replace("e ", &("e".to_owned() + &entry("F")));
    let joined = wanted.join("\n").replace(' ', "");
    assert_eq!(in_blocks(cri(), (entry("P") + &text + "\n").trim_start()).join("\n"), joined);
}

fn framings() -> impl Strategy<Value = Framing> {
    prop::sample::select(vec![Framing::Raw, Framing::Cri, Framing::Docker])
}

proptest! {
    #[test]
    fn r12_chunks_and_blocks_change_nothing_and_no_byte_is_lost(
        lines in prop::collection::vec(prop_oneof![
            "[a-z {}\":\\\\]{0,12}",
            "1970-01-01T00:00:0[0-9]Z std(out|err) [FP] [a-z]{0,9}",
            "\\{\"log\":\"[a-z]{0,9}(\\\\n)?\",\"stream\":\"std(out|err)\"\\}",
            "1970-01-01T00:00:01Z stdout F \\{\"msg\":\"[a-z]{0,9}\",\"level\":\"info\",\"a\":\"[a-z]\"\\}",
        ], 0..30),
        cuts in prop::collection::vec(1usize..40, 1..40),
        framing in framings(),
        grouped in any::<bool>(),
        json in any::<bool>(),
    ) {
        let text = lines.join("\n");
        let multiline = grouped.then(|| Multiline::presets(["java", "python"]).unwrap());
        let parsers = if json { vec!["json".to_owned()] } else { vec![] };
        let settings = Settings { framing, multiline, parsers, ..Settings::default() };
        let mut whole = Rig::new(settings.clone());
        whole.feed(&text).last().close();
        let mut cut = Rig::new(settings);
        let (mut rest, mut cuts) = (text.as_str(), cuts.iter().cycle());
        while !rest.is_empty() {
            let at = (*cuts.next().unwrap()).min(rest.len());
            let (piece, after) = rest.split_at(at);
            cut.feed(piece);
            rest = after;
            // Nothing unfinished lies before what may be committed.
            prop_assert!(cut.hold() <= cut.offset);
        }
        cut.last().close();
        prop_assert_eq!(whole.bodies(), cut.bodies());
        prop_assert_eq!(whole.told(), cut.told());
        prop_assert_eq!(cut.file.settled(), text.len() as u64);
        prop_assert!(cut.streams.is_idle());
        // Every byte that is no framing is in a body.
        if framing == Framing::Raw && !grouped && !json {
            let joined = whole.bodies().join("\n");
            prop_assert_eq!(joined, text.strip_suffix('\n').unwrap_or(&text));
        }
    }
}
