//! The training loop. It prints nothing; it emits [`Event`]s.

pub mod augment;
pub mod device;
pub mod event;
pub mod optimizer;
pub mod progress;
pub mod recipe;
pub mod resume;
pub mod validate;

use std::path::Path;

use anyhow::{Result, bail, ensure};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{
    Augment, CONFIG, LossConfig, RunConfig, WEIGHTS, write_tensors, write_whole,
};
use crate::dataset::{Dataset, Kind as SampleKind, Part, Tensors};
use crate::loss::triplet::{Margin, batch_hard};
use crate::loss::{Labels, contrastive::contrastive};
use crate::sampler::{ClassSamples, by_class, p_by_k::PByK, pairs::Pairs};
use crate::tower::torch::{Mode, TorchTower};

use event::Event;
use optimizer::AdamW;
use validate::Validation;

/// Everything that a training step needs.
#[derive(Debug)]
pub struct Trainer {
    config: RunConfig,
    tower: TorchTower,
    macs: u64,
    optimizer: AdamW,
    batches: Batches,
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

#[derive(Debug)]
enum Batches {
    PByK(PByK),
    Pairs(Pairs),
}

/// All training samples on the device.
#[derive(Debug)]
struct TrainingData {
    /// uint8 `[n, 1, h, w]`.
    pixels: Tensor,
    /// int64 `[n]`.
    classes: Tensor,
    /// bool `[n]`.
    genuine: Tensor,
    population: Vec<ClassSamples>,
}

impl TrainingData {
    fn new(tensors: &Tensors, rotations: bool, device: Device) -> Result<Self> {
        let (height, width) = (tensors.preprocess.height, tensors.preprocess.width);
        ensure!(
            !rotations || height == width,
            "expected a square input for quarter turns, found {height} x {width}: leave --rotations out"
        );
        let turns = if rotations { 4 } else { 1 };
        let shape = [tensors.len() as i64, 1, i64::from(height), i64::from(width)];
        let upright = Tensor::from_slice(&tensors.pixels).reshape(shape);
        let turned: Vec<Tensor> = (0..turns).map(|turn| upright.rot90(turn, [2, 3])).collect();
        let count = tensors.classes.iter().max().map_or(0, |&class| class + 1);
        let mut all = tensors.clone();
        all.pixels.clear();
        for turn in 1..turns as u32 {
            let classes = tensors.classes.iter().map(|class| class + turn * count);
            all.classes.extend(classes);
            all.kinds.extend(&tensors.kinds);
        }
        let classes: Vec<i64> = all.classes.iter().map(|&class| i64::from(class)).collect();
        let genuine: Vec<bool> = all
            .kinds
            .iter()
            .map(|&kind| kind == SampleKind::Genuine)
            .collect();
        Ok(Self {
            pixels: Tensor::cat(&turned, 0).to_device(device),
            classes: Tensor::from_slice(&classes).to_device(device),
            genuine: Tensor::from_slice(&genuine).to_device(device),
            population: by_class(&all),
        })
    }
}

impl Trainer {
    /// Decodes the data and makes a tower with fresh weights.
    ///
    /// # Errors
    /// When the configuration does not fit the data.
    pub fn new(config: RunConfig, dataset: &Dataset, device: Device) -> Result<Self> {
        tch::manual_seed(config.seed as i64);
        let training = &config.training;
        let part = |part| {
            let samples = dataset.split.samples(dataset, part);
            Tensors::new(dataset, &samples, &config.preprocess)
        };
        let data = TrainingData::new(&part(Part::Train)?, training.rotations, device)?;
        let validation = Validation::new(part(Part::Validation)?, config.distance)?;
        let population = data.population.clone();
        let batches = match training.loss {
            LossConfig::Triplet { .. } => Batches::PByK(PByK::new(
                population,
                training.batch_classes,
                training.batch_samples,
            )?),
            LossConfig::Contrastive { .. } => Batches::Pairs(Pairs::new(
                population,
                training.batch_classes * training.batch_samples / 2,
            )?),
        };
        let tower = config.tower.build()?;
        let quantization = config.preprocess.quantization;
        let module = TorchTower::new(&tower.graph, tower.normalized, quantization, device);
        let optimizer = AdamW::new(module.trainable(), training.weight_decay);
        Ok(Self {
            macs: tower.graph.macs(),
            tower: module,
            optimizer,
            batches,
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
    /// When `folder` cannot be written, or training collapses.
    pub fn run(&mut self, folder: &Path, emit: &mut dyn FnMut(&Event)) -> Result<Best> {
        std::fs::create_dir_all(folder)?;
        write_whole(
            &folder.join(CONFIG),
            toml::to_string(&self.config)?.as_bytes(),
        )?;
        let per_epoch = self.config.training.steps_per_epoch;
        let total = self.config.training.epochs * per_epoch;
        emit(&self.started(total));
        while self.step < total {
            let epoch = self.step / per_epoch + 1;
            // Every epoch draws from its own seed, so that one that is continued
            // sees the batches it would have seen.
            let seed = self.config.seed.wrapping_mul(1_000_003) + epoch as u64;
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

    fn started(&self, steps: usize) -> Event {
        let learnt = self.tower.trainable().map(|(_, tensor)| tensor.numel());
        Event::Started {
            samples: self.data.pixels.size()[0] as usize,
            classes: self.data.population.len(),
            parameters: learnt.sum(),
            macs: self.macs,
            steps,
            resumed_at: self.step,
        }
    }

    /// One batch: its loss and the learning rate used.
    fn step(&mut self, total: usize, random: &mut ChaCha8Rng) -> Result<(f64, f64)> {
        let loss = self.loss(random);
        loss.backward();
        let learning_rate = self.config.training.learning_rate * schedule(self.step, total);
        let clip_norm = self.config.training.clip_norm;
        self.optimizer
            .step(self.tower.trainable(), learning_rate, clip_norm);
        self.step += 1;
        let loss = loss.double_value(&[]);
        ensure!(
            loss.is_finite(),
            "expected a finite loss, found {loss} at step {}: lower --learning-rate",
            self.step
        );
        Ok((loss, learning_rate))
    }

    fn loss(&self, random: &mut ChaCha8Rng) -> Tensor {
        let distance = self.config.distance;
        match (&self.batches, self.config.training.loss) {
            (Batches::PByK(sampler), LossConfig::Triplet { margin }) => {
                let indices = self.indices(sampler.batch(random));
                let labels = Labels {
                    class: self.data.classes.index_select(0, &indices),
                    genuine: self.data.genuine.index_select(0, &indices),
                };
                let margin = margin.map_or(Margin::Soft, Margin::Hard);
                batch_hard(&self.embed(&indices), &labels, distance, margin)
            }
            (Batches::Pairs(sampler), LossConfig::Contrastive { margin }) => {
                let pairs = sampler.batch(random);
                let left = pairs.iter().map(|pair| pair.left);
                let right = pairs.iter().map(|pair| pair.right);
                let indices = self.indices(left.chain(right).collect());
                let halves = self.embed(&indices).chunk(2, 0);
                let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
                let same = Tensor::from_slice(&same).to_device(self.tower.device());
                contrastive(&halves[0], &halves[1], &same, distance, margin)
            }
            _ => unreachable!("the sampler is chosen by the loss"),
        }
    }

    fn indices(&self, batch: Vec<usize>) -> Tensor {
        let batch: Vec<i64> = batch.into_iter().map(|index| index as i64).collect();
        Tensor::from_slice(&batch).to_device(self.tower.device())
    }

    /// Embeddings of training samples, changed at random.
    fn embed(&self, indices: &Tensor) -> Tensor {
        let bytes = self.data.pixels.index_select(0, indices);
        let mut input = self.tower.dequantize(&bytes);
        if self.config.training.augment == Augment::Affine {
            input = augment::affine(&input);
        }
        self.tower.forward(&input, Mode::Training)
    }

    fn finish_epoch(
        &mut self,
        epoch: usize,
        loss: f64,
        folder: &Path,
        emit: &mut dyn FnMut(&Event),
    ) -> Result<()> {
        let (validation, spread) = self.validation.judge(&self.tower)?;
        let is_best = self.best.is_none_or(|best| validation > best.validation);
        if is_best {
            self.best = Some(Best { epoch, validation });
            let weights = self.tower.parameters()?;
            write_tensors(&folder.join(WEIGHTS), &weights, Default::default())?;
        }
        resume::save(self, folder)?;
        emit(&Event::Epoch {
            epoch,
            loss,
            validation,
            figure: self.validation.figure(),
            best: is_best,
        });
        if spread < 1e-4 {
            emit(&Event::Warning {
                message: format!(
                    "embeddings of different samples are almost equal (spread {spread:.1e}): training has collapsed; \
                     lower --learning-rate or use the soft margin"
                ),
            });
        }
        Ok(())
    }
}

/// Linear warm-up over the first 5 % of the steps, then a half cosine to zero
/// (Loshchilov and Hutter, "SGDR", 2017), as a fraction of the peak rate.
fn schedule(step: usize, total: usize) -> f64 {
    let warm_up = (total / 20).max(1);
    if step < warm_up {
        return (step + 1) as f64 / warm_up as f64;
    }
    let progress = (step - warm_up) as f64 / (total - warm_up).max(1) as f64;
    0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

/// Embeds preprocessed samples, a batch at a time: float `[n, dim]` on the host.
///
/// # Errors
/// When a result cannot be read back.
pub fn embed_all(tower: &TorchTower, tensors: &Tensors) -> Result<Tensor> {
    let shape = |count: usize| {
        [
            count as i64,
            1,
            i64::from(tensors.preprocess.height),
            i64::from(tensors.preprocess.width),
        ]
    };
    let length = tensors.preprocess.output_len();
    let batches = tensors.pixels.chunks(256 * length).map(|bytes| {
        let batch = Tensor::from_slice(bytes)
            .reshape(shape(bytes.len() / length))
            .to_device(tower.device());
        let embeddings = tower.forward(&tower.dequantize(&batch), Mode::Inference);
        embeddings.to_device(Device::Cpu).to_kind(Kind::Float)
    });
    Ok(tch::no_grad(|| {
        Tensor::cat(&batches.collect::<Vec<_>>(), 0)
    }))
}
