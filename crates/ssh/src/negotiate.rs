//! What both sides agree to use (RFC 4253, 7.1): key exchange, host key algorithm and ciphers.
//!
//! Input: our offer and the server's `KEXINIT`. Output: the first of ours that the server has, for
//! each. Errors name what the server has instead.

use crate::cipher::Cipher;
use crate::error::{Host, SshError, printable};
use crate::wire::{Reader, Writer};

/// `SSH_MSG_KEXINIT`.
pub(crate) const KEXINIT: u8 = 20;

/// Bytes of the random number in front.
pub(crate) const COOKIE_BYTES: usize = 16;

/// Says that we read `EXT_INFO` (RFC 8308).
const EXT_INFO: &str = "ext-info-c";

/// Says that nothing may be smuggled in before the first keys, nor cut off behind them.
const STRICT: (&str, &str) = ("kex-strict-c-v00@openssh.com", "kex-strict-s-v00@openssh.com");

/// Never used, as the ciphers prove what they encrypt; some servers look for a common one anyway.
const MACS: [&str; 2] = ["hmac-sha2-256", "hmac-sha2-512"];

/// Ways to agree on keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchange {
    Curve25519,
    P256,
    P384,
}

const EXCHANGES: [(&str, Exchange); 4] = [
    ("curve25519-sha256", Exchange::Curve25519),
    ("curve25519-sha256@libssh.org", Exchange::Curve25519),
    ("ecdh-sha2-nistp256", Exchange::P256),
    ("ecdh-sha2-nistp384", Exchange::P384),
];

/// Algorithms of host keys, with the kind of key that each is for.
pub(crate) const HOST_KEY_ALGORITHMS: [(&str, &str); 5] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
];

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) exchange: Exchange,
    pub(crate) exchange_name: &'static str,
    pub(crate) host_key: &'static str,
    /// From us to the server.
    pub(crate) outward: Cipher,
    /// From the server to us.
    pub(crate) inward: Cipher,
    /// The server's next packet is a wrong guess and means nothing.
    pub(crate) guessed_wrong: bool,
    pub(crate) strict: bool,
}

/// Our `KEXINIT`. Host key algorithms of known keys come first; what holds for a whole connection
/// is said the first time only.
pub(crate) fn offer(cookie: &[u8; COOKIE_BYTES], host_keys: &[&str], first: bool) -> Vec<u8> {
    let mut exchanges: Vec<&str> = EXCHANGES.iter().map(|(name, _)| *name).collect();
    if first {
        exchanges.extend([EXT_INFO, STRICT.0]);
    }
    let ciphers = Cipher::ALL.map(Cipher::name);
    Writer::message(KEXINIT)
        .raw(cookie)
        .names(&exchanges)
        .names(host_keys)
        .names(&ciphers)
        .names(&ciphers)
        .names(&MACS)
        .names(&MACS)
        .names(&["none"])
        .names(&["none"])
        .names(&[])
        .names(&[])
        .bool(false)
        .u32(0)
        .into_vec()
}

/// The names of host key algorithms, those of known kinds first.
pub(crate) fn host_key_names(is_known: &dyn Fn(&str) -> bool) -> Vec<&'static str> {
    let (mut known, unknown): (Vec<_>, Vec<_>) =
        HOST_KEY_ALGORITHMS.iter().partition(|(_, kind)| is_known(kind));
    known.extend(unknown);
    known.iter().map(|(name, _)| *name).collect()
}

/// What follows from our offer and theirs; `theirs` begins behind the message's number.
pub(crate) fn agree(
    host: &Host,
    host_keys: &[&'static str],
    theirs: &[u8],
) -> Result<Agreement, SshError> {
    let malformed = || SshError::Protocol {
        host: host.to_string(),
        reason: "its offer of algorithms is not well formed",
    };
    let (lists, follows) = read(theirs).ok_or_else(malformed)?;
    let [exchanges, keys, outward, inward, _, _, compression_out, compression_in] = &lists;
    let none = |what, theirs: &[&str]| SshError::Negotiate {
        host: host.to_string(),
        what,
        theirs: printable(theirs.join(", ").as_bytes()),
    };
    let (exchange_name, exchange) = EXCHANGES
        .iter()
        .find(|(name, _)| exchanges.contains(name))
        .ok_or_else(|| none("key exchange", exchanges))?;
    let host_key = host_keys
        .iter()
        .find(|name| keys.contains(name))
        .ok_or_else(|| none("host key algorithm", keys))?;
    let cipher = |theirs: &[&str]| Cipher::ALL.into_iter().find(|c| theirs.contains(&c.name()));
    let outward = cipher(outward).ok_or_else(|| none("cipher", outward))?;
    let inward = cipher(inward).ok_or_else(|| none("cipher", inward))?;
    for theirs in [compression_out, compression_in] {
        if !theirs.contains(&"none") {
            return Err(none("connection without compression", theirs));
        }
    }
    let right = exchanges.first() == Some(exchange_name) && keys.first() == Some(host_key);
    Ok(Agreement {
        exchange: *exchange,
        exchange_name,
        host_key,
        outward,
        inward,
        guessed_wrong: follows && !right,
        strict: exchanges.contains(&STRICT.1),
    })
}

/// The lists that matter, and whether a guess follows.
fn read(theirs: &[u8]) -> Option<([Vec<&str>; 8], bool)> {
    let mut reader = Reader::new(theirs);
    reader.take(COOKIE_BYTES)?;
    let mut lists: [Vec<&str>; 8] = Default::default();
    for list in &mut lists {
        *list = reader.names()?;
    }
    let _languages = (reader.string()?, reader.string()?);
    let follows = reader.bool()?;
    let _reserved = reader.u32()?;
    reader.is_empty().then_some((lists, follows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(change: impl Fn(usize, &'static str) -> &'static str, follows: bool) -> Vec<u8> {
        let lists = [
            "ecdh-sha2-nistp256,curve25519-sha256,kex-strict-s-v00@openssh.com",
            "rsa-sha2-512,ssh-ed25519",
            "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
            "aes128-gcm@openssh.com",
            "hmac-sha1",
            "hmac-sha1",
            "none,zlib",
            "none",
            "",
            "",
        ];
        let mut writer = Writer::default().raw(&[0; COOKIE_BYTES]);
        for (index, list) in lists.into_iter().enumerate() {
            writer = writer.string(change(index, list).as_bytes());
        }
        writer.bool(follows).u32(0).into_vec()
    }

    fn agreed(theirs: &[u8]) -> Result<Agreement, SshError> {
        agree(&Host::new("h", 22), &host_key_names(&|_| false), theirs)
    }

    #[test]
    fn the_first_of_ours_that_the_server_has_is_taken() {
        let found = agreed(&theirs(|_, list| list, false)).unwrap();
        assert_eq!(found.exchange, Exchange::Curve25519);
        assert_eq!(found.host_key, "ssh-ed25519");
        assert_eq!((found.outward, found.inward), (Cipher::Aes256Gcm, Cipher::Aes128Gcm));
        assert!(found.strict && !found.guessed_wrong);
        assert!(agreed(&theirs(|_, list| list, true)).unwrap().guessed_wrong);
        let same = |index, list| match index {
            0 => "curve25519-sha256",
            1 => "ssh-ed25519",
            _ => list,
        };
        let found = agreed(&theirs(same, true)).unwrap();
        assert!(!found.guessed_wrong && !found.strict);
    }

    #[test]
    fn old_algorithms_are_refused_with_what_the_server_has() {
        let told = |at: usize, list: &'static str| {
            agreed(&theirs(move |index, own| if index == at { list } else { own }, false))
                .unwrap_err()
                .to_string()
        };
        expect_test::expect![[r"
            h offers no key exchange that is accepted here: it has diffie-hellman-group14-sha256
            h offers no host key algorithm that is accepted here: it has ssh-rsa, ssh-dss
            h offers no cipher that is accepted here: it has aes128-cbc, aes128-ctr
            h offers no cipher that is accepted here: it has 3des-cbc
            h offers no connection without compression that is accepted here: it has zlib"]]
        .assert_eq(
            &[
                told(0, "diffie-hellman-group14-sha256"),
                told(1, "ssh-rsa,ssh-dss"),
                told(2, "aes128-cbc,aes128-ctr"),
                told(3, "3des-cbc"),
                told(7, "zlib"),
            ]
            .join("\n"),
        );
    }

    #[test]
    fn algorithms_of_known_keys_are_asked_for_first() {
        let names = host_key_names(&|kind| kind == "ssh-rsa");
        assert_eq!(names.first(), Some(&"rsa-sha2-512"));
        assert_eq!(names.get(1), Some(&"rsa-sha2-256"));
        assert_eq!(names.len(), HOST_KEY_ALGORITHMS.len());
    }

    #[test]
    fn an_offer_is_whole_or_refused() {
        let whole = theirs(|_, list| list, false);
        for cut in 0..whole.len() {
            assert!(agreed(&whole[..cut]).is_err());
        }
        assert!(agreed(&[whole, vec![0]].concat()).is_err());
    }
}
