//! The whole tower on new classes, at a small rate: it goes on from a run's weights with
//! a cosine classifier on top (see [`head::cosine`](crate::head::cosine)), which is
//! thrown away afterwards; the tower stays.
//!
//! Running statistics of batch norms stay as they are: those of a few samples would be
//! worse. Validation classes choose the epoch, the given weights among them.

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::checkpoint::Run;
use crate::config::{Augment, OptimizerConfig, RunConfig};
use crate::dataset::{Dataset, Kind as SampleKind, Part, Tensors};
use crate::tower::torch::{Mode, TorchTower};
use crate::train::augment::augment;
use crate::train::embed_all;
use crate::train::optimizer::Optimizer;
use crate::train::validate::Validation;

/// The scale that the classifier begins with (Gidaris and Komodakis, 2018).
const SCALE: f64 = 10.0;

/// Keeps divisions by a length of zero finite.
const EPSILON: f64 = 1e-12;

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Passes over the samples.
    pub epochs: usize,
    /// Of AdamW, constant.
    pub learning_rate: f64,
    /// Samples in a batch.
    pub batch: usize,
    /// Seed of everything random.
    pub seed: u64,
}

/// What an epoch came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1; 0 are the given weights.
    pub epoch: usize,
    /// Mean cross-entropy; 0 of epoch 0.
    pub loss: f64,
    /// Figure of merit on validation classes.
    pub validation: f64,
    /// What that figure is.
    pub figure: &'static str,
}

/// Trains on the training classes of `dataset`; a run of the best weights.
///
/// # Errors
/// When pictures cannot be read, there are fewer than two classes to learn or to validate
/// with, or training diverges.
pub fn finetune(
    base: &Run,
    dataset: &Dataset,
    options: &Options,
    device: Device,
    emit: &mut dyn FnMut(&Epoch),
) -> Result<Run> {
    tch::manual_seed(options.seed as i64);
    let config = &base.config;
    let part = |part| {
        let mut samples = dataset.split.samples(dataset, part);
        if part == Part::Train {
            let kind = |index: &u32| dataset.samples[*index as usize].kind;
            samples.retain(|index| kind(index) == SampleKind::Genuine);
        }
        Tensors::new(dataset, &samples, &config.preprocess)
    };
    let validation = Validation::new(part(Part::Validation)?, config.distance)?;
    let samples = part(Part::Train)?;
    let spec = config.tower.build()?;
    let tower = TorchTower::with_parameters(
        &spec.graph,
        spec.normalized,
        config.preprocess.quantization,
        &base.parameters,
        device,
    )?;
    let mut classifier = Classifier::new(&tower, &samples)?;
    let weight_decay = match config.training.optimizer {
        OptimizerConfig::AdamW { weight_decay } | OptimizerConfig::Sgd { weight_decay, .. } => {
            weight_decay
        }
    };
    let mut optimizer = Optimizer::new(
        OptimizerConfig::AdamW { weight_decay },
        tower.trainable().chain(classifier.trainable()),
    );
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut best = (base.parameters.clone(), f64::NEG_INFINITY);
    for epoch in 0..=options.epochs {
        let mut sum = 0.0;
        if epoch > 0 {
            let mut order: Vec<i64> = (0..samples.len() as i64).collect();
            order.shuffle(&mut random);
            for batch in order.chunks(options.batch) {
                let indices = Tensor::from_slice(batch).to_device(device);
                let loss = classifier.loss(&tower, &indices, &config.training.augment);
                loss.backward();
                let trainable = tower.trainable().chain(classifier.trainable());
                optimizer.step(trainable, options.learning_rate, config.training.clip_norm);
                sum += loss.double_value(&[]) * batch.len() as f64;
            }
        }
        let loss = sum / samples.len() as f64;
        ensure!(
            loss.is_finite(),
            "expected a finite loss, found {loss} in epoch {epoch}: lower --learning-rate"
        );
        let (merit, _) = validation.judge(&tower)?;
        if merit > best.1 {
            best = (tower.parameters()?, merit);
        }
        emit(&Epoch {
            epoch,
            loss,
            validation: merit,
            figure: validation.figure(),
        });
    }
    Ok(Run {
        config: RunConfig {
            dataset: dataset.name.clone(),
            terms: format!(
                "{}; trained before on {}: {}",
                dataset.terms, config.dataset, config.terms
            ),
            split_sha256: dataset.split.hash(&dataset.classes),
            ..config.clone()
        },
        parameters: best.0,
    })
}

/// Class weights, scale, and the samples to learn from.
#[derive(Debug)]
struct Classifier {
    /// uint8 `[n, 1, h, w]`.
    pixels: Tensor,
    /// int64 `[n]`, below the number of classes.
    classes: Tensor,
    /// `[classes, dim]`.
    weights: Tensor,
    /// `[]`.
    log_scale: Tensor,
}

impl Classifier {
    /// Begins at the class means of the tower's embeddings.
    fn new(tower: &TorchTower, samples: &Tensors) -> Result<Self> {
        let mut names = samples.classes.clone();
        names.dedup();
        ensure!(
            names.len() >= 2,
            "expected at least 2 training classes, found {}: add classes",
            names.len()
        );
        // Samples are ordered by class.
        let runs = samples.classes.chunk_by(|a, b| a == b);
        let classes: Vec<i64> = (0..)
            .zip(runs)
            .flat_map(|(class, run)| std::iter::repeat_n(class, run.len()))
            .collect();
        let device = tower.device();
        let classes = Tensor::from_slice(&classes).to_device(device);
        let embeddings = unit(&embed_all(tower, samples)?.to_device(device));
        let sums = Tensor::zeros(
            [names.len() as i64, embeddings.size()[1]],
            (Kind::Float, device),
        )
        .index_add(0, &classes, &embeddings);
        let log_scale = Tensor::from(SCALE.ln() as f32).to_device(device);
        let size = samples.preprocess;
        let shape = [
            samples.len() as i64,
            1,
            i64::from(size.height),
            i64::from(size.width),
        ];
        Ok(Self {
            pixels: Tensor::from_slice(&samples.pixels)
                .reshape(shape)
                .to_device(device),
            classes,
            weights: unit(&sums).detach().set_requires_grad(true),
            log_scale: log_scale.set_requires_grad(true),
        })
    }

    fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        [
            ("classifier.weight", &self.weights),
            ("classifier.log_scale", &self.log_scale),
        ]
        .into_iter()
    }

    /// The mean cross-entropy of a batch.
    fn loss(&mut self, tower: &TorchTower, indices: &Tensor, limits: &Augment) -> Tensor {
        let pixels = self.pixels.index_select(0, indices);
        let input = augment(&tower.dequantize(&pixels), limits);
        let embeddings = unit(&tower.forward(&input, Mode::Inference));
        let cosines = embeddings.matmul(&unit(&self.weights).transpose(0, 1));
        let logits = cosines * self.log_scale.exp();
        logits.cross_entropy_for_logits(&self.classes.index_select(0, indices))
    }
}

/// Rows scaled to unit length.
fn unit(rows: &Tensor) -> Tensor {
    rows * (rows.square().sum_dim_intlist(1, true, Kind::Float) + EPSILON).rsqrt()
}
