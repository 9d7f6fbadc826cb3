//! Omniglot's official one-shot test: 20 runs of 20 trials, 20-way 1-shot within an
//! alphabet (Lake, Salakhutdinov, Tenenbaum, "Human-level concept learning through
//! probabilistic program induction", 2015).

use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;
use shared::Preprocess;

use super::cohort::Measure;
use super::metrics::clopper_pearson;
use super::reference::Reference;
use super::{Report, precision};
use crate::dataset::omniglot::Run;
use crate::dataset::{Kind, Sample, Source};
use crate::engine::{Embedder, Embeddings};

/// What the official test has beside the common figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// Accuracy of each run.
    pub runs: Vec<f64>,
}

/// Runs the test. A trial is right when its own reference is nearer than every other;
/// a tie is wrong. The interval is Clopper and Pearson's over trials.
///
/// # Errors
/// When a drawing cannot be read or the engine fails.
pub fn evaluate(embedder: &mut dyn Embedder, runs: &[Run]) -> Result<Report> {
    let facts = embedder.facts().clone();
    let measure = Measure::of(&facts);
    let (mut accuracies, mut right, mut trials, mut comparisons) = (vec![], 0, 0, 0);
    let mut numbers = "float";
    for run in runs {
        let references = embed(embedder, &facts.preprocess, run.references.iter())?;
        let probes = run.trials.iter().map(|(source, _)| source);
        let probes = embed(embedder, &facts.preprocess, probes)?;
        numbers = precision(&probes);
        let references: Vec<Reference> = (0..run.references.len())
            .map(|index| Reference::new(&references, &[index], &measure))
            .collect();
        let is_right = |(probe, (_, own)): (usize, &(Source, usize))| {
            let probe = probes.get(probe);
            let distances: Vec<f32> = references.iter().map(|r| r.distance(probe)).collect();
            let mut others = distances
                .iter()
                .enumerate()
                .filter(|(index, _)| index != own);
            others.all(|(_, &other)| distances[*own] < other)
        };
        let hits = run
            .trials
            .iter()
            .enumerate()
            .filter(|&trial| is_right(trial))
            .count();
        accuracies.push(hits as f64 / run.trials.len() as f64);
        right += hits;
        trials += run.trials.len();
        comparisons += run.trials.len() * references.len();
    }
    Ok(Report {
        protocol: "omniglot-runs",
        engine: embedder.engine(),
        precision: numbers,
        model_id: facts.model_id.map(|id| id.to_string()),
        dataset: "omniglot".into(),
        accuracy: right as f64 / trials as f64,
        eer: None,
        far: None,
        frr: None,
        ci95: clopper_pearson(right, trials),
        comparisons: comparisons as u64,
        details: super::Details::OmniglotRuns(Details { runs: accuracies }),
    })
}

fn embed<'a>(
    embedder: &mut dyn Embedder,
    preprocess: &Preprocess,
    sources: impl Iterator<Item = &'a Source>,
) -> Result<Embeddings> {
    let sources: Vec<&Source> = sources.collect();
    let length = preprocess.output_len();
    let mut pixels = vec![0; sources.len() * length];
    pixels
        .par_chunks_mut(length)
        .zip(&sources)
        .try_for_each(|(output, source)| {
            let sample = Sample {
                class: 0,
                kind: Kind::Genuine,
                name: "a drawing of the official runs".into(),
                source: (*source).clone(),
            };
            sample.preprocess(preprocess, output)
        })?;
    embedder.embed(&pixels)
}
