//! What a report is about: a model folder or a training run.

use std::path::Path;

use anyhow::{Context, Result};
use shared::artifact::{Artifact, MAX_LEN};
use shared::{Distance, Preprocess};

use crate::checkpoint::Run;
use crate::config::{CONFIG, TrainingConfig};
use crate::export::ARTIFACT;
use crate::export::card::ModelCard;
use crate::tower::TowerSpec;

/// A model folder or a training run.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Exported for devices.
    Model {
        /// What `model.toml` says.
        card: Box<ModelCard>,
        /// The bytes of `model.bin`.
        artifact: Vec<u8>,
    },
    /// Trained, not exported.
    Run {
        /// The folder's name.
        name: String,
        /// Configuration and weights.
        run: Box<Run>,
    },
}

impl Subject {
    /// Reads a folder.
    ///
    /// # Errors
    /// When it is neither, or a file is missing or damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        if folder.join(CONFIG).is_file() {
            let place = folder.canonicalize().unwrap_or_else(|_| folder.into());
            let name = place.file_name().unwrap_or_default();
            return Ok(Self::Run {
                name: name.to_string_lossy().into_owned(),
                run: Box::new(Run::load(folder)?),
            });
        }
        let path = folder.join(ARTIFACT);
        let artifact = edge_runtime::file::read(&path, MAX_LEN.into()).with_context(|| {
            format!(
                "{}: expected a training run (with {CONFIG}) or a model folder (with {ARTIFACT})",
                folder.display()
            )
        })?;
        Artifact::parse(&artifact).with_context(|| path.display().to_string())?;
        Ok(Self::Model {
            card: Box::new(ModelCard::load(folder)?),
            artifact,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Model { card, .. } => &card.name,
            Self::Run { name, .. } => name,
        }
    }

    /// The data set that it was trained on.
    pub fn dataset(&self) -> &str {
        match self {
            Self::Model { card, .. } => &card.dataset,
            Self::Run { run, .. } => &run.config.dataset,
        }
    }

    /// Terms of that data.
    pub fn terms(&self) -> &str {
        match self {
            Self::Model { card, .. } => &card.terms,
            Self::Run { run, .. } => &run.config.terms,
        }
    }

    /// SHA-256 of the split that it was trained with.
    pub fn split_sha256(&self) -> &str {
        match self {
            Self::Model { card, .. } => &card.split_sha256,
            Self::Run { run, .. } => &run.config.split_sha256,
        }
    }

    /// Seed of the training.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Model { card, .. } => card.seed,
            Self::Run { run, .. } => run.config.seed,
        }
    }

    /// How embeddings are compared.
    pub fn distance(&self) -> Distance {
        match self {
            Self::Model { card, .. } => card.distance,
            Self::Run { run, .. } => run.config.distance,
        }
    }

    /// From pixels to tower inputs.
    pub fn preprocess(&self) -> &Preprocess {
        match self {
            Self::Model { card, .. } => &card.preprocess,
            Self::Run { run, .. } => &run.config.preprocess,
        }
    }

    /// The network.
    pub fn tower(&self) -> &TowerSpec {
        match self {
            Self::Model { card, .. } => &card.tower,
            Self::Run { run, .. } => &run.config.tower,
        }
    }

    /// How the weights were found.
    pub fn training(&self) -> &TrainingConfig {
        match self {
            Self::Model { card, .. } => &card.training,
            Self::Run { run, .. } => &run.config.training,
        }
    }

    /// What devices get; a run has none.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn artifact(&self) -> Result<Option<Artifact<'_>>> {
        match self {
            Self::Model { artifact, .. } => Ok(Some(Artifact::parse(artifact)?)),
            Self::Run { .. } => Ok(None),
        }
    }
}
