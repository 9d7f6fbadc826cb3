//! Contrastive loss over pairs.

use shared::Distance;
use tch::{Kind, Tensor};

use crate::distance::row_wise;

/// Contrastive loss (Hadsell, Chopra, LeCun, "Dimensionality reduction by learning
/// an invariant mapping", 2006, eq. 4): the mean over pairs of `d^2 / 2` for one
/// class and `max(0, margin - d)^2 / 2` for two. `left` and `right` are `[n, d]`,
/// `same` is `[n]` bool; a scalar.
pub fn contrastive(
    left: &Tensor,
    right: &Tensor,
    same: &Tensor,
    distance: Distance,
    margin: f64,
) -> Tensor {
    let distances = row_wise(distance, left, right);
    let together = distances.square();
    let apart = (margin - distances).relu().square();
    together.where_self(same, &apart).mean(Kind::Float) * 0.5
}
