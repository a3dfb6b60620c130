//! The bodies of the fuzz targets in `fuzz/`: what an SSH server sends, and files of keys and known
//! hosts. Each takes any bytes and returns; what must not happen is a panic, or memory that grows
//! beyond its bounds. The property tests run the same code.

use crate::agent;
use crate::auth::{Auth, Identity, Step};
use crate::channels::Channels;
use crate::error::Host;
use crate::known_hosts::KnownHosts;
use crate::limits::{OUTGOING_BYTES_MAX, STDERR_BYTES_MAX};
use crate::private::PrivateKey;
use crate::transport::Transport;
use crate::wire::Writer;
use crate::{Client, Config};
use ring::rand::SystemRandom;

/// Bytes of each channel's window.
const WINDOW: u32 = 4096;

/// A server that sends these bytes, in pieces.
pub fn ssh_server(bytes: &[u8]) {
    let config = Config::new(host(), "git", Vec::new(), KnownHosts::new());
    let mut client = Client::new(config, Box::new(SystemRandom::new()));
    for piece in bytes.chunks(1 + bytes.len() / 3) {
        let _ = client.receive(piece);
        assert!(client.outgoing().len() <= OUTGOING_BYTES_MAX + 64, "what waits is bounded");
    }
}

/// Messages behind the first keys: each is its length in one byte, and so many bytes. The first
/// ones are those of a login, up to one that lets us in or fails.
pub fn ssh_messages(bytes: &[u8]) {
    let known = KnownHosts::new().of(&host());
    let mut transport = Transport::new(host(), known, Box::new(SystemRandom::new()), None);
    let blob = Writer::default().string(b"ssh-ed25519").into_vec();
    let list = Writer::message(12).u32(1).string(&blob).string(b"").into_vec();
    let keys = agent::read_list(&list).unwrap_or_default();
    let mut auth = Auth::new("git".to_owned(), keys.into_iter().map(Identity::Agent).collect());
    let _ = auth.go_on(&mut transport, "");
    let mut channels = Channels::default();
    let id = channels.open(WINDOW, &mut transport).ok().flatten();
    let mut login = true;
    for message in messages(bytes) {
        if login {
            match auth.handle(message, &mut transport) {
                Ok(Step::GoOn) => {}
                Ok(Step::LetIn) | Err(_) => login = false,
            }
            continue;
        }
        if channels.handle(message, &mut transport).is_err() {
            break;
        }
        if let Some(channel) = id.and_then(|id| channels.get(id)) {
            let most = usize::try_from(WINDOW).unwrap_or_default();
            assert!(channel.waiting() <= most, "stdout keeps to its window");
            assert!(channel.stderr().len() <= STDERR_BYTES_MAX, "stderr is bounded");
        }
        if let Some(id) = id
            && message.len() % 5 == 0
        {
            let _ = channels.exec(id, b"x", &mut transport);
            let _ = channels.write(id, message, &mut transport);
            let _ = channels.take(id, &mut transport);
        }
    }
    if let Some(id) = id {
        let _ = channels.close(id, &mut transport);
    }
}

/// A file of known hosts, looked at for two hosts.
pub fn known_hosts(bytes: &[u8]) {
    let mut known = KnownHosts::new();
    let _ = known.add("file", &String::from_utf8_lossy(bytes));
    let _ = (known.of(&host()), known.of(&Host::new("git.example", 2222)));
}

/// A file with a private key, and an agent's messages.
pub fn ssh_keys(bytes: &[u8]) {
    let _ = PrivateKey::read(bytes, &SystemRandom::new());
    let _ = (agent::read_list(bytes), agent::read_signature(bytes, "ssh-ed25519"));
}

fn host() -> Host {
    Host::new("git.example", crate::PORT)
}

fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first()?;
        let length = usize::from(*length).min(behind.len());
        let (message, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Messages whose numbers are known, with small integers in them.
    fn likely() -> impl Strategy<Value = Vec<u8>> {
        let number = prop::sample::select(vec![
            1_u8, 2, 3, 4, 6, 7, 20, 21, 31, 51, 52, 53, 60, 80, 81, 90, 91, 92, 93, 94, 95, 96,
            97, 98, 99, 100, 200,
        ]);
        let word = prop_oneof![Just(0_u32), Just(1), Just(4), Just(4096), Just(u32::MAX)];
        let body = prop::collection::vec(word, 0..6);
        let message = (number, body, prop::collection::vec(any::<u8>(), 0..20));
        prop::collection::vec(message, 0..30).prop_map(|messages| {
            let mut bytes = vec![1, 52];
            for (number, body, tail) in messages {
                let mut message = vec![number];
                message.extend(body.iter().flat_map(|word| word.to_be_bytes()));
                message.extend(tail);
                bytes.push(u8::try_from(message.len()).unwrap());
                bytes.extend(message);
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn no_server_makes_the_client_panic(
            raw in prop::collection::vec(any::<u8>(), 0..400),
            text in "(SSH-2.0-x|SSH-1.5|HTTP/1.1|\r|\n|a){0,20}",
            packet in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            ssh_server(&raw);
            ssh_server(text.as_bytes());
            let mut framed = Vec::new();
            let mut sealer = crate::cipher::Sealer::Clear;
            for part in packet.chunks(100) {
                let payload = [&[20_u8][..], part].concat();
                sealer.seal(0, &payload, &SystemRandom::new(), &mut framed).unwrap();
            }
            ssh_server(&[b"SSH-2.0-x\r\n", framed.as_slice()].concat());
        }

        #[test]
        fn no_message_makes_the_login_or_a_channel_panic_or_grow(
            raw in prop::collection::vec(any::<u8>(), 0..400),
            likely in likely(),
        ) {
            ssh_messages(&raw);
            ssh_messages(&likely);
        }

        #[test]
        fn no_file_makes_a_reader_panic(
            raw in prop::collection::vec(any::<u8>(), 0..400),
            key in prop::collection::vec(any::<u8>(), 0..400),
            hosts in "(@revoked|git.example|\\*|\\|1\\||\\||!|,|ssh-ed25519|AAAA|=|#| |\t|\n){0,40}",
        ) {
            use base64::Engine as _;
            known_hosts(&raw);
            known_hosts(hosts.as_bytes());
            ssh_keys(&raw);
            for label in ["OPENSSH PRIVATE KEY", "PRIVATE KEY", "RSA PRIVATE KEY"] {
                let inside = match label {
                    "OPENSSH PRIVATE KEY" => [b"openssh-key-v1\0", key.as_slice()].concat(),
                    _ => key.clone(),
                };
                let base64 = base64::engine::general_purpose::STANDARD.encode(inside);
                ssh_keys(format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n").as_bytes());
            }
        }
    }
}
