//! Prototypical loss over episodes.

use shared::Distance;
use tch::{Kind, Reduction, Tensor};

use crate::distance::all_pairs;

/// Prototypical networks (Snell, Swersky, Zemel, 2017, eq. 1 to 2): the cross-entropy
/// of queries under the softmax of `-scale * d(query, prototype)`, a prototype being
/// the mean of a class's shots. The paper has squared Euclidean distances and scale 1.
/// `embeddings` `[ways * (shots + queries), d]`, class after class, shots first; a
/// scalar.
pub fn prototypical(
    embeddings: &Tensor,
    ways: i64,
    shots: i64,
    distance: Distance,
    scale: f64,
) -> Tensor {
    let dim = embeddings.size()[1];
    let classes = embeddings.reshape([ways, -1, dim]);
    let queries = classes.size()[1] - shots;
    let prototypes = classes
        .narrow(1, 0, shots)
        .mean_dim([1i64].as_slice(), false, Kind::Float);
    let probes = classes.narrow(1, shots, queries).reshape([-1, dim]);
    let logits = all_pairs(distance, &probes, &prototypes) * -scale;
    let own = Tensor::arange(ways, (Kind::Int64, embeddings.device()));
    let own = own.repeat_interleave_self_int(queries, None, None);
    logits.cross_entropy_loss(&own, None::<&Tensor>, Reduction::Mean, -100, 0.0)
}
