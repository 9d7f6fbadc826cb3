//! Thresholds for devices, measured where neither training nor testing took place.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use shared::artifact::OperatingPoint;

use super::Embedded;
use super::cohort::Measure;
use super::metrics::threshold_for;
use super::trials::{ClassTrials, Impostors, Trials};
use crate::dataset::{Dataset, Kind, Part};

/// False-accept rates to aim at.
const TARGETS: [f32; 5] = [0.1, 0.03, 0.01, 0.001, 0.0001];

/// Numbers of enrolled samples to measure with.
const SHOTS: [usize; 3] = [1, 3, 5];

/// Zero errors in n trials bound a rate at about 3 / n with 95 % confidence; a target
/// below that cannot be claimed.
const TRIALS_PER_TARGET: f32 = 3.0;

/// Operating points of a model from embedded validation samples, and who the impostors
/// were.
///
/// The threshold of a target is the largest that keeps the measured false-accept rate
/// at or below it; the margin is the smallest with which at most that share of
/// identifications name somebody else.
///
/// # Errors
/// [`TooFew`].
pub fn measure(
    embedded: &Embedded,
    measure: impl Into<Measure>,
) -> Result<(Vec<OperatingPoint>, Impostors)> {
    let measure = &measure.into();
    let mut points = vec![];
    let mut impostors = Impostors::Random;
    let mut found = 0;
    for shots in SHOTS {
        // Fewer samples than that: no point for so many shots.
        let Ok(trials) = Trials::new(embedded, measure, shots) else {
            continue;
        };
        impostors = trials.hardest_impostors();
        let attempts = trials.impostors(impostors).len();
        found = found.max(attempts);
        for target in TARGETS {
            if !is_enough(attempts, target) {
                continue;
            }
            points.extend(point(&trials, impostors, target, shots));
        }
    }
    ensure!(!points.is_empty(), TooFew(found));
    Ok((points, impostors))
}

/// Checks before a training that there will be a threshold after it.
///
/// # Errors
/// [`TooFew`].
pub fn check(dataset: &Dataset) -> Result<(), TooFew> {
    let mut classes: BTreeMap<u32, [usize; 2]> = BTreeMap::new();
    for index in dataset.split.samples(dataset, Part::Validation) {
        let sample = &dataset.samples[index as usize];
        classes.entry(sample.class).or_default()[usize::from(sample.kind == Kind::Forged)] += 1;
    }
    classes.retain(|_, [genuine, _]| *genuine >= 2);
    let forged: usize = classes.values().map(|[_, forged]| forged).sum();
    let found = match forged {
        0 => classes.len() * classes.len().saturating_sub(1),
        _ => forged,
    };
    match is_enough(found, TARGETS[0]) {
        true => Ok(()),
        false => Err(TooFew(found)),
    }
}

/// Whether so many impostor comparisons can bound a false-accept rate of `target`.
pub(super) fn is_enough(impostors: usize, target: f32) -> bool {
    impostors as f32 * target >= TRIALS_PER_TARGET
}

/// Too few impostor comparisons for any threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected at least 30 impostor comparisons among validation samples, from which a threshold could be measured, \
     found {0}: add classes (40 of two or more pictures are enough), or skilled forgeries of all of them"
)]
pub struct TooFew(usize);

fn point(
    trials: &Trials,
    impostors: Impostors,
    target: f32,
    shots: usize,
) -> Option<OperatingPoint> {
    let attempts = trials.impostors(impostors);
    let threshold = threshold_for(f64::from(target), &attempts)?;
    let genuine = trials.genuine();
    let accepted = attempts.iter().filter(|&&d| d <= threshold).count();
    let rejected = genuine.iter().filter(|&&d| d > threshold).count();
    Some(OperatingPoint {
        far_target: target,
        shots: shots as u8,
        threshold,
        margin: margin(&trials.classes, threshold, target),
        far: accepted as f32 / attempts.len() as f32,
        far_upper: trials.far_interval(impostors, threshold)[1] as f32,
        frr: rejected as f32 / genuine.len() as f32,
        frr_upper: trials.frr_interval(threshold)[1] as f32,
        impostors: u32::try_from(attempts.len()).ok()?,
        genuine: u32::try_from(genuine.len()).ok()?,
    })
}

/// The smallest margin with which at most a share `target` of the probes, one per
/// class, is taken for another class.
fn margin(classes: &[ClassTrials], threshold: f32, target: f32) -> f32 {
    let mut confusions: Vec<f32> = classes
        .iter()
        .filter_map(|class| confusion(class, threshold))
        .collect();
    confusions.sort_by(|a, b| b.total_cmp(a));
    let allowed = (target * classes.len() as f32) as usize;
    confusions.get(allowed).map_or(0.0, |gap| gap.next_up())
}

/// How much nearer a wrong class is than any other, when one is nearest and accepted.
fn confusion(class: &ClassTrials, threshold: f32) -> Option<f32> {
    let own = *class.genuine.first()?;
    let (mut nearest, mut second) = (f32::INFINITY, own);
    for &distance in &class.elsewhere {
        if distance < nearest {
            second = second.min(nearest);
            nearest = distance;
        } else {
            second = second.min(distance);
        }
    }
    (nearest <= own && nearest <= threshold).then_some(second - nearest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn class(own: f32, elsewhere: &[f32]) -> ClassTrials {
        ClassTrials {
            genuine: vec![own],
            elsewhere: elsewhere.to_vec(),
            ..ClassTrials::default()
        }
    }

    #[test]
    fn a_confusion_is_a_wrong_class_that_is_nearest_and_accepted() {
        assert_eq!(confusion(&class(1.0, &[3.0, 2.0]), 9.0), None);
        assert_eq!(confusion(&class(3.0, &[1.0, 2.5]), 9.0), Some(1.5));
        assert_eq!(confusion(&class(3.0, &[5.0, 1.0]), 9.0), Some(2.0));
        assert_eq!(confusion(&class(3.0, &[1.0]), 0.5), None);
    }

    #[test]
    fn the_margin_excludes_all_but_the_allowed_confusions() {
        let classes = [
            class(3.0, &[1.0]),
            class(4.0, &[1.0]),
            class(1.0, &[2.0]),
            class(1.0, &[2.0]),
        ];
        assert_eq!(margin(&classes, 9.0, 0.0), 3.0f32.next_up());
        assert_eq!(margin(&classes, 9.0, 0.25), 2.0f32.next_up());
        assert_eq!(margin(&classes, 9.0, 0.5), 0.0);
    }

    #[test]
    fn only_targets_that_the_data_can_bound_are_claimed() {
        let many = |distance: f32| ClassTrials {
            genuine: vec![0.5; 4],
            skilled: vec![distance; 10],
            ..ClassTrials::default()
        };
        let trials = Trials {
            classes: vec![many(1.0), many(2.0), many(3.0), many(4.0)],
        };
        let point = point(&trials, Impostors::Skilled, 0.1, 1).unwrap();
        assert_eq!(point.threshold, 1.0f32.next_down());
        assert_eq!((point.far, point.frr), (0.0, 0.0));
        assert!((point.far_upper - 0.0881).abs() < 1e-3, "{point:?}");
    }
}
