//! R30: a config that changes while the agent runs.

use super::support::{Desk, Sink, lines, sink};
use rustix::process::Signal;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::log_sink::Reply;

/// One input and these sinks, by name and address.
fn config(sinks: &[(&str, String)], more: &str) -> String {
    let mut text = format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n\
         checkpoint_interval: 50ms\n{more}sinks:\n"
    );
    for (name, address) in sinks {
        text.push_str(&format!(
            "  - {{type: otlp_http, name: {name}, endpoint: 'http://{address}', backoff_max: 100ms}}\n"
        ));
    }
    text
}

fn to(name: &'static str, sink: &Sink) -> (&'static str, String) {
    (name, sink.address().to_string())
}

#[test]
fn r30_a_sink_that_is_removed_takes_what_it_was_given_and_nothing_later() {
    let desk = Desk::new();
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let slow = sink(
        move |_, _| {
            if is_well.load(Ordering::SeqCst) { Reply::Take } else { Reply::Status(503) }
        },
    );
    let other = sink(|_, _| Reply::Take);
    desk.config(&config(&[to("slow", &slow), to("other", &other)], ""));
    desk.append("logs/a.log", &lines(0, 5_000));
    let agent = desk.start();
    let state = desk.path("state");
    other.until(5_000);
    agent.until_status(&state, |status| {
        !status["sinks"][0]["failing"].is_null() && status["sinks"][0]["in_flight"] == 5_000
    });
    desk.config(&config(&[to("other", &other)], "shutdown_timeout: 2m\n"));
    agent.signal(Signal::HUP);
    agent.until_status(&state, |status| status["reloads"]["done"] == 2);
    desk.append("logs/a.log", &lines(5_000, 6_000));
    other.until(6_000);
    // Until it has them, they are not written down as delivered.
    let status = agent.until_status(&state, |_| true);
    let file = &status["files"]["shown"][0];
    assert!(file["delivered"].as_u64() < file["size"].as_u64(), "{file}");
    well.store(true, Ordering::SeqCst);
    slow.until(5_000);
    agent.until_status(&state, |status| {
        let file = &status["files"]["shown"][0];
        file["delivered"] == file["size"] && status["sinks"].as_array().unwrap().len() == 1
    });
    assert_eq!(agent.stop(), 0);
    slow.each_once(5_000);
    other.each_once(6_000);
}

#[test]
fn r30_a_sink_that_is_removed_and_dead_is_given_up_in_time_and_the_others_go_on() {
    let desk = Desk::new();
    let other = sink(|_, _| Reply::Take);
    let dead = ("dead", "127.0.0.1:1".to_owned());
    let more = "memory_max_bytes: 34Mi\n";
    desk.config(&config(&[dead, to("other", &other)], more));
    let written = 200_000;
    desk.append("logs/a.log", &lines(0, written));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    desk.config(&config(&[to("other", &other)], &format!("{more}shutdown_timeout: 200ms\n")));
    agent.signal(Signal::HUP);
    other.until(written);
    let status = agent.until_status(&state, |status| {
        let file = &status["files"]["shown"][0];
        file["delivered"] == file["size"]
    });
    assert!(status["records"]["given_up"].as_u64() >= Some(1), "{}", status["records"]);
    assert_eq!(agent.stop(), 0);
    other.each_once(written);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(said.contains("given up"), "{said}");
}

#[test]
fn r30_a_config_map_that_is_replaced_is_used_without_a_signal() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    let text = |paths: &str| config(&[to("s", &sink)], "").replace("'DIR/logs/*.log'", paths);
    // As the kubelet mounts it: the file is a link over a link that is replaced.
    let put = |version: &str, paths: &str| {
        let folder = desk.path(version);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("agent.yaml"), desk.filled(&text(paths))).unwrap();
        symlink(version, desk.path("..tmp")).unwrap();
        std::fs::rename(desk.path("..tmp"), desk.path("..data")).unwrap();
    };
    put("..1", "'DIR/logs/a.log'");
    symlink("..data/agent.yaml", desk.path("agent.yaml")).unwrap();
    desk.append("logs/a.log", &lines(0, 10));
    desk.append("logs/b.log", &lines(10, 20));
    desk.append("logs/c.log", &lines(20, 30));
    let agent = desk.start();
    sink.until(10);
    put("..2", "'DIR/logs/[ab].log'");
    sink.until(20);
    put("..3", "'DIR/logs/*.log'");
    sink.until(30);
    assert_eq!(agent.stop(), 0);
    sink.each_once(30);
}

#[test]
fn r30_a_config_that_is_half_written_is_refused_and_the_sinks_in_use_stay() {
    let (desk, old, new) = (Desk::new(), sink(|_, _| Reply::Take), sink(|_, _| Reply::Take));
    desk.config(&config(&[to("s", &old)], ""));
    desk.append("logs/a.log", &lines(0, 10));
    let agent = desk.start();
    let state = desk.path("state");
    old.until(10);
    for (part, refused) in [("", 1), ("inputs: [{type: files, paths: ['DIR/logs/*.log']}]\n", 2)] {
        desk.config(part);
        agent.until_status(&state, |status| status["reloads"]["refused"].as_u64() >= Some(refused));
    }
    desk.append("logs/a.log", &lines(10, 20));
    old.until(20);
    desk.config(&config(&[to("s", &new)], ""));
    agent.until_status(&state, |status| status["reloads"]["done"].as_u64() >= Some(2));
    desk.append("logs/a.log", &lines(20, 30));
    new.until(10);
    assert_eq!(agent.stop(), 0);
    old.each_once(20);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(said.contains("agent.yaml:1: `sinks` is missing"), "{said}");
}

#[test]
fn r30_a_line_that_fits_the_new_memory_but_not_that_in_use_is_refused_and_nothing_changes() {
    let (desk, old, new) = (Desk::new(), sink(|_, _| Reply::Take), sink(|_, _| Reply::Take));
    desk.config(&config(&[to("s", &old)], ""));
    desk.append("logs/a.log", &lines(0, 10));
    let agent = desk.start();
    old.until(10);
    // By itself this config is well; but memory cannot change while the agent runs.
    let text = config(&[to("s", &new)], "memory_max_bytes: 256Mi\n")
        .replace("start_at", "line_max_bytes: 8Mi, start_at")
        .replace("backoff_max", "batch: {bytes: 16Mi}, backoff_max");
    desk.config(&text);
    agent.signal(Signal::HUP);
    let state = desk.path("state");
    agent.until_status(&state, |status| status["reloads"]["refused"].as_u64() >= Some(1));
    desk.append("logs/a.log", &lines(10, 20));
    old.until(20);
    assert_eq!(agent.stop(), 0);
    old.each_once(20);
    assert_eq!(new.requests(), 0);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(said.contains("fits into no batch") && said.contains("memory_max_bytes"), "{said}");
    // Started anew it has the memory.
    let agent = desk.start();
    desk.append("logs/a.log", &lines(20, 30));
    new.until(10);
    assert_eq!(agent.stop(), 0);
}
