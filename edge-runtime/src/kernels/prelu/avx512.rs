//! Sixteen channels at a time.

use core::arch::x86_64::*;

use shared::artifact::plan::Prelu;

use crate::kernels::requantize::avx512::LARGEST;

/// As [`scalar::prelu`](super::scalar::prelu).
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let input_zero_point = _mm512_set1_epi32(prelu.input_zero_point.into());
    let output_zero_point = _mm512_set1_epi32(prelu.output_zero_point.into());
    let multiplier = _mm512_set1_ps(prelu.multiplier);
    let channels = usize::from(prelu.place.channels);
    assert!(slopes.len() >= 4 * channels);
    for pixel in values.chunks_exact_mut(channels) {
        for first in (0..channels).step_by(16) {
            let mask = u16::MAX >> (16 - (channels - first).min(16));
            // SAFETY: the mask keeps loads and store inside the pixel and the slopes.
            unsafe {
                let place = pixel.as_mut_ptr().add(first).cast::<i8>();
                let bytes = _mm_maskz_loadu_epi8(mask, place);
                let slopes = _mm512_maskz_loadu_ps(mask, slopes.as_ptr().add(4 * first).cast());
                let steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), input_zero_point);
                let real = _mm512_mul_ps(_mm512_cvtepi32_ps(steps), multiplier);
                let negative = _mm512_movepi32_mask(steps);
                let real = _mm512_mask_mul_ps(real, negative, real, slopes);
                let real = _mm512_min_ps(real, _mm512_set1_ps(LARGEST));
                let value = _mm512_add_epi32(_mm512_cvtps_epi32(real), output_zero_point);
                let value = _mm512_max_epi32(value, _mm512_setzero_si512());
                _mm_mask_storeu_epi8(place, mask, _mm512_cvtusepi32_epi8(value));
            }
        }
    }
}
