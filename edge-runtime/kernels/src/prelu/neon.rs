//! Sixteen channels at a time.

use core::arch::aarch64::*;

use shared::artifact::plan::Prelu;

use super::scalar;
use crate::requantize::neon::{narrow, sixteen};

/// As [`scalar::prelu`].
#[target_feature(enable = "neon")]
pub(super) fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let zero_point = vdupq_n_s32(prelu.input_zero_point.into());
    let multiplier = vdupq_n_f32(prelu.multiplier);
    for pixel in values.chunks_exact_mut(usize::from(prelu.place.channels)) {
        let (sixteens, rest) = pixel.as_chunks_mut::<16>();
        let (slope_sixteens, slope_rest) = slopes.as_chunks::<64>();
        for (values, slopes) in sixteens.iter_mut().zip(slope_sixteens) {
            // SAFETY: there are 16 bytes.
            let all = sixteen(unsafe { vld1q_u8(values.as_ptr()) });
            let (slopes, _) = slopes.as_chunks::<16>();
            let steps = [0, 1, 2, 3].map(|at| {
                let steps = vsubq_s32(all[at], zero_point);
                let real = vmulq_f32(vcvtq_f32_s32(steps), multiplier);
                // SAFETY: there are 16 bytes of slopes, loaded as bytes, wherever they lie.
                let slopes = unsafe { vld1q_u8(slopes[at].as_ptr()) };
                let sloped = vmulq_f32(real, vreinterpretq_f32_u8(slopes));
                vcvtnq_s32_f32(vbslq_f32(vcltzq_s32(steps), sloped, real))
            });
            let bytes = narrow(steps, prelu.output_zero_point);
            // SAFETY: there are 16 bytes.
            unsafe { vst1q_u8(values.as_mut_ptr(), bytes) };
        }
        scalar::pixel(prelu, slope_rest, rest);
    }
}
