//! The service as a process: requests, limits, and the way it ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

struct Web {
    child: Child,
    stdout: BufReader<ChildStdout>,
    port: u16,
}

impl Web {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_web"))
            .env("PORT", "0")
            .env("GREETING", "Ahoy")
            .env("POD_NAME", "web-1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.rsplit_once(':').unwrap().1.trim_end_matches("\"}\n").parse().unwrap();
        Self { child, stdout, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("localhost", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        read_all(stream)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn pages_answer_and_every_request_is_one_json_line() {
    let mut web = Web::start();
    assert!(web.get("/").ends_with("Ahoy\npod: web-1\nversion: 0.1.0\n"));
    assert!(web.line().contains("\"method\":\"GET\",\"path\":\"/\",\"status\":\"200\""));
    assert!(web.get("/error").starts_with("HTTP/1.1 500 "));
    assert!(web.line().contains("\"level\":\"error\""));
}

#[test]
fn one_connection_carries_several_requests() {
    let web = Web::start();
    let mut stream = web.connect();
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    assert_eq!(read_all(stream).matches("HTTP/1.1 200 OK").count(), 2);
}

#[test]
fn a_head_without_end_is_refused() {
    let web = Web::start();
    let mut stream = web.connect();
    write!(stream, "GET / HTTP/1.1\r\nX: {}", "x".repeat(8300)).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 431");
}

#[test]
fn sigterm_finishes_the_running_request_ends_idle_connections_and_exits_0() {
    let mut web = Web::start();
    let mut idle = web.connect();
    write!(idle, "GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    let mut running = web.connect();
    // The first byte of an answer on `idle` proves that a worker has it.
    idle.read_exact(&mut [0; 1]).unwrap();
    web.line();
    write!(running, "GET /slow?ms=700 HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n").unwrap();
    // A request that comes later and is answered: by then the slow one has long been read.
    web.get("/healthz");
    web.line();
    web.terminate();
    let answer = read_all(running);
    assert!(answer.contains("waited 700 ms") && answer.contains("Connection: close"), "{answer}");
    assert!(web.child.wait().unwrap().success());
    assert!(web.line().contains("/slow"));
    assert!(web.line().contains("drained"));
}
