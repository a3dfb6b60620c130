//! The bodies of the fuzz targets in `fuzz/`, one per parser of foreign bytes.
//!
//! They live here so that the property tests run the same code. Each takes any bytes and
//! returns; what must not happen is a panic, or a good verdict for what nobody signed.

use crate::{ObjectKind, Trust, verify};

/// Verifying an object, as a commit and as a tag, while nobody is trusted.
///
/// # Panics
/// When the promise is broken.
pub fn signed_object(bytes: &[u8]) {
    for kind in [ObjectKind::Commit, ObjectKind::Tag] {
        let verdict = verify(bytes, kind, &Trust::new(), 1_700_000_000);
        assert!(!verdict.is_good(), "{verdict}");
        assert!(verdict.to_string().len() < 4096, "{verdict}");
    }
}

/// Reading a ring of OpenPGP keys, and using it.
///
/// # Panics
/// When the promise is broken.
pub fn openpgp_ring(bytes: &[u8]) {
    let mut trust = Trust::new();
    let diagnostics = trust.add_key_ring("ring", bytes);
    assert!(trust.counts().1 > 0 || !diagnostics.is_empty() || bytes.len() > 1);
    for certificate in trust.certificates() {
        for subkey in certificate.subkeys.iter().map(Some).chain([None]) {
            certificate.status(subkey, 1_700_000_000);
        }
    }
}

/// Reading an `allowed_signers` file, and using it.
///
/// # Panics
/// When the promise is broken.
pub fn allowed_signers(bytes: &[u8]) {
    let mut trust = Trust::new();
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count();
    let diagnostics = trust.add_allowed_signers("signers", &text);
    assert!(diagnostics.len() + trust.counts().0 <= lines);
    for signer in trust.allowed_signers() {
        signer.matches("a@example.com");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn armoured(label: &str, bytes: &[u8]) -> String {
        let body = STANDARD.encode(bytes);
        format!("-----BEGIN {label}-----\n\n{body}\n-----END {label}-----\n")
    }

    fn commit(signature: &str) -> String {
        format!(
            "tree {}\ncommitter A <a@example.com> 1 +0000\ngpgsig {}\n\nm\n",
            "0".repeat(40),
            signature.trim_end().replace('\n', "\n ")
        )
    }

    /// Bytes that look like packets, so that more than the first check is reached.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let body = prop::collection::vec(
            prop_oneof![Just(4_u8), Just(0), Just(1), Just(8), Just(19), Just(22), any::<u8>()],
            0..120,
        );
        let packet = (prop_oneof![Just(2_u8), Just(6), Just(13), Just(14), 0..64_u8], body);
        prop::collection::vec(packet, 0..6).prop_map(|packets| {
            let mut bytes = Vec::new();
            for (tag, body) in packets {
                bytes.extend([0xc0 | tag, u8::try_from(body.len()).unwrap()]);
                bytes.extend(body);
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn no_object_makes_the_verifier_panic(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            packets in packets(),
            text in "(tree |object |gpgsig|tagger |committer |-----BEGIN (SSH|PGP) SIGNATURE-----|<a@b>|[0-9]| |\n){0,20}",
        ) {
            signed_object(&raw);
            signed_object(text.as_bytes());
            signed_object(commit(&armoured("PGP SIGNATURE", &packets)).as_bytes());
            let ssh = [b"SSHSIG\0\0\0\x01", raw.as_slice()].concat();
            signed_object(commit(&armoured("SSH SIGNATURE", &ssh)).as_bytes());
        }

        #[test]
        fn no_ring_makes_the_reader_panic(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            packets in packets(),
        ) {
            openpgp_ring(&raw);
            openpgp_ring(&packets);
            openpgp_ring(armoured("PGP PUBLIC KEY BLOCK", &packets).as_bytes());
        }

        #[test]
        fn no_signers_file_makes_the_reader_panic(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            text in "(ssh-ed25519|a@b|namespaces=|valid-after=|2026|\"|,|!|\\*|AAAA|=| |\n){0,30}",
        ) {
            allowed_signers(&raw);
            allowed_signers(text.as_bytes());
        }
    }
}
