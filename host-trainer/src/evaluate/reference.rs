//! What a probe is compared with: a class's enrolled samples.

use shared::Embedding;
use shared::embedding::{normalize_f32, prototype};
use shared::support_set::{Comparison, Fusion};

use crate::engine::Embeddings;

/// One class as a device would have it enrolled, prepared for many probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    comparison: Comparison,
    shots: Shots,
    /// The mean distance of the shots from each other, where that counts.
    spread: f32,
}

#[derive(Clone, Debug, PartialEq)]
enum Shots {
    Float(Vec<Vec<f32>>),
    Int8(Vec<Vec<i8>>),
}

impl Reference {
    /// Enrols the embeddings at `indices`. A prototype is made here, once.
    pub fn new(embeddings: &Embeddings, indices: &[usize], comparison: Comparison) -> Self {
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
        Self {
            comparison,
            shots,
            spread,
        }
    }

    /// The distance of a probe; infinite when it is of another kind or dimension.
    pub fn distance(&self, probe: Embedding<'_>) -> f32 {
        let scale = self.comparison.embedding.scale;
        let distance = self.comparison.distance;
        let between = |shot| distance.between(probe, shot).unwrap_or(f32::INFINITY);
        let distances: Vec<f32> = match &self.shots {
            Shots::Float(shots) => shots.iter().map(|s| between(Embedding::Float(s))).collect(),
            Shots::Int8(shots) => {
                let int8 = |values| between(Embedding::Int8 { values, scale });
                shots.iter().map(|shot| int8(shot.as_slice())).collect()
            }
        };
        match self.comparison.fusion {
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
    use shared::{Distance, EmbeddingFormat};

    use super::*;

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
        ) {
            let comparison = Comparison {
                embedding: EmbeddingFormat { dim: 8, normalized, zero_point: 128, scale: 0.5 },
                distance: Distance::Euclidean,
                fusion,
            };
            let embeddings = Embeddings::Int8 { dim: 8, values: values.clone(), scale: 0.5 };
            let reference = Reference::new(&embeddings, &[0, 1, 2, 3], comparison);
            let on_device = comparison.distance_to(&values[32..], values[..32].chunks(8));
            prop_assert_eq!(reference.distance(embeddings.get(4)), on_device);
        }
    }
}
