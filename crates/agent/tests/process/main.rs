//! The agent as a process, end to end: files in, counted records out, killed and stopped and
//! reloaded on the way.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod balance;
mod collector;
mod dead_disk;
mod delivery;
mod full_disk;
mod hostile;
mod journald;
mod loki;
mod own;
mod packed;
mod pods;
mod reload;
mod replaced;
mod standard_logs;
mod stopping;
mod support;
mod surviving;
mod vanishing;

use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Checkpoint, State};
use support::{Agent, Desk, Sink, ask, closed_port, lines, metric, play, ran, sink, sink_at};
use testkit::log_sink::Reply;

/// Not a guarantee but the agent that the other tests start.
#[test]
fn the_agent_itself() {
    play();
}

fn all_well() -> Sink {
    sink(|_, _| Reply::Take)
}

fn config(sink: &Sink, more: &str) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/**/*.log'], start_at: beginning}}]\n\
         checkpoint_interval: 50ms\n\
         sinks:\n  - type: otlp_http\n    name: s\n    endpoint: http://{}\n    \
         backoff_max: 200ms\n{more}",
        sink.address()
    )
}

#[test]
fn r19_a_clean_stop_and_start_deliver_every_line_exactly_once() {
    let (desk, sink) = (Desk::new(), all_well());
    desk.config(&config(&sink, ""));
    let mut written = 0;
    for round in 1..=4 {
        let agent = desk.start();
        desk.append("logs/a.log", &lines(written, written + 5_000));
        written += 5_000;
        // Stopped in the middle of it.
        sink.until(written - 4_000);
        assert_eq!(agent.stop(), 0, "round {round}");
        desk.append("logs/a.log", &lines(written, written + 1_000));
        written += 1_000;
    }
    let agent = desk.start();
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    assert_eq!(bodies.len(), written);
    assert!(bodies.values().all(|times| *times == 1), "a line was delivered twice");
}

#[test]
fn r4_files_that_are_made_and_rotated_while_the_agent_is_away_are_read_whole() {
    let (desk, sink) = (Desk::new(), all_well());
    // Without `start_at`: what was there before the first start is not read.
    desk.config(&config(&sink, "").replace(", start_at: beginning", ""));
    desk.append("logs/a.log", "from before\n");
    let agent = desk.start();
    desk.append("logs/a.log", &lines(0, 10));
    sink.until(10);
    assert_eq!(agent.stop(), 0);
    let rotate = |to: &str| std::fs::rename(desk.path("logs/a.log"), desk.path(to)).unwrap();
    desk.append("logs/a.log", &lines(10, 20));
    rotate("logs/a.log.2");
    desk.append("logs/a.log", &lines(20, 30));
    rotate("logs/a.log.1");
    desk.append("logs/a.log", &lines(30, 40));
    let agent = desk.start();
    sink.until(40);
    assert_eq!(agent.stop(), 0);
    sink.each_once(40);
}

/// Sets when the files of the state folder were written to.
fn touch_state(desk: &Desk, time: SystemTime) {
    for entry in std::fs::read_dir(desk.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(time).unwrap();
        }
    }
}

#[test]
fn r4_r19_what_was_made_since_is_read_whole_also_where_times_of_the_state_folder_are_lost() {
    let ahead = SystemTime::now() + Duration::from_secs(3_600);
    let ahead_ns = ahead.duration_since(UNIX_EPOCH).unwrap().as_nanos();
    for is_clock_set_back in [false, true] {
        let (desk, sink) = (Desk::new(), all_well());
        desk.config(&config(&sink, "").replace(", start_at: beginning", ""));
        desk.append("logs/old.log", "from before\n");
        let agent = desk.start();
        desk.append("logs/a.log", &lines(0, 10));
        sink.until(10);
        assert_eq!(agent.stop(), 0);
        if is_clock_set_back {
            let state = State::open(&desk.path("state")).unwrap();
            let (mut checkpoint, loaded) = Checkpoint::load(&state).unwrap();
            let ahead_ns = ahead_ns.try_into().unwrap();
            checkpoint.save(&state, ahead_ns, loaded.entries).unwrap();
        }
        // As by a copy of the folder.
        touch_state(&desk, ahead);
        std::fs::rename(desk.path("logs/a.log"), desk.path("logs/a.log.2")).unwrap();
        desk.append("logs/a.log", &lines(10, 20));
        std::fs::rename(desk.path("logs/a.log"), desk.path("logs/a.log.1")).unwrap();
        desk.append("logs/a.log", &lines(20, 30));
        desk.append("logs/b.log", &lines(30, 40));
        let agent = desk.start();
        sink.until(40);
        assert_eq!(agent.stop(), 0);
        sink.each_once(40);
    }
}

#[test]
fn r20_a_file_that_is_deleted_while_no_sink_takes_anything_is_kept_aside_and_arrives() {
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    let desk = Desk::new();
    let state = desk.path("state");
    desk.config(&format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning, \
         line_max_bytes: 64Ki}}]\nmemory_max_bytes: 8Mi\n\
         sinks:\n  - type: otlp_http\n    endpoint: http://{address}\n    \
         backoff_max: 100ms\n"
    ));
    let written = 200_000;
    desk.append("logs/a.log", &lines(0, written));
    let agent = desk.start();
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    agent
        .until_status(&state, |status| status["files"]["spilled_bytes"].as_u64() > Some(5_000_000));
    let sink = sink_at(closed, |_, _| Reply::Take);
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    assert!(sink.bodies().values().all(|times| *times == 1));
}

#[test]
fn r26_an_error_brings_the_lines_of_its_trace_back() {
    let (desk, sink) = (Desk::new(), all_well());
    desk.config(&config(&sink, "sampling: {keep_percent: 0.1, rescue: {window: 1m}}\n"));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let line = |number: usize, trace: &str, level: &str| {
        format!("{{\"trace_id\":\"{trace}\",\"level\":\"{level}\",\"msg\":\"{trace} {number}\"}}\n")
    };
    let other = "4bf92f3577b34da6a3ce929d0e0e4700";
    for number in 0..100 {
        desk.append("logs/a.log", &line(number, trace, "info"));
        desk.append("logs/a.log", &line(number, other, "info"));
    }
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| status["records"]["read"] == 200);
    assert!(sink.bodies().len() < 200, "nothing was left out");
    desk.append("logs/a.log", &line(100, trace, "error"));
    sink.until(101);
    let bodies = sink.bodies();
    assert_eq!(bodies.keys().filter(|body| body.starts_with(trace)).count(), 101);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn r26_an_error_that_its_trace_follows_is_kept() {
    let (desk, sink) = (Desk::new(), all_well());
    let grouped = "start_at: beginning, multiline: {presets: [java], timeout: 50ms}";
    let text = config(&sink, "sampling: {keep_percent: 0.1}\n");
    desk.config(&text.replace("start_at: beginning", grouped));
    for number in 0..100 {
        let line = format!("{{\"level\":\"error\",\"msg\":\"failed {number}\",\"status\":500}}\n");
        desk.append("logs/a.log", &(line + "java.lang.Error: x\n\tat a.b.C(D.java:1)\n"));
    }
    let agent = desk.start();
    sink.until(100);
    assert_eq!(agent.stop(), 0);
    sink.each_once(100);
}

#[test]
fn r20_a_poisoned_record_is_put_aside_alone_and_the_others_arrive() {
    let answer = |_: usize, bodies: &[String]| {
        let poisoned = bodies.iter().any(|body| body.contains("POISON"));
        if poisoned { Reply::Status(400) } else { Reply::Take }
    };
    let (desk, sink) = (Desk::new(), sink(answer));
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", &lines(0, 500));
    desk.append("logs/a.log", "POISON one\n");
    desk.append("logs/a.log", &lines(500, 1_000));
    let agent = desk.start();
    sink.until(1_000);
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["quarantined"] == 1);
    assert_eq!(agent.stop(), 0);
    let letters = std::fs::read_to_string(desk.path("state/dead-letter.jsonl")).unwrap();
    assert_eq!(letters.lines().filter(|line| line.contains("POISON one")).count(), 1);
    assert_eq!(letters.lines().count(), 1);
    assert!(sink.bodies().values().all(|times| *times == 1));
}

#[test]
fn r20_a_sink_that_refuses_everything_costs_no_record_beyond_those_that_are_kept() {
    let (desk, well) = (Desk::new(), Arc::new(AtomicBool::new(false)));
    let is_well = well.clone();
    let answer = move |_: usize, _: &[String]| {
        if is_well.load(Ordering::SeqCst) { Reply::Take } else { Reply::Status(400) }
    };
    let sink = sink(answer);
    let more = "    batch: {records: 1000, wait: 5ms}\ndead_letter_bytes: 1Mi\n";
    desk.config(&config(&sink, more));
    desk.append("logs/a.log", &lines(0, 5_000));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| {
        let reason = status.pointer("/sinks/0/failing/reason");
        reason.is_some_and(|reason| reason.to_string().contains("have no room"))
    });
    assert!(full_disk::said(&desk).contains("have no room"), "it is told, too");
    well.store(true, Ordering::SeqCst);
    let status = agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(agent.stop(), 0);
    let text = |name: &str| std::fs::read_to_string(state.join(name)).unwrap();
    let letters = text("dead-letter.jsonl.1") + &text("dead-letter.jsonl");
    let letters = letters.lines().count();
    assert_eq!(status["sinks"][0]["quarantined"], letters);
    sink.each_once(5_000 - letters);
}

#[test]
fn r20_dead_letters_that_are_rotated_away_are_told_and_counted() {
    let desk = Desk::new();
    let sink = sink(|_, bodies| {
        let is_bad = bodies.iter().any(|body| body.contains("POISON"));
        if is_bad { Reply::Status(400) } else { Reply::Take }
    });
    desk.config(&config(&sink, "dead_letter_bytes: 1Mi\n"));
    let (state, filling) = (desk.path("state"), "x".repeat(100_000));
    // No run of refusals: between two of them a record is taken.
    for number in 0..30 {
        desk.append("logs/a.log", &format!("POISON {number} {filling}\ngood {number}\n"));
    }
    let agent = desk.start();
    sink.until(30);
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 0);
    let files = ["dead-letter.jsonl", "dead-letter.jsonl.1"];
    let kept = files.map(|name| std::fs::read_to_string(state.join(name)).unwrap());
    let gone = 30 - kept.concat().lines().count();
    let of_sink =
        |name: &str| metric(&state, &format!("orlop_agent_sink_{name}_total{{sink=\"s\"}}"));
    assert_eq!(of_sink("dead_letters"), 30);
    assert_eq!(of_sink("dead_letters_expired"), gone as u64);
    assert!(gone > 10 && full_disk::said(&desk).contains("older dead letters were rotated away"));
    let (_, page, _) = ran(&["status", "--state-dir", state.to_str().unwrap()]);
    assert!(page.contains(&format!("{gone} older dead letters were rotated away")), "{page}");
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_sink_that_answered_again_does_not_fail_though_it_refused_the_record() {
    let desk = Desk::new();
    let sink = sink(|number, _| Reply::Status(if number == 0 { 503 } else { 400 }));
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", "bad\n");
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| {
        status["sinks"][0]["in_flight"] == 0
            && status["sinks"][0]["failing"].is_null()
            && sink.requests() > 1
    });
    assert_eq!(agent.stop(), 0);
    assert!(full_disk::said(&desk).contains("answers again"));
}

#[test]
fn a_sink_fails_as_long_as_one_batch_is_not_taken_though_it_takes_others() {
    let (desk, well) = (Desk::new(), Arc::new(AtomicBool::new(false)));
    let is_well = well.clone();
    let sink = sink(move |_, bodies| {
        let is_bad = bodies[0] == "POISON" && !is_well.load(Ordering::SeqCst);
        if is_bad { Reply::Status(500) } else { Reply::Take }
    });
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", "POISON\n");
    let (agent, state) = (desk.start(), desk.path("state"));
    let fails = |status: &serde_json::Value| !status["sinks"][0]["failing"].is_null();
    agent.until_status(&state, fails);
    for round in 0..5 {
        desk.append("logs/a.log", &lines(round, round + 1));
        sink.until(round + 1);
        let sent = |status: &serde_json::Value| status["sinks"][0]["sent"] == round + 1;
        assert!(fails(&agent.until_status(&state, sent)), "another batch was taken");
    }
    assert!(!full_disk::said(&desk).contains("takes records again"));
    well.store(true, Ordering::SeqCst);
    agent.until_status(&state, |status| !fails(status));
    desk.until_said("takes records again");
    assert_eq!(agent.stop(), 0);
    sink.each_once(6);
}

#[test]
fn r20_what_a_wrong_sink_refused_is_kept_beside_the_letters_of_another_and_over_a_restart() {
    let (desk, well) = (Desk::new(), Arc::new(AtomicBool::new(false)));
    let is_well = well.clone();
    let wrong = sink(
        move |_, _| {
            if is_well.load(Ordering::SeqCst) { Reply::Take } else { Reply::Status(400) }
        },
    );
    let picky = sink(|_, bodies| {
        let is_bad = bodies.iter().any(|body| body.contains("bad"));
        if is_bad { Reply::Status(400) } else { Reply::Take }
    });
    let more = format!(
        "    batch: {{records: 20, wait: 5ms}}\n  - {{type: otlp_http, name: picky, \
         endpoint: 'http://{}', batch: {{records: 20, wait: 5ms}}}}\ndead_letter_bytes: 1Mi\n",
        picky.address()
    );
    desk.config(&config(&wrong, &more));
    let is_bad = |number: usize| number.is_multiple_of(3);
    let begin = |number| format!("{} {number:04}", if is_bad(number) { "bad" } else { "good" });
    let all = (0..2_000).map(begin);
    let text: String =
        all.clone().map(|begin| format!("{begin} {}\n", "x".repeat(1_500))).collect();
    desk.append("logs/a.log", &text);
    let state = desk.path("state");
    let agent = desk.start();
    agent.until_status(&state, |_| state.join("dead-letter.jsonl.1").exists());
    agent.kill();
    let agent = desk.start();
    agent.until_status(&state, |status| {
        status["sinks"].to_string().contains("beside those that sink `s` refused")
    });
    agent.kill();
    let text = |name: &str| std::fs::read_to_string(state.join(name)).unwrap();
    let letters = text("dead-letter.jsonl.1") + &text("dead-letter.jsonl");
    let letters: Vec<_> = letters.lines().filter(|one| one.contains("\"sink\":\"s\"")).collect();
    well.store(true, Ordering::SeqCst);
    let agent = desk.start();
    agent.until_status(&state, |status| {
        status["files"]["shown"][0]["delivered"] == status["files"]["shown"][0]["size"]
    });
    assert_eq!(agent.stop(), 0);
    let taken: Vec<_> = wrong.bodies().into_keys().collect();
    for begin in all {
        let is_kept = letters.iter().any(|letter| letter.contains(&begin));
        assert!(is_kept || taken.iter().any(|body| body.starts_with(&begin)), "{begin}");
    }
}

#[test]
fn r20_very_many_bad_records_hold_up_what_is_behind_them_but_not_for_ever() {
    let answer = |_: usize, bodies: &[String]| {
        let poisoned = bodies.iter().any(|body| body.contains("POISON"));
        if poisoned { Reply::Status(400) } else { Reply::Take }
    };
    let (desk, sink) = (Desk::new(), sink(answer));
    desk.config(&config(&sink, "    batch: {records: 200, wait: 5ms}\n"));
    let bad: String = (0..1_000).map(|number| format!("POISON {number}\n")).collect();
    desk.append("logs/a.log", &bad);
    desk.append("logs/a.log", &lines(0, 100));
    let agent = desk.start();
    sink.until(100);
    let status =
        agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
    assert_eq!(status["sinks"][0]["quarantined"], 1_000);
    assert_eq!(agent.stop(), 0);
    sink.each_once(100);
    let letters = std::fs::read_to_string(desk.path("state/dead-letter.jsonl")).unwrap();
    assert_eq!(letters.lines().count(), 1_000);
}

#[test]
fn a_sink_that_answers_garbage_or_not_at_all_is_tried_until_it_is_well() {
    let answer = |number: usize, _: &[String]| match number {
        0 => Reply::Raw(b"\0\xff\xfegarbage\r\n\r\n"),
        1 => Reply::Raw(b""),
        2 => Reply::Status(503),
        3 => Reply::Status(302),
        4 => Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"),
        5 => Reply::TakeInSilence,
        6 => Reply::Status(401),
        _ => Reply::Take,
    };
    let (desk, sink) = (Desk::new(), sink(answer));
    desk.config(&config(&sink, "    in_flight: 1\n"));
    desk.append("logs/a.log", &lines(0, 100));
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| status["sinks"][0]["sent"] == 100);
    let failures = metric(&desk.path("state"), "orlop_agent_sink_failures_total{sink=\"s\"}");
    assert!(failures >= 7, "each of them counts: {failures}");
    assert_eq!(agent.stop(), 0);
    let said = full_disk::said(&desk);
    let ways = said.lines().filter(|line| line.contains("WARN") && line.contains("sink `s`"));
    assert!(ways.count() > 3, "garbage, too: {said}");
    for status in [503, 302, 401] {
        assert!(said.contains(&format!(" answered {status}")), "each way to fail is told: {said}");
    }
    let bodies = sink.bodies();
    assert_eq!(bodies.len(), 100);
    // The server that took it and said nothing is told again.
    assert!(bodies.values().all(|times| *times <= 2));
}

#[test]
fn r30_a_reload_reads_new_files_keeps_what_is_the_same_and_a_wrong_config_changes_nothing() {
    let (desk, sink) = (Desk::new(), all_well());
    let state = desk.path("state");
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", &lines(0, 10));
    desk.append("other/b.txt", &lines(10, 20));
    let agent = desk.start();
    sink.until(10);
    desk.config("inputs: nonsense\n");
    agent.signal(Signal::HUP);
    agent.until_status(&state, |status| status["reloads"]["refused"].as_u64() >= Some(1));
    let page = || ran(&["status", "--state-dir", state.to_str().unwrap()]).1;
    assert!(page().contains("a start may fail with it: the config file is wrong"), "{}", page());
    desk.append("logs/a.log", &lines(20, 30));
    sink.until(20);
    let both =
        config(&sink, "").replace("'DIR/logs/**/*.log'", "'DIR/logs/**/*.log', 'DIR/other/*.txt'");
    desk.config(&both);
    for _ in 0..100 {
        agent.signal(Signal::HUP);
    }
    sink.until(30);
    agent.until_status(&state, |status| status["reloads"]["done"] == 2);
    assert!(!page().contains("a start may fail"), "{}", page());
    assert_eq!(agent.stop(), 0);
    assert!(sink.bodies().values().all(|times| *times == 1));
}

#[test]
fn r30_a_dead_sink_does_not_hold_a_reload_up_and_what_waited_goes_to_the_new_server() {
    let (desk, sink) = (Desk::new(), all_well());
    let text = config(&sink, "");
    desk.config(&text.replace(&sink.address().to_string(), "127.0.0.1:1"));
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| !status["sinks"][0]["failing"].is_null());
    desk.config(&text);
    agent.signal(Signal::HUP);
    desk.append("logs/a.log", &lines(1_000, 2_000));
    sink.until(2_000);
    assert_eq!(agent.stop(), 0);
    assert!(sink.bodies().values().all(|times| *times == 1));
}

#[test]
fn r13_containers_are_joined_over_rotation_and_named_by_their_path() {
    let desk = Desk::new();
    desk.config(
        "inputs: [{type: kubernetes, root: 'DIR/pods', metadata: false}]\n\
         sinks: [{type: file, path: 'DIR/out.jsonl'}]\n",
    );
    let stamp = "2026-01-02T03:04:05.000000006Z";
    let log = "pods/shop_web-1_0af3/app/0.log";
    desk.append(
        log,
        &format!("{stamp} stdout F {{\"level\":\"error\",\"msg\":\"one\",\"n\":7}}\n"),
    );
    desk.append(log, &format!("{stamp} stdout P half \n"));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| status["lines"].as_u64() >= Some(2));
    std::fs::rename(desk.path(log), desk.path(&format!("{log}.20260102-030405"))).unwrap();
    desk.append(log, &format!("{stamp} stdout F and half\n"));
    agent.until_status(&state, |status| status["sinks"][0]["sent"] == 2);
    // It ends within a line, and is started again.
    desk.append(log, &format!("{stamp} stdout P last words\n"));
    agent.until_status(&state, |status| status["lines"].as_u64() >= Some(4));
    let log = log.replace("0.log", "1.log");
    desk.append(&log, &format!("{stamp} stdout F {{\"level\":\"error\",\"msg\":\"next\"}}\n"));
    agent.until_status(&state, |status| status["sinks"][0]["sent"] == 3);
    assert_eq!(agent.stop(), 0);
    let text = std::fs::read_to_string(desk.path("out.jsonl")).unwrap();
    let records: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&records[0]["body"], &records[0]["severity"]), (&"one".into(), &"error".into()));
    assert_eq!(records[0]["attributes"]["n"], 7);
    assert_eq!(records[1]["body"], "half and half");
    assert_eq!(records[1]["resource"]["k8s.pod.name"], "web-1");
    assert_eq!(records[1]["resource"]["k8s.container.name"], "app");
    assert_eq!((&records[2]["body"], &records[2]["severity"]), (&"next".into(), &"error".into()));
    assert_eq!(records[2]["resource"]["k8s.container.restart_count"], "1");
}

#[test]
fn status_tap_and_check_config_answer_with_the_documented_exit_codes() {
    let (desk, sink) = (Desk::new(), all_well());
    desk.config(&config(&sink, ""));
    desk.append("logs/a.log", "");
    let agent = desk.start();
    let (state, file) = (desk.path("state"), desk.path("agent.yaml"));
    let (state_text, file) = (state.to_str().unwrap(), file.to_str().unwrap());
    let (code, out, _) = ran(&["status", "--state-dir", state_text]);
    assert!(code == 0 && out.contains("ready") && out.contains("a.log"), "{code} {out}");
    ask(&state, "/tap?session=1&stage=parsed").unwrap();
    desk.append("logs/a.log", "level=warn msg=\"a \\u001b[2J b\" user=7\n");
    sink.until(1);
    agent.until_status(&state, |status| status["sinks"][0]["sent"] == 1);
    let seen = ask(&state, "/tap?session=1&stage=parsed").unwrap();
    assert!(seen.contains("a.log") && !seen.contains('\u{1b}'), "{seen}");
    assert!(
        ask(&state, "/metrics")
            .unwrap()
            .contains("orlop_agent_sink_records_sent_total{sink=\"s\"} 1")
    );
    assert_eq!(ran(&["check-config", file]).0, 0);
    assert_eq!(agent.stop(), 0);
    let (code, _, error) = ran(&["status", "--state-dir", state_text]);
    assert!(code == 2 && error.contains("no agent answers"), "{code} {error}");
    std::fs::write(desk.path("half.yaml"), "inputs: [{type: journald}]\n").unwrap();
    let (code, out, _) = ran(&["check-config", desk.path("half.yaml").to_str().unwrap()]);
    assert!(code == 0 && out.contains(":1: `sinks` is missing"), "{code} {out}");
    std::fs::write(desk.path("wrong.yaml"), "inputs: 7\nsinkz: []\n").unwrap();
    let (code, _, error) = ran(&["check-config", desk.path("wrong.yaml").to_str().unwrap()]);
    assert!(code == 2 && error.contains(":1:") && error.contains("`sinks`"), "{code} {error}");
    assert_eq!(ran(&["statsu"]).0, 64);
}

#[test]
fn no_two_agents_share_a_state_folder() {
    let (desk, sink) = (Desk::new(), all_well());
    desk.config(&config(&sink, ""));
    let agent = desk.start();
    let file = desk.path("agent.yaml");
    let (code, _, error) = ran(&["run", "--config", file.to_str().unwrap()]);
    assert!(code == 2 && error.contains("in use"), "{code} {error}");
    assert!(error.contains("hint: stop the other agent (one that was just killed"), "{error}");
    assert_eq!(agent.stop(), 0);
}

#[test]
fn with_no_config_at_all_the_agent_runs_and_ends_in_good_order() {
    let desk = Desk::new();
    let state = desk.path("state");
    let agent = Agent::start(&["--state-dir", state.to_str().unwrap(), "--listen", "off"]);
    let status = agent.until_status(&state, |status| status["ready"] == true);
    assert_eq!(status["sinks"][0]["name"], "stdout");
    assert_eq!(agent.stop(), 0);
}
