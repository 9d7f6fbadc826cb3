//! The quantized graph with every value in reach: step by step on the engine's own kernels,
//! which keep only what is still needed.

use anyhow::{Context, Result};
use edge_runtime::engine::int8::step::PackedStep;
use edge_runtime::engine::planes::to_planes;
use edge_runtime::kernels::InstructionSet;

use super::ValueId;
use super::int8::{QuantizedGraph, QuantizedLayer};
use crate::export::plan;

/// A graph whose steps are packed for this processor.
#[derive(Debug)]
pub struct Interpreter<'a> {
    graph: &'a QuantizedGraph,
    steps: Vec<Interpreted>,
}

/// A step by itself.
#[derive(Debug)]
pub(super) struct Interpreted {
    step: PackedStep,
    weights: Vec<u8>,
    inputs: Vec<ValueId>,
    len: usize,
    in_place: bool,
}

impl<'a> Interpreter<'a> {
    /// Packs all steps.
    ///
    /// # Errors
    /// When a size does not fit the format of plans.
    pub fn new(graph: &'a QuantizedGraph) -> Result<Self> {
        let steps = (0..graph.nodes.len()).map(|index| Interpreted::new(graph, index));
        Ok(Self {
            steps: steps.collect::<Result<_>>()?,
            graph,
        })
    }

    /// The bytes of every value of a preprocessed sample, the input first,
    /// `[channels, height, width]` each.
    ///
    /// # Errors
    /// When the sample is not of the input's size.
    pub fn run(&self, sample: &[u8]) -> Result<Vec<Vec<u8>>> {
        let values = self.values(sample)?;
        let channels = (0..values.len()).map(|value| self.graph.shape(value).channels);
        let planes = values.iter().zip(channels);
        Ok(planes
            .map(|(value, channels)| to_planes(value, channels).into_owned())
            .collect())
    }

    /// The raw bytes of the embedding of a preprocessed sample.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn embedding(&self, sample: &[u8]) -> Result<Vec<u8>> {
        Ok(self.values(sample)?.pop().unwrap_or_default())
    }

    /// The bytes of every value, the channels of a pixel side by side.
    fn values(&self, sample: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut values = vec![sample.to_vec()];
        for step in &self.steps {
            let output = step.run(&values)?;
            values.push(output);
        }
        Ok(values)
    }
}

impl Interpreted {
    /// Packs step `index`.
    ///
    /// # Errors
    /// When a size does not fit the format of plans.
    pub(super) fn new(graph: &QuantizedGraph, index: usize) -> Result<Self> {
        let (step, weights) = plan::alone(graph, index)?;
        let node = &graph.nodes[index];
        Ok(Self {
            step: PackedStep::new(step, InstructionSet::fastest(), &weights)
                .context("expected weights of the sizes that are stated")?,
            weights,
            inputs: node.inputs.clone(),
            len: node.shape.len(),
            in_place: matches!(
                node.layer,
                QuantizedLayer::Add | QuantizedLayer::Prelu { .. } | QuantizedLayer::UnitVectors
            ),
        })
    }

    /// What it makes of `values`, the channels of a pixel side by side.
    ///
    /// # Errors
    /// When a value is not of its size.
    pub(super) fn run(&self, values: &[Vec<u8>]) -> Result<Vec<u8>> {
        let first = values[self.inputs[0]].as_slice();
        let (input, mut output) = match self.in_place {
            true => {
                let other = self.inputs.get(1).map_or(&[][..], |&v| &values[v]);
                (other, first.to_vec())
            }
            false => (first, vec![0; self.len]),
        };
        let mut scratch = vec![0; self.step.scratch_len()];
        self.step
            .compute(&self.weights, input, &mut output, &mut scratch)
            .context("expected values of their sizes")?;
        Ok(output)
    }
}
