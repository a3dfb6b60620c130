//! What a text has that the rules of many log lines are about, found in one pass.
//!
//! Input: any bytes. Output: [`Survey`]: `false` only where there is nothing of the kind. AVX2 is
//! used where the processor has it; the portable code finds the same
//! (`the_surveys_agree_on_any_bytes`).

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "vector loads, and a call that needs a processor feature")
)]

use super::rules::{ESCAPE_DIGITS_MAX, is_behind_escape};

/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// A card number has at least so many bytes, of which none is in another class.
pub(super) const CARD_BYTES_MIN: usize = 13;

/// What there may be in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// An at sign.
    pub(super) at_sign: bool,
    /// From the first place where a card number may begin to the end of the last row of digits,
    /// blanks and dashes that one fits in; the same number when there is none. One begins with a
    /// digit that some issuer has and that no other digit is before, or behind an escape.
    pub(super) cards: (usize, usize),
    /// The same from the first of those rows: in a part of the text a number may begin where in
    /// the text a digit is before it.
    pub(super) rows: (usize, usize),
    /// Dots between digits, as many as an IPv4 address has.
    pub(super) v4: bool,
}

/// One bit for each byte of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Masks {
    digit: u64,
    /// Blanks and dashes.
    gap: u64,
    dot: u64,
}

impl Survey {
    /// Looks at a text.
    #[inline]
    pub(super) fn of(text: &[u8]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the features that the function is compiled for were found just above.
            return unsafe { survey_avx2(text) };
        }
        Self::portable(text)
    }

    /// The same without vector instructions.
    fn portable(text: &[u8]) -> Self {
        let at_sign = text.contains(&b'@');
        Self { at_sign, ..Self::drive(text, masks_portable) }
    }

    /// The survey itself but for at signs, around the operation that vector instructions make fast.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    fn drive(text: &[u8], mut masks: impl FnMut(&[u8; BLOCK]) -> Masks) -> Self {
        let mut tally = Tally::default();
        let (mut row, mut first, mut last) = (None, None, 0);
        let mut begun = |(rows, starts): (u64, u64), at: usize| {
            if rows == 0 {
                return;
            }
            // The block is the one before the one at `at`.
            let block = at - BLOCK;
            if first.is_none() {
                first = of_issuer(text, block, starts);
            }
            row.get_or_insert(block + rows.trailing_zeros() as usize);
            last = at - rows.leading_zeros() as usize - 1 + CARD_BYTES_MIN;
        };
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut at = 0;
        for block in blocks {
            begun(tally.add(masks(block)), at);
            at += BLOCK;
        }
        // What is beyond the end is in no class.
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(rest) {
            *to = *from;
        }
        begun(tally.add(masks(&block)), at);
        begun(tally.add(Masks::default()), at + BLOCK);
        let until_last = |first: Option<usize>| first.map_or((0, 0), |first| (first, last));
        Self {
            at_sign: false,
            cards: until_last(first),
            rows: until_last(row),
            v4: tally.dots >= 3,
        }
    }
}

/// The first of these places in a block where a digit is that card numbers begin with, or where an
/// escape ends with the first digits.
#[inline]
fn of_issuer(text: &[u8], block: usize, mut places: u64) -> Option<usize> {
    while places != 0 {
        let at = block + places.trailing_zeros() as usize;
        if matches!(text.get(at), Some(b'2'..=b'6')) || ends_escape(text, at) {
            return Some(at);
        }
        places &= places - 1;
    }
    None
}

/// Whether the first digits here are those of an escape (`%09`, `\x09`, `#011`).
fn ends_escape(text: &[u8], at: usize) -> bool {
    (1..=ESCAPE_DIGITS_MAX).any(|digits| is_behind_escape(text, at + digits))
}

/// What a survey carries from block to block.
#[derive(Debug, Default)]
struct Tally {
    /// The block before, whose end is settled only when the next one is seen.
    last: Masks,
    /// Bit 0: the byte before that block is a digit.
    before: u64,
    dots: u32,
}

impl Tally {
    /// Takes the next block; gives where in the one before it a row begins or goes on that a card
    /// number fits in, and where one could begin, whatever the digit.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    fn add(&mut self, next: Masks) -> (u64, u64) {
        let last = self.last;
        // A bit is set where a run of 13 bytes of the class begins: 2, 4, 8, then 5 more.
        let mut run = u128::from(next.digit | next.gap) << 64 | u128::from(last.digit | last.gap);
        run &= run >> 1;
        run &= run >> 2;
        run &= run >> 4;
        run &= run >> 5;
        let after_digit = last.digit << 1 | self.before;
        let before_digit = last.digit >> 1 | next.digit << 63;
        self.dots += (last.dot & after_digit & before_digit).count_ones();
        self.before = last.digit >> 63;
        self.last = next;
        let rows = run as u64;
        (rows, rows & last.digit & !after_digit)
    }
}

fn masks_portable(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks::default();
    for (bit, byte) in block.iter().enumerate() {
        masks.digit |= u64::from(byte.is_ascii_digit()) << bit;
        masks.gap |= u64::from(matches!(byte, b' ' | b'-')) << bit;
        masks.dot |= u64::from(*byte == b'.') << bit;
    }
    masks
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn survey_avx2(text: &[u8]) -> Survey {
    use std::arch::x86_64::{_mm256_setzero_si256, _mm256_testz_si256};

    let mut at_signs = _mm256_setzero_si256();
    let survey = Survey::drive(text, |block| masks_avx2(block, &mut at_signs));
    Survey { at_sign: _mm256_testz_si256(at_signs, at_signs) == 0, ..survey }
}

/// The masks of a block; its at signs are added to `at_signs`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn masks_avx2(block: &[u8; BLOCK], at_signs: &mut std::arch::x86_64::__m256i) -> Masks {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi8, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    let pointer = block.as_ptr().cast::<__m256i>();
    // SAFETY: a block has 64 bytes, so both halves of 32 are within it, and the load asks for
    // no alignment.
    let halves = unsafe { [_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1))] };
    let both = |of: [__m256i; 2]| {
        let [low, high] = of.map(|half| u64::from(_mm256_movemask_epi8(half).cast_unsigned()));
        low | high << 32
    };
    let is =
        |half: __m256i, byte: u8| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(byte.cast_signed()));
    for half in halves {
        *at_signs = _mm256_or_si256(*at_signs, is(half, b'@'));
    }
    // Moved to the end of the signed numbers, the digits are above all others.
    let digits = halves.map(|half| {
        let moved = _mm256_add_epi8(half, _mm256_set1_epi8(0x7f - b'9'.cast_signed()));
        _mm256_cmpgt_epi8(moved, _mm256_set1_epi8(0x7f - 10))
    });
    Masks {
        digit: both(digits),
        gap: both(halves.map(|half| _mm256_or_si256(is(half, b' '), is(half, b'-')))),
        dot: both(halves.map(|half| is(half, b'.'))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition.
    fn slow(text: &[u8]) -> Survey {
        let class = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-');
        let between = |three: &&[u8]| {
            three[1] == b'.' && three[0].is_ascii_digit() && three[2].is_ascii_digit()
        };
        let rows = text.windows(CARD_BYTES_MIN).enumerate();
        let rows = rows.filter(|(_, run)| run.iter().all(class)).map(|one| one.0);
        let begins = |at: &usize| {
            let is_first = !(*at > 0 && text[*at - 1].is_ascii_digit());
            let is_escape = text[*at].is_ascii_digit() && ends_escape(text, *at);
            is_first && (matches!(text[*at], b'2'..=b'6') || is_escape)
        };
        let rows: Vec<usize> = rows.collect();
        let (row, last) = (rows.first().copied(), rows.last().copied());
        let first = rows.iter().copied().find(begins);
        let until_last = |first: Option<usize>| {
            first.zip(last).map_or((0, 0), |(first, last)| (first, last + CARD_BYTES_MIN))
        };
        Survey {
            at_sign: text.contains(&b'@'),
            cards: until_last(first),
            rows: until_last(row),
            v4: text.windows(3).filter(between).count() >= 3,
        }
    }

    proptest! {
        #[test]
        fn the_surveys_agree_on_any_bytes(
            text in prop::collection::vec(
                prop_oneof![8 => Just(b'1'), 4 => Just(b'4'), 4 => prop::sample::select(b" -.@9a/:0%x#".to_vec()), 1 => any::<u8>()],
                0..300,
            ),
        ) {
            prop_assert_eq!(Survey::of(&text), slow(&text));
            prop_assert_eq!(Survey::portable(&text), slow(&text));
        }
    }

    #[test]
    fn what_lies_across_blocks_is_seen_and_one_byte_less_is_not() {
        for start in 0..150 {
            for (what, found) in [
                ("4111-1111 1111", true),
                ("4111-1111-11", false),
                ("1111-1111 1111", false),
                ("14111111111111", false),
                (" 4111111111111", true),
                ("%094111111111111", true),
                ("%e04111111111111", true),
                ("#0114111111111111", true),
                ("ee04111111111111", false),
            ] {
                let text = format!("{}{what}{}", "x".repeat(start), "x".repeat(90));
                let cards = Survey::of(text.as_bytes()).cards;
                assert_eq!(cards.0 < cards.1, found, "{what} at {start}");
            }
            for (what, found) in [("1.2.3.4", true), ("1.2.3.", false)] {
                let text = format!("{}{what}", "x".repeat(start));
                assert_eq!(Survey::of(text.as_bytes()).v4, found, "{what} at {start}");
            }
        }
    }

    #[test]
    fn every_byte_is_in_its_classes() {
        for byte in 0..=255_u8 {
            let text = [byte; CARD_BYTES_MIN];
            assert_eq!(Survey::of(&text), slow(&text), "{byte}");
            let text = [b'1', b'.', byte, b'.', b'1', b'.', b'1'];
            assert_eq!(Survey::of(&text), slow(&text), "{byte}");
        }
    }
}
