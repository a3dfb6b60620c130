//! R30: other inputs while the tailer runs.

use super::*;

/// Other inputs from now on.
fn reload(desk: &mut Desk, patterns: &[&str]) {
    let (inputs, now) = (vec![desk.input(patterns)], desk.now);
    desk.tail().reconfigure(inputs, now);
}

#[test]
fn r30_an_input_that_is_back_before_the_end_was_told_goes_on_under_its_key() {
    // With and without another input that keeps the directory watched.
    for others in ["b.log", "sub/*"] {
        let mut desk = Desk::new(&["a.log"]);
        desk.write("a.log", "1\n");
        desk.start().take();
        desk.write("a.log", "2\n");
        // Nobody takes turns meanwhile.
        reload(&mut desk, &[others]);
        reload(&mut desk, &["a.log"]);
        assert_eq!(desk.run().take(), "2\n", "{others}");
        desk.write("a.log", "3\n");
        desk.run();
        std::fs::remove_file(desk.path("a.log")).unwrap();
        assert_eq!(desk.run().take(), "3\n", "{others}");
        assert_eq!((desk.keys.len(), desk.ended.len()), (1, 0), "{others}");
    }
}

#[test]
fn r30_r8_a_file_that_is_deleted_or_renamed_before_a_reload_that_means_it_is_read_to_its_end() {
    for pattern in ["a.log", "?.log", "a*"] {
        for is_deleted in [true, false] {
            let mut desk = Desk::new(&["a.log"]);
            desk.write("a.log", "1\n");
            desk.start().take();
            desk.write("a.log", "2\n");
            if is_deleted {
                std::fs::remove_file(desk.path("a.log")).unwrap();
            } else {
                std::fs::rename(desk.path("a.log"), desk.path("other")).unwrap();
            }
            // Nobody takes turns meanwhile.
            reload(&mut desk, &[pattern]);
            desk.write("a.log", "new\n");
            assert_eq!(desk.run().take(), "2\nnew\n", "{pattern} {is_deleted}");
            assert_eq!(desk.stats().possible_losses, 0);
        }
    }
}

#[test]
fn r30_an_input_that_is_back_before_all_of_it_arrived_is_read_on_and_not_from_its_beginning() {
    for others in ["b.log", "sub/*"] {
        for in_order in [true, false] {
            let mut desk = Desk::new(&["a.log"]);
            desk.commit = false;
            desk.write("a.log", "1\n");
            desk.start();
            for (round, line) in ["2\n", "3\n"].iter().enumerate() {
                reload(&mut desk, &[others]);
                desk.run();
                assert_eq!(desk.ended.len(), round + 1);
                desk.write("a.log", line);
                reload(&mut desk, &["a.log"]);
                desk.run();
            }
            assert_eq!(desk.take(), "1\n2\n3\n", "{others}");
            // A crash repeats what has not arrived, whichever of it came first.
            let mut keys = [(desk.keys[0], 2), (desk.keys[1], 4), (desk.keys[2], 6)];
            if !in_order {
                keys.reverse();
            }
            let mut arrived = 0;
            for (key, end) in keys {
                desk.tail().commit(key, end);
                arrived += 2;
                let records = desk.tail().records().collect::<Vec<_>>();
                assert_eq!(records.len(), 1, "{others}");
                let all_before = if in_order { arrived } else { arrived / 6 * 6 };
                assert_eq!(records[0].offset, all_before, "{others} {in_order}");
            }
            assert_eq!(desk.restart().take(), "", "{others}");
            assert_eq!((desk.stats().rewritten, desk.stats().possible_losses), (0, 0));
        }
    }
}

#[test]
fn r30_a_file_that_was_there_before_its_input_begins_where_that_says_and_is_backlog() {
    for start_at in [StartAt::End, StartAt::Beginning] {
        let mut desk = Desk::new(&["a.log", "dir/a.log"]);
        desk.write("dir/old.log.1", "1\n");
        desk.write("old/old.log", "2\n");
        desk.start();
        desk.limits.backlog_bytes_per_s = Some(1 << 20);
        desk.tail().limits.backlog_bytes_per_s = Some(1 << 20);
        // It was meant all the time, and was not seen so far.
        desk.later();
        desk.write("a.log", "3\n");
        desk.write("dir/a.log", "4\n");
        desk.later();
        let mut inputs = vec![desk.input(&["a.log"]), desk.input(&["dir/*", "old/*"])];
        for input in &mut inputs {
            input.start_at = start_at;
        }
        let now = desk.now;
        desk.tail().reconfigure(inputs, now);
        let backlog = desk.tail().backlog.len();
        desk.pass(Duration::from_secs(1));
        let text = desk.take();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        if start_at == StartAt::End {
            assert_eq!((backlog, lines), (0, vec!["3", "4"]));
        } else {
            assert_eq!((backlog, lines), (2, vec!["1", "2", "3", "4"]));
        }
        desk.write("old/old.log", "5\n");
        desk.write("old/new.log", "6\n");
        desk.run();
        assert_eq!(desk.take().len(), 4);
    }
}

#[test]
fn r30_a_renamed_file_that_a_reload_means_goes_on_where_it_was() {
    let quiet = Duration::from_secs(61);
    // Until the reload: nothing of it was read; it was read to its end; that was told; all arrived.
    for step in ["unread", "read", "told", "arrived"] {
        let mut desk = Desk::new(&["*.log"]);
        desk.commit = step != "told";
        desk.start();
        desk.write("a.log", "1\n".repeat(CHUNK_BYTES_MAX));
        let now = desk.now;
        desk.tail().tend(now);
        std::fs::rename(desk.path("a.log"), desk.path("a.log.1")).unwrap();
        desk.write("a.log", "2\n");
        desk.tail().tend(now);
        if step != "unread" {
            desk.run();
        }
        if matches!(step, "told" | "arrived") {
            desk.pass(quiet);
        }
        let told = desk.ended.len();
        assert_eq!(told, usize::from(matches!(step, "told" | "arrived")), "{step}");
        desk.write("a.log.1", "3\n");
        reload(&mut desk, &["*.log", "*.log.[0-9]"]);
        desk.run();
        // It is no file that has only a while left.
        desk.pass(quiet);
        desk.write("a.log.1", "4\n");
        desk.write("a.log", "5\n");
        desk.run();
        desk.pass(quiet);
        let text = desk.take();
        let mut rest: Vec<&str> = text.lines().filter(|line| *line != "1").collect();
        rest.sort_unstable();
        assert_eq!(rest, ["2", "3", "4", "5"], "{step}");
        assert_eq!(text.len(), 2 * CHUNK_BYTES_MAX + 8, "{step}");
        assert_eq!((desk.keys.len(), desk.ended.len()), (2 + told, told), "{step}");
        let stats = desk.stats();
        assert_eq!((stats.rewritten, stats.possible_losses), (0, 0), "{step}");
    }
}

#[test]
fn r30_a_rotated_file_that_a_reload_does_not_mean_any_more_is_read_to_its_end() {
    let mut desk = Desk::new(&["*.log", "*.log.[0-9]"]);
    desk.start();
    desk.write("a.log", "1\n".repeat(CHUNK_BYTES_MAX));
    let now = desk.now;
    desk.tail().tend(now);
    std::fs::rename(desk.path("a.log"), desk.path("a.log.1")).unwrap();
    desk.write("a.log", "2\n");
    assert!(desk.turn());
    // What means its name of before has another number by now.
    let inputs = vec![desk.input(&["b.txt"]), desk.input(&["*.log"])];
    desk.tail().reconfigure(inputs, now);
    assert!(desk.tail().files().all(|file| file.input == 1));
    desk.run();
    desk.write("a.log.1", "3\n");
    desk.run();
    let text = desk.take();
    assert!(text.ends_with("1\n2\n3\n") && text.len() == 2 * CHUNK_BYTES_MAX + 4);
    desk.pass(Duration::from_secs(61));
    assert_eq!((desk.ended.len(), desk.stats().files), (1, 1));
    // Meant once more it goes on there.
    desk.write("a.log.1", "4\n");
    reload(&mut desk, &["*.log", "*.log.[0-9]"]);
    assert_eq!(desk.run().take(), "4\n");
}

#[test]
fn r30_the_next_start_looks_for_nothing_of_a_renamed_file_whose_end_was_told() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "1\n");
    desk.start();
    // As a rotation into another directory does it.
    std::fs::create_dir(desk.path("old")).unwrap();
    std::fs::rename(desk.path("a.log"), desk.path("old/a.log")).unwrap();
    desk.write("a.log", "2\n");
    desk.run();
    desk.pass(Duration::from_secs(61));
    assert_eq!(desk.ended.len(), 1);
    desk.take();
    let records = desk.leave();
    desk.restart_with(records);
    assert_eq!((desk.take().as_str(), desk.notices().len()), ("", 0));
    assert_eq!((desk.stats().rewritten, desk.stats().possible_losses), (0, 0));
}
