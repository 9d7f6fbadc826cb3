//! What a report is about: a model folder or a training run.

use std::path::Path;

use anyhow::{Context, Result};
use shared::artifact::{Artifact, MAX_LEN};

use crate::config::{CONFIG, RunConfig};
use crate::export::ARTIFACT;
use crate::export::card::ModelCard;

/// A model folder or a training run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// What was trained, on what, how.
    pub config: RunConfig,
    /// What was exported for devices; a run has none.
    pub exported: Option<Exported>,
}

/// What a model folder has beside the configuration.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What `model.toml` says.
    pub card: Box<ModelCard>,
    /// The bytes of `model.bin`.
    pub artifact: Vec<u8>,
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
            return Ok(Self {
                name: name.to_string_lossy().into_owned(),
                config: RunConfig::of(folder)?,
                exported: None,
            });
        }
        let path = folder.join(ARTIFACT);
        let artifact = edge_runtime::file::read(&path, MAX_LEN.into()).with_context(|| {
            format!(
                "{}: expected a training run (with {CONFIG}) or a model folder (with {ARTIFACT})",
                folder.display()
            )
        })?;
        let checked = Artifact::parse(&artifact).and_then(|artifact| artifact.check_model_id());
        checked.with_context(|| path.display().to_string())?;
        let card = Box::new(ModelCard::load(folder)?);
        Ok(Self {
            name: card.name.clone(),
            config: RunConfig::of(folder)?,
            exported: Some(Exported { card, artifact }),
        })
    }

    /// What devices get; a run has none.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn artifact(&self) -> Result<Option<Artifact<'_>>> {
        let bytes = self.exported.as_ref().map(|exported| &exported.artifact);
        Ok(bytes.map(|bytes| Artifact::parse(bytes)).transpose()?)
    }
}
