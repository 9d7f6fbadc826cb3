//! The whole tower on new classes, at a small rate: it goes on from a run's weights with
//! a cosine classifier on top, which is thrown away afterwards; the tower stays.
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
use crate::config::{OptimizerConfig, RunConfig};
use crate::dataset::{Dataset, Kind as SampleKind, Part, Tensors};
use crate::distance::unit;
use crate::loss::cosine_softmax::{CosineSoftmax, Margin};
use crate::tower::torch::{Mode, TorchTower};
use crate::train::augment::augment;
use crate::train::data::TrainingData;
use crate::train::embed_all;
use crate::train::optimizer::Optimizer;
use crate::train::validate::Validation;

/// Cosines are multiplied by it (Gidaris and Komodakis, 2018, begin there).
const SCALE: f64 = 10.0;

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
        config.preprocess.quantization(),
        &base.parameters,
        device,
    )?;
    let data = TrainingData::new(&samples, false, device)?;
    let classifier = classifier(&tower, &samples, &data)?;
    let trainable = || {
        let classes = ("classifier.classes", classifier.classes());
        tower.trainable().chain([classes])
    };
    let weight_decay = match config.training.optimizer {
        OptimizerConfig::AdamW { weight_decay } | OptimizerConfig::Sgd { weight_decay, .. } => {
            weight_decay
        }
    };
    let mut optimizer = Optimizer::new(OptimizerConfig::AdamW { weight_decay }, trainable());
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut best = (base.parameters.clone(), f64::NEG_INFINITY);
    for epoch in 0..=options.epochs {
        let mut sum = 0.0;
        if epoch > 0 {
            let mut order: Vec<usize> = (0..data.len()).collect();
            order.shuffle(&mut random);
            for batch in order.chunks(options.batch) {
                let input = tower.dequantize(&data.samples(batch));
                let input = augment(&input, &config.training.augment);
                let embeddings = tower.forward(&input, Mode::Inference);
                let loss = classifier.of(&embeddings, &data.labels(batch));
                loss.backward();
                optimizer.step(
                    trainable(),
                    options.learning_rate,
                    config.training.clip_norm,
                );
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

/// A classifier that begins at the class means of the tower's embeddings.
fn classifier(tower: &TorchTower, samples: &Tensors, data: &TrainingData) -> Result<CosineSoftmax> {
    let classes = data.population().len();
    ensure!(
        classes >= 2,
        "expected at least 2 training classes, found {classes}: add classes"
    );
    let all: Vec<usize> = (0..data.len()).collect();
    let embeddings = unit(&embed_all(tower, samples)?.to_device(tower.device()));
    let size = [classes as i64, embeddings.size()[1]];
    let sums = Tensor::zeros(size, (Kind::Float, tower.device())).index_add(
        0,
        &data.labels(&all).class,
        &embeddings,
    );
    let margin = Margin::None;
    Ok(CosineSoftmax::of_classes(
        unit(&sums).detach(),
        SCALE,
        margin,
    ))
}
