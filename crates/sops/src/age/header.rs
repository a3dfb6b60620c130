//! The header of an age file: stanzas that each hold the file key for one recipient, and a code.
//!
//! Input: the file. Output: the header and what is behind it. Encodings are checked to be the
//! only possible ones, so that a header cannot be written in two ways.

use super::identity::{Identities, Identity};
use super::{AgeError, STANZAS_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use zeroize::Zeroizing;

const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";
const X25519_INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// Characters of every line of a stanza's body but the last.
const LINE_CHARS: usize = 64;
/// Bytes of a file key.
const FILE_KEY_BYTES: usize = 16;

/// The key of one file.
pub(super) type FileKey = Zeroizing<[u8; FILE_KEY_BYTES]>;

pub(super) struct Header<'a> {
    stanzas: Vec<Stanza<'a>>,
    /// What the code covers.
    covered: &'a [u8],
    code: Vec<u8>,
}

struct Stanza<'a> {
    kind: &'a str,
    arguments: Vec<&'a str>,
    body: Vec<u8>,
}

impl<'a> Header<'a> {
    /// The header, and the payload behind it.
    pub(super) fn read(file: &'a [u8]) -> Result<(Self, &'a [u8]), AgeError> {
        let mut rest = match file.strip_prefix(VERSION_LINE) {
            Some(rest) => rest,
            None if file.starts_with(b"age-encryption.org/") => return Err(AgeError::Version),
            None => return Err(AgeError::Malformed("it does not begin as an age file")),
        };
        let mut stanzas = Vec::new();
        loop {
            let line = line(&mut rest)?;
            if let Some(code) = line.strip_prefix("--- ") {
                let code = STANDARD_NO_PAD
                    .decode(code)
                    .map_err(|_| AgeError::Malformed("the header's code is not base64"))?;
                // Up to and including the three dashes.
                let dashes = file.len() - rest.len() - line.len() - 1 + 3;
                let covered = file.get(..dashes).unwrap_or_default();
                if stanzas.is_empty() {
                    return Err(AgeError::Malformed("it has no recipient"));
                }
                return Ok((Self { stanzas, covered, code }, rest));
            }
            if stanzas.len() == STANZAS_MAX {
                return Err(AgeError::Malformed("it has too many recipients"));
            }
            stanzas.push(stanza(line, &mut rest)?);
        }
    }

    /// The file key, from the first stanza that an identity fits.
    pub(super) fn file_key(&self, identities: &Identities) -> Result<FileKey, AgeError> {
        for stanza in self.stanzas.iter().filter(|stanza| stanza.kind == "X25519") {
            let share = stanza.share()?;
            let unwrapped = identities.iter().find_map(|identity| stanza.unwrap(&share, identity));
            if let Some(key) = unwrapped {
                return Ok(key);
            }
        }
        let mut kinds: Vec<String> =
            self.stanzas.iter().map(|stanza| stanza.kind.chars().take(40).collect()).collect();
        kinds.sort();
        kinds.dedup();
        kinds.truncate(10);
        Err(AgeError::NoMatch { kinds })
    }

    /// Checks the code, which only a holder of the file key can have made.
    pub(super) fn check(&self, file_key: &FileKey) -> Result<(), AgeError> {
        let key = derive(&[], file_key.as_slice(), b"header").ok_or(AgeError::HeaderCode)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
        hmac::verify(&key, self.covered, &self.code).map_err(|_| AgeError::HeaderCode)
    }
}

impl Stanza<'_> {
    fn share(&self) -> Result<[u8; 32], AgeError> {
        let malformed = AgeError::Malformed("an X25519 stanza is not well formed");
        match self.arguments.as_slice() {
            [share] if self.body.len() == FILE_KEY_BYTES + aead::CHACHA20_POLY1305.tag_len() => {
                let share = STANDARD_NO_PAD.decode(share).map_err(|_| malformed.clone())?;
                share.try_into().map_err(|_| malformed)
            }
            _ => Err(malformed),
        }
    }

    fn unwrap(&self, share: &[u8; 32], identity: &Identity) -> Option<FileKey> {
        let shared = identity.agree(share)?;
        let salt = [*share, *identity.public()].concat();
        let key = derive(&salt, shared.as_slice(), X25519_INFO)?;
        let key = UnboundKey::new(&aead::CHACHA20_POLY1305, key.as_slice()).ok()?;
        let mut body = Zeroizing::new(self.body.clone());
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened =
            LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), body.as_mut_slice()).ok()?;
        Some(Zeroizing::new(<[u8; FILE_KEY_BYTES]>::try_from(&*opened).ok()?))
    }
}

/// HKDF with SHA-256, 32 bytes.
pub(super) fn derive(salt: &[u8], secret: &[u8], info: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, salt);
    let mut key = Zeroizing::new([0; 32]);
    let expanded = salt.extract(secret);
    let infos = [info];
    let output = expanded.expand(&infos, hkdf::HKDF_SHA256).ok()?;
    output.fill(key.as_mut_slice()).ok()?;
    Some(key)
}

/// The next line without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, AgeError> {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or(AgeError::Malformed("the header has no end"))?;
    let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    *rest = behind.get(1..).unwrap_or_default();
    let text = std::str::from_utf8(line)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    text.ok_or(AgeError::Malformed("a line of the header is not plain text"))
}

fn stanza<'a>(first: &'a str, rest: &mut &'a [u8]) -> Result<Stanza<'a>, AgeError> {
    let malformed = AgeError::Malformed("a stanza is not well formed");
    let words = first.strip_prefix("-> ").ok_or_else(|| malformed.clone())?;
    let mut words = words.split(' ');
    let kind = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    if kind.is_empty() || arguments.iter().any(|argument| argument.is_empty()) {
        return Err(malformed);
    }
    let mut base64 = String::new();
    loop {
        let line = line(rest)?;
        if line.len() > LINE_CHARS {
            return Err(malformed);
        }
        base64.push_str(line);
        // The last line of a body is shorter, if need be empty.
        if line.len() < LINE_CHARS {
            break;
        }
    }
    let body = STANDARD_NO_PAD.decode(base64).map_err(|_| malformed)?;
    Ok(Stanza { kind, arguments, body })
}
