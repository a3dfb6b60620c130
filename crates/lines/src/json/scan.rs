//! The structural scanner: positions of the quotes of a line and of its marks outside strings.
//!
//! Input: any bytes below 4 GiB. Output: ascending positions of every quote that begins or ends a
//! string and of every `{ } [ ] : ,` outside of them; `None` when a string is open at the end
//! or has a raw control character in it. AVX2 and PCLMULQDQ are used where the processor has them;
//! the portable code gives the same positions (`the_scanners_agree_on_any_bytes`).

use super::simd;

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 64;
const EVEN_BITS: u64 = 0x5555_5555_5555_5555;

/// One bit for each byte of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) quote: u64,
    pub(super) backslash: u64,
    /// `{ } [ ] : ,` wherever they are.
    pub(super) mark: u64,
    /// Bytes below 0x20.
    pub(super) control: u64,
}

/// The positions that a scan found, reused from line to line.
#[derive(Debug, Default)]
pub(crate) struct Index {
    positions: Vec<u32>,
    len: usize,
    /// Whether there is a backslash in the line.
    pub(crate) escapes: bool,
}

/// What a scan carries from block to block.
#[derive(Debug, Default, Clone, Copy)]
struct Carry {
    /// 1 when the first byte of the next block is escaped.
    escaped: u64,
    /// All ones when the next block begins within a string.
    string: u64,
    /// All backslashes and wrong control characters so far.
    backslashes: u64,
    wrong: u64,
}

impl Index {
    /// The positions, ascending.
    pub(crate) fn positions(&self) -> &[u32] {
        self.positions.get(..self.len).unwrap_or_default()
    }

    /// Finds the marks of a line.
    pub(crate) fn scan(&mut self, line: &[u8]) -> Option<()> {
        if simd::available() { simd::scan(self, line) } else { self.scan_portable(line) }
    }

    /// Finds the marks of a line without vector instructions.
    pub(crate) fn scan_portable(&mut self, line: &[u8]) -> Option<()> {
        self.drive(line, masks_portable, prefix_xor)
    }

    /// The scan itself, around the two operations that vector instructions make fast.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    pub(super) fn drive(
        &mut self,
        line: &[u8],
        masks: impl Fn(&[u8; BLOCK]) -> Masks,
        prefix: impl Fn(u64) -> u64,
    ) -> Option<()> {
        self.len = 0;
        if u32::try_from(line.len()).is_err() {
            return None;
        }
        // A block can write all its positions and seven more without looking at the length.
        let most = line.len().next_multiple_of(BLOCK) + BLOCK;
        if self.positions.len() < most {
            self.positions.resize(most, 0);
        }
        let mut carry = Carry::default();
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        let mut base = 0;
        for block in blocks {
            let marks = carry.marks(masks(block), &prefix);
            self.write(base, marks);
            base += BLOCK as u32;
        }
        if !rest.is_empty() {
            let mut block = [b' '; BLOCK];
            for (to, from) in block.iter_mut().zip(rest) {
                *to = *from;
            }
            let marks = carry.marks(masks(&block), &prefix);
            self.write(base, marks);
        }
        self.escapes = carry.backslashes != 0;
        (carry.string == 0 && carry.wrong == 0).then_some(())
    }

    /// Appends the positions of the bits, eight at a time.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    fn write(&mut self, base: u32, mut bits: u64) {
        let count = bits.count_ones() as usize;
        let mut at = self.len;
        self.len += count;
        while at < self.len {
            let Some(out) = self.positions.get_mut(at..).and_then(|out| out.first_chunk_mut::<8>())
            else {
                return;
            };
            for to in out {
                *to = base + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
            at += 8;
        }
    }
}

impl Carry {
    /// The marks of a block: quotes that are not escaped, and marks outside of strings.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    fn marks(&mut self, block: Masks, prefix: &impl Fn(u64) -> u64) -> u64 {
        self.backslashes |= block.backslash;
        let quotes = block.quote & !self.escapes(block.backslash);
        let string = prefix(quotes) ^ self.string;
        self.string = if string >> 63 == 1 { u64::MAX } else { 0 };
        self.wrong |= block.control & string;
        quotes | (block.mark & !string)
    }

    /// The bytes that a backslash before them escapes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    fn escapes(&mut self, backslash: u64) -> u64 {
        if backslash == 0 {
            return std::mem::take(&mut self.escaped);
        }
        // A backslash that is itself escaped escapes nothing. In a run of backslashes every
        // second one is; the sum tells runs that begin on odd bits from those on even ones.
        let backslash = backslash & !self.escaped;
        let follows = backslash << 1 | self.escaped;
        let odd_starts = backslash & !EVEN_BITS & !follows;
        let (runs, overflow) = odd_starts.overflowing_add(backslash);
        self.escaped = u64::from(overflow);
        (EVEN_BITS ^ (runs << 1)) & follows
    }
}

/// The masks of a block, byte by byte.
pub(super) fn masks_portable(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks::default();
    for (bit, byte) in block.iter().enumerate() {
        masks.quote |= u64::from(*byte == b'"') << bit;
        masks.backslash |= u64::from(*byte == b'\\') << bit;
        let mark = matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',');
        masks.mark |= u64::from(mark) << bit;
        masks.control |= u64::from(*byte < 0x20) << bit;
    }
    masks
}

/// Each bit becomes the exclusive or of itself and all below it.
pub(super) fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, one byte after the other.
    fn slow(line: &[u8]) -> Option<Vec<u32>> {
        let (mut found, mut string, mut escaped, mut wrong) = (Vec::new(), false, false, false);
        for (at, byte) in line.iter().enumerate() {
            wrong |= string && *byte < 0x20;
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    string = !string;
                    found.push(at as u32);
                }
                b'{' | b'}' | b'[' | b']' | b':' | b',' if !string => found.push(at as u32),
                _ => {}
            }
        }
        // An escaped mark outside of a string is never JSON; the scanner counts it as a mark.
        (!string && !wrong).then_some(found)
    }

    proptest! {
        #[test]
        fn the_scanners_agree_on_any_bytes(
            line in prop::collection::vec(
                prop_oneof![
                    4 => prop::sample::select(b"\"\\{}[]:, \n\tab".to_vec()),
                    1 => any::<u8>(),
                ],
                0..300,
            ),
        ) {
            let (mut fast, mut portable) = (Index::default(), Index::default());
            let verdict = fast.scan(&line);
            prop_assert_eq!(verdict, portable.scan_portable(&line));
            prop_assert_eq!(fast.positions(), portable.positions());
            prop_assert_eq!(fast.escapes, line.contains(&b'\\'));
        }

        #[test]
        fn the_positions_are_those_of_the_definition(line in "[\"a{}:, ]{0,200}|([\"a{}:, ]|\"(a|\\\\\\\\|\\\\\"|\\\\n){0,70}\"){0,20}") {
            let mut index = Index::default();
            let found = index.scan(line.as_bytes()).map(|()| index.positions().to_vec());
            prop_assert_eq!(found, slow(line.as_bytes()));
        }
    }

    #[test]
    fn a_run_of_backslashes_is_followed_across_blocks() {
        for length in 0..200 {
            let line = format!("\"{}\"\"", "\\".repeat(length));
            let mut index = Index::default();
            let found = index.scan(line.as_bytes()).map(|()| index.positions().to_vec());
            assert_eq!(found, slow(line.as_bytes()), "{length}");
        }
    }
}
