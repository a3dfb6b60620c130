//! R4, R5 and R19 as a model: whatever is done to files, nothing is lost that could be read, and
//! nothing is read that was not written.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Action {
    Write(u8),
    Rename(u8),
    /// With a line that is written and read in between, or not.
    CopyTruncate(u8, bool),
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
        2 => (0..3_u8, any::<bool>()).prop_map(|(file, read)| Action::CopyTruncate(file, read)),
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
    /// Files are read over links.
    Linked,
    /// … and every idle one is closed.
    LinkedClosing,
}

impl Setup {
    fn is_linked(self) -> bool {
        matches!(self, Self::Linked | Self::LinkedClosing)
    }

    fn is_closing(self) -> bool {
        matches!(self, Self::Closing | Self::LinkedClosing)
    }
}

/// Copies and truncates a file; how many lines were written to it and read in between.
fn copy_and_truncate(desk: &mut Desk, file: u8, archive: u32, line: Option<u32>) -> u32 {
    let from = desk.path(&format!("f{file}.log"));
    // A file that was not read before has no mark to find its copy by.
    desk.run();
    if !from.exists() {
        return 0;
    }
    std::fs::copy(&from, desk.path(&format!("f{file}.log.{archive}"))).unwrap();
    if let Some(line) = line {
        append(&from, format!("<{line:05}>\n").as_bytes());
        desk.run();
    }
    std::fs::File::create(&from).unwrap();
    u32::from(line.is_some())
}

/// Plays the actions and looks for each line that was written.
fn play(setup: Setup, actions: &[Action]) {
    let mut desk = Desk::new(match setup {
        Setup::Usual | Setup::Closing => &["f?.log"],
        Setup::Wide => &["f?.log*"],
        Setup::Linked | Setup::LinkedClosing => &["links/*"],
    });
    desk.limits.deleted_quiet = Duration::ZERO;
    if setup.is_closing() {
        desk.limits.open_idle_max = 0;
    }
    let make = |desk: &Desk, file: &str| {
        // A link that leads nowhere has nobody wait for its target.
        if setup.is_linked() {
            drop(std::fs::File::create(desk.path(file)).unwrap());
        }
    };
    if setup.is_linked() {
        std::fs::create_dir(desk.path("links")).unwrap();
        for file in ["f0.log", "f1.log", "f2.log"] {
            make(&desk, file);
            std::os::unix::fs::symlink(desk.path(file), desk.path("links").join(file)).unwrap();
        }
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
                make(&desk, &from);
            }
            Action::CopyTruncate(file, is_read) => {
                archives += 1;
                let line = is_read.then_some(written);
                written += copy_and_truncate(&mut desk, *file, archives, line);
            }
            Action::Delete(file) => {
                // It is open from here on, and what was written is read although it is gone.
                let now = desk.now;
                desk.tail().tend(now);
                if setup.is_closing() {
                    desk.run();
                }
                let file = format!("f{file}.log");
                let _ = std::fs::remove_file(desk.path(&file));
                make(&desk, &file);
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
        setup in prop_oneof![
            Just(Setup::Usual),
            Just(Setup::Wide),
            Just(Setup::Closing),
            Just(Setup::Linked),
            Just(Setup::LinkedClosing),
        ],
    ) {
        play(setup, &actions);
    }
}
