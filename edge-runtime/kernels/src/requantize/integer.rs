//! For processors without a floating-point unit: the same rounding in integers.

/// A multiplier that is finite and not negative.
#[derive(Clone, Copy)]
pub(super) struct Multiplier {
    bits: u32,
    /// Twice the multiplier is factor / 2^(32 + shift).
    factor: i32,
    /// 1 to 30.
    shift: u32,
}

impl Multiplier {
    #[inline(always)]
    pub(super) fn new(multiplier: f32) -> Self {
        let bits = multiplier.to_bits();
        let factor = (bits << 7 & 0x3fff_ff80 | 1 << 30).cast_signed();
        let shift = 124u32.wrapping_sub(bits >> 23);
        match (1..31).contains(&shift) {
            true => Self {
                bits,
                factor,
                shift,
            },
            // Products of nothing, which are computed in full.
            false => Self {
                bits,
                factor: 0,
                shift: 1,
            },
        }
    }

    /// As [`requantize`](super::requantize).
    ///
    /// What the definition rounds to 24 bits, accumulator and product, moves a product below
    /// 256 by less than 2^-15; larger ones are cut off. So it only matters where a product is
    /// that close to a half, or its double twice as close to an integer.
    #[inline(always)]
    pub(super) fn requantize(self, accumulator: i32, zero_point: u8) -> u8 {
        /// 2^-14.
        const CLOSE: u32 = 1 << (32 - 14);
        let double = i64::from(accumulator) * i64::from(self.factor);
        let (upper, lower) = ((double >> 32) as i32, double as u32);
        let fraction = upper.cast_unsigned() << (32 - self.shift) | lower >> self.shift;
        if fraction.wrapping_add(CLOSE) < 2 * CLOSE {
            return in_full(accumulator, self.bits, zero_point);
        }
        // Half a step more, so that cutting it off rounds.
        let doubled = (upper >> self.shift) + 2 * i32::from(zero_point) + 1;
        (doubled >> 1).clamp(0, 255) as u8
    }
}

/// Every step of the definition, in integers.
#[cold]
#[inline(never)]
fn in_full(accumulator: i32, multiplier: u32, zero_point: u8) -> u8 {
    let steps = rounded_product(accumulator.unsigned_abs(), multiplier);
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
                    super::Multiplier::new(multiplier).requantize(accumulator, zero_point),
                    super::super::in_reals(accumulator, multiplier, zero_point)
                );
            }
        }

        #[test]
        fn is_so_around_halves(
            steps in 0u32..600,
            beside in -3i32..=3,
            fraction in 0u32..1 << 23,
            exponent in 90u32..130,
            sign: bool,
            zero_point: u8,
        ) {
            let multiplier = f32::from_bits(exponent << 23 | fraction);
            let half = ((f64::from(steps) + 0.5) / f64::from(multiplier)) as i32;
            let accumulator = half.saturating_add(beside);
            let accumulator = if sign { -accumulator } else { accumulator };
            prop_assert_eq!(
                super::Multiplier::new(multiplier).requantize(accumulator, zero_point),
                super::super::in_reals(accumulator, multiplier, zero_point)
            );
        }

        #[test]
        fn halves_are_met(odd in 0i32..1 << 20, shift in 1u32..20, zero_point: u8) {
            let multiplier = f32::from_bits((127 - shift) << 23);
            let accumulator = (2 * odd + 1) << (shift - 1);
            prop_assert_eq!(
                super::Multiplier::new(multiplier).requantize(accumulator, zero_point),
                super::super::in_reals(accumulator, multiplier, zero_point)
            );
        }
    }
}
