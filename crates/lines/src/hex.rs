//! Hex digits, sixteen at once.
//!
//! SSE2 is part of every x86-64 processor; the portable code gives the same
//! (`both_ways_agree_on_any_bytes`).

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls that need a processor feature")
)]

/// Digits that are read or written together.
pub(crate) const DIGITS: usize = 16;

/// The eight bytes that sixteen hex digits of either case are; `None` when one is no digit.
#[inline]
pub(crate) fn read(digits: [u8; DIGITS]) -> Option<[u8; 8]> {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: each x86-64 processor has SSE2.
    return unsafe { sse2::read(digits) };
    #[cfg(not(target_arch = "x86_64"))]
    portable::read(digits)
}

/// The sixteen digits of eight bytes, in lower case.
#[must_use]
#[inline]
pub fn digits(bytes: [u8; 8]) -> [u8; 16] {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: each x86-64 processor has SSE2.
    return unsafe { sse2::digits(bytes) };
    #[cfg(not(target_arch = "x86_64"))]
    portable::digits(bytes)
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_and_si128, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8,
        _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_packus_epi16, _mm_set_epi64x, _mm_set1_epi8, _mm_set1_epi16, _mm_slli_epi16,
        _mm_srli_epi16, _mm_sub_epi8, _mm_unpackhi_epi64, _mm_unpacklo_epi8,
    };

    use super::DIGITS;

    const ALL: i32 = 0xffff;

    #[inline]
    #[target_feature(enable = "sse2")]
    fn each(byte: u8) -> __m128i {
        _mm_set1_epi8(byte.cast_signed())
    }

    /// Which bytes are at most this.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn at_most(bytes: __m128i, most: u8) -> __m128i {
        _mm_cmpeq_epi8(_mm_min_epu8(bytes, each(most)), bytes)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn read(digits: [u8; DIGITS]) -> Option<[u8; 8]> {
        let digits = u128::from_le_bytes(digits);
        let digits = _mm_set_epi64x((digits >> 64) as i64, digits as i64);
        let numbers = _mm_sub_epi8(digits, each(b'0'));
        let letters = _mm_sub_epi8(_mm_or_si128(digits, each(0x20)), each(b'a'));
        let (number, letter) = (at_most(numbers, 9), at_most(letters, 5));
        if _mm_movemask_epi8(_mm_or_si128(number, letter)) != ALL {
            return None;
        }
        let letters = _mm_andnot_si128(number, _mm_add_epi8(letters, each(10)));
        let values = _mm_or_si128(_mm_and_si128(number, numbers), letters);
        // The first of two digits, the lower byte, is the higher half of their byte.
        let pairs = _mm_or_si128(_mm_slli_epi16(values, 4), _mm_srli_epi16(values, 8));
        let pairs = _mm_and_si128(pairs, _mm_set1_epi16(0xff));
        Some(_mm_cvtsi128_si64(_mm_packus_epi16(pairs, pairs)).to_le_bytes())
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn digits(bytes: [u8; 8]) -> [u8; DIGITS] {
        let bytes = _mm_cvtsi64_si128(i64::from_le_bytes(bytes));
        let high = _mm_and_si128(_mm_srli_epi16(bytes, 4), each(0x0f));
        let values = _mm_unpacklo_epi8(high, _mm_and_si128(bytes, each(0x0f)));
        // What is beyond nine is a letter, 39 further on.
        let letters = _mm_and_si128(_mm_cmpgt_epi8(values, each(9)), each(b'a' - b'0' - 10));
        let digits = _mm_add_epi8(values, _mm_add_epi8(letters, each(b'0')));
        let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(digits, digits));
        let low = _mm_cvtsi128_si64(digits);
        (u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())).to_le_bytes()
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::DIGITS;

    fn value(digit: u8) -> Option<u8> {
        char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
    }

    pub(super) fn read(digits: [u8; DIGITS]) -> Option<[u8; 8]> {
        let mut bytes = [0; 8];
        let (pairs, _) = digits.as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Some(bytes)
    }

    pub(super) fn digits(bytes: [u8; 8]) -> [u8; DIGITS] {
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
        let mut digits = [0; DIGITS];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(bytes) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_agree_on_any_bytes(
            some in any::<[u8; DIGITS]>(),
            bytes in any::<[u8; 8]>(),
        ) {
            prop_assert_eq!(read(some), portable::read(some));
            prop_assert_eq!(digits(bytes), portable::digits(bytes));
            prop_assert_eq!(read(digits(bytes)), Some(bytes));
            let upper = digits(bytes).map(|digit| digit.to_ascii_uppercase());
            prop_assert_eq!(read(upper), Some(bytes));
        }
    }

    #[test]
    fn every_byte_is_a_hex_digit_or_not_at_every_place() {
        for byte in 0..=255_u8 {
            for place in 0..DIGITS {
                let mut digits = *b"01f9aFc34bF92E0d";
                digits[place] = byte;
                assert_eq!(read(digits), portable::read(digits), "{byte} at {place}");
                assert_eq!(read(digits).is_some(), byte.is_ascii_hexdigit(), "{byte} at {place}");
            }
        }
        assert_eq!(&digits([0, 1, 0x2f, 0xa9, 0x9a, 0xff, 0x10, 0xe8]), b"00012fa99aff10e8");
    }
}
