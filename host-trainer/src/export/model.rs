//! From a run, or another network, to a model folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use shared::Distance;
use shared::artifact::{Artifact, Card, Contract};
use shared::cohort::Normalization;
use shared::support_set::{Comparison, Fusion};

use super::artifact::{Draft, Measured};
use super::card::{CohortFacts, Costs, ModelCard, OperatingPoint, Quantization, sha256};
use super::plan::{low_memory, plan};
use super::quantized::quantized;
use super::{ARTIFACT, CARD, FLOAT_ONNX, INT8_ONNX, onnx, signature};
use crate::checkpoint::{Run, write_whole};
use crate::config::RunConfig;
use crate::dataset::{Dataset, Part};
use crate::engine::int8::Int8Embedder;
use crate::engine::tract::TractFloatEmbedder;
use crate::engine::{Embedder, ModelFacts};
use crate::evaluate::cohort::{Cohort, Measure};
use crate::evaluate::{Embedded, fusions, operating_points, templates};
use crate::import::{self, Reading};
use crate::quantize::calibrate::Method;
use crate::quantize::fused::{FusedGraph, check_embedding};
use crate::quantize::int8::QuantizedGraph;
use crate::quantize::quality;
use crate::tower::Tower;

/// Validation samples that int8 and float embeddings are compared on.
const COMPARED_SAMPLES: usize = 1000;

/// What is being done, for somebody who waits.
pub type Say<'a> = &'a mut dyn FnMut(&str);

/// How a run is quantized and exported.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How ranges are taken from samples, and nothing more is done; `None` takes the
    /// recipe that keeps embeddings best.
    pub calibration: Option<Method>,
    /// How several samples of a class become one distance; `None` takes what tells skilled
    /// forgeries apart best among validation samples, and prototypes where there are none.
    pub fusion: Option<Fusion>,
    /// How many training classes normalize distances on the device, and by what.
    pub cohort: Option<(usize, Normalization)>,
    /// The least mean cosine between int8 and float embeddings, -1 to 1.
    pub tolerance: f64,
    /// Whether the first nodes run patch by patch where that needs less memory.
    pub low_memory: bool,
    /// The commands that make the model anew.
    pub rebuild: Vec<String>,
}

impl Options {
    /// The usual [`Self::tolerance`]: trained towers keep more than 0.95, most 0.999.
    pub const USUAL_TOLERANCE: f64 = 0.9;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calibration: None,
            fusion: None,
            cohort: None,
            tolerance: Self::USUAL_TOLERANCE,
            low_memory: false,
            rebuild: vec![],
        }
    }
}

/// A network to export, and what is known of it.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is and what it was made on.
    pub config: RunConfig,
    /// Its layers.
    pub fused: FusedGraph,
}

impl Source {
    /// A run's network.
    ///
    /// # Errors
    /// When the tower cannot be built or fused, or a parameter is missing.
    pub fn of_run(run: Run) -> Result<Self> {
        let tower = run.config.tower.build()?;
        Ok(Self {
            fused: FusedGraph::new(&tower, &run.parameters)?,
            config: run.config,
        })
    }

    /// The real-numbered network of a model folder, with what its card says.
    ///
    /// # Errors
    /// When a file is missing, damaged, or not the one that the card lists.
    pub fn of_model(folder: &Path) -> Result<Self> {
        let card = ModelCard::load(folder)?;
        let config = RunConfig::read(&folder.join(CARD))?;
        let path = folder.join(FLOAT_ONNX);
        let onnx = edge_runtime::file::read(&path, import::MAX_LEN as u64)
            .with_context(|| format!("{}: expected this file of a model folder", path.display()))?;
        let (found, stated) = (sha256(&onnx), card.files.get(FLOAT_ONNX));
        ensure!(
            stated == Some(&found),
            "{}: expected the file that {CARD} lists, SHA-256 {stated:?}, found {found}: take all files from one model folder",
            path.display()
        );
        let picture = config.preprocess.picture().context(
            "expected a network over pictures to quantize anew, found one over sequences: quantize its training run",
        )?;
        let network = import::read(&onnx, &Reading::bytes(picture.colour))
            .with_context(|| path.display().to_string())?;
        let tower = Tower {
            spec: config.tower.clone(),
            graph: network.graph,
            normalized: network.normalized,
        };
        Ok(Self {
            fused: FusedGraph::new(&tower, &network.parameters)?,
            config,
        })
    }
}

/// Quantizes a network and writes its model folder: artifact, both ONNX files and, last,
/// the card. The same network, data and build give the same bytes. A signature of another
/// model that lies there is removed.
///
/// # Errors
/// When the data set is not the one that was trained on, has too few samples, int8
/// embeddings are farther from the float ones than the options tolerate, or the folder
/// cannot be written.
pub fn export(
    source: &Source,
    dataset: &Dataset,
    folder: &Path,
    options: &Options,
    say: Say<'_>,
) -> Result<ModelCard> {
    let Source { config, fused } = source;
    let split = dataset.split.hash(&dataset.classes);
    ensure!(
        split == config.split_sha256,
        "expected the data set that the network was made on (split {}), found another (split {split}): give the same --data",
        config.split_sha256
    );
    check_embedding(fused)?;
    say("calibrating on training samples");
    let (quantized, summary) = quantized(fused, dataset, &config.preprocess, options)?;
    let quality = quality::bounds(dataset, &config.preprocess)?;
    let (plan, patches) = match options.low_memory {
        true => low_memory(&quantized)?,
        false => (plan(&quantized)?, None),
    };
    let live_bytes = Some(plan.live_bytes as u64);
    let draft = Draft::new(contract(config, &quantized), plan)?;

    say("measuring operating points on validation samples, int8 engine");
    let mut int8 = Int8Embedder::new(draft.unmeasured()?)?;
    let mut facts = int8.facts().clone();
    let validation = Embedded::new(&mut int8, dataset, Part::Validation)?;
    let measure = match options.cohort {
        Some((size, normalization)) => {
            let comparison = facts.comparison;
            let cohort = Cohort::new(&mut int8, dataset, comparison, size, normalization)?;
            Measure::by(comparison, cohort)
        }
        None => facts.comparison.into(),
    };
    let fusion = options.fusion;
    let fusion = fusion.unwrap_or_else(|| fusions::best(&validation, &measure));
    let draft = draft.with_fusion(fusion)?;
    facts.comparison.fusion = fusion;
    let measure = measure.with(facts.comparison);
    let (points, impostors) = operating_points::measure(&validation, &measure)?;
    let chose = match config.imported().is_some() {
        true => "",
        false => ", which also chose the epoch",
    };
    let data = format!(
        "{}, validation classes{chose}; impostors: {}",
        dataset.name,
        impostors.name()
    );
    let made_on = match config.imported().is_some() {
        true => format!("an imported network, calibrated on {}", config.dataset),
        false => config.dataset.clone(),
    };

    say("exporting");
    let model_id = draft.model_id().to_string();
    let metadata = [(onnx::MODEL_ID, model_id.as_str())];
    let float_onnx = onnx::encode(&onnx::float(fused, &config.preprocess, &metadata));
    // Of a network over sequences there is none.
    let int8_onnx = match quantized.is_recurrent() {
        true => None,
        false => {
            let model = onnx::int8(&quantized, onnx::Format::Operators, &metadata)?;
            Some(onnx::encode(&model))
        }
    };
    let [mean_cosine, least_cosine] = compare(&validation, &float_onnx, facts.clone())?;
    let quantization = Quantization {
        mean_cosine,
        least_cosine,
        ..summary
    };
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let card = Card {
        name: &name,
        data: &made_on,
        terms: &config.terms,
        onnx_sha256: match &int8_onnx {
            Some(onnx) => Sha256::digest(onnx).into(),
            None => [0; 32],
        },
    };
    let dim = usize::from(facts.comparison.embedding.dim);
    let cohort = match &measure.cohort {
        Some(cohort) => Some((cohort.normalization(), cohort.bytes()?)),
        None => None,
    };
    let artifact = draft.finish(&Measured {
        data: &data,
        operating_points: &points,
        card: &card,
        quality,
        cohort: cohort.as_ref().and_then(|(normalization, members)| {
            shared::cohort::Cohort::new(*normalization, dim, members)
        }),
    })?;
    let parsed = Artifact::parse(&artifact).context("the artifact made here is refused")?;
    parsed.check_model_id()?;
    let cohort_facts = parsed.cohort().map(|cohort| CohortFacts {
        members: cohort.len(),
        normalization: cohort.normalization(),
    });
    let costs = Costs {
        macs: parsed.plan().macs(),
        artifact_bytes: artifact.len() as u64,
        arena_bytes: parsed.plan().arena_len() as u64,
        live_bytes,
        patches,
    };

    fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    signature::remove_stale(folder, &artifact, say)?;
    let mut files = vec![(ARTIFACT, &artifact), (FLOAT_ONNX, &float_onnx)];
    files.extend(int8_onnx.as_ref().map(|onnx| (INT8_ONNX, onnx)));
    for (file, bytes) in &files {
        write_whole(&folder.join(file), bytes)?;
    }
    let card = ModelCard {
        name: name.into_owned(),
        figures: figures(folder, &model_id, cohort_facts),
        model_id,
        dataset: config.dataset.clone(),
        terms: config.terms.clone(),
        split_sha256: split,
        seed: config.seed,
        distance: config.distance,
        fusion,
        rebuild: options.rebuild.clone(),
        costs,
        quality,
        cohort: cohort_facts,
        quantization,
        files: files
            .iter()
            .map(|(file, bytes)| ((*file).to_owned(), sha256(bytes)))
            .collect(),
        preprocess: config.preprocess,
        tower: config.tower.clone(),
        training: config.training.clone(),
        operating_points: points.iter().map(OperatingPoint::from).collect(),
        templates: templates::compare(&validation, config.distance)?,
    };
    card.save(folder)?;
    Ok(card)
}

/// What was measured of the same model by the same distances in that folder, if it is there.
fn figures(folder: &Path, model_id: &str, cohort: Option<CohortFacts>) -> Vec<toml::Table> {
    match ModelCard::load(folder) {
        Ok(card) if card.model_id == model_id && card.cohort == cohort => card.figures,
        _ => vec![],
    }
}

fn contract(config: &RunConfig, quantized: &QuantizedGraph) -> Contract {
    Contract {
        preprocess: config.preprocess,
        comparison: Comparison {
            embedding: quantized.embedding(),
            distance: config.distance,
            fusion: Fusion::Prototype,
        },
    }
}

/// How near the int8 embeddings of validation samples are to the float ones: the mean
/// cosine, and the least.
fn compare(validation: &Embedded, float_onnx: &[u8], facts: ModelFacts) -> Result<[f64; 2]> {
    let count = validation.tensors.len();
    let chosen: Vec<usize> = (0..count)
        .step_by(count.div_ceil(COMPARED_SAMPLES).max(1))
        .collect();
    let pixels: Vec<u8> = chosen
        .iter()
        .flat_map(|&index| validation.tensors.sample(index).iter().copied())
        .collect();
    let floats = TractFloatEmbedder::new(float_onnx, facts)?.embed(&pixels)?;
    let cosines = chosen.iter().enumerate().map(|(place, &index)| {
        let (float, int8) = (floats.get(place), validation.embeddings.get(index));
        Ok(1.0 - f64::from(Distance::Cosine.between(float, int8)?))
    });
    let cosines = cosines.collect::<Result<Vec<f64>>>()?;
    Ok([
        cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
        cosines.iter().copied().fold(1.0, f64::min),
    ])
}
