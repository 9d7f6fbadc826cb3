//! P classes with K samples each: batches for triplet losses (Hermans et al., 2017).

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use crate::dataset::ClassSamples;

/// Draws batches of `classes` x `samples`, forgeries of the same classes among them
/// where there are any.
#[derive(Clone, Debug)]
pub struct PByK {
    population: Vec<ClassSamples>,
    classes: usize,
    samples: usize,
    /// Place in the population of each genuine sample.
    owners: BTreeMap<usize, usize>,
}

impl PByK {
    /// # Errors
    /// When fewer than `classes` classes have two genuine samples, or one where one
    /// sample of each is enough.
    pub fn new(population: Vec<ClassSamples>, classes: usize, samples: usize) -> Result<Self> {
        ensure!(
            samples >= 1,
            "expected at least 1 sample per class in a batch, found {samples}: raise --batch-samples"
        );
        let least = samples.min(2);
        let population: Vec<_> = population
            .into_iter()
            .filter(|class| class.genuine.len() >= least)
            .collect();
        ensure!(
            classes >= 2,
            "expected at least 2 classes in a batch, found {classes}: raise --batch-classes"
        );
        ensure!(
            population.len() >= classes,
            "expected at least {} training classes with {least} samples, found {}: add classes or lower --batch-classes",
            classes,
            population.len()
        );
        let owners = population
            .iter()
            .enumerate()
            .flat_map(|(place, class)| class.genuine.iter().map(move |&sample| (sample, place)));
        Ok(Self {
            owners: owners.collect(),
            population,
            classes,
            samples,
        })
    }

    /// Classes in a batch.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The classes that are drawn from.
    pub fn population(&self) -> &[ClassSamples] {
        &self.population
    }

    /// Place in the population of the class that a sample is a genuine one of.
    pub fn class_of(&self, sample: usize) -> Option<usize> {
        self.owners.get(&sample).copied()
    }

    /// One batch: indices of distinct samples, in random order. A class with forgeries
    /// gives up to a third of its places to them.
    pub fn batch(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let classes = index::sample(random, self.population.len(), self.classes);
        self.of_classes(&classes.into_vec(), random)
    }

    /// The same of given classes, places in the population.
    pub fn of_classes(&self, classes: &[usize], random: &mut ChaCha8Rng) -> Vec<usize> {
        let mut batch = Vec::with_capacity(classes.len() * self.samples);
        for &class in classes {
            let ClassSamples {
                genuine, forged, ..
            } = &self.population[class];
            let imitations = forged.len().min(self.samples / 3);
            batch.extend(genuine.sample(random, self.samples - imitations));
            batch.extend(forged.sample(random, imitations));
        }
        batch.shuffle(random);
        batch
    }
}
