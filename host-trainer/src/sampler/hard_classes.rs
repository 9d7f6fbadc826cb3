//! P classes with K samples each, the classes in groups of ones that are hard to tell
//! apart.

use anyhow::{Result, ensure};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::p_by_k::PByK;
use crate::distance::unit;

/// How much of a class's centre a new batch leaves as it was.
const INERTIA: f64 = 0.5;

/// Draws a class at random and its nearest others with it, until the batch is full
/// (hard class mining: Sohn, "Improved deep metric learning with multi-class N-pair
/// loss objective", 2016, section 3.2.3; Suh et al., "Stochastic class-based hard
/// example mining", 2019). Where classes are is known from the embeddings of the
/// batches before: a running mean of each, on the device of the training.
///
/// Two classes that are one thing, as quarter turns of a symmetric character, are the
/// nearest of all: a training on Omniglot with turns got worse by it.
#[derive(Debug)]
pub struct HardClasses {
    p_by_k: PByK,
    group: usize,
    /// `[classes, d]`, zero for a class that was never drawn.
    centres: Tensor,
}

impl HardClasses {
    /// # Errors
    /// When a group is smaller than 2 or larger than the batch.
    pub fn new(p_by_k: PByK, group: usize, dim: usize, device: Device) -> Result<Self> {
        ensure!(
            (2..=p_by_k.classes()).contains(&group),
            "expected groups of 2 to {} classes, as many as a batch has, found {group}: \
             change training.sampler.group",
            p_by_k.classes()
        );
        let size = [p_by_k.population().len() as i64, dim as i64];
        Ok(Self {
            p_by_k,
            group,
            centres: Tensor::zeros(size, (Kind::Float, device)),
        })
    }

    /// One batch: indices of distinct samples.
    pub fn batch(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let all = self.p_by_k.population().len();
        let wanted = self.p_by_k.classes();
        let seeds = index::sample(random, all, wanted.div_ceil(self.group)).into_vec();
        let rows: Vec<i64> = seeds.iter().map(|&seed| seed as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.centres.device());
        // A few more than needed, as groups may overlap.
        let near = (2 * self.group).min(all) as i64;
        let directions = unit(&self.centres);
        let (_, nearest) = directions
            .index_select(0, &rows)
            .matmul(&directions.transpose(0, 1))
            .topk(near, 1, true, true);
        let nearest = nearest.to_device(Device::Cpu);
        let mut classes = seeds;
        for row in 0..nearest.size()[0] {
            let mut left = self.group - 1;
            for place in 0..near {
                let class = nearest.int64_value(&[row, place]) as usize;
                if left > 0 && classes.len() < wanted && !classes.contains(&class) {
                    classes.push(class);
                    left -= 1;
                }
            }
        }
        for class in index::sample(random, all, all) {
            if classes.len() == wanted {
                break;
            }
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        self.p_by_k.of_classes(&classes, random)
    }

    /// Moves the centres of classes towards the embeddings `[n, d]` of `samples`.
    pub fn observe(&mut self, samples: &[usize], embeddings: &Tensor) {
        // A forgery is not where its class is.
        let genuine = samples.iter().enumerate();
        let genuine = genuine.filter_map(|(row, &sample)| {
            let class = self.p_by_k.class_of(sample)?;
            Some((row as i64, class as i64))
        });
        let (rows, classes): (Vec<i64>, Vec<i64>) = genuine.unzip();
        let device = embeddings.device();
        let [rows, classes] = [rows, classes].map(|of| Tensor::from_slice(&of).to_device(device));
        tch::no_grad(|| {
            let units = unit(
                &embeddings
                    .detach()
                    .to_kind(Kind::Float)
                    .index_select(0, &rows),
            );
            let sums = self.centres.zeros_like().index_add(0, &classes, &units);
            let ones = Tensor::ones([units.size()[0], 1], (Kind::Float, device));
            let counts = Tensor::zeros([self.centres.size()[0], 1], (Kind::Float, device))
                .index_add(0, &classes, &ones);
            let means = sums / counts.clamp_min(1.0);
            // What was never seen has no centre to keep to.
            let is_new = self
                .centres
                .square()
                .sum_dim_intlist(1, true, Kind::Float)
                .eq(0.0);
            let moved = &self.centres * INERTIA + &means * (1.0 - INERTIA);
            let moved = means.where_self(&is_new, &moved);
            self.centres = moved.where_self(&counts.gt(0.0), &self.centres);
        });
    }

    /// Where classes are, `[classes, d]`.
    pub fn centres(&self) -> &Tensor {
        &self.centres
    }

    /// Goes on from earlier centres.
    pub fn restore(&mut self, centres: Tensor) {
        self.centres = centres.to_device(self.centres.device());
    }
}
