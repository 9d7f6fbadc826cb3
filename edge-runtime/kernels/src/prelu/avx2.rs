//! Eight channels at a time.

use core::arch::x86_64::*;

use shared::artifact::plan::Prelu;

use super::scalar;
use crate::requantize::avx2::{LARGEST, eight, narrow};

/// As [`scalar::prelu`].
#[target_feature(enable = "avx2")]
pub(super) fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let zero_point = _mm256_set1_epi32(prelu.input_zero_point.into());
    let multiplier = _mm256_set1_ps(prelu.multiplier);
    for pixel in values.chunks_exact_mut(usize::from(prelu.place.channels)) {
        let (eights, rest) = pixel.as_chunks_mut::<8>();
        let (slope_eights, slope_rest) = slopes.as_chunks::<32>();
        for (values, slopes) in eights.iter_mut().zip(slope_eights) {
            let steps = _mm256_sub_epi32(eight(values), zero_point);
            let real = _mm256_mul_ps(_mm256_cvtepi32_ps(steps), multiplier);
            // SAFETY: there are 32 bytes of slopes, read wherever they lie.
            let slopes = unsafe { _mm256_loadu_ps(slopes.as_ptr().cast()) };
            let sloped = _mm256_mul_ps(real, slopes);
            let real = _mm256_blendv_ps(real, sloped, _mm256_castsi256_ps(steps));
            let real = _mm256_min_ps(real, _mm256_set1_ps(LARGEST));
            *values = narrow(_mm256_cvtps_epi32(real), prelu.output_zero_point);
        }
        scalar::pixel(prelu, slope_rest, rest);
    }
}
