//! The content of an age file: ChaCha20-Poly1305 in chunks, each with its number, the last marked.

use super::AgeError;
use super::header::{FileKey, derive};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Plain bytes of every chunk but the last.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of a chunk's tag.
const TAG_BYTES: usize = 16;
/// Bytes of the salt in front.
const SALT_BYTES: usize = 16;

pub(super) fn open(file_key: &FileKey, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, AgeError> {
    let (salt, mut rest) = payload.split_at_checked(SALT_BYTES).ok_or(AgeError::Payload)?;
    let key = derive(salt, file_key.as_slice(), b"payload").ok_or(AgeError::Payload)?;
    let key = UnboundKey::new(&aead::CHACHA20_POLY1305, key.as_slice());
    let key = LessSafeKey::new(key.map_err(|_| AgeError::Payload)?);
    let mut plain = Zeroizing::new(Vec::with_capacity(rest.len()));
    for number in 0_u64.. {
        let length = rest.len().min(CHUNK_BYTES + TAG_BYTES);
        let (chunk, behind) = rest.split_at_checked(length).ok_or(AgeError::Payload)?;
        let last = behind.is_empty();
        let mut nonce = [0; 12];
        let counter = number.to_be_bytes();
        nonce.iter_mut().skip(3).zip(counter).for_each(|(byte, from)| *byte = from);
        if let Some(flag) = nonce.last_mut() {
            *flag = u8::from(last);
        }
        let mut chunk = Zeroizing::new(chunk.to_vec());
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), chunk.as_mut_slice())
            .map_err(|_| AgeError::Payload)?;
        // Only an empty file may end in an empty chunk.
        if opened.is_empty() && number > 0 {
            return Err(AgeError::Payload);
        }
        plain.extend_from_slice(opened);
        if last {
            break;
        }
        rest = behind;
    }
    Ok(plain)
}
