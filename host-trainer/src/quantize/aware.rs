//! The tower as int8 will compute it, in real numbers that can be learnt through.
//!
//! Batch normalization with its running statistics is folded into the filters. Filters,
//! biases and values are rounded to what their bytes stand for, as
//! `shared/docs/int8-arithmetic.md` says; a gradient passes the rounding as if it were not
//! there, and stops where a value is cut off (Jacob et al., "Quantization and training of
//! neural networks for efficient integer-arithmetic-only inference", 2018, section 3; the
//! straight-through estimator: Bengio et al., "Estimating or propagating gradients through
//! stochastic neurons for conditional computation", 2013).

use std::collections::BTreeMap;

use shared::preprocess::Quantization;
use tch::{Kind, Tensor};

use super::fused::{FusedConv2d, FusedGraph, FusedLayer};
use super::recipe::Quantized;
use crate::tower::{BATCH_NORM_EPSILON, Graph, Layer};

/// The rounding of a tower's layers: scales of values that stay as they are, scales of
/// filters that follow their weights.
#[derive(Debug)]
pub struct FakeQuantization {
    fused: FusedGraph,
    /// Of each node, the batch normalization that is folded into it.
    norms: Vec<Option<String>>,
    /// Of each node, factors of the input channels and divisors of the outputs.
    moved: Vec<[Option<Tensor>; 2]>,
    quantizations: Vec<Quantization>,
}

impl FakeQuantization {
    /// The rounding of `quantized`, made of the tower of `graph`.
    pub fn new(graph: &Graph, quantized: &Quantized) -> Self {
        let norm = |name: &str| {
            let mut nodes = graph.nodes().iter();
            let follows = nodes.find(|node| {
                node.layer == Layer::BatchNorm && graph.nodes()[node.inputs[0]].name == name
            });
            follows.map(|node| node.name.clone())
        };
        let fused = quantized.fused.clone();
        let factors = |node: usize, is_second: bool| {
            let mut moves = quantized.equalization.iter();
            let moved = moves.find(|moved| match is_second {
                true => moved.second == node,
                false => moved.first == node,
            });
            moved.map(|moved| Tensor::from_slice(&moved.factors))
        };
        Self {
            norms: fused.nodes.iter().map(|node| norm(&node.name)).collect(),
            moved: (0..fused.nodes.len())
                .map(|node| [factors(node, true), factors(node, false)])
                .collect(),
            fused,
            quantizations: quantized.graph.quantizations.clone(),
        }
    }

    /// What the bytes of every value stand for, `[n, channels, height, width]` each, the
    /// `input` first; with the tower's `tensors` by name.
    pub fn values(&self, tensors: &BTreeMap<String, Tensor>, input: &Tensor) -> Vec<Tensor> {
        let mut values = vec![input.shallow_clone()];
        for (index, node) in self.fused.nodes.iter().enumerate() {
            let inputs: Vec<&Tensor> = node.inputs.iter().map(|&value| &values[value]).collect();
            let value = self.value(tensors, index, &inputs);
            values.push(value);
        }
        values
    }

    /// What the bytes stand for that node `index` makes of its inputs.
    pub fn value(
        &self,
        tensors: &BTreeMap<String, Tensor>,
        index: usize,
        inputs: &[&Tensor],
    ) -> Tensor {
        let node = &self.fused.nodes[index];
        let from = inputs[0];
        let real = match &node.layer {
            FusedLayer::Conv2d(conv) => self.convolution(tensors, index, conv, from),
            FusedLayer::MaxPool {
                kernel,
                stride,
                padding,
            } => from.max_pool2d(
                kernel.map(|v| v as i64),
                stride.map(|v| v as i64),
                padding.map(|v| v as i64),
                [1, 1],
                false,
            ),
            FusedLayer::Add { .. } => from + inputs[1],
            // Refused before training begins.
            FusedLayer::Gru(_)
            | FusedLayer::SequenceMean
            | FusedLayer::UnitVectors
            | FusedLayer::Upsample
            | FusedLayer::Compare { .. } => from.shallow_clone(),
            FusedLayer::Prelu { .. } => from.prelu(&tensors[&format!("{}.weight", node.name)]),
        };
        rounded(&real, self.quantizations[index + 1])
    }

    /// A convolution with rounded filters and biases; a rectifier is in the range of its output.
    fn convolution(
        &self,
        tensors: &BTreeMap<String, Tensor>,
        index: usize,
        conv: &FusedConv2d,
        input: &Tensor,
    ) -> Tensor {
        let (weight, bias) = self.folded(tensors, index, conv, input);
        let scale = (weight.detach().abs().amax([1, 2, 3], true) / 127.0).clamp_min(1e-8);
        let steps = (&weight / &scale).round().clamp(-127.0, 127.0);
        let filters = passed_through(&weight, &(steps * &scale));
        let from = self.quantizations[self.fused.nodes[index].inputs[0]];
        let step = scale.reshape(-1) * f64::from(from.scale);
        let bias = passed_through(&bias, &((&bias / &step).round() * &step));
        input.conv2d(
            &filters,
            Some(&bias),
            conv.stride.map(|v| v as i64),
            conv.padding.map(|v| v as i64),
            [1, 1],
            conv.groups as i64,
        )
    }

    /// Filters and biases of a node, batch normalization folded in, channels equalized.
    fn folded(
        &self,
        tensors: &BTreeMap<String, Tensor>,
        index: usize,
        conv: &FusedConv2d,
        input: &Tensor,
    ) -> (Tensor, Tensor) {
        let name = &self.fused.nodes[index].name;
        let device = input.device();
        let filters = conv.bias.len() as i64;
        let Some(weight) = tensors.get(&format!("{name}.weight")) else {
            // An average has nothing to learn, and its filters are equalized already.
            let [height, width] = conv.kernel.map(|v| v as i64);
            let weights = Tensor::from_slice(&conv.weights).reshape([filters, 1, height, width]);
            let bias = Tensor::from_slice(&conv.bias);
            return (weights.to_device(device), bias.to_device(device));
        };
        let zeros = || Tensor::zeros(filters, (Kind::Float, device));
        let own = tensors.get(&format!("{name}.bias"));
        let bias = own.map_or_else(zeros, Tensor::shallow_clone);
        let (weight, bias) = match &self.norms[index] {
            Some(norm) => {
                let of = |part: &str| &tensors[&format!("{norm}.{part}")];
                let factor = of("weight") / (of("running_var") + BATCH_NORM_EPSILON).sqrt();
                let bias = of("bias") + (bias - of("running_mean")) * &factor;
                (weight * factor.reshape([-1, 1, 1, 1]), bias)
            }
            None => (weight.shallow_clone(), bias),
        };
        let [inputs, outputs] = &self.moved[index];
        let weight = match inputs {
            Some(factors) if conv.groups == 1 => {
                weight * factors.to_device(device).reshape([1, -1, 1, 1])
            }
            Some(factors) => weight * factors.to_device(device).reshape([-1, 1, 1, 1]),
            None => weight,
        };
        match outputs {
            Some(divisors) => {
                let divisors = divisors.to_device(device);
                (weight / divisors.reshape([-1, 1, 1, 1]), bias / divisors)
            }
            None => (weight, bias),
        }
    }
}

/// What the bytes of real numbers stand for; no gradient where they are cut off.
fn rounded(real: &Tensor, meaning: Quantization) -> Tensor {
    let (scale, zero_point) = (f64::from(meaning.scale), f64::from(meaning.zero_point));
    let steps = (real / scale)
        .round()
        .clamp(-zero_point, 255.0 - zero_point);
    let kept = real.clamp(-zero_point * scale, (255.0 - zero_point) * scale);
    passed_through(&kept, &(steps * scale))
}

/// The value of `rounded` with the gradient of `real`.
fn passed_through(real: &Tensor, rounded: &Tensor) -> Tensor {
    real + (rounded - real).detach()
}
