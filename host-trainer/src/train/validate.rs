//! Judging a tower on classes that it does not learn from.

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use shared::Distance;
use tch::{Kind, Tensor};

use super::embed_all;
use crate::dataset::{ClassSamples, Tensors};
use crate::distance::{all_pairs, row_wise};
use crate::evaluate::metrics::equal_error_rate;
use crate::tower::torch::TorchTower;

/// Probes whose chances are averaged, where there are as many samples.
const PROBES: usize = 2000;
/// Probes that are compared at a time, which bounds the memory.
const PROBES_AT_A_TIME: usize = 250;
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
    /// Which class is it? See [`recognition`].
    Recognition { probes: Vec<usize>, ways: usize },
    /// Is it forged? All pairs of a genuine sample with another of its class, and with
    /// a skilled forgery of its class.
    Verification {
        genuine: Vec<[usize; 2]>,
        forged: Vec<[usize; 2]>,
    },
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
        let figure = match &self.task {
            Task::Recognition { probes, ways } => recognition(
                &embeddings,
                self.distance,
                &self.tensors.classes,
                probes,
                *ways,
            )?,
            Task::Verification { genuine, forged } => {
                let distances = |pairs: &[[usize; 2]]| {
                    let [left, right] =
                        [0, 1].map(|side| select(&embeddings, pairs.iter().map(|pair| pair[side])));
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
        let samples: Vec<usize> = population.iter().flat_map(|c| c.genuine.clone()).collect();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let drawn = index::sample(&mut random, samples.len(), PROBES.min(samples.len()));
        Self::Recognition {
            probes: drawn.iter().map(|index| samples[index]).collect(),
            ways: WAYS.min(population.len()),
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

/// The accuracy to expect of 1-shot recognition among `ways` references: over all
/// references of a probe's own class, the mean chance that none of `ways - 1` samples
/// of other classes, drawn independently, is as near. It is the limit that the accuracy
/// in drawn episodes tends to, without the noise of drawing: `(1 - nearer)^(ways - 1)`,
/// where `nearer` is the share of the others' samples that are as near or nearer.
///
/// `embeddings` `[n, d]`; `classes` and `probes` name their rows. Samples of classes
/// with one sample are references too.
fn recognition(
    embeddings: &Tensor,
    distance: Distance,
    classes: &[u32],
    probes: &[usize],
    ways: usize,
) -> Result<f64> {
    let device = embeddings.device();
    let class_of = |indices: &mut dyn Iterator<Item = usize>| {
        let classes: Vec<i64> = indices.map(|index| i64::from(classes[index])).collect();
        Tensor::from_slice(&classes).to_device(device)
    };
    let all_classes = class_of(&mut (0..classes.len()));
    let mut sum = 0.0;
    for probes in probes.chunks(PROBES_AT_A_TIME) {
        let distances = all_pairs(
            distance,
            &select(embeddings, probes.iter().copied()),
            embeddings,
        );
        let own = class_of(&mut probes.iter().copied())
            .unsqueeze(1)
            .eq_tensor(&all_classes.unsqueeze(0));
        let others = own.logical_not().sum_dim_intlist(1, true, Kind::Float);
        let (sorted, _) = distances.masked_fill(&own, f64::INFINITY).sort(1, false);
        let nearer = distances.searchsorted::<&Tensor>(&sorted, false, true, "right", None);
        let farther: Tensor = 1.0 - nearer / others;
        let chance = farther.pow_tensor_scalar(ways as i64 - 1);
        // A probe is no reference of its own.
        let itself: Vec<i64> = probes.iter().map(|&probe| probe as i64).collect();
        let itself = Tensor::from_slice(&itself).to_device(device).unsqueeze(1);
        let references = own.scatter_value(1, &itself, 0).to_kind(Kind::Float);
        let over_references = |t: Tensor| t.sum_dim_intlist(1, false, Kind::Float);
        let chances = over_references(chance * &references) / over_references(references);
        sum += f64::try_from(chances.sum(Kind::Double))?;
    }
    Ok(sum / probes.len() as f64)
}

fn select(embeddings: &Tensor, indices: impl Iterator<Item = usize>) -> Tensor {
    let indices: Vec<i64> = indices.map(|index| index as i64).collect();
    embeddings.index_select(
        0,
        &Tensor::from_slice(&indices).to_device(embeddings.device()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// The expected accuracy is what counting over drawn episodes tends to.
    #[test]
    fn the_expected_accuracy_is_that_of_many_episodes() {
        let (class_count, per_class, ways) = (12, 4, 5);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let classes: Vec<u32> = (0..class_count * per_class)
            .map(|i| i / per_class)
            .collect();
        let points: Vec<f32> = classes
            .iter()
            .flat_map(|&class| {
                let angle = class as f32;
                [angle.cos(), angle.sin()].map(|c| c + random.random_range(-0.4..0.4))
            })
            .collect();
        let embeddings = Tensor::from_slice(&points).view((-1, 2));
        let distance = |a: usize, b: usize| {
            let [a, b] = [a, b].map(|i| [points[2 * i], points[2 * i + 1]]);
            (a[0] - b[0]).hypot(a[1] - b[1])
        };
        let draws = 200_000;
        let right = (0..draws).filter(|_| {
            let probe = random.random_range(0..classes.len());
            let mut draw = |wanted: &dyn Fn(usize) -> bool| loop {
                let sample = random.random_range(0..classes.len());
                if wanted(sample) {
                    return sample;
                }
            };
            let own = draw(&|s| s != probe && classes[s] == classes[probe]);
            (1..ways).all(|_| {
                let other = draw(&|s| classes[s] != classes[probe]);
                distance(probe, own) < distance(probe, other)
            })
        });
        let counted = right.count() as f64 / f64::from(draws);
        let probes: Vec<usize> = (0..classes.len()).collect();
        let expected = recognition(&embeddings, Distance::Euclidean, &classes, &probes, ways);
        let expected = expected.expect("finite points");
        assert!((0.3..0.9).contains(&counted), "{counted} tells little");
        // Four standard deviations of the count.
        assert!((expected - counted).abs() < 0.0045, "{expected} {counted}");
    }

    /// A tower that maps everything to one point recognizes nothing.
    #[test]
    fn equally_near_is_wrong() {
        let embeddings = Tensor::ones([6, 3], (Kind::Float, tch::Device::Cpu));
        let classes = [0, 0, 1, 1, 2, 2];
        let expected = recognition(&embeddings, Distance::Cosine, &classes, &[0, 3], 3);
        assert_eq!(expected.expect("finite points"), 0.0);
    }
}
