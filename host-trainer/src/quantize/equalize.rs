//! Scales moved from one layer into the next, so that the channels of a value are of one
//! magnitude and share its 256 bytes evenly.
//!
//! Where `f(s x) = s f(x)` for positive `s`, as of ReLU, PReLU and max pooling,
//!
//! ```text
//! W2 f(W1 x + b1) = (W2 S) f(S^-1 W1 x + S^-1 b1)
//! ```
//!
//! for any positive diagonal `S` (Nagel et al., "Data-free quantization through weight
//! equalization and bias correction", 2019, section 4.1). Their equation 11 balances the
//! ranges of both filters, for filters of one scale. Ours have a scale for each output
//! channel, so that the first layer's ranges are free; what shares one scale is the value
//! between. Its range takes the place of the first filter's, as in Xiao et al.,
//! "SmoothQuant", 2023, equation 4: `s = sqrt(activation range / range in W2)`. A depthwise
//! second layer has a scale for each of its input channels too: nothing is lost there, and
//! `s` is the activation's range alone.

use super::ValueId;
use super::calibrate::{Range, Statistics};
use super::fused::{FusedConv2d, FusedGraph, FusedLayer};

/// A channel is made at most so many times larger: the samples of the calibration may not
/// have been all that it answers to.
const MOST: f32 = 16.0;

/// A convolution and the next one, with nothing but homogeneous layers between.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    first: usize,
    second: usize,
    /// What lies between, none read by any other layer.
    between: Vec<ValueId>,
}

/// What moves from one convolution into the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The node whose filters and biases are divided by the factors.
    pub first: usize,
    /// The node whose input channels are multiplied by them.
    pub second: usize,
    /// `S`, for each channel between, above 0 to 1.
    pub factors: Vec<f32>,
}

/// What equalizes the channels of a tower with these statistics; nothing where it has no
/// two convolutions in line.
pub fn equalization(fused: &FusedGraph, statistics: &Statistics) -> Vec<Moved> {
    let moved = |pair: Pair| {
        let FusedLayer::Conv2d(second) = &fused.nodes[pair.second].layer else {
            return None;
        };
        Some(Moved {
            first: pair.first,
            second: pair.second,
            factors: factors(&magnitudes(&pair, &statistics.channels), second),
        })
    };
    pairs(fused).into_iter().filter_map(moved).collect()
}

/// The tower with equalized channels: the same function but for rounding.
pub fn equalized(fused: &FusedGraph, equalization: &[Moved]) -> FusedGraph {
    let mut result = fused.clone();
    for moved in equalization {
        if let FusedLayer::Conv2d(conv) = &mut result.nodes[moved.second].layer {
            scale_inputs(conv, &moved.factors);
        }
        if let FusedLayer::Conv2d(conv) = &mut result.nodes[moved.first].layer {
            scale_outputs(conv, &moved.factors);
        }
    }
    result
}

fn pairs(fused: &FusedGraph) -> Vec<Pair> {
    let is_convolution = |node: &usize| matches!(fused.nodes[*node].layer, FusedLayer::Conv2d(_));
    let convolutions = (0..fused.nodes.len()).filter(is_convolution);
    convolutions
        .filter_map(|first| pair(fused, first))
        .collect()
}

fn pair(fused: &FusedGraph, first: usize) -> Option<Pair> {
    let mut between = vec![first + 1];
    loop {
        let value = between[between.len() - 1];
        let reader = only_reader(fused, value)?;
        match fused.nodes[reader].layer {
            FusedLayer::Conv2d(_) => {
                let second = reader;
                return Some(Pair {
                    first,
                    second,
                    between,
                });
            }
            FusedLayer::Prelu { .. } | FusedLayer::MaxPool { .. } | FusedLayer::Upsample => {
                between.push(reader + 1);
            }
            FusedLayer::Add { .. }
            | FusedLayer::Gru(_)
            | FusedLayer::SequenceMean
            | FusedLayer::UnitVectors
            | FusedLayer::Compare { .. } => return None,
        }
    }
}

/// The only node that reads a value, if there is exactly one.
fn only_reader(fused: &FusedGraph, value: ValueId) -> Option<usize> {
    let mut readers = fused.nodes.iter().enumerate();
    let mut next = || readers.find(|(_, node)| node.inputs.contains(&value));
    let (reader, _) = next()?;
    next().is_none().then_some(reader)
}

/// The largest magnitude of each channel in any of the values between.
fn magnitudes(pair: &Pair, channels: &[Vec<Range>]) -> Vec<f32> {
    let of = |channel: usize| {
        let ranges = pair.between.iter().map(|&value| channels[value][channel]);
        ranges.fold(Range::ZERO, Range::and).magnitude()
    };
    (0..channels[pair.first + 1].len()).map(of).collect()
}

/// `s` of each channel, the largest of them 1. Of the second filters only what the shares
/// in each filter's largest weight say counts, which scaling their outputs does not change.
fn factors(magnitudes: &[f32], second: &FusedConv2d) -> Vec<f32> {
    let factors: Vec<f32> = match second.groups {
        1 => {
            let shares = input_shares(second, magnitudes.len());
            let balanced = magnitudes.iter().zip(shares);
            balanced
                .map(|(m, share)| (m / share.max(1e-6)).sqrt())
                .collect()
        }
        _ => magnitudes.to_vec(),
    };
    // A channel that was always zero says nothing, and stays as it is.
    let largest = factors.iter().copied().fold(0.0, f32::max);
    let bounded = |factor: f32| match factor > 0.0 {
        true => (factor / largest).max(1.0 / MOST),
        false => 1.0,
    };
    factors.into_iter().map(bounded).collect()
}

/// The largest weight of each input channel, in parts of the largest of its filter.
fn input_shares(conv: &FusedConv2d, channels: usize) -> Vec<f32> {
    let largest = |weights: &[f32]| weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let taps = conv.kernel[0] * conv.kernel[1];
    let mut shares = vec![0.0f32; channels];
    for filter in conv.weights.chunks_exact(channels * taps) {
        let whole = largest(filter).max(f32::MIN_POSITIVE);
        for (share, weights) in shares.iter_mut().zip(filter.chunks_exact(taps)) {
            *share = share.max(largest(weights) / whole);
        }
    }
    shares
}

/// Multiplies the weights of each input channel.
fn scale_inputs(conv: &mut FusedConv2d, factors: &[f32]) {
    let taps = conv.kernel[0] * conv.kernel[1];
    let maps = conv.weights.chunks_exact_mut(taps);
    for (weights, factor) in maps.zip(factors.iter().cycle()) {
        weights.iter_mut().for_each(|weight| *weight *= factor);
    }
}

/// Divides each filter and its bias.
fn scale_outputs(conv: &mut FusedConv2d, factors: &[f32]) {
    let length = conv.weights.len() / conv.bias.len();
    let filters = conv.weights.chunks_exact_mut(length).zip(&mut conv.bias);
    for ((filter, bias), factor) in filters.zip(factors) {
        filter.iter_mut().for_each(|weight| *weight /= factor);
        *bias /= factor;
    }
}
