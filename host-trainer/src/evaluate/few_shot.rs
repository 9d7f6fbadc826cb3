//! Which of N classes is this, from K samples of each?

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use shared::support_set::Fusion;

use super::cohort::Measure;
use super::{Embedded, Report, precision};
use crate::dataset::{Dataset, Part};
use crate::engine::{Embedder, Embeddings};
use crate::head::{Head, Tuning};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
    /// What turns samples into references; `None` chooses by validation.
    #[serde(skip)]
    pub head: Option<Head>,
    /// How a fine-tuned head is learnt when it is among those to choose from.
    #[serde(skip)]
    pub tuning: Tuning,
}

/// What this protocol has beside the common figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// What was asked.
    #[serde(flatten)]
    pub options: Options,
    /// The head that was judged.
    pub head: &'static str,
    /// How it was learnt, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// How it was chosen, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
}

/// Which head is best on validation classes, in episodes of the same kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// `validation`.
    pub part: Part,
    /// Those to choose from; the first of the best is chosen.
    pub candidates: Vec<Candidate>,
}

/// A head and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub head: &'static str,
    /// Share of right answers.
    pub accuracy: f64,
    /// 95 % confidence interval of the accuracy.
    pub ci95: [f64; 2],
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
/// When samples cannot be read, the engine fails, there are too few, or the head makes
/// no sense with the model's distance.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Report> {
    let (head, choice) = match options.head {
        Some(head) => (head, None),
        None => {
            let (head, choice) = choose(embedder, dataset, options)?;
            (head, Some(choice))
        }
    };
    let test = Embedded::new(embedder, dataset, Part::Test)?;
    let measure = &Measure::of(embedder.facts());
    let (accuracy, ci95) = judge(&test, measure, &head, options)?;
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
        ci95,
        comparisons: (options.episodes * options.ways * options.queries * options.ways) as u64,
        details: super::Details::FewShot(Details {
            options: *options,
            head: head.name(),
            tuning: head.tuning(),
            choice,
        }),
    })
}

/// The best head on validation classes. Of equally good ones the simplest, which comes
/// first; a fine-tuned one takes part where it makes sense.
fn choose(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<(Head, Choice)> {
    let validation = Embedded::new(embedder, dataset, Part::Validation)?;
    let measure = &Measure::of(embedder.facts());
    let heads = [
        Head::Fused(Fusion::Prototype),
        Head::Fused(Fusion::Nearest),
        Head::Finetune(options.tuning),
    ];
    let (mut best, mut candidates) = (None, vec![]);
    for head in heads {
        if head.check(&measure.comparison).is_err() {
            continue;
        }
        let (accuracy, ci95) = judge(&validation, measure, &head, options)
            .context("choosing a head on validation classes; name one by --head to do without")?;
        candidates.push(Candidate {
            head: head.name(),
            accuracy,
            ci95,
        });
        if best.is_none_or(|(_, earlier)| accuracy > earlier) {
            best = Some((head, accuracy));
        }
    }
    let (head, _) = best.context("expected a head that makes sense with the model, found none")?;
    let part = Part::Validation;
    Ok((head, Choice { part, candidates }))
}

/// The accuracy of a head in episodes drawn from `embedded`, and its 95 % interval.
///
/// # Errors
/// When there are too few samples, or the head makes no sense with the comparison.
pub fn judge(
    embedded: &Embedded,
    measure: &Measure,
    head: &Head,
    options: &Options,
) -> Result<(f64, [f64; 2])> {
    head.check(&measure.comparison)?;
    let accuracies: Vec<f64> = draw(embedded, options)?
        .par_iter()
        .map(|episode| {
            let right = episode.right(&embedded.embeddings, measure, head);
            right as f64 / (options.ways * options.queries) as f64
        })
        .collect();
    let (accuracy, half_width) = mean_and_half_width(&accuracies);
    let ends = [accuracy - half_width, accuracy + half_width];
    Ok((accuracy, ends.map(|end| end.clamp(0.0, 1.0))))
}

impl Episode {
    /// How many probes are answered rightly.
    fn right(&self, embeddings: &Embeddings, measure: &Measure, head: &Head) -> usize {
        let support: Vec<&[usize]> = self.0.iter().map(|(shots, _)| shots.as_slice()).collect();
        let probes = || {
            let classes = self.0.iter().enumerate();
            classes.flat_map(|(class, (_, probes))| probes.iter().map(move |&p| (class, p)))
        };
        let queries: Vec<usize> = probes().map(|(_, probe)| probe).collect();
        let references = head.references(embeddings, &support, &queries, measure);
        let is_right = |&(class, probe): &(usize, usize)| {
            let probe = embeddings.get(probe);
            let own = references[class].distance(probe);
            let mut others = references.iter().enumerate().filter(|(o, _)| *o != class);
            others.all(|(_, other)| own < other.distance(probe))
        };
        probes().filter(is_right).count()
    }
}

fn draw(embedded: &Embedded, options: &Options) -> Result<Vec<Episode>> {
    let per_class = options.shots.saturating_add(options.queries);
    let classes = embedded.tensors.by_class(per_class);
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
        "expected at least {} classes with {per_class} genuine samples, found {}: lower --ways, --shots or --queries",
        options.ways,
        classes.len()
    );
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut episode = || {
        let chosen = index::sample(&mut random, classes.len(), options.ways);
        let chosen = chosen.iter().map(|class| {
            let samples = &classes[class].genuine;
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
