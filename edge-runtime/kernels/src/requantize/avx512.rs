//! Sixteen sums at a time.

use core::arch::x86_64::*;

/// Steps beyond it are cut to 255 all the same; it can be converted to an integer.
pub(crate) const LARGEST: f32 = 1e6;

/// Constants of a requantization in registers.
#[derive(Clone, Copy)]
pub(crate) struct Requantize {
    zero_point: __m512i,
    zero_point_16: __m512i,
    /// Puts 32-bit lanes that [`pack`] leaves in each 16 bytes into the order of channels.
    pub(crate) order: __m512i,
}

impl Requantize {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(crate) fn new(zero_point: u8) -> Self {
        Self {
            zero_point: _mm512_set1_epi32(zero_point.into()),
            zero_point_16: _mm512_set1_epi16(zero_point.into()),
            order: _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        }
    }
}

/// Sums in steps of the output, before its zero point.
#[inline]
#[target_feature(enable = "avx512f")]
fn steps(sums: __m512i, multipliers: __m512) -> __m512i {
    // The nearest integer, halves to even, is how the processor converts unless it was
    // told otherwise. Sums times multipliers stay below 2^31 (see `Constants`).
    _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), multipliers))
}

/// The bytes of four registers of steps, in each 16 bytes four of each register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn pack([a, b, c, d]: [__m512i; 4], constants: &Requantize) -> __m512i {
    let low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), constants.zero_point_16);
    let high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), constants.zero_point_16);
    _mm512_packus_epi16(low, high)
}

/// Requantizes the sums of one pixel, whose channels lie in the registers as interleaving
/// leaves them, and writes `channels` bytes of them.
///
/// # Safety
/// `output` has room for `channels` bytes, of which there are 1 to 64.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) unsafe fn store_interleaved(
    sums: [__m512i; 4],
    multipliers: &[__m512; 4],
    constants: &Requantize,
    output: *mut u8,
    channels: usize,
) {
    let all = [0, 1, 2, 3].map(|group| steps(sums[group], multipliers[group]));
    let bytes = pack(all, constants);
    // SAFETY: the mask keeps the store inside `channels` bytes.
    unsafe { _mm512_mask_storeu_epi8(output.cast(), u64::MAX >> (64 - channels), bytes) };
}

/// Requantizes four registers of sums, `GROUPS` for each pixel, and writes them.
///
/// # Safety
/// `GROUPS` is 1, 2 or 4; `output` has room for `16 * GROUPS` bytes of each pixel, which
/// begin `output_step` bytes after those of the one before.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) unsafe fn store_four<const GROUPS: usize>(
    sums: [__m512i; 4],
    multipliers: &[__m512; GROUPS],
    constants: &Requantize,
    output: *mut u8,
    output_step: usize,
) {
    let all = [0, 1, 2, 3].map(|index| steps(sums[index], multipliers[index % GROUPS]));
    let bytes = _mm512_permutexvar_epi32(constants.order, pack(all, constants));
    // SAFETY: the caller promises room for each pixel.
    unsafe {
        if output_step == 16 * GROUPS || GROUPS == 4 {
            _mm512_storeu_si512(output.cast(), bytes);
        } else if GROUPS == 2 {
            _mm256_storeu_si256(output.cast(), _mm512_castsi512_si256(bytes));
            let second = _mm512_extracti64x4_epi64::<1>(bytes);
            _mm256_storeu_si256(output.add(output_step).cast(), second);
        } else {
            let pixels = [
                _mm512_castsi512_si128(bytes),
                _mm512_extracti32x4_epi32::<1>(bytes),
                _mm512_extracti32x4_epi32::<2>(bytes),
                _mm512_extracti32x4_epi32::<3>(bytes),
            ];
            for (index, pixel) in pixels.into_iter().enumerate() {
                _mm_storeu_si128(output.add(index * output_step).cast(), pixel);
            }
        }
    }
}

/// Requantizes the sums of one pixel and writes `channels` bytes of them, 16 at a time.
///
/// # Safety
/// `output` has room for `channels` bytes, of which there are at most `16 * GROUPS`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) unsafe fn store<const GROUPS: usize>(
    sums: [__m512i; GROUPS],
    multipliers: &[__m512; GROUPS],
    constants: &Requantize,
    output: *mut u8,
    channels: usize,
) {
    // SAFETY: the masks keep the stores inside `channels` bytes.
    unsafe {
        for group in 0..GROUPS {
            let value =
                _mm512_add_epi32(steps(sums[group], multipliers[group]), constants.zero_point);
            let value = _mm512_max_epi32(value, _mm512_setzero_si512());
            let bytes = _mm512_cvtusepi32_epi8(value);
            let left = (channels - group * 16).min(16);
            let output = output.add(group * 16);
            _mm_mask_storeu_epi8(output.cast(), u16::MAX >> (16 - left), bytes);
        }
    }
}
