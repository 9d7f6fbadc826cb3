//! Eight sums at a time.

use core::arch::x86_64::*;

/// Sums in steps of the output, before its zero point.
#[inline]
#[target_feature(enable = "avx2")]
fn steps(sums: __m256i, multipliers: __m256) -> __m256i {
    // The nearest integer, halves to even, is how the processor converts unless it was
    // told otherwise. Sums times multipliers stay below 2^31 (see `Constants`).
    _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), multipliers))
}

/// Steps beyond it are cut to 255 all the same; it can be converted to an integer.
pub(crate) const LARGEST: f32 = 1e6;

/// Eight bytes as integers.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn eight(bytes: &[u8; 8]) -> __m256i {
    _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(*bytes)))
}

/// Steps plus the zero point, cut to bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn narrow(steps: __m256i, zero_point: u8) -> [u8; 8] {
    let words = _mm_packs_epi32(
        _mm256_castsi256_si128(steps),
        _mm256_extracti128_si256::<1>(steps),
    );
    let words = _mm_adds_epi16(words, _mm_set1_epi16(zero_point.into()));
    _mm_cvtsi128_si64(_mm_packus_epi16(words, words)).to_le_bytes()
}

/// Requantizes eight sums and writes `channels` of them, at most 8.
///
/// # Safety
/// `output` has room for `channels` bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn store(
    sums: __m256i,
    multipliers: __m256,
    zero_point: u8,
    output: *mut u8,
    channels: usize,
) {
    let bytes = narrow(steps(sums, multipliers), zero_point);
    // SAFETY: the caller promises room for `channels` bytes; there are eight.
    unsafe {
        match channels {
            8.. => output.cast::<[u8; 8]>().write_unaligned(bytes),
            _ => core::ptr::copy_nonoverlapping(bytes.as_ptr(), output, channels),
        }
    }
}

/// Requantizes the sums of one pixel, whose channels lie in the registers as interleaving
/// leaves them, and writes `channels` bytes of them.
///
/// # Safety
/// `output` has room for `channels` bytes, of which there are 1 to 32.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn store_interleaved(
    sums: [__m256i; 4],
    multipliers: &[__m256; 4],
    zero_point: u8,
    output: *mut u8,
    channels: usize,
) {
    let [a, b, c, d] = [0, 1, 2, 3].map(|group| steps(sums[group], multipliers[group]));
    let zero_point = _mm256_set1_epi16(zero_point.into());
    let low = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero_point);
    let high = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero_point);
    let packed = _mm256_packus_epi16(low, high);
    // SAFETY: the caller promises room for `channels` bytes; there are 32.
    unsafe {
        if channels == 32 {
            _mm256_storeu_si256(output.cast(), packed);
        } else {
            let mut bytes = [0u8; 32];
            _mm256_storeu_si256(bytes.as_mut_ptr().cast(), packed);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), output, channels);
        }
    }
}
