//! Multi-similarity loss.

use tch::Tensor;

use crate::loss::masked_mean;
use crate::miner::Mined;

/// Multi-similarity loss (Wang et al., "Multi-similarity loss with general pair
/// weighting for deep metric learning", 2019, eq. 15): the mean over anchors of
/// `ln(1 + sum over p of exp(-alpha (s - base))) / alpha` plus
/// `ln(1 + sum over n of exp(beta (s - base))) / beta`, over mined pairs of `cosines`
/// `[n, n]`. Anchors that the miner left without any pair do not count.
pub fn multi_similarity(cosines: &Tensor, mined: &Mined, [alpha, beta, base]: [f64; 3]) -> Tensor {
    let (positives, negatives) = mined.pairs();
    let soft = |steepness: f64, mask: &Tensor| {
        let scaled =
            ((cosines - base) * steepness).masked_fill(&mask.logical_not(), f64::NEG_INFINITY);
        // The 1 in the logarithm is a further term of exponent 0.
        let zero = scaled.select(1, 0).zeros_like().unsqueeze(1);
        Tensor::cat(&[scaled, zero], 1).logsumexp([1], false) / steepness.abs()
    };
    let costs = soft(-alpha, &positives) + soft(beta, &negatives);
    let anchors = positives
        .any_dim(1, false)
        .logical_or(&negatives.any_dim(1, false));
    masked_mean(&costs, &anchors)
}
