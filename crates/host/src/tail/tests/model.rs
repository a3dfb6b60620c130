//! R4, R5 and R19 as a model: whatever is done to files, nothing is lost that could be read, and
//! nothing is read that was not written.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Action {
    Write(u8),
    Rename(u8),
    CopyTruncate(u8),
    Delete(u8),
    Turn,
    Run,
    Wait,
    Checkpoint,
    Crash,
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3_u8).prop_map(Action::Write),
        2 => (0..3_u8).prop_map(Action::Rename),
        1 => (0..3_u8).prop_map(Action::CopyTruncate),
        1 => (0..3_u8).prop_map(Action::Delete),
        3 => Just(Action::Turn),
        2 => Just(Action::Run),
        1 => Just(Action::Wait),
        1 => Just(Action::Checkpoint),
        1 => Just(Action::Crash),
        1 => Just(Action::Restart),
    ]
}

/// How the tailer is set up.
#[derive(Debug, Clone, Copy)]
enum Setup {
    /// Rotated files leave the pattern.
    Usual,
    /// The pattern means rotated files too.
    Wide,
    /// Every idle file is closed.
    Closing,
}

/// Plays the actions and looks for each line that was written.
fn play(setup: Setup, actions: &[Action]) {
    let mut desk = Desk::new(if matches!(setup, Setup::Wide) { &["f?.log*"] } else { &["f?.log"] });
    desk.limits.deleted_quiet = Duration::ZERO;
    if matches!(setup, Setup::Closing) {
        desk.limits.open_idle_max = 0;
    }
    desk.start();
    let mut records = Vec::new();
    let mut written = 0_u32;
    let mut may_repeat = false;
    let mut archives = 0;
    for action in actions {
        match action {
            Action::Write(file) => {
                desk.write(&format!("f{file}.log"), format!("<{written:05}>\n"));
                written += 1;
            }
            Action::Rename(file) => {
                archives += 1;
                let (from, to) = (format!("f{file}.log"), format!("f{file}.log.{archives}"));
                let _ = std::fs::rename(desk.path(&from), desk.path(&to));
            }
            Action::CopyTruncate(file) => {
                archives += 1;
                let from = desk.path(&format!("f{file}.log"));
                // A file that was not read before has no mark to find its copy by.
                desk.run();
                if from.exists() {
                    let to = desk.path(&format!("f{file}.log.{archives}"));
                    std::fs::copy(&from, to).unwrap();
                    std::fs::File::create(&from).unwrap();
                }
            }
            Action::Delete(file) => {
                // It is open from here on, and what was written is read although it is gone.
                let now = desk.now;
                desk.tail().tend(now);
                if matches!(setup, Setup::Closing) {
                    desk.run();
                }
                let _ = std::fs::remove_file(desk.path(&format!("f{file}.log")));
            }
            Action::Turn => drop(desk.turn()),
            Action::Run => drop(desk.run()),
            Action::Wait => drop(desk.pass(Duration::from_secs(3))),
            Action::Checkpoint => records = desk.tail().records().collect::<Vec<_>>(),
            Action::Crash => {
                // What is unread in a deleted file is gone with the process.
                desk.run();
                may_repeat = true;
                desk.restart_with(records.clone());
            }
            Action::Restart => {
                desk.run();
                desk.restart();
                records = desk.tail().records().collect::<Vec<_>>();
            }
        }
    }
    desk.run();
    desk.pass(Duration::from_secs(3));
    let text = desk.take();
    let mut counts = vec![0_u32; written as usize];
    for line in text.lines() {
        let number = line.strip_prefix('<').and_then(|line| line.strip_suffix('>'));
        let number: usize = number.unwrap_or_else(|| panic!("torn line {line:?}")).parse().unwrap();
        counts[number] += 1;
    }
    for (number, count) in counts.iter().enumerate() {
        assert!(*count > 0, "line {number} was lost");
        assert!(*count == 1 || may_repeat, "line {number} came {count} times");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn r4_r5_r19_whatever_is_done_no_line_is_lost_and_none_comes_twice_without_a_crash(
        actions in proptest::collection::vec(action(), 1..60),
        setup in prop_oneof![Just(Setup::Usual), Just(Setup::Wide), Just(Setup::Closing)],
    ) {
        play(setup, &actions);
    }
}
