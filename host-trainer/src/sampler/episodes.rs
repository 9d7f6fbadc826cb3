//! Few-shot episodes: batches for prototypical losses.

use anyhow::{Result, ensure};
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;

use super::Draw;
use crate::dataset::ClassSamples;

/// Draws episodes of genuine samples: `ways` classes, of each `shots` and other
/// `queries` (Vinyals et al., "Matching networks for one shot learning", 2016).
#[derive(Clone, Debug)]
pub struct Episodes {
    population: Vec<ClassSamples>,
    ways: usize,
    shots: usize,
    queries: usize,
}

impl Episodes {
    /// # Errors
    /// When fewer than `ways` classes have `shots + queries` genuine samples.
    pub fn new(
        population: Vec<ClassSamples>,
        ways: usize,
        shots: usize,
        queries: usize,
    ) -> Result<Self> {
        ensure!(
            ways >= 2 && shots >= 1 && queries >= 1,
            "expected episodes of at least 2 ways, 1 shot and 1 query, found {ways}, {shots} and {queries}: \
             change training.sampler"
        );
        let population: Vec<_> = population
            .into_iter()
            .filter(|class| class.genuine.len() >= shots + queries)
            .collect();
        ensure!(
            population.len() >= ways,
            "expected at least {ways} training classes with {} genuine samples, found {}: \
             add classes, or lower training.sampler.ways",
            shots + queries,
            population.len()
        );
        Ok(Self {
            population,
            ways,
            shots,
            queries,
        })
    }

    /// One episode, class after class.
    pub fn batch(&self, random: &mut ChaCha8Rng) -> Draw {
        let mut samples = Vec::with_capacity(self.ways * (self.shots + self.queries));
        for class in index::sample(random, self.population.len(), self.ways) {
            let genuine = &self.population[class].genuine;
            samples.extend(genuine.sample(random, self.shots + self.queries));
        }
        Draw::Episode {
            samples,
            ways: self.ways,
            shots: self.shots,
        }
    }
}
