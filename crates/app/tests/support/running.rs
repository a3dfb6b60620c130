//! A controller process whose log is read as it comes.

use crate::support::Desk;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// For everything that must happen at all.
pub(crate) const WAIT: Duration = Duration::from_secs(90);
/// The shortest lease, so that a takeover is soon.
const LEASE: &str = "2";

/// A controller process whose log is read as it comes.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: Receiver<String>,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(desk: &Desk, identity: &str) -> Self {
        Self::start_in(desk, identity, "default")
    }

    pub(crate) fn start_in(desk: &Desk, identity: &str, namespace: &str) -> Self {
        Self::start_with(desk, &["--identity", identity, "--namespace", namespace])
    }

    /// With further options.
    pub(crate) fn start_with(desk: &Desk, options: &[&str]) -> Self {
        let cache = desk.dir.path().join("cache");
        let mut line = vec![
            "controller",
            "run",
            "--listen",
            "127.0.0.1:0",
            "--lease-seconds",
            LEASE,
            "--cache",
            cache.to_str().unwrap(),
        ];
        line.extend(options);
        Self::of(&mut desk.command(&line))
    }

    /// Another line than that of a controller.
    pub(crate) fn start_line(desk: &Desk, line: &[&str]) -> Self {
        Self::of(&mut desk.command(line))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        let mut running = Self { child, log, address: String::new() };
        let started = running.line_with("\"started\"");
        let value: serde_json::Value = serde_json::from_str(&started).unwrap();
        running.address = value.get("address").unwrap().as_str().unwrap().to_owned();
        running
    }

    /// Waits for a line of the log.
    pub(crate) fn line_with(&self, part: &str) -> String {
        let end = Instant::now() + WAIT;
        let mut seen = Vec::new();
        loop {
            match self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {part} in:\n{}", seen.join("\n"))
                }
            }
        }
    }

    /// The lines of the log that nobody asked for yet.
    pub(crate) fn log_so_far(&self) -> String {
        self.log.try_iter().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head.to_owned(), body.to_owned())
    }

    /// Asks for the metrics until they are as wanted.
    pub(crate) fn metrics_until(&self, what: &str, good: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + WAIT;
        loop {
            let (_, _, text) = self.get("/metrics");
            if good(&text) {
                return text;
            }
            assert!(Instant::now() < end, "{what} did not come:\n{text}");
            // The request itself takes its time; there is nothing else to wait on.
            std::thread::yield_now();
        }
    }

    pub(crate) fn leads(&self) -> bool {
        self.get("/metrics").2.lines().any(|line| line == "orlop_leader 1")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
