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
