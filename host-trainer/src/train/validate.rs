//! Judging a tower on classes that it does not learn from.

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;
use shared::Distance;
use tch::{Kind, Tensor};

use super::embed_all;
use crate::dataset::Tensors;
use crate::distance::all_pairs;
use crate::sampler::{ClassSamples, by_class};
use crate::tower::torch::TorchTower;

const EPISODES: usize = 2000;
const WAYS: usize = 20;

/// The validation samples and the episodes drawn from them, the same in every epoch.
#[derive(Debug)]
pub struct Validation {
    tensors: Tensors,
    distance: Distance,
    episodes: Vec<Episode>,
    ways: usize,
}

/// One probe, and one reference of each class; the first is the probe's own.
#[derive(Debug)]
struct Episode {
    probe: usize,
    references: Vec<usize>,
}

impl Validation {
    /// # Errors
    /// When fewer than two classes have two genuine samples.
    pub fn new(tensors: Tensors, distance: Distance) -> Result<Self> {
        let population: Vec<ClassSamples> = by_class(&tensors)
            .into_iter()
            .filter(|class| class.genuine.len() >= 2)
            .collect();
        ensure!(
            population.len() >= 2,
            "expected at least 2 validation classes with 2 samples, found {}: add classes",
            population.len()
        );
        let ways = WAYS.min(population.len());
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let episodes = (0..EPISODES)
            .map(|_| {
                let classes = index::sample(&mut random, population.len(), ways);
                let own = &population[classes.index(0)];
                let pair = index::sample(&mut random, own.genuine.len(), 2);
                let mut references = vec![own.genuine[pair.index(1)]];
                // A skilled imitation of the probe's class competes where there is one.
                references.extend(own.forged.choose(&mut random));
                let others = classes.iter().skip(1);
                references.extend(others.filter_map(|c| population[c].genuine.choose(&mut random)));
                Episode {
                    probe: own.genuine[pair.index(0)],
                    references,
                }
            })
            .collect();
        Ok(Self {
            tensors,
            distance,
            episodes,
            ways,
        })
    }

    /// What [`judge`](Self::judge) measures.
    pub fn figure(&self) -> &'static str {
        if self.ways == WAYS {
            "20-way 1-shot accuracy"
        } else {
            "1-shot accuracy among all validation classes"
        }
    }

    /// Share of episodes whose probe is nearest to its own class, and the standard
    /// deviation of embedding components over samples.
    ///
    /// # Errors
    /// When the tower's results cannot be read back.
    pub fn judge(&self, tower: &TorchTower) -> Result<(f64, f64)> {
        let embeddings = embed_all(tower, &self.tensors)?;
        let spread = embeddings.std_dim(0, true, false).mean(Kind::Float);
        let select = |indices: &[usize]| {
            let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
            embeddings.index_select(0, &Tensor::from_slice(&indices))
        };
        let is_right = |episode: &Episode| {
            let probe = select(&[episode.probe]);
            let distances = all_pairs(self.distance, &probe, &select(&episode.references));
            distances.argmin(1, false).int64_value(&[0]) == 0
        };
        let right = self
            .episodes
            .iter()
            .filter(|episode| is_right(episode))
            .count();
        let accuracy = right as f64 / self.episodes.len() as f64;
        Ok((accuracy, spread.double_value(&[])))
    }
}
