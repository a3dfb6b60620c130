//! R30: a config that changes while the agent runs.

use super::support::{Agent, BUSY, Desk, Sink, WAIT, closed_port, lines, metric, sink, sink_at};
use rustix::process::Signal;
use std::collections::HashSet;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use testkit::log_sink::Reply;

/// One input and these sinks, by name and address.
pub(crate) fn config(sinks: &[(&str, String)], more: &str) -> String {
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

pub(crate) fn to(name: &'static str, sink: &Sink) -> (&'static str, String) {
    (name, sink.address().to_string())
}

/// Ends an agent that waits for a sink.
pub(crate) fn stop_at_once(desk: &Desk, agent: Agent) {
    agent.signal(Signal::TERM);
    agent.until_status(&desk.path("state"), |status| status["not_ready"] == "stopping\n");
    assert_eq!(agent.stop(), 1);
}

/// A sink that takes nothing until it is well.
pub(crate) fn slow() -> (Arc<AtomicBool>, Sink) {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let answers = move |_: usize, _: &[String]| {
        if is_well.load(Ordering::SeqCst) { Reply::Take } else { Reply::Status(503) }
    };
    (well, sink(answers))
}

#[test]
fn r30_a_sink_that_is_removed_takes_what_it_was_given_and_nothing_later() {
    let (desk, (well, slow)) = (Desk::new(), slow());
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
fn r30_a_sink_that_is_removed_and_hangs_in_a_write_is_given_up_and_the_others_go_on() {
    let (desk, other) = (Desk::new(), sink(|_, _| Reply::Take));
    let with = |more: &str| {
        let all = config(&[to("other", &other)], &format!("memory_max_bytes: 16Mi\n{more}"));
        all.replace("beginning", "beginning, line_max_bytes: 64Ki")
    };
    desk.config(&format!("{}  - {{type: stdout, name: hung}}\n", with("")));
    let written = 200_000;
    desk.append("logs/a.log", &lines(0, written));
    // Nobody reads it.
    let agent = desk.start_by(&[], std::process::Stdio::piped());
    let state = desk.path("state");
    agent.until_status(&state, |_| metric(&state, "orlop_agent_stalls_total") > 0);
    desk.config(&with("shutdown_timeout: 200ms\n"));
    agent.signal(Signal::HUP);
    other.until(written);
    let status = agent.until_status(&state, |status| {
        let file = &status["files"]["shown"][0];
        file["delivered"] == file["size"]
    });
    assert!(status["records"]["given_up"].as_u64() >= Some(1), "{}", status["records"]);
    assert_eq!(agent.stop(), 0);
    other.each_once(written);
}

#[test]
fn r30_a_file_sink_that_hangs_in_a_write_and_gets_another_path_loses_nothing() {
    for with_other in [true, false] {
        let (desk, other) = (Desk::new(), sink(|_, _| Reply::Take));
        let pipe = desk.path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        // What is in it stays when the agent ends; until then nobody reads it.
        let mut options = std::fs::File::options();
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut pipe = options.read(true).write(true).custom_flags(nonblock).open(pipe).unwrap();
        let with = |path: &str, more: &str| {
            let others = [to("other", &other)];
            let others = if with_other { &others[..] } else { &[] };
            let all = config(others, &format!("memory_max_bytes: 16Mi\n{more}"));
            let all = all.replace("beginning", "beginning, line_max_bytes: 64Ki");
            format!("{all}  - {{type: file, name: hung, path: 'DIR/{path}'}}\n")
        };
        desk.config(&with("pipe", ""));
        let (written, all) = (200_000, lines(0, 200_000));
        desk.append("logs/a.log", &all);
        let (agent, state) = (desk.start(), desk.path("state"));
        agent.until_status(&state, |_| metric(&state, "orlop_agent_stalls_total") > 0);
        desk.config(&with("out.jsonl", "shutdown_timeout: 200ms\n"));
        agent.signal(Signal::HUP);
        agent.until_status(&state, |status| status["files"]["shown"][0]["delivered"] == all.len());
        assert_eq!(agent.stop(), 0);
        let (mut text, mut piece) = (std::fs::read(desk.path("out.jsonl")).unwrap(), [0; 4096]);
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            text.extend_from_slice(&piece[..length]);
        }
        let text = String::from_utf8(text).unwrap();
        // The pipe may end within a line, which is in the other file then.
        let records = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let bodies = records.map(|record: serde_json::Value| record["body"].to_string());
        assert_eq!(bodies.collect::<HashSet<_>>().len(), written);
        assert_eq!(other.bodies().len(), if with_other { written } else { 0 });
        let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
        assert!(said.contains("sink `hung` hangs in a write and did not take"), "{said}");
    }
}

#[test]
fn r30_a_sink_that_is_removed_waits_for_no_pause_that_its_server_asked_for() {
    let old = sink(|number, _| if number == 0 { BUSY } else { Reply::Take });
    let (desk, other) = (Desk::new(), sink(|_, _| Reply::Take));
    desk.config(&config(&[to("old", &old), to("other", &other)], ""));
    desk.append("logs/a.log", &lines(0, 10));
    let agent = desk.start();
    agent.until_status(&desk.path("state"), |status| !status["sinks"][0]["failing"].is_null());
    desk.config(&config(&[to("other", &other)], "shutdown_timeout: 5m\n"));
    old.until(10);
    assert_eq!(agent.stop(), 0);
    old.each_once(10);
}

#[test]
fn r30_a_batch_whose_request_fails_after_a_reload_goes_to_the_new_server_at_once() {
    for reply in [BUSY, Reply::Status(400)] {
        let (asked, is_asked) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let old = sink(move |_, _| {
            asked.send(()).unwrap();
            // Until the other end is gone.
            let _ = gate.lock().unwrap().recv_timeout(WAIT);
            reply
        });
        let (desk, new) = (Desk::new(), sink(|_, _| Reply::Take));
        desk.config(&config(&[to("s", &old)], ""));
        desk.append("logs/a.log", &lines(0, 1));
        let agent = desk.start();
        is_asked.recv_timeout(WAIT).unwrap();
        reloaded(&desk, &agent, &config(&[to("s", &new)], ""));
        // Another batch knows of the new server first.
        desk.append("logs/a.log", &lines(1, 2));
        new.until(1);
        drop(open);
        new.until(2);
        assert_eq!(agent.stop(), 0);
        new.each_once(2);
    }
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

/// Another config is in use, and the reader has it.
pub(crate) fn reloaded(desk: &Desk, agent: &Agent, text: &str) {
    let state = desk.path("state");
    let done = |status: &serde_json::Value| {
        status.pointer("/reloads/done").and_then(serde_json::Value::as_u64)
    };
    let before = done(&agent.until_status(&state, |_| true));
    desk.config(text);
    agent.until_status(&state, |status| done(status) > before);
    agent.until_status(&state, |_| true);
}

/// Waits until the sink has so many records.
fn sent(desk: &Desk, agent: &Agent, records: u64) {
    agent.until_status(&desk.path("state"), |status| {
        status.pointer("/sinks/0/sent").and_then(serde_json::Value::as_u64) == Some(records)
    });
}

/// Ends an agent when its sink, a file, has so many records, and gives them.
pub(crate) fn ended(desk: &Desk, agent: Agent, records: u64) -> Vec<serde_json::Value> {
    sent(desk, &agent, records);
    assert_eq!(agent.stop(), 0);
    let text = std::fs::read_to_string(desk.path("out.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn r20_r30_a_reload_that_adds_a_sink_lets_go_no_letter_of_one_that_refuses_everything() {
    let (desk, wrong) = (Desk::new(), sink(|_, _| Reply::Status(400)));
    let others = [(); 2].map(|()| sink(|_, _| Reply::Take));
    let more = "dead_letter_bytes: 1Mi\n";
    desk.config(&config(&[to("wrong", &wrong), to("one", &others[0])], more));
    let line = |number: usize| format!("{number:04} {}\n", "x".repeat(1_500));
    desk.append("logs/a.log", &(0..1_000).map(line).collect::<String>());
    let (agent, state) = (desk.start(), desk.path("state"));
    let until_kept = || {
        agent.until_status(&state, |status| status["sinks"].to_string().contains("have no room"));
    };
    until_kept();
    let letters = || std::fs::read_to_string(state.join("dead-letter.jsonl.1")).unwrap();
    let before = letters();
    // One more shares the memory: batches of all become smaller.
    let all = [to("wrong", &wrong), to("one", &others[0]), to("two", &others[1])];
    reloaded(&desk, &agent, &config(&all, more));
    wrong.until_requests(wrong.requests() + 3);
    until_kept();
    assert!(letters() == before, "letters were let go");
    stop_at_once(&desk, agent);
}

/// Records of two kinds that are open at their end: the input, a beginning, a line beside it, the
/// end, what comes of it, and how many records there are with what is beside it.
const OPEN: [(&str, &str, &str, &str, &str, usize); 2] = [
    (
        "{type: files, paths: ['DIR/logs/*/*/*.log'], start_at: beginning, parsers: [], \
         multiline: {first_line: '^at', timeout: 1m}}",
        "at 1\nat 2\n  and\n",
        "  so\n",
        "  on\nat 3\n",
        "at 2\n  and\n  so\n  on",
        1,
    ),
    (
        "{type: kubernetes, root: 'DIR/logs', metadata: false, partial_timeout: 1m, parsers: []}",
        "2026-01-02T03:04:05.000000006Z stdout F at 1\n2026-01-02T03:04:05.1Z stdout P at 2, \n",
        "2026-01-02T03:04:05.2Z stderr F beside it\n",
        "2026-01-02T03:04:05.3Z stdout F and on\n",
        "at 2, and on",
        2,
    ),
];

#[test]
fn r12_r30_a_record_that_is_open_while_every_sink_is_replaced_is_whole_after_a_stop() {
    for (input, begin, beside, end, whole, records) in OPEN {
        let (desk, old, new) = (Desk::new(), sink(|_, _| Reply::Take), sink(|_, _| Reply::Take));
        let config = |sinks| {
            config(&[sinks], "")
                .replace("{type: files, paths: ['DIR/logs/*.log'], start_at: beginning}", input)
        };
        desk.config(&config(to("old", &old)));
        let (log, state) = ("logs/a_web-1_0af3/app/0.log", desk.path("state"));
        desk.append(log, begin);
        let agent = desk.start();
        old.until(1);
        desk.config(&config(to("new", &new)));
        agent.signal(Signal::HUP);
        agent.until_status(&state, |status| {
            let sinks = status["sinks"].as_array().unwrap();
            sinks.len() == 1 && sinks[0]["name"] == "new"
        });
        desk.append(log, beside);
        let written = (begin.len() + beside.len()) as u64;
        agent.until_status(&state, |status| status["files"]["shown"][0]["read"] == written);
        assert_eq!(agent.stop(), 0);
        let agent = desk.start();
        desk.append(log, end);
        new.until(records);
        assert_eq!(agent.stop(), 0);
        let bodies = new.bodies();
        assert!(bodies.contains_key(whole), "{bodies:?}");
    }
}

#[test]
fn r18_r30_a_block_that_waits_for_room_while_every_sink_is_replaced_is_sent_by_the_next_start() {
    let (desk, written) = (Desk::new(), 200_000);
    let (old_is_well, old) = slow();
    // Nobody listens there until the next start.
    let closed = closed_port();
    let address = closed.local_addr().unwrap();
    let config = |sinks| {
        config(&[sinks], "memory_max_bytes: 8Mi\nshutdown_timeout: 2m\n")
            .replace("beginning", "beginning, line_max_bytes: 64Ki")
    };
    desk.config(&config(to("old", &old)));
    desk.append("logs/a.log", &lines(0, written));
    let agent = desk.start();
    let state = desk.path("state");
    agent.until_status(&state, |status| {
        !status["sinks"][0]["failing"].is_null() && metric(&state, "orlop_agent_stalls_total") > 3
    });
    reloaded(&desk, &agent, &config(("new", address.to_string())));
    old_is_well.store(true, Ordering::SeqCst);
    agent.until_status(&state, |status| {
        let sinks = status["sinks"].as_array().unwrap();
        sinks.len() == 1 && sinks[0]["name"] == "new" && !sinks[0]["failing"].is_null()
    });
    stop_at_once(&desk, agent);
    let new = sink_at(closed, |_, _| Reply::Take);
    let agent = desk.start();
    new.until(written - old.bodies().len());
    assert_eq!(agent.stop(), 0);
    new.each_once(written - old.bodies().len());
}

pub(crate) const TO_FILE: &str = "sinks: [{type: file, path: 'DIR/out.jsonl'}]\n";

#[test]
fn r30_an_open_file_is_redacted_as_its_renamed_input_says() {
    // The second one is reached over a link, from a folder that is known by its own name, too.
    for path in ["logs/a.log", "real/logs/a.log"] {
        let desk = Desk::new();
        let config = |name: &str, more: &str| {
            format!(
                "inputs:\n  - {{type: files, name: x, paths: ['DIR/real/*/x.log']}}\n  \
                 - {{type: files, name: {name}, paths: ['DIR/logs/*.log'], start_at: beginning}}\n\
                 {more}{TO_FILE}"
            )
        };
        desk.config(&config("one", ""));
        desk.append(path, "mail one@example.com\n");
        if path.starts_with("real") {
            symlink("real/logs", desk.path("logs")).unwrap();
        }
        let agent = desk.start();
        sent(&desk, &agent, 1);
        reloaded(&desk, &agent, &config("two", "redaction: {rules: [email]}\n"));
        desk.append(path, "mail two@example.com\n");
        let bodies = ended(&desk, agent, 2);
        assert_eq!(bodies[0]["body"], "mail one@example.com");
        let body = bodies[1]["body"].as_str().unwrap();
        assert!(body.starts_with("mail ") && !body.contains("two@"), "{path}: {body}");
    }
}

#[test]
fn r30_an_open_file_is_read_as_another_input_says_that_is_put_before_its_own() {
    let desk = Desk::new();
    let config = |first: &str| {
        format!(
            "inputs:\n{first}  - {{type: files, name: all, paths: ['DIR/logs/*.log'], \
             start_at: beginning, parsers: []}}\n{TO_FILE}"
        )
    };
    desk.config(&config(""));
    let line = "{\"msg\":\"paid\",\"n\":7}\n";
    for name in ["logs/pay.log", "logs/gone.log", "logs/other.log"] {
        desk.append(name, line);
    }
    let agent = desk.start();
    sent(&desk, &agent, 3);
    // One whose name no pattern means any more goes on as what it was.
    std::fs::rename(desk.path("logs/gone.log"), desk.path("logs/gone.log.1")).unwrap();
    let first = "  - {type: files, name: pay, paths: ['DIR/logs/pay.log', 'DIR/logs/gone.log'], \
                 parsers: [json], resource: {team: payments}}\n";
    reloaded(&desk, &agent, &config(first));
    for name in ["logs/pay.log", "logs/gone.log.1", "logs/other.log"] {
        desk.append(name, line);
    }
    let records = ended(&desk, agent, 6);
    for record in &records[3..] {
        let is_other = record["resource"]["log.file.path"].as_str().unwrap().contains("other");
        let (body, team) = (&record["body"], &record["resource"]["team"]);
        if is_other {
            assert!(body.as_str().unwrap().starts_with('{') && team.is_null(), "{record}");
        } else {
            assert!(body == "paid" && team == "payments", "{record}");
        }
    }
}

#[test]
fn r30_the_pods_of_a_namespace_that_is_not_wanted_any_more_are_not_read_any_more() {
    let desk = Desk::new();
    let config = |namespaces: &str| {
        format!(
            "inputs: [{{type: kubernetes, root: 'DIR/pods', metadata: false, \
             namespaces: [{namespaces}]}}]\n{TO_FILE}"
        )
    };
    desk.config(&config("a, b"));
    let append = |text: &str| {
        for namespace in ["a", "b", "c"] {
            let log = format!("pods/{namespace}_web-1_0af3/app/0.log");
            let line = format!("2026-01-02T03:04:05.000000006Z stdout F {text} {namespace}\n");
            desk.append(&log, &line);
        }
    };
    append("before");
    let agent = desk.start();
    sent(&desk, &agent, 2);
    reloaded(&desk, &agent, &config("a"));
    append("without b");
    sent(&desk, &agent, 3);
    let records = ended(&desk, agent, 3);
    assert_eq!(records[2]["body"], "without b a");
}

#[test]
fn r31_the_pod_that_the_agent_runs_in_is_not_read() {
    let desk = Desk::new();
    desk.config(&format!(
        "inputs: [{{type: kubernetes, root: 'DIR/pods', metadata: false}}]\n{TO_FILE}"
    ));
    for pod in ["logs_orlop-agent-1_0af3-7", "logs_orlop-agent-2_0af3-8", "web_web-1_0af3-9"] {
        let line = format!("2026-01-02T03:04:05.000000006Z stdout F of {pod}\n");
        desk.append(&format!("pods/{pod}/app/0.log"), &line);
    }
    let agent = desk.start_by(&["env", "POD_UID=0af3-8"], std::process::Stdio::null());
    let records = ended(&desk, agent, 2);
    assert!(!records.iter().any(|record| record["body"] == "of logs_orlop-agent-2_0af3-8"));
}
