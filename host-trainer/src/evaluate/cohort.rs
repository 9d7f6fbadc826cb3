//! Distances as a cohort of strangers sees them: how near is near for this reference, and
//! for this probe?
//!
//! A class that is near to everybody, and a probe that is, are accepted too readily at one
//! threshold for all. The distances to a small cohort of other people say by how much
//! (Auckenthaler, Carey and Lloyd-Thomas, "Score normalization for text-independent speaker
//! verification systems", 2000).

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::Serialize;
use shared::Embedding;
use shared::support_set::Comparison;

use super::Embedded;
use super::reference::Reference;
use crate::engine::Embeddings;

/// What a distance is normalized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Distances of the reference to the cohort
    Z,
    /// Distances of the probe to the cohort
    T,
    /// The mean of both
    S,
}

/// Samples of people who are neither enrolled nor probes.
#[derive(Clone, Debug)]
pub struct Cohort {
    embeddings: Embeddings,
    indices: Vec<usize>,
    /// Each enrolled alone.
    references: Vec<Reference>,
    normalization: Normalization,
}

/// Mean and standard deviation of distances to the cohort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    mean: f32,
    deviation: f32,
}

impl Cohort {
    /// The first genuine sample of each of `size` classes, evenly spread.
    ///
    /// # Errors
    /// When there are fewer classes, or fewer than two are asked for.
    pub fn new(
        embedded: &Embedded,
        comparison: Comparison,
        size: usize,
        normalization: Normalization,
    ) -> Result<Self> {
        let classes = embedded.tensors.by_class(1);
        ensure!(
            size >= 2 && classes.len() >= size,
            "expected a cohort of 2 to {} classes, as many as training has, found {size}: change --cohort",
            classes.len()
        );
        let chosen = |place: usize| classes[place * classes.len() / size].genuine[0];
        let indices: Vec<usize> = (0..size).map(chosen).collect();
        let alone = |&index: &usize| Reference::new(&embedded.embeddings, &[index], comparison);
        Ok(Self {
            references: indices.iter().map(alone).collect(),
            embeddings: embedded.embeddings.clone(),
            indices,
            normalization,
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none, which [`new`](Self::new) refuses.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// How the cohort lies about an enrolled class.
    pub fn about_reference(&self, reference: &Reference) -> Spread {
        let distance = |&index: &usize| reference.distance(self.embeddings.get(index));
        Spread::of(self.indices.iter().map(distance))
    }

    /// How the cohort lies about a probe.
    pub fn about_probe(&self, probe: Embedding<'_>) -> Spread {
        Spread::of(self.references.iter().map(|member| member.distance(probe)))
    }

    /// The distance in deviations from what the cohort has, negative where nearer.
    pub fn normalize(&self, distance: f32, reference: Spread, probe: Spread) -> f32 {
        let [z, t] = [reference, probe].map(|of| (distance - of.mean) / of.deviation);
        match self.normalization {
            Normalization::Z => z,
            Normalization::T => t,
            Normalization::S => (z + t) / 2.0,
        }
    }
}

impl Spread {
    fn of(distances: impl Iterator<Item = f32> + Clone) -> Self {
        let count = distances.clone().count().max(1) as f32;
        let mean = distances.clone().sum::<f32>() / count;
        let variance = distances.map(|d| (d - mean).powi(2)).sum::<f32>() / count;
        Self {
            mean,
            // A cohort in one place says nothing of the spread.
            deviation: variance.sqrt().max(1e-6),
        }
    }
}
