//! A training run on disk: configuration and weights, readable without libtorch.
//!
//! ```text
//! runs/NAME/run.toml              what was trained, on what, how; see [`RunConfig`]
//! runs/NAME/weights.safetensors   the best weights so far, by validation
//! runs/NAME/resume.*              what continuing needs: last weights, optimizer state, counters
//! ```

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use shared::{Distance, Preprocess};

use crate::tower::{Parameters, TowerSpec};

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
    /// From pixels to tower inputs.
    pub preprocess: Preprocess,
    /// The network.
    pub tower: TowerSpec,
}

/// A run: its configuration and best weights.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its configuration.
    pub config: RunConfig,
    /// Its best weights.
    pub parameters: Parameters,
}

impl Run {
    /// Reads a run folder.
    ///
    /// # Errors
    /// When a file is missing or malformed, or the weights do not fit the tower;
    /// the message names the file, what was expected and found.
    pub fn load(folder: &Path) -> Result<Self> {
        let _ = folder;
        unimplemented!()
    }
}
