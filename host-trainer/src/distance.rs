//! Distances between batches of embeddings, as tensors with gradients.

use shared::Distance;
use tch::{Kind, Tensor};

/// Keeps square roots differentiable at zero.
const EPSILON: f64 = 1e-12;

/// All distances between rows: `a` `[n, d]`, `b` `[m, d]` to `[n, m]`. The formulas
/// are those of [`Distance`].
pub fn all_pairs(distance: Distance, a: &Tensor, b: &Tensor) -> Tensor {
    match distance {
        Distance::Euclidean => (squared(a, b) + EPSILON).sqrt(),
        Distance::SquaredEuclidean => squared(a, b),
        Distance::Cosine => 1.0 - unit(a).matmul(&unit(b).transpose(0, 1)),
        Distance::Manhattan => {
            (a.unsqueeze(1) - b.unsqueeze(0))
                .abs()
                .sum_dim_intlist(2, false, Kind::Float)
        }
    }
}

/// Distances between corresponding rows: `a` and `b` `[n, d]` to `[n]`.
pub fn row_wise(distance: Distance, a: &Tensor, b: &Tensor) -> Tensor {
    let sum = |tensor: Tensor| tensor.sum_dim_intlist(1, false, Kind::Float);
    match distance {
        Distance::Euclidean => (sum((a - b).square()) + EPSILON).sqrt(),
        Distance::SquaredEuclidean => sum((a - b).square()),
        Distance::Cosine => 1.0 - sum(unit(a) * unit(b)),
        Distance::Manhattan => sum((a - b).abs()),
    }
}

/// `|a|^2 + |b|^2 - 2 a.b`, kept from falling below zero by rounding.
fn squared(a: &Tensor, b: &Tensor) -> Tensor {
    let squares = |t: &Tensor| t.square().sum_dim_intlist(1, true, Kind::Float);
    let product = a.matmul(&b.transpose(0, 1));
    (squares(a) + squares(b).transpose(0, 1) - product * 2.0).clamp_min(0.0)
}

/// Rows `[n, d]` scaled to unit length; zeros stay.
pub(crate) fn unit(a: &Tensor) -> Tensor {
    a * (a.square().sum_dim_intlist(1, true, Kind::Float) + EPSILON).rsqrt()
}
