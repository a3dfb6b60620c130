//! R10 and R21: many files, and much that was there before us.

use super::*;

#[test]
fn r10_ten_thousand_files_cost_no_descriptors_and_none_of_them_starves() {
    const FILES: usize = 10_000;
    let mut desk = Desk::new(&["*/*.log"]);
    desk.limits.open_idle_max = 100;
    for number in 0..FILES {
        desk.write(&format!("{}/{number}.log", number % 100), "start\n");
    }
    desk.start();
    assert_eq!(desk.take().len(), FILES * 6);
    assert!(desk.stats().open <= 100, "{} are open", desk.stats().open);
    // Time goes by and nothing is looked at.
    let now = desk.now + Duration::from_secs(30);
    assert!(!desk.tail().needs_ticks());
    assert!(desk.tail().turn(now).is_none());
    // A hot file with much to say, and a word of everybody else.
    desk.write("0/0.log", vec![b'x'; 64 << 20]);
    for number in 1..FILES {
        desk.write(&format!("{}/{number}.log", number % 100), "slow\n");
    }
    let mut hot = 0;
    let mut slow = 0;
    while slow < FILES - 1 {
        let before = desk.all.len();
        assert!(desk.turn());
        match desk.all.len() - before {
            5 => slow += 1,
            bytes => hot += bytes,
        }
    }
    assert!(hot <= 3 * CHUNK_BYTES_MAX, "{hot} bytes of the hot file came before");
    assert!(desk.run().stats().open <= 100);
    // A file that is closed and renamed is not lost.
    let name = |end: &str| desk.path(&format!("7/7.log{end}"));
    std::fs::rename(name(""), name(".1")).unwrap();
    append(&name(".1"), b"to the old\n");
    append(&name(""), b"to the new\n");
    desk.all.clear();
    assert_eq!(desk.run().take(), "to the old\nto the new\n");
}

#[test]
fn r10_a_backlog_of_many_files_is_read_with_few_descriptors() {
    const FILES: usize = 600;
    let mut desk = Desk::new(&["*/*.log"]);
    desk.limits.open_max = 100;
    for number in 0..FILES {
        desk.write(&format!("{number}/a.log"), vec![b'x'; CHUNK_BYTES_MAX + 10]);
    }
    let tailer = Tailer::new(desk.inputs.clone(), desk.limits.clone(), Vec::new(), None, desk.now);
    desk.tailer = Some(tailer.unwrap());
    let most = 100;
    assert!(desk.stats().open <= most, "{} are open", desk.stats().open);
    let mut turns = 0;
    while desk.turn() {
        turns += 1;
        if turns % 50 == 0 {
            assert!(desk.stats().open <= most, "{} are open", desk.stats().open);
        }
        desk.all.clear();
    }
    assert_eq!(desk.stats().read_bytes, (FILES * (CHUNK_BYTES_MAX + 10)) as u64);
    assert_eq!((desk.stats().possible_losses, desk.stats().failures), (0, 0));
}

#[test]
fn r10_an_idle_file_that_was_closed_and_deleted_ends() {
    let mut desk = Desk::new(&["*.log"]);
    desk.limits.open_idle_max = 1;
    for name in ["a.log", "b.log", "c.log"] {
        desk.write(name, "x\n");
    }
    desk.start();
    assert_eq!(desk.stats().open, 1);
    for name in ["a.log", "b.log", "c.log"] {
        std::fs::remove_file(desk.path(name)).unwrap();
    }
    desk.pass(Duration::from_secs(4));
    assert_eq!((desk.stats().files, desk.ended.len()), (0, 3));
}

/// Files of a line each that were read and of which nothing has arrived.
fn undelivered(names: &[String], open_idle_max: usize) -> Desk {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.limits.open_idle_max = open_idle_max;
    for name in names {
        desk.write(name, "1\n");
    }
    desk.start();
    desk
}

#[test]
fn r20_a_file_is_not_idle_before_all_that_was_read_of_it_has_arrived() {
    let mut desk = undelivered(&["a.log", "b.log", "c.log", "d.log"].map(str::to_owned), 1);
    assert_eq!(desk.stats().open, 4);
    let (now, keys) = (desk.now, desk.keys.clone());
    // One that is deleted now can be kept elsewhere, also after its end.
    std::fs::remove_file(desk.tail().path_of(keys[0])).unwrap();
    desk.tail().tend(now);
    assert_eq!(desk.tail().deleted(now), [(keys[0], 2)]);
    desk.pass(Duration::from_secs(4));
    let [gone] = &desk.tail().take_gone(0)[..] else { panic!("nothing is kept") };
    assert_eq!((gone.key, gone.end, gone.read(0, &mut [0; 3])), (keys[0], 2, 2));
    for (key, open) in [(keys[1], 3), (keys[2], 2), (keys[3], 1)] {
        desk.tail().commit(key, 1);
        desk.tail().commit(key, 2);
        assert_eq!(desk.stats().open, open);
    }
}

#[test]
fn r10_at_the_bound_what_has_arrived_is_closed_first_and_what_is_unread_last() {
    let names: Vec<String> = (0..12).map(|number| format!("{number}.log")).collect();
    let mut desk = undelivered(&names, 12);
    let keys = desk.keys.clone();
    for key in keys.iter().step_by(3) {
        desk.tail().commit(*key, 2);
    }
    for key in keys.iter().skip(2).step_by(3) {
        append(&desk.tail().path_of(*key), b"2\n");
    }
    desk.now += TICK;
    let now = desk.now;
    desk.tail().tend(now);
    let mut open = |most: usize| {
        desk.tail().bound_open(most);
        [0, 1, 2].map(|kind| {
            let of_kind = keys.iter().skip(kind).step_by(3);
            of_kind.filter(|key| desk.tail().file(**key).unwrap().fd.is_some()).count()
        })
    };
    // A quarter less than that is left.
    assert_eq!(open(8), [0, 2, 4]);
    assert_eq!(open(4), [0, 0, 3]);
    // What was only in memory, and what was nowhere else, is told when its file is gone.
    for key in &keys {
        std::fs::remove_file(desk.tail().path_of(*key)).unwrap();
    }
    desk.tail().tend(now);
    let notices = desk.notices();
    let not_held = |notice: &&Notice| matches!(notice, Notice::NotHeld { bytes: 2, .. });
    let is_lost = |notice: &&Notice| matches!(notice, Notice::PossibleLoss { bytes: 2, .. });
    let told = (notices.iter().filter(not_held).count(), notices.iter().filter(is_lost).count());
    assert_eq!((told, desk.stats().possible_loss_bytes), ((5, 1), 2), "{notices:?}");
}

/// Twelve files with a line each that were renamed five times through an outage of all sinks, each
/// time for a new file with a line.
fn rotated_through_an_outage(open_max: usize) -> Desk {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.limits.open_max = open_max;
    desk.start();
    for round in 0..6 {
        for number in 0..12 {
            for older in (0..round).rev() {
                let name = |older: i32| match older {
                    0 => desk.path(&format!("{number}.log")),
                    older => desk.path(&format!("{number}.log.{older}")),
                };
                std::fs::rename(name(older), name(older + 1)).unwrap();
            }
            desk.write(&format!("{number}.log"), format!("{number} {round}\n"));
        }
        desk.run().pass(TICK);
        assert!(desk.stats().open <= open_max as u64, "{} are open", desk.stats().open);
    }
    desk
}

/// Each of its lines, once.
fn each_once(text: &str) {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let count = lines.len();
    lines.dedup();
    assert_eq!((count, lines.len()), (72, 72), "{text}");
}

#[test]
fn r10_r19_files_that_are_renamed_through_an_outage_take_no_more_descriptors_than_the_bound() {
    let mut desk = rotated_through_an_outage(16);
    each_once(&desk.take());
    // They are not opened again to see that nothing comes, and what comes is read.
    let opens = desk.tail().open.files;
    desk.pass(TICK);
    assert_eq!(desk.tail().open.files, opens);
    for number in 0..12 {
        desk.write(&format!("{number}.log.4"), "more\n");
    }
    assert_eq!(desk.run().take(), "more\n".repeat(12));
    // They end in their time, and are found by the next start, within the bound, too.
    let quiet = desk.limits.renamed_quiet;
    desk.pass(quiet + TICK);
    assert_eq!((desk.take().as_str(), desk.ended.len()), ("", 60));
    let records = desk.leave();
    each_once(&desk.restart_with(records).take().replace("more\n", ""));
    assert!(desk.stats().open <= 16, "{} are open", desk.stats().open);
    desk.pass(quiet + TICK);
    assert_eq!(desk.notices(), []);
    // What has arrived is let go.
    for (key, end) in desk.next.clone() {
        desk.tail().commit(key, end);
    }
    assert_eq!((desk.run().stats().files, desk.stats().possible_losses), (12, 0));
}

#[test]
fn r10_r20_a_renamed_file_that_is_gone_while_it_is_closed_is_told_and_one_that_moved_is_found() {
    let mut desk = rotated_through_an_outage(16);
    desk.take();
    for number in 0..12 {
        desk.write(&format!("{number}.log.5"), "unread\n");
        let path = |end: &str| desk.path(&format!("{number}.log{end}"));
        std::fs::rename(path(".5"), path(".6")).unwrap();
        for gone in [".2", ".3", ".4"] {
            std::fs::remove_file(path(gone)).unwrap();
        }
    }
    let gone: u64 = desk.tail().files().map(|file| u64::from(file.deleted)).sum();
    assert_eq!(gone, 0);
    desk.run().pass(TICK + TICK);
    assert_eq!(desk.take(), "unread\n".repeat(12));
    let told = desk.notices();
    let is_told = |notice: &&Notice| matches!(notice, Notice::NotHeld { bytes: 4 | 5, .. });
    let told = (told.iter().filter(is_told).count(), told.len());
    assert!(told.0 > 20 && told.0 == told.1, "{told:?}");
    assert_eq!(desk.stats().possible_losses, 0);
    let quiet = desk.limits.renamed_quiet;
    desk.pass(quiet + TICK);
    assert_eq!(desk.ended.len(), 60);
}

#[test]
fn r10_r20_of_renamed_files_those_stay_open_that_no_start_finds() {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.write("a.log", "1\n");
    desk.write("b.log", "2\n");
    desk.start();
    let keys = ["a.log", "b.log"].map(|name| {
        let path = desk.path(name);
        desk.tail().key_at(&path).unwrap()
    });
    std::fs::create_dir(desk.path("old")).unwrap();
    std::fs::rename(desk.path("a.log"), desk.path("old/a.log")).unwrap();
    std::fs::rename(desk.path("b.log"), desk.path("b.log.1")).unwrap();
    desk.run().tail().bound_open(0);
    let is_open = keys.iter().map(|key| desk.tail().file(*key).unwrap().fd.is_some());
    assert_eq!(is_open.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn r21_a_backlog_keeps_to_its_rate_while_live_lines_come_at_once() {
    let mut desk = Desk::new(&["*/*.log"]);
    let rate = 1 << 20;
    desk.limits.backlog_bytes_per_s = Some(rate);
    for name in ["a/a.log", "b/b.log"] {
        desk.write(name, vec![b'x'; 4 << 20]);
    }
    desk.start();
    let mut seconds = 0_u64;
    while desk.all.len() < 8 << 20 {
        let before = desk.all.len();
        assert!(before as u64 <= rate * seconds + (CHUNK_BYTES_MAX * 2) as u64);
        desk.write("c/live.log", "live\n");
        desk.run();
        assert!(desk.all.ends_with(b"live\n") || desk.all.len() > before);
        // Both containers make progress.
        let lengths: Vec<usize> = desk.read.values().map(Vec::len).filter(|n| *n > 1000).collect();
        if let [a, b] = lengths[..] {
            assert!(a.abs_diff(b) <= CHUNK_BYTES_MAX, "{a} {b}");
        }
        let now = desk.now;
        let pause = desk.tail().backlog_pause(now);
        assert!(pause <= Duration::from_secs(1));
        desk.now += Duration::from_secs(1);
        seconds += 1;
    }
    assert!((7..=9).contains(&seconds), "{seconds}");
    desk.run();
}
