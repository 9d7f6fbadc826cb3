//! How good a way of training is on a data set too small to be parted once: every class
//! is judged once, by a network that has not seen it.
//!
//! ```text
//! for each fold: train on the other classes -> embed the fold's classes -> all pairs
//! all folds' pairs together -> equal error rate, interval over classes
//! ```
//!
//! Where the makers of a data set published lists of pairs, these are the folds: each
//! list's pairs are judged at the threshold that is best on the pairs of the list that
//! chooses, and the accuracy is the mean over lists, as Labeled Faces in the Wild asks.
//!
//! Baselines are judged on the same pairs by the same code. Only genuine samples count.

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;
use shared::support_set::{Comparison, Fusion};
use shared::{Distance, EmbeddingFormat};

use super::baselines::{Eigenfaces, mean_free_pixels};
use super::pair_lists::{self, best_threshold, mean, standard_error};
use super::reference::Reference;
use super::scores::{Score, Scores, TrueAccepts};
use super::{Embedded, fusions, precision};
use crate::dataset::{ClassSamples, Dataset, Kind, Part, Split, Tensors};
use crate::engine::{Embedder, Embeddings};

/// Numbers of eigenfaces to choose from.
const COMPONENTS: [usize; 10] = [2, 4, 8, 16, 24, 32, 48, 64, 96, 128];

/// Pictures that eigenfaces are found from, at most: the effort grows with their cube.
const MOST_PICTURES: usize = 1000;

/// Pictures that choose the number of eigenfaces, each compared with each, at most.
const MOST_CHOOSING: usize = 600;

/// Numbers of samples that classes are also enrolled with, where they have more.
const SHOTS: [usize; 2] = [3, 5];

/// What a cross-validation found; rates are fractions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The data set's name on the command line.
    pub dataset: String,
    /// What ran the networks.
    pub engine: &'static str,
    /// `float` or `int8`: what the networks' embeddings consist of.
    pub precision: &'static str,
    /// Classes that were judged.
    pub classes: usize,
    /// The classes of each fold.
    pub folds: Vec<Vec<String>>,
    /// Number of eigenfaces in each fold, chosen on its validation classes.
    pub eigenfaces: Vec<usize>,
    /// Pairs of one class, of all folds.
    pub genuine_comparisons: usize,
    /// Pairs of two classes, of all folds.
    pub impostor_comparisons: usize,
    /// `network`, `pixels` and `eigenfaces`.
    pub methods: Vec<Method>,
}

/// How good one way of comparing is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Method {
    /// Its name.
    pub method: &'static str,
    /// Equal error rate of the pairs of all folds at one threshold.
    pub eer: f64,
    /// Its 95 % interval, over classes.
    pub eer_ci95: [f64; 2],
    /// Equal error rate of each fold at its own threshold.
    pub fold_eers: Vec<f64>,
    /// The same of classes enrolled with several samples.
    pub enrolled: Vec<Enrolled>,
    /// True accepts of the pairs of all folds.
    pub true_accepts: Vec<TrueAccepts>,
    /// Of published lists: the share of right answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
}

/// How good it is where classes are enrolled with their first samples, and all others are tried:
/// of all folds at one threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Enrolled {
    /// Samples that a class is enrolled with.
    pub shots: usize,
    /// How their distances become one.
    pub fusion: Fusion,
    /// Equal error rate.
    pub eer: f64,
    /// Its 95 % interval, over classes.
    pub eer_ci95: [f64; 2],
}

/// The share of right answers to published lists, at thresholds from other lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Of all lists.
    pub mean: f64,
    /// Of the mean.
    pub standard_error: f64,
    /// Of each list.
    pub lists: Vec<f64>,
}

/// Trains a network for a fold: it gets the fold's number, from 0, and the data set with
/// the fold's classes as its test part, which it must not look at.
pub type Train<'a> = &'a mut dyn FnMut(usize, &Dataset) -> Result<Box<dyn Embedder>>;

/// How many folds there are: as many as published lists, or else `asked`.
pub fn folds(dataset: &Dataset, asked: usize) -> usize {
    match dataset.pairs.len() {
        0 | 1 => asked,
        lists => lists,
    }
}

/// Cross-validates in `folds` folds, or in those of published lists.
///
/// # Errors
/// When there are too few classes, samples cannot be read, or `train` or an engine fails.
pub fn evaluate(dataset: &Dataset, folds: usize, train: Train<'_>) -> Result<Report> {
    let folds = self::folds(dataset, folds);
    let has_lists = dataset.pairs.len() > 1;
    let folded = (0..folds).map(|fold| {
        Ok(Dataset {
            split: match has_lists {
                true => Split::by_list(dataset, fold),
                false => Split::fold(&dataset.classes, fold, folds)?,
            },
            ..dataset.clone()
        })
    });
    // All of them first: too few classes are told before the first training.
    let folded = folded.collect::<Result<Vec<_>>>()?;
    let mut judged = vec![];
    for (number, fold) in folded.iter().enumerate() {
        let context = || format!("fold {} of {folds}", number + 1);
        let mut embedder = train(number, fold).with_context(context)?;
        judged.push(Fold::judge(fold, embedder.as_mut()).with_context(context)?);
    }
    let of = |method: &'static str, compared: fn(&Fold) -> &Compared| {
        let folds: Vec<&Compared> = judged.iter().map(compared).collect();
        Method::new(method, &folds, dataset.classes.len())
    };
    let methods = vec![
        of("network", |fold| &fold.network),
        of("pixels", |fold| &fold.pixels),
        of("eigenfaces", |fold| &fold.eigenfaces),
    ];
    let pairs = |is_genuine: bool| {
        let all = judged.iter().flat_map(|fold| &fold.network.scores);
        all.filter(|score| score.is_genuine == is_genuine).count()
    };
    let names = |fold: &Dataset| {
        let classes = (0u32..).zip(&fold.classes);
        let own = classes.filter(|(class, _)| fold.split.part(*class) == Part::Test);
        own.map(|(_, class)| class.name.clone()).collect()
    };
    Ok(Report {
        dataset: dataset.name.clone(),
        engine: judged.first().map_or("none", |fold| fold.engine),
        precision: judged.first().map_or("none", |fold| fold.precision),
        classes: dataset.classes.len(),
        folds: folded.iter().map(names).collect(),
        eigenfaces: judged.iter().map(|fold| fold.components).collect(),
        genuine_comparisons: pairs(true),
        impostor_comparisons: pairs(false),
        methods,
    })
}

/// The pairs of one fold's classes, by each method.
struct Fold {
    engine: &'static str,
    precision: &'static str,
    network: Compared,
    pixels: Compared,
    eigenfaces: Compared,
    components: usize,
}

/// The pairs of one fold's classes by one method, and the share of right answers to them
/// where they are a published list; else also comparisons with classes of several samples.
struct Compared {
    scores: Vec<Score>,
    /// For each of [`SHOTS`] and each way to make one distance of several.
    enrolled: Vec<(usize, Fusion, Vec<Score>)>,
    accuracy: Option<f64>,
}

impl Compared {
    fn new(dataset: &Dataset, [validation, test]: [&Embedded; 2], comparison: Comparison) -> Self {
        if dataset.pairs.len() < 2 {
            return Self {
                scores: all_pairs(&test.tensors, &test.embeddings, comparison),
                enrolled: SHOTS
                    .into_iter()
                    .flat_map(|shots| fusions::ALL.map(|fusion| (shots, fusion)))
                    .map(|(shots, fusion)| {
                        let comparison = Comparison {
                            fusion,
                            ..comparison
                        };
                        let scores = enrolled(&test.tensors, &test.embeddings, comparison, shots);
                        (shots, fusion, scores)
                    })
                    .collect(),
                accuracy: None,
            };
        }
        let of = |embedded, part| pair_lists::of_part(dataset, embedded, &comparison.into(), part);
        let scores = of(test, Part::Test);
        let threshold = best_threshold(&of(validation, Part::Validation));
        let right = threshold.map(|threshold| {
            let is_right = |score: &&Score| (score.distance <= threshold) == score.is_genuine;
            scores.iter().filter(is_right).count()
        });
        Self {
            accuracy: right.map(|right| right as f64 / scores.len().max(1) as f64),
            scores,
            enrolled: vec![],
        }
    }
}

impl Fold {
    fn judge(dataset: &Dataset, embedder: &mut dyn Embedder) -> Result<Self> {
        let comparison = embedder.facts().comparison;
        let test = Embedded::new(embedder, dataset, Part::Test)?;
        let validation = Embedded::new(embedder, dataset, Part::Validation)?;
        let train = Tensors::new(
            dataset,
            &dataset.split.samples(dataset, Part::Train),
            &test.tensors.preprocess,
        )?;
        let eigenfaces = Eigenfaces::fit(&train.spread(MOST_PICTURES))?;
        let components = choose(&eigenfaces, &validation.tensors, dataset.classes.len());
        let compared = |comparison, embed: &dyn Fn(&Tensors) -> Embeddings| {
            let embedded = [&validation, &test].map(|part| Embedded {
                embeddings: embed(&part.tensors),
                tensors: part.tensors.clone(),
            });
            Compared::new(dataset, embedded.each_ref(), comparison)
        };
        Ok(Self {
            engine: embedder.engine(),
            precision: precision(&test.embeddings),
            network: Compared::new(dataset, [&validation, &test], comparison),
            pixels: compared(of_floats(Distance::Cosine), &mean_free_pixels),
            eigenfaces: compared(of_floats(Distance::Euclidean), &|tensors| {
                eigenfaces.project(tensors, components)
            }),
            components,
        })
    }
}

impl Method {
    fn new(method: &'static str, folds: &[&Compared], classes: usize) -> Self {
        let all = folds.iter().flat_map(|fold| fold.scores.iter().copied());
        let pooled = Scores::new(all.collect(), classes);
        let of_fold = |fold: &&Compared| Scores::new(fold.scores.clone(), classes).eer();
        let accuracies: Vec<f64> = folds.iter().filter_map(|fold| fold.accuracy).collect();
        let accuracy = standard_error(&accuracies).map(|standard_error| Accuracy {
            mean: mean(&accuracies),
            standard_error,
            lists: accuracies.clone(),
        });
        let of_way = |place: usize| {
            let (shots, fusion, _) = &folds.first()?.enrolled[place];
            let all = folds.iter().flat_map(|fold| &fold.enrolled[place].2);
            let scores: Vec<Score> = all.copied().collect();
            // A fold may have no class of so many samples.
            (!scores.is_empty()).then(|| {
                let scores = Scores::new(scores, classes);
                Enrolled {
                    shots: *shots,
                    fusion: *fusion,
                    eer: scores.eer(),
                    eer_ci95: scores.eer_interval(),
                }
            })
        };
        let ways = folds.first().map_or(0, |fold| fold.enrolled.len());
        Self {
            method,
            enrolled: (0..ways).filter_map(of_way).collect(),
            eer: pooled.eer(),
            eer_ci95: pooled.eer_interval(),
            fold_eers: folds.iter().map(of_fold).collect(),
            true_accepts: pooled.true_accepts(),
            accuracy,
        }
    }
}

/// The number of eigenfaces with the least equal error rate on validation classes; of
/// several the smallest.
fn choose(eigenfaces: &Eigenfaces, validation: &Tensors, classes: usize) -> usize {
    let validation = validation.spread(MOST_CHOOSING);
    let eer = |count: usize| {
        let projected = eigenfaces.project(&validation, count);
        let pairs = all_pairs(&validation, &projected, of_floats(Distance::Euclidean));
        Scores::new(pairs, classes).eer()
    };
    let possible = COMPONENTS
        .into_iter()
        .filter(|&count| count <= eigenfaces.len());
    let judged = possible.map(|count| (eer(count), count));
    let best = judged.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    best.map_or(eigenfaces.len(), |(_, count)| count)
}

/// Every pair of genuine samples: the distance of one to a subject enrolled with the
/// other alone, as a device computes it.
fn all_pairs(tensors: &Tensors, embeddings: &Embeddings, comparison: Comparison) -> Vec<Score> {
    let own: Vec<usize> = (0..tensors.len())
        .filter(|&index| tensors.kinds[index] == Kind::Genuine)
        .collect();
    let pairs_of = |place: usize| {
        let reference = Reference::new(embeddings, &[own[place]], comparison);
        let pair = |&probe: &usize| {
            let classes = [tensors.classes[own[place]], tensors.classes[probe]];
            Score {
                distance: reference.distance(embeddings.get(probe)),
                classes,
                is_genuine: classes[0] == classes[1],
            }
        };
        own[..place].iter().map(pair).collect::<Vec<_>>()
    };
    let pairs = (0..own.len()).into_par_iter().flat_map_iter(pairs_of);
    pairs.collect()
}

/// Every class with more than `shots` genuine samples, enrolled with the first ones, compared with
/// the other genuine samples of all these classes.
fn enrolled(
    tensors: &Tensors,
    embeddings: &Embeddings,
    comparison: Comparison,
    shots: usize,
) -> Vec<Score> {
    let classes = tensors.by_class(shots + 1);
    if classes.len() < 2 {
        return vec![];
    }
    let of_class = |own: &ClassSamples| {
        let reference = Reference::new(embeddings, &own.genuine[..shots], comparison);
        let probes = classes.iter().flat_map(|class| &class.genuine[shots..]);
        let score = |&probe: &usize| {
            let classes = [own.class, tensors.classes[probe]];
            Score {
                distance: reference.distance(embeddings.get(probe)),
                classes,
                is_genuine: classes[0] == classes[1],
            }
        };
        probes.map(score).collect::<Vec<_>>()
    };
    classes.iter().flat_map(of_class).collect()
}

/// The comparison of real-numbered vectors that are used as they are.
fn of_floats(distance: Distance) -> Comparison {
    Comparison {
        embedding: EmbeddingFormat {
            dim: 0,
            normalized: false,
            zero_point: 0,
            scale: 1.0,
        },
        distance,
        fusion: Fusion::Nearest,
    }
}

#[cfg(test)]
mod tests;
