//! Is this the claimed class?

use anyhow::{Context, Result};
use serde::Serialize;
use shared::artifact::OperatingPoint;

use super::metrics::{
    equal_error_rate, false_accept_rate, false_reject_rate, most_accurate_threshold, threshold_for,
};
use super::scores::TrueAccepts;
use super::trials::{ClassTrials, Impostors, Trials};
use super::{Embedded, Report, interval, precision};
use crate::dataset::{Dataset, Part};
use crate::engine::Embedder;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Enrolled samples per class.
    pub shots: usize,
    /// The false-accept rate to aim at.
    pub far_target: f32,
    /// The model's operating point for it, if it has one; else the threshold is taken
    /// from validation classes.
    pub operating_point: Option<OperatingPoint>,
}

/// What a verification has beside the common figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// Enrolled samples per class.
    pub shots: usize,
    /// Classes of the test part.
    pub classes: usize,
    /// Who tried to be accepted: `accuracy`, `eer` and `far` are about them.
    pub impostors: &'static str,
    /// The largest distance that is accepted in `far` and `frr`.
    pub threshold: f32,
    /// Where that threshold is from.
    pub threshold_from: &'static str,
    /// 95 % interval of `eer`, over classes.
    pub eer_ci95: [f64; 2],
    /// Share of genuine probes that are accepted at thresholds with these false-accept
    /// rates on the test part itself: points of its ROC curve.
    pub true_accepts: Vec<TrueAccepts>,
    /// The false-accept rate that it was chosen for.
    pub far_target: f32,
    /// 95 % interval of `far`.
    pub far_ci95: [f64; 2],
    /// 95 % interval of `frr`.
    pub frr_ci95: [f64; 2],
    /// Genuine comparisons.
    pub genuine_comparisons: usize,
    /// Impostor comparisons.
    pub impostor_comparisons: usize,
    /// The same figures with samples of other classes as impostors.
    pub random_impostors: RandomImpostors,
}

/// Figures with samples of other classes as impostors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RandomImpostors {
    /// Equal error rate.
    pub eer: f64,
    /// False accepts at the same threshold.
    pub far: f64,
    /// Comparisons.
    pub comparisons: usize,
}

/// Verifies the test part. `accuracy` is the mean of both kinds of right answers at
/// the threshold that is best on validation classes, or at the operating point where the
/// data hold no validation samples; its interval is over resampled classes. `far` and
/// `frr` are at the operating point.
///
/// # Errors
/// When samples cannot be read, the engine fails, or there are too few.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Report> {
    let comparison = embedder.facts().comparison;
    let validation = validation(embedder, dataset, options)?;
    let test = Embedded::new(embedder, dataset, Part::Test)?;
    let trials = Trials::new(&test, comparison, options.shots).context("the test part")?;
    let impostors = trials.hardest_impostors();
    let (genuine, attempts) = (trials.genuine(), trials.impostors(impostors));
    let (threshold, threshold_from) = match (options.operating_point, &validation) {
        (Some(point), _) => (point.threshold, "artifact"),
        (None, validation) => {
            let attempts = validation
                .as_ref()
                .map(|trials| trials.impostors(impostors));
            let threshold = attempts.and_then(|a| threshold_for(options.far_target.into(), &a));
            (threshold.unwrap_or(0.0), "validation")
        }
    };
    let best = validation.map_or(threshold, |trials| {
        most_accurate_threshold(&trials.genuine(), &trials.impostors(impostors))
    });
    let tallies: Vec<Tally> = trials
        .classes
        .iter()
        .map(|class| Tally::new(class, impostors, best))
        .collect();
    let random = trials.impostors(Impostors::Random);
    let scores = trials.scores(impostors);
    let far = false_accept_rate(&attempts, threshold);
    let frr = false_reject_rate(&genuine, threshold);
    Ok(Report {
        protocol: "verification",
        engine: embedder.engine(),
        precision: precision(&test.embeddings),
        model_id: embedder.facts().model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy: Tally::accuracy(&tallies, &vec![1.0; tallies.len()]),
        eer: Some(scores.eer()),
        far: Some(far),
        frr: Some(frr),
        ci95: interval::resampled(tallies.len(), |weights| Tally::accuracy(&tallies, weights)),
        comparisons: (genuine.len() + attempts.len()) as u64,
        details: super::Details::Verification(Details {
            shots: options.shots,
            classes: trials.classes.len(),
            impostors: impostors.name(),
            threshold,
            threshold_from,
            eer_ci95: scores.eer_interval(),
            true_accepts: scores.true_accepts(),
            far_target: options
                .operating_point
                .map_or(options.far_target, |point| point.far_target),
            far_ci95: trials.far_interval(impostors, threshold),
            frr_ci95: trials.frr_interval(threshold),
            genuine_comparisons: genuine.len(),
            impostor_comparisons: attempts.len(),
            random_impostors: RandomImpostors {
                eer: equal_error_rate(&genuine, &random),
                far: false_accept_rate(&random, threshold),
                comparisons: random.len(),
            },
        }),
    })
}

/// The comparisons that choose thresholds; none when there are no samples for them and
/// an operating point needs none.
fn validation(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Option<Trials>> {
    let is_absent = dataset.split.samples(dataset, Part::Validation).is_empty();
    if is_absent && options.operating_point.is_some() {
        return Ok(None);
    }
    let comparison = embedder.facts().comparison;
    let embedded = Embedded::new(embedder, dataset, Part::Validation)?;
    let trials = Trials::new(&embedded, comparison, options.shots);
    trials
        .context("the validation part, which chooses thresholds")
        .map(Some)
}

/// Right answers of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    genuine: [usize; 2],
    impostor: [usize; 2],
}

impl Tally {
    fn new(class: &ClassTrials, impostors: Impostors, threshold: f32) -> Self {
        let attempts = class.impostors(impostors);
        let accepted = |distances: &[f32]| distances.iter().filter(|&&d| d <= threshold).count();
        Self {
            genuine: [accepted(&class.genuine), class.genuine.len()],
            impostor: [attempts.len() - accepted(attempts), attempts.len()],
        }
    }

    /// The mean of the shares of right answers to genuine probes and to impostors, of
    /// classes that count as often as `weights` say.
    fn accuracy(tallies: &[Self], weights: &[f64]) -> f64 {
        let (mut genuine, mut impostor) = ([0.0; 2], [0.0; 2]);
        for (tally, weight) in tallies.iter().zip(weights) {
            for index in 0..2 {
                genuine[index] += weight * tally.genuine[index] as f64;
                impostor[index] += weight * tally.impostor[index] as f64;
            }
        }
        (genuine[0] / genuine[1] + impostor[0] / impostor[1]) / 2.0
    }
}
