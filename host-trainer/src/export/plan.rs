//! The quantized graph as the device runs it: steps over an arena, and one block of
//! weights.

use anyhow::{Context, Result};
use shared::artifact::Step;
use shared::artifact::plan::{Add, Conv2d, MaxPool, Place, PlanHeader, Prelu};

use super::arena;
use super::buffers::{Buffers, lifetimes, overwritten};
use crate::quantize::ValueId;
use crate::quantize::int8::{QuantizedConv2d, QuantizedGraph, QuantizedLayer};
use crate::tower::Shape;

/// What the artifact says of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct DevicePlan {
    /// Arena, input, output.
    pub header: PlanHeader,
    /// The network.
    pub steps: Vec<Step>,
    /// What the steps' offsets refer to.
    pub weights: Vec<u8>,
    /// The most bytes of activations that live during one step, which no arena is shorter
    /// than.
    pub live_bytes: usize,
}

impl DevicePlan {
    /// Multiply-accumulate operations of one pass.
    pub fn macs(&self) -> u64 {
        self.steps.iter().map(Step::macs).sum()
    }
}

/// Plans memory and lays out weights.
///
/// # Errors
/// When a size does not fit the format, or a later layer still reads what a sum or a PReLU
/// overwrites.
pub fn plan(graph: &QuantizedGraph) -> Result<DevicePlan> {
    let buffers = Buffers::plan(&lifetimes(graph), overwritten(graph)?);
    let places = places(graph, &buffers)?;
    let mut weights = vec![];
    let steps = (0..graph.nodes.len()).map(|index| {
        let inputs = &graph.nodes[index].inputs;
        let mut read: Vec<ValueId> = inputs.clone();
        // The first is what is overwritten.
        read.sort_by_key(|&value| buffers.overwritten[index] != Some(value));
        step(graph, index, &read, &places, &mut weights)
    });
    let steps: Vec<Step> = steps.collect::<Result<_>>()?;
    let header = PlanHeader {
        arena_len: u32::try_from(buffers.placement.peak)?,
        input: places[0],
        output: places[graph.nodes.len()],
        steps: u16::try_from(steps.len())?,
    };
    Ok(DevicePlan {
        header,
        steps,
        weights,
        live_bytes: arena::live_bytes(&buffers.lifetimes),
    })
}

/// Step `index` by itself: every value begins at 0, and the first input is overwritten where
/// one is. Its constants are appended to `weights`.
///
/// # Errors
/// When a size does not fit the format.
pub fn alone(graph: &QuantizedGraph, index: usize, weights: &mut Vec<u8>) -> Result<Step> {
    let places = (0..=graph.nodes.len()).map(|value| place(graph.shape(value), 0));
    let places: Vec<Place> = places.collect::<Result<_>>()?;
    step(graph, index, &graph.nodes[index].inputs, &places, weights)
}

/// Step `index`, which reads the values `read`, those of the node in any order.
fn step(
    graph: &QuantizedGraph,
    index: usize,
    read: &[ValueId],
    places: &[Place],
    weights: &mut Vec<u8>,
) -> Result<Step> {
    let (input, output) = (places[read[0]], places[index + 1]);
    let [from, to] = [read[0], index + 1].map(|value| graph.quantizations[value]);
    Ok(match &graph.nodes[index].layer {
        QuantizedLayer::Conv2d(conv) => {
            let multipliers = graph.multipliers(index, conv);
            let step = Conv2d {
                input,
                output,
                kernel: small(conv.kernel)?,
                stride: small(conv.stride)?,
                padding: small(conv.padding)?,
                input_zero_point: from.zero_point,
                output_zero_point: to.zero_point,
                weights: append(weights, channels_last(conv))?,
                bias: append(weights, little_endian(&conv.bias, |v| v.to_le_bytes()))?,
                multipliers: append(weights, little_endian(&multipliers, |v| v.to_le_bytes()))?,
            };
            match conv.groups {
                1 => Step::Conv2d(step),
                _ => Step::DepthwiseConv2d(step),
            }
        }
        &QuantizedLayer::MaxPool {
            kernel,
            stride,
            padding,
        } => Step::MaxPool(MaxPool {
            input,
            output,
            kernel: small(kernel)?,
            stride: small(stride)?,
            padding: small(padding)?,
        }),
        QuantizedLayer::Add => {
            let addends = [read[0], read[1]];
            Step::Add(Add {
                place: output,
                other: places[read[1]],
                zero_points: addends.map(|value| graph.quantizations[value].zero_point),
                output_zero_point: to.zero_point,
                multipliers: addends.map(|value| graph.ratio(index, value)),
            })
        }
        QuantizedLayer::Prelu { slopes } => Step::Prelu(Prelu {
            place: output,
            input_zero_point: from.zero_point,
            output_zero_point: to.zero_point,
            multiplier: graph.ratio(index, read[0]),
            slopes: append(weights, little_endian(slopes, |v| v.to_le_bytes()))?,
        }),
    })
}

/// The place of every value.
fn places(graph: &QuantizedGraph, buffers: &Buffers) -> Result<Vec<Place>> {
    (0..=graph.nodes.len())
        .map(|value| place(graph.shape(value), buffers.offset(value)))
        .collect()
}

fn place(shape: Shape, offset: usize) -> Result<Place> {
    Ok(Place {
        offset: u32::try_from(offset)?,
        height: u16::try_from(shape.height)?,
        width: u16::try_from(shape.width)?,
        channels: u16::try_from(shape.channels)?,
    })
}

/// Filters with channels varying fastest: `[out, kernel height, kernel width, in]`, or
/// `[kernel height, kernel width, channels]` of depthwise ones.
fn channels_last(conv: &QuantizedConv2d) -> Vec<u8> {
    let taps = conv.kernel[0] * conv.kernel[1];
    let channels = match conv.groups {
        1 => conv.weights.len() / conv.bias.len() / taps,
        groups => groups,
    };
    let mut bytes = Vec::with_capacity(conv.weights.len());
    for filter in conv.weights.chunks_exact(channels * taps) {
        for tap in 0..taps {
            bytes.extend((0..channels).map(|channel| filter[channel * taps + tap] as u8));
        }
    }
    bytes
}

fn little_endian<T: Copy>(values: &[T], bytes: impl Fn(T) -> [u8; 4]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

/// Puts `bytes` at the next multiple of 16; where they begin.
fn append(weights: &mut Vec<u8>, bytes: Vec<u8>) -> Result<u32> {
    weights.resize(weights.len().next_multiple_of(16), 0);
    let offset = u32::try_from(weights.len())?;
    weights.extend(bytes);
    Ok(offset)
}

fn small(pair: [usize; 2]) -> Result<[u16; 2]> {
    let [vertical, horizontal] = pair;
    let narrow = |size: usize| u16::try_from(size).context("a window is larger than 65535");
    Ok([narrow(vertical)?, narrow(horizontal)?])
}
