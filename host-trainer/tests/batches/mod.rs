//! Batches at random, and what loops over them find.
#![allow(dead_code, reason = "no program of the tests needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use host_trainer::config::Miner;
use host_trainer::distance::all_pairs;
use host_trainer::loss::Labels;
use host_trainer::loss::triplet::Margin;
use host_trainer::miner::{Mined, mine};
use proptest::prelude::*;
use shared::{Distance, Embedding};
use tch::Tensor;

pub(crate) const DIM: usize = 5;
pub(crate) const DISTANCES: [Distance; 4] = [
    Distance::Euclidean,
    Distance::SquaredEuclidean,
    Distance::Cosine,
    Distance::Manhattan,
];

/// A batch: embeddings, classes, whether genuine.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) values: Vec<f32>,
    pub(crate) classes: Vec<i64>,
    pub(crate) genuine: Vec<bool>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.classes.len()
    }

    pub(crate) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * DIM..(index + 1) * DIM]
    }

    pub(crate) fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).reshape([self.len() as i64, DIM as i64])
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels {
            class: Tensor::from_slice(&self.classes),
            genuine: Tensor::from_slice(&self.genuine),
        }
    }

    /// The distance that devices compute, the oracle here.
    pub(crate) fn distance(&self, distance: Distance, a: usize, b: usize) -> f64 {
        let [a, b] = [a, b].map(|index| Embedding::Float(self.row(index)));
        f64::from(distance.between(a, b).unwrap())
    }
}

pub(crate) fn batches() -> impl Strategy<Value = Batch> {
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

pub(crate) fn margins() -> impl Strategy<Value = Margin> {
    prop_oneof![Just(Margin::Soft), (0.05f64..2.0).prop_map(Margin::Hard)]
}

/// Pairs of a batch by their labels: anchor, other, whether of one class.
pub(crate) fn pairs(batch: &Batch) -> Vec<(usize, usize, bool)> {
    let anchors = (0..batch.len()).filter(|&anchor| batch.genuine[anchor]);
    anchors
        .flat_map(|anchor| {
            let others = (0..batch.len()).filter(move |&other| other != anchor);
            others.map(move |other| {
                let same = batch.genuine[other] && batch.classes[other] == batch.classes[anchor];
                (anchor, other, same)
            })
        })
        .collect()
}

pub(crate) fn others(batch: &Batch, anchor: usize, same: bool) -> Vec<usize> {
    let of = pairs(batch).into_iter();
    of.filter(|&(a, _, s)| a == anchor && s == same)
        .map(|(_, other, _)| other)
        .collect()
}

/// What a miner chose, in order: anchor, positive, negative.
pub(crate) fn triplets(mined: &Mined) -> Vec<[usize; 3]> {
    let Mined::Triplets {
        anchors,
        positives,
        negatives,
        ..
    } = mined
    else {
        panic!("expected triplets, found {mined:?}");
    };
    let at = |tensor: &Tensor, index| tensor.int64_value(&[index]) as usize;
    (0..anchors.size()[0])
        .map(|index| [anchors, positives, negatives].map(|tensor| at(tensor, index)))
        .collect()
}

pub(crate) fn chosen(mask: &Tensor) -> Vec<(usize, usize)> {
    let places = mask.nonzero();
    (0..places.size()[0])
        .map(|row| {
            let at = |column| places.int64_value(&[row, column]) as usize;
            (at(0), at(1))
        })
        .collect()
}

pub(crate) fn mined(batch: &Batch, distance: Distance, miner: Miner) -> (Tensor, Mined) {
    let distances = all_pairs(distance, &batch.tensor(), &batch.tensor());
    let mined = mine(miner, &distances, distance, DIM as i64, &batch.labels());
    (distances, mined)
}

pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A tensor's number, against what a loop found; nothing to learn from costs nothing.
pub(crate) fn agrees(
    found: &Tensor,
    expected: Option<f64>,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let found = found.double_value(&[]);
    match expected {
        Some(expected) => prop_assert!(
            (found - expected).abs() < tolerance * (1.0 + expected.abs()),
            "{found} {expected}"
        ),
        None => prop_assert!(found == 0.0, "{found}"),
    }
    Ok(())
}

pub(crate) fn cost(gap: f64, margin: Margin) -> f64 {
    match margin {
        Margin::Hard(margin) => (gap + margin).max(0.0),
        Margin::Soft => gap.exp().ln_1p(),
    }
}

pub(crate) fn cosine(batch: &Batch, a: usize, b: usize) -> f64 {
    1.0 - batch.distance(Distance::Cosine, a, b)
}

pub(crate) fn unit(row: &[f32]) -> Vec<f64> {
    let length = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    row.iter()
        .map(|&v| f64::from(v) / (length + 1e-12).sqrt())
        .collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `-ln softmax(logits)[own]`.
pub(crate) fn cross_entropy(logits: &[f64], own: usize) -> f64 {
    logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[own]
}
