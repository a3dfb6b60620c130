//! Hashes for tables and for choices. Fast, spread well, keyed; not for secrets.

/// Multiplies to 128 bits and folds: every bit of the result depends on every bit of both.
#[inline]
#[must_use]
pub const fn mix(one: u64, other: u64) -> u64 {
    let wide = (one ^ 0x9e37_79b9_7f4a_7c15) as u128 * (other ^ 0xd6e8_feb8_6659_fd93) as u128;
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// A hash of a trace id under a seed.
#[inline]
#[must_use]
pub fn trace(seed: u64, id: &[u8; 16]) -> u64 {
    let wide = u128::from_be_bytes(*id);
    mix(mix(wide as u64, seed), (wide >> 64) as u64)
}

/// A hash of a record's place: the file (whatever number names it for good) and its offset. Two
/// readings of the same line have the same hash, equal lines at other places have others, so
/// that a file of equal or empty lines does not fall into one bucket.
#[inline]
#[must_use]
pub const fn position(seed: u64, file: u64, offset: u64) -> u64 {
    mix(mix(file, seed), offset)
}

/// A hash of bytes under a seed. The length counts, so that zeros at the end make a difference.
#[must_use]
pub fn bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    let mut last = [0_u8; 8];
    if let Some(room) = last.get_mut(..rest.len()) {
        room.copy_from_slice(rest);
    }
    mix(state, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of bits that differ between neighbours is a half, within a tenth.
    #[test]
    fn r22_neighbouring_places_have_hashes_that_differ_in_half_of_their_bits() {
        let mut differing = 0;
        for at in 0..1_000_u64 {
            differing += (position(7, 1, at) ^ position(7, 1, at + 1)).count_ones();
        }
        assert!((28_800..35_200).contains(&differing), "{differing}");
    }

    #[test]
    fn zeros_and_lengths_make_a_difference() {
        let all: Vec<u64> = (0..40).map(|length| bytes(1, &vec![0; length])).collect();
        let mut distinct = all.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
        assert_ne!(bytes(1, b"a"), bytes(2, b"a"));
    }
}
