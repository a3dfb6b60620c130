//! Bad input: what is no file, cannot be read, or is too much; R7 and R9.

use super::*;
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::os::unix::fs::{PermissionsExt as _, symlink};

#[test]
fn pipes_devices_and_loops_block_nobody_and_are_told_once() {
    let mut desk = Desk::new(&["**/*"]);
    let pipe = desk.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(desk.path("socket")).unwrap();
    symlink("/dev/zero", desk.path("zero")).unwrap();
    symlink(desk.path("self"), desk.path("self")).unwrap();
    std::fs::create_dir(desk.path("loop")).unwrap();
    symlink("..", desk.path("loop/up")).unwrap();
    desk.write("loop/a", "a\n");
    desk.start();
    assert_eq!(desk.take(), "a\n");
    let now = desk.now;
    desk.now = now + Duration::from_secs(120);
    desk.run();
    // A link to what another user owns is not followed, so only root comes as far as the device.
    let devices = u64::from(rustix::process::geteuid().is_root());
    assert_eq!((desk.stats().special, desk.stats().links_refused), (2 + devices, 1 - devices));
    let notices = desk.notices();
    for name in ["loop/up", "self"] {
        assert!(notices.contains(&Notice::Loop { path: desk.path(name) }), "{notices:?}");
    }
    assert_eq!((notices.len(), desk.stats().loops), (5, 2));
    assert_eq!(desk.stats().directories, 2);
}

#[test]
fn r7_compressed_neighbours_are_never_read_as_text() {
    let mut desk = Desk::new(&["*"]);
    for name in ["a.log.1.gz", "a.log.tmp", "a.log.zst", "a.log"] {
        desk.write(name, format!("{name}\n"));
    }
    desk.start();
    std::fs::rename(desk.path("a.log"), desk.path("a.log.gz")).unwrap();
    desk.write("a.log.2.gz", "later\n");
    desk.run();
    assert_eq!(desk.take(), "a.log\n");
}

#[test]
fn an_unreadable_file_is_told_once_and_read_when_it_may_be() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("a.log", "a\n");
    let mode = |desk: &Desk, bits| {
        let permissions = std::fs::Permissions::from_mode(bits);
        std::fs::set_permissions(desk.path("a.log"), permissions).unwrap();
    };
    mode(&desk, 0);
    // Of this thread alone: with them root reads everything.
    give_up(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    assert!(std::fs::File::open(desk.path("a.log")).is_err());
    desk.start();
    desk.pass(Duration::from_secs(60));
    assert_eq!(desk.notices().len(), 1);
    assert_eq!(desk.stats().unreadable, 1);
    assert!(desk.stats().failures > 1);
    mode(&desk, 0o644);
    desk.run();
    assert_eq!(desk.take(), "a\n");
    assert_eq!(desk.stats().unreadable, 0);
    assert_eq!(desk.notices(), [Notice::Readable { path: desk.path("a.log") }]);
}

#[test]
fn what_cannot_be_read_is_tried_again_with_growing_pauses() {
    let mut desk = Desk::new(&["*.log"]);
    desk.start();
    let (path, now) = (desk.path("a.log"), desk.now);
    for _ in 0..20 {
        desk.tail().cannot_read(&path, Errno::ACCESS, now);
    }
    assert_eq!(desk.notices().len(), 1);
    let longest = desk.limits.retry_every.1;
    assert_eq!(desk.tail().unreadable[&path].pause, longest);
    desk.write("a.log", "a\n");
    desk.run();
    assert_eq!(desk.take(), "a\n");
    assert_eq!(desk.stats().unreadable, 0);
}

#[test]
fn links_of_others_and_links_that_nobody_wants_are_not_followed() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("secret", "secret\n");
    symlink(desk.path("secret"), desk.path("a.log")).unwrap();
    desk.inputs[0].symlinks = Symlinks::Refused;
    desk.start();
    assert_eq!((desk.take().as_str(), desk.stats().links_refused), ("", 1));
    // Only root can give a link to somebody else.
    if std::os::unix::fs::lchown(desk.path("a.log"), Some(65_534), None).is_err() {
        eprintln!("SKIP links_of_others: giving a link away needs root");
        return;
    }
    desk.inputs[0].symlinks = Symlinks::Owned;
    desk.restart();
    assert_eq!((desk.take().as_str(), desk.stats().links_refused), ("", 1));
    assert_eq!(desk.notices(), [Notice::LinkRefused { path: desk.path("a.log") }]);
}

#[test]
fn a_directory_that_is_pointed_elsewhere_has_nothing_read_behind_it() {
    type Lure = fn(&Desk);
    let lures: [(&str, Lure); 3] = [
        // A name that is told before it is known that its directory is another one now.
        ("a new file", |desk| desk.write("u/logs/x.log", "")),
        ("a new directory", |desk| std::fs::create_dir(desk.path("u/logs/deep")).unwrap()),
        // What was not read of a truncated file is looked for in copies beside it.
        ("a copy", |desk| drop(std::fs::File::create(desk.path("u/logs/a.log")).unwrap())),
    ];
    for (name, lure) in lures {
        let mut desk = Desk::new(&["*/logs/**/*.log"]);
        desk.write("u/logs/a.log", "own\n");
        for secret in ["secret/x.log", "secret/deep/y.log", "secret/key"] {
            desk.write(secret, "own\nsecret\n");
        }
        // All is owned by one user here: the rule for links would let him read his own.
        desk.inputs[0].symlinks = Symlinks::Refused;
        desk.start().take();
        lure(&desk);
        std::fs::rename(desk.path("u/logs"), desk.path("u/old")).unwrap();
        symlink(desk.path("secret"), desk.path("u/logs")).unwrap();
        desk.run();
        desk.pass(Duration::from_secs(61));
        assert!(!desk.text().contains("secret"), "{name}: {}", desk.text());
    }
}

#[test]
fn r4_nobody_waits_for_a_file_whose_reads_fail() {
    let mut desk = Desk::new(&["a.log"]);
    // A regular file, and nothing can be read at its beginning.
    symlink("/proc/self/mem", desk.path("a.log")).unwrap();
    desk.start();
    assert_eq!(desk.stats().files, 1);
    desk.write("next", "next\n");
    std::fs::rename(desk.path("next"), desk.path("a.log")).unwrap();
    assert_eq!(desk.run().take(), "next\n");
    assert!(desk.stats().failures > 0);
}

/// An open file of which every read fails.
fn broken() -> Option<std::os::fd::OwnedFd> {
    Some(std::fs::File::open("/").unwrap().into())
}

#[test]
fn a_file_whose_reads_failed_is_told_to_be_readable_when_they_do_no_more() {
    let mut desk = Desk::new(&["a.log"]);
    desk.write("a.log", "1\n");
    desk.start().take();
    let key = desk.keys[0];
    let whole = std::mem::replace(&mut desk.tail().file(key).unwrap().fd, broken());
    desk.write("a.log", "2\n");
    assert_eq!((desk.run().take().as_str(), desk.stats().unreadable), ("", 1));
    desk.tail().file(key).unwrap().fd = whole;
    desk.write("a.log", "3\n");
    assert_eq!((desk.run().take().as_str(), desk.stats().unreadable), ("2\n3\n", 0));
    let notices = desk.notices();
    assert_eq!(notices.last(), Some(&Notice::Readable { path: desk.path("a.log") }));
    assert_eq!(notices.len(), 2);
}

#[test]
fn a_renamed_file_whose_reads_failed_is_told_to_be_readable_when_they_do_no_more() {
    let mut desk = Desk::new(&["a.log"]);
    desk.write("a.log", "1\n");
    desk.start().take();
    let key = desk.keys[0];
    std::fs::rename(desk.path("a.log"), desk.path("a.log.1")).unwrap();
    desk.write("a.log.1", "2\n");
    let whole = std::mem::replace(&mut desk.tail().file(key).unwrap().fd, broken());
    assert_eq!((desk.run().take().as_str(), desk.stats().unreadable), ("", 1));
    desk.tail().file(key).unwrap().fd = whole;
    assert_eq!(desk.pass(TICK).take(), "2\n");
    assert_eq!(desk.stats().unreadable, 0);
    let path = desk.path("a.log.1");
    assert_eq!(desk.notices().last(), Some(&Notice::Readable { path }));
}

#[test]
fn a_file_without_a_name_whose_reads_fail_is_told_once_and_makes_no_other_file_unreadable() {
    let mut desk = Desk::new(&["a.log"]);
    desk.write("a.log", "1\n");
    desk.start().take();
    let key = desk.keys[0];
    std::fs::create_dir(desk.path("old")).unwrap();
    std::fs::rename(desk.path("a.log"), desk.path("old/a.log")).unwrap();
    desk.write("old/a.log", "2\n");
    desk.write("a.log", "3\n");
    let whole = std::mem::replace(&mut desk.tail().file(key).unwrap().fd, broken());
    assert_eq!(desk.run().take(), "3\n");
    desk.pass(Duration::from_secs(10));
    let (stats, notices) = (desk.stats(), desk.notices());
    assert!(stats.unreadable == 0 && stats.failures > 1, "{stats:?}");
    assert!(matches!(&notices[..], [Notice::Unreadable { .. }]), "{notices:?}");
    desk.tail().file(key).unwrap().fd = whole;
    assert_eq!(desk.pass(TICK).take(), "2\n");
}

#[test]
fn r5_a_second_look_that_fails_is_no_rewrite() {
    let mut desk = Desk::new(&["a.log"]);
    desk.write("a.log", "1\n");
    desk.start().take();
    let (key, now) = (desk.keys[0], desk.now);
    let whole = std::mem::replace(&mut desk.tail().file(key).unwrap().fd, broken());
    assert_eq!(desk.tail().is_still(key, 1, now), None);
    desk.tail().file(key).unwrap().fd = whole;
    let stats = desk.stats();
    assert_eq!((stats.rewritten, stats.failures, stats.unreadable), (0, 1, 1));
    desk.write("a.log", "2\n");
    assert_eq!(desk.run().take(), "2\n");
}

#[test]
fn r5_the_rest_of_a_copy_whose_reads_fail_is_told_as_lost() {
    let mut desk = Desk::new(&["a.log"]);
    desk.write("a.log", "1\n");
    desk.start().take();
    desk.write("a.log", "2\n");
    std::fs::copy(desk.path("a.log"), desk.path("a.log.1")).unwrap();
    std::fs::File::create(desk.path("a.log")).unwrap();
    let key = desk.keys[0];
    // The truncation is found, and nothing of the copy is read yet.
    let now = desk.now;
    desk.tail().tend(now);
    assert!(desk.tail().read(key, now).is_none());
    desk.tail().file(key).unwrap().fd = broken();
    desk.write("a.log", "3\n");
    assert_eq!(desk.run().take(), "3\n");
    assert_eq!(desk.ended, [key]);
    let (stats, path) = (desk.stats(), desk.path("a.log"));
    // It is as long as what stands for it.
    let bytes = std::fs::metadata("/").unwrap().len() - 2;
    assert_eq!((stats.failures, stats.unreadable), (1, 0));
    assert_eq!((stats.possible_losses, stats.possible_loss_bytes), (1, bytes));
    assert!(desk.notices().contains(&Notice::PossibleLoss { path, bytes }));
}

#[test]
fn files_and_directories_are_followed_up_to_the_bound_and_not_beyond() {
    let mut desk = Desk::new(&["**/*.log"]);
    desk.limits.files_max = 2;
    desk.limits.directories_max = 3;
    for name in ["a.log", "b.log", "c.log", "x/1", "y/1", "z/1"] {
        desk.write(name, format!("{name}\n"));
    }
    desk.start();
    let stats = desk.stats();
    assert_eq!((stats.files, stats.directories, stats.refused), (2, 3, 2));
    assert_eq!(desk.notices().len(), 2);
    // When one goes, the next look finds room for another.
    std::fs::remove_file(desk.path("a.log")).unwrap();
    desk.pass(Duration::from_secs(5));
    desk.now += Duration::from_secs(60);
    desk.run();
    assert_eq!(desk.stats().files, 2);
}

#[test]
fn r9_a_queue_that_overflows_is_made_good_by_comparing_everything() {
    let mut desk = Desk::new(&["*.log"]);
    desk.write("live.log", "0\n");
    desk.start().take();
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: u32 = limit.trim().parse().unwrap();
    if limit > 100_000 {
        eprintln!("SKIP r9_a_queue_that_overflows: the queue holds {limit} events");
        return;
    }
    // Each pair of names makes events that do not merge.
    for round in 0..=limit / 2 {
        let name = desk.path(&format!("noise{}", round % 2));
        std::fs::File::create(&name).unwrap();
        std::fs::remove_file(&name).unwrap();
    }
    desk.write("live.log", "1\n");
    std::fs::rename(desk.path("live.log"), desk.path("live.log.1")).unwrap();
    desk.write("live.log", "2\n");
    desk.write("new.log", "3\n");
    // Made, written and renamed while the kernel dropped events.
    desk.write("gone.log", "4\n");
    std::fs::rename(desk.path("gone.log"), desk.path("gone.log.1")).unwrap();
    desk.run();
    assert_eq!(desk.stats().overflows, 1);
    assert!(desk.notices().contains(&Notice::Overflow));
    let text = desk.take();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1", "2", "3", "4"]);
}

#[test]
fn r9_a_queue_of_writes_that_overflows_is_made_good_by_a_look_at_each_file() {
    let mut desk = Desk::new(&["*.log"]);
    for name in ["a.log", "b.log", "late.log"] {
        desk.write(name, "0\n");
    }
    desk.start().take();
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: u32 = limit.trim().parse().unwrap();
    if limit > 100_000 {
        eprintln!("SKIP r9_a_queue_of_writes_that_overflows: the queue holds {limit} events");
        return;
    }
    // Writes to two files in turn do not merge.
    for round in 0..=limit {
        desk.write(if round.is_multiple_of(2) { "a.log" } else { "b.log" }, "1\n");
    }
    desk.write("late.log", "2\n");
    desk.run();
    assert_eq!(desk.stats().overflows, 1);
    let text = desk.take();
    assert!(text.contains("2\n"), "what no event told of is read");
    assert_eq!(text.lines().count(), limit as usize + 2);
}

#[test]
fn r9_only_of_a_limit_that_is_reached_a_limit_is_spoken_of() {
    let mut desk = Desk::new(&["*.log"]);
    desk.start();
    for (name, errno) in [
        ("a", Errno::ACCESS),
        ("a", Errno::ACCESS),
        ("b", Errno::PERM),
        ("c", Errno::NOENT),
        ("d", Errno::NOSPC),
        ("e", Errno::MFILE),
    ] {
        let path = desk.path(name);
        desk.tail().tell_polling(&path, errno);
    }
    let told: Vec<String> = desk.notices().iter().map(Notice::to_string).collect();
    let is_of = |text: &String, name: &str| text.contains(desk.path(name).to_str().unwrap());
    assert!(is_of(&told[0], "a") && is_of(&told[1], "b") && is_of(&told[2], "d"), "{told:?}");
    let speaks = |text: &String| text.contains("max_user_watches");
    assert_eq!(told.iter().map(speaks).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn r9_without_watches_everything_is_polled_with_one_warning() {
    for watches in [0, 1] {
        let mut desk = Desk::new(&["**/*.log"]);
        desk.limits.watches_max = watches;
        desk.write("a.log", "a1\n");
        desk.write("x/b.log", "b1\n");
        desk.write("y/c.log", "c1\n");
        desk.start();
        assert_eq!(desk.stats().polled as usize, 3 - watches);
        assert_eq!(desk.stats().watches as usize, watches);
        let warned = |notice: &Notice| matches!(notice, Notice::Polling { .. });
        assert_eq!(desk.notices().iter().filter(|notice| warned(notice)).count(), 1);
        desk.take();
        desk.write("x/b.log", "b2\n");
        std::fs::rename(desk.path("x/b.log"), desk.path("x/b.log.1")).unwrap();
        desk.write("x/b.log", "b3\n");
        desk.write("y/short.log", "s\n");
        std::fs::rename(desk.path("y/short.log"), desk.path("y/short.log.1")).unwrap();
        desk.pass(Duration::from_secs(3));
        let text = desk.take();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["b2", "b3", "s"]);
        // Quiet directories are looked at less and less.
        desk.pass(Duration::from_secs(60));
        desk.write("a.log", "a2\n");
        desk.pass(Duration::from_secs(11));
        assert_eq!(desk.take(), "a2\n");
    }
}
