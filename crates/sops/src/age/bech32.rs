//! Bech32 (BIP 173) without its limit on length, as age writes keys.
//!
//! Input: a text such as `age1…`. Output: the part before the last `1`, in lower case, and the
//! bytes behind it. Mixed case, a wrong checksum and bits that are left over are refused.

use zeroize::Zeroizing;

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_LETTERS: usize = 6;
/// Longer texts are no keys.
const TEXT_CHARS_MAX: usize = 128;

/// Reads a text; nothing when it is not valid.
pub(super) fn decode(text: &str) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let mixed = text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_uppercase());
    if mixed || text.len() > TEXT_CHARS_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let (prefix, data) = lower.rsplit_once('1')?;
    let position = |b: u8| LETTERS.iter().position(|l| *l == b).and_then(|p| u8::try_from(p).ok());
    let values = data.bytes().map(position).collect::<Option<Vec<u8>>>();
    let values = Zeroizing::new(values?);
    if prefix.is_empty() || checksum(prefix, &values) != 1 {
        return None;
    }
    let payload = values.get(..values.len().checked_sub(CHECKSUM_LETTERS)?)?;
    let bytes = regroup(payload, 5, 8)?;
    Some((prefix.to_owned(), bytes))
}

/// Writes bytes; used for public keys.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    let mut values = Zeroizing::new(Vec::new());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            values.push(u8::try_from((bits >> count) & 31).unwrap_or(0));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        values.push(u8::try_from((bits << (5 - count)) & 31).unwrap_or(0));
    }
    let mut padded = values.to_vec();
    padded.extend([0; CHECKSUM_LETTERS]);
    let sum = checksum(prefix, &padded) ^ 1;
    let tail =
        (0..CHECKSUM_LETTERS).map(|i| u8::try_from((sum >> (5 * (5 - i))) & 31).unwrap_or(0));
    let letters = values.iter().copied().chain(tail);
    let letters = letters.filter_map(|v| LETTERS.get(usize::from(v)).map(|l| char::from(*l)));
    format!("{prefix}1{}", letters.collect::<String>())
}

/// From groups of 5 bits to bytes; bits that are left over must be fewer than 5 and zero.
fn regroup(values: &[u8], from: u32, to: u32) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(values.len()));
    let (mut bits, mut count) = (0_u32, 0);
    for value in values {
        bits = (bits << from) | u32::from(*value);
        count += from;
        if count >= to {
            count -= to;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
        bits &= (1 << count) - 1;
    }
    (count < from && bits == 0).then_some(bytes)
}

fn checksum(prefix: &str, values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let high = prefix.bytes().map(|b| b >> 5);
    let low = prefix.bytes().map(|b| b & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    all.fold(1, |sum, value| {
        let top = sum >> 25;
        let next = ((sum & 0x1ff_ffff) << 5) ^ u32::from(value);
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| (top >> bit) & 1 == 1)
            .fold(next, |sum, (_, generator)| sum ^ generator)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_valid_by_the_standard_are_read_and_written_again() {
        for text in ["A12UEL5L", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"] {
            let (prefix, bytes) = decode(text).unwrap();
            assert_eq!(encode(&prefix, &bytes), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn texts_that_are_not_valid_are_refused() {
        for text in [
            "",
            "1qzzfhee",
            "A12uEL5L",
            "a12uel5m",
            "pzry9x0s0muk",
            "x1b4n0q5v",
            "li1dgmt3",
            "de1lg7wt\u{7f}",
        ] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn bytes_survive_being_written_and_read(bytes: [u8; 32]) {
            let (prefix, read) = decode(&encode("age", &bytes)).unwrap();
            proptest::prop_assert_eq!((prefix.as_str(), read.as_slice()), ("age", &bytes[..]));
        }
    }
}
