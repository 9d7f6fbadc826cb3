//! Balanced pairs: batches for contrastive losses.

use anyhow::{Result, ensure};
use rand::RngExt;
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;

use crate::dataset::ClassSamples;

/// Two samples, and whether they are of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// A genuine sample.
    pub left: usize,
    /// The other sample.
    pub right: usize,
    /// Whether both are genuine samples of one class.
    pub same: bool,
}

/// Draws pairs: half of one class; half impostors, of which half are skilled
/// forgeries where the class has any.
#[derive(Clone, Debug)]
pub struct Pairs {
    population: Vec<ClassSamples>,
    count: usize,
}

impl Pairs {
    /// # Errors
    /// When fewer than two classes have two genuine samples.
    pub fn new(population: Vec<ClassSamples>, count: usize) -> Result<Self> {
        let population: Vec<_> = population
            .into_iter()
            .filter(|class| class.genuine.len() >= 2)
            .collect();
        ensure!(
            population.len() >= 2,
            "expected at least 2 training classes with 2 samples, found {}: add classes",
            population.len()
        );
        ensure!(
            count >= 2,
            "expected at least 2 pairs in a batch, one of each kind, found {count}: raise training.sampler.pairs"
        );
        Ok(Self { population, count })
    }

    /// One batch.
    pub fn batch(&self, random: &mut ChaCha8Rng) -> Vec<Pair> {
        (0..self.count)
            .map(|number| self.pair(number % 2 == 0, random))
            .collect()
    }

    fn pair(&self, same: bool, random: &mut ChaCha8Rng) -> Pair {
        let classes = index::sample(random, self.population.len(), 2);
        let (own, other) = (
            &self.population[classes.index(0)],
            &self.population[classes.index(1)],
        );
        let chosen = index::sample(random, own.genuine.len(), 2);
        let left = own.genuine[chosen.index(0)];
        let right = if same {
            own.genuine[chosen.index(1)]
        } else if let Some(&forged) = own.forged.choose(random)
            && random.random::<bool>()
        {
            forged
        } else {
            other.genuine[random.random_range(0..other.genuine.len())]
        };
        Pair { left, right, same }
    }
}
