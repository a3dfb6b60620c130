//! `cargo xtask bench logs`: what the node agent costs for each line.
//!
//! A file of JSON lines (258 bytes each, with a sequence number) is read from its start to a sink;
//! the agent is pinned to core 0, the counting server runs elsewhere. CPU time is the agent's own,
//! with all its threads. Lines are counted by the agent's own numbers and, where the sink is a
//! file, by their sequence numbers. The peer is `rsyslogd`, where the host has it.

use super::{Bench, Settings, machine, markdown};
use crate::measure::{self, Cost};
use crate::{dist, terminal, workspace};
use anyhow::Context;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The bench.
pub(crate) const BENCH: Bench =
    Bench { name: "logs", about: "what the node agent costs for each line", run };

/// Lines for each object that the command line asks for.
const LINES_PER_OBJECT: usize = 500;
/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(20);
/// The columns of the table.
const HEADING: [&str; 7] =
    ["Case", "Lines", "CPU per line", "CPU per 1 M lines", "Peak RSS", "Lost", "Twice"];

/// One case: a name, the input's options, what follows the inputs.
struct Case {
    name: &'static str,
    cri: bool,
    input: &'static str,
    more: &'static str,
    /// Whether lines are left out on purpose.
    sampled: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "B1 raw, JSON lines to a file",
        cri: false,
        input: "parsers: []",
        more: "sinks: [{type: file, path: DIR/out.jsonl, fsync: false}]\n",
        sampled: false,
    },
    Case {
        name: "B2 JSON, three fields, to a file",
        cri: false,
        input: "parsers: [json], fields: [level, status, user]",
        more: "sinks: [{type: file, path: DIR/out.jsonl, fsync: false}]\n",
        sampled: false,
    },
    Case {
        name: "B3 CRI and JSON, OTLP/HTTP, not compressed",
        cri: true,
        input: "framing: cri, parsers: [json], fields: [level, status, user]",
        more: "sinks: [{type: otlp_http, endpoint: 'http://SINK', compression: none}]\n",
        sampled: false,
    },
    Case {
        name: "B4 the same with zstd",
        cri: true,
        input: "framing: cri, parsers: [json], fields: [level, status, user]",
        more: "sinks: [{type: otlp_http, endpoint: 'http://SINK', compression: zstd}]\n",
        sampled: false,
    },
    Case {
        name: "B5 the same, a tenth is kept",
        cri: true,
        input: "framing: cri, parsers: [json], fields: [level, status, user]",
        more: "sampling: {keep_percent: 10}\n\
               sinks: [{type: otlp_http, endpoint: 'http://SINK', compression: zstd}]\n",
        sampled: true,
    },
];

fn run(settings: &Settings) -> anyhow::Result<String> {
    let agent = dist::FLAVOURS.iter().find(|flavour| flavour.name == "agent");
    terminal::step("building the agent (profile dist)");
    let orlop = dist::build(agent.context("the agent has no flavour")?)?;
    let folder = workspace::target()?.join("bench/logs");
    let sink = CountingSink::start()?;
    let mut rows = vec![HEADING.map(str::to_owned).to_vec()];
    for objects in &settings.objects {
        let lines = objects * LINES_PER_OBJECT;
        for case in &CASES {
            let mut costs = Vec::new();
            let mut counted = Counted::default();
            for _ in 0..settings.runs.max(1) {
                let _ = fs::remove_dir_all(&folder);
                fs::create_dir_all(folder.join("logs"))?;
                write_lines(&folder.join("logs/app.log"), lines, case.cri)?;
                terminal::step(format_args!("{lines} lines: {}", case.name));
                costs.push(measured(&orlop, &folder, case, lines, &sink)?);
                counted = count(&folder.join("out.jsonl"), lines, &sink, case)?;
            }
            rows.push(row(case.name, lines, costs, &counted)?);
        }
        if let Some(peer) = testbed::packages::find_program("rsyslogd") {
            rows.push(rsyslog(&peer, &folder, lines, settings.runs)?);
        }
    }
    let peer = match testbed::packages::find_program("rsyslogd") {
        Some(path) => {
            let text = workspace::output(Command::new(path).arg("-v"))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => "rsyslogd is not installed here".to_owned(),
    };
    Ok(format!(
        "Machine: {}.\nOrlop: profile dist, agent alone, pinned to core 0. Peer: {peer}.\nMedian of \
         {} runs, page cache warm.\n\n{}",
        machine(),
        settings.runs,
        markdown(&rows)
    ))
}

fn row(
    name: &str,
    lines: usize,
    costs: Vec<Cost>,
    counted: &Counted,
) -> anyhow::Result<Vec<String>> {
    let cost = measure::median(costs).context("no run")?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let each = cost.cpu.as_secs_f64() * 1e6 / lines.max(1) as f64;
    Ok(vec![
        name.to_owned(),
        lines.to_string(),
        format!("{each:.3} µs"),
        format!("{each:.2} s"),
        format!("{:.0} MiB", cost.peak_mib),
        counted.lost.clone(),
        counted.twice.clone(),
    ])
}

/// Writes the input.
fn write_lines(path: &Path, lines: usize, cri: bool) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(fs::File::create(path)?);
    let mut line = String::new();
    for number in 0..lines {
        line.clear();
        if cri {
            line.push_str("2026-01-02T03:04:05.000000006Z stdout F ");
        }
        let level = if number % 100 == 0 { "warn" } else { "info" };
        write!(
            line,
            "{{\"seq\":{number:09},\"timestamp\":\"2026-01-02T03:04:05.123456Z\",\
             \"level\":\"{level}\",\"message\":\"request served by the backend\",\
             \"trace_id\":\"{:032x}\",\"status\":200,\"user\":\"user-{:05}\",\
             \"path\":\"/api/v1/items/{:06}\",\"took_ms\":{:03},\"host\":\"node-a\"}}",
            (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
            number % 99_999,
            number % 999_999,
            number % 999,
        )?;
        // A sequence number with leading zeros is no JSON number.
        let line = line.replacen("\"seq\":0", "\"seq\":1", 1);
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}

/// Runs the agent until it has delivered everything.
fn measured(
    orlop: &Path,
    folder: &Path,
    case: &Case,
    lines: usize,
    sink: &CountingSink,
) -> anyhow::Result<Cost> {
    let dir = folder.display().to_string();
    let config = format!(
        "state_dir: {dir}/state\nlisten: off\ninputs: [{{type: files, paths: ['{dir}/logs/*.log'], \
         start_at: beginning, {}}}]\n{}",
        case.input,
        case.more.replace("DIR", &dir).replace("SINK", &sink.address)
    );
    let file = folder.join("agent.yaml");
    fs::write(&file, config)?;
    let command = pinned(orlop, folder, &["agent", "run", "--config", &file.to_string_lossy()]);
    let socket = folder.join("state/agent.sock");
    let want = u64::try_from(lines)?;
    let done = move || status(&socket).is_some_and(|(read, moving)| read >= want && !moving);
    until(command, folder, done)
}

/// A command on core 0 that leaves its process's number in a file.
fn pinned(program: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = "echo $$ > \"$0\"; exec taskset -c 0 \"$@\"";
    command.arg("-c").arg(script).arg(folder.join("pid")).arg(program).args(arguments);
    command
}

/// Runs a command until `done`, then ends it in good order.
fn until(
    command: Command,
    folder: &Path,
    done: impl Fn() -> bool + Send + 'static,
) -> anyhow::Result<Cost> {
    let pid = folder.join("pid");
    let over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&over);
    let watcher = std::thread::spawn(move || {
        while !done() && !stop.load(Ordering::Acquire) {
            std::thread::sleep(LOOK);
        }
        let pid = fs::read_to_string(pid).unwrap_or_default();
        if !pid.trim().is_empty() && !stop.load(Ordering::Acquire) {
            let _ = Command::new("kill").args(["-TERM", pid.trim()]).status();
        }
    });
    let cost = measure::run(command, &[0]);
    over.store(true, Ordering::Release);
    let _ = watcher.join();
    cost
}

/// Records that were read, and whether something is still on its way.
fn status(socket: &Path) -> Option<(u64, bool)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(b"GET /status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let value: serde_json::Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
    let moving = value["files"]["shown"]
        .as_array()
        .is_some_and(|files| files.iter().any(|file| file["delivered"] != file["size"]));
    Some((value["records"]["read"].as_u64()?, moving))
}

#[derive(Default)]
struct Counted {
    lost: String,
    twice: String,
}

/// Counts what arrived.
fn count(out: &Path, lines: usize, sink: &CountingSink, case: &Case) -> anyhow::Result<Counted> {
    let requests = sink.requests.swap(0, Ordering::AcqRel);
    if case.sampled || !out.exists() {
        let words = format!("– ({requests} requests)");
        return Ok(Counted { lost: words, twice: "–".to_owned() });
    }
    let (mut seen, mut twice) = (HashSet::new(), 0_usize);
    for line in BufReader::new(fs::File::open(out)?).lines() {
        let line = line?;
        let rest = line.split_once("seq\\\":").map(|(_, rest)| rest);
        let digits: String =
            rest.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        twice += usize::from(!seen.insert(digits));
    }
    let lost = lines.saturating_sub(seen.len());
    Ok(Counted { lost: lost.to_string(), twice: twice.to_string() })
}

/// The peer reads the same file and writes its lines to another one.
fn rsyslog(peer: &Path, folder: &Path, lines: usize, runs: usize) -> anyhow::Result<Vec<String>> {
    let dir = folder.display().to_string();
    let out = folder.join("rsyslog.out");
    let mut costs = Vec::new();
    for _ in 0..runs.max(1) {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder.join("logs"))?;
        write_lines(&folder.join("logs/app.log"), lines, false)?;
        let size = fs::metadata(folder.join("logs/app.log"))?.len();
        let config = format!(
            "global(workDirectory=\"{dir}\")\nmodule(load=\"imfile\")\n\
             template(name=\"raw\" type=\"string\" string=\"%msg%\\n\")\n\
             input(type=\"imfile\" File=\"{dir}/logs/app.log\" Tag=\"a\" ruleset=\"r\")\n\
             ruleset(name=\"r\") {{ action(type=\"omfile\" file=\"{dir}/rsyslog.out\" \
             template=\"raw\") }}\n"
        );
        fs::write(folder.join("rsyslog.conf"), config)?;
        let conf = folder.join("rsyslog.conf").display().to_string();
        let own = folder.join("rsyslog.pid").display().to_string();
        let command = pinned(peer, folder, &["-n", "-f", &conf, "-i", &own]);
        let file = out.clone();
        let done = move || fs::metadata(&file).is_ok_and(|meta| meta.len() >= size);
        terminal::step(format_args!("{lines} lines: rsyslog"));
        costs.push(until(command, folder, done)?);
    }
    let whole = Counted { lost: "0".to_owned(), twice: "not counted".to_owned() };
    row("B1 rsyslog imfile → omfile", lines, costs, &whole)
}

/// A server that takes everything.
struct CountingSink {
    address: String,
    requests: Arc<AtomicU64>,
}

impl CountingSink {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // A connection that breaks ends its thread; the agent tries again.
                std::thread::spawn(move || take(stream, &counted));
            }
        });
        Ok(Self { address, requests })
    }
}

fn take(stream: TcpStream, requests: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut length = 0_u64;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
        requests.fetch_add(1, Ordering::AcqRel);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_has_as_many_different_lines_as_asked_for() {
        let dir = std::env::temp_dir().join(format!("orlop-bench-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("a.log");
        write_lines(&path, 1_000, false).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: HashSet<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1_000);
        assert!(lines.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        fs::remove_dir_all(&dir).unwrap();
    }
}
