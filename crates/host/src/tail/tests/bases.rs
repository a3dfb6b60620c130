//! R4, R6, R10: the directories where walks begin are renamed, deleted, made anew and made later,
//! and links on the way to them are pointed elsewhere.

use super::*;
use std::fs::{create_dir_all, remove_dir_all, remove_file, rename};
use std::os::unix::fs::symlink;

/// What happened ends a wait at once.
fn woken(desk: &mut Desk) {
    let now = desk.now;
    assert_eq!(desk.tail().wait(now, Duration::from_secs(600)), Woken::Events);
}

/// How many watches there are on the ways.
fn watches(desk: &mut Desk) -> usize {
    let (queues, buffer) = desk.tail().watch.lend().unwrap();
    desk.tail().watch.give_back(buffer);
    let number = std::os::fd::AsRawFd::as_raw_fd(&queues.ways);
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    told.lines().filter(|line| line.starts_with("inotify ")).count()
}

#[test]
fn r4_a_base_that_is_renamed_and_made_anew_is_found_at_once_and_what_was_open_is_read_on() {
    // The base itself, and a directory on the way to it.
    for (base, moved) in [("logs", "logs"), ("app/var/logs", "app")] {
        let mut desk = Desk::new(&[&format!("{base}/*.log")]);
        let log = format!("{base}/a.log");
        desk.write(&log, "1\n");
        desk.start();
        let at_first = watches(&mut desk);
        for round in 0..4 {
            let mut late = std::fs::File::options().append(true).open(desk.path(&log)).unwrap();
            desk.write(&log, "2\n");
            rename(desk.path(moved), desk.path(&format!("old{round}"))).unwrap();
            woken(&mut desk);
            desk.run();
            std::io::Write::write_all(&mut late, b"3\n").unwrap();
            create_dir_all(desk.path(base)).unwrap();
            woken(&mut desk);
            desk.run();
            desk.write(&log, "4\n");
            woken(&mut desk);
            desk.run();
            desk.pass(TICK);
            let text = desk.take();
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            let first: &[&str] = if round == 0 { &["1"] } else { &[] };
            assert_eq!(lines, [first, &["2", "3", "4"]].concat(), "{base} {round}");
            assert_eq!(watches(&mut desk), at_first, "{base} {round}");
        }
        desk.pass(Duration::from_secs(61));
        assert_eq!((desk.stats().files, desk.stats().directories), (1, 1), "{base}");
        assert_eq!((desk.ended.len(), desk.take().as_str()), (4, ""), "{base}");
        assert_eq!(desk.restart().take(), "", "{base}");
    }
}

#[test]
fn r4_what_is_made_and_rotated_in_a_base_made_anew_before_anybody_looks_is_read() {
    let mut desk = Desk::new(&["logs/*.log"]);
    desk.write("logs/a.log", "1\n");
    desk.start().take();
    desk.later();
    rename(desk.path("logs"), desk.path("old")).unwrap();
    desk.write("logs/a.log", "2\n");
    rename(desk.path("logs/a.log"), desk.path("logs/a.log.1")).unwrap();
    desk.write("logs/a.log", "3\n");
    let text = desk.run().take();
    assert!(text == "2\n3\n" || text == "3\n2\n", "{text}");
}

#[test]
fn r4_a_base_that_is_deleted_and_made_anew_is_found_at_once() {
    // File systems give the inode of a directory out again at once.
    for base in ["logs", "app/logs"] {
        let mut desk = Desk::new(&[&format!("{base}/*.log")]);
        desk.write(&format!("{base}/a.log"), "0\n");
        desk.start().take();
        for round in 1..9 {
            remove_dir_all(desk.path(base.split('/').next().unwrap())).unwrap();
            if round % 2 == 0 {
                desk.run();
            }
            desk.write(&format!("{base}/a.log"), format!("{round}\n"));
            assert_eq!(desk.run().take(), format!("{round}\n"), "{base}");
        }
    }
}

#[test]
fn r4_r9_a_base_that_is_made_anew_is_found_within_seconds_without_watches() {
    for is_there in [true, false] {
        let mut desk = Desk::new(&["logs/*.log"]);
        desk.limits.watches_max = 0;
        desk.write("logs/a.log", "1\n");
        desk.start().take();
        desk.pass(Duration::from_secs(1));
        rename(desk.path("logs"), desk.path("old")).unwrap();
        if !is_there {
            desk.pass(Duration::from_secs(5));
        }
        desk.write("logs/a.log", "2\n");
        desk.pass(Duration::from_secs(5));
        assert_eq!(desk.take(), "2\n");
    }
}

#[test]
fn a_base_that_comes_later_is_found_at_once_however_much_of_the_way_is_missing() {
    let mut desk = Desk::new(&["x/y/z/*.log"]);
    desk.start();
    for part in ["x", "x/y", "x/y/z"] {
        create_dir_all(desk.path(part)).unwrap();
        woken(&mut desk);
        desk.run();
    }
    desk.write("x/y/z/a.log", "1\n");
    assert_eq!(desk.run().take(), "1\n");
    // A file in its place, which goes.
    let mut desk = Desk::new(&["x/y/*.log"]);
    desk.write("x", "no\n");
    desk.start();
    remove_file(desk.path("x")).unwrap();
    desk.write("x/y/a.log", "1\n");
    assert_eq!(desk.run().take(), "1\n");
}

#[test]
fn r6_a_link_on_the_way_to_a_base_that_is_pointed_elsewhere_is_followed_at_once() {
    // The base is a link, or is behind one, or behind one that leads to another.
    for (base, link) in [("now", "now"), ("now/logs", "now"), ("to/logs", "now")] {
        for replaced in [true, false] {
            let mut desk = Desk::new(&[&format!("{base}/*.log")]);
            let below = if base == "now" { "" } else { "logs/" };
            desk.write(&format!("1/{below}a.log"), "1\n");
            symlink("1", desk.path(link)).unwrap();
            symlink(desk.path("now"), desk.path("to")).unwrap();
            desk.start();
            let at_first = watches(&mut desk);
            for round in 2..6 {
                let old = format!("{}/{below}a.log", round - 1);
                desk.write(&old, "last\n");
                if replaced {
                    desk.write(&format!("{round}/{below}a.log"), format!("{round}\n"));
                    symlink(round.to_string(), desk.path("new")).unwrap();
                    rename(desk.path("new"), desk.path(link)).unwrap();
                } else {
                    remove_file(desk.path(link)).unwrap();
                    desk.run();
                    // What it leads to comes after it.
                    symlink(round.to_string(), desk.path(link)).unwrap();
                    desk.run();
                    desk.write(&format!("{round}/{below}a.log"), format!("{round}\n"));
                }
                woken(&mut desk);
                desk.run();
                desk.write(&old, "late\n");
                desk.pass(TICK);
                let text = desk.take();
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                let own = round.to_string();
                let first: &[&str] = if round == 2 { &["1"] } else { &[] };
                assert_eq!(lines, [first, &[&own, "last", "late"]].concat(), "{base} {replaced}");
                assert_eq!(watches(&mut desk), at_first, "{base} {replaced}");
            }
            desk.pass(Duration::from_secs(61));
            assert_eq!((desk.stats().files, desk.stats().directories), (1, 1));
        }
    }
}

#[test]
fn a_base_that_is_back_goes_on_where_it_was() {
    let mut desk = Desk::new(&["logs/*.log", "other/*.log"]);
    desk.write("logs/a.log", "1\n");
    desk.start();
    // Away and back, and to where another pattern finds it.
    for (from, to) in [("logs", "gone"), ("gone", "logs"), ("logs", "other"), ("other", "logs")] {
        rename(desk.path(from), desk.path(to)).unwrap();
        desk.write(&format!("{to}/a.log"), "2\n");
        desk.run();
        desk.pass(TICK);
    }
    desk.pass(Duration::from_secs(61));
    assert_eq!(desk.take(), "1\n2\n2\n2\n2\n");
    assert_eq!((desk.keys.len(), desk.ended.len(), desk.stats().files), (1, 0, 1));
}

#[test]
fn r10_what_else_happens_beside_a_base_is_no_reason_to_look_at_it() {
    let mut desk = Desk::new(&["app/logs/*.log", "none/*.log"]);
    desk.write("app/logs/a.log", "1\n");
    desk.start().take();
    let before = desk.tail().unsettled_until;
    for name in ["b.log", "app/b.log"] {
        desk.write(name, "no\n");
        remove_file(desk.path(name)).unwrap();
    }
    desk.now += Duration::from_secs(1);
    desk.run();
    assert_eq!(desk.tail().unsettled_until, before);
    create_dir_all(desk.path("none")).unwrap();
    desk.run();
    assert!(desk.tail().unsettled_until > before);
}
