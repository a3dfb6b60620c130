//! Git over ssh, in process: `git-upload-pack` runs on the server, in a channel of a connection
//! that is kept for the next question. The host key is always checked and nothing is ever asked
//! interactively.
//!
//! Reaching the server, agreeing on keys and logging in has one deadline, `connect_timeout`. After
//! that only data of the command counts as a sign of life: a server that sends anything else, for
//! ever, counts as stalled.

mod keys;

use super::watch::{Failure, Incoming, Source, Watch};
use crate::connections::{Broken, Session, SessionKey};
use crate::error::Cause;
use crate::{Connections, Fetch, RepoError};
use hyper::body::Bytes;
use keys::Material;
use ring::rand::SystemRandom;
use ssh::{ChannelId, Client, Config, Host, Phase, SshError};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// How long a connection that was kept may take to open a channel before a new one is made.
const REUSE_WAIT: Duration = Duration::from_secs(5);

/// How long the server may take to say why the command ended.
const MESSAGES_WAIT: Duration = Duration::from_secs(2);

/// Ends a conversation of Git's protocol 2.
const FLUSH: &[u8] = b"0000";

/// The parts of an ssh URL.
type Place<'a> = (Option<&'a str>, &'a str, Option<u16>, &'a str);

/// The server's side of the conversation.
pub(super) struct Server<'a> {
    pub(super) reading: Incoming<'a>,
    key: SessionKey,
}

/// The command's channel.
pub(super) struct Stream {
    session: Session,
    channel: ChannelId,
}

/// Runs the command on the server, over a connection that is there or a new one.
pub(super) fn connect<'a>(
    connections: &Connections,
    spec: &Fetch,
    place: Place<'_>,
    watch: Watch<'a>,
) -> Result<Server<'a>, RepoError> {
    let (user, host, port, path) = place;
    let port = port.unwrap_or(ssh::PORT);
    let user = user.map_or_else(keys::login_name, str::to_owned);
    let material = Material::gather(&spec.ssh)?;
    let host = Host::new(host, port);
    let key = SessionKey { account: format!("{user}@{host}"), material: material.digest() };
    let command = format!("git-upload-pack {}", quoted(path));
    let run = |session: Session, deadline: Instant| -> Result<Stream, Failed> {
        let waiting = Waiting { watch: &watch, deadline };
        Stream::open(session, &command, &waiting)
    };
    let mut kept = None;
    if let Some(session) = connections.idle_session(&key) {
        match run(session, Instant::now() + REUSE_WAIT) {
            Ok(stream) => kept = Some(stream),
            Err(Failed::Told(error @ RepoError::Cancelled { .. })) => return Err(error),
            Err(error) => tracing::debug!(?error, "an idle ssh connection is given up"),
        }
    }
    let stream = match kept {
        Some(stream) => stream,
        None => {
            let deadline = Instant::now() + spec.limits.connect_timeout;
            let waiting = Waiting { watch: &watch, deadline };
            let login = log_in(spec, (&user, &host), (place.1, port), material, &waiting);
            let opened = login.and_then(|session| run(session, deadline));
            opened.map_err(|failed| failed.tell(spec))?
        }
    };
    let source = Source::Ssh(Box::new(stream));
    Ok(Server { reading: Incoming::new(watch, source), key })
}

/// Why there is no channel.
#[derive(Debug)]
enum Failed {
    /// Told by its phase already.
    Told(RepoError),
    Broken(Broken),
    /// The server opens no channel.
    Refused(String),
    /// The deadline.
    Late,
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<SshError> for Failed {
    fn from(error: SshError) -> Self {
        Self::Broken(Broken::Ssh(error))
    }
}

impl Failed {
    fn tell(self, spec: &Fetch) -> RepoError {
        let url = spec.url.to_string();
        match self {
            Self::Told(error) => error,
            Self::Broken(Broken::Ssh(error)) => told(url, &error),
            Self::Broken(broken) => RepoError::Connect { url, source: Cause::of(&broken) },
            Self::Refused(why) => {
                let source = Cause::new(format!("the server opens no session ({why})"));
                RepoError::Ssh { url, source, passing: false }
            }
            Self::Late => {
                let seconds = spec.limits.connect_timeout.as_secs_f32();
                let source = Cause::new(format!("we were not let in within {seconds} s"));
                RepoError::Connect { url, source }
            }
        }
    }
}

fn told(url: String, error: &SshError) -> RepoError {
    let source = Cause::of(error);
    match error {
        SshError::UnknownHostKey { .. } => RepoError::HostKey { url, changed: false, source },
        SshError::ChangedHostKey { .. } => RepoError::HostKey { url, changed: true, source },
        SshError::RevokedHostKey { .. } => RepoError::HostKeyRevoked { url, source },
        SshError::Authenticate { offered, .. } => {
            RepoError::Authenticate { url, sent: *offered > 0, source }
        }
        SshError::Disconnected { .. } => RepoError::Ssh { url, source, passing: true },
        _ => RepoError::Ssh { url, source, passing: false },
    }
}

/// A wait with a deadline that ends when the caller cancels.
struct Waiting<'a> {
    watch: &'a Watch<'a>,
    deadline: Instant,
}

impl Waiting<'_> {
    fn check(&self) -> Result<(), Failed> {
        if self.watch.check_cancel().is_err() {
            let url = self.watch.url.clone();
            return Err(Failed::Told(RepoError::Cancelled { url }));
        }
        if Instant::now() >= self.deadline {
            return Err(Failed::Late);
        }
        Ok(())
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A connection that is let in.
fn log_in(
    spec: &Fetch,
    (user, host): (&str, &Host),
    address: (&str, u16),
    material: Material,
    waiting: &Waiting<'_>,
) -> Result<Session, Failed> {
    let socket = reach(spec, address, waiting)?;
    let agent = material.agent.clone();
    let config = Config::new(host.clone(), user, material.identities, material.known_hosts);
    let client = Client::new(config, Box::new(SystemRandom::new()));
    let mut session = Session::new(client, socket).map_err(Broken::Socket)?;
    while session.client.phase() != Phase::Open {
        if let Some(request) = session.client.wanted_signature() {
            let answer = agent.as_deref().ok_or_else(|| "there is no agent".to_owned());
            let answer = answer.and_then(|agent| keys::sign(agent, request, waiting.left()));
            session.client.signature(answer)?;
        }
        session.turn()?;
        waiting.check()?;
    }
    Ok(session)
}

/// A socket to the first address that answers. Resolving cannot be interrupted, so another thread
/// does it; that one ends by itself.
fn reach(
    spec: &Fetch,
    (host, port): (&str, u16),
    waiting: &Waiting<'_>,
) -> Result<TcpStream, Failed> {
    let (url, limit) = (spec.url.to_string(), spec.limits.connect_timeout);
    let (sender, answer) = sync_channel(1);
    let name = host.to_owned();
    let connecting = move || {
        let resolve =
            |error: io::Error| RepoError::Resolve { url: url.clone(), source: Cause::of(&error) };
        let addresses = (name.as_str(), port).to_socket_addrs().map_err(resolve)?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, limit) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(RepoError::Connect { url: url.clone(), source: Cause::of(&last) })
    };
    let thread = std::thread::Builder::new().name("git-ssh".to_owned());
    let started = thread.spawn(move || {
        let _ = sender.send(connecting());
    });
    started.map_err(Broken::Socket)?;
    loop {
        match answer.recv_timeout(super::watch::LOOK_INTERVAL) {
            Ok(result) => return result.map_err(Failed::Told),
            Err(_) => waiting.check()?,
        }
    }
}

impl Stream {
    /// Opens a channel and runs the command in it.
    fn open(mut session: Session, command: &str, waiting: &Waiting<'_>) -> Result<Self, Failed> {
        let opened = session.client.open_session(ssh::WINDOW_BYTES)?;
        let id = opened.ok_or_else(|| Failed::Refused("too many are open".to_owned()))?;
        loop {
            let Some(channel) = session.client.channel(id) else {
                return Err(Failed::Broken(Broken::Closed));
            };
            if let Some(why) = channel.refused() {
                return Err(Failed::Refused(why.to_owned()));
            }
            if channel.is_open() {
                break;
            }
            session.turn()?;
            waiting.check()?;
        }
        session.client.env(id, "GIT_PROTOCOL", "version=2")?;
        session.client.exec(id, command.as_bytes())?;
        session.flush()?;
        Ok(Self { session, channel: id })
    }

    /// The next bytes of the command's output; none at its end.
    pub(super) fn next(&mut self, watch: &Watch<'_>) -> io::Result<Bytes> {
        let start = Instant::now();
        loop {
            let data = self.session.client.take(self.channel).map_err(io::Error::other)?;
            if !data.is_empty() {
                return Ok(Bytes::from(data));
            }
            let over = self
                .session
                .client
                .channel(self.channel)
                .is_none_or(|channel| channel.ended() || channel.started() == Some(false));
            if over {
                return Ok(Bytes::new());
            }
            self.turn(watch, start)?;
        }
    }

    /// Sends all of a request, as windows allow it.
    fn send(&mut self, mut request: &[u8], watch: &Watch<'_>) -> io::Result<()> {
        let start = Instant::now();
        loop {
            let sent =
                self.session.client.write(self.channel, request).map_err(io::Error::other)?;
            request = request.get(sent..).unwrap_or_default();
            if request.is_empty() {
                return self.session.flush().map_err(io::Error::other);
            }
            if self.session.client.channel(self.channel).is_none_or(ssh::Channel::closed) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.turn(watch, start)?;
        }
    }

    fn turn(&mut self, watch: &Watch<'_>, start: Instant) -> io::Result<()> {
        self.session.turn().map_err(io::Error::other)?;
        watch.check_cancel()?;
        watch.check_time(start)
    }

    /// What the command said besides its output, once it has ended or time is up.
    fn messages(&mut self) -> String {
        let deadline = Instant::now() + MESSAGES_WAIT;
        loop {
            let Some(channel) = self.session.client.channel(self.channel) else {
                return String::new();
            };
            let refused = channel.started() == Some(false);
            let over = channel.closed() || refused || Instant::now() >= deadline;
            if over || self.session.turn().is_err() {
                let channel = self.session.client.channel(self.channel);
                let said = channel.map(ssh::Channel::stderr).unwrap_or_default();
                let said = String::from_utf8_lossy(said).into_owned();
                let words = "the server refuses to run git-upload-pack";
                return if refused && said.is_empty() { words.to_owned() } else { said };
            }
            // What still comes of its output is not waited for.
            let _ = self.session.client.take(self.channel);
        }
    }
}

impl Server<'_> {
    /// Sends a request.
    pub(super) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.reading.with_ssh(|stream, watch| stream.send(request, watch)).unwrap_or(Ok(()))
    }

    /// Why the conversation broke off, from what the command said; `None` when it said nothing.
    pub(super) fn explain(&mut self, spec: &Fetch, failure: &Failure) -> Option<RepoError> {
        if let Some(error) = failure.take() {
            return Some(error);
        }
        let text = self.reading.with_ssh(|stream, _| stream.messages())?;
        classify(&text, spec)
    }

    /// Ends the command and keeps the connection for the next question.
    pub(super) fn keep(self, connections: &Connections) {
        let Some(stream) = self.reading.into_ssh() else { return };
        let Stream { mut session, channel } = *stream;
        let client = &mut session.client;
        let ended = client
            .write(channel, FLUSH)
            .and_then(|_| client.end_input(channel))
            .and_then(|()| client.close(channel));
        if ended.is_ok() && session.flush().is_ok() {
            connections.keep_session(self.key, session);
        }
    }
}

/// A word for the server's shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn classify(text: &str, spec: &Fetch) -> Option<RepoError> {
    let url = spec.url.to_string();
    let source = Cause::new(meaningful(text));
    let said = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Some(if said(&["does not appear to be a git repository", "epository not found", "not exist"]) {
        RepoError::RepositoryNotFound { url, source }
    } else if text.trim().is_empty() {
        return None;
    } else {
        RepoError::ListReferences { url, source }
    })
}

/// The lines that say something, joined.
fn meaningful(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reference, RepoUrl};

    #[test]
    fn a_path_cannot_leave_its_quotes_on_the_server() {
        assert_eq!(quoted("a'; rm -rf /; '"), r"'a'\''; rm -rf /; '\'''");
    }

    #[test]
    fn what_git_says_on_the_server_is_told_by_phase() {
        let spec = Fetch::new(RepoUrl::parse("git@h:a").unwrap(), Reference::Head);
        let said = |text: &str| classify(text, &spec).map(|error| error.to_string());
        expect_test::expect![[r"
            there is no Git repository at ssh://git@h/~/a
            there is no Git repository at ssh://git@h/~/a
            cannot list the references of ssh://git@h/~/a"]]
        .assert_eq(
            &[
                "fatal: 'a' does not appear to be a git repository",
                "ERROR: Repository not found.",
                "sh: git-upload-pack: not found",
            ]
            .map(|text| said(text).unwrap())
            .join("\n"),
        );
        assert_eq!(said(" \n"), None);
    }
}
