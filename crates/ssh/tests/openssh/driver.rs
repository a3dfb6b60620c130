//! The smallest owner of a client: one blocking socket.

use ring::rand::SystemRandom;
use ssh::{
    ChannelId, Client, Config, Exit, Host, Identity, KnownHosts, Phase, PrivateKey, SshError,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use testkit::sshd::Sshd;

/// A connection that is driven by hand.
pub(crate) struct Driver {
    pub(crate) client: Client,
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Option<Exit>,
    /// The most bytes that waited at one time.
    pub(crate) most: usize,
}

pub(crate) fn server(test: &str, host_key: &[&str], more: &str) -> Option<Sshd> {
    match Sshd::start_with(host_key, more).unwrap() {
        Ok(sshd) => Some(sshd),
        Err(reason) => {
            eprintln!("SKIP {test}: {reason}");
            None
        }
    }
}

pub(crate) fn key(path: &Path) -> Identity {
    let text = std::fs::read(path).unwrap();
    Identity::Private(PrivateKey::read(&text, &SystemRandom::new()).unwrap())
}

pub(crate) fn config(sshd: &Sshd, identities: Vec<Identity>) -> Config {
    let mut known = KnownHosts::new();
    known.add("known_hosts", &std::fs::read_to_string(sshd.known_hosts()).unwrap()).unwrap();
    Config::new(Host::new("127.0.0.1", sshd.port()), sshd.user(), identities, known)
}

impl Driver {
    pub(crate) fn new(sshd: &Sshd, config: Config) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", sshd.port())).unwrap();
        socket.set_nodelay(true).unwrap();
        let client = Client::new(config, Box::new(SystemRandom::new()));
        Self { client, socket, buffer: vec![0; 64 * 1024] }
    }

    /// A connection that is let in.
    pub(crate) fn open(sshd: &Sshd, config: Config) -> Result<Self, SshError> {
        let mut driver = Self::new(sshd, config);
        while driver.client.phase() != Phase::Open {
            driver.turn()?;
        }
        Ok(driver)
    }

    pub(crate) fn flush(&mut self) {
        let bytes = self.client.outgoing().to_vec();
        let _ = self.socket.write_all(&bytes);
        self.client.sent(bytes.len());
    }

    /// Sends what waits and takes what comes.
    pub(crate) fn turn(&mut self) -> Result<(), SshError> {
        self.flush();
        let count = self.socket.read(&mut self.buffer).unwrap_or_default();
        assert!(count > 0, "the server closed the connection");
        let result = self.client.receive(self.buffer.get(..count).unwrap());
        self.flush();
        result
    }

    pub(crate) fn start(&mut self, command: &str, window: u32) -> ChannelId {
        let id = self.client.open_session(window).unwrap().unwrap();
        while !self.client.channel(id).unwrap().is_open() {
            self.turn().unwrap();
        }
        assert!(self.client.env(id, "GIT_PROTOCOL", "version=2").unwrap());
        assert!(self.client.exec(id, command.as_bytes()).unwrap());
        id
    }

    /// Runs a command to its end, with this stdin.
    pub(crate) fn run(&mut self, command: &str, window: u32, mut input: &[u8]) -> Ran {
        let id = self.start(command, window);
        let mut ran = Ran { stdout: Vec::new(), stderr: Vec::new(), exit: None, most: 0 };
        loop {
            let written = self.client.write(id, input).unwrap();
            input = input.get(written..).unwrap();
            if input.is_empty() {
                self.client.end_input(id).unwrap();
            }
            ran.most = ran.most.max(self.client.channel(id).unwrap().waiting());
            ran.stdout.extend(self.client.take(id).unwrap());
            if self.client.channel(id).unwrap().closed() {
                break;
            }
            self.turn().unwrap();
        }
        let channel = self.client.channel(id).unwrap();
        ran.stderr = channel.stderr().to_vec();
        ran.exit = channel.exit().cloned();
        self.client.close(id).unwrap();
        self.flush();
        assert!(self.client.channel(id).is_none());
        ran
    }
}
