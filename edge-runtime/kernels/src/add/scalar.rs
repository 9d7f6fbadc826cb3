//! The reference: plain loops, the oracle of every other instruction set.

use shared::artifact::plan::Add;

use crate::requantize::to_byte;

/// Adds `other` to `values`, of equal length, as `add` says.
pub fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let [a, b] = add.zero_points.map(i16::from);
    let [scale_a, scale_b] = add.multipliers;
    for (value, &other) in values.iter_mut().zip(other) {
        let first = f32::from(i16::from(*value) - a) * scale_a;
        let second = f32::from(i16::from(other) - b) * scale_b;
        *value = to_byte(first + second, add.output_zero_point);
    }
}
