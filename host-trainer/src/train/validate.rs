//! Judging a tower on classes that it does not learn from.

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;
use shared::Distance;
use tch::{Kind, Tensor};

use super::embed_all;
use crate::dataset::{ClassSamples, Tensors};
use crate::distance::{all_pairs, row_wise};
use crate::evaluate::metrics::equal_error_rate;
use crate::tower::torch::TorchTower;

const EPISODES: usize = 2000;
const WAYS: usize = 20;

/// The validation samples and what is asked about them, the same in every epoch.
#[derive(Debug)]
pub struct Validation {
    tensors: Tensors,
    distance: Distance,
    task: Task,
}

/// What the data set is for.
#[derive(Debug)]
enum Task {
    /// Which class is it? The episodes.
    Recognition { episodes: Vec<Episode>, ways: usize },
    /// Is it forged? All pairs of a genuine sample with another of its class, and with
    /// a skilled forgery of its class.
    Verification {
        genuine: Vec<[usize; 2]>,
        forged: Vec<[usize; 2]>,
    },
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
        let population = tensors.by_class(2);
        ensure!(
            population.len() >= 2,
            "expected at least 2 validation classes with 2 samples, found {}: add classes",
            population.len()
        );
        let has_forgeries = population.iter().any(|class| !class.forged.is_empty());
        let task = match has_forgeries {
            true => Task::verification(&population),
            false => Task::recognition(&population),
        };
        Ok(Self {
            tensors,
            distance,
            task,
        })
    }

    /// What [`judge`](Self::judge) measures; larger is better.
    pub fn figure(&self) -> &'static str {
        match self.task {
            Task::Recognition { ways: WAYS, .. } => "20-way 1-shot accuracy",
            Task::Recognition { .. } => "1-shot accuracy among all validation classes",
            Task::Verification { .. } => "1 - EER against skilled forgeries",
        }
    }

    /// The figure of merit, and the standard deviation of embedding components over
    /// samples.
    ///
    /// # Errors
    /// When the tower's results are no finite numbers or cannot be read back.
    pub fn judge(&self, tower: &TorchTower) -> Result<(f64, f64)> {
        let embeddings = embed_all(tower, &self.tensors)?;
        let spread = embeddings.std_dim(0, true, false).mean(Kind::Float);
        let spread = spread.double_value(&[]);
        ensure!(
            spread.is_finite(),
            "expected finite embeddings, found others: training has diverged; lower --learning-rate"
        );
        let select = |indices: &mut dyn Iterator<Item = usize>| {
            let indices: Vec<i64> = indices.map(|index| index as i64).collect();
            embeddings.index_select(0, &Tensor::from_slice(&indices))
        };
        let figure = match &self.task {
            Task::Recognition { episodes, .. } => {
                let is_right = |episode: &&Episode| {
                    let probe = select(&mut [episode.probe].into_iter());
                    let references = select(&mut episode.references.iter().copied());
                    let distances = all_pairs(self.distance, &probe, &references).view(-1);
                    // Equally near is wrong, and so is what is no number.
                    let others = distances.slice(0, 1, None, 1);
                    let own = distances.double_value(&[0]);
                    own < others.min().double_value(&[])
                };
                episodes.iter().filter(is_right).count() as f64 / episodes.len() as f64
            }
            Task::Verification { genuine, forged } => {
                let distances = |pairs: &[[usize; 2]]| {
                    let [left, right] =
                        [0, 1].map(|side| select(&mut pairs.iter().map(|pair| pair[side])));
                    Vec::<f32>::try_from(row_wise(self.distance, &left, &right))
                };
                1.0 - equal_error_rate(&distances(genuine)?, &distances(forged)?)
            }
        };
        Ok((figure, spread))
    }
}

impl Task {
    fn recognition(population: &[ClassSamples]) -> Self {
        let ways = WAYS.min(population.len());
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut episode = || {
            let classes = index::sample(&mut random, population.len(), ways);
            let own = &population[classes.index(0)].genuine;
            let pair = index::sample(&mut random, own.len(), 2);
            let mut references = vec![own[pair.index(1)]];
            let others = classes.iter().skip(1);
            references.extend(others.filter_map(|c| population[c].genuine.choose(&mut random)));
            Episode {
                probe: own[pair.index(0)],
                references,
            }
        };
        Self::Recognition {
            episodes: (0..EPISODES).map(|_| episode()).collect(),
            ways,
        }
    }

    fn verification(population: &[ClassSamples]) -> Self {
        let (mut genuine, mut forged) = (vec![], vec![]);
        for class in population {
            for (index, &reference) in class.genuine.iter().enumerate() {
                genuine.extend(class.genuine[..index].iter().map(|&own| [reference, own]));
                forged.extend(class.forged.iter().map(|&other| [reference, other]));
            }
        }
        Self::Verification { genuine, forged }
    }
}
