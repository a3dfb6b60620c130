//! The client: transport, login and channels as one state machine.
//!
//! Input: bytes of the network, keys, and what the owner wants. Output: bytes for the network and
//! what came of the channels. It looks at no clock: deadlines are its owner's. After the first
//! error every call gives that error again.

use crate::auth::{Auth, Identity, SignRequest, Step};
use crate::channels::{Channel, ChannelId, Channels};
use crate::error::{Host, SshError};
use crate::known_hosts::KnownHosts;
use crate::transport::{Algorithms, Random, SERVICE_ACCEPT, Transport};
use crate::wire::Writer;

const SERVICE_REQUEST: u8 = 5;
const SERVICE: &[u8] = b"ssh-userauth";

/// Messages below belong to the login.
const FIRST_OF_CONNECTION: u8 = 80;

/// Reasons of RFC 4253, 11.1, for the server's log.
const PROTOCOL_ERROR: u32 = 2;
const KEY_EXCHANGE_FAILED: u32 = 3;
const HOST_KEY_NOT_VERIFIABLE: u32 = 9;
const BY_APPLICATION: u32 = 11;
const NO_MORE_AUTH_METHODS: u32 = 14;

/// Whom to reach, and as whom.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// The server.
    pub host: Host,
    /// The name to log in with.
    pub user: String,
    /// The keys to offer, in this order; at most [`crate::IDENTITIES_MAX`].
    pub identities: Vec<Identity>,
    /// Whom to believe. There is no way around it.
    pub known_hosts: KnownHosts,
    /// Bytes under one key; [`crate::REKEY_BYTES`] where nothing is said.
    pub rekey_bytes: Option<u64>,
}

impl Config {
    /// A config with the default bounds.
    #[must_use]
    pub fn new(host: Host, user: &str, identities: Vec<Identity>, known_hosts: KnownHosts) -> Self {
        Self { host, user: user.to_owned(), identities, known_hosts, rekey_bytes: None }
    }
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// The first keys are exchanged; the host's key is not proven yet.
    Keys,
    /// The host is who it says; we log in.
    Login,
    /// We are in, and channels can be opened.
    Open,
}

/// What the login is doing.
enum Login {
    NotYet(Auth),
    Asked(Auth),
    On(Auth),
    Done,
}

/// One connection to one server.
pub struct Client {
    transport: Transport,
    login: Login,
    channels: Channels,
    failed: Option<SshError>,
    payload: Vec<u8>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("host", self.transport.host())
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A connection that nothing has been sent over.
    #[must_use]
    pub fn new(config: Config, random: Random) -> Self {
        let known = config.known_hosts.of(&config.host);
        let transport = Transport::new(config.host, known, random, config.rekey_bytes);
        let auth = Auth::new(config.user, config.identities);
        Self {
            transport,
            login: Login::NotYet(auth),
            channels: Channels::default(),
            failed: None,
            payload: Vec::new(),
        }
    }

    /// How far the connection is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.login {
            Login::NotYet(_) => Phase::Keys,
            Login::Asked(_) | Login::On(_) => Phase::Login,
            Login::Done => Phase::Open,
        }
    }

    /// Takes what came from the network.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), SshError> {
        self.attempt(|client| {
            client.transport.receive(bytes);
            let mut payload = std::mem::take(&mut client.payload);
            let result = client.work(&mut payload);
            client.payload = payload;
            result
        })
    }

    /// Bytes for the network; also after an error, as the server is told of it.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        self.transport.outgoing()
    }

    /// The first `count` bytes of [`Client::outgoing`] are sent.
    pub fn sent(&mut self, count: usize) {
        self.transport.sent(count);
    }

    /// What an agent is asked to sign, if the login waits for it.
    #[must_use]
    pub fn wanted_signature(&self) -> Option<&SignRequest> {
        match &self.login {
            Login::On(auth) => auth.wanted(),
            _ => None,
        }
    }

    /// The agent's signature, with the algorithm's name in front, or why there is none.
    ///
    /// # Errors
    /// When no key is left to offer.
    pub fn signature(&mut self, answer: Result<Vec<u8>, String>) -> Result<(), SshError> {
        self.attempt(|client| match &mut client.login {
            Login::On(auth) => auth.signed(&mut client.transport, answer),
            _ => Ok(()),
        })
    }

    /// What both sides agreed to use, once they did.
    #[must_use]
    pub fn algorithms(&self) -> Option<&Algorithms> {
        self.transport.algorithms()
    }

    /// Asks for a session that takes up to `window` bytes ahead of its reader; nothing when
    /// [`crate::CHANNELS_MAX`] are open or we are not in yet.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn open_session(&mut self, window: u32) -> Result<Option<ChannelId>, SshError> {
        self.attempt(|client| match client.login {
            Login::Done => client.channels.open(window.max(1), &mut client.transport),
            _ => Ok(None),
        })
    }

    /// Sets a variable for the command of an open channel, where the server allows it.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn env(&mut self, id: ChannelId, name: &str, value: &str) -> Result<bool, SshError> {
        self.attempt(|client| client.channels.env(id, (name, value), &mut client.transport))
    }

    /// Runs a command in an open channel; `false` when that cannot be asked.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn exec(&mut self, id: ChannelId, command: &[u8]) -> Result<bool, SshError> {
        self.attempt(|client| client.channels.exec(id, command, &mut client.transport))
    }

    /// Writes to the command's stdin what windows allow; gives how many bytes that were.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn write(&mut self, id: ChannelId, bytes: &[u8]) -> Result<usize, SshError> {
        self.attempt(|client| client.channels.write(id, bytes, &mut client.transport))
    }

    /// Ends the command's stdin.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn end_input(&mut self, id: ChannelId) -> Result<(), SshError> {
        self.attempt(|client| client.channels.end_input(id, &mut client.transport))
    }

    /// What waits of the command's stdout; the server may send as much again.
    ///
    /// # Errors
    /// When the connection cannot go on and nothing waits.
    pub fn take(&mut self, id: ChannelId) -> Result<Vec<u8>, SshError> {
        self.attempt(|client| client.channels.take(id, &mut client.transport))
    }

    /// What is known of a channel; nothing when it was closed here and there.
    #[must_use]
    pub fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(id)
    }

    /// Closes a channel.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn close(&mut self, id: ChannelId) -> Result<(), SshError> {
        self.attempt(|client| client.channels.close(id, &mut client.transport))
    }

    /// Ends the connection; the server is told.
    pub fn disconnect(&mut self) {
        if self.failed.is_none() {
            self.transport.disconnect(BY_APPLICATION, "");
        }
    }

    fn work(&mut self, payload: &mut Vec<u8>) -> Result<(), SshError> {
        loop {
            let more = self.transport.next(payload)?;
            if self.transport.is_established() {
                self.ask_for_login()?;
            }
            if !more {
                return Ok(());
            }
            self.handle(payload)?;
        }
    }

    /// The first thing under the first keys.
    fn ask_for_login(&mut self) -> Result<(), SshError> {
        match std::mem::replace(&mut self.login, Login::Done) {
            Login::NotYet(auth) => {
                self.login = Login::Asked(auth);
                let message = Writer::message(SERVICE_REQUEST).string(SERVICE);
                self.transport.send(message.into_vec())
            }
            other => {
                self.login = other;
                Ok(())
            }
        }
    }

    fn handle(&mut self, payload: &[u8]) -> Result<(), SshError> {
        let number = payload.first().copied().unwrap_or_default();
        match std::mem::replace(&mut self.login, Login::Done) {
            Login::Done if number >= FIRST_OF_CONNECTION => {
                self.channels.handle(payload, &mut self.transport)
            }
            // What a server says of the login after it is over means nothing.
            Login::Done => Ok(()),
            Login::Asked(mut auth) if number == SERVICE_ACCEPT => {
                let result = auth.go_on(&mut self.transport, "");
                self.login = Login::On(auth);
                result
            }
            Login::On(mut auth) => {
                let step = auth.handle(payload, &mut self.transport);
                if !matches!(step, Ok(Step::LetIn)) {
                    self.login = Login::On(auth);
                }
                step.map(drop)
            }
            other @ (Login::Asked(_) | Login::NotYet(_)) => {
                self.login = other;
                Err(self.transport.broken("a message came before we were let in"))
            }
        }
    }

    /// Does something unless something failed before; what fails now is kept and told.
    fn attempt<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, SshError>,
    ) -> Result<T, SshError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        act(self).map_err(|error| {
            let error = match (&self.login, &error) {
                // Most servers say no by closing the connection.
                (Login::On(auth), SshError::Disconnected { .. }) => {
                    auth.ended(&self.transport, &error)
                }
                _ => error,
            };
            if let Some((code, text)) = farewell(&error) {
                self.transport.disconnect(code, text);
            }
            self.failed = Some(error.clone());
            error
        })
    }
}

/// What the server is told of an error; it has no need for more.
fn farewell(error: &SshError) -> Option<(u32, &'static str)> {
    Some(match error {
        SshError::Negotiate { .. } | SshError::ExchangeKeys { .. } => {
            (KEY_EXCHANGE_FAILED, "the key exchange failed")
        }
        SshError::UnknownHostKey { .. }
        | SshError::ChangedHostKey { .. }
        | SshError::RevokedHostKey { .. } => {
            (HOST_KEY_NOT_VERIFIABLE, "the host key is not the known one")
        }
        SshError::Authenticate { .. } => (NO_MORE_AUTH_METHODS, "no more keys to offer"),
        SshError::Protocol { .. } => (PROTOCOL_ERROR, "the protocol was not kept to"),
        SshError::Random => (BY_APPLICATION, ""),
        SshError::Identify { .. } | SshError::Disconnected { .. } => return None,
    })
}

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;
