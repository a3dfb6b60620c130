//! Signatures made here with `ring`, for what `ssh-keygen` cannot make without a device, and
//! hostile ones. What it can make is compared in `tests/`.

use super::*;
use crate::{ObjectKind, Trust, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};

const OBJECT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
                      committer A <a@example.com> 1700000000 +0000\n\nmessage\n";
const AT: i64 = 1_700_000_100;

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| put_string(&mut out, part));
    out
}

/// From the signed bytes to the inner signature.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// What a signer puts into a signature; each test changes one thing.
struct Signer {
    key: Vec<u8>,
    namespace: &'static [u8],
    hash: &'static [u8],
    kind: &'static [u8],
    /// Behind the inner signature: flags and counter of a security key.
    device: Option<[u8; 5]>,
    sign: Sign,
}

fn ed25519(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

impl Signer {
    fn plain() -> Self {
        let public = ed25519(1).public_key().as_ref().to_vec();
        Self {
            key: strings(&[b"ssh-ed25519", &public]),
            namespace: b"git",
            hash: b"sha512",
            kind: b"ssh-ed25519",
            device: None,
            sign: Box::new(|message| ed25519(1).sign(message).as_ref().to_vec()),
        }
    }

    fn security() -> Self {
        let public = ed25519(1).public_key().as_ref().to_vec();
        let kind: &[u8] = b"sk-ssh-ed25519@openssh.com";
        let key = strings(&[kind, &public, b"ssh:"]);
        Self {
            key,
            kind: b"sk-ssh-ed25519@openssh.com",
            device: Some([1, 0, 0, 0, 9]),
            ..Self::plain()
        }
    }

    fn security_ecdsa() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let kind: &[u8] = b"sk-ecdsa-sha2-nistp256@openssh.com";
        let key = strings(&[kind, b"nistp256", pair.public_key().as_ref(), b"ssh:"]);
        let sign = move |message: &[u8]| {
            let fixed = pair.sign(&random, message).unwrap();
            let (r, s) = fixed.as_ref().split_at(32);
            let integer = |bytes: &[u8]| [&[0], bytes].concat();
            strings(&[&integer(r), &integer(s)])
        };
        let kind = b"sk-ecdsa-sha2-nistp256@openssh.com";
        Self { key, kind, device: Some([5, 0, 0, 1, 0]), sign: Box::new(sign), ..Self::plain() }
    }

    fn line(&self, options: &str) -> String {
        let kind = Cursor::new(&self.key).ssh_string().unwrap();
        let kind = String::from_utf8_lossy(kind);
        format!("a@example.com {options} {kind} {}\n", STANDARD.encode(&self.key))
    }

    /// The commit with a signature.
    fn commit(&self) -> String {
        let digest = match self.hash {
            b"sha256" => Hash::Sha256.digest(OBJECT.as_bytes()),
            _ => Hash::Sha512.digest(OBJECT.as_bytes()),
        };
        let mut message = b"SSHSIG".to_vec();
        message.extend(strings(&[self.namespace, b"", self.hash, &digest]));
        if let Some(device) = self.device {
            let sha256 = |bytes: &[u8]| Hash::Sha256.digest(bytes);
            message = [sha256(b"ssh:"), device.to_vec(), sha256(&message)].concat();
        }
        let mut inner = strings(&[self.kind, &(self.sign)(&message)]);
        inner.extend(self.device.unwrap_or_default().iter().take(if self.device.is_some() {
            5
        } else {
            0
        }));
        let mut bytes = b"SSHSIG\0\0\0\x01".to_vec();
        bytes.extend(strings(&[&self.key, self.namespace, b"", self.hash, &inner]));
        signed_with(&bytes)
    }

    fn verdict(&self, options: &str) -> Verdict {
        let mut trust = Trust::new();
        assert_eq!(trust.add_allowed_signers("signers", &self.line(options)), []);
        verify(self.commit().as_bytes(), ObjectKind::Commit, &trust, AT)
    }
}

fn signed_with(bytes: &[u8]) -> String {
    let header = format!(
        "gpgsig -----BEGIN SSH SIGNATURE-----\n {}\n -----END SSH SIGNATURE-----\n\n",
        STANDARD.encode(bytes)
    );
    OBJECT.replacen("\n\n", &format!("\n{header}"), 1)
}

#[test]
fn gitops_16_security_keys_count_only_with_a_touch() {
    for signer in [Signer::security(), Signer::security_ecdsa()] {
        assert!(signer.verdict("").is_good(), "{}", signer.verdict(""));
        let untouched = Signer { device: Some([4, 0, 0, 0, 9]), ..signer };
        let verdict = untouched.verdict("");
        assert!(verdict.to_string().contains("nobody touched"), "{verdict}");
    }
}

#[test]
fn gitops_16_a_security_key_without_flags_or_a_plain_key_with_them_is_refused() {
    let verdict = Signer { device: None, ..Signer::security() }.verdict("");
    assert!(matches!(verdict, Verdict::Bad { .. }), "{verdict}");
    let verdict = Signer { device: Some([1; 5]), ..Signer::plain() }.verdict("");
    assert!(matches!(verdict, Verdict::Bad { .. }), "{verdict}");
}

#[test]
fn both_hashes_are_accepted_and_others_are_named() {
    assert!(Signer::plain().verdict("").is_good());
    assert!(Signer { hash: b"sha256", ..Signer::plain() }.verdict("").is_good());
    let verdict = Signer { hash: b"sha1", ..Signer::plain() }.verdict("");
    assert!(verdict.to_string().contains("the hash `sha1`"), "{verdict}");
}

#[test]
fn gitops_16_a_signature_for_something_else_than_git_is_refused() {
    let verdict = Signer { namespace: b"file", ..Signer::plain() }.verdict("");
    assert!(verdict.to_string().contains("namespace `file`"), "{verdict}");
    let verdict = Signer::plain().verdict("namespaces=\"file\"");
    assert!(matches!(verdict, Verdict::UnknownKey { .. }), "{verdict}");
    assert!(Signer::plain().verdict("namespaces=\"file,git\"").is_good());
}

#[test]
fn gitops_16_sha1_certificates_and_other_kinds_are_refused_by_name() {
    let rsa_sha1 = Signer { kind: b"ssh-rsa", ..Signer::plain() }.verdict("");
    assert!(rsa_sha1.to_string().contains("SHA-1"), "{rsa_sha1}");
    let other = Signer { kind: b"rsa-sha2-256", ..Signer::plain() }.verdict("");
    assert!(matches!(other, Verdict::Bad { .. }), "{other}");
    for (kind, word) in
        [("ssh-ed25519-cert-v01@openssh.com", "certificate"), ("ssh-dss", "`ssh-dss`")]
    {
        let mut bytes = b"SSHSIG\0\0\0\x01".to_vec();
        bytes.extend(strings(&[&strings(&[kind.as_bytes()]), b"git", b"", b"sha512", b""]));
        let verdict = verify(signed_with(&bytes).as_bytes(), ObjectKind::Commit, &Trust::new(), AT);
        assert!(
            matches!(&verdict, Verdict::Unsupported { what } if what.contains(word)),
            "{verdict}"
        );
    }
}

#[test]
fn an_expired_line_does_not_stand_in_the_way_of_a_valid_one() {
    let signer = Signer::plain();
    let (expired, valid) = (signer.line("valid-before=20200101Z"), signer.line(""));
    let verdict = |text: &str| {
        let mut trust = Trust::new();
        trust.add_allowed_signers("signers", text);
        verify(signer.commit().as_bytes(), ObjectKind::Commit, &trust, AT)
    };
    assert!(matches!(verdict(&expired), Verdict::Expired { .. }));
    assert!(verdict(&format!("{expired}{valid}")).is_good());
    assert!(verdict(&format!("{valid}{expired}")).is_good());
}

#[test]
fn every_changed_byte_of_a_signature_is_noticed() {
    let signer = Signer::plain();
    let mut trust = Trust::new();
    trust.add_allowed_signers("signers", &signer.line(""));
    let commit = signer.commit();
    let encoded = commit.lines().nth(3).unwrap().trim().to_owned();
    let bytes = STANDARD.decode(&encoded).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let object = commit.replace(&encoded, &STANDARD.encode(&changed));
        let verdict = verify(object.as_bytes(), ObjectKind::Commit, &trust, AT);
        assert!(!verdict.is_good(), "byte {index}");
        let object = commit.replace(&encoded, &STANDARD.encode(&bytes[..index]));
        assert!(!verify(object.as_bytes(), ObjectKind::Commit, &trust, AT).is_good());
    }
}
