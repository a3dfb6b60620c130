//! R31: the agent never reads what it writes itself.

use super::support::{Desk, lines, sink};
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;
use testkit::log_sink::Reply;

/// The records in files of JSON lines. What the program that plays the agent says itself may stand
/// before the first of them, on the same line.
fn records(files: impl IntoIterator<Item = PathBuf>) -> usize {
    let text = |path| std::fs::read_to_string(path).unwrap();
    let count = |text: String| text.lines().filter(|line| line.contains('{')).count();
    files.into_iter().map(text).map(count).sum()
}

#[test]
fn r31_nothing_that_the_agent_writes_is_read_by_it() {
    let desk = Desk::new();
    let sink = sink(|_, bodies| {
        let is_bad = bodies.iter().any(|body| body.starts_with("bad"));
        if is_bad { Reply::Status(400) } else { Reply::Take }
    });
    // The folder of the file sink is one of those that are read, which its path does not tell.
    std::fs::create_dir_all(desk.path("logs/deep")).unwrap();
    symlink(desk.path("logs/deep"), desk.path("way")).unwrap();
    desk.config(&format!(
        "inputs:\n  - type: files\n    paths: ['DIR/logs/**/*.log*', DIR/agent.log, 'DIR/state/*']\n    \
         start_at: beginning\ncheckpoint_interval: 50ms\nsinks:\n  \
         - {{type: otlp_http, endpoint: 'http://{}'}}\n  - {{type: stdout}}\n  \
         - {{type: file, path: DIR/way/out.log, rotate_bytes: 64Ki, rotate_keep: 100}}\n",
        sink.address()
    ));
    let output = || File::options().create(true).append(true).open(desk.path("logs/own.log"));
    let mut written = 0;
    for start in 0..3 {
        let agent = desk.start_by(&[], Stdio::from(output().unwrap()));
        for part in 0..3 {
            desk.append("logs/a.log", &format!("bad {start} {part}\n"));
            desk.append("logs/a.log", &lines(written, written + 500));
            written += 500;
            sink.until(written);
        }
        assert_eq!(agent.stop(), 0);
    }
    sink.each_once(written);
    let bad = 3 * 3;
    let rotated = std::fs::read_dir(desk.path("logs/deep")).unwrap();
    let files: Vec<PathBuf> = rotated.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 2, "{files:?}");
    assert_eq!(records(files), written + bad);
    assert_eq!(records([desk.path("logs/own.log")]), written + bad);
    assert_eq!(records([desk.path("state/dead-letter.jsonl")]), bad);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    let why = " is not read, because this process";
    let told = |own: &str| said.matches(&format!("{}{why}", desk.path(own).display())).count();
    for own in ["logs/own.log", "agent.log", "state"] {
        assert_eq!(told(own), 3, "once for each start: {own}: {said}");
    }
    // When it is rotated before the reader looks, its next name is told.
    let out = desk.path("logs/deep/out.log").display().to_string();
    let of_out = said.lines().filter(|line| line.contains(&out) && line.contains(why)).count();
    assert!(told("logs/deep/out.log") <= 3 && of_out >= 3, "{said}");
}
