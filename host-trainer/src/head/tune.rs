use shared::EmbeddingFormat;
use shared::embedding::unit_vector;

use super::cosine::{CosineClassifier, Objective};
use super::{Tuning, UnitVectors};
use crate::engine::Embeddings;

/// A fine-tuned head.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// One of each class, as the embeddings that they were learnt from: int8 unit
    /// vectors exactly as a device stores them, or real ones.
    pub prototypes: Embeddings,
    /// The scale of the logits.
    pub scale: f32,
}

/// Learns a cosine classifier from `embeddings`, stored as `format` says: `support` has the indices of each
/// class's samples, one or more, `queries` those of probes, which only a transductive
/// tuning looks at. The same input gives the same bytes.
pub fn finetune(
    embeddings: &Embeddings,
    format: &EmbeddingFormat,
    support: &[&[usize]],
    queries: &[usize],
    tuning: &Tuning,
) -> Learned {
    let samples: Vec<usize> = support
        .iter()
        .flat_map(|shots| shots.iter().copied())
        .collect();
    let labels = support.iter().enumerate();
    let labels: Vec<usize> = labels
        .flat_map(|(class, shots)| shots.iter().map(move |_| class))
        .collect();
    let samples = UnitVectors::gather(embeddings, &samples);
    let queries = match tuning.transductive {
        true => Some(UnitVectors::gather(embeddings, queries)),
        false => None,
    };
    let objective = Objective {
        support: &samples,
        labels: &labels,
        uncertain: queries.as_ref().unwrap_or(&samples),
        entropy: tuning.entropy,
    };
    let mut classifier = CosineClassifier::of_means(&samples, &labels, support.len(), tuning.scale);
    classifier.learn(&objective, tuning.steps, tuning.learning_rate);
    let prototypes = (0..support.len()).map(|class| classifier.prototype(class));
    let dim = samples.dim();
    Learned {
        scale: classifier.scale() as f32,
        prototypes: match embeddings {
            Embeddings::Float { .. } => Embeddings::Float {
                dim,
                values: prototypes.flatten().map(|value| value as f32).collect(),
            },
            Embeddings::Int8 { scale, .. } => Embeddings::Int8 {
                dim,
                values: prototypes.flat_map(|p| quantize(p, format, dim)).collect(),
                scale: *scale,
            },
        },
    }
}

/// The int8 unit vector along a real one, by the device's own rounding.
fn quantize(
    direction: impl Iterator<Item = f64> + Clone,
    format: &EmbeddingFormat,
    dim: usize,
) -> Vec<i8> {
    let largest = direction.clone().map(f64::abs).fold(0.0, f64::max);
    let factor = if largest > 0.0 {
        f64::from(i16::MAX) / largest
    } else {
        0.0
    };
    let mut unit = vec![0; dim];
    unit_vector(
        direction.map(|value| (value * factor).round() as i16),
        format.unit_length(),
        &mut unit,
    );
    unit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::embedding::prototype;

    use super::*;

    /// Unit vectors of 8 components in steps of 1 / `length`.
    fn format(length: i32) -> EmbeddingFormat {
        EmbeddingFormat {
            dim: 8,
            normalized: true,
            zero_point: 128,
            scale: EmbeddingFormat::unit_scale(length),
        }
    }

    proptest! {
        /// A fine-tuning without steps leaves what the device makes of the samples.
        #[test]
        fn it_begins_at_the_device_s_prototypes(
            values in prop::collection::vec(-90i8..=90, 6 * 8),
            length in 127..300,
        ) {
            let format = format(length);
            let embeddings = Embeddings::Int8 { dim: 8, values: values.clone(), scale: format.scale };
            let tuning = Tuning { steps: 0, ..Tuning::INDUCTIVE };
            let learned = finetune(&embeddings, &format, &[&[0], &[1], &[2]], &[], &tuning);
            let Embeddings::Int8 { values: found, .. } = learned.prototypes else {
                return Err(TestCaseError::fail("int8 in, int8 out"));
            };
            for class in 0..3 {
                let mut expected = [0; 8];
                prototype(&format, [&values[class * 8..][..8]].into_iter(), &mut expected);
                // A component that is half way between two steps may go either way.
                let near = |(a, b): (&i8, &i8)| a.abs_diff(*b) <= 1;
                prop_assert!(found[class * 8..][..8].iter().zip(&expected).all(near));
            }
        }

        #[test]
        fn the_same_samples_give_the_same_bytes_whatever_their_number_of_bits(
            values in prop::collection::vec(-90i8..=90, 6 * 8),
        ) {
            let int8 = Embeddings::Int8 { dim: 8, values: values.clone(), scale: format(200).scale };
            let float = Embeddings::Float {
                dim: 8,
                values: values.iter().map(|&value| f32::from(value)).collect(),
            };
            let support: [&[usize]; 2] = [&[0, 1], &[2, 3]];
            for tuning in [Tuning::INDUCTIVE, Tuning::TRANSDUCTIVE] {
                let learn = |embeddings| finetune(embeddings, &format(200), &support, &[4, 5], &tuning);
                prop_assert_eq!(learn(&int8), learn(&int8));
                prop_assert!((learn(&int8).scale - learn(&float).scale).abs() < 1e-4);
            }
        }
    }
}
