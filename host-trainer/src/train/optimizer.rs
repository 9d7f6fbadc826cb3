//! How gradients become steps, with the optimizer's state in reach, so that a run can
//! be continued.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use tch::{Kind, Tensor};

use crate::config::OptimizerConfig;

const BETA: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019), or
/// stochastic gradient descent with Nesterov's momentum (Sutskever et al., "On the
/// importance of initialization and momentum in deep learning", 2013) and the same
/// decoupled decay. Decay applies to filters, not to biases and scales.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    steps: i32,
    /// Of each trained tensor: both moments of AdamW, the velocity of the other.
    moments: BTreeMap<String, Vec<Tensor>>,
}

impl Optimizer {
    /// An optimizer for `trainable`.
    pub fn new<'a>(
        config: OptimizerConfig,
        trainable: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    ) -> Self {
        let count = match config {
            OptimizerConfig::AdamW { .. } => 2,
            OptimizerConfig::Sgd { .. } => 1,
        };
        let zeros = |tensor: &Tensor| (0..count).map(|_| tensor.detach().zeros_like()).collect();
        Self {
            config,
            steps: 0,
            moments: trainable
                .into_iter()
                .map(|(name, tensor)| (name.to_owned(), zeros(tensor)))
                .collect(),
        }
    }

    /// One update from the gradients, which are scaled down together to at most
    /// `clip_norm` first; they are cleared. The norm before clipping.
    pub fn step<'a>(
        &mut self,
        trainable: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
        learning_rate: f64,
        clip_norm: f64,
    ) -> f64 {
        self.steps += 1;
        // A tensor that the loss did not reach has no gradient.
        let tensors: Vec<_> = trainable
            .into_iter()
            .map(|(name, tensor)| (name, tensor, tensor.grad()))
            .filter(|(.., gradient)| gradient.defined())
            .collect();
        let squares: Vec<Tensor> = tensors
            .iter()
            .map(|(.., gradient)| gradient.square().sum(Kind::Float))
            .collect();
        let norm = Tensor::stack(&squares, 0)
            .sum(Kind::Float)
            .sqrt()
            .double_value(&[]);
        let factor = (clip_norm / (norm + 1e-6)).min(1.0);
        tch::no_grad(|| {
            for (name, tensor, mut gradient) in tensors {
                if let Some(moments) = self.moments.get_mut(name) {
                    let scaled = &gradient * factor;
                    update(
                        self.config,
                        self.steps,
                        tensor,
                        &scaled,
                        moments,
                        learning_rate,
                    );
                }
                let _ = gradient.zero_();
            }
        });
        norm
    }

    /// What continuing needs, by name.
    pub fn state(&self) -> (i32, impl Iterator<Item = (String, &Tensor)>) {
        let moments = self.moments.iter().flat_map(|(name, moments)| {
            let numbered = moments.iter().enumerate();
            numbered.map(move |(index, tensor)| (format!("moment{index}/{name}"), tensor))
        });
        (self.steps, moments)
    }

    /// Continues from an earlier [`state`](Self::state); `take` gives its tensors.
    ///
    /// # Errors
    /// When one is missing.
    pub fn restore(
        &mut self,
        steps: i32,
        mut take: impl FnMut(&str) -> Option<Tensor>,
    ) -> Result<()> {
        for (name, moments) in &mut self.moments {
            for (index, moment) in moments.iter_mut().enumerate() {
                let name = format!("moment{index}/{name}");
                let tensor = take(&name).with_context(|| format!("expected {name}, found none"))?;
                tch::no_grad(|| moment.f_copy_(&tensor))
                    .with_context(|| format!("expected {name} of the tower's shape"))?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

fn update(
    config: OptimizerConfig,
    steps: i32,
    tensor: &Tensor,
    gradient: &Tensor,
    moments: &mut [Tensor],
    learning_rate: f64,
) {
    let mut tensor = tensor.shallow_clone();
    let decay = match config {
        OptimizerConfig::AdamW { weight_decay } | OptimizerConfig::Sgd { weight_decay, .. } => {
            weight_decay
        }
    };
    if tensor.dim() > 1 && decay > 0.0 {
        let _ = tensor.g_mul_scalar_(1.0 - learning_rate * decay);
    }
    match (config, moments) {
        (OptimizerConfig::AdamW { .. }, [first, second]) => {
            let corrections = (1.0 - BETA.0.powi(steps), 1.0 - BETA.1.powi(steps));
            let _ = first
                .g_mul_scalar_(BETA.0)
                .g_add_(&(gradient * (1.0 - BETA.0)));
            let _ = second
                .g_mul_scalar_(BETA.1)
                .g_add_(&(gradient.square() * (1.0 - BETA.1)));
            let denominator = (&*second / corrections.1).sqrt() + EPSILON;
            let _ = tensor.g_sub_(&(&*first / denominator * (learning_rate / corrections.0)));
        }
        (OptimizerConfig::Sgd { momentum, .. }, [velocity, ..]) => {
            let _ = velocity.g_mul_scalar_(momentum).g_add_(gradient);
            let ahead = gradient + &*velocity * momentum;
            let _ = tensor.g_sub_(&(ahead * learning_rate));
        }
        _ => {}
    }
}
