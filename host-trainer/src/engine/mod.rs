//! The engines under one trait, so that one code judges them all.

#[cfg(feature = "ort")]
pub mod ort;
#[cfg(feature = "libtorch")]
pub mod torch;

pub mod int8;
pub mod tract;

use anyhow::Result;
use shared::{Distance, Embedding, ModelId, Preprocess};

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

    /// The model's identity; `None` for a run that was not exported yet.
    fn model_id(&self) -> Option<ModelId>;

    /// How samples become its inputs.
    fn preprocess(&self) -> &Preprocess;

    /// How its embeddings are compared.
    fn distance(&self) -> Distance;

    /// Embeds `inputs.len() / preprocess.output_len()` preprocessed samples.
    ///
    /// # Errors
    /// When the engine fails.
    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings>;
}
