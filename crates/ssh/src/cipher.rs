//! Binary packets (RFC 4253, 6): sealed and opened, in clear until the first keys and then with
//! one of three ciphers that prove what they encrypt. There is no other kind.
//!
//! Input: payloads, or what came from the network. Output: packets, or payloads. Limit:
//! [`PACKET_BYTES_MAX`]. A length is believed as far as the limit before its packet is proven,
//! as it must be to know where the packet ends.

use crate::limits::PACKET_BYTES_MAX;
use ring::aead::chacha20_poly1305_openssh as chacha;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SecureRandom;
use zeroize::Zeroize as _;

/// Bytes of the length in front of each packet.
const LENGTH_BYTES: usize = 4;

/// Bytes of a tag, for each of the ciphers.
const TAG_BYTES: usize = 16;

/// The least padding.
const PADDING_BYTES_MIN: usize = 4;

/// Block size where the cipher has none.
const BLOCK_BYTES: usize = 8;

/// The ciphers, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Cipher {
    /// As they are offered.
    pub(crate) const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20Poly1305];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes128-gcm@openssh.com",
            Self::Aes256Gcm => "aes256-gcm@openssh.com",
            Self::ChaCha20Poly1305 => "chacha20-poly1305@openssh.com",
        }
    }

    /// Bytes of the key, and of the first nonce.
    pub(crate) fn key_bytes(self) -> (usize, usize) {
        match self {
            Self::Aes128Gcm => (16, 12),
            Self::Aes256Gcm => (32, 12),
            Self::ChaCha20Poly1305 => (chacha::KEY_LEN, 0),
        }
    }

    fn gcm(self, key: &[u8], iv: &[u8]) -> Option<Gcm> {
        let algorithm = match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        let (fixed, counter) = iv.split_at_checked(4)?;
        let counter = u64::from_be_bytes(counter.try_into().ok()?);
        Some(Gcm { key, fixed: fixed.try_into().ok()?, counter })
    }
}

/// AES in the form of RFC 5647: the length is in clear and proven, the nonce counts packets.
struct Gcm {
    key: LessSafeKey,
    fixed: [u8; 4],
    counter: u64,
}

impl Gcm {
    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        let (fixed, counter) = nonce.split_at_mut(4);
        fixed.copy_from_slice(&self.fixed);
        counter.copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Seals what we send.
pub(crate) enum Sealer {
    Clear,
    Gcm(Box<GcmKey>),
    ChaCha(Box<chacha::SealingKey>),
}

/// Opens what we receive.
pub(crate) enum Opener {
    Clear,
    Gcm(Box<GcmKey>),
    ChaCha(Box<chacha::OpeningKey>),
}

/// A key of AES with its counter; opaque outside of this file.
pub(crate) struct GcmKey(Gcm);

/// Why a packet cannot be opened.
pub(crate) type Unopened = &'static str;

impl Sealer {
    pub(crate) fn new(cipher: Cipher, key: &[u8], iv: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => {
                Self::Gcm(Box::new(GcmKey(cipher.gcm(key, iv)?)))
            }
            Cipher::ChaCha20Poly1305 => {
                Self::ChaCha(Box::new(chacha::SealingKey::new(key.try_into().ok()?)))
            }
        })
    }

    /// Appends the packet of this payload to `out`.
    pub(crate) fn seal(
        &mut self,
        sequence: u32,
        payload: &[u8],
        random: &dyn SecureRandom,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        // Ciphers that hide or prove the length apart do not count it for the block size.
        let (block, counted) = match self {
            Self::Clear => (BLOCK_BYTES, LENGTH_BYTES + 1 + payload.len()),
            Self::Gcm(_) => (16, 1 + payload.len()),
            Self::ChaCha(_) => (BLOCK_BYTES, 1 + payload.len()),
        };
        let mut padding = block - counted % block;
        if padding < PADDING_BYTES_MIN {
            padding += block;
        }
        let length = 1 + payload.len() + padding;
        let start = out.len();
        out.reserve(LENGTH_BYTES + length + TAG_BYTES);
        out.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
        out.push(u8::try_from(padding).ok()?);
        out.extend_from_slice(payload);
        let behind = out.len();
        out.resize(behind + padding, 0);
        if !matches!(self, Self::Clear) {
            random.fill(out.get_mut(behind..)?).ok()?;
        }
        let packet = out.get_mut(start..)?;
        match self {
            Self::Clear => {}
            Self::Gcm(key) => {
                let nonce = key.0.nonce();
                let (length, body) = packet.split_at_mut_checked(LENGTH_BYTES)?;
                let aad = Aad::from(&*length);
                let tag = key.0.key.seal_in_place_separate_tag(nonce, aad, body).ok()?;
                out.extend_from_slice(tag.as_ref());
            }
            Self::ChaCha(key) => {
                let mut tag = [0; TAG_BYTES];
                key.seal_in_place(sequence, packet, &mut tag);
                out.extend_from_slice(&tag);
            }
        }
        Some(())
    }
}

impl Opener {
    pub(crate) fn new(cipher: Cipher, key: &[u8], iv: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => {
                Self::Gcm(Box::new(GcmKey(cipher.gcm(key, iv)?)))
            }
            Cipher::ChaCha20Poly1305 => {
                Self::ChaCha(Box::new(chacha::OpeningKey::new(key.try_into().ok()?)))
            }
        })
    }

    /// The bytes of the first packet in `input`, once its length is here.
    pub(crate) fn packet_bytes(
        &self,
        sequence: u32,
        input: &[u8],
    ) -> Result<Option<usize>, Unopened> {
        let Some(first) = input.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let (length, block, counted, tag) = match self {
            Self::Clear => (*first, BLOCK_BYTES, LENGTH_BYTES, 0),
            Self::Gcm(_) => (*first, 16, 0, TAG_BYTES),
            Self::ChaCha(key) => {
                (key.decrypt_packet_length(sequence, *first), BLOCK_BYTES, 0, TAG_BYTES)
            }
        };
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > PACKET_BYTES_MAX - LENGTH_BYTES - tag {
            return Err("a packet is too long");
        }
        if length < 2 + PADDING_BYTES_MIN || !(length + counted).is_multiple_of(block) {
            return Err("the length of a packet is not valid");
        }
        Ok(Some(LENGTH_BYTES + length + tag))
    }

    /// The payload of one packet, decrypted in place.
    pub(crate) fn open<'a>(
        &mut self,
        sequence: u32,
        packet: &'a mut [u8],
    ) -> Result<&'a [u8], Unopened> {
        const FORGED: Unopened = "a packet is damaged or forged";
        let body: &[u8] = match self {
            Self::Clear => packet.get(LENGTH_BYTES..).ok_or(FORGED)?,
            Self::Gcm(key) => {
                let nonce = key.0.nonce();
                let (length, body) = packet.split_at_mut_checked(LENGTH_BYTES).ok_or(FORGED)?;
                let opened = key.0.key.open_in_place(nonce, Aad::from(&*length), body);
                opened.map_err(|_| FORGED)?
            }
            Self::ChaCha(key) => {
                let (body, tag) = packet.split_last_chunk_mut::<TAG_BYTES>().ok_or(FORGED)?;
                key.open_in_place(sequence, body, tag).map_err(|_| FORGED)?
            }
        };
        let (padding, rest) = body.split_first().ok_or(FORGED)?;
        let padding = usize::from(*padding);
        let payload = rest.len().checked_sub(padding).filter(|bytes| *bytes > 0);
        match payload {
            Some(bytes) if padding >= PADDING_BYTES_MIN => rest.get(..bytes).ok_or(FORGED),
            _ => Err("the padding of a packet is not valid"),
        }
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        self.fixed.zeroize();
        self.counter.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    fn pair(cipher: Cipher) -> (Sealer, Opener) {
        let (key, iv) = cipher.key_bytes();
        let (key, iv) = (vec![7; key], vec![9; iv]);
        (Sealer::new(cipher, &key, &iv).unwrap(), Opener::new(cipher, &key, &iv).unwrap())
    }

    #[test]
    fn what_is_sealed_is_opened_once_and_a_changed_bit_is_refused() {
        for cipher in Cipher::ALL {
            let (mut sealer, _) = pair(cipher);
            for (sequence, size) in [(0, 1), (1, 15), (2, 16), (3, 32_768)] {
                let payload = vec![3; size];
                let mut packet = Vec::new();
                sealer.seal(sequence, &payload, &SystemRandom::new(), &mut packet).unwrap();
                let fresh = || {
                    let (_, mut opener) = pair(cipher);
                    if let Opener::Gcm(key) = &mut opener {
                        key.0.counter += u64::from(sequence);
                    }
                    opener
                };
                let bytes = fresh().packet_bytes(sequence, &packet).unwrap().unwrap();
                assert_eq!(bytes, packet.len());
                for at in [0, 4, packet.len() / 2, packet.len() - 1] {
                    let mut changed = packet.clone();
                    changed[at] ^= 1;
                    assert!(fresh().open(sequence, &mut changed).is_err(), "{cipher:?} {at}");
                }
                let mut again = packet.clone();
                assert_eq!(fresh().open(sequence, &mut packet).unwrap(), payload);
                let mut later = fresh();
                if let Opener::Gcm(key) = &mut later {
                    key.0.counter += 1;
                }
                assert!(later.open(sequence + 1, &mut again).is_err());
            }
        }
    }

    #[test]
    fn a_packet_is_taken_up_to_the_limit_and_not_beyond() {
        let clear = |length: u32| Opener::Clear.packet_bytes(0, &length.to_be_bytes());
        let most = u32::try_from(PACKET_BYTES_MAX - LENGTH_BYTES).unwrap();
        assert_eq!(clear(most), Ok(Some(PACKET_BYTES_MAX)));
        assert!(clear(most + 1).is_err() && clear(u32::MAX).is_err());
        assert!(clear(0).is_err() && clear(4).is_err() && clear(13).is_err());
        assert_eq!(clear(12), Ok(Some(16)));
        let (_, gcm) = pair(Cipher::Aes128Gcm);
        let gcm = |length: u32| gcm.packet_bytes(0, &length.to_be_bytes());
        let most = (most - 16) / 16 * 16;
        assert_eq!(gcm(most), Ok(Some(usize::try_from(most).unwrap() + 20)));
        assert!(gcm(most + 16).is_err() && gcm(most - 1).is_err());
        assert_eq!(Opener::Clear.packet_bytes(0, &[0, 0, 0]), Ok(None));
    }

    #[test]
    fn padding_that_leaves_no_payload_is_refused() {
        let open = |padding: u8| {
            let mut packet = vec![0, 0, 0, 12, padding, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
            Opener::Clear.open(0, &mut packet).map(<[u8]>::to_vec)
        };
        assert_eq!(open(4).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(open(10).unwrap(), [1]);
        assert!(open(3).is_err() && open(11).is_err() && open(12).is_err() && open(255).is_err());
    }
}
