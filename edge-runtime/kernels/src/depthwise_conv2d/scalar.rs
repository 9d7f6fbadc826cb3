//! The reference: plain loops, the oracle of every other instruction set.

use shared::artifact::plan::Conv2d;

use crate::at_least_one;
use crate::conv2d::Filters;
use crate::requantize::requantize;
use crate::window::Window;

/// Channels whose sums are kept at once: a vector register or a few.
const BLOCK: usize = 32;

/// Computes `conv` from `input` into `output`, both height x width x channels; its
/// filters are int8 `[kernel height, kernel width, channels]`.
pub fn depthwise_conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let channels = at_least_one(conv.output.channels);
    let columns = at_least_one(conv.output.width);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let window = Window::at(conv, index / columns, index % columns);
        let bias = filters.bias.as_chunks::<4>().0.chunks(BLOCK);
        let multipliers = filters.multipliers.as_chunks::<4>().0.chunks(BLOCK);
        let constants = bias.zip(multipliers);
        for (block, (out, (bias, multipliers))) in
            pixel.chunks_mut(BLOCK).zip(constants).enumerate()
        {
            let mut sums = [0; BLOCK];
            for (sum, bias) in sums.iter_mut().zip(bias) {
                *sum = i32::from_le_bytes(*bias);
            }
            add_taps(conv, &window, filters, input, block * BLOCK, &mut sums);
            for ((out, sum), multiplier) in out.iter_mut().zip(sums).zip(multipliers) {
                let multiplier = f32::from_le_bytes(*multiplier);
                *out = requantize(sum, multiplier, conv.output_zero_point);
            }
        }
    }
}

/// Adds `(input - zero point) * weight` of every tap to the sums of the channels from
/// `first` on. They cannot overflow (see `shared::artifact::plan::MAX_FILTER`); wrapping
/// keeps debug builds fast.
fn add_taps(
    conv: &Conv2d,
    window: &Window,
    filters: &Filters<'_>,
    input: &[u8],
    first: usize,
    sums: &mut [i32; BLOCK],
) {
    let channels = usize::from(conv.output.channels);
    let zero_point = i16::from(conv.input_zero_point);
    let length = BLOCK.min(channels - first);
    for run in window.runs(conv) {
        for step in 0..run.len {
            let pixel = (run.pixel + step) * channels + first;
            let tap = (run.tap + step) * channels + first;
            let values = input.get(pixel..pixel + length).unwrap_or(&[]);
            let weights = filters.weights.get(tap..tap + length).unwrap_or(&[]);
            for ((sum, &value), &weight) in sums.iter_mut().zip(values).zip(weights) {
                let product = i32::from(i16::from(value) - zero_point) * i32::from(weight as i8);
                *sum = sum.wrapping_add(product);
            }
        }
    }
}
