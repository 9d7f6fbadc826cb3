//! What a probe is compared with: a class's enrolled samples.

use shared::Embedding;
use shared::cohort::{Spread, normalized};
use shared::embedding::{normalize_f32, prototype};
use shared::support_set::Fusion;

use super::cohort::Measure;
use crate::engine::Embeddings;

/// One class as a device would have it enrolled, prepared for many probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    measure: Measure,
    shots: Shots,
    /// The mean distance of the shots from each other, where that counts.
    spread: f32,
    /// How a cohort lies about the class, where one does.
    about: Option<Spread>,
}

#[derive(Clone, Debug, PartialEq)]
enum Shots {
    Float(Vec<Vec<f32>>),
    Int8(Vec<Vec<i8>>),
}

impl Reference {
    /// Enrols the embeddings at `indices`. A prototype is made here, once.
    pub fn new(embeddings: &Embeddings, indices: &[usize], measure: impl Into<Measure>) -> Self {
        let measure = measure.into();
        let comparison = measure.comparison;
        let is_prototype = comparison.fusion == Fusion::Prototype;
        let shots = match embeddings {
            Embeddings::Float { dim, values } => {
                let of = |&index: &usize| values[index * dim..(index + 1) * dim].to_vec();
                let shots: Vec<Vec<f32>> = indices.iter().map(of).collect();
                Shots::Float(match is_prototype {
                    true => vec![mean(&shots, *dim, comparison.embedding.normalized)],
                    false => shots,
                })
            }
            Embeddings::Int8 { dim, values, .. } => {
                let of = |&index: &usize| values[index * dim..(index + 1) * dim].to_vec();
                let shots: Vec<Vec<i8>> = indices.iter().map(of).collect();
                Shots::Int8(match is_prototype {
                    true => {
                        let mut mean = vec![0; *dim];
                        let shots = shots.iter().map(Vec::as_slice);
                        prototype(&comparison.embedding, shots, &mut mean);
                        vec![mean]
                    }
                    false => shots,
                })
            }
        };
        let spread = match (comparison.fusion, &shots) {
            (Fusion::Prototype | Fusion::Nearest | Fusion::Mean, _) => 0.0,
            (Fusion::Relative, Shots::Float(shots)) => {
                comparison.spread(shots.iter().map(|shot| Embedding::Float(shot)))
            }
            (Fusion::Relative, Shots::Int8(shots)) => {
                let scale = comparison.embedding.scale;
                comparison.spread(shots.iter().map(|values| Embedding::Int8 { values, scale }))
            }
        };
        let cohort = measure.cohort.clone();
        let mut reference = Self {
            measure,
            shots,
            spread,
            about: None,
        };
        reference.about =
            cohort.and_then(|cohort| cohort.about_subject(|member| reference.compared(member)));
        reference
    }

    /// The distance of a probe, as a cohort sees it where there is one; infinite when it is of
    /// another dimension.
    pub fn distance(&self, probe: Embedding<'_>) -> f32 {
        self.distance_about(probe, self.measure.about_probe(probe))
    }

    /// The same where it is known how the cohort lies about the probe.
    pub fn distance_about(&self, probe: Embedding<'_>, about_probe: Option<Spread>) -> f32 {
        normalized(self.compared(probe), self.about, about_probe)
    }

    fn compared(&self, probe: Embedding<'_>) -> f32 {
        let comparison = &self.measure.comparison;
        let scale = comparison.embedding.scale;
        let distance = comparison.distance;
        let between = |shot| distance.between(probe, shot).unwrap_or(f32::INFINITY);
        let distances: Vec<f32> = match &self.shots {
            Shots::Float(shots) => shots.iter().map(|s| between(Embedding::Float(s))).collect(),
            Shots::Int8(shots) => {
                let int8 = |values| between(Embedding::Int8 { values, scale });
                shots.iter().map(|shot| int8(shot.as_slice())).collect()
            }
        };
        match comparison.fusion {
            Fusion::Mean | Fusion::Relative => {
                distances.iter().sum::<f32>() / distances.len() as f32 - self.spread
            }
            Fusion::Prototype | Fusion::Nearest => {
                distances.into_iter().fold(f32::INFINITY, f32::min)
            }
        }
    }
}

fn mean(shots: &[Vec<f32>], dim: usize, normalized: bool) -> Vec<f32> {
    let sum = |index: usize| shots.iter().map(|shot| shot[index]).sum::<f32>();
    let mut mean: Vec<f32> = (0..dim)
        .map(|index| sum(index) / shots.len() as f32)
        .collect();
    if normalized {
        normalize_f32(&mut mean);
    }
    mean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::cohort::{self as device, Normalization};
    use shared::support_set::Comparison;
    use shared::{Distance, EmbeddingFormat};

    use super::*;
    use crate::evaluate::cohort::Cohort;

    fn fusions() -> impl Strategy<Value = Fusion> {
        prop_oneof![
            Just(Fusion::Prototype),
            Just(Fusion::Nearest),
            Just(Fusion::Mean),
            Just(Fusion::Relative)
        ]
    }

    proptest! {
        /// The device's own code, one probe at a time, is the oracle.
        #[test]
        fn distances_are_those_of_a_device(
            values in prop::collection::vec(-127i8..=127, 5 * 8),
            fusion in fusions(),
            normalized: bool,
            length in 127..2000,
            distance in prop_oneof![
                Just(Distance::Euclidean),
                Just(Distance::Cosine),
                Just(Distance::Manhattan)
            ],
            normalization in prop_oneof![
                Just(Normalization::Z),
                Just(Normalization::T),
                Just(Normalization::S)
            ],
            members in prop::collection::vec(-127i8..=127, 3 * 8),
        ) {
            let scale = EmbeddingFormat::unit_scale(length);
            let comparison = Comparison {
                embedding: EmbeddingFormat { dim: 8, normalized, zero_point: 128, scale },
                distance,
                fusion,
            };
            let embeddings = Embeddings::Int8 { dim: 8, values: values.clone(), scale };
            let reference = Reference::new(&embeddings, &[0, 1, 2, 3], comparison);
            let on_device = comparison.distance_to(&values[32..], values[..32].chunks(8));
            prop_assert_eq!(reference.distance(embeddings.get(4)), on_device);

            let bytes: Vec<u8> = members.iter().map(|&member| member as u8).collect();
            let measure = device::Measure {
                comparison,
                cohort: device::Cohort::new(normalization, 8, &bytes),
            };
            prop_assert!(measure.cohort.is_some());
            let on_device = measure.probe(&values[32..]).distance_to(values[..32].chunks(8));
            let members = Embeddings::Int8 { dim: 8, values: members, scale };
            let cohort = Cohort::of(members, comparison, normalization);
            let measure = Measure::by(comparison, cohort);
            let reference = Reference::new(&embeddings, &[0, 1, 2, 3], &measure);
            prop_assert_eq!(reference.distance(embeddings.get(4)), on_device);
        }
    }
}
