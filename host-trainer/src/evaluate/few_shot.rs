//! Which of N classes is this, from K samples of each?

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::reference::Reference;
use super::{Embedded, Report, precision};
use crate::dataset::{Dataset, Kind, Part};
use crate::engine::Embedder;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// Classes in an episode.
    pub ways: usize,
    /// Enrolled samples of each.
    pub shots: usize,
    /// Probes of each.
    pub queries: usize,
    /// Episodes.
    pub episodes: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// One draw: for each class its enrolled samples and its probes.
#[derive(Clone, Debug)]
struct Episode(Vec<(Vec<usize>, Vec<usize>)>);

/// Draws episodes from the test part, classes and samples without replacement (Vinyals
/// et al., "Matching networks for one shot learning", 2016). A probe is right when its
/// own class is nearer than every other; a tie is wrong. The interval is the mean over
/// episodes plus or minus 1.96 standard errors.
///
/// # Errors
/// When samples cannot be read, the engine fails, or there are too few.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Report> {
    let test = Embedded::new(embedder, dataset, Part::Test)?;
    let episodes = draw(&test, options)?;
    let comparison = embedder.facts().comparison;
    let accuracies: Vec<f64> = episodes
        .par_iter()
        .map(|Episode(classes)| {
            let references: Vec<Reference> = classes
                .iter()
                .map(|(shots, _)| Reference::new(&test.embeddings, shots, comparison))
                .collect();
            let is_right = |class: usize, probe: usize| {
                let probe = test.embeddings.get(probe);
                let own = references[class].distance(probe);
                let mut others = references.iter().enumerate().filter(|(o, _)| *o != class);
                others.all(|(_, other)| own < other.distance(probe))
            };
            let probes = classes.iter().enumerate();
            let probes = probes.flat_map(|(c, (_, probes))| probes.iter().map(move |&p| (c, p)));
            let right = probes
                .filter(|&(class, probe)| is_right(class, probe))
                .count();
            right as f64 / (options.ways * options.queries) as f64
        })
        .collect();
    let (accuracy, half_width) = mean_and_half_width(&accuracies);
    Ok(Report {
        protocol: "few-shot",
        engine: embedder.engine(),
        precision: precision(&test.embeddings),
        model_id: embedder.facts().model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy,
        eer: None,
        far: None,
        frr: None,
        ci95: [
            (accuracy - half_width).max(0.0),
            (accuracy + half_width).min(1.0),
        ],
        comparisons: (options.episodes * options.ways * options.queries * options.ways) as u64,
        details: super::Details::FewShot(*options),
    })
}

fn draw(test: &Embedded, options: &Options) -> Result<Vec<Episode>> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let samples = test
        .tensors
        .classes
        .iter()
        .zip(&test.tensors.kinds)
        .enumerate();
    for (index, (&class, _)) in samples.filter(|(_, (_, kind))| **kind == Kind::Genuine) {
        classes.entry(class).or_default().push(index);
    }
    let per_class = options.shots.saturating_add(options.queries);
    let classes: Vec<Vec<usize>> = classes
        .into_values()
        .filter(|samples| samples.len() >= per_class)
        .collect();
    ensure!(
        options.ways >= 2 && options.shots >= 1 && options.queries >= 1 && options.episodes >= 2,
        "expected at least --ways 2 --shots 1 --queries 1 --episodes 2, found --ways {} --shots {} --queries {} --episodes {}",
        options.ways,
        options.shots,
        options.queries,
        options.episodes
    );
    ensure!(
        classes.len() >= options.ways,
        "expected at least {} test classes with {per_class} genuine samples, found {}: lower --ways, --shots or --queries",
        options.ways,
        classes.len()
    );
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut episode = || {
        let chosen = index::sample(&mut random, classes.len(), options.ways);
        let chosen = chosen.iter().map(|class| {
            let samples = &classes[class];
            let drawn = index::sample(&mut random, samples.len(), per_class);
            let mut drawn: Vec<usize> = drawn.iter().map(|sample| samples[sample]).collect();
            let probes = drawn.split_off(options.shots);
            (drawn, probes)
        });
        Episode(chosen.collect())
    };
    Ok((0..options.episodes).map(|_| episode()).collect())
}

fn mean_and_half_width(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    (mean, 1.96 * deviation / count.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_a_mean() {
        let (mean, half_width) = mean_and_half_width(&[0.5, 0.7, 0.9, 0.7]);
        assert!((mean - 0.7).abs() < 1e-12);
        assert!((half_width - 1.96 * 0.163_299_316 / 2.0).abs() < 1e-6);
    }
}
