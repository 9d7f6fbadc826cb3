//! The quantized graph: int8 filters per channel, uint8 activations per value.
//!
//! `shared/docs/int8-arithmetic.md` specifies the arithmetic that these numbers are for.

use anyhow::{Context, Result, ensure};
use shared::artifact::plan::{MAX_BIAS, MAX_FILTER};
use shared::preprocess::Quantization;

use super::ValueId;
use super::calibrate::Range;
use super::fused::{FusedConv2d, FusedGraph, FusedLayer};
use crate::tower::Shape;

/// A tower in int8.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedGraph {
    /// Shape of one sample.
    pub input: Shape,
    /// The layers in order.
    pub nodes: Vec<QuantizedNode>,
    /// What the bytes of each value mean, the input first.
    pub quantizations: Vec<Quantization>,
    /// Whether embeddings are scaled to unit length.
    pub normalized: bool,
}

/// A layer with its name, input and output shape.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNode {
    /// As in the fused graph.
    pub name: String,
    /// What it computes.
    pub layer: QuantizedLayer,
    /// What it reads.
    pub input: ValueId,
    /// Shape of what it writes.
    pub shape: Shape,
}

/// What a node computes. Pairs are (vertical, horizontal).
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// Convolution; ReLU is in the zero point of the output.
    Conv2d(QuantizedConv2d),
    /// Maximum over windows; the quantization stays.
    MaxPool {
        /// Window size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
    },
}

/// An int8 convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedConv2d {
    /// Filter size.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Padding before and after.
    pub padding: [usize; 2],
    /// `[out channels, in channels, kernel height, kernel width]`, -127 to 127.
    pub weights: Vec<i8>,
    /// The real number that one step of a filter stands for, `[out channels]`.
    pub scales: Vec<f32>,
    /// In steps of input scale times filter scale, `[out channels]`.
    pub bias: Vec<i32>,
}

impl QuantizedGraph {
    /// Quantizes a fused tower for values in `ranges`; `input` says what the input's
    /// bytes mean.
    ///
    /// # Errors
    /// When a filter is so long that its sum could overflow.
    pub fn new(fused: &FusedGraph, ranges: &[Range], input: Quantization) -> Result<Self> {
        let mut quantizations = vec![input];
        let mut nodes = Vec::with_capacity(fused.nodes.len());
        for (index, node) in fused.nodes.iter().enumerate() {
            let from = quantizations[node.input];
            let layer = match &node.layer {
                FusedLayer::Conv2d(conv) => {
                    let taps = conv.weights.len() / conv.bias.len();
                    ensure!(
                        taps <= MAX_FILTER as usize,
                        "layer {}: expected filters of at most {MAX_FILTER} weights, whose sum fits 32 bits, found {taps}",
                        node.name
                    );
                    let range = Range {
                        least: if conv.relu {
                            0.0
                        } else {
                            ranges[index + 1].least
                        },
                        ..ranges[index + 1]
                    };
                    let (layer, to) = quantize(conv, from.scale, range)
                        .with_context(|| format!("layer {}: expected filter scales that make exact multipliers, found none for its ranges", node.name))?;
                    quantizations.push(to);
                    QuantizedLayer::Conv2d(layer)
                }
                &FusedLayer::MaxPool { kernel, stride } => {
                    quantizations.push(from);
                    QuantizedLayer::MaxPool { kernel, stride }
                }
            };
            nodes.push(QuantizedNode {
                name: node.name.clone(),
                layer,
                input: node.input,
                shape: node.shape,
            });
        }
        Ok(Self {
            input: fused.input,
            nodes,
            quantizations,
            normalized: fused.normalized,
        })
    }

    /// Shape of a value.
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            0 => self.input,
            _ => self.nodes[value - 1].shape,
        }
    }

    /// What the bytes of the embedding mean.
    pub fn output(&self) -> Quantization {
        self.quantizations[self.quantizations.len() - 1]
    }

    /// `scale(input) * scale(filter) / scale(output)` of each channel of node `node`,
    /// each operation rounded to single precision, as ONNX Runtime computes it.
    pub fn multipliers(&self, node: usize, conv: &QuantizedConv2d) -> Vec<f32> {
        let from = self.quantizations[self.nodes[node].input].scale;
        let to = self.quantizations[node + 1].scale;
        conv.scales.iter().map(|scale| from * scale / to).collect()
    }
}

/// 255 steps of `scale` from the least to the most; zero falls on a step.
fn quantization(range: Range, scale: f32) -> Quantization {
    let zero_point = (-range.least / scale).round_ties_even().clamp(0.0, 255.0);
    Quantization {
        scale,
        zero_point: zero_point as u8,
    }
}

/// The smallest scale of 8 significant bits, from `least` on, by whose reciprocal one may
/// multiply instead of dividing by it: at most 2 % coarser in most cases. Single
/// precision rounds the reciprocal by less than a quarter of the last bit's weight
/// relative to the number, so that an exact quotient of few bits comes out the same.
fn invertible_scale(least: f32) -> f32 {
    let unit = (least.log2().floor() - 7.0).exp2();
    let mut scale = (least / unit).ceil() * unit;
    let is_invertible = |scale: f32| {
        let product = f64::from(scale) * f64::from(1.0 / scale);
        (product - 1.0).abs() < f64::from(f32::EPSILON) / 4.0
    };
    // A power of two is, and comes within 128 steps.
    while !is_invertible(scale) {
        scale += unit;
    }
    scale
}

/// A layer, and what its output's bytes mean.
fn quantize(
    conv: &FusedConv2d,
    input_scale: f32,
    range: Range,
) -> Option<(QuantizedConv2d, Quantization)> {
    let width = range.most - range.least;
    let mut output_scale = if width > 0.0 { width / 255.0 } else { 1.0 };
    // Now and then an output scale admits hardly any exact multiplier; the next one does.
    for _ in 0..16 {
        output_scale = invertible_scale(output_scale);
        if let Some(layer) = quantize_between(conv, input_scale, output_scale) {
            return Some((layer, quantization(range, output_scale)));
        }
        output_scale = output_scale.next_up();
    }
    None
}

fn quantize_between(
    conv: &FusedConv2d,
    input_scale: f32,
    output_scale: f32,
) -> Option<QuantizedConv2d> {
    let taps = conv.weights.len() / conv.bias.len();
    let filters = || conv.weights.chunks_exact(taps);
    let scales = filters()
        .map(|filter| exact_scale(least_scale(filter), input_scale, output_scale))
        .collect::<Option<Vec<f32>>>()?;
    let weights = filters().zip(&scales).flat_map(|(filter, scale)| {
        let steps = filter.iter().map(move |weight| weight / scale);
        steps.map(|step| step.round_ties_even().clamp(-127.0, 127.0) as i8)
    });
    let bias = conv.bias.iter().zip(&scales).map(|(bias, scale)| {
        let step = f64::from(input_scale) * f64::from(*scale);
        let limit = f64::from(MAX_BIAS);
        (f64::from(*bias) / step)
            .round_ties_even()
            .clamp(-limit, limit) as i32
    });
    Some(QuantizedConv2d {
        kernel: conv.kernel,
        stride: conv.stride,
        padding: conv.padding,
        weights: weights.collect(),
        bias: bias.collect(),
        scales,
    })
}

/// Multipliers are whole numbers of this: 2^-16.
const MULTIPLIER_UNIT: f64 = 1.0 / 65536.0;

/// The smallest filter scale, from `least` on, whose multiplier is the same however it is
/// computed, and exact times any accumulator that does not saturate.
///
/// ONNX Runtime divides by the output's scale, tract multiplies by its reciprocal, which
/// may differ in the last bit; where all channels have one multiplier, tract rounds the
/// exact product to an integer instead of its single-precision neighbour. Either changes
/// an output once in millions. Here both ways give one multiplier, and the product
/// needs no first rounding: below 2^8, with 16 bits behind the point, it has 24 bits. A
/// filter's step becomes coarser by about 2^-16 of an output's.
fn exact_scale(least: f32, input_scale: f32, output_scale: f32) -> Option<f32> {
    let (input, output) = (f64::from(input_scale), f64::from(output_scale));
    let wanted = input * f64::from(least) / output;
    let first = (wanted / MULTIPLIER_UNIT).ceil().max(1.0);
    // Rounding leaves out some multipliers, up to half of them.
    (0..16).find_map(|steps| {
        let multiplier = (first + f64::from(steps)) * MULTIPLIER_UNIT;
        let near = (multiplier * output / input) as f32;
        let is_exact = |scale: &f32| {
            let product = input_scale * scale;
            f64::from(product / output_scale) == multiplier
                && f64::from(product * (1.0 / output_scale)) == multiplier
        };
        let neighbours = [near, near.next_up(), near.next_down()];
        neighbours.into_iter().find(is_exact)
    })
}

/// The step of a filter whose largest weight becomes 127. One that is all but zero
/// gets a step that keeps its bias representable.
fn least_scale(filter: &[f32]) -> f32 {
    let largest = filter
        .iter()
        .fold(0.0f32, |most, weight| most.max(weight.abs()));
    (largest / 127.0).max(1e-8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn layer(weights: Vec<f32>) -> FusedConv2d {
        FusedConv2d {
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            bias: vec![0.0; weights.len()],
            weights,
            relu: true,
        }
    }

    proptest! {
        /// One rounding or two, a quotient or a reciprocal: the same integer, whatever
        /// was accumulated.
        #[test]
        fn products_that_do_not_saturate_are_exact(
            weights in prop::collection::vec(1e-4f32..2.0, 1..8),
            input in 1e-3f32..0.2,
            most in 0.1f32..60.0,
            part in -1.0f64..1.0,
        ) {
            let range = Range { least: 0.0, most };
            let (conv, to) = quantize(&layer(weights.clone()), input, range).unwrap();
            prop_assert!((1.0..1.2).contains(&(to.scale * 255.0 / most)), "{}", to.scale);
            for (scale, weight) in conv.scales.iter().zip(weights) {
                let multiplier = input * scale / to.scale;
                prop_assert_eq!(multiplier, input * scale * (1.0 / to.scale));
                let accumulator = (part * 256.0 / f64::from(multiplier)) as i32;
                let product = f64::from(accumulator) * f64::from(multiplier);
                prop_assert_eq!(f64::from(accumulator as f32 * multiplier), product);
                // Coarser by 16 units of the multiplier at most.
                let coarser = scale * 127.0 / weight;
                let most = 1.001 + 16.0 / (multiplier * 65536.0 - 16.0).max(0.0);
                prop_assert!((0.9999..most).contains(&coarser), "{} at {}", coarser, multiplier);
            }
        }
    }
}
