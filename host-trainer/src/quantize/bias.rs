//! Biases that make up for what quantization shifts on average.

use anyhow::Result;
use rayon::prelude::*;
use shared::artifact::plan::MAX_BIAS;

use super::float::FloatGraph;
use super::fused::FusedGraph;
use super::int8::{QuantizedGraph, QuantizedLayer};
use crate::dataset::Tensors;

/// The bytes of every value of a sample; empty before it is computed and when nobody
/// reads it any more.
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
        .map(|index| vec![samples.planes(index).into_owned()])
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
        values.par_iter_mut().for_each(|values| {
            let output = graph.run_node(index, &inputs(graph, index, values));
            values.push(output);
            done.iter().for_each(|&value| values[value] = vec![]);
        });
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

fn inputs<'a>(graph: &QuantizedGraph, index: usize, values: &'a Values) -> Vec<&'a [u8]> {
    let inputs = graph.nodes[index].inputs.iter();
    inputs.map(|&value| values[value].as_slice()).collect()
}

/// The mean sum of each channel of a convolution, in its steps; nothing of other layers.
fn sum_means(graph: &QuantizedGraph, index: usize, values: &[Values]) -> Vec<f64> {
    let node = &graph.nodes[index];
    let QuantizedLayer::Conv2d(conv) = &node.layer else {
        return vec![];
    };
    let area = node.shape.height * node.shape.width;
    let totals = values.par_iter().map(|values| -> Vec<i64> {
        let sums = graph.sums(index, conv, inputs(graph, index, values)[0]);
        let maps = sums.chunks_exact(area);
        maps.map(|map| map.iter().map(|&sum| i64::from(sum)).sum())
            .collect()
    });
    // Integers add up to the same in any order.
    let total = totals.reduce(
        || vec![0; conv.bias.len()],
        |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect(),
    );
    let count = (area * values.len()) as f64;
    total.iter().map(|&sum| sum as f64 / count).collect()
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
