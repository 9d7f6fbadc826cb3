//! Which pairs and triplets of a batch are worth learning from.

use shared::Distance;
use tch::{Kind, Tensor};

use crate::config::Miner;
use crate::loss::{Labels, cosines};

/// What a miner chose of a batch of `n` samples.
#[derive(Debug)]
pub enum Mined {
    /// `[n, n]` bool each: anchor by row, other by column.
    Pairs {
        /// Of one class.
        positives: Tensor,
        /// Of two.
        negatives: Tensor,
    },
    /// `[t]` int64 each: indices into the batch.
    Triplets {
        /// The batch's size.
        samples: i64,
        /// Anchors.
        anchors: Tensor,
        /// Of the anchor's class.
        positives: Tensor,
        /// Of another.
        negatives: Tensor,
    },
}

impl Mined {
    /// Positive and negative pairs, `[n, n]` bool; of triplets those that they hold.
    pub fn pairs(&self) -> (Tensor, Tensor) {
        match self {
            Self::Pairs {
                positives,
                negatives,
            } => (positives.shallow_clone(), negatives.shallow_clone()),
            Self::Triplets {
                samples,
                anchors,
                positives,
                negatives,
            } => {
                let mask = |others: &Tensor| {
                    let places = anchors * *samples + others;
                    let mask = Tensor::zeros([samples * samples], (Kind::Bool, others.device()));
                    let mask = mask.index_fill(0, &places, 1.0);
                    mask.reshape([*samples, *samples])
                };
                (mask(positives), mask(negatives))
            }
        }
    }
}

/// Chooses from all pairs of a batch. `distances` `[n, n]` between embeddings of `dim`
/// components; no gradient flows through the choice.
pub fn mine(
    miner: Miner,
    distances: &Tensor,
    distance: Distance,
    dim: i64,
    labels: &Labels,
) -> Mined {
    let distances = distances.detach();
    let (positives, negatives) = (labels.positives(), labels.negatives());
    match miner {
        Miner::All => Mined::Pairs {
            positives,
            negatives,
        },
        Miner::BatchHard => batch_hard(&distances, &positives, &negatives),
        Miner::SemiHard => semi_hard(&distances, &positives, &negatives),
        Miner::DistanceWeighted => {
            let cosines = cosines(distance, &distances);
            distance_weighted(&cosines, dim, &positives, &negatives)
        }
        Miner::MultiSimilarity => {
            let cosines = cosines(distance, &distances);
            multi_similarity(&cosines, &positives, &negatives)
        }
    }
}

/// Of each anchor its farthest positive and its nearest negative, where it has both
/// (Hermans et al., "In defense of the triplet loss for person re-identification",
/// 2017, eq. 5).
fn batch_hard(distances: &Tensor, positives: &Tensor, negatives: &Tensor) -> Mined {
    let farthest = distances
        .masked_fill(&positives.logical_not(), f64::NEG_INFINITY)
        .argmax(1, false);
    let nearest = distances
        .masked_fill(&negatives.logical_not(), f64::INFINITY)
        .argmin(1, false);
    let both = positives
        .any_dim(1, false)
        .logical_and(&negatives.any_dim(1, false));
    let anchors = both.nonzero().squeeze_dim(1);
    Mined::Triplets {
        samples: distances.size()[0],
        positives: farthest.index_select(0, &anchors),
        negatives: nearest.index_select(0, &anchors),
        anchors,
    }
}

/// Anchor and positive of every positive pair whose anchor has a negative.
fn positive_pairs(positives: &Tensor, negatives: &Tensor) -> (Tensor, Tensor) {
    let pairs = positives.logical_and(&negatives.any_dim(1, true)).nonzero();
    (pairs.select(1, 0), pairs.select(1, 1))
}

/// Of each positive pair the nearest negative that is farther than the positive; where
/// there is none, the farthest negative (Schroff et al., "FaceNet", 2015, section 3.2,
/// with the fallback of their published code).
fn semi_hard(distances: &Tensor, positives: &Tensor, negatives: &Tensor) -> Mined {
    let (anchors, others) = positive_pairs(positives, negatives);
    let rows = distances.index_select(0, &anchors);
    let negatives = negatives.index_select(0, &anchors);
    let own = rows.gather(1, &others.unsqueeze(1), false);
    let farther = negatives.logical_and(&rows.gt_tensor(&own));
    let nearest = rows
        .masked_fill(&farther.logical_not(), f64::INFINITY)
        .argmin(1, false);
    let farthest = rows
        .masked_fill(&negatives.logical_not(), f64::NEG_INFINITY)
        .argmax(1, false);
    Mined::Triplets {
        samples: distances.size()[0],
        anchors,
        positives: others,
        negatives: nearest.where_self(&farther.any_dim(1, false), &farthest),
    }
}

/// Of each positive pair a negative, drawn with weight `1 / q(d)`, `q` the density of
/// the distance `d` between random points of a sphere (Wu et al., "Sampling matters in
/// deep embedding learning", 2017, section 4): `q(d) ~ d^(dim - 2)
/// (1 - d^2 / 4)^((dim - 3) / 2)`, distances below 0.5 counted as 0.5 and negatives
/// beyond 1.4 left out unless there are no others.
fn distance_weighted(cosines: &Tensor, dim: i64, positives: &Tensor, negatives: &Tensor) -> Mined {
    let (anchors, others) = positive_pairs(positives, negatives);
    let squares: Tensor = 2.0 - cosines * 2.0;
    let squares = squares.clamp(0.25, 3.99);
    let dim = dim as f64;
    let cap: Tensor = 1.0 - &squares * 0.25;
    let log_density = squares.log() * ((dim - 2.0) / 2.0) + cap.log() * ((dim - 3.0) / 2.0);
    let near = squares.lt(1.4 * 1.4).logical_and(negatives);
    let allowed = near.where_self(&near.any_dim(1, true), negatives);
    let logits = (-log_density).masked_fill(&allowed.logical_not(), f64::NEG_INFINITY);
    let rows = logits.index_select(0, &anchors);
    // The largest of logits plus Gumbel noise is a draw from their softmax.
    let uniform = rows.empty_like().uniform(1e-7, 1.0 - 1e-7);
    let drawn = (rows - (-uniform.log()).log()).argmax(1, false);
    Mined::Triplets {
        samples: cosines.size()[0],
        anchors,
        positives: others,
        negatives: drawn,
    }
}

/// Negatives that are more alike than the anchor's least alike positive less a margin
/// of 0.1, and positives less alike than its most alike negative plus that margin
/// (Wang et al., "Multi-similarity loss", 2019, eq. 11 and 12).
fn multi_similarity(cosines: &Tensor, positives: &Tensor, negatives: &Tensor) -> Mined {
    const MARGIN: f64 = 0.1;
    let least_alike = cosines
        .masked_fill(&positives.logical_not(), f64::INFINITY)
        .amin([1], true);
    let most_alike = cosines
        .masked_fill(&negatives.logical_not(), f64::NEG_INFINITY)
        .amax([1], true);
    Mined::Pairs {
        negatives: negatives.logical_and(&cosines.gt_tensor(&(least_alike - MARGIN))),
        positives: positives.logical_and(&cosines.lt_tensor(&(most_alike + MARGIN))),
    }
}
