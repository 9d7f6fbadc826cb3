//! For processors without a floating-point unit: the same sums in integers.
//!
//! Both products are added in steps of 2^-18, which is off by less than [`CLOSE`] from the
//! definition, whose products and sum are rounded to 24 bits. Where the sum is so close to a
//! half that this matters, it is computed as defined.

use shared::artifact::plan::Add;

use super::scalar;

const FRACTION: u32 = 18;
const HALF: i32 = 1 << (FRACTION - 1);

/// 2^-8, for two products of up to 255 steps with factors that are a step too small, and what
/// the definition rounds.
const CLOSE: i32 = 1 << (FRACTION - 8);

/// Factors below it leave sums below 2^30.
const MOST: f32 = 8.0;

/// Adds `other` to `values`, of equal length, as `add` says.
pub fn add(add: &Add, values: &mut [u8], other: &[u8]) {
    let [scale_a, scale_b] = add.multipliers;
    // What is not below it, NaN as well, is left to the definition.
    if !(scale_a < MOST && scale_b < MOST) {
        return scalar::add(add, values, other);
    }
    let factor = |scale: f32| (scale * (1u32 << FRACTION) as f32) as i32;
    let (factor_a, factor_b) = (factor(scale_a), factor(scale_b));
    let [a, b] = add.zero_points.map(i32::from);
    let zero_point = i32::from(add.output_zero_point);
    for (value, other) in values.iter_mut().zip(other) {
        let sum = (i32::from(*value) - a) * factor_a + (i32::from(*other) - b) * factor_b;
        // Of the half step that rounding up begins at.
        let beside = sum & (2 * HALF - 1);
        if beside.abs_diff(HALF) < CLOSE.unsigned_abs() {
            in_full(add, value, *other);
            continue;
        }
        *value = (((sum + HALF) >> FRACTION) + zero_point).clamp(0, 255) as u8;
    }
}

#[cold]
#[inline(never)]
fn in_full(add: &Add, value: &mut u8, other: u8) {
    scalar::add(add, core::slice::from_mut(value), &[other]);
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use shared::artifact::plan::{Add, Place};

    /// Every pair of bytes.
    fn all(sum: &Add) -> [std::vec::Vec<u8>; 2] {
        let first: std::vec::Vec<u8> = (0..=u16::MAX).map(|pair| pair as u8).collect();
        let second: std::vec::Vec<u8> = (0..=u16::MAX).map(|pair| (pair >> 8) as u8).collect();
        let (mut expected, mut found) = (first.clone(), first);
        super::super::scalar::add(sum, &mut expected, &second);
        super::add(sum, &mut found, &second);
        [expected, found]
    }

    fn sum(zero_points: [u8; 2], output_zero_point: u8, multipliers: [f32; 2]) -> Add {
        let place = Place {
            offset: 0,
            height: 1,
            width: 1,
            channels: 1,
        };
        Add {
            place,
            other: place,
            zero_points,
            output_zero_point,
            multipliers,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn is_what_the_floating_point_unit_gives(
            zero_points: [u8; 2],
            output_zero_point: u8,
            multipliers in [0.0f32..2.0, 0.0f32..9.0],
        ) {
            let [expected, found] = all(&sum(zero_points, output_zero_point, multipliers));
            prop_assert!(expected == found);
        }

        #[test]
        fn halves_are_met(
            zero_points: [u8; 2],
            output_zero_point: u8,
            sixteenths in [0u8..40, 0u8..40],
        ) {
            let multipliers = sixteenths.map(|of| f32::from(of) / 16.0);
            let [expected, found] = all(&sum(zero_points, output_zero_point, multipliers));
            prop_assert!(expected == found);
        }
    }
}
