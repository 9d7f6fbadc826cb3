//! From flags to a run's configuration.

use std::str::FromStr;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use shared::Distance;
use shared::embedding::MAX_DIM;

use super::picture::{DistanceName, PictureArgs};
use super::{count, learning_rate};
use crate::config::{Augment, LossConfig, Miner, Precision, RunConfig, SamplerConfig};
use crate::dataset::{Dataset, DatasetName};
use crate::train::recipe::{self, Loss, Sampler, Tower};

/// What a run's configuration records.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// What is minimised
    #[arg(long, value_enum)]
    loss: Option<Loss>,
    /// Which pairs and triplets of a batch the loss looks at
    #[arg(long, value_enum)]
    miner: Option<Miner>,
    /// Which samples make a batch
    #[arg(long, value_enum)]
    sampler: Option<Sampler>,
    /// The distance of the loss and of the device [default: euclidean]
    #[arg(long, value_enum)]
    distance: Option<DistanceName>,
    /// The loss's margin, in units of the distance; `soft` for a triplet loss without one
    #[arg(long)]
    margin: Option<Margin>,
    /// Passes; each ends with a validation
    #[arg(long, value_parser = count(1, 1_000_000))]
    epochs: Option<usize>,
    /// Batches per epoch
    #[arg(long, value_parser = count(1, 1_000_000))]
    steps: Option<usize>,
    /// Seed of everything random [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Classes per batch
    #[arg(long, value_parser = count(2, 10_000))]
    batch_classes: Option<usize>,
    /// Learn from so many of the training classes only, drawn by the seed
    #[arg(long, value_parser = count(2, 1_000_000))]
    classes: Option<usize>,
    /// Samples per class in a batch
    #[arg(long, value_parser = count(1, 1000))]
    batch_samples: Option<usize>,
    /// Peak learning rate
    #[arg(long, value_parser = learning_rate)]
    learning_rate: Option<f64>,
    /// In which numbers the tower computes while it is trained
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Random changes of training samples
    #[arg(long, value_enum)]
    augment: Option<AugmentName>,
    /// Whether quarter turns of a class count as further classes; of pen sequences, mirror images
    /// too
    #[arg(long)]
    rotations: Option<bool>,
    /// The architecture
    #[arg(long, value_enum)]
    tower: Option<Tower>,
    /// Channels of the tower: of every block of conv4, of the first stage of residual; a
    /// factor for depthwise-separable
    #[arg(long)]
    width: Option<f64>,
    /// Components of the embedding
    #[arg(long, value_parser = count(2, MAX_DIM))]
    embedding: Option<usize>,
    /// Whether embeddings are scaled to unit length
    #[arg(long)]
    normalized: Option<bool>,
    #[command(flatten)]
    picture: PictureArgs,
    /// Any entry of run.toml, such as training.loss.temperature=0.05; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AugmentName {
    None,
    Affine,
    Elastic,
}

#[derive(Clone, Copy, Debug)]
enum Margin {
    Soft,
    Hard(f64),
}

impl FromStr for Margin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "soft" {
            return Ok(Self::Soft);
        }
        match text.parse() {
            Ok(margin) if margin > 0.0 && f64::is_finite(margin) => Ok(Self::Hard(margin)),
            _ => Err("expected `soft` or a number above 0".into()),
        }
    }
}

impl Settings {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        let Self {
            loss: None,
            miner: None,
            sampler: None,
            distance: None,
            margin: None,
            epochs: None,
            steps: None,
            seed: None,
            batch_classes: None,
            classes: None,
            batch_samples: None,
            learning_rate: None,
            precision: None,
            augment: None,
            rotations: None,
            tower: None,
            width: None,
            embedding: None,
            normalized: None,
            picture,
            set,
        } = self
        else {
            return false;
        };
        set.is_empty() && *picture == PictureArgs::default()
    }

    /// The configuration of a new run: `base`, or what is usual for the data set, with
    /// the choices that were named, and then with single settings.
    ///
    /// # Errors
    /// When settings do not exist or contradict each other.
    pub fn config(
        &self,
        name: DatasetName,
        dataset: &Dataset,
        base: Option<RunConfig>,
    ) -> Result<RunConfig> {
        let mut config = base.unwrap_or_else(|| usual(name, dataset));
        self.choose(&mut config)?;
        let mut config = config.with(&self.entries(&config))?.with(&self.set)?;
        config.dataset.clone_from(&dataset.name);
        config.terms.clone_from(&dataset.terms);
        config.split_sha256 = dataset.split.hash(&dataset.classes);
        config.check()?;
        Ok(config)
    }

    /// Choices that bring numbers of their own.
    fn choose(&self, config: &mut RunConfig) -> Result<()> {
        config.seed = self.seed.unwrap_or(config.seed);
        config.preprocess = self.picture.of_samples(config.preprocess)?;
        let shape = config.preprocess.shape();
        let input = [shape.height, shape.width].map(usize::from);
        if let Some(tower) = self.tower {
            config.tower = recipe::architecture(tower, &config.tower);
        }
        config.tower.set_input(input);
        config.distance = self.distance.map_or(config.distance, Distance::from);
        let training = &mut config.training;
        if let Some(loss) = self.loss {
            training.loss = recipe::loss(loss, config.distance);
            (training.sampler, training.miner) = recipe::batches(training.loss, training.sampler);
        } else if let (Some(_), LossConfig::Triplet { .. }) = (self.distance, training.loss) {
            training.loss = recipe::loss(Loss::Triplet, config.distance);
        }
        if let Some(sampler) = self.sampler {
            training.sampler = recipe::sampler(sampler, training.sampler);
        }
        training.miner = self.miner.unwrap_or(training.miner);
        training.precision = self.precision.unwrap_or(training.precision);
        training.augment = match self.augment {
            None => training.augment,
            Some(AugmentName::None) => Augment::NONE,
            Some(AugmentName::Affine) => Augment::AFFINE,
            Some(AugmentName::Elastic) => Augment::ELASTIC,
        };
        match (self.margin, &mut training.loss) {
            (None, _) => {}
            (Some(Margin::Soft), LossConfig::Triplet { margin }) => *margin = None,
            (Some(Margin::Hard(value)), LossConfig::Triplet { margin }) => *margin = Some(value),
            (
                Some(Margin::Hard(value)),
                LossConfig::Contrastive { margin, .. }
                | LossConfig::CosFace { margin, .. }
                | LossConfig::ArcFace { margin, .. },
            ) => *margin = value,
            (Some(margin), loss) => bail!(
                "expected a loss with such a margin, found {} with --margin {margin:?}: leave --margin out, or choose --loss triplet",
                loss.name()
            ),
        }
        Ok(())
    }

    /// Single settings, as `--set` has them.
    fn entries(&self, config: &RunConfig) -> Vec<String> {
        let mut entries = vec![];
        let mut set = |path: &str, value: Option<String>| {
            entries.extend(value.map(|value| format!("{path}={value}")));
        };
        let text = |value: Option<usize>| value.map(|value| value.to_string());
        set("training.epochs", text(self.epochs));
        set("training.steps_per_epoch", text(self.steps));
        set("training.classes", text(self.classes));
        set(
            "training.learning_rate",
            self.learning_rate.map(|rate| rate.to_string()),
        );
        set(
            "training.rotations",
            self.rotations.map(|value| value.to_string()),
        );
        let (classes, samples) = match config.training.sampler {
            SamplerConfig::Pairs { .. } => ("pairs", None),
            SamplerConfig::Episodes { .. } => ("ways", Some("queries")),
            _ => ("classes", Some("samples")),
        };
        set(
            &format!("training.sampler.{classes}"),
            text(self.batch_classes),
        );
        if let Some(samples) = samples {
            set(
                &format!("training.sampler.{samples}"),
                text(self.batch_samples),
            );
        }
        set("tower.width", self.width.map(|width| width.to_string()));
        set("tower.embedding", text(self.embedding));
        set(
            "tower.normalized",
            self.normalized.map(|value| value.to_string()),
        );
        entries
    }
}

/// What holds for a data set when nothing is said.
fn usual(name: DatasetName, dataset: &Dataset) -> RunConfig {
    RunConfig {
        dataset: dataset.name.clone(),
        terms: dataset.terms.clone(),
        split_sha256: String::new(),
        seed: 1,
        distance: Distance::Euclidean,
        training: recipe::training(name, dataset),
        preprocess: dataset.preprocess,
        tower: recipe::tower(name, dataset.preprocess.shape()),
    }
}

/// The same with the pictures, tower and distance of a run that has the weights.
pub(super) fn like(name: DatasetName, dataset: &Dataset, run: &RunConfig) -> RunConfig {
    RunConfig {
        distance: run.distance,
        preprocess: run.preprocess,
        tower: run.tower.clone(),
        ..usual(name, dataset)
    }
}
