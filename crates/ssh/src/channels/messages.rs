//! What the server says of channels and of the connection as a whole.

use super::{
    CHANNEL_CLOSE, CHANNEL_DATA, CHANNEL_EOF, CHANNEL_OPEN, CHANNEL_REQUEST, CHANNEL_WINDOW_ADJUST,
    Channel, Channels, Exit, Stage, refusal,
};
use crate::error::{SshError, printable};
use crate::limits::DATA_BYTES_MAX;
use crate::transport::Transport;
use crate::wire::{Reader, Writer};

const GLOBAL_REQUEST: u8 = 80;
const REQUEST_FAILURE: u8 = 82;
const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
const CHANNEL_OPEN_FAILURE: u8 = 92;
const CHANNEL_EXTENDED_DATA: u8 = 95;
const CHANNEL_SUCCESS: u8 = 99;
const CHANNEL_FAILURE: u8 = 100;

/// `SSH_OPEN_ADMINISTRATIVELY_PROHIBITED`.
const PROHIBITED: u32 = 1;

const BROKEN: &str = "a message about a channel is not well formed";

impl Channels {
    /// Takes a message.
    pub(crate) fn handle(
        &mut self,
        payload: &[u8],
        transport: &mut Transport,
    ) -> Result<(), SshError> {
        let Some((number, rest)) = payload.split_first() else { return Ok(()) };
        let mut reader = Reader::new(rest);
        match *number {
            GLOBAL_REQUEST => {
                let wants = reader.string().and_then(|_| reader.bool());
                match wants.ok_or_else(|| transport.broken(BROKEN))? {
                    true => transport.send(vec![REQUEST_FAILURE]),
                    false => Ok(()),
                }
            }
            CHANNEL_OPEN => {
                let peer = reader.string().and_then(|_| reader.u32());
                let peer = peer.ok_or_else(|| transport.broken(BROKEN))?;
                let answer = Writer::message(CHANNEL_OPEN_FAILURE)
                    .u32(peer)
                    .u32(PROHIBITED)
                    .string(b"")
                    .string(b"");
                transport.send(answer.into_vec())
            }
            number @ CHANNEL_OPEN_CONFIRMATION..=CHANNEL_FAILURE => {
                let id = reader.u32();
                let found = self.channels.iter_mut().find(|channel| Some(channel.id) == id);
                let Some(channel) = found else {
                    return Err(transport.broken("it names a channel that is not there"));
                };
                channel.handle(number, reader, transport)?;
                self.channels.retain(|channel| !channel.is_done());
                Ok(())
            }
            _ => transport.unimplemented(),
        }
    }
}

impl Channel {
    fn handle(
        &mut self,
        number: u8,
        mut reader: Reader<'_>,
        transport: &mut Transport,
    ) -> Result<(), SshError> {
        let broken = |transport: &Transport| transport.broken(BROKEN);
        match (number, &self.stage) {
            (CHANNEL_OPEN_CONFIRMATION, Stage::Asked) => {
                let parts = (reader.u32(), reader.u32(), reader.u32());
                let (Some(peer), Some(window), Some(most)) = parts else {
                    return Err(broken(transport));
                };
                (self.peer, self.send_window, self.send_most) = (peer, window, most);
                self.stage = Stage::Open;
                if self.released { self.say_closed(transport) } else { Ok(()) }
            }
            (CHANNEL_OPEN_FAILURE, Stage::Asked) => {
                let (code, text) = (reader.u32(), reader.string());
                let (Some(code), Some(text)) = (code, text) else { return Err(broken(transport)) };
                self.stage = Stage::Refused(refusal(code, text));
                Ok(())
            }
            (_, Stage::Open) if !self.peer_closed => self.handle_open(number, reader, transport),
            _ => Err(transport.broken("it speaks of a channel that is not open")),
        }
    }

    fn handle_open(
        &mut self,
        number: u8,
        mut reader: Reader<'_>,
        transport: &mut Transport,
    ) -> Result<(), SshError> {
        let broken = |transport: &Transport| transport.broken(BROKEN);
        match number {
            CHANNEL_WINDOW_ADJUST => {
                let count = reader.u32().ok_or_else(|| broken(transport))?;
                let window = self.send_window.checked_add(count);
                self.send_window =
                    window.ok_or_else(|| transport.broken("its window is too large"))?;
                Ok(())
            }
            CHANNEL_DATA => {
                let data = reader.string().ok_or_else(|| broken(transport))?;
                self.count(data.len(), transport)?;
                if !self.released {
                    self.data.extend_from_slice(data);
                }
                Ok(())
            }
            CHANNEL_EXTENDED_DATA => {
                let (Some(_), Some(data)) = (reader.u32(), reader.string()) else {
                    return Err(broken(transport));
                };
                self.count(data.len(), transport)?;
                self.keep_stderr(data);
                self.taken += u32::try_from(data.len()).unwrap_or_default();
                self.allow(transport)
            }
            CHANNEL_EOF => {
                self.peer_eof = true;
                Ok(())
            }
            CHANNEL_CLOSE => {
                self.peer_closed = true;
                self.say_closed(transport)
            }
            CHANNEL_REQUEST => self.request(reader, transport),
            CHANNEL_SUCCESS | CHANNEL_FAILURE => {
                self.started.get_or_insert(number == CHANNEL_SUCCESS);
                Ok(())
            }
            _ => Err(transport.broken("it opens a channel twice")),
        }
    }

    /// Counts what the server sends against what it may.
    fn count(&mut self, bytes: usize, transport: &Transport) -> Result<(), SshError> {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        let left = self.receive_window.checked_sub(count);
        match left {
            Some(left) if count <= DATA_BYTES_MAX && !self.peer_eof => {
                self.receive_window = left;
                Ok(())
            }
            _ => Err(transport.broken("it sends more of a channel than it may")),
        }
    }

    /// The end of the command, or something that is not for us.
    fn request(
        &mut self,
        mut reader: Reader<'_>,
        transport: &mut Transport,
    ) -> Result<(), SshError> {
        let (name, wants) = (reader.string(), reader.bool());
        let (Some(name), Some(wants)) = (name, wants) else {
            return Err(transport.broken(BROKEN));
        };
        match name {
            b"exit-status" => {
                let code = reader.u32().ok_or_else(|| transport.broken(BROKEN))?;
                self.exit.get_or_insert(Exit::Status(code));
            }
            b"exit-signal" => {
                let signal = reader.string().ok_or_else(|| transport.broken(BROKEN))?;
                self.exit.get_or_insert_with(|| Exit::Signal(printable(signal)));
            }
            _ => {}
        }
        if wants {
            return transport.send(Writer::message(CHANNEL_FAILURE).u32(self.peer).into_vec());
        }
        Ok(())
    }
}
