//! The quantized graph as the device runs it: steps over an arena, and one block of
//! weights.

use anyhow::{Context, Result};
use shared::artifact::Step;
use shared::artifact::plan::{Conv2d, MaxPool, Place, PlanHeader};

use super::arena::{self, Lifetime};
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
}

/// Plans memory and lays out weights.
///
/// # Errors
/// When a size does not fit the format.
pub fn plan(graph: &QuantizedGraph) -> Result<DevicePlan> {
    let places = places(graph)?;
    let mut weights = vec![];
    let mut steps = vec![];
    for (index, node) in graph.nodes.iter().enumerate() {
        let (input, output) = (places.0[node.input], places.0[index + 1]);
        steps.push(match &node.layer {
            QuantizedLayer::Conv2d(conv) => Step::Conv2d(Conv2d {
                input,
                output,
                kernel: small(conv.kernel)?,
                stride: small(conv.stride)?,
                padding: small(conv.padding)?,
                input_zero_point: graph.quantizations[node.input].zero_point,
                output_zero_point: graph.quantizations[index + 1].zero_point,
                weights: append(&mut weights, channels_last(conv))?,
                bias: append(&mut weights, little_endian(&conv.bias, |v| v.to_le_bytes()))?,
                multipliers: append(
                    &mut weights,
                    little_endian(&graph.multipliers(index, conv), |v| v.to_le_bytes()),
                )?,
            }),
            &QuantizedLayer::MaxPool { kernel, stride } => Step::MaxPool(MaxPool {
                input,
                output,
                kernel: small(kernel)?,
                stride: small(stride)?,
            }),
        });
    }
    let header = PlanHeader {
        arena_len: u32::try_from(places.1)?,
        input: places.0[0],
        output: places.0[graph.nodes.len()],
        steps: u16::try_from(steps.len())?,
    };
    Ok(DevicePlan {
        header,
        steps,
        weights,
    })
}

/// The place of every value, and the arena's length.
fn places(graph: &QuantizedGraph) -> Result<(Vec<Place>, usize)> {
    let count = graph.nodes.len() + 1;
    // Value n + 1 is written by step n; the input is there before step 0, the
    // embedding must outlive the last.
    let lifetime = |value: usize| {
        let readers = graph.nodes.iter().enumerate();
        let readers = readers.filter(|(_, node)| node.input == value);
        let written = value.saturating_sub(1);
        Lifetime {
            len: graph.shape(value).len(),
            first: written,
            last: readers.map(|(step, _)| step).max().unwrap_or(count),
        }
    };
    let lifetimes: Vec<Lifetime> = (0..count).map(lifetime).collect();
    let (offsets, peak) = arena::plan(&lifetimes);
    let places = offsets.into_iter().enumerate().map(|(value, offset)| {
        let Shape {
            channels,
            height,
            width,
        } = graph.shape(value);
        Ok(Place {
            offset: u32::try_from(offset)?,
            height: u16::try_from(height)?,
            width: u16::try_from(width)?,
            channels: u16::try_from(channels)?,
        })
    });
    Ok((places.collect::<Result<_>>()?, peak))
}

/// Filters with channels varying fastest: `[out, kernel height, kernel width, in]`.
fn channels_last(conv: &QuantizedConv2d) -> Vec<u8> {
    let taps = conv.kernel[0] * conv.kernel[1];
    let channels = conv.weights.len() / conv.bias.len() / taps;
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
