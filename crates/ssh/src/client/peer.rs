//! A server for tests that does what it is told, right or wrong.

use crate::cipher::{Cipher, Opener, Sealer};
use crate::exchange::{ECDH_INIT, ECDH_REPLY, Shared};
use crate::identification::OURS;
use crate::negotiate::{Agreement, COOKIE_BYTES, Exchange, KEXINIT};
use crate::wire::{Reader, Writer};
use crate::{Client, Config, Host, Identity, KnownHosts, SshError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const IDENTIFICATION: &str = "SSH-2.0-peer";
const NEWKEYS: u8 = 21;

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    /// The signature is of another key.
    Signature,
    /// The signature is over another hash.
    Hash,
    /// Its half is a point of small order.
    Zeros,
    /// It sends its answer without having been asked.
    AnswerTwice,
    /// It says that it uses new keys before there are any.
    KeysTooSoon,
    /// A message without meaning comes before its offer.
    IgnoreFirst,
    /// A message without meaning comes before its answer.
    IgnoreInside,
    /// Data comes in clear before its answer.
    DataTooSoon,
    /// It lets us in in clear, in place of its answer.
    LoginTooSoon,
    /// It guesses, wrongly, and sends something that must be passed over.
    Guess,
    /// It does not know strict key exchange.
    Loose,
}

/// The server.
pub(super) struct Peer {
    pub(super) wrong: Wrong,
    pub(super) key: Ed25519KeyPair,
    out: Vec<u8>,
    input: Vec<u8>,
    sealer: Sealer,
    opener: Opener,
    next: Option<Opener>,
    pub(super) send_sequence: u32,
    receive_sequence: u32,
    identified: bool,
    offer: Vec<u8>,
    offered: bool,
    client_offer: Vec<u8>,
    session: Option<Vec<u8>>,
    cipher: Cipher,
    /// Payloads of the client above the transport.
    pub(super) taken: Vec<Vec<u8>>,
}

pub(super) fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn blob(key: &Ed25519KeyPair) -> Vec<u8> {
    Writer::default().string(b"ssh-ed25519").string(key.public_key().as_ref()).into_vec()
}

/// A client that knows the key of seed 1.
pub(super) fn client(identities: Vec<Identity>, rekey_bytes: Option<u64>) -> Client {
    let mut known = KnownHosts::new();
    let line = format!("h ssh-ed25519 {}", STANDARD.encode(blob(&pair(1))));
    known.add("known", &line).unwrap();
    let mut config = Config::new(Host::new("h", 22), "git", identities, known);
    config.rekey_bytes = rekey_bytes;
    Client::new(config, Box::new(SystemRandom::new()))
}

impl Peer {
    pub(super) fn new(wrong: Wrong, cipher: Cipher) -> Self {
        let mut peer = Self {
            wrong,
            key: pair(1),
            out: format!("{IDENTIFICATION}\r\n").into_bytes(),
            input: Vec::new(),
            sealer: Sealer::Clear,
            opener: Opener::Clear,
            next: None,
            send_sequence: 0,
            receive_sequence: 0,
            identified: false,
            offer: Vec::new(),
            offered: false,
            client_offer: Vec::new(),
            session: None,
            cipher,
            taken: Vec::new(),
        };
        if wrong == Wrong::IgnoreFirst {
            peer.send(&Writer::message(2).string(b"x").into_vec());
        }
        if wrong == Wrong::KeysTooSoon {
            peer.send(&[NEWKEYS]);
        }
        peer.make_offer();
        if wrong == Wrong::Guess {
            peer.send(&Writer::message(ECDH_REPLY).string(b"a wrong guess").into_vec());
        }
        peer
    }

    /// Sends a payload under the present key.
    pub(super) fn send(&mut self, payload: &[u8]) {
        let random = SystemRandom::new();
        self.sealer.seal(self.send_sequence, payload, &random, &mut self.out).unwrap();
        self.send_sequence = self.send_sequence.wrapping_add(1);
    }

    pub(super) fn make_offer(&mut self) {
        let strict = if self.wrong == Wrong::Loose { "" } else { ",kex-strict-s-v00@openssh.com" };
        let exchange = if self.wrong == Wrong::Guess { "guess," } else { "" };
        let exchange = format!("{exchange}curve25519-sha256{strict}");
        let cipher = self.cipher.name();
        let lists = [&exchange, "ssh-ed25519", cipher, cipher, "", "", "none", "none", "", ""];
        let mut writer = Writer::message(KEXINIT).raw(&[5; COOKIE_BYTES]);
        for list in lists {
            writer = writer.string(list.as_bytes());
        }
        self.offer = writer.bool(self.wrong == Wrong::Guess).u32(0).into_vec();
        self.send(&self.offer.clone());
        self.offered = true;
    }

    /// Gives each side what the other sent until nothing more comes.
    pub(super) fn talk(&mut self, client: &mut Client) -> Result<(), SshError> {
        loop {
            let bytes = client.outgoing().to_vec();
            client.sent(bytes.len());
            self.receive(&bytes);
            if self.out.is_empty() && bytes.is_empty() {
                return Ok(());
            }
            let out = std::mem::take(&mut self.out);
            // In small pieces, as a network may.
            for piece in out.chunks(7) {
                client.receive(piece)?;
            }
        }
    }

    /// Gives the client what waits and takes nothing.
    pub(super) fn give(&mut self, client: &mut Client) -> Result<(), SshError> {
        client.receive(&std::mem::take(&mut self.out))
    }

    /// Changes a bit of what waits.
    pub(super) fn flip(&mut self, bit: usize) {
        self.out[bit / 8] ^= 1 << (bit % 8);
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        if !self.identified {
            let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else { return };
            self.input.drain(..=end);
            self.identified = true;
        }
        loop {
            let size = self.opener.packet_bytes(self.receive_sequence, &self.input).unwrap();
            let Some(size) = size.filter(|size| *size <= self.input.len()) else { return };
            let mut packet: Vec<u8> = self.input.drain(..size).collect();
            let payload = self.opener.open(self.receive_sequence, &mut packet).unwrap().to_vec();
            self.receive_sequence = self.receive_sequence.wrapping_add(1);
            match payload.first() {
                Some(&KEXINIT) => {
                    self.client_offer = payload;
                    if !std::mem::take(&mut self.offered) {
                        self.make_offer();
                        self.offered = false;
                    }
                }
                Some(&ECDH_INIT) => self.answer(&payload[1..]),
                Some(&NEWKEYS) => self.renew(),
                _ => self.taken.push(payload),
            }
        }
    }

    fn answer(&mut self, rest: &[u8]) {
        match self.wrong {
            Wrong::IgnoreInside => self.send(&Writer::message(2).string(b"x").into_vec()),
            Wrong::DataTooSoon => {
                self.send(&Writer::message(94).u32(0).string(b"data").into_vec());
            }
            Wrong::LoginTooSoon => self.send(&[52]),
            _ => {}
        }
        let theirs = Reader::new(rest).string().unwrap();
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(&agreement::X25519, &random).unwrap();
        let mut ours = private.compute_public_key().unwrap().as_ref().to_vec();
        if self.wrong == Wrong::Zeros {
            ours = vec![0; 32];
        }
        let theirs_key = UnparsedPublicKey::new(&agreement::X25519, theirs);
        let secret = agreement::agree_ephemeral(private, &theirs_key, <[u8]>::to_vec).unwrap();
        let host_key = blob(&self.key);
        let all = Writer::default()
            .string(OURS.as_bytes())
            .string(IDENTIFICATION.as_bytes())
            .string(&self.client_offer)
            .string(&self.offer)
            .string(&host_key)
            .string(theirs)
            .string(&ours)
            .integer(&secret);
        let hash = digest::digest(&digest::SHA256, all.as_slice()).as_ref().to_vec();
        let signer = if self.wrong == Wrong::Signature { pair(2) } else { pair_of(&self.key) };
        let signed = if self.wrong == Wrong::Hash { vec![0; 32] } else { hash.clone() };
        let value = signer.sign(&signed);
        let signature = Writer::default().string(b"ssh-ed25519").string(value.as_ref());
        let reply = Writer::message(ECDH_REPLY)
            .string(&host_key)
            .string(&ours)
            .string(signature.as_slice())
            .into_vec();
        self.send(&reply);
        if self.wrong == Wrong::AnswerTwice {
            self.send(&reply);
        }
        self.send(&[NEWKEYS]);
        let session = self.session.get_or_insert_with(|| hash.clone()).clone();
        let agreed = Agreement {
            exchange: Exchange::Curve25519,
            exchange_name: "curve25519-sha256",
            host_key: "ssh-ed25519",
            outward: self.cipher,
            inward: self.cipher,
            guessed_wrong: false,
            strict: self.wrong != Wrong::Loose,
        };
        let (sealer, opener) = Shared::of(&secret, hash).peer_keys(&session, &agreed);
        self.sealer = sealer;
        self.next = Some(opener);
        if agreed.strict {
            self.send_sequence = 0;
        }
    }

    /// The client uses its new keys.
    fn renew(&mut self) {
        self.opener = self.next.take().unwrap();
        if self.wrong != Wrong::Loose {
            self.receive_sequence = 0;
        }
    }
}

/// The key of the same seed: `ring`'s pairs cannot be cloned.
fn pair_of(key: &Ed25519KeyPair) -> Ed25519KeyPair {
    let seeds = (0..=u8::MAX).map(pair);
    let mut same = seeds.filter(|other| other.public_key().as_ref() == key.public_key().as_ref());
    same.next().unwrap()
}
