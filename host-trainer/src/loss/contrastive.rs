//! Contrastive loss over pairs.

use shared::Distance;
use tch::{Kind, Tensor};

use crate::distance::row_wise;
use crate::loss::masked_mean;
use crate::miner::Mined;

/// Contrastive loss (Hadsell, Chopra, LeCun, "Dimensionality reduction by learning
/// an invariant mapping", 2006, eq. 4): the mean over pairs of `max(0, d - m+)^2 / 2`
/// for one class and `max(0, m- - d)^2 / 2` for two, `margins` `[m+, m-]`; the paper has
/// `m+` 0. `left` and `right` are `[n, d]`, `same` is `[n]` bool; a scalar.
pub fn pairs(
    left: &Tensor,
    right: &Tensor,
    same: &Tensor,
    distance: Distance,
    margins: [f64; 2],
) -> Tensor {
    let [together, apart] = costs(&row_wise(distance, left, right), margins);
    together.where_self(same, &apart).mean(Kind::Float)
}

/// The same over mined pairs of `distances` `[n, n]`: the mean over positives plus the
/// mean over negatives, halved, so that the many negatives do not drown the others.
pub fn mined(distances: &Tensor, mined: &Mined, margins: [f64; 2]) -> Tensor {
    let (positives, negatives) = mined.pairs();
    let [together, apart] = costs(distances, margins);
    (masked_mean(&together, &positives) + masked_mean(&apart, &negatives)) * 0.5
}

fn costs(distances: &Tensor, [positive, negative]: [f64; 2]) -> [Tensor; 2] {
    [
        (distances - positive).relu().square() * 0.5,
        (negative - distances).relu().square() * 0.5,
    ]
}
