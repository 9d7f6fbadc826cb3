//! From a distance to the probability that both samples are of one class.
//!
//! Logistic regression on the distance (Platt, "Probabilistic outputs for support vector
//! machines", 1999), fitted to validation comparisons with both kinds weighing the same,
//! so that the probability is that at even odds: `p / (1 - p)` is a likelihood ratio,
//! which other odds multiply.

use serde::Serialize;

/// Bins of equal width in which stated and found probabilities are compared.
const BINS: usize = 15;
/// Newton's method is there long before.
const ITERATIONS: usize = 50;

/// `p = 1 / (1 + exp(slope * distance + intercept))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Platt {
    /// Per unit of distance; above 0 where nearer means more alike.
    pub slope: f64,
    /// At distance 0.
    pub intercept: f64,
}

/// A calibration and what it is worth on other comparisons; both kinds weigh the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The fitted curve.
    #[serde(flatten)]
    pub platt: Platt,
    /// Expected calibration error: the mean gap between stated and found probability over
    /// 15 bins (Guo et al., "On calibration of modern neural networks", 2017).
    pub ece: f64,
    /// Mean squared error of the probability (Brier, 1950).
    pub brier: f64,
    /// Cost of log-likelihood ratios, bits; 1 says nothing (Brummer and du Preez,
    /// "Application-independent evaluation of speaker detection", 2006).
    pub cllr: f64,
}

impl Platt {
    /// Fits to the distances of both kinds; `None` when one kind is missing.
    ///
    /// Targets are Platt's, a little inside of 0 and 1, so that kinds which do not overlap
    /// have a finite slope.
    pub fn fit(genuine: &[f32], impostor: &[f32]) -> Option<Self> {
        if genuine.is_empty() || impostor.is_empty() {
            return None;
        }
        let certain = |count: usize| (count as f64 + 1.0) / (count as f64 + 2.0);
        let (same, other) = (certain(genuine.len()), 1.0 - certain(impostor.len()));
        // Distances of zero mean and unit spread keep Newton's steps in range.
        let scale = Standard::of(genuine, impostor)?;
        let [mut slope, mut intercept] = [0.0; 2];
        for _ in 0..ITERATIONS {
            let mut sums = Sums::default();
            for (distances, target) in [(genuine, same), (impostor, other)] {
                for &distance in distances {
                    let x = scale.of_distance(distance);
                    sums.add(x, logistic(slope * x + intercept), target, distances.len());
                }
            }
            let [along, up] = sums.step();
            slope += along;
            intercept += up;
            if along.abs() + up.abs() < 1e-10 {
                break;
            }
        }
        Some(Self {
            slope: slope / scale.deviation,
            intercept: intercept - slope * scale.mean / scale.deviation,
        })
    }

    /// The probability that both samples are of one class, at even odds.
    pub fn probability(&self, distance: f32) -> f64 {
        logistic(self.slope * f64::from(distance) + self.intercept)
    }

    /// What it is worth on these comparisons.
    pub fn judge(self, genuine: &[f32], impostor: &[f32]) -> Calibration {
        let mut bins = [[0.0f64; 3]; BINS];
        let (mut brier, mut cllr) = (0.0, 0.0);
        for (distances, truth) in [(genuine, 1.0), (impostor, 0.0)] {
            let weight = 0.5 / distances.len().max(1) as f64;
            for &distance in distances {
                let stated = self.probability(distance);
                let bin = ((stated * BINS as f64) as usize).min(BINS - 1);
                for (sum, value) in bins[bin].iter_mut().zip([1.0, stated, truth]) {
                    *sum += weight * value;
                }
                brier += weight * (stated - truth).powi(2);
                let right = (1.0 - stated - truth).abs().max(f64::MIN_POSITIVE);
                cllr -= weight * right.log2();
            }
        }
        let gap = |[_, stated, found]: &[f64; 3]| (stated - found).abs();
        Calibration {
            platt: self,
            ece: bins.iter().map(gap).sum(),
            brier,
            cllr,
        }
    }
}

/// `1 / (1 + exp(z))`: falls with `z`.
fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + z.exp())
}

/// Mean and deviation of all distances.
struct Standard {
    mean: f64,
    deviation: f64,
}

impl Standard {
    fn of(genuine: &[f32], impostor: &[f32]) -> Option<Self> {
        let all = || genuine.iter().chain(impostor).map(|&d| f64::from(d));
        let count = (genuine.len() + impostor.len()) as f64;
        let mean = all().sum::<f64>() / count;
        let variance = all().map(|d| (d - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt();
        (deviation > 0.0 && deviation.is_finite()).then_some(Self { mean, deviation })
    }

    fn of_distance(&self, distance: f32) -> f64 {
        (f64::from(distance) - self.mean) / self.deviation
    }
}

/// First and second derivatives of the cross-entropy by slope and intercept.
#[derive(Default)]
struct Sums {
    gradient: [f64; 2],
    hessian: [f64; 3],
}

impl Sums {
    fn add(&mut self, x: f64, stated: f64, target: f64, count: usize) {
        let weight = 0.5 / count as f64;
        let (error, curvature) = (weight * (target - stated), weight * stated * (1.0 - stated));
        self.gradient[0] += error * x;
        self.gradient[1] += error;
        self.hessian[0] += curvature * x * x;
        self.hessian[1] += curvature * x;
        self.hessian[2] += curvature;
    }

    /// Newton's step; a trace of regularization keeps it where curvature vanishes.
    fn step(&self) -> [f64; 2] {
        let [a, b, c] = self.hessian;
        let (a, c) = (a + 1e-9, c + 1e-9);
        let [x, y] = self.gradient;
        let determinant = a * c - b * b;
        [
            -(c * x - b * y) / determinant,
            -(a * y - b * x) / determinant,
        ]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Distances drawn so that the logistic curve is the truth are fitted by it.
    #[test]
    fn a_logistic_truth_is_found() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let truth = Platt {
            slope: 4.0,
            intercept: -3.0,
        };
        let (mut genuine, mut impostor) = (vec![], vec![]);
        for _ in 0..40_000 {
            let distance = random.random_range(0.0f32..1.5);
            match random.random_range(0.0..1.0) < truth.probability(distance) {
                true => genuine.push(distance),
                false => impostor.push(distance),
            }
        }
        // The draw has odds of its own, which move the intercept alone.
        let odds = (genuine.len() as f64 / impostor.len() as f64).ln();
        let found = Platt::fit(&genuine, &impostor).unwrap();
        assert!((found.slope - 4.0).abs() < 0.15, "{found:?}");
        assert!((found.intercept - (-3.0 + odds)).abs() < 0.15, "{found:?}");
        let judged = found.judge(&genuine, &impostor);
        assert!(judged.ece < 0.01 && judged.cllr < 1.0, "{judged:?}");
        // A curve that is too sure of itself is told.
        let sure = Platt {
            slope: 16.0,
            intercept: 4.0 * found.intercept,
        };
        let sure = sure.judge(&genuine, &impostor);
        assert!(sure.ece > 0.05 && sure.cllr > judged.cllr, "{sure:?}");
    }

    #[test]
    fn kinds_that_do_not_overlap_have_a_finite_curve() {
        let platt = Platt::fit(&[0.1, 0.2, 0.3], &[0.9, 1.0]).unwrap();
        assert!(platt.slope.is_finite() && platt.slope > 0.0, "{platt:?}");
        assert!(platt.probability(0.1) > 0.7 && platt.probability(1.0) < 0.3);
        let judged = platt.judge(&[0.1, 0.2, 0.3], &[0.9, 1.0]);
        assert!(judged.cllr < 0.8, "{judged:?}");
        assert!(Platt::fit(&[], &[1.0]).is_none());
        assert!(Platt::fit(&[1.0], &[1.0]).is_none());
    }
}
