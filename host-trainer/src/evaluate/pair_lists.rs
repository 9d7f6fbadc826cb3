//! Are two samples of one class? On the pairs that the makers of a data set published.
//!
//! With several lists each is judged at the threshold that is best on the others, as
//! Labeled Faces in the Wild asks (Huang et al., 2007, View 2): the accuracy is the mean
//! over lists, with its standard error. One list is judged at the threshold that is best on
//! pairs of validation classes, or at the model's own.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use serde::Serialize;

use super::cohort::Measure;
use super::metrics::{ErrorRates, false_accept_rate, false_reject_rate, most_accurate_threshold};
use super::reference::Reference;
use super::scores::{Score, Scores, TrueAccepts};
use super::{Embedded, Report, interval, precision};
use crate::dataset::{Dataset, Kind, Pair, Part};
use crate::engine::Embedder;

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// The model learnt from the training part of this very split: only pairs of the test
    /// part judge, pairs of the validation part choose.
    pub is_own: bool,
    /// The largest distance that a device accepts after one enrolment shot.
    pub threshold: Option<f32>,
}

/// What lists of pairs have beside the common figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// One sample is enrolled.
    pub shots: usize,
    /// Pairs of one class.
    pub genuine_comparisons: usize,
    /// Other pairs.
    pub impostor_comparisons: usize,
    /// 95 % interval of `eer`, over classes.
    pub eer_ci95: [f64; 2],
    /// `1 - eer`: the accuracy at the threshold where both kinds of errors are equal.
    pub accuracy_at_eer: f64,
    /// Standard error of the mean over lists; null with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Where thresholds are from.
    pub threshold_from: &'static str,
    /// Each list.
    pub lists: Vec<ListFigures>,
    /// Points of the ROC curve of all pairs.
    pub true_accepts: Vec<TrueAccepts>,
    /// All of them.
    #[serde(skip)]
    pub curve: Vec<ErrorRates>,
}

/// The answers to one list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListFigures {
    /// Its name.
    pub list: String,
    /// Share of right answers.
    pub accuracy: f64,
    /// The largest distance that counts as the same.
    pub threshold: f32,
    /// Pairs.
    pub pairs: usize,
}

/// Judges the lists of `dataset`.
///
/// # Errors
/// When there is none to judge, samples cannot be read, the engine fails, or nothing
/// chooses a threshold.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Report> {
    let measure = &Measure::of(embedder.facts());
    let lists = Lists::new(dataset, options);
    ensure!(
        !lists.judging.is_empty(),
        "expected published pairs of {} to judge with, found none of classes that the model has not seen: \
         give --shots to judge with reference sets",
        dataset.name
    );
    let embedded = Embedded::of_samples(embedder, dataset, &lists.samples())?;
    let answers = lists.answer(dataset, &embedded, measure, options.threshold)?;
    let all: Vec<Score> = answers
        .iter()
        .flat_map(|list| list.scores.clone())
        .collect();
    let distances = |same: bool| -> Vec<f32> {
        let kept = all.iter().filter(|score| score.is_genuine == same);
        kept.map(|score| score.distance).collect()
    };
    let (genuine, impostors) = (distances(true), distances(false));
    let scores = Scores::new(all, dataset.classes.len());
    let accuracies: Vec<f64> = answers.iter().map(Answers::accuracy).collect();
    Ok(Report {
        protocol: "verification",
        engine: embedder.engine(),
        precision: precision(&embedded.embeddings),
        model_id: embedder.facts().model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy: mean(&accuracies),
        eer: Some(scores.eer()),
        far: options.threshold.map(|t| false_accept_rate(&impostors, t)),
        frr: options.threshold.map(|t| false_reject_rate(&genuine, t)),
        ci95: accuracy_interval(&answers, dataset.classes.len()),
        comparisons: (genuine.len() + impostors.len()) as u64,
        details: super::Details::PairLists(Details {
            shots: 1,
            genuine_comparisons: genuine.len(),
            impostor_comparisons: impostors.len(),
            eer_ci95: scores.eer_interval(),
            accuracy_at_eer: 1.0 - scores.eer(),
            standard_error: standard_error(&accuracies),
            threshold_from: lists.threshold_from,
            lists: answers.iter().map(Answers::figures).collect(),
            true_accepts: scores.true_accepts(),
            curve: scores.curve(),
        }),
    })
}

/// A list's name and pairs.
type Named = (String, Vec<Pair>);

/// What judges, and what chooses.
struct Lists {
    judging: Vec<Named>,
    /// None where each list is judged at what is best on the others.
    choosing: Option<Vec<Pair>>,
    threshold_from: &'static str,
}

impl Lists {
    fn new(dataset: &Dataset, options: &Options) -> Self {
        let all = || {
            let lists = dataset.pairs.iter();
            lists
                .map(|list| (list.name.clone(), list.pairs.clone()))
                .collect()
        };
        let judging: Vec<Named> = match options.is_own || dataset.pairs.len() == 1 {
            true => listed(dataset, Part::Test),
            false => all(),
        };
        if judging.len() > 1 {
            return Self {
                judging,
                choosing: None,
                threshold_from: "other lists",
            };
        }
        let lists = listed(dataset, Part::Validation).into_iter();
        let mut choosing: Vec<Pair> = lists.flat_map(|(_, pairs)| pairs).collect();
        if choosing.is_empty() {
            choosing = pairs_of(dataset, Part::Validation);
        }
        Self {
            judging,
            threshold_from: match choosing.is_empty() {
                true => "artifact",
                false => "validation",
            },
            choosing: Some(choosing),
        }
    }

    /// The samples of all pairs, each once, ascending.
    fn samples(&self) -> Vec<u32> {
        let judging = self.judging.iter().flat_map(|(_, pairs)| pairs);
        let pairs = judging.chain(self.choosing.iter().flatten());
        let samples: BTreeSet<u32> = pairs.flat_map(|pair| pair.samples).collect();
        samples.into_iter().collect()
    }

    fn answer(
        &self,
        dataset: &Dataset,
        embedded: &Embedded,
        measure: &Measure,
        own: Option<f32>,
    ) -> Result<Vec<Answers>> {
        let score = |pairs: &[Pair]| scores(dataset, embedded, measure, pairs);
        let judged: Vec<Vec<Score>> = self.judging.iter().map(|(_, pairs)| score(pairs)).collect();
        let chosen = self.choosing.as_ref().map(|pairs| score(pairs));
        let answers = self.judging.iter().zip(&judged).enumerate();
        let answer = |(place, ((name, _), scores)): (usize, (&Named, &Vec<Score>))| {
            let others = judged
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place);
            let chosen_on: Vec<Score> = match &chosen {
                Some(chosen) => chosen.clone(),
                None => others.flat_map(|(_, scores)| scores.clone()).collect(),
            };
            let threshold = best_threshold(&chosen_on).or(own).context(
                "expected several lists of pairs, validation classes or a model with operating points to choose a \
                 threshold, found none of these",
            )?;
            Ok(Answers {
                name: name.clone(),
                threshold,
                scores: scores.clone(),
            })
        };
        answers.map(answer).collect()
    }
}

/// The published pairs of a part, compared.
pub(super) fn of_part(
    dataset: &Dataset,
    embedded: &Embedded,
    measure: &Measure,
    part: Part,
) -> Vec<Score> {
    let lists = listed(dataset, part).into_iter();
    let pairs: Vec<Pair> = lists.flat_map(|(_, pairs)| pairs).collect();
    scores(dataset, embedded, measure, &pairs)
}

/// The published pairs whose classes are of a part, by list.
fn listed(dataset: &Dataset, part: Part) -> Vec<Named> {
    let is_of = |sample: &u32| dataset.split.part(dataset.samples[*sample as usize].class) == part;
    let lists = dataset.pairs.iter().map(|list| {
        let pairs = list
            .pairs
            .iter()
            .filter(|pair| pair.samples.iter().all(is_of));
        (list.name.clone(), pairs.copied().collect::<Vec<_>>())
    });
    lists.filter(|(_, pairs)| !pairs.is_empty()).collect()
}

/// All pairs within classes of a part, genuine with genuine and with forged samples; pairs
/// of two classes' first samples where nobody forges.
fn pairs_of(dataset: &Dataset, part: Part) -> Vec<Pair> {
    let mut classes: BTreeMap<u32, [Vec<u32>; 2]> = BTreeMap::new();
    for index in dataset.split.samples(dataset, part) {
        let sample = &dataset.samples[index as usize];
        let kinds = classes.entry(sample.class).or_default();
        kinds[usize::from(sample.kind == Kind::Forged)].push(index);
    }
    let mut pairs = vec![];
    let mut push = |left: u32, right: u32, same| {
        pairs.push(Pair {
            samples: [left, right],
            same,
        });
    };
    let is_forged = classes.values().any(|[_, forged]| !forged.is_empty());
    let mut firsts: Vec<u32> = vec![];
    for [genuine, forged] in classes.values() {
        for (place, &left) in genuine.iter().enumerate() {
            genuine[..place]
                .iter()
                .for_each(|&right| push(left, right, true));
            forged.iter().for_each(|&right| push(left, right, false));
        }
        if let (false, Some(&first)) = (is_forged, genuine.first()) {
            firsts.iter().for_each(|&other| push(first, other, false));
            firsts.push(first);
        }
    }
    pairs
}

fn scores(dataset: &Dataset, embedded: &Embedded, measure: &Measure, pairs: &[Pair]) -> Vec<Score> {
    let places: BTreeMap<u32, usize> = embedded
        .tensors
        .indices
        .iter()
        .enumerate()
        .map(|(place, &sample)| (sample, place))
        .collect();
    let score = |pair: &Pair| {
        let [left, right] = pair.samples.map(|sample| places[&sample]);
        let reference = Reference::new(&embedded.embeddings, &[left], measure);
        Score {
            distance: reference.distance(embedded.embeddings.get(right)),
            classes: pair
                .samples
                .map(|sample| dataset.samples[sample as usize].class),
            is_genuine: pair.same,
        }
    };
    pairs.par_iter().map(score).collect()
}

/// The threshold with the fewest errors; none without both kinds of pairs.
pub(super) fn best_threshold(scores: &[Score]) -> Option<f32> {
    let distances = |same: bool| -> Vec<f32> {
        let kept = scores.iter().filter(|score| score.is_genuine == same);
        kept.map(|score| score.distance).collect()
    };
    let (genuine, impostors) = (distances(true), distances(false));
    let is_enough = !genuine.is_empty() && !impostors.is_empty();
    is_enough.then(|| most_accurate_threshold(&genuine, &impostors))
}

/// One list, scored, and its threshold.
struct Answers {
    name: String,
    threshold: f32,
    scores: Vec<Score>,
}

impl Answers {
    fn is_right(&self, score: &Score) -> bool {
        (score.distance <= self.threshold) == score.is_genuine
    }

    fn accuracy(&self) -> f64 {
        let right = self.scores.iter().filter(|score| self.is_right(score));
        right.count() as f64 / self.scores.len().max(1) as f64
    }

    fn figures(&self) -> ListFigures {
        ListFigures {
            list: self.name.clone(),
            accuracy: self.accuracy(),
            threshold: self.threshold,
            pairs: self.scores.len(),
        }
    }
}

/// 95 % interval of the share of right answers to all pairs, over draws of the classes.
fn accuracy_interval(answers: &[Answers], classes: usize) -> [f64; 2] {
    interval::resampled(classes, |weights| {
        let (mut right, mut all) = (0.0, 0.0);
        for list in answers {
            for score in &list.scores {
                let weight = score.weight(weights);
                all += weight;
                right += if list.is_right(score) { weight } else { 0.0 };
            }
        }
        right / all
    })
}

/// The mean.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard error of a mean: the sample's standard deviation over the root of its
/// size. None of one value.
pub(super) fn standard_error(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let count = values.len() as f64;
    (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt() / count.sqrt())
}
