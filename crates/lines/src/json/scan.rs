//! The scanner: where the bytes of a line are that are not plain content of a string.
//!
//! Input: any bytes. Output: one bit for each byte, set for quotes, backslashes and control
//! characters, and whether strings of the line can be written as JSON as they are. AVX2 is used
//! where the processor has it; the portable code gives the same
//! (`the_scanners_agree_on_any_bytes`). A line that is known to be clean needs no scan.

use super::simd;
use super::walk::GAP;

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

/// The bits of a line; its memory is used again from line to line.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Eight bytes for each block of the line, and eight more.
    words: Vec<[u8; 8]>,
    /// Whether there is no backslash, no control character and no DEL in the line.
    pub(super) plain: bool,
}

impl Index {
    /// Looks at a line.
    #[inline]
    pub(crate) fn scan(&mut self, line: &[u8]) {
        simd::scan(self, line);
    }

    /// Looks at a line without vector instructions.
    pub(crate) fn scan_portable(&mut self, line: &[u8]) {
        let mut plain = true;
        self.drive(line, |block| {
            plain &= !block.iter().any(|byte| is_special(*byte) && *byte != b'"' || *byte == 0x7f);
            specials_portable(block)
        });
        self.plain = plain;
    }

    /// The scan itself, around the operation that vector instructions make fast.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    pub(super) fn drive(&mut self, line: &[u8], mut specials: impl FnMut(&[u8; BLOCK]) -> u64) {
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        self.words.resize(line.len().div_ceil(BLOCK) + 1, [0; 8]);
        for (word, block) in self.words.iter_mut().zip(blocks) {
            *word = specials(block).to_le_bytes();
        }
        if !rest.is_empty()
            && let Some(word) = self.words.get_mut(blocks.len())
        {
            let bits = match line.last_chunk() {
                // Bytes that were looked at already are shifted out.
                Some(last) => specials(last) >> (BLOCK - rest.len()),
                None => {
                    let mut block = [b' '; BLOCK];
                    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                    specials(&block)
                }
            };
            *word = bits.to_le_bytes();
        }
        if let Some(last) = self.words.last_mut() {
            *last = [0; 8];
        }
    }

    /// What was found in the line.
    #[inline]
    pub(crate) fn marks(&self) -> Scanned<'_> {
        Scanned(self.words.as_flattened())
    }

    /// Whether what is between quotes of the line can be written between quotes as it is, and
    /// printed: there is no backslash, no control character and no DEL in it.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// The bits, the first byte's lowest.
    pub(crate) fn words(&self) -> &[[u8; 8]] {
        &self.words
    }
}

/// What was found in some bytes before the walk: a bit for each, set for those that are not plain
/// content of a string. Behind the last one are others, of which nothing is asked.
pub(crate) trait Marks: Copy {
    /// Whether there is nothing marked but quotes.
    const ARE_QUOTES: bool;

    /// The bits of 64 bytes: the first one is eight times `at`, and has the lowest bit.
    fn word(self, at: usize) -> Option<u64>;

    /// Whether two gaps are equal in the bytes whose masks are all ones.
    fn equal(self, one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool;

    /// The first marked place that is not below `from`.
    #[inline(always)]
    fn next(self, from: usize) -> Option<usize> {
        // Where a string lies among the words is chance: no branch depends on it.
        let mut at = from;
        loop {
            let bits = self.word(at / 8)? >> (at % 8);
            if bits != 0 {
                return Some(at + bits.trailing_zeros() as usize);
            }
            at = at / 8 * 8 + 64;
        }
    }
}

/// What a scan of some bytes has found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned<'w>(&'w [u8]);

impl Marks for Scanned<'_> {
    const ARE_QUOTES: bool = false;

    #[inline(always)]
    fn word(self, at: usize) -> Option<u64> {
        let word = self.0.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    #[inline(always)]
    fn equal(self, one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
        simd::equal(one, other, masks)
    }
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The bits of a block, byte by byte.
fn specials_portable(block: &[u8; BLOCK]) -> u64 {
    let bits = block.iter().enumerate().map(|(bit, byte)| u64::from(is_special(*byte)) << bit);
    bits.fold(0, |all, bit| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn positions(index: &Index) -> Vec<usize> {
        let mut from = 0;
        let next = || index.marks().next(from).inspect(|at| from = at + 1);
        std::iter::from_fn(next).collect()
    }

    fn slow(line: &[u8]) -> Vec<usize> {
        (0..line.len()).filter(|at| is_special(line[*at])).collect()
    }

    proptest! {
        #[test]
        fn the_scanners_agree_on_any_bytes(
            line in prop::collection::vec(
                prop_oneof![400 => Just(b'a'), 40 => Just(b'"'), 1 => Just(b'\\'), 1 => any::<u8>()],
                0..300,
            ),
        ) {
            let odd = |byte: &u8| *byte < 0x20 || [b'\\', 0x7f].contains(byte);
            for scan in simd::scanners().into_iter().chain([Index::scan as _]) {
                let (mut fast, mut portable) = (Index::default(), Index::default());
                scan(&mut fast, &line);
                portable.scan_portable(&line);
                prop_assert_eq!(fast.words(), portable.words());
                prop_assert_eq!(fast.is_plain(), portable.is_plain());
                prop_assert_eq!(fast.is_plain(), !line.iter().any(odd));
                prop_assert_eq!(positions(&fast), slow(&line));
            }
        }
    }

    #[test]
    fn every_byte_is_special_or_not_at_every_place() {
        let mut index = Index::default();
        for byte in 0..=255 {
            for place in 0..130 {
                let mut line = [b'x'; 130];
                line[place] = byte;
                let odd = byte < 0x20 || [b'\\', 0x7f].contains(&byte);
                for scan in simd::scanners() {
                    scan(&mut index, &line);
                    assert_eq!(positions(&index), slow(&line), "{byte} at {place}");
                    assert_eq!(index.is_plain(), !odd, "{byte} at {place}");
                }
            }
        }
        index.scan(b"");
        assert!(positions(&index).is_empty(), "an index is used again");
    }
}
