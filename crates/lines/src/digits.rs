//! Decimal digits, eight bytes at once; the first byte is the lowest of its word.

/// All bits of each byte but the highest, and the highest.
const EACH_LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const EACH_HIGH: u64 = !EACH_LOW;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// How many digits the bytes begin with, 0 to 8.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each number of each line")]
#[must_use]
pub fn count(bytes: u64) -> u32 {
    // Now a digit is its value.
    let values = bytes ^ ZEROS;
    // A byte beyond 9 reaches its highest bit, with or without its neighbour's carry.
    let beyond = (values & EACH_LOW).wrapping_add(0x7676_7676_7676_7676) | values;
    (beyond & EACH_HIGH).trailing_zeros() / 8
}

/// The number that the first `count` bytes are, which are digits: 1 to 8 of them.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each number of each line")]
#[must_use]
pub fn number(bytes: u64, count: u32) -> u32 {
    // Zeros before it instead of what is behind it.
    joined((bytes ^ ZEROS) << (64_u32.saturating_sub(8 * count) & 63))
}

/// The same, as if zeros followed up to the eighth digit; 0 for no digit.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each time of each line")]
pub(crate) fn scaled(bytes: u64, count: u32) -> u32 {
    joined((bytes ^ ZEROS) & !u64::MAX.checked_shl(count * 8).unwrap_or(0))
}

/// Eight values become numbers of two, four and eight digits, all at once.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each number of each line")]
fn joined(values: u64) -> u32 {
    let twos = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = twos.wrapping_mul(100).wrapping_add(twos >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_a_digit_or_ends_the_number_at_every_place() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let mut text = *b"98765432";
                text[place] = byte;
                let wanted = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(count(u64::from_le_bytes(text)) as usize, wanted, "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_number_is_what_its_digits_say(digits in "[0-9]{1,8}", rest in "[^0-9][ -~]{7}") {
            let text = format!("{digits}{rest}");
            let word = u64::from_le_bytes(*text.as_bytes().first_chunk().unwrap());
            let length = count(word);
            prop_assert_eq!(length as usize, digits.len());
            let value: u32 = digits.parse().unwrap();
            prop_assert_eq!(number(word, length), value);
            prop_assert_eq!(scaled(word, length), value * 10_u32.pow(8 - length));
        }
    }
}
