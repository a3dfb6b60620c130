//! An encryptor for tests: a tree and its rules in, a file as SOPS writes it out.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{AesGcm, aes::Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use curve25519_dalek::MontgomeryPoint;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hmac};
use serde_json::{Value, json};

/// A value of a plain document; keys keep their order.
#[derive(Clone)]
pub(crate) enum T {
    M(Vec<(&'static str, T)>),
    L(Vec<T>),
    S(&'static str),
    I(i64),
    F(f64),
    B(bool),
    N,
}

impl T {
    /// What the decryptor must give.
    pub(crate) fn plain(&self) -> Value {
        match self {
            Self::M(fields) => {
                Value::Object(fields.iter().map(|(k, v)| ((*k).to_owned(), v.plain())).collect())
            }
            Self::L(items) => items.iter().map(Self::plain).collect(),
            Self::S(text) => json!(text),
            Self::I(value) => json!(value),
            Self::F(value) => json!(value),
            Self::B(value) => json!(value),
            Self::N => Value::Null,
        }
    }
}

pub(crate) fn secret(seed: u8) -> [u8; 32] {
    [seed; 32]
}

/// A file to make.
pub(crate) struct File {
    pub(crate) documents: Vec<T>,
    /// Secrets of the recipients.
    pub(crate) recipients: Vec<[u8; 32]>,
    /// A line of metadata such as `encrypted_regex: ^a$`, and what it means for a path.
    pub(crate) rule: &'static str,
    pub(crate) encrypts: fn(&[&str]) -> bool,
    pub(crate) mac_only_encrypted: bool,
    /// Further lines of metadata.
    pub(crate) extra: &'static str,
}

const DATA_KEY: [u8; 32] = [42; 32];
const MODIFIED: &str = "2026-11-25T10:00:00Z";

impl File {
    pub(crate) fn of(document: T) -> Self {
        Self {
            documents: vec![document],
            recipients: vec![secret(1)],
            rule: "encrypted_regex: ^(data|stringData)$",
            encrypts: |path| path.iter().any(|key| matches!(*key, "data" | "stringData")),
            mac_only_encrypted: false,
            extra: "",
        }
    }

    /// The trees with encrypted leaves, and the code over the plain ones.
    fn encrypt(&self) -> (Vec<Value2>, String) {
        let mut covered = Vec::new();
        if self.mac_only_encrypted {
            covered.extend_from_slice(digest::digest(&digest::SHA256, b"sops").as_ref());
        }
        let mut nonce = 0;
        let trees: Vec<Value2> = self
            .documents
            .iter()
            .map(|tree| self.tree(tree, &mut Vec::new(), &mut covered, &mut nonce))
            .collect();
        let code = digest::digest(&digest::SHA512, &covered);
        let hex: String = code.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        (trees, seal(hex.as_bytes(), MODIFIED, "str", 255))
    }

    fn tree(
        &self,
        tree: &T,
        path: &mut Vec<&'static str>,
        covered: &mut Vec<u8>,
        nonce: &mut u8,
    ) -> Value2 {
        let (text, kind) = match tree {
            T::M(fields) => {
                let field = |(key, value): &(&'static str, T)| {
                    path.push(key);
                    let value = self.tree(value, path, covered, nonce);
                    path.pop();
                    (*key, value)
                };
                return Value2::M(fields.iter().map(field).collect());
            }
            T::L(items) => {
                let items = items.iter().map(|item| self.tree(item, path, covered, nonce));
                return Value2::L(items.collect());
            }
            T::N => return Value2::Raw("null".to_owned()),
            T::S(text) => ((*text).to_owned(), "str"),
            T::I(value) => (value.to_string(), "int"),
            T::F(value) => (value.to_string(), "float"),
            T::B(true) => ("True".to_owned(), "bool"),
            T::B(false) => ("False".to_owned(), "bool"),
        };
        let encrypted = (self.encrypts)(path);
        if encrypted || !self.mac_only_encrypted {
            covered.extend_from_slice(text.as_bytes());
        }
        if !encrypted {
            return Value2::Raw(tree.plain().to_string());
        }
        if text.is_empty() {
            return Value2::Raw("\"\"".to_owned());
        }
        *nonce += 1;
        let bound: String = path.iter().map(|key| format!("{key}:")).collect();
        Value2::Raw(format!("\"{}\"", seal(text.as_bytes(), &bound, kind, *nonce)))
    }

    pub(crate) fn yaml(&self) -> String {
        let (trees, mac) = self.encrypt();
        let mut documents = Vec::new();
        for tree in trees {
            let mut out = String::new();
            tree.write_yaml(0, &mut out);
            out.push_str("sops:\n    age:\n");
            for recipient in &self.recipients {
                let (name, armoured) = wrap(recipient);
                out.push_str(&format!("        - recipient: {name}\n          enc: |\n"));
                armoured.lines().for_each(|line| out.push_str(&format!("            {line}\n")));
            }
            if self.mac_only_encrypted {
                out.push_str("    mac_only_encrypted: true\n");
            }
            out.push_str(&format!("    lastmodified: \"{MODIFIED}\"\n    mac: {mac}\n"));
            for line in [self.rule, self.extra].iter().flat_map(|lines| lines.lines()) {
                out.push_str(&format!("    {line}\n"));
            }
            out.push_str("    version: 3.10.2\n");
            documents.push(out);
        }
        documents.join("---\n")
    }

    /// For one document whose numbers are floats.
    pub(crate) fn json(&self) -> String {
        let (trees, mac) = self.encrypt();
        let mut tree = String::new();
        trees.first().unwrap().write_json(&mut tree);
        let age = |recipient: &[u8; 32]| {
            let (name, armoured) = wrap(recipient);
            json!({"recipient": name, "enc": armoured})
        };
        let mut sops = json!({
            "age": self.recipients.iter().map(age).collect::<Vec<_>>(),
            "lastmodified": MODIFIED,
            "mac": mac,
            "mac_only_encrypted": self.mac_only_encrypted,
            "version": "3.10.2",
        });
        if let Some((key, value)) = self.rule.split_once(": ") {
            sops[key] = json!(value);
        }
        format!("{},\n\"sops\": {sops}}}", tree.strip_suffix('}').unwrap())
    }
}

/// An encrypted tree; leaves are written as they are.
enum Value2 {
    M(Vec<(&'static str, Value2)>),
    L(Vec<Value2>),
    Raw(String),
}

impl Value2 {
    fn write_yaml(&self, indent: usize, out: &mut String) {
        let space = " ".repeat(indent);
        match self {
            Self::M(fields) => fields.iter().for_each(|(key, value)| {
                out.push_str(&format!("{space}{key}:"));
                value.write_below(indent, out);
            }),
            Self::L(items) => items.iter().for_each(|item| {
                out.push_str(&format!("{space}-"));
                item.write_below(indent, out);
            }),
            Self::Raw(text) => out.push_str(&format!("{space}{text}\n")),
        }
    }

    fn write_below(&self, indent: usize, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(&format!(" {text}\n")),
            Self::M(fields) if fields.is_empty() => out.push_str(" {}\n"),
            Self::L(items) if items.is_empty() => out.push_str(" []\n"),
            _ => {
                out.push('\n');
                self.write_yaml(indent + 4, out);
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::M(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if index > 0 { ",\n" } else { "" });
                    out.push_str(&format!("\"{key}\": "));
                    value.write_json(out);
                }
                out.push('}');
            }
            Self::L(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Raw(text) => out.push_str(text),
        }
    }
}

/// `ENC[…]` of a value.
pub(crate) fn seal(plain: &[u8], bound: &str, kind: &str, nonce: u8) -> String {
    let cipher: AesGcm<Aes256, U32> = AesGcm::new((&DATA_KEY).into());
    let nonce = [nonce; 32];
    let payload = Payload { msg: plain, aad: bound.as_bytes() };
    let sealed = cipher.encrypt((&nonce).into(), payload).unwrap();
    let (data, tag) = sealed.split_at(sealed.len() - 16);
    format!(
        "ENC[AES256_GCM,data:{},iv:{},tag:{},type:{kind}]",
        STANDARD.encode(data),
        STANDARD.encode(nonce),
        STANDARD.encode(tag)
    )
}

fn hkdf(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    let key = hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref());
    hmac::sign(&key, &[info, &[1]].concat()).as_ref().try_into().unwrap()
}

fn chacha(key: &[u8; 32], nonce: [u8; 12], plain: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap());
    let mut bytes = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
        .unwrap();
    bytes
}

pub(crate) fn public(secret: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*secret).0
}

/// The name of a recipient, and the data key encrypted for it.
fn wrap(secret: &[u8; 32]) -> (String, String) {
    (format!("age1test{}", secret[0]), armoured(&age_file(&[secret], &DATA_KEY)))
}

/// An age file for recipients by their secrets, with a stanza of another kind in front.
pub(crate) fn age_file(secrets: &[&[u8; 32]], plain: &[u8]) -> Vec<u8> {
    let file_key = [9; 16];
    let mut header = "age-encryption.org/v1\n-> other-kind argument\nAAAA\n".to_owned();
    for secret in secrets {
        let ephemeral = [77; 32];
        let share = public(&ephemeral);
        let shared = MontgomeryPoint(public(secret)).mul_clamped(ephemeral).0;
        let salt = [share, public(secret)].concat();
        let key = hkdf(&salt, &shared, b"age-encryption.org/v1/X25519");
        let body = chacha(&key, [0; 12], &file_key);
        let (share, body) = (STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(body));
        header.push_str(&format!("-> X25519 {share}\n{body}\n"));
    }
    header.push_str("---");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &hkdf(&[], &file_key, b"header"));
    let code = STANDARD_NO_PAD.encode(hmac::sign(&key, header.as_bytes()));
    let mut file = format!("{header} {code}\n").into_bytes();
    let salt = [5; 16];
    file.extend_from_slice(&salt);
    let mut nonce = [0; 12];
    nonce[11] = 1;
    file.extend(chacha(&hkdf(&salt, &file_key, b"payload"), nonce, plain));
    file
}

pub(crate) fn armoured(file: &[u8]) -> String {
    let text = STANDARD.encode(file);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n",
        lines.join("\n")
    )
}

/// `AGE-SECRET-KEY-1…` of a secret, by a Bech32 of its own.
pub(crate) fn identity(secret: &[u8; 32]) -> String {
    let letters = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let prefix = "age-secret-key-";
    let bits: String = secret.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut bits = bits.into_bytes();
    bits.resize(bits.len().div_ceil(5) * 5, b'0');
    let digit = |five: &[u8]| u32::from_str_radix(std::str::from_utf8(five).unwrap(), 2).unwrap();
    let data: Vec<u32> = bits.chunks(5).map(digit).collect();
    let mut all: Vec<u32> = prefix.bytes().map(|b| u32::from(b) >> 5).collect();
    all.push(0);
    all.extend(prefix.bytes().map(|b| u32::from(b) & 31));
    all.extend(&data);
    all.extend([0; 6]);
    let mut sum: u32 = 1;
    for value in all {
        let top = sum >> 25;
        sum = ((sum & 0x1ff_ffff) << 5) ^ value;
        for (bit, generator) in
            [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].iter().enumerate()
        {
            if (top >> bit) & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum ^= 1;
    let check = (0..6).map(|index| (sum >> (5 * (5 - index))) & 31);
    let text: String =
        data.iter().copied().chain(check).map(|v| char::from(letters[v as usize])).collect();
    format!("{prefix}1{text}").to_uppercase()
}
