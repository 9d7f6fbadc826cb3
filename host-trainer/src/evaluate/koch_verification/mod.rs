//! The verification test of Koch, Zemel and Salakhutdinov, "Siamese neural networks for
//! one-shot image recognition", 2015, section 4.2: 10,000 pairs of drawings, are they of
//! one character?
//!
//! The pairs are of 10 alphabets with 4 drawers each, and the threshold is chosen on as
//! many pairs of 10 further alphabets: the parts of [`koch`](crate::dataset::omniglot::koch).
//! The paper fixes the number of pairs per alphabet, and not how they are drawn. Here:
//!
//! - every alphabet has equally many pairs, half of them of one character;
//! - same: a character at random, two of its drawers at random;
//! - different: two characters *of one alphabet* at random, drawn by two of its drawers,
//!   so that neither the alphabet nor the hand says which kind a pair is of;
//! - with replacement: there are fewer than 5,000 pairs of one character.
//!
//! Figures with different characters of two alphabets, which are told apart more easily,
//! stand beside. The drawers of training are restricted only for runs on `omniglot-koch`.

mod pairs;
#[cfg(test)]
mod tests;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::cohort::Measure;
use super::metrics::most_accurate_threshold;
use super::scores::{Score, Scores};
use super::{Embedded, Report, interval, precision};
use crate::dataset::{Dataset, Part};
use crate::engine::Embedder;

use pairs::{Different, Drawings};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// Pairs in a draw, half of them of one character.
    pub pairs: usize,
    /// Draws.
    pub draws: usize,
    /// Seed of the first draw; the others have the seeds that follow.
    pub seed: u64,
}

/// What this test has beside the common figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// What was asked.
    #[serde(flatten)]
    pub options: Options,
    /// Accuracy of each draw; `accuracy` is their mean.
    pub accuracies: Vec<f64>,
    /// 95 % interval of `eer`, over characters.
    pub eer_ci95: [f64; 2],
    /// The largest distance that counts as the same, chosen on validation pairs.
    pub threshold: f32,
    /// Test alphabets.
    pub alphabets: usize,
    /// Test characters.
    pub classes: usize,
    /// The same with different characters of two alphabets.
    pub across_alphabets: AcrossAlphabets,
}

/// Figures with different characters of two alphabets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AcrossAlphabets {
    /// Share of right answers.
    pub accuracy: f64,
    /// Its 95 % interval.
    pub ci95: [f64; 2],
    /// Equal error rate.
    pub eer: f64,
    /// The largest distance that counts as the same, chosen on such pairs too.
    pub threshold: f32,
}

/// Runs the test on the parts of `dataset`. Intervals are over draws of the characters,
/// with the pairs of all draws.
///
/// # Errors
/// When samples cannot be read, the engine fails, or there are too few.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Report> {
    ensure!(
        options.draws > 0 && options.pairs >= 2,
        "expected at least one draw of two pairs, found {} of {}",
        options.draws,
        options.pairs
    );
    let measure = Measure::of(embedder.facts());
    let mut drawings = |part| {
        let embedded = Embedded::new(embedder, dataset, part)?;
        Drawings::new(dataset, embedded, &measure)
    };
    let validation = drawings(Part::Validation)?;
    let test = drawings(Part::Test)?;
    let judge = |different| judge(&validation, &test, different, options);
    let within = judge(Different::WithinAlphabet);
    let across = judge(Different::AcrossAlphabets);
    Ok(Report {
        protocol: "koch-verification",
        engine: embedder.engine(),
        precision: precision(&test.embedded.embeddings),
        model_id: embedder.facts().model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy: within.accuracy(),
        eer: Some(within.scores.eer()),
        far: None,
        frr: None,
        ci95: within.interval(),
        comparisons: (options.pairs * options.draws) as u64,
        details: super::Details::KochVerification(Details {
            options: *options,
            eer_ci95: within.scores.eer_interval(),
            threshold: within.threshold,
            alphabets: test.alphabets.len(),
            classes: test.classes,
            across_alphabets: AcrossAlphabets {
                accuracy: across.accuracy(),
                ci95: across.interval(),
                eer: across.scores.eer(),
                threshold: across.threshold,
            },
            accuracies: within.accuracies,
        }),
    })
}

/// The answers to all draws of one kind.
struct Judged {
    threshold: f32,
    accuracies: Vec<f64>,
    scores: Scores,
    /// For each character, the answers to pairs whose left drawing is of it: the other
    /// character, and whether the answer is right.
    answers: Vec<Vec<(u32, bool)>>,
}

fn judge(
    validation: &Drawings,
    test: &Drawings,
    different: Different,
    options: &Options,
) -> Judged {
    let draws = |drawings: &Drawings| -> Vec<Vec<Score>> {
        let seeds = (0..options.draws as u64).map(|draw| options.seed.wrapping_add(draw));
        seeds
            .map(|seed| drawings.draw(different, options.pairs, seed))
            .collect()
    };
    let chosen_on: Vec<Score> = draws(validation).concat();
    let distances = |is_genuine| -> Vec<f32> {
        let kept = chosen_on
            .iter()
            .filter(|score| score.is_genuine == is_genuine);
        kept.map(|score| score.distance).collect()
    };
    let threshold = most_accurate_threshold(&distances(true), &distances(false));
    let is_right = |score: &Score| (score.distance <= threshold) == score.is_genuine;
    let draws = draws(test);
    let accuracy = |draw: &Vec<Score>| {
        draw.iter().filter(|score| is_right(score)).count() as f64 / draw.len().max(1) as f64
    };
    let mut answers = vec![vec![]; test.classes];
    for score in draws.iter().flatten() {
        answers[score.classes[0] as usize].push((score.classes[1], is_right(score)));
    }
    Judged {
        threshold,
        accuracies: draws.iter().map(accuracy).collect(),
        scores: Scores::new(draws.concat(), test.classes),
        answers,
    }
}

impl Judged {
    fn accuracy(&self) -> f64 {
        self.accuracies.iter().sum::<f64>() / self.accuracies.len() as f64
    }

    fn interval(&self) -> [f64; 2] {
        interval::resampled(self.answers.len(), |weights| {
            let (mut right, mut all) = (0.0, 0.0);
            for (left, answers) in self.answers.iter().enumerate() {
                for &(other, is_right) in answers {
                    let weight = match left == other as usize {
                        true => weights[left],
                        false => weights[left] * weights[other as usize],
                    };
                    all += weight;
                    right += if is_right { weight } else { 0.0 };
                }
            }
            right / all
        })
    }
}
