//! Files that are deleted while no sink takes anything, and what becomes of them over a restart.

use crate::full_disk::{config, said};
use crate::support::{Desk, lines, sink_at};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use testkit::log_sink::Reply;

/// Where nobody listens, for now.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn r19_r20_a_deleted_file_that_no_sink_has_survives_a_kill() {
    // One that memory holds whole, and one that it does not.
    for written in [1_000, 200_000] {
        let (desk, address) = (Desk::new(), nobody());
        let state = desk.path("state");
        desk.config(&config(&address.to_string(), ""));
        let text = lines(0, written);
        desk.append("logs/a.log", &text);
        let agent = desk.start();
        agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
        std::fs::remove_file(desk.path("logs/a.log")).unwrap();
        agent.until_status(&state, |status| {
            status["files"]["spilled_bytes"].as_u64() == Some(text.len() as u64)
        });
        agent.kill();
        let sink = sink_at(TcpListener::bind(address).unwrap(), |_, _| Reply::Take);
        let agent = desk.start();
        sink.until(written);
        assert_eq!(agent.stop(), 0);
        sink.each_once(written);
    }
}

#[test]
fn r20_a_stop_keeps_what_it_has_of_deleted_files_for_the_next_start() {
    for written in [1_000, 200_000] {
        let (desk, address) = (Desk::new(), nobody());
        let state = desk.path("state");
        desk.config(&config(&address.to_string(), "shutdown_timeout: 300ms\n"));
        desk.append("logs/a.log", &lines(0, written));
        desk.append("logs/stays.log", &lines(written, written + 10));
        let agent = desk.start();
        agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
        std::fs::remove_file(desk.path("logs/a.log")).unwrap();
        assert_eq!(agent.stop(), 1);
        assert!(!said(&desk).contains("lost"), "{}", said(&desk));
        let sink = sink_at(TcpListener::bind(address).unwrap(), |_, _| Reply::Take);
        let agent = desk.start();
        sink.until(written + 10);
        assert_eq!(agent.stop(), 0);
        sink.each_once(written + 10);
    }
}

#[test]
fn r19_what_was_kept_aside_and_delivered_is_not_delivered_again_by_the_next_start() {
    let (desk, address) = (Desk::new(), nobody());
    let state = desk.path("state");
    desk.config(&config(&address.to_string(), ""));
    let written = 1_000;
    for number in 0..3 {
        let from = number * written;
        desk.append(&format!("logs/{number}.log"), &lines(from, from + written));
    }
    let agent = desk.start();
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    for number in 0..3 {
        std::fs::remove_file(desk.path(&format!("logs/{number}.log"))).unwrap();
    }
    let all = lines(0, 3 * written).len() as u64;
    agent.until_status(&state, |status| status["files"]["spilled_bytes"].as_u64() == Some(all));
    let sink = sink_at(TcpListener::bind(address).unwrap(), |_, _| Reply::Take);
    sink.until(3 * written);
    assert_eq!(agent.stop(), 0);
    let agent = desk.start();
    desk.append("logs/more.log", &lines(3 * written, 3 * written + 10));
    sink.until(3 * written + 10);
    assert_eq!(agent.stop(), 0);
    sink.each_once(3 * written + 10);
}

#[test]
fn r19_what_a_stop_still_delivers_of_what_was_kept_aside_is_repeated_by_no_more_than_a_piece() {
    let (desk, address) = (Desk::new(), nobody());
    let state = desk.path("state");
    desk.config(&config(&address.to_string(), ""));
    let written = 200_000;
    let text = lines(0, written);
    desk.append("logs/a.log", &text);
    let agent = desk.start();
    agent.until_status(&state, |status| !status["sinks"][0]["failing"].is_null());
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    agent.until_status(&state, |status| {
        status["files"]["spilled_bytes"].as_u64() == Some(text.len() as u64)
    });
    // What is in memory finds a sink while the agent ends; the rest is for the next start.
    agent.signal(Signal::TERM);
    let sink = sink_at(TcpListener::bind(address).unwrap(), |_, _| Reply::Take);
    assert_eq!(agent.wait(), 0);
    assert!((1..written).contains(&sink.bodies().len()));
    let agent = desk.start();
    sink.until(written);
    assert_eq!(agent.stop(), 0);
    // What is kept aside in one piece, 256 KiB, is let go in one.
    let (bodies, line) = (sink.bodies(), text.lines().next().unwrap().len() + 1);
    let repeated: usize = bodies.values().map(|times| times - 1).sum();
    assert!(repeated <= (256 << 10) / line, "{repeated}");
    let invented = bodies.keys().filter(|body| body.len() + 1 != line).count();
    assert_eq!((bodies.len(), invented), (written, 0));
}
