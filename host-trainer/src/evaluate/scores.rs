//! Comparisons with the classes they are about: error curves, and rates whose intervals
//! are taken over classes.

use rayon::prelude::*;
use serde::Serialize;

use super::interval;
use super::metrics::{ErrorRates, crossing, weighted_error_curve};
use super::operating_points::is_enough;

/// False-accept rates at which true accepts are stated, where there are enough
/// comparisons to bound them.
pub const FAR_TARGETS: [f64; 4] = [0.1, 0.01, 0.001, 0.0001];

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// How far apart.
    pub distance: f32,
    /// The class of each side, from 0; twice the same for a skilled forgery of it.
    pub classes: [u32; 2],
    /// Whether it should be accepted.
    pub is_genuine: bool,
}

impl Score {
    /// How often it counts when classes were drawn as often as `weights` say.
    pub(super) fn weight(&self, weights: &[f64]) -> f64 {
        let [left, right] = self.classes.map(|class| weights[class as usize]);
        match self.classes[0] == self.classes[1] {
            true => left,
            false => left * right,
        }
    }
}

/// Comparisons in ascending order of distance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    sorted: Vec<Score>,
    classes: usize,
}

/// True accepts where a share `far` of impostors would be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrueAccepts {
    /// The false-accept rate, reached or not exceeded.
    pub far: f64,
    /// The largest distance that is accepted then; none when every genuine comparison is
    /// rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Share of genuine comparisons that are accepted.
    pub tar: f64,
    /// Its 95 % interval; the threshold is chosen anew in each draw of the classes.
    pub ci95: [f64; 2],
}

impl Scores {
    /// Comparisons of `classes` classes.
    pub fn new(mut scores: Vec<Score>, classes: usize) -> Self {
        scores.par_sort_by(|a, b| a.distance.total_cmp(&b.distance));
        Self {
            sorted: scores,
            classes,
        }
    }

    /// The comparisons, nearest first.
    pub fn iter(&self) -> impl Iterator<Item = &Score> {
        self.sorted.iter()
    }

    /// Number of comparisons that should be accepted.
    pub fn genuine(&self) -> usize {
        self.iter().filter(|score| score.is_genuine).count()
    }

    /// Number of comparisons that should be rejected.
    pub fn impostors(&self) -> usize {
        self.sorted.len() - self.genuine()
    }

    /// The points of a DET or ROC curve, strictest first.
    pub fn curve(&self) -> Vec<ErrorRates> {
        self.weighted_curve(&self.once()).collect()
    }

    /// The equal error rate.
    pub fn eer(&self) -> f64 {
        crossing(self.weighted_curve(&self.once()))
    }

    /// Its 95 % interval over draws of the classes; no narrower than the binomial one of
    /// the rarer kind of comparison.
    pub fn eer_interval(&self) -> [f64; 2] {
        let eer = |weights: &[f64]| match self.totals(weights).contains(&0.0) {
            true => f64::NAN,
            false => crossing(self.weighted_curve(weights)),
        };
        let interval = interval::resampled(self.classes, eer);
        let trials = self.genuine().min(self.impostors());
        interval::at_least_binomial(interval, self.eer(), trials)
    }

    /// True accepts at each of [`FAR_TARGETS`] that the number of impostors can bound.
    pub fn true_accepts(&self) -> Vec<TrueAccepts> {
        let once = self.once();
        let intervals = interval::resampled_together(self.classes, |weights| {
            match self.totals(weights).contains(&0.0) {
                true => [f64::NAN; FAR_TARGETS.len()],
                false => self.strictest(weights).map(|point| 1.0 - point.frr),
            }
        });
        let points = FAR_TARGETS.into_iter().zip(self.strictest(&once));
        points
            .zip(intervals)
            .filter(|((far, _), _)| is_enough(self.impostors(), *far as f32))
            .map(|((far, point), interval)| TrueAccepts {
                far,
                threshold: point.threshold.is_finite().then_some(point.threshold),
                tar: 1.0 - point.frr,
                ci95: interval::at_least_binomial(interval, 1.0 - point.frr, self.genuine()),
            })
            .collect()
    }

    /// The last point of the curve that does not exceed each of [`FAR_TARGETS`].
    fn strictest(&self, weights: &[f64]) -> [ErrorRates; FAR_TARGETS.len()] {
        let rejects_all = ErrorRates {
            threshold: f32::NEG_INFINITY,
            far: 0.0,
            frr: 1.0,
        };
        let mut found = [rejects_all; FAR_TARGETS.len()];
        for point in self.weighted_curve(weights) {
            if point.far > FAR_TARGETS[0] {
                break;
            }
            for (found, target) in found.iter_mut().zip(FAR_TARGETS) {
                if point.far <= target {
                    *found = point;
                }
            }
        }
        found
    }

    fn once(&self) -> Vec<f64> {
        vec![1.0; self.classes]
    }

    /// Weights of all genuine comparisons and of all impostors.
    fn totals(&self, weights: &[f64]) -> [f64; 2] {
        let mut totals = [0.0; 2];
        for score in &self.sorted {
            totals[usize::from(!score.is_genuine)] += score.weight(weights);
        }
        totals
    }

    fn weighted_curve(&self, weights: &[f64]) -> impl Iterator<Item = ErrorRates> {
        let weighted = |score: &Score| (score.distance, score.is_genuine, score.weight(weights));
        weighted_error_curve(self.sorted.iter().map(weighted), self.totals(weights))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evaluate::metrics::{equal_error_rate, false_accept_rate, false_reject_rate};

    fn score() -> impl Strategy<Value = Score> {
        (0u8..12, 0u32..5, 0u32..5, any::<bool>()).prop_map(|(distance, left, right, same)| Score {
            distance: f32::from(distance),
            classes: [left, if same { left } else { right }],
            is_genuine: same,
        })
    }

    fn distances(scores: &Scores, is_genuine: bool) -> Vec<f32> {
        let kept = scores.iter().filter(|score| score.is_genuine == is_genuine);
        kept.map(|score| score.distance).collect()
    }

    proptest! {
        /// Every rate is what counting says.
        #[test]
        fn rates_are_those_of_counting(scores in prop::collection::vec(score(), 2..60)) {
            let scores = Scores::new(scores, 5);
            let (genuine, impostors) = (distances(&scores, true), distances(&scores, false));
            prop_assume!(!genuine.is_empty() && !impostors.is_empty());
            prop_assert_eq!(scores.eer(), equal_error_rate(&genuine, &impostors));
            for point in scores.curve() {
                let far = false_accept_rate(&impostors, point.threshold);
                let frr = false_reject_rate(&genuine, point.threshold);
                prop_assert!((point.far - far).abs() + (point.frr - frr).abs() < 1e-12);
            }
        }

        /// A class that was drawn twice counts as a class that is there twice.
        #[test]
        fn weights_are_repetitions(
            scores in prop::collection::vec(score(), 2..40),
            weights in prop::collection::vec(0u8..3, 5),
        ) {
            let scores = Scores::new(scores, 5);
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            prop_assume!(!scores.totals(&weights).contains(&0.0));
            let repeat = |score: &Score| vec![*score; score.weight(&weights) as usize];
            let repeated = Scores::new(scores.iter().flat_map(repeat).collect(), 5);
            let weighted = crossing(scores.weighted_curve(&weights));
            prop_assert!((weighted - repeated.eer()).abs() < 1e-12);
        }
    }

    #[test]
    fn no_error_is_not_certainty() {
        let score = |(distance, classes): (f32, [u32; 2])| Score {
            distance,
            classes,
            is_genuine: classes[0] == classes[1],
        };
        let genuine = (0..10).map(|class| (1.0, [class, class]));
        let impostors = (0..10).flat_map(|a| (0..a).map(move |b| (2.0, [a, b])));
        let scores = Scores::new(genuine.chain(impostors).map(score).collect(), 10);
        assert_eq!(scores.eer(), 0.0);
        let [lower, upper] = scores.eer_interval();
        // Ten genuine comparisons bound a rate at about 3 / 10.
        assert!(lower == 0.0 && (0.25..0.35).contains(&upper), "{upper}");
        // 45 impostors bound a false-accept rate of 10 %, none below.
        let accepts = scores.true_accepts();
        assert_eq!(accepts.len(), 1);
        assert_eq!((accepts[0].tar, accepts[0].threshold), (1.0, Some(1.0)));
    }
}
