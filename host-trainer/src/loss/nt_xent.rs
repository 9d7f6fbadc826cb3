//! Softmax over similarities: N-pair loss, InfoNCE, NT-Xent.

use tch::Tensor;

use crate::loss::masked_mean;
use crate::miner::Mined;

/// Normalised temperature-scaled cross-entropy (Sohn, "Improved deep metric learning
/// with multi-class N-pair loss objective", 2016, eq. 4; van den Oord et al., 2018;
/// Chen et al., "SimCLR", 2020, eq. 1): with `s = -d / temperature`, the mean over
/// positive pairs of `-ln(exp s(a, p) / (exp s(a, p) + sum over n of exp s(a, n)))`.
/// Where an anchor has several positives each has its own term, and the others are not
/// in its denominator. `distances` `[n, n]`; a scalar.
///
/// For cosine distance, and squared Euclidean distance of unit vectors, `s` is a cosine
/// over the temperature (over half of it), up to a constant that cancels.
pub fn nt_xent(distances: &Tensor, mined: &Mined, temperature: f64) -> Tensor {
    let (positives, negatives) = mined.pairs();
    let similarities = distances * (-1.0 / temperature);
    let others = similarities
        .masked_fill(&negatives.logical_not(), f64::NEG_INFINITY)
        .logsumexp([1], true);
    // An anchor without negatives has nothing to be told apart from.
    let anchors = negatives.any_dim(1, true);
    let costs = (others - similarities).softplus();
    masked_mean(&costs, &positives.logical_and(&anchors))
}
