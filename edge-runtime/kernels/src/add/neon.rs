//! Sixteen sums at a time.

use core::arch::aarch64::*;

use shared::artifact::plan::Add;

use super::scalar;
use crate::requantize::neon::{narrow, sixteen};

/// As [`scalar::add`].
#[target_feature(enable = "neon")]
pub(super) fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let zero_points = add.zero_points.map(|zero| vdupq_n_s32(zero.into()));
    let multipliers = add.multipliers.map(|multiplier| vdupq_n_f32(multiplier));
    let addends = |bytes: &[u8; 16], which: usize| {
        // SAFETY: there are 16 bytes.
        let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
        sixteen(bytes).map(|steps| {
            let steps = vcvtq_f32_s32(vsubq_s32(steps, zero_points[which]));
            vmulq_f32(steps, multipliers[which])
        })
    };
    let (sixteens, rest) = values.as_chunks_mut::<16>();
    let (others, other_rest) = other.as_chunks::<16>();
    for (values, other) in sixteens.iter_mut().zip(others) {
        let (first, second) = (addends(values, 0), addends(other, 1));
        let steps = [0, 1, 2, 3].map(|at| vcvtnq_s32_f32(vaddq_f32(first[at], second[at])));
        let bytes = narrow(steps, add.output_zero_point);
        // SAFETY: there are 16 bytes.
        unsafe { vst1q_u8(values.as_mut_ptr(), bytes) };
    }
    scalar::add(add, rest, other_rest);
}
