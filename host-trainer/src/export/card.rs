//! The card of a model: what it is, for people, beside the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::cohort::Normalization;
use shared::quality::Bounds;
use shared::support_set::Fusion;
use shared::{Distance, Preprocess};

use super::CARD;
use super::program::Patches;
use crate::checkpoint::write_whole;
use crate::config::TrainingConfig;
use crate::evaluate::templates::TemplateFigures;
use crate::quantize::fidelity::{LayerFidelity, SampleFidelity};
use crate::quantize::recipe::{Recipe, Tried};
use crate::tower::TowerSpec;

/// `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Its name, that of the folder.
    pub name: String,
    /// Identity of preprocessing, embedding format, distance, plan and weights.
    pub model_id: String,
    /// Data set that it was trained on, by its command line name.
    pub dataset: String,
    /// Terms of the data.
    pub terms: String,
    /// SHA-256 of the split manifest.
    pub split_sha256: String,
    /// Seed of the training.
    pub seed: u64,
    /// How embeddings are compared.
    pub distance: Distance,
    /// How several samples of a class become one distance; missing in older cards, whose
    /// models take prototypes.
    #[serde(default = "prototype", skip_serializing_if = "is_prototype")]
    pub fusion: Fusion,
    /// The commands that make it anew.
    pub rebuild: Vec<String>,
    /// Costs on a device.
    pub costs: Costs,
    /// What training pictures measure, of which enrolment refuses what is outside; missing
    /// where they are too few, and in older cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Bounds>,
    /// Who normalizes distances, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<CohortFacts>,
    /// What was done to the weights.
    pub quantization: Quantization,
    /// SHA-256 of each file beside the card.
    pub files: BTreeMap<String, String>,
    /// From pixels to tower inputs.
    #[serde(with = "crate::config::preprocessing")]
    pub preprocess: Preprocess,
    /// The network.
    pub tower: TowerSpec,
    /// How the weights were found.
    pub training: TrainingConfig,
    /// Thresholds with the error rates measured for them, as in the artifact.
    pub operating_points: Vec<OperatingPoint>,
    /// What templates of fewer bits would tell, on validation samples.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateFigures>,
    /// What `evaluate --record` measured.
    #[serde(default)]
    pub figures: Vec<toml::Table>,
}

fn prototype() -> Fusion {
    Fusion::Prototype
}

fn is_prototype(fusion: &Fusion) -> bool {
    *fusion == Fusion::Prototype
}

/// The cohort in the artifact: embeddings of training samples, one of each of so many classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortFacts {
    /// How many.
    pub members: usize,
    /// What distances are normalized by.
    pub normalization: Normalization,
}

/// Costs on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    /// Multiply-accumulate operations of one embedding.
    pub macs: u64,
    /// Bytes of `model.bin`.
    pub artifact_bytes: u64,
    /// Bytes of activation memory.
    pub arena_bytes: u64,
    /// The most bytes of activations that live during one step, which no arena is shorter
    /// than; missing in older cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_bytes: Option<u64>,
    /// What runs patch by patch to save memory, where something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patches: Option<Patches>,
}

/// How the int8 model was made, and how near it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// Samples that ranges were taken from.
    pub calibration_samples: usize,
    /// Mean cosine between int8 and float embeddings of validation samples.
    pub mean_cosine: f64,
    /// The smallest of them.
    pub least_cosine: f64,
    /// What was done; of an older card, calibration from the smallest to the largest.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Training samples that were left out of the calibration while the recipe was chosen.
    #[serde(default)]
    pub held_out_samples: usize,
    /// Mean cosine between int8 and float embeddings of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out_cosine: Option<f64>,
    /// How near each layer's output is on those: name, signal to quantization noise in
    /// decibels, cosine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerFidelity>,
    /// Those whose embeddings differ most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<SampleFidelity>,
    /// The recipes among which one was chosen, where one was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// [`shared::artifact::OperatingPoint`] for people.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The false-accept rate that was aimed at.
    pub far_target: f32,
    /// Shots per subject.
    pub shots: u8,
    /// The largest distance that is accepted.
    pub threshold: f32,
    /// How much farther the runner-up must be for an identification.
    pub margin: f32,
    /// Measured false-accept rate.
    pub far: f32,
    /// Upper end of its 95 % interval.
    pub far_upper: f32,
    /// Measured false-reject rate.
    pub frr: f32,
    /// Upper end of its 95 % interval.
    pub frr_upper: f32,
    /// Impostor comparisons.
    pub impostors: u32,
    /// Genuine comparisons.
    pub genuine: u32,
}

impl From<&shared::artifact::OperatingPoint> for OperatingPoint {
    fn from(point: &shared::artifact::OperatingPoint) -> Self {
        Self {
            far_target: point.far_target,
            shots: point.shots,
            threshold: point.threshold,
            margin: point.margin,
            far: point.far,
            far_upper: point.far_upper,
            frr: point.frr,
            frr_upper: point.frr_upper,
            impostors: point.impostors,
            genuine: point.genuine,
        }
    }
}

impl ModelCard {
    /// Reads the card of a model folder.
    ///
    /// # Errors
    /// When it is missing or malformed; the message names it.
    pub fn load(folder: &Path) -> Result<Self> {
        load(folder, "a model card")
    }

    /// Writes the card into a model folder.
    ///
    /// # Errors
    /// When the folder cannot be written; an earlier card is untouched then.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(CARD), toml::to_string(self)?.as_bytes())
    }

    /// Puts figures of an evaluation beside the others, in place of earlier ones of
    /// the same kind: those that agree in every entry named in `same`.
    pub fn record(&mut self, figures: toml::Table, same: &[&str]) {
        let fresh = &figures;
        self.figures
            .retain(|old| same.iter().any(|&key| old.get(key) != fresh.get(key)));
        self.figures.push(figures);
    }
}

/// Reads the card of a model folder, of either kind.
///
/// # Errors
/// When it is missing, or is not the `expected` one; the message names it.
pub(crate) fn load<C: DeserializeOwned>(folder: &Path, expected: &str) -> Result<C> {
    let path = folder.join(CARD);
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "{}: expected the card of a model made by `host-trainer quantize`",
            path.display()
        )
    })?;
    toml::from_str(&text).with_context(|| format!("{}: expected {expected}", path.display()))
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
