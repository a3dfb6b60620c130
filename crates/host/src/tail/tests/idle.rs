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
    let most = 100 + open::OPENS_PER_COUNT;
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
