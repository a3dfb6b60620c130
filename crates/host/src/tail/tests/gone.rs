//! R8, R20: more deleted files than wait to be taken, of which not all has arrived.

use super::*;
use std::fs::{remove_file, rename};

/// More files than wait to be taken, deleted at once; none of what was read of them has arrived.
fn many_deleted(more: usize) -> Desk {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    for number in 0..GONE_MAX + more {
        desk.write(&format!("{number}.log"), "1\n");
    }
    desk.start();
    for number in 0..GONE_MAX + more {
        remove_file(desk.path(&format!("{number}.log"))).unwrap();
    }
    desk.pass(Duration::from_secs(4));
    desk
}

#[test]
fn r8_what_of_many_files_has_not_arrived_that_are_deleted_at_once_can_be_had_once_more() {
    let mut desk = many_deleted(44);
    let (now, mut had) = (desk.now, Vec::new());
    assert_eq!((desk.stats().open, desk.tail().deleted(now).len()), (44, 44));
    // One of those that wait has arrived: it is let go.
    let [(arrived, end), ..] = desk.tail().deleted(now)[..] else { panic!("nothing waits") };
    desk.tail().commit(arrived, end);
    for number in [GONE_MAX, 43, 0] {
        let gone = desk.tail().take_gone(0);
        assert_eq!(gone.len(), number);
        had.extend(gone.iter().map(|gone| (gone.key, gone.read(0, &mut [0; 3]))));
        desk.pass(TICK);
    }
    had.sort_unstable();
    had.dedup();
    assert!(had.len() == GONE_MAX + 43 && had.iter().all(|(_, read)| *read == 2));
    assert_eq!((desk.stats().files, desk.stats().open, desk.ended.len()), (0, 0, GONE_MAX + 44));
}

/// As many deleted files as wait, and one that was renamed before, whose end was told, and deleted.
fn deleted_after_its_end() -> Desk {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.write("a.log", "1\n2\n");
    desk.start();
    rename(desk.path("a.log"), desk.path("a.log.gz")).unwrap();
    desk.pass(Duration::from_secs(62));
    for number in 0..GONE_MAX {
        desk.write(&format!("{number}.log"), "1\n");
    }
    desk.run();
    for number in 0..GONE_MAX {
        remove_file(desk.path(&format!("{number}.log"))).unwrap();
    }
    desk.pass(Duration::from_secs(4));
    remove_file(desk.path("a.log.gz")).unwrap();
    desk.pass(TICK * 4);
    desk
}

#[test]
fn r8_a_renamed_file_whose_end_was_told_waits_for_room_too_when_it_is_deleted() {
    let mut desk = deleted_after_its_end();
    let key = desk.keys[0];
    desk.tail().commit(key, 2);
    desk.pass(TICK * 4);
    assert_eq!((desk.tail().take_gone(0).len(), desk.stats().open), (GONE_MAX, 1));
    desk.pass(TICK);
    assert_eq!(desk.tail().take_gone(0).iter().map(|gone| gone.key).collect::<Vec<_>>(), [key]);
}

#[test]
fn r8_deleted_files_that_nobody_takes_are_held_no_longer_than_allowed_when_they_were_read_too() {
    let mut desk = many_deleted(3);
    let age = desk.limits.deleted_age_max;
    desk.pass(age - Duration::from_secs(6));
    assert_eq!(desk.stats().open, 3);
    desk.pass(Duration::from_secs(6));
    assert_eq!((desk.stats().open, desk.ended.len()), (0, GONE_MAX + 3));
    let notices = desk.notices();
    assert!(notices.iter().all(|notice| matches!(notice, Notice::NotHeld { bytes: 2, .. })));
    assert_eq!((notices.len(), desk.stats().dropped_files), (3, 0));
}

#[test]
fn r8_a_file_whose_end_was_told_before_it_was_deleted_is_held_no_longer_than_allowed_either() {
    let mut desk = deleted_after_its_end();
    assert_eq!(desk.stats().open, 1);
    desk.pass(desk.limits.deleted_age_max);
    assert_eq!((desk.stats().files, desk.stats().open), (0, 0));
    let notices = desk.notices();
    assert!(matches!(notices[..], [Notice::NotHeld { bytes: 4, .. }]), "{notices:?}");
}
