//! The quantized graph: int8 filters per channel, uint8 activations per value.
//!
//! `shared/docs/int8-arithmetic.md` specifies the arithmetic that these numbers are for.

use anyhow::{Context, Result, bail, ensure};
use shared::EmbeddingFormat;
use shared::artifact::plan::{MAX_BIAS, MAX_FILTER};
use shared::embedding::UNIT;
use shared::preprocess::Quantization;

use super::calibrate::Range;
use super::fused::{FusedConv2d, FusedGraph, FusedLayer, Rectifier};
use super::gru::{self, QuantizedGru};
use super::{ValueId, agreement};
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
    /// How many steps that is; see [`super::unit_length`].
    pub unit_length: i32,
}

/// A layer with its name, input and output shape.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNode {
    /// As in the fused graph.
    pub name: String,
    /// What it computes.
    pub layer: QuantizedLayer,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// Shape of what it writes.
    pub shape: Shape,
}

/// What a node computes. Pairs are (vertical, horizontal).
#[derive(Clone, Debug, PartialEq)]
pub enum QuantizedLayer {
    /// Convolution; a rectifier is in the quantization of the output.
    Conv2d(QuantizedConv2d),
    /// Maximum over windows; the quantization stays.
    MaxPool {
        /// Window size.
        kernel: [usize; 2],
        /// Step.
        stride: [usize; 2],
        /// Places before and after that have no say.
        padding: [usize; 2],
    },
    /// Sum of two values; a rectifier is in the quantization of the output.
    Add,
    /// `x` where positive, else `slope * x`.
    Prelu {
        /// `[channels]`.
        slopes: Vec<f32>,
    },
    /// Gated recurrent units, one set or two for each direction.
    Gru(Vec<QuantizedGru>),
    /// Mean over the rows that are steps.
    SequenceMean,
    /// The channels of each pixel scaled to unit length.
    UnitVectors,
    /// Twice as high and wide; the quantization stays.
    Upsample,
    /// Cosines with prototypes of references.
    Compare {
        /// Cells along each side of the map.
        grid: usize,
        /// Whether it is compared where the structure lies.
        location: bool,
    },
}

/// An int8 convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedConv2d {
    /// 1, or the number of channels, in and out: each filter has one channel to itself.
    pub groups: usize,
    /// Filter size.
    pub kernel: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Padding before and after.
    pub padding: [usize; 2],
    /// `[out channels, in channels / groups, kernel height, kernel width]`, -127 to 127.
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
    /// When a filter is so long that its sum could overflow, or no scales are found with
    /// which every tool computes the same bytes.
    ///
    /// Embeddings are stored in the coarsest steps, which any fits.
    pub fn new(fused: &FusedGraph, ranges: &[Range], input: Quantization) -> Result<Self> {
        let mut quantizations = vec![input];
        let mut nodes = Vec::with_capacity(fused.nodes.len());
        for (index, node) in fused.nodes.iter().enumerate() {
            let from: Vec<Quantization> = node.inputs.iter().map(|&v| quantizations[v]).collect();
            let mut range = ranges[index + 1];
            let rectifier = node.layer.rectifier();
            if rectifier != Rectifier::None {
                range.least = 0.0;
                range.most = range.most.min(rectifier.most());
            }
            let (layer, to) = quantize(&node.layer, &from, range)
                .with_context(|| format!("layer {}", node.name))?;
            quantizations.push(to);
            nodes.push(QuantizedNode {
                name: node.name.clone(),
                layer,
                inputs: node.inputs.clone(),
                shape: node.shape,
            });
        }
        Ok(Self {
            input: fused.input,
            nodes,
            quantizations,
            normalized: fused.normalized,
            unit_length: UNIT,
        })
    }

    /// Whether it reads sequences.
    pub fn is_recurrent(&self) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| {
            matches!(
                node.layer,
                QuantizedLayer::Gru(_) | QuantizedLayer::SequenceMean
            )
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

    /// How embeddings are stored and compared.
    pub fn embedding(&self) -> EmbeddingFormat {
        let output = self.output();
        let mut format = EmbeddingFormat {
            dim: self.shape(self.nodes.len()).channels as u16,
            normalized: self.normalized,
            zero_point: output.zero_point,
            scale: output.scale,
        };
        if format.normalized {
            format.scale = EmbeddingFormat::unit_scale(self.unit_length);
        } else if format.is_halved() {
            format.scale *= 2.0;
        }
        format
    }

    /// `scale(input) * scale(filter) / scale(output)` of each channel of node `node`,
    /// each operation rounded to single precision, as ONNX Runtime computes it.
    pub fn multipliers(&self, node: usize, conv: &QuantizedConv2d) -> Vec<f32> {
        let from = self.quantizations[self.nodes[node].inputs[0]].scale;
        let to = self.quantizations[node + 1].scale;
        conv.scales.iter().map(|scale| from * scale / to).collect()
    }

    /// `scale(input) / scale(output)` of an input of node `node`, in single precision.
    pub fn ratio(&self, node: usize, input: ValueId) -> f32 {
        self.quantizations[input].scale / self.quantizations[node + 1].scale
    }
}

/// What bytes of components of unit vectors and of cosines mean.
const UNIT_VECTORS: Quantization = Quantization {
    scale: EmbeddingFormat::UNIT_SCALE,
    zero_point: 128,
};

/// A layer of inputs `from`, and what its output's bytes mean.
fn quantize(
    layer: &FusedLayer,
    from: &[Quantization],
    range: Range,
) -> Result<(QuantizedLayer, Quantization)> {
    const ALIKE: &str =
        "expected scales with which every tool computes the same bytes, found none for its ranges";
    match (layer, from) {
        (FusedLayer::Conv2d(conv), &[from]) => {
            let taps = conv.weights.len() / conv.bias.len();
            ensure!(
                taps <= MAX_FILTER as usize,
                "expected filters of at most {MAX_FILTER} weights, whose sum fits 32 bits, found {taps}"
            );
            let (conv, to) = convolution(conv, from.scale, range).context(ALIKE)?;
            Ok((QuantizedLayer::Conv2d(conv), to))
        }
        (
            &FusedLayer::MaxPool {
                kernel,
                stride,
                padding,
            },
            &[from],
        ) => {
            let pool = QuantizedLayer::MaxPool {
                kernel,
                stride,
                padding,
            };
            Ok((pool, from))
        }
        (FusedLayer::Add { .. }, &[a, b]) => {
            let to = agreement::sum(range, [a, b]).context(ALIKE)?;
            Ok((QuantizedLayer::Add, to))
        }
        (FusedLayer::Gru(directions), &[from]) => {
            let directions = directions
                .iter()
                .map(|units| QuantizedGru::new(units, from));
            let directions = directions.collect::<Result<_>>()?;
            Ok((QuantizedLayer::Gru(directions), gru::STATE))
        }
        (FusedLayer::UnitVectors, &[_]) => Ok((QuantizedLayer::UnitVectors, UNIT_VECTORS)),
        (FusedLayer::Upsample, &[from]) => Ok((QuantizedLayer::Upsample, from)),
        (&FusedLayer::Compare { grid, location }, &[from]) => {
            ensure!(
                from == UNIT_VECTORS,
                "expected a comparison of unit vectors, found other values"
            );
            Ok((QuantizedLayer::Compare { grid, location }, UNIT_VECTORS))
        }
        (FusedLayer::SequenceMean, &[_]) => {
            Ok((QuantizedLayer::SequenceMean, range.quantization()))
        }
        (FusedLayer::Prelu { slopes }, &[from]) => {
            let (slopes, to) = agreement::prelu(range, from, slopes).context(ALIKE)?;
            Ok((QuantizedLayer::Prelu { slopes }, to))
        }
        _ => bail!(
            "expected two inputs of a sum and one of other layers, found {}",
            from.len()
        ),
    }
}

/// A convolution, and what its output's bytes mean.
fn convolution(
    conv: &FusedConv2d,
    input_scale: f32,
    range: Range,
) -> Option<(QuantizedConv2d, Quantization)> {
    let taps = conv.weights.len() / conv.bias.len();
    let filters = || conv.weights.chunks_exact(taps);
    let least: Vec<f32> = filters().map(least_scale).collect();
    let (scales, to) = agreement::filters(range, input_scale, &least)?;
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
    let quantized = QuantizedConv2d {
        groups: conv.groups,
        kernel: conv.kernel,
        stride: conv.stride,
        padding: conv.padding,
        weights: weights.collect(),
        bias: bias.collect(),
        scales,
    };
    Some((quantized, to))
}

/// The step of a filter whose largest weight becomes 127. One that is all but zero
/// gets a step that keeps its bias representable.
fn least_scale(filter: &[f32]) -> f32 {
    let largest = filter
        .iter()
        .fold(0.0f32, |most, weight| most.max(weight.abs()));
    (largest / 127.0).max(1e-8)
}
