//! What a measured rate is worth when its comparisons are not independent.
//!
//! Comparisons of one class have its reference or its probes in common; classes were
//! drawn independently. So classes are drawn anew, with replacement (Efron, "Bootstrap
//! methods: another look at the jackknife", 1979; by subject for biometric error rates:
//! Bolle, Ratha and Pankanti, "Error analysis of pattern recognition systems - the
//! subsets bootstrap", 2004). Few errors make that interval too narrow, none make it
//! empty: then the exact binomial one of Clopper and Pearson is the wider, which holds
//! for independent comparisons. The wider end of both is taken.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::metrics::clopper_pearson;

/// Draws of the classes.
const RESAMPLES: usize = 1000;

/// 95 % interval of the error rate of comparisons that concern one class each:
/// errors and comparisons of every class.
pub fn of_classes(classes: &[[usize; 2]]) -> [f64; 2] {
    let total = |index: usize| classes.iter().map(|class| class[index]).sum::<usize>();
    let rate = |weights: &[f64]| {
        let sum = |index: usize| -> f64 {
            let weighted = classes.iter().zip(weights);
            weighted
                .map(|(class, weight)| weight * class[index] as f64)
                .sum()
        };
        sum(0) / sum(1)
    };
    wider(
        resampled(classes.len(), rate),
        clopper_pearson(total(0), total(1)),
    )
}

/// The same for one comparison of every ordered pair of classes: whether `[a][b]` is an
/// error. The diagonal does not count.
pub fn of_pairs(errors: &[Vec<bool>]) -> [f64; 2] {
    let others = |a: usize| errors[a].iter().enumerate().filter(move |(b, _)| *b != a);
    let wrong = (0..errors.len()).map(|a| others(a).filter(|(_, error)| **error).count());
    let count = errors.len() * errors.len().saturating_sub(1);
    let rate = |weights: &[f64]| {
        let (mut wrong, mut all) = (0.0, 0.0);
        for (a, &weight) in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0)
        {
            for (b, &error) in others(a) {
                all += weight * weights[b];
                wrong += if error { weight * weights[b] } else { 0.0 };
            }
        }
        wrong / all
    };
    wider(
        resampled(errors.len(), rate),
        clopper_pearson(wrong.sum(), count),
    )
}

/// The 2.5 % and 97.5 % percentiles of a rate over draws of `classes` classes with
/// replacement; `rate` is told how often each was drawn. Draws that leave nothing to
/// compare do not count.
pub fn resampled(classes: usize, rate: impl Fn(&[f64]) -> f64 + Sync) -> [f64; 2] {
    let [interval] = resampled_together(classes, |weights| [rate(weights)]);
    interval
}

/// The same for several rates from the same draws.
pub fn resampled_together<const RATES: usize>(
    classes: usize,
    rates: impl Fn(&[f64]) -> [f64; RATES] + Sync,
) -> [[f64; 2]; RATES] {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let draws: Vec<Vec<f64>> = (0..RESAMPLES)
        .map(|_| {
            let mut weights = vec![0.0; classes];
            for _ in 0..classes {
                weights[random.random_range(0..classes)] += 1.0;
            }
            weights
        })
        .collect();
    let drawn: Vec<[f64; RATES]> = draws.par_iter().map(|weights| rates(weights)).collect();
    std::array::from_fn(|index| percentiles(drawn.iter().map(|rates| rates[index])))
}

/// The 2.5 % and 97.5 % percentiles of the finite ones of `rates`; all when there are none.
fn percentiles(rates: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut rates: Vec<f64> = rates.filter(|rate| rate.is_finite()).collect();
    rates.sort_by(f64::total_cmp);
    match rates.len() {
        0 => [0.0, 1.0],
        count => [rates[count / 40], rates[count - 1 - count / 40]],
    }
}

/// An interval made no narrower than the exact binomial one of a rate over `trials`
/// comparisons: resampling knows no errors that did not happen.
pub fn at_least_binomial(interval: [f64; 2], rate: f64, trials: usize) -> [f64; 2] {
    let errors = (rate * trials as f64).round() as usize;
    wider(interval, clopper_pearson(errors.min(trials), trials))
}

fn wider(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0].min(b[0]), a[1].max(b[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_agree_are_worth_their_comparisons() {
        // Each class has a tenth of errors: nothing varies but the binomial.
        assert_eq!(of_classes(&[[1, 10]; 20]), clopper_pearson(20, 200));
    }

    #[test]
    fn classes_that_differ_are_worth_less() {
        let mut classes = [[0, 10]; 20];
        classes[0] = [10, 10];
        classes[1] = [10, 10];
        let [lower, upper] = of_classes(&classes);
        // Twenty classes of which two fail: a binomial of 20, not of 200.
        let exact = clopper_pearson(20, 200);
        assert!(
            lower < exact[0] && upper > exact[1] + 0.05,
            "{lower} {upper}"
        );
        assert!(upper < clopper_pearson(2, 20)[1] + 0.03, "{upper}");
    }

    #[test]
    fn no_error_is_not_certainty() {
        assert_eq!(of_classes(&[[0, 3]; 10]), clopper_pearson(0, 30));
        assert_eq!(of_pairs(&vec![vec![false; 6]; 6]), clopper_pearson(0, 30));
    }

    #[test]
    fn a_class_that_everybody_is_taken_for_widens_the_interval() {
        let mut errors = vec![vec![false; 30]; 30];
        errors[0] = vec![true; 30];
        let [lower, upper] = of_pairs(&errors);
        let exact = clopper_pearson(29, 870);
        assert!(
            lower < exact[0] && upper > 1.5 * exact[1],
            "{lower} {upper}"
        );
    }
}
