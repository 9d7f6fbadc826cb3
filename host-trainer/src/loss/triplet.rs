//! Triplet loss with batch-hard mining.

use serde::{Deserialize, Serialize};
use shared::Distance;
use tch::Tensor;

use super::Labels;
use crate::distance::all_pairs;

/// How a triplet's violation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Margin {
    /// `max(0, d(a, p) - d(a, n) + margin)` (Schroff et al., "FaceNet", 2015, eq. 1).
    Hard(f64),
    /// `ln(1 + exp(d(a, p) - d(a, n)))` (Hermans et al., "In defense of the triplet
    /// loss for person re-identification", 2017, section 2).
    Soft,
}

/// Batch-hard triplet loss (Hermans et al., 2017, eq. 5): every genuine sample is an
/// anchor with its farthest positive and its nearest negative; the mean over the
/// anchors that have both. Embeddings `[n, d]`; a scalar.
pub fn batch_hard(
    embeddings: &Tensor,
    labels: &Labels,
    distance: Distance,
    margin: Margin,
) -> Tensor {
    let distances = all_pairs(distance, embeddings, embeddings);
    let (positives, negatives) = (labels.positives(), labels.negatives());
    let farthest = distances
        .masked_fill(&positives.logical_not(), f64::NEG_INFINITY)
        .amax([1], false);
    let nearest = distances
        .masked_fill(&negatives.logical_not(), f64::INFINITY)
        .amin([1], false);
    let anchors = positives
        .any_dim(1, false)
        .logical_and(&negatives.any_dim(1, false));
    let gap = farthest.masked_select(&anchors) - nearest.masked_select(&anchors);
    let losses = match margin {
        Margin::Hard(margin) => (gap + margin).relu(),
        Margin::Soft => gap.softplus(),
    };
    losses.mean(tch::Kind::Float)
}
