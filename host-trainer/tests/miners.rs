//! Miners against loops that follow their papers word by word.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod batches;

use batches::{DISTANCES, batches, chosen, cosine, mined, others, pairs, triplets};
use host_trainer::config::Miner;
use host_trainer::distance::all_pairs;
use host_trainer::loss::Labels;
use host_trainer::miner::{Mined, mine};
use proptest::prelude::*;
use shared::Distance;
use tch::{Device, Kind, Tensor};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batch_hard_takes_the_farthest_positive_and_the_nearest_negative(batch in batches()) {
        for distance in DISTANCES {
            let (_, mined) = mined(&batch, distance, Miner::BatchHard);
            let found = triplets(&mined);
            let mut anchors = vec![];
            for [anchor, positive, negative] in found {
                anchors.push(anchor);
                let apart = |other: usize| batch.distance(distance, anchor, other);
                let positives = others(&batch, anchor, true);
                let negatives = others(&batch, anchor, false);
                prop_assert!(positives.contains(&positive) && negatives.contains(&negative));
                prop_assert!(positives.iter().all(|&p| apart(p) <= apart(positive) + 1e-3));
                prop_assert!(negatives.iter().all(|&n| apart(n) >= apart(negative) - 1e-3));
            }
            let expected: Vec<usize> = (0..batch.len())
                .filter(|&a| !others(&batch, a, true).is_empty() && !others(&batch, a, false).is_empty())
                .collect();
            prop_assert_eq!(anchors, expected);
        }
    }

    #[test]
    fn semi_hard_negatives_are_farther_than_the_positive_where_any_is(batch in batches()) {
        for distance in DISTANCES {
            let (_, mined) = mined(&batch, distance, Miner::SemiHard);
            let found = triplets(&mined);
            let expected = pairs(&batch)
                .into_iter()
                .filter(|&(a, _, same)| same && !others(&batch, a, false).is_empty())
                .count();
            prop_assert_eq!(found.len(), expected);
            for [anchor, positive, negative] in found {
                let apart = |other: usize| batch.distance(distance, anchor, other);
                let negatives = others(&batch, anchor, false);
                prop_assert!(negatives.contains(&negative));
                let own = apart(positive);
                // Rounding decides about negatives as far as the positive.
                let farther: Vec<usize> =
                    negatives.iter().copied().filter(|&n| apart(n) > own + 1e-3).collect();
                if !farther.is_empty() {
                    prop_assert!(apart(negative) > own - 1e-3);
                    prop_assert!(farther.iter().all(|&n| apart(n) >= apart(negative) - 1e-3));
                } else if negatives.iter().all(|&n| apart(n) < own - 1e-3) {
                    prop_assert!(negatives.iter().all(|&n| apart(n) <= apart(negative) + 1e-3));
                }
            }
        }
    }

    #[test]
    fn multi_similarity_mines_pairs_harder_than_the_easiest_of_the_other_kind(batch in batches()) {
        let (_, mined) = mined(&batch, Distance::Cosine, Miner::MultiSimilarity);
        let (positives, negatives) = mined.pairs();
        let found = [chosen(&positives), chosen(&negatives)];
        for (anchor, other, same) in pairs(&batch) {
            let alike = |o: &usize| cosine(&batch, anchor, *o);
            let least = others(&batch, anchor, true).iter().map(alike).fold(f64::INFINITY, f64::min);
            let most = others(&batch, anchor, false).iter().map(alike).fold(f64::NEG_INFINITY, f64::max);
            let gap = match same {
                true => most + 0.1 - alike(&other),
                false => alike(&other) - (least - 0.1),
            };
            let is_found = found[usize::from(!same)].contains(&(anchor, other));
            prop_assert!(gap.abs() < 1e-3 || is_found == (gap > 0.0), "{anchor} {other} {gap}");
        }
        let all = found.iter().map(Vec::len).sum::<usize>();
        prop_assert!(all <= pairs(&batch).len());
    }

    #[test]
    fn distance_weighted_negatives_are_negatives(batch in batches()) {
        let (_, mined) = mined(&batch, Distance::Cosine, Miner::DistanceWeighted);
        let found = triplets(&mined);
        let positives = pairs(&batch).into_iter();
        let expected = positives.filter(|&(a, _, same)| same && !others(&batch, a, false).is_empty());
        prop_assert_eq!(found.len(), expected.count());
        for [anchor, positive, negative] in found {
            prop_assert!(others(&batch, anchor, true).contains(&positive));
            let negatives = others(&batch, anchor, false);
            prop_assert!(negatives.contains(&negative));
            let far = |n: usize| 2.0 - 2.0 * cosine(&batch, anchor, n) > 1.4 * 1.4 + 1e-3;
            prop_assert!(!far(negative) || negatives.iter().all(|&n| far(n) || 2.0 - 2.0 * cosine(&batch, anchor, n) > 1.95));
        }
    }
}

/// Triplets hold pairs too, for losses that look at pairs.
#[test]
fn pairs_of_triplets_are_those_they_hold() {
    let mined = Mined::Triplets {
        samples: 4,
        anchors: Tensor::from_slice(&[0i64, 0, 3]),
        positives: Tensor::from_slice(&[1i64, 1, 2]),
        negatives: Tensor::from_slice(&[2i64, 3, 0]),
    };
    let (positives, negatives) = mined.pairs();
    assert_eq!(chosen(&positives), [(0, 1), (3, 2)]);
    assert_eq!(chosen(&negatives), [(0, 2), (0, 3), (3, 0)]);
}

/// The density of distances on a sphere: draws over many bins are even.
#[test]
fn distance_weighted_draws_evenly_over_distances() {
    tch::manual_seed(5);
    let count = 4000;
    // An anchor, its positive, and points all over a sphere of 8 dimensions.
    let points = Tensor::randn([count, 8], (Kind::Float, Device::Cpu));
    let classes = Tensor::arange(count, (Kind::Int64, Device::Cpu));
    let _ = classes.narrow(0, 1, 1).fill_(0);
    points.get(1).copy_(&points.get(0));
    let labels = Labels {
        class: classes,
        genuine: Tensor::ones([count], (Kind::Bool, Device::Cpu)),
    };
    let distances = all_pairs(Distance::Cosine, &points, &points);
    let row = Vec::<f32>::try_from(distances.get(0)).unwrap();
    let mut bins = [0usize; 4];
    for _ in 0..40 {
        let mined = mine(
            Miner::DistanceWeighted,
            &distances,
            Distance::Cosine,
            8,
            &labels,
        );
        let of_first = triplets(&mined).into_iter().find(|t| t[0] == 0).unwrap();
        let apart = (2.0 * row[of_first[2]]).sqrt();
        // From 0.6 to 1.4, where there are points in every bin.
        bins[((f64::from(apart) - 0.6) / 0.2).clamp(0.0, 3.0) as usize] += 1;
    }
    // Drawn evenly over points, four fifths would be in the last bin.
    assert!(bins[3] < 24 && bins[0] > 2, "{bins:?}");
}
