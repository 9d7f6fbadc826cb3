//! Which samples make a batch.

pub mod episodes;
pub mod hard_classes;
pub mod p_by_k;
pub mod pairs;

use anyhow::Result;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::config::SamplerConfig;
use crate::dataset::ClassSamples;
use episodes::Episodes;
use hard_classes::HardClasses;
use p_by_k::PByK;
use pairs::Pairs;

/// One of the samplers.
#[derive(Debug)]
pub enum Sampler {
    /// Balanced pairs.
    Pairs(Pairs),
    /// P classes with K samples each.
    PByK(PByK),
    /// Classes in groups of similar ones.
    HardClasses(HardClasses),
    /// Few-shot episodes.
    Episodes(Episodes),
}

/// Samples to learn from at once, as indices, and how they belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Samples; their labels say the rest.
    Samples(Vec<usize>),
    /// Pairs.
    Pairs(Vec<pairs::Pair>),
    /// Class after class, shots and then queries of each.
    Episode {
        /// The samples.
        samples: Vec<usize>,
        /// Classes.
        ways: usize,
        /// Shots of each.
        shots: usize,
    },
}

impl Sampler {
    /// The sampler of a configuration over these classes.
    ///
    /// # Errors
    /// When there are too few classes or samples for one batch.
    pub fn new(
        config: SamplerConfig,
        population: Vec<ClassSamples>,
        dim: usize,
        device: Device,
    ) -> Result<Self> {
        Ok(match config {
            SamplerConfig::Pairs { pairs } => Self::Pairs(Pairs::new(population, pairs)?),
            SamplerConfig::PByK { classes, samples } => {
                Self::PByK(PByK::new(population, classes, samples)?)
            }
            SamplerConfig::HardClasses {
                classes,
                samples,
                group,
            } => {
                let p_by_k = PByK::new(population, classes, samples)?;
                Self::HardClasses(HardClasses::new(p_by_k, group, dim, device)?)
            }
            SamplerConfig::Episodes {
                ways,
                shots,
                queries,
            } => Self::Episodes(Episodes::new(population, ways, shots, queries)?),
        })
    }

    /// One batch.
    pub fn draw(&self, random: &mut ChaCha8Rng) -> Draw {
        match self {
            Self::Pairs(pairs) => Draw::Pairs(pairs.batch(random)),
            Self::PByK(p_by_k) => Draw::Samples(p_by_k.batch(random)),
            Self::HardClasses(hard) => Draw::Samples(hard.batch(random)),
            Self::Episodes(episodes) => episodes.batch(random),
        }
    }

    /// Learns from the embeddings `[n, d]` of the samples drawn last; only
    /// [`HardClasses`] does.
    pub fn observe(&mut self, samples: &[usize], embeddings: &Tensor) {
        if let Self::HardClasses(hard) = self {
            hard.observe(samples, embeddings);
        }
    }

    /// What it has learnt, to be kept with a checkpoint.
    pub fn state(&self) -> Option<&Tensor> {
        match self {
            Self::HardClasses(hard) => Some(hard.centres()),
            _ => None,
        }
    }

    /// Goes on from an earlier [`state`](Self::state).
    pub fn restore(&mut self, state: Tensor) {
        if let Self::HardClasses(hard) = self {
            hard.restore(state);
        }
    }
}
