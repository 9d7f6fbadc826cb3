//! What a template tells in eight bits a component, and in one.
//!
//! The binary template of an int8 embedding is its signs. Of two vectors at the angle `t`
//! a random plane through zero separates the ends with probability `t / pi` (Goemans and
//! Williamson, 1995; Charikar, "Similarity estimation techniques from rounding
//! algorithms", 2002), so that `h` of `d` signs that differ estimate the angle
//! `pi h / d`, and its cosine distance.

use anyhow::Result;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use shared::Distance;

use super::Embedded;
use super::metrics::equal_error_rate;
use crate::dataset::Kind;
use crate::engine::Embeddings;

/// Samples that are compared, each with each, at most.
const MOST_SAMPLES: usize = 1500;

/// References that a probe is compared with, where there are as many classes.
const WAYS: usize = 20;

/// How good templates of one precision are, on validation samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateFigures {
    /// `int8` or `binary`.
    pub precision: String,
    /// Bytes of an embedding.
    pub bytes: usize,
    /// Equal error rate of all comparisons of two samples.
    pub eer: f64,
    /// Classes in a question: which is this, from one sample of each?
    pub ways: usize,
    /// Share of right answers to expect; ties are wrong.
    pub accuracy: f64,
}

/// The signs of an embedding, 64 a word: a bit is set where a component is below zero.
pub fn signs(values: &[i8]) -> Vec<u64> {
    let word = |values: &[i8]| {
        let bits = values.iter().enumerate();
        bits.fold(0, |word, (bit, &v)| word | u64::from(v < 0) << bit)
    };
    values.chunks(64).map(word).collect()
}

/// The cosine distance that differing signs of `dim` components estimate,
/// `1 - cos(pi h / dim)`, 0 to 2.
pub fn angular_distance(a: &[u64], b: &[u64], dim: usize) -> f32 {
    let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
    let angle = std::f64::consts::PI * f64::from(differing) / dim.max(1) as f64;
    (1.0 - angle.cos()) as f32
}

/// Figures of int8 templates, compared by `distance`, and of binary ones.
///
/// # Errors
/// When embeddings cannot be compared.
pub fn compare(validation: &Embedded, distance: Distance) -> Result<Vec<TemplateFigures>> {
    let tensors = &validation.tensors;
    let chosen: Vec<usize> = (0..tensors.len())
        .step_by(tensors.len().div_ceil(MOST_SAMPLES).max(1))
        .collect();
    let samples: Vec<Sample> = chosen
        .iter()
        .map(|&index| Sample {
            class: tensors.classes[index],
            is_genuine: tensors.kinds[index] == Kind::Genuine,
        })
        .collect();
    let Embeddings::Int8 { dim, values, .. } = &validation.embeddings else {
        return Ok(vec![]);
    };
    let of = |place: usize| validation.embeddings.get(chosen[place]);
    let int8 = |a, b| -> Result<f32> { Ok(distance.between(of(a), of(b))?) };
    let binary: Vec<Vec<u64>> = chosen
        .iter()
        .map(|index| signs(&values[index * dim..(index + 1) * dim]))
        .collect();
    let angular = |a: usize, b: usize| Ok(angular_distance(&binary[a], &binary[b], *dim));
    Ok(vec![
        figures("int8", *dim, &samples, int8)?,
        figures("binary", dim.div_ceil(8), &samples, angular)?,
    ])
}

/// What is known of a sample.
#[derive(Clone, Copy, Debug)]
struct Sample {
    class: u32,
    is_genuine: bool,
}

fn figures(
    precision: &str,
    bytes: usize,
    samples: &[Sample],
    distance: impl Fn(usize, usize) -> Result<f32> + Sync,
) -> Result<TemplateFigures> {
    let mut classes: Vec<u32> = samples.iter().map(|sample| sample.class).collect();
    classes.dedup();
    let ways = WAYS.min(classes.len());
    let probes = (0..samples.len()).filter(|&probe| samples[probe].is_genuine);
    let compared = probes.collect::<Vec<_>>().into_par_iter().map(|probe| {
        let mut compared = Compared::default();
        for (reference, sample) in samples.iter().enumerate().filter(|(r, _)| *r != probe) {
            let found = distance(probe, reference)?;
            match (sample.class == samples[probe].class, sample.is_genuine) {
                (true, true) => compared.own.push(found),
                (true, false) => compared.forged.push(found),
                (false, true) => compared.others.push(found),
                // An imitation of somebody else says nothing of this one.
                (false, false) => {}
            }
        }
        Ok(compared)
    });
    let compared = compared.collect::<Result<Vec<Compared>>>()?;
    let genuine: Vec<f32> = compared.iter().flat_map(|c| c.own.clone()).collect();
    let impostor = compared.iter().flat_map(|c| [&c.others, &c.forged]);
    let impostor: Vec<f32> = impostor.flatten().copied().collect();
    let answers = compared.iter().filter_map(|c| c.accuracy(ways));
    let answers: Vec<f64> = answers.collect();
    Ok(TemplateFigures {
        precision: precision.into(),
        bytes,
        eer: equal_error_rate(&genuine, &impostor),
        ways,
        accuracy: answers.iter().sum::<f64>() / answers.len().max(1) as f64,
    })
}

/// Distances of a probe.
#[derive(Clone, Debug, Default)]
struct Compared {
    own: Vec<f32>,
    others: Vec<f32>,
    forged: Vec<f32>,
}

impl Compared {
    /// Over all references of its class, the mean chance that none of `ways - 1` samples
    /// of others, drawn independently, is as near; as in `train::validate`.
    fn accuracy(&self, ways: usize) -> Option<f64> {
        let mut others = self.others.clone();
        others.sort_by(f32::total_cmp);
        let chance = |own: &f32| {
            let nearer = others.partition_point(|other| other <= own);
            (1.0 - nearer as f64 / others.len().max(1) as f64).powi(ways as i32 - 1)
        };
        let sum: f64 = self.own.iter().map(chance).sum();
        (!self.own.is_empty()).then(|| sum / self.own.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> impl Strategy<Value = Vec<(i8, i8)>> {
        prop::collection::vec((-127i8..=127, -127i8..=127), 1..200)
    }

    proptest! {
        /// Counted component by component; a distance, of directions.
        #[test]
        fn the_distance_is_that_of_counted_signs(pairs in vectors()) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.iter().copied().unzip();
            let differing = pairs.iter().filter(|(a, b)| (*a < 0) != (*b < 0)).count();
            let angle = differing as f32 / pairs.len() as f32 * std::f32::consts::PI;
            let found = angular_distance(&signs(&a), &signs(&b), a.len());
            prop_assert!((found - (1.0 - angle.cos())).abs() < 1e-5);
            prop_assert_eq!(found, angular_distance(&signs(&b), &signs(&a), a.len()));
            prop_assert_eq!(angular_distance(&signs(&a), &signs(&a), a.len()), 0.0);
            let halved: Vec<i8> = a.iter().map(|v| v.signum()).collect();
            prop_assert_eq!(signs(&halved), signs(&a));
        }
    }

    #[test]
    fn opposite_vectors_are_two_apart_and_half_of_the_signs_one() {
        let all = [signs(&[1; 130]), signs(&[-1; 130])];
        assert_eq!(angular_distance(&all[0], &all[1], 130), 2.0);
        let half: Vec<i8> = (0..130).map(|i| if i % 2 == 0 { 1 } else { -1 }).collect();
        assert!((angular_distance(&all[0], &signs(&half), 130) - 1.0).abs() < 1e-6);
    }

    /// Two tight classes far apart are told apart; those of one place never are.
    #[test]
    fn figures_are_those_of_what_the_distances_say() {
        let sample = |class| Sample {
            class,
            is_genuine: true,
        };
        let samples: Vec<Sample> = (0..12).map(|index| sample(index / 4)).collect();
        let apart = |a: usize, b: usize| Ok(if a / 4 == b / 4 { 0.1 } else { 1.0 });
        let told = figures("int8", 8, &samples, apart).expect("distances");
        assert_eq!((told.eer, told.accuracy, told.ways), (0.0, 1.0, 3));
        let alike = figures("int8", 8, &samples, |_, _| Ok(0.5)).expect("distances");
        assert_eq!((alike.eer, alike.accuracy), (0.5, 0.0));
    }
}
