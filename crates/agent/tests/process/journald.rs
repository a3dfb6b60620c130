//! The journal of a real journald: one of its own in a mount namespace, with its files in the
//! folder of the test. Needs root and systemd's journald; skipped without. And what a program does
//! in its place that fails.

use super::support::{Desk, Sink, WAIT, ask, metric, sink};
use rustix::fs::{
    CWD, FileType, MemfdFlags, Mode, SealFlags, fcntl_add_seals, memfd_create, mknodat,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::log_sink::Reply;

const PROGRAM: &str = "/usr/lib/systemd/systemd-journald";
/// The name of the journald's own namespace; it is part of its paths.
const NAME: &str = "orlop";

/// A running journald.
struct Journald {
    child: Child,
    run: PathBuf,
    log: PathBuf,
}

impl Journald {
    fn start(desk: &Desk) -> Option<Self> {
        let (run, log) = (desk.path("run"), desk.path("var-log"));
        if !Path::new(PROGRAM).exists() || !Path::new("/usr/bin/journalctl").exists() {
            testkit::cluster::skip("systemd's journald is not installed");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            testkit::cluster::skip("a journald of its own needs root");
            return None;
        }
        std::fs::create_dir_all(&run).unwrap();
        std::fs::create_dir_all(log.join("journal")).unwrap();
        // Its sockets and its files are ours.
        let script =
            "mount --bind \"$1\" /run && mount --bind \"$2\" /var/log && exec \"$3\" \"$4\"";
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .args([&run, &log])
            .args([PROGRAM, NAME])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut journald = Self { child, run, log };
        let socket = journald.socket();
        let found = testbed::wait::until(WAIT, || {
            let ended = journald.child.try_wait().unwrap().is_some();
            Ok::<_, Infallible>((ended || socket.exists()).then_some(ended))
        });
        if found.unwrap() == Some(false) {
            return Some(journald);
        }
        testkit::cluster::skip("journald does not run here");
        None
    }

    fn socket(&self) -> PathBuf {
        self.run.join(format!("systemd/journal.{NAME}/socket"))
    }

    /// Writes an entry as programs do that speak its own protocol.
    fn entry(&self, message: &str, priority: u8) {
        self.entry_with(message, &format!("PRIORITY={priority}"));
    }

    /// The same with another field. The entry is in a file, as for long ones.
    fn entry_with(&self, message: &str, field: &str) {
        let length = message.len() as u64;
        let mut entry = b"MESSAGE\n".to_vec();
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(message.as_bytes());
        entry.extend_from_slice(format!("\n{field}\nSYSLOG_IDENTIFIER=teapot\n").as_bytes());
        let mut file = File::from(memfd_create("entry", MemfdFlags::ALLOW_SEALING).unwrap());
        file.write_all(&entry).unwrap();
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(self.socket()).unwrap();
        let (files, mut space) = ([file.as_fd()], [MaybeUninit::uninit(); 64]);
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        sendmsg(&socket, &[], &mut control, SendFlags::empty()).unwrap();
    }

    /// Writes an entry of a unit, and waits until it is there.
    fn entry_of(&self, unit: &str, message: &str) {
        self.entry_with(message, &format!("OBJECT_SYSTEMD_UNIT={unit}"));
        self.until_line(|line| line == message);
    }

    /// Waits until it has such a line.
    fn until_line(&self, is_it: impl Fn(&str) -> bool) {
        let mut program = Command::new("/usr/bin/journalctl");
        program.arg("--directory").arg(self.directory()).args(["--output=cat", "--quiet"]);
        let found = testbed::wait::until(WAIT, || {
            let printed = String::from_utf8(program.output().unwrap().stdout).unwrap();
            Ok::<_, Infallible>(printed.lines().any(&is_it).then_some(()))
        });
        assert!(found.unwrap().is_some(), "a line is not written");
    }

    /// What a service has as its standard output.
    fn output(&self) -> OwnedFd {
        let path = self.run.join(format!("systemd/journal.{NAME}/stdout"));
        let mut stream = UnixStream::connect(path).unwrap();
        // A name, no unit, a priority, and that nothing is meant for others.
        stream.write_all(b"agent\n\n6\n0\n0\n0\n0\n").unwrap();
        stream.into()
    }

    /// The folder with its files, once it has made some.
    fn directory(&self) -> PathBuf {
        let root = self.log.join("journal");
        let found = testbed::wait::until(WAIT, || {
            let entries = std::fs::read_dir(&root).into_iter().flatten().flatten();
            let mut paths = entries.map(|entry| entry.path());
            Ok::<_, Infallible>(paths.find(|path| path.extension().is_some_and(|e| e == NAME)))
        });
        found.unwrap().unwrap()
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn r19_entries_of_a_real_journal_arrive_and_a_restart_goes_on_after_the_last_one() {
    let desk = Desk::new();
    let Some(journald) = Journald::start(&desk) else { return };
    let message = |number: usize| format!("entry {number}\nwith a second line");
    for number in 0..500 {
        journald.entry(&message(number), 6);
    }
    let sink = Sink::of_records();
    desk.config(&format!(
        "inputs: [{{type: journald, name: j, directory: '{}', start_at: beginning}}]\n\
         checkpoint_interval: 50ms\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
        journald.directory().display(),
        sink.address()
    ));
    let ours = |sink: &Sink| {
        let bodies = sink.bodies();
        bodies.into_iter().filter(|(body, _)| body.starts_with("entry ")).collect::<Vec<_>>()
    };
    let until = |sink: &Sink, number: usize| {
        let well = testbed::wait::until(WAIT, || {
            Ok::<_, Infallible>((ours(sink).len() >= number).then_some(()))
        });
        assert!(well.unwrap().is_some(), "{} of {number} came", ours(sink).len());
    };
    let agent = desk.start();
    until(&sink, 500);
    journald.entry(&message(500), 3);
    until(&sink, 501);
    assert_eq!(agent.stop(), 0);
    for number in 501..800 {
        journald.entry(&message(number), 6);
    }
    let agent = desk.start();
    until(&sink, 800);
    agent.kill();
    let agent = desk.start();
    journald.entry(&message(800), 6);
    until(&sink, 801);
    assert_eq!(agent.stop(), 0);
    let all = ours(&sink);
    assert_eq!(all.len(), 801);
    // Nothing before the clean stop came twice; the kill may repeat what was not written down.
    let early = |body: &str| {
        let number = body.strip_prefix("entry ").and_then(|rest| rest.split('\n').next());
        number.and_then(|number| number.parse::<usize>().ok()).is_some_and(|number| number <= 500)
    };
    assert!(all.iter().filter(|(body, _)| early(body)).all(|(_, times)| *times == 1));
    let records = sink.0.records();
    let one = records.iter().find(|record| record.body == message(500)).unwrap();
    assert_eq!((&one.record["severityNumber"]), &17);
    assert_eq!(one.attributes["syslog.identifier"], "teapot");
}

#[test]
fn r31_records_that_are_written_to_the_journal_are_not_read_from_it() {
    let desk = Desk::new();
    let Some(journald) = Journald::start(&desk) else { return };
    let sink = Sink::of_records();
    let directory = journald.directory();
    let input = format!("directory: '{}'", directory.display());
    desk.config(&config_of(&input, &sink).replace("sinks: [", "sinks: [{type: stdout}, "));
    let agent = desk.start_by(&[], journald.output().into());
    for message in ["one", "two", "three"] {
        journald.entry_of("a.service", message);
        // What it wrote of it is there before the next one.
        journald.until_line(|line| line.contains("{\"") && line.contains(message));
    }
    assert_eq!(agent.stop(), 0);
    let bodies = sink.bodies();
    assert!(["one", "two", "three"].iter().all(|body| bodies.contains_key(*body)), "{bodies:?}");
    assert!(!bodies.keys().any(|body| body.contains("{\"")), "{bodies:?}");
}

/// A sink that refuses everything until it is told otherwise.
fn closed_sink() -> (Sink, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let asked = open.clone();
    let answer = move |_: usize, _: &[String]| match asked.load(Ordering::Acquire) {
        true => Reply::Take,
        false => Reply::Status(503),
    };
    (sink(answer), open)
}

fn config_of(input: &str, sink: &Sink) -> String {
    format!(
        "inputs: [{{type: journald, name: j, {input}}}]\ncheckpoint_interval: 50ms\n\
         sinks: [{{type: otlp_http, endpoint: 'http://{}', batch: {{wait: 5ms}}}}]\n",
        sink.address()
    )
}

#[test]
fn r19_with_start_at_end_what_comes_after_the_first_start_is_read_whatever_happens_before_a_commit()
{
    // With the second one nothing that is there counts.
    for units in ["[]", "[new.service]"] {
        let desk = Desk::new();
        let Some(journald) = Journald::start(&desk) else { return };
        for number in 0..3 {
            journald.entry_of("old.service", &format!("old {number}"));
        }
        let (sink, open) = closed_sink();
        let directory = journald.directory();
        let input = format!("directory: '{}', units: {units}", directory.display());
        desk.config(&config_of(&input, &sink));
        desk.start().kill();
        journald.entry_of("new.service", "new 0");
        let agent = desk.start();
        sink.until_requests(1);
        agent.kill();
        journald.entry_of("new.service", "new 1");
        open.store(true, Ordering::Release);
        let agent = desk.start();
        sink.until(2);
        assert_eq!(agent.stop(), 0);
        journald.entry_of("new.service", "new 2");
        let agent = desk.start();
        sink.until(3);
        assert_eq!(agent.stop(), 0);
        let bodies: Vec<String> = sink.bodies().into_keys().collect();
        assert_eq!(bodies, ["new 0", "new 1", "new 2"], "units: {units}");
    }
}

/// A program in the folder in the place of journalctl: it writes down how it was called.
pub(crate) fn program(desk: &Desk, script: &str) {
    let path = desk.path("journalctl");
    let script = format!("#!/bin/sh\necho \"$*\" >> DIR/calls\n{script}\n");
    let script = script.replace("DIR", desk.dir.path().to_str().unwrap());
    // A child writes it: while this process had it open for writing, a child of another test could
    // have that descriptor, too, and nobody can run such a file ("text file busy").
    let mut write = Command::new("sh");
    write.args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\""]);
    assert!(write.arg(&path).arg(script).status().unwrap().success());
}

/// Waits until it was called so often with a word that begins so, and gives those words.
fn called(desk: &Desk, begin: &str, times: usize) -> Vec<String> {
    let found = testbed::wait::until(WAIT, || {
        let calls = std::fs::read_to_string(desk.path("calls")).unwrap_or_default();
        let words = calls.split_whitespace().filter(|word| word.starts_with(begin));
        let words: Vec<String> = words.map(str::to_owned).collect();
        Ok::<_, Infallible>((words.len() >= times).then_some(words))
    });
    found.unwrap().unwrap_or_else(|| panic!("not called with `{begin}`"))
}

#[test]
fn r19_what_comes_while_the_journal_cannot_be_read_at_the_first_start_is_read_later() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    // Fails, until it gives what there is since a time.
    let since = "case \"$*\" in *--since=*) printf '__CURSOR=s=1\\nMESSAGE=entry\\n\\n' ;; esac";
    program(&desk, &format!("[ -e DIR/works ] || exit 1\n{since}"));
    desk.config(&config_of("program: DIR/journalctl", &sink));
    let agent = desk.start();
    called(&desk, "--since=@", 2);
    agent.kill();
    let before = called(&desk, "--since=@", 2).len();
    let agent = desk.start();
    called(&desk, "--since=@", before + 1);
    std::fs::write(desk.path("works"), "").unwrap();
    sink.until(1);
    assert_eq!(agent.stop(), 0);
    let times: BTreeSet<String> = called(&desk, "--since=@", 1).into_iter().collect();
    assert_eq!(times.len(), 1, "{times:?}");
}

#[test]
fn r19_the_newest_entry_of_the_first_start_is_written_down_as_the_place_before_any_other_comes() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    let newest = "printf '__CURSOR=s=7\\n__REALTIME_TIMESTAMP=1\\nMESSAGE=old\\n\\n'";
    program(&desk, &format!("case \"$*\" in *--lines=1*) {newest} ;; esac"));
    desk.config(&config_of("program: DIR/journalctl", &sink));
    let agent = desk.start();
    let checkpoint = desk.path("state").join(store::CHECKPOINT);
    let written = testbed::wait::until(WAIT, || {
        let bytes = std::fs::read(&checkpoint).unwrap_or_default();
        Ok::<_, Infallible>(bytes.windows(3).any(|part| part == b"s=7").then_some(()))
    });
    assert!(written.unwrap().is_some(), "it is not written down");
    called(&desk, "--cursor=s=7", 1);
    agent.kill();
    let before = called(&desk, "--cursor=s=7", 1).len();
    let agent = desk.start();
    called(&desk, "--cursor=s=7", before + 1);
    assert_eq!(agent.stop(), 0);
    assert_eq!(called(&desk, "--lines=1", 1).len(), 1);
    assert_eq!(sink.requests(), 0);
}

#[test]
fn r18_a_journal_whose_place_is_damaged_is_read_from_its_beginning() {
    let (desk, sink) = (Desk::new(), sink(|_, _| Reply::Take));
    program(&desk, ":");
    desk.config(&config_of("program: DIR/journalctl", &sink));
    for name in [store::CHECKPOINT, "checkpoint.1"] {
        desk.append(&format!("state/{name}"), "garbage");
    }
    let agent = desk.start();
    called(&desk, "--since=@0", 1);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn an_input_that_reads_other_units_after_a_restart_passes_over_no_entry() {
    let desk = Desk::new();
    let Some(journald) = Journald::start(&desk) else { return };
    let sink = sink(|_, _| Reply::Take);
    let directory = journald.directory();
    let config = |units: &str| {
        let input = format!("units: [{units}], start_at: beginning");
        desk.config(&config_of(&format!("directory: '{}', {input}", directory.display()), &sink));
    };
    journald.entry_of("a.service", "of a");
    config("a.service");
    let agent = desk.start();
    sink.until(1);
    assert_eq!(agent.stop(), 0);
    for number in 0..2 {
        journald.entry_of("b.service", &format!("of b {number}"));
    }
    config("b.service");
    let agent = desk.start();
    journald.entry_of("b.service", "of b 2");
    sink.until(4);
    assert_eq!(agent.stop(), 0);
    sink.each_once(4);
}

#[test]
fn r14_a_message_that_is_longer_than_a_line_is_cut_and_its_time_and_severity_are_kept() {
    let desk = Desk::new();
    let Some(journald) = Journald::start(&desk) else { return };
    let sink = Sink::of_records();
    let input = format!("directory: '{}', start_at: beginning", journald.directory().display());
    desk.config(&config_of(&input, &sink));
    let lengths = [1_000_000, (1 << 20) - 100, 1 << 20, 3 << 20];
    for length in lengths {
        journald.entry(&"long\n".repeat(length / 5), 3);
    }
    journald.entry("the next one", 4);
    let agent = desk.start();
    let wanted = || {
        let mut records = sink.0.records();
        records.retain(|one| one.body.starts_with("long") || one.body == "the next one");
        (records.len() > lengths.len()).then_some(records)
    };
    let records = testbed::wait::until(WAIT, || Ok::<_, Infallible>(wanted())).unwrap();
    let mut records = records.expect("all entries come");
    // Requests overtake each other.
    records.sort_by_key(|one| one.attributes.get("log.original_length").map(Value::as_u64));
    let last = records.remove(0);
    for (record, length) in records.iter().zip(lengths) {
        assert_eq!(record.record["severityNumber"], 17, "of {length}");
        assert_ne!(record.record["timeUnixNano"], record.record["observedTimeUnixNano"]);
        assert_eq!(record.attributes["syslog.identifier"], "teapot");
        assert_eq!(record.attributes["log.truncated"], true);
        assert_eq!(record.attributes["log.original_length"], length / 5 * 5);
        assert!(record.body.len() > 800_000 && record.body.ends_with(['l', 'o', 'n', 'g', '\n']));
    }
    assert_eq!((last.body.as_str(), &last.record["severityNumber"]), ("the next one", &13.into()));
    assert!(!last.attributes.contains_key("log.truncated"));
    let state = desk.path("state");
    let line = format!("orlop_agent_records_odd_total{{kind=\"truncated\"}} {}", lengths.len());
    let counted = testbed::wait::until(WAIT, || {
        let metrics = ask(&state, "/metrics").unwrap();
        Ok::<_, Infallible>(metrics.lines().any(|own| own == line).then_some(()))
    });
    assert!(counted.unwrap().is_some(), "{line}");
    let kept: usize = records.iter().map(|record| record.body.len()).sum();
    let all: usize = lengths.iter().map(|length| length / 5 * 5).sum();
    assert_eq!(metric(&state, "orlop_agent_truncated_bytes_total"), (all - kept) as u64);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn r30_redaction_and_resource_of_a_reload_hold_for_journals_also_before_their_first_entry() {
    let (desk, sink) = (Desk::new(), Sink::of_records());
    let journals = ["before", "after"];
    // Each journal is what is written to its pipe.
    for name in journals {
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, desk.path(name), FileType::Fifo, mode, 0).unwrap();
    }
    program(&desk, "case \"$*\" in *=DIR/a*) exec cat DIR/after ;; esac\nexec cat DIR/before");
    let config = |more: &str| {
        let input = |name: &str| {
            format!(
                "  - {{type: journald, name: {name}, program: DIR/journalctl, \
                 directory: DIR/{name}, start_at: beginning{more}}}\n"
            )
        };
        format!(
            "inputs:\n{}sinks: [{{type: otlp_http, endpoint: 'http://{}'}}]\n",
            journals.map(input).concat(),
            sink.address()
        )
    };
    desk.config(&config(""));
    let agent = desk.start();
    let mut pipes = journals.map(|name| File::options().write(true).open(desk.path(name)).unwrap());
    let mut write = |at: usize, number: usize| {
        let entry = format!("__CURSOR=s={number}\nMESSAGE=number-{number} of {at}\n\n");
        pipes[at].write_all(entry.as_bytes()).unwrap();
    };
    write(0, 1);
    sink.until(1);
    let redaction = "redaction: {patterns: [{name: number, pattern: 'number-[0-9]+'}]}\n";
    // What else differs of them waits for a restart.
    let other = ", resource: {team: new}, units: [other]";
    desk.config(&format!("{redaction}{}", config(other)));
    agent.signal(Signal::HUP);
    let state = desk.path("state");
    agent.until_status(&state, |status| status["reloads"]["done"] == 2);
    // The reader has what it was sent before it answers again.
    agent.until_status(&state, |_| true);
    write(0, 2);
    write(1, 3);
    sink.until(3);
    assert_eq!(agent.stop(), 0);
    let mut records = sink.0.records();
    records.sort_by_key(|one| one.resource.contains_key("team"));
    assert_eq!(records[0].body, "number-1 of 0");
    for record in &records[1..] {
        assert!(!record.body.contains("number-"), "{}", record.body);
        assert_eq!(record.resource["team"], "new");
    }
    let said = std::fs::read_to_string(desk.path("agent.log")).unwrap();
    assert!(said.contains("the journald inputs, but for `resource`, cannot change"), "{said}");
    assert!(!called(&desk, "--directory", 2).is_empty());
    let calls = std::fs::read_to_string(desk.path("calls")).unwrap();
    assert!(!calls.contains("--unit"), "{calls}");
}

#[test]
fn r22_an_entry_is_as_severe_as_its_message_says_where_systemd_gave_it_the_priority() {
    let (desk, sink) = (Desk::new(), Sink::of_records());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let message = |kind: usize, number: usize| match kind {
        0 => format!("E1128 09:00:00.123456 1234 kubelet.go:12] \"no {number}\" err=\"x\""),
        1 => format!("time=\"2026-11-28T09:00:00Z\" level=error msg=\"no {number}\""),
        2 => format!("{{\"level\":\"error\",\"msg\":\"no {number}\"}}"),
        3 => format!("{{\"status\":503,\"trace_id\":\"{trace}\",\"msg\":\"no {number}\"}}"),
        _ => format!("all is well {number}"),
    };
    let mut entries = String::new();
    for number in 0..200 {
        // What a unit prints has priority 6.
        let message = message(number % 5, number);
        entries += &format!("__CURSOR=s={number}\nPRIORITY=6\nMESSAGE={message}\n\n");
    }
    std::fs::write(desk.path("entries"), entries).unwrap();
    program(&desk, "case \"$*\" in *cursor=*) ;; *) cat DIR/entries ;; esac");
    let input = "program: DIR/journalctl, start_at: beginning";
    desk.config(&format!("sampling: {{keep_percent: 1}}\n{}", config_of(input, &sink)));
    let agent = desk.start();
    let read = |status: &Value| status["records"]["read"].as_u64() >= Some(200);
    agent.until_status(&desk.path("state"), read);
    assert_eq!(agent.stop(), 0);
    let records = sink.0.records();
    for (number, kind) in (0..200).map(|number| (number, number % 5)).filter(|(_, kind)| *kind < 4)
    {
        let body = message(kind, number);
        let record = records.iter().find(|record| record.body == body);
        let record = record.unwrap_or_else(|| panic!("left out: {body}"));
        let severity = if kind < 3 { 17 } else { 9 };
        assert_eq!(record.record["severityNumber"], severity, "{body}");
        if kind == 3 {
            assert_eq!(record.record["traceId"], trace);
            assert_eq!(record.attributes["http.response.status_code"], 503);
        }
    }
    let well: Vec<_> = records.iter().filter(|one| one.body.starts_with("all is well")).collect();
    assert!(well.len() < 40 && well.iter().all(|one| one.record["severityNumber"] == 9));
}
