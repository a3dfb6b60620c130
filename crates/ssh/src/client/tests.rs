//! The client against a server that does what it is told.

use super::peer::{Peer, Wrong, client, pair};
use super::*;
use crate::cipher::Cipher;
use crate::limits::{
    BANNER_BYTES_MAX, COMMAND_BYTES_MAX, IDENTITIES_MAX, KEY_PACKETS_MAX, OUTGOING_BYTES_MAX,
    REKEY_PACKETS, WINDOW_BYTES,
};
use crate::private::PrivateKey;
use crate::wire::Reader;
use ring::rand::SystemRandom;

const LET_IN: &[u8] = &[52];

fn private() -> Identity {
    let pkcs8 = ring::signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref());
    let text = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    Identity::Private(PrivateKey::read(text.as_bytes(), &SystemRandom::new()).unwrap())
}

/// A server and a client that is let in.
fn open(wrong: Wrong, cipher: Cipher, rekey_bytes: Option<u64>) -> (Peer, Client) {
    let (mut peer, mut client) = (Peer::new(wrong, cipher), client(vec![private()], rekey_bytes));
    peer.talk(&mut client).unwrap();
    peer.send(&Writer::message(SERVICE_ACCEPT).string(SERVICE).into_vec());
    peer.talk(&mut client).unwrap();
    peer.send(LET_IN);
    peer.talk(&mut client).unwrap();
    assert_eq!(client.phase(), Phase::Open);
    peer.taken.clear();
    (peer, client)
}

/// A channel that the server has opened with this window.
fn channel(peer: &mut Peer, client: &mut Client, window: u32) -> ChannelId {
    let id = client.open_session(WINDOW_BYTES).unwrap().unwrap();
    peer.talk(client).unwrap();
    peer.send(&Writer::message(91).u32(0).u32(77).u32(window).u32(1000).into_vec());
    peer.talk(client).unwrap();
    assert!(client.channel(id).unwrap().is_open());
    peer.taken.clear();
    id
}

fn told(wrong: Wrong) -> String {
    let mut client = client(Vec::new(), None);
    let error = Peer::new(wrong, Cipher::Aes128Gcm).talk(&mut client).unwrap_err();
    assert_eq!(client.phase(), Phase::Keys, "{wrong:?}");
    // It is final.
    assert_eq!(client.receive(b"").unwrap_err(), error);
    error.to_string()
}

#[test]
fn gitops_15_nothing_is_believed_before_the_host_key_has_signed_the_exchange() {
    expect_test::expect![[r"
        cannot agree on keys with h: the signature of its host key does not hold
        cannot agree on keys with h: the signature of its host key does not hold
        cannot agree on keys with h: its half of the exchange is not a valid key
        cannot agree on keys with h: a message of the exchange came at the wrong time
        cannot agree on keys with h: a message of the exchange came at the wrong time
        cannot agree on keys with h: a message came before the keys that must not be there
        cannot agree on keys with h: a message came before the keys that must not be there
        cannot agree on keys with h: a message came before the keys that must not be there
        cannot agree on keys with h: a message came before the keys that must not be there"]]
    .assert_eq(
        &[
            Wrong::Signature,
            Wrong::Hash,
            Wrong::Zeros,
            Wrong::AnswerTwice,
            Wrong::KeysTooSoon,
            Wrong::IgnoreFirst,
            Wrong::IgnoreInside,
            Wrong::DataTooSoon,
            Wrong::LoginTooSoon,
        ]
        .map(told)
        .join("\n"),
    );
}

#[test]
fn another_host_key_is_refused_and_the_server_is_told() {
    let mut client = client(Vec::new(), None);
    let mut peer = Peer::new(Wrong::Nothing, Cipher::Aes128Gcm);
    peer.key = pair(3);
    let error = peer.talk(&mut client).unwrap_err();
    assert!(matches!(error, SshError::ChangedHostKey { .. }), "{error}");
    assert!(!client.outgoing().is_empty());
    assert!(!format!("{error}").is_empty() && client.open_session(1).is_err());
}

#[test]
fn a_wrong_guess_is_passed_over_and_loose_servers_are_spoken_with() {
    for cipher in Cipher::ALL {
        for wrong in [Wrong::Nothing, Wrong::Guess, Wrong::Loose] {
            let (_, client) = open(wrong, cipher, None);
            assert_eq!(client.algorithms().unwrap().strict, wrong != Wrong::Loose);
        }
    }
}

#[test]
fn a_message_behind_the_keys_is_opened_once_and_in_its_order() {
    for cipher in Cipher::ALL {
        let (mut peer, mut client) = open(Wrong::Nothing, cipher, None);
        // One packet is lost on the way.
        peer.send_sequence += 1;
        if cipher == Cipher::ChaCha20Poly1305 {
            peer.send(&Writer::message(2).string(b"x").into_vec());
            assert!(peer.talk(&mut client).is_err());
        }
    }
}

#[test]
fn the_server_may_ask_for_new_keys_but_not_show_another_host_key() {
    for wrong in [Wrong::Nothing, Wrong::Loose] {
        let (mut peer, mut client) = open(wrong, Cipher::ChaCha20Poly1305, None);
        let id = channel(&mut peer, &mut client, 100);
        peer.make_offer();
        peer.talk(&mut client).unwrap();
        assert_eq!(client.write(id, b"after").unwrap(), 5);
        peer.talk(&mut client).unwrap();
        assert_eq!(peer.taken.last().unwrap()[0], 94);
        peer.key = pair(3);
        peer.make_offer();
        let error = peer.talk(&mut client).unwrap_err();
        assert!(error.to_string().contains("another host key than before"), "{error}");
    }
}

#[test]
fn new_keys_are_asked_for_at_the_bound_and_what_is_sent_meanwhile_waits() {
    let bound = 2000;
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes256Gcm, Some(bound));
    let id = channel(&mut peer, &mut client, 1_000_000);
    let mut sent = Vec::new();
    for round in 0..20_u8 {
        let bytes = [round; 500];
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let count = client.write(id, rest).unwrap();
            sent.extend_from_slice(&rest[..count]);
            rest = &rest[count..];
            peer.talk(&mut client).unwrap();
        }
    }
    let data: Vec<u8> = peer
        .taken
        .iter()
        .filter(|payload| payload[0] == 94)
        .flat_map(|payload| payload[9..].to_vec())
        .collect();
    assert_eq!(data, sent);
}

/// A message without meaning.
fn ignored() -> Vec<u8> {
    Writer::message(2).string(b"x").into_vec()
}

// Two thousand million packets would take an hour: the tests of these bounds begin just below
// them, with the counters set, and the bounds themselves are the real ones.

#[test]
fn new_keys_are_asked_for_at_the_number_of_packets_in_either_direction() {
    for (cipher, wrong) in [(Cipher::Aes128Gcm, Wrong::Nothing), (Cipher::ALL[2], Wrong::Loose)] {
        let (mut peer, mut client) = open(wrong, cipher, None);
        let id = channel(&mut peer, &mut client, 1_000_000);
        *client.transport.packets().0 = REKEY_PACKETS - 2;
        assert_eq!(client.write(id, b"a").unwrap(), 1);
        peer.talk(&mut client).unwrap();
        assert_eq!(*client.transport.packets().0, REKEY_PACKETS - 1, "not yet");
        assert_eq!(client.write(id, b"b").unwrap(), 1);
        peer.talk(&mut client).unwrap();
        assert!(*client.transport.packets().0 < 10, "the keys are new");

        *client.transport.packets().1 = REKEY_PACKETS - 2;
        peer.send(&ignored());
        peer.talk(&mut client).unwrap();
        assert_eq!(*client.transport.packets().1, REKEY_PACKETS - 1, "not yet");
        peer.send(&ignored());
        peer.talk(&mut client).unwrap();
        assert!(*client.transport.packets().1 < 10, "the keys are new");
        assert_eq!(client.write(id, b"c").unwrap(), 1);
        peer.talk(&mut client).unwrap();
        let data = peer.taken.iter().filter(|payload| payload[0] == 94);
        assert_eq!(data.map(|payload| payload[9]).collect::<Vec<_>>(), b"abc");
    }
}

#[test]
fn no_key_is_used_for_more_packets_than_there_are_numbers() {
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes256Gcm, None);
    *client.transport.packets().1 = KEY_PACKETS_MAX - 2;
    // Our offer of new keys is not answered.
    peer.send(&ignored());
    peer.give(&mut client).unwrap();
    assert_eq!(*client.transport.packets().1, KEY_PACKETS_MAX - 1);
    peer.send(&ignored());
    let error = peer.give(&mut client).unwrap_err();
    assert!(error.to_string().contains("too much under one key"), "{error}");

    for (packets, fits) in [(KEY_PACKETS_MAX - 3, true), (KEY_PACKETS_MAX - 2, false)] {
        let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes256Gcm, None);
        let id = channel(&mut peer, &mut client, 1_000_000);
        *client.transport.packets().0 = packets;
        // The data, and behind it the offer.
        match client.write(id, b"a") {
            Ok(count) => assert!(fits && count == 1),
            Err(error) => {
                assert!(!fits);
                assert!(error.to_string().contains("does not exchange keys"), "{error}");
            }
        }
    }
}

#[test]
fn a_message_among_those_of_an_exchange_is_refused() {
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
    channel(&mut peer, &mut client, 100);
    peer.make_offer();
    peer.send(&Writer::message(94).u32(0).string(b"data").into_vec());
    let error = peer.talk(&mut client).unwrap_err();
    assert!(error.to_string().contains("among those of a key exchange"), "{error}");
}

#[test]
fn requests_are_answered_and_what_the_server_opens_is_refused() {
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
    channel(&mut peer, &mut client, 100);
    let keepalive = |number: u8| {
        let writer = Writer::message(number);
        let writer = if number == 98 { writer.u32(0) } else { writer };
        writer.string(b"keepalive@openssh.com").bool(true).into_vec()
    };
    peer.send(&keepalive(80));
    peer.send(&keepalive(98));
    let agent = Writer::message(90).string(b"auth-agent@openssh.com").u32(5).u32(9).u32(9);
    peer.send(agent.as_slice());
    peer.send(&[200, 1, 2]);
    peer.send(&Writer::message(4).bool(true).string(b"debug").string(b"").into_vec());
    peer.talk(&mut client).unwrap();
    let numbers: Vec<u8> = peer.taken.iter().map(|payload| payload[0]).collect();
    assert_eq!(numbers, [82, 100, 92, 3]);
    // The number of the packet that nobody knows: those before it were counted from zero.
    let unknown = peer.send_sequence - 2;
    assert_eq!(Reader::new(&peer.taken[3][1..]).u32(), Some(unknown));
}

#[test]
fn a_server_that_asks_and_never_reads_is_given_up() {
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
    let ask = Writer::message(80).string(b"x").bool(true).into_vec();
    let error = loop {
        peer.send(&ask);
        // Nothing of what the client answers is taken.
        if let Err(error) = peer.give(&mut client) {
            break error;
        }
        assert!(client.outgoing().len() <= OUTGOING_BYTES_MAX);
    };
    assert!(error.to_string().contains("more answers than it reads"), "{error}");
}

#[test]
fn more_data_than_allowed_ends_the_connection() {
    let data = |count: usize| Writer::message(94).u32(0).string(&vec![0; count]).into_vec();
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
    let id = channel(&mut peer, &mut client, 100);
    let most = usize::try_from(crate::limits::DATA_BYTES_MAX).unwrap();
    let window = usize::try_from(WINDOW_BYTES).unwrap();
    for _ in 0..window / most {
        peer.send(&data(most));
    }
    peer.talk(&mut client).unwrap();
    assert_eq!(client.channel(id).unwrap().waiting(), window);
    peer.send(&data(1));
    assert!(peer.talk(&mut client).is_err());
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
    channel(&mut peer, &mut client, 100);
    peer.send(&data(most + 1));
    assert!(peer.talk(&mut client).is_err());
}

#[test]
fn a_window_that_overflows_and_a_channel_that_is_not_there_are_refused() {
    for message in [
        Writer::message(93).u32(0).u32(u32::MAX),
        Writer::message(94).u32(5).string(b"data"),
        Writer::message(91).u32(0).u32(1).u32(1).u32(1),
        Writer::message(94).u32(0),
    ] {
        let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
        channel(&mut peer, &mut client, 100);
        peer.send(message.as_slice());
        assert!(peer.talk(&mut client).is_err());
    }
}

#[test]
fn a_changed_bit_anywhere_ends_the_connection() {
    for cipher in Cipher::ALL {
        for bit in [0, 31, 40, 8 * 20, 8 * 36 + 3] {
            let (mut peer, mut client) = open(Wrong::Nothing, cipher, None);
            peer.send(&Writer::message(2).string(b"0123456789abcdef").into_vec());
            peer.flip(bit);
            // A longer length may only make it wait for more, which is forged as well.
            let first = peer.give(&mut client);
            let failed = first.is_err() || client.receive(&[0; 40_000]).is_err();
            assert!(failed, "{cipher:?} {bit}");
        }
    }
}

#[test]
fn gitops_13_no_secret_is_in_debug_output() {
    let identity = private();
    let shown = format!("{identity:?}");
    assert!(shown.starts_with("Private(PrivateKey(ssh-ed25519 SHA256:"), "{shown}");
    let client = client(vec![identity], None);
    assert!(!format!("{client:?}").contains("seed"));
}

#[test]
fn a_message_of_the_login_before_its_time_is_refused() {
    let (mut peer, mut client) =
        (Peer::new(Wrong::Nothing, Cipher::Aes128Gcm), client(vec![private()], None));
    peer.talk(&mut client).unwrap();
    assert_eq!(client.phase(), Phase::Login);
    // We have not said who we are yet.
    peer.send(LET_IN);
    assert!(peer.talk(&mut client).is_err());
    assert_ne!(client.phase(), Phase::Open);
}

#[test]
fn keys_are_offered_and_banners_kept_up_to_their_bounds() {
    let keys = (0..IDENTITIES_MAX + 5).map(|_| private()).collect();
    let (mut peer, mut client) = (Peer::new(Wrong::Nothing, Cipher::Aes128Gcm), client(keys, None));
    peer.talk(&mut client).unwrap();
    peer.send(&Writer::message(SERVICE_ACCEPT).string(SERVICE).into_vec());
    let banner = Writer::message(53).string(&vec![b'x'; 3000]).string(b"").into_vec();
    peer.send(&banner);
    peer.send(&banner);
    peer.talk(&mut client).unwrap();
    let Login::On(auth) = &client.login else { panic!("we log in") };
    assert_eq!(auth.banner_bytes(), BANNER_BYTES_MAX);
    let no = Writer::message(51).names(&["publickey"]).bool(false).into_vec();
    for _ in 1..IDENTITIES_MAX {
        peer.send(&no);
        peer.talk(&mut client).unwrap();
    }
    peer.send(&no);
    let error = peer.talk(&mut client).unwrap_err();
    let most = IDENTITIES_MAX;
    assert!(matches!(error, SshError::Authenticate { offered, .. } if offered == most), "{error}");
}

#[test]
fn commands_and_variables_are_asked_for_up_to_their_bound() {
    let (mut peer, mut client) = open(Wrong::Nothing, Cipher::Aes128Gcm, None);
    let id = channel(&mut peer, &mut client, 100);
    assert!(client.exec(id, &vec![b'x'; COMMAND_BYTES_MAX]).unwrap());
    assert!(!client.exec(id, &vec![b'x'; COMMAND_BYTES_MAX + 1]).unwrap());
    assert!(client.env(id, "A", &"x".repeat(COMMAND_BYTES_MAX - 1)).unwrap());
    assert!(!client.env(id, "A", &"x".repeat(COMMAND_BYTES_MAX)).unwrap());
}

#[test]
fn a_method_that_is_not_ours_is_told() {
    let (mut peer, mut client) =
        (Peer::new(Wrong::Nothing, Cipher::Aes128Gcm), client(vec![private()], None));
    peer.talk(&mut client).unwrap();
    peer.send(&Writer::message(SERVICE_ACCEPT).string(SERVICE).into_vec());
    peer.send(&Writer::message(51).names(&["password", "hostbased"]).bool(false).into_vec());
    let error = peer.talk(&mut client).unwrap_err();
    assert!(error.to_string().ends_with("it takes only: password, hostbased"), "{error}");
}
