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
