//! The quantized graph as the device runs it: steps over an arena, and one block of
//! weights.

use anyhow::{Context, Result, ensure};
use shared::artifact::Step;
use shared::artifact::plan::{Add, Conv2d, MaxPool, Place, PlanHeader, Prelu};

use super::arena::{self, Lifetime};
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
    let places = places(graph)?;
    let mut weights = vec![];
    let mut steps = vec![];
    for (index, node) in graph.nodes.iter().enumerate() {
        let (input, output) = (places.0[node.inputs[0]], places.0[index + 1]);
        let [from, to] = [node.inputs[0], index + 1].map(|value| graph.quantizations[value]);
        steps.push(match &node.layer {
            QuantizedLayer::Conv2d(conv) => {
                let step = Conv2d {
                    input,
                    output,
                    kernel: small(conv.kernel)?,
                    stride: small(conv.stride)?,
                    padding: small(conv.padding)?,
                    input_zero_point: from.zero_point,
                    output_zero_point: to.zero_point,
                    weights: append(&mut weights, channels_last(conv))?,
                    bias: append(&mut weights, little_endian(&conv.bias, |v| v.to_le_bytes()))?,
                    multipliers: append(
                        &mut weights,
                        little_endian(&graph.multipliers(index, conv), |v| v.to_le_bytes()),
                    )?,
                };
                match conv.groups {
                    1 => Step::Conv2d(step),
                    _ => Step::DepthwiseConv2d(step),
                }
            }
            &QuantizedLayer::MaxPool { kernel, stride } => Step::MaxPool(MaxPool {
                input,
                output,
                kernel: small(kernel)?,
                stride: small(stride)?,
            }),
            QuantizedLayer::Add => {
                let [a, b] = addends(graph, index)?;
                Step::Add(Add {
                    place: output,
                    other: places.0[b],
                    zero_points: [a, b].map(|value| graph.quantizations[value].zero_point),
                    output_zero_point: to.zero_point,
                    multipliers: [a, b].map(|value| graph.ratio(index, value)),
                })
            }
            QuantizedLayer::Prelu { slopes } => Step::Prelu(Prelu {
                place: output,
                input_zero_point: from.zero_point,
                output_zero_point: to.zero_point,
                multiplier: graph.ratio(index, node.inputs[0]),
                slopes: append(&mut weights, little_endian(slopes, |v| v.to_le_bytes()))?,
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
    let values = graph.nodes.len() + 1;
    // A step that works in place gives its output the buffer of its input. Value n + 1 is
    // written by step n; the input is there before step 0, the embedding outlives the last.
    let mut buffers: Vec<usize> = vec![];
    let mut lifetimes: Vec<Lifetime> = vec![];
    for value in 0..values {
        let overwritten = match value.checked_sub(1) {
            Some(step) => in_place(graph, step)?,
            None => None,
        };
        let buffer = match overwritten {
            Some(input) => {
                let buffer = buffers[input];
                lifetimes[buffer].last = last_reader(graph, value);
                buffer
            }
            None => {
                lifetimes.push(Lifetime {
                    len: graph.shape(value).len(),
                    first: value.saturating_sub(1),
                    last: last_reader(graph, value),
                });
                lifetimes.len() - 1
            }
        };
        buffers.push(buffer);
    }
    let (offsets, peak) = arena::plan(&lifetimes);
    let places = buffers.into_iter().enumerate().map(|(value, buffer)| {
        let Shape {
            channels,
            height,
            width,
        } = graph.shape(value);
        Ok(Place {
            offset: u32::try_from(offsets[buffer])?,
            height: u16::try_from(height)?,
            width: u16::try_from(width)?,
            channels: u16::try_from(channels)?,
        })
    });
    Ok((places.collect::<Result<_>>()?, peak))
}

/// The last step that reads a value; the embedding is read after all steps.
fn last_reader(graph: &QuantizedGraph, value: ValueId) -> usize {
    let mut steps = graph.nodes.iter();
    let last = steps.rposition(|node| node.inputs.contains(&value));
    last.unwrap_or(graph.nodes.len())
}

/// The input whose buffer a step overwrites with its output, if it works in place.
fn in_place(graph: &QuantizedGraph, step: usize) -> Result<Option<ValueId>> {
    let node = &graph.nodes[step];
    match node.layer {
        QuantizedLayer::Conv2d(_) | QuantizedLayer::MaxPool { .. } => Ok(None),
        QuantizedLayer::Add => addends(graph, step).map(|[overwritten, _]| Some(overwritten)),
        QuantizedLayer::Prelu { .. } => {
            let input = node.inputs[0];
            ensure!(last_reader(graph, input) == step, needs_last(&node.name));
            Ok(Some(input))
        }
    }
}

/// Both inputs of a sum, first the one that nobody reads any more, which it overwrites.
fn addends(graph: &QuantizedGraph, step: usize) -> Result<[ValueId; 2]> {
    let node = &graph.nodes[step];
    let (a, b) = (node.inputs[0], node.inputs[1]);
    let mut orders = [[a, b], [b, a]].into_iter();
    orders
        .find(|&[overwritten, _]| last_reader(graph, overwritten) == step)
        .with_context(|| needs_last(&node.name))
}

fn needs_last(name: &str) -> String {
    format!(
        "layer {name} works in place: expected an input that no later layer reads, found none: let the others read its output"
    )
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
