//! P classes with K samples each: batches for triplet losses (Hermans et al., 2017).

use anyhow::{Result, ensure};
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use super::ClassSamples;

/// Draws batches of `classes` x `samples`, forgeries of the same classes among them
/// where there are any.
#[derive(Clone, Debug)]
pub struct PByK {
    population: Vec<ClassSamples>,
    classes: usize,
    samples: usize,
}

impl PByK {
    /// # Errors
    /// When fewer than `classes` classes have two genuine samples.
    pub fn new(population: Vec<ClassSamples>, classes: usize, samples: usize) -> Result<Self> {
        let population: Vec<_> = population
            .into_iter()
            .filter(|class| class.genuine.len() >= 2)
            .collect();
        ensure!(
            samples >= 2,
            "expected at least 2 samples per class in a batch, found {samples}"
        );
        ensure!(
            classes >= 2 && population.len() >= classes,
            "expected at least {} training classes with 2 samples, found {}: add classes or lower --batch-classes",
            classes.max(2),
            population.len()
        );
        Ok(Self {
            population,
            classes,
            samples,
        })
    }

    /// One batch: indices of distinct samples, class after class. A class with
    /// forgeries gives up to a third of its places to them.
    pub fn batch(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let mut batch = Vec::with_capacity(self.classes * self.samples);
        for class in index::sample(random, self.population.len(), self.classes) {
            let ClassSamples { genuine, forged } = &self.population[class];
            let imitations = forged.len().min(self.samples / 3);
            batch.extend(genuine.sample(random, self.samples - imitations));
            batch.extend(forged.sample(random, imitations));
        }
        batch.shuffle(random);
        batch
    }
}
