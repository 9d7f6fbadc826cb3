//! Distances as a cohort sees them, against the definition in double precision.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use shared::cohort::{Cohort, MAX_COHORT, Measure, Normalization, Spread, normalized};
use shared::support_set::{Comparison, Fusion, claimed};
use shared::template::{SubjectId, Template};
use shared::{Distance, EmbeddingFormat, ModelId};

const DIM: usize = 4;

const COMPARISON: Comparison = Comparison {
    embedding: EmbeddingFormat {
        dim: DIM as u16,
        normalized: false,
        zero_point: 128,
        scale: 1.0,
    },
    distance: Distance::Euclidean,
    fusion: Fusion::Mean,
};

type Vector = [i8; DIM];

fn euclidean(a: Vector, b: Vector) -> f64 {
    let squares = a
        .iter()
        .zip(&b)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
    squares.sum::<f64>().sqrt()
}

fn mean_distance(probe: Vector, shots: &[Vector]) -> f64 {
    shots
        .iter()
        .map(|&shot| euclidean(probe, shot))
        .sum::<f64>()
        / shots.len() as f64
}

/// How many deviations `distance` is above the mean of `all`.
fn deviations(distance: f64, all: &[f64]) -> f64 {
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let squares = all.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
    (distance - mean) / (squares / all.len() as f64).sqrt()
}

fn expected(by: Normalization, probe: Vector, shots: &[Vector], cohort: &[Vector]) -> f64 {
    let distance = mean_distance(probe, shots);
    let about_subject: Vec<f64> = cohort.iter().map(|&m| mean_distance(m, shots)).collect();
    let about_probe: Vec<f64> = cohort.iter().map(|&m| euclidean(probe, m)).collect();
    let [z, t] = [about_subject, about_probe].map(|all| deviations(distance, &all));
    match by {
        Normalization::Z => z,
        Normalization::T => t,
        Normalization::S => (z + t) / 2.0,
    }
}

fn bytes(vectors: &[Vector]) -> Vec<u8> {
    vectors.iter().flatten().map(|&v| v as u8).collect()
}

proptest! {
    #[test]
    fn distances_are_counted_in_deviations_of_the_cohort(
        probe: Vector,
        shots in prop::collection::vec(any::<Vector>(), 1..4),
        // Far apart in one component: a spread of nothing has no definition to compare with.
        mut cohort in prop::collection::vec(any::<Vector>(), 2..10),
    ) {
        cohort[0] = [127; DIM];
        cohort[1] = [-127, -127, 0, 0];
        let members = bytes(&cohort);
        for by in [Normalization::Z, Normalization::T, Normalization::S] {
            let measure = Measure {
                comparison: COMPARISON,
                cohort: Cohort::new(by, DIM, &members),
            };
            let found = measure.probe(&probe).distance_to(shots.iter().map(|shot| &shot[..]));
            let expected = expected(by, probe, &shots, &cohort);
            // In a cohort about as far from it on every side, deviations are small.
            let near = 2e-3 * (1.0 + expected.abs());
            prop_assume!(expected.abs() < 1e3);
            prop_assert!((f64::from(found) - expected).abs() < near, "{by:?}: {found}, {expected}");
        }
    }
}

#[test]
fn subjects_are_found_by_the_same_distance() {
    let members = bytes(&[[100, 0, 0, 0], [0, 100, 0, 0], [0, 0, 90, 0]]);
    let measure = Measure {
        comparison: COMPARISON,
        cohort: Cohort::new(Normalization::S, DIM, &members),
    };
    let subject = SubjectId::new("ada").unwrap();
    let mut template = Template::<2, DIM>::new(ModelId([1; 32]), subject, 0, DIM).unwrap();
    template.push(&[10, 10, 10, 10]).unwrap();
    let probe = measure.probe(&[12, 10, 10, 10]);
    let distance = probe.distance_to(template.shots());
    assert!(distance < -1.0, "{distance}");
    assert_eq!(probe.candidate(&template).distance, distance);
    assert_eq!(
        claimed(&probe, [&template].into_iter(), "ada"),
        Some((distance, 1))
    );
    let raw = COMPARISON.probe(&[12, 10, 10, 10]);
    assert_eq!(raw.distance_to(template.shots()), 2.0);
    // Of nobody.
    assert_eq!(probe.distance_to(std::iter::empty()), f32::INFINITY);
}

/// Numbers that overflow would make everybody near.
#[test]
fn what_is_no_finite_number_lets_nobody_in() {
    let members = bytes(&[[100, 0, 0, 0], [0, 100, 0, 0], [0, 0, -90, 0]]);
    for scale in [1e17, 1e36, 3e38] {
        for by in [Normalization::Z, Normalization::T, Normalization::S] {
            let comparison = Comparison {
                embedding: EmbeddingFormat {
                    scale,
                    ..COMPARISON.embedding
                },
                distance: Distance::SquaredEuclidean,
                ..COMPARISON
            };
            assert!(comparison.embedding.is_valid());
            let cohort = Cohort::new(by, DIM, &members);
            let shots = [[1i8, 2, 3, 4], [90, -90, 90, -90]];
            let measure = Measure { comparison, cohort };
            let shots = || shots.iter().map(|shot| &shot[..]);
            let distance = measure.probe(&[1, 2, 3, 4]).distance_to(shots());
            assert_eq!(distance, f32::INFINITY, "{scale}, {by:?}");
        }
    }
    // Members of another dimension are infinitely far.
    let longer = Cohort::new(Normalization::S, 2 * DIM, &[7; 6 * DIM]);
    let measure = Measure {
        comparison: COMPARISON,
        cohort: longer,
    };
    let shots = [[1i8, 2, 3, 4]];
    let distance = measure
        .probe(&[1, 2, 3, 4])
        .distance_to(shots.iter().map(|shot| &shot[..]));
    assert_eq!(distance, f32::INFINITY);
}

#[test]
fn what_does_not_count_changes_nothing() {
    let about = Spread {
        mean: 4.0,
        deviation: 2.0,
    };
    assert_eq!(normalized(3.0, None, None), 3.0);
    assert_eq!(normalized(3.0, Some(about), None), -0.5);
    assert_eq!(normalized(3.0, None, Some(about)), -0.5);
    assert_eq!(
        normalized(3.0, Some(about), Some(Spread { mean: 5.0, ..about })),
        -0.75
    );
    assert_eq!(normalized(f32::INFINITY, Some(about), None), f32::INFINITY);
    assert_eq!(normalized(f32::INFINITY, None, None), f32::INFINITY);
}

#[test]
fn a_cohort_in_one_place_gives_finite_distances() {
    let members = bytes(&[[1, 2, 3, 4]; 2]);
    let measure = Measure {
        comparison: COMPARISON,
        cohort: Cohort::new(Normalization::S, DIM, &members),
    };
    let shots = [[1, 2, 3, 4]];
    for probe in [[1, 2, 3, 4], [127, -128, 0, 0]] {
        let distance = measure
            .probe(&probe)
            .distance_to(shots.iter().map(|shot| &shot[..]));
        assert!(distance.is_finite(), "{distance}");
    }
}

#[test]
fn what_is_no_cohort_is_none() {
    let cohort = |dim, length| Cohort::new(Normalization::Z, dim, &vec![0; length][..]).is_some();
    assert!(cohort(4, 8) && cohort(4, 4 * MAX_COHORT));
    for (dim, length) in [
        (0, 0),
        (0, 8),
        (4, 0),
        (4, 4),
        (4, 9),
        (4, 4 * MAX_COHORT + 4),
        (513, 1026),
    ] {
        assert!(!cohort(dim, length), "{dim}, {length}");
    }
}
