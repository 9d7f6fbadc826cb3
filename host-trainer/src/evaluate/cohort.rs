//! Distances as a cohort of strangers sees them, for embeddings of all kinds; what it is about
//! says [`shared::cohort`].

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use shared::Embedding;
use shared::cohort::{MIN_COHORT, Normalization, Spread};
use shared::support_set::Comparison;

use super::Embedded;
use super::reference::Reference;
use crate::dataset::{Dataset, Kind, Part};
use crate::engine::{Embedder, Embeddings, ModelFacts, StoredCohort};

/// Samples of people who are neither enrolled nor probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    normalization: Normalization,
    members: Embeddings,
    /// Each enrolled alone.
    references: Vec<Reference>,
}

/// How distances are measured: by a comparison, and as a cohort sees them where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// How two embeddings are compared.
    pub comparison: Comparison,
    /// Who says how near is near.
    pub cohort: Option<Arc<Cohort>>,
}

impl From<Comparison> for Measure {
    fn from(comparison: Comparison) -> Self {
        Self {
            comparison,
            cohort: None,
        }
    }
}

impl From<&Measure> for Measure {
    fn from(measure: &Measure) -> Self {
        measure.clone()
    }
}

impl Measure {
    /// As a model has it.
    pub fn of(facts: &ModelFacts) -> Self {
        let of_artifact = |cohort: &StoredCohort| {
            let members = Embeddings::Int8 {
                dim: usize::from(facts.comparison.embedding.dim),
                values: cohort.members.clone(),
                scale: facts.comparison.embedding.scale,
            };
            Arc::new(Cohort::of(members, facts.comparison, cohort.normalization))
        };
        Self {
            comparison: facts.comparison,
            cohort: facts.cohort.as_ref().map(of_artifact),
        }
    }

    /// How the cohort lies about a probe, where there is one and that counts.
    pub fn about_probe(&self, probe: Embedding<'_>) -> Option<Spread> {
        self.cohort.as_ref()?.about_probe(probe)
    }

    /// By a comparison, as a cohort sees it.
    pub fn by(comparison: Comparison, cohort: Cohort) -> Self {
        Self {
            comparison,
            cohort: Some(Arc::new(cohort)),
        }
    }

    /// The same with another comparison.
    pub fn with(&self, comparison: Comparison) -> Self {
        let again = |cohort: &Arc<Cohort>| {
            let Cohort {
                normalization,
                members,
                ..
            } = &**cohort;
            Arc::new(Cohort::of(members.clone(), comparison, *normalization))
        };
        Self {
            comparison,
            cohort: self.cohort.as_ref().map(again),
        }
    }
}

impl Cohort {
    /// The first genuine sample of each of `size` training classes, evenly spread.
    ///
    /// # Errors
    /// When there are fewer classes, or fewer than two are asked for, samples cannot be read or
    /// the engine fails.
    pub fn new(
        embedder: &mut dyn Embedder,
        dataset: &Dataset,
        comparison: Comparison,
        size: usize,
        normalization: Normalization,
    ) -> Result<Self> {
        let mut first: BTreeMap<u32, u32> = BTreeMap::new();
        for index in dataset.split.samples(dataset, Part::Train) {
            let sample = &dataset.samples[index as usize];
            if sample.kind == Kind::Genuine {
                first.entry(sample.class).or_insert(index);
            }
        }
        let classes: Vec<u32> = first.into_values().collect();
        ensure!(
            (MIN_COHORT..=classes.len()).contains(&size),
            "expected a cohort of {MIN_COHORT} to {} classes, as many as training has, found {size}: change --cohort",
            classes.len()
        );
        let chosen = |place: usize| classes[place * classes.len() / size];
        let chosen: Vec<u32> = (0..size).map(chosen).collect();
        let embedded = Embedded::of_samples(embedder, dataset, &chosen)?;
        Ok(Self::of(embedded.embeddings, comparison, normalization))
    }

    /// Of these members.
    pub(super) fn of(
        members: Embeddings,
        comparison: Comparison,
        normalization: Normalization,
    ) -> Self {
        let alone = |index| Reference::new(&members, &[index], comparison);
        Self {
            references: (0..members.len()).map(alone).collect(),
            members,
            normalization,
        }
    }

    /// What distances are normalized by.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// The members, one after the other.
    pub fn members(&self) -> &Embeddings {
        &self.members
    }

    /// The members as an artifact has them.
    ///
    /// # Errors
    /// When the engine gives real numbers.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let int8 = match &self.members {
            Embeddings::Int8 { values, .. } => Some(values),
            Embeddings::Float { .. } => None,
        };
        let values = int8.context("expected int8 embeddings for a cohort, found real numbers")?;
        Ok(values.iter().map(|&value| value as u8).collect())
    }

    /// How the cohort lies about an enrolled class, where that counts; `distance` is that of a
    /// member to it.
    pub fn about_subject(&self, distance: impl Fn(Embedding<'_>) -> f32) -> Option<Spread> {
        let members = (0..self.members.len()).map(|index| distance(self.members.get(index)));
        (self.normalization != Normalization::T).then(|| spread(members))
    }

    /// How the cohort lies about a probe, where that counts.
    pub fn about_probe(&self, probe: Embedding<'_>) -> Option<Spread> {
        let members = self.references.iter().map(|member| member.distance(probe));
        (self.normalization != Normalization::Z).then(|| spread(members))
    }
}

fn spread(distances: impl Iterator<Item = f32>) -> Spread {
    let distances: Vec<f32> = distances.collect();
    Spread::of(&distances)
}
