//! An agent as a process of its own (this test program, started again), and a sink that counts,
//! on the loopback.

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::log_sink::{Keep, LogSink, LogSinkOptions, Reply};

/// Holds the words behind `orlop agent`, one a line, in the process that plays the agent.
pub(crate) const WORDS: &str = "ORLOP_TEST_AGENT_WORDS";
/// The longest wait for anything; only a failing test reaches it.
pub(crate) const WAIT: Duration = Duration::from_secs(120);
/// An answer that asks for a pause of an hour.
pub(crate) const BUSY: Reply =
    Reply::Raw(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n");

/// What the process that plays the agent does: run, and end with the exit code.
pub(crate) fn play() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let words: Vec<std::ffi::OsString> = words.lines().map(Into::into).collect();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
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

/// Lines with numbers.
pub(crate) fn lines(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "line number {number:07} of a file that is long enough to count");
        text
    })
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

    /// The text of a config with the folder in place of `DIR`, and with its state in it.
    pub(crate) fn filled(&self, text: &str) -> String {
        let dir = self.dir.path().to_str().unwrap();
        format!("state_dir: {dir}/state\nlisten: off\n{}", text.replace("DIR", dir))
    }

    /// Writes a config; `DIR` in it is the folder.
    pub(crate) fn config(&self, text: &str) {
        let text = self.filled(text);
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

    /// Waits until an agent has said this.
    pub(crate) fn until_said(&self, words: &str) {
        let end = Instant::now() + WAIT;
        loop {
            let said = std::fs::read_to_string(self.path("agent.log")).unwrap();
            if said.contains(words) {
                return;
            }
            assert!(Instant::now() < end, "the agent does not say `{words}`: {said}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Starts the agent with the config.
    pub(crate) fn start(&self) -> Agent {
        self.start_by(&[], Stdio::null())
    }

    /// The same by another program, with its standard output going there.
    pub(crate) fn start_by(&self, by: &[&str], stdout: Stdio) -> Agent {
        let config = self.path("agent.yaml");
        self.start_as(by, &["run", "--config", config.to_str().unwrap()], stdout)
    }

    /// The same with these words behind `orlop agent`; its state folder is that of the desk.
    pub(crate) fn start_as(&self, by: &[&str], words: &[&str], stdout: Stdio) -> Agent {
        let log = std::fs::File::options().create(true).append(true).open(self.path("agent.log"));
        let agent = Agent::start_with(command(by, words).stdout(stdout).stderr(log.unwrap()));
        // Then it has found its files and written down which there are.
        agent.until_status(&self.path("state"), |status| {
            !status["not_ready"].as_str().is_some_and(|reason| reason.contains("starting"))
        });
        agent
    }
}

/// Runs a command of the agent to its end: exit code, stdout, stderr.
pub(crate) fn ran(words: &[&str]) -> (i32, String, String) {
    let output = command(&[], words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Programs come before it that end in becoming it.
fn command(by: &[&str], words: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut all = by.iter().map(OsStr::new).chain([own.as_os_str()]);
    let mut command = Command::new(all.next().unwrap());
    command.args(all);
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
        Self::start_with(command(&[], words).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn start_with(command: &mut Command) -> Self {
        Self { child: command.spawn().unwrap() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Ends it in good order and gives its exit code.
    pub(crate) fn stop(self) -> i32 {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended, and gives its exit code.
    pub(crate) fn wait(mut self) -> i32 {
        let end = Instant::now() + WAIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < end, "the agent does not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
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

/// A number of an agent, by its name with all of its labels.
pub(crate) fn metric(state: &Path, name: &str) -> u64 {
    let metrics = ask(state, "/metrics").unwrap();
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn status(state: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&ask(state, "/status")?).ok()
}

/// A sink of OTLP over HTTP that decides how it answers.
pub(crate) fn sink(answers: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static) -> Sink {
    sink_at(TcpListener::bind("127.0.0.1:0").unwrap(), answers)
}

/// A port of our own where nobody listens: it refuses connections until it is a sink's.
pub(crate) fn closed_port() -> TcpListener {
    let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC);
    let socket = socket_with(family, SocketType::STREAM, flags, None).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.into()
}

/// The same on a port of our own, whether or not it is listened on already.
pub(crate) fn sink_at(
    listener: TcpListener,
    answers: impl Fn(usize, &[String]) -> Reply + Send + Sync + 'static,
) -> Sink {
    listen(&listener, 128).unwrap();
    let options = LogSinkOptions {
        keep: Keep::Bodies,
        answers: Some(Arc::new(answers)),
        ..Default::default()
    };
    Sink(LogSink::start_with(listener, &options).unwrap())
}

/// A sink that fails the test when nothing comes.
pub(crate) struct Sink(pub(crate) LogSink);

impl Sink {
    /// With other options, on a free port.
    pub(crate) fn with(options: &LogSinkOptions<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self(LogSink::start_with(listener, options).unwrap())
    }

    /// One that takes everything and keeps whole records.
    pub(crate) fn of_records() -> Self {
        Self::with(&LogSinkOptions { keep: Keep::Records, ..LogSinkOptions::default() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// How often each body was taken.
    pub(crate) fn bodies(&self) -> BTreeMap<String, usize> {
        self.0.bodies()
    }

    pub(crate) fn requests(&self) -> usize {
        self.0.requests()
    }

    /// Waits until so many different bodies were taken, as long as more of them come.
    pub(crate) fn until(&self, number: usize) {
        let mut before = 0;
        while !self.0.until_bodies(number, WAIT) {
            let now = self.bodies().len();
            assert!(now > before, "{now} of {number} came");
            before = now;
        }
    }

    pub(crate) fn until_requests(&self, number: usize) {
        let well = self.0.until_requests(number, WAIT);
        assert!(well, "{} of {number} requests came", self.requests());
    }

    /// Asserts that so many different bodies came, each once.
    pub(crate) fn each_once(&self, number: usize) {
        let bodies = self.bodies();
        assert_eq!(bodies.len(), number);
        assert!(bodies.values().all(|times| *times == 1), "a line was delivered twice");
    }
}
