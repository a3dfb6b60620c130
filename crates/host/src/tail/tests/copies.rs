//! R5: copies of files that are truncated.

use super::*;
use std::fs::{File, rename};

#[test]
fn r5_several_truncations_while_nobody_reads_are_followed_into_their_copies_in_order() {
    for pattern in ["app.log", "app.log*"] {
        let mut desk = Desk::new(&[pattern]);
        desk.limits.renamed_quiet = Duration::ZERO;
        desk.write("app.log", "1\n");
        desk.start().take();
        for round in 0..3 {
            desk.later();
            let lines = ["a", "b", "c", "d"].map(|line| format!("{line}{round}\n"));
            for line in &lines[..3] {
                desk.write("app.log", line);
                copy_and_truncate(&desk);
                // Nobody reads, and time goes by.
                let now = desk.now;
                desk.tail().tend(now);
                desk.later();
            }
            desk.write("app.log", &lines[3]);
            desk.run();
            desk.pass(Duration::from_secs(3));
            assert_eq!(desk.take(), lines.concat(), "{pattern}");
        }
        assert_eq!(desk.stats().possible_losses, 0);
        // They are known, whatever was forgotten of them.
        desk.pass(Duration::from_secs(130));
        copy_and_truncate(&desk);
        desk.write("app.log", "the last one\n");
        assert_eq!(desk.run().take(), "the last one\n", "{pattern}");
        let records = desk.leave();
        assert_eq!(desk.restart_with(records).take(), "", "{pattern}");
    }
}

#[test]
fn r5_r19_several_truncations_before_a_stop_or_after_it_are_followed_into_their_copies_in_order() {
    for pattern in ["app.log", "app.log*"] {
        for start_at in [StartAt::Beginning, StartAt::End] {
            for stop_after in 0..=4 {
                let mut desk = Desk::new(&[pattern]);
                desk.inputs[0].start_at = start_at;
                desk.start();
                desk.write("app.log", "0\n");
                assert_eq!(desk.run().take(), "0\n");
                let mut records = Vec::new();
                for round in 0..4 {
                    if round == stop_after {
                        records = desk.leave();
                    }
                    desk.later();
                    desk.write("app.log", format!("{round}\n"));
                    copy_and_truncate(&desk);
                    // Nobody reads.
                    let now = desk.now;
                    if let Some(tailer) = &mut desk.tailer {
                        tailer.tend(now);
                    }
                }
                desk.later();
                desk.write("app.log", "the last one\n");
                if stop_after == 4 {
                    records = desk.leave();
                }
                // A start that has no time to read changes nothing.
                for _ in 0..2 {
                    let (inputs, limits) = (desk.inputs.clone(), desk.limits.clone());
                    let tailer = Tailer::new(inputs, limits, records, desk.left_ns, desk.now);
                    desk.tailer = Some(tailer.unwrap());
                    records = desk.leave();
                }
                let case = format!("{pattern} {start_at:?} {stop_after}");
                desk.restart_with(records).pass(Duration::from_secs(3));
                assert_eq!(desk.take(), "0\n1\n2\n3\nthe last one\n", "{case}");
                assert_eq!(desk.stats().possible_losses, 0, "{case}");
                let records = desk.leave();
                assert_eq!(desk.restart_with(records).take(), "", "{case}");
            }
        }
    }
}

/// As logrotate does it with `copytruncate`.
fn copy_and_truncate(desk: &Desk) {
    for number in (1..20).rev() {
        let name = |number: u32| desk.path(&format!("app.log.{number}"));
        if name(number).exists() {
            rename(name(number), name(number + 1)).unwrap();
        }
    }
    std::fs::copy(desk.path("app.log"), desk.path("app.log.1")).unwrap();
    File::create(desk.path("app.log")).unwrap();
}

#[test]
fn r5_the_copies_of_another_file_are_not_looked_for() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("app.log", "1\n");
    desk.write("other.log", "a\n");
    desk.start().take();
    desk.later();
    // The other one is rotated and read meanwhile, and its copy forgotten.
    std::fs::copy(desk.path("other.log"), desk.path("other.log.1")).unwrap();
    File::create(desk.path("other.log")).unwrap();
    desk.write("other.log", "b is longer\n");
    assert_eq!(desk.run().take(), "b is longer\n");
    desk.pass(Duration::from_secs(130));
    copy_and_truncate(&desk);
    desk.write("app.log", "2 is longer\n");
    assert_eq!(desk.run().take(), "2 is longer\n");
}

#[test]
fn r5_a_copy_that_is_seen_before_its_first_byte_is_not_read_twice_however_long_it_takes() {
    for (pattern, name) in [
        ("app.log*", "app.log.1"),
        ("app*.log", "app-20260101.log"),
        ("app*.log", "app-20260101-1700000000.log"),
    ] {
        for pause in [Duration::ZERO, Duration::from_millis(1_500)] {
            let mut desk = Desk::new(&[pattern]);
            let lines: Vec<String> = (0..4).map(|line| format!("line {line}\n")).collect();
            desk.write("app.log", lines.concat());
            desk.start().take();
            // As `cp` and logrotate make it.
            File::create(desk.path(name)).unwrap();
            for line in &lines {
                desk.run().pass(pause);
                desk.write(name, line);
            }
            desk.run().pass(pause);
            File::create(desk.path("app.log")).unwrap();
            desk.write("app.log", "new\n");
            assert_eq!(desk.run().take(), "new\n", "{name} {pause:?}");
            desk.pass(Duration::from_secs(5));
            assert_eq!(desk.take(), "", "{name} {pause:?}");
            assert_eq!(desk.restart().take(), "", "{name} {pause:?}");
            assert_eq!(desk.stats().possible_losses, 0);
        }
    }
}

#[test]
fn r5_a_copy_that_the_patterns_mean_is_not_read_twice() {
    let mut desk = Desk::new(&["app.log*"]);
    desk.write("app.log", "1\n2\n");
    desk.start();
    // The copy is seen before the truncation.
    std::fs::copy(desk.path("app.log"), desk.path("app.log.1")).unwrap();
    assert_eq!(desk.run().take(), "1\n2\n");
    File::create(desk.path("app.log")).unwrap();
    desk.write("app.log", "3\n");
    desk.run();
    desk.pass(Duration::from_secs(5));
    assert_eq!(desk.take(), "3\n");
    assert_eq!(desk.restart().take(), "");
    // A file that only looks like a copy is read in the end.
    std::fs::copy(desk.path("app.log"), desk.path("app.log.2")).unwrap();
    desk.run();
    desk.pass(Duration::from_secs(5));
    assert_eq!(desk.take(), "3\n");
}

#[test]
fn r5_a_copy_that_the_patterns_mean_is_not_read_twice_whatever_comes_before_the_truncation() {
    for (pattern, copy) in [("app.log*", "app.log."), ("app*.log", "app-2026010")] {
        for steps in [1, 3] {
            let mut desk = Desk::new(&[pattern]);
            desk.start();
            for round in 0..4 {
                // The first one came right after the truncation before.
                let lines: Vec<String> = (0..6).map(|line| format!("{round} {line}\n")).collect();
                desk.write("app.log", lines[usize::from(round > 0)..].concat());
                desk.run().take();
                // What is made is called otherwise each time, or its name is free.
                let end = if pattern == "app.log*" { "1" } else { &format!("{round}.log") };
                for number in (1..4).rev() {
                    let name = |number: u32| desk.path(&format!("app.log.{number}"));
                    let _ = rename(name(number), name(number + 1));
                }
                let copy = format!("{copy}{end}");
                if steps > 1 {
                    File::create(desk.path(&copy)).unwrap();
                    desk.run();
                }
                for part in lines.chunks(6 / steps) {
                    desk.write(&copy, part.concat());
                    desk.write("app.log", "meanwhile\n");
                    assert_eq!(desk.run().take(), "meanwhile\n");
                }
                File::create(desk.path("app.log")).unwrap();
                let new = format!("{} 0\n", round + 1);
                desk.write("app.log", &new);
                assert_eq!(desk.run().take(), new, "{copy} {round}");
                // The next one may come before or after it was forgotten.
                if round % 2 == 0 {
                    desk.pass(Duration::from_secs(5));
                    assert_eq!(desk.take(), "", "{copy} {round}");
                }
            }
            desk.pass(Duration::from_secs(5));
            assert_eq!(desk.take(), "", "{copy}");
            let records = desk.leave();
            assert_eq!(desk.restart_with(records).take(), "", "{copy}");
        }
    }
}

#[test]
fn r5_r19_of_a_copy_only_what_has_arrived_of_the_truncated_file_is_passed_over() {
    let mut desk = Desk::new(&["app.log*"]);
    desk.write("app.log", "1\n");
    assert_eq!(desk.start().take(), "1\n");
    // Nothing that is read from here on arrives.
    desk.commit = false;
    desk.write("app.log", "2\n3\n");
    assert_eq!(desk.run().take(), "2\n3\n");
    std::fs::copy(desk.path("app.log"), desk.path("app.log.1")).unwrap();
    desk.run();
    desk.write("app.log", "meanwhile\n");
    assert_eq!(desk.run().take(), "meanwhile\n");
    File::create(desk.path("app.log")).unwrap();
    desk.write("app.log", "new\n");
    assert_eq!(desk.run().take().matches(['2', '3']).count(), 2);
    let records = desk.leave();
    let read = desk.restart_with(records).take();
    assert!(["2\n3\n", "new\n"].iter().all(|part| read.contains(part)), "{read}");
    assert!(!read.contains('1'), "{read}");
}

#[test]
fn r5_r19_a_copy_is_not_read_once_more_after_a_stop_right_behind_the_truncation() {
    for copy in ["app.log.1", "app.log-20260101-1"] {
        let mut desk = Desk::new(&["*.log"]);
        desk.write("app.log", "1\n2\n");
        desk.start().take();
        // A start takes what was made shortly before the checkpoint for unseen.
        let slack = desk.later();
        std::fs::copy(desk.path("app.log"), desk.path(copy)).unwrap();
        File::create(desk.path("app.log")).unwrap();
        desk.write("app.log", "3\n");
        assert_eq!(desk.run().take(), "3\n");
        for _ in 0..2 {
            let records = desk.leave();
            desk.left_ns = Some(slack);
            assert_eq!(desk.restart_with(records).take(), "", "{copy}");
            assert!(desk.notices().is_empty(), "{copy}");
        }
        // It may have another name by then, or none.
        for change in [
            |desk: &Desk, copy: &str| rename(desk.path(copy), desk.path("app.log.2")).unwrap(),
            |desk: &Desk, _: &str| std::fs::remove_file(desk.path("app.log.2")).unwrap(),
        ] {
            let records = desk.leave();
            desk.left_ns = Some(slack);
            change(&desk, copy);
            assert_eq!(desk.restart_with(records).take(), "", "{copy}");
            assert!(desk.notices().is_empty(), "{copy}");
        }
    }
}

#[test]
fn r5_the_copy_of_a_file_that_was_renamed_right_behind_its_truncation_is_known_as_one() {
    for unread in ["", "2\n"] {
        for pattern in ["app.log*", "app.log"] {
            let mut desk = Desk::new(&[pattern]);
            desk.write("app.log", "1\n");
            desk.start().take();
            desk.write("app.log", unread);
            copy_and_truncate(&desk);
            rename(desk.path("app.log"), desk.path("app.log.2")).unwrap();
            desk.write("app.log", "3\n");
            desk.run().pass(Duration::from_secs(5));
            assert_eq!(desk.take(), format!("{unread}3\n"), "{pattern}");
            assert_eq!(desk.stats().possible_losses, 0);
            assert_eq!(desk.restart().take(), "");
        }
    }
}

#[test]
fn r5_what_a_new_file_holds_beyond_what_its_truncated_neighbour_had_is_read() {
    let header = "#Fields: date time s-ip cs-method cs-uri-stem sc-status\n".repeat(30);
    for seen in ["", &header] {
        let mut desk = Desk::new(&["app.log*"]);
        desk.write("app.log", format!("{header}1 is longer than what comes beside it\n"));
        desk.start().take();
        desk.write("app.log.1", seen);
        desk.run();
        // Before the next look, so that it can be compared with nothing.
        desk.write("app.log.1", header.strip_prefix(seen).unwrap());
        desk.write("app.log.1", "2\n");
        File::create(desk.path("app.log")).unwrap();
        desk.write("app.log", "3\n");
        desk.run().pass(Duration::from_secs(5));
        let text = desk.take();
        assert_eq!(text.len(), header.len() - seen.len() + 4, "{text}");
        assert!(text.contains("2\n") && text.contains("3\n"), "{text}");
    }
}

#[test]
fn r5_a_new_file_with_a_rotated_name_is_read_as_soon_as_it_holds_what_its_neighbour_has_not() {
    let header = "#Fields: date time s-ip cs-method cs-uri-stem sc-status\n".repeat(30);
    let mut desk = Desk::new(&["app.log*"]);
    desk.write("app.log", format!("{header}1 is longer\n"));
    desk.start().take();
    File::create(desk.path("app.log.1")).unwrap();
    desk.run();
    for line in [format!("{header}2\n"), "3\n".to_owned()] {
        desk.write("app.log.1", &line);
        desk.pass(TICK);
        assert_eq!(desk.take(), line);
    }
    // One that stays empty is held no longer than one that looks like a copy, and one without a
    // neighbour that was read not at all.
    File::create(desk.path("app.log.2")).unwrap();
    let grace = desk.limits.copy_grace;
    desk.run().pass(grace);
    desk.write("app.log.2", &header);
    assert_eq!(desk.run().take(), header);
    File::create(desk.path("app.log.old.1")).unwrap();
    desk.run();
    desk.write("app.log.old.1", "4\n");
    assert_eq!(desk.run().take(), "4\n");
}

#[test]
fn r5_r10_a_directory_is_not_listed_for_each_of_many_files_that_are_truncated_without_a_copy() {
    const FILES: u64 = 200;
    for (is_link, is_away) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut desk = Desk::new(&["l/*.log"]);
        let dir = if is_link { "d" } else { "l" };
        std::fs::create_dir(desk.path("l")).unwrap();
        for number in 0..FILES {
            desk.write(&format!("{dir}/f{number}.log"), format!("{number} is longer\n"));
            if is_link {
                let link = desk.path(&format!("l/f{number}.log"));
                std::os::unix::fs::symlink(format!("../d/f{number}.log"), link).unwrap();
            }
        }
        desk.start().take();
        let records = is_away.then(|| desk.leave());
        for number in 0..FILES {
            std::fs::write(desk.path(&format!("{dir}/f{number}.log")), "new\n").unwrap();
        }
        // What was changed a moment ago may not be in a listing yet.
        let changed = desk.later();
        while desk.later() < changed + 2 * discover::BIRTH_LATE_NS {}
        match records {
            Some(records) => desk.restart_with(records),
            None => desk.run(),
        };
        assert_eq!(desk.take(), "new\n".repeat(FILES as usize));
        assert_eq!(desk.stats().rewritten, FILES);
        let looks = desk.tail().looks;
        assert!(looks < 20, "{looks} looks, {is_link} {is_away}");
    }
}

#[test]
fn r5_r10_the_search_of_copies_costs_no_more_per_file_where_there_are_many() {
    const FILES: u64 = 100;
    const COPIES: u64 = 4;
    for has_copy in [true, false] {
        let mut desk = Desk::new(&["*.log"]);
        for (number, copy) in (0..FILES).flat_map(|number| (1..=COPIES).map(move |at| (number, at)))
        {
            desk.write(&format!("{number}.log.{copy}"), "what was long ago\n");
        }
        desk.later();
        for number in 0..FILES {
            desk.write(&format!("{number}.log"), format!("{number}\n"));
        }
        desk.start().take();
        for number in 0..FILES {
            let path = |end: &str| desk.path(&format!("{number}.log{end}"));
            if has_copy {
                std::fs::copy(path(""), path(".5")).unwrap();
            }
            File::create(path("")).unwrap();
        }
        assert_eq!(desk.run().take(), "");
        assert_eq!(desk.stats().rewritten, FILES);
        // The names twice and the copies, and where none fits, what was listed before once more.
        let most = FILES * if has_copy { COPIES + 3 } else { 2 + 2 * COPIES };
        let looks = desk.tail().looks;
        assert!(looks <= most, "{looks} looks, and not {most}");
    }
}

#[test]
fn r5_r19_what_a_copy_has_and_has_not_arrived_is_read_from_it_after_a_stop_although_more_was_read()
{
    let first = format!("1 {}\n2\n", "x".repeat(HEAD_BYTES_MAX));
    let long = first.len() as u64;
    for (pattern, arrived) in
        [("app.log", 0), ("app.log", long), ("app.log", long + 2), ("*.log", long)]
    {
        let mut desk = Desk::new(&[pattern]);
        desk.commit = false;
        desk.write("app.log", &first);
        desk.start();
        let path = desk.path("app.log");
        let key = desk.tail().key_at(&path).unwrap();
        desk.tail().commit(key, arrived.min(long));
        desk.tail().records().count();
        desk.write("app.log", "3\n");
        desk.run();
        // More is written before the truncation, and has not arrived either.
        std::fs::copy(&path, desk.path("app.log.1")).unwrap();
        desk.write("app.log", "4\n");
        desk.run();
        desk.tail().commit(key, arrived);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        desk.later();
        desk.write("app.log", "5\n");
        assert_eq!(desk.run().take(), format!("{first}3\n4\n5\n"));
        assert_eq!(
            desk.tail().unfound(key),
            Some((Unfound::Rewritten, long + 2)),
            "{pattern} {arrived}"
        );
        // A stop looks for the copy once more.
        let (copy, now) = (desk.path("app.log.1"), desk.now);
        rename(&copy, desk.path("app.log.1.gz")).unwrap();
        desk.tail().prepare_end(now);
        assert_eq!(desk.tail().unfound(key), Some((Unfound::Rewritten, 0)), "{pattern} {arrived}");
        rename(desk.path("app.log.1.gz"), &copy).unwrap();
        desk.tail().remember_copy(key);
        let records = desk.leave();
        // The marker of what had arrived is that of the last checkpoint.
        let again = format!("{}3\n5\n", if arrived == 0 { &first } else { "" });
        assert_eq!(desk.restart_with(records).take(), again, "{pattern} {arrived}");
    }
}
