//! AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019),
//! with its state in reach, so that a run can be continued.

use std::collections::BTreeMap;

use tch::Tensor;

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// First and second moments of every trained tensor.
#[derive(Debug)]
pub struct AdamW {
    weight_decay: f64,
    steps: i32,
    moments: BTreeMap<String, (Tensor, Tensor)>,
}

impl AdamW {
    /// An optimizer for `trainable`. Decay applies to filters, not to biases and scales.
    pub fn new<'a>(
        trainable: impl Iterator<Item = (&'a str, &'a Tensor)>,
        weight_decay: f64,
    ) -> Self {
        let zeros = |tensor: &Tensor| tensor.detach().zeros_like();
        Self {
            weight_decay,
            steps: 0,
            moments: trainable
                .map(|(name, tensor)| (name.to_owned(), (zeros(tensor), zeros(tensor))))
                .collect(),
        }
    }

    /// One update from the gradients, which are scaled down together to at most
    /// `clip_norm` first; they are cleared. The norm before clipping.
    pub fn step<'a>(
        &mut self,
        trainable: impl Iterator<Item = (&'a str, &'a Tensor)>,
        learning_rate: f64,
        clip_norm: f64,
    ) -> f64 {
        self.steps += 1;
        let corrections = (1.0 - BETA.0.powi(self.steps), 1.0 - BETA.1.powi(self.steps));
        let tensors: Vec<_> = trainable.collect();
        let squares: Vec<Tensor> = tensors
            .iter()
            .map(|(_, tensor)| tensor.grad().square().sum(tch::Kind::Float))
            .collect();
        let norm = Tensor::stack(&squares, 0)
            .sum(tch::Kind::Float)
            .sqrt()
            .double_value(&[]);
        let factor = (clip_norm / (norm + 1e-6)).min(1.0);
        tch::no_grad(|| {
            for (name, tensor) in tensors {
                let Some((first, second)) = self.moments.get_mut(name) else {
                    continue;
                };
                let mut gradient = tensor.grad();
                let scaled = &gradient * factor;
                let _ = first
                    .g_mul_scalar_(BETA.0)
                    .g_add_(&(&scaled * (1.0 - BETA.0)));
                let _ = second
                    .g_mul_scalar_(BETA.1)
                    .g_add_(&(scaled.square() * (1.0 - BETA.1)));
                let denominator = (&*second / corrections.1).sqrt() + EPSILON;
                let mut tensor = tensor.shallow_clone();
                if tensor.dim() > 1 {
                    let _ = tensor.g_mul_scalar_(1.0 - learning_rate * self.weight_decay);
                }
                let _ = tensor.g_sub_(&(&*first / denominator * (learning_rate / corrections.0)));
                let _ = gradient.zero_();
            }
        });
        norm
    }

    /// Steps done so far, and the moments by name, `first` and `second` of each.
    pub fn state(&self) -> (i32, impl Iterator<Item = (&str, &Tensor, &Tensor)>) {
        let moments = self
            .moments
            .iter()
            .map(|(name, (first, second))| (name.as_str(), first, second));
        (self.steps, moments)
    }

    /// Continues from an earlier [`state`](Self::state).
    pub fn restore(&mut self, steps: i32, moments: BTreeMap<String, (Tensor, Tensor)>) {
        self.steps = steps;
        self.moments = moments;
    }
}
