//! R1, R2, R3, R6: which file is which.

use super::*;
use std::fs::{remove_file, rename};
use std::os::unix::fs::symlink;

#[test]
fn r1_a_thousand_files_made_anew_under_a_stale_checkpoint_are_each_read_once() {
    let mut desk = Desk::new(&["app.log"]);
    desk.limits.deleted_quiet = Duration::ZERO;
    desk.start();
    let mut inodes = std::collections::HashSet::new();
    for round in 0..1000_u32 {
        // Every file begins in the same way, is as long, and often has the same inode number.
        let text = format!("the same banner\n{round:04}\n");
        desk.write("app.log", &text);
        let meta = std::fs::metadata(desk.path("app.log")).unwrap();
        inodes.insert(std::os::unix::fs::MetadataExt::ino(&meta));
        if round % 2 == 0 {
            desk.run();
        }
        if round % 5 == 0 {
            let records = desk.tail().records().collect::<Vec<_>>();
            desk.tailer = None;
            remove_file(desk.path("app.log")).unwrap();
            let text = if round % 2 == 0 { String::new() } else { text };
            desk.write("app.log", format!("the same banner\nnew {round:04}\n{text}"));
            desk.restart_with(records);
        }
        desk.run();
        remove_file(desk.path("app.log")).unwrap();
        desk.run();
    }
    let text = desk.take();
    for round in 0..1000_u32 {
        let line = format!("\n{round:04}\n");
        assert_eq!(text.matches(&line).count(), 1, "{round}");
        let line = format!("\nnew {round:04}\n");
        assert_eq!(text.matches(&line).count(), usize::from(round % 5 == 0), "{round}");
    }
    if inodes.len() == 1000 {
        eprintln!("SKIP r1_a_new_inode: this file system used no inode number twice");
    }
}

#[test]
fn r2_an_offset_beyond_the_end_or_after_other_bytes_is_not_trusted() {
    let mut desk = Desk::new(&["app.log"]);
    desk.write("app.log", "one\ntwo\n");
    desk.start().take();
    let good = desk.tail().records().collect::<Vec<_>>();
    let mut beyond = good.clone();
    beyond[0].offset = 100;
    desk.restart_with(beyond);
    assert_eq!(desk.take(), "one\ntwo\n");
    assert_eq!(desk.stats().rewritten, 1);
    let mut moved = good.clone();
    moved[0].offset = 4;
    moved[0].marker.len = 4;
    desk.restart_with(moved);
    assert_eq!(desk.take(), "one\ntwo\n");
    desk.restart_with(good);
    assert_eq!((desk.take().as_str(), desk.stats().rewritten), ("", 0));
}

#[test]
fn r2_a_file_that_is_written_anew_in_place_and_is_longer_now_is_read_from_its_beginning() {
    use std::os::unix::fs::FileExt as _;
    let mut desk = Desk::new(&["app.log"]);
    desk.write("app.log", "the first line\nold\n");
    desk.start().take();
    let file = std::fs::OpenOptions::new().write(true).open(desk.path("app.log")).unwrap();
    file.write_all_at(b"the first line\nnew\nnewer\n", 0).unwrap();
    assert_eq!(desk.run().take(), "the first line\nnew\nnewer\n");
    assert_eq!(desk.rewritten.len(), 1);
    assert_eq!(desk.restart().take(), "");
}

#[test]
fn r6_files_that_begin_alike_are_two_files() {
    let mut desk = Desk::new(&["*.log"]);
    let banner = "# banner\n".repeat(200);
    desk.write("a.log", format!("{banner}a\n"));
    desk.write("b.log", format!("{banner}b\n"));
    desk.start();
    assert_eq!(desk.take().len(), 2 * banner.len() + 4);
    desk.write("c.log", format!("{banner}c\n"));
    desk.run();
    assert_eq!(desk.take(), format!("{banner}c\n"));
    assert_eq!(desk.restart().take(), "");
}

#[test]
fn r6_hard_links_and_a_link_with_its_target_are_read_once() {
    let mut desk = Desk::new(&["*.log", "links/*"]);
    desk.write("a.log", "a\n");
    std::fs::create_dir(desk.path("links")).unwrap();
    std::fs::hard_link(desk.path("a.log"), desk.path("b.log")).unwrap();
    symlink(desk.path("a.log"), desk.path("links/c")).unwrap();
    desk.start();
    assert_eq!(desk.take(), "a\n");
    // One name goes; the file is still there under the others.
    remove_file(desk.path("a.log")).unwrap();
    desk.run();
    desk.write("b.log", "more\n");
    desk.pass(Duration::from_secs(5));
    assert_eq!(desk.take(), "more\n");
    assert!(desk.ended.is_empty());
}

#[test]
fn r6_a_link_that_points_elsewhere_is_a_rotation() {
    let mut desk = Desk::new(&["current"]);
    desk.write("data/1", "1\n");
    desk.write("data/2", "3\n");
    symlink(desk.path("data/1"), desk.path("current")).unwrap();
    desk.start();
    assert_eq!(desk.take(), "1\n");
    // Writes are told in the directory of the target, where no pattern leads.
    desk.write("data/1", "2\n");
    assert_eq!(desk.run().take(), "2\n");
    symlink(desk.path("data/2"), desk.path("next")).unwrap();
    rename(desk.path("next"), desk.path("current")).unwrap();
    assert_eq!(desk.run().take(), "3\n");
    desk.write("data/2", "4\n");
    assert_eq!(desk.run().take(), "4\n");
    desk.pass(Duration::from_secs(61));
    assert_eq!(desk.ended, [desk.keys[0]]);
    assert_eq!(desk.restart().take(), "");
}

#[test]
fn r6_a_target_that_is_rotated_under_its_link_is_followed_at_once() {
    let mut desk = Desk::new(&["pods/*.log"]);
    desk.write("data/json.log", "1\n");
    std::fs::create_dir(desk.path("pods")).unwrap();
    symlink(desk.path("data/json.log"), desk.path("pods/0.log")).unwrap();
    desk.start();
    for round in 2..5 {
        desk.write("data/json.log", format!("{round} old\n"));
        rename(desk.path("data/json.log"), desk.path("data/json.log.1")).unwrap();
        if round == 3 {
            // The link leads nowhere for a moment.
            desk.run();
        }
        desk.write("data/json.log", format!("{round} new\n"));
        desk.run();
    }
    let expected = "1\n2 old\n2 new\n3 old\n3 new\n4 old\n4 new\n";
    assert_eq!(desk.take(), expected);
    let now = desk.now + Duration::from_secs(120);
    desk.now = now;
    desk.run();
    desk.write("data/json.log", "more\n");
    assert_eq!(desk.run().take(), "more\n");
    assert_eq!(desk.restart().take(), "");
}
