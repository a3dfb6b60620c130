//! Files that are renamed out of the patterns while they are followed, over a restart (R4, R19).

use super::super::rotate::Listings;
use super::*;

/// A file of which a line was delivered and another one was not read, with its name taken away.
fn renamed(patterns: &[&str], to: &str) -> Desk {
    let mut desk = Desk::new(patterns);
    desk.write("a.log", "1\n");
    desk.start().take();
    desk.write("a.log", "2\n");
    rename(&mut desk, "a.log", to);
    desk
}

/// The tailer hears of it and reads nothing.
fn rename(desk: &mut Desk, from: &str, to: &str) {
    let to = desk.path(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(desk.path(from), to).unwrap();
    let now = desk.now;
    desk.tail().tend(now);
}

#[test]
fn r4_r19_a_file_that_was_renamed_in_its_directory_is_read_on_after_each_restart() {
    for is_replaced in [false, true] {
        let mut desk = renamed(&["*.log"], "a.log.bak");
        if is_replaced {
            desk.write("a.log", "3\n");
        }
        // Nothing of it arrives, and it has another name each time.
        desk.commit = false;
        let mut at = desk.path("a.log.bak");
        for name in ["a.log.bak", "b", "a.log.1"] {
            let records = desk.leave();
            std::fs::rename(&at, desk.path(name)).unwrap();
            at = desk.path(name);
            desk.restart_with(records);
            assert_eq!(desk.take(), if is_replaced { "2\n3\n" } else { "2\n" }, "{name}");
        }
    }
}

#[test]
fn r4_r19_a_file_that_is_renamed_while_a_start_looks_for_it_is_found() {
    let mut desk = renamed(&["*.log"], "a.log.1");
    let records = desk.leave();
    desk.restart_with(Vec::new());
    // What was listed before a rotation.
    let mut listings = Listings::new();
    let inode = records[0].identity.inode;
    let stale = HashMap::from([(inode, desk.path("a.log.1"))]);
    listings.insert(desk.dir.path().to_owned(), stale);
    std::fs::rename(desk.path("a.log.1"), desk.path("a.log.2")).unwrap();
    desk.write("a.log.1", "the next one\n");
    let found = desk.tail().find_renamed(&records[0], &mut listings);
    assert_eq!(found.unwrap().0, desk.path("a.log.2"));
    // What is there no more is not looked for again and again.
    std::fs::remove_file(desk.path("a.log.2")).unwrap();
    let looks = desk.tail().looks;
    let found = desk.tail().find_renamed(&records[0], &mut listings);
    assert_eq!(found.err(), Some(rustix::io::Errno::NOENT));
    assert_eq!(desk.tail().looks, looks + 1);
}

#[test]
fn r4_a_file_that_was_renamed_and_read_to_its_end_is_not_read_again_after_a_restart() {
    let mut desk = renamed(&["*.log"], "a.log.bak");
    assert_eq!(desk.run().take(), "2\n");
    desk.write("other.bak", "no\n");
    desk.restart().pass(Duration::from_secs(61));
    assert_eq!((desk.take().as_str(), desk.stats().files), ("", 0));
}

#[test]
fn r30_a_renamed_file_whose_first_name_the_next_inputs_do_not_mean_is_not_read() {
    let mut desk = renamed(&["*.log"], "a.log.bak");
    let records = desk.leave();
    desk.inputs = vec![desk.input(&["b.log"])];
    desk.write("b.log", "b\n");
    desk.restart_with(records);
    assert_eq!(desk.take(), "b\n");
    let records = desk.leave();
    desk.inputs = vec![desk.input(&["*.log"])];
    desk.restart_with(records);
    assert_eq!(desk.take(), "2\n");
}

#[test]
fn r4_a_file_that_was_renamed_goes_on_in_its_input_after_a_restart() {
    let mut desk = renamed(&["*.log"], "a.log.bak");
    let records = desk.leave();
    desk.inputs.insert(0, desk.input(&["*.txt"]));
    desk.restart_with(records);
    assert_eq!(desk.take(), "2\n");
    let inputs: Vec<u32> = desk.tail().files().map(|file| file.input).collect();
    assert_eq!(inputs, [1]);
}

#[test]
fn r19_r20_a_file_that_no_start_finds_is_like_a_deleted_one_from_the_end_on() {
    for (to, is_lost) in [
        ("a.log.bak", false),
        ("a.log.1", false),
        // As if it was compressed, which a start leaves alone.
        ("a.log.gz", true),
        ("old/a.log", true),
        ("old/a.log.1", true),
    ] {
        let mut desk = Desk::new(&["*.log"]);
        desk.commit = false;
        desk.write("a.log", "1\n");
        desk.start().take();
        let (key, now) = (desk.keys[0], desk.now);
        rename(&mut desk, "a.log", to);
        desk.write(to, "2\n");
        desk.write("a.log", "new\n");
        assert_eq!((desk.tail().deleted(now), vanishing(&mut desk).as_str()), (vec![], ""));
        desk.tail().prepare_end(now);
        let deleted = if is_lost { vec![(key, 2)] } else { vec![] };
        assert_eq!(desk.tail().deleted(now), deleted, "{to}");
        assert_eq!(desk.tail().file_stat(key).unwrap().deleted, is_lost);
        // A writer that does not know yet makes no end of it.
        desk.write(to, "3\n");
        let expected = if is_lost { "2\n3\n" } else { "" };
        assert_eq!(vanishing(&mut desk), expected, "{to}");
        desk.write(to, "4\n");
        assert_eq!(vanishing(&mut desk), "", "{to}");
        // The next start knows it, should it be there again.
        let at = |record: &Resume| record.path.ends_with("a.log") && record.offset == 0;
        assert!(desk.tail().records().any(|record| at(&record)), "{to}");
    }
}

/// What is read of files that nobody will find.
fn vanishing(desk: &mut Desk) -> String {
    let (now, mut text) = (desk.now, String::new());
    desk.tail().tend(now);
    while let Some(chunk) = desk.tail().turn_vanishing(now) {
        text.push_str(std::str::from_utf8(chunk.bytes).unwrap());
    }
    text
}

#[test]
fn r20_the_rest_of_a_deleted_file_does_not_come_before_it_is_told_that_it_was_read_in_part() {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.write("a.log", "1\n");
    desk.start();
    desk.write("b.log", "1\n");
    desk.run();
    let (now, a, b) = (desk.now, desk.keys[0], desk.keys[1]);
    let delete = |desk: &Desk, name: &str| {
        append(&desk.path(name), b"2\n");
        std::fs::remove_file(desk.path(name)).unwrap();
    };
    delete(&desk, "a.log");
    desk.tail().tend(now);
    assert_eq!(desk.tail().deleted(now), [(a, 2)]);
    delete(&desk, "b.log");
    let vanishing = |desk: &mut Desk| desk.tail().turn_vanishing(now).map(|chunk| chunk.key);
    assert_eq!((vanishing(&mut desk), vanishing(&mut desk)), (Some(a), None));
    desk.tail().tend(now);
    assert_eq!(desk.tail().deleted(now), [(a, 4), (b, 2)]);
    assert_eq!((vanishing(&mut desk), vanishing(&mut desk)), (Some(b), None));
}

#[test]
fn r8_what_of_a_renamed_file_has_not_arrived_can_be_had_once_more_after_its_end() {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.write("a.log", "1\n");
    desk.start();
    let key = desk.keys[0];
    rename(&mut desk, "a.log", "old/a.log");
    desk.pass(Duration::from_secs(62));
    assert_eq!(desk.ended, [key]);
    let now = desk.now;
    let mut room = [0; 3];
    assert_eq!(desk.tail().read_again(key, 0, &mut room, now), 2);
    desk.tail().prepare_end(now);
    assert_eq!(desk.tail().deleted(now), [(key, 2)]);
    // It is deleted after all, and nobody else has it.
    std::fs::remove_file(desk.path("old/a.log")).unwrap();
    desk.pass(TICK);
    let [gone] = &desk.tail().take_gone(0)[..] else { panic!("nothing is kept") };
    assert_eq!((gone.key, gone.end, gone.read(0, &mut room)), (key, 2, 2));
    assert_eq!((desk.stats().files, desk.stats().open), (0, 0));
}

#[test]
fn r8_a_renamed_file_that_ended_is_closed_once_all_of_it_has_arrived() {
    let mut desk = Desk::new(&["*.log"]);
    desk.commit = false;
    desk.write("a.log", "1\n");
    desk.start();
    let key = desk.keys[0];
    rename(&mut desk, "a.log", "old/a.log");
    desk.pass(Duration::from_secs(62));
    assert_eq!((desk.stats().files, desk.stats().open), (1, 1));
    desk.tail().commit(key, 2);
    assert_eq!((desk.stats().files, desk.stats().open), (0, 0));
}

#[test]
fn r20_a_deleted_file_that_is_written_to_all_the_time_has_an_end_when_the_process_ends() {
    let mut desk = renamed(&["*.log"], "old/a.log");
    let mut writer = std::fs::OpenOptions::new().append(true).open(desk.path("old/a.log")).unwrap();
    std::fs::remove_file(desk.path("old/a.log")).unwrap();
    let mut write = |text: &[u8]| std::io::Write::write_all(&mut writer, text).unwrap();
    let now = desk.now;
    desk.tail().prepare_end(now);
    assert_eq!(vanishing(&mut desk), "2\n");
    write(b"3\n");
    assert_eq!(vanishing(&mut desk), "");
    // What came until it is asked once more is read, too.
    desk.tail().prepare_end(now);
    write(b"4\n");
    assert_eq!(vanishing(&mut desk), "3\n4\n");
}

#[test]
fn r20_what_no_start_finds_does_not_wait_for_what_one_finds_and_neither_does_who_is_back() {
    let mut desk = renamed(&["*.log"], "a.log.1");
    desk.write("a.log", "3\n");
    let now = desk.now;
    desk.tail().tend(now);
    rename(&mut desk, "a.log", "old/a.log");
    desk.tail().prepare_end(now);
    assert_eq!(vanishing(&mut desk), "3\n");
    // It is meant again: a start finds it.
    desk.write("old/a.log", "4\n");
    desk.tail().prepare_end(now);
    rename(&mut desk, "old/a.log", "a.log");
    assert_eq!(vanishing(&mut desk), "");
    assert!(desk.tail().files().all(|file| !file.deleted));
}
