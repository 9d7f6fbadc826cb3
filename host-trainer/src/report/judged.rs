//! The test part under verification: distances, error rates, operating points.

use anyhow::{Result, ensure};
use shared::artifact::OperatingPoint;

use crate::dataset::ClassSamples;
use crate::evaluate::Embedded;
use crate::evaluate::cohort::Measure;
use crate::evaluate::metrics::{equal_error_rate, false_accept_rate, false_reject_rate};
use crate::evaluate::trials::{Impostors, Trials};

/// All comparisons of the test part, and what the thresholds make of them.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Enrolled samples per class.
    pub shots: usize,
    /// The classes of `trials`, in its order.
    pub classes: Vec<ClassSamples>,
    /// The comparisons.
    pub trials: Trials,
    /// The hardest impostors that the data have; the operating points are about them.
    pub impostors: Impostors,
    /// Every kind of impostors, the hardest first.
    pub curves: Vec<ErrorCurve>,
    /// One per false-accept rate that was aimed at, strictest last.
    pub points: Vec<JudgedPoint>,
}

/// The distances of one kind of impostors beside the genuine ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorCurve {
    /// Who they are.
    pub impostors: Impostors,
    /// Distances of genuine comparisons.
    pub genuine: Vec<f32>,
    /// Distances of impostors.
    pub attempts: Vec<f32>,
    /// The rate at which false accepts and false rejects are equal.
    pub eer: f64,
}

/// A threshold of the model and what it does on the test part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedPoint {
    /// As the model states it.
    pub stated: OperatingPoint,
    /// Share of impostors that are accepted.
    pub far: Rate,
    /// Share of genuine probes that are rejected.
    pub frr: Rate,
}

/// A rate of errors with what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Errors in all comparisons.
    pub rate: f64,
    /// How many there were.
    pub errors: usize,
    /// Of how many.
    pub comparisons: usize,
    /// 95 % interval.
    pub ci95: [f64; 2],
}

impl Judged {
    /// Compares everybody with everybody, `shots` enrolled, and judges the thresholds
    /// that `points` choose for so many shots.
    ///
    /// # Errors
    /// When fewer than two classes have more than `shots` genuine samples.
    pub fn new(
        embedded: &Embedded,
        measure: impl Into<Measure>,
        shots: usize,
        points: &[OperatingPoint],
    ) -> Result<Self> {
        let trials = Trials::new(embedded, measure, shots)?;
        let classes = embedded.tensors.by_class(shots + 1);
        ensure!(
            classes.len() == trials.classes.len(),
            "expected one trial per class of {}, found {}",
            classes.len(),
            trials.classes.len()
        );
        let impostors = trials.hardest_impostors();
        let kinds = match impostors {
            Impostors::Skilled => vec![Impostors::Skilled, Impostors::Random],
            Impostors::Random => vec![Impostors::Random],
        };
        let genuine = trials.genuine();
        let curve = |impostors| {
            let attempts = trials.impostors(impostors);
            ErrorCurve {
                impostors,
                eer: equal_error_rate(&genuine, &attempts),
                genuine: genuine.clone(),
                attempts,
            }
        };
        let curves: Vec<ErrorCurve> = kinds.into_iter().map(curve).collect();
        let points = chosen(points, shots);
        let judge = |stated| JudgedPoint::new(stated, &trials, &curves[0]);
        Ok(Self {
            shots,
            points: points.into_iter().map(judge).collect(),
            classes,
            impostors,
            curves,
            trials,
        })
    }
}

/// Of each target the point with the most shots that are at most `shots`, or the fewest.
fn chosen(points: &[OperatingPoint], shots: usize) -> Vec<OperatingPoint> {
    let mut targets: Vec<f32> = points.iter().map(|point| point.far_target).collect();
    targets.sort_by(|a, b| b.total_cmp(a));
    targets.dedup();
    let of = |target: f32| {
        let candidates = || points.iter().filter(move |p| p.far_target == target);
        let fitting = candidates().filter(|point| usize::from(point.shots) <= shots);
        let most = fitting.max_by_key(|point| point.shots);
        most.or_else(|| candidates().min_by_key(|point| point.shots))
    };
    targets.into_iter().filter_map(of).copied().collect()
}

impl JudgedPoint {
    fn new(stated: OperatingPoint, trials: &Trials, curve: &ErrorCurve) -> Self {
        let threshold = stated.threshold;
        let accepted = curve.attempts.iter().filter(|&&d| d <= threshold).count();
        let rejected = curve.genuine.iter().filter(|&&d| d > threshold).count();
        Self {
            stated,
            far: Rate {
                rate: false_accept_rate(&curve.attempts, threshold),
                errors: accepted,
                comparisons: curve.attempts.len(),
                ci95: trials.far_interval(curve.impostors, threshold),
            },
            frr: Rate {
                rate: false_reject_rate(&curve.genuine, threshold),
                errors: rejected,
                comparisons: curve.genuine.len(),
                ci95: trials.frr_interval(threshold),
            },
        }
    }
}

impl Rate {
    /// The smallest rate that so many comparisons can tell from none: without an error
    /// in n, it is below about 3 / n with 95 % confidence.
    pub fn floor(comparisons: usize) -> f64 {
        (3.0 / comparisons.max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
    use shared::support_set::{Comparison, Fusion};
    use shared::{Distance, EmbeddingFormat, Preprocess};

    use super::*;
    use crate::dataset::{Kind, Tensors};
    use crate::engine::Embeddings;

    /// `classes` classes of `samples` genuine samples and `forged` imitations. Each
    /// lies at an angle of its own, samples a little apart, imitations farther.
    pub(in crate::report) fn embedded(
        classes: u32,
        samples: u32,
        forged: u32,
    ) -> (Embedded, Comparison) {
        let (mut values, mut of, mut kinds) = (vec![], vec![], vec![]);
        for class in 0..classes {
            for sample in 0..samples + forged {
                let is_forged = sample >= samples;
                let apart = if is_forged { 0.2 } else { 0.05 };
                let angle = f64::from(class) / f64::from(classes) * 6.0
                    + apart * f64::from(sample * sample % 7);
                values.extend([angle.cos() as f32, angle.sin() as f32, 0.5]);
                of.push(class);
                kinds.push(if is_forged {
                    Kind::Forged
                } else {
                    Kind::Genuine
                });
            }
        }
        let preprocess: Preprocess = PicturePreprocess {
            width: 2,
            height: 2,
            colour: Colour::Grey,
            tone: Tone::Invert,
            crop: Crop::Whole,
            fit: Fit::Stretch,
            quantization: Quantization {
                scale: 1.0,
                zero_point: 0,
            },
        }
        .into();
        let tensors = Tensors {
            preprocess,
            pixels: (0..4 * of.len()).map(|index| index as u8).collect(),
            indices: (0..of.len() as u32).collect(),
            classes: of,
            kinds,
        };
        let comparison = Comparison {
            embedding: EmbeddingFormat {
                dim: 3,
                normalized: false,
                zero_point: 128,
                scale: 1.0,
            },
            distance: Distance::Euclidean,
            fusion: Fusion::Prototype,
        };
        let embeddings = Embeddings::Float { dim: 3, values };
        (
            Embedded {
                tensors,
                embeddings,
            },
            comparison,
        )
    }

    /// A point of a model.
    pub(in crate::report) fn point(far_target: f32, shots: u8, threshold: f32) -> OperatingPoint {
        OperatingPoint {
            far_target,
            shots,
            threshold,
            margin: 0.0,
            far: far_target,
            far_upper: far_target,
            frr: 0.1,
            frr_upper: 0.2,
            impostors: 100,
            genuine: 100,
        }
    }

    #[test]
    fn points_are_those_for_so_many_shots() {
        let points = [
            point(0.01, 1, 0.1),
            point(0.01, 3, 0.2),
            point(0.1, 1, 0.5),
            point(0.1, 5, 0.6),
        ];
        let at = |shots| -> Vec<f32> {
            let chosen = chosen(&points, shots);
            chosen.iter().map(|point| point.threshold).collect()
        };
        assert_eq!(at(1), [0.5, 0.1]);
        assert_eq!(at(4), [0.5, 0.2]);
        assert_eq!(at(5), [0.6, 0.2]);
    }

    #[test]
    fn rates_count_what_the_threshold_accepts() {
        let (embedded, comparison) = embedded(8, 4, 2);
        let strict = point(0.01, 1, -1.0);
        let lax = point(0.1, 1, 10.0);
        let judged = Judged::new(&embedded, comparison, 1, &[strict, lax]).unwrap();
        assert_eq!(judged.impostors, Impostors::Skilled);
        assert_eq!(judged.curves.len(), 2);
        let [lax, strict] = judged.points[..] else {
            panic!("{:?}", judged.points)
        };
        assert_eq!((lax.far.errors, lax.far.comparisons), (16, 16));
        assert_eq!((lax.frr.errors, lax.frr.comparisons), (0, 24));
        assert_eq!((strict.far.rate, strict.frr.rate), (0.0, 1.0));
        assert!(strict.far.ci95[1] > 0.1);
        assert!(Judged::new(&embedded, comparison, 4, &[]).is_err());
    }
}
