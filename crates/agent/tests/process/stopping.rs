//! A stop ends in time, whatever a sink's thread hangs in, and keeps what the next start needs.

use super::support::{Agent, BUSY, Desk, WAIT, lines, sink};
use rustix::process::Signal;
use std::net::UdpSocket;
use std::process::Stdio;
use testkit::log_sink::Reply;

fn config(sink: &str, more: &str) -> String {
    format!(
        "inputs: [{{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}}]\n{more}\
         sinks: [{sink}]\n"
    )
}

/// An agent that has read so many lines, and whose standard output nobody reads.
fn stalled(desk: &Desk, number: usize) -> Agent {
    desk.append("logs/a.log", &lines(0, number));
    let agent = desk.start_by(&[], Stdio::piped());
    agent.until_status(&desk.path("state"), |status| {
        status.pointer("/sinks/0/in_flight").is_some_and(|records| *records == number)
    });
    agent
}

#[test]
fn r20_a_second_signal_ends_an_agent_whose_write_never_returns() {
    let desk = Desk::new();
    desk.config(&config("{type: stdout}", "shutdown_timeout: 10m\n"));
    let agent = stalled(&desk, 20_000);
    // Which it tells, long before it is not ready because of it.
    agent.until_status(&desk.path("state"), |status| {
        status["sinks"][0]["silent_seconds"].as_u64() >= Some(1)
    });
    agent.signal(Signal::TERM);
    agent.until_status(&desk.path("state"), |status| status["not_ready"] == "stopping\n");
    assert_eq!(agent.stop(), 1);
}

#[test]
fn two_signals_at_once_end_an_agent_that_has_delivered_all_as_one_does() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    let to = format!("{{type: otlp_http, endpoint: 'http://{}'}}", sink.address());
    desk.config(&config(&to, ""));
    desk.append("logs/a.log", &lines(0, 100));
    let mut codes = Vec::new();
    for _ in 0..20 {
        let agent = desk.start();
        sink.until(100);
        agent.until_status(&desk.path("state"), |status| status["sinks"][0]["in_flight"] == 0);
        agent.signal(Signal::INT);
        codes.push(agent.stop());
    }
    assert_eq!(codes, [0; 20]);
    sink.each_once(100);
}

#[test]
fn r20_a_stop_while_a_write_never_returns_ends_in_time_and_keeps_what_a_deleted_file_had() {
    let (desk, number) = (Desk::new(), 40_000);
    desk.config(&config("{type: stdout}", "shutdown_timeout: 300ms\n"));
    let agent = stalled(&desk, number);
    std::fs::remove_file(desk.path("logs/a.log")).unwrap();
    assert_eq!(agent.stop(), 1);
    let sink = sink(|_, _| Reply::Take);
    desk.config(&config(
        &format!("{{type: otlp_http, endpoint: 'http://{}'}}", sink.address()),
        "",
    ));
    let agent = desk.start();
    sink.until(number);
    assert_eq!(agent.stop(), 0);
    sink.each_once(number);
}

#[test]
fn r19_a_stop_waits_for_no_pause_and_the_next_start_repeats_nothing() {
    let sink = sink(|number, _| if number == 0 { BUSY } else { Reply::Take });
    let desk = Desk::new();
    let to = format!("{{type: otlp_http, endpoint: 'http://{}'}}", sink.address());
    desk.config(&config(&to, "shutdown_timeout: 1m\n"));
    desk.append("logs/a.log", &lines(0, 10));
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| !status["sinks"][0]["failing"].is_null());
    desk.append("logs/a.log", &lines(10, 20));
    sink.until(10);
    assert_eq!(agent.stop(), 0);
    assert_eq!(desk.start().stop(), 0);
    sink.each_once(20);
}

#[test]
fn r20_a_stop_while_a_name_is_looked_up_in_vain_ends_in_time() {
    let desk = Desk::new();
    // A server of names that never says anything; needs a port that only root can have.
    let silent = match UdpSocket::bind("127.77.0.1:53") {
        Ok(silent) => silent,
        Err(error) => return testkit::cluster::skip(format_args!("no server of names: {error}")),
    };
    silent.set_read_timeout(Some(WAIT)).unwrap();
    let resolver = desk.path("resolv.conf");
    let text = "nameserver 127.77.0.1\noptions timeout:30 attempts:5\n";
    std::fs::write(&resolver, text).unwrap();
    let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
    let by = ["unshare", "--mount", "sh", "-c", script, resolver.to_str().unwrap()];
    let to = "{type: otlp_http, endpoint: 'http://collector.example.:4318'}";
    desk.config(&config(to, "shutdown_timeout: 300ms\n"));
    desk.append("logs/a.log", &lines(0, 10));
    let agent = desk.start_by(&by, Stdio::null());
    silent.recv(&mut [0; 512]).unwrap();
    assert_eq!(agent.stop(), 1);
}
