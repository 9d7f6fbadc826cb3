//! A training run on disk: configuration and weights, readable without libtorch.
//!
//! ```text
//! runs/NAME/run.toml              what was trained, on what, how; see [`RunConfig`]
//! runs/NAME/weights.safetensors   the best weights so far, by validation
//! runs/NAME/resume.safetensors    what continuing needs: last weights, optimizer state
//! runs/NAME/events.jsonl          every event of the training
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use shared::preprocess::{Crop, Fit, Tone};
use shared::{Distance, Preprocess};

use crate::tower::{Parameters, Tensor, TowerSpec};

/// The configuration file of a run.
pub const CONFIG: &str = "run.toml";
/// The best weights of a run.
pub const WEIGHTS: &str = "weights.safetensors";

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

/// How weights are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// What is minimised.
    pub loss: LossConfig,
    /// Passes; each ends with a validation.
    pub epochs: usize,
    /// Batches per epoch.
    pub steps_per_epoch: usize,
    /// Classes per batch.
    pub batch_classes: usize,
    /// Samples per class in a batch.
    pub batch_samples: usize,
    /// Peak learning rate of AdamW, after a linear warm-up and before a cosine decay.
    pub learning_rate: f64,
    /// Decoupled weight decay (Loshchilov and Hutter, 2019).
    pub weight_decay: f64,
    /// Gradients are scaled down to this norm.
    pub clip_norm: f64,
    /// Random affine changes of training samples.
    pub augment: Augment,
    /// Whether quarter turns of a class count as further classes.
    pub rotations: bool,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum LossConfig {
    /// Pairs; impostors closer than the margin cost.
    Contrastive {
        /// In units of the distance.
        margin: f64,
    },
    /// Batch-hard triplets; without a margin the soft one.
    Triplet {
        /// In units of the distance.
        margin: Option<f64>,
    },
}

/// Random changes of training samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augment {
    /// None.
    None,
    /// Rotation, shear, scale, translation.
    Affine,
}

impl RunConfig {
    /// Reads the configuration in a run's folder.
    ///
    /// # Errors
    /// When it is missing or malformed; the message names the file.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "{}: expected a run made by `host-trainer train`",
                path.display()
            )
        })?;
        toml::from_str(&text)
            .with_context(|| format!("{}: expected a run's configuration", path.display()))
    }

    /// The flags of `host-trainer train` that repeat this run, wherever its data are.
    pub fn flags(&self) -> String {
        let TrainingConfig {
            loss,
            epochs,
            steps_per_epoch,
            batch_classes,
            batch_samples,
            learning_rate,
            augment,
            rotations,
            ..
        } = &self.training;
        let (loss, margin) = match loss {
            LossConfig::Contrastive { margin } => ("contrastive", margin.to_string()),
            LossConfig::Triplet { margin: None } => ("triplet", "soft".to_owned()),
            LossConfig::Triplet {
                margin: Some(margin),
            } => ("triplet", margin.to_string()),
        };
        let augment = match augment {
            Augment::None => "none",
            Augment::Affine => "affine",
        };
        let Preprocess {
            width,
            height,
            tone,
            crop,
            fit,
            ..
        } = &self.preprocess;
        let tone = match tone {
            Tone::Keep => "keep",
            Tone::Invert => "invert",
            Tone::Ink => "ink",
        };
        let crop = match crop {
            Crop::Whole => "whole",
            Crop::CentreSquare => "centre-square",
            Crop::Ink => "ink",
        };
        let fit = match fit {
            Fit::Stretch => "stretch",
            Fit::Contain => "contain",
        };
        let TowerSpec::Conv4(tower) = &self.tower;
        [
            format!("--dataset {} --seed {}", self.dataset, self.seed),
            format!(
                "--loss {loss} --margin {margin} --distance {}",
                self.distance
            ),
            format!("--epochs {epochs} --steps {steps_per_epoch} --learning-rate {learning_rate}"),
            format!("--batch-classes {batch_classes} --batch-samples {batch_samples}"),
            format!("--augment {augment} --rotations {rotations}"),
            format!(
                "--width {} --embedding {} --normalized {}",
                tower.width, tower.embedding, tower.normalized
            ),
            format!("--input {width}x{height} --tone {tone} --crop {crop} --fit {fit}"),
        ]
        .join(" ")
    }
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
    /// When a file is missing or malformed; the message names the file, what was
    /// expected and found.
    pub fn load(folder: &Path) -> Result<Self> {
        let config = RunConfig::load(folder)?;
        let (parameters, _) = read_tensors(&folder.join(WEIGHTS))?;
        Ok(Self { config, parameters })
    }
}

/// Reads named tensors and the text beside them.
///
/// # Errors
/// When the file is missing or holds anything but single-precision tensors.
pub fn read_tensors(path: &Path) -> Result<(Parameters, BTreeMap<String, String>)> {
    let bytes = fs::read(path)
        .with_context(|| format!("{}: expected weights, found no such file", path.display()))?;
    let context = || format!("{}: expected a whole safetensors file", path.display());
    let (_, metadata) = SafeTensors::read_metadata(&bytes).with_context(context)?;
    let texts = metadata.metadata().clone().unwrap_or_default();
    let tensors = SafeTensors::deserialize(&bytes).with_context(context)?;
    let parameters = tensors
        .iter()
        .map(|(name, view)| {
            ensure!(
                view.dtype() == Dtype::F32,
                "{}: expected f32 numbers in {name}, found {:?}",
                path.display(),
                view.dtype()
            );
            let chunks = view.data().as_chunks::<4>().0;
            let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes));
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: values.collect(),
            };
            Ok((name.to_owned(), tensor))
        })
        .collect::<Result<_>>()?;
    Ok((parameters, texts.into_iter().collect()))
}

/// Writes named tensors, and text beside them, in one go: a reader finds the old
/// file or the new one, never half of it.
///
/// # Errors
/// When the file cannot be written; an earlier one is untouched then.
pub fn write_tensors(
    path: &Path,
    parameters: &Parameters,
    texts: BTreeMap<String, String>,
) -> Result<()> {
    let bytes: BTreeMap<&str, Vec<u8>> = parameters
        .iter()
        .map(|(name, tensor)| {
            let values = tensor.values.iter().flat_map(|value| value.to_le_bytes());
            (name.as_str(), values.collect())
        })
        .collect();
    let views = parameters
        .iter()
        .map(|(name, tensor)| {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &bytes[name.as_str()])?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let texts = (!texts.is_empty()).then(|| texts.into_iter().collect());
    write_whole(path, &safetensors::serialize(views, texts)?)
}

/// Writes a file by way of a temporary sibling and a rename.
///
/// # Errors
/// When the folder cannot be written; an earlier file is untouched then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let context = || format!("{}: cannot be written", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    // Readable as far as the user's umask allows, as any file they write is.
    let mut temporary = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .with_context(context)?;
    temporary.write_all(bytes).with_context(context)?;
    temporary.as_file().sync_all().with_context(context)?;
    temporary.persist(path).with_context(context)?;
    Ok(())
}
