//! Rates of errors, and what they are worth.

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

/// False-accept and false-reject rate at each distinct distance, ascending, after the
/// point before all of them, where everything is rejected.
fn curve(genuine: &[f32], impostor: &[f32]) -> Vec<(f32, f64, f64)> {
    let marked = |distances: &[f32], is_genuine| {
        let marked = distances
            .iter()
            .map(move |&distance| (distance, is_genuine));
        marked.collect::<Vec<_>>()
    };
    let mut all = marked(genuine, true);
    all.extend(marked(impostor, false));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut points = vec![(f32::NEG_INFINITY, 0.0, 1.0)];
    let (mut accepted, mut found) = (0usize, 0usize);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let own = group.iter().filter(|(_, is_genuine)| *is_genuine).count();
        found += own;
        accepted += group.len() - own;
        points.push((
            group[0].0,
            accepted as f64 / impostor.len().max(1) as f64,
            1.0 - found as f64 / genuine.len().max(1) as f64,
        ));
    }
    points
}

/// The equal error rate: where the straight lines between the points of the error
/// curve cross "as many false accepts as false rejects".
pub fn equal_error_rate(genuine: &[f32], impostor: &[f32]) -> f64 {
    let curve = curve(genuine, impostor);
    let crossing = curve.windows(2).find(|pair| pair[1].1 >= pair[1].2);
    let Some([(_, far, frr), (_, next_far, next_frr)]) = crossing else {
        return 1.0;
    };
    let (gap, next_gap) = (frr - far, next_far - next_frr);
    let way = match gap + next_gap {
        0.0 => 0.0,
        sum => gap / sum,
    };
    far + way * (next_far - far)
}

/// The threshold with the least sum of both error rates; of several, the middle of
/// the first such interval between distances.
pub fn most_accurate_threshold(genuine: &[f32], impostor: &[f32]) -> f32 {
    let curve = curve(genuine, impostor);
    let errors = |index: usize| curve[index].1 + curve[index].2;
    let best = (0..curve.len()).fold(0, |best, index| match errors(index) < errors(best) {
        true => index,
        false => best,
    });
    match (curve[best].0, curve.get(best + 1)) {
        (here, Some((next, ..))) if here.is_finite() => here + (next - here) / 2.0,
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
