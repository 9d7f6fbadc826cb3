//! A classifier by the cosine of the angle between an embedding and each class's
//! weights (Gidaris and Komodakis, "Dynamic few-shot visual learning without
//! forgetting", 2018; Chen et al., "A closer look at few-shot classification", 2019,
//! Baseline++). It begins at the class means (Qi, Brown, Lowe, "Low-shot learning with
//! imprinted weights", 2018).
//!
//! For unit vectors `z_i` (samples) and `w_c` (classes) and a scale `s > 0`:
//!
//! ```text
//! cosine       k_ic = w_c . z_i
//! probability  p_ic = exp(s k_ic) / sum_d exp(s k_id)
//! loss         L = mean_i -ln p_iy(i)  +  e  mean_j H_j,   H_j = -sum_c p_jc ln p_jc
//! ```
//!
//! `j` runs over the samples, or over unlabelled probes (Dhillon et al., "A baseline
//! for few-shot image classification", 2020, equation 8). With `g_ic`, the gradient
//! with respect to the logit `s k_ic`, of each term,
//!
//! ```text
//! cross-entropy  g_ic = (p_ic - [c = y(i)]) / n
//! entropy        g_jc = -e p_jc (ln p_jc + H_j) / m
//! ```
//!
//! the gradients of both are `dL/dw_c = s sum_i g_ic z_i`, less its part along `w_c`
//! since only directions count, and `dL/d ln s = s sum_ic g_ic k_ic`. The logarithm of
//! the scale is learnt, so that the scale stays above zero.

use super::unit_vectors::UnitVectors;

/// The scale stays between these.
const SCALES: [f64; 2] = [1.0, 100.0];

/// What is minimised.
#[derive(Clone, Copy, Debug)]
pub struct Objective<'a> {
    /// The samples.
    pub support: &'a UnitVectors,
    /// The class of each sample, below the number of classes.
    pub labels: &'a [usize],
    /// Whose answers' entropy counts.
    pub uncertain: &'a UnitVectors,
    /// Its weight `e`, 0 or more.
    pub entropy: f64,
}

/// Class weights and scale.
#[derive(Clone, Debug, PartialEq)]
pub struct CosineClassifier {
    ways: usize,
    /// `[dim][ways]`, so that inner loops run over classes; columns have unit length.
    weights: Vec<f64>,
    log_scale: f64,
}

/// The derivative of the loss, shaped as the classifier.
#[derive(Clone, Debug, PartialEq)]
struct Gradient {
    weights: Vec<f64>,
    log_scale: f64,
}

impl CosineClassifier {
    /// The means of each class's samples, and a scale of 1 to 100.
    pub fn of_means(support: &UnitVectors, labels: &[usize], ways: usize, scale: f64) -> Self {
        let mut weights = vec![0.0; support.dim() * ways];
        for (sample, &class) in support.iter().zip(labels) {
            for (row, value) in weights.chunks_exact_mut(ways).zip(sample) {
                row[class] += value;
            }
        }
        let mut means = Self {
            ways,
            weights,
            log_scale: libm::log(scale.clamp(SCALES[0], SCALES[1])),
        };
        means.normalize();
        means
    }

    /// The scale `s`.
    pub fn scale(&self) -> f64 {
        libm::exp(self.log_scale)
    }

    /// The unit weights of a class.
    pub fn prototype(&self, class: usize) -> impl Iterator<Item = f64> + Clone {
        self.weights.iter().skip(class).step_by(self.ways).copied()
    }

    /// `steps` of gradient descent. A step moves the weights of a class against the
    /// gradient by `learning_rate * ways / scale` times its length, and back to unit
    /// length: the number of classes and the scale cancel, so that one rate suits all
    /// tasks. The logarithm of the scale moves by `learning_rate`.
    pub fn learn(&mut self, objective: &Objective<'_>, steps: usize, learning_rate: f64) {
        for _ in 0..steps {
            let (_, gradient) = self.loss(objective);
            let step = learning_rate * self.ways as f64 / self.scale();
            for (weight, slope) in self.weights.iter_mut().zip(&gradient.weights) {
                *weight -= step * slope;
            }
            self.normalize();
            let log_scale = self.log_scale - learning_rate * gradient.log_scale;
            self.log_scale = log_scale.clamp(libm::log(SCALES[0]), libm::log(SCALES[1]));
        }
    }

    /// The loss and its gradient.
    fn loss(&self, objective: &Objective<'_>) -> (f64, Gradient) {
        let mut gradient = Gradient {
            weights: vec![0.0; self.weights.len()],
            log_scale: 0.0,
        };
        let count = objective.support.len() as f64;
        let mut loss = self.add(objective.support, &mut gradient, |index, answers| {
            let own = &mut answers[objective.labels[index]];
            let loss = -libm::log(*own) / count;
            *own -= 1.0;
            answers.iter_mut().for_each(|slope| *slope /= count);
            loss
        });
        if objective.entropy > 0.0 && !objective.uncertain.is_empty() {
            let weight = objective.entropy / objective.uncertain.len() as f64;
            loss += self.add(objective.uncertain, &mut gradient, |_, answers| {
                // What underflows to zero counts as the limit of p ln p, zero.
                let log = |p: f64| if p > 0.0 { libm::log(p) } else { 0.0 };
                let entropy = -answers.iter().map(|&p| p * log(p)).sum::<f64>();
                for answer in answers.iter_mut() {
                    *answer *= -weight * (log(*answer) + entropy);
                }
                weight * entropy
            });
        }
        self.project(&mut gradient);
        (loss, gradient)
    }

    /// Adds one term of the loss. `term` gets a sample's index and probabilities, turns
    /// these into the gradient with respect to the logits, and answers the loss.
    fn add(
        &self,
        samples: &UnitVectors,
        gradient: &mut Gradient,
        term: impl Fn(usize, &mut [f64]) -> f64,
    ) -> f64 {
        let scale = self.scale();
        let (mut cosines, mut slopes) = (vec![0.0; self.ways], vec![0.0; self.ways]);
        let mut loss = 0.0;
        for (index, sample) in samples.iter().enumerate() {
            self.cosines(sample, &mut cosines);
            softmax(&cosines, scale, &mut slopes);
            loss += term(index, &mut slopes);
            slopes.iter_mut().for_each(|slope| *slope *= scale);
            let along: f64 = slopes.iter().zip(&cosines).map(|(g, k)| g * k).sum();
            gradient.log_scale += along;
            let rows = gradient.weights.chunks_exact_mut(self.ways);
            for (row, &value) in rows.zip(sample) {
                for (sum, slope) in row.iter_mut().zip(&slopes) {
                    *sum += value * slope;
                }
            }
        }
        loss
    }

    fn cosines(&self, sample: &[f64], cosines: &mut [f64]) {
        cosines.fill(0.0);
        for (row, &value) in self.weights.chunks_exact(self.ways).zip(sample) {
            for (sum, weight) in cosines.iter_mut().zip(row) {
                *sum += value * weight;
            }
        }
    }

    /// Takes from each class's gradient the part along its weights.
    fn project(&self, gradient: &mut Gradient) {
        let mut along = vec![0.0; self.ways];
        let rows = || self.weights.chunks_exact(self.ways);
        for (row, slopes) in rows().zip(gradient.weights.chunks_exact(self.ways)) {
            for ((sum, weight), slope) in along.iter_mut().zip(row).zip(slopes) {
                *sum += weight * slope;
            }
        }
        for (row, slopes) in rows().zip(gradient.weights.chunks_exact_mut(self.ways)) {
            for ((slope, weight), along) in slopes.iter_mut().zip(row).zip(&along) {
                *slope -= along * weight;
            }
        }
    }

    /// Scales the weights of each class to unit length; zero weights stay.
    fn normalize(&mut self) {
        let mut lengths = vec![0.0; self.ways];
        for row in self.weights.chunks_exact(self.ways) {
            for (sum, weight) in lengths.iter_mut().zip(row) {
                *sum += weight * weight;
            }
        }
        for row in self.weights.chunks_exact_mut(self.ways) {
            for (weight, &squares) in row.iter_mut().zip(&lengths) {
                if squares > 0.0 {
                    *weight /= f64::sqrt(squares);
                }
            }
        }
    }
}

fn softmax(cosines: &[f64], scale: f64, probabilities: &mut [f64]) {
    let largest = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (probability, cosine) in probabilities.iter_mut().zip(cosines) {
        *probability = libm::exp(scale * (cosine - largest));
        sum += *probability;
    }
    probabilities.iter_mut().for_each(|p| *p /= sum);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIM: usize = 5;
    const WAYS: usize = 3;
    const SHOTS: usize = 2;

    fn vectors(count: usize) -> impl Strategy<Value = UnitVectors> {
        prop::collection::vec(-1.0..1.0f64, count * DIM)
            .prop_map(|values| UnitVectors::new(DIM, values))
    }

    fn labels() -> Vec<usize> {
        (0..WAYS * SHOTS).map(|index| index / SHOTS).collect()
    }

    /// The loss as the module's head writes it, of weights of any length.
    fn naive(weights: &[f64], scale: f64, objective: &Objective<'_>) -> f64 {
        let probabilities = |sample: &[f64]| -> Vec<f64> {
            let logit = |class: usize| {
                let own = |row: usize| weights[row * WAYS + class];
                let length = (0..DIM).map(|row| own(row).powi(2)).sum::<f64>().sqrt();
                let dot: f64 = (0..DIM).map(|row| own(row) * sample[row]).sum();
                (scale * dot / length).exp()
            };
            let sum: f64 = (0..WAYS).map(logit).sum();
            (0..WAYS).map(|class| logit(class) / sum).collect()
        };
        let support = objective.support.iter().zip(objective.labels);
        let cross: f64 = support
            .map(|(sample, &class)| -probabilities(sample)[class].ln())
            .sum();
        let entropy: f64 = objective
            .uncertain
            .iter()
            .flat_map(probabilities)
            .map(|p| -p * p.ln())
            .sum();
        cross / objective.support.len() as f64
            + objective.entropy * entropy / objective.uncertain.len() as f64
    }

    proptest! {
        /// Finite differences of the naive loss are the oracle.
        #[test]
        fn gradients_are_slopes(
            support in vectors(WAYS * SHOTS),
            uncertain in vectors(4),
            begin in vectors(WAYS * SHOTS),
            entropy in 0.0..2.0f64,
            scale in 1.0..20.0f64,
        ) {
            let labels = labels();
            let objective = Objective { support: &support, labels: &labels, uncertain: &uncertain, entropy };
            let classifier = CosineClassifier::of_means(&begin, &labels, WAYS, scale);
            let (loss, gradient) = classifier.loss(&objective);
            prop_assert!((loss - naive(&classifier.weights, scale, &objective)).abs() < 1e-9);
            let step = 1e-5;
            let slope = |at: &dyn Fn(f64) -> f64| (at(step) - at(-step)) / (2.0 * step);
            for index in 0..DIM * WAYS {
                let found = slope(&|change| {
                    let mut moved = classifier.weights.clone();
                    moved[index] += change;
                    naive(&moved, scale, &objective)
                });
                prop_assert!((found - gradient.weights[index]).abs() < 1e-4, "{found} {:?}", gradient);
            }
            let found = slope(&|change| naive(&classifier.weights, scale * change.exp(), &objective));
            prop_assert!((found - gradient.log_scale).abs() < 1e-4, "{found} {:?}", gradient);
        }

        #[test]
        fn a_small_step_descends_and_weights_stay_on_the_sphere(
            support in vectors(WAYS * SHOTS),
            uncertain in vectors(4),
            entropy in 0.0..1.0f64,
        ) {
            let labels = labels();
            let objective = Objective { support: &support, labels: &labels, uncertain: &uncertain, entropy };
            let mut classifier = CosineClassifier::of_means(&support, &labels, WAYS, 10.0);
            let (before, _) = classifier.loss(&objective);
            classifier.learn(&objective, 1, 1e-4);
            let (after, _) = classifier.loss(&objective);
            prop_assert!(after <= before + 1e-12, "{before} {after}");
            for class in 0..WAYS {
                let length: f64 = classifier.prototype(class).map(|value| value * value).sum();
                prop_assert!((length - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_sample_on_the_wrong_side_pulls_the_prototypes_over() {
        // The second sample of the first class is nearer to the second class's mean.
        let support = UnitVectors::new(2, vec![1.0, 0.0, 0.6, 0.8, 0.2, 1.0, 0.5, 1.0]);
        let labels = [0, 0, 1, 1];
        let objective = Objective {
            support: &support,
            labels: &labels,
            uncertain: &support,
            entropy: 0.0,
        };
        let right = |classifier: &CosineClassifier| {
            let is_right = |(sample, class): &(&[f64], &usize)| {
                let mut cosines = vec![0.0; 2];
                classifier.cosines(sample, &mut cosines);
                cosines[**class] > cosines[1 - **class]
            };
            support.iter().zip(&labels).filter(is_right).count()
        };
        let mut classifier = CosineClassifier::of_means(&support, &labels, 2, 10.0);
        assert_eq!(right(&classifier), 3);
        classifier.learn(&objective, 200, 0.2);
        assert_eq!(right(&classifier), 4);
    }
}
