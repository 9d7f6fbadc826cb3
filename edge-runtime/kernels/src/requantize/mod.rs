//! From accumulators and real numbers to uint8 activations.

#[cfg(any(test, no_float))]
mod integer;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
pub(super) mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "vector instructions")]
pub(super) mod avx512;
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
#[allow(unsafe_code, reason = "vector instructions")]
pub(super) mod neon;

/// `clamp(round_half_even((f32)accumulator * multiplier) + zero_point, 0, 255)`,
/// in IEEE 754 single precision, as ONNX defines QLinearConv's last step.
#[inline(always)]
pub fn requantize(accumulator: i32, multiplier: f32, zero_point: u8) -> u8 {
    Multiplier::new(multiplier).requantize(accumulator, zero_point)
}

/// A multiplier, made ready for many accumulators.
#[derive(Clone, Copy)]
pub(super) struct Multiplier(
    #[cfg(no_float)] integer::Multiplier,
    #[cfg(not(no_float))] f32,
);

impl Multiplier {
    #[inline(always)]
    pub(super) fn new(multiplier: f32) -> Self {
        #[cfg(no_float)]
        return Self(integer::Multiplier::new(multiplier));
        #[cfg(not(no_float))]
        Self(multiplier)
    }

    /// As [`requantize`].
    #[inline(always)]
    pub(super) fn requantize(self, accumulator: i32, zero_point: u8) -> u8 {
        #[cfg(no_float)]
        return self.0.requantize(accumulator, zero_point);
        #[cfg(not(no_float))]
        in_reals(accumulator, self.0, zero_point)
    }
}

/// The definition.
#[cfg(any(test, not(no_float)))]
#[inline(always)]
fn in_reals(accumulator: i32, multiplier: f32, zero_point: u8) -> u8 {
    to_byte(accumulator as f32 * multiplier, zero_point)
}

/// `clamp(round_half_even(steps) + zero_point, 0, 255)` of a number that is not NaN.
#[inline(always)]
pub fn to_byte(steps: f32, zero_point: u8) -> u8 {
    /// Adding and subtracting 1.5 * 2^23 leaves the nearest integer, halves to even.
    const ROUND: f32 = 12_582_912.0;
    // Far outside 0..=255 after any zero point, so clamping first changes nothing
    // but keeps the trick inside the range where it is exact.
    let rounded = (steps.clamp(-512.0, 512.0) + ROUND) - ROUND;
    (rounded as i32 + i32::from(zero_point)).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::requantize;

    #[test]
    fn halves_go_to_even() {
        for (accumulator, expected) in [(1, 128), (3, 130), (5, 130), (-1, 128), (-3, 126)] {
            assert_eq!(requantize(accumulator, 0.5, 128), expected);
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition(accumulator: i32, exponent in -31i32..1, mantissa in 1.0f32..2.0, zero_point: u8) {
            let multiplier = mantissa * (exponent as f32).exp2();
            let exact = (accumulator as f32 * multiplier).round_ties_even();
            let expected = (f64::from(exact) + f64::from(zero_point)).clamp(0.0, 255.0);
            prop_assert_eq!(f64::from(requantize(accumulator, multiplier, zero_point)), expected);
        }
    }
}
