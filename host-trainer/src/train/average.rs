//! The running mean of a tower's weights, which errs less than the weights themselves.

use std::collections::BTreeMap;

use tch::Tensor;

/// `mean <- decay mean + (1 - decay) weights` after every step (Polyak and Juditsky,
/// "Acceleration of stochastic approximation by averaging", 1992; Tarvainen and
/// Valpola, "Mean teachers are better role models", 2017). The decay begins small,
/// `(1 + t) / (10 + t)`, so that the first weights are forgotten.
#[derive(Debug)]
pub struct Average {
    decay: f64,
    steps: usize,
    means: BTreeMap<String, Tensor>,
}

impl Average {
    /// A mean that begins at `tensors`.
    pub fn new<'a>(decay: f64, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Self {
        Self {
            decay,
            steps: 0,
            means: tensors
                .map(|(name, tensor)| (name.to_owned(), tensor.detach().copy()))
                .collect(),
        }
    }

    /// Takes in the weights after a step.
    pub fn update<'a>(&mut self, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) {
        self.steps += 1;
        let early = (1 + self.steps) as f64 / (10 + self.steps) as f64;
        let decay = self.decay.min(early);
        tch::no_grad(|| {
            for (name, tensor) in tensors {
                if let Some(mean) = self.means.get_mut(name) {
                    let _ = mean.lerp_(&tensor.detach(), 1.0 - decay);
                }
            }
        });
    }

    /// The means, by name.
    pub fn means(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.means
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Steps taken in.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Goes on from earlier means after `steps`.
    pub fn restore(&mut self, steps: usize, mut take: impl FnMut(&str) -> Option<Tensor>) {
        self.steps = steps;
        for (name, mean) in &mut self.means {
            if let Some(tensor) = take(name) {
                tch::no_grad(|| mean.copy_(&tensor));
            }
        }
    }
}
