//! What an interrupted training needs to go on as if nothing had happened.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::{Best, Trainer};
use crate::checkpoint::{read_tensors, write_tensors};
use crate::tower;

/// The file of a run that holds it.
pub const RESUME: &str = "resume.safetensors";

/// Writes weights, optimizer state and counters of `trainer`.
///
/// # Errors
/// When the file cannot be written; an earlier one is untouched then.
pub fn save(trainer: &Trainer, folder: &Path) -> Result<()> {
    let mut tensors = trainer.tower.parameters()?;
    let (steps, moments) = trainer.optimizer.state();
    for (name, first, second) in moments {
        tensors.insert(format!("first/{name}"), to_host(first)?);
        tensors.insert(format!("second/{name}"), to_host(second)?);
    }
    let mut texts = BTreeMap::from([
        ("step".to_owned(), trainer.step.to_string()),
        ("updates".to_owned(), steps.to_string()),
    ]);
    if let Some(best) = trainer.best {
        texts.insert("best_epoch".to_owned(), best.epoch.to_string());
        texts.insert("best_validation".to_owned(), best.validation.to_string());
    }
    write_tensors(&folder.join(RESUME), &tensors, texts)
}

/// Brings `trainer` to where the training in `folder` was saved.
///
/// # Errors
/// When the file is missing, damaged or of another configuration.
pub fn restore(trainer: &mut Trainer, folder: &Path) -> Result<()> {
    let path = folder.join(RESUME);
    let (mut tensors, texts) = read_tensors(&path)?;
    let mut moments = BTreeMap::new();
    let names: Vec<String> = trainer
        .tower
        .trainable()
        .map(|(n, _)| n.to_owned())
        .collect();
    for name in names {
        let mut take = |kind: &str| {
            let tensor = tensors.remove(&format!("{kind}/{name}"));
            let tensor = tensor.with_context(|| {
                format!("{}: expected {kind}/{name}, found none", path.display())
            })?;
            let shape: Vec<i64> = tensor.shape.iter().map(|&size| size as i64).collect();
            let values = Tensor::from_slice(&tensor.values).reshape(shape);
            Ok::<_, anyhow::Error>(values.to_device(trainer.tower.device()))
        };
        moments.insert(name.clone(), (take("first")?, take("second")?));
    }
    trainer.tower.load(&tensors)?;
    let number = |key: &str| -> Result<f64> {
        let text = texts.get(key);
        let text = text.with_context(|| format!("{}: expected {key}", path.display()))?;
        Ok(text.parse()?)
    };
    trainer
        .optimizer
        .restore(number("updates")? as i32, moments);
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

fn to_host(tensor: &Tensor) -> Result<tower::Tensor> {
    let flat = tensor.to_device(tch::Device::Cpu).reshape(-1);
    Ok(tower::Tensor {
        shape: tensor.size().iter().map(|&size| size as usize).collect(),
        values: Vec::try_from(&flat)?,
    })
}
