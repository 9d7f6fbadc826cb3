//! tract: the quantized ONNX as devices run it, or the float one.

use std::sync::Arc;

use anyhow::{Context, Result};
use edge_runtime::engine::planes::{planes, shape};
use edge_runtime::engine::tract::TractEngine;
use rayon::prelude::*;
use shared::artifact::Artifact;
use tract_onnx::prelude::*;

use super::{Embedder, Embeddings, ModelFacts, embed_on_device_engines};
use crate::export::onnx::EMBEDDING;

/// A quantized ONNX file in the engine that devices have.
#[derive(Clone, Debug)]
pub struct TractInt8Embedder {
    engine: TractEngine,
    facts: ModelFacts,
}

impl TractInt8Embedder {
    /// Loads the file that belongs to an artifact.
    ///
    /// # Errors
    /// When it belongs to another one or does not load.
    pub fn new(onnx: &[u8], artifact: &Artifact<'_>) -> Result<Self> {
        Ok(Self {
            engine: TractEngine::load(onnx, artifact)?,
            facts: ModelFacts::of(artifact),
        })
    }
}

impl Embedder for TractInt8Embedder {
    fn engine(&self) -> &'static str {
        "tract"
    }

    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        embed_on_device_engines(&self.facts, inputs, || Ok(self.engine.clone()))
    }
}

/// A float ONNX file in tract.
#[derive(Clone, Debug)]
pub struct TractFloatEmbedder {
    plan: Arc<TypedRunnableModel>,
    facts: ModelFacts,
}

impl TractFloatEmbedder {
    /// Loads the file.
    ///
    /// # Errors
    /// When it does not load.
    pub fn new(onnx: &[u8], facts: ModelFacts) -> Result<Self> {
        let load = || -> TractResult<_> {
            let mut model = tract_onnx::onnx().model_for_read(&mut &onnx[..])?;
            model.select_outputs_by_name([EMBEDDING])?;
            model.set_input_fact(0, u8::fact(shape(&facts.preprocess, 1)).into())?;
            model.into_optimized()?.into_runnable()
        };
        let plan = load()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .context("expected a float ONNX file that tract loads")?;
        Ok(Self { plan, facts })
    }
}

impl Embedder for TractFloatEmbedder {
    fn engine(&self) -> &'static str {
        "tract"
    }

    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        let length = self.facts.preprocess.output_len();
        let dim = usize::from(self.facts.comparison.embedding.dim);
        let mut values = vec![0.0; inputs.len() / length * dim];
        let run = |input: &[u8], output: &mut [f32]| -> TractResult<()> {
            let preprocess = &self.facts.preprocess;
            let input = Tensor::from_shape(&shape(preprocess, 1), &planes(preprocess, input))?;
            let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
            output.copy_from_slice(outputs[0].try_as_plain_ram()?.as_slice()?);
            Ok(())
        };
        values
            .par_chunks_mut(dim)
            .zip(inputs.par_chunks_exact(length))
            .try_for_each(|(output, input)| run(input, output))
            .map_err(|error| anyhow::anyhow!("{error:#}"))?;
        Ok(Embeddings::Float { dim, values })
    }
}
