//! R4, R19: what is made where or while nobody looks.

use super::*;
use std::fs::rename;

#[test]
fn r4_a_file_that_a_look_missed_because_it_was_renamed_meanwhile_is_found_with_the_next() {
    for is_polled in [true, false] {
        let mut desk = Desk::new(&["app.log"]);
        let pause = Duration::from_secs(10);
        if is_polled {
            desk.limits.watches_max = 0;
            desk.limits.poll_every = (pause, pause);
        }
        desk.start();
        let look = |desk: &mut Desk| {
            desk.tail().overflow = !is_polled;
            desk.now += pause;
            desk.run();
        };
        look(&mut desk);
        desk.later();
        // As little as in the middle of a look, this name is seen.
        desk.write("a.tmp", "1\n");
        look(&mut desk);
        rename(desk.path("a.tmp"), desk.path("app.log.1")).unwrap();
        look(&mut desk);
        assert_eq!(desk.take(), "1\n", "{is_polled}");
        look(&mut desk);
        assert_eq!(desk.take(), "", "{is_polled}");
    }
}

#[test]
fn r4_the_first_file_of_a_new_directory_is_read_although_it_was_renamed_before_we_looked() {
    let mut desk = Desk::new(&["*/app.log"]);
    desk.start();
    desk.later();
    desk.write("new/app.log", "1\n");
    rename(desk.path("new/app.log"), desk.path("new/app.log.1")).unwrap();
    desk.write("new/app.log", "2\n");
    let text = desk.run().take();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1", "2"]);
    // What was there before the last look is old, wherever it comes from.
    desk.write("deep/er/app.log.1", "old\n");
    let made = desk.later();
    while desk.later() < made + 20_000_000 {}
    desk.run();
    desk.later();
    rename(desk.path("deep/er"), desk.path("moved")).unwrap();
    desk.write("moved/app.log", "3\n");
    assert_eq!(desk.run().take(), "3\n");
}

#[test]
fn r4_r19_what_is_made_between_the_last_poll_and_the_end_is_read_by_the_next_start() {
    let desk = || {
        let mut desk = Desk::new(&["app.log"]);
        desk.inputs[0].start_at = StartAt::End;
        desk.limits.watches_max = 0;
        desk.write("app.log", "0\n");
        desk.start();
        desk.later();
        rename(desk.path("app.log"), desk.path("app.log.2")).unwrap();
        desk.write("app.log", "1\n");
        desk
    };
    let mut one = desk();
    rename(one.path("app.log"), one.path("app.log.1")).unwrap();
    one.write("app.log", "2\n");
    let now = one.now;
    one.tail().look_at_polled(now);
    let records = one.leave();
    assert_eq!(one.restart_with(records).take(), "1\n2\n");
    // After a crash, what has its name still.
    let mut one = desk();
    let records = one.leave();
    assert_eq!(one.restart_with(records.clone()).take(), "1\n");
    // It was there before that.
    one.left_ns = one.left_ns.map(|left| left + 3_600_000_000_000);
    assert_eq!(one.restart_with(records).take(), "");
}

#[test]
fn r4_r19_a_renamed_file_that_was_read_to_its_end_is_followed_after_a_start_until_it_is_quiet() {
    for renamed_before in [true, false] {
        let mut desk = Desk::new(&["app.log"]);
        desk.write("app.log", "1\n");
        desk.start().take();
        let rotate = |desk: &Desk| {
            rename(desk.path("app.log"), desk.path("app.log.1")).unwrap();
            desk.write("app.log", "2\n");
        };
        if renamed_before {
            rotate(&desk);
            assert_eq!(desk.run().take(), "2\n");
        }
        let records = desk.leave();
        if !renamed_before {
            rotate(&desk);
        }
        desk.restart_with(records).take();
        desk.pass(Duration::from_secs(50));
        append(&desk.path("app.log.1"), b"3\n");
        desk.pass(Duration::from_secs(1));
        assert_eq!(desk.take(), "3\n", "{renamed_before}");
        append(&desk.path("app.log.1"), b"4\n");
        std::fs::remove_file(desk.path("app.log.1")).unwrap();
        desk.pass(Duration::from_secs(61));
        assert_eq!((desk.take().as_str(), desk.stats().files), ("4\n", 1), "{renamed_before}");
        // Nobody knows it any more.
        assert_eq!(desk.restart().stats().files, 1, "{renamed_before}");
    }
}
