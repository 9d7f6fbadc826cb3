//! Triplet loss.

use tch::{Kind, Tensor};

use crate::miner::Mined;

/// How a triplet's violation is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// `max(0, d(a, p) - d(a, n) + margin)` (Schroff et al., "FaceNet", 2015, eq. 1).
    Hard(f64),
    /// `ln(1 + exp(d(a, p) - d(a, n)))` (Hermans et al., "In defense of the triplet
    /// loss for person re-identification", 2017, section 2).
    Soft,
}

/// The mean over mined triplets of `distances` `[n, n]`; a scalar. Mined pairs stand for
/// the triplets of an anchor's every positive with its every negative, of which those
/// that cost nothing do not count in the mean (Hermans et al., 2017, section 2: BA≠0).
pub fn triplet(distances: &Tensor, mined: &Mined, margin: Margin) -> Tensor {
    match mined {
        Mined::Triplets {
            anchors,
            positives,
            negatives,
            ..
        } => {
            let chosen = |other: &Tensor| {
                let rows = distances.index_select(0, anchors);
                rows.gather(1, &other.unsqueeze(1), false).squeeze_dim(1)
            };
            let costs = cost(&(chosen(positives) - chosen(negatives)), margin);
            costs.sum(Kind::Float) / costs.numel().max(1) as f64
        }
        Mined::Pairs {
            positives,
            negatives,
        } => {
            let gaps = distances.unsqueeze(2) - distances.unsqueeze(1);
            let triplets = positives.unsqueeze(2).logical_and(&negatives.unsqueeze(1));
            let costs = cost(&gaps.masked_select(&triplets), margin);
            let counted = costs.gt(0.0).sum(Kind::Float).clamp_min(1.0);
            costs.sum(Kind::Float) / counted
        }
    }
}

fn cost(gaps: &Tensor, margin: Margin) -> Tensor {
    match margin {
        Margin::Hard(margin) => (gaps + margin).relu(),
        Margin::Soft => gaps.softplus(),
    }
}
