//! Rates of errors, and what they are worth.

use std::iter;

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

/// Share of impostors that are accepted at `threshold`: distance at most it.
pub fn false_accept_rate(impostor: &[f32], threshold: f32) -> f64 {
    share(impostor, |distance| distance <= threshold)
}

/// Share of genuine probes that are rejected at `threshold`.
pub fn false_reject_rate(genuine: &[f32], threshold: f32) -> f64 {
    share(genuine, |distance| distance > threshold)
}

fn share(distances: &[f32], counts: impl Fn(f32) -> bool) -> f64 {
    let count = distances
        .iter()
        .filter(|&&distance| counts(distance))
        .count();
    count as f64 / distances.len().max(1) as f64
}

/// Both error rates at one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorRates {
    /// The largest distance that is accepted.
    pub threshold: f32,
    /// False-accept rate.
    pub far: f64,
    /// False-reject rate.
    pub frr: f64,
}

/// The error rates at each distinct distance, ascending, after those at minus infinity,
/// where everything is rejected: the points of a DET or ROC curve.
pub fn error_curve(genuine: &[f32], impostor: &[f32]) -> Vec<ErrorRates> {
    let marked = |distances: &[f32], is_genuine| {
        let marked = distances.iter().map(move |&d| (d, is_genuine, 1.0));
        marked.collect::<Vec<_>>()
    };
    let mut all = marked(genuine, true);
    all.extend(marked(impostor, false));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let totals = [genuine, impostor].map(|distances| distances.len().max(1) as f64);
    weighted_error_curve(all.into_iter(), totals).collect()
}

/// The same of comparisons `(distance, is genuine, weight)` that are already in
/// ascending order of distance, with the total weights of genuine ones and impostors.
pub fn weighted_error_curve(
    sorted: impl Iterator<Item = (f32, bool, f64)>,
    [genuine, impostors]: [f64; 2],
) -> impl Iterator<Item = ErrorRates> {
    let nothing_accepted = ErrorRates {
        threshold: f32::NEG_INFINITY,
        far: 0.0,
        frr: 1.0,
    };
    let mut sorted = sorted.peekable();
    let (mut found, mut accepted) = (0.0, 0.0);
    let points = iter::from_fn(move || {
        let &(threshold, ..) = sorted.peek()?;
        // Equal distances are accepted together or not at all.
        while let Some((_, is_genuine, weight)) =
            sorted.next_if(|(distance, ..)| distance.total_cmp(&threshold).is_eq())
        {
            *(if is_genuine {
                &mut found
            } else {
                &mut accepted
            }) += weight;
        }
        Some(ErrorRates {
            threshold,
            far: accepted / impostors,
            frr: 1.0 - found / genuine,
        })
    });
    iter::once(nothing_accepted).chain(points)
}

/// The equal error rate: where the straight lines between the points of the error
/// curve cross "as many false accepts as false rejects".
pub fn equal_error_rate(genuine: &[f32], impostor: &[f32]) -> f64 {
    crossing(error_curve(genuine, impostor).into_iter())
}

/// The equal error rate of an error curve.
pub fn crossing(curve: impl Iterator<Item = ErrorRates>) -> f64 {
    let mut before: Option<ErrorRates> = None;
    for point in curve {
        if let Some(before) = before
            && point.far >= point.frr
        {
            let (gap, next_gap) = (before.frr - before.far, point.far - point.frr);
            let way = match gap + next_gap {
                0.0 => 0.0,
                sum => gap / sum,
            };
            return before.far + way * (point.far - before.far);
        }
        before = Some(point);
    }
    1.0
}

/// The threshold with the least sum of both error rates; of several, the middle of
/// the first such interval between distances.
pub fn most_accurate_threshold(genuine: &[f32], impostor: &[f32]) -> f32 {
    let curve = error_curve(genuine, impostor);
    let errors = |index: usize| curve[index].far + curve[index].frr;
    let best = (0..curve.len()).fold(0, |best, index| match errors(index) < errors(best) {
        true => index,
        false => best,
    });
    match (curve[best].threshold, curve.get(best + 1)) {
        (here, Some(next)) if here.is_finite() => here + (next.threshold - here) / 2.0,
        (here, _) => here,
    }
}

/// The largest threshold at which at most a share `target` of impostors is accepted.
/// `None` without impostors.
pub fn threshold_for(target: f64, impostor: &[f32]) -> Option<f32> {
    let mut sorted = impostor.to_vec();
    sorted.sort_by(f32::total_cmp);
    let allowed = (target * sorted.len() as f64).floor() as usize;
    match sorted.get(allowed) {
        Some(first_refused) => Some(first_refused.next_down()),
        None => sorted.last().copied(),
    }
}

/// 95 % interval of a rate of which `errors` of `trials` were seen (Clopper and
/// Pearson, "The use of confidence or fiducial limits", 1934). It takes trials for
/// independent.
pub fn clopper_pearson(errors: usize, trials: usize) -> [f64; 2] {
    let quantile = |level: f64, a: usize, b: usize| {
        Beta::new(a as f64, b as f64).map_or(f64::NAN, |beta| beta.inverse_cdf(level))
    };
    if trials == 0 {
        return [0.0, 1.0];
    }
    let lower = match errors {
        0 => 0.0,
        _ => quantile(0.025, errors, trials - errors + 1),
    };
    let upper = match trials - errors {
        0 => 1.0,
        right => quantile(0.975, errors + 1, right),
    };
    [lower, upper]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_equal_error_rate_of_known_distances() {
        assert_eq!(equal_error_rate(&[1.0, 2.0], &[3.0, 4.0]), 0.0);
        assert_eq!(equal_error_rate(&[3.0, 4.0], &[1.0, 2.0]), 1.0);
        let (genuine, impostor) = ([1.0, 2.0, 3.0, 6.0], [4.0, 5.0, 7.0, 8.0]);
        assert_eq!(equal_error_rate(&genuine, &impostor), 0.25);
        assert_eq!(equal_error_rate(&[1.0; 4], &[1.0; 9]), 0.5);
    }

    #[test]
    fn thresholds_lie_between_distances() {
        assert_eq!(most_accurate_threshold(&[1.0, 2.0], &[4.0, 5.0]), 3.0);
        let impostor = [1.0, 2.0, 2.0, 3.0];
        let at = |target| threshold_for(target, &impostor).unwrap();
        assert_eq!(at(0.0), 1.0f32.next_down());
        assert_eq!(at(0.3), 2.0f32.next_down());
        // Two equal ones are accepted both or not at all.
        assert_eq!(at(0.5), 2.0f32.next_down());
        assert_eq!(at(0.75), 3.0f32.next_down());
        assert_eq!(at(1.0), 3.0);
        assert_eq!(threshold_for(0.5, &[]), None);
    }

    /// Values of R 4: `binom.test(0, 30)`, `binom.test(5, 50)`, `binom.test(20, 20)`.
    #[test]
    fn intervals_are_those_of_the_textbook() {
        let close = |found: [f64; 2], expected: [f64; 2]| {
            let apart = (found[0] - expected[0]).abs() + (found[1] - expected[1]).abs();
            assert!(apart < 1e-5, "{found:?} {expected:?}");
        };
        close(clopper_pearson(0, 30), [0.0, 0.1157033]);
        close(clopper_pearson(5, 50), [0.0332751, 0.2181354]);
        close(clopper_pearson(20, 20), [0.8315665, 1.0]);
        assert_eq!(clopper_pearson(0, 0), [0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn a_threshold_keeps_its_promise(
            impostor in prop::collection::vec(0u8..20, 1..60), target in 0.0f64..=1.0
        ) {
            let impostor: Vec<f32> = impostor.into_iter().map(f32::from).collect();
            let threshold = threshold_for(target, &impostor).unwrap();
            prop_assert!(false_accept_rate(&impostor, threshold) <= target);
        }

        #[test]
        fn the_equal_error_rate_lies_between_the_rates_on_both_sides(
            genuine in prop::collection::vec(0u8..20, 1..40),
            impostor in prop::collection::vec(0u8..20, 1..40),
        ) {
            let genuine: Vec<f32> = genuine.into_iter().map(f32::from).collect();
            let impostor: Vec<f32> = impostor.into_iter().map(f32::from).collect();
            let eer = equal_error_rate(&genuine, &impostor);
            let worse_side = |t: f32| {
                false_accept_rate(&impostor, t).max(false_reject_rate(&genuine, t))
            };
            let best = (-1..=20).map(|t| worse_side(t as f32)).fold(1.0, f64::min);
            let other_side = |t: f32| {
                false_accept_rate(&impostor, t).min(false_reject_rate(&genuine, t))
            };
            let most = (-1..=20).map(|t| other_side(t as f32)).fold(0.0, f64::max);
            prop_assert!(eer <= best + 1e-12 && eer + 1e-12 >= most, "{most} {eer} {best}");
        }
    }
}
