//! The quantized graph, computed plainly: the arithmetic of
//! `shared/docs/int8-arithmetic.md` loop by loop, with every value in reach. Engines are
//! faster; this says what is between their input and output.

use super::int8::{QuantizedConv2d, QuantizedGraph, QuantizedLayer};
use crate::tower::Shape;

impl QuantizedGraph {
    /// The bytes of every value, the input first, `[channels, height, width]` each.
    pub fn run(&self, sample: &[u8]) -> Vec<Vec<u8>> {
        let mut values = vec![sample.to_vec()];
        for index in 0..self.nodes.len() {
            let inputs = &self.nodes[index].inputs;
            let inputs: Vec<&[u8]> = inputs.iter().map(|&v| values[v].as_slice()).collect();
            let output = self.run_node(index, &inputs);
            values.push(output);
        }
        values
    }

    /// What node `index` makes of its inputs.
    pub(super) fn run_node(&self, index: usize, inputs: &[&[u8]]) -> Vec<u8> {
        let node = &self.nodes[index];
        let to = self.quantizations[index + 1].zero_point;
        let from = |input: usize| i32::from(self.quantizations[node.inputs[input]].zero_point);
        match &node.layer {
            QuantizedLayer::Conv2d(conv) => {
                let sums = self.sums(index, conv, inputs[0]);
                let area = node.shape.height * node.shape.width;
                let multipliers = self.multipliers(index, conv);
                let channels = sums.chunks_exact(area).zip(multipliers);
                channels
                    .flat_map(|(sums, m)| sums.iter().map(move |&sum| byte(sum as f32 * m, to)))
                    .collect()
            }
            &QuantizedLayer::MaxPool {
                kernel,
                stride,
                padding,
            } => {
                let shape = self.shape(node.inputs[0]);
                max_pool(inputs[0], shape, node.shape, kernel, stride, padding)
            }
            QuantizedLayer::Add => {
                let [a, b] = [0, 1].map(|input| self.ratio(index, node.inputs[input]));
                let pairs = inputs[0].iter().zip(inputs[1]);
                let real =
                    |byte: u8, zero_point, ratio| (i32::from(byte) - zero_point) as f32 * ratio;
                pairs
                    .map(|(&x, &y)| byte(real(x, from(0), a) + real(y, from(1), b), to))
                    .collect()
            }
            QuantizedLayer::Prelu { slopes } => {
                let ratio = self.ratio(index, node.inputs[0]);
                let channels = inputs[0].chunks_exact(inputs[0].len() / slopes.len());
                let prelu = |x: u8, slope: f32| {
                    let t = (i32::from(x) - from(0)) as f32 * ratio;
                    byte(if t < 0.0 { t * slope } else { t }, to)
                };
                channels
                    .zip(slopes)
                    .flat_map(|(map, &slope)| map.iter().map(move |&x| prelu(x, slope)))
                    .collect()
            }
        }
    }

    /// The sums of convolution `index`, bias included, before they are scaled to bytes:
    /// `[out channels, height, width]`.
    pub(super) fn sums(&self, index: usize, conv: &QuantizedConv2d, input: &[u8]) -> Vec<i32> {
        let node = &self.nodes[index];
        let (from, to) = (self.shape(node.inputs[0]), node.shape);
        let zero_point = self.quantizations[node.inputs[0]].zero_point;
        let centred: Vec<i32> = input
            .iter()
            .map(|&byte| i32::from(byte) - i32::from(zero_point))
            .collect();
        let channels = from.channels / conv.groups;
        let taps = conv.kernel[0] * conv.kernel[1];
        let map = from.height * from.width;
        let mut sums = Vec::with_capacity(to.len());
        for (filter, weights) in conv.weights.chunks_exact(channels * taps).enumerate() {
            let mut sum = vec![conv.bias[filter]; to.height * to.width];
            let first = if conv.groups == 1 { 0 } else { filter };
            for (channel, weights) in weights.chunks_exact(taps).enumerate() {
                let place = (first + channel) * map;
                correlate(
                    &centred[place..place + map],
                    from,
                    weights,
                    conv,
                    &mut sum,
                    to,
                );
            }
            sums.extend(sum);
        }
        sums
    }
}

/// Adds to `sum` the correlation of one map with one filter's weights; padding is zero.
fn correlate(
    map: &[i32],
    from: Shape,
    weights: &[i8],
    conv: &QuantizedConv2d,
    sum: &mut [i32],
    to: Shape,
) {
    for (tap, &weight) in weights.iter().enumerate() {
        let (row, column) = (tap / conv.kernel[1], tap % conv.kernel[1]);
        for (y, sums) in sum.chunks_exact_mut(to.width).enumerate() {
            let Some(line) = (y * conv.stride[0] + row).checked_sub(conv.padding[0]) else {
                continue;
            };
            if line >= from.height {
                continue;
            }
            let line = &map[line * from.width..(line + 1) * from.width];
            let (stride, padding) = (conv.stride[1], conv.padding[1]);
            let first = padding.saturating_sub(column).div_ceil(stride);
            let begin = first * stride + column - padding;
            let inside = line.iter().skip(begin).step_by(stride);
            for (sum, x) in sums.iter_mut().skip(first).zip(inside) {
                *sum += x * i32::from(weight);
            }
        }
    }
}

fn max_pool(
    input: &[u8],
    from: Shape,
    to: Shape,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Vec<u8> {
    let along = |axis: usize, position: usize, size: usize| {
        let first = position * stride[axis];
        let end = first + kernel[axis] - padding[axis];
        first.saturating_sub(padding[axis])..end.min(size)
    };
    let mut output = Vec::with_capacity(to.len());
    for map in input.chunks_exact(from.height * from.width) {
        for (y, x) in (0..to.height).flat_map(|y| (0..to.width).map(move |x| (y, x))) {
            let columns = along(1, x, from.width);
            let windows = along(0, y, from.height).flat_map(|row| {
                let begin = row * from.width;
                &map[begin + columns.start..begin + columns.end]
            });
            output.push(windows.copied().max().unwrap_or(0));
        }
    }
    output
}

/// A number in steps of the output, as its byte.
fn byte(steps: f32, zero_point: u8) -> u8 {
    (steps.round_ties_even() + f32::from(zero_point)).clamp(0.0, 255.0) as u8
}
