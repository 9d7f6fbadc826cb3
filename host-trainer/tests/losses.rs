//! Losses and distances against loops that follow their formulas word by word.
#![cfg(feature = "libtorch")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use host_trainer::distance::{all_pairs, row_wise};
use host_trainer::loss::Labels;
use host_trainer::loss::contrastive::contrastive;
use host_trainer::loss::triplet::{Margin, batch_hard};
use proptest::prelude::*;
use shared::{Distance, Embedding};
use tch::{Kind, Tensor};

const DIM: usize = 5;
const DISTANCES: [Distance; 4] = [
    Distance::Euclidean,
    Distance::SquaredEuclidean,
    Distance::Cosine,
    Distance::Manhattan,
];

/// A batch: embeddings, classes, whether genuine.
#[derive(Clone, Debug)]
struct Batch {
    values: Vec<f32>,
    classes: Vec<i64>,
    genuine: Vec<bool>,
}

impl Batch {
    fn len(&self) -> usize {
        self.classes.len()
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.values[index * DIM..(index + 1) * DIM]
    }

    fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).reshape([self.len() as i64, DIM as i64])
    }

    fn labels(&self) -> Labels {
        Labels {
            class: Tensor::from_slice(&self.classes),
            genuine: Tensor::from_slice(&self.genuine),
        }
    }

    /// The distance that devices compute, the oracle here.
    fn distance(&self, distance: Distance, a: usize, b: usize) -> f64 {
        let [a, b] = [a, b].map(|index| Embedding::Float(self.row(index)));
        f64::from(distance.between(a, b).unwrap())
    }
}

fn batches() -> impl Strategy<Value = Batch> {
    let sample = (
        prop::collection::vec(-1.0f32..1.0, DIM),
        0i64..4,
        prop::bool::weighted(0.8),
    );
    prop::collection::vec(sample, 4..16).prop_map(|samples| Batch {
        values: samples
            .iter()
            .flat_map(|(values, ..)| values.clone())
            .collect(),
        classes: samples.iter().map(|(_, class, _)| *class).collect(),
        genuine: samples.iter().map(|(.., genuine)| *genuine).collect(),
    })
}

fn margins() -> impl Strategy<Value = Margin> {
    prop_oneof![Just(Margin::Soft), (0.05f64..2.0).prop_map(Margin::Hard)]
}

/// Every anchor with its farthest positive and nearest negative; `None` without anchors.
fn naive_batch_hard(batch: &Batch, distance: Distance, margin: Margin) -> Option<f64> {
    let mut losses = vec![];
    for anchor in (0..batch.len()).filter(|&index| batch.genuine[index]) {
        let (mut farthest, mut nearest) = (None::<f64>, None::<f64>);
        for other in (0..batch.len()).filter(|&other| other != anchor) {
            let apart = batch.distance(distance, anchor, other);
            if batch.genuine[other] && batch.classes[other] == batch.classes[anchor] {
                farthest = Some(farthest.map_or(apart, |d| d.max(apart)));
            } else {
                nearest = Some(nearest.map_or(apart, |d| d.min(apart)));
            }
        }
        if let (Some(farthest), Some(nearest)) = (farthest, nearest) {
            let gap = farthest - nearest;
            losses.push(match margin {
                Margin::Hard(margin) => (gap + margin).max(0.0),
                Margin::Soft => gap.exp().ln_1p(),
            });
        }
    }
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn distances_are_those_of_devices(batch in batches()) {
        for distance in DISTANCES {
            let found = all_pairs(distance, &batch.tensor(), &batch.tensor());
            for (a, b) in (0..batch.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let expected = batch.distance(distance, a, b);
                let found = found.double_value(&[a as i64, b as i64]);
                prop_assert!((found - expected).abs() < 1e-3, "{distance}: {found} {expected}");
            }
        }
    }

    #[test]
    fn corresponding_rows_are_the_diagonal(batch in batches()) {
        let turned = batch.tensor().roll([1], [0]);
        for distance in DISTANCES {
            let rows = row_wise(distance, &batch.tensor(), &turned);
            let diagonal = all_pairs(distance, &batch.tensor(), &turned).diagonal(0, 0, 1);
            let apart = (rows - diagonal).abs().max().double_value(&[]);
            prop_assert!(apart < 1e-3, "{distance}: {apart}");
        }
    }

    #[test]
    fn batch_hard_is_its_formula(batch in batches(), margin in margins()) {
        for distance in DISTANCES {
            let Some(expected) = naive_batch_hard(&batch, distance, margin) else {
                continue;
            };
            let loss = batch_hard(&batch.tensor(), &batch.labels(), distance, margin);
            let found = loss.double_value(&[]);
            prop_assert!((found - expected).abs() < 2e-3, "{distance}: {found} {expected}");
        }
    }

    #[test]
    fn contrastive_is_its_formula(batch in batches(), margin in 0.1f64..2.0) {
        let half = batch.len() / 2;
        let same: Vec<bool> = (0..half).map(|row| batch.classes[row] == 0).collect();
        let rows = |from: usize| batch.tensor().narrow(0, from as i64, half as i64);
        for distance in DISTANCES {
            let sum: f64 = (0..half).map(|row| {
                let apart = batch.distance(distance, row, half + row);
                let off = if same[row] { apart } else { (margin - apart).max(0.0) };
                off * off / 2.0
            }).sum();
            let expected = sum / half as f64;
            let same = Tensor::from_slice(&same);
            let loss = contrastive(&rows(0), &rows(half), &same, distance, margin);
            let found = loss.double_value(&[]);
            prop_assert!((found - expected).abs() < 2e-3, "{distance}: {found} {expected}");
        }
    }
}

/// Two equal embeddings and nothing to pull on must not give infinite gradients.
#[test]
fn gradients_are_finite_where_embeddings_meet() {
    for distance in DISTANCES {
        let embeddings = Tensor::ones([6, DIM as i64], (Kind::Float, tch::Device::Cpu));
        let embeddings = embeddings.set_requires_grad(true);
        let labels = Labels {
            class: Tensor::from_slice(&[0i64, 0, 1, 1, 2, 2]),
            genuine: Tensor::from_slice(&[true; 6]),
        };
        batch_hard(&embeddings, &labels, distance, Margin::Soft).backward();
        assert!(
            embeddings.grad().isfinite().all().int64_value(&[]) == 1,
            "{distance}"
        );
    }
}
