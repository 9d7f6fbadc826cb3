//! Who is taken for whom, when every probe is compared with every class.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::judged::Judged;
use crate::dataset::ClassSamples;
use crate::evaluate::cohort::Measure;
use crate::evaluate::reference::Reference;
use crate::evaluate::{Embedded, interval};

/// What every genuine probe of the test part was taken for: the nearest class, among all
/// of them, with as many shots enrolled as in the verification.
#[derive(Clone, Debug, PartialEq)]
pub struct Identification {
    /// One per class of the verification, in its order.
    pub classes: Vec<ClassAnswers>,
    /// Share of probes whose own class is the nearest.
    pub accuracy: f64,
    /// 95 % interval of it.
    pub ci95: [f64; 2],
}

/// What the probes of one class were taken for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassAnswers {
    /// Number of probes.
    pub probes: usize,
    /// Other classes, by their place in the order, with how many probes they took.
    pub taken_for: BTreeMap<usize, usize>,
    /// The other class whose reference is nearest to this one's probes on average.
    pub nearest: Option<(usize, f64)>,
}

impl ClassAnswers {
    /// Probes that were taken for another class.
    pub fn wrong(&self) -> usize {
        self.taken_for.values().sum()
    }

    /// The class that took most of them; of several, the first.
    pub fn most_often(&self) -> Option<(usize, usize)> {
        let taken = self.taken_for.iter().map(|(&class, &count)| (class, count));
        taken.reduce(|most, next| if next.1 > most.1 { next } else { most })
    }
}

impl Identification {
    /// Compares every probe with every class. Equally near counts as taken for the other.
    pub fn new(embedded: &Embedded, measure: impl Into<Measure>, judged: &Judged) -> Self {
        let measure = &measure.into();
        let shots = judged.shots;
        let embeddings = &embedded.embeddings;
        let enrol =
            |class: &ClassSamples| Reference::new(embeddings, &class.genuine[..shots], measure);
        let references: Vec<Reference> = judged.classes.par_iter().map(enrol).collect();
        let answers = |(own, class): (usize, &ClassSamples)| {
            let mut answers = ClassAnswers::default();
            let mut sums = vec![0.0; references.len()];
            for &probe in &class.genuine[shots..] {
                let probe = embeddings.get(probe);
                let distances = references.iter().map(|reference| reference.distance(probe));
                let distances: Vec<f32> = distances.collect();
                for (sum, &distance) in sums.iter_mut().zip(&distances) {
                    *sum += f64::from(distance);
                }
                answers.probes += 1;
                if let Some(other) = nearest_other(&distances, own)
                    && distances[other] <= distances[own]
                {
                    *answers.taken_for.entry(other).or_default() += 1;
                }
            }
            let probes = answers.probes as f64;
            let mean = |other: usize| (other, sums[other] / probes);
            answers.nearest = nearest_other(&sums, own).map(mean);
            answers
        };
        let classes: Vec<ClassAnswers> =
            judged.classes.par_iter().enumerate().map(answers).collect();
        let tallies: Vec<[usize; 2]> = classes.iter().map(|c| [c.wrong(), c.probes]).collect();
        let total = |index: usize| tallies.iter().map(|tally| tally[index]).sum::<usize>() as f64;
        let [low, high] = interval::of_classes(&tallies);
        Self {
            accuracy: 1.0 - total(0) / total(1),
            ci95: [1.0 - high, 1.0 - low],
            classes,
        }
    }
}

/// The place of the smallest number except that at `own`; of several, the first.
fn nearest_other<T: PartialOrd>(numbers: &[T], own: usize) -> Option<usize> {
    let others = (0..numbers.len()).filter(|&place| place != own);
    others.reduce(|best, next| {
        if numbers[next] < numbers[best] {
            next
        } else {
            best
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::judged::tests::embedded;
    use super::*;

    /// The naive loop is the oracle.
    #[test]
    fn answers_are_the_nearest_references() {
        let (embedded, comparison) = embedded(12, 5, 1);
        let judged = Judged::new(&embedded, comparison, 2, &[]).unwrap();
        let found = Identification::new(&embedded, comparison, &judged);
        let mut wrong = 0;
        for (own, class) in judged.classes.iter().enumerate() {
            let mut taken = BTreeMap::new();
            for &probe in &class.genuine[2..] {
                let mut best = (f32::INFINITY, own);
                for (other, class) in judged.classes.iter().enumerate() {
                    let shots = &class.genuine[..2];
                    let reference = Reference::new(&embedded.embeddings, shots, comparison);
                    let distance = reference.distance(embedded.embeddings.get(probe));
                    if distance < best.0 || distance == best.0 && best.1 == own {
                        best = (distance, other);
                    }
                }
                if best.1 != own {
                    *taken.entry(best.1).or_insert(0) += 1;
                }
            }
            wrong += taken.values().sum::<usize>();
            assert_eq!(found.classes[own].taken_for, taken);
        }
        assert_eq!(found.accuracy, 1.0 - wrong as f64 / 36.0);
        assert!(found.ci95[0] <= found.accuracy && found.accuracy <= found.ci95[1]);
    }
}
