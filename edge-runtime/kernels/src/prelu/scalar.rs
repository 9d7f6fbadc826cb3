//! The reference: plain loops, the oracle of every other instruction set.

use shared::artifact::plan::Prelu;

use crate::at_least_one;
use crate::requantize::to_byte;

/// Computes `prelu` on `values`, height x width x channels, in place; `slopes` are
/// little-endian f32, one per channel.
pub fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    for values in values.chunks_exact_mut(at_least_one(prelu.place.channels)) {
        pixel(prelu, slopes, values);
    }
}

/// The channels of one pixel, or some of them with their slopes.
pub(super) fn pixel(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let zero_point = i16::from(prelu.input_zero_point);
    for (value, slope) in values.iter_mut().zip(slopes.as_chunks::<4>().0) {
        let scaled = f32::from(i16::from(*value) - zero_point) * prelu.multiplier;
        let sloped = scaled * f32::from_le_bytes(*slope);
        let result = if scaled < 0.0 { sloped } else { scaled };
        *value = to_byte(result, prelu.output_zero_point);
    }
}
