//! The training loop of networks that segment. It prints nothing; it emits [`Event`]s.

use std::path::Path;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::config::SegmentationConfig;
use super::episodes::{Batch, Episodes};
use super::samples::{Samples, preprocessing};
use crate::checkpoint::{WEIGHTS, write_tensors};
use crate::config::OptimizerConfig;
use crate::export::costs::Costs;
use crate::tower::Parameters;
use crate::tower::torch::{Mode, TorchTower, to_host};
use crate::train::average::Average;
use crate::train::event::Event;
use crate::train::optimizer::Optimizer;
use crate::train::schedule;

/// Share of the steps in which the learning rate rises.
const WARM_UP: f64 = 0.1;

/// What gradients are scaled down to.
const CLIP_NORM: f64 = 1.0;

/// Decay of filters.
const WEIGHT_DECAY: f64 = 1e-4;

/// Added to both sides of the soft Dice coefficient, pixels: of an empty mask an empty one is
/// right.
const SMOOTHING: f64 = 1.0;

/// Episodes of a validation, and references of each.
const VALIDATION: (usize, usize) = (96, 5);

/// What is learnt from and validated on.
#[derive(Debug)]
pub struct Data {
    /// Real tasks to learn from.
    pub real: Vec<Samples>,
    /// Made-up tasks to learn from.
    pub synthetic: Vec<Samples>,
    /// Subjects of the real tasks that are not learnt from, or made-up tasks that are not.
    pub validation: Vec<Samples>,
}

/// Trains to the end, from fresh weights or from those of the same network that learnt from other
/// tasks, and writes configuration and averaged weights into `folder`; the mean Dice coefficient
/// of the last validation.
///
/// # Errors
/// When the configuration contradicts itself, the weights are another network's, the folder
/// cannot be written, or training diverges.
pub fn train(
    config: &SegmentationConfig,
    data: &Data,
    pretrained: Option<&Parameters>,
    device: Device,
    folder: &Path,
    costs: Costs,
    emit: &mut dyn FnMut(&Event),
) -> Result<f64> {
    config.check()?;
    let training = &config.training;
    tch::manual_seed(config.seed as i64);
    let mut random = ChaCha8Rng::seed_from_u64(config.seed);
    let graph = config.network.graph()?;
    let quantization = preprocessing(config.network.side).quantization;
    let module = || TorchTower::new(&graph, false, quantization, device);
    let (mut network, mut judged) = (module(), module());
    if let Some(parameters) = pretrained {
        network.load(parameters)?;
    }
    let adam = OptimizerConfig::AdamW {
        weight_decay: WEIGHT_DECAY,
    };
    let mut optimizer = Optimizer::new(adam, network.trainable());
    let mut average = Average::new(training.average, network.tensors());
    let episodes = Episodes {
        real: &data.real,
        synthetic: &data.synthetic,
        share: training.real,
        side: config.network.side,
    };
    let validation = validation(config, data)?;
    config.save(folder)?;
    let tasks = || data.real.iter().chain(&data.synthetic);
    emit(&Event::Started {
        samples: tasks().map(Samples::len).sum(),
        classes: tasks().map(|samples| samples.structures.len()).sum(),
        costs,
        steps: training.steps,
        resumed_at: 0,
    });
    let (mut sum, mut last, mut best) = (0.0, 0.0, 0.0f64);
    for step in 1..=training.steps {
        let batch = episodes.draw(training.pictures, &mut random)?;
        let loss = loss(&network, &batch, config.network.side);
        loss.backward();
        let share = schedule(step - 1, training.steps, WARM_UP);
        let learning_rate = training.learning_rate * share;
        optimizer.step(network.trainable(), learning_rate, CLIP_NORM);
        average.update(network.tensors());
        let loss = loss.double_value(&[]);
        ensure!(
            loss.is_finite(),
            "expected a finite loss, found {loss} at step {step}: lower training.learning_rate"
        );
        sum += loss;
        emit(&Event::Step {
            step,
            loss,
            learning_rate,
        });
        let is_end = step == training.steps;
        if step % training.steps_per_epoch == 0 || is_end {
            let kept = to_host(average.means())?;
            judged.load(&kept)?;
            last = dice(&judged, &validation, config.network.side)?;
            write_tensors(&folder.join(WEIGHTS), &kept, Default::default())?;
            emit(&Event::Epoch {
                epoch: step.div_ceil(training.steps_per_epoch),
                loss: sum / ((step - 1) % training.steps_per_epoch + 1) as f64,
                validation: last,
                figure: "Dice",
                spread: 0.0,
                best: last > best,
            });
            best = best.max(last);
            sum = 0.0;
        }
    }
    emit(&Event::Finished {
        validation: last,
        epoch: training.steps.div_ceil(training.steps_per_epoch),
    });
    Ok(last)
}

/// Binary cross-entropy and 1 less the soft Dice coefficient (Milletari, Navab, Ahmadi,
/// "V-Net", 2016, equation 1, without squares), means over pixels and episodes.
fn loss(network: &TorchTower, batch: &Batch, side: usize) -> Tensor {
    let (logits, wanted) = run(network, batch, side, Mode::Training);
    let entropy = logits.binary_cross_entropy_with_logits::<Tensor>(
        &wanted,
        None,
        None,
        tch::Reduction::Mean,
    );
    let shares = logits.sigmoid();
    let sum = |maps: &Tensor| maps.sum_dim_intlist([1i64, 2, 3].as_slice(), false, None::<Kind>);
    let both = sum(&(&shares * &wanted)) * 2.0 + SMOOTHING;
    let all = sum(&shares) + sum(&wanted) + SMOOTHING;
    entropy + 1.0 - (both / all).mean(None::<Kind>)
}

/// What the network gives for the queries of a batch, and what is wanted.
fn run(network: &TorchTower, batch: &Batch, side: usize, mode: Mode) -> (Tensor, Tensor) {
    let device = network.device();
    let (side, episodes) = (side as i64, batch.episodes as i64);
    let pictures = Tensor::from_slice(&batch.pictures)
        .to_device(device)
        .reshape([-1, 1, side, side]);
    let masks = Tensor::from_slice(&batch.masks).to_device(device).reshape([
        episodes,
        batch.references as i64,
        side,
        side,
    ]);
    let wanted = Tensor::from_slice(&batch.wanted)
        .to_device(device)
        .reshape([-1, 1, side, side]);
    let input = network.dequantize(&pictures);
    (network.segment(&input, &masks, mode), wanted)
}

/// The same episodes at each validation.
fn validation(config: &SegmentationConfig, data: &Data) -> Result<Vec<Batch>> {
    let mut random = ChaCha8Rng::seed_from_u64(config.seed ^ 0x5eed);
    let episodes = Episodes {
        real: &data.validation,
        synthetic: &[],
        share: 1.0,
        side: config.network.side,
    };
    let (count, references) = VALIDATION;
    let per_batch = 12;
    (0..count / per_batch)
        .map(|_| episodes.unchanged(per_batch, references, &mut random))
        .collect()
}

/// The mean Dice coefficient over the episodes of batches.
fn dice(network: &TorchTower, batches: &[Batch], side: usize) -> Result<f64> {
    let mut all = vec![];
    for batch in batches {
        let (logits, wanted) = tch::no_grad(|| run(network, batch, side, Mode::Inference));
        let found = logits.gt(0.0).to_kind(Kind::Float);
        let sum = |maps: Tensor| maps.sum_dim_intlist([1i64, 2, 3].as_slice(), false, None::<Kind>);
        let both = sum(&found * &wanted) * 2.0;
        let of = sum(found) + sum(wanted);
        let both: Vec<f32> = Vec::try_from(both.to_device(Device::Cpu))?;
        let of: Vec<f32> = Vec::try_from(of.to_device(Device::Cpu))?;
        all.extend(both.iter().zip(&of).map(|(both, of)| match *of > 0.0 {
            true => f64::from(both / of),
            false => 1.0,
        }));
    }
    Ok(all.iter().sum::<f64>() / all.len().max(1) as f64)
}
