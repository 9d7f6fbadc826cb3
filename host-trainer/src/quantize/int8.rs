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
                        .with_context(|| format!("layer {}: expected filter scales whose multipliers every tool computes alike, found none for its ranges", node.name))?;
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

/// The smallest scale of 8 significant bits, from `least` on, whose single-precision
/// reciprocal is off by less than a quarter of a last bit: a per cent coarser or two.
/// Between scales of all bits, one layer in ten thousand had no [`agreed_scale`].
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
    // Should an output scale admit no such filter scale, the next one does.
    for _ in 0..64 {
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
        .map(|filter| agreed_scale(least_scale(filter), input_scale, output_scale))
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

/// The smallest filter scale, from `least` on, whose multiplier is the same however it is
/// computed: ONNX Runtime divides by the output's scale, tract multiplies by its
/// reciprocal, in an order that its optimizer chooses. A difference in the last bit would
/// change an output once in millions.
fn agreed_scale(least: f32, input_scale: f32, output_scale: f32) -> Option<f32> {
    let next = |scale: &f32| Some(scale.next_up());
    let mut scales = core::iter::successors(Some(least), next).take(1024);
    scales.find(|&scale| {
        let [first, others @ ..] = multipliers(input_scale, scale, output_scale);
        others.iter().all(|&other| other == first)
    })
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
        #[test]
        fn multipliers_are_the_same_however_they_are_computed(
            weights in prop::collection::vec(1e-4f32..2.0, 1..8),
            input in 1e-3f32..0.2,
            of_picture: bool,
            most in 0.1f32..60.0,
        ) {
            // The scale of a picture's bytes, or of an earlier layer's.
            let input = if of_picture { 1.0 / 255.0 } else { invertible_scale(input) };
            let range = Range { least: 0.0, most };
            let (conv, to) = quantize(&layer(weights.clone()), input, range).unwrap();
            prop_assert!((1.0..1.1).contains(&(to.scale * 255.0 / most)), "{}", to.scale);
            for (scale, weight) in conv.scales.iter().zip(weights) {
                let ways = multipliers(input, *scale, to.scale);
                prop_assert_eq!(ways, [ways[0]; 6]);
                prop_assert!((0.999..1.001).contains(&(scale * 127.0 / weight)));
            }
        }
    }
}
