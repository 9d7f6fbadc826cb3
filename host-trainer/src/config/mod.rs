//! What is trained, on what, how: one table, as `run.toml` holds it.
//!
//! ```text
//! recipe of the data set | --config FILE   ->  flags  ->  --set KEY=VALUE  ->  checked -> run.toml
//! ```
//!
//! A model's card has the same tables, so that `train --config models/NAME/model.toml`
//! repeats a training.

pub mod overrides;
pub mod training;

mod check;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::{Distance, Preprocess};

use crate::tower::TowerSpec;

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
    /// From pixels to tower inputs.
    pub preprocess: Preprocess,
    /// The network.
    pub tower: TowerSpec,
}

impl RunConfig {
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
                "{}: expected a run made by `host-trainer train`",
                path.display()
            )
        })?;
        toml::from_str(&text)
            .with_context(|| format!("{}: expected a run's configuration", path.display()))
    }
}
