//! Distances and int8 embeddings against plain double-precision arithmetic.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use shared::embedding::{MAX_UNIT_LENGTH, UNIT, prototype, unit_vector};
use shared::{Distance, Embedding, EmbeddingFormat};

const DISTANCES: [Distance; 4] = [
    Distance::Euclidean,
    Distance::SquaredEuclidean,
    Distance::Cosine,
    Distance::Manhattan,
];

fn naive(distance: Distance, a: &[f64], b: &[f64]) -> f64 {
    let pairs = || a.iter().zip(b);
    let squared: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
    match distance {
        Distance::Euclidean => squared.sqrt(),
        Distance::SquaredEuclidean => squared,
        Distance::Manhattan => pairs().map(|(a, b)| (a - b).abs()).sum(),
        Distance::Cosine => {
            let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            match length(a) * length(b) {
                0.0 => 1.0,
                lengths => 1.0 - pairs().map(|(a, b)| a * b).sum::<f64>() / lengths,
            }
        }
    }
}

fn int8_pair() -> impl Strategy<Value = (Vec<i8>, Vec<i8>)> {
    (1usize..=512).prop_flat_map(|dim| {
        let vector = || prop::collection::vec(-127i8..=127, dim);
        (vector(), vector())
    })
}

proptest! {
    /// Integer sums are exact; what is left is the rounding of one root or product,
    /// and of the difference 1 - cosine, to single precision.
    #[test]
    fn int8_distances_are_exact((a, b) in int8_pair(), scale in 1e-4f32..1.0) {
        let real = |v: &[i8]| v.iter().map(|&v| f64::from(v) * f64::from(scale)).collect::<Vec<_>>();
        for distance in DISTANCES {
            let [x, y] = [&a, &b].map(|values| Embedding::Int8 { values, scale });
            let found = f64::from(distance.between(x, y).unwrap());
            let expected = naive(distance, &real(&a), &real(&b));
            let bound = expected.abs() * 4.0 * f64::from(f32::EPSILON) + 1e-7;
            prop_assert!((found - expected).abs() <= bound, "{distance}: {found} {expected}");
            prop_assert_eq!(found, f64::from(distance.between(y, x).unwrap()));
        }
    }

    #[test]
    fn float_distances_are_close(
        pairs in prop::collection::vec((-2.0f32..2.0, -2.0f32..2.0), 1..300)
    ) {
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
        let real = |v: &[f32]| v.iter().copied().map(f64::from).collect::<Vec<_>>();
        for distance in DISTANCES {
            let found = distance.between(Embedding::Float(&a), Embedding::Float(&b)).unwrap();
            let expected = naive(distance, &real(&a), &real(&b));
            // Three hundred sums in single precision.
            let bound = expected.abs() * 300.0 * f64::from(f32::EPSILON) + 4e-5;
            prop_assert!((f64::from(found) - expected).abs() <= bound, "{distance}: {found} {expected}");
        }
    }

    #[test]
    fn metrics_are_metrics((a, b) in int8_pair(), seed: u64) {
        let c: Vec<i8> = (0..a.len() as u64)
            .map(|i| ((seed ^ i.wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 57) as i8)
            .collect();
        let int8 = |values| Embedding::Int8 { values, scale: 0.25 };
        for distance in [Distance::Euclidean, Distance::Manhattan] {
            let d = |a, b| f64::from(distance.between(int8(a), int8(b)).unwrap());
            prop_assert_eq!(d(&a, &a), 0.0);
            prop_assert!(d(&a, &c) <= (d(&a, &b) + d(&b, &c)) * (1.0 + 1e-6));
        }
    }

    #[test]
    fn a_unit_vector_is_rounded_exactly(
        values in prop::collection::vec(any::<i16>(), 1..=512),
        length in UNIT..=MAX_UNIT_LENGTH,
    ) {
        let mut unit = vec![0i8; values.len()];
        unit_vector(values.iter().copied(), length, &mut unit);
        let squares: i128 = values.iter().map(|&v| i128::from(v).pow(2)).sum();
        for (&value, &rounded) in values.iter().zip(&unit) {
            // |rounded| - 1/2 <= length |v| / |values| < |rounded| + 1/2, squared and times 4;
            // what is beyond 127 steps has no upper bound.
            let (magnitude, exact) = (
                i128::from(rounded.unsigned_abs()),
                (2 * i128::from(length) * i128::from(value).abs()).pow(2),
            );
            prop_assert!(magnitude == 0 || (2 * magnitude - 1).pow(2) * squares <= exact);
            prop_assert!(magnitude == i128::from(UNIT) || exact <= (2 * magnitude + 1).pow(2) * squares);
            prop_assert!(i32::from(rounded) * i32::from(value) >= 0);
        }
    }

    #[test]
    fn the_length_of_unit_vectors_is_what_their_scale_says(length in UNIT..=MAX_UNIT_LENGTH) {
        let scale = EmbeddingFormat::unit_scale(length);
        let format = EmbeddingFormat { dim: 64, normalized: true, zero_point: 128, scale };
        prop_assert!(format.is_valid());
        prop_assert_eq!(format.unit_length(), length);
        let near = EmbeddingFormat { scale: scale.next_up(), ..format };
        prop_assert!(!near.is_valid());
        let real = EmbeddingFormat { normalized: false, ..near };
        prop_assert!(real.is_valid());
    }

    #[test]
    fn a_prototype_of_equal_shots_is_that_shot(shot in prop::collection::vec(-127i8..=127, 1..64), count in 1usize..20) {
        let format = EmbeddingFormat { dim: shot.len() as u16, normalized: false, zero_point: 128, scale: 0.1 };
        let mut mean = vec![0; shot.len()];
        prototype(&format, std::iter::repeat_n(shot.as_slice(), count), &mut mean);
        prop_assert_eq!(mean, shot);
    }

    #[test]
    fn finishing_centres_and_rounds(raw in prop::collection::vec(any::<u8>(), 1..64), zero_point: u8) {
        let mut format = EmbeddingFormat { dim: raw.len() as u16, normalized: false, zero_point, scale: 0.1 };
        let mut stored = vec![0; raw.len()];
        format.finish(&raw, &mut stored);
        let halved = if format.is_halved() { 2.0 } else { 1.0 };
        for (&raw, &stored) in raw.iter().zip(&stored) {
            let exact = (f64::from(raw) - f64::from(zero_point)) / halved;
            // The one value that int8 cannot hold: -128 becomes -127.
            let bound = if exact.abs() > 127.0 { 1.0 } else { 0.5 };
            prop_assert!((f64::from(stored) - exact).abs() <= bound);
        }
        format.normalized = true;
        format.scale = EmbeddingFormat::unit_scale(300);
        format.finish(&raw, &mut stored);
        let mut unit = vec![0; raw.len()];
        unit_vector(raw.iter().map(|&raw| i16::from(raw) - i16::from(zero_point)), 300, &mut unit);
        prop_assert_eq!(stored, unit);
    }
}

/// The table of `shared/docs/int8-arithmetic.md`.
#[test]
fn unit_vectors_are_those_of_the_document() {
    for (values, length, expected) in [
        ([3, -4, 0, 12], 127, [29, -39, 0, 117]),
        ([3, -4, 0, 12], 274, [63, -84, 0, 127]),
        ([3, -4, 0, 12], 2873, [127, -127, 0, 127]),
        ([1, 1, 1, 1], 127, [64; 4]),
        ([1, 1, 1, 1], 274, [127; 4]),
        ([1, 1, 1, 1], 2873, [127; 4]),
        ([20, -3, 1, 1], 127, [125, -19, 6, 6]),
        ([20, -3, 1, 1], 274, [127, -41, 14, 14]),
        ([20, -3, 1, 1], 2873, [127, -127, 127, 127]),
    ] {
        let mut unit = [0; 4];
        unit_vector(values.into_iter(), length, &mut unit);
        assert_eq!(unit, expected, "{values:?} in {length} steps");
    }
}

#[test]
fn embeddings_of_two_dimensions_are_told_apart() {
    let refused = Distance::Cosine.between(Embedding::Float(&[1.0]), Embedding::Float(&[1.0, 2.0]));
    assert_eq!(refused.unwrap_err().right, 2);
}
