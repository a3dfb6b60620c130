//! Files that are renamed out of the patterns while they are followed, over a restart (R4, R19).

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
fn r4_a_file_that_was_renamed_and_read_to_its_end_is_not_read_again_after_a_restart() {
    let mut desk = renamed(&["*.log"], "a.log.bak");
    assert_eq!(desk.run().take(), "2\n");
    desk.write("other.bak", "no\n");
    desk.restart();
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
