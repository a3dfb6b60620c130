//! The scanner's two operations with AVX2 and PCLMULQDQ; the only unsafe code of the crate.
//!
//! Everything here has a portable twin in [`super::scan`], which other processors run.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "vector loads, and calls that need a processor feature")
)]

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{available, scan};

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn available() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn scan(index: &mut super::scan::Index, line: &[u8]) -> Option<()> {
    index.scan_portable(line)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm256_cmpeq_epi8,
        _mm256_loadu_si256, _mm256_max_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8,
    };

    use super::super::scan::{BLOCK, Index, Masks};

    /// Whether the processor has what [`scan`] needs. The standard library remembers the answer.
    #[inline]
    pub(in super::super) fn available() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
    }

    /// [`Index::scan_portable`] with vector instructions.
    #[inline]
    pub(in super::super) fn scan(index: &mut Index, line: &[u8]) -> Option<()> {
        if !available() {
            return index.scan_portable(line);
        }
        // SAFETY: the features that the function is compiled for were found just above.
        unsafe { scan_avx2(index, line) }
    }

    #[target_feature(enable = "avx2,pclmulqdq,bmi1,popcnt")]
    fn scan_avx2(index: &mut Index, line: &[u8]) -> Option<()> {
        index.drive(line, |block| masks(block), |bits| prefix_xor(bits))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let pointer = block.as_ptr().cast::<__m256i>();
        // SAFETY: a block has 64 bytes, so both halves of 32 are within it, and the load asks for
        // no alignment.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1))) };
        let equal = |byte: u8| {
            let wanted = _mm256_set1_epi8(byte.cast_signed());
            both(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted))
        };
        Masks {
            quote: equal(b'"'),
            backslash: equal(b'\\'),
            mark: both(marks(low), marks(high)),
            control: both(controls(low), controls(high)),
        }
    }

    /// `{ } [ ] : ,`. Bit 5 makes a bracket the brace of its side, and nothing else does.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn marks(bytes: __m256i) -> __m256i {
        let is =
            |from: __m256i, byte: u8| _mm256_cmpeq_epi8(from, _mm256_set1_epi8(byte.cast_signed()));
        let folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
        let braces = _mm256_or_si256(is(folded, b'{'), is(folded, b'}'));
        _mm256_or_si256(braces, _mm256_or_si256(is(bytes, b':'), is(bytes, b',')))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn controls(bytes: __m256i) -> __m256i {
        let last = _mm256_set1_epi8(0x1f);
        _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, last), last)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn both(low: __m256i, high: __m256i) -> u64 {
        let low = u64::from(_mm256_movemask_epi8(low).cast_unsigned());
        let high = u64::from(_mm256_movemask_epi8(high).cast_unsigned());
        low | high << 32
    }

    #[target_feature(enable = "pclmulqdq")]
    #[inline]
    fn prefix_xor(bits: u64) -> u64 {
        let bits = _mm_set_epi64x(0, bits.cast_signed());
        let ones = _mm_set_epi64x(0, -1);
        _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(bits, ones)).cast_unsigned()
    }
}
