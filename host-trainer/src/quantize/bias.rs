//! Biases that make up for what quantization shifts on average.

use anyhow::Result;
use rayon::prelude::*;
use shared::artifact::plan::MAX_BIAS;

use super::float::FloatGraph;
use super::fused::FusedGraph;
use super::int8::{QuantizedConv2d, QuantizedGraph, QuantizedLayer};
use super::interpret::Interpreted;
use crate::dataset::Tensors;

/// The bytes of every value of a sample, the channels of a pixel side by side; empty when
/// nobody reads it any more.
type Values = Vec<Vec<u8>>;

/// Adds to every bias the mean error of its channel over `samples`: layer by layer, each
/// after those before it, before its activation, in whole steps of the bias, whose bounds
/// hold (Nagel et al., "Data-free quantization through weight equalization and bias
/// correction", 2019, section 4.2; the error measured on samples, as in their appendix D).
///
/// # Errors
/// When the real-numbered tower `fused` cannot be run.
pub fn correct(graph: &mut QuantizedGraph, fused: &FusedGraph, samples: &Tensors) -> Result<()> {
    let expected = float_means(fused, samples)?;
    let mut values: Vec<Values> = (0..samples.len())
        .map(|index| vec![samples.sample(index).to_vec()])
        .collect();
    for index in 0..graph.nodes.len() {
        let means = sum_means(graph, index, &values);
        let step = graph.quantizations[graph.nodes[index].inputs[0]].scale;
        if let QuantizedLayer::Conv2d(conv) = &mut graph.nodes[index].layer {
            let channels = conv.bias.iter_mut().zip(&conv.scales);
            let errors = expected[index].iter().zip(means);
            for ((bias, scale), (expected, found)) in channels.zip(errors) {
                let expected = expected / (f64::from(step) * f64::from(*scale));
                *bias = corrected(*bias, expected - found);
            }
        }
        let last = |value: &usize| {
            graph.nodes[index + 1..]
                .iter()
                .all(|n| !n.inputs.contains(value))
        };
        let done: Vec<usize> = graph.nodes[index]
            .inputs
            .iter()
            .copied()
            .filter(last)
            .collect();
        let step = Interpreted::new(graph, index)?;
        values.par_iter_mut().try_for_each(|values| {
            let output = step.run(values)?;
            values.push(output);
            done.iter().for_each(|&value| values[value] = vec![]);
            Ok::<_, anyhow::Error>(())
        })?;
    }
    Ok(())
}

/// A bias with a correction, in its steps, kept within its bounds.
fn corrected(bias: i32, by: f64) -> i32 {
    let limit = f64::from(MAX_BIAS);
    (f64::from(bias) + by)
        .round_ties_even()
        .clamp(-limit, limit) as i32
}

/// The mean sum of each channel of a convolution, in its steps; nothing of other layers.
///
/// A filter's sums add up to its weights times what each tap reads in all places together.
fn sum_means(graph: &QuantizedGraph, index: usize, values: &[Values]) -> Vec<f64> {
    let node = &graph.nodes[index];
    let QuantizedLayer::Conv2d(conv) = &node.layer else {
        return vec![];
    };
    let from = node.inputs[0];
    let taps = conv.kernel[0] * conv.kernel[1];
    let channels = graph.shape(from).channels;
    let totals = values
        .par_iter()
        .map(|values| tap_totals(graph, index, conv, &values[from]));
    // Integers add up to the same in any order.
    let totals = totals.reduce(
        || vec![0; taps * channels],
        |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect(),
    );
    let per_group = channels / conv.groups;
    let count = node.shape.height * node.shape.width * values.len();
    let filters = conv.weights.chunks_exact(per_group * taps).enumerate();
    let sum = |(filter, weights): (usize, &[i8])| {
        let first = if conv.groups == 1 { 0 } else { filter };
        let products = weights.iter().enumerate().map(|(place, &weight)| {
            let (channel, tap) = (first + place / taps, place % taps);
            i64::from(weight) * totals[tap * channels + channel]
        });
        products.sum::<i64>() + i64::from(conv.bias[filter]) * count as i64
    };
    filters
        .map(|filter| sum(filter) as f64 / count as f64)
        .collect()
}

/// What each tap of a kernel reads, above zero, in all places of the output together:
/// `[tap, channel]`.
fn tap_totals(
    graph: &QuantizedGraph,
    index: usize,
    conv: &QuantizedConv2d,
    input: &[u8],
) -> Vec<i64> {
    let node = &graph.nodes[index];
    let (from, to) = (graph.shape(node.inputs[0]), node.shape);
    let zero_point = i64::from(graph.quantizations[node.inputs[0]].zero_point);
    let taps = conv.kernel[0] * conv.kernel[1];
    let inside = |axis: usize, place: usize, tap: usize, size: usize| {
        let at = (place * conv.stride[axis] + tap).checked_sub(conv.padding[axis]);
        at.filter(|&at| at < size)
    };
    let mut totals = vec![0; taps * from.channels];
    for (tap, totals) in totals.chunks_exact_mut(from.channels).enumerate() {
        let (row, column) = (tap / conv.kernel[1], tap % conv.kernel[1]);
        for y in (0..to.height).filter_map(|y| inside(0, y, row, from.height)) {
            for x in (0..to.width).filter_map(|x| inside(1, x, column, from.width)) {
                let pixel = &input[(y * from.width + x) * from.channels..][..from.channels];
                for (total, &byte) in totals.iter_mut().zip(pixel) {
                    *total += i64::from(byte) - zero_point;
                }
            }
        }
    }
    totals
}

/// The mean of each channel of each node before its activation.
fn float_means(fused: &FusedGraph, samples: &Tensors) -> Result<Vec<Vec<f64>>> {
    let float = FloatGraph::before_activation(fused, &samples.preprocess)?;
    let area = |node: usize| fused.nodes[node].shape.height * fused.nodes[node].shape.width;
    let of_one = |_, outputs: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
        let mean = |(node, output): (usize, &Vec<f32>)| {
            let maps = output.chunks_exact(area(node));
            let sum = |map: &[f32]| map.iter().map(|&v| f64::from(v)).sum::<f64>();
            maps.map(|map| sum(map) / map.len() as f64).collect()
        };
        outputs.iter().enumerate().map(mean).collect()
    };
    let nodes = fused.nodes.iter();
    let mut means: Vec<Vec<f64>> = nodes.map(|node| vec![0.0; node.shape.channels]).collect();
    // In the samples' order: real sums depend on it.
    for found in float.map(samples, of_one)? {
        for (mean, more) in means.iter_mut().flatten().zip(found.iter().flatten()) {
            *mean += more / samples.len() as f64;
        }
    }
    Ok(means)
}
