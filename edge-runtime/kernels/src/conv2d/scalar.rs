//! The reference: plain loops, the oracle of every other instruction set.

use shared::artifact::plan::Conv2d;

use super::Filters;
use crate::at_least_one;
use crate::requantize::requantize;
use crate::window::Window;

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let channels = at_least_one(conv.output.channels);
    let columns = at_least_one(conv.output.width);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let window = Window::at(conv, index / columns, index % columns);
        let weights = filters.weights.chunks_exact(conv.filter_len().max(1));
        let bias = filters.bias.as_chunks::<4>().0;
        let multipliers = filters.multipliers.as_chunks::<4>().0;
        let constants = weights.zip(bias).zip(multipliers);
        for (out, ((filter, bias), multiplier)) in pixel.iter_mut().zip(constants) {
            let sum = sum(conv, &window, input, filter);
            *out = requantize(
                i32::from_le_bytes(*bias).wrapping_add(sum),
                f32::from_le_bytes(*multiplier),
                conv.output_zero_point,
            );
        }
    }
}

/// `sum (input - zero point) * filter` over the window. It cannot overflow
/// (see `shared::artifact::plan::MAX_FILTER`); wrapping keeps debug builds fast.
fn sum(conv: &Conv2d, window: &Window, input: &[u8], filter: &[u8]) -> i32 {
    let channels = usize::from(conv.input.channels);
    let runs = window.runs(conv).filter_map(|run| {
        let length = run.len * channels;
        let (pixel, tap) = (run.pixel * channels, run.tap * channels);
        let values = input.get(pixel..pixel + length)?;
        let weights = filter.get(tap..tap + length)?;
        Some(dot(values, weights, conv.input_zero_point))
    });
    runs.fold(0, i32::wrapping_add)
}

fn dot(values: &[u8], weights: &[u8], zero_point: u8) -> i32 {
    let zero_point = i16::from(zero_point);
    values
        .iter()
        .zip(weights)
        .fold(0i32, |sum, (&value, &weight)| {
            let product = i32::from(i16::from(value) - zero_point) * i32::from(weight as i8);
            sum.wrapping_add(product)
        })
}
