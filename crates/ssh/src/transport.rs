//! The transport layer (RFC 4253): identification, key exchange and re-keying, packets.
//!
//! Input: bytes of the network, and payloads of the layers above. Output: their payloads, and bytes
//! for the network. Nothing above is believed, sent or given out before the server's host key has
//! signed the first exchange.
//!
//! Until the first keys are in use only messages of the key exchange are taken, whatever the
//! server says of strict key exchange: what cannot be put in cannot shift the numbers of packets.
//! Limits: one packet, and [`OUTGOING_BYTES_MAX`] that wait to be sent.

mod exchanging;

use crate::cipher::{Opener, Sealer};
use crate::error::{Host, SshError, printable};
use crate::exchange::Half;
use crate::identification;
use crate::known_hosts::Known;
use crate::limits::{
    KEY_PACKETS_MAX, OUTGOING_BYTES_MAX, PACKET_BYTES_MAX, REKEY_BYTES, REKEY_PACKETS,
};
use crate::negotiate::{Agreement, KEXINIT};
use crate::wire::{Reader, Writer};
use ring::rand::SecureRandom;

const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const UNIMPLEMENTED: u8 = 3;
const DEBUG: u8 = 4;
const EXT_INFO: u8 = 7;
const NEWKEYS: u8 = 21;

/// Messages below belong to the transport layer.
const FIRST_ABOVE: u8 = 50;

/// Bytes that a packet has besides its payload, at most: length, padding and tag.
const PACKET_OVERHEAD_BYTES: usize = 64;

/// `SSH_MSG_SERVICE_ACCEPT`, which the layer above waits for.
pub(crate) const SERVICE_ACCEPT: u8 = 6;

/// A source of random numbers.
pub type Random = Box<dyn SecureRandom + Send + Sync>;

/// How far an exchange of keys is.
enum Exchanging {
    /// None is under way.
    No,
    /// We have made our offer.
    Offered { offer: Vec<u8> },
    /// We have sent our half.
    Asked { offer: Vec<u8>, their_offer: Vec<u8>, agreement: Agreement, half: Half, skip: bool },
    /// We use the new keys; the server's next message says that it does, too.
    Agreed { opener: Opener, strict: bool },
}

/// What was done under the present key of one direction.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    packets: u64,
    bytes: u64,
}

impl Used {
    fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// What was agreed on, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithms {
    /// Key exchange.
    pub exchange: &'static str,
    /// Host key algorithm.
    pub host_key: &'static str,
    /// Cipher of what we send.
    pub outward: &'static str,
    /// Cipher of what we receive.
    pub inward: &'static str,
    /// Whether both sides keep to strict key exchange.
    pub strict: bool,
}

/// One connection's transport.
pub(crate) struct Transport {
    host: Host,
    known: Known,
    random: Random,
    rekey_bytes: u64,
    host_keys: Vec<&'static str>,
    identification: Option<Vec<u8>>,
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
    held: Vec<Vec<u8>>,
    held_bytes: usize,
    sealer: Sealer,
    opener: Opener,
    send_sequence: u32,
    receive_sequence: u32,
    last_sequence: u32,
    sent: Used,
    received: Used,
    exchanging: Exchanging,
    session: Option<Vec<u8>>,
    host_key: Option<Vec<u8>>,
    strict: bool,
    established: bool,
    algorithms: Option<Algorithms>,
    signature_algorithms: Option<Vec<String>>,
}

impl Transport {
    pub(crate) fn new(host: Host, known: Known, random: Random, rekey_bytes: Option<u64>) -> Self {
        let host_keys = crate::negotiate::host_key_names(&|kind| known.has_kind(kind));
        Self {
            host,
            known,
            random,
            rekey_bytes: rekey_bytes.unwrap_or(REKEY_BYTES),
            host_keys,
            identification: None,
            input: Vec::new(),
            at: 0,
            output: format!("{}\r\n", identification::OURS).into_bytes(),
            held: Vec::new(),
            held_bytes: 0,
            sealer: Sealer::Clear,
            opener: Opener::Clear,
            send_sequence: 0,
            receive_sequence: 0,
            last_sequence: 0,
            sent: Used::default(),
            received: Used::default(),
            exchanging: Exchanging::No,
            session: None,
            host_key: None,
            strict: false,
            established: false,
            algorithms: None,
            signature_algorithms: None,
        }
    }

    /// Takes what came from the network.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.input.drain(..self.at);
        self.at = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next payload for the layers above, into `payload`; `false` when more must come.
    pub(crate) fn next(&mut self, payload: &mut Vec<u8>) -> Result<bool, SshError> {
        loop {
            if self.identification.is_none() && !self.identify()? {
                return Ok(false);
            }
            if !self.packet(payload)? {
                return Ok(false);
            }
            if self.handle(payload)? {
                return Ok(true);
            }
        }
    }

    /// Bytes for the network.
    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.output
    }

    /// The first `count` of them are sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.output.drain(..count.min(self.output.len()));
    }

    /// Bytes of payload that may be sent now without waiting.
    pub(crate) fn room(&self) -> usize {
        let waits = self.output.len() + self.held_bytes;
        match self.exchanging {
            Exchanging::No => (OUTGOING_BYTES_MAX / 2).saturating_sub(waits),
            _ => 0,
        }
    }

    /// Sends a payload of the layers above; while keys are exchanged it waits.
    pub(crate) fn send(&mut self, payload: Vec<u8>) -> Result<(), SshError> {
        let bytes = payload.len() + PACKET_OVERHEAD_BYTES;
        if self.output.len() + self.held_bytes + bytes > OUTGOING_BYTES_MAX {
            return Err(self.broken("it asks for more answers than it reads"));
        }
        if !matches!(self.exchanging, Exchanging::No | Exchanging::Agreed { .. }) {
            self.held_bytes += bytes;
            self.held.push(payload);
            return Ok(());
        }
        self.seal(&payload)?;
        if self.is_used_up(self.sent) && matches!(self.exchanging, Exchanging::No) {
            self.make_offer()?;
        }
        Ok(())
    }

    /// Says that the connection ends. What waits is dropped.
    pub(crate) fn disconnect(&mut self, code: u32, text: &str) {
        self.held.clear();
        self.held_bytes = 0;
        let message = Writer::message(DISCONNECT).u32(code).string(text.as_bytes()).string(b"");
        let _ = self.seal(message.as_slice());
    }

    /// Answers a message that nobody here knows.
    pub(crate) fn unimplemented(&mut self) -> Result<(), SshError> {
        self.send(Writer::message(UNIMPLEMENTED).u32(self.last_sequence).into_vec())
    }

    /// Packets under the present keys, sent and received.
    #[cfg(test)]
    pub(crate) fn packets(&mut self) -> (&mut u64, &mut u64) {
        (&mut self.sent.packets, &mut self.received.packets)
    }

    /// Whether the first keys are in use in both directions.
    pub(crate) fn is_established(&self) -> bool {
        self.established
    }

    /// The name of the session, which signatures of ours are bound to.
    pub(crate) fn session(&self) -> &[u8] {
        self.session.as_deref().unwrap_or_default()
    }

    /// Algorithms that the server takes signatures of, if it said.
    pub(crate) fn signature_algorithms(&self) -> Option<&[String]> {
        self.signature_algorithms.as_deref()
    }

    pub(crate) fn algorithms(&self) -> Option<&Algorithms> {
        self.algorithms.as_ref()
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn random(&self) -> &dyn SecureRandom {
        &*self.random
    }

    pub(crate) fn broken(&self, reason: &'static str) -> SshError {
        SshError::Protocol { host: self.host.to_string(), reason }
    }

    fn identify(&mut self) -> Result<bool, SshError> {
        let input = self.input.get(self.at..).unwrap_or_default();
        let found = identification::find(input)
            .map_err(|reason| SshError::Identify { host: self.host.to_string(), reason })?;
        let Some(found) = found else { return Ok(false) };
        self.at += found.bytes;
        self.identification = Some(found.line);
        self.make_offer()?;
        Ok(true)
    }

    /// Opens the next packet into `payload`; `false` when it is not whole yet.
    fn packet(&mut self, payload: &mut Vec<u8>) -> Result<bool, SshError> {
        let input = self.input.get_mut(self.at..).unwrap_or_default();
        let broken = |reason| SshError::Protocol { host: self.host.to_string(), reason };
        let sequence = self.receive_sequence;
        let bytes = match self.opener.packet_bytes(sequence, input).map_err(broken)? {
            Some(bytes) if bytes <= input.len() => bytes,
            _ => return Ok(false),
        };
        let packet = input.get_mut(..bytes).unwrap_or_default();
        let opened = self.opener.open(sequence, packet).map_err(broken)?;
        payload.clear();
        payload.extend_from_slice(opened);
        self.at += bytes;
        self.last_sequence = sequence;
        self.receive_sequence = sequence.wrapping_add(1);
        self.received.add(bytes);
        if self.received.packets >= KEY_PACKETS_MAX {
            return Err(self.broken("it sends too much under one key"));
        }
        if self.is_used_up(self.received) && matches!(self.exchanging, Exchanging::No) {
            self.make_offer()?;
        }
        Ok(true)
    }

    /// Takes a message; `true` when it is one for the layers above.
    fn handle(&mut self, payload: &[u8]) -> Result<bool, SshError> {
        let Some((number, rest)) = payload.split_first() else { return Ok(false) };
        if *number == DISCONNECT {
            return Err(self.disconnected(rest));
        }
        if let Exchanging::Asked { skip, .. } = &mut self.exchanging
            && std::mem::take(skip)
        {
            return Ok(false);
        }
        let inside =
            matches!(self.exchanging, Exchanging::Asked { .. } | Exchanging::Agreed { .. });
        match *number {
            KEXINIT => self.offered(payload, rest).map(|()| false),
            number @ (NEWKEYS | 30..=49) => self.exchange(number, rest).map(|()| false),
            _ if !self.established => {
                Err(self.failed("a message came before the keys that must not be there"))
            }
            IGNORE | DEBUG => Ok(false),
            UNIMPLEMENTED => Err(self.broken("it does not know a message that it must know")),
            _ if inside => Err(self.failed("a message came among those of a key exchange")),
            EXT_INFO => self.extensions(rest).map(|()| false),
            SERVICE_ACCEPT | FIRST_ABOVE.. => Ok(true),
            _ => self.unimplemented().map(|()| false),
        }
    }

    /// What the server says of itself (RFC 8308).
    fn extensions(&mut self, rest: &[u8]) -> Result<(), SshError> {
        let mut reader = Reader::new(rest);
        let broken = "what it says of itself is not well formed";
        let count = reader.u32().ok_or_else(|| self.broken(broken))?;
        for _ in 0..count {
            let pair = (reader.string(), reader.string());
            let (Some(name), Some(value)) = pair else { return Err(self.broken(broken)) };
            if name == b"server-sig-algs" {
                let text = String::from_utf8_lossy(value);
                self.signature_algorithms = Some(text.split(',').map(str::to_owned).collect());
            }
        }
        Ok(())
    }

    fn disconnected(&self, rest: &[u8]) -> SshError {
        let mut reader = Reader::new(rest);
        let code = reader.u32().unwrap_or_default();
        let reason = printable(reader.string().unwrap_or_default());
        SshError::Disconnected { host: self.host.to_string(), code, reason }
    }

    fn failed(&self, reason: &'static str) -> SshError {
        SshError::ExchangeKeys { host: self.host.to_string(), reason }
    }

    fn is_used_up(&self, used: Used) -> bool {
        self.established && (used.bytes >= self.rekey_bytes || used.packets >= REKEY_PACKETS)
    }

    /// Seals a payload and puts it behind what waits.
    fn seal(&mut self, payload: &[u8]) -> Result<(), SshError> {
        let before = self.output.len();
        let sequence = self.send_sequence;
        let sealed = self.sealer.seal(sequence, payload, &*self.random, &mut self.output);
        if sealed.is_none() {
            // Half a packet must not be sent.
            self.output.truncate(before);
            return Err(SshError::Random);
        }
        self.send_sequence = sequence.wrapping_add(1);
        self.sent.add(self.output.len() - before);
        if self.sent.packets >= KEY_PACKETS_MAX {
            return Err(self.broken("it does not exchange keys"));
        }
        debug_assert!(self.output.len() - before <= PACKET_BYTES_MAX, "our packets are small");
        Ok(())
    }
}
