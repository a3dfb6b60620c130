//! R5: holes, and room that a writer takes ahead of what it writes.

use super::*;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{File, OpenOptions, rename};
use std::os::unix::fs::FileExt as _;

/// How a writer takes room for what it will write.
#[derive(Debug, Clone, Copy)]
enum Room {
    /// A longer size, with a hole.
    Hole,
    /// Blocks that nothing was written to.
    Blocks,
    /// Zeros that were written.
    Zeros,
}

const ROOMS: [Room; 3] = [Room::Hole, Room::Blocks, Room::Zeros];

/// A writer that fills the room which it took from its start.
struct Filler {
    file: File,
    at: u64,
}

impl Filler {
    fn new(desk: &Desk, room: Room, size: u64) -> Self {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).open(desk.path("app.log"));
        let filler = Self { file: file.unwrap(), at: 0 };
        filler.take_room(room, size);
        filler
    }

    fn take_room(&self, room: Room, size: u64) {
        let from = self.file.metadata().unwrap().len();
        match room {
            Room::Hole => self.file.set_len(size).unwrap(),
            Room::Blocks => fallocate(&self.file, FallocateFlags::empty(), 0, size).unwrap(),
            Room::Zeros => {
                let zeros = vec![0; usize::try_from(size - from).unwrap()];
                self.file.write_all_at(&zeros, from).unwrap();
            }
        }
    }

    fn write(&mut self, text: &str) {
        self.file.write_all_at(text.as_bytes(), self.at).unwrap();
        self.at += text.len() as u64;
    }
}

/// So many bytes of lines, of which no two are the same.
fn lines(name: &str, bytes: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() + 32 > bytes {
            break;
        }
        text += &format!("{name} {number:06}\n");
    }
    let rest = bytes - text.len();
    text + &"x".repeat(rest - 1) + "\n"
}

/// All steps, each read once; nothing was taken for a rotation, a loss or a hole.
#[track_caller]
fn reads(desk: &mut Desk, expected: &str) {
    let text = desk.run().take();
    assert!(text == expected, "{} bytes and not {}", text.len(), expected.len());
    let stats = desk.stats();
    assert_eq!((stats.lag_bytes, stats.rewritten, stats.hole_bytes), (0, 0, 0));
}

#[test]
fn r5_r19_a_file_that_is_made_before_it_is_filled_is_read_as_it_is_filled_also_over_restarts() {
    for room in ROOMS {
        for size in [64 << 10, 1 << 20] {
            let mut desk = Desk::new(&["app.log"]);
            let mut filler = Filler::new(&desk, room, size);
            desk.start();
            reads(&mut desk, "");
            for text in ["one\n", "tw", "o\n", "three\n"] {
                filler.write(text);
                reads(&mut desk, text);
            }
            desk.restart();
            reads(&mut desk, "");
            // Beyond what is fingerprinted, beyond a block, and while we are away.
            for bytes in [1_500, 9_000, 20_000] {
                let records = desk.tail().records().collect::<Vec<_>>();
                let text = lines("a", bytes);
                filler.write(&text);
                reads(&mut desk, &text);
                desk.restart_with(records);
                reads(&mut desk, &text);
            }
            let rest = usize::try_from(size - filler.at).unwrap();
            let text = lines("b", rest - 100);
            filler.write(&text);
            reads(&mut desk, &text);
            // More room before the end of the first.
            filler.take_room(room, 2 * size);
            filler.write("more\n");
            reads(&mut desk, "more\n");
            // What was not needed is given back.
            filler.file.set_len(filler.at).unwrap();
            reads(&mut desk, "");
            desk.restart();
            reads(&mut desk, "");
        }
    }
}

#[test]
fn r5_a_file_with_room_left_is_at_its_end_so_that_it_is_closed_and_let_go() {
    for room in ROOMS {
        let mut desk = Desk::new(&["app.log"]);
        desk.limits.open_idle_max = 0;
        let mut filler = Filler::new(&desk, room, 64 << 10);
        filler.write("one\n");
        desk.start();
        reads(&mut desk, "one\n");
        assert_eq!(desk.stats().open, 0);
        filler.write("two\n");
        reads(&mut desk, "two\n");
        // What has its name is read after it, and not only when it is let go.
        rename(desk.path("app.log"), desk.path("app.log.1")).unwrap();
        desk.write("app.log", "new\n");
        filler.write("late\n");
        reads(&mut desk, "late\nnew\n");
        desk.pass(Duration::from_secs(61));
        assert_eq!(desk.ended, [desk.keys[0]]);
        assert_eq!((desk.stats().dropped_files, desk.stats().possible_losses), (0, 0));
    }
}

#[test]
fn r5_start_at_end_begins_where_the_text_ends_and_not_behind_the_room_after_it() {
    for room in ROOMS {
        for (before, size) in [("", 64 << 10), ("old\nhal", 64 << 10), ("old\nhal", 3 << 20)] {
            let mut desk = Desk::new(&["app.log"]);
            desk.inputs[0].start_at = StartAt::End;
            let mut filler = Filler::new(&desk, room, size);
            filler.write(before);
            desk.start();
            filler.write("f\n");
            let expected = if before.is_empty() { "f\n" } else { "half\n" };
            reads(&mut desk, expected);
        }
    }
}

#[test]
fn r21_what_fills_the_room_of_a_file_that_was_there_before_us_is_no_backlog() {
    for room in ROOMS {
        let mut desk = Desk::new(&["app.log"]);
        desk.limits.backlog_bytes_per_s = Some(1);
        let mut filler = Filler::new(&desk, room, 64 << 10);
        filler.write("old\n");
        desk.start().pass(Duration::from_secs(5));
        assert_eq!(desk.take(), "old\n");
        // More than the rate, twice: the first would be let through in one piece.
        for name in ["live", "more"] {
            let text = lines(name, 9_000);
            filler.write(&text);
            reads(&mut desk, &text);
        }
    }
}

#[test]
fn r5_nuls_with_something_behind_them_are_stepped_over_however_they_came_to_be() {
    for room in ROOMS {
        for size in [8 << 10, 64 << 10, 1 << 20] {
            let mut desk = Desk::new(&["app.log"]);
            let mut filler = Filler::new(&desk, room, size);
            filler.write("first\n");
            desk.start();
            reads(&mut desk, "first\n");
            // A writer that appends, and one that goes on at an old offset in the room.
            append(&desk.path("app.log"), b"behind\n");
            let text = desk.run().take();
            assert_eq!(text.trim_start_matches('\0'), "behind\n", "{room:?} {size}");
            let mut desk = Desk::new(&["app.log"]);
            let filler = Filler::new(&desk, room, size);
            desk.start();
            reads(&mut desk, "");
            filler.file.write_all_at(b"stale\n", size - 4_096).unwrap();
            let text = desk.run().take();
            assert_eq!(text.trim_start_matches('\0'), "stale\n", "{room:?} {size}");
            assert_eq!(desk.stats().lag_bytes, 0);
        }
    }
}

#[test]
fn a_long_hole_is_told_once_of_each_file() {
    let mut desk = Desk::new(&["*.log"]);
    let path = desk.path("app.log");
    let file = File::create(&path).unwrap();
    file.write_all_at(b"first\n", 0).unwrap();
    file.write_all_at(b"short\n", 100_000).unwrap();
    desk.start();
    assert_eq!((desk.take().as_str(), desk.notices()), ("first\nshort\n", vec![]));
    for number in 1..4 {
        file.write_all_at(b"next\n", number << 22).unwrap();
        assert_eq!(desk.run().take(), "next\n");
    }
    let bytes = (1 << 22) - 100_006;
    assert_eq!(desk.notices(), [Notice::Hole { path, bytes }]);
}

#[test]
fn what_is_written_into_a_hole_that_was_stepped_over_is_not_read() {
    let mut desk = Desk::new(&["app.log"]);
    let file = File::create(desk.path("app.log")).unwrap();
    file.write_all_at(b"first\n", 0).unwrap();
    file.write_all_at(b"last\n", 1 << 20).unwrap();
    desk.start();
    assert_eq!(desk.take(), "first\nlast\n");
    assert_eq!(desk.stats().hole_bytes, (1 << 20) - 6);
    file.write_all_at(b"between\n", 6).unwrap();
    append(&desk.path("app.log"), b"more\n");
    assert_eq!(desk.run().take(), "more\n");
}

#[test]
fn r5_room_that_is_filled_while_it_is_looked_through_is_not_stepped_over() {
    for room in ROOMS {
        let mut desk = Desk::new(&["app.log"]);
        let mut filler = Filler::new(&desk, room, 2 << 20);
        let (inputs, now) = (desk.inputs.clone(), desk.now);
        let tailer = Tailer::new(inputs, Limits::default(), Vec::new(), None, now).unwrap();
        desk.tailer = Some(tailer);
        // A piece of it is looked at, and no more.
        desk.turn();
        let text = lines("a", 1 << 20);
        filler.write(&text);
        reads(&mut desk, &text);
    }
}

#[test]
fn r5_r15_nuls_of_the_text_are_no_room_however_the_file_grows_while_it_is_filled() {
    // What is written with its NUL, UTF-16 and UTF-32.
    for text in ["one\n\0", "o\0n\0e\0\n\0", "o\0\0\0\n\0\0\0"] {
        for (room, more) in ROOMS.into_iter().flat_map(|room| [(room, 4 << 10), (room, 1 << 20)]) {
            let mut desk = Desk::new(&["app.log"]);
            let mut filler = Filler::new(&desk, room, 4 << 10);
            filler.write(text);
            desk.start();
            let (line, nuls) = text.split_at(text.trim_end_matches('\0').len());
            reads(&mut desk, line);
            for round in 1..9 {
                filler.write(text);
                filler.take_room(room, (4 << 10) + round * more);
                reads(&mut desk, &[nuls, line].concat());
            }
        }
    }
}

#[test]
fn r5_r15_wide_text_that_fills_room_while_it_is_looked_through_is_not_stepped_over() {
    for room in ROOMS {
        let mut desk = Desk::new(&["app.log"]);
        let mut filler = Filler::new(&desk, room, 2 << 20);
        filler.write("1\0\n\0");
        let (inputs, now) = (desk.inputs.clone(), desk.now);
        let tailer = Tailer::new(inputs, Limits::default(), Vec::new(), None, now).unwrap();
        desk.tailer = Some(tailer);
        // The text, and a piece of the room.
        desk.turn();
        desk.turn();
        filler.write("2\0\n\0");
        append(&desk.path("app.log"), b"3\n");
        let text = desk.run().take();
        assert_eq!(text, "1\0\n\x002\0\n3\n", "{room:?}");
    }
}

#[test]
fn r5_r8_what_fills_the_room_of_a_file_that_is_rotated_while_nobody_reads_is_not_given_up() {
    for (room, is_deleted) in ROOMS.into_iter().flat_map(|room| [(room, false), (room, true)]) {
        let mut desk = Desk::new(&["app.log"]);
        let mut filler = Filler::new(&desk, room, 64 << 10);
        filler.write("one\n");
        desk.start();
        if is_deleted {
            std::fs::remove_file(desk.path("app.log")).unwrap();
        } else {
            rename(desk.path("app.log"), desk.path("app.log.1")).unwrap();
        }
        reads(&mut desk, "one\n");
        filler.write("late\n");
        let written = std::time::SystemTime::now() + Duration::from_secs(1);
        filler.file.set_modified(written).unwrap();
        for _ in 0..130 {
            desk.now += TICK;
            let now = desk.now;
            desk.tail().tend(now);
        }
        assert_eq!(desk.run().take(), "late\n", "{room:?} {is_deleted}");
        // And when it is quiet, it is let go.
        desk.pass(Duration::from_secs(61));
        assert_eq!(desk.ended.len(), 1, "{room:?} {is_deleted}");
    }
}

#[test]
fn r5_the_last_bytes_of_room_are_not_read_before_they_are_filled() {
    for (room, left) in ROOMS.into_iter().flat_map(|room| [(room, 1), (room, 3)]) {
        let mut desk = Desk::new(&["app.log"]);
        let mut filler = Filler::new(&desk, room, 8 << 10);
        filler.write("one\n");
        desk.start();
        reads(&mut desk, "one\n");
        let text = lines("a", (8 << 10) - 4 - left);
        filler.write(&text);
        reads(&mut desk, &text);
        filler.take_room(room, 16 << 10);
        filler.write("more\n");
        reads(&mut desk, "more\n");
        // Room that is taken for little more than is there.
        filler.file.set_len(filler.at + 1).unwrap();
        reads(&mut desk, "");
        filler.write("last\n");
        reads(&mut desk, "last\n");
    }
}

#[test]
fn r5_room_in_the_copy_of_a_truncated_file_does_not_count_as_what_is_read_from_it() {
    for room in ROOMS {
        let mut desk = Desk::new(&["app.log"]);
        let mut filler = Filler::new(&desk, room, 64 << 10);
        filler.write("one\n");
        desk.start();
        reads(&mut desk, "one\n");
        filler.write("two\n");
        std::fs::copy(desk.path("app.log"), desk.path("app.log.1")).unwrap();
        filler.file.set_len(0).unwrap();
        desk.write("app.log", "3\n");
        assert_eq!(desk.run().take(), "two\n3\n");
        let stats = desk.stats();
        assert_eq!((stats.recovered_bytes, stats.lag_bytes, stats.hole_bytes), (4, 0, 0));
        let path = desk.path("app.log");
        assert_eq!(desk.notices(), [Notice::Rewritten { path, recovered: Some(4) }], "{room:?}");
    }
}

#[test]
fn r5_r19_the_copies_of_a_file_that_begins_with_a_hole_are_known_with_each_truncation() {
    for (pattern, first) in
        ["app.log", "app.log*"].into_iter().flat_map(|pattern| [(pattern, 10), (pattern, 9_000)])
    {
        let mut desk = Desk::new(&[pattern]);
        // It does not append, so it goes on where it was.
        let mut filler = Filler::new(&desk, Room::Hole, 0);
        let text = lines("a", 64).repeat(first / 10);
        filler.write(&text);
        desk.start();
        assert_eq!(desk.take(), text);
        for round in 0..6 {
            // Twice while we read, twice when that is noticed while nothing was written since, and
            // while we are away.
            let records = (round >= 4).then(|| desk.leave());
            desk.later();
            filler.write(&format!("{round} unread\n"));
            let name = format!("app.log.{round}");
            std::fs::copy(desk.path("app.log"), desk.path(&name)).unwrap();
            File::create(desk.path("app.log")).unwrap();
            if (2..4).contains(&round) {
                desk.run();
            }
            filler.write(&format!("{round} new\n"));
            match records {
                Some(records) => desk.restart_with(records),
                None => desk.run(),
            };
            desk.pass(Duration::from_secs(5));
            let case = format!("{pattern} {first} {round}");
            // Of a hole that fills no block, NULs are read.
            let text = desk.take().replace('\0', "");
            assert_eq!(text, format!("{round} unread\n{round} new\n"), "{case}");
            assert_eq!(desk.stats().possible_losses, 0, "{case}");
            let records = desk.leave();
            assert_eq!(desk.restart_with(records).take(), "", "{case}");
        }
    }
}

#[test]
fn r5_what_begins_with_text_is_no_copy_of_a_file_that_begins_with_a_hole() {
    let mut desk = Desk::new(&["app.log*"]);
    let mut filler = Filler::new(&desk, Room::Hole, 9_000);
    filler.at = 9_000;
    filler.write("1\n");
    desk.start().take();
    desk.write("app.log.1", "2\n");
    assert_eq!(desk.run().take(), "2\n");
    // What stands before the offset is the same.
    desk.write("app.log.2", lines("b", 9_000) + "1\n3\n");
    desk.pass(Duration::from_secs(5)).take();
    desk.write("other", lines("c", 9_000) + "1\n4\n");
    File::create(desk.path("app.log")).unwrap();
    assert_eq!(desk.run().take(), "");
    assert_eq!(desk.stats().possible_losses, 1);
}

#[test]
fn r15_the_last_nul_of_wide_text_is_read_at_once() {
    let mut desk = Desk::new(&["app.log"]);
    desk.start();
    let mut all = Vec::new();
    // Of one line no byte is NUL.
    let han = "\u{6f22}".repeat(200) + "\n";
    for line in ["\u{feff}first 1\n", &han, "\u{4f60}\u{597d} 2\r\n", "\n", "open"] {
        let wide: Vec<u8> = line.encode_utf16().flat_map(u16::to_le_bytes).collect();
        desk.write("app.log", &wide);
        all.extend(wide);
        desk.run();
        assert_eq!(desk.all, all);
    }
}

#[test]
fn a_file_that_is_shorter_than_it_says_holds_nobody_up() {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIP a_file_that_is_shorter_than_it_says: there is no {path}");
        return;
    };
    let mut desk = Desk::new(&["*.log"]);
    std::os::unix::fs::symlink(path, desk.path("a.log")).unwrap();
    desk.start();
    assert_eq!((desk.take(), desk.stats().lag_bytes), (text, 0));
    desk.write("b.log", "b\n");
    assert_eq!(desk.run().take(), "b\n");
}

#[test]
fn r8_what_stands_behind_nuls_of_a_deleted_file_is_among_what_vanishes() {
    for room in ROOMS {
        let mut desk = Desk::new(&["app.log"]);
        desk.start();
        let mut filler = Filler::new(&desk, room, 1 << 20);
        filler.write("first\n");
        append(&desk.path("app.log"), b"behind\n");
        let now = desk.now;
        desk.tail().tend(now);
        std::fs::remove_file(desk.path("app.log")).unwrap();
        desk.tail().tend(now);
        let mut text = Vec::new();
        while let Some(chunk) = desk.tail().turn_vanishing(now) {
            assert!(!chunk.bytes.is_empty());
            text.extend_from_slice(chunk.bytes);
        }
        assert_eq!(String::from_utf8(text).unwrap(), "first\nbehind\n");
    }
}
