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

/// How what was done unseen is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Start,
    Poll,
    Dropped,
}

impl Look {
    const ALL: [Self; 3] = [Self::Start, Self::Poll, Self::Dropped];

    fn desk(self) -> Desk {
        let mut desk = Desk::new(&["app.log"]);
        if self == Self::Poll {
            desk.limits.watches_max = 0;
        }
        desk
    }

    /// Does something that no event tells, looks, and waits for what was held back.
    fn at(self, desk: &mut Desk, unseen: impl Fn(&Desk)) {
        let records = (self == Self::Start).then(|| desk.leave());
        desk.later();
        unseen(desk);
        match records {
            Some(records) => drop(desk.restart_with(records)),
            None => desk.tail().overflow = self == Self::Dropped,
        }
        desk.pass(Duration::from_secs(20));
    }
}

/// None, a short one, and one that fills what is known of a beginning.
fn headers() -> [String; 3] {
    let header = "#Fields: date time s-ip cs-method cs-uri-stem sc-status\n";
    [String::new(), header.to_owned(), header.repeat(30)]
}

#[test]
fn r4_r19_a_file_that_nobody_saw_is_read_although_the_others_begin_in_the_same_way() {
    for look in Look::ALL {
        for header in headers() {
            for live in ["", "4\n", "a longer line\nand one more\n"] {
                let mut desk = look.desk();
                desk.write("app.log", format!("{header}1\n"));
                desk.start().take();
                look.at(&mut desk, |desk| {
                    rename(desk.path("app.log"), desk.path("app.log.2")).unwrap();
                    desk.write("a.tmp", format!("{header}2\n3\n"));
                    rename(desk.path("a.tmp"), desk.path("app.log.1")).unwrap();
                    desk.later();
                    desk.write("app.log", format!("{header}{live}"));
                });
                let case = format!("{look:?} {} {live}", header.len());
                let text = desk.take();
                let mut texts = [format!("{header}2\n3\n"), format!("{header}{live}")];
                if !text.starts_with(&texts[0]) {
                    texts.reverse();
                }
                assert!(text == texts.concat(), "{case}: {text}");
            }
        }
    }
}

#[test]
fn r5_a_copy_that_nobody_saw_is_not_read_once_more_whatever_it_begins_with() {
    let copy = |desk: &Desk| {
        std::fs::copy(desk.path("app.log"), desk.path("app.log.1")).unwrap();
    };
    for look in Look::ALL {
        for header in headers() {
            let case = format!("{look:?} {}", header.len());
            let desk = || {
                let mut desk = look.desk();
                desk.write("app.log", format!("{header}1\n"));
                desk.start().take();
                desk
            };
            // Nothing is truncated.
            let mut one = desk();
            look.at(&mut one, |desk| copy(desk));
            assert_eq!(one.take(), "", "{case}");
            let mut one = desk();
            look.at(&mut one, |desk| {
                desk.write("app.log", "2\n");
                copy(desk);
                desk.write("app.log", "3\n");
            });
            assert_eq!(one.take(), "2\n3\n", "{case}");
            // The file is longer than before when somebody looks.
            let mut one = desk();
            look.at(&mut one, |desk| {
                desk.write("app.log", "2\n");
                copy(desk);
                std::fs::write(desk.path("app.log"), format!("{header}3 is longer\n")).unwrap();
            });
            assert_eq!(one.take(), format!("2\n{header}3 is longer\n"), "{case}");
            assert_eq!(one.stats().possible_losses, 0, "{case}");
            // What came between copy and truncation was read.
            let mut one = desk();
            if look != Look::Start && header.len() >= HEAD_BYTES_MAX {
                one.later();
                copy(&one);
                one.write("app.log", "2\n");
                assert_eq!(one.pass(Duration::from_secs(20)).take(), "2\n", "{case}");
                look.at(&mut one, |desk| {
                    std::fs::write(desk.path("app.log"), format!("{header}3\n")).unwrap();
                });
                assert_eq!(one.take(), format!("{header}3\n"), "{case}");
            }
        }
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

#[test]
fn r19_where_nobody_says_when_a_file_was_made_its_last_write_counts() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "1\n");
    desk.start();
    let key = desk.keys[0];
    let second = 1_000_000_000;
    desk.tail().unseen_since = Some(5 * second);
    for (birth_ns, written, unseen) in [
        (4 * second, (9, 0), false),
        (5 * second, (4, 0), true),
        (0, (5, 0), true),
        (0, (4, second - 1), false),
        (0, (-1, 0), false),
    ] {
        let tail = desk.tail();
        let file = tail.files.get_mut(key).unwrap();
        (file.identity.birth_ns, file.written) = (birth_ns, written);
        let file = tail.files.get(key).unwrap();
        assert_eq!(tail.may_be_unseen(file), unseen, "{birth_ns} {written:?}");
    }
}

#[test]
fn what_became_of_a_file_while_we_were_away_is_not_called_a_truncation_when_it_was_none() {
    type Way = (fn(&Desk), fn(PathBuf) -> Notice);
    let rewritten = |path| Notice::Rewritten { path, recovered: None };
    let replaced = |path| Notice::Replaced { path, offset: 2 };
    let ways: [Way; 3] = [
        (
            |desk| {
                std::fs::create_dir(desk.path("old")).unwrap();
                rename(desk.path("app.log"), desk.path("old/app.log.1")).unwrap();
            },
            replaced,
        ),
        (|desk| std::fs::remove_file(desk.path("app.log")).unwrap(), replaced),
        (|desk| drop(std::fs::File::create(desk.path("app.log")).unwrap()), rewritten),
    ];
    for (take_away, told) in ways {
        let mut desk = Desk::new(&["*.log"]);
        desk.write("app.log", "1\n");
        desk.start().take();
        let records = desk.leave();
        take_away(&desk);
        desk.write("app.log", "new\n");
        assert_eq!(desk.restart_with(records).take(), "new\n");
        assert_eq!(desk.notices(), [told(desk.path("app.log"))]);
        assert_eq!(desk.stats().possible_losses, 1);
    }
}
