//! Every combination that both sides have, and what only one side has.

use crate::driver::{Driver, config, key, server};
use ssh::{Exit, WINDOW_BYTES};

const EXCHANGES: [&str; 4] = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
];
const CIPHERS: [&str; 3] =
    ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"];
const HOST_KEYS: [(&[&str], &str); 5] = [
    (&["-t", "ed25519"], "ssh-ed25519"),
    (&["-t", "ecdsa", "-b", "256"], "ecdsa-sha2-nistp256"),
    (&["-t", "ecdsa", "-b", "384"], "ecdsa-sha2-nistp384"),
    (&["-t", "rsa", "-b", "2048"], "rsa-sha2-256"),
    (&["-t", "rsa", "-b", "3072"], "rsa-sha2-512"),
];

#[test]
fn every_exchange_cipher_and_host_key_works_with_openssh() {
    let test = "every_exchange_cipher_and_host_key_works_with_openssh";
    for (arguments, host_key) in HOST_KEYS {
        let Some(sshd) = server(test, arguments, "") else { return };
        for cipher in CIPHERS {
            for exchange in EXCHANGES {
                let more = format!(
                    "KexAlgorithms {exchange}\nCiphers {cipher}\nHostKeyAlgorithms {host_key}\n"
                );
                sshd.configure(&more).unwrap();
                let config = config(&sshd, vec![key(&sshd.user_key())]);
                let mut driver = Driver::open(&sshd, config)
                    .unwrap_or_else(|error| panic!("{more}{error}\n{}", sshd.log()));
                let found = driver.client.algorithms().unwrap();
                assert_eq!((found.exchange, found.host_key), (exchange, host_key));
                assert_eq!((found.outward, found.inward), (cipher, cipher));
                let ran = driver.run("cat; exit 3", WINDOW_BYTES, &[7; 100_000]);
                assert_eq!((ran.stdout.len(), ran.exit), (100_000, Some(Exit::Status(3))));
            }
        }
    }
}

#[test]
fn every_kind_of_client_key_is_let_in() {
    let Some(sshd) = server("every_kind_of_client_key", &["-t", "ed25519"], "") else { return };
    let kinds: [(&str, &[&str]); 8] = [
        ("a", &["-t", "ed25519"]),
        ("b", &["-t", "ecdsa", "-b", "256"]),
        ("c", &["-t", "ecdsa", "-b", "384"]),
        ("d", &["-t", "rsa", "-b", "2048"]),
        ("e", &["-t", "rsa", "-b", "4096"]),
        ("f", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("g", &["-t", "rsa", "-b", "3072", "-m", "PKCS8"]),
        ("h", &["-t", "ecdsa", "-b", "256", "-m", "PKCS8"]),
    ];
    for (name, kind) in kinds {
        let path = sshd.add_user_key(name, kind, "").unwrap();
        let refused = Driver::open(&sshd, config(&sshd, vec![key(&path)])).err();
        assert!(refused.is_none(), "{kind:?}: {refused:?}\n{}", sshd.log());
    }
}

#[test]
fn a_server_with_old_algorithms_only_is_refused_by_name() {
    let test = "a_server_with_old_algorithms_only";
    for (more, told) in [
        ("Ciphers aes256-ctr\n", "cipher"),
        ("KexAlgorithms diffie-hellman-group14-sha256\n", "key exchange"),
    ] {
        let Some(sshd) = server(test, &["-t", "ed25519"], more) else { return };
        let error = Driver::open(&sshd, config(&sshd, Vec::new())).err().unwrap();
        assert!(error.to_string().contains(told), "{error}");
    }
}
