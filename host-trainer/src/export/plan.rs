//! The quantized graph as the device runs it: steps over an arena, and one block of
//! weights.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use shared::artifact::Step;
use shared::artifact::plan::{
    self, Add, Compare, Conv2d, Gru, MAX_STEPS, MaxPool, Place, PlanHeader, Prelu, SequenceMean,
    UnitVectors, Upsample,
};

use super::arena;
use super::buffers::{Buffers, lifetimes, overwritten};
use super::program::{Operation, Patches, Program};
use crate::quantize::ValueId;
use crate::quantize::gru::{self, QuantizedGru};
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

    /// Bytes of what a reference says, of a network that compares with references.
    pub fn reference_len(&self) -> usize {
        let parts = self.steps.iter().map(|step| match step {
            Step::Compare(compare) => compare.record_len(),
            _ => 0,
        });
        parts.sum()
    }

    /// Bytes of activation memory.
    pub fn arena_len(&self) -> usize {
        self.header.arena_len as usize
    }
}

/// The most work that patches may cost, in times that of whole maps.
const MOST_WORK: f64 = 1.85;

/// The finest grid of patches along one axis.
const FINEST: usize = 4;

/// Plans a graph over whole maps.
///
/// # Errors
/// As [`plan_program`].
pub fn plan(graph: &QuantizedGraph) -> Result<DevicePlan> {
    plan_program(graph, &Program::whole(graph))
}

/// Plans a graph for the least memory: its first nodes patch by patch, where that needs less
/// than whole maps for at most 1.85 times the work; and which.
///
/// # Errors
/// As [`plan_program`].
pub fn low_memory(graph: &QuantizedGraph) -> Result<(DevicePlan, Option<Patches>)> {
    let mut best = (plan(graph)?, None);
    let most = (best.0.macs() as f64 * MOST_WORK) as u64;
    let grids = (1..=FINEST).flat_map(|rows| (1..=FINEST).map(move |columns| [rows, columns]));
    for nodes in 1..graph.nodes.len() {
        for grid in grids.clone().filter(|&grid| grid != [1, 1]) {
            let patches = Patches { nodes, grid };
            let Ok(program) = Program::patched(graph, patches) else {
                continue;
            };
            let is_worth_it = program.macs(graph) <= most
                && program.steps.len() <= usize::from(MAX_STEPS)
                && graph.shape(0).len() + graph.shape(nodes).len() < best.0.arena_len();
            if is_worth_it {
                let plan = plan_program(graph, &program)?;
                if plan.arena_len() < best.0.arena_len() {
                    best = (plan, Some(patches));
                }
            }
        }
    }
    Ok(best)
}

/// Plans memory and lays out weights.
///
/// # Errors
/// When a size does not fit the format, or a later layer still reads what a sum or a PReLU
/// overwrites.
pub fn plan_program(graph: &QuantizedGraph, program: &Program) -> Result<DevicePlan> {
    let steps = program.steps.len();
    ensure!(
        steps <= usize::from(MAX_STEPS),
        "expected a network of at most {MAX_STEPS} steps, found {steps}"
    );
    let buffers = Buffers::plan(&lifetimes(program), overwritten(graph, program)?);
    let places: Vec<Place> = program
        .values
        .iter()
        .enumerate()
        .map(|(value, part)| place(part.shape, buffers.offset(value)))
        .collect::<Result<_>>()?;
    let mut weights = Weights::default();
    let steps = (0..steps).map(|index| {
        let mut read = program.steps[index].inputs.clone();
        if let Operation::Node { .. } = program.steps[index].operation {
            // The first is what is overwritten.
            read.sort_by_key(|&value| buffers.overwritten[index] != Some(value));
        }
        step(graph, program, index, &read, &places, &mut weights)
    });
    let mut steps: Vec<Step> = steps.collect::<Result<_>>()?;
    let scratch = place_states(&mut steps, buffers.placement.peak)?;
    let header = PlanHeader {
        arena_len: u32::try_from(buffers.placement.peak + scratch)?,
        input: places[0],
        output: places[places.len() - 1],
        steps: u16::try_from(steps.len())?,
    };
    Ok(DevicePlan {
        header,
        steps,
        weights: weights.bytes,
        live_bytes: arena::live_bytes(&buffers.lifetimes),
    })
}

/// Puts the states of recurrent steps, which none of them leaves to another, behind all
/// values; the bytes that they take.
fn place_states(steps: &mut [Step], behind: usize) -> Result<usize> {
    let mut most = 0;
    for step in steps {
        if let Step::Gru(gru) = step {
            gru.state.offset = u32::try_from(behind)?;
            most = most.max(gru.state.len());
        }
    }
    Ok(most)
}

/// Node `index` by itself, and its weights: every value begins at 0, and the first input is
/// overwritten where one is.
///
/// # Errors
/// When a size does not fit the format.
pub fn alone(graph: &QuantizedGraph, index: usize) -> Result<(Step, Vec<u8>)> {
    let program = Program::whole(graph);
    let places = program.values.iter().map(|part| place(part.shape, 0));
    let places: Vec<Place> = places.collect::<Result<_>>()?;
    let mut weights = Weights::default();
    let read = &program.steps[index].inputs;
    let step = step(graph, &program, index, read, &places, &mut weights)?;
    Ok((step, weights.bytes))
}

/// Step `index`, which reads the values `read`, its own in any order.
fn step(
    graph: &QuantizedGraph,
    program: &Program,
    index: usize,
    read: &[usize],
    places: &[Place],
    weights: &mut Weights,
) -> Result<Step> {
    let (input, output) = (places[read[0]], places[index + 1]);
    let (node, padding) = match program.steps[index].operation {
        Operation::Node { node, padding } => (node, padding),
        Operation::Copy { from, to, size } => {
            return Ok(Step::Copy(plan::Copy {
                input,
                output,
                from: small(from)?,
                to: small(to)?,
                size: small(size)?,
            }));
        }
    };
    let values: Vec<ValueId> = read.iter().map(|&at| program.values[at].value).collect();
    let [from, to] = [values[0], node + 1].map(|value| graph.quantizations[value]);
    Ok(match &graph.nodes[node].layer {
        QuantizedLayer::Conv2d(conv) => {
            let multipliers = graph.multipliers(node, conv);
            let step = Conv2d {
                input,
                output,
                kernel: small(conv.kernel)?,
                stride: small(conv.stride)?,
                padding: small(padding)?,
                input_zero_point: from.zero_point,
                output_zero_point: to.zero_point,
                weights: weights.append(node, "filters", channels_last(conv))?,
                bias: weights.append(
                    node,
                    "bias",
                    little_endian(&conv.bias, |v| v.to_le_bytes()),
                )?,
                multipliers: weights.append(
                    node,
                    "multipliers",
                    little_endian(&multipliers, |v| v.to_le_bytes()),
                )?,
            };
            match conv.groups {
                1 => Step::Conv2d(step),
                _ => Step::DepthwiseConv2d(step),
            }
        }
        &QuantizedLayer::MaxPool { kernel, stride, .. } => Step::MaxPool(MaxPool {
            input,
            output,
            kernel: small(kernel)?,
            stride: small(stride)?,
            padding: small(padding)?,
        }),
        QuantizedLayer::Gru(directions) => Step::Gru(Gru {
            input,
            output,
            state: Place {
                offset: 0,
                height: 1,
                width: 1,
                channels: u16::try_from(3 * graph.nodes[node].shape.channels / directions.len())?,
            },
            bidirectional: directions.len() > 1,
            weights: weights.append(
                node,
                "units",
                directions.iter().flat_map(QuantizedGru::bytes).collect(),
            )?,
        }),
        QuantizedLayer::SequenceMean => Step::SequenceMean(SequenceMean {
            input,
            output,
            input_zero_point: from.zero_point,
            output_zero_point: to.zero_point,
            multiplier: gru::fixed_point(f64::from(from.scale) / f64::from(to.scale))?,
        }),
        QuantizedLayer::UnitVectors => Step::UnitVectors(UnitVectors {
            place: output,
            zero_point: from.zero_point,
        }),
        QuantizedLayer::Upsample => Step::Upsample(Upsample { input, output }),
        &QuantizedLayer::Compare { grid, location } => Step::Compare(Compare {
            features: input,
            output,
            grid: u8::try_from(grid)?,
            location,
            first: u32::try_from(place_in_record(graph, node))?,
        }),
        QuantizedLayer::Add => {
            let addends = [values[0], values[1]];
            Step::Add(Add {
                place: output,
                other: places[read[1]],
                zero_points: addends.map(|value| graph.quantizations[value].zero_point),
                output_zero_point: to.zero_point,
                multipliers: addends.map(|value| graph.ratio(node, value)),
            })
        }
        QuantizedLayer::Prelu { slopes } => Step::Prelu(Prelu {
            place: output,
            input_zero_point: from.zero_point,
            output_zero_point: to.zero_point,
            multiplier: graph.ratio(node, values[0]),
            slopes: weights.append(node, "slopes", little_endian(slopes, |v| v.to_le_bytes()))?,
        }),
    })
}

/// Where in a reference's record the part of a comparison begins.
fn place_in_record(graph: &QuantizedGraph, node: usize) -> usize {
    let mut comparisons = graph.comparisons().into_iter();
    let own = comparisons.find(|(at, _)| *at == node);
    own.map_or(0, |(_, comparison)| comparison.first)
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

/// One block of constants; those of a node are in it once, however many steps read them.
#[derive(Default)]
struct Weights {
    bytes: Vec<u8>,
    /// By node, and by which of its constants it is.
    offsets: HashMap<(usize, &'static str), u32>,
}

impl Weights {
    /// Where a constant of a node begins: a multiple of 16.
    fn append(&mut self, node: usize, what: &'static str, constant: Vec<u8>) -> Result<u32> {
        if let Some(&offset) = self.offsets.get(&(node, what)) {
            return Ok(offset);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let offset = u32::try_from(self.bytes.len())?;
        self.bytes.extend_from_slice(&constant);
        self.offsets.insert((node, what), offset);
        Ok(offset)
    }
}

fn small(pair: [usize; 2]) -> Result<[u16; 2]> {
    let [vertical, horizontal] = pair;
    let narrow = |size: usize| u16::try_from(size).context("a window is larger than 65535");
    Ok([narrow(vertical)?, narrow(horizontal)?])
}
