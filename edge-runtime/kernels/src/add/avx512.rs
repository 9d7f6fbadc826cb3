//! Sixty-four sums at a time.

use core::arch::x86_64::*;

use shared::artifact::plan::Add;

use crate::requantize::avx512::{Requantize, pack};

/// Sums of a register of bytes.
const LANES: usize = 64;

/// As [`scalar::add`](super::scalar::add).
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let constants = Constants {
        zero_points: add.zero_points.map(|zero| _mm512_set1_epi32(zero.into())),
        multipliers: add.multipliers.map(|multiplier| _mm512_set1_ps(multiplier)),
        output: Requantize::new(add.output_zero_point),
    };
    for (values, other) in values.chunks_mut(LANES).zip(other.chunks(LANES)) {
        let lanes = values.len().min(other.len());
        let (values, other) = (values.as_mut_ptr(), other.as_ptr());
        // SAFETY: there are so many bytes of both.
        unsafe {
            if lanes == LANES {
                register(&constants, u64::MAX, values, other);
            } else {
                register(&constants, u64::MAX >> (LANES - lanes), values, other);
            }
        }
    }
}

struct Constants {
    zero_points: [__m512i; 2],
    multipliers: [__m512; 2],
    output: Requantize,
}

/// The sums that `mask` has.
///
/// # Safety
/// Their bytes can be read, and those of `values` written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn register(constants: &Constants, mask: u64, values: *mut u8, other: *const u8) {
    // SAFETY: the masks leave out what the caller does not promise.
    let steps = unsafe {
        [
            quarter(constants, mask as u16, values, other),
            quarter(
                constants,
                (mask >> 16) as u16,
                values.wrapping_add(16),
                other.wrapping_add(16),
            ),
            quarter(
                constants,
                (mask >> 32) as u16,
                values.wrapping_add(32),
                other.wrapping_add(32),
            ),
            quarter(
                constants,
                (mask >> 48) as u16,
                values.wrapping_add(48),
                other.wrapping_add(48),
            ),
        ]
    };
    let bytes = _mm512_permutexvar_epi32(constants.output.order, pack(steps, &constants.output));
    // SAFETY: as above.
    unsafe { _mm512_mask_storeu_epi8(values.cast(), mask, bytes) };
}

/// Sixteen of them, in steps of the output before its zero point.
///
/// # Safety
/// The bytes that `mask` has can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn quarter(
    constants: &Constants,
    mask: u16,
    values: *const u8,
    other: *const u8,
) -> __m512i {
    // SAFETY: as the caller promises.
    let [first, second] = unsafe {
        [
            _mm_maskz_loadu_epi8(mask, values.cast()),
            _mm_maskz_loadu_epi8(mask, other.cast()),
        ]
    };
    let first = addend(first, constants.zero_points[0], constants.multipliers[0]);
    let second = addend(second, constants.zero_points[1], constants.multipliers[1]);
    _mm512_cvtps_epi32(_mm512_add_ps(first, second))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn addend(bytes: __m128i, zero_point: __m512i, multiplier: __m512) -> __m512 {
    let steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point);
    _mm512_mul_ps(_mm512_cvtepi32_ps(steps), multiplier)
}
