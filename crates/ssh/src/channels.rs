//! Channels (RFC 4254): sessions that run one command each, with windows in both directions.
//!
//! Input: what their owner wants, and the server's messages. Output: our messages, and what came
//! of stdout, of stderr and of the command's end. The server opens nothing here: no forwarding, no
//! agent. Limits: [`CHANNELS_MAX`]; stdout up to the window that the channel was opened with;
//! stderr up to [`STDERR_BYTES_MAX`], and the rest is dropped.

mod messages;

use crate::error::{SshError, printable};
use crate::limits::{CHANNELS_MAX, COMMAND_BYTES_MAX, DATA_BYTES_MAX, STDERR_BYTES_MAX};
use crate::transport::Transport;
use crate::wire::Writer;

const CHANNEL_OPEN: u8 = 90;
const CHANNEL_WINDOW_ADJUST: u8 = 93;
const CHANNEL_DATA: u8 = 94;
const CHANNEL_EOF: u8 = 96;
const CHANNEL_CLOSE: u8 = 97;
const CHANNEL_REQUEST: u8 = 98;

/// Names a channel of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChannelId(u32);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// With this code.
    Status(u32),
    /// By this signal, named without `SIG`.
    Signal(String),
}

/// How far a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The server has not answered yet.
    Asked,
    /// It is open.
    Open,
    /// The server did not open it, and said why.
    Refused(String),
}

/// What is known of a channel.
#[derive(Debug)]
pub struct Channel {
    id: u32,
    stage: Stage,
    /// The server's number of it.
    peer: u32,
    /// Bytes that we may still send.
    send_window: u32,
    /// Bytes of one message that the server takes.
    send_most: u32,
    window: u32,
    /// Bytes that the server may still send.
    receive_window: u32,
    /// Bytes that were taken and not allowed again yet.
    taken: u32,
    data: Vec<u8>,
    stderr: Vec<u8>,
    /// Whether the command was started; nothing while the server has not answered.
    started: Option<bool>,
    exit: Option<Exit>,
    peer_eof: bool,
    peer_closed: bool,
    eof_sent: bool,
    close_sent: bool,
    /// Whether its owner needs it no more.
    released: bool,
}

impl Channel {
    /// Whether the server has opened it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open && !self.peer_closed
    }

    /// Why the server did not open it, in its words.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        match &self.stage {
            Stage::Refused(why) => Some(why),
            _ => None,
        }
    }

    /// Whether the server runs the command; nothing while it has not answered.
    #[must_use]
    pub fn started(&self) -> Option<bool> {
        self.started
    }

    /// Whether nothing more comes of stdout.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.peer_eof || self.peer_closed || matches!(self.stage, Stage::Refused(_))
    }

    /// Whether nothing more comes at all.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.peer_closed || matches!(self.stage, Stage::Refused(_))
    }

    /// How the command ended, if it did and the server said so.
    #[must_use]
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// What came of stderr, up to [`STDERR_BYTES_MAX`].
    #[must_use]
    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// Bytes of stdout that wait for their reader.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.data.len()
    }

    fn is_done(&self) -> bool {
        self.released && self.closed()
    }
}

/// The channels of one connection.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    channels: Vec<Channel>,
    next: u32,
}

impl Channels {
    pub(crate) fn get(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id.0)
    }

    fn open_one(&mut self, id: ChannelId) -> Option<&mut Channel> {
        let mut channels = self.channels.iter_mut();
        channels.find(|channel| channel.id == id.0 && channel.is_open() && !channel.close_sent)
    }

    /// Asks for a session; nothing when there are [`CHANNELS_MAX`].
    pub(crate) fn open(
        &mut self,
        window: u32,
        transport: &mut Transport,
    ) -> Result<Option<ChannelId>, SshError> {
        if self.channels.len() >= CHANNELS_MAX {
            return Ok(None);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let most = DATA_BYTES_MAX.min(window);
        let message =
            Writer::message(CHANNEL_OPEN).string(b"session").u32(id).u32(window).u32(most);
        transport.send(message.into_vec())?;
        self.channels.push(Channel {
            id,
            stage: Stage::Asked,
            peer: 0,
            send_window: 0,
            send_most: 0,
            window,
            receive_window: window,
            taken: 0,
            data: Vec::new(),
            stderr: Vec::new(),
            started: None,
            exit: None,
            peer_eof: false,
            peer_closed: false,
            eof_sent: false,
            close_sent: false,
            released: false,
        });
        Ok(Some(ChannelId(id)))
    }

    /// Sets a variable for the command; servers take the few that they are told to take, and do not
    /// say whether they did.
    pub(crate) fn env(
        &mut self,
        id: ChannelId,
        (name, value): (&str, &str),
        transport: &mut Transport,
    ) -> Result<bool, SshError> {
        let Some(channel) = self.open_one(id) else { return Ok(false) };
        if name.len() + value.len() > COMMAND_BYTES_MAX {
            return Ok(false);
        }
        let message = Writer::message(CHANNEL_REQUEST)
            .u32(channel.peer)
            .string(b"env")
            .bool(false)
            .string(name.as_bytes())
            .string(value.as_bytes());
        transport.send(message.into_vec()).map(|()| true)
    }

    /// Runs a command, as the server's shell reads it.
    pub(crate) fn exec(
        &mut self,
        id: ChannelId,
        command: &[u8],
        transport: &mut Transport,
    ) -> Result<bool, SshError> {
        let Some(channel) = self.open_one(id) else { return Ok(false) };
        if command.len() > COMMAND_BYTES_MAX {
            return Ok(false);
        }
        let message = Writer::message(CHANNEL_REQUEST)
            .u32(channel.peer)
            .string(b"exec")
            .bool(true)
            .string(command);
        transport.send(message.into_vec()).map(|()| true)
    }

    /// Sends of `bytes` what the server's window and ours allow; gives how many that were.
    pub(crate) fn write(
        &mut self,
        id: ChannelId,
        bytes: &[u8],
        transport: &mut Transport,
    ) -> Result<usize, SshError> {
        let Some(channel) = self.open_one(id) else { return Ok(0) };
        if channel.eof_sent {
            return Ok(0);
        }
        let mut written = 0;
        loop {
            let rest = bytes.get(written..).unwrap_or_default();
            let most = channel.send_window.min(channel.send_most).min(DATA_BYTES_MAX);
            let most = usize::try_from(most).unwrap_or_default().min(transport.room());
            let part = rest.get(..most).unwrap_or(rest);
            if part.is_empty() {
                return Ok(written);
            }
            let message = Writer::message(CHANNEL_DATA).u32(channel.peer).string(part);
            transport.send(message.into_vec())?;
            channel.send_window -= u32::try_from(part.len()).unwrap_or(channel.send_window);
            written += part.len();
        }
    }

    /// Says that nothing more comes of stdin.
    pub(crate) fn end_input(
        &mut self,
        id: ChannelId,
        transport: &mut Transport,
    ) -> Result<(), SshError> {
        let Some(channel) = self.open_one(id) else { return Ok(()) };
        if std::mem::replace(&mut channel.eof_sent, true) {
            return Ok(());
        }
        transport.send(Writer::message(CHANNEL_EOF).u32(channel.peer).into_vec())
    }

    /// Closes a channel; it is forgotten when the server has closed it, too.
    pub(crate) fn close(
        &mut self,
        id: ChannelId,
        transport: &mut Transport,
    ) -> Result<(), SshError> {
        let found = self.channels.iter_mut().find(|channel| channel.id == id.0);
        let Some(channel) = found else { return Ok(()) };
        channel.data = Vec::new();
        channel.released = true;
        // One that is not open yet is closed as soon as it is.
        let result = match channel.stage {
            Stage::Open => channel.say_closed(transport),
            _ => Ok(()),
        };
        self.channels.retain(|channel| !channel.is_done());
        result
    }

    /// What waits of stdout; it is allowed again.
    pub(crate) fn take(
        &mut self,
        id: ChannelId,
        transport: &mut Transport,
    ) -> Result<Vec<u8>, SshError> {
        let found = self.channels.iter_mut().find(|channel| channel.id == id.0);
        let Some(channel) = found else { return Ok(Vec::new()) };
        let data = std::mem::take(&mut channel.data);
        channel.taken += u32::try_from(data.len()).unwrap_or_default();
        channel.allow(transport)?;
        Ok(data)
    }
}

impl Channel {
    /// Allows again what was taken, once it is half of the window.
    fn allow(&mut self, transport: &mut Transport) -> Result<(), SshError> {
        let due = self.taken > 0 && self.taken >= self.window / 2;
        if !due || self.ended() || self.close_sent {
            return Ok(());
        }
        let count = std::mem::take(&mut self.taken);
        self.receive_window += count;
        transport.send(Writer::message(CHANNEL_WINDOW_ADJUST).u32(self.peer).u32(count).into_vec())
    }

    /// Closes our side, once.
    fn say_closed(&mut self, transport: &mut Transport) -> Result<(), SshError> {
        if std::mem::replace(&mut self.close_sent, true) {
            return Ok(());
        }
        transport.send(Writer::message(CHANNEL_CLOSE).u32(self.peer).into_vec())
    }

    /// Keeps what fits of stderr.
    fn keep_stderr(&mut self, bytes: &[u8]) {
        let free = STDERR_BYTES_MAX - self.stderr.len();
        self.stderr.extend_from_slice(bytes.get(..free).unwrap_or(bytes));
    }
}

/// What the server says of a channel that it did not open.
fn refusal(code: u32, text: &[u8]) -> String {
    let reason = match code {
        1 => "administratively prohibited",
        2 => "connect failed",
        3 => "unknown channel type",
        4 => "resource shortage",
        _ => "unknown reason",
    };
    let text = printable(text);
    if text.is_empty() { reason.to_owned() } else { format!("{reason}: {text}") }
}
