//! From a run to a model folder: artifact, ONNX files, card.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::Preprocess;
use shared::artifact::{Artifact, Card};
use shared::segmentation::RecordShape;

use super::artifact::{draft, finish};
use super::config::{Kind, SegmentationConfig, SegmentationTraining};
use super::network::SegmentationNetwork;
use super::onnx::{Files, RECORD_INT8_ONNX, RECORD_ONNX};
use super::quantize::{Quantization, quantize};
use super::samples::{Samples, preprocessing};
use crate::checkpoint::{WEIGHTS, read_tensors, write_whole};
use crate::export::card::{self, sha256};
use crate::export::plan::plan;
use crate::export::{ARTIFACT, CARD, FLOAT_ONNX, INT8_ONNX, onnx};
use crate::quantize::fused::FusedGraph;

/// `model.toml` of a network that segments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationCard {
    /// Tells it from cards of networks that recognize.
    pub kind: Kind,
    /// Its name, that of the folder.
    pub name: String,
    /// Identity of preprocessing, plan and weights.
    pub model_id: String,
    /// Tasks that it learnt from, beside made-up ones.
    pub tasks: Vec<String>,
    /// Tasks that it has not seen.
    pub left_out: Vec<String>,
    /// What it is not fit for.
    pub limits: String,
    /// The commands that make it anew.
    pub rebuild: Vec<String>,
    /// Costs on a device.
    pub costs: SegmentationCosts,
    /// What was done to the weights.
    pub quantization: Quantization,
    /// SHA-256 of each file beside the card.
    pub files: BTreeMap<String, String>,
    /// From pixels to inputs.
    #[serde(with = "crate::config::preprocessing")]
    pub preprocess: Preprocess,
    /// Seed of the training.
    pub seed: u64,
    /// How the weights were found.
    pub training: SegmentationTraining,
    /// The network.
    pub network: SegmentationNetwork,
    /// What `evaluate --record` measured.
    #[serde(default)]
    pub figures: Vec<toml::Table>,
}

/// Costs on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentationCosts {
    /// Multiply-accumulate operations of a reference.
    pub reference_macs: u64,
    /// Those of a query, but for comparing it.
    pub query_macs: u64,
    /// Those of comparing a query with one reference.
    pub comparison_macs: u64,
    /// Bytes of `model.bin`.
    pub artifact_bytes: u64,
    /// Bytes of activation memory, of a query; a reference needs no more.
    pub arena_bytes: u64,
    /// The most bytes of activations that live during one step.
    pub live_bytes: u64,
    /// Bytes that a support set keeps of each reference.
    pub record_bytes: u64,
}

/// What is said on every card.
const LIMITS: &str = "Not a medical device: masks are proposals for a person to look at. Figures are of the tasks \
named here, whose pictures are two-dimensional, grey and of one modality each; of other structures, scanners and \
stains nothing is known.";

impl SegmentationCard {
    /// Reads the card of a model folder.
    ///
    /// # Errors
    /// When it is missing, malformed, or of a network that recognizes.
    pub fn load(folder: &Path) -> Result<Self> {
        card::load(folder, "the card of a network that segments")
    }

    /// How the network was trained.
    pub fn config(&self) -> SegmentationConfig {
        SegmentationConfig {
            kind: self.kind,
            tasks: self.tasks.clone(),
            left_out: self.left_out.clone(),
            seed: self.seed,
            training: self.training.clone(),
            network: self.network.clone(),
        }
    }

    /// Writes the card into a model folder.
    ///
    /// # Errors
    /// When the folder cannot be written; an earlier card is untouched then.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(CARD), toml::to_string(self)?.as_bytes())
    }
}

/// A run's network in real numbers.
///
/// # Errors
/// When files are missing, or weights are another network's.
pub fn fused(run: &Path, config: &SegmentationConfig) -> Result<FusedGraph> {
    let (parameters, _) = read_tensors(&run.join(WEIGHTS))?;
    FusedGraph::of(&config.network.graph()?, false, &parameters)
}

/// Quantizes a run, calibrated on `tasks`, and writes its model folder, the card last.
///
/// # Errors
/// When the run is not whole, int8 cannot stand for it, or the folder cannot be written.
pub fn export(
    run: &Path,
    config: &SegmentationConfig,
    tasks: &[Samples],
    folder: &Path,
    rebuild: Vec<String>,
    say: &mut dyn FnMut(&str),
) -> Result<SegmentationCard> {
    let fused = fused(run, config)?;
    let preprocess = Preprocess::from(preprocessing(config.network.side));
    let (graph, quantization) = quantize(&fused, &preprocess, tasks, say)?;
    let plan = plan(&graph)?;
    let (live_bytes, record_len) = (plan.live_bytes as u64, plan.reference_len());
    say("exporting");
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let data = match config.tasks.is_empty() {
        true => "made-up tasks".to_owned(),
        false => format!("made-up tasks, {}", config.tasks.join(", ")),
    };
    let unmeasured = draft(plan.clone(), preprocess, graph.output())?;
    let unmeasured = Artifact::parse(&unmeasured).context("the plan made here is refused")?;
    let model_id = unmeasured.model_id().to_string();
    let metadata = [(onnx::MODEL_ID, model_id.as_str())];
    let float = Files::float(&fused, &preprocess, &metadata);
    let int8 = Files::int8(&graph, &metadata)?;
    let card = Card {
        name: &name,
        data: &data,
        terms: "see the card",
        onnx_sha256: Sha256::digest(&int8.query).into(),
    };
    let artifact = finish(plan, preprocess, graph.output(), &card)?;
    let parsed = Artifact::parse(&artifact).context("the artifact made here is refused")?;
    parsed.check_model_id()?;
    let steps = parsed.plan();
    let encoder = steps.steps().take(steps.encoder_steps());
    let is_comparison =
        |step: &shared::artifact::Step| matches!(step, shared::artifact::Step::Compare(_));
    let comparisons = steps.steps().filter(is_comparison);
    let comparison_macs: u64 = comparisons.map(|step| step.macs()).sum();
    let costs = SegmentationCosts {
        reference_macs: encoder.map(|step| step.macs()).sum(),
        query_macs: steps.macs() - comparison_macs,
        comparison_macs,
        artifact_bytes: artifact.len() as u64,
        arena_bytes: steps.arena_len() as u64,
        live_bytes,
        record_bytes: RecordShape::new(record_len).stride() as u64,
    };
    fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    let files = [
        (ARTIFACT, &artifact),
        (FLOAT_ONNX, &float.query),
        (RECORD_ONNX, &float.record),
        (INT8_ONNX, &int8.query),
        (RECORD_INT8_ONNX, &int8.record),
    ];
    for (file, bytes) in files {
        write_whole(&folder.join(file), bytes)?;
    }
    let hashes = files.map(|(file, bytes)| (file.to_owned(), sha256(bytes)));
    let card = SegmentationCard {
        kind: Kind::Segmentation,
        figures: match SegmentationCard::load(folder) {
            Ok(card) if card.model_id == model_id => card.figures,
            _ => vec![],
        },
        name: name.into_owned(),
        model_id,
        tasks: config.tasks.clone(),
        left_out: config.left_out.clone(),
        limits: LIMITS.into(),
        rebuild,
        costs,
        quantization,
        files: hashes.into(),
        preprocess,
        seed: config.seed,
        training: config.training.clone(),
        network: config.network.clone(),
    };
    card.save(folder)?;
    Ok(card)
}
