//! The training loop. It prints nothing; it emits [`Event`]s.
//!
//! ```text
//! sampler -> samples -> augment -> tower -> loss -> optimizer -> running mean
//!                                             epoch's end: validation -> checkpoint
//! ```

pub mod augment;
pub mod average;
pub mod aware;
pub mod data;
pub mod device;
pub mod event;
pub mod optimizer;
mod pretrained;
pub mod progress;
pub mod recipe;
pub mod resume;
mod symmetries;
pub mod tensorboard;
pub mod validate;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{WEIGHTS, write_tensors};
use crate::config::{LossConfig, Precision, RunConfig};
use crate::dataset::{Dataset, Part, Tensors};
use crate::export::costs::{Costs, costs};
use crate::loss::{Batch, Loss};
use crate::sampler::{Draw, Sampler};
use crate::tower::Parameters;
use crate::tower::torch::{Mode, TorchTower};

use augment::augment;
use average::Average;
use data::TrainingData;
use event::Event;
use optimizer::Optimizer;
use validate::Validation;

/// Everything that a training step needs.
#[derive(Debug)]
pub struct Trainer {
    config: RunConfig,
    costs: Costs,
    tower: TorchTower,
    /// What is validated and kept: the tower with averaged weights.
    judged: TorchTower,
    average: Option<Average>,
    loss: Loss,
    optimizer: Optimizer,
    sampler: Sampler,
    data: TrainingData,
    validation: Validation,
    step: usize,
    best: Option<Best>,
}

/// The best validation so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// The figure of merit.
    pub validation: f64,
}

impl Trainer {
    /// Decodes the data and makes a tower with fresh weights.
    ///
    /// # Errors
    /// When the configuration contradicts itself or does not fit the data.
    pub fn new(config: RunConfig, dataset: &Dataset, device: Device) -> Result<Self> {
        config.check()?;
        tch::manual_seed(config.seed as i64);
        let training = &config.training;
        let part = |part| {
            let samples = dataset.split.samples(dataset, part);
            Tensors::new(dataset, &samples, &config.preprocess)
        };
        let data = TrainingData::new(&part(Part::Train)?, training.rotations, device)?;
        let validation = Validation::new(part(Part::Validation)?, config.distance)?;
        let tower = config.tower.build()?;
        let dim = tower.embedding_dim();
        let population = data.population().to_vec();
        let classes = population.len();
        let sampler = Sampler::new(training.sampler, population, dim, device)?;
        let quantization = config.preprocess.quantization();
        let module = || TorchTower::new(&tower.graph, tower.normalized, quantization, device);
        let kind = match training.precision {
            Precision::Float32 => Kind::Float,
            Precision::Bfloat16 => Kind::BFloat16,
        };
        let learning = module().training_in(kind);
        let loss = Loss::new(
            training.loss,
            config.distance,
            training.miner,
            [classes as i64, dim as i64],
            device,
        );
        let trainable = learning.trainable().chain(loss.trainable());
        let optimizer = Optimizer::new(training.optimizer, trainable);
        let average =
            (training.average > 0.0).then(|| Average::new(training.average, learning.tensors()));
        if let Some(weights) = loss.component_weights() {
            // Better now than after the first epoch.
            let ones = vec![1.0; weights.numel()];
            scale_embedding(&mut learning.parameters()?, learning.last_layer(), &ones)?;
        }
        Ok(Self {
            costs: costs(&tower)?,
            judged: module(),
            tower: learning,
            average,
            loss,
            optimizer,
            sampler,
            data,
            validation,
            step: 0,
            best: None,
            config,
        })
    }

    /// Trains to the end, keeping configuration, best weights and the means to
    /// continue in `folder`.
    ///
    /// Augmentation draws from libtorch's generator, of which a process has one:
    /// two trainings at the same time would not repeat themselves.
    ///
    /// # Errors
    /// When `folder` cannot be written, or training diverges.
    pub fn run(&mut self, folder: &Path, emit: &mut dyn FnMut(&Event)) -> Result<Best> {
        std::fs::create_dir_all(folder)?;
        self.config.save(folder)?;
        let per_epoch = self.config.training.steps_per_epoch;
        let total = self.config.training.epochs * per_epoch;
        emit(&self.started(total));
        while self.step < total {
            let epoch = self.step / per_epoch + 1;
            if self.is_patience_at_end(epoch) {
                emit(&Event::Stopped { epoch: epoch - 1 });
                break;
            }
            // Every epoch draws from its own seed, so that one that is continued
            // sees the batches it would have seen.
            let seed = self
                .config
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(epoch as u64);
            tch::manual_seed(seed as i64);
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut sum = 0.0;
            for _ in 0..per_epoch {
                let (loss, learning_rate) = self.step(total, &mut random)?;
                sum += loss;
                emit(&Event::Step {
                    step: self.step,
                    loss,
                    learning_rate,
                });
            }
            self.finish_epoch(epoch, sum / per_epoch as f64, folder, emit)?;
        }
        let Some(best) = self.best else {
            bail!("expected at least one epoch, found --epochs 0");
        };
        emit(&Event::Finished {
            validation: best.validation,
            epoch: best.epoch,
        });
        Ok(best)
    }

    fn is_patience_at_end(&self, epoch: usize) -> bool {
        let patience = self.config.training.patience;
        patience > 0 && self.best.is_some_and(|best| epoch > best.epoch + patience)
    }

    fn started(&self, steps: usize) -> Event {
        Event::Started {
            samples: self.data.len(),
            classes: self.data.population().len(),
            costs: self.costs,
            steps,
            resumed_at: self.step,
        }
    }

    /// One batch: its loss and the learning rate used.
    ///
    /// # Errors
    /// When the loss is no finite number.
    pub fn step(&mut self, total: usize, random: &mut ChaCha8Rng) -> Result<(f64, f64)> {
        let loss = self.batch_loss(random);
        loss.backward();
        let training = &self.config.training;
        let learning_rate = training.learning_rate * schedule(self.step, total, training.warm_up);
        let trainable = self.tower.trainable().chain(self.loss.trainable());
        self.optimizer
            .step(trainable, learning_rate, training.clip_norm);
        if let Some(average) = &mut self.average {
            average.update(self.tower.tensors());
        }
        self.step += 1;
        let loss = loss.double_value(&[]);
        ensure!(
            loss.is_finite(),
            "expected a finite loss, found {loss} at step {}: lower --learning-rate",
            self.step
        );
        Ok((loss, learning_rate))
    }

    fn batch_loss(&mut self, random: &mut ChaCha8Rng) -> Tensor {
        let (samples, batch) = match self.sampler.draw(random) {
            Draw::Samples(samples) => {
                let labels = self.data.labels(&samples);
                (samples, Batch::Samples(labels))
            }
            Draw::Pairs(pairs) => {
                let left = pairs.iter().map(|pair| pair.left);
                let right = pairs.iter().map(|pair| pair.right);
                let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
                let same = Tensor::from_slice(&same).to_device(self.tower.device());
                (left.chain(right).collect(), Batch::Pairs(same))
            }
            Draw::Episode {
                samples,
                ways,
                shots,
            } => {
                let (ways, shots) = (ways as i64, shots as i64);
                (samples, Batch::Episode { ways, shots })
            }
        };
        let bytes = self.data.samples(&samples);
        let input = augment(
            &self.tower.dequantize(&bytes),
            &self.config.training.augment,
        );
        let embeddings = self.tower.forward(&input, Mode::Training);
        self.sampler.observe(&samples, &embeddings);
        self.loss.of(&embeddings, &batch)
    }

    /// The weights to keep: averaged where they are, and scaled by what the loss learnt
    /// of the embedding's components.
    fn kept(&self) -> Result<Parameters> {
        let mut parameters = match &self.average {
            Some(average) => crate::tower::torch::to_host(average.means())?,
            None => self.tower.parameters()?,
        };
        if let Some(weights) = self.loss.component_weights() {
            let flat = weights.to_device(Device::Cpu).to_kind(Kind::Float);
            let weights: Vec<f32> = Vec::try_from(&flat)?;
            scale_embedding(&mut parameters, self.tower.last_layer(), &weights)?;
        }
        Ok(parameters)
    }

    fn finish_epoch(
        &mut self,
        epoch: usize,
        loss: f64,
        folder: &Path,
        emit: &mut dyn FnMut(&Event),
    ) -> Result<()> {
        let kept = self.kept()?;
        self.judged.load(&kept)?;
        let (validation, spread) = self.validation.judge(&self.judged)?;
        let is_best = self.best.is_none_or(|best| validation > best.validation);
        if is_best {
            self.best = Some(Best { epoch, validation });
            write_tensors(&folder.join(WEIGHTS), &kept, Default::default())?;
        }
        // One that goes on from another run does not begin as this one would.
        if !self.tower.is_rounded() {
            resume::save(self, folder)?;
        }
        emit(&Event::Epoch {
            epoch,
            loss,
            validation,
            figure: self.validation.figure(),
            spread,
            best: is_best,
        });
        if let Some(message) = self.collapse(loss, spread) {
            emit(&Event::Warning { message });
        }
        Ok(())
    }

    /// Whether all samples get one embedding, and what to change. A loss that stays
    /// where such a tower has it is the earlier sign.
    fn collapse(&self, loss: f64, spread: f64) -> Option<String> {
        let usual = match self.config.training.loss {
            LossConfig::Triplet { .. } => {
                "lower --learning-rate, or choose --margin soft or --miner semi-hard"
            }
            _ => "lower --learning-rate",
        };
        if spread < 1e-4 {
            return Some(format!(
                "embeddings of different samples are almost equal (spread {spread:.1e}): training has collapsed; {usual}"
            ));
        }
        let (collapsed, remedy) = self.loss.collapsed()?;
        ((loss - collapsed).abs() < 0.01 * collapsed).then(|| {
            format!(
                "the loss is {loss:.4}, that of a tower which gives every sample the same embedding ({collapsed:.4}; \
                 spread {spread:.1e}): training is collapsing; {remedy}"
            )
        })
    }
}

/// Scales the components of the embedding, the outputs of layer `last`.
fn scale_embedding(parameters: &mut Parameters, last: &str, weights: &[f32]) -> Result<()> {
    for name in ["weight", "bias"] {
        let name = format!("{last}.{name}");
        let tensor = parameters.get_mut(&name).with_context(|| {
            format!(
                "the weights that loss weighted-l1 learns go into a fully connected last layer: expected {name}, found none; \
                 choose an --embedding that is not the tower's --width"
            )
        })?;
        let length = tensor.values.len() / weights.len();
        let rows = tensor.values.chunks_exact_mut(length.max(1));
        for (row, weight) in rows.zip(weights) {
            row.iter_mut().for_each(|value| *value *= weight);
        }
    }
    Ok(())
}

/// Linear warm-up over the first share of the steps, then a half cosine to zero
/// (Loshchilov and Hutter, "SGDR", 2017), as a fraction of the peak rate.
pub fn schedule(step: usize, total: usize, warm_up: f64) -> f64 {
    let warm_up = ((total as f64 * warm_up) as usize).max(1);
    if step < warm_up {
        return (step + 1) as f64 / warm_up as f64;
    }
    let progress = (step - warm_up) as f64 / total.saturating_sub(warm_up).max(1) as f64;
    0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

/// Embeds preprocessed samples, a batch at a time: float `[n, dim]` on the host.
///
/// # Errors
/// When a result cannot be read back.
pub fn embed_all(tower: &TorchTower, tensors: &Tensors) -> Result<Tensor> {
    let length = tensors.preprocess.output_len();
    let batches = tensors.pixels.chunks(256 * length).map(|bytes| {
        let batch = data::planes(bytes, tensors.preprocess.shape()).to_device(tower.device());
        let embeddings = tower.forward(&tower.dequantize(&batch), Mode::Inference);
        embeddings.to_device(Device::Cpu).to_kind(Kind::Float)
    });
    Ok(tch::no_grad(|| {
        Tensor::cat(&batches.collect::<Vec<_>>(), 0)
    }))
}
