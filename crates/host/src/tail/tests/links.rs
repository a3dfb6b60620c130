//! R4, R5, R19: files that are read over links, as those of containers are: what a rotation makes
//! of a target lies beside that, not beside the link.

use super::*;
use std::fs::{File, rename};
use std::os::unix::fs::{lchown, symlink};
use std::sync::Arc;

/// The target, whose directory no pattern means.
const TARGET: &str = "pods/web/0.log";

/// A link, over a second one or not, to a target with one line that was read.
fn linked(is_chain: bool) -> Desk {
    let mut desk = Desk::new(&["containers/*.log"]);
    desk.write(TARGET, "1\n");
    point(&desk, "containers/web.log", if is_chain { "pods/link.log" } else { TARGET });
    point(&desk, "pods/link.log", TARGET);
    assert_eq!(desk.start().take(), "1\n");
    desk
}

fn point(desk: &Desk, link: &str, target: &str) {
    std::fs::create_dir_all(desk.path(link).parent().unwrap()).unwrap();
    symlink(desk.path(target), desk.path("link")).unwrap();
    rename(desk.path("link"), desk.path(link)).unwrap();
}

/// As the kubelet does it.
fn rotate(desk: &Desk, number: u32) {
    desk.later();
    rename(desk.path(TARGET), desk.path(&format!("{TARGET}.20260101-00000{number}"))).unwrap();
    desk.later();
    File::create(desk.path(TARGET)).unwrap();
}

fn copy_and_truncate(desk: &Desk, number: u32) {
    desk.later();
    std::fs::copy(desk.path(TARGET), desk.path(&format!("{TARGET}.{number}"))).unwrap();
    desk.later();
    File::create(desk.path(TARGET)).unwrap();
}

/// The records of now; a kill comes later than that.
fn checkpoint(desk: &mut Desk) -> Vec<Resume> {
    let records = desk.tail().records().collect();
    desk.left_ns = Some(desk.later());
    records
}

#[test]
fn r19_what_is_unread_of_a_target_that_is_rotated_while_we_are_away_is_read_first() {
    for is_chain in [false, true] {
        for is_killed in [false, true] {
            for rotations in 0..=3 {
                let mut desk = linked(is_chain);
                let records = checkpoint(&mut desk);
                let mut expected = String::new();
                if is_killed {
                    desk.write(TARGET, "read and not in the checkpoint\n");
                    expected += &desk.run().take();
                }
                desk.tailer = None;
                for round in 0..rotations {
                    let line = format!("line {round}\n");
                    desk.write(TARGET, &line);
                    expected += &line;
                    rotate(&desk, round);
                }
                desk.write(TARGET, "new\n");
                expected += "new\n";
                let case = format!("{is_chain} {is_killed} {rotations}");
                // A start that has no time to read changes nothing.
                for _ in 0..2 {
                    desk.restart_with(records.clone());
                    desk.pass(Duration::from_secs(3));
                    assert_eq!(desk.take(), expected, "{case}");
                }
                desk.write(TARGET, "more\n");
                assert_eq!(desk.run().take(), "more\n", "{case}");
                assert_eq!(desk.restart().take(), "", "{case}");
                assert_eq!(desk.stats().possible_losses, 0);
            }
        }
    }
}

#[test]
fn r19_the_rest_of_a_rotated_target_is_of_the_input_and_the_path_of_its_link() {
    let mut desk = linked(false);
    let records = desk.leave();
    for round in 0..2 {
        desk.write(TARGET, format!("line {round}\n"));
        rotate(&desk, round);
    }
    desk.write(TARGET, "new\n");
    desk.inputs.insert(0, desk.input(&["*.txt"]));
    desk.commit = false;
    for _ in 0..2 {
        let (inputs, limits) = (desk.inputs.clone(), desk.limits.clone());
        let mut tailer =
            Tailer::new(inputs, limits, records.clone(), desk.left_ns, desk.now).unwrap();
        let mut lines = 0;
        while let Some(chunk) = tailer.turn(desk.now) {
            assert_eq!((&**chunk.path, chunk.input), (&*desk.path("containers/web.log"), 1));
            lines += usize::from(!chunk.bytes.is_empty());
        }
        assert_eq!(lines, 3);
        // All of them are in the next checkpoint, under that path.
        let mut records: Vec<Resume> = tailer.records().collect();
        records.sort_by_key(|record| record.identity.birth_ns);
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [2, 0, 0]);
        assert!(records.iter().all(|record| *record.path == *desk.path("containers/web.log")));
        desk.restart_with(records);
        assert_eq!(desk.take(), "line 0\nline 1\nnew\n");
    }
}

#[test]
fn r5_r19_what_is_unread_of_a_target_that_is_copied_and_truncated_is_read_from_its_copies() {
    for is_chain in [false, true] {
        for is_away in [false, true] {
            for times in 1..=3 {
                let mut desk = linked(is_chain);
                let records = is_away.then(|| desk.leave());
                let mut expected = String::new();
                for round in 0..times {
                    let line = format!("line {round}\n");
                    desk.write(TARGET, &line);
                    copy_and_truncate(&desk, round);
                    expected += &line;
                }
                desk.later();
                desk.write(TARGET, "new\n");
                expected += "new\n";
                if let Some(records) = records {
                    desk.restart_with(records);
                }
                let case = format!("{is_chain} {is_away} {times}");
                desk.run().pass(Duration::from_secs(5));
                assert_eq!(desk.take(), expected, "{case}");
                assert_eq!(desk.stats().possible_losses, 0, "{case}");
                let records = desk.leave();
                assert_eq!(desk.restart_with(records).take(), "", "{case}");
            }
        }
    }
}

#[test]
fn r6_r19_a_link_that_is_pointed_elsewhere_while_we_are_away_leaves_nothing_unread() {
    for is_rotated in [false, true] {
        let mut desk = linked(false);
        let records = desk.leave();
        desk.write(TARGET, "2\n");
        if is_rotated {
            rotate(&desk, 0);
        }
        desk.later();
        desk.write("pods/web/1.log", "3\n");
        point(&desk, "containers/web.log", "pods/web/1.log");
        assert_eq!(desk.restart_with(records).take(), "2\n3\n", "{is_rotated}");
        desk.write("pods/web/1.log", "4\n");
        assert_eq!(desk.run().take(), "4\n", "{is_rotated}");
        assert_eq!(desk.restart().take(), "", "{is_rotated}");
    }
}

#[test]
fn r19_a_link_that_leads_nowhere_yet_tells_where_its_rotated_target_lies() {
    let mut desk = linked(false);
    let records = desk.leave();
    desk.write(TARGET, "2\n");
    rename(desk.path(TARGET), desk.path("pods/web/0.log.1")).unwrap();
    assert_eq!(desk.restart_with(records).take(), "2\n");
}

#[test]
fn r4_r19_targets_in_several_directories_are_rotated_each_in_its_own() {
    let targets: Vec<String> =
        (0..3).flat_map(|pod| (0..3).map(move |file| format!("pods/{pod}/{file}.log"))).collect();
    let mut desk = Desk::new(&["containers/*.log"]);
    for (number, target) in targets.iter().enumerate() {
        desk.write(target, "1\n");
        point(&desk, &format!("containers/{number}.log"), target);
    }
    desk.start().take();
    let records = desk.leave();
    for target in &targets {
        desk.write(target, format!("{target} old\n"));
        rename(desk.path(target), desk.path(&format!("{target}.20260101-000000"))).unwrap();
        desk.write(target, format!("{target} new\n"));
    }
    let text = desk.restart_with(records).take();
    assert_eq!(text.lines().count(), 2 * targets.len());
    for target in &targets {
        let at = |end: &str| text.find(&format!("{target} {end}\n")).unwrap();
        assert!(at("old") < at("new"), "{target}");
    }
}

#[test]
fn r6_r19_what_a_rotation_made_of_a_target_is_read_once_whoever_means_it() {
    for pattern in ["others/*.log", "pods/*/*.log", "pods/*/*.log*"] {
        let mut desk = linked(false);
        point(&desk, "others/web.log", TARGET);
        desk.inputs.push(desk.input(&[pattern]));
        let records = desk.leave();
        desk.restart_with(records);
        let records = desk.leave();
        for round in 0..3 {
            desk.write(TARGET, format!("line {round}\n"));
            rotate(&desk, round);
        }
        desk.write(TARGET, "new\n");
        desk.restart_with(records);
        desk.pass(Duration::from_secs(5));
        let text = desk.take();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["line 0", "line 1", "line 2", "new"], "{pattern}");
        assert_eq!(desk.restart().take(), "", "{pattern}");
    }
}

#[test]
fn r4_r19_a_target_of_a_link_that_nobody_saw_is_read_with_what_was_rotated_of_it() {
    for (is_away, is_known) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut desk = Desk::new(&["containers/*.log"]);
        std::fs::create_dir(desk.path("containers")).unwrap();
        if is_known {
            // Another link leads into the directory.
            desk.write("pods/web/9.log", "0\n");
            point(&desk, "containers/9.log", "pods/web/9.log");
        }
        desk.start().take();
        let records = is_away.then(|| desk.leave());
        desk.later();
        desk.write(TARGET, "1\n");
        // What it is not a rotated name of is none of its business.
        desk.write("pods/web/other.log.1", "no\n");
        rotate(&desk, 0);
        desk.write(TARGET, "2\n");
        point(&desk, "containers/web.log", TARGET);
        if let Some(records) = records {
            desk.restart_with(records);
        }
        desk.run();
        let text = desk.take();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["1", "2"], "{is_away} {is_known}");
        assert_eq!(desk.restart().take(), "", "{is_away} {is_known}");
    }
}

#[test]
fn r4_a_target_that_is_rotated_several_times_before_we_look_is_read_whole() {
    for is_polled in [false, true] {
        for open_idle_max in [0, 9] {
            let mut desk = linked(false);
            if is_polled {
                desk.limits.watches_max = 0;
            }
            desk.limits.open_idle_max = open_idle_max;
            desk.restart();
            for round in 0..3 {
                desk.write(TARGET, format!("line {round}\n"));
                rotate(&desk, round);
            }
            desk.write(TARGET, "new\n");
            desk.run().pass(Duration::from_secs(20));
            let text = desk.take();
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines, ["line 0", "line 1", "line 2", "new"], "{is_polled} {open_idle_max}");
            assert_eq!(desk.restart().take(), "", "{is_polled} {open_idle_max}");
        }
    }
}

#[test]
fn r19_r20_a_rotated_target_is_found_by_the_next_start_and_not_like_a_deleted_one() {
    let mut desk = linked(false);
    desk.commit = false;
    desk.write(TARGET, "2\n");
    rotate(&desk, 0);
    let now = desk.now;
    desk.tail().prepare_end(now);
    assert_eq!(desk.tail().deleted(now), []);
    let records = desk.leave();
    assert_eq!(desk.restart_with(records).take(), "2\n");
}

#[test]
fn r7_a_rotated_target_that_is_compressed_is_not_read() {
    let mut desk = linked(false);
    let records = desk.leave();
    rename(desk.path(TARGET), desk.path("pods/web/0.log.1.gz")).unwrap();
    append(&desk.path("pods/web/0.log.1.gz"), b"packed\n");
    desk.write("pods/web/0.log.2.gz", "packed\n");
    desk.write(TARGET, "new\n");
    assert_eq!(desk.restart_with(records).take(), "new\n");
}

#[test]
fn what_a_rotation_made_of_a_target_is_read_only_for_who_may_have_its_link_followed() {
    let nobody = Some(65_534);
    for name in ["0.log.1", "0.log.2"] {
        let mut desk = linked(false);
        if lchown(desk.path("containers/web.log"), nobody, None).is_err() {
            eprintln!("SKIP what_a_rotation_made: giving a file away needs root");
            return;
        }
        lchown(desk.path(TARGET), nobody, None).unwrap();
        let records = desk.leave();
        desk.write(TARGET, "own rest\n");
        rename(desk.path(TARGET), desk.path("pods/web/0.log.1")).unwrap();
        desk.later();
        desk.write("pods/web/0.log.2", "own\n");
        desk.later();
        desk.write(TARGET, "new\n");
        for own in [TARGET, "pods/web/0.log.1", "pods/web/0.log.2"] {
            lchown(desk.path(own), nobody, None).unwrap();
        }
        lchown(desk.path("pods/web").join(name), Some(0), None).unwrap();
        let others = if name == "0.log.1" { "own\n" } else { "own rest\n" };
        desk.restart_with(records);
        desk.pass(Duration::from_secs(5));
        assert_eq!(desk.take(), format!("{others}new\n"), "{name}");
        // Nor is a copy.
        desk.later();
        desk.write(TARGET, "copied\n");
        copy_and_truncate(&desk, 3);
        desk.write(TARGET, "last\n");
        assert_eq!(desk.run().take(), "last\n");
    }
}

#[test]
fn where_links_are_refused_nothing_is_read_of_what_was_a_target() {
    let mut desk = linked(false);
    let records = desk.leave();
    desk.write(TARGET, "2\n");
    for round in 0..2 {
        rotate(&desk, round);
        desk.write(TARGET, "3\n");
    }
    desk.inputs[0].symlinks = Symlinks::Refused;
    assert_eq!(desk.restart_with(records).pass(Duration::from_secs(5)).take(), "");
}

#[test]
fn r4_a_closed_target_that_gets_a_name_that_is_none_of_a_rotation_is_read_to_its_end() {
    let mut desk = linked(false);
    (desk.limits.watches_max, desk.limits.open_idle_max) = (0, 0);
    desk.restart();
    desk.write(TARGET, "2\n");
    rename(desk.path(TARGET), desk.path("pods/web/kept")).unwrap();
    desk.write(TARGET, "3\n");
    assert_eq!(desk.pass(Duration::from_secs(20)).take(), "2\n3\n");
    assert_eq!(desk.stats().possible_losses, 0);
}

#[test]
fn r31_a_target_that_we_write_ourselves_by_now_is_not_read_on() {
    let mut desk = linked(false);
    let records = desk.leave();
    desk.write(TARGET, "own\n");
    let mut own = Own::default();
    own.add_file(&desk.path(TARGET));
    desk.inputs[0].own = Arc::new(own);
    assert_eq!(desk.restart_with(records).pass(Duration::from_secs(5)).take(), "");
}

#[test]
fn r6_what_is_renamed_where_a_link_led_before_is_none_of_its_business() {
    let mut desk = linked(false);
    desk.write("pods/web/1.log", "2\n");
    point(&desk, "containers/web.log", "pods/web/1.log");
    assert_eq!(desk.run().take(), "2\n");
    std::fs::remove_file(desk.path(TARGET)).unwrap();
    desk.run();
    desk.write(TARGET, "no\n");
    rotate(&desk, 0);
    assert_eq!(desk.run().take(), "");
}

#[test]
fn r30_what_is_renamed_where_a_link_led_is_not_read_once_links_are_refused() {
    let mut desk = linked(false);
    desk.inputs[0].symlinks = Symlinks::Refused;
    let (inputs, now) = (desk.inputs.clone(), desk.now);
    desk.tail().reconfigure(inputs, now);
    for round in 0..2 {
        rotate(&desk, round);
        desk.write(TARGET, "no\n");
    }
    assert_eq!(desk.run().take(), "");
}

#[test]
fn r6_a_target_is_followed_over_its_second_link_when_the_first_one_leads_elsewhere() {
    let mut desk = linked(false);
    point(&desk, "containers/second.log", TARGET);
    desk.run();
    desk.write("pods/web/1.log", "2\n");
    point(&desk, "containers/web.log", "pods/web/1.log");
    assert_eq!(desk.run().take(), "2\n");
    rotate(&desk, 0);
    desk.write(TARGET, "3\n");
    assert_eq!(desk.run().take(), "3\n");
}

#[test]
fn r10_r19_a_start_lists_no_directory_of_targets_that_are_as_they_were_and_each_other_once() {
    const FILES: usize = 50;
    let mut desk = Desk::new(&["containers/*.log"]);
    let target = |number: usize| format!("pods/{}/{number}.log", number % 2);
    for number in 0..FILES {
        desk.write(&target(number), "1\n");
        point(&desk, &format!("containers/{number}.log"), &target(number));
    }
    desk.start().take();
    let records = desk.leave();
    desk.restart_with(records);
    assert_eq!(desk.tail().looks, 0);
    let records = desk.leave();
    for number in 0..FILES {
        for round in 0..2 {
            desk.write(&target(number), format!("{round}\n"));
            let to = format!("{}.{round}", target(number));
            rename(desk.path(&target(number)), desk.path(&to)).unwrap();
        }
        desk.write(&target(number), "2\n");
        desk.write(&format!("pods/{}/{number}.txt.1", number % 2), "no\n");
    }
    assert_eq!(desk.restart_with(records).take().lines().count(), 3 * FILES);
    // One of the links, and of each of the others one for what is known and one for what is not,
    // with a look at what each target was renamed to.
    assert_eq!(desk.tail().looks, 5 + 2 * FILES as u64);
}
