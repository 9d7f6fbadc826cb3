//! For processors without a floating-point unit: the same slopes in integers, channel by
//! channel, whose factors are made ready once.
//!
//! As [`add::integer`](crate::add::integer): products in steps of 2^-18, and the
//! definition where they are too close to a half.

use shared::artifact::plan::Prelu;

use super::scalar;
use crate::at_least_one;

const FRACTION: u32 = 18;
const HALF: i32 = 1 << (FRACTION - 1);

/// 2^-8: a factor is a step too small at most, for inputs of up to 255, and the definition
/// rounds twice.
const CLOSE: i32 = 1 << (FRACTION - 8);

/// Factors of a magnitude below it leave products below 2^30.
const MOST: f32 = 16.0;

/// Computes `prelu` on `values`, height x width x channels, in place; `slopes` are
/// little-endian f32, one per channel.
pub fn prelu(prelu: &Prelu, slopes: &[u8], values: &mut [u8]) {
    let channels = at_least_one(prelu.place.channels);
    for (channel, slope) in slopes.as_chunks().0.iter().enumerate().take(channels) {
        let values = values.get_mut(channel..).unwrap_or_default();
        let values = values.iter_mut().step_by(channels);
        let below = prelu.multiplier * f32::from_le_bytes(*slope);
        let is_small = |factor: f32| factor < MOST && factor > -MOST;
        if !(is_small(prelu.multiplier) && is_small(below)) {
            values.for_each(|value| in_full(prelu, slope, value));
            continue;
        }
        let factor = |factor: f32| (factor * (1u32 << FRACTION) as f32) as i32;
        let (above, below) = (factor(prelu.multiplier), factor(below));
        let zero_points = [prelu.input_zero_point, prelu.output_zero_point].map(i32::from);
        for value in values {
            let input = i32::from(*value) - zero_points[0];
            let product = input * if input < 0 { below } else { above };
            let beside = product & (2 * HALF - 1);
            if beside.abs_diff(HALF) < CLOSE.unsigned_abs() {
                in_full(prelu, slope, value);
                continue;
            }
            let steps = (product + HALF) >> FRACTION;
            *value = (steps + zero_points[1]).clamp(0, 255) as u8;
        }
    }
}

#[cold]
#[inline(never)]
fn in_full(prelu: &Prelu, slope: &[u8; 4], value: &mut u8) {
    scalar::pixel(prelu, slope, core::slice::from_mut(value));
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use shared::artifact::plan::{Place, Prelu};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn is_what_the_floating_point_unit_gives(
            input_zero_point: u8,
            output_zero_point: u8,
            multiplier in 0.0f32..20.0,
            slopes in [-2.0f32..2.0, -0.01f32..0.01, -20.0f32..20.0],
            in_eighths: bool,
        ) {
            let of = |real: f32| if in_eighths { (real * 8.0).round() / 8.0 } else { real };
            let prelu = Prelu {
                place: Place { offset: 0, height: 256, width: 1, channels: 3 },
                input_zero_point,
                output_zero_point,
                multiplier: of(multiplier),
                slopes: 0,
            };
            let slopes = slopes.map(|slope| of(slope).to_le_bytes());
            let mut expected: std::vec::Vec<u8> =
                (0..=u8::MAX).flat_map(|value| [value; 3]).collect();
            let mut found = expected.clone();
            super::super::scalar::prelu(&prelu, slopes.as_flattened(), &mut expected);
            super::prelu(&prelu, slopes.as_flattened(), &mut found);
            prop_assert!(expected == found);
        }
    }
}
