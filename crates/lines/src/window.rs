//! The next bytes of a chunk, looked at once for all: where lines end in them, where their quotes
//! are, and which lines are *clean*.
//!
//! A clean line is of the characters from space to `~` without a backslash. So it is UTF-8, the
//! quotes are all that JSON's grammar asks of it, and what lies between two of them can be written
//! between quotes as it is. Nearly all lines are; the others are looked at one by one.
//!
//! Memory: [`Window`] has 18 KiB whatever it sees. Without AVX2 and BMI nothing is seen in it.

#![expect(
    unsafe_code,
    reason = "vector loads, calls that need processor features, and text that is known to be such"
)]

use crate::json::scan::Marks;
#[cfg(not(target_arch = "x86_64"))]
use crate::json::walk;
use crate::json::walk::{GAP, Members};

/// So many bytes are looked at together; of a longer line nothing is known.
pub(crate) const WINDOW_BYTES: usize = 8 * 1024;
/// Bytes for which there is a word of bits.
const BLOCK: usize = 64;
/// One bit for each byte of a window, and eight bytes more.
const BITS_BYTES: usize = WINDOW_BYTES / 8 + 8;

/// Bits of some bytes, and where newlines are in them.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Where newlines are; behind the last one of them is what was found before.
    newlines: Vec<u16>,
    /// One bit for each byte, and eight bytes more.
    quotes: Vec<[u8; 8]>,
    /// The bytes that are not in a clean line; newlines are not among them.
    odd: Vec<u64>,
    is_odd: bool,
}

/// What a block of bytes says of each.
struct Bits {
    newlines: u64,
    quotes: u64,
    odd: u64,
}

/// Bytes that were looked at.
#[derive(Debug)]
pub(crate) struct Seen<'w> {
    bytes: &'w [u8],
    window: &'w Window,
    quotes: Quotes<'w>,
    newlines: &'w [u16],
}

/// The lines that end in what was looked at, one after the other.
pub(crate) struct Lines<'w> {
    seen: &'w Seen<'w>,
    newlines: std::slice::Iter<'w, u16>,
    /// Where the next line begins.
    start: usize,
}

/// A line, or the end of one, that is clean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clean<'w> {
    seen: &'w Seen<'w>,
    /// Where it is in the bytes that were looked at: each of these is ASCII.
    start: usize,
    end: usize,
}

impl Window {
    /// Looks at what the bytes begin with.
    #[inline]
    pub(crate) fn look<'w>(&'w mut self, bytes: &'w [u8]) -> Seen<'w> {
        let bytes = bytes.get(..WINDOW_BYTES).unwrap_or(bytes);
        let count = self.read(bytes);
        self.seen(bytes, count)
    }

    /// What is in it, of these bytes with so many newlines.
    #[inline]
    fn seen<'w>(&'w self, bytes: &'w [u8], newlines: usize) -> Seen<'w> {
        let newlines = self.newlines.get(..newlines).unwrap_or_default();
        let quotes = Quotes(self.quotes.as_flattened().first_chunk().unwrap_or(&[0; BITS_BYTES]));
        Seen { bytes, newlines, quotes, window: self }
    }

    /// Fills the window; gives how many newlines there are.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must become part of a function with AVX2 enabled")]
    fn fill(&mut self, bytes: &[u8], mut look: impl FnMut(&[u8; BLOCK]) -> Bits) -> usize {
        self.newlines.resize(WINDOW_BYTES, 0);
        self.quotes.resize(BITS_BYTES / 8, [0; 8]);
        self.odd.resize(WINDOW_BYTES / BLOCK, 0);
        let (mut count, mut all) = (0, 0);
        let Some(newlines) = self.newlines.first_chunk_mut::<WINDOW_BYTES>() else { return 0 };
        let mut keep = |at: usize, bits: Bits, quotes: &mut [u8; 8], odd: &mut u64| {
            (*quotes, *odd) = (bits.quotes.to_le_bytes(), bits.odd);
            all |= bits.odd;
            let mut rest = bits.newlines;
            // Nearly always there is one at most: it is written in any case. There are never more
            // than bytes, so the remainder is the place itself.
            loop {
                if let Some(place) = newlines.get_mut(count % WINDOW_BYTES) {
                    *place = (at * BLOCK) as u16 | rest.trailing_zeros() as u16;
                }
                count += usize::from(rest != 0);
                rest &= rest.wrapping_sub(1);
                if rest == 0 {
                    break;
                }
            }
        };
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        let words = self.quotes.iter_mut().zip(&mut self.odd);
        for ((at, block), (quotes, odd)) in blocks.iter().enumerate().zip(words) {
            keep(at, look(block), quotes, odd);
        }
        let at = blocks.len();
        if let (false, Some(quotes), Some(odd)) =
            (rest.is_empty(), self.quotes.get_mut(at), self.odd.get_mut(at))
        {
            let mut block = [b' '; BLOCK];
            block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            keep(at, look(&block), quotes, odd);
        }
        self.is_odd = all != 0;
        count
    }

    /// Whether the line from `start` to `end` is clean.
    #[inline]
    fn is_clean(&self, start: usize, end: usize) -> bool {
        if !self.is_odd {
            return true;
        }
        let (first, last) = (start / BLOCK, end / BLOCK);
        let words = self.odd.get(first..=last).unwrap_or(&[u64::MAX]).iter().enumerate();
        let mut odd = 0;
        for (at, word) in words {
            let from = if at == 0 { start % BLOCK } else { 0 };
            // A newline ends the line: the bit of `end` itself is never set.
            let to = if first + at == last { !(u64::MAX << (end % BLOCK)) } else { u64::MAX };
            odd |= word & u64::MAX << from & to;
        }
        odd == 0
    }
}

impl<'w> Seen<'w> {
    /// The lines that end in them with their newlines, at most so many, when each is clean.
    #[inline]
    pub(crate) fn clean(&self, most: usize) -> Option<&'w str> {
        let last = *self.newlines.get(..most).unwrap_or(self.newlines).last()?;
        let bytes = self.bytes.get(..=usize::from(last)).filter(|_| !self.window.is_odd)?;
        // SAFETY: the bits of these very bytes, which are borrowed as long as the window is, say
        // that each of them is ASCII.
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// The lines that end in them.
    #[inline]
    pub(crate) fn lines(&self) -> Lines<'_> {
        Lines { seen: self, newlines: self.newlines.iter(), start: 0 }
    }
}

impl Lines<'_> {
    /// Where the next line begins.
    #[inline]
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The line that the bytes begin with, when it ends in none that were looked at.
    #[inline(never)]
    pub(crate) fn long<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let seen = self.seen.bytes.len();
        let end = seen + memchr::memchr(b'\n', bytes.get(seen..)?)?;
        self.start = end + 1;
        bytes.get(..end)
    }
}

impl<'w> Iterator for Lines<'w> {
    type Item = (&'w [u8], Option<Clean<'w>>);

    /// A line without its newline.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let end = usize::from(*self.newlines.next()?);
        let (start, seen) = (self.start, self.seen);
        let bytes = seen.bytes.get(start..end)?;
        self.start = end + 1;
        let is_clean = seen.window.is_clean(start, end);
        Some((bytes, is_clean.then_some(Clean { seen, start, end })))
    }
}

impl<'w> Clean<'w> {
    /// The last `length` bytes of it.
    #[inline]
    pub(crate) fn last(self, length: usize) -> Option<Self> {
        let start = self.end.checked_sub(length)?;
        (start >= self.start).then_some(Self { start, ..self })
    }

    /// What it says.
    #[inline]
    pub(crate) fn text(self) -> &'w str {
        let bytes = self.seen.bytes.get(self.range()).unwrap_or_default();
        // SAFETY: the bits of these very bytes, which are borrowed as long as the window is, say
        // that each of them is ASCII.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    /// Where it is in [`Clean::bytes`].
    #[inline]
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// What was looked at, up to its end.
    #[inline]
    pub(crate) fn bytes(self) -> &'w [u8] {
        self.seen.bytes.get(..self.end).unwrap_or_default()
    }

    /// Gives each member of the JSON object that it is, by their places in [`Clean::bytes`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each line")]
    pub(crate) fn members(self, members: impl Members) -> Option<()> {
        let quotes = self.seen.quotes;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: without these features nothing is seen, so no line is clean.
        return unsafe { x86::members(self.bytes(), self.start, quotes, members) };
        #[cfg(not(target_arch = "x86_64"))]
        walk::read(self.bytes(), self.start, quotes, members)
    }
}

/// The quotes in what was looked at, with what found them: see [`Window::read`].
#[derive(Debug, Clone, Copy)]
struct Quotes<'w>(&'w [u8; BITS_BYTES]);

impl Marks for Quotes<'_> {
    const ARE_QUOTES: bool = true;

    #[inline(always)]
    fn word(self, at: usize) -> Option<u64> {
        let word = self.0.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn equal(self, one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
        // SAFETY: only the members of clean lines are compared, and without these features no
        // line is clean.
        unsafe { x86::equal(one, other, masks) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn equal(self, one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
        let mut bytes = one.iter().zip(other).zip(masks);
        bytes.all(|((one, other), mask)| (one ^ other) & mask == 0)
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Window {
    fn read(&mut self, _bytes: &[u8]) -> usize {
        0
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_testz_si256,
        _mm256_xor_si256, _mm512_cmpeq_epi8_mask, _mm512_cmpge_epu8_mask, _mm512_cmplt_epu8_mask,
        _mm512_loadu_si512, _mm512_set1_epi8,
    };

    use super::{BLOCK, Bits, Quotes, Window};
    use crate::json::walk::{self, GAP, Members};

    /// Whether the processor has what everything here needs.
    #[inline]
    pub(super) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
    }

    /// [`walk::read`] of a clean line.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn members(
        bytes: &[u8],
        start: usize,
        quotes: Quotes<'_>,
        members: impl Members,
    ) -> Option<()> {
        walk::read(bytes, start, quotes, members)
    }

    /// Whether two gaps are equal in the bytes whose masks are all ones.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn equal(one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
        let load = |bytes: &[u8; GAP]| {
            // SAFETY: a gap has 32 bytes, and the load asks for no alignment.
            unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
        };
        let differs = _mm256_xor_si256(load(one), load(other));
        _mm256_testz_si256(differs, load(masks)) == 1
    }

    impl Window {
        /// [`Window::fill`] with what the processor has; the standard library remembers that.
        #[inline]
        pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
            if !has_avx2() {
                return 0;
            }
            if is_x86_feature_detected!("avx512bw") {
                // SAFETY: the features that the function is compiled for were found just above.
                unsafe { self.read_avx512(bytes) }
            } else {
                // SAFETY: as above.
                unsafe { self.read_avx2(bytes) }
            }
        }

        #[target_feature(enable = "avx512bw,bmi1")]
        pub(super) fn read_avx512(&mut self, bytes: &[u8]) -> usize {
            self.fill(bytes, |block| bits_avx512(block))
        }

        #[target_feature(enable = "avx2,bmi1")]
        pub(super) fn read_avx2(&mut self, bytes: &[u8]) -> usize {
            self.fill(bytes, |block| bits_avx2(block))
        }
    }

    #[target_feature(enable = "avx512bw")]
    #[inline]
    fn bits_avx512(block: &[u8; BLOCK]) -> Bits {
        // SAFETY: a block has 64 bytes, and the load asks for no alignment.
        let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let all = |byte: u8| _mm512_set1_epi8(byte.cast_signed());
        let is = |byte: u8| _mm512_cmpeq_epi8_mask(bytes, all(byte));
        let newlines = is(b'\n');
        let control = _mm512_cmplt_epu8_mask(bytes, all(b' '));
        let beyond = _mm512_cmpge_epu8_mask(bytes, all(0x7f));
        let odd = (control | beyond | is(b'\\')) & !newlines;
        Bits { newlines, quotes: is(b'"'), odd }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bits_avx2(block: &[u8; BLOCK]) -> Bits {
        let pointer = block.as_ptr().cast::<__m256i>();
        // SAFETY: a block has 64 bytes, so both halves of 32 are within it, and the load asks for
        // no alignment.
        let halves = unsafe { [_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1))] };
        let [low, high] = halves.map(|bytes| half(bytes));
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let newlines = join(low[0], high[0]);
        let odd = join(low[2], high[2]) & !newlines;
        Bits { newlines, quotes: join(low[1], high[1]), odd }
    }

    /// Newlines, quotes, and what is odd, newlines included.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(bytes: __m256i) -> [u32; 3] {
        let all = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
        let is = |byte: u8| _mm256_cmpeq_epi8(bytes, all(byte));
        let control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, all(0x1f)), bytes);
        let beyond = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, all(0x7f)), bytes);
        let odd = _mm256_or_si256(_mm256_or_si256(control, beyond), is(b'\\'));
        [is(b'\n'), is(b'"'), odd].map(|mask| _mm256_movemask_epi8(mask).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything that fills a window here.
    fn readers() -> Vec<fn(&mut Window, &[u8]) -> usize> {
        let mut all: Vec<fn(&mut Window, &[u8]) -> usize> = vec![Window::read];
        #[cfg(target_arch = "x86_64")]
        if x86::has_avx2() {
            // SAFETY: the features that the function is compiled for were found just above.
            all.push(|window, bytes| unsafe { window.read_avx2(bytes) });
        }
        all
    }

    fn is_clean(line: &[u8]) -> bool {
        line.iter().all(|byte| (b' '..0x7f).contains(byte) && *byte != b'\\')
    }

    fn quotes(bytes: &[u8], window: &Window, range: std::ops::Range<usize>) -> Vec<usize> {
        let words = window.quotes.as_flattened();
        let is_set = |at: &usize| words[at / 8] >> (at % 8) & 1 == 1;
        assert!(range.clone().all(|at| is_set(&at) == (bytes[at] == b'"')));
        range.filter(is_set).collect()
    }

    /// A window says of these bytes what they are, whatever it saw before.
    fn check(window: &mut Window, bytes: &[u8]) {
        for read in readers() {
            let seen = bytes.get(..WINDOW_BYTES).unwrap_or(bytes);
            let count = read(window, seen);
            let seen = window.seen(seen, count);
            let mut lines = seen.lines();
            if count == 0 && window.quotes.is_empty() {
                // A processor without vector instructions.
                return;
            }
            let ends = seen.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            let mut start = 0;
            for (end, _) in ends {
                let line = &bytes[start..end];
                let (found, clean) = lines.next().unwrap();
                assert_eq!((found, lines.start()), (line, end + 1));
                assert_eq!(clean.is_some(), is_clean(line), "{line:?}");
                if let Some(clean) = clean {
                    assert_eq!(clean.text().as_bytes(), line);
                    let last = clean.last(line.len() / 2).unwrap();
                    assert_eq!(last.text().as_bytes(), &line[line.len() - line.len() / 2..]);
                    assert_eq!(last.bytes().len(), end);
                    assert!(clean.last(line.len() + 1).is_none());
                    quotes(bytes, window, clean.range());
                }
                start = end + 1;
            }
            assert!(lines.next().is_none());
            assert_eq!(lines.start(), start);
        }
    }

    #[test]
    fn every_byte_is_a_newline_a_quote_odd_or_none_at_every_place() {
        let mut window = Window::default();
        for byte in 0..=255 {
            for place in 0..130 {
                let mut bytes = [b'x'; 131];
                (bytes[place], bytes[130]) = (byte, b'\n');
                check(&mut window, &bytes);
            }
        }
    }

    #[test]
    fn a_window_of_nothing_but_newlines_and_one_without_any() {
        let mut window = Window::default();
        for length in [0, 1, 63, 64, 65, WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 70] {
            for byte in *b"\n\"x\\" {
                check(&mut window, &vec![byte; length]);
            }
        }
    }

    #[test]
    fn a_line_that_is_longer_than_the_window_is_found_behind_it() {
        for (length, wanted) in [(WINDOW_BYTES, true), (3 * WINDOW_BYTES, true), (5, false)] {
            let mut bytes = vec![b'x'; length + 9];
            if wanted {
                bytes[length] = b'\n';
            }
            let mut window = Window::default();
            let seen = window.look(&bytes);
            let mut lines = seen.lines();
            assert!(lines.next().is_none());
            let line = lines.long(&bytes);
            assert_eq!(line.map(<[u8]>::len), wanted.then_some(length));
            assert_eq!(lines.start(), if wanted { length + 1 } else { 0 });
        }
    }

    proptest! {
        #[test]
        fn a_window_says_what_the_bytes_are(
            texts in prop::collection::vec(
                prop::collection::vec(
                    prop_oneof![
                        300 => Just(b'a'),
                        30 => Just(b'"'),
                        6 => Just(b'\n'),
                        1 => Just(b'\\'),
                        1 => any::<u8>(),
                    ],
                    0..400,
                ),
                1..4,
            ),
        ) {
            let mut window = Window::default();
            for bytes in &texts {
                check(&mut window, bytes);
            }
        }
    }
}
