//! Sixty-four sums at a time.

use core::arch::x86_64::*;

use shared::artifact::plan::Add;

use crate::requantize::avx512::{Requantize, pack};

/// As [`scalar::add`](super::scalar::add).
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let zero_points = add.zero_points.map(|zero| _mm512_set1_epi32(zero.into()));
    let multipliers = add.multipliers.map(|multiplier| _mm512_set1_ps(multiplier));
    let constants = Requantize::new(add.output_zero_point);
    let real = |bytes: __m512i, place: usize| {
        let bytes = match place {
            0 => _mm512_castsi512_si128(bytes),
            1 => _mm512_extracti32x4_epi32::<1>(bytes),
            2 => _mm512_extracti32x4_epi32::<2>(bytes),
            _ => _mm512_extracti32x4_epi32::<3>(bytes),
        };
        _mm512_cvtepu8_epi32(bytes)
    };
    let addend = |bytes: __m512i, place: usize, which: usize| {
        let steps = _mm512_sub_epi32(real(bytes, place), zero_points[which]);
        _mm512_mul_ps(_mm512_cvtepi32_ps(steps), multipliers[which])
    };
    let len = values.len().min(other.len());
    for at in (0..len).step_by(64) {
        let mask = u64::MAX >> (64 - (len - at).min(64));
        // SAFETY: the mask keeps loads and store inside both slices.
        unsafe {
            let place = values.as_mut_ptr().add(at).cast::<i8>();
            let first = _mm512_maskz_loadu_epi8(mask, place);
            let second = _mm512_maskz_loadu_epi8(mask, other.as_ptr().add(at).cast());
            let steps = [0, 1, 2, 3].map(|place| {
                let sum = _mm512_add_ps(addend(first, place, 0), addend(second, place, 1));
                _mm512_cvtps_epi32(sum)
            });
            let bytes = _mm512_permutexvar_epi32(constants.order, pack(steps, &constants));
            _mm512_mask_storeu_epi8(place, mask, bytes);
        }
    }
}
