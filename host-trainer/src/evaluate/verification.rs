//! Is this the claimed class?

use anyhow::{Context, Result};
use serde::Serialize;
use shared::artifact::OperatingPoint;
use shared::cohort::Normalization;
use shared::support_set::{Comparison, Fusion};

use super::calibration::{Calibration, Platt};
use super::cohort::{Cohort, Measure};
use super::metrics::{
    ErrorRates, equal_error_rate, false_accept_rate, false_reject_rate, most_accurate_threshold,
    threshold_for,
};
use super::pair_lists::mean;
use super::scores::TrueAccepts;
use super::trials::{ClassTrials, Impostors, Trials};
use super::{Embedded, Report, fusions, interval, precision};
use crate::dataset::{Dataset, Part};
use crate::engine::Embedder;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Enrolled samples per class.
    pub shots: usize,
    /// The false-accept rate to aim at.
    pub far_target: f32,
    /// The model's operating point for it, if it has one; else the threshold is taken
    /// from validation classes.
    pub operating_point: Option<OperatingPoint>,
    /// How several shots become one distance; as the model has it where nothing is said.
    pub fusion: Option<Fusion>,
    /// Distances as a cohort of so many training classes sees them, in place of the model's own
    /// cohort. Thresholds are of validation classes then.
    pub cohort: Option<(usize, Normalization)>,
}

/// What a verification has beside the common figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// Enrolled samples per class.
    pub shots: usize,
    /// How they become one distance.
    pub fusion: Fusion,
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
    /// `1 - eer`: the accuracy at the threshold where both kinds of errors are equal.
    pub accuracy_at_eer: f64,
    /// The mean of the equal error rates of single classes: thresholds of their own, the
    /// best ones afterwards.
    pub eer_user_thresholds: f64,
    /// Equal error rate with samples of other classes as impostors.
    pub eer_random: f64,
    /// Its 95 % interval, over classes.
    pub eer_random_ci95: [f64; 2],
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
    /// Every way to make one distance of several shots.
    pub fusions: Vec<FusionFigures>,
    /// Probabilities, fitted to validation classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Classes of the cohort and what distances are normalized by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<(usize, Normalization)>,
    /// The pairs that the data set's makers published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<super::pair_lists::Details>,
    /// DET curves of each kind of impostors, hardest first.
    #[serde(skip)]
    pub curves: Vec<(&'static str, Vec<ErrorRates>)>,
}

/// Figures with samples of other classes as impostors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RandomImpostors {
    /// Equal error rate.
    pub eer: f64,
    /// False accepts at the same threshold.
    pub far: f64,
    /// Its 95 % interval, over classes.
    pub far_ci95: [f64; 2],
    /// Comparisons.
    pub comparisons: usize,
    /// Points of the ROC curve against them.
    pub true_accepts: Vec<TrueAccepts>,
}

/// Equal error rates of one way to make one distance of several shots.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FusionFigures {
    /// The way.
    pub fusion: Fusion,
    /// Against the hardest impostors.
    pub eer: f64,
    /// Against samples of other classes.
    pub eer_random: f64,
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
    let model = Measure::of(embedder.facts());
    let comparison = Comparison {
        fusion: options.fusion.unwrap_or(model.comparison.fusion),
        ..model.comparison
    };
    let enrolment = Enrolment {
        measure: match cohort(embedder, dataset, options, comparison)? {
            Some(cohort) => Measure::by(comparison, cohort),
            None => model.with(comparison),
        },
        shots: options.shots,
    };
    let validation = validation(embedder, dataset, options, &enrolment)?;
    let test = Embedded::new(embedder, dataset, Part::Test)?;
    let trials = enrolment.trials(&test).context("the test part")?;
    let judged = Judged::new(trials, validation.as_ref(), options);
    let (accuracy, ci95) = judged.accuracy();
    Ok(Report {
        protocol: "verification",
        engine: embedder.engine(),
        precision: precision(&test.embeddings),
        model_id: embedder.facts().model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy,
        eer: Some(judged.hardest.eer),
        far: Some(judged.far(judged.impostors)),
        frr: Some(judged.frr()),
        ci95,
        comparisons: (judged.hardest.genuine + judged.hardest.impostors) as u64,
        details: super::Details::Verification(Box::new(Details {
            fusions: enrolment.fusions(&test)?,
            cohort: (enrolment.measure.cohort.as_ref())
                .map(|cohort| (cohort.members().len(), cohort.normalization())),
            ..judged.details(options, comparison.fusion)
        })),
    })
}

/// The test part's comparisons, and what validation classes chose.
struct Judged {
    trials: Trials,
    impostors: Impostors,
    hardest: Against,
    /// The threshold of `far` and `frr`, and where it is from.
    threshold: f32,
    threshold_from: &'static str,
    /// The threshold of the accuracy.
    best: f32,
    calibration: Option<Calibration>,
}

impl Judged {
    fn new(trials: Trials, validation: Option<&Trials>, options: &Options) -> Self {
        let impostors = trials.hardest_impostors();
        let chosen_on = validation.map(|trials| (trials.genuine(), trials.impostors(impostors)));
        let attempts = chosen_on.as_ref().map(|(_, attempts)| attempts);
        let (threshold, threshold_from) = match options.own_threshold() {
            Some(threshold) => (threshold, "artifact"),
            None => {
                let threshold = attempts.and_then(|a| threshold_for(options.far_target.into(), a));
                (threshold.unwrap_or(0.0), "validation")
            }
        };
        let best = chosen_on.as_ref().map_or(threshold, |(genuine, attempts)| {
            most_accurate_threshold(genuine, attempts)
        });
        let platt = chosen_on.and_then(|(genuine, attempts)| Platt::fit(&genuine, &attempts));
        Self {
            hardest: Against::new(&trials, impostors),
            calibration: platt
                .map(|platt| platt.judge(&trials.genuine(), &trials.impostors(impostors))),
            trials,
            impostors,
            threshold,
            threshold_from,
            best,
        }
    }

    /// The mean of both kinds of right answers, and its interval.
    fn accuracy(&self) -> (f64, [f64; 2]) {
        let tally = |class| Tally::new(class, self.impostors, self.best);
        let tallies: Vec<Tally> = self.trials.classes.iter().map(tally).collect();
        let of = |weights: &[f64]| Tally::accuracy(&tallies, weights);
        let once = vec![1.0; tallies.len()];
        (of(&once), interval::resampled(tallies.len(), of))
    }

    fn far(&self, impostors: Impostors) -> f64 {
        false_accept_rate(&self.trials.impostors(impostors), self.threshold)
    }

    fn frr(&self) -> f64 {
        false_reject_rate(&self.trials.genuine(), self.threshold)
    }

    fn details(&self, options: &Options, fusion: Fusion) -> Details {
        let (trials, hardest) = (&self.trials, self.hardest.clone());
        let random = match self.impostors {
            Impostors::Random => hardest.clone(),
            Impostors::Skilled => Against::new(trials, Impostors::Random),
        };
        let point = options.operating_point;
        Details {
            shots: options.shots,
            fusion,
            classes: trials.classes.len(),
            impostors: self.impostors.name(),
            threshold: self.threshold,
            threshold_from: self.threshold_from,
            eer_ci95: hardest.eer_ci95,
            accuracy_at_eer: 1.0 - hardest.eer,
            eer_user_thresholds: mean(&user_eers(trials, self.impostors)),
            eer_random: random.eer,
            eer_random_ci95: random.eer_ci95,
            true_accepts: hardest.true_accepts,
            far_target: point.map_or(options.far_target, |point| point.far_target),
            far_ci95: trials.far_interval(self.impostors, self.threshold),
            frr_ci95: trials.frr_interval(self.threshold),
            genuine_comparisons: hardest.genuine,
            impostor_comparisons: hardest.impostors,
            random_impostors: RandomImpostors {
                eer: random.eer,
                far: self.far(Impostors::Random),
                far_ci95: trials.far_interval(Impostors::Random, self.threshold),
                comparisons: random.impostors,
                true_accepts: random.true_accepts,
            },
            fusions: vec![],
            calibration: self.calibration,
            cohort: None,
            pairs: None,
            curves: match self.impostors {
                Impostors::Random => vec![(self.impostors.name(), hardest.curve)],
                Impostors::Skilled => vec![
                    (self.impostors.name(), hardest.curve),
                    (Impostors::Random.name(), random.curve),
                ],
            },
        }
    }
}

impl Options {
    /// The artifact's threshold; distances that a cohort normalized need another.
    fn own_threshold(&self) -> Option<f32> {
        match self.cohort {
            None => self.operating_point.map(|point| point.threshold),
            Some(_) => None,
        }
    }
}

/// How classes are enrolled and compared.
struct Enrolment {
    measure: Measure,
    shots: usize,
}

impl Enrolment {
    fn trials(&self, embedded: &Embedded) -> Result<Trials> {
        Trials::new(embedded, &self.measure, self.shots)
    }

    /// What each way to make one distance of several shots comes to.
    fn fusions(&self, embedded: &Embedded) -> Result<Vec<FusionFigures>> {
        let figures = fusions::ALL.into_iter().map(|fusion| {
            let comparison = Comparison {
                fusion,
                ..self.measure.comparison
            };
            let trials = Trials::new(embedded, self.measure.with(comparison), self.shots)?;
            let eer = |impostors| equal_error_rate(&trials.genuine(), &trials.impostors(impostors));
            Ok(FusionFigures {
                fusion,
                eer: eer(trials.hardest_impostors()),
                eer_random: eer(Impostors::Random),
            })
        });
        figures.collect()
    }
}

/// What genuine comparisons and those of one kind of impostors come to.
#[derive(Clone)]
struct Against {
    genuine: usize,
    impostors: usize,
    eer: f64,
    eer_ci95: [f64; 2],
    true_accepts: Vec<TrueAccepts>,
    curve: Vec<ErrorRates>,
}

impl Against {
    fn new(trials: &Trials, impostors: Impostors) -> Self {
        let scores = trials.scores(impostors);
        Self {
            genuine: scores.genuine(),
            impostors: scores.impostors(),
            eer: scores.eer(),
            eer_ci95: scores.eer_interval(),
            true_accepts: scores.true_accepts(),
            curve: scores.curve(),
        }
    }
}

/// The equal error rate of each class that has both kinds of comparisons.
fn user_eers(trials: &Trials, impostors: Impostors) -> Vec<f64> {
    let classes = trials
        .classes
        .iter()
        .map(|class| (&class.genuine, class.impostors(impostors)));
    let both = classes.filter(|(genuine, attempts)| !genuine.is_empty() && !attempts.is_empty());
    both.map(|(genuine, attempts)| equal_error_rate(genuine, attempts))
        .collect()
}

/// The training classes that others are normalized by.
fn cohort(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
    comparison: Comparison,
) -> Result<Option<Cohort>> {
    let Some((size, normalization)) = options.cohort else {
        return Ok(None);
    };
    Cohort::new(embedder, dataset, comparison, size, normalization).map(Some)
}

/// The comparisons that choose thresholds; none when there are no samples for them and
/// an operating point needs none.
fn validation(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
    enrolment: &Enrolment,
) -> Result<Option<Trials>> {
    let is_absent = dataset.split.samples(dataset, Part::Validation).is_empty();
    if is_absent && options.own_threshold().is_some() {
        return Ok(None);
    }
    let embedded = Embedded::new(embedder, dataset, Part::Validation)?;
    let trials = enrolment.trials(&embedded);
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
