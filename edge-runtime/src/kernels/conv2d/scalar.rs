//! The reference: plain loops, the oracle of every other instruction set.

use core::ops::Range;

use shared::artifact::plan::Conv2d;

use super::Filters;
use crate::kernels::requantize::requantize;

/// Computes `conv` from `input` into `output`, both height x width x channels.
pub fn conv2d(conv: &Conv2d, filters: &Filters<'_>, input: &[u8], output: &mut [u8]) {
    let channels = usize::from(conv.output.channels);
    let columns = usize::from(conv.output.width);
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let window = Window::at(conv, index / columns, index % columns);
        let weights = filters.weights.chunks_exact(conv.filter_len());
        let bias = filters.bias.as_chunks::<4>().0;
        let multipliers = filters.multipliers.as_chunks::<4>().0;
        let constants = weights.zip(bias).zip(multipliers);
        for (out, ((filter, bias), multiplier)) in pixel.iter_mut().zip(constants) {
            let sum = window.dot(conv, input, filter);
            *out = requantize(
                i32::from_le_bytes(*bias).wrapping_add(sum),
                f32::from_le_bytes(*multiplier),
                conv.output_zero_point,
            );
        }
    }
}

/// The taps of one output pixel that lie inside the input; the others count as
/// zero and are left out.
struct Window {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Input row and column that tap (0, 0) would read, plus the padding.
    origin: [usize; 2],
}

impl Window {
    fn at(conv: &Conv2d, y: usize, x: usize) -> Self {
        let [stride_y, stride_x] = conv.stride.map(usize::from);
        let [padding_y, padding_x] = conv.padding.map(usize::from);
        let [kernel_y, kernel_x] = conv.kernel.map(usize::from);
        let origin = [y * stride_y, x * stride_x];
        let inside = |origin: usize, padding: usize, kernel: usize, size: u16| {
            let end = (usize::from(size) + padding).saturating_sub(origin);
            padding.saturating_sub(origin)..kernel.min(end)
        };
        Self {
            rows: inside(origin[0], padding_y, kernel_y, conv.input.height),
            columns: inside(origin[1], padding_x, kernel_x, conv.input.width),
            origin,
        }
    }

    /// `sum (input - zero point) * filter` over the window. It cannot overflow
    /// (see `shared::artifact::plan::MAX_FILTER`); wrapping keeps debug builds fast.
    fn dot(&self, conv: &Conv2d, input: &[u8], filter: &[u8]) -> i32 {
        let channels = usize::from(conv.input.channels);
        let [padding_y, padding_x] = conv.padding.map(usize::from);
        let length = self.columns.len() * channels;
        let mut sum = 0i32;
        for row in self.rows.clone() {
            let y = self.origin[0] + row - padding_y;
            let x = self.origin[1] + self.columns.start - padding_x;
            let from = (y * usize::from(conv.input.width) + x) * channels;
            let taps = (row * usize::from(conv.kernel[1]) + self.columns.start) * channels;
            if let (Some(values), Some(weights)) = (
                input.get(from..from + length),
                filter.get(taps..taps + length),
            ) {
                sum = sum.wrapping_add(dot(values, weights, conv.input_zero_point));
            }
        }
        sum
    }
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
