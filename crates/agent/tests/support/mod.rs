//! An agent as a process of its own (this test program, started again), and a sink that counts,
//! on the loopback.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Holds the words behind `orlop agent`, one a line, in the process that plays the agent.
pub(crate) const WORDS: &str = "ORLOP_TEST_AGENT_WORDS";
/// The longest wait for anything; only a failing test reaches it.
pub(crate) const WAIT: Duration = Duration::from_secs(120);

/// What the process that plays the agent does: run, and end with the exit code.
pub(crate) fn play() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let words: Vec<std::ffi::OsString> = words.lines().map(Into::into).collect();
    let build = model::Build {
        version: "0.0.0-test",
        commit: "",
        features: &[],
        rustc: "",
        profile: "",
        target: "",
    };
    let code = match agent::run(&words, &build) {
        Ok(exit) => exit.code(),
        Err(error) => {
            let hint = model::Explain::hint(&error);
            eprintln!("{}", model::report(&error, hint));
            error.exit().code()
        }
    };
    std::process::exit(i32::from(code));
}

/// A folder with a config, state and logs.
pub(crate) struct Desk {
    pub(crate) dir: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a config; `DIR` in it is the folder.
    pub(crate) fn config(&self, text: &str) {
        let dir = self.dir.path().to_str().unwrap();
        let text = format!("state_dir: {dir}/state\nlisten: off\n{}", text.replace("DIR", dir));
        let fresh = self.path("agent.yaml.new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path("agent.yaml")).unwrap();
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Starts the agent with the config.
    pub(crate) fn start(&self) -> Agent {
        let config = self.path("agent.yaml");
        let agent = Agent::start(&["run", "--config", config.to_str().unwrap()]);
        // Then it has found its files and written down which there are.
        agent.until_status(&self.path("state"), |status| {
            !status["not_ready"].as_str().is_some_and(|reason| reason.contains("starting"))
        });
        agent
    }
}

/// Runs a command of the agent to its end: exit code, stdout, stderr.
pub(crate) fn ran(words: &[&str]) -> (i32, String, String) {
    let output = command(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_agent_itself", "--nocapture"]).env(WORDS, words.join("\n"));
    command.stdin(Stdio::null());
    command
}

/// A running agent; killed when the test ends early.
pub(crate) struct Agent {
    child: Child,
}

impl Agent {
    pub(crate) fn start(words: &[&str]) -> Self {
        let child = command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it in good order and gives its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Ends it without a chance to write anything down.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until its status says so.
    pub(crate) fn until_status(
        &self,
        state: &Path,
        well: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let end = Instant::now() + WAIT;
        loop {
            if let Some(status) = status(state)
                && well(&status)
            {
                return status;
            }
            assert!(Instant::now() < end, "the agent does not come to it: {:?}", status(state));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Kilobytes of memory that it has now.
    pub(crate) fn rss_kb(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks an agent through its socket.
pub(crate) fn ask(state: &Path, path: &str) -> Option<String> {
    let mut stream = std::os::unix::net::UnixStream::connect(state.join("agent.sock")).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.split_once("\r\n\r\n")?.1.to_owned())
}

fn status(state: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&ask(state, "/status")?).ok()
}

/// How a sink answers a request, by its number and the records in it.
pub(crate) type Answer = Box<dyn Fn(usize, &[String]) -> Reply + Send + Sync>;

/// One answer.
pub(crate) enum Reply {
    /// A status; with 200 the records count.
    Status(u16),
    /// These bytes, then the connection is closed.
    Raw(&'static [u8]),
    /// The records count and no answer comes.
    TakenAndSilent,
}

#[derive(Default)]
struct Taken {
    bodies: Mutex<BTreeMap<String, usize>>,
    changed: Condvar,
    requests: AtomicUsize,
}

/// A server of OTLP over HTTP that counts what it took.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    taken: Arc<Taken>,
}

impl Sink {
    pub(crate) fn start(answer: Answer) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub(crate) fn at(listener: TcpListener, answer: Answer) -> Self {
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Taken::default());
        let (shared, answer) = (taken.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared, answer) = (stream.unwrap(), shared.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &shared, &answer));
            }
        });
        Self { address, taken }
    }

    /// How often each body was taken.
    pub(crate) fn bodies(&self) -> BTreeMap<String, usize> {
        self.taken.bodies.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.taken.requests.load(Ordering::SeqCst)
    }

    /// Waits until so many different bodies were taken.
    pub(crate) fn until(&self, number: usize) {
        let bodies = self.taken.bodies.lock().unwrap();
        let (bodies, _) = self
            .taken
            .changed
            .wait_timeout_while(bodies, WAIT, |bodies| bodies.len() < number)
            .unwrap();
        assert!(bodies.len() >= number, "{} of {number} came", bodies.len());
    }

    pub(crate) fn until_requests(&self, number: usize) {
        let bodies = self.taken.bodies.lock().unwrap();
        let few = |_: &mut BTreeMap<String, usize>| self.requests() < number;
        let waited = self.taken.changed.wait_timeout_while(bodies, WAIT, few).unwrap();
        drop(waited);
        assert!(self.requests() >= number, "{} of {number} requests came", self.requests());
    }
}

fn serve(stream: TcpStream, taken: &Taken, answer: &Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((encoding, body)) = request(&mut reader) {
        let plain = match encoding.as_str() {
            "zstd" => zstd::stream::decode_all(&body[..]).unwrap(),
            "gzip" => {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
                plain
            }
            _ => body,
        };
        let bodies = bodies(&plain);
        let number = taken.requests.fetch_add(1, Ordering::SeqCst);
        let reply = answer(number, &bodies);
        if matches!(reply, Reply::Status(200) | Reply::TakenAndSilent) {
            let mut all = taken.bodies.lock().unwrap();
            for body in bodies {
                *all.entry(body).or_default() += 1;
            }
        }
        taken.changed.notify_all();
        match reply {
            Reply::Status(status) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(head.as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(bytes);
                return;
            }
            Reply::TakenAndSilent => return,
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let (mut encoding, mut length, mut first) = (String::new(), 0, true);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() && !first {
            break;
        }
        first = false;
        match line.split_once(": ") {
            Some(("content-encoding", value)) => encoding = value.to_owned(),
            Some(("content-length", value)) => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((encoding, body))
}

fn bodies(request: &[u8]) -> Vec<String> {
    let request = otlp::LogsRequest::read(request).unwrap();
    let mut all = Vec::new();
    for resource in request.resource_logs() {
        for scope in resource.scope_logs() {
            for record in scope.records() {
                if let otlp::AnyValue::Str(body) = record.body() {
                    all.push(body.to_owned());
                }
            }
        }
    }
    all
}
