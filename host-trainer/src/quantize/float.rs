//! The real-numbered tower with every value in reach.

use std::sync::Arc;

use anyhow::{Context, Result};
use edge_runtime::engine::planes::{planes, shape};
use rayon::prelude::*;
use shared::Preprocess;
use tract_onnx::prelude::*;

use super::fused::{FusedGraph, FusedNode, Rectifier};
use crate::dataset::Tensors;
use crate::export::onnx::{before_rectifier, encode, float, layer};

/// A fused tower in tract that gives the output of every node.
#[derive(Clone, Debug)]
pub struct FloatGraph {
    plan: Arc<TypedRunnableModel>,
    preprocess: Preprocess,
}

impl FloatGraph {
    /// Gives what every node writes.
    ///
    /// # Errors
    /// When tract cannot run the tower.
    pub fn new(fused: &FusedGraph, preprocess: &Preprocess) -> Result<Self> {
        Self::with_outputs(fused, preprocess, |node| layer(&node.name))
    }

    /// Gives what every node makes before a rectifier that it ends with: its sums.
    ///
    /// # Errors
    /// When tract cannot run the tower.
    pub fn before_activation(fused: &FusedGraph, preprocess: &Preprocess) -> Result<Self> {
        Self::with_outputs(fused, preprocess, |node| match node.layer.rectifier() {
            Rectifier::None => layer(&node.name),
            _ => before_rectifier(&layer(&node.name)),
        })
    }

    fn with_outputs(
        fused: &FusedGraph,
        preprocess: &Preprocess,
        name: impl Fn(&FusedNode) -> String,
    ) -> Result<Self> {
        let model = encode(&float(fused, preprocess, &[]));
        let load = || -> TractResult<_> {
            let mut model = onnx().model_for_read(&mut &model[..])?;
            model.set_input_fact(0, u8::fact(shape(preprocess, 1)).into())?;
            model.select_outputs_by_name(fused.nodes.iter().map(name))?;
            model.into_optimized()?.into_runnable()
        };
        let plan = load()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the float tower does not load for calibration")?;
        Ok(Self {
            plan,
            preprocess: *preprocess,
        })
    }

    /// The outputs of all nodes for one preprocessed sample, `[channels, height, width]`
    /// each.
    ///
    /// # Errors
    /// When the sample has another size than the tower's input.
    pub fn run(&self, sample: &[u8]) -> Result<Vec<Vec<f32>>> {
        let run = || -> TractResult<Vec<Vec<f32>>> {
            let sample = planes(&self.preprocess, sample);
            let input = Tensor::from_shape(&shape(&self.preprocess, 1), &sample)?;
            let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
            let values = outputs
                .iter()
                .map(|output| Ok(output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()));
            values.collect()
        };
        run()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("the float tower does not run for calibration")
    }

    /// What `of` makes of the outputs for each sample, in the samples' order.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn map<T: Send>(
        &self,
        samples: &Tensors,
        of: impl Fn(usize, Vec<Vec<f32>>) -> T + Sync,
    ) -> Result<Vec<T>> {
        (0..samples.len())
            .into_par_iter()
            .map(|index| Ok(of(index, self.run(samples.sample(index))?)))
            .collect()
    }
}
