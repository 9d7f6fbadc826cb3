//! Open-set identification: who of the enrolled is this, or nobody of them?
//!
//! A random half of the test classes is enrolled. Probes are the other samples of the
//! enrolled (mated) and samples of the other half (strangers). Measured are:
//!
//! - the detection and identification rate at a false-accept rate: the share of mated
//!   probes whose own class is nearest and near enough, at the largest threshold at
//!   which at most that share of strangers is near enough to anybody (Phillips, Grother
//!   and Micheals, "Evaluation methods in face recognition", in the Handbook of Face
//!   Recognition, 2nd edition, 2011; ISO/IEC 19795-1);
//! - how well the distance to the nearest class tells mated probes from strangers: the
//!   area under that ROC curve;
//! - what a device would say at its operating point, by its own rule.

mod figures;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use shared::artifact::OperatingPoint;
use shared::decision::{Identification, identify};
use shared::support_set::Candidate;
use shared::template::SubjectId;

use super::cohort::Measure;
use super::operating_points::is_enough;
use super::reference::Reference;
use super::{Embedded, Report, interval, precision};
use crate::dataset::{Dataset, Part};
use crate::engine::Embedder;

use figures::{
    AUROC, DETECTED, FAR_TARGETS, MISNAMED, NEAREST, NOT_NAMED, Named, Probe, STRANGERS_NAMED, mean,
};

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Enrolled samples per class.
    pub shots: usize,
    /// Random halves.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// The model's operating point, if it has one.
    pub operating_point: Option<OperatingPoint>,
}

/// What this protocol has beside the common figures. `accuracy` is the share of mated
/// probes whose own class is nearest, whatever the distance; `far` the share of
/// strangers that the device's rule names as somebody, `frr` the share of mated probes
/// that it does not name as themselves. All are means over the draws.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Details {
    /// Enrolled samples per class.
    pub shots: usize,
    /// Random halves.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Enrolled classes in a draw.
    pub enrolled: usize,
    /// Classes of strangers in a draw.
    pub strangers: usize,
    /// Mated probes of all draws.
    pub mated_probes: usize,
    /// Probes of strangers of all draws.
    pub stranger_probes: usize,
    /// Detection and identification rates.
    pub detection: Vec<Detection>,
    /// Probability that a mated probe is nearer to somebody than a stranger is.
    pub auroc: f64,
    /// Its 95 % interval.
    pub auroc_ci95: [f64; 2],
    /// The device's rule; null for a network without operating points.
    pub device: Option<AtOperatingPoint>,
}

/// The detection and identification rate at a false-accept rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// The false-accept rate, reached or not exceeded in each draw.
    pub far: f64,
    /// Share of mated probes that are found and named rightly.
    pub dir: f64,
    /// Its 95 % interval; the threshold is chosen anew in each draw of the classes.
    pub ci95: [f64; 2],
}

/// What the device's rule does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtOperatingPoint {
    /// The false-accept rate that the operating point was chosen for.
    pub far_target: f32,
    /// The largest distance that is accepted.
    pub threshold: f32,
    /// How much farther the runner-up must be.
    pub margin: f32,
    /// 95 % interval of `far`.
    pub far_ci95: [f64; 2],
    /// 95 % interval of `frr`.
    pub frr_ci95: [f64; 2],
    /// Share of mated probes that are named as somebody else.
    pub misnamed: f64,
    /// Its 95 % interval.
    pub misnamed_ci95: [f64; 2],
}

/// Judges the test part; classes with fewer than `shots + 1` genuine samples are left
/// out. Intervals are over draws of the classes with replacement; who is enrolled stays.
///
/// # Errors
/// When samples cannot be read, the engine fails, or there are too few.
pub fn evaluate(
    embedder: &mut dyn Embedder,
    dataset: &Dataset,
    options: &Options,
) -> Result<Report> {
    let test = Embedded::new(embedder, dataset, Part::Test)?;
    let measure = &Measure::of(embedder.facts());
    let classes = genuine(&test, options)?;
    let draws = draw(&test, &classes, measure, options)?;
    let once = vec![1.0; classes.len()];
    let figures = |weights: &[f64]| mean(&draws, weights);
    let (found, intervals) = (
        figures(&once),
        interval::resampled_together(classes.len(), figures),
    );
    let count = |is_mated: bool| {
        draws
            .iter()
            .flatten()
            .filter(|p| p.is_mated == is_mated)
            .count()
    };
    let (mated, strangers) = (count(true), count(false));
    let ci95 = |figure: usize, trials: usize| {
        // The draws have classes and samples in common: their number adds no trials.
        interval::at_least_binomial(intervals[figure], found[figure], trials / options.draws)
    };
    let detection = FAR_TARGETS.into_iter().enumerate();
    let detection = detection.filter(|(_, far)| is_enough(strangers / options.draws, *far as f32));
    let detection = detection.map(|(index, far)| Detection {
        far,
        dir: found[DETECTED + index],
        ci95: ci95(DETECTED + index, mated),
    });
    let device = options.operating_point.map(|point| AtOperatingPoint {
        far_target: point.far_target,
        threshold: point.threshold,
        margin: point.margin,
        far_ci95: ci95(STRANGERS_NAMED, strangers),
        frr_ci95: ci95(NOT_NAMED, mated),
        misnamed: found[MISNAMED],
        misnamed_ci95: ci95(MISNAMED, mated),
    });
    Ok(Report {
        protocol: "open-set",
        engine: embedder.engine(),
        precision: precision(&test.embeddings),
        model_id: embedder.facts().model_id.map(|id| id.to_string()),
        dataset: dataset.name.clone(),
        accuracy: found[NEAREST],
        eer: None,
        far: device.map(|_| found[STRANGERS_NAMED]),
        frr: device.map(|_| found[NOT_NAMED]),
        ci95: ci95(NEAREST, mated),
        comparisons: ((mated + strangers) * (classes.len() / 2)) as u64,
        details: super::Details::OpenSet(Details {
            shots: options.shots,
            draws: options.draws,
            seed: options.seed,
            enrolled: classes.len() / 2,
            strangers: classes.len() - classes.len() / 2,
            mated_probes: mated,
            stranger_probes: strangers,
            detection: detection.collect(),
            auroc: found[AUROC],
            auroc_ci95: intervals[AUROC],
            device,
        }),
    })
}

/// Genuine samples of each class that has enough.
fn genuine(test: &Embedded, options: &Options) -> Result<Vec<Vec<usize>>> {
    let classes = test.tensors.by_class(options.shots.saturating_add(1));
    ensure!(
        options.shots > 0 && options.draws > 0 && classes.len() >= 4,
        "expected at least 4 test classes with more than {} genuine samples, found {}: lower --shots or add classes",
        options.shots,
        classes.len()
    );
    Ok(classes.into_iter().map(|class| class.genuine).collect())
}

/// The probes of each draw, nearest first.
fn draw(
    test: &Embedded,
    classes: &[Vec<usize>],
    measure: &Measure,
    options: &Options,
) -> Result<Vec<Vec<Probe>>> {
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let names = (0..classes.len()).map(|class| SubjectId::new(&format!("class {class}")));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let draw = |_| {
        let order = index::sample(&mut random, classes.len(), classes.len()).into_vec();
        let (enrolled, strangers) = order.split_at(classes.len() / 2);
        let mut probes = vec![];
        let mut gallery = vec![];
        for &class in enrolled {
            let samples = &classes[class];
            let order = index::sample(&mut random, samples.len(), samples.len()).into_vec();
            let (shots, rest) = order.split_at(options.shots);
            let shots: Vec<usize> = shots.iter().map(|&shot| samples[shot]).collect();
            gallery.push(Enrolled {
                class,
                name: &names[class],
                reference: Reference::new(&test.embeddings, &shots, measure),
            });
            probes.extend(rest.iter().map(|&probe| (class, samples[probe])));
        }
        for &class in strangers {
            probes.extend(classes[class].iter().map(|&probe| (class, probe)));
        }
        let judged = |&(class, probe): &(usize, usize)| {
            let distance =
                |enrolled: &Enrolled<'_>| enrolled.reference.distance(test.embeddings.get(probe));
            let distances: Vec<f32> = gallery.iter().map(distance).collect();
            judge(&gallery, &distances, class, options)
        };
        let mut probes: Vec<Probe> = probes.par_iter().map(judged).collect();
        probes.sort_by(|a, b| a.nearest.total_cmp(&b.nearest));
        probes
    };
    Ok((0..options.draws).map(draw).collect())
}

/// One enrolled class.
struct Enrolled<'a> {
    class: usize,
    name: &'a SubjectId,
    reference: Reference,
}

fn judge(gallery: &[Enrolled<'_>], distances: &[f32], class: usize, options: &Options) -> Probe {
    let own = gallery.iter().position(|enrolled| enrolled.class == class);
    let is_first = own.is_some_and(|own| {
        let mut others = distances
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != own);
        others.all(|(_, &other)| distances[own] < other)
    });
    let candidates = gallery
        .iter()
        .zip(distances)
        .map(|(enrolled, &distance)| Candidate {
            subject: enrolled.name,
            distance,
            shots: options.shots,
        });
    let decide = |point: OperatingPoint| identify(candidates, |_| point.policy());
    let named = match options.operating_point.map(decide) {
        Some(Identification::Match { subject, .. }) => match own {
            Some(own) if gallery[own].name == subject => Named::Itself,
            _ => Named::Another,
        },
        Some(Identification::Unknown(_)) | None => Named::Nobody,
    };
    Probe {
        class,
        is_mated: own.is_some(),
        nearest: distances.iter().copied().fold(f32::INFINITY, f32::min),
        is_first,
        named,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use shared::support_set::{Comparison, Fusion};
    use shared::{Distance, Embedding, EmbeddingFormat};

    use super::*;
    use crate::engine::Embeddings;

    /// The device's own rule says who is named: near enough, and clearly nearest.
    #[test]
    fn naming_is_the_device_s() {
        let comparison = Comparison {
            embedding: EmbeddingFormat {
                dim: 1,
                normalized: false,
                zero_point: 128,
                scale: 1.0,
            },
            distance: Distance::Manhattan,
            fusion: Fusion::Prototype,
        };
        let embeddings = Embeddings::Int8 {
            dim: 1,
            values: vec![0, 10, 20],
            scale: 1.0,
        };
        let names = ["a", "b", "c"].map(|name| SubjectId::new(name).unwrap());
        let gallery: Vec<Enrolled<'_>> = (0..3)
            .map(|class| Enrolled {
                class,
                name: &names[class],
                reference: Reference::new(&embeddings, &[class], comparison),
            })
            .collect();
        let options = Options {
            shots: 1,
            draws: 1,
            seed: 1,
            operating_point: Some(OperatingPoint {
                far_target: 0.1,
                shots: 1,
                threshold: 4.0,
                margin: 3.0,
                far: 0.0,
                far_upper: 0.0,
                frr: 0.0,
                frr_upper: 0.0,
                impostors: 1,
                genuine: 1,
            }),
        };
        let named = |value: i8, class: usize| {
            let probe = [value];
            let probe = Embedding::Int8 {
                values: &probe,
                scale: 1.0,
            };
            let distances: Vec<f32> = gallery
                .iter()
                .map(|e| e.reference.distance(probe))
                .collect();
            let judged = judge(&gallery, &distances, class, &options);
            (judged.named, judged.is_first, judged.nearest)
        };
        const STRANGER: usize = 7;
        assert_eq!(named(12, 1), (Named::Itself, true, 2.0));
        assert_eq!(named(12, 0), (Named::Another, false, 2.0));
        assert_eq!(named(12, STRANGER), (Named::Another, false, 2.0));
        // Too near the runner-up, and too far from all.
        assert_eq!(named(14, 1), (Named::Nobody, true, 4.0));
        assert_eq!(named(30, 2), (Named::Nobody, true, 10.0));
    }
}
