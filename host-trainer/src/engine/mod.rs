//! The engines under one trait, so that one code judges them all.

#[cfg(feature = "ort")]
pub mod ort;
#[cfg(feature = "libtorch")]
pub mod torch;

pub mod int8;
pub mod tract;

mod open;

use anyhow::Result;
use clap::ValueEnum;
use shared::cohort::Normalization;
use shared::support_set::Comparison;
use shared::{Embedding, ModelId, Preprocess};

pub use open::open;

/// An engine by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// libtorch, on a run.
    Torch,
    /// ONNX Runtime.
    Ort,
    /// tract.
    Tract,
    /// The int8 engine of devices.
    Int8,
}

/// Which of a model's two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// Real-numbered.
    Float,
    /// Quantized.
    Int8,
}

/// What of a model is the same on every engine.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// The model's identity; `None` for a run that was not exported.
    pub model_id: Option<ModelId>,
    /// How samples become its inputs.
    pub preprocess: Preprocess,
    /// How its embeddings are compared.
    pub comparison: Comparison,
    /// By whom distances are normalized, where the artifact says so.
    pub cohort: Option<StoredCohort>,
}

/// The cohort of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCohort {
    /// What distances are normalized by.
    pub normalization: Normalization,
    /// Components of one member after the other, in the model's own embedding format.
    pub members: Vec<i8>,
}

/// Embeddings of many samples, all of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Embeddings {
    /// `len * dim` real numbers; of unit length where the model says so.
    Float {
        /// Components of each.
        dim: usize,
        /// All components, one embedding after the other.
        values: Vec<f32>,
    },
    /// `len * dim` int8 steps of `scale`, finished as the device stores them.
    Int8 {
        /// Components of each.
        dim: usize,
        /// All components, one embedding after the other.
        values: Vec<i8>,
        /// The real number that one step stands for.
        scale: f32,
    },
}

impl Embeddings {
    /// The embedding at `index`.
    pub fn get(&self, index: usize) -> Embedding<'_> {
        match self {
            Self::Float { dim, values } => {
                Embedding::Float(&values[index * dim..(index + 1) * dim])
            }
            Self::Int8 { dim, values, scale } => Embedding::Int8 {
                values: &values[index * dim..(index + 1) * dim],
                scale: *scale,
            },
        }
    }

    /// Components of each.
    pub fn dim(&self) -> usize {
        match self {
            Self::Float { dim, .. } | Self::Int8 { dim, .. } => *dim,
        }
    }

    /// Number of embeddings.
    pub fn len(&self) -> usize {
        match self {
            Self::Float { dim, values } => values.len() / dim,
            Self::Int8 { dim, values, .. } => values.len() / dim,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A model that runs somewhere: all that evaluation knows of it.
pub trait Embedder {
    /// `torch`, `ort`, `tract` or `int8`.
    fn engine(&self) -> &'static str;

    /// Its identity, preprocessing and comparison.
    fn facts(&self) -> &ModelFacts;

    /// Embeds `inputs.len() / preprocess.output_len()` preprocessed samples.
    ///
    /// # Errors
    /// When the engine fails.
    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings>;
}

/// Runs device engines over samples on all cores, each with its own engine made by
/// `make`, and finishes what they give as a device does.
fn embed_on_device_engines<E: edge_runtime::Engine>(
    facts: &ModelFacts,
    inputs: &[u8],
    make: impl Fn() -> Result<E> + Sync + Send,
) -> Result<Embeddings> {
    use rayon::prelude::*;
    let format = facts.comparison.embedding;
    let (length, dim) = (facts.preprocess.output_len(), usize::from(format.dim));
    let mut values = vec![0i8; inputs.len() / length * dim];
    values
        .par_chunks_mut(dim)
        .zip(inputs.par_chunks_exact(length))
        .try_for_each_init(&make, |engine, (stored, input)| -> Result<()> {
            let engine = engine
                .as_mut()
                .map_err(|error| anyhow::anyhow!("{error:#}"))?;
            let mut raw = vec![0; dim];
            engine.run(input, &mut raw)?;
            format.finish(&raw, stored);
            Ok(())
        })?;
    Ok(Embeddings::Int8 {
        dim,
        values,
        scale: format.scale,
    })
}
