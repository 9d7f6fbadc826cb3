//! What a network that segments was trained on and how, as `run.toml` and the card hold it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::network::SegmentationNetwork;
use crate::checkpoint::write_whole;
use crate::config::{CONFIG, overrides};
use crate::export::CARD;

/// Enough to repeat a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationConfig {
    /// What this is the configuration of; `segmentation`.
    pub kind: Kind,
    /// Tasks that it learnt from, beside made-up ones.
    pub tasks: Vec<String>,
    /// Tasks that it must not see.
    pub left_out: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// How the weights were found.
    pub training: SegmentationTraining,
    /// The network.
    pub network: SegmentationNetwork,
}

/// Tells configurations of networks that segment from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A network that segments.
    Segmentation,
}

/// How the weights are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationTraining {
    /// Batches in all.
    pub steps: usize,
    /// Pictures of a batch, references included, about.
    pub pictures: usize,
    /// Made-up tasks that are drawn from.
    pub synthetic_tasks: usize,
    /// Share of episodes from real tasks, 0 to 1.
    pub real: f64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decay of the running mean of weights, below 1.
    pub average: f64,
    /// Batches between two validations.
    pub steps_per_epoch: usize,
}

impl Default for SegmentationTraining {
    fn default() -> Self {
        Self {
            steps: 3000,
            pictures: 32,
            synthetic_tasks: 2000,
            real: 0.35,
            learning_rate: 0.002,
            average: 0.995,
            steps_per_epoch: 250,
        }
    }
}

/// Whether a run or a model, by what its run.toml or else its card says, is a network that segments.
pub fn segments(folder: &Path) -> bool {
    let file = [CONFIG, CARD].map(|name| folder.join(name));
    let text = file
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok());
    let table = text.and_then(|text| text.parse::<toml::Table>().ok());
    let kind = table.and_then(|table| table.get("kind")?.as_str().map(str::to_owned));
    kind.as_deref() == Some("segmentation")
}

impl SegmentationConfig {
    /// Reads what a run's folder records.
    ///
    /// # Errors
    /// When it is missing or malformed; the message names the file.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "{}: expected {CONFIG} of a run made by `host-trainer train-segmentation`",
                path.display()
            )
        })?;
        toml::from_str(&text).with_context(|| {
            format!(
                "{}: expected the configuration of a network that segments",
                path.display()
            )
        })
    }

    /// Writes it into a run's folder.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(CONFIG), toml::to_string(self)?.as_bytes())
    }

    /// A copy in which each `path=value` holds.
    ///
    /// # Errors
    /// As [`RunConfig::with`](crate::config::RunConfig::with).
    pub fn with(&self, settings: &[String]) -> Result<Self> {
        overrides::with(self, settings)
    }

    /// Checks what would come to nothing.
    ///
    /// # Errors
    /// What was expected and found.
    pub fn check(&self) -> Result<()> {
        let training = &self.training;
        ensure!(
            training.steps > 0 && training.steps_per_epoch > 0,
            "expected steps to train for, found {} by {}",
            training.steps,
            training.steps_per_epoch
        );
        ensure!(
            (0.0..=1.0).contains(&training.real) && (0.0..1.0).contains(&training.average),
            "expected shares from 0 to 1, found real = {} and average = {}",
            training.real,
            training.average
        );
        ensure!(
            training.real == 0.0 || !self.tasks.is_empty(),
            "expected tasks to learn from, found none: set training.real = 0 to learn from made-up ones alone"
        );
        ensure!(
            training.real == 1.0 || training.synthetic_tasks > 0,
            "expected made-up tasks to draw from, found synthetic_tasks = 0: set training.real = 1 to do without"
        );
        ensure!(
            training.pictures >= 4 && training.learning_rate > 0.0,
            "expected at least 4 pictures a batch and a learning rate above 0, found {} and {}",
            training.pictures,
            training.learning_rate
        );
        self.network.graph().map(|_| ())
    }
}
