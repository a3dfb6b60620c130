//! What it must survive for long. Each of these is short here; `ORLOP_SOAK_SECONDS` makes it as
//! long as the figure says.

use super::{all_well, config};
use crate::support::{Agent, Desk, closed_port, lines, metric, sink, sink_at};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use testkit::log_sink::Reply;
use testkit::soak;

#[test]
fn r19_an_agent_that_is_killed_at_any_point_loses_nothing_and_repeats_at_most_its_window() {
    const KILLS: usize = 20;
    // The sink of the test remembers every line.
    const KILLS_MAX: usize = 1_000;
    let (desk, sink) = (Desk::new(), all_well());
    desk.config(&config(&sink, "    batch: {records: 200, wait: 5ms}\n"));
    let (per_round, mut random) = (3_000, 0x9e37_79b9_u64);
    let (start, mut kills) = (Instant::now(), 0);
    while soak::length().map_or(kills < KILLS, |long| start.elapsed() < long && kills < KILLS_MAX) {
        let before = sink.requests();
        // A file that was never seen under its name could not be known under another one.
        let (from, middle) = (kills * per_round, kills * per_round + per_round / 2);
        desk.append("logs/a.log", &lines(from, middle));
        let agent = desk.start();
        desk.append("logs/a.log", &lines(middle, from + per_round));
        if kills % 3 == 0 {
            // Every third time the file is renamed out of the patterns and begun anew.
            let from = desk.path("logs/a.log");
            std::fs::rename(from, desk.path(&format!("logs/a.log.{kills}"))).unwrap();
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The lines of a round make fifteen requests at least.
        sink.until_requests(before + usize::try_from(random >> 60).unwrap());
        agent.kill();
        kills += 1;
    }
    let agent = desk.start();
    sink.until(kills * per_round);
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    let written = lines(0, kills * per_round);
    let mut invented = bodies.clone();
    let lost: Vec<_> = written.lines().filter(|line| invented.remove(*line).is_none()).collect();
    assert!(lost.is_empty() && invented.is_empty(), "lost {lost:?}, invented {invented:?}");
    let repeated: usize = bodies.values().map(|times| times - 1).sum();
    eprintln!("{kills} kills, {} lines, {repeated} delivered twice", bodies.len());
    // Each kill repeats what was delivered and not written down, some of a round and less than a
    // window. Without checkpoints it would be all of what was written until then.
    assert!(repeated <= kills * per_round, "{repeated}");
}

#[test]
fn r19_no_more_than_a_window_is_taken_behind_a_batch_that_is_not_and_comes_twice_after_a_kill() {
    let (line, batch, number) = (lines(0, 1).len(), 2_000, 200_000);
    // How often in a row the batch with that record was refused.
    let (refused, well) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (in_a_row, is_well) = (refused.clone(), well.clone());
    let sink = sink(move |_, bodies| {
        if bodies[0] == "POISON" && !is_well.load(Ordering::SeqCst) {
            in_a_row.fetch_add(1, Ordering::SeqCst);
            return Reply::Status(500);
        }
        in_a_row.store(0, Ordering::SeqCst);
        Reply::Take
    });
    let desk = Desk::new();
    desk.config(&config(&sink, &format!("    batch: {{records: {batch}}}\n")));
    desk.append("logs/a.log", &format!("POISON\n{}", lines(0, number)));
    let agent = desk.start();
    // Then nothing else is sent any more.
    agent.until_status(&desk.path("state"), |_| refused.load(Ordering::SeqCst) >= 20);
    let most = 4 * 1024 * 1024 / line + 2 * batch;
    let taken = sink.bodies().len();
    assert!(taken <= most, "{taken} of {number} were taken behind a batch that was not");
    agent.kill();
    well.store(true, Ordering::SeqCst);
    let agent = desk.start();
    sink.until(number + 1);
    assert_eq!(agent.stop(), 0);
    let repeated: usize = sink.bodies().values().map(|times| times - 1).sum();
    assert!(repeated <= most, "{repeated} of {number} came twice");
}

#[test]
fn r18_a_checkpoint_is_written_with_each_window_of_bytes_whatever_the_interval() {
    let (desk, sink, window) = (Desk::new(), all_well(), 4 * 1024 * 1024);
    desk.config(&config(&sink, "").replace("interval: 50ms", "interval: 1m"));
    let (state, number) = (desk.path("state"), 2 * window / lines(0, 1).len());
    let agent = desk.start();
    for round in 1..4 {
        desk.append("logs/a.log", &lines((round - 1) * number, round * number));
        sink.until(round * number);
    }
    agent.until_status(&state, |status| {
        let written = status.pointer("/checkpoints/written").and_then(serde_json::Value::as_u64);
        written >= Some(3) && status["sinks"][0]["in_flight"] == 0
    });
    // A line more is read after the checkpoint that these were due.
    let line = |number| desk.append("logs/a.log", &lines(number, number + 1));
    line(3 * number);
    sink.until(3 * number + 1);
    agent.kill();
    let agent = desk.start();
    line(3 * number + 1);
    sink.until(3 * number + 2);
    assert_eq!(agent.stop(), 0);
    let repeated: usize = sink.bodies().values().map(|times| times - 1).sum();
    assert!(repeated <= number / 2, "{repeated} of {number} in two windows");
}

#[test]
fn r20_a_dead_sink_stops_reading_with_flat_memory_and_everything_comes_when_it_is_back() {
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    let desk = Desk::new();
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
         line_max_bytes: 64Ki}}]\nmemory_max_bytes: 8Mi\n\
         sinks:\n  - type: otlp_http\n    endpoint: http://{address}\n    \
         backoff_max: 100ms\n"
    ));
    let (first, state) = (200_000, desk.path("state"));
    desk.append("logs/a.log", &lines(0, first));
    let agent = desk.start();
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    let memory = agent.rss_kb();
    let (start, mut written, mut grown) = (Instant::now(), first, memory);
    while written == first || soak::length().is_some_and(|long| start.elapsed() < long) {
        // A soak writes as much as the short form at first, and little at a time then.
        let end = written + if written == first { first } else { 200 };
        desk.append("logs/a.log", &lines(written, end));
        written = end;
        // Reading does not get beyond what was there at first.
        let unread = (lines(0, 1).len() * (written - first)) as u64;
        agent.until_status(&state, |status| {
            status["files"]["unread_bytes"].as_u64() >= Some(unread)
        });
        grown = grown.max(agent.rss_kb());
    }
    eprintln!("{written} lines, {memory} KiB when the sink was found dead, {grown} at most then");
    assert!(grown < memory.max(20_000) + 12_000, "{memory} {grown}");
    let blocks = || metric(&state, "orlop_agent_block_bytes");
    // Of the 8 MiB an eighth is what may wait to be used again while there is nothing to read.
    let (most, at_rest) = (8 << 20, 1 << 20);
    agent.until_status(&state, |_| blocks() >= at_rest * 2);
    assert!(blocks() <= most, "{}", blocks());
    let sink = sink_at(closed, |_, _| Reply::Take);
    sink.until(written);
    agent.until_status(&state, |_| blocks() <= at_rest);
    assert_eq!(agent.stop(), 0);
    sink.each_once(written);
}

/// An agent that may have so few files open, and at first fewer.
fn start_with_few_descriptors(desk: &Desk) -> Agent {
    let by = ["sh", "-c", "ulimit -Sn 64; ulimit -Hn 160; exec \"$0\" \"$@\""];
    let agent = desk.start_by(&by, Stdio::null());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(limit.split_whitespace().nth(3), Some("160"), "{limit}");
    agent
}

#[test]
fn r10_r19_files_that_are_rotated_through_an_outage_leave_descriptors_for_the_sink() {
    rotate_through_an_outage("logs");
}

#[test]
fn r10_r19_so_do_files_that_are_read_over_links() {
    rotate_through_an_outage("targets");
}

/// Files of this folder, perhaps with links to them.
fn rotate_through_an_outage(folder: &str) {
    const FILES: usize = 40;
    const ROUNDS: usize = 6;
    let (desk, closed) = (Desk::new(), closed_port());
    let address = closed.local_addr().unwrap();
    desk.config(&crate::full_disk::config(&address.to_string(), "shutdown_timeout: 300ms\n"));
    if folder != "logs" {
        std::fs::create_dir_all(desk.path("logs")).unwrap();
        for file in 0..FILES {
            let target = format!("{folder}/{file}.log");
            desk.append(&target, "");
            let target = desk.path(&target);
            std::os::unix::fs::symlink(target, desk.path(&format!("logs/{file}.log"))).unwrap();
        }
    }
    let agent = start_with_few_descriptors(&desk);
    let state = desk.path("state");
    for round in 0..ROUNDS {
        for file in 0..FILES {
            let name = |older: usize| match older {
                0 => format!("{folder}/{file}.log"),
                older => format!("{folder}/{file}.log.{older}"),
            };
            for older in (0..round).rev() {
                std::fs::rename(desk.path(&name(older)), desk.path(&name(older + 1))).unwrap();
            }
            let line = round * FILES + file;
            desk.append(&name(0), &lines(line, line + 1));
        }
        agent.until_status(&state, |status| {
            status.pointer("/records/read").unwrap() == (round + 1) * FILES
        });
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    assert!(open < 150, "{open} are open");
    assert_eq!(agent.stop(), 1);
    let agent = start_with_few_descriptors(&desk);
    agent.until_status(&state, |status| status.pointer("/records/read").unwrap() == ROUNDS * FILES);
    let sink = sink_at(closed, |_, _| Reply::Take);
    sink.until(ROUNDS * FILES);
    assert_eq!(agent.stop(), 0);
    sink.each_once(ROUNDS * FILES);
}

#[test]
fn r10_r19_a_file_that_is_renamed_while_no_descriptor_is_left_is_not_taken_for_deleted() {
    const FILES: usize = 150;
    let (desk, closed) = (Desk::new(), closed_port());
    let address = closed.local_addr().unwrap();
    desk.config(&crate::full_disk::config(&address.to_string(), ""));
    let name = |file: usize| format!("logs/{file}.log");
    (0..FILES).for_each(|file| desk.append(&name(file), &lines(file, file + 1)));
    let agent = start_with_few_descriptors(&desk);
    let state = desk.path("state");
    agent.until_status(&state, |status| status["records"]["read"] == FILES);
    // Not all of them are open, and none can be opened for a while.
    limit(&agent, 4);
    for file in 0..FILES {
        std::fs::rename(desk.path(&name(file)), desk.path(&format!("{}.1", name(file)))).unwrap();
    }
    desk.until_said("Too many open files");
    limit(&agent, 160);
    for file in 0..FILES {
        let line = FILES + file;
        desk.append(&format!("{}.1", name(file)), &lines(line, line + 1));
    }
    agent.until_status(&state, |status| status["records"]["read"] == 2 * FILES);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(!said.contains("is gone") && !said.contains("lost"), "{said}");
    let sink = sink_at(closed, |_, _| Reply::Take);
    sink.until(2 * FILES);
    assert_eq!(agent.stop(), 0);
    sink.each_once(2 * FILES);
}

/// From now on it may open so many files.
fn limit(agent: &Agent, current: u64) {
    let pid = Pid::from_raw(agent.pid().cast_signed()).unwrap();
    let limits = Rlimit { current: Some(current), maximum: Some(160) };
    prlimit(Some(pid), Resource::Nofile, limits).unwrap();
}

#[test]
fn r1_r10_a_file_that_no_descriptor_was_left_for_is_read_under_the_names_that_it_has_later() {
    let (desk, sink) = (Desk::new(), all_well());
    desk.config(&crate::full_disk::config(&sink.address().to_string(), ""));
    desk.append("logs/a.log", &lines(0, 1));
    let agent = start_with_few_descriptors(&desk);
    sink.until(1);
    limit(&agent, 4);
    let name = |older: usize| match older {
        0 => "logs/new.log".to_owned(),
        older => format!("logs/new.log.{older}"),
    };
    desk.append(&name(0), &lines(1, 2));
    for older in 0..3 {
        desk.until_said(&format!("{}: Too many open files", name(older)));
        std::fs::rename(desk.path(&name(older)), desk.path(&name(older + 1))).unwrap();
    }
    desk.until_said(&format!("{}: Too many open files", name(3)));
    limit(&agent, 160);
    sink.until(2);
    assert_eq!(agent.stop(), 0);
    sink.each_once(2);
}
