//! How finely embeddings of unit length are stored.
//!
//! The d components of a unit vector are about 1/sqrt(d): in steps of 1/127, in which any
//! unit vector fits int8, those of 64 take four bits of eight. What a model's components
//! really become leaves room for finer steps.

use shared::embedding::{MAX_UNIT_LENGTH, UNIT, normalize_f32};

/// Steps of the lengths that are tried, each so many times the one before.
const RATIO: f64 = 1.02;

/// The length in steps, 127 to [`MAX_UNIT_LENGTH`], in which these embeddings, scaled to
/// unit length, have the least squared error: what is cut off errs by its distance from 127
/// steps, what is kept by 1/12 of a squared step, the variance of rounding (Banner et al.,
/// "Post training 4-bit quantization of convolutional networks for rapid-deployment",
/// 2019, section 3). 127 of none.
pub fn unit_length(embeddings: Vec<Vec<f32>>) -> i32 {
    let mut magnitudes: Vec<f64> = vec![];
    for mut embedding in embeddings {
        normalize_f32(&mut embedding);
        let components = embedding.iter().map(|component| f64::from(component.abs()));
        // Zero is exact in any steps.
        magnitudes.extend(components.filter(|&magnitude| magnitude > 0.0));
    }
    let error = |length: f64| {
        let largest = f64::from(UNIT) / length;
        let one = |magnitude: &f64| match *magnitude > largest {
            true => (magnitude - largest).powi(2),
            false => 1.0 / (12.0 * length * length),
        };
        magnitudes.iter().map(one).sum::<f64>()
    };
    let mut best = (f64::from(UNIT), error(f64::from(UNIT)));
    let mut length = best.0;
    while length * RATIO < f64::from(MAX_UNIT_LENGTH) {
        length *= RATIO;
        let error = error(length);
        if error < best.1 {
            best = (length, error);
        }
    }
    best.0 as i32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;
    use shared::embedding::unit_vector;
    use shared::{Distance, Embedding};

    use super::*;

    /// The mean squared error of unit vectors of so many steps, vector by vector.
    fn error(embeddings: &[Vec<f32>], length: i32) -> f64 {
        let one = |embedding: &Vec<f32>| {
            let mut unit = embedding.clone();
            normalize_f32(&mut unit);
            let mut stored = vec![0; unit.len()];
            let steps = unit.iter().map(|v| (v * 32767.0).round() as i16);
            unit_vector(steps, length, &mut stored);
            let stored = Embedding::Int8 {
                values: &stored,
                scale: 1.0 / length as f32,
            };
            let distance = Distance::SquaredEuclidean;
            f64::from(distance.between(stored, Embedding::Float(&unit)).unwrap())
        };
        embeddings.iter().map(one).sum::<f64>() / embeddings.len() as f64
    }

    proptest! {
        #[test]
        fn no_other_length_is_much_better(
            embeddings in prop::collection::vec(prop::collection::vec(-1.0f32..1.0, 64), 20..40),
            outlier in 0.0f32..20.0,
            other in UNIT..=MAX_UNIT_LENGTH,
        ) {
            let mut embeddings = embeddings;
            embeddings[0][0] = outlier;
            let length = unit_length(embeddings.clone());
            prop_assert!((UNIT..=MAX_UNIT_LENGTH).contains(&length));
            let (found, other) = (error(&embeddings, length), error(&embeddings, other));
            prop_assert!(found < 1.15 * other, "{length}: {found}, {other}");
        }
    }

    #[test]
    fn of_a_single_component_no_step_is_spared() {
        assert_eq!(unit_length(vec![vec![-3.0]]), UNIT);
        assert_eq!(unit_length(vec![]), UNIT);
        assert_eq!(unit_length(vec![vec![0.0; 64]]), UNIT);
    }
}
