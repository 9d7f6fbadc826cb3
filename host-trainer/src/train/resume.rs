//! What an interrupted training needs to go on as if nothing had happened.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::{Best, Trainer};
use crate::checkpoint::{read_tensors, write_tensors};
use crate::tower;
use crate::tower::torch::to_host;

/// The file of a run that holds it.
pub const RESUME: &str = "resume.safetensors";

/// The sampler's tensor.
const CENTRES: &str = "sampler/centres";

/// Writes weights, the state of optimizer, running mean, loss and sampler, and counters
/// of `trainer`.
///
/// # Errors
/// When the file cannot be written; an earlier one is untouched then.
pub fn save(trainer: &Trainer, folder: &Path) -> Result<()> {
    let mut tensors = trainer.tower.parameters()?;
    let (updates, moments) = trainer.optimizer.state();
    let mut named: Vec<(String, &Tensor)> = moments.collect();
    named.extend(
        trainer
            .loss
            .trainable()
            .into_iter()
            .map(|(name, tensor)| (format!("loss/{name}"), tensor)),
    );
    named.extend(trainer.sampler.state().map(|t| (CENTRES.to_owned(), t)));
    let mut texts = BTreeMap::from([
        ("step".to_owned(), trainer.step.to_string()),
        ("updates".to_owned(), updates.to_string()),
    ]);
    if let Some(average) = &trainer.average {
        let means = average.means();
        named.extend(means.map(|(name, tensor)| (format!("mean/{name}"), tensor)));
        texts.insert("averaged".to_owned(), average.steps().to_string());
    }
    if let Some(best) = trainer.best {
        texts.insert("best_epoch".to_owned(), best.epoch.to_string());
        texts.insert("best_validation".to_owned(), best.validation.to_string());
    }
    tensors.extend(to_host(named.iter().map(|(n, t)| (n.as_str(), *t)))?);
    write_tensors(&folder.join(RESUME), &tensors, texts)
}

/// Brings `trainer` to where the training in `folder` was saved.
///
/// # Errors
/// When the file is missing, damaged or of another configuration.
pub fn restore(trainer: &mut Trainer, folder: &Path) -> Result<()> {
    let path = folder.join(RESUME);
    let (mut tensors, texts) = read_tensors(&path)?;
    let number = |key: &str| -> Result<f64> {
        let text = texts.get(key);
        let text = text.with_context(|| format!("{}: expected {key}", path.display()))?;
        Ok(text.parse()?)
    };
    let device = trainer.tower.device();
    let mut take = |name: &str| {
        let tensor: tower::Tensor = tensors.remove(name)?;
        let shape: Vec<i64> = tensor.shape.iter().map(|&size| size as i64).collect();
        let values = Tensor::from_slice(&tensor.values).reshape(shape);
        Some(values.to_device(device))
    };
    trainer
        .optimizer
        .restore(number("updates")? as i32, &mut take)
        .with_context(|| path.display().to_string())?;
    for (name, tensor) in trainer.loss.trainable() {
        let kept = take(&format!("loss/{name}"));
        let kept =
            kept.with_context(|| format!("{}: expected loss/{name}, found none", path.display()))?;
        tch::no_grad(|| tensor.shallow_clone().f_copy_(&kept))
            .with_context(|| path.display().to_string())?;
    }
    if let Some(centres) = take(CENTRES) {
        trainer.sampler.restore(centres);
    }
    if let Some(average) = &mut trainer.average {
        average.restore(number("averaged")? as usize, |name| {
            take(&format!("mean/{name}"))
        });
    }
    trainer.tower.load(&tensors)?;
    trainer.step = number("step")? as usize;
    trainer.best = match (number("best_epoch"), number("best_validation")) {
        (Ok(epoch), Ok(validation)) => Some(Best {
            epoch: epoch as usize,
            validation,
        }),
        _ => None,
    };
    Ok(())
}
