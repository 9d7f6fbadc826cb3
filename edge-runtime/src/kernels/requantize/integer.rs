//! For processors without a floating-point unit: the same rounding in integers.

/// As [`requantize`](super::requantize), for multipliers that are finite and not negative.
#[inline(always)]
pub(super) fn requantize(accumulator: i32, multiplier: f32, zero_point: u8) -> u8 {
    let steps = rounded_product(accumulator.unsigned_abs(), multiplier.to_bits());
    let steps = if accumulator < 0 { -steps } else { steps };
    (steps + i32::from(zero_point)).clamp(0, 255) as u8
}

/// Beyond it a product is cut off all the same.
const MOST: u32 = 512;

/// `round_half_even(real(float(size) * multiplier))`, at most [`MOST`]; each operation is
/// rounded to 24 bits, halves to even.
fn rounded_product(size: u32, multiplier: u32) -> i32 {
    let (exponent, fraction) = (multiplier >> 23 & 0xff, multiplier & 0x007f_ffff);
    // A product with so small a multiplier is next to nothing.
    if size == 0 || exponent == 0 {
        return 0;
    }
    // Both factors fill their 32 bits: float(size) = mantissa / 2^zeros.
    let fraction = fraction << 8 | 1 << 31;
    let mut zeros = size.leading_zeros();
    let mut mantissa = half_even(size << zeros, 8) << 8;
    if mantissa == 0 {
        // It was rounded up to the next power of two.
        mantissa = 1 << 31;
        zeros -= 1;
    }
    let product = u64::from(mantissa) * u64::from(fraction);
    // Of the product's upper half 24 bits are kept; of the lower one it only matters
    // whether it is nothing.
    let upper = (product >> 32) as u32 | u32::from(product as u32 != 0);
    let dropped = 7 + (upper >> 31);
    let kept = half_even(upper, dropped);
    // It stands for kept * 2^(dropped + 32 - 8 - 150 - zeros + exponent).
    let shift = (126 + zeros as i32) - (dropped + exponent) as i32;
    match shift {
        // No fraction, so at least 2^23.
        ..=0 => MOST as i32,
        1..32 => half_even(kept, shift as u32).min(MOST) as i32,
        _ => 0,
    }
}

/// `value / 2^shift`, rounded to nearest, halves to even; a shift of 1 to 31.
fn half_even(value: u32, shift: u32) -> u32 {
    let (kept, rest) = (value >> shift, value << (32 - shift));
    const HALF: u32 = 1 << 31;
    let up = rest > HALF || rest == HALF && kept & 1 == 1;
    kept + u32::from(up)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn is_what_the_floating_point_unit_gives(
            accumulator: i32,
            small in -3000i32..3000,
            fraction in 0u32..1 << 23,
            exponent in 0u32..160,
            zero_point: u8,
        ) {
            let multiplier = f32::from_bits(exponent << 23 | fraction);
            for accumulator in [accumulator, small, accumulator >> 9] {
                prop_assert_eq!(
                    super::requantize(accumulator, multiplier, zero_point),
                    super::super::in_reals(accumulator, multiplier, zero_point)
                );
            }
        }

        #[test]
        fn halves_are_met(odd in 0i32..1 << 20, shift in 1u32..20, zero_point: u8) {
            let multiplier = f32::from_bits((127 - shift) << 23);
            let accumulator = (2 * odd + 1) << (shift - 1);
            prop_assert_eq!(
                super::requantize(accumulator, multiplier, zero_point),
                super::super::in_reals(accumulator, multiplier, zero_point)
            );
        }
    }
}
