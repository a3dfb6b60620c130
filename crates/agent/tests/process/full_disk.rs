//! R18, R20: a full disk under the state folder, for the whole process: checkpoint, spill and dead
//! letters. Needs a small file system of its own, which only root can have.

use super::support::{Agent, Desk, closed_port, lines, metric, sink, sink_at};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use testkit::log_sink::Reply;

/// A state folder that is a file system of its own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(desk: &Desk, kilobytes: u32) -> Option<Self> {
        let path = desk.path("state");
        std::fs::create_dir(&path).unwrap();
        let size = format!("size={kilobytes}k,mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        let reason = match mounted {
            Ok(output) if output.status.success() => return Some(Self(path)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        testkit::cluster::skip(format_args!("no file system of its own: {reason}"));
        None
    }

    fn fill(&self) {
        // It is written until nothing more fits, not as large as it should be.
        let _ = std::fs::write(self.0.join("ballast"), vec![0; 64 << 20]);
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub(crate) fn config(address: &str, more: &str) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
         line_max_bytes: 64Ki}}]\ncheckpoint_interval: 50ms\nmemory_max_bytes: 8Mi\n{more}\
         sinks:\n  - type: otlp_http\n    endpoint: http://{address}\n    backoff_max: 100ms\n"
    )
}

pub(crate) fn said(desk: &Desk) -> String {
    std::fs::read_to_string(desk.path("agent.log")).unwrap()
}

fn failed(agent: &Agent, desk: &Desk) {
    agent.until_status(&desk.path("state"), |status| {
        status.pointer("/checkpoints/failed").and_then(serde_json::Value::as_u64) >= Some(1)
    });
}

#[test]
fn r18_with_a_full_disk_lines_arrive_and_a_kill_then_loses_none() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(&desk, 512) else { return };
    let sink = sink(|_, _| Reply::Take);
    desk.config(&config(&sink.address().to_string(), ""));
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    sink.until(1_000);
    agent.until_status(&desk.path("state"), |status| {
        status["files"]["shown"][0]["delivered"] == status["files"]["shown"][0]["size"]
    });
    // Where there is an old one, there is room for another.
    let _ = std::fs::remove_file(disk.0.join("checkpoint.new"));
    disk.fill();
    desk.append("logs/a.log", &lines(1_000, 2_000));
    sink.until(2_000);
    failed(&agent, &desk);
    assert!(said(&desk).contains("none is lost"), "{}", said(&desk));
    agent.kill();
    // It starts on the full disk, too, from what was written down before.
    let agent = desk.start();
    desk.append("logs/a.log", &lines(2_000, 3_000));
    sink.until(3_000);
    failed(&agent, &desk);
    disk.free();
    agent.until_status(&desk.path("state"), |status| {
        status["checkpoints"]["written"].as_u64() >= Some(1)
    });
    assert_eq!(agent.stop(), 0);
    let before = sink.bodies();
    assert_eq!(before.len(), 3_000);
    let agent = desk.start();
    desk.append("logs/a.log", &lines(3_000, 3_001));
    sink.until(3_001);
    assert_eq!(agent.stop(), 0);
    let again =
        sink.bodies().iter().filter(|(body, times)| before.get(*body) != Some(times)).count();
    assert_eq!(again, 1, "what was written down in the end is not delivered again");
}

#[test]
fn r18_with_a_full_disk_a_checkpoint_is_written_where_an_old_one_is() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(&desk, 512) else { return };
    let sink = sink(|_, _| Reply::Take);
    let text = config(&sink.address().to_string(), "");
    desk.config(&text.replace("interval: 50ms", "interval: 1m"));
    desk.append("logs/a.log", &lines(0, 1));
    // Each writes one at its start and one at its end; three files are taken in turns.
    for _ in 0..2 {
        assert_eq!(desk.start().stop(), 0);
    }
    let agent = desk.start();
    sink.until(1);
    disk.fill();
    let number = 3 * 4 * 1024 * 1024 / lines(0, 1).len();
    desk.append("logs/a.log", &lines(1, number));
    sink.until(number);
    let status = agent.until_status(&desk.path("state"), |status| {
        status["checkpoints"]["written"].as_u64() >= Some(2)
    });
    assert_eq!(status["checkpoints"]["failed"], 0);
    agent.kill();
    let agent = desk.start();
    desk.append("logs/a.log", &lines(number, number + 1));
    sink.until(number + 1);
    disk.free();
    assert_eq!(agent.stop(), 0);
    let repeated: usize = sink.bodies().values().map(|times| times - 1).sum();
    assert!(repeated < number, "{repeated} of {number}");
}

#[test]
fn r20_a_full_disk_under_the_spill_loses_nothing_while_the_agent_lives() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(&desk, 2_048) else { return };
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    desk.config(&config(&address.to_string(), ""));
    let written = 200_000;
    desk.append("logs/a.log", &lines(0, written));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    // Some of it is kept aside, then the disk is full.
    agent.until_status(&state, |status| status["files"]["spilled_bytes"].as_u64() > Some(500_000));
    testbed::wait::until(super::support::WAIT, || {
        Ok::<_, std::convert::Infallible>(
            said(&desk).contains("bytes of the deleted file").then_some(()),
        )
    })
    .unwrap()
    .unwrap();
    // However often it is tried, it is told once.
    let tried = metric(&state, "orlop_agent_stalls_total");
    agent.until_status(&state, |_| metric(&state, "orlop_agent_stalls_total") > tried + 10);
    let memory = agent.rss_kb();
    assert!(memory < 64_000, "{memory} kB");
    let sink = sink_at(closed, |_, _| Reply::Take);
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    sink.each_once(written);
    assert_eq!(said(&desk).matches("cannot keep").count(), 1, "{}", said(&desk));
    drop(disk);
}

#[test]
fn r20_what_was_read_of_a_deleted_file_is_kept_aside_once_a_full_disk_has_room() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(&desk, 2_048) else { return };
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    desk.config(&config(&address.to_string(), ""));
    let (written, text) = (1_000, lines(0, 1_000));
    desk.append("logs/a.log", &text);
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    disk.fill();
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    agent.until_status(&state, |status| status["files"]["memory_only_bytes"] == text.len());
    assert!(said(&desk).contains(&format!("cannot keep {} bytes of the deleted", text.len())));
    // Another file has its number by now.
    desk.append("logs/b.log", &lines(written, written + 10));
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == written + 10);
    disk.free();
    agent.until_status(&state, |status| {
        let files = &status["files"];
        files["spilled_bytes"] == text.len() && files["memory_only_bytes"] == 0
    });
    agent.kill();
    let sink = sink_at(closed, |_, _| Reply::Take);
    let agent = desk.start();
    sink.until(written + 10);
    assert_eq!(agent.stop(), 0);
    sink.each_once(written + 10);
}

#[test]
fn r20_what_a_stop_loses_of_a_deleted_file_with_a_full_disk_is_told_to_the_byte() {
    let desk = Desk::new();
    let Some(_disk) = SmallDisk::mount(&desk, 2_048) else { return };
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    let config = config(&address.to_string(), "shutdown_timeout: 300ms\n");
    // What was kept aside ends within a line.
    desk.config(&config.replace("64Ki", "64Ki, partial_timeout: 100ms"));
    let written = 200_000;
    let text = lines(0, written);
    desk.append("logs/a.log", &text);
    desk.append("logs/stays.log", &lines(written, written + 10));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    agent.until_status(&state, |status| status["files"]["memory_only_bytes"].as_u64() > Some(0));
    assert_eq!(agent.stop(), 1);
    let said = said(&desk);
    let lost: Vec<&str> = said.lines().filter(|line| line.contains("they are lost")).collect();
    let lost = *lost.last().unwrap();
    assert!(lost.contains("logs/a.log,") && !said.contains("stays.log,"), "{said}");
    let before = lost.split(" bytes of ").next().unwrap();
    let lost: usize = before.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(said.contains(&format!("but {lost} bytes are lost")), "{said}");
    // The next start delivers all the rest, and nothing that was called lost.
    let sink = sink_at(closed, |_, _| Reply::Take);
    let agent = desk.start();
    let whole = text.len() + lines(written, written + 10).len();
    let accounted = || lost + sink.bodies().keys().map(|body| body.len() + 1).sum::<usize>();
    // Its last line has no line feed, which is counted all the same.
    testbed::wait::until(super::support::WAIT, || {
        Ok::<_, std::convert::Infallible>((accounted() >= whole).then_some(()))
    })
    .unwrap()
    .unwrap();
    assert!(accounted() <= whole + 1, "{} of {whole}", accounted());
    assert_eq!(agent.stop(), 0);
}

#[test]
fn r20_with_a_full_disk_under_the_dead_letters_a_refused_record_waits_and_none_is_lost() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(&desk, 512) else { return };
    let sink = sink(|_, bodies: &[String]| {
        let poisoned = bodies.iter().any(|body| body.contains("POISON"));
        if poisoned { Reply::Status(400) } else { Reply::Take }
    });
    desk.config(&config(&sink.address().to_string(), ""));
    let agent = desk.start();
    disk.fill();
    desk.append("logs/a.log", &lines(0, 100));
    desk.append("logs/a.log", "POISON one\n");
    desk.append("logs/a.log", &lines(100, 200));
    let state = desk.path("state");
    let status = agent.until_status(&state, |status| {
        let reason = status.pointer("/sinks/0/failing/reason");
        reason.is_some_and(|reason| reason.to_string().contains("No space left"))
    });
    assert_eq!(status["sinks"][0]["quarantined"], 0);
    desk.until_said("a record that is refused waits");
    assert!(metric(&state, "orlop_agent_sink_failures_total{sink=\"otlp_http-0\"}") > 0);
    // Nothing of it was written by halves.
    let kept = || std::fs::read_to_string(state.join("dead-letter.jsonl")).unwrap_or_default();
    assert_eq!(kept(), "");
    disk.free();
    sink.until(200);
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(kept().lines().filter(|line| line.contains("POISON one")).count(), 1);
    assert_eq!((kept().lines().count(), agent.stop()), (1, 0));
    sink.each_once(200);
}

#[test]
fn r19_what_was_kept_aside_and_delivered_on_a_full_disk_is_let_go_when_there_is_room() {
    let desk = Desk::new();
    let Some(disk) = SmallDisk::mount(&desk, 16 << 10) else { return };
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    let more = "shutdown_timeout: 300ms\n";
    desk.config(&config(&address.to_string(), more));
    let (written, text) = (100_000, lines(0, 100_000));
    desk.append("logs/a.log", &text);
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    agent.until_status(&state, |status| status["files"]["spilled_bytes"] == text.len());
    disk.fill();
    // Half of it is taken.
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let taken = AtomicUsize::new(0);
    let sink = sink_at(closed, move |_, bodies: &[String]| {
        let before = taken.load(Ordering::SeqCst);
        if before >= written / 2 && !is_well.load(Ordering::SeqCst) {
            return Reply::Status(503);
        }
        taken.fetch_add(bodies.len(), Ordering::SeqCst);
        Reply::Take
    });
    sink.until(written / 2);
    agent.until_status(&state, |status| {
        let reason = status.pointer("/sinks/0/failing/reason");
        reason.is_some_and(|reason| reason.to_string().contains("503"))
    });
    // What was taken before that is known to the reader when it answers once more.
    agent.until_status(&state, |_| true);
    desk.until_said("cannot let go what was kept aside");
    disk.free();
    assert_eq!(agent.stop(), 1);
    well.store(true, Ordering::SeqCst);
    let agent = desk.start();
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    // At most a few pieces of the half that was taken come again.
    let repeated: usize = sink.bodies().values().map(|times| times - 1).sum();
    assert!(repeated < written / 4, "{repeated}");
}
