//! What is trained, on what, how: one table, as `run.toml` holds it.
//!
//! ```text
//! recipe of the data set | --config FILE   ->  flags  ->  --set KEY=VALUE  ->  checked -> run.toml
//! ```
//!
//! A model's card has the same tables, so that `train --config models/NAME/model.toml`
//! repeats a training.

pub mod overrides;
pub mod preprocessing;
pub mod training;

mod check;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::{Distance, Preprocess};

use crate::checkpoint::write_whole;
use crate::dataset::Dataset;
use crate::export::CARD;
use crate::tower::TowerSpec;
use crate::tower::imported::Imported;

pub use training::{
    Augment, LossConfig, Miner, OptimizerConfig, Precision, SamplerConfig, TrainingConfig,
};

/// The configuration file of a run.
pub const CONFIG: &str = "run.toml";

/// What was trained, on what, how: enough to repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Data set, by its command line name.
    pub dataset: String,
    /// Under which terms the data may be used.
    pub terms: String,
    /// SHA-256 of the split manifest.
    pub split_sha256: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The distance that the loss and the device use.
    pub distance: Distance,
    /// How the weights were found.
    pub training: TrainingConfig,
    /// From samples to tower inputs.
    #[serde(with = "preprocessing")]
    pub preprocess: Preprocess,
    /// The network.
    pub tower: TowerSpec,
}

impl RunConfig {
    /// Reads what a run's folder records, or a model's: `run.toml` where there is one,
    /// else the card.
    ///
    /// # Errors
    /// When both are missing or the one that is there is malformed.
    pub fn of(folder: &Path) -> Result<Self> {
        let file = match folder.join(CONFIG).is_file() {
            true => CONFIG,
            false => CARD,
        };
        Self::read(&folder.join(file))
    }

    /// The file that the network was read from, where it was not trained here.
    pub fn imported(&self) -> Option<&Imported> {
        match &self.tower {
            TowerSpec::Imported(imported) => Some(imported),
            _ => None,
        }
    }

    /// Leaves those of the data set's training classes that are learnt from.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn keep_training_classes(&self, dataset: &mut Dataset) -> Result<()> {
        let Some(classes) = self.training.classes else {
            return Ok(());
        };
        dataset.split.keep_training_classes(classes, self.seed)
    }

    /// What the data set was for.
    pub fn made_on(&self) -> String {
        match self.imported() {
            Some(_) => format!("imported, calibrated on {}", self.dataset),
            None => format!("trained on {}", self.dataset),
        }
    }

    /// Reads the configuration in a run's folder.
    ///
    /// # Errors
    /// When it is missing or malformed; the message names the file.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::read(&folder.join(CONFIG))
    }

    /// Reads a configuration file: a run's, or a model's card.
    ///
    /// # Errors
    /// When it is missing or malformed; the message names the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "{}: expected {CONFIG} of a run made by `host-trainer train`, or {CARD} of a model",
                path.display()
            )
        })?;
        toml::from_str(&text)
            .with_context(|| format!("{}: expected a run's configuration", path.display()))
    }

    /// Writes the configuration into a run's folder.
    ///
    /// # Errors
    /// When the folder cannot be written; an earlier file is untouched then.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(CONFIG), toml::to_string(self)?.as_bytes())
    }
}
