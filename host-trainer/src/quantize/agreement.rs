//! Scales for which every tool computes the same bytes.
//!
//! ONNX Runtime divides by an output's scale, tract multiplies by its reciprocal, in an
//! order that its optimizer chooses, and our engine multiplies once. A difference in the
//! last bit of a real number changes a byte once in millions, so scales are chosen for
//! which all ways agree: for convolutions in the multiplier, for sums and PReLU, which
//! ONNX computes in real numbers, in every byte that can occur.

use shared::preprocess::Quantization;

use super::calibrate::Range;

/// Output scales of a convolution have so few significant bits; it costs a per cent of
/// resolution or two. Between scales of all bits, one layer in ten thousand had no
/// filter scale.
const FILTERED_BITS: i32 = 8;

/// Output scales of sums and PReLU; many are tried, so they lie closer.
const COMPUTED_BITS: i32 = 12;

/// How many neighbours of a filter scale or a slope are tried at most.
const TRIALS: usize = 1024;

/// A scale for each filter, from `least` on, and what the output's bytes mean.
pub(super) fn filters(
    range: Range,
    input_scale: f32,
    least: &[f32],
) -> Option<(Vec<f32>, Quantization)> {
    // Should an output scale admit no such filter scales, the next one does.
    output_scales(range, FILTERED_BITS).find_map(|output_scale| {
        let scales = filter_scales(least, input_scale, output_scale)?;
        Some((scales, quantization(range, output_scale)))
    })
}

/// What the bytes of the sum of two values mean.
pub(super) fn sum(range: Range, addends: [Quantization; 2]) -> Option<Quantization> {
    let agree = |to: &Quantization| {
        (0..=255).all(|a| (0..=255).all(|b| is_one_byte(sums([a, b], addends, to.scale), to)))
    };
    output_scales(range, COMPUTED_BITS)
        .map(|scale| quantization(range, scale))
        .find(agree)
}

/// Slopes that differ from the given ones in their last bits, and what the bytes of the
/// PReLU with them mean.
pub(super) fn prelu(
    range: Range,
    from: Quantization,
    slopes: &[f32],
) -> Option<(Vec<f32>, Quantization)> {
    let agreed_slope = |&slope: &f32, to: &Quantization| {
        let negative = 0..from.zero_point;
        let agrees = |&slope: &f32| {
            let mut bytes = negative.clone();
            bytes.all(|x| is_one_byte(scaled(x, from, to.scale, Some(slope)), to))
        };
        following(slope).find(agrees)
    };
    output_scales(range, COMPUTED_BITS).find_map(|scale| {
        let to = quantization(range, scale);
        let mut positive = from.zero_point..=255;
        if !positive.all(|x| is_one_byte(scaled(x, from, scale, None), &to)) {
            return None;
        }
        let slopes = slopes.iter().map(|slope| agreed_slope(slope, &to));
        Some((slopes.collect::<Option<_>>()?, to))
    })
}

/// The ways to compute a sum in steps of the output: divided by its scale, multiplied by
/// its reciprocal, and from multiplied addends, as our engine does.
fn sums(bytes: [u8; 2], [a, b]: [Quantization; 2], output: f32) -> [f32; 3] {
    let [x, y] = [centred(bytes[0], a), centred(bytes[1], b)];
    let sum = x * a.scale + y * b.scale;
    [
        sum / output,
        sum * (1.0 / output),
        x * (a.scale / output) + y * (b.scale / output),
    ]
}

/// The ways to compute a number, times a slope or not, in steps of the output.
fn scaled(byte: u8, from: Quantization, output: f32, slope: Option<f32>) -> [f32; 3] {
    let slope = slope.unwrap_or(1.0);
    let x = centred(byte, from);
    let real = x * from.scale * slope;
    [
        real / output,
        real * (1.0 / output),
        x * (from.scale / output) * slope,
    ]
}

fn centred(byte: u8, from: Quantization) -> f32 {
    f32::from(byte) - f32::from(from.zero_point)
}

/// Whether numbers, in steps of the output, become the same byte.
fn is_one_byte(ways: [f32; 3], to: &Quantization) -> bool {
    let byte = |way: f32| (way.round_ties_even() + f32::from(to.zero_point)).clamp(0.0, 255.0);
    let [first, others @ ..] = ways.map(byte);
    others.iter().all(|&other| other == first)
}

/// 255 steps of `scale` from the least to the most; zero falls on a step.
fn quantization(range: Range, scale: f32) -> Quantization {
    let zero_point = (-range.least / scale).round_ties_even().clamp(0.0, 255.0);
    Quantization {
        scale,
        zero_point: zero_point as u8,
    }
}

/// Scales with which a byte covers a range, the smallest first, of `bits` significant
/// bits, whose single-precision reciprocal is off by less than a quarter of a last bit.
fn output_scales(range: Range, bits: i32) -> impl Iterator<Item = f32> {
    let width = range.most - range.least;
    let least = if width > 0.0 { width / 255.0 } else { 1.0 };
    let unit = (least.log2().floor() - (bits - 1) as f32).exp2();
    let first = (least / unit).ceil() * unit;
    let is_invertible = |scale: &f32| {
        let product = f64::from(*scale) * f64::from(1.0 / scale);
        (product - 1.0).abs() < f64::from(f32::EPSILON) / 4.0
    };
    std::iter::successors(Some(first), move |scale| Some(scale + unit))
        .take(1 << bits)
        .filter(is_invertible)
}

/// The number and those above it, one by one.
fn following(number: f32) -> impl Iterator<Item = f32> {
    std::iter::successors(Some(number), |number| Some(number.next_up())).take(TRIALS)
}

/// A scale for each filter whose multiplier is the same however it is computed, the
/// smallest from `least` on.
fn filter_scales(least: &[f32], input: f32, output: f32) -> Option<Vec<f32>> {
    let multiplier = |scale: f32| multipliers(input, scale, output)[0];
    let agreed = |least: f32| {
        following(least).filter(|&scale| {
            let [first, others @ ..] = multipliers(input, scale, output);
            others.iter().all(|&other| other == first)
        })
    };
    let scales = least.iter().map(|&least| agreed(least).next());
    let mut scales = scales.collect::<Option<Vec<f32>>>()?;
    let only = multiplier(*scales.first()?);
    if scales.iter().all(|&scale| multiplier(scale) == only)
        && let [_, .., last] = &mut scales[..]
    {
        // tract rounds otherwise where every channel has the same multiplier.
        *last = agreed(*last).find(|&scale| multiplier(scale) != only)?;
    }
    Some(scales)
}

/// The ways to compute a multiplier in single precision: as ONNX Runtime does, then with
/// the output's reciprocal and in other orders, as tract's optimizer may choose.
fn multipliers(input: f32, filter: f32, output: f32) -> [f32; 6] {
    let reciprocal = 1.0 / output;
    [
        input * filter / output,
        input * filter * reciprocal,
        filter * (input * reciprocal),
        input * (filter * reciprocal),
        filter * (input / output),
        input * (filter / output),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn any_quantization() -> impl Strategy<Value = Quantization> {
        (1e-3f32..0.2, any::<u8>()).prop_map(|(least, zero_point)| Quantization {
            scale: output_scales(of_width(255.0 * least), FILTERED_BITS)
                .next()
                .unwrap(),
            zero_point,
        })
    }

    fn of_width(most: f32) -> Range {
        Range { least: 0.0, most }
    }

    proptest! {
        #[test]
        fn multipliers_are_the_same_however_they_are_computed(
            least in prop::collection::vec(1e-6f32..2e-2, 1..8),
            input in any_quantization(),
            of_picture: bool,
            is_uniform: bool,
            most in 0.1f32..60.0,
        ) {
            // The scale of a picture's bytes, or of an earlier layer's.
            let input = if of_picture { 1.0 / 255.0 } else { input.scale };
            let least = if is_uniform { vec![least[0]; least.len()] } else { least };
            let (scales, to) = filters(of_width(most), input, &least).unwrap();
            prop_assert!((1.0..1.1).contains(&(to.scale * 255.0 / most)), "{}", to.scale);
            for (scale, least) in scales.iter().zip(&least) {
                let ways = multipliers(input, *scale, to.scale);
                prop_assert_eq!(ways, [ways[0]; 6]);
                prop_assert!((1.0..1.001).contains(&(scale / least)));
            }
            let first = multipliers(input, scales[0], to.scale)[0];
            let is_first = |&scale: &f32| multipliers(input, scale, to.scale)[0] == first;
            prop_assert!(scales.len() == 1 || !scales.iter().all(is_first));
        }

        #[test]
        fn sums_are_the_same_however_they_are_computed(
            a in any_quantization(), b in any_quantization(),
            least in -20.0f32..0.0, most in 0.1f32..20.0,
        ) {
            let range = Range { least, most };
            let to = sum(range, [a, b]).unwrap();
            prop_assert!((0.999..1.1).contains(&(to.scale * 255.0 / (most - least))));
            for (x, y) in (0..=255).flat_map(|x| (0..=255).map(move |y| (x, y))) {
                prop_assert!(is_one_byte(sums([x, y], [a, b], to.scale), &to));
            }
        }

        #[test]
        fn slopes_are_the_same_however_they_are_applied(
            from in any_quantization(),
            slopes in prop::collection::vec(-2.0f32..2.0, 1..40),
            least in -20.0f32..0.0, most in 0.1f32..20.0,
        ) {
            let range = Range { least, most };
            let (agreed, to) = prelu(range, from, &slopes).unwrap();
            prop_assert!((0.999..1.1).contains(&(to.scale * 255.0 / (most - least))));
            for (slope, wanted) in agreed.iter().zip(&slopes) {
                prop_assert!((slope - wanted).abs() <= 1e-3 * wanted.abs());
                for x in 0..=255 {
                    let slope = (x < from.zero_point).then_some(*slope);
                    prop_assert!(is_one_byte(scaled(x, from, to.scale, slope), &to));
                }
            }
        }
    }
}
