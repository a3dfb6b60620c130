//! The scanner's operation with AVX2, and the comparison of gaps with SSE2.
//!
//! Both have a portable twin, which other processors run.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "vector loads, and calls that need processor features")
)]

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{equal, scan};

#[cfg(all(test, target_arch = "x86_64"))]
pub(super) use x86::scanners;

#[cfg(not(target_arch = "x86_64"))]
use super::walk::GAP;

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn scan(index: &mut super::scan::Index, line: &[u8]) {
    index.scan_portable(line);
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn equal(one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
    let mut bytes = one.iter().zip(other).zip(masks);
    bytes.all(|((one, other), mask)| (one ^ other) & mask == 0)
}

#[cfg(all(test, not(target_arch = "x86_64")))]
pub(super) fn scanners() -> Vec<fn(&mut super::scan::Index, &[u8])> {
    vec![super::scan::Index::scan_portable]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128,
        _mm_setzero_si128, _mm_xor_si128, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
        _mm256_testz_si256,
    };

    use super::super::scan::{BLOCK, Index};
    use super::super::walk::GAP;

    /// [`Index::scan_portable`] with what the processor has; the standard library remembers that.
    #[inline]
    pub(in super::super) fn scan(index: &mut Index, line: &[u8]) {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") {
            // SAFETY: the features that the function is compiled for were found just above.
            unsafe { scan_avx2(index, line) }
        } else {
            index.scan_portable(line);
        }
    }

    /// Whether two gaps are equal in the bytes whose masks are all ones.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each member of each line")]
    pub(in super::super) fn equal(one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
        // SAFETY: SSE2 is part of the architecture.
        unsafe { equal_sse2(one, other, masks) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn equal_sse2(one: &[u8; GAP], other: &[u8; GAP], masks: &[u8; GAP]) -> bool {
        let halves = |bytes: &[u8; GAP]| {
            let pointer = bytes.as_ptr().cast();
            // SAFETY: a gap has 32 bytes, so both halves of 16 are within it, and the load asks
            // for no alignment.
            unsafe { (_mm_loadu_si128(pointer), _mm_loadu_si128(pointer.add(1))) }
        };
        let ((a, b), (c, d), (low, high)) = (halves(one), halves(other), halves(masks));
        let differs = _mm_or_si128(
            _mm_and_si128(_mm_xor_si128(a, c), low),
            _mm_and_si128(_mm_xor_si128(b, d), high),
        );
        _mm_movemask_epi8(_mm_cmpeq_epi8(differs, _mm_setzero_si128())) == 0xffff
    }

    /// All scanners that this processor can run.
    #[cfg(test)]
    pub(in super::super) fn scanners() -> Vec<fn(&mut Index, &[u8])> {
        let mut all: Vec<fn(&mut Index, &[u8])> = vec![Index::scan_portable];
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") {
            // SAFETY: the features that the function is compiled for were found just above.
            all.push(|index, line| unsafe { scan_avx2(index, line) });
        }
        all
    }

    #[target_feature(enable = "avx2,bmi1")]
    fn scan_avx2(index: &mut Index, line: &[u8]) {
        let mut odd = _mm256_setzero_si256();
        index.drive(line, |block| specials(block, &mut odd));
        index.plain = _mm256_testz_si256(odd, odd) == 1;
    }

    /// Which bytes are special; those that are not plain between quotes are added to `odd`.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn specials(block: &[u8; BLOCK], odd: &mut __m256i) -> u64 {
        let pointer = block.as_ptr().cast::<__m256i>();
        // SAFETY: a block has 64 bytes, so both halves of 32 are within it, and the load asks for
        // no alignment.
        let (low, high) =
            unsafe { (_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1))) };
        u64::from(half(low, odd)) | u64::from(half(high, odd)) << 32
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(bytes: __m256i, odd: &mut __m256i) -> u32 {
        let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
        let control = _mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f));
        let control = _mm256_cmpeq_epi8(control, bytes);
        let escaped = _mm256_or_si256(control, is(b'\\'));
        *odd = _mm256_or_si256(*odd, _mm256_or_si256(escaped, is(0x7f)));
        _mm256_movemask_epi8(_mm256_or_si256(escaped, is(b'"'))).cast_unsigned()
    }
}
