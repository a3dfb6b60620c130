//! Files of the real `ssh-keygen`, and files that are none.

use super::*;
use ring::rand::SystemRandom;
use std::process::Command;

/// A key made by `ssh-keygen`, and its public half; nothing where the program is not there.
fn made(kind: &[&str], passphrase: &str) -> Option<(Vec<u8>, String)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let arguments = ["-q", "-N", passphrase, "-C", "a comment", "-f", path.to_str().unwrap()];
    let made = Command::new("ssh-keygen").args(kind).args(arguments).output().ok()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    Some((std::fs::read(path).unwrap(), public))
}

fn read(text: &[u8]) -> Result<PrivateKey, KeyError> {
    PrivateKey::read(text, &SystemRandom::new())
}

#[test]
fn keys_of_ssh_keygen_are_read_and_their_signatures_hold() {
    let kinds: [(&[&str], &[&str]); 6] = [
        (&["-t", "ed25519"], &["ssh-ed25519"]),
        (&["-t", "ecdsa", "-b", "256"], &["ecdsa-sha2-nistp256"]),
        (&["-t", "ecdsa", "-b", "384"], &["ecdsa-sha2-nistp384"]),
        (&["-t", "rsa", "-b", "2048"], &["rsa-sha2-256", "rsa-sha2-512"]),
        (&["-t", "rsa", "-b", "2048", "-m", "PEM"], &["rsa-sha2-256", "rsa-sha2-512"]),
        (&["-t", "rsa", "-b", "2048", "-m", "PKCS8"], &["rsa-sha2-256", "rsa-sha2-512"]),
    ];
    for (kind, algorithms) in kinds {
        let Some((text, public)) = made(kind, "") else { return };
        let key = read(&text).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let word = public.split(' ').nth(1).unwrap();
        assert_eq!(STANDARD.encode(key.public().blob()), word);
        for algorithm in algorithms {
            let signature = key.sign(algorithm, b"message", &SystemRandom::new()).unwrap();
            assert!(key.public().holds(algorithm, b"message", &signature), "{algorithm}");
            assert!(!key.public().holds(algorithm, b"another", &signature));
            assert!(!key.public().holds("ssh-rsa", b"message", &signature));
        }
        assert!(key.sign("ssh-rsa", b"message", &SystemRandom::new()).is_none());
        assert!(!format!("{key:?}").contains(word), "{key:?}");
    }
}

#[test]
fn a_passphrase_is_told_with_the_public_key_where_it_is_shown() {
    let Some((text, public)) = made(&["-t", "ed25519"], "a passphrase") else { return };
    let word = public.split(' ').nth(1).unwrap();
    let error = read(&text).unwrap_err();
    assert_eq!(error, KeyError::Encrypted { public: Some(STANDARD.decode(word).unwrap()) });
    assert!(error.hint().contains("ssh-add"));
    for format in ["PEM", "PKCS8"] {
        let kind = ["-t", "rsa", "-b", "2048", "-m", format];
        let (text, _) = made(&kind, "a passphrase").unwrap();
        assert_eq!(read(&text).unwrap_err(), KeyError::Encrypted { public: None });
    }
}

#[test]
fn other_kinds_and_forms_are_refused_by_name() {
    let Some((text, _)) = made(&["-t", "ecdsa", "-b", "521"], "") else { return };
    assert!(read(&text).unwrap_err().to_string().contains("ecdsa-sha2-nistp521"));
    let (text, _) = made(&["-t", "rsa", "-b", "1024"], "").unwrap();
    assert!(read(&text).unwrap_err().to_string().contains("2048 to 4096 bits"));
    let (text, public) = made(&["-t", "ecdsa", "-b", "256", "-m", "PEM"], "").unwrap();
    assert!(read(&text).unwrap_err().to_string().contains("EC PRIVATE KEY"));
    assert!(matches!(read(public.as_bytes()), Err(KeyError::Malformed { .. })));
}

#[test]
fn a_key_that_was_cut_or_changed_is_refused() {
    let Some((text, _)) = made(&["-t", "ed25519"], "") else { return };
    for cut in 0..text.len() - 36 {
        assert!(read(&text[..cut]).is_err(), "{cut}");
    }
    let (label, bytes) = unarmoured(std::str::from_utf8(&text).unwrap()).unwrap();
    assert_eq!(label, "OPENSSH PRIVATE KEY");
    // Behind the names of cipher and key derivation everything is bound to everything else, but
    // for the comment and the two equal numbers.
    for at in [40, 60, 90, 120, 130, 160, 200] {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        assert!(openssh::read(&changed, &SystemRandom::new()).is_err(), "{at}");
    }
}

#[test]
fn a_file_is_taken_up_to_the_limit_and_not_beyond() {
    let Some((mut text, _)) = made(&["-t", "ed25519"], "") else { return };
    text.resize(PRIVATE_KEY_BYTES_MAX, b'\n');
    assert!(read(&text).is_ok());
    text.push(b'\n');
    assert!(read(&text).is_err());
}
