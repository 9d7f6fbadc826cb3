//! Koch's loss: logistic regression on a weighted Manhattan distance.

use tch::{Device, Kind, Reduction, Tensor};

/// `p = sigmoid(bias - sum over j of alpha_j |a_j - b_j|)`, the cross-entropy of which
/// with "same class" is minimised (Koch, Zemel, Salakhutdinov, "Siamese neural networks
/// for one-shot image recognition", 2015, section 3.1 and 3.2). The weights are kept
/// positive, `alpha = softplus(raw)`, so that `d = sum alpha_j |a_j - b_j|` is a
/// distance: that of embeddings scaled by `alpha`, which is what the device compares.
#[derive(Debug)]
pub struct WeightedL1 {
    raw: Tensor,
    bias: Tensor,
}

impl WeightedL1 {
    /// All weights 1, bias 0.
    pub fn new(dim: i64, device: Device) -> Self {
        let options = (Kind::Float, device);
        // softplus(ln(e - 1)) = 1.
        let one = (core::f64::consts::E - 1.0).ln();
        Self {
            raw: Tensor::full([dim], one, options).set_requires_grad(true),
            bias: Tensor::zeros([1], options).set_requires_grad(true),
        }
    }

    /// `alpha` `[d]`, positive.
    pub fn weights(&self) -> Tensor {
        self.raw.softplus()
    }

    /// The mean over pairs. `left` and `right` `[n, d]`, `same` `[n]` bool; a scalar.
    pub fn of(&self, left: &Tensor, right: &Tensor, same: &Tensor) -> Tensor {
        let distances = (left - right).abs().matmul(&self.weights());
        let logits = &self.bias - distances;
        let none = None::<&Tensor>;
        logits.binary_cross_entropy_with_logits(
            &same.to_kind(Kind::Float),
            none,
            none,
            Reduction::Mean,
        )
    }

    /// What is learnt, by name.
    pub fn trainable(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("loss.components", &self.raw), ("loss.bias", &self.bias)]
    }
}
