//! R30: a reload that takes sinks out of the config which have something left to deliver.

use super::packed::{gzip, hours_ago};
use super::reload::{TO_FILE, config, ended, reloaded, slow, stop_at_once, to};
use super::support::{Desk, lines, metric, sink};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use testkit::log_sink::Reply;

/// How often each line came to the file.
fn counted(records: &[serde_json::Value]) -> BTreeMap<&str, usize> {
    let mut bodies = BTreeMap::new();
    for record in records {
        *bodies.entry(record["body"].as_str().unwrap()).or_default() += 1;
    }
    bodies
}

/// A sink where nobody listens.
fn dead() -> (&'static str, String) {
    ("dead", "127.0.0.1:1".to_owned())
}

#[test]
fn r30_what_the_only_sink_did_not_take_is_read_again_for_the_one_in_its_place() {
    // What memory holds whole, and what it does not; by name the same sink, and another one.
    for (written, name) in [(1_000, "dead"), (200_000, "file")] {
        let desk = Desk::new();
        let more = "memory_max_bytes: 34Mi\nshutdown_timeout: 200ms\n";
        let before = config(&[dead()], more).replace("beginning", "beginning, compressed: true");
        desk.config(&before);
        desk.append("logs/stays.log", &lines(0, written));
        desk.append("logs/goes.log", &lines(written, written + 500));
        let packed = lines(written + 500, written + 1_000);
        gzip(&desk.path("logs/old.log.1.gz"), packed.as_bytes(), SystemTime::now());
        let agent = desk.start();
        let state = desk.path("state");
        agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
        std::fs::remove_file(desk.path("logs/goes.log")).unwrap();
        let (inputs, _) = before.split_once("sinks:").unwrap();
        desk.config(&format!(
            "{inputs}{}",
            TO_FILE.replace("path", &format!("name: {name}, path"))
        ));
        agent.signal(Signal::HUP);
        let all = written + 1_500;
        desk.append("logs/stays.log", &lines(written + 1_000, all));
        let records = ended(&desk, agent, all as u64);
        let counted = counted(&records);
        assert_eq!((counted.len(), counted.values().max()), (all, Some(&1)));
        let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
        assert!(said.contains("read again for the sinks") && !said.contains("lost"), "{said}");
    }
}

#[test]
fn r30_what_a_sink_did_not_take_is_read_again_also_for_one_that_was_added_later() {
    let (desk, late) = (Desk::new(), sink(|_, _| Reply::Take));
    let more = "shutdown_timeout: 200ms\n";
    desk.config(&config(&[dead()], more));
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_000);
    reloaded(&desk, &agent, &config(&[dead(), to("late", &late)], more));
    std::fs::rename(desk.path("logs/a.log"), desk.path("logs/a.log.1")).unwrap();
    desk.append("logs/a.log", &lines(1_000, 2_000));
    late.until(1_000);
    let rotated = || {
        agent.until_status(&state, |_| metric(&state, "orlop_agent_files_rotated_total") == 1);
    };
    rotated();
    desk.config(&config(&[to("late", &late)], more));
    late.until(2_000);
    // What was counted so far counts on.
    rotated();
    agent.until_status(&state, |_| metric(&state, "orlop_agent_lines_total") > 2_000);
    assert_eq!(agent.stop(), 0);
    assert_eq!(late.bodies().len(), 2_000);
}

#[test]
fn r30_what_the_only_sink_did_not_take_survives_a_stop_while_the_one_in_its_place_waits() {
    let desk = Desk::new();
    let before = config(&[dead()], "shutdown_timeout: 2m\n");
    desk.config(&before);
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_000);
    let (inputs, _) = before.split_once("sinks:").unwrap();
    reloaded(&desk, &agent, &format!("{inputs}{TO_FILE}"));
    stop_at_once(&desk, agent);
    let agent = desk.start();
    assert_eq!(counted(&ended(&desk, agent, 1_000)).len(), 1_000);
}

#[test]
fn r30_a_sink_in_the_place_of_a_slow_one_goes_on_where_that_one_ended() {
    let (desk, (well, old), new) = (Desk::new(), slow(), sink(|_, _| Reply::Take));
    let more = "shutdown_timeout: 2m\n";
    desk.config(&config(&[to("old", &old)], more));
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_000);
    reloaded(&desk, &agent, &config(&[to("new", &new)], more));
    desk.append("logs/a.log", &lines(1_000, 2_000));
    well.store(true, Ordering::SeqCst);
    new.until(1_000);
    assert_eq!(agent.stop(), 0);
    old.each_once(1_000);
    new.each_once(1_000);
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(!said.contains("given up") && !said.contains("read again"), "{said}");
}

#[test]
fn r30_what_a_sink_did_not_take_is_not_read_again_when_another_one_was_given_all_of_it() {
    let (desk, (well, old), late) = (Desk::new(), slow(), sink(|_, _| Reply::Take));
    let more = "shutdown_timeout: 200ms\n";
    desk.config(&config(&[to("old", &old)], more));
    well.store(true, Ordering::SeqCst);
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    let state = desk.path("state");
    old.until(1_000);
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 0);
    reloaded(&desk, &agent, &config(&[to("old", &old), to("late", &late)], more));
    well.store(false, Ordering::SeqCst);
    desk.append("logs/a.log", &lines(1_000, 2_000));
    late.until(1_000);
    reloaded(&desk, &agent, &config(&[to("late", &late)], more));
    agent.until_status(&state, |_| metric(&state, "orlop_agent_records_given_up_total") == 1_000);
    desk.append("logs/a.log", &lines(2_000, 3_000));
    late.until(2_000);
    assert_eq!(agent.stop(), 0);
    late.each_once(2_000);
}

#[test]
fn r30_a_sink_that_cannot_be_started_leaves_the_old_one_in_its_place() {
    let (desk, (well, old), new) = (Desk::new(), slow(), sink(|_, _| Reply::Take));
    let more = "shutdown_timeout: 200ms\n";
    desk.config(&config(&[to("old", &old)], more));
    desk.append("logs/a.log", &lines(0, 1_000));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"] == 1_000);
    // Two more descriptors are to be had: enough to read the config, not for a sink.
    let pid = Pid::from_raw(agent.pid().cast_signed()).unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    let open = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap());
    let open: Vec<u64> = open.collect();
    let free = |limit: u64| limit - open.iter().filter(|fd| **fd < limit).count() as u64;
    let few = (1..).find(|limit| free(*limit) == 2).unwrap();
    let limit = |current| {
        let limits = Rlimit { current, ..getrlimit(Resource::Nofile) };
        prlimit(Some(pid), Resource::Nofile, limits).unwrap()
    };
    let usual = limit(Some(few)).current;
    desk.config(&config(&[to("new", &new)], more));
    desk.until_said("the new config is not used");
    limit(usual);
    well.store(true, Ordering::SeqCst);
    old.until(1_000);
    agent.signal(Signal::HUP);
    desk.until_said("the new config is in use");
    desk.append("logs/a.log", &lines(1_000, 2_000));
    new.until(1_000);
    assert_eq!(agent.stop(), 0);
    old.each_once(1_000);
    new.each_once(1_000);
}

#[test]
fn r30_r19_what_is_read_again_for_a_new_sink_is_not_what_was_rotated_since_an_old_soft_checkpoint()
{
    let (desk, first, new) = (Desk::new(), sink(|_, _| Reply::Take), sink(|_, _| Reply::Take));
    let config = |sink| {
        let text = config(&[sink], "shutdown_timeout: 500ms\n");
        let text = text.replace("beginning", "beginning, compressed: true");
        text.replace("checkpoint_interval: 50ms", "checkpoint_interval: 1m")
    };
    desk.config(&config(to("first", &first)));
    let written = (5 << 20) / lines(0, 1).len();
    desk.append("logs/a.log", &lines(0, written));
    let agent = desk.start();
    let state = desk.path("state");
    first.until(written);
    agent.until_status(&state, |status| status["checkpoints"]["written"].as_u64() >= Some(2));
    agent.kill();
    let soft = |name: &&str| state.join(name).exists();
    let soft: Vec<_> =
        ["checkpoint.soft.0", "checkpoint.soft.1"].into_iter().filter(soft).collect();
    assert_eq!(soft.len(), 1);
    let soft = std::fs::File::options().write(true).open(state.join(soft[0])).unwrap();
    soft.set_modified(hours_ago(2)).unwrap();
    desk.config(&config(dead()));
    let agent = desk.start();
    desk.append("logs/a.log", "not delivered\n");
    agent.until_status(&state, |status| status["sinks"][0]["in_flight"].as_u64() >= Some(1));
    // As if it had been read and delivered since then.
    desk.append("logs/a.log.1", "rotated\n");
    gzip(&desk.path("logs/a.log.2.gz"), b"compressed\n", hours_ago(1));
    desk.config(&config(to("new", &new)));
    agent.signal(Signal::HUP);
    desk.until_said("read again for the sinks");
    desk.append("logs/a.log", "the last\n");
    let came = |body: &str| new.bodies().contains_key(body);
    agent.until_status(&state, |status| came("the last") && status["sinks"][0]["in_flight"] == 0);
    assert_eq!(agent.stop(), 0);
    assert_eq!(["not delivered", "rotated", "compressed"].map(came), [true, false, false]);
}
