//! Eight sums at a time.

use core::arch::x86_64::*;

use shared::artifact::plan::Add;

use super::scalar;
use crate::requantize::avx2::{eight, narrow};

/// As [`scalar::add`].
#[target_feature(enable = "avx2")]
pub(super) fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let zero_points = add.zero_points.map(|zero| _mm256_set1_epi32(zero.into()));
    let multipliers = add.multipliers.map(|multiplier| _mm256_set1_ps(multiplier));
    let addend = |bytes: &[u8; 8], which: usize| {
        let steps = _mm256_sub_epi32(eight(bytes), zero_points[which]);
        _mm256_mul_ps(_mm256_cvtepi32_ps(steps), multipliers[which])
    };
    let (eights, rest) = values.as_chunks_mut::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    for (values, other) in eights.iter_mut().zip(others) {
        let sum = _mm256_add_ps(addend(values, 0), addend(other, 1));
        *values = narrow(_mm256_cvtps_epi32(sum), add.output_zero_point);
    }
    scalar::add(add, rest, other_rest);
}
