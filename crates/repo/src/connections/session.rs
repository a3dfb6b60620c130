//! One ssh connection: a socket, and the state machine that speaks over it. And those that wait for
//! their next use.
//!
//! Every step ends after [`LOOK_INTERVAL`] at the latest, so that whoever waits can look at a
//! deadline and at the caller's wish to stop. Idle connections are kept without a thread: at most
//! [`super::IDLE_PER_HOST_MAX`] to one account of a host and [`IDLE_SESSIONS_MAX`] in all, each for
//! [`super::IDLE_TIME`] or until the next use of [`super::Connections`] after it.

use super::{Connections, IDLE_PER_HOST_MAX, IDLE_TIME, lock};
use ssh::{Client, SshError};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long one step waits for the network.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Idle connections to all hosts together.
pub(crate) const IDLE_SESSIONS_MAX: usize = 256;

/// A connection to one account of one host.
pub(crate) struct Session {
    pub(crate) client: Client,
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// Whose connection it is: the account, and a digest of the keys and known hosts that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionKey {
    pub(crate) account: String,
    pub(crate) material: [u8; 32],
}

/// A connection that waits for its next use.
pub(super) struct Idle {
    key: SessionKey,
    session: Session,
    since: Instant,
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The protocol.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// The network.
    #[error("the connection broke")]
    Socket(#[source] io::Error),
    /// The server.
    #[error("the server closed the connection")]
    Closed,
}

impl Session {
    pub(crate) fn new(client: Client, socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LOOK_INTERVAL))?;
        socket.set_write_timeout(Some(LOOK_INTERVAL))?;
        Ok(Self { client, socket, buffer: vec![0; READ_BYTES] })
    }

    /// Sends what waits, as far as the network takes it.
    pub(crate) fn flush(&mut self) -> Result<(), Broken> {
        while !self.client.outgoing().is_empty() {
            match self.socket.write(self.client.outgoing()) {
                Ok(0) => return Err(Broken::Closed),
                Ok(count) => self.client.sent(count),
                Err(error) if is_pause(&error) => return Ok(()),
                Err(error) => return Err(Broken::Socket(error)),
            }
        }
        Ok(())
    }

    /// Sends what waits and takes what comes, if something comes soon.
    pub(crate) fn turn(&mut self) -> Result<(), Broken> {
        self.flush()?;
        match self.socket.read(&mut self.buffer) {
            Ok(0) => Err(Broken::Closed),
            Ok(count) => {
                let bytes = self.buffer.get(..count).unwrap_or_default();
                let received = self.client.receive(bytes);
                // Also after an error: the server is told why.
                let flushed = self.flush();
                received?;
                flushed
            }
            Err(error) if is_pause(&error) => Ok(()),
            Err(error) => Err(Broken::Socket(error)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.client.disconnect();
        // Best effort: the socket is closed anyway.
        let _ = self.flush();
    }
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

impl Connections {
    /// An idle connection, if there is one; it may have been closed meanwhile.
    pub(crate) fn idle_session(&self, key: &SessionKey) -> Option<Session> {
        let mut idle = lock(&self.shared.sessions);
        idle.retain(|known| known.since.elapsed() < IDLE_TIME);
        let at = idle.iter().rposition(|known| known.key == *key)?;
        Some(idle.remove(at).session)
    }

    /// Keeps a connection for its next use.
    pub(crate) fn keep_session(&self, key: SessionKey, session: Session) {
        let mut idle = lock(&self.shared.sessions);
        idle.retain(|known| known.since.elapsed() < IDLE_TIME);
        // Connections that were made with other keys are not used any more.
        idle.retain(|known| known.key.account != key.account || known.key == key);
        let same = idle.iter().filter(|known| known.key == key).count();
        if same < IDLE_PER_HOST_MAX && idle.len() < IDLE_SESSIONS_MAX {
            idle.push(Idle { key, session, since: Instant::now() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ssh::{Config, Host, KnownHosts};
    use std::net::TcpListener;

    fn key(account: usize) -> SessionKey {
        SessionKey { account: format!("git@host-{account}"), material: [0; 32] }
    }

    fn session(listener: &TcpListener) -> Session {
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap();
        let config = Config::new(Host::new("h", 22), "git", Vec::new(), KnownHosts::new());
        Session::new(Client::new(config, Box::new(SystemRandom::new())), socket).unwrap()
    }

    #[test]
    fn idle_connections_are_kept_up_to_the_bounds() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connections = Connections::new();
        let count = || lock(&connections.shared.sessions).len();
        for _ in 0..=IDLE_PER_HOST_MAX {
            connections.keep_session(key(0), session(&listener));
        }
        assert_eq!(count(), IDLE_PER_HOST_MAX);
        let others = IDLE_SESSIONS_MAX - IDLE_PER_HOST_MAX;
        for account in 1..=others + 1 {
            connections.keep_session(key(account), session(&listener));
        }
        assert_eq!(count(), IDLE_SESSIONS_MAX);
        assert!(connections.idle_session(&key(others + 1)).is_none(), "there was no room");
        assert!(connections.idle_session(&key(others)).is_some());
        connections.keep_session(key(others + 1), session(&listener));
        assert!(connections.idle_session(&key(others + 1)).is_some(), "there is room again");
        // Another key of the account ends those of the old one.
        let changed = SessionKey { material: [1; 32], ..key(0) };
        connections.keep_session(changed.clone(), session(&listener));
        assert!(connections.idle_session(&key(0)).is_none());
        assert!(connections.idle_session(&changed).is_some());
    }
}
